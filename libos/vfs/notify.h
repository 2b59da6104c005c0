/* SPDX-License-Identifier: MIT */
/*
 * Telling who asked what happens to files: watches on inodes, grouped into queues of
 * events.
 *
 * V1. A watch stands in its inode's list and in its group's tree, or in neither; it holds
 *     no reference on the inode: when the inode ends, the watch does.
 * V2. An event goes to the watches of the inode and, with its name, to those of the
 *     directory that the file was opened or named in.
 * V3. dentry.notify_seen equals notify_epoch only if neither the dentry's inode nor its
 *     parent's had a watch since.  Every new watch moves the epoch, every move of a
 *     dentry clears its mark, so a file that nobody watches costs one comparison.
 * V4. An event that equals the last one of the queue in all but its cookie is dropped; a
 *     full queue takes one more, which says that events were lost.
 * V5. A group with `told` has no queue: it is asked about each event, under notify_lock,
 *     and a watch of NOTIFY_ONCE ends with the first that it answers with true.
 *
 * Lock: notify_lock (spin) guards all of it; queues of waiters are woken under it.  It is
 * taken under mutexes and never together with dentry_lock.
 */
#ifndef LIBOS_VFS_NOTIFY_H
#define LIBOS_VFS_NOTIFY_H

#include "core/tree.h"
#include "vfs/dentry.h"
#include "vfs/usage.h"

/* The numbers are the ones that user programs use. */
#define NOTIFY_ACCESS           0x1u
#define NOTIFY_MODIFY           0x2u
#define NOTIFY_ATTRIB           0x4u
#define NOTIFY_CLOSE_WRITE      0x8u
#define NOTIFY_CLOSE_NOWRITE    0x10u
#define NOTIFY_OPEN             0x20u
#define NOTIFY_MOVED_FROM       0x40u
#define NOTIFY_MOVED_TO         0x80u
#define NOTIFY_CREATE           0x100u
#define NOTIFY_DELETE           0x200u
#define NOTIFY_DELETE_SELF      0x400u
#define NOTIFY_MOVE_SELF        0x800u
#define NOTIFY_ALL              0xfffu
#define NOTIFY_UNMOUNT          0x2000u
#define NOTIFY_OVERFLOW         0x4000u
#define NOTIFY_IGNORED          0x8000u
#define NOTIFY_EXCLUDE_UNLINKED 0x4000000u  /* of a watch */
#define NOTIFY_DIRECTORY        0x40000000u /* of an event */
#define NOTIFY_ONCE             0x80000000u /* of a watch */

#define NOTIFY_EVENTS_MAX 16384u
#define NOTIFY_GROUPS_MAX 128u

struct notify_event {
    struct list link;
    i32 wd;
    u32 mask, cookie;
    u32 name_bytes; /* without a NUL */
    char name[];
};
struct notify_group {
    struct list link;    /* in the list of all groups */
    struct tree watches; /* by wd */
    struct list events;
    u32 count; /* of events */
    i32 last_wd;
    bool overflowed; /* the overflow event is in the queue */
    struct notify_event *overflow;
    struct waitq wait;
    struct usage *usage;
    bool (*told)(void *priv, u32 mask, u32 cookie); /* [I]; V5; NULL: it has a queue */
    void *priv;                                     /* [I]; for told */
};
struct notify_watch {
    struct notify_watch *next; /* of the inode */
    struct inode *inode;
    struct notify_group *group;
    struct tree_node node;
    i32 wd;
    u32 mask;
};

/* -E_MFILE: the user has too many; -E_NOMEM */
int notify_group_new(u32 uid, struct notify_group **out) MUST_CHECK;
void notify_group_free(struct notify_group *g);
#define NOTIFY_ADD_TO_MASK 0x1u
#define NOTIFY_MUST_CREATE 0x2u
/* The watch's number, 1 or more.  The caller holds the inode.  -E_EXIST -E_NOSPC (the
 * user's limit) -E_NOMEM */
i64 notify_watch_add(struct notify_group *g, struct inode *i, u32 mask,
                     u32 how) MUST_CHECK;
int notify_watch_remove(struct notify_group *g, i32 wd) MUST_CHECK; /* -E_INVAL */
/* Of the watch whose number is the next one above `wd`; false: there is none. */
struct notify_watch_info {
    i32 wd;
    u32 mask;
    u64 ino, dev;
};
bool notify_watch_next(struct notify_group *g, i32 wd, struct notify_watch_info *out);
u64 notify_watches_max(void);                                       /* of a user */
/* The oldest event if `size` bytes hold it as `bytes_of` counts; the caller frees it
 * with heap_free.  -E_AGAIN: none; -E_INVAL: it is larger. */
int notify_event_take(struct notify_group *g, u64 size,
                      u64 (*bytes_of)(const struct notify_event *e),
                      struct notify_event **out) MUST_CHECK;
/* The sum of bytes_of over the queue. */
u64 notify_events_bytes(struct notify_group *g,
                        u64 (*bytes_of)(const struct notify_event *e));

/* ---- what the vfs tells ---- */
extern _Atomic u32 notify_epoch;
void notify_place(struct dentry *d, u32 event);
/* Was there ever a watch? */
static inline bool
notify_anyone(void)
{
    return __builtin_expect(
        atomic_load_explicit(&notify_epoch, memory_order_relaxed) != 0, 0);
}
/* Something happened to the file at a place: V3's comparison. */
static inline void
notify_dentry(struct dentry *d, u32 event)
{
    if (notify_anyone() && d != NULL &&
        d->notify_seen != atomic_load_explicit(&notify_epoch, memory_order_relaxed))
        notify_place(d, event);
}
void notify_inode_slow(struct inode *i, u32 event, u32 cookie, const char *name,
                       u32 length);
/* To the watches of one inode; a directory's entry is named. */
static inline void
notify_name(struct inode *i, u32 event, u32 cookie, const char *name, u32 length)
{
    if (__builtin_expect(i->watches != NULL, 0))
        notify_inode_slow(i, event, cookie, name, length);
}
static inline u32
notify_type(const struct inode *i)
{
    return i->type == IT_DIR ? NOTIFY_DIRECTORY : 0;
}
u32 notify_cookie(void);
void notify_inode_gone(struct inode *i);            /* it ends */
void notify_unmounted(const struct filesystem *fs); /* its inodes will end */

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Private to vfs/: dentries, the names that look-ups have met, and mounts.
 *
 * D1. A dentry is hashed if and only if its directory has an entry of this name for this
 *     inode.  Entries come and go under the directory's mutex, so a look-up that holds it
 *     and finds no dentry may ask the file system and insert.
 *     A fleeting inode's dentries are never hashed: each look-up makes one.
 * D2. A dentry holds its inode and its parent.  Its inode never changes; parent and name
 *     change only under dentry_lock.
 * D3. A directory's inode that is not fleeting has at most one dentry: children hold it,
 *     and only one look-up at a time can insert it.
 * D4. A dentry whose references are gone stays in the cache while it is hashed, up to
 *     DENTRY_IDLE_MAX of them; the oldest that was not used again goes first.
 * D5. refs goes from 0 to 1 only under dentry_lock.  What is seen under dentry_lock stays
 *     allocated while it is held.
 * D6. Mounts: vfs/mount.h.
 *
 * Lock order: a directory's mutex, then a context's lock, then dentry_lock; dentry_lock
 * is innermost.
 */
#ifndef LIBOS_VFS_DENTRY_H
#define LIBOS_VFS_DENTRY_H

#include "core/string.h"
#include "vfs/mount.h"

#define NAME_BYTES_MAX 255u
#define DENTRY_IDLE_MAX 4096u
#define DENTRY_BUCKETS 16384u /* four for each idle one: seldom two in one */
#define DENTRY_NAME_INLINE 32u

struct dentry {
    _Atomic u32 refs;
    u32 notify_seen;           /* vfs/notify.h, V3; written without a lock */
    u64 hash;                  /* of the name */
    struct dentry *next;       /* in the bucket; in a list of doomed ones */
    struct dentry **link;      /* what points at it in the bucket; NULL: not hashed */
    struct dentry *parent;     /* NULL: a file system's root */
    struct inode *inode;
    struct list idle;          /* empty: not on the idle list */
    u16 length;
    bool used;                 /* since it went to the idle list */
    bool doomed;               /* on a list for dentry_bury, though it may be used again */
    /* its entry was removed; also: nothing may be created in it */
    bool dead;
    char *name;                /* small, or on the heap */
    char small[DENTRY_NAME_INLINE];
};

extern struct spinlock dentry_lock;
/* Counts renames and changes of the tree of mounts; dentry_lock.  Who climbs while it
 * changes may have left the tree it was to stay in. */
extern u64 dentry_moves;

extern struct dentry *dentry_buckets[DENTRY_BUCKETS]; /* dentry_lock */
static inline struct dentry **
dentry_bucket(const struct dentry *parent, u64 hash)
{
    u32 mixed = ((u32)hash ^ (u32)((uintptr_t)parent >> 5)) * 0x9e3779b1u;
    return &dentry_buckets[mixed / (0x100000000ull / DENTRY_BUCKETS)];
}
/* Under dentry_lock.  No reference is taken. */
static inline struct dentry *
dentry_find_locked(const struct dentry *parent, const struct name *name)
{
    struct dentry *d = *dentry_bucket(parent, name->hash);
    for (; d != NULL; d = d->next) {
        if (d->hash == name->hash && d->parent == parent && d->length == name->length &&
            (name->length <= NAME_HASH_EXACT ||
             bytes_equal(d->name, name->text, name->length))) {
            d->used = true;
            break;
        }
    }
    return d;
}
/* Drop a reference under dentry_lock; what dies is put on *doomed, to be given to
 * dentry_bury when the lock is free. */
void dentry_put_locked(struct dentry *d, struct dentry **doomed);
void dentry_bury(struct dentry *doomed);
/* Under dentry_lock: take those out of the list that have got references again. */
void dentry_spare_locked(struct dentry **doomed);

static inline void
dentry_hold(struct dentry *d)
{
    atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
}
void dentry_release(struct dentry *d);
/* A root dentry or a child, not hashed; takes over the caller's reference on the
 * inode.  NULL: no memory. */
struct dentry *dentry_new(struct dentry *parent, const struct name *name,
                          struct inode *inode);
void dentry_insert(struct dentry *d);
/* The entry `name` of a directory whose mutex is held: with a reference.  -E_NOENT,
 * the file system's errors, -E_NOMEM. */
int dentry_get(struct dentry *dir, const struct name *name,
               struct dentry **out) MUST_CHECK;
/* The entry is gone from the directory (mutex held). */
void dentry_remove(struct dentry *d);
/* Space for a new name: NULL if it fits inline; -E_NOMEM. */
int dentry_name_prepare(u32 length, char **out) MUST_CHECK;
/* The entry has moved (both mutexes held).  Takes `space` from dentry_name_prepare.
 * `replaced` may be NULL. */
void dentry_move(struct dentry *d, struct dentry *parent, const struct name *name,
                 char *space, struct dentry *replaced);
void dentry_swap(struct dentry *a, char *space_a, struct dentry *b, char *space_b);
/* Drop idle dentries of a file system (unmount). */
void dentry_forget(const struct filesystem *fs);
/* is `above` d or one of its ancestors? */
bool dentry_below(const struct dentry *d, const struct dentry *above);
u32 dentry_idle_count(void);

static inline void
mount_hold(struct mount *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
}
void mount_release(struct mount *m);
void mount_bury(struct mount *doomed);
/* What is mounted on the place, NULL: nothing; dentry_lock held. */
static inline struct mount *
mount_on_locked(const struct mount *mount, const struct dentry *d)
{
    struct mount *m = d->inode->mounted;
    while (m != NULL && (m->point.mount != mount || m->point.dentry != d))
        m = m->next_here;
    return m;
}
/* Shared by walk and open: the topmost mount on a place; dentry_lock held. */
static inline struct dentry *
mount_cross_locked(struct mount **mount, struct dentry *d)
{
    while (__builtin_expect(d->inode->mounted != NULL, 0)) {
        struct mount *m = mount_on_locked(*mount, d);
        if (m == NULL)
            break;
        *mount = m;
        d = m->root;
    }
    return d;
}
/* Does the tree have a mount with this place, in whichever mount?  dentry_lock held, or
 * the mutex of the directory that has the name (U3). */
bool mount_is_place(const struct dentry *d);
/* All contexts whose root or cwd is `from` have `to` instead. */
void context_replace(const struct path *from, const struct path *to);
const struct cred *vfs_cred(const struct cred *cred); /* NULL: root's */
/* Create an entry: directory's mutex held, name known not to exist.  Checks rights;
 * the dentry has a reference. */
int vfs_create_locked(struct dentry *dir, const struct cred *cred,
                      const struct name *name, enum inode_type type, u32 mode, u64 rdev,
                      struct dentry **out) MUST_CHECK;
u32 vfs_mode_for_group(u32 mode, const struct cred *cred, u32 gid);
#define LINKS_MAX 40u
/* May the link in this directory be followed? `last`: nothing comes after it. -E_LOOP
 * -E_ACCES */
int walk_may_follow(const struct walk *w, const struct mount *m, const struct inode *dir,
                    const struct inode *link, bool last) MUST_CHECK;
bool name_is_dots(const char *name, u32 length); /* . or .. */

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Mounts and kinds of file systems.
 *
 * U1. A mount shows a directory tree (or one file) of a file system at a place: the pair
 *     of a mount and a dentry.  Several mounts may show the same file system (bind); on
 *     one place there is at most one, and a further one goes on top, on its root.
 * U2. inode->mounted is the list of the mounts whose place has this inode, whichever
 *     mount and name it is reached by; place and list change under dentry_lock, and who
 *     changes them holds mount_mutex as well.
 * U3. A place cannot be removed or renamed: who mounts holds the mutex of the directory
 *     that has the place's name, as who removes a name does.
 * U4. `refs` counts paths (files, cwd, roots), the mounts in it, and one of the tree's.
 *     A mount that was taken off the tree has no place; its last user takes it down.
 * U5. `filesystem.mounts` counts the mounts that show it; with the last one it goes,
 *     unless it lives for ever.
 * U6. `writers` counts files that are open for writing by this mount; it becomes
 *     read-only only when there are none.  A writer counts itself before it looks whether
 *     the mount is read-only, and who makes it read-only sets that before it looks at the
 *     writers.
 * Mounts are private: what is mounted in one is never seen in another.
 */
#ifndef LIBOS_VFS_MOUNT_H
#define LIBOS_VFS_MOUNT_H

#include "vfs/vfs.h"

/* Of a mount (struct mount) */
#define MOUNT_READ_ONLY 0x1u
#define MOUNT_NO_SET_IDS 0x2u
#define MOUNT_NO_DEVICES 0x4u
#define MOUNT_NO_EXEC 0x8u
#define MOUNT_NO_ATIME 0x10u
#define MOUNT_NO_DIR_ATIME 0x20u
#define MOUNT_RELATIME 0x40u
#define MOUNT_NO_SYMLINKS 0x80u
#define MOUNT_SETTABLE 0xffu
#define MOUNT_UNBINDABLE 0x100u
#define MOUNTS_MAX 100000u

struct mount {
    _Atomic u32 refs;          /* U4 */
    _Atomic u32 flags;         /* MOUNT_* */
    _Atomic u32 writers;       /* U6 */
    /* 2: marked by UMOUNT_EXPIRE; the marker's own leaving makes it 1, another use 0 */
    _Atomic u32 expiring;
    u32 id;
    struct filesystem *fs;
    struct dentry *root;
    char *source;              /* what was given as the device; NULL: none */
    /* under dentry_lock: */
    struct path point;         /* the place; all NULL: the first root, or not in the tree */
    struct mount *next_here;   /* U2 */
    struct list children, sibling;
    struct list link;          /* in vfs_mounts, by `order`; empty: not in the tree */
    u64 order;
    struct mount *doomed;      /* in a list of those without users */
    bool is_doomed;            /* in the list of a walk */
    struct path left;          /* the place it had, until its references are dropped */
    struct mount *copy;        /* while a tree is copied; mount_mutex */
};

extern struct list vfs_mounts; /* dentry_lock */
extern struct mount *vfs_root; /* the first mount; immutable after vfs_mount_root */
/* Counts changes of the tree of mounts, and wakes. */
extern _Atomic u64 vfs_mount_changes;
extern struct waitq vfs_mount_changed;

static inline bool
mount_is_read_only(const struct mount *m)
{
    return m != NULL &&
           ((atomic_load_explicit(&m->flags, memory_order_relaxed) & MOUNT_READ_ONLY) != 0 ||
            m->fs->read_only);
}
static inline bool
mount_has(const struct mount *m, u32 flag)
{
    return m != NULL &&
           (atomic_load_explicit(&m->flags, memory_order_relaxed) & flag) != 0;
}
/* 0 or -E_ROFS, for what changes something through this path. */
static inline int
path_may_write(const struct path *p)
{
    return mount_is_read_only(p->mount) ? -E_ROFS : 0;
}
/* vfs_access, with what the mount and the file system forbid as access(2) and execve(2)
 * ask for it: -E_ACCES, -E_ROFS. */
int path_access(const struct path *p, const struct cred *cred, u32 want) MUST_CHECK;
/* The inode was read through this mount: its access time, as the mount keeps them. */
void vfs_touch_atime(const struct mount *m, struct inode *i);
/* A file is opened for writing here / closed again: -E_ROFS */
int mount_write_begin(struct mount *m) MUST_CHECK;
void mount_write_end(struct mount *m);

/* ---- kinds of file systems ---- */
struct fs_type {
    const char *name;
    bool needs_device;         /* /proc/filesystems says "nodev" of the others */
    /* A new file system, or the one that there is, with the options applied.
     * `data`: the options that mount(2) was given, never NULL. -E_INVAL: an option */
    int (*make)(const struct fs_type *t, const char *data, struct filesystem **out);
    struct fs_type *next;      /* the registry's */
};
/* t stays the registry's for ever; before the first process. */
void fs_type_register(struct fs_type *t);
const struct fs_type *fs_type_find(const char *name);
/* In the order of registration; NULL: begin.  NULL is returned at the end. */
const struct fs_type *fs_type_next(const struct fs_type *t);

/* ---- changes of the tree; all -E_NOMEM, -E_NOSPC (MOUNTS_MAX), -E_NOENT (the place was
 * removed), -E_INVAL (not in the tree), -E_NOTDIR (a file on a directory or the reverse) */
int vfs_mount_root(struct filesystem *fs) MUST_CHECK;
/* A mount without a place, for who opens files of fs by path.start; for ever. -E_NOMEM */
int vfs_mount_hidden(struct filesystem *fs, struct path *root) MUST_CHECK;
/* source may be NULL.  -E_BUSY: fs is mounted just there.  After an error fs stays the
 * caller's. */
int vfs_mount_at(struct filesystem *fs, const struct path *at, u32 flags,
                 const char *source) MUST_CHECK;
/* Show `from` at `at`, with all mounts below if recursive. -E_INVAL: unbindable */
int vfs_bind(const struct path *from, const struct path *at, bool recursive) MUST_CHECK;
/* -E_INVAL: `from` is no root of a mount that has a place, or no directory where `at` is
 * one, or the reverse; -E_LOOP: `at` is in it */
int vfs_move_mount(const struct path *from, const struct path *at) MUST_CHECK;
/* pivot_root(2).  c: whose root is exchanged, and with it that of all who have it.
 * -E_BUSY, -E_INVAL */
int vfs_pivot_root(struct fs_context *c, const struct path *new_root,
                   const struct path *put_old) MUST_CHECK;
/* The mount's own flags become `flags` & MOUNT_SETTABLE.  -E_INVAL: not the root of a
 * mount; -E_BUSY: it would become read-only and is written */
int vfs_mount_set_flags(const struct path *root, u32 flags) MUST_CHECK;
/* The file system's flag, for all its mounts. -E_BUSY */
int vfs_set_read_only(struct filesystem *fs, bool read_only) MUST_CHECK;
/* May the mount be bound (in all of its tree, if recursive)? */
int vfs_mount_set_bindable(const struct path *root, bool bindable,
                           bool recursive) MUST_CHECK;
#define VFS_UMOUNT_DETACH 0x1u /* now, whoever uses it */
#define VFS_UMOUNT_EXPIRE 0x2u /* only if it was marked; else mark it: -E_AGAIN */
/* -E_BUSY: files, directories or mounts in it are in use (not with DETACH); -E_INVAL:
 * not the root of a mount, or the first one. */
int vfs_umount(const struct path *root, u32 flags) MUST_CHECK;
/* one that is not mounted; done by the vfs when the last mount ends */
void vfs_discard(struct filesystem *fs);
bool vfs_is_mount_root(const struct path *p);

/* ---- what there is, for /proc/self/mounts and mountinfo ---- */
#define MOUNT_PATH_BYTES 4096u
#define MOUNT_OPTIONS_BYTES 256u
struct mount_info {
    u32 id, parent;            /* the first mount's parent is itself */
    u64 dev;
    u32 flags;                 /* MOUNT_* of the mount */
    bool fs_read_only;
    u32 fs_wishes;             /* FS_* */
    const char *type;          /* of the file system; static */
    /* the source, the directory of the file system that is shown, where it is seen from
     * the caller's root, the file system's own options (",size=4k", or empty): as they
     * are, nothing is quoted */
    char source[256], root[MOUNT_PATH_BYTES], point[MOUNT_PATH_BYTES];
    char options[MOUNT_OPTIONS_BYTES];
};
/* The first mount in order at or after *position that is seen from c's root; *position is
 * set behind it.  Begin with 0.  -E_NOENT: there are no more.  (The struct is large: on
 * the heap.) */
int vfs_mount_next(struct fs_context *c, u64 *position, struct mount_info *out) MUST_CHECK;

/* filesystem.statfs of the one with this device number, as stat shows it in 32 bits.
 * -E_INVAL: none is mounted; -E_NOSYS */
int vfs_statfs_dev(u32 dev, u64 out[8]) MUST_CHECK;

#endif

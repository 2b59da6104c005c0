/* SPDX-License-Identifier: MIT */
/*
 * Files: inodes, open files, descriptor tables, path look-up.
 *
 * N1. An inode lives while it has links, open files, mappings or look-ups on it (`refs` +
 *     links); the file system frees it.
 * N2. A directory changes under its inode's mutex, which the vfs takes.  A directory is
 *     locked before those below it; two that are not one below the other only with the
 *     file system's rename mutex, and then in the order of their addresses.  A directory
 *     that is removed or replaced is locked as well, so that it is empty when the file
 *     system looks.
 * N3. A descriptor table has its spinlock; look-up takes a reference on the file.
 * N4. Data and size of a file change under its inode's mutex; reads of tmpfs need it only
 *     against truncation.
 * N5. A file system holds one reference on an inode for as long as it has links; so
 *     `release`, called once when the last reference goes, always frees.  lookup and
 *     create give the caller a reference of its own.
 * N6. The vfs checks rights, names, types and (under the directory's mutex) existence
 *     before it calls an inode operation; the file system keeps nlink and the times of
 *     what it changes.
 * N7. The data operations of a file (file_ops) take the inode's mutex themselves; a write
 *     with OPEN_APPEND in f->flags sets *pos to the size under that mutex.  setattr is
 *     called with the inode's mutex held; page too.
 */
#ifndef LIBOS_VFS_VFS_H
#define LIBOS_VFS_VFS_H

#include "core/error.h"
#include "core/lock.h"
#include "core/types.h"
#include "core/usercopy.h"
#include "core/wait.h"
#include "vfs/cred.h"

struct inode;
struct file;
struct filesystem;
struct mount;
struct path;
struct dentry;

enum inode_type { IT_FILE = 1, IT_DIR, IT_LINK, IT_CHAR, IT_BLOCK, IT_FIFO, IT_SOCKET };

struct timestamp {
    i64 seconds;
    u32 ns;
};
/* Attributes, as stat gives them; `mode` holds only the 12 permission bits. */
struct vattr {
    u64 dev, ino, nlink, size, blocks512, rdev;
    u32 mode, uid, gid, blksize;
    enum inode_type type;
    struct timestamp atime, mtime, ctime, btime;
};
#define VSET_MODE 0x1u
#define VSET_UID 0x2u
#define VSET_GID 0x4u
#define VSET_SIZE 0x8u
#define VSET_ATIME 0x10u
#define VSET_MTIME 0x20u

/* One entry at a time: returns false when the caller's buffer is full.  A position in a
 * directory is next_offset + DIR_DOTS, modulo 2^64: 0 and 1 are . and .. */
#define DIR_DOTS 2u
typedef bool (*dirent_fn)(void *arg, const char *name, u32 length, u64 ino,
                          enum inode_type type, u64 next_offset);

/* Operations of a file system on its inodes.  Absent (NULL): the error in brackets.
 * Directories' mutex is held for those marked D. */
struct process;
struct inode_ops {
    /* D; takes a reference */
    int (*lookup)(struct inode *dir, const char *name, u32 length, struct inode **out);
    /* D [E_PERM] */
    int (*create)(struct inode *dir, const char *name, u32 length, enum inode_type type,
                  u32 mode, u64 rdev, const struct cred *cred, struct inode **out);
    int (*symlink)(struct inode *dir, const char *name, u32 length, const char *target,
                   const struct cred *cred);
    /* D */
    int (*link)(struct inode *dir, const char *name, u32 length, struct inode *target);
    /* D */
    int (*unlink)(struct inode *dir, const char *name, u32 length, bool directory);
    /* D both */
    int (*rename)(struct inode *from, const char *name, u32 length, struct inode *to,
                  const char *new_name, u32 new_length, u32 flags);
    /* length */
    int (*readlink)(struct inode *link, char *to, u32 size);
    /* A link that is a place, whatever its text says (/proc/PID/fd/N): the place, with
     * references; dentry and mount are NULL for what has no name (a pipe).  May sleep.
     * NULL: the text is followed */
    int (*follow)(struct inode *link, struct path *out);
    /* The mode refuses `want`: 0 when it is granted for another reason [-E_ACCES] */
    int (*permits)(struct inode *i, const struct cred *cred, u32 want);
    /* D; without . and .. */
    int (*list)(struct inode *dir, u64 offset, dirent_fn fn, void *arg);
    int (*getattr)(struct inode *i, struct vattr *out);
    int (*setattr)(struct inode *i, const struct vattr *set, u32 which);
    /* The page cache: the frame of a page for mapping or reading in place.  `write`: it
     * will be written; makes holes real. The frame stays valid while the inode's mutex is
     * held or it is mapped. [E_NODEV] */
    int (*page)(struct inode *i, u64 index, bool write, frame_t *out);
    /* The same for reading, of several: the frames of at most `count` from `index` on, up
     * to the first that has none.  Returns how many.  [by `page`, one by one] */
    u64 (*pages)(struct inode *i, u64 index, u64 count, frame_t *frames);
    /* Something maps/unmaps this inode (counts for N1 and truncation). */
    void (*release)(struct inode *i); /* last reference gone */
    /* put other ops into f; absent: IT_CHAR by fs/dev, FIFO by pipe [0] */
    int (*open)(struct inode *i, struct file *f);
    /* VALLOC_*; mutex held [E_NOTSUP] */
    int (*allocate)(struct inode *i, u32 mode, u64 offset, u64 bytes);
    /* The process that the directory stands for (/proc/PID), with a reference; NULL: it is
     * no more. [the directory stands for none] */
    struct process *(*process)(struct inode *dir);
    /* A file without a name, of this directory's file system; D is not held. [E_NOTSUP] */
    int (*tmpfile)(struct inode *dir, u32 mode, const struct cred *cred,
                   struct inode **out);
};
#define VALLOC_KEEP_SIZE 0x1u
#define VALLOC_PUNCH_HOLE 0x2u
#define VALLOC_ZERO_RANGE 0x4u
#define RENAME_NO_REPLACE 0x1u
#define RENAME_SWAP 0x2u

struct inode {
    _Atomic u32 refs;
    enum inode_type type;
    /* Its name may mean something else at the next look-up: no dentry of it is kept in
     * the cache, and it may have several. */
    bool fleeting;
    struct mutex mutex;
    const struct inode_ops *ops;
    const struct file_ops *file_ops;
    struct filesystem *fs;
    u64 ino;
    u64 size;        /* mutex; readable without */
    u64 rdev;
    u32 mode, uid, gid, nlink;
    struct timestamp atime, mtime, ctime, btime;
    struct mount *mounted; /* what is mounted here (U2 of vfs/mount.h); NULL: nothing */
    /* files that are open for writing; negative: those who refuse it (a program runs) */
    _Atomic i32 writers;
    bool linkable;         /* without a name, but may get one (O_TMPFILE) */
    struct list mappings;  /* areas that map it; vm's, under mappings_lock */
    struct spinlock mappings_lock;
    struct pipe *pipe;     /* FIFOs */
    void *priv;            /* the file system's */
    /* fcntl and flock locks; NULL: there never were any (vfs/locks.c) */
    struct lock_set *locks;
    u32 seals;             /* SEAL_*; mutex; of files in memory */
    u32 write_hint;        /* F_SET_RW_HINT; kept, no device takes it */
    struct notify_watch *watches; /* vfs/notify.h */
    struct xattr *xattrs;  /* mutex (vfs/xattr.h) */
    bool has_caps;         /* mutex; readable without: one is security.capability */
};
/* What may not be done to a file any more; the numbers are the ones that user programs
 * use.  FUTURE_WRITE leaves the mappings that are there. */
#define SEAL_SEAL 0x1u
#define SEAL_SHRINK 0x2u
#define SEAL_GROW 0x4u
#define SEAL_WRITE 0x8u
#define SEAL_FUTURE_WRITE 0x10u
#define SEAL_ALL 0x1fu
#define SEALS_WRITE (SEAL_WRITE | SEAL_FUTURE_WRITE)
/* Device numbers, in the encoding that user programs see. */
static inline u64
vfs_rdev(u32 major, u32 minor)
{
    return (minor & 0xffu) | (u64)(major & 0xfffu) << 8 | (u64)(minor & ~0xffu) << 12 |
           (u64)(major & ~0xfffu) << 32;
}

#define POLL_IN 0x001u
#define POLL_PRI 0x002u
#define POLL_OUT 0x004u
#define POLL_ERR 0x008u
#define POLL_HUP 0x010u
#define POLL_NVAL 0x020u
#define POLL_RDHUP 0x2000u

/* poll: the caller passes a table to register in, or NULL to ask only. */
struct poll_table {
    void (*add)(struct poll_table *t, struct waitq *q);
};

struct file_ops {
    /* Return bytes moved (>= 0) or an error; pos is the file's or pread's. */
    i64 (*read)(struct file *f, struct uio *u, u64 *pos);
    i64 (*write)(struct file *f, struct uio *u, u64 *pos);
    /* Where the bytes from *pos on are: frames that are shared with the caller, who
     * frees them (page_share; nobody may write there but the file).  u has u->count
     * segments to be filled in, and wants u->left bytes; afterwards it names what there
     * is, within one page each.  NULL, or -E_NOTSUP: they must be read. */
    i64 (*lend)(struct file *f, struct uio *u, u64 *pos);
    /* NULL: always IN|OUT */
    u32 (*poll)(struct file *f, struct poll_table *t);
    /* NULL: E_NOTTY */
    i64 (*ioctl)(struct file *f, u32 request, uaddr arg);
    /* NULL: regular by size */
    i64 (*seek)(struct file *f, i64 offset, int whence);
    /* may it be mapped? NULL: iff inode ops->page */
    int (*map)(struct file *f, u64 offset, u64 bytes, u32 prot, u32 flags);
    /* each close(2) */
    void (*flush)(struct file *f);
    /* the last reference */
    void (*release)(struct file *f);
    u32 traits;                                                         /* FILE_* */
    /* What a link in /proc/PID/fd says of a file without a name, as "anon_inode:[x]";
     * NULL: what its inode is. */
    const char *kind_name;
    /* Further lines of /proc/PID/fdinfo/N, into a buffer: how long they are, cut at
     * size.  Must not sleep on what the file waits for. */
    u32 (*describe)(struct file *f, char *to, u32 size);
};
/* no position: pread and lseek are E_SPIPE, and no lock is held while it sleeps */
#define FILE_STREAM 0x1u
#define FILE_ASYNC 0x4u     /* can signal that it is ready (O_ASYNC) */
#define FILE_QUIET 0x8u     /* a write to nobody is -E_PIPE without a signal */
#define FILE_UNLOCKED 0x2u  /* a position that nobody needs: not locked (null, zero) */
/* ioctl requests that several rooms answer; the numbers are the ones that user
 * programs use. */
#define FILE_IOCTL_READABLE 0x541bu

/* Open flags (ours; posix converts). */
#define OPEN_READ 0x1u
#define OPEN_WRITE 0x2u
#define OPEN_APPEND 0x4u
#define OPEN_NONBLOCK 0x8u
#define OPEN_CREATE 0x10u
#define OPEN_EXCL 0x20u
#define OPEN_TRUNC 0x40u
#define OPEN_DIRECTORY 0x80u
#define OPEN_NOFOLLOW 0x100u
#define OPEN_CLOEXEC 0x200u
#define OPEN_PATH 0x400u
#define OPEN_NOCTTY 0x800u
#define OPEN_DIRECT 0x1000u
#define OPEN_SYNC 0x2000u
#define OPEN_ASYNC 0x4000u
#define OPEN_NOATIME 0x8000u
#define OPEN_TMPFILE 0x10000u
#define OPEN_SYNC_ALL 0x20000u /* attributes too; OPEN_SYNC alone: the data */

struct path {
    struct mount *mount;
    struct inode *inode;   /* a reference */
    struct dentry *dentry; /* names the place, for getcwd and ..; a reference */
};
struct file {
    _Atomic u32 refs;
    _Atomic u32 flags; /* OPEN_* that fcntl sees */
    const struct file_ops *ops;
    struct inode *inode;
    struct path path;
    struct mutex pos_mutex;
    u64 pos;
    void *priv;
    struct file_async *async; /* signal-driven I/O; NULL: never asked for */
    bool opened;       /* by its name: its close is told (vfs/notify.h) */
    bool writes;       /* counted as a writer of its inode and its mount */
    struct list *watchers; /* epoll's entries for this file; file_watchers_hook */
};

/* Set by who sets file->watchers: the last reference to f has gone, nothing of it yet. */
extern void (*file_watchers_hook)(struct file *f);
struct fdtable;
/* The same for file->async; and with the table when one lets go of a descriptor of it. */
extern void (*file_async_hook)(struct file *f, const struct fdtable *closing);

/* ---- open files ---- */
/* One reference; holds the inode (may be NULL) by itself; NULL: no memory. */
struct file *file_new(const struct file_ops *ops, struct inode *inode, u32 flags);
void file_hold(struct file *f);
/* For who knows that the structure is still there, but not whether it is in use: false,
 * its last reference has gone. */
static inline bool
file_try_hold(struct file *f)
{
    u32 refs = atomic_load_explicit(&f->refs, memory_order_relaxed);
    while (refs != 0)
        if (atomic_compare_exchange_weak_explicit(&f->refs, &refs, refs + 1,
                                                  memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}
/* Open files of all processes, how many there may be, and whether a user other than root
 * may have no more (fd_reserve looks). */
extern _Atomic u64 file_count;
extern u64 file_count_max;
bool file_table_full_for_me(void);
static inline bool
file_table_full(void)
{
    return __builtin_expect(atomic_load_explicit(&file_count, memory_order_relaxed) >=
                                file_count_max, 0) &&
           file_table_full_for_me();
}
void file_release(struct file *f);
void file_end_writing(struct file *f); /* file_release's: open.c */
/* pos NULL: the file's own, locked; checks OPEN_READ */
i64 file_read(struct file *f, struct uio *u, u64 *pos);
/* file_ops.lend as a read: -E_NOTSUP */
i64 file_lend(struct file *f, struct uio *u, u64 *pos);
i64 file_write(struct file *f, struct uio *u, u64 *pos);
/* O_PATH: its operations poll nothing. */
static inline u32
file_poll(struct file *f, struct poll_table *t)
{
    if (f->ops->poll != NULL)
        return f->ops->poll(f, t);
    return (f->flags & OPEN_PATH) != 0 ? POLL_NVAL : POLL_IN | POLL_OUT;
}
bool file_seekable(const struct file *f);
/* 0 set, 1 current, 2 end, 3 data, 4 hole */
i64 file_seek(struct file *f, i64 offset, int whence);
i64 file_ioctl(struct file *f, u32 request, uaddr arg);

/* ---- descriptor tables ---- */
/* Users are the threads whose table it is: with the last one all files are closed. Who only looks holds
 * the table itself, and finds it empty then. */
int fdtable_new(struct fdtable **out) MUST_CHECK; /* one user */
int fdtable_copy(struct fdtable *from, struct fdtable **out) MUST_CHECK; /* fork */
void fdtable_share(struct fdtable *t);            /* one user more */
/* One user less; who it was still holds the table, until fdtable_drop. May sleep. visible: others may
 * come to look meanwhile (it is the table of a thread that they find). */
void fdtable_leave(struct fdtable *t, bool visible);
void fdtable_release(struct fdtable *t);          /* both; nobody can come */
bool fdtable_shared(const struct fdtable *t);     /* more than one: asked by a user */
void fdtable_hold(struct fdtable *t);             /* to look */
void fdtable_drop(struct fdtable *t);
void fdtable_close_exec(struct fdtable *t);
struct file *fd_get(struct fdtable *t, int fd);  /* a reference; NULL: EBADF */
/* no lock, no reference: nobody else uses the table meanwhile */
struct file *fd_peek(struct fdtable *t, int fd);
/* One of both: a reference if others use the table, too. */
struct file *fd_borrow(struct fdtable *t, int fd, bool *counted);
/* takes f's reference; fd or -E_MFILE */
int fd_install(struct fdtable *t, struct file *f, int lowest, bool cloexec);
/* replaces; dup2 */
int fd_install_at(struct fdtable *t, struct file *f, int fd, bool cloexec);
int fd_close(struct fdtable *t, int fd);
/* set: -1 read, 0/1 write */
int fd_flags(struct fdtable *t, int fd, int set, bool *cloexec);
#define FD_LIMIT_MAX 1048576
/* For calls that must know that there is a descriptor before they act. */
int fd_reserve(struct fdtable *t, int lowest);        /* fd, -E_MFILE or -E_NFILE */
/* takes f's reference */
void fd_fill(struct fdtable *t, int fd, struct file *f, bool cloexec);
void fd_unreserve(struct fdtable *t, int fd);
/* Close or mark (cloexec) all of first..last. */
void fd_close_range(struct fdtable *t, u32 first, u32 last, bool mark_only);
u32 fd_count(struct fdtable *t);
u32 fd_slots(struct fdtable *t); /* descriptors that fit without growing: at least 64 */
/* the next open descriptor at or after `from`; -1: none */
int fd_next(struct fdtable *t, int from);
/* RLIMIT_NOFILE of the current process; set by posix */
extern u64 (*fd_limit)(void);
/* Whose call it is, for what is counted by user; NULL: the LibOS's own.  Set by posix */
extern const struct cred *(*vfs_current_cred)(void);

/* ---- paths ---- */
/* A process's place: root, cwd, umask; refs for CLONE_FS. */
struct fs_context {
    _Atomic u32 refs;      /* users, and who only looks */
    _Atomic u32 users;     /* threads whose place it is */
    struct spinlock lock;
    struct path root, cwd;
    u32 umask;
    struct list link;      /* of all contexts */
};
/* at the root of the first mount */
struct fs_context *fs_context_new(void);
struct fs_context *fs_context_copy(struct fs_context *from);
void fs_context_share(struct fs_context *c);   /* one user more */
void fs_context_leave(struct fs_context *c);   /* one less, who holds it until fs_context_drop */
void fs_context_release(struct fs_context *c); /* both */
void fs_context_hold(struct fs_context *c);    /* to look */
void fs_context_drop(struct fs_context *c);

#define WALK_FOLLOW 0x1u  /* follow a symbolic link at the end */
/* stop before the last component, which is returned in `last` */
#define WALK_PARENT 0x2u
#define WALK_EMPTY 0x4u   /* an empty path means the start (AT_EMPTY_PATH) */
#define WALK_DIRECTORY 0x8u
/* openat2's restrictions: -E_XDEV, -E_LOOP, -E_LOOP, -E_XDEV; -E_AGAIN from the last two
 * if a .. raced with a rename, and from the very last if something has to be looked up */
#define WALK_NO_XDEV 0x10u
#define WALK_NO_MAGIC 0x20u
#define WALK_NO_LINKS 0x40u
#define WALK_BENEATH 0x80u
#define WALK_IN_ROOT 0x100u
#define WALK_CACHED 0x200u
#define WALK_RESTRICTED 0x3f0u
/* What a sticky directory that all may write protects others from: 0 nothing; 1 it does;
 * 2 (the last two) also in one that a group may write.  Linux's fs.protected_*. */
struct vfs_protection {
    u32 symlinks, hardlinks, fifos, regular;
};
extern struct vfs_protection vfs_protected;

/* One name of a path, not ended by a NUL; `hash` is name_hash of it (core/string.h). */
struct name {
    const char *text;
    u32 length;
    u64 hash;
};
struct walk {
    struct fs_context *context;
    const struct cred *cred;
    struct path start;     /* inode NULL: cwd (relative paths) */
    /* for BENEATH and IN_ROOT: what is not left, the caller's; NULL: the start */
    const struct path *top;
    u32 flags;
    struct path found;     /* result; release with path_release */
    struct name last;      /* WALK_PARENT: points into the path; length 0: there is none */
    bool trailing_slash;
    u32 links;             /* symbolic links followed so far */
};
/* -E_NOENT -E_NOTDIR -E_ACCES -E_LOOP -E_NAMETOOLONG */
int path_walk(struct walk *w, const char *path) MUST_CHECK;
void path_hold(struct path *p);
void path_release(struct path *p);
/* The directory that has p's name, with references; -E_NOENT: p is a root. */
int path_parent(const struct path *p, struct path *out) MUST_CHECK;
/* The absolute name as seen from c's root, its length: -E_NOENT removed, or not below
 * the root; -E_RANGE longer than the buffer. */
int path_name(struct fs_context *c, const struct path *p, char *to, u32 size) MUST_CHECK;
/* The same for what was removed (its last name) or is outside (its name from the top of
 * what it is in), with *state saying so. */
#define PATH_REMOVED 0x1u
#define PATH_OUTSIDE 0x2u
int path_describe(struct fs_context *c, const struct path *p, char *to, u32 size,
                  u32 *state) MUST_CHECK;
int vfs_open(struct walk *start, const char *path, u32 flags, u32 mode,
             struct file **out) MUST_CHECK;
int vfs_access(struct inode *i, const struct cred *cred, u32 want /* 4 2 1 */) MUST_CHECK;
int vfs_getattr(struct inode *i, struct vattr *out);
/* What the inode itself says, for a file system's getattr to begin with. */
void inode_attributes(const struct inode *i, struct vattr *out);
/* with rights */
int vfs_setattr(struct inode *i, const struct cred *cred, struct vattr *set,
                u32 which) MUST_CHECK;
int vfs_truncate(struct inode *i, u64 size) MUST_CHECK;
/* The contents were changed by someone: the set-id bits go, unless it is root. */
void vfs_drop_set_ids(struct inode *i, const struct cred *cred);
static inline bool
vfs_has_set_ids(const struct inode *i)
{
    return (i->mode & 06000u) != 0 || i->has_caps;
}
void inode_hold(struct inode *i);
void inode_release(struct inode *i);
/* A fresh inode of a file system: one reference, mutex and lists ready, the rest zero.
 * NULL: no memory. */
void inode_init(struct inode *i, enum inode_type type);
/* The rights to act as the owner: its uid, or root. */
bool vfs_is_owner(const struct inode *i, const struct cred *cred);
/* setattr's three times at once; `now` as user programs get it. */
struct timestamp vfs_now(void);
/* What vfs_now said last: good enough to tell days apart. */
extern _Atomic i64 vfs_recent_seconds;

/* ---- names; the walk says where, whose rights and whose root; its `found` is
 * released again ---- */
/* the umask is applied */
int vfs_mknod(struct walk *w, const char *path, enum inode_type type, u32 mode,
              u64 rdev) MUST_CHECK;
/* The same, and where it is: *out gets references. */
int vfs_make_node(struct walk *w, const char *path, enum inode_type type, u32 mode,
                  struct path *out) MUST_CHECK;
int vfs_mkdir(struct walk *w, const char *path, u32 mode) MUST_CHECK;
int vfs_symlink(struct walk *w, const char *path, const char *target) MUST_CHECK;
int vfs_link(struct walk *w, const char *path, const struct path *target) MUST_CHECK;
int vfs_unlink(struct walk *w, const char *path, bool directory) MUST_CHECK;
int vfs_rename(struct walk *from, const char *path, struct walk *to, const char *new_path,
               u32 flags) MUST_CHECK;
/* The text of a link, without a NUL: its length; -E_INVAL not a link. */
int vfs_readlink(struct inode *link, char *to, u32 size) MUST_CHECK;
/* Entries from `offset` on (0: the start), with . and ..; fn as for inode_ops.list.
 * Takes the directory's mutex. */
int vfs_list(struct file *dir, u64 offset, dirent_fn fn, void *arg) MUST_CHECK;
/* cwd and root; take a reference of their own. -E_NOTDIR -E_ACCES */
int vfs_chdir(struct fs_context *c, const struct cred *cred,
              const struct path *to) MUST_CHECK;
int vfs_chroot(struct fs_context *c, const struct cred *cred,
               const struct path *to) MUST_CHECK;

/* ---- file systems ---- */
#define FS_SYNC 0x1u
#define FS_DIR_SYNC 0x2u
#define FS_LAZY_TIMES 0x4u

struct filesystem {
    const char *name;
    struct inode *root;    /* with one reference, which vfs_discard drops */
    struct mutex rename_mutex;
    u64 dev;
    /* type bsize blocks bfree bavail files ffree namelen */
    int (*statfs)(struct filesystem *fs, u64 out[8]);
    void *priv;
    bool read_only;        /* for all its mounts; changed by vfs_set_read_only */
    /* FS_*, as asked for at a mount: shown; in memory all is where it will ever be */
    _Atomic u32 wishes;
    bool no_devices;       /* by its nature: opening a device is E_ACCES */
    bool no_exec;          /* by its nature: no file may be executed */
    bool keeps_xattrs;     /* the vfs keeps extended attributes for it (vfs/xattr.h) */
    /* New options (mount -o remount), all or none; NULL: all are ignored. -E_INVAL */
    int (*remount)(struct filesystem *fs, const char *data);
    /* The options as /proc/self/mounts shows them: ",name=value" for each, cut off at
     * size; NULL: none. */
    void (*show)(struct filesystem *fs, char *to, u32 size);
    _Atomic u32 mounts;         /* the vfs's: U5 of vfs/mount.h */
    struct dentry *root_dentry; /* the vfs's, since the first mount */
    /* unused, its root released; NULL: lives for ever */
    void (*destroy)(struct filesystem *fs);
};
/* Mounts: vfs/mount.h */
void vfs_init(void);
/* Writers and those who refuse them (ETXTBSY).  -E_TXTBSY: there is one of the other
 * kind. */
int inode_write_begin(struct inode *i) MUST_CHECK;
void inode_write_end(struct inode *i);
int inode_refuse_writers(struct inode *i) MUST_CHECK;
void inode_admit_writers(struct inode *i);

/* tmpfs: fs/tmpfs/tmpfs.h: int tmpfs_create(struct filesystem **out).  pipes:
 * pipe/pipe.h.  Devices: fs/dev/dev.h. */

#endif

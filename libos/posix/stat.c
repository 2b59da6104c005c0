/* SPDX-License-Identifier: MIT */
/* stat(2), statx, access, statfs: what Linux's structures of x86-64 hold. */
#include "core/string.h"
#include "posix/files.h"
#include "proc/cred.h"
#include "vfs/mount.h"

struct linux_stat {
    u64 dev, ino, nlink;
    u32 mode, uid, gid, pad;
    u64 rdev;
    i64 size, blksize, blocks;
    struct linux_timespec atime, mtime, ctime;
    i64 reserved[3];
};
_Static_assert(sizeof(struct linux_stat) == 144, "struct stat of x86-64");

struct linux_statx_time {
    i64 seconds;
    u32 ns;
    i32 pad;
};
struct linux_statx {
    u32 mask, blksize;
    u64 attributes;
    u32 nlink, uid, gid;
    u16 mode, pad;
    u64 ino, size, blocks, attributes_mask;
    struct linux_statx_time atime, btime, ctime, mtime;
    u32 rdev_major, rdev_minor, dev_major, dev_minor;
    u64 mnt_id, dio[13];
};
_Static_assert(sizeof(struct linux_statx) == 256, "struct statx");

static u32
mode_to_linux(const struct vattr *a)
{
    static const u16 types[] = {
        [IT_FILE] = 0100000, [IT_DIR] = 0040000, [IT_LINK] = 0120000, [IT_CHAR] = 0020000,
        [IT_BLOCK] = 0060000, [IT_FIFO] = 0010000, [IT_SOCKET] = 0140000,
    };
    return types[a->type] | a->mode;
}

static int
stat_put(struct inode *i, uaddr to)
{
    struct vattr a;
    int r = vfs_getattr(i, &a);
    if (r != 0)
        return r;
    struct linux_stat s = {
        .dev = a.dev,
        .ino = a.ino,
        .nlink = a.nlink,
        .mode = mode_to_linux(&a),
        .uid = a.uid,
        .gid = a.gid,
        .rdev = a.rdev,
        .size = (i64)a.size,
        .blksize = a.blksize,
        .blocks = (i64)a.blocks512,
        .atime = { a.atime.seconds, a.atime.ns },
        .mtime = { a.mtime.seconds, a.mtime.ns },
        .ctime = { a.ctime.seconds, a.ctime.ns },
    };
    return copy_to_user(to, &s, sizeof s);
}

static i64
stat_path(u64 dirfd, uaddr path, uaddr to, u32 walk_flags)
{
    struct at_arg a;
    int r = at_arg_find(&a, dirfd, path, walk_flags);
    if (r != 0)
        return r;
    r = stat_put(a.walk.found.inode, to);
    at_arg_done(&a);
    return r;
}

static i64
stat_fd(u64 fd, uaddr to)
{
    struct file_arg a;
    int r = file_arg_get(&a, fd);
    if (r != 0)
        return r;
    r = a.file->inode != NULL ? stat_put(a.file->inode, to) : -E_BADF;
    file_arg_done(&a);
    return r;
}

long
sys_stat(struct user_frame *f)
{
    return stat_path((u64)AT_FDCWD, SYS_ARG0(f), SYS_ARG1(f), WALK_FOLLOW);
}

long
sys_lstat(struct user_frame *f)
{
    return stat_path((u64)AT_FDCWD, SYS_ARG0(f), SYS_ARG1(f), 0);
}

long
sys_fstat(struct user_frame *f)
{
    return stat_fd(SYS_ARG0(f), SYS_ARG1(f));
}

/* glibc's fstat is newfstatat with an empty path: no look-up is needed for that. */
static bool
path_is_empty(uaddr path)
{
    char c;
    return copy_from_user(&c, path, 1) == 0 && c == '\0';
}

long
sys_newfstatat(struct user_frame *f)
{
    u64 flags = (u32)SYS_ARG3(f);
    if ((flags & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)) != 0)
        return -E_INVAL;
    if ((flags & AT_EMPTY_PATH) != 0 && (int)SYS_ARG0(f) >= 0 &&
        path_is_empty(SYS_ARG1(f)))
        return stat_fd(SYS_ARG0(f), SYS_ARG2(f));
    return stat_path(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f), at_walk_flags(flags));
}

#define STATX_BASIC 0x7ffu
#define STATX_BTIME 0x800u
#define STATX_MNT_ID 0x1000u
#define STATX_ATTR_MOUNT_ROOT 0x2000u
#define STATX_RESERVED 0x80000000u
#define AT_STATX_SYNC 0x6000u

static struct linux_statx_time
statx_time(const struct timestamp *t)
{
    return (struct linux_statx_time){ t->seconds, t->ns, 0 };
}

static u32
dev_major(u64 dev)
{
    return (u32)(dev >> 8 & 0xfff) | (u32)(dev >> 32 & ~0xfffull);
}

static u32
dev_minor(u64 dev)
{
    return (u32)(dev & 0xff) | (u32)(dev >> 12 & ~0xffull);
}

static int
statx_put(const struct path *p, uaddr to)
{
    struct inode *i = p->inode;
    struct vattr a;
    int r = vfs_getattr(i, &a);
    if (r != 0)
        return r;
    struct linux_statx s;
    memset(&s, 0, sizeof s);
    s.mask = STATX_BASIC | STATX_BTIME;
    s.attributes_mask = STATX_ATTR_MOUNT_ROOT;
    if (p->mount != NULL) {
        s.mask |= STATX_MNT_ID;
        s.mnt_id = p->mount->id;
        s.attributes = vfs_is_mount_root(p) ? STATX_ATTR_MOUNT_ROOT : 0;
    }
    s.blksize = a.blksize;
    s.nlink = (u32)a.nlink;
    s.uid = a.uid;
    s.gid = a.gid;
    s.mode = (u16)mode_to_linux(&a);
    s.ino = a.ino;
    s.size = a.size;
    s.blocks = a.blocks512;
    s.atime = statx_time(&a.atime);
    s.btime = statx_time(&a.btime);
    s.ctime = statx_time(&a.ctime);
    s.mtime = statx_time(&a.mtime);
    s.rdev_major = dev_major(a.rdev);
    s.rdev_minor = dev_minor(a.rdev);
    s.dev_major = dev_major(a.dev);
    s.dev_minor = dev_minor(a.dev);
    return copy_to_user(to, &s, sizeof s);
}

long
sys_statx(struct user_frame *f)
{
    struct at_arg a;
    u64 flags = (u32)SYS_ARG2(f);
    if ((flags & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH |
                        AT_STATX_SYNC)) != 0 ||
        (flags & AT_STATX_SYNC) == AT_STATX_SYNC || (SYS_ARG3(f) & STATX_RESERVED) != 0)
        return -E_INVAL;
    int r = at_arg_find(&a, SYS_ARG0(f), SYS_ARG1(f), at_walk_flags(flags));
    if (r != 0)
        return r;
    r = statx_put(&a.walk.found, SYS_ARG4(f));
    at_arg_done(&a);
    return r;
}

/* ---- access ---- */

/* access(2) asks with the real ids, along the whole path. */
static i64
access_path(u64 dirfd, uaddr path, u64 mode, u64 flags)
{
    struct at_arg a;
    struct cred real = *cred_own();
    if ((mode & ~7ull) != 0 ||
        (flags & ~(u64)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
        return -E_INVAL;
    int r = at_arg_get(&a, dirfd, path, at_walk_flags(flags));
    if (r != 0)
        return r;
    if ((flags & AT_EACCESS) == 0) {
        real.fsuid = real.uid;
        real.fsgid = real.gid;
        if (!(real.securebits & SECURE_NO_SETUID_FIXUP))
            real.effective = real.uid == 0 ? real.permitted : 0;
        a.walk.cred = &real;
    }
    r = path_walk(&a.walk, a.path.text);
    if (r == 0)
        r = path_access(&a.walk.found, a.walk.cred, (u32)mode);
    at_arg_done(&a);
    return r;
}

long
sys_access(struct user_frame *f)
{
    return access_path((u64)AT_FDCWD, SYS_ARG0(f), (u32)SYS_ARG1(f), 0);
}

long
sys_faccessat(struct user_frame *f)
{
    return access_path(SYS_ARG0(f), SYS_ARG1(f), (u32)SYS_ARG2(f), 0);
}

long
sys_faccessat2(struct user_frame *f)
{
    return access_path(SYS_ARG0(f), SYS_ARG1(f), (u32)SYS_ARG2(f), (u32)SYS_ARG3(f));
}

/* ---- statfs ---- */

struct linux_statfs {
    i64 type, bsize;
    u64 blocks, bfree, bavail, files, ffree;
    i32 fsid[2];
    i64 namelen, frsize, flags, spare[4];
};
_Static_assert(sizeof(struct linux_statfs) == 120, "struct statfs of x86-64");
#define ST_VALID 0x20
#define ST_RDONLY 0x1
#define ST_NOSUID 0x2
#define ST_NODEV 0x4
#define ST_NOEXEC 0x8
#define ST_SYNCHRONOUS 0x10
#define ST_NOATIME 0x400
#define ST_NODIRATIME 0x800
#define ST_RELATIME 0x1000
#define ST_NOSYMFOLLOW 0x2000
#define PIPEFS_MAGIC 0x50495045u

static i64
statfs_flags(const struct mount *m)
{
    return (mount_is_read_only(m) ? ST_RDONLY : 0) |
           (m != NULL && (m->fs->wishes & FS_SYNC) != 0 ? ST_SYNCHRONOUS : 0) |
           (mount_has(m, MOUNT_NO_SET_IDS) ? ST_NOSUID : 0) |
           (mount_has(m, MOUNT_NO_DEVICES) ? ST_NODEV : 0) |
           (mount_has(m, MOUNT_NO_EXEC) ? ST_NOEXEC : 0) |
           (mount_has(m, MOUNT_NO_ATIME) ? ST_NOATIME : 0) |
           (mount_has(m, MOUNT_NO_DIR_ATIME) ? ST_NODIRATIME : 0) |
           (mount_has(m, MOUNT_RELATIME) ? ST_RELATIME : 0) |
           (mount_has(m, MOUNT_NO_SYMLINKS) ? ST_NOSYMFOLLOW : 0);
}

static int
statfs_put(const struct inode *i, const struct mount *m, uaddr to)
{
    u64 v[8] = { PIPEFS_MAGIC, PAGE_SIZE, 0, 0, 0, 0, 0, 255 };
    struct filesystem *fs = i->fs;
    if (fs != NULL) {
        int r = fs->statfs == NULL ? -E_NOSYS : fs->statfs(fs, v);
        if (r != 0)
            return r;
    }
    struct linux_statfs s = {
        .type = (i64)v[0],
        .bsize = (i64)v[1],
        .blocks = v[2],
        .bfree = v[3],
        .bavail = v[4],
        .files = v[5],
        .ffree = v[6],
        .fsid = { (i32)(fs != NULL ? fs->dev : 0), 0 },
        .namelen = (i64)v[7],
        .frsize = (i64)v[1],
        .flags = ST_VALID | statfs_flags(m),
    };
    return copy_to_user(to, &s, sizeof s);
}

long
sys_statfs(struct user_frame *f)
{
    struct at_arg a;
    int r = at_arg_find(&a, (u64)AT_FDCWD, SYS_ARG0(f), WALK_FOLLOW);
    if (r != 0)
        return r;
    r = statfs_put(a.walk.found.inode, a.walk.found.mount, SYS_ARG1(f));
    at_arg_done(&a);
    return r;
}

long
sys_fstatfs(struct user_frame *f)
{
    struct file_arg a;
    int r = file_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    r = a.file->inode != NULL
            ? statfs_put(a.file->inode, a.file->path.mount, SYS_ARG1(f))
            : -E_NOSYS;
    file_arg_done(&a);
    return r;
}

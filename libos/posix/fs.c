/* SPDX-License-Identifier: MIT */
/* Attributes and space: chmod, chown, times, truncate, fallocate, sync, advice; mount
 * and umount. */
#include "core/clock.h"
#include "core/string.h"
#include "fs/dev/dev.h"
#include "fs/tmpfs/tmpfs.h"
#include "posix/files.h"
#include "signal/signal.h"
#include "vfs/mount.h"
#include "vfs/notify.h"

#define CWD ((u64)AT_FDCWD)

/* ---- modes and owners ---- */

static i64
set_path(u64 dirfd, uaddr path, u32 walk_flags, struct vattr *set, u32 which)
{
    struct at_arg a;
    int r = at_arg_find(&a, dirfd, path, walk_flags);
    if (r != 0)
        return r;
    r = path_may_write(&a.walk.found);
    if (r == 0)
        r = vfs_setattr(a.walk.found.inode, a.walk.cred, set, which);
    if (r == 0)
        notify_dentry(a.walk.found.dentry, NOTIFY_ATTRIB);
    at_arg_done(&a);
    return r;
}

static i64
set_fd(u64 fd, struct vattr *set, u32 which)
{
    struct file_arg a;
    int r = file_arg_get_open(&a, fd);
    if (r != 0)
        return r;
    r = a.file->inode != NULL ? path_may_write(&a.file->path) : -E_INVAL;
    if (r == 0)
        r = vfs_setattr(a.file->inode, cred_own(), set, which);
    if (r == 0)
        notify_dentry(a.file->path.dentry, NOTIFY_ATTRIB);
    file_arg_done(&a);
    return r;
}

long
sys_chmod(struct user_frame *f)
{
    struct vattr set = { .mode = (u32)SYS_ARG1(f) & 07777u };
    return set_path(CWD, SYS_ARG0(f), WALK_FOLLOW, &set, VSET_MODE);
}

long
sys_fchmod(struct user_frame *f)
{
    struct vattr set = { .mode = (u32)SYS_ARG1(f) & 07777u };
    return set_fd(SYS_ARG0(f), &set, VSET_MODE);
}

long
sys_fchmodat(struct user_frame *f)
{
    struct vattr set = { .mode = (u32)SYS_ARG2(f) & 07777u };
    return set_path(SYS_ARG0(f), SYS_ARG1(f), WALK_FOLLOW, &set, VSET_MODE);
}

long
sys_fchmodat2(struct user_frame *f)
{
    struct vattr set = { .mode = (u32)SYS_ARG2(f) & 07777u };
    u64 flags = (u32)SYS_ARG3(f);
    if ((flags & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
        return -E_INVAL;
    return set_path(SYS_ARG0(f), SYS_ARG1(f), at_walk_flags(flags), &set, VSET_MODE);
}

/* -1 leaves an id as it is. */
static u32
owner_set(struct vattr *set, u64 uid, u64 gid)
{
    set->uid = (u32)uid;
    set->gid = (u32)gid;
    return ((u32)uid != ~0u ? VSET_UID : 0) | ((u32)gid != ~0u ? VSET_GID : 0);
}

long
sys_chown(struct user_frame *f)
{
    struct vattr set = { 0 };
    u32 which = owner_set(&set, SYS_ARG1(f), SYS_ARG2(f));
    return set_path(CWD, SYS_ARG0(f), WALK_FOLLOW, &set, which);
}

long
sys_lchown(struct user_frame *f)
{
    struct vattr set = { 0 };
    u32 which = owner_set(&set, SYS_ARG1(f), SYS_ARG2(f));
    return set_path(CWD, SYS_ARG0(f), 0, &set, which);
}

long
sys_fchown(struct user_frame *f)
{
    struct vattr set = { 0 };
    u32 which = owner_set(&set, SYS_ARG1(f), SYS_ARG2(f));
    return set_fd(SYS_ARG0(f), &set, which);
}

long
sys_fchownat(struct user_frame *f)
{
    struct vattr set = { 0 };
    u32 which = owner_set(&set, SYS_ARG2(f), SYS_ARG3(f));
    if ((SYS_ARG4(f) & 0xffffffffu & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
        return -E_INVAL;
    return set_path(SYS_ARG0(f), SYS_ARG1(f), at_walk_flags(SYS_ARG4(f)), &set, which);
}

/* ---- times ---- */

#define UTIME_NOW 0x3fffffff
#define UTIME_OMIT 0x3ffffffe

struct times {
    struct vattr set;
    u32 which;
    bool all_now; /* who may write may do it, not only the owner */
};

static int
times_one(const struct linux_timespec *t, struct timestamp *to, u32 bit,
          struct times *out)
{
    if (t->ns == UTIME_OMIT)
        return 0;
    out->which |= bit;
    if (t->ns == UTIME_NOW) {
        *to = vfs_now();
        return 0;
    }
    out->all_now = false;
    if (t->ns < 0 || t->ns >= 1000000000)
        return -E_INVAL;
    *to = (struct timestamp){ t->seconds, (u32)t->ns };
    return 0;
}

static int
times_set(struct times *out, const struct linux_timespec t[2])
{
    *out = (struct times){ .all_now = true };
    int r = times_one(&t[0], &out->set.atime, VSET_ATIME, out);
    if (r == 0)
        r = times_one(&t[1], &out->set.mtime, VSET_MTIME, out);
    if (out->which != (VSET_ATIME | VSET_MTIME))
        out->all_now = false;
    return r;
}

static int
times_path(const struct path *p, struct inode *i, struct times *t)
{
    const struct cred *cred = cred_own();
    int r = path_may_write(p);
    if (r != 0 || t->which == 0)
        return r;
    if (!vfs_is_owner(i, cred)) {
        if (!t->all_now)
            return -E_PERM;
        r = vfs_access(i, cred, 2);
        if (r != 0)
            return r;
    }
    r = vfs_setattr(i, cred, &t->set, t->which);
    if (r == 0)
        notify_dentry(p->dentry, t->which == VSET_ATIME   ? NOTIFY_ACCESS
                         : t->which == VSET_MTIME ? NOTIFY_MODIFY
                                                  : NOTIFY_ATTRIB);
    return r;
}

static i64
times_at(u64 dirfd, uaddr path, const struct linux_timespec given[2], u64 flags)
{
    struct times t;
    struct at_arg a;
    int r = times_set(&t, given);
    if (r != 0)
        return r;
    if (path == 0) {
        struct file_arg file;
        r = (int)dirfd == AT_FDCWD ? -E_FAULT : file_arg_get_open(&file, dirfd);
        if (r != 0)
            return r;
        r = file.file->inode != NULL ? times_path(&file.file->path, file.file->inode, &t)
                                    : -E_INVAL;
        file_arg_done(&file);
        return r;
    }
    r = at_arg_find(&a, dirfd, path, at_walk_flags(flags));
    if (r != 0)
        return r;
    r = times_path(&a.walk.found, a.walk.found.inode, &t);
    at_arg_done(&a);
    return r;
}

static const struct linux_timespec both_now[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };

long
sys_utimensat(struct user_frame *f)
{
    struct linux_timespec t[2] = { both_now[0], both_now[1] };
    if ((SYS_ARG3(f) & 0xffffffffu & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
        return -E_INVAL;
    if (SYS_ARG2(f) != 0 && copy_from_user(t, SYS_ARG2(f), sizeof t) != 0)
        return -E_FAULT;
    if (t[0].ns == UTIME_OMIT && t[1].ns == UTIME_OMIT)
        return 0;
    return times_at(SYS_ARG0(f), SYS_ARG1(f), t, SYS_ARG3(f));
}

static i64
times_from_timevals(u64 dirfd, uaddr path, uaddr at)
{
    struct linux_timespec t[2] = { both_now[0], both_now[1] };
    if (at != 0) {
        struct linux_timeval v[2];
        if (copy_from_user(v, at, sizeof v) != 0)
            return -E_FAULT;
        for (int k = 0; k < 2; k++) {
            if (v[k].us < 0 || v[k].us >= 1000000)
                return -E_INVAL;
            t[k] = (struct linux_timespec){ v[k].seconds, v[k].us * 1000 };
        }
    }
    return times_at(dirfd, path, t, 0);
}

long
sys_utimes(struct user_frame *f)
{
    return times_from_timevals(CWD, SYS_ARG0(f), SYS_ARG1(f));
}

long
sys_futimesat(struct user_frame *f)
{
    return times_from_timevals(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f));
}

long
sys_utime(struct user_frame *f)
{
    struct linux_timespec t[2] = { both_now[0], both_now[1] };
    i64 v[2];
    if (SYS_ARG1(f) != 0) {
        if (copy_from_user(v, SYS_ARG1(f), sizeof v) != 0)
            return -E_FAULT;
        t[0] = (struct linux_timespec){ v[0], 0 };
        t[1] = (struct linux_timespec){ v[1], 0 };
    }
    return times_at(CWD, SYS_ARG0(f), t, 0);
}

/* ---- size and space ---- */

static int
size_limit(u64 size)
{
    if (size <= proc_current()->limits[LIMIT_FSIZE].soft)
        return 0;
    posix_raise(SIG_XFSZ);
    return -E_FBIG;
}

/* It counts as a writer of the file and of the mount meanwhile. */
static int
truncate_path(const struct path *p, u64 size)
{
    int r = mount_write_begin(p->mount);
    if (r != 0)
        return r;
    r = inode_write_begin(p->inode);
    if (r == 0) {
        r = vfs_truncate(p->inode, size);
        inode_write_end(p->inode);
    }
    mount_write_end(p->mount);
    return r;
}

long
sys_truncate(struct user_frame *f)
{
    struct at_arg a;
    if ((i64)SYS_ARG1(f) < 0)
        return -E_INVAL;
    int r = at_arg_find(&a, CWD, SYS_ARG0(f), WALK_FOLLOW);
    if (r != 0)
        return r;
    struct inode *i = a.walk.found.inode;
    r = i->type == IT_DIR    ? -E_ISDIR
        : i->type != IT_FILE ? -E_INVAL
                             : path_may_write(&a.walk.found);
    if (r == 0)
        r = vfs_access(i, a.walk.cred, 2);
    if (r == 0)
        r = size_limit(SYS_ARG1(f));
    if (r == 0)
        r = truncate_path(&a.walk.found, SYS_ARG1(f));
    if (r == 0 && vfs_has_set_ids(i))
        vfs_drop_set_ids(i, cred_own());
    if (r == 0)
        notify_dentry(a.walk.found.dentry, NOTIFY_MODIFY);
    at_arg_done(&a);
    return r;
}

long
sys_ftruncate(struct user_frame *f)
{
    struct file_arg a;
    if ((i64)SYS_ARG1(f) < 0)
        return -E_INVAL;
    int r = file_arg_get_open(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    struct inode *i = a.file->inode;
    r = i == NULL || i->type != IT_FILE || (a.file->flags & OPEN_WRITE) == 0
            ? -E_INVAL
            : size_limit(SYS_ARG1(f));
    if (r == 0)
        r = vfs_truncate(i, SYS_ARG1(f));
    if (r == 0 && vfs_has_set_ids(i))
        vfs_drop_set_ids(i, cred_own());
    if (r == 0)
        notify_dentry(a.file->path.dentry, NOTIFY_MODIFY);
    file_arg_done(&a);
    return r;
}

static i64
allocate(struct file *file, u32 linux_mode, u64 offset, u64 bytes)
{
    struct inode *i = file->inode;
    u32 mode = ((linux_mode & 1) != 0 ? VALLOC_KEEP_SIZE : 0) |
               ((linux_mode & 2) != 0 ? VALLOC_PUNCH_HOLE : 0) |
               ((linux_mode & 16) != 0 ? VALLOC_ZERO_RANGE : 0);
    if ((linux_mode & ~19u) != 0 || (linux_mode & 3) == 2 || (linux_mode & 18) == 18)
        return -E_NOTSUP;
    if ((file->flags & OPEN_WRITE) == 0)
        return -E_BADF;
    if (i == NULL || i->type != IT_FILE)
        return i != NULL && i->type == IT_FIFO  ? -E_SPIPE
               : i != NULL && i->type == IT_DIR ? -E_ISDIR
                                                : -E_NODEV;
    if (i->ops->allocate == NULL)
        return -E_NOTSUP;
    int r = (mode & VALLOC_KEEP_SIZE) != 0 ? 0 : size_limit(offset + bytes);
    if (r != 0)
        return r;
    mutex_lock(&i->mutex);
    r = i->ops->allocate(i, mode, offset, bytes);
    mutex_unlock(&i->mutex);
    if (r == 0 && vfs_has_set_ids(i))
        vfs_drop_set_ids(i, cred_own());
    if (r == 0)
        notify_dentry(file->path.dentry, NOTIFY_MODIFY);
    return r;
}

long
sys_fallocate(struct user_frame *f)
{
    struct file_arg a;
    u64 offset = SYS_ARG2(f), bytes = SYS_ARG3(f);
    int r = file_arg_get_open(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    i64 n = (i64)offset < 0 || (i64)bytes <= 0 ? -E_INVAL
            : offset + bytes > ~0ull >> 1
                ? -E_FBIG
                : allocate(a.file, (u32)SYS_ARG1(f), offset, bytes);
    file_arg_done(&a);
    return n;
}

/* ---- written back: every file system here is memory, so what is written is where it
 * will ever be ---- */

long
sys_sync(struct user_frame *f)
{
    (void)f;
    return 0;
}

static i64
sync_fd(u64 fd, bool any_type)
{
    struct file_arg a;
    int r = file_arg_get_open(&a, fd);
    if (r != 0)
        return r;
    const struct inode *i = a.file->inode;
    if (!any_type && (i == NULL || (i->type != IT_FILE && i->type != IT_DIR)))
        r = -E_INVAL;
    file_arg_done(&a);
    return r;
}

long
sys_fsync(struct user_frame *f)
{
    return sync_fd(SYS_ARG0(f), false);
}

long
sys_fdatasync(struct user_frame *f)
{
    return sync_fd(SYS_ARG0(f), false);
}

long
sys_syncfs(struct user_frame *f)
{
    return sync_fd(SYS_ARG0(f), true);
}

#define SYNC_RANGE_KNOWN 7u

long
sys_sync_file_range(struct user_frame *f)
{
    struct file_arg a;
    u64 offset = SYS_ARG1(f), bytes = SYS_ARG2(f);
    int r = file_arg_get_open(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    const struct inode *i = a.file->inode;
    if ((SYS_ARG3(f) & 0xffffffffu & ~(u64)SYNC_RANGE_KNOWN) != 0 || (i64)offset < 0 ||
        (i64)(offset + bytes) < 0 || offset + bytes < offset)
        r = -E_INVAL;
    else if (i == NULL || (i->type != IT_FILE && i->type != IT_DIR && i->type != IT_LINK))
        r = -E_SPIPE;
    file_arg_done(&a);
    return r;
}

/* Advice may be ignored by its nature; what is checked is what the man page names. */
long
sys_fadvise64(struct user_frame *f)
{
    struct file_arg a;
    int r = file_arg_get_open(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    if (a.file->inode != NULL && a.file->inode->type == IT_FIFO)
        r = -E_SPIPE;
    else if (SYS_ARG3(f) > 5 || (i64)SYS_ARG2(f) < 0)
        r = -E_INVAL;
    file_arg_done(&a);
    return r;
}

long
sys_readahead(struct user_frame *f)
{
    struct file_arg a;
    int r = file_arg_get_open(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    if ((a.file->flags & OPEN_READ) == 0)
        r = -E_BADF;
    else if (a.file->inode == NULL || a.file->inode->type != IT_FILE)
        r = -E_INVAL;
    file_arg_done(&a);
    return r;
}

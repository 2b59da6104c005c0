/* SPDX-License-Identifier: MIT */
/* dup, fcntl, ioctl, flock. */
#include "pipe/pipe.h"
#include "posix/async.h"
#include "posix/files.h"
#include "posix/seals.h"
#include "vfs/locks.h"

#define SETTABLE (OPEN_APPEND | OPEN_NONBLOCK | OPEN_ASYNC | OPEN_DIRECT | OPEN_NOATIME)

/* ---- dup ---- */

#define O_CLOEXEC_LINUX 02000000u

/* Takes over nothing: the new descriptor gets a reference of its own. */
static i64
dup_lowest(struct file *file, u64 lowest, bool cloexec)
{
    file_hold(file);
    int fd = fd_install(files_own(), file, (int)lowest, cloexec);
    if (fd < 0)
        file_release(file);
    return fd;
}

long
sys_dup(struct user_frame *f)
{
    struct file_arg a;
    int r = file_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    i64 fd = dup_lowest(a.file, 0, false);
    file_arg_done(&a);
    return fd;
}

static i64
dup_at(u64 old, u64 new, bool cloexec)
{
    struct fdtable *t = files_own();
    struct file *file = fd_get(t, (int)old);
    if (file == NULL)
        return -E_BADF;
    int fd = fd_install_at(t, file, (int)new, cloexec);
    if (fd < 0)
        file_release(file);
    return fd;
}

long
sys_dup2(struct user_frame *f)
{
    if ((u32)SYS_ARG0(f) != (u32)SYS_ARG1(f))
        return dup_at(SYS_ARG0(f), SYS_ARG1(f), false);
    struct file_arg a;
    int r = file_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    file_arg_done(&a);
    return (long)(u32)SYS_ARG1(f);
}

long
sys_dup3(struct user_frame *f)
{
    u32 flags = (u32)SYS_ARG2(f);
    if ((flags & ~O_CLOEXEC_LINUX) != 0 || (u32)SYS_ARG0(f) == (u32)SYS_ARG1(f))
        return -E_INVAL;
    return dup_at(SYS_ARG0(f), SYS_ARG1(f), flags != 0);
}

/* ---- fcntl ---- */

enum {
    F_DUPFD = 0,
    F_GETFD = 1,
    F_SETFD = 2,
    F_GETFL = 3,
    F_SETFL = 4,
    F_GETLK = 5,
    F_SETLK = 6,
    F_SETLKW = 7,
    F_SETOWN = 8,
    F_GETOWN = 9,
    F_SETSIG = 10,
    F_GETSIG = 11,
    F_SETOWN_EX = 15,
    F_GETOWN_EX = 16,
    F_OFD_GETLK = 36,
    F_OFD_SETLK = 37,
    F_OFD_SETLKW = 38,
    F_GETLEASE = 1025,
    F_NOTIFY = 1026,
    F_DUPFD_CLOEXEC = 1030,
    F_SETPIPE_SZ = 1031,
    F_GETPIPE_SZ = 1032,
    F_ADD_SEALS = 1033,
    F_GET_SEALS = 1034,
    F_GET_RW_HINT = 1035,
    F_SET_RW_HINT = 1036,
};

struct linux_flock {
    int16_t type, whence;
    i32 pad;
    i64 start, length;
    i32 pid, pad2;
};
_Static_assert(sizeof(struct linux_flock) == 32, "struct flock of x86-64");
#define LINUX_READ_LOCK 0
#define LINUX_WRITE_LOCK 1
#define LINUX_UNLOCK 2

static int
range_from_linux(struct file *file, const struct linux_flock *l, struct lock_range *out)
{
    i64 base = l->whence == 0   ? 0
               : l->whence == 1 ? (i64)file->pos
                                : (i64)file->inode->size,
        start, end;
    if (l->whence < 0 || l->whence > 2 || l->type < LINUX_READ_LOCK ||
        l->type > LINUX_UNLOCK)
        return -E_INVAL;
    if (__builtin_add_overflow(base, l->start, &start))
        return -E_OVERFLOW;
    if (start < 0)
        return -E_INVAL;
    if (l->length == 0) {
        end = (i64)LOCK_END_MAX;
    } else if (l->length > 0) {
        if (__builtin_add_overflow(start, l->length - 1, &end))
            return -E_OVERFLOW;
    } else {
        end = start - 1;
        start += l->length;
        if (start < 0)
            return -E_INVAL;
    }
    static const enum lock_kind kinds[] = { LOCK_SHARED, LOCK_EXCLUSIVE, LOCK_NONE };
    *out = (struct lock_range){ (u64)start, (u64)end, kinds[l->type],
                                proc_current()->pid };
    return 0;
}

static i64
lock_get(struct file *file, uaddr at, struct linux_flock *l, struct lock_range *want,
         const void *owner)
{
    if (want->kind == LOCK_NONE)
        return -E_INVAL;
    lock_record_test(file->inode, owner, want);
    if (want->kind == LOCK_NONE) {
        l->type = LINUX_UNLOCK;
    } else {
        l->type = want->kind == LOCK_SHARED ? LINUX_READ_LOCK : LINUX_WRITE_LOCK;
        l->whence = 0;
        l->start = (i64)want->start;
        l->length = want->end == LOCK_END_MAX ? 0 : (i64)(want->end - want->start + 1);
        l->pid = want->pid;
    }
    return copy_to_user(at, l, sizeof *l);
}

static bool
still_open(int fd, const struct file_arg *a)
{
    if (!a->counted)
        return true; /* nobody else came to have the table */
    struct file *now = fd_get(files_own(), fd);
    if (now != NULL)
        file_release(now);
    return now == a->file;
}

static i64
lock_command(const struct file_arg *a, int fd, u32 command, uaddr at)
{
    struct file *file = a->file;
    struct linux_flock l;
    struct lock_range want;
    bool ofd = command >= F_OFD_GETLK;
    const void *owner = ofd ? (const void *)file : (const void *)files_own();
    if (file->inode == NULL)
        return -E_BADF;
    int r = copy_from_user(&l, at, sizeof l);
    if (r == 0 && ofd && l.pid != 0)
        r = -E_INVAL;
    if (r == 0)
        r = range_from_linux(file, &l, &want);
    if (r != 0)
        return r;
    if (ofd)
        want.pid = -1;
    if (command == F_GETLK || command == F_OFD_GETLK)
        return lock_get(file, at, &l, &want, owner);
    if ((want.kind == LOCK_SHARED && (file->flags & OPEN_READ) == 0) ||
        (want.kind == LOCK_EXCLUSIVE && (file->flags & OPEN_WRITE) == 0))
        return -E_BADF;
    r = lock_record(file->inode, owner, &want,
                    command == F_SETLKW || command == F_OFD_SETLKW);
    if (r == 0 && !ofd && want.kind != LOCK_NONE && !still_open(fd, a)) {
        /* Another thread, which may be gone by now, closed it meanwhile, and close found
         * nothing to drop: the lock would outlive its owner. */
        want.kind = LOCK_NONE;
        if (lock_record(file->inode, owner, &want, false) != 0)
            locks_drop_owner(file->inode, owner); /* no memory to cut one out */
        return -E_BADF;
    }
    return r == -E_NOMEM ? -E_NOLCK : r;
}

static i64
set_status(struct file *file, int fd, u64 arg)
{
    u32 wanted = open_flags_from_linux(arg) & SETTABLE;
    u32 old = atomic_load(&file->flags);
    if ((wanted & ~old & OPEN_NOATIME) != 0 && file->inode != NULL &&
        !vfs_is_owner(file->inode, cred_own()))
        return -E_PERM;
    while (!atomic_compare_exchange_weak(&file->flags, &old, (old & ~SETTABLE) | wanted))
        ;
    return ((old ^ wanted) & OPEN_ASYNC) != 0
               ? async_turn(file, fd, (wanted & OPEN_ASYNC) != 0)
               : 0;
}

static i64
get_status(const struct file *file)
{
    u64 large = file->path.dentry != NULL && (file->flags & OPEN_PATH) == 0 ? 0100000 : 0;
    return (i64)(open_flags_to_linux(file->flags & ~(u32)OPEN_CLOEXEC) | large);
}

static i64
fcntl_table(struct fdtable *t, int fd, u32 command, u64 arg)
{
    bool cloexec = false;
    int r = fd_flags(t, fd, command == F_SETFD ? (int)(arg & 1) : -1, &cloexec);
    return r != 0 ? r : command == F_GETFD ? cloexec : 0;
}

/* Who is signalled when the file becomes ready. */
struct linux_owner {
    i32 type, pid;
};

static i64
owner_get(struct file *file, uaddr at)
{
    struct async_owner owner;
    async_get_owner(file, &owner);
    struct linux_owner o = { (i32)owner.kind, owner.id };
    return copy_to_user(at, &o, sizeof o);
}

static i64
owner_set(struct file *file, uaddr at)
{
    struct linux_owner o;
    int r = copy_from_user(&o, at, sizeof o);
    if (r == 0 && (o.type < ASYNC_THREAD || o.type > ASYNC_GROUP || o.pid < 0))
        r = -E_INVAL;
    struct async_owner owner = { .kind = (enum async_kind)o.type, .id = o.pid };
    return r == 0 ? async_set_owner(file, &owner) : r;
}

/* The old form: a group is a negative number. */
static i64
owner_set_number(struct file *file, i32 number)
{
    struct async_owner owner = { ASYNC_PROCESS, number, 0 };
    if (number == INT32_MIN)
        return -E_INVAL; /* no group has this number, negated */
    if (number < 0)
        owner = (struct async_owner){ ASYNC_GROUP, -number, 0 };
    return async_set_owner(file, &owner);
}

static i64
owner_number(struct file *file)
{
    struct async_owner owner;
    async_get_owner(file, &owner);
    return owner.kind == ASYNC_GROUP ? -owner.id : owner.id;
}

#define WRITE_HINT_MAX 5u /* RWH_WRITE_LIFE_EXTREME */

static i64
write_hint(struct file *file, bool set, uaddr at)
{
    u64 hint;
    if (file->inode == NULL)
        return -E_INVAL;
    hint = file->inode->write_hint;
    if (!set)
        return copy_to_user(at, &hint, sizeof hint);
    if (copy_from_user(&hint, at, sizeof hint) != 0)
        return -E_FAULT;
    if (hint > WRITE_HINT_MAX)
        return -E_INVAL;
    file->inode->write_hint = (u32)hint;
    return 0;
}

static i64
fcntl_file(const struct file_arg *a, int fd, u32 command, u64 arg)
{
    struct file *file = a->file;
    switch (command) {
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        return lock_command(a, fd, command, arg);
    case F_SETFL:
        return set_status(file, fd, arg);
    case F_SETOWN:
        return owner_set_number(file, (i32)arg);
    case F_GETOWN:
        return owner_number(file);
    case F_SETSIG:
        return async_set_signal(file, arg);
    case F_GETSIG:
        return async_get_signal(file);
    case F_SETOWN_EX:
        return owner_set(file, arg);
    case F_GETOWN_EX:
        return owner_get(file, arg);
    case F_SETPIPE_SZ:
        return pipe_is(file) ? pipe_set_capacity(file, (u32)arg) : -E_BADF;
    case F_GETPIPE_SZ:
        return pipe_is(file) ? (i64)pipe_capacity(file) : -E_BADF;
    case F_GETLEASE:
        return LINUX_UNLOCK; /* nobody can take one */
    case F_NOTIFY:
        return dnotify_ask(file, files_own(), fd, (u32)arg);
    case F_ADD_SEALS:
        return seals_add(file, (u32)arg);
    case F_GET_SEALS:
        return seals_get(file);
    case F_GET_RW_HINT:
    case F_SET_RW_HINT:
        return write_hint(file, command == F_SET_RW_HINT, arg);
    default:
        return -E_INVAL;
    }
}

long
sys_fcntl(struct user_frame *f)
{
    struct file_arg a;
    struct process *p = proc_current();
    u32 command = (u32)SYS_ARG1(f);
    u64 arg = SYS_ARG2(f);
    if (command == F_GETFD || command == F_SETFD)
        return fcntl_table(files_own(), (int)SYS_ARG0(f), command, arg);
    int r = file_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    i64 n;
    if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
        n = (u32)arg >= p->limits[LIMIT_NOFILE].soft
                ? -E_INVAL
                : dup_lowest(a.file, (u32)arg, command == F_DUPFD_CLOEXEC);
    else if (command == F_GETFL)
        n = get_status(a.file);
    else if ((a.file->flags & OPEN_PATH) != 0)
        n = -E_BADF;
    else
        n = fcntl_file(&a, (int)SYS_ARG0(f), command, arg);
    file_arg_done(&a);
    return n;
}

/* ---- ioctl ---- */

#define FIOCLEX 0x5451u
#define FIONCLEX 0x5450u
#define FIONBIO 0x5421u
#define FIOASYNC 0x5452u
#define FIOQSIZE 0x5460u
#define FIGETBSZ 0x2u
#define FICLONE 0x40049409u

static i64
ioctl_flag(struct file *file, u32 flag, uaddr at)
{
    i32 on;
    int r = copy_from_user(&on, at, sizeof on);
    if (r != 0)
        return r;
    if (on != 0)
        atomic_fetch_or(&file->flags, flag);
    else
        atomic_fetch_and(&file->flags, ~flag);
    return 0;
}

static i64
ioctl_async(struct file *file, int fd, uaddr at)
{
    if ((file->ops->traits & FILE_ASYNC) == 0)
        return -E_NOTTY;
    i64 r = ioctl_flag(file, OPEN_ASYNC, at);
    return r != 0 ? r : async_turn(file, fd, (file->flags & OPEN_ASYNC) != 0);
}

static i64
ioctl_readable(struct file *file, uaddr at)
{
    i32 n = (i32)(file->inode->size - file->pos);
    return copy_to_user(at, &n, sizeof n);
}

static i64
ioctl_block(struct file *file, uaddr at)
{
    struct vattr v;
    int r = file->inode == NULL ? -E_INVAL : vfs_getattr(file->inode, &v);
    i32 n = r == 0 ? (i32)v.blksize : 0;
    return r != 0 ? r : copy_to_user(at, &n, sizeof n);
}

static i64
ioctl_size(struct file *file, uaddr at)
{
    if (file->inode == NULL ||
        (file->inode->type != IT_FILE && file->inode->type != IT_DIR &&
         file->inode->type != IT_LINK))
        return -E_NOTTY;
    return copy_to_user(at, &file->inode->size, sizeof file->inode->size);
}

long
sys_ioctl(struct user_frame *f)
{
    struct file_arg a;
    u32 request = (u32)SYS_ARG1(f);
    uaddr arg = SYS_ARG2(f);
    int r = file_arg_get_open(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    i64 n;
    if (request == FIOCLEX || request == FIONCLEX)
        n = fd_flags(files_own(), (int)SYS_ARG0(f), request == FIOCLEX, NULL);
    else if (request == FIONBIO)
        n = ioctl_flag(a.file, OPEN_NONBLOCK, arg);
    else if (request == FIOASYNC)
        n = ioctl_async(a.file, (int)SYS_ARG0(f), arg);
    else if (request == FIGETBSZ)
        n = ioctl_block(a.file, arg);
    else if (request == FICLONE && a.file->inode != NULL &&
             a.file->inode->type == IT_FILE)
        n = -E_NOTSUP; /* no file system here shares blocks */
    else if (request == FIOQSIZE)
        n = ioctl_size(a.file, arg);
    else if (request == FILE_IOCTL_READABLE && a.file->inode != NULL &&
             a.file->inode->type == IT_FILE)
        n = ioctl_readable(a.file, arg);
    else
        n = file_ioctl(a.file, request, arg);
    file_arg_done(&a);
    return n;
}

/* ---- flock ---- */

#define FLOCK_SHARED 1u
#define FLOCK_EXCLUSIVE 2u
#define FLOCK_NONBLOCK 4u
#define FLOCK_UNLOCK 8u
#define FLOCK_MANDATORY 32u

long
sys_flock(struct user_frame *f)
{
    struct file_arg a;
    u32 op = (u32)SYS_ARG1(f) & ~FLOCK_NONBLOCK;
    if ((op & FLOCK_MANDATORY) != 0)
        return 0; /* Linux 6 ignores these in just this way */
    if (op != FLOCK_SHARED && op != FLOCK_EXCLUSIVE && op != FLOCK_UNLOCK)
        return -E_INVAL;
    int r = file_arg_get_open(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    enum lock_kind kind = op == FLOCK_SHARED      ? LOCK_SHARED
                          : op == FLOCK_EXCLUSIVE ? LOCK_EXCLUSIVE
                                                  : LOCK_NONE;
    r = a.file->inode == NULL ? -E_BADF
                              : lock_whole(a.file->inode, a.file, kind,
                                           (SYS_ARG1(f) & FLOCK_NONBLOCK) == 0);
    file_arg_done(&a);
    return r == -E_NOMEM ? -E_NOLCK : r;
}

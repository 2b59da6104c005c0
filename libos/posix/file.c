/* SPDX-License-Identifier: MIT */
/* read(2), write(2) and their relatives; lseek, close. */
#include "posix/files.h"
#include "signal/signal.h"

/* ---- one buffer ---- */

long
sys_read(struct user_frame *f)
{
    struct file_arg a;
    struct uio u;
    int r = file_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    i64 n = -E_FAULT;
    if (user_range(SYS_ARG1(f), SYS_ARG2(f))) {
        uio_user(&u, SYS_ARG1(f), MIN(SYS_ARG2(f), TRANSFER_MAX));
        n = file_read(a.file, &u, NULL);
    } else if ((a.file->flags & OPEN_READ) == 0) {
        n = -E_BADF;
    }
    file_arg_done(&a);
    return n;
}

i64
write_file(struct file *file, struct uio *u, u64 *pos)
{
    i64 n = write_limit(file, u, pos);
    if (n == 0)
        n = file_write(file, u, pos);
    if (n > 0 && file->inode != NULL && vfs_has_set_ids(file->inode))
        vfs_drop_set_ids(file->inode, cred_own());
    return n == -E_PIPE && (file->ops->traits & FILE_QUIET) == 0 ? write_result(n) : n;
}

long
sys_write(struct user_frame *f)
{
    struct file_arg a;
    struct uio u;
    int r = file_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    i64 n = -E_FAULT;
    if (user_range(SYS_ARG1(f), SYS_ARG2(f))) {
        uio_user(&u, SYS_ARG1(f), MIN(SYS_ARG2(f), TRANSFER_MAX));
        n = write_file(a.file, &u, NULL);
    } else if ((a.file->flags & OPEN_WRITE) == 0) {
        n = -E_BADF;
    }
    file_arg_done(&a);
    return n;
}

static long
transfer_at(struct user_frame *f, i64 (*move)(struct file *, struct uio *, u64 *))
{
    struct file_arg a;
    struct uio u;
    u64 pos = SYS_ARG3(f);
    if ((i64)pos < 0)
        return -E_INVAL;
    int r = file_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    i64 n = -E_FAULT;
    if (user_range(SYS_ARG1(f), SYS_ARG2(f))) {
        uio_user(&u, SYS_ARG1(f), MIN(SYS_ARG2(f), TRANSFER_MAX));
        n = move(a.file, &u, &pos);
    }
    file_arg_done(&a);
    return n;
}

long
sys_pread64(struct user_frame *f)
{
    return transfer_at(f, file_read);
}

long
sys_pwrite64(struct user_frame *f)
{
    return transfer_at(f, write_file);
}

/* ---- vectors ---- */

/* pos NULL: the file's own. */
static i64
vector(u64 fd, uaddr iov, u64 count, u64 *pos, bool write, bool append)
{
    struct file_arg a;
    struct iov_arg v;
    int r = file_arg_get(&a, fd);
    if (r != 0)
        return r;
    i64 n = (a.file->flags & (write ? OPEN_WRITE : OPEN_READ)) == 0
                ? -E_BADF
                : iov_arg_get(&v, iov, count);
    if (n == 0) {
        v.uio.append = append;
        n = write ? write_file(a.file, &v.uio, pos) : file_read(a.file, &v.uio, pos);
        iov_arg_done(&v);
    }
    file_arg_done(&a);
    return n;
}

long
sys_readv(struct user_frame *f)
{
    return vector(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f), NULL, false, false);
}

long
sys_writev(struct user_frame *f)
{
    return vector(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f), NULL, true, false);
}

static i64
vector_at(struct user_frame *f, bool write)
{
    u64 pos = SYS_ARG3(f);
    if ((i64)pos < 0)
        return -E_INVAL;
    return vector(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f), &pos, write, false);
}

long
sys_preadv(struct user_frame *f)
{
    return vector_at(f, false);
}

long
sys_pwritev(struct user_frame *f)
{
    return vector_at(f, true);
}

#define RWF_HIPRI 0x1u
#define RWF_DSYNC 0x2u
#define RWF_SYNC 0x4u
#define RWF_APPEND 0x10u

/* Everything written is where it stays, and nothing here polls a device: three of the
 * flags are true of every call. */
static i64
vector2(struct user_frame *f, bool write)
{
    u64 pos = SYS_ARG3(f), flags = SYS_ARG5(f) & 0xffffffffu;
    if ((flags & ~(u64)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND)) != 0)
        return -E_NOTSUP;
    if (pos != ~0ull && (i64)pos < 0)
        return -E_INVAL;
    return vector(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f), pos == ~0ull ? NULL : &pos,
                  write, write && (flags & RWF_APPEND) != 0);
}

long
sys_preadv2(struct user_frame *f)
{
    return vector2(f, false);
}

long
sys_pwritev2(struct user_frame *f)
{
    return vector2(f, true);
}

/* ---- positions and ends ---- */

long
sys_lseek(struct user_frame *f)
{
    struct file_arg a;
    int r = file_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    u64 whence = (u32)SYS_ARG2(f);
    i64 n = whence > 4 ? -E_INVAL : file_seek(a.file, (i64)SYS_ARG1(f), (int)whence);
    file_arg_done(&a);
    return n;
}

long
sys_close(struct user_frame *f)
{
    return fd_close(files_own(), (int)SYS_ARG0(f));
}

#define CLOSE_RANGE_UNSHARE 0x2u
#define CLOSE_RANGE_CLOEXEC 0x4u

long
sys_close_range(struct user_frame *f)
{
    u64 flags = SYS_ARG2(f);
    if ((flags & ~(u64)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) != 0 ||
        (u32)SYS_ARG0(f) > (u32)SYS_ARG1(f))
        return -E_INVAL;
    if ((flags & CLOSE_RANGE_UNSHARE) != 0) {
        int r = proc_unshare(true, false);
        if (r != 0)
            return r;
    }
    fd_close_range(files_own(), (u32)SYS_ARG0(f), (u32)SYS_ARG1(f),
                   (flags & CLOSE_RANGE_CLOEXEC) != 0);
    return 0;
}

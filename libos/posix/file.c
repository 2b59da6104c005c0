/* SPDX-License-Identifier: MIT */
/* read(2), write(2) and their relatives; lseek, close, sendfile, copy_file_range. */
#include "core/heap.h"
#include "posix/files.h"
#include "signal/signal.h"

#define COPY_PIECE 16384u

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

static i64
write_at(struct file *file, struct uio *u, u64 *pos)
{
    i64 n = write_limit(file, u, pos);
    if (n == 0)
        n = file_write(file, u, pos);
    if (n > 0 && file->inode != NULL && vfs_has_set_ids(file->inode))
        vfs_drop_set_ids(file->inode, proc_current()->cred);
    return n == -E_PIPE ? write_result(n) : n;
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
        n = write_at(a.file, &u, NULL);
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
    return transfer_at(f, write_at);
}

/* ---- vectors ---- */

/* pos NULL: the file's own. */
static i64
vector(u64 fd, uaddr iov, u64 count, u64 *pos, bool write)
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
        n = write ? write_at(a.file, &v.uio, pos) : file_read(a.file, &v.uio, pos);
        iov_arg_done(&v);
    }
    file_arg_done(&a);
    return n;
}

long
sys_readv(struct user_frame *f)
{
    return vector(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f), NULL, false);
}

long
sys_writev(struct user_frame *f)
{
    return vector(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f), NULL, true);
}

static i64
vector_at(struct user_frame *f, bool write)
{
    u64 pos = SYS_ARG3(f);
    return (i64)pos < 0 ? -E_INVAL
                        : vector(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f), &pos, write);
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

static i64
vector2(struct user_frame *f, bool write)
{
    u64 pos = SYS_ARG3(f);
    if ((SYS_ARG5(f) & ~(u64)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC)) != 0)
        return -E_NOTSUP;
    if (pos == ~0ull)
        return vector(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f), NULL, write);
    return vector_at(f, write);
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
    return fd_close(proc_current()->files, (int)SYS_ARG0(f));
}

#define CLOSE_RANGE_UNSHARE 0x2u
#define CLOSE_RANGE_CLOEXEC 0x4u

long
sys_close_range(struct user_frame *f)
{
    struct process *p = proc_current();
    u64 flags = SYS_ARG2(f);
    if ((flags & ~(u64)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) != 0 ||
        (u32)SYS_ARG0(f) > (u32)SYS_ARG1(f))
        return -E_INVAL;
    if ((flags & CLOSE_RANGE_UNSHARE) != 0 && (p->nthreads != 1 || p->files_shared)) {
        struct fdtable *own;
        if (p->nthreads != 1)
            return -E_INVAL; /* threads have one table in common here */
        int r = fdtable_copy(p->files, &own);
        if (r != 0)
            return r;
        fdtable_release(p->files);
        p->files = own;
        p->files_shared = false;
    }
    fd_close_range(p->files, (u32)SYS_ARG0(f), (u32)SYS_ARG1(f),
                   (flags & CLOSE_RANGE_CLOEXEC) != 0);
    return 0;
}

/* ---- from file to file ---- */

/* Move up to n bytes through a buffer.  A position that is NULL is the file's own.
 * What was written, or an error if nothing was. */
static i64
copy_between(struct file *in, u64 *in_pos, struct file *out, u64 *out_pos, u64 n)
{
    u8 *buffer = heap_alloc(COPY_PIECE);
    u64 done = 0;
    i64 r = buffer == NULL ? -E_NOMEM : 0;
    while (r == 0 && done < n) {
        struct uio u;
        uio_libos(&u, buffer, MIN(n - done, (u64)COPY_PIECE));
        u64 at = *in_pos;
        i64 got = file_read(in, &u, &at);
        if (got <= 0) {
            r = got;
            break;
        }
        uio_libos(&u, buffer, (u64)got);
        i64 put = write_at(out, &u, out_pos);
        if (put < 0) {
            r = put;
            break;
        }
        *in_pos += (u64)put;
        done += (u64)put;
        if (put < got)
            break;
        thread_breathe();
        if (thread_interrupted(thread_current()))
            break;
    }
    heap_free(buffer);
    return done != 0 ? (i64)done : r;
}

/* Positions that a call takes from user memory (at != 0) or from the open file. */
static int
position_get(uaddr at, struct file *f, u64 *pos)
{
    int r = 0;
    *pos = f->pos;
    if (at != 0)
        r = copy_from_user(pos, at, sizeof *pos);
    return r == 0 && (i64)*pos < 0 ? -E_INVAL : r;
}

static int
position_put(uaddr at, struct file *f, u64 pos)
{
    if (at != 0)
        return copy_to_user(at, &pos, sizeof pos);
    f->pos = pos;
    return 0;
}

long
sys_sendfile(struct user_frame *f)
{
    struct file_arg out, in;
    u64 pos;
    int r = file_arg_get(&out, SYS_ARG0(f));
    if (r != 0)
        return r;
    i64 n = file_arg_get(&in, SYS_ARG1(f));
    if (n == 0) {
        if ((in.file->flags & OPEN_READ) == 0 || (out.file->flags & OPEN_WRITE) == 0)
            n = -E_BADF;
        else if (!file_seekable(in.file) || (out.file->flags & OPEN_APPEND) != 0)
            n = -E_INVAL;
        else
            n = position_get(SYS_ARG2(f), in.file, &pos);
        if (n == 0) {
            n = copy_between(in.file, &pos, out.file, NULL,
                             MIN(SYS_ARG3(f), TRANSFER_MAX));
            if (n > 0 && position_put(SYS_ARG2(f), in.file, pos) != 0)
                n = -E_FAULT;
        }
        file_arg_done(&in);
    }
    file_arg_done(&out);
    return n;
}

static i64
copy_range(struct file *in, uaddr in_at, struct file *out, uaddr out_at, u64 n)
{
    u64 in_pos, out_pos;
    if ((in->flags & OPEN_READ) == 0 || (out->flags & OPEN_WRITE) == 0 ||
        (out->flags & OPEN_APPEND) != 0)
        return -E_BADF;
    if (in->inode == NULL || out->inode == NULL)
        return -E_INVAL;
    if (in->inode->type == IT_DIR || out->inode->type == IT_DIR)
        return -E_ISDIR;
    if (in->inode->type != IT_FILE || out->inode->type != IT_FILE)
        return -E_INVAL;
    i64 r = position_get(in_at, in, &in_pos);
    if (r == 0)
        r = position_get(out_at, out, &out_pos);
    if (r != 0)
        return r;
    n = MIN(n, TRANSFER_MAX);
    if (in->inode == out->inode && in_pos < out_pos + n && out_pos < in_pos + n)
        return -E_INVAL;
    r = copy_between(in, &in_pos, out, &out_pos, n);
    if (r > 0 &&
        (position_put(in_at, in, in_pos) != 0 || position_put(out_at, out, out_pos) != 0))
        return -E_FAULT;
    return r;
}

long
sys_copy_file_range(struct user_frame *f)
{
    struct file_arg in, out;
    if (SYS_ARG5(f) != 0)
        return -E_INVAL;
    int r = file_arg_get(&in, SYS_ARG0(f));
    if (r != 0)
        return r;
    i64 n = file_arg_get(&out, SYS_ARG2(f));
    if (n == 0) {
        n = copy_range(in.file, SYS_ARG1(f), out.file, SYS_ARG3(f), SYS_ARG4(f));
        file_arg_done(&out);
    }
    file_arg_done(&in);
    return n;
}

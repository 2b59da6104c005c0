/* SPDX-License-Identifier: MIT */
/* From file to file without the user's memory: sendfile, copy_file_range, splice, tee;
 * and vmsplice. */
#include "core/heap.h"
#include "core/page.h"
#include "pipe/pipe.h"
#include "posix/files.h"
#include "vm/mm.h"

#define COPY_PIECE 16384u
#define COPY_PAGES 16u /* that are asked for at once */

/* ---- two open files ---- */

struct two_files {
    struct file_arg in, out;
};

static int
two_files_get(struct two_files *t, u64 in, u64 out)
{
    int r = file_arg_get_open(&t->in, in);
    if (r != 0)
        return r;
    r = file_arg_get_open(&t->out, out);
    if (r != 0)
        file_arg_done(&t->in);
    return r;
}

static void
two_files_done(struct two_files *t)
{
    file_arg_done(&t->out);
    file_arg_done(&t->in);
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

/* ---- from the file's own pages, or through a buffer ---- */

/* Bytes of a file on their way: in pages that it lent, or in the buffer. */
struct piece {
    struct uio_segment segment[COPY_PAGES];
    u32 lent;   /* segments */
    u8 *buffer; /* NULL: none needed so far; the heap's */
};

/* Up to n bytes from `at` on; u names them.  How many; 0 at the end. */
static i64
piece_get(struct piece *p, struct file *in, u64 at, u64 n, bool lend, struct uio *u)
{
    u64 from = at;
    *u = (struct uio){ .segment = p->segment, .count = COPY_PAGES, .libos = true, .left = n };
    i64 got = lend ? file_lend(in, u, &from) : -E_NOTSUP;
    p->lent = got > 0 ? u->count : 0;
    if (got != -E_NOTSUP)
        return got;
    if (p->buffer == NULL)
        p->buffer = heap_alloc(COPY_PIECE);
    if (p->buffer == NULL)
        return -E_NOMEM;
    uio_libos(u, p->buffer, MIN(n, (u64)COPY_PIECE));
    got = file_read(in, u, &from);
    if (got > 0)
        uio_libos(u, p->buffer, (u64)got);
    return got;
}

static void
piece_put(struct piece *p)
{
    while (p->lent != 0)
        page_free(page_frame((const void *)p->segment[--p->lent].base));
}

/* Move up to n bytes.  A position that is NULL is the file's own.  What was written, or
 * an error if nothing was.  Within one file bytes may move onto themselves, so they pass
 * through the buffer. */
static i64
copy_between(struct file *in, u64 *in_pos, struct file *out, u64 *out_pos, u64 n)
{
    struct piece piece = { .buffer = NULL };
    u64 done = 0;
    i64 r = 0;
    while (r == 0 && done < n) {
        struct uio u;
        i64 got = piece_get(&piece, in, *in_pos, n - done, in->inode != out->inode, &u);
        if (got <= 0) {
            r = got;
            break;
        }
        i64 put = write_file(out, &u, out_pos);
        piece_put(&piece);
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
    if (piece.buffer != NULL)
        heap_free(piece.buffer);
    return done != 0 ? (i64)done : r;
}

static i64
send(struct file *in, uaddr at, struct file *out, u64 n)
{
    u64 pos;
    if ((in->flags & OPEN_READ) == 0 || (out->flags & OPEN_WRITE) == 0)
        return -E_BADF;
    if (!file_seekable(in))
        return at != 0 ? -E_SPIPE : -E_INVAL;
    if (in->inode != NULL && in->inode->type == IT_DIR)
        return -E_INVAL;
    i64 r = position_get(at, in, &pos);
    if (r != 0)
        return r;
    n = MIN(n, TRANSFER_MAX);
    if (pipe_is(out))
        r = write_result(
            pipe_splice_in(out, in, &pos, n, (out->flags & OPEN_NONBLOCK) != 0));
    else
        r = (out->flags & OPEN_APPEND) != 0 ? -E_INVAL
                                            : copy_between(in, &pos, out, NULL, n);
    return r > 0 && position_put(at, in, pos) != 0 ? -E_FAULT : r;
}

long
sys_sendfile(struct user_frame *f)
{
    struct two_files t;
    i64 n = two_files_get(&t, SYS_ARG1(f), SYS_ARG0(f));
    if (n != 0)
        return n;
    n = send(t.in.file, SYS_ARG2(f), t.out.file, SYS_ARG3(f));
    two_files_done(&t);
    return n;
}

/* What the manual says about the two files, in Linux's order. */
static int
copy_range_check(const struct file *in, const struct file *out)
{
    if (in->inode == NULL || out->inode == NULL)
        return -E_INVAL;
    if (in->inode->type == IT_DIR || out->inode->type == IT_DIR)
        return -E_ISDIR;
    if (in->inode->type != IT_FILE || out->inode->type != IT_FILE)
        return -E_INVAL;
    if ((in->flags & OPEN_READ) == 0 || (out->flags & OPEN_WRITE) == 0 ||
        (out->flags & OPEN_APPEND) != 0)
        return -E_BADF;
    return in->inode->fs != out->inode->fs ? -E_XDEV : 0;
}

static i64
copy_range(struct file *in, uaddr in_at, struct file *out, uaddr out_at, u64 n)
{
    u64 in_pos, out_pos, end;
    i64 r = position_get(in_at, in, &in_pos);
    if (r == -E_FAULT)
        return r;
    int r2 = position_get(out_at, out, &out_pos);
    if (r2 == -E_FAULT)
        return r2;
    int checked = copy_range_check(in, out);
    if (checked != 0 || r != 0 || r2 != 0)
        return checked != 0 ? checked : r != 0 ? r : r2;
    if (__builtin_add_overflow(in_pos, n, &end) ||
        __builtin_add_overflow(out_pos, n, &end))
        return -E_OVERFLOW;
    u64 size = in->inode->size;
    n = MIN(n, in_pos < size ? size - in_pos : 0);
    if (in->inode == out->inode && in_pos < out_pos + n && out_pos < in_pos + n)
        return -E_INVAL;
    n = MIN(n, TRANSFER_MAX);
    r = n == 0 ? 0 : copy_between(in, &in_pos, out, &out_pos, n);
    if (r > 0 &&
        (position_put(in_at, in, in_pos) != 0 || position_put(out_at, out, out_pos) != 0))
        return -E_FAULT;
    return r;
}

long
sys_copy_file_range(struct user_frame *f)
{
    struct two_files t;
    i64 n = two_files_get(&t, SYS_ARG0(f), SYS_ARG2(f));
    if (n != 0)
        return n;
    n = (u32)SYS_ARG5(f) != 0
            ? -E_INVAL
            : copy_range(t.in.file, SYS_ARG1(f), t.out.file, SYS_ARG3(f), SYS_ARG4(f));
    two_files_done(&t);
    return n;
}

/* ---- splice and its relatives ---- */

#define SPLICE_NONBLOCK 0x2u
#define SPLICE_KNOWN    0xfu /* MOVE, NONBLOCK, MORE, GIFT */

/* One side is a pipe, the other has a position: the user's, or its own. */
static i64
splice_file(struct file *in, struct file *out, bool in_pipe, uaddr at, u64 n, bool nonblock)
{
    struct file *file = in_pipe ? out : in;
    u64 given, *pos = NULL;
    if (at != 0) {
        int r = copy_from_user(&given, at, sizeof given);
        if (r != 0)
            return r;
        if (!file_seekable(file) || (i64)given < 0)
            return -E_INVAL;
        pos = &given;
    }
    i64 r;
    if (file->inode != NULL && file->inode->type == IT_DIR)
        r = -E_INVAL;
    else if (!in_pipe)
        r = pipe_splice_in(out, in, pos, n, nonblock);
    else
        r = (out->flags & OPEN_APPEND) != 0
                ? -E_INVAL
                : pipe_splice_out(in, out, pos, n, nonblock, write_file);
    if (r > 0 && at != 0 && copy_to_user(at, &given, sizeof given) != 0)
        return -E_FAULT;
    return r;
}

static i64
splice(struct file *in, uaddr in_at, struct file *out, uaddr out_at, u64 n, u32 flags)
{
    bool in_pipe = pipe_is(in), out_pipe = pipe_is(out);
    bool nonblock = (flags & SPLICE_NONBLOCK) != 0 ||
                    ((in_pipe ? in->flags : 0) & OPEN_NONBLOCK) != 0 ||
                    ((out_pipe ? out->flags : 0) & OPEN_NONBLOCK) != 0;
    if ((in_pipe && in_at != 0) || (out_pipe && out_at != 0))
        return -E_SPIPE;
    if ((in->flags & OPEN_READ) == 0 || (out->flags & OPEN_WRITE) == 0)
        return -E_BADF;
    n = MIN(n, TRANSFER_MAX);
    if (in_pipe && out_pipe)
        return pipe_splice_pipe(in, out, n, false, nonblock);
    if (!in_pipe && !out_pipe)
        return -E_INVAL;
    return splice_file(in, out, in_pipe, in_pipe ? out_at : in_at, n, nonblock);
}

long
sys_splice(struct user_frame *f)
{
    struct two_files t;
    u64 n = SYS_ARG4(f);
    if (n == 0)
        return 0;
    if ((SYS_ARG5(f) & 0xffffffffu & ~(u64)SPLICE_KNOWN) != 0)
        return -E_INVAL;
    i64 r = two_files_get(&t, SYS_ARG0(f), SYS_ARG2(f));
    if (r != 0)
        return r;
    r = splice(t.in.file, SYS_ARG1(f), t.out.file, SYS_ARG3(f), n, (u32)SYS_ARG5(f));
    two_files_done(&t);
    return write_result(r);
}

static i64
tee(struct file *in, struct file *out, u64 n, u32 flags)
{
    if ((in->flags & OPEN_READ) == 0 || (out->flags & OPEN_WRITE) == 0)
        return -E_BADF;
    if (!pipe_is(in) || !pipe_is(out))
        return -E_INVAL;
    return pipe_splice_pipe(in, out, MIN(n, TRANSFER_MAX), true,
                            (flags & SPLICE_NONBLOCK) != 0 ||
                                ((in->flags | out->flags) & OPEN_NONBLOCK) != 0);
}

long
sys_tee(struct user_frame *f)
{
    struct two_files t;
    if ((SYS_ARG3(f) & 0xffffffffu & ~(u64)SPLICE_KNOWN) != 0)
        return -E_INVAL;
    if (SYS_ARG2(f) == 0)
        return 0;
    i64 r = two_files_get(&t, SYS_ARG0(f), SYS_ARG1(f));
    if (r != 0)
        return r;
    r = tee(t.in.file, t.out.file, SYS_ARG2(f), (u32)SYS_ARG3(f));
    two_files_done(&t);
    return write_result(r);
}

static u32
lend(uaddr at, u32 pages, frame_t *frame)
{
    return mm_lend(proc_current()->mm, at, pages, frame);
}

/* To the writing end the memory is lent; from the reading end it is read. */
static i64
memory_splice(struct file *file, struct user_frame *f)
{
    struct iov_arg v;
    if ((file->flags & (OPEN_READ | OPEN_WRITE)) == 0)
        return -E_BADF;
    i64 r = iov_arg_get(&v, SYS_ARG1(f), SYS_ARG2(f));
    if (r != 0)
        return r;
    bool nonblock = (SYS_ARG3(f) & SPLICE_NONBLOCK) != 0;
    if (v.uio.left == 0)
        r = 0;
    else if (!pipe_is(file))
        r = -E_BADF;
    else if ((file->flags & OPEN_WRITE) != 0)
        r = pipe_splice_memory(file, &v.uio, nonblock, lend);
    else
        r = pipe_read_to(file, &v.uio, nonblock);
    iov_arg_done(&v);
    return r;
}

long
sys_vmsplice(struct user_frame *f)
{
    struct file_arg a;
    if ((SYS_ARG3(f) & 0xffffffffu & ~(u64)SPLICE_KNOWN) != 0)
        return -E_INVAL;
    int r = file_arg_get_open(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    i64 n = memory_splice(a.file, f);
    file_arg_done(&a);
    return write_result(n);
}

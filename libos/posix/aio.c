/* SPDX-License-Identifier: MIT */
/*
 * io_setup(2), io_submit(2), io_getevents(2), io_pgetevents(2), io_cancel(2) and
 * io_destroy(2); posix/aio.h has the invariants.
 */
#include "posix/aio.h"

#include "posix/files.h"
#include "ready/ready.h"
#include "vm/mm.h"

enum { AIO_PREAD, AIO_PWRITE, AIO_FSYNC, AIO_FDSYNC, AIO_POLL = 5, AIO_NOOP,
       AIO_PREADV, AIO_PWRITEV };
#define AIO_TELL_COUNTER 1u
#define RWF_KNOWN 0x17u /* HIPRI DSYNC SYNC APPEND: file.c says why they are easy */
#define RWF_APPEND 0x10u

struct linux_iocb {
    u64 data;
    u32 key, rw_flags;
    u16 opcode;
    i16 priority;
    u32 fd;
    u64 buffer, bytes;
    i64 offset;
    u64 reserved;
    u32 flags, counter;
};
_Static_assert(sizeof(struct linux_iocb) == 64, "struct iocb");

long
sys_io_setup(struct user_frame *f)
{
    struct aio_context *c;
    u64 at;
    if (copy_from_user(&at, SYS_ARG1(f), sizeof at) != 0)
        return -E_FAULT;
    if (at != 0 || (u32)SYS_ARG0(f) == 0)
        return -E_INVAL;
    int r = aio_context_new((u32)SYS_ARG0(f), &c);
    if (r != 0)
        return r;
    at = c->at;
    r = copy_to_user(SYS_ARG1(f), &at, sizeof at);
    if (r != 0) {
        (void)aio_context_end(c);
        (void)!mm_unmap(proc_current()->mm, c->at, c->bytes);
    }
    aio_context_put(c);
    return r;
}

long
sys_io_destroy(struct user_frame *f)
{
    struct aio_context *c = aio_context_get(SYS_ARG0(f));
    if (c == NULL)
        return -E_INVAL;
    bool mine = aio_context_end(c);
    if (mine) {
        /* what other threads are transferring is over after this */
        (void)!wait_until(&c->wait, c->under_way == 0, false, ~0ull);
        (void)!mm_unmap(proc_current()->mm, c->at, c->bytes);
    }
    aio_context_put(c);
    return mine ? 0 : -E_INVAL;
}

/* ---- submitting ---- */

static i64
event_result(i64 n)
{
    if (n == -E_RESTART || n == -E_RESTART_NOHAND || n == -E_RESTART_BLOCK)
        n = -E_INTR;
    return n < 0 ? -(i64)posix_errno((int)-n) : n;
}

/* A transfer: 0 with *result for the event, or why it is refused. */
static int
transfer(struct file *file, const struct linux_iocb *q, i64 *result)
{
    bool write = q->opcode == AIO_PWRITE || q->opcode == AIO_PWRITEV;
    u64 pos = (u64)q->offset;
    struct iov_arg v;
    struct uio u, *io = &u;
    if ((file->flags & (write ? OPEN_WRITE : OPEN_READ)) == 0)
        return -E_BADF;
    if ((q->rw_flags & ~RWF_KNOWN) != 0)
        return -E_NOTSUP;
    bool vector = q->opcode == AIO_PREADV || q->opcode == AIO_PWRITEV;
    if (vector) {
        int r = iov_arg_get(&v, q->buffer, q->bytes);
        if (r != 0)
            return r;
        io = &v.uio;
    } else {
        if ((i64)q->bytes < 0)
            return -E_INVAL;
        if (!user_range(q->buffer, q->bytes))
            return -E_FAULT;
        uio_user(&u, q->buffer, MIN(q->bytes, TRANSFER_MAX));
    }
    io->append = write && (q->rw_flags & RWF_APPEND) != 0;
    bool stream = !file_seekable(file);
    int r = q->offset < 0 && !stream ? -E_INVAL : 0;
    if (r == 0) {
        u64 *at = stream ? NULL : &pos;
        *result = event_result(write ? write_file(file, io, at) : file_read(file, io, at));
    }
    if (vector)
        iov_arg_done(&v);
    return r;
}

/* 0: the event comes, or came, and the references went with it. */
static int
start(struct aio_context *c, struct file *file, struct file *counter,
      const struct linux_iocb *q, uaddr at)
{
    struct aio_event e = { .data = q->data, .request = at };
    int r = -E_INVAL;
    switch (q->opcode) {
    case AIO_PREAD:
    case AIO_PWRITE:
    case AIO_PREADV:
    case AIO_PWRITEV:
        r = transfer(file, q, &e.result);
        break;
    case AIO_FSYNC:
    case AIO_FDSYNC:
        if (q->buffer == 0 && q->offset == 0 && q->bytes == 0 && q->rw_flags == 0 &&
            file->inode != NULL &&
            (file->inode->type == IT_FILE || file->inode->type == IT_DIR))
            r = 0;
        break;
    case AIO_POLL:
        if (q->buffer > 0xffff || q->offset != 0 || q->bytes != 0 || q->rw_flags != 0 ||
            signalfd_is(file))
            return -E_INVAL;
        return aio_poll(c, file, (u32)q->buffer, &e, counter);
    default:
        break;
    }
    if (r != 0)
        return r;
    mutex_lock(&c->mutex);
    aio_end_locked(c, &e, counter);
    mutex_unlock(&c->mutex);
    file_release(file);
    if (counter != NULL)
        file_release(counter);
    return 0;
}

static int
counter_get(const struct linux_iocb *q, struct file **out)
{
    *out = NULL;
    if ((q->flags & AIO_TELL_COUNTER) == 0)
        return 0;
    *out = fd_get(files_own(), (int)q->counter);
    if (*out == NULL)
        return -E_BADF;
    if (eventfd_is(*out))
        return 0;
    file_release(*out);
    *out = NULL;
    return -E_INVAL;
}

static int
submit(struct aio_context *c, uaddr at)
{
    struct linux_iocb q;
    struct file *counter;
    u32 key = 0;
    if (copy_from_user(&q, at, sizeof q) != 0)
        return -E_FAULT;
    if (q.reserved != 0)
        return -E_INVAL;
    if (!aio_begin(c))
        return c->dead ? -E_INVAL : -E_AGAIN;
    struct file *file = fd_get(files_own(), (int)q.fd);
    int r = file == NULL || (file->flags & OPEN_PATH) != 0 ? -E_BADF : 0;
    if (r == 0)
        r = counter_get(&q, &counter);
    if (r == 0) {
        r = copy_to_user(at + offsetof(struct linux_iocb, key), &key, sizeof key);
        if (r == 0)
            r = start(c, file, counter, &q, at);
        if (r != 0 && counter != NULL)
            file_release(counter);
    }
    if (r != 0) {
        if (file != NULL)
            file_release(file);
        aio_refused(c);
    }
    return r;
}

long
sys_io_submit(struct user_frame *f)
{
    i64 n = (i64)SYS_ARG1(f), i = 0;
    int r = 0;
    if (n < 0)
        return -E_INVAL;
    struct aio_context *c = aio_context_get(SYS_ARG0(f));
    if (c == NULL)
        return -E_INVAL;
    for (n = MIN(n, (i64)c->places); i < n; i++) {
        u64 at;
        r = copy_from_user(&at, SYS_ARG2(f) + (u64)i * sizeof at, sizeof at);
        if (r == 0)
            r = submit(c, at);
        if (r != 0)
            break;
    }
    aio_context_put(c);
    return i != 0 ? i : r;
}

long
sys_io_cancel(struct user_frame *f)
{
    u32 key;
    if (copy_from_user(&key, SYS_ARG1(f) + offsetof(struct linux_iocb, key), sizeof key) !=
        0)
        return -E_FAULT;
    struct aio_context *c = key == 0 ? aio_context_get(SYS_ARG0(f)) : NULL;
    if (c == NULL)
        return -E_INVAL;
    /* the event comes through the ring */
    int r = aio_poll_cancel(c, SYS_ARG1(f)) ? -E_INPROGRESS : -E_INVAL;
    aio_context_put(c);
    return r;
}

/* ---- waiting ---- */

static i64
get_events(struct user_frame *f, u64 deadline)
{
    i64 least = (i64)SYS_ARG1(f), most = (i64)SYS_ARG2(f), got = 0, n;
    struct aio_context *c = aio_context_get(SYS_ARG0(f));
    if (c == NULL)
        return -E_INVAL;
    int r = least > most || least < 0 ? -E_INVAL : 0;
    while (r == 0) {
        u32 seen = c->ended;
        n = aio_take(c, SYS_ARG3(f) + (u64)got * sizeof(struct aio_event),
                     (u64)(most - got));
        got += MAX(n, 0);
        r = n < 0 ? (int)n : c->dead ? -E_INVAL : 0;
        if (r != 0 || got >= least || deadline == 0)
            break;
        r = wait_until(&c->wait, c->ended != seen || c->dead, true, deadline);
        if (r == -E_TIMEDOUT) {
            r = 0;
            deadline = 0; /* one look more */
        }
    }
    aio_context_put(c);
    return got != 0 ? got : r;
}

static int
deadline_get(uaddr at, u64 *deadline)
{
    *deadline = ~0ull;
    return at == 0 ? 0 : deadline_from_user(at, deadline);
}

long
sys_io_getevents(struct user_frame *f)
{
    u64 deadline;
    int r = deadline_get(SYS_ARG4(f), &deadline);
    return r != 0 ? r : get_events(f, deadline);
}

long
sys_io_pgetevents(struct user_frame *f)
{
    struct {
        u64 mask, bytes;
    } set = { 0, 0 };
    u64 deadline;
    bool masked;
    int r = deadline_get(SYS_ARG4(f), &deadline);
    if (r == 0 && SYS_ARG5(f) != 0)
        r = copy_from_user(&set, SYS_ARG5(f), sizeof set);
    if (r == 0)
        r = mask_begin(set.mask, set.bytes, &masked);
    if (r != 0)
        return r;
    i64 n = get_events(f, deadline);
    mask_end(masked, n);
    return n == -E_INTR ? -E_RESTART_NOHAND : n;
}

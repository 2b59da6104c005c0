/* SPDX-License-Identifier: MIT */
/* Private to pipe/: the pipe itself. */
#ifndef LIBOS_PIPE_PIPE_PRIVATE_H
#define LIBOS_PIPE_PIPE_PRIVATE_H

#include "core/page.h"
#include "pipe/pipe.h"
#include "vfs/usage.h"

/* What a slot is besides its bytes; outside of the contents nobody looks. */
#define SLOT_SHARED 0x1u /* I6 */
#define SLOT_PACKET 0x2u /* a read takes it alone, and what it leaves is lost */

struct pipe {
    /* guards all below but the queues, which have their own locks */
    struct mutex mutex;
    u32 head, tail;            /* I1 */
    u32 slots, limit;          /* slots is a power of two */
    u32 readers, writers;      /* open files of each side */
    /* how often one was opened: a FIFO's open waits for a change */
    u32 reader_opens, writer_opens;
    struct uio_segment *slot;  /* I7; inline_slot, or on the heap */
    u8 *about;                 /* SLOT_*; inline_about, or behind the slots */
    struct waitq readable;     /* something to read, or no writer any more */
    struct waitq writable;     /* room, or no reader any more */
    struct waitq opened;       /* a FIFO's other side */
    struct usage *usage;       /* its slots are counted there */
    struct uio_segment inline_slot[PIPE_PAGES_DEFAULT];
    u8 inline_about[PIPE_PAGES_DEFAULT];
};

struct pipe *pipe_new(void);
void pipe_free(struct pipe *p);
i64 pipe_read(struct file *f, struct uio *u, u64 *pos);
i64 pipe_write(struct file *f, struct uio *u, u64 *pos);
u32 pipe_poll(struct file *f, struct poll_table *t);
i64 pipe_ioctl(struct file *f, u32 request, uaddr arg);

static inline bool
pipe_empty(const struct pipe *p)
{
    return p->head == p->tail;
}
static inline bool
pipe_full(const struct pipe *p)
{
    return p->head - p->tail >= p->limit;
}
/* Where slot n is in both arrays. */
static inline u32
pipe_at(const struct pipe *p, u32 n)
{
    return n & (p->slots - 1);
}
/* All with the mutex held. */
/* Stand in the queue, let go of the pipe, sleep until woken (I4); comes back with the
 * mutex.  -E_RESTART: a signal. */
int pipe_wait(struct pipe *p, struct waitq *q) MUST_CHECK;
/* Until there is a slot free, or data: 0; -E_AGAIN -E_RESTART; -E_PIPE: no readers.
 * For data: 1 if there is none and no writer. */
int pipe_wait_room(struct pipe *p, bool nonblock) MUST_CHECK;
int pipe_wait_data(struct pipe *p, bool nonblock) MUST_CHECK;
u8 *pipe_page_make(struct uio_segment *s);
/* The page of a free slot; NULL: no memory. */
static inline u8 *
pipe_page_ready(struct uio_segment *s)
{
    return s->base != 0 ? (u8 *)s->base : pipe_page_make(s);
}
/* Slots up to this one are no longer contents. */
static inline void
pipe_set_tail(struct pipe *p, u32 tail)
{
    p->tail = tail;
    if (tail == p->head)
        p->head = p->tail = 0; /* I2 */
}
/* All the bytes of a slot are gone: its page is kept for later, or let go of. */
static inline void
pipe_empty_slot(struct uio_segment *s, u8 about)
{
    if (about & SLOT_SHARED) {
        page_unshare(page_frame((void *)s->base));
        s->base = 0;
    } else {
        s->base &= ~(PAGE_SIZE - 1);
    }
}
/* The first n bytes of the oldest slot, which is there, are gone; if that is all, the slot
 * is. */
static inline void
pipe_consume(struct pipe *p, u32 at, u64 n)
{
    struct uio_segment *s = &p->slot[at];
    if (n < s->bytes) {
        s->base += n;
        s->bytes -= n;
        return;
    }
    pipe_empty_slot(s, p->about[at]);
    pipe_set_tail(p, p->tail + 1);
}
/* Drop the mutex, and wake who can go on. */
static inline void
pipe_unlock_wake(struct pipe *p)
{
    bool wake_reader = !wait_idle(&p->readable) && !pipe_empty(p);
    bool wake_writer = !wait_idle(&p->writable) && !pipe_full(p);
    mutex_unlock(&p->mutex);
    if (wake_reader)
        wait_wake(&p->readable, 1);
    if (wake_writer)
        wait_wake(&p->writable, 1);
}

#endif

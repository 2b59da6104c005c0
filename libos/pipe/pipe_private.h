/* SPDX-License-Identifier: MIT */
/* Private to pipe/: the pipe itself. */
#ifndef LIBOS_PIPE_PIPE_PRIVATE_H
#define LIBOS_PIPE_PIPE_PRIVATE_H

#include "core/page.h"
#include "pipe/pipe.h"
#include "vfs/usage.h"

struct pipe_slot {
    u8 *page;    /* outside of the contents: kept for later, or NULL */
    u32 offset;
    u16 bytes;
    bool shared; /* I6; never outside of the contents */
    bool packet; /* a read takes it alone, and what it leaves is lost */
};
struct pipe {
    /* guards all below but the queues, which have their own locks */
    struct mutex mutex;
    u32 head, tail;            /* I1 */
    u32 slots, limit;          /* slots is a power of two */
    u32 readers, writers;      /* open files of each side */
    /* how often one was opened: a FIFO's open waits for a change */
    u32 reader_opens, writer_opens;
    struct pipe_slot *slot;    /* inline_slot, or on the heap */
    struct waitq readable;     /* something to read, or no writer any more */
    struct waitq writable;     /* room, or no reader any more */
    struct waitq opened;       /* a FIFO's other side */
    struct usage *usage;       /* its slots are counted there */
    struct pipe_slot inline_slot[PIPE_PAGES_DEFAULT];
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
static inline struct pipe_slot *
pipe_slot_at(struct pipe *p, u32 n)
{
    return &p->slot[n & (p->slots - 1)];
}
/* All with the mutex held. */
/* Stand in the queue, let go of the pipe, sleep until woken (I4); comes back with the
 * mutex.  -E_RESTART: a signal. */
int pipe_wait(struct pipe *p, struct waitq *q) MUST_CHECK;
/* Until there is a slot free, or data: 0; -E_AGAIN -E_RESTART; -E_PIPE: no readers.
 * For data: 1 if there is none and no writer. */
int pipe_wait_room(struct pipe *p, bool nonblock) MUST_CHECK;
int pipe_wait_data(struct pipe *p, bool nonblock) MUST_CHECK;
u8 *pipe_page_make(struct pipe_slot *s);
/* The page of the slot at head, which is free; NULL: no memory. */
static inline u8 *
pipe_page_ready(struct pipe *p)
{
    struct pipe_slot *s = pipe_slot_at(p, p->head);
    return s->page != NULL ? s->page : pipe_page_make(s);
}
/* The first n bytes of the oldest slot are gone; if that is all, the slot is. */
static inline void
pipe_consume(struct pipe *p, struct pipe_slot *s, u32 n)
{
    if (n < s->bytes) {
        s->offset += n;
        s->bytes -= (u16)n;
        return;
    }
    if (s->shared) {
        page_free(page_frame(s->page));
        s->shared = false;
        s->page = NULL;
    }
    if (++p->tail == p->head)
        p->head = p->tail = 0; /* I2 */
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

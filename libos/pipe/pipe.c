/* SPDX-License-Identifier: MIT */
/* Reading, writing and waiting on pipes; pipe/pipe.h has the invariants, pipe/fifo.c
 * the ways to make and open them. */
#include "pipe/pipe_private.h"

#include "core/heap.h"
#include "core/log.h"
#include "core/page.h"
#include "core/string.h"

struct pipe *
pipe_new(void)
{
    struct pipe *p = heap_alloc_zeroed(sizeof *p);
    if (p == NULL)
        return NULL;
    mutex_init(&p->mutex);
    waitq_init(&p->readable);
    waitq_init(&p->writable);
    waitq_init(&p->opened);
    p->pages = PIPE_PAGES_DEFAULT;
    p->page = p->inline_page;
    return p;
}

void
pipe_free(struct pipe *p)
{
    for (u32 i = 0; i < p->pages; i++)
        if (p->page[i] != NULL)
            page_free(page_frame(p->page[i]));
    if (p->page != p->inline_page)
        heap_free(p->page);
    heap_free(p);
}

static inline u64
space(const struct pipe *p)
{
    return (u64)p->pages * PAGE_SIZE - (p->head - p->tail);
}

/* The byte at position n and how many follow it in the page. */
static inline u8 *
place(const struct pipe *p, u64 n, u64 *run)
{
    u64 offset = n & (PAGE_SIZE - 1);
    *run = PAGE_SIZE - offset;
    return p->page[n >> PAGE_SHIFT & (p->pages - 1)] + offset;
}

/* Stand in the queue, let go of the pipe, sleep until woken (I4); comes back with the
 * mutex.  -E_RESTART: a signal. */
static int
wait_locked(struct pipe *p, struct waitq *q)
{
    struct waiter w = { .exclusive = true };
    wait_add(q, &w);
    thread_prepare(true);
    mutex_unlock(&p->mutex);
    int r = thread_block(~0ull);
    wait_remove(&w);
    mutex_lock(&p->mutex);
    return r != 0 ? -E_RESTART : 0;
}

static i64
take_bytes(struct pipe *p, struct uio *u)
{
    u64 n = MIN(u->left, p->head - p->tail), done = 0;
    while (done < n) {
        u64 run;
        const u8 *from = place(p, p->tail, &run);
        run = MIN(run, n - done);
        u64 before = u->left;
        int r = uio_put(u, from, run);
        u64 moved = before - u->left;
        done += moved;
        p->tail += moved;
        if (r != 0)
            return done != 0 ? (i64)done : r;
    }
    return (i64)done;
}

i64
pipe_read(struct file *f, struct uio *u, u64 *pos)
{
    struct pipe *p = f->priv;
    i64 r = 0;
    (void)pos;
    if (u->left == 0)
        return 0;
    mutex_lock(&p->mutex);
    while (p->head == p->tail) {
        if (p->writers == 0)
            break;
        r = (f->flags & OPEN_NONBLOCK) != 0 ? -E_AGAIN : wait_locked(p, &p->readable);
        if (r != 0)
            break;
    }
    if (r == 0 && p->head != p->tail)
        r = take_bytes(p, u);
    bool more = p->head != p->tail;
    if (!more)
        p->head = p->tail = 0; /* I2 */
    bool wake_writer = r > 0 && !wait_idle(&p->writable) && space(p) >= PIPE_ATOMIC;
    bool wake_reader = more && !wait_idle(&p->readable); /* I5 */
    mutex_unlock(&p->mutex);
    if (wake_writer)
        wait_wake(&p->writable, 1);
    if (wake_reader)
        wait_wake(&p->readable, 1);
    return r;
}

/* Move at most n bytes in, which fit.  What was moved, or an error if nothing was. */
static i64
put_bytes(struct pipe *p, struct uio *u, u64 n)
{
    u64 done = 0;
    while (done < n) {
        u8 **slot = &p->page[p->head >> PAGE_SHIFT & (p->pages - 1)];
        if (*slot == NULL) {
            frame_t frame = page_alloc();
            if (frame == FRAME_NONE)
                return done != 0 ? (i64)done : -E_NOMEM;
            *slot = page_ptr(frame);
        }
        u64 run;
        u8 *to = place(p, p->head, &run);
        run = MIN(run, n - done);
        u64 before = u->left;
        int r = uio_get(u, to, run);
        u64 moved = before - u->left;
        done += moved;
        p->head += moved;
        if (r != 0)
            return done != 0 ? (i64)done : r;
    }
    return (i64)done;
}

/* How many bytes of a write may go in now: 0 means wait (I3). */
static u64
room_for(const struct pipe *p, u64 wanted, u64 done)
{
    u64 room = space(p);
    if (wanted <= PIPE_ATOMIC)
        return room >= wanted ? wanted : 0;
    return MIN(room, wanted - done);
}

/* A write that faults halfway through an atomic one has put nothing in: take back what
 * went. */
static i64
put_atomic(struct pipe *p, struct uio *u, u64 n)
{
    u64 head = p->head;
    i64 r = put_bytes(p, u, n);
    if (r > 0 && (u64)r < n && n <= PIPE_ATOMIC) {
        p->head = head;
        return -E_FAULT;
    }
    return r;
}

i64
pipe_write(struct file *f, struct uio *u, u64 *pos)
{
    struct pipe *p = f->priv;
    u64 wanted = u->left, done = 0;
    i64 r = 0;
    (void)pos;
    if (wanted == 0)
        return 0;
    mutex_lock(&p->mutex);
    while (done < wanted) {
        if (p->readers == 0) {
            r = -E_PIPE;
            break;
        }
        u64 n = room_for(p, wanted, done);
        if (n != 0) {
            r = put_atomic(p, u, n);
            done += r > 0 ? (u64)r : 0;
            if (r < (i64)n || done == wanted)
                break;
        }
        if ((f->flags & OPEN_NONBLOCK) != 0) {
            r = -E_AGAIN;
            break;
        }
        if (!wait_idle(&p->readable))
            wait_wake(&p->readable, 1);
        r = wait_locked(p, &p->writable);
        if (r != 0)
            break;
    }
    bool wake_reader = p->head != p->tail && !wait_idle(&p->readable);
    bool wake_writer = space(p) >= PIPE_ATOMIC && !wait_idle(&p->writable);
    mutex_unlock(&p->mutex);
    if (wake_reader)
        wait_wake(&p->readable, 1);
    if (wake_writer)
        wait_wake(&p->writable, 1);
    return done != 0 ? (i64)done : r;
}

static u32
state_of(const struct pipe *p, const struct file *f)
{
    u32 mask = 0;
    if ((f->flags & OPEN_READ) != 0) {
        if (p->head != p->tail)
            mask |= POLL_IN;
        if (p->writers == 0 && p->writer_opens != (u32)f->pos)
            mask |= POLL_HUP;
    }
    if ((f->flags & OPEN_WRITE) != 0) {
        if (space(p) >= PIPE_ATOMIC)
            mask |= POLL_OUT;
        if (p->readers == 0)
            mask |= POLL_ERR;
    }
    return mask;
}

/* Who registers looks under the mutex (I4).  Who only asks needs no lock: whatever
 * changes afterwards would be news in any case. */
u32
pipe_poll(struct file *f, struct poll_table *t)
{
    struct pipe *p = f->priv;
    if (t == NULL)
        return state_of(p, f);
    if ((f->flags & OPEN_READ) != 0)
        t->add(t, &p->readable);
    if ((f->flags & OPEN_WRITE) != 0)
        t->add(t, &p->writable);
    mutex_lock(&p->mutex);
    u32 mask = state_of(p, f);
    mutex_unlock(&p->mutex);
    return mask;
}

i64
pipe_ioctl(struct file *f, u32 request, uaddr arg)
{
    struct pipe *p = f->priv;
    if (request != FILE_IOCTL_READABLE)
        return -E_NOTTY;
    mutex_lock(&p->mutex);
    i32 n = (i32)(p->head - p->tail);
    mutex_unlock(&p->mutex);
    return copy_to_user(arg, &n, sizeof n);
}

u64
pipe_capacity(struct file *f)
{
    struct pipe *p = f->priv;
    return (u64)p->pages * PAGE_SIZE;
}

/* Copy the contents into fresh pages, from position 0. */
static int
move_contents(struct pipe *p, u8 **page)
{
    u64 n = p->head - p->tail;
    for (u64 done = 0; done < n;) {
        u8 **slot = &page[done >> PAGE_SHIFT];
        if (*slot == NULL) {
            frame_t frame = page_alloc();
            if (frame == FRAME_NONE)
                return -E_NOMEM;
            *slot = page_ptr(frame);
        }
        u64 run, to = done & (PAGE_SIZE - 1);
        const u8 *from = place(p, p->tail + done, &run);
        run = MIN(MIN(run, PAGE_SIZE - to), n - done);
        memcpy(*slot + to, from, run);
        done += run;
    }
    return 0;
}

static void
free_pages(u8 **page, u32 pages)
{
    for (u32 i = 0; i < pages; i++)
        if (page[i] != NULL)
            page_free(page_frame(page[i]));
}

i64
pipe_set_capacity(struct file *f, u64 bytes)
{
    struct pipe *p = f->priv;
    u32 pages = 1;
    if (bytes > 1u << 31)
        return -E_INVAL;
    while ((u64)pages * PAGE_SIZE < bytes)
        pages *= 2;
    if (pages > PIPE_PAGES_MAX)
        return -E_PERM;
    u8 **page = heap_alloc_zeroed(pages * sizeof *page);
    if (page == NULL)
        return -E_NOMEM;
    mutex_lock(&p->mutex);
    u64 held = p->head - p->tail;
    i64 r = held > (u64)pages * PAGE_SIZE ? -E_BUSY : move_contents(p, page);
    if (r == 0) {
        u8 **old = p->page;
        free_pages(old, p->pages);
        if (old != p->inline_page)
            heap_free(old);
        p->page = page;
        p->pages = pages;
        p->tail = 0;
        p->head = held;
    }
    bool wake = r == 0 && space(p) >= PIPE_ATOMIC && !wait_idle(&p->writable);
    mutex_unlock(&p->mutex);
    if (r != 0) {
        free_pages(page, pages);
        heap_free(page);
        return r;
    }
    if (wake)
        wait_wake(&p->writable, 1);
    return (i64)((u64)pages * PAGE_SIZE);
}

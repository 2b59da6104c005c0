/* SPDX-License-Identifier: MIT */
/* Reading, writing and waiting on pipes; pipe/pipe.h has the invariants, pipe/fifo.c
 * the ways to make and open them, pipe/splice.c the ways around a buffer. */
#include "pipe/pipe_private.h"

#include "core/heap.h"
#include "core/log.h"
#include "core/page.h"
#include "core/string.h"

static bool
is_root(const struct cred *cred)
{
    return cred == NULL || cred_can(cred, CAP_SYS_RESOURCE) ||
           cred_can(cred, CAP_SYS_ADMIN);
}

/* Count the slots of a pipe: a user that has very many gets small ones. */
static u32
slots_for(struct usage *usage, const struct cred *cred)
{
    if (usage_add(usage, USAGE_PIPE_PAGES, PIPE_PAGES_DEFAULT,
                  is_root(cred) ? ~0ull : PIPE_PAGES_USER_SOFT))
        return PIPE_PAGES_DEFAULT;
    (void)usage_add(usage, USAGE_PIPE_PAGES, PIPE_PAGES_MIN, ~0ull);
    return PIPE_PAGES_MIN;
}

struct pipe *
pipe_new(void)
{
    const struct cred *cred = vfs_current_cred();
    struct usage *usage = usage_get(cred != NULL ? cred->uid : 0);
    struct pipe *p = usage == NULL ? NULL : heap_alloc_zeroed(sizeof *p);
    if (p == NULL) {
        if (usage != NULL)
            usage_put(usage);
        return NULL;
    }
    mutex_init(&p->mutex);
    waitq_init(&p->readable);
    waitq_init(&p->writable);
    waitq_init(&p->opened);
    p->usage = usage;
    p->slots = p->limit = slots_for(usage, cred);
    p->slot = p->inline_slot;
    p->about = p->inline_about;
    return p;
}

static void
slot_clear(const struct uio_segment *s)
{
    if (s->base != 0)
        page_free(page_frame((void *)s->base));
}

void
pipe_free(struct pipe *p)
{
    for (u32 i = 0; i < p->slots; i++)
        slot_clear(&p->slot[i]);
    usage_sub(p->usage, USAGE_PIPE_PAGES, p->slots);
    usage_put(p->usage);
    if (p->slot != p->inline_slot)
        heap_free(p->slot);
    heap_free(p);
}

int
pipe_wait(struct pipe *p, struct waitq *q)
{
    struct waiter w;
    wait_enter(q, &w, true);
    thread_prepare(true);
    mutex_unlock(&p->mutex);
    int r = thread_block(~0ull);
    wait_leave(&w);
    mutex_lock(&p->mutex);
    return r != 0 ? -E_RESTART : 0;
}

int
pipe_wait_room(struct pipe *p, bool nonblock)
{
    int r = 0;
    for (;;) {
        if (p->readers == 0)
            return -E_PIPE;
        if (!pipe_full(p))
            return 0;
        if (r == 0)
            r = nonblock ? -E_AGAIN : pipe_wait(p, &p->writable);
        if (r != 0)
            return r;
    }
}

int
pipe_wait_data(struct pipe *p, bool nonblock)
{
    while (pipe_empty(p)) {
        if (p->writers == 0)
            return 1;
        int r = nonblock ? -E_AGAIN : pipe_wait(p, &p->readable);
        if (r != 0)
            return r;
    }
    return 0;
}

/* What a fault leaves of a slot is not taken: it is there for the next read. */
static inline i64
take_bytes(struct pipe *p, struct uio *u)
{
    i64 done = 0;
    while (u->left != 0 && !pipe_empty(p)) {
        u32 at = pipe_at(p, p->tail);
        const struct uio_segment *s = &p->slot[at];
        u64 n = MIN(u->left, s->bytes);
        bool packet = p->about[at] & SLOT_PACKET;
        if (uio_put(u, (void *)s->base, n) != 0)
            return done != 0 ? done : -E_FAULT;
        done += (i64)n;
        pipe_consume(p, at, packet ? s->bytes : n); /* what a read leaves of it is lost */
        if (packet)
            break;
    }
    return done;
}

static inline i64
read_some(struct pipe *p, struct uio *u, bool nonblock)
{
    i64 r = 0;
    mutex_lock(&p->mutex);
    if (__builtin_expect(pipe_empty(p), 0))
        r = pipe_wait_data(p, nonblock);
    if (r == 0)
        r = take_bytes(p, u);
    else if (r == 1)
        r = 0; /* the end */
    pipe_unlock_wake(p);
    return r;
}

i64
pipe_read(struct file *f, struct uio *u, u64 *pos)
{
    (void)pos;
    if (u->left == 0)
        return 0;
    return read_some(f->priv, u, (f->flags & OPEN_NONBLOCK) != 0);
}

i64
pipe_read_to(struct file *f, struct uio *u, bool nonblock)
{
    return read_some(f->priv, u, nonblock);
}

u8 *
pipe_page_make(struct uio_segment *s)
{
    frame_t frame = page_alloc();
    if (frame == FRAME_NONE)
        return NULL;
    s->base = (u64)page_ptr(frame);
    return (u8 *)s->base;
}

/* The bytes of a write that do not fill a page go behind the last slot's, if they fit
 * there.  1: they did. */
static i64
append_to_last(struct pipe *p, struct uio *u)
{
    u32 at = pipe_at(p, p->head - 1);
    struct uio_segment *s = &p->slot[at];
    u64 n = u->left & (PAGE_SIZE - 1);
    if (n == 0 || p->about[at] != 0 || s->base % PAGE_SIZE + s->bytes + n > PAGE_SIZE)
        return 0;
    int r = uio_get(u, (void *)(s->base + s->bytes), n);
    if (r != 0)
        return r;
    s->bytes += n;
    return (i64)n;
}

/* One page's worth into a free slot: bytes, or an error. */
static inline i64
put_slot(struct pipe *p, struct uio *u, bool packet)
{
    u32 at = pipe_at(p, p->head);
    struct uio_segment *s = &p->slot[at];
    u8 *page = pipe_page_ready(s);
    u64 n = MIN(u->left, PAGE_SIZE);
    if (page == NULL)
        return -E_NOMEM;
    int r = uio_get(u, page, n);
    if (r != 0)
        return r;
    s->bytes = n;
    p->about[at] = packet ? SLOT_PACKET : 0;
    p->head++;
    return (i64)n;
}

i64
pipe_write(struct file *f, struct uio *u, u64 *pos)
{
    struct pipe *p = f->priv;
    u32 flags = f->flags;
    i64 done = 0, r = 0;
    (void)pos;
    if (u->left == 0)
        return 0;
    mutex_lock(&p->mutex);
    if (p->readers != 0 && !pipe_empty(p) && (flags & OPEN_DIRECT) == 0) {
        r = append_to_last(p, u);
        done = MAX(r, 0);
    }
    while (u->left != 0 && r >= 0) {
        if (p->readers == 0) {
            r = -E_PIPE;
        } else if (!pipe_full(p)) {
            r = put_slot(p, u, (flags & OPEN_DIRECT) != 0);
            done += MAX(r, 0);
        } else if ((flags & OPEN_NONBLOCK) != 0) {
            r = -E_AGAIN;
        } else {
            if (!wait_idle(&p->readable))
                wait_wake(&p->readable, 1);
            r = pipe_wait(p, &p->writable);
        }
    }
    pipe_unlock_wake(p);
    return done != 0 ? done : r;
}

static inline __attribute__((always_inline)) u32
state_of(const struct pipe *p, const struct file *f)
{
    u32 mask = 0, flags = atomic_load_explicit(&f->flags, memory_order_relaxed);
    if ((flags & OPEN_READ) != 0) {
        if (!pipe_empty(p))
            mask |= POLL_IN;
        if (p->writers == 0 && p->writer_opens != (u32)f->pos)
            mask |= POLL_HUP;
    }
    if ((flags & OPEN_WRITE) != 0) {
        if (!pipe_full(p))
            mask |= POLL_OUT;
        if (p->readers == 0)
            mask |= POLL_ERR;
    }
    return mask;
}

/* Who registers looks under the mutex (I4). */
static __attribute__((noinline)) u32
poll_registering(struct pipe *p, struct file *f, struct poll_table *t)
{
    if ((f->flags & OPEN_READ) != 0)
        t->add(t, &p->readable);
    if ((f->flags & OPEN_WRITE) != 0)
        t->add(t, &p->writable);
    mutex_lock(&p->mutex);
    u32 mask = state_of(p, f);
    mutex_unlock(&p->mutex);
    return mask;
}

/* Who only asks needs no lock: whatever changes afterwards would be news in any case. */
u32
pipe_poll(struct file *f, struct poll_table *t)
{
    struct pipe *p = f->priv;
    return t == NULL ? state_of(p, f) : poll_registering(p, f, t);
}

i64
pipe_ioctl(struct file *f, u32 request, uaddr arg)
{
    struct pipe *p = f->priv;
    i32 n = 0;
    if (request != FILE_IOCTL_READABLE)
        return -E_NOTTY;
    mutex_lock(&p->mutex);
    for (u32 at = p->tail; at != p->head; at++)
        n += (i32)p->slot[pipe_at(p, at)].bytes;
    mutex_unlock(&p->mutex);
    return copy_to_user(arg, &n, sizeof n);
}

u64
pipe_capacity(struct file *f)
{
    struct pipe *p = f->priv;
    return (u64)p->slots * PAGE_SIZE;
}

/* The contents go into a ring of another size, from slot 0; what is kept for later
 * goes. */
static int
resize(struct pipe *p, struct uio_segment *slot, u32 slots)
{
    u32 held = p->head - p->tail, reserved = p->slots - p->limit;
    u8 *about = (u8 *)(slot + slots);
    if (held + reserved > slots)
        return -E_BUSY;
    for (u32 k = 0; k < held; k++) {
        slot[k] = p->slot[pipe_at(p, p->tail + k)];
        about[k] = p->about[pipe_at(p, p->tail + k)];
    }
    for (u32 k = held; k < p->slots; k++)
        slot_clear(&p->slot[pipe_at(p, p->tail + k)]);
    if (p->slot != p->inline_slot)
        heap_free(p->slot);
    p->slot = slot;
    p->about = about;
    p->slots = slots;
    p->limit = slots - reserved;
    p->tail = 0;
    p->head = held;
    return 0;
}

i64
pipe_set_capacity(struct file *f, u64 bytes)
{
    struct pipe *p = f->priv;
    u32 slots = 1;
    bool root = is_root(vfs_current_cred());
    if (bytes > 1u << 31)
        return -E_INVAL;
    while ((u64)slots * PAGE_SIZE < bytes)
        slots *= 2;
    struct uio_segment *slot = heap_alloc_zeroed(slots * (sizeof *slot + sizeof *p->about));
    mutex_lock(&p->mutex);
    u32 before = p->slots;
    i64 r = 0;
    if (slots > before && slots > PIPE_PAGES_MAX && !root)
        r = -E_PERM;
    else if (slot == NULL)
        r = -E_NOMEM;
    else if (slots > before && !usage_add(p->usage, USAGE_PIPE_PAGES, slots - before,
                                          root ? ~0ull : PIPE_PAGES_USER_SOFT))
        r = -E_PERM;
    if (r == 0) {
        r = resize(p, slot, slots);
        if (slots > before && r != 0)
            usage_sub(p->usage, USAGE_PIPE_PAGES, slots - before);
        else if (slots < before && r == 0)
            usage_sub(p->usage, USAGE_PIPE_PAGES, before - slots);
    }
    pipe_unlock_wake(p);
    if (r != 0)
        heap_free(slot);
    return r != 0 ? r : (i64)((u64)slots * PAGE_SIZE);
}

/* SPDX-License-Identifier: MIT */
/* A counter as a file (eventfd(2)). E1. count <= COUNT_MAX. */
#include "core/heap.h"
#include "ready/ready.h"

#define COUNT_MAX (~0ull - 1)

struct eventfd {
    struct spinlock lock;
    u64 count;       /* lock; readable without, to ask whether to wait */
    bool semaphore;  /* [I] */
    struct waitq readable, writable;
};

/* True: *value was taken. */
static bool
take(struct eventfd *e, u64 *value)
{
    spin_lock(&e->lock);
    *value = e->semaphore && e->count != 0 ? 1 : e->count;
    e->count -= *value;
    spin_unlock(&e->lock);
    return *value != 0;
}

static bool
put(struct eventfd *e, u64 value)
{
    spin_lock(&e->lock);
    bool fits = value <= COUNT_MAX - e->count;
    if (fits)
        e->count += value;
    spin_unlock(&e->lock);
    return fits;
}

static inline u64
count_of(const struct eventfd *e)
{
    return __atomic_load_n(&e->count, __ATOMIC_RELAXED);
}

static i64
eventfd_read(struct file *f, struct uio *u, u64 *pos)
{
    struct eventfd *e = f->priv;
    u64 value;
    (void)pos;
    if (u->left < sizeof value)
        return -E_INVAL;
    while (!take(e, &value)) {
        if ((f->flags & OPEN_NONBLOCK) != 0)
            return -E_AGAIN;
        if (wait_until(&e->readable, count_of(e) != 0, true, ~0ull) != 0)
            return -E_RESTART;
    }
    wait_wake(&e->writable, 1);
    return uio_put(u, &value, sizeof value) != 0 ? -E_FAULT : (i64)sizeof value;
}

static i64
eventfd_write(struct file *f, struct uio *u, u64 *pos)
{
    struct eventfd *e = f->priv;
    u64 value;
    (void)pos;
    if (u->left < sizeof value)
        return -E_INVAL;
    if (uio_get(u, &value, sizeof value) != 0)
        return -E_FAULT;
    if (value == ~0ull)
        return -E_INVAL;
    while (!put(e, value)) {
        if ((f->flags & OPEN_NONBLOCK) != 0)
            return -E_AGAIN;
        if (wait_until(&e->writable, value <= COUNT_MAX - count_of(e), true, ~0ull) != 0)
            return -E_RESTART;
    }
    wait_wake(&e->readable, 1);
    return sizeof value;
}

static u32 eventfd_poll(struct file *f, struct poll_table *t);

static __attribute__((noinline)) u32
poll_registering(struct file *f, struct poll_table *t)
{
    struct eventfd *e = f->priv;
    t->add(t, &e->readable);
    t->add(t, &e->writable);
    return eventfd_poll(f, NULL);
}

static u32
eventfd_poll(struct file *f, struct poll_table *t)
{
    const struct eventfd *e = f->priv;
    if (t != NULL)
        return poll_registering(f, t);
    u64 count = count_of(e);
    return (count != 0 ? POLL_IN : 0) | (count < COUNT_MAX ? POLL_OUT : 0);
}

static void
eventfd_release(struct file *f)
{
    heap_free(f->priv);
}

static const struct file_ops eventfd_ops = {
    .read = eventfd_read,
    .write = eventfd_write,
    .poll = eventfd_poll,
    .release = eventfd_release,
    .traits = FILE_STREAM,
    .kind_name = "anon_inode:[eventfd]",
};

bool
eventfd_is(const struct file *f)
{
    return f->ops == &eventfd_ops;
}

void
eventfd_add(struct file *f, u64 value)
{
    struct eventfd *e = f->priv;
    (void)put(e, value);
    wait_wake(&e->readable, 1);
}

int
eventfd_create(u64 count, bool semaphore, u32 flags, struct file **out)
{
    struct eventfd *e = heap_alloc_zeroed(sizeof *e);
    if (e == NULL)
        return -E_NOMEM;
    e->count = count;
    e->semaphore = semaphore;
    waitq_init(&e->readable);
    waitq_init(&e->writable);
    *out = anon_file(&eventfd_ops, flags, e);
    if (*out == NULL)
        heap_free(e);
    return *out != NULL ? 0 : -E_NOMEM;
}

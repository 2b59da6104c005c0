/* SPDX-License-Identifier: MIT */
/* The waiting part of poll, select and their relatives; posix/polling.h has the
 * invariants. */
#include "posix/polling.h"

#include "core/heap.h"

static bool
waiter_wake(struct waiter *w)
{
    struct poll_wait *p = container_of(w, struct poll_waiter, waiter)->owner;
    atomic_store_explicit(&p->woken, true, memory_order_release);
    thread_wake(p->thread, 0);
    return true; /* or it does not sleep yet, and sees `woken` */
}

static struct poll_waiter *
waiter_new(struct poll_wait *p)
{
    if (p->used < POLL_WAITERS_INLINE)
        return &p->waiter[p->used++];
    struct poll_chunk *c = p->chunks;
    if (c == NULL || c->used == POLL_WAITERS_CHUNK) {
        c = heap_alloc(sizeof *c);
        if (c == NULL)
            return NULL;
        c->used = 0;
        c->next = p->chunks;
        p->chunks = c;
    }
    return &c->waiter[c->used++];
}

static void
table_add(struct poll_table *t, struct waitq *q)
{
    struct poll_wait *p = container_of(t, struct poll_wait, table);
    struct poll_waiter *w = waiter_new(p);
    if (w == NULL) {
        p->error = -E_NOMEM;
        return;
    }
    w->owner = p;
    w->waiter = (struct waiter){ .thread = p->thread, .wake = waiter_wake };
    wait_add(q, &w->waiter);
}

void
poll_wait_begin(struct poll_wait *p)
{
    p->table.add = table_add;
    p->thread = thread_current();
    atomic_init(&p->woken, false);
    p->registering = true;
    p->error = 0;
    p->used = 0;
    p->chunks = NULL;
}

int
poll_wait_sleep(struct poll_wait *p, u64 deadline_ns)
{
    p->registering = false;
    if (p->error != 0)
        return p->error;
    thread_prepare(true);
    if (atomic_load(&p->woken)) {
        thread_cancel();
        atomic_store(&p->woken, false);
        return 0;
    }
    int r = thread_block(deadline_ns);
    atomic_store(&p->woken, false);
    return r;
}

void
poll_wait_end(struct poll_wait *p)
{
    for (u32 i = 0; i < p->used; i++)
        wait_remove(&p->waiter[i].waiter);
    while (p->chunks != NULL) {
        struct poll_chunk *c = p->chunks;
        p->chunks = c->next;
        for (u32 i = 0; i < c->used; i++)
            wait_remove(&c->waiter[i].waiter);
        heap_free(c);
    }
}

/* SPDX-License-Identifier: MIT */
/* Wait queues: W1 to W3 in wait.h. */
#include "core/wait.h"

void
waitq_init(struct waitq *q)
{
    atomic_init(&q->lock.held, 0);
    list_init(&q->waiters);
}

static inline void
stand(struct waitq *q, struct waiter *w)
{
    if (w->exclusive)
        list_push_back(&q->waiters, &w->link); /* behind those that all wakes reach */
    else
        list_push_front(&q->waiters, &w->link);
}

void
wait_add(struct waitq *q, struct waiter *w)
{
    if (!w->thread)
        w->thread = thread_current();
    w->queue = q;
    spin_lock(&q->lock);
    stand(q, w);
    spin_unlock(&q->lock);
}

void
wait_enter(struct waitq *q, struct waiter *w, bool exclusive)
{
    w->thread = thread_current();
    w->wake = NULL;
    w->exclusive = exclusive;
    w->queue = q;
    spin_lock(&q->lock);
    stand(q, w);
    spin_unlock(&q->lock);
}

void
wait_again(struct waiter *w)
{
    struct waitq *q = w->queue;
    spin_lock(&q->lock);
    if (list_empty(&w->link))
        stand(q, w);
    spin_unlock(&q->lock);
}

void
wait_leave(struct waiter *w)
{
    if (!list_empty(&w->link))
        wait_remove(w);
}

void
wait_remove(struct waiter *w)
{
    struct waitq *q = w->queue;
    if (!q)
        return;
    spin_lock(&q->lock);
    list_remove(&w->link); /* nothing happens if W3 did it */
    spin_unlock(&q->lock);
    w->queue = NULL;
}

/* True unless it was a thread that does not sleep yet, or any more: that one stays, since
 * it may find its condition taken by another and go to sleep after all. */
static inline bool
wake_one(struct waiter *w)
{
    if (w->wake)
        return w->wake(w);
    return thread_wake_from(w->thread, &w->link); /* W3 */
}

static __attribute__((noinline)) bool
wake_some(struct waitq *q, unsigned n)
{
    bool any = false;
    spin_lock(&q->lock);
    list_for_each_safe(it, &q->waiters) {
        struct waiter *w = container_of(it, struct waiter, link);
        bool exclusive = w->exclusive;
        if (exclusive && n == 0)
            break;
        if (!wake_one(w))
            continue;
        any = true;
        n -= exclusive;
    }
    spin_unlock(&q->lock);
    return any;
}

bool
wait_wake(struct waitq *q, unsigned n)
{
    /* the condition before the look at the queue (W1) */
    atomic_thread_fence(memory_order_seq_cst);
    return !list_empty(&q->waiters) && wake_some(q, n);
}

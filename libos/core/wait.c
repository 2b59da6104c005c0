/* SPDX-License-Identifier: MIT */
/* Wait queues: W1 and W2 in wait.h. */
#include "core/wait.h"

void
waitq_init(struct waitq *q)
{
    atomic_init(&q->lock.held, 0);
    list_init(&q->waiters);
}

void
wait_add(struct waitq *q, struct waiter *w)
{
    if (!w->thread)
        w->thread = thread_current();
    w->queue = q;
    spin_lock(&q->lock);
    if (w->exclusive)
        list_push_back(&q->waiters, &w->link); /* behind those that all wakes reach */
    else
        list_push_front(&q->waiters, &w->link);
    spin_unlock(&q->lock);
}

void
wait_remove(struct waiter *w)
{
    struct waitq *q = w->queue;
    if (!q)
        return;
    spin_lock(&q->lock);
    list_remove(&w->link);
    spin_unlock(&q->lock);
    w->queue = NULL;
}

void
wait_wake(struct waitq *q, unsigned n)
{
    /* the condition before the look at the queue (W1) */
    atomic_thread_fence(memory_order_seq_cst);
    if (list_empty(&q->waiters))
        return;
    spin_lock(&q->lock);
    list_for_each_safe(it, &q->waiters) {
        struct waiter *w = container_of(it, struct waiter, link);
        if (w->exclusive && n == 0)
            break;
        bool woke = true;
        if (w->wake)
            w->wake(w);
        else
            woke = thread_wake(w->thread, 0);
        if (w->exclusive && woke && n != ~0u)
            n--;
    }
    spin_unlock(&q->lock);
}

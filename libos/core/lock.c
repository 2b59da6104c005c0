/* SPDX-License-Identifier: MIT */
/* Locks: the slow paths. K1-K3 in lock.h; a mutex is handed from its owner to the waiter
 * that came first. */
#include "core/lock.h"

#include "core/log.h"
#include "core/machine.h"
#include "core/thread.h"

#define SPIN_ROUNDS 200u

void
spin_lock_slow(struct spinlock *l)
{
    for (;;) {
        for (unsigned i = 0; i < SPIN_ROUNDS; i++) {
            if (atomic_load_explicit(&l->held, memory_order_relaxed) == 0 && spin_try(l))
                return;
            machine_pause();
        }
        machine_yield(); /* K2: the holder's vCPU may have been preempted */
    }
}

struct mutex_waiter {
    struct list link;
    struct thread *thread;
};

void
mutex_init(struct mutex *m)
{
    atomic_init(&m->owner, 0);
    atomic_init(&m->guard.held, 0);
    list_init(&m->waiters);
}

static struct thread *
owner_of(const struct mutex *m)
{
    uintptr_t word = atomic_load_explicit(&m->owner, memory_order_relaxed);
    return (struct thread *)(word & ~(uintptr_t)MUTEX_WAITED);
}

/* With the guard held: the mutex is ours (true), or its owner knows that somebody
 * waits. */
static bool
take_or_mark(struct mutex *m, struct thread *t)
{
    uintptr_t word = atomic_load_explicit(&m->owner, memory_order_relaxed);
    for (;;) {
        if (word & MUTEX_WAITED)
            return false;
        uintptr_t to = word == 0 ? (uintptr_t)t : word | MUTEX_WAITED;
        if (atomic_compare_exchange_weak_explicit(&m->owner, &word, to,
                                                  memory_order_acquire,
                                                  memory_order_relaxed))
            return word == 0;
    }
}

__attribute__((noinline)) void
mutex_lock_slow(struct mutex *m)
{
    struct thread *t = thread_current();
    ASSERT(owner_of(m) != t);
    spin_lock(&m->guard);
    if (!take_or_mark(m, t)) {
        struct mutex_waiter w = { .thread = t };
        list_push_back(&m->waiters, &w.link);
        while (owner_of(m) != t) {
            thread_prepare(false);
            spin_unlock(&m->guard);
            thread_block(~0ull);
            spin_lock(&m->guard);
        }
    }
    spin_unlock(&m->guard);
}

__attribute__((noinline)) void
mutex_unlock_slow(struct mutex *m)
{
    spin_lock(&m->guard);
    ASSERT(owner_of(m) == thread_current() && !list_empty(&m->waiters));
    struct mutex_waiter *w = container_of(m->waiters.next, struct mutex_waiter, link);
    list_remove(&w->link);
    uintptr_t waited = list_empty(&m->waiters) ? 0 : MUTEX_WAITED;
    atomic_store_explicit(&m->owner, (uintptr_t)w->thread | waited,
                          memory_order_release);
    thread_wake(w->thread, 0); /* under the guard: w is on the sleeper's stack */
    spin_unlock(&m->guard);
}

bool
mutex_held(const struct mutex *m)
{
    return owner_of(m) == thread_current();
}

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
    atomic_init(&m->guard.held, 0);
    m->owner = NULL;
    list_init(&m->waiters);
}

bool
mutex_try(struct mutex *m)
{
    bool got = false;
    spin_lock(&m->guard);
    if (!m->owner) {
        m->owner = thread_current();
        got = true;
    }
    spin_unlock(&m->guard);
    return got;
}

void
mutex_lock(struct mutex *m)
{
    struct thread *t = thread_current();
    spin_lock(&m->guard);
    if (__builtin_expect(!m->owner, 1)) {
        m->owner = t;
        spin_unlock(&m->guard);
        return;
    }
    ASSERT(m->owner != t);
    struct mutex_waiter w = { .thread = t };
    list_push_back(&m->waiters, &w.link);
    while (m->owner != t) {
        thread_prepare(false);
        spin_unlock(&m->guard);
        thread_block(~0ull);
        spin_lock(&m->guard);
    }
    spin_unlock(&m->guard);
}

void
mutex_unlock(struct mutex *m)
{
    spin_lock(&m->guard);
    ASSERT(m->owner == thread_current());
    if (list_empty(&m->waiters)) {
        m->owner = NULL;
    } else {
        struct mutex_waiter *w = container_of(m->waiters.next, struct mutex_waiter, link);
        list_remove(&w->link);
        m->owner = w->thread;
        thread_wake(w->thread, 0); /* under the guard: w is on the sleeper's stack */
    }
    spin_unlock(&m->guard);
}

bool
mutex_held(const struct mutex *m)
{
    return __atomic_load_n(&m->owner, __ATOMIC_RELAXED) == thread_current();
}

/* SPDX-License-Identifier: MIT */
/* Locks: the slow paths. K1-K3 in lock.h. */
#include "core/lock.h"

#include "core/log.h"
#include "core/machine.h"
#include "core/thread.h"

#define SPIN_ROUNDS 200u
#define PATIENCE 2u

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

/* On the waiter's stack. */
struct mutex_waiter {
    struct list link;
    struct thread *thread;
    bool told;     /* [guard] woken, and did not look yet */
    bool given;    /* [guard] the mutex is its own, and it is out of the list */
    u32 came_late; /* how often it was told, and somebody else was faster */
};

void
mutex_init(struct mutex *m)
{
    atomic_init(&m->owner, 0);
    atomic_init(&m->guard.held, 0);
    list_init(&m->waiters);
}

static struct thread *
thread_of(uintptr_t word)
{
    return (struct thread *)(word & ~(uintptr_t)MUTEX_WAITED);
}

static struct thread *
owner_of(const struct mutex *m)
{
    return thread_of(atomic_load_explicit(&m->owner, memory_order_relaxed));
}

/* Told without a look at the thread, which may have ended. */
static bool
has_cpu(const struct thread *t)
{
    for (u32 i = 0; i < lcpu_count; i++)
        if (__atomic_load_n(&lcpus[i].current, __ATOMIC_RELAXED) == t)
            return true;
    return false;
}

/* While the owner is on another CPU, it is about to unlock.  True: the mutex is t's. */
static bool
spin_for(struct mutex *m, struct thread *t)
{
    for (unsigned i = 0; i < SPIN_ROUNDS; i++) {
        uintptr_t word = atomic_load_explicit(&m->owner, memory_order_relaxed);
        struct thread *owner = thread_of(word);
        if (owner == NULL) {
            if (atomic_compare_exchange_weak_explicit(&m->owner, &word,
                                                      (uintptr_t)t | word,
                                                      memory_order_acquire,
                                                      memory_order_relaxed))
                return true;
        } else if (owner == t || !has_cpu(owner)) {
            return false; /* it was given to t, or takes longer */
        }
        machine_pause();
    }
    return false;
}

/* With the guard held: the mutex is t's (true), or its owner knows that somebody
 * waits. */
static bool
take_or_mark(struct mutex *m, struct thread *t)
{
    uintptr_t word = atomic_load_explicit(&m->owner, memory_order_relaxed);
    for (;;) {
        struct thread *owner = thread_of(word);
        if (owner == t)
            return true; /* given */
        uintptr_t to = owner == NULL ? word | (uintptr_t)t : word | MUTEX_WAITED;
        if (to == word ||
            atomic_compare_exchange_weak_explicit(&m->owner, &word, to,
                                                  memory_order_acquire,
                                                  memory_order_relaxed))
            return owner == NULL;
    }
}

/* With the guard held, the mutex ours: the list is as it would be without w. */
static void
leave(struct mutex *m, struct mutex_waiter *w)
{
    if (!w->given)
        list_remove(&w->link);
    if (list_empty(&m->waiters))
        atomic_fetch_and_explicit(&m->owner, ~(uintptr_t)MUTEX_WAITED,
                                  memory_order_relaxed);
}

__attribute__((noinline)) void
mutex_lock_slow(struct mutex *m)
{
    struct thread *t = thread_current();
    ASSERT(owner_of(m) != t);
    if (spin_for(m, t))
        return;
    struct mutex_waiter w = { .thread = t };
    spin_lock(&m->guard);
    if (!take_or_mark(m, t)) {
        list_push_back(&m->waiters, &w.link);
        for (;;) {
            w.told = false;
            thread_prepare(false);
            spin_unlock(&m->guard);
            thread_block(~0ull);
            bool ours = spin_for(m, t);
            spin_lock(&m->guard);
            if (ours || take_or_mark(m, t))
                break;
            w.came_late++;
        }
        leave(m, &w);
    }
    spin_unlock(&m->guard);
}

/* Free, and who waits first is told, once; or handed over, if others were faster several
 * times. */
__attribute__((noinline)) void
mutex_unlock_slow(struct mutex *m)
{
    spin_lock(&m->guard);
    ASSERT(owner_of(m) == thread_current() && !list_empty(&m->waiters));
    struct mutex_waiter *w = container_of(m->waiters.next, struct mutex_waiter, link);
    uintptr_t next = 0;
    bool told = w->told;
    if (w->came_late >= PATIENCE) {
        list_remove(&w->link);
        w->given = true;
        next = (uintptr_t)w->thread;
    }
    w->told = true;
    if (!list_empty(&m->waiters))
        next |= MUTEX_WAITED;
    atomic_store_explicit(&m->owner, next, memory_order_release);
    if (!told || w->given)
        thread_wake(w->thread, 0); /* under the guard: w is on the sleeper's stack */
    spin_unlock(&m->guard);
}

bool
mutex_held(const struct mutex *m)
{
    return owner_of(m) == thread_current();
}

/* SPDX-License-Identifier: MIT */
/*
 * Locks. LibOS code runs with events masked, so nothing on the same vCPU interrupts a
 * holder.
 *
 * K1. A spinlock is held for a short, bounded time and never across a sleep.
 * K2. A waiter spins a bounded time with `pause`, then gives its slice away (fb_yield),
 *     so that a holder whose vCPU was
 *     preempted by force can go on.
 * K3. A mutex is held across sleeps; it is taken before any spinlock.
 * Order: mutexes (mm, inode, directory by address) before spinlocks; docs/locks.md has
 * the whole order.
 */
#ifndef LIBOS_CORE_LOCK_H
#define LIBOS_CORE_LOCK_H

#include "core/current.h"
#include "core/types.h"

struct spinlock {
    _Atomic u32 held;
};
#define SPINLOCK_INIT { 0 }
void spin_lock_slow(struct spinlock *l);
static inline void
spin_lock(struct spinlock *l)
{
    u32 free = 0;
    if (!atomic_compare_exchange_strong_explicit(&l->held, &free, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        spin_lock_slow(l);
}
static inline bool
spin_try(struct spinlock *l)
{
    u32 free = 0;
    return atomic_compare_exchange_strong_explicit(&l->held, &free, 1,
                                                   memory_order_acquire,
        memory_order_relaxed);
}
static inline void
spin_unlock(struct spinlock *l)
{
    atomic_store_explicit(&l->held, 0, memory_order_release);
}

/*
 * The owner's word is the owning thread; 0: free. MUTEX_WAITED is set in it while somebody
 * is in the list of waiters, and changes under the guard; so without waiters locking and
 * unlocking are one compare-and-swap each.
 *
 * A free mutex belongs to who comes first, whoever waits: handing it to a thread that is
 * still to get a CPU would make all others wait for that CPU. Who waits longest is told
 * when it becomes free; told twice and late twice, it is given the mutex (lock.c). So who
 * waits first waits for three owners and its own ways to a CPU at most. Who comes while
 * the owner is on another CPU spins a bounded time before it waits. Proved with
 * proofs/sleep.pml: no wake-up is lost.
 */
#define MUTEX_WAITED 1u
struct mutex {
    _Atomic(uintptr_t) owner;
    struct spinlock guard;
    struct list waiters; /* [guard] */
};
#define MUTEX_INIT(m) { 0, SPINLOCK_INIT, LIST_INIT((m).waiters) }
void mutex_init(struct mutex *m);
void mutex_lock_slow(struct mutex *m);
void mutex_unlock_slow(struct mutex *m);
static inline bool
mutex_try(struct mutex *m)
{
    uintptr_t free = 0;
    return atomic_compare_exchange_strong_explicit(&m->owner, &free,
                                                   (uintptr_t)thread_current(),
                                                   memory_order_acquire,
                                                   memory_order_relaxed);
}
static inline void
mutex_lock(struct mutex *m)
{
    if (__builtin_expect(!mutex_try(m), 0))
        mutex_lock_slow(m);
}
static inline void
mutex_unlock(struct mutex *m)
{
    uintptr_t self = (uintptr_t)thread_current();
    if (__builtin_expect(
            !atomic_compare_exchange_strong_explicit(&m->owner, &self, 0,
                                                     memory_order_release,
                                                     memory_order_relaxed), 0))
        mutex_unlock_slow(m);
}
bool mutex_held(const struct mutex *m); /* by the current thread; for asserts */

#endif

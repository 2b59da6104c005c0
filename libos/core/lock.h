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

struct thread;
struct mutex {
    struct spinlock guard;
    struct thread *owner;  /* NULL: free */
    struct list waiters;
};
#define MUTEX_INIT(m) { SPINLOCK_INIT, NULL, LIST_INIT((m).waiters) }
void mutex_init(struct mutex *m);
void mutex_lock(struct mutex *m);
bool mutex_try(struct mutex *m);
void mutex_unlock(struct mutex *m);
bool mutex_held(const struct mutex *m); /* by the current thread; for asserts */

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A timer on the monotonic or on the wall clock. One on the wall clock is armed again
 * when the clock is set, so that it fires when that clock shows its time.
 *
 * V1. `armed` is true from clock_timer_arm to the fire or the stop; only then does a
 *     change of the clock touch the timer.
 * V2. The owner calls arm and stop one at a time (under a lock of its own, which `fire`
 *     may take as well). `fire` may come once more after a stop or an arm that it ran
 *     beside: the owner compares its own time. Only clock_timer_end waits for it.
 * Locking: clock_changed, then clock_timer.lock, then a vCPU's timers.
 */
#ifndef LIBOS_TIME_CLOCK_TIMER_H
#define LIBOS_TIME_CLOCK_TIMER_H

#include "core/clock.h"
#include "core/wait.h"

struct clock_timer {
    struct timer timer;
    struct waiter watch;    /* in clock_changed while it may have to be moved */
    struct spinlock lock;
    bool armed, real;       /* lock */
    u64 expires_ns;         /* lock; on its clock */
    void (*fire)(struct clock_timer *t); /* as timer.fire */
};

/* Times beyond this are never reached. */
#define CLOCK_TIMER_MAX_NS (~0ull - 1)

void clock_timer_init(struct clock_timer *t, void (*fire)(struct clock_timer *t));
/* Fire when the clock shows expires_ns. O(log n). */
void clock_timer_arm(struct clock_timer *t, bool real, u64 expires_ns);
/* V2; does not wait. */
void clock_timer_stop(struct clock_timer *t);
/* Stop, and wait until `fire` does not run: no lock that it takes may be held. */
void clock_timer_end(struct clock_timer *t);

/* What the clock shows. */
static inline u64
clock_timer_now(bool real)
{
    return real ? clock_real_ns() : clock_mono_ns();
}

/* A periodic time `*next` that has come by `now`: moves it to the first one after `now`
 * and returns how many it passed. interval_ns is not 0, *next <= now. */
static inline u64
clock_timer_forward(u64 *next, u64 interval_ns, u64 now)
{
    u64 n = (now - *next) / interval_ns + 1;
    if (__builtin_add_overflow(*next, n * interval_ns, next) ||
        *next > CLOCK_TIMER_MAX_NS)
        *next = CLOCK_TIMER_MAX_NS;
    return n;
}

#endif

/* SPDX-License-Identifier: MIT */
/* Timers on a clock that may be set: time/clock_timer.h has the invariants. */
#include "time/clock_timer.h"

/* The monotonic time at which the wall clock shows real_ns, as it goes now. */
static u64
mono_of_real(u64 real_ns)
{
    u64 now = clock_real_ns();
    u64 left = real_ns > now ? real_ns - now : 0, at;
    if (__builtin_add_overflow(clock_mono_ns(), left, &at) || at > CLOCK_TIMER_MAX_NS)
        at = CLOCK_TIMER_MAX_NS;
    return at;
}

/* lock is held. */
static void
arm_locked(struct clock_timer *t)
{
    timer_arm(&t->timer, t->real ? mono_of_real(t->expires_ns) : t->expires_ns);
}

static void
timer_fired(struct timer *timer)
{
    struct clock_timer *t = container_of(timer, struct clock_timer, timer);
    spin_lock(&t->lock);
    bool due = t->armed;
    if (due && clock_timer_now(t->real) < t->expires_ns) {
        arm_locked(t); /* the clock was set back, and its waker has yet to come here */
        due = false;
    }
    if (due)
        t->armed = false;
    spin_unlock(&t->lock);
    if (due)
        t->fire(t);
}

static bool
clock_was_set(struct waiter *w)
{
    struct clock_timer *t = container_of(w, struct clock_timer, watch);
    spin_lock(&t->lock);
    if (t->armed)
        arm_locked(t);
    spin_unlock(&t->lock);
    return true;
}

void
clock_timer_init(struct clock_timer *t, void (*fire)(struct clock_timer *t))
{
    *t = (struct clock_timer){ .fire = fire };
    timer_init(&t->timer, timer_fired);
}

void
clock_timer_arm(struct clock_timer *t, bool real, u64 expires_ns)
{
    if (real && t->watch.queue == NULL) {
        t->watch.wake = clock_was_set;
        wait_add(&clock_changed, &t->watch); /* before the clock is looked at */
    } else if (!real && t->watch.queue != NULL) {
        wait_remove(&t->watch);
    }
    spin_lock(&t->lock);
    t->armed = true;
    t->real = real;
    t->expires_ns = expires_ns;
    arm_locked(t);
    spin_unlock(&t->lock);
}

void
clock_timer_stop(struct clock_timer *t)
{
    spin_lock(&t->lock);
    t->armed = false;
    spin_unlock(&t->lock);
}

void
clock_timer_end(struct clock_timer *t)
{
    wait_remove(&t->watch);
    clock_timer_stop(t);
    timer_end(&t->timer);
}

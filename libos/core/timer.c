/* SPDX-License-Identifier: MIT */
/*
 * Timers: a tree for each vCPU, and the kernel's one timer armed for the first of them or
 * the end of a slice.
 *
 * I1. deadline_ns != 0 exactly while the timer is in the tree of t->cpu (that tree's
 *     lock).
 * I2. The kernel's timer is armed for no later than the first timer, or the vCPU idles
 *     and waits with that deadline.
 *     It may be armed for earlier: what fires early finds nothing due, and arms again.
 */
#include <abi/layout.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/sched.h"

static struct timers all_timers[FB_CPUS_MAX];

static int
timer_compare(const struct tree_node *a, const struct tree_node *b)
{
    u64 x = container_of(a, struct timer, node)->deadline_ns;
    u64 y = container_of(b, struct timer, node)->deadline_ns;
    return x < y ? -1 : x > y;
}

void
timers_init(struct lcpu *c)
{
    c->timers = &all_timers[c->id];
    tree_init(&c->timers->tree, timer_compare);
    c->timer_tsc = FB_FOREVER;
}

static struct timer *
first_timer(struct timers *ts)
{
    struct tree_node *n = tree_first(&ts->tree);
    return n ? container_of(n, struct timer, node) : NULL;
}

u64
timers_next_tsc(struct lcpu *c)
{
    struct timers *ts = c->timers;
    if (tree_empty(&ts->tree))
        return FB_FOREVER;
    spin_lock(&ts->lock);
    struct timer *t = first_timer(ts);
    u64 deadline = t ? t->deadline_ns : 0;
    spin_unlock(&ts->lock);
    return t ? clock_ns_to_tsc(deadline) : FB_FOREVER;
}

void
timers_program(struct lcpu *c, u64 slice_end_tsc)
{
    timers_slice(c, MIN(MIN(timers_next_tsc(c), slice_end_tsc), c->tick_tsc));
}

void
timers_slice(struct lcpu *c, u64 slice_end_tsc)
{
    if (slice_end_tsc < c->timer_tsc) {
        c->timer_tsc = slice_end_tsc;
        machine_timer(slice_end_tsc);
    }
}

void
timer_init(struct timer *t, void (*fire)(struct timer *t))
{
    *t = (struct timer){ .fire = fire };
}

/* Take it out wherever it is; true: it was armed. */
static bool
timer_take_out(struct timer *t)
{
    for (;;) {
        struct lcpu *c = __atomic_load_n(&t->cpu, __ATOMIC_RELAXED);
        if (!c)
            return false;
        spin_lock(&c->timers->lock);
        bool armed = false;
        bool same = c == __atomic_load_n(&t->cpu, __ATOMIC_RELAXED);
        if (same && t->deadline_ns != 0) {
            tree_remove(&c->timers->tree, &t->node);
            t->deadline_ns = 0;
            armed = true;
        }
        spin_unlock(&c->timers->lock);
        if (same)
            return armed;
    }
}

void
timer_arm(struct timer *t, u64 deadline_ns)
{
    timer_take_out(t);
    struct lcpu *c = lcpu_current();
    struct timers *ts = c->timers;
    spin_lock(&ts->lock);
    __atomic_store_n(&t->cpu, c, __ATOMIC_RELAXED);
    t->deadline_ns = deadline_ns ? deadline_ns : 1;
    tree_insert_equal(&ts->tree, &t->node);
    bool first = first_timer(ts) == t;
    spin_unlock(&ts->lock);
    if (first && c->current != c->idle)
        timers_program(c, FB_FOREVER);
}

bool
timer_disarm(struct timer *t)
{
    if (timer_take_out(t))
        return true;
    struct lcpu *c = __atomic_load_n(&t->cpu, __ATOMIC_RELAXED);
    if (!c || c == lcpu_current())
        return false; /* it does not run here, or it is fire itself that asks */
    while (__atomic_load_n(&c->timers->running, __ATOMIC_ACQUIRE) == t)
        machine_pause();
    return false;
}

void
timer_end(struct timer *t)
{
    (void)timer_take_out(t);
    for (u32 i = 0; i < lcpu_count; i++) {
        struct lcpu *c = &lcpus[i];
        if (c == lcpu_current() || c->timers == NULL)
            continue;
        while (__atomic_load_n(&c->timers->running, __ATOMIC_ACQUIRE) == t)
            machine_pause();
    }
}

void
timers_run(struct lcpu *c)
{
    struct timers *ts = c->timers;
    if (tree_empty(&ts->tree))
        return;
    u64 now = clock_mono_ns();
    spin_lock(&ts->lock);
    for (;;) {
        struct timer *t = first_timer(ts);
        if (!t || t->deadline_ns > now)
            break;
        tree_remove(&ts->tree, &t->node);
        t->deadline_ns = 0;
        __atomic_store_n(&ts->running, t, __ATOMIC_RELEASE);
        spin_unlock(&ts->lock);
        t->fire(t);
        spin_lock(&ts->lock);
        __atomic_store_n(&ts->running, NULL, __ATOMIC_RELEASE);
    }
    spin_unlock(&ts->lock);
}

/* SPDX-License-Identifier: MIT */
/* Time: monotonic nanoseconds since boot from the TSC and the record, wall clock, and
 * timers. */
#ifndef LIBOS_CORE_CLOCK_H
#define LIBOS_CORE_CLOCK_H

#include "core/lock.h"
#include "core/tree.h"
#include "core/types.h"

struct lcpu;
struct waitq;

u64 clock_mono_ns(void);
u64 clock_real_ns(void);            /* Unix time */
/* Those who stand in clock_changed are woken after it, and after clock_real_shown. */
void clock_real_set(u64 unix_ns);
/* time sets it: who shows the clock to programs; one call at a time, under a spinlock. */
extern void (*clock_real_shown)(void);
/* Who must know that the wall clock was set; a `wake` of a waiter may take no lock but
 * those of timers and of wait queues. */
extern struct waitq clock_changed;
/* How often it was set. */
u64 clock_real_sets(void);
u64 clock_real_offset_ns(void);     /* real minus mono */
/* The first TSC value at which clock_mono_ns() >= mono_ns: a deadline for the kernel;
 * saturates. */
u64 clock_ns_to_tsc(u64 mono_ns);
u64 clock_tsc(void);
u64 clock_ticks_to_ns(u64 ticks);   /* a difference */
u64 clock_ns_to_ticks(u64 ns);      /* the least that is so long; saturates */

/* A timer calls fire on some vCPU, in LibOS context with no locks held, at or after the
 * deadline; fire must not sleep. */
struct timer {
    struct tree_node node; /* in the tree of its vCPU */
    u64 deadline_ns;       /* 0: not armed */
    void (*fire)(struct timer *t);
    struct lcpu *cpu;      /* whose tree it is in, or was in last */
};
void timer_init(struct timer *t, void (*fire)(struct timer *t));
void timer_arm(struct timer *t, u64 deadline_ns); /* re-arms; O(log n) */
/* true: it was armed and will not fire; after false it is not running any more */
bool timer_disarm(struct timer *t);
/* Before its memory goes, when `fire` may have armed it again from where it still runs:
 * it is not armed, and runs nowhere. Nobody arms it any more; not from `fire` itself. */
void timer_end(struct timer *t);

/* For core: one for each vCPU. */
struct timers {
    struct spinlock lock;
    struct tree tree;
    struct timer *running; /* [lock] */
};
void timers_init(struct lcpu *c);
void timers_run(struct lcpu *c);         /* fire what is due; c is the current one */
u64 timers_next_tsc(struct lcpu *c);     /* deadline of the first; FB_FOREVER */
/* Arm the kernel's timer for the first timer or the end of the slice, unless it is armed
 * for no later already. */
void timers_program(struct lcpu *c, u64 slice_end_tsc);
/* For a vCPU that does not idle, whose timer is armed for the rest already. */
void timers_slice(struct lcpu *c, u64 slice_end_tsc);
void clock_init(void);

#endif

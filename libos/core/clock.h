/* SPDX-License-Identifier: MIT */
/* Time: monotonic nanoseconds since boot from the TSC and the record, wall clock, and timers. */
#ifndef LIBOS_CORE_CLOCK_H
#define LIBOS_CORE_CLOCK_H

#include "core/types.h"

u64 clock_mono_ns(void);
u64 clock_real_ns(void);            /* Unix time */
void clock_real_set(u64 unix_ns);
u64 clock_ns_to_tsc(u64 mono_ns);   /* deadline for the kernel; saturates */
u64 clock_tsc(void);
u64 clock_ticks_to_ns(u64 ticks);   /* a difference */

/* A timer calls fire on some vCPU, in LibOS context with no locks held, at or after the deadline. */
struct timer {
    u64 deadline_ns; /* 0: not armed */
    void (*fire)(struct timer *t);
    u32 index;       /* in the heap of its vCPU */
    struct lcpu *cpu;
};
void timer_init(struct timer *t, void (*fire)(struct timer *t));
void timer_arm(struct timer *t, u64 deadline_ns); /* re-arms; O(log n) */
bool timer_disarm(struct timer *t);               /* true: it was armed and will not fire; after false it is not running any more */

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Where the processors' time goes: user, system and idle time of threads and of vCPUs,
 * switches, and the load.
 *
 * A1. A thread's CPU time is exact: sched.runtime, charged at each switch.
 * A2. Whether that was the user's or the system's is sampled: a tick comes every
 *     TICK_NS of a vCPU's busy time, and what the thread has run since its last sample
 *     counts as what the tick met. System calls, faults and switches pay nothing for it.
 * A3. A vCPU that idles has no tick; what was left to the next one is kept till it is
 *     busy again, so that who runs for less than a tick at a time is sampled as well.
 * Ticks here are TSC ticks (clock_ticks_to_ns).
 */
#ifndef LIBOS_CORE_ACCOUNT_H
#define LIBOS_CORE_ACCOUNT_H

#include "core/thread.h"

#define TICK_NS 4000000ull

struct account_cpu {
    u64 user, nice, system, idle; /* TSC ticks; none goes back from call to call */
    u64 switches;
};
void account_init(void);
/* What vCPU `id` has done since the start. */
void account_cpu(u32 id, struct account_cpu *out);
/* Averages of the running threads over 1, 5 and 15 minutes, in 1/65536. */
#define ACCOUNT_LOAD_SHIFT 16
void account_load(u64 out[3]);
u32 account_running(void); /* threads that run or could */

/* ---- for core ---- */
/* The timer came to vCPU c, whose current thread is no idle one. user: it interrupted the
 * user's code. */
void account_tick(struct lcpu *c, bool user);
/* The vCPU begins to idle, or ends it, at this TSC. Its queue's lock is held. */
void account_idle_begins(struct lcpu *c, u64 now);
void account_idle_ends(struct lcpu *c, u64 now);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A real-time LibOS: periodic threads on one vCPU, earliest deadline first, and nothing
 * else: no file system, no user programs, no address spaces but its own.
 *
 * T1. A thread runs in the LibOS view with events unmasked.  What interrupts it stores
 *     its registers in the save area EVENT, from where they go into the thread; so a
 *     thread that was interrupted and one that called look alike, and `resume` of the
 *     area starts either.
 * T2. The scheduler runs with events masked on its own stack, of which nothing is kept:
 *     each upcall and each rt_leave begins it at the top.
 * T3. Of the threads that are released, the one with the earliest deadline runs (Liu and
 *     Layland, 1973): no deadline is missed as long as the time that the threads ask for
 *     fits into what the slice vector gives, between any two moments.
 * T4. At FB_EVENT_SLICE it yields at once: a LibOS with its own deadlines does not live
 *     on other people's time.
 * T5. The steward's order to end is followed at once, and without a report: what it would
 *     say of the time until then nobody asked for.
 */
#ifndef SDK_EXAMPLES_RT_H
#define SDK_EXAMPLES_RT_H

#include <sdk/instance.h>
#include <sdk/sdk.h>

#define RT_THREADS 8u
#define RT_STACK   8192u

/* What a thread saw of itself, in TSC ticks. */
struct rt_stats {
    u64 jobs, missed;
    u64 start_min, start_max, start_sum; /* from release to first instruction */
    u64 response_min, response_max;      /* from release to the end of the job */
};
struct rt_thread {
    struct fb_regs regs; /* while it does not run */
    u64 period, work;    /* ticks; rounds of rt_burn for each job */
    u64 release, deadline;
    bool released, started;
    struct rt_stats stats;
    u8 *stack;
};

/* ---- rt.c ---- */
/* Make a thread that is released every `period` ticks from `first` on, with the end of
 * its period as deadline.  NULL: there are RT_THREADS. */
struct rt_thread *rt_spawn(void (*body)(struct rt_thread *), u64 first, u64 period);
/* The running thread's job is done: sleep until it is released again. */
void rt_next_period(void);
/* Run the threads, until `end`. */
__attribute__((noreturn)) void rt_run(u64 end, void (*at_end)(void));
/* T5: end, if the steward has given that order; for who fetched events by itself. */
void rt_obey(void);
static inline u64
rt_now(void)
{
    return __builtin_ia32_rdtsc();
}
void rt_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- start.S ---- */
void rt_leave(struct fb_regs *regs);
void rt_burn(u64 rounds);
__attribute__((visibility("hidden"))) void upcall_entry(void);
extern __attribute__((visibility("hidden"))) u8 scheduler_stack_top[];

#define RT_INFO   ((const struct instance_info *)INSTANCE_INFO_VA)
#define RT_RECORD ((const struct fb_record *)WINDOW_RECORD)
#define RT_CB     ((struct fb_cb *)WINDOW_CB)
#define RT_BUFFER ((u8 *)(WINDOW_CB + PAGE))

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Timers that send signals (POSIX.1-2024, timer_create), a table of them for each
 * process.
 *
 * J1. At most one signal of a timer is pending. It goes to the queue with its
 *     information, whatever else is pending, and holds a reference on the timer; the
 *     timer is armed again when the signal is taken or dropped, and the periods that
 *     passed meanwhile are its overrun. So a short period costs no more than its
 *     receiver takes.
 * J2. A timer that has left the table is `ended`: it neither fires nor is armed again.
 * J3. The table goes with the program: exec and the end of the process empty it.
 * J4. A timer of CPU time reckons with what was sampled: that is never more than the clock
 *     shows, so it is not early (proc/cpu_timer.h, T2).
 * Locking: process->lock, then posix_timer.lock, then clock_changed or a watch's lock. timer_table.lock
 * is taken alone, or before posix_timer.lock.
 */
#ifndef LIBOS_SIGNAL_TIMER_H
#define LIBOS_SIGNAL_TIMER_H

#include "core/types.h"

#include "proc/cpu_timer.h"

struct process;
struct signal_info;
struct posix_timer;

enum timer_notify { TIMER_SIGNAL, TIMER_NONE, TIMER_THREAD };
struct timer_plan {
    bool real_clock;     /* the wall clock, else the monotonic one, unless: */
    struct cpu_watch *watch; /* a clock of CPU time: a reference, which the timer takes */
    enum cpu_time time;
    enum timer_notify notify;
    i32 number, tid;     /* signal; TIMER_THREAD: to whom */
    u64 value;
    bool value_is_id;    /* the timer's number is the value */
};
struct timer_time {
    u64 value_ns, interval_ns;
};

/* The new timer's number; -E_AGAIN: RLIMIT_SIGPENDING; -E_NOMEM. */
i32 posix_timer_create(struct process *p, const struct timer_plan *plan) MUST_CHECK;
/* absolute: value_ns is a time of its clock. value_ns 0 disarms. old may be NULL.
 * -E_INVAL: no such timer; -E_SRCH: what its clock was of has ended. */
int posix_timer_set(struct process *p, i32 id, bool absolute,
                    const struct timer_time *set, struct timer_time *old) MUST_CHECK;
int posix_timer_get(struct process *p, i32 id, struct timer_time *out) MUST_CHECK;
i32 posix_timer_overrun(struct process *p, i32 id) MUST_CHECK;
int posix_timer_delete(struct process *p, i32 id) MUST_CHECK;
/* J3. */
void posix_timers_end(struct process *p);

/* For queue.c: a signal with info->timer leaves the queue (J1). process->lock is held. */
void posix_timer_signal_gone(struct signal_info *info);

#endif

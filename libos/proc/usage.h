/* SPDX-License-Identifier: MIT */
/*
 * What processes and threads have used: time, faults, switches. Times are TSC ticks.
 *
 * U1. user + system is exactly the time on CPUs (core/account.h, A1); how it is split
 *     follows the samples, and neither part ever goes back (split_time, usage.c).
 * U2. What an ended thread used is in process->ended; what waited-for children used, with
 *     theirs, in process->children_usage.
 */
#ifndef LIBOS_PROC_USAGE_H
#define LIBOS_PROC_USAGE_H

#include "core/types.h"

struct process;
struct thread;
struct mm;
struct proc_usage {
    u64 user, system;
    u64 minor_faults, major_faults;
    u64 voluntary, involuntary; /* switches */
    u64 max_pages;              /* the most that were resident at once */
    u64 blocks_in, blocks_out;  /* 512 bytes each */
};
/* Of a process that lives or is a zombie, without its children. Takes its lock; O(threads). */
void usage_of_process(struct process *p, struct proc_usage *out);
/* Of children that were waited for, and theirs. Takes family_lock. */
void usage_of_children(struct process *p, struct proc_usage *out);
/* Takes the lock of t's process; t must not be able to end meanwhile (R5), or be current. */
void usage_of_thread(struct thread *t, struct proc_usage *out);
void usage_of_thread_locked(struct thread *t, struct proc_usage *out);
void usage_sum(struct proc_usage *to, const struct proc_usage *more);
/* CPU time alone, exactly: ticks. */
u64 usage_time_of_process(struct process *p);

/*
 * Timers and limits by CPU time of the process; they act at samples, so up to a tick late.
 */
enum usage_timer { USAGE_VIRTUAL, USAGE_PROFILE, USAGE_TIMERS };
/* Arm (value 0: disarm) the timer that sends SIGVTALRM or SIGPROF; ns of the process's
 * user time, or of user and system time. The old values, rounded up, in *left and
 * *interval. -E_NOMEM */
int usage_timer_set(struct process *p, enum usage_timer which, u64 value_ns,
                    u64 interval_ns, u64 *left_ns, u64 *old_interval_ns) MUST_CHECK;
void usage_timer_get(struct process *p, enum usage_timer which, u64 *left_ns,
                     u64 *interval_ns);
/* The limit of CPU seconds changed, or the process inherited one. */
void usage_limit_changed(struct process *p);

/* ---- for this room ---- */
/* The thread leaves; process->lock is held. */
void usage_thread_ends_locked(struct process *p, struct thread *t);
/* The process gives its memory up: exit, exec. */
void usage_memory_goes(struct process *p, struct mm *mm);
void usage_timers_free(struct process *p); /* with the process */
void usage_init(void);

#endif

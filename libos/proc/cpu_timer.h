/* SPDX-License-Identifier: MIT */
/*
 * Timers on the CPU time of a process or a thread.
 *
 * T1. A process or thread on whose time a timer was ever made has a watch: the timers that are
 *     armed, in order. It is there until it ends; who has none pays nothing.
 * T2. A watch looks at its timers when its owner is sampled (core/account.h), so a timer fires
 *     up to a tick late, as time of other threads of a process that was not sampled yet counts
 *     then. It never fires before the clock shows its time.
 * T3. A watch that is `ended` has no timers and gets none; its last times stay.
 * T4. `due` is called under the watch's lock, when the timer was taken out: it says whether
 *     `fire` is to be called when the lock is free, and makes sure that the timer is there then.
 * Locks: process->lock, then those of who owns a timer, then watch->lock, a leaf (but for the
 * scheduler's, in `due`). Costs: O(log n) to arm; at a tick O(1) unless something is due.
 */
#ifndef LIBOS_PROC_CPU_TIMER_H
#define LIBOS_PROC_CPU_TIMER_H

#include "core/lock.h"
#include "core/tree.h"
#include "core/types.h"

struct process;
struct thread;
struct proc_handle;

enum cpu_time { CPU_TIME_USER, CPU_TIME_ALL, CPU_TIMES };
struct cpu_watch {
    _Atomic u32 refs;
    struct spinlock lock;
    struct proc_handle *process;       /* constant, a reference: its owner, or the owner's */
    i32 tid;                           /* constant; 0: of the process */
    bool ended;                        /* lock */
    struct tree timers[CPU_TIMES];     /* lock */
    _Atomic u64 first_ns[CPU_TIMES];   /* lock, but read without; ~0: none */
    _Atomic u64 sampled_ns[CPU_TIMES]; /* what the last sample said */
};
struct cpu_timer {
    struct tree_node node;             /* watch->lock, as all below */
    struct cpu_watch *watch;           /* constant, a reference; NULL: it is no such timer */
    enum cpu_time time;                /* constant */
    bool armed;
    u64 expires_ns;
    bool (*due)(struct cpu_timer *t);  /* T4 */
    void (*fire)(struct cpu_timer *t, u64 now_ns);
};

/* The watch of a process, or of a thread of the current one (tid), with a reference; made if
 * need be. -E_INVAL: there is no such thread; -E_NOMEM */
int cpu_watch_of_process(struct process *p, struct cpu_watch **out) MUST_CHECK;
int cpu_watch_of_thread(i32 tid, struct cpu_watch **out) MUST_CHECK;
void cpu_watch_hold(struct cpu_watch *w);
void cpu_watch_put(struct cpu_watch *w);
/* What the clock shows now, exactly as far as it is known. Takes the process's lock. -E_SRCH:
 * its owner is no more. */
int cpu_watch_read(struct cpu_watch *w, enum cpu_time time, u64 *ns) MUST_CHECK;
/* What it showed at the last sample: never more. */
static inline u64
cpu_watch_sampled(const struct cpu_watch *w, enum cpu_time time)
{
    return atomic_load_explicit(&w->sampled_ns[time], memory_order_relaxed);
}

/* Fire when the clock shows this. False: T3. */
bool cpu_timer_arm(struct cpu_timer *t, u64 expires_ns);
void cpu_timer_stop(struct cpu_timer *t);

/* ---- for this room ---- */
/* A sample of t was counted. No lock is held. */
void cpu_watch_tick(struct thread *t);
/* The thread leaves; process->lock is held. */
void cpu_watch_thread_ends(struct thread *t);
/* The process is freed. */
void cpu_watch_process_ends(struct process *p);

#endif

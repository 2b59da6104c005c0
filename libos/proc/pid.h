/* SPDX-License-Identifier: MIT */
/*
 * Numbers of processes, threads, groups and sessions: one space of numbers, given out in
 * a cycle.
 *
 * P1. A number is free when nothing uses it; each of process, thread, group and session
 *     that bears it is one use.
 * P2. slot->process, ->thread, ->group are NULL or point at something alive, under
 *     pid_lock.
 * Locking: pid_lock is a leaf: nothing is taken under it. Costs: look-up two loads;
 * allocation one word of a bitmap, as a rule.
 */
#ifndef LIBOS_PROC_PID_H
#define LIBOS_PROC_PID_H

#include "core/lock.h"
#include "core/types.h"

#define PID_MAX 32768 /* numbers are 1..PID_MAX-1, as Linux's default */

struct process;
struct thread;
struct pgroup;
struct pid_slot {
    struct process *process;
    struct thread *thread;
    struct pgroup *group;
    u32 uses;
};
extern struct spinlock pid_lock;

i32 pid_alloc(void);     /* one use, the caller's; -E_AGAIN: none is free; -E_NOMEM */
/* The same with a chosen number of 1..PID_MAX-1. -E_EXIST: it is in use; -E_NOMEM */
i32 pid_alloc_chosen(i32 pid);
void pid_hold(i32 pid);  /* one use more of a number in use */
void pid_drop(i32 pid);
/* The slot of a number, NULL if it was never given out. pid_lock is held, except for
 * one's own number. */
struct pid_slot *pid_slot_locked(i32 pid);
void pid_set_process(i32 pid, struct process *p);
void pid_set_thread(i32 pid, struct thread *t);
void pid_set_group(i32 pid, struct pgroup *g);
i32 pid_next_used(i32 after); /* the first number in use after this one, 0: none */
u64 pid_in_use(void);
i32 pid_last(void); /* the number given out last */

#endif

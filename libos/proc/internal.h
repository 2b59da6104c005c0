/* SPDX-License-Identifier: MIT */
/* What the files of this room share. */
#ifndef LIBOS_PROC_INTERNAL_H
#define LIBOS_PROC_INTERNAL_H

#include "proc/cpu_timer.h"
#include "proc/cred.h"
#include "proc/pid.h"
#include "proc/proc.h"
#include "proc/session.h"

#define EXEC_SCRIPT_DEPTH 5

/* A process with a number (0: any), in no table, family or group yet; nothing inherited.
 * NULL and *error on failure. */
struct process *process_new(i32 number, int *error); /* its limits are to be set */
void process_limits_default(struct process *p);
/* Undo process_new (and what was put into it) before it was ever visible. */
void process_discard(struct process *p);
/* Make it visible: table, parent's children, group.  family_lock is held. */
void process_publish_locked(struct process *p, struct process *parent, struct pgroup *g);
/* The end of a zombie: out of table, family and group. family_lock is held; *empty for
 * pgroup_free after it. */
void process_bury_locked(struct process *p, struct pgroup **empty);
/* Tell who waits that a vfork child has let go of the memory. */
void process_vfork_done(struct process *p);
/* End all threads but the current one: 0, or -E_INTR when the process is ending, -E_AGAIN
 * if another thread does the same. */
int process_end_others(struct process *p) MUST_CHECK;
/* The thread is about to lose its memory: by its end, or by exec. May sleep. */
void process_leave_memory(struct thread *t, bool end);
#define LIMIT_NPROC 6u /* its place in process.limits */

/* May the process have one more child or thread?  -E_AGAIN: RLIMIT_NPROC of its user, or
 * as many threads as the memory is for. */
int process_may_grow(const struct process *parent) MUST_CHECK;
void process_count_thread(void);
/* user.c */
u64 user_tasks(u32 uid);
void user_charge(u32 uid, i64 tasks); /* may be negative */
/* A new thread enters the process: -E_INTR when it is ending. */
int process_add_thread(struct process *p, struct thread *t) MUST_CHECK;
int process_add_thread_locked(struct process *p, struct thread *t) MUST_CHECK;
/* party.c; p->lock is held */
void process_party_enter_locked(struct process *p, struct thread *t);
void process_remove_thread_locked(struct process *p, struct thread *t);
/* exec for the first process, which has no thread yet: on success *out is its thread, not
 * started. */
struct exec_args;
int process_first_program(struct process *p, const char *path, const struct exec_args *args,
                          struct thread **out) MUST_CHECK;
/* usage.c: p->lock is held; is there anything to look at with each sample? */
void usage_watch_locked(struct process *p);

#endif

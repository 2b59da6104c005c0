/* SPDX-License-Identifier: MIT */
/*
 * Tracing (ptrace(2)): a process, the tracer, sees the signals of another's thread before
 * they act, and changes its registers and memory while it is stopped for that.
 *
 * Y1. A traced thread has a struct trace, and the tracer a list of them; both hold a
 *     reference. All of it changes under family_lock.
 * Y2. A traced thread stops in trace_stop alone, on its way to the user, and goes on when
 *     the tracer says so, when the tracer has gone, or when it is to end.
 * Y3. It leaves a copy of its registers in the struct when it stops, and takes what became
 *     of them when it goes on: the tracer never touches its stack, which may be gone.
 * Y4. A report is told by wait once, before those of children; the last is that of the end.
 * Y5. While some thread is to stop at its calls, trace_calls_hook has told posix, which then
 *     asks trace_call before each call of any thread; else calls cost nothing more.
 * Y6. Who is traced gains no rights by exec that the tracer has not (trace_restricts).
 * Y7. Threads of a tracer ask one after the other, and see under `asking` whether it is
 *     still stopped: what it takes when it goes on is whole.  Killed, it takes nothing.
 * Locks: trace->asking (mutex; user memory under it), family_lock, then process->lock. Costs: nothing for who is not traced but one
 * look at thread->trace for each signal that is taken; O(tracees) for a tracer's wait.
 */
#ifndef LIBOS_PROC_TRACE_H
#define LIBOS_PROC_TRACE_H

#include "core/lock.h"
#include "proc/proc.h"
#include "signal/signal.h"

#define TRACE_CALLS_MARKED 0x1u  /* options, as programs write them */
#define TRACE_EXEC 0x10u
#define TRACE_EXIT_KILL 0x100000u
#define TRACE_EVENT_EXEC 4
#define TRACE_EVENT_STOP 128

struct trace {
    struct list link;         /* tracer->tracees; alone: detached */
    _Atomic u32 refs;
    struct process *tracer;   /* NULL: detached */
    struct thread *thread;    /* NULL: it has ended */
    struct process *process;  /* [I] the thread's: a reference */
    i32 tid;
    bool seized, stopped, ended;
    bool stepping;            /* the thread's own: TF is set by us */
    u32 options;
    i32 report;               /* a wait status that was not told yet; 0: none */
    i32 event;                /* to be told at the next chance; 0: none */
    struct mutex asking;      /* whoever asks something of it while it is stopped (Y7) */
    /* While it is stopped (Y3): */
    struct user_frame regs;
    u64 fs_base, gs_base, mask;
    void *fpu;                /* [I] a page; as thread->fpu */
    struct signal_info info;
    i32 signal;               /* that it was about to take, and takes when it goes on */
    bool step;                /* one instruction at a time */
    bool calls, in_call;      /* it stops at its calls; it is in one, or about to be */
    bool changed;             /* registers were */
    bool fpu_changed;
    u64 message;
};

/* The parent of the current process becomes its tracer. -E_PERM -E_NOMEM */
int trace_me(void) MUST_CHECK;
/* -E_SRCH -E_PERM (who it is, or it is traced already) -E_NOMEM */
int trace_attach(i32 tid, bool seize, u32 options) MUST_CHECK;
/* A tracee of the current process, with a reference. stopped: it is. -E_SRCH */
int trace_get(i32 tid, bool stopped, struct trace **out) MUST_CHECK;
void trace_drop(struct trace *tr);
/* With what trace_get gave: it goes on with this signal (0: none), to its next instruction
 * or call, or as far as it comes. */
enum trace_goes { TRACE_ON, TRACE_STEP, TRACE_TO_CALL };
void trace_resume(struct trace *tr, i32 number, enum trace_goes how);
void trace_detach(struct trace *tr, i32 number);
void trace_interrupt(struct trace *tr);

/* ---- for signal, wait, exit and exec ---- */
/* t, traced, is about to take a signal: stops. The signal to take, 0: none; *info may be
 * another. */
int trace_signal(struct thread *t, struct user_frame *f, int number, struct signal_info *info);
/* t stops for what is no signal: a stop of its process, or an event that waits. */
void trace_group_stop(struct thread *t, struct user_frame *f, int number);
void trace_look(struct thread *t, struct user_frame *f);
/* t, traced, is about to make the call whose number and arguments are in f (Y5). */
void trace_call(struct thread *t, struct user_frame *f);
extern void (*trace_calls_hook)(bool any);
/* As look() in wait.c: 1 reported, 0 none yet, -E_CHILD: no such tracee. family_lock is
 * held. *gone: to be dropped without it. */
int trace_report_locked(struct process *self, i32 which, u32 flags, struct wait_report *out,
                        struct trace **gone);
/* The current thread ends, with this status; its process is no tracer any more. */
void trace_thread_ends(struct thread *t, i32 status);
void trace_tracer_ends(struct process *p);
void trace_exec(struct thread *t);
bool trace_restricts(struct thread *t);

#endif

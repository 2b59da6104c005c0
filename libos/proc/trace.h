/* SPDX-License-Identifier: MIT */
/*
 * Tracing (ptrace(2)): a process, the tracer, sees the signals of another's thread before
 * they act, and changes its registers and memory while it is stopped for that.
 *
 * Y1. A traced thread has a struct trace, and the tracer a list of them; both hold a
 *     reference. All of it changes under family_lock.
 * Y2. A traced thread stops in trace_stop alone, on its way to the user or where its frame
 *     is whole, and goes on when the tracer says so, when the tracer has gone, or when it
 *     is to end (at its end: when another SIG_KILL comes).
 * Y3. It leaves a copy of its registers in the struct when it stops, and takes what became
 *     of them when it goes on: the tracer never touches its stack, which may be gone.
 * Y4. A report is told by wait once, before those of children; the last is that of the end.
 * Y5. While some thread is to stop at its calls, steps, or tells of its end,
 *     trace_calls_hook has told posix, which then asks trace_call before each call of any
 *     thread; else calls cost nothing more.
 * Y6. Who is traced gains no rights by exec (trace_restricts), unless who made the relation,
 *     the tracer by attaching or the tracee by trace_me, could trace anybody then; what the
 *     tracer becomes later counts for nothing. A child traced from birth is as its parent.
 * Y7. A stop signal's action stops the whole process: traced threads stop in their own way,
 *     once for each stop (process->stops), and count as stopped until the stop is over,
 *     though their tracer may have let them run.
 * Y8. Threads of a tracer ask one after the other, and see under `asking` whether it is
 *     still stopped: what it takes when it goes on is whole.  Killed, it takes nothing.
 * Y9. Who attaches to a thread that is stopped with its process has it held when the call
 *     returns: the thread says when it has come to trace_look.
 * Locks: trace->asking (mutex; user memory under it), family_lock, then process->lock. Costs: nothing for who is not traced but one
 * look at thread->trace for each signal that is taken; O(tracees) for a tracer's wait.
 */
#ifndef LIBOS_PROC_TRACE_H
#define LIBOS_PROC_TRACE_H

#include "core/lock.h"
#include "proc/proc.h"
#include "signal/signal.h"

#define TRACE_CALLS_MARKED 0x1u  /* options, as programs write them */
#define TRACE_EVENT_BIT(event) (1u << (event))
#define TRACE_EXIT_KILL 0x100000u
enum { TRACE_EVENT_FORK = 1, TRACE_EVENT_VFORK, TRACE_EVENT_CLONE, TRACE_EVENT_EXEC,
       TRACE_EVENT_VFORK_DONE, TRACE_EVENT_EXIT, TRACE_EVENT_STOP = 128 };
#define TRACE_EVENTS_ALL 0x7eu

/* How far a tracee goes: to its next instruction or call, or as far as it comes. EMULATE:
 * it stops before its next call, which is not made. */
enum trace_goes { TRACE_ON, TRACE_STEP, TRACE_TO_CALL, TRACE_EMULATE, TRACE_EMULATE_STEP };
enum trace_at { TRACE_AT_OTHER, TRACE_AT_CALL, TRACE_AT_CALL_END };

struct trace {
    struct list link;         /* tracer->tracees; alone: detached */
    _Atomic u32 refs;
    struct process *tracer;   /* NULL: detached */
    struct thread *by;        /* its thread that traces; NULL: any of them */
    struct thread *thread;    /* NULL: it has ended */
    struct process *process;  /* [I] the thread's: a reference */
    i32 tid;
    bool seized, stopped, ended;
    bool capable;             /* Y6: who made the relation had CAP_SYS_PTRACE then */
    bool arriving;            /* it was parked when it was attached to: Y9 */
    bool listening;           /* it is stopped, and tells of what becomes of its group's stop */
    bool stepping;            /* the thread's own: TF is set by us */
    bool whole;               /* it counts in Y5 */
    u32 options;
    i32 report;               /* a wait status that was not told yet; 0: none */
    u32 events;               /* to be told at the next chance: WAITS_* of trace_stop.c */
    /* The thread's own: which of its process's stops and continues it knows; whether it
     * counts among those that are stopped. */
    u32 stops_seen, continues_seen;
    bool counted;
    struct mutex asking;      /* whoever asks something of it while it is stopped (Y8) */
    /* While it is stopped (Y3): */
    struct user_frame regs;
    u64 fs_base, gs_base, mask;
    u64 rseq;
    u32 rseq_signature;
    void *fpu;                /* [I] a page; as thread->fpu */
    struct signal_info info;
    bool has_info;
    enum trace_at at;
    i32 signal;               /* that it was about to take, and takes when it goes on */
    enum trace_goes goes;     /* as it was told last */
    bool in_call;             /* its end is to be told */
    bool step_in_call;        /* its end is the end of a step */
    bool emulated;            /* it was not made: this is what it gave */
    u64 result;
    uaddr handler;            /* that a step enters: it ends there; 0: none */
    bool changed;             /* registers were */
    bool fpu_changed, mask_changed;
    u64 message;
};

/* The parent of the current process becomes its tracer. -E_PERM -E_NOMEM */
int trace_me(void) MUST_CHECK;
/* -E_SRCH -E_PERM (who it is, or it is traced already) -E_NOMEM */
int trace_attach(i32 tid, bool seize, u32 options) MUST_CHECK;
/* A tracee of the current thread, with a reference. stopped: it is. -E_SRCH */
int trace_get(i32 tid, bool stopped, struct trace **out) MUST_CHECK;
void trace_drop(struct trace *tr);
/* With what trace_get gave: it goes on with this signal (0: none). */
void trace_resume(struct trace *tr, i32 number, enum trace_goes how);
void trace_detach(struct trace *tr, i32 number);
void trace_interrupt(struct trace *tr);
void trace_set_options(struct trace *tr, u32 options);
/* It stays stopped, but a SIG_CONT or another stop of its process is told. -E_IO: it is
 * not stopped for such a thing */
int trace_listen(struct trace *tr) MUST_CHECK;
/* The index-th pending signal of it or of its process: 1; 0: there are not so many. */
int trace_peek_signal(struct trace *tr, bool shared, u64 index, struct signal_info *out);
/* The number of who traces p's thread, 0: nobody. *stopped: it is held. */
i32 trace_tracer_of(struct process *p, i32 tid, bool *stopped);

/* ---- for signal, fork, wait, exit and exec ---- */
/* t, traced, is about to take a signal: stops. The signal to take, 0: none; *info may be
 * another. */
int trace_signal(struct thread *t, struct user_frame *f, int number, struct signal_info *info);
/* The signal that trace_signal gave enters a handler at this address: a step ends there. */
void trace_handler(struct thread *t, struct user_frame *f, uaddr at);
/* t stops for what is no signal: the end of a call, a stop of its process, or an event
 * that waits. */
void trace_look(struct thread *t, struct user_frame *f);
/* t, traced, is about to make the call whose number and arguments are in f (Y5). False: it
 * is not to be made. */
bool trace_call(struct thread *t, struct user_frame *f);
extern void (*trace_calls_hook)(bool any);
/* An event of t's call, whose frame is whole: it stops if its tracer wants to know. */
void trace_event(struct thread *t, struct user_frame *f, int event, u64 message);
/* The current thread is about to end: as above. */
void trace_exit(struct thread *t, i32 status);
/* As look() in wait.c: 1 reported, 0 none yet, -E_CHILD: no such tracee. family_lock is
 * held. *gone: to be dropped without it. */
int trace_report_locked(struct process *self, i32 which, u32 flags, struct wait_report *out,
                        struct trace **gone);
/* Is the child's first thread the parent's tracee, so that its stops are told as such?
 * family_lock is held.  O(tracees) if any thread of the child is traced. */
bool trace_is_of_parent(const struct process *parent, const struct process *child);
/* The current thread ends, with this status; a thread (NULL: all) of a process is no
 * tracer any more. */
void trace_thread_ends(struct thread *t, i32 status);
void trace_tracer_ends(struct process *p, struct thread *by);
/* The first thread of p ended before the others, and its tracer is not p's parent: p's end
 * is told now; family_lock is held. NULL or what is to be dropped. */
struct trace *trace_leader_ends_locked(struct process *p);
/* Another thread took the number of p's first thread, which had ended. */
void trace_leader_replaced(struct process *p);
void trace_exec(struct thread *t);
bool trace_restricts(struct thread *t);

/*
 * A traced thread makes another: begin (allocates: -E_NOMEM), commit with family_lock and
 * p->lock held where t becomes visible, end before t runs or when it was not made.
 * birth->event is to be given to trace_event then.
 */
struct trace_birth {
    struct trace *tr;
    i32 event; /* 0: none */
    bool joined;
};
struct fork_args;
int trace_birth_begin(struct thread *self, const struct fork_args *args,
                      struct trace_birth *birth) MUST_CHECK;
void trace_birth_commit_locked(struct trace_birth *birth, struct thread *self,
                               struct process *p, struct thread *t);
void trace_birth_end(struct trace_birth *birth, struct thread *t);

#endif

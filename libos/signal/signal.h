/* SPDX-License-Identifier: MIT */
/*
 * Signals: actions, masks, queues, delivery. Numbers are POSIX's names with Linux's
 * values on x86-64 (1..64), since they are visible in masks; the frame's layout is
 * posix/sigframe.c's.
 *
 * Z1. A signal is pending for a thread or for a process; it is taken by a thread that
 *     does not block it, on its way to the user.
 * Z2. Pending sets and queues change under process->lock; after that the target is poked
 *     (thread_poke).
 * Z3. SIGKILL and SIGSTOP cannot be caught, blocked or ignored; pid 1 gets only signals
 *     it handles.
 */
#ifndef LIBOS_SIGNAL_SIGNAL_H
#define LIBOS_SIGNAL_SIGNAL_H

#include "core/thread.h"
#include "core/types.h"

enum {
    SIG_HUP = 1,
    SIG_INT,
    SIG_QUIT,
    SIG_ILL,
    SIG_TRAP,
    SIG_ABRT,
    SIG_BUS,
    SIG_FPE,
    SIG_KILL,
    SIG_USR1,
    SIG_SEGV,
    SIG_USR2,
    SIG_PIPE,
    SIG_ALRM,
    SIG_TERM,
    SIG_STKFLT,
    SIG_CHLD,
    SIG_CONT,
    SIG_STOP,
    SIG_TSTP,
    SIG_TTIN,
    SIG_TTOU,
    SIG_URG,
    SIG_XCPU,
    SIG_XFSZ,
    SIG_VTALRM,
    SIG_PROF,
    SIG_WINCH,
    SIG_IO,
    SIG_PWR,
    SIG_SYS,
    SIG_RTMIN = 32,
    SIG_MAX = 64
};
#define SIG_BIT(n) (1ull << ((n)-1))
#define SIG_HANDLER_DEFAULT 0ull
#define SIG_HANDLER_IGNORE 1ull
#define SA_F_NOCLDSTOP 0x1u
#define SA_F_NOCLDWAIT 0x2u
#define SA_F_SIGINFO 0x4u
#define SA_F_RESTORER 0x04000000u
#define SA_F_ONSTACK 0x08000000u
#define SA_F_RESTART 0x10000000u
#define SA_F_NODEFER 0x40000000u
#define SA_F_RESETHAND 0x80000000u
#define SA_F_EXPOSE_TAGBITS 0x800u
/* Others are forgotten, so that a program can ask what there is (SA_UNSUPPORTED). */
#define SA_F_ALL                                                                         \
    (SA_F_NOCLDSTOP | SA_F_NOCLDWAIT | SA_F_SIGINFO | SA_F_EXPOSE_TAGBITS |              \
     SA_F_RESTORER | SA_F_ONSTACK | SA_F_RESTART | SA_F_NODEFER | SA_F_RESETHAND)

struct process;
struct posix_timer;
struct signal_action { /* in the order in which programs lay it out */
    uaddr handler;
    u64 flags;
    uaddr restorer;
    u64 mask;
};
struct signal_info {
    i32 number, code, error;
    i32 pid;
    u32 uid;
    i32 status;
    u64 addr;  /* faults */
    u32 trap, error_code; /* faults that are no page faults: the processor's number */
    u64 value; /* sigqueue */
    struct posix_timer *timer; /* SIGNAL_CODE_TIMER: a reference (signal/timer.h, J1) */
    i64 utime, stime;
};

struct signal_actions *signal_actions_new(void);
struct signal_actions *signal_actions_copy(struct signal_actions *from);
/* Has another process the same table? */
bool signal_actions_shared(const struct signal_actions *a);
void signal_actions_hold(struct signal_actions *a);
void signal_actions_release(struct signal_actions *a);
void signal_actions_exec(struct process *p); /* handlers become default, ignored stay */
int signal_action_set(struct process *p, int number, const struct signal_action *set,
                      struct signal_action *old) MUST_CHECK;

/* Send. info NULL: from the kernel (SI_KERNEL). Process-wide or to one thread. Never
 * sleeps; any lock but process->lock may be held. */
void signal_send_process(struct process *p, int number, const struct signal_info *info);
void signal_send_thread(struct thread *t, int number, const struct signal_info *info);
u32 signal_send_group(i32 pgid, int number, const struct signal_info *info);
/* A fault of the current thread: forced if blocked or ignored. */
void signal_fault(int number, const struct signal_info *info);
/* The same where the fault's frame is at hand and no system call is under way: a handler
 * is entered at once. May sleep; info->number is set. */
void signal_fault_at(struct thread *t, struct user_frame *f, int number,
                     const struct signal_info *info);
bool signal_pending(const struct thread *t); /* unblocked ones */
/* On the way to the user (hook): act on what is pending; may not return (default action:
 * end or stop). */
void signal_work(struct thread *t, struct user_frame *frame);
void signal_mask_set(u64 mask);
void signal_thread_free(struct thread *t);  /* drop queues */
void signal_process_free(struct process *p);
void signal_init(void);

/* ---- additions ---- */
/* As signal_send_*, but for sigqueue: -E_AGAIN when a real-time signal finds the queue
 * full. */
int signal_queue_process(struct process *p, int number,
                         const struct signal_info *info) MUST_CHECK;
int signal_queue_thread(struct thread *t, int number,
                        const struct signal_info *info) MUST_CHECK;
/* To the thread `tid` of process `tgid` (0: whichever has it). permit (NULL: it may)
 * is asked about others, under p->lock. -E_SRCH, -E_AGAIN, -E_PERM */
int signal_send_tid(i32 tgid, i32 tid, int number, const struct signal_info *info,
                    bool (*permit)(const struct process *p, const struct thread *t,
                                   int number)) MUST_CHECK;
/* Would the current thread not notice it (blocked or ignored)? For a tty's job
 * control. */
bool signal_is_blocked_or_ignored(int number);
/* Pending for the thread or its process, blocked or not. */
u64 signal_pending_set(struct thread *t);
/* Take a pending signal of `set` (sigtimedwait); 0: none. */
int signal_take(struct thread *t, u64 set, struct signal_info *out);
/* A copy of the index-th entry of t's queue or (shared) its process's, which stays: 1; 0:
 * there are not so many. O(index) */
int signal_peek(struct thread *t, bool shared, u64 index, struct signal_info *out);
/* A copy of a process's action. */
void signal_action_get(struct process *p, int number, struct signal_action *out);
/* Which signals p ignores and catches, by its own wish; p->lock is held. */
void signal_sets_locked(struct process *p, u64 *ignored, u64 *caught);
/* The parent is told that a child stopped, continued or ended; family_lock is held. code:
 * SIGNAL_CLD_*. */
void signal_tell_parent(struct process *child, int code, i32 status);
/* exec: what a new program has not inherited besides the actions (alternate stack, saved
 * mask). */
void signal_thread_exec(struct thread *t);
/* All of the thread's work for signals is looked at again (after a change of mask or
 * queues); process->lock is held. */
void signal_recheck_locked(struct thread *t);

enum {
    SIGNAL_CLD_EXITED = 1,
    SIGNAL_CLD_KILLED,
    SIGNAL_CLD_DUMPED,
    SIGNAL_CLD_TRAPPED,
    SIGNAL_CLD_STOPPED,
    SIGNAL_CLD_CONTINUED
};
#define SIGNAL_POLL_IN 1
#define SIGNAL_POLL_OUT 2
#define SIGNAL_POLL_MESSAGE 3
#define SIGNAL_POLL_HUP 6
#define SIGNAL_CODE_USER 0
#define SIGNAL_CODE_KERNEL 0x80
#define SIGNAL_CODE_TIMER (-2)
#define SIGNAL_CODE_QUEUE (-3) /* a message came (ipc/mq.h) */
#define SIGNAL_LIMIT_PENDING 11u /* RLIMIT_SIGPENDING's place in process->limits */

/* Woken whenever a signal becomes pending for p, blocked or not (and at times for
 * nothing). It is there for ever. */
struct waitq *signal_readers(const struct process *p);

/* A timer's signal, to the process or to its thread `tid`: 1: it is pending, and the
 * reference info->timer is the queue's; 0: nobody wants it; -E_AGAIN: no memory. */
int signal_queue_timer(struct process *p, i32 tid, int number,
                       const struct signal_info *info) MUST_CHECK;

/*
 * What the ABI room adds: how a handler is entered, and what a system call that was
 * interrupted gives. push: -E_FAULT when the frame cannot be written. restart: action
 * NULL when no handler runs; called once for each call that was interrupted.
 */
struct signal_abi {
    int (*push)(struct thread *t, struct user_frame *f, int number,
                const struct signal_action *action, const struct signal_info *info,
                u64 mask);
    void (*restart)(struct thread *t, struct user_frame *f,
                    const struct signal_action *action);
};
extern struct signal_abi signal_abi;

#endif

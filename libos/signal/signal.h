/* SPDX-License-Identifier: MIT */
/*
 * Signals: actions, masks, queues, delivery.  Numbers are POSIX's names with Linux's values on x86-64 (1..64), since they are
 * visible in masks; the frame's layout is posix/sigframe.c's.
 *
 * Z1. A signal is pending for a thread or for a process; it is taken by a thread that does not block it, on its way to the user.
 * Z2. Pending sets and queues change under process->lock; after that the target is poked (thread_poke).
 * Z3. SIGKILL and SIGSTOP cannot be caught, blocked or ignored; pid 1 gets only signals it handles.
 */
#ifndef LIBOS_SIGNAL_SIGNAL_H
#define LIBOS_SIGNAL_SIGNAL_H

#include "core/thread.h"
#include "core/types.h"

enum {
    SIG_HUP = 1, SIG_INT, SIG_QUIT, SIG_ILL, SIG_TRAP, SIG_ABRT, SIG_BUS, SIG_FPE, SIG_KILL, SIG_USR1, SIG_SEGV, SIG_USR2,
    SIG_PIPE, SIG_ALRM, SIG_TERM, SIG_STKFLT, SIG_CHLD, SIG_CONT, SIG_STOP, SIG_TSTP, SIG_TTIN, SIG_TTOU, SIG_URG,
    SIG_XCPU, SIG_XFSZ, SIG_VTALRM, SIG_PROF, SIG_WINCH, SIG_IO, SIG_PWR, SIG_SYS, SIG_RTMIN = 32, SIG_MAX = 64
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

struct process;
struct signal_action {
    uaddr handler, restorer;
    u64 mask;
    u64 flags;
};
struct signal_info {
    i32 number, code, error;
    i32 pid;
    u32 uid;
    i32 status;
    u64 addr;  /* faults */
    u64 value; /* sigqueue */
    i64 utime, stime;
};

struct signal_actions *signal_actions_new(void);
struct signal_actions *signal_actions_copy(struct signal_actions *from);
void signal_actions_hold(struct signal_actions *a);
void signal_actions_release(struct signal_actions *a);
void signal_actions_exec(struct process *p); /* handlers become default, ignored stay */
int signal_action_set(struct process *p, int number, const struct signal_action *set, struct signal_action *old) MUST_CHECK;

/* Send. info NULL: from the kernel (SI_KERNEL).  Process-wide or to one thread. Never sleeps; any lock but process->lock may be held. */
void signal_send_process(struct process *p, int number, const struct signal_info *info);
void signal_send_thread(struct thread *t, int number, const struct signal_info *info);
u32 signal_send_group(i32 pgid, int number, const struct signal_info *info);
/* A fault of the current thread: forced if blocked or ignored. */
void signal_fault(int number, const struct signal_info *info);
bool signal_pending(const struct thread *t); /* unblocked ones */
/* On the way to the user (hook): act on what is pending; may not return (default action: end or stop). */
void signal_work(struct thread *t, struct user_frame *frame);
void signal_mask_set(u64 mask);
void signal_thread_free(struct thread *t);  /* drop queues */
void signal_process_free(struct process *p);
void signal_init(void);

#endif

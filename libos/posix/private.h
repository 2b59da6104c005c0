/* SPDX-License-Identifier: MIT */
/* What the files of this room share: layouts of Linux and helpers. */
#ifndef LIBOS_POSIX_PRIVATE_H
#define LIBOS_POSIX_PRIVATE_H

#include "core/error.h"
#include "core/types.h"
#include "core/usercopy.h"

struct thread;
struct user_frame;
struct signal_action;
struct signal_info;
struct process;

extern const u8 posix_errnos[E_MAX];
#define LINUX_EINTR 4
#define SYS_RESTART_SYSCALL 219

/* What an interrupted call gives (signal_abi.restart). */
void posix_restart(struct thread *t, struct user_frame *f,
                   const struct signal_action *action);
/* sigframe.c: enter a handler (signal_abi.push). */
void sigframe_init(void);
int sigframe_push(struct thread *t, struct user_frame *f, int number,
                  const struct signal_action *action, const struct signal_info *info,
                  u64 mask);
/* The code of SIG_FPE for vectors 16 and 19; 0: not known.  t is current. */
int sigframe_float_code(struct thread *t, unsigned vector);
/* signal.c: an exception of the user program (hook). */
void posix_exception(struct thread *t, struct user_frame *f, unsigned vector, u64 error,
                     uaddr address);

/* siginfo_t: 128 bytes, all of them written. */
struct linux_siginfo_sent {
    i32 pid;
    u32 uid;
    u64 value;
};
struct linux_siginfo_child {
    i32 pid;
    u32 uid;
    i32 status, pad;
    i64 utime, stime;
};
struct linux_siginfo_io {
    i64 band;
    i32 fd;
};
struct linux_siginfo {
    i32 signo, error, code, pad;
    union {
        struct linux_siginfo_sent sent;
        struct linux_siginfo_child child;
        struct linux_siginfo_io io;
        u64 addr;
        u8 bytes[112];
    } u;
};
_Static_assert(sizeof(struct linux_siginfo) == 128, "siginfo_t");
/* Which part of the union a signal's number and code say. */
enum siginfo_layout {
    SIGINFO_SENT, SIGINFO_CHILD, SIGINFO_FAULT, SIGINFO_TIMER, SIGINFO_IO
};
enum siginfo_layout siginfo_layout(const struct signal_info *info);
void siginfo_to_linux(struct linux_siginfo *to, const struct signal_info *from);
/* The same, to user memory in a range that was checked, without paging: false: it is not
 * there. */
bool siginfo_put(uaddr to, const struct signal_info *from) MUST_CHECK;
void siginfo_from_linux(struct signal_info *to, const struct linux_siginfo *from);

struct linux_timespec {
    i64 seconds, ns;
};
struct linux_timeval {
    i64 seconds, us;
};
struct linux_rusage {
    struct linux_timeval utime, stime;
    i64 maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock;
    i64 msgsnd, msgrcv, nsignals, nvcsw, nivcsw;
};
_Static_assert(sizeof(struct linux_rusage) == 144, "struct rusage");
/* -E_FAULT, -E_INVAL.  A time beyond what 64 bits of ns hold saturates. */
int timespec_from_user(uaddr at, u64 *ns) MUST_CHECK;
int timespec_to_user(uaddr at, u64 ns) MUST_CHECK;
struct linux_timeval timeval_of_ticks(u64 tsc_ticks);
struct linux_timeval timeval_of_ns(u64 ns);
u64 deadline_after(u64 ns); /* on the monotonic clock; saturates below "none" */

/* Interval and first value, each as timespec_*. */
int itimerspec_from_user(uaddr at, u64 *value_ns, u64 *interval_ns) MUST_CHECK;
int itimerspec_to_user(uaddr at, u64 value_ns, u64 interval_ns) MUST_CHECK;
/* May a timer run on this clock? *real: it is the wall clock, which can be set. -E_INVAL
 * no such clock, -E_NOTSUP, -E_PERM (alarm clocks). */
int clock_for_timer(i32 clock, bool *real) MUST_CHECK;

/* To the current thread, as if it had sent it itself: SIG_PIPE, SIG_XFSZ. */
void posix_raise(int number);
/* futex.c */
void futex_init(void);
void futex_wake_word(uaddr at);
/* sysv_shm.c */
void sysv_init(void);
/* mq.c */
void posix_mq_init(void);
/* schedule.c */
void schedule_init(void);
/* rseq.c */
void rseq_init(void);
void aio_poll_init(void); /* aio_poll.c */
void rseq_work(struct thread *t, struct user_frame *f);
/* robust.c */
void robust_init(void);

/* paging.c: is it an option of prctl that is about memory?  Then what it gives. */
bool memory_option(struct user_frame *f, long *result);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * LibOS threads over vCPUs: each process thread has one, with a 16 KiB stack whose lowest
 * bytes are its struct thread.
 *
 * T1. The current thread is found by masking rsp (core/current.h); no segment register is the LibOS's.
 * T2. LibOS code is never preempted by the LibOS; a thread gives its vCPU away in
 *     thread_block, thread_yield, or when it returns to
 *     the user with `work` set.
 * T3. state changes from SLEEPING under the lock of the thread's queue only, so exactly
 *     one waker makes it RUNNABLE.
 * T4. The user's vector state, FS and GS bases are in the CPU while the thread is
 *     current, in `fpu`, `fs_base`, `gs_base` else.
 */
#ifndef LIBOS_CORE_THREAD_H
#define LIBOS_CORE_THREAD_H

#include "core/clock.h"
#include "core/current.h"
#include "core/lock.h"
#include "core/tree.h"
#include "core/types.h"

#define THREAD_CANARY 0x5afe57ac6b0bbed5ull

/* The user's registers, at the top of the thread's stack while it is in the LibOS. */
struct user_frame {
    u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    u64 orig_rax; /* system call number, ~0 for upcalls */
    u64 error;
    u64 rip, cs, rflags, rsp, ss;
};

/* Segments as Linux shows them to its programs; what is loaded is the kernel's
 * business. */
#define USER_CS 0x33u
#define USER_SS 0x2bu

enum thread_state { THREAD_NEW, THREAD_RUNNABLE, THREAD_RUNNING, THREAD_SLEEPING,
                    THREAD_DEAD };

/* Bits of `work`: looked at on each return to the user. */
#define WORK_SIGNAL 0x1u   /* signals to look at */
#define WORK_RESCHED 0x2u  /* someone else should run */
#define WORK_FULL 0x4u     /* the frame was changed: return with all registers */
#define WORK_RSEQ 0x10u    /* posix/rseq.c: it lost its CPU, or came onto another */
#define WORK_TRACE 0x20u   /* as WORK_SIGNAL, but it wakes nobody: the end of a traced call */
#define WORK_EXIT 0x8u     /* the process is ending: the thread ends, too */

/* Which class chooses when a thread runs, and how: libos/sched. */
enum sched_policy { SCHED_FAIR, SCHED_FAIR_BATCH, SCHED_FAIR_IDLE, SCHED_RT_FIFO,
                    SCHED_RT_RR, SCHED_BY_DEADLINE };
/* Priorities 1 (least) .. 99, and 100: lent by who has a deadline. */
#define SCHED_RT_LEVELS 101u
/* What is reserved for a thread with a deadline: runtime <= deadline <= period. */
struct sched_reserve_params {
    u64 runtime_ns, deadline_ns, period_ns;
    bool tell_overrun; /* SIGXCPU */
    bool reclaim;      /* kept; what others leave is anybody's here */
};
/* sched/deadline.c; times in TSC ticks. */
struct sched_reserve {
    struct sched_reserve_params params;
    u64 runtime, deadline, period;
    u64 due;   /* its deadline now */
    i64 left;  /* of its runtime */
    u64 share; /* of a vCPU, that is reserved */
    bool aside, overran;
    struct timer timer; /* fire NULL: it never had a deadline */
};
struct sched_entity {
    struct tree_node node; /* in the fair or the deadline queue of its vCPU */
    struct list level;     /* in the real-time one; of RANK_OWN: among those that wait */
    u64 allowed;           /* vCPUs on which it may run, a bit each; changes under the
                              lock of its queue */
    u64 vruntime;
    u64 started; /* TSC when it came onto the CPU */
    u64 runtime; /* TSC ticks in total */
    i64 turn;    /* TSC ticks that are left of its turn; SCHED_RT_RR alone */
    u32 weight;
    u32 queued;
    i32 nice;
    u8 policy;             /* enum sched_policy */
    u8 rank;               /* which class it belongs to: sched's */
    u8 priority;           /* real-time: the greater of the next two; deadline: above all */
    u8 own_priority;       /* what it was given */
    u8 lent_priority;      /* what others lend it (thread_boost) */
    bool reset_on_fork;
    struct sched_reserve reserve;
    struct sched_party *party;  /* sched/own.c; NULL: its process has no class of its own */
    struct tree_node own_node;
    u64 own_key;
    u32 own_slot;
};

struct cpu_watch;
struct process;
struct lcpu;
struct thread {
    u64 saved_rsp;           /* while not RUNNING */
    struct lcpu *cpu;        /* where it runs or last ran */
    _Atomic u32 work;        /* WORK_* */
    _Atomic u32 state;       /* T3 */
    struct process *process; /* NULL: a thread of the LibOS itself */
    u64 fs_base, gs_base;
    void *fpu;               /* one page, user threads only */
    struct fb_cb *cb;        /* of the vCPU it runs on */
    struct mmu_space *space; /* NULL: any space will do */
    struct sched_entity sched;
    struct list process_link; /* process->threads */
    i32 tid;
    i32 wake_result;         /* 0, -E_TIMEDOUT, -E_INTR */
    bool interruptible;      /* [waker reads] */
    uaddr clear_child_tid;
    uaddr robust_list;
    uaddr rseq;                 /* posix/rseq.c; 0: none */
    u32 rseq_signature;
    struct pi_lock *pi_held;    /* futex/pi.c, I5 */
    struct pi_waiter *pi_waits; /* the lock that it waits for */
    bool locks_over;            /* I5 */
    u64 signal_mask;         /* signal room */
    u64 signal_pending;      /* signal room, process lock */
    struct signal_queue *signal_queue;
    u64 saved_mask;          /* sigsuspend, ppoll: restored after the handler */
    bool restore_mask;
    uaddr altstack_base;
    u64 altstack_size;
    u32 altstack_flags;
    u32 memory_policy;       /* posix: what set_mempolicy has said */
    u64 restart[6];          /* E_RESTART_BLOCK: how to go on */
    /* Sampled at ticks (core/account.h, A2); the runtime at the last one. */
    u64 user_ticks, system_ticks, sampled_runtime;
    u64 shown_user, shown_system;   /* proc/usage.h, U1 */
    u64 switches_voluntary, switches_involuntary;
    u64 minor_faults, major_faults; /* vm */
    u64 start_ns;                   /* clock_mono_ns at its making */
    char name[16];
    void (*entry)(void *);   /* LibOS threads, and the first run of user threads */
    void *arg;
    struct thread *joiner;
    struct trace *trace;     /* proc/trace.h; NULL: it is not traced */
    struct cred *cred;       /* proc/cred.h, C2; NULL: the LibOS's own */
    /* proc/parts.h, PA1: descriptors, root and directory, what semaphores are owed */
    struct fdtable *files;
    struct fs_context *fs;
    struct sem_undo_group *sem_undo;
    u32 charged_uid;         /* process lock; proc/user.c, N1 */
    u64 timer_slack_ns, default_slack_ns;
    u8 mce_policy;           /* prctl's, kept */
    bool no_new_privs;       /* exec gives it no rights that it has not */
    bool io_flusher;         /* prctl's, kept */
    bool check_tasks;        /* it came to a user over RLIMIT_NPROC */
    bool parked;             /* process lock; it sleeps since its process is stopped */
    struct lcpu *fpu_cpu;    /* where the vector state was loaded last */
    void *host;              /* the host stand-in's own */
    struct cpu_watch *cpu_watch; /* proc/cpu_timer.h, T1 */
    uaddr set_tid;           /* write the tid here on the first way to the user; 0: nowhere */
    u64 restart_kind;        /* E_RESTART_* of the call that was just interrupted, or 0 */
    u64 canary;              /* THREAD_CANARY: the stack ends above it */
};

/* One vCPU as the LibOS sees it. */
struct fb_cb;
struct lcpu {
    u32 id;
    u32 cpu;
    struct fb_cb *cb;
    u8 *buffer;             /* FB_BUFFER_BYTES, of the control block */
    u64 cap;                /* of the vCPU */
    struct thread *current;
    struct thread *idle;
    struct mmu_space *space;      /* that is current */
    struct mmu_space *next_space; /* the same, or the one that is about to be */
    void *queue;            /* sched's */
    void *caches;           /* page and heap caches */
    struct thread *fpu_owner; /* whose vector state was last in this CPU */
    /* one that has left this vCPU for good: to be freed, or to go to another queue */
    struct thread *leaving;
    struct timers *timers;  /* clock's */
    u64 timer_tsc;          /* the deadline that the kernel's timer is armed for */
    /* core/account.h; written by the vCPU itself. */
    u64 tick_tsc;           /* the next sample; while it idles, what is left to it */
    u64 sampled_tsc;        /* the last one, moved on by the time that it idled since */
    u64 user_ticks, nice_ticks, system_ticks, idle_ticks;
    u64 switches;
};
extern struct lcpu lcpus[];
extern u32 lcpu_count;

static inline struct lcpu *
lcpu_current(void)
{
    return thread_current()->cpu;
}
static inline struct user_frame *
thread_frame(struct thread *t)
{
    return (struct user_frame *)((char *)t + THREAD_STACK) - 1;
}

/* A thread of the LibOS; runs entry(arg), ends by returning.  NULL: out of memory. */
struct thread *thread_create(const char *name, void (*entry)(void *), void *arg);
/* A thread of a process, not yet runnable: its user frame is a copy of *like (NULL: empty), and may
 * be changed; it starts by returning to the user with all registers. */
struct thread *thread_create_user(struct process *p, const struct user_frame *like);
void thread_start(struct thread *t);
NORETURN void thread_exit(void); /* the stack is freed by the next thread on this vCPU */
void thread_yield(void);

/* Sleep until thread_wake, the deadline (ns of clock_mono_ns; ~0 none), or - if
 * interruptible - a signal.
 * Protocol: thread_prepare(); queue yourself where wakers look; test the condition;
 * thread_block() or thread_cancel(). */
void thread_prepare(bool interruptible);
int thread_block(u64 deadline_ns);
void thread_cancel(void);
/* Make a sleeping thread runnable with a result; true if it was this call that did it. */
bool thread_wake(struct thread *t, int result);
/* The same with result 0 for one that stands in a list: it is taken out if it is this
 * call that wakes it, before it can run. The list's lock is held. */
bool thread_wake_from(struct thread *t, struct list *link);
/* For signals: wake it if it sleeps interruptibly; if it runs on another vCPU make that
 * one look (event). */
void thread_poke(struct thread *t);
void thread_set_work(struct thread *t, u32 bits);
/* Priority of the fair class, -20..19; takes effect when it is next queued. */
void thread_set_nice(struct thread *t, int nice);
/* Class and place of a thread; what is queued or runs is moved at once. The caller makes
 * sure that t does not end. `allowed` has a bit of a vCPU that exists. */
struct sched_params {
    enum sched_policy policy;
    u32 priority;
    int nice;
    bool reset_on_fork;
    struct sched_reserve_params reserve; /* SCHED_BY_DEADLINE; after sched_reserve */
};
void thread_set_policy(struct thread *t, const struct sched_params *to);
/* It runs with this priority of the real-time class at least, 0: with its own. The caller
 * makes sure that t does not end. */
/* A reference to party becomes t's; slot: where its key stands in the party's page. NULL: none any more. */
void thread_set_party(struct thread *t, struct sched_party *party, u32 slot);
void thread_boost(struct thread *t, u32 priority);
void thread_set_allowed(struct thread *t, u64 allowed);
/* For sched: t stood aside, and may run again if it still does. */
void thread_return(struct thread *t);
/* CPU time of a thread in ns, the current stretch included. */
u64 thread_cpu_ns(struct thread *t);
/* Let others run if they should: called in long loops of the LibOS. */
void thread_breathe(void);
/* A signal or the end of the process waits: a call that could go on for seconds stops at what it has done. */
static inline bool
thread_interrupted(const struct thread *t)
{
    return (atomic_load_explicit(&t->work, memory_order_relaxed) &
            (WORK_SIGNAL | WORK_EXIT)) != 0;
}

#endif

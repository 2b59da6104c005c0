/* SPDX-License-Identifier: MIT */
/*
 * Processes: identity, family, resources; fork, exec, exit, wait.
 *
 * R1. A process is in the table from proc_fork to the end of its parent's wait (or its
 *     own end, when nobody waits for it).
 * R2. Family links, states, groups and sessions change under family_lock (spinlock).
 * R3. Resources (mm, files, context, signal actions) are counted; exit drops them before
 *     the parent is told.
 * R4. A number (pid, tid, group, session) is not given out again while anything still
 *     bears it (proc/pid.h).
 * R5. A thread stands in process->threads from its start to proc_exit_thread; whoever
 *     finds it there under process->lock may use it until the lock is released.
 * Locks: family_lock, then process->lock, then the locks of pid.c and of wait queues;
 * docs/locks.md.
 */
#ifndef LIBOS_PROC_PROC_H
#define LIBOS_PROC_PROC_H

#include "core/thread.h"
#include "core/types.h"
#include "core/wait.h"
#include "proc/usage.h"
#include "vfs/vfs.h"

struct mm;
struct tty;
struct signal_actions;
struct sem_undo_group;

enum process_state { PROC_ALIVE, PROC_STOPPED, PROC_ZOMBIE, PROC_DEAD };
struct rlimit_pair {
    u64 soft, hard;
};
#define PROC_RLIMITS 16

struct session; /* proc/session.h */
struct pgroup;
struct process {
    _Atomic u32 refs;
    i32 pid, pgid, sid;
    i32 ppid;                             /* the parent's pid, readable without a lock */
    struct process *parent;               /* family_lock */
    struct list children, sibling;        /* family_lock */
    struct list threads;                  /* lock */
    struct list tracees;                  /* family_lock; trace.h */
    u32 nthreads;
    struct spinlock lock;
    _Atomic u32 state;
    /* wait status encoding of POSIX: code << 8 | signal */
    i32 exit_status;
    i32 stop_signal, report;              /* WUNTRACED / WCONTINUED to be reported */
    struct waitq child_wait;              /* the parent sleeps here, on its own */
    struct mm *mm;
    struct cred *cred;                    /* lock; cred.h, C2: the first thread's */
    struct signal_actions *actions;
    u64 signal_pending;                   /* lock; whole-process signals */
    struct signal_queue *signal_queue;
    struct signal_queue *signal_spare;    /* lock; an unused entry */
    struct tty *tty;                      /* controlling terminal */
    bool exiting, group_exit, execed;
    bool vfork_child;
    struct waitq vfork_wait;              /* the parent of vfork sleeps here */
    i32 exit_signal;                      /* to the parent */
    bool parent_execed;                   /* family_lock; it is told by SIG_CHLD then */
    char name[16];
    struct rlimit_pair limits[PROC_RLIMITS];
    u64 start_ns;
    /* proc/usage.h */
    struct proc_usage ended;                   /* lock; of threads that ended, without times */
    u64 ended_ticks;                      /* lock; the time of those */
    _Atomic u64 sampled_user, sampled_system;
    _Atomic u64 unsampled;                /* ticks that ended threads were not asked for */
    u64 shown_user, shown_system;         /* lock; U1 */
    struct proc_usage children_usage;          /* family_lock; U2 */
    struct usage_itimer *itimers[USAGE_TIMERS]; /* usage_timer.c; set under lock, once */
    u64 limit_cpu_told;                   /* lock; the second from which SIGXCPU is due */
    struct cpu_watch *cpu_watch;          /* proc/cpu_timer.h; set under lock, once */
    bool usage_watched;                   /* read by ticks without the lock */
    struct timer *alarm;                  /* ITIMER_REAL */
    u64 alarm_interval_ns;
    struct timer_table *timers;           /* signal/timer.h; set under lock */
    i32 nice;                             /* lock; of the first thread */
    u16 io_priority;                      /* lock */
    u32 charged_uid;                      /* lock; user.c, N1 */
    u32 dumpable;
    uaddr stack_hint;
    i32 pdeath_signal;
    struct session *session;              /* family_lock */
    struct pgroup *group;                 /* family_lock; pgid and sid are its numbers */
    struct list group_link;               /* family_lock */
    /* exec waits here until it is the only thread */
    struct waitq threads_wait;
    struct waitq stop_wait;               /* stopped threads sleep here */
    struct thread *exec_thread;           /* lock; all other threads are ending */
    bool elevates;                        /* lock; exec gives it rights: nobody looks in */
    union {
        struct {
            _Atomic u32 group_stop; /* lock; threads park on their way to the user */
            u32 traced;             /* lock; threads of it that are traced */
        };
        _Atomic u64 stops_or_traced; /* both at once: 0 is the usual case */
    };
    bool stop_killed;                     /* lock; SIG_KILL ended the last stop: no continue */
    u32 nstopped;                         /* lock; threads that are parked */
    u32 signals_queued;                   /* lock; for RLIMIT_SIGPENDING */
    bool subreaper, has_subreaper;        /* family_lock; has: some ancestor is one */
    bool mm_shared;                       /* made or was made with FORK_SHARE_MM */
    bool init_may_die;                    /* pid 1 met a fault that it does not handle */
    u32 continues;                        /* lock; counts SIG_CONT and SIG_KILL */
    u32 stops;                            /* lock; counts stop signals that were acted upon */
    struct trace *leader_trace;           /* family_lock; trace_leader_ends_locked */
    u64 max_pages;                        /* lock; the most resident ones, until now */
    struct process *dead_next;            /* exit.c */
    u32 personality;                      /* PERSONALITY_*; inherited */
    _Atomic i32 oom_score_adj;            /* -1000 (never) to 1000; vm/oom.c; inherited */
    u32 barriers;                         /* what membarrier has registered; inherited */
    u32 programs;                         /* how many it has executed */
    struct sched_party *party;            /* lock; proc/party.c; NULL: no class of its own */
    struct proc_handle *handle;           /* proc/handle.h; set under lock, once */
};
extern struct process *proc_init_process; /* pid 1 */

#define PERSONALITY_FIXED 0x0040000u      /* places in memory are not random */
#define PERSONALITY_READ_EXEC 0x0400000u  /* what can be read can be executed */

static inline struct process *proc_current(void) { return thread_current()->process; }
/* The calling thread's ids and capabilities. Nobody else changes them: they stay as they are until this
 * thread changes them itself. NULL: a thread of the LibOS. */
static inline const struct cred *cred_own(void) { return thread_current()->cred; }
/* Its descriptors and its place, of which the same is true (proc/parts.h). */
static inline struct fdtable *files_own(void) { return thread_current()->files; }
static inline struct fs_context *place_own(void) { return thread_current()->fs; }
struct process *proc_find(i32 pid);       /* a reference, or NULL; zombies too */
struct process *proc_find_thread(i32 tid); /* whose thread it is: a reference, or NULL */
/* p's thread of this number, which stays while p->lock is held; NULL: it has none. O(1). */
struct thread *process_thread_locked(struct process *p, i32 tid);
/* the first with a greater pid: a reference, or NULL */
struct process *proc_next(i32 after);
void proc_hold(struct process *p);
void proc_release(struct process *p);
/* Call fn on each process of a group (0: all), under family_lock; fn must not sleep.
 * Returns how many. */
u32 proc_each_in_group(i32 pgid, bool (*fn)(struct process *p, void *arg), void *arg);
/* Call fn on each process whose real user is uid, zombies too, with a reference and no
 * lock, until it says false. */
void proc_each_of_user(u32 uid, bool (*fn)(struct process *p, void *arg), void *arg);

#define FORK_SHARE_MM 0x1u
#define FORK_SHARE_FS 0x2u
#define FORK_SHARE_FILES 0x4u
#define FORK_SHARE_SIGNALS 0x8u
#define FORK_TRACED 0x20u          /* the tracer traces it, too */
#define FORK_VFORK 0x40u
#define FORK_SIBLING 0x80u         /* the child's parent is the caller's */
#define FORK_THREAD 0x100u
#define FORK_SHARE_UNDO 0x400u     /* of System V semaphores */
#define FORK_SET_TLS 0x800u
#define FORK_PARENT_TID 0x1000u
#define FORK_CLEAR_TID 0x2000u
#define FORK_UNTRACED 0x8000u      /* no event of it is told to a tracer */
#define FORK_CHILD_TID 0x10000u
#define FORK_CLEAR_SIGNALS 0x20000u /* handlers become default; ignored ones stay */
struct fork_args {
    u32 flags;
    i32 exit_signal;
    i32 number;                           /* the child's; 0: any; else 1..PID_MAX-1 */
    uaddr stack;                          /* 0: the parent's */
    uaddr parent_tid, child_tid, tls;
    /* Of a process: called before the child can be seen, and its error ends the fork; then
     * `settle` once, when it has been made or not. */
    int (*prepare)(struct process *child, void *arg);
    void (*settle)(bool made, void *arg);
    void *arg;
};
/* pid of the child, or -E_NOMEM -E_AGAIN; -E_EXIST: the number is in use. */
i64 proc_fork(struct user_frame *frame, const struct fork_args *args);
struct exec_args;
/* A program found from a descriptor: `path` from walk.start with walk.flags. */
struct exec_place {
    struct walk walk;
    const char *path;
    bool unreachable;                     /* the descriptor is closed by exec */
};
/* Replace the current process's program. On success the frame is the new program's.
 * Handles #! scripts.  path: its name for the program itself; place: where it is found,
 * NULL: at that name. */
int proc_exec(struct user_frame *frame, const char *path,
              const struct exec_args *args, const struct exec_place *place) MUST_CHECK;
NORETURN void proc_exit_group(i32 status); /* status in wait encoding */
NORETURN void proc_exit_thread(i32 code);
#define WAIT_NOHANG 0x1u
#define WAIT_STOPPED 0x2u
#define WAIT_EXITED 0x4u
#define WAIT_CONTINUED 0x8u
#define WAIT_NOREAP 0x01000000u
#define WAIT_OWN 0x20000000u    /* of tracees only the calling thread's */
#define WAIT_ANY 0x40000000u    /* clones, too: children whose exit signal is not SIG_CHLD */
#define WAIT_CLONES 0x80000000u /* only them */
struct wait_report {
    i32 pid, status, uid;
    bool trapped; /* it is a tracee's */
    struct proc_usage usage; /* its own and that of its children that it waited for */
};
/* which: > 0 this pid, 0 my group, -1 any, < -1 that group. 1: *out filled; 0:
 * WAIT_NOHANG and none; -E_CHILD -E_RESTART */
int proc_wait(i32 which, u32 flags, struct wait_report *out) MUST_CHECK;
int proc_set_pgid(i32 pid, i32 pgid) MUST_CHECK;
i32 proc_set_sid(void);
/* The calling thread gets a table of files or a place of its own. -E_NOMEM */
int proc_unshare(bool files, bool place) MUST_CHECK;
/* Orphaned descendants, also those that are there already, become its children. */
void proc_set_subreaper(struct process *p, bool on);
void proc_init(void);
/* What the calling thread did to System V semaphores with undo is undone, unless another shares that. */
void proc_undo_semaphores(void);
/* Has a thread of another process the caller's place? */
bool proc_place_is_shared(struct process *p);
/* The first process: path, argv, envp from the command line. -E_NOENT ... */
int proc_start_init(const char *path, char **argv, char **envp) MUST_CHECK;
/* A class of its own for all of p's threads; takes the reference, NULL: none any more. */
void proc_set_party(struct process *p, struct sched_party *party);
/* Which number of the party's page is the thread's, which is read now. -E_SRCH -E_INVAL */
int proc_set_party_slot(struct process *p, i32 tid, u32 slot) MUST_CHECK;
u64 proc_count(void);
u64 proc_threads(void); /* of all processes */
u64 proc_threads_max(void);
/* What a thread of another process has (0: its first one), to look at: *_drop afterwards. NULL: it is ending. */
struct fdtable *proc_files(struct process *p, i32 tid);
struct fs_context *proc_place(struct process *p, i32 tid);
/* posix installs them: wake the waiters on a word of the current process; walk a thread's
 * robust list. */
extern void (*proc_futex_wake_hook)(uaddr at);
extern void (*proc_robust_hook)(struct thread *t);
/* The thread's locks that others wait for go to them; it can get none any more if this is
 * its `end`. */
extern void (*proc_locks_hook)(bool end);
/* All threads have parked: the process is stopped, the parent is told. */
void proc_stop_complete(struct process *p);
/* A thread goes on after a stop: the process is no longer stopped, the parent is told. */
void proc_continued(struct process *p);
/* The hook exit_work: the process is ending, or another thread executes a program. */
void proc_exit_work(struct thread *t);
/* True when the current thread will not see the user again. */
bool proc_is_ending(struct thread *t);
void proc_ticks(struct process *p, u64 *user, u64 *system); /* usage_of_process's */
u64 proc_forks(void); /* processes and threads made since the start */

#endif

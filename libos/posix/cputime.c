/* SPDX-License-Identifier: MIT */
/* System calls of used time: getrusage, times, the CPU clocks, ITIMER_VIRTUAL and
 * ITIMER_PROF. What is counted, and how exactly: proc/usage.h. */
#include "posix/cputime.h"

#include "core/account.h"
#include "core/clock.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/pid.h"
#include "proc/proc.h"
#include "vm/info.h"

#define NS_PER_TICK 10000000ull /* USER_HZ is 100 */

int
rusage_to_user(uaddr at, const struct proc_usage *used)
{
    struct linux_rusage u = {
        .utime = timeval_of_ticks(used->user),
        .stime = timeval_of_ticks(used->system),
        .maxrss = (i64)(used->max_pages * (PAGE_SIZE / 1024)),
        .minflt = (i64)used->minor_faults,
        .majflt = (i64)used->major_faults,
        .inblock = (i64)used->blocks_in,
        .oublock = (i64)used->blocks_out,
        .nvcsw = (i64)used->voluntary,
        .nivcsw = (i64)used->involuntary,
    };
    return copy_to_user(at, &u, sizeof u);
}

#define RUSAGE_SELF 0
#define RUSAGE_CHILDREN (-1)
#define RUSAGE_THREAD 1

long
sys_getrusage(struct user_frame *f)
{
    struct process *p = proc_current();
    struct proc_usage used;
    i32 who = (i32)SYS_ARG0(f);
    if (who == RUSAGE_SELF)
        usage_of_process(p, &used);
    else if (who == RUSAGE_THREAD)
        usage_of_thread(thread_current(), &used);
    else if (who == RUSAGE_CHILDREN)
        usage_of_children(p, &used);
    else
        return -E_INVAL;
    if (who != RUSAGE_CHILDREN)
        used.max_pages = MAX(used.max_pages, mm_peak(p->mm));
    return rusage_to_user(SYS_ARG1(f), &used);
}

static i64
clock_t_of(u64 ticks)
{
    return (i64)(clock_ticks_to_ns(ticks) / NS_PER_TICK);
}

long
sys_times(struct user_frame *f)
{
    struct process *p = proc_current();
    struct proc_usage own, children;
    usage_of_process(p, &own);
    usage_of_children(p, &children);
    i64 tms[4] = { clock_t_of(own.user), clock_t_of(own.system),
                   clock_t_of(children.user), clock_t_of(children.system) };
    if (SYS_ARG0(f) != 0 && copy_to_user(SYS_ARG0(f), tms, sizeof tms) != 0)
        return -E_FAULT;
    return (long)(clock_mono_ns() / NS_PER_TICK);
}

/* ---- clocks ---- */
/* ~number << 3 | 4 if it is a thread's | what: time as profiled, user's alone, exact. */
#define CPU_CLOCK_WHAT 3
#define CPU_CLOCK_THREAD 4
enum { CPU_CLOCK_PROF, CPU_CLOCK_VIRT, CPU_CLOCK_SCHED, CPU_CLOCK_WHATS };

static u64
ns_of_usage(const struct proc_usage *used, int what)
{
    return clock_ticks_to_ns(what == CPU_CLOCK_VIRT ? used->user
                                                    : used->user + used->system);
}

/* A thread of the caller's own process only, as on Linux. */
static int
thread_clock(i32 tid, int what, u64 *ns)
{
    struct thread *self = thread_current();
    struct process *p = self->process;
    struct proc_usage used;
    int error = -E_INVAL;
    spin_lock(&p->lock);
    list_for_each(it, &p->threads) {
        struct thread *t = container_of(it, struct thread, process_link);
        if (t->tid != tid && !(tid == 0 && t == self))
            continue;
        usage_of_thread_locked(t, &used);
        error = 0;
        break;
    }
    spin_unlock(&p->lock);
    if (error == 0)
        *ns = ns_of_usage(&used, what);
    return error;
}

int
cpu_clock_read(i32 id, u64 *ns)
{
    i32 pid = ~(id >> 3);
    int what = id & CPU_CLOCK_WHAT;
    if (what == CPU_CLOCK_WHATS)
        return -E_INVAL;
    if (id & CPU_CLOCK_THREAD)
        return thread_clock(pid, what, ns);
    struct process *p = pid == 0 ? proc_current() : proc_find(pid);
    if (p == NULL)
        return -E_INVAL;
    if (what == CPU_CLOCK_SCHED) {
        *ns = clock_ticks_to_ns(usage_time_of_process(p));
    } else {
        struct proc_usage used;
        usage_of_process(p, &used);
        *ns = ns_of_usage(&used, what);
    }
    if (pid != 0)
        proc_release(p);
    return 0;
}

/* ---- timers on them ---- */
#define CLOCK_PROCESS_CPUTIME 2
#define CLOCK_THREAD_CPUTIME 3

bool
cpu_clock_is(i32 id)
{
    return id < 0 || id == CLOCK_PROCESS_CPUTIME || id == CLOCK_THREAD_CPUTIME;
}

u64
cpu_clock_resolution(i32 id)
{
    return id >= 0 || (id & CPU_CLOCK_WHAT) == CPU_CLOCK_SCHED ? 1 : TICK_NS;
}

static i32
encoded(i32 id)
{
    if (id < 0)
        return id;
    return (i32)(~0u << 3) | CPU_CLOCK_SCHED |
           (id == CLOCK_THREAD_CPUTIME ? CPU_CLOCK_THREAD : 0);
}

int
cpu_clock_watch(i32 id, struct cpu_watch **out, enum cpu_time *time)
{
    id = encoded(id);
    i32 number = ~(id >> 3);
    int what = id & CPU_CLOCK_WHAT;
    if (what == CPU_CLOCK_WHATS)
        return -E_INVAL;
    *time = what == CPU_CLOCK_VIRT ? CPU_TIME_USER : CPU_TIME_ALL;
    if (id & CPU_CLOCK_THREAD)
        return cpu_watch_of_thread(number != 0 ? number : thread_current()->tid, out);
    struct process *p = number == 0 ? proc_current() : proc_find(number);
    if (p == NULL)
        return -E_INVAL;
    int r = cpu_watch_of_process(p, out);
    if (number != 0)
        proc_release(p);
    return r;
}

/* ---- sleeping ---- */

struct cpu_sleeper {
    struct cpu_timer timer;
    struct thread *thread;
    bool over;
};

/* Under the watch's lock: afterwards the sleeper may be gone. */
static bool
wake_sleeper(struct cpu_timer *t)
{
    struct cpu_sleeper *s = container_of(t, struct cpu_sleeper, timer);
    __atomic_store_n(&s->over, true, __ATOMIC_RELEASE);
    (void)thread_wake(s->thread, 0);
    return false;
}

/* 0, or -E_INTR. It sleeps on if what the clock was of has ended, as on Linux. */
static int
sleep_until(struct cpu_watch *w, enum cpu_time time, u64 at_ns)
{
    struct cpu_sleeper s = { .timer = { .watch = w, .time = time, .due = wake_sleeper },
                             .thread = thread_current() };
    u64 now;
    int r = 0;
    if (cpu_watch_read(w, time, &now) == 0 && now >= at_ns)
        return 0;
    (void)cpu_timer_arm(&s.timer, at_ns);
    while (r == 0 && !__atomic_load_n(&s.over, __ATOMIC_ACQUIRE)) {
        thread_prepare(true);
        if (__atomic_load_n(&s.over, __ATOMIC_ACQUIRE))
            thread_cancel();
        else
            r = thread_block(~0ull);
    }
    cpu_timer_stop(&s.timer); /* takes the watch's lock: nobody touches it after that */
    return s.over ? 0 : r;
}

static long sleep_on(struct user_frame *f);

/* To restart[1] of the clock restart[3]; the rest goes to the address in restart[2]. */
static long
sleep_restartable(struct thread *t, bool absolute)
{
    struct cpu_watch *w;
    enum cpu_time time;
    u64 now = 0, at = t->restart[1];
    int r = cpu_clock_watch((i32)t->restart[3], &w, &time);
    if (r != 0)
        return r;
    r = sleep_until(w, time, at);
    if (r != 0 && !absolute)
        (void)!cpu_watch_read(w, time, &now);
    cpu_watch_put(w);
    if (r == 0 || absolute)
        return r == 0 ? 0 : -E_RESTART_NOHAND;
    if (t->restart[2] != 0 && timespec_to_user(t->restart[2], at > now ? at - now : 0) != 0)
        return -E_FAULT;
    t->restart[0] = (u64)(uintptr_t)sleep_on;
    return -E_RESTART_BLOCK;
}

static long
sleep_on(struct user_frame *f)
{
    (void)f;
    return sleep_restartable(thread_current(), false);
}

long
cpu_clock_sleep(i32 id, bool absolute, u64 ns, uaddr left)
{
    struct thread *t = thread_current();
    struct cpu_watch *w;
    enum cpu_time time;
    u64 now;
    if (id == CLOCK_THREAD_CPUTIME)
        return -E_NOTSUP;
    i32 number = ~(id >> 3);
    if (id < 0 && (id & CPU_CLOCK_THREAD) != 0 && (number == 0 || number == t->tid))
        return -E_INVAL;
    int r = cpu_clock_watch(id, &w, &time);
    if (r != 0)
        return r;
    r = cpu_watch_read(w, time, &now);
    cpu_watch_put(w);
    if (r != 0)
        return r;
    if (!absolute && __builtin_add_overflow(now, ns, &ns))
        ns = ~0ull - 1;
    t->restart[1] = ns;
    t->restart[2] = absolute ? 0 : left;
    t->restart[3] = (u64)(u32)id;
    return sleep_restartable(t, absolute);
}

/* SPDX-License-Identifier: MIT */
/* System calls of used time: getrusage, times, the CPU clocks, ITIMER_VIRTUAL and
 * ITIMER_PROF. What is counted, and how exactly: proc/usage.h. */
#include "posix/cputime.h"

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
    if (who != RUSAGE_CHILDREN) {
        struct mm_counts counts;
        mm_count(p->mm, &counts);
        used.max_pages = MAX(used.max_pages, counts.pages_peak);
    }
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

/* SPDX-License-Identifier: MIT */
/* timer_create(2) and its family. */
#include "signal/timer.h"

#include "posix/cputime.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/pid.h"
#include "proc/proc.h"
#include "signal/signal.h"

#define TIMER_ABSTIME 1u
#define SIGEV_SIGNAL 0
#define SIGEV_NONE 1
#define SIGEV_THREAD_ID 4

struct linux_sigevent {
    u64 value;
    i32 number, notify, tid;
    i32 pad[11];
};
_Static_assert(sizeof(struct linux_sigevent) == 64, "struct sigevent");

int
itimerspec_from_user(uaddr at, u64 *value_ns, u64 *interval_ns)
{
    int error = timespec_from_user(at, interval_ns);
    return error != 0 ? error
                      : timespec_from_user(at + sizeof(struct linux_timespec), value_ns);
}

int
itimerspec_to_user(uaddr at, u64 value_ns, u64 interval_ns)
{
    int error = timespec_to_user(at, interval_ns);
    return error != 0 ? error
                      : timespec_to_user(at + sizeof(struct linux_timespec), value_ns);
}

/* A thread of this process. */
static bool
is_own_thread(i32 tid)
{
    if (tid <= 0)
        return false;
    spin_lock(&pid_lock);
    struct pid_slot *slot = pid_slot_locked(tid);
    bool own = slot != NULL && slot->thread != NULL &&
               slot->thread->process == proc_current();
    spin_unlock(&pid_lock);
    return own;
}

static int
plan_from_user(uaddr at, struct timer_plan *plan)
{
    struct linux_sigevent e = { .number = SIG_ALRM };
    if (at != 0 && copy_from_user(&e, at, sizeof e) != 0)
        return -E_FAULT;
    plan->number = e.number;
    plan->value = e.value;
    plan->value_is_id = at == 0;
    switch (e.notify) {
    case SIGEV_NONE:
        plan->notify = TIMER_NONE;
        return 0;
    case SIGEV_SIGNAL:
        plan->notify = TIMER_SIGNAL;
        break;
    case SIGEV_SIGNAL | SIGEV_THREAD_ID:
        plan->notify = TIMER_THREAD;
        plan->tid = e.tid;
        if (!is_own_thread(e.tid))
            return -E_INVAL;
        break;
    default:
        return -E_INVAL;
    }
    return e.number > 0 && e.number <= SIG_MAX ? 0 : -E_INVAL;
}

long
sys_timer_create(struct user_frame *f)
{
    struct process *p = proc_current();
    struct timer_plan plan = { 0 };
    i32 clock = (i32)SYS_ARG0(f);
    int error = plan_from_user(SYS_ARG1(f), &plan);
    if (error == 0)
        error = cpu_clock_is(clock) ? cpu_clock_watch(clock, &plan.watch, &plan.time)
                                    : clock_for_timer(clock, &plan.real_clock);
    if (error != 0)
        return error;
    i32 id = posix_timer_create(p, &plan);
    if (id < 0)
        cpu_watch_put(plan.watch);
    if (id >= 0 && copy_to_user(SYS_ARG2(f), &id, sizeof id) != 0) {
        error = posix_timer_delete(p, id);
        return error != 0 ? error : -E_FAULT;
    }
    return id < 0 ? id : 0;
}

long
sys_timer_settime(struct user_frame *f)
{
    struct timer_time set, old;
    if (SYS_ARG2(f) == 0)
        return -E_INVAL;
    int error = itimerspec_from_user(SYS_ARG2(f), &set.value_ns, &set.interval_ns);
    if (error == 0)
        error = posix_timer_set(proc_current(), (i32)SYS_ARG0(f),
                                (SYS_ARG1(f) & TIMER_ABSTIME) != 0, &set, &old);
    if (error == 0 && SYS_ARG3(f) != 0)
        error = itimerspec_to_user(SYS_ARG3(f), old.value_ns, old.interval_ns);
    return error;
}

long
sys_timer_gettime(struct user_frame *f)
{
    struct timer_time t;
    int error = posix_timer_get(proc_current(), (i32)SYS_ARG0(f), &t);
    return error != 0 ? error
                      : itimerspec_to_user(SYS_ARG1(f), t.value_ns, t.interval_ns);
}

long
sys_timer_getoverrun(struct user_frame *f)
{
    return posix_timer_overrun(proc_current(), (i32)SYS_ARG0(f));
}

long
sys_timer_delete(struct user_frame *f)
{
    return posix_timer_delete(proc_current(), (i32)SYS_ARG0(f));
}

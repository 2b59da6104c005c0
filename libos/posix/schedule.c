/* SPDX-License-Identifier: MIT */
/* System calls of scheduling: policies, parameters, affinity, the CPU. What the policies
 * do: libos/sched. */
#include "core/clock.h"
#include "core/hooks.h"
#include "core/sched.h"
#include "core/string.h"
#include "futex/futex.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "posix/strings.h"
#include "proc/cred.h"
#include "proc/proc.h"
#include "signal/signal.h"

enum { POLICY_OTHER = 0, POLICY_FIFO = 1, POLICY_RR = 2, POLICY_BATCH = 3, POLICY_IDLE = 5,
       POLICY_DEADLINE = 6 };
#define POLICY_RESET_ON_FORK 0x40000000u
#define PRIORITY_MAX 99u
#define LIMIT_NICE 13
#define LIMIT_RTPRIO 14

static const struct {
    u32 number;
    enum sched_policy policy;
} policies[] = {
    { POLICY_OTHER, SCHED_FAIR },      { POLICY_FIFO, SCHED_RT_FIFO },
    { POLICY_RR, SCHED_RT_RR },        { POLICY_BATCH, SCHED_FAIR_BATCH },
    { POLICY_IDLE, SCHED_FAIR_IDLE },  { POLICY_DEADLINE, SCHED_BY_DEADLINE },
};

static bool
policy_of(u32 number, enum sched_policy *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
        if (policies[i].number == number) {
            *out = policies[i].policy;
            return true;
        }
    }
    return false;
}

static u32
number_of_policy(u32 policy)
{
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
        if (policies[i].policy == (enum sched_policy)policy)
            return policies[i].number;
    }
    return POLICY_OTHER;
}

/* The thread of a number (0: the current one), with its process's lock held so that it
 * stays; let_go afterwards. -E_SRCH */
static int
get_thread(i32 tid, struct process **out, struct thread **thread)
{
    struct thread *self = thread_current();
    if (tid == 0)
        tid = self->tid;
    struct process *p = proc_find_thread(tid);
    if (p == NULL)
        return -E_SRCH;
    spin_lock(&p->lock);
    *out = p;
    *thread = process_thread_locked(p, tid);
    if (*thread != NULL)
        return 0;
    spin_unlock(&p->lock);
    proc_release(p);
    return -E_SRCH;
}

static void
let_go(struct process *p)
{
    spin_unlock(&p->lock);
    proc_release(p);
}

static bool
same_owner(const struct thread *t)
{
    const struct cred *c = cred_own();
    return c->euid == t->cred->euid || c->euid == t->cred->uid;
}

/* sched(7), "Privileges and resource limits". */
static int
may_change(const struct process *p, const struct thread *t, const struct sched_params *to)
{
    const struct sched_entity *now = &t->sched;
    if (cred_can(cred_own(), CAP_SYS_NICE))
        return 0;
    if (to->policy == SCHED_BY_DEADLINE)
        return -E_PERM;
    u64 nice_limit = p->limits[LIMIT_NICE].soft, rt_limit = p->limits[LIMIT_RTPRIO].soft;
    if (to->priority == 0 && to->nice < now->nice && (u64)(20 - to->nice) > nice_limit)
        return -E_PERM;
    if (to->priority != 0 && to->policy != now->policy && rt_limit == 0)
        return -E_PERM;
    if (to->priority > now->own_priority && to->priority > rt_limit)
        return -E_PERM;
    if (now->policy == SCHED_FAIR_IDLE && to->policy != SCHED_FAIR_IDLE &&
        (u64)(20 - now->nice) > nice_limit)
        return -E_PERM;
    if (!same_owner(t) || (now->reset_on_fork && !to->reset_on_fork))
        return -E_PERM;
    return 0;
}

/* What a caller wants; KEEP: what the thread has. */
struct wish {
    bool keep_policy, keep_params, set_nice;
    u32 number, priority;
    int nice;
    bool reset_on_fork;
    struct sched_reserve_params reserve;
};

static u64
all_cpus(void)
{
    return lcpu_count >= 64 ? ~0ull : (1ull << lcpu_count) - 1;
}

/* sched(7), "Deadline scheduling"; Linux takes no reserve below a microsecond, and periods
 * from 100 us to 4.19 s. */
#define RUNTIME_MIN_NS 1024u
#define PERIOD_MIN_NS 100000u
#define PERIOD_MAX_NS 4194304000ull

/* -E_INVAL: it is no reserve; -E_PERM: it may not run everywhere; -E_BUSY: so much is not
 * left. */
static int
reserve(struct thread *t, const struct sched_reserve_params *p)
{
    if (p->runtime_ns < RUNTIME_MIN_NS || p->runtime_ns > p->deadline_ns ||
        p->deadline_ns > p->period_ns || p->period_ns < PERIOD_MIN_NS ||
        p->period_ns > PERIOD_MAX_NS)
        return -E_INVAL;
    if ((all_cpus() & ~t->sched.allowed) != 0)
        return -E_PERM;
    return sched_reserve(t, p);
}

static int
change(i32 tid, const struct wish *w)
{
    struct process *p;
    struct thread *t;
    struct sched_params to = { .reset_on_fork = w->reset_on_fork };
    if (!w->keep_policy && !policy_of(w->number, &to.policy))
        return -E_INVAL;
    int error = get_thread(tid, &p, &t);
    if (error != 0)
        return error;
    if (w->keep_policy) {
        to.policy = (enum sched_policy)t->sched.policy;
        to.reset_on_fork |= t->sched.reset_on_fork;
    }
    to.priority = w->keep_params ? t->sched.own_priority : w->priority;
    bool rt = to.policy == SCHED_RT_FIFO || to.policy == SCHED_RT_RR;
    to.nice = w->set_nice && !w->keep_params && !rt ? w->nice : t->sched.nice;
    to.reserve = w->keep_params ? t->sched.reserve.params : w->reserve;
    bool leaves = t->sched.policy == SCHED_BY_DEADLINE && to.policy != SCHED_BY_DEADLINE;
    if (to.priority > PRIORITY_MAX || rt != (to.priority != 0))
        error = -E_INVAL;
    else
        error = may_change(p, t, &to);
    if (error == 0 && to.policy == SCHED_BY_DEADLINE)
        error = reserve(t, &to.reserve);
    else if (error == 0 && leaves)
        error = sched_reserve(t, NULL);
    if (error == 0) {
        thread_set_policy(t, &to);
        futex_priority_changed(t);
        if (t->tid == p->pid)
            p->nice = to.nice;
    }
    let_go(p);
    return error;
}

long
sys_sched_setscheduler(struct user_frame *f)
{
    i32 priority, number = (i32)SYS_ARG1(f);
    if ((i32)SYS_ARG0(f) < 0 || number < 0 || SYS_ARG2(f) == 0)
        return -E_INVAL;
    if (copy_from_user(&priority, SYS_ARG2(f), sizeof priority) != 0)
        return -E_FAULT;
    struct wish w = { .number = (u32)number & ~POLICY_RESET_ON_FORK,
                      .priority = (u32)priority,
                      .reset_on_fork = ((u32)number & POLICY_RESET_ON_FORK) != 0 };
    return change((i32)SYS_ARG0(f), &w);
}

long
sys_sched_setparam(struct user_frame *f)
{
    i32 priority;
    if ((i32)SYS_ARG0(f) < 0 || SYS_ARG1(f) == 0)
        return -E_INVAL;
    if (copy_from_user(&priority, SYS_ARG1(f), sizeof priority) != 0)
        return -E_FAULT;
    struct wish w = { .keep_policy = true, .priority = (u32)priority };
    return change((i32)SYS_ARG0(f), &w);
}

/* A copy of the thread's state. */
static int
read_thread(i32 tid, struct sched_entity *out)
{
    struct process *p;
    struct thread *t;
    if (tid < 0)
        return -E_INVAL;
    int error = get_thread(tid, &p, &t);
    if (error != 0)
        return error;
    *out = t->sched;
    let_go(p);
    return 0;
}

long
sys_sched_getscheduler(struct user_frame *f)
{
    struct sched_entity e;
    int error = read_thread((i32)SYS_ARG0(f), &e);
    if (error != 0)
        return error;
    return (long)(number_of_policy(e.policy) |
                  (e.reset_on_fork ? POLICY_RESET_ON_FORK : 0));
}

long
sys_sched_getparam(struct user_frame *f)
{
    struct sched_entity e;
    if (SYS_ARG1(f) == 0)
        return -E_INVAL;
    int error = read_thread((i32)SYS_ARG0(f), &e);
    i32 priority = e.own_priority;
    return error != 0 ? error : copy_to_user(SYS_ARG1(f), &priority, sizeof priority);
}

/* ---- sched_setattr, sched_getattr ---- */
struct linux_sched_attr {
    u32 size, policy;
    u64 flags;
    i32 nice;
    u32 priority;
    u64 runtime, deadline, period;
    u32 util_min, util_max;
};
_Static_assert(sizeof(struct linux_sched_attr) == 56, "struct sched_attr");
#define ATTR_BYTES_FIRST 48u
#define FLAG_RESET_ON_FORK 0x1u
#define FLAG_RECLAIM 0x2u
#define FLAG_OVERRUN 0x4u
#define FLAG_KEEP_POLICY 0x8u
#define FLAG_KEEP_PARAMS 0x10u
#define FLAG_UTIL 0x60u
#define FLAGS_KNOWN 0x7fu

/* -E_2BIG tells the caller which size is known. */
static int
attr_from_user(uaddr at, struct linux_sched_attr *a)
{
    u32 size;
    if (copy_from_user(&size, at, sizeof size) != 0)
        return -E_FAULT;
    if (size == 0)
        size = ATTR_BYTES_FIRST;
    int error = size < ATTR_BYTES_FIRST || size > PAGE_SIZE
                    ? -E_2BIG
                    : struct_from_user(a, sizeof *a, at, size);
    if (error == -E_2BIG) {
        size = sizeof *a;
        if (copy_to_user(at, &size, sizeof size) != 0)
            return -E_FAULT;
    }
    return error;
}

long
sys_sched_setattr(struct user_frame *f)
{
    struct linux_sched_attr a = { 0 };
    if (SYS_ARG1(f) == 0 || (i32)SYS_ARG0(f) < 0 || SYS_ARG2(f) != 0)
        return -E_INVAL;
    int error = attr_from_user(SYS_ARG1(f), &a);
    if (error != 0)
        return error;
    if ((i32)a.policy < 0 || (a.flags & ~(u64)FLAGS_KNOWN))
        return -E_INVAL;
    if (a.flags & FLAG_UTIL)
        return -E_NOTSUP;
    if (a.period == 0)
        a.period = a.deadline;
    struct wish w = { .reserve = { a.runtime, a.deadline, a.period,
                                   .tell_overrun = (a.flags & FLAG_OVERRUN) != 0,
                                   .reclaim = (a.flags & FLAG_RECLAIM) != 0 },
                      .keep_policy = (a.flags & FLAG_KEEP_POLICY) != 0,
                      .keep_params = (a.flags & FLAG_KEEP_PARAMS) != 0,
                      .set_nice = true, .number = a.policy, .priority = a.priority,
                      .nice = MAX(-20, MIN(19, a.nice)),
                      .reset_on_fork = (a.flags & FLAG_RESET_ON_FORK) != 0 };
    return change((i32)SYS_ARG0(f), &w);
}

long
sys_sched_getattr(struct user_frame *f)
{
    struct sched_entity e;
    u32 bytes = (u32)SYS_ARG2(f);
    if (SYS_ARG1(f) == 0 || bytes < ATTR_BYTES_FIRST || bytes > PAGE_SIZE ||
        SYS_ARG3(f) != 0)
        return -E_INVAL;
    int error = read_thread((i32)SYS_ARG0(f), &e);
    if (error != 0)
        return error;
    struct linux_sched_attr a = { .size = MIN(bytes, (u32)sizeof a),
                                  .policy = number_of_policy(e.policy),
                                  .flags = e.reset_on_fork ? FLAG_RESET_ON_FORK : 0,
                                  .priority = e.own_priority };
    const struct sched_reserve_params *r = &e.reserve.params;
    if (e.policy == SCHED_BY_DEADLINE) {
        a.flags |= (r->reclaim ? FLAG_RECLAIM : 0) | (r->tell_overrun ? FLAG_OVERRUN : 0);
        a.runtime = r->runtime_ns;
        a.deadline = r->deadline_ns;
        a.period = r->period_ns;
    } else if (e.own_priority == 0) {
        a.nice = e.nice;
    }
    return copy_to_user(SYS_ARG1(f), &a, a.size);
}

/* ---- the rest ---- */

long
sys_sched_yield(struct user_frame *f)
{
    (void)f;
    thread_yield();
    return 0;
}

static long
priority_bound(u64 policy, long of_rt)
{
    switch (policy) {
    case POLICY_FIFO:
    case POLICY_RR:
        return of_rt;
    case POLICY_OTHER:
    case POLICY_BATCH:
    case POLICY_IDLE:
    case POLICY_DEADLINE:
        return 0;
    default:
        return -E_INVAL;
    }
}

long
sys_sched_get_priority_max(struct user_frame *f)
{
    return priority_bound(SYS_ARG0(f), PRIORITY_MAX);
}

long
sys_sched_get_priority_min(struct user_frame *f)
{
    return priority_bound(SYS_ARG0(f), 1);
}

long
sys_sched_rr_get_interval(struct user_frame *f)
{
    struct process *p;
    struct thread *t;
    if ((i32)SYS_ARG0(f) < 0)
        return -E_INVAL;
    int error = get_thread((i32)SYS_ARG0(f), &p, &t);
    if (error != 0)
        return error;
    u64 ticks = sched_interval_ticks(t);
    let_go(p);
    /* Whole microseconds: the TSC's rate is a fraction. */
    u64 us = (clock_ticks_to_ns(ticks) + 500) / 1000;
    return timespec_to_user(SYS_ARG1(f), us * 1000);
}

long
sys_sched_getaffinity(struct user_frame *f)
{
    struct sched_entity e;
    u32 bytes = (u32)SYS_ARG1(f);
    if (bytes < sizeof(u64) || bytes % sizeof(u64) != 0)
        return -E_INVAL;
    int error = (i32)SYS_ARG0(f) < 0 ? -E_SRCH : read_thread((i32)SYS_ARG0(f), &e);
    if (error != 0)
        return error;
    u64 mask = e.allowed & all_cpus();
    return copy_to_user(SYS_ARG2(f), &mask, sizeof mask) != 0 ? -E_FAULT
                                                              : (long)sizeof mask;
}

long
sys_sched_setaffinity(struct user_frame *f)
{
    struct process *p;
    struct thread *t;
    u64 mask = 0;
    if (copy_from_user(&mask, SYS_ARG2(f), MIN((u32)SYS_ARG1(f), sizeof mask)) != 0)
        return -E_FAULT;
    int error = get_thread((i32)SYS_ARG0(f), &p, &t);
    if (error != 0)
        return error;
    mask &= all_cpus();
    if (!same_owner(t) && !cred_can(cred_own(), CAP_SYS_NICE))
        error = -E_PERM;
    else if (mask == 0)
        error = -E_INVAL;
    else if (t->sched.policy == SCHED_BY_DEADLINE && mask != all_cpus())
        error = -E_BUSY; /* what was reserved counts on all */
    else
        thread_set_allowed(t, mask);
    let_go(p);
    return error;
}

long
sys_getcpu(struct user_frame *f)
{
    u32 cpu = lcpu_current()->id, node = 0;
    if (SYS_ARG0(f) != 0 && copy_to_user(SYS_ARG0(f), &cpu, sizeof cpu) != 0)
        return -E_FAULT;
    return SYS_ARG1(f) != 0 ? copy_to_user(SYS_ARG1(f), &node, sizeof node) : 0;
}

static void
overrun(struct thread *t)
{
    signal_send_thread(t, SIG_XCPU, NULL);
}

void
schedule_init(void)
{
    libos_hooks.overrun = overrun;
}

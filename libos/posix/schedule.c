/* SPDX-License-Identifier: MIT */
/* System calls of scheduling: policies, affinity, the CPU. */
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/cred.h"
#include "proc/proc.h"
#include "signal/signal.h"

static long
put_u32(uaddr at, u32 value)
{
    return copy_to_user(at, &value, sizeof value);
}

long
sys_sched_yield(struct user_frame *f)
{
    (void)f;
    thread_yield();
    return 0;
}

/* All vCPUs; threads go where the scheduler puts them. */
static u64
all_cpus(void)
{
    return lcpu_count >= 64 ? ~0ull : (1ull << lcpu_count) - 1;
}

long
sys_sched_getaffinity(struct user_frame *f)
{
    u64 mask = all_cpus();
    u64 bytes = SYS_ARG1(f) & 0xffffffff;
    i32 pid = (i32)SYS_ARG0(f);
    if (bytes < sizeof mask || bytes % sizeof mask != 0)
        return -E_INVAL;
    if (pid != 0 && signal_send_tid(0, pid, 0, NULL, NULL) != 0)
        return -E_SRCH;
    if (copy_to_user(SYS_ARG2(f), &mask, sizeof mask) != 0)
        return -E_FAULT;
    return sizeof mask;
}

long
sys_sched_setaffinity(struct user_frame *f)
{
    u64 mask = 0;
    if (copy_from_user(&mask, SYS_ARG2(f), MIN(SYS_ARG1(f) & 0xffffffff, sizeof mask)) !=
        0)
        return -E_FAULT;
    if ((mask & all_cpus()) == 0)
        return -E_INVAL;
    /* Only the set of all vCPUs can be honoured so far. */
    return (mask & all_cpus()) == all_cpus() ? 0 : -E_NOSYS;
}

#define SCHED_FIFO 1
#define SCHED_RR 2

long
sys_sched_getscheduler(struct user_frame *f)
{
    (void)f;
    return 0; /* SCHED_OTHER, the only one */
}

long
sys_sched_getparam(struct user_frame *f)
{
    return put_u32(SYS_ARG1(f), 0);
}

static long
set_scheduler(u64 policy, uaddr param)
{
    i32 priority;
    if (copy_from_user(&priority, param, sizeof priority) != 0)
        return -E_FAULT;
    if (policy == SCHED_FIFO || policy == SCHED_RR)
        return -E_NOSYS;
    return policy != 0 || priority != 0 ? -E_INVAL : 0;
}

long
sys_sched_setscheduler(struct user_frame *f)
{
    return set_scheduler(SYS_ARG1(f), SYS_ARG2(f));
}

long
sys_sched_setparam(struct user_frame *f)
{
    return set_scheduler(0, SYS_ARG1(f));
}

long
sys_sched_get_priority_max(struct user_frame *f)
{
    u64 policy = SYS_ARG0(f);
    return policy > 6 || policy == 4                    ? -E_INVAL
           : policy == SCHED_FIFO || policy == SCHED_RR ? 99
                                                        : 0;
}

long
sys_sched_get_priority_min(struct user_frame *f)
{
    u64 policy = SYS_ARG0(f);
    return policy > 6 || policy == 4                    ? -E_INVAL
           : policy == SCHED_FIFO || policy == SCHED_RR ? 1
                                                        : 0;
}

long
sys_getcpu(struct user_frame *f)
{
    if (SYS_ARG0(f) != 0 && put_u32(SYS_ARG0(f), lcpu_current()->id) != 0)
        return -E_FAULT;
    return SYS_ARG1(f) != 0 ? put_u32(SYS_ARG1(f), 0) : 0;
}


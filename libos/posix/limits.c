/* SPDX-License-Identifier: MIT */
/* System calls of resource limits. Who enforces them: docs/missing.md says which are not. */
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/cred.h"
#include "proc/proc.h"

#define RLIMIT_CPU 0
#define RLIMIT_NOFILE 7

static int
set_limit(struct process *p, u32 which, const struct rlimit_pair *set)
{
    int error = 0;
    if (set->soft > set->hard)
        return -E_INVAL;
    if (which == RLIMIT_NOFILE && set->hard > FD_LIMIT_MAX)
        return -E_PERM;
    bool may = cred_can(cred_own(), CAP_SYS_RESOURCE);
    spin_lock(&p->lock);
    if (set->hard > p->limits[which].hard && !may)
        error = -E_PERM;
    else
        p->limits[which] = *set;
    spin_unlock(&p->lock);
    if (error == 0 && which == RLIMIT_CPU)
        usage_limit_changed(p);
    return error;
}

long
sys_getrlimit(struct user_frame *f)
{
    if (SYS_ARG0(f) >= PROC_RLIMITS)
        return -E_INVAL;
    return copy_to_user(SYS_ARG1(f), &proc_current()->limits[SYS_ARG0(f)],
                        sizeof(struct rlimit_pair));
}

long
sys_setrlimit(struct user_frame *f)
{
    struct rlimit_pair set;
    if (SYS_ARG0(f) >= PROC_RLIMITS)
        return -E_INVAL;
    if (copy_from_user(&set, SYS_ARG1(f), sizeof set) != 0)
        return -E_FAULT;
    return set_limit(proc_current(), (u32)SYS_ARG0(f), &set);
}

/* May the current process look at or change another's limits?  The same ids, or
 * CAP_SYS_RESOURCE. */
static bool
same_owner(struct process *p)
{
    const struct cred *c = cred_own();
    spin_lock(&p->lock);
    const struct cred *o = p->cred;
    bool same =
        cred_can(c, CAP_SYS_RESOURCE) ||
        (o != NULL && c->uid == o->uid && c->uid == o->euid && c->uid == o->suid &&
                            c->gid == o->gid && c->gid == o->egid && c->gid == o->sgid);
    spin_unlock(&p->lock);
    return same;
}

long
sys_prlimit64(struct user_frame *f)
{
    i32 pid = (i32)SYS_ARG0(f);
    u64 which = SYS_ARG1(f);
    struct rlimit_pair set, old;
    if (which >= PROC_RLIMITS)
        return -E_INVAL;
    if (SYS_ARG2(f) != 0 && copy_from_user(&set, SYS_ARG2(f), sizeof set) != 0)
        return -E_FAULT;
    struct process *self = proc_current();
    bool found = pid != 0 && pid != self->pid; /* it may be a thread of ours: then self, held */
    struct process *p = found ? proc_find_thread(pid) : self;
    if (p == NULL)
        return -E_SRCH;
    int error = p != self && !same_owner(p) ? -E_PERM : 0;
    old = p->limits[which];
    if (error == 0 && SYS_ARG2(f) != 0)
        error = set_limit(p, (u32)which, &set);
    if (found)
        proc_release(p);
    if (error == 0 && SYS_ARG3(f) != 0)
        error = copy_to_user(SYS_ARG3(f), &old, sizeof old);
    return error;
}


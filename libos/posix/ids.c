/* SPDX-License-Identifier: MIT */
/* System calls of user and group ids.  The rules are proc/cred.c's. */
#include "core/string.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/cred.h"
#include "proc/proc.h"

long
sys_getuid(struct user_frame *f)
{
    (void)f;
    return proc_current()->cred->uid;
}

long
sys_geteuid(struct user_frame *f)
{
    (void)f;
    return proc_current()->cred->euid;
}

long
sys_getgid(struct user_frame *f)
{
    (void)f;
    return proc_current()->cred->gid;
}

long
sys_getegid(struct user_frame *f)
{
    (void)f;
    return proc_current()->cred->egid;
}

long
sys_setuid(struct user_frame *f)
{
    return cred_set_uid(proc_current(), (u32)SYS_ARG0(f));
}

long
sys_setgid(struct user_frame *f)
{
    return cred_set_gid(proc_current(), (u32)SYS_ARG0(f));
}

long
sys_setreuid(struct user_frame *f)
{
    return cred_set_reuid(proc_current(), (u32)SYS_ARG0(f), (u32)SYS_ARG1(f));
}

long
sys_setregid(struct user_frame *f)
{
    return cred_set_regid(proc_current(), (u32)SYS_ARG0(f), (u32)SYS_ARG1(f));
}

long
sys_setresuid(struct user_frame *f)
{
    return cred_set_resuid(proc_current(), (u32)SYS_ARG0(f), (u32)SYS_ARG1(f),
                           (u32)SYS_ARG2(f));
}

long
sys_setresgid(struct user_frame *f)
{
    return cred_set_resgid(proc_current(), (u32)SYS_ARG0(f), (u32)SYS_ARG1(f),
                           (u32)SYS_ARG2(f));
}

static long
put_three(struct user_frame *f, u32 a, u32 b, u32 c)
{
    if (copy_to_user(SYS_ARG0(f), &a, sizeof a) != 0 ||
        copy_to_user(SYS_ARG1(f), &b, sizeof b) != 0)
        return -E_FAULT;
    return copy_to_user(SYS_ARG2(f), &c, sizeof c);
}

long
sys_getresuid(struct user_frame *f)
{
    const struct cred *c = proc_current()->cred;
    return put_three(f, c->uid, c->euid, c->suid);
}

long
sys_getresgid(struct user_frame *f)
{
    const struct cred *c = proc_current()->cred;
    return put_three(f, c->gid, c->egid, c->sgid);
}

long
sys_setfsuid(struct user_frame *f)
{
    return cred_set_fsuid(proc_current(), (u32)SYS_ARG0(f));
}

long
sys_setfsgid(struct user_frame *f)
{
    return cred_set_fsgid(proc_current(), (u32)SYS_ARG0(f));
}

long
sys_getgroups(struct user_frame *f)
{
    const struct cred *c = proc_current()->cred;
    i32 room = (i32)SYS_ARG0(f);
    if (room < 0)
        return -E_INVAL;
    if (room == 0)
        return c->ngroups;
    if ((u32)room < c->ngroups)
        return -E_INVAL;
    u32 count = c->ngroups;
    if (copy_to_user(SYS_ARG1(f), c->groups, count * sizeof c->groups[0]) != 0)
        return -E_FAULT;
    return count;
}

long
sys_setgroups(struct user_frame *f)
{
    u32 groups[CRED_GROUPS_MAX];
    u64 count = SYS_ARG0(f);
    struct process *p = proc_current();
    if (!cred_is_root(p->cred))
        return -E_PERM;
    if (count > CRED_GROUPS_MAX)
        return -E_INVAL;
    if (copy_from_user(groups, SYS_ARG1(f), count * sizeof groups[0]) != 0)
        return -E_FAULT;
    return cred_set_groups(p, groups, (u32)count);
}

/* Capabilities of Linux: root has all of them, others none; sets cannot be changed one by
 * one. */
#define CAPABILITY_V3 0x20080522u
#define CAPABILITIES ((1ull << 41) - 1)
struct linux_cap_header {
    u32 version;
    i32 pid;
};

long
sys_capget(struct user_frame *f)
{
    struct linux_cap_header h;
    u32 sets[2][3];
    if (copy_from_user(&h, SYS_ARG0(f), sizeof h) != 0)
        return -E_FAULT;
    if (h.version != CAPABILITY_V3) {
        h.version = CAPABILITY_V3;
        if (copy_to_user(SYS_ARG0(f), &h, sizeof h) != 0)
            return -E_FAULT;
        return SYS_ARG1(f) == 0 ? 0 : -E_INVAL;
    }
    if (h.pid < 0)
        return -E_INVAL;
    struct process *p = h.pid == 0 ? proc_current() : proc_find(h.pid);
    if (p == NULL)
        return -E_SRCH;
    spin_lock(&p->lock); /* another process may be changing its ids */
    bool root = p->cred != NULL && cred_is_root(p->cred);
    spin_unlock(&p->lock);
    if (h.pid != 0)
        proc_release(p);
    u64 set = root ? CAPABILITIES : 0;
    for (int half = 0; half < 2; half++) {
        sets[half][0] = sets[half][1] = (u32)(set >> (32 * half));
        sets[half][2] = 0; /* inheritable */
    }
    return SYS_ARG1(f) != 0 ? copy_to_user(SYS_ARG1(f), sets, sizeof sets) : 0;
}

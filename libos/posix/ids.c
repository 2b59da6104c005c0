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
    return cred_own()->uid;
}

long
sys_geteuid(struct user_frame *f)
{
    (void)f;
    return cred_own()->euid;
}

long
sys_getgid(struct user_frame *f)
{
    (void)f;
    return cred_own()->gid;
}

long
sys_getegid(struct user_frame *f)
{
    (void)f;
    return cred_own()->egid;
}

long
sys_setuid(struct user_frame *f)
{
    return cred_set_uid((u32)SYS_ARG0(f));
}

long
sys_setgid(struct user_frame *f)
{
    return cred_set_gid((u32)SYS_ARG0(f));
}

long
sys_setreuid(struct user_frame *f)
{
    return cred_set_reuid((u32)SYS_ARG0(f), (u32)SYS_ARG1(f));
}

long
sys_setregid(struct user_frame *f)
{
    return cred_set_regid((u32)SYS_ARG0(f), (u32)SYS_ARG1(f));
}

long
sys_setresuid(struct user_frame *f)
{
    return cred_set_resuid((u32)SYS_ARG0(f), (u32)SYS_ARG1(f),
                           (u32)SYS_ARG2(f));
}

long
sys_setresgid(struct user_frame *f)
{
    return cred_set_resgid((u32)SYS_ARG0(f), (u32)SYS_ARG1(f),
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
    const struct cred *c = cred_own();
    return put_three(f, c->uid, c->euid, c->suid);
}

long
sys_getresgid(struct user_frame *f)
{
    const struct cred *c = cred_own();
    return put_three(f, c->gid, c->egid, c->sgid);
}

long
sys_setfsuid(struct user_frame *f)
{
    return cred_set_fsuid((u32)SYS_ARG0(f));
}

long
sys_setfsgid(struct user_frame *f)
{
    return cred_set_fsgid((u32)SYS_ARG0(f));
}

long
sys_getgroups(struct user_frame *f)
{
    const struct cred_groups *g = cred_own()->groups;
    i32 room = (i32)SYS_ARG0(f);
    u32 count = g != NULL ? g->count : 0;
    if (room < 0)
        return -E_INVAL;
    if (room == 0)
        return count;
    if ((u32)room < count)
        return -E_INVAL;
    if (count != 0 && copy_to_user(SYS_ARG1(f), g->id, count * sizeof g->id[0]) != 0)
        return -E_FAULT;
    return count;
}

long
sys_setgroups(struct user_frame *f)
{
    u32 count = (u32)SYS_ARG0(f);
    if (!cred_can(cred_own(), CAP_SETGID))
        return -E_PERM;
    if (count > CRED_GROUPS_MAX)
        return -E_INVAL;
    struct cred_groups *g = cred_groups_new(count);
    if (g == NULL)
        return -E_NOMEM;
    int error = copy_from_user(g->id, SYS_ARG1(f), count * sizeof g->id[0]);
    for (u32 i = 0; i < count && error == 0; i++)
        error = g->id[i] == ~0u ? -E_INVAL : 0;
    if (error != 0) {
        cred_groups_release(g);
        return error;
    }
    return cred_set_groups(g);
}

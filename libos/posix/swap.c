/* SPDX-License-Identifier: MIT */
/* swapon, swapoff: nothing is ever paged out, and so no file is fit to hold pages.  Who may
 * not ask, and a name that leads nowhere, are told so as on any system; every file that is
 * there is EINVAL, as one without swap space on it. */
#include "posix/files.h"
#include "proc/cred.h"
#include "proc/proc.h"

#define SWAP_FLAGS 0x7ffffu

static int
no_swap_at(u64 path)
{
    struct at_arg a;
    int r = at_arg_find(&a, (u64)AT_FDCWD, path, WALK_FOLLOW);
    if (r != 0)
        return r;
    at_arg_done(&a);
    return -E_INVAL;
}

long
sys_swapon(struct user_frame *f)
{
    if ((SYS_ARG1(f) & ~(u64)SWAP_FLAGS) != 0)
        return -E_INVAL;
    if (!cred_can(cred_own(), CAP_SYS_ADMIN))
        return -E_PERM;
    return no_swap_at(SYS_ARG0(f));
}

long
sys_swapoff(struct user_frame *f)
{
    if (!cred_can(cred_own(), CAP_SYS_ADMIN))
        return -E_PERM;
    return no_swap_at(SYS_ARG0(f));
}

/* SPDX-License-Identifier: MIT */
/* vhangup(2). */
#include "posix/files.h"
#include "tty/tty.h"

long
sys_vhangup(struct user_frame *f)
{
    (void)f;
    if (!cred_can(cred_own(), CAP_SYS_TTY_CONFIG))
        return -E_PERM;
    tty_hangup_current();
    return 0;
}

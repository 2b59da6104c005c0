/* SPDX-License-Identifier: MIT */
/* unshare, setns: files and place can be made a process's own; there is one namespace of
 * each kind, and no other can be made or entered. */
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/cred.h"
#include "proc/proc.h"

#define CLONE_VM 0x100u
#define CLONE_FS 0x200u
#define CLONE_FILES 0x400u
#define CLONE_SIGHAND 0x800u
#define CLONE_THREAD 0x10000u
#define CLONE_SYSVSEM 0x40000u

long
sys_unshare(struct user_frame *f)
{
    u64 flags = SYS_ARG0(f);
    struct process *p = proc_current();
    if (flags & ~(u64)(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                       CLONE_SYSVSEM))
        return -E_INVAL;
    if ((flags & (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)) &&
        (p->nthreads > 1 || p->mm_shared))
        return -E_INVAL;
    if ((flags & (CLONE_FS | CLONE_FILES)) && p->nthreads > 1)
        return -E_INVAL; /* the threads of a process have them in common */
    return proc_unshare(p, (flags & CLONE_FILES) != 0, (flags & CLONE_FS) != 0);
}

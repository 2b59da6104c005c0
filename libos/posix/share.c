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
/* Namespaces that only the administrator may make: mounts, cgroups, names, SysV, processes,
 * network, time.  Those of users anybody may. */
#define CLONE_ADMIN (0x20000u | 0x2000000u | 0x4000000u | 0x8000000u | 0x20000000u | \
                     0x40000000u | 0x80u)
#define CLONE_NEWUSER 0x10000000u

long
sys_unshare(struct user_frame *f)
{
    u64 flags = SYS_ARG0(f);
    struct process *p = proc_current();
    u64 known = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                CLONE_SYSVSEM | CLONE_ADMIN | CLONE_NEWUSER;
    if (!(flags & ~known) && (flags & CLONE_ADMIN) && !(flags & CLONE_NEWUSER) &&
        !cred_can(cred_own(), CAP_SYS_ADMIN))
        return -E_PERM; /* who may not is told so, whether there is such a thing or not */
    if (flags & ~(u64)(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                       CLONE_SYSVSEM))
        return -E_INVAL;
    if ((flags & (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)) &&
        (p->nthreads > 1 || p->mm_shared))
        return -E_INVAL;
    if (flags & CLONE_SYSVSEM)
        proc_undo_semaphores();
    return proc_unshare((flags & CLONE_FILES) != 0, (flags & CLONE_FS) != 0);
}

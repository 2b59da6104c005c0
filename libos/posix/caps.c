/* SPDX-License-Identifier: MIT */
/* capget and capset: the three versions of Linux's interface. The rules are
 * proc/caps.c's. */
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/cred.h"
#include "proc/proc.h"

#define CAPABILITY_V1 0x19980330u
#define CAPABILITY_V2 0x20071026u
#define CAPABILITY_V3 0x20080522u
struct linux_cap_header {
    u32 version;
    i32 pid;
};
struct linux_cap_data {
    u32 effective, permitted, inheritable;
};

/* The header, and how many words a set has; for an unknown version the header says which
 * one is known. -E_FAULT -E_INVAL */
static int
read_header(uaddr at, struct linux_cap_header *h, u32 *words)
{
    if (copy_from_user(h, at, sizeof *h) != 0)
        return -E_FAULT;
    *words = h->version == CAPABILITY_V1 ? 1 : 2;
    if (h->version == CAPABILITY_V1 || h->version == CAPABILITY_V2 ||
        h->version == CAPABILITY_V3)
        return 0;
    u32 known = CAPABILITY_V3;
    return copy_to_user(at, &known, sizeof known) != 0 ? -E_FAULT : -E_INVAL;
}

/* The set of this thread; of the process whose first thread, which it was, has ended. */
static int
caps_of(i32 pid, u64 sets[3])
{
    struct process *p = pid == 0 ? proc_current() : proc_find_thread(pid);
    if (p == NULL)
        return -E_SRCH;
    spin_lock(&p->lock); /* it may be changing its ids */
    const struct cred *c =
        pid == 0 ? cred_own() : cred_of_locked(p, process_thread_locked(p, pid));
    sets[0] = c != NULL ? c->effective : 0;
    sets[1] = c != NULL ? c->permitted : 0;
    sets[2] = c != NULL ? c->inheritable : 0;
    spin_unlock(&p->lock);
    if (pid != 0)
        proc_release(p);
    return 0;
}

long
sys_capget(struct user_frame *f)
{
    struct linux_cap_header h;
    struct linux_cap_data data[2];
    u64 sets[3];
    u32 words;
    int error = read_header(SYS_ARG0(f), &h, &words);
    if (SYS_ARG1(f) == 0 && (error == -E_INVAL || error == 0))
        return 0; /* it asked for the version */
    if (error != 0)
        return error;
    if (h.pid < 0)
        return -E_INVAL;
    error = caps_of(h.pid, sets);
    if (error != 0)
        return error;
    for (u32 i = 0; i < words; i++)
        data[i] = (struct linux_cap_data){ (u32)(sets[0] >> (32 * i)),
                                           (u32)(sets[1] >> (32 * i)),
                                           (u32)(sets[2] >> (32 * i)) };
    return copy_to_user(SYS_ARG1(f), data, words * sizeof data[0]);
}

long
sys_capset(struct user_frame *f)
{
    struct linux_cap_header h;
    struct linux_cap_data data[2] = { { 0 } };
    u32 words;
    int error = read_header(SYS_ARG0(f), &h, &words);
    if (error != 0)
        return error;
    if (h.pid != 0 && h.pid != thread_current()->tid)
        return -E_PERM;
    if (copy_from_user(data, SYS_ARG1(f), words * sizeof data[0]) != 0)
        return -E_FAULT;
    return cred_set_caps(
                         data[0].effective | (u64)data[1].effective << 32,
                         data[0].permitted | (u64)data[1].permitted << 32,
                         data[0].inheritable | (u64)data[1].inheritable << 32);
}

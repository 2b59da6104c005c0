/* SPDX-License-Identifier: MIT */
/* Which process a node is of, and who may look at it (ptrace(2), "Ptrace access mode
 * checking", as far as it is about reading). */
#include "core/log.h"
#include "proc/cred.h"
#include "proc/proc.h"
#include "procfs/private.h"

struct process *
subject_get(const struct subject *s)
{
    struct process *p = proc_find(s->pid);
    if (p == NULL)
        return NULL;
    bool there = p->start_ns == s->start_ns; /* E2: else the number is another's now */
    if (there && s->tid != 0 && s->tid != s->pid) {
        spin_lock(&p->lock);
        there = process_thread_locked(p, s->tid) != NULL;
        spin_unlock(&p->lock);
    }
    if (there)
        return p;
    proc_release(p);
    return NULL;
}

bool
subject_is_current(const struct subject *s)
{
    struct process *self = proc_current();
    return self != NULL && self->pid == s->pid && self->start_ns == s->start_ns;
}

int
subject_may_inspect(struct process *p)
{
    return proc_current() == p || cred_may_inspect(p, false) ? 0 : -E_ACCES;
}

void
subject_owner(struct process *p, bool always, u32 *uid, u32 *gid)
{
    *uid = *gid = 0;
    spin_lock(&p->lock);
    if (p->cred != NULL && (always || p->dumpable == 1)) {
        *uid = p->cred->euid;
        *gid = p->cred->egid;
    }
    spin_unlock(&p->lock);
}

/* SPDX-License-Identifier: MIT */
/*
 * A process's own scheduling class (sched/own.c): all of its threads belong to it, those to come
 * too, until it executes another program; children begin without one.
 */
#include "core/sched.h"
#include "proc/internal.h"

static void
give_to(struct thread *t, struct sched_party *party, u32 slot)
{
    if (party != NULL)
        sched_party_hold(party);
    thread_set_party(t, party, slot);
}

void
proc_set_party(struct process *p, struct sched_party *party)
{
    spin_lock(&p->lock);
    struct sched_party *before = p->party;
    p->party = party;
    list_for_each(it, &p->threads)
        give_to(container_of(it, struct thread, process_link), party, 0);
    spin_unlock(&p->lock);
    if (before != NULL)
        sched_party_release(before);
}

void
process_party_enter_locked(struct process *p, struct thread *t)
{
    if (__builtin_expect(p->party != NULL, 0))
        give_to(t, p->party, 0);
}

int
proc_set_party_slot(struct process *p, i32 tid, u32 slot)
{
    spin_lock(&p->lock);
    struct thread *t = process_thread_locked(p, tid);
    int r = t == NULL || p->party == NULL ? -E_SRCH : slot >= SCHED_OWN_SLOTS ? -E_INVAL : 0;
    if (r == 0)
        give_to(t, p->party, slot);
    spin_unlock(&p->lock);
    return r;
}

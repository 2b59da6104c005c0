/* SPDX-License-Identifier: MIT */
/*
 * Out of memory: who is ended, and the wait for what that gives back (vm/oom.h).
 *
 * OM1. Whoever's end gives most back is ended: a page that is no file's counts with its
 *      share among those that map it.  Of equals the youngest; never pid 1.
 * OM2. One process is being ended at a time: `victim`.  Who needs memory meanwhile waits
 *      for its end, a bounded time, since he may hold what the victim needs to end.
 * Locking: `choosing` for victim; under it process->lock for a moment, and one mm's mutex
 * at a time.  The caller holds no mm's mutex.
 */
#include "vm/oom.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/page.h"
#include "proc/proc.h"
#include "signal/signal.h"
#include "vm/frames.h"
#include "vm/mm.h"
#include "vm/mm_private.h"

#define LEAST_WEIGHT 64u /* pages: to end less is no help */
#define STEP_NS 2000000ull
#define STEPS 500u       /* a second */
#define SHARE 256u       /* weight of a page: so many parts */

static struct mutex choosing = MUTEX_INIT(choosing);
static struct process *victim; /* [choosing] a reference */

/* What the end of a process would give back, in parts of pages. */
static u64
weight_of(struct process *p)
{
    u64 weight = 0;
    spin_lock(&p->lock); /* its end takes p->mm away under it, before the mm goes */
    struct mm *m = p->mm;
    if (m)
        atomic_fetch_add(&m->keeps, 1);
    spin_unlock(&p->lock);
    if (!m)
        return 0;
    mutex_lock(&m->lock);
    for (struct area *a = m->areas.first; a; a = a->next) {
        struct mmu_page page;
        for (uaddr at = a->start; mmu_next(&m->space, &at, a->end, &page);
             at += PAGE_SIZE)
            if (!page_cached(page.frame))
                weight += SHARE / MAX(page_maps(page.frame), 1ull);
    }
    mutex_unlock(&m->lock);
    mm_keep_drop(m);
    return weight;
}

/* OM1; a reference, or NULL. */
static struct process *
choose(u64 *weight)
{
    struct process *best = NULL;
    *weight = (u64)LEAST_WEIGHT * SHARE;
    for (struct process *p = proc_next(0), *next; p; p = next) {
        next = proc_next(p->pid);
        u64 w = p == proc_init_process ? 0 : weight_of(p);
        if (w > *weight || (best && w == *weight && p->start_ns > best->start_ns)) {
            struct process *worse = best;
            best = p;
            *weight = w;
            p = worse;
        }
        if (p)
            proc_release(p);
    }
    return best;
}

static bool
is_gone(const struct process *p)
{
    u32 state = atomic_load(&p->state);
    return state == PROC_ZOMBIE || state == PROC_DEAD;
}

/* The process that is being ended, chosen now if there is none; a reference, or NULL. */
static struct process *
current_victim(void)
{
    mutex_lock(&choosing);
    if (victim && is_gone(victim)) {
        proc_release(victim);
        victim = NULL;
    }
    if (!victim) {
        u64 weight;
        victim = choose(&weight);
        if (victim) {
            log_error("out of memory: process %d (%s) with %lu KiB is ended", victim->pid,
                      victim->name,
                      (unsigned long)(weight / SHARE * (PAGE_SIZE / 1024)));
            signal_send_process(victim, SIG_KILL, NULL);
        }
    }
    struct process *p = victim;
    if (p)
        proc_hold(p);
    mutex_unlock(&choosing);
    return p;
}

static bool
must_end(struct thread *t, const struct process *chosen)
{
    return t->process == chosen || proc_is_ending(t);
}

bool
oom_relieve(void)
{
    struct thread *t = thread_current();
    if (proc_is_ending(t))
        return false;
    struct process *p = current_victim();
    if (!p)
        return false;
    for (u32 i = 0; i < STEPS && !is_gone(p) && !must_end(t, p); i++) {
        thread_prepare(false);
        thread_block(clock_mono_ns() + STEP_NS);
    }
    bool again = is_gone(p) && !must_end(t, p);
    proc_release(p);
    return again;
}

/* SPDX-License-Identifier: MIT */
/*
 * Out of memory: who is ended, and the wait for what that gives back (vm/oom.h).
 *
 * OM1. Whoever's end gives most back is ended: a page that no file with a name has counts
 *      with its share among those that map it, and each thousandth of oom_score_adj as a
 *      thousandth of the memory.  Of equals the youngest; never pid 1, nor who has -1000.
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
#include "vm/pager.h"

#define LEAST_WEIGHT 64u /* pages: to end less is no help */
#define RELIEF 64u       /* pages that make nobody's end needed: a vCPU's cache of them */
#define STEP_NS 2000000ull
#define STEPS 500u       /* a second */
#define SHARE 256u       /* weight of a page: so many parts */

static struct mutex choosing = MUTEX_INIT(choosing);
static struct process *victim; /* [choosing] a reference */

struct weighing {
    const struct area *area;
    u64 weight;
};

static void
weigh_page(void *arg, uaddr va, const struct mmu_page *page)
{
    struct weighing *w = arg;
    (void)va;
    bool nameless = w->area->inode && !w->area->file && page->frame != frame_zero();
    if (nameless || !page_cached(page->frame))
        w->weight += SHARE / page_seen(page);
}

/* What the end of a process would give back, in parts of pages. */
static u64
weight_of(struct process *p)
{
    struct weighing w = { .weight = 0 };
    struct mm *m = mm_of(p);
    if (!m)
        return 0;
    mutex_lock(&m->lock);
    for (struct area *a = m->areas.first; a; a = a->next) {
        w.area = a;
        mmu_each(&m->space, a->start, a->end, weigh_page, &w);
    }
    mutex_unlock(&m->lock);
    mm_drop(m);
    return w.weight;
}

/* OM1: 0 for who is never ended. */
static u64
points_of(struct process *p)
{
    struct page_counts memory;
    i64 adjust = atomic_load_explicit(&p->oom_score_adj, memory_order_relaxed);
    u64 weight = weight_of(p);
    if (p == proc_init_process || adjust == -1000 || weight < (u64)LEAST_WEIGHT * SHARE)
        return 0;
    page_count(&memory);
    i64 points = (i64)weight + adjust * (i64)(memory.total * SHARE / 1000);
    return points > 0 ? (u64)points : 1;
}

u32
oom_score(struct process *p)
{
    struct page_counts memory;
    i64 adjust = atomic_load_explicit(&p->oom_score_adj, memory_order_relaxed);
    if (p == proc_init_process || adjust == -1000)
        return 0;
    page_count(&memory);
    i64 share = (i64)(weight_of(p) / SHARE * 1000 / MAX(memory.total, 1ull));
    i64 score = (1000 + share + adjust) * 2 / 3;
    return score > 0 ? (u32)score : 0;
}

/* OM1; a reference, or NULL. */
static struct process *
choose(void)
{
    struct process *best = NULL;
    u64 most = 0;
    for (struct process *p = proc_next(0), *next; p; p = next) {
        next = proc_next(p->pid);
        u64 points = points_of(p);
        if (points > most || (best && points == most && p->start_ns > best->start_ns)) {
            struct process *worse = best;
            best = p;
            most = points;
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
        victim = choose();
        if (victim) {
            u64 pages = weight_of(victim) / SHARE;
            spin_lock(&victim->lock); /* its ids may be changing */
            u32 uid = victim->cred ? victim->cred->uid : 0;
            spin_unlock(&victim->lock);
            log_error("out of memory: process %d (%s) with %lu KiB is ended "
                      "(user %u, oom_score_adj %d)",
                      victim->pid, victim->name,
                      (unsigned long)(pages * (PAGE_SIZE / 1024)),
                      uid,
                      atomic_load_explicit(&victim->oom_score_adj, memory_order_relaxed));
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
    if (pressure_relieve(RELIEF) >= RELIEF)
        return true;
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

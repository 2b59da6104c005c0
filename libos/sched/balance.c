/* SPDX-License-Identifier: MIT */
/*
 * Which vCPU a thread runs on.
 *
 * B1. No thread waits while a vCPU on which it may run sleeps: who becomes ready goes to one
 *     that sleeps if there is one; a vCPU says that it is about to sleep (sched_idle) before
 *     it looks at all queues for the last time, and who puts a thread into a queue looks at
 *     sched_idle after it.
 * B2. Among threads of higher precedence than the fair class the highest run, on whatever
 *     vCPU: who becomes ready goes to the vCPU of least precedence; a vCPU whose precedence
 *     falls pulls the best that waits elsewhere; who is preempted leaves for a vCPU of less.
 * B3. Fair threads are balanced by number: at a tick a vCPU takes one of a queue with two
 *     more than its own; now and then of one with one more, so that three threads share two
 *     vCPUs.
 * Hints are read without locks (class.h, S4), and looked at again under them.
 */
#include "core/sched.h"

#include <abi/layout.h>

#include "core/machine.h"
#include "sched/class.h"

_Atomic u64 sched_idle;

#define EVEN_MS 96u /* B3: now and then */

static u32
load_of(const struct lcpu *c)
{
    return __atomic_load_n(&queue_of(c)->q.queued, __ATOMIC_RELAXED) +
           (__atomic_load_n(&c->current, __ATOMIC_RELAXED) != c->idle);
}

/* Of who runs there, or is about to. */
static u8
top_of(const struct lcpu *c)
{
    u8 top = __atomic_load_n(&queue_of(c)->top, __ATOMIC_RELAXED);
    u8 best = __atomic_load_n(&queue_of(c)->best, __ATOMIC_RELAXED);
    return MAX(top, best);
}

static struct lcpu *
next_lcpu(const struct lcpu *c, u32 i)
{
    return &lcpus[(c->id + i) % lcpu_count];
}

static bool
may_use(const struct thread *t, const struct lcpu *c)
{
    return sched_allowed(t, c) && c->queue != NULL;
}

/* The one with the fewest that run or wait, its own if there are others with as few. */
static struct lcpu *
place_evenly(struct thread *t)
{
    struct lcpu *best = NULL;
    u32 fewest = ~0u;
    for (u32 i = 0; i < lcpu_count; i++) {
        struct lcpu *c = next_lcpu(t->cpu, i);
        if (!may_use(t, c) || load_of(c) >= fewest)
            continue;
        fewest = load_of(c);
        best = c;
    }
    return best != NULL ? best : t->cpu;
}

/* The vCPU of least precedence, if that is less than its own. */
static struct lcpu *
place_by_precedence(struct thread *t)
{
    struct lcpu *best = NULL;
    u32 least = precedence(t);
    for (u32 i = 0; i < lcpu_count; i++) {
        struct lcpu *c = next_lcpu(t->cpu, i);
        if (!may_use(t, c) || top_of(c) >= least)
            continue;
        least = top_of(c);
        best = c;
    }
    return best != NULL ? best : sched_allowed(t, t->cpu) ? t->cpu : place_evenly(t);
}

static struct lcpu *
place_at_sleeping(struct thread *t)
{
    u64 idle = atomic_load_explicit(&sched_idle, memory_order_relaxed) & t->sched.allowed;
    for (; idle != 0; idle &= idle - 1) {
        struct lcpu *c = &lcpus[__builtin_ctzll(idle)];
        if (c->queue != NULL && queue_of(c)->q.queued == 0)
            return c;
    }
    return NULL;
}

struct lcpu *
sched_place(struct thread *t, enum sched_why why)
{
    struct lcpu *own = t->cpu;
    if (lcpu_count == 1)
        return own;
    bool may = sched_allowed(t, own);
    if (may && own->current == own->idle && queue_of(own)->q.queued == 0)
        return own;
    struct lcpu *c = place_at_sleeping(t);
    if (c != NULL)
        return c;
    if (__builtin_expect(!is_fair(t), 0))
        return place_by_precedence(t);
    return may && why != SCHED_NEW ? own : place_evenly(t);
}

/* With the lock of other's queue held: t, which waits there, is on its way to c. */
static void
uproot(struct thread *t, struct lcpu *other, struct lcpu *c)
{
    sched_take(other, t);
    sched_migrate(t, other, c);
    __atomic_store_n(&t->cpu, c, __ATOMIC_RELAXED);
}

struct thread *
sched_steal(struct lcpu *c, bool sure)
{
    for (u32 i = 1; i < lcpu_count; i++) {
        struct lcpu *other = next_lcpu(c, i);
        struct sched_queue *q = queue_of(other);
        if (!q || __atomic_load_n(&q->q.queued, __ATOMIC_RELAXED) == 0)
            continue;
        if (sure)
            spin_lock(&q->q.lock);
        else if (!spin_try(&q->q.lock))
            continue;
        struct thread *t = sched_first(q, 1ull << c->id);
        if (t)
            uproot(t, other, c);
        spin_unlock(&q->q.lock);
        if (t)
            return t;
    }
    return NULL;
}

void
sched_pull(struct lcpu *c, u64 now)
{
    struct sched_queue *own = queue_of(c);
    for (u32 i = 1; i < lcpu_count; i++) {
        struct lcpu *other = next_lcpu(c, i);
        struct sched_queue *q = queue_of(other);
        if (!q || __atomic_load_n(&q->best, __ATOMIC_RELAXED) <= own->best ||
            !spin_try(&q->q.lock))
            continue;
        struct thread *t = sched_first(q, 1ull << c->id);
        bool comes = t != NULL && precedence(t) > own->best;
        if (comes)
            uproot(t, other, c);
        spin_unlock(&q->q.lock);
        if (comes)
            (void)sched_put(own, t, SCHED_PREEMPTED, now);
    }
}

bool
sched_is_better_off(const struct thread *t, const struct lcpu *c)
{
    u8 own = precedence(t);
    if (own == 0 || queue_of(c)->best <= own)
        return false;
    for (u32 i = 1; i < lcpu_count; i++) {
        struct lcpu *other = next_lcpu(c, i);
        if (may_use(t, other) && top_of(other) < own)
            return true;
    }
    return false;
}

/* B3 */
struct thread *
sched_balance(struct lcpu *c, u64 now)
{
    u64 even_ticks = machine_record->tsc_hz / 1000 * EVEN_MS;
    struct sched_queue *own = queue_of(c);
    struct lcpu *most = NULL;
    bool evens = now - own->balanced >= even_ticks;
    u32 least = load_of(c) + (evens ? 1 : 2);
    if (evens)
        own->balanced = now;
    for (u32 i = 1; i < lcpu_count; i++) {
        struct lcpu *other = next_lcpu(c, i);
        if (other->queue == NULL || load_of(other) < least)
            continue;
        least = load_of(other) + 1;
        most = other;
    }
    struct sched_queue *q = most != NULL ? queue_of(most) : NULL;
    if (q == NULL || !spin_try(&q->q.lock))
        return NULL;
    bool any = waiting_of(q, RANK_FAIR) + waiting_of(q, RANK_OWN) != 0;
    struct thread *t = any ? fair_class.first(q, 1ull << c->id) : NULL;
    if (t != NULL)
        uproot(t, most, c);
    spin_unlock(&q->q.lock);
    return t;
}

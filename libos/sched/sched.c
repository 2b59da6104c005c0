/* SPDX-License-Identifier: MIT */
/*
 * Fair scheduling over vCPUs: of those that wait, the thread runs next that has had the
 * least weighted time (as in
 * Jones and Regehr's and Waldspurger's proportional share work, and Linux's CFS).
 *
 * R1. vruntime counts TSC ticks, scaled by NICE_0 / weight; the queue is ordered by it.
 * R2. min_vruntime never goes back; who sleeps long returns at most half a latency before
 *     it, so that sleeping saves no time up.
 * R3. While somebody waits, slice_end is when the running thread has had its part of the
 *     latency; else it is ~0, and no timer
 *     is armed for it.
 * Locking: Q1-Q3 in core/sched.h.
 */
#include "core/sched.h"

#include <abi/layout.h>

#include "core/log.h"
#include "core/machine.h"

#define LATENCY_MS 6u   /* everyone that waits gets its turn within this,
    while few wait */
#define LEAST_MS 1u     /* a turn is not shorter than this */
#define NICE_0 1024u

static struct runq queues[FB_CPUS_MAX];
static u64 latency_ticks, least_ticks, wakeup_ticks;

/* 1024 * 1.25^-nice, rounded: each step is about ten percent of a CPU between two. */
static const u32 weights[40] = {
    88818, 71054, 56843, 45475, 36380, 29104, 23283, 18626, 14901, 11921, 9537, 7629,
        6104, 4883,
    3906,  3125,  2500,  2000,  1600,  1280,  1024,  819,   655,   524,   419,  336,  268,
        215,
    172,   137,   110,   88,    70,    56,    45,    36,    29,    23,    18,   15,
};

static int
fair_compare(const struct tree_node *a, const struct tree_node *b)
{
    u64 x = container_of(a, struct sched_entity, node)->vruntime;
    u64 y = container_of(b, struct sched_entity, node)->vruntime;
    return x < y ? -1 : x > y;
}

static struct thread *
thread_of(struct tree_node *n)
{
    return n ? container_of(n, struct thread, sched.node) : NULL;
}

void
sched_init(void)
{
    u64 ms = machine_record->tsc_hz / 1000;
    latency_ticks = LATENCY_MS * ms;
    least_ticks = LEAST_MS * ms;
    wakeup_ticks = LEAST_MS * ms;
}

void
sched_init_lcpu(struct lcpu *c)
{
    struct runq *q = &queues[c->id];
    tree_init(&q->fair, fair_compare);
    q->slice_end = FB_FOREVER;
    q->min_vruntime = 1ull << 40; /* room below for R2 */
    c->queue = q;
}

void
sched_init_thread(struct thread *t, const struct thread *parent)
{
    t->sched.nice = parent ? parent->sched.nice : 0;
    t->sched.weight = weights[t->sched.nice + 20];
    t->sched.vruntime = runq_of(t->cpu)->min_vruntime;
}

void
sched_set_nice(struct thread *t, int nice)
{
    nice = MAX(-20, MIN(19, nice));
    t->sched.nice = nice;
    /* a queued weight is part of the load; sched_pick takes the new one */
    if (!t->sched.queued)
        t->sched.weight = weights[nice + 20];
}

/* R1 */
static inline u64
weighted(const struct thread *t, u64 ticks)
{
    return t->sched.weight == NICE_0 ? ticks : ticks * NICE_0 / t->sched.weight;
}

void
sched_charge(struct lcpu *c, struct thread *t)
{
    u64 now = machine_tsc();
    u64 ticks = now - t->sched.started;
    t->sched.started = now;
    t->sched.runtime += ticks;
    if (t == c->idle)
        return;
    t->sched.vruntime += weighted(t, ticks);
    struct runq *q = runq_of(c);
    u64 least = t->sched.vruntime;
    struct thread *first = thread_of(tree_first(&q->fair));
    if (first && first->sched.vruntime < least)
        least = first->sched.vruntime;
    q->min_vruntime = MAX(q->min_vruntime, least);
}

void
sched_put(struct lcpu *c, struct thread *t, enum sched_put_reason why)
{
    struct runq *q = runq_of(c);
    struct sched_entity *e = &t->sched;
    switch (why) {
    case SCHED_NEW:
        e->vruntime = MAX(e->vruntime, q->min_vruntime);
        break;
    case SCHED_WOKEN:
        e->vruntime = MAX(e->vruntime, q->min_vruntime - latency_ticks / 2);
        break;
    case SCHED_PREEMPTED:
        break;
    /* behind the first that waits, so that yielding threads alternate */
    case SCHED_YIELDED: {
        struct thread *first = thread_of(tree_first(&q->fair));
        if (first)
            e->vruntime = MAX(e->vruntime, first->sched.vruntime + 1);
        break;
    }
    }
    ASSERT(!e->queued);
    e->queued = 1;
    q->queued++;
    q->load += e->weight;
    tree_insert_equal(&q->fair, &e->node);
}

static void
take_out(struct runq *q, struct thread *t)
{
    struct sched_entity *e = &t->sched;
    tree_remove(&q->fair, &e->node);
    q->queued--;
    q->load -= e->weight;
    e->queued = 0;
    e->weight = weights[e->nice + 20];
}

struct thread *
sched_pick(struct lcpu *c)
{
    struct runq *q = runq_of(c);
    struct thread *t = thread_of(tree_first(&q->fair));
    if (t)
        take_out(q, t);
    return t;
}

void
sched_start_slice(struct lcpu *c)
{
    struct runq *q = runq_of(c);
    struct thread *t = c->current;
    if (q->queued == 0 || t == c->idle) {
        q->slice_end = FB_FOREVER;
        return;
    }
    u64 part = latency_ticks * t->sched.weight / (q->load + t->sched.weight);
    q->slice_end = machine_tsc() + MAX(part, least_ticks);
}

bool
sched_slice_over(struct lcpu *c)
{
    struct runq *q = runq_of(c);
    return q->queued && machine_tsc() >= q->slice_end;
}

bool
sched_preempts(struct lcpu *c, struct thread *woken)
{
    struct thread *t = c->current;
    if (t == c->idle)
        return true;
    u64 now = machine_tsc();
    u64 run = now - t->sched.started;
    u64 v = t->sched.vruntime + weighted(t, run);
    return woken->sched.vruntime + wakeup_ticks < v;
}

void
sched_migrate(struct thread *t, struct lcpu *from, struct lcpu *to)
{
    /* may be negative: modulo 2^64 */
    u64 lead = t->sched.vruntime - runq_of(from)->min_vruntime;
    t->sched.vruntime = runq_of(to)->min_vruntime + lead;
}

/* An idle vCPU, its own first; else its own. */
struct lcpu *
sched_place(struct thread *t)
{
    struct lcpu *own = t->cpu;
    if (lcpu_count == 1)
        return own;
    if (own->current == own->idle && runq_of(own)->queued == 0)
        return own;
    for (u32 i = 1; i < lcpu_count; i++) {
        struct lcpu *c = &lcpus[(own->id + i) % lcpu_count];
        if (atomic_load_explicit(&c->sleeping, memory_order_relaxed) &&
            runq_of(c)->queued == 0)
            return c;
    }
    return own;
}

struct thread *
sched_steal(struct lcpu *c)
{
    for (u32 i = 1; i < lcpu_count; i++) {
        struct lcpu *other = &lcpus[(c->id + i) % lcpu_count];
        struct runq *q = runq_of(other);
        if (!q || __atomic_load_n(&q->queued, __ATOMIC_RELAXED) == 0 ||
            !spin_try(&q->lock))
            continue;
        struct thread *t = sched_pick(other);
        if (t) {
            sched_migrate(t, other, c);
            __atomic_store_n(&t->cpu, c, __ATOMIC_RELAXED);
        }
        spin_unlock(&q->lock);
        if (t)
            return t;
    }
    return NULL;
}

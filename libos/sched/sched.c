/* SPDX-License-Identifier: MIT */
/*
 * The scheduler over its classes (class.h), and the choice of a vCPU.
 *
 * While somebody waits, slice_end is when the running thread has had its part; else it is
 * ~0, and no timer is armed for it.
 * Locking: Q1-Q3 in core/sched.h.
 */
#include "core/sched.h"

#include <abi/layout.h>

#include "core/log.h"
#include "core/machine.h"
#include "sched/class.h"

static struct runq queues[FB_CPUS_MAX];

void
sched_init(void)
{
    fair_init();
}

void
sched_init_lcpu(struct lcpu *c)
{
    struct runq *q = &queues[c->id];
    fair_init_queue(q);
    rt_init_queue(q);
    q->slice_end = FB_FOREVER;
    c->queue = q;
}

void
sched_init_thread(struct thread *t, const struct thread *parent)
{
    struct sched_entity *e = &t->sched;
    e->allowed = ~0ull;
    if (parent) {
        const struct sched_entity *from = &parent->sched;
        e->nice = from->nice;
        if (from->allowed != 0)
            e->allowed = from->allowed;
        e->policy = from->policy;
        e->own_priority = from->own_priority;
        if (from->reset_on_fork) {
            e->nice = MAX(e->nice, 0);
            if (e->own_priority != 0)
                e->policy = SCHED_FAIR;
            e->own_priority = 0;
        }
        e->priority = e->own_priority;
    }
    fair_init_thread(runq_of(t->cpu), t);
}

u64
sched_interval_ticks(const struct thread *t)
{
    if (t->sched.policy == SCHED_RT_FIFO)
        return 0;
    return t->sched.policy == SCHED_RT_RR ? rt_slice_ticks() : fair_latency_ticks();
}

void
sched_set_nice(struct thread *t, int nice)
{
    t->sched.nice = MAX(-20, MIN(19, nice));
    fair_set_weight(t);
}

static inline __attribute__((always_inline)) void
put(struct runq *q, struct thread *t, enum sched_why why, u64 now)
{
    ASSERT(!t->sched.queued);
    t->sched.queued = 1;
    q->queued++;
    if (is_rt(t))
        rt_put(q, t, why, now);
    else
        fair_put(q, t, why, now);
}

void
sched_take(struct lcpu *c, struct thread *t)
{
    struct runq *q = runq_of(c);
    if (is_rt(t))
        rt_take(q, t);
    else
        fair_take(q, t);
    q->queued--;
    t->sched.queued = 0;
}

static struct thread *
first_for(struct runq *q, u64 cpus)
{
    struct thread *t = q->rt_queued ? rt_first(q, cpus) : NULL; /* S1 */
    return t ? t : fair_first(q, cpus);
}

static inline void
charge(struct runq *q, struct thread *t, u64 now)
{
    u64 ticks = now - t->sched.started;
    t->sched.started = now;
    t->sched.runtime += ticks;
    if (!is_rt(t))
        fair_charge(q, t, ticks);
}

static inline u64
slice_end(struct runq *q, struct thread *t, u64 now)
{
    if (q->queued == 0)
        return FB_FOREVER;
    return is_rt(t) ? rt_slice_end(q, t, now) : fair_slice_end(q, now);
}

/* The same as below where a real-time thread waits, or gives way. */
static __attribute__((noinline)) struct thread *
next_of_all(struct runq *q, struct thread *t, enum sched_why why, u64 now)
{
    if (why != SCHED_GONE)
        put(q, t, why, now);
    struct thread *next = first_for(q, ~0ull); /* S1 */
    if (is_rt(next))
        rt_take(q, next);
    else
        fair_take(q, next);
    q->queued--;
    return next;
}

struct thread *
sched_next(struct lcpu *c, struct thread *t, enum sched_why why, u64 now)
{
    struct runq *q = runq_of(c);
    struct thread *next;
    if (t != c->idle)
        charge(q, t, now);
    if (q->queued == 0) {
        q->slice_end = FB_FOREVER;
        return why == SCHED_GONE ? NULL : t;
    }
    if (__builtin_expect((q->rt_queued | t->sched.priority) != 0, 0)) {
        next = next_of_all(q, t, why, now);
    } else if (why == SCHED_GONE) {
        next = fair_pick(q);
        q->queued--;
    } else {
        t->sched.queued = 1;
        next = fair_exchange(q, t, why, now);
    }
    next->sched.queued = 0;
    q->slice_end = slice_end(q, next, now);
    return next;
}

/* t is in no queue. */
static void
set_priority(struct lcpu *c, struct thread *t)
{
    u8 priority = MAX(t->sched.own_priority, t->sched.lent_priority);
    if (is_rt(t) && priority == 0) /* its time is that of those who waited */
        t->sched.vruntime = runq_of(c)->min_vruntime;
    t->sched.priority = priority;
}

void
sched_boost(struct lcpu *c, struct thread *t, u32 priority)
{
    bool queued = t->sched.queued != 0;
    if (queued)
        sched_take(c, t);
    t->sched.lent_priority = (u8)priority;
    set_priority(c, t);
    if (queued)
        put(runq_of(c), t, SCHED_NEW, machine_tsc());
}

void
sched_change(struct lcpu *c, struct thread *t, const struct sched_params *to)
{
    bool queued = t->sched.queued != 0;
    if (queued)
        sched_take(c, t);
    t->sched.policy = (u8)to->policy;
    t->sched.own_priority = (u8)to->priority;
    set_priority(c, t);
    t->sched.nice = to->nice;
    t->sched.reset_on_fork = to->reset_on_fork;
    fair_set_weight(t);
    if (queued)
        put(runq_of(c), t, SCHED_NEW, machine_tsc());
}

void
sched_start_slice(struct lcpu *c, u64 now)
{
    struct runq *q = runq_of(c);
    q->slice_end = slice_end(q, c->current, now);
}

bool
sched_slice_over(struct lcpu *c)
{
    struct runq *q = runq_of(c);
    return q->queued && machine_tsc() >= q->slice_end;
}

bool
sched_ready(struct lcpu *c, struct thread *t, enum sched_why why, u64 now)
{
    struct runq *q = runq_of(c);
    struct thread *running = c->current;
    put(q, t, why, now);
    if (running == c->idle)
        return false;
    if (q->queued == 1)
        q->slice_end = slice_end(q, running, now);
    if ((running->sched.priority | t->sched.priority) != 0)
        return t->sched.priority > running->sched.priority; /* S1 */
    return fair_preempts(running, t, now);
}

void
sched_migrate(struct thread *t, struct lcpu *from, struct lcpu *to)
{
    /* may be negative: modulo 2^64 */
    u64 lead = t->sched.vruntime - runq_of(from)->min_vruntime;
    t->sched.vruntime = runq_of(to)->min_vruntime + lead;
    if (t->rseq != 0)
        thread_set_work(t, WORK_RSEQ);
}

/* Of those that it may run on: one that idles, else the one with the fewest that wait. */
static struct lcpu *
place_elsewhere(struct thread *t)
{
    struct lcpu *best = t->cpu;
    u32 fewest = ~0u;
    for (u32 i = 0; i < lcpu_count; i++) {
        struct lcpu *c = &lcpus[i];
        if (!sched_allowed(t, c) || c->queue == NULL)
            continue;
        u32 n = runq_of(c)->queued + (c->current != c->idle);
        if (n < fewest) {
            fewest = n;
            best = c;
        }
    }
    return best;
}

/* An idle vCPU, its own first; else its own. */
struct lcpu *
sched_place(struct thread *t)
{
    struct lcpu *own = t->cpu;
    if (lcpu_count == 1)
        return own;
    if (__builtin_expect(!sched_allowed(t, own), 0))
        return place_elsewhere(t);
    if (own->current == own->idle && runq_of(own)->queued == 0)
        return own;
    for (u32 i = 1; i < lcpu_count; i++) {
        struct lcpu *c = &lcpus[(own->id + i) % lcpu_count];
        if (atomic_load_explicit(&c->sleeping, memory_order_relaxed) &&
            runq_of(c)->queued == 0 && sched_allowed(t, c))
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
        struct thread *t = first_for(q, 1ull << c->id);
        if (t) {
            sched_take(other, t);
            sched_migrate(t, other, c);
            __atomic_store_n(&t->cpu, c, __ATOMIC_RELAXED);
        }
        spin_unlock(&q->lock);
        if (t)
            return t;
    }
    return NULL;
}

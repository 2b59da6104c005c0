/* SPDX-License-Identifier: MIT */
/*
 * The scheduler over its classes (class.h has the invariants); balance.c chooses vCPUs.
 *
 * While somebody waits, slice_end is when the running thread has had its part; else it is
 * ~0 unless its class bounds it, and no timer is armed for it.
 * Locking: Q1-Q3 in core/sched.h.
 */
#include "core/sched.h"

#include <abi/layout.h>

#include "core/log.h"
#include "core/machine.h"
#include "sched/class.h"

static const struct sched_class *const classes[SCHED_CLASSES] = {
    [RANK_FAIR] = &fair_class,
    [RANK_OWN] = &own_class,
    [RANK_RT] = &rt_class,
    [RANK_DEADLINE] = &deadline_class,
};

static struct sched_queue queues[FB_CPUS_MAX];

void
sched_init(void)
{
    for (u32 i = 0; i < SCHED_CLASSES; i++)
        if (classes[i]->init != NULL)
            classes[i]->init();
}

void
sched_init_lcpu(struct lcpu *c)
{
    struct sched_queue *q = &queues[c->id];
    for (u32 i = 0; i < SCHED_CLASSES; i++)
        classes[i]->init_queue(q);
    q->q.slice_end = FB_FOREVER;
    c->queue = q;
}

static u8
rank_of(const struct sched_entity *e)
{
    return e->policy == SCHED_BY_DEADLINE ? RANK_DEADLINE
           : e->priority != 0          ? RANK_RT
           : e->party != NULL          ? RANK_OWN
                                       : RANK_FAIR;
}

/* A child is what it is, but for its place and what it had. */
static inline bool
is_plain(const struct sched_entity *e)
{
    return e->policy == SCHED_FAIR && e->own_priority == 0 && !e->reset_on_fork &&
           e->allowed != 0;
}

void
sched_init_thread(struct thread *t, const struct thread *parent)
{
    struct sched_entity *e = &t->sched;
    e->allowed = ~0ull;
    if (parent != NULL && is_plain(&parent->sched)) {
        e->nice = parent->sched.nice;
        e->allowed = parent->sched.allowed;
        e->weight = parent->sched.weight;
        fair_class.join(queue_of(t->cpu), t, 0);
        return;
    }
    if (parent) {
        const struct sched_entity *from = &parent->sched;
        e->nice = from->nice;
        if (from->allowed != 0)
            e->allowed = from->allowed;
        bool keeps = from->policy != SCHED_BY_DEADLINE; /* a reserve is for one thread */
        e->policy = keeps ? from->policy : SCHED_FAIR;
        e->own_priority = keeps ? from->own_priority : 0;
        if (from->reset_on_fork) {
            e->nice = MAX(e->nice, 0);
            if (e->own_priority != 0)
                e->policy = SCHED_FAIR;
            e->own_priority = 0;
        }
        e->priority = e->own_priority;
    }
    e->rank = rank_of(e);
    fair_set_weight(t);
    classes[e->rank]->join(queue_of(t->cpu), t, 0);
}

void
sched_thread_ends(struct thread *t)
{
    if (__builtin_expect(t->sched.reserve.timer.fire != NULL, 0))
        deadline_leave(t);
    if (__builtin_expect(t->sched.party != NULL, 0))
        thread_set_party(t, NULL, 0);
}

u64
sched_interval_ticks(const struct thread *t)
{
    return classes[t->sched.rank]->interval(t);
}

void
sched_set_nice(struct thread *t, int nice)
{
    t->sched.nice = MAX(-20, MIN(19, nice));
    fair_set_weight(t);
}

/* ---- queues ---- */

/* Not of rank 0. */
static __attribute__((noinline)) bool
put_other(struct sched_queue *q, struct thread *t, enum sched_why why, u64 now)
{
    if (!classes[t->sched.rank]->put(q, t, why, now))
        return false;
    q->others++;
    q->waiting[t->sched.rank]++;
    q->best = MAX(q->best, precedence(t));
    return true;
}

static inline __attribute__((always_inline)) bool
put(struct sched_queue *q, struct thread *t, enum sched_why why, u64 now)
{
    ASSERT(!t->sched.queued);
    if (__builtin_expect(t->sched.rank == RANK_FAIR, 1))
        fair_put(q, t, why, now);
    else if (!put_other(q, t, why, now))
        return false;
    t->sched.queued = 1;
    q->q.queued++;
    return true;
}

bool
sched_put(struct sched_queue *q, struct thread *t, enum sched_why why, u64 now)
{
    return put(q, t, why, now);
}

void
sched_take(struct lcpu *c, struct thread *t)
{
    struct sched_queue *q = queue_of(c);
    u8 rank = t->sched.rank;
    classes[rank]->take(q, t);
    q->q.queued--;
    t->sched.queued = 0;
    if (rank == RANK_FAIR)
        return;
    q->waiting[rank]--;
    q->others--;
    q->best = q->waiting[RANK_DEADLINE] != 0 ? PRECEDENCE_DEADLINE : rt_best(q);
}

struct thread *
sched_first(struct sched_queue *q, u64 cpus)
{
    for (u32 rank = SCHED_CLASSES; rank-- > 0;) {
        struct thread *t = waiting_of(q, rank) == 0 ? NULL
                                                    : classes[rank]->first(q, cpus);
        if (t != NULL)
            return t;
    }
    return NULL;
}

/* S1: who should run here. */
static struct thread *
choose(struct sched_queue *q, u64 now)
{
    u32 lower = q->q.queued;
    u64 until;
    for (u32 rank = SCHED_CLASSES; rank-- > 0;) {
        const struct sched_class *class = classes[rank];
        u32 here = waiting_of(q, rank);
        lower -= here;
        if (here == 0 ||
            (lower != 0 && class->spent != NULL && class->spent(q, now, &until)))
            continue;
        struct thread *t = class->first(q, ~0ull);
        if (t != NULL)
            return t;
    }
    return sched_first(q, ~0ull);
}

static inline void
charge(struct sched_queue *q, struct thread *t, u64 now)
{
    u64 ticks = now - t->sched.started;
    t->sched.started = now;
    t->sched.runtime += ticks;
    if (__builtin_expect(t->sched.rank == RANK_FAIR, 1))
        fair_charge(q, t, ticks, now);
    else
        classes[t->sched.rank]->charge(q, t, ticks, now);
}

/* Of a thread of another class, or while one waits. */
static __attribute__((noinline)) u64
slice_end_of_all(struct sched_queue *q, struct thread *t, u64 now)
{
    u64 end = q->q.queued == 0 && is_fair(t)
                  ? FB_FOREVER
                  : classes[t->sched.rank]->slice_end(q, t, now);
    u64 until;
    for (u32 rank = t->sched.rank + 1u; rank < SCHED_CLASSES; rank++)
        if (q->waiting[rank] != 0 && classes[rank]->spent != NULL &&
            classes[rank]->spent(q, now, &until))
            end = MIN(end, until);
    return end;
}

static inline u64
slice_end(struct sched_queue *q, struct thread *t, u64 now)
{
    if (__builtin_expect((q->others | t->sched.rank) != 0, 0))
        return slice_end_of_all(q, t, now);
    return q->q.queued == 0 ? FB_FOREVER : fair_slice_end(q, t, now);
}

/* The same as below where a thread of another class waits, or gives way. */
static __attribute__((noinline)) struct thread *
next_of_all(struct lcpu *c, struct thread *t, enum sched_why why, u64 now)
{
    struct sched_queue *q = queue_of(c);
    if (why != SCHED_GONE)
        (void)sched_put(q, t, why, now);
    if (lcpu_count > 1 && q->best < q->top)
        sched_pull(c, now);
    struct thread *next = choose(q, now);
    q->top = next != NULL ? precedence(next) : 0;
    if (next != NULL) {
        sched_take(c, next);
        next->sched.started = now; /* for its slice's end */
    }
    return next;
}

struct thread *
sched_next(struct lcpu *c, struct thread *t, enum sched_why why, u64 now)
{
    struct sched_queue *q = queue_of(c);
    struct thread *next;
    if (t != c->idle)
        charge(q, t, now);
    if (__builtin_expect((q->others | t->sched.rank) != 0, 0)) {
        next = next_of_all(c, t, why, now);
        q->q.slice_end = next != NULL ? slice_end(q, next, now) : FB_FOREVER;
        return next;
    }
    if (q->q.queued == 0) {
        q->q.slice_end = FB_FOREVER;
        return why == SCHED_GONE ? NULL : t;
    }
    if (why == SCHED_GONE) {
        next = fair_pick(q);
        q->q.queued--;
    } else {
        t->sched.queued = 1;
        next = fair_exchange(q, t, why, now);
    }
    next->sched.queued = 0;
    q->q.slice_end = q->q.queued == 0 ? FB_FOREVER : fair_slice_end(q, next, now);
    return next;
}

/* ---- changes ---- */

/* t is in no queue; what its class depends on has changed. */
static void
set_rank(struct lcpu *c, struct thread *t)
{
    struct sched_entity *e = &t->sched;
    u8 before = e->rank;
    e->priority = e->policy == SCHED_BY_DEADLINE ? SCHED_RT_LEVELS - 1
                                              : MAX(e->own_priority, e->lent_priority);
    e->rank = rank_of(e);
    bool fairs = before <= RANK_OWN && e->rank <= RANK_OWN; /* its vruntime goes on */
    if ((e->rank != before && !fairs) || e->rank == RANK_DEADLINE)
        classes[e->rank]->join(queue_of(c), t, machine_tsc());
    if (c->current == t)
        queue_of(c)->top = precedence(t);
}

void
sched_boost(struct lcpu *c, struct thread *t, u32 priority)
{
    bool queued = t->sched.queued != 0;
    if (queued)
        sched_take(c, t);
    t->sched.lent_priority = (u8)priority;
    if (t->sched.rank != RANK_DEADLINE)
        set_rank(c, t);
    if (queued)
        (void)sched_put(queue_of(c), t, SCHED_NEW, machine_tsc());
}

void
sched_change(struct lcpu *c, struct thread *t, const struct sched_params *to)
{
    struct sched_entity *e = &t->sched;
    bool ready = e->queued != 0 || e->reserve.aside;
    if (e->queued != 0)
        sched_take(c, t);
    e->reserve.aside = false;
    e->policy = (u8)to->policy;
    e->own_priority = (u8)to->priority;
    e->nice = to->nice;
    e->reset_on_fork = to->reset_on_fork;
    e->reserve.params = to->reserve;
    set_rank(c, t);
    fair_set_weight(t);
    if (ready)
        (void)sched_put(queue_of(c), t, SCHED_NEW, machine_tsc());
}

struct sched_party *
sched_set_party(struct lcpu *c, struct thread *t, struct sched_party *party, u32 slot)
{
    struct sched_entity *e = &t->sched;
    struct sched_party *before = e->party;
    bool queued = e->queued != 0;
    if (queued)
        sched_take(c, t);
    e->party = party;
    e->own_slot = slot;
    e->own_key = 0;
    if (rank_of(e) != e->rank) /* a reserve goes on as it is */
        set_rank(c, t);
    if (queued)
        (void)sched_put(queue_of(c), t, SCHED_PREEMPTED, machine_tsc());
    return before;
}

bool
sched_return(struct lcpu *c, struct thread *t)
{
    (void)c;
    return deadline_return(t, machine_tsc());
}

/* ---- the running thread's turn ---- */

bool
sched_turn_over(struct lcpu *c, u64 now)
{
    struct sched_queue *q = queue_of(c);
    if (q->q.queued != 0 && q->q.slice_end == FB_FOREVER)
        q->q.slice_end = slice_end(q, c->current, now);
    return now >= q->q.slice_end;
}

/* t has come beside `running`, one of them of another class than the fair one. */
static __attribute__((noinline)) bool
ready_of_all(struct sched_queue *q, struct thread *running, struct thread *t, u64 now)
{
    const struct sched_class *class = classes[t->sched.rank];
    u64 until;
    if (t->sched.rank == running->sched.rank)
        return class->preempts(running, t, now);
    if (is_fair(t) && is_fair(running))
        return fair_preempts(running, t, now);
    if (t->sched.rank > running->sched.rank &&
        (class->spent == NULL || !class->spent(q, now, &until)))
        return true;
    q->q.slice_end = MIN(q->q.slice_end, slice_end(q, running, now));
    return false;
}

bool
sched_ready(struct lcpu *c, struct thread *t, enum sched_why why, u64 now)
{
    struct sched_queue *q = queue_of(c);
    struct thread *running = c->current;
    if (!put(q, t, why, now) || running == c->idle)
        return false;
    if (q->q.queued == 1)
        q->q.slice_end = slice_end(q, running, now);
    if (__builtin_expect((running->sched.rank | t->sched.rank) != 0, 0))
        return ready_of_all(q, running, t, now);
    return fair_preempts(running, t, now);
}

void
sched_migrate(struct thread *t, struct lcpu *from, struct lcpu *to)
{
    fair_move(t, queue_of(from), queue_of(to));
    if (t->rseq != 0)
        thread_set_work(t, WORK_RSEQ);
}

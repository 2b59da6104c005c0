/* SPDX-License-Identifier: MIT */
/*
 * The fair class: of those that wait, the thread runs next that has had the
 * least weighted time (as in
 * Jones and Regehr's and Waldspurger's proportional share work, and Linux's CFS).
 *
 * R1. vruntime counts TSC ticks, scaled by NICE_0 / weight; the queue is ordered by it.
 * R2. min_vruntime never goes back; who sleeps long returns at most half a latency before
 *     it, so that sleeping saves no time up.
 * R3. A new thread comes half a turn behind min_vruntime (less than what lets a woken one
 *     preempt, or parent and child would preempt each other for ever), and who sleeps is
 *     forgiven what it was ahead of it, at a part of the real time that it slept: else
 *     thousands of threads that fork go before whoever slept with a debt of a
 *     millisecond (a fork bomb before the shell that is to end it), since min_vruntime
 *     stands still meanwhile. Who sleeps as often as it can gains at most that part of
 *     a CPU.
 * R4. A turn depends only on how many wait; what a weight is worth, vruntime says: who
 *     has had less than its part goes on for another turn.
 * R5. The first is kept outside of the tree, so a queue of one (two that take turns: a
 *     pipe, a futex) costs neither an insertion nor a search.
 * Locking: Q1-Q3 in core/sched.h.
 */
#include "sched/class.h"

#include <abi/layout.h>

#include "core/machine.h"

#define LATENCY_MS 6u   /* everyone that waits gets its turn within this,
    while few wait */
#define LEAST_MS 1u     /* a turn is not shorter than this */
#define NICE_0 1024u
#define WEIGHT_IDLE 3u  /* of SCHED_IDLE: as good as nothing while others want to run */
#define FORGIVE 4u      /* R3: one tick for so many that it slept */
#define SEARCH_MAX 32u  /* threads that are looked at for one that may run elsewhere */
#define TURNS (LATENCY_MS / LEAST_MS)

static u64 latency_ticks, wakeup_ticks;
static u64 turn_ticks[TURNS]; /* R4: by how many wait; more have as short a turn */

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

static void
fair_init(void)
{
    u64 ms = machine_record->tsc_hz / 1000;
    latency_ticks = LATENCY_MS * ms;
    wakeup_ticks = LEAST_MS * ms;
    for (u32 waiting = 0; waiting < TURNS; waiting++)
        turn_ticks[waiting] = latency_ticks / (waiting + 1);
}

static u64
fair_interval(const struct thread *t)
{
    (void)t;
    return latency_ticks;
}

static void
fair_init_queue(struct sched_queue *q)
{
    tree_init(&q->fair.tree, fair_compare);
    q->fair.min_vruntime = 1ull << 40; /* room below for R2 */
}

void
fair_set_weight(struct thread *t)
{
    t->sched.weight = t->sched.policy == SCHED_FAIR_IDLE ? WEIGHT_IDLE
                                                         : weights[t->sched.nice + 20];
}

static void
fair_join(struct sched_queue *q, struct thread *t, u64 now)
{
    (void)now;
    t->sched.vruntime = q->fair.min_vruntime; /* its time is that of those who waited */
}

/* R1 */
static inline u64
weighted(const struct thread *t, u64 ticks)
{
    return t->sched.weight == NICE_0 ? ticks : ticks * NICE_0 / t->sched.weight;
}

void
fair_charge(struct sched_queue *q, struct thread *t, u64 ticks, u64 now)
{
    (void)now;
    t->sched.vruntime += weighted(t, ticks);
    u64 least = t->sched.vruntime;
    if (q->fair.first != NULL)
        least = MIN(least, q->fair.first->sched.vruntime);
    q->fair.min_vruntime = MAX(q->fair.min_vruntime, least);
}

/* Where t stands among the others, in its vruntime. */
static inline void
place(struct sched_queue *q, struct thread *t, enum sched_why why, u64 now)
{
    struct sched_entity *e = &t->sched;
    switch (why) {
    case SCHED_NEW:
        e->vruntime = MAX(e->vruntime, q->fair.min_vruntime) + weighted(t, wakeup_ticks / 2);
        break;
    case SCHED_WOKEN: {
        u64 slept = now - e->started, ahead = e->vruntime - q->fair.min_vruntime;
        u64 forgiven = MIN(slept / FORGIVE, e->vruntime > q->fair.min_vruntime ? ahead : 0);
        e->vruntime = MAX(e->vruntime - forgiven, q->fair.min_vruntime - latency_ticks / 2);
        break;
    }
    case SCHED_PREEMPTED:
    case SCHED_GONE:
        break;
    /* behind the first that waits, so that yielding threads alternate */
    case SCHED_YIELDED:
        if (q->fair.first != NULL)
            e->vruntime = MAX(e->vruntime, q->fair.first->sched.vruntime + 1);
        break;
    }
}

/* R5 */
static inline void
enqueue(struct sched_queue *q, struct thread *t)
{
    struct thread *first = q->fair.first;
    if (first == NULL || t->sched.vruntime < first->sched.vruntime) {
        q->fair.first = t;
        t = first;
    }
    if (t != NULL)
        tree_insert_equal(&q->fair.tree, &t->sched.node);
}

void
fair_enqueue(struct sched_queue *q, struct thread *t)
{
    enqueue(q, t);
}

__attribute__((always_inline)) inline bool
fair_put(struct sched_queue *q, struct thread *t, enum sched_why why, u64 now)
{
    place(q, t, why, now);
    enqueue(q, t);
    return true;
}

static __attribute__((noinline)) struct thread *
first_of_others(struct sched_queue *q)
{
    struct tree_node *n = tree_first(&q->fair.tree);
    tree_remove(&q->fair.tree, n);
    return thread_of(n);
}

struct thread *
fair_pick(struct sched_queue *q)
{
    struct thread *t = q->fair.first;
    q->fair.first = tree_empty(&q->fair.tree) ? NULL : first_of_others(q);
    return t;
}

void
fair_take(struct sched_queue *q, struct thread *t)
{
    if (q->fair.first == t)
        (void)fair_pick(q);
    else
        tree_remove(&q->fair.tree, &t->sched.node);
}

struct thread *
fair_exchange(struct sched_queue *q, struct thread *t, enum sched_why why, u64 now)
{
    place(q, t, why, now);
    if (t->sched.vruntime < q->fair.first->sched.vruntime)
        return t;
    struct thread *next = fair_pick(q);
    enqueue(q, t);
    return next;
}

static struct thread *
fair_first(struct sched_queue *q, u64 cpus)
{
    struct thread *first = q->fair.first;
    if (first == NULL || (first->sched.allowed & cpus) != 0)
        return first;
    struct tree_node *n = tree_first(&q->fair.tree);
    for (u32 i = 0; n != NULL && i < SEARCH_MAX; i++, n = tree_next(n)) {
        if (thread_of(n)->sched.allowed & cpus)
            return thread_of(n);
    }
    return NULL;
}

u64
fair_slice_end(struct sched_queue *q, struct thread *t, u64 now)
{
    (void)t;
    return now + turn_ticks[MIN(q->q.queued, TURNS - 1)];
}

bool
fair_preempts(const struct thread *current, const struct thread *woken, u64 now)
{
    if (current->sched.policy == SCHED_FAIR_IDLE)
        return woken->sched.policy != SCHED_FAIR_IDLE;
    if (woken->sched.policy != SCHED_FAIR)
        return false; /* batch and idle ones wait for their turn */
    u64 run = now - current->sched.started;
    u64 v = current->sched.vruntime + weighted(current, run);
    return woken->sched.vruntime + wakeup_ticks < v;
}

/* R1: what it is ahead or behind stays; may be negative, modulo 2^64. */
void
fair_move(struct thread *t, struct sched_queue *from, struct sched_queue *to)
{
    u64 lead = t->sched.vruntime - from->fair.min_vruntime;
    t->sched.vruntime = to->fair.min_vruntime + lead;
}

const struct sched_class fair_class = {
    .name = "fair",
    .init = fair_init,
    .init_queue = fair_init_queue,
    .join = fair_join,
    .put = fair_put,
    .take = fair_take,
    .first = fair_first,
    .charge = fair_charge,
    .slice_end = fair_slice_end,
    .preempts = fair_preempts,
    .interval = fair_interval,
};

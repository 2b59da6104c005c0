/* SPDX-License-Identifier: MIT */
/*
 * The real-time class: SCHED_FIFO and SCHED_RR of POSIX.1-2024 (2.8.4). One list for each
 * priority; the highest that has a thread runs.
 *
 * R1. A thread that was preempted goes to the head of its list, everybody else to the
 *     tail: who yields, becomes ready, or (RR) has used up its slice.
 * R2. An RR thread has a slice only while another of its priority waits.  What is left of
 *     it (`turn`) outlives a preemption, or who is often preempted would never end it.
 * R3. On each vCPU the class has sched_rt_runtime_ns of each sched_rt_period_ns while threads
 *     of a lower one wait; so a real-time thread that never sleeps leaves them a part.  It is
 *     shared out in tenths of a period: others wait for 95 ms at most instead of 950, and a
 *     real-time thread for 5 instead of 50.  Who runs by a loan goes on, since its lender
 *     waits for it.
 * Costs: every operation a few steps, whatever waits.
 */
#include "sched/class.h"

#include <abi/layout.h>

#include "core/machine.h"

#define SLICE_MS 100u
#define PARTS 10u /* R3 */

_Atomic u64 sched_rt_runtime_ns = 950000000, sched_rt_period_ns = 1000000000;

static u64
rr_ticks(void)
{
    return machine_record->tsc_hz / 1000 * SLICE_MS;
}

static u64
rt_interval(const struct thread *t)
{
    return t->sched.policy == SCHED_RT_RR ? rr_ticks() : 0;
}

static void
rt_init_queue(struct sched_queue *q)
{
    for (u32 i = 0; i < SCHED_RT_LEVELS; i++)
        list_init(&q->rt.level[i]);
}

static void
rt_join(struct sched_queue *q, struct thread *t, u64 now)
{
    (void)q;
    (void)now;
    t->sched.turn = 0;
}

static bool
rt_put(struct sched_queue *q, struct thread *t, enum sched_why why, u64 now)
{
    u32 level = t->sched.priority;
    bool used_up = t->sched.policy == SCHED_RT_RR && t->sched.turn <= 0; /* R2 */
    (void)now;
    if (why == SCHED_PREEMPTED && !used_up)
        list_push_front(&q->rt.level[level], &t->sched.level);
    else
        list_push_back(&q->rt.level[level], &t->sched.level);
    q->rt.levels[level / 64] |= 1ull << level % 64;
    return true;
}

static void
rt_take(struct sched_queue *q, struct thread *t)
{
    u32 level = t->sched.priority;
    list_remove(&t->sched.level);
    if (list_empty(&q->rt.level[level]))
        q->rt.levels[level / 64] &= ~(1ull << level % 64);
}

u8
rt_best(const struct sched_queue *q)
{
    for (u32 half = 2; half-- > 0;)
        if (q->rt.levels[half] != 0)
            return (u8)(half * 64 + 63u - (u32)__builtin_clzll(q->rt.levels[half]));
    return 0;
}

static struct thread *
rt_first(struct sched_queue *q, u64 cpus)
{
    for (u32 half = 2; half-- > 0;) {
        for (u64 left = q->rt.levels[half]; left != 0;) {
            u32 bit = 63u - (u32)__builtin_clzll(left);
            left &= ~(1ull << bit);
            list_for_each(it, &q->rt.level[half * 64 + bit]) {
                struct thread *t = container_of(it, struct thread, sched.level);
                if (t->sched.allowed & cpus)
                    return t;
            }
        }
    }
    return NULL;
}

/* ---- R3 ---- */

static bool
runs_by_loan(const struct thread *t)
{
    return t->sched.lent_priority > t->sched.own_priority;
}

/* The period that it is now; true: the class's part of it is bounded, by *runtime. */
static bool
look_at_period(struct sched_queue *q, u64 now, u64 *runtime, u64 *period)
{
    u64 runtime_ns = atomic_load_explicit(&sched_rt_runtime_ns, memory_order_relaxed);
    if (runtime_ns == ~0ull)
        return false;
    *runtime = clock_ns_to_ticks(runtime_ns / PARTS);
    *period = clock_ns_to_ticks(atomic_load_explicit(&sched_rt_period_ns,
                                                     memory_order_relaxed) / PARTS);
    if (now - q->rt.period >= *period) {
        q->rt.period = now - (now - q->rt.period) % *period;
        q->rt.used = 0;
    }
    return true;
}

static void
rt_charge(struct sched_queue *q, struct thread *t, u64 ticks, u64 now)
{
    u64 runtime, period;
    t->sched.turn -= (i64)ticks;
    if (look_at_period(q, now, &runtime, &period))
        q->rt.used += MIN(ticks, now - q->rt.period);
}

static bool
rt_spent(struct sched_queue *q, u64 now, u64 *until)
{
    u64 runtime, period;
    if (!look_at_period(q, now, &runtime, &period) || q->rt.used < runtime)
        return false;
    const struct thread *first = rt_first(q, ~0ull);
    *until = q->rt.period + period;
    return first == NULL || !runs_by_loan(first);
}

/* R2: a new turn if the last one is over, or was while nobody waited. */
static u64
turn_end(struct thread *t, u64 now)
{
    u64 ran = now - t->sched.started; /* not charged yet */
    if (t->sched.turn <= (i64)ran)
        t->sched.turn = (i64)(ran + rr_ticks());
    return t->sched.started + (u64)t->sched.turn;
}

static u64
rt_slice_end(struct sched_queue *q, struct thread *t, u64 now)
{
    u64 end = FB_FOREVER, runtime, period;
    if (t->sched.policy == SCHED_RT_RR && !list_empty(&q->rt.level[t->sched.priority]))
        end = turn_end(t, now);
    if (waiting_of(q, RANK_FAIR) == 0 || runs_by_loan(t) ||
        !look_at_period(q, now, &runtime, &period))
        return end;
    u64 begun = MAX(t->sched.started, q->rt.period); /* not charged yet since then */
    u64 used = q->rt.used + (now > begun ? now - begun : 0);
    return MIN(end, now + (runtime > used ? runtime - used : 0));
}

static bool
rt_preempts(const struct thread *current, const struct thread *woken, u64 now)
{
    (void)now;
    return woken->sched.priority > current->sched.priority;
}

const struct sched_class rt_class = {
    .name = "real-time",
    .init_queue = rt_init_queue,
    .join = rt_join,
    .put = rt_put,
    .take = rt_take,
    .first = rt_first,
    .charge = rt_charge,
    .slice_end = rt_slice_end,
    .preempts = rt_preempts,
    .spent = rt_spent,
    .interval = rt_interval,
};

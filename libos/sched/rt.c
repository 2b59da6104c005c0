/* SPDX-License-Identifier: MIT */
/*
 * The real-time class: SCHED_FIFO and SCHED_RR of POSIX.1-2024 (2.8.4). One list for each
 * priority; the highest that has a thread runs.
 *
 * R1. A thread that was preempted goes to the head of its list, everybody else to the
 *     tail: who yields, becomes ready, or (RR) has used up its slice.
 * R2. An RR thread has a slice only while another of its priority waits.
 * Costs: every operation a few steps, whatever waits.
 */
#include "sched/class.h"

#include <abi/layout.h>

#include "core/machine.h"

#define SLICE_MS 100u

u64
rt_slice_ticks(void)
{
    return machine_record->tsc_hz / 1000 * SLICE_MS;
}

void
rt_init_queue(struct runq *q)
{
    for (u32 i = 0; i < SCHED_RT_LEVELS; i++)
        list_init(&q->rt[i]);
}

void
rt_put(struct runq *q, struct thread *t, enum sched_why why, u64 now)
{
    u32 level = t->sched.priority;
    bool head = why == SCHED_PREEMPTED && now < q->slice_end;
    if (head)
        list_push_front(&q->rt[level], &t->sched.level);
    else
        list_push_back(&q->rt[level], &t->sched.level);
    q->rt_levels[level / 64] |= 1ull << level % 64;
    q->rt_queued++;
}

void
rt_take(struct runq *q, struct thread *t)
{
    u32 level = t->sched.priority;
    list_remove(&t->sched.level);
    if (list_empty(&q->rt[level]))
        q->rt_levels[level / 64] &= ~(1ull << level % 64);
    q->rt_queued--;
}

struct thread *
rt_first(struct runq *q, u64 cpus)
{
    for (u32 half = 2; half-- > 0;) {
        for (u64 left = q->rt_levels[half]; left != 0;) {
            u32 bit = 63u - (u32)__builtin_clzll(left);
            left &= ~(1ull << bit);
            list_for_each(it, &q->rt[half * 64 + bit]) {
                struct thread *t = container_of(it, struct thread, sched.level);
                if (t->sched.allowed & cpus)
                    return t;
            }
        }
    }
    return NULL;
}

u64
rt_slice_end(struct runq *q, struct thread *t, u64 now)
{
    if (t->sched.policy != SCHED_RT_RR || list_empty(&q->rt[t->sched.priority]))
        return FB_FOREVER; /* R2 */
    return now + rt_slice_ticks();
}

/* SPDX-License-Identifier: MIT */
/*
 * The classes of the scheduler: each one is a file with these functions. All are called
 * with the lock of the queue held.
 *
 * S1. A real-time thread goes before every fair one.
 * S2. q->queued counts both, q->rt_queued those of the real-time class.
 */
#ifndef LIBOS_SCHED_CLASS_H
#define LIBOS_SCHED_CLASS_H

#include "core/sched.h"

static inline bool
is_rt(const struct thread *t)
{
    return t->sched.priority != 0;
}

void fair_init(void);
u64 fair_latency_ticks(void);
void fair_init_queue(struct runq *q);
void fair_init_thread(struct runq *q, struct thread *t);
void fair_set_weight(struct thread *t); /* from its policy and nice value */
void fair_charge(struct runq *q, struct thread *t, u64 ticks);
void fair_put(struct runq *q, struct thread *t, enum sched_why why, u64 now);
void fair_take(struct runq *q, struct thread *t);
struct thread *fair_pick(struct runq *q); /* the first; there is one */
struct thread *fair_exchange(struct runq *q, struct thread *t, enum sched_why why,
                             u64 now);
/* The first that may run on `cpus`; NULL: none. */
struct thread *fair_first(struct runq *q, u64 cpus);
u64 fair_slice_end(struct runq *q, u64 now);
bool fair_preempts(struct thread *current, struct thread *woken, u64 now);

void rt_init_queue(struct runq *q);
void rt_put(struct runq *q, struct thread *t, enum sched_why why, u64 now);
void rt_take(struct runq *q, struct thread *t);
struct thread *rt_first(struct runq *q, u64 cpus);
u64 rt_slice_end(struct runq *q, struct thread *t, u64 now);
u64 rt_slice_ticks(void);

#endif

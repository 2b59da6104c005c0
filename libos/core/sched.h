/* SPDX-License-Identifier: MIT */
/*
 * What core asks of the scheduler (libos/sched). Mechanism (states, switching, locking)
 * is core/thread.c's, choice is sched's.
 *
 * Q1. A thread is in at most one queue, that of thread->cpu, and then is RUNNABLE.
 * Q2. A queue's lock is held from the decision to switch until the old thread's stack is
 *     left, and released on the new one's.
 * Q3. thread->cpu changes only while the thread is not queued and not running, under the
 *     lock of the old queue.
 * Order: a queue's lock is taken last; of two, the second only with spin_try.
 */
#ifndef LIBOS_CORE_SCHED_H
#define LIBOS_CORE_SCHED_H

#include "core/thread.h"

struct runq {
    struct spinlock lock;
    u32 queued;         /* [lock] threads that wait for the vCPU */
    u32 rt_queued;      /* [lock] how many of them are real-time */
    struct thread *fair_first; /* [lock] the one of least vruntime: in no tree */
    struct tree fair;   /* [lock] the others, by vruntime */
    u64 min_vruntime;   /* [lock] never goes back */
    /* [lock] TSC at which the current thread should go; ~0 while nobody waits */
    u64 slice_end;
    u64 rt_levels[2];   /* [lock] a bit for each level that has one */
    struct list rt[SCHED_RT_LEVELS]; /* [lock] */
};
static inline struct runq *
runq_of(struct lcpu *c)
{
    return c->queue;
}

void sched_init(void);
void sched_init_lcpu(struct lcpu *c);
void sched_init_thread(struct thread *t, const struct thread *parent);
void sched_set_nice(struct thread *t, int nice); /* with the lock of t's queue held */
/* With the lock of t's queue held; t is requeued if it was queued. */
void sched_change(struct lcpu *c, struct thread *t, const struct sched_params *to);
void sched_boost(struct lcpu *c, struct thread *t, u32 priority); /* the same */
/* With the lock held: take a queued thread out. */
void sched_take(struct lcpu *c, struct thread *t);
/* The longest turn of such a thread while others wait: TSC ticks; 0: it has no end. */
u64 sched_interval_ticks(const struct thread *t);
static inline bool
sched_allowed(const struct thread *t, const struct lcpu *c)
{
    return (t->sched.allowed >> c->id & 1) != 0;
}

/* With the queue's lock held. `now` is the TSC, read once for all that happens at once. */
enum sched_why {
    SCHED_NEW, SCHED_WOKEN,         /* it becomes ready */
    SCHED_PREEMPTED, SCHED_YIELDED, /* it gives its vCPU away, and stays ready */
    SCHED_GONE                      /* it gives it away to sleep, or for good */
};
/* t is in no queue, and becomes ready here: true if it should replace who runs, which is
 * no idle thread then. */
bool sched_ready(struct lcpu *c, struct thread *t, enum sched_why why, u64 now);
/* The running thread is charged and put into the queue, unless it is gone, and the one
 * that should run is taken out, with a new slice: maybe t again. NULL: none. */
struct thread *sched_next(struct lcpu *c, struct thread *t, enum sched_why why, u64 now);
bool sched_slice_over(struct lcpu *c);
/* who runs has no slice, because nobody waited */
void sched_start_slice(struct lcpu *c, u64 now);
void sched_migrate(struct thread *t, struct lcpu *from, struct lcpu *to);

/* Without locks: where a woken or new thread should go; a thread of another queue for an
 * idle vCPU (t->cpu is set). */
struct lcpu *sched_place(struct thread *t);
struct thread *sched_steal(struct lcpu *c);

#endif

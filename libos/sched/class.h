/* SPDX-License-Identifier: MIT */
/*
 * The classes of the scheduler.  Each is a file that fills in a struct sched_class; the
 * table in sched.c gives it its rank, its state in a queue stands below, and what it keeps
 * with a thread in struct sched_entity (core/thread.h).  Nothing else knows it.
 *
 * S1. A thread of a higher rank runs before every one of a lower rank, unless its class has
 *     spent its part of the CPU while one of a lower rank waits (`spent`).
 * S2. `others` is the sum of waiting[], which counts threads of a rank above 0; all that
 *     wait are q.queued.
 * S3. Threads of rank 0 alone are the common case: sched.c calls the fair class by name
 *     there, so that a switch costs no indirect call.
 *     RANK_OWN shares the fair queue and its order with rank 0 (own.c), and goes the other way.
 * S4. `top` is the precedence of who runs, `best` that of the best that waits (both 0: of
 *     rank 0, or nobody).  Other CPUs read them without the lock, as hints.
 * Locking: all functions are called with the lock of the queue held, and may take those of
 * timers; `interval` without.
 */
#ifndef LIBOS_SCHED_CLASS_H
#define LIBOS_SCHED_CLASS_H

#include "core/sched.h"

enum sched_rank { RANK_FAIR, RANK_OWN, RANK_RT, RANK_DEADLINE, SCHED_CLASSES };

struct fair_queue {
    struct thread *first; /* the one of least vruntime: in no tree */
    struct tree tree;     /* the others, by vruntime */
    u64 min_vruntime;     /* never goes back */
};
struct rt_queue {
    u64 levels[2];        /* a bit for each level that has one */
    struct list level[SCHED_RT_LEVELS];
    u64 period, used;     /* TSC at which its part began; what the class has had in it */
};
struct deadline_queue {
    struct tree tree;     /* by `due` */
};
struct sched_queue {
    struct runq q; /* first: core's part */
    u32 others, waiting[SCHED_CLASSES]; /* S2 */
    u8 top, best;  /* S4 */
    u64 balanced;  /* the vCPU's own: TSC at which it was last evened out */
    struct fair_queue fair;
    struct deadline_queue deadline;
    struct rt_queue rt;
};
static inline struct sched_queue *
queue_of(const struct lcpu *c)
{
    return c->queue;
}
/* Of those two ranks, where neither goes before the other. */
static inline bool
is_fair(const struct thread *t)
{
    return t->sched.rank <= RANK_OWN;
}
static inline u32
waiting_of(const struct sched_queue *q, u32 rank)
{
    return rank == RANK_FAIR ? q->q.queued - q->others : q->waiting[rank];
}

struct sched_class {
    const char *name;
    void (*init)(void); /* once, when the clock is known; NULL: nothing to do */
    void (*init_queue)(struct sched_queue *q);
    /* t, in no queue, begins to belong to the class: fresh, by a change of its policy, or by
     * a loan that began or ended. */
    void (*join)(struct sched_queue *q, struct thread *t, u64 now);
    /* It becomes ready.  False: not yet; the class sees to it that thread_return is called
     * when it does. */
    bool (*put)(struct sched_queue *q, struct thread *t, enum sched_why why, u64 now);
    void (*take)(struct sched_queue *q, struct thread *t);
    /* The first that waits and may run on one of `cpus`; NULL: none. */
    struct thread *(*first)(struct sched_queue *q, u64 cpus);
    /* t has run for so long. */
    void (*charge)(struct sched_queue *q, struct thread *t, u64 ticks, u64 now);
    /* When t, which runs since t->sched.started, has had its turn: TSC; FB_FOREVER. */
    u64 (*slice_end)(struct sched_queue *q, struct thread *t, u64 now);
    /* Both are of this class. */
    bool (*preempts)(const struct thread *current, const struct thread *woken, u64 now);
    /* S1.  NULL: never.  True: *until, TSC. */
    bool (*spent)(struct sched_queue *q, u64 now, u64 *until);
    /* sched_rr_get_interval: TSC ticks; 0: no end. */
    u64 (*interval)(const struct thread *t);
};
extern const struct sched_class fair_class, own_class, rt_class, deadline_class;

/* 0: of the fair class; 1 to 100: real-time; above: it has a deadline. */
#define PRECEDENCE_DEADLINE 101u
static inline u8
precedence(const struct thread *t)
{
    return t->sched.rank == RANK_DEADLINE ? PRECEDENCE_DEADLINE
           : t->sched.rank == RANK_RT     ? t->sched.priority
                                          : 0;
}

/* ---- fair.c, by name (S3) ---- */
void fair_charge(struct sched_queue *q, struct thread *t, u64 ticks, u64 now);
/* For sched.c alone, whose hottest path it is part of; others go by the class. */
bool fair_put(struct sched_queue *q, struct thread *t, enum sched_why why, u64 now);
void fair_take(struct sched_queue *q, struct thread *t);
void fair_enqueue(struct sched_queue *q, struct thread *t); /* as its vruntime says */
struct thread *fair_pick(struct sched_queue *q); /* the first; there is one */
struct thread *fair_exchange(struct sched_queue *q, struct thread *t, enum sched_why why,
                             u64 now);
u64 fair_slice_end(struct sched_queue *q, struct thread *t, u64 now);
bool fair_preempts(const struct thread *current, const struct thread *woken, u64 now);
void fair_set_weight(struct thread *t); /* from its policy and nice value */
void fair_move(struct thread *t, struct sched_queue *from, struct sched_queue *to);

/* ---- rt.c ---- */
u8 rt_best(const struct sched_queue *q); /* the highest level that waits; 0: none */

/* ---- deadline.c ---- */
/* A thread that stands aside comes back; false: it does not stand aside (any more). */
bool deadline_return(struct thread *t, u64 now);
void deadline_leave(struct thread *t); /* what was reserved for it is free */

/* ---- sched.c ---- */
bool sched_put(struct sched_queue *q, struct thread *t, enum sched_why why, u64 now);
/* The first by rank that may run on one of `cpus`; NULL: none. */
struct thread *sched_first(struct sched_queue *q, u64 cpus);

/* ---- balance.c ---- */
/* What runs on c is about to be of less precedence than before: a waiting thread of another
 * queue that has more than all here comes here.  c's queue is locked. */
void sched_pull(struct lcpu *c, u64 now);

#endif

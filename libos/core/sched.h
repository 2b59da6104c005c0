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
 * Q4. A thread that is RUNNABLE, in no queue and runs nowhere is on its way to another
 *     queue, or stands aside until its class lets it run again (thread_return).
 * Order: a queue's lock is taken last, but for those of timers; of two, the second only
 * with spin_try.
 */
#ifndef LIBOS_CORE_SCHED_H
#define LIBOS_CORE_SCHED_H

#include "core/thread.h"

struct runq {
    struct spinlock lock;
    u32 queued;    /* [lock] threads that wait for the vCPU */
    u64 slice_end; /* [lock] TSC at which the current thread should go; ~0: never */
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
/* A process's own class (sched/own.c): its threads that are fair ones use their turns in an order of its
 * own. ORDERED: by a number for each thread in a page of the process, the least first;
 * FIFO: as they became ready, each until it sleeps. */
enum sched_own_kind { SCHED_OWN_FIFO, SCHED_OWN_ORDERED };
#define SCHED_OWN_SLOTS 1024u /* numbers in a page */
struct sched_party;
/* Takes a holder of the page, which stays readable (FRAME_NONE: of a FIFO).  NULL: no memory */
struct sched_party *sched_party_new(enum sched_own_kind kind, frame_t page);
void sched_party_hold(struct sched_party *p);
void sched_party_release(struct sched_party *p);
enum sched_own_kind sched_party_kind(const struct sched_party *p);
/* With the lock of t's queue held; takes a reference, and returns the one that t had. */
struct sched_party *sched_set_party(struct lcpu *c, struct thread *t,
                                    struct sched_party *party, u32 slot);
/* With the lock held: take a queued thread out. */
void sched_take(struct lcpu *c, struct thread *t);
/* The longest turn of such a thread while others wait: TSC ticks; 0: it has no end. */
u64 sched_interval_ticks(const struct thread *t);
/* For t, whose policy is to be SCHED_BY_DEADLINE (NULL: no more), in the place of what was
 * reserved for it before.  -E_BUSY: so much is not left. */
int sched_reserve(struct thread *t, const struct sched_reserve_params *p) MUST_CHECK;
/* It runs for the last time; no lock is held. */
void sched_thread_ends(struct thread *t);
/* With the lock held: does t still stand aside?  Then it is ready now. */
bool sched_return(struct lcpu *c, struct thread *t);
/* Real-time threads may have so much of each period while others wait; ~0 as runtime: all
 * of it. */
extern _Atomic u64 sched_rt_runtime_ns, sched_rt_period_ns;
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
/* Should who runs go?  Starts its slice if it has none though somebody waits. */
bool sched_turn_over(struct lcpu *c, u64 now);
void sched_migrate(struct thread *t, struct lcpu *from, struct lcpu *to);

/* Without locks: where a thread that becomes ready should go (its own queue's lock may be
 * held); a thread of another queue for a vCPU that is about to idle, with t->cpu set.
 * sure: waits for locks, so that NULL means that there was none. */
struct lcpu *sched_place(struct thread *t, enum sched_why why);
struct thread *sched_steal(struct lcpu *c, bool sure);
/* Should t, which is about to wait for c, rather wait elsewhere? */
bool sched_is_better_off(const struct thread *t, const struct lcpu *c);
/* At a tick: a thread of a queue where more wait, with t->cpu set; NULL: none. */
struct thread *sched_balance(struct lcpu *c, u64 now);
/* vCPUs that sleep, or are about to: a bit each. */
extern _Atomic u64 sched_idle;

#endif

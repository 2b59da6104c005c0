/* SPDX-License-Identifier: MIT */
/*
 * Work queues: what is to be done soon, by nobody in particular - what an interrupt, a timer
 * or a waker found out and may not do itself since it must not sleep, or what the one who
 * met it did not cause and should not wait for.
 *
 * A piece of work is a structure in what it is about, with a function.  Its queue has
 * workers, threads of the LibOS, which take works in the order in which they were added,
 * each one at a time.  All workers are made when the queue starts, so that no work waits for
 * memory.
 *
 * WK1. A work is added or not; it is added once, however often work_add is called before its
 *      function begins.  Who adds a work that is added already has this: the function has yet
 *      to begin, and sees what was changed before the call.
 * WK2. A function never runs twice at once for the same work: added while it runs, the work
 *      is run again by the same worker after it.
 * WK3. From its begin on, the function owns the work: it may add it again, or free what
 *      holds it.  The queue does not touch a work whose function has begun, unless it was
 *      added again.
 * WK4. Added works are begun in the order in which they were added, but for WK2.
 *
 * Who may be made to wait for a long time by others (a user's memory, a peer) or runs for
 * long has a queue of its own; work_shared is for the rest.  What a process causes for itself
 * is done in its own time, not here: work is charged to nobody.
 *
 * Locks: work_queue.lock (spin) is a leaf, but for the wait queue of the workers after it;
 * work_add may be called with any spinlock held that may be held at a wake-up, and from
 * events and timers.  Functions are called with no lock held, and may sleep.
 * Cost: work_add takes the lock once, looks at each worker of its queue (at most
 * WORKERS_MAX), and wakes one if one sleeps.
 * Proved with proofs/work.pml: nothing that was added is forgotten, WK2, and that nothing
 * runs after work_cancel.
 */
#ifndef LIBOS_CORE_WORK_H
#define LIBOS_CORE_WORK_H

#include "core/lock.h"
#include "core/wait.h"

#define WORKERS_MAX 8u

struct work_queue;
struct work {
    struct list link;         /* the queue's lock; in `waiting` */
    struct work_queue *queue; /* [I] */
    void (*fn)(struct work *w);
    bool added;               /* the queue's lock: WK1 */
    u64 number;               /* the queue's lock; when it was added last */
};
struct worker {
    struct work_queue *queue;
    struct work *current; /* the queue's lock; a name, nothing more (WK3) */
    u64 number;           /* of that run */
    bool again;           /* WK2: current is added, and stands in no list */
};
struct work_queue {
    struct spinlock lock;
    struct list waiting;        /* works that are added; ascending numbers */
    struct waitq arrived;       /* idle workers */
    struct waitq ended;         /* work_cancel, work_queue_drain */
    u64 number;                 /* how many were added */
    u32 workers;                /* [I] */
    _Atomic u32 enders;         /* who stands in `ended` */
    struct worker worker[WORKERS_MAX];
};

/* For what takes a short time: a worker for each vCPU.  Started with the rooms. */
extern struct work_queue work_shared;
void work_init_shared(void);

/* A queue lives for ever, and is made while the LibOS starts: without memory for its workers
 * that ends.  `name`: of their threads. */
void work_queue_start(struct work_queue *q, const char *name, u32 workers);
void work_init(struct work *w, struct work_queue *q, void (*fn)(struct work *w));
/* False: it was added already. */
bool work_add(struct work *w);
/* It is not added any more, and does not run (but for the caller itself, in its function).
 * True: it was added.  Nobody adds it meanwhile. Sleeps, while it runs; not with a lock that
 * the function takes. */
bool work_cancel(struct work *w);
/* All that was added before the call has been done.  Not from a worker of q. */
void work_queue_drain(struct work_queue *q);

#endif

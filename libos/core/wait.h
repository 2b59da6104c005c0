/* SPDX-License-Identifier: MIT */
/*
 * Wait queues. A waiter queues itself, tests its condition, and sleeps; a waker changes
 * the condition first, then wakes.
 *
 * W1. A waiter stands in the queue from wait_add to wait_remove, or until it is woken
 *     through it, so a waker that changed the condition after the waiter's test finds it
 *     there: no wake-up is lost.
 * W2. `wake` may be a callback instead of a thread (poll); such a waiter stays in the
 *     queue when it is called.
 * W3. A thread is taken out of the queue exactly when it is woken through it, before it can
 *     run, and its waiter is not touched after that. So who finds its waiter in no queue
 *     (wait_leave) may go at once; who finds it there removes it under the lock, and so
 *     waits until a waker has let go of it.
 */
#ifndef LIBOS_CORE_WAIT_H
#define LIBOS_CORE_WAIT_H

#include "core/error.h"
#include "core/lock.h"
#include "core/thread.h"

struct waitq {
    struct spinlock lock;
    struct list waiters;
};
struct waiter {
    struct list link;
    struct thread *thread;
    /* NULL: thread_wake(thread, 0); called with the queue's lock held.  True: somebody is
     * awake now who will look. */
    bool (*wake)(struct waiter *w);
    bool exclusive;                 /* wait_wake(n) counts those whose `wake` was true */
    struct waitq *queue;
};

#define WAITQ_INIT(q) { SPINLOCK_INIT, LIST_INIT((q).waiters) }
void waitq_init(struct waitq *q);
void wait_add(struct waitq *q, struct waiter *w); /* w->thread = current, unless set */
/* The same for the current thread, with a waiter that nothing was set in. */
void wait_enter(struct waitq *q, struct waiter *w, bool exclusive);
/* Stand in the queue again, if it was taken out (W3). */
void wait_again(struct waiter *w);
void wait_remove(struct waiter *w);
/* The same by the waiting thread itself after it slept. */
void wait_leave(struct waiter *w);
/* Wake all non-exclusive waiters and at most n exclusive ones (n = ~0u: all).  True:
 * somebody is awake now who will look. */
bool wait_wake(struct waitq *q, unsigned n);
static inline bool wait_idle(const struct waitq *q) { return list_empty(&q->waiters); }

/*
 * Sleep until `condition` is true: 0; -E_INTR: a signal (interruptible only);
 * -E_TIMEDOUT.
 * The condition is evaluated without locks; re-check under your own.
 */
#define wait_until(q, condition, is_interruptible, deadline_ns)                      \
    ({                                                                               \
        int wait_result_ = 0;                                                        \
        while (!(condition)) {                                                       \
            struct waiter wait_w_;                                                   \
            wait_enter((q), &wait_w_, false);                                        \
            thread_prepare(is_interruptible);                                        \
            if (condition) {                                                         \
                thread_cancel();                                                     \
                wait_remove(&wait_w_);                                               \
                break;                                                               \
            }                                                                        \
            wait_result_ = thread_block(deadline_ns);                                \
            wait_leave(&wait_w_);                                                    \
            if (wait_result_ != 0) {                                                 \
                if (condition)                                                       \
                    wait_result_ = 0;                                                \
                break;                                                               \
            }                                                                        \
        }                                                                            \
        wait_result_;                                                                \
    })

#endif

/* SPDX-License-Identifier: MIT */
/* Locks that lend priority, for the files of this room: I1 to I5 in pi.c. */
#ifndef LIBOS_FUTEX_PI_H
#define LIBOS_FUTEX_PI_H

#include "futex/private.h"

/* A lock that somebody waits for. */
struct pi_lock {
    struct list link; /* in its bucket */
    struct futex_key key;
    struct thread *owner;
    struct pi_lock *next, **at; /* among those of its owner */
    struct list waiters;        /* by priority, then by age */
    bool settling;              /* I4 */
};
struct pi_waiter {
    struct list link;
    struct thread *thread;
    struct pi_lock *lock; /* NULL: it does not stand in one */
    struct futex_key target; /* of a waiter that is to be moved */
    bool got, died;       /* the lock is the thread's; as its last holder ended */
};
/* All of a lock that is needed to take it, or to stand in its line. */
struct pi_attempt {
    const struct futex_key *key;
    uaddr at;
    struct thread *thread;
    struct pi_waiter *waiter; /* NULL: not to wait */
    struct pi_lock *spare;    /* NULL once it is used */
};
enum pi_result { PI_TAKEN, PI_QUEUED, PI_CHANGED, PI_ABSENT };

extern struct spinlock pi_lock;
/* pi_lock is held. An enum pi_result; CHANGED: the word is no more what it was, ABSENT: nor
 * is it there to be read: to be called again. -E_DEADLK -E_SRCH -E_INVAL; -E_AGAIN: not to
 * wait. */
int pi_attempt_locked(struct pi_attempt *a) MUST_CHECK;
/* pi_lock is not held. Before an attempt is made again: 0, or -E_FAULT -E_INTR. */
int pi_before_next(uaddr at, int result) MUST_CHECK;
struct pi_lock *pi_spare(void); /* NULL: no memory */
/* After thread_prepare: as futex_sleep. */
int pi_sleep(const struct pi_waiter *w, const struct futex_limit *limit);
/* The waiter has slept, and goes: 0: the lock is its, -E_FAULT: and the word is not there;
 * else `result`. */
int pi_after_sleep(struct pi_waiter *w, uaddr at, int result) MUST_CHECK;
void pi_init(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Sleeping on words of user memory: waiting, waking, moving waiters, waiting on several
 * words, and locks whose waiters lend their priority to the holder (pi.c).
 *
 * U1. A waiter reads the word, and enters the bucket of its key if it has not changed,
 *     under the bucket's lock, which a waker takes after it changed the word: either the
 *     waiter sees the change, or the waker finds the waiter.
 * U2. `woken` is set by the one who takes it out, under the bucket's lock, and wakes the
 *     thread then; it does not touch the waiter after that. Who was woken by that
 *     goes at once; who woke up otherwise goes only after it has held the lock once more,
 *     so that the waker never touches a waiter that is gone.
 * U3. A key of shared memory holds its inode, a waiter's as long as it stands in a bucket:
 *     else another inode at that address would share it, and a waiter that unmapped its
 *     word would take the wake-ups of strangers.
 * Locking: one bucket's lock; of two, that of the lower address first; then pi_lock
 * (pi.c). Requeue changes waiter->bucket under both.
 * Costs: entering and leaving a few steps; waking one the waiters before it in its bucket,
 * which with 10,000 words that somebody waits for are two or three.
 * Source: futex(2), futex_waitv in the kernel's documentation of Linux.
 */
#ifndef LIBOS_FUTEX_FUTEX_H
#define LIBOS_FUTEX_FUTEX_H

#include "core/types.h"

struct thread;
#define FUTEX_ANY_BIT 0xffffffffu

/* Until when: a time of the monotonic clock (~0: no limit) or of the wall clock. */
struct futex_limit {
    u64 at_ns;
    bool real;
};
struct futex_word {
    uaddr at;
    u32 value;    /* what it should have */
    bool private; /* known by address and memory, not by what is mapped there */
};

/* All: -E_INVAL: not aligned; -E_FAULT; waits also -E_INTR, -E_TIMEDOUT. */
/* -E_AGAIN: the word differs. */
int futex_wait_on(struct futex_word w, u32 bits, struct futex_limit limit) MUST_CHECK;
/* Up to FUTEX_WORDS_MAX words: the index of one that was woken. -E_NOMEM -E_AGAIN */
#define FUTEX_WORDS_MAX 128u
i64 futex_wait_any(const struct futex_word *w, u32 count, struct futex_limit limit) MUST_CHECK;
/* How many were woken. -E_INVAL also: one waits to be moved to a lock (pi.c) */
i64 futex_wake_up(uaddr at, bool private, u32 count, u32 bits) MUST_CHECK;
/* Wake `wake` waiters of a word and move `move` others: how many these were. compare: the
 * first word must have `value`, else -E_AGAIN. */
struct futex_move {
    uaddr from, to;
    bool private, compare;
    u32 wake, move, value;
};
i64 futex_requeue_to(const struct futex_move *m) MUST_CHECK;
/* Change the second word by `change`, wake `wake` of the first, and `wake_second` of the
 * second if `holds` says so of what it had. */
struct futex_change {
    uaddr first, second;
    bool private;
    u32 wake, wake_second;
    u32 (*change)(const void *arg, u32 word);
    bool (*holds)(const void *arg, i32 word);
    const void *arg;
};
i64 futex_change_and_wake(const struct futex_change *c) MUST_CHECK;

/*
 * Locks: the word has the number of the thread that holds it, and two bits. Without waiters
 * programs take and give them with one compare-and-swap each.
 * -E_DEADLK: the caller holds it, or whoever holds it waits for the caller; -E_SRCH: no
 * thread has the number; -E_PERM: the caller has not; -E_INVAL: word and waiters do not fit.
 */
#define FUTEX_WORD_WAITERS 0x80000000u
#define FUTEX_WORD_DIED 0x40000000u
#define FUTEX_WORD_TID 0x3fffffffu
int futex_lock(uaddr at, bool private, struct futex_limit limit) MUST_CHECK;
int futex_try_lock(uaddr at, bool private) MUST_CHECK; /* -E_AGAIN: somebody holds it */
int futex_unlock(uaddr at, bool private) MUST_CHECK;
/* Wait on w as futex_wait_on does, and for the lock at `lock` once it is moved there by
 * futex_requeue_to_lock; 0: the caller holds the lock. */
int futex_wait_for_lock(struct futex_word w, uaddr lock, u32 bits,
                        struct futex_limit limit) MUST_CHECK;
/* As futex_requeue_to; m->wake is 1. */
i64 futex_requeue_to_lock(const struct futex_move *m) MUST_CHECK;
/* Its own priority has changed; the caller makes sure that t does not end. */
void futex_priority_changed(struct thread *t);
/* The current thread gives up its memory: its locks go to who waits for them. `last`: it
 * can be given none any more. */
void futex_thread_leaves(bool last);

void futex_rooms_init(void);

#endif

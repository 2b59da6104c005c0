/* SPDX-License-Identifier: MIT */
/*
 * Waiters of a word that are moved to a lock (FUTEX_WAIT_REQUEUE_PI, CMP_REQUEUE_PI).
 *
 * A waiter that is moved is taken out of its bucket as if it were woken (U2 in futex.h), but
 * sleeps on until the lock is its own; so it asks waiter_leave where it stands.
 */
#include "core/heap.h"
#include "core/usercopy.h"
#include "futex/pi.h"

int
futex_wait_for_lock(struct futex_word word, uaddr lock, u32 bits,
                    struct futex_limit limit)
{
    struct pi_waiter pi = { .got = false };
    struct futex_waiter w = { .thread = thread_current(), .bits = bits, .pi = &pi };
    int result = key_make_two(word.at, lock, word.private, &w.key, &pi.target);
    if (result != 0)
        return result;
    result = same_key(&w.key, &pi.target) ? -E_INVAL
                                          : waiter_enter(&w, word.at, word.value);
    if (result == 0) {
        result = pi_sleep(&pi, &limit);
        /* Once it was moved the wait cannot begin again. */
        if (waiter_leave(&w))
            result = pi_after_sleep(&pi, lock, result == -E_INTR ? -E_AGAIN : result);
    }
    key_drop(&w.key);
    key_drop(&pi.target);
    return result;
}

/* One waiter; its bucket's lock is held. An enum pi_result or an error. */
static int
move_one(struct futex_waiter *w, struct pi_attempt *a)
{
    if (w->pi == NULL || !same_key(&w->pi->target, a->key))
        return -E_INVAL;
    a->thread = w->thread;
    a->waiter = w->pi;
    spin_lock(&pi_lock);
    int result = pi_attempt_locked(a);
    if (result == PI_TAKEN || result == PI_QUEUED) {
        struct thread *t = w->thread;
        bool got = result == PI_TAKEN;
        list_remove(&w->link);
        __atomic_store_n(&w->woken, true, __ATOMIC_RELEASE);
        if (got) {
            __atomic_store_n(&a->waiter->got, true, __ATOMIC_RELEASE);
            thread_wake(t, 0); /* it goes only after it has held the locks */
        }
    }
    spin_unlock(&pi_lock);
    return result;
}

/* As many as are there: the first that stopped it, PI_TAKEN when none did; -E_FAULT: the
 * page of the word that is compared is not there. */
static int
move_all(const struct futex_key *from, struct pi_attempt *a, const struct futex_move *m,
         u64 *done)
{
    struct futex_bucket *b = bucket_of(from);
    u64 most = (u64)m->wake + m->move;
    spin_lock(&b->lock);
    int result = compare_locked(m);
    if (result != 0) {
        spin_unlock(&b->lock);
        return result;
    }
    result = PI_TAKEN;
    list_for_each_safe(it, &b->waiters) {
        struct futex_waiter *w = container_of(it, struct futex_waiter, link);
        if (*done >= most)
            break;
        if (!same_key(&w->key, from))
            continue;
        result = move_one(w, a);
        if (result != PI_TAKEN && result != PI_QUEUED)
            break;
        result = PI_TAKEN;
        ++*done;
    }
    spin_unlock(&b->lock);
    return result;
}

i64
futex_requeue_to_lock(const struct futex_move *m)
{
    struct futex_key from, to;
    u64 done = 0;
    u32 word;
    int result = key_make_two(m->from, m->to, m->private, &from, &to);
    if (result != 0)
        return result;
    struct pi_attempt a = { .key = &to, .at = m->to, .spare = pi_spare() };
    result = a.spare == NULL ? -E_NOMEM : 0;
    while (result == 0) {
        result = move_all(&from, &a, m, &done);
        if (result == PI_TAKEN)
            break;
        if (result == -E_FAULT)
            result = user_load32(m->from, &word); /* so that its page is there */
        else if (result == PI_CHANGED || result == PI_ABSENT)
            result = pi_before_next(m->to, result);
        if (result == -E_INTR)
            result = 0;
        if (result == 0 && a.spare == NULL && (a.spare = pi_spare()) == NULL)
            result = -E_NOMEM;
    }
    heap_free(a.spare);
    key_drop(&from);
    key_drop(&to);
    return result < 0 && done == 0 ? result : (i64)done;
}

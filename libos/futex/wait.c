/* SPDX-License-Identifier: MIT */
/* Waiting and waking: U1 and U2 in futex.h. */
#include "core/clock.h"
#include "core/usercopy.h"
#include "futex/pi.h"

struct futex_bucket futex_buckets[FUTEX_BUCKETS];

static inline __attribute__((always_inline)) int
enter(struct futex_waiter *w, uaddr at, u32 value)
{
    struct futex_bucket *b = bucket_of(&w->key);
    u32 word;
    for (;;) {
        spin_lock(&b->lock);
        if (user_load32_nofault(at, &word))
            break;
        spin_unlock(&b->lock);
        if (user_load32(at, &word) != 0) /* so that its page is there */
            return -E_FAULT;
    }
    if (word == value) {
        w->bucket = b;
        list_push_back(&b->waiters, &w->link);
        thread_prepare(true);
    }
    spin_unlock(&b->lock);
    return word == value ? 0 : -E_AGAIN;
}

int
waiter_enter(struct futex_waiter *w, uaddr at, u32 value)
{
    return enter(w, at, value);
}

bool
waiter_leave(struct futex_waiter *w)
{
    for (;;) {
        struct futex_bucket *b = __atomic_load_n(&w->bucket, __ATOMIC_ACQUIRE);
        spin_lock(&b->lock);
        if (b == w->bucket) {
            bool woken = w->woken;
            if (!woken)
                list_remove(&w->link);
            spin_unlock(&b->lock);
            return woken;
        }
        spin_unlock(&b->lock);
    }
}

/* The wall clock may be set meanwhile: then it is computed again. */
static u64
deadline_of(const struct futex_limit *limit)
{
    if (!limit->real || limit->at_ns == ~0ull)
        return limit->at_ns;
    u64 now = clock_real_ns();
    u64 left = limit->at_ns > now ? limit->at_ns - now : 0, mono = clock_mono_ns();
    return left < ~0ull - 1 - mono ? mono + left : ~0ull - 1;
}

static bool
was_woken(const bool *woken)
{
    return __atomic_load_n(woken, __ATOMIC_ACQUIRE);
}

/* The wall clock can be set while it sleeps, which moves the deadline. */
int
futex_sleep_to_real(const bool *woken, const struct futex_limit *limit)
{
    struct waiter clock = { .thread = NULL };
    wait_add(&clock_changed, &clock);
    int result = thread_block(deadline_of(limit));
    while (result == 0 && !was_woken(woken)) {
        wait_again(&clock);
        thread_prepare(true);
        if (!was_woken(woken))
            result = thread_block(deadline_of(limit));
        else
            thread_cancel();
    }
    wait_remove(&clock);
    return result;
}

int
futex_sleep_once(const struct futex_limit *limit)
{
    struct waiter clock = { .thread = NULL };
    if (!limit->real)
        return thread_block(limit->at_ns);
    wait_add(&clock_changed, &clock);
    int result = thread_block(deadline_of(limit));
    wait_remove(&clock);
    return result;
}

int
futex_wait_on(struct futex_word word, u32 bits, struct futex_limit limit)
{
    struct futex_waiter w;
    w.thread = thread_current();
    w.bits = bits;
    w.woken = false;
    w.pi = NULL;
    int result = key_make(word.at, word.private, &w.key);
    if (result != 0)
        return result;
    result = enter(&w, word.at, word.value);
    if (result == 0) {
        result = futex_sleep(&w.woken, &limit);
        /* U2: 0 only by a waker of this futex, or by the wall clock's */
        if ((result != 0 || limit.real) && waiter_leave(&w))
            result = 0;
    }
    key_drop(&w.key); /* which may be another by now: requeue */
    return result;
}

/* ---- waking ---- */

void
waiter_wake(struct futex_waiter *w)
{
    struct thread *t = w->thread;
    list_remove(&w->link);
    __atomic_store_n(&w->woken, true, __ATOMIC_RELEASE);
    thread_wake(t, 0);
}

static i64
wake_key(const struct futex_key *key, u32 count, u32 bits)
{
    struct futex_bucket *b = bucket_of(key);
    i64 woken = 0;
    spin_lock(&b->lock);
    list_for_each_safe(it, &b->waiters) {
        struct futex_waiter *w = container_of(it, struct futex_waiter, link);
        if (woken == count)
            break;
        if (!same_key(&w->key, key) || (w->bits & bits) == 0)
            continue;
        if (w->pi != NULL) {
            woken = -E_INVAL;
            break;
        }
        waiter_wake(w);
        woken++;
    }
    spin_unlock(&b->lock);
    return woken;
}

i64
futex_wake_up(uaddr at, bool private, u32 count, u32 bits)
{
    struct futex_key key;
    int error = key_make(at, private, &key);
    if (error != 0)
        return error;
    i64 woken = wake_key(&key, count, bits);
    key_drop(&key);
    return woken;
}

void
lock_two(struct futex_bucket *a, struct futex_bucket *b)
{
    spin_lock(a < b ? &a->lock : &b->lock);
    if (a != b)
        spin_lock(a < b ? &b->lock : &a->lock);
}

void
unlock_two(struct futex_bucket *a, struct futex_bucket *b)
{
    spin_unlock(&a->lock);
    if (a != b)
        spin_unlock(&b->lock);
}

int
compare_locked(const struct futex_move *m)
{
    u32 word;
    if (!m->compare)
        return 0;
    if (!user_load32_nofault(m->from, &word))
        return -E_FAULT;
    return word == m->value ? 0 : -E_AGAIN;
}

/* The locks are held. How many were woken and moved; the latter held *from until now. */
static i64
requeue_locked(const struct futex_key *from, const struct futex_key *to,
               const struct futex_move *m, u64 *moved)
{
    struct futex_bucket *a = bucket_of(from), *b = bucket_of(to);
    u64 done = 0;
    list_for_each_safe(it, &a->waiters) {
        struct futex_waiter *w = container_of(it, struct futex_waiter, link);
        if (done >= (u64)m->wake + m->move)
            break;
        if (!same_key(&w->key, from))
            continue;
        if (w->pi != NULL)
            return -E_INVAL;
        if (done < m->wake) {
            waiter_wake(w);
        } else {
            w->key = *to;
            if (to->inode != NULL)
                inode_hold(to->inode); /* U3 */
            if (a != b) {
                list_remove(&w->link);
                list_push_back(&b->waiters, &w->link);
                __atomic_store_n(&w->bucket, b, __ATOMIC_RELEASE);
            }
            ++*moved;
        }
        done++;
    }
    return (i64)done;
}

/*
 * The comparison is made under the locks: else who came after the word was changed once
 * more would be moved as well, to where nobody wakes it.
 */
i64
futex_requeue_to(const struct futex_move *m)
{
    struct futex_key from, to;
    u64 moved = 0;
    u32 word;
    i64 result = key_make_two(m->from, m->to, m->private, &from, &to);
    if (result != 0)
        return result;
    do {
        lock_two(bucket_of(&from), bucket_of(&to));
        result = compare_locked(m);
        bool absent = result == -E_FAULT;
        if (result == 0)
            result = requeue_locked(&from, &to, m, &moved);
        unlock_two(bucket_of(&from), bucket_of(&to));
        if (!absent)
            break;
    } while (user_load32(m->from, &word) == 0); /* so that its page is there */
    for (; moved > 0; moved--)
        key_drop(&from); /* what those that were moved held */
    key_drop(&from);
    key_drop(&to);
    return result;
}

i64
futex_change_and_wake(const struct futex_change *c)
{
    struct futex_key first, second;
    u32 word, before;
    int error = key_make_two(c->first, c->second, c->private, &first, &second);
    if (error != 0)
        return error;
    error = user_load32(c->second, &word);
    do {
        before = word;
        if (error == 0)
            error = user_cmpxchg32(c->second, &word, c->change(c->arg, before));
    } while (error == 0 && word != before);
    i64 woken = error != 0 ? -E_FAULT : wake_key(&first, c->wake, FUTEX_ANY_BIT);
    if (woken >= 0 && c->holds(c->arg, (i32)before)) {
        i64 more = wake_key(&second, c->wake_second, FUTEX_ANY_BIT);
        woken = more < 0 ? more : woken + more;
    }
    key_drop(&first);
    key_drop(&second);
    return woken;
}

void
futex_rooms_init(void)
{
    for (u32 i = 0; i < FUTEX_BUCKETS; i++)
        list_init(&futex_buckets[i].waiters);
    pi_init();
}

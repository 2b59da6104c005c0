/* SPDX-License-Identifier: MIT */
/* Waiting on several words at once: one waiter for each, U1 and U2 in futex.h. */
#include "core/heap.h"
#include "core/usercopy.h"
#include "futex/private.h"

/* The index of a waiter that was woken; -1: none. All of the first `count` are in no bucket
 * afterwards. */
static i64
leave_all(struct futex_waiter *w, u32 count)
{
    i64 woken = -1;
    for (u32 i = 0; i < count; i++) {
        if (waiter_leave(&w[i]))
            woken = i; /* the last of several, as on Linux */
    }
    return woken;
}

/* All enter, the thread being about to sleep. 0; -E_AGAIN, -E_FAULT (its page is not there:
 * *entered is its index): *entered have. */
static int
enter_all(struct futex_waiter *w, const struct futex_word *words, u32 count, u32 *entered)
{
    u32 i;
    int error = 0;
    for (i = 0; i < count && error == 0; i++) {
        struct futex_bucket *b = bucket_of(&w[i].key);
        u32 word;
        w[i].woken = false;
        spin_lock(&b->lock);
        if (!user_load32_nofault(words[i].at, &word))
            error = -E_FAULT;
        else if (word != words[i].value)
            error = -E_AGAIN;
        if (error == 0) {
            w[i].bucket = b;
            list_push_back(&b->waiters, &w[i].link);
        }
        spin_unlock(&b->lock);
    }
    *entered = error == 0 ? count : i - 1;
    return error;
}

static i64
wait_with_keys(struct futex_waiter *w, const struct futex_word *words, u32 count,
               struct futex_limit limit)
{
    for (;;) {
        u32 entered, word;
        thread_prepare(true);
        int result = enter_all(w, words, count, &entered);
        if (result == 0)
            result = futex_sleep_once(&limit);
        else
            thread_cancel();
        i64 woken = leave_all(w, entered);
        if (woken >= 0)
            return woken;
        if (result == -E_FAULT && user_load32(words[entered].at, &word) != 0)
            return -E_FAULT;
        if (result != -E_FAULT && result != 0)
            return result;
    }
}

i64
futex_wait_any(const struct futex_word *words, u32 count, struct futex_limit limit)
{
    struct futex_waiter *w = heap_alloc_zeroed(count * sizeof *w);
    i64 result = w != NULL ? 0 : -E_NOMEM;
    u32 keys = 0;
    while (result == 0 && keys < count) {
        w[keys].thread = thread_current();
        w[keys].bits = FUTEX_ANY_BIT;
        result = key_make(words[keys].at, words[keys].private, &w[keys].key);
        if (result == 0)
            keys++;
    }
    if (result == 0)
        result = wait_with_keys(w, words, count, limit);
    while (keys > 0)
        key_drop(&w[--keys].key);
    heap_free(w);
    return result;
}

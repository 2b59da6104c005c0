/* SPDX-License-Identifier: MIT */
/* Host tests of futexes: errors, limits, and locks that lend priority as far as words,
 * lines of waiters and ends of holders go. */
#include "futex/test/setup.h"

enum { FIRST, SECOND };

static i64
job_lock(struct worker *w)
{
    return futex_lock(word_at(w->word), true, w->limit);
}

static i64
job_try(struct worker *w)
{
    return futex_try_lock(word_at(w->word), true);
}

static i64
job_unlock(struct worker *w)
{
    return futex_unlock(word_at(w->word), true);
}

static i64
job_leave(struct worker *w)
{
    (void)w;
    futex_thread_leaves(true);
    return 0;
}

static i64
job_stay(struct worker *w)
{
    futex_thread_leaves(false); /* as after exec: it may be given locks again */
    return w->thread->pi_held == NULL ? 0 : -E_BUSY;
}

static i64
job_wait_many(struct worker *w)
{
    static struct futex_word on[FUTEX_WORDS_MAX];
    for (u32 i = 0; i < FUTEX_WORDS_MAX; i++)
        on[i] = (struct futex_word){ word_at(i), 0, true };
    return futex_wait_any(on, FUTEX_WORDS_MAX, w->limit);
}

static i64
job_wait_for_lock(struct worker *w)
{
    struct futex_word on = { word_at(w->words[0]), 0, true };
    return futex_wait_for_lock(on, word_at(w->word), FUTEX_ANY_BIT, w->limit);
}

static u32
tid(u32 who)
{
    return (u32)worker[who].thread->tid;
}

/* It is through with this result. */
static bool
does(u32 who, i64 (*job)(struct worker *w), u32 on, i64 result)
{
    worker[who].word = on;
    return worker_do(&worker[who], job) && worker[who].result == result;
}

static bool
waits(u32 who, i64 (*job)(struct worker *w), u32 on)
{
    worker[who].word = on;
    return !worker_do(&worker[who], job);
}

static bool
has_ended(u32 who, i64 result)
{
    return worker[who].job == NULL && worker[who].result == result;
}

/* Verify what is refused before anybody waits. */
static void
test_wrong_words(void)
{
    struct futex_word odd = { word_at(0) + 2, 0, true }, high = { USER_TOP, 0, true },
                      wild = { word_at(0) + sizeof word, 0, true },
                      other = { word_at(0), 1, true };
    CHECK(futex_wait_on(odd, 1, FOREVER) == -E_INVAL);
    CHECK(futex_wait_on(high, 1, FOREVER) == -E_FAULT);
    CHECK(futex_wait_on(wild, 1, FOREVER) == -E_FAULT);
    CHECK(futex_wait_on(other, 1, FOREVER) == -E_AGAIN);
    struct futex_word some[3] = { { word_at(0), 0, true },
                                  { word_at(1), 0, true },
                                  wild };
    CHECK(futex_wait_any(some, 3, FOREVER) == -E_FAULT);
    some[2] = other;
    CHECK(futex_wait_any(some, 3, FOREVER) == -E_AGAIN);
    host_fail_heap_after(0);
    CHECK(futex_wait_any(some, 3, FOREVER) == -E_NOMEM);
    CHECK(futex_lock(word_at(0), true, FOREVER) == -E_NOMEM);
    host_fail_heap_after(~0ull);
    CHECK(futex_wake_up(word_at(0) + sizeof word, true, 1, 1) == 0); /* it is not read */
    CHECK(all_buckets_empty());
}

/* Verify that one can wait on 128 words, is woken by any, and leaves all. */
static void
test_many_words(void)
{
    CHECK(waits(0, job_wait_many, 0));
    CHECK(futex_wake_up(word_at(77), true, 8, 1) == 1 && (host_settle(), true));
    CHECK(has_ended(0, 77) && all_buckets_empty());
    worker[0].limit.at_ns = host_now() + 5;
    CHECK(waits(0, job_wait_many, 0));
    host_advance(5);
    CHECK(has_ended(0, -E_TIMEDOUT) && all_buckets_empty());
    worker[0].limit = FOREVER;
    CHECK(waits(0, job_wait_many, 0));
    worker_interrupt(&worker[0]);
    CHECK(has_ended(0, -E_INTR) && all_buckets_empty());
}

/* Verify the word of a lock that nobody waits for. */
static void
test_lock_alone(void)
{
    CHECK(does(0, job_lock, FIRST, 0) && word[FIRST] == tid(0));
    CHECK(does(0, job_lock, FIRST, -E_DEADLK) && does(0, job_try, FIRST, -E_DEADLK));
    CHECK(does(1, job_try, FIRST, -E_AGAIN) && does(1, job_unlock, FIRST, -E_PERM));
    CHECK(does(0, job_unlock, FIRST, 0) && word[FIRST] == 0);
    CHECK(does(0, job_unlock, FIRST, -E_PERM));
    word[FIRST] = 4711; /* nobody's number */
    CHECK(does(0, job_lock, FIRST, -E_SRCH) && does(0, job_try, FIRST, -E_SRCH));
    word[FIRST] = FUTEX_WORD_TID;
    CHECK(does(0, job_lock, FIRST, -E_SRCH));
    word[FIRST] = FUTEX_WORD_DIED; /* whose holder has ended: taken, and told of it */
    CHECK(does(0, job_lock, FIRST, 0) && word[FIRST] == (tid(0) | FUTEX_WORD_DIED));
    word[FIRST] = 0;
}

/* Verify that a lock goes to those that wait in their order, and that the word says so.
 */
static void
test_lock_is_handed_over(void)
{
    CHECK(does(0, job_lock, FIRST, 0) && waits(1, job_lock, FIRST));
    CHECK(waits(2, job_lock, FIRST));
    CHECK(word[FIRST] == (tid(0) | FUTEX_WORD_WAITERS));
    CHECK(does(0, job_unlock, FIRST, 0) && has_ended(1, 0) && worker[2].job != NULL);
    CHECK(word[FIRST] == (tid(1) | FUTEX_WORD_WAITERS));
    worker[3].limit.at_ns = host_now() + 10;
    CHECK(waits(3, job_lock, FIRST));
    host_advance(10);
    CHECK(has_ended(3, -E_TIMEDOUT));
    worker[3].limit = FOREVER;
    CHECK(does(1, job_unlock, FIRST, 0) && has_ended(2, 0) && word[FIRST] == tid(2));
    CHECK(does(2, job_unlock, FIRST, 0) && word[FIRST] == 0);
}

/* Verify that who would wait for himself, through others too, is told. */
static void
test_circles(void)
{
    for (u32 i = 0; i < 4; i++)
        CHECK(does(i, job_lock, i, 0));
    for (u32 i = 0; i < 3; i++)
        CHECK(waits(i, job_lock, i + 1));
    CHECK(does(3, job_lock, 0, -E_DEADLK) && does(3, job_lock, 3, -E_DEADLK));
    CHECK((word[0] & FUTEX_WORD_TID) == tid(0)); /* nobody waits for it after all */
    CHECK(does(3, job_unlock, 3, 0) && has_ended(2, 0));
    CHECK(does(2, job_unlock, 2, 0) && has_ended(1, 0));
    CHECK(does(1, job_unlock, 1, 0) && has_ended(0, 0));
    CHECK(does(0, job_unlock, 1, 0) && does(0, job_unlock, 0, 0));
    CHECK(does(1, job_unlock, 2, 0) && does(2, job_unlock, 3, 0));
    for (u32 i = 0; i < 4; i++)
        CHECK(word[i] == 0);
}

/* Verify that a program that writes into a word that others wait for harms itself alone.
 */
static void
test_word_is_overwritten(void)
{
    CHECK(does(0, job_lock, FIRST, 0) && waits(1, job_lock, FIRST));
    word[FIRST] = tid(2);
    CHECK(does(3, job_lock, FIRST, -E_INVAL) && does(2, job_unlock, FIRST, -E_INVAL));
    CHECK(does(0, job_unlock, FIRST, -E_PERM));
    word[FIRST] = 0;
    CHECK(does(3, job_lock, FIRST, -E_INVAL));
    CHECK(does(0, job_unlock, FIRST, -E_PERM) && worker[1].job != NULL);
    worker_interrupt(&worker[1]);
    CHECK(has_ended(1, -E_INTR) && worker[0].thread->pi_held == NULL);
    CHECK(does(3, job_lock, FIRST, 0) && does(3, job_unlock, FIRST, 0));
}

/* Verify that the locks of a thread that leaves go to who waits for them, who are told,
 * and that it is given none any more. */
static void
test_holder_leaves(void)
{
    CHECK(does(5, job_lock, FIRST, 0) && does(5, job_lock, SECOND, 0));
    CHECK(waits(1, job_lock, FIRST) && waits(2, job_lock, FIRST) &&
          waits(3, job_lock, SECOND));
    CHECK(does(5, job_stay, FIRST, 0));
    CHECK(has_ended(1, 0) && has_ended(3, 0) && worker[2].job != NULL);
    CHECK(word[FIRST] == (tid(1) | FUTEX_WORD_DIED | FUTEX_WORD_WAITERS));
    CHECK(word[SECOND] == (tid(3) | FUTEX_WORD_DIED));
    CHECK(does(1, job_unlock, FIRST, 0) && has_ended(2, 0) && word[FIRST] == tid(2));
    CHECK(does(2, job_unlock, FIRST, 0) && does(3, job_unlock, SECOND, 0));
    CHECK(word[FIRST] == 0 && word[SECOND] == 0);
    CHECK(does(5, job_lock, FIRST, 0) && does(5, job_leave, FIRST, 0));
    CHECK(does(1, job_lock, FIRST, -E_SRCH) && word[FIRST] == tid(5));
    worker_end(&worker[5]);
    worker_start(&worker[5], 5);
    word[FIRST] = 0;
}

/* Verify that waiters are moved to a lock: the first has it, the others stand in its
 * line. */
static void
test_moved_to_a_lock(void)
{
    struct futex_move m = { .from = word_at(8),
                            .to = word_at(FIRST),
                            .private = true,
                            .compare = true,
                            .wake = 1,
                            .move = 10 };
    for (u32 i = 0; i < 3; i++) {
        worker[i].words[0] = 8;
        CHECK(waits(i, job_wait_for_lock, FIRST));
    }
    CHECK(futex_wake_up(word_at(8), true, 1, 1) == -E_INVAL);
    m.value = 1;
    CHECK(futex_requeue_to_lock(&m) == -E_AGAIN);
    m.value = 0;
    m.to = word_at(SECOND); /* which is not what they wait for */
    CHECK(futex_requeue_to_lock(&m) == -E_INVAL);
    m.to = word_at(FIRST);
    CHECK(futex_requeue_to(&m) == -E_INVAL);
    CHECK(futex_requeue_to_lock(&m) == 3);
    host_settle();
    CHECK(has_ended(0, 0) && worker[1].job != NULL && worker[2].job != NULL);
    CHECK(word[FIRST] == (tid(0) | FUTEX_WORD_WAITERS) && all_buckets_empty());
    CHECK(does(0, job_unlock, FIRST, 0) && has_ended(1, 0));
    CHECK(does(1, job_unlock, FIRST, 0) && has_ended(2, 0));
    CHECK(does(2, job_unlock, FIRST, 0) && word[FIRST] == 0);
}

int
main(void)
{
    setup();
    RUN(test_wrong_words);
    RUN(test_many_words);
    RUN(test_lock_alone);
    RUN(test_lock_is_handed_over);
    RUN(test_circles);
    RUN(test_word_is_overwritten);
    RUN(test_holder_leaves);
    RUN(test_moved_to_a_lock);
    for (u32 i = 0; i < WORKERS; i++)
        worker_end(&worker[i]);
    DONE();
}

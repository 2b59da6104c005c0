/* SPDX-License-Identifier: MIT */
/*
 * Rings and loans: what one thread sees, and what two and more threads do to each other,
 * with sleep and doorbell.  Built with address and undefined-behaviour sanitizers, and
 * once more with the thread sanitizer.
 *
 * test_ring [VALUES]: how many each threaded test moves
 */
#define _GNU_SOURCE
#include <sdk/loan.h>
#include <sdk/ring.h>

#include "libos/core/test/check.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

static unsigned long values = 200000;

/* An event: its bit stays pending until it is fetched, as the kernel's (wait, signal). */
struct bell {
    sem_t pending;
};
static unsigned long bells, sleeps;

static void
bell_ring(struct bell *b)
{
    (void)__atomic_fetch_add(&bells, 1, __ATOMIC_RELAXED);
    sem_post(&b->pending);
}

/* Ends the test when no bell comes: the wake-up was lost. */
static void
bell_wait(struct bell *b)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    (void)__atomic_fetch_add(&sleeps, 1, __ATOMIC_RELAXED);
    CHECK(sem_timedwait(&b->pending, &until) == 0);
}

static struct bell to_consumer, to_producer[4];
static uint64_t memory[4096 / 8] __attribute__((aligned(4096)));

static void
start_anew(void)
{
    memset(memory, 0, sizeof(memory));
    bells = sleeps = 0;
    sem_init(&to_consumer.pending, 0, 0);
    for (unsigned i = 0; i < 4; i++)
        sem_init(&to_producer[i].pending, 0, 0);
}

/* ---- one thread ---- */

/* Verify that sizes are powers of two that fit, and that what cannot be is refused. */
static void
test_open_when_sizes_vary_then_fits_or_refuses(void)
{
    struct ring_producer p;
    struct ring_consumer c;

    CHECK(ring_entries(4096, 1) == 256);
    CHECK(ring_entries(RING_BYTES(512, 1), 1) == 512);
    CHECK(ring_entries(RING_BYTES(512, 1) - 1, 1) == 256);
    CHECK(ring_entries(4096, 8) == 32);
    CHECK(ring_entries(RING_BYTES(2, 1) - 1, 1) == 0);
    CHECK(ring_entries(~0ull, 1) != 0);
    CHECK(ring_entries(4096, 0) == 0 && ring_entries(4096, 3) == 0);
    CHECK(ring_entries(~0ull, 128) == 0);
    CHECK(ring_produce(&p, memory, 100, 1) == -FB_E_ARG);
    CHECK(ring_produce(&p, (char *)memory + 2048, 4000, 1) == -FB_E_ALIGN);
    CHECK(ring_consume(&c, memory, 4096, 5) == -FB_E_ARG);
}

/* Verify that values come out in order, that full and empty are told, over many laps. */
static void
test_push_when_full_then_refuses_and_keeps_order(void)
{
    struct ring_producer p;
    struct ring_consumer c;
    uint64_t in = 1, out = 1;

    start_anew();
    CHECK(ring_produce(&p, memory, sizeof(memory), 1) == 0);
    CHECK(ring_consume(&c, memory, sizeof(memory), 1) == 0);
    CHECK(ring_pop(&c) == 0);
    for (unsigned lap = 0; lap < 100; lap++) {
        while (ring_push(&p, in))
            in++;
        CHECK(in - out == 256);
        CHECK(ring_producer_sleeps(&p));
        for (unsigned i = 0; i < 1 + lap % 256; i++)
            CHECK(ring_pop(&c) == out++);
        CHECK(ring_bell_producers(&c) == 1);
        CHECK(!ring_producer_sleeps(&p)); /* there is room again */
        CHECK(ring_bell_producers(&c) == 0);
    }
    while (out < in)
        CHECK(ring_pop(&c) == out++);
    CHECK(ring_pop(&c) == 0);
}

/* Verify that an entry of several words comes out as it went in. */
static void
test_send_when_entries_have_words_then_whole(void)
{
    struct ring_producer p;
    struct ring_consumer c;
    uint64_t a[8], b[8];

    start_anew();
    CHECK(ring_produce(&p, memory, sizeof(memory), 8) == 0);
    CHECK(ring_consume(&c, memory, sizeof(memory), 8) == 0);
    for (uint64_t n = 1; n < 1000; n++) {
        for (unsigned i = 0; i < 8; i++)
            a[i] = n * 8 + i;
        CHECK(ring_send(&p, a));
        if (n % 3 == 0)
            continue;
        CHECK(ring_receive(&c, b));
        CHECK(b[7] == b[0] + 7);
        if (n % 3 == 2 && n > 5)
            CHECK(ring_receive(&c, b) && b[7] == b[0] + 7);
    }
    while (ring_receive(&c, b))
        CHECK(b[7] == b[0] + 7);
    CHECK(b[0] == 0);
    unsigned n = 0;
    while (ring_send(&p, a))
        n++;
    CHECK(n == 32);
}

/* Verify that a bell is wanted exactly when the consumer has announced its sleep. */
static void
test_bell_when_nobody_sleeps_then_silent(void)
{
    struct ring_producer p;
    struct ring_consumer c;

    start_anew();
    CHECK(ring_produce(&p, memory, sizeof(memory), 1) == 0);
    CHECK(ring_consume(&c, memory, sizeof(memory), 1) == 0);
    CHECK(ring_push(&p, 5) && !ring_bell_consumer(&p));
    CHECK(!ring_consumer_sleeps(&c)); /* something is there */
    CHECK(!ring_bell_consumer(&p));
    CHECK(ring_pop(&c) == 5);
    CHECK(ring_consumer_sleeps(&c));
    CHECK(ring_push(&p, 6) && ring_bell_consumer(&p));
    CHECK(!ring_bell_consumer(&p)); /* once for each sleep */
    CHECK(ring_pop(&c) == 6 && ring_consumer_sleeps(&c));
    ring_consumer_wakes(&c);
    CHECK(!ring_bell_consumer(&p));
}

/* Verify that shared producers see full and empty as one does. */
static void
test_push_shared_when_full_then_refuses(void)
{
    struct ring_producers p;
    struct ring_consumer c;
    uint64_t in = 1, out = 1;

    start_anew();
    CHECK(ring_produce_shared(&p, memory, sizeof(memory)) == 0);
    CHECK(ring_consume(&c, memory, sizeof(memory), 1) == 0);
    for (unsigned lap = 0; lap < 100; lap++) {
        while (ring_push_shared(&p, in) == 0)
            in++;
        CHECK(in - out == 256);
        CHECK(ring_push_shared(&p, in) == -FB_E_FULL);
        CHECK(ring_shared_sleeps(&p, 3));
        for (unsigned i = 0; i < 1 + lap % 256; i++)
            CHECK(ring_pop_shared(&c) == out++);
        CHECK(ring_bell_producers(&c) == 1u << 3);
        CHECK(!ring_shared_sleeps(&p, 3));
    }
    /* What the other side may write makes it fail, not spin. */
    p.shared->consumed.word = ~0ull / 2;
    CHECK(ring_push_shared(&p, 1) == -FB_E_BUSY);
}

/* ---- loans ---- */

/* Verify that only what is lent comes back, once, under its generation. */
static void
test_return_when_word_is_forged_then_refuses(void)
{
    struct loan_entry entry[4];
    struct loan_table t;
    uint32_t a, b, rest;
    uint64_t word, other;

    CHECK(loan_init(&t, entry, 0) == -FB_E_ARG);
    CHECK(loan_init(&t, entry, 4) == 0);
    CHECK(loan_take(&t, &a) == 0 && loan_take(&t, &b) == 0);
    CHECK(loan_lend(&t, a, 0, 4097, &word) == -FB_E_RANGE);
    CHECK(loan_lend(&t, a, 1, 4096, &word) == -FB_E_RANGE);
    CHECK(loan_lend(&t, a, 0, 0, &word) == -FB_E_RANGE);
    CHECK(loan_lend(&t, 4, 0, 1, &word) == -FB_E_STATE);
    CHECK(loan_lend(&t, a, 0, 4096, &word) == 0);
    CHECK(loan_lend(&t, a, 0, 4096, &other) == -FB_E_STATE); /* it is lent */
    CHECK(loan_drop(&t, a) == -FB_E_STATE);
    CHECK(loan_return(&t, word ^ 1ull << 44) == -FB_E_STATE); /* another generation */
    CHECK(loan_return(&t, (word & ~0xfffffull) | b) == -FB_E_STATE); /* held, not lent */
    CHECK(loan_return(&t, (word & ~0xfffffull) | 3) == -FB_E_STATE); /* free */
    CHECK(loan_return(&t, (word & ~0xfffffull) | 4) == -FB_E_RANGE);
    CHECK(loan_return(&t, 0) == -FB_E_RANGE && loan_return(&t, ~0ull) == -FB_E_RANGE);
    CHECK(t.refused == 6 && t.lent == 1);
    CHECK(loan_return(&t, word) == 0);
    CHECK(loan_return(&t, word) == -FB_E_STATE); /* twice */
    CHECK(loan_take(&t, &rest) == 0 && rest == a);
    CHECK(loan_lend(&t, rest, 8, 16, &other) == 0 && other != word);
    CHECK(loan_return(&t, word) == -FB_E_STATE); /* an old word of a new loan */
    CHECK(loan_drop(&t, b) == 0 && loan_drop(&t, b) == -FB_E_STATE);
    loan_recall(&t);
    for (unsigned i = 0; i < 4; i++)
        CHECK(loan_take(&t, &rest) == 0);
    CHECK(loan_take(&t, &rest) == -FB_E_FULL && t.lent == 0);
}

/* Verify that a borrower sees what was lent, and nothing beyond its pages. */
static void
test_see_when_word_is_out_of_bounds_then_null(void)
{
    static uint8_t pages[2 * LOAN_PAGE];
    struct loan_entry entry[2];
    struct loan_table t;
    uint32_t n;
    uint64_t word;

    CHECK(loan_init(&t, entry, 2) == 0 && loan_take(&t, &n) == 0);
    CHECK(loan_lend(&t, n, 100, 3996, &word) == 0);
    CHECK(loan_see(pages, 2, word) == pages + n * LOAN_PAGE + 100);
    CHECK(loan_bytes(word) == 3996);
    CHECK(loan_see(pages, 2, word + (1ull << 32)) == NULL); /* one byte too long */
    CHECK(loan_see(pages, 2, word | 2) == NULL);
    CHECK(loan_see(pages, 2, word & ~LOAN_WORD) == NULL);
    CHECK(loan_see(pages, 2, ~0ull) == NULL);
}

/* ---- threads ---- */

static void *
produce(void *unused)
{
    struct ring_producer p;

    (void)unused;
    CHECK(ring_produce(&p, memory, RING_BYTES(16, 1), 1) == 0);
    for (uint64_t i = 1; i <= values; i++) {
        while (!ring_push(&p, i)) {
            if (ring_producer_sleeps(&p))
                bell_wait(&to_producer[0]);
            ring_producer_wakes(&p);
        }
        if (ring_bell_consumer(&p))
            bell_ring(&to_consumer);
    }
    return NULL;
}

/* Verify that two threads lose no value, no order and no wake-up; both sides sleep. */
static void
test_spsc_when_threads_sleep_then_all_arrive(void)
{
    struct ring_consumer c;
    pthread_t thread;
    uint64_t expected = 1;

    start_anew();
    CHECK(ring_consume(&c, memory, RING_BYTES(16, 1), 1) == 0);
    CHECK(pthread_create(&thread, NULL, produce, NULL) == 0);
    while (expected <= values) {
        uint64_t value = ring_pop(&c);
        if (value != 0) {
            CHECK(value == expected);
            expected++;
            if (expected % 8 == 0 && ring_bell_producers(&c))
                bell_ring(&to_producer[0]);
            continue;
        }
        if (ring_bell_producers(&c))
            bell_ring(&to_producer[0]);
        if (ring_consumer_sleeps(&c))
            bell_wait(&to_consumer);
        ring_consumer_wakes(&c);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(ring_pop(&c) == 0);
    printf("# %lu values, %lu sleeps, %lu bells\n", values, sleeps, bells);
}

static void *
produce_shared(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;
    struct ring_producers p;

    CHECK(ring_produce_shared(&p, memory, RING_BYTES(16, 1)) == 0);
    for (uint64_t i = 1; i <= values / 4; i++) {
        int error;
        while ((error = ring_push_shared(&p, i << 2 | number)) != 0) {
            if (error == -FB_E_FULL && ring_shared_sleeps(&p, number))
                bell_wait(&to_producer[number]);
            ring_shared_wakes(&p, number);
        }
        if (ring_bell(p.shared))
            bell_ring(&to_consumer);
    }
    return NULL;
}

/* Verify that four producers lose nothing, and that the order of each is kept. */
static void
test_mpsc_when_threads_sleep_then_all_arrive(void)
{
    struct ring_consumer c;
    pthread_t thread[4];
    uint64_t seen[4] = { 0 };

    start_anew();
    CHECK(ring_consume(&c, memory, RING_BYTES(16, 1), 1) == 0);
    for (uintptr_t i = 0; i < 4; i++)
        CHECK(pthread_create(&thread[i], NULL, produce_shared, (void *)i) == 0);
    for (uint64_t taken = 0; taken < values / 4 * 4;) {
        uint64_t value = ring_pop_shared(&c);
        if (value != 0) {
            CHECK(value >> 2 == ++seen[value & 3]);
            taken++;
        }
        if (value == 0 || taken % 8 == 0)
            for (uint64_t set = ring_bell_producers(&c); set != 0; set &= set - 1)
                bell_ring(&to_producer[__builtin_ctzll(set)]);
        if (value == 0) {
            if (ring_consumer_sleeps(&c))
                bell_wait(&to_consumer);
            ring_consumer_wakes(&c);
        }
    }
    for (unsigned i = 0; i < 4; i++)
        CHECK(pthread_join(thread[i], NULL) == 0 && seen[i] == values / 4);
    CHECK(ring_pop_shared(&c) == 0);
    printf("# %lu values, %lu sleeps, %lu bells\n", values, sleeps, bells);
}

/* Frames go out through one ring and come back through another; both carry words. */
static uint8_t pages[8 * LOAN_PAGE];
static uint64_t back[4096 / 8] __attribute__((aligned(4096)));

static void *
borrow(void *sum)
{
    struct ring_consumer c;
    struct ring_producer p;
    uint64_t total = 0;

    CHECK(ring_consume(&c, memory, sizeof(memory), 1) == 0);
    CHECK(ring_produce(&p, back, sizeof(back), 1) == 0);
    for (unsigned long i = 0; i < values / 8;) {
        uint64_t word = ring_pop(&c);
        if (word != 0) {
            uint8_t *at = loan_see(pages, 8, word);
            CHECK(at != NULL);
            for (uint32_t k = 0; k < loan_bytes(word); k++)
                total += at[k];
            CHECK(ring_push(&p, word)); /* has room for all pages */
            if (ring_bell_consumer(&p))
                bell_ring(&to_producer[0]);
            i++;
        } else {
            if (ring_consumer_sleeps(&c))
                bell_wait(&to_consumer);
            ring_consumer_wakes(&c);
        }
    }
    *(uint64_t *)sum = total;
    return NULL;
}

/* Verify that bytes written into lent pages arrive, and that all pages come back. */
static void
test_loans_when_threads_pass_pages_then_all_come_back(void)
{
    struct ring_producer p;
    struct ring_consumer c;
    struct loan_entry entry[8];
    struct loan_table t;
    pthread_t thread;
    uint64_t sum = 0, got = 0, word;
    uint32_t n;

    start_anew();
    memset(back, 0, sizeof(back));
    CHECK(ring_produce(&p, memory, sizeof(memory), 1) == 0);
    CHECK(ring_consume(&c, back, sizeof(back), 1) == 0);
    CHECK(loan_init(&t, entry, 8) == 0);
    CHECK(pthread_create(&thread, NULL, borrow, &got) == 0);
    for (unsigned long i = 0; i < values / 8;) {
        while ((word = ring_pop(&c)) != 0)
            CHECK(loan_return(&t, word) == 0);
        if (loan_take(&t, &n) == 0) {
            uint32_t offset = (uint32_t)i % 4000, bytes = 1 + (uint32_t)i % 64;
            memset(pages + n * LOAN_PAGE + offset, (int)(i & 0xff), bytes);
            sum += bytes * (i & 0xff);
            CHECK(loan_lend(&t, n, offset, bytes, &word) == 0 && ring_push(&p, word));
            if (ring_bell_consumer(&p))
                bell_ring(&to_consumer);
            i++;
        } else {
            if (ring_consumer_sleeps(&c))
                bell_wait(&to_producer[0]);
            ring_consumer_wakes(&c);
        }
    }
    CHECK(pthread_join(thread, NULL) == 0);
    while ((word = ring_pop(&c)) != 0)
        CHECK(loan_return(&t, word) == 0);
    CHECK(t.lent == 0 && t.refused == 0 && sum == got);
}

int
main(int argc, char **argv)
{
    if (argc > 1)
        values = strtoul(argv[1], NULL, 0);
    RUN(test_open_when_sizes_vary_then_fits_or_refuses);
    RUN(test_push_when_full_then_refuses_and_keeps_order);
    RUN(test_send_when_entries_have_words_then_whole);
    RUN(test_bell_when_nobody_sleeps_then_silent);
    RUN(test_push_shared_when_full_then_refuses);
    RUN(test_return_when_word_is_forged_then_refuses);
    RUN(test_see_when_word_is_out_of_bounds_then_null);
    RUN(test_spsc_when_threads_sleep_then_all_arrive);
    RUN(test_mpsc_when_threads_sleep_then_all_arrive);
    RUN(test_loans_when_threads_pass_pages_then_all_come_back);
    DONE();
}

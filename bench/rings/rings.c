/* SPDX-License-Identifier: MIT */
/*
 * What does a value cost through a ring (sdk/ring.h)?
 *
 * One thread pushes and pops, so both sides are counted and nothing waits.  In
 * `ring_push_pop` the handles are local variables, as in a server's loop, and lie in
 * registers; in the other rows a handle is in memory at each operation.
 * `ring_push_pop_bells` adds what each side does to learn whether the other sleeps, which
 * a batch does once.  What the loops cost is in each row, and by itself in
 * `ring_loop_alone`.
 *
 * Figures are for a thousand operations, as one takes about a nanosecond;
 * tools/ring-bench prints them for one.
 *
 * usage: rings [-n SAMPLES] [NAME...] | --list
 */
#include "harness.h"

#include <sdk/loan.h>
#include <sdk/ring.h>

#define EACH  1000
#define WORDS 8

static uint64_t ring_page[PAGE / 8] __attribute__((aligned(PAGE)));
static struct ring_producer producer;
static struct ring_consumer consumer;
static struct ring_producers producers;
static volatile uint64_t sink;

static int
open_words(uint64_t words)
{
    for (unsigned i = 0; i < PAGE / 8; i++)
        ring_page[i] = 0;
    must(ring_produce(&producer, ring_page, PAGE, words) == 0 &&
             ring_consume(&consumer, ring_page, PAGE, words) == 0 &&
             ring_produce_shared(&producers, ring_page, PAGE) == 0,
         "opening the ring");
    return 0;
}

static int
open_ring(void)
{
    return open_words(1);
}

static int
open_entries(void)
{
    return open_words(WORDS);
}

static long
op_loop(void)
{
    uint64_t sum = 0;

    for (uint64_t i = EACH; i > 0; i--) {
        uint64_t value = i;
        __asm__ volatile("" : "+r"(value)); /* what came out of the ring */
        sum += value;
    }
    sink = sum;
    return 0;
}

static long
op_push_pop(void)
{
    struct ring_producer p = producer;
    struct ring_consumer c = consumer;
    uint64_t sum = 0;

    for (uint64_t i = EACH; i > 0; i--) {
        if (!ring_push(&p, i))
            return -1;
        sum += ring_pop(&c);
    }
    sink = sum;
    producer = p;
    consumer = c;
    return 0;
}

static long
op_handles(void)
{
    uint64_t sum = 0;

    for (uint64_t i = EACH; i > 0; i--) {
        if (!ring_push(&producer, i))
            return -1;
        sum += ring_pop(&consumer);
    }
    sink = sum;
    return 0;
}

static long
op_bells(void)
{
    uint64_t sum = 0;

    for (uint64_t i = EACH; i > 0; i--) {
        if (!ring_push(&producer, i) || ring_bell_consumer(&producer))
            return -1;
        sum += ring_pop(&consumer);
        if (ring_bell_producers(&consumer))
            return -1;
    }
    sink = sum;
    return 0;
}

static long
op_shared(void)
{
    uint64_t sum = 0;

    for (uint64_t i = EACH; i > 0; i--) {
        if (ring_push_shared(&producers, i) != 0)
            return -1;
        sum += ring_pop_shared(&consumer);
    }
    sink = sum;
    return 0;
}

static long
op_entry(void)
{
    uint64_t entry[WORDS] = { 0 };

    for (uint64_t i = EACH; i > 0; i--) {
        entry[0] = i;
        if (!ring_send(&producer, entry) || !ring_receive(&consumer, entry))
            return -1;
    }
    sink = entry[0];
    return 0;
}

/* A page goes out and comes back: both rings' work and both sides' checks. */
static struct loan_entry loan_entries[16];
static struct loan_table table;
static uint8_t pages[16 * LOAN_PAGE];

static int
open_loans(void)
{
    must(loan_init(&table, loan_entries, 16) == 0, "opening the loans");
    return open_words(1);
}

static long
op_loan(void)
{
    for (uint64_t i = EACH; i > 0; i--) {
        uint64_t word;
        uint32_t number;

        if (loan_take(&table, &number) != 0 ||
            loan_lend(&table, number, 0, LOAN_PAGE, &word) != 0 ||
            !ring_push(&producer, word))
            return -1;
        word = ring_pop(&consumer);
        if (loan_see(pages, 16, word) == NULL || !ring_push(&producer, word) ||
            loan_return(&table, ring_pop(&consumer)) != 0)
            return -1;
    }
    return 0;
}

static const struct row rows[] = {
    { .flags = ROW_USER, .name = "ring_loop_alone", .operation = op_loop },
    { .flags = ROW_USER,
      .name = "ring_push_pop",
      .operation = op_push_pop,
      .set_up = open_ring },
    { .flags = ROW_USER,
      .name = "ring_push_pop_handles",
      .operation = op_handles,
      .set_up = open_ring },
    { .flags = ROW_USER,
      .name = "ring_push_pop_bells",
      .operation = op_bells,
      .set_up = open_ring },
    { .flags = ROW_USER,
      .name = "ring_push_pop_shared",
      .operation = op_shared,
      .set_up = open_ring },
    { .flags = ROW_USER,
      .name = "ring_send_receive_64",
      .operation = op_entry,
      .set_up = open_entries },
    { .flags = ROW_USER,
      .name = "ring_loan_and_return",
      .operation = op_loan,
      .set_up = open_loans },
};

int
main(int argc, char **argv)
{
    static const struct group group = { "rings", rows, COUNT_OF(rows) };
    static const struct group *const groups[] = { &group };

    return bench_main(argc, argv, "", groups, COUNT_OF(groups));
}

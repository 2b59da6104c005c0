/* SPDX-License-Identifier: MIT */
/*
 * Ticks of the time stamp counter for one operation, natively.
 *
 * A sample is a run of many operations between two readings; the reading's own cost is
 * spread over all of them.  The median of many samples is taken, so that a sample in which
 * the host did something else does not count.  One line for each row:
 *     NAME MINIMUM MEDIAN            in thousandths of a tick for one operation
 * `cycle` says how many ticks a cycle of the core is: a chain of additions of which each
 * waits for the one before.
 */
#ifndef BENCH_NATIVE_TICKS_H
#define BENCH_NATIVE_TICKS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <x86intrin.h>

#define TICKS_SAMPLES 2001

static int
ticks_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* BODY is a function of `operations` that does so many of them. */
static void
ticks_row(const char *name, unsigned operations, void (*body)(unsigned))
{
    static uint64_t sample[TICKS_SAMPLES];
    unsigned aux;

    for (int i = 0; i < 100; i++)
        body(operations);
    for (int i = 0; i < TICKS_SAMPLES; i++) {
        _mm_lfence();
        uint64_t begin = __rdtsc();
        body(operations);
        sample[i] = (__rdtscp(&aux) - begin) * 1000 / operations;
        _mm_lfence();
    }
    qsort(sample, TICKS_SAMPLES, sizeof(sample[0]), ticks_compare);
    printf("%s %llu %llu\n", name, (unsigned long long)sample[0],
           (unsigned long long)sample[TICKS_SAMPLES / 2]);
}

static void
ticks_chain(unsigned operations)
{
    uint64_t x = 0;

    for (unsigned i = 0; i < operations; i += 10)
        __asm__ volatile("add $1, %0; add $1, %0; add $1, %0; add $1, %0; add $1, %0;"
                         "add $1, %0; add $1, %0; add $1, %0; add $1, %0; add $1, %0"
                         : "+r"(x));
}

static inline void
ticks_cycle(void)
{
    ticks_row("cycle", 2000, ticks_chain);
}

#endif

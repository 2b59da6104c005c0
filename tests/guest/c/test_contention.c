/* SPDX-License-Identifier: MIT */
/*
 * How long a call waits for others that are in the same locks: processes on all CPUs read
 * and write one pipe, whose mutex and wait queue they fight for. Beside another instance
 * on the same CPUs (docs/scheduling.md) a holder may lose its CPU with a lock in hand.
 *
 * Without an argument a test; with `measure` it prints how many calls there were, and the
 * longest of each process (us).
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

#include "check.h"

#define WORKERS 4
#define MILLISECONDS 700u
#define BOUND_US 500000 /* a busy host stops whole CPUs for a while */

static uint64_t
now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

struct result {
    uint64_t calls, most_us;
};

/* A byte in, a byte out: nobody ever waits for a byte, since each puts in one first. */
static void
work(const int *ends, struct result *r)
{
    uint64_t end = now_us() + MILLISECONDS * 1000;
    char byte = 'x';
    for (uint64_t before = now_us(); before < end;) {
        CHECK(write(ends[1], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1);
        uint64_t now = now_us();
        if (now - before > r->most_us)
            r->most_us = now - before;
        r->calls++;
        before = now;
    }
}

static int measure;

/* Verify that nobody waits long for a lock, however many want it. */
static void
test_contention_when_all_want_a_lock_then_bounded(void)
{
    struct result *results = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t least = ~0ull;
    CHECK(results != MAP_FAILED);
    for (int series = 0; series < 3 && least >= BOUND_US; series++) {
        pid_t children[WORKERS];
        int ends[2];
        uint64_t most = 0;
        CHECK(pipe(ends) == 0);
        for (int i = 0; i < WORKERS; i++) {
            results[i] = (struct result){ 0, 0 };
            children[i] = fork();
            if (children[i] == 0) {
                work(ends, &results[i]);
                _exit(0);
            }
        }
        for (int i = 0; i < WORKERS; i++) {
            CHECK_EXIT(children[i], 0);
            CHECK(results[i].calls > 0);
            if (results[i].most_us > most)
                most = results[i].most_us;
            if (measure)
                dprintf(1, "calls %lu longest %lu\n", results[i].calls, results[i].most_us);
        }
        close(ends[0]);
        close(ends[1]);
        if (most < least)
            least = most;
    }
    CHECK(least < BOUND_US);
}

int
main(int argc, char **argv)
{
    measure = argc > 1 && strcmp(argv[1], "measure") == 0;
    RUN(test_contention_when_all_want_a_lock_then_bounded, read, write, pipe);
    return check_failures != 0;
}

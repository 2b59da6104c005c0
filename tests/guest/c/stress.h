/* SPDX-License-Identifier: MIT */
/*
 * The driver of the stress programs: workers that draw pseudo-random work, each piece of
 * which checks its own result.  With -n the sums depend on the seed alone, so they are the
 * same on every system.
 *
 * usage: PROGRAM [-n ROUNDS | -t SECONDS] [-w WORKERS] [-s SEED] [-k KIND]
 *
 * KIND: the place of the only kind of work that is to be done.
 */
#ifndef STRESS_H
#define STRESS_H

#include "check.h"

#include <stdint.h>
#include <time.h>

#define PAGE 4096

typedef void stress_work(void); /* one piece of work */

static int worker; /* makes names its own */
static uint64_t state;
static uint64_t sum;

static uint32_t
next(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 16) % below);
}

static void
add(uint64_t value)
{
    sum = (sum ^ value) * 0x100000001b3;
}

static uint64_t
stress_worker(stress_work *const *works, uint32_t count, int number, uint64_t seed,
              long rounds, time_t until)
{
    worker = number;
    state = seed * 0x9e3779b97f4a7c15 + (uint64_t)worker + 1;
    sum = 0xcbf29ce484222325;
    for (int i = 0; i < 10; i++)
        next(2);
    for (long round = 0; rounds > 0 ? round < rounds : time(NULL) < until; round++)
        works[next(count)]();
    return sum;
}

static int
stress_main(int argc, char **argv, stress_work *const *works, uint32_t count)
{
    long rounds = 200, seconds = 0, workers = 4, failures = 0;
    uint64_t seed = 1, all = 0;
    int option, ends[2];

    while ((option = getopt(argc, argv, "n:t:w:s:k:")) != -1) {
        long value = option == '?' ? 0 : atol(optarg);

        if (option == 'n')
            rounds = value;
        else if (option == 't')
            seconds = value;
        else if (option == 'w')
            workers = value;
        else if (option == 's')
            seed = (uint64_t)value;
        else if (option == 'k' && value >= 0 && value < count) {
            works += value;
            count = 1;
        } else
            return 2;
    }
    CHECK(pipe(ends) == 0);
    for (int i = 0; i < workers; i++) {
        pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0) {
            uint64_t mine = stress_worker(works, count, i, seed, seconds > 0 ? 0 : rounds,
                                 time(NULL) + seconds);

            CHECK(write(ends[1], &mine, sizeof mine) == sizeof mine);
            _exit(0);
        }
    }
    for (int i = 0; i < workers; i++) {
        int status;

        CHECK(wait(&status) > 0);
        failures += status != 0;
    }
    for (long i = 0; i < workers - failures; i++) {
        uint64_t one;

        CHECK(read(ends[0], &one, sizeof one) == sizeof one);
        all += one;
    }
    if (seconds > 0)
        printf("%ld workers ended\n", workers - failures);
    else
        printf("sum %016llx\n", (unsigned long long)all);
    printf("%s - %s\n", failures == 0 ? "ok" : "not ok", strrchr(argv[0], '/') + 1);
    return failures != 0;
}

#endif

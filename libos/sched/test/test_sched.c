/* SPDX-License-Identifier: MIT */
/* Unit tests of sched: fairness by weight, and alternation. */
#include "core/clock.h"
#include "core/host/host.h"
#include "core/machine.h"
#include "core/sched.h"
#include "core/test/check.h"
#include "core/thread.h"

static bool stop;
static unsigned turns[3];

static u64 clock_end;

/* Runs for 1 ms at a time, and goes when its slice is over, as the way to the user would
 * have it. */
static void
spin(void *arg)
{
    unsigned *count = arg;
    while (!stop) {
        ++*count;
        host_tick(1000000);
        stop |= host_now() >= clock_end;
        if (stop || sched_turn_over(lcpu_current(), machine_tsc()))
            thread_preempt();
    }
}

/* Verify that three busy threads get time by weight: nice 0 has 1024/335 times that of
 * nice 5. */
static void
test_sched_time_follows_weight(void)
{
    struct thread *t[3];
    stop = false;
    clock_end = host_now() + 6000000000ull;
    for (int i = 0; i < 3; i++) {
        t[i] = thread_create("spin", spin, &turns[i]);
        thread_set_nice(t[i], i == 2 ? 5 : 0);
    }
    for (int i = 0; i < 3; i++)
        thread_start(t[i]);
    host_settle();
    unsigned sum = turns[0] + turns[1] + turns[2];
    CHECK(sum >= 5999 && sum <= 6003);
    CHECK(turns[0] > 2450 && turns[0] < 2700 && turns[1] > 2450 && turns[1] < 2700);
    CHECK(turns[2] > 760 && turns[2] < 960);
}

static unsigned alternations;
static void *last;
static void
yielder(void *arg)
{
    for (int i = 0; i < 100; i++) {
        alternations += last != arg;
        last = arg;
        thread_yield();
    }
}

/* Verify that two threads that yield alternate. */
static void
test_sched_yield_alternates(void)
{
    thread_start(thread_create("y", yielder, &turns[0]));
    thread_start(thread_create("y", yielder, &turns[1]));
    host_settle();
    CHECK(alternations >= 195);
}

int
main(void)
{
    host_init(8);
    RUN(test_sched_time_follows_weight);
    RUN(test_sched_yield_alternates);
    DONE();
}

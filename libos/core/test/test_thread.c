/* SPDX-License-Identifier: MIT */
/* Unit tests of core/thread.c, wait.c, lock.c, timer.c over the host's one vCPU. */
#include <string.h>

#include "core/clock.h"
#include "core/host/host.h"
#include "core/test/check.h"
#include "core/thread.h"
#include "core/wait.h"

static struct waitq queue = WAITQ_INIT(queue);
static int stage;
static struct mutex mutex = MUTEX_INIT(mutex);
static char trace[64];
static unsigned traced;

static void
waiter(void *arg)
{
    int r = wait_until(&queue, stage >= 1, true, ~0ull);
    *(int *)arg = r == 0 ? 1 : r;
}

/* Verify that a waiter sleeps until its condition holds, and that all its frames come
 * back. */
static void
test_wait_until_condition_wakes(void)
{
    int result = 0;
    stage = 0;
    struct host_counts before = host_count();
    thread_start(thread_create("w", waiter, &result));
    host_settle();
    CHECK(result == 0);
    wait_wake(&queue, ~0u);
    host_settle();
    CHECK(result == 0);
    stage = 1;
    wait_wake(&queue, ~0u);
    host_settle();
    CHECK(result == 1);
    CHECK(host_count().frames == before.frames);
}

/* Verify that a sleep ends at its deadline, not before, and that time moves no
 * further. */
static void
test_thread_block_deadline_times_out(void)
{
    u64 start = clock_mono_ns();
    thread_prepare(false);
    CHECK(thread_block(start + 5000000) == -E_TIMEDOUT);
    CHECK(clock_mono_ns() >= start + 5000000 && clock_mono_ns() < start + 5001000);
    thread_prepare(false);
    CHECK(thread_block(start) == -E_TIMEDOUT);
}

static void
sleeper(void *arg)
{
    int r = wait_until(&queue, false, true, ~0ull);
    *(int *)arg = r;
}

/* Verify that a poke ends an interruptible sleep only, and that work that is set before
 * the sleep ends it at once. */
static void
test_thread_poke_interrupts(void)
{
    int result = 0;
    struct thread *t = thread_create("s", sleeper, &result);
    thread_start(t);
    host_settle();
    CHECK(wait_idle(&queue) == false);
    thread_poke(t);
    host_settle();
    CHECK(result == -E_INTR);
    CHECK(wait_idle(&queue));
    thread_set_work(thread_current(), WORK_SIGNAL);
    thread_prepare(true);
    CHECK(thread_block(~0ull) == -E_INTR);
    atomic_store(&thread_current()->work, 0);
}

static void
locker(void *arg)
{
    mutex_lock(&mutex);
    trace[traced++] = *(const char *)arg;
    thread_yield();
    trace[traced++] = *(const char *)arg;
    mutex_unlock(&mutex);
}

/* Verify that a mutex lets one in at a time, in the order of arrival, across yields. */
static void
test_mutex_is_handed_on_in_order(void)
{
    traced = 0;
    mutex_lock(&mutex);
    CHECK(mutex_held(&mutex) && !mutex_try(&mutex));
    static const char names[] = "abcd";
    for (int i = 0; i < 4; i++)
        thread_start(thread_create("m", locker, (void *)(uintptr_t)&names[i]));
    host_settle();
    CHECK(traced == 0);
    mutex_unlock(&mutex);
    host_settle();
    CHECK(traced == 8 && memcmp(trace, "aabbccdd", 8) == 0);
    CHECK(!mutex_held(&mutex) && mutex_try(&mutex));
    mutex_unlock(&mutex);
}

/* Verify that who runs may take a mutex past one that was told, but not for ever: who came
 * late twice is given it. */
static void
test_mutex_when_others_are_faster_then_given(void)
{
    unsigned took = 0;
    traced = 0;
    mutex_lock(&mutex);
    thread_start(thread_create("m", locker, (void *)(uintptr_t)"w"));
    host_settle();
    for (;; took++) {
        mutex_unlock(&mutex);
        mutex_lock(&mutex);
        if (traced != 0)
            break; /* it had the mutex in between */
        host_settle(); /* it looks, and sleeps again */
    }
    CHECK(took == 2 && traced == 2 && mutex_held(&mutex));
    mutex_unlock(&mutex);
}

#define TIMERS 300
static struct timer timers[TIMERS];
static u64 fired, last_deadline, expected[TIMERS];

static void
on_timer(struct timer *t)
{
    u64 due = expected[t - timers];
    CHECK(due >= last_deadline && clock_mono_ns() >= due);
    last_deadline = due;
    fired++;
}

/* Verify that timers fire in the order of their deadlines, once, and not after
 * disarming. */
static void
test_timers_fire_in_order(void)
{
    u64 now = clock_mono_ns();
    unsigned x = 7;
    for (int i = 0; i < TIMERS; i++) {
        x = x * 1664525u + 1013904223u;
        expected[i] = now + 1000 + (x >> 12) % 1000000;
        timer_init(&timers[i], on_timer);
        timer_arm(&timers[i], now + 999999999);
        timer_arm(&timers[i], expected[i]); /* moves it */
    }
    unsigned disarmed = 0;
    for (int i = 0; i < TIMERS; i += 3, disarmed++)
        CHECK(timer_disarm(&timers[i]));
    host_advance(2000000);
    CHECK(fired == TIMERS - disarmed);
    CHECK(!timer_disarm(&timers[1]));
    host_advance(2000000000);
    CHECK(fired == TIMERS - disarmed);
}

static struct waiter exclusive[5];
static bool
on_wake(struct waiter *w)
{
    trace[traced++] = (char)('0' + (w - exclusive));
    return w != &exclusive[1]; /* nobody there: the next one is told */
}

/* Verify that a wake reaches all others but only n exclusive waiters, the longest waiting
 * first, besides those where nobody is. */
static void
test_wait_wake_counts_exclusive(void)
{
    traced = 0;
    for (int i = 0; i < 5; i++) {
        exclusive[i] = (struct waiter){ .wake = on_wake, .exclusive = i != 2 };
        wait_add(&queue, &exclusive[i]);
    }
    CHECK(wait_wake(&queue, 2));
    CHECK(traced == 4 && memcmp(trace, "2013", 4) == 0);
    for (int i = 0; i < 5; i++)
        wait_remove(&exclusive[i]);
    CHECK(wait_idle(&queue));
}

/* Verify that the deadline for the kernel is never early, and at most a tick late. */
static void
test_clock_deadline_rounds_up(void)
{
    for (u64 ns = 1; ns < 1ull << 62; ns = ns * 3 + 1) {
        u64 tsc = clock_ns_to_tsc(ns);
        CHECK(clock_ticks_to_ns(tsc) >= ns && clock_ticks_to_ns(tsc - 1) < ns);
        CHECK(clock_ns_to_ticks(ns) == tsc);
    }
    CHECK(clock_ns_to_tsc(~0ull - 1) < ~0ull);
}

int
main(void)
{
    host_init(16);
    RUN(test_wait_until_condition_wakes);
    RUN(test_thread_block_deadline_times_out);
    RUN(test_thread_poke_interrupts);
    RUN(test_mutex_is_handed_on_in_order);
    RUN(test_mutex_when_others_are_faster_then_given);
    RUN(test_timers_fire_in_order);
    RUN(test_wait_wake_counts_exclusive);
    RUN(test_clock_deadline_rounds_up);
    DONE();
}

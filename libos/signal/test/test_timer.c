/* SPDX-License-Identifier: MIT */
/* Host tests of signal/timer.c: periods, overrun, what happens to a timer whose signal is
 * taken, dropped or ignored, and that nothing is lost. */
#include "proc/test/world.h"
#include "signal/internal.h"
#include "signal/timer.h"

#define MS 1000000ull
#define NUMBER 40

static struct process *self;

static i32
make(enum timer_notify notify)
{
    struct timer_plan plan = { .notify = notify, .number = NUMBER, .value = 77 };
    return posix_timer_create(self, &plan);
}

static void
set(i32 id, u64 value_ns, u64 interval_ns)
{
    struct timer_time t = { value_ns, interval_ns };
    CHECK(posix_timer_set(self, id, false, &t, NULL) == 0);
}

static int
take(struct signal_info *out)
{
    return signal_take(thread_current(), SIG_BIT(NUMBER), out);
}

/* Verify that a signal comes with its timer's number and value, and only once. */
static void
test_one_shot_when_due_then_signal(void)
{
    struct signal_info info;
    i32 id = make(TIMER_SIGNAL);
    CHECK(id >= 0);
    set(id, 10 * MS, 0);
    host_advance(9 * MS);
    CHECK(take(&info) == 0);
    host_advance(2 * MS);
    CHECK(take(&info) == NUMBER && info.code == SIGNAL_CODE_TIMER);
    CHECK(info.pid == id && info.value == 77 && info.uid == 0 && info.timer == NULL);
    host_advance(100 * MS);
    CHECK(take(&info) == 0);
    CHECK(posix_timer_delete(self, id) == 0);
    CHECK(posix_timer_delete(self, id) == -E_INVAL);
}

/* Verify that periods that pass while the signal waits are its overrun, and that they
 * queue nothing (J1). */
static void
test_periodic_when_taken_late_then_overrun(void)
{
    struct signal_info info;
    i32 id = make(TIMER_SIGNAL);
    set(id, 10 * MS, 10 * MS);
    host_advance(11 * MS);
    u32 queued = self->signals_queued;
    host_advance(50 * MS);
    CHECK(self->signals_queued == queued);
    CHECK(take(&info) == NUMBER && info.uid == 5);
    CHECK(posix_timer_overrun(self, id) == 5);
    CHECK(take(&info) == 0);
    host_advance(10 * MS);
    CHECK(take(&info) == NUMBER && info.uid == 0);
    CHECK(posix_timer_delete(self, id) == 0);
}

/* Verify that a signal that is dropped with its kind arms the timer again. */
static void
test_periodic_when_dropped_then_goes_on(void)
{
    struct signal_info info;
    struct signal_action ignore = { .handler = SIG_HANDLER_IGNORE };
    struct signal_action old;
    i32 id = make(TIMER_SIGNAL);
    set(id, 10 * MS, 10 * MS);
    host_advance(11 * MS);
    CHECK(signal_action_set(self, NUMBER, &ignore, &old) == 0);
    CHECK(take(&info) == 0);
    CHECK(signal_action_set(self, NUMBER, &old, NULL) == 0);
    host_advance(10 * MS);
    CHECK(take(&info) == NUMBER);
    CHECK(posix_timer_delete(self, id) == 0);
}

/* Verify that a timer may be deleted, and set anew, while its signal is pending. */
static void
test_pending_when_deleted_or_set_then_safe(void)
{
    struct signal_info info;
    i32 id = make(TIMER_SIGNAL);
    set(id, 1 * MS, 1 * MS);
    host_advance(2 * MS);
    CHECK(posix_timer_delete(self, id) == 0);
    CHECK(take(&info) == NUMBER && info.timer == NULL);
    host_advance(10 * MS);
    CHECK(take(&info) == 0);
    id = make(TIMER_SIGNAL);
    set(id, 1 * MS, 0);
    host_advance(2 * MS);
    set(id, 5 * MS, 0); /* the old signal stays, the new time counts from its taking */
    CHECK(take(&info) == NUMBER);
    CHECK(take(&info) == 0);
    host_advance(6 * MS);
    CHECK(take(&info) == NUMBER);
    CHECK(posix_timer_delete(self, id) == 0);
}

/* Verify that two timers with one standard signal are both heard. */
static void
test_two_when_one_number_then_both(void)
{
    struct signal_info info;
    struct timer_plan plan = { .notify = TIMER_SIGNAL, .number = SIG_USR1 };
    i32 a = posix_timer_create(self, &plan), b = posix_timer_create(self, &plan);
    CHECK(a >= 0 && b >= 0 && a != b);
    set(a, 1 * MS, 0);
    set(b, 1 * MS, 0);
    host_advance(2 * MS);
    CHECK(signal_take(thread_current(), SIG_BIT(SIG_USR1), &info) == SIG_USR1);
    i32 first = info.pid;
    CHECK(signal_take(thread_current(), SIG_BIT(SIG_USR1), &info) == SIG_USR1);
    CHECK(info.pid != first);
    CHECK(posix_timer_delete(self, a) == 0 && posix_timer_delete(self, b) == 0);
}

/* Verify that without memory for a signal the timer tries again in its next period. */
static void
test_periodic_when_no_memory_then_tries_again(void)
{
    struct signal_info info;
    i32 id = make(TIMER_SIGNAL);
    set(id, 20 * MS, 20 * MS);
    heap_free(self->signal_spare);
    self->signal_spare = NULL;
    host_fail_heap_after(0);
    host_advance(21 * MS);
    host_fail_heap_after(~0ull);
    CHECK(take(&info) == 0);
    host_advance(20 * MS);
    CHECK(take(&info) == NUMBER && info.uid == 1);
    CHECK(posix_timer_delete(self, id) == 0);
}

/* Verify that the limit holds, that numbers are used again, and that the end of the
 * process (J3) loses nothing. */
static void
test_table_when_full_then_again_and_ended_clean(void)
{
    struct host_counts before = host_count();
    u64 soft = self->limits[SIGNAL_LIMIT_PENDING].soft;
    struct signal_info info;
    self->limits[SIGNAL_LIMIT_PENDING].soft = 100;
    for (i32 i = 0; i < 100; i++) {
        i32 id = make(TIMER_SIGNAL);
        CHECK(id >= 0 && id < 128);
        set(id, 1 + (u64)i, 1 * MS);
    }
    CHECK(make(TIMER_SIGNAL) == -E_AGAIN);
    CHECK(posix_timer_delete(self, 50) == 0 && make(TIMER_SIGNAL) == 50);
    host_advance(5 * MS);
    posix_timers_end(self);
    while (take(&info) != 0)
        ;
    CHECK(self->signals_queued == 0 && self->timers == NULL);
    self->limits[SIGNAL_LIMIT_PENDING].soft = soft;
    /* One queue entry is kept for the next signal. */
    CHECK(host_count().objects <= before.objects + 1);
    CHECK(posix_timer_overrun(self, 1) == -E_INVAL);
}

static void
all_tests(struct thread *t, struct user_frame *f)
{
    (void)f;
    self = t->process;
    signal_mask_set(SIG_BIT(NUMBER) | SIG_BIT(SIG_USR1));
    RUN(test_one_shot_when_due_then_signal);
    RUN(test_periodic_when_taken_late_then_overrun);
    RUN(test_periodic_when_dropped_then_goes_on);
    RUN(test_pending_when_deleted_or_set_then_safe);
    RUN(test_two_when_one_number_then_both);
    RUN(test_periodic_when_no_memory_then_tries_again);
    posix_timers_end(self);
    RUN(test_table_when_full_then_again_and_ended_clean);
    world_done();
}

int
main(void)
{
    world_start();
    world_run(all_tests);
    DONE();
}

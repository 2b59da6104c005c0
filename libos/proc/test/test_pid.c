/* SPDX-License-Identifier: MIT */
/* Unit tests of proc/pid.c: numbers are unique, come in a cycle, and stay taken as long
 * as anything uses them. */
#include "core/error.h"
#include "core/host/host.h"
#include "core/test/check.h"
#include "proc/pid.h"

/* Verify that numbers count up, and that one that was given back is not the next to be
 * given out. */
static void
test_pid_alloc_counts_up(void)
{
    i32 a = pid_alloc(), b = pid_alloc();
    CHECK(a == 1 && b == 2);
    pid_drop(b);
    i32 c = pid_alloc();
    CHECK(c == 3);
    pid_drop(c);
    pid_drop(a);
    CHECK(pid_in_use() == 0);
}

/* Verify that a number with two uses is free only after both. */
static void
test_pid_drop_with_second_use_keeps(void)
{
    i32 a = pid_alloc();
    u64 before = pid_in_use();
    pid_hold(a);
    pid_drop(a);
    CHECK(pid_in_use() == before);
    pid_drop(a);
    CHECK(pid_in_use() == before - 1);
}

/* Verify that all numbers can be in use at once, that the next one is refused, and that
 * the cycle begins again at 300. */
static void
test_pid_alloc_exhausted_is_again(void)
{
    static i32 all[PID_MAX];
    int n = 0;
    u64 frames = host_count().objects;
    for (;;) {
        i32 pid = pid_alloc();
        if (pid < 0) {
            CHECK(pid == -E_AGAIN);
            break;
        }
        CHECK(n < PID_MAX && pid > 0 && pid < PID_MAX);
        all[n++] = pid;
    }
    /* The low numbers are given out only once. */
    CHECK(n >= PID_MAX - 300 && n < PID_MAX);
    CHECK(host_count().objects >= frames);
    pid_drop(1234);
    CHECK(pid_alloc() == 1234);
    CHECK(pid_alloc() == -E_AGAIN);
    for (int i = 0; i < n; i++)
        pid_drop(all[i]);
    CHECK(pid_in_use() == 0);
    CHECK(pid_alloc() >= 300);
}

/* Verify that iteration finds the numbers in use in order. */
static void
test_pid_next_used_in_order(void)
{
    i32 first = pid_next_used(0);
    CHECK(first >= 300);
    i32 b = pid_alloc(), c = pid_alloc();
    CHECK(pid_next_used(first) == b && pid_next_used(b) == c && pid_next_used(c) == 0);
}

/* Verify that a chosen number is had once, in a leaf that nobody used too, and that the
 * cycle goes on from where it was. */
static void
test_pid_alloc_chosen(void)
{
    i32 before = pid_alloc();
    u64 count = pid_in_use();
    CHECK(pid_alloc_chosen(before) == -E_EXIST);
    CHECK(pid_alloc_chosen(PID_MAX - 1) == PID_MAX - 1);
    CHECK(pid_alloc_chosen(PID_MAX - 1) == -E_EXIST);
    CHECK(pid_alloc_chosen(2) == 2 && pid_next_used(0) == 2);
    CHECK(pid_in_use() == count + 2);
    i32 after = pid_alloc();
    CHECK(after == before + 1);
    pid_drop(PID_MAX - 1);
    CHECK(pid_alloc_chosen(PID_MAX - 1) == PID_MAX - 1);
    pid_drop(PID_MAX - 1);
    pid_drop(2);
    pid_drop(before);
    pid_drop(after);
    CHECK(pid_in_use() == count - 1);
}

int
main(void)
{
    host_init(16);
    RUN(test_pid_alloc_counts_up);
    RUN(test_pid_drop_with_second_use_keeps);
    RUN(test_pid_alloc_exhausted_is_again);
    RUN(test_pid_next_used_in_order);
    RUN(test_pid_alloc_chosen);
    DONE();
}

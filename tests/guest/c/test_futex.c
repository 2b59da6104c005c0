/* SPDX-License-Identifier: MIT */
/* futex(2): every operation with its errors, clocks that are set, robust lists. */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

enum { WAIT, WAKE, FD, REQUEUE, CMP_REQUEUE, WAKE_OP, WAIT_BITSET = 9, WAKE_BITSET,
       PRIVATE = 128, REALTIME = 256 };

static _Atomic uint32_t one, two;
static _Atomic int sleeping, woken;

static long
futex(void *at, int op, uint32_t value, const void *limit, void *second, uint32_t third)
{
    return syscall(SYS_futex, at, op, value, limit, second, third);
}

struct wait_job {
    void *at;
    uint32_t bits;
};

static void *
wait_here(void *arg)
{
    struct wait_job *j = arg;

    sleeping++;
    while (futex(j->at, WAIT_BITSET | PRIVATE, 0, NULL, NULL, j->bits) == -1 &&
           errno == EINTR)
        ;
    woken++;
    return NULL;
}

static void
start(int n, struct wait_job *j, pthread_t *thread)
{
    int before = sleeping;

    for (int i = 0; i < n; i++)
        CHECK(pthread_create(&thread[i], NULL, wait_here, j) == 0);
    while (sleeping != before + n)
        sched_yield();
    usleep(30000);
}

static void
join(int n, pthread_t *thread)
{
    for (int i = 0; i < n; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
}

static void
test_wake_when_counted_then_so_many(void)
{
    struct wait_job j = { &one, ~0u };
    pthread_t thread[5];

    start(5, &j, thread);
    CHECK(futex(&two, WAKE | PRIVATE, 5, NULL, NULL, 0) == 0);
    CHECK(futex(&one, WAKE | PRIVATE, 2, NULL, NULL, 0) == 2);
    CHECK(futex(&one, WAKE | PRIVATE, INT32_MAX, NULL, NULL, 0) == 3);
    join(5, thread);
    CHECK(woken == 5);
}

static void
test_wake_when_bitset_then_those_that_share_a_bit(void)
{
    struct wait_job low = { &one, 1 }, high = { &one, 0x80000000 };
    pthread_t thread[4];

    start(2, &low, thread);
    start(2, &high, thread + 2);
    CHECK(futex(&one, WAKE_BITSET | PRIVATE, 9, NULL, NULL, 2) == 0);
    CHECK(futex(&one, WAKE_BITSET | PRIVATE, 9, NULL, NULL, 0x80000000) == 2);
    CHECK(futex(&one, WAKE_BITSET | PRIVATE, 9, NULL, NULL, 3) == 2);
    join(4, thread);
    CHECK_ERROR(futex(&one, WAKE_BITSET, 1, NULL, NULL, 0), EINVAL);
    CHECK_ERROR(futex(&one, WAIT_BITSET, 0, NULL, NULL, 0), EINVAL);
}

static void
test_requeue_when_asked_then_others_move(void)
{
    struct wait_job j = { &one, ~0u };
    pthread_t thread[4];

    start(4, &j, thread);
    CHECK_ERROR(futex(&one, CMP_REQUEUE | PRIVATE, 1, (void *)2, &two, 77), EAGAIN);
    CHECK(futex(&one, CMP_REQUEUE | PRIVATE, 1, (void *)2, &two, 0) == 3);
    CHECK(futex(&two, WAKE | PRIVATE, 9, NULL, NULL, 0) == 2);
    CHECK(futex(&one, REQUEUE | PRIVATE, 0, (void *)9, &two, 0) == 1);
    CHECK(futex(&two, WAKE | PRIVATE, 9, NULL, NULL, 0) == 1);
    join(4, thread);
    CHECK_ERROR(futex(&one, CMP_REQUEUE, (uint32_t)-1, (void *)1, &two, 0), EINVAL);
    CHECK_ERROR(futex(&one, CMP_REQUEUE, 1, (void *)-1, &two, 0), EINVAL);
    CHECK_ERROR(futex(&one, CMP_REQUEUE, 1, (void *)1, (char *)&two + 1, 0), EINVAL);
    CHECK_ERROR(futex(&one, CMP_REQUEUE, 1, (void *)1, (void *)8, 0), EFAULT);
}

#define OP(op, oparg, cmp, cmparg)                                                     \
    ((uint32_t)(op) << 28 | (uint32_t)(cmp) << 24 | ((uint32_t)(oparg) & 0xfff) << 12 |  \
     ((uint32_t)(cmparg) & 0xfff))

static void
test_wake_op_when_each_operation_then_word_and_wakes(void)
{
    static const struct {
        int op, oparg;
        uint32_t before, after;
    } ops[] = {
        { 0, 7, 5, 7 },      { 0, -1, 5, 0xffffffff }, { 1, 3, 5, 8 },
        { 1, -6, 5, -1u },   { 2, 0x10, 5, 0x15 },     { 3, 4, 5, 1 },
        { 4, 0xf, 5, 0xa },  { 8 | 2, 9, 5, 0x205 },   { 8 | 0, 31, 5, 0x80000000 },
    };
    static const struct {
        int cmp, cmparg, holds;
    } compares[] = {
        { 0, 5, 1 }, { 0, 4, 0 }, { 1, 4, 1 }, { 1, 5, 0 }, { 2, 6, 1 },  { 2, 5, 0 },
        { 3, 5, 1 }, { 3, 4, 0 }, { 4, 4, 1 }, { 4, 5, 0 }, { 5, 5, 1 },  { 5, 6, 0 },
        { 4, -1, 1 }, { 2, -1, 0 },
    };
    struct wait_job first = { &one, ~0u }, second = { &two, ~0u };
    pthread_t thread[2];

    for (unsigned i = 0; i < sizeof ops / sizeof *ops; i++) {
        two = ops[i].before;
        CHECK(futex(&one, WAKE_OP, 1, (void *)1, &two, OP(ops[i].op, ops[i].oparg, 0, 0)) ==
              0);
        CHECK(two == ops[i].after);
    }
    for (unsigned i = 0; i < sizeof compares / sizeof *compares; i++) {
        one = two = 0;
        start(1, &first, thread);
        start(1, &second, thread + 1);
        two = 5;
        CHECK(futex(&one, WAKE_OP | PRIVATE, 1, (void *)1, &two,
                    OP(0, 0, compares[i].cmp, compares[i].cmparg)) ==
              1 + compares[i].holds);
        CHECK(futex(&two, WAKE | PRIVATE, 1, NULL, NULL, 0) == 1 - compares[i].holds);
        join(2, thread);
    }
    CHECK_ERROR(futex(&one, WAKE_OP, 1, (void *)1, &two, OP(5, 0, 0, 0)), ENOSYS);
    CHECK_ERROR(futex(&one, WAKE_OP, 1, (void *)1, (void *)8, 0), EFAULT);
    CHECK_ERROR(futex(&one, WAKE_OP, 1, (void *)1, (char *)&two + 2, 0), EINVAL);
}

static void
test_wait_when_limits_then_each_clock(void)
{
    struct timespec t = { 0, 20000000 };

    one = 0;
    CHECK_ERROR(futex(&one, WAIT, 0, &t, NULL, 0), ETIMEDOUT);
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    CHECK_ERROR(futex(&one, WAIT_BITSET, 0, &t, NULL, ~0u), ETIMEDOUT);
    CHECK(clock_gettime(CLOCK_REALTIME, &t) == 0);
    CHECK_ERROR(futex(&one, WAIT_BITSET | REALTIME, 0, &t, NULL, ~0u), ETIMEDOUT);
    CHECK_ERROR(futex(&one, WAKE | REALTIME, 1, NULL, NULL, 0), ENOSYS);
    CHECK_ERROR(futex(&one, 99, 1, NULL, NULL, 0), ENOSYS);
}

/* Verify that a wait to a time of the wall clock ends when the clock is set past it. */
static void
test_wait_when_clock_is_set_then_noticed(void)
{
    struct timespec t, now;
    pid_t child;

    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    child = fork();
    if (child == 0) {
        t = (struct timespec){ now.tv_sec + 3000, 0 };
        CHECK_ERROR(futex(&one, WAIT_BITSET | REALTIME, 0, &t, NULL, ~0u), ETIMEDOUT);
        _exit(0);
    }
    usleep(50000);
    now.tv_sec += 3600;
    CHECK(clock_settime(CLOCK_REALTIME, &now) == 0);
    CHECK_EXIT(child, 0);
    now.tv_sec -= 3600;
    CHECK(clock_settime(CLOCK_REALTIME, &now) == 0);
}

struct robust {
    void *next;
    long offset;
    void *pending;
};

static void
test_robust_list_when_asked_then_given(void)
{
    struct robust *head = NULL, mine = { &mine, 0, NULL };
    size_t bytes = 0;
    pid_t child;

    CHECK(syscall(SYS_set_robust_list, &mine, sizeof mine) == 0);
    CHECK(syscall(SYS_get_robust_list, 0, &head, &bytes) == 0);
    CHECK(head == &mine && bytes == sizeof mine);
    CHECK(syscall(SYS_get_robust_list, getpid(), &head, &bytes) == 0 && head == &mine);
    CHECK_ERROR(syscall(SYS_get_robust_list, 0x3fffffff, &head, &bytes), ESRCH);
    CHECK_ERROR(syscall(SYS_get_robust_list, 0, 8, &bytes), EFAULT);
    CHECK_ERROR(syscall(SYS_get_robust_list, 0, &head, 8), EFAULT);
    CHECK_ERROR(syscall(SYS_set_robust_list, &mine, 1), EINVAL);
    child = fork();
    if (child == 0) {
        CHECK(syscall(SYS_setresuid, 1000, 1000, 1000) == 0);
        CHECK_ERROR(syscall(SYS_get_robust_list, getppid(), &head, &bytes), EPERM);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

static void *
wait_shared(void *arg)
{
    struct timespec limit = { 0, 300000000 };

    sleeping++;
    CHECK_ERROR(futex(arg, WAIT, 0, &limit, NULL, 0), ETIMEDOUT);
    return NULL;
}

static void *
map_shared(bool named)
{
    int fd = named ? memfd_create("word", 0) : -1;

    if (named)
        CHECK(ftruncate(fd, 4096) == 0);
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                    MAP_SHARED | (named ? 0 : MAP_ANONYMOUS), fd, 0);
    CHECK(at != MAP_FAILED);
    if (named)
        close(fd);
    return at;
}

/* What is mapped next may lie where the first lay: its wake-ups are not for who waits
 * for a word that nobody has any more. */
static void
test_wait_when_word_is_unmapped_then_no_stranger_shares_it(void)
{
    for (int named = 0; named < 2; named++) {
        pthread_t waiter;
        void *at = map_shared(named), *next[8];
        int before = sleeping;

        CHECK(pthread_create(&waiter, NULL, wait_shared, at) == 0);
        while (sleeping != before + 1)
            sched_yield();
        usleep(50000);
        CHECK(munmap(at, 4096) == 0);
        for (int i = 0; i < 8; i++) {
            next[i] = map_shared(named);
            *(volatile uint32_t *)next[i] = 1;
            CHECK(futex(next[i], WAKE, 1, NULL, NULL, 0) == 0);
        }
        CHECK(pthread_join(waiter, NULL) == 0);
        for (int i = 0; i < 8; i++)
            munmap(next[i], 4096);
    }
}

int
main(void)
{
    RUN(test_wake_when_counted_then_so_many, futex);
    RUN(test_wake_when_bitset_then_those_that_share_a_bit, futex);
    RUN(test_requeue_when_asked_then_others_move, futex);
    RUN(test_wake_op_when_each_operation_then_word_and_wakes, futex);
    RUN(test_wait_when_word_is_unmapped_then_no_stranger_shares_it, futex, memfd_create);
    RUN(test_wait_when_limits_then_each_clock, futex);
    RUN(test_wait_when_clock_is_set_then_noticed, futex, clock_settime);
    RUN(test_robust_list_when_asked_then_given, get_robust_list, set_robust_list);
    return check_failures != 0;
}

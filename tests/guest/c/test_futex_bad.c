/* SPDX-License-Identifier: MIT */
/* Futexes, robust lists and rseq of a program that means ill: it harms itself alone. */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

enum { WAIT, WAKE, REQUEUE = 3, CMP_REQUEUE, WAKE_OP, LOCK_PI, UNLOCK_PI, PRIVATE = 128 };
#define WILD      ((void *)0x7ffff0000000)
#define HIGH      ((void *)0xffff800000001000)
#define ODD       ((void *)0x1001)
#define WAITERS   0x80000000u
#define WAITV_MAX 128

struct robust_head {
    uintptr_t next;
    long offset;
    uintptr_t pending;
};
struct robust_lock {
    uintptr_t next;
    _Atomic uint32_t word;
    uint32_t rest;
};
struct waitv {
    uint64_t value, at;
    uint32_t flags, reserved;
};

static _Atomic uint32_t one, two;
static _Atomic int ready;

static long
futex(void *at, int op, uint32_t value, const void *limit, void *second, uint32_t third)
{
    return syscall(SYS_futex, at, op, value, limit, second, third);
}

static void *
wait_on_one(void *arg)
{
    ready++;
    while (futex(&one, WAIT, 0, NULL, NULL, 0) == -1 && errno == EINTR)
        ;
    return arg;
}

/* Verify that waiters that are moved to where they stand are counted, and stay there. */
static void
test_requeue_to_itself(void)
{
    enum { N = 3 };
    pthread_t thread[N];
    long moved = 0;
    int left = N;

    one = 0;
    for (int i = 0; i < N; i++)
        CHECK(pthread_create(&thread[i], NULL, wait_on_one, NULL) == 0);
    while (moved < N) { /* until all sleep */
        moved = futex(&one, REQUEUE, 0, (void *)100, &one, 0);
        CHECK(moved >= 0 && moved <= N);
        sched_yield();
    }
    CHECK(futex(&one, CMP_REQUEUE, 0, (void *)100, &one, 1) == -1 && errno == EAGAIN);
    while (left > 0) {
        long woken = futex(&one, WAKE, 1, NULL, NULL, 0);
        CHECK(woken == 1);
        left--;
    }
    for (int i = 0; i < N; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
}

/* Verify that wild words are errors in each operation, for both of its words. */
static void
test_wild_words(void)
{
    static void *const bad[] = { WILD, HIGH, NULL };
    int op = 0 << 28 | 0 << 24 | 1 << 12; /* one = 1, nothing is compared */
    for (unsigned i = 0; i < 3; i++) {
        CHECK_ERROR(futex(bad[i], WAIT, 0, NULL, NULL, 0), EFAULT);
        CHECK_ERROR(futex(bad[i], WAKE, 1, NULL, NULL, 0), EFAULT);
        CHECK_ERROR(futex(bad[i], CMP_REQUEUE, 1, (void *)1, &one, 0), EFAULT);
        CHECK_ERROR(futex(&one, CMP_REQUEUE, 1, (void *)1, bad[i], one), EFAULT);
        CHECK_ERROR(futex(&one, WAKE_OP, 1, (void *)1, bad[i], (uint32_t)op), EFAULT);
        CHECK_ERROR(futex(bad[i], LOCK_PI, 0, NULL, NULL, 0), EFAULT);
        CHECK_ERROR(futex(bad[i], UNLOCK_PI, 0, NULL, NULL, 0), EFAULT);
    }
    CHECK_ERROR(futex(ODD, WAIT, 0, NULL, NULL, 0), EINVAL);
    CHECK_ERROR(futex(&one, WAKE_OP, 1, (void *)1, ODD, (uint32_t)op), EINVAL);
    CHECK_ERROR(futex(&one, 99, 0, NULL, NULL, 0), ENOSYS);
    CHECK_ERROR(futex(&one, WAIT, one, HIGH, NULL, 0), EFAULT); /* the limit */
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    CHECK_ERROR(futex(page, LOCK_PI | PRIVATE, 0, NULL, NULL, 0), EFAULT);
    CHECK_ERROR(futex(&one, WAKE_OP | PRIVATE, 1, (void *)1, page, (uint32_t)op), EFAULT);
    CHECK(munmap(page, 4096) == 0);
}

/* ---- robust lists ---- */

static struct robust_lock locks[2];
static struct robust_head head;
static int how;

static void *
leave_with_list(void *arg)
{
    uint32_t self = (uint32_t)syscall(SYS_gettid);

    locks[0].word = locks[1].word = self;
    head.offset = offsetof(struct robust_lock, word);
    head.pending = 0;
    locks[0].next = (uintptr_t)&locks[1];
    locks[1].next = (uintptr_t)&locks[how == 0]; /* a circle, but for the first entry */
    head.next = (uintptr_t)&locks[0];
    if (how == 1)
        locks[1].next = (uintptr_t)WILD;
    else if (how == 2)
        locks[1].next = (uintptr_t)HIGH;
    else if (how == 3)
        head.offset = INTPTR_MIN + 3;
    else if (how == 4)
        head.pending = (uintptr_t)WILD;
    CHECK(syscall(SYS_set_robust_list, how == 5 ? HIGH : (void *)&head, sizeof head) == 0);
    syscall(SYS_set_tid_address, how == 6 ? WILD : NULL);
    syscall(SYS_exit, 0);
    return arg;
}

/* In a child, whose second thread goes without saying so to the C library. */
static int
run_list(void)
{
    pthread_t thread;
    pid_t child = fork();

    if (child == 0) {
        CHECK(pthread_create(&thread, NULL, leave_with_list, NULL) == 0);
        char task[64];
        for (;;) { /* until it has gone */
            uint32_t was = locks[0].word & 0x3fffffff;
            snprintf(task, sizeof task, "/proc/self/task/%u", was);
            if (was != 0 && access(task, F_OK) != 0)
                break;
            if (locks[0].word == 0x40000000u && locks[1].word == 0x40000000u)
                break;
            sched_yield();
        }
        bool died = locks[0].word == 0x40000000u;
        _exit(died == (how != 3 && how != 5) ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

/* Verify that a thread with a list that goes round, or leads nowhere, ends, and that those
 * of its locks which could be reached are marked. */
static void
test_wild_robust_lists(void)
{
    for (how = 0; how < 7; how++)
        CHECK(run_list() == 0);
}

/* ---- several words ---- */

/* Verify that one can wait on 128 words, also if all are the same, and what is refused. */
static void
test_most_words(void)
{
    static struct waitv v[WAITV_MAX + 1];
    struct timespec now;

    for (int i = 0; i <= WAITV_MAX; i++)
        v[i] = (struct waitv){ two, (uintptr_t)&two, 2 | PRIVATE, 0 };
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    CHECK_ERROR(syscall(449, v, WAITV_MAX, 0, &now, CLOCK_MONOTONIC), ETIMEDOUT);
    CHECK_ERROR(syscall(449, v, WAITV_MAX + 1, 0, &now, CLOCK_MONOTONIC), EINVAL);
    CHECK_ERROR(syscall(449, v, 0, 0, &now, CLOCK_MONOTONIC), EINVAL);
    v[WAITV_MAX - 1].value++;
    CHECK_ERROR(syscall(449, v, WAITV_MAX, 0, &now, CLOCK_MONOTONIC), EAGAIN);
    v[WAITV_MAX - 1].at = (uintptr_t)HIGH;
    CHECK_ERROR(syscall(449, v, WAITV_MAX, 0, &now, CLOCK_MONOTONIC), EFAULT);
    v[WAITV_MAX - 1].reserved = 1;
    CHECK_ERROR(syscall(449, v, WAITV_MAX, 0, &now, CLOCK_MONOTONIC), EINVAL);
    CHECK_ERROR(syscall(449, HIGH, 2, 0, &now, CLOCK_MONOTONIC), EFAULT);
}

/* ---- words in files ---- */

static _Atomic uint32_t *shared;

static void *
wait_in_file(void *arg)
{
    ready = 1;
    while (futex((void *)shared, WAIT, 0, NULL, NULL, 0) == -1 && errno == EINTR)
        ;
    return arg;
}

/* Verify that a waiter whose word's file becomes empty, and is unlinked, can still be woken
 * through what is mapped, once the word is there again. */
static void
test_file_goes_away(void)
{
    pthread_t thread;
    int fd = memfd_create("futex", 0);
    long woken = 0;

    CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(shared != MAP_FAILED);
    CHECK(pthread_create(&thread, NULL, wait_in_file, NULL) == 0);
    while (futex((void *)shared, REQUEUE, 0, (void *)1, (void *)shared, 0) != 1)
        sched_yield(); /* until it sleeps */
    CHECK(ftruncate(fd, 0) == 0);
    CHECK_ERROR(futex((void *)shared, WAKE, 1, NULL, NULL, 0), EFAULT);
    CHECK(ftruncate(fd, 4096) == 0 && close(fd) == 0);
    woken = futex((void *)shared, WAKE, 1, NULL, NULL, 0);
    CHECK(woken == 1);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(munmap((void *)shared, 4096) == 0);
}

int
main(void)
{
    RUN(test_requeue_to_itself, futex);
    RUN(test_wild_words, futex);
    RUN(test_wild_robust_lists, set_robust_list, set_tid_address);
    RUN(test_most_words, futex_waitv);
    RUN(test_file_goes_away, futex, ftruncate);
    return check_failures != 0;
}

/* SPDX-License-Identifier: MIT */
/* SCHED_DEADLINE, the part that real-time threads leave to others, and balance over CPUs
 * (sched(7), sched_setattr(2)).  Times are compared loosely: the machine may be slow. */
#define _GNU_SOURCE
#include "clocks.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define DEADLINE 6
#define MS 1000000ull

struct attr {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

static int
set_attr(pid_t pid, const struct attr *a)
{
    return (int)syscall(SYS_sched_setattr, pid, a, 0);
}

static struct attr
reserve(uint64_t runtime, uint64_t deadline, uint64_t period)
{
    return (struct attr){ .size = sizeof(struct attr), .policy = DEADLINE,
                          .runtime = runtime, .deadline = deadline, .period = period };
}

static int
try_reserve(uint64_t runtime, uint64_t deadline, uint64_t period)
{
    struct attr a = reserve(runtime, deadline, period);
    return set_attr(0, &a);
}

static void
leave_deadline(void)
{
    struct sched_param zero = { 0 };
    CHECK(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &zero) == 0);
}

static void
test_attr_when_deadline_then_kept(void)
{
    struct attr a = reserve(2 * MS, 5 * MS, 10 * MS), b = { 0 };
    a.flags = 1; /* reset on fork */
    CHECK(set_attr(0, &a) == 0);
    CHECK(syscall(SYS_sched_getattr, 0, &b, sizeof b, 0) == 0);
    CHECK(b.policy == DEADLINE && b.flags == 1 && b.runtime == a.runtime);
    CHECK(b.deadline == a.deadline && b.period == a.period && b.priority == 0);
    CHECK(syscall(SYS_sched_getscheduler, 0) == (DEADLINE | SCHED_RESET_ON_FORK));
    a = reserve(2 * MS, 5 * MS, 0); /* the deadline is the period */
    CHECK(set_attr(0, &a) == 0 && syscall(SYS_sched_getattr, 0, &b, sizeof b, 0) == 0);
    CHECK(b.period == 5 * MS || b.period == 0);
    leave_deadline();
    CHECK(syscall(SYS_sched_getscheduler, 0) == SCHED_OTHER);
}

static void
test_attr_when_no_reserve_then_error(void)
{
    struct sched_param zero = { 0 };
    CHECK_ERROR(try_reserve(0, 0, 0), EINVAL);
    CHECK_ERROR(try_reserve(1000, 10 * MS, 10 * MS), EINVAL);      /* below a microsecond */
    CHECK_ERROR(try_reserve(6 * MS, 5 * MS, 10 * MS), EINVAL);     /* runtime > deadline */
    CHECK_ERROR(try_reserve(2 * MS, 12 * MS, 10 * MS), EINVAL);    /* deadline > period */
    CHECK_ERROR(try_reserve(2 * MS, 5 * MS, 1ull << 63), EINVAL);
    CHECK_ERROR(try_reserve(20000, 50000, 50000), EINVAL);         /* too short a period */
    CHECK_ERROR(syscall(SYS_sched_setscheduler, 0, DEADLINE, &zero), EINVAL);
    if (fork() == 0) {
        CHECK(setuid(1000) == 0);
        CHECK_ERROR(try_reserve(2 * MS, 5 * MS, 10 * MS), EPERM);
        _exit(check_failures != 0);
    }
    int status;
    CHECK(wait(&status) > 0 && status == 0);
}

/* Verify that no more is promised than there is, and that it is given back. */
static void
test_reserves_when_too_many_then_ebusy(void)
{
    int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN), given = 0, pipes[2];
    char byte;
    CHECK(pipe(pipes) == 0);
    for (int i = 0; i < 2 * cpus; i++) {
        int told[2];
        CHECK(pipe(told) == 0);
        if (fork() == 0) {
            int r = try_reserve(90 * MS, 100 * MS, 100 * MS);
            CHECK(r == 0 || errno == EBUSY);
            CHECK(write(told[1], r == 0 ? "y" : "n", 1) == 1);
            close(pipes[1]);
            CHECK(read(pipes[0], &byte, 1) == 0);
            _exit(check_failures != 0);
        }
        CHECK(read(told[0], &byte, 1) == 1);
        given += byte == 'y';
        close(told[0]);
        close(told[1]);
    }
    close(pipes[1]);
    int status;
    while (wait(&status) > 0)
        CHECK(status == 0);
    CHECK(given == cpus);
    CHECK(try_reserve(50 * MS, 100 * MS, 100 * MS) == 0);
    leave_deadline();
}

static void
test_fork_when_deadline_then_eagain(void)
{
    struct attr a = reserve(20 * MS, 100 * MS, 100 * MS);
    CHECK(set_attr(0, &a) == 0);
    CHECK_ERROR(fork(), EAGAIN);
    a.flags = 1;
    CHECK(set_attr(0, &a) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(syscall(SYS_sched_getscheduler, 0) != SCHED_OTHER);
    CHECK_EXIT(child, 0);
    if (sysconf(_SC_NPROCESSORS_ONLN) > 1) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(0, &one);
        CHECK_ERROR(sched_setaffinity(0, sizeof one, &one), EBUSY);
    }
    leave_deadline();
}

/* Verify that a thread that never sleeps gets what was reserved for it, and no more. */
static void
test_deadline_when_spinning_then_bounded(void)
{
    CHECK(try_reserve(10 * MS, 50 * MS, 50 * MS) == 0);
    uint64_t begin = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_THREAD_CPUTIME_ID), wall;
    while ((wall = now_ns(CLOCK_MONOTONIC) - begin) < 1000 * MS)
        ;
    uint64_t had = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    leave_deadline();
    CHECK(had < wall / 3 && had > wall / 20); /* a fifth */
}

/* Verify that who yields has no more of its period. */
static void
test_yield_when_deadline_then_next_period(void)
{
    CHECK(try_reserve(10 * MS, 50 * MS, 50 * MS) == 0);
    uint64_t begin = now_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < 4; i++)
        sched_yield();
    uint64_t passed = now_ns(CLOCK_MONOTONIC) - begin;
    leave_deadline();
    CHECK(passed >= 140 * MS);
}

static volatile sig_atomic_t overruns;
static void
on_xcpu(int number)
{
    (void)number;
    overruns++;
}

static void
test_overrun_when_asked_then_sigxcpu(void)
{
    struct sigaction s = { .sa_handler = on_xcpu };
    struct attr a = reserve(5 * MS, 50 * MS, 50 * MS);
    CHECK(sigaction(SIGXCPU, &s, NULL) == 0);
    a.flags = 4;
    CHECK(set_attr(0, &a) == 0);
    uint64_t begin = now_ns(CLOCK_MONOTONIC);
    while (overruns == 0 && now_ns(CLOCK_MONOTONIC) - begin < 20000 * MS)
        ;
    leave_deadline();
    CHECK(overruns > 0);
}

/* ---- real-time threads and others ---- */

static pid_t
spinner(int policy, int priority, volatile uint64_t *turns)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    struct sched_param p = { .sched_priority = priority };
    if (syscall(SYS_sched_setscheduler, 0, policy, &p) != 0)
        _exit(1);
    for (;;)
        ++*turns;
}

static uint64_t *
shared_words(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* Verify that ordinary threads go on beside real-time ones on every CPU. */
static void
test_realtime_when_spinning_then_others_have_a_part(void)
{
    int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t *turns = shared_words();
    pid_t child[64];
    for (int i = 0; i < cpus; i++) {
        child[i] = spinner(SCHED_FIFO, 50, turns + i);
        CHECK(child[i] > 0);
    }
    /* This thread is an ordinary one, and needs a CPU for each of these. */
    for (int i = 0; i < 20; i++) {
        pid_t quick = fork();
        if (quick == 0)
            _exit(7);
        CHECK_EXIT(quick, 7);
    }
    for (int i = 0; i < cpus; i++) {
        CHECK(turns[i] != 0);
        kill(child[i], SIGKILL);
        CHECK(waitpid(child[i], NULL, 0) == child[i]);
    }
}

/* Verify that of real-time threads as many of the highest run as there are CPUs, wherever
 * they came from. */
static void
test_realtime_when_cpus_are_ordinary_then_all_used(void)
{
    int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t *turns = shared_words();
    pid_t child[128];
    int n = 2 * cpus;
    for (int i = 0; i < cpus; i++)
        child[i] = spinner(SCHED_OTHER, 0, turns + i);
    for (int i = cpus; i < n; i++)
        child[i] = spinner(SCHED_FIFO, 10 + i, turns + i);
    uint64_t begin = now_ns(CLOCK_MONOTONIC);
    for (int all = 0; !all && now_ns(CLOCK_MONOTONIC) - begin < 20000 * MS;) {
        all = 1;
        for (int i = cpus; i < 2 * cpus; i++)
            all &= turns[i] != 0;
    }
    for (int i = 0; i < n; i++) {
        if (i >= cpus)
            CHECK(turns[i] != 0);
        kill(child[i], SIGKILL);
        CHECK(waitpid(child[i], NULL, 0) == child[i]);
    }
}

/* Verify that threads that begin on one CPU share all of them evenly. */
static void
test_fair_when_many_then_even(void)
{
    int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN), n = 3 * cpus + 1;
    uint64_t *cpu_ns = shared_words();
    pid_t child[128];
    uint64_t end = now_ns(CLOCK_MONOTONIC) + 2000 * MS, least = ~0ull, most = 0;
    for (int i = 0; i < n; i++) {
        child[i] = fork();
        if (child[i] == 0) {
            while (now_ns(CLOCK_MONOTONIC) < end)
                ;
            cpu_ns[i] = now_ns(CLOCK_PROCESS_CPUTIME_ID);
            _exit(0);
        }
    }
    for (int i = 0; i < n; i++) {
        CHECK_EXIT(child[i], 0);
        least = cpu_ns[i] < least ? cpu_ns[i] : least;
        most = cpu_ns[i] > most ? cpu_ns[i] : most;
    }
    if (most > 4 * least)
        printf("# cpu time from %llu to %llu ms\n", (unsigned long long)(least / MS),
               (unsigned long long)(most / MS));
    CHECK(most <= 4 * least);
}

int
main(void)
{
    RUN(test_attr_when_deadline_then_kept, sched_setattr, sched_getattr, sched_setscheduler);
    RUN(test_attr_when_no_reserve_then_error, sched_setattr, sched_setscheduler);
    RUN(test_reserves_when_too_many_then_ebusy, sched_setattr);
    RUN(test_fork_when_deadline_then_eagain, sched_setattr, sched_setaffinity, fork);
    RUN(test_deadline_when_spinning_then_bounded, sched_setattr);
    RUN(test_yield_when_deadline_then_next_period, sched_yield);
    RUN(test_overrun_when_asked_then_sigxcpu, sched_setattr);
    RUN(test_realtime_when_spinning_then_others_have_a_part, sched_setscheduler);
    RUN(test_realtime_when_cpus_are_ordinary_then_all_used, sched_setscheduler);
    RUN(test_fair_when_many_then_even, fork);
    return check_failures != 0;
}

/* SPDX-License-Identifier: MIT */
/* Scheduling: policies, parameters, affinity, priorities, and that they act. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

#define RESET_ON_FORK 0x40000000
/* musl's own answer ENOSYS. */
#define SETSCHEDULER(pid, policy, param) syscall(SYS_sched_setscheduler, pid, policy, param)
#define GETSCHEDULER(pid) syscall(SYS_sched_getscheduler, pid)
#define GETPARAM(pid, param) syscall(SYS_sched_getparam, pid, param)
#define SETPARAM(pid, param) syscall(SYS_sched_setparam, pid, param)

struct attr {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t util_min, util_max;
};

static void
be_nobody(void)
{
    CHECK(setresuid(1234, 1234, 1234) == 0);
}

/* Verify that policies and priorities are kept, inherited and checked. */
static void
test_policy_is_kept_and_inherited(void)
{
    int param = 0;
    CHECK(GETSCHEDULER(0) == SCHED_OTHER);
    CHECK_ERROR(SETSCHEDULER(0, SCHED_FIFO, &param), EINVAL);
    param = 100;
    CHECK_ERROR(SETSCHEDULER(0, SCHED_FIFO, &param), EINVAL);
    CHECK_ERROR(SETSCHEDULER(0, SCHED_OTHER, &param), EINVAL);
    param = 5;
    CHECK_ERROR(SETSCHEDULER(0, 4, &param), EINVAL);
    CHECK_ERROR(SETSCHEDULER(0, -1, &param), EINVAL);
    CHECK_ERROR(SETSCHEDULER(-1, SCHED_FIFO, &param), EINVAL);
    CHECK_ERROR(SETSCHEDULER(0, SCHED_FIFO, NULL), EINVAL);
    CHECK_ERROR(SETSCHEDULER(0, SCHED_FIFO, (void *)8), EFAULT);
    CHECK_ERROR(SETSCHEDULER(99999999, SCHED_FIFO, &param), ESRCH);
    CHECK_ERROR(GETSCHEDULER(-1), EINVAL);
    CHECK_ERROR(GETPARAM(0, NULL), EINVAL);
    CHECK(SETSCHEDULER(0, SCHED_RR, &param) == 0);
    pid_t child = fork();
    if (child == 0) {
        int got = 0;
        CHECK(GETSCHEDULER(0) == SCHED_RR);
        CHECK(GETPARAM(0, &got) == 0 && got == 5);
        got = 7;
        CHECK(SETPARAM(0, &got) == 0 && GETPARAM(0, &got) == 0 && got == 7);
        got = 0;
        CHECK_ERROR(SETPARAM(0, &got), EINVAL);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK(SETSCHEDULER(0, SCHED_FIFO | RESET_ON_FORK, &param) == 0);
    CHECK(GETSCHEDULER(0) == (SCHED_FIFO | RESET_ON_FORK));
    child = fork();
    if (child == 0)
        _exit(GETSCHEDULER(0) != SCHED_OTHER);
    CHECK_EXIT(child, 0);
}

/* Verify who may not raise what. */
static void
test_policy_needs_the_right(void)
{
    int param = 1, zero = 0;
    struct rlimit l = { 10, 10 }, none = { 0, 0 };
    CHECK(setrlimit(RLIMIT_RTPRIO, &none) == 0 && setrlimit(RLIMIT_NICE, &none) == 0);
    pid_t child = fork();
    if (child == 0) {
        be_nobody();
        CHECK_ERROR(SETSCHEDULER(0, SCHED_FIFO, &param), EPERM);
        CHECK_ERROR(SETSCHEDULER(getppid(), SCHED_BATCH, &zero), EPERM);
        CHECK(SETSCHEDULER(0, SCHED_BATCH, &zero) == 0);
        CHECK(SETSCHEDULER(0, SCHED_IDLE, &zero) == 0);
        CHECK_ERROR(SETSCHEDULER(0, SCHED_OTHER, &zero), EPERM);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK(setrlimit(RLIMIT_RTPRIO, &l) == 0);
    be_nobody();
    param = 10;
    CHECK(SETSCHEDULER(0, SCHED_FIFO, &param) == 0);
    param = 11;
    CHECK_ERROR(SETPARAM(0, &param), EPERM);
    CHECK(SETSCHEDULER(0, SCHED_OTHER | RESET_ON_FORK, &zero) == 0);
    CHECK_ERROR(SETSCHEDULER(0, SCHED_OTHER, &zero), EPERM);
}

/* Verify sched_setattr and sched_getattr with their sizes and flags. */
static void
test_attributes_have_sizes(void)
{
    struct attr a = { .size = 48, .policy = SCHED_BATCH, .nice = 7 }, b;
    CHECK(syscall(SYS_sched_setattr, 0, &a, 0) == 0);
    CHECK(syscall(SYS_sched_getattr, 0, &b, sizeof b, 0) == 0);
    CHECK(b.size >= 48 && b.policy == SCHED_BATCH && b.nice == 7 && b.priority == 0);
    CHECK(getpriority(PRIO_PROCESS, 0) == 7);
    CHECK_ERROR(syscall(SYS_sched_setattr, 0, &a, 1), EINVAL);
    CHECK_ERROR(syscall(SYS_sched_setattr, 0, NULL, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_sched_setattr, -1, &a, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_sched_getattr, 0, &b, 47, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_sched_getattr, 0, &b, sizeof b, 1), EINVAL);
    a.size = 40;
    CHECK_ERROR(syscall(SYS_sched_setattr, 0, &a, 0), E2BIG);
    CHECK(a.size >= 48);
    a = (struct attr){ .size = 48, .policy = SCHED_FIFO, .priority = 3, .flags = 1 };
    CHECK(syscall(SYS_sched_setattr, 0, &a, 0) == 0);
    CHECK(syscall(SYS_sched_getattr, 0, &b, sizeof b, 0) == 0);
    CHECK(b.policy == SCHED_FIFO && b.priority == 3 && b.flags == 1);
    a.flags = 1ull << 40;
    CHECK_ERROR(syscall(SYS_sched_setattr, 0, &a, 0), EINVAL);
}

/* Verify the bounds of priorities, and the turn of each policy. */
static void
test_bounds_and_intervals(void)
{
    struct timespec ts;
    int param = 1;
    CHECK(sched_get_priority_min(SCHED_FIFO) == 1 && sched_get_priority_max(SCHED_RR) == 99);
    CHECK(sched_get_priority_max(SCHED_OTHER) == 0);
    CHECK_ERROR(sched_get_priority_max(4), EINVAL);
    CHECK_ERROR(sched_get_priority_min(77), EINVAL);
    CHECK(syscall(SYS_sched_rr_get_interval, 0, &ts) == 0);
    CHECK_ERROR(syscall(SYS_sched_rr_get_interval, -1, &ts), EINVAL);
    CHECK_ERROR(syscall(SYS_sched_rr_get_interval, 99999999, &ts), ESRCH);
    CHECK(SETSCHEDULER(0, SCHED_RR, &param) == 0);
    CHECK(syscall(SYS_sched_rr_get_interval, 0, &ts) == 0);
    CHECK(ts.tv_sec == 0 && ts.tv_nsec == 100000000);
    CHECK(SETSCHEDULER(0, SCHED_FIFO, &param) == 0);
    CHECK(syscall(SYS_sched_rr_get_interval, 0, &ts) == 0);
    CHECK(ts.tv_sec == 0 && ts.tv_nsec == 0);
}

/* Verify that a thread runs only where it may, at once and after a wake-up. */
static void
test_affinity_is_obeyed(void)
{
    unsigned long all = 0, mask, cpu;
    CHECK(syscall(SYS_sched_getaffinity, 0, sizeof all, &all) == sizeof all);
    CHECK_ERROR(syscall(SYS_sched_getaffinity, 0, 4, &all), EINVAL);
    CHECK_ERROR(syscall(SYS_sched_getaffinity, 99999999, 8, &all), ESRCH);
    mask = 0;
    CHECK_ERROR(syscall(SYS_sched_setaffinity, 0, sizeof mask, &mask), EINVAL);
    CHECK_ERROR(syscall(SYS_sched_setaffinity, 0, 8, (void *)8), EFAULT);
    for (int round = 0; round < 20; round++) {
        for (cpu = 0; cpu < 64; cpu++) {
            if (!(all >> cpu & 1))
                continue;
            mask = 1ul << cpu;
            CHECK(syscall(SYS_sched_setaffinity, 0, sizeof mask, &mask) == 0);
            CHECK(sched_getcpu() == (int)cpu);
            struct timespec ts = { 0, 100000 };
            nanosleep(&ts, NULL);
            CHECK(sched_getcpu() == (int)cpu);
            sched_yield();
            CHECK(sched_getcpu() == (int)cpu);
        }
    }
    pid_t child = fork();
    if (child == 0) {
        unsigned long got = 0;
        CHECK(syscall(SYS_sched_getaffinity, 0, sizeof got, &got) == sizeof got);
        CHECK(got == mask);
        be_nobody();
        CHECK_ERROR(syscall(SYS_sched_setaffinity, getppid(), 8, &all), EPERM);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

static volatile unsigned long *
shared_counters(void)
{
    static volatile unsigned long *page;
    if (page == NULL) {
        page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        CHECK(page != MAP_FAILED);
    }
    return page;
}

/* A child that counts as fast as it can, on the first CPU. */
static pid_t
counter(int which, int nice, int policy, int priority)
{
    volatile unsigned long *counters = shared_counters();
    pid_t child = fork();
    if (child != 0)
        return child;
    CHECK(setpriority(PRIO_PROCESS, 0, nice) == 0);
    CHECK(SETSCHEDULER(0, policy, &priority) == 0);
    for (;;)
        counters[which]++;
}

static void
one_cpu(void)
{
    unsigned long mask = 1;
    CHECK(syscall(SYS_sched_setaffinity, 0, sizeof mask, &mask) == 0);
}

/* How often the second counted for each 100 times of the first. */
static unsigned long
share_of_second(int nice, int policy, int priority, long ms)
{
    int param = 50;
    one_cpu();
    CHECK(SETSCHEDULER(0, SCHED_FIFO | RESET_ON_FORK, &param) == 0);
    pid_t a = counter(0, 0, SCHED_OTHER, 0), b = counter(1, nice, policy, priority);
    struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&ts, NULL);
    volatile unsigned long *c = shared_counters();
    unsigned long first = c[0], second = c[1];
    kill(a, SIGKILL);
    kill(b, SIGKILL);
    CHECK_SIGNAL(a, SIGKILL);
    CHECK_SIGNAL(b, SIGKILL);
    return second * 100 / (first + 1);
}

/* Verify that a nice value is a weight: 10 is about a tenth. */
static void
test_nice_acts(void)
{
    unsigned long share = share_of_second(10, SCHED_OTHER, 0, 1500);
    CHECK(share > 2 && share < 45);
}

/* Verify that an idle thread gets next to nothing beside another. */
static void
test_idle_policy_acts(void)
{
    CHECK(share_of_second(0, SCHED_IDLE, 0, 1000) < 20);
}

/* Verify that a real-time thread goes before the fair ones. */
static void
test_real_time_goes_first(void)
{
    CHECK(share_of_second(0, SCHED_FIFO, 5, 500) > 300);
}

/* Verify that a woken real-time thread runs although a fair one is busy. */
static void
test_real_time_wakes_promptly(void)
{
    int param = 1;
    one_cpu();
    pid_t busy = counter(0, 0, SCHED_OTHER, 0);
    CHECK(SETSCHEDULER(0, SCHED_FIFO, &param) == 0);
    for (int i = 0; i < 20; i++) {
        struct timespec ts = { 0, 1000000 };
        CHECK(nanosleep(&ts, NULL) == 0);
    }
    kill(busy, SIGKILL);
    CHECK_SIGNAL(busy, SIGKILL);
}

int
main(void)
{
    RUN(test_policy_is_kept_and_inherited, sched_setscheduler, sched_getscheduler,
        sched_setparam, sched_getparam);
    RUN(test_policy_needs_the_right, sched_setscheduler, sched_setparam);
    RUN(test_attributes_have_sizes, sched_setattr, sched_getattr);
    RUN(test_bounds_and_intervals, sched_rr_get_interval, sched_get_priority_max,
        sched_get_priority_min);
    RUN(test_affinity_is_obeyed, sched_setaffinity, sched_getaffinity, getcpu, sched_yield);
    RUN(test_nice_acts, setpriority);
    RUN(test_idle_policy_acts, sched_setscheduler);
    RUN(test_real_time_goes_first, sched_setscheduler);
    RUN(test_real_time_wakes_promptly, sched_setscheduler);
    return check_failures != 0;
}

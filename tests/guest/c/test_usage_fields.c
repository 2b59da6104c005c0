/* SPDX-License-Identifier: MIT */
/* What sysinfo, times, getrusage and timers as files tell, field by field. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <time.h>

#include "check.h"

#define MIB (1024 * 1024)
#define MS  1000000ll
#define S   1000000000ll

static long long
now_of(clockid_t clock)
{
    struct timespec t;
    CHECK(clock_gettime(clock, &t) == 0);
    return t.tv_sec * S + t.tv_nsec;
}

/* ---- sysinfo ---- */

static void *
wait_for_end(void *arg)
{
    char byte;
    CHECK(read(*(int *)arg, &byte, 1) == 0);
    return NULL;
}

static void
test_sysinfo(void)
{
    struct sysinfo before, after;
    long long begin = now_of(CLOCK_BOOTTIME);
    CHECK(sysinfo(&before) == 0);
    long long end = now_of(CLOCK_BOOTTIME);
    CHECK((long long)before.uptime >= begin / S && (long long)before.uptime <= end / S + 1);
    CHECK(before.mem_unit == 1 && before.totalram > 16u * MIB);
    CHECK(before.freeram > 0 && before.freeram < before.totalram);
    CHECK(before.sharedram <= before.totalram && before.bufferram <= before.totalram);
    CHECK(before.freeswap <= before.totalswap);
    CHECK(before.totalhigh == 0 && before.freehigh == 0);
    CHECK(before.procs >= 2);
    CHECK_ERROR(syscall(SYS_sysinfo, 8), EFAULT);
    /* Files in memory are shared memory; threads are counted. */
    int file = memfd_create("shared", 0), pipes[2];
    static char mib[MIB];
    pthread_t t[8];
    memset(mib, 1, sizeof mib);
    for (int i = 0; i < 4; i++)
        CHECK(write(file, mib, sizeof mib) == (ssize_t)sizeof mib);
    CHECK(pipe(pipes) == 0);
    for (int i = 0; i < 8; i++)
        CHECK(pthread_create(&t[i], NULL, wait_for_end, &pipes[0]) == 0);
    CHECK(sysinfo(&after) == 0);
    CHECK((long long)after.sharedram >= (long long)before.sharedram + 3 * MIB);
    CHECK(after.procs >= before.procs + 4); /* others may have ended meanwhile */
    close(pipes[1]);
    for (int i = 0; i < 8; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
}

/* ---- times, getrusage ---- */

static void
burn(long long ns)
{
    long long until = now_of(CLOCK_PROCESS_CPUTIME_ID) + ns;
    while (now_of(CLOCK_PROCESS_CPUTIME_ID) < until)
        ;
}

static long long
ns_of(struct timeval t)
{
    return t.tv_sec * S + t.tv_usec * 1000ll;
}

static void
test_times_agree(void)
{
    struct tms a, b;
    struct rusage u;
    burn(60 * MS);
    clock_t begin = times(&a);
    long long cpu = now_of(CLOCK_PROCESS_CPUTIME_ID);
    CHECK(getrusage(RUSAGE_SELF, &u) == 0);
    CHECK(begin != (clock_t)-1);
    long long used = ns_of(u.ru_utime) + ns_of(u.ru_stime);
    CHECK(used >= cpu - 2000 && used <= cpu + 2 * S);
    CHECK((a.tms_utime + a.tms_stime) * 10 * MS <= used + 20 * MS);
    CHECK((a.tms_utime + a.tms_stime + 3) * 10 * MS >= 60 * MS);
    CHECK(a.tms_cutime == 0 && a.tms_cstime == 0);
    pid_t child = fork();
    if (child == 0) {
        burn(50 * MS);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK(times(&b) >= begin);
    CHECK(b.tms_cutime + b.tms_cstime >= 3 && b.tms_utime >= a.tms_utime);
    CHECK(getrusage(RUSAGE_CHILDREN, &u) == 0);
    CHECK(ns_of(u.ru_utime) + ns_of(u.ru_stime) >= 50 * MS);
    CHECK(syscall(SYS_times, NULL) != -1);
    CHECK_ERROR(syscall(SYS_times, 8), EFAULT);
    long long t = now_of(CLOCK_MONOTONIC);
    begin = times(NULL);
    usleep(50000);
    long long passed = (times(NULL) - begin) * 10 * MS, slept = now_of(CLOCK_MONOTONIC) - t;
    CHECK(passed >= 30 * MS && passed <= slept + 20 * MS);
}

static void
test_rusage_fields(void)
{
    struct rusage a, b;
    enum { PAGES = 2000 };
    CHECK(getrusage(RUSAGE_SELF, &a) == 0);
    char *at = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                    -1, 0);
    CHECK(at != MAP_FAILED);
    CHECK(madvise(at, PAGES * 4096, MADV_NOHUGEPAGE) == 0 || errno == EINVAL);
    for (int i = 0; i < PAGES; i++)
        at[i * 4096] = 1;
    CHECK(getrusage(RUSAGE_SELF, &b) == 0);
    CHECK(b.ru_minflt >= a.ru_minflt + 3 && b.ru_majflt == a.ru_majflt);
    CHECK(b.ru_maxrss >= PAGES * 3 && b.ru_maxrss >= a.ru_maxrss); /* Linux counts in batches */
    CHECK(munmap(at, PAGES * 4096) == 0);
    long most = b.ru_maxrss;
    CHECK(getrusage(RUSAGE_SELF, &b) == 0 && b.ru_maxrss >= most); /* the most ever */
    CHECK(b.ru_ixrss == 0 && b.ru_idrss == 0 && b.ru_isrss == 0 && b.ru_nswap == 0);
    CHECK(b.ru_msgsnd == 0 && b.ru_msgrcv == 0 && b.ru_nsignals == 0);
    long switches = b.ru_nvcsw;
    for (int i = 0; i < 5; i++)
        usleep(1000);
    CHECK(getrusage(RUSAGE_THREAD, &a) == 0 && getrusage(RUSAGE_SELF, &b) == 0);
    CHECK(b.ru_nvcsw >= switches + 5 && a.ru_nvcsw >= 5);
    CHECK(ns_of(a.ru_utime) + ns_of(a.ru_stime) <= ns_of(b.ru_utime) + ns_of(b.ru_stime));
    CHECK_ERROR(getrusage(77, &a), EINVAL);
    CHECK_ERROR(syscall(SYS_getrusage, RUSAGE_SELF, 8), EFAULT);
    CHECK(getrusage(RUSAGE_CHILDREN, &a) == 0 && a.ru_maxrss == 0 && a.ru_nvcsw == 0);
}

/* ---- timers as files ---- */

static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME,
                                    CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM };
#define CLOCKS (sizeof clocks / sizeof *clocks)

static int
timer_on(clockid_t clock, int flags, long long value, long long interval, int more)
{
    struct itimerspec t = { { interval / S, interval % S }, { value / S, value % S } };
    int f = timerfd_create(clock, TFD_CLOEXEC | more);
    CHECK(f >= 0 && timerfd_settime(f, flags, &t, NULL) == 0);
    return f;
}

static void
test_timerfd_clocks(void)
{
    static const clockid_t others[] = { CLOCK_TAI, CLOCK_PROCESS_CPUTIME_ID,
                                        CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW,
                                        CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, 12,
                                        -6 };
    unsigned long long ticks;
    for (unsigned i = 0; i < CLOCKS; i++) {
        long long now = now_of(clocks[i]);
        int f = timer_on(clocks[i], TFD_TIMER_ABSTIME, now + 3 * MS, 0, 0);
        CHECK(read(f, &ticks, 8) == 8 && ticks == 1);
        CHECK(now_of(clocks[i]) >= now + 3 * MS);
        close(f);
        now = now_of(CLOCK_MONOTONIC);
        f = timer_on(clocks[i], 0, 2 * MS, 2 * MS, 0);
        usleep(20000);
        CHECK(read(f, &ticks, 8) == 8 && ticks >= 9);
        CHECK((long long)ticks <= (now_of(CLOCK_MONOTONIC) - now) / (2 * MS));
        close(f);
        f = timer_on(clocks[i], TFD_TIMER_ABSTIME, 1, 0, TFD_NONBLOCK); /* in the past */
        struct pollfd p = { f, POLLIN, 0 };
        CHECK(poll(&p, 1, -1) == 1 && read(f, &ticks, 8) == 8 && ticks == 1);
        CHECK_ERROR(read(f, &ticks, 8), EAGAIN);
        close(f);
    }
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
        CHECK_ERROR(timerfd_create(others[i], 0), EINVAL);
    CHECK(setresuid(4711, 4711, 4711) == 0);
    CHECK_ERROR(timerfd_create(CLOCK_REALTIME_ALARM, 0), EPERM);
    CHECK_ERROR(timerfd_create(CLOCK_BOOTTIME_ALARM, 0), EPERM);
}

static void
move_clock(int seconds)
{
    struct timex change = { .modes = ADJ_SETOFFSET, .time.tv_sec = seconds };
    CHECK(adjtimex(&change) >= 0);
}

/* Only a time of the wall clock is cancelled, and only one that was asked to be. */
static void
test_timerfd_cancel_on_set(void)
{
    const int both = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
    unsigned long long ticks;
    long long real = now_of(CLOCK_REALTIME), mono = now_of(CLOCK_MONOTONIC);
    int wall = timer_on(CLOCK_REALTIME, both, real + 1000 * S, 0, TFD_NONBLOCK);
    int alarm_clock = timer_on(CLOCK_REALTIME_ALARM, both, real + 1000 * S, 0, TFD_NONBLOCK);
    int plain = timer_on(CLOCK_REALTIME, TFD_TIMER_ABSTIME, real + 1000 * S, 0, TFD_NONBLOCK);
    int relative = timer_on(CLOCK_REALTIME, TFD_TIMER_CANCEL_ON_SET, 1000 * S, 0, TFD_NONBLOCK);
    int steady = timer_on(CLOCK_MONOTONIC, both, mono + 1000 * S, 0, TFD_NONBLOCK);
    CHECK_ERROR(read(wall, &ticks, 8), EAGAIN);
    move_clock(1);
    struct pollfd p[] = { { wall, POLLIN, 0 }, { alarm_clock, POLLIN, 0 },
                          { plain, POLLIN, 0 }, { relative, POLLIN, 0 },
                          { steady, POLLIN, 0 } };
    CHECK(poll(p, 5, 0) == 2 && p[0].revents == POLLIN && p[1].revents == POLLIN);
    CHECK_ERROR(read(wall, &ticks, 8), ECANCELED);
    CHECK_ERROR(read(wall, &ticks, 8), EAGAIN); /* told once */
    CHECK_ERROR(read(alarm_clock, &ticks, 8), ECANCELED);
    move_clock(1); /* and again for each time */
    CHECK_ERROR(read(wall, &ticks, 8), ECANCELED);
    /* A timer that was set meanwhile is set, but says so. */
    move_clock(-2);
    struct itimerspec t = { { 0, 0 }, { real / S + 2000, 0 } }, left;
    CHECK_ERROR(timerfd_settime(wall, both, &t, NULL), ECANCELED);
    CHECK(timerfd_gettime(wall, &left) == 0 && left.it_value.tv_sec > 1000);
    CHECK_ERROR(read(wall, &ticks, 8), EAGAIN);
    /* One that the new time has passed fires. */
    move_clock(5000);
    CHECK(poll(&p[2], 1, -1) == 1 && read(plain, &ticks, 8) == 8 && ticks == 1);
    CHECK_ERROR(read(relative, &ticks, 8), EAGAIN);
    move_clock(-5000);
}

int
main(void)
{
    RUN(test_sysinfo, sysinfo);
    RUN(test_times_agree, times, getrusage);
    RUN(test_rusage_fields, getrusage);
    RUN(test_timerfd_clocks, timerfd_create, timerfd_settime);
    RUN(test_timerfd_cancel_on_set, timerfd_settime, timerfd_gettime, adjtimex);
    return check_failures != 0;
}

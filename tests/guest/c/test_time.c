/* SPDX-License-Identifier: MIT */
/* Clocks, sleeps, interval timers: values, errors, what happens when a clock is set. */
#define _GNU_SOURCE
#include "check.h"

#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <time.h>

#define MS 1000000L

static volatile sig_atomic_t count;

static void
note(int number)
{
    (void)number;
    count++;
}

/* The bare calls, past the library and the vDSO. */
static long
get(clockid_t clock, struct timespec *out)
{
    return syscall(SYS_clock_gettime, clock, out);
}

static int64_t
ns_of(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t
now_of(clockid_t clock)
{
    struct timespec t = { -1, -1 };

    CHECK(get(clock, &t) == 0 && t.tv_sec >= 0 && t.tv_nsec >= 0 &&
          t.tv_nsec < 1000000000);
    return ns_of(t);
}

static void
test_clocks_when_read_then_each_goes_forward_and_agrees(void)
{
    static const clockid_t all[] = {
        CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID,
        CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
        CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM,
        CLOCK_BOOTTIME_ALARM, CLOCK_TAI
    };
    struct timespec t;

    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        int64_t before = now_of(all[i]);
        if (syscall(SYS_clock_getres, all[i], &t) != 0) {
            CHECK(errno == EINVAL); /* alarm clocks want hardware */
            continue;
        }
        CHECK(t.tv_sec == 0 && t.tv_nsec >= 1 && t.tv_nsec <= 10 * MS);
        CHECK(clock_gettime(all[i], &t) == 0); /* through the vDSO */
        CHECK(ns_of(t) >= before - 10 * MS && ns_of(t) < before + 10000 * MS);
        CHECK(now_of(all[i]) >= ns_of(t) - 10 * MS);
    }
    CHECK(now_of(CLOCK_BOOTTIME) - now_of(CLOCK_MONOTONIC) < 1000 * MS);
    CHECK(syscall(SYS_clock_getres, CLOCK_MONOTONIC, NULL) == 0);
}

static void
test_clocks_when_wrong_then_errors(void)
{
    struct timespec t = { 0, 0 };

    CHECK_ERROR(get(12, &t), EINVAL);
    CHECK_ERROR(get(99, &t), EINVAL);
    CHECK_ERROR(get(CLOCK_MONOTONIC, (void *)8), EFAULT);
    CHECK_ERROR(syscall(SYS_clock_getres, 99, &t), EINVAL);
    CHECK_ERROR(syscall(SYS_clock_getres, CLOCK_MONOTONIC, 8), EFAULT);
    CHECK_ERROR(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &t), EINVAL);
    CHECK_ERROR(syscall(SYS_clock_settime, 99, &t), EINVAL);
    CHECK_ERROR(syscall(SYS_clock_settime, CLOCK_REALTIME, 8), EFAULT);
    t.tv_nsec = 1000000000;
    CHECK_ERROR(syscall(SYS_clock_settime, CLOCK_REALTIME, &t), EINVAL);
    t = (struct timespec){ -1, 0 };
    CHECK_ERROR(syscall(SYS_clock_settime, CLOCK_REALTIME, &t), EINVAL);
    CHECK_ERROR(syscall(SYS_gettimeofday, 8, NULL), EFAULT);
    CHECK_ERROR(syscall(SYS_gettimeofday, NULL, 8), EFAULT);
    CHECK_ERROR(syscall(SYS_time, 8), EFAULT);
    CHECK_ERROR(syscall(SYS_settimeofday, 8, NULL), EFAULT);
    struct timeval v = { 1, 1000000 };
    CHECK_ERROR(syscall(SYS_settimeofday, &v, NULL), EINVAL);
    CHECK(syscall(SYS_gettimeofday, NULL, NULL) == 0);
}

static void
test_clock_when_set_by_others_than_root_then_eperm(void)
{
    struct timespec t;
    struct timeval v = { 1000000000, 0 };
    struct timex x = { .modes = ADJ_SETOFFSET };
    pid_t child = fork();

    if (child == 0) {
        CHECK(get(CLOCK_REALTIME, &t) == 0);
        CHECK(syscall(SYS_setresuid, 1000, 1000, 1000) == 0);
        CHECK_ERROR(syscall(SYS_clock_settime, CLOCK_REALTIME, &t), EPERM);
        CHECK_ERROR(syscall(SYS_settimeofday, &v, NULL), EPERM);
        CHECK_ERROR(adjtimex(&x), EPERM);
        x.modes = 0;
        CHECK(adjtimex(&x) >= 0);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

static void
test_clock_when_set_then_shown_and_monotonic_unmoved(void)
{
    struct timespec t;
    int64_t mono = now_of(CLOCK_MONOTONIC), real = now_of(CLOCK_REALTIME);
    struct timex x = { .modes = ADJ_SETOFFSET | ADJ_NANO };

    t = (struct timespec){ (real / 1000000000) + 5000, 5 };
    CHECK(clock_settime(CLOCK_REALTIME, &t) == 0);
    CHECK(now_of(CLOCK_REALTIME) - ns_of(t) < 5000 * MS);
    CHECK(clock_gettime(CLOCK_REALTIME, &t) == 0 && t.tv_sec >= real / 1000000000 + 5000);
    CHECK(now_of(CLOCK_MONOTONIC) - mono < 5000 * MS);
    x.time.tv_sec = -5000;
    CHECK(adjtimex(&x) >= 0);
    CHECK(now_of(CLOCK_REALTIME) - real < 10000 * MS && now_of(CLOCK_REALTIME) > real - 5000 * MS);
}

/* Verify that the library's way to the time, which may pass the system by, and the call show
 * one clock, whatever date it is set to. */
static void
test_clock_when_read_both_ways_then_it_is_one_at_any_date(void)
{
    static const time_t dates[] = { 86400, 1000000000, 4102444800, 5400000000, 8000000000 };
    static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_TAI,
                                        CLOCK_BOOTTIME };
    struct timespec before, t;
    struct timeval v;

    CHECK(get(CLOCK_REALTIME, &before) == 0);
    for (unsigned i = 0; i < sizeof dates / sizeof *dates; i++) {
        t = (struct timespec){ dates[i], 999999999 };
        CHECK(clock_settime(CLOCK_REALTIME, &t) == 0);
        CHECK(clock_gettime(CLOCK_REALTIME, &t) == 0 && t.tv_sec >= dates[i]);
        CHECK(ns_of(t) >= dates[i] * 1000000000 + 999999999 && t.tv_sec < dates[i] + 60);
        CHECK(gettimeofday(&v, NULL) == 0 && v.tv_sec >= t.tv_sec);
        CHECK(v.tv_usec >= 0 && v.tv_usec < 1000000 && time(NULL) >= v.tv_sec);
        for (unsigned k = 0; k < 400; k++) {
            clockid_t clock = clocks[k % 4];
            int64_t last = 0;
            for (unsigned n = 0; n < 6; n++) {
                CHECK((n % 2 ? get(clock, &t) : clock_gettime(clock, &t)) == 0);
                CHECK(t.tv_nsec >= 0 && t.tv_nsec < 1000000000 && ns_of(t) >= last);
                last = ns_of(t);
            }
        }
    }
    CHECK(clock_settime(CLOCK_REALTIME, &before) == 0);
}

/* Verify that a reader sees the wall clock before it was set or after. */
static void
test_clock_when_set_while_read_then_no_mixture_is_seen(void)
{
    static const time_t dates[] = { 1000000000, 7999999999 };
    struct timespec before, t;
    pid_t reader;

    CHECK(get(CLOCK_REALTIME, &before) == 0);
    t = (struct timespec){ dates[0], 1 };
    CHECK(clock_settime(CLOCK_REALTIME, &t) == 0);
    reader = fork();
    if (reader == 0) {
        for (unsigned i = 0; i < 200000; i++) {
            CHECK(clock_gettime(CLOCK_REALTIME, &t) == 0);
            CHECK((t.tv_sec >= dates[0] && t.tv_sec < dates[0] + 60) ||
                  (t.tv_sec >= dates[1] && t.tv_sec < dates[1] + 60));
        }
        _exit(0);
    }
    int status = -1;
    for (unsigned i = 1; waitpid(reader, &status, WNOHANG) == 0; i++) {
        t = (struct timespec){ dates[i % 2], i % 2 ? 5 : 999999995 };
        CHECK(clock_settime(CLOCK_REALTIME, &t) == 0);
    }
    CHECK(clock_settime(CLOCK_REALTIME, &before) == 0);
    CHECK(status == 0);
}

static void
test_adjtimex_when_read_then_a_sane_state(void)
{
    struct timex x;

    memset(&x, 0, sizeof x);
    int state = adjtimex(&x);
    CHECK(state >= 0 && state <= 5);
    CHECK(x.tick >= 9000 && x.tick <= 11000 && x.time.tv_usec < 1000000000);
    CHECK(x.time.tv_sec - time(NULL) <= 1 && time(NULL) - x.time.tv_sec <= 1);
    CHECK_ERROR(syscall(SYS_adjtimex, 8), EFAULT);
    CHECK(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &x) >= 0);
    CHECK_ERROR(syscall(SYS_clock_adjtime, 99, &x), EINVAL);
    CHECK_ERROR(syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, &x), EOPNOTSUPP);
}

static void
test_sleep_when_done_then_long_enough(void)
{
    static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME,
                                        CLOCK_TAI };
    struct timespec t = { 0, 15 * MS };

    for (unsigned i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        int64_t before = now_of(clocks[i]);
        t = (struct timespec){ 0, 15 * MS };
        CHECK(clock_nanosleep(clocks[i], 0, &t, NULL) == 0);
        CHECK(now_of(clocks[i]) - before >= 15 * MS);
        before = now_of(clocks[i]) + 15 * MS;
        t = (struct timespec){ before / 1000000000, before % 1000000000 };
        CHECK(clock_nanosleep(clocks[i], TIMER_ABSTIME, &t, NULL) == 0);
        CHECK(now_of(clocks[i]) >= before);
        CHECK(clock_nanosleep(clocks[i], TIMER_ABSTIME, &t, NULL) == 0); /* past */
    }
    t = (struct timespec){ 0, 0 };
    CHECK(nanosleep(&t, NULL) == 0);
}

static void
test_sleep_when_wrong_then_errors(void)
{
    struct timespec bad = { 0, 1000000000 }, negative = { -1, 0 }, t = { 0, 1 };

    CHECK_ERROR(syscall(SYS_nanosleep, &bad, NULL), EINVAL);
    CHECK_ERROR(syscall(SYS_nanosleep, &negative, NULL), EINVAL);
    CHECK_ERROR(syscall(SYS_nanosleep, 8, NULL), EFAULT);
    CHECK_ERROR(syscall(SYS_clock_nanosleep, 99, 0, &t, NULL), EINVAL);
    CHECK_ERROR(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL),
                EOPNOTSUPP);
    CHECK_ERROR(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_COARSE, 0, &t, NULL),
                EOPNOTSUPP);
    CHECK_ERROR(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &t, NULL),
                EOPNOTSUPP);
    CHECK_ERROR(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &bad, NULL), EINVAL);
    CHECK_ERROR(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, 8, NULL), EFAULT);
}

static void
test_sleep_when_interrupted_and_rest_is_unwritable_then_efault(void)
{
    struct timespec t = { 10, 0 };
    struct itimerval v = { { 0, 0 }, { 0, 20000 } };
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    signal(SIGALRM, note);
    CHECK(setitimer(ITIMER_REAL, &v, NULL) == 0);
    CHECK_ERROR(syscall(SYS_nanosleep, &t, page), EFAULT);
    CHECK(setitimer(ITIMER_REAL, &v, NULL) == 0);
    /* An absolute sleep writes no rest. */
    CHECK(get(CLOCK_MONOTONIC, &t) == 0);
    t.tv_sec += 10;
    CHECK_ERROR(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &t, page),
                EINTR);
}

static void
test_itimer_when_periodic_then_keeps_step(void)
{
    struct itimerval v = { { 0, 10000 }, { 0, 10000 } }, old;
    int64_t before = now_of(CLOCK_MONOTONIC), elapsed;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &v, NULL) == 0);
    for (int i = 0; i < 20; i++)
        CHECK(syscall(SYS_rt_sigtimedwait, &set, NULL, NULL, 8) == SIGALRM);
    elapsed = now_of(CLOCK_MONOTONIC) - before;
    CHECK(elapsed >= 199 * MS && elapsed < 10000 * MS);
    CHECK(getitimer(ITIMER_REAL, &old) == 0);
    CHECK(old.it_interval.tv_usec == 10000 && old.it_value.tv_usec <= 10000);
    memset(&v, 0, sizeof v);
    CHECK(setitimer(ITIMER_REAL, &v, &old) == 0 && old.it_interval.tv_usec == 10000);
    CHECK(getitimer(ITIMER_REAL, &old) == 0 && old.it_value.tv_usec == 0);
    v.it_value.tv_usec = 1;
    v.it_interval.tv_usec = 1; /* as short as can be: the machine goes on */
    CHECK(setitimer(ITIMER_REAL, &v, NULL) == 0);
    usleep(50000);
    memset(&v, 0, sizeof v);
    CHECK(setitimer(ITIMER_REAL, &v, NULL) == 0);
}

static void
test_itimer_when_wrong_then_errors(void)
{
    struct itimerval v = { { 0, 0 }, { 0, 1000000 } };

    CHECK_ERROR(syscall(SYS_setitimer, 3, &v, NULL), EINVAL);
    CHECK_ERROR(syscall(SYS_getitimer, 3, &v), EINVAL);
    CHECK_ERROR(syscall(SYS_setitimer, ITIMER_REAL, &v, NULL), EINVAL);
    CHECK_ERROR(syscall(SYS_setitimer, ITIMER_REAL, 8, NULL), EFAULT);
    CHECK_ERROR(syscall(SYS_getitimer, ITIMER_REAL, 8), EFAULT);
    v = (struct itimerval){ { -1, 0 }, { 0, 0 } };
    CHECK_ERROR(syscall(SYS_setitimer, ITIMER_REAL, &v, NULL), EINVAL);
}

static void
test_alarm_when_set_again_then_the_rest_is_told(void)
{
    CHECK(syscall(SYS_alarm, 100) <= TEST_SECONDS);
    unsigned rest = (unsigned)syscall(SYS_alarm, 50);
    CHECK(rest == 100 || rest == 99);
    pid_t child = fork(); /* not inherited */
    if (child == 0)
        _exit(syscall(SYS_alarm, 0) != 0);
    CHECK_EXIT(child, 0);
    CHECK(syscall(SYS_alarm, 0) >= 49);
    CHECK(syscall(SYS_alarm, 0) == 0);
    signal(SIGALRM, note);
    CHECK(alarm(1) == 0 && pause() == -1 && errno == EINTR && count == 1);
}

static void
test_times_when_asked_then_ticks(void)
{
    struct tms t;
    clock_t before = times(&t), after;

    CHECK(before != (clock_t)-1 && t.tms_utime >= 0 && t.tms_cstime >= 0);
    usleep(50000);
    after = times(NULL);
    CHECK(after - before >= 4 && after - before < 1000);
    CHECK_ERROR(syscall(SYS_times, 8), EFAULT);
}

int
main(void)
{
    RUN(test_clocks_when_read_then_each_goes_forward_and_agrees, clock_gettime,
        clock_getres);
    RUN(test_clocks_when_wrong_then_errors, clock_gettime, clock_getres, clock_settime,
        gettimeofday, settimeofday, time);
    RUN(test_clock_when_set_by_others_than_root_then_eperm, clock_settime, settimeofday,
        adjtimex);
    RUN(test_clock_when_set_then_shown_and_monotonic_unmoved, clock_settime, adjtimex);
    RUN(test_clock_when_read_both_ways_then_it_is_one_at_any_date, clock_gettime,
        clock_settime, gettimeofday, time);
    RUN(test_clock_when_set_while_read_then_no_mixture_is_seen, clock_settime);
    RUN(test_adjtimex_when_read_then_a_sane_state, adjtimex, clock_adjtime);
    RUN(test_sleep_when_done_then_long_enough, clock_nanosleep, nanosleep);
    RUN(test_sleep_when_wrong_then_errors, nanosleep, clock_nanosleep);
    RUN(test_sleep_when_interrupted_and_rest_is_unwritable_then_efault, nanosleep,
        clock_nanosleep);
    RUN(test_itimer_when_periodic_then_keeps_step, setitimer, getitimer);
    RUN(test_itimer_when_wrong_then_errors, setitimer, getitimer);
    RUN(test_alarm_when_set_again_then_the_rest_is_told, alarm);
    RUN(test_times_when_asked_then_ticks, times);
    return check_failures != 0;
}

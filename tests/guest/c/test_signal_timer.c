/* SPDX-License-Identifier: MIT */
/* timer_create(2) and its family: signals, overrun, threads, errors. */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#define MS 1000000L

/* The bare calls: the library wraps some of them. */
static long
create(clockid_t clock, struct sigevent *event, int *id)
{
    return syscall(SYS_timer_create, clock, event, id);
}

static long
settime(int id, int flags, const struct itimerspec *set, struct itimerspec *old)
{
    return syscall(SYS_timer_settime, id, flags, set, old);
}

static long
gettime(int id, struct itimerspec *out)
{
    return syscall(SYS_timer_gettime, id, out);
}

static long
getoverrun(int id)
{
    return syscall(SYS_timer_getoverrun, id);
}

static long
delete(int id)
{
    return syscall(SYS_timer_delete, id);
}

static struct itimerspec
after(long ns, long interval)
{
    return (struct itimerspec){ { interval / 1000000000, interval % 1000000000 },
                                { ns / 1000000000, ns % 1000000000 } };
}

static void
block(int number, sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, number);
    CHECK(sigprocmask(SIG_BLOCK, set, NULL) == 0);
}

static void
test_timer_when_it_runs_out_then_signal_with_value(void)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    struct timespec limit = { 10, 0 };
    struct itimerspec t = after(20 * MS, 0), left;
    siginfo_t info;
    sigset_t set;
    int id;

    event.sigev_value.sival_int = 4711;
    block(SIGUSR1, &set);
    CHECK(create(CLOCK_MONOTONIC, &event, &id) == 0);
    CHECK(gettime(id, &left) == 0 && left.it_value.tv_sec == 0 &&
          left.it_value.tv_nsec == 0);
    CHECK(settime(id, 0, &t, &left) == 0 && left.it_value.tv_nsec == 0);
    CHECK(sigtimedwait(&set, &info, &limit) == SIGUSR1);
    CHECK(info.si_code == SI_TIMER && info.si_value.sival_int == 4711);
    CHECK(info.si_timerid == id && info.si_overrun == 0);
    CHECK(gettime(id, &left) == 0 && left.it_value.tv_sec == 0 &&
          left.it_value.tv_nsec == 0);
    limit = (struct timespec){ 0, 40 * MS };
    CHECK_ERROR(sigtimedwait(&set, &info, &limit), EAGAIN);
    CHECK(delete(id) == 0);
    CHECK_ERROR(delete(id), EINVAL);
}

static void
test_timer_when_no_event_then_sigalrm_with_its_number(void)
{
    struct timespec limit = { 10, 0 };
    struct itimerspec t = after(1, 0);
    siginfo_t info;
    sigset_t set;
    int id;

    block(SIGALRM, &set);
    CHECK(create(CLOCK_REALTIME, NULL, &id) == 0);
    CHECK(settime(id, 0, &t, NULL) == 0);
    CHECK(sigtimedwait(&set, &info, &limit) == SIGALRM);
    CHECK(info.si_code == SI_TIMER && info.si_value.sival_int == id);
}

static void
test_timer_when_periodic_and_late_then_overrun_counts(void)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
    struct timespec nap = { 0, 105 * MS };
    struct itimerspec t = after(10 * MS, 10 * MS), left;
    siginfo_t info;
    sigset_t set;
    int id;

    block(SIGRTMIN, &set);
    CHECK(create(CLOCK_MONOTONIC, &event, &id) == 0);
    CHECK(settime(id, 0, &t, NULL) == 0);
    CHECK(nanosleep(&nap, NULL) == 0);
    CHECK(sigwaitinfo(&set, &info) == SIGRTMIN);
    CHECK(info.si_overrun >= 8 && info.si_overrun < 1000);
    CHECK(getoverrun(id) == info.si_overrun);
    CHECK(sigwaitinfo(&set, &info) == SIGRTMIN); /* it goes on */
    CHECK(gettime(id, &left) == 0);
    CHECK(left.it_interval.tv_nsec == 10 * MS && left.it_value.tv_sec == 0);
    CHECK(left.it_value.tv_nsec > 0 && left.it_value.tv_nsec <= 10 * MS);
}

static void
test_timer_when_absolute_then_at_that_time(void)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME,
                                        CLOCK_TAI };
    siginfo_t info;
    sigset_t set;
    int id;

    block(SIGUSR1, &set);
    for (unsigned i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        struct timespec now, then;
        CHECK(create(clocks[i], &event, &id) == 0);
        CHECK(clock_gettime(clocks[i], &now) == 0);
        struct itimerspec t = { { 0, 0 }, { now.tv_sec, now.tv_nsec + 30 * MS } };
        if (t.it_value.tv_nsec >= 1000000000) {
            t.it_value.tv_nsec -= 1000000000;
            t.it_value.tv_sec++;
        }
        CHECK(settime(id, TIMER_ABSTIME, &t, NULL) == 0);
        CHECK(sigwaitinfo(&set, &info) == SIGUSR1);
        CHECK(clock_gettime(clocks[i], &then) == 0);
        CHECK(then.tv_sec > t.it_value.tv_sec || (then.tv_sec == t.it_value.tv_sec &&
                                                  then.tv_nsec >= t.it_value.tv_nsec));
        t.it_value = now; /* in the past: at once */
        CHECK(settime(id, TIMER_ABSTIME, &t, NULL) == 0);
        CHECK(sigwaitinfo(&set, &info) == SIGUSR1);
        CHECK(delete(id) == 0);
    }
}

static void
test_timer_when_none_then_only_read(void)
{
    struct sigevent event = { .sigev_notify = SIGEV_NONE };
    struct timespec nap = { 0, 30 * MS };
    struct itimerspec t = after(10 * MS, 0), left;
    int id;

    CHECK(create(CLOCK_MONOTONIC, &event, &id) == 0);
    CHECK(settime(id, 0, &t, NULL) == 0);
    CHECK(gettime(id, &left) == 0 && left.it_value.tv_nsec > 0);
    CHECK(nanosleep(&nap, NULL) == 0);
    CHECK(gettime(id, &left) == 0 && left.it_value.tv_nsec == 0);
    t = after(1000 * MS, 20 * MS);
    CHECK(settime(id, 0, &t, NULL) == 0);
    t = after(0, 0);
    CHECK(settime(id, 0, &t, &left) == 0 && left.it_interval.tv_nsec == 20 * MS);
    CHECK(left.it_value.tv_nsec + left.it_value.tv_sec * 1000000000 > 0);
}

static volatile sig_atomic_t got_tid, got_signals;

static void
note_tid(int number)
{
    (void)number;
    got_tid = (sig_atomic_t)syscall(SYS_gettid);
    got_signals++;
}

static void *
own_timer(void *arg)
{
    struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2 };
    struct itimerspec t = after(10 * MS, 0);
    int id, tid = (int)syscall(SYS_gettid);
    sigset_t none;

    (void)arg;
    sigemptyset(&none);
    ((int *)&event)[4] = tid; /* sigev_notify_thread_id */
    CHECK(create(CLOCK_MONOTONIC, &event, &id) == 0);
    CHECK(settime(id, 0, &t, NULL) == 0);
    while (got_signals == 0)
        usleep(1000);
    CHECK(got_tid == tid);
    CHECK(delete(id) == 0);
    return NULL;
}

static void
test_timer_when_for_a_thread_then_that_thread(void)
{
    struct sigaction action = { .sa_handler = note_tid };
    struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2 };
    pthread_t thread;
    int id;

    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, own_timer, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    ((int *)&event)[4] = 1; /* not a thread of ours */
    CHECK_ERROR(create(CLOCK_MONOTONIC, &event, &id), EINVAL);
}

static void
test_timer_when_ignored_then_goes_on_and_comes_later(void)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    struct itimerspec t = after(5 * MS, 5 * MS);
    struct sigaction action = { .sa_handler = note_tid };
    struct timespec nap = { 0, 40 * MS };
    int id;

    signal(SIGUSR1, SIG_IGN);
    CHECK(create(CLOCK_MONOTONIC, &event, &id) == 0);
    CHECK(settime(id, 0, &t, NULL) == 0);
    CHECK(nanosleep(&nap, NULL) == 0);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    for (int i = 0; i < 5000 && got_signals == 0; i++)
        usleep(1000);
    CHECK(got_signals > 0);
}

static void
test_timer_when_forked_then_not_inherited(void)
{
    struct itimerspec t = after(20 * MS, 0), left;
    int id;
    pid_t child;

    CHECK(create(CLOCK_MONOTONIC, NULL, &id) == 0);
    signal(SIGALRM, SIG_IGN);
    CHECK(settime(id, 0, &t, NULL) == 0);
    child = fork();
    if (child == 0) {
        signal(SIGALRM, SIG_DFL);
        CHECK_ERROR(gettime(id, &left), EINVAL);
        usleep(50000);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

static void
test_timer_when_arguments_are_wrong_then_errors(void)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = 65 };
    struct itimerspec t = after(1, 0);
    int id;

    CHECK_ERROR(create(12345, NULL, &id), EINVAL);
    CHECK_ERROR(create(CLOCK_MONOTONIC, &event, &id), EINVAL);
    event.sigev_signo = 0;
    CHECK_ERROR(create(CLOCK_MONOTONIC, &event, &id), EINVAL);
    event = (struct sigevent){ .sigev_notify = 77, .sigev_signo = SIGUSR1 };
    CHECK_ERROR(create(CLOCK_MONOTONIC, &event, &id), EINVAL);
    CHECK_ERROR(create(CLOCK_MONOTONIC, (void *)8, &id), EFAULT);
    CHECK_ERROR(create(CLOCK_MONOTONIC, NULL, (void *)8), EFAULT);
    CHECK_ERROR(create(CLOCK_MONOTONIC_COARSE, NULL, &id), EOPNOTSUPP);
    CHECK(create(CLOCK_MONOTONIC, NULL, &id) == 0);
    CHECK_ERROR(settime(id + 100, 0, &t, NULL), EINVAL);
    CHECK_ERROR(settime(-1, 0, &t, NULL), EINVAL);
    CHECK_ERROR(settime(id, 0, NULL, NULL), EINVAL);
    CHECK_ERROR(settime(id, 0, (void *)8, NULL), EFAULT);
    signal(SIGALRM, SIG_IGN); /* it is set nevertheless */
    CHECK_ERROR(settime(id, 0, &t, (void *)8), EFAULT);
    t.it_value.tv_nsec = 1000000000;
    CHECK_ERROR(settime(id, 0, &t, NULL), EINVAL);
    t = (struct itimerspec){ { -1, 0 }, { 0, 0 } };
    CHECK_ERROR(settime(id, 0, &t, NULL), EINVAL);
    CHECK_ERROR(gettime(id + 100, &t), EINVAL);
    CHECK_ERROR(gettime(id, (void *)8), EFAULT);
    CHECK_ERROR(getoverrun(id + 100), EINVAL);
    CHECK_ERROR(delete(id + 100), EINVAL);
}

static void
test_timer_when_very_many_then_all_fire(void)
{
    enum { MANY = 3000 };
    static int id[MANY], seen[MANY];
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1 };
    struct rlimit limit = { 20000, 20000 };
    siginfo_t info;
    sigset_t set;

    CHECK(setrlimit(RLIMIT_SIGPENDING, &limit) == 0);
    block(SIGRTMIN + 1, &set);
    for (int i = 0; i < MANY; i++) {
        struct itimerspec t = after(1 * MS + (i * 7919 % MANY) * 10000L, 0);
        event.sigev_value.sival_int = i;
        CHECK(create(CLOCK_MONOTONIC, &event, &id[i]) == 0);
        CHECK(settime(id[i], 0, &t, NULL) == 0);
    }
    for (int i = 0; i < MANY; i++) {
        CHECK(sigwaitinfo(&set, &info) == SIGRTMIN + 1);
        CHECK(seen[info.si_value.sival_int]++ == 0);
    }
    for (int i = 0; i < MANY; i += 2)
        CHECK(delete(id[i]) == 0);
    limit.rlim_cur = 2;
    CHECK(setrlimit(RLIMIT_SIGPENDING, &limit) == 0);
    CHECK_ERROR(create(CLOCK_MONOTONIC, NULL, &id[0]), EAGAIN);
}

int
main(void)
{
    RUN(test_timer_when_it_runs_out_then_signal_with_value, timer_create, timer_settime,
        timer_gettime, timer_delete);
    RUN(test_timer_when_no_event_then_sigalrm_with_its_number, timer_create);
    RUN(test_timer_when_periodic_and_late_then_overrun_counts, timer_getoverrun,
        timer_settime);
    RUN(test_timer_when_absolute_then_at_that_time, timer_settime);
    RUN(test_timer_when_none_then_only_read, timer_gettime);
    RUN(test_timer_when_for_a_thread_then_that_thread, timer_create);
    RUN(test_timer_when_ignored_then_goes_on_and_comes_later, timer_settime);
    RUN(test_timer_when_forked_then_not_inherited, timer_create);
    RUN(test_timer_when_arguments_are_wrong_then_errors, timer_create, timer_settime,
        timer_gettime, timer_getoverrun, timer_delete);
    RUN(test_timer_when_very_many_then_all_fire, timer_create);
    return check_failures != 0;
}

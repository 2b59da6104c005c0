/* SPDX-License-Identifier: MIT */
/* What processes use: getrusage, times, CPU clocks and timers, and limits of it. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

#include "check.h"

static double
seconds(struct timeval v)
{
    return (double)v.tv_sec + (double)v.tv_usec / 1e6;
}

static double
cpu_clock(clockid_t id)
{
    struct timespec ts;
    CHECK(clock_gettime(id, &ts) == 0);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* CPU time passes in the program, or in system calls. */
static void
use(double time, int in_calls)
{
    double end = cpu_clock(CLOCK_PROCESS_CPUTIME_ID) + time;
    volatile unsigned long n = 0;
    do {
        for (int i = 0; i < 20000; i++)
            n++;
        for (int i = 0; in_calls && i < 200; i++)
            access("/no/such/name", 0);
    } while (cpu_clock(CLOCK_PROCESS_CPUTIME_ID) < end);
}

/* Verify that user time is user time, and that the clocks agree with the sums. */
static void
test_times_are_told_apart(void)
{
    struct rusage a, b;
    double user, system;
    /* The times are sampled, and a host that stops the guest for long spoils a sample. */
    for (int tries = 0;; tries++) {
        CHECK(getrusage(RUSAGE_SELF, &b) == 0);
        use(0.4, 0);
        CHECK(getrusage(RUSAGE_SELF, &a) == 0);
        user = seconds(a.ru_utime) - seconds(b.ru_utime);
        system = seconds(a.ru_stime) - seconds(b.ru_stime);
        if (user > 0.25 && user > 3 * system)
            break;
        CHECK(tries < 10);
    }
    use(0.5, 1);
    CHECK(getrusage(RUSAGE_SELF, &b) == 0);
    CHECK(seconds(b.ru_stime) > seconds(a.ru_stime) + 0.05);
    double sum = seconds(b.ru_utime) + seconds(b.ru_stime);
    double clock = cpu_clock(CLOCK_PROCESS_CPUTIME_ID);
    CHECK(clock - sum < 0.2 && sum - clock < 0.2);
    CHECK(b.ru_maxrss > 0 && b.ru_minflt > 0);
    CHECK_ERROR(getrusage(7, &a), EINVAL);
    CHECK_ERROR(syscall(SYS_getrusage, RUSAGE_SELF, (void *)8), EFAULT);
    struct tms t;
    CHECK(times(&t) != -1 && t.tms_utime + t.tms_stime >= 70);
}

/* Verify that children count when they were waited for, with what they waited for. */
static void
test_children_count_after_wait(void)
{
    struct rusage r, w;
    int status;
    pid_t child = fork();
    if (child == 0) {
        if (fork() == 0) {
            use(0.2, 0);
            _exit(0);
        }
        wait(NULL);
        _exit(0);
    }
    usleep(1000);
    CHECK(getrusage(RUSAGE_CHILDREN, &r) == 0);
    CHECK(seconds(r.ru_utime) == 0 && r.ru_minflt == 0);
    CHECK(wait4(child, &status, 0, &w) == child);
    CHECK(seconds(w.ru_utime) > 0.1 && w.ru_maxrss > 0);
    CHECK(getrusage(RUSAGE_CHILDREN, &r) == 0);
    CHECK(seconds(r.ru_utime) == seconds(w.ru_utime) && r.ru_maxrss == w.ru_maxrss);
    struct tms t;
    CHECK(times(&t) != -1 && t.tms_cutime >= 10);
}

/* Verify that sleeping is a voluntary switch and uses no time. */
static void
test_sleeping_is_a_switch(void)
{
    struct rusage a, b;
    CHECK(getrusage(RUSAGE_THREAD, &a) == 0);
    double before = cpu_clock(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < 10; i++)
        usleep(10000);
    CHECK(getrusage(RUSAGE_THREAD, &b) == 0);
    CHECK(b.ru_nvcsw >= a.ru_nvcsw + 10);
    CHECK(cpu_clock(CLOCK_THREAD_CPUTIME_ID) - before < 0.05);
}

/* Verify the clock of another process, and of none. */
static void
test_clock_of_another_process(void)
{
    struct timespec ts;
    clockid_t clock;
    pid_t child = fork();
    if (child == 0)
        for (;;)
            use(1, 0);
    CHECK(clock_getcpuclockid(child, &clock) == 0);
    usleep(300000);
    double first = cpu_clock(clock);
    usleep(300000);
    CHECK(cpu_clock(clock) > first);
    kill(child, SIGKILL);
    CHECK_SIGNAL(child, SIGKILL);
    CHECK_ERROR(syscall(SYS_clock_gettime, clock, &ts), EINVAL);
}

static volatile int virtuals, profs, xcpus;

static void
count(int number)
{
    virtuals += number == SIGVTALRM;
    profs += number == SIGPROF;
    xcpus += number == SIGXCPU;
}

/* Verify that the CPU timers count CPU time alone, repeat, and can be read. */
static void
test_cpu_timers_count_cpu_time(void)
{
    struct itimerval v = { { 0, 20000 }, { 0, 20000 } }, old;
    signal(SIGVTALRM, count);
    signal(SIGPROF, count);
    CHECK(setitimer(ITIMER_VIRTUAL, &v, NULL) == 0 && setitimer(ITIMER_PROF, &v, NULL) == 0);
    struct timespec ts = { 0, 200000000 };
    CHECK(nanosleep(&ts, NULL) == 0 && virtuals == 0 && profs == 0);
    use(0.4, 0);
    CHECK(virtuals >= 8 && virtuals <= 21 && profs >= 8 && profs <= 21);
    CHECK(getitimer(ITIMER_PROF, &old) == 0 && old.it_interval.tv_usec >= 20000);
    v = (struct itimerval){ { 0, 0 }, { 0, 0 } };
    CHECK(setitimer(ITIMER_PROF, &v, &old) == 0 && old.it_value.tv_usec <= 24000);
    int before = profs;
    use(0.1, 0);
    CHECK(profs == before);
    CHECK_ERROR(setitimer(3, &v, NULL), EINVAL);
    v.it_value.tv_usec = 1000000;
    CHECK_ERROR(setitimer(ITIMER_VIRTUAL, &v, NULL), EINVAL);
}

/* Verify SIGXCPU at the soft limit, and the end at the hard one. */
static void
test_cpu_limit_signals_and_ends(void)
{
    struct rusage r;
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct rlimit l = { 1, 3 };
        signal(SIGXCPU, count);
        CHECK(setrlimit(RLIMIT_CPU, &l) == 0);
        for (;;) {
            use(0.05, 0);
            /* Ticks come late on a host that is busy: a second's room. */
            CHECK(cpu_clock(CLOCK_PROCESS_CPUTIME_ID) < 2.5 || xcpus > 0);
        }
    }
    CHECK(wait4(child, &status, 0, &r) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK(seconds(r.ru_utime) + seconds(r.ru_stime) > 2.7);
}

/* Verify that a bomb of forks meets its user's limit, and that nobody else does. */
static void
test_process_limit_is_a_users(void)
{
    pid_t bomb = fork();
    if (bomb == 0) {
        struct rlimit l = { 20, 20 };
        int made = 0;
        CHECK(setrlimit(RLIMIT_NPROC, &l) == 0);
        CHECK(syscall(SYS_setresuid, 4321, 4321, 4321) == 0);
        for (pid_t p; (p = fork()) != -1; made++)
            if (p == 0)
                for (;;)
                    pause();
        CHECK(errno == EAGAIN && made == 19);
        signal(SIGTERM, SIG_IGN);
        CHECK(kill(-1, SIGTERM) == 0); /* all that it may: its own */
        for (int i = 0; i < made; i++)
            CHECK(wait(NULL) > 0);
        CHECK(fork() != -1);
        _exit(0);
    }
    CHECK_EXIT(bomb, 0);
}

/* Verify the rules of limits. */
static void
test_limits_have_rules(void)
{
    struct rlimit l = { 10, 5 }, old;
    CHECK_ERROR(setrlimit(RLIMIT_CORE, &l), EINVAL);
    CHECK_ERROR(syscall(SYS_setrlimit, 16, &l), EINVAL);
    CHECK_ERROR(syscall(SYS_getrlimit, RLIMIT_CORE, (void *)8), EFAULT);
    CHECK_ERROR(syscall(SYS_prlimit64, 99999999, RLIMIT_CORE, NULL, &old), ESRCH);
    l = (struct rlimit){ 5, 10 };
    CHECK(syscall(SYS_prlimit64, 0, RLIMIT_CORE, &l, &old) == 0);
    CHECK(syscall(SYS_setresuid, 99, 99, 99) == 0);
    l = (struct rlimit){ 10, 10 };
    CHECK(setrlimit(RLIMIT_CORE, &l) == 0);
    l = (struct rlimit){ 10, 11 };
    CHECK_ERROR(setrlimit(RLIMIT_CORE, &l), EPERM);
    CHECK_ERROR(syscall(SYS_prlimit64, getppid(), RLIMIT_CORE, NULL, &old), EPERM);
}

int
main(void)
{
    RUN(test_times_are_told_apart, getrusage, times, clock_gettime);
    RUN(test_children_count_after_wait, getrusage, wait4, times);
    RUN(test_sleeping_is_a_switch, getrusage);
    RUN(test_clock_of_another_process, clock_gettime);
    RUN(test_cpu_timers_count_cpu_time, setitimer, getitimer);
    RUN(test_cpu_limit_signals_and_ends, setrlimit);
    RUN(test_process_limit_is_a_users, fork, setrlimit);
    RUN(test_limits_have_rules, setrlimit, getrlimit, prlimit64);
    return check_failures != 0;
}

/* SPDX-License-Identifier: MIT */
/* Clocks of CPU time: of this process, of threads, of others; timers and sleeps on them. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

#include "check.h"

#define MS 1000000ll
#define S 1000000000ll

/* As programs encode them: ~number << 3, 4 for a thread's; profiled, user's, exact. */
#define PROCESS_CLOCK(pid, what) ((clockid_t)(~(unsigned)(pid) << 3 | (what)))
#define THREAD_CLOCK(tid, what) ((clockid_t)(~(unsigned)(tid) << 3 | 4 | (what)))
enum { PROF, VIRT, EXACT };

static long long
now_of(clockid_t clock)
{
    struct timespec t;
    CHECK(syscall(SYS_clock_gettime, clock, &t) == 0);
    return t.tv_sec * S + t.tv_nsec;
}

static struct timespec
spec(long long ns)
{
    return (struct timespec){ ns / S, ns % S };
}

/* Use the CPU until the clock shows so much more. */
static void
burn(clockid_t clock, long long ns)
{
    long long until = now_of(clock) + ns;
    while (now_of(clock) < until)
        for (volatile int i = 0; i < 1000; i++)
            ;
}

static int
make(clockid_t clock, int number)
{
    struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = number };
    int id = -1;
    CHECK(syscall(SYS_timer_create, clock, &e, &id) == 0);
    return id;
}

static int
set(int id, int flags, long long value, long long interval)
{
    struct itimerspec t = { spec(interval), spec(value) };
    return (int)syscall(SYS_timer_settime, id, flags, &t, NULL);
}

static long long
left(int id)
{
    struct itimerspec t;
    CHECK(syscall(SYS_timer_gettime, id, &t) == 0);
    return t.it_value.tv_sec * S + t.it_value.tv_nsec;
}

static sigset_t
block(int number)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return set;
}

static int
taken(const sigset_t *set, siginfo_t *info)
{
    struct timespec none = { 0, 0 };
    return sigtimedwait(set, info, &none);
}

/* Burn in small pieces until the signal is there, at most so long; what the clock shows. */
static long long
burn_until_signal(clockid_t clock, const sigset_t *set, siginfo_t *info)
{
    for (int i = 0; i < 20000; i++) {
        if (taken(set, info) > 0)
            return now_of(clock);
        burn(clock, MS / 4);
    }
    CHECK(!"the signal came");
    return 0;
}

static void
test_clocks(void)
{
    struct timespec t;
    clockid_t id;
    long long before = now_of(CLOCK_PROCESS_CPUTIME_ID);
    CHECK(clock_getcpuclockid(0, &id) == 0 || errno == 0);
    CHECK(clock_getcpuclockid(getpid(), &id) == 0);
    CHECK(now_of(id) >= before);
    CHECK(now_of(PROCESS_CLOCK(0, EXACT)) >= before);
    CHECK(pthread_getcpuclockid(pthread_self(), &id) == 0);
    CHECK(now_of(id) <= now_of(CLOCK_THREAD_CPUTIME_ID));
    CHECK(now_of(THREAD_CLOCK(0, EXACT)) > 0);
    CHECK(clock_getres(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
    CHECK(t.tv_sec == 0 && t.tv_nsec == 1);
    CHECK(clock_getres(PROCESS_CLOCK(0, EXACT), &t) == 0 && t.tv_nsec == 1);
    CHECK(clock_getres(PROCESS_CLOCK(0, VIRT), &t) == 0 && t.tv_nsec > 1);
    t = (struct timespec){ 0, 0 };
    CHECK_ERROR(syscall(SYS_clock_settime, PROCESS_CLOCK(0, EXACT), &t), EPERM);
    CHECK_ERROR(syscall(SYS_clock_settime, CLOCK_PROCESS_CPUTIME_ID, &t), EINVAL);
    CHECK_ERROR(syscall(SYS_clock_gettime, PROCESS_CLOCK(0, 3), &t), EINVAL);
    CHECK_ERROR(syscall(SYS_clock_gettime, PROCESS_CLOCK(4000000, EXACT), &t), EINVAL);
    /* Of another process: any. Of a thread: only of this process. */
    pid_t child = fork();
    if (child == 0) {
        burn(CLOCK_PROCESS_CPUTIME_ID, 20 * MS);
        pause();
    }
    while (now_of(PROCESS_CLOCK(child, EXACT)) < 20 * MS)
        usleep(1000);
    CHECK_ERROR(syscall(SYS_clock_gettime, THREAD_CLOCK(child, EXACT), &t), EINVAL);
    kill(child, SIGKILL);
    CHECK_SIGNAL(child, SIGKILL);
}

static void
once(clockid_t clock, int flags)
{
    sigset_t waited = block(SIGUSR1);
    siginfo_t info;
    int id = make(clock, SIGUSR1);
    CHECK(left(id) == 0);
    burn(clock, 2 * MS);
    long long begin = now_of(clock), at = 30 * MS;
    CHECK(set(id, flags, flags == TIMER_ABSTIME ? begin + at : at, 0) == 0);
    long long rest = left(id);
    CHECK((rest > 0 || now_of(clock) >= begin + at) && rest <= at + 20 * MS);
    long long end = burn_until_signal(clock, &waited, &info);
    CHECK(end >= begin + at);
    CHECK(info.si_code == SI_TIMER && info.si_timerid == id);
    CHECK(left(id) == 0);
    burn(clock, 10 * MS);
    CHECK(taken(&waited, &info) < 0); /* once */
    CHECK(syscall(SYS_timer_delete, id) == 0);
    CHECK_ERROR(syscall(SYS_timer_delete, id), EINVAL);
}

static void
test_once(void)
{
    once(CLOCK_PROCESS_CPUTIME_ID, 0);
    once(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME);
    once(CLOCK_THREAD_CPUTIME_ID, 0);
    once(CLOCK_THREAD_CPUTIME_ID, TIMER_ABSTIME);
    once(PROCESS_CLOCK(getpid(), EXACT), 0);
    once(PROCESS_CLOCK(0, PROF), 0);
    once(THREAD_CLOCK((int)syscall(SYS_gettid), EXACT), TIMER_ABSTIME);
}

static void
test_user_time(void)
{
    sigset_t waited = block(SIGUSR1);
    siginfo_t info;
    int id = make(PROCESS_CLOCK(0, VIRT), SIGUSR1);
    CHECK(set(id, 0, 20 * MS, 0) == 0);
    for (int i = 0; taken(&waited, &info) < 0; i++) {
        CHECK(i < 100000);
        for (volatile int j = 0; j < 200000; j++)
            ;
    }
    CHECK(now_of(CLOCK_PROCESS_CPUTIME_ID) >= 15 * MS);
}

/* What lies in the past comes at once; nothing comes while nobody runs. */
static void
test_past_and_idle(void)
{
    sigset_t waited = block(SIGUSR1);
    siginfo_t info;
    burn(CLOCK_PROCESS_CPUTIME_ID, 2 * MS);
    int id = make(CLOCK_PROCESS_CPUTIME_ID, SIGUSR1);
    CHECK(set(id, TIMER_ABSTIME, 1, 0) == 0);
    CHECK(taken(&waited, &info) == SIGUSR1);
    CHECK(set(id, 0, 5 * S, 0) == 0);
    usleep(300000);
    CHECK(taken(&waited, &info) < 0 && left(id) > 0);
    CHECK(set(id, 0, 0, 0) == 0 && left(id) == 0); /* disarmed */
    CHECK(set(id, 2, -1, 0) == -1 && errno == EINVAL);
}

static void
test_interval(void)
{
    sigset_t waited = block(SIGUSR1);
    siginfo_t info;
    clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
    int id = make(clock, SIGUSR1);
    long long begin = now_of(clock), end = 0;
    CHECK(set(id, 0, 10 * MS, 10 * MS) == 0);
    for (int i = 1; i <= 5; i++) {
        end = burn_until_signal(clock, &waited, &info);
        CHECK(end >= begin + i * 10 * MS);
    }
    /* Nobody takes them: one signal, and its overrun. */
    burn(clock, 100 * MS);
    CHECK(taken(&waited, &info) == SIGUSR1);
    int overrun = (int)syscall(SYS_timer_getoverrun, id);
    CHECK(info.si_overrun == overrun && overrun >= 5);
    long long rest = left(id);
    CHECK(rest >= 0 && rest <= 30 * MS);
    CHECK(set(id, 0, 0, 0) == 0);
}

static void
test_silent(void)
{
    struct sigevent e = { .sigev_notify = SIGEV_NONE };
    int id;
    CHECK(syscall(SYS_timer_create, CLOCK_PROCESS_CPUTIME_ID, &e, &id) == 0);
    CHECK(set(id, 0, 10 * MS, 0) == 0);
    burn(CLOCK_PROCESS_CPUTIME_ID, 30 * MS);
    CHECK(left(id) == 0);
}

/* ---- threads ---- */

static _Atomic int stop, tid_of_other, got;
static int other_timer;

static void *
burner(void *arg)
{
    (void)arg;
    tid_of_other = (int)syscall(SYS_gettid);
    while (!stop)
        ;
    return NULL;
}

static void *
sleeper(void *arg)
{
    (void)arg;
    tid_of_other = (int)syscall(SYS_gettid);
    while (!stop)
        usleep(1000);
    return NULL;
}

static int
other_thread(pthread_t *t, void *(*what)(void *))
{
    stop = tid_of_other = 0;
    CHECK(pthread_create(t, NULL, what, NULL) == 0);
    while (tid_of_other == 0)
        usleep(1000);
    return tid_of_other;
}

static void
end_thread(pthread_t t)
{
    stop = 1;
    CHECK(pthread_join(t, NULL) == 0);
}

/* A thread's clock runs while that thread does, whoever waits; a process's with all. */
static void
test_threads(void)
{
    sigset_t waited = block(SIGUSR1);
    siginfo_t info;
    pthread_t t;
    int tid = other_thread(&t, burner);
    clockid_t clock = THREAD_CLOCK(tid, EXACT);
    int id = make(clock, SIGUSR1), all = make(CLOCK_PROCESS_CPUTIME_ID, SIGUSR1);
    long long begin = now_of(clock);
    CHECK(set(id, 0, 20 * MS, 0) == 0);
    CHECK(sigwaitinfo(&waited, &info) == SIGUSR1 && info.si_timerid == id);
    CHECK(now_of(clock) >= begin + 20 * MS);
    begin = now_of(CLOCK_PROCESS_CPUTIME_ID);
    CHECK(set(all, 0, 20 * MS, 0) == 0);
    CHECK(sigwaitinfo(&waited, &info) == SIGUSR1 && info.si_timerid == all);
    CHECK(now_of(CLOCK_PROCESS_CPUTIME_ID) >= begin + 20 * MS);
    end_thread(t);
    /* Its clock is gone, the timer can still be asked and deleted. */
    for (int i = 0; i < 1000 && set(id, 0, MS, 0) == 0; i++)
        usleep(1000);
    CHECK(set(id, 0, MS, 0) == -1 && errno == ESRCH);
    CHECK(left(id) == 0);
    CHECK(syscall(SYS_timer_delete, id) == 0);
}

static void
on_signal(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
    got = (int)syscall(SYS_gettid);
}

/* SIGEV_THREAD_ID: the thread that was named takes it. */
static void
test_to_a_thread(void)
{
    struct sigaction act = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
    struct sigevent e = { .sigev_notify = SIGEV_SIGNAL | SIGEV_THREAD_ID,
                          .sigev_signo = SIGUSR2 };
    pthread_t t;
    int tid = other_thread(&t, sleeper);
    sigaction(SIGUSR2, &act, NULL);
    memcpy((char *)&e + 16, &tid, sizeof tid); /* sigev_notify_thread_id */
    got = 0;
    CHECK(syscall(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &e, &other_timer) == 0);
    CHECK(set(other_timer, 0, 10 * MS, 0) == 0);
    for (int i = 0; i < 10000 && got == 0; i++)
        burn(CLOCK_THREAD_CPUTIME_ID, MS);
    CHECK(got == tid);
    end_thread(t);
    tid = 1; /* no thread of this process */
    memcpy((char *)&e + 16, &tid, sizeof tid);
    CHECK_ERROR(syscall(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &e, &other_timer), EINVAL);
}

/* ---- others ---- */

static void
test_another_process(void)
{
    sigset_t waited = block(SIGUSR1);
    siginfo_t info;
    pid_t child = fork();
    if (child == 0)
        for (;;)
            ;
    clockid_t clock = PROCESS_CLOCK(child, EXACT);
    int id = make(clock, SIGUSR1), far = make(clock, SIGUSR1);
    CHECK(set(id, 0, 20 * MS, 0) == 0);
    CHECK(set(far, 0, 1000 * S, 0) == 0);
    CHECK(sigwaitinfo(&waited, &info) == SIGUSR1 && info.si_timerid == id);
    CHECK(now_of(clock) >= 20 * MS);
    kill(child, SIGKILL);
    CHECK_SIGNAL(child, SIGKILL);
    CHECK(set(id, 0, MS, 0) == -1 && errno == ESRCH);
    CHECK(left(far) == 0);
    CHECK_ERROR(syscall(SYS_timer_create, clock, NULL, &id), EINVAL);
}

/* Processes that come and go while timers are armed on their time, and whose own timers are
 * armed when they end. */
static void
test_ends(void)
{
    block(SIGUSR1);
    for (int i = 0; i < 40; i++) {
        pid_t child = fork();
        if (child == 0) {
            int mine = make(CLOCK_PROCESS_CPUTIME_ID, SIGUSR1);
            int above = make(PROCESS_CLOCK(getppid(), EXACT), SIGUSR1);
            CHECK(set(mine, 0, MS, MS) == 0 && set(above, 0, MS, MS) == 0);
            burn(CLOCK_PROCESS_CPUTIME_ID, i % 4 * MS);
            _exit(0);
        }
        int id = make(PROCESS_CLOCK(child, EXACT), SIGUSR1);
        (void)set(id, 0, MS, MS);
        burn(CLOCK_PROCESS_CPUTIME_ID, MS);
        CHECK_EXIT(child, 0);
        CHECK(syscall(SYS_timer_delete, id) == 0);
    }
}

/* fork inherits no timers. */
static void
test_fork(void)
{
    int id = make(CLOCK_PROCESS_CPUTIME_ID, SIGUSR1);
    pid_t child = fork();
    if (child == 0) {
        CHECK_ERROR(syscall(SYS_timer_delete, id), EINVAL);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK(syscall(SYS_timer_delete, id) == 0);
}

static char *program;

/* exec deletes them, and they never fire in the new program. */
static void
test_exec(void)
{
    struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };
    int id;
    CHECK(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &id) == 0);
    CHECK(set(id, 0, 1000 * S, 0) == 0);
    CHECK(syscall(SYS_timer_create, CLOCK_PROCESS_CPUTIME_ID, &e, &id) == 0);
    CHECK(set(id, 0, S, MS) == 0);
    CHECK(syscall(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &e, &id) == 0);
    CHECK(set(id, 0, S, MS) == 0);
    execl(program, program, "executed", NULL);
    CHECK(!"it was executed");
}

static int
executed(void)
{
    for (int id = 0; id < 10; id++)
        CHECK_ERROR(syscall(SYS_timer_delete, id), EINVAL);
    burn(CLOCK_PROCESS_CPUTIME_ID, S + 200 * MS);
    return 0;
}

static void
no_action(int number)
{
    (void)number;
}

static void
test_sleep(void)
{
    struct timespec t = spec(20 * MS), rest = { 77, 0 };
    pthread_t other;
    CHECK(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL) != 0);
    CHECK_ERROR(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL),
                EOPNOTSUPP);
    CHECK_ERROR(syscall(SYS_clock_nanosleep, THREAD_CLOCK(0, EXACT), 0, &t, NULL), EINVAL);
    (void)other_thread(&other, burner);
    long long begin = now_of(CLOCK_PROCESS_CPUTIME_ID);
    CHECK(syscall(SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, 0, &t, NULL) == 0);
    CHECK(now_of(CLOCK_PROCESS_CPUTIME_ID) >= begin + 20 * MS);
    begin = now_of(CLOCK_PROCESS_CPUTIME_ID) + 20 * MS;
    t = spec(begin);
    CHECK(syscall(SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, &t, NULL) ==
          0);
    CHECK(now_of(CLOCK_PROCESS_CPUTIME_ID) >= begin);
    t = spec(1);
    CHECK(syscall(SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, &t, NULL) ==
          0);
    end_thread(other);
    /* Alone it would sleep for ever: a signal ends it, and says what was left. */
    struct sigaction act = { .sa_handler = no_action };
    sigaction(SIGUSR1, &act, NULL);
    pid_t self = getpid(), child = fork();
    if (child == 0) {
        for (;;) {
            kill(self, SIGUSR1);
            usleep(2000);
        }
    }
    t = spec(1000 * S);
    CHECK_ERROR(syscall(SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, 0, &t, &rest), EINTR);
    CHECK(rest.tv_sec > 900 && rest.tv_sec <= 1000);
    kill(child, SIGKILL);
    CHECK_SIGNAL(child, SIGKILL);
}

/* ---- other clocks ---- */

static void
test_all_clocks(void)
{
    static const clockid_t timed[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME,
                                       CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM,
                                       CLOCK_TAI };
    static const clockid_t others[] = { CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
                                        CLOCK_MONOTONIC_COARSE };
    sigset_t waited = block(SIGUSR1);
    siginfo_t info;
    struct timespec t;
    for (unsigned i = 0; i < sizeof timed / sizeof *timed; i++) {
        long long now = now_of(timed[i]);
        int id = make(timed[i], SIGUSR1);
        CHECK(set(id, TIMER_ABSTIME, now + 5 * MS, 0) == 0);
        CHECK(sigwaitinfo(&waited, &info) == SIGUSR1 && info.si_timerid == id);
        CHECK(now_of(timed[i]) >= now + 5 * MS);
        t = spec(now_of(timed[i]) + 2 * MS);
        CHECK(syscall(SYS_clock_nanosleep, timed[i], TIMER_ABSTIME, &t, NULL) == 0);
        CHECK(clock_getres(timed[i], &t) == 0 && t.tv_sec == 0 && t.tv_nsec > 0);
    }
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
        int id;
        t = spec(MS);
        CHECK(now_of(others[i]) > 0);
        CHECK_ERROR(syscall(SYS_timer_create, others[i], NULL, &id), EOPNOTSUPP);
        CHECK_ERROR(syscall(SYS_clock_nanosleep, others[i], 0, &t, NULL), EOPNOTSUPP);
    }
    CHECK_ERROR(syscall(SYS_clock_gettime, 10, &t), EINVAL);
    CHECK_ERROR(syscall(SYS_clock_gettime, 12, &t), EINVAL);
    CHECK_ERROR(syscall(SYS_clock_nanosleep, 12, 0, &t, NULL), EINVAL);
}

static void
test_alarm_clocks_need_a_right(void)
{
    struct timespec t = spec(MS);
    int id;
    CHECK(setresuid(4711, 4711, 4711) == 0);
    CHECK_ERROR(syscall(SYS_timer_create, CLOCK_BOOTTIME_ALARM, NULL, &id), EPERM);
    CHECK_ERROR(syscall(SYS_timer_create, CLOCK_REALTIME_ALARM, NULL, &id), EPERM);
    CHECK_ERROR(syscall(SYS_clock_nanosleep, CLOCK_BOOTTIME_ALARM, 0, &t, NULL), EPERM);
    CHECK(now_of(CLOCK_BOOTTIME_ALARM) > 0);
}

/* Timers are counted as signals that wait (RLIMIT_SIGPENDING). */
static void
test_limit(void)
{
    struct rlimit limit = { 5, 5 };
    int id, made = 0;
    CHECK(setresuid(4712, 4712, 4712) == 0);
    CHECK(setrlimit(RLIMIT_SIGPENDING, &limit) == 0);
    while (made < 10 && syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id) == 0)
        made++;
    CHECK(made == 5 && errno == EAGAIN);
    CHECK_ERROR(syscall(SYS_timer_create, CLOCK_PROCESS_CPUTIME_ID, NULL, &id), EAGAIN);
    CHECK(syscall(SYS_timer_delete, 0) == 0);
    CHECK(syscall(SYS_timer_create, CLOCK_PROCESS_CPUTIME_ID, NULL, &id) == 0);
}

int
main(int argc, char **argv)
{
    program = argv[0];
    if (argc > 1)
        return executed();
    RUN(test_clocks, clock_gettime, clock_getres, clock_settime);
    RUN(test_once, timer_create, timer_settime, timer_gettime, timer_delete);
    RUN(test_user_time, timer_settime);
    RUN(test_past_and_idle, timer_settime, timer_gettime);
    RUN(test_interval, timer_settime, timer_getoverrun);
    RUN(test_silent, timer_gettime);
    RUN(test_threads, timer_create, timer_settime);
    RUN(test_to_a_thread, timer_create);
    RUN(test_another_process, timer_create, timer_settime);
    RUN(test_ends, timer_create);
    RUN(test_fork, timer_delete);
    RUN(test_exec, execve, timer_delete);
    RUN(test_sleep, clock_nanosleep);
    RUN(test_all_clocks, timer_create, clock_nanosleep, clock_gettime);
    RUN(test_alarm_clocks_need_a_right, timer_create, clock_nanosleep);
    RUN(test_limit, timer_create);
    return check_failures != 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Threads and what happens between them and their process: futexes, ends, exec, stops,
 * signals to one thread, and races of process groups.
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#define COUNT 2000

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long shared;

static void *
add_shared(void *unused)
{
    (void)unused;
    for (int i = 0; i < COUNT; i++) {
        pthread_mutex_lock(&mutex);
        shared++;
        if (i % 64 == 0)
            sched_yield();
        pthread_mutex_unlock(&mutex);
    }
    return (void *)7;
}

/* Verify that threads run, exclude each other, and can be joined with their result. */
static void
test_threads_when_many_then_sum_is_right(void)
{
    pthread_t t[8];
    void *result;

    shared = 0;
    for (int i = 0; i < 8; i++)
        CHECK(pthread_create(&t[i], NULL, add_shared, NULL) == 0);
    for (int i = 0; i < 8; i++) {
        CHECK(pthread_join(t[i], &result) == 0);
        CHECK(result == (void *)7);
    }
    CHECK(shared == 8 * COUNT);
}

static int turn;

static void *
other_turn(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < COUNT; i++) {
        while (turn != 1)
            pthread_cond_wait(&changed, &mutex);
        turn = 0;
        pthread_cond_signal(&changed);
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

/* Verify that no wake-up of a condition is lost. */
static void
test_condition_when_passed_to_and_fro_then_none_is_lost(void)
{
    pthread_t t;

    turn = 0;
    CHECK(pthread_create(&t, NULL, other_turn, NULL) == 0);
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < COUNT; i++) {
        turn = 1;
        pthread_cond_signal(&changed);
        while (turn != 0)
            pthread_cond_wait(&changed, &mutex);
    }
    pthread_mutex_unlock(&mutex);
    CHECK(pthread_join(t, NULL) == 0);
}

/* Verify futex's errors and time-outs. */
static void
test_futex_when_wrong_then_errors(void)
{
    uint32_t word = 5;
    struct timespec short_time = { 0, 20000000 }, bad = { 0, 1000000000 };
    struct timespec a, b;

    CHECK_ERROR(syscall(SYS_futex, &word, 0, 4, NULL, NULL, 0), EAGAIN);
    CHECK_ERROR(syscall(SYS_futex, &word, 0, 5, &bad, NULL, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_futex, (char *)&word + 1, 0, 5, NULL, NULL, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_futex, (void *)8, 0, 5, NULL, NULL, 0), EFAULT);
    CHECK_ERROR(syscall(SYS_futex, &word, 9, 5, NULL, NULL, 0), EINVAL);
    clock_gettime(CLOCK_MONOTONIC, &a);
    CHECK_ERROR(syscall(SYS_futex, &word, 0, 5, &short_time, NULL, 0), ETIMEDOUT);
    clock_gettime(CLOCK_MONOTONIC, &b);
    CHECK((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec >= 20000000);
    CHECK(syscall(SYS_futex, &word, 1, 1, NULL, NULL, 0) == 0);
}

/* Verify that a futex in shared memory works between processes. */
static void
test_futex_when_shared_between_processes_then_wakes(void)
{
    _Atomic uint32_t *word =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child;
    int status;

    CHECK(word != MAP_FAILED);
    child = fork();
    if (child == 0) {
        while (atomic_load(word) == 0)
            syscall(SYS_futex, word, 0, 0, NULL, NULL, 0);
        _exit(9);
    }
    usleep(20000);
    atomic_store(word, 1);
    syscall(SYS_futex, word, 1, 1, NULL, NULL, 0);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 9);
}

static void *
sleep_long(void *unused)
{
    (void)unused;
    sleep(1000);
    return NULL;
}
static void *
spin_long(void *unused)
{
    (void)unused;
    for (;;)
        __asm__ volatile("pause");
    return NULL;
}
static void *
end_process(void *unused)
{
    (void)unused;
    usleep(10000);
    _exit(5);
}

static void
start(void *(*what)(void *), int count)
{
    pthread_t t;

    for (int i = 0; i < count; i++)
        CHECK(pthread_create(&t, NULL, what, NULL) == 0);
}

/* Verify that the end of a process, by any thread or a signal, ends threads that sleep
 * and threads that spin. */
static void
test_exit_when_threads_sleep_and_spin_then_all_end(void)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        start(sleep_long, 3);
        start(spin_long, 3);
        start(end_process, 1);
        pause();
        _exit(1);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) &&
          WEXITSTATUS(status) == 5);
    child = fork();
    if (child == 0) {
        start(sleep_long, 3);
        start(spin_long, 3);
        pause();
        _exit(1);
    }
    usleep(30000);
    kill(child, SIGKILL);
    CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
}

static void *
exec_now(void *unused)
{
    (void)unused;
    usleep(5000);
    execl("/bin/sh", "sh", "-c", "exit 21", (char *)NULL);
    _exit(1);
}

/* Verify that exec by a thread that is not the first ends the others and keeps the
 * process's number. */
static void
test_exec_when_called_by_thread_then_process_goes_on(void)
{
    for (int i = 0; i < 5; i++) {
        int status;
        pid_t child = fork();

        if (child == 0) {
            start(sleep_long, 2);
            start(spin_long, 2);
            start(exec_now, 1);
            pause();
            _exit(1);
        }
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) &&
              WEXITSTATUS(status) == 21);
    }
}

static void *
leave_late(void *unused)
{
    (void)unused;
    usleep(20000);
    _exit(6);
}

/* Verify that a process whose first thread ends lives on. */
static void
test_first_thread_when_it_ends_then_others_go_on(void)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        start(leave_late, 1);
        pthread_exit(NULL);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) &&
          WEXITSTATUS(status) == 6);
}

static _Atomic int handled_by;

static void
note_thread(int number)
{
    (void)number;
    atomic_store(&handled_by, (int)syscall(SYS_gettid));
}

static _Atomic int other_tid;

static void *
wait_handled(void *unused)
{
    (void)unused;
    atomic_store(&other_tid, (int)syscall(SYS_gettid));
    while (atomic_load(&handled_by) == 0)
        usleep(1000);
    return NULL;
}

/* Verify that tgkill reaches the thread that is named, and that a blocked process signal
 * goes to one that does not block it. */
static void
test_signal_when_sent_to_thread_then_that_one_handles_it(void)
{
    struct sigaction a = { .sa_handler = note_thread };
    sigset_t set;
    pthread_t t;

    sigaction(SIGUSR1, &a, NULL);
    for (int to_process = 0; to_process < 2; to_process++) {
        atomic_store(&handled_by, 0);
        atomic_store(&other_tid, 0);
        CHECK(pthread_create(&t, NULL, wait_handled, NULL) == 0);
        while (atomic_load(&other_tid) == 0)
            usleep(1000);
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        if (to_process) {
            pthread_sigmask(SIG_BLOCK, &set, NULL);
            CHECK(kill(getpid(), SIGUSR1) == 0);
        } else {
            CHECK(syscall(SYS_tgkill, getpid(), atomic_load(&other_tid), SIGUSR1) == 0);
        }
        CHECK(pthread_join(t, NULL) == 0);
        CHECK(atomic_load(&handled_by) == atomic_load(&other_tid));
    }
    CHECK_ERROR(syscall(SYS_tgkill, getpid(), atomic_load(&other_tid), 0), ESRCH);
    CHECK_ERROR(syscall(SYS_tgkill, getpid(), -1, 0), EINVAL);
}

/* Verify that a process with several threads stops and goes on as a whole. */
static void
test_stop_when_threads_run_then_all_stop(void)
{
    _Atomic long *ticks =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    pid_t child = fork();

    if (child == 0) {
        start(sleep_long, 1);
        start(spin_long, 1);
        for (;;)
            atomic_fetch_add(ticks, 1);
    }
    for (int i = 0; i < 5; i++) {
        long before;

        usleep(10000);
        CHECK(kill(child, SIGSTOP) == 0);
        CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
        before = atomic_load(ticks);
        usleep(20000);
        CHECK(atomic_load(ticks) == before);
        CHECK(kill(child, SIGCONT) == 0);
        CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
    }
    kill(child, SIGKILL);
    CHECK(waitpid(child, &status, 0) == child);
}

/* Verify queued signals: order, values, and sigtimedwait's time-out. */
static void
test_sigqueue_when_several_then_in_order(void)
{
    struct timespec none = { 0, 0 }, some = { 0, 10000000 };
    siginfo_t info;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGRTMIN + 1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 10; i++) {
        CHECK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 100 + i }) ==
              0);
        CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i }) == 0);
        CHECK(kill(getpid(), SIGUSR2) == 0);
    }
    CHECK(sigtimedwait(&set, &info, &none) == SIGUSR2 && info.si_pid == getpid());
    for (int i = 0; i < 20; i++) {
        CHECK(sigtimedwait(&set, &info, &none) == SIGRTMIN + i / 10);
        CHECK(info.si_value.sival_int == (i / 10) * 100 + i % 10 &&
              info.si_code == SI_QUEUE);
    }
    CHECK_ERROR(sigtimedwait(&set, &info, &some), EAGAIN);
    if (fork() == 0) {
        usleep(10000);
        sigqueue(getppid(), SIGRTMIN, (union sigval){ .sival_int = 77 });
        _exit(0);
    }
    CHECK(sigwaitinfo(&set, &info) == SIGRTMIN && info.si_value.sival_int == 77);
    wait(NULL);
}

static volatile sig_atomic_t alarms;

static void
count_alarm(int number)
{
    (void)number;
    alarms++;
}

/* Verify an interval timer, that sleeps are taken up again, and that it can be asked and
 * stopped. */
static void
test_itimer_when_periodic_then_counts(void)
{
    struct itimerval v = { { 0, 5000 }, { 0, 5000 } }, old;
    struct sigaction a = { .sa_handler = count_alarm, .sa_flags = SA_RESTART };
    struct timespec end;

    sigaction(SIGALRM, &a, NULL);
    alarms = 0;
    CHECK(setitimer(ITIMER_REAL, &v, NULL) == 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += 60000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_nsec -= 1000000000;
        end.tv_sec++;
    }
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
        ;
    CHECK(getitimer(ITIMER_REAL, &old) == 0 && old.it_interval.tv_usec == 5000);
    v = (struct itimerval){ 0 };
    CHECK(setitimer(ITIMER_REAL, &v, NULL) == 0);
    CHECK(alarms >= 3 && alarms <= 13);
    CHECK(getitimer(ITIMER_REAL, &old) == 0 && old.it_value.tv_usec == 0);
}

/*
 * Verify that the children of a group that is killed while it forks all end. The C
 * library's fork blocks signals, and a child that is made while the signal is blocked in
 * its parent may live: so this is the bare call.
 */
static void
test_group_when_killed_while_forking_then_none_is_left(void)
{
    for (int round = 0; round < 10; round++) {
        int fds[2], status;
        char c;
        pid_t child;

        CHECK(pipe(fds) == 0);
        child = fork();
        if (child == 0) {
            close(fds[0]);
            setpgid(0, 0);
            write(fds[1], "x", 1);
            for (int i = 0; i < 200; i++)
                if (syscall(SYS_fork) == 0) {
                    pause();
                    _exit(0);
                }
            pause();
            _exit(0);
        }
        close(fds[1]);
        CHECK(read(fds[0], &c, 1) == 1);
        usleep(round * 700);
        CHECK(kill(-child, SIGTERM) == 0);
        CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGTERM);
        /* Everybody who held the other end has gone. */
        CHECK(read(fds[0], &c, 1) == 0);
        close(fds[0]);
    }
}

/* Verify that a stopped group that loses its last tie gets SIGHUP and SIGCONT. */
static void
test_group_when_orphaned_and_stopped_then_hup(void)
{
    int fds[2], status;
    pid_t child;

    CHECK(pipe(fds) == 0);
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    child = fork();
    if (child == 0) {
        pid_t job;

        setsid();
        job = fork();
        if (job == 0) {
            setpgid(0, 0);
            for (;;)
                pause();
        }
        setpgid(job, job);
        kill(job, SIGSTOP);
        waitpid(job, &status, WUNTRACED);
        write(fds[1], &job, sizeof job);
        _exit(0);
    }
    pid_t job;
    CHECK(read(fds[0], &job, sizeof job) == sizeof job);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(waitpid(job, &status, 0) == job && WIFSIGNALED(status) &&
          WTERMSIG(status) == SIGHUP);
}

/* Verify waitid's forms. */
static void
test_waitid_when_not_reaped_then_stays(void)
{
    siginfo_t info = { 0 };
    pid_t child = fork();

    if (child == 0)
        _exit(33);
    CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
    CHECK(info.si_pid == child && info.si_code == CLD_EXITED && info.si_status == 33);
    CHECK(waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0 && info.si_pid == child);
    CHECK_ERROR(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
    CHECK_ERROR(waitid(P_ALL, 0, &info, 0), EINVAL);
    CHECK_ERROR(waitpid(-1, NULL, 0x100), EINVAL);
}

/* Verify that a vfork parent can be killed while its child sleeps, and that the child
 * goes on. */
static void
test_vfork_when_parent_is_killed_then_it_ends(void)
{
    int status;
    pid_t parent = fork();

    if (parent == 0) {
        if (vfork() == 0) {
            struct timespec t = { 0, 200000000 };
            nanosleep(&t, NULL);
            _exit(0);
        }
        _exit(1);
    }
    usleep(30000);
    CHECK(kill(parent, SIGTERM) == 0);
    CHECK(waitpid(parent, &status, 0) == parent && WIFSIGNALED(status));
}

/* Verify that times of processes grow, and that their children's are added when they are
 * waited for. */
static void
test_times_when_work_is_done_then_counted(void)
{
    struct rusage self, children;
    struct timespec cpu;
    pid_t child = fork();

    if (child == 0) {
        do
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
        while (cpu.tv_sec == 0 && cpu.tv_nsec < 30000000);
        _exit(0);
    }
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK(getrusage(RUSAGE_CHILDREN, &children) == 0);
    CHECK(children.ru_utime.tv_usec + children.ru_stime.tv_usec >= 29000);
    CHECK(getrusage(RUSAGE_SELF, &self) == 0 && self.ru_maxrss > 0);
}

int
main(void)
{
    RUN(test_threads_when_many_then_sum_is_right);
    RUN(test_condition_when_passed_to_and_fro_then_none_is_lost);
    RUN(test_futex_when_wrong_then_errors);
    RUN(test_futex_when_shared_between_processes_then_wakes);
    RUN(test_exit_when_threads_sleep_and_spin_then_all_end);
    RUN(test_exec_when_called_by_thread_then_process_goes_on);
    RUN(test_first_thread_when_it_ends_then_others_go_on);
    RUN(test_signal_when_sent_to_thread_then_that_one_handles_it);
    RUN(test_stop_when_threads_run_then_all_stop);
    RUN(test_sigqueue_when_several_then_in_order);
    RUN(test_itimer_when_periodic_then_counts);
    RUN(test_group_when_killed_while_forking_then_none_is_left);
    RUN(test_group_when_orphaned_and_stopped_then_hup);
    RUN(test_waitid_when_not_reaped_then_stays);
    RUN(test_vfork_when_parent_is_killed_then_it_ends);
    RUN(test_times_when_work_is_done_then_counted);
    return check_failures != 0;
}

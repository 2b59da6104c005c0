/* SPDX-License-Identifier: MIT */
/* eventfd(2), timerfd_create(2), signalfd(2). */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>

#define MS 1000000L

static short
state(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

    CHECK(poll(&p, 1, 0) >= 0);
    return p.revents;
}

static void
test_eventfd_when_counted_then_read_takes_all(void)
{
    uint64_t value = 5;
    int fd = eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC);
    struct stat s;

    CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    CHECK(fcntl(fd, F_GETFL) == (O_RDWR | O_NONBLOCK));
    CHECK(fstat(fd, &s) == 0 && s.st_mode == 0600);
    CHECK(state(fd) == (POLLIN | POLLOUT));
    CHECK(write(fd, &value, 8) == 8);
    CHECK(read(fd, &value, 8) == 8 && value == 8);
    CHECK(state(fd) == POLLOUT);
    CHECK_ERROR(read(fd, &value, 8), EAGAIN);
    value = UINT64_MAX - 1;
    CHECK(write(fd, &value, 8) == 8);
    CHECK(state(fd) == POLLIN);
    value = 1;
    CHECK_ERROR(write(fd, &value, 8), EAGAIN);
    value = UINT64_MAX;
    CHECK_ERROR(write(fd, &value, 8), EINVAL);
    CHECK_ERROR(read(fd, &value, 7), EINVAL);
    CHECK_ERROR(write(fd, &value, 7), EINVAL);
    CHECK_ERROR(write(fd, (void *)8, 8), EFAULT);
    CHECK_ERROR(pread(fd, &value, 8, 0), ESPIPE);
    CHECK_ERROR(eventfd(0, 0x100), EINVAL);
    CHECK(syscall(SYS_eventfd, 7) >= 0);
}

static void
test_eventfd_when_semaphore_then_read_takes_one(void)
{
    uint64_t value;
    int fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);

    CHECK(read(fd, &value, 8) == 8 && value == 1);
    CHECK(read(fd, &value, 8) == 8 && value == 1);
    CHECK_ERROR(read(fd, &value, 8), EAGAIN);
}

static void
test_eventfd_when_empty_then_reader_sleeps(void)
{
    uint64_t value = 9;
    int fd = eventfd(0, 0);
    pid_t child = fork();

    if (child == 0) {
        usleep(20000);
        _exit(write(fd, &value, 8) != 8);
    }
    value = 0;
    CHECK(read(fd, &value, 8) == 8 && value == 9);
    CHECK_EXIT(child, 0);
    value = UINT64_MAX - 1;
    CHECK(write(fd, &value, 8) == 8);
    child = fork();
    if (child == 0) {
        usleep(20000);
        _exit(read(fd, &value, 8) != 8);
    }
    value = 10;
    CHECK(write(fd, &value, 8) == 8); /* waits for the reader */
    CHECK_EXIT(child, 0);
}

static void
test_timerfd_when_it_runs_out_then_read_counts(void)
{
    struct itimerspec t = { { 0, 10 * MS }, { 0, 20 * MS } }, left;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    uint64_t ticks;
    struct pollfd p = { .fd = fd, .events = POLLIN };

    CHECK(fd >= 0);
    CHECK_ERROR(read(fd, &ticks, 8), EAGAIN);
    CHECK(timerfd_gettime(fd, &left) == 0 && left.it_value.tv_nsec == 0);
    CHECK(timerfd_settime(fd, 0, &t, &left) == 0 && left.it_interval.tv_nsec == 0);
    CHECK(state(fd) == 0);
    CHECK(poll(&p, 1, 10000) == 1 && p.revents == POLLIN);
    usleep(50000);
    CHECK(read(fd, &ticks, 8) == 8 && ticks >= 5 && ticks < 1000);
    CHECK(timerfd_gettime(fd, &left) == 0 && left.it_interval.tv_nsec == 10 * MS);
    CHECK(left.it_value.tv_nsec > 0 && left.it_value.tv_nsec <= 10 * MS);
    CHECK_ERROR(read(fd, &ticks, 4), EINVAL);
    CHECK_ERROR(write(fd, &ticks, 8), EINVAL);
    t = (struct itimerspec){ { 0, 0 }, { 0, 0 } };
    CHECK(timerfd_settime(fd, 0, &t, NULL) == 0);
    usleep(20000);
    CHECK_ERROR(read(fd, &ticks, 8), EAGAIN);
}

static void
test_timerfd_when_absolute_then_blocking_read_waits(void)
{
    static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME };

    for (int i = 0; i < 3; i++) {
        int fd = timerfd_create(clocks[i], 0);
        struct itimerspec t = { { 0, 0 }, { 0, 0 } };
        struct timespec now;
        uint64_t ticks;

        CHECK(fd >= 0 && clock_gettime(clocks[i], &t.it_value) == 0);
        t.it_value.tv_sec++;
        t.it_value.tv_nsec /= 2;
        CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL) == 0);
        CHECK(read(fd, &ticks, 8) == 8 && ticks == 1);
        CHECK(clock_gettime(clocks[i], &now) == 0);
        CHECK(now.tv_sec > t.it_value.tv_sec || (now.tv_sec == t.it_value.tv_sec &&
                                                 now.tv_nsec >= t.it_value.tv_nsec));
        t.it_value = (struct timespec){ 0, 1 }; /* long ago */
        CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL) == 0);
        CHECK(read(fd, &ticks, 8) == 8 && ticks == 1);
    }
}

static void
test_timerfd_when_arguments_are_wrong_then_errors(void)
{
    struct itimerspec t = { { 0, 0 }, { 1, 0 } };
    int fd = timerfd_create(CLOCK_MONOTONIC, 0), zero = open("/dev/null", O_RDONLY);

    CHECK_ERROR(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL);
    CHECK_ERROR(timerfd_create(99, 0), EINVAL);
    CHECK_ERROR(timerfd_create(CLOCK_MONOTONIC, 1), EINVAL);
    CHECK_ERROR(timerfd_settime(fd, 8, &t, NULL), EINVAL);
    CHECK_ERROR(timerfd_settime(zero, 0, &t, NULL), EINVAL);
    CHECK_ERROR(timerfd_settime(-1, 0, &t, NULL), EBADF);
    CHECK_ERROR(timerfd_settime(fd, 0, (void *)8, NULL), EFAULT);
    CHECK_ERROR(timerfd_gettime(zero, &t), EINVAL);
    CHECK_ERROR(timerfd_gettime(-1, &t), EBADF);
    CHECK_ERROR(timerfd_gettime(fd, (void *)8), EFAULT);
    t.it_value.tv_nsec = 1000000000;
    CHECK_ERROR(timerfd_settime(fd, 0, &t, NULL), EINVAL);
}

/* Verify that setting the clock cancels a read, moves absolute timers and sleeps. */
static void
test_timerfd_when_clock_is_set_then_noticed(void)
{
    struct itimerspec t = { { 0, 0 }, { 0, 0 } };
    struct timespec now, before;
    int cancel = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    int moved = timerfd_create(CLOCK_REALTIME, 0);
    uint64_t ticks;
    pid_t child;

    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    t.it_value.tv_sec = now.tv_sec + 3000;
    CHECK(timerfd_settime(cancel, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &t,
                          NULL) == 0);
    CHECK(timerfd_settime(moved, TFD_TIMER_ABSTIME, &t, NULL) == 0);
    child = fork();
    if (child == 0) {
        struct timespec until = { now.tv_sec + 3000, 0 };
        _exit(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL));
    }
    usleep(50000);
    CHECK(state(cancel) == 0 && state(moved) == 0);
    CHECK(clock_gettime(CLOCK_MONOTONIC, &before) == 0);
    now.tv_sec += 3600;
    CHECK(clock_settime(CLOCK_REALTIME, &now) == 0);
    CHECK(state(cancel) == POLLIN);
    CHECK_ERROR(read(cancel, &ticks, 8), ECANCELED);
    CHECK(read(moved, &ticks, 8) == 8 && ticks == 1);
    CHECK_EXIT(child, 0);
    now.tv_sec -= 3600;
    CHECK(clock_settime(CLOCK_REALTIME, &now) == 0);
    CHECK_ERROR(timerfd_settime(cancel, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &t,
                                NULL),
                ECANCELED);
}

static int
signals(int flags, int first, int second)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, first);
    sigaddset(&set, second);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    return signalfd(-1, &set, flags);
}

static void
test_signalfd_when_signals_come_then_records(void)
{
    struct signalfd_siginfo info[4];
    union sigval value = { .sival_int = 77 };
    int fd = signals(SFD_NONBLOCK | SFD_CLOEXEC, SIGUSR1, SIGRTMIN);

    CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    CHECK(state(fd) == 0);
    CHECK_ERROR(read(fd, info, sizeof info), EAGAIN);
    CHECK_ERROR(read(fd, info, sizeof info[0] - 1), EINVAL);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(sigqueue(getpid(), SIGRTMIN, value) == 0);
    CHECK(sigqueue(getpid(), SIGRTMIN, value) == 0);
    CHECK(state(fd) == POLLIN);
    CHECK(read(fd, info, sizeof info) == 3 * sizeof info[0]);
    CHECK(info[0].ssi_signo == SIGUSR1 && info[0].ssi_code == SI_USER);
    CHECK(info[0].ssi_pid == (uint32_t)getpid() && info[0].ssi_uid == 0);
    CHECK(info[1].ssi_signo == (uint32_t)SIGRTMIN && info[1].ssi_code == SI_QUEUE);
    CHECK(info[1].ssi_int == 77 && info[2].ssi_int == 77);
    CHECK(state(fd) == 0);
}

static void
test_signalfd_when_child_ends_then_its_status(void)
{
    struct signalfd_siginfo info;
    int fd = signals(0, SIGCHLD, SIGUSR2);
    struct pollfd p = { .fd = fd, .events = POLLIN };
    pid_t child = fork();

    if (child == 0) {
        usleep(20000);
        _exit(9);
    }
    CHECK(poll(&p, 1, 10000) == 1);
    CHECK(read(fd, &info, sizeof info) == sizeof info);
    CHECK(info.ssi_signo == SIGCHLD && info.ssi_code == CLD_EXITED);
    CHECK(info.ssi_pid == (uint32_t)child && info.ssi_status == 9);
    CHECK_EXIT(child, 9);
}

static void
test_signalfd_when_changed_then_other_signals(void)
{
    struct signalfd_siginfo info;
    sigset_t set;
    int fd = signals(SFD_NONBLOCK, SIGUSR1, SIGUSR2);
    int null = open("/dev/null", O_RDONLY);

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGKILL);
    CHECK(signalfd(fd, &set, 0) == fd);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK_ERROR(read(fd, &info, sizeof info), EAGAIN);
    CHECK(kill(getpid(), SIGUSR2) == 0);
    CHECK(read(fd, &info, sizeof info) == sizeof info && info.ssi_signo == SIGUSR2);
    CHECK_ERROR(signalfd(null, &set, 0), EINVAL);
    CHECK_ERROR(signalfd(1000, &set, 0), EBADF);
    CHECK_ERROR(signalfd(-1, &set, 1), EINVAL);
    CHECK_ERROR(syscall(SYS_signalfd4, -1, &set, 4, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_signalfd4, -1, (void *)8, 8, 0), EFAULT);
}

int
main(void)
{
    RUN(test_eventfd_when_counted_then_read_takes_all, eventfd2, eventfd);
    RUN(test_eventfd_when_semaphore_then_read_takes_one, eventfd2);
    RUN(test_eventfd_when_empty_then_reader_sleeps, eventfd2);
    RUN(test_timerfd_when_it_runs_out_then_read_counts, timerfd_create, timerfd_settime,
        timerfd_gettime);
    RUN(test_timerfd_when_absolute_then_blocking_read_waits, timerfd_settime);
    RUN(test_timerfd_when_arguments_are_wrong_then_errors, timerfd_create,
        timerfd_settime, timerfd_gettime);
    RUN(test_timerfd_when_clock_is_set_then_noticed, timerfd_settime, clock_settime,
        clock_nanosleep);
    RUN(test_signalfd_when_signals_come_then_records, signalfd4);
    RUN(test_signalfd_when_child_ends_then_its_status, signalfd4);
    RUN(test_signalfd_when_changed_then_other_signals, signalfd4);
    return check_failures != 0;
}

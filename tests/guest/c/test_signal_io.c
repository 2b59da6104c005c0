/* SPDX-License-Identifier: MIT */
/* Signal-driven I/O: O_ASYNC, F_SETOWN, F_SETSIG (fcntl(2)). */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>

static void
test_sigio_when_file_is_asynchronous_then_signal(void)
{
    int ends[2];
    siginfo_t got;
    sigset_t set;
    struct timespec limit = { 5, 0 }, none = { 0, 20000000 };

    sigemptyset(&set);
    sigaddset(&set, SIGIO);
    sigaddset(&set, SIGRTMIN);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(pipe(ends) == 0);
    CHECK(fcntl(ends[0], F_SETOWN, getpid()) == 0 && fcntl(ends[0], F_GETOWN) == getpid());
    CHECK(fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
    CHECK(fcntl(ends[0], F_GETFL) == (O_ASYNC | O_NONBLOCK));
    CHECK(write(ends[1], "a", 1) == 1);
    CHECK(sigtimedwait(&set, &got, &limit) == SIGIO);
    CHECK(fcntl(ends[0], F_GETSIG) == 0);
    CHECK(fcntl(ends[0], F_SETSIG, SIGRTMIN) == 0 && fcntl(ends[0], F_GETSIG) == SIGRTMIN);
    CHECK_ERROR(fcntl(ends[0], F_SETSIG, 65), EINVAL);
    CHECK(write(ends[1], "b", 1) == 1);
    CHECK(sigtimedwait(&set, &got, &limit) == SIGRTMIN);
    CHECK(got.si_code == POLL_IN && got.si_fd == ends[0]);
    CHECK((got.si_band & POLLIN) != 0);
    CHECK(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    CHECK(write(ends[1], "c", 1) == 1);
    CHECK_ERROR(sigtimedwait(&set, &got, &none), EAGAIN);
}

static void
test_sigio_when_owner_is_a_group_then_all_of_it(void)
{
    int ends[2];
    pid_t child;

    CHECK(pipe(ends) == 0 && setpgid(0, 0) == 0);
    child = fork();
    if (child == 0)
        for (;;)
            pause();
    signal(SIGIO, SIG_IGN);
    CHECK(fcntl(ends[0], F_SETOWN, -getpid()) == 0);
    struct f_owner_ex owner;
    CHECK(fcntl(ends[0], F_GETOWN_EX, &owner) == 0);
    CHECK(owner.type == F_OWNER_PGRP && owner.pid == getpid());
    CHECK(fcntl(ends[0], F_SETFL, O_ASYNC) == 0);
    CHECK(write(ends[1], "a", 1) == 1);
    CHECK_SIGNAL(child, SIGIO);
}

static void
test_sigio_when_space_comes_then_the_writer_is_told(void)
{
    static char page[65536];
    int ends[2];
    siginfo_t got;
    sigset_t set;
    struct timespec limit = { 5, 0 };
    struct f_owner_ex owner = { F_OWNER_TID, (pid_t)syscall(SYS_gettid) };

    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(pipe(ends) == 0 && write(ends[1], page, sizeof page) == sizeof page);
    CHECK(fcntl(ends[1], F_SETOWN_EX, &owner) == 0);
    CHECK(fcntl(ends[1], F_SETSIG, SIGRTMIN) == 0);
    CHECK(ioctl(ends[1], FIOASYNC, &(int){ 1 }) == 0);
    CHECK((fcntl(ends[1], F_GETFL) & O_ASYNC) != 0);
    CHECK(read(ends[0], page, sizeof page) == sizeof page);
    CHECK(sigtimedwait(&set, &got, &limit) == SIGRTMIN);
    CHECK(got.si_code == POLL_OUT && got.si_fd == ends[1]);
    CHECK(ioctl(ends[1], FIOASYNC, &(int){ 0 }) == 0);
    CHECK((fcntl(ends[1], F_GETFL) & O_ASYNC) == 0);
    CHECK(close(ends[1]) == 0 && close(ends[0]) == 0);
}

static void
test_sigio_when_arguments_are_wrong_then_errors(void)
{
    struct f_owner_ex owner = { 3, 1 };
    int ends[2];

    CHECK(pipe(ends) == 0);
    CHECK_ERROR(fcntl(ends[0], F_SETOWN_EX, &owner), EINVAL);
    CHECK_ERROR(fcntl(ends[0], F_SETOWN_EX, 8), EFAULT);
    CHECK_ERROR(fcntl(ends[0], F_GETOWN_EX, 8), EFAULT);
    CHECK_ERROR(fcntl(ends[0], F_SETSIG, 1000), EINVAL);
    CHECK_ERROR(fcntl(99, F_SETSIG, 1), EBADF);
    CHECK(fcntl(ends[0], F_GETOWN_EX, &owner) == 0 && owner.pid == 0);
}

int
main(void)
{
    RUN(test_sigio_when_file_is_asynchronous_then_signal, fcntl);
    RUN(test_sigio_when_owner_is_a_group_then_all_of_it, fcntl);
    RUN(test_sigio_when_space_comes_then_the_writer_is_told, fcntl, ioctl);
    RUN(test_sigio_when_arguments_are_wrong_then_errors, fcntl);
    return check_failures != 0;
}

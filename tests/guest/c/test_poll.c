/* SPDX-License-Identifier: MIT */
/* poll, ppoll, select, pselect: what each kind of file tells, limits, time-outs, masks. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>

static volatile sig_atomic_t count;

static void
note(int number)
{
    (void)number;
    count++;
}

static short
state(int fd, short events)
{
    struct pollfd p = { .fd = fd, .events = events, .revents = 0x7fff };
    int n = poll(&p, 1, 0);

    CHECK(n == (p.revents != 0));
    return p.revents;
}

static int64_t
now_ms(void)
{
    struct timespec t;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#define ALL (POLLIN | POLLPRI | POLLOUT)

static void
test_poll_when_pipe_then_exact_states(void)
{
    static char page[65536];
    int ends[2];

    CHECK(pipe(ends) == 0);
    CHECK(state(ends[0], ALL) == 0 && state(ends[1], ALL) == POLLOUT);
    CHECK(write(ends[1], "a", 1) == 1);
    CHECK(state(ends[0], ALL) == POLLIN && state(ends[0], POLLOUT) == 0);
    CHECK(state(ends[0], POLLIN | POLLRDNORM) == (POLLIN | POLLRDNORM));
    CHECK(state(ends[1], POLLOUT | POLLWRNORM) == (POLLOUT | POLLWRNORM));
    CHECK(close(ends[1]) == 0);
    CHECK(state(ends[0], ALL) == (POLLIN | POLLHUP) && state(ends[0], 0) == POLLHUP);
    CHECK(read(ends[0], page, 10) == 1 && state(ends[0], ALL) == POLLHUP);
    CHECK(pipe(ends) == 0 && fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
    while (write(ends[1], page, 4096) > 0)
        ;
    CHECK(state(ends[1], ALL) == 0);
    CHECK(close(ends[0]) == 0);
    CHECK((state(ends[1], ALL) & POLLERR) && state(ends[1], 0) == POLLERR);
}

static void
test_poll_when_fifo_then_hup_only_after_a_writer(void)
{
    char byte;
    int reader, writer;

    CHECK(mkfifo("fifo", 0600) == 0);
    reader = open("fifo", O_RDONLY | O_NONBLOCK);
    CHECK(reader >= 0 && state(reader, ALL) == 0);
    writer = open("fifo", O_WRONLY);
    CHECK(state(reader, ALL) == 0 && state(writer, ALL) == POLLOUT);
    CHECK(close(writer) == 0 && state(reader, ALL) == POLLHUP);
    writer = open("fifo", O_WRONLY);
    CHECK(state(reader, ALL) == 0);
    CHECK(write(writer, "x", 1) == 1 && state(reader, ALL) == POLLIN);
    CHECK(read(reader, &byte, 1) == 1);
    CHECK(open("fifo", O_RDWR) >= 0);
}

static void
test_poll_when_plain_then_always_ready(void)
{
    int file = open("plain", O_RDWR | O_CREAT, 0600), dir = open(".", O_RDONLY);
    int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR);
    int path = open("plain", O_PATH);

    CHECK(file >= 0 && dir >= 0 && null >= 0 && zero >= 0 && path >= 0);
    CHECK(state(file, ALL) == (POLLIN | POLLOUT));
    CHECK(state(dir, ALL) == (POLLIN | POLLOUT));
    CHECK(state(null, ALL) == (POLLIN | POLLOUT));
    CHECK(state(zero, POLLIN) == POLLIN);
    CHECK(state(path, POLLIN) == POLLNVAL);
    CHECK(state(file, POLLRDNORM | POLLWRNORM | POLLRDBAND) == (POLLRDNORM | POLLWRNORM));
}

static void
test_poll_when_not_open_or_negative_then_nval_or_nothing(void)
{
    struct pollfd p[3] = { { -1, POLLIN, 77 }, { 999, POLLIN, 0 }, { -999, 0, 77 } };

    CHECK(poll(p, 3, 1000) == 1);
    CHECK(p[0].revents == 0 && p[1].revents == POLLNVAL && p[2].revents == 0);
    CHECK(poll(NULL, 0, 1) == 0);
}

static void
test_poll_when_arguments_are_wrong_then_errors(void)
{
    struct rlimit limit = { 20, 20 };
    struct pollfd p[32] = { { 0 } };
    struct timespec bad = { 0, 1000000000 }, negative = { -1, 0 };
    uint64_t mask = 0;

    for (int i = 0; i < 32; i++)
        p[i].fd = -1;
    CHECK_ERROR(syscall(SYS_poll, 8, 1, 0), EFAULT);
    CHECK_ERROR(syscall(SYS_poll, p, UINT_MAX, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_ppoll, p, 1, &bad, NULL, 8), EINVAL);
    CHECK_ERROR(syscall(SYS_ppoll, p, 1, &negative, NULL, 8), EINVAL);
    CHECK_ERROR(syscall(SYS_ppoll, p, 1, 8, NULL, 8), EFAULT);
    CHECK_ERROR(syscall(SYS_ppoll, p, 1, NULL, &mask, 4), EINVAL);
    CHECK_ERROR(syscall(SYS_ppoll, p, 1, NULL, 8, 8), EFAULT);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(poll(p, 20, 0) == 0);
    CHECK_ERROR(poll(p, 21, 0), EINVAL);
}

static void
test_poll_when_time_passes_then_not_early(void)
{
    int ends[2];
    struct pollfd p = { .events = POLLIN };
    int64_t before;

    CHECK(pipe(ends) == 0);
    p.fd = ends[0];
    before = now_ms();
    CHECK(poll(&p, 1, 30) == 0 && now_ms() - before >= 30);
    signal(SIGALRM, note);
    alarm(1);
    CHECK_ERROR(poll(&p, 1, -5), EINTR); /* negative: for ever */
    alarm(1);
    CHECK_ERROR(poll(&p, 1, INT_MAX), EINTR);
    alarm(1);
    struct timespec huge = { INT64_MAX, 999999999 };
    CHECK_ERROR(syscall(SYS_ppoll, &p, 1, &huge, NULL, 8), EINTR);
    CHECK(count == 3);
}

static void
test_ppoll_when_time_is_left_then_told(void)
{
    int ends[2];
    struct timespec t = { 5, 0 };
    struct pollfd p = { .events = POLLIN };

    CHECK(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
    p.fd = ends[0];
    CHECK(syscall(SYS_ppoll, &p, 1, &t, NULL, 8) == 1);
    CHECK(t.tv_sec == 4 || t.tv_sec == 5);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    struct timeval v = { 5, 0 };
    CHECK(syscall(SYS_select, ends[0] + 1, &set, NULL, NULL, &v) == 1);
    CHECK(v.tv_sec == 4 || (v.tv_sec == 5 && v.tv_usec == 0));
}

/* Verify that the mask and the wait are one step: the signal is pending before. */
static void
test_masks_when_given_then_atomic_and_restored(void)
{
    sigset_t blocked, none, now;
    struct timespec t = { 20, 0 };
    int ends[2];

    sigemptyset(&none);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    signal(SIGUSR1, note);
    CHECK(pipe(ends) == 0 && sigprocmask(SIG_BLOCK, &blocked, NULL) == 0);
    CHECK(raise(SIGUSR1) == 0);
    CHECK_ERROR(ppoll(NULL, 0, &t, &none), EINTR);
    CHECK(count == 1);
    CHECK(raise(SIGUSR1) == 0);
    CHECK_ERROR(pselect(0, NULL, NULL, NULL, &t, &none), EINTR);
    CHECK(count == 2);
    CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0 && sigismember(&now, SIGUSR1));
    /* Something is ready: no handler runs, and the signal stays. */
    CHECK(raise(SIGUSR1) == 0 && write(ends[1], "x", 1) == 1);
    sigaddset(&none, SIGUSR1);
    struct pollfd p = { .fd = ends[0], .events = POLLIN };
    CHECK(ppoll(&p, 1, &t, &none) == 1 && count == 2);
    CHECK(sigpending(&now) == 0 && sigismember(&now, SIGUSR1));
}

static void
test_select_when_sets_then_each_kind(void)
{
    static char page[65536];
    int ends[2], full[2];
    fd_set in, out, except;
    struct timeval none = { 0, 0 };

    CHECK(pipe(ends) == 0 && pipe(full) == 0);
    CHECK(write(full[1], page, sizeof page) == sizeof page);
    CHECK(write(ends[1], "x", 1) == 1);
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&except);
    for (int i = 0; i < 2; i++) {
        FD_SET(ends[i], &in);
        FD_SET(full[i], &in);
        FD_SET(ends[i], &out);
        FD_SET(full[i], &out);
        FD_SET(ends[i], &except);
    }
    CHECK(select(full[1] + 1, &in, &out, &except, &none) == 3);
    CHECK(FD_ISSET(ends[0], &in) && FD_ISSET(full[0], &in) && !FD_ISSET(ends[1], &in));
    CHECK(FD_ISSET(ends[1], &out) && !FD_ISSET(full[1], &out));
    CHECK(!FD_ISSET(ends[0], &except));
    CHECK(close(ends[1]) == 0 && read(ends[0], page, 1) == 1);
    FD_ZERO(&in);
    FD_SET(ends[0], &in);
    CHECK(select(ends[0] + 1, &in, NULL, NULL, &none) == 1); /* the end can be read */
    CHECK(close(full[0]) == 0);
    FD_ZERO(&out);
    FD_SET(full[1], &out);
    CHECK(select(full[1] + 1, NULL, &out, NULL, &none) == 1); /* an error can be written */
}

static void
test_select_when_arguments_are_wrong_then_errors(void)
{
    fd_set set;
    struct timeval negative = { -1, 0 };
    struct timespec bad = { 0, 1000000000 };

    FD_ZERO(&set);
    FD_SET(50, &set);
    CHECK_ERROR(syscall(SYS_select, 51, &set, NULL, NULL, NULL), EBADF);
    CHECK_ERROR(syscall(SYS_select, -1, NULL, NULL, NULL, NULL), EINVAL);
    CHECK_ERROR(syscall(SYS_select, 1, 8, NULL, NULL, NULL), EFAULT);
    CHECK_ERROR(syscall(SYS_select, 0, NULL, NULL, NULL, &negative), EINVAL);
    CHECK_ERROR(syscall(SYS_select, 0, NULL, NULL, NULL, 8), EFAULT);
    CHECK_ERROR(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &bad, NULL), EINVAL);
    CHECK_ERROR(syscall(SYS_pselect6, 0, NULL, NULL, NULL, NULL, 8), EFAULT);
    uint64_t mask[2] = { (uint64_t)(uintptr_t)&set, 4 };
    CHECK_ERROR(syscall(SYS_pselect6, 0, NULL, NULL, NULL, NULL, mask), EINVAL);
    struct timeval one = { 0, 1000 };
    CHECK(syscall(SYS_select, INT_MAX, NULL, NULL, NULL, &one) == 0);
}

static void
test_poll_when_ten_thousand_then_the_ready_ones(void)
{
    enum { MANY = 10000 };
    static struct pollfd p[MANY];
    struct rlimit limit = { MANY + 100, MANY + 100 };
    static uint64_t sets[1024];
    uint64_t one = 1;

    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (int i = 0; i < MANY; i++) {
        p[i] = (struct pollfd){ .fd = eventfd(i % 100 == 7, 0), .events = POLLIN };
        CHECK(p[i].fd >= 0);
        sets[p[i].fd / 64] |= 1ull << p[i].fd % 64;
    }
    CHECK(poll(p, MANY, -1) == MANY / 100);
    for (int i = 0; i < MANY; i++)
        CHECK(p[i].revents == (i % 100 == 7 ? POLLIN : 0));
    CHECK(syscall(SYS_select, p[MANY - 1].fd + 1, sets, NULL, NULL, NULL) == MANY / 100);
    for (int i = 7; i < MANY; i += 100)
        CHECK(read(p[i].fd, &one, 8) == 8);
    pid_t child = fork();
    if (child == 0) {
        usleep(50000);
        _exit(write(p[MANY - 1].fd, &one, 8) != 8);
    }
    CHECK(poll(p, MANY, 20000) == 1 && p[MANY - 1].revents == POLLIN);
    CHECK_EXIT(child, 0);
}

int
main(void)
{
    char work[] = "/tmp/pollXXXXXX";

    mkdir("/tmp", 01777);
    if (mkdtemp(work) == NULL || chdir(work) != 0)
        return 1;
    RUN(test_poll_when_pipe_then_exact_states, poll);
    RUN(test_poll_when_fifo_then_hup_only_after_a_writer, poll);
    RUN(test_poll_when_plain_then_always_ready, poll);
    RUN(test_poll_when_not_open_or_negative_then_nval_or_nothing, poll);
    RUN(test_poll_when_arguments_are_wrong_then_errors, poll, ppoll);
    RUN(test_poll_when_time_passes_then_not_early, poll, ppoll);
    RUN(test_ppoll_when_time_is_left_then_told, ppoll, select);
    RUN(test_masks_when_given_then_atomic_and_restored, ppoll, pselect6);
    RUN(test_select_when_sets_then_each_kind, select);
    RUN(test_select_when_arguments_are_wrong_then_errors, select, pselect6);
    RUN(test_poll_when_ten_thousand_then_the_ready_ones, poll, select);
    return check_failures != 0;
}

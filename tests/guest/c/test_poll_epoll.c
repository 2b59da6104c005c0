/* SPDX-License-Identifier: MIT */
/* epoll(7): level, edge, one shot, exclusive, nesting, what happens to closed files. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

static int
watch(int set, int op, int fd, uint32_t events)
{
    struct epoll_event e = { .events = events, .data.u64 = 0x1234567800000000 + fd };

    return epoll_ctl(set, op, fd, &e);
}

/* How many events come at once, the first in *e. */
static int
look(int set, struct epoll_event *e)
{
    struct epoll_event all[8];
    int n = epoll_wait(set, all, 8, 0);

    *e = all[0];
    return n;
}

static void
test_epoll_when_level_triggered_then_tells_until_read(void)
{
    struct epoll_event e;
    char byte;
    int ends[2], set = epoll_create1(EPOLL_CLOEXEC);

    CHECK(set >= 0 && fcntl(set, F_GETFD) == FD_CLOEXEC && pipe(ends) == 0);
    CHECK(watch(set, EPOLL_CTL_ADD, ends[0], EPOLLIN) == 0);
    CHECK(look(set, &e) == 0);
    CHECK(write(ends[1], "ab", 2) == 2);
    for (int i = 0; i < 3; i++) {
        CHECK(look(set, &e) == 1 && e.events == EPOLLIN);
        CHECK(e.data.u64 == 0x1234567800000000 + (uint64_t)ends[0]);
    }
    CHECK(read(ends[0], &byte, 1) == 1 && look(set, &e) == 1);
    CHECK(read(ends[0], &byte, 1) == 1 && look(set, &e) == 0);
    CHECK(watch(set, EPOLL_CTL_ADD, ends[1], EPOLLOUT) == 0);
    CHECK(look(set, &e) == 1 && e.events == EPOLLOUT);
    CHECK(watch(set, EPOLL_CTL_MOD, ends[1], 0) == 0 && look(set, &e) == 0);
    CHECK(close(ends[0]) == 0);
    CHECK(look(set, &e) == 1 && e.events == EPOLLERR);
    CHECK(watch(set, EPOLL_CTL_DEL, ends[1], 0) == 0 && look(set, &e) == 0);
}

static void
test_epoll_when_edge_triggered_then_tells_once(void)
{
    struct epoll_event e;
    int ends[2], set = epoll_create1(0);

    CHECK(pipe(ends) == 0);
    CHECK(watch(set, EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLET) == 0);
    CHECK(write(ends[1], "a", 1) == 1);
    CHECK(look(set, &e) == 1 && look(set, &e) == 0);
    CHECK(write(ends[1], "b", 1) == 1);
    CHECK(look(set, &e) == 1 && look(set, &e) == 0);
    CHECK(watch(set, EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLET) == 0);
    CHECK(look(set, &e) == 1 && look(set, &e) == 0);
    CHECK(close(ends[1]) == 0);
    CHECK(look(set, &e) == 1 && e.events == (EPOLLIN | EPOLLHUP));
}

static void
test_epoll_when_one_shot_then_silent_until_changed(void)
{
    struct epoll_event e;
    int ends[2], set = epoll_create1(0);

    CHECK(pipe(ends) == 0);
    CHECK(watch(set, EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLONESHOT) == 0);
    CHECK(write(ends[1], "a", 1) == 1);
    CHECK(look(set, &e) == 1 && look(set, &e) == 0);
    CHECK(write(ends[1], "b", 1) == 1 && look(set, &e) == 0);
    CHECK(watch(set, EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLONESHOT) == 0);
    CHECK(look(set, &e) == 1 && look(set, &e) == 0);
}

static void
test_epoll_when_more_than_asked_then_all_get_their_turn(void)
{
    enum { MANY = 100 };
    struct epoll_event e[2 * MANY];
    int set = epoll_create1(0), seen[3 * MANY] = { 0 };

    for (int i = 0; i < MANY; i++)
        CHECK(watch(set, EPOLL_CTL_ADD, eventfd(1, 0), EPOLLIN) == 0);
    CHECK(epoll_wait(set, e, 2 * MANY, 0) == MANY);
    for (int round = 0; round < MANY / 4; round++) {
        CHECK(epoll_wait(set, e, 4, 0) == 4);
        for (int i = 0; i < 4; i++)
            seen[(int)(e[i].data.u64 & 0xffff)]++;
    }
    for (int i = 0, n = 0; i < 3 * MANY; i++) {
        CHECK(seen[i] <= 1);
        n += seen[i];
        CHECK(i < 3 * MANY - 1 || n == MANY);
    }
}

static void
test_epoll_when_file_is_closed_then_forgotten(void)
{
    struct epoll_event e;
    int set = epoll_create1(0), fd = eventfd(1, 0), copy = dup(fd);

    CHECK(watch(set, EPOLL_CTL_ADD, fd, EPOLLIN) == 0);
    CHECK(watch(set, EPOLL_CTL_ADD, copy, EPOLLIN) == 0);
    CHECK(look(set, &e) == 2);
    CHECK(close(fd) == 0 && look(set, &e) == 2); /* the copy keeps the open file */
    CHECK(close(copy) == 0 && look(set, &e) == 0);
    CHECK_ERROR(watch(set, EPOLL_CTL_DEL, fd, 0), EBADF);
    fd = eventfd(1, 0);
    CHECK(watch(set, EPOLL_CTL_ADD, fd, EPOLLIN) == 0);
    CHECK(close(set) == 0 && close(fd) == 0);
}

static void *
write_later(void *arg)
{
    uint64_t one = 1;

    usleep(30000);
    CHECK(write(*(int *)arg, &one, 8) == 8);
    return NULL;
}

static void
test_epoll_when_waiting_then_woken(void)
{
    struct epoll_event e;
    int set = epoll_create1(0), fd = eventfd(0, 0);
    pthread_t thread;
    struct timespec before, after;

    CHECK(watch(set, EPOLL_CTL_ADD, fd, EPOLLIN) == 0);
    CHECK(pthread_create(&thread, NULL, write_later, &fd) == 0);
    CHECK(epoll_wait(set, &e, 1, -1) == 1 && e.events == EPOLLIN);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(watch(set, EPOLL_CTL_DEL, fd, 0) == 0);
    clock_gettime(CLOCK_MONOTONIC, &before);
    CHECK(epoll_wait(set, &e, 1, 50) == 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000 +
              (after.tv_nsec - before.tv_nsec) / 1000000 >= 50);
    CHECK(pthread_create(&thread, NULL, write_later, &fd) == 0);
    (void)!read(fd, &(uint64_t){ 0 }, 8);
    CHECK(watch(set, EPOLL_CTL_ADD, fd, EPOLLIN) == 0); /* while somebody waits or not */
    CHECK(epoll_wait(set, &e, 1, 10000) == 1);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void
test_epoll_when_nested_then_outer_tells(void)
{
    struct epoll_event e;
    struct pollfd p;
    uint64_t value;
    int outer = epoll_create1(0), inner = epoll_create1(0), fd = eventfd(0, 0);

    CHECK(watch(outer, EPOLL_CTL_ADD, inner, EPOLLIN) == 0);
    CHECK(watch(inner, EPOLL_CTL_ADD, fd, EPOLLIN) == 0);
    CHECK(look(outer, &e) == 0);
    value = 1;
    CHECK(write(fd, &value, 8) == 8);
    CHECK(look(outer, &e) == 1 && e.events == EPOLLIN);
    CHECK(look(outer, &e) == 1 && look(inner, &e) == 1);
    p = (struct pollfd){ .fd = outer, .events = POLLIN | POLLOUT };
    CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLIN);
    CHECK(read(fd, &value, 8) == 8);
    CHECK(look(outer, &e) == 0 && poll(&p, 1, 0) == 0);
    CHECK(close(inner) == 0 && look(outer, &e) == 0);
}

static void
test_epoll_when_nested_in_a_circle_or_deep_then_eloop(void)
{
    int a = epoll_create1(0), b = epoll_create1(0), c = epoll_create1(0), line[8];
    int depth = 0;

    CHECK(watch(a, EPOLL_CTL_ADD, b, EPOLLIN) == 0);
    CHECK(watch(b, EPOLL_CTL_ADD, c, EPOLLIN) == 0);
    CHECK_ERROR(watch(c, EPOLL_CTL_ADD, a, EPOLLIN), ELOOP);
    CHECK_ERROR(watch(b, EPOLL_CTL_ADD, a, EPOLLIN), ELOOP);
    CHECK_ERROR(watch(a, EPOLL_CTL_ADD, a, EPOLLIN), EINVAL);
    for (int i = 0; i < 8; i++)
        line[i] = epoll_create1(0);
    for (int i = 1; i < 8 && depth == 0; i++)
        if (watch(line[i], EPOLL_CTL_ADD, line[i - 1], EPOLLIN) != 0) {
            CHECK(errno == ELOOP);
            depth = i;
        }
    CHECK(depth >= 4 && depth <= 6);
}

/* Only what watches it now counts, not what once did. */
static void
test_epoll_when_line_was_cut_then_may_grow_again(void)
{
    int line[24], last = 0;

    for (int i = 0; i < 24; i++)
        line[i] = epoll_create1(0);
    while (last < 23 && watch(line[last], EPOLL_CTL_ADD, line[last + 1], EPOLLIN) == 0)
        last++;
    CHECK(errno == ELOOP && last >= 3 && last <= 6);
    for (int i = 0; last < 23; i++, last++) { /* the first goes, one more comes below */
        CHECK_ERROR(watch(line[last], EPOLL_CTL_ADD, line[last + 1], EPOLLIN), ELOOP);
        if (i % 2 == 0)
            CHECK(close(line[i]) == 0);
        else
            CHECK(watch(line[i], EPOLL_CTL_DEL, line[i + 1], 0) == 0);
        CHECK(watch(line[last], EPOLL_CTL_ADD, line[last + 1], EPOLLIN) == 0);
    }
    for (int i = 0; i < 24; i++)
        close(line[i]);
}

static void
test_epoll_when_arguments_are_wrong_then_errors(void)
{
    struct epoll_event e = { .events = EPOLLIN };
    char name[] = "/tmp/epollXXXXXX";
    int set = epoll_create1(0), fd = eventfd(0, 0), file;
    int plain[2];

    mkdir("/tmp", 0777);
    file = mkstemp(name);
    CHECK(file >= 0 && unlink(name) == 0 && pipe(plain) == 0);
    CHECK_ERROR(epoll_create1(1), EINVAL);
    CHECK_ERROR(syscall(SYS_epoll_create, 0), EINVAL);
    CHECK(syscall(SYS_epoll_create, 1) >= 0);
    CHECK_ERROR(epoll_ctl(set, EPOLL_CTL_ADD, file, &e), EPERM);
    CHECK_ERROR(epoll_ctl(set, EPOLL_CTL_ADD, 1000, &e), EBADF);
    CHECK_ERROR(epoll_ctl(-1, EPOLL_CTL_ADD, fd, &e), EBADF);
    CHECK_ERROR(epoll_ctl(plain[0], EPOLL_CTL_ADD, fd, &e), EINVAL);
    CHECK_ERROR(epoll_ctl(set, 99, fd, &e), EINVAL);
    CHECK_ERROR(epoll_ctl(set, EPOLL_CTL_ADD, fd, (void *)8), EFAULT);
    CHECK_ERROR(epoll_ctl(set, EPOLL_CTL_MOD, fd, &e), ENOENT);
    CHECK_ERROR(epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL), ENOENT);
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &e) == 0);
    CHECK_ERROR(epoll_ctl(set, EPOLL_CTL_ADD, fd, &e), EEXIST);
    CHECK_ERROR(watch(set, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
    CHECK(watch(set, EPOLL_CTL_DEL, fd, 0) == 0);
    CHECK_ERROR(watch(set, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT),
                EINVAL);
    CHECK(watch(set, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE) == 0);
    CHECK_ERROR(watch(set, EPOLL_CTL_MOD, fd, EPOLLIN), EINVAL);
    CHECK_ERROR(epoll_wait(set, &e, 0, 0), EINVAL);
    CHECK_ERROR(epoll_wait(set, &e, -1, 0), EINVAL);
    CHECK_ERROR(epoll_wait(fd, &e, 1, 0), EINVAL);
    CHECK_ERROR(epoll_wait(-1, &e, 1, 0), EBADF);
    CHECK(write(fd, &(uint64_t){ 1 }, 8) == 8);
    CHECK_ERROR(epoll_wait(set, (void *)8, 1, 0), EFAULT);
    CHECK_ERROR(read(set, &e, 8), EINVAL);
}

static volatile sig_atomic_t signals;

static void
note(int number)
{
    (void)number;
    signals++;
}

static void
test_epoll_pwait_when_masked_then_signal_after(void)
{
    struct epoll_event e;
    struct sigaction action = { .sa_handler = note, .sa_flags = SA_RESTART };
    sigset_t set, none;
    int epfd = epoll_create1(0);

    sigemptyset(&none);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(raise(SIGUSR1) == 0 && signals == 0);
    CHECK_ERROR(epoll_pwait(epfd, &e, 1, 10000, &none), EINTR);
    CHECK(signals == 1);
    CHECK(sigprocmask(SIG_BLOCK, NULL, &none) == 0 && sigismember(&none, SIGUSR1));
    CHECK_ERROR(syscall(SYS_epoll_pwait, epfd, &e, 1, 0, &none, 4), EINVAL);
    struct timespec t = { 0, 1000000 };
    CHECK(syscall(SYS_epoll_pwait2, epfd, &e, 1, &t, NULL, 8) == 0);
    t.tv_nsec = 1000000000;
    CHECK_ERROR(syscall(SYS_epoll_pwait2, epfd, &e, 1, &t, NULL, 8), EINVAL);
}

static void
test_epoll_when_ten_thousand_then_all_told(void)
{
    enum { MANY = 10000 };
    static int fd[MANY];
    static struct epoll_event e[64];
    struct rlimit limit = { MANY + 100, MANY + 100 };
    uint64_t one = 1;
    int set = epoll_create1(0), told = 0;

    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (int i = 0; i < MANY; i++) {
        fd[i] = eventfd(0, EFD_NONBLOCK);
        CHECK(fd[i] >= 0 && watch(set, EPOLL_CTL_ADD, fd[i], EPOLLIN | EPOLLET) == 0);
    }
    for (int i = 0; i < MANY; i += 10)
        CHECK(write(fd[i], &one, 8) == 8);
    for (;;) {
        int n = epoll_wait(set, e, 64, 0);
        CHECK(n >= 0);
        told += n;
        if (n == 0)
            break;
    }
    CHECK(told == MANY / 10);
}

/* Verify that what could not be passed on is told by the next wait. */
static void
test_epoll_when_buffer_is_unmapped_then_nothing_is_lost(void)
{
    const uint32_t modes[] = { 0, EPOLLET, EPOLLONESHOT };
    struct epoll_event *bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct epoll_event e;

    CHECK(bad != MAP_FAILED);
    for (int i = 0; i < 3; i++) {
        int set = epoll_create1(0), fd = eventfd(1, EFD_NONBLOCK);
        CHECK(watch(set, EPOLL_CTL_ADD, fd, EPOLLIN | modes[i]) == 0);
        CHECK_ERROR(epoll_wait(set, bad, 1, 0), EFAULT);
        CHECK(epoll_wait(set, &e, 1, 0) == 1 && e.events == EPOLLIN);
        CHECK(epoll_wait(set, &e, 1, 0) == (i == 0 ? 1 : 0));
        close(set);
        close(fd);
    }
}

int
main(void)
{
    RUN(test_epoll_when_level_triggered_then_tells_until_read, epoll_create1, epoll_ctl,
        epoll_wait);
    RUN(test_epoll_when_edge_triggered_then_tells_once, epoll_wait);
    RUN(test_epoll_when_one_shot_then_silent_until_changed, epoll_ctl);
    RUN(test_epoll_when_more_than_asked_then_all_get_their_turn, epoll_wait);
    RUN(test_epoll_when_file_is_closed_then_forgotten, epoll_ctl);
    RUN(test_epoll_when_waiting_then_woken, epoll_wait);
    RUN(test_epoll_when_nested_then_outer_tells, epoll_ctl);
    RUN(test_epoll_when_nested_in_a_circle_or_deep_then_eloop, epoll_ctl);
    RUN(test_epoll_when_line_was_cut_then_may_grow_again, epoll_ctl);
    RUN(test_epoll_when_arguments_are_wrong_then_errors, epoll_create, epoll_create1,
        epoll_ctl, epoll_wait);
    RUN(test_epoll_pwait_when_masked_then_signal_after, epoll_pwait, epoll_pwait2);
    RUN(test_epoll_when_buffer_is_unmapped_then_nothing_is_lost, epoll_wait);
    RUN(test_epoll_when_ten_thousand_then_all_told, epoll_wait);
    return check_failures != 0;
}

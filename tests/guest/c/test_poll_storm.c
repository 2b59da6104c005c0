/* SPDX-License-Identifier: MIT */
/*
 * Threads that add, remove, close and wait at the same time, frames full of noise: what
 * must hold is that everybody comes to an end, and nothing but the own process suffers.
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <ucontext.h>

enum { FILES = 24, SETS = 4, THREADS = 6, ROUNDS = 3000 };

static int file[FILES], set[SETS];
static _Atomic bool done;
static volatile sig_atomic_t signals;

static uint32_t
next(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Errors are part of the storm: descriptors come and go under everybody's feet. */
static void
one_act(uint32_t *seed)
{
    uint32_t r = next(seed);
    struct epoll_event e[8] = { { .events = EPOLLIN | (r & 1 ? EPOLLET : 0) |
                                            (r & 2 ? EPOLLONESHOT : 0) } };
    struct itimerspec t = { { 0, 50000 }, { 0, 1 + r % 100000 } };
    int s = set[next(seed) % SETS], f = next(seed) % FILES;
    uint64_t value = 1;

    switch (r >> 8 & 15) {
    case 0:
    case 1:
    case 2:
        (void)epoll_ctl(s, EPOLL_CTL_ADD, file[f], e);
        break;
    case 3:
        (void)epoll_ctl(s, EPOLL_CTL_DEL, file[f], NULL);
        break;
    case 4:
        (void)epoll_ctl(s, EPOLL_CTL_MOD, file[f], e);
        break;
    case 5:
        (void)epoll_ctl(s, EPOLL_CTL_ADD, set[next(seed) % SETS], e);
        break;
    case 6: {
        int fresh = f % 3 == 0 ? timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)
                               : eventfd(0, EFD_NONBLOCK);
        (void)dup2(fresh, file[f]); /* closes the old one */
        (void)close(fresh);
        break;
    }
    case 7:
        (void)timerfd_settime(file[f], 0, &t, NULL);
        break;
    case 8:
    case 9:
        (void)!read(file[f], &value, 8);
        break;
    case 10: {
        int fresh = epoll_create1(0);
        (void)dup2(fresh, s);
        (void)close(fresh);
        break;
    }
    case 11:
    case 12:
        (void)epoll_wait(s, e, 8, (int)(r >> 16 & 1));
        break;
    case 13: {
        struct pollfd p[2] = { { s, POLLIN, 0 }, { file[f], POLLIN | POLLOUT, 0 } };
        (void)poll(p, 2, (int)(r >> 16 & 1));
        break;
    }
    default:
        (void)!write(file[f], &value, 8);
    }
}

static void *
storm(void *arg)
{
    uint32_t seed = (uint32_t)(uintptr_t)arg * 2654435761u | 1;

    for (int i = 0; i < ROUNDS; i++)
        one_act(&seed);
    return NULL;
}

static void
test_epoll_when_everything_at_once_then_all_end(void)
{
    pthread_t thread[THREADS];

    for (int i = 0; i < FILES; i++)
        CHECK((file[i] = eventfd(0, EFD_NONBLOCK)) >= 0);
    for (int i = 0; i < SETS; i++)
        CHECK((set[i] = epoll_create1(0)) >= 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread[i], NULL, storm, (void *)(i + 1)) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
}

static void
on_timer(int number)
{
    (void)number;
    signals++;
}

static void *
timers(void *arg)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2 };
    struct itimerspec t = { { 0, 20000 }, { 0, 10000 } };
    uint32_t seed = (uint32_t)(uintptr_t)arg * 97 | 1;
    int id[8], used = 0;

    while (!done) {
        if (used < 8 && next(&seed) % 2) {
            if (syscall(SYS_timer_create, CLOCK_REALTIME, &event, &id[used]) == 0)
                used++;
        } else if (used > 0) {
            int which = (int)(next(&seed) % (uint32_t)used);
            if (next(&seed) % 4 == 0) {
                CHECK(syscall(SYS_timer_delete, id[which]) == 0);
                id[which] = id[--used];
            } else {
                CHECK(syscall(SYS_timer_settime, id[which], 0, &t, NULL) == 0);
            }
        }
        (void)syscall(SYS_timer_getoverrun, 3);
    }
    return NULL;
}

static void
test_timers_when_made_and_deleted_while_they_fire_then_all_end(void)
{
    struct sigaction action = { .sa_handler = on_timer };
    struct timespec now;
    pthread_t thread[3];

    CHECK(sigaction(SIGRTMIN + 2, &action, NULL) == 0);
    for (uintptr_t i = 0; i < 3; i++)
        CHECK(pthread_create(&thread[i], NULL, timers, (void *)(i + 1)) == 0);
    for (int i = 0; i < 60; i++) { /* the clock is set to and fro meanwhile */
        CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
        now.tv_sec += i % 2 ? -100 : 100;
        CHECK(clock_settime(CLOCK_REALTIME, &now) == 0);
        usleep(5000);
        signal(SIGRTMIN + 2, i % 3 == 0 ? SIG_IGN : on_timer);
    }
    done = true;
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    CHECK(signals > 0);
}

static void *
send_usr1(void *arg)
{
    (void)arg;
    while (!done)
        (void)kill(getpid(), SIGUSR1);
    return NULL;
}

static void
test_signalfd_when_set_outlives_its_process_then_nothing_breaks(void)
{
    struct epoll_event e = { .events = EPOLLIN };
    struct signalfd_siginfo info;
    sigset_t mask;
    int poller = epoll_create1(0), got = 0;
    pthread_t thread;
    pid_t child;

    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &mask, NULL) == 0);
    int fd = signalfd(-1, &mask, SFD_NONBLOCK);
    child = fork();
    if (child == 0) {
        CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e) == 0);
        _exit(0);
    }
    CHECK_EXIT(child, 0); /* the entry stands in the queue of a process that is gone */
    CHECK(epoll_ctl(poller, EPOLL_CTL_MOD, fd, &e) == 0);
    CHECK(pthread_create(&thread, NULL, send_usr1, NULL) == 0);
    /* At least 2000 times, and until the thread has had its turn on a slow machine. */
    for (int i = 0; i < 2000 || (got == 0 && i < 2000000); i++) {
        got += read(fd, &info, sizeof info) == sizeof info;
        if (i >= 2000)
            sched_yield();
    }
    done = true;
    CHECK(pthread_join(thread, NULL) == 0 && got > 0);
    CHECK(close(fd) == 0 && close(poller) == 0);
}

/* ---- frames full of noise ---- */

static uint32_t noise;

static void
spoil(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    uint8_t *at = context, *state = (uint8_t *)uc->uc_mcontext.fpregs;

    (void)number;
    (void)info;
    for (unsigned n = 1 + next(&noise) % 8; n > 0; n--) {
        uint32_t r = next(&noise);
        if (r & 1)
            at[(r >> 8) % 304] = (uint8_t)next(&noise);
        else if (r & 2)
            state[464 + (r >> 8) % 112] = (uint8_t)next(&noise);
        else
            state[(r >> 8) % 832] = (uint8_t)next(&noise);
    }
}

static void
test_sigreturn_when_frames_are_noise_then_only_the_child_suffers(void)
{
    for (uint32_t i = 1; i <= 300; i++) {
        pid_t child = fork();
        if (child == 0) {
            struct sigaction action = { .sa_sigaction = spoil, .sa_flags = SA_SIGINFO };
            noise = i * 2654435761u | 1;
            alarm(2); /* some go on somewhere, in a circle */
            sigaction(SIGUSR1, &action, NULL);
            raise(SIGUSR1);
            _exit(0);
        }
        int status = check_wait(child);
        CHECK(WIFEXITED(status) || WIFSIGNALED(status));
    }
}

int
main(void)
{
    RUN(test_epoll_when_everything_at_once_then_all_end, epoll_ctl, epoll_wait);
    RUN(test_timers_when_made_and_deleted_while_they_fire_then_all_end, timer_create,
        timer_settime, timer_delete);
    RUN(test_signalfd_when_set_outlives_its_process_then_nothing_breaks, signalfd4);
    RUN(test_sigreturn_when_frames_are_noise_then_only_the_child_suffers, rt_sigreturn);
    return check_failures != 0;
}

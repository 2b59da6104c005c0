/* SPDX-License-Identifier: MIT */
/* EPOLLEXCLUSIVE (epoll_ctl(2)): of the sets that watch a file at least one is woken, and no
 * event is lost; and an event that could not be told is told again. */
#define _GNU_SOURCE
#include "unix_help.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define WORKERS 16
#define ROUNDS 200

static int
exclusive_set(int fd, unsigned events)
{
    int set = epoll_create1(0);
    struct epoll_event e = { .events = events | EPOLLEXCLUSIVE, .data.fd = fd };
    CHECK(set >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, fd, &e) == 0);
    return set;
}

struct counts {
    volatile int wakes, taken, stop;
};

/* Takes connections until it is told to stop. */
static void
work(int listener, struct counts *c)
{
    int set = exclusive_set(listener, EPOLLIN);
    struct epoll_event e;
    while (!c->stop) {
        int n = epoll_wait(set, &e, 1, -1);
        if (n != 1)
            continue;
        __atomic_fetch_add(&c->wakes, 1, __ATOMIC_SEQ_CST);
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0)
            continue;
        __atomic_fetch_add(&c->taken, 1, __ATOMIC_SEQ_CST);
        CHECK(send(fd, "x", 1, MSG_NOSIGNAL) == 1);
        close(fd);
    }
    _exit(0);
}

/* Verify that each connection is served while all workers sleep in sets of their own, and
 * that not all of them are woken for each. */
static void
test_listener_when_many_sets_then_few_are_woken(void)
{
    struct counts *c = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int listener = listening(SOCK_STREAM, "@exclusive", 64);
    pid_t child[WORKERS];
    char byte;
    CHECK(fcntl(listener, F_SETFL, O_NONBLOCK) == 0);
    for (int i = 0; i < WORKERS; i++) {
        child[i] = fork();
        if (child[i] == 0)
            work(listener, c);
    }
    for (int i = 0; i < ROUNDS; i++) {
        int fd = new_socket(SOCK_STREAM);
        CHECK(connect_to(fd, "@exclusive") == 0);
        CHECK(read(fd, &byte, 1) == 1);
        close(fd);
        if (i % 8 == 7)
            usleep(1000);
    }
    CHECK(c->taken == ROUNDS);
    CHECK(c->wakes < ROUNDS * WORKERS / 2);
    c->stop = 1;
    for (int i = 0; i < WORKERS; i++) {
        kill(child[i], SIGKILL);
        CHECK(waitpid(child[i], NULL, 0) == child[i]);
    }
}

/* Verify that what nobody waits for stays ready in every set. */
static void
test_sets_when_nobody_waits_then_all_are_ready(void)
{
    int fd = eventfd(0, EFD_NONBLOCK), set[4];
    struct epoll_event e;
    for (int i = 0; i < 4; i++)
        set[i] = exclusive_set(fd, EPOLLIN);
    CHECK(write(fd, &(uint64_t){ 1 }, 8) == 8);
    for (int i = 0; i < 4; i++)
        CHECK(epoll_wait(set[i], &e, 1, 0) == 1 && e.events == EPOLLIN);
    uint64_t value;
    CHECK(read(fd, &value, 8) == 8 && value == 1);
    for (int i = 0; i < 4; i++)
        CHECK(epoll_wait(set[i], &e, 1, 0) == 0);
}

static void
wait_one(int set, unsigned events)
{
    struct epoll_event e;
    _exit(epoll_wait(set, &e, 1, 20000) == 1 && (e.events & events) != 0 ? 0 : 1);
}

/* Verify that who waits for room is not passed over for who waits for data. */
static void
test_directions_when_different_then_each_is_woken(void)
{
    int fd = eventfd(0, EFD_NONBLOCK);
    int in = exclusive_set(fd, EPOLLIN);
    CHECK(write(fd, &(uint64_t){ ~1ull }, 8) == 8); /* full */
    int out = exclusive_set(fd, EPOLLOUT);
    struct epoll_event e;
    CHECK(epoll_wait(in, &e, 1, 0) == 1 && epoll_wait(out, &e, 1, 0) == 0);
    pid_t writer = fork();
    if (writer == 0)
        wait_one(out, EPOLLOUT);
    uint64_t value;
    usleep(30000);
    CHECK(read(fd, &value, 8) == 8);
    CHECK_EXIT(writer, 0);
    pid_t reader = fork();
    if (reader == 0)
        wait_one(in, EPOLLIN);
    usleep(30000);
    CHECK(write(fd, &(uint64_t){ 1 }, 8) == 8);
    CHECK_EXIT(reader, 0);
}

/* Verify that an edge is not lost when its place to go to is not there. */
static void
test_wait_when_buffer_is_not_there_then_event_stays(void)
{
    int fd = eventfd(0, EFD_NONBLOCK), set = epoll_create1(0);
    struct epoll_event e = { .events = EPOLLIN | EPOLLET }, got;
    void *gone = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &e) == 0);
    CHECK(write(fd, &(uint64_t){ 1 }, 8) == 8);
    CHECK_ERROR(epoll_wait(set, gone, 1, 0), EFAULT);
    CHECK(epoll_wait(set, &got, 1, 0) == 1);
    CHECK(epoll_wait(set, &got, 1, 0) == 0);
}

int
main(void)
{
    RUN_IN_NEW(test_listener_when_many_sets_then_few_are_woken, epoll_ctl, epoll_wait, accept4);
    RUN_IN_NEW(test_sets_when_nobody_waits_then_all_are_ready, epoll_ctl, epoll_wait);
    RUN_IN_NEW(test_directions_when_different_then_each_is_woken, epoll_ctl, epoll_wait);
    RUN_IN_NEW(test_wait_when_buffer_is_not_there_then_event_stays, epoll_wait);
    return check_failures != 0;
}

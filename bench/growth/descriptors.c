/* SPDX-License-Identifier: MIT */
/* Against descriptors that are open: eventfds of which none, or one, can be read. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "curves.h"

#define SIZES                                                                            \
    {                                                                                    \
        1, 10, 100, 1000, 10000, 100000                                                  \
    }
#define SPARE 64

static int *watched, epoll = -1;
static struct pollfd *polls;

static int
open_many(void)
{
    if (raise_limit(RLIMIT_NOFILE, bench_size + SPARE) < 0)
        return -1;
    watched = calloc((size_t)bench_size, sizeof *watched);
    polls = calloc((size_t)bench_size, sizeof *polls);
    must(watched != NULL && polls != NULL, "calloc");
    for (long i = 0; i < bench_size; i++) {
        watched[i] = eventfd(0, EFD_NONBLOCK);
        if (watched[i] < 0)
            return -1;
        polls[i] = (struct pollfd){ .fd = watched[i], .events = POLLIN };
    }
    return 0;
}

static void
close_many(void)
{
    for (long i = 0; i < bench_size; i++)
        close(watched[i]);
    if (epoll >= 0)
        close(epoll);
}

static int
watch(int operation, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

    return epoll_ctl(epoll, operation, fd, &event);
}

/* The one in the middle is ready and stays so. */
static int
watch_many(void)
{
    uint64_t value = 1;

    if (open_many() < 0 || (epoll = epoll_create1(0)) < 0)
        return -1;
    for (long i = 0; i < bench_size; i++) {
        if (watch(EPOLL_CTL_ADD, watched[i]) < 0)
            return -1;
    }
    return write(watched[bench_size / 2], &value, sizeof value) < 0 ? -1 : 0;
}

static long
op_open_close(void)
{
    return close(open("/dev/null", O_RDONLY));
}

static long
op_dup_close(void)
{
    return close(dup(watched[0]));
}

static long
op_poll(void)
{
    return poll(polls, (nfds_t)bench_size, 0);
}

static long
op_epoll_wait(void)
{
    struct epoll_event events[10];

    return epoll_wait(epoll, events, 10, 0) == 1 ? 0 : -1;
}

static long
op_epoll_remove_add(void)
{
    return watch(EPOLL_CTL_DEL, watched[0]) < 0 ? -1 : watch(EPOLL_CTL_ADD, watched[0]);
}

#define OPEN    .set_up = open_many, .tear_down = close_many
#define WATCHED .set_up = watch_many, .tear_down = close_many

static const struct curve curves[] = {
    { { .name = "open_close_descriptors", .operation = op_open_close, .batch = 10, OPEN },
      SIZES,
      0 },
    { { .name = "dup_close_descriptors", .operation = op_dup_close, .batch = 10, OPEN },
      SIZES,
      0 },
    { { .name = "fork_descriptors",
        .operation = op_fork_exit_wait,
        .flags = ROW_REP,
        OPEN },
      SIZES,
      0 },
    { { .name = "poll_descriptors", .operation = op_poll, OPEN }, SIZES, 0 },
    { { .name = "epoll_wait_descriptors",
        .operation = op_epoll_wait,
        .batch = 10,
        WATCHED },
      SIZES,
      0 },
    { { .name = "epoll_del_add_descriptors",
        .operation = op_epoll_remove_add,
        .batch = 10,
        WATCHED },
      SIZES,
      0 },
};

const struct curves curves_descriptors = { "descriptors", curves, COUNT_OF(curves) };

/* SPDX-License-Identifier: MIT */
/* Waiting for several descriptors at once: poll, select, epoll; nobody has to wait here.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <unistd.h>

#include "groups.h"

#define FEW  10
#define MANY 100

static int watched[MANY], count, epoll;
static struct pollfd polls[FEW];

static int
open_events(int how_many)
{
    for (count = 0; count < how_many; count++) {
        watched[count] = eventfd(0, EFD_NONBLOCK);
        if (watched[count] < 0)
            return -1;
    }
    return 0;
}

static void
close_events(void)
{
    while (count > 0)
        close(watched[--count]);
}

static int
open_polls(void)
{
    if (open_events(FEW) < 0)
        return -1;
    for (int i = 0; i < FEW; i++)
        polls[i] = (struct pollfd){ .fd = watched[i], .events = POLLIN };
    return 0;
}

/* None is ready. */
static long
op_poll(void)
{
    return poll(polls, FEW, 0);
}

static long
op_select(void)
{
    struct timeval at_once = { 0, 0 };
    fd_set set;

    FD_ZERO(&set);
    for (int i = 0; i < FEW; i++)
        FD_SET(watched[i], &set);
    return select(watched[FEW - 1] + 1, &set, NULL, NULL, &at_once);
}

/* ---- epoll: one of the watched is ready, and stays so ---- */

static int
watch(int which, int operation)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = watched[which] };

    return epoll_ctl(epoll, operation, watched[which], &event);
}

static int
open_epoll(int how_many)
{
    uint64_t value = 1;

    epoll = epoll_create1(0);
    if (epoll < 0 || open_events(how_many) < 0)
        return -1;
    for (int i = 0; i < how_many; i++) {
        if (watch(i, EPOLL_CTL_ADD) < 0)
            return -1;
    }
    return write(watched[0], &value, sizeof value) < 0 ? -1 : 0;
}

static int
open_epoll_1(void)
{
    return open_epoll(1);
}

static int
open_epoll_100(void)
{
    return open_epoll(MANY);
}

static int
open_epoll_idle(void)
{
    uint64_t value;

    return open_epoll(MANY) < 0 || read(watched[0], &value, sizeof value) != sizeof value
               ? -1
               : 0;
}

static void
close_epoll(void)
{
    close_events();
    close(epoll);
}

static long
op_epoll_wait(void)
{
    struct epoll_event events[FEW];

    return epoll_wait(epoll, events, FEW, 0);
}

static long
op_epoll_ctl(void)
{
    return watch(0, EPOLL_CTL_MOD);
}

static long
op_epoll_add_remove(void)
{
    return watch(0, EPOLL_CTL_DEL) < 0 ? -1 : watch(0, EPOLL_CTL_ADD);
}

static const struct row rows[] = {
    { .name = "poll_10",
      .operation = op_poll,
      .batch = 20,
      .set_up = open_polls,
      .tear_down = close_events },
    { .name = "select_10",
      .operation = op_select,
      .batch = 20,
      .set_up = open_polls,
      .tear_down = close_events },
    { .name = "epoll_wait_1",
      .operation = op_epoll_wait,
      .batch = 20,
      .set_up = open_epoll_1,
      .tear_down = close_epoll },
    { .name = "epoll_wait_100",
      .operation = op_epoll_wait,
      .batch = 20,
      .set_up = open_epoll_100,
      .tear_down = close_epoll },
    { .name = "epoll_wait_100_idle",
      .operation = op_epoll_wait,
      .batch = 20,
      .set_up = open_epoll_idle,
      .tear_down = close_epoll },
    { .name = "epoll_ctl_mod",
      .operation = op_epoll_ctl,
      .batch = 20,
      .set_up = open_epoll_100,
      .tear_down = close_epoll },
    { .name = "epoll_ctl_del_add",
      .operation = op_epoll_add_remove,
      .batch = 20,
      .set_up = open_epoll_100,
      .tear_down = close_epoll },
};

const struct group group_waits = { "waits", rows, COUNT_OF(rows) };

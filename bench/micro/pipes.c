/* SPDX-License-Identifier: MIT */
/* Pipes and the like: to oneself, and there and back between two that wait in turn. */
#define _GNU_SOURCE
#include <poll.h>
#include <unistd.h>

#include "groups.h"

static int ring[2];

static int
open_ring(void)
{
    return pipe(ring);
}

static void
close_ring(void)
{
    close(ring[0]);
    close(ring[1]);
}

static long
op_pipe_self(void)
{
    return write(ring[1], bench_page, 1) < 0 ? -1 : read(ring[0], bench_page, 1);
}

static void
echo(void)
{
    char byte;

    while (read(peer_there[0], &byte, 1) == 1)
        (void)!write(peer_back[1], &byte, 1);
}

static int
start_echo(void)
{
    return peer_start(echo);
}

static long
op_round_trip(void)
{
    return write(peer_there[1], bench_page, 1) < 0 ? -1
                                                   : read(peer_back[0], bench_page, 1);
}

static struct pollfd polls[10];

static int
open_polls(void)
{
    if (pipe(ring) < 0)
        return -1;
    for (int i = 0; i < 10; i++)
        polls[i] = (struct pollfd){ .fd = ring[0], .events = POLLIN };
    return 0;
}

static long
op_poll(void)
{
    return poll(polls, 10, 0);
}

static const struct row rows[] = {
    { .name = "pipe_to_self",
      .operation = op_pipe_self,
      .batch = 20,
      .set_up = open_ring,
      .tear_down = close_ring },
    { .name = "pipe_round_trip",
      .operation = op_round_trip,
      .batch = 20,
      .set_up = start_echo,
      .tear_down = peer_end },
    { .name = "poll_10",
      .operation = op_poll,
      .batch = 20,
      .set_up = open_polls,
      .tear_down = close_ring },
};

const struct group group_pipes = { "pipes", rows, COUNT_OF(rows) };

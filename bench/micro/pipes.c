/* SPDX-License-Identifier: MIT */
/* Pipes and the like: to oneself, and there and back between two that wait in turn. */
#define _GNU_SOURCE
#include <sys/eventfd.h>
#include <unistd.h>

#include "groups.h"

#define LARGE 65536

static char large[LARGE];
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

/* A pipe round trip without what the calls cost when nobody has to wait: two switches. */
static int derive_switch(int samples, struct figures *figures);

/* ---- 64 KiB at a time ---- */

static long
op_large_self(void)
{
    size_t got = 0;

    if (write(ring[1], large, LARGE) != LARGE)
        return -1;
    while (got < LARGE) {
        ssize_t one = read(ring[0], large, LARGE - got);

        if (one <= 0)
            return -1;
        got += (size_t)one;
    }
    return 0;
}

/* Says one byte for each LARGE that it got. */
static void
swallow(void)
{
    size_t got = 0;
    ssize_t one;

    while ((one = read(peer_there[0], large, LARGE - got)) > 0) {
        got += (size_t)one;
        if (got == LARGE) {
            (void)!write(peer_back[1], large, 1);
            got = 0;
        }
    }
}

static int
start_swallow(void)
{
    return peer_start(swallow);
}

static long
op_large_transfer(void)
{
    return write(peer_there[1], large, LARGE) != LARGE ? -1
                                                       : read(peer_back[0], large, 1);
}

/* ---- eventfd ---- */

static int events[2];

static int
open_event(void)
{
    events[0] = eventfd(0, 0);
    return events[0];
}

static void
close_event(void)
{
    close(events[0]);
}

static long
op_event_self(void)
{
    uint64_t value = 1;

    return write(events[0], &value, sizeof value) < 0
               ? -1
               : read(events[0], &value, sizeof value);
}

#define LAST_EVENT 1000

static void
echo_events(void)
{
    uint64_t value;

    while (read(events[0], &value, sizeof value) > 0 && value < LAST_EVENT)
        (void)!write(events[1], &value, sizeof value);
}

static int
start_event_echo(void)
{
    events[0] = eventfd(0, 0);
    events[1] = eventfd(0, 0);
    return events[0] < 0 || events[1] < 0 ? -1 : peer_start(echo_events);
}

static void
end_event_echo(void)
{
    uint64_t value = LAST_EVENT;

    (void)!write(events[0], &value, sizeof value);
    peer_end();
}

static long
op_event_round_trip(void)
{
    uint64_t value = 1;

    return write(events[0], &value, sizeof value) < 0
               ? -1
               : read(events[1], &value, sizeof value);
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
    { .name = "context_switch", .flags = ROW_DERIVED, .derive = derive_switch },
    { .name = "pipe_65536_to_self",
      .operation = op_large_self,
      .batch = 2,
      .flags = ROW_REP,
      .delivers = LARGE,
      .set_up = open_ring,
      .tear_down = close_ring },
    { .name = "pipe_65536_transfer",
      .operation = op_large_transfer,
      .batch = 2,
      .flags = ROW_REP,
      .delivers = LARGE,
      .set_up = start_swallow,
      .tear_down = peer_end },
    { .name = "eventfd_to_self",
      .operation = op_event_self,
      .batch = 20,
      .set_up = open_event,
      .tear_down = close_event },
    { .name = "eventfd_round_trip",
      .operation = op_event_round_trip,
      .batch = 20,
      .set_up = start_event_echo,
      .tear_down = end_event_echo },
};

static int
derive_switch(int samples, struct figures *figures)
{
    struct figures self, trip;
    int error = bench_measure(&rows[0], samples, &self);

    if (error == 0)
        error = bench_measure(&rows[1], samples, &trip);
    if (error == 0) {
        figures->minimum = (trip.minimum - 2 * self.minimum) / 2;
        figures->median = (trip.median - 2 * self.median) / 2;
    }
    return error;
}

const struct group group_pipes = { "pipes", rows, COUNT_OF(rows) };

/* SPDX-License-Identifier: MIT */
/*
 * Private to posix: waiting for any of many files.
 *
 * Q1. The first pass over the files that can lead to a sleep registers a waiter with each
 *     queue that they name, then asks for the state (files do it in this order); later
 *     passes only ask.  A wake-up sets `woken`, so one between a pass and the sleep is
 *     not lost.  Before it one may look without registering: what is ready at once needs
 *     no queue.
 * Q2. The waiters stay registered, and the files held, until poll_wait_end.
 */
#ifndef LIBOS_POSIX_POLLING_H
#define LIBOS_POSIX_POLLING_H

#include "core/wait.h"
#include "vfs/vfs.h"

#define POLL_WAITERS_INLINE 8u
#define POLL_WAITERS_CHUNK 62u

struct poll_wait;
struct poll_waiter {
    struct waiter waiter;
    struct poll_wait *owner;
};
struct poll_chunk {
    struct poll_chunk *next;
    u32 used;
    struct poll_waiter waiter[POLL_WAITERS_CHUNK];
};
struct poll_wait {
    struct poll_table table;
    struct thread *thread;
    _Atomic bool woken;
    bool registering;
    int error;               /* -E_NOMEM: a queue could not be registered */
    u32 used;
    struct poll_chunk *chunks;
    struct poll_waiter waiter[POLL_WAITERS_INLINE];
};

void poll_wait_begin(struct poll_wait *p);
/* To pass to file_poll: NULL when nothing needs to be registered any more. */
static inline struct poll_table *
poll_wait_table(struct poll_wait *p)
{
    return p->registering ? &p->table : NULL;
}
/* After a pass that found nothing: sleep.  0: look again; -E_TIMEDOUT; -E_INTR;
 * -E_NOMEM. */
int poll_wait_sleep(struct poll_wait *p, u64 deadline_ns) MUST_CHECK;
void poll_wait_end(struct poll_wait *p);

#endif

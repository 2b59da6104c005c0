/* SPDX-License-Identifier: MIT */
/*
 * Files that tell of events: counters (eventfd), timers (timerfd), and sets of files
 * that are watched (epoll). They have no name and share one inode.
 *
 * Locking: each file's spinlock guards its state; its wait queue is woken after it. See
 * epoll.c for sets.
 */
#ifndef LIBOS_READY_READY_H
#define LIBOS_READY_READY_H

#include "core/types.h"
#include "vfs/vfs.h"

/* The inode of all files without a name and a kind; no reference is given. */
struct inode *anon_inode(void);
/* A stream file on it, open for reading and writing. NULL: no memory. */
struct file *anon_file(const struct file_ops *ops, u32 flags, void *priv);

/* ---- a counter: reads take it (or one of it), writes add ---- */
int eventfd_create(u64 count, bool semaphore, u32 flags, struct file **out) MUST_CHECK;
bool eventfd_is(const struct file *f);
/* Add without waiting: what does not fit is lost. */
void eventfd_add(struct file *f, u64 value);

/* ---- a timer; reads give how often it ran out since the last ---- */
struct timerfd_time {
    u64 value_ns, interval_ns;
};
int timerfd_create_file(bool real_clock, u32 flags, struct file **out) MUST_CHECK;
bool timerfd_is(const struct file *f);
/* value_ns 0 disarms. cancel: with `absolute` on the wall clock, reads fail with
 * E_CANCELED once that clock was set. -E_CANCELED: it was set, and nobody was told: the
 * timer is set nevertheless. */
int timerfd_set(struct file *f, bool absolute, bool cancel,
                const struct timerfd_time *set, struct timerfd_time *old) MUST_CHECK;
void timerfd_get(struct file *f, struct timerfd_time *out);

/* ---- sets of watched files ---- */
#define WATCH_EDGE 0x1u      /* tell of changes only */
#define WATCH_ONCE 0x2u      /* then silence until it is changed */
#define WATCH_EXCLUSIVE 0x4u /* one of several sets is woken; may not be changed, nor watch a set */
struct watch_event {
    u32 events; /* POLL_* */
    i32 fd;     /* of what watch_wait tells: whose event it is, for watch_untold */
    u64 data;
    const struct file *file; /* a name only: it may have gone */
};
int watch_set_create(u32 flags, struct file **out) MUST_CHECK;
bool watch_set_is(const struct file *f);
/* -E_EXIST, -E_NOMEM, -E_PERM: the file is always ready (it cannot be polled), -E_INVAL:
 * the set itself; -E_LOOP: sets would watch each other, or more than 5 deep; -E_NOSPC:
 * the sets of the user who made this one watch as much as the memory is for. */
int watch_add(struct file *set, struct file *file, i32 fd,
              const struct watch_event *event, u32 modes) MUST_CHECK;
/* -E_NOENT; -E_INVAL: it is exclusive. */
int watch_change(struct file *set, struct file *file, i32 fd,
                 const struct watch_event *event, u32 modes) MUST_CHECK;
int watch_remove(struct file *set, struct file *file, i32 fd) MUST_CHECK;
/* Up to n events into `out`, waiting until there is one: how many; 0: the time is up;
 * -E_INTR. deadline 0: look only. */
i64 watch_wait(struct file *set, struct watch_event *out, u32 n,
               u64 deadline_ns) MUST_CHECK;
/* The caller could not pass these on: they are there again for the next wait. */
void watch_untold(struct file *set, const struct watch_event *events, u32 n);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Private to posix: asynchronous requests (io_setup(2) and its family).
 *
 * R1. A context belongs to an address space and has a ring of events that is mapped there,
 *     where the program may read it and move its head.  The LibOS reads nothing from the
 *     ring but the head, and that modulo the ring's size: who writes nonsense there loses
 *     events of his own.
 * R2. Events in the ring and requests under way together are fewer than its places, so
 *     that there is one for each request that ends.
 * R3. All files are in memory, so that a transfer is made where it is submitted, as on
 *     Linux for files that its page cache has.  Only polls wait.
 * R4. A poll stands in ctx->polls and in its file's queues until it ends; both under
 *     ctx->mutex.  A wake-up adds work that asks the file again, with a reference.
 * Locks: ctx->mutex, then the ring's inode mutex, the mm's, those that polling a file takes;
 * a file's wait queue, then the work queue's.  contexts_lock is a spinlock.
 */
#ifndef LIBOS_POSIX_AIO_H
#define LIBOS_POSIX_AIO_H

#include "core/lock.h"
#include "core/tree.h"
#include "core/wait.h"
#include "vfs/vfs.h"

struct mm;

struct aio_event {
    u64 data, request;
    i64 result, result2;
};
struct aio_context {
    struct tree_node node;    /* contexts_lock; by mm and address */
    const struct mm *mm;      /* a name only */
    uaddr at;                 /* [I] where the ring is, the context's name */
    u64 bytes;                /* [I] of the ring */
    u32 places, asked;        /* [I] of the ring; what io_setup was asked for */
    struct inode *ring;       /* [I] a reference */
    struct mutex mutex;
    u32 tail;                 /* mutex */
    _Atomic u32 under_way;    /* changed with the mutex held: R2 */
    _Atomic u32 ended;        /* how many, for those who wait */
    _Atomic bool dead;
    struct list polls;        /* mutex */
    struct waitq wait;
    _Atomic u32 refs;
};

#define AIO_ALL_DEFAULT 65536u
extern _Atomic u32 aio_all;      /* what all contexts have asked for */
extern _Atomic u32 aio_all_max;  /* fs.aio-max-nr */

/* A context with room for `asked` requests in the current space, with a reference.
 * -E_INVAL -E_AGAIN (there are as many as there may be) -E_NOMEM */
int aio_context_new(u32 asked, struct aio_context **out) MUST_CHECK;
/* The one with that name, with a reference; NULL: none. */
struct aio_context *aio_context_get(uaddr at);
void aio_context_put(struct aio_context *c);
/* It has no name any more, polls are cancelled, and who waits is told.  False: somebody did
 * so already. */
bool aio_context_end(struct aio_context *c);
/* R2: a place for one request more. */
bool aio_begin(struct aio_context *c) MUST_CHECK;
/* The request came to nothing, and there will be no event. */
void aio_refused(struct aio_context *c);
/* The request ended; counter (may be NULL): an eventfd that is told.  mutex is held. */
void aio_end_locked(struct aio_context *c, const struct aio_event *e,
                    struct file *counter);
/* Up to n events, which are taken: how many, or -E_FAULT. */
i64 aio_take(struct aio_context *c, uaddr to, u64 n);

/* Wait until the file is ready for `events`: the references to both files are taken over
 * if it is 0.  -E_INVAL: it has no queue to wait in, or too many; -E_NOMEM */
int aio_poll(struct aio_context *c, struct file *file, u32 events,
             const struct aio_event *e, struct file *counter) MUST_CHECK;
/* False: no such request waits. */
bool aio_poll_cancel(struct aio_context *c, uaddr request);
void aio_poll_cancel_all(struct aio_context *c);

#endif

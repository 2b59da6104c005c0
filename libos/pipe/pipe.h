/* SPDX-License-Identifier: MIT */
/*
 * Pipes and FIFOs: a ring of frames between writers and readers.
 *
 * I1. tail <= head <= tail + capacity; the bytes from tail to head are the contents; byte
 *     n is in page (n / PAGE_SIZE) mod pages.
 * I2. An empty pipe starts again at the head of page 0, so that small messages stay in
 *     one frame; further frames come when they are needed and go with the pipe.
 * I3. A write of at most PIPE_ATOMIC bytes goes in whole or not at all.  A pipe is
 *     writable when PIPE_ATOMIC bytes fit.
 * I4. Who waits stands in the queue before it drops the pipe's mutex, and a waker looks
 *     at the queue while it holds it: no wake-up is lost, and none is sent when nobody
 *     waits.
 * I5. A waiter is exclusive: one wake-up, one thread.  Who leaves something for the next
 *     one wakes it.
 *
 * Lock: the pipe's mutex, held over the copy; inside it the queues' spinlocks.
 */
#ifndef LIBOS_PIPE_PIPE_H
#define LIBOS_PIPE_PIPE_H

#include "vfs/vfs.h"

#define PIPE_ATOMIC 4096u
#define PIPE_PAGES_DEFAULT 16u
#define PIPE_PAGES_MAX 256u /* 1 MiB, as pipe-max-size */

/* Two open files, one to read and one to write. flags: OPEN_NONBLOCK OPEN_DIRECT (not
 * supported: -E_INVAL).  -E_NOMEM */
int pipe_create(u32 flags, struct file **reader, struct file **writer) MUST_CHECK;
/* open(2) of a FIFO: waits for the other side.  -E_NXIO -E_RESTART -E_NOMEM.  Called
 * by vfs_open. */
int pipe_open_fifo(struct inode *i, struct file *f) MUST_CHECK;
bool pipe_is(const struct file *f);
u64 pipe_capacity(struct file *f);
/* Change it; rounded up to pages, a power of two of them: the new one.  -E_BUSY: it
 * holds more than that. -E_PERM -E_NOMEM -E_INVAL */
i64 pipe_set_capacity(struct file *f, u64 bytes);

#endif

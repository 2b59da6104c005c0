/* SPDX-License-Identifier: MIT */
/*
 * Pipes and FIFOs: a ring of slots between writers and readers, each slot a piece of one
 * page.
 *
 * I1. tail <= head <= tail + limit <= tail + slots; the slots from tail to head are the
 *     contents, in order; slot n is at n mod slots.  slots - limit are reserved by a
 *     splice that is reading what it will put there.
 * I2. A slot outside of the contents may keep a page for later; an empty pipe starts
 *     again at slot 0, so that small messages stay in one frame.
 * I3. A write of at most PIPE_ATOMIC bytes goes in whole or not at all: it needs one free
 *     slot, or fits behind the last one's bytes.  A pipe is writable when a slot is free.
 * I4. Who waits stands in the queue before it drops the pipe's mutex, and a waker looks
 *     at the queue while it holds it: no wake-up is lost, and none is sent when nobody
 *     waits.
 * I5. A waiter is exclusive: one wake-up, one thread.  Who leaves something for the next
 *     one wakes it.
 * I6. A page is held by its slot alone; or, when the slot says shared, maybe by other
 *     slots (tee) and by the file or the memory that lent it (G4 of core/page.h): a pipe
 *     never writes into such a page, and lets go of it with the slot's last byte.
 * I7. A slot is the segment of memory that its bytes are, within one page, so the ring
 *     itself is what a write to a file is given.  Outside of the contents its base is the
 *     page kept for later, or 0.
 *
 * Lock: the pipe's mutex, held over the copy; inside it the queues' spinlocks.  Of two
 * pipes the lower address first.  A splice to a file holds it over the write, so what a
 * file's write takes comes after it.
 */
#ifndef LIBOS_PIPE_PIPE_H
#define LIBOS_PIPE_PIPE_H

#include "vfs/vfs.h"

#define PIPE_ATOMIC          4096u
#define PIPE_PAGES_DEFAULT   16u
#define PIPE_PAGES_MAX       256u   /* 1 MiB, as pipe-max-size */
#define PIPE_PAGES_USER_SOFT 16384u /* as pipe-user-pages-soft */
#define PIPE_PAGES_MIN       2u     /* of a user's pipes above that */

/* Two open files, one to read and one to write. flags: OPEN_NONBLOCK; OPEN_DIRECT: each
 * write makes packets of at most PIPE_ATOMIC bytes, each read takes one.  -E_NOMEM */
int pipe_create(u32 flags, struct file **reader, struct file **writer) MUST_CHECK;
/* open(2) of a FIFO: waits for the other side.  -E_NXIO -E_RESTART -E_NOMEM.  Called
 * by vfs_open. */
int pipe_open_fifo(struct inode *i, struct file *f) MUST_CHECK;
bool pipe_is(const struct file *f);
u64 pipe_capacity(struct file *f);
/* Change it; rounded up to pages, a power of two of them: the new one.  -E_BUSY: it
 * holds more than that. -E_PERM -E_NOMEM -E_INVAL */
i64 pipe_set_capacity(struct file *f, u64 bytes);

/* ---- moving without a user's buffer ---- */
/* Read up to n bytes of `in` (at *pos, which moves; NULL: its own) into free slots of a
 * pipe.  Waits until there is one, unless nonblock; then takes what fits.  Bytes moved;
 * 0: `in` is at its end; -E_AGAIN -E_PIPE -E_RESTART, what reading says. */
i64 pipe_splice_in(struct file *pipe, struct file *in, u64 *pos, u64 n, bool nonblock);
/* The other way: `put` writes to `out`.  Waits for something to be there, then moves
 * what is.  0: no writer is left. */
i64 pipe_splice_out(struct file *pipe, struct file *out, u64 *pos, u64 n, bool nonblock,
                    i64 (*put)(struct file *out, struct uio *u, u64 *pos));
/* Up to n bytes from one pipe into another: slots move whole where they can.  keep: they
 * also stay where they are (tee); the pages are shared.  -E_INVAL: the same pipe. */
i64 pipe_splice_pipe(struct file *from, struct file *to, u64 n, bool keep, bool nonblock);
/* Read, waiting or not whatever the file says. */
i64 pipe_read_to(struct file *pipe, struct uio *u, bool nonblock);
/* The user's memory into free slots, one for each page of it, as vmsplice(2) does: waits for
 * one and takes what fits.  What `lend` has (mm_lend, for the current process) is shared. */
typedef u32 (*pipe_lend_fn)(uaddr at, u32 pages, frame_t *frame);
i64 pipe_splice_memory(struct file *pipe, struct uio *u, bool nonblock, pipe_lend_fn lend);

#endif

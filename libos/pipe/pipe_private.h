/* SPDX-License-Identifier: MIT */
/* Private to pipe/: the pipe itself. */
#ifndef LIBOS_PIPE_PIPE_PRIVATE_H
#define LIBOS_PIPE_PIPE_PRIVATE_H

#include "pipe/pipe.h"

struct pipe {
    /* guards all below but the queues, which have their own locks */
    struct mutex mutex;
    u64 head, tail;            /* I1 */
    u32 pages;                 /* a power of two */
    u32 readers, writers;      /* open files of each side */
    /* how often one was opened: a FIFO's open waits for a change */
    u32 reader_opens, writer_opens;
    u8 **page;                 /* inline_page, or on the heap; NULL: no frame yet (I2) */
    struct waitq readable;     /* something to read, or no writer any more */
    struct waitq writable;     /* room, or no reader any more */
    struct waitq opened;       /* a FIFO's other side */
    u8 *inline_page[PIPE_PAGES_DEFAULT];
};

struct pipe *pipe_new(void);
void pipe_free(struct pipe *p);
i64 pipe_read(struct file *f, struct uio *u, u64 *pos);
i64 pipe_write(struct file *f, struct uio *u, u64 *pos);
u32 pipe_poll(struct file *f, struct poll_table *t);
i64 pipe_ioctl(struct file *f, u32 request, uaddr arg);

#endif

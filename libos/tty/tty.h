/* SPDX-License-Identifier: MIT */
/*
 * Terminals: a line discipline with readers, writers, and a session.
 *
 * Y1. `lock` guards the discipline, session, foreground group and window; it is a mutex,
 * so that echo may sleep. Y2. A driver delivers bytes with tty_receive from a LibOS
 * thread; nothing of a terminal runs in interrupt context. Y3. sid != 0 while the
 * terminal is the controlling one of that session; all its processes have process->tty ==
 * this.
 */
#ifndef LIBOS_TTY_TTY_H
#define LIBOS_TTY_TTY_H

#include "core/lock.h"
#include "core/wait.h"
#include "tty/ldisc.h"

struct tty {
    struct mutex lock;
    struct ldisc ldisc;
    struct waitq readable, writable;
    i32 sid, fg_pgid; /* 0: none */
    u16 rows, columns, xpixel, ypixel;
    u8 *out; /* one page of the direct map: output on its way */
    u32 out_count;
    void (*send)(struct tty *t, const u8 *bytes,
                 u32 count); /* the driver: may sleep; lock held */
    u64 rdev;
};

void tty_init_one(struct tty *t, u64 rdev,
                  void (*send)(struct tty *t, const u8 *bytes, u32 count));
void tty_receive(struct tty *t, const u8 *bytes, u32 count);
void tty_hangup_session(struct tty *t, i32 sid);
/* The console: COM1 through the UART driver; registers tty, console, ttyS0. */
void tty_init(void);
/* /dev/host: the channels of a host that started this machine with a command. */
void hostpipe_init(void);
int hostpipe_populate(void); /* the nodes, once /dev is there */

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Terminals: a line discipline with readers, writers, and a session.
 *
 * Y1. `lock` guards the discipline, session, foreground group, window and pending input.
 *     It is a mutex and is not held while a reader or writer sleeps for its terminal.
 * Y2. A driver delivers bytes with tty_receive from a LibOS thread, or with the lock held
 *     with tty_accept; nothing of a terminal runs in interrupt context.
 * Y3. sid != 0 while the terminal is the controlling one of that session: its
 *     leader and who was forked since have process->tty == this.  fg_pgid has a hold on its number (P1 of
 *     proc/pid.h) while it is not 0.
 * Y4. `reader` and `writer` are the one whose turn it is: a read or write is one piece,
 *     also while it sleeps.
 * Y5. An open file is hung up when its epoch is not the terminal's: reads give end of
 *     file, writes and ioctl E_IO.
 * Y6. What a driver takes out of ldisc.out it announces with tty_drained.
 */
#ifndef LIBOS_TTY_TTY_H
#define LIBOS_TTY_TTY_H

#include "core/lock.h"
#include "core/wait.h"
#include "tty/ldisc.h"

#define TTY_PENDING 4096u
#define TTY_OUT     8192u

struct tty;
struct tty_driver {
    /* There is something in ldisc.out: take it; no lock held, may sleep. */
    void (*push)(struct tty *t);
    /* NULL, or: bytes that were taken out of ldisc.out and are not sent yet */
    u32 (*in_flight)(struct tty *t);
    /* NULL, or: the last open file of the terminal's side is gone; lock held */
    void (*closed)(struct tty *t);
    /* NULL, or: the terminal was set, from `old`; lock held */
    void (*changed)(struct tty *t, const struct termios *old);
    /* NULL, or: the last reference is gone */
    void (*free)(struct tty *t);
    bool is_pty;
};
struct tty {
    _Atomic u32 refs;
    struct mutex lock;
    struct ldisc ldisc;
    struct termios locked; /* bits and characters that are not 0 stay as they are */
    struct ring pending; /* input that the discipline has no room for */
    struct waitq readable, writable, turns;
    struct waitq room; /* drivers wait here for room in `pending` */
    struct thread *reader, *writer;
    i32 sid, fg_pgid; /* 0: none */
    u32 epoch, opens; /* Y5; open files, hung up ones too */
    bool exclusive;   /* TIOCEXCL */
    bool gone;        /* pty: the master is closed */
    bool throttled;   /* IXOFF: STOP was sent */
    u16 rows, columns, xpixel, ypixel;
    u64 rdev;
    const struct tty_driver *driver;
};
/* What file->priv is. */
struct tty_file {
    struct tty *tty; /* a reference */
    u32 epoch;
    bool console; /* /dev/console: no job control, never hung up */
};

/* `memory`: 4 pages of the direct map, the terminal's. */
void tty_init_one(struct tty *t, u64 rdev, const struct tty_driver *driver, u8 *memory);
void tty_hold(struct tty *t);
void tty_release(struct tty *t);
/* All bytes; sleeps while there is no room. */
void tty_receive(struct tty *t, const u8 *bytes, u32 count);
/* As many as there is room for; lock held. */
u32 tty_accept(struct tty *t, const u8 *bytes, u32 count);
/* Room in ldisc.out; lock held. */
void tty_drained(struct tty *t);
/* Drop the lock and give what is to be sent to the driver. */
void tty_unlock(struct tty *t);
/* All open files end, the session loses the terminal.  with_group: SIG_HUP to the
 * foreground group too. */
void tty_hangup(struct tty *t, bool with_group);
void tty_set_window(struct tty *t, u16 rows, u16 columns, u16 xpixel, u16 ypixel);

/* The console: COM1 through the UART driver; registers tty, console, ttyS0. */
void tty_init(void);
/* The console's size as the host's terminal has it now. */
void console_resized(u16 rows, u16 columns);
/* The terminal was given to this instance; or is to go, and is let go of. May sleep. */
void console_attach(void);
void console_detach(void);
/* vhangup(2): the current process's terminal; the caller has checked its rights. */
void tty_hangup_current(void);
/* /dev/host: the channels of a host that started this machine with a command. */
void hostpipe_init(void);
int hostpipe_populate(void); /* the nodes, once /dev is there */
/* pseudo-terminals: registers ptmx */
void pty_init(void);

#endif

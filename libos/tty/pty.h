/* SPDX-License-Identifier: MIT */
/*
 * Pseudo-terminals (pty(7)): a terminal whose line is a file, the master.
 *
 * The slave's side is an ordinary struct tty.  What it sends waits in ldisc.out for the
 * master to read it; what the master writes goes through tty_accept.  Nothing is lost:
 * who finds no room waits.
 *
 * M1. The terminal's lock guards all of this too.
 * M2. The master's file holds a reference, so does each open file of the slave, and its
 *     node in devpts.  tty.gone is set when the master is closed, and never unset.
 * M3. `shut`: the slave was opened and the last of its files is closed: the master reads
 *     E_IO once it has read what is there.
 */
#ifndef LIBOS_TTY_PTY_H
#define LIBOS_TTY_PTY_H

#include "tty/tty.h"

struct devpts;
struct pty {
    struct tty tty;
    struct waitq master_readable; /* master_writable is tty.room */
    struct devpts *fs;            /* a reference */
    u32 index;
    bool locked, shut;
    bool packet;
    u8 status; /* TIOCPKT_* bits that the master has not read */
    struct thread *master_reader;
};
static inline struct pty *
pty_of(struct tty *t)
{
    return container_of(t, struct pty, tty);
}

struct file;
struct inode;
/* ---- devpts.c ---- */
void devpts_init(void); /* registers the kind of file system */
struct pts_owner {
    u32 uid, gid;
};
/* Give a number and a node to a new pair: its index.  -E_NOSPC -E_NOMEM */
int devpts_enter(struct devpts *d, struct pty *p, const struct pts_owner *by) MUST_CHECK;
/* The node goes; the number is free again. */
void devpts_leave(struct devpts *d, u32 index);
void devpts_hold(struct devpts *d);
void devpts_release(struct devpts *d);
/* The instance that a ptmx node belongs to: its own, or the one mounted on `pts` beside
 * it; with a reference.  -E_NODEV: `pts` is something else; errors of path_walk */
int devpts_of_ptmx(struct file *f, struct devpts **out) MUST_CHECK;
/* Open the slave of a master's file (TIOCGPTPEER), wherever it is mounted now. */
int devpts_open_peer(struct file *master, struct pty *p, u32 flags,
                     struct file **out) MUST_CHECK;
/* ---- pty.c ---- */
int pty_open_master(struct inode *i, struct file *f) MUST_CHECK;
int pty_open_slave(struct pty *p, struct file *f) MUST_CHECK;

#endif

/* SPDX-License-Identifier: MIT */
/* What the files of the tty room share. */
#ifndef LIBOS_TTY_TTY_PRIVATE_H
#define LIBOS_TTY_TTY_PRIVATE_H

#include "core/error.h"
#include "core/log.h"
#include "core/usercopy.h"
#include "tty/tty.h"
#include "vfs/vfs.h"

/* ---- files (tty.c) ---- */
extern const struct file_ops tty_ops;
/* Open the terminal's side as f, whose ops are set; takes the terminal for the session
 * where XBD 11.1.3 says so (never through /dev/console).  -E_BUSY: TIOCEXCL; -E_IO: gone;
 * -E_NOMEM */
int tty_open(struct tty *t, struct file *f, bool console) MUST_CHECK;
static inline struct tty_file *
tty_file_of(struct file *f)
{
    return f->priv;
}
static inline bool
tty_hung_up(const struct tty_file *h)
{
    return h->epoch != __atomic_load_n(&h->tty->epoch, __ATOMIC_RELAXED) && !h->console;
}
/* Move pending input on; lock held. */
void tty_pump(struct tty *t);
/* Wait until output is sent.  -E_RESTART */
int tty_drain(struct tty *t) MUST_CHECK;
void tty_flush_input(struct tty *t); /* lock held */

/* ---- tty_read.c, tty_write.c ---- */
i64 tty_read(struct file *f, struct uio *u, u64 *pos);
i64 tty_write(struct file *f, struct uio *u, u64 *pos);
/* Wait for one's turn; lock held, given up while it sleeps.  -E_AGAIN -E_RESTART */
int tty_take_turn(struct tty *t, struct thread **whose, bool nonblock) MUST_CHECK;
void tty_end_turn(struct tty *t, struct thread **whose);

/* ---- tty_job.c ---- */
/* May the current process use its controlling terminal (XBD 11.1.4)?  0, or a signal was
 * sent and the call restarts, or -E_IO where the signal cannot help. */
int tty_check_job(struct tty *t, int number) MUST_CHECK;
/* Take it for the current session.  -E_PERM */
int tty_acquire(struct tty *t, bool steal) MUST_CHECK;
int tty_give_up(struct tty *t) MUST_CHECK;        /* TIOCNOTTY */
struct tty *tty_current(void);                    /* a reference; NULL: none */
void tty_set_foreground(struct tty *t, i32 pgid); /* held already; lock held */
void tty_job_init(void);

/* ---- tty_ioctl.c, tty_termios.c ---- */
i64 tty_ioctl(struct file *f, u32 request, uaddr arg);
/* What both sides of a pseudo-terminal answer alike; -E_NOTTY: nothing of that. */
i64 tty_ioctl_both(struct tty *t, bool master, u32 request, uaddr arg);
i64 tty_ioctl_termios(struct tty *t, u32 request, uaddr arg);
static inline i64
tty_put_int(uaddr to, i32 value)
{
    return copy_to_user(to, &value, sizeof(value));
}
bool tty_is_root(void); /* the current process */

#endif

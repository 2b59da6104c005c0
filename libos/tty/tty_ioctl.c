/* SPDX-License-Identifier: MIT */
/* ioctl on terminals (ioctl_tty(2)); requests and structures are Linux's, since programs
 * pass them.  The modes are in tty_termios.c, a master's own requests in pty.c. */
#include "proc/pid.h"
#include "proc/proc.h"
#include "proc/session.h"
#include "signal/signal.h"
#include "tty/tty_private.h"

enum {
    T_SBRK = 0x5409,
    T_XONC,
    T_FLSH,
    T_EXCL,
    T_NXCL,
    T_SCTTY,
    T_GPGRP,
    T_SPGRP,
    T_OUTQ,
    T_STI,
    T_GWINSZ,
    T_SWINSZ,
    T_GSOFTCAR = 0x5419,
    T_SSOFTCAR,
    T_INQ,
    T_CONS = 0x541d,
    T_NOTTY = 0x5422,
    T_SETD,
    T_GETD,
    T_SBRKP,
    T_BRK_ON = 0x5427,
    T_BRK_OFF,
    T_GSID,
    T_VHANGUP = 0x5437,
    T_PEER = 0x5441,
};
#define T_GDEV  0x80045432u
#define T_GEXCL 0x80045440u
#define CLOCAL  0x800u
enum { FLOW_OUT_OFF, FLOW_OUT_ON, FLOW_IN_OFF, FLOW_IN_ON };
enum { FLUSH_IN, FLUSH_OUT, FLUSH_BOTH };

struct user_winsize {
    u16 rows, columns, xpixel, ypixel;
};

/* ---- window ---- */

void
tty_set_window(struct tty *t, u16 rows, u16 columns, u16 xpixel, u16 ypixel)
{
    i32 group = 0;

    mutex_lock(&t->lock);
    if (rows != t->rows || columns != t->columns || xpixel != t->xpixel ||
        ypixel != t->ypixel)
        group = t->fg_pgid;
    t->rows = rows;
    t->columns = columns;
    t->xpixel = xpixel;
    t->ypixel = ypixel;
    if (group > 0)
        signal_send_group(group, SIG_WINCH, NULL);
    mutex_unlock(&t->lock);
}

static i64
set_window(struct tty *t, uaddr from)
{
    struct user_winsize w;

    int r = copy_from_user(&w, from, sizeof(w));
    if (r == 0)
        tty_set_window(t, w.rows, w.columns, w.xpixel, w.ypixel);
    return r;
}

static i64
get_window(struct tty *t, uaddr to)
{
    mutex_lock(&t->lock);
    struct user_winsize w = { t->rows, t->columns, t->xpixel, t->ypixel };
    mutex_unlock(&t->lock);
    return copy_to_user(to, &w, sizeof(w));
}

/* ---- sessions ---- */

static i64
set_group(struct tty *t, uaddr from)
{
    struct process *p = proc_current();
    i32 group;

    int r = tty_check_job(t, SIG_TTOU);
    if (r != 0)
        return r == -E_IO ? -E_NOTTY : r;
    r = copy_from_user(&group, from, sizeof(group));
    if (r != 0)
        return r;
    if (group < 0)
        return -E_INVAL;
    mutex_lock(&t->lock);
    r = p->tty != t || t->sid != p->sid ? -E_NOTTY : session_hold_group(group);
    if (r == 0)
        tty_set_foreground(t, group);
    mutex_unlock(&t->lock);
    return r;
}

static i64
get_group(struct tty *t, bool master, uaddr to)
{
    if (!master && proc_current()->tty != t)
        return -E_NOTTY;
    return tty_put_int(to, t->fg_pgid);
}

static i64
get_session(struct tty *t, bool master, uaddr to)
{
    i32 sid = t->sid;

    if ((!master && proc_current()->tty != t) || sid == 0)
        return -E_NOTTY;
    return tty_put_int(to, sid);
}

/* A descriptor that cannot read gives no terminal, except to root. */
static i64
take_terminal(struct tty *t, struct file *f, uaddr arg)
{
    struct process *p = proc_current();
    bool own = session_is_leader() && t->sid == p->sid;

    if (!own && (f->flags & OPEN_READ) == 0 && !tty_is_root())
        return -E_PERM;
    return tty_acquire(t, arg == 1 && tty_is_root());
}

/* ---- flow ---- */

static i64
flow_control(struct tty *t, uaddr action)
{
    struct ldisc *l = &t->ldisc;

    int r = tty_check_job(t, SIG_TTOU);
    if (r != 0)
        return r;
    if (action > FLOW_IN_ON)
        return -E_INVAL;
    mutex_lock(&t->lock);
    if (action == FLOW_OUT_OFF) {
        l->held = true;
        ldisc_stop(l);
    } else if (action == FLOW_OUT_ON) {
        if (l->held)
            ldisc_start(l);
    } else {
        u8 byte = l->t.cc[action == FLOW_IN_OFF ? CC_STOP : CC_START];
        if (byte != 0 && ring_room(&l->out) > 0)
            ring_put(&l->out, byte);
    }
    tty_unlock(t);
    wait_wake(&t->writable, ~0u);
    return 0;
}

static i64
flush_queues(struct tty *t, uaddr which)
{
    struct ldisc *l = &t->ldisc;

    int r = tty_check_job(t, SIG_TTOU);
    if (r != 0)
        return r;
    if (which > FLUSH_BOTH)
        return -E_INVAL;
    mutex_lock(&t->lock);
    if (which != FLUSH_OUT) {
        tty_flush_input(t);
        if (l->event != NULL)
            l->event(l, LDISC_FLUSH_IN);
    }
    if (which != FLUSH_IN)
        ldisc_flush_output(l);
    mutex_unlock(&t->lock);
    wait_wake(&t->writable, ~0u);
    return 0;
}

/* No line here can be broken, so what is left of tcsendbreak is that output goes out
 * first. */
static i64
send_break(struct tty *t)
{
    int r = tty_check_job(t, SIG_TTOU);
    return r != 0 ? r : tty_drain(t);
}

/* TIOCSTI: as if it were typed. */
static i64
simulate_input(struct tty *t, uaddr from)
{
    u8 byte;

    if (proc_current()->tty != t && !tty_is_root())
        return -E_PERM;
    int r = copy_from_user(&byte, from, 1);
    if (r != 0)
        return r;
    mutex_lock(&t->lock);
    tty_accept(t, &byte, 1);
    tty_unlock(t);
    return 0;
}

/* ---- small ones ---- */

static i64
set_discipline(uaddr from)
{
    i32 number;

    int r = copy_from_user(&number, from, sizeof(number));
    return r != 0 ? r : number == 0 ? 0 : -E_INVAL; /* N_TTY is the only one */
}

static i64
set_clocal(struct tty *t, uaddr from)
{
    i32 on;

    int r = copy_from_user(&on, from, sizeof(on));
    if (r != 0)
        return r;
    mutex_lock(&t->lock);
    t->ldisc.t.cflag = (t->ldisc.t.cflag & ~CLOCAL) | (on ? CLOCAL : 0);
    mutex_unlock(&t->lock);
    return 0;
}

static i64
set_exclusive(struct tty *t, bool on)
{
    mutex_lock(&t->lock);
    t->exclusive = on;
    mutex_unlock(&t->lock);
    return 0;
}

static i64
hang_up(struct tty *t)
{
    if (!tty_is_root())
        return -E_PERM;
    tty_hangup(t, false);
    return 0;
}

static i64
available(struct tty *t, uaddr to)
{
    mutex_lock(&t->lock);
    tty_pump(t);
    i32 n = (i32)ldisc_available(&t->ldisc);
    mutex_unlock(&t->lock);
    return tty_put_int(to, n);
}

static i64
unsent(struct tty *t, uaddr to)
{
    u32 n = t->driver->in_flight == NULL
                ? 0
                : ring_count(&t->ldisc.out) + t->driver->in_flight(t);
    return tty_put_int(to, (i32)n);
}

i64
tty_ioctl_both(struct tty *t, bool master, u32 request, uaddr arg)
{
    switch (request) {
    case T_GPGRP: return get_group(t, master, arg);
    case T_SPGRP: return set_group(t, arg);
    case T_GSID: return get_session(t, master, arg);
    case T_GWINSZ: return get_window(t, arg);
    case T_SWINSZ: return set_window(t, arg);
    case T_GDEV: return tty_put_int(arg, (i32)t->rdev);
    case T_GETD: return tty_put_int(arg, 0);
    case T_SETD: return set_discipline(arg);
    case T_GSOFTCAR: return tty_put_int(arg, (t->ldisc.t.cflag & CLOCAL) != 0);
    case T_SSOFTCAR: return set_clocal(t, arg);
    default: return tty_ioctl_termios(t, request, arg);
    }
}

i64
tty_ioctl(struct file *f, u32 request, uaddr arg)
{
    struct tty_file *h = tty_file_of(f);
    struct tty *t = h->tty;

    if (tty_hung_up(h))
        return request == T_SPGRP ? -E_NOTTY : -E_IO;
    switch (request) {
    case T_SBRK:
    case T_SBRKP:
    case T_BRK_ON: return send_break(t);
    case T_BRK_OFF: return tty_check_job(t, SIG_TTOU);
    case T_XONC: return flow_control(t, arg);
    case T_FLSH: return flush_queues(t, arg);
    case T_EXCL: return set_exclusive(t, true);
    case T_NXCL: return set_exclusive(t, false);
    case T_GEXCL: return tty_put_int(arg, t->exclusive);
    case T_SCTTY: return take_terminal(t, f, arg);
    case T_NOTTY: return tty_give_up(t);
    case T_OUTQ: return unsent(t, arg);
    case T_INQ: return available(t, arg);
    case T_STI: return simulate_input(t, arg);
    case T_VHANGUP: return hang_up(t);
    case T_PEER: return -E_IO; /* it is no master */
    default: return tty_ioctl_both(t, false, request, arg);
    }
}

/* SPDX-License-Identifier: MIT */
/*
 * ioctl on terminals (ioctl_tty(2)).  Requests and structures are Linux's, since programs
 * pass them: struct termios is four 32-bit flag words, the line discipline's byte and 19
 * control characters.
 */
#include "core/clock.h"
#include "core/string.h"
#include "proc/proc.h"
#include "proc/session.h"
#include "signal/signal.h"
#include "tty/tty_private.h"

enum {
    T_GETS = 0x5401,
    T_SETS,
    T_SETSW,
    T_SETSF,
    T_SBRK = 0x5409,
    T_XONC,
    T_FLSH,
    T_EXCL,
    T_NXCL,
    T_SCTTY,
    T_GPGRP,
    T_SPGRP,
    T_OUTQ,
    T_GWINSZ = 0x5413,
    T_SWINSZ,
    T_INQ = 0x541b,
    T_NOTTY = 0x5422,
    T_SBRKP = 0x5425,
    T_GSID = 0x5429,
};

struct user_termios {
    u32 iflag, oflag, cflag, lflag;
    u8 line, cc[LDISC_CCS];
};
struct user_winsize {
    u16 rows, columns, xpixel, ypixel;
};

static i64
get_termios(struct tty *t, uaddr to)
{
    struct user_termios u;

    mutex_lock(&t->lock);
    u = (struct user_termios){ t->ldisc.t.iflag, t->ldisc.t.oflag, t->ldisc.t.cflag,
                               t->ldisc.t.lflag, t->ldisc.t.line,  { 0 } };
    memcpy(u.cc, t->ldisc.t.cc, sizeof(u.cc));
    mutex_unlock(&t->lock);
    return copy_to_user(to, &u, sizeof(u));
}

/* Output is never queued behind the call, so that waiting for it (SETSW) is no wait. */
static i64
set_termios(struct tty *t, uaddr from, bool flush)
{
    struct user_termios u;
    struct termios k;

    int r = tty_check_job(t, SIG_TTOU);
    if (r == 0)
        r = copy_from_user(&u, from, sizeof(u));
    if (r != 0)
        return r;
    k = (struct termios){ u.iflag, u.oflag, u.cflag, u.lflag, 0, { 0 } };
    memcpy(k.cc, u.cc, sizeof(k.cc));
    mutex_lock(&t->lock);
    if (flush)
        ldisc_flush_input(&t->ldisc);
    ldisc_set(&t->ldisc, &k);
    mutex_unlock(&t->lock);
    wait_wake(&t->readable, ~0u);
    wait_wake(&t->writable, ~0u);
    return 0;
}

static i64
set_window(struct tty *t, uaddr from)
{
    struct user_winsize w;
    i32 group = 0;

    int r = copy_from_user(&w, from, sizeof(w));
    if (r != 0)
        return r;
    mutex_lock(&t->lock);
    if (w.rows != t->rows || w.columns != t->columns)
        group = t->fg_pgid;
    t->rows = w.rows;
    t->columns = w.columns;
    t->xpixel = w.xpixel;
    t->ypixel = w.ypixel;
    mutex_unlock(&t->lock);
    if (group > 0)
        signal_send_group(group, SIG_WINCH, NULL);
    return 0;
}

static i64
get_window(struct tty *t, uaddr to)
{
    struct user_winsize w = { t->rows, t->columns, t->xpixel, t->ypixel };
    return copy_to_user(to, &w, sizeof(w));
}

static i64
put_int(uaddr to, i32 value)
{
    return copy_to_user(to, &value, sizeof(value));
}

static i64
set_group(struct tty *t, uaddr from)
{
    struct process *p = proc_current();
    i32 group;

    if (p->tty != t || t->sid != p->sid)
        return -E_NOTTY;
    int r = tty_check_job(t, SIG_TTOU);
    if (r == 0)
        r = copy_from_user(&group, from, sizeof(group));
    if (r != 0)
        return r;
    if (group < 0)
        return -E_INVAL;
    i32 session = session_of_group(group);
    if (session < 0)
        return session;
    if (session != p->sid)
        return -E_PERM;
    mutex_lock(&t->lock);
    t->fg_pgid = group;
    mutex_unlock(&t->lock);
    return 0;
}

static i64
give_up_terminal(struct tty *t)
{
    struct process *p = proc_current();

    if (p->tty != t)
        return -E_NOTTY;
    if (!session_is_leader()) {
        session_tty_drop();
        return 0;
    }
    tty_hangup_session(t, p->sid);
    session_tty_clear(p->sid);
    return 0;
}

static i64
flow_control(struct tty *t, uaddr action)
{
    if (action > 3)
        return -E_INVAL;
    int r = tty_check_job(t, SIG_TTOU);
    if (r != 0)
        return r;
    if (action < 2) { /* TCOOFF, TCOON; the line's own flow control takes no characters */
        mutex_lock(&t->lock);
        t->ldisc.stopped = action == 0;
        mutex_unlock(&t->lock);
        wait_wake(&t->writable, ~0u);
    }
    return 0;
}

static i64
flush_queues(struct tty *t, uaddr which)
{
    if (which > 2)
        return -E_INVAL;
    int r = tty_check_job(t, SIG_TTOU);
    if (r != 0)
        return r;
    if (which != 1) {
        mutex_lock(&t->lock);
        ldisc_flush_input(&t->ldisc);
        mutex_unlock(&t->lock);
    }
    return 0;
}

i64
tty_ioctl(struct file *f, u32 request, uaddr arg)
{
    struct tty *t = f->priv;
    struct process *p = proc_current();

    switch (request) {
    case T_GETS: return get_termios(t, arg);
    case T_SETS:
    case T_SETSW: return set_termios(t, arg, false);
    case T_SETSF: return set_termios(t, arg, true);
    case T_SBRK:
    case T_SBRKP: return tty_check_job(t, SIG_TTOU);
    case T_XONC: return flow_control(t, arg);
    case T_FLSH: return flush_queues(t, arg);
    case T_SCTTY: return tty_acquire(t);
    case T_NOTTY: return give_up_terminal(t);
    case T_GPGRP: return p->tty == t ? put_int(arg, t->fg_pgid) : -E_NOTTY;
    case T_SPGRP: return set_group(t, arg);
    case T_GSID: return p->tty == t ? put_int(arg, t->sid) : -E_NOTTY;
    case T_OUTQ: return put_int(arg, 0);
    case T_INQ: return put_int(arg, (i32)ldisc_available(&t->ldisc));
    case T_GWINSZ: return get_window(t, arg);
    case T_SWINSZ: return set_window(t, arg);
    default: return -E_NOTTY;
    }
}

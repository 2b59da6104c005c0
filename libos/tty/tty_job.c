/* SPDX-License-Identifier: MIT */
/*
 * Terminals and sessions: job control, taking a terminal, losing it.
 *
 * t->lock is taken before family_lock.  Who changes t->sid or t->fg_pgid holds t->lock.
 */
#include "core/log.h"
#include "proc/pid.h"
#include "proc/proc.h"
#include "proc/session.h"
#include "signal/signal.h"
#include "tty/tty_private.h"

int
tty_check_job(struct tty *t, int number)
{
    struct process *p = proc_current();

    if (p->tty != t || t->fg_pgid == 0 || p->pgid == t->fg_pgid)
        return 0;
    if (signal_is_blocked_or_ignored(number))
        return number == SIG_TTIN ? -E_IO : 0;
    if (session_group_orphaned(p->pgid))
        return -E_IO;
    signal_send_group(p->pgid, number, NULL);
    return -E_RESTART;
}

static void
hold_tty(struct tty *t)
{
    tty_hold(t);
}

struct tty *
tty_current(void)
{
    return session_tty_get(hold_tty);
}

void
tty_set_foreground(struct tty *t, i32 pgid)
{
    i32 old = t->fg_pgid;

    t->fg_pgid = pgid;
    if (old != 0)
        pid_drop(old);
}

int
tty_acquire(struct tty *t, bool steal)
{
    struct process *p = proc_current();
    int r = 0;

    mutex_lock(&t->lock);
    if (session_is_leader() && t->sid == p->sid) {
        mutex_unlock(&t->lock);
        return 0;
    }
    if (t->gone)
        r = -E_IO;
    else if (t->sid != 0 && !(steal && session_is_leader() && p->tty == NULL))
        r = -E_PERM;
    if (r == 0 && t->sid != 0) {
        session_tty_clear(t->sid);
        t->sid = 0;
        tty_set_foreground(t, 0);
    }
    if (r == 0)
        r = session_tty_set(t);
    if (r == 0) {
        t->sid = p->sid;
        pid_hold(p->pgid);
        tty_set_foreground(t, p->pgid);
    }
    mutex_unlock(&t->lock);
    return r;
}

/* The session goes from the terminal; returns the foreground group, whose number the
 * caller has to drop. */
static i32
forget_session(struct tty *t, i32 sid)
{
    i32 group = 0;

    mutex_lock(&t->lock);
    if (t->sid == sid && sid != 0) {
        group = t->fg_pgid;
        t->sid = t->fg_pgid = 0;
    }
    mutex_unlock(&t->lock);
    return group;
}

int
tty_give_up(struct tty *t)
{
    struct process *p = proc_current();

    if (p->tty != t)
        return -E_NOTTY;
    if (!session_is_leader()) {
        session_tty_drop();
        return 0;
    }
    i32 group = forget_session(t, p->sid);
    session_tty_clear(p->sid);
    if (group != 0) {
        signal_send_group(group, SIG_HUP, NULL);
        signal_send_group(group, SIG_CONT, NULL);
        pid_drop(group);
    }
    return 0;
}

void
tty_hangup(struct tty *t, bool with_group)
{
    mutex_lock(&t->lock);
    i32 sid = t->sid, group = t->fg_pgid;
    t->sid = t->fg_pgid = 0;
    __atomic_fetch_add(&t->epoch, 1, __ATOMIC_RELAXED);
    if (!t->driver->is_pty)
        t->exclusive = false;
    tty_flush_input(t);
    ring_clear(&t->ldisc.echo);
    ldisc_start(&t->ldisc);
    mutex_unlock(&t->lock);
    /* Signals first: a reader that is woken finds its SIGHUP before its end of file. */
    if (sid != 0)
        session_hung_up(sid, group);
    if (group != 0 && with_group)
        signal_send_group(group, SIG_HUP, NULL);
    wait_wake(&t->readable, ~0u);
    wait_wake(&t->writable, ~0u);
    if (group != 0)
        pid_drop(group);
}

void
tty_hangup_current(void)
{
    struct tty *t = tty_current();

    if (t == NULL)
        return;
    tty_hangup(t, false);
    tty_release(t);
}

/* The leader of a session ends (hook of proc).  A real line is hung up; who shares a
 * pseudo-terminal keeps it. */
static void
session_ended(void)
{
    struct tty *t = tty_current();

    if (t == NULL)
        return;
    if (!t->driver->is_pty) {
        tty_hangup(t, true);
    } else {
        i32 sid = proc_current()->sid, group = forget_session(t, sid);
        session_tty_clear(sid); /* while it is held: no close of the master does it now */
        if (group != 0) {
            signal_send_group(group, SIG_HUP, NULL);
            pid_drop(group);
        }
    }
    tty_release(t);
}

void
tty_job_init(void)
{
    session_ended_hook = session_ended;
}

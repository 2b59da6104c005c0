/* SPDX-License-Identifier: MIT */
/* Terminals as files: reading, writing, job control, ioctl; tty.h has the invariants. */
#include "tty/tty.h"

#include "core/clock.h"
#include "core/page.h"
#include "core/string.h"
#include "fs/dev/dev.h"
#include "proc/proc.h"
#include "proc/session.h"
#include "signal/signal.h"
#include "tty/tty_private.h"

static void
flush_out(struct tty *t)
{
    if (t->out_count == 0)
        return;
    t->send(t, t->out, t->out_count);
    t->out_count = 0;
}

static void
ldisc_put(struct ldisc *l, u8 byte)
{
    struct tty *t = l->owner;

    t->out[t->out_count++] = byte;
    if (t->out_count == PAGE_SIZE)
        flush_out(t);
}

static void
ldisc_signal(struct ldisc *l, int number)
{
    struct tty *t = l->owner;

    if (t->fg_pgid > 0)
        signal_send_group(t->fg_pgid, number, NULL);
}

void
tty_init_one(struct tty *t, u64 rdev,
             void (*send)(struct tty *t, const u8 *bytes, u32 count))
{
    frame_t page = page_alloc();

    ASSERT(page != FRAME_NONE);
    mutex_init(&t->lock);
    waitq_init(&t->readable);
    waitq_init(&t->writable);
    ldisc_init(&t->ldisc);
    t->ldisc.put = ldisc_put;
    t->ldisc.signal = ldisc_signal;
    t->ldisc.owner = t;
    t->out = page_ptr(page);
    t->send = send;
    t->rdev = rdev;
}

void
tty_receive(struct tty *t, const u8 *bytes, u32 count)
{
    mutex_lock(&t->lock);
    bool stopped = t->ldisc.stopped;
    for (u32 i = 0; i < count; i++)
        ldisc_input(&t->ldisc, bytes[i]);
    flush_out(t);
    bool goes_on = stopped && !t->ldisc.stopped;
    mutex_unlock(&t->lock);
    wait_wake(&t->readable, ~0u);
    if (goes_on)
        wait_wake(&t->writable, ~0u);
}

/* ---- job control ---- */

/* POSIX XBD 11.1.4: may the current process use its controlling terminal?  0, or a signal
 * was sent and the call restarts, or -E_IO where the signal cannot help. */
int
tty_check_job(struct tty *t, int number)
{
    struct process *p = proc_current();

    if (p->tty != t || t->fg_pgid == 0 || p->pgid == t->fg_pgid)
        return 0;
    struct signal_action old;
    u64 bit = SIG_BIT(number);
    bool ignored = signal_action_set(p, number, NULL, &old) == 0 &&
                   old.handler == SIG_HANDLER_IGNORE;
    if (ignored || (thread_current()->signal_mask & bit) ||
        session_group_orphaned(p->pgid))
        return number == SIG_TTIN                                   ? -E_IO
               : (ignored || (thread_current()->signal_mask & bit)) ? 0
                                                                    : -E_IO;
    signal_send_group(p->pgid, number, NULL);
    return -E_RESTART;
}

/* ---- read ---- */

/* Raw reads return with MIN bytes, or when TIME tenths of a second passed (XBD 11.1.7).
 * Canonical: with a line. */
static int
wait_input(struct tty *t, struct file *f, u64 wanted)
{
    u32 min = 1;
    u64 deadline = ~0ull;
    bool timed = false;

    if (!(t->ldisc.t.lflag & TL_ICANON)) {
        u32 vmin = t->ldisc.t.cc[CC_MIN], vtime = t->ldisc.t.cc[CC_TIME];
        min = vmin < wanted ? vmin : (u32)wanted;
        timed = vtime > 0 && (vmin == 0 || t->ldisc.head != t->ldisc.tail);
        if (timed)
            deadline = clock_mono_ns() + vtime * 100000000ull;
        if (vmin == 0 && vtime == 0)
            return 0;
    }
    if (ldisc_readable(&t->ldisc, min))
        return 0;
    if (f->flags & OPEN_NONBLOCK)
        return ldisc_readable(&t->ldisc, 1) ? 0 : -E_AGAIN;
    u32 head = t->ldisc.head;
    mutex_unlock(&t->lock);
    /* With TIME between bytes, each new byte starts the clock again: the caller's loop
     * does that. */
    int r = wait_until(
        &t->readable, ldisc_readable(&t->ldisc, min) || (!timed && t->ldisc.head != head),
        true, deadline);
    mutex_lock(&t->lock);
    if (r == -E_TIMEDOUT)
        return 0;
    if (r != 0)
        return -E_RESTART;
    return ldisc_readable(&t->ldisc, min) ? 0 : -E_AGAIN;
}

static i64
tty_read(struct file *f, struct uio *u, u64 *pos)
{
    struct tty *t = f->priv;
    u8 bytes[256];
    i64 done = 0;
    bool eof = false;

    (void)pos;
    if (u->left == 0)
        return 0;
    int r = tty_check_job(t, SIG_TTIN);
    if (r != 0)
        return r;
    mutex_lock(&t->lock);
    do {
        r = wait_input(t, f, u->left);
        if (r == -E_AGAIN && !(f->flags & OPEN_NONBLOCK)) {
            mutex_unlock(&t->lock);
            int job = tty_check_job(t, SIG_TTIN);
            mutex_lock(&t->lock);
            if (job != 0)
                r = job;
        }
    } while (r == -E_AGAIN && !(f->flags & OPEN_NONBLOCK));
    while (r == 0 && u->left > 0 && !eof) {
        bool canonical = t->ldisc.t.lflag & TL_ICANON;
        u32 n = ldisc_read(&t->ldisc, bytes,
                           u->left < sizeof(bytes) ? (u32)u->left : sizeof(bytes), &eof);
        if (n == 0)
            break;
        r = uio_put(u, bytes, n);
        done += n;
        if (canonical && (n < sizeof(bytes) || bytes[n - 1] == '\n'))
            break;
    }
    mutex_unlock(&t->lock);
    return done > 0 ? done : r;
}

/* ---- write ---- */

static i64
tty_write(struct file *f, struct uio *u, u64 *pos)
{
    struct tty *t = f->priv;
    u64 wanted = u->left;
    u8 bytes[512];
    int r = 0;

    (void)pos;
    if (t->ldisc.t.lflag & TL_TOSTOP) {
        r = tty_check_job(t, SIG_TTOU);
        if (r != 0)
            return r;
    }
    while (u->left > 0 && r == 0) {
        if (t->ldisc.stopped) {
            if (f->flags & OPEN_NONBLOCK)
                r = -E_AGAIN;
            else if (wait_until(&t->writable, !t->ldisc.stopped, true, ~0ull) != 0)
                r = -E_RESTART;
            if (r != 0)
                break;
        }
        u32 n = u->left < sizeof(bytes) ? (u32)u->left : (u32)sizeof(bytes);
        r = uio_get(u, bytes, n); /* before the lock: it may fault and sleep */
        if (r != 0)
            break;
        mutex_lock(&t->lock);
        for (u32 i = 0; i < n; i++)
            ldisc_output(&t->ldisc, bytes[i]);
        flush_out(t);
        mutex_unlock(&t->lock);
        if (u->left > 0)
            thread_breathe();
    }
    return u->left < wanted ? (i64)(wanted - u->left) : r;
}

static u32
tty_poll(struct file *f, struct poll_table *p)
{
    struct tty *t = f->priv;

    if (p) {
        p->add(p, &t->readable);
        p->add(p, &t->writable);
    }
    u32 min =
        t->ldisc.t.cc[CC_TIME] == 0 && t->ldisc.t.cc[CC_MIN] ? t->ldisc.t.cc[CC_MIN] : 1;
    return (ldisc_readable(&t->ldisc, min) ? POLL_IN : 0) |
           (t->ldisc.stopped ? 0 : POLL_OUT);
}

const struct file_ops tty_ops = {
    .read = tty_read,
    .write = tty_write,
    .poll = tty_poll,
    .ioctl = tty_ioctl,
    .traits = FILE_STREAM,
};

/* ---- sessions ---- */

void
tty_hangup_session(struct tty *t, i32 sid)
{
    i32 group = 0;

    mutex_lock(&t->lock);
    if (t->sid == sid) {
        group = t->fg_pgid;
        t->sid = t->fg_pgid = 0;
    }
    mutex_unlock(&t->lock);
    if (group > 0) {
        signal_send_group(group, SIG_HUP, NULL);
        signal_send_group(group, SIG_CONT, NULL);
    }
}

/* Take the terminal for the current session, if it may (open without NOCTTY, TIOCSCTTY).
 */
int
tty_acquire(struct tty *t)
{
    struct process *p = proc_current();
    int r = 0;

    mutex_lock(&t->lock);
    if (t->sid != 0 && t->sid != p->sid) {
        r = -E_PERM;
    } else if (t->sid == 0 || p->tty != t) {
        r = session_tty_set(t);
        if (r == 0) {
            t->sid = p->sid;
            t->fg_pgid = p->pgid;
        }
    }
    mutex_unlock(&t->lock);
    return r;
}

/* SPDX-License-Identifier: MIT */
/* Terminals: life, opening and closing, input from the driver; tty.h has the
 * invariants. */
#include "tty/tty.h"

#include "core/heap.h"
#include "proc/cred.h"
#include "proc/proc.h"
#include "proc/session.h"
#include "signal/signal.h"
#include "tty/tty_private.h"

/* May run with a spinlock held: signals may be sent then (docs/locks.md). */
static void
ldisc_signal(struct ldisc *l, int number)
{
    struct tty *t = l->owner;

    if (t->fg_pgid > 0)
        signal_send_group(t->fg_pgid, number, NULL);
}

void
tty_init_one(struct tty *t, u64 rdev, const struct tty_driver *driver, u8 *memory)
{
    atomic_init(&t->refs, 1);
    mutex_init(&t->lock);
    waitq_init(&t->readable);
    waitq_init(&t->writable);
    waitq_init(&t->turns);
    waitq_init(&t->room);
    ldisc_init(&t->ldisc, memory, memory + LDISC_QUEUE + TTY_PENDING, TTY_OUT);
    t->pending = (struct ring){ .bytes = memory + LDISC_QUEUE, .size = TTY_PENDING };
    t->ldisc.signal = ldisc_signal;
    t->ldisc.owner = t;
    t->driver = driver;
    t->rdev = rdev;
}

void
tty_hold(struct tty *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
}

void
tty_release(struct tty *t)
{
    if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1 &&
        t->driver->free != NULL)
        t->driver->free(t);
}

void
tty_unlock(struct tty *t)
{
    bool send = ring_count(&t->ldisc.out) > 0;

    mutex_unlock(&t->lock);
    if (send)
        t->driver->push(t);
}

/* ---- input ---- */

void
tty_pump(struct tty *t)
{
    u32 count, taken = 0;

    while (ring_count(&t->pending) > 0) {
        const u8 *bytes = ring_piece(&t->pending, &count);
        u32 n = ldisc_receive(&t->ldisc, bytes, count);
        t->pending.tail += n;
        taken += n;
        if (n < count)
            break;
    }
    if (taken == 0)
        return;
    if (t->throttled && ring_count(&t->pending) == 0) {
        t->throttled = false;
        if ((t->ldisc.t.iflag & TI_IXOFF) && t->ldisc.t.cc[CC_START] != 0)
            ldisc_echo_raw(&t->ldisc, t->ldisc.t.cc[CC_START]);
    }
    wait_wake(&t->readable, ~0u);
    wait_wake(&t->room, ~0u);
}

u32
tty_accept(struct tty *t, const u8 *bytes, u32 count)
{
    bool stopped = t->ldisc.stopped;
    u32 done = 0;

    tty_pump(t);
    if (ring_count(&t->pending) == 0)
        done = ldisc_receive(&t->ldisc, bytes, count);
    while (done < count && ring_room(&t->pending) > 0)
        ring_put(&t->pending, bytes[done++]);
    if (ring_count(&t->pending) > 0 && !t->throttled && !t->driver->is_pty) {
        t->throttled = true;
        if ((t->ldisc.t.iflag & TI_IXOFF) && t->ldisc.t.cc[CC_STOP] != 0)
            ldisc_echo_raw(&t->ldisc, t->ldisc.t.cc[CC_STOP]);
    }
    wait_wake(&t->readable, ~0u);
    if (stopped && !t->ldisc.stopped)
        wait_wake(&t->writable, ~0u);
    return done;
}

void
tty_receive(struct tty *t, const u8 *bytes, u32 count)
{
    while (count > 0) {
        mutex_lock(&t->lock);
        u32 n = tty_accept(t, bytes, count);
        tty_unlock(t);
        bytes += n;
        count -= n;
        if (count > 0)
            wait_until(&t->room, ring_room(&t->pending) > 0, false, ~0ull);
    }
}

void
tty_flush_input(struct tty *t)
{
    ldisc_flush_input(&t->ldisc);
    ring_clear(&t->pending);
    wait_wake(&t->room, ~0u);
}

/* ---- output ---- */

void
tty_drained(struct tty *t)
{
    ldisc_flush_echo(&t->ldisc);
    if (ring_room(&t->ldisc.out) >= LDISC_OUTPUT_MAX)
        wait_wake(&t->writable, ~0u);
}

static u32
unsent(struct tty *t)
{
    return ring_count(&t->ldisc.out) + t->driver->in_flight(t);
}

int
tty_drain(struct tty *t)
{
    if (t->driver->in_flight == NULL) /* what is written to a pty is at the other end */
        return 0;
    return wait_until(&t->writable, unsent(t) == 0, true, ~0ull) != 0 ? -E_RESTART : 0;
}

/* ---- files ---- */

bool
tty_is_root(void)
{
    return proc_current() == NULL || cred_can(cred_own(), CAP_SYS_ADMIN);
}

int
tty_open(struct tty *t, struct file *f, bool console)
{
    struct process *p = proc_current();
    struct tty_file *h = heap_alloc(sizeof(*h));

    if (h == NULL)
        return -E_NOMEM;
    mutex_lock(&t->lock);
    int r = t->gone                                          ? -E_IO
            : t->exclusive && t->opens > 0 && !tty_is_root() ? -E_BUSY
                                                             : 0;
    if (r == 0)
        t->opens++;
    *h = (struct tty_file){ .tty = t, .epoch = t->epoch, .console = console };
    bool take = r == 0 && !console && t->sid == 0 && p != NULL && p->tty == NULL &&
                (f->flags & OPEN_NOCTTY) == 0 && (f->flags & OPEN_READ) != 0 &&
                session_is_leader();
    mutex_unlock(&t->lock);
    if (r != 0) {
        heap_free(h);
        return r;
    }
    tty_hold(t);
    f->priv = h;
    f->ops = &tty_ops;
    if (take && tty_acquire(t, false) != 0) {
        /* Another session was faster: this one gets no terminal, which is no error. */
    }
    return 0;
}

static void
tty_close(struct file *f)
{
    struct tty_file *h = tty_file_of(f);
    struct tty *t = h->tty;

    mutex_lock(&t->lock);
    if (--t->opens == 0) {
        if (!t->driver->is_pty)
            t->exclusive = false;
        if (t->driver->closed != NULL)
            t->driver->closed(t);
    }
    mutex_unlock(&t->lock);
    tty_release(t);
    heap_free(h);
}

static u32
tty_poll(struct file *f, struct poll_table *p)
{
    struct tty_file *h = tty_file_of(f);
    struct tty *t = h->tty;
    const u8 *cc = t->ldisc.t.cc;

    if (p) {
        p->add(p, &t->readable);
        p->add(p, &t->writable);
    }
    if (tty_hung_up(h))
        return POLL_IN | POLL_OUT | POLL_ERR | POLL_HUP;
    u32 min = cc[CC_TIME] == 0 && cc[CC_MIN] != 0 ? cc[CC_MIN] : 1;
    return (ldisc_readable(&t->ldisc, min) ? POLL_IN : 0) | (t->gone ? POLL_HUP : 0) |
           (!t->ldisc.stopped && ring_room(&t->ldisc.out) >= TTY_OUT / 4 ? POLL_OUT : 0);
}

const struct file_ops tty_ops = {
    .read = tty_read,
    .write = tty_write,
    .poll = tty_poll,
    .ioctl = tty_ioctl,
    .release = tty_close,
    .traits = FILE_STREAM | FILE_ASYNC,
};

/* SPDX-License-Identifier: MIT */
/* Reading and writing a terminal (XBD 11.1.5 to 11.1.8). */
#include "core/clock.h"
#include "core/thread.h"
#include "signal/signal.h"
#include "tty/tty_private.h"

#define TENTH_NS 100000000ull
#define PIECE    256u

int
tty_take_turn(struct tty *t, struct thread **whose, bool nonblock)
{
    while (*whose != NULL) {
        if (nonblock)
            return -E_AGAIN;
        mutex_unlock(&t->lock);
        int r = wait_until(&t->turns, __atomic_load_n(whose, __ATOMIC_RELAXED) == NULL,
                           true, ~0ull);
        mutex_lock(&t->lock);
        if (r != 0)
            return -E_RESTART;
    }
    *whose = thread_current();
    return 0;
}

void
tty_end_turn(struct tty *t, struct thread **whose)
{
    __atomic_store_n(whose, NULL, __ATOMIC_RELAXED);
    wait_wake(&t->turns, ~0u);
}

/* ---- read ---- */

/* How long and for how much a read waits (XBD 11.1.6, 11.1.7). */
struct patience {
    u32 min;
    u64 between_ns; /* MIN and TIME: from one byte to the next; 0: for ever */
    u64 deadline_ns;
};

static struct patience
patience_of(const struct ldisc *l)
{
    struct patience p = { .min = 0, .deadline_ns = ~0ull };

    if (l->t.lflag & TL_ICANON)
        return p;
    u64 time = l->t.cc[CC_TIME] * TENTH_NS;
    p.min = l->t.cc[CC_MIN];
    if (p.min > 0) {
        p.between_ns = time;
    } else {
        p.min = 1;
        p.deadline_ns = time != 0 ? clock_mono_ns() + time : 0;
    }
    return p;
}

/* There is no input: 0: look again; 1: the read ends; or an error.  Lock held, given up
 * while it sleeps. */
static int
wait_input(struct tty *t, struct file *f, const struct patience *p)
{
    struct tty_file *h = tty_file_of(f);

    if (t->gone && !tty_hung_up(h))
        return -E_IO;
    if (tty_hung_up(h) || p->deadline_ns == 0)
        return 1;
    if (f->flags & OPEN_NONBLOCK)
        return -E_AGAIN;
    mutex_unlock(&t->lock);
    int r = wait_until(&t->readable,
                       ldisc_readable(&t->ldisc, 1) || t->gone || tty_hung_up(h), true,
                       p->deadline_ns);
    mutex_lock(&t->lock);
    if (t->gone && !ldisc_readable(&t->ldisc, 1))
        return -E_IO; /* it slept when the master was closed */
    return r == -E_TIMEDOUT ? 1 : r != 0 ? -E_RESTART : 0;
}

/* Take what is there: 1: the read is complete. */
static int
take_input(struct tty *t, struct uio *u, u64 *done)
{
    u8 bytes[PIECE];
    bool end = false, lines = ldisc_by_lines(&t->ldisc);

    while (u->left > 0 && !end && ldisc_readable(&t->ldisc, 1)) {
        u32 want = u->left < PIECE ? (u32)u->left : PIECE;
        u32 n = ldisc_read(&t->ldisc, bytes, want, &end);
        int r = uio_put(u, bytes, n);
        if (r != 0)
            return r;
        *done += n;
    }
    if (lines && !end)
        ldisc_skip_eof(&t->ldisc);
    return end || u->left == 0 || lines;
}

i64
tty_read(struct file *f, struct uio *u, u64 *pos)
{
    struct tty_file *h = tty_file_of(f);
    struct tty *t = h->tty;
    u64 done = 0;

    (void)pos;
    if (tty_hung_up(h))
        return 0;
    int r = h->console ? 0 : tty_check_job(t, SIG_TTIN);
    if (r != 0 || u->left == 0)
        return r;
    mutex_lock(&t->lock);
    r = tty_take_turn(t, &t->reader, (f->flags & OPEN_NONBLOCK) != 0);
    if (r != 0) {
        mutex_unlock(&t->lock);
        return r;
    }
    struct patience p = patience_of(&t->ldisc);
    while (r == 0) {
        tty_pump(t);
        if (!ldisc_readable(&t->ldisc, 1)) {
            r = wait_input(t, f, &p);
            continue;
        }
        r = take_input(t, u, &done);
        if (r == 0 && done >= p.min)
            r = 1;
        if (p.between_ns != 0)
            p.deadline_ns = clock_mono_ns() + p.between_ns;
    }
    tty_pump(t);
    tty_end_turn(t, &t->reader);
    tty_unlock(t);
    return done > 0 ? (i64)done : r == 1 ? 0 : r;
}

/* ---- write ---- */

/* Put a piece through: 0 when all of it has gone, else how it ended; *left is what has
 * not.  Lock held, given up while it sleeps. */
static int
write_piece(struct file *f, const u8 *bytes, u32 *left)
{
    struct tty_file *h = tty_file_of(f);
    struct tty *t = h->tty;

    for (;;) {
        if (tty_hung_up(h) || t->gone)
            return -E_IO;
        u32 n = ldisc_write(&t->ldisc, bytes, *left);
        bytes += n;
        *left -= n;
        if (*left == 0)
            return 0;
        if (n == 0 && (f->flags & OPEN_NONBLOCK))
            return -E_AGAIN;
        tty_unlock(t);
        int r = n > 0 ? 0
                      : wait_until(&t->writable,
                                   tty_hung_up(h) || t->gone ||
                                       (!t->ldisc.stopped &&
                                        ring_room(&t->ldisc.out) >= LDISC_OUTPUT_MAX),
                                   true, ~0ull);
        mutex_lock(&t->lock);
        if (r != 0)
            return -E_RESTART;
    }
}

i64
tty_write(struct file *f, struct uio *u, u64 *pos)
{
    struct tty_file *h = tty_file_of(f);
    struct tty *t = h->tty;
    u64 wanted = u->left;
    u8 bytes[2 * PIECE];
    u32 left = 0;

    (void)pos;
    if (tty_hung_up(h))
        return -E_IO;
    int r =
        (t->ldisc.t.lflag & TL_TOSTOP) && !h->console ? tty_check_job(t, SIG_TTOU) : 0;
    if (r != 0)
        return r;
    mutex_lock(&t->lock);
    r = tty_take_turn(t, &t->writer, (f->flags & OPEN_NONBLOCK) != 0);
    if (r != 0) {
        mutex_unlock(&t->lock);
        return r;
    }
    while (u->left > 0 && r == 0) {
        tty_unlock(t);
        if (u->left != wanted)
            thread_breathe();
        u32 n = u->left < sizeof(bytes) ? (u32)u->left : (u32)sizeof(bytes);
        r = uio_get(u, bytes, n); /* without the lock: it may fault and sleep */
        mutex_lock(&t->lock);
        if (r == 0) {
            left = n;
            r = write_piece(f, bytes, &left);
        }
        if (r == 0 && u->left > 0 && thread_interrupted(thread_current()))
            r = -E_RESTART;
    }
    tty_end_turn(t, &t->writer);
    tty_unlock(t);
    u64 done = wanted - u->left - left;
    return done > 0 ? (i64)done : r;
}

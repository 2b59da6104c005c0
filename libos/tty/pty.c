/* SPDX-License-Identifier: MIT */
/* Pseudo-terminals: the master's side; pty.h has the invariants. */
#include "tty/pty.h"

#include "core/heap.h"
#include "core/page.h"
#include "core/string.h"
#include "fs/dev/dev.h"
#include "proc/proc.h"
#include "signal/signal.h"
#include "tty/tty_private.h"

#define MEMORY_ORDER    2u /* LDISC_QUEUE + TTY_PENDING + TTY_OUT: 4 pages */
#define PIECE           256u
#define PKT_FLUSH_READ  1u
#define PKT_FLUSH_WRITE 2u
#define PKT_STOP        4u
#define PKT_START       8u
#define PKT_NO_STOP     16u
#define PKT_DO_STOP     32u
#define PKT_IOCTL       64u

enum {
    P_FLSH = 0x540b,
    P_EXCL,
    P_NXCL,
    P_SCTTY,
    P_OUTQ = 0x5411,
    P_STI,
    P_INQ = 0x541b,
    P_PKT = 0x5420,
    P_NOTTY = 0x5422,
    P_PEER = 0x5441,
};
#define P_GPTN   0x80045430u
#define P_SPTLCK 0x40045431u
#define P_SIG    0x40045436u
#define P_GPKT   0x80045438u
#define P_GPTLCK 0x80045439u

_Static_assert(LDISC_QUEUE + TTY_PENDING + TTY_OUT == PAGE_SIZE << MEMORY_ORDER,
               "a terminal's memory");

/* ---- what the slave's side tells the master ---- */

static void
tell(struct pty *p, u32 clear, u32 set)
{
    if (!p->packet)
        return;
    p->status = (u8)((p->status & ~clear) | set);
    wait_wake(&p->master_readable, ~0u);
}

static void
slave_event(struct ldisc *l, enum ldisc_event event)
{
    struct pty *p = pty_of(l->owner);

    switch (event) {
    case LDISC_STOP: tell(p, PKT_START, PKT_STOP); break;
    case LDISC_START:
        tell(p, PKT_STOP, PKT_START);
        wait_wake(&p->tty.writable, ~0u);
        break;
    case LDISC_FLUSH_IN: tell(p, 0, PKT_FLUSH_READ); break;
    case LDISC_FLUSH_OUT:
        tell(p, 0, PKT_FLUSH_WRITE);
        wait_wake(&p->tty.writable, ~0u);
        break;
    }
}

static void
slave_push(struct tty *t)
{
    wait_wake(&pty_of(t)->master_readable, ~0u);
}

static void
slave_closed(struct tty *t)
{
    struct pty *p = pty_of(t);

    p->shut = true;
    wait_wake(&p->master_readable, ~0u);
}

/* Does the terminal stop at ^S and go on at ^Q, so that a remote one can do it? */
static bool
usual_flow(const struct termios *t)
{
    return (t->iflag & TI_IXON) && t->cc[CC_STOP] == 19 && t->cc[CC_START] == 17;
}

static void
slave_changed(struct tty *t, const struct termios *old)
{
    struct pty *p = pty_of(t);
    bool was = usual_flow(old), is = usual_flow(&t->ldisc.t);
    bool external = ((old->lflag | t->ldisc.t.lflag) & TL_EXTPROC) != 0;

    if (was != is)
        tell(p, PKT_DO_STOP | PKT_NO_STOP, is ? PKT_DO_STOP : PKT_NO_STOP);
    if (external)
        tell(p, 0, PKT_IOCTL);
}

static void
pty_free(struct tty *t)
{
    struct pty *p = pty_of(t);

    page_free_run(page_frame(t->ldisc.in), MEMORY_ORDER);
    if (p->fs != NULL)
        devpts_release(p->fs);
    heap_free(p);
}

static const struct tty_driver pty_driver = {
    .push = slave_push,
    .closed = slave_closed,
    .changed = slave_changed,
    .free = pty_free,
    .is_pty = true,
};

/* ---- the master's file ---- */

/* Something to read?  Lock held, or as a hint. */
static bool
master_has(const struct pty *p)
{
    return ring_count(&p->tty.ldisc.out) > 0 || (p->packet && p->status != 0);
}

static i64
take_status(struct pty *p, struct uio *u)
{
    u8 status = p->status;
    int r = uio_put(u, &status, 1);

    if (r == 0)
        p->status = 0;
    return r != 0 ? r : 1;
}

static i64
take_output(struct pty *p, struct uio *u)
{
    struct ring *out = &p->tty.ldisc.out;
    u64 wanted = u->left;
    int r = 0;

    if (p->packet) {
        u8 data = 0;
        r = uio_put(u, &data, 1);
    }
    while (r == 0 && u->left > 0 && ring_count(out) > 0) {
        u32 count;
        const u8 *bytes = ring_piece(out, &count);
        if (count > u->left)
            count = (u32)u->left;
        r = uio_put(u, bytes, count);
        if (r == 0)
            out->tail += count;
    }
    tty_drained(&p->tty);
    return wanted != u->left ? (i64)(wanted - u->left) : r;
}

static i64
master_read(struct file *f, struct uio *u, u64 *pos)
{
    struct pty *p = f->priv;
    i64 r = 0;

    (void)pos;
    if (u->left == 0)
        return 0;
    mutex_lock(&p->tty.lock);
    while (!master_has(p)) {
        if (p->shut)
            r = -E_IO;
        else if (f->flags & OPEN_NONBLOCK)
            r = -E_AGAIN;
        if (r != 0)
            break;
        mutex_unlock(&p->tty.lock);
        r = wait_until(&p->master_readable, master_has(p) || p->shut, true, ~0ull);
        mutex_lock(&p->tty.lock);
        if (r != 0) {
            r = -E_RESTART;
            break;
        }
    }
    if (r == 0)
        r = p->packet && p->status != 0 ? take_status(p, u) : take_output(p, u);
    mutex_unlock(&p->tty.lock);
    return r;
}

/* Put a piece into the terminal: 0 when all of it is there; *left is what is not. */
static int
put_input(struct file *f, const u8 *bytes, u32 *left)
{
    struct pty *p = f->priv;
    struct tty *t = &p->tty;

    for (;;) {
        mutex_lock(&t->lock);
        u32 n = tty_accept(t, bytes, *left);
        tty_unlock(t);
        bytes += n;
        *left -= n;
        if (*left == 0)
            return 0;
        if (f->flags & OPEN_NONBLOCK)
            return -E_AGAIN;
        if (wait_until(&t->room, ring_room(&t->pending) > 0, true, ~0ull) != 0)
            return -E_RESTART;
    }
}

static i64
master_write(struct file *f, struct uio *u, u64 *pos)
{
    u64 wanted = u->left;
    u8 bytes[PIECE];
    u32 left = 0;
    int r = 0;

    (void)pos;
    while (u->left > 0 && r == 0) {
        u32 n = u->left < sizeof(bytes) ? (u32)u->left : (u32)sizeof(bytes);
        r = uio_get(u, bytes, n);
        if (r != 0)
            break;
        left = n;
        r = put_input(f, bytes, &left);
        if (u->left > 0)
            thread_breathe();
    }
    u64 done = wanted - u->left - left;
    return done > 0 ? (i64)done : r;
}

static u32
master_poll(struct file *f, struct poll_table *t)
{
    struct pty *p = f->priv;

    if (t) {
        t->add(t, &p->master_readable);
        t->add(t, &p->tty.room);
    }
    return (master_has(p) ? POLL_IN : 0) | (p->packet && p->status != 0 ? POLL_PRI : 0) |
           (p->shut ? POLL_HUP : 0) | (ring_room(&p->tty.pending) > 0 ? POLL_OUT : 0);
}

static void
master_close(struct file *f)
{
    struct pty *p = f->priv;
    struct tty *t = &p->tty;

    mutex_lock(&t->lock);
    t->gone = true;
    p->packet = false;
    mutex_unlock(&t->lock);
    devpts_leave(p->fs, p->index);
    tty_hangup(t, false);
    tty_release(t);
}

/* ---- the master's own requests ---- */

static i64
set_packet(struct pty *p, uaddr from)
{
    i32 on;

    int r = copy_from_user(&on, from, sizeof(on));
    if (r != 0)
        return r;
    mutex_lock(&p->tty.lock);
    if (on && !p->packet)
        p->status = 0;
    p->packet = on != 0;
    mutex_unlock(&p->tty.lock);
    return 0;
}

static i64
set_lock(struct pty *p, uaddr from)
{
    i32 on;

    int r = copy_from_user(&on, from, sizeof(on));
    if (r == 0)
        p->locked = on != 0;
    return r;
}

static i64
send_signal(struct pty *p, uaddr number)
{
    if (number != SIG_INT && number != SIG_QUIT && number != SIG_TSTP)
        return -E_INVAL;
    mutex_lock(&p->tty.lock);
    if (p->tty.fg_pgid != 0)
        signal_send_group(p->tty.fg_pgid, (int)number, NULL);
    mutex_unlock(&p->tty.lock);
    return 0;
}

/* The flags of open(2) as Linux numbers them. */
static i64
open_peer(struct file *f, uaddr linux_flags)
{
    u32 flags = (linux_flags & 3) == 0   ? OPEN_READ
                : (linux_flags & 3) == 1 ? OPEN_WRITE
                                         : OPEN_READ | OPEN_WRITE;
    struct file *peer;

    flags |= (linux_flags & 0400 ? OPEN_NOCTTY : 0) |
             (linux_flags & 04000 ? OPEN_NONBLOCK : 0);
    int r = devpts_open_peer(f, f->priv, flags, &peer);
    if (r != 0)
        return r;
    r = fd_install(files_own(), peer, 0, (linux_flags & 02000000) != 0);
    if (r < 0)
        file_release(peer);
    return r;
}

static i64
flush_master(struct pty *p, uaddr which)
{
    if (which > 2)
        return -E_INVAL;
    mutex_lock(&p->tty.lock);
    if (which != 1) {
        ring_clear(&p->tty.ldisc.out);
        tty_drained(&p->tty);
    }
    if (which != 0) {
        ring_clear(&p->tty.pending);
        wait_wake(&p->tty.room, ~0u);
    }
    mutex_unlock(&p->tty.lock);
    return 0;
}

/* TIOCSTI on the master: what the master reads. */
static i64
simulate_output(struct pty *p, uaddr from)
{
    u8 byte;

    if (!tty_is_root())
        return -E_PERM;
    int r = copy_from_user(&byte, from, 1);
    if (r != 0)
        return r;
    mutex_lock(&p->tty.lock);
    if (ring_room(&p->tty.ldisc.out) > 0)
        ring_put(&p->tty.ldisc.out, byte);
    tty_unlock(&p->tty);
    return 0;
}

static i64
master_ioctl(struct file *f, u32 request, uaddr arg)
{
    struct pty *p = f->priv;

    switch (request) {
    case P_GPTN: return tty_put_int(arg, (i32)p->index);
    case P_SPTLCK: return set_lock(p, arg);
    case P_GPTLCK: return tty_put_int(arg, p->locked);
    case P_PKT: return set_packet(p, arg);
    case P_GPKT: return tty_put_int(arg, p->packet);
    case P_SIG: return send_signal(p, arg);
    case P_PEER: return open_peer(f, arg);
    case P_FLSH: return flush_master(p, arg);
    case P_STI: return simulate_output(p, arg);
    case P_EXCL:
    case P_NXCL: return 0; /* each open of ptmx makes a master of its own */
    case P_SCTTY: return tty_acquire(&p->tty, arg == 1 && tty_is_root());
    case P_NOTTY: return -E_NOTTY;
    case P_OUTQ: return tty_put_int(arg, 0);
    case P_INQ: return tty_put_int(arg, (i32)ring_count(&p->tty.ldisc.out));
    default: return tty_ioctl_both(&p->tty, true, request, arg);
    }
}

static const struct file_ops master_ops = {
    .read = master_read,
    .write = master_write,
    .poll = master_poll,
    .ioctl = master_ioctl,
    .release = master_close,
    .traits = FILE_STREAM | FILE_ASYNC,
};

/* ---- opening ---- */

static struct pty *
pty_new(void)
{
    struct pty *p = heap_alloc_zeroed(sizeof(*p));
    frame_t memory = p != NULL ? page_alloc_run(MEMORY_ORDER) : FRAME_NONE;

    if (memory == FRAME_NONE) {
        heap_free(p);
        return NULL;
    }
    tty_init_one(&p->tty, 0, &pty_driver, page_ptr(memory));
    p->tty.ldisc.event = slave_event;
    p->tty.ldisc.out_kept = LDISC_QUEUE - 1; /* as much as a master takes over at once */
    waitq_init(&p->master_readable);
    p->locked = true;
    return p;
}

int
pty_open_master(struct inode *i, struct file *f)
{
    const struct cred *self = cred_own();
    struct pts_owner by = { 0, 0 };

    (void)i;
    if (self != NULL)
        by = (struct pts_owner){ self->fsuid, self->fsgid };
    struct pty *p = pty_new();
    if (p == NULL)
        return -E_NOMEM;
    int r = devpts_of_ptmx(f, &p->fs);
    if (r == 0)
        r = devpts_enter(p->fs, p, &by);
    if (r != 0) {
        tty_release(&p->tty);
        return r;
    }
    f->ops = &master_ops;
    f->priv = p;
    return 0;
}

int
pty_open_slave(struct pty *p, struct file *f)
{
    if (p->locked)
        return -E_IO;
    int r = tty_open(&p->tty, f, false);
    if (r == 0) {
        mutex_lock(&p->tty.lock);
        p->shut = false;
        mutex_unlock(&p->tty.lock);
    }
    return r;
}

static int
open_ptmx(struct device *d, struct inode *i, struct file *f)
{
    (void)d;
    return pty_open_master(i, f);
}

static struct device ptmx = {
    .name = "ptmx",
    .mode = 0666,
    .gid = 5, /* Debian's group tty */
    .ops = &master_ops,
    .open = open_ptmx,
};

void
pty_init(void)
{
    ptmx.rdev = vfs_rdev(5, 2);
    dev_register(&ptmx);
    devpts_init();
}

/* SPDX-License-Identifier: MIT */
/*
 * The host's channels, /dev/host/{stdin,stdout,stderr,ctl}: pipes whose other end is the
 * program that started this machine.
 *
 * Output goes to a debug port each (0x402, 0x403, 0x404) by string output; the host takes
 * every byte at once.  Input comes over COM2 in packets: a 16-bit little-endian length
 * and that many bytes; length 0 is the end of the file. The files say that they are
 * FIFOs, which is what they are like: no position, end of file, no terminal.
 *
 * H1. in_left bytes of the current packet are still to come; -1: the first byte of a
 * length is awaited, -2: the second. H2. The ring is filled by the UART's thread, which
 * waits while it is full: the device's flow control reaches the host.
 */
#include "core/cmdline.h"
#include "core/hw.h"
#include "core/log.h"
#include "core/page.h"
#include "core/string.h"
#include "fs/dev/dev.h"
#include "tty/tty_private.h"
#include "tty/uart.h"

#define RING 65536u
enum channel { HOST_IN, HOST_OUT, HOST_ERR, HOST_CTL, HOST_CHANNELS };

static struct uart com2;
/* feuer.window=com2: COM2 tells the size of the host's terminal instead, as lines
 * "ROWSxCOLUMNS". */
static struct {
    u32 number[2], which;
    bool bad;
} window;
static struct {
    struct mutex lock;
    u8 ring[RING];
    u32 head, tail; /* lock; readable without */
    i32 left;       /* H1; the UART thread's */
    u32 length;
    bool end;
    struct waitq readable, writable;
} in = { .left = -1 };
static const u16 ports[HOST_CHANNELS] = { 0, 0x402, 0x403, 0x404 };

static void
in_bytes(const u8 *bytes, u32 count)
{
    while (count > 0) {
        wait_until(&in.writable, in.head - in.tail < RING, false, ~0ull);
        mutex_lock(&in.lock);
        u32 n = MIN(count, RING - (in.head - in.tail));
        for (u32 i = 0; i < n; i++)
            in.ring[(in.head + i) % RING] = bytes[i];
        in.head += n;
        mutex_unlock(&in.lock);
        wait_wake(&in.readable, ~0u);
        bytes += n;
        count -= n;
    }
}

static void
in_receive(struct uart *u, const u8 *bytes, u32 count)
{
    (void)u;
    while (count > 0) {
        if (in.left == -1) {
            in.length = *bytes;
            in.left = -2;
        } else if (in.left == -2) {
            in.length |= (u32)*bytes << 8;
            in.left = in.length != 0 ? (i32)in.length : -1;
            if (in.length == 0) {
                in.end = true;
                wait_wake(&in.readable, ~0u);
            }
        } else {
            u32 n = MIN(count, (u32)in.left);
            in_bytes(bytes, n);
            in.left -= (i32)n;
            if (in.left == 0)
                in.left = -1;
            bytes += n;
            count -= n;
            continue;
        }
        bytes++;
        count--;
    }
}

static void
window_byte(u8 byte)
{
    if (byte >= '0' && byte <= '9' && window.number[window.which] < 6554) {
        window.number[window.which] =
            window.number[window.which] * 10 + (u32)(byte - '0');
    } else if (byte == 'x' && window.which == 0) {
        window.which = 1;
    } else if (byte == '\n') {
        u32 rows = window.number[0], columns = window.number[1];
        if (!window.bad && rows != 0 && columns != 0 && rows < 65536 && columns < 65536)
            console_resized((u16)rows, (u16)columns);
        memset(&window, 0, sizeof(window));
    } else {
        window.bad = true;
    }
}

static void
window_receive(struct uart *u, const u8 *bytes, u32 count)
{
    (void)u;
    for (u32 i = 0; i < count; i++)
        window_byte(bytes[i]);
}

static i64
host_read(struct file *f, struct uio *u, u64 *pos)
{
    u64 wanted = u->left;

    (void)pos;
    if (wanted == 0)
        return 0;
    if (in.head == in.tail && !in.end && (f->flags & OPEN_NONBLOCK))
        return -E_AGAIN;
    if (wait_until(&in.readable, in.head != in.tail || in.end, true, ~0ull) != 0)
        return -E_RESTART;
    int r = 0;
    mutex_lock(&in.lock);
    while (u->left > 0 && in.head != in.tail && r == 0) {
        u32 at = in.tail % RING;
        u64 n = MIN(MIN(u->left, (u64)(in.head - in.tail)), (u64)(RING - at)),
            before = u->left;
        r = uio_put(u, in.ring + at, n);
        in.tail += (u32)(before - u->left);
    }
    mutex_unlock(&in.lock);
    wait_wake(&in.writable, ~0u);
    return u->left < wanted ? (i64)(wanted - u->left) : r;
}

static i64
host_write(struct file *f, struct uio *u, u64 *pos)
{
    enum channel c = (enum channel)(u64)f->priv;
    u64 wanted = u->left;
    int r = 0;

    (void)pos;
    frame_t page =
        page_alloc(); /* each writer has its own: no lock is held while it copies */
    if (page == FRAME_NONE)
        return -E_NOMEM;
    while (u->left > 0 && r == 0) {
        u64 n = MIN(u->left, PAGE_SIZE);
        r = uio_get(u, page_ptr(page), n);
        if (r == 0)
            r = hw_port_write(ports[c], page_ptr(page), n);
        if (u->left > 0)
            thread_breathe();
    }
    page_free(page);
    return u->left < wanted ? (i64)(wanted - u->left) : r;
}

static u32
host_poll(struct file *f, struct poll_table *t)
{
    if ((enum channel)(u64)f->priv != HOST_IN)
        return POLL_OUT;
    if (t)
        t->add(t, &in.readable);
    return in.head != in.tail ? POLL_IN : in.end ? POLL_IN | POLL_HUP : 0;
}

static i64
host_ioctl(struct file *f, u32 request, uaddr arg)
{
    i32 n = (enum channel)(u64)f->priv == HOST_IN ? (i32)(in.head - in.tail) : 0;
    return request == FILE_IOCTL_READABLE ? copy_to_user(arg, &n, sizeof(n)) : -E_NOTTY;
}

static const struct file_ops in_ops = {
    .read = host_read,
    .poll = host_poll,
    .ioctl = host_ioctl,
    .traits = FILE_STREAM,
};
static const struct file_ops out_ops = {
    .write = host_write,
    .poll = host_poll,
    .ioctl = host_ioctl,
    .traits = FILE_STREAM,
};

/* The inode that fstat sees: a FIFO. */
static int
fifo_getattr(struct inode *i, struct vattr *out)
{
    *out = (struct vattr){
        .dev = 12,
        .ino = i->ino,
        .nlink = 1,
        .mode = 0600,
        .type = IT_FIFO,
        .blksize = PAGE_SIZE,
    };
    return 0;
}
static const struct inode_ops fifo_ops = { .getattr = fifo_getattr };
static struct inode fifos[HOST_CHANNELS];

static int
host_open(struct device *d, struct inode *i, struct file *f)
{
    u64 channel = (u64)d->priv;

    f->priv = d->priv;
    if (f->inode == i) {
        inode_hold(&fifos[channel]);
        f->inode = &fifos[channel];
        inode_release(i);
    }
    return 0;
}

static struct device devices[HOST_CHANNELS] = {
    { .mode = 0600, .ops = &in_ops, .open = host_open, .priv = (void *)HOST_IN },
    { .mode = 0600, .ops = &out_ops, .open = host_open, .priv = (void *)HOST_OUT },
    { .mode = 0600, .ops = &out_ops, .open = host_open, .priv = (void *)HOST_ERR },
    { .mode = 0600, .ops = &out_ops, .open = host_open, .priv = (void *)HOST_CTL },
};
static const char *const names[HOST_CHANNELS] = { "stdin", "stdout", "stderr", "ctl" };
static bool present;

void
hostpipe_init(void)
{
    char value[8];
    u32 probe;

    mutex_init(&in.lock);
    waitq_init(&in.readable);
    waitq_init(&in.writable);
    /* A debug port reads as a constant (0 or 0xe9); where none is, the bus reads as ones.
     */
    present = hw_port_in(ports[HOST_CTL], 1, &probe) == 0 && probe != 0xff;
    if (!present)
        return;
    bool sizes = cmdline_value("feuer.window", value, sizeof(value)) >= 0 &&
                 strcmp(value, "com2") == 0;
    if (sizes && uart_init(&com2, 0x2f8, 3, "com2", window_receive) != 0)
        log_error("the window's size comes over COM2, which is not there");
    if (sizes)
        in.end = true;
    else if (cmdline_value("feuer.stdin", value, sizeof(value)) >= 0 &&
             strcmp(value, "none") == 0)
        in.end = true;
    else if (uart_init(&com2, 0x2f8, 3, "com2", in_receive) != 0)
        in.end = true;
    for (u64 i = 0; i < HOST_CHANNELS; i++) {
        inode_init(&fifos[i], IT_FIFO);
        fifos[i].refs = 1;
        fifos[i].ops = &fifo_ops;
        fifos[i].ino = i + 1;
        devices[i].rdev = vfs_rdev(240, (u32)i); /* 240-254 are for local use */
        dev_register(&devices[i]);
    }
}

int
hostpipe_populate(void)
{
    static const struct cred root = { .refs = 1, .effective = CAPS_ALL };
    struct walk w = { .cred = NULL };

    if (!present)
        return 0;
    int r = vfs_mkdir(&w, "/dev/host", 0700);
    if (r != 0 && r != -E_EXIST)
        return r;
    w = (struct walk){ .flags = WALK_FOLLOW | WALK_DIRECTORY };
    r = path_walk(&w, "/dev/host");
    if (r != 0)
        return r;
    struct inode *dir = w.found.inode;
    mutex_lock(&dir->mutex);
    for (u32 i = 0; i < HOST_CHANNELS && r == 0; i++) {
        struct inode *made;
        r = dir->ops->create(dir, names[i], (u32)strlen(names[i]), IT_CHAR, 0600,
                             devices[i].rdev, &root, &made);
        if (r == 0)
            inode_release(made);
    }
    mutex_unlock(&dir->mutex);
    path_release(&w.found);
    return r;
}

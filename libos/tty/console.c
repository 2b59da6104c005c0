/* SPDX-License-Identifier: MIT */
/*
 * The console: COM1 as /dev/ttyS0 and /dev/console, and /dev/tty as the caller's
 * controlling terminal. An instance that does not have the terminal has a console whose
 * output goes to the steward's log of it, and which never has input; the steward may give
 * the terminal to it, or take it, at any time.
 */
#include "core/cmdline.h"
#include "core/error.h"
#include "core/hw.h"
#include "core/log.h"
#include "core/page.h"
#include "core/string.h"
#include "fs/dev/dev.h"
#include "tty/tty_private.h"
#include "tty/uart.h"

static struct tty console;
static struct uart com1;
/* On its way out: taken from the terminal's ring by the one who sends (console.lock);
 * the others leave what they have in the ring to it. */
static u8 *wire; /* a page of the direct map */
static u32 wire_count;

static void
console_push(struct tty *t)
{
    for (;;) {
        mutex_lock(&t->lock);
        struct ring *out = &t->ldisc.out;
        if (wire_count != 0 || ring_count(out) == 0) {
            mutex_unlock(&t->lock);
            return;
        }
        u32 n = 0;
        while (n < PAGE_SIZE && ring_count(out) > 0)
            wire[n++] = ring_get(out);
        wire_count = n;
        tty_drained(t);
        mutex_unlock(&t->lock);
        if (com1.attached)
            uart_send(&com1, wire, n);
        else
            hw_console_write((const char *)wire, n);
        mutex_lock(&t->lock);
        wire_count = 0;
        mutex_unlock(&t->lock);
        wait_wake(&t->writable, ~0u);
    }
}

static u32
console_in_flight(struct tty *t)
{
    (void)t;
    return wire_count;
}

static const struct tty_driver console_driver = {
    .push = console_push,
    .in_flight = console_in_flight,
};

static void
console_receive(struct uart *u, const u8 *bytes, u32 count)
{
    (void)u;
    tty_receive(&console, bytes, count);
}

void
console_attach(void)
{
    if (uart_attach(&com1) == 0)
        tty_receive(&console, (const u8 *)"\r", 1); /* a prompt, to see who is there */
}

void
console_detach(void)
{
    mutex_lock(&console.lock); /* behind what is being written */
    mutex_unlock(&console.lock);
    uart_detach(&com1);
}

void
console_resized(u16 rows, u16 columns)
{
    tty_set_window(&console, rows, columns, 0, 0);
}

static int
open_serial(struct device *d, struct inode *i, struct file *f)
{
    (void)d;
    (void)i;
    return tty_open(&console, f, false);
}

/* It never becomes anyone's controlling terminal, as on Linux: init's programs open
 * ttyS0 for that. */
static int
open_console(struct device *d, struct inode *i, struct file *f)
{
    (void)d;
    (void)i;
    return tty_open(&console, f, true);
}

static int
open_controlling(struct device *d, struct inode *i, struct file *f)
{
    (void)d;
    (void)i;
    struct tty *t = tty_current();
    if (t == NULL)
        return -E_NXIO;
    int r = tty_open(t, f, false);
    tty_release(t);
    return r;
}

#define GID_TTY 5u /* Debian's group tty */
static struct device devices[] = {
    { .name = "tty",
      .mode = 0666,
      .gid = GID_TTY,
      .ops = &tty_ops,
      .open = open_controlling },
    { .name = "console", .mode = 0600, .ops = &tty_ops, .open = open_console },
    { .name = "ttyS0", .mode = 0600, .ops = &tty_ops, .open = open_serial },
};

/* feuer.winsize=ROWSxCOLUMNS, which the runner takes from the host's terminal. */
static void
read_window_size(void)
{
    char value[16];
    u32 n[2] = { 0, 0 }, which = 0;

    if (cmdline_value("feuer.winsize", value, sizeof(value)) < 0)
        return;
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == 'x' && which == 0)
            which = 1;
        else if (*c >= '0' && *c <= '9' && n[which] < 1000)
            n[which] = n[which] * 10 + (u32)(*c - '0');
        else
            return;
    }
    console.rows = (u16)n[0];
    console.columns = (u16)n[1];
}

void
tty_init(void)
{
    devices[0].rdev = vfs_rdev(5, 0);
    devices[1].rdev = vfs_rdev(5, 1);
    devices[2].rdev = vfs_rdev(4, 64);
    frame_t memory = page_alloc_run(2), page = page_alloc();
    if (memory == FRAME_NONE || page == FRAME_NONE)
        libos_panic("no memory for the console");
    wire = page_ptr(page);
    tty_init_one(&console, devices[2].rdev, &console_driver, page_ptr(memory));
    /* As Linux's serial console: 9600 8N1, local, hang up on the last close. */
    console.ldisc.t.cflag = 0xcbdu;
    console.ldisc.t.ispeed = console.ldisc.t.ospeed = 9600;
    read_window_size();
    (void)!uart_init(&com1, 0x3f8, 4, "com1", console_receive); /* where none is, nothing shows */
    tty_job_init();
    dev_caller_is_root = tty_is_root;
    for (u32 i = 0; i < ARRAY_SIZE(devices); i++)
        dev_register(&devices[i]);
    pty_init();
}

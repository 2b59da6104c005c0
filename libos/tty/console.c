/* SPDX-License-Identifier: MIT */
/*
 * The console: COM1 as /dev/ttyS0 and /dev/console, and /dev/tty as the caller's
 * controlling terminal. An instance without COM1 has a console that swallows output
 * through the kernel's and never has input.
 */
#include "core/cmdline.h"
#include "core/hw.h"
#include "core/hooks.h"
#include "core/string.h"
#include "fs/dev/dev.h"
#include "proc/proc.h"
#include "proc/session.h"
#include "tty/tty_private.h"
#include "tty/uart.h"

static struct tty console;
static struct uart com1;

static void
console_send(struct tty *t, const u8 *bytes, u32 count)
{
    (void)t;
    if (com1.port != 0)
        uart_send(&com1, bytes, count);
    else
        hw_console_write((const char *)bytes, count);
}

static void
console_receive(struct uart *u, const u8 *bytes, u32 count)
{
    (void)u;
    tty_receive(&console, bytes, count);
}

/* A session leader without a terminal that opens one gets it (XBD 11.1.3), but not
 * through /dev/console. */
static int
open_serial(struct device *d, struct inode *i, struct file *f)
{
    (void)i;
    f->priv = d->priv;
    if (!(f->flags & (OPEN_NOCTTY | OPEN_PATH)) && proc_current() != NULL &&
        proc_current()->tty == NULL && session_is_leader() && console.sid == 0)
        tty_acquire(&console);
    return 0;
}

static int
open_console(struct device *d, struct inode *i, struct file *f)
{
    (void)i;
    f->priv = d->priv;
    return 0;
}

static int
open_controlling(struct device *d, struct inode *i, struct file *f)
{
    (void)d;
    (void)i;
    struct process *p = proc_current();
    if (p == NULL || p->tty == NULL)
        return -E_NXIO;
    f->priv = p->tty;
    return 0;
}

static struct device devices[] = {
    { .name = "tty", .mode = 0666, .ops = &tty_ops, .open = open_controlling },
    { .name = "console",
      .mode = 0600,
      .ops = &tty_ops,
      .open = open_console,
      .priv = &console },
    { .name = "ttyS0",
      .mode = 0600,
      .ops = &tty_ops,
      .open = open_serial,
      .priv = &console },
};

static void
session_ended(struct tty *t, i32 sid)
{
    tty_hangup_session(t, sid);
}

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
    tty_init_one(&console, devices[2].rdev, console_send);
    read_window_size();
    if (strcmp(hw_console_name(), "none") == 0 ||
        uart_init(&com1, 0x3f8, 4, "com1", console_receive) != 0)
        com1.port = 0;
    session_ended_hook = session_ended;
    for (u32 i = 0; i < ARRAY_SIZE(devices); i++)
        dev_register(&devices[i]);
}

/* SPDX-License-Identifier: MIT */
/*
 * The kernel's console: a 16550 at 0x3f8, polled.  Who writes holds `lock`; it is taken
 * by force after a bounded wait, since a panic must be printed even if the holder was
 * stopped.
 */
#include "hal/x86_64/x86.h"

#define PORT 0x3f8
#define FIFO_BYTES 16u
#define LSR (PORT + 5)
#define LSR_EMPTY 0x20u
#define TRIES 100000u

static _Atomic u32 lock;
static bool present;

void
hal_boot_console(void)
{
    outb(PORT + 7, 0x5a); /* the scratch register tells whether one is there */
    present = inb(PORT + 7) == 0x5a;
    if (!present)
        return;
    outb(PORT + 1, 0);    /* no interrupts */
    outb(PORT + 3, 0x80); /* divisor latch: 115,200 baud */
    outb(PORT + 0, 1);
    outb(PORT + 1, 0);
    outb(PORT + 3, 3);    /* 8 bits, no parity, one stop bit */
    outb(PORT + 2, 7);    /* FIFO on and empty */
    outb(PORT + 4, 3);    /* DTR, RTS */
}

static bool
wait_empty(void)
{
    for (unsigned i = 0; i < TRIES; i++) {
        if (inb(LSR) & LSR_EMPTY)
            return true;
        hal_pause();
    }
    return false;
}

void
hal_console_write(const char *bytes, u64 count)
{
    if (!present)
        return;
    for (unsigned i = 0; i < TRIES; i++) {
        if (atomic_exchange_explicit(&lock, 1, memory_order_acquire) == 0)
            break;
        hal_pause();
    }
    unsigned room = 0;
    for (u64 i = 0; i < count; i++) {
        if (room == 0) {
            if (!wait_empty())
                break; /* it takes nothing: the rest is lost rather than the CPU */
            room = FIFO_BYTES;
        }
        outb(PORT, (u8)bytes[i]);
        room--;
    }
    atomic_store_explicit(&lock, 0, memory_order_release);
}

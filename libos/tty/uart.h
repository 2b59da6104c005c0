/* SPDX-License-Identifier: MIT */
/*
 * The 16550 UART behind granted ports (National Semiconductor PC16550D data sheet).
 * Bytes are taken in interrupt context into a ring and handed over by a worker of the device;
 * when the ring is full the line stays masked, so that the sender is held back by the
 * device's own flow control.
 */
#ifndef LIBOS_TTY_UART_H
#define LIBOS_TTY_UART_H

#include "core/lock.h"
#include "core/wait.h"
#include "core/work.h"

#define UART_RING 8192u
struct uart {
    u16 port;
    u32 line;
    struct spinlock lock; /* ring */
    u8 ring[UART_RING];
    u32 head, tail;
    bool held;    /* the line waits for room */
    bool attached; /* the device is this instance's */
    bool sending; /* lock; somebody waits for the transmitter, by interrupt */
    struct waitq sent;
    struct work_queue queue; /* its own: who takes the bytes may have to wait */
    struct work arrived;
    void (*receive)(struct uart *u, const u8 *bytes, u32 count); /* in the worker */
    void *owner;
};

/* While the LibOS starts. -E_NODEV: not granted or not there. */
int uart_init(struct uart *u, u16 port, u32 line, const char *name,
              void (*receive)(struct uart *, const u8 *, u32));
/* The device has come back: set it up again. -E_NODEV: it is gone already. */
int uart_attach(struct uart *u);
/* The device is to go: no more interrupts; what is in its FIFO goes out. */
void uart_detach(struct uart *u);
void uart_send(struct uart *u, const u8 *direct,
               u32 count); /* direct-map memory; may sleep */

#endif

/* SPDX-License-Identifier: MIT */
/* The 16550 UART: see uart.h. */
#include "tty/uart.h"

#include "core/clock.h"
#include "core/error.h"
#include "core/hw.h"
#include "core/thread.h"

enum {
    REG_DATA = 0,
    REG_IER = 1,
    REG_FCR = 2,
    REG_LCR = 3,
    REG_MCR = 4,
    REG_LSR = 5,
    REG_SCR = 7
};
#define IER_RX     0x01u
#define IER_TX     0x02u
#define FCR_ON     0x87u /* FIFOs on and cleared, trigger at 8 */
#define LCR_8N1    0x03u
#define MCR_READY  0x0bu /* DTR RTS OUT2 (the line's gate) */
#define LSR_DATA   0x01u
#define LSR_EMPTY  0x20u
#define FIFO       16u
#define POLLS      64u
#define TX_WAIT_NS 20000000u

static u32
reg_read(struct uart *u, u16 reg)
{
    u32 value = 0;
    if (hw_port_in(u->port + reg, 1, &value) == 0)
        return value;
    u->attached = false; /* it was taken */
    return 0;
}

/* Take what is there; true: the ring is full. */
static bool
drain(struct uart *u)
{
    while (reg_read(u, REG_LSR) & LSR_DATA) {
        if (u->head - u->tail == UART_RING)
            return true;
        u->ring[u->head++ % UART_RING] = (u8)reg_read(u, REG_DATA);
    }
    return false;
}

/* The line is edge-triggered and one for all the reasons: while one of them holds it
 * high, another makes no edge, and would never be told of once the first is gone. With
 * all of them off for a moment, whatever is pending then makes an edge. */
static void
set_interrupts(struct uart *u, u32 reasons)
{
    hw_port_out(u->port + REG_IER, 1, 0);
    hw_port_out(u->port + REG_IER, 1, reasons);
}

static void
interrupt(void *arg)
{
    struct uart *u = arg;

    spin_lock(&u->lock);
    /* First the acknowledgement, then the data: the line is edge-triggered, and an edge
     * that comes while it is masked is lost. After this, what comes before the drain is
     * drained, and what comes after it is a new edge. */
    hw_irq_ack(u->line);
    u->held = drain(u);
    bool sent = u->sending && (reg_read(u, REG_LSR) & LSR_EMPTY);
    if (sent) {
        u->sending = false;
        set_interrupts(u, IER_RX);
    }
    spin_unlock(&u->lock);
    work_add(&u->arrived);
    if (sent)
        wait_wake(&u->sent, ~0u);
}

static u32
take(struct uart *u, u8 *bytes, u32 room)
{
    u32 n = 0;
    spin_lock(&u->lock);
    while (n < room && u->tail != u->head)
        bytes[n++] = u->ring[u->tail++ % UART_RING];
    if (u->held)
        u->held = drain(u);
    spin_unlock(&u->lock);
    return n;
}

static void
hand_over(struct work *w)
{
    struct uart *u = container_of(w, struct uart, arrived);
    u8 bytes[256];
    for (u32 n; (n = take(u, bytes, sizeof(bytes))) != 0;)
        u->receive(u, bytes, n);
}

/* Until the transmitter is empty.  A host that reads takes a byte at once; one that does
 * not holds it back: then the device's interrupt tells the end.  The time limit is for an
 * interrupt that a device swallows. */
static void
wait_transmitter(struct uart *u)
{
    for (u32 polls = 0; u->attached && !(reg_read(u, REG_LSR) & LSR_EMPTY); polls++) {
        if (polls < POLLS)
            continue;
        spin_lock(&u->lock);
        u->sending = true;
        set_interrupts(u, IER_RX | IER_TX);
        spin_unlock(&u->lock);
        wait_until(&u->sent, !__atomic_load_n(&u->sending, __ATOMIC_RELAXED), false,
                   clock_mono_ns() + TX_WAIT_NS);
        spin_lock(&u->lock);
        if (u->sending) {
            u->sending = false;
            set_interrupts(u, IER_RX);
        }
        spin_unlock(&u->lock);
    }
}

void
uart_send(struct uart *u, const u8 *direct, u32 count)
{
    while (count > 0 && u->attached) {
        u32 n = count < FIFO ? count : FIFO;
        wait_transmitter(u);
        if (hw_port_write(u->port, direct, n) != 0)
            return;
        direct += n;
        count -= n;
    }
}

int
uart_attach(struct uart *u)
{
    u32 probe;

    /* The scratch register keeps what is written; an absent device reads as ones. */
    hw_port_out(u->port + REG_SCR, 1, 0x5a);
    if (hw_port_in(u->port + REG_SCR, 1, &probe) != 0 || probe != 0x5a)
        return -E_NODEV;
    u->attached = true;
    hw_port_out(u->port + REG_IER, 1, 0);
    hw_port_out(u->port + REG_LCR, 1, LCR_8N1);
    hw_port_out(u->port + REG_FCR, 1, FCR_ON & ~0x02u); /* what arrived before us is kept */
    hw_port_out(u->port + REG_MCR, 1, MCR_READY);
    int error = hw_irq_bind(u->line, interrupt, u);
    if (error)
        return error;
    hw_port_out(u->port + REG_IER, 1, IER_RX);
    interrupt(u); /* what came while the line was nobody's made no edge for us */
    return 0;
}

void
uart_detach(struct uart *u)
{
    u64 until = clock_mono_ns() + TX_WAIT_NS;

    spin_lock(&u->lock);
    hw_port_out(u->port + REG_IER, 1, 0);
    spin_unlock(&u->lock);
    while (!(reg_read(u, REG_LSR) & LSR_EMPTY) && u->attached && clock_mono_ns() < until)
        ;
    u->attached = false;
}

int
uart_init(struct uart *u, u16 port, u32 line, const char *name,
          void (*receive)(struct uart *, const u8 *, u32))
{
    u->port = port;
    u->line = line;
    u->receive = receive;
    waitq_init(&u->sent);
    work_queue_start(&u->queue, name, 1);
    work_init(&u->arrived, &u->queue, hand_over);
    return uart_attach(u);
}

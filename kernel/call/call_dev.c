/* SPDX-License-Identifier: MIT */
/* Calls on interrupt lines, ports, the console and the machine. */
#include "call/call.h"
#include "dev/irq.h"
#include "frame/frame.h"
#include "hal/hal.h"

struct ret
call_irq_bind(u64 irq, u64 line, u64 vcpu, u64 bit, u64 flags, u64 a5)
{
    struct cap *ci, *cv;
    struct vcpu *v = NULL;

    (void)a5;
    int error = find(irq, FB_TYPE_IRQ, NEED(0, INTERRUPT, CONTROL), &ci);
    if (error)
        return ERR(error);
    if (!within(line, 1, ci->may.lo, ci->may.hi))
        return ERR(-FB_E_RANGE);
    if (vcpu != 0) {
        error = find(vcpu, FB_TYPE_VCPU, NEED(0, IPC_SEND, SIGNAL), &cv);
        if (error)
            return ERR(error);
        if (!within(bit, 1, cv->may.lo, cv->may.hi))
            return ERR(-FB_E_RANGE);
        v = cv->object;
    }
    error =
        cap_lock(); /* Q1; the test is kept apart from the unbinding at a domain's end */
    if (error)
        return ERR(error);
    error = v != NULL && !domain_alive(v->domain)
                ? -FB_E_DEAD
                : irq_bind_line((u32)line, v, bit, (u32)flags, caller()->id);
    cap_release();
    return ERR(error);
}

struct ret
call_irq_ack(u64 irq, u64 line, u64 a2, u64 a3, u64 a4, u64 a5)
{
    struct cap *c;

    (void)a2, (void)a3, (void)a4, (void)a5;
    int error =
        find(irq, FB_TYPE_IRQ, FB_AUTH(0, FB_KIND_INTERRUPT, FB_RIGHT_CONTROL), &c);
    if (error)
        return ERR(error);
    if (!within(line, 1, c->may.lo, c->may.hi))
        return ERR(-FB_E_RANGE);
    return ERR(irq_ack_line((u32)line));
}

static int
find_port(u64 name, u64 right, u64 number, u64 width)
{
    struct cap *c;
    int error = find(name, FB_TYPE_PORT, FB_AUTH(0, FB_KIND_IOPORT, right), &c);

    if (error)
        return error;
    if (width != 1 && width != 2 && width != 4)
        return -FB_E_ARG;
    return within(number, width, c->may.lo, c->may.hi) ? 0 : -FB_E_RANGE;
}

struct ret
call_port_in(u64 port, u64 number, u64 width, u64 a3, u64 a4, u64 a5)
{
    (void)a3, (void)a4, (void)a5;
    int error = find_port(port, FB_RIGHT_READ, number, width);
    return error ? ERR(error) : RET(0, hal_port_in((u16)number, (unsigned)width));
}

struct ret
call_port_out(u64 port, u64 number, u64 width, u64 value, u64 a4, u64 a5)
{
    (void)a4, (void)a5;
    int error = find_port(port, FB_RIGHT_WRITE, number, width);
    if (!error)
        hal_port_out((u16)number, (unsigned)width, (u32)value);
    return ERR(error);
}

struct ret
call_port_write(u64 port, u64 number, u64 memory, u64 address, u64 bytes, u64 a5)
{
    struct frames m;

    (void)a5;
    int error = find_port(port, FB_RIGHT_WRITE, number, 1);
    if (!error)
        error = find_frames(caller(), memory, FB_AUTH(0, 0, FB_RIGHT_READ), &m, NULL);
    if (error)
        return ERR(error);
    if (bytes == 0 || bytes > PAGE_SIZE ||
        (address & (PAGE_SIZE - 1)) + bytes > PAGE_SIZE)
        return ERR(-FB_E_ARG);
    frame_t f = address >> PAGE_SHIFT;
    if (!within(f, 1, m.lo, m.hi) || f >= frame_count)
        return ERR(-FB_E_RANGE);
    if (frame_type(f) != FB_FRAME_DATA)
        return ERR(-FB_E_INUSE);
    hal_port_write((u16)number, (char *)frame_ptr(f) + (address & (PAGE_SIZE - 1)),
                   bytes);
    return ERR(0);
}

struct ret
call_console_write(u64 machine, u64 offset, u64 bytes, u64 a3, u64 a4, u64 a5)
{
    struct cap *c;

    (void)a3, (void)a4, (void)a5;
    int error = find(machine, FB_TYPE_MACHINE, NEED(0, HARDWARE, WRITE), &c);
    if (error)
        return ERR(error);
    const char *text = bytes <= FB_CONSOLE_MAX ? buffer_at(offset, bytes, 1) : NULL;
    if (!text)
        return ERR(-FB_E_FAULT);
    hal_console_write(text, bytes);
    return ERR(0);
}

struct ret
call_power(u64 machine, u64 op, u64 a2, u64 a3, u64 a4, u64 a5)
{
    struct cap *c;

    (void)a2, (void)a3, (void)a4, (void)a5;
    int error = find(machine, FB_TYPE_MACHINE, NEED(0, HARDWARE, CONTROL), &c);
    if (error)
        return ERR(error);
    if (op > FB_POWER_HALT)
        return ERR(-FB_E_ARG);
    return ERR(hal_power((unsigned)op));
}

struct ret
call_entropy(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
    (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    return RET(0, hal_entropy());
}

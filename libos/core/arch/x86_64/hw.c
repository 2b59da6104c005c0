/* SPDX-License-Identifier: MIT */
/* core/hw.h over kernel calls. */
#include "core/hw.h"

#include <sdk/instance.h>
#include <sdk/steward.h>
#include <sdk/stubs.h>

#include "core/arch/x86_64/arch.h"
#include "core/error.h"
#include "core/event.h"
#include "core/page.h"
#include "core/page_state.h"
#include "core/steward.h"
#include "core/string.h"

#define CONSOLE_OFFSET 8192u /* in the buffer; what is before is space_unmap's list */
#define CONSOLE_BYTES  FB_CONSOLE_MAX

/* One of those that come and go with the terminal. */
static u64
terminal_cap(u64 name)
{
    return steward_terminal() & 1 ? name : 0;
}

/* The capability for a port or a line; 0: not granted. */
static u64
port_cap(u16 port)
{
    if (port >= 0x3f8 && port < 0x400)
        return terminal_cap(STEWARD_PAGE->cap_ports);
    if (port >= 0x2f8 && port < 0x300)
        return instance->cap_com[1].ports;
    return port >= 0x402 && port <= 0x404 ? instance->cap_host_ports : 0;
}

static u64
irq_cap(unsigned line)
{
    return line == 4   ? terminal_cap(STEWARD_PAGE->cap_irq)
           : line == 3 ? instance->cap_com[1].irq
                       : 0;
}

int
hw_port_in(u16 port, unsigned width, u32 *value)
{
    unsigned long v = 0;
    u64 cap = port_cap(port);
    if (!cap || fb_port_in(cap, port, width, &v) != 0)
        return -E_NODEV;
    *value = (u32)v;
    return 0;
}

int
hw_port_out(u16 port, unsigned width, u32 value)
{
    u64 cap = port_cap(port);
    if (!cap || fb_port_out(cap, port, width, value, NULL) != 0)
        return -E_NODEV;
    return 0;
}

int
hw_port_write(u16 port, const void *direct, size_t bytes)
{
    u64 at = (u64)direct - WINDOW_DMAP, cap = port_cap(port);
    if (!cap || at >= WINDOW_DMAP_FRAMES * PAGE_SIZE)
        return -E_NODEV;
    while (bytes) {
        u64 n = MIN(bytes, PAGE_SIZE - (at & (PAGE_SIZE - 1)));
        if (fb_port_write(cap, port, page_cap(at >> PAGE_SHIFT), at, n, NULL) != 0)
            return -E_NODEV;
        at += n;
        bytes -= n;
    }
    return 0;
}

int
hw_irq_bind(unsigned line, void (*fn)(void *arg), void *arg)
{
    u64 cap = irq_cap(line);
    if (!cap)
        return -E_NODEV;
    static u8 bits[16]; /* by line: a line that is bound anew keeps its bit */
    if (line >= ARRAY_SIZE(bits))
        return -E_INVAL;
    if (bits[line] == 0) {
        bits[line] = (u8)event_allocate();
        event_bind(bits[line], fn, arg);
    }
    unsigned bit = bits[line];
    long r;
    do
        r = fb_irq_bind(cap, line, lcpus[0].cap, bit, 0, NULL);
    while (r == -FB_E_BUSY);
    return r == 0 ? 0 : -E_NODEV;
}

int
hw_irq_ack(unsigned line)
{
    u64 cap = irq_cap(line);
    return cap && fb_irq_ack(cap, line, NULL) == 0 ? 0 : -E_NODEV;
}

void
hw_console_write(const char *text, size_t bytes)
{
    u8 *buffer = lcpu_current()->buffer;
    while (bytes) {
        size_t n = MIN(bytes, (size_t)CONSOLE_BYTES);
        memcpy(buffer + CONSOLE_OFFSET, text, n);
        u64 own = terminal_cap(STEWARD_PAGE->cap_console);
        if ((own == 0 || fb_console_write(own, CONSOLE_OFFSET, n, NULL) != 0) &&
            fb_console_write(instance->cap_machine, CONSOLE_OFFSET, n, NULL) != 0)
            steward_write(text, n);
        text += n;
        bytes -= n;
    }
}

u64
hw_entropy(void)
{
    unsigned long v = 0;
    fb_entropy(&v);
    return v;
}

u64
hw_slots_used(void)
{
    const struct fb_domain_status *status =
        (const void *)(lcpu_current()->buffer + CONSOLE_OFFSET);
    return fb_domain_status(0, CONSOLE_OFFSET, NULL) == 0 ? status->slots_used : 0;
}

void
hw_power(enum hw_power op)
{
    unsigned long code = op == HW_POWER_OFF     ? FB_POWER_OFF
                         : op == HW_POWER_RESET ? FB_POWER_RESET
                                                : FB_POWER_HALT;
    if (instance->cap_machine && !steward_is_stopping())
        fb_power(instance->cap_machine, code, NULL);
    for (;;) { /* not granted: the end of the instance is what it can do */
        fb_domain_exit(code, NULL);
        fb_wait(FB_FOREVER, NULL);
    }
}

const char *
hw_cmdline(void)
{
    return instance->cmdline;
}

const char *
hw_console_name(void)
{
    return instance->console;
}

bool
hw_quiet(void)
{
    return instance->quiet != 0;
}

const void *
hw_initrd(size_t *bytes)
{
    *bytes = instance->initrd.hi - instance->initrd.lo;
    return (const void *)(WINDOW_DMAP + instance->initrd.lo);
}

static bool
in_initrd(frame_t f)
{
    return f >= instance->initrd.lo >> PAGE_SHIFT &&
           f < PAGE_UP(instance->initrd.hi) >> PAGE_SHIFT;
}

bool
hw_initrd_take(frame_t f)
{
    return in_initrd(f) && *page_state(f) == PAGE_OUTSIDE && page_adopt(f);
}

void
hw_initrd_release(void)
{
    frame_t f = instance->initrd.lo >> PAGE_SHIFT; /* the steward gave whole frames */
    frame_t end = PAGE_UP(instance->initrd.hi) >> PAGE_SHIFT;
    while (f < end) {
        frame_t run = f;
        while (run < end && *page_state(run) == PAGE_OUTSIDE)
            run++;
        if (run > f)
            page_release_range(f, run);
        f = run + 1;
    }
}

u64
hw_memory_frames(void)
{
    u64 sum = 0;
    for (u32 i = 0; i < instance->nmemory; i++)
        sum += instance->memory[i].hi - instance->memory[i].lo;
    return sum;
}

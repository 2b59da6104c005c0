/* SPDX-License-Identifier: MIT */
/*
 * How fast the TSC counts, and the wall clock.
 *
 * The rate comes from the CPU where it says it; else it is measured against a counter of
 * known rate.  What is compared are the moments at which the counter steps: between two
 * reads it stepped once, so the step is known to within the time of a read, and the
 * interval ends as soon as that uncertainty is below 1/2000 (or after CALIBRATE_MAX_US).
 */
#include "base/panic.h"
#include "hal/x86_64/x86.h"

#define PIT_HZ 1193182u
#define PM_HZ 3579545u
#define CALIBRATE_MAX_US 5000u

struct counter {
    u32 (*read)(void);
    u32 hz, mask;
};

/* Channel 2 of the PIT counts down (8254, mode 0); its gate is bit 0 of port 0x61. */
static u32
pit_read(void)
{
    outb(0x43, 0x80);
    u32 low = inb(0x42);
    return 0u - (low | (u32)inb(0x42) << 8);
}

static void
pit_start(void)
{
    outb(0x61, (u8)((inb(0x61) & ~2u) | 1u));
    outb(0x43, 0xb0);
    outb(0x42, 0xff);
    outb(0x42, 0xff);
}

static u32
pm_read(void)
{
    return hal_port_in(machine.pm_timer, 4);
}

/* Wait for a step: its moment (middle of the reads around it) and how uncertain that is.
 * False: it does not count. */
static bool
step(const struct counter *c, u32 *value, u64 *moment, u64 *width)
{
    u64 before = hal_tsc();
    u32 last = c->read() & c->mask;
    for (unsigned tries = 0; tries < 100000; tries++) {
        u64 start = hal_tsc();
        u32 now = c->read() & c->mask;
        u64 end = hal_tsc();
        if (now != last) {
            *value = now;
            *moment = before + (end - before) / 2;
            *width = end - before;
            return true;
        }
        before = start;
    }
    return false;
}

/* 0: the counter does not count. */
static u64
measure(const struct counter *c)
{
    u32 first, value;
    u64 first_moment = 0, first_width = ~0ull, moment, width, hz = 0, best = ~0ull;
    u32 first_value = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (!step(c, &first, &moment, &width))
            return 0;
        if (width < first_width) {
            first_width = width;
            first_moment = moment;
            first_value = first;
        }
    }
    u32 max = (u32)((u64)c->hz * CALIBRATE_MAX_US / 1000000), counts;
    do {
        if (!step(c, &value, &moment, &width))
            return 0;
        counts = (value - first_value) & c->mask;
        u64 interval = moment - first_moment;
        u64 error = (first_width + width) * 65536 / (interval + 1); /* in 1/65536 */
        if (counts != 0 && error <= best) {
            best = error;
            hz = interval * c->hz / counts;
        }
    } while (best > 65536 / 2000 && counts < max);
    return hz;
}

/* From the CPU: crystal and ratio (leaf 0x15), or what a hypervisor says (leaf
 * 0x40000010, in kHz). */
static u64
tsc_hz_stated(void)
{
    u32 max = cpuid(0, 0).a;
    if (max >= 0x15) {
        struct cpuid c = cpuid(0x15, 0);
        if (c.a != 0 && c.b != 0 && c.c != 0)
            return (u64)c.c * c.b / c.a;
    }
    if (cpuid(1, 0).c & (1u << 31)) {
        struct cpuid h = cpuid(0x40000000, 0);
        if (h.a >= 0x40000010 && h.a < 0x40010000)
            return (u64)cpuid(0x40000010, 0).a * 1000;
    }
    return 0;
}

u64
clock_tsc_hz(void)
{
    u64 hz = tsc_hz_stated();
    if (hz == 0) {
        pit_start();
        hz = measure(&(struct counter){pit_read, PIT_HZ, 0xffff});
    }
    if (hz == 0 && machine.pm_timer != 0)
        hz = measure(&(struct counter){pm_read, PM_HZ, 0xffffff});
    if (hz < 1000000) {
        kerror("error: no clock of known rate: the TSC is taken to count at 1 GHz\n");
        hz = 1000000000;
    }
    return hz;
}

void
hal_boot_wait_us(u64 us)
{
    u64 end = hal_tsc() + us * (record->tsc_hz / 1000000);
    while (hal_tsc() < end)
        hal_pause();
}

/* ---- wall clock: the CMOS RTC (MC146818) ---- */

static u8
cmos(u8 index)
{
    outb(0x70, index);
    return inb(0x71);
}

static u32
from_bcd(u32 v, bool binary)
{
    return binary ? v : (v >> 4) * 10 + (v & 15);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar, years 1970..2169. */
static u64
days(u32 year, u32 month, u32 day)
{
    static const u16 before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    u32 leaps = (year - 1969) / 4 - (year - 1901) / 100 + (year - 1601) / 400;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return (u64)(year - 1970) * 365 + leaps + before[month - 1] + (leap && month > 2) +
           day - 1;
}

u64
hal_boot_wall_ns(void)
{
    static const u8 index[] = {0, 2, 4, 7, 8, 9};
    u8 now[6], last[6];
    /* Two equal reads in a row have not been torn by an update; an absent clock reads all
     * ones. */
    for (unsigned tries = 0;; tries++) {
        for (unsigned i = 0; i < 6; i++)
            now[i] = cmos(index[i]);
        if (tries != 0 && __builtin_memcmp(now, last, sizeof(now)) == 0)
            break;
        if (tries == 100)
            return 0;
        __builtin_memcpy(last, now, sizeof(last));
    }
    u8 mode = cmos(0x0b);
    bool binary = mode & 4, pm = !(mode & 2) && (now[2] & 0x80);
    u32 hour = from_bcd(now[2] & (mode & 2 ? 0xffu : 0x7fu), binary);
    if (!(mode & 2))
        hour = hour % 12 + (pm ? 12 : 0);
    u32 second = from_bcd(now[0], binary), minute = from_bcd(now[1], binary);
    u32 day = from_bcd(now[3], binary), month = from_bcd(now[4], binary);
    u32 year = 2000 + from_bcd(now[5], binary);
    if (second > 60 || minute > 59 || hour > 23 || day < 1 || day > 31 || month < 1 ||
        month > 12)
        return 0;
    return ((days(year, month, day) * 24 + hour) * 60 + minute) * 60000000000ull +
           second * 1000000000ull;
}

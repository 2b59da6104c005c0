/* SPDX-License-Identifier: MIT */
/* Clocks: TSC and the record's calibration; the wall clock is an offset to the monotonic
 * one. */
#include <abi/layout.h>

#include "core/clock.h"
#include "core/lock.h"
#include "core/machine.h"
#include "core/wait.h"

#define NS_PER_SECOND 1000000000ull

static _Atomic u64 real_offset_ns; /* wall clock minus monotonic */
/* No two set it at a time, or the one who shows it could be shown the former. */
static struct spinlock real_lock;
static _Atomic u64 real_sets;
void (*clock_real_shown)(void);
struct waitq clock_changed = WAITQ_INIT(clock_changed);

u64
clock_tsc(void)
{
    return machine_tsc();
}

u64
clock_ticks_to_ns(u64 ticks)
{
    unsigned __int128 time = (unsigned __int128)ticks * machine_record->tsc_mult;
    unsigned __int128 fraction_ns = (unsigned __int128)(u64)time * NS_PER_SECOND;
    return (u64)(time >> 64) * NS_PER_SECOND + (u64)(fraction_ns >> 64);
}

u64
clock_mono_ns(void)
{
    return clock_ticks_to_ns(machine_tsc() - machine_record->tsc_base);
}

/* ceil((high * 2^64 + low) / by); high < by. */
static u64
divide_up(u64 high, u64 low, u64 by)
{
    u64 quotient, rest;
    __asm__("divq %4" : "=a"(quotient), "=d"(rest) : "a"(low), "d"(high),
            "r"(by) : "cc");
    return quotient + (rest != 0);
}

u64
clock_ns_to_ticks(u64 ns)
{
    u64 seconds = ns / NS_PER_SECOND;
    if (seconds >= machine_record->tsc_mult)
        return FB_FOREVER - 1; /* the quotient does not fit: centuries away */
    u64 fraction = divide_up(ns % NS_PER_SECOND, 0, NS_PER_SECOND);
    return divide_up(seconds, fraction, machine_record->tsc_mult);
}

u64
clock_ns_to_tsc(u64 mono_ns)
{
    u64 ticks = clock_ns_to_ticks(mono_ns), tsc = ticks + machine_record->tsc_base;
    return tsc < ticks || tsc >= FB_FOREVER - 1 ? FB_FOREVER - 1 : tsc;
}

u64
clock_real_ns(void)
{
    /* In this order: an earlier time with a later offset would lie before what the clock was
     * set to. */
    u64 offset = atomic_load_explicit(&real_offset_ns, memory_order_acquire);
    return clock_mono_ns() + offset;
}

u64
clock_real_offset_ns(void)
{
    return atomic_load_explicit(&real_offset_ns, memory_order_relaxed);
}

void
clock_real_set(u64 unix_ns)
{
    spin_lock(&real_lock);
    atomic_store(&real_offset_ns, unix_ns - clock_mono_ns());
    if (clock_real_shown)
        clock_real_shown();
    spin_unlock(&real_lock);
    atomic_fetch_add(&real_sets, 1);
    wait_wake(&clock_changed, ~0u);
}

u64
clock_real_sets(void)
{
    return atomic_load(&real_sets);
}

void
clock_init(void)
{
    atomic_store(&real_offset_ns, machine_record->boot_unix_ns);
}

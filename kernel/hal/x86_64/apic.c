/* SPDX-License-Identifier: MIT */
/*
 * The local APIC, by its memory-mapped registers (SDM vol. 3, chapter 11): interrupts
 * between CPUs, and the timer.
 *
 * The timer counts down from a 32-bit value; a deadline beyond its reach is armed as far
 * as it goes, and the handler, which compares deadlines with the TSC, arms it again.
 */
#include "base/panic.h"
#include "hal/x86_64/x86.h"

#define APIC_TPR (0x80 / 4)
#define APIC_EOI (0xb0 / 4)
#define APIC_SPURIOUS (0xf0 / 4)
#define APIC_ICR_LOW (0x300 / 4)
#define APIC_ICR_HIGH (0x310 / 4)
#define APIC_LVT_TIMER (0x320 / 4)
#define APIC_LVT_THERMAL (0x330 / 4)
#define APIC_LVT_LINT0 (0x350 / 4)
#define APIC_LVT_LINT1 (0x360 / 4)
#define APIC_LVT_ERROR (0x370 / 4)
#define APIC_TIMER_INITIAL (0x380 / 4)
#define APIC_TIMER_COUNT (0x390 / 4)
#define APIC_TIMER_DIVIDE (0x3e0 / 4)
#define LVT_MASKED 0x10000u
#define LVT_NMI 0x400u
#define ICR_BUSY 0x1000u
#define ICR_ASSERT 0x4000u
#define ICR_OTHERS 0xc0000u
#define DIVIDE_BY_1 0xbu

volatile u32 *apic_registers;
static u64 timer_mult; /* timer ticks = (TSC ticks * timer_mult) >> 32 */
static u64 timer_reach; /* TSC ticks that the 32-bit counter covers */

void
apic_setup(void)
{
    if (apic_registers == NULL) {
        u64 base = machine.apic_base != 0 ? machine.apic_base
                                          : msr_read(MSR_APIC_BASE) & 0xffffff000ull;
        apic_registers = device_map(base, PAGE_SIZE);
        ASSERT(apic_registers != NULL);
    }
    u64 msr = msr_read(MSR_APIC_BASE);
    if (msr & (1u << 10))
        panic("the firmware left the local APIC in x2APIC mode, which is not supported");
    msr_write(MSR_APIC_BASE, msr | 1u << 11);
    apic_registers[APIC_TPR] = 0;
    apic_registers[APIC_LVT_TIMER] = LVT_MASKED | HAL_VECTOR_TIMER;
    apic_registers[APIC_LVT_LINT0] = LVT_MASKED;
    apic_registers[APIC_LVT_LINT1] = this_cpu()->id == 0 ? LVT_NMI : LVT_MASKED;
    apic_registers[APIC_LVT_ERROR] = LVT_MASKED | HAL_VECTOR_SPURIOUS;
    apic_registers[APIC_TIMER_DIVIDE] = DIVIDE_BY_1;
    apic_registers[APIC_SPURIOUS] = 0x100 | HAL_VECTOR_SPURIOUS;
    apic_registers[APIC_EOI] = 0;
    if (timer_mult != 0)
        apic_registers[APIC_LVT_TIMER] = HAL_VECTOR_TIMER;
}

/* ---- interrupts between CPUs ---- */

void
apic_send(u32 apic_id, u32 command)
{
    /* The last one has left within a few bus cycles; a CPU that does not take it is not
     * waited for. */
    for (unsigned tries = 0; (apic_registers[APIC_ICR_LOW] & ICR_BUSY) && tries < 1000;
         tries++)
        hal_pause();
    apic_registers[APIC_ICR_HIGH] = apic_id << 24;
    apic_registers[APIC_ICR_LOW] = command;
}

void
hal_kick(u32 cpu)
{
    apic_send(cpu_by_id(cpu)->apic_id, ICR_ASSERT | HAL_VECTOR_KICK);
}

void
hal_stop_others(void)
{
    if (apic_registers != NULL && cpu_count > 1)
        apic_send(0, ICR_OTHERS | ICR_ASSERT | HAL_VECTOR_STOP);
}

void
hal_eoi(void)
{
    apic_registers[APIC_EOI] = 0;
}

/* ---- the timer ---- */

/* The rates are known: from now on each CPU's apic_setup enables the timer. */
static void
timer_setup(u64 tsc_hz, u64 apic_hz)
{
    timer_mult = (apic_hz << 32) / tsc_hz;
    if (timer_mult == 0)
        panic("the local APIC's timer does not count");
    timer_reach = (0xfffffff0ull << 32) / timer_mult;
    apic_registers[APIC_TIMER_INITIAL] = 0;
    apic_registers[APIC_LVT_TIMER] = HAL_VECTOR_TIMER;
}

void
hal_timer_arm(u64 tsc)
{
    this_cpu()->armed = tsc;
    if (tsc == ~0ull) {
        apic_registers[APIC_TIMER_INITIAL] = 0;
        return;
    }
    u64 now = hal_tsc();
    u64 ticks = tsc > now ? tsc - now : 0;
    if (ticks > timer_reach)
        ticks = timer_reach;
    /* Rounded up: never before the deadline (but for the reach), and never 0, which would
     * disarm. */
    apic_registers[APIC_TIMER_INITIAL] =
        (u32)((unsigned __int128)ticks * timer_mult >> 32) + 1;
}

/* ---- rates ---- */

/* TSC and timer count of one moment: the read with the least delay of a few. */
static void
sample(u64 *tsc, u32 *count)
{
    u64 best = ~0ull;
    *tsc = *count = 0;
    for (unsigned i = 0; i < 4; i++) {
        u64 before = hal_tsc();
        u32 c = apic_registers[APIC_TIMER_COUNT];
        u64 took = hal_tsc() - before;
        if (took < best) {
            best = took;
            *tsc = before + took / 2;
            *count = c;
        }
    }
}

void
hal_boot_clocks(void)
{
    u64 tsc_a, tsc_b, tsc_hz;
    u32 count_a, count_b;
    outb(0x21, 0xff); /* the old interrupt controllers: all lines masked */
    outb(0xa1, 0xff);
    apic_setup();
    apic_registers[APIC_TIMER_INITIAL] = ~0u;
    sample(&tsc_a, &count_a);
    tsc_hz = clock_tsc_hz();
    do
        sample(&tsc_b, &count_b);
    while (tsc_b - tsc_a < tsc_hz / 10000); /* 100 us at least */
    u64 apic_hz = (u64)(count_a - count_b) * tsc_hz / (tsc_b - tsc_a);
    timer_setup(tsc_hz, apic_hz);
    record->tsc_hz = tsc_hz;
    u64 rest = -tsc_hz % tsc_hz; /* of 2^64 / tsc_hz, which is rounded */
    record->tsc_mult = -tsc_hz / tsc_hz + 1 + (rest >= tsc_hz - rest);
    ioapic_setup();
    power_setup();
}

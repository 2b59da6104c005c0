/* SPDX-License-Identifier: MIT */
/*
 * Interrupt lines: the I/O APICs (82093AA).  GSI n has vector HAL_VECTOR_IRQ + n and goes
 * to one CPU.
 *
 * I1. A register is reached through a select and a data register; both accesses are under
 *     `lock`, held for a few device accesses with interrupts off: the one spin lock of
 *     the kernel, and nothing is taken inside it.
 * I2. A line is masked from hal_irq_setup on, until hal_irq_unmask.
 */
#include "base/panic.h"
#include "hal/x86_64/x86.h"

#define SELECT 0
#define DATA 4
#define REG_VERSION 1u
#define REG_LINE(pin) (0x10u + 2 * (pin))
#define LINE_LOW (1u << 13)
#define LINE_LEVEL (1u << 15)
#define LINE_MASKED (1u << 16)

static struct {
    volatile u32 *registers;
    u32 gsi, pins;
} chips[8];
/* Under `lock`: what each line's low register holds; 0: not set up. */
static u32 low_word[HAL_IRQS];
static _Atomic u32 lock;

static void
chip_write(u32 chip, u32 reg, u32 value)
{
    chips[chip].registers[SELECT] = reg;
    chips[chip].registers[DATA] = value;
}

static void
take(void)
{
    while (atomic_exchange_explicit(&lock, 1, memory_order_acquire) != 0)
        hal_pause();
}

static void
release(void)
{
    atomic_store_explicit(&lock, 0, memory_order_release);
}

static int
chip_of(u32 gsi)
{
    for (u32 i = 0; i < machine.ioapics; i++)
        if (gsi >= chips[i].gsi && gsi - chips[i].gsi < chips[i].pins)
            return (int)i;
    return -FB_E_NODEV;
}

void
ioapic_setup(void)
{
    for (u32 i = 0; i < machine.ioapics; i++) {
        chips[i].gsi = machine.ioapic[i].gsi;
        chips[i].registers = device_map(machine.ioapic[i].base, 0x20);
        if (chips[i].registers == NULL)
            continue;
        chips[i].registers[SELECT] = REG_VERSION;
        u32 version = chips[i].registers[DATA];
        if (version == ~0u || version == 0) {
            kerror("error: no I/O APIC answers at 0x%lx\n", machine.ioapic[i].base);
            continue;
        }
        chips[i].pins = (version >> 16 & 0xff) + 1;
        for (u32 pin = 0; pin < chips[i].pins; pin++)
            chip_write(i, REG_LINE(pin), LINE_MASKED);
    }
}

int
hal_irq_setup(u32 gsi, u32 cpu, u32 flags)
{
    if (gsi >= HAL_IRQS || cpu >= cpu_count)
        return -FB_E_NODEV;
    int chip = chip_of(gsi);
    if (chip < 0)
        return chip;
    u32 how = flags & FB_IRQ_EXPLICIT ? flags : machine.line[gsi];
    u32 low = (HAL_VECTOR_IRQ + gsi) | LINE_MASKED;
    low |= (how & FB_IRQ_LEVEL ? LINE_LEVEL : 0) | (how & FB_IRQ_LOW ? LINE_LOW : 0);
    u32 reg = REG_LINE(gsi - chips[chip].gsi);
    take();
    chip_write((u32)chip, reg, LINE_MASKED);
    chip_write((u32)chip, reg + 1, cpu_by_id(cpu)->apic_id << 24);
    chip_write((u32)chip, reg, low);
    low_word[gsi] = low;
    release();
    return 0;
}

static void
set_mask(u32 gsi, bool masked)
{
    int chip = gsi < HAL_IRQS ? chip_of(gsi) : -FB_E_NODEV;
    if (chip < 0)
        return;
    take();
    if (low_word[gsi] != 0) {
        low_word[gsi] &= ~LINE_MASKED;
        low_word[gsi] |= masked ? LINE_MASKED : 0;
        chip_write((u32)chip, REG_LINE(gsi - chips[chip].gsi), low_word[gsi]);
    }
    release();
}

void
hal_irq_mask(u32 gsi)
{
    set_mask(gsi, true);
}

void
hal_irq_unmask(u32 gsi)
{
    set_mask(gsi, false);
}

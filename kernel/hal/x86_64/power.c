/* SPDX-License-Identifier: MIT */
/* The end of the machine: off, reset, halt (ACPI 6.4, chapter 4.8 and 16). */
#include "base/panic.h"
#include "hal/x86_64/x86.h"

#define SLEEP_ENABLE_PM1 (1u << 13)
#define SLEEP_ENABLE_REDUCED (1u << 5)

static void
map_register(struct register_at *r)
{
    if (r->space == 0 && r->address != 0)
        r->mapped = device_map(r->address, 4);
}

void
power_setup(void)
{
    map_register(&machine.reset);
    map_register(&machine.sleep);
}

static void
write_register(const struct register_at *r, u8 value)
{
    if (r->space == 1)
        outb((u16)r->address, value);
    else if (r->mapped != NULL)
        *r->mapped = value;
}

/* The registers of PM1 work once the firmware has handed power over (SCI_EN, bit 0). */
static void
acpi_enable(void)
{
    if (machine.smi_port == 0 || machine.acpi_enable == 0 ||
        (hal_port_in(machine.pm1a, 2) & 1))
        return;
    outb(machine.smi_port, machine.acpi_enable);
    for (unsigned i = 0; i < 1000 && !(hal_port_in(machine.pm1a, 2) & 1); i++)
        hal_boot_wait_us(10);
}

static void
sleep_pm1(u16 port, u8 type)
{
    u32 keep = hal_port_in(port, 2) & ~(0x1c00u | SLEEP_ENABLE_PM1);
    hal_port_out(port, 2, keep | (u32)type << 10 | SLEEP_ENABLE_PM1);
}

static void
power_off(void)
{
    if (!machine.sleep_valid)
        return;
    if (machine.reduced) {
        write_register(&machine.sleep, (u8)(machine.sleep_a << 2 | SLEEP_ENABLE_REDUCED));
    } else if (machine.pm1a != 0) {
        acpi_enable();
        sleep_pm1(machine.pm1a, machine.sleep_a);
        if (machine.pm1b != 0)
            sleep_pm1(machine.pm1b, machine.sleep_b);
    }
    hal_boot_wait_us(10000);
}

/* Each way in turn; the last one, a fault without an interrupt table, shuts every CPU
 * down or resets it. */
static NORETURN void
power_reset(void)
{
    if (machine.reset_valid) {
        write_register(&machine.reset, machine.reset_value);
        hal_boot_wait_us(1000);
    }
    outb(0xcf9, 0x02);
    outb(0xcf9, 0x06);
    hal_boot_wait_us(1000);
    outb(0x64, 0xfe);
    hal_boot_wait_us(1000);
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) none = {0, 0};
    __asm__ volatile("lidt %0\n\tint3" ::"m"(none));
    hal_stop();
}

int
hal_power(unsigned op)
{
    if (op == FB_POWER_OFF)
        power_off();
    else if (op == FB_POWER_RESET)
        power_reset();
    else if (op == FB_POWER_HALT) {
        hal_stop_others();
        hal_stop();
    }
    return -FB_E_NODEV;
}

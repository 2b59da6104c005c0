/* SPDX-License-Identifier: MIT */
/*
 * The other CPUs: INIT and two start-up interrupts to each, all at once (SDM vol.
 * 3, 9.4.4), then one wait for all. A CPU that does not come in time stays `online` = 0:
 * nothing is sent to it, and no epoch waits for it.
 */
#include "base/panic.h"
#include "boot/boot.h"
#include "hal/x86_64/x86.h"

#define ICR_INIT 0x4500u    /* INIT, assert */
#define ICR_STARTUP 0x4600u /* SIPI, assert; the vector is the page */
#define START_MAX_US 100000u

extern u8 trampoline_jump[], trampoline_long[];

void
ap_main(u32 id)
{
    cpu_setup(id);
    apic_setup();
    atomic_store(&cpu_by_id(id)->online, 1);
    dispatch_start();
}

static void
send_all(u32 command)
{
    for (u32 id = 1; id < cpu_count; id++)
        if (atomic_load(&cpu_by_id(id)->online) == 0)
            apic_send(cpu_by_id(id)->apic_id, command);
}

static u32
count_online(void)
{
    u32 n = 0;
    for (u32 id = 0; id < cpu_count; id++)
        n += atomic_load(&cpu_by_id(id)->online);
    return n;
}

u32
hal_boot_cpus(frame_t trampoline)
{
    if (cpu_count == 1)
        return 1;
    if (trampoline == 0) {
        kerror("error: no free page below 1 MiB: going on with one CPU\n");
        return 1;
    }
    u8 *page = frame_ptr(trampoline);
    u32 target =
        (u32)(trampoline << PAGE_SHIFT) + (u32)(trampoline_long - trampoline_start);
    __builtin_memcpy(page, trampoline_start, (u64)(trampoline_end - trampoline_start));
    __builtin_memcpy(page + (trampoline_jump - trampoline_start), &target,
                     sizeof(target));

    send_all(ICR_INIT);
    hal_boot_wait_us(10);
    send_all(ICR_STARTUP | (u32)trampoline);
    hal_boot_wait_us(10);
    send_all(ICR_STARTUP | (u32)trampoline);
    u64 end = hal_tsc() + START_MAX_US * (record->tsc_hz / 1000000);
    u32 n;
    while ((n = count_online()) < cpu_count && hal_tsc() < end)
        hal_pause();
    if (n < cpu_count)
        kerror("error: %u of %u CPUs did not start\n", cpu_count - n, cpu_count);
    else
        early_pml4[0] = 0; /* no one uses the identity mapping any more */
    return n;
}

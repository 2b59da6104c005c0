/* SPDX-License-Identifier: MIT */
/*
 * The steps of start-up that boot/ asks of the machine, in the order in which it takes
 * them.  Bootstrap CPU, interrupts off.  Until hal_boot_switch the early tables are in
 * force: they map the first 4 GiB at PHYSMAP_BASE.
 */
#ifndef KERNEL_HAL_HAL_BOOT_H
#define KERNEL_HAL_HAL_BOOT_H

#include "base/types.h"

#define HAL_EARLY_LIMIT (4ull << 30) /* bytes that the early tables map */

/* Console only: everything after it may print. */
void hal_boot_console(void);
/* What the CPU has (panics when that is too little), and the interrupt table. */
void hal_boot_cpu_features(void);
/* Firmware tables: CPUs, interrupt controllers, power.  rsdp 0: look for it.  Sets
 * cpu_count. */
void hal_boot_firmware(u64 rsdp);
/* Final page tables with these RAM ranges (frames), and the per-CPU areas of cpu_count
 * CPUs. */
void hal_boot_paging(const struct fb_range *ram, unsigned n);
/* Go on in `next` with the final tables, on CPU 0's own stack; the CPU is set up. */
NORETURN void hal_boot_switch(void (*next)(void));
/* Interrupt controllers, and the rates of the TSC and the timer, into the record. */
void hal_boot_clocks(void);
/* Wall clock in ns since 1970 (UTC), or 0. */
u64 hal_boot_wall_ns(void);
/* Spin for so long (start-up and panic only). */
void hal_boot_wait_us(u64 us);
/* Start the other CPUs; `trampoline` is a free frame below 1 MiB, 0: there is none.
 * Returns how many came up. */
u32 hal_boot_cpus(frame_t trampoline);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * From the PVH entry to the first domain.  boot/ reads what the firmware left, brings up
 * the CPUs through hal/, makes the frame records, and then kernel_start (boot/first.c)
 * makes the first domain and goes to it.
 */
#ifndef KERNEL_BOOT_BOOT_H
#define KERNEL_BOOT_BOOT_H

#include "base/types.h"

/* Filled by boot_main for kernel_start; all fields of fb_boot but the cap_* names.
 * Bootstrap CPU, interrupts off. */
extern struct fb_boot *boot_info; /* page-aligned, two PUBLIC frames */
extern struct fb_range
    boot_steward; /* bytes, physical, page-aligned: the steward's flat image */

/* Take n contiguous frames of free memory, zeroed (from boot_info->free, which shrinks).
 * Before kernel_start's domain runs. */
frame_t boot_frames(u64 n, u64 align);

/* boot/first.c: makes the steward's domain and starts it on this CPU. */
NORETURN void kernel_start(void);
/* slice/dispatch.c: what each CPU does once it is up: run what is ready, or idle. Called
 * on the CPU's kernel stack. */
NORETURN void dispatch_start(void);

#endif

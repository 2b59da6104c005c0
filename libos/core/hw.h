/* SPDX-License-Identifier: MIT */
/*
 * The machine, as far as it was granted to this instance: ports, interrupt lines,
 * console, power, entropy. Thin: one kernel call
 * each.  Errors: -E_NODEV not granted or not there; -E_INVAL.
 */
#ifndef LIBOS_CORE_HW_H
#define LIBOS_CORE_HW_H

#include "core/types.h"

int hw_port_in(u16 port, unsigned width, u32 *value) MUST_CHECK;
int hw_port_out(u16 port, unsigned width, u32 value);
/* Write bytes of a frame of ours (direct-map address, any length) to an 8-bit port,
 * without a copy. */
int hw_port_write(u16 port, const void *direct, size_t bytes) MUST_CHECK;
/* fn(arg) runs on vCPU 0 (core/event.h) when the line fires; the line stays masked until
 * hw_irq_ack. */
int hw_irq_bind(unsigned line, void (*fn)(void *arg), void *arg) MUST_CHECK;
int hw_irq_ack(unsigned line);
/* The kernel's console; any memory of the LibOS. */
void hw_console_write(const char *text, size_t bytes);
u64 hw_entropy(void);
enum hw_power { HW_POWER_OFF, HW_POWER_RESET, HW_POWER_HALT };
NORETURN void hw_power(enum hw_power op);

/* What the steward said about this instance. */
const char *hw_cmdline(void);
const char *hw_console_name(void); /* "ttyS0": owns COM1; "none" */
bool hw_quiet(void);
/* The initial archive in the direct map; *bytes 0: none. Its frames are in use; initrd
 * frames are released with hw_initrd_release. */
const void *hw_initrd(size_t *bytes);
/* May frame f of the archive be taken over whole (by tmpfs)? Then it belongs to the
 * caller, who page_frees it. */
bool hw_initrd_take(frame_t f);
/* Release what was not taken. */
void hw_initrd_release(void);
u64 hw_memory_frames(void); /* all memory of the instance */
u64 hw_slots_used(void);    /* capability slots of the domain that are in use */

#endif

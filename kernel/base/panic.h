/* SPDX-License-Identifier: MIT */
/* Reporting: the kernel's log, and the end when an invariant of the kernel itself is broken. */
#ifndef KERNEL_BASE_PANIC_H
#define KERNEL_BASE_PANIC_H

#include "base/types.h"

/* Print to the kernel's console (polled).  %s %c %d %u %x %lx %lu %ld %p %% and widths with 0. */
void kprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Stop all CPUs; print the message, registers and a symbolised backtrace; then reset or halt as panic= says. */
NORETURN void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with the registers of a trap in the kernel. */
NORETURN void panic_trap(const struct fb_regs *regs, u64 cr2);

#define ASSERT(c)                                                              \
    do {                                                                       \
        if (__builtin_expect(!(c), 0))                                         \
            panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #c);      \
    } while (0)

#endif

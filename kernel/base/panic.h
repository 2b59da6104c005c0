/* SPDX-License-Identifier: MIT */
/* Reporting: the kernel's log, and the end when an invariant of the kernel itself is
 * broken. */
#ifndef KERNEL_BASE_PANIC_H
#define KERNEL_BASE_PANIC_H

#include "base/types.h"
#include <stdarg.h>

/* Print to the kernel's console (polled).  %s %c %d %u %x %lx %lu %ld %p %% and widths
 * with 0. */
void kprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for errors: printed even when the command line says `quiet`. */
void kerror(const char *format, ...) __attribute__((format(printf, 1, 2)));
void kerror_list(const char *format, va_list *args) __attribute__((format(printf, 1, 0)));

/* From the command line: kprintf prints nothing; what panic does (< 0 reset at once, 0
 * halt, > 0 reset after seconds). */
extern bool print_quiet;
extern long panic_timeout;

/* Stop all CPUs; print the message, registers and a symbolised backtrace; then reset or
 * halt as panic= says. */
NORETURN void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with the registers of a trap in the kernel. */
NORETURN void panic_trap(const struct fb_regs *regs, u64 cr2);

#define ASSERT(c)                                                                        \
    do {                                                                                 \
        if (__builtin_expect(!(c), 0))                                                   \
            panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #c);                \
    } while (0)

#endif

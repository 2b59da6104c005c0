/* SPDX-License-Identifier: MIT */
/* Reporting: the LibOS's log on the console, and the end of the instance when an
 * invariant of its own is broken. */
#ifndef LIBOS_CORE_LOG_H
#define LIBOS_CORE_LOG_H

#include "core/types.h"

/* %s %c %d %u %x %lx %lu %ld %zu %p %% with width and 0; one line each. `log_info` is
 * silent with `quiet`. */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
NORETURN void libos_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Format into a buffer, NUL-terminated; returns the length that was needed. */
size_t format_text(char *buffer, size_t size, const char *format,
                   ...) __attribute__((format(printf, 3, 4)));

#define ASSERT(c)                                                                    \
    do {                                                                             \
        if (__builtin_expect(!(c), 0))                                               \
            libos_panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #c);      \
    } while (0)

#endif

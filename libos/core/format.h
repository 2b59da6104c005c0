/* SPDX-License-Identifier: MIT */
/* Formatting with an argument list; format_text (core/log.h) is the usual way. */
#ifndef LIBOS_CORE_FORMAT_H
#define LIBOS_CORE_FORMAT_H

#include <stdarg.h>

#include "core/types.h"

/* Writes at most size bytes with the NUL; returns the length that was needed without
 * it. */
size_t format_args(char *buffer, size_t size, const char *format, va_list args);

#endif

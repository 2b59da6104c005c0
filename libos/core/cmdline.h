/* SPDX-License-Identifier: MIT */
/* The command line of the instance: options as on Linux's (name, name=value, "quoted
 * values"). */
#ifndef LIBOS_CORE_CMDLINE_H
#define LIBOS_CORE_CMDLINE_H

#include "core/types.h"

/* The value of the last `name=value`, copied with NUL: its length (cut at size-1); `name`
 * alone gives 0; -E_NOENT. */
int cmdline_value(const char *name, char *value, size_t size);
bool cmdline_has(const char *name);
/* A number; false: not there or malformed. */
bool cmdline_number(const char *name, i64 *value);
/* Iterate over words: *cursor starts at hw_cmdline(); returns the length of the word
 * written (quotes removed), -1 at the end. */
int cmdline_next(const char **cursor, char *word, size_t size);

#endif

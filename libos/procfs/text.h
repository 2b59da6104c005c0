/* SPDX-License-Identifier: MIT */
/* A text that grows while it is written. */
#ifndef LIBOS_PROCFS_TEXT_H
#define LIBOS_PROCFS_TEXT_H

#include "core/types.h"

struct text {
    char *at; /* heap; not NUL-terminated */
    u32 length, size;
    bool failed; /* no memory: something is missing */
};
void text_add(struct text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void text_put(struct text *t, const char *bytes, size_t count);
/* With each byte of `special`, and the backslash, as \ooo. */
void text_quote(struct text *t, const char *s, const char *special);
/* "key:" padded to `width`, then the value right-aligned in 8, and " kB". */
void text_kilobytes(struct text *t, const char *key, u64 bytes);
/* A set of numbers below `count`, as 0-2,5. */
void text_ranges(struct text *t, const u64 *bits, u32 count);
void text_free(struct text *t);

#endif

/* SPDX-License-Identifier: MIT */
/* A text that grows while it is written. */
#ifndef LIBOS_PROCFS_TEXT_H
#define LIBOS_PROCFS_TEXT_H

#include "core/types.h"

struct text {
    char *at; /* heap; not NUL-terminated */
    u32 length, size;
    bool failed; /* no memory: something is missing, and size is length */
};
void text_add(struct text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void text_put(struct text *t, const char *bytes, size_t count);
/* Room for so many bytes behind the text, to be written by the caller, who then adds to
 * `length` what it wrote.  NULL: no memory (and `failed`). */
bool text_grow(struct text *t, size_t bytes); /* text_room's seldom case */
static inline char *
text_room(struct text *t, size_t bytes)
{
    return __builtin_expect(bytes <= t->size - t->length, 1) || text_grow(t, bytes)
               ? t->at + t->length
               : NULL;
}
/* With each byte of `special`, and the backslash, as \ooo. */
void text_quote(struct text *t, const char *s, const char *special);
/* " N" for each of them, in decimal. */
void text_numbers(struct text *t, const u64 *v, u32 count);
void text_signed(struct text *t, const i64 *v, u32 count);
/* Spaces up to `width` bytes behind `from`, an offset in the text. */
void text_pad(struct text *t, u32 from, u32 width);
/* A line: the head, then KiB right-aligned in 8, and " kB". */
void text_kilobytes_line(struct text *t, const char *head, u32 length, u64 bytes);
/* Such a line with "KEY:" padded to 16 bytes: KEY is a literal. */
#define text_kilobytes(t, key, bytes) \
    text_kilobytes_line(t, key ":               ", 16, bytes)
/* A set of numbers below `count`, as 0-2,5. */
void text_ranges(struct text *t, const u64 *bits, u32 count);
void text_free(struct text *t);

#endif

/* SPDX-License-Identifier: MIT */
/* Strings and structs of variable size from the user. */
#ifndef LIBOS_POSIX_STRINGS_H
#define LIBOS_POSIX_STRINGS_H

#include "core/types.h"
#include "core/usercopy.h"

#define LINUX_PATH_MAX 4096u

/* Strings that follow each other in one piece of memory.  Begins as zero. */
struct strings {
    char *text;
    u64 used, room; /* bytes of text, with the strings' NULs */
    u32 count;
};
/* Add those of a list of pointers that ends with NULL; at 0: none.  -E_FAULT -E_NOMEM,
 * -E_2BIG: with a pointer for each they are more than `limit` bytes.  strings_free is due
 * in any case. */
int strings_from_user(struct strings *s, uaddr at, u64 limit) MUST_CHECK;
int strings_add_empty(struct strings *s) MUST_CHECK; /* "" */
void strings_free(struct strings *s);

/* A struct that grew over time: what the user has more must be zero (-E_2BIG), what it
 * has less is zero. */
int struct_from_user(void *to, size_t size, uaddr at, u64 user_size) MUST_CHECK;

#endif

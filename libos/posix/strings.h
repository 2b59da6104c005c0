/* SPDX-License-Identifier: MIT */
/* Strings and structs of variable size from the user. */
#ifndef LIBOS_POSIX_STRINGS_H
#define LIBOS_POSIX_STRINGS_H

#include "core/types.h"
#include "core/usercopy.h"

#define LINUX_PATH_MAX 4096u

/* A NULL-terminated list of strings, in two allocations. */
struct string_list {
    char **list;
    char *data;
    u64 used, room; /* bytes of data, with the strings' NULs */
    u32 count;
};
/* at 0: an empty list. -E_FAULT -E_NOMEM, -E_2BIG: more than `limit` bytes. After an
 * error there is nothing to free. */
int strings_from_user(struct string_list *s, uaddr at, u64 limit) MUST_CHECK;
int strings_add_empty(struct string_list *s) MUST_CHECK; /* to an empty list */
void strings_free(struct string_list *s);

/* A path on the heap.  -E_FAULT -E_NAMETOOLONG -E_NOMEM */
int path_from_user(char **path, uaddr at) MUST_CHECK;

/* A struct that grew over time: what the user has more must be zero (-E_2BIG), what it
 * has less is zero. */
int struct_from_user(void *to, size_t size, uaddr at, u64 user_size) MUST_CHECK;

#endif

/* SPDX-License-Identifier: MIT */
/* Memory and string functions; those with the C library's names mean what they mean
 * there. */
#ifndef LIBOS_CORE_STRING_H
#define LIBOS_CORE_STRING_H

#include "core/types.h"

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
void *memchr(const void *s, int c, size_t bytes);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t max);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *s, const char *what);
/* Copy with NUL, cut off at size; returns strlen(from), so that >= size means it was
 * cut. */
size_t string_copy(char *to, const char *from, size_t size);
/* Parse an unsigned number (base 10, 0x, or 0 for octal if base is 0), up to the end or
 * `*end`; false: no digits or overflow. */
bool string_number(const char *s, unsigned base, u64 *value, const char **end);
/* Copy whole pages (rep movsq), clear a page. */
void page_copy(void *to, const void *from);
void page_clear(void *to);

#endif

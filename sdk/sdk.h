/* SPDX-License-Identifier: MIT */
/*
 * The freestanding core that the steward, small LibOSes and native programs stand on:
 * text, memory and strings. Nothing here allocates; nothing here knows POSIX.
 */
#ifndef SDK_SDK_H
#define SDK_SDK_H

#include <abi/calls.h>
#include <abi/layout.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint8_t u8;
#define PAGE 4096ull

void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);

/* %s %c %d %u %x %lx %lu %ld %p %% with 0 and width.  Returns the length that was needed.
 */
size_t sdk_format(char *to, size_t size, const char *format, va_list args);
size_t sdk_print_to(char *to, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The value of `key=` (to the next blank) or a bare word in a command line; false if it
 * is not there. */
bool sdk_option(const char *cmdline, const char *key, char *value, size_t size);

#endif

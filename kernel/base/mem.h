/* SPDX-License-Identifier: MIT */
/* The C library's memory functions, as the standard defines them; gcc calls them by
 * itself too. */
#ifndef KERNEL_BASE_MEM_H
#define KERNEL_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

#endif

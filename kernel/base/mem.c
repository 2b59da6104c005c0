/* SPDX-License-Identifier: MIT */
/*
 * The four functions that a freestanding gcc may call.  Eight bytes at a time: on the
 * emulator each iteration of a string instruction costs one instruction, whatever its
 * width.
 */
#include "base/mem.h"

void *
memcpy(void *to, const void *from, size_t bytes)
{
    void *out = to;
    size_t words = bytes >> 3, rest = bytes & 7;
    __asm__ volatile("rep movsq" : "+D"(out), "+S"(from), "+c"(words)::"memory");
    __asm__ volatile("rep movsb" : "+D"(out), "+S"(from), "+c"(rest)::"memory");
    return to;
}

void *
memset(void *to, int byte, size_t bytes)
{
    void *out = to;
    size_t words = bytes >> 3, rest = bytes & 7;
    uint64_t pattern = (uint8_t)byte * 0x0101010101010101ull;
    __asm__ volatile("rep stosq" : "+D"(out), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(out), "+c"(rest) : "a"(pattern) : "memory");
    return to;
}

void *
memmove(void *to, const void *from, size_t bytes)
{
    if ((uintptr_t)to - (uintptr_t)from >= bytes)
        return memcpy(to, from, bytes);
    char *d = (char *)to + bytes;
    const char *s = (const char *)from + bytes;
    while (d != (char *)to)
        *--d = *--s;
    return to;
}

int
memcmp(const void *a, const void *b, size_t bytes)
{
    const uint8_t *x = a, *y = b;
    for (; bytes >= 8; bytes -= 8, x += 8, y += 8) {
        uint64_t v, w;
        __builtin_memcpy(&v, x, 8);
        __builtin_memcpy(&w, y, 8);
        if (v != w)
            break;
    }
    for (; bytes != 0; bytes--, x++, y++)
        if (*x != *y)
            return *x < *y ? -1 : 1;
    return 0;
}

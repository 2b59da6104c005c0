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
/* Are they the same? Short ones mostly, such as names. */
static inline bool
bytes_equal(const char *a, const char *b, size_t bytes)
{
    u64 x, y;
    if (bytes < 8) {
        u32 first[2], last[2];
        if (bytes < 4) /* the first, the middle and the last are all */
            return bytes == 0 || (a[0] == b[0] && a[bytes / 2] == b[bytes / 2] &&
                                  a[bytes - 1] == b[bytes - 1]);
        __builtin_memcpy(&first[0], a, 4);
        __builtin_memcpy(&first[1], b, 4);
        __builtin_memcpy(&last[0], a + bytes - 4, 4);
        __builtin_memcpy(&last[1], b + bytes - 4, 4);
        return first[0] == first[1] && last[0] == last[1];
    }
    /* The last eight may overlap those before them. */
    for (size_t i = 0;; i = i + 16 <= bytes ? i + 8 : bytes - 8) {
        __builtin_memcpy(&x, a + i, sizeof x);
        __builtin_memcpy(&y, b + i, sizeof y);
        if (x != y || i + 8 == bytes)
            return x == y;
    }
}
/* The same for copying. */
static inline void
bytes_copy(char *to, const char *from, size_t bytes)
{
    if (bytes >= 8) {
        for (size_t i = 0; i + 8 < bytes; i += 8)
            __builtin_memcpy(to + i, from + i, 8);
        u64 last;
        __builtin_memcpy(&last, from + bytes - 8, 8);
        __builtin_memcpy(to + bytes - 8, &last, 8);
    } else if (bytes >= 4) {
        u32 first, last;
        __builtin_memcpy(&first, from, 4);
        __builtin_memcpy(&last, from + bytes - 4, 4);
        __builtin_memcpy(to, &first, 4);
        __builtin_memcpy(to + bytes - 4, &last, 4);
    } else if (bytes != 0) {
        to[0] = from[0];
        to[bytes / 2] = from[bytes / 2];
        to[bytes - 1] = from[bytes - 1];
    }
}

/* ---- names: what stands between the slashes of a path ---- */
/* Their hash, by words of eight bytes, the last one filled with zeroes.  A step is one to
 * one, so names of at most eight bytes are the same if their hashes are: no name has a
 * zero in it.  Two secret factors make it, both odd: who does not know them cannot choose
 * names that fall together, neither whole (what two words differ by after one step would
 * have to be known for the next to cancel it) nor in the bits that number a bucket.  The
 * hash of a name is therefore shown to no program. */
#define NAME_HASH_EXACT 8u
extern u64 name_hash_factor[2];
void name_hash_init(void); /* after random_init, before the first name is hashed */
static inline u64
name_hash_step(u64 hash, u64 word)
{
    hash = (hash ^ word) * name_hash_factor[0];
    hash = (hash ^ hash >> 32) * name_hash_factor[1];
    return hash ^ hash >> 32;
}
static inline u64
name_hash(const char *name, size_t length)
{
    u64 hash = 0, word = 0;
    size_t at = 0;
    for (; at + 8 <= length; at += 8) {
        __builtin_memcpy(&word, name + at, 8);
        hash = name_hash_step(hash, word);
    }
    size_t rest = length - at;
    if (rest == 0)
        return hash;
    name += at;
    if (at != 0) {
        __builtin_memcpy(&word, name + rest - 8, 8);
        word >>= 64 - 8 * rest;
    } else if (rest >= 4) {
        u32 first, last;
        __builtin_memcpy(&first, name, 4);
        __builtin_memcpy(&last, name + rest - 4, 4);
        word = first | (u64)last << 8 * (rest - 4);
    } else { /* the first, the middle and the last are all */
        word = (u8)name[0] | (u64)(u8)name[rest / 2] << 8 * (rest / 2) |
               (u64)(u8)name[rest - 1] << 8 * (rest - 1);
    }
    return name_hash_step(hash, word);
}

/* Eight bytes of a string; those behind its NUL are anything.  No page is read that has
 * none of it (which is all that the sanitizer on the host would not know). */
#if defined(__SANITIZE_ADDRESS__)
__attribute__((no_sanitize("address")))
#endif
static inline u64
string_word(const char *s)
{
    u64 word = 0;
    if (__builtin_expect(((uintptr_t)s & (PAGE_SIZE - 1)) <= PAGE_SIZE - 8, 1)) {
        __builtin_memcpy(&word, s, 8);
        return word;
    }
    for (unsigned i = 0; i < 8 && s[i] != '\0'; i++)
        word |= (u64)(u8)s[i] << 8 * i;
    return word;
}
/* The name at the start of a path: where it ends (at a slash or NUL), and its hash. */
static inline const char *
name_scan(const char *s, u64 *hash)
{
    const u64 ones = 0x0101010101010101ull, tops = 0x8080808080808080ull;
    for (u64 h = 0;; s += 8) {
        u64 word = string_word(s), slashes = word ^ ones * '/';
        /* The lowest top bit that is set marks the first byte that was zero. */
        u64 ends = (((word - ones) & ~word) | ((slashes - ones) & ~slashes)) & tops;
        if (ends == 0) {
            h = name_hash_step(h, word);
            continue;
        }
        u64 before = (ends ^ (ends - 1)) >> 8;
        if (before != 0)
            h = name_hash_step(h, word & before);
        *hash = h;
        return s + (unsigned)__builtin_ctzll(ends) / 8;
    }
}

/* Copy with NUL, cut off at size; returns strlen(from), so that >= size means it was
 * cut. */
size_t string_copy(char *to, const char *from, size_t size);
/* Parse an unsigned number (base 10, 0x, or 0 for octal if base is 0), up to the end or
 * `*end`; false: no digits or overflow. */
bool string_number(const char *s, unsigned base, u64 *value, const char **end);
/* Copy a page, clear a page: of the page's size alone. */
void page_copy(void *to, const void *from);
void page_clear(void *to);

#endif

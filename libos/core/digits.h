/* SPDX-License-Identifier: MIT */
/* Numbers as digits, a word at a time: what the text of /proc is mostly made of. */
#ifndef LIBOS_CORE_DIGITS_H
#define LIBOS_CORE_DIGITS_H

#include "core/types.h"

#define DIGITS_DECIMAL_MAX 20u /* of any u64 */
#define DIGITS_HEX_ROOM 16u    /* bytes that digits_hex may write at `to` */

/* Writes v's digits so that the last one is before `end`; where the first one is. */
static inline char *
digits_decimal(char *end, u64 v)
{
    while (v >= 100) { /* two at a time: a multiplication for both */
        u64 rest = v / 100;
        u32 two = (u32)(v - rest * 100), ten = two * 103 >> 10; /* below 100: two / 10 */
        end -= 2;
        end[0] = (char)('0' + ten);
        end[1] = (char)('0' + (two - ten * 10));
        v = rest;
    }
    if (v >= 10) {
        *--end = (char)('0' + v % 10);
        v /= 10;
    }
    *--end = (char)('0' + v);
    return end;
}

/* The eight decimal digits of v, below 10^8, as bytes 0 to 9, the highest one in the lowest
 * byte: halves, pairs and single digits are parted in all places of the word at once. */
static inline u64
digits_eight(u32 v)
{
    u32 high = v / 10000;
    u64 x = high | (u64)(v - high * 10000) << 32;
    u64 hundreds = x * 10486 >> 20 & 0x0000007f0000007full; /* below 10^4: / 100 */
    x = hundreds | (x - hundreds * 100) << 16;
    u64 tens = x * 103 >> 10 & 0x000f000f000f000full; /* below 100: / 10 */
    return tens | (x - tens * 10) << 8;
}

#define DIGITS_PUT_ROOM 27u /* bytes that digits_put may write at `to` */
#define DIGITS_ZEROS 0x3030303030303030ull

static inline char *
digits_put_word(char *to, u64 word)
{
    __builtin_memcpy(to, &word, 8);
    return to + 8;
}

/* v below 10^8, without zeros in front. */
static inline char *
digits_put_first(char *to, u32 v)
{
    u64 word = digits_eight(v);
    u32 skip = (u32)__builtin_ctzll(word | 1ull << 56) & ~7u; /* in bits */
    return digits_put_word(to, (word + DIGITS_ZEROS) >> skip) - skip / 8;
}

/* Writes v's digits, and anything behind them up to DIGITS_PUT_ROOM; where the first byte behind
 * them is. */
static inline char *
digits_put(char *to, u64 v)
{
    if (v < 100000000)
        return digits_put_first(to, (u32)v);
    u64 above = v / 100000000;
    u32 low = (u32)(v - above * 100000000);
    if (above < 100000000) {
        to = digits_put_first(to, (u32)above);
    } else {
        u32 first = (u32)(above / 100000000);
        to = digits_put_first(to, first);
        above -= (u64)first * 100000000;
        to = digits_put_word(to, digits_eight((u32)above) + DIGITS_ZEROS);
    }
    return digits_put_word(to, digits_eight(low) + DIGITS_ZEROS);
}

/* The eight hexadecimal digits of v, the highest one in the lowest byte. */
static inline u64
digits_hex_word(u32 v)
{
    u64 x = v;
    x = (x | x << 16) & 0x0000ffff0000ffffull;
    x = (x | x << 8) & 0x00ff00ff00ff00ffull;
    x = (x | x << 4) & 0x0f0f0f0f0f0f0f0full;
    u64 letters = (x + 0x0606060606060606ull) >> 4 & 0x0101010101010101ull;
    x += 0x3030303030303030ull + letters * ('a' - '0' - 10);
    return __builtin_bswap64(x);
}

/* Writes v in hexadecimal with at least `least` digits (at most 16), and anything behind
 * them up to DIGITS_HEX_ROOM; where the first byte behind them is. */
static inline char *
digits_hex(char *to, u64 v, unsigned least)
{
    if (v < 256 && least == 2) {
        to[0] = "0123456789abcdef"[v >> 4];
        to[1] = "0123456789abcdef"[v & 15];
        return to + 2;
    }
    unsigned digits = (unsigned)(67 - __builtin_clzll(v | 1)) / 4;
    digits = digits < least ? least : digits;
    u64 low = digits_hex_word((u32)v), high = digits_hex_word((u32)(v >> 32));
    /* The sixteen digits, `skip` of which are not wanted: they lie in the low bytes. */
    unsigned skip = 16 - digits;
    if (skip >= 8) {
        high = low;
        low = 0;
        skip -= 8;
    }
    if (skip != 0) {
        high = high >> 8 * skip | low << (64 - 8 * skip);
        low >>= 8 * skip;
    }
    __builtin_memcpy(to, &high, 8);
    __builtin_memcpy(to + 8, &low, 8);
    return to + digits;
}

#endif

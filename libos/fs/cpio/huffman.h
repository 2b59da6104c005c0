/* SPDX-License-Identifier: MIT */
/*
 * Tables of canonical Huffman codes (RFC 1951, 3.2.2), as inflate.c looks codes up: in a
 * root table of the next bits and, for longer codes, in a sub-table behind it.  An entry
 * has all that the decoder's loop needs: how many bits, what kind, how many extra bits,
 * and a value.
 */
#ifndef LIBOS_FS_CPIO_HUFFMAN_H
#define LIBOS_FS_CPIO_HUFFMAN_H

#include "core/types.h"

#define CODE_MAX 15u
#define LITERALS 288u

/* Entries: bits 0-7 length of the code, 8-11 kind, 12-15 extra bits (or bits of the
 * sub-table), 16-31 value. */
enum kind { KIND_BAD, KIND_LITERAL, KIND_COPY, KIND_END, KIND_TABLE };
#define ENTRY(length, kind, extra, value)                                                \
    ((u32)(length) | (u32)(kind) << 8 | (u32)(extra) << 12 | (u32)(value) << 16)
#define ENTRY_LENGTH(e) ((e)&0xffu)
#define ENTRY_KIND(e)   ((e) >> 8 & 0xfu)
#define ENTRY_EXTRA(e)  ((e) >> 12 & 0xfu)
#define ENTRY_VALUE(e)  ((e) >> 16)

struct code {
    u32 *table;
    u32 size; /* entries there are */
    unsigned root;
    u32 (*entry)(u32 symbol);
};

/* What a symbol of each alphabet means, without the length of its code. */
u32 literal_entry(u32 symbol);
u32 distance_entry(u32 symbol);
u32 plain_entry(u32 symbol);

/* Make the tables of the code whose symbols' lengths are lengths[0..n), n at most
 * LITERALS and each at most CODE_MAX; 0: not used.  -E_INVAL: no such code, *why says
 * why. */
int code_build(const struct code *c, const u8 *lengths, u32 n,
               const char **why) MUST_CHECK;

#endif

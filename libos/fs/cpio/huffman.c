/* SPDX-License-Identifier: MIT */
/* Tables of canonical Huffman codes (huffman.h). */
#include "fs/cpio/huffman.h"

#include "core/error.h"

static int
bad(const char **why, const char *what)
{
    *why = what;
    return -E_INVAL;
}

static u32
reverse(u32 code, unsigned bits)
{
    u32 r = 0;
    for (; bits; bits--, code >>= 1)
        r = r << 1 | (code & 1);
    return r;
}

u32
literal_entry(u32 i)
{
    static const u16 base[] = { 3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                67, 83, 99, 115, 131, 163, 195, 227, 258 };
    if (i < 256)
        return ENTRY(0, KIND_LITERAL, 0, i);
    if (i == 256)
        return ENTRY(0, KIND_END, 0, 0);
    if (i > 285)
        return ENTRY(0, KIND_BAD, 0, 0);
    u32 n = i - 257;
    return ENTRY(0, KIND_COPY, n < 8 || n == 28 ? 0 : n / 4 - 1, base[n]);
}

u32
distance_entry(u32 i)
{
    if (i > 29)
        return ENTRY(0, KIND_BAD, 0, 0);
    u32 extra = i < 4 ? 0 : i / 2 - 1;
    u32 base = i < 4 ? i + 1 : ((2 + (i & 1)) << extra) + 1;
    return ENTRY(0, KIND_COPY, extra, base);
}

u32
plain_entry(u32 i)
{
    return ENTRY(0, KIND_LITERAL, 0, i);
}

/* Bits for the sub-table that begins with this code: enough for the longest codes that
 * share its root bits. */
static unsigned
sub_bits(const u16 *count, unsigned length, unsigned root)
{
    unsigned bits = length - root;
    i32 left = 1 << bits;
    for (unsigned l = length; l < CODE_MAX; l++) {
        left -= count[l];
        if (left <= 0)
            break;
        bits++;
        left <<= 1;
    }
    return bits;
}

static void
fill(u32 *table, u32 first, u32 step, u32 size, u32 entry)
{
    for (u32 i = first; i < size; i += step)
        table[i] = entry;
}

int
code_build(const struct code *c, const u8 *lengths, u32 n, const char **why)
{
    u16 count[CODE_MAX + 1] = { 0 }, sorted[LITERALS], offset[CODE_MAX + 2];
    for (u32 i = 0; i < n; i++)
        count[lengths[i]]++;
    u32 codes = n - count[0];
    count[0] = 0;
    i32 left = 1;
    for (unsigned l = 1; l <= CODE_MAX; l++) {
        left = (left << 1) - count[l];
        if (left < 0)
            return bad(why, "an oversubscribed code");
    }
    if (left > 0 && (codes > 1 || count[1] != codes))
        return bad(why, "an incomplete code");
    fill(c->table, 0, 1, 1u << c->root, ENTRY(1, KIND_BAD, 0, 0));
    offset[1] = 0;
    for (unsigned l = 1; l <= CODE_MAX; l++)
        offset[l + 1] = (u16)(offset[l] + count[l]);
    for (u32 i = 0; i < n; i++)
        if (lengths[i])
            sorted[offset[lengths[i]]++] = (u16)i;
    u32 code = 0, next = 1u << c->root, sub = 0, sub_size = 0, sub_root = ~0u, i = 0;
    for (unsigned l = 1; l <= CODE_MAX; l++, code <<= 1) {
        for (u32 k = count[l]; k > 0; k--, code++, i++) {
            u32 r = reverse(code, l), e = c->entry(sorted[i]);
            if (l <= c->root) {
                fill(c->table, r, 1u << l, 1u << c->root, e | l);
                continue;
            }
            u32 root_bits = r & ((1u << c->root) - 1);
            if (root_bits != sub_root) {
                count[l] = (u16)k; /* those of this length that are still to come */
                unsigned bits = sub_bits(count, l, c->root);
                sub_root = root_bits;
                sub = next;
                sub_size = 1u << bits;
                if (sub_size > c->size - next)
                    return bad(why, "a code that needs too large a table");
                next += sub_size;
                fill(c->table + sub, 0, 1, sub_size, ENTRY(1, KIND_BAD, 0, 0));
                c->table[root_bits] = ENTRY(c->root, KIND_TABLE, bits, sub);
            }
            fill(c->table + sub, r >> c->root, 1u << (l - c->root), sub_size,
                 e | (l - c->root));
        }
    }
    return 0;
}

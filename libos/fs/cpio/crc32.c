/* SPDX-License-Identifier: MIT */
/* CRC-32 (IEEE 802.3, reflected), eight bytes a step: table k is for a byte that k more
 * bytes follow. */
#include "core/types.h"
#include "fs/cpio/inflate.h"

static inline u64
load(const void *at)
{
    u64 word;
    __builtin_memcpy(&word, at, 8);
    return word;
}

u32
crc32_update(u32 crc, const void *data, u64 bytes)
{
    static u32 table[8][256]; /* eight bytes a step */
    const u8 *p = data;
    if (table[0][1] == 0) {
        for (u32 k = 8; k-- > 0;) { /* table[0] last: it says that all are there */
            for (u32 i = 0; i < 256; i++) {
                u32 c = i;
                for (u32 bit = 0; bit < 8 * (k + 1); bit++)
                    c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
                table[k][i] = c;
            }
        }
    }
    crc = ~crc;
    for (; bytes >= 8; bytes -= 8, p += 8) {
        u64 w = load(p) ^ crc;
        crc = table[7][w & 0xff] ^ table[6][w >> 8 & 0xff] ^ table[5][w >> 16 & 0xff] ^
              table[4][w >> 24 & 0xff] ^ table[3][w >> 32 & 0xff] ^
              table[2][w >> 40 & 0xff] ^ table[1][w >> 48 & 0xff] ^ table[0][w >> 56];
    }
    for (; bytes; bytes--, p++)
        crc = crc >> 8 ^ table[0][(crc ^ *p) & 0xff];
    return ~crc;
}

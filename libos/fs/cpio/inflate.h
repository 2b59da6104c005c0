/* SPDX-License-Identifier: MIT */
/*
 * Decompression of gzip members (RFC 1952) of deflate data (RFC 1951) into runs of
 * frames.
 *
 * I1. Output stands in chunks of INFLATE_CHUNK bytes, each one run of frames; only the
 *     last one is not full, and its frames that have no bytes have been given back.
 * I2. Nothing outside [in, in + bytes) is read, nothing outside the chunks is written.
 * Cost: about 80 instructions for each literal or match, 20 for each byte of a usual
 * archive, 2 more for the checksum.
 */
#ifndef LIBOS_FS_CPIO_INFLATE_H
#define LIBOS_FS_CPIO_INFLATE_H

#include "core/types.h"

#define INFLATE_ORDER 8u /* 2^8 frames: 1 MiB */
#define INFLATE_CHUNK (PAGE_SIZE << INFLATE_ORDER)

struct inflated {
    u8 **chunk; /* heap; in the direct map */
    u64 chunks, chunks_max;
    u64 bytes, limit; /* more than `limit` bytes: -E_FBIG (0: no limit) */
};

/*
 * Decompress one member.  *used: how many bytes of input it had.  -E_INVAL: not valid
 * gzip data (*why says what); -E_NOMEM; -E_FBIG.  After an error the output is to be
 * freed as well.
 */
int inflate_gzip(const u8 *in, u64 bytes, u64 *used, struct inflated *out,
                 const char **why) MUST_CHECK;
void inflate_free(struct inflated *out);
/* CRC-32 of IEEE 802.3, as gzip has it: start with 0. */
u32 crc32_update(u32 crc, const void *data, u64 bytes);

#endif

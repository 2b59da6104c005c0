/* SPDX-License-Identifier: MIT */
/* Fuzzer: whatever the bytes, inflate ends within its bounds and gives everything back.
 * Half of the inputs get a valid header. */
#include <stdlib.h>
#include <string.h>

#include "fs/cpio/inflate.h"
#include "vm/test/fake.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
    struct inflated o = { .limit = 4 * INFLATE_CHUNK };
    const char *why;
    u64 used;
    u8 *copy = malloc(bytes + 10);
    memcpy(copy, "\x1f\x8b\x08\0\0\0\0\0\0\0", 10);
    memcpy(copy + 10, data, bytes);
    bool whole = bytes && data[0] & 1;
    (void)!inflate_gzip(whole ? copy : copy + 10, whole ? bytes + 10 : bytes, &used, &o,
                        &why);
    inflate_free(&o);
    free(copy);
    if (fake_frames || fake_objects)
        abort();
    return 0;
}

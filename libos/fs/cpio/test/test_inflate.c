/* SPDX-License-Identifier: MIT */
/* inflate against zlib: the vectors that vectors.py made are in the file that the build
 * names. */
#include <string.h>

#include "core/error.h"
#include "core/test/check.h"
#include "fs/cpio/inflate.h"
#include "vm/test/fake.h"

struct vector {
    char name[16];
    u32 packed, plain;
};
static u8 *file, *file_end;

static void
load_vectors(void)
{
    FILE *f = fopen(VECTORS, "rb");
    CHECK(f);
    file = malloc(64 << 20);
    file_end = file + fread(file, 1, 64 << 20, f);
    fclose(f);
}

static bool
same(const struct inflated *o, const u8 *plain, u64 bytes)
{
    if (o->bytes != bytes)
        return false;
    for (u64 i = 0; i < bytes; i += INFLATE_CHUNK)
        if (memcmp(o->chunk[i / INFLATE_CHUNK], plain + i,
                   MIN(INFLATE_CHUNK, bytes - i)) != 0)
            return false;
    return true;
}

/* An exact copy, so that the sanitizer sees a byte too many. */
static int
inflate_copy(const u8 *in, u64 bytes, u64 *used, struct inflated *out)
{
    const char *why;
    u8 *copy = malloc(bytes + !bytes);
    memcpy(copy, in, bytes);
    out->limit = 0;
    int rc = inflate_gzip(copy, bytes, used, out, &why);
    free(copy);
    return rc;
}

/* Verify that each vector becomes what zlib packed, and that junk behind it is left
 * alone. */
static void
test_inflate_when_zlib_packed_then_same(void)
{
    int n = 0;
    for (u8 *at = file; at < file_end; n++) {
        struct vector v;
        struct inflated o;
        u64 used;
        memcpy(&v, at, sizeof(v));
        at += sizeof(v);
        CHECK(inflate_copy(at, v.packed, &used, &o) == 0);
        CHECK(used == v.packed && same(&o, at + v.packed, v.plain));
        inflate_free(&o);
        u8 *junk = malloc(v.packed + 100);
        memcpy(junk, at, v.packed);
        memset(junk + v.packed, 0xa5, 100);
        CHECK(inflate_copy(junk, v.packed + 100, &used, &o) == 0);
        CHECK(used == v.packed && same(&o, at + v.packed, v.plain));
        inflate_free(&o);
        free(junk);
        at += v.packed + v.plain;
    }
    CHECK(n == 14 && fake_frames == 0 && fake_objects == 0);
}

/* Verify that every truncation of a small member is refused, and loses nothing. */
static void
test_inflate_when_truncated_then_inval(void)
{
    for (u8 *at = file; at < file_end;) {
        struct vector v;
        struct inflated o;
        u64 used;
        memcpy(&v, at, sizeof(v));
        at += sizeof(v);
        u64 step = v.packed / 300 + 1;
        for (u64 cut = 0; cut < v.packed; cut += step) {
            CHECK(inflate_copy(at, cut, &used, &o) == -E_INVAL);
            inflate_free(&o);
        }
        at += v.packed + v.plain;
    }
    CHECK(fake_frames == 0 && fake_objects == 0);
}

/* Verify that a changed bit is an error, or makes no difference (padding). */
static void
test_inflate_when_damaged_then_no_harm(void)
{
    u8 *at = file;
    struct vector v;
    u64 refused = 0, tried = 0;
    for (int skip = 0; skip < 3; skip++) {
        memcpy(&v, at, sizeof(v));
        if (skip < 2)
            at += sizeof(v) + v.packed + v.plain;
    }
    at += sizeof(v);
    u8 *copy = malloc(v.packed);
    for (u64 bit = 80; bit < v.packed * 8ull; bit += 7, tried++) {
        struct inflated o;
        u64 used;
        memcpy(copy, at, v.packed);
        copy[bit / 8] ^= 1 << bit % 8;
        if (inflate_copy(copy, v.packed, &used, &o) != 0)
            refused++;
        else
            CHECK(same(&o, at + v.packed, v.plain));
        inflate_free(&o);
    }
    free(copy);
    CHECK(refused + 8 > tried && fake_frames == 0);
}

/* Verify that output beyond the limit is refused. */
static void
test_inflate_when_over_limit_then_fbig(void)
{
    for (u8 *at = file; at < file_end;) {
        struct vector v;
        struct inflated o = { .limit = INFLATE_CHUNK };
        const char *why;
        u64 used;
        memcpy(&v, at, sizeof(v));
        at += sizeof(v);
        int rc = inflate_gzip(at, v.packed, &used, &o, &why);
        CHECK(rc == (v.plain > INFLATE_CHUNK ? -E_FBIG : 0));
        inflate_free(&o);
        at += v.packed + v.plain;
    }
}

/* Verify the checksum with the value that every description of CRC-32 gives. */
static void
test_crc_when_check_string_then_known(void)
{
    CHECK(crc32_update(0, "123456789", 9) == 0xcbf43926u);
    CHECK(crc32_update(crc32_update(0, "1234", 4), "56789", 5) == 0xcbf43926u);
}

int
main(void)
{
    load_vectors();
    RUN(test_crc_when_check_string_then_known);
    RUN(test_inflate_when_zlib_packed_then_same);
    RUN(test_inflate_when_truncated_then_inval);
    RUN(test_inflate_when_damaged_then_no_harm);
    RUN(test_inflate_when_over_limit_then_fbig);
    DONE();
}

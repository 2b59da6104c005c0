/* SPDX-License-Identifier: MIT */
/*
 * What an initramfs is made of: archives, compressed ones, zeros.  The output of a gzip
 * member is a source of its own; files refer to its frames in place.
 */
#include "fs/cpio/cpio.h"

#include "core/clock.h"
#include "core/error.h"
#include "core/heap.h"
#include "core/hw.h"
#include "core/log.h"
#include "core/page.h"
#include "core/string.h"
#include "fs/cpio/inflate.h"
#include "fs/cpio/private.h"

/* ---- sources ---- */

/* The output of a gzip member as a source. */
struct unpacked {
    struct source source;
    struct inflated data;
    _Atomic u64 *taken; /* one bit for each frame */
};

static bool
unpacked_take(struct source *s, frame_t frame)
{
    struct unpacked *u = s->priv;
    for (u64 c = 0; c < u->data.chunks; c++) {
        u64 first = page_frame(u->data.chunk[c]);
        if (frame < first || frame >= first + INFLATE_CHUNK / PAGE_SIZE)
            continue;
        u64 index = c * (INFLATE_CHUNK / PAGE_SIZE) + (frame - first),
            bit = 1ull << (index % 64);
        return !(atomic_fetch_or(&u->taken[index / 64], bit) & bit);
    }
    return false;
}

static void
unpacked_done(struct source *s)
{
    struct unpacked *u = s->priv;
    u64 pages = PAGE_UP(u->data.bytes) >> PAGE_SHIFT,
        per_chunk = INFLATE_CHUNK / PAGE_SIZE;
    for (u64 i = 0; i < pages; i++)
        if (!(u->taken[i / 64] >> (i % 64) & 1))
            page_free(page_frame(u->data.chunk[i / per_chunk]) + i % per_chunk);
    heap_free(u->data.chunk);
    heap_free((void *)u->taken);
    heap_free(u);
}

/* Decompress the member at `at`; one user: the caller. *used: its bytes. */
static int
unpack_member(const struct source *archive, u64 at, u64 *used, struct source **out,
              const char **why)
{
    u64 left;
    const u8 *in = source_at(archive, at, &left);
    struct unpacked *u = heap_alloc_zeroed(sizeof(*u));
    *why = "no memory";
    if (!u)
        return -E_NOMEM;
    int rc = inflate_gzip(in, left, used, &u->data, why);
    u64 words = (PAGE_UP(u->data.bytes) / PAGE_SIZE + 63) / 64;
    if (rc == 0) {
        u->taken = heap_alloc_zeroed((words + 1) * sizeof(u64));
        rc = u->taken ? 0 : -E_NOMEM;
    }
    if (rc != 0) {
        inflate_free(&u->data);
        heap_free(u);
        return rc;
    }
    u->source = (struct source){ .bytes = u->data.bytes,
                                 .chunk = u->data.chunk,
                                 .shift = PAGE_SHIFT + INFLATE_ORDER,
                                 .users = 1,
                                 .take = unpacked_take,
                                 .done = unpacked_done,
                                 .priv = u };
    *out = &u->source;
    return 0;
}

/* ---- the sequence ---- */

const char *
cpio_compression(const u8 *data, u64 bytes)
{
    static const struct {
        const char *name;
        u8 length, magic[6];
    } known[] = {
        { "gzip", 2, { 0x1f, 0x8b } },
        { "bzip2", 3, { 'B', 'Z', 'h' } },
        { "xz", 6, { 0xfd, '7', 'z', 'X', 'Z', 0 } },
        { "lzma", 3, { 0x5d, 0, 0 } },
        { "lzo", 4, { 0x89, 'L', 'Z', 'O' } },
        { "lz4", 4, { 0x02, 0x21, 0x4c, 0x18 } },
        { "lz4", 4, { 0x04, 0x22, 0x4d, 0x18 } },
        { "zstd", 4, { 0x28, 0xb5, 0x2f, 0xfd } },
        { "compress", 2, { 0x1f, 0x9d } },
    };
    for (u32 i = 0; i < ARRAY_SIZE(known); i++)
        if (bytes >= known[i].length &&
            memcmp(data, known[i].magic, known[i].length) == 0)
            return known[i].name;
    return NULL;
}

static int unpack_sequence(struct cpio_parser *p, struct source *s, bool outer);

static int
unpack_compressed(struct cpio_parser *p, struct source *s, u64 *at, const char *name)
{
    struct source *inner;
    u64 used;
    if (strcmp(name, "gzip") != 0) {
        log_error(
            "initramfs: compressed with %s, which is not supported: use gzip or none",
            name);
        return -E_NOTSUP;
    }
    const char *why;
    int rc = unpack_member(s, *at, &used, &inner, &why);
    if (rc != 0) {
        log_error("initramfs: gzip data at %lu: %s", (unsigned long)*at, why);
        return rc;
    }
    *at += used;
    rc = unpack_sequence(p, inner, false);
    source_release(inner);
    return rc;
}

static int
unpack_sequence(struct cpio_parser *p, struct source *s, bool outer)
{
    u64 at = 0, left;
    int rc = 0;
    while (rc == 0 && at < s->bytes) {
        const u8 *data = source_at(s, at, &left);
        if (*data == 0) {
            at++;
            continue;
        }
        const char *name = outer ? cpio_compression(data, left) : NULL;
        if (name) {
            rc = unpack_compressed(p, s, &at, name);
            continue;
        }
        u64 start = at;
        p->source = s;
        p->why = at % 4 ? "an archive that is not aligned" : NULL;
        rc = p->why ? -E_INVAL : cpio_parse(p, &at);
        cpio_forget_links(p->target);
        if (rc != 0)
            log_error("initramfs: archive at %lu, near %lu: %s (error %d)",
                      (unsigned long)start, (unsigned long)at,
                      p->why ? p->why : "it could not be unpacked", -rc);
    }
    return rc;
}

int
cpio_unpack(struct source *archive, struct cpio_counts *counts)
{
    struct cpio_parser p = { .put = cpio_put };
    int rc = cpio_target_new(&p.target);
    if (rc != 0)
        return rc;
    p.name = heap_alloc(CPIO_NAME_MAX);
    p.link = heap_alloc(CPIO_LINK_MAX + 1);
    rc = p.name && p.link ? unpack_sequence(&p, archive, true) : -E_NOMEM;
    heap_free(p.name);
    heap_free(p.link);
    cpio_target_free(p.target);
    if (counts)
        *counts = p.counts;
    return rc;
}

/* ---- the initial archive ---- */

static bool
initrd_take(struct source *s, frame_t frame)
{
    (void)s;
    return hw_initrd_take(frame);
}

static void
initrd_done(struct source *s)
{
    (void)s;
    hw_initrd_release();
}

int
cpio_unpack_initrd(bool *found)
{
    static u8 *chunk;
    static struct source initrd;
    size_t bytes;
    chunk = (u8 *)(uintptr_t)hw_initrd(&bytes);
    *found = bytes != 0;
    if (bytes == 0)
        return 0;
    initrd = (struct source){ .bytes = bytes,
                              .chunk = &chunk,
                              .shift = 63,
                              .users = 1,
                              .take = initrd_take,
                              .done = initrd_done };
    struct cpio_counts c = { 0 };
    u64 start = clock_mono_ns();
    int rc = cpio_unpack(&initrd, &c);
    source_release(&initrd);
    log_info("initramfs: %lu entries, %lu files, %lu bytes, in %lu us",
             (unsigned long)c.entries, (unsigned long)c.files,
             (unsigned long)c.file_bytes,
             (unsigned long)((clock_mono_ns() - start) / 1000));
    return rc;
}

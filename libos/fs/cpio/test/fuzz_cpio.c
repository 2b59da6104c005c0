/* SPDX-License-Identifier: MIT */
/*
 * Fuzzer: whatever the bytes, unpacking ends, and the entries that it hands on lie within
 * the archive.  The file system is a stand-in here that looks at each entry's every byte.
 */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/heap.h"
#include "core/hw.h"
#include "core/string.h"
#include "fs/cpio/private.h"
#include "vm/test/fake.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes);
static u64 sum;

int
cpio_target_new(struct cpio_target **out)
{
    *out = NULL;
    return 0;
}

void
cpio_target_free(struct cpio_target *t)
{
    (void)t;
}

void
cpio_forget_links(struct cpio_target *t)
{
    (void)t;
}

int
cpio_put(struct cpio_target *t, struct source *s, const struct cpio_entry *e)
{
    (void)t;
    sum += strlen(e->name) + (e->target ? strlen(e->target) : 0);
    if (CPIO_TYPE(e->mode) != CPIO_FILE)
        return 0;
    if (e->body > s->bytes + 3 || (e->body_bytes && e->body_bytes > s->bytes - e->body))
        abort();
    for (u64 i = 0; i < e->body_bytes; i++) {
        u64 n;
        sum += *source_at(s, e->body + i, &n);
    }
    return 0;
}

u64
clock_mono_ns(void)
{
    return 0;
}

const void *
hw_initrd(size_t *bytes)
{
    *bytes = 0;
    return NULL;
}

bool
hw_initrd_take(frame_t f)
{
    (void)f;
    return false;
}

void
hw_initrd_release(void)
{
}

void
source_copy(const struct source *s, u64 offset, void *to, u64 bytes)
{
    for (u64 i = 0, n; i < bytes; i++)
        ((u8 *)to)[i] = *source_at(s, offset + i, &n);
}

int
LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
    fake_quiet = true;
    u8 *copy = malloc(bytes + !bytes);
    memcpy(copy, data, bytes);
    struct source s = { .bytes = bytes, .chunk = &copy, .shift = 63, .users = 1 };
    (void)!cpio_unpack(&s, NULL);
    free(copy);
    if (fake_frames || fake_objects)
        abort();
    return 0;
}

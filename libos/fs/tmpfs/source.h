/* SPDX-License-Identifier: MIT */
/*
 * An archive in memory, as files refer to it: bytes in chunks of equal size, each
 * contiguous in the direct map.
 *
 * S1. A frame that `take` gave away belongs to the file that took it; no other file's
 *     data are in it.
 * S2. The archive's memory stays until `users` (files whose data it still has, and the
 *     unpacker) is zero; then `done` runs once and releases what was not taken.
 */
#ifndef LIBOS_FS_TMPFS_SOURCE_H
#define LIBOS_FS_TMPFS_SOURCE_H

#include "core/types.h"

struct source {
    u64 bytes;
    u8 **chunk;
    unsigned shift; /* a chunk has 1 << shift bytes; the last one may be shorter */
    _Atomic u64 users;
    /* May this frame, whole, be taken over? Then the caller owns it and page_frees it.
     * NULL: never. */
    bool (*take)(struct source *s, frame_t frame);
    void (*done)(struct source *s);
    void *priv;
};

/* The bytes at `offset`, which is within; *contiguous: how many there are. */
static inline const u8 *
source_at(const struct source *s, u64 offset, u64 *contiguous)
{
    u64 in_chunk = offset & ((1ull << s->shift) - 1);
    *contiguous = MIN((1ull << s->shift) - in_chunk, s->bytes - offset);
    return s->chunk[offset >> s->shift] + in_chunk;
}
/* Copy out; the range is within. */
void source_copy(const struct source *s, u64 offset, void *to, u64 bytes);
static inline void
source_hold(struct source *s)
{
    atomic_fetch_add_explicit(&s->users, 1, memory_order_relaxed);
}
static inline void
source_release(struct source *s)
{
    if (atomic_fetch_sub_explicit(&s->users, 1, memory_order_acq_rel) == 1 && s->done)
        s->done(s);
}

#endif

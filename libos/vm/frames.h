/* SPDX-License-Identifier: MIT */
/*
 * Who owns a data frame: the mappings of anonymous memory, or the page cache of a file.
 * One bit for each frame.
 *
 * O1. A frame is cached from page_cache_own to page_cache_disown; then exactly one file's
 *     page tree holds it, and no unmap frees it, however often it is mapped.
 * O2. A frame that is not cached and mapped belongs to its mappings: who removes the last
 *     one (core/mmu.h, M3: it is reported exactly once) frees it with frame_lost.
 * O3. A file disowns and frees a page only when nothing maps it and no report of it is
 *     under way: after vm_file_truncated, which passes through the mutex of every mm that
 *     maps the file, or when the inode has no reference left (an area holds one until its
 *     pages are unmapped and their reports are dealt with).
 * From O1 to O3 follows: each frame has one owner at each time, who frees it once.
 * Cost: a table look-up and one atomic operation.
 */
#ifndef LIBOS_VM_FRAMES_H
#define LIBOS_VM_FRAMES_H

#include <stdatomic.h>

#include "core/types.h"

/* Frames from lo to hi may be cached from now on; those of the memory that is there from the start
 * may.  A page for 128 MiB.  One call at a time. -E_NOMEM */
int frames_cover(frame_t lo, frame_t hi) MUST_CHECK;
/* The frame belongs to a file from now on. */
void page_cache_own(frame_t frame);
/* O3: the caller frees the frame, or goes on using it as its own. */
void page_cache_disown(frame_t frame);
#define FRAMES_OF_LEAF (PAGE_SIZE * 8)
#define FRAME_LEAVES   2048u /* 256 GiB, what the direct map can hold */
extern _Atomic(_Atomic u64 *) frame_leaves[FRAME_LEAVES];
static inline bool
page_cached(frame_t frame)
{
    if (frame / FRAMES_OF_LEAF >= FRAME_LEAVES)
        return true; /* not memory of ours: the record's page, for one */
    _Atomic u64 *leaf =
        atomic_load_explicit(&frame_leaves[frame / FRAMES_OF_LEAF], memory_order_acquire);
    return leaf && atomic_load_explicit(&leaf[frame % FRAMES_OF_LEAF / 64],
                                        memory_order_relaxed) >> (frame % 64) & 1;
}
/* An mmu_lost_fn: frees what nobody caches. */
void frame_lost(void *arg, frame_t frame, bool dirty);
/* The page of zeros that read faults share; cached, so that nothing frees it. */
frame_t frame_zero(void);
void frames_init(void);

#endif

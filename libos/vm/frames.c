/* SPDX-License-Identifier: MIT */
/*
 * Owner bits (frames.h): a directory of leaves of one frame each, made when first needed,
 * never freed.
 * Locking: bits and leaves are atomic; a leaf is published with release and read with
 * acquire.
 */
#include "vm/frames.h"

#include "core/error.h"
#include "core/log.h"
#include "core/page.h"

_Atomic(_Atomic u64 *) frame_leaves[FRAME_LEAVES];
static frame_t zero_frame = FRAME_NONE;

int
page_cache_own(frame_t frame)
{
    u64 i = frame / FRAMES_OF_LEAF;
    ASSERT(i < FRAME_LEAVES);
    _Atomic u64 *leaf = atomic_load_explicit(&frame_leaves[i], memory_order_acquire);
    if (!leaf) {
        frame_t new = page_alloc_zeroed();
        if (new == FRAME_NONE)
            return -E_NOMEM;
        _Atomic u64 *mine = page_ptr(new);
        if (atomic_compare_exchange_strong(&frame_leaves[i], &leaf, mine))
            leaf = mine;
        else
            page_free(new);
    }
    u64 bit = 1ull << (frame % 64);
    u64 old = atomic_fetch_or_explicit(&leaf[frame % FRAMES_OF_LEAF / 64], bit,
                                       memory_order_relaxed);
    ASSERT(!(old & bit)); /* O1 */
    return 0;
}

void
page_cache_disown(frame_t frame)
{
    _Atomic u64 *leaf =
        atomic_load_explicit(&frame_leaves[frame / FRAMES_OF_LEAF], memory_order_acquire);
    u64 bit = 1ull << (frame % 64);
    ASSERT(leaf);
    u64 old = atomic_fetch_and_explicit(&leaf[frame % FRAMES_OF_LEAF / 64], ~bit,
                                        memory_order_relaxed);
    ASSERT(old & bit);
}

void
frame_lost(void *arg, frame_t frame, bool dirty)
{
    (void)arg;
    (void)dirty;
    if (!page_cached(frame))
        page_free(frame);
}

frame_t
frame_zero(void)
{
    return zero_frame;
}

void
frames_init(void)
{
    zero_frame = page_alloc_zeroed();
    if (zero_frame == FRAME_NONE || page_cache_own(zero_frame) != 0)
        libos_panic("vm: no memory for the page of zeros");
}

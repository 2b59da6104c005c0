/* SPDX-License-Identifier: MIT */
/*
 * Owner bits (frames.h): a directory of leaves of one frame each, made for memory when it
 * comes, never freed.
 * Locking: bits and leaves are atomic; a leaf is published with release and read with
 * acquire.
 */
#include "vm/frames.h"

#include "core/error.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/page.h"

_Atomic(_Atomic u64 *) frame_leaves[FRAME_LEAVES];
static frame_t zero_frame = FRAME_NONE;

int
frames_cover(frame_t lo, frame_t hi)
{
    ASSERT(lo < hi && (hi - 1) / FRAMES_OF_LEAF < FRAME_LEAVES);
    for (u64 i = lo / FRAMES_OF_LEAF; i <= (hi - 1) / FRAMES_OF_LEAF; i++) {
        if (frame_leaves[i] != NULL)
            continue;
        frame_t leaf = page_alloc_zeroed();
        if (leaf == FRAME_NONE)
            return -E_NOMEM;
        atomic_store_explicit(&frame_leaves[i], page_ptr(leaf), memory_order_release);
    }
    return 0;
}

void
page_cache_own(frame_t frame)
{
    _Atomic u64 *leaf =
        atomic_load_explicit(&frame_leaves[frame / FRAMES_OF_LEAF], memory_order_acquire);
    ASSERT(leaf);
    u64 bit = 1ull << (frame % 64);
    u64 old = atomic_fetch_or_explicit(&leaf[frame % FRAMES_OF_LEAF / 64], bit,
                                       memory_order_relaxed);
    ASSERT(!(old & bit)); /* O1 */
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
    for (u32 i = 0; i < machine_memory_ranges; i++)
        if (frames_cover(machine_memory[i].lo, machine_memory[i].hi) != 0)
            libos_panic("vm: no memory for the marks of frames");
    zero_frame = page_alloc_zeroed();
    if (zero_frame == FRAME_NONE)
        libos_panic("vm: no memory for the page of zeros");
    page_cache_own(zero_frame);
}

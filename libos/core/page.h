/* SPDX-License-Identifier: MIT */
/*
 * Physical memory of the instance: single frames from per-vCPU caches over a buddy
 * allocator.
 *
 * G1. A frame that page_alloc returns is nobody else's, is writable in the direct map,
 *     and its contents are undefined
 *     (page_alloc_zeroed: zero).
 * G2. Frames for the kernel (table nodes, roots) come from chunks of 2 MiB that have left
 *     the writable direct map.
 * G3. Counts: total = free + used, at any quiet moment.
 * G4. A frame has one holder, who got it from page_alloc, and one more for each
 *     page_share; page_free lets go of one of them, and frees it with the last.  All the
 *     mappings of a frame by spaces are one holder.
 */
#ifndef LIBOS_CORE_PAGE_H
#define LIBOS_CORE_PAGE_H

#include "core/types.h"

/* The direct map: where a frame is, and the frame of an address in it. */
#ifdef LIBOS_HOST
void *page_ptr(frame_t f);
frame_t page_frame(const void *p);
#else
#define PAGE_DIRECT_MAP 0xffff800000000000ull /* WINDOW_DMAP: asserted in machine.c */
static inline void *
page_ptr(frame_t f)
{
    return (void *)(PAGE_DIRECT_MAP + (f << PAGE_SHIFT));
}
static inline frame_t
page_frame(const void *p)
{
    return ((u64)p - PAGE_DIRECT_MAP) >> PAGE_SHIFT;
}
#endif
u64 page_cap(frame_t f);                  /* MEMORY capability that covers it */

frame_t page_alloc(void);                 /* FRAME_NONE: out of memory */
frame_t page_alloc_zeroed(void);
void page_free(frame_t f);
/* The byte that says what a frame is (core/page_state.h); of one in use, how many holders it
 * has besides the first. */
#define PAGE_USED    0x80u
#define PAGE_HOLDERS 0x40u /* further ones at most; those that come at once may be more */
extern u64 page_states;    /* the address of what frame 0's would be */
static inline u8 *
page_state(frame_t f)
{
    return (u8 *)(page_states + f);
}

/* One more holder of a frame that the caller holds, or keeps its holder from freeing.
 * False: it has as many as can be counted.  One atomic operation. */
static inline MUST_CHECK bool
page_share(frame_t f)
{
    u8 now = __atomic_load_n(page_state(f), __ATOMIC_RELAXED);
    if ((u8)(now - PAGE_USED) >= PAGE_HOLDERS)
        return false;
    __atomic_fetch_add(page_state(f), 1, __ATOMIC_RELAXED);
    return true;
}

/* Has it one holder?  The caller is one, or knows that there is one. */
static inline bool
page_alone(frame_t f)
{
    return __atomic_load_n(page_state(f), __ATOMIC_ACQUIRE) == PAGE_USED;
}

/* page_free, for a frame that others are likely to hold as well. */
static inline void
page_unshare(frame_t f)
{
    u8 *state = page_state(f);
    if (__atomic_load_n(state, __ATOMIC_ACQUIRE) > PAGE_USED) {
        if (__atomic_fetch_sub(state, 1, __ATOMIC_ACQ_REL) != PAGE_USED)
            return;
        *state = PAGE_USED; /* the others let go in between: nobody else knows the frame */
    }
    page_free(f);
}
/* 2^order contiguous, aligned frames; order <= 10 */
frame_t page_alloc_run(unsigned order);
void page_free_run(frame_t f, unsigned order);

/* A run of 2^9 frames that was in use as one page: those that somebody else holds as well
 * (G4) go when he lets go of them. */
void page_free_large(frame_t f);

/* Page-table nodes: clean ones first. page_table_free takes nodes that the kernel
 * reported with FB_OUT_TABLE. */
frame_t page_table_alloc(void);
void page_table_free(frame_t f);
/* Frames of page tables and roots that are all free become ordinary ones: how many.  Each
 * 2 MiB costs a flush of all CPUs. */
u64 page_tables_give_back(void);
/* An even pair for a space's roots. */
frame_t page_root_alloc(void);
void page_root_free(frame_t f);

/* How often a frame is mapped by spaces (4 KiB mappings), from the kernel's record. */
u64 page_maps(frame_t f);

struct page_counts {
    u64 total, free, tables, tables_free;
    u64 table_chunks; /* heap objects of the table pool, one for each 2 MiB of it */
};
void page_count(struct page_counts *out);
void page_count_tables(struct page_counts *out); /* the table pool's part */

#endif

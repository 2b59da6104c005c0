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
/* One more holder of a frame that the caller holds, or keeps its holder from freeing.
 * False: it has as many as can be counted.  One atomic operation. */
bool page_share(frame_t f) MUST_CHECK;
/* Has it one holder?  The caller is one, or knows that there is one. */
bool page_alone(frame_t f);
/* 2^order contiguous, aligned frames; order <= 10 */
frame_t page_alloc_run(unsigned order);
void page_free_run(frame_t f, unsigned order);

/* Page-table nodes: clean ones first. page_table_free takes nodes that the kernel
 * reported with FB_OUT_TABLE. */
frame_t page_table_alloc(void);
void page_table_free(frame_t f);
/* An even pair for a space's roots. */
frame_t page_root_alloc(void);
void page_root_free(frame_t f);

/* How often a frame is mapped by spaces (4 KiB mappings), from the kernel's record. */
u64 page_maps(frame_t f);

struct page_counts {
    u64 total, free, tables, tables_free;
};
void page_count(struct page_counts *out);
void page_count_tables(struct page_counts *out); /* the table pool's part */

#endif

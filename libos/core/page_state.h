/* SPDX-License-Identifier: MIT */
/* One byte for each frame of the instance (core/page.h), for the page allocator, the slabs
 * and the table pool only. */
#ifndef LIBOS_CORE_PAGE_STATE_H
#define LIBOS_CORE_PAGE_STATE_H

#include "core/page.h"
#include "core/types.h"

struct fb_range;
struct lcpu;
struct heap_counts;

#define PAGE_MAX_ORDER 10u
/* 0..PAGE_MAX_ORDER: head of a free block of that order, whose first bytes are its list
 * link. */
/* PAGE_USED | further holders: in use; or within a free block */
#define PAGE_LARGE 0x30u   /* | order: head of a large heap object */
#define PAGE_SLAB 0x40u    /* | index of the page within its slab */
#define PAGE_OUTSIDE 0x50u /* never this allocator's */
#define PAGE_TABLE 0x60u   /* in the table pool */
#define PAGE_IN_CHUNK 0x70u /* free, in a chunk (core/chunk.h) */

extern frame_t page_first, page_end;
/* Is the frame in memory that is, was or may be in chunks? */
bool page_is_chunks(frame_t f);

struct lcpu_cache; /* slab.c and page.c: what a vCPU keeps for itself */
#define PAGE_CACHE 64u
#define SLAB_CLASSES 14u
#define SLAB_CACHE 31u
#define RUN_ORDER 2u /* of stacks and of the larger slabs */
#define RUN_CACHE 4u
struct magazine {
    u64 count;
    void *object[SLAB_CACHE];
};
struct lcpu_cache {
    u32 pages, runs;
    frame_t page[PAGE_CACHE];
    frame_t run[RUN_CACHE]; /* of RUN_ORDER, for core's own use */
    struct magazine magazine[SLAB_CLASSES];
};

/* Boot: [lo, hi) are all ranges' bounds; then every free run. */
void page_init(const struct fb_range *used, u32 nused);
void page_init_lcpu(struct lcpu *c);
/* A run for core's own use, stacks and slabs: never mapped elsewhere (B3 in page.c). It is
 * freed with page_free_run. */
frame_t page_alloc_core_run(unsigned order);
/* Frames that served at boot and are free now. */
void page_release_range(frame_t lo, frame_t hi);
/* One such frame becomes an ordinary one in use; true. */
bool page_adopt(frame_t f);
void table_pool_init(void);
void *slab_alloc(size_t bytes);
void slab_free(void *p);
void slab_count(struct heap_counts *out);

#endif

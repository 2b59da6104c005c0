/* SPDX-License-Identifier: MIT */
/* The LibOS's heap: size classes over slabs with per-vCPU caches; larger sizes are runs
 * of frames. */
#ifndef LIBOS_CORE_HEAP_H
#define LIBOS_CORE_HEAP_H

#include "core/types.h"

/* 16-byte aligned; NULL: out of memory */
void *heap_alloc(size_t bytes) __attribute__((malloc));
void *heap_alloc_zeroed(size_t bytes) __attribute__((malloc));
void heap_free(void *p);                                /* NULL is fine */
struct heap_counts {
    u64 objects, bytes, frames;
};
void heap_count(struct heap_counts *out);

#endif

/* SPDX-License-Identifier: MIT */
/* The heap on the machine is the slabs; on the host it is the host's, so that its
 * sanitizers see each object. */
#include "core/heap.h"

#include "core/page_state.h"
#include "core/string.h"

void *
heap_alloc(size_t bytes)
{
    return slab_alloc(bytes);
}

void *
heap_alloc_zeroed(size_t bytes)
{
    void *p = slab_alloc(bytes);
    if (p)
        memset(p, 0, bytes);
    return p;
}

void
heap_free(void *p)
{
    slab_free(p);
}

void
heap_count(struct heap_counts *out)
{
    slab_count(out);
}

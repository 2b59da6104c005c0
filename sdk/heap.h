/* SPDX-License-Identifier: MIT */
/*
 * A small heap over pages: objects of up to HEAP_MAX bytes in size classes, each page of
 * one class.
 *
 * P1. A page begins with its header, so the page of an object is found by masking its
 *     address; objects are aligned to 16 bytes.
 * P2. A class's list holds the pages that have room, and no others.  A page without
 *     objects goes back to the source, but for one of each class.
 *
 * What is larger than HEAP_MAX is a matter of whole pages: ask the source.
 *
 * Locks: none; a heap belongs to one thread.  Cost: O(1).
 */
#ifndef SDK_HEAP_H
#define SDK_HEAP_H

#include <stddef.h>
#include <stdint.h>

#define HEAP_MAX     2000u
#define HEAP_CLASSES 12u

struct heap_page;
struct heap {
    struct heap_page *room[HEAP_CLASSES];
    /* Pages of 4,096 bytes, aligned so; get returns NULL when there are none. */
    void *(*get)(void *context);
    void (*put)(void *context, void *page);
    void *context;
    uint64_t pages; /* that the heap has now */
};

void sdk_heap_init(struct heap *h, void *(*get)(void *), void (*put)(void *, void *),
                   void *context);
/* `bytes` bytes, not cleared, or NULL: no page is left, or bytes > HEAP_MAX. */
__attribute__((malloc, warn_unused_result)) void *sdk_alloc(struct heap *h, size_t bytes);
/* Give an object of this heap back; NULL is passed over. */
void sdk_free(struct heap *h, void *object);

#endif

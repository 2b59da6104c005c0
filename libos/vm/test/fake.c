/* SPDX-License-Identifier: MIT */
/* See fake.h.  A frame's number is its host address over 4096. */
#include "vm/test/fake.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/heap.h"
#include "core/log.h"
#include "core/page.h"
#include "core/string.h"

u64 fake_frames, fake_objects;
bool fake_quiet;

u64
fake_random(void)
{
    static u64 s = 0x9e3779b97f4a7c15ull;
    s ^= s >> 12;
    s ^= s << 25;
    s ^= s >> 27;
    return s * 0x2545f4914f6cdd1dull;
}

void *
heap_alloc(size_t bytes)
{
    fake_objects++;
    return malloc(bytes);
}

void *
heap_alloc_zeroed(size_t bytes)
{
    fake_objects++;
    return calloc(1, bytes);
}

void
heap_free(void *p)
{
    fake_objects -= p != NULL;
    free(p);
}

void *
page_ptr(frame_t f)
{
    return (void *)(uintptr_t)(f << PAGE_SHIFT);
}

frame_t
page_frame(const void *p)
{
    return (uintptr_t)p >> PAGE_SHIFT;
}

/* Runs are freed frame by frame in places, so the arena is one and frames are not given
 * back to the host. */
#define ARENA (256ull << 20)
static u8 *arena;
static u64 arena_used;

frame_t
page_alloc_run(unsigned order)
{
    u64 bytes = PAGE_SIZE << order;
    if (!arena)
        arena = aligned_alloc(ARENA / 16, ARENA);
    if (!arena || ARENA - arena_used < bytes)
        return FRAME_NONE;
    frame_t f = page_frame(arena + arena_used);
    arena_used += bytes;
    fake_frames += 1ull << order;
    return f;
}

void
page_free(frame_t f)
{
    (void)f;
    if (--fake_frames == 0)
        arena_used = 0; /* all are free: begin anew */
}

void
log_error(const char *format, ...)
{
    va_list v;
    if (fake_quiet)
        return;
    va_start(v, format);
    printf("# ");
    vprintf(format, v);
    printf("\n");
    va_end(v);
}

void
log_info(const char *format, ...)
{
    (void)format;
}

void
libos_panic(const char *format, ...)
{
    va_list v;
    va_start(v, format);
    vprintf(format, v);
    printf("\n");
    va_end(v);
    abort();
}

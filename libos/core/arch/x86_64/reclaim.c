/* SPDX-License-Identifier: MIT */
/*
 * The page that the steward shares with the instance, and what stands in for memory that
 * was taken (core/chunk.h).
 *
 * The LibOS may be copying a page of a process at the moment at which its chunk is taken:
 * its access to the direct map faults.  So that it comes to an end, a frame of junk is
 * mapped there; the process whose page it was is ended by
 * vm/reclaim.c, and what was read or written meanwhile is seen by nobody.
 */
#include <sdk/instance.h>
#include <sdk/reclaim.h>
#include <sdk/stubs.h>

#include "core/arch/x86_64/arch.h"
#include "core/chunk.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "core/page.h"
#include "core/page_state.h"
#include "core/string.h"

static struct reclaim_page *const page = RECLAIM_PAGE;
static frame_t junk = FRAME_NONE;

_Static_assert(CHUNKS == RECLAIM_CHUNKS, "core/chunk.h");

void
machine_memory_bounds(frame_t *lo, frame_t *hi)
{
    *lo = page->memory_lo;
    *hi = page->memory_hi;
}

bool
machine_reclaim_init(void)
{
    junk = page_alloc();
    if (junk == FRAME_NONE)
        libos_panic("no memory for a page");
    chunk_changes = &page->changes;
    return true;
}

u64
machine_reclaim_pending(bool *memory, u64 *amount, u64 *deadline_ns)
{
    u64 number = reclaim_pending(page), now = machine_tsc();
    u64 left = page->deadline > now ? page->deadline - now : 0;
    *memory = page->kind == RECLAIM_MEMORY;
    *amount = page->amount;
    *deadline_ns = clock_mono_ns() + left / (machine_record->tsc_hz / 1000000) * 1000;
    return number;
}

void
machine_reclaim_answer(u64 number, u64 given)
{
    reclaim_answer(page, number, given);
    fb_signal(page->cap_steward, page->steward_bit, NULL);
}

/* Of each vCPU's time the same part: threads are spread over all of them. */
u64
machine_reclaim_time(u64 ticks)
{
    u64 all = 0, given = 0;
    for (u32 i = 0; i < instance->ncpus; i++)
        all += page->ticks[i];
    for (u32 i = 0; i < instance->ncpus; i++) {
        u64 have = page->ticks[i];
        u64 part = MIN(have / 1024 * (ticks * 1024 / all + 1), have * 7 / 8);
        page->keep[i] = have - part;
        given += part;
    }
    return given;
}

void
machine_chunk_listed(u32 k, u64 *cap, frame_t *lo, frame_t *hi)
{
    *cap = page->chunk[k].cap;
    *lo = page->chunk[k].lo;
    *hi = page->chunk[k].hi;
}

int
machine_chunk_delete(u64 cap)
{
    long r;
    /* No other thread here meanwhile: until it is done the kernel refuses to map. */
    do
        r = fb_cap_delete(cap, NULL);
    while (machine_again(r));
    if (r != 0 && r != -FB_E_NAME) { /* NAME: it was taken at this moment */
        log_error("giving a chunk back: %s", fb_error_name(r));
        return -E_BUSY;
    }
    return 0;
}

/* A node of the own window for va, from base memory: the chunk's large pages are gone. */
static bool
link_window(uaddr va, u64 level)
{
    frame_t node = page_table_alloc();
    if (node == FRAME_NONE)
        return false;
    long r;
    do
        r = fb_space_table(0, va, level, page_cap(node), node, NULL);
    while (machine_again(r));
    if (r != 0)
        page_table_free(node);
    return r == 0 || r == -FB_E_MAPPED;
}

bool
reclaim_stand_in(uaddr va)
{
    frame_t f = page_frame((const void *)PAGE_DOWN(va));
    if (va < WINDOW_DMAP || f < page_first || f >= page_end || !page_is_chunks(f))
        return false;
    page_clear(page_ptr(junk)); /* nothing of one process for another */
    /* BUSY, for as long as the steward's sweep goes on. */
    for (;;) {
        unsigned long done = 0;
        long r = fb_space_map(0, PAGE_DOWN(va), page_cap(junk), junk,
                              FB_MAP_READ | FB_MAP_WRITE, 1, &done);
        if (r == 0 || r == -FB_E_MAPPED)
            return true;
        if (r == -FB_E_NOTABLE ? !link_window(va, done >> 56) : !machine_again(r))
            return false;
    }
}

void
machine_chunk_forget(frame_t lo, frame_t hi)
{
    uaddr va = WINDOW_DMAP + lo * PAGE_SIZE;
    u64 pages = hi - lo;
    while (pages) {
        unsigned long v = 0;
        long r = fb_space_unmap(0, va, pages, FB_UNMAP_TABLES, 0, 512, &v);
        const u64 *list = (const u64 *)lcpu_current()->buffer;
        for (u64 i = 0; i < v >> 40; i++)
            if (list[i] & FB_OUT_TABLE)
                page_table_free(FB_OUT_FRAME(list[i]));
        va += (v & ((1ull << 40) - 1)) * PAGE_SIZE;
        pages -= v & ((1ull << 40) - 1);
        if (r != 0 && r != -FB_E_RESUME && !machine_again(r))
            return;
    }
    machine_flush(machine_all_cpus);
}

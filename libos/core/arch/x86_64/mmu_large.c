/* SPDX-License-Identifier: MIT */
/*
 * Pages of 2 MiB (core/mmu.h, M5).
 *
 * L1. `large` of a space counts them; where it is 0, nothing here costs anything.
 * L2. To split one is to unmap it and to map its frames one by one, with its rights.  In
 *     between other threads fault, and wait for the mm's lock, which the caller holds (M1).
 *     The table is there before the page goes, so that nothing fails half way.
 * Locking: that of the space (M1); the count of all is atomic.
 */
#include <sdk/instance.h>
#include <sdk/stubs.h>

#include "core/arch/x86_64/arch.h"
#include "core/chunk.h"
#include "core/error.h"
#include "core/log.h"
#include "core/mmu.h"
#include "core/page.h"

#define LARGE_BYTES MMU_TABLE_BYTES
#define LARGE_FRAMES (1u << MMU_LARGE_ORDER)

static _Atomic u64 all;

u64
mmu_large_pages(void)
{
    return atomic_load_explicit(&all, memory_order_relaxed);
}

static void
count(struct mmu_space *s, bool more)
{
    s->large += more ? 1 : -1u;
    atomic_fetch_add_explicit(&all, more ? 1 : -1ull, memory_order_relaxed);
}

/* Take the page away, and nothing else: what is in the tables beside it stays. */
static void
take(struct mmu_space *s, uaddr va, u32 flags)
{
    unsigned long v;
    long r;
    do
        r = fb_space_unmap(s->cap, va, LARGE_FRAMES, flags, 0, 1, &v);
    while (machine_again(r));
    if (r != 0)
        libos_panic("space_unmap of 2 MiB at %lx: %s", va, fb_error_name(r));
}

static int
split(struct mmu_space *s, uaddr va, u64 entry)
{
    u32 flags = MMU_READ | (entry & FB_PTE_WRITE) | (entry & FB_PTE_NX ? 0 : MMU_EXEC);
    frame_t table = page_table_alloc();
    if (table == FRAME_NONE)
        return -E_NOMEM;
    mmu_removal_begins();
    take(s, va, 0);
    count(s, false);
    long r;
    do
        r = fb_space_table(s->cap, va, 1, page_cap(table), table, NULL);
    while (machine_again(r));
    if (r != 0)
        libos_panic("space_table for a split at %lx: %s", va, fb_error_name(r));
    int rc = mmu_map(s, va, FB_PTE_FRAME(entry), flags, LARGE_FRAMES);
    ASSERT(rc == 0); /* nobody else maps these frames, so that no count is full */
    mmu_removal_ends(s);
    return 0;
}

int
mmu_split(struct mmu_space *s, uaddr va, uaddr end)
{
    for (va &= ~(LARGE_BYTES - 1); s->large && va < end; va += LARGE_BYTES) {
        u64 e = mmu_large_entry(s, va);
        int rc = e ? split(s, va, e) : 0;
        if (rc != 0)
            return rc;
    }
    return 0;
}

void
mmu_unmap_large(struct mmu_space *s, uaddr va, uaddr end)
{
    struct mmu_page page;
    while (s->large && mmu_next(s, &va, end, &page)) {
        if (!page.large) {
            va = ((va >> 21) + 1) << 21;
            continue;
        }
        ASSERT(va % LARGE_BYTES == 0 && end - va >= LARGE_BYTES);
        mmu_removal_begins();
        take(s, va, 0);
        mmu_removal_ends(s);
        mmu_settle();
        count(s, false);
        page_free_large(page.frame);
        va += LARGE_BYTES;
    }
}

bool
mmu_large_fits(struct mmu_space *s, uaddr va)
{
    unsigned shift;
    u64 table = mmu_table_entry(s, va, &shift);
    if (!table)
        return !mmu_large_entry(s, va);
    return !mmu_is_shared(table) && !machine_node_used(FB_PTE_FRAME(table));
}

int
mmu_map_large(struct mmu_space *s, uaddr va, frame_t frame, u32 flags)
{
    unsigned shift;
    if (mmu_table_entry(s, va, &shift)) /* one that stayed when its last page went */
        mmu_unmap(s, va, LARGE_FRAMES, true, NULL, NULL);
    for (;;) {
        unsigned long v = 0;
        long r = fb_space_map(s->cap, va, page_cap(frame), frame, flags | FB_MAP_2M, 1, &v);
        if (r == 0) {
            count(s, true);
            return 0;
        }
        if (r == -FB_E_NOTABLE) {
            int rc = mmu_link_tables(s, va, (unsigned)(v >> 56), 2);
            if (rc != 0)
                return rc;
        } else if (r == -FB_E_MAPPED) {
            return -E_EXIST;
        } else if (!machine_again(r)) {
            return -E_NOMEM; /* a frame of the run may not be in a large page (F3) */
        }
    }
}

/* SPDX-License-Identifier: MIT */
/*
 * MADV_FREE: pages that a program has given up stay until memory is short; who writes to one
 * has it back.
 *
 * Z3. m->lazy holds ranges of private anonymous areas that may be written.  In such a range
 *     a page without MMU_WRITE is given up: its right to write was taken away then, and the
 *     fault of a write gives it back.  So whoever takes that right from other pages (fork,
 *     mprotect, a move) lets go of what is given up there first (lazy_settle), and who unmaps
 *     a range takes it out (lazy_cut).
 * Z4. There are RANGES_MAX of them at most; beyond, the oldest one's pages go at once.
 * Locking: the mm's lock.
 */
#include "core/error.h"
#include "core/heap.h"
#include "core/page.h"
#include "vm/frames.h"
#include "vm/mm.h"
#include "vm/mm_private.h"

/* ---- ranges ---- */

static void
range_drop(struct vm_ranges *r, u32 i)
{
    for (r->count--; i < r->count; i++)
        r->at[i] = r->at[i + 1];
}

void
ranges_cut(struct vm_ranges *r, uaddr start, uaddr end)
{
    for (u32 i = 0; i < r->count; i++) {
        struct vm_range *x = &r->at[i];
        if (x->end <= start || x->start >= end)
            continue;
        if (x->start < start && x->end > end && r->count < RANGES_MAX)
            r->at[r->count++] = (struct vm_range){ end, x->end };
        if (x->start < start)
            x->end = start; /* without room for the upper part: it is not in it any more */
        else if (x->end > end)
            x->start = end;
        else
            range_drop(r, i--);
    }
}

bool
ranges_have(const struct vm_ranges *r, uaddr at)
{
    for (u32 i = 0; r && i < r->count; i++)
        if (at >= r->at[i].start && at < r->at[i].end)
            return true;
    return false;
}

bool
ranges_add(struct vm_ranges **to, uaddr start, uaddr end)
{
    if (!*to) {
        *to = heap_alloc_zeroed(sizeof(**to));
        if (!*to)
            return false;
    }
    struct vm_ranges *r = *to;
    for (u32 i = 0; i < r->count; i++) {
        if (r->at[i].end < start || r->at[i].start > end)
            continue;
        start = MIN(start, r->at[i].start); /* they touch */
        end = MAX(end, r->at[i].end);
        range_drop(r, i--);
    }
    if (r->count == RANGES_MAX)
        return false;
    r->at[r->count++] = (struct vm_range){ start, end };
    return true;
}

/* ---- what is given up ---- */

/* Unmap what is given up in a range of ours. */
static void
drop_given(struct mm *m, uaddr at, uaddr end)
{
    struct mmu_page page;
    while (mmu_next(&m->space, &at, end, &page)) {
        uaddr from = at;
        for (; at < end && mmu_query(&m->space, at, &page) && !(page.flags & MMU_WRITE);)
            at += PAGE_SIZE;
        if (at == from) {
            at += PAGE_SIZE;
            continue;
        }
        for (const struct area *a = area_find(&m->areas, from); a && a->start < at;
             a = a->next)
            rss_forget(m, a, MAX(a->start, from), MIN(a->end, at));
        mmu_unmap(&m->space, from, (at - from) >> PAGE_SHIFT, false, frame_lost, NULL);
    }
}

void
lazy_settle_ranges(struct mm *m, uaddr start, uaddr end)
{
    struct vm_ranges *r = m->lazy;
    for (u32 i = 0; i < r->count; i++)
        if (r->at[i].start < end && r->at[i].end > start)
            drop_given(m, MAX(start, r->at[i].start), MIN(end, r->at[i].end));
    ranges_cut(r, start, end);
}

int
lazy_give_up(struct mm *m, struct area *a, uaddr start, uaddr end)
{
    u64 pages = (end - start) >> PAGE_SHIFT;
    struct mmu_page page;
    uaddr first = start;
    if (!mmu_next(&m->space, &first, end, &page))
        return 0;
    /* Of pages of 2 MiB, and where nothing is written, there is nothing to be had later. */
    if (m->space.large || !(a->prot & PROT_W) || mmu_own(&m->space, start, pages) != 0)
        return area_drop_pages(m, a, start, end, false);
    if (m->lazy && m->lazy->count == RANGES_MAX)
        lazy_settle_ranges(m, m->lazy->at[0].start, m->lazy->at[0].end);
    if (!ranges_add(&m->lazy, start, end))
        return area_drop_pages(m, a, start, end, false);
    mmu_protect(&m->space, start, pages, MMU_READ | MMU_EXEC | MMU_NOADD);
    return 0;
}

u32
lazy_run(struct mm *m, uaddr page, u32 most)
{
    struct mmu_page there;
    u32 n = 1;
    while (n < most && ranges_have(m->lazy, page + n * PAGE_SIZE) &&
           mmu_query(&m->space, page + n * PAGE_SIZE, &there) &&
           !(there.flags & MMU_WRITE) && page_is_own(&there))
        n++;
    return n;
}

/* SPDX-License-Identifier: MIT */
/* Policies of paging, and what they take (vm/pager.h). */
#include "vm/pager.h"

#include "core/error.h"
#include "core/page.h"
#include "core/thread.h"
#include "vm/frames.h"
#include "vm/mm.h"
#include "vm/mm_private.h"

/* The next page of a private anonymous area at *at or behind it. */
static bool
next_page(struct mm *m, uaddr *at, uaddr end, struct mmu_page *page)
{
    for (struct area *a = area_find(&m->areas, *at); a && a->start < end; a = a->next) {
        if (a->inode || (a->flags & (AREA_VDSO | AREA_LOCKED)))
            continue;
        *at = MAX(*at, a->start);
        if (mmu_next(&m->space, at, MIN(a->end, end), page))
            return true;
    }
    return false;
}

/* The same frame with the same rights: what the hardware had noted is forgotten. */
static void
pager_clear_accessed(struct mm *m, uaddr at, const struct mmu_page *page)
{
    u32 lost, done;
    (void)!mmu_replace(&m->space, at, page->frame, page->flags, 1, &lost, &done);
}

/* ---- policies ---- */

static bool
sweep_next(struct mm *m, uaddr *at)
{
    struct mmu_page page;
    *at = m->hand;
    if (!next_page(m, at, USER_TOP, &page)) {
        m->hand = 0; /* the next round begins at the bottom */
        return false;
    }
    m->hand = *at + PAGE_SIZE;
    return true;
}

static bool
clock_next(struct mm *m, uaddr *at)
{
    struct mmu_page page;
    for (*at = m->hand; next_page(m, at, USER_TOP, &page); *at = m->hand) {
        m->hand = *at + PAGE_SIZE;
        if (!page.accessed)
            return true;
        if (!page.large && page.shared <= 1 && page_is_own(&page))
            pager_clear_accessed(m, *at, &page);
    }
    m->hand = 0;
    return false;
}

static bool
own_next(struct mm *m, uaddr *at)
{
    struct vm_ranges *r = m->cold;
    struct mmu_page page;
    while (r && r->count) {
        uaddr end = r->at[0].end;
        *at = r->at[0].start;
        if (next_page(m, at, end, &page) && *at < end) {
            ranges_cut(r, r->at[0].start, *at + PAGE_SIZE);
            return true;
        }
        ranges_cut(r, r->at[0].start, end);
    }
    return false;
}

static const struct pager_ops clock = { "clock", clock_next }, sweep = { "sweep", sweep_next },
                              own = { "own", own_next };
const struct pager_ops *const pagers[PAGERS] = { &clock, &sweep, &own };

int
mm_set_pager(struct mm *m, u32 which)
{
    if (which >= PAGERS)
        return -E_INVAL;
    mutex_lock(&m->lock);
    m->paging = (u8)which;
    m->hand = 0;
    mutex_unlock(&m->lock);
    return 0;
}

u32
mm_pager(struct mm *m)
{
    return __atomic_load_n(&m->paging, __ATOMIC_RELAXED);
}

/* ---- taking ---- */

static bool
is_zero(frame_t frame)
{
    const u64 *word = page_ptr(frame);
    u64 any = 0;
    for (u32 i = 0; i < PAGE_SIZE / 8 && any == 0; i += 8)
        any = word[i] | word[i + 1] | word[i + 2] | word[i + 3] | word[i + 4] |
              word[i + 5] | word[i + 6] | word[i + 7];
    return any == 0;
}

/* Take the page at `at`, if it can go: true.  It is looked at twice: nobody writes there the
 * second time. */
static bool
evict(struct mm *m, uaddr at)
{
    struct mmu_page page;
    struct area *a = area_find(&m->areas, at);
    if (!a || a->start > at || a->inode || (a->flags & (AREA_LOCKED | AREA_VDSO)) ||
        !mmu_query(&m->space, at, &page) || page.large || page.shared > 1 ||
        !page_is_own(&page) || !is_zero(page.frame) || mmu_own(&m->space, at, 1) != 0)
        return false;
    mmu_protect(&m->space, at, 1, (page.flags & ~MMU_WRITE) | MMU_NOADD);
    if (is_zero(page.frame))
        return area_drop_pages(m, a, at, at + PAGE_SIZE, false) == 0;
    mmu_protect(&m->space, at, 1, page.flags);
    return false;
}

u64
mm_take(struct mm *m, u64 wanted)
{
    u64 taken = 0;
    uaddr at;
    mutex_lock(&m->lock);
    u64 tries = 2 * (m->rss[RSS_ANONYMOUS] + 1); /* PG2 */
    while (taken < wanted && tries-- && pagers[m->paging]->next(m, &at)) {
        taken += evict(m, at);
        if (tries % 256 == 0) {
            mutex_unlock(&m->lock);
            thread_breathe();
            mutex_lock(&m->lock);
        }
    }
    mutex_unlock(&m->lock);
    return taken;
}

void
pager_take_range(struct mm *m, uaddr at, uaddr end)
{
    struct mmu_page page;
    for (; next_page(m, &at, end, &page) && at < end; at += PAGE_SIZE)
        (void)evict(m, at);
}

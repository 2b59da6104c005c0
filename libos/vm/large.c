/* SPDX-License-Identifier: MIT */
/*
 * Pages of 2 MiB (core/mmu.h, M5): who gets them, and MADV_COLLAPSE.
 *
 * V12. Large anonymous memory gets pages of 2 MiB where they fit as a whole: where the
 *      program has asked for it (MADV_HUGEPAGE), at the first write; else, with the policy
 *      `always`, where memory was touched page by page up to there, so that who touches
 *      little does not pay for much.  They are of base memory, and not while it is scarce
 *      or while chunks are in use (reclaim.c, RC2).  A part that is unmapped, protected or
 *      advised otherwise, and fork, make them 4 KiB pages again; nothing but MADV_COLLAPSE
 *      makes 4 KiB pages large.
 * Locking: the mm's lock.
 */
#include "core/chunk.h"
#include "core/error.h"
#include "core/log.h"
#include "core/page.h"
#include "core/string.h"
#include "core/thread.h"
#include "vm/frames.h"
#include "vm/mm.h"
#include "vm/mm_private.h"
#include "vm/reclaim.h"

#define PAGES (1u << MMU_LARGE_ORDER)

_Atomic u32 vm_large_policy = VM_LARGE_ALWAYS;

void
mm_set_large(struct mm *m, bool may)
{
    mutex_lock(&m->lock);
    m->no_large = !may;
    mutex_unlock(&m->lock);
}

bool
mm_may_be_large(const struct mm *m)
{
    return !m->no_large;
}

static bool
is_wanted(const struct mm *m, const struct area *a, uaddr page, uaddr window)
{
    u32 policy = atomic_load_explicit(&vm_large_policy, memory_order_relaxed);
    if (m->no_large)
        return false;
    if (a->flags & AREA_HUGEPAGE)
        return policy != VM_LARGE_NEVER;
    return policy == VM_LARGE_ALWAYS && page == window && m->ahead >= LARGE_IN_A_ROW &&
           (!m->populate_end || window + MMU_TABLE_BYTES <= m->populate_end);
}

bool
fault_large(struct mm *m, struct area *a, uaddr page)
{
    uaddr window = page & ~(MMU_TABLE_BYTES - 1);
    if (window < a->start || window + MMU_TABLE_BYTES > a->end ||
        !is_wanted(m, a, page, window) ||
        (a->flags & (AREA_NOHUGEPAGE | AREA_GROWSDOWN)) || chunk_any_in_use() ||
        page_base_is_scarce() || !mmu_large_fits(&m->space, window))
        return false;
    frame_t run = page_alloc_run(MMU_LARGE_ORDER);
    if (run == FRAME_NONE)
        return false;
    for (u64 i = 0; i < PAGES; i++)
        page_clear(page_ptr(run + i));
    if (mmu_map_large(&m->space, window, run, area_mmu_flags(a)) != 0) {
        page_free_run(run, MMU_LARGE_ORDER);
        return false;
    }
    m->rss[RSS_ANONYMOUS] += PAGES;
    m->next_fault = window + MMU_TABLE_BYTES;
    return true;
}

/* ---- MADV_COLLAPSE ---- */

struct collapse {
    uaddr window;
    frame_t run;
    u64 there; /* pages that were */
    bool lent; /* somebody else holds one, and has to see what is written there */
    u64 copied[PAGES / 64];
};

static void
copy_page(void *arg, uaddr va, const struct mmu_page *page)
{
    struct collapse *c = arg;
    u64 i = (va - c->window) >> PAGE_SHIFT;
    c->there++;
    if (!page_cached(page->frame) && !page_alone(page->frame))
        c->lent = true;
    page_copy(page_ptr(c->run + i), page_ptr(page->frame));
    c->copied[i / 64] |= 1ull << (i % 64);
}

/* The 2 MiB at `window` as one page: 0, also if it is one.  -E_NOMEM: no run of frames;
 * -E_AGAIN: not now. */
static int
collapse(struct mm *m, struct area *a, uaddr window)
{
    struct mmu_page page;
    struct collapse c = { .window = window };
    if (mmu_query(&m->space, window, &page) && page.large)
        return 0;
    if (chunk_any_in_use())
        return -E_AGAIN;
    lazy_settle(m, window, window + MMU_TABLE_BYTES);
    int rc = mmu_own(&m->space, window, PAGES);
    c.run = rc == 0 ? page_alloc_run(MMU_LARGE_ORDER) : FRAME_NONE;
    if (c.run == FRAME_NONE)
        return -E_NOMEM;
    /* From here on nobody writes there; who tries waits for our lock. */
    mmu_protect(&m->space, window, PAGES, MMU_READ | MMU_EXEC | MMU_NOADD);
    mmu_each(&m->space, window, window + MMU_TABLE_BYTES, copy_page, &c);
    if (c.lent || c.there == 0) {
        page_free_run(c.run, MMU_LARGE_ORDER);
        return c.lent ? -E_AGAIN : -E_INVAL; /* writing again makes faults, as after fork */
    }
    for (u64 i = 0; i < PAGES; i++)
        if (!(c.copied[i / 64] >> (i % 64) & 1))
            page_clear(page_ptr(c.run + i));
    rc = area_drop_pages(m, a, window, window + MMU_TABLE_BYTES, true);
    ASSERT(rc == 0); /* its table is ours */
    u32 flags = area_mmu_flags(a);
    if (mmu_map_large(&m->space, window, c.run, flags) == 0 ||
        mmu_map(&m->space, window, c.run, flags, PAGES) == 0) {
        m->rss[RSS_ANONYMOUS] += PAGES;
        return 0;
    }
    libos_panic("vm: no table in place of the one that went");
}

/* What is whole in [at, end) of areas that may have large pages. */
int
mm_collapse_locked(struct mm *m, uaddr at, uaddr end)
{
    int rc = mm_check_locked(m, at, end, 0);
    uaddr window = (at + MMU_TABLE_BYTES - 1) & ~(MMU_TABLE_BYTES - 1);
    for (; rc == 0 && window + MMU_TABLE_BYTES <= end; window += MMU_TABLE_BYTES) {
        struct area *a = area_find(&m->areas, window);
        if (a->end < window + MMU_TABLE_BYTES || a->inode || !mm_is_data(a->prot, a->flags) ||
            (a->flags & (AREA_NOHUGEPAGE | AREA_VDSO)))
            return -E_INVAL;
        rc = collapse(m, a, window);
    }
    return rc;
}

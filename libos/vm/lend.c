/* SPDX-License-Identifier: MIT */
/* Pages of a process that others hold as well (V10 in mm.h). */
#include "core/mmu.h"
#include "core/page.h"
#include "vm/frames.h"
#include "vm/mm_private.h"

struct lending {
    uaddr next;
    frame_t *to;
};

/* From the first page on that is not lent, none is `next`. */
static void
lend_page(void *arg, uaddr va, const struct mmu_page *page)
{
    struct lending *l = arg;
    frame_t frame = page->frame;
    if (va != l->next || !(page->flags & MMU_READ) || page_cached(frame) || !page_share(frame))
        return;
    *l->to++ = frame;
    l->next = va + PAGE_SIZE;
}

u32
mm_lend(struct mm *m, uaddr at, u32 pages, frame_t *frame)
{
    struct lending l = { .next = at, .to = frame };
    if (!mm_range_ok(at, (u64)pages * PAGE_SIZE))
        return 0;
    mutex_lock(&m->lock);
    mmu_each(&m->space, at, at + (u64)pages * PAGE_SIZE, lend_page, &l);
    mutex_unlock(&m->lock);
    return (u32)(l.to - frame);
}

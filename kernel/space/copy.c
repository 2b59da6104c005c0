/* SPDX-License-Identifier: MIT */
/*
 * Copying a range of one space to another of the same domain: the kernel's part of fork.
 *
 * The source's lock keeps its mappings, so that their frames can be counted once more
 * without asking for their type.  With FB_COPY_TABLES a page table that lies in the range
 * as a whole is shared itself (share.c), for about 300 instructions.  Else the cost is
 * about 25 for each page that is present, 1.3 for each absent one of a page table that
 * exists.
 */
#include "space/walk.h"

int
copy_pages(struct change *c, const struct span *s, u64 *to, bool cow, struct steps *steps,
           u64 *at)
{
    u64 *e = s->entry, *end = e + s->count, weaken = cow ? PTE_W : 0, weakened = 0;
    u64 offset = (u64)to - (u64)e,
        va = s->va - (u64)e / 8 * PAGE_SIZE; /* from e to its copy and its address */
    struct fb_frame_record *records = frame_records;
    int error = 0, left = steps->pages;
    for (; (e = entries_skip(e, end)) != end; e++) {
        u64 value = pte_load(e), *copy = (u64 *)((u64)e + offset);
        struct fb_frame_record *r = &records[pte_frame(value)];
        if (left == 0)
            error = -FB_E_RESUME;
        else if (pte_load(copy) != 0)
            error = -FB_E_MAPPED;
        else if (!frame_has_room(r))
            error = -FB_E_COUNT;
        if (error)
            break;
        if (value & weaken) {
            __atomic_fetch_and(e, ~PTE_W, __ATOMIC_ACQ_REL);
            if (weakened++ < FLUSH_PAGES)
                change_page(c, va + (u64)e / 8 * PAGE_SIZE);
            frame_share(r);
        } else {
            frame_map_again(r, value & PTE_W);
        }
        pte_store(copy, value & ~(PTE_A | PTE_D | weaken));
        left--;
    }
    if (weakened) {
        c->epoch = true;
        if (weakened > FLUSH_PAGES)
            c->pages = FLUSH_PAGES + 1;
    }
    *node_used(to) += (u16)(steps->pages - left);
    steps->pages = left;
    *at = error ? va + (u64)e / 8 * PAGE_SIZE : s->next;
    return error;
}

/* Share a large page. */
static int
copy_large(const struct span *s, u64 *to, struct steps *steps, u64 *at)
{
    u64 value = pte_load(s->entry);
    if (pte_load(to) != 0)
        return -FB_E_MAPPED;
    if (steps->pages-- == 0)
        return -FB_E_RESUME;
    int error = frame_map(pte_frame(value), s->level, value & PTE_W);
    if (error)
        return error;
    pte_store(to, value & ~(PTE_A | PTE_D));
    ++*node_used(to);
    *at = s->next;
    return 0;
}

/* Share the page table of a span, which it covers as a whole. */
static int
copy_table(struct change *from, struct tree to, const struct span *s, struct steps *steps,
           u64 *at, unsigned *level)
{
    unsigned l;
    u64 *entry = tree_walk(to, s->va, 1, &l);
    *at = s->va;
    if (pte_load(entry) != 0)
        return -FB_E_MAPPED;
    if (l != 1) {
        *level = l;
        return -FB_E_NOTABLE;
    }
    if (steps->pages-- == 0)
        return -FB_E_RESUME;
    int error = table_share(from, tree_walk(from->tree, s->va, 1, &l), entry);
    if (!error)
        *at = s->next;
    return error == -FB_E_BUSY ? -FB_E_RESUME : error; /* what was done counts */
}

static int
copy_span(struct change *from, struct tree to, const struct span *s, u32 flags,
          struct steps *steps, u64 *at, unsigned *level)
{
    bool cow = flags & FB_COPY_COW, tables = flags & FB_COPY_TABLES;
    unsigned l;
    u64 *first = entries_skip(s->entry, s->entry + s->count);
    *at = s->next;
    if (first == s->entry + s->count)
        return 0;
    *at = s->va + (u64)(first - s->entry) * pte_span(s->level);
    if (s->level == 1 && pte_is_shared(pte_load(s->entry)))
        return tables ? copy_table(from, to, s, steps, at, level) : -FB_E_NOTABLE;
    if (s->level == 0 && tables && s->va % pte_span(1) == 0 &&
        (s->count == PTE_ENTRIES || s->next == tree_end(to)))
        return copy_table(from, to, s, steps, at, level);
    if (s->level != 0 && cow)
        return -FB_E_ARG;
    u64 *entry = tree_walk(to, s->va, s->level, &l);
    if (l != s->level) {
        *level = l;
        return pte_load(entry) != 0 ? -FB_E_MAPPED : -FB_E_NOTABLE;
    }
    if (s->level != 0)
        return copy_large(s, entry, steps, at);
    return copy_pages(from, s, entry, cow, steps, at);
}

int
space_copy_range(struct space *to, struct space *from, u64 va, u64 pages, u32 flags,
                 u64 *done, unsigned *level)
{
    struct tree dst = {to, to->domain}, src = {from, from->domain};
    *done = 0;
    *level = 0;
    if ((flags != FB_COPY_COW && flags != FB_COPY_SHARE &&
         flags != (FB_COPY_COW | FB_COPY_TABLES)) || to == from ||
        to->domain != from->domain)
        return -FB_E_ARG;
    int error = tree_range(src, va, pages);
    if (error)
        return error;
    struct change c, d;
    error = tree_enter(&d, dst, false);
    if (error)
        return error;
    error = tree_enter(&c, src, false);
    if (error) {
        tree_leave(&d);
        return error;
    }
    struct steps steps = {FB_RANGE_STEP, SCAN_STEPS};
    struct span s;
    u64 at = va, end = va + pages * PAGE_SIZE;
    while (!error && at < end && span_next(src, at, end, &s, &steps)) {
        at = s.va;
        error = span_check(&s, end);
        if (!error && s.count == 0)
            at = s.next;
        else if (!error)
            error = copy_span(&c, dst, &s, flags, &steps, &at, level);
        if (!error && steps.scans <= 0 && at < end)
            error = -FB_E_RESUME;
    }
    *done = error ? (at - va) / PAGE_SIZE : pages;
    tree_leave(&c);
    tree_leave(&d);
    return error;
}

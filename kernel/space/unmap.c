/* SPDX-License-Identifier: MIT */
/* Removing mappings, and the nodes that are empty then. */
#include "space/walk.h"

/* Pages of one page table, up to `end` or until the list is full or `most` are removed;
 * what is next, or end.  By itself, with one bound for both and all that changes in locals, so that
 * it stays in registers: this is most of what munmap, exec and exit cost. */
static __attribute__((noinline)) u64 *
unmap_pages(struct change *c, const struct span *s, struct out *out, int *most)
{
    u64 *e = s->entry, *end = e + s->count, written = 0;
    u64 *first = out->max ? out->list + out->n : NULL, *to = first;
    int bound = first && out->max - out->n < (u64)*most ? (int)(out->max - out->n) : *most;
    int left = bound;
    u32 flushed = c->pages;
    for (; (e = entries_skip(e, end)) != end && left; left--, e++) {
        u64 old = pte_exchange(e, 0), write = old & PTE_W;
        if (old & PTE_P) {
            if (flushed < FLUSH_PAGES)
                c->va[flushed] = s->va + (u64)(e - s->entry) * PAGE_SIZE;
            flushed++;
        }
        written |= write;
        if (frame_unmap_page(pte_frame(old), write) && to)
            *to++ = pte_frame(old) | FB_OUT_VALID | (old & PTE_D) * (FB_OUT_DIRTY / PTE_D);
    }
    c->pages = flushed;
    c->epoch |= written != 0;
    out->n += (u64)(to - first);
    *node_used(s->entry) -= (u16)(bound - left);
    *most -= bound - left;
    return e;
}

/* Returns 0 or -RESUME; *at is where to go on. */
static int
unmap_span(struct change *c, const struct span *s, struct out *out, struct steps *steps,
           u64 *at)
{
    u64 *e = s->entry, *end = e + s->count, step = pte_span(s->level);
    unsigned level = s->level;
    int error = 0, removed = 0, most = steps->pages;
    if (level == 0) {
        e = unmap_pages(c, s, out, &steps->pages);
        *at = e == end ? s->next : s->va + (u64)(e - s->entry) * PAGE_SIZE;
        return e == end ? 0 : -FB_E_RESUME;
    }
    for (; (e = entries_skip(e, end)) != end; e++) {
        u64 va = s->va + (u64)(e - s->entry) * step;
        if (removed == most || out_full(out)) {
            *at = va;
            error = -FB_E_RESUME;
            break;
        }
        u64 last = leaf_remove(c, e, level, va);
        if (last)
            out_add(out, last);
        removed++;
    }
    if (removed) {
        *node_used(s->entry) -= (u16)removed;
        steps->pages -= removed;
    }
    if (!error)
        *at = s->next;
    return error;
}

/* A shared table that lies in the range as a whole is left; by its last tree it is
 * emptied like any.  Returns 0 or -RESUME. */
static int
unmap_shared(struct change *c, struct span *s, struct out *out, struct steps *steps,
             u64 *at)
{
    if (!table_open(s))
        return -FB_E_RESUME;
    if (!s->locked)
        return unmap_span(c, s, out, steps, at);
    table_close(c, s, true);
    *at = s->next;
    return 0;
}

int
space_unmap_range(struct tree t, u64 va, u64 pages, u32 flags, u64 *list, u64 max,
                  u64 *listed, u64 *done)
{
    *listed = *done = 0;
    if (flags & ~FB_UNMAP_TABLES)
        return -FB_E_ARG;
    int error = tree_range(t, va, pages);
    if (error)
        return error;
    struct change c;
    error = tree_enter(&c, t, false);
    if (error)
        return error;
    struct out out = {list, max, 0};
    struct steps steps = {FB_RANGE_STEP, SCAN_STEPS};
    struct span s;
    u64 at = va, end = va + pages * PAGE_SIZE;
    while (!error && at < end && span_next(t, at, end, &s, &steps)) {
        at = s.va;
        error = span_check(&s, end);
        if (!error)
            error = s.level == 1 && pte_is_shared(pte_load(s.entry))
                        ? unmap_shared(&c, &s, &out, &steps, &at)
                        : unmap_span(&c, &s, &out, &steps, &at);
        if (!error && (flags & FB_UNMAP_TABLES) && !node_prune(&c, s.va, PTE_TOP, &out)) {
            at = s.va; /* the next call comes back to these nodes */
            error = -FB_E_RESUME;
        }
        if (!error && steps.scans <= 0 && at < end)
            error = -FB_E_RESUME;
    }
    *done = error ? (at - va) / PAGE_SIZE : pages;
    *listed = out.n;
    tree_leave(&c);
    return error;
}

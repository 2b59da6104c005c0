/* SPDX-License-Identifier: MIT */
/* Removing mappings, and the nodes that are empty then. */
#include "space/walk.h"

/* Returns 0 or -RESUME; *at is where to go on. */
static int
unmap_span(struct change *c, const struct span *s, struct out *out, struct steps *steps, u64 *at)
{
    unsigned removed = 0;
    int error = 0;
    for (unsigned i = 0; (i = entries_skip(s->entry, i, s->count)) < s->count; i++) {
        if (steps->pages == 0 || out_full(out)) {
            *at = s->va + i * pte_span(s->level);
            error = -FB_E_RESUME;
            break;
        }
        steps->pages--;
        u64 last = leaf_remove(c, &s->entry[i], s->level, s->va + i * pte_span(s->level));
        if (last)
            out_add(out, last);
        removed++;
    }
    if (removed)
        *node_used(s->entry) -= removed;
    if (!error)
        *at = s->next;
    return error;
}

int
space_unmap_range(struct tree t, u64 va, u64 pages, u32 flags, u64 *list, u64 max, u64 *listed, u64 *done)
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
            error = unmap_span(&c, &s, &out, &steps, &at);
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

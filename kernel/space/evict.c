/* SPDX-License-Identifier: MIT */
/*
 * Taking by force: mappings of an interval of frames when it is revoked, and everything
 * at the end of a domain.
 *
 * A sweep goes through the tree by address.  Where a node itself is to go, all below it
 * goes too, whatever its frame; but a shared table is only left, by all but the last that
 * has it (S8): the node above may be this tree's alone.  The domain lets no other call change its trees meanwhile
 * (`evicting`, or it is dead), so what was swept stays so.
 */
#include "hal/hal.h"
#include "space/walk.h"

#define SWEEP_PAGES 2048

/* The highest node above va that lies in [lo, hi): its level, or 0. */
static unsigned
path_hit(struct tree t, u64 va, frame_t lo, frame_t hi)
{
    for (unsigned level = tree_top(t); level >= 1; level--) {
        unsigned l;
        u64 value = pte_load(tree_walk(t, va, level, &l));
        if (l != level || !pte_is_node(value))
            return 0;
        if (pte_frame(value) >= lo && pte_frame(value) < hi)
            return level;
    }
    return 0;
}

/* Remove what is to go of a span; false: the steps are spent, go on at *at. */
static bool
sweep_span(struct change *c, const struct span *s, bool all, frame_t lo, frame_t hi,
           struct steps *steps, u64 *at)
{
    u64 *e = s->entry, *end = e + s->count, span = pte_span(s->level),
        pages = span / PAGE_SIZE;
    unsigned removed = 0;
    for (; (e = entries_skip(e, end)) != end; e++) {
        if (steps->pages-- <= 0)
            break;
        frame_t f = pte_frame(pte_load(e));
        if (!all && (f >= hi || f + pages <= lo))
            continue;
        (void)leaf_remove(c, e, s->level, s->va + (u64)(e - s->entry) * span);
        removed++;
    }
    if (removed)
        *node_used(s->entry) -= removed;
    c->tree.domain->evicted += removed;
    *at = e != end ? s->va + (u64)(e - s->entry) * span : s->next;
    return e == end;
}

static int
sweep(struct tree t, frame_t lo, frame_t hi, u64 *cursor)
{
    struct change c;
    int error = tree_enter(&c, t, true);
    if (error)
        return error;
    struct steps steps = {SWEEP_PAGES, SCAN_STEPS};
    struct span s;
    u64 at = *cursor > tree_base(t) ? *cursor : tree_base(t);
    while (!error && span_next(t, at, tree_end(t), &s, &steps)) {
        unsigned hit = path_hit(t, s.va, lo, hi);
        s.locked = false;
        if (s.level == 1 && pte_is_shared(pte_load(s.entry)) && !table_open(&s)) {
            at = s.va;
            error = -FB_E_BUSY;
            break;
        }
        if (s.locked && hit != 0) /* others keep it, with what it has, till they come */
            at = s.next;
        else if (!sweep_span(&c, &s, hit != 0, lo, hi, &steps, &at))
            error = -FB_E_RESUME;
        if (s.locked) /* it may be in sight of the space that is loaded */
            hal_cr3_write(hal_cr3_read());
        table_close(&c, &s, hit != 0 && !error);
        if (!error)
            (void)node_prune(&c, s.va, hit, NULL);
        if (!error && steps.scans <= 0)
            error = -FB_E_RESUME;
    }
    *cursor = error ? at : 0;
    tree_leave(&c);
    return error;
}

int
space_evict(struct tree t, frame_t lo, frame_t hi, u64 *cursor)
{
    return sweep(t, lo, hi, cursor);
}

int
space_tear_down(struct tree t, u64 *cursor)
{
    return sweep(t, 0, ~0ull, cursor);
}

/* SPDX-License-Identifier: MIT */
/*
 * Changing rights.
 *
 * Order (F1): a page is counted writable before its entry says so, and its entry says
 * read-only before it is counted so.
 */
#include "space/walk.h"

#define MAP_RIGHTS (FB_MAP_READ | FB_MAP_WRITE | FB_MAP_EXEC)

/* The rights that an entry gets which has `have`: what the caller asks, without what it
 * may not add. */
static u32
rights_wanted(u32 have, u32 flags, const struct frames *m, frame_t f, u64 pages)
{
    u32 want = flags & MAP_RIGHTS;
    if (flags & FB_MAP_NOADD)
        return want & have;
    bool within = m && f >= m->lo && f < m->hi && m->hi - f >= pages;
    if (!(have & FB_MAP_WRITE) && !(within && m->write))
        want &= ~FB_MAP_WRITE;
    if (!(have & FB_MAP_EXEC) && !(within && m->exec))
        want &= ~FB_MAP_EXEC;
    return want;
}

static int
protect_entry(struct change *c, u64 *entry, unsigned level, u64 va, u32 flags,
              const struct frames *m)
{
    u64 value = pte_load(entry);
    frame_t f = pte_frame(value);
    u32 have = pte_rights(value);
    u32 want = rights_wanted(have, flags, m, f, pte_span(level) / PAGE_SIZE);
    if (want & ~have & FB_MAP_WRITE) {
        int error = frame_add_write(f, level);
        if (error == -FB_E_BUSY)
            return error;
        if (error) /* the frame's type forbids it: left without the added right */
            want &= ~FB_MAP_WRITE;
    }
    if (want == have)
        return 0;
    while (!__atomic_compare_exchange_n(entry, &value,
                                        (value & ~PTE_RIGHTS) | pte_of_rights(want),
                                        false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        ; /* the hardware set the accessed or the dirty bit: at most twice (W2) */
    if (have & ~want)
        change_page(c, va);
    if (have & ~want & FB_MAP_WRITE) {
        frame_drop_write(f, level);
        c->epoch = true;
    }
    return 0;
}

/* Returns 0, -RESUME or -BUSY; *at is where to go on. */
static int
protect_span(struct change *c, const struct span *s, u32 flags, const struct frames *m,
             struct steps *steps, u64 *at)
{
    u64 *e = s->entry, *end = e + s->count, span = pte_span(s->level);
    for (; (e = entries_skip(e, end)) != end; e++) {
        *at = s->va + (u64)(e - s->entry) * span;
        if (steps->pages-- == 0)
            return -FB_E_RESUME;
        int error = protect_entry(c, e, s->level, *at, flags, m);
        if (error)
            return error;
    }
    *at = s->next;
    return 0;
}

int
space_protect_range(struct tree t, u64 va, u64 pages, u32 flags, const struct frames *m,
                    u64 *done)
{
    *done = 0;
    u32 rights = flags & MAP_RIGHTS;
    if ((flags & ~(MAP_RIGHTS | FB_MAP_NOADD)) || (rights && !(rights & FB_MAP_READ)))
        return -FB_E_ARG;
    if (!t.space && (rights & FB_MAP_WRITE) && (rights & FB_MAP_EXEC))
        return -FB_E_WX;
    int error = tree_range(t, va, pages);
    if (error)
        return error;
    struct change c;
    error = tree_enter(&c, t, false);
    if (error)
        return error;
    struct steps steps = {FB_RANGE_STEP, SCAN_STEPS};
    struct span s;
    u64 at = va, end = va + pages * PAGE_SIZE;
    while (!error && at < end && span_next(t, at, end, &s, &steps)) {
        at = s.va;
        error = span_check(&s, end);
        if (!error)
            error = protect_span(&c, &s, flags, m, &steps, &at);
        if (!error && steps.scans <= 0 && at < end)
            error = -FB_E_RESUME;
    }
    *done = error ? (at - va) / PAGE_SIZE : pages;
    tree_leave(&c);
    return error;
}

/* SPDX-License-Identifier: MIT */
/*
 * Changing rights.
 *
 * Order (F1): a page is counted writable before its entry says so, and its entry says
 * read-only before it is counted so.
 */
#include "space/walk.h"

#define MAP_RIGHTS (FB_MAP_READ | FB_MAP_WRITE | FB_MAP_EXEC)

/* What the caller asks of each entry. */
struct ask {
    u64 bits; /* of PTE_RIGHTS, all that is asked */
    bool noadd;
    const struct frames *m; /* what may be added */
};

/* The entry with what is asked, without what the caller may not add. */
static u64
entry_wanted(u64 value, u64 pages, const struct ask *ask)
{
    u64 bits = ask->bits, write = bits & ~value & PTE_W, exec = value & ~bits & PTE_NX;
    if (ask->noadd) {
        if (!(value & PTE_P))
            return value;
        bits = (bits & ~write) | exec;
    } else if (write | exec) {
        const struct frames *m = ask->m;
        frame_t f = pte_frame(value);
        bool within = m && f >= m->lo && f < m->hi && m->hi - f >= pages;
        if (write && !(within && (m->rights & FB_MAP_WRITE)))
            bits &= ~PTE_W;
        if (exec && !(within && (m->rights & FB_MAP_EXEC)))
            bits |= PTE_NX;
    }
    return (value & ~PTE_RIGHTS) | bits;
}

static int
protect_entry(struct change *c, u64 *entry, unsigned level, u64 va, const struct ask *ask)
{
    u64 value = pte_load(entry);
    frame_t f = pte_frame(value);
    u64 next = entry_wanted(value, pte_span(level) / PAGE_SIZE, ask);
    if (next & ~value & PTE_W) {
        int error = level == 0 ? frame_count_page(f, FRAME_WMAP_ONE, true)
                               : frame_add_write(f, level);
        if (error == -FB_E_BUSY)
            return error;
        if (error) /* the frame's type forbids it: left without the added right */
            next &= ~PTE_W;
    }
    if (next == value)
        return 0;
    u64 lost = (value & ~next & (PTE_P | PTE_W)) | (next & ~value & PTE_NX);
    while (!__atomic_compare_exchange_n(entry, &value,
                                        (value & ~PTE_RIGHTS) | (next & PTE_RIGHTS),
                                        false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        ; /* the hardware set the accessed or the dirty bit: at most twice (W2) */
    if (lost)
        change_page(c, va);
    if (lost & PTE_W) {
        c->epoch = true;
        if (level == 0)
            frame_drop_page(f);
        else
            frame_drop_write(f, level);
    }
    return 0;
}

/* Returns 0, -RESUME or -BUSY; *at is where to go on. */
static int
protect_span(struct change *c, const struct span *s, const struct ask *ask,
             struct steps *steps, u64 *at)
{
    u64 *e = s->entry, *end = e + s->count, span = pte_span(s->level);
    int error = 0, left = steps->pages;
    unsigned level = s->level;
    for (; (e = entries_skip(e, end)) != end; e++) {
        u64 va = s->va + (u64)(e - s->entry) * span;
        error = left == 0 ? -FB_E_RESUME : protect_entry(c, e, level, va, ask);
        if (error)
            break;
        left--;
    }
    steps->pages = left;
    *at = error ? s->va + (u64)(e - s->entry) * span : s->next;
    return error;
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
    struct ask ask = {pte_of_rights(rights), flags & FB_MAP_NOADD, m};
    struct steps steps = {FB_RANGE_STEP, SCAN_STEPS};
    struct span s;
    u64 at = va, end = va + pages * PAGE_SIZE;
    while (!error && at < end && span_next(t, at, end, &s, &steps)) {
        at = s.va;
        error = span_check(&s, end);
        if (!error && s.level == 1 && pte_is_shared(pte_load(s.entry)))
            error = -FB_E_NOTABLE;
        if (!error)
            error = protect_span(&c, &s, &ask, &steps, &at);
        if (!error && steps.scans <= 0 && at < end)
            error = -FB_E_RESUME;
    }
    *done = error ? (at - va) / PAGE_SIZE : pages;
    tree_leave(&c);
    return error;
}

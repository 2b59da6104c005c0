/* SPDX-License-Identifier: MIT */
/* Walking trees, their lock, and the flush that ends each call (W1, W2, S4, S6). */
#include "space/walk.h"
#include "base/cpu.h"
#include "hal/hal.h"

void
tree_settle(struct change *c)
{
    struct tree t = c->tree;
    /* A window is in sight of whatever space is loaded.  Others are flushed when they are
     * loaded. */
    bool here = !t.space ||
                (this_cpu()->libos_cr3 & ~(2 * PAGE_SIZE - 1)) == t.space->root;
    if (c->pages > FLUSH_PAGES && here)
        hal_cr3_write(hal_cr3_read());
    else if (here)
        for (u32 i = 0; i < c->pages; i++)
            hal_invlpg(c->va[i]);
    if (c->epoch)
        (void)epoch_next();
}

bool
span_next(struct tree t, u64 va, u64 end, struct span *s, struct steps *steps)
{
    while (va < end) {
        unsigned level;
        u64 *entry = tree_walk(t, va, 0, &level);
        u64 reach = pte_span(level + 1), base = va & ~(reach - 1);
        unsigned first = pte_index(va, level);
        unsigned limit = end - base >= reach ? PTE_ENTRIES
                                             : pte_index(end - 1, level) + 1;
        *s = (struct span){.entry = entry, .va = va, .level = level, .count = 1};
        if (level == 0) {
            s->count = limit - first;
            s->next = va + s->count * PAGE_SIZE;
            steps->scans -= 2 + (int)s->count / 8;
            return true;
        }
        s->next = (va & ~(pte_span(level) - 1)) + pte_span(level);
        if (pte_load(entry) != 0) {
            if (s->next > tree_end(t))
                s->next = tree_end(t);
            return true;
        }
        bool empty = level < tree_top(t) && *node_used(entry) == 0;
        u64 *node = entry - first;
        s->count = 0;
        steps->scans -= 4 + (int)(limit - first) / 8;
        s->next = base + (empty ? reach
                                : (u64)(entries_skip(entry, node + limit) - node) *
                                      pte_span(level));
        if (s->next > end)
            s->next = end;
        if (empty || steps->scans <= 0)
            return true;
        va = s->next;
    }
    return false;
}

int
span_check(const struct span *s, u64 end)
{
    bool whole = s->level == 0 || s->count == 0 ||
                 (s->va % pte_span(s->level) == 0 && s->next <= end);
    return whole ? 0 : pte_is_shared(pte_load(s->entry)) ? -FB_E_NOTABLE : -FB_E_ALIGN;
}

/* SPDX-License-Identifier: MIT */
/* Walking trees, their lock, and the flush that ends each call (W1, W2, S4, S6). */
#include "space/walk.h"
#include "base/cpu.h"
#include "hal/hal.h"

int
tree_range(struct tree t, u64 va, u64 pages)
{
    if (va % PAGE_SIZE)
        return -FB_E_ALIGN;
    if (va < tree_base(t) || va >= tree_end(t))
        return -FB_E_RANGE;
    if (pages == 0 || pages > (tree_end(t) - va) >> PAGE_SHIFT)
        return -FB_E_RANGE;
    return 0;
}

static void
tree_unlock(struct tree t)
{
    if (t.space)
        __atomic_store_n(&t.space->busy, 0, __ATOMIC_RELEASE);
    else
        atomic_store_explicit(&t.domain->window_busy, 0, memory_order_release);
}

/* `evicting` is read after the lock was taken, with a full barrier between: either this call sees that a revocation has
 * begun, or the revocation finds the lock taken, or it comes after this call and finds what it mapped. */
int
tree_enter(struct change *c, struct tree t, bool forced)
{
    c->tree = t;
    c->epoch = false;
    c->pages = 0;
    bool taken = t.space ? __atomic_exchange_n(&t.space->busy, 2, __ATOMIC_SEQ_CST) != 0
                         : atomic_exchange(&t.domain->window_busy, 1) != 0;
    if (taken)
        return -FB_E_BUSY;
    int error = 0;
    if (!domain_alive(t.domain) || (t.space && __atomic_load_n(&t.space->dying, __ATOMIC_ACQUIRE)))
        error = -FB_E_DEAD;
    else if (atomic_load(&t.domain->evicting))
        error = -FB_E_BUSY;
    if (!error || forced)
        return 0;
    tree_unlock(t);
    return error;
}

void
tree_leave(struct change *c)
{
    struct tree t = c->tree;
    /* A window is in sight of whatever space is loaded.  Others are flushed when they are loaded. */
    bool here = !t.space || (this_cpu()->libos_cr3 & ~(2 * PAGE_SIZE - 1)) == t.space->root;
    if (c->pages > FLUSH_PAGES && here)
        hal_cr3_write(hal_cr3_read());
    else if (here)
        for (u32 i = 0; i < c->pages; i++)
            hal_invlpg(c->va[i]);
    if (c->epoch)
        (void)epoch_next();
    tree_unlock(t);
}

bool
span_next(struct tree t, u64 va, u64 end, struct span *s, struct steps *steps)
{
    while (va < end) {
        unsigned level;
        u64 *entry = tree_walk(t, va, 0, &level);
        u64 reach = pte_span(level + 1), base = va & ~(reach - 1);
        unsigned first = pte_index(va, level);
        unsigned limit = end - base >= reach ? PTE_ENTRIES : pte_index(end - 1, level) + 1;
        *s = (struct span){.entry = entry, .va = va, .level = level, .count = 1};
        if (level == 0) {
            s->count = limit - first;
            s->next = va + s->count * PAGE_SIZE;
            steps->scans -= 2 + (int)s->count / 8;
            return true;
        }
        s->next = (va & ~(pte_span(level) - 1)) + pte_span(level);
        if (pte_load(entry) != 0)
            return true;
        bool empty = level < tree_top(t) && *node_used(entry) == 0;
        u64 *node = entry - first;
        s->count = 0;
        steps->scans -= 4 + (int)(limit - first) / 8;
        s->next = base + (empty ? reach : entries_skip(node, first, limit) * pte_span(level));
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
    bool whole = s->level == 0 || s->count == 0 || (s->va % pte_span(s->level) == 0 && s->next <= end);
    return whole ? 0 : -FB_E_ALIGN;
}

u64
leaf_remove(struct change *c, u64 *entry, unsigned level, u64 va)
{
    u64 old = pte_exchange(entry, 0);
    bool write = old & PTE_W;
    if (old & PTE_P)
        change_page(c, va);
    c->epoch |= write;
    if (!frame_unmap(pte_frame(old), level, write))
        return 0;
    return pte_frame(old) | FB_OUT_VALID | (old & PTE_D ? FB_OUT_DIRTY : 0);
}

/* SPDX-License-Identifier: MIT */
/*
 * Page tables that several spaces of a domain share (S8): how they come to, and how a
 * space gets one of its own again.
 *
 * Leaving locks the table, so that of two the one sees that it was the last but one; who
 * is alone needs no lock but that of its tree, as only it can let another one in.
 */
#include "space/walk.h"

int
table_share(struct change *c, u64 *from, u64 *to)
{
    u64 value = pte_load(from);
    int error = frame_table_add(pte_frame(value));
    if (error)
        return error;
    if (value & PTE_W) {
        __atomic_fetch_and(from, ~PTE_W, __ATOMIC_ACQ_REL);
        change_all(c);
    }
    pte_store(to, pte_frame(value) << PAGE_SHIFT | PTE_SHARED_NODE);
    ++*node_used(to);
    return 0;
}

bool
table_open(struct span *s)
{
    frame_t table = pte_frame(pte_load(s->entry));
    int alone = frame_table_lock(table);
    if (alone < 0)
        return false;
    s->parent = s->entry;
    s->locked = alone == 0;
    s->entry = (u64 *)frame_ptr(table) + pte_index(s->va, 0);
    s->count = (unsigned)((s->next - s->va) >> PAGE_SHIFT);
    s->level = 0;
    return true;
}

void
table_close(struct change *c, struct span *s, bool leave)
{
    if (!s->locked)
        return;
    frame_t table = ptr_frame(s->entry);
    if (leave) {
        pte_store(s->parent, 0);
        --*node_used(s->parent);
        change_all(c);
    }
    frame_table_unlock(table, leave);
}

/* Fill the new table `frame` with what the shared one has, or leave it clean. */
static int
table_fill(struct change *c, frame_t table, u64 va, frame_t frame)
{
    struct span s = { .entry = frame_ptr(table), .va = va, .count = PTE_ENTRIES };
    struct steps steps = { PTE_ENTRIES, 0 };
    u64 at, *to = frame_ptr(frame);
    int error = copy_pages(c, &s, to, true, &steps, &at);
    if (error) {
        for (u64 *e = to, *end = to + PTE_ENTRIES; (e = entries_skip(e, end)) != end; e++)
            (void)frame_unmap_page(pte_frame(pte_exchange(e, 0)), false);
        *node_used(to) = 0;
        frame_unlink(frame);
    }
    return error;
}

int
table_own(struct change *c, u64 *entry, u64 va, frame_t frame)
{
    frame_t table = pte_frame(pte_load(entry));
    int error, alone = frame_table_lock(table);
    if (alone < 0)
        return alone;
    if (alone) {
        if (frame != table)
            return -FB_E_MAPPED;
        __atomic_fetch_or(entry, PTE_W, __ATOMIC_ACQ_REL);
        return 0;
    }
    error = frame == table ? -FB_E_INUSE : frame_link(frame);
    if (!error)
        error = table_fill(c, table, va & ~(pte_span(1) - 1), frame);
    if (!error) {
        pte_store(entry, frame << PAGE_SHIFT | PTE_NODE);
        change_page(c, va); /* the paging-structure caches: node.c, node_unlink */
    }
    frame_table_unlock(table, error == 0);
    return error;
}

/* SPDX-License-Identifier: MIT */
/*
 * Private to space/: walking a tree, and what a call settles before it returns.
 *
 * W1. A node's `used` equals its non-zero entries whenever the tree's lock is free.
 * W2. Entries change only under the lock, except for the accessed and dirty bits, which
 *     the hardware sets at any time: an entry is removed by exchange and changed by
 *     compare-and-swap or a locked AND.
 */
#ifndef KERNEL_SPACE_WALK_H
#define KERNEL_SPACE_WALK_H

#include "domain/domain.h"
#include "frame/count.h"
#include "hal/x86_64/pte.h"
#include "space/space.h"

#define FLUSH_PAGES 8u
#define SCAN_STEPS 2048 /* groups of 8 entries that one call looks at */

/* What a call changed in a tree, to be settled by tree_leave. */
struct change {
    struct tree tree;
    bool epoch; /* S6: a writable mapping or a node was removed */
    u32 pages;  /* translations removed or weakened; the first FLUSH_PAGES of them: */
    u64 va[FLUSH_PAGES];
};

/* What is left of a call's bound. */
struct steps {
    int pages; /* entries that hold something */
    int scans;
};

/* Neighbouring entries of one node: `count` of them from `entry` on, for addresses va up
 * to next. count = 0: a node of this level without any entry.  level > 0 and count = 1: a
 * large page, or a shared page table (S8). */
struct span {
    u64 *entry;
    u64 va, next;
    unsigned level, count;
    u64 *parent; /* set by table_open: the entry above, and whether the table is locked */
    bool locked;
};

/* The list that space_unmap makes; max = 0: nobody wants it. */
struct out {
    u64 *list;
    u64 max, n;
};

static inline bool
out_full(const struct out *out)
{
    return out->max != 0 && out->n == out->max;
}
static inline void
out_add(struct out *out, u64 entry)
{
    if (out->max != 0)
        out->list[out->n++] = entry | FB_OUT_VALID;
}

/* The level of the entries in a tree's top node. */
static inline unsigned
tree_top(struct tree t)
{
    return t.space ? PTE_TOP : PTE_TOP - 1;
}
static inline u64
tree_base(struct tree t)
{
    return t.space ? 0 : FB_WINDOW_BASE;
}
static inline u64
tree_end(struct tree t)
{
    return t.space ? FB_USER_TOP : FB_WINDOW_END;
}

/* From the entry *entry to that of va in the node below it; false: there is no node
 * below, or a shared one. */
static inline bool
tree_step(u64 **entry, u64 va, unsigned level)
{
    u64 value = pte_load(*entry);
    if ((value & (PTE_P | PTE_LARGE | PTE_W)) != (PTE_P | PTE_W))
        return false;
    u64 *node = frame_ptr(pte_frame(value));
    *entry = &node[pte_index(va, level)];
    return true;
}

/* The entry for va at level `want`, or above it where there is no node to go down to.
 * About 9 instructions a level: written out, so that shifts are constants. */
static inline u64 *
tree_walk(struct tree t, u64 va, unsigned want, unsigned *level)
{
    u64 *entry;
    if (t.space) {
        entry = (u64 *)(PHYSMAP_BASE + t.space->root) + pte_index(va, 3);
        *level = 3;
        if (want == 3 || !tree_step(&entry, va, 2))
            return entry;
    } else {
        entry = (u64 *)frame_ptr(t.domain->window_frame) + pte_index(va, 2);
    }
    *level = 2;
    if (want == 2 || !tree_step(&entry, va, 1))
        return entry;
    *level = 1;
    if (want == 1 || !tree_step(&entry, va, 0))
        return entry;
    *level = 0;
    return entry;
}

static inline u16 *
node_used(const u64 *entry)
{
    return &frame_record(ptr_frame(entry))->used;
}

/* The first non-zero entry of [e, end), or end.  An empty cache line costs 11
 * instructions. */
static inline u64 *
entries_skip(u64 *e, u64 *end)
{
    if (e < end && *e)
        return e;
    for (; e < end && (u64)e % 64; e++)
        if (*e)
            return e;
    while (e + 8 <= end && !(e[0] | e[1] | e[2] | e[3] | e[4] | e[5] | e[6] | e[7]))
        e += 8;
    while (e < end && !*e)
        e++;
    return e;
}

/* -ALIGN, -RANGE: is [va, va + pages) a range of this tree? */
static inline int
tree_range(struct tree t, u64 va, u64 pages)
{
    if (va % PAGE_SIZE)
        return -FB_E_ALIGN;
    if (va < tree_base(t) || va >= tree_end(t) || pages == 0 ||
        pages > (tree_end(t) - va) >> PAGE_SHIFT)
        return -FB_E_RANGE;
    return 0;
}

static inline void
tree_unlock(struct tree t)
{
    if (t.space)
        __atomic_store_n(&t.space->busy, 0, __ATOMIC_RELEASE);
    else
        atomic_store_explicit(&t.domain->window_busy, 0, memory_order_release);
}

/* Take the try-lock.  -BUSY; unless `forced`: -DEAD, and -BUSY while a revocation evicts.
 *
 * `evicting` is read after the lock was taken, with a full barrier between: either this
 * call sees that a revocation has begun, or the revocation finds the lock taken, or it
 * comes after this call and finds what it mapped. */
static inline int
tree_enter(struct change *c, struct tree t, bool forced)
{
    c->tree = t;
    c->epoch = false;
    c->pages = 0;
    bool taken = t.space ? __atomic_exchange_n(&t.space->busy, 2, __ATOMIC_SEQ_CST) != 0
                         : atomic_exchange(&t.domain->window_busy, 1) != 0;
    if (taken)
        return -FB_E_BUSY;
    if (forced)
        return 0;
    if (!domain_alive(t.domain) ||
        (t.space && __atomic_load_n(&t.space->dying, __ATOMIC_ACQUIRE))) {
        tree_unlock(t);
        return -FB_E_DEAD;
    }
    if (atomic_load(&t.domain->evicting) == NULL)
        return 0;
    tree_unlock(t);
    return evict_help(t.domain);
}

/* Flush the own TLB, and start an epoch if one is due (S6). */
void tree_settle(struct change *c);

/* Settle what was changed, and drop the lock. */
static inline void
tree_leave(struct change *c)
{
    if (c->pages || c->epoch)
        tree_settle(c);
    tree_unlock(c->tree);
}

/* The translation of va was removed or weakened. */
static inline void
change_page(struct change *c, u64 va)
{
    if (c->pages < FLUSH_PAGES)
        c->va[c->pages] = va;
    c->pages++;
}

/* More translations than are worth to be flushed one by one. */
static inline void
change_all(struct change *c)
{
    c->pages = FLUSH_PAGES + 1;
}

/* The next span at or after va, before end; false: there is none.  Spends steps->scans;
 * when they are spent it returns an empty span, from which a later call goes on at
 * span.next. */
bool span_next(struct tree t, u64 va, u64 end, struct span *s, struct steps *steps);
/* -ALIGN: the span is a large page that the range [va, end) covers in part only;
 * -NOTABLE: it is such a shared table. */
int span_check(const struct span *s, u64 end) MUST_CHECK;
/* Remove a leaf: clear, count away, note the change.  Returns its FB_OUT entry if that
 * was the last 4 KiB mapping, else 0. */
static inline u64
leaf_remove(struct change *c, u64 *entry, unsigned level, u64 va)
{
    u64 old = pte_exchange(entry, 0);
    bool write = old & PTE_W;
    if (old & PTE_P)
        change_page(c, va);
    c->epoch |= write;
    if (!(level == 0 ? frame_unmap_page(pte_frame(old), write)
                     : frame_unmap(pte_frame(old), level, write)))
        return 0;
    return pte_frame(old) | FB_OUT_VALID | (old & PTE_D ? FB_OUT_DIRTY : 0);
}
/* Copy a span of page-table entries into the page table that has `to` for its first
 * (copy.c). */
int copy_pages(struct change *c, const struct span *s, u64 *to, bool cow,
               struct steps *steps, u64 *at) MUST_CHECK;

/* ---- share.c: S8 ---- */
/* Let the tree of entry *to have the page table below *from as well. */
int table_share(struct change *c, u64 *from, u64 *to) MUST_CHECK;
/* space_link_table where a shared table is. */
int table_own(struct change *c, u64 *entry, u64 va, frame_t frame) MUST_CHECK;
/* Make the span of a shared table that of its entries, locked against other trees; false:
 * it is locked.  table_close unlocks; leave: this tree has it no more. */
bool table_open(struct span *s) MUST_CHECK;
void table_close(struct change *c, struct span *s, bool leave);

/* Unlink the nodes without entries above va, from level 1 up to `highest`.  `out`: list
 * them as clean tables there, false: it has no room; NULL: they become DATA. */
bool node_prune(struct change *c, u64 va, unsigned highest, struct out *out);

#endif

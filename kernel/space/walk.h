/* SPDX-License-Identifier: MIT */
/*
 * Private to space/: walking a tree, and what a call settles before it returns.
 *
 * W1. A node's `used` equals its non-zero entries whenever the tree's lock is free.
 * W2. Entries change only under the lock, except for the accessed and dirty bits, which the hardware sets at any time:
 *     an entry is removed by exchange and changed by compare-and-swap or a locked AND.
 */
#ifndef KERNEL_SPACE_WALK_H
#define KERNEL_SPACE_WALK_H

#include "domain/domain.h"
#include "frame/count.h"
#include "hal/x86_64/pte.h"
#include "space/space.h"

#define FLUSH_PAGES 8u
#define SCAN_STEPS 2048 /* groups of entries that one call looks at, about 10 instructions each */

/* What a call changed in a tree, to be settled by tree_leave. */
struct change {
    struct tree tree;
    bool epoch;   /* S6: a writable mapping or a node was removed */
    u32 pages;    /* translations removed or weakened; the first FLUSH_PAGES of them: */
    u64 va[FLUSH_PAGES];
};

/* What is left of a call's bound. */
struct steps {
    int pages; /* entries that hold something */
    int scans;
};

/* Neighbouring entries of one node: `count` of them from `entry` on, for addresses va up to next.
 * count = 0: a node of this level without any entry.  level > 0 and count = 1: a large page. */
struct span {
    u64 *entry;
    u64 va, next;
    unsigned level, count;
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

/* The entry for va at level `want`, or above it where there is no node to go down to. About 5 + 6 a level. */
static inline u64 *
tree_walk(struct tree t, u64 va, unsigned want, unsigned *level)
{
    unsigned l = tree_top(t);
    u64 *node = t.space ? frame_ptr(t.space->root >> PAGE_SHIFT) : frame_ptr(t.domain->window_frame);
    for (;; l--) {
        u64 *entry = &node[pte_index(va, l)];
        u64 value = pte_load(entry);
        if (l == want || !pte_is_node(value)) {
            *level = l;
            return entry;
        }
        node = frame_ptr(pte_frame(value));
    }
}

static inline u16 *
node_used(const u64 *entry)
{
    return &frame_record(ptr_frame(entry))->used;
}

/* From i on, the index of the first non-zero of e[0..n), or n. */
static inline unsigned
entries_skip(const u64 *e, unsigned i, unsigned n)
{
    for (; i < n && (u64)&e[i] % 64; i++)
        if (e[i])
            return i;
    while (i + 8 <= n && !(e[i] | e[i + 1] | e[i + 2] | e[i + 3] | e[i + 4] | e[i + 5] | e[i + 6] | e[i + 7]))
        i += 8;
    while (i < n && !e[i])
        i++;
    return i;
}

/* -ALIGN, -RANGE: is [va, va + pages) a range of this tree? */
int tree_range(struct tree t, u64 va, u64 pages) MUST_CHECK;
/* Take the try-lock.  -BUSY; unless `forced`: -DEAD, and -BUSY while a revocation evicts. */
int tree_enter(struct change *c, struct tree t, bool forced) MUST_CHECK;
/* Flush the own TLB, start an epoch if one is due (S6), and drop the lock. */
void tree_leave(struct change *c);

/* The translation of va was removed or weakened. */
static inline void
change_page(struct change *c, u64 va)
{
    if (c->pages < FLUSH_PAGES)
        c->va[c->pages] = va;
    c->pages++;
}

/* The next span at or after va, before end; false: there is none.  Spends steps->scans; when they are spent it returns an
 * empty span, from which a later call goes on at span.next. */
bool span_next(struct tree t, u64 va, u64 end, struct span *s, struct steps *steps);
/* -ALIGN: the span is a large page that the range [va, end) covers in part only. */
int span_check(const struct span *s, u64 end) MUST_CHECK;
/* Remove a leaf: clear, count away, note the change.  Returns its FB_OUT entry if that was the last 4 KiB mapping, else 0. */
u64 leaf_remove(struct change *c, u64 *entry, unsigned level, u64 va);
/* Unlink the nodes without entries above va, from level 1 up to `highest`.  `out`: list them as clean tables there, false:
 * it has no room; NULL: they become DATA. */
bool node_prune(struct change *c, u64 va, unsigned highest, struct out *out);

#endif

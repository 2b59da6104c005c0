/* SPDX-License-Identifier: MIT */
/* Reading the page tables of a space, which needs no call (mmu.h; P2 of table_pool.c). */
#include "core/mmu.h"

#include <sdk/stubs.h>

#include "core/arch/x86_64/arch.h"
#include "core/page.h"

/* The node of directory pointers for va, or NULL. */
static const u64 *
top_node(struct mmu_space *s, uaddr va)
{
    for (u32 i = 0; i < s->ntops; i++)
        if (s->tops[i].slot == (u32)(va >> 39))
            return page_ptr(s->tops[i].frame);
    return NULL;
}

u64
mmu_table_entry(struct mmu_space *s, uaddr va, unsigned *shift)
{
    const u64 *node = top_node(s, va);
    u64 e = 0;
    *shift = 39;
    for (unsigned at = 30; node && at > 12; at -= 9) {
        e = __atomic_load_n(&node[(va >> at) & 511], __ATOMIC_RELAXED);
        *shift = at;
        if ((e & (FB_PTE_PRESENT | FB_PTE_LARGE)) != FB_PTE_PRESENT)
            return 0; /* nothing, or a page of 2 MiB (M5) */
        node = page_ptr(FB_PTE_FRAME(e));
    }
    return node ? e : 0;
}

u64
mmu_large_entry(struct mmu_space *s, uaddr va)
{
    const u64 *node = top_node(s, va);
    u64 e = node ? __atomic_load_n(&node[(va >> 30) & 511], __ATOMIC_RELAXED) : 0;
    if ((e & (FB_PTE_PRESENT | FB_PTE_LARGE)) != FB_PTE_PRESENT)
        return 0;
    node = page_ptr(FB_PTE_FRAME(e));
    e = __atomic_load_n(&node[(va >> 21) & 511], __ATOMIC_RELAXED);
    return e & FB_PTE_LARGE ? e : 0;
}

static u32
rights_of(u64 e)
{
    return MMU_READ | (e & FB_PTE_WRITE) | (e & FB_PTE_NX ? 0 : MMU_EXEC);
}

/* The 4 KiB of a page of 2 MiB at va. */
static void
large_part(u64 e, uaddr va, struct mmu_page *out)
{
    *out = (struct mmu_page){ .frame = FB_PTE_FRAME(e) + ((va >> PAGE_SHIFT) & 511),
                              .flags = rights_of(e),
                              .dirty = e & FB_PTE_DIRTY,
                              .accessed = e & FB_PTE_ACCESSED,
                              .large = true };
}

/* The entry of va in a node; 0: what is below is not there. */
static inline u64
entry_of(frame_t node, uaddr va, unsigned shift)
{
    const u64 *entries = page_ptr(node);
    return __atomic_load_n(&entries[(va >> shift) & 511], __ATOMIC_RELAXED);
}

bool
mmu_query(struct mmu_space *s, uaddr va, struct mmu_page *out)
{
    const struct mmu_top *top = s->tops, *end = top + s->ntops;
    while (top < end && top->slot != va >> 39)
        top++;
    if (top == end)
        return false;
    u64 e = entry_of(top->frame, va, 30);
    if ((e & (FB_PTE_PRESENT | FB_PTE_LARGE)) != FB_PTE_PRESENT)
        return false; /* nobody maps pages of 1 GiB in a lower half */
    u64 table = entry_of(FB_PTE_FRAME(e), va, 21);
    if (__builtin_expect((table & (FB_PTE_PRESENT | FB_PTE_LARGE)) != FB_PTE_PRESENT, 0)) {
        if (table & FB_PTE_LARGE)
            large_part(table, va, out);
        return table & FB_PTE_LARGE;
    }
    e = entry_of(FB_PTE_FRAME(table), va, 12);
    if (!(e & FB_PTE_PRESENT))
        return false;
    out->frame = FB_PTE_FRAME(e);
    out->flags = MMU_READ | (e & table & FB_PTE_WRITE) | (e & FB_PTE_NX ? 0 : MMU_EXEC);
    out->dirty = e & FB_PTE_DIRTY;
    out->accessed = e & FB_PTE_ACCESSED;
    out->large = false;
    out->shared = mmu_is_shared(table) ? mmu_sharers(FB_PTE_FRAME(table)) : 0;
    return true;
}
_Static_assert(FB_PTE_WRITE == MMU_WRITE, "mmu_query");

/* What is not there at va: its span is 1 << *shift.  0: a page is there. */
static unsigned
absent_shift(struct mmu_space *s, uaddr va)
{
    const u64 *node = top_node(s, va);
    if (!node)
        return 39;
    for (unsigned shift = 30;; shift -= 9) {
        u64 e = __atomic_load_n(&node[(va >> shift) & 511], __ATOMIC_RELAXED);
        if (!(e & FB_PTE_PRESENT))
            return shift;
        if (shift == 12 || (e & FB_PTE_LARGE))
            return 0;
        node = page_ptr(FB_PTE_FRAME(e));
    }
}

bool
mmu_next(struct mmu_space *s, uaddr *va, uaddr end, struct mmu_page *out)
{
    while (*va < end) {
        unsigned shift = absent_shift(s, *va);
        if (shift == 0)
            return mmu_query(s, *va, out);
        *va = ((*va >> shift) + 1) << shift;
    }
    *va = end;
    return false;
}

bool
mmu_absent(struct mmu_space *s, uaddr va, uaddr end)
{
    while (va < end) {
        const u64 *node = top_node(s, va);
        unsigned shift = 39;
        u64 e = 0;
        for (shift = 30; node && shift >= 12; shift -= 9) {
            e = __atomic_load_n(&node[(va >> shift) & 511], __ATOMIC_RELAXED);
            if (e == 0 || shift == 12 || (e & FB_PTE_LARGE))
                break;
            node = page_ptr(FB_PTE_FRAME(e));
        }
        if (e || (node && !machine_node_used(page_frame(node))))
            return false;
        if (!node) {
            va = ((va >> 39) + 1) << 39;
            continue;
        }
        /* The others of this node that are as empty. */
        uaddr stop = MIN(end, ((va >> (shift + 9)) + 1) << (shift + 9));
        do
            va = ((va >> shift) + 1) << shift;
        while (va < stop &&
               __atomic_load_n(&node[(va >> shift) & 511], __ATOMIC_RELAXED) == 0);
    }
    return true;
}

static inline bool
leads_on(u64 entry)
{
    return (entry & (FB_PTE_PRESENT | FB_PTE_LARGE)) == FB_PTE_PRESENT;
}

/* The entry of the first table or page of 2 MiB at *va or behind it, to which *va moves;
 * 0: there is none before `end`. */
static u64
next_table(struct mmu_space *s, uaddr *va, uaddr end)
{
    uaddr at = *va;
    while (at < end) {
        const u64 *node = top_node(s, at);
        if (!node) {
            at = ((at >> 39) + 1) << 39;
            continue;
        }
        u64 e = __atomic_load_n(&node[(at >> 30) & 511], __ATOMIC_RELAXED);
        if (!leads_on(e)) {
            at = ((at >> 30) + 1) << 30;
            continue;
        }
        uaddr stop = MIN(end, ((at >> 30) + 1) << 30);
        for (node = page_ptr(FB_PTE_FRAME(e)); at < stop; at = ((at >> 21) + 1) << 21) {
            e = __atomic_load_n(&node[(at >> 21) & 511], __ATOMIC_RELAXED);
            if (e & FB_PTE_PRESENT) {
                *va = at;
                return e;
            }
        }
    }
    return 0;
}

void
mmu_each(struct mmu_space *s, uaddr va, uaddr end, mmu_visit_fn visit, void *arg)
{
    u64 table;
    while ((table = next_table(s, &va, end)) != 0) {
        struct mmu_page part;
        if (table & FB_PTE_LARGE) {
            for (uaddr to = MIN(end, ((va >> 21) + 1) << 21); va < to; va += PAGE_SIZE) {
                large_part(table, va, &part);
                visit(arg, va, &part);
            }
            continue;
        }
        const u64 *node = page_ptr(FB_PTE_FRAME(table));
        u16 shared = mmu_is_shared(table) ? mmu_sharers(FB_PTE_FRAME(table)) : 0;
        uaddr stop = MIN(end, ((va >> 21) + 1) << 21);
        for (node += (va >> 12) & 511; va < stop; va += PAGE_SIZE, node++) {
            u64 e = __atomic_load_n(node, __ATOMIC_RELAXED);
            if (e == 0)
                continue; /* what is not zero has a frame, with or without access */
            struct mmu_page page = { .frame = FB_PTE_FRAME(e),
                                     .dirty = e & FB_PTE_DIRTY,
                                     .accessed = e & FB_PTE_ACCESSED,
                                     .shared = shared };
            if (e & FB_PTE_PRESENT)
                page.flags = MMU_READ | (e & table & FB_PTE_WRITE) |
                             (e & FB_PTE_NX ? 0 : MMU_EXEC);
            visit(arg, va, &page);
        }
    }
}

/* SPDX-License-Identifier: MIT */
/* Mapping runs of frames. */
#include "base/cpu.h"
#include "space/walk.h"

#define MAP_RIGHTS (FB_MAP_READ | FB_MAP_WRITE | FB_MAP_EXEC)
#define MAP_LARGE  (FB_MAP_2M | FB_MAP_1G)
#define MAP_FLAGS  (MAP_RIGHTS | MAP_LARGE | FB_MAP_REPLACE | FB_MAP_UNCACHED)

static int
map_check(struct tree t, u64 va, const struct frames *m, frame_t frame, u32 flags,
          u64 count)
{
    u64 pages = 1;
    if ((flags & ~MAP_FLAGS) || !(flags & FB_MAP_READ))
        return -FB_E_ARG;
    if ((flags & FB_MAP_REPLACE) && ((flags & MAP_LARGE) || count > FB_MAP_REPLACE_MAX))
        return -FB_E_ARG;
    if (flags & MAP_LARGE) {
        if ((flags & MAP_LARGE) == MAP_LARGE ||
            ((flags & FB_MAP_1G) && !(record->features & FB_FEATURE_PAGE1G)))
            return -FB_E_ARG;
        pages = flags & FB_MAP_1G ? 1ull << 18 : 1ull << 9;
    }
    if (flags & MAP_RIGHTS & ~m->rights)
        return -FB_E_AUTHORITY;
    if (!t.space && (flags & FB_MAP_WRITE) && (flags & FB_MAP_EXEC))
        return -FB_E_WX;
    if ((va | frame << PAGE_SHIFT) & (pages * PAGE_SIZE - 1))
        return -FB_E_ALIGN;
    if (count > FB_WINDOW_SIZE >>
        PAGE_SHIFT << 8) /* more than any tree has: the product must not wrap */
        return -FB_E_RANGE;
    if (frame < m->lo || frame >= m->hi || count * pages > m->hi - frame)
        return -FB_E_RANGE;
    return tree_range(t, va, count * pages);
}

/* Exchange one 4 KiB entry.  The new frame is counted before the entry shows it, the old
 * one after; *lost: that was its last mapping. */
static inline int
map_replace(struct change *c, u64 *entry, u64 value, u64 va, bool *lost)
{
    int error = frame_map_page(pte_frame(value), value & PTE_W);
    if (error)
        return error;
    u64 was = pte_exchange(entry, value);
    *lost = false;
    if (was == 0) {
        ++*node_used(entry);
        return 0;
    }
    if (was & PTE_P)
        change_page(c, va);
    c->epoch |= (was & PTE_W) != 0;
    *lost = frame_unmap_page(pte_frame(was), was & PTE_W);
    return 0;
}

/* What is to be mapped, and how far that is done. */
struct run {
    u64 va, value, left;
    unsigned level;
    bool replace;
    u64 mapped, lost; /* lost: by bit; frames that lost their last mapping (REPLACE) */
};

/* *r goes on behind the next n entries. */
static void
run_on(struct run *r, u64 n)
{
    r->va += n * pte_span(r->level);
    r->value += n * pte_span(r->level);
    r->mapped += n;
    r->left -= n;
}

/* The next entries of one node, up to `n`. */
static int
map_entries(struct change *c, struct run *r, u64 *entry, unsigned n)
{
    for (u64 *end = entry + n; entry != end; entry++) {
        int error;
        if (r->replace) {
            bool lost = false;
            error = map_replace(c, entry, r->value, r->va, &lost);
            r->lost |= (u64)lost << r->mapped;
        } else {
            error = pte_load(entry) != 0
                        ? -FB_E_MAPPED
                        : frame_map(pte_frame(r->value), r->level, r->value & PTE_W);
            if (!error) {
                pte_store(entry, r->value);
                ++*node_used(entry);
            }
        }
        if (error)
            return error;
        run_on(r, 1);
    }
    return 0;
}

/* *missing: the level of the node that is not there, on -NOTABLE. */
static int
map_nodes(struct change *c, struct run *r, unsigned *missing)
{
    int error = 0;
    while (r->left && !error) {
        unsigned l, room = PTE_ENTRIES - pte_index(r->va, r->level);
        u64 *entry = tree_walk(c->tree, r->va, r->level, &l);
        if (l != r->level) {
            u64 there = pte_load(entry);
            if (there != 0 && !pte_is_shared(there))
                return -FB_E_MAPPED;
            *missing = l;
            return -FB_E_NOTABLE;
        }
        unsigned n = room < r->left ? room : (unsigned)r->left;
        error = map_entries(c, r, entry, n);
    }
    return error;
}

static __attribute__((noinline)) int
map_run(struct tree t, u64 va, const struct frames *m, frame_t frame, u32 flags,
        u64 count, u64 *done)
{
    int error = map_check(t, va, m, frame, flags, count);
    if (error)
        return error;
    struct change c;
    error = tree_enter(&c, t, false);
    if (error)
        return error;
    unsigned missing = 0, level = flags & FB_MAP_1G ? 2 : flags & FB_MAP_2M ? 1 : 0;
    struct run r = {
        .va = va,
        .value = frame << PAGE_SHIFT | pte_of_rights(flags) | (level ? PTE_LARGE : 0) |
                 (flags & FB_MAP_UNCACHED ? PTE_PCD | PTE_PWT : 0),
        .left = count < FB_RANGE_STEP ? count : FB_RANGE_STEP,
        .level = level,
        .replace = flags & FB_MAP_REPLACE,
    };
    error = map_nodes(&c, &r, &missing);
    *done = (u64)missing << 56 | r.mapped;
    if (r.replace)
        *done = (u64)missing << 56 | r.mapped << 32 | r.lost;
    tree_leave(&c);
    return !error && r.mapped < count ? -FB_E_RESUME : error;
}

/* Where a page of a space is to be, and no node leads there. */
static int
no_table(u64 entry, unsigned level, u64 *done)
{
    if (entry != 0 && !pte_is_shared(entry))
        return -FB_E_MAPPED;
    *done |= (u64)level << 56;
    return -FB_E_NOTABLE;
}

/* 4 KiB pages of a space: what map_check asks in that case. */
static inline int
pages_check(u64 va, const struct frames *m, u32 flags, u64 count)
{
    if (!(flags & FB_MAP_READ))
        return -FB_E_ARG;
    if (flags & ~m->rights)
        return -FB_E_AUTHORITY;
    if (va % PAGE_SIZE)
        return -FB_E_ALIGN;
    return va < FB_USER_TOP && count != 0 && count <= (FB_USER_TOP - va) >> PAGE_SHIFT
               ? 0
               : -FB_E_RANGE;
}

/* The frames of m that exist end here. */
static inline u64
there(const struct frames *m)
{
    return m->hi < frame_count ? m->hi : frame_count;
}

/*
 * Pages of a space where nothing is: what nearly all calls are about, by itself, so that
 * all of it stays in registers, and that nothing needs to be settled.  A frame of the
 * list is loaded once: its owner may change it meanwhile.
 */
static inline __attribute__((always_inline)) int
map_pages(struct space *s, u64 va, const struct frames *m, bool listed, frame_t f,
          const u64 *list, u32 flags, u64 count, u64 *done)
{
    struct change c;
    struct tree t = { s, s->domain };
    int error = tree_enter(&c, t, false);
    if (error)
        return error;
    u64 bits = pte_of_rights(flags), hi = there(m), left = count;
    if (left > FB_RANGE_STEP)
        left = FB_RANGE_STEP;
    u64 bound = left;
    bool write = bits & PTE_W;
    u64 one = frame_map_one(write), value = f << PAGE_SHIFT | bits;
    struct fb_frame_record *r = frame_record(f);
    do {
        unsigned level;
        u64 *entry = tree_walk(t, va, 0, &level), *e = entry;
        if (level != 0) {
            error = no_table(pte_load(entry), level, done);
            break;
        }
        u64 *end = entry + left, *table_end = (u64 *)(((u64)entry | (PAGE_SIZE - 1)) + 1);
        if (end > table_end)
            end = table_end;
        do {
            if (listed) {
                f = __atomic_load_n(list++, __ATOMIC_RELAXED);
                value = f << PAGE_SHIFT | bits;
                r = frame_record(f);
            }
            if (pte_load(e) != 0)
                error = -FB_E_MAPPED;
            else if (listed && (f < m->lo || f >= hi))
                error = -FB_E_RANGE;
            else
                error = frame_count_there(r++, one, write);
            if (error)
                break;
            pte_store(e++, value);
            value += PAGE_SIZE;
        } while (e != end);
        u64 n = (u64)(e - entry);
        va += n * PAGE_SIZE;
        left -= n;
        *node_used(entry) += (u16)n;
    } while (!error && left);
    tree_unlock(t);
    *done |= bound - left;
    return !error && count > FB_RANGE_STEP ? -FB_E_RESUME : error;
}

int
space_map_run(struct tree t, u64 va, const struct frames *m, frame_t frame, u32 flags,
              u64 count, u64 *done)
{
    *done = 0;
    if (!t.space || (flags & ~MAP_RIGHTS))
        return map_run(t, va, m, frame, flags, count, done);
    int error = pages_check(va, m, flags, count);
    u64 hi = there(m);
    if (!error && (frame < m->lo || frame >= hi || count > hi - frame))
        error = -FB_E_RANGE;
    return error ? error : map_pages(t.space, va, m, false, frame, NULL, flags, count, done);
}

int
space_map_list(struct tree t, u64 va, const struct frames *m, const u64 *list, u32 flags,
               u64 count, u64 *done)
{
    *done = 0;
    if (!t.space || (flags & ~MAP_RIGHTS))
        return -FB_E_ARG;
    int error = pages_check(va, m, flags, count);
    return error ? error : map_pages(t.space, va, m, true, 0, list, flags, count, done);
}

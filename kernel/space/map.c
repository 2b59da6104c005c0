/* SPDX-License-Identifier: MIT */
/* Mapping runs of frames. */
#include "base/cpu.h"
#include "space/walk.h"

#define MAP_RIGHTS (FB_MAP_READ | FB_MAP_WRITE | FB_MAP_EXEC)
#define MAP_FLAGS (MAP_RIGHTS | FB_MAP_2M | FB_MAP_1G | FB_MAP_REPLACE | FB_MAP_UNCACHED)

static int
map_check(struct tree t, u64 va, const struct frames *m, frame_t frame, u32 flags,
          u64 count)
{
    bool large = flags & (FB_MAP_2M | FB_MAP_1G);
    if ((flags & ~MAP_FLAGS) || !(flags & FB_MAP_READ))
        return -FB_E_ARG;
    if ((flags & FB_MAP_2M) && (flags & FB_MAP_1G))
        return -FB_E_ARG;
    if ((flags & FB_MAP_1G) && !(record->features & FB_FEATURE_PAGE1G))
        return -FB_E_ARG;
    if ((flags & FB_MAP_REPLACE) && (large || count != 1))
        return -FB_E_ARG;
    if (!m->read || ((flags & FB_MAP_WRITE) && !m->write) ||
        ((flags & FB_MAP_EXEC) && !m->exec))
        return -FB_E_AUTHORITY;
    if (!t.space && (flags & FB_MAP_WRITE) && (flags & FB_MAP_EXEC))
        return -FB_E_WX;
    u64 pages = flags & FB_MAP_1G ? 1ull << 18 : flags & FB_MAP_2M ? 1ull << 9 : 1;
    if (va % (pages * PAGE_SIZE) || frame % pages)
        return -FB_E_ALIGN;
    if (count > FB_WINDOW_SIZE >>
        PAGE_SHIFT << 8) /* more than any tree has: the product must not wrap */
        return -FB_E_RANGE;
    if (frame < m->lo || frame >= m->hi || count * pages > m->hi - frame)
        return -FB_E_RANGE;
    return tree_range(t, va, count * pages);
}

/* Exchange one 4 KiB entry.  The new frame is counted before the entry shows it, the old
 * one after. */
static int
map_replace(struct change *c, u64 *entry, u64 value, u64 va, u64 *old)
{
    int error = frame_map_page(pte_frame(value), value & PTE_W);
    if (error)
        return error;
    u64 was = pte_exchange(entry, value);
    if (was == 0) {
        ++*node_used(entry);
        return 0;
    }
    if (was & PTE_P)
        change_page(c, va);
    c->epoch |= (was & PTE_W) != 0;
    if (frame_unmap_page(pte_frame(was), was & PTE_W) && old)
        *old = pte_frame(was) | FB_OUT_VALID | (was & PTE_D ? FB_OUT_DIRTY : 0);
    return 0;
}

/* One 4 KiB page: what a page fault needs, about 170 instructions. */
static int
map_page(struct change *c, u64 va, u64 value, u32 flags, u64 *done, u64 *old)
{
    unsigned level;
    u64 *entry = tree_walk(c->tree, va, 0, &level);
    u64 was = pte_load(entry);
    if (level != 0) {
        *done = was ? 0 : (u64)level << 56;
        return was ? -FB_E_MAPPED : -FB_E_NOTABLE;
    }
    int error;
    if (flags & FB_MAP_REPLACE) {
        error = map_replace(c, entry, value, va, old);
    } else if (was) {
        error = -FB_E_MAPPED;
    } else {
        error = frame_map_page(pte_frame(value), value & PTE_W);
        if (!error) {
            pte_store(entry, value);
            ++*node_used(entry);
        }
    }
    *done = error == 0;
    return error;
}

/* Fill n entries of one node with a run that begins with `value`; *filled says how many.
 */
static int
map_entries(u64 *entry, unsigned n, unsigned level, u64 value, unsigned *filled)
{
    bool write = value & PTE_W;
    u64 step = pte_span(level);
    unsigned i;
    int error = 0;
    for (i = 0; i < n; i++, value += step) {
        if (pte_load(&entry[i]) != 0) {
            error = -FB_E_MAPPED;
            break;
        }
        frame_t f = pte_frame(value);
        error = level == 0 ? frame_map_page(f, write) : frame_map(f, level, write);
        if (error)
            break;
        pte_store(&entry[i], value);
    }
    *node_used(entry) += i;
    *filled = i;
    return error;
}

static int
map_pages(struct change *c, u64 va, u64 value, unsigned level, u64 count, u64 *done)
{
    u64 n = count < FB_RANGE_STEP ? count : FB_RANGE_STEP, mapped = 0, missing = 0;
    int error = 0;
    while (mapped < n && !error) {
        unsigned l, filled, room = PTE_ENTRIES - pte_index(va, level);
        u64 *entry = tree_walk(c->tree, va, level, &l);
        if (l != level) {
            error = pte_load(entry) != 0 ? -FB_E_MAPPED : -FB_E_NOTABLE;
            missing = error == -FB_E_NOTABLE ? l : 0;
            break;
        }
        if (room > n - mapped)
            room = (unsigned)(n - mapped);
        error = map_entries(entry, room, level, value, &filled);
        mapped += filled;
        va += filled * pte_span(level);
        value += filled * pte_span(level);
    }
    *done = missing << 56 | mapped;
    return !error && n < count ? -FB_E_RESUME : error;
}

int
space_map_run(struct tree t, u64 va, const struct frames *m, frame_t frame, u32 flags,
              u64 count, u64 *done, u64 *old)
{
    *done = 0;
    if (old)
        *old = 0;
    int error = map_check(t, va, m, frame, flags, count);
    if (error)
        return error;
    struct change c;
    error = tree_enter(&c, t, false);
    if (error)
        return error;
    unsigned level = flags & FB_MAP_1G ? 2 : flags & FB_MAP_2M ? 1 : 0;
    u64 value = frame << PAGE_SHIFT | pte_of_rights(flags) | (level ? PTE_LARGE : 0) |
                (flags & FB_MAP_UNCACHED ? PTE_PCD | PTE_PWT : 0);
    if (count == 1 && level == 0)
        error = map_page(&c, va, value, flags, done, old);
    else
        error = map_pages(&c, va, value, level, count, done);
    tree_leave(&c);
    return error;
}

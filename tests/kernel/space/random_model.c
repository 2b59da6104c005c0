/* SPDX-License-Identifier: MIT */
/*
 * The model of the random test, and what the tables say at an address.
 */
#include "random.h"

static const u64 region_va[REGIONS] = {
    0, 0x200000, 0x3fe00000, 0x40000000, 0x7fffe00000, 0x8000000000, 0x7fffffe00000,
};

struct page model[TREES][REGIONS][512];
struct page large[TREES][REGIONS];
bool node[TREES][REGIONS][4]; /* by level */
struct domain domain;
struct tree trees[TREES];
const struct frames all = { POOL, POOL + RUNS * 512, RIGHTS };
u64 seed = 1;

u64
rnd(u64 n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 11) % n;
}

unsigned
regions_of(unsigned t)
{
    return t == SPACES ? 5 : REGIONS; /* the window has one top-level slot */
}
u64
base_of(unsigned t, unsigned r)
{
    return region_va[r] + (t == SPACES ? FB_WINDOW_BASE : 0);
}
u64
tree_end_of(unsigned t)
{
    return t == SPACES ? FB_WINDOW_END : FB_USER_TOP;
}
static bool
same_node(unsigned a, unsigned b, unsigned level)
{
    return region_va[a] >> (12 + 9 * level) == region_va[b] >> (12 + 9 * level);
}
void
node_set(unsigned t, unsigned r, unsigned level, bool value)
{
    for (unsigned i = 0; i < regions_of(t); i++)
        if (same_node(i, r, level))
            node[t][i][level] = value;
}
unsigned
missing(unsigned t, unsigned r, unsigned above)
{
    for (unsigned level = t == SPACES ? 2 : 3; level > above; level--)
        if (!node[t][r][level])
            return level;
    return 0;
}
unsigned
region_at(unsigned t, u64 va)
{
    for (unsigned r = 0; r < regions_of(t); r++)
        if (va >= base_of(t, r) && va - base_of(t, r) < 0x200000)
            return r;
    return REGIONS;
}

u64
entry_in(unsigned t, u64 va, unsigned lowest)
{
    unsigned level = t == SPACES ? 2 : 3;
    const u64 *e =
        frame_ptr(t == SPACES ? domain.window_frame : trees[t].space->root >> 12);
    for (; level > lowest && pte_is_node(e[pte_index(va, level)]); level--)
        e = frame_ptr(pte_frame(e[pte_index(va, level)]));
    return level == lowest || lowest == 0 ? e[pte_index(va, level)] : 0;
}
frame_t
shared_at(unsigned t, unsigned r)
{
    u64 e = r < REGIONS && t < SPACES ? entry_in(t, base_of(t, r), 1) : 0;
    return pte_is_shared(e) ? pte_frame(e) : 0;
}
unsigned
parents_of(frame_t table)
{
    return FB_FRAME_PARENTS(frame_records[table].word);
}

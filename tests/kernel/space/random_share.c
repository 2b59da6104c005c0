/* SPDX-License-Identifier: MIT */
/*
 * Random calls that copy, share and evict, and the CPUs that touch what is mapped.
 */
#include "random.h"

static void
copy_model(unsigned a, unsigned b, u64 va, u64 end, bool cow)
{
    for (unsigned r = 0; r < REGIONS; r++) {
        bool shared = shared_at(a, r) && shared_at(a, r) == shared_at(b, r);
        if (shared && base_of(a, r) >= va && base_of(a, r) < end)
            node[b][r][1] = true, sharing.shares++;
        for (u64 i = 0; i < 512; i++) {
            u64 at = base_of(a, r) + i * PAGE_SIZE;
            struct page *from = &model[a][r][i], *to = &model[b][r][i];
            if (at < va || at >= end || !from->used)
                continue;
            CHECK(!to->used);
            if (cow && !shared)
                from->rights &= ~FB_MAP_WRITE;
            *to = *from;
            to->dirty &= shared;
        }
        if (base_of(a, r) >= va && base_of(a, r) < end && large[a][r].used) {
            CHECK(!large[b][r].used && !cow);
            large[b][r] = large[a][r];
            large[b][r].dirty = false;
        }
    }
}

static void
copy_in(unsigned a, unsigned b, u64 va, u64 pages, u32 flags)
{
    u64 done;
    unsigned level;
    bool cow = flags & FB_COPY_COW, tables = flags & FB_COPY_TABLES;
    bool cut = cuts_large(a, va, va + pages * PAGE_SIZE);
    for (;;) {
        int error = space_copy_range(trees[b].space, trees[a].space, va, pages, flags,
                                     &done, &level);
        if (a == b) {
            CHECK(error == -FB_E_ARG);
            return;
        }
        copy_model(a, b, va, va + done * PAGE_SIZE, cow);
        check_all();
        u64 at = va + done * PAGE_SIZE;
        unsigned r = region_at(a, at);
        if (error == 0)
            CHECK(done == pages);
        else if (error == -FB_E_NOTABLE)
            CHECK(level == 0 ? shared_at(a, r) != 0
                             : missing(b, r, large[a][r].used ? 1 : 0) == level);
        else if (error == -FB_E_MAPPED)
            CHECK(page_at(b, at)->used || large[b][r].used || shared_at(b, r) ||
                  (tables && node[b][r][1]) || (large[a][r].used && node[b][r][1]));
        else if (error == -FB_E_ARG)
            CHECK(cow && large[a][r].used);
        else if (error == -FB_E_BUSY) /* F7 of a large run */
            machine_other_flushes();
        else
            CHECK((error == -FB_E_ALIGN && cut) || error == -FB_E_RESUME);
        if (error != -FB_E_RESUME)
            return;
        CHECK(done);
        va = at;
        pages -= done;
    }
}

void
op_copy(void)
{
    static const u32 flags[] = { FB_COPY_COW, FB_COPY_SHARE,
                                 FB_COPY_COW | FB_COPY_TABLES };
    unsigned a = (unsigned)rnd(SPACES), b = (unsigned)rnd(SPACES);
    u64 pages, va = random_range(a, &pages);
    copy_in(a, b, va, pages, flags[rnd(3)]);
}

/* A fork of one region. */
void
op_share(void)
{
    unsigned a = (unsigned)rnd(SPACES), b = (unsigned)rnd(SPACES),
             r = (unsigned)rnd(REGIONS);
    u64 va = base_of(a, r), pages = va + 0x200000 > FB_USER_TOP ? 511 : 512;
    if (a == b || large[b][r].used)
        return;
    unmap_in(b, va, pages, FB_UNMAP_TABLES);
    link_path(b, r, 2);
    copy_in(a, b, va, pages, FB_COPY_COW | FB_COPY_TABLES);
}

static bool
in_hit(unsigned t, unsigned r, frame_t lo, frame_t hi)
{
    unsigned level;
    for (unsigned l = t == SPACES ? 2 : 3; l >= 1; l--) {
        u64 *e = t == SPACES ? frame_ptr(domain.window_frame)
                             : frame_ptr(trees[t].space->root >> 12);
        for (level = t == SPACES ? 2 : 3;
             level > l && pte_is_node(e[pte_index(base_of(t, r), level)]); level--)
            e = frame_ptr(pte_frame(e[pte_index(base_of(t, r), level)]));
        u64 value = e[pte_index(base_of(t, r), level)];
        if (level == l && pte_is_node(value) && pte_frame(value) >= lo &&
            pte_frame(value) < hi)
            return true;
    }
    return false;
}

void
op_evict(void)
{
    unsigned t = (unsigned)rnd(TREES);
    frame_t lo = POOL + rnd(POOL_FRAMES), hi = lo + 1 + rnd(6);
    bool hit[REGIONS], many[REGIONS], has[TREES][REGIONS] = { 0 }, changed;
    for (unsigned r = 0; r < regions_of(t); r++) {
        hit[r] = in_hit(t, r, lo, hi);
        many[r] = shared_at(t, r) && parents_of(shared_at(t, r)) > 1;
        for (unsigned u = 0; u < SPACES; u++)
            has[u][r] = shared_at(t, r) && shared_at(u, r) == shared_at(t, r);
        sharing.sweeps += shared_at(t, r) != 0;
        has[t][r] = true;
    }
    u64 cursor = 0;
    domain.evicting = (struct cap *)&domain;
    u64 done;
    CHECK(space_map_run(trees[t], base_of(t, 0), &all, POOL, FB_MAP_READ, 1, &done) ==
          -FB_E_BUSY);
    int error;
    while ((error = space_evict(trees[t], lo, hi, &cursor)) == -FB_E_RESUME)
        CHECK(cursor != 0);
    CHECK(error == 0 && cursor == 0);
    domain.evicting = NULL;
    for (unsigned r = 0; r < regions_of(t); r++) {
        for (unsigned i = 0; i < 512; i++) {
            for (unsigned u = 0; u < TREES; u++) {
                struct page *p = &model[u][r][i];
                if (has[u][r] && p->used && (u == t || !hit[r] || !many[r]) &&
                    (hit[r] || (p->frame >= lo && p->frame < hi)))
                    *p = (struct page){ 0 };
            }
        }
        struct page *p = &large[t][r];
        if (p->used && (hit[r] || (p->frame < hi && p->frame + 512u > lo)))
            *p = (struct page){ 0 };
    }
    sync_nodes(t, &changed);
    check_all();
    for (frame_t f = lo; f < hi; f++)
        CHECK(!linked[f] || frame_records[f].flags & FB_FRAME_F_LINKED);
}

/* CPUs load translations, and set accessed and dirty bits. */
void
op_touch(void)
{
    unsigned t = (unsigned)rnd(TREES), r = (unsigned)rnd(regions_of(t)),
             i = (unsigned)rnd(64);
    u32 cpu = (u32)rnd(2);
    u64 va = base_of(t, r) + i * PAGE_SIZE;
    bool big = large[t][r].used;
    struct page *p = big ? &large[t][r] : &model[t][r][i];
    if (!p->used || !p->rights)
        return;
    u64 *e = t == SPACES ? frame_ptr(domain.window_frame)
                         : frame_ptr(trees[t].space->root >> 12);
    unsigned level = t == SPACES ? 2 : 3;
    for (; pte_is_node(e[pte_index(va, level)]) && level > 0; level--) {
        u64 *entry = &e[pte_index(va, level)];
        e = frame_ptr(pte_frame(*entry));
        *entry |= PTE_A;
        if (level == 3)
            entry[512] |= PTE_A;
    }
    bool write = (p->rights & FB_MAP_WRITE) && !shared_at(t, r) && rnd(2);
    e[pte_index(va, level)] |= PTE_A | (write ? PTE_D : 0);
    p->dirty |= write;
    /* The own CPU is in space 0; the other one anywhere. */
    if (cpu == 1 || t == 0 || t == SPACES)
        machine_touch(cpu, big ? base_of(t, r) : va, p->frame, big ? 512 : 1, write);
}

/* SPDX-License-Identifier: MIT */
/*
 * A long random sequence of calls on three spaces and a window, against a plain model.
 *
 * The model is an array of what each page of a few 2 MiB regions has.  After every call
 * all tables are walked, and compared with the model, the records, and the invariants
 * F1..F7, S1, S3, S5, S6, S7.
 */
#include "base/cpu.h"
#include "base/epoch.h"
#include "frame/count.h"
#include "hal/x86_64/pte.h"
#include "machine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPACES 3u
#define TREES (SPACES + 1) /* the last one is the window */
#define REGIONS 7u
#define POOL 10240u /* frames of the pool begin a 2 MiB run */
#define POOL_FRAMES 128u
#define DATA_FRAMES 40u /* of them, those that are mapped most often */
#define RUNS 3u         /* 2 MiB runs that large mappings use: the pool's and two more */
#define RIGHTS (FB_MAP_READ | FB_MAP_WRITE | FB_MAP_EXEC)

static const u64 region_va[REGIONS] = {
    0, 0x200000, 0x3fe00000, 0x40000000, 0x7fffe00000, 0x8000000000, 0x7fffffe00000,
};
struct page {
    bool used, dirty;
    u8 rights; /* 0: held */
    u16 frame;
};
static struct page model[TREES][REGIONS][512];
static struct page large[TREES][REGIONS];
static bool node[TREES][REGIONS][4]; /* by level */
static struct domain domain;
static struct tree trees[TREES];
static const struct frames all = {POOL, POOL + RUNS * 512, RIGHTS};
static u64 seed = 1;

static u64
rnd(u64 n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 11) % n;
}

static unsigned
regions_of(unsigned t)
{
    return t == SPACES ? 5 : REGIONS; /* the window has one top-level slot */
}
static u64
base_of(unsigned t, unsigned r)
{
    return region_va[r] + (t == SPACES ? FB_WINDOW_BASE : 0);
}
static u64
tree_end_of(unsigned t)
{
    return t == SPACES ? FB_WINDOW_END : FB_USER_TOP;
}
static bool
same_node(unsigned a, unsigned b, unsigned level)
{
    return region_va[a] >> (12 + 9 * level) == region_va[b] >> (12 + 9 * level);
}
static void
node_set(unsigned t, unsigned r, unsigned level, bool value)
{
    for (unsigned i = 0; i < regions_of(t); i++)
        if (same_node(i, r, level))
            node[t][i][level] = value;
}
static unsigned
missing(unsigned t, unsigned r, unsigned above)
{
    for (unsigned level = t == SPACES ? 2 : 3; level > above; level--)
        if (!node[t][r][level])
            return level;
    return 0;
}
/* The region that contains va, or REGIONS. */
static unsigned
region_at(unsigned t, u64 va)
{
    for (unsigned r = 0; r < regions_of(t); r++)
        if (va >= base_of(t, r) && va - base_of(t, r) < 0x200000)
            return r;
    return REGIONS;
}

/* What the tables have at va: 0 where a node is missing. */
static u64
entry_in(unsigned t, u64 va, unsigned lowest)
{
    unsigned level = t == SPACES ? 2 : 3;
    const u64 *e = frame_ptr(t == SPACES ? domain.window_frame
                                         : trees[t].space->root >> 12);
    for (; level > lowest && pte_is_node(e[pte_index(va, level)]); level--)
        e = frame_ptr(pte_frame(e[pte_index(va, level)]));
    return level == lowest || lowest == 0 ? e[pte_index(va, level)] : 0;
}
/* The shared page table of a region (S8), or 0; and who has it. */
static frame_t
shared_at(unsigned t, unsigned r)
{
    u64 e = r < REGIONS && t < SPACES ? entry_in(t, base_of(t, r), 1) : 0;
    return pte_is_shared(e) ? pte_frame(e) : 0;
}
static unsigned
parents_of(frame_t table)
{
    return FB_FRAME_PARENTS(frame_records[table].word);
}

/* ---- the walk that checks everything ---- */
static u32 maps[MACHINE_FRAMES], wmaps[MACHINE_FRAMES], linked[MACHINE_FRAMES];
static u32 large_maps[RUNS], large_wmaps[RUNS];
static bool weak[MACHINE_FRAMES]; /* tables that were found without W above them */
static unsigned leaves;

static void
check_leaf(unsigned t, u64 va, unsigned level, u64 entry, bool again)
{
    unsigned r = region_at(t, va);
    CHECK(r < REGIONS);
    const struct page *p = level ? &large[t][r] : &model[t][r][va / PAGE_SIZE % 512];
    frame_t f = pte_frame(entry);
    CHECK(p->used && p->frame == f && pte_rights(entry) == p->rights);
    CHECK(!(entry & 0x100) && ((entry & PTE_P) || (entry & PTE_HELD)) && (entry & PTE_U));
    CHECK(!!(entry & PTE_LARGE) == (level == 1));
    CHECK(t != SPACES || !(entry & PTE_W) || (entry & PTE_NX)); /* S7 */
    CHECK(!(entry & PTE_W) || frame_type(f) == FB_FRAME_DATA);
    leaves++;
    if (level) {
        large_maps[(f - POOL) / 512]++;
        large_wmaps[(f - POOL) / 512] += !!(entry & PTE_W);
    } else if (!again) {
        maps[f]++;
        wmaps[f] += !!(entry & PTE_W);
    }
}

static void
check_node(unsigned t, frame_t f, u64 va, unsigned level, unsigned first, unsigned end)
{
    const u64 *e = frame_ptr(f);
    unsigned used = 0;
    for (unsigned i = first; i < end; i++) {
        u64 at = va + i * pte_span(level);
        if (e[i] == 0)
            continue;
        used++;
        if (level == 0 || !pte_is_node(e[i])) {
            check_leaf(t, at, level, e[i], linked[f] > 1);
            continue;
        }
        frame_t child = pte_frame(e[i]);
        bool shared = level == 1 && t != SPACES && pte_is_shared(e[i]); /* S8 */
        CHECK((e[i] & ~(PTE_A | PTE_D)) ==
              (child << 12 | (shared ? PTE_SHARED_NODE : PTE_NODE)));
        CHECK(frame_type(child) == FB_FRAME_TABLE);
        CHECK(++linked[child] == 1 || (shared && weak[child]));
        weak[child] = shared;
        CHECK(frame_records[child].flags == FB_FRAME_F_LINKED);
        for (unsigned r = 0; r < regions_of(t); r++)
            if (base_of(t, r) >= at && base_of(t, r) - at < pte_span(level))
                CHECK(node[t][r][level]);
        check_node(t, child, at, level - 1, 0, 512);
    }
    CHECK(frame_records[f].used == used); /* S5 */
}

static void
check_roots(const struct space *s)
{
    const u64 *user = frame_ptr(s->root >> 12), *libos = user + 512;
    for (unsigned i = 0; i < 256; i++) /* S1 */
        CHECK((libos[i] & ~(PTE_A | PTE_D)) ==
              ((user[i] | (user[i] ? PTE_NX : 0)) & ~(PTE_A | PTE_D)));
    CHECK(user[256] == 0); /* S3 */
    CHECK(libos[256] == (domain.window_frame << 12 | PTE_NODE));
    for (unsigned i = 257; i < 384; i++) /* S2 */
        CHECK(!(user[i] & 1) && libos[i] == 0);
    CHECK(s->busy == 0);
}

static void
check_frames(void)
{
    static const u64 zero[512];
    u64 typed[RUNS] = {0};
    for (frame_t f = POOL; f < POOL + RUNS * 512; f++) {
        u64 word = frame_records[f].word;
        CHECK(FB_FRAME_MAPS(word) == maps[f] && FB_FRAME_WMAPS(word) == wmaps[f]);
        CHECK(FB_FRAME_PINS(word) == linked[f]); /* F5 */
        CHECK(frame_type(f) == FB_FRAME_DATA ||
              (frame_type(f) == FB_FRAME_TABLE && wmaps[f] == 0));
        typed[(f - POOL) / 512] += frame_type(f) == FB_FRAME_TABLE;
        if (frame_type(f) == FB_FRAME_TABLE && !linked[f])
            CHECK(memcmp(frame_ptr(f), zero, PAGE_SIZE) == 0); /* F4 */
        if (frame_type(f) == FB_FRAME_TABLE)
            CHECK(!machine_stale(f)); /* F1 */
    }
    for (unsigned i = 0; i < RUNS; i++) { /* F3 */
        CHECK(large_head(POOL + i * 512, 1)->word ==
              typed[i] + large_wmaps[i] * LARGE_WMAP + large_maps[i] * LARGE_MAP);
        CHECK(typed[i] == 0 || large_wmaps[i] == 0);
    }
}

/* S6: what the own CPU could still use is what the tables say. */
static void
check_tlb(void)
{
    u64 root = this_cpu()->libos_cr3 & ~0x1fffull;
    for (unsigned i = 0; i < MACHINE_TLB; i++) {
        const struct translation *x = &machine_tlb[0][i];
        if (!x->used)
            continue;
        unsigned t = SPACES;
        if (x->va < FB_WINDOW_BASE)
            for (t = 0; t < SPACES && trees[t].space->root != root; t++)
                ;
        unsigned r = region_at(t, x->va);
        const struct page *p = x->pages > 1 ? &large[t][r]
                                            : &model[t][r][x->va / PAGE_SIZE % 512];
        CHECK(p->used && p->rights && p->frame == x->frame &&
              (!x->write || ((p->rights & FB_MAP_WRITE) && !shared_at(t, r))));
    }
}

static void
check_all(void)
{
    unsigned expected = 0;
    memset(maps, 0, sizeof(maps));
    memset(wmaps, 0, sizeof(wmaps));
    memset(linked, 0, sizeof(linked));
    memset(large_maps, 0, sizeof(large_maps));
    memset(large_wmaps, 0, sizeof(large_wmaps));
    leaves = 0;
    for (unsigned t = 0; t < SPACES; t++) {
        check_roots(trees[t].space);
        check_node(t, trees[t].space->root >> 12, 0, 3, 0, 256);
    }
    check_node(SPACES, domain.window_frame, FB_WINDOW_BASE, 2, 0, 512);
    check_frames();
    check_tlb();
    for (unsigned t = 0; t < TREES; t++)
        for (unsigned r = 0; r < regions_of(t); r++) {
            expected += large[t][r].used;
            for (unsigned i = 0; i < 512; i++)
                expected += model[t][r][i].used;
        }
    CHECK(leaves == expected);
    CHECK(domain.window_busy == 0);
}

/* How often what S8 says was done. */
static unsigned shares, copies, adopted, lefts, shared_sweeps;

/* ---- operations ---- */
static struct page *
page_at(unsigned t, u64 va)
{
    unsigned r = region_at(t, va);
    return r == REGIONS ? NULL : &model[t][r][va / PAGE_SIZE % 512];
}

/* A range: most often short, sometimes over everything. */
static u64
random_range(unsigned t, u64 *pages)
{
    unsigned r = (unsigned)rnd(regions_of(t));
    u64 first = rnd(4) ? rnd(48) : 500 + rnd(11);
    *pages = 1 + rnd(rnd(3) ? 30 : 600);
    if (rnd(8) == 0)
        *pages = 1 + rnd(t == SPACES ? 0x7000000 : 0x7fffff000);
    u64 va = base_of(t, r) + first * PAGE_SIZE;
    if (*pages > (tree_end_of(t) - va) / PAGE_SIZE)
        *pages = (tree_end_of(t) - va) / PAGE_SIZE;
    return va;
}

static void
op_link(void)
{
    unsigned t = (unsigned)rnd(TREES), r = (unsigned)rnd(regions_of(t)),
             level = 1 + (unsigned)rnd(3);
    for (int tries = rnd(2) ? 9 : 0; tries > 0; tries--) {
        unsigned u = (unsigned)rnd(SPACES), k = (unsigned)rnd(REGIONS);
        if (shared_at(u, k))
            t = u, r = k, level = 1;
    }
    frame_t f = POOL + rnd(rnd(4) ? POOL_FRAMES : DATA_FRAMES);
    u64 va = base_of(t, r) + rnd(0x1ff000);
    frame_t shared = level == 1 ? shared_at(t, r) : 0;
    unsigned parents = shared ? parents_of(shared) : 0;
    bool has[SPACES];
    for (unsigned u = 0; u < SPACES; u++)
        has[u] = shared && shared_at(u, r) == shared;
    if (shared && rnd(3) == 0)
        f = shared;
    bool was_table = frame_type(f) == FB_FRAME_TABLE,
         pinned = FB_FRAME_PINS(frame_records[f].word);
    int error = space_link_table(trees[t], va, level, f);
    unsigned lacks = missing(t, r, level);
    if (level == 3 && t == SPACES)
        CHECK(error == -FB_E_ARG);
    else if (shared && f == shared && ++adopted)
        CHECK(parents == 1 ? error == 0 && !shared_at(t, r) : error == -FB_E_INUSE);
    else if (shared && parents == 1)
        CHECK(error == -FB_E_MAPPED);
    else if (shared && error == 0) {
        CHECK(!wmaps[f] && !pinned && shared_at(t, r) == 0);
        copies++;
        for (unsigned u = 0; u < SPACES; u++)
            for (unsigned i = 0; has[u] && i < 512; i++) {
                model[u][r][i].rights &= ~FB_MAP_WRITE;
                model[u][r][i].dirty &= u != t;
            }
    } else if (lacks)
        CHECK(error == -FB_E_NOTABLE && space_missing_level(trees[t], va) == lacks);
    else if (!shared && (node[t][r][level] || (level == 1 && large[t][r].used)))
        CHECK(error == -FB_E_MAPPED);
    else if (wmaps[f] || pinned || (!was_table && large_wmaps[0]))
        CHECK(error == -FB_E_INUSE);
    else if (error == -FB_E_FLUSH)
        machine_other_flushes();
    else {
        CHECK(error == 0);
        node_set(t, r, level, true);
    }
}

/* Make a region mappable. */
static void
link_path(unsigned t, unsigned r, unsigned lowest)
{
    if (large[t][r].used)
        return;
    for (unsigned level = t == SPACES ? 2 : 3; level >= lowest; level--)
        for (int tries = 0; !node[t][r][level] && tries < 50; tries++) {
            frame_t f = POOL + DATA_FRAMES + rnd(POOL_FRAMES - DATA_FRAMES);
            if (space_link_table(trees[t], base_of(t, r), level, f) == 0)
                node_set(t, r, level, true);
            else if (rnd(4) == 0)
                machine_other_flushes();
        }
}

static void
op_link_path(void)
{
    unsigned t = (unsigned)rnd(TREES);
    link_path(t, (unsigned)rnd(regions_of(t)), rnd(8) ? 1 : 2);
}

static void
op_map(void)
{
    unsigned t = (unsigned)rnd(TREES), r = (unsigned)rnd(regions_of(t)),
             first = (unsigned)rnd(rnd(3) ? 48 : 512);
    u64 va = base_of(t, r) + first * PAGE_SIZE, count = 1 + rnd(rnd(4) ? 6 : 24), done;
    frame_t f = POOL + rnd(rnd(8) ? DATA_FRAMES : POOL_FRAMES);
    u32 flags = FB_MAP_READ | (u32)rnd(8);
    bool replace = rnd(3) == 0;
    if (replace)
        flags |= FB_MAP_REPLACE;
    if (count > (tree_end_of(t) - va) / PAGE_SIZE)
        return;
    u64 list[32]; /* the same frames, as a run or as a list */
    for (u64 i = 0; i < count; i++)
        list[i] = f + i;
    bool listed = t != SPACES && !replace && rnd(2);
    int error = listed ? space_map_list(trees[t], va, &all, list, flags, count, &done)
                       : space_map_run(trees[t], va, &all, f, flags, count, &done);
    if (t == SPACES && (flags & FB_MAP_WRITE) && (flags & FB_MAP_EXEC)) {
        CHECK(error == -FB_E_WX && done == 0);
        return;
    }
    u64 n = replace ? FB_MAP_REPLACED(done) : done & 0xffffff;
    for (u64 i = 0; i < n; i++) {
        struct page *p = page_at(t, va + i * PAGE_SIZE);
        CHECK(replace || !p->used);
        maps[f + i]++;
        CHECK((p->used && --maps[p->frame] == 0) ==
              (replace && (FB_MAP_LOST(done) >> i & 1)));
        *p = (struct page){.used = true, .rights = flags & RIGHTS, .frame = (u16)(f + i)};
    }
    CHECK(!replace || FB_MAP_LOST(done) >> n == 0);
    unsigned at = region_at(t, va + n * PAGE_SIZE);
    struct page *stop = page_at(t, va + n * PAGE_SIZE);
    if (error == 0)
        CHECK(n == count);
    else if (error == -FB_E_NOTABLE)
        CHECK(at == REGIONS || (shared_at(t, at) && done >> 56 == 1) ||
              (done >> 56 && done >> 56 == missing(t, at, 0)));
    else if (error == -FB_E_MAPPED)
        CHECK(at == REGIONS || stop->used || large[t][at].used);
    else if (error == -FB_E_INUSE)
        CHECK((flags & FB_MAP_WRITE) && FB_FRAME_PINS(frame_records[f + n].word));
    else if (error == -FB_E_BUSY) { /* F7 */
        CHECK((flags & FB_MAP_WRITE) && frame_records[f + n].stamp && machine_kicks);
        machine_other_flushes();
    } else
        CHECK(false);
}

static void
op_map_large(void)
{
    unsigned t = (unsigned)rnd(TREES), r = (unsigned)rnd(regions_of(t) - 1),
             run = (unsigned)rnd(RUNS);
    u32 flags = FB_MAP_2M | FB_MAP_READ | (u32)rnd(4);
    u64 done;
    bool nodes = missing(t, r, 1), busy = node[t][r][1] || large[t][r].used;
    int error = space_map_run(trees[t], base_of(t, r), &all, POOL + run * 512, flags, 1,
                              &done);
    if (nodes)
        CHECK(error == -FB_E_NOTABLE);
    else if (busy)
        CHECK(error == -FB_E_MAPPED);
    else if (error == -FB_E_INUSE)
        CHECK((flags & FB_MAP_WRITE) &&
              (large_head(POOL + run * 512, 1)->word & 0x7ffff));
    else if (error == -FB_E_BUSY)
        machine_other_flushes();
    else {
        CHECK(error == 0 && done == 1);
        large[t][r] = (struct page){
            .used = true, .rights = flags & RIGHTS, .frame = (u16)(POOL + run * 512)};
    }
}

/* Is there a large page of which [va, end) has a part only? */
static bool
cuts_large(unsigned t, u64 va, u64 end)
{
    for (unsigned r = 0; r < regions_of(t); r++) {
        u64 lo = base_of(t, r), hi = lo + 0x200000;
        if (large[t][r].used && va < hi && end > lo && (va > lo || end < hi))
            return true;
    }
    return false;
}

static void
protect_model(struct page *p, u32 flags, const struct frames *m, unsigned pages)
{
    u32 want = flags & RIGHTS;
    if (!p->used)
        return;
    if (flags & FB_MAP_NOADD) {
        want &= p->rights;
    } else {
        bool within = m && p->frame >= m->lo && p->frame + pages <= m->hi;
        if (!(p->rights & FB_MAP_WRITE) && !(within && (m->rights & FB_MAP_WRITE)))
            want &= ~FB_MAP_WRITE;
        if (!(p->rights & FB_MAP_EXEC) && !(within && (m->rights & FB_MAP_EXEC)))
            want &= ~FB_MAP_EXEC;
    }
    /* Adding WRITE fails where the frame is a table, or the run holds one. */
    if ((want & ~p->rights & FB_MAP_WRITE) &&
        (pages > 1 ? (large_head(p->frame, 1)->word & 0x7ffff) != 0
                   : frame_type(p->frame) != FB_FRAME_DATA))
        want &= ~FB_MAP_WRITE;
    p->rights = (u8)want;
}

static void
op_protect(void)
{
    unsigned t = (unsigned)rnd(TREES);
    u64 pages, done = 0, va = random_range(t, &pages), end = va + pages * PAGE_SIZE;
    static const u32 choices[] = {
        0, 1, 3, 5, 7, 1 | FB_MAP_NOADD, 3 | FB_MAP_NOADD, FB_MAP_NOADD};
    u32 flags = choices[rnd(8)];
    struct frames some = {POOL, POOL + (rnd(2) ? 2048 : 32), (u32)rnd(8) | FB_MAP_READ};
    const struct frames *m = rnd(4) ? &some : NULL;
    bool cut = cuts_large(t, va, end);
    int error, tries = 0;
    while (pages) {
        error = space_protect_range(trees[t], va, pages, flags, m, &done);
        if (error == -FB_E_WX) {
            CHECK(t == SPACES && (flags & 7) == 7);
            return;
        }
        CHECK(error == 0 || error == -FB_E_RESUME || error == -FB_E_BUSY ||
              (error == -FB_E_ALIGN && cut) || error == -FB_E_NOTABLE);
        if (error == -FB_E_NOTABLE)
            CHECK(shared_at(t, region_at(t, va + done * PAGE_SIZE)));
        CHECK(error || done == pages);
        for (unsigned r = 0; r < regions_of(t); r++) {
            u64 stop = va + done * PAGE_SIZE;
            for (u64 i = 0; i < 512; i++) {
                u64 at = base_of(t, r) + i * PAGE_SIZE;
                if (at >= va && at < stop)
                    protect_model(&model[t][r][i], flags, m, 1);
            }
            if (base_of(t, r) >= va && base_of(t, r) < stop)
                protect_model(&large[t][r], flags, m, 512);
        }
        check_all();
        if (error == -FB_E_BUSY)
            machine_other_flushes();
        if (error == 0 || error == -FB_E_ALIGN || error == -FB_E_NOTABLE)
            return;
        CHECK(done || error == -FB_E_BUSY || ++tries < 3);
        va += done * PAGE_SIZE;
        pages -= done;
    }
}

static u64
entry_at(unsigned t, u64 va)
{
    return entry_in(t, va, 0);
}

/* Take what has gone from [va, end) away from the model: all before `reach` at least
 * (beyond, when the list was full before a node went whose pages are gone).  Each last
 * mapping must be listed.  left: a table that others have (S8), where none goes. */
static void
unmap_model(unsigned t, u64 va, u64 reach, u64 end, u64 *list, u64 listed,
            const bool *left)
{
    for (unsigned r = 0; r < regions_of(t); r++) {
        for (u64 i = 0; i < 512; i++) {
            u64 at = base_of(t, r) + i * PAGE_SIZE;
            struct page *p = &model[t][r][i];
            if (at < va || at >= end || !p->used)
                continue;
            bool gone = entry_at(t, at) == 0;
            CHECK(gone || at >= reach);
            if (!gone)
                continue;
            if (!left[r] && maps[p->frame]-- == 1) {
                bool found = false;
                for (u64 k = 0; k < listed && !found; k++)
                    if ((list[k] & ~FB_OUT_DIRTY) == (p->frame | FB_OUT_VALID)) {
                        CHECK(!!(list[k] & FB_OUT_DIRTY) == p->dirty);
                        list[k] = 0;
                        found = true;
                    }
                CHECK(found);
            }
            *p = (struct page){0};
        }
        if (base_of(t, r) >= va && base_of(t, r) < end && entry_at(t, base_of(t, r)) == 0)
            large[t][r] = (struct page){0};
    }
}

/* Nodes that are gone: asked of the tables, since which are left depends on the path of
 * the sweep. */
static void
sync_nodes(unsigned t, bool *changed)
{
    *changed = false;
    for (unsigned level = 1; level <= (t == SPACES ? 2 : 3); level++)
        for (unsigned r = 0; r < regions_of(t); r++) {
            unsigned lacks = space_missing_level(trees[t], base_of(t, r));
            if (node[t][r][level] && lacks >= level) {
                node[t][r][level] = false;
                *changed = true;
            }
        }
}

static void
unmap_in(unsigned t, u64 va, u64 pages, u32 flags)
{
    u64 done, listed, list[64], max = 1 + rnd(rnd(2) ? 63 : 4);
    bool cut = cuts_large(t, va, va + pages * PAGE_SIZE), changed;
    for (int calls = 0;; calls++) {
        bool left[REGIONS] = {0}, left_one = false;
        CHECK(calls < 5000);
        for (unsigned r = 0; r < regions_of(t); r++)
            left[r] = shared_at(t, r) && parents_of(shared_at(t, r)) > 1;
        int error = space_unmap_range(trees[t], va, pages, flags, list, max, &listed,
                                      &done);
        CHECK(error == 0 || error == -FB_E_RESUME || (error == -FB_E_ALIGN && cut) ||
              (error == -FB_E_NOTABLE &&
               shared_at(t, region_at(t, va + done * PAGE_SIZE))));
        CHECK(listed <= max && (error || done == pages));
        unsigned tables = 0;
        for (u64 i = 0; i < listed; i++)
            if (list[i] & FB_OUT_TABLE) {
                frame_t f = FB_OUT_FRAME(list[i]);
                CHECK(frame_type(f) == FB_FRAME_TABLE &&
                      !(frame_records[f].flags & FB_FRAME_F_LINKED));
                list[i] = 0;
                tables++;
            }
        CHECK(tables == 0 || flags);
        unmap_model(t, va, va + done * PAGE_SIZE, va + pages * PAGE_SIZE, list, listed, left);
        for (unsigned r = 0; r < regions_of(t); r++)
            left_one |= left[r] && !shared_at(t, r);
        lefts += left_one;
        sync_nodes(t, &changed);
        CHECK(!changed || tables || left_one);
        for (u64 i = 0; i < listed; i++)
            CHECK(list[i] == 0);
        check_all();
        if (error != -FB_E_RESUME)
            return;
        CHECK(done || listed || left_one);
        va += done * PAGE_SIZE;
        pages -= done;
    }
}

static void
op_unmap(void)
{
    unsigned t = (unsigned)rnd(TREES);
    u64 pages, va = random_range(t, &pages);
    unmap_in(t, va, pages, rnd(2) ? FB_UNMAP_TABLES : 0);
}

static void
copy_model(unsigned a, unsigned b, u64 va, u64 end, bool cow)
{
    for (unsigned r = 0; r < REGIONS; r++) {
        bool shared = shared_at(a, r) && shared_at(a, r) == shared_at(b, r);
        if (shared && base_of(a, r) >= va && base_of(a, r) < end)
            node[b][r][1] = true, shares++;
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
        int error = space_copy_range(trees[b].space, trees[a].space, va, pages,
                                     flags, &done, &level);
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
                  (tables && node[b][r][1]) ||
                  (large[a][r].used && node[b][r][1]));
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

static void
op_copy(void)
{
    static const u32 flags[] = {FB_COPY_COW, FB_COPY_SHARE, FB_COPY_COW | FB_COPY_TABLES};
    unsigned a = (unsigned)rnd(SPACES), b = (unsigned)rnd(SPACES);
    u64 pages, va = random_range(a, &pages);
    copy_in(a, b, va, pages, flags[rnd(3)]);
}

/* A fork of one region. */
static void
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

static void
op_evict(void)
{
    unsigned t = (unsigned)rnd(TREES);
    frame_t lo = POOL + rnd(POOL_FRAMES), hi = lo + 1 + rnd(6);
    bool hit[REGIONS], many[REGIONS], has[TREES][REGIONS] = {0}, changed;
    for (unsigned r = 0; r < regions_of(t); r++) {
        hit[r] = in_hit(t, r, lo, hi);
        many[r] = shared_at(t, r) && parents_of(shared_at(t, r)) > 1;
        for (unsigned u = 0; u < SPACES; u++)
            has[u][r] = shared_at(t, r) && shared_at(u, r) == shared_at(t, r);
        shared_sweeps += shared_at(t, r) != 0;
        has[t][r] = true;
    }
    u64 cursor = 0;
    domain.evicting = (struct cap *)&domain;
    u64 done;
    CHECK(space_map_run(trees[t], base_of(t, 0), &all, POOL, FB_MAP_READ, 1, &done) == -FB_E_BUSY);
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
                    *p = (struct page){0};
            }
        }
        struct page *p = &large[t][r];
        if (p->used && (hit[r] || (p->frame < hi && p->frame + 512u > lo)))
            *p = (struct page){0};
    }
    sync_nodes(t, &changed);
    check_all();
    for (frame_t f = lo; f < hi; f++)
        CHECK(!linked[f] || frame_records[f].flags & FB_FRAME_F_LINKED);
}

/* CPUs load translations, and set accessed and dirty bits. */
static void
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

static void
start(void)
{
    machine_init();
    memset(model, 0, sizeof(model));
    memset(large, 0, sizeof(large));
    memset(node, 0, sizeof(node));
    machine_domain(&domain, 100);
    for (unsigned t = 0; t < SPACES; t++) {
        struct space *s;
        CHECK(space_init(&domain, 200 + 2 * t, &s) == 0);
        trees[t] = (struct tree){s, &domain};
    }
    trees[SPACES] = (struct tree){NULL, &domain};
    this_cpu()->libos_cr3 = space_libos_cr3(trees[0].space);
    check_all();
}

static void
end(void)
{
    domain.state = FB_DOMAIN_DYING;
    u64 cursor = 0, done;
    CHECK(space_map_run(trees[0], 0, &all, POOL, FB_MAP_READ, 1, &done) ==
          -FB_E_DEAD);
    for (unsigned t = 0; t < TREES; t++) {
        int error;
        while ((error = space_tear_down(trees[t], &cursor)) == -FB_E_RESUME)
            ;
        CHECK(error == 0);
    }
    for (unsigned t = 0; t < SPACES; t++) {
        CHECK(space_check_empty(trees[t].space) == 0);
        space_free(trees[t].space);
    }
    frame_take_back(domain.window_frame);
    CHECK(domain.spaces == NULL && domain.nspaces == 0);
    epoch_next();
    machine_other_flushes();
    static const u64 zero[512];
    for (frame_t f = 64; f < MACHINE_FRAMES; f++) {
        if (frame_type(f) == FB_FRAME_TABLE) {
            CHECK(f >= POOL && memcmp(frame_ptr(f), zero, PAGE_SIZE) == 0);
            frame_take_back(f);
        }
        CHECK(frame_records[f].word == FB_FRAME_DATA && frame_records[f].used == 0);
    }
    CHECK(large_head(POOL, 1)->word == 0 &&
          large_head(POOL, 2)->word == 64 * LARGE_SECRET);
    /* Everything can be mapped again, the first time or after a repetition. */
    for (frame_t f = 64; f < MACHINE_FRAMES; f++) {
        int error = frame_map(f, 0, true);
        CHECK(error == 0);
    }
}

/* Verify that calls, tables, records and TLBs agree with the model after each of many
 * random calls. */
static unsigned rounds = 20;
static void
test_random_calls_agree_with_model(void)
{
    static void (*const ops[])(void) = {
        op_link, op_link_path, op_link_path, op_map,     op_map,   op_map,
        op_map,  op_map_large, op_protect,   op_protect, op_unmap, op_copy,
        op_copy, op_touch,     op_touch,     op_touch,   op_touch, op_share,
        op_share};
    for (unsigned round = 0; round < rounds; round++) {
        seed = 88172645463325252ull + round * 7919;
        start();
        for (unsigned step = 0; step < 500; step++) {
            if (rnd(60) == 0)
                op_evict();
            else
                ops[rnd(sizeof(ops) / sizeof(ops[0]))]();
            check_all();
            if (rnd(12) == 0)
                machine_other_flushes();
        }
        end();
    }
    printf("# tables: %u shared, %u copied, %u named, %u left, %u swept\n", shares, copies,
           adopted, lefts, shared_sweeps);
    CHECK(rounds < 10 || (shares && copies && adopted && lefts && shared_sweeps));
}

/* An argument: the number of rounds. */
int
main(int argc, char **argv)
{
    if (argc > 1)
        rounds = (unsigned)atoi(argv[1]);
    RUN(test_random_calls_agree_with_model);
    return test_failures != 0;
}

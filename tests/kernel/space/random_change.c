/* SPDX-License-Identifier: MIT */
/*
 * Random calls that link, map, protect and unmap, and what they do to the model.
 */
#include "random.h"

struct sharing sharing;

struct page *
page_at(unsigned t, u64 va)
{
    unsigned r = region_at(t, va);
    return r == REGIONS ? NULL : &model[t][r][va / PAGE_SIZE % 512];
}

u64
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

void
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
    else if (shared && f == shared && ++sharing.adopted)
        CHECK(parents == 1 ? error == 0 && !shared_at(t, r) : error == -FB_E_INUSE);
    else if (shared && parents == 1)
        CHECK(error == -FB_E_MAPPED);
    else if (shared && error == 0) {
        CHECK(!wmaps[f] && !pinned && shared_at(t, r) == 0);
        sharing.copies++;
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
void
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

void
op_link_path(void)
{
    unsigned t = (unsigned)rnd(TREES);
    link_path(t, (unsigned)rnd(regions_of(t)), rnd(8) ? 1 : 2);
}

void
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
        *p = (struct page){ .used = true,
                            .rights = flags & RIGHTS,
                            .frame = (u16)(f + i) };
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

void
op_map_large(void)
{
    unsigned t = (unsigned)rnd(TREES), r = (unsigned)rnd(regions_of(t) - 1),
             run = (unsigned)rnd(RUNS);
    u32 flags = FB_MAP_2M | FB_MAP_READ | (u32)rnd(4);
    u64 done;
    bool nodes = missing(t, r, 1), busy = node[t][r][1] || large[t][r].used;
    int error =
        space_map_run(trees[t], base_of(t, r), &all, POOL + run * 512, flags, 1, &done);
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
        large[t][r] = (struct page){ .used = true,
                                     .rights = flags & RIGHTS,
                                     .frame = (u16)(POOL + run * 512) };
    }
}

/* Is there a large page of which [va, end) has a part only? */
bool
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

void
op_protect(void)
{
    unsigned t = (unsigned)rnd(TREES);
    u64 pages, done = 0, va = random_range(t, &pages), end = va + pages * PAGE_SIZE;
    static const u32 choices[] = {
        0, 1, 3, 5, 7, 1 | FB_MAP_NOADD, 3 | FB_MAP_NOADD, FB_MAP_NOADD
    };
    u32 flags = choices[rnd(8)];
    struct frames some = { POOL, POOL + (rnd(2) ? 2048 : 32), (u32)rnd(8) | FB_MAP_READ };
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
            *p = (struct page){ 0 };
        }
        if (base_of(t, r) >= va && base_of(t, r) < end && entry_at(t, base_of(t, r)) == 0)
            large[t][r] = (struct page){ 0 };
    }
}

/* Nodes that are gone: asked of the tables, since which are left depends on the path of
 * the sweep. */
void
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

void
unmap_in(unsigned t, u64 va, u64 pages, u32 flags)
{
    u64 done, listed, list[64], max = 1 + rnd(rnd(2) ? 63 : 4);
    bool cut = cuts_large(t, va, va + pages * PAGE_SIZE), changed;
    for (int calls = 0;; calls++) {
        bool left[REGIONS] = { 0 }, left_one = false;
        CHECK(calls < 5000);
        for (unsigned r = 0; r < regions_of(t); r++)
            left[r] = shared_at(t, r) && parents_of(shared_at(t, r)) > 1;
        int error =
            space_unmap_range(trees[t], va, pages, flags, list, max, &listed, &done);
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
        unmap_model(t, va, va + done * PAGE_SIZE, va + pages * PAGE_SIZE, list, listed,
                    left);
        for (unsigned r = 0; r < regions_of(t); r++)
            left_one |= left[r] && !shared_at(t, r);
        sharing.lefts += left_one;
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

void
op_unmap(void)
{
    unsigned t = (unsigned)rnd(TREES);
    u64 pages, va = random_range(t, &pages);
    unmap_in(t, va, pages, rnd(2) ? FB_UNMAP_TABLES : 0);
}

/* SPDX-License-Identifier: MIT */
/*
 * The walk over all tables: it compares them with the model, the records, and the
 * invariants F1..F7, S1, S3, S5, S6, S7.
 */
#include "base/cpu.h"
#include "random.h"

u32 maps[MACHINE_FRAMES], wmaps[MACHINE_FRAMES], linked[MACHINE_FRAMES];
u32 large_wmaps[RUNS];
static u32 large_maps[RUNS];
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
    u64 typed[RUNS] = { 0 };
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
        const struct page *p =
            x->pages > 1 ? &large[t][r] : &model[t][r][x->va / PAGE_SIZE % 512];
        CHECK(p->used && p->rights && p->frame == x->frame &&
              (!x->write || ((p->rights & FB_MAP_WRITE) && !shared_at(t, r))));
    }
}

void
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

/* SPDX-License-Identifier: MIT */
/* The range calls one by one: each documented error, flushes, epochs, bounds, and that
 * nothing is lost. */
#include "base/cpu.h"
#include "base/epoch.h"
#include "frame/count.h"
#include "hal/x86_64/pte.h"
#include "machine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define R FB_MAP_READ
#define W FB_MAP_WRITE
#define X FB_MAP_EXEC
#define MEM 4096u /* data frames of the tests begin here, tables at TABLES */
#define TABLES 2048u
#define MIB2 0x200000ull
#define GIB 0x40000000ull

static struct domain domain;
static struct tree a, b, window;
static const struct frames all = {MEM, MEM + 8192, R | W | X};
static frame_t next_table;
static u64 done, listed, list[2048];

/* Two spaces a (current) and b of one domain, and its window. */
static void
setup_gate(u32 gate)
{
    struct space *s;
    machine_init();
    machine_domain(&domain, 100);
    domain.gate = gate;
    CHECK(space_init(&domain, 200, &s) == 0);
    a = (struct tree){s, &domain};
    CHECK(space_init(&domain, 202, &s) == 0);
    b = (struct tree){s, &domain};
    window = (struct tree){NULL, &domain};
    this_cpu()->libos_cr3 = space_libos_cr3(a.space);
    next_table = TABLES;
    machine_flushes = machine_invlpgs = 0;
}
static void
setup(void)
{
    setup_gate(FB_GATE_VIEWS);
}

/* Everything goes back, and every record is as at the start. */
static void
teardown(void)
{
    u64 cursor = 0;
    const struct tree trees[] = {a, b, window};
    domain.state = FB_DOMAIN_DYING;
    domain.evicting = NULL;
    for (unsigned i = 0; i < 3; i++) {
        int error;
        while ((error = space_tear_down(trees[i], &cursor)) == -FB_E_RESUME)
            ;
        CHECK(error == 0);
    }
    space_free(a.space);
    space_free(b.space);
    frame_take_back(domain.window_frame);
    machine_other_flushes();
    for (frame_t f = 64; f < MACHINE_FRAMES; f++) {
        if (frame_type(f) == FB_FRAME_TABLE)
            frame_take_back(f);
        CHECK(frame_records[f].word == FB_FRAME_DATA);
    }
    for (frame_t f = 0; f < MACHINE_FRAMES; f += 512)
        CHECK(large_head(f, 1)->word == (f == 0 ? 64 * LARGE_SECRET : 0));
}

static void
link_to(struct tree t, u64 va, unsigned lowest)
{
    for (unsigned level = t.space ? 3 : 2; level >= lowest; level--) {
        int error = space_link_table(t, va, level, next_table);
        CHECK(error == 0 || error == -FB_E_MAPPED);
        next_table += error == 0;
    }
}
static int
map(struct tree t, u64 va, frame_t f, u32 flags, u64 count)
{
    return space_map_run(t, va, &all, f, flags, count, &done);
}
static int
unmap(struct tree t, u64 va, u64 pages, u32 flags, u64 max)
{
    return space_unmap_range(t, va, pages, flags, list, max, &listed, &done);
}
static u64
entry(struct tree t, u64 va)
{
    unsigned level = t.space ? 3 : 2;
    const u64 *e = frame_ptr(t.space ? t.space->root >> 12 : domain.window_frame);
    for (; level > 0 && pte_is_node(e[pte_index(va, level)]); level--)
        e = frame_ptr(pte_frame(e[pte_index(va, level)]));
    return e[pte_index(va, level)];
}
static u64 *
entry_ptr(struct tree t, u64 va)
{
    unsigned level = t.space ? 3 : 2;
    u64 *e = frame_ptr(t.space ? t.space->root >> 12 : domain.window_frame);
    for (; level > 0 && pte_is_node(e[pte_index(va, level)]); level--)
        e = frame_ptr(pte_frame(e[pte_index(va, level)]));
    return &e[pte_index(va, level)];
}

/* Verify each error of making a space, and that a failed one leaves the frames as they
 * were. */
static void
test_init_when_frames_cannot_be_roots_then_error(void)
{
    setup();
    struct space *s;
    CHECK(space_init(&domain, 301, &s) == -FB_E_ALIGN);
    CHECK(frame_map(305, 0, true) == 0 && space_init(&domain, 304, &s) == -FB_E_INUSE);
    CHECK(frame_unmap(305, 0, true) && space_init(&domain, 304, &s) == -FB_E_FLUSH);
    CHECK(frame_type(304) == FB_FRAME_DATA);
    CHECK(space_init(&domain, MACHINE_FRAMES, &s) == -FB_E_RANGE);
    CHECK(space_list_lock(&domain) == 0 && space_list_lock(&domain) == -FB_E_BUSY);
    CHECK(space_init(&domain, 306, &s) == -FB_E_BUSY);
    space_list_unlock(&domain);
    domain.state = FB_DOMAIN_DYING;
    CHECK(space_init(&domain, 306, &s) == -FB_E_DEAD);
    domain.state = FB_DOMAIN_ALIVE;
    CHECK(domain.spaces == b.space && b.space->next == a.space &&
          a.space->prev == b.space && domain.nspaces == 2);
    teardown();
}

/* Verify that the views differ by no-execute, and do not in a direct domain. */
static void
test_link_when_gate_views_then_libos_root_is_no_execute(void)
{
    for (u32 gate = FB_GATE_VIEWS; gate <= FB_GATE_DIRECT; gate++) {
        setup_gate(gate);
        link_to(a, 0, 3);
        const u64 *user = frame_ptr(200), *libos = frame_ptr(201);
        CHECK(user[0] == (TABLES << 12 | PTE_NODE));
        CHECK(libos[0] == (user[0] | (gate == FB_GATE_VIEWS ? PTE_NX : 0)));
        CHECK(user[256] == 0 && libos[256] == (100ull << 12 | PTE_NODE));
        CHECK(space_check_empty(a.space) == -FB_E_INUSE && !a.space->dying);
        CHECK(unmap(a, 0, 1, FB_UNMAP_TABLES, 8) == 0 && listed == 1);
        CHECK(user[0] == 0 && libos[0] == 0);
        CHECK(space_check_empty(a.space) == 0 && a.space->dying);
        CHECK(space_link_table(a, 0, 3, TABLES + 1) == -FB_E_DEAD);
        teardown();
    }
}

/* Verify each error of linking a node. */
static void
test_link_when_refused_then_error(void)
{
    setup();
    CHECK(space_link_table(a, 0, 0, TABLES) == -FB_E_ARG &&
          space_link_table(a, 0, 4, TABLES) == -FB_E_ARG);
    CHECK(space_link_table(window, FB_WINDOW_BASE, 3, TABLES) == -FB_E_ARG);
    CHECK(space_link_table(a, FB_USER_TOP, 1, TABLES) == -FB_E_RANGE);
    CHECK(space_link_table(a, FB_WINDOW_BASE, 1, TABLES) == -FB_E_RANGE);
    CHECK(space_link_table(window, 0, 1, TABLES) == -FB_E_RANGE);
    CHECK(space_link_table(window, FB_WINDOW_END, 1, TABLES) == -FB_E_RANGE);
    CHECK(space_link_table(a, 0, 1, TABLES) == -FB_E_NOTABLE &&
          space_missing_level(a, 0) == 3);
    link_to(a, 0, 2);
    CHECK(space_missing_level(a, 0) == 1 && space_missing_level(a, GIB) == 2);
    CHECK(space_link_table(a, 0x12345, 2, next_table) == -FB_E_MAPPED);
    CHECK(space_link_table(a, 0, 1, TABLES) ==
          -FB_E_INUSE); /* it is a node already (F5) */
    CHECK(space_link_table(a, 0, 1, 200) == -FB_E_INUSE &&
          space_link_table(a, 0, 1, 3) == -FB_E_INUSE);
    CHECK(space_link_table(a, 0, 1, MACHINE_FRAMES) == -FB_E_RANGE);
    CHECK(map(a, MIB2, MEM, FB_MAP_2M | R, 1) == 0 &&
          space_link_table(a, MIB2, 1, next_table) == -FB_E_MAPPED);
    link_to(a, 0, 1);
    CHECK(map(a, 0, MEM + 600, R | W, 1) == 0 && unmap(a, 0, 1, 0, 1) == 0);
    CHECK(space_link_table(a, 2 * MIB2, 1, MEM + 600) == -FB_E_FLUSH);
    machine_other_flushes();
    CHECK(space_link_table(a, 2 * MIB2, 1, MEM + 600) == 0);
    teardown();
}

/* Verify that every call respects the lock, an eviction, and death. */
static void
test_calls_when_tree_is_not_free_then_busy_or_dead(void)
{
    setup();
    link_to(a, 0, 1);
    link_to(b, 0, 1);
    unsigned level;
    for (unsigned i = 0; i < 4; i++) {
        int want = i < 2 ? -FB_E_BUSY : -FB_E_DEAD;
        a.space->busy = i == 0 ? 2 : 0;
        domain.evicting = i == 1 ? (struct cap *)&domain : NULL;
        a.space->dying = i == 2 ? 2 : 0;
        domain.state = i == 3 ? FB_DOMAIN_DYING : FB_DOMAIN_ALIVE;
        CHECK(space_link_table(a, GIB, 2, 2500) == want);
        CHECK(map(a, 0, MEM, R, 1) == want && unmap(a, 0, 1, 0, 1) == want);
        CHECK(space_protect_range(a, 0, 1, R, NULL, &done) == want);
        CHECK(space_copy_range(a.space, b.space, 0, 1, FB_COPY_COW, &done, &level) ==
              want);
        CHECK(space_copy_range(b.space, a.space, 0, 1, FB_COPY_COW, &done, &level) ==
              want);
        CHECK(b.space->busy == 0 && a.space->busy == (i == 0 ? 2 : 0));
        u64 cursor = 0;
        CHECK(space_evict(a, 1, 2, &cursor) == (i == 0 ? -FB_E_BUSY : 0));
        CHECK(space_tear_down(b, &cursor) == 0);
        domain.state = FB_DOMAIN_ALIVE;
        a.space->busy = a.space->dying = 0;
        domain.evicting = NULL;
        machine_other_flushes();
        next_table = TABLES + 100 * (i + 1);
        link_to(b, 0, 1);
    }
    domain.window_busy = 1;
    CHECK(map(window, FB_WINDOW_BASE, MEM, R, 1) == -FB_E_BUSY);
    domain.window_busy = 0;
    teardown();
}

/* Verify that a list's frames are mapped in its order, up to the first that cannot be. */
static void
test_map_list_when_given_then_in_order_up_to_what_cannot_be(void)
{
    setup();
    link_to(a, 0, 1);
    struct frames m = {MEM, MEM + 8, R | W};
    u64 these[4] = {MEM + 5, MEM + 2, MEM + 2, MEM + 8};
    CHECK(space_map_list(a, 0x1000, &m, these, R, 3, &done) == 0 && done == 3);
    CHECK(FB_FRAME_MAPS(frame_records[MEM + 5].word) == 1 &&
          FB_FRAME_MAPS(frame_records[MEM + 2].word) == 2);
    CHECK(space_map_list(a, 0x5000, &m, these, R | W, 4, &done) == -FB_E_RANGE && done == 3);
    these[1] = MEM - 1;
    CHECK(space_map_list(a, 0x9000, &m, these, R, 4, &done) == -FB_E_RANGE && done == 1);
    CHECK(space_map_list(a, 0, &m, these, R, 2, &done) == -FB_E_MAPPED && done == 1);
    CHECK(space_map_list(a, 0, &m, these, R, 1, &done) == -FB_E_MAPPED && done == 0);
    these[1] = MEM + 1;
    CHECK(space_map_list(a, 0x1ff000, &m, these, R, 2, &done) == -FB_E_NOTABLE &&
          done == (1ull << 56 | 1));
    CHECK(space_map_list(a, 0xb000, &m, these, R, 0, &done) == -FB_E_RANGE);
    CHECK(space_map_list(a, 0xb001, &m, these, R, 1, &done) == -FB_E_ALIGN);
    CHECK(space_map_list(a, 0xb000, &m, these, R | X, 1, &done) == -FB_E_AUTHORITY);
    CHECK(space_map_list(a, 0xb000, &m, these, W, 1, &done) == -FB_E_ARG);
    CHECK(space_map_list(a, 0xb000, &m, these, R | FB_MAP_REPLACE, 1, &done) == -FB_E_ARG);
    CHECK(space_map_list(window, FB_WINDOW_BASE, &m, these, R, 1, &done) == -FB_E_ARG);
    teardown();
}

/* Verify each error of mapping. */
static void
test_map_when_refused_then_error(void)
{
    setup();
    link_to(a, 0, 1);
    link_to(window, FB_WINDOW_BASE, 1);
    static const u32 bad[] = {0,
                              W,
                              X,
                              R | 0x8,
                              R | 0x200,
                              R | FB_MAP_NOADD,
                              R | FB_MAP_2M | FB_MAP_1G,
                              R | FB_MAP_2M | FB_MAP_REPLACE};
    for (unsigned i = 0; i < 8; i++)
        CHECK(map(a, 0, MEM, bad[i], 1) == -FB_E_ARG && done == 0);
    CHECK(map(a, 0, MEM, R | FB_MAP_REPLACE, FB_MAP_REPLACE_MAX + 1) == -FB_E_ARG);
    record->features = 0;
    CHECK(map(a, 0, 0, R | FB_MAP_1G, 1) == -FB_E_ARG);
    record->features = FB_FEATURE_PAGE1G;
    struct frames m = {MEM, MEM + 4, R};
    CHECK(space_map_run(a, 0, &m, MEM, R | W, 1, &done) == -FB_E_AUTHORITY);
    CHECK(space_map_run(a, 0, &m, MEM, R | X, 1, &done) == -FB_E_AUTHORITY);
    CHECK(space_map_run(a, 0, &m, MEM - 1, R, 1, &done) == -FB_E_RANGE);
    CHECK(space_map_run(a, 0, &m, MEM, R, 5, &done) == -FB_E_RANGE);
    CHECK(space_map_run(a, 0, &m, MEM, R | FB_MAP_2M, 1, &done) == -FB_E_RANGE);
    m.rights = 0;
    CHECK(space_map_run(a, 0, &m, MEM, R, 1, &done) == -FB_E_AUTHORITY);
    CHECK(map(a, 0x10, MEM, R, 1) == -FB_E_ALIGN &&
          map(a, 0x1000, MEM, R | FB_MAP_2M, 1) == -FB_E_ALIGN);
    CHECK(map(a, 0, MEM + 1, R | FB_MAP_2M, 1) == -FB_E_ALIGN &&
          map(a, MIB2, MEM, R | FB_MAP_1G, 1) == -FB_E_ALIGN);
    CHECK(map(a, 0, MEM, R, 0) == -FB_E_RANGE && map(a, 0, MEM, R, ~0ull) == -FB_E_RANGE);
    CHECK(map(a, FB_USER_TOP - PAGE_SIZE, MEM, R, 2) == -FB_E_RANGE &&
          map(a, FB_USER_TOP, MEM, R, 1) == -FB_E_RANGE);
    CHECK(map(a, FB_WINDOW_BASE, MEM, R, 1) == -FB_E_RANGE &&
          map(window, 0, MEM, R, 1) == -FB_E_RANGE);
    CHECK(map(window, FB_WINDOW_END - PAGE_SIZE, MEM, R, 2) == -FB_E_RANGE);
    CHECK(map(window, FB_WINDOW_BASE, MEM, R | W | X, 1) == -FB_E_WX &&
          map(a, 0, MEM, R | W | X, 1) == 0);
    CHECK(map(a, 0x1ff000, MEM, R, 2) == -FB_E_NOTABLE && done == (1ull << 56 | 1));
    CHECK(map(a, GIB, MEM, R, 1) == -FB_E_NOTABLE && done == 2ull << 56);
    CHECK(map(a, GIB, MEM, R | FB_MAP_2M, 1) == -FB_E_NOTABLE && done == 2ull << 56);
    CHECK(map(a, 1ull << 39, MEM, R, 1) == -FB_E_NOTABLE && done == 3ull << 56);
    CHECK(map(a, 0x1fe000, MEM, R, 2) == -FB_E_MAPPED && done == 1);
    CHECK(map(a, 0, MEM, R | FB_MAP_2M, 1) == -FB_E_MAPPED);
    CHECK(map(a, MIB2, MEM, R | FB_MAP_2M, 1) == 0 &&
          map(a, MIB2, MEM, R, 1) == -FB_E_MAPPED);
    CHECK(space_map_run(a, 0x1000, &(struct frames){0, 4096, R | W | X},
                        TABLES, R | W, 1, &done) == -FB_E_INUSE);
    frame_records[MEM + 1].word += FRAME_MAPS_FULL;
    CHECK(map(a, 0x1000, MEM, R, 2) == -FB_E_COUNT && done == 1);
    frame_records[MEM + 1].word -= FRAME_MAPS_FULL;
    CHECK(entry(a, 0) == (MEM << 12 | PTE_P | PTE_W | PTE_U));
    CHECK(map(a, 0x5000, MEM, R | FB_MAP_UNCACHED, 1) == 0);
    CHECK(entry(a, 0x5000) == (MEM << 12 | PTE_P | PTE_U | PTE_NX | PTE_PCD | PTE_PWT));
    teardown();
}

/* Verify that a call stops at FB_RANGE_STEP pages and can be resumed. */
static void
test_map_when_long_then_resume(void)
{
    setup();
    for (u64 va = 0; va < 4 * MIB2; va += MIB2)
        link_to(a, va, 1);
    CHECK(map(a, 0x3000, MEM, R | W, 1500) == -FB_E_RESUME && done == 512);
    CHECK(map(a, 0x203000, MEM + 512, R | W, 988) == -FB_E_RESUME && done == 512);
    CHECK(map(a, 0x403000, MEM + 1024, R | W, 476) == 0 && done == 476);
    CHECK(pte_frame(entry(a, 0x3000 + 1499 * PAGE_SIZE)) == MEM + 1499);
    u64 epoch = epoch_now();
    CHECK(space_protect_range(a, 0, 2048, R, NULL, &done) == -FB_E_RESUME && done == 515);
    CHECK(epoch_now() == epoch + 1); /* S6: once a call */
    CHECK(machine_flushes == 1 && machine_invlpgs == 0);
    CHECK(space_protect_range(a, 515 * PAGE_SIZE, 1533, R, NULL, &done) == -FB_E_RESUME &&
          done == 512);
    CHECK(unmap(a, 0, 2048, FB_UNMAP_TABLES, 2048) == -FB_E_RESUME && done == 515 &&
          listed == 513);
    CHECK(list[509] == (FB_OUT_VALID | FB_OUT_TABLE | (TABLES + 2)));
    u64 at = done, calls = 0, frames = listed;
    int error;
    for (; (error = unmap(a, at * PAGE_SIZE, 2048 - at, FB_UNMAP_TABLES, 100)) ==
           -FB_E_RESUME;
         calls++) {
        at += done;
        frames += listed;
        CHECK(calls < 20 && listed == 100);
    }
    CHECK(error == 0 && frames + listed == 1500 + 6);
    /* 64 Gi empty pages of nodes: the scan is bounded too. */
    teardown();
}

/* Verify that a range with many page tables and few pages is cut into calls by its scans,
 * and comes to its end. */
static void
test_ranges_when_sparse_then_bounded(void)
{
    setup();
    for (u64 i = 0; i < 200; i++) {
        link_to(a, i * MIB2, 1);
        link_to(b, i * MIB2, 1);
        CHECK(map(a, i * MIB2 + 0x1ff000, MEM + i, R | W, 1) == 0);
    }
    u64 at = 0, pages = GIB / PAGE_SIZE * 100;
    unsigned calls = 1, level;
    int error;
    for (; (error = space_copy_range(b.space, a.space, at, pages - at / PAGE_SIZE,
                                     FB_COPY_COW, &done, &level)) == -FB_E_RESUME;
         calls++)
        at += done * PAGE_SIZE;
    CHECK(error == 0 && calls > 3 && calls < 10);
    for (at = 0, calls = 1; (error = space_protect_range(b, at, pages - at / PAGE_SIZE, 0,
                                                         NULL, &done)) == -FB_E_RESUME;
         calls++)
        at += done * PAGE_SIZE;
    CHECK(error == 0 && calls > 3 && calls < 10 && entry(b, 0x1ff000) & PTE_HELD);
    u64 total = 0;
    for (at = 0, calls = 1; (error = unmap(a, at, pages - at / PAGE_SIZE, FB_UNMAP_TABLES,
                                           64)) == -FB_E_RESUME;
         calls++) {
        at += done * PAGE_SIZE;
        total += listed;
        CHECK(calls < 50);
    }
    CHECK(error == 0 && total + listed == 202); /* nodes; b still has the frames */
    CHECK(space_check_empty(a.space) == 0);
    teardown();
}

#define REPLACED(pages, lost) ((u64)(pages) << 32 | (lost))

/* Verify that a page is replaced in one step, and what is told of the old one. */
static void
test_map_when_replace_then_lost_is_told(void)
{
    setup();
    link_to(a, 0, 1);
    CHECK(map(a, 0x1000, MEM, R | FB_MAP_REPLACE, 1) == 0 &&
          done == REPLACED(1, 0)); /* nothing was there */
    u64 epoch = epoch_now();
    CHECK(map(a, 0x1000, MEM + 1, R | W | FB_MAP_REPLACE, 1) == 0 &&
          done == REPLACED(1, 1));
    CHECK(machine_invlpgs == 1 && epoch_now() == epoch); /* no writable one went */
    CHECK(map(a, 0x2000, MEM + 1, R, 1) == 0);
    CHECK(map(a, 0x1000, MEM + 1, R | FB_MAP_REPLACE, 1) == 0 && done == REPLACED(1, 0) &&
          epoch_now() == epoch + 1);
    CHECK(map(a, 0x1000, 200, R | FB_MAP_REPLACE, 1) == -FB_E_RANGE && done == 0);
    frame_records[MEM + 4].word = FB_FRAME_PUBLIC;
    CHECK(map(a, 0x1000, MEM + 4, R | W | FB_MAP_REPLACE, 1) == -FB_E_INUSE && done == 0);
    frame_records[MEM + 4].word = FB_FRAME_DATA;
    CHECK(pte_frame(entry(a, 0x1000)) == MEM + 1);
    CHECK(map(a, GIB, MEM, R | FB_MAP_REPLACE, 1) == -FB_E_NOTABLE && done == 2ull << 56);
    teardown();
}

/* Verify a run of replacements: which were lost, and what stops in the middle. */
static void
test_map_when_replace_run_then_each_is_told(void)
{
    setup();
    link_to(a, 0, 1);
    CHECK(map(a, 0x1000, MEM, R, 2) == 0 && map(a, 0x4000, MEM + 1, R, 2) == 0);
    unsigned flushes = machine_flushes;
    CHECK(map(a, 0x1000, MEM + 8, R | W | FB_MAP_REPLACE, 5) == 0 &&
          done == REPLACED(5, 1 | 1 << 3 | 1 << 4)); /* MEM, MEM + 1 at last, MEM + 2 */
    CHECK(frame_records[ptr_frame(entry_ptr(a, 0))].used == 5 && machine_flushes == flushes);
    frame_records[MEM + 22].word = FB_FRAME_PUBLIC;
    CHECK(map(a, 0x1000, MEM + 20, R | W | FB_MAP_REPLACE, 5) == -FB_E_INUSE &&
          done == REPLACED(2, 3));
    frame_records[MEM + 22].word = FB_FRAME_DATA;
    link_to(a, 0x200000, 1);
    CHECK(map(a, 0x1ff000, MEM + 30, R | FB_MAP_REPLACE, 2) == 0 &&
          done == REPLACED(2, 0));
    teardown();
}

/* Verify rights: what may be added, what is left without, what is kept without access. */
static void
test_protect_when_rights_change_then_counts_follow(void)
{
    setup();
    link_to(a, 0, 1);
    link_to(window, FB_WINDOW_BASE, 1);
    CHECK(space_protect_range(a, 0, 1, W, NULL, &done) == -FB_E_ARG);
    CHECK(space_protect_range(a, 0, 1, R | FB_MAP_2M, NULL, &done) == -FB_E_ARG);
    CHECK(space_protect_range(a, 1, 1, R, NULL, &done) == -FB_E_ALIGN);
    CHECK(space_protect_range(a, 0, 0, R, NULL, &done) == -FB_E_RANGE);
    CHECK(space_protect_range(a, 0, ~0ull, R, NULL, &done) == -FB_E_RANGE);
    CHECK(space_protect_range(window, FB_WINDOW_BASE, 1, R | W | X, &all, &done) ==
          -FB_E_WX);
    CHECK(map(a, 0, MEM, R, 2) == 0);
    struct frames m = {MEM + 1, MEM + 2, R | W};
    CHECK(space_protect_range(a, 0, 512, R | W | X, &m, &done) == 0 && done == 512);
    CHECK(pte_rights(entry(a, 0)) == R && pte_rights(entry(a, 0x1000)) == (R | W));
    CHECK(FB_FRAME_WMAPS(frame_records[MEM + 1].word) == 1);
    CHECK(machine_invlpgs == 0); /* more rights need no flush */
    CHECK(space_protect_range(a, 0x1000, 1, R | W | X, NULL, &done) ==
          0); /* W stays: it was there */
    CHECK(pte_rights(entry(a, 0x1000)) == (R | W));
    *entry_ptr(a, 0x1000) |= PTE_D;
    CHECK(space_protect_range(a, 0x1000, 1, 0, NULL, &done) == 0 && machine_invlpgs == 1);
    CHECK(entry(a, 0x1000) == ((MEM + 1ull) << 12 | PTE_HELD | PTE_U | PTE_NX | PTE_D));
    CHECK(frame_records[MEM + 1].word == (FRAME_MAP_ONE | FB_FRAME_DATA));
    CHECK(map(a, 0x1000, MEM, R, 1) == -FB_E_MAPPED);
    CHECK(space_protect_range(a, 0x1000, 1, R | W | FB_MAP_NOADD, NULL, &done) == 0);
    CHECK(entry(a, 0x1000) & PTE_HELD);
    CHECK(space_protect_range(a, 0x1000, 1, R, NULL, &done) == 0 &&
          pte_rights(entry(a, 0x1000)) == R);
    CHECK(unmap(a, 0x1000, 1, 0, 1) == 0 &&
          list[0] == (FB_OUT_VALID | FB_OUT_DIRTY | (MEM + 1)));
    /* A frame that is a table, mapped for reading, does not get WRITE. */
    struct frames tables = {TABLES, TABLES + 1, R | W | X};
    CHECK(space_map_run(window, FB_WINDOW_BASE, &tables, TABLES, R, 1, &done) == 0);
    CHECK(space_protect_range(window, FB_WINDOW_BASE, 1, R | W, &tables, &done) == 0);
    CHECK(pte_rights(entry(window, FB_WINDOW_BASE)) == R);
    CHECK(map(a, MIB2, MEM, R | W | FB_MAP_2M, 1) == 0);
    CHECK(space_protect_range(a, MIB2 + PAGE_SIZE, 511, R, NULL, &done) == -FB_E_ALIGN);
    CHECK(space_protect_range(a, 0x1000, 600, R, NULL, &done) == -FB_E_ALIGN &&
          done == 511);
    CHECK(space_protect_range(a, MIB2, 512, R, NULL, &done) == 0 &&
          large_head(MEM, 1)->word == LARGE_MAP);
    CHECK(space_protect_range(a, MIB2, 512, R | W, &all, &done) == 0);
    CHECK(large_head(MEM, 1)->word == LARGE_MAP + LARGE_WMAP);
    teardown();
}

/* Verify each error of unmapping, the list, and that a full list loses nothing. */
static void
test_unmap_when_list_is_full_then_resume(void)
{
    setup();
    link_to(a, 0, 1);
    link_to(a, MIB2, 2);
    CHECK(unmap(a, 0, 1, 2, 1) == -FB_E_ARG && unmap(a, 1, 1, 0, 1) == -FB_E_ALIGN);
    CHECK(unmap(a, 0, 0, 0, 1) == -FB_E_RANGE &&
          unmap(a, FB_USER_TOP, 1, 0, 1) == -FB_E_RANGE);
    CHECK(map(a, 0x3000, MEM, R | W, 5) == 0);
    CHECK(unmap(a, 0, 100, FB_UNMAP_TABLES, 3) == -FB_E_RESUME && listed == 3 &&
          done == 6);
    CHECK(unmap(a, 0x6000, 94, FB_UNMAP_TABLES, 3) == -FB_E_RESUME && listed == 3 &&
          done == 0);
    CHECK(unmap(a, 0x6000, 94, FB_UNMAP_TABLES, 3) == 0 && listed == 2 && done == 94);
    CHECK(list[0] == (FB_OUT_VALID | FB_OUT_TABLE | (TABLES + 1)) &&
          space_missing_level(a, 0) == 3);
    machine_other_flushes();
    link_to(a, 0, 1);
    CHECK(map(a, 0, MEM, R, 3) == 0 && unmap(a, 0, 3, FB_UNMAP_TABLES, 0) == 0 &&
          listed == 0); /* no list wanted */
    CHECK(space_missing_level(a, 0) == 3);
    machine_other_flushes();
    link_to(a, 0, 2);
    CHECK(map(a, MIB2, MEM, R | FB_MAP_2M, 1) == 0 &&
          unmap(a, MIB2, 1, 0, 1) == -FB_E_ALIGN);
    CHECK(unmap(a, 0, 0x7fffffffeull, 0, 1) == 0 && done == 0x7fffffffeull &&
          listed == 0);
    teardown();
}

/* Verify that only trees in sight are flushed, few pages one by one, and the window
 * always. */
static void
test_unmap_when_tree_is_current_then_own_tlb_is_flushed(void)
{
    setup();
    link_to(a, 0, 1);
    link_to(b, 0, 1);
    link_to(window, FB_WINDOW_BASE, 1);
    CHECK(map(a, 0, MEM, R, 20) == 0 && map(b, 0, MEM, R, 20) == 0 &&
          map(window, FB_WINDOW_BASE, MEM, R, 20) == 0);
    CHECK(machine_invlpgs == 0 && machine_flushes == 0);
    CHECK(unmap(b, 0, 20, 0, 20) == 0 && machine_invlpgs == 0 && machine_flushes == 0);
    CHECK(unmap(a, 0, 8, 0, 20) == 0 && machine_invlpgs == 8 && machine_flushes == 0);
    CHECK(unmap(a, 0, 20, 0, 20) == 0 && machine_invlpgs == 8 && machine_flushes == 1);
    CHECK(unmap(window, FB_WINDOW_BASE, 9, 0, 20) == 0 && machine_flushes == 2 &&
          listed == 9);
    CHECK(unmap(window, FB_WINDOW_BASE, 20, 0, 20) == 0 && machine_flushes == 3 &&
          machine_invlpgs == 8);
    CHECK(unmap(a, 0, 1, FB_UNMAP_TABLES, 3) == 0 && listed == 3 &&
          machine_invlpgs == 11); /* walks of nodes */
    teardown();
}

/* Verify S6: a call that removes something writable, or a node, starts one epoch; others
 * none. */
static void
test_unmap_when_writable_or_node_then_new_epoch(void)
{
    setup();
    link_to(a, 0, 1);
    CHECK(map(a, 0, MEM, R, 3) == 0 && map(a, 0x3000, MEM + 3, R | W, 3) == 0);
    u64 epoch = epoch_now();
    CHECK(unmap(a, 0, 3, 0, 8) == 0 && epoch_now() == epoch &&
          frame_records[MEM].stamp == 0);
    CHECK(unmap(a, 0, 6, 0, 8) == 0 && epoch_now() == epoch + 1 &&
          frame_records[MEM + 3].stamp == epoch + 1);
    CHECK(unmap(a, 0, 6, FB_UNMAP_TABLES, 8) == 0 && epoch_now() == epoch + 2);
    CHECK(frame_records[TABLES].stamp == epoch + 2);
    CHECK(space_link_table(a, 0, 3, TABLES) == -FB_E_FLUSH);
    teardown();
}

/* Verify that copy-on-write, like unmapping, leaves a stamp and flushes: a writable
 * translation of the source may be left. */
static void
test_copy_when_cow_then_frame_waits_for_flush(void)
{
    unsigned level;
    setup();
    link_to(a, 0, 1);
    link_to(b, 0, 1);
    CHECK(map(a, 0, MEM, R | W, 9) == 0);
    CHECK(space_copy_range(b.space, a.space, 0, 512, FB_COPY_COW, &done, &level) == 0);
    CHECK(machine_flushes == 1 && machine_invlpgs == 0);
    CHECK(unmap(a, 0, 512, 0, 16) == 0 && listed == 0 && unmap(b, 0, 512, 0, 16) == 0 &&
          listed == 9);
    CHECK(frame_give(MEM + 8, FB_FRAME_TABLE) == -FB_E_FLUSH);
    machine_other_flushes();
    CHECK(frame_give(MEM + 8, FB_FRAME_TABLE) == 0);
    teardown();
}

/* Verify each error of copying, and what COW and SHARE leave on both sides. */
static void
test_copy_when_cow_or_share_then_both_sides_right(void)
{
    unsigned level;
    setup();
    struct space *sa = a.space, *sb = b.space;
    link_to(a, 0, 1);
    CHECK(map(a, 0, MEM, R | W, 1) == 0 && map(a, 0x1000, MEM + 1, R | X, 1) == 0 &&
          map(a, 0x2000, MEM + 2, R | W, 1) == 0);
    CHECK(space_protect_range(a, 0x2000, 1, 0, NULL, &done) == 0);
    machine_invlpgs = 0;
    CHECK(space_copy_range(sb, sa, 0, 3, 0, &done, &level) == -FB_E_ARG);
    CHECK(space_copy_range(sb, sa, 0, 3, FB_COPY_COW | FB_COPY_SHARE, &done, &level) ==
          -FB_E_ARG);
    CHECK(space_copy_range(sa, sa, 0, 3, FB_COPY_COW, &done, &level) == -FB_E_ARG);
    struct domain other = domain;
    sb->domain = &other;
    CHECK(space_copy_range(sb, sa, 0, 3, FB_COPY_COW, &done, &level) == -FB_E_ARG);
    sb->domain = &domain;
    CHECK(space_copy_range(sb, sa, 1, 3, FB_COPY_COW, &done, &level) == -FB_E_ALIGN);
    CHECK(space_copy_range(sb, sa, 0, 0, FB_COPY_COW, &done, &level) == -FB_E_RANGE);
    for (unsigned want = 3; want >= 1; want--) {
        CHECK(space_copy_range(sb, sa, 0, 3, FB_COPY_COW, &done, &level) ==
              -FB_E_NOTABLE);
        CHECK(level == want && done == 0);
        CHECK(space_link_table(b, 0, want, next_table++) == 0);
    }
    frame_records[MEM].word += FRAME_MAPS_FULL;
    CHECK(space_copy_range(sb, sa, 0, 3, FB_COPY_COW, &done, &level) == -FB_E_COUNT &&
          done == 0);
    CHECK(space_copy_range(sb, sa, 0, 3, FB_COPY_SHARE, &done, &level) == -FB_E_COUNT &&
          done == 0);
    frame_records[MEM].word -= FRAME_MAPS_FULL;
    *entry_ptr(a, 0) |= PTE_D | PTE_A;
    u64 epoch = epoch_now();
    CHECK(space_copy_range(sb, sa, 0, 512, FB_COPY_COW, &done, &level) == 0 &&
          done == 512);
    CHECK(epoch_now() == epoch + 1 && machine_invlpgs == 1);
    CHECK(entry(a, 0) == (MEM << 12 | PTE_P | PTE_U | PTE_NX | PTE_A | PTE_D));
    CHECK(entry(b, 0) == (MEM << 12 | PTE_P | PTE_U | PTE_NX) &&
          entry(b, 0x1000) == entry(a, 0x1000));
    CHECK(entry(b, 0x2000) == entry(a, 0x2000) && (entry(b, 0x2000) & PTE_HELD));
    CHECK(frame_records[MEM].word == (2 * FRAME_MAP_ONE | FB_FRAME_DATA));
    CHECK(space_copy_range(sb, sa, 0, 512, FB_COPY_COW, &done, &level) == -FB_E_MAPPED &&
          done == 0);
    CHECK(unmap(b, 0, 512, 0, 8) == 0 && listed == 0);
    CHECK(map(a, 0x9000, MEM + 9, R | W, 1) == 0);
    CHECK(space_copy_range(sb, sa, 0x9000, 1, FB_COPY_SHARE, &done, &level) == 0);
    CHECK(FB_FRAME_WMAPS(frame_records[MEM + 9].word) == 2 &&
          pte_rights(entry(b, 0x9000)) == (R | W));
    CHECK(map(a, MIB2, MEM + 512, R | W | FB_MAP_2M, 1) == 0);
    CHECK(space_copy_range(sb, sa, MIB2, 512, FB_COPY_COW, &done, &level) == -FB_E_ARG &&
          done == 0);
    CHECK(space_copy_range(sb, sa, MIB2, 12, FB_COPY_SHARE, &done, &level) ==
          -FB_E_ALIGN);
    CHECK(space_copy_range(sb, sa, MIB2, 512, FB_COPY_SHARE, &done, &level) == 0);
    CHECK(large_head(MEM + 512, 1)->word == 2 * (LARGE_MAP + LARGE_WMAP));
    CHECK(space_copy_range(sb, sa, MIB2, 512, FB_COPY_SHARE, &done, &level) ==
          -FB_E_MAPPED);
    teardown();
}

/* Verify that eviction of nodes takes what is below them, in bounded steps, and leaves
 * the rest. */
static void
test_evict_when_node_is_within_then_all_below_goes(void)
{
    setup();
    for (u64 i = 0; i < 8; i++) {
        link_to(a, i * MIB2, 1);
        CHECK(map(a, i * MIB2, MEM + 512 * i, R | W, 512) == 0);
    }
    link_to(a, GIB, 1);
    CHECK(map(a, GIB, MEM + 7, R, 1) == 0);
    domain.evicting = (struct cap *)&domain;
    u64 cursor = 0;
    unsigned calls = 1;
    int error;
    for (; (error = space_evict(a, TABLES + 1, TABLES + 2, &cursor)) == -FB_E_RESUME;
         calls++)
        CHECK(cursor != 0);
    CHECK(error == 0 && cursor == 0 && calls == 3);
    CHECK(space_missing_level(a, 0) == 2 && space_missing_level(a, GIB) == 0);
    for (u64 i = 0; i < 9; i++)
        CHECK(frame_type(TABLES + 1 + i) == FB_FRAME_DATA);
    CHECK(space_evict(a, MEM + 7, MEM + 8, &cursor) == 0 && entry(a, GIB) == 0 &&
          space_missing_level(a, GIB) == 0);
    teardown();
}

/* Verify that a LibOS can empty a space whose nodes never held anything. */
static void
test_unmap_when_nodes_are_empty_then_they_are_listed(void)
{
    setup();
    link_to(a, 0, 3);
    link_to(a, 1ull << 39, 2);
    link_to(a, (1ull << 40) + GIB, 1);
    CHECK(unmap(a, 0, FB_USER_TOP / PAGE_SIZE, FB_UNMAP_TABLES, 16) == 0 && listed == 6);
    CHECK(space_check_empty(a.space) == 0);
    link_to(window, FB_WINDOW_BASE + GIB, 1);
    CHECK(unmap(window, FB_WINDOW_BASE, FB_WINDOW_SIZE / PAGE_SIZE, FB_UNMAP_TABLES,
                16) == 0 &&
          listed == 2);
    teardown();
}

/* Verify that 1 GiB pages are counted at their head, in all calls. */
static void
test_map_when_1g_then_counted_at_head(void)
{
    unsigned level;
    struct frames m = {0, 1 << 19, R | W | X};
    frame_t g = 1 << 18;
    setup();
    link_to(a, 0, 3);
    CHECK(space_map_run(a, GIB, &m, 0, R | FB_MAP_1G, 1, &done) == -FB_E_RANGE);
    teardown();
    machine_records = 1 << 19;
    setup();
    link_to(a, 0, 3);
    CHECK(space_map_run(a, GIB, &m, 0, R | FB_MAP_1G, 1, &done) == -FB_E_INUSE);
    CHECK(space_map_run(a, GIB, &m, g, R | W | FB_MAP_1G, 2, &done) == -FB_E_RANGE);
    CHECK(space_map_run(a, GIB, &m, g, R | W | FB_MAP_1G, 1, &done) == 0 &&
          done == 1);
    CHECK(large_head(g, 2)->word == LARGE_MAP + LARGE_WMAP &&
          large_head(g, 1)->word == 0);
    CHECK(frame_give(g + 9, FB_FRAME_TABLE) == -FB_E_INUSE);
    CHECK(large_head(g, 1)->word == 0);
    CHECK(space_protect_range(a, GIB, 1 << 18, R, NULL, &done) == 0 && done == 1 << 18);
    CHECK(large_head(g, 2)->word == LARGE_MAP &&
          frame_give(g + 9, FB_FRAME_ROOT) == -FB_E_INUSE);
    CHECK(space_copy_range(b.space, a.space, GIB, 1 << 18, FB_COPY_SHARE, &done,
                           &level) == -FB_E_NOTABLE);
    CHECK(level == 3 && space_link_table(b, 0, 3, next_table++) == 0);
    CHECK(space_copy_range(b.space, a.space, 0, 1 << 20, FB_COPY_SHARE, &done, &level) ==
          0);
    CHECK(large_head(g, 2)->word == 2 * LARGE_MAP && entry(b, GIB) == entry(a, GIB));
    u64 cursor = 0;
    CHECK(space_evict(b, g + 77, g + 78, &cursor) == 0 && entry(b, GIB) == 0);
    CHECK(unmap(a, GIB, 1 << 18, 0, 1) == 0 && listed == 0 &&
          large_head(g, 2)->word == 0);
    teardown();
    machine_records = MACHINE_FRAMES;
}

int
main(void)
{
    RUN(test_init_when_frames_cannot_be_roots_then_error);
    RUN(test_link_when_gate_views_then_libos_root_is_no_execute);
    RUN(test_link_when_refused_then_error);
    RUN(test_calls_when_tree_is_not_free_then_busy_or_dead);
    RUN(test_map_list_when_given_then_in_order_up_to_what_cannot_be);
    RUN(test_map_when_refused_then_error);
    RUN(test_map_when_long_then_resume);
    RUN(test_ranges_when_sparse_then_bounded);
    RUN(test_map_when_replace_then_lost_is_told);
    RUN(test_map_when_replace_run_then_each_is_told);
    RUN(test_protect_when_rights_change_then_counts_follow);
    RUN(test_unmap_when_list_is_full_then_resume);
    RUN(test_unmap_when_tree_is_current_then_own_tlb_is_flushed);
    RUN(test_unmap_when_writable_or_node_then_new_epoch);
    RUN(test_copy_when_cow_then_frame_waits_for_flush);
    RUN(test_copy_when_cow_or_share_then_both_sides_right);
    RUN(test_evict_when_node_is_within_then_all_below_goes);
    RUN(test_unmap_when_nodes_are_empty_then_they_are_listed);
    RUN(test_map_when_1g_then_counted_at_head);
    return test_failures != 0;
}

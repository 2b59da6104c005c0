/* SPDX-License-Identifier: MIT */
/* Unit tests of core/page.c, core/slab.c and core/table_pool.c. */
#include <string.h>

#include "core/heap.h"
#include "core/host/host.h"
#include "core/page.h"
#include <abi/layout.h>
#include "core/page_state.h"
#include "core/test/check.h"

#define MEGABYTES 32

/* Verify that all memory can be taken frame by frame, each once, and merges again. */
static void
test_page_exhaust_and_free_merges(void)
{
    struct page_counts before, during, after;
    static frame_t taken[MEGABYTES * 256];
    page_count(&before);
    u64 n = 0;
    for (;;) {
        frame_t f = page_alloc();
        if (f == FRAME_NONE)
            break;
        *(u64 *)page_ptr(f) = f;
        taken[n++] = f;
    }
    page_count(&during);
    CHECK(n + during.free == before.free);
    for (u64 i = 0; i < n; i++)
        CHECK(*(u64 *)page_ptr(taken[i]) == taken[i]);
    CHECK(page_alloc_run(PAGE_MAX_ORDER) == FRAME_NONE);
    for (u64 i = 0; i < n; i++)
        page_free(taken[(i * 7919) % n]); /* n is not a multiple of the prime 7919 */
    page_count(&after);
    CHECK(after.free == before.free);
    /* frames in the cache keep some blocks from merging further */
    frame_t big = page_alloc_run(7);
    CHECK(big != FRAME_NONE && (big & 127) == 0);
    page_free_run(big, 7);
}

/* Verify that runs are aligned, do not overlap, and that a run of each order comes
 * back. */
static void
test_page_runs_are_aligned(void)
{
    struct page_counts before, after;
    page_count(&before);
    frame_t runs[PAGE_MAX_ORDER + 1];
    for (unsigned o = 0; o <= PAGE_MAX_ORDER; o++) {
        runs[o] = page_alloc_run(o);
        CHECK(runs[o] != FRAME_NONE && (runs[o] & ((1ull << o) - 1)) == 0);
        memset(page_ptr(runs[o]), (int)o + 1, PAGE_SIZE << o);
    }
    for (unsigned o = 0; o <= PAGE_MAX_ORDER; o++) {
        const u8 *p = page_ptr(runs[o]);
        for (u64 i = 0; i < PAGE_SIZE << o; i += 512)
            CHECK(p[i] == o + 1);
    }
    for (unsigned o = 0; o <= PAGE_MAX_ORDER; o++)
        page_free_run(runs[o], o);
    page_count(&after);
    CHECK(after.free == before.free);
}

/* Verify that objects of all sizes are aligned, apart, and that freeing all gives all
 * back but what magazines hold. */
static void
test_slab_objects_do_not_overlap(void)
{
    enum { N = 4000 };
    static u8 *object[N];
    static size_t size[N];
    struct heap_counts counts;
    unsigned x = 1;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < N; i++) {
            x = x * 1664525u + 1013904223u;
            size[i] = (x >> 8) % (i % 50 == 0 ? 20000 : 2100);
            object[i] = slab_alloc(size[i]);
            CHECK(object[i] && ((u64)object[i] & 15) == 0);
            memset(object[i], i & 0xff, size[i]);
        }
        slab_count(&counts);
        CHECK(counts.objects == N);
        for (int i = 0; i < N; i++)
            for (size_t k = 0; k < size[i]; k += 97)
                CHECK(object[i][k] == (i & 0xff));
        for (int i = 0; i < N; i++)
            slab_free(object[(i * 1237) % N]);
        slab_count(&counts);
        CHECK(counts.objects == 0);
        CHECK(counts.frames < 600);
    }
    CHECK(slab_alloc(8u << 20) == NULL);
    slab_free(NULL);
}

/* Verify that nodes are distinct, come from sealed chunks, and are reused last in, first
 * out; roots are even. */
static void
test_table_pool_gives_each_node_once(void)
{
    enum { N = 1500 };
    static frame_t node[N];
    for (int i = 0; i < N; i++) {
        node[i] = page_table_alloc();
        CHECK(node[i] != FRAME_NONE);
        *(u64 *)page_ptr(node[i]) = (u64)i; /* on the host chunks stay writable */
    }
    for (int i = 0; i < N; i++)
        CHECK(*(u64 *)page_ptr(node[i]) == (u64)i);
    page_table_free(node[700]);
    CHECK(page_table_alloc() == node[700]);
    struct page_counts c;
    page_count(&c);
    CHECK(c.tables - c.tables_free == N);
    for (int i = 0; i < N; i++)
        page_table_free(node[i]);
    frame_t a = page_root_alloc(), b = page_root_alloc();
    CHECK((a & 1) == 0 && (b & 1) == 0 && a != b);
    page_root_free(a);
    page_root_free(b);
    page_count(&c);
    CHECK(c.tables == c.tables_free);
    /* All of it goes back, but not while one node of a chunk is in use. */
    u64 free = c.free, tables = c.tables;
    a = page_table_alloc();
    CHECK(page_tables_give_back() == tables - 512);
    page_table_free(a);
    CHECK(page_tables_give_back() == 512 && page_tables_give_back() == 0);
    page_count(&c);
    CHECK(c.tables == 0 && c.tables_free == 0 && c.free >= free + tables);
    a = page_table_alloc();
    CHECK(a != FRAME_NONE);
    page_table_free(a);
}

int
main(void)
{
    host_init(MEGABYTES);
    RUN(test_table_pool_gives_each_node_once); /* first: it needs blocks of 2 MiB */
    RUN(test_page_runs_are_aligned);
    RUN(test_page_exhaust_and_free_merges);
    RUN(test_slab_objects_do_not_overlap);
    DONE();
}

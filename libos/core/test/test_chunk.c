/* SPDX-License-Identifier: MIT */
/* Unit tests of core/chunk.c: a block of base memory plays the chunk. */
#include <string.h>

#include "core/chunk.h"
#include "core/host/host.h"
#include "core/page.h"
#include "core/page_state.h"
#include "core/test/check.h"

#define MEGABYTES 16
#define FRAMES 512u
#define PLACE 3u

static frame_t taken[MEGABYTES * 256], block;
static u64 count;

static bool
is_in_chunk(frame_t f)
{
    return f >= block && f < block + FRAMES;
}

/* Verify that movable frames come from base memory until it is scarce, then from the
 * chunk, each once, and then from base memory again. */
static void
test_movable_when_base_scarce_then_from_chunk(void)
{
    static bool seen[FRAMES];
    CHECK(!page_base_is_scarce() && !is_in_chunk(taken[count++] = page_alloc_movable()));
    CHECK(!chunk_any_in_use());
    while (!page_base_is_scarce())
        taken[count++] = page_alloc();
    for (u32 i = 0; i < FRAMES; i++) {
        frame_t f = page_alloc_movable();
        CHECK(is_in_chunk(f) && !seen[f - block]);
        seen[f - block] = true;
    }
    CHECK(chunk_any_in_use() && chunk_cap_in_use(PLACE) == 77);
    frame_t f = page_alloc_movable();
    CHECK(f != FRAME_NONE && !is_in_chunk(f));
    taken[count++] = f;
}

/* Verify that a closed chunk gives nothing out and takes all back. */
static void
test_chunk_when_closed_then_empties(void)
{
    struct chunk_info c;
    struct page_counts before, after;
    page_count(&before);
    page_free(block + 7);
    page_count(&after);
    CHECK(after.free == before.free + 1 && after.total == before.total);
    CHECK(page_alloc_movable() == block + 7);
    chunk_close(PLACE);
    for (u32 i = 0; i < FRAMES; i++) {
        page_free(block + i);
        frame_t f = page_alloc_movable();
        CHECK(f != FRAME_NONE && !is_in_chunk(f));
        page_free(f);
    }
    chunk_info(PLACE, &c);
    CHECK(c.cap == 77 && c.used == 0 && !chunk_any_in_use());
    chunk_open(PLACE);
    CHECK(is_in_chunk(taken[count] = page_alloc_movable()));
}

/* Verify that a frame of a chunk that has gone is nobody's, and that what others still
 * hold keeps the memory from coming again. */
static void
test_chunk_when_gone_then_frames_are_ignored(void)
{
    struct page_counts before, after;
    frame_t f = taken[count];
    CHECK(page_share(f));
    page_count(&before);
    chunk_remove(PLACE);
    page_count(&after);
    CHECK(after.total == before.total - FRAMES && !chunk_any_in_use());
    CHECK(chunk_add(PLACE, 78, block, block + FRAMES) != 0);
    page_free(f); /* the other holder, and then the first */
    page_free(f);
    CHECK(chunk_add(PLACE, 78, block, block + FRAMES) == 0);
    CHECK(is_in_chunk(f = page_alloc_movable()) && chunk_cap_in_use(PLACE) == 78);
    page_free(f);
    chunk_remove(PLACE);
}

int
main(void)
{
    host_init(MEGABYTES);
    block = page_alloc_run(9);
    CHECK(block != FRAME_NONE && chunk_add(PLACE, 77, block, block + FRAMES) == 0);
    RUN(test_movable_when_base_scarce_then_from_chunk);
    RUN(test_chunk_when_closed_then_empties);
    RUN(test_chunk_when_gone_then_frames_are_ignored);
    while (count > 0)
        page_free(taken[--count]);
    DONE();
}

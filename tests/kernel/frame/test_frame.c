/* SPDX-License-Identifier: MIT */
/* Frame records: every documented error, the large counts, stamps, and four threads at
 * the same words. */
#include "base/cpu.h"
#include "base/epoch.h"
#include "frame/count.h"
#include "machine.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN1 1024u /* begins a 2 MiB run */

static bool
is_zero(frame_t f)
{
    static const u8 zero[PAGE_SIZE];
    return memcmp(frame_ptr(f), zero, PAGE_SIZE) == 0;
}

/* Verify that a frame without a record, whatever is asked, is -RANGE. */
static void
test_any_when_no_record_then_range(void)
{
    machine_init();
    CHECK(frame_map(MACHINE_FRAMES, 0, false) == -FB_E_RANGE);
    CHECK(frame_map(MACHINE_FRAMES & ~511ull, 1, false) == -FB_E_RANGE);
    CHECK(frame_map(0, 2, false) == -FB_E_RANGE); /* 64 MiB are no 1 GiB run */
    CHECK(frame_add_write(MACHINE_FRAMES, 0) == -FB_E_RANGE);
    CHECK(frame_give(MACHINE_FRAMES, FB_FRAME_TABLE) == -FB_E_RANGE);
    CHECK(frame_give_run(MACHINE_FRAMES - 1, 2, FB_FRAME_TABLE) == -FB_E_RANGE);
    CHECK(frame_give_run(100, 65, FB_FRAME_TABLE) == -FB_E_RANGE);
    CHECK(frame_link(~0ull) == -FB_E_RANGE);
    CHECK(frame_pin(MACHINE_FRAMES) == -FB_E_RANGE);
}

/* Verify that boot typing gives records and heads that agree, over ranges of any
 * alignment, also twice. */
static void
test_boot_type_when_ranges_overlap_then_heads_agree(void)
{
    machine_init();
    static const struct {
        frame_t lo, hi;
        enum fb_frame_type type;
    } ranges[] = {{0, 1, FB_FRAME_PUBLIC},      {700, 2000, FB_FRAME_RESERVED},
                  {1024, 1536, FB_FRAME_DATA},  {1030, 1031, FB_FRAME_TABLE},
                  {513, 3001, FB_FRAME_PUBLIC}, {16383, 16384, FB_FRAME_KERNEL}};
    for (unsigned k = 0; k < sizeof(ranges) / sizeof(ranges[0]); k++)
        frame_boot_type(ranges[k].lo, ranges[k].hi, ranges[k].type);
    u64 all = 0;
    for (frame_t run = 0; run < MACHINE_FRAMES; run += 512) {
        u64 sum = 0;
        for (frame_t f = run; f < run + 512; f++)
            sum += large_unit(frame_type(f));
        CHECK(large_head(run, 1)->word == sum);
        all += sum;
    }
    CHECK(large_head(0, 2)->word == all);
    CHECK(frame_type(2999) == FB_FRAME_PUBLIC && frame_type(3001) == FB_FRAME_DATA);
    CHECK(frame_records_bytes(MACHINE_FRAMES) >= MACHINE_FRAMES * 16 + 33 * 16);
}

/* Verify which types may be mapped and how. */
static void
test_map_when_type_forbids_then_inuse(void)
{
    machine_init();
    static const enum fb_frame_type secret[] = {FB_FRAME_RESERVED, FB_FRAME_ROOT,
                                                FB_FRAME_CAPTAB, FB_FRAME_OBJECT,
                                                FB_FRAME_KERNEL};
    for (unsigned i = 0; i < 5; i++) {
        frame_boot_type(RUN1, RUN1 + 1, secret[i]);
        CHECK(frame_map(RUN1, 0, false) == -FB_E_INUSE);
        CHECK(frame_map(RUN1, 0, true) == -FB_E_INUSE);
        CHECK(frame_map(RUN1, 1, false) == -FB_E_INUSE);
        CHECK(frame_pin(RUN1) == -FB_E_INUSE);
        CHECK(frame_link(RUN1) == -FB_E_INUSE);
    }
    frame_boot_type(RUN1, RUN1 + 1, FB_FRAME_PUBLIC);
    CHECK(frame_map(RUN1, 0, true) == -FB_E_INUSE && frame_map(RUN1, 0, false) == 0);
    CHECK(frame_add_write(RUN1, 0) == -FB_E_INUSE);
    CHECK(frame_map(RUN1, 1, true) == -FB_E_INUSE && frame_map(RUN1, 1, false) == 0);
    CHECK(frame_add_write(RUN1, 1) == -FB_E_INUSE);
    CHECK(!frame_unmap(RUN1, 1, false) && frame_unmap(RUN1, 0, false));
}

/* Verify that the last 4 KiB mapping, and only that, is reported. */
static void
test_unmap_when_last_then_true(void)
{
    machine_init();
    CHECK(frame_map(70, 0, true) == 0 && frame_map(70, 0, false) == 0);
    CHECK(!frame_unmap(70, 0, true));
    CHECK(frame_add_write(70, 0) == 0);
    CHECK(FB_FRAME_WMAPS(frame_records[70].word) == 1);
    frame_drop_write(70, 0);
    CHECK(frame_unmap(70, 0, false));
    CHECK(frame_records[70].word == FB_FRAME_DATA);
}

/* Verify that each count refuses to overflow. */
static void
test_counts_when_full_then_count(void)
{
    machine_init();
    frame_records[70].word += FRAME_MAPS_FULL;
    CHECK(frame_map(70, 0, false) == -FB_E_COUNT &&
          frame_map(70, 0, true) == -FB_E_COUNT);
    CHECK(!frame_has_room(&frame_records[70]) && frame_has_room(&frame_records[71]));
    frame_records[70].word -= FRAME_MAP_ONE;
    CHECK(frame_map(70, 0, true) == 0);
    for (unsigned i = 0; i < 4095; i++)
        CHECK(frame_pin(71) == 0);
    CHECK(frame_pin(71) == -FB_E_COUNT);
    frame_unpin(71);
    CHECK(frame_pin(71) == 0);
    for (unsigned i = 0; i < 8191; i++)
        CHECK(frame_map(RUN1, 1, true) == 0);
    CHECK(frame_map(RUN1, 1, false) == -FB_E_COUNT);
    CHECK(!frame_unmap(RUN1, 1, true));
    CHECK(frame_map(RUN1, 1, false) == 0);
}

/* Verify that a frame that is mapped for writing or pinned does not change its type, and
 * one for reading not to a secret one. */
static void
test_give_when_in_use_then_inuse(void)
{
    machine_init();
    CHECK(frame_map(70, 0, true) == 0);
    CHECK(frame_give(70, FB_FRAME_TABLE) == -FB_E_INUSE);
    CHECK(frame_pin(71) == 0 && frame_give(71, FB_FRAME_OBJECT) == -FB_E_INUSE);
    CHECK(frame_map(72, 0, false) == 0 && frame_give(72, FB_FRAME_ROOT) == -FB_E_INUSE);
    CHECK(frame_give(72, FB_FRAME_TABLE) == 0);
    CHECK(frame_give(73, FB_FRAME_CAPTAB) == 0 &&
          frame_give(73, FB_FRAME_TABLE) == -FB_E_INUSE);
    CHECK(frame_link(74) == 0 && frame_link(74) == -FB_E_INUSE &&
          frame_give(74, FB_FRAME_ROOT) == -FB_E_INUSE);
    CHECK(frame_map(74, 0, true) == -FB_E_INUSE);
    CHECK(frame_map(RUN1, 1, true) == 0 &&
          frame_give(RUN1 + 5, FB_FRAME_TABLE) == -FB_E_INUSE);
    CHECK(frame_map(RUN1 + 512, 1, false) == 0 &&
          frame_give(RUN1 + 513, FB_FRAME_ROOT) == -FB_E_INUSE);
    CHECK(frame_link(RUN1 + 513) == 0);
    CHECK(frame_map(RUN1 + 512, 1, true) == -FB_E_INUSE &&
          frame_add_write(RUN1 + 512, 1) == -FB_E_INUSE);
}

/* Verify that clean tables, which anybody may have left behind, become DATA when 2 MiB
 * around them are to be written, and that linked ones among them still refuse. */
static void
test_large_map_when_clean_tables_then_data(void)
{
    machine_init();
    CHECK(frame_give(RUN1 + 1, FB_FRAME_TABLE) == 0 && frame_link(RUN1 + 7) == 0);
    CHECK(frame_map(RUN1, 1, true) == -FB_E_BUSY);
    CHECK(frame_type(RUN1 + 1) == FB_FRAME_DATA &&
          frame_map(RUN1, 1, true) == -FB_E_INUSE);
    frame_unlink(RUN1 + 7);
    int error, tries = 0;
    while ((error = frame_map(RUN1, 1, true)) == -FB_E_BUSY && tries++ < 8) {
        (void)epoch_next();
        machine_other_flushes();
    }
    CHECK(error == 0 && frame_type(RUN1 + 7) == FB_FRAME_DATA);
}

/* Verify that a run is given as a whole or not at all, contents included. */
static void
test_give_run_when_one_fails_then_none(void)
{
    machine_init();
    memset(frame_ptr(80), 0x5a, 8 * PAGE_SIZE);
    CHECK(frame_pin(85) == 0 && frame_give(82, FB_FRAME_TABLE) == 0);
    u64 head = large_head(80, 1)->word;
    CHECK(frame_give_run(80, 8, FB_FRAME_OBJECT) == -FB_E_INUSE);
    CHECK(frame_type(80) == FB_FRAME_DATA && frame_type(82) == FB_FRAME_TABLE &&
          large_head(80, 1)->word == head);
    CHECK(*(u8 *)frame_ptr(80) == 0x5a);
    frame_unpin(85);
    CHECK(frame_give_run(80, 8, FB_FRAME_OBJECT) == 0);
    for (frame_t f = 80; f < 88; f++)
        CHECK(frame_type(f) == FB_FRAME_OBJECT && is_zero(f));
    for (frame_t f = 80; f < 88; f++) {
        *(u64 *)frame_ptr(f) = 1;
        frame_take_back(f);
        CHECK(frame_type(f) == FB_FRAME_DATA && is_zero(f));
    }
    CHECK(large_head(80, 1)->word == 64 * LARGE_SECRET);
}

/* Verify F1: after a writable mapping went, the frame becomes a table only when both CPUs
 * have flushed. */
static void
test_give_when_translation_may_be_left_then_flush(void)
{
    machine_init();
    CHECK(frame_map(70, 0, true) == 0 && frame_unmap(70, 0, true));
    CHECK(frame_map(RUN1, 1, true) == 0 && !frame_unmap(RUN1, 1, true));
    CHECK(frame_give(70, FB_FRAME_TABLE) == -FB_E_FLUSH &&
          frame_type(70) == FB_FRAME_DATA);
    CHECK(frame_give(RUN1 + 7, FB_FRAME_TABLE) == -FB_E_FLUSH);
    CHECK(frame_map(70, 0, true) == 0 &&
          frame_unmap(70, 0, true)); /* writing goes on as before */
    epoch_next();
    CHECK(frame_give(70, FB_FRAME_TABLE) == -FB_E_FLUSH);
    machine_other_flushes();
    CHECK(frame_give(70, FB_FRAME_TABLE) == 0 && is_zero(70));
    CHECK(frame_give(RUN1 + 7, FB_FRAME_TABLE) == 0);
    CHECK(frame_map(71, 0, false) == 0 && frame_unmap(71, 0, false));
    CHECK(frame_give(71, FB_FRAME_TABLE) == 0); /* a read-only one leaves no danger */
}

/* Verify F7: a former node is written again only when no CPU can hold it as a node, as a
 * page of either size. */
static void
test_map_when_node_was_taken_back_then_busy_until_flush(void)
{
    machine_init();
    CHECK(frame_link(RUN1 + 3) == 0);
    frame_take_back(RUN1 + 3);
    CHECK(frame_type(RUN1 + 3) == FB_FRAME_DATA);
    CHECK(frame_map(RUN1 + 3, 0, true) == -FB_E_BUSY && machine_kicks);
    CHECK(frame_map(RUN1, 1, true) == -FB_E_BUSY && frame_pin(RUN1 + 3) == -FB_E_BUSY);
    CHECK(frame_map(RUN1 + 3, 0, false) == 0 && frame_map(RUN1, 1, false) == 0);
    CHECK(frame_add_write(RUN1 + 3, 0) == -FB_E_BUSY &&
          frame_add_write(RUN1, 1) == -FB_E_BUSY);
    machine_other_flushes();
    CHECK(frame_add_write(RUN1 + 3, 0) == 0 && frame_add_write(RUN1, 1) == 0);
    CHECK(frame_map(RUN1 + 3, 0, true) == 0 && frame_map(RUN1, 1, true) == 0 &&
          frame_pin(RUN1 + 3) == 0);
}

/* Verify that a clean table is linked again without clearing, and becomes DATA when it is
 * written. */
static void
test_table_when_clean_then_links_or_becomes_data(void)
{
    machine_init();
    CHECK(frame_link(70) == 0);
    frame_unlink(70);
    CHECK(frame_type(70) == FB_FRAME_TABLE && frame_records[70].flags == 0);
    CHECK(frame_link(70) == -FB_E_FLUSH && frame_map(70, 0, true) == -FB_E_BUSY);
    CHECK(frame_map(70, 0, false) == 0 && frame_type(70) == FB_FRAME_TABLE);
    machine_other_flushes();
    CHECK(frame_link(70) == 0);
    frame_unlink(70);
    CHECK(frame_add_write(70, 0) == -FB_E_BUSY);
    machine_other_flushes();
    CHECK(frame_add_write(70, 0) == 0 && frame_type(70) == FB_FRAME_DATA);
    CHECK(large_head(70, 1)->word == 64 * LARGE_SECRET);
    CHECK(frame_give(71, FB_FRAME_TABLE) == 0 && frame_pin(71) == 0 &&
          frame_type(71) == FB_FRAME_DATA);
    CHECK(frame_give(72, FB_FRAME_TABLE) == 0 && frame_give(72, FB_FRAME_TABLE) == 0);
    CHECK(frame_give(72, FB_FRAME_ROOT) == 0 &&
          large_head(72, 1)->word == 65 * LARGE_SECRET);
    frame_take_back(72);
    CHECK(frame_give(73, FB_FRAME_TABLE) == 0);
    frame_take_back(73);
    CHECK(frame_type(73) == FB_FRAME_DATA &&
          large_head(72, 1)->word == 64 * LARGE_SECRET);
}

/* Verify that stamps work where the epoch's low half wraps, and that an ancient one does
 * not block for ever. */
static void
test_stamp_when_epoch_wraps_then_still_ordered(void)
{
    machine_init();
    record->epoch = 0xffffffffull - 1;
    machine_other_flushes();
    for (unsigned i = 0; i < 4; i++) {
        CHECK(frame_map(70, 0, true) == 0 && frame_unmap(70, 0, true) &&
              frame_records[70].stamp != 0);
        epoch_next();
        CHECK(frame_give(70, FB_FRAME_TABLE) == -FB_E_FLUSH);
        epoch_next();
        machine_other_flushes();
        CHECK(frame_give(70, FB_FRAME_TABLE) == 0);
        frame_take_back(70);
        epoch_next();
        machine_other_flushes();
    }
    CHECK(frame_map(70, 0, true) == 0 && frame_unmap(70, 0, true));
    record->epoch += 0x80000100ull;
    machine_other_flushes();
    CHECK(frame_give(70, FB_FRAME_TABLE) == 0);
}

/* ---- threads ---- */
#define THREADS 4
#define ROUNDS 60000
#define SHARED 8u /* frames that all threads fight for */
static unsigned gives, maps_done;

/* While a thread has a writable mapping the frame must be DATA; while it has a linked
 * table nobody may have one. */
static void *
fight(void *argument)
{
    u64 seed = (u64)(uintptr_t)argument * 0x9e3779b97f4a7c15ull + 1;
    for (unsigned i = 0; i < ROUNDS; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        frame_t f = RUN1 + (seed >> 40) % SHARED;
        bool write = seed >> 33 & 1;
        unsigned level = (seed >> 50) % 16 == 0;
        int error;
        switch (seed >> 60 & 3) {
        case 0:
        case 1:
            if (level)
                f = RUN1;
            error = frame_map(f, level, write);
            CHECK(error == 0 || error == -FB_E_INUSE || error == -FB_E_BUSY);
            if (error)
                break;
            __atomic_fetch_add(&maps_done, 1, __ATOMIC_RELAXED);
            if (write && level)
                for (frame_t k = RUN1; k < RUN1 + SHARED; k++)
                    CHECK(frame_type(k) == FB_FRAME_DATA ||
                          frame_type(k) == FB_FRAME_KERNEL);
            if (write && !level)
                CHECK(frame_type(f) == FB_FRAME_DATA);
            frame_unmap(f, level, write);
            break;
        case 2:
            error = frame_link(f);
            CHECK(error == 0 || error == -FB_E_INUSE || error == -FB_E_BUSY ||
                  error == -FB_E_FLUSH);
            if (error)
                break;
            __atomic_fetch_add(&gives, 1, __ATOMIC_RELAXED);
            u64 word = __atomic_load_n(&frame_records[f].word, __ATOMIC_ACQUIRE);
            CHECK(FB_FRAME_TYPE(word) == FB_FRAME_TABLE && FB_FRAME_WMAPS(word) == 0 &&
                  FB_FRAME_PINS(word) == 1);
            CHECK((large_head(f, 1)->word / LARGE_WMAP & 0x1fff) == 0);
            if (seed >> 34 & 1)
                frame_unlink(f);
            else
                frame_take_back(f);
            break;
        default:
            if (frame_pin(f) == 0) {
                CHECK(frame_type(f) == FB_FRAME_DATA);
                frame_unpin(f);
            }
        }
    }
    return NULL;
}

/* Verify that four threads that map, link, pin and take back the same frames never break
 * F1..F6. */
static void
test_words_when_four_threads_then_invariants_hold(void)
{
    machine_init();
    /* The other CPU is gone and this one is always up to date: flushes are not what is
     * tested here. */
    cpu_by_id(1)->online = 0;
    this_cpu()->epoch = ~0ull >> 1;
    pthread_t thread[THREADS];
    for (u64 i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread[i], NULL, fight, (void *)(uintptr_t)(i + 1)) == 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    epoch_next();
    printf("# %u tables, %u mappings\n", gives, maps_done);
    CHECK(gives > 100 && maps_done > 100);
    for (frame_t f = RUN1; f < RUN1 + SHARED; f++) {
        if (frame_type(f) == FB_FRAME_TABLE)
            frame_take_back(f);
        CHECK(frame_records[f].word == FB_FRAME_DATA);
    }
    CHECK(large_head(RUN1, 1)->word == 0 &&
          large_head(RUN1, 2)->word == 64 * LARGE_SECRET);
}

int
main(void)
{
    RUN(test_any_when_no_record_then_range);
    RUN(test_boot_type_when_ranges_overlap_then_heads_agree);
    RUN(test_map_when_type_forbids_then_inuse);
    RUN(test_unmap_when_last_then_true);
    RUN(test_counts_when_full_then_count);
    RUN(test_large_map_when_clean_tables_then_data);
    RUN(test_give_when_in_use_then_inuse);
    RUN(test_give_run_when_one_fails_then_none);
    RUN(test_give_when_translation_may_be_left_then_flush);
    RUN(test_map_when_node_was_taken_back_then_busy_until_flush);
    RUN(test_table_when_clean_then_links_or_becomes_data);
    RUN(test_stamp_when_epoch_wraps_then_still_ordered);
    RUN(test_words_when_four_threads_then_invariants_hold);
    return test_failures != 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Heads of large runs, and the arrays' birth.
 *
 * Each frame has two heads, one of its 2 MiB run and one of its 1 GiB run.  A head counts
 * what its frames are and how often the run is mapped as one page; F3 is kept because
 * both stand in one word.
 */
#include "frame/count.h"

#define RUN_SHIFT(level) (9 * (level))
#define LARGE_COUNT_MAX 0x1fffull /* of mappings */
#define LARGE_FIELD_FRAMES 0x7ffffull

struct fb_frame_record *frame_records;
u64 frame_count;
static struct frame_large *heads[3]; /* [I] by level; [0] unused */

static u64
runs(u64 frames, unsigned level)
{
    return (frames + (1ull << RUN_SHIFT(level)) - 1) >> RUN_SHIFT(level);
}

struct frame_large *
large_head(frame_t f, unsigned level)
{
    return &heads[level][f >> RUN_SHIFT(level)];
}

u64
frame_records_bytes(u64 frames)
{
    u64 bytes = frames * sizeof(struct fb_frame_record) +
                (runs(frames, 1) + runs(frames, 2)) * sizeof(struct frame_large);
    return (bytes + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

/* The number of frames of the run around f that have records. */
static u64
run_frames(frame_t f, unsigned level)
{
    frame_t lo = f >> RUN_SHIFT(level) << RUN_SHIFT(level);
    u64 all = 1ull << RUN_SHIFT(level);
    return frame_count - lo < all ? frame_count - lo : all;
}

/* Zeroed records are RESERVED ones without counts: only the heads must be written. */
void
frame_init(void *memory, u64 frames)
{
    _Static_assert(FB_FRAME_RESERVED == 0, "zeroed records are RESERVED");
    frame_records = memory;
    frame_count = frames;
    heads[1] = (struct frame_large *)(frame_records + frames);
    heads[2] = heads[1] + runs(frames, 1);
    for (unsigned level = 1; level <= 2; level++)
        for (u64 i = 0; i < runs(frames, level); i++)
            heads[level][i].word = run_frames(i << RUN_SHIFT(level), level) *
                                   LARGE_SECRET;
}

/* What the frames [lo, hi) count as in a head of theirs: added up only where the run is
 * not secret as a whole. */
static u64
old_units(frame_t lo, frame_t hi)
{
    u64 units = 0;
    if (large_head(lo, 1)->word == run_frames(lo, 1) * LARGE_SECRET)
        return (hi - lo) * LARGE_SECRET;
    for (frame_t f = lo; f < hi; f++)
        units += large_unit(frame_type(f));
    return units;
}

/* Cost: about 1.5 instructions a frame where all were RESERVED, as at boot. */
void
frame_boot_type(frame_t lo, frame_t hi, enum fb_frame_type type)
{
    ASSERT(lo <= hi && hi <= frame_count);
    while (lo < hi) {
        frame_t stop = (lo | ((1ull << RUN_SHIFT(1)) - 1)) + 1;
        if (stop > hi)
            stop = hi;
        u64 delta = (stop - lo) * large_unit(type) - old_units(lo, stop);
        large_head(lo, 1)->word += delta;
        large_head(lo, 2)->word += delta;
        struct fb_frame_record *r = frame_record(lo), *end = frame_record(stop);
        for (; end - r >= 8; r += 8) {
            r[0].word = r[1].word = r[2].word = r[3].word = type;
            r[4].word = r[5].word = r[6].word = r[7].word = type;
        }
        for (; r < end; r++)
            r->word = type;
        lo = stop;
    }
}

/* Writable mappings exclude typed frames, any mappings exclude secret ones. */
static int
head_enter(struct frame_large *head, u64 unit)
{
    u64 word = __atomic_load_n(&head->word, __ATOMIC_RELAXED);
    for (int i = 0; i < FRAME_TRIES; i++) {
        if (unit == LARGE_SECRET ? word >= LARGE_WMAP
                                 : (word / LARGE_WMAP & LARGE_COUNT_MAX) != 0)
            return -FB_E_INUSE;
        if (__atomic_compare_exchange_n(&head->word, &word, word + unit, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return 0;
    }
    return -FB_E_BUSY;
}

int
large_enter(frame_t f, u64 unit)
{
    if (unit == 0)
        return 0;
    int error = head_enter(large_head(f, 1), unit);
    if (error)
        return error;
    error = head_enter(large_head(f, 2), unit);
    if (error)
        __atomic_fetch_sub(&large_head(f, 1)->word, unit, __ATOMIC_ACQ_REL);
    return error;
}

void
large_leave(frame_t f, u64 unit)
{
    if (unit == 0)
        return;
    __atomic_fetch_sub(&large_head(f, 1)->word, unit, __ATOMIC_ACQ_REL);
    __atomic_fetch_sub(&large_head(f, 2)->word, unit, __ATOMIC_ACQ_REL);
}

void
large_make_stale(frame_t f)
{
    frame_stamp(&large_head(f, 1)->stale);
    frame_stamp(&large_head(f, 2)->stale);
}

int
large_map(frame_t f, unsigned level, u64 delta, bool write)
{
    u64 size = 1ull << RUN_SHIFT(level);
    ASSERT((f & (size - 1)) == 0);
    if (f >= frame_count || frame_count - f < size)
        return -FB_E_RANGE;
    struct frame_large *head = large_head(f, level);
    u64 word = __atomic_load_n(&head->word, __ATOMIC_RELAXED);
    for (int i = 0; i < FRAME_TRIES; i++) {
        if (word / LARGE_SECRET & LARGE_FIELD_FRAMES ||
            (write && (word & LARGE_FIELD_FRAMES)))
            return -FB_E_INUSE;
        if (delta >= LARGE_MAP && word / LARGE_MAP == LARGE_COUNT_MAX)
            return -FB_E_COUNT;
        if (!__atomic_compare_exchange_n(&head->word, &word, word + delta, false,
                                         __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            continue;
        /* From here on no frame of the run can become a table, so `stale` stands still
         * (F7). */
        if (!write || frame_stamp_passed(&head->stale, true))
            return 0;
        __atomic_fetch_sub(&head->word, delta, __ATOMIC_ACQ_REL);
        break;
    }
    return -FB_E_BUSY;
}

void
large_unmap(frame_t f, unsigned level, u64 delta, bool write)
{
    struct frame_large *head = large_head(f, level);
    if (write)
        frame_stamp(&head->stamp);
    u64 word = __atomic_fetch_sub(&head->word, delta, __ATOMIC_ACQ_REL);
    ASSERT(word / LARGE_MAP != 0);
}

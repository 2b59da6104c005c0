/* SPDX-License-Identifier: MIT */
/*
 * Counting 4 KiB mappings: the hot path of frame/, inline, for frame/ and space/ alone.
 *
 * A word changes by compare-and-swap where its type must be looked at, and by a plain
 * atomic addition where the caller's own count already keeps the type what it is.
 */
#ifndef KERNEL_FRAME_COUNT_H
#define KERNEL_FRAME_COUNT_H

#include "base/cpu.h"
#include "base/epoch.h"
#include "base/panic.h"
#include "frame/frame.h"

#define FRAME_PIN_ONE (1ull << 4)
#define FRAME_WMAP_ONE (1ull << 16)
#define FRAME_MAP_ONE (1ull << 40)
#define FRAME_PINS_MAX 0xfffull
#define FRAME_TABLE_LOCK (1ull << 15) /* of a TABLE: the highest bit of its pins */
/* A word at or above this has no room; the distance to 2^24 covers additions that other
 * CPUs make at this moment. */
#define FRAME_MAPS_FULL (0xffff00ull << 40)
#define FRAME_TRIES 64 /* compare-and-swaps until BUSY */

/* Add `delta` (of the above) to the word of f: everything that is not the straight case.
 */
int frame_count_in(frame_t f, u64 delta, bool write) MUST_CHECK;

static inline struct fb_frame_record *
frame_record(frame_t f)
{
    return &frame_records[f];
}

/* A writable translation was removed before this call: the epoch after the current one
 * covers it.  The old stamp is loaded before the epoch, so what is stored is never behind
 * what another CPU stored.  A failed swap means that another CPU stored a newer epoch, so
 * tries are bounded by the epochs that begin meanwhile. */
static inline void
frame_stamp(u32 *stamp)
{
    for (;;) {
        u32 old = __atomic_load_n(stamp, __ATOMIC_ACQUIRE);
        u32 next = (u32)__atomic_load_n(&record->epoch, __ATOMIC_ACQUIRE);
        next++;            /* epoch_now(), inline, and one */
        next += next == 0; /* 0 means never */
        if (old == next ||
            __atomic_compare_exchange_n(stamp, &old, next, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED))
            return;
    }
}

/* The straight case of frame_count_in: a DATA frame with room, by its record. */
static inline int
frame_count_there(struct fb_frame_record *r, u64 delta, bool write)
{
    u64 word = __atomic_load_n(&r->word, __ATOMIC_RELAXED);
    if (FB_FRAME_TYPE(word) == FB_FRAME_DATA && word < FRAME_MAPS_FULL &&
        __atomic_compare_exchange_n(&r->word, &word, word + delta, false,
                                    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        /* F7.  Looked at only now: once it is counted, the flag cannot change. */
        if (!write || !(__atomic_load_n(&r->flags, __ATOMIC_RELAXED) & FRAME_F_STALE))
            return 0;
        __atomic_fetch_sub(&r->word, delta, __ATOMIC_ACQ_REL);
    }
    return frame_count_in((frame_t)(r - frame_records), delta, write);
}

static inline int
frame_count_page(frame_t f, u64 delta, bool write)
{
    return __builtin_expect(f >= frame_count, 0) ? -FB_E_RANGE
                                                 : frame_count_there(frame_record(f), delta,
                                                                     write);
}

/* What a mapping counts. */
static inline u64
frame_map_one(bool write)
{
    return write ? FRAME_MAP_ONE + FRAME_WMAP_ONE : FRAME_MAP_ONE;
}

static inline int
frame_map_page(frame_t f, bool write)
{
    return frame_count_page(f, frame_map_one(write), write);
}

static inline bool
frame_unmap_page(frame_t f, bool write)
{
    struct fb_frame_record *r = frame_record(f);
    if (write)
        frame_stamp(&r->stamp);
    u64 word = __atomic_fetch_sub(&r->word, frame_map_one(write), __ATOMIC_ACQ_REL);
    ASSERT(FB_FRAME_MAPS(word) != 0);
    return FB_FRAME_MAPS(word) == 1;
}

/* A 4 KiB mapping is no longer writable. */
static inline void
frame_drop_page(frame_t f)
{
    struct fb_frame_record *r = frame_record(f);
    frame_stamp(&r->stamp);
    u64 word = __atomic_fetch_sub(&r->word, FRAME_WMAP_ONE, __ATOMIC_ACQ_REL);
    ASSERT(FB_FRAME_WMAPS(word) != 0);
}

/* Is there room in the count of mappings? */
static inline bool
frame_has_room(const struct fb_frame_record *r)
{
    return __atomic_load_n(&r->word, __ATOMIC_RELAXED) < FRAME_MAPS_FULL;
}

/* Map a page once more that the caller knows to be mapped at least as strongly (it holds
 * that tree's lock), so that the type allows it, and that has room. */
static inline void
frame_map_again(struct fb_frame_record *r, bool write)
{
    __atomic_fetch_add(&r->word, write ? FRAME_MAP_ONE + FRAME_WMAP_ONE : FRAME_MAP_ONE,
                       __ATOMIC_ACQ_REL);
}

/* Copy on write: the caller's writable mapping became a read-only one, and there is one
 * more. */
static inline void
frame_share(struct fb_frame_record *r)
{
    frame_stamp(&r->stamp);
    __atomic_fetch_add(&r->word, FRAME_MAP_ONE - FRAME_WMAP_ONE, __ATOMIC_ACQ_REL);
}

/* ---- large.c: heads of large runs (F3) ---- */
#define LARGE_TYPED 1ull
#define LARGE_SECRET (1ull << 19)
#define LARGE_WMAP (1ull << 38)
#define LARGE_MAP (1ull << 51)

/* What a frame of this type counts as in its heads: 0, LARGE_TYPED or LARGE_SECRET. */
static inline u64
large_unit(enum fb_frame_type type)
{
    if (type == FB_FRAME_DATA)
        return 0;
    return frame_is_readable(type) ? LARGE_TYPED : LARGE_SECRET;
}

struct frame_large *large_head(frame_t f, unsigned level);
/* Count f into, or out of, both its heads; -INUSE: large mappings exclude it, -BUSY. */
int large_enter(frame_t f, u64 unit) MUST_CHECK;
void large_leave(frame_t f, u64 unit);
/* F7: large writable mappings of the runs around f wait for the next epoch. */
void large_make_stale(frame_t f);
int large_map(frame_t f, unsigned level, u64 delta, bool write) MUST_CHECK;
void large_unmap(frame_t f, unsigned level, u64 delta, bool write);

/* Has the stamp's epoch passed on all CPUs?  Brings the own CPU there; if `ask`, asks the
 * others. */
bool frame_stamp_passed(const u32 *stamp, bool ask);

#endif

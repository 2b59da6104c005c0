/* SPDX-License-Identifier: MIT */
/*
 * Frame records: counting, and changes of type.
 *
 * A change of type has three steps: frame_claim checks everything and makes the frame
 * KERNEL (F6), then contents are cleared, then frame_commit gives the new type.  The
 * stamp is looked at after the claim: before it, another CPU could map, write and unmap
 * the frame, and leave the word as it was.
 */
#include "frame/count.h"

#define TYPE_STEP(from, to) ((u64)(to) - (u64)(from)) /* added to a word */

static void
zero_frame(frame_t f)
{
    void *p = frame_ptr(f);
    u64 n = PAGE_SIZE / 8;
    __asm__ volatile("rep stosq" : "+D"(p), "+c"(n) : "a"(0ull) : "memory");
}

bool
frame_stamp_passed(const u32 *stamp, bool ask)
{
    u32 s = __atomic_load_n(stamp, __ATOMIC_ACQUIRE);
    if (s == 0 || epoch_stamp_seen(s))
        return true;
    u64 epoch = epoch_now();
    if ((int32_t)((u32)epoch - s) < 0)
        epoch = epoch_next();
    if (epoch_seen(epoch))
        return true;
    if (ask)
        epoch_ask(~0ull, epoch);
    return false;
}

/* F1: has every translation gone that could write to f, as a page of any size? */
static bool
translations_gone(frame_t f)
{
    return frame_stamp_passed(&frame_record(f)->stamp, false) &&
           frame_stamp_passed(&large_head(f, 1)->stamp, false) &&
           frame_stamp_passed(&large_head(f, 2)->stamp, false);
}

static void
frame_unclaim(frame_t f, enum fb_frame_type to)
{
    struct fb_frame_record *r = frame_record(f);
    enum fb_frame_type from = r->flags & FRAME_F_WAS_TABLE ? FB_FRAME_TABLE
                                                           : FB_FRAME_DATA;
    __atomic_store_n(&r->flags, r->flags & FRAME_F_STALE, __ATOMIC_RELAXED);
    __atomic_fetch_add(&r->word, TYPE_STEP(FB_FRAME_KERNEL, from), __ATOMIC_RELEASE);
    large_leave(f, large_unit(to));
}

/* Take f out of everybody's reach, so that frame_commit(f, to) can follow. */
static int
frame_claim(frame_t f, enum fb_frame_type to)
{
    if (f >= frame_count)
        return -FB_E_RANGE;
    struct fb_frame_record *r = frame_record(f);
    u64 unit = large_unit(to);
    int error = large_enter(f, unit);
    if (error)
        return error;
    u64 word = __atomic_load_n(&r->word, __ATOMIC_ACQUIRE);
    for (int i = 0; i < FRAME_TRIES; i++) {
        enum fb_frame_type from = (enum fb_frame_type)FB_FRAME_TYPE(word);
        error = -FB_E_INUSE;
        /* To DATA only a table goes: a DATA frame would be cleared for nothing. */
        if ((from != FB_FRAME_DATA || to == FB_FRAME_DATA) && from != FB_FRAME_TABLE)
            goto leave;
        if (FB_FRAME_PINS(word) || FB_FRAME_WMAPS(word) ||
            (unit == LARGE_SECRET && FB_FRAME_MAPS(word)))
            goto leave;
        error = -FB_E_BUSY;
        if (!__atomic_compare_exchange_n(&r->word, &word,
                                         word + TYPE_STEP(from, FB_FRAME_KERNEL), false,
                                         __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            continue;
        u16 flags = r->flags & FRAME_F_STALE;
        if (from == FB_FRAME_TABLE)
            flags |= FRAME_F_WAS_TABLE;
        __atomic_store_n(&r->flags, flags, __ATOMIC_RELAXED);
        if (translations_gone(f))
            return 0;
        frame_unclaim(f, to);
        return -FB_E_FLUSH;
    }
leave:
    large_leave(f, unit);
    return error;
}

/* The claimed frame gets its type; `pin` makes it a linked table (F5). */
static void
frame_commit(frame_t f, enum fb_frame_type to, bool pin)
{
    struct fb_frame_record *r = frame_record(f);
    bool was_table = r->flags & FRAME_F_WAS_TABLE;
    if (!was_table)
        zero_frame(f);
    r->used = 0;
    __atomic_store_n(&r->stamp, 0, __ATOMIC_RELAXED); /* its epoch has passed */
    __atomic_store_n(&r->flags, pin ? FB_FRAME_F_LINKED : 0, __ATOMIC_RELAXED);
    __atomic_fetch_add(&r->word,
                       TYPE_STEP(FB_FRAME_KERNEL, to) + (pin ? FRAME_PIN_ONE : 0),
                       __ATOMIC_RELEASE);
    if (was_table)
        large_leave(f, LARGE_TYPED);
}

int
frame_give(frame_t f, enum fb_frame_type to)
{
    return frame_give_run(f, 1, to);
}

int
frame_give_run(frame_t f, u64 n, enum fb_frame_type to)
{
    if (f >= frame_count || n > 64 || frame_count - f < n)
        return -FB_E_RANGE;
    for (u64 i = 0; i < n; i++) {
        int error = frame_claim(f + i, to);
        if (error) {
            while (i-- > 0)
                frame_unclaim(f + i, to);
            return error;
        }
    }
    for (u64 i = 0; i < n; i++)
        frame_commit(f + i, to, false);
    return 0;
}

/* A clean TABLE is linked by its pin alone (F5): it stands in its heads as a TABLE already,
 * so that no large page could be mapped over it, and nobody could write it.  What may be
 * left of its last link are entries in the CPUs' caches of paging structures: its stamp
 * says whether they have gone, and is looked at when the pin keeps all others out.  False:
 * it is none, or others are at it. */
static bool
link_clean(frame_t f, int *error)
{
    struct fb_frame_record *r = frame_record(f);
    u64 word = __atomic_load_n(&r->word, __ATOMIC_ACQUIRE);
    if (FB_FRAME_TYPE(word) != FB_FRAME_TABLE || FB_FRAME_PINS(word) ||
        !__atomic_compare_exchange_n(&r->word, &word, word + FRAME_PIN_ONE, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return false;
    *error = frame_stamp_passed(&r->stamp, false) ? 0 : -FB_E_FLUSH;
    if (*error) {
        __atomic_fetch_sub(&r->word, FRAME_PIN_ONE, __ATOMIC_ACQ_REL);
        return true;
    }
    ASSERT(r->used == 0);
    __atomic_store_n(&r->stamp, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&r->flags, FB_FRAME_F_LINKED, __ATOMIC_RELAXED);
    return true;
}

int
frame_link(frame_t f)
{
    int error;
    if (f < frame_count && link_clean(f, &error))
        return error;
    error = frame_claim(f, FB_FRAME_TABLE);
    if (!error)
        frame_commit(f, FB_FRAME_TABLE, true);
    return error;
}

void
frame_unlink(frame_t f)
{
    struct fb_frame_record *r = frame_record(f);
    ASSERT(r->used == 0);
    frame_stamp(&r->stamp);
    __atomic_store_n(&r->flags, 0, __ATOMIC_RELAXED);
    u64 word = __atomic_fetch_sub(&r->word, FRAME_PIN_ONE, __ATOMIC_ACQ_REL);
    ASSERT(FB_FRAME_TYPE(word) == FB_FRAME_TABLE && FB_FRAME_PINS(word) == 1);
}

int
frame_table_add(frame_t f)
{
    struct fb_frame_record *r = frame_record(f);
    u64 word = __atomic_load_n(&r->word, __ATOMIC_ACQUIRE);
    for (int i = 0; i < FRAME_TRIES; i++) {
        if (word & FRAME_TABLE_LOCK)
            break;
        if (FB_FRAME_PARENTS(word) == FB_FRAME_PARENTS(~0ull))
            return -FB_E_COUNT;
        if (__atomic_compare_exchange_n(&r->word, &word, word + FRAME_PIN_ONE, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return 0;
    }
    return -FB_E_BUSY;
}

int
frame_table_lock(frame_t f)
{
    struct fb_frame_record *r = frame_record(f);
    u64 word = __atomic_load_n(&r->word, __ATOMIC_ACQUIRE);
    for (int i = 0; i < FRAME_TRIES; i++) {
        if (word & FRAME_TABLE_LOCK)
            break;
        if (FB_FRAME_PARENTS(word) == 1)
            return 1;
        if (__atomic_compare_exchange_n(&r->word, &word, word | FRAME_TABLE_LOCK, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return 0;
    }
    return -FB_E_BUSY;
}

void
frame_table_unlock(frame_t f, bool leave)
{
    u64 delta = leave ? FRAME_TABLE_LOCK + FRAME_PIN_ONE : FRAME_TABLE_LOCK;
    u64 word = __atomic_fetch_sub(&frame_record(f)->word, delta, __ATOMIC_ACQ_REL);
    ASSERT((word & FRAME_TABLE_LOCK) && FB_FRAME_PARENTS(word) > leave);
}

void
frame_take_back(frame_t f)
{
    struct fb_frame_record *r = frame_record(f);
    u64 word = __atomic_load_n(&r->word, __ATOMIC_ACQUIRE);
    enum fb_frame_type from = (enum fb_frame_type)FB_FRAME_TYPE(word);
    if (from == FB_FRAME_TABLE && FB_FRAME_PINS(word) == 0) {
        /* A clean table, as good as DATA: if its epoch has not passed, frame_map turns it
         * later. */
        if (frame_claim(f, FB_FRAME_DATA) == 0)
            frame_commit(f, FB_FRAME_DATA, false);
        return;
    }
    ASSERT(from == FB_FRAME_TABLE || from == FB_FRAME_ROOT || from == FB_FRAME_CAPTAB ||
           from == FB_FRAME_OBJECT || from == FB_FRAME_DOMAIN_RECORD);
    if (from != FB_FRAME_TABLE)
        zero_frame(f);
    else
        ASSERT(r->used == 0);
    frame_stamp(&r->stamp);
    large_make_stale(f);
    r->used = 0;
    __atomic_store_n(&r->flags, FRAME_F_STALE, __ATOMIC_RELAXED);
    __atomic_fetch_add(
        &r->word, TYPE_STEP(from, FB_FRAME_DATA) - FB_FRAME_PINS(word) * FRAME_PIN_ONE,
        __ATOMIC_RELEASE);
    large_leave(f, large_unit(from));
}

/* A clean table that is to be written becomes DATA. */
static int
table_to_data(frame_t f)
{
    int error = frame_claim(f, FB_FRAME_DATA);
    if (error == 0)
        frame_commit(f, FB_FRAME_DATA, false);
    else if (error == -FB_E_FLUSH) /* ask, and let the caller repeat */
        error = frame_stamp_passed(&frame_record(f)->stamp, true) ? 0 : -FB_E_BUSY;
    else if (frame_type(f) == FB_FRAME_DATA) /* another CPU did it */
        error = 0;
    return error;
}

int
frame_count_in(frame_t f, u64 delta, bool write)
{
    if (f >= frame_count)
        return -FB_E_RANGE;
    struct fb_frame_record *r = frame_record(f);
    for (int i = 0; i < FRAME_TRIES; i++) {
        u64 word = __atomic_load_n(&r->word, __ATOMIC_ACQUIRE);
        enum fb_frame_type type = (enum fb_frame_type)FB_FRAME_TYPE(word);
        if (type == FB_FRAME_TABLE && write) {
            int error = table_to_data(f);
            if (error)
                return error;
            continue;
        }
        if (type != FB_FRAME_DATA &&
            (write || !frame_is_readable(type)))
            return -FB_E_INUSE;
        if (delta >= FRAME_MAP_ONE
                ? word >= FRAME_MAPS_FULL
                : delta == FRAME_PIN_ONE && FB_FRAME_PINS(word) == FRAME_PINS_MAX)
            return -FB_E_COUNT;
        if (!__atomic_compare_exchange_n(&r->word, &word, word + delta, false,
                                         __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            continue;
        /* F7; no give can come between now that it is counted. */
        if (!write || !(__atomic_load_n(&r->flags, __ATOMIC_RELAXED) & FRAME_F_STALE) ||
            frame_stamp_passed(&r->stamp, true))
            return 0;
        __atomic_fetch_sub(&r->word, delta, __ATOMIC_ACQ_REL);
        break;
    }
    return -FB_E_BUSY;
}

/* Clean tables keep nobody from writing 2 MiB that they lie in: they become DATA, and the
 * caller repeats.  1 GiB has too many frames for one call: it takes the pieces first. */
static int
map_large(frame_t f, unsigned level, u64 delta, bool write)
{
    int error = large_map(f, level, delta, write);
    if (error != -FB_E_INUSE || !write || level != 1)
        return error;
    for (frame_t i = f; i < f + 512; i++) {
        u64 word = __atomic_load_n(&frame_record(i)->word, __ATOMIC_RELAXED);
        if (FB_FRAME_TYPE(word) != FB_FRAME_TABLE || FB_FRAME_PINS(word))
            continue;
        error = table_to_data(i);
        if (error)
            return error;
        error = -FB_E_BUSY;
    }
    return error;
}

int
frame_map(frame_t f, unsigned level, bool write)
{
    if (level == 0)
        return frame_map_page(f, write);
    return map_large(f, level, write ? LARGE_MAP + LARGE_WMAP : LARGE_MAP, write);
}

bool
frame_unmap(frame_t f, unsigned level, bool write)
{
    if (level == 0)
        return frame_unmap_page(f, write);
    large_unmap(f, level, write ? LARGE_MAP + LARGE_WMAP : LARGE_MAP, write);
    return false;
}

int
frame_add_write(frame_t f, unsigned level)
{
    if (level == 0)
        return frame_count_page(f, FRAME_WMAP_ONE, true);
    return map_large(f, level, LARGE_WMAP, true);
}

void
frame_drop_write(frame_t f, unsigned level)
{
    if (level == 0)
        frame_drop_page(f);
    else
        large_unmap(f, level, LARGE_WMAP, true);
}

int
frame_pin(frame_t f)
{
    return frame_count_in(f, FRAME_PIN_ONE, true);
}

void
frame_unpin(frame_t f)
{
    u64 word = __atomic_fetch_sub(&frame_record(f)->word, FRAME_PIN_ONE,
                                  __ATOMIC_ACQ_REL);
    ASSERT(FB_FRAME_TYPE(word) == FB_FRAME_DATA && FB_FRAME_PINS(word) != 0);
}

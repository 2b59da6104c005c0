/* SPDX-License-Identifier: MIT */
/*
 * Frames: a buddy allocator (Knowlton, 1965) under a small cache of single frames for
 * each vCPU. G1-G3 in page.h.
 *
 * B1. page_states[f] <= PAGE_MAX_ORDER exactly for the heads of free blocks; such a block
 *     is aligned to its size, and its buddy
 *     is not free at the same order.
 * B2. A free block's list link is in its first 16 bytes, in the direct map; frames in a
 *     cache are PAGE_USED.  Runs in a cache may be of an edge: only core takes them.
 * B3. A block of 2 MiB that the direct map does not have as one large page (an edge)
 *     counts as mapped for each of its frames, so
 *     that the kernel never reports the last mapping gone: its frames are core's own
 *     (page_alloc_core_run), which are not mapped elsewhere.
 * B4. The state of a frame in use is PAGE_USED and the number of its holders beyond the
 *     first (G4); only holders change it, so who finds PAGE_USED is the only one.
 * Lock: buddy_lock, taken under nothing but a queue's or a room's spinlock; nothing is
 * taken under it.
 */
#include "core/page.h"

#include <abi/layout.h>

#include "core/chunk.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/page_state.h"
#include "core/string.h"
#include "core/thread.h"

u64 page_states;
frame_t page_first, page_end;

static struct spinlock buddy_lock = SPINLOCK_INIT;
/* Whole blocks of 2 MiB, and edges (B3). */
enum { WHOLE, EDGE, ZONES }; /* then ZONE_CHUNK, ZONE_GONE: not of the buddies */
struct zone {
    struct list free_lists[PAGE_MAX_ORDER + 1]; /* [buddy_lock] */
    u64 free;                                   /* [buddy_lock] without the caches */
};
static struct zone zones[ZONES];
/* [I] by 2 MiB from page_first on: WHOLE or EDGE */
static u8 *zone_of_block;
static u64 total_frames;                        /* [buddy_lock] */
static u64 scarce_below;                        /* [I] free frames of WHOLE */
static struct lcpu_cache caches[FB_CPUS_MAX];

u64
page_cap(frame_t f)
{
    static u32 last; /* a hint: most memory is one range */
    const struct machine_range *hint = &machine_memory[__atomic_load_n(&last,
                                                                       __ATOMIC_RELAXED)];
    if (__builtin_expect(f - hint->lo < hint->hi - hint->lo, 1))
        return hint->cap;
    if (page_is_chunks(f))
        return chunk_cap(f);
    for (u32 i = 0; i < machine_memory_ranges; i++)
        if (f >= machine_memory[i].lo && f < machine_memory[i].hi) {
            __atomic_store_n(&last, i, __ATOMIC_RELAXED);
            return machine_memory[i].cap;
        }
    libos_panic("frame %lx is not ours", f);
}

u64
page_maps(frame_t f)
{
    return machine_frame_maps(f);
}

static inline u8
zone_index(frame_t f)
{
    return zone_of_block[(f >> 9) - (page_first >> 9)];
}

bool
page_is_chunks(frame_t f)
{
    return zone_index(f) >= ZONE_CHUNK;
}

void
page_set_zone(frame_t lo, frame_t hi, u8 zone)
{
    memset(&zone_of_block[(lo >> 9) - (page_first >> 9)], zone, (hi - lo) >> 9);
}

bool
page_base_is_scarce(void)
{
    return __atomic_load_n(&zones[WHOLE].free, __ATOMIC_RELAXED) < scarce_below;
}

/* B1 for one block; merges it with its buddies as far as they are free. */
static void
free_block_locked(frame_t f, unsigned order)
{
    u8 zone = zone_index(f);
    zones[zone].free += 1ull << order;
    while (order < PAGE_MAX_ORDER) {
        frame_t buddy = f ^ (1ull << order);
        if (buddy < page_first || buddy >= page_end || *page_state(buddy) != order ||
            zone_index(buddy) != zone)
            break;
        list_remove(page_ptr(buddy));
        *page_state(buddy) = PAGE_USED;
        f &= ~(1ull << order);
        order++;
    }
    *page_state(f) = (u8)order;
    struct list *link = page_ptr(f);
    list_push_front(&zones[zone].free_lists[order], link);
}

static frame_t
take_block_locked(struct zone *z, unsigned order)
{
    unsigned from = order;
    while (from <= PAGE_MAX_ORDER && list_empty(&z->free_lists[from]))
        from++;
    if (from > PAGE_MAX_ORDER)
        return FRAME_NONE;
    struct list *link = z->free_lists[from].next;
    list_remove(link);
    frame_t f = page_frame(link);
    ASSERT(*page_state(f) == from);
    *page_state(f) = PAGE_USED;
    while (from > order) {
        from--;
        frame_t half = f + (1ull << from);
        *page_state(half) = (u8)from;
        list_push_front(&z->free_lists[from], (struct list *)page_ptr(half));
    }
    z->free -= 1ull << order;
    return f;
}

frame_t
page_alloc_run(unsigned order)
{
    ASSERT(order <= PAGE_MAX_ORDER);
    spin_lock(&buddy_lock);
    frame_t f = take_block_locked(&zones[WHOLE], order);
    spin_unlock(&buddy_lock);
    return f;
}

frame_t
page_alloc_core_run(unsigned order)
{
    ASSERT(order <= PAGE_MAX_ORDER);
    struct lcpu_cache *c = lcpu_current()->caches;
    if (order == RUN_ORDER && c->runs != 0)
        return c->run[--c->runs];
    spin_lock(&buddy_lock);
    frame_t f = take_block_locked(&zones[EDGE], order);
    if (f == FRAME_NONE)
        f = take_block_locked(&zones[WHOLE], order);
    spin_unlock(&buddy_lock);
    return f;
}

void
page_free_run(frame_t f, unsigned order)
{
    ASSERT(order <= PAGE_MAX_ORDER && f >= page_first && f + (1ull << order) <= page_end);
    ASSERT((f & ((1ull << order) - 1)) == 0 && *page_state(f) == PAGE_USED);
    struct lcpu_cache *c = lcpu_current()->caches;
    if (order == RUN_ORDER && c->runs < RUN_CACHE) {
        c->run[c->runs++] = f;
        return;
    }
    spin_lock(&buddy_lock);
    free_block_locked(f, order);
    spin_unlock(&buddy_lock);
}

void
page_free_large(frame_t f)
{
    bool alone = true;
    for (u32 i = 0; alone && i < 512; i++)
        alone = page_alone(f + i);
    if (alone) {
        page_free_run(f, 9);
        return;
    }
    for (u32 i = 0; i < 512; i++)
        page_free(f + i);
}

/* Blocks of the smallest order that there is go in back to front: frames that are asked
 * for one after another then lie one behind the other as far as memory is in one piece,
 * and a file or an area of them is mapped in runs. */
static void
fill_cache_locked(struct lcpu_cache *c)
{
    struct zone *z = &zones[WHOLE];
    while (c->pages < PAGE_CACHE / 2) {
        unsigned order = 0;
        while (2u << order <= PAGE_CACHE / 2 - c->pages && list_empty(&z->free_lists[order]))
            order++;
        frame_t f = take_block_locked(z, order);
        if (f == FRAME_NONE)
            break;
        for (u32 i = 1u << order; i-- > 0;)
            c->page[c->pages++] = f + i;
    }
}

frame_t
page_alloc(void)
{
    struct lcpu_cache *c = lcpu_current()->caches;
    if (__builtin_expect(c->pages == 0, 0)) {
        spin_lock(&buddy_lock);
        fill_cache_locked(c);
        spin_unlock(&buddy_lock);
        if (c->pages == 0)
            return FRAME_NONE;
    }
    return c->page[--c->pages];
}

frame_t
page_alloc_zeroed(void)
{
    frame_t f = page_alloc();
    if (f != FRAME_NONE)
        page_clear(page_ptr(f));
    return f;
}

/* A frame of an edge, or one that has no room in the cache any more. */
static __attribute__((noinline)) void
free_past_cache(struct lcpu_cache *c, frame_t f)
{
    if (page_is_chunks(f)) {
        chunk_free(f);
        return;
    }
    if (zone_index(f) != WHOLE) {
        page_free_run(f, 0);
        return;
    }
    spin_lock(&buddy_lock);
    while (c->pages > PAGE_CACHE / 2)
        free_block_locked(c->page[--c->pages], 0);
    spin_unlock(&buddy_lock);
    c->page[c->pages++] = f;
}

void
page_free(frame_t f)
{
    ASSERT(f - page_first < page_end - page_first);
    u8 now = __atomic_load_n(page_state(f), __ATOMIC_ACQUIRE);
    if (__builtin_expect(now != PAGE_USED, 0)) {
        ASSERT(now > PAGE_USED); /* as it was: other holders may let go meanwhile */
        page_unshare(f);         /* comes back if we are the last one after all (B4) */
        return;
    }
    struct lcpu_cache *c = lcpu_current()->caches;
    if (__builtin_expect(zone_index(f) != WHOLE || c->pages == PAGE_CACHE, 0))
        free_past_cache(c, f);
    else
        c->page[c->pages++] = f;
}

/* Frees [lo, hi) in the largest aligned blocks. */
static void
free_range_locked(frame_t lo, frame_t hi)
{
    while (lo < hi) {
        unsigned order = PAGE_MAX_ORDER;
        while ((lo & ((1ull << order) - 1)) || lo + (1ull << order) > hi)
            order--;
        free_block_locked(lo, order);
        lo += 1ull << order;
    }
}

void
page_release_range(frame_t lo, frame_t hi)
{
    spin_lock(&buddy_lock);
    for (frame_t f = lo; f < hi; f++) {
        ASSERT(*page_state(f) == PAGE_OUTSIDE || *page_state(f) == PAGE_USED);
        *page_state(f) = PAGE_USED;
    }
    total_frames += hi - lo;
    free_range_locked(lo, hi);
    spin_unlock(&buddy_lock);
}

bool
page_adopt(frame_t f)
{
    if (zone_index(f) != WHOLE)
        return false;
    spin_lock(&buddy_lock);
    *page_state(f) = PAGE_USED;
    total_frames++;
    spin_unlock(&buddy_lock);
    return true;
}

void
page_count(struct page_counts *out)
{
    spin_lock(&buddy_lock);
    out->total = total_frames;
    out->free = zones[WHOLE].free + zones[EDGE].free;
    spin_unlock(&buddy_lock);
    chunk_count(&out->total, &out->free);
    for (u32 i = 0; i < lcpu_count; i++) {
        struct lcpu_cache *c = lcpus[i].caches;
        if (!c)
            continue;
        out->free += __atomic_load_n(&c->pages, __ATOMIC_RELAXED);
        out->free += (u64)__atomic_load_n(&c->runs, __ATOMIC_RELAXED) << RUN_ORDER;
    }
    page_count_tables(out);
}

void
page_init_lcpu(struct lcpu *c)
{
    c->caches = &caches[c->id];
}

/* The end of the part of [lo, hi) that starts at lo and is all used or all free; *is_used
 * says which. */
static frame_t
run_end(frame_t lo, frame_t hi, const struct fb_range *used, u32 nused, bool *is_used)
{
    frame_t end = hi;
    *is_used = false;
    for (u32 i = 0; i < nused; i++) {
        if (used[i].lo <= lo && lo < used[i].hi) {
            *is_used = true;
            return MIN(hi, used[i].hi);
        }
        if (used[i].lo > lo && used[i].lo < end)
            end = used[i].lo;
    }
    return end;
}

typedef bool (*run_fn)(frame_t lo, frame_t hi, u64 need);

static bool
each_free_run(const struct fb_range *used, u32 nused, run_fn fn, u64 need)
{
    for (u32 i = 0; i < machine_memory_ranges; i++) {
        frame_t at = machine_memory[i].lo;
        while (at < machine_memory[i].hi) {
            bool is_used;
            frame_t end = run_end(at, machine_memory[i].hi, used, nused, &is_used);
            if (!is_used && fn(at, end, need))
                return true;
            at = end;
        }
    }
    return false;
}

/* B3: is it in the direct map as one large page? The steward maps what lies whole in a
 * range of memory so, and leaves out what it
 * used itself; of a used range that covers the block nothing is known, but the archive's
 * is mapped like other memory. */
static bool
is_whole_block(frame_t first, const struct fb_range *used, u32 nused)
{
    frame_t end = first + 512;
    for (u32 i = 0; i < nused; i++)
        if (used[i].lo < end && used[i].hi > first && (used[i].lo > first ||
                                                       used[i].hi < end))
            return false;
    for (u32 i = 0; i < machine_memory_ranges; i++)
        if (machine_memory[i].lo <= first && end <= machine_memory[i].hi)
            return true;
    return false;
}

static frame_t states_at, states_end; /* where the state bytes are */

static bool
place_states(frame_t lo, frame_t hi, u64 need)
{
    if (hi - lo < need)
        return false;
    states_at = lo;
    states_end = lo + need;
    return true;
}

static bool
free_run(frame_t lo, frame_t hi, u64 need)
{
    (void)need;
    /* the run that holds the state bytes, at its start */
    if (lo < states_end && hi > states_at) {
        lo = states_end;
        total_frames += states_end - states_at;
    }
    memset(page_state(lo), PAGE_USED, hi - lo);
    total_frames += hi - lo;
    free_range_locked(lo, hi);
    return false;
}

void
page_init(const struct fb_range *used, u32 nused)
{
    for (unsigned z = 0; z < ZONES; z++)
        for (unsigned i = 0; i <= PAGE_MAX_ORDER; i++)
            list_init(&zones[z].free_lists[i]);
    machine_memory_bounds(&page_first, &page_end);
    for (u32 i = 0; i < machine_memory_ranges; i++) {
        page_first = MIN(page_first, machine_memory[i].lo);
        page_end = MAX(page_end, machine_memory[i].hi);
    }
    ASSERT(page_first < page_end);
    u64 blocks = ((page_end + 511) >> 9) - (page_first >> 9);
    u64 need = PAGE_UP(page_end - page_first + blocks) >> PAGE_SHIFT;
    if (!each_free_run(used, nused, place_states, need))
        libos_panic("no memory for %lu frame states", page_end - page_first);
    page_states = (u64)page_ptr(states_at) - page_first;
    memset(page_state(page_first), PAGE_OUTSIDE, page_end - page_first);
    zone_of_block = page_state(page_end);
    for (u64 i = 0; i < blocks; i++)
        zone_of_block[i] = is_whole_block(((page_first >> 9) + i) << 9, used,
                                          nused) ? WHOLE : EDGE;
    memset(page_state(states_at), PAGE_USED, need);
    each_free_run(used, nused, free_run, 0);
    scarce_below = zones[WHOLE].free / 4;
}

/* SPDX-License-Identifier: MIT */
/* The steward's view of memory: free intervals, its own pool, and mapping into windows.
 */
#include "steward/steward.h"

#include <sdk/stubs.h>

#define CHUNK       512ull /* frames of 2 MiB */
#define POOL_FRAMES 512ull
#define CLEAR_PLACE 6u

struct ranges free_memory;
static u64 pool_next, pool_end;

static void
insert_range(struct ranges *set, u64 lo, u64 hi)
{
    u32 at = 0;

    if (lo >= hi)
        return;
    while (at < set->count && set->r[at].lo < lo)
        at++;
    if (at > 0 && set->r[at - 1].hi == lo) {
        set->r[at - 1].hi = hi;
        if (at < set->count && set->r[at].lo == hi) {
            set->r[at - 1].hi = set->r[at].hi;
            memmove(&set->r[at], &set->r[at + 1],
                    (set->count - at - 1) * sizeof(set->r[0]));
            set->count--;
        }
        return;
    }
    if (at < set->count && set->r[at].lo == hi) {
        set->r[at].lo = lo;
        return;
    }
    if (set->count == RANGES_MAX) {
        say("memory is in too many pieces: %lu frames at %lx are lost", hi - lo,
            lo << 12);
        return;
    }
    memmove(&set->r[at + 1], &set->r[at], (set->count - at) * sizeof(set->r[0]));
    set->r[at] = (struct fb_range){ lo, hi };
    set->count++;
}

void
memory_init(void)
{
    u32 best = 0;

    for (u32 i = 0; i < BOOT->nfree; i++)
        insert_range(&free_memory, BOOT->free[i].lo, BOOT->free[i].hi);
    if (free_memory.count == 0)
        give_up("the machine has no free memory");
    for (u32 i = 1; i < free_memory.count; i++)
        if (free_memory.r[i].hi - free_memory.r[i].lo >
            free_memory.r[best].hi - free_memory.r[best].lo)
            best = i;
    struct fb_range *r = &free_memory.r[best];
    if (r->hi - r->lo < 2 * POOL_FRAMES)
        give_up("the machine has too little memory: %lu KiB are free",
                (r->hi - r->lo) * 4);
    /* From the upper end, whole 2 MiB, so that the rest stays in large pages. */
    pool_end = r->hi;
    pool_next = (r->hi - POOL_FRAMES) & ~(CHUNK - 1);
    r->hi = pool_next;
}

u64
memory_total(void)
{
    u64 n = 0;

    for (u32 i = 0; i < free_memory.count; i++)
        n += free_memory.r[i].hi - free_memory.r[i].lo;
    return n;
}

bool
memory_take(u64 frames, struct ranges *out)
{
    bool all = frames == MEMORY_ALL;
    struct ranges left = { 0 };

    memset(out, 0, sizeof(*out));
    frames = all ? memory_total() : (frames + CHUNK - 1) & ~(CHUNK - 1);
    if (frames > memory_total() || frames == 0)
        return false;
    for (u32 i = 0; i < free_memory.count; i++) {
        struct fb_range r = free_memory.r[i];
        u64 n = r.hi - r.lo;
        if (frames > 0 && out->count < INSTANCE_RANGES - 2 && (all || n >= CHUNK)) {
            u64 take = n < frames ? n : frames;
            insert_range(out, r.hi - take, r.hi);
            r.hi -= take;
            frames -= take;
        }
        insert_range(&left, r.lo, r.hi);
    }
    if (frames > 0 && !all)
        return false;
    free_memory = left;
    return true;
}

void
memory_give_back(const struct ranges *taken)
{
    for (u32 i = 0; i < taken->count; i++)
        insert_range(&free_memory, taken->r[i].lo, taken->r[i].hi);
}

/* By small pages, which make data frames of the nodes that it had ready (clean_tables). */
bool
memory_clear(u64 frame, u64 frames)
{
    u64 va = OWN_FREE + CLEAR_PLACE * (CHUNK * PAGE);

    for (u64 n; frames > 0; frames -= n, frame += n) {
        n = frames < 256 ? frames : 256;
        long error = window_map(0, va, BOOT->cap_memory, frame, n,
                                FB_MAP_READ | FB_MAP_WRITE, NULL);
        if (!error)
            memset((void *)va, 0, n * PAGE);
        window_unmap(0, va, n);
        if (error)
            return false;
    }
    return true;
}

bool
memory_take_piece(u64 frames, struct fb_range *out)
{
    for (u32 i = free_memory.count; i-- > 0;) {
        struct fb_range r = free_memory.r[i];
        u64 hi = r.hi & ~(CHUNK - 1);
        if (hi < frames || hi - frames < r.lo)
            continue;
        *out = (struct fb_range){ hi - frames, hi };
        memmove(&free_memory.r[i], &free_memory.r[i + 1],
                (free_memory.count - i - 1) * sizeof(r));
        free_memory.count--;
        insert_range(&free_memory, r.lo, hi - frames);
        insert_range(&free_memory, hi, r.hi);
        return true;
    }
    return false;
}

u64
pool_frame(void)
{
    if (pool_next == pool_end)
        give_up("the steward's memory pool is used up");
    return pool_next++;
}

static long
link_node(u64 domain, u64 va, u64 level, struct node_source *nodes)
{
    u64 cap = BOOT->cap_memory;
    u64 frame = nodes ? (nodes->next < nodes->end ? nodes->next++ : 0) : pool_frame();

    if (frame == 0)
        return -FB_E_FULL;
    long error;
    while ((error = fb_space_table(domain, va, level, cap, frame, NULL)) == -FB_E_BUSY ||
           error == -FB_E_FLUSH)
        fb_tlb_flush(~0ul, 0, NULL);
    return error;
}

/* Page-table nodes that a LibOS had ready, and never linked again, are still of that type
 * when its memory comes back; the first mapping for writing makes each a data frame, but
 * only a small page does.  True: there were some in these 2 MiB. */
static bool
clean_tables(u64 frame)
{
    u64 va = OWN_FREE + 5 * (CHUNK * PAGE), at = va + PAGE * CHUNK / 2;
    bool some = false;

    if (window_map(0, va, BOOT->cap_kernel_read, BOOT->records_frame + frame / 256, 2,
                   FB_MAP_READ, NULL) != 0)
        return false;
    const struct fb_frame_record *records = (const void *)va;
    for (u64 k = 0; k < CHUNK; k++) {
        if (FB_FRAME_TYPE(records[k].word) != FB_FRAME_TABLE ||
            FB_FRAME_PINS(records[k].word) != 0)
            continue;
        if (window_map(0, at, BOOT->cap_memory, frame + k, 1, FB_MAP_READ | FB_MAP_WRITE,
                       NULL) != 0)
            continue;
        window_unmap(0, at, 1);
        some = true;
    }
    window_unmap(0, va, 2);
    return some;
}

long
window_map(u64 domain, u64 va, u64 cap, u64 frame, u64 pages, u32 flags,
           struct node_source *nodes)
{
    while (pages > 0) {
        u64 done = 0, size = 1;
        u32 use = flags;
        if (va % (CHUNK * PAGE) == 0 && frame % CHUNK == 0 && pages >= CHUNK &&
            !(flags & FB_MAP_EXEC)) {
            size = CHUNK;
            use |= FB_MAP_2M;
        }
        /* Small pages only up to the next place where a large one fits. */
        u64 count = size == CHUNK ? pages / CHUNK : pages;
        u64 to_chunk = CHUNK - frame % CHUNK;
        if (size == 1 && count > to_chunk)
            count = to_chunk;
        long error = fb_space_map(domain, va, cap, frame, use, count, &done);
        u64 level = done >> 56; /* of the missing node */
        done &= ~0ull >> 8;
        va += done * size * PAGE;
        frame += done * size;
        pages -= done * size;
        if (error == -FB_E_NOTABLE)
            error = link_node(domain, va, level, nodes);
        if (error == -FB_E_INUSE && size == CHUNK && clean_tables(frame))
            continue;
        if (error == -FB_E_FLUSH)
            fb_tlb_flush(~0ul, 0, NULL);
        else if (error && error != -FB_E_RESUME && error != -FB_E_BUSY)
            return error;
    }
    return 0;
}

long
window_unmap(u64 domain, u64 va, u64 pages)
{
    while (pages > 0) {
        u64 value = 0;
        long error = fb_space_unmap(domain, va, pages, 0, 0, 512, &value);
        u64 done = value & ((1ull << 40) - 1);
        va += done * PAGE;
        pages -= done;
        if (error && error != -FB_E_RESUME && error != -FB_E_BUSY)
            return error;
    }
    return 0;
}

void *
own_map(unsigned place, u64 cap, u64 frame, u64 pages, bool write)
{
    u64 va = OWN_FREE + place * (CHUNK * PAGE);
    long error = window_map(0, va, cap, frame, pages,
                            FB_MAP_READ | (write ? FB_MAP_WRITE : 0), NULL);

    if (error)
        give_up("cannot map %lu frames at %lx: %s", pages, frame, fb_error_name(error));
    return (void *)va;
}

const void *
own_look(unsigned place, u64 frame)
{
    u64 va = OWN_FREE + place * (CHUNK * PAGE);

    return window_map(0, va, BOOT->cap_memory, frame, 1, FB_MAP_READ, NULL) == 0
               ? (const void *)va
               : NULL;
}

void
own_unmap(unsigned place, u64 pages)
{
    window_unmap(0, OWN_FREE + place * (CHUNK * PAGE), pages);
}

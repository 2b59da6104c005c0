/* SPDX-License-Identifier: MIT */
/* Chunks: core/chunk.h.  The free frames of each are a stack of their numbers within it,
 * and those from `fresh` on, which were never used: single frames alone, so that giving
 * and taking is O(1) and no block has to be put together. */
#include "core/chunk.h"

#include "core/error.h"
#include "core/heap.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/page.h"
#include "core/page_state.h"
#include "core/string.h"

struct chunk {
    u64 cap; /* 0: no chunk is here */
    frame_t lo, hi;
    u32 *free;
    u64 nfree, fresh;
    bool open;
};
static struct spinlock chunk_lock = SPINLOCK_INIT;
static struct chunk chunks[CHUNKS]; /* [chunk_lock] */
static u64 used_frames;             /* [chunk_lock] of all of them */
static u32 next_chunk;              /* [chunk_lock] where there were free frames last */
static const u64 no_changes;
const u64 *chunk_changes = &no_changes;
u64 chunk_handled, chunk_losses;

static frame_t
pop_locked(struct chunk *c)
{
    if (!c->open || (c->nfree == 0 && c->lo + c->fresh == c->hi))
        return FRAME_NONE;
    frame_t f = c->lo + (c->nfree ? c->free[--c->nfree] : c->fresh++);
    used_frames++;
    ASSERT(*page_state(f) == PAGE_IN_CHUNK);
    *page_state(f) = PAGE_USED;
    return f;
}

static frame_t
chunk_alloc(void)
{
    frame_t f = FRAME_NONE;
    spin_lock(&chunk_lock);
    for (u32 n = 0; n < CHUNKS && f == FRAME_NONE; n++) {
        f = pop_locked(&chunks[next_chunk]);
        if (f == FRAME_NONE)
            next_chunk = (next_chunk + 1) % CHUNKS;
    }
    spin_unlock(&chunk_lock);
    return f;
}

frame_t
page_alloc_movable(void)
{
    if (__builtin_expect(!page_base_is_scarce(), 1))
        return page_alloc();
    frame_t f = chunk_settled() ? chunk_alloc() : FRAME_NONE;
    return f != FRAME_NONE ? f : page_alloc();
}

frame_t
page_alloc_movable_zeroed(void)
{
    frame_t f = page_alloc_movable();
    if (f != FRAME_NONE)
        page_clear(page_ptr(f));
    return f;
}

static struct chunk *
chunk_of_locked(frame_t f)
{
    for (u32 k = 0; k < CHUNKS; k++)
        if (f >= chunks[k].lo && f < chunks[k].hi)
            return &chunks[k];
    return NULL;
}

void
chunk_free(frame_t f)
{
    spin_lock(&chunk_lock);
    struct chunk *c = chunk_of_locked(f);
    if (c && *page_state(f) == PAGE_USED) { /* else H3 */
        *page_state(f) = PAGE_IN_CHUNK;
        c->free[c->nfree++] = (u32)(f - c->lo);
        used_frames--;
    }
    spin_unlock(&chunk_lock);
}

u64
chunk_cap(frame_t f)
{
    spin_lock(&chunk_lock);
    struct chunk *c = chunk_of_locked(f);
    u64 cap = c ? c->cap : 0;
    spin_unlock(&chunk_lock);
    return cap;
}

bool
chunk_any_in_use(void)
{
    return __atomic_load_n(&used_frames, __ATOMIC_RELAXED) != 0;
}

u64
chunk_cap_in_use(u32 k)
{
    const struct chunk *c = &chunks[k];
    if (!__atomic_load_n(&c->cap, __ATOMIC_RELAXED))
        return 0;
    spin_lock(&chunk_lock);
    u64 cap = c->nfree < c->fresh ? c->cap : 0;
    spin_unlock(&chunk_lock);
    return cap;
}

void
chunk_count(u64 *total, u64 *free)
{
    spin_lock(&chunk_lock);
    for (u32 k = 0; k < CHUNKS; k++) {
        *total += chunks[k].hi - chunks[k].lo;
        *free += chunks[k].hi - chunks[k].lo - chunks[k].fresh + chunks[k].nfree;
    }
    spin_unlock(&chunk_lock);
}

int
chunk_add(u32 k, u64 cap, frame_t lo, frame_t hi)
{
    u64 n = hi - lo;
    for (frame_t f = lo; f < hi; f++)
        if (*page_state(f) > PAGE_USED)
            return -E_BUSY; /* H3: a pipe still holds it, from before it was taken */
    u32 *list = heap_alloc(n * sizeof(*list));
    if (!list)
        return -E_NOMEM;
    memset(page_state(lo), PAGE_IN_CHUNK, n);
    page_set_zone(lo, hi, ZONE_CHUNK);
    spin_lock(&chunk_lock);
    ASSERT(chunks[k].cap == 0);
    chunks[k] = (struct chunk){ cap, lo, hi, list, 0, 0, true };
    spin_unlock(&chunk_lock);
    return 0;
}

static void
set_open(u32 k, bool open)
{
    spin_lock(&chunk_lock);
    chunks[k].open = open;
    spin_unlock(&chunk_lock);
}

void
chunk_close(u32 k)
{
    set_open(k, false);
}

void
chunk_open(u32 k)
{
    set_open(k, true);
}

void
chunk_remove(u32 k)
{
    spin_lock(&chunk_lock);
    struct chunk c = chunks[k];
    used_frames -= c.fresh - c.nfree;
    chunks[k] = (struct chunk){ 0 };
    page_set_zone(c.lo, c.hi, ZONE_GONE);
    spin_unlock(&chunk_lock);
    heap_free(c.free);
}

void
chunk_info(u32 k, struct chunk_info *out)
{
    spin_lock(&chunk_lock);
    const struct chunk *c = &chunks[k];
    *out = (struct chunk_info){ c->cap, c->lo, c->hi, c->fresh - c->nfree };
    spin_unlock(&chunk_lock);
}

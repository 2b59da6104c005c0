/* SPDX-License-Identifier: MIT */
/*
 * Frames for the kernel: page-table nodes and root pairs, out of chunks of 2 MiB that
 * have left the writable direct map (G2).
 *
 * P1. A chunk returns to the allocator when memory is short and all of it is free: sealing
 *     it again costs a flush of all CPUs.
 * P2. Nodes' chunks stay readable, so that mmu_query reads page tables; a root is not
 *     readable for anyone.
 * P3. The stack of a chunk holds its free units; the unit freed last is given first, as
 *     it is clean and in the caches.
 * Lock: pool_lock.  It is dropped while a chunk is made.
 */
#include <abi/layout.h>

#include "core/heap.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/page.h"
#include "core/page_state.h"

#define CHUNK_ORDER 9u
#define CHUNK_FRAMES (1u << CHUNK_ORDER)

struct chunk {
    struct list link; /* in pool->usable while nfree > 0 */
    frame_t first;
    u32 nfree;
    u16 stack[CHUNK_FRAMES];
};
struct pool {
    struct list usable; /* [pool_lock] */
    u64 frames, free;   /* [pool_lock] */
    u32 unit;           /* frames that are given at a time */
    bool readable;
};

static struct spinlock pool_lock = SPINLOCK_INIT;
static struct pool tables = { .unit = 1, .readable = true };
static struct pool roots = { .unit = 2, .readable = false };
static struct chunk **chunk_map; /* by (frame - map_base) / CHUNK_FRAMES */
static frame_t map_base;

void
table_pool_init(void)
{
    list_init(&tables.usable);
    list_init(&roots.usable);
    map_base = page_first & ~(u64)(CHUNK_FRAMES - 1);
    u64 chunks = (page_end - map_base + CHUNK_FRAMES - 1) / CHUNK_FRAMES;
    chunk_map = heap_alloc_zeroed(chunks * sizeof(*chunk_map));
    ASSERT(chunk_map);
}

static void
pool_add(struct pool *p, struct chunk *c)
{
    spin_lock(&pool_lock);
    chunk_map[(c->first - map_base) / CHUNK_FRAMES] = c;
    list_push_back(&p->usable, &c->link);
    p->frames += CHUNK_FRAMES;
    p->free += CHUNK_FRAMES;
    spin_unlock(&pool_lock);
}

static bool
pool_grow(struct pool *p)
{
    struct chunk *c = heap_alloc(sizeof(*c));
    if (!c)
        return false;
    c->first = page_alloc_run(CHUNK_ORDER);
    if (c->first == FRAME_NONE) {
        heap_free(c);
        return false;
    }
    if (machine_seal(c->first, p->readable) != 0) {
        page_free_run(c->first, CHUNK_ORDER);
        heap_free(c);
        return false;
    }
    *page_state(c->first) = PAGE_TABLE;
    c->nfree = CHUNK_FRAMES / p->unit;
    for (u32 i = 0; i < c->nfree; i++)
        c->stack[i] = (u16)((c->nfree - 1 - i) * p->unit);
    pool_add(p, c);
    return true;
}

static frame_t
pool_take(struct pool *p)
{
    for (;;) {
        spin_lock(&pool_lock);
        if (!list_empty(&p->usable)) {
            struct chunk *c = container_of(p->usable.next, struct chunk, link);
            frame_t f = c->first + c->stack[--c->nfree];
            if (c->nfree == 0)
                list_remove(&c->link);
            p->free -= p->unit;
            spin_unlock(&pool_lock);
            return f;
        }
        spin_unlock(&pool_lock);
        if (!pool_grow(p))
            return FRAME_NONE;
    }
}

static void
pool_give(struct pool *p, frame_t f)
{
    struct chunk *c = chunk_map[(f - map_base) / CHUNK_FRAMES];
    ASSERT(c && f >= c->first && f < c->first + CHUNK_FRAMES);
    spin_lock(&pool_lock);
    ASSERT(c->nfree < CHUNK_FRAMES / p->unit);
    if (c->nfree == 0)
        list_push_front(&p->usable, &c->link);
    c->stack[c->nfree++] = (u16)(f - c->first);
    p->free += p->unit;
    spin_unlock(&pool_lock);
}

frame_t
page_table_alloc(void)
{
    return pool_take(&tables);
}

void
page_table_free(frame_t f)
{
    pool_give(&tables, f);
}

frame_t
page_root_alloc(void)
{
    return pool_take(&roots);
}

void
page_root_free(frame_t f)
{
    pool_give(&roots, f);
}

void
page_count_tables(struct page_counts *out)
{
    spin_lock(&pool_lock);
    out->tables = tables.frames + roots.frames;
    out->tables_free = tables.free + roots.free;
    out->table_chunks = out->tables / CHUNK_FRAMES;
    spin_unlock(&pool_lock);
}

/* Take a chunk that is all free out of the pool; NULL: there is none. */
static struct chunk *
pool_shrink(struct pool *p)
{
    struct chunk *found = NULL;
    spin_lock(&pool_lock);
    list_for_each(it, &p->usable) {
        struct chunk *c = container_of(it, struct chunk, link);
        if (c->nfree == CHUNK_FRAMES / p->unit) {
            found = c;
            break;
        }
    }
    if (found) {
        list_remove(&found->link);
        chunk_map[(found->first - map_base) / CHUNK_FRAMES] = NULL;
        p->frames -= CHUNK_FRAMES;
        p->free -= CHUNK_FRAMES;
    }
    spin_unlock(&pool_lock);
    return found;
}

static u64
give_back(struct pool *p)
{
    u64 given = 0;
    for (struct chunk *c; (c = pool_shrink(p)) != NULL; given += CHUNK_FRAMES) {
        if (machine_unseal(c->first, p->readable) != 0) {
            pool_add(p, c);
            break;
        }
        *page_state(c->first) = PAGE_USED;
        page_free_run(c->first, CHUNK_ORDER);
        heap_free(c);
    }
    return given;
}

u64
page_tables_give_back(void)
{
    return give_back(&tables) + give_back(&roots);
}

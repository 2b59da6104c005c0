/* SPDX-License-Identifier: MIT */
/*
 * What an instance can be asked back: chunks of memory and positions of slice vectors,
 * each a capability of its own, and the page that lists them (sdk/reclaim.h).
 *
 * K1. chunk[k].own is a capability of the steward's over the chunk, derived from all
 *     memory; the instance's is below it.  So the chunk has gone from the instance when
 *     nothing is below it any more, and revoking it takes the chunk and nothing else.
 * K2. A chunk is in free_memory or in exactly one instance's list.
 */
#include "steward/steward.h"

#include <sdk/stubs.h>

#define PIECE 512ull /* frames of 2 MiB */
#define CHUNK_GRANT                                                                      \
    FB_AUTH(FB_CLASS_ROOT, FB_KIND_MEMORY_PHYS,                                          \
            FB_RIGHT_READ | FB_RIGHT_WRITE | FB_RIGHT_EXEC | FB_RIGHT_GIVE |             \
                FB_RIGHT_DERIVE | FB_RIGHT_REVOKE)
#define DEFAULT_CHUNKS 16u
#define REST           2048ull /* frames that must stay in no chunk beside them */

static u64
total(const struct ranges *set)
{
    u64 n = 0;
    for (u32 k = 0; k < set->count; k++)
        n += set->r[k].hi - set->r[k].lo;
    return n;
}

/* As the manifest says; of `memory all` the last eighth, in 16 pieces. */
static void
choose_size(const struct instance *i, u64 *size, u64 *count)
{
    u64 part = total(&i->memory) / 8;

    *size = i->what->chunk / PAGE;
    *count = i->what->chunks;
    if (i->what->memory != MEMORY_ALL || *count != 0)
        return;
    *size = part / DEFAULT_CHUNKS & ~(PIECE - 1);
    *size = *size ? *size : PIECE;
    *count = part / *size < DEFAULT_CHUNKS ? part / *size : DEFAULT_CHUNKS;
}

/* From the lower end of its largest interval: at the upper end are the kernel's tables. */
bool
reclaim_carve(struct instance *i)
{
    struct ranges *m = &i->memory;
    u64 size, count;
    u32 best = 0;

    memset(&i->reclaim, 0, sizeof(i->reclaim));
    choose_size(i, &size, &count);
    if (count == 0)
        return true;
    for (u32 k = 1; k < m->count; k++)
        if (m->r[k].hi - m->r[k].lo > m->r[best].hi - m->r[best].lo)
            best = k;
    u64 lo = (m->r[best].lo + PIECE - 1) & ~(PIECE - 1), hi = lo + size * count;
    if (hi + (i->what->memory == MEMORY_ALL ? REST : PIECE) > m->r[best].hi) {
        say("instance %s: its memory is in too small pieces for chunks", i->what->name);
        return i->what->memory == MEMORY_ALL;
    }
    for (u32 k = 0; k < count; k++)
        i->reclaim.chunk[k].r = (struct fb_range){ lo + k * size, lo + (k + 1) * size };
    if (m->r[best].lo == lo) {
        m->r[best].lo = hi;
    } else if (m->count < INSTANCE_RANGES - 2) {
        memmove(&m->r[best + 1], &m->r[best], (m->count - best) * sizeof(m->r[0]));
        m->count++;
        m->r[best].hi = lo;
        m->r[best + 1].lo = hi;
    } else {
        struct ranges rest = { 1, { { m->r[best].lo, lo } } };
        memory_give_back(&rest);
        m->r[best].lo = hi;
    }
    return true;
}

static void
bounds(u64 *lo, u64 *hi)
{
    *lo = ~0ull, *hi = 0;
    for (u32 k = 0; k < BOOT->nfree; k++) {
        *lo = BOOT->free[k].lo < *lo ? BOOT->free[k].lo : *lo;
        *hi = BOOT->free[k].hi > *hi ? BOOT->free[k].hi : *hi;
    }
}

/* Directories of the direct map, one for each GiB; directories and tables of the records;
 * what stands above them. */
u64
reclaim_nodes(void)
{
    u64 lo, hi;

    bounds(&lo, &hi);
    return ((hi - lo) >> 18) + 2 + (hi - lo) / (512 * 256) + 2 + 4;
}

static struct reclaim_chunk *
listed(struct instance *i, u32 k)
{
    return &i->reclaim.page->chunk[k];
}

/* Pages of the frame records, from `first` on.  They may still be mapped, from when the
 * instance had the chunk before. */
static long
map_records(struct instance *i, u64 first, u64 pages)
{
    long error = window_map(i->domain, WINDOW_RECORDS + first * PAGE,
                            BOOT->cap_kernel_read, BOOT->records_frame + first, pages,
                            FB_MAP_READ, &i->nodes);

    if (error != -FB_E_MAPPED || pages == 1)
        return error == -FB_E_MAPPED ? 0 : error;
    error = 0;
    for (u64 p = 0; !error && p < pages; p++)
        error = map_records(i, first + p, 1);
    return error;
}

/* Map chunk k, and the frame records of it, and grant it. */
static long
grant_chunk(struct instance *i, u32 k)
{
    struct chunk *c = &i->reclaim.chunk[k];
    u64 lo = c->r.lo, n = c->r.hi - lo, name;
    u64 first = lo / 256, pages = (c->r.hi + 255) / 256 - first;

    long error = AGAIN(fb_cap_derive(BOOT->cap_memory, FB_AUTH_ALL, lo, c->r.hi, &c->own));
    if (error) {
        c->own = 0;
        return error;
    }
    error = window_map(i->domain, WINDOW_DMAP + lo * PAGE, BOOT->cap_memory, lo, n,
                       FB_MAP_READ | FB_MAP_WRITE, &i->nodes);
    if (!error)
        error = map_records(i, first, pages);
    if (!error)
        error = AGAIN(fb_cap_grant(c->own, i->domain, CHUNK_GRANT, lo, c->r.hi, &name));
    if (!error) {
        *listed(i, k) = (struct reclaim_chunk){ name, lo, c->r.hi };
        return 0;
    }
    /* Without a capability of the instance's, no revocation looks into its window. */
    window_unmap(i->domain, WINDOW_DMAP + lo * PAGE, n);
    AGAIN(fb_tlb_flush(~0ul, 0, NULL));
    return error;
}

static long
grant_slices(struct instance *i)
{
    struct reclaim *r = &i->reclaim;
    u64 read = FB_AUTH(FB_CLASS_ROOT, FB_KIND_SCHEDULER, FB_RIGHT_READ);

    for (u32 v = 0; v < i->nvcpus; v++) {
        u64 at = i->cpus[v] * 64 + i->place;
        long error = AGAIN(
            fb_cap_derive(BOOT->cap_slices, FB_AUTH_ALL, at, at + 1, &r->slice_own[v]));
        if (!error)
            error = AGAIN(fb_cap_grant(r->slice_own[v], i->domain, read, at, at + 1,
                                       &r->page->slice_cap[v]));
        if (error)
            return error;
        r->page->ticks[v] = r->ticks[v];
    }
    return 0;
}

/* In the steward's window: the shared page, then the record. */
static void
map_own(struct instance *i, u64 record_frame, u64 page_frame)
{
    u8 *at = own_map(OWN_PLACE(i->index), BOOT->cap_memory, page_frame, 1, true);
    long error = window_map(0, (u64)at + PAGE, BOOT->cap_memory, record_frame, 1,
                            FB_MAP_READ, NULL);

    if (error)
        give_up("cannot map a domain's record: %s", fb_error_name(error));
    i->reclaim.page = (struct reclaim_page *)at;
    i->reclaim.record = (const struct fb_domain_record *)(at + PAGE);
}

long
reclaim_begin(struct instance *i, u64 record_frame, u64 page_frame)
{
    u64 bit = INSTANCE_EVENT(i->index), at = i->index;

    map_own(i, record_frame, page_frame);
    struct reclaim_page *p = i->reclaim.page;
    memset(p, 0, sizeof(*p));
    p->version = RECLAIM_VERSION;
    p->steward_bit = bit;
    bounds(&p->memory_lo, &p->memory_hi);
    long error = window_map(i->domain, WINDOW_RECLAIM, BOOT->cap_memory, page_frame, 1,
                            FB_MAP_READ | FB_MAP_WRITE, &i->nodes);
    if (!error)
        error = window_map(i->domain, WINDOW_DOMAIN_RECORD, BOOT->cap_memory,
                           record_frame, 1, FB_MAP_READ, &i->nodes);
    if (!error)
        error = AGAIN(fb_cap_grant(
            BOOT->cap_vcpu, i->domain,
            FB_AUTH(FB_CLASS_ROOT, FB_KIND_IPC_SEND, FB_RIGHT_SIGNAL), at, at + 1,
            &p->cap_steward));
    if (!error)
        error = grant_slices(i);
    for (u32 k = 0; !error && k < RECLAIM_CHUNKS; k++)
        if (i->reclaim.chunk[k].r.hi)
            error = grant_chunk(i, k);
    return error;
}

long
reclaim_take(struct instance *i, u32 k)
{
    struct chunk *c = &i->reclaim.chunk[k];
    struct ranges back = { 1, { c->r } };
    long error = c->own ? finish(fb_cap_revoke, c->own) : 0;

    if (i->reclaim.page)
        *listed(i, k) = (struct reclaim_chunk){ 0 };
    c->stuck = error != 0;
    if (error)
        return error;
    if (c->own)
        error = finish(fb_cap_delete, c->own);
    if (error)
        give_up("deleting a chunk's capability: %s", fb_error_name(error));
    if (memory_clear(c->r.lo, c->r.hi - c->r.lo))
        memory_give_back(&back);
    else
        say("instance %s: memory at %lx cannot be cleared, and is lost", i->what->name,
            c->r.lo << 12);
    *c = (struct chunk){ 0 };
    return 0;
}

bool
reclaim_end_step(struct instance *i)
{
    for (u32 k = 0; k < RECLAIM_CHUNKS; k++)
        if (i->reclaim.chunk[k].r.hi && !i->reclaim.chunk[k].stuck)
            return reclaim_take(i, k) != 0;
    return true;
}

void
reclaim_end(struct instance *i)
{
    struct reclaim *r = &i->reclaim;

    if (r->page) {
        own_unmap(OWN_PLACE(i->index), 2);
        r->page = NULL;
    }
    for (u32 k = 0; k < RECLAIM_CHUNKS; k++)
        if (r->chunk[k].r.hi && reclaim_take(i, k) != 0)
            say("instance %s: memory at %lx is lost", i->what->name,
                r->chunk[k].r.lo << 12);
    for (u32 v = 0; v < FB_CPUS_MAX; v++)
        if (r->slice_own[v]) {
            finish(fb_cap_revoke, r->slice_own[v]);
            finish(fb_cap_delete, r->slice_own[v]);
        }
    memset(r, 0, sizeof(*r));
}

void
reclaim_tell(struct instance *i)
{
    struct reclaim *r = &i->reclaim;

    r->changes = (r->changes | 1) + 1;
    __atomic_store_n(&r->page->changes, r->changes, __ATOMIC_RELEASE);
    fb_signal(i->vcpus[0], 1ull << FB_EVENT_REVOKE, NULL);
}

u64
reclaim_give(struct instance *i, u64 frames)
{
    u64 got = 0, size = frames & ~(PIECE - 1);
    u32 k = 0;

    while (size > 0 && got < frames) {
        struct fb_range r;
        size = size < frames - got ? size : (frames - got) & ~(PIECE - 1);
        while (k < RECLAIM_CHUNKS && i->reclaim.chunk[k].r.hi)
            k++;
        if (size == 0 || k == RECLAIM_CHUNKS)
            break;
        if (!memory_take_piece(size, &r)) {
            size = size / 2 & ~(PIECE - 1);
            continue;
        }
        i->reclaim.chunk[k].r = r;
        long error = grant_chunk(i, k);
        if (error) {
            say("instance %s: giving it memory: %s", i->what->name, fb_error_name(error));
            reclaim_take(i, k);
            break;
        }
        got += size;
    }
    if (got)
        reclaim_tell(i);
    return got;
}

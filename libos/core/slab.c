/* SPDX-License-Identifier: MIT */
/*
 * The heap: size classes over slabs (Bonwick, 1994), with a magazine for each class and
 * vCPU; larger objects are runs of frames.
 *
 * H1. A slab is a run of 1 or 4 frames with its header at the start; every frame of it
 *     has PAGE_SLAB | index in its state,
 *     so that an object finds its slab.
 * H2. A free object of a slab has its link in the first word and FREE_MARK xor its
 *     address in the second; a set mark at
 *     free is a double free, a wrong one at allocation is a write after free: both end
 *     the instance.
 * H3. A slab is in its class's list exactly while it has free objects that no magazine
 *     holds; when all are free, it goes.
 * Lock: class lock; the page allocator's is taken under it.
 */
#include "core/heap.h"

#include <abi/layout.h>

#include "core/lock.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/page.h"
#include "core/page_state.h"
#include "core/string.h"
#include "core/thread.h"

#define FREE_MARK 0xf4eef4eef4eef4eeull
#define SMALL_MAX 2048u

struct slab {
    struct list link;
    u32 class, used;
    void *free;
    u64 pad[3];
};
_Static_assert(sizeof(struct slab) == 56 || sizeof(struct slab) == 64,
               "objects start at 64");
#define SLAB_HEADER 64u

struct slab_class {
    struct spinlock lock;
    struct list slabs; /* [lock] H3 */
    u64 nslabs;        /* [lock] */
    u64 objects;       /* [lock] out of slabs: in use or in magazines */
};
static const u16 class_bytes[SLAB_CLASSES] = { 16,  32,  48,  64,  96,   128,  192,
                                               256, 384, 512, 768, 1024, 1536, 2048 };
static const u8 class_order[SLAB_CLASSES] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2 };
static struct slab_class classes[SLAB_CLASSES];
static u8 class_of_size[SMALL_MAX / 16 + 1];
static bool ready;
static _Atomic u64 large_frames, large_objects;

/* What is rarely needed is kept out of slab_alloc and slab_free, which then save no
 * registers. */
#define RARE __attribute__((noinline, cold))

static RARE void
slab_start(void)
{
    unsigned c = 0;
    for (unsigned i = 0; i <= SMALL_MAX / 16; i++) {
        if (i * 16 > class_bytes[c])
            c++;
        class_of_size[i] = (u8)c;
    }
    for (c = 0; c < SLAB_CLASSES; c++)
        list_init(&classes[c].slabs);
    ready = true;
}

static inline void
mark_free(void *p)
{
    ((u64 *)p)[1] = FREE_MARK ^ (u64)p;
}

static struct slab *
slab_make(unsigned class)
{
    unsigned order = class_order[class];
    /* a run even of one: it may be of an edge (page.c, B3) */
    frame_t f = page_alloc_core_run(order);
    if (f == FRAME_NONE)
        return NULL;
    for (unsigned i = 0; i < 1u << order; i++)
        *page_state(f + i) = (u8)(PAGE_SLAB | i);
    struct slab *s = page_ptr(f);
    *s = (struct slab){ .class = class };
    u8 *end = (u8 *)s + (PAGE_SIZE << order);
    unsigned size = class_bytes[class];
    for (u8 *p = (u8 *)s + SLAB_HEADER; p + size <= end; p += size) {
        *(void **)p = s->free;
        mark_free(p);
        s->free = p;
    }
    return s;
}

static void
slab_end(struct slab *s)
{
    unsigned order = class_order[s->class];
    frame_t f = page_frame(s);
    for (unsigned i = 0; i < 1u << order; i++)
        *page_state(f + i) = PAGE_USED;
    page_free_run(f, order);
}

/* Move up to half a magazine of objects from the slabs; false: no memory. */
static RARE bool
magazine_fill(struct magazine *m, unsigned class)
{
    struct slab_class *k = &classes[class];
    spin_lock(&k->lock);
    while (m->count < SLAB_CACHE / 2) {
        if (list_empty(&k->slabs)) {
            struct slab *made = slab_make(class);
            if (!made)
                break;
            k->nslabs++;
            list_push_front(&k->slabs, &made->link);
        }
        struct slab *s = container_of(k->slabs.next, struct slab, link);
        void *p = s->free;
        s->free = *(void **)p;
        s->used++;
        k->objects++;
        if (!s->free)
            list_remove(&s->link);
        m->object[m->count++] = p;
    }
    spin_unlock(&k->lock);
    return m->count != 0;
}

static inline u8
state_of(frame_t f)
{
    ASSERT(f >= page_first && f < page_end);
    return *page_state(f);
}

static inline struct slab *
slab_at(frame_t f, u8 state)
{
    ASSERT((state & 0xf0) == PAGE_SLAB);
    return page_ptr(f - (state & 0xf));
}

static struct slab *
slab_of(const void *p)
{
    frame_t f = page_frame(p);
    return slab_at(f, state_of(f));
}

static RARE void
magazine_drain(struct magazine *m, unsigned class)
{
    struct slab_class *k = &classes[class];
    spin_lock(&k->lock);
    while (m->count > SLAB_CACHE / 2) {
        void *p = m->object[--m->count];
        struct slab *s = slab_of(p);
        bool was_full = s->free == NULL;
        *(void **)p = s->free;
        s->free = p;
        k->objects--;
        if (was_full)
            list_push_back(&k->slabs, &s->link);
        if (--s->used == 0) {
            list_remove(&s->link);
            k->nslabs--;
            slab_end(s);
        }
    }
    spin_unlock(&k->lock);
}

static RARE void *
large_alloc(size_t bytes)
{
    unsigned order = 0;
    while (order < PAGE_MAX_ORDER && (PAGE_SIZE << order) < bytes)
        order++;
    if ((PAGE_SIZE << order) < bytes)
        return NULL;
    frame_t f = order == 0 ? page_alloc() : page_alloc_core_run(order);
    if (f == FRAME_NONE)
        return NULL;
    *page_state(f) = (u8)(PAGE_LARGE | order);
    atomic_fetch_add(&large_frames, 1ull << order);
    atomic_fetch_add(&large_objects, 1);
    return page_ptr(f);
}

static RARE void
large_free(void *p, frame_t f, u8 state)
{
    unsigned order = state & 0xf;
    ASSERT(((u64)p & (PAGE_SIZE - 1)) == 0);
    *page_state(f) = PAGE_USED;
    atomic_fetch_sub(&large_frames, 1ull << order);
    atomic_fetch_sub(&large_objects, 1);
    if (order == 0)
        page_free(f);
    else
        page_free_run(f, order);
}

static RARE NORETURN void
misused(const char *what, const void *p, unsigned class)
{
    libos_panic("heap: %p (%u bytes) was %s", p, class_bytes[class], what);
}

static inline struct magazine *
magazine_of(unsigned class)
{
    struct lcpu_cache *cache = lcpu_current()->caches;
    return &cache->magazine[class];
}

static void *
take_object(struct magazine *m, unsigned class)
{
    u64 *p = m->object[--m->count];
    if (__builtin_expect(p[1] != (FREE_MARK ^ (u64)p), 0))
        misused("written after it was freed", p, class);
    p[1] = 0;
    return p;
}

static RARE void *
alloc_slowly(size_t bytes)
{
    if (!ready)
        slab_start();
    if (bytes > SMALL_MAX)
        return large_alloc(bytes);
    unsigned class = class_of_size[(bytes + 15) / 16];
    struct magazine *m = magazine_of(class);
    return magazine_fill(m, class) ? take_object(m, class) : NULL;
}

/* Before slab_start no magazine has anything. */
void *
slab_alloc(size_t bytes)
{
    if (__builtin_expect(bytes > SMALL_MAX, 0))
        return alloc_slowly(bytes);
    unsigned class = class_of_size[(bytes + 15) / 16];
    struct magazine *m = magazine_of(class);
    if (__builtin_expect(m->count == 0, 0))
        return alloc_slowly(bytes);
    return take_object(m, class);
}

static RARE void
free_into_full(void *p, struct magazine *m, unsigned class)
{
    magazine_drain(m, class);
    m->object[m->count++] = p;
}

void
slab_free(void *p)
{
    if (!p)
        return;
    frame_t f = page_frame(p);
    u8 state = state_of(f);
    if (__builtin_expect((state & 0xf0) == PAGE_LARGE, 0)) {
        large_free(p, f, state);
        return;
    }
    unsigned class = slab_at(f, state)->class;
    if (__builtin_expect(((u64 *)p)[1] == (FREE_MARK ^ (u64)p), 0))
        misused("freed twice", p, class);
    mark_free(p);
    struct magazine *m = magazine_of(class);
    if (__builtin_expect(m->count == SLAB_CACHE, 0))
        free_into_full(p, m, class);
    else
        m->object[m->count++] = p;
}

void
slab_count(struct heap_counts *out)
{
    *out = (struct heap_counts){ .objects = atomic_load(&large_objects),
                                 .frames = atomic_load(&large_frames) };
    out->bytes = out->frames * PAGE_SIZE;
    for (unsigned i = 0; i < SLAB_CLASSES; i++) {
        struct slab_class *k = &classes[i];
        spin_lock(&k->lock);
        u64 objects = k->objects;
        out->frames += k->nslabs << class_order[i];
        spin_unlock(&k->lock);
        for (u32 c = 0; c < lcpu_count; c++) {
            struct lcpu_cache *cache = lcpus[c].caches;
            if (cache)
                objects -= MIN(objects, __atomic_load_n(&cache->magazine[i].count,
                                                        __ATOMIC_RELAXED));
        }
        out->objects += objects;
        out->bytes += objects * class_bytes[i];
    }
}

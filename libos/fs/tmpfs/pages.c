/* SPDX-License-Identifier: MIT */
/*
 * The page tree of a file: a radix tree, six bits of the index for each level, as high as
 * the largest index needs.
 * Costs: get and slot O(height); remove and split touch what they take away and one path
 * at each end.
 */
#include "core/error.h"
#include "core/heap.h"
#include "fs/tmpfs/private.h"

static unsigned
shift_at(u32 level) /* level 0: the leaves */
{
    return level * PAGES_BITS;
}

static bool
fits(const struct pages *p, u64 index)
{
    return p->height != 0 &&
           (p->height >= PAGES_HEIGHT_MAX || index >> shift_at(p->height) == 0);
}

static struct pages_node *
child(u64 slot)
{
    return (struct pages_node *)(uintptr_t)slot;
}

frame_t
pages_find(const struct pages *p, u64 index)
{
    if (!fits(p, index))
        return FRAME_NONE;
    const struct pages_node *n = p->root;
    for (u32 level = p->height - 1; level > 0; level--) {
        n = child(n->slot[(index >> shift_at(level)) % PAGES_WAYS]);
        if (!n)
            return FRAME_NONE;
    }
    u64 slot = n->slot[index % PAGES_WAYS];
    return slot ? slot >> 1 : FRAME_NONE;
}

u64 *
pages_slot(struct pages *p, u64 index)
{
    if (index >> shift_at(PAGES_HEIGHT_MAX))
        return NULL;
    while (!fits(p, index)) {
        struct pages_node *n = heap_alloc_zeroed(sizeof(*n));
        if (!n)
            return NULL;
        n->slot[0] = (u64)(uintptr_t)p->root;
        p->root = n;
        p->height++;
    }
    struct pages_node *n = p->root;
    for (u32 level = p->height - 1; level > 0; level--) {
        u64 *slot = &n->slot[(index >> shift_at(level)) % PAGES_WAYS];
        if (!*slot) {
            struct pages_node *new = heap_alloc_zeroed(sizeof(*new));
            if (!new)
                return NULL;
            *slot = (u64)(uintptr_t) new;
        }
        n = child(*slot);
    }
    return &n->slot[index % PAGES_WAYS];
}

struct removal {
    u64 first, last; /* [first, last) */
    void (*fn)(void *arg, frame_t frame);
    void *arg;
};

/* `base` is the index of the node's first page, before r->last.  From the last page to the
 * first, so that frames which are freed one after another are given out in order again. */
static void
remove_in(struct pages_node *n, u32 level, u64 base, const struct removal *r)
{
    u64 span = 1ull << shift_at(level);
    u64 from = r->first > base ? (r->first - base) >> shift_at(level) : 0;
    u64 last = (r->last - 1 - base) >> shift_at(level);
    for (u64 i = MIN(last, (u64)PAGES_WAYS - 1) + 1; i-- > from;) {
        u64 slot = n->slot[i], at = base + i * span;
        if (!slot)
            continue;
        if (level == 0) {
            n->slot[i] = 0;
            r->fn(r->arg, slot >> 1);
            continue;
        }
        remove_in(child(slot), level - 1, at, r);
        if (at >= r->first && r->last - at >= span) {
            heap_free(child(slot));
            n->slot[i] = 0;
        }
    }
}

void
pages_remove(struct pages *p, u64 first, u64 last, void (*fn)(void *arg, frame_t frame),
             void *arg)
{
    struct removal r = { first, last, fn, arg };
    if (p->height == 0 || first >= last)
        return;
    remove_in(p->root, p->height - 1, 0, &r);
    if (first == 0 &&
        (p->height >= PAGES_HEIGHT_MAX || last >> shift_at(p->height) != 0)) {
        heap_free(p->root);
        *p = (struct pages){ NULL, 0 };
    }
}

int
pages_split(struct pages *p, u64 first, struct pages *rest)
{
    struct pages_node *path[PAGES_HEIGHT_MAX];
    *rest = (struct pages){ NULL, 0 };
    if (!fits(p, first))
        return 0;
    for (u32 i = 0; i < p->height; i++) {
        path[i] = heap_alloc_zeroed(sizeof(*path[i]));
        if (!path[i]) {
            while (i > 0)
                heap_free(path[--i]);
            return -E_NOMEM;
        }
    }
    *rest = (struct pages){ path[p->height - 1], p->height };
    struct pages_node *from = p->root;
    for (u32 level = p->height; level-- > 0;) {
        struct pages_node *to = path[level];
        u32 at = (first >> shift_at(level)) % PAGES_WAYS;
        u32 whole = level == 0 ? at : at + 1; /* slots from here on go over as they are */
        for (u32 i = whole; from && i < PAGES_WAYS; i++) {
            to->slot[i] = from->slot[i];
            from->slot[i] = 0;
        }
        if (level > 0) {
            to->slot[at] = (u64)(uintptr_t)path[level - 1];
            from = from ? child(from->slot[at]) : NULL;
        }
    }
    return 0;
}

static bool
next_in(const struct pages_node *n, u32 level, u64 base, u64 index, u64 *found)
{
    u64 from = index > base ? (index - base) >> shift_at(level) : 0;
    for (u64 i = from; i < PAGES_WAYS; i++) {
        u64 at = base + (i << shift_at(level));
        if (!n->slot[i])
            continue;
        if (level == 0) {
            *found = at;
            return true;
        }
        if (next_in(child(n->slot[i]), level - 1, at, index, found))
            return true;
    }
    return false;
}

bool
pages_next(const struct pages *p, u64 index, u64 *found)
{
    return fits(p, index) && next_in(p->root, p->height - 1, 0, index, found);
}

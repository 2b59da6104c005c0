/* SPDX-License-Identifier: MIT */
/*
 * The area map (area.h): an AVL tree with parent links, threaded in order, augmented with
 * the largest gap.
 *
 * Source: Knuth, The Art of Computer Programming 3, 6.2.3; the augmentation is that of an
 * interval tree. A change touches one path to the root, and the path of the successor,
 * whose gap changes with it (A2).
 */
#include "vm/area.h"

#include "core/log.h"

void
area_map_init(struct area_map *map, uaddr low)
{
    *map = (struct area_map){ .low = low };
}

static inline u32
height(const struct area *a)
{
    return a ? a->height : 0;
}

static inline u64
largest_gap(const struct area *a)
{
    u64 gap = a->gap;
    if (a->left && a->left->max_gap > gap)
        gap = a->left->max_gap;
    if (a->right && a->right->max_gap > gap)
        gap = a->right->max_gap;
    return gap;
}

/* Recompute height and max_gap from the children; true if something changed. */
static bool
update(struct area *a)
{
    u32 l = height(a->left), r = height(a->right), h = MAX(l, r) + 1;
    u64 gap = largest_gap(a);
    bool changed = h != a->height || gap != a->max_gap;
    a->height = h;
    a->max_gap = gap;
    return changed;
}

static void
replace_child(struct area_map *map, struct area *parent, struct area *old,
              struct area *new)
{
    if (!parent)
        map->root = new;
    else if (parent->left == old)
        parent->left = new;
    else
        parent->right = new;
    if (new)
        new->parent = parent;
}

static struct area *
rotate_left(struct area_map *map, struct area *a)
{
    struct area *b = a->right;
    replace_child(map, a->parent, a, b);
    a->right = b->left;
    if (a->right)
        a->right->parent = a;
    b->left = a;
    a->parent = b;
    update(a);
    update(b);
    return b;
}

static struct area *
rotate_right(struct area_map *map, struct area *a)
{
    struct area *b = a->left;
    replace_child(map, a->parent, a, b);
    a->left = b->right;
    if (a->left)
        a->left->parent = a;
    b->right = a;
    a->parent = b;
    update(a);
    update(b);
    return b;
}

/* Restore A2 and A3 from `a` upwards; stops where nothing changes any more. */
static void
retrace(struct area_map *map, struct area *a)
{
    while (a) {
        bool changed = update(a);
        u32 l = height(a->left), r = height(a->right);
        if (l > r + 1) {
            if (height(a->left->left) < height(a->left->right))
                rotate_left(map, a->left);
            a = rotate_right(map, a);
        } else if (r > l + 1) {
            if (height(a->right->right) < height(a->right->left))
                rotate_right(map, a->right);
            a = rotate_left(map, a);
        } else if (!changed) {
            return;
        }
        a = a->parent;
    }
}

static void
set_gap(struct area_map *map, struct area *a)
{
    if (!a)
        return;
    uaddr from = a->prev ? a->prev->end : map->low;
    u64 gap = a->start > from ? a->start - from : 0;
    if (gap == a->gap)
        return;
    a->gap = gap;
    for (; a; a = a->parent) { /* the tree keeps its shape */
        gap = largest_gap(a);
        if (gap == a->max_gap)
            return;
        a->max_gap = gap;
    }
}

struct area *
area_find(struct area_map *map, uaddr at)
{
    struct area *hint = map->hint;
    if (hint && at >= hint->start && at < hint->end)
        return hint;
    struct area *found = NULL;
    for (struct area *a = map->root; a;) {
        if (at < a->end) {
            found = a;
            if (at >= a->start)
                break;
            a = a->left;
        } else {
            a = a->right;
        }
    }
    if (found)
        map->hint = found;
    return found;
}

/* `a` is a leaf of the tree by now; it gets its place in the thread, and its gap. */
static void
put_between(struct area_map *map, struct area *prev, struct area *a, struct area *next)
{
    a->left = a->right = NULL;
    a->height = 0;
    a->prev = prev;
    a->next = next;
    *(prev ? &prev->next : &map->first) = a;
    *(next ? &next->prev : &map->last) = a;
    uaddr from = prev ? prev->end : map->low;
    a->gap = a->start > from ? a->start - from : 0;
    a->max_gap = 0;
    retrace(map, a);
    map->hint = a;
    map->count++;
}

static inline void
grow(struct area_map *map, u64 pages)
{
    map->pages += pages;
    if (map->peak < map->pages)
        map->peak = map->pages;
}

void
area_insert(struct area_map *map, struct area *a)
{
    struct area *parent = NULL, **link = &map->root, *prev = NULL, *next = NULL;
    ASSERT(a->start < a->end);
    while (*link) {
        parent = *link;
        if (a->start < parent->start) {
            next = parent;
            link = &parent->left;
        } else {
            prev = parent;
            link = &parent->right;
        }
    }
    ASSERT(!prev || prev->end <= a->start);
    ASSERT(!next || a->end <= next->start);
    *link = a;
    a->parent = parent;
    put_between(map, prev, a, next);
    set_gap(map, next);
    grow(map, (a->end - a->start) >> PAGE_SHIFT);
}

void
area_split(struct area_map *map, struct area *a, struct area *upper)
{
    struct area *next = a->next;
    ASSERT(a->start < upper->start && upper->start < upper->end && upper->end == a->end);
    a->end = upper->start;
    if (a->right) { /* then the next one is the leftmost below it */
        next->left = upper;
        upper->parent = next;
    } else {
        a->right = upper;
        upper->parent = a;
    }
    put_between(map, a, upper, next);
}

void
area_remove(struct area_map *map, struct area *a)
{
    struct area *fix;
    if (a->left && a->right) {
        struct area *s =
            a->next; /* leftmost of the right subtree: it has no left child */
        fix = s->parent == a ? s : s->parent;
        if (s->parent != a) {
            replace_child(map, s->parent, s, s->right);
            s->right = a->right;
            s->right->parent = s;
        }
        s->left = a->left;
        s->left->parent = s;
        replace_child(map, a->parent, a, s);
        s->height = 0; /* so that update() sees a change */
    } else {
        fix = a->parent;
        replace_child(map, a->parent, a, a->left ? a->left : a->right);
    }
    *(a->prev ? &a->prev->next : &map->first) = a->next;
    *(a->next ? &a->next->prev : &map->last) = a->prev;
    retrace(map, fix);
    if (fix && a->next && a->next != fix)
        retrace(map, a->next);
    set_gap(map, a->next);
    if (map->hint == a)
        map->hint = NULL;
    map->count--;
    map->pages -= (a->end - a->start) >> PAGE_SHIFT;
}

void
area_join(struct area_map *map, struct area *a)
{
    struct area *upper = a->next;
    ASSERT(upper && upper->start == a->end);
    a->end = upper->end; /* first, so that no gap changes */
    map->pages += (upper->end - upper->start) >> PAGE_SHIFT;
    area_remove(map, upper);
    map->hint = a;
}

void
area_resize(struct area_map *map, struct area *a, uaddr start, uaddr end)
{
    ASSERT(start < end);
    ASSERT(!a->prev || a->prev->end <= start);
    ASSERT(!a->next || end <= a->next->start);
    grow(map, ((end - start) >> PAGE_SHIFT) - ((a->end - a->start) >> PAGE_SHIFT));
    bool below = start != a->start, above = end != a->end; /* which gap changes */
    a->start = start;
    a->end = end;
    if (!above) { /* the usual: one of them, and nothing is kept for the other */
        if (below)
            set_gap(map, a);
        return;
    }
    if (below)
        set_gap(map, a);
    set_gap(map, a->next);
}

/*
 * Both searches visit only subtrees with max_gap >= bytes that reach into [low, high).
 * Such a subtree fails only if its gap straddles a bound, which holds for at most one
 * node for each bound, so O(log n).
 */
static inline bool
has_gap(const struct area *a, u64 bytes)
{
    return a && a->max_gap >= bytes;
}

/* a: has_gap */
static uaddr
gap_down(const struct area *a, u64 bytes, uaddr low, uaddr high)
{
    uaddr from = a->start - a->gap;
    if (a->end < high && has_gap(a->right, bytes)) {
        uaddr found = gap_down(a->right, bytes, low, high);
        if (found)
            return found;
    }
    if (a->gap >= bytes) {
        uaddr lo = MAX(from, low), hi = MIN(a->start, high);
        if (hi > lo && hi - lo >= bytes)
            return hi - bytes;
    }
    return from > low && has_gap(a->left, bytes) ? gap_down(a->left, bytes, low, high) : 0;
}

static uaddr
gap_up(const struct area *a, u64 bytes, uaddr low, uaddr high)
{
    uaddr from = a->start - a->gap;
    if (from > low && has_gap(a->left, bytes)) {
        uaddr found = gap_up(a->left, bytes, low, high);
        if (found)
            return found;
    }
    if (a->gap >= bytes) {
        uaddr lo = MAX(from, low), hi = MIN(a->start, high);
        if (hi > lo && hi - lo >= bytes)
            return lo;
    }
    return a->end < high && has_gap(a->right, bytes) ? gap_up(a->right, bytes, low, high) : 0;
}

uaddr
area_gap_down(const struct area_map *map, u64 bytes, uaddr low, uaddr high)
{
    uaddr end = MAX(map->last ? map->last->end : low, low);
    if (high > end && high - end >= bytes)
        return high - bytes;
    return has_gap(map->root, bytes) ? gap_down(map->root, bytes, low, high) : 0;
}

uaddr
area_gap_up(const struct area_map *map, u64 bytes, uaddr low, uaddr high)
{
    uaddr found = has_gap(map->root, bytes) ? gap_up(map->root, bytes, low, high) : 0;
    uaddr end = MAX(map->last ? map->last->end : low, low);
    if (!found && high > end && high - end >= bytes)
        found = end;
    return found;
}

bool
area_range_free(struct area_map *map, uaddr start, uaddr end)
{
    const struct area *a = area_find(map, start);
    return !a || a->start >= end;
}

static bool
valid(const struct area *a, u32 depth)
{
    if (!a)
        return true;
    u32 l = height(a->left), r = height(a->right);
    u64 gap = a->gap;
    if (depth > 64 || (l > r + 1) || (r > l + 1) || a->height != MAX(l, r) + 1)
        return false;
    if (a->left) {
        gap = MAX(gap, a->left->max_gap);
        if (a->left->parent != a)
            return false;
    }
    if (a->right) {
        gap = MAX(gap, a->right->max_gap);
        if (a->right->parent != a)
            return false;
    }
    return gap == a->max_gap && valid(a->left, depth + 1) && valid(a->right, depth + 1);
}

bool
area_map_valid(const struct area_map *map)
{
    uaddr end = map->low;
    u64 count = 0, pages = 0;
    for (const struct area *a = map->first; a; a = a->next) {
        if (a->start < end || a->start >= a->end || a->gap != a->start - end)
            return false;
        if (a->next ? a->next->prev != a : map->last != a)
            return false;
        end = a->end;
        count++;
        pages += (a->end - a->start) >> PAGE_SHIFT;
    }
    return count == map->count && pages == map->pages && valid(map->root, 0);
}

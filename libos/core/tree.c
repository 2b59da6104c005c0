/* SPDX-License-Identifier: MIT */
/* AVL trees: A1 and A2 in tree.h. */
#include "core/tree.h"

static i32
height_of(const struct tree_node *n)
{
    return n ? n->height : 0;
}

static void
set_height(struct tree_node *n)
{
    i32 l = height_of(n->child[0]), r = height_of(n->child[1]);
    n->height = 1 + MAX(l, r);
}

/* Put `by` where n hangs at its parent. */
static void
replace_at_parent(struct tree *t, struct tree_node *n, struct tree_node *by)
{
    struct tree_node *p = n->parent;
    if (!p)
        t->root = by;
    else
        p->child[p->child[1] == n] = by;
    if (by)
        by->parent = p;
}

/* Rotate so that n's child on the other side than `side` comes up and n goes down to
 * `side`. */
static struct tree_node *
rotate(struct tree *t, struct tree_node *n, int side)
{
    struct tree_node *up = n->child[!side];
    replace_at_parent(t, n, up);
    n->child[!side] = up->child[side];
    if (n->child[!side])
        n->child[!side]->parent = n;
    up->child[side] = n;
    n->parent = up;
    set_height(n);
    set_height(up);
    return up;
}

/* Restore A1 from n up to the root. */
static void
rebalance(struct tree *t, struct tree_node *n)
{
    while (n) {
        i32 before = n->height;
        i32 lean = height_of(n->child[1]) - height_of(n->child[0]);
        if (lean > 1 || lean < -1) {
            int heavy = lean > 0;
            struct tree_node *c = n->child[heavy];
            if (height_of(c->child[!heavy]) > height_of(c->child[heavy]))
                rotate(t, c, heavy);
            n = rotate(t, n, !heavy);
        } else {
            set_height(n);
        }
        if (n->height == before)
            break;
        n = n->parent;
    }
}

static void
link_node(struct tree *t, struct tree_node *n, struct tree_node *parent, int side)
{
    n->child[0] = n->child[1] = NULL;
    n->parent = parent;
    n->height = 1;
    if (!parent)
        t->root = n;
    else
        parent->child[side] = n;
    rebalance(t, parent);
}

struct tree_node *
tree_insert(struct tree *t, struct tree_node *n)
{
    struct tree_node *at = t->root, *parent = NULL;
    int side = 0;
    while (at) {
        int order = t->compare(n, at);
        if (order == 0)
            return at;
        parent = at;
        side = order > 0;
        at = at->child[side];
    }
    link_node(t, n, parent, side);
    return NULL;
}

void
tree_insert_equal(struct tree *t, struct tree_node *n)
{
    struct tree_node *at = t->root, *parent = NULL;
    int side = 0;
    while (at) {
        parent = at;
        side = t->compare(n, at) >= 0;
        at = at->child[side];
    }
    link_node(t, n, parent, side);
}

void
tree_remove(struct tree *t, struct tree_node *n)
{
    struct tree_node *start;
    if (n->child[0] && n->child[1]) {
        struct tree_node *s = n->child[1]; /* the successor takes n's place */
        while (s->child[0])
            s = s->child[0];
        start = s->parent == n ? s : s->parent;
        if (s->parent != n) {
            replace_at_parent(t, s, s->child[1]);
            s->child[1] = n->child[1];
            s->child[1]->parent = s;
        }
        s->child[0] = n->child[0];
        s->child[0]->parent = s;
        replace_at_parent(t, n, s);
        s->height = n->height; /* rebalance compares with what the parents knew */
    } else {
        start = n->parent;
        replace_at_parent(t, n, n->child[0] ? n->child[0] : n->child[1]);
    }
    rebalance(t, start);
    n->child[0] = n->child[1] = n->parent = NULL;
    n->height = 0;
}

static struct tree_node *
outermost(struct tree_node *n, int side)
{
    while (n && n->child[side])
        n = n->child[side];
    return n;
}

struct tree_node *
tree_first(const struct tree *t)
{
    return outermost(t->root, 0);
}

struct tree_node *
tree_last(const struct tree *t)
{
    return outermost(t->root, 1);
}

static struct tree_node *
neighbour(const struct tree_node *n, int side)
{
    if (n->child[side])
        return outermost(n->child[side], !side);
    while (n->parent && n->parent->child[side] == n)
        n = n->parent;
    return n->parent;
}

struct tree_node *
tree_next(const struct tree_node *n)
{
    return neighbour(n, 1);
}

struct tree_node *
tree_prev(const struct tree_node *n)
{
    return neighbour(n, 0);
}

struct tree_node *
tree_find(const struct tree *t, const void *key, int (*compare)(const void *,
                                                                const struct tree_node *))
{
    struct tree_node *at = t->root;
    while (at) {
        int order = compare(key, at);
        if (order == 0)
            return at;
        at = at->child[order > 0];
    }
    return NULL;
}

struct tree_node *
tree_at_or_after(const struct tree *t, const void *key,
                 int (*compare)(const void *, const struct tree_node *))
{
    struct tree_node *at = t->root, *best = NULL;
    while (at) {
        if (compare(key, at) <= 0) {
            best = at;
            at = at->child[0];
        } else {
            at = at->child[1];
        }
    }
    return best;
}

struct tree_node *
tree_at_or_before(const struct tree *t, const void *key,
                  int (*compare)(const void *, const struct tree_node *))
{
    struct tree_node *at = t->root, *best = NULL;
    while (at) {
        if (compare(key, at) >= 0) {
            best = at;
            at = at->child[1];
        } else {
            at = at->child[0];
        }
    }
    return best;
}

/* Height of a sound subtree, or -1. */
static long
check_node(const struct tree *t, const struct tree_node *n, long *count)
{
    if (!n)
        return 0;
    long h[2];
    for (int side = 0; side < 2; side++) {
        const struct tree_node *c = n->child[side];
        if (c && (c->parent != n || (side ? t->compare(n, c) > 0 : t->compare(c, n) > 0)))
            return -1;
        h[side] = check_node(t, c, count);
        if (h[side] < 0)
            return -1;
    }
    (*count)++;
    if (h[0] - h[1] > 1 || h[1] - h[0] > 1 || n->height != 1 + MAX(h[0], h[1]))
        return -1;
    return n->height;
}

long
tree_check(const struct tree *t)
{
    long count = 0;
    if (t->root && t->root->parent)
        return -1;
    return check_node(t, t->root, &count) < 0 ? -1 : count;
}

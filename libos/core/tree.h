/* SPDX-License-Identifier: MIT */
/*
 * Intrusive balanced trees (AVL: Adelson-Velsky and Landis, 1962). All operations are
 * O(log n); no allocation.
 *
 * A1. The heights of two children differ by at most one.
 * A2. Nodes stand in the order of `compare`; equal ones are allowed if inserted with
 *     tree_insert_equal.
 */
#ifndef LIBOS_CORE_TREE_H
#define LIBOS_CORE_TREE_H

#include "core/types.h"

struct tree_node {
    struct tree_node *child[2];
    struct tree_node *parent;
    i32 height;
};
struct tree {
    struct tree_node *root;
    int (*compare)(const struct tree_node *a, const struct tree_node *b); /* <0, 0, >0 */
};
#define TREE_INIT(compare_fn) { NULL, (compare_fn) }

static inline void
tree_init(struct tree *t, int (*compare)(const struct tree_node *,
                                         const struct tree_node *))
{
    t->root = NULL;
    t->compare = compare;
}
static inline bool tree_empty(const struct tree *t) { return t->root == NULL; }

/* NULL, or the equal node that is there already (then nothing is inserted). */
struct tree_node *tree_insert(struct tree *t, struct tree_node *n);
void tree_insert_equal(struct tree *t, struct tree_node *n); /* after its equals */
void tree_remove(struct tree *t, struct tree_node *n);
struct tree_node *tree_first(const struct tree *t);
struct tree_node *tree_last(const struct tree *t);
struct tree_node *tree_next(const struct tree_node *n);
struct tree_node *tree_prev(const struct tree_node *n);
/* Searches: compare(key, node) orders the key against a node. */
struct tree_node *tree_find(const struct tree *t, const void *key,
                            int (*compare)(const void *, const struct tree_node *));
/* The first node that is not before the key (>=), the last that is not after it (<=);
 * NULL: none. */
struct tree_node *tree_at_or_after(const struct tree *t, const void *key,
                                   int (*compare)(const void *,
                                                  const struct tree_node *));
struct tree_node *tree_at_or_before(const struct tree *t, const void *key,
                                    int (*compare)(const void *,
                                                   const struct tree_node *));
/* For tests: A1 and A2 hold; returns the number of nodes, or -1. */
long tree_check(const struct tree *t);

#endif

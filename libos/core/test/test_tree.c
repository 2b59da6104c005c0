/* SPDX-License-Identifier: MIT */
/* Unit tests of core/tree.c. */
#include "core/tree.h"

#include "core/test/check.h"

struct item {
    struct tree_node node;
    int key;
};

static int
compare(const struct tree_node *a, const struct tree_node *b)
{
    return container_of(a, struct item, node)->key - container_of(b, struct item,
                                                                  node)->key;
}

static int
compare_key(const void *key, const struct tree_node *n)
{
    return *(const int *)key - container_of(n, struct item, node)->key;
}

/* The key of a node, or -1 for none. */
static int
key_of(const struct tree_node *n)
{
    return n ? container_of(n, struct item, node)->key : -1;
}

#define ITEMS 700
static struct item items[ITEMS];

/* Verify that order and balance hold after each of many insertions and removals in
 * scattered order. */
static void
test_tree_insert_remove_stays_balanced(void)
{
    struct tree t = TREE_INIT(compare);
    unsigned x = 12345;
    bool in[ITEMS] = { false };
    long n = 0;
    for (int i = 0; i < ITEMS; i++)
        items[i].key = i;
    for (int round = 0; round < 20000; round++) {
        x = x * 1103515245u + 12345u;
        unsigned i = (x >> 8) % ITEMS;
        if (in[i]) {
            tree_remove(&t, &items[i].node);
            n--;
        } else {
            CHECK(tree_insert(&t, &items[i].node) == NULL);
            n++;
        }
        in[i] = !in[i];
        if (round % 16 == 0)
            CHECK(tree_check(&t) == n);
    }
    CHECK(tree_check(&t) == n);
    long seen = 0;
    int last = -1;
    for (struct tree_node *p = tree_first(&t); p; p = tree_next(p), seen++) {
        CHECK(container_of(p, struct item, node)->key > last);
        last = container_of(p, struct item, node)->key;
    }
    CHECK(seen == n);
    for (struct tree_node *p = tree_last(&t); p; p = tree_prev(p))
        seen--;
    CHECK(seen == 0);
}

/* Verify that the nearest nodes on both sides are found, and none beyond the ends. */
static void
test_tree_search_between_keys_finds_neighbours(void)
{
    struct tree t = TREE_INIT(compare);
    for (int i = 0; i < 100; i++) {
        items[i].key = 10 * i;
        CHECK(tree_insert(&t, &items[i].node) == NULL);
    }
    struct item twin = { .key = 50 };
    CHECK(tree_insert(&t, &twin.node) == &items[5].node);
    for (int key = -5; key <= 1000; key++) {
        struct tree_node *a = tree_at_or_after(&t, &key, compare_key);
        struct tree_node *b = tree_at_or_before(&t, &key, compare_key);
        CHECK(key_of(a) == (key > 990 ? -1 : key <= 0 ? 0 : (key + 9) / 10 * 10));
        CHECK(key_of(b) == (key < 0 ? -1 : key > 990 ? 990 : key / 10 * 10));
        bool there = key >= 0 && key <= 990 && key % 10 == 0;
        CHECK((tree_find(&t, &key, compare_key) != NULL) == there);
    }
}

/* Verify that equal keys are kept in the order of insertion. */
static void
test_tree_insert_equal_keeps_order(void)
{
    struct tree t = TREE_INIT(compare);
    for (int i = 0; i < 50; i++) {
        items[i].key = i / 10;
        tree_insert_equal(&t, &items[i].node);
    }
    CHECK(tree_check(&t) == 50);
    int i = 0;
    for (struct tree_node *p = tree_first(&t); p; p = tree_next(p))
        CHECK(p == &items[i++].node);
}

int
main(void)
{
    RUN(test_tree_insert_remove_stays_balanced);
    RUN(test_tree_search_between_keys_finds_neighbours);
    RUN(test_tree_insert_equal_keeps_order);
    DONE();
}

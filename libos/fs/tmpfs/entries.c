/* SPDX-License-Identifier: MIT */
/*
 * What a directory of tmpfs holds: a hash table by name, and blocks by cookie for readers
 * (T3).  A cookie's block and its place there follow from the cookie itself, so an entry
 * comes and goes without a search, and a reader goes through arrays; the tree of blocks is
 * touched once for DIRENT_BLOCK names.
 * No limit counts the memory of the table, so the one of a directory that was large goes
 * when it is empty again.
 * Costs: find, insert, remove, rename O(1), beside O(log n) for each new block; to find a
 * reader's place O(log n).  The directory's mutex is held.
 */
#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "fs/tmpfs/private.h"

#define FIRST_BUCKETS 8u
#define KEEP_BUCKETS 512u /* a directory that is empty again keeps so many */
#define ROOM_MAX 255u

static int
by_number(const struct tree_node *a, const struct tree_node *b)
{
    u64 x = container_of(a, const struct dirent_block, node)->number,
        y = container_of(b, const struct dirent_block, node)->number;
    return x < y ? -1 : x > y;
}

static int
number_key(const void *key, const struct tree_node *n)
{
    u64 x = *(const u64 *)key, y = container_of(n, const struct dirent_block, node)->number;
    return x < y ? -1 : x > y;
}

void
dir_init(struct directory *d)
{
    *d = (struct directory){ .buckets = 0 };
    tree_init(&d->order, by_number);
}

struct dirent **
dir_find(struct directory *d, const char *name, u32 length)
{
    if (d->buckets == 0)
        return NULL;
    u32 hash = (u32)name_hash(name, length);
    for (struct dirent **l = &d->bucket[hash & (d->buckets - 1)], *e; (e = *l) != NULL;
         l = &e->next)
        if (e->hash == hash && e->length == length && bytes_equal(e->name, name, length))
            return l;
    return NULL;
}

static __attribute__((noinline)) int
grow_table(struct directory *d)
{
    u32 n = d->buckets != 0 ? d->buckets * 2 : FIRST_BUCKETS;
    struct dirent **bucket = heap_alloc_zeroed((size_t)n * sizeof(struct dirent *));
    if (bucket == NULL)
        return d->buckets != 0 ? 0 : -E_NOMEM; /* it goes on with longer chains */
    for (u32 i = 0; i < d->buckets; i++) {
        for (struct dirent *e = d->bucket[i], *next; e != NULL; e = next) {
            next = e->next;
            e->next = bucket[e->hash & (n - 1)];
            bucket[e->hash & (n - 1)] = e;
        }
    }
    heap_free(d->bucket);
    d->bucket = bucket;
    d->buckets = n;
    return 0;
}

static void
drop_block(struct directory *d, struct dirent_block *b)
{
    tree_remove(&d->order, &b->node);
    heap_free(b);
}

static __attribute__((noinline)) int
add_block(struct directory *d)
{
    struct dirent_block *b = heap_alloc(sizeof *b), *before = d->last;
    if (b == NULL)
        return -E_NOMEM;
    b->number = d->next_cookie / DIRENT_BLOCK;
    b->used = 0;
    struct tree_node *there = tree_insert(&d->order, &b->node);
    ASSERT(there == NULL);
    d->last = b;
    if (before != NULL && before->used == 0)
        drop_block(d, before);
    return 0;
}

int
dir_reserve(struct directory *d)
{
    int rc = 0;
    if (d->count >= d->buckets)
        rc = grow_table(d);
    if (rc == 0 &&
        (d->last == NULL || d->last->number != d->next_cookie / DIRENT_BLOCK))
        rc = add_block(d);
    return rc;
}

static void
set_name(struct dirent *e, const char *name, u32 length)
{
    e->hash = (u32)name_hash(name, length);
    e->length = (u8)length;
    bytes_copy(e->name, name, length);
}

struct dirent *
dirent_new(const char *name, u32 length, struct inode *inode)
{
    size_t bytes = (offsetof(struct dirent, name) + length + 15) & ~(size_t)15;
    struct dirent *e = heap_alloc(bytes);
    if (e == NULL)
        return NULL;
    e->inode = inode;
    e->room = (u8)MIN(bytes - offsetof(struct dirent, name), ROOM_MAX);
    set_name(e, name, length);
    return e;
}

static void
hash_in(struct directory *d, struct dirent *e)
{
    struct dirent **l = &d->bucket[e->hash & (d->buckets - 1)];
    e->next = *l;
    *l = e;
}

/* Where its cookie is. */
static void
put_in_block(struct dirent_block *b, u32 index, struct dirent *e)
{
    e->block = b;
    e->index = (u8)index;
    b->entry[index] = e;
    b->used |= 1u << index;
}

void
dir_insert(struct directory *d, struct dirent *e)
{
    hash_in(d, e);
    put_in_block(d->last, d->next_cookie++ % DIRENT_BLOCK, e);
    d->count++;
}

void
dir_remove(struct directory *d, struct dirent **at)
{
    struct dirent *e = *at;
    struct dirent_block *b = e->block;
    *at = e->next;
    b->used &= ~(1u << e->index);
    if (b->used == 0 && b != d->last) /* the last one takes what comes */
        drop_block(d, b);
    heap_free(e);
    if (--d->count == 0 && d->buckets > KEEP_BUCKETS) {
        heap_free(d->bucket);
        d->bucket = NULL;
        d->buckets = 0;
    }
}

int
dir_rename_entry(struct directory *d, struct dirent **at, const char *name, u32 length)
{
    struct dirent *e = *at;
    if (length <= e->room) {
        *at = e->next;
        set_name(e, name, length);
        hash_in(d, e);
        return 0;
    }
    struct dirent *longer = dirent_new(name, length, e->inode);
    if (longer == NULL)
        return -E_NOMEM;
    *at = e->next;
    put_in_block(e->block, e->index, longer);
    hash_in(d, longer);
    heap_free(e);
    return 0;
}

/* Put all entries of a directory in front of a list, and leave it empty. */
static struct dirent *
take_entries(struct directory *d, struct dirent *list)
{
    for (u32 b = 0; b < d->buckets; b++) {
        for (struct dirent *e = d->bucket[b], *next; e != NULL; e = next) {
            next = e->next;
            e->next = list;
            list = e;
        }
    }
    heap_free(d->bucket);
    for (struct tree_node *n; (n = d->order.root) != NULL;)
        drop_block(d, container_of(n, struct dirent_block, node));
    dir_init(d);
    return list;
}

/* A tree of any depth is taken down without recursion. */
void
dir_free(struct node *n)
{
    struct dirent *list = take_entries(&n->dir, NULL);
    while (list != NULL) {
        struct dirent *e = list;
        struct inode *i = e->inode;
        list = e->next;
        if (i->type == IT_DIR)
            list = take_entries(&node_of(i)->dir, list);
        node_link(i, i->type == IT_DIR ? -(i32)i->nlink : -1, vfs_now());
        heap_free(e);
    }
}

int
dir_list(struct inode *dir, u64 offset, dirent_fn fn, void *arg)
{
    u64 number = offset / DIRENT_BLOCK;
    struct tree_node *n =
        tree_at_or_after(&node_of(dir)->dir.order, &number, number_key);
    for (; n != NULL; n = tree_next(n)) {
        const struct dirent_block *b = container_of(n, struct dirent_block, node);
        u64 left = b->used, next = b->number * DIRENT_BLOCK + 1;
        if (b->number == number)
            left &= ~0ull << offset % DIRENT_BLOCK;
        for (; left != 0; left &= left - 1) {
            u64 index = (u64)__builtin_ctzll(left);
            const struct dirent *e = b->entry[index];
            if (!fn(arg, e->name, e->length, e->inode->ino, e->inode->type, next + index))
                return 0;
        }
    }
    return 0;
}

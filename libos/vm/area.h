/* SPDX-License-Identifier: MIT */
/*
 * The area map: sorted, non-overlapping intervals in an AVL tree that knows the largest
 * free gap of each subtree.
 *
 * A1. Areas are page-aligned, not empty, and do not overlap; `prev`/`next` thread them in
 *     the order of addresses.
 * A2. gap = start - previous area's end (or - the map's low bound for the first); max_gap
 *     = the largest gap in the subtree.
 * A3. |height(left) - height(right)| <= 1 at each node (Adelson-Velsky and Landis), so a
 *     path has at most 1.44 log2(n) nodes.
 * Locking: none here; the mm's mutex covers a map.
 * Costs: find, insert, remove and gap search O(log n); next and previous O(1).  A split or
 * a join changes no gap, so beside finding its area it takes O(1) on the average.
 */
#ifndef LIBOS_VM_AREA_H
#define LIBOS_VM_AREA_H

#include "core/types.h"

struct file;
struct inode;
struct mm;

struct area {
    uaddr start, end;
    struct area *left, *right, *parent;
    struct area *prev, *next;
    u64 gap, max_gap;
    u16 height;
    u16 prot;            /* PROT_* */
    u32 flags;           /* AREA_* of mm.h and area-private bits */
    u64 stamp;           /* the last truncation that saw it; inode->mappings_lock */
    u64 page;            /* page of the file at `start` (files and shared memory) */
    struct file *file;   /* a reference, or NULL */
    struct inode *inode; /* what is mapped, a reference; NULL: anonymous and private */
    struct list mapping; /* in inode->mappings */
    struct mm *mm;
};
struct area_map {
    struct area *root, *first, *last;
    struct area *hint; /* the area found last */
    uaddr low;         /* gaps begin here */
    u64 count, pages;
    u64 peak;          /* the most pages that there were */
};

void area_map_init(struct area_map *map, uaddr low);
/* The area that contains `at`, or the next one above it; NULL if there is none. */
struct area *area_find(struct area_map *map, uaddr at);
void area_insert(struct area_map *map, struct area *a); /* A1 must hold */
void area_remove(struct area_map *map, struct area *a);
/* `upper` has bounds, and ends where `a` does: it is inserted, and `a` ends where it
 * begins. */
void area_split(struct area_map *map, struct area *a, struct area *upper);
/* `a` takes over the range of the area that follows without a gap, which is removed. */
void area_join(struct area_map *map, struct area *a);
/* Change the bounds; the order must stay as it is. */
void area_resize(struct area_map *map, struct area *a, uaddr start, uaddr end);
/* Highest / lowest place for `bytes` within [low, high); 0: there is none. */
uaddr area_gap_down(const struct area_map *map, u64 bytes, uaddr low, uaddr high);
uaddr area_gap_up(const struct area_map *map, u64 bytes, uaddr low, uaddr high);
/* Is [start, end) free? */
bool area_range_free(struct area_map *map, uaddr start, uaddr end);
/* For tests: A1 to A3 hold. */
bool area_map_valid(const struct area_map *map);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the random test share: the model, the walk that compares it with the
 * tables, and the operations.
 *
 * The model is an array of what each page of a few 2 MiB regions of three spaces and a
 * window has.  One thread runs it all.
 */
#ifndef SPACE_TEST_RANDOM_H
#define SPACE_TEST_RANDOM_H

#include "frame/count.h"
#include "hal/x86_64/pte.h"
#include "machine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPACES      3u
#define TREES       (SPACES + 1) /* the last one is the window */
#define REGIONS     7u
#define POOL        10240u /* frames of the pool begin a 2 MiB run */
#define POOL_FRAMES 128u
#define DATA_FRAMES 40u /* of them, those that are mapped most often */
#define RUNS        3u  /* 2 MiB runs that large mappings use: the pool's and two more */
#define RIGHTS      (FB_MAP_READ | FB_MAP_WRITE | FB_MAP_EXEC)

struct page {
    bool used, dirty;
    u8 rights; /* 0: held */
    u16 frame;
};

/* ---- random_model.c ---- */
extern struct page model[TREES][REGIONS][512];
extern struct page large[TREES][REGIONS];
extern bool node[TREES][REGIONS][4]; /* by level */
extern struct domain domain;
extern struct tree trees[TREES];
extern const struct frames all;
extern u64 seed;

u64 rnd(u64 n);
unsigned regions_of(unsigned t);
u64 base_of(unsigned t, unsigned r);
u64 tree_end_of(unsigned t);
void node_set(unsigned t, unsigned r, unsigned level, bool value);
/* The level of the highest missing node above `above`; 0: none. */
unsigned missing(unsigned t, unsigned r, unsigned above);
/* The region that contains va, or REGIONS. */
unsigned region_at(unsigned t, u64 va);
/* What the tables have at va: 0 where a node is missing. */
u64 entry_in(unsigned t, u64 va, unsigned lowest);
/* The shared page table of a region (S8), or 0; and who has it. */
frame_t shared_at(unsigned t, unsigned r);
unsigned parents_of(frame_t table);

/* ---- random_check.c ---- */
/* How often each frame is mapped, mapped for writing, and linked as a table: counted by
 * the last check_all. */
extern u32 maps[MACHINE_FRAMES], wmaps[MACHINE_FRAMES], linked[MACHINE_FRAMES];
extern u32 large_wmaps[RUNS];
void check_all(void);

/* ---- random_change.c ---- */
/* How often what S8 says was done. */
struct sharing {
    unsigned shares, copies, adopted, lefts, sweeps;
};
extern struct sharing sharing;
struct page *page_at(unsigned t, u64 va);
/* A range: most often short, sometimes over everything. */
u64 random_range(unsigned t, u64 *pages);
void op_link(void);
void link_path(unsigned t, unsigned r, unsigned lowest);
void op_link_path(void);
void op_map(void);
void op_map_large(void);
bool cuts_large(unsigned t, u64 va, u64 end);
void op_protect(void);
void sync_nodes(unsigned t, bool *changed);
void unmap_in(unsigned t, u64 va, u64 pages, u32 flags);
void op_unmap(void);

/* ---- random_share.c ---- */
void op_copy(void);
void op_share(void);
void op_evict(void);
void op_touch(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The steward: the first domain.  It makes the instances that the manifest names, grants
 * each its part, and afterwards waits for their ends.  It is the only policy that
 * everybody trusts, so it is small and does each thing in one way.
 *
 * M1. Memory is given out in intervals of frames; what an instance needs of the kernel
 * (object, table and root memory) comes out of its own interval, so that its end gives
 * everything back. M2. The steward's own needs come from a pool of 2 MiB that is set
 * aside before anything is given out.
 */
#ifndef STEWARD_STEWARD_H
#define STEWARD_STEWARD_H

#include <sdk/instance.h>
#include <sdk/sdk.h>

#include "steward/manifest.h"

#define BOOT           ((const struct fb_boot *)FB_BOOT_VA)
#define STEWARD_BUFFER ((u8 *)(WINDOW_CB + PAGE)) /* the own vCPU's buffer pages */

/* ---- memory.c ---- */
struct ranges { /* sorted, disjoint intervals of frames */
    u32 count;
    struct fb_range r[FB_BOOT_RANGES];
};
extern struct ranges free_memory;
void memory_init(void);
u64 memory_total(void);
/* Take at least one and at most INSTANCE_RANGES intervals of `frames` in all (~0:
 * everything); 2 MiB pieces where possible. */
bool memory_take(u64 frames, struct ranges *out);
void memory_give_back(const struct ranges *taken);
u64 pool_frame(void); /* one frame of the pool; ends the machine if it is empty */

/* Map frames into a window (domain 0: the own), linking nodes that nodes_next gives.
 * Returns 0 or -FB_E_X. */
struct node_source {
    u64 next, end; /* frames; memory capability is the root one */
};
long window_map(u64 domain, u64 va, u64 cap, u64 frame, u64 pages, u32 flags,
                struct node_source *nodes);
long window_unmap(u64 va, u64 pages);
#define OWN_FREE                                                                         \
    (FB_WINDOW_BASE + 0x7000000000ull) /* the steward's place for temporary mappings */
/* Map frames for the steward itself, at most 512 at a time in each of 8 places. */
void *own_map(unsigned place, u64 cap, u64 frame, u64 pages, bool write);
void own_unmap(unsigned place, u64 pages);

/* ---- instance.c ---- */
struct instance {
    const struct manifest_instance *what;
    u32 index; /* in the manifest: its place in slice vectors, its event bit */
    struct ranges memory;
    u64 domain, space;
    u64 memory_caps[FB_BOOT_RANGES + 1];
    u32 nmemory;
    bool alive;
    u32 starts;
};
bool instance_start(struct instance *i);
/* Destroy its domain and take its memory back. */
void instance_remove(struct instance *i);

/* ---- main.c ---- */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
__attribute__((noreturn)) void give_up(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
u64 ncpus(void);

#endif

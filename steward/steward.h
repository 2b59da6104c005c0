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
#include <sdk/reclaim.h>

#define BOOT           ((const struct fb_boot *)FB_BOOT_VA)
#define STEWARD_BUFFER ((u8 *)(WINDOW_CB + PAGE)) /* the own vCPU's buffer pages */

/* Repeat a call while another CPU works on the same thing, or has stale translations. */
#define AGAIN(call)                                                                      \
    ({                                                                                   \
        long again_;                                                                     \
        while ((again_ = (call)) == -FB_E_BUSY || again_ == -FB_E_FLUSH)                 \
            fb_tlb_flush(~0ul, 0, NULL);                                                 \
        again_;                                                                          \
    })


/* ---- memory.c ---- */
/* As many as there can be when each instance has every second chunk of its own back. */
#define RANGES_MAX (FB_BOOT_RANGES + MANIFEST_INSTANCES * RECLAIM_CHUNKS / 2)
struct ranges { /* sorted, disjoint intervals of frames */
    u32 count;
    struct fb_range r[RANGES_MAX];
};
extern struct ranges free_memory;
void memory_init(void);
u64 memory_total(void);
/* Take at least one and at most INSTANCE_RANGES intervals of `frames` in all (~0:
 * everything); 2 MiB pieces where possible. */
bool memory_take(u64 frames, struct ranges *out);
void memory_give_back(const struct ranges *taken);
/* `frames` (whole 2 MiB) in one aligned piece. */
bool memory_take_piece(u64 frames, struct fb_range *out);
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
/* The place in which pages of an instance stay mapped while it lives. */
#define OWN_PLACE(index) (8u + (index))

/* ---- reclaim.c: memory in chunks, CPU time, and asking for them back ---- */
struct chunk {
    u64 own; /* the steward's capability, above the instance's; 0: the entry is free */
    struct fb_range r;
    bool stuck; /* revoked, but kernel objects of the instance lie in it */
};
struct reclaim {
    struct chunk chunk[RECLAIM_CHUNKS];
    u64 slice_own[FB_CPUS_MAX], ticks[FB_CPUS_MAX]; /* by vCPU */
    u64 changes;                                    /* as in the page */
    struct reclaim_page *page;                      /* the steward's mappings */
    const struct fb_domain_record *record;
    /* The open request. */
    bool open;
    u32 kind;
    u64 asked, amount, deadline, began;
    struct instance *to; /* who gets it; NULL: nobody yet */
};
struct instance;
#define RECLAIM_EVENT(index) (1ull << (32 + (index))) /* the instance has answered */
/* Make the instance's memory i->memory less by its chunks; false: too little is left. */
bool reclaim_carve(struct instance *i);
/* The frames that the kernel's tables need at most for chunks that come later. */
u64 reclaim_nodes(void);
/* Its domain and vCPUs are made: map the shared page and the record, grant the chunks
 * and positions.  0 or -FB_E_X. */
long reclaim_begin(struct instance *i, u64 record_frame, u64 page_frame);
/* Its domain is gone: all that is left in chunks becomes free memory. */
void reclaim_end(struct instance *i);
/* Ask for frames, or ticks of each round.  False: a request is open, or it has none. */
bool reclaim_ask(struct instance *i, u32 kind, u64 amount, u64 ms, struct instance *to);
/* Give free memory to a running instance: how many frames it got. */
u64 reclaim_give(struct instance *i, u64 frames);
/* Take chunk k, by force where it was not given back: 0, and it is free memory; else
 * -FB_E_X, and it stays the instance's `stuck` one. */
long reclaim_take(struct instance *i, u32 k);
void reclaim_tell(struct instance *i); /* that its lists have changed */
/* Answers, deadlines, and what the command line schedules (feuer.reclaim=).  Returns the
 * TSC at which it wants to be called again, or FB_FOREVER. */
u64 reclaim_poll(struct instance *all, u32 count);

/* ---- instance.c ---- */
struct instance {
    const struct manifest_instance *what;
    u32 index; /* in the manifest: its place in slice vectors, its event bit */
    struct ranges memory;
    u64 domain, space;
    u64 memory_caps[INSTANCE_RANGES + 1];
    u32 nmemory;
    bool alive;
    u32 starts;
    u64 vcpus[FB_CPUS_MAX], cpus[FB_CPUS_MAX]; /* its vCPUs, and on which CPU each is */
    u32 nvcpus;
    struct node_source nodes; /* for what is mapped into its window later */
    struct reclaim reclaim;
};
bool instance_start(struct instance *i);
/* Destroy its domain and take its memory back. */
void instance_remove(struct instance *i);
/* Repeat a call that works in steps until it is done. */
long finish(long (*call)(unsigned long, unsigned long *), u64 name);

/* ---- share.c: memory that two instances share ---- */
/* Once, before any instance is made. */
void share_init(const struct manifest *manifest);
u64 share_nodes(void); /* of an instance's window */
/* Its domain and vCPUs are made: its side of each of its shares; *list: where its list is
 * mapped for it.  0 or -FB_E_X. */
long share_begin(struct instance *i, struct node_source *nodes, u64 *list);
/* Before its domain is destroyed. */
void share_end(struct instance *i);

/* ---- usage.c ---- */
/* Says who had how much CPU time, as the command line asks.  Returns the TSC at which it
 * wants to be called again, or FB_FOREVER. */
u64 usage_poll(const struct instance *all, u32 count);

/* ---- main.c ---- */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
__attribute__((noreturn)) void give_up(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
u64 ncpus(void);

#endif

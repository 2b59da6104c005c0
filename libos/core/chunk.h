/* SPDX-License-Identifier: MIT */
/*
 * Memory that can be asked back: chunks, beside the instance's base memory (sdk/reclaim.h
 * has the protocol).
 *
 * H1. A chunk holds movable frames alone: pages of anonymous memory, which nothing but
 *     page tables of spaces and their mm's mutex refers to.  All of the LibOS's own memory
 *     is base memory, which is never taken while the instance lives.
 * H2. What is known of a chunk (its free frames, too) lies in base memory, so that a
 *     chunk that is taken by force takes nothing with it but pages of processes.
 * H3. A closed chunk gives no frame out; it is empty when all its frames have come back.
 *     A frame of a chunk that has gone belongs to nobody, and page_free ignores it.
 * Locks: chunk_lock, a leaf.
 */
#ifndef LIBOS_CORE_CHUNK_H
#define LIBOS_CORE_CHUNK_H

#include "core/types.h"

#define CHUNKS 64u

/* What is done with the steward's lists: `changes` is its count, odd while it takes by
 * force; `handled` the one that the LibOS has acted upon. */
extern const u64 *chunk_changes;
extern u64 chunk_handled;
extern u64 chunk_losses; /* how often something was taken; grows before `handled` */

/* False: something was, or is being, taken.  An absent page may be one that was taken, so
 * faults wait. */
static inline bool
chunk_settled(void)
{
    return __builtin_expect(__atomic_load_n(chunk_changes, __ATOMIC_ACQUIRE) ==
                                __atomic_load_n(&chunk_handled, __ATOMIC_RELAXED),
                            1);
}

/* A frame for a movable page: of base memory as long as that is not scarce. */
frame_t page_alloc_movable(void);
frame_t page_alloc_movable_zeroed(void);
/* Is base memory scarce, so that movable pages go to chunks, one by one? */
bool page_base_is_scarce(void);

/* [lo, hi) is the chunk in place k from now on, mapped in the direct map.
 * -E_NOMEM -E_BUSY */
int chunk_add(u32 k, u64 cap, frame_t lo, frame_t hi) MUST_CHECK;
/* Close it, so that it can be emptied, or open it again. */
void chunk_close(u32 k);
void chunk_open(u32 k);
/* The chunk has gone, empty or taken (H3). */
void chunk_remove(u32 k);
struct chunk_info {
    u64 cap; /* 0: there is none in this place */
    frame_t lo, hi;
    u64 used;
};
void chunk_info(u32 k, struct chunk_info *out);
bool chunk_any_in_use(void); /* any frame of any chunk */
/* Its capability if frames of it are in use, else 0. */
u64 chunk_cap_in_use(u32 k);

/* ---- below it: arch ---- */
/* Request that is not answered yet: its number; 0: none.  *memory: frames are asked for,
 * else time, which machine_reclaim_time answers.  *deadline_ns: on the monotonic clock. */
u64 machine_reclaim_pending(bool *memory, u64 *amount, u64 *deadline_ns);
void machine_reclaim_answer(u64 number, u64 given);
u64 machine_reclaim_time(u64 ticks); /* what it gives of the slices of all vCPUs */
/* What the steward lists in place k. */
void machine_chunk_listed(u32 k, u64 *cap, frame_t *lo, frame_t *hi);
/* Give a chunk back: 0, or -E_BUSY: something of it is in use as page tables. */
int machine_chunk_delete(u64 cap) MUST_CHECK;
/* After it was taken: what stands in for it in the direct map goes (arch). */
void machine_chunk_forget(frame_t lo, frame_t hi);
/* Bounds of all memory that the instance may ever have. */
void machine_memory_bounds(frame_t *lo, frame_t *hi);
bool machine_reclaim_init(void); /* false: there is nobody who could ask */

/* ---- for page.c alone ---- */
#define ZONE_CHUNK 2u
#define ZONE_GONE 0xffu
void chunk_free(frame_t f);
u64 chunk_cap(frame_t f);
void chunk_count(u64 *total, u64 *free);
void page_set_zone(frame_t lo, frame_t hi, u8 zone);

#endif

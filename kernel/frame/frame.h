/* SPDX-License-Identifier: MIT */
/*
 * Frame records: what each physical frame is, and how often it is mapped.
 *
 * F1. A frame's type changes only while it has no writable mapping, no pin, and no stale translation anywhere
 *     (its stamp's epoch has been seen by all CPUs): no table is ever writable from outside.
 * F2. Type and counts live in one 64-bit word that changes by compare-and-swap: "writable and a table" has no
 *     state to be in.
 * F3. Large pages are counted at their head, in an array for each size; making a frame of it a table first counts
 *     it as `typed` there, which excludes writable large mappings, and they exclude it.
 * F4. A TABLE that is not linked is clean: all its entries are zero.
 *
 * Layout of a large word: bits 0-19 typed frames within, 20-39 writable mappings, 40-59 mappings.
 * No locks; every function is a bounded number of compare-and-swaps (it gives up with BUSY, not by spinning).
 */
#ifndef KERNEL_FRAME_FRAME_H
#define KERNEL_FRAME_FRAME_H

#include "base/types.h"

struct frame_large {
    _Atomic u64 word;
    _Atomic u32 stamp;
    u32 pad;
};

extern struct fb_frame_record *frame_records; /* [I] */
extern u64 frame_count;                       /* [I] records exist for [0, frame_count) */

/* Memory that the arrays need for `frames` frames, in bytes: records first, then both large arrays. */
u64 frame_records_bytes(u64 frames);
/* Boot: `memory` is zeroed, page-aligned, frame_records_bytes(frames) long. All frames start RESERVED. */
void frame_init(void *memory, u64 frames);
/* Boot only, before any mapping: give [lo, hi) a type. */
void frame_boot_type(frame_t lo, frame_t hi, enum fb_frame_type type);

static inline enum fb_frame_type
frame_type(frame_t f)
{
    u64 word = __atomic_load_n(&frame_records[f].word, __ATOMIC_RELAXED);
    return (enum fb_frame_type)FB_FRAME_TYPE(word);
}

/* Count a mapping of size level 0 (4 KiB), 1 (2 MiB), 2 (1 GiB).
 * DATA may be mapped any way; PUBLIC, TABLE for reading only (4 KiB; 2 MiB read-only when it holds tables).
 * -INUSE: the type forbids it; -COUNT: overflow; -RANGE: no such frame. */
int frame_map(frame_t f, unsigned level, bool write) MUST_CHECK;
/* Count it away; if `write`, the stamp becomes epoch_now()+1, i.e. covered by the next epoch_next().
 * Returns true when this was the last 4 KiB mapping. */
bool frame_unmap(frame_t f, unsigned level, bool write);
/* A mapping changes: from read-only to writable (checked as frame_map), or back. */
int frame_add_write(frame_t f, unsigned level) MUST_CHECK;
void frame_drop_write(frame_t f, unsigned level);

/* Change the type of one frame from DATA (or a clean TABLE) to `to`.  Sets the frame's contents to zero unless it was
 * a clean TABLE. -INUSE: mapped for writing, pinned, wrong type, linked; -FLUSH: F1's stamp; -RANGE. */
int frame_give(frame_t f, enum fb_frame_type to) MUST_CHECK;
/* The same for [f, f+n): all or nothing. n <= 64. */
int frame_give_run(frame_t f, u64 n, enum fb_frame_type to) MUST_CHECK;
/* Back to DATA.  A TABLE must be unlinked; the stamp is set so that later uses wait for a flush. Never fails. */
void frame_take_back(frame_t f);
/* A clean TABLE of [f] is turned into DATA when first mapped as such: frame_map does it by itself (F1 applies). */

/* Pins keep a DATA frame DATA (control blocks, DMA).  -INUSE, -COUNT. */
int frame_pin(frame_t f) MUST_CHECK;
void frame_unpin(frame_t f);

#endif

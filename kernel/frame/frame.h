/* SPDX-License-Identifier: MIT */
/*
 * Frame records: what each physical frame is, and how often it is mapped.
 *
 * F1. A frame's type changes only while it has no writable mapping, no pin, and no stale
 *     writable translation anywhere (its stamp's epoch has been seen by all CPUs): no table
 *     is ever writable from outside.  Who removed a mapping of his for reading may have a
 *     stale translation until his CPU's next flush; a revocation waits for that.
 * F2. Type and counts live in one 64-bit word that changes by compare-and-swap: "writable
 *     and a table" has no state to be in.
 * F3. Large pages are counted at their head, in an array for each size.  A run of frames
 *     that holds page-table nodes, PUBLIC frames or records (`typed`) has no writable large
 *     mapping; one that holds frames whose contents are the kernel's business (`secret`:
 *     RESERVED, KERNEL, ROOT, CAPTAB, OBJECT) has no large mapping at all.  Who changes a
 *     frame's type enters it there first, and is refused while the head has mappings that
 *     exclude the new type.
 * F4. A TABLE that is not linked is clean: all its entries are zero.
 * F5. A linked TABLE has one pin for each tree that has it (S8), most often one: so
 *     nobody else links it or makes it something else.
 * F6. While a type changes the frame is KERNEL: nothing can be mapped, linked or given
 *     until the change is complete.
 * F7. A frame that was a node or an object (FRAME_F_STALE) becomes writable again only
 *     after its stamp's epoch: some CPU's paging-structure caches may still hold it as a
 *     node.  frame_map asks for that epoch by itself and returns BUSY until it has come.
 *
 * Layout of a large word: bits 0-18 typed frames, 19-37 secret frames, 38-50 writable
 * mappings, 51-63 mappings. No locks; every function is a bounded number of
 * compare-and-swaps (it gives up with BUSY, not by spinning).
 */
#ifndef KERNEL_FRAME_FRAME_H
#define KERNEL_FRAME_FRAME_H

#include "base/types.h"

struct frame_large {
    u64 word;  /* [a] */
    u32 stamp; /* [a] of large writable mappings that were removed */
    u32 stale; /* [a] F7, of frames within: large writable mappings wait for it */
};

#define FRAME_F_STALE 0x2u     /* F7, in fb_frame_record.flags */
#define FRAME_F_WAS_TABLE 0x4u /* F6: it was a clean TABLE before the change */

extern struct fb_frame_record *frame_records; /* [I] */
extern u64 frame_count;                       /* [I] records exist for [0, frame_count) */

/* Memory that the arrays need for `frames` frames, in bytes: records first, then both
 * large arrays. */
u64 frame_records_bytes(u64 frames);
/* Boot: `memory` is zeroed, page-aligned, frame_records_bytes(frames) long. All frames
 * start RESERVED. */
void frame_init(void *memory, u64 frames);
/* Boot only, before any mapping: give [lo, hi) a type. */
void frame_boot_type(frame_t lo, frame_t hi, enum fb_frame_type type);

/* The kernel writes it, who may read the frame can map it. */
static inline bool
frame_is_readable(enum fb_frame_type type)
{
    return type == FB_FRAME_TABLE || type == FB_FRAME_PUBLIC ||
           type == FB_FRAME_DOMAIN_RECORD;
}

static inline enum fb_frame_type
frame_type(frame_t f)
{
    u64 word = __atomic_load_n(&frame_records[f].word, __ATOMIC_RELAXED);
    return (enum fb_frame_type)FB_FRAME_TYPE(word);
}

/* Count a mapping of size level 0 (4 KiB), 1 (2 MiB), 2 (1 GiB).
 * DATA may be mapped any way; PUBLIC, TABLE, DOMAIN_RECORD for reading only; a clean TABLE becomes DATA
 * when it, or the 2 MiB around it, is to be mapped for writing.  Large runs: F3. -INUSE: the type forbids it;
 * -COUNT: overflow; -RANGE: no such frame; -BUSY: F7 or contention. */
int frame_map(frame_t f, unsigned level, bool write) MUST_CHECK;
/* Count it away; if `write`, the stamp becomes epoch_now()+1, i.e. covered by the next
 * epoch_next(). Returns true when this was the last 4 KiB mapping. */
bool frame_unmap(frame_t f, unsigned level, bool write);
/* A mapping changes: from read-only to writable (checked as frame_map), or back. */
int frame_add_write(frame_t f, unsigned level) MUST_CHECK;
void frame_drop_write(frame_t f, unsigned level);

/* Change the type of one frame from DATA (or a clean TABLE) to `to`.  Sets the frame's
 * contents to zero unless it was a clean TABLE. -INUSE: mapped for writing, pinned, wrong
 * type, linked; -FLUSH: F1's stamp; -RANGE. */
int frame_give(frame_t f, enum fb_frame_type to) MUST_CHECK;
/* The same for [f, f+n): all or nothing. n <= 64. */
int frame_give_run(frame_t f, u64 n, enum fb_frame_type to) MUST_CHECK;
/* Make a clean TABLE, or a DATA frame (which is cleared), a linked TABLE: one step, so
 * that one caller gets it. Errors as frame_give.  A domain's window_frame is linked so
 * when the domain is made. */
int frame_link(frame_t f) MUST_CHECK;
/* A linked TABLE without entries (F4) is a clean one again.  Its stamp is set: the caller
 * starts an epoch. */
void frame_unlink(frame_t f);
/* A linked TABLE has one tree more: -BUSY: locked; -COUNT. */
int frame_table_add(frame_t f) MUST_CHECK;
/* Lock one that several trees have: 0; 1: one tree has it, which needs no lock; -BUSY. */
int frame_table_lock(frame_t f) MUST_CHECK;
void frame_table_unlock(frame_t f, bool leave); /* leave: one tree less has it */
/* Back to DATA, zeroed: a TABLE without entries, linked or not, or a frame that was
 * given.  No CPU uses it any more, but translations may be stale (F7).  Never fails. */
void frame_take_back(frame_t f);

/* Pins keep a DATA frame DATA (control blocks, DMA).  -INUSE, -COUNT, -RANGE, -BUSY. */
int frame_pin(frame_t f) MUST_CHECK;
void frame_unpin(frame_t f);

#endif

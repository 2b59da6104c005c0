/* SPDX-License-Identifier: MIT */
/*
 * Spaces, for vm: mapping, protection, copying. What the kernel answers with BUSY,
 * RESUME, NOTABLE or FLUSH is handled
 * here; a caller sees 0 or -E_NOMEM.
 *
 * M1. The caller serialises the calls on one space (its mm lock); mmu_switch needs no
 *     lock.
 * M2. When a call that takes a mapping or a right away returns, no CPU has a stale
 *     translation of it; the frames that
 *     it reports may be reused at once.  Long ones let other threads run in between.
 * M3. The kernel's counts are the counts: a frame is reported exactly when its last
 *     mapping goes.
 * M4. After mmu_copy with `tables` spaces may share page tables: nothing is written
 *     through these (no page of theirs has MMU_WRITE), and the pages are counted as mapped
 *     once for all.  Before pages there are changed the space needs tables of its own:
 *     mmu_own for rights, and for pages that a decision is made on (mmu_page.shared);
 *     mmu_own_edges for what is unmapped; mmu_map and mmu_replace see to it themselves.
 * M5. A page of 2 MiB (mmu_map_large) is in one space only, and has the rights of its
 *     area.  It is made 4 KiB pages where M4 says that a table must be ours first: so what
 *     is done with pages one by one finds none.  mmu_query, mmu_next and mmu_each show it
 *     as 512 pages (mmu_page.large), and mmu_unmap gives it back as one run.
 */
#ifndef LIBOS_CORE_MMU_H
#define LIBOS_CORE_MMU_H

#include "core/types.h"

#define MMU_READ 0x1u
#define MMU_WRITE 0x2u
#define MMU_EXEC 0x4u
#define MMU_NOADD 0x100u  /* mmu_protect: only take rights away */

#define MMU_TOPS 6
struct mmu_top {
    u32 slot;      /* top-level index, 0..255 */
    frame_t frame; /* the node of directory pointers that is linked there */
};
struct mmu_space {
    u64 cap;            /* [I] SPACE capability */
    frame_t root;       /* [I] even root frame */
    _Atomic u32 dying;  /* lcpus that idle in it leave it */
    u32 ntops;          /* M1 */
    u32 ntops_max;
    bool shares;        /* M1: some page table may be shared (M4) */
    u32 large;          /* M1: pages of 2 MiB (M5) */
    struct mmu_top *tops; /* first_tops, or from the heap */
    struct mmu_top first_tops[MMU_TOPS];
};

int mmu_space_create(struct mmu_space *s) MUST_CHECK; /* -E_NOMEM */
/* Everything must be unmapped with mmu_unmap(tables = true) before; no user thread may
 * have it. May sleep. */
void mmu_space_destroy(struct mmu_space *s);

/* Map `count` frames from `frame` on.  With a page there already: -E_EXIST. */
int mmu_map(struct mmu_space *s, uaddr va, frame_t frame, u32 flags,
            u64 count) MUST_CHECK;
/* The same with any frames, at most MMU_FRAMES_MAX; one may be there several times. */
#define MMU_FRAMES_MAX 512u
int mmu_map_frames(struct mmu_space *s, uaddr va, const frame_t *frames, u32 flags,
                   u64 count) MUST_CHECK;
/* M5: the run of frames (page_alloc_run(MMU_LARGE_ORDER)) at va, a multiple of its size,
 * where it fits.  -E_EXIST -E_NOMEM */
#define MMU_LARGE_ORDER 9u
int mmu_map_large(struct mmu_space *s, uaddr va, frame_t frame, u32 flags) MUST_CHECK;
/* Is nothing there, so that one would fit at va? */
bool mmu_large_fits(struct mmu_space *s, uaddr va);
/* Pages of 2 MiB in all spaces. */
u64 mmu_large_pages(void);
/* The same as mmu_map in place of the pages that are there, at most MMU_REPLACE_MAX.  *lost: by bit,
 * those whose frame lost its last mapping; what they were is known to who looked under
 * the space's lock.  *done: how many were replaced, also on errors. */
#define MMU_REPLACE_MAX 32u
int mmu_replace(struct mmu_space *s, uaddr va, frame_t frame, u32 flags, u32 count,
                u32 *lost, u32 *done) MUST_CHECK;
/* Change the protection of the present pages of a range; flags 0: no access (the pages
 * stay). */
void mmu_protect(struct mmu_space *s, uaddr va, u64 pages, u32 flags);
/* Remove the present pages of a range. `lost` is called for each frame that this was the
 * last mapping of, after the flush; it must
 * not sleep.  tables: give emptied nodes back too. */
typedef void (*mmu_lost_fn)(void *arg, frame_t frame, bool dirty);
void mmu_unmap(struct mmu_space *s, uaddr va, u64 pages, bool tables, mmu_lost_fn lost,
               void *arg);
/* Map the present pages of `from` at the same addresses of `to`; COW takes WRITE away on
 * both sides; TABLES as well: page tables that lie in the range as a whole are shared
 * (M4), which costs the same however many pages they have. */
enum mmu_copy { MMU_COPY_SHARE, MMU_COPY_COW, MMU_COPY_TABLES };
int mmu_copy(struct mmu_space *to, struct mmu_space *from, uaddr va, u64 pages,
             enum mmu_copy how) MUST_CHECK;
/* What a page table covers: 2 MiB. */
#define MMU_TABLE_BYTES (2ull << 20)
/* M4: all tables of a range, or those that lie only partly in it, are this space's own
 * from now on, where they are there.  -E_NOMEM. */
int mmu_own(struct mmu_space *s, uaddr va, u64 pages) MUST_CHECK;
int mmu_own_edges(struct mmu_space *s, uaddr va, u64 pages) MUST_CHECK;

struct mmu_page {
    frame_t frame;
    u32 flags; /* MMU_READ | WRITE | EXEC */
    bool dirty, accessed;
    bool large; /* a part of a page of 2 MiB (M5) */
    u16 shared; /* M4: 0: the table is this space's own; else how many spaces have it */
};
/* What is mapped at va: true and *out, or false.  Reads the page tables; no call. */
bool mmu_query(struct mmu_space *s, uaddr va, struct mmu_page *out);
/* The first present page in [*va, end): true, with its address in *va. What has no page table is passed over as a whole, so the
 * cost is that of the tables that are there. */
bool mmu_next(struct mmu_space *s, uaddr *va, uaddr end, struct mmu_page *out);

/* Is nothing there in [va, end), no page and no node that mmu_unmap would give back?  Then
 * no call is needed. */
bool mmu_absent(struct mmu_space *s, uaddr va, uaddr end);

/* Calls `visit` for each page in [va, end), those without any access (flags 0) too, in
 * order.  Only what is there costs: about 10 instructions a page besides the call. */
typedef void (*mmu_visit_fn)(void *arg, uaddr va, const struct mmu_page *page);
void mmu_each(struct mmu_space *s, uaddr va, uaddr end, mmu_visit_fn visit, void *arg);

/* Make it the current thread's space (exec, the start of a process), here and from now
 * on. */
void mmu_switch(struct mmu_space *s);
/* Flush it on all CPUs on which it is current; rarely needed, see M2. */
void mmu_flush(struct mmu_space *s);
/* All of the instance's CPUs; each has been interrupted when this returns. */
void mmu_flush_all(void);

#endif

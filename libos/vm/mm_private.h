/* SPDX-License-Identifier: MIT */
/* The inside of struct mm, for the files of this room.  `_locked`: the caller holds
 * m->lock. */
#ifndef LIBOS_VM_MM_PRIVATE_H
#define LIBOS_VM_MM_PRIVATE_H

#include "core/lock.h"
#include "core/mmu.h"
#include "core/types.h"
#include "vm/area.h"
#include "vm/mm.h" /* and vm/info.h */

#define MM_LOW 0x10000ull           /* nothing is mapped below: null pointers fault */
#define MM_STACK_MAX (8ull << 20)   /* exec's strings: three quarters of it at most */
#define MM_STACK_GUARD (1ull << 20) /* and how far it stays away from what is below */
#define MM_FAULT_REACH 16u          /* pages: no fault makes present what is further away */
#define MM_TOP_GAP (128ull << 20)   /* mappings are placed below USER_TOP - this */
#define AREA_KEEP_FLAGS                                                       \
    (AREA_SHARED | AREA_GROWSDOWN | AREA_STACK | AREA_NORESERVE | AREA_VDSO | \
     AREA_MAYWRITE | AREA_NOEXEC | AREA_ADVICE | AREA_LOCKED | AREA_LOCK_ON_FAULT)
#define AREA_ADVICE                                                               \
    (AREA_DONTFORK | AREA_WIPEONFORK | AREA_DONTDUMP | AREA_HUGEPAGE |            \
     AREA_NOHUGEPAGE | AREA_MERGEABLE | AREA_RANDOM | AREA_SEQUENTIAL |        \
     AREA_POLICY)

/* What pages count as (I1). */
enum { RSS_ANONYMOUS, RSS_FILE, RSS_SHARED, RSS_KINDS, RSS_NONE = RSS_KINDS };

/* Ranges of addresses, in the order in which they came. */
#define RANGES_MAX 32u
struct vm_range {
    uaddr start, end;
};
struct vm_ranges {
    u32 count;
    struct vm_range at[RANGES_MAX];
};

struct mm {
    struct mmu_space space; /* outlives the use of the structure: spare.c */
    _Atomic u32 refs;  /* who runs in it or works on it as its own */
    _Atomic u32 keeps; /* who needs the structure: the refs together are one */
    struct mutex lock; /* everything below */
    struct area_map areas;
    uaddr map_top; /* mappings without a wish are placed below it */
    uaddr brk_start, brk;
    uaddr next_fault; /* where the next fault is if memory is touched page by page */
    u32 ahead;        /* how many faults in a row were such */
    uaddr populate_end; /* and what is asked for to be present ends here; 0: nothing is */
    u64 rss[RSS_KINDS], rss_peak; /* pages present; the peak is right after rss_note_peak */
    u64 vm_data, vm_text, vm_stack, vm_locked; /* pages of areas (I1) */
    u64 truncation;       /* the last one that passed through here, or was over (map.c) */
    u64 losses; /* chunk_losses when all pages were there last; ~0: some are lost (RC2) */
    struct mm *next_held; /* by reclaim.c: of those that it holds */
    bool held;
    bool tell_end;        /* mm_tell_end */
    bool advised;         /* some area had DONTFORK or WIPEONFORK */
    u32 lock_future;      /* flags of areas to come: mlockall */
    struct vm_ranges *lazy; /* Z3 of lazy.c; NULL: none */
    struct vm_ranges *cold; /* what the program named: pager.c, `own`; NULL: none */
    uaddr hand;             /* of its paging policy */
    u8 paging;              /* PAGER_* */
    bool no_large;          /* no pages of 2 MiB */
    struct file *program; /* a reference; NULL: none */
    struct mm_layout layout; /* but for the break */
};

void mm_keep_drop(struct mm *m);
/* spare.c: structures whose space is empty, to be used again.  NULL: none; false: there
 * are enough. */
struct mm *mm_spare_take(void);
bool mm_spare_put(struct mm *m);
u64 vm_truncation(void); /* the number of the last truncation */
/* The program that runs in it, which nobody may open for writing meanwhile. */
void mm_take_program(struct mm *m, struct file *program);

struct area *area_new(struct mm *m, uaddr start, uaddr end, u32 prot, u32 flags,
                      struct file *file, struct inode *inode,
                      u64 page); /* takes references; not inserted; NULL: no memory */
void area_attach(struct mm *m, struct area *a); /* insert, and into the inode's list */
void area_free(struct mm *m,
               struct area *a);    /* remove, out of the list, drop references */
void area_release(struct area *a); /* one that is not inserted: drop references */
/* Could a, and b right above it, be one (V1)? */
bool area_can_merge(const struct area *a, const struct area *b);
/* Does `page` say what is at its start? */
static inline bool
area_has_pages(const struct area *a)
{
    return a->inode || (a->flags & AREA_VDSO);
}
/* Change the bounds, and the counts with them. */
void area_stretch(struct mm *m, struct area *a, uaddr start, uaddr end);
/* The protection and flags of an area that is inserted. */
void area_set(struct mm *m, struct area *a, u32 prot, u32 flags);

/* What a page of an area counts as: RSS_*. */
unsigned rss_kind(const struct area *a, frame_t frame);
/* V8: is a page of a private area that area's alone? */
bool page_is_own(const struct mmu_page *page);
u64 page_seen(const struct mmu_page *page);
/* Pages are about to be unmapped: counts them off. */
void rss_forget(struct mm *m, const struct area *a, uaddr from, uaddr to);
void rss_note_peak(struct mm *m);

/* Unmap what is present of [at, end), which begins in `a`; what areas after it have of it
 * goes too.  tables: nodes that are empty then as well.  -E_NOMEM: a page table that was
 * to be ours first (core/mmu.h, M4), and nothing has changed. */
int area_drop_pages(struct mm *m, const struct area *a, uaddr at, uaddr end,
                    bool tables) MUST_CHECK;
/* Cut `a` at `at`, within it: a keeps the lower part. The new upper one in *upper;
 * -E_NOMEM. */
int area_split_locked(struct mm *m, struct area *a, uaddr at,
                      struct area **upper) MUST_CHECK;
/* Unite `a` with its neighbours where they could be one (V1); returns what `a` is in now.
 */
struct area *area_merge_locked(struct mm *m, struct area *a);
/* Make area bounds at `start` and `end` where areas straddle them. */
int area_cut_locked(struct mm *m, uaddr start, uaddr end) MUST_CHECK;

int mm_unmap_locked(struct mm *m, uaddr at, u64 bytes) MUST_CHECK;
int mm_map_locked(struct mm *m, uaddr at, u64 bytes, u32 prot, u32 flags,
                  struct file *file, struct inode *inode, u64 page,
                  uaddr *out) MUST_CHECK;
/* absent: the hardware said that nothing is there, so that the page table need not be
 * read. */
int mm_fault_locked(struct mm *m, struct area *a, uaddr page, u32 need,
                    bool absent) MUST_CHECK;
/* MADV_COLLAPSE: -E_INVAL -E_NOMEM -E_AGAIN */
int mm_collapse_locked(struct mm *m, uaddr at, uaddr end) MUST_CHECK;
#define LARGE_IN_A_ROW 8u /* faults, some of them of AHEAD_MAX pages (V9) */
/* V12: the write fault gets a page of 2 MiB.  False: 4 KiB pages are to be tried. */
bool fault_large(struct mm *m, struct area *a, uaddr page);
/* The area at `at` after growing a stack down to it if that may be; NULL: none. */
struct area *area_at_locked(struct mm *m, uaddr at);
/* The lock is given up now and then: areas may be others afterwards.
 * Bring a range in as far as it may be accessed, for writing where it is private and may
 * be written: -E_NOMEM (not mapped, or no memory) -E_ACCES (no access) -E_IO -E_INTR. */
int mm_populate_locked(struct mm *m, uaddr at, u64 bytes) MUST_CHECK;
/* The same for this access. */
int mm_populate_for_locked(struct mm *m, uaddr at, u64 bytes, u32 need) MUST_CHECK;
/* Is every page of the range in an area that may have this protection?  -E_NOMEM
 * -E_ACCES */
int mm_check_locked(struct mm *m, uaddr at, uaddr end, u32 prot) MUST_CHECK;

static inline u64
area_pages(const struct area *a)
{
    return (a->end - a->start) >> PAGE_SHIFT;
}

/* May [at, at + bytes) be in a process at all? Pages only. */
static inline bool
mm_range_ok(uaddr at, u64 bytes)
{
    return at % PAGE_SIZE == 0 && bytes % PAGE_SIZE == 0 && bytes <= USER_TOP &&
           at <= USER_TOP - bytes;
}

/* ---- lazy.c ---- */
bool ranges_add(struct vm_ranges **to, uaddr start, uaddr end) MUST_CHECK; /* room for it? */
void ranges_cut(struct vm_ranges *r, uaddr start, uaddr end);
bool ranges_have(const struct vm_ranges *r, uaddr at);
/* MADV_FREE of a part of `a`. */
int lazy_give_up(struct mm *m, struct area *a, uaddr start, uaddr end) MUST_CHECK;
void lazy_settle_ranges(struct mm *m, uaddr start, uaddr end);
/* Pages in [start, end) that are given up go now, and none is any more (Z3). */
static inline void
lazy_settle(struct mm *m, uaddr start, uaddr end)
{
    if (__builtin_expect(m->lazy != NULL, 0))
        lazy_settle_ranges(m, start, end);
}
/* The range is unmapped. */
static inline void
lazy_cut(struct mm *m, uaddr start, uaddr end)
{
    if (__builtin_expect(m->lazy != NULL, 0))
        ranges_cut(m->lazy, start, end);
}
/* How many pages from `page` on, which is, are given up and the mm's alone. */
u32 lazy_run(struct mm *m, uaddr page, u32 most);
/* ---- pager.c: what can go of a range goes (MADV_PAGEOUT) ---- */
void pager_take_range(struct mm *m, uaddr at, uaddr end);
/* ---- spare.c ---- */
void mm_spares_drop(void);

/* ---- limits.c: the limits of the process that asks ---- */
u64 mm_limit(unsigned which); /* MM_LIMIT_*: the soft one; ~0: none */
/* May the space grow by pages of such an area?  -E_NOMEM */
int mm_may_grow(const struct mm *m, u32 prot, u32 flags, u64 pages) MUST_CHECK;
/* May so many more pages be locked?  -E_PERM -E_AGAIN */
int mm_may_lock(const struct mm *m, u64 pages) MUST_CHECK;
static inline bool
mm_is_data(u32 prot, u32 flags)
{
    return (prot & PROT_W) && !(flags & (AREA_SHARED | AREA_GROWSDOWN));
}
/* Pages of [start, end) that are in areas. */
u64 mm_pages_in(struct mm *m, uaddr start, uaddr end);

/* What a page of an area may be mapped with when it is not known to be the area's alone.
 */
static inline u32
area_mmu_flags(const struct area *a)
{
    u32 f = (a->prot & PROT_X ? MMU_EXEC : 0) | (a->prot ? MMU_READ : 0);
    if (a->prot & PROT_W)
        f |= MMU_WRITE;
    return f;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Page faults: what makes pages of areas present (mm.h: mm_fault).
 *
 * V7. A page is mapped writable only if its frame is the area's alone (private) or the
 *     file's own (shared).
 * V8. A private frame that only this space maps (page_maps == 1) and no file caches is
 *     written in place after a fork.
 * V9. Memory that is touched page by page is made present, or copied after a fork, ahead
 *     of the touch: from the third fault in a row on 2, 4, 8 and then AHEAD_MAX pages,
 *     never beyond the area, or beyond the range that a call names.
 * The fault of an anonymous page is one cleared frame and one map call; ahead, one call
 * for all.
 */
#include "core/chunk.h"
#include "core/error.h"
#include "core/hooks.h"
#include "core/log.h"
#include "core/page.h"
#include "core/string.h"
#include "core/usercopy.h"
#include "proc/proc.h"
#include "signal/signal.h"
#include "time/vdso.h"
#include "vfs/vfs.h"
#include "vm/frames.h"
#include "vm/mm.h"
#include "vm/mm_private.h"
#include "vm/oom.h"
#include "vm/reclaim.h"

#define FAULT_ERROR_PRESENT 0x1u /* SDM vol. 3, 4.7 */
#define FAULT_ERROR_WRITE   0x2u
#define FAULT_ERROR_USER    0x4u
#define FAULT_ERROR_FETCH   0x10u
#define AHEAD_MAX           16u
#define OOM_TRIES           8u
/* pages of a file that one read fault makes present, if the file has them */
#define AROUND 16u

/* Put a frame of our own at `page`. */
static int
map_own(struct mm *m, struct area *a, uaddr page, frame_t frame)
{
    int rc = mmu_map(&m->space, page, frame, area_mmu_flags(a), 1);
    if (rc != 0) {
        page_free(frame);
        return rc == -E_EXIST ? 0 : rc; /* another thread was first */
    }
    m->rss[RSS_ANONYMOUS]++;
    return 0;
}

/* Order of the run of pages that this fault makes present (V9). */
static unsigned
ahead_order(struct mm *m, const struct area *a, uaddr page)
{
    m->ahead = page == m->next_fault ? m->ahead + 1 : 0;
    m->next_fault = page + PAGE_SIZE;
    if (m->ahead < 2)
        return 0;
    unsigned order = MIN(m->ahead - 1, 4u);
    uaddr end = m->populate_end ? MIN(m->populate_end, a->end) : a->end;
    while (order && (end - page) >> PAGE_SHIFT < 1ull << order)
        order--;
    return order;
}

/* A run of pages was mapped up to one that was there already: free those of our frames
 * that are not mapped. */
static void
sort_out(struct mm *m, uaddr page, frame_t run, u64 count)
{
    struct mmu_page there;
    for (u64 i = 0; i < count; i++)
        if (!mmu_query(&m->space, page + (i << PAGE_SHIFT), &there) ||
            there.frame != run + i) {
            page_free(run + i);
            m->rss[RSS_ANONYMOUS]--;
        }
}

/* True: done.  False: there is no run of frames; a single one is to be tried. */
static bool
fault_ahead(struct mm *m, struct area *a, uaddr page, unsigned order)
{
    frame_t run = page_base_is_scarce() ? FRAME_NONE : page_alloc_run(order);
    u64 count = 1ull << order;
    if (run == FRAME_NONE)
        return false; /* or base memory is scarce: one by one, from chunks */
    for (u64 i = 0; i < count; i++)
        page_clear(page_ptr(run + i));
    int rc = mmu_map(&m->space, page, run, area_mmu_flags(a), count);
    m->rss[RSS_ANONYMOUS] += count;
    if (rc != 0)
        sort_out(m, page, run, count);
    m->next_fault = page + (count << PAGE_SHIFT);
    return rc == 0 ||
           rc == -E_EXIST; /* the page itself is there then: it is the first of the run */
}

/* The page of zeros, several times if memory is read page by page (V9).  What is mapped
 * behind it is not gone beyond. */
static int
fault_zeros(struct mm *m, const struct area *a, uaddr page, unsigned order)
{
    frame_t frames[AHEAD_MAX];
    u64 count = 1ull << order;
    for (u64 i = 0; i < count; i++)
        frames[i] = frame_zero();
    int rc =
        mmu_map_frames(&m->space, page, frames, area_mmu_flags(a) & ~MMU_WRITE, count);
    m->next_fault = page + (count << PAGE_SHIFT);
    return rc == -E_EXIST ? 0 : rc; /* the first of them is there in any case */
}

static int
fault_anonymous(struct mm *m, struct area *a, uaddr page, bool write)
{
    /* Behind `page` there may be pages that are taken at this moment (RC2 of reclaim.c). */
    unsigned order = chunk_any_in_use() ? 0 : ahead_order(m, a, page);
    if (write && (m->ahead >= LARGE_IN_A_ROW || (a->flags & AREA_HUGEPAGE)) &&
        fault_large(m, a, page))
        return 0;
    /* If the count of its mappings is full, or there is no memory for a node, the second
     * tells. */
    if (!write && fault_zeros(m, a, page, order) == 0)
        return 0;
    if (order && fault_ahead(m, a, page, order))
        return 0;
    frame_t frame = page_alloc_movable_zeroed();
    return frame == FRAME_NONE ? -E_NOMEM : map_own(m, a, page, frame);
}

/* Pages next to each other that get copies of our own, and what they are now. */
struct copies {
    u32 count, most;
    uaddr next;
    frame_t old[AHEAD_MAX];
};

static void
add_copy(void *arg, uaddr va, const struct mmu_page *page)
{
    struct copies *c = arg;
    if (c->count == c->most || va != c->next || !(page->flags & MMU_READ) ||
        (page->flags & MMU_WRITE) || page_is_own(page))
        return;
    c->old[c->count++] = page->frame;
    c->next += PAGE_SIZE;
}

/* Frames for the copies: as many as follow each other, c->count then. */
static frame_t
copies_alloc(struct mm *m, struct area *a, uaddr page, struct copies *c)
{
    unsigned order = ahead_order(m, a, page);
    if (order) {
        c->most = 1u << order;
        mmu_each(&m->space, c->next, page + ((u64)c->most << PAGE_SHIFT), add_copy, c);
        while (1u << order > c->count)
            order--;
        frame_t run = order && !page_base_is_scarce() ? page_alloc_run(order) : FRAME_NONE;
        if (run != FRAME_NONE) {
            c->count = 1u << order;
            m->next_fault = page + ((u64)c->count << PAGE_SHIFT);
            return run;
        }
    }
    c->count = 1;
    return page_alloc_movable();
}

/* A write to a page of a private area that is present and not writable. */
static int
fault_copy(struct mm *m, struct area *a, uaddr page, const struct mmu_page *there)
{
    if (page_is_own(there)) {
        u32 pages = m->lazy && ranges_have(m->lazy, page)
                        ? lazy_run(m, page, MIN((a->end - page) >> PAGE_SHIFT, AHEAD_MAX))
                        : 1;
        mmu_protect(&m->space, page, pages, area_mmu_flags(a));
        return 0;
    }
    struct copies c = { .count = 1, .next = page + PAGE_SIZE, .old = { there->frame } };
    frame_t run = copies_alloc(m, a, page, &c), zero = frame_zero();
    if (run == FRAME_NONE)
        return -E_NOMEM;
    for (u32 i = 0; i < c.count; i++)
        if (c.old[i] == zero)
            page_clear(page_ptr(run + i));
        else /* mapped here under our mutex: it stays */
            page_copy(page_ptr(run + i), page_ptr(c.old[i]));
    if (__builtin_expect(reclaim_may_have(m), 0)) { /* taken before it was copied? */
        for (u32 i = 0; i < c.count; i++)
            page_free(run + i);
        return -E_AGAIN;
    }
    u32 lost, done;
    int rc = mmu_replace(&m->space, page, run, area_mmu_flags(a), c.count, &lost, &done);
    for (u32 i = 0; i < c.count; i++) {
        if (i >= done) {
            page_free(run + i);
            continue;
        }
        unsigned kind = rss_kind(a, c.old[i]);
        if (kind != RSS_NONE)
            m->rss[kind]--;
        m->rss[RSS_ANONYMOUS]++;
        if (lost >> i & 1)
            frame_lost(NULL, c.old[i], false);
    }
    return rc;
}

/* A file is about to be written through a mapping: from the first write to each page on
 * it has changed (POSIX: before the next msync).  Its mutex is held. */
static void
mark_written(const struct area *a)
{
    if (a->file)
        a->inode->mtime = a->inode->ctime = vfs_now();
}

/* The index in the file of an address in an area. */
static u64
file_page(const struct area *a, uaddr page)
{
    return a->page + ((page - a->start) >> PAGE_SHIFT);
}

static void
count_one(void *arg, uaddr va, const struct mmu_page *page)
{
    (void)va;
    (void)page;
    ++*(u64 *)arg;
}

/* A run was counted and mapped in part: no memory for a table. */
static void
count_missing(struct mm *m, const struct area *a, uaddr at, u64 count)
{
    u64 there = 0;
    mmu_each(&m->space, at, at + (count << PAGE_SHIFT), count_one, &there);
    m->rss[a->file ? RSS_FILE : RSS_SHARED] -= count - there;
}

struct present {
    uaddr from;
    u32 mask;
};

static void
mark_present(void *arg, uaddr va, const struct mmu_page *page)
{
    struct present *p = arg;
    (void)page;
    p->mask |= 1u << ((va - p->from) >> PAGE_SHIFT);
}

static u64
file_frames(struct inode *inode, u64 index, u64 count, frame_t *frames)
{
    if (inode->ops->pages)
        return inode->ops->pages(inode, index, count, frames);
    return inode->ops->page(inode, index, false, frames) == 0;
}

/*
 * Make present what is absent in the aligned window around `page`: what the file has next
 * to each other is one call.  What fails is left out.  True: `page` itself is there.
 * inode->mutex is held.
 */
static bool
fault_around(struct mm *m, struct area *a, uaddr page)
{
    u64 in_window = (page >> PAGE_SHIFT) % AROUND;
    uaddr from = page - MIN(in_window << PAGE_SHIFT, page - a->start);
    uaddr end = MIN(page + ((AROUND - in_window) << PAGE_SHIFT), a->end);
    u64 first = file_page(a, from), file_pages = PAGE_UP(a->inode->size) >> PAGE_SHIFT;
    u64 total = MIN((end - from) >> PAGE_SHIFT, file_pages - first);
    u32 flags = area_mmu_flags(a) & ~(a->flags & AREA_SHARED && !a->file ? 0 : MMU_WRITE);
    struct present there = { from, 0 };
    mmu_each(&m->space, from, end, mark_present, &there);
    u64 wanted = (page - from) >> PAGE_SHIFT;
    bool got = there.mask >> wanted & 1;
    there.mask |= ~0u << total; /* so that there is an end */
    for (u64 i = 0; i < total;) {
        u32 rest = there.mask >> i;
        if (rest & 1) {
            i++;
            continue;
        }
        frame_t frames[AROUND];
        uaddr at = from + (i << PAGE_SHIFT);
        u64 count = file_frames(a->inode, first + i, (u64)__builtin_ctz(rest), frames);
        if (count == 0) {
            i++;
            continue;
        }
        m->rss[a->file ? RSS_FILE : RSS_SHARED] += count;
        if (mmu_map_frames(&m->space, at, frames, flags, count) != 0) {
            count_missing(m, a, at, count);
            return false; /* whether it is there will show */
        }
        got |= wanted - i < count;
        i += count;
    }
    return got;
}
_Static_assert(AROUND < 32, "struct present");
_Static_assert(AROUND <= MM_FAULT_REACH && AHEAD_MAX <= MM_FAULT_REACH, "info.c");

static int
fault_file(struct mm *m, struct area *a, uaddr page, u32 need)
{
    struct inode *inode = a->inode;
    bool shared = a->flags & AREA_SHARED, write = need & PROT_W;
    frame_t frame = FRAME_NONE;
    mutex_lock(&inode->mutex);
    int rc = 0;
    if (file_page(a, page) >= PAGE_UP(inode->size) >> PAGE_SHIFT)
        rc = -E_IO;
    if (rc == 0 && !write && fault_around(m, a, page)) {
        mutex_unlock(&inode->mutex);
        return 0;
    }
    if (rc == 0)
        rc = inode->ops->page(inode, file_page(a, page), shared && (a->prot & PROT_W),
                              &frame);
    if (rc == -E_NOSPC)
        rc = -E_IO; /* a hole that cannot be filled: SIGBUS */
    if (rc == 0 && write && !shared) {
        frame_t copy = page_alloc_movable();
        if (copy == FRAME_NONE) {
            rc = -E_NOMEM;
        } else {
            page_copy(page_ptr(copy), page_ptr(frame));
            rc = map_own(m, a, page, copy);
        }
    } else if (rc == 0) {
        /* A page of a file gets the right to write when it is written. */
        bool writable = shared && (write || !a->file);
        u32 flags = area_mmu_flags(a) & ~(writable ? 0 : MMU_WRITE);
        rc = mmu_map(&m->space, page, frame, flags, 1);
        if (write)
            mark_written(a);
        if (rc == 0)
            m->rss[a->file ? RSS_FILE : RSS_SHARED]++;
        if (rc == -E_EXIST)
            rc = 0; /* another thread was first */
    }
    mutex_unlock(&inode->mutex);
    return rc;
}

/* Page 0 of such an area is the clock's data, those from 1 on are the image; time owns
 * the frames. */
static int
fault_vdso(struct mm *m, struct area *a, uaddr page)
{
    u64 index = file_page(a, page);
    if (index > vdso_image_pages())
        return -E_IO;
    frame_t frame = index == 0 ? vdso_data_frame() : vdso_image_frame((u32)index - 1);
    int rc = mmu_map(&m->space, page, frame, area_mmu_flags(a) & ~MMU_WRITE, 1);
    m->rss[RSS_FILE] += rc == 0 && index != 0;
    return rc == -E_EXIST ? 0 : rc;
}

int
mm_fault_locked(struct mm *m, struct area *a, uaddr page, u32 need, bool absent)
{
    struct mmu_page there;
    if ((need & PROT_W)   ? !(a->prot & PROT_W)
        : (need & PROT_X) ? !(a->prot & PROT_X)
                          : a->prot == 0)
        return -E_ACCES;
    if (absent || !mmu_query(&m->space, page, &there)) {
        if (__builtin_expect(reclaim_may_have(m), 0))
            return -E_AGAIN;
        if (a->inode)
            return fault_file(m, a, page, need);
        if (a->flags & AREA_VDSO)
            return fault_vdso(m, a, page);
        return fault_anonymous(m, a, page, need & PROT_W);
    }
    if (there.shared) { /* what is decided on below, and changed */
        if (mmu_own(&m->space, page, 1) != 0)
            return -E_NOMEM;
        (void)!mmu_query(&m->space, page, &there);
    }
    if ((need & PROT_W) && !(there.flags & MMU_WRITE)) {
        if (!(a->flags & AREA_SHARED))
            return fault_copy(m, a, page, &there);
        if (a->file) {
            mutex_lock(&a->inode->mutex);
            mark_written(a);
            mutex_unlock(&a->inode->mutex);
        }
        mmu_protect(&m->space, page, 1, area_mmu_flags(a));
        return 0;
    }
    /* Another thread was here first, or the page has less than its area (PROT_NONE and
     * back). */
    u32 want = area_mmu_flags(a) & ~(there.flags & MMU_WRITE ? 0 : MMU_WRITE);
    if (want & ~there.flags)
        mmu_protect(&m->space, page, 1, want);
    return 0;
}

/* A stack grows down to `at` if it stays within its bound and away from what is below. */
static __attribute__((noinline)) struct area *
stack_at(struct mm *m, struct area *a, uaddr at)
{
    uaddr start = PAGE_DOWN(at);
    uaddr below = a->prev ? a->prev->end + MM_STACK_GUARD : MM_LOW;
    u64 pages = (a->start - start) >> PAGE_SHIFT;
    if (start < below || a->end - start > mm_limit(MM_LIMIT_STACK) ||
        mm_may_grow(m, a->prot, a->flags, pages) != 0 ||
        ((a->flags & AREA_LOCKED) && mm_may_lock(m, pages) != 0))
        return NULL;
    area_stretch(m, a, start, a->end);
    return a;
}

struct area *
area_at_locked(struct mm *m, uaddr at)
{
    struct area *a = area_find(&m->areas, at);
    if (!a || a->start <= at)
        return a;
    return a->flags & AREA_GROWSDOWN ? stack_at(m, a, at) : NULL;
}

static inline int
fault_once(struct mm *m, uaddr at, u32 prot_needed, bool absent)
{
    mutex_lock(&m->lock);
    struct area *a = area_at_locked(m, at);
    int rc = a ? mm_fault_locked(m, a, PAGE_DOWN(at), prot_needed, absent) : -E_FAULT;
    mutex_unlock(&m->lock);
    return rc;
}

/* It failed: again, where there was no memory and some can be had, or where a frame may
 * have been taken. */
static __attribute__((noinline)) int
fault_again(struct mm *m, uaddr at, u32 prot_needed, int rc)
{
    for (u32 tries = 0;;) {
        if (rc == -E_NOMEM && !chunk_settled())
            rc = -E_AGAIN; /* its frame was taken before it was mapped */
        if (rc == -E_AGAIN && !reclaim_check(m))
            return -E_IO;
        if (rc != -E_AGAIN &&
            (rc != -E_NOMEM || tries++ == OOM_TRIES || !oom_relieve()))
            return rc;
        rc = fault_once(m, at, prot_needed, false);
    }
}

static inline int
fault_at(struct mm *m, uaddr at, u32 prot_needed, bool absent)
{
    if (at >= USER_TOP)
        return -E_FAULT;
    int rc = fault_once(m, at, prot_needed, absent);
    return rc == 0 ? 0 : fault_again(m, at, prot_needed, rc);
}

int
mm_fault(struct mm *m, uaddr at, u32 prot_needed)
{
    return fault_at(m, at, prot_needed, false);
}

static int
populate(struct mm *m, uaddr at, u64 bytes, u32 need)
{
    for (uaddr page = at; page < at + bytes; page += PAGE_SIZE) {
        struct area *a = area_find(&m->areas, page);
        if (!a || a->start > page)
            return -E_NOMEM;
        if ((page >> PAGE_SHIFT) % 256 == 0) { /* a range may be terabytes long */
            mutex_unlock(&m->lock);            /* who looks at /proc waits for it */
            thread_breathe();
            mutex_lock(&m->lock);
            if (signal_pending(thread_current()))
                return -E_INTR;
            a = area_find(&m->areas, page);
            if (!a || a->start > page)
                return -E_NOMEM;
        }
        u32 access = need ? need : mm_is_data(a->prot, a->flags) ? PROT_W : PROT_R;
        m->populate_end = at + bytes;
        int rc = mm_fault_locked(m, a, page, access, false);
        m->populate_end = 0;
        if (rc != 0)
            return rc;
    }
    return 0;
}

int
mm_populate_locked(struct mm *m, uaddr at, u64 bytes)
{
    return populate(m, at, bytes, 0);
}

int
mm_populate_for_locked(struct mm *m, uaddr at, u64 bytes, u32 need)
{
    return populate(m, at, bytes, need);
}

/* ---- where faults come from ---- */

static int
pager(uaddr at, bool write)
{
    struct process *p = thread_current()->process;
    if (!p || !p->mm)
        return -E_FAULT;
    return mm_fault(p->mm, at, write ? PROT_W : PROT_R) == 0 ? 0 : -E_FAULT;
}

/* Codes of SIGSEGV and SIGBUS (POSIX's names; the values are the ABI's). */
#define CODE_SEGV_MAPERR 1
#define CODE_SEGV_ACCERR 2
#define CODE_BUS_ADRERR  2

static void
no_page(struct thread *t, struct user_frame *f, int rc, uaddr address)
{
    struct signal_info info = { .number = rc == -E_IO ? SIG_BUS : SIG_SEGV,
                                .code = rc == -E_IO      ? CODE_BUS_ADRERR
                                        : rc == -E_ACCES ? CODE_SEGV_ACCERR
                                                         : CODE_SEGV_MAPERR,
                                .addr = address };
    if (rc == -E_NOMEM) /* there was nothing better to end */
        signal_send_process(t->process, SIG_KILL, NULL);
    else
        signal_fault_at(t, f, info.number, &info);
}

static void
page_fault(struct thread *t, struct user_frame *f, u64 error, uaddr address)
{
    u32 need = error & FAULT_ERROR_WRITE   ? PROT_W
               : error & FAULT_ERROR_FETCH ? PROT_X
                                           : PROT_R;
    /* A present page that an access with supervisor rights was refused (SMAP), though the
     * program runs in Ring 3: QEMU's far return and iret read the stack so.  No mapping
     * cures that, and the instruction would be tried for ever. */
    bool hopeless =
        (error & (FAULT_ERROR_PRESENT | FAULT_ERROR_USER)) == FAULT_ERROR_PRESENT;
    int rc = hopeless ? -E_ACCES
                      : fault_at(t->process->mm, address, need,
                                 !(error & FAULT_ERROR_PRESENT));
    if (rc == 0)
        t->minor_faults++;
    else
        no_page(t, f, rc, address);
}

static struct mmu_space *
process_space(struct process *p)
{
    return &p->mm->space;
}

/* The vDSO's frames are cached in the sense of O1: no unmap frees them. */
static void
own_vdso(void)
{
    if (vdso_image_pages() != 0)
        page_cache_own(vdso_data_frame());
    for (u32 i = 0; i < vdso_image_pages(); i++)
        page_cache_own(vdso_image_frame(i));
}

void
vm_init(void)
{
    frames_init();
    own_vdso();
    reclaim_init();
    usercopy_pager = pager;
    libos_hooks.page_fault = page_fault;
    libos_hooks.process_space = process_space;
}

/* SPDX-License-Identifier: MIT */
/*
 * Changes to mappings that exist: protection, size and place, the break.
 *
 * V6. Rights are taken from pages at once; a right to write is given to a page of a
 *     private area only where it is known that the page is the area's alone: by a fault,
 *     or here for a few pages, each of which would else cost a fault.
 */
#include "core/error.h"
#include "core/heap.h"
#include "core/page.h"
#include "core/thread.h"
#include "vfs/vfs.h"
#include "vm/frames.h"
#include "vm/mm.h"
#include "vm/mm_private.h"

/* ---- protection ---- */

#define FEW_PAGES 8u

/* Are there few pages, at least one of them present, and all that are present the area's
 * alone? (V8) */
static bool
few_and_own(struct mm *m, const struct area *a)
{
    struct mmu_page page;
    bool any = false;
    if ((a->end - a->start) >> PAGE_SHIFT > FEW_PAGES || (a->flags & AREA_SHARED))
        return false;
    for (uaddr at = a->start; at < a->end; at += PAGE_SIZE) {
        if (!mmu_query(&m->space, at, &page))
            continue;
        if (!page_is_own(&page))
            return false;
        any = true;
    }
    return any;
}

static void
protect_area(struct mm *m, struct area *a, u32 prot)
{
    u32 old = a->prot;
    if (prot == old)
        return;
    area_set(m, a, prot, a->flags);
    u64 pages = (a->end - a->start) >> PAGE_SHIFT;
    u32 flags = area_mmu_flags(a);
    if (old == 0 || prot != (old | PROT_W))
        mmu_protect(&m->space, a->start, pages, flags & ~MMU_WRITE);
    if ((prot & PROT_W) &&
        few_and_own(m, a)) /* V6; after the call before it mmu_query sees all pages */
        mmu_protect(&m->space, a->start, pages, flags);
}

/* Is every page of the range in an area, and may each area have this protection? */
int
mm_check_locked(struct mm *m, uaddr at, uaddr end, u32 prot)
{
    struct area *a = area_find(&m->areas, at);
    u64 data = 0;
    for (uaddr pos = at; pos < end; a = a->next) {
        if (!a || a->start > pos)
            return -E_NOMEM;
        if ((prot & PROT_W) && (a->flags & AREA_SHARED) && !(a->flags & AREA_MAYWRITE))
            return -E_ACCES;
        if ((prot & PROT_W) && (a->flags & AREA_VDSO))
            return -E_ACCES;
        if ((prot & PROT_X) && (a->flags & AREA_NOEXEC))
            return -E_ACCES;
        if (mm_is_data(prot, a->flags) && !(a->prot & PROT_W))
            data += (MIN(a->end, end) - MAX(a->start, at)) >> PAGE_SHIFT;
        pos = a->end;
        if (!a->next && pos < end)
            return -E_NOMEM;
    }
    return data && data + m->vm_data > mm_limit(MM_LIMIT_DATA) >> PAGE_SHIFT ? -E_NOMEM : 0;
}

/* One area's part of the range.  -E_ACCES -E_NOMEM */
static int
protect_part(struct mm *m, uaddr from, uaddr to, u32 prot)
{
    int rc = mm_check_locked(m, from, to, prot);
    if (rc == 0)
        rc = mmu_own(&m->space, from, (to - from) >> PAGE_SHIFT);
    if (rc == 0)
        rc = area_cut_locked(m, from, to);
    if (rc != 0)
        return rc;
    lazy_settle(m, from, to);
    struct area *a = area_find(&m->areas, from);
    protect_area(m, a, prot);
    area_merge_locked(m, a);
    return 0;
}

/* Area by area, as Linux: what comes before one that refuses has changed. */
int
mm_protect(struct mm *m, uaddr at, u64 bytes, u32 prot)
{
    if (at % PAGE_SIZE != 0)
        return -E_INVAL;
    if (bytes == 0)
        return 0;
    if (bytes > USER_TOP || !mm_range_ok(at, PAGE_UP(bytes)))
        return -E_NOMEM;
    uaddr end = at + PAGE_UP(bytes);
    int rc = 0;
    mutex_lock(&m->lock);
    for (uaddr pos = at, to; rc == 0 && pos < end; pos = to) {
        struct area *a = area_find(&m->areas, pos);
        if (!a || a->start > pos) {
            rc = -E_NOMEM;
            break;
        }
        to = MIN(a->end, end);
        if (a->prot != prot)
            rc = protect_part(m, pos, to, prot);
    }
    mutex_unlock(&m->lock);
    return rc;
}

/* ---- mremap ---- */

/* Map the present pages of [from, from + bytes) at `to` as well: an unmap of the old
 * place then loses none. */
static int
move_pages(struct mm *m, const struct area *a, uaddr from, uaddr to, u64 bytes)
{
    struct mmu_page page;
    for (uaddr at = from; mmu_next(&m->space, &at, from + bytes, &page);
         at += PAGE_SIZE) {
        int rc = mmu_map(&m->space, at - from + to, page.frame, page.flags, 1);
        if (rc != 0)
            return rc;
        unsigned kind = rss_kind(a, page.frame);
        if (kind != RSS_NONE)
            m->rss[kind]++;
    }
    return 0;
}

/* Pages without any access are not seen by mmu_query: they get some while they are moved.
 * The new place may be in a hole of a page table that others have as well (M4 of
 * core/mmu.h).
 */
static int
move_all_pages(struct mm *m, const struct area *a, uaddr from, uaddr to, u64 bytes)
{
    if (a->prot != 0)
        return move_pages(m, a, from, to, bytes);
    int rc = mmu_own(&m->space, to, bytes >> PAGE_SHIFT);
    if (rc != 0)
        return rc;
    mmu_protect(&m->space, from, bytes >> PAGE_SHIFT, MMU_READ);
    rc = move_pages(m, a, from, to, bytes);
    mmu_protect(&m->space, from, bytes >> PAGE_SHIFT, 0);
    mmu_protect(&m->space, to, bytes >> PAGE_SHIFT, 0);
    return rc;
}

struct move {
    uaddr old, at;
    u64 old_bytes, new_bytes;
    u32 flags;
};

/* Linux's vma_to_resize: may the area at v->old become so large?  1: it has the size. */
static int
check_resize(struct mm *m, const struct area *a, const struct move *v)
{
    if (v->old_bytes == 0 && !(a->flags & AREA_SHARED))
        return -E_INVAL;
    if (v->old_bytes > a->end - v->old)
        return -E_FAULT;
    if (v->new_bytes <= v->old_bytes)
        return 0;
    if (a->flags & AREA_VDSO)
        return -E_FAULT;
    u64 pages = (v->new_bytes - v->old_bytes) >> PAGE_SHIFT;
    if ((a->flags & AREA_LOCKED) && mm_may_lock(m, pages) != 0)
        return -E_AGAIN;
    return mm_may_grow(m, a->prot, a->flags, pages);
}

/* The new place has an area and pages; what becomes of the old one. */
static int
leave_old(struct mm *m, const struct move *v, const struct area *a)
{
    if (v->old_bytes == 0)
        return 0; /* both show the same object from now on */
    if (!(v->flags & MM_REMAP_DONTUNMAP))
        return mm_unmap_locked(m, v->old, v->old_bytes);
    return area_drop_pages(m, a, v->old, v->old + v->old_bytes, true);
}

static int
move_area(struct mm *m, const struct move *v, uaddr *out)
{
    struct area *a = area_find(&m->areas, v->old);
    uaddr to;
    bool paged = a->inode || (a->flags & AREA_VDSO);
    u64 page = paged ? a->page + ((v->old - a->start) >> PAGE_SHIFT) : 0;
    u32 place = v->flags & MM_REMAP_FIXED ? MAP_AT_FIXED : 0;
    lazy_settle(m, v->old, v->old + v->old_bytes);
    int rc = mmu_own(&m->space, v->old, v->old_bytes >> PAGE_SHIFT);
    if (rc == 0 && v->old_bytes)
        rc = area_cut_locked(m, v->old, v->old + v->old_bytes);
    if (rc != 0)
        return rc;
    a = area_find(&m->areas, v->old);
    rc = mm_map_locked(m, v->at, v->new_bytes, a->prot, a->flags | place, a->file,
                       a->inode, page, &to);
    if (rc != 0)
        return rc;
    a = area_find(&m->areas, v->old);
    rc = move_all_pages(m, a, v->old, to, MIN(v->old_bytes, v->new_bytes));
    if (rc != 0) {
        (void)!mm_unmap_locked(
            m, to, v->new_bytes); /* cut at area bounds: cannot fail but by merging */
        return rc;
    }
    *out = to;
    return leave_old(m, v, a);
}

/* To a place that is asked for, or anywhere with the old area staying. */
static int
remap_to(struct mm *m, struct move *v, uaddr *out)
{
    if ((v->flags & MM_REMAP_FIXED) &&
        (!mm_range_ok(v->at, v->new_bytes) ||
         (v->at < v->old + v->old_bytes && v->old < v->at + v->new_bytes)))
        return -E_INVAL;
    if ((v->flags & MM_REMAP_FIXED) && v->at < MM_LOW)
        return -E_PERM;
    if (v->old_bytes > v->new_bytes) { /* what would be cut off goes first, as on Linux */
        int rc = mm_unmap_locked(m, v->old + v->new_bytes, v->old_bytes - v->new_bytes);
        if (rc != 0)
            return rc;
        v->old_bytes = v->new_bytes;
    }
    struct area *a = area_find(&m->areas, v->old);
    int rc = check_resize(m, a, v);
    if (rc == 0 && (v->flags & MM_REMAP_DONTUNMAP))
        rc = mm_may_grow(m, a->prot, a->flags, v->old_bytes >> PAGE_SHIFT);
    return rc != 0 ? rc : move_area(m, v, out);
}

static int
remap_locked(struct mm *m, struct move *v, uaddr *out)
{
    struct area *a = area_find(&m->areas, v->old);
    if (!a || a->start > v->old)
        return -E_FAULT;
    if (v->flags & (MM_REMAP_FIXED | MM_REMAP_DONTUNMAP))
        return remap_to(m, v, out);
    *out = v->old;
    if (v->new_bytes == v->old_bytes)
        return 0;
    if (v->new_bytes < v->old_bytes)
        return mm_unmap_locked(m, v->old + v->new_bytes, v->old_bytes - v->new_bytes);
    int rc = check_resize(m, a, v);
    if (rc != 0)
        return rc;
    uaddr end = v->old + v->new_bytes;
    if (a->end == v->old + v->old_bytes && mm_range_ok(v->old, v->new_bytes) &&
        (!a->next || a->next->start >= end)) {
        area_stretch(m, a, a->start, end);
        area_merge_locked(m, a);
        return 0;
    }
    return v->flags & MM_REMAP_MAYMOVE ? move_area(m, v, out) : -E_NOMEM;
}

int
mm_remap(struct mm *m, uaddr old, u64 old_bytes, u64 new_bytes, u32 flags, uaddr new_at,
         uaddr *out)
{
    if ((flags & (MM_REMAP_FIXED | MM_REMAP_DONTUNMAP)) && !(flags & MM_REMAP_MAYMOVE))
        return -E_INVAL;
    if ((flags & MM_REMAP_DONTUNMAP) && old_bytes != new_bytes)
        return -E_INVAL;
    if (old % PAGE_SIZE != 0 || PAGE_UP(new_bytes) == 0)
        return -E_INVAL;
    struct move v = { .old = old,
                      .at = flags & MM_REMAP_FIXED ? new_at : 0,
                      .old_bytes = PAGE_UP(old_bytes),
                      .new_bytes = PAGE_UP(new_bytes),
                      .flags = flags };
    if (!mm_range_ok(old, v.old_bytes))
        return old < USER_TOP ? -E_INVAL : -E_FAULT;
    if (v.new_bytes > USER_TOP)
        return flags & MM_REMAP_FIXED ? -E_INVAL : -E_NOMEM;
    mutex_lock(&m->lock);
    int rc = remap_locked(m, &v, out);
    struct area *a = rc == 0 ? area_find(&m->areas, *out) : NULL;
    if (a && (a->flags & (AREA_LOCKED | AREA_LOCK_ON_FAULT)) == AREA_LOCKED &&
        v.new_bytes > v.old_bytes)
        (void)!mm_populate_locked(m, *out + v.old_bytes, v.new_bytes - v.old_bytes);
    mutex_unlock(&m->lock);
    return rc;
}

/* ---- remap_file_pages ---- */

/* The areas of the range must be one mapping: of the same file, next to each other. */
static struct area *
one_mapping(struct mm *m, uaddr at, uaddr end)
{
    struct area *first = area_find(&m->areas, at);
    if (!first || first->start > at || !(first->flags & AREA_SHARED))
        return NULL;
    for (struct area *a = first; a->end < end; a = a->next) {
        const struct area *n = a->next;
        if (!n || n->start != a->end || n->inode != first->inode ||
            n->file != first->file || n->flags != first->flags)
            return NULL;
    }
    return first;
}

int
mm_remap_file(struct mm *m, uaddr at, u64 bytes, u64 page, bool populate)
{
    uaddr to, end = at + bytes;
    if (end <= at || !mm_range_ok(at, bytes))
        return -E_INVAL;
    mutex_lock(&m->lock);
    struct area *a = one_mapping(m, at, end);
    int rc = a ? 0 : -E_INVAL;
    if (rc == 0) {
        const struct area of = *a; /* it may go: the file stays, with references of ours */
        inode_hold(of.inode);
        if (of.file)
            file_hold(of.file);
        rc = mm_map_locked(m, at, bytes, of.prot, of.flags | MAP_AT_FIXED, of.file,
                           of.inode, page, &to);
        inode_release(of.inode);
        if (of.file)
            file_release(of.file);
    }
    if (rc == 0 && populate)
        (void)!mm_populate_locked(m, at, bytes);
    mutex_unlock(&m->lock);
    return rc;
}

/* ---- the break ---- */

uaddr
mm_brk(struct mm *m, uaddr wanted)
{
    uaddr result;
    bool populate = false;
    mutex_lock(&m->lock);
    uaddr old_end = PAGE_UP(m->brk), end = PAGE_UP(wanted);
    u64 data = m->layout.data_end - m->layout.data_start; /* the program's counts too */
    if (wanted < m->brk_start || wanted > USER_TOP - MM_STACK_GUARD) {
        /* a question */
    } else if (wanted - m->brk_start + data > mm_limit(MM_LIMIT_DATA)) {
        /* too large */
    } else if (end < old_end) {
        if (mm_unmap_locked(m, end, old_end - end) == 0)
            m->brk = wanted;
    } else if (end == old_end) {
        m->brk = wanted;
    } else {
        /* Stay a page away from what is above. */
        u32 flags = MAP_AT_FIXED | m->lock_future;
        if (area_range_free(&m->areas, old_end, end + PAGE_SIZE) &&
            mm_may_grow(m, PROT_R | PROT_W, flags, (end - old_end) >> PAGE_SHIFT) == 0 &&
            (!(flags & AREA_LOCKED) ||
             mm_may_lock(m, (end - old_end) >> PAGE_SHIFT) == 0) &&
            mm_map_locked(m, old_end, end - old_end, PROT_R | PROT_W, flags, NULL, NULL, 0,
                          &result) == 0)
            m->brk = wanted;
        populate = m->brk == wanted &&
                   (flags & (AREA_LOCKED | AREA_LOCK_ON_FAULT)) == AREA_LOCKED;
    }
    result = m->brk;
    if (populate) /* another thread may move the break meanwhile */
        (void)!mm_populate_locked(m, old_end, end - old_end);
    mutex_unlock(&m->lock);
    return result;
}

/* SPDX-License-Identifier: MIT */
/*
 * What a program says about its memory - madvise, mlock, msync - and mincore.
 *
 * V10. Memory is never paged out, so to lock a range is to mark its areas, for the limit
 *      and for what is refused of locked memory, and to bring its pages in.
 */
#include "core/error.h"
#include "core/page.h"
#include "proc/proc.h"
#include "vfs/vfs.h"
#include "vm/frames.h"
#include "vm/mm.h"
#include "vm/mm_private.h"

/* ---- madvise ---- */

/* Pages of a file become a hole of it. */
static int
remove_pages(const struct area *a, uaddr from, uaddr to)
{
    const u32 needed = AREA_SHARED | AREA_MAYWRITE;
    struct inode *inode = a->inode;
    if ((a->flags & AREA_LOCKED) || !inode)
        return -E_INVAL;
    if ((a->flags & needed) != needed)
        return -E_ACCES;
    if (!inode->ops->allocate)
        return -E_NOTSUP;
    u64 offset = (a->page << PAGE_SHIFT) + (from - a->start);
    mutex_lock(&inode->mutex);
    int rc = inode->ops->allocate(inode, VALLOC_PUNCH_HOLE | VALLOC_KEEP_SIZE, offset,
                                  to - from);
    mutex_unlock(&inode->mutex);
    return rc;
}

/* One area's part of the range; its flags are for the caller. */
static int
advise_area(struct mm *m, struct area *a, uaddr from, uaddr to, int advice, u32 set)
{
    bool locked = a->flags & AREA_LOCKED;
    switch (advice) {
    case MM_ADVISE_DONTNEED:
    case MM_ADVISE_DONTNEED_LOCKED:
        if ((locked && advice == MM_ADVISE_DONTNEED) || (a->flags & AREA_VDSO))
            return -E_INVAL;
        return area_drop_pages(m, a, from, to, false);
    case MM_ADVISE_FREE:
        if (locked || a->inode || (a->flags & AREA_VDSO))
            return -E_INVAL;
        return lazy_give_up(m, a, from, to);
    case MM_ADVISE_REMOVE:
        return remove_pages(a, from, to);
    case MM_ADVISE_COLD:
    case MM_ADVISE_PAGEOUT:
        if (locked || (a->flags & AREA_VDSO))
            return -E_INVAL;
        if (!a->inode && !ranges_add(&m->cold, from, to) && m->cold)
            ranges_cut(m->cold, m->cold->at[0].start, m->cold->at[0].end); /* the oldest */
        if (advice == MM_ADVISE_PAGEOUT)
            pager_take_range(m, from, to);
        return 0;
    case MM_ADVISE_FLAGS:
        return (set & AREA_WIPEONFORK) && a->inode ? -E_INVAL : 0;
    default:
        return 0;
    }
}

/* Give [from, to) of an area other flags; the area that holds it then. */
static int
flag_area(struct mm *m, uaddr from, uaddr to, u32 set, u32 clear, struct area **out)
{
    struct area *a = area_find(&m->areas, from);
    u32 flags = (a->flags & ~clear) | set;
    *out = a;
    if (flags == a->flags)
        return 0;
    int rc = area_cut_locked(m, from, to);
    if (rc != 0)
        return rc;
    a = area_find(&m->areas, from);
    area_set(m, a, a->prot, flags);
    m->advised |= (flags & (AREA_DONTFORK | AREA_WIPEONFORK)) != 0;
    *out = area_merge_locked(m, a);
    return 0;
}

static int
advise_locked(struct mm *m, uaddr at, uaddr end, int advice, u32 set, u32 clear)
{
    bool hole = false;
    uaddr pos = at;
    while (pos < end) {
        struct area *a = area_find(&m->areas, pos);
        if (!a || a->start >= end)
            return -E_NOMEM;
        hole |= a->start > pos;
        uaddr from = MAX(a->start, pos), to = MIN(a->end, end);
        int rc = advise_area(m, a, from, to, advice, set);
        if (rc == 0 && advice == MM_ADVISE_FLAGS)
            rc = flag_area(m, from, to, set, clear, &a);
        if (rc != 0)
            return rc;
        pos = to;
    }
    return hole ? -E_NOMEM : 0;
}

int
mm_advise(struct mm *m, uaddr at, u64 bytes, int advice, u32 set, u32 clear)
{
    bytes = PAGE_UP(bytes);
    if (!mm_range_ok(at, bytes))
        return at % PAGE_SIZE != 0 || at + bytes < at ? -E_INVAL : -E_NOMEM;
    int rc;
    mutex_lock(&m->lock);
    if (advice == MM_ADVISE_POPULATE_READ || advice == MM_ADVISE_POPULATE_WRITE) {
        rc = mm_populate_for_locked(m, at, bytes,
                                    advice == MM_ADVISE_POPULATE_WRITE ? PROT_W : PROT_R);
        rc = rc == -E_ACCES ? -E_INVAL : rc == -E_IO ? -E_FAULT : rc;
    } else if (advice == MM_ADVISE_COLLAPSE) {
        rc = mm_collapse_locked(m, at, at + bytes);
    } else {
        rc = advise_locked(m, at, at + bytes, advice, set, clear);
    }
    mutex_unlock(&m->lock);
    return rc;
}

/* ---- mlock ---- */

/* Mark [at, end); what is locked alone comes in.  Linux's errors: what was marked before
 * a hole stays so. */
static int
lock_range_locked(struct mm *m, uaddr at, uaddr end, u32 flags)
{
    const u32 all = AREA_LOCKED | AREA_LOCK_ON_FAULT;
    for (uaddr pos = at; pos < end;) {
        struct area *a = area_find(&m->areas, pos);
        if (!a || a->start > pos)
            return -E_NOMEM;
        uaddr to = MIN(a->end, end);
        if (!(a->flags & AREA_VDSO)) {
            lazy_settle(m, pos, to);
            int rc = flag_area(m, pos, to, flags, all & ~flags, &a);
            if (rc != 0)
                return rc;
        }
        pos = to;
    }
    if (!(flags & AREA_LOCKED) || (flags & AREA_LOCK_ON_FAULT))
        return 0;
    int rc = mm_populate_locked(m, at, end - at);
    return rc == -E_NOMEM ? -E_AGAIN : rc == -E_INTR ? rc : rc != 0 ? -E_NOMEM : 0;
}

/* Pages of the range that are locked already: they are not counted twice. */
static u64
locked_in(struct mm *m, uaddr start, uaddr end)
{
    u64 pages = 0;
    for (struct area *a = area_find(&m->areas, start); a && a->start < end; a = a->next)
        if (a->flags & AREA_LOCKED)
            pages += (MIN(a->end, end) - MAX(a->start, start)) >> PAGE_SHIFT;
    return pages;
}

int
mm_lock(struct mm *m, uaddr at, u64 bytes, u32 flags)
{
    uaddr start = PAGE_DOWN(at), end = start + PAGE_UP(bytes + at % PAGE_SIZE);
    if (end < start || bytes + at % PAGE_SIZE < bytes)
        return -E_INVAL;
    if (end > USER_TOP)
        end = start < USER_TOP ? USER_TOP : start; /* a hole is found before the end */
    bool beyond = end != start + PAGE_UP(bytes + at % PAGE_SIZE);
    mutex_lock(&m->lock);
    int rc = 0;
    if (flags & AREA_LOCKED)
        rc = mm_may_lock(m, ((end - start) >> PAGE_SHIFT) - locked_in(m, start, end));
    if (rc == -E_AGAIN)
        rc = -E_NOMEM;
    if (rc == 0)
        rc = lock_range_locked(m, start, end, flags);
    mutex_unlock(&m->lock);
    return rc == 0 && beyond ? -E_NOMEM : rc;
}

int
mm_lock_all(struct mm *m, bool now, u32 now_flags, u32 future_flags)
{
    const u32 all = AREA_LOCKED | AREA_LOCK_ON_FAULT;
    int rc = 0;
    mutex_lock(&m->lock);
    if ((now_flags | future_flags) & AREA_LOCKED) {
        u64 more = m->areas.pages > m->vm_locked ? m->areas.pages - m->vm_locked : 0;
        rc = mm_may_lock(m, now ? more : 0);
        if (rc == -E_AGAIN)
            rc = now ? -E_NOMEM : 0;
    }
    if (rc == 0)
        m->lock_future = future_flags;
    for (struct area *a = m->areas.first; rc == 0 && now && a;) {
        uaddr end = a->end;
        if (!(a->flags & AREA_VDSO)) {
            lazy_settle(m, a->start, end);
            rc = flag_area(m, a->start, end, now_flags, all & ~now_flags, &a);
            end = a->end;
            if (rc == 0 && (now_flags & all) == AREA_LOCKED)
                (void)!mm_populate_locked(m, a->start, end - a->start);
        }
        a = area_find(&m->areas, end);
    }
    mutex_unlock(&m->lock);
    return rc;
}

/* ---- msync, mincore ---- */

/* Shared mappings are the file's own pages: there is nothing to write back. */
int
mm_sync(struct mm *m, uaddr at, u64 bytes, bool invalidate)
{
    uaddr end = at + bytes;
    if (!mm_range_ok(at, bytes))
        return -E_NOMEM;
    mutex_lock(&m->lock);
    int rc = bytes ? mm_check_locked(m, at, end, 0) : 0;
    if (invalidate && locked_in(m, at, end) != 0)
        rc = -E_BUSY;
    mutex_unlock(&m->lock);
    return rc;
}

int
mm_check_range(struct mm *m, uaddr at, u64 bytes)
{
    if (bytes > USER_TOP || !mm_range_ok(PAGE_DOWN(at), PAGE_UP(bytes + at % PAGE_SIZE)))
        return -E_NOMEM;
    mutex_lock(&m->lock);
    int rc = bytes == 0 ? 0 : mm_check_locked(m, at, at + bytes, 0);
    mutex_unlock(&m->lock);
    return rc;
}

struct resident {
    uaddr at;
    u8 *out;
};

static void
mark_resident(void *arg, uaddr va, const struct mmu_page *page)
{
    struct resident *r = arg;
    (void)page;
    r->out[(va - r->at) >> PAGE_SHIFT] = 1;
}

/* The pages of a file are in memory, mapped or not; what a program could not write anyway
 * counts as there, as on Linux. */
static void
mark_file(const struct area *a, struct resident *r, uaddr from, uaddr to)
{
    u64 pages = PAGE_UP(__atomic_load_n(&a->inode->size, __ATOMIC_RELAXED)) >> PAGE_SHIFT;
    for (uaddr at = from; at < to; at += PAGE_SIZE)
        if (a->page + ((at - a->start) >> PAGE_SHIFT) < pages)
            r->out[(at - r->at) >> PAGE_SHIFT] = 1;
}

int
mm_resident(struct mm *m, uaddr at, u64 pages, u8 *out)
{
    if (!mm_range_ok(at, pages << PAGE_SHIFT))
        return -E_NOMEM;
    uaddr end = at + (pages << PAGE_SHIFT);
    struct resident r = { at, out };
    mutex_lock(&m->lock);
    int rc = mm_check_locked(m, at, end, 0);
    for (u64 i = 0; i < pages; i++)
        out[i] = 0;
    if (rc == 0)
        mmu_each(&m->space, at, end, mark_resident, &r);
    for (struct area *a = area_find(&m->areas, at); rc == 0 && a && a->start < end;
         a = a->next)
        if (a->file && a->inode)
            mark_file(a, &r, MAX(a->start, at), MIN(a->end, end));
    mutex_unlock(&m->lock);
    return rc;
}

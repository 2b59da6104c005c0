/* SPDX-License-Identifier: MIT */
/*
 * Making and removing mappings, and the cutting off of a file's pages (V4 in mm.c).
 *
 * V5. Structure before pages: what can fail (areas to be made for a split, page tables of
 *     our own where a part of a shared one goes) is done first, then pages are unmapped.
 * Lock order: truncate_lock, mm->lock, inode->mutex, inode->mappings_lock.
 */
#include "core/error.h"
#include "core/log.h"
#include "core/page.h"
#include "core/thread.h"
#include "vfs/mount.h"
#include "vfs/vfs.h"
#include "vm/frames.h"
#include "vm/mm.h"
#include "vm/mm_private.h"

int (*vm_shared_memory)(u64 bytes, struct inode **out);
static struct mutex truncate_lock = MUTEX_INIT(truncate_lock);

int
area_drop_pages(struct mm *m, const struct area *a, uaddr at, uaddr end, bool tables)
{
    u64 pages = (end - at) >> PAGE_SHIFT;
    lazy_cut(m, at, end); /* what cannot be unmapped is not given up any more: that is fine */
    if (mmu_absent(&m->space, at, end))
        return 0;
    int rc = mmu_own_edges(&m->space, at, pages);
    if (rc != 0)
        return rc;
    for (; a && a->start < end; a = a->next)
        rss_forget(m, a, MAX(a->start, at), MIN(a->end, end));
    mmu_unmap(&m->space, at, pages, tables, frame_lost, NULL);
    return 0;
}

/* One end of an area is unmapped: it becomes smaller. */
static int
unmap_end(struct mm *m, struct area *a, uaddr at, uaddr end)
{
    int rc = area_drop_pages(m, a, at, end, true);
    if (rc != 0)
        return rc;
    if (at != a->start) {
        area_stretch(m, a, a->start, at);
        return 0;
    }
    if (area_has_pages(a))
        a->page += (end - at) >> PAGE_SHIFT;
    area_stretch(m, a, end, a->end);
    return 0;
}

int
mm_unmap_locked(struct mm *m, uaddr at, u64 bytes)
{
    uaddr end = at + bytes;
    struct area *a = area_find(&m->areas, at);
    if (!a || a->start >= end)
        return 0;
    if (at >= a->start && end <= a->end && (at == a->start) != (end == a->end))
        return unmap_end(m, a, at, end);
    int rc = area_cut_locked(m, at, end);
    if (rc != 0)
        return rc;
    a = area_find(&m->areas, at);
    uaddr first = a->start, last = first;
    for (struct area *b = a; b && b->start < end; b = b->next)
        last = b->end;
    rc = area_drop_pages(m, a, first, last, true);
    if (rc != 0)
        return rc;
    while (a && a->start < end) {
        struct area *next = a->next;
        area_free(m, a);
        a = next;
    }
    return 0;
}

#define LOW_START 0x40000000ull /* MAP_AT_LOW */
#define LOW_END 0x80000000ull

static int
choose_place(struct mm *m, uaddr at, u64 bytes, u32 flags, uaddr *out)
{
    if (flags & (MAP_AT_FIXED | MAP_AT_FIXED_NOREPLACE)) {
        if (at % PAGE_SIZE != 0)
            return -E_INVAL;
        if (!mm_range_ok(at, bytes))
            return -E_NOMEM;
        if (at < MM_LOW)
            return -E_PERM;
        if ((flags & MAP_AT_FIXED_NOREPLACE) &&
            !area_range_free(&m->areas, at, at + bytes))
            return -E_EXIST;
        *out = at;
        return 0;
    }
    at = PAGE_DOWN(at);
    if (at >= MM_LOW && mm_range_ok(at, bytes) &&
        (!(flags & MAP_AT_LOW) || at + bytes <= LOW_END) &&
        area_range_free(&m->areas, at, at + bytes)) {
        *out = at;
        return 0;
    }
    if (flags & MAP_AT_LOW) {
        *out = area_gap_up(&m->areas, bytes, LOW_START, LOW_END);
        return *out ? 0 : -E_NOMEM;
    }
    at = area_gap_down(&m->areas, bytes, MM_LOW, m->map_top);
    /* Whole page tables for what is as large as some: fork shares them (mm.c). */
    if (bytes % MMU_TABLE_BYTES == 0 && at > MM_LOW + MMU_TABLE_BYTES &&
        area_range_free(&m->areas, at & ~(MMU_TABLE_BYTES - 1), at))
        at &= ~(MMU_TABLE_BYTES - 1);
    if (at == 0)
        at = area_gap_up(&m->areas, bytes, m->map_top, USER_TOP - MM_STACK_GUARD);
    if (at == 0)
        return -E_NOMEM;
    *out = at;
    return 0;
}

/* Can the area below or above [start, end) hold it too (V1)?  Then it does. */
static bool
join_neighbour(struct mm *m, const struct area *like)
{
    struct area *n = area_find(&m->areas, like->start);
    struct area *p = n ? n->prev : m->areas.last;
    if (p && area_can_merge(p, like)) {
        area_stretch(m, p, p->start, like->end);
        if (n && n->start == like->end)
            area_merge_locked(m, p);
        return true;
    }
    if (!n || !area_can_merge(like, n))
        return false;
    n->page = like->page;
    area_stretch(m, n, like->start, n->end);
    return true;
}

int
mm_map_locked(struct mm *m, uaddr at, u64 bytes, u32 prot, u32 flags, struct file *file,
              struct inode *inode, u64 page, uaddr *out)
{
    uaddr start;
    int rc = choose_place(m, at, bytes, flags, &start);
    if (rc != 0)
        return rc;
    if (m->areas.count >= atomic_load_explicit(&vm_max_areas, memory_order_relaxed))
        return -E_NOMEM;
    if (flags & MAP_AT_FIXED) {
        rc = mm_unmap_locked(m, start, bytes);
        if (rc != 0)
            return rc;
    }
    *out = start;
    const struct area like = { .start = start,
                               .end = start + bytes,
                               .prot = prot,
                               .flags = flags & AREA_KEEP_FLAGS,
                               .page = page,
                               .file = file,
                               .inode = inode };
    if (join_neighbour(m, &like))
        return 0;
    struct area *a = area_new(m, start, start + bytes, prot, flags, file, inode, page);
    if (!a)
        return -E_NOMEM;
    area_attach(m, a);
    return 0;
}

/* What a file may be mapped as; adds AREA_MAYWRITE and AREA_NOEXEC to *flags.  1: the file
 * asks for anonymous memory (/dev/zero). */
static int
check_file(struct file *file, u64 offset, u64 bytes, u32 prot, u32 *flags)
{
    u32 open_flags = atomic_load_explicit(&file->flags, memory_order_relaxed);
    if (!(open_flags & OPEN_READ) || (open_flags & OPEN_PATH))
        return -E_ACCES;
    if (*flags & AREA_SHARED) {
        bool sealed = file->inode && (file->inode->seals & SEALS_WRITE);
        if (sealed && (prot & PROT_W) && (open_flags & OPEN_WRITE))
            return -E_PERM;
        if ((open_flags & OPEN_WRITE) && !sealed)
            *flags |= AREA_MAYWRITE;
        else if (prot & PROT_W)
            return -E_ACCES;
    }
    if (file->path.mount && mount_has(file->path.mount, MOUNT_NO_EXEC)) {
        if (prot & PROT_X)
            return -E_PERM;
        *flags |= AREA_NOEXEC;
    }
    if (file->ops && file->ops->map) {
        int rc = file->ops->map(file, offset, bytes, prot, *flags);
        if (rc != 0)
            return rc;
    }
    return file->inode && file->inode->ops && file->inode->ops->page ? 0 : -E_NODEV;
}

#define SMALL 256u /* pages that any machine has */

/* What the process's limits say to a mapping; what it replaces does not count. */
static int
check_limits(struct mm *m, uaddr at, u64 bytes, u32 prot, u32 flags)
{
    u64 pages = bytes >> PAGE_SHIFT;
    struct page_counts memory;
    if (flags & AREA_LOCKED) {
        int rc = mm_may_lock(m, pages);
        if (rc != 0)
            return rc;
    }
    if (pages > SMALL && mm_is_data(prot, flags) && !(flags & AREA_NORESERVE)) {
        page_count(&memory); /* Linux's heuristic: what can never be there is refused */
        if (pages > memory.total)
            return -E_NOMEM;
    }
    if (mm_may_grow(m, prot, flags, pages) == 0)
        return 0;
    if (!(flags & MAP_AT_FIXED) || !mm_range_ok(at, bytes))
        return -E_NOMEM;
    return mm_may_grow(m, prot, flags, pages - mm_pages_in(m, at, at + bytes));
}

/* Both are a part of the system call that is most of their use. */
__attribute__((always_inline)) inline int
mm_map(struct mm *m, uaddr at, u64 bytes, u32 prot, u32 flags, struct file *file,
       u64 offset, uaddr *out)
{
    struct inode *inode = NULL, *hidden = NULL;
    int rc;
    if (bytes == 0)
        return -E_INVAL;
    if (bytes > USER_TOP)
        return -E_NOMEM;
    bytes = PAGE_UP(bytes);
    if (file) {
        if (offset % PAGE_SIZE != 0)
            return -E_INVAL;
        if (offset + bytes < offset)
            return -E_OVERFLOW;
        rc = check_file(file, offset, bytes, prot, &flags);
        if (rc < 0)
            return rc;
        if (rc > 0)
            file = NULL;
        else
            inode = file->inode;
    }
    if (!file && (flags & AREA_SHARED)) {
        rc = vm_shared_memory ? vm_shared_memory(bytes, &hidden) : -E_NODEV;
        if (rc != 0)
            return rc;
        flags |= AREA_MAYWRITE;
        inode = hidden;
        offset = 0;
    }
    mutex_lock(&m->lock);
    flags |= m->lock_future;
    rc = check_limits(m, at, bytes, prot, flags);
    if (rc == 0)
        rc = mm_map_locked(m, at, bytes, prot, flags, file, inode,
                           inode ? offset >> PAGE_SHIFT : 0, out);
    /* Sealed meanwhile: the seal is set before it looks for this mapping. */
    if (rc == 0 && inode && (flags & AREA_MAYWRITE) &&
        (__atomic_load_n(&inode->seals, __ATOMIC_SEQ_CST) & SEALS_WRITE)) {
        rc = mm_unmap_locked(m, *out, bytes);
        rc = rc != 0 ? rc : -E_PERM;
    }
    if (rc == 0 && ((flags & MAP_AT_POPULATE) ||
                    (flags & (AREA_LOCKED | AREA_LOCK_ON_FAULT)) == AREA_LOCKED))
        (void)!mm_populate_locked(m, *out, bytes); /* as far as it goes */
    mutex_unlock(&m->lock);
    if (hidden)
        inode_release(hidden);
    return rc;
}

__attribute__((always_inline)) inline int
mm_unmap(struct mm *m, uaddr at, u64 bytes)
{
    if (bytes == 0 || at % PAGE_SIZE != 0 || bytes > USER_TOP ||
        !mm_range_ok(at, PAGE_UP(bytes)))
        return -E_INVAL;
    mutex_lock(&m->lock);
    int rc = mm_unmap_locked(m, at, PAGE_UP(bytes));
    mutex_unlock(&m->lock);
    return rc;
}

bool
vm_file_is_written(struct inode *inode)
{
    bool yes = false;
    spin_lock(&inode->mappings_lock);
    list_for_each(it, &inode->mappings)
        yes |= (container_of(it, struct area, mapping)->flags & AREA_MAYWRITE) != 0;
    spin_unlock(&inode->mappings_lock);
    return yes;
}

/* ---- truncation ---- */

/* Unmap the pages of `inode` from first_page on in all areas of one mm. */
static void
unmap_file_pages(struct mm *m, const struct inode *inode, u64 first_page)
{
    for (struct area *a = m->areas.first; a; a = a->next) {
        if (a->inode != inode || a->page + area_pages(a) <= first_page)
            continue;
        uaddr from = a->page >= first_page
                         ? a->start
                         : a->start + ((first_page - a->page) << PAGE_SHIFT);
        /* Where pages of files are, no table is shared (mm.c: fork_kind). */
        int rc = area_drop_pages(m, a, from, a->end, false);
        ASSERT(rc == 0);
    }
}

/* Truncations until now; the one that is under way, if one is, has this number. */
static _Atomic u64 truncations;

u64
vm_truncation(void)
{
    return atomic_load(&truncations);
}

#define BATCH 256u /* areas that are looked at under the spinlock at once */

/*
 * The first mm on the list that truncation `mine` has not passed through, with its
 * structure kept; NULL: there is none, or (*more) the batch is over.  Areas that are seen
 * go to the back, with its number; new ones come in front (area_attach).  So each area is
 * looked at once.
 */
static struct mm *
next_mapping_mm(struct inode *inode, u64 mine, bool *more)
{
    struct mm *m = NULL;
    spin_lock(&inode->mappings_lock);
    *more = false;
    for (u32 i = 0; !m && !list_empty(&inode->mappings); i++) {
        struct area *a = container_of(inode->mappings.next, struct area, mapping);
        *more = a->stamp != mine && i == BATCH;
        if (a->stamp == mine || *more)
            break;
        a->stamp = mine;
        list_remove(&a->mapping);
        list_push_back(&inode->mappings, &a->mapping);
        if (a->mm->truncation != mine) { /* ours to write: truncate_lock */
            m = a->mm;
            atomic_fetch_add(&m->keeps, 1); /* alive: its area is on the list (V4) */
        }
    }
    spin_unlock(&inode->mappings_lock);
    return m;
}

/*
 * The list may change while an mm is worked on, so an mm that is done bears this
 * truncation's number.  What it maps from then on finds the file cut already; what is
 * forked from it is done like it, and a new one begins as done (mm_create): so this ends,
 * whatever processes do meanwhile.
 */
void
vm_file_truncated(struct inode *inode, u64 first_page)
{
    spin_lock(&inode->mappings_lock);
    bool more = !list_empty(&inode->mappings);
    spin_unlock(&inode->mappings_lock);
    if (!more)
        return;
    mutex_lock(&truncate_lock);
    u64 mine = atomic_fetch_add(&truncations, 1) + 1;
    for (;;) {
        struct mm *m = next_mapping_mm(inode, mine, &more);
        if (!m && !more)
            break;
        if (m) {
            mutex_lock(&m->lock);
            unmap_file_pages(m, inode, first_page);
            __atomic_store_n(&m->truncation, mine, __ATOMIC_RELAXED);
            mutex_unlock(&m->lock);
            mm_keep_drop(m);
        }
        thread_breathe();
    }
    mutex_unlock(&truncate_lock);
}

/* SPDX-License-Identifier: MIT */
/* Questions about a space (vm/info.h), and the counting of pages (I1). */
#include "vm/info.h"

#include "core/error.h"
#include "core/page.h"
#include "core/string.h"
#include "proc/cred.h"
#include "proc/proc.h"
#include "time/vdso.h"
#include "vfs/vfs.h"
#include "vm/frames.h"
#include "vm/mm.h"
#include "vm/mm_private.h"

/* p->lock is held: the process's end takes p->mm away under it, before the mm goes. */
static struct mm *
keep_locked(struct process *p)
{
    struct mm *m = p->mm;
    if (m)
        atomic_fetch_add(&m->keeps, 1);
    return m;
}

struct mm *
mm_of(struct process *p)
{
    spin_lock(&p->lock);
    struct mm *m = keep_locked(p);
    spin_unlock(&p->lock);
    return m;
}

struct mm *
mm_of_asked(struct process *p, bool by_real_ids, bool *may)
{
    spin_lock(&p->lock);
    *may = cred_may_inspect_locked(p, NULL, by_real_ids);
    struct mm *m = keep_locked(p);
    spin_unlock(&p->lock);
    return m;
}

int
mm_of_inspected(struct process *p, bool by_real_ids, struct mm **out)
{
    bool may;
    *out = mm_of_asked(p, by_real_ids, &may);
    if (may)
        return 0;
    if (*out)
        mm_drop(*out);
    *out = NULL;
    return -E_ACCES;
}

void
mm_drop(struct mm *m)
{
    mm_keep_drop(m);
}

/* ---- counts ---- */

unsigned
rss_kind(const struct area *a, frame_t frame)
{
    if (a->flags & AREA_SHARED)
        return a->file ? RSS_FILE : RSS_SHARED;
    if (frame == frame_zero())
        return RSS_NONE;
    if (a->flags & AREA_VDSO)
        return frame == vdso_data_frame() ? RSS_NONE : RSS_FILE;
    if (!page_cached(frame))
        return RSS_ANONYMOUS;
    return a->file ? RSS_FILE : RSS_SHARED;
}

struct forget {
    struct mm *m;
    const struct area *a;
};

static void
forget_page(void *arg, uaddr va, const struct mmu_page *page)
{
    struct forget *f = arg;
    (void)va;
    unsigned kind = rss_kind(f->a, page->frame);
    if (kind != RSS_NONE)
        f->m->rss[kind]--;
}

bool
page_is_own(const struct mmu_page *page)
{
    return page->shared <= 1 && page_maps(page->frame) == 1 && !page_cached(page->frame) &&
           page_alone(page->frame); /* V10: looked at after the mappings */
}

/* How many spaces see the page: its mappings are counted once for a table that several
 * spaces share (M4). */
u64
page_seen(const struct mmu_page *page)
{
    u64 others = page->shared > 1 ? page->shared - 1u : 0;
    return MAX(page_maps(page->frame), 1ull) + others;
}

void
rss_note_peak(struct mm *m)
{
    u64 now = m->rss[RSS_ANONYMOUS] + m->rss[RSS_FILE] + m->rss[RSS_SHARED];
    if (m->rss_peak < now)
        m->rss_peak = now;
}

void
rss_forget(struct mm *m, const struct area *a, uaddr from, uaddr to)
{
    struct forget f = { m, a };
    rss_note_peak(m);
    mmu_each(&m->space, from, to, forget_page, &f);
}

static u64
load(const u64 *count)
{
    return __atomic_load_n(count, __ATOMIC_RELAXED);
}

void
mm_count(struct mm *m, struct mm_counts *out)
{
    *out = (struct mm_counts){ .areas = load(&m->areas.count),
                               .bytes_virtual = load(&m->areas.pages) << PAGE_SHIFT,
                               .peak_virtual = load(&m->areas.peak) << PAGE_SHIFT,
                               .pages_anonymous = load(&m->rss[RSS_ANONYMOUS]),
                               .pages_file = load(&m->rss[RSS_FILE]),
                               .pages_shared = load(&m->rss[RSS_SHARED]),
                               .pages_data = load(&m->vm_data),
                               .pages_text = load(&m->vm_text),
                               .pages_stack = load(&m->vm_stack),
                               .pages_locked = load(&m->vm_locked) };
    out->pages_mapped = out->pages_anonymous + out->pages_file + out->pages_shared;
    out->pages_peak = MAX(load(&m->rss_peak), out->pages_mapped);
}

u64
mm_peak(struct mm *m)
{
    u64 now = load(&m->rss[RSS_ANONYMOUS]) + load(&m->rss[RSS_FILE]) +
              load(&m->rss[RSS_SHARED]);
    return MAX(load(&m->rss_peak), now);
}

/* ---- areas ---- */

static enum mm_area_name
name_of(const struct mm *m, const struct area *a)
{
    if (a->flags & AREA_VDSO)
        return a->page == 0 ? MM_NAME_VVAR : MM_NAME_VDSO;
    if (a->file || a->inode)
        return MM_NAME_NONE;
    if (a->start <= m->brk && a->end >= m->brk_start && m->brk > m->brk_start)
        return MM_NAME_HEAP;
    if (a->start <= m->layout.stack_start && a->end > m->layout.stack_start)
        return MM_NAME_STACK;
    return MM_NAME_NONE;
}

bool
mm_next_area(struct mm *m, uaddr at, struct mm_area_info *out)
{
    mutex_lock(&m->lock);
    struct area *a = area_find(&m->areas, at);
    if (a) {
        bool paged = a->inode || (a->flags & AREA_VDSO);
        *out = (struct mm_area_info){ .start = a->start,
                                      .end = a->end,
                                      .prot = a->prot,
                                      .flags = a->flags,
                                      .offset = paged ? a->page << PAGE_SHIFT : 0,
                                      .file = a->file,
                                      .inode = a->inode,
                                      .name = name_of(m, a) };
        if (a->flags & AREA_VDSO)
            out->offset = 0;
        if (a->file)
            file_hold(a->file);
        if (a->inode)
            inode_hold(a->inode);
    }
    mutex_unlock(&m->lock);
    return a != NULL;
}

void
mm_area_info_drop(struct mm_area_info *info)
{
    if (info->inode) /* first, as area_release does it */
        inode_release(info->inode);
    if (info->file)
        file_release(info->file);
    info->file = NULL;
    info->inode = NULL;
}

struct usage {
    const struct vm_ranges *lazy;
    const struct area *a;
    struct mm_area_usage *out;
};

static void
use_page(void *arg, uaddr va, const struct mmu_page *page)
{
    struct usage *u = arg;
    struct mm_area_usage *out = u->out;
    unsigned kind = rss_kind(u->a, page->frame);
    if (kind == RSS_NONE)
        return;
    u64 maps = page_seen(page);
    bool dirty = page->dirty || kind == RSS_ANONYMOUS;
    out->rss += PAGE_SIZE;
    out->pss += PAGE_SIZE / maps;
    if (maps > 1)
        *(dirty ? &out->shared_dirty : &out->shared_clean) += PAGE_SIZE;
    else
        *(dirty ? &out->private_dirty : &out->private_clean) += PAGE_SIZE;
    if (page->accessed)
        out->referenced += PAGE_SIZE;
    if (kind == RSS_ANONYMOUS)
        out->anonymous += PAGE_SIZE;
    if (page->large)
        out->large += PAGE_SIZE;
    if (u->lazy && !(page->flags & MMU_WRITE) && ranges_have(u->lazy, va))
        out->lazy += PAGE_SIZE;
}

bool
mm_area_usage(struct mm *m, uaddr start, struct mm_area_usage *out)
{
    *out = (struct mm_area_usage){ 0 };
    mutex_lock(&m->lock);
    struct area *a = area_find(&m->areas, start);
    bool there = a && a->start == start;
    if (there) {
        struct usage u = { m->lazy, a, out };
        mmu_each(&m->space, a->start, a->end, use_page, &u);
        if (a->flags & AREA_LOCKED)
            out->locked = out->pss;
    }
    mutex_unlock(&m->lock);
    return there;
}

struct page_list {
    uaddr from;
    struct mm_page_info *out;
};

static void
tell_page(void *arg, uaddr va, const struct mmu_page *page)
{
    struct page_list *l = arg;
    l->out[(va - l->from) >> PAGE_SHIFT] = (struct mm_page_info){
        .frame = page->frame, .present = true, .shared = page_cached(page->frame),
        .alone = page_seen(page) == 1,
    };
}

void
mm_pages(struct mm *m, uaddr from, u32 n, struct mm_page_info *out)
{
    struct page_list l = { from, out };
    memset(out, 0, n * sizeof *out);
    mutex_lock(&m->lock);
    mmu_each(&m->space, from, from + ((u64)n << PAGE_SHIFT), tell_page, &l);
    mutex_unlock(&m->lock);
}

/* ---- places ---- */

void
mm_layout(struct mm *m, struct mm_layout *out)
{
    mutex_lock(&m->lock);
    *out = m->layout;
    out->brk_start = m->brk_start;
    out->brk = m->brk;
    mutex_unlock(&m->lock);
}

struct file *
mm_program(struct mm *m)
{
    mutex_lock(&m->lock);
    struct file *f = m->program;
    if (f)
        file_hold(f);
    mutex_unlock(&m->lock);
    return f;
}

/* ---- bytes ---- */

/* What a fault at `page` may make present. */
static uaddr
reach_below(const struct area *a, uaddr page)
{
    return page - MIN((u64)MM_FAULT_REACH << PAGE_SHIFT, page - a->start);
}

static u64
reach_pages(const struct area *a, uaddr page)
{
    uaddr end = MIN(page + ((u64)MM_FAULT_REACH << PAGE_SHIFT), a->end);
    return (end - reach_below(a, page)) >> PAGE_SHIFT;
}

/* A forced access made a fault as if the area had more rights than it has: what that made
 * present around `page` (V9, fault_around) gets what the area has; a write to it makes a
 * fault again. */
static void
put_rights_right(struct mm *m, const struct area *a, uaddr page)
{
    mmu_protect(&m->space, reach_below(a, page), reach_pages(a, page),
                area_mmu_flags(a) & ~MMU_WRITE);
}

/* The frame at `page` for this access, brought in if it is not there. */
static int
page_at_locked(struct mm *m, uaddr page, bool write, bool force, frame_t *frame)
{
    struct mmu_page there;
    struct area *a = area_at_locked(m, page);
    if (!a || (a->flags & AREA_VDSO && write))
        return -E_FAULT;
    u32 prot = a->prot;
    if (force && (!write || !(a->flags & AREA_SHARED)))
        prot |= PROT_R | (write ? PROT_W : 0);
    if (!(prot & (write ? PROT_W : PROT_R)))
        return -E_FAULT;
    u32 own = a->prot;
    /* Rights are changed of more than the page itself (M4 of core/mmu.h). */
    if (prot != own &&
        mmu_own(&m->space, reach_below(a, page), reach_pages(a, page)) != 0)
        return -E_NOMEM;
    if (own == 0) /* a page without any access is not seen by what follows */
        mmu_protect(&m->space, page, 1, MMU_READ);
    a->prot = prot; /* under the mutex nobody sees it */
    int rc = mm_fault_locked(m, a, page, write ? PROT_W : PROT_R, false);
    a->prot = own;
    if (rc == 0 && !mmu_query(&m->space, page, &there))
        rc = -E_FAULT;
    if (rc == 0)
        *frame = there.frame;
    if (prot != own)
        put_rights_right(m, a, page);
    return rc == -E_NOMEM ? rc : rc != 0 ? -E_FAULT : 0;
}

static i64
move_bytes(struct mm *m, uaddr at, void *mine, size_t bytes, bool write, bool force)
{
    size_t done = 0;
    int rc = at < USER_TOP && bytes <= USER_TOP - at ? 0 : -E_FAULT;
    mutex_lock(&m->lock);
    while (rc == 0 && done < bytes) {
        frame_t frame = FRAME_NONE;
        size_t offset = at % PAGE_SIZE, n = MIN(bytes - done, PAGE_SIZE - offset);
        rc = page_at_locked(m, PAGE_DOWN(at), write, force, &frame);
        if (rc != 0)
            break;
        u8 *page = (u8 *)page_ptr(frame) + offset;
        if (write)
            memcpy(page, (u8 *)mine + done, n);
        else
            memcpy((u8 *)mine + done, page, n);
        done += n;
        at += n;
    }
    mutex_unlock(&m->lock);
    return done ? (i64)done : rc;
}

i64
mm_peek(struct mm *m, uaddr at, void *to, size_t bytes, bool force)
{
    return move_bytes(m, at, to, bytes, false, force);
}

i64
mm_poke(struct mm *m, uaddr at, const void *from, size_t bytes, bool force)
{
    return move_bytes(m, at, (void *)(uintptr_t)from, bytes, true, force);
}

/* SPDX-License-Identifier: MIT */
/*
 * Address spaces: areas and their references, life and death, fork (mm.h has the contract
 * and V1 to V3).
 *
 * V4. An area is on its inode's list of mappings from before a page of it can be present
 *     until after the reports of its pages are dealt with; so who passes through the
 *     mutex of each mm on the list has seen them all (O3 of frames.h).
 * Lock order: truncate_lock, mm->lock, inode->mutex, inode->mappings_lock.
 */
#include "vm/mm.h"

#include "core/chunk.h"
#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "vfs/vfs.h"
#include "vm/frames.h"
#include "vm/mm_private.h"

/* ---- areas ---- */

struct area *
area_new(struct mm *m, uaddr start, uaddr end, u32 prot, u32 flags, struct file *file,
         struct inode *inode, u64 page)
{
    struct area *a = heap_alloc(sizeof(*a));
    if (!a)
        return NULL;
    *a = (struct area){ .start = start,
                        .end = end,
                        .prot = prot,
                        .flags = flags & AREA_KEEP_FLAGS,
                        .page = page,
                        .file = file,
                        .inode = inode,
                        .mm = m };
    if (file)
        file_hold(file);
    if (inode)
        inode_hold(inode);
    return a;
}

void
area_release(struct area *a)
{
    /* The inode first: with the last file a file system that was taken off goes. */
    if (a->inode)
        inode_release(a->inode);
    if (a->file)
        file_release(a->file);
    heap_free(a);
}

/* Where vm_file_truncated will see it: in front, or behind the area that it is a copy of.
 * That one comes first then, so that who forks again and again is reached: but if it was
 * seen already, and its mm has perhaps still to be passed through, the copy is in front.
 */
static void
area_list_add(struct area *a, struct area *copy_of)
{
    if (!a->inode)
        return;
    spin_lock(&a->inode->mappings_lock);
    bool seen = !copy_of || copy_of->stamp == vm_truncation();
    list_push_front(seen ? &a->inode->mappings : &copy_of->mapping, &a->mapping);
    spin_unlock(&a->inode->mappings_lock);
}

static void
area_list_remove(struct area *a)
{
    if (!a->inode)
        return;
    spin_lock(&a->inode->mappings_lock);
    list_remove(&a->mapping);
    spin_unlock(&a->inode->mappings_lock);
}

/* Linux's kinds of memory: the stack, what is written by this process alone, and what is
 * executed only. */
static inline void
account(struct mm *m, const struct area *a, u64 pages)
{
    if (a->flags & AREA_GROWSDOWN)
        m->vm_stack += pages;
    else if ((a->prot & PROT_W) && !(a->flags & AREA_SHARED))
        m->vm_data += pages;
    else if ((a->prot & (PROT_X | PROT_W)) == PROT_X)
        m->vm_text += pages;
    if (a->flags & AREA_LOCKED)
        m->vm_locked += pages;
}

void
area_attach(struct mm *m, struct area *a)
{
    area_insert(&m->areas, a);
    account(m, a, area_pages(a));
    area_list_add(a, NULL);
}

void
area_stretch(struct mm *m, struct area *a, uaddr start, uaddr end)
{
    account(m, a, ((end - start) >> PAGE_SHIFT) - area_pages(a));
    area_resize(&m->areas, a, start, end);
}

void
area_set(struct mm *m, struct area *a, u32 prot, u32 flags)
{
    account(m, a, -area_pages(a));
    a->prot = prot;
    a->flags = flags;
    account(m, a, area_pages(a));
}

void
area_free(struct mm *m, struct area *a)
{
    account(m, a, -area_pages(a));
    area_remove(&m->areas, a);
    area_list_remove(a);
    area_release(a);
}

int
area_split_locked(struct mm *m, struct area *a, uaddr at, struct area **upper)
{
    ASSERT(at > a->start && at < a->end);
    if (m->areas.count >= atomic_load_explicit(&vm_max_areas, memory_order_relaxed))
        return -E_NOMEM;
    struct area *b =
        area_new(m, at, a->end, a->prot, a->flags, a->file, a->inode,
                 area_has_pages(a) ? a->page + ((at - a->start) >> PAGE_SHIFT) : 0);
    if (!b)
        return -E_NOMEM;
    area_split(&m->areas, a, b); /* counted as before: both are of the same kind */
    area_list_add(b, NULL);
    *upper = b;
    return 0;
}

bool
area_can_merge(const struct area *a, const struct area *b)
{
    return a->end == b->start && a->prot == b->prot && a->flags == b->flags &&
           a->file == b->file && a->inode == b->inode &&
           (!area_has_pages(a) || a->page + area_pages(a) == b->page);
}

/* `a` takes over the area behind it, which is of the same kind, so that counts stay. */
static void
join_next(struct mm *m, struct area *a)
{
    struct area *n = a->next;
    area_join(&m->areas, a);
    area_list_remove(n);
    area_release(n);
}

struct area *
area_merge_locked(struct mm *m, struct area *a)
{
    struct area *p = a->prev, *n = a->next;
    if (n && area_can_merge(a, n))
        join_next(m, a);
    if (p && area_can_merge(p, a)) {
        join_next(m, p);
        a = p;
    }
    return a;
}

int
area_cut_locked(struct mm *m, uaddr start, uaddr end)
{
    struct area *upper;
    struct area *a = area_find(&m->areas, start);
    if (a && a->start < start) {
        int rc = area_split_locked(m, a, start, &upper);
        if (rc != 0)
            return rc;
    }
    a = area_find(&m->areas, end - 1);
    if (a && a->start < end && a->end > end)
        return area_split_locked(m, a, end, &upper);
    return 0;
}

/* ---- life ---- */

int
mm_create(struct mm **out)
{
    struct mm *m = mm_spare_take();
    if (!m) {
        m = heap_alloc(sizeof(*m));
        if (!m)
            return -E_NOMEM;
        int rc = mmu_space_create(&m->space);
        if (rc != 0) {
            heap_free(m);
            return rc;
        }
    }
    m->space.shares = false; /* there are no tables */
    ASSERT(m->space.large == 0);
    /* aux_words says that nothing of aux is valid. */
    memset((u8 *)m + sizeof(m->space), 0,
           offsetof(struct mm, layout.aux) - sizeof(m->space));
    m->refs = 1;
    m->keeps = 1;
    mutex_init(&m->lock);
    area_map_init(&m->areas, MM_LOW);
    m->map_top = USER_TOP - MM_TOP_GAP;
    m->truncation = vm_truncation();
    m->losses = __atomic_load_n(&chunk_losses, __ATOMIC_ACQUIRE);
    *out = m;
    return 0;
}

void
mm_hold(struct mm *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
}

void
mm_keep_drop(struct mm *m)
{
    if (atomic_fetch_sub(&m->keeps, 1) != 1 || mm_spare_put(m))
        return;
    mmu_space_destroy(&m->space);
    heap_free(m);
}

/*
 * What fork does with an area's pages.  Page tables are shared where anonymous memory is,
 * if some of it is large: for a small area, or a stack, which both sides write at once, it
 * would only cost a fault more.  Nor are they where pages of files may be: a file that is
 * cut must be able to unmap its pages without memory for a table.
 */
enum fork_kind { FORK_EITHER, FORK_COPY, FORK_TABLES, FORK_SHARE, FORK_NOTHING };
#define LARGE_PAGES 128u
static enum fork_kind
fork_kind(const struct area *a)
{
    return a->flags & (AREA_DONTFORK | AREA_WIPEONFORK)       ? FORK_NOTHING
           : a->flags & AREA_SHARED                           ? FORK_SHARE
           : area_has_pages(a) || (a->flags & AREA_GROWSDOWN) ? FORK_COPY
           : area_pages(a) >= LARGE_PAGES                     ? FORK_TABLES
                                                              : FORK_EITHER;
}

/* May an area of kind `k` be one run with others?  What is EITHER becomes what they are.
 */
static bool
join_kind(enum fork_kind *kind, enum fork_kind k)
{
    if (k == *kind)
        return true;
    if (*kind == FORK_EITHER && (k == FORK_COPY || k == FORK_TABLES)) {
        *kind = k;
        return true;
    }
    return k == FORK_EITHER && (*kind == FORK_COPY || *kind == FORK_TABLES);
}

/* The bounds of a run of areas close to each other, so that one call on the space covers
 * them; with `kind`, of those that fork treats alike. */
#define RUN_GAP MMU_TABLE_BYTES
static struct area *
run_end(struct area *a, enum fork_kind *kind, uaddr *end)
{
    struct area *next;
    *end = a->end;
    for (next = a->next; next && next->start - *end < RUN_GAP; next = next->next) {
        if (kind && !join_kind(kind, fork_kind(next)))
            break;
        *end = next->end;
    }
    return next;
}

/* The bounds of all tables that a range of areas has alone. */
static void
widen_to_tables(const struct area *first, const struct area *next, uaddr *start,
                uaddr *end)
{
    uaddr low = *start & ~(MMU_TABLE_BYTES - 1);
    uaddr high = MIN((*end + MMU_TABLE_BYTES - 1) & ~(MMU_TABLE_BYTES - 1), USER_TOP);
    if (!first || !first->prev || first->prev->end <= low)
        *start = low;
    if (!next || next->start >= high)
        *end = high;
}

void (*mm_ended_hook)(struct mm *m);

void
mm_tell_end(struct mm *m)
{
    m->tell_end = true;
}

void
mm_release(struct mm *m)
{
    if (!m || atomic_fetch_sub(&m->refs, 1) != 1)
        return;
    if (m->tell_end)
        mm_ended_hook(m);
    mutex_lock(&m->lock); /* V4: a truncation may be at work here */
    for (struct area *a = m->areas.first, *next; a; a = next) {
        uaddr start = a->start, end;
        next = run_end(a, NULL, &end);
        widen_to_tables(NULL, NULL, &start, &end); /* nothing stays */
        mmu_unmap(&m->space, start, (end - start) >> PAGE_SHIFT, true, frame_lost, NULL);
    }
    struct area *a = m->areas.first;
    area_map_init(&m->areas,
                  MM_LOW); /* the tree is not kept while its nodes go one by one */
    while (a) {
        struct area *next = a->next;
        area_list_remove(a);
        area_release(a);
        a = next;
    }
    if (m->program) {
        inode_admit_writers(m->program->inode);
        file_release(m->program);
    }
    m->program = NULL;
    heap_free(m->lazy);
    heap_free(m->cold);
    m->lazy = m->cold = NULL;
    memset(m->rss, 0, sizeof(m->rss));
    m->vm_data = m->vm_text = m->vm_stack = m->vm_locked = 0;
    mutex_unlock(&m->lock);
    mm_keep_drop(m);
}

void
mm_switch(struct mm *m)
{
    if (m)
        mmu_switch(&m->space);
}

struct mmu_space *
mm_space(struct mm *m)
{
    return &m->space;
}

uaddr
mm_brk_start(const struct mm *m)
{
    return m->brk_start;
}

/* The caller refuses writers of it already, so that this cannot fail. */
void
mm_take_program(struct mm *m, struct file *program)
{
    int rc = inode_refuse_writers(program->inode);
    ASSERT(rc == 0);
    file_hold(program);
    m->program = program;
}

/* ---- fork ---- */

static void
free_tree(struct area *a)
{
    if (!a)
        return;
    free_tree(a->left);
    free_tree(a->right);
    area_release(a);
}

/* Copy a subtree in order; *last threads the copies.  NULL on a failure: *failed. Depth:
 * A3. */
static struct area *
copy_tree(struct mm *to, const struct area *a, struct area **last, bool *failed)
{
    struct area *left = a->left ? copy_tree(to, a->left, last, failed) : NULL;
    if (*failed)
        return NULL;
    struct area *b = area_new(to, a->start, a->end, a->prot,
                              a->flags & ~(AREA_LOCKED | AREA_LOCK_ON_FAULT), a->file,
                              a->inode, a->page);
    if (!b) {
        *failed = true;
        free_tree(left);
        return NULL;
    }
    b->height = a->height;
    b->gap = a->gap;
    b->max_gap = a->max_gap;
    b->left = left;
    b->prev = *last;
    if (*last)
        (*last)->next = b;
    else
        to->areas.first = b;
    *last = b;
    b->right = a->right ? copy_tree(to, a->right, last, failed) : NULL;
    if (*failed) {
        free_tree(b);
        return NULL;
    }
    if (b->left)
        b->left->parent = b;
    if (b->right)
        b->right->parent = b;
    return b;
}

static int
copy_areas(struct mm *to, const struct mm *from)
{
    bool failed = false;
    struct area *last = NULL;
    to->areas.root =
        from->areas.root ? copy_tree(to, from->areas.root, &last, &failed) : NULL;
    if (failed) {
        area_map_init(&to->areas, MM_LOW);
        return -E_NOMEM;
    }
    to->areas.last = last;
    to->areas.count = from->areas.count;
    to->areas.pages = from->areas.pages;
    for (struct area *a = to->areas.first, *b = from->areas.first; a;
         a = a->next, b = b->next)
        area_list_add(a, b);
    return 0;
}

/* Areas that the child does not get, and pages that it does not see. */
static void
drop_advised(struct mm *to, struct mm *from)
{
    for (struct area *a = to->areas.first, *next; a; a = next) {
        next = a->next;
        if (fork_kind(a) != FORK_NOTHING)
            continue;
        const struct area own = *a; /* counted with the pages that the parent has */
        struct mm counts = { .space = from->space };
        rss_forget(&counts, &own, own.start, own.end);
        for (unsigned k = 0; k < RSS_KINDS; k++)
            to->rss[k] += counts.rss[k];
        if (a->flags & AREA_DONTFORK)
            area_free(to, a);
    }
}

void
mm_inherit(struct mm *to, const struct mm *from)
{
    to->paging = from->paging;
    to->no_large = from->no_large;
}

int
mm_fork(struct mm *from, struct mm **out)
{
    struct mm *to;
    int rc = mm_create(&to);
    if (rc != 0)
        return rc;
    mutex_lock(&from->lock);
    mutex_lock(&to->lock); /* once its areas are on lists, a truncation may come */
    lazy_settle(from, 0, USER_TOP);
    mm_inherit(to, from);
    to->truncation = from->truncation;
    to->losses = from->losses;
    to->map_top = from->map_top;
    to->brk_start = from->brk_start;
    to->brk = from->brk;
    memcpy(to->rss, from->rss, sizeof(to->rss));
    to->areas.peak = from->areas.pages;
    to->vm_data = from->vm_data;
    to->vm_text = from->vm_text;
    to->vm_stack = from->vm_stack;
    to->layout = from->layout;
    if (from->program)
        mm_take_program(to, from->program);
    rc = copy_areas(to, from);
    if (rc == 0 && from->advised)
        drop_advised(to, from);
    to->advised = from->advised;
    for (struct area *a = from->areas.first, *next; rc == 0 && a; a = next) {
        static const enum mmu_copy how[] = { [FORK_EITHER] = MMU_COPY_COW,
                                             [FORK_COPY] = MMU_COPY_COW,
                                             [FORK_TABLES] = MMU_COPY_TABLES,
                                             [FORK_SHARE] = MMU_COPY_SHARE };
        uaddr start = a->start, end;
        enum fork_kind kind = fork_kind(a);
        next = run_end(a, &kind, &end);
        if (kind == FORK_TABLES)
            widen_to_tables(a, next, &start, &end);
        if (kind != FORK_NOTHING)
            rc = mmu_copy(&to->space, &from->space, start, (end - start) >> PAGE_SHIFT,
                          how[kind]);
    }
    mutex_unlock(&to->lock);
    mutex_unlock(&from->lock);
    if (rc != 0) {
        mm_release(to);
        return rc;
    }
    *out = to;
    return 0;
}

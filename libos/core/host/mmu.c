/* SPDX-License-Identifier: MIT */
/*
 * core/mmu.h and core/usercopy.h on the host: a space is a tree of pages, and user memory
 * is reached through it as the hardware
 * would: page by page, with rights, asking the pager for what is missing.
 */
#include "core/mmu.h"

#include <stdlib.h>

#include "core/error.h"
#include "core/heap.h"
#include "core/host/host.h"
#include "core/host/private.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/page.h"
#include "core/page_state.h"
#include "core/string.h"
#include "core/tree.h"
#include "core/usercopy.h"

struct host_page {
    struct tree_node node;
    uaddr va;
    frame_t frame;
    u32 flags;
    bool dirty;
};
struct host_space {
    struct tree pages;
    frame_t table; /* stands for all nodes of a space */
};

int (*usercopy_pager)(uaddr at, bool write);

static u32 *maps; /* by frame - page_first */
static u64 mapped;
static u8 *user_base;
static size_t user_bytes;

void *
page_ptr(frame_t f)
{
    return machine_dmap + (f - machine_dmap_first) * PAGE_SIZE;
}

frame_t
page_frame(const void *p)
{
    return (frame_t)((const u8 *)p - machine_dmap) / PAGE_SIZE + machine_dmap_first;
}

void
host_mmu_init(void)
{
    maps = calloc(page_end - page_first, sizeof(*maps));
    ASSERT(maps);
}

u64
host_mapped_pages(void)
{
    return mapped;
}

void
host_user_memory(void *base, size_t bytes)
{
    user_base = base;
    user_bytes = bytes;
}

u64
machine_frame_maps(frame_t f)
{
    return maps[f - page_first];
}

static u64
va_of(const struct tree_node *n)
{
    return container_of(n, struct host_page, node)->va;
}

static int
page_compare(const struct tree_node *a, const struct tree_node *b)
{
    return va_of(a) < va_of(b) ? -1 : va_of(a) > va_of(b);
}

static int
va_compare(const void *key, const struct tree_node *n)
{
    u64 va = *(const u64 *)key;
    return va < va_of(n) ? -1 : va > va_of(n);
}

static struct host_space *
space_of(struct mmu_space *s)
{
    return (struct host_space *)s->cap;
}

static struct host_page *
page_at(struct mmu_space *s, uaddr va)
{
    struct tree_node *n = tree_find(&space_of(s)->pages, &va, va_compare);
    return n ? container_of(n, struct host_page, node) : NULL;
}

static struct host_page *
page_from(struct mmu_space *s, uaddr va, u64 pages)
{
    struct tree_node *n = tree_at_or_after(&space_of(s)->pages, &va, va_compare);
    struct host_page *p = n ? container_of(n, struct host_page, node) : NULL;
    return p && (p->va - va) / PAGE_SIZE < pages ? p : NULL;
}

int
mmu_space_create(struct mmu_space *s)
{
    memset(s, 0, sizeof(*s));
    frame_t root = page_root_alloc();
    if (root == FRAME_NONE)
        return -E_NOMEM;
    struct host_space *h = calloc(1, sizeof(*h));
    tree_init(&h->pages, page_compare);
    s->root = root;
    s->cap = (u64)h;
    return 0;
}

void
mmu_space_destroy(struct mmu_space *s)
{
    ASSERT(tree_empty(&space_of(s)->pages)); /* the kernel would refuse */
    struct thread *t = thread_current();
    if (t->space == s)
        t->space = NULL;
    if (t->cpu->space == s)
        t->cpu->space = NULL;
    free(space_of(s));
    page_root_free(s->root);
    s->cap = 0;
}

static void
count_in(frame_t f)
{
    ASSERT(f >= page_first && f < page_end && *page_state(f) != PAGE_OUTSIDE);
    maps[f - page_first]++;
    mapped++;
}

/* True: that was the last one. */
static bool
count_out(frame_t f)
{
    ASSERT(maps[f - page_first] > 0);
    mapped--;
    return --maps[f - page_first] == 0;
}

int
mmu_map(struct mmu_space *s, uaddr va, frame_t frame, u32 flags, u64 count)
{
    ASSERT((va & (PAGE_SIZE - 1)) == 0 && va < USER_TOP &&
           count <= (USER_TOP - va) / PAGE_SIZE);
    u32 rights = flags & (MMU_READ | MMU_WRITE | MMU_EXEC);
    for (u64 i = 0; i < count; i++) {
        struct host_page *p = page_at(s, va + i * PAGE_SIZE);
        if (p)
            return -E_EXIST;
        count_in(frame + i);
        p = calloc(1, sizeof(*p));
        p->va = va + i * PAGE_SIZE;
        tree_insert(&space_of(s)->pages, &p->node);
        p->frame = frame + i;
        p->flags = rights;
    }
    return 0;
}

/* As 4 KiB pages: what is split only shows on the machine. */
int
mmu_map_large(struct mmu_space *s, uaddr va, frame_t frame, u32 flags)
{
    u64 pages = 1ull << MMU_LARGE_ORDER;
    ASSERT(va % MMU_TABLE_BYTES == 0 && frame % pages == 0);
    return page_from(s, va, pages) ? -E_EXIST : mmu_map(s, va, frame, flags, pages);
}

bool
mmu_large_fits(struct mmu_space *s, uaddr va)
{
    return page_from(s, va, 1ull << MMU_LARGE_ORDER) == NULL;
}

u64
mmu_large_pages(void)
{
    return 0;
}

int
mmu_map_frames(struct mmu_space *s, uaddr va, const frame_t *frames, u32 flags, u64 count)
{
    ASSERT(count <= MMU_FRAMES_MAX);
    int r = 0;
    for (u64 i = 0; i < count && r == 0; i++)
        r = mmu_map(s, va + i * PAGE_SIZE, frames[i], flags, 1);
    return r;
}

int
mmu_replace(struct mmu_space *s, uaddr va, frame_t frame, u32 flags, u32 count, u32 *lost,
            u32 *done)
{
    ASSERT(count <= MMU_REPLACE_MAX);
    *lost = 0;
    for (u32 i = *done = 0; i < count; i = ++*done) {
        struct host_page *p = page_at(s, va + i * PAGE_SIZE);
        if (!p) {
            int r = mmu_map(s, va + i * PAGE_SIZE, frame + i, flags, 1);
            if (r != 0)
                return r;
            continue;
        }
        count_in(frame + i);
        if (count_out(p->frame))
            *lost |= 1u << i;
        p->frame = frame + i;
        p->flags = flags & (MMU_READ | MMU_WRITE | MMU_EXEC);
        p->dirty = false;
    }
    return 0;
}

void
mmu_protect(struct mmu_space *s, uaddr va, u64 pages, u32 flags)
{
    u32 rights = flags & (MMU_READ | MMU_WRITE | MMU_EXEC);
    uaddr end = va + pages * PAGE_SIZE;
    for (struct host_page *p = page_from(s, va, pages); p && p->va < end;) {
        p->flags = flags & MMU_NOADD ? p->flags & rights : rights;
        struct tree_node *n = tree_next(&p->node);
        p = n ? container_of(n, struct host_page, node) : NULL;
    }
}

void
mmu_unmap(struct mmu_space *s, uaddr va, u64 pages, bool tables, mmu_lost_fn lost,
          void *arg)
{
    (void)tables;
    struct host_page *p;
    while ((p = page_from(s, va, pages)) != NULL) {
        tree_remove(&space_of(s)->pages, &p->node);
        if (count_out(p->frame) && lost)
            lost(arg, p->frame, p->dirty);
        free(p);
    }
}

int
mmu_own(struct mmu_space *s, uaddr va, u64 pages)
{
    (void)s, (void)va, (void)pages; /* there are no page tables */
    return 0;
}

int
mmu_own_edges(struct mmu_space *s, uaddr va, u64 pages)
{
    return mmu_own(s, va, pages);
}

int
mmu_copy(struct mmu_space *to, struct mmu_space *from, uaddr va, u64 pages,
         enum mmu_copy how)
{
    uaddr end = va + pages * PAGE_SIZE;
    for (struct host_page *p = page_from(from, va, pages); p && p->va < end;) {
        if (how != MMU_COPY_SHARE)
            p->flags &= ~MMU_WRITE;
        int r = mmu_map(to, p->va, p->frame, p->flags, 1);
        if (r != 0)
            return r;
        struct tree_node *n = tree_next(&p->node);
        p = n ? container_of(n, struct host_page, node) : NULL;
    }
    return 0;
}

bool
mmu_query(struct mmu_space *s, uaddr va, struct mmu_page *out)
{
    struct host_page *p = page_at(s, PAGE_DOWN(va));
    if (!p || !(p->flags & MMU_READ))
        return false;
    *out = (struct mmu_page){ p->frame, p->flags, p->dirty, true, false, 0 };
    return true;
}

bool
mmu_next(struct mmu_space *s, uaddr *va, uaddr end, struct mmu_page *out)
{
    while (*va < end) {
        struct host_page *p = page_from(s, *va, (end - *va) / PAGE_SIZE);
        if (!p)
            break;
        *va = p->va;
        if (mmu_query(s, *va, out))
            return true;
        *va += PAGE_SIZE;
    }
    *va = end;
    return false;
}

bool
mmu_absent(struct mmu_space *s, uaddr va, uaddr end)
{
    return va >= end || !page_from(s, va, (end - va) / PAGE_SIZE);
}

void
mmu_each(struct mmu_space *s, uaddr va, uaddr end, mmu_visit_fn visit, void *arg)
{
    struct host_page *p;
    for (; va < end && (p = page_from(s, va, (end - va) / PAGE_SIZE)) != NULL;
         va = p->va + PAGE_SIZE) {
        struct mmu_page page = { p->frame, p->flags, p->dirty, true, false, 0 };
        visit(arg, p->va, &page);
    }
}

void
mmu_activate(struct lcpu *c, struct mmu_space *s)
{
    c->space = s;
}

void
mmu_leave_dying(struct lcpu *c)
{
    (void)c;
}

void
mmu_switch(struct mmu_space *s)
{
    struct thread *t = thread_current();
    t->space = s;
    t->cpu->space = s;
}

void
mmu_flush_all(void)
{
}

void
mmu_flush(struct mmu_space *s)
{
    (void)s;
}

/* ---- user memory ---- */
/* Where `at` is, for an access that stays within its page; NULL: it faults. */
static u8 *
user_ptr(uaddr at, bool write)
{
    struct thread *t = thread_current();
    if (!t->space) {
        if (at - (u64)user_base < user_bytes)
            return (u8 *)at;
        return NULL;
    }
    struct host_page *p = page_at(t->space, PAGE_DOWN(at));
    if (!p || !(p->flags & (write ? MMU_WRITE : MMU_READ)))
        return NULL;
    p->dirty |= write;
    return (u8 *)page_ptr(p->frame) + (at & (PAGE_SIZE - 1));
}

static size_t
room_at(uaddr at, size_t bytes)
{
    if (!thread_current()->space)
        return MIN(bytes, (u64)user_base + user_bytes - at);
    return MIN(bytes, PAGE_SIZE - (at & (PAGE_SIZE - 1)));
}

enum kind { FROM_USER, TO_USER, ZERO_USER };

/* Bytes not copied. */
static size_t
user_copy(uaddr at, u8 *libos, size_t bytes, enum kind kind, bool may_page)
{
    if (at >= USER_TOP || bytes > USER_TOP - at)
        return bytes;
    while (bytes) {
        u8 *p = user_ptr(at, kind != FROM_USER);
        if (!p) {
            if (!may_page || !usercopy_pager || usercopy_pager(at,
                                                               kind != FROM_USER) != 0)
                return bytes;
            continue;
        }
        size_t n = room_at(at, bytes);
        if (kind == FROM_USER)
            memcpy(libos, p, n);
        else if (kind == TO_USER)
            memcpy(p, libos, n);
        else
            memset(p, 0, n);
        at += n;
        bytes -= n;
        if (libos)
            libos += n;
    }
    return 0;
}

int
copy_from_user_any(void *to, uaddr from, size_t bytes)
{
    return user_copy(from, to, bytes, FROM_USER, true) ? -E_FAULT : 0;
}

int
copy_to_user_any(uaddr to, const void *from, size_t bytes)
{
    return user_copy(to, (u8 *)(uintptr_t)from, bytes, TO_USER, true) ? -E_FAULT : 0;
}

int
zero_user(uaddr to, size_t bytes)
{
    return user_copy(to, NULL, bytes, ZERO_USER, true) ? -E_FAULT : 0;
}

size_t
copy_to_user_nofault(uaddr to, const void *from, size_t bytes)
{
    return user_copy(to, (u8 *)(uintptr_t)from, bytes, TO_USER, false);
}

size_t
copy_from_user_nofault(void *to, uaddr from, size_t bytes)
{
    return user_copy(from, to, bytes, FROM_USER, false);
}

i64
copy_string_from_user(char *to, uaddr from, size_t size)
{
    for (size_t n = 0; n < size; n++) {
        if (copy_from_user(to + n, from + n, 1) != 0)
            return -E_FAULT;
        if (!to[n])
            return (i64)n;
    }
    return -E_NAMETOOLONG;
}

bool
user_load32_nofault(uaddr at, u32 *value)
{
    return copy_from_user(value, at, 4) == 0;
}

int
user_load64(uaddr at, u64 *value)
{
    return copy_from_user(value, at, 8);
}

int
user_store16(uaddr at, u16 value)
{
    return copy_to_user(at, &value, sizeof value);
}

int
user_load32(uaddr at, u32 *value)
{
    return copy_from_user(value, at, 4);
}

bool
user_cmpxchg32_nofault(uaddr at, u32 *expected, u32 desired)
{
    u32 seen;
    if (copy_from_user_nofault(&seen, at, 4) != 0)
        return false;
    if (seen == *expected && copy_to_user_nofault(at, &desired, 4) != 0)
        return false;
    *expected = seen;
    return true;
}

int
user_cmpxchg32(uaddr at, u32 *expected, u32 desired)
{
    if (at & 3)
        return -E_INVAL;
    u32 seen;
    if (zero_user(at, 0) != 0 || copy_from_user(&seen, at, 4) != 0)
        return -E_FAULT;
    if (seen == *expected && copy_to_user(at, &desired, 4) != 0)
        return -E_FAULT;
    *expected = seen;
    return 0;
}

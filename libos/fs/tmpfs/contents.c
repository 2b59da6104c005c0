/* SPDX-License-Identifier: MIT */
/*
 * What a regular file of tmpfs consists of: its pages, its size, holes (T1, T2).  The
 * inode's mutex is held throughout, but where a truncation has to pass through those who
 * map the file.
 */
#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/page.h"
#include "core/string.h"
#include "fs/tmpfs/private.h"
#include "vm/frames.h"
#include "vm/mm.h"

void
source_copy(const struct source *s, u64 offset, void *to, u64 bytes)
{
    u8 *at = to;
    while (bytes) {
        u64 n;
        const u8 *from = source_at(s, offset, &n);
        n = MIN(n, bytes);
        memcpy(at, from, n);
        at += n;
        offset += n;
        bytes -= n;
    }
}

/* ---- pages ---- */

static struct tmpfs *
tmpfs_of(struct contents *c)
{
    return container_of(c, struct node, file)->tmpfs;
}

static void
uncharge_pages(struct contents *c, u64 count)
{
    atomic_fetch_sub_explicit(&tmpfs_of(c)->pages, count, memory_order_relaxed);
    atomic_fetch_sub_explicit(&tmpfs_pages, count, memory_order_relaxed);
}

/* Against the limit of this tmpfs, and against that of all together. */
static bool
charge_page(struct contents *c)
{
    struct tmpfs *t = tmpfs_of(c);
    u64 limit = __atomic_load_n(&t->limit_pages, __ATOMIC_RELAXED);
    u64 own = atomic_fetch_add_explicit(&t->pages, 1, memory_order_relaxed),
        all = atomic_fetch_add_explicit(&tmpfs_pages, 1, memory_order_relaxed);
    if ((limit == 0 || own < limit) && all < tmpfs_limit())
        return true;
    uncharge_pages(c, 1);
    return false;
}

/* How many bytes of page `index` are still in the archive; 0: a hole or beyond. */
u64
file_bytes_in_source(const struct contents *c, u64 index)
{
    u64 at = index << PAGE_SHIFT;
    return c->source && at < c->source_bytes ? MIN(PAGE_SIZE, c->source_bytes - at) : 0;
}

/* Take over the archive's frame of a whole, aligned page; FRAME_NONE: it must be copied.
 */
static frame_t
take_from_source(struct contents *c, u64 index)
{
    u64 n;
    if (!c->source->take || file_bytes_in_source(c, index) != PAGE_SIZE)
        return FRAME_NONE;
    const u8 *data = source_at(c->source, c->source_offset + (index << PAGE_SHIFT), &n);
    if ((uintptr_t)data % PAGE_SIZE != 0 || n < PAGE_SIZE)
        return FRAME_NONE;
    frame_t frame = page_frame(data);
    /* Owned before it is taken: a taken page has no other copy that a failure could leave. */
    page_cache_own(frame);
    if (c->source->take(c->source, frame))
        return frame;
    page_cache_disown(frame);
    return FRAME_NONE;
}

/*
 * Whole pages of the archive that can't be taken over are copied by windows of frames
 * that follow each other, so that who maps the file maps a window with one call.  False:
 * there is no such window around `index`, no run of frames, or no room; one page is to be
 * made then.
 */
#define WINDOW_ORDER 4u
#define WINDOW (1u << WINDOW_ORDER)
static bool
make_window(struct contents *c, u64 index)
{
    u64 first = index & ~(u64)(WINDOW - 1);
    if (file_bytes_in_source(c, first + WINDOW - 1) != PAGE_SIZE)
        return false;
    for (u64 i = first; i < first + WINDOW; i++)
        if (pages_get(&c->pages, i) != FRAME_NONE)
            return false;
    u64 *slot = pages_slot(&c->pages, first); /* 16 of the 64 of one node */
    u64 charged = 0;
    frame_t run = slot ? page_alloc_run(WINDOW_ORDER) : FRAME_NONE;
    if (run == FRAME_NONE)
        return false;
    while (charged < WINDOW && charge_page(c))
        charged++;
    if (charged < WINDOW) {
        uncharge_pages(c, charged);
        page_free_run(run, WINDOW_ORDER);
        return false;
    }
    for (u64 i = 0; i < WINDOW; i++)
        page_cache_own(run + i);
    source_copy(c->source, c->source_offset + (first << PAGE_SHIFT), page_ptr(run),
                (u64)WINDOW << PAGE_SHIFT);
    for (u64 i = 0; i < WINDOW; i++)
        slot[i] = (run + i) << 1 | 1;
    c->own_pages += WINDOW;
    return true;
}
_Static_assert(PAGES_WAYS % WINDOW == 0, "a window lies in one node");

/*
 * A page that is not in the tree becomes one of the file's own: taken over, or copied, or
 * zero (unless `raw`: the caller overwrites it all).  -E_NOMEM -E_NOSPC
 */
int
file_make_page(struct contents *c, u64 index, bool raw, frame_t *out)
{
    u64 *slot = pages_slot(&c->pages, index);
    if (!slot)
        return -E_NOMEM;
    u64 bytes = file_bytes_in_source(c, index);
    frame_t frame = bytes == PAGE_SIZE ? take_from_source(c, index) : FRAME_NONE;
    bool taken = frame != FRAME_NONE;
    if (!taken && bytes == PAGE_SIZE && !raw && make_window(c, index)) {
        *out = pages_get(&c->pages, index);
        return 0;
    }
    if (!taken) {
        if (!charge_page(c))
            return -E_NOSPC;
        frame = page_alloc();
    }
    if (frame == FRAME_NONE) {
        uncharge_pages(c, 1);
        return -E_NOMEM;
    }
    if (!taken)
        page_cache_own(frame);
    if (!taken && !raw) {
        u8 *page = page_ptr(frame);
        if (bytes)
            source_copy(c->source, c->source_offset + (index << PAGE_SHIFT), page, bytes);
        if (bytes == 0)
            page_clear(page);
        else if (bytes < PAGE_SIZE)
            memset(page + bytes, 0, PAGE_SIZE - bytes);
    }
    *slot = frame << 1 | 1;
    c->own_pages += !taken;
    c->taken_pages += taken;
    *out = frame;
    return 0;
}

int
file_page(struct inode *i, u64 index, bool write, frame_t *out)
{
    struct contents *c = &node_of(i)->file;
    (void)write; /* a page that is mapped is real in any case, so that all who map it see
                    each other's writes */
    *out = pages_get(&c->pages, index);
    return *out != FRAME_NONE ? 0 : file_make_page(c, index, false, out);
}

u64
file_pages(struct inode *i, u64 index, u64 count, frame_t *frames)
{
    struct contents *c = &node_of(i)->file;
    u64 n = 1, in_node = PAGES_WAYS - index % PAGES_WAYS;
    frames[0] = pages_get(&c->pages, index);
    if (frames[0] == FRAME_NONE && (file_bytes_in_source(c, index) == 0 ||
                                    file_make_page(c, index, false, frames) != 0))
        return 0; /* a hole becomes a page only when it is asked for by itself */
    const u64 *slot = pages_slot(&c->pages, index); /* it is there */
    for (count = MIN(count, in_node); n < count && slot[n] != 0; n++)
        frames[n] = slot[n] >> 1; /* a slot is frame << 1 | 1 */
    return n;
}

/* Pages were removed: `count` of them; which were taken over does not matter to the limit
 * as long as the sum is right. */
struct dropping {
    u64 count;
};
static void
drop_counted(void *arg, frame_t frame)
{
    struct dropping *d = arg;
    d->count++;
    page_cache_disown(frame);
    page_free(frame);
}

static void
uncharge(struct contents *c, u64 count)
{
    u64 taken = MIN(c->taken_pages, count > c->own_pages ? count - c->own_pages : 0);
    u64 own = count - taken;
    c->taken_pages -= taken;
    c->own_pages -= own;
    uncharge_pages(c, own);
}

static void
forget_source(struct contents *c)
{
    if (c->source)
        source_release(c->source);
    c->source = NULL;
    c->source_bytes = 0;
}

void
file_free(struct node *n)
{
    struct contents *c = &n->file;
    struct dropping d = { 0 };
    pages_remove(&c->pages, 0, ~0ull, drop_counted, &d);
    uncharge(c, d.count);
    ASSERT(c->own_pages == 0 && c->taken_pages == 0);
    forget_source(c);
}

void
tmpfs_attach(struct inode *file, struct source *source, u64 offset, u64 bytes)
{
    struct contents *c = &node_of(file)->file;
    ASSERT(file->size == 0 && !c->source);
    if (bytes == 0)
        return;
    source_hold(source);
    c->source = source;
    c->source_offset = offset;
    c->source_bytes = bytes;
    file->size = bytes;
}

bool
tmpfs_is_file(const struct inode *i)
{
    return i->ops == &file_inode_ops;
}

/* ---- size ---- */

/* T2: clear from `from` to the end of its page, if there is a page.  A page of the
 * archive is cut instead. */
void
file_clear_after(struct contents *c, u64 from)
{
    frame_t frame = pages_get(&c->pages, from >> PAGE_SHIFT);
    if (from % PAGE_SIZE != 0 && frame != FRAME_NONE)
        memset((u8 *)page_ptr(frame) + from % PAGE_SIZE, 0, PAGE_SIZE - from % PAGE_SIZE);
}

static bool
is_mapped(struct inode *i)
{
    spin_lock(&i->mappings_lock);
    bool mapped = !list_empty(&i->mappings);
    spin_unlock(&i->mappings_lock);
    return mapped;
}

int
file_set_size(struct inode *i, u64 size)
{
    struct contents *c = &node_of(i)->file;
    struct pages rest;
    struct dropping d = { 0 };
    u64 first = PAGE_UP(size) >> PAGE_SHIFT;
    if (size > SIZE_MAX_FILE)
        return -E_FBIG;
    if (size >= i->size) {
        file_clear_after(c, i->size);
        i->size = size;
        return 0;
    }
    int rc = pages_split(&c->pages, first, &rest);
    if (rc != 0)
        return rc;
    i->size = size; /* no fault finds the pages from here on */
    c->source_bytes = MIN(c->source_bytes, size);
    if (c->source && c->source_bytes == 0)
        forget_source(c);
    file_clear_after(c, size);
    if (is_mapped(i)) {
        mutex_unlock(&i->mutex);
        vm_file_truncated(i, first); /* O3: after it nothing maps them */
        mutex_lock(&i->mutex);
    }
    pages_remove(&rest, 0, ~0ull, drop_counted, &d);
    uncharge(c, d.count);
    return 0;
}

/* ---- fallocate ---- */

/* Pages [first, last) become holes; those that the archive would show again (T1), or that
 * are mapped, become pages of zeros. */
static int
punch_pages(struct inode *i, u64 first, u64 last)
{
    struct contents *c = &node_of(i)->file;
    frame_t frame;
    for (u64 page = first; page < last && file_bytes_in_source(c, page); page++) {
        int rc = file_page(i, page, true, &frame);
        if (rc != 0)
            return rc;
        page_clear(page_ptr(frame));
    }
    if (c->source)
        first = MAX(first, PAGE_UP(c->source_bytes) >> PAGE_SHIFT);
    if (is_mapped(i)) {
        for (u64 page = first; pages_next(&c->pages, page, &page) && page < last; page++)
            page_clear(page_ptr(pages_get(&c->pages, page)));
        return 0;
    }
    struct dropping d = { 0 };
    pages_remove(&c->pages, first, last, drop_counted, &d);
    uncharge(c, d.count);
    return 0;
}

static int
clear_part(struct inode *i, u64 from, u64 to)
{
    struct contents *c = &node_of(i)->file;
    frame_t frame = pages_get(&c->pages, from >> PAGE_SHIFT);
    int rc = 0;
    if (frame == FRAME_NONE && file_bytes_in_source(c, from >> PAGE_SHIFT))
        rc = file_page(i, from >> PAGE_SHIFT, true, &frame);
    if (rc == 0 && frame != FRAME_NONE)
        memset((u8 *)page_ptr(frame) + from % PAGE_SIZE, 0, to - from);
    return rc;
}

static int
file_zero(struct inode *i, u64 offset, u64 end)
{
    u64 first = PAGE_UP(offset), last = PAGE_DOWN(end);
    int rc = 0;
    if (first > last)
        return clear_part(i, offset, end);
    if (first > offset)
        rc = clear_part(i, offset, first);
    if (rc == 0 && last > first)
        rc = punch_pages(i, first >> PAGE_SHIFT, last >> PAGE_SHIFT);
    if (rc == 0 && end > last)
        rc = clear_part(i, last, end);
    return rc;
}

/* Is there room for what [first, last) lacks?  Asked before anything is made, so that a
 * call that cannot be fulfilled leaves nothing behind. */
static bool
room_for(struct contents *c, u64 first, u64 last)
{
    const struct tmpfs *t = tmpfs_of(c);
    u64 limit = __atomic_load_n(&t->limit_pages, __ATOMIC_RELAXED), all = tmpfs_limit(),
        own = atomic_load(&t->pages), used = atomic_load(&tmpfs_pages);
    u64 in_source = PAGE_UP(c->source_bytes) >> PAGE_SHIFT;
    if (c->source && first < in_source)
        first = MIN(in_source, last);
    u64 missing = last - first;
    for (u64 page = first; pages_next(&c->pages, page, &page) && page < last; page++)
        missing--;
    return (limit == 0 || missing <= limit - MIN(own, limit)) &&
           missing <= all - MIN(used, all);
}

#define BREATHE_PAGES 256u

int
file_allocate(struct inode *i, u32 mode, u64 offset, u64 bytes)
{
    frame_t frame;
    int rc = 0;
    if (mode & VALLOC_ZERO_RANGE)
        return -E_NOTSUP;
    if (offset > SIZE_MAX_FILE || bytes > SIZE_MAX_FILE - offset)
        return -E_FBIG;
    u64 end = offset + bytes;
    if ((mode & VALLOC_PUNCH_HOLE) && (i->seals & SEALS_WRITE))
        return -E_PERM;
    if (!(mode & VALLOC_PUNCH_HOLE) && (i->seals & SEAL_GROW) && end > i->size)
        return -E_PERM;
    if (mode & VALLOC_PUNCH_HOLE)
        rc = file_zero(i, offset, end);
    else if (!room_for(&node_of(i)->file, offset >> PAGE_SHIFT, PAGE_UP(end) >> PAGE_SHIFT))
        return -E_NOSPC;
    if (!(mode & VALLOC_PUNCH_HOLE))
        for (u64 page = offset >> PAGE_SHIFT;
             rc == 0 && page < PAGE_UP(end) >> PAGE_SHIFT; page++) {
            rc = file_page(i, page, true, &frame);
            if (page % BREATHE_PAGES == 0)
                thread_breathe();
        }
    if (rc == 0 && !(mode & (VALLOC_KEEP_SIZE | VALLOC_PUNCH_HOLE)) && end > i->size)
        rc = file_set_size(i, end);
    i->mtime = i->ctime = vfs_now();
    return rc;
}

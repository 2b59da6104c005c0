/* SPDX-License-Identifier: MIT */
/*
 * Reading, writing and seeking in regular files of tmpfs: one copy between page frames
 * and user memory.
 *
 * The inode's mutex is held while bytes move, so a page cannot be cut off under a copy.
 * A user page that is absent is brought in with the mutex given up (a fault takes the
 * mm's mutex first, then an inode's), and the copy goes on; a write looks anew at the
 * seals and, if it appends, at where the end is.
 */
#include "core/error.h"
#include "core/page.h"
#include "core/string.h"
#include "fs/tmpfs/private.h"
#include "vm/frames.h"

/* The current segment of a uio: base and bytes; skips empty ones. u->left > 0. */
static inline u64
uio_here(struct uio *u, u64 *bytes)
{
    while (u->segment->bytes == u->offset) {
        u->segment++;
        u->count--;
        u->offset = 0;
    }
    *bytes = MIN(u->segment->bytes - u->offset, u->left);
    return u->segment->base + u->offset;
}

/* Copy between memory and the uio's current segment, at most `bytes`, without faulting;
 * returns what was moved. */
static inline __attribute__((always_inline)) u64
move_nofault(struct uio *u, void *mine, u64 bytes, bool to_user)
{
    u64 room, base = uio_here(u, &room), n = MIN(room, bytes);
    if (u->libos)
        memcpy(to_user ? (void *)(uintptr_t)base : mine,
               to_user ? mine : (const void *)(uintptr_t)base, n);
    else if (to_user)
        n -= copy_to_user_nofault(base, mine, n);
    else
        n -= copy_from_user_nofault(mine, base, n);
    u->offset += n;
    u->left -= n;
    return n;
}

/* Bring the page in at which the uio stands. */
static int
fault_in(struct uio *u, bool write)
{
    u64 room, base = uio_here(u, &room);
    if (u->libos)
        return 0;
    return base < USER_TOP ? usercopy_pager(base, write) : -E_FAULT;
}

/* Where the bytes at `pos` are, and how many follow each other there. */
static const u8 *
bytes_at(const struct contents *c, u64 pos, u64 *bytes)
{
    u64 in_page = pos % PAGE_SIZE;
    frame_t frame = pages_get(&c->pages, pos >> PAGE_SHIFT);
    *bytes = PAGE_SIZE - in_page;
    if (frame != FRAME_NONE)
        return (const u8 *)page_ptr(frame) + in_page;
    u64 in_source = file_bytes_in_source(c, pos >> PAGE_SHIFT);
    if (in_source > in_page) {
        u64 n;
        const u8 *data = source_at(c->source, c->source_offset + pos, &n);
        *bytes = MIN(n, in_source - in_page);
        return data;
    }
    return page_ptr(frame_zero());
}

/* The mutex may be kept while others run: who needs it sleeps. */
#define BREATHE_BYTES (1u << 20)
static void
breathe_at(u64 before, u64 pos)
{
    if (before / BREATHE_BYTES != pos / BREATHE_BYTES)
        thread_breathe();
}

/* Bytes from pos on that lie in one page, to where the uio is; 0: the user's page is
 * absent. */
static inline u64
read_step(struct inode *i, struct uio *u, u64 pos)
{
    u64 n;
    const u8 *data = bytes_at(&node_of(i)->file, pos, &n);
    return move_nofault(u, (void *)(uintptr_t)data, MIN(n, i->size - pos), true);
}

/* All that is left of a read.  The mutex is held. */
static __attribute__((noinline)) int
read_on(struct inode *i, struct uio *u, u64 *pos)
{
    int rc = 0;
    while (u->left != 0 && *pos < i->size && rc == 0) {
        u64 moved = read_step(i, u, *pos);
        *pos += moved;
        breathe_at(*pos - moved, *pos);
        if (moved == 0) {
            mutex_unlock(&i->mutex);
            rc = fault_in(u, true);
            mutex_lock(&i->mutex);
        }
    }
    return rc;
}

static i64
file_read_pages(struct file *f, struct uio *u, u64 *pos)
{
    struct inode *i = f->inode;
    u64 start = *pos;
    int rc = 0;
    mutex_lock(&i->mutex);
    if (u->left != 0 && start < i->size) {
        *pos += read_step(i, u, start);
        if (u->left != 0)
            rc = read_on(i, u, pos);
    }
    mutex_unlock(&i->mutex);
    return *pos != start ? (i64)(*pos - start) : rc;
}

/* The frame of a page, for who reads it, with one more holder.  A hole lends the page of
 * zeros.  FRAME_NONE: no memory, or too many hold it. */
static frame_t
share_page(struct contents *c, u64 index)
{
    frame_t frame = pages_get(&c->pages, index);
    if (frame == FRAME_NONE && file_bytes_in_source(c, index) == 0)
        frame = frame_zero();
    else if (frame == FRAME_NONE && file_make_page(c, index, false, &frame) != 0)
        return FRAME_NONE;
    return page_share(frame) ? frame : FRAME_NONE;
}

/* What is written to the file afterwards is seen by who has its pages; what is cut off
 * stays theirs. */
static i64
file_lend_pages(struct file *f, struct uio *u, u64 *pos)
{
    struct inode *i = f->inode;
    u64 start = *pos, room = u->count;
    u->count = 0;
    mutex_lock(&i->mutex);
    u64 left = start < i->size ? MIN(u->left, i->size - start) : 0;
    bool some = left != 0;
    while (left != 0 && u->count < room) {
        u64 in_page = *pos % PAGE_SIZE, n = MIN(left, PAGE_SIZE - in_page);
        frame_t frame = share_page(&node_of(i)->file, *pos >> PAGE_SHIFT);
        if (frame == FRAME_NONE)
            break;
        u->segment[u->count++] =
            (struct uio_segment){ (u64)page_ptr(frame) + in_page, n };
        *pos += n;
        left -= n;
    }
    mutex_unlock(&i->mutex);
    u->left = *pos - start;
    return some && u->left == 0 ? -E_NOTSUP : (i64)u->left;
}

/* One step of a write: at most to the end of a page. Bytes moved, or an error. */
static i64
write_step(struct inode *i, struct uio *u, u64 pos)
{
    struct contents *c = &node_of(i)->file;
    u64 in_page = pos % PAGE_SIZE, room;
    (void)uio_here(u, &room);
    bool whole = in_page == 0 && room >= PAGE_SIZE;
    frame_t frame = pages_get(&c->pages, pos >> PAGE_SHIFT);
    bool fresh = frame == FRAME_NONE;
    if (fresh) {
        int rc =
            file_make_page(c, pos >> PAGE_SHIFT,
                           whole && !file_bytes_in_source(c, pos >> PAGE_SHIFT), &frame);
        if (rc != 0)
            return rc;
    }
    u8 *page = page_ptr(frame);
    u64 moved = move_nofault(u, page + in_page, PAGE_SIZE - in_page, false);
    if (fresh && whole && moved < PAGE_SIZE &&
        !file_bytes_in_source(c, pos >> PAGE_SHIFT))
        memset(page + moved, 0,
               PAGE_SIZE - moved); /* what was there was not the file's */
    return (i64)moved;
}

/* A sealed file takes no write, or none that makes it grow: then what ends before the
 * page in which it would. */
static int
check_seals(const struct inode *i, struct uio *u, u64 pos)
{
    if ((i->seals & SEALS_WRITE) != 0)
        return -E_PERM;
    if ((i->seals & SEAL_GROW) == 0 || pos + u->left <= i->size)
        return 0;
    u64 end = PAGE_DOWN(i->size);
    if (end <= pos)
        return -E_PERM;
    u->left = end - pos;
    return 0;
}

/* May all that is left be written at pos? */
static int
check_write(const struct inode *i, struct uio *u, u64 pos)
{
    if (pos > SIZE_MAX_FILE || u->left > SIZE_MAX_FILE - pos)
        return -E_FBIG;
    return __builtin_expect(i->seals != SEAL_SEAL, 0) ? check_seals(i, u, pos) : 0;
}

/* The user's page was brought in without the mutex: others may have written and sealed.
 * 1: enough, something was written and the end is elsewhere now. */
static int
resume_write(const struct inode *i, struct uio *u, bool append, u64 *start, u64 *pos)
{
    if (append && i->size != *pos) {
        if (*pos != *start)
            return 1;
        *start = *pos = i->size;
    }
    return check_write(i, u, *pos);
}

static i64
file_write_pages(struct file *f, struct uio *u, u64 *pos)
{
    struct inode *i = f->inode;
    bool append = (atomic_load_explicit(&f->flags, memory_order_relaxed) & OPEN_APPEND) ||
                  u->append;
    mutex_lock(&i->mutex);
    u64 at = append ? i->size : *pos, start = at;
    i64 rc = u->left ? check_write(i, u, start) : 0;
    while (u->left && rc == 0) {
        if (at > i->size)
            file_clear_after(&node_of(i)->file, i->size);
        i64 moved = write_step(i, u, at);
        if (moved > 0) {
            at += (u64)moved;
            if (i->size < at)
                i->size = at;
            breathe_at(at - (u64)moved, at);
        } else if (moved < 0) {
            rc = moved;
        } else {
            mutex_unlock(&i->mutex);
            rc = fault_in(u, false);
            mutex_lock(&i->mutex);
            if (rc == 0)
                rc = resume_write(i, u, append, &start, &at);
        }
    }
    if (at != start) {
        *pos = at;
        rc = (i64)(at - start);
        i->mtime = i->ctime = vfs_now();
    }
    mutex_unlock(&i->mutex);
    return rc;
}

/* SEEK_DATA (3) and SEEK_HOLE (4); the others as all files do it.  f->pos_mutex is held.
 */
static i64
seek_data(struct inode *i, u64 offset, bool hole)
{
    const struct contents *c = &node_of(i)->file;
    for (u64 at = offset; at < i->size; at = PAGE_DOWN(at) + PAGE_SIZE) {
        u64 page = at >> PAGE_SHIFT, found;
        bool data =
            pages_get(&c->pages, page) != FRAME_NONE || file_bytes_in_source(c, page);
        if (data != hole)
            return (i64)at;
        if (!hole) { /* what comes from the archive lies before any hole */
            if (!pages_next(&c->pages, page, &found) || found << PAGE_SHIFT >= i->size)
                break;
            return (i64)(found << PAGE_SHIFT);
        }
    }
    return hole ? (i64)i->size : -E_NXIO;
}

static i64
file_seek_to(struct file *f, i64 offset, int whence)
{
    struct inode *i = f->inode;
    i64 to;
    if (whence == 3 || whence == 4) {
        if (offset < 0 || (u64)offset >= i->size)
            return -E_NXIO;
        mutex_lock(&i->mutex);
        to = seek_data(i, (u64)offset, whence == 4);
        mutex_unlock(&i->mutex);
        return to;
    }
    i64 base = whence == 1 ? (i64)f->pos : whence == 2 ? (i64)i->size : 0;
    if (whence < 0 || whence > 4)
        return -E_INVAL;
    if (__builtin_add_overflow(base, offset, &to))
        return -E_OVERFLOW;
    return to < 0 ? -E_INVAL : to;
}

const struct file_ops tmpfs_file_ops = {
    .read = file_read_pages,
    .write = file_write_pages,
    .lend = file_lend_pages,
    .seek = file_seek_to,
};
const struct inode_ops file_inode_ops = {
    .getattr = tmpfs_getattr,
    .setattr = tmpfs_setattr,
    .page = file_page,
    .pages = file_pages,
    .allocate = file_allocate,
    .release = tmpfs_release,
};

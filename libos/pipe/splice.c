/* SPDX-License-Identifier: MIT */
/*
 * Between pipes and files without a user's buffer.  A file that can lends its pages, which
 * become slots; others are read straight into a page that does.  They are written straight
 * from the slot; between two pipes the pages themselves move, or are shared.
 *
 * Invariants and locking: pipe/pipe.h.  `in` is read without the pipe's mutex, into a
 * reserved slot (I1), because a terminal may keep it waiting for long; what lends does not.
 */
#include "pipe/pipe_private.h"

#include "core/heap.h"
#include "core/log.h"
#include "core/page.h"
#include "core/string.h"

#define PIECES 16u /* slots that are filled or written at once */

/* ---- from files ---- */

/* A page of bytes becomes the newest slot; what the slot kept for later goes. */
static inline void
push_page(struct pipe *p, struct pipe_slot newest)
{
    struct pipe_slot *s = pipe_slot_at(p, p->head++);
    if (s->page != NULL)
        page_free(page_frame(s->page));
    *s = newest;
}

/* Slots for as many of the file's own pages as there is room for. With the mutex held. */
static i64
lend_pages(struct pipe *p, struct file *in, u64 *pos, u64 n)
{
    struct uio_segment segment[PIECES];
    struct uio u = { .segment = segment,
                     .count = MIN(PIECES, p->limit - (p->head - p->tail)),
                     .left = n };
    i64 got = file_lend(in, &u, pos);
    for (u32 i = 0; got > 0 && i < u.count; i++) {
        u32 offset = (u32)(segment[i].base % PAGE_SIZE);
        push_page(p, (struct pipe_slot){ .page = (u8 *)segment[i].base - offset,
                                         .offset = offset,
                                         .bytes = (u16)segment[i].bytes,
                                         .shared = true });
    }
    return got;
}

/* Read one page's worth.  With the mutex held; it is dropped meanwhile. */
static i64
read_page(struct pipe *p, struct file *in, u64 *pos, u64 n)
{
    frame_t frame = page_alloc();
    if (frame == FRAME_NONE)
        return -E_NOMEM;
    u8 *page = page_ptr(frame);
    struct uio u;
    p->limit--;
    mutex_unlock(&p->mutex);
    uio_libos(&u, page, MIN(n, PAGE_SIZE));
    i64 got = file_read(in, &u, pos);
    mutex_lock(&p->mutex);
    p->limit++;
    if (got > 0)
        push_page(p, (struct pipe_slot){ .page = page, .bytes = (u16)got });
    else
        page_free(frame);
    return got;
}

i64
pipe_splice_in(struct file *pipe, struct file *in, u64 *pos, u64 n, bool nonblock)
{
    struct pipe *p = pipe->priv;
    i64 done = 0;
    mutex_lock(&p->mutex);
    i64 r = pipe_wait_room(p, nonblock);
    while (r == 0 && n != 0 && p->readers != 0 && !pipe_full(p)) {
        i64 got = lend_pages(p, in, pos, n);
        bool lent = got != -E_NOTSUP;
        if (!lent)
            got = read_page(p, in, pos, n);
        if (got <= 0) {
            r = got;
            break;
        }
        done += got;
        n -= (u64)got;
        if ((!lent && (u64)got < PAGE_SIZE) || thread_interrupted(thread_current()))
            break;
    }
    pipe_unlock_wake(p);
    return done != 0 ? done : r;
}

/* ---- to files ---- */

/* The pipe's first bytes, at most n, where they are.  How many they are. */
static u64
name_bytes(struct pipe *p, u64 n, struct uio_segment *segment, struct uio *u)
{
    u32 count = 0;
    u64 left = n;
    for (u32 at = p->tail; at != p->head && count < PIECES && left != 0; at++) {
        const struct pipe_slot *s = pipe_slot_at(p, at);
        u64 bytes = MIN(left, (u64)s->bytes);
        segment[count++] = (struct uio_segment){ (u64)(s->page + s->offset), bytes };
        left -= bytes;
    }
    *u = (struct uio){ .segment = segment, .count = count, .libos = true, .left = n - left };
    return n - left;
}

static void
consume_bytes(struct pipe *p, u64 n)
{
    while (n != 0) {
        struct pipe_slot *s = pipe_slot_at(p, p->tail);
        u32 part = (u32)MIN(n, (u64)s->bytes);
        pipe_consume(p, s, part);
        n -= part;
    }
}

i64
pipe_splice_out(struct file *pipe, struct file *out, u64 *pos, u64 n, bool nonblock,
                i64 (*put)(struct file *out, struct uio *u, u64 *pos))
{
    struct pipe *p = pipe->priv;
    struct uio u;
    i64 done = 0;
    mutex_lock(&p->mutex);
    i64 r = pipe_wait_data(p, nonblock);
    if (r == 1)
        r = 0;
    while (r == 0 && n != 0 && !pipe_empty(p)) {
        struct uio_segment segment[PIECES];
        u64 ask = name_bytes(p, n, segment, &u);
        i64 moved = put(out, &u, pos);
        if (moved <= 0) {
            r = moved;
            break;
        }
        consume_bytes(p, (u64)moved);
        done += moved;
        n -= (u64)moved;
        if ((u64)moved < ask || thread_interrupted(thread_current()))
            break;
    }
    pipe_unlock_wake(p);
    return done != 0 ? done : r;
}

/* ---- between pipes ---- */

static void
lock_two(struct pipe *a, struct pipe *b)
{
    mutex_lock((uintptr_t)a < (uintptr_t)b ? &a->mutex : &b->mutex);
    mutex_lock((uintptr_t)a < (uintptr_t)b ? &b->mutex : &a->mutex);
}

/* Bytes [offset, offset + n) of a slot appear in another pipe too: in the same page, or in
 * a copy when too many share that.  -E_NOMEM */
static int
link_bytes(struct pipe_slot *s, u32 n, struct pipe *to)
{
    struct pipe_slot twin = *s;
    twin.bytes = (u16)n;
    if (page_share(page_frame(s->page))) {
        twin.shared = s->shared = true;
    } else {
        frame_t frame = page_alloc();
        if (frame == FRAME_NONE)
            return -E_NOMEM;
        twin.page = page_ptr(frame);
        twin.shared = false;
        memcpy(twin.page + twin.offset, s->page + s->offset, n);
    }
    push_page(to, twin);
    return 0;
}

/* Slots that lie one behind the other change places with free ones, until one holds more
 * than *left bytes.  How many. */
static inline u32
swap_slots(struct pipe_slot *s, struct pipe_slot *d, u32 count, u64 *left)
{
    u32 k = 0;
    for (; k < count && s[k].bytes <= *left; k++) {
        u8 *kept = d[k].page;
        *left -= s[k].bytes;
        d[k] = s[k];
        s[k] = (struct pipe_slot){ .page = kept };
    }
    return k;
}

/* The oldest slots move, as many as n bytes are and there is room for; the pages that
 * waited at their new places come back.  Bytes moved. */
static u64
move_slots(struct pipe *from, struct pipe *to, u64 n)
{
    u32 count = MIN(from->head - from->tail, to->limit - (to->head - to->tail));
    u64 left = n;
    while (count != 0) {
        struct pipe_slot *s = pipe_slot_at(from, from->tail), *d = pipe_slot_at(to, to->head);
        u32 run = MIN(count, (u32)MIN(from->slot + from->slots - s, to->slot + to->slots - d));
        u32 k = swap_slots(s, d, run, &left);
        to->head += k;
        from->tail += k;
        count = k == run ? count - k : 0;
    }
    if (from->tail == from->head)
        from->head = from->tail = 0; /* I2 */
    return n - left;
}

/* move_slots, and the last one in part; or all stays, and is there as well. */
static i64
move_between(struct pipe *from, struct pipe *to, u64 n, bool keep)
{
    u64 done = keep ? 0 : move_slots(from, to, n);
    for (u32 at = from->tail; done < n && at != from->head && !pipe_full(to); at++) {
        struct pipe_slot *s = pipe_slot_at(from, at);
        u32 part = (u32)MIN(n - done, (u64)s->bytes);
        int r = link_bytes(s, part, to);
        if (r != 0)
            return done != 0 ? (i64)done : r;
        if (!keep)
            pipe_consume(from, s, part);
        done += part;
    }
    return (i64)done;
}

/* Wait for one side, with only its mutex.  1: the end. */
static int
wait_sides(struct pipe *from, struct pipe *to, bool nonblock)
{
    mutex_lock(&from->mutex);
    int r = pipe_wait_data(from, nonblock);
    pipe_unlock_wake(from); /* I5: we take nothing yet, and may never do */
    if (r != 0)
        return r;
    mutex_lock(&to->mutex);
    r = pipe_wait_room(to, nonblock);
    pipe_unlock_wake(to);
    return r;
}

i64
pipe_splice_pipe(struct file *from_file, struct file *to_file, u64 n, bool keep,
                 bool nonblock)
{
    struct pipe *from = from_file->priv, *to = to_file->priv;
    i64 r = 0;
    if (from == to)
        return -E_INVAL;
    while (n != 0 && r == 0) {
        bool again = true;
        lock_two(from, to);
        if (pipe_empty(from))
            again = from->writers != 0;
        else if (to->readers == 0)
            r = -E_PIPE;
        else if (!pipe_full(to))
            r = move_between(from, to, n, keep);
        pipe_unlock_wake(from);
        pipe_unlock_wake(to);
        if (r != 0 || !again)
            break;
        int w = wait_sides(from, to, nonblock);
        if (w != 0)
            return w == 1 ? 0 : w;
    }
    return r;
}

/* ---- from memory ---- */

static u64
segment_here(struct uio *u, u64 *bytes)
{
    while (u->segment->bytes == u->offset) {
        u->segment++;
        u->count--;
        u->offset = 0;
    }
    *bytes = MIN(u->segment->bytes - u->offset, u->left);
    return u->segment->base + u->offset;
}

/* Slots for as many of the pages at `at` as are lent and there is room for. */
static u64
lend_memory(struct pipe *p, uaddr at, u64 bytes, pipe_lend_fn lend)
{
    frame_t frame[PIECES];
    u32 offset = at % PAGE_SIZE, most = MIN(PIECES, p->limit - (p->head - p->tail));
    u64 pages = (offset + bytes + PAGE_SIZE - 1) / PAGE_SIZE, left = bytes;
    u32 count = lend(at - offset, (u32)MIN(pages, (u64)most), frame);
    for (u32 i = 0; i < count; i++) {
        u32 n = (u32)MIN(left, (u64)PAGE_SIZE - offset);
        push_page(p, (struct pipe_slot){ .page = page_ptr(frame[i]),
                                         .offset = offset,
                                         .bytes = (u16)n,
                                         .shared = true });
        offset = 0;
        left -= n;
    }
    return bytes - left;
}

/* A page's worth at most of what is not lent is copied. */
static i64
copy_memory(struct pipe *p, struct uio *u, u64 bytes)
{
    u8 *page = pipe_page_ready(p);
    if (page == NULL)
        return -E_NOMEM;
    int r = uio_get(u, page, bytes);
    if (r != 0)
        return r;
    *pipe_slot_at(p, p->head++) = (struct pipe_slot){ .page = page, .bytes = (u16)bytes };
    return (i64)bytes;
}

i64
pipe_splice_memory(struct file *pipe, struct uio *u, bool nonblock, pipe_lend_fn lend)
{
    struct pipe *p = pipe->priv;
    i64 done = 0;
    if (u->left == 0)
        return 0;
    mutex_lock(&p->mutex);
    i64 r = pipe_wait_room(p, nonblock);
    while (r == 0 && u->left != 0 && !pipe_full(p)) {
        u64 bytes, at = segment_here(u, &bytes);
        u64 lent = lend_memory(p, at, bytes, lend);
        u->offset += lent;
        u->left -= lent;
        done += (i64)lent;
        if (lent == 0) {
            i64 n = copy_memory(p, u, MIN(bytes, PAGE_SIZE - at % PAGE_SIZE));
            done += MAX(n, 0);
            r = MIN(n, 0);
        }
    }
    pipe_unlock_wake(p);
    return done != 0 ? done : r;
}

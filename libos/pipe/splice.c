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

#define PIECES 16u /* slots that are filled at once */

/* ---- from files ---- */

/* A page of bytes becomes the newest slot; what the slot kept for later goes. */
static inline void
push_page(struct pipe *p, u64 base, u64 bytes, u8 about)
{
    u32 at = pipe_at(p, p->head++);
    if (p->slot[at].base != 0)
        page_free(page_frame((void *)p->slot[at].base));
    p->slot[at] = (struct uio_segment){ base, bytes };
    p->about[at] = about;
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
    for (u32 i = 0; got > 0 && i < u.count; i++)
        push_page(p, segment[i].base, segment[i].bytes, SLOT_SHARED);
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
        push_page(p, (u64)page, (u64)got, 0);
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

/* The pipe's first bytes, at most n, as far as their slots lie one behind the other (I7).
 * How many they are. */
static u64
name_bytes(struct pipe *p, u64 n, struct uio *u)
{
    u32 at = pipe_at(p, p->tail), held = p->head - p->tail;
    struct uio_segment *first = &p->slot[at], *s = first;
    const struct uio_segment *end = first + MIN(held, p->slots - at);
    u64 bytes = 0;
    while (s != end && bytes < n)
        bytes += s++->bytes;
    u->segment = first;
    u->count = (u32)(s - first);
    u->libos = true;
    u->append = false;
    u->offset = 0;
    u->left = MIN(bytes, n);
    return u->left;
}

static void
consume_bytes(struct pipe *p, u64 n)
{
    u32 at = pipe_at(p, p->tail), count = 0;
    struct uio_segment *s = &p->slot[at];
    for (const u8 *about = &p->about[at]; n != 0 && n >= s->bytes; s++, about++, count++) {
        n -= s->bytes;
        pipe_empty_slot(s, *about);
    }
    pipe_set_tail(p, p->tail + count);
    if (n != 0)
        pipe_consume(p, pipe_at(p, p->tail), n);
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
        u64 ask = name_bytes(p, n, &u);
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

/* A piece of a page appears in another pipe too: in the same page, or in a copy when too
 * many share that.  -E_NOMEM */
static int
link_bytes(u64 base, u64 n, u8 *about, struct pipe *to)
{
    if (page_share(page_frame((void *)base))) {
        *about |= SLOT_SHARED;
        push_page(to, base, n, *about);
        return 0;
    }
    frame_t frame = page_alloc();
    if (frame == FRAME_NONE)
        return -E_NOMEM;
    u8 *page = page_ptr(frame);
    memcpy(page, (void *)base, n);
    push_page(to, (u64)page, n, *about & SLOT_PACKET);
    return 0;
}

/* Places that lie one behind the other in a ring. */
struct places {
    struct uio_segment *slot;
    u8 *about;
};

/* They change places with free ones, until one holds more than *left bytes.  How many. */
static inline u32
swap_slots(struct places s, struct places d, u32 count, u64 *left)
{
    u32 k = 0;
    for (; k < count && s.slot[k].bytes <= *left; k++) {
        u64 kept = d.slot[k].base;
        *left -= s.slot[k].bytes;
        d.slot[k] = s.slot[k];
        d.about[k] = s.about[k];
        s.slot[k].base = kept;
    }
    return k;
}

/* The same, but they also stay; or until a page is not shared any more often. */
static inline u32
share_slots(struct places s, struct places d, u32 count, u64 *left)
{
    u32 k = 0;
    u64 rest = *left;
    for (; k < count && s.slot[k].bytes <= rest; k++) {
        u64 kept = d.slot[k].base, base = s.slot[k].base;
        if (!page_share(page_frame((void *)base)))
            break;
        if (kept != 0)
            page_free(page_frame((void *)kept));
        rest -= s.slot[k].bytes;
        d.slot[k] = s.slot[k];
        d.about[k] = s.about[k] |= SLOT_SHARED;
    }
    *left = rest;
    return k;
}

/* The oldest slots move or are shared, as many as n bytes are and there is room for; the
 * pages that waited at the new places of those that move come back.  Bytes; *at: the first
 * slot that did not. */
static u64
whole_slots(struct pipe *from, struct pipe *to, u64 n, bool keep, u32 *at)
{
    u32 count = MIN(from->head - *at, to->limit - (to->head - to->tail));
    u64 left = n;
    while (count != 0) {
        u32 i = pipe_at(from, *at), j = pipe_at(to, to->head);
        struct places s = { &from->slot[i], &from->about[i] };
        struct places d = { &to->slot[j], &to->about[j] };
        u32 run = MIN(count, MIN(from->slots - i, to->slots - j));
        u32 k = keep ? share_slots(s, d, run, &left) : swap_slots(s, d, run, &left);
        to->head += k;
        *at += k;
        count = k == run ? count - k : 0;
    }
    return n - left;
}

/* whole_slots, and the last one in part, or copied. */
static i64
move_between(struct pipe *from, struct pipe *to, u64 n, bool keep)
{
    u32 at = from->tail;
    u64 done = whole_slots(from, to, n, keep, &at);
    if (!keep) {
        pipe_set_tail(from, at);
        at = from->tail;
    }
    for (; done < n && at != from->head && !pipe_full(to); at++) {
        u32 i = pipe_at(from, at);
        u64 part = MIN(n - done, from->slot[i].bytes);
        int r = link_bytes(from->slot[i].base, part, &from->about[i], to);
        if (r != 0)
            return done != 0 ? (i64)done : r;
        if (!keep)
            pipe_consume(from, i, part);
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
    u64 from = PAGE_DOWN(at), pages = (PAGE_UP(at + bytes) - from) / PAGE_SIZE, end;
    u32 most = MIN(PIECES, p->limit - (p->head - p->tail));
    u32 count = lend(from, (u32)MIN(pages, (u64)most), frame);
    if (count == 0)
        return 0;
    for (u32 i = 0; i < count; i++)
        push_page(p, (u64)page_ptr(frame[i]), PAGE_SIZE, SLOT_SHARED);
    /* Of the first page and the last one maybe only a part is meant. */
    struct uio_segment *first = &p->slot[pipe_at(p, p->head - count)];
    struct uio_segment *last = &p->slot[pipe_at(p, p->head - 1)];
    first->base += at - from;
    first->bytes -= at - from;
    end = MIN(from + count * PAGE_SIZE, at + bytes);
    last->bytes -= from + count * PAGE_SIZE - end;
    return end - at;
}

/* A page's worth at most of what is not lent is copied. */
static i64
copy_memory(struct pipe *p, struct uio *u, u64 bytes)
{
    u32 at = pipe_at(p, p->head);
    u8 *page = pipe_page_ready(&p->slot[at]);
    if (page == NULL)
        return -E_NOMEM;
    int r = uio_get(u, page, bytes);
    if (r != 0)
        return r;
    p->slot[at].bytes = bytes;
    p->about[at] = 0;
    p->head++;
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

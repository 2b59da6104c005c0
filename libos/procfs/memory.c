/* SPDX-License-Identifier: MIT */
/* /proc/PID/cmdline, environ, auxv, mem: bytes of a process's memory; pagemap: its pages. */
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "core/thread.h"
#include "core/usercopy.h"
#include "proc/proc.h"
#include "procfs/shows.h"
#include "vm/info.h"

#define PIECE 4096u

/* Append what is at `at`, at most a piece; how many bytes came, or an error. */
static i64
put_memory(struct text *t, struct mm *m, uaddr at, u64 bytes)
{
    char *piece = heap_alloc(PIECE);
    if (piece == NULL)
        return -E_NOMEM;
    i64 n = mm_peek(m, at, piece, MIN(bytes, (u64)PIECE), true);
    if (n > 0)
        text_put(t, piece, (size_t)n);
    heap_free(piece);
    return n;
}

/*
 * A program may write over its arguments to change its name (setproctitle).  If it has
 * written over the last NUL, its name ends with the first one found from there on, which
 * may be among the environment.
 */
static int
cmdline_piece(struct view *v, struct text *t, struct mm *m)
{
    struct mm_layout l;
    mm_layout(m, &l);
    char last = '\0';
    uaddr end = l.arg_end, at = l.arg_start + v->cursor;
    if (l.arg_end <= l.arg_start)
        return 0;
    bool title = mm_peek(m, l.arg_end - 1, &last, 1, true) == 1 && last != '\0';
    if (title)
        end = MAX(l.env_end, l.arg_end);
    if (at >= end)
        return 0;
    i64 n = put_memory(t, m, at, end - at);
    if (n <= 0)
        return 0;
    v->cursor += (u64)n;
    v->ended = at + (u64)n >= end;
    for (u32 i = 0; title && i < t->length; i++) {
        if (at + i >= l.arg_end - 1 && t->at[i] == '\0') {
            t->length = i + 1;
            v->ended = true;
        }
    }
    return 1;
}

int
cmdline_show(struct view *v, struct text *t)
{
    struct process *p = subject_get(view_who(v));
    if (p == NULL)
        return -E_SRCH;
    struct mm *m = mm_of(p);
    proc_release(p);
    if (m == NULL || cmdline_piece(v, t, m) == 0)
        v->ended = true;
    if (m != NULL)
        mm_drop(m);
    return 0;
}

int
environ_show(struct view *v, struct text *t)
{
    struct mm_layout l;
    v->ended = true;
    if (v->mm == NULL)
        return 0;
    mm_layout(v->mm, &l);
    uaddr at = l.env_start + v->cursor;
    if (at >= l.env_end)
        return 0;
    i64 n = put_memory(t, v->mm, at, l.env_end - at);
    if (n > 0) {
        v->cursor += (u64)n;
        v->ended = false;
    }
    return n == -E_NOMEM ? -E_NOMEM : 0;
}

int
auxv_show(struct view *v, struct text *t)
{
    struct mm_layout l;
    v->ended = true;
    if (v->mm == NULL)
        return 0;
    mm_layout(v->mm, &l);
    text_put(t, (const char *)l.aux, l.aux_words * sizeof l.aux[0]);
    return 0;
}

/* ---- mem ---- */

static bool
has_areas(struct mm *m)
{
    struct mm_counts c;
    if (m == NULL)
        return false;
    mm_count(m, &c);
    return c.areas != 0;
}

/* One piece from or to `pos`: how many bytes, or an error. */
static i64
mem_piece(struct view *v, struct uio *u, u64 pos, u8 *piece, bool write)
{
    u64 n = MIN(u->left, PIECE - pos % PIECE);
    if (pos >= USER_TOP)
        return -E_IO;
    if (!write) {
        i64 got = mm_peek(v->mm, pos, piece, n, true);
        if (got <= 0)
            return -E_IO;
        int r = uio_put(u, piece, (size_t)got);
        return r != 0 ? r : got;
    }
    int r = uio_get(u, piece, n);
    if (r != 0)
        return r;
    i64 put = mm_poke(v->mm, pos, piece, n, true);
    return put <= 0 ? -E_IO : put;
}

static i64
mem_move(struct file *f, struct uio *u, u64 *pos, bool write)
{
    struct view *v = f->priv;
    i64 done = 0, r = 0;
    if (!has_areas(v->mm))
        return 0; /* the process has ended, or executes another program */
    u8 *piece = heap_alloc(PIECE);
    if (piece == NULL)
        return -E_NOMEM;
    while (u->left != 0) {
        r = mem_piece(v, u, *pos, piece, write);
        if (r <= 0)
            break;
        done += r;
        *pos += (u64)r;
        if (thread_interrupted(thread_current()))
            break;
        thread_breathe();
    }
    heap_free(piece);
    return done != 0 ? done : r;
}

static i64
mem_read(struct file *f, struct uio *u, u64 *pos)
{
    return mem_move(f, u, pos, false);
}

static i64
mem_write(struct file *f, struct uio *u, u64 *pos)
{
    return mem_move(f, u, pos, true);
}

static i64
mem_seek(struct file *f, i64 offset, int whence)
{
    if (whence != 0 && whence != 1)
        return -E_INVAL;
    return whence == 0 ? offset : (i64)(f->pos + (u64)offset);
}

const struct file_ops mem_file_ops = {
    .read = mem_read, .write = mem_write, .seek = mem_seek, .release = view_release,
};

/* ---- pagemap: a word for each page ---- */

#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_SHARED (1ull << 61)
#define PAGEMAP_ALONE (1ull << 56)
#define PAGEMAP_FRAME ((1ull << 55) - 1)
#define PAGES_AT_ONCE 64u

/* The frames' numbers are for who may administer the machine: told by v->cursor. */
int
pagemap_open(struct view *v)
{
    v->cursor = cred_can(vfs_current_cred(), CAP_SYS_ADMIN);
    return view_open_memory(v);
}

static u64
pagemap_word(const struct mm_page_info *p, bool frames)
{
    if (!p->present)
        return 0;
    return PAGEMAP_PRESENT | (p->shared ? PAGEMAP_SHARED : 0) |
           (p->alone ? PAGEMAP_ALONE : 0) | (frames ? p->frame & PAGEMAP_FRAME : 0);
}

static i64
pagemap_piece(struct view *v, struct uio *u, u64 first)
{
    struct mm_page_info page[PAGES_AT_ONCE];
    u64 word[PAGES_AT_ONCE], end = USER_TOP >> PAGE_SHIFT;
    if (first >= end)
        return 0;
    u32 n = (u32)MIN(MIN(u->left / sizeof word[0], end - first), PAGES_AT_ONCE);
    mm_pages(v->mm, first << PAGE_SHIFT, n, page);
    for (u32 i = 0; i < n; i++)
        word[i] = pagemap_word(&page[i], v->cursor != 0);
    int r = uio_put(u, word, n * sizeof word[0]);
    return r != 0 ? r : (i64)(n * sizeof word[0]);
}

static i64
pagemap_read(struct file *f, struct uio *u, u64 *pos)
{
    struct view *v = f->priv;
    i64 done = 0, r = 0;
    if (!has_areas(v->mm))
        return 0;
    if (*pos % sizeof(u64) != 0 || u->left % sizeof(u64) != 0)
        return -E_INVAL;
    while (u->left != 0) {
        r = pagemap_piece(v, u, *pos / sizeof(u64));
        if (r <= 0)
            break;
        done += r;
        *pos += (u64)r;
        if (thread_interrupted(thread_current()))
            break;
        thread_breathe();
    }
    return done != 0 ? done : r;
}

const struct file_ops pagemap_file_ops = {
    .read = pagemap_read, .seek = mem_seek, .release = view_release,
};

/* SPDX-License-Identifier: MIT */
/* Views: open files of text (E4). */
#include "core/heap.h"
#include "core/string.h"
#include "core/thread.h"
#include "proc/proc.h"
#include "procfs/private.h"
#include "vm/info.h"

#define STORE_MAX 4095u /* bytes of one write; what is longer is refused */

/* The next piece in place of the present one: 1 there is one, 0 the end. */
static int
next_piece(struct view *v)
{
    v->start += v->text.length;
    v->text.length = 0;
    while (!v->ended && v->text.length == 0) {
        v->text.failed = false;
        int r = v->node->entry->show(v, &v->text);
        if (r == 0 && v->text.failed)
            r = -E_NOMEM;
        if (r != 0) {
            v->text.length = 0;
            return r;
        }
    }
    return v->text.length != 0;
}

static void
begin_again(struct view *v)
{
    v->cursor = v->start = 0;
    v->text.length = 0;
    v->ended = false;
}

static i64
read_locked(struct view *v, struct uio *u, u64 *pos)
{
    u64 wanted = u->left;
    int r = 0;
    if (*pos == 0 || *pos < v->start)
        begin_again(v);
    while (u->left != 0 && r >= 0) {
        if (*pos - v->start < v->text.length) {
            u64 from = *pos - v->start, before = u->left;
            r = uio_put(u, v->text.at + from, v->text.length - from);
            *pos += before - u->left;
            continue;
        }
        if (u->left != wanted && thread_interrupted(thread_current()))
            break;
        r = next_piece(v);
        if (r == 0)
            break;
        thread_breathe();
    }
    return u->left != wanted ? (i64)(wanted - u->left) : MIN(r, 0);
}

i64
view_read(struct file *f, struct uio *u, u64 *pos)
{
    struct view *v = f->priv;
    if (v->node->entry->show == NULL)
        return -E_INVAL;
    mutex_lock(&v->mutex);
    i64 n = read_locked(v, u, pos);
    mutex_unlock(&v->mutex);
    return n;
}

static i64
view_write(struct file *f, struct uio *u, u64 *pos)
{
    struct view *v = f->priv;
    const struct entry *e = v->node->entry;
    size_t bytes = u->left;
    if (e->store == NULL) /* Linux's: a process's files and the others are made apart */
        return v->node->who.pid != 0 ? -E_INVAL : -E_IO;
    if (bytes > STORE_MAX)
        return -E_INVAL;
    char *text = heap_alloc(bytes + 1);
    if (text == NULL)
        return -E_NOMEM;
    int r = uio_get(u, text, bytes);
    text[bytes] = '\0';
    if (r == 0)
        r = e->store(v->node, text, bytes);
    heap_free(text);
    if (r != 0)
        return r;
    *pos += bytes;
    return (i64)bytes;
}

/* There is no end to seek from: how long it is is not known before it is read. */
i64
view_seek(struct file *f, i64 offset, int whence)
{
    i64 to = whence == 1 ? (i64)f->pos : 0;
    if (whence != 0 && whence != 1)
        return -E_INVAL;
    if (__builtin_add_overflow(to, offset, &to) || to < 0)
        return -E_INVAL;
    return to;
}

static void
view_free(struct view *v)
{
    if (v->mm != NULL)
        mm_drop(v->mm);
    text_free(&v->text);
    heap_free(v);
}

void
view_release(struct file *f)
{
    view_free(f->priv);
}

static const struct file_ops view_ops = {
    .read = view_read,
    .write = view_write,
    .seek = view_seek,
    .release = view_release,
};

int
view_open_memory(struct view *v)
{
    struct process *p = subject_get(view_who(v));
    if (p == NULL)
        return -E_SRCH;
    int r = mm_of_inspected(p, false, &v->mm);
    proc_release(p);
    return r;
}

int
view_open(struct inode *i, struct file *f)
{
    struct node *n = node_of(i);
    if (n->entry->strict && n->entry->store == NULL && (f->flags & OPEN_WRITE) != 0)
        return -E_ACCES;
    struct view *v = heap_alloc_zeroed(sizeof *v);
    if (v == NULL)
        return -E_NOMEM;
    v->node = n;
    v->file = f;
    mutex_init(&v->mutex);
    int r = n->entry->open != NULL ? n->entry->open(v) : 0;
    if (r != 0) {
        view_free(v);
        return r;
    }
    f->priv = v;
    f->ops = n->entry->file_ops != NULL ? n->entry->file_ops : &view_ops;
    return 0;
}

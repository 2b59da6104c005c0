/* SPDX-License-Identifier: MIT */
/*
 * Making pipes, opening FIFOs, closing either.  A pipe(2) has an inode of its own,
 * without a name; a FIFO's pipe hangs on the inode of its file system while someone has
 * it open.
 */
#include "pipe/pipe_private.h"

#include "core/heap.h"
#include "core/log.h"

struct pipe_inode {
    struct inode inode;
    struct pipe *pipe;
};

static void pipe_release(struct file *f);
static void fifo_release(struct file *f);

static void
pipe_inode_release(struct inode *i)
{
    struct pipe_inode *n = container_of(i, struct pipe_inode, inode);
    pipe_free(n->pipe);
    heap_free(n);
}

static int
pipe_getattr(struct inode *i, struct vattr *out)
{
    *out = (struct vattr){
        .dev = vfs_rdev(0, 0xf),
        .ino = i->ino,
        .nlink = 1,
        .mode = i->mode,
        .uid = i->uid,
        .gid = i->gid,
        .blksize = (u32)PAGE_SIZE,
        .type = IT_FIFO,
        .atime = i->atime,
        .mtime = i->mtime,
        .ctime = i->ctime,
        .btime = i->btime,
    };
    return 0;
}

static int
pipe_setattr(struct inode *i, const struct vattr *set, u32 which)
{
    if ((which & VSET_SIZE) != 0)
        return -E_INVAL;
    if ((which & VSET_MODE) != 0)
        i->mode = set->mode;
    if ((which & VSET_UID) != 0)
        i->uid = set->uid;
    if ((which & VSET_GID) != 0)
        i->gid = set->gid;
    i->ctime = vfs_now();
    return 0;
}

static const struct inode_ops pipe_inode_ops = {
    .getattr = pipe_getattr,
    .setattr = pipe_setattr,
    .release = pipe_inode_release,
};
static const struct file_ops pipe_ops = {
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
    .ioctl = pipe_ioctl,
    .release = pipe_release,
    .traits = FILE_STREAM | FILE_ASYNC,
};
static const struct file_ops fifo_ops = {
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
    .ioctl = pipe_ioctl,
    .release = fifo_release,
    .traits = FILE_STREAM | FILE_ASYNC,
};

bool
pipe_is(const struct file *f)
{
    return f->ops->read == pipe_read; /* pipe_ops or fifo_ops */
}

int
pipe_create(u32 flags, struct file **reader, struct file **writer)
{
    static _Atomic u64 serial = 1;
    struct pipe_inode *n = heap_alloc_zeroed(sizeof *n);
    struct pipe *p = pipe_new();
    if (n == NULL || p == NULL) {
        heap_free(n);
        if (p != NULL)
            pipe_free(p);
        return -E_NOMEM;
    }
    inode_init(&n->inode, IT_FIFO);
    n->inode.ops = &pipe_inode_ops;
    n->inode.ino = atomic_fetch_add_explicit(&serial, 1, memory_order_relaxed);
    n->inode.mode = 0600;
    n->inode.nlink = 1;
    n->inode.atime = n->inode.mtime = n->inode.ctime = n->inode.btime = vfs_now();
    n->inode.pipe = n->pipe = p;
    struct file *r = file_new(&pipe_ops, &n->inode,
                              OPEN_READ | (flags & (OPEN_NONBLOCK | OPEN_DIRECT)));
    struct file *w = r == NULL
                         ? NULL
                         : file_new(&pipe_ops, &n->inode,
                                    OPEN_WRITE | (flags & (OPEN_NONBLOCK | OPEN_DIRECT)));
    if (w == NULL) {
        if (r != NULL) {
            r->priv = p;
            p->readers = 1;
            file_release(r);
        }
        inode_release(&n->inode);
        return -E_NOMEM;
    }
    r->priv = w->priv = p;
    p->readers = p->writers = 1;
    p->writer_opens = 1;      /* so that a reader sees that there was a writer */
    inode_release(&n->inode); /* the two files hold it */
    *reader = r;
    *writer = w;
    return 0;
}

/* One side goes: true if it was the last user. */
static bool
leave(struct pipe *p, u32 flags)
{
    mutex_lock(&p->mutex);
    if ((flags & OPEN_READ) != 0)
        p->readers--;
    if ((flags & OPEN_WRITE) != 0)
        p->writers--;
    bool last = p->readers == 0 && p->writers == 0;
    bool wake = p->readers == 0 || p->writers == 0;
    bool readers_wait = !wait_idle(&p->readable), writers_wait = !wait_idle(&p->writable);
    mutex_unlock(&p->mutex);
    if (wake && readers_wait)
        wait_wake(&p->readable, ~0u);
    if (wake && writers_wait)
        wait_wake(&p->writable, ~0u);
    return last;
}

static void
pipe_release(struct file *f)
{
    leave(f->priv, f->flags);
}

/* The inode's mutex keeps an open from meeting a pipe that is going. */
static void
fifo_release(struct file *f)
{
    struct inode *i = f->inode;
    mutex_lock(&i->mutex);
    struct pipe *p = i->pipe;
    bool last = leave(p, f->flags);
    if (last)
        i->pipe = NULL;
    mutex_unlock(&i->mutex);
    if (last)
        pipe_free(p);
}

/* Wait until the other side was opened once more than `seen` times, or is there. */
static int
wait_for_side(struct pipe *p, const u32 *there, const u32 *opens, u32 seen)
{
    int r = wait_until(&p->opened,
                       *(const volatile u32 *)there != 0 ||
                           *(const volatile u32 *)opens != seen,
                       true, ~0ull);
    return r != 0 ? -E_RESTART : 0;
}

/* A pipe(2) is opened once more, by its descriptor's link: as it lives as long as its
 * inode, nothing is waited for. */
static int
reopen(struct pipe *p, struct file *f)
{
    mutex_lock(&p->mutex);
    if ((f->flags & OPEN_READ) != 0) {
        p->readers++;
        p->reader_opens++;
    }
    if ((f->flags & OPEN_WRITE) != 0) {
        p->writers++;
        p->writer_opens++;
    }
    mutex_unlock(&p->mutex);
    f->ops = &pipe_ops;
    f->priv = p;
    return 0;
}

/* fifo(7): a reader waits for a writer and the other way round; O_NONBLOCK to read
 * succeeds, to write is ENXIO; both never waits. */
int
pipe_open_fifo(struct inode *i, struct file *f)
{
    u32 flags = f->flags;
    if (i->ops == &pipe_inode_ops)
        return reopen(i->pipe, f);
    bool nonblock = (flags & OPEN_NONBLOCK) != 0;
    mutex_lock(&i->mutex);
    struct pipe *p = i->pipe;
    if (p == NULL)
        p = i->pipe = pipe_new();
    int r = p == NULL ? -E_NOMEM : 0;
    if (r == 0 && (flags & (OPEN_READ | OPEN_WRITE)) == OPEN_WRITE && nonblock &&
        p->readers == 0) {
        if (p->writers == 0) {
            pipe_free(p);
            i->pipe = NULL;
        }
        r = -E_NXIO;
    }
    u32 seen_readers = 0, seen_writers = 0;
    bool alone = true; /* who is there now may be gone before this one looks again */
    if (r == 0) {
        mutex_lock(&p->mutex);
        seen_readers = p->reader_opens;
        seen_writers = p->writer_opens;
        alone = (flags & OPEN_READ) != 0 ? p->writers == 0 : p->readers == 0;
        if ((flags & OPEN_READ) != 0) {
            p->readers++;
            p->reader_opens++;
        }
        if ((flags & OPEN_WRITE) != 0) {
            p->writers++;
            p->writer_opens++;
        }
        mutex_unlock(&p->mutex);
    }
    mutex_unlock(&i->mutex);
    if (r != 0)
        return r;
    wait_wake(&p->opened, ~0u);
    f->ops = &fifo_ops;
    f->priv = p;
    /* A reader that did not wait sees no hang-up before the first writer has come. */
    f->pos = (flags & OPEN_READ) != 0 && nonblock && p->writers == 0 ? seen_writers : ~0u;
    if (!alone || nonblock)
        return 0;
    if ((flags & OPEN_READ) != 0 && (flags & OPEN_WRITE) == 0)
        r = wait_for_side(p, &p->writers, &p->writer_opens, seen_writers);
    else if ((flags & OPEN_READ) == 0)
        r = wait_for_side(p, &p->readers, &p->reader_opens, seen_readers);
    if (r != 0)
        fifo_release(f);
    return r;
}

/* SPDX-License-Identifier: MIT */
/*
 * Entries of an archive into the file system, through the same calls as programs (so that
 * links in paths are followed), with root's rights and no umask.  As on Linux: paths
 * start at the root, `..` there stays there, an entry whose directory is missing is
 * passed over, what stands in the way of an entry of another type is removed, a file that
 * exists is replaced in place, directories get their times last.
 */
#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "fs/cpio/private.h"
#include "fs/tmpfs/tmpfs.h"
#include "vfs/vfs.h"

#define LINK_BUCKETS 256u

struct linked {
    struct linked *next;
    u32 ino, major, minor, type;
    struct path path;
};
struct dir_time {
    struct dir_time *next;
    struct inode *inode;
    u32 mtime;
};
struct cpio_target {
    struct fs_context *context;
    struct linked *links[LINK_BUCKETS];
    struct dir_time *times;
};

int
cpio_target_new(struct cpio_target **out)
{
    struct cpio_target *t = heap_alloc_zeroed(sizeof(*t));
    if (!t)
        return -E_NOMEM;
    t->context = fs_context_new();
    if (!t->context) {
        heap_free(t);
        return -E_NOMEM;
    }
    t->context->umask = 0;
    *out = t;
    return 0;
}

void
cpio_forget_links(struct cpio_target *t)
{
    for (u32 b = 0; b < LINK_BUCKETS; b++) {
        while (t->links[b]) {
            struct linked *l = t->links[b];
            t->links[b] = l->next;
            path_release(&l->path);
            heap_free(l);
        }
    }
}

static void
set_time(struct inode *i, u32 mtime)
{
    struct vattr set = { .atime = { .seconds = mtime }, .mtime = { .seconds = mtime } };
    if (!i->ops->setattr)
        return;
    mutex_lock(&i->mutex);
    (void)i->ops->setattr(i, &set, VSET_ATIME | VSET_MTIME);
    mutex_unlock(&i->mutex);
}

void
cpio_target_free(struct cpio_target *t)
{
    cpio_forget_links(t);
    while (t->times) {
        struct dir_time *d = t->times;
        t->times = d->next;
        set_time(d->inode, d->mtime);
        inode_release(d->inode);
        heap_free(d);
    }
    fs_context_release(t->context);
    heap_free(t);
}

static struct walk
walk_at(struct cpio_target *t)
{
    return (struct walk){ .context = t->context };
}

static enum inode_type
entry_type(const struct cpio_entry *e)
{
    switch (CPIO_TYPE(e->mode)) {
    case CPIO_FILE:
        return IT_FILE;
    case CPIO_DIR:
        return IT_DIR;
    case CPIO_LINK:
        return IT_LINK;
    case CPIO_CHAR:
        return IT_CHAR;
    case CPIO_BLOCK:
        return IT_BLOCK;
    case CPIO_FIFO:
        return IT_FIFO;
    case CPIO_SOCKET:
        return IT_SOCKET;
    default:
        return 0;
    }
}

/* Remove what has this name and is not of this type (0: whatever it is). Failures show
 * when the entry is made. */
static void
clean_path(struct cpio_target *t, const char *name, enum inode_type keep)
{
    struct walk w = walk_at(t);
    if (path_walk(&w, name) != 0)
        return;
    enum inode_type type = w.found.inode->type;
    path_release(&w.found);
    if (keep && type == keep)
        return;
    w = walk_at(t);
    (void)!vfs_unlink(&w, name, type == IT_DIR);
}

static void
set_owner(struct inode *i, const struct cpio_entry *e)
{
    struct vattr set = { .mode = e->mode & 07777u, .uid = e->uid, .gid = e->gid };
    if (!i->ops->setattr)
        return;
    mutex_lock(&i->mutex);
    (void)i->ops->setattr(i, &set, VSET_UID | VSET_GID | (e->target ? 0 : VSET_MODE));
    mutex_unlock(&i->mutex);
}

/* ---- hard links ---- */

static struct linked **
link_bucket(struct cpio_target *t, const struct cpio_entry *e)
{
    return &t->links[(e->ino + e->minor + (e->major << 3)) % LINK_BUCKETS];
}

static struct linked *
find_link(struct cpio_target *t, const struct cpio_entry *e)
{
    for (struct linked *l = *link_bucket(t, e); l; l = l->next)
        if (l->ino == e->ino && l->major == e->major && l->minor == e->minor &&
            l->type == CPIO_TYPE(e->mode))
            return l;
    return NULL;
}

/* 1: the entry is now one more name of a file that was there; 0: it is to be made. */
static int
maybe_link(struct cpio_target *t, const struct cpio_entry *e)
{
    if (e->nlink < 2)
        return 0;
    struct linked *l = find_link(t, e);
    if (!l)
        return 0;
    struct walk w = walk_at(t);
    clean_path(t, e->name, 0);
    int rc = vfs_link(&w, e->name, &l->path);
    return rc == 0 ? 1 : rc;
}

static int
remember_link(struct cpio_target *t, const struct cpio_entry *e, const struct path *path)
{
    if (e->nlink < 2 || find_link(t, e))
        return 0;
    struct linked *l = heap_alloc(sizeof(*l));
    if (!l)
        return -E_NOMEM;
    struct linked **b = link_bucket(t, e);
    *l = (struct linked){ *b, e->ino, e->major, e->minor, CPIO_TYPE(e->mode), *path };
    path_hold(&l->path);
    *b = l;
    return 0;
}

/* ---- the types ---- */

static int
put_body(struct file *f, struct source *s, const struct cpio_entry *e)
{
    struct vattr set = { .size = 0 };
    struct inode *i = f->inode;
    mutex_lock(&i->mutex);
    int rc = i->size ? i->ops->setattr(i, &set, VSET_SIZE) : 0;
    if (rc == 0)
        tmpfs_attach(i, s, e->body, e->body_bytes);
    mutex_unlock(&i->mutex);
    return rc;
}

static int
put_file(struct cpio_target *t, struct source *s, const struct cpio_entry *e)
{
    struct walk w = walk_at(t);
    struct file *f;
    clean_path(t, e->name, IT_FILE);
    int linked = maybe_link(t, e);
    if (linked < 0)
        return linked;
    u32 trunc = linked ? 0 : OPEN_TRUNC;
    int rc =
        vfs_open(&w, e->name, OPEN_WRITE | OPEN_CREATE | trunc, e->mode & 07777u, &f);
    if (rc != 0)
        return rc;
    if (f->inode->type != IT_FILE || !f->inode->ops->page || !tmpfs_is_file(f->inode)) {
        rc = -E_INVAL;
        goto release;
    }
    if (!linked)
        rc = remember_link(t, e, &f->path);
    set_owner(f->inode, e);
    if (rc == 0 && e->body_bytes)
        rc = put_body(f, s, e);
    set_time(f->inode, e->mtime);
release:
    file_release(f);
    return rc;
}

static int
found_inode(struct cpio_target *t, const char *name, struct path *out)
{
    struct walk w = walk_at(t);
    int rc = path_walk(&w, name);
    *out = w.found;
    return rc;
}

static int
put_dir(struct cpio_target *t, const struct cpio_entry *e)
{
    struct walk w = walk_at(t);
    struct path path;
    int rc = found_inode(t, e->name, &path);
    if (rc != 0 || path.inode->type != IT_DIR) {
        if (rc == 0) {
            path_release(&path);
            clean_path(t, e->name, IT_DIR);
        }
        rc = vfs_mkdir(&w, e->name, e->mode & 07777u);
        if (rc == 0)
            rc = found_inode(t, e->name, &path);
        if (rc != 0)
            return rc;
    }
    set_owner(path.inode, e);
    struct dir_time *d = heap_alloc(sizeof(*d));
    if (d) {
        inode_hold(path.inode);
        *d = (struct dir_time){ t->times, path.inode, e->mtime };
        t->times = d;
    }
    path_release(&path);
    return d ? 0 : -E_NOMEM;
}

static int
put_other(struct cpio_target *t, const struct cpio_entry *e)
{
    struct walk w = walk_at(t);
    struct path path;
    int rc;
    if (e->target) {
        rc = vfs_symlink(&w, e->name, e->target);
        if (rc == -E_EXIST) {
            clean_path(t, e->name, 0);
            w = walk_at(t);
            rc = vfs_symlink(&w, e->name, e->target);
        }
    } else {
        clean_path(t, e->name, entry_type(e));
        int linked = maybe_link(t, e);
        if (linked)
            return MIN(linked, 0);
        rc = vfs_mknod(&w, e->name, entry_type(e), e->mode & 07777u,
                       vfs_rdev(e->rdev_major, e->rdev_minor));
        if (rc == -E_EXIST)
            rc = 0;
    }
    if (rc == 0)
        rc = found_inode(t, e->name, &path);
    if (rc != 0)
        return rc;
    set_owner(path.inode, e);
    set_time(path.inode, e->mtime);
    if (!e->target)
        rc = remember_link(t, e, &path);
    path_release(&path);
    return rc;
}

int
cpio_put(struct cpio_target *t, struct source *s, const struct cpio_entry *e)
{
    enum inode_type type = entry_type(e);
    int rc = 0;
    if (type == IT_FILE)
        rc = put_file(t, s, e);
    else if (type == IT_DIR)
        rc = put_dir(t, e);
    else if (type)
        rc = put_other(t, e);
    if (rc == 0 || rc == -E_NOMEM || rc == -E_NOSPC)
        return rc;
    log_info("initramfs: %s: entry passed over (error %d)", e->name, -rc);
    return 0;
}

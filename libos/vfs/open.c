/* SPDX-License-Identifier: MIT */
/* Opening files by path, with everything that open(2) says about flags. */
#include "core/heap.h"
#include "core/log.h"
#include "fs/dev/dev.h"
#include "pipe/pipe.h"
#include "vfs/dentry.h"
#include "vfs/notify.h"

#define LINK_BYTES_MAX 4096u
#define LINKS_MAX 40u

static const struct file_ops no_ops;

static int
check_type(const struct inode *i, u32 flags)
{
    bool is_dir = i->type == IT_DIR;
    if (i->type == IT_LINK)
        return (flags & OPEN_DIRECTORY) != 0 ? -E_NOTDIR : -E_LOOP;
    if ((flags & OPEN_DIRECTORY) != 0 && !is_dir)
        return -E_NOTDIR;
    if (is_dir && (flags & (OPEN_WRITE | OPEN_CREATE | OPEN_TRUNC)) != 0)
        return -E_ISDIR;
    if (i->type == IT_SOCKET || i->type == IT_BLOCK)
        return -E_NXIO;
    return 0;
}

static int
check_rights(struct inode *i, const struct cred *cred, u32 flags)
{
    u32 want = ((flags & OPEN_READ) != 0 ? 4u : 0) |
               ((flags & (OPEN_WRITE | OPEN_TRUNC)) != 0 ? 2u : 0);
    int r = vfs_access(i, cred, want);
    if (r != 0)
        return r;
    if ((want & 2) != 0 && i->type == IT_FILE && i->fs != NULL && i->fs->read_only)
        return -E_ROFS;
    if (i->type == IT_CHAR && i->fs != NULL && i->fs->no_devices)
        return -E_ACCES;
    if ((flags & OPEN_NOATIME) != 0 && !vfs_is_owner(i, cred))
        return -E_PERM;
    return 0;
}

/* Let the inode's kind put its own operations into the file. */
static int
open_hook(struct inode *i, struct file *f)
{
    if (i->ops->open != NULL)
        return i->ops->open(i, f);
    if (i->type == IT_CHAR)
        return dev_open(i, f);
    if (i->type == IT_FIFO)
        return pipe_open_fifo(i, f);
    return 0;
}

/* Open what was found; takes the path's references in any case. */
static int
open_found(struct path *p, const struct cred *cred, u32 flags, bool created,
           struct file **out)
{
    struct inode *i = p->inode;
    u32 status = flags &
                 ~(OPEN_CREATE | OPEN_EXCL | OPEN_TRUNC | OPEN_CLOEXEC | OPEN_TMPFILE);
    int r = (flags & OPEN_PATH) != 0 ? 0 : check_type(i, flags);
    if (r == 0 && !created && (flags & OPEN_PATH) == 0)
        r = check_rights(i, cred, flags);
    if ((flags & OPEN_PATH) != 0 && (flags & OPEN_DIRECTORY) != 0 && i->type != IT_DIR)
        r = -E_NOTDIR;
    const struct file_ops *ops = (flags & OPEN_PATH) != 0 || i->file_ops == NULL
                                     ? &no_ops
                                     : i->file_ops;
    struct file *f = r == 0 ? file_new(ops, i, status) : NULL;
    if (f == NULL) {
        path_release(p);
        return r != 0 ? r : -E_NOMEM;
    }
    f->path = *p;
    *p = (struct path){ NULL, NULL, NULL };
    if ((flags & OPEN_PATH) == 0) {
        r = open_hook(i, f);
        atomic_fetch_and(&f->flags, ~OPEN_NOCTTY); /* only the hook asks for it */
        if (r == 0 && (flags & OPEN_TRUNC) != 0 && i->type == IT_FILE && !created) {
            r = vfs_truncate(i, 0);
            if (r == 0 && vfs_has_set_ids(i))
                vfs_drop_set_ids(i, cred);
            if (r == 0)
                notify_dentry(f->path.dentry, NOTIFY_MODIFY);
        } else if (r != 0) {
            f->ops = &no_ops; /* it was not opened: nothing to release */
        }
    }
    if (r != 0) {
        file_release(f);
        return r;
    }
    if ((flags & OPEN_PATH) == 0) {
        f->opened = true;
        notify_dentry(f->path.dentry, NOTIFY_OPEN);
    }
    *out = f;
    return 0;
}

/* The name exists and is a link at the end of an open with OPEN_CREATE: read it, and
 * start anew from its directory. */
static int
follow_last(struct walk *w, struct dentry *link, char **text)
{
    if (++w->links > LINKS_MAX)
        return -E_LOOP;
    char *t = heap_alloc(LINK_BYTES_MAX);
    if (t == NULL)
        return -E_NOMEM;
    int n = vfs_readlink(link->inode, t, LINK_BYTES_MAX - 1);
    if (n <= 0) {
        heap_free(t);
        return n == 0 ? -E_NOENT : n;
    }
    t[n] = '\0';
    heap_free(*text);
    *text = t;
    return 0;
}

/* The name exists and is a link that is a place: open what is there.  Takes the
 * reference on the link, and releases w->found. */
static int
open_place(struct walk *w, struct dentry *link, u32 flags, struct file **out)
{
    struct path to = { NULL, NULL, NULL };
    int r = link->inode->ops->follow(link->inode, &to);
    dentry_release(link);
    path_release(&w->found);
    return r != 0 ? r : open_found(&to, w->cred, flags, false, out);
}

/* In the directory w->found, its mutex held: find the last name or make it.  *made
 * says which. */
static int
find_or_make(struct walk *w, u32 flags, u32 mode, struct dentry **out, bool *made)
{
    struct dentry *dir = w->found.dentry;
    *made = false;
    int r = dentry_get(dir, w->last, w->last_length, out);
    if (r == 0)
        return (flags & OPEN_EXCL) != 0 ? -E_EXIST : w->trailing_slash ? -E_ISDIR : 0;
    if (r != -E_NOENT)
        return r;
    if (w->trailing_slash)
        return -E_ISDIR;
    *made = true;
    u32 umask = w->context != NULL ? w->context->umask : 0;
    r = vfs_create_locked(dir, w->cred, w->last, w->last_length, IT_FILE,
                          mode & 07777u & ~umask, 0, out);
    if (r == 0)
        notify_name(dir->inode, NOTIFY_CREATE, 0, w->last, w->last_length);
    return r;
}

/* One round of an open with OPEN_CREATE.  1: a link has to be followed (*text). */
static int
create_round(struct walk *w, const char *path, u32 flags, u32 mode, char **text,
             struct file **out)
{
    int r = path_walk(w, path);
    if (r != 0)
        return r;
    if (w->last_length == 0 || name_is_dots(w->last, w->last_length)) {
        path_release(&w->found);
        return (flags & OPEN_EXCL) != 0 ? -E_EXIST : -E_ISDIR;
    }
    struct dentry *d = NULL;
    bool made;
    mutex_lock(&w->found.inode->mutex);
    r = find_or_make(w, flags, mode, &d, &made);
    mutex_unlock(&w->found.inode->mutex);
    if (r == 0 && d->inode->type == IT_LINK && (flags & OPEN_NOFOLLOW) == 0) {
        if (d->inode->ops->follow != NULL)
            return open_place(w, d, flags, out);
        r = follow_last(w, d, text);
        dentry_release(d);
        if (r != 0) {
            path_release(&w->found);
            return r;
        }
        path_release(&w->start);
        w->start = w->found; /* its references go along */
        w->found = (struct path){ NULL, NULL, NULL };
        return 1;
    }
    struct path found = { w->found.mount, NULL, NULL };
    if (r == 0) {
        spin_lock(&dentry_lock);
        found.dentry = mount_cross_locked(&found.mount, d);
        found.inode = found.dentry->inode;
        mount_hold(found.mount);
        dentry_hold(found.dentry);
        spin_unlock(&dentry_lock);
    }
    if (d != NULL)
        dentry_release(d);
    path_release(&w->found);
    return r != 0 ? r : open_found(&found, w->cred, flags, made, out);
}

static int
open_create(struct walk *start, const char *path, u32 flags, u32 mode, struct file **out)
{
    struct walk w = *start;
    char *text = NULL;
    int r;
    w.flags = WALK_PARENT;
    path_hold(&w.start);
    if ((flags & OPEN_DIRECTORY) != 0) {
        r = -E_INVAL;
    } else {
        do
            r = create_round(&w, text != NULL ? text : path, flags, mode, &text, out);
        while (r == 1);
    }
    path_release(&w.start);
    heap_free(text);
    return r;
}

/* A file without a name, in the file system of a directory: made under a name that
 * nobody can guess in time, then unlinked. */
static int
open_tmpfile(struct walk *w, const char *path, u32 flags, u32 mode, struct file **out)
{
    static _Atomic u64 serial;
    char name[32];
    struct dentry *d;
    if ((flags & OPEN_WRITE) == 0)
        return -E_INVAL;
    w->flags = WALK_FOLLOW | WALK_DIRECTORY;
    int r = path_walk(w, path);
    if (r != 0)
        return r;
    struct inode *dir = w->found.inode;
    u32 length = (u32)format_text(name, sizeof name, "#tmpfile-%lx",
                                  (unsigned long)atomic_fetch_add(&serial, 1));
    u32 umask = w->context != NULL ? w->context->umask : 0;
    mutex_lock(&dir->mutex);
    r = vfs_create_locked(w->found.dentry, w->cred, name, length, IT_FILE,
                          mode & 07777u & ~umask, 0, &d);
    if (r == 0) {
        r = dir->ops->unlink(dir, name, length, false);
        if (r == 0)
            dentry_remove(d);
    }
    mutex_unlock(&dir->mutex);
    if (r == 0) {
        struct path found = { w->found.mount, d->inode, d };
        mount_hold(found.mount);
        r = open_found(&found, w->cred, flags & ~OPEN_DIRECTORY, true, out);
    }
    path_release(&w->found);
    return r;
}

int
vfs_open(struct walk *start, const char *path, u32 flags, u32 mode, struct file **out)
{
    struct walk w = *start;
    w.links = 0;
    if ((flags & OPEN_PATH) != 0)
        flags &= OPEN_PATH | OPEN_DIRECTORY | OPEN_NOFOLLOW | OPEN_CLOEXEC;
    if ((flags & OPEN_TMPFILE) != 0)
        return open_tmpfile(&w, path, flags, mode, out);
    if ((flags & OPEN_CREATE) != 0)
        return open_create(&w, path, flags, mode, out);
    w.flags = (start->flags & WALK_EMPTY) |
              ((flags & OPEN_NOFOLLOW) != 0 ? 0 : WALK_FOLLOW);
    int r = path_walk(&w, path);
    return r != 0 ? r : open_found(&w.found, w.cred, flags, false, out);
}

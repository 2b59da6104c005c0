/* SPDX-License-Identifier: MIT */
/* Opening files by path, with everything that open(2) says about flags. */
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "fs/dev/dev.h"
#include "pipe/pipe.h"
#include "vfs/dentry.h"
#include "vfs/notify.h"

#define LINK_BYTES_MAX 4096u

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
check_rights(const struct path *p, const struct cred *cred, u32 flags)
{
    struct inode *i = p->inode;
    u32 want = ((flags & OPEN_READ) != 0 ? 4u : 0) |
               ((flags & (OPEN_WRITE | OPEN_TRUNC)) != 0 ? 2u : 0);
    if (i->type == IT_CHAR && (mount_has(p->mount, MOUNT_NO_DEVICES) ||
                               (i->fs != NULL && i->fs->no_devices)))
        return -E_ACCES;
    if ((want & 2) != 0 && i->type == IT_FILE && i->fs != NULL && i->fs->read_only)
        return -E_ROFS;
    int r = vfs_access(i, cred, want);
    if (r != 0)
        return r;
    if ((want & 2) != 0 && i->type == IT_FILE && mount_is_read_only(p->mount))
        return -E_ROFS;
    if ((flags & OPEN_NOATIME) != 0 && !vfs_is_owner(i, cred))
        return -E_PERM;
    return 0;
}

/* U6 of vfs/mount.h, and ETXTBSY. */
static int
begin_writing(struct file *f)
{
    int r = mount_write_begin(f->path.mount);
    if (r != 0)
        return r;
    r = inode_write_begin(f->inode);
    if (r != 0)
        mount_write_end(f->path.mount);
    f->writes = r == 0;
    return r;
}

void
file_end_writing(struct file *f)
{
    f->writes = false;
    inode_write_end(f->inode);
    mount_write_end(f->path.mount);
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
        r = check_rights(p, cred, flags);
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
        if (i->type == IT_FILE &&
            ((flags & OPEN_WRITE) != 0 || ((flags & OPEN_TRUNC) != 0 && !created)))
            r = begin_writing(f);
        if (r == 0)
            r = open_hook(i, f);
        atomic_fetch_and(&f->flags, ~OPEN_NOCTTY); /* only the hook asks for it */
        if (r == 0 && (flags & OPEN_TRUNC) != 0 && i->type == IT_FILE && !created) {
            r = vfs_truncate(i, 0);
            if (r == 0 && vfs_has_set_ids(i))
                vfs_drop_set_ids(i, cred);
            if (r == 0)
                notify_dentry(f->path.dentry, NOTIFY_MODIFY);
            if ((flags & OPEN_WRITE) == 0)
                file_end_writing(f);
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
follow_text(struct walk *w, struct dentry *link, char **text)
{
    char *t = heap_alloc(LINK_BYTES_MAX);
    if (t == NULL)
        return -E_NOMEM;
    int n = vfs_readlink(link->inode, t, LINK_BYTES_MAX - 1);
    if (n <= 0) {
        heap_free(t);
        return n == 0 ? -E_NOENT : n;
    }
    t[n] = '\0';
    const struct mount *root = w->top != NULL       ? w->top->mount
                               : w->context != NULL ? w->context->root.mount
                                                    : vfs_root;
    if (t[0] == '/' && (w->flags & WALK_NO_XDEV) != 0 && root != w->found.mount) {
        heap_free(t);
        return -E_XDEV;
    }
    heap_free(*text);
    *text = t;
    return 0;
}

/* 1: start anew with *text, from the link's directory; 0: *found is where a magic link
 * leads. */
static int
follow_last(struct walk *w, struct dentry *link, char **text, struct path *found)
{
    if (++w->links > LINKS_MAX)
        return -E_LOOP;
    int r = walk_may_follow(w, w->found.mount, w->found.inode, link->inode, true);
    if (r != 0)
        return r;
    if (link->inode->ops->follow == NULL) {
        r = follow_text(w, link, text);
        return r == 0 ? 1 : r;
    }
    if ((w->flags & WALK_NO_MAGIC) != 0)
        return -E_LOOP;
    if ((w->flags & (WALK_BENEATH | WALK_IN_ROOT)) != 0)
        return -E_XDEV;
    r = link->inode->ops->follow(link->inode, found);
    if (r == 0 && (w->flags & WALK_NO_XDEV) != 0 && found->mount != w->found.mount) {
        path_release(found);
        r = -E_XDEV;
    }
    return r;
}

/* Files of others in a directory that all may write are not opened by an open that would
 * have made them (sysctl fs.protected_regular, fs.protected_fifos). */
static int
may_reuse(const struct walk *w, const struct inode *dir, const struct inode *i)
{
    u32 level = i->type == IT_FILE   ? vfs_protected.regular
                : i->type == IT_FIFO ? vfs_protected.fifos
                                     : 0;
    if (level == 0 || w->cred == NULL || (dir->mode & 01000u) == 0 || i->uid == dir->uid ||
        i->uid == w->cred->fsuid)
        return 0;
    return (dir->mode & 0002u) != 0 || ((dir->mode & 0020u) != 0 && level >= 2)
               ? -E_ACCES
               : 0;
}

/* In the directory w->found, its mutex held: find the last name or make it.  *made
 * says which. */
static int
find_or_make(struct walk *w, u32 flags, u32 mode, struct dentry **out, bool *made)
{
    struct dentry *dir = w->found.dentry;
    *made = false;
    int r = dentry_get(dir, &w->last, out);
    if (r == 0)
        return (flags & OPEN_EXCL) != 0 ? -E_EXIST : w->trailing_slash ? -E_ISDIR : 0;
    if (r != -E_NOENT)
        return r;
    if (w->trailing_slash)
        return -E_ISDIR;
    r = path_may_write(&w->found);
    if (r != 0)
        return r;
    *made = true;
    u32 umask = w->context != NULL ? w->context->umask : 0;
    r = vfs_create_locked(dir, w->cred, &w->last, IT_FILE,
                          mode & 07777u & ~umask, 0, out);
    if (r == 0)
        notify_name(dir->inode, NOTIFY_CREATE, 0, w->last.text, w->last.length);
    return r;
}

/* What is at the name d in w->found, behind the mounts on it. */
static int
cross(struct walk *w, struct dentry *d, struct path *found)
{
    found->mount = w->found.mount;
    spin_lock(&dentry_lock);
    found->dentry = mount_cross_locked(&found->mount, d);
    found->inode = found->dentry->inode;
    mount_hold(found->mount);
    dentry_hold(found->dentry);
    spin_unlock(&dentry_lock);
    if (found->mount == w->found.mount || (w->flags & WALK_NO_XDEV) == 0)
        return 0;
    path_release(found);
    return -E_XDEV;
}

/* One round of an open with OPEN_CREATE.  1: a link has to be followed (*text). */
static int
create_round(struct walk *w, const char *path, u32 flags, u32 mode, char **text,
             struct file **out)
{
    int r = path_walk(w, path);
    if (r != 0)
        return r;
    if (w->last.length == 0 || name_is_dots(w->last.text, w->last.length)) {
        path_release(&w->found);
        return (flags & OPEN_EXCL) != 0 ? -E_EXIST : -E_ISDIR;
    }
    struct path found = { NULL, NULL, NULL };
    struct dentry *d = NULL;
    bool made;
    mutex_lock(&w->found.inode->mutex);
    r = find_or_make(w, flags, mode, &d, &made);
    mutex_unlock(&w->found.inode->mutex);
    if (r == 0 && d->inode->type == IT_LINK && (flags & OPEN_NOFOLLOW) == 0)
        r = follow_last(w, d, text, &found);
    else if (r == 0)
        r = cross(w, d, &found);
    if (r == 0 && !made) {
        r = may_reuse(w, w->found.inode, found.inode);
        if (r != 0)
            path_release(&found);
    }
    if (d != NULL)
        dentry_release(d);
    if (r == 1) {
        path_release(&w->start);
        w->start = w->found; /* its references go along */
        w->found = (struct path){ NULL, NULL, NULL };
        return 1;
    }
    path_release(&w->found);
    return r != 0 ? r : open_found(&found, w->cred, flags, made, out);
}

/* The start is exchanged when a link at the end is followed; what must not be left stays
 * where it was. */
static void
remember_top(struct walk *w, struct path *top)
{
    struct fs_context *c = w->context;
    if ((w->flags & (WALK_BENEATH | WALK_IN_ROOT)) == 0)
        return;
    if (w->start.dentry != NULL) {
        *top = w->start;
        path_hold(top);
    } else if (c != NULL) {
        spin_lock(&c->lock);
        *top = c->cwd;
        path_hold(top);
        spin_unlock(&c->lock);
    }
    w->top = top->dentry != NULL ? top : NULL;
}

static int
open_create(struct walk *start, const char *path, u32 flags, u32 mode, struct file **out)
{
    struct walk w = *start;
    struct path top = { NULL, NULL, NULL };
    char *text = NULL;
    int r;
    if ((flags & OPEN_DIRECTORY) != 0)
        return -E_INVAL;
    w.flags = WALK_PARENT | (start->flags & WALK_RESTRICTED);
    path_hold(&w.start);
    remember_top(&w, &top);
    do
        r = create_round(&w, text != NULL ? text : path, flags, mode, &text, out);
    while (r == 1);
    path_release(&w.start);
    path_release(&top);
    heap_free(text);
    return r;
}

/* A file without a name, in the file system of a directory. */
static int
make_nameless(struct walk *w, u32 flags, u32 mode, struct path *out)
{
    struct inode *dir = w->found.inode, *made;
    u32 umask = w->context != NULL ? w->context->umask : 0;
    int r = path_may_write(&w->found);
    if (r == 0)
        r = vfs_access(dir, w->cred, 3);
    if (r == 0)
        r = dir->ops->tmpfile == NULL
                ? -E_NOTSUP
                : dir->ops->tmpfile(dir, mode & 07777u & ~umask, vfs_cred(w->cred), &made);
    if (r != 0)
        return r;
    made->linkable = (flags & OPEN_EXCL) == 0;
    char text[32];
    struct name name = { .text = text };
    name.length = (u32)format_text(text, sizeof text, "#%lu", (unsigned long)made->ino);
    name.hash = name_hash(text, name.length);
    struct dentry *d = dentry_new(w->found.dentry, &name, made);
    if (d == NULL) {
        inode_release(made);
        return -E_NOMEM;
    }
    d->dead = true; /* as if it had been removed */
    *out = (struct path){ w->found.mount, made, d };
    mount_hold(out->mount);
    return 0;
}

static int
open_tmpfile(struct walk *w, const char *path, u32 flags, u32 mode, struct file **out)
{
    struct path found;
    if ((flags & OPEN_WRITE) == 0)
        return -E_INVAL;
    w->flags = WALK_FOLLOW | WALK_DIRECTORY | (w->flags & WALK_RESTRICTED);
    int r = path_walk(w, path);
    if (r != 0)
        return r;
    r = make_nameless(w, flags, mode, &found);
    path_release(&w->found);
    return r != 0 ? r : open_found(&found, w->cred, flags & ~OPEN_DIRECTORY, true, out);
}

int
vfs_open(struct walk *start, const char *path, u32 flags, u32 mode, struct file **out)
{
    u32 given = start->flags;
    start->links = 0;
    if ((flags & OPEN_PATH) != 0)
        flags &= OPEN_PATH | OPEN_DIRECTORY | OPEN_NOFOLLOW | OPEN_CLOEXEC;
    if ((flags & OPEN_TMPFILE) != 0) {
        struct walk w = *start;
        return open_tmpfile(&w, path, flags, mode, out);
    }
    if ((flags & OPEN_CREATE) != 0)
        return open_create(start, path, flags, mode, out);
    start->flags = (given & (WALK_EMPTY | WALK_RESTRICTED)) |
                   ((flags & OPEN_NOFOLLOW) != 0 ? 0 : WALK_FOLLOW);
    int r = path_walk(start, path);
    start->flags = given;
    return r != 0 ? r : open_found(&start->found, start->cred, flags, false, out);
}

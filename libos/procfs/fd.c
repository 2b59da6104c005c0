/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/fd and fdinfo.  A link in fd leads to the open file's own inode, whatever has
 * become of its name; opening it makes another open file on it.  A reader's position in
 * either directory is the next descriptor.
 */
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "posix/files.h"
#include "proc/proc.h"
#include "procfs/private.h"
#include "vfs/mount.h"

#define DESCRIBE_MAX 4096u

static const struct inode_ops fd_link_ops;
static int fdinfo_show(struct view *v, struct text *t);
static int fdinfo_open(struct view *v);

static const struct entry fd_entry = {
    .type = IT_LINK, .group = 3, .mode = 0700, .ops = &fd_link_ops,
};
static const struct entry fdinfo_entry = {
    .type = IT_FILE, .group = 4, .mode = 0444, .show = fdinfo_show, .open = fdinfo_open,
};

/* The table of who's process, if the caller may look: -E_NOENT, -E_ACCES. */
static int
table_of(const struct subject *who, struct fdtable **out)
{
    struct process *p = subject_get(who);
    if (p == NULL)
        return -E_NOENT;
    int r = subject_may_inspect(p);
    *out = r == 0 ? proc_files(p, who->tid) : NULL;
    proc_release(p);
    return r == 0 && *out == NULL ? -E_NOENT : r;
}

static int
file_of(const struct node *n, struct file **out)
{
    struct fdtable *t;
    int r = table_of(&n->who, &t);
    if (r != 0)
        return r;
    *out = fd_get(t, (int)n->number);
    fdtable_drop(t);
    if (*out == NULL)
        return -E_NOENT;
    /* Once more: a set-id program that it executed meanwhile may have opened the file. */
    r = table_of(&n->who, &t);
    if (r == 0)
        fdtable_drop(t);
    else
        file_release(*out);
    return r;
}

/* ---- links ---- */

static int
link_follow(struct inode *link, struct path *out)
{
    struct file *f;
    int r = file_of(node_of(link), &f);
    if (r != 0)
        return r;
    *out = f->path;
    if (out->dentry == NULL)
        *out = (struct path){ NULL, f->inode, NULL };
    if (out->inode == NULL)
        r = -E_NXIO; /* nothing that could be opened once more */
    else
        path_hold(out);
    file_release(f);
    return r;
}

/* What has no name is called after its kind. */
static int
kind_text(const struct file *f, char *to, u32 size)
{
    char text[64];
    const struct inode *i = f->inode;
    if (f->ops->kind_name != NULL)
        return place_text(f->ops->kind_name, to, size);
    if (i == NULL)
        return place_text("anon_inode:[unknown]", to, size);
    if (i->type == IT_FILE)
        return place_text("/memfd: (deleted)", to, size);
    format_text(text, sizeof text, "%s:[%lu]", i->type == IT_SOCKET ? "socket" : "pipe",
                i->ino);
    return place_text(text, to, size);
}

static int
link_read(struct inode *link, char *to, u32 size)
{
    struct file *f;
    int r = file_of(node_of(link), &f);
    if (r != 0)
        return r;
    r = f->path.dentry != NULL ? place_name(&f->path, to, size) : kind_text(f, to, size);
    file_release(f);
    return r;
}

static const struct inode_ops fd_link_ops = {
    .readlink = link_read,
    .follow = link_follow,
    .getattr = node_getattr,
    .setattr = node_setattr,
    .release = node_release,
};

/* ---- fdinfo ---- */

static int
fdinfo_open(struct view *v)
{
    struct fdtable *t;
    int r = table_of(view_who(v), &t);
    if (r == 0)
        fdtable_drop(t);
    return r;
}

static int
fdinfo_show(struct view *v, struct text *t)
{
    struct fdtable *table;
    bool cloexec = false;
    int r = table_of(view_who(v), &table);
    if (r != 0)
        return r;
    int fd = (int)v->node->number;
    struct file *f = fd_get(table, fd);
    r = fd_flags(table, fd, -1, &cloexec);
    fdtable_drop(table);
    v->ended = true;
    if (f == NULL)
        return -E_NOENT;
    u32 flags = f->flags | (r == 0 && cloexec ? OPEN_CLOEXEC : 0);
    bool stream = (f->ops->traits & FILE_STREAM) != 0; /* it has no position */
    text_add(t, "pos:\t%ld\nflags:\t0%lo\nmnt_id:\t%u\nino:\t%lu\n",
             stream ? 0 : (i64)f->pos, open_flags_to_linux(flags),
             f->path.mount != NULL ? f->path.mount->id : 0,
             f->inode != NULL ? f->inode->ino : 0);
    if (f->ops->describe != NULL) {
        char *more = heap_alloc(DESCRIBE_MAX);
        if (more != NULL)
            text_put(t, more, MIN(f->ops->describe(f, more, DESCRIBE_MAX), DESCRIBE_MAX));
        heap_free(more);
    }
    file_release(f);
    return 0;
}

/* ---- the two directories ---- */

/* What the owner of a descriptor may do with it is what its link's mode says. */
static void
set_link_mode(struct inode *link, const struct file *f)
{
    link->size = 64;
    link->mode = ((f->flags & OPEN_READ) != 0 ? 0500u : 0) |
                 ((f->flags & OPEN_WRITE) != 0 ? 0300u : 0);
}

static int
lookup(struct inode *dir, const struct entry *e, const char *name, u32 length,
       struct inode **out)
{
    struct node *n = node_of(dir);
    u64 fd;
    if (!node_name_number(name, length, &fd) || fd >= FD_LIMIT_MAX)
        return -E_NOENT;
    struct fdtable *t;
    int r = table_of(&n->who, &t);
    if (r != 0)
        return r;
    struct file *f = fd_get(t, (int)fd);
    fdtable_drop(t);
    if (f == NULL)
        return -E_NOENT;
    r = node_make(dir->fs, e, &n->who, fd, out);
    if (r == 0 && e->type == IT_LINK)
        set_link_mode(*out, f);
    file_release(f);
    return r;
}

static int
list(struct inode *dir, const struct entry *e, u64 offset, dirent_fn fn, void *arg)
{
    struct node *n = node_of(dir);
    struct fdtable *t;
    int r = table_of(&n->who, &t);
    if (r != 0)
        return r;
    int fd = offset < FD_LIMIT_MAX ? fd_next(t, (int)offset) : -1;
    for (; fd >= 0; fd = fd_next(t, fd + 1)) {
        char name[24];
        u32 length = node_number_name(name, (u64)fd);
        if (!fn(arg, name, length, node_ino(e, &n->who, (u64)fd), (enum inode_type)e->type,
                (u64)fd + 1))
            break;
    }
    fdtable_drop(t);
    return 0;
}

static int
fd_lookup(struct inode *dir, const char *name, u32 length, struct inode **out)
{
    return lookup(dir, &fd_entry, name, length, out);
}

static int
fd_list(struct inode *dir, u64 offset, dirent_fn fn, void *arg)
{
    return list(dir, &fd_entry, offset, fn, arg);
}

static int
fdinfo_lookup(struct inode *dir, const char *name, u32 length, struct inode **out)
{
    return lookup(dir, &fdinfo_entry, name, length, out);
}

static int
fdinfo_list(struct inode *dir, u64 offset, dirent_fn fn, void *arg)
{
    return list(dir, &fdinfo_entry, offset, fn, arg);
}

/* A process sees its own descriptors, though it may not be dumpable. */
static int
fd_permits(struct inode *dir, const struct cred *cred, u32 want)
{
    (void)cred;
    return (want & 2u) == 0 && subject_is_current(&node_of(dir)->who) ? 0 : -E_ACCES;
}

const struct inode_ops fd_dir_ops = {
    .lookup = fd_lookup,
    .list = fd_list,
    .permits = fd_permits,
    .create = node_create,
    .getattr = node_getattr,
    .setattr = node_setattr,
    .release = node_release,
};
const struct inode_ops fdinfo_dir_ops = {
    .lookup = fdinfo_lookup,
    .list = fdinfo_list,
    .create = node_create,
    .getattr = node_getattr,
    .setattr = node_setattr,
    .release = node_release,
};

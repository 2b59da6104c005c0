/* SPDX-License-Identifier: MIT */
/*
 * devpts: a file system of the slaves of pseudo-terminals (pts(4)).  Each mount has
 * numbers of its own.
 *
 * V1. The root's mutex guards the numbers and the nodes; a terminal's lock is not held
 *     when it is taken.
 * V2. A node lives in its slot and in whoever has found it; it holds the pair.  Its inode
 *     is fleeting, so no name of a closed pair stays in the cache.
 * V3. The instance lives while it is mounted or a pair or node of it lives.
 */
#include "core/heap.h"
#include "core/string.h"
#include "fs/dev/dev.h"
#include "proc/proc.h"
#include "tty/pts_options.h"
#include "tty/pty.h"
#include "tty/tty_private.h"
#include "vfs/mount.h"

#define STATFS_TYPE 0x1cd1u
#define ROOT_INO    1u
#define PTMX_INO    2u
#define FIRST_INO   3u
#define PTS_MAJOR   136u
#define DEVPTS_MAX  4096u /* pairs in all instances together */

struct pts_node {
    struct inode inode;
    struct devpts *fs; /* a reference */
    struct pty *pty;   /* a reference; NULL: the ptmx node */
};
struct devpts {
    struct filesystem fs;
    _Atomic u32 refs;
    struct inode root;
    struct pts_node *ptmx;
    struct pts_node **slot; /* root.mutex */
    u32 slots;
    struct pts_options options; /* root.mutex */
};
static _Atomic u32 pairs;

static struct pts_node *
node_of(struct inode *i)
{
    return container_of(i, struct pts_node, inode);
}

static struct devpts *
devpts_of(struct filesystem *fs)
{
    return container_of(fs, struct devpts, fs);
}

void
devpts_hold(struct devpts *d)
{
    atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
}

void
devpts_release(struct devpts *d)
{
    if (atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
        return;
    heap_free(d->slot);
    heap_free(d);
}

/* ---- nodes ---- */

static int
pts_setattr(struct inode *i, const struct vattr *set, u32 which)
{
    if (which & VSET_SIZE)
        return i->type == IT_DIR ? -E_ISDIR : -E_INVAL;
    if (which & VSET_MODE)
        i->mode = set->mode & 07777u;
    if (which & VSET_UID)
        i->uid = set->uid;
    if (which & VSET_GID)
        i->gid = set->gid;
    if (which & VSET_ATIME)
        i->atime = set->atime;
    if (which & VSET_MTIME)
        i->mtime = set->mtime;
    i->ctime = vfs_now();
    return 0;
}

static int
pts_getattr(struct inode *i, struct vattr *out)
{
    inode_attributes(i, out);
    return 0;
}

static void
pts_release(struct inode *i)
{
    struct pts_node *n = node_of(i);

    if (n->pty != NULL)
        tty_release(&n->pty->tty);
    devpts_release(n->fs);
    heap_free(n);
}

static int
pts_open(struct inode *i, struct file *f)
{
    struct pts_node *n = node_of(i);
    return n->pty != NULL ? pty_open_slave(n->pty, f) : pty_open_master(i, f);
}

static const struct inode_ops pts_ops = {
    .getattr = pts_getattr,
    .setattr = pts_setattr,
    .release = pts_release,
    .open = pts_open,
};

static struct pts_node *
node_new(struct devpts *d, u64 ino, u64 rdev, u32 mode)
{
    struct pts_node *n = heap_alloc_zeroed(sizeof(*n));

    if (n == NULL)
        return NULL;
    inode_init(&n->inode, IT_CHAR);
    n->inode.refs = 1;
    n->inode.ops = &pts_ops;
    n->inode.fs = &d->fs;
    n->inode.ino = ino;
    n->inode.rdev = rdev;
    n->inode.mode = mode;
    n->inode.nlink = 1;
    n->inode.atime = n->inode.mtime = n->inode.ctime = n->inode.btime = vfs_now();
    n->fs = d;
    devpts_hold(d);
    return n;
}

/* ---- numbers ---- */

static int
find_slot(struct devpts *d, u32 *index)
{
    u32 i = 0;

    while (i < d->slots && d->slot[i] != NULL)
        i++;
    if (i >= d->options.max)
        return -E_NOSPC;
    if (i == d->slots) {
        u32 more = d->slots != 0 ? d->slots * 2 : 16;
        struct pts_node **slot = heap_alloc_zeroed(more * sizeof(*slot));
        if (slot == NULL)
            return -E_NOMEM;
        if (d->slots != 0)
            memcpy(slot, d->slot, d->slots * sizeof(*slot));
        heap_free(d->slot);
        d->slot = slot;
        d->slots = more;
    }
    *index = i;
    return 0;
}

int
devpts_enter(struct devpts *d, struct pty *p, const struct pts_owner *by)
{
    u32 index;

    if (atomic_fetch_add(&pairs, 1) >= DEVPTS_MAX) {
        atomic_fetch_sub(&pairs, 1);
        return -E_NOSPC;
    }
    mutex_lock(&d->root.mutex);
    int r = find_slot(d, &index);
    struct pts_node *n = NULL;
    if (r == 0) {
        n = node_new(d, FIRST_INO + index, vfs_rdev(PTS_MAJOR, index), d->options.mode);
        r = n == NULL ? -E_NOMEM : 0;
    }
    if (r == 0) {
        n->inode.uid = d->options.has_uid ? d->options.uid : by->uid;
        n->inode.gid = d->options.has_gid ? d->options.gid : by->gid;
        n->inode.fleeting = true;
        n->pty = p;
        tty_hold(&p->tty);
        p->index = index;
        p->tty.rdev = n->inode.rdev;
        d->slot[index] = n;
    }
    mutex_unlock(&d->root.mutex);
    if (r != 0)
        atomic_fetch_sub(&pairs, 1);
    return r;
}

void
devpts_leave(struct devpts *d, u32 index)
{
    mutex_lock(&d->root.mutex);
    struct pts_node *n = d->slot[index];
    d->slot[index] = NULL;
    mutex_unlock(&d->root.mutex);
    n->inode.nlink = 0;
    inode_release(&n->inode);
    atomic_fetch_sub(&pairs, 1);
}

/* ---- the directory ---- */

static int
root_lookup(struct inode *dir, const char *name, u32 length, struct inode **out)
{
    struct devpts *d = devpts_of(dir->fs);
    struct inode *i = NULL;
    u32 index = 0;

    if (length == 4 && memcmp(name, "ptmx", 4) == 0) {
        i = &d->ptmx->inode;
    } else {
        if (length == 0 || length > 8 || (name[0] == '0' && length > 1))
            return -E_NOENT;
        for (u32 at = 0; at < length; at++) {
            if (name[at] < '0' || name[at] > '9')
                return -E_NOENT;
            index = index * 10 + (u32)(name[at] - '0');
        }
        if (index < d->slots && d->slot[index] != NULL)
            i = &d->slot[index]->inode;
    }
    if (i == NULL)
        return -E_NOENT;
    inode_hold(i);
    *out = i;
    return 0;
}

/* An offset is the next slot, behind the one of ptmx. */
static int
root_list(struct inode *dir, u64 offset, dirent_fn fn, void *arg)
{
    struct devpts *d = devpts_of(dir->fs);
    char name[12];

    if (offset == 0 && !fn(arg, "ptmx", 4, PTMX_INO, IT_CHAR, 1))
        return 0;
    for (u64 at = offset != 0 ? offset - 1 : 0; at < d->slots; at++) {
        if (d->slot[at] == NULL)
            continue;
        u32 n = (u32)format_text(name, sizeof(name), "%lu", at);
        if (!fn(arg, name, n, FIRST_INO + at, IT_CHAR, at + 2))
            break;
    }
    return 0;
}

static void
root_release(struct inode *i)
{
    (void)i; /* it is a part of the instance */
}

static const struct inode_ops root_ops = {
    .lookup = root_lookup,
    .list = root_list,
    .getattr = pts_getattr,
    .setattr = pts_setattr,
    .release = root_release,
};
static const struct file_ops dir_ops = { .read = NULL };

/* ---- the file system ---- */

static int
devpts_statfs(struct filesystem *fs, u64 out[8])
{
    (void)fs;
    memset(out, 0, 8 * sizeof(out[0]));
    out[0] = STATFS_TYPE;
    out[1] = PAGE_SIZE;
    out[7] = 255;
    return 0;
}

static void
devpts_destroy(struct filesystem *fs)
{
    struct devpts *d = devpts_of(fs);

    inode_release(&d->ptmx->inode);
    devpts_release(d);
}

static int
devpts_remount(struct filesystem *fs, const char *data)
{
    struct devpts *d = devpts_of(fs);
    struct pts_options o;

    int r = pts_options_read(&o, data);
    if (r != 0)
        return r;
    mutex_lock(&d->root.mutex);
    d->options = o;
    d->ptmx->inode.mode = o.ptmx_mode;
    mutex_unlock(&d->root.mutex);
    return 0;
}

static void
devpts_show(struct filesystem *fs, char *to, u32 size)
{
    pts_options_show(&devpts_of(fs)->options, to, size);
}

static int
devpts_make(const struct fs_type *type, const char *data, struct filesystem **out)
{
    struct devpts *d = heap_alloc_zeroed(sizeof(*d));

    if (d == NULL)
        return -E_NOMEM;
    atomic_init(&d->refs, 1);
    d->fs.name = type->name;
    d->fs.statfs = devpts_statfs;
    d->fs.destroy = devpts_destroy;
    d->fs.remount = devpts_remount;
    d->fs.show = devpts_show;
    mutex_init(&d->fs.rename_mutex);
    int r = pts_options_read(&d->options, data);
    if (r == 0) {
        d->ptmx = node_new(d, PTMX_INO, vfs_rdev(5, 2), d->options.ptmx_mode);
        r = d->ptmx == NULL ? -E_NOMEM : 0;
    }
    if (r != 0) {
        heap_free(d);
        return r;
    }
    inode_init(&d->root, IT_DIR);
    d->root.refs = 1;
    d->root.ops = &root_ops;
    d->root.file_ops = &dir_ops;
    d->root.fs = &d->fs;
    d->root.ino = ROOT_INO;
    d->root.mode = 0755;
    d->root.nlink = 2;
    d->root.atime = d->root.mtime = d->root.ctime = d->root.btime = vfs_now();
    d->fs.root = &d->root;
    *out = &d->fs;
    return 0;
}

void
devpts_init(void)
{
    static struct fs_type devpts = { .name = "devpts", .make = devpts_make };
    fs_type_register(&devpts);
}

/* ---- for pty.c ---- */

/* Where the names beside a ptmx start, and what leads from there into its instance. */
static const char *
way_to_slaves(struct file *ptmx, struct path *start)
{
    if (ptmx->path.dentry == NULL || path_parent(&ptmx->path, start) != 0)
        return NULL;
    return ptmx->inode->ops == &pts_ops ? "." : "pts";
}

int
devpts_of_ptmx(struct file *f, struct devpts **out)
{
    struct walk w = { .flags = WALK_FOLLOW | WALK_DIRECTORY };

    if (f->inode->ops == &pts_ops) {
        *out = node_of(f->inode)->fs;
        devpts_hold(*out);
        return 0;
    }
    const char *way = way_to_slaves(f, &w.start);
    if (way == NULL)
        return -E_NODEV;
    int r = path_walk(&w, way);
    path_release(&w.start);
    if (r != 0)
        return r;
    struct inode *root = w.found.inode;
    bool is = root->ops == &root_ops;
    if (is) {
        *out = devpts_of(root->fs);
        devpts_hold(*out);
    }
    path_release(&w.found);
    return is ? 0 : -E_NODEV;
}

int
devpts_open_peer(struct file *master, struct pty *p, u32 flags, struct file **out)
{
    struct walk w = { .flags = 0 };
    struct file *f;
    char name[24];

    const char *way = way_to_slaves(master, &w.start);
    if (way == NULL)
        return -E_IO;
    format_text(name, sizeof(name), "%s/%u", way, p->index);
    int r = vfs_open(&w, name, flags, 0, &f);
    path_release(&w.start);
    if (r != 0)
        return r;
    /* Something else may be mounted there by now. */
    if (f->inode->ops != &pts_ops || node_of(f->inode)->pty != p) {
        file_release(f);
        return -E_IO;
    }
    *out = f;
    return 0;
}

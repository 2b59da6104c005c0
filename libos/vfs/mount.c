/* SPDX-License-Identifier: MIT */
/*
 * Mounts.  A file system is mounted once, on a directory; the directory's inode points at
 * the mount (no bind mounts, and no directory has two names, so this is as good as the
 * dentry).  Tree and pointers change under dentry_lock.
 */
#include "core/heap.h"
#include "core/log.h"
#include "vfs/dentry.h"
#include "vfs/notify.h"

struct list vfs_mounts = LIST_INIT(vfs_mounts);
struct mount *vfs_root;
static _Atomic u64 next_dev = 1;

void
mount_hold(struct mount *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
}

/* Nobody uses the mount any more and it is not in the tree: take it down. */
void
mount_bury(struct mount *doomed)
{
    while (doomed != NULL) {
        struct mount *m = doomed;
        doomed = m->doomed;
        struct filesystem *fs = m->fs;
        path_release(&m->point);
        dentry_forget(fs);
        dentry_release(m->root);
        heap_free(m);
        vfs_discard(fs);
    }
}

void
vfs_discard(struct filesystem *fs)
{
    notify_unmounted(fs);
    if (fs->destroy == NULL)
        return;
    inode_release(fs->root);
    fs->destroy(fs);
}

void
mount_release(struct mount *m)
{
    if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1) {
        m->doomed = NULL;
        mount_bury(m);
    }
}

static struct mount *
mount_new(struct filesystem *fs)
{
    struct mount *m = heap_alloc_zeroed(sizeof *m);
    if (m == NULL)
        return NULL;
    inode_hold(fs->root);
    m->root = dentry_new(NULL, "", 0, fs->root);
    if (m->root == NULL) {
        inode_release(fs->root);
        heap_free(m);
        return NULL;
    }
    atomic_init(&m->refs, 1);
    m->fs = fs;
    list_init(&m->link);
    if (fs->dev == 0)
        fs->dev = vfs_rdev(0, (u32)atomic_fetch_add(&next_dev, 1));
    return m;
}

int
vfs_mount_root(struct filesystem *fs)
{
    ASSERT(vfs_root == NULL);
    struct mount *m = mount_new(fs);
    if (m == NULL)
        return -E_NOMEM;
    list_push_back(&vfs_mounts, &m->link);
    vfs_root = m;
    return 0;
}

int
vfs_mount_at(struct filesystem *fs, const struct path *at)
{
    if (at->dentry == NULL || at->inode->type != IT_DIR)
        return -E_NOTDIR;
    struct mount *m = mount_new(fs);
    if (m == NULL)
        return -E_NOMEM;
    m->point = *at;
    path_hold(&m->point);
    spin_lock(&dentry_lock);
    int r = at->inode->mounted != NULL ? -E_BUSY : at->dentry->dead ? -E_NOENT : 0;
    if (r == 0) {
        at->inode->mounted = m;
        list_push_back(&vfs_mounts, &m->link);
    }
    spin_unlock(&dentry_lock);
    if (r != 0) { /* the file system stays the caller's */
        path_release(&m->point);
        dentry_release(m->root);
        heap_free(m);
    }
    return r;
}

int
vfs_mount(struct filesystem *fs, const char *path)
{
    struct walk w = { .flags = WALK_FOLLOW | WALK_DIRECTORY };
    int r = path_walk(&w, path);
    if (r != 0)
        return r;
    r = vfs_mount_at(fs, &w.found);
    path_release(&w.found);
    return r;
}

bool
vfs_is_mount_root(const struct path *p)
{
    return p->mount != NULL && p->dentry == p->mount->root;
}

/* Is m mounted somewhere in `above`, or in what is mounted there?  dentry_lock is held. */
static bool
mount_within(const struct mount *m, const struct mount *above)
{
    while (m != NULL && m != above)
        m = m->point.mount;
    return m == above;
}

/* Take the mount out of the tree, with all that is mounted in it (only MNT_DETACH finds
 * any: each holds its place).  Nobody could name those any more to take them off.
 * dentry_lock is held; the result lists, by `doomed`, those whose own reference is to
 * be dropped after it. */
static struct mount *
take_off_locked(struct mount *m)
{
    struct mount *gone = NULL;
    list_for_each_safe(it, &vfs_mounts) {
        struct mount *inner = container_of(it, struct mount, link);
        if (!mount_within(inner, m))
            continue;
        inner->point.inode->mounted = NULL;
        list_remove(&inner->link);
        inner->doomed = gone;
        gone = inner;
    }
    return gone;
}

int
vfs_umount(const struct path *root, bool detach)
{
    struct mount *m = root->mount;
    if (m == NULL || root->dentry != m->root || m == vfs_root)
        return -E_INVAL;
    dentry_forget(m->fs);
    struct mount *gone = NULL;
    spin_lock(&dentry_lock);
    int r = 0;
    if (list_empty(&m->link))
        r = -E_INVAL; /* taken off by another */
    else if (!detach && atomic_load(&m->refs) > 2) /* its own and the caller's `root` */
        r = -E_BUSY;
    else
        gone = take_off_locked(m);
    spin_unlock(&dentry_lock);
    while (gone != NULL) {
        struct mount *next = gone->doomed;
        mount_release(gone);
        gone = next;
    }
    return r;
}

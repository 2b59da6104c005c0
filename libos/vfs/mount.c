/* SPDX-License-Identifier: MIT */
/*
 * Mounts: life, placing and taking off, read-only (vfs/mount.h has the invariants).
 * mount_mutex is taken before directories' mutexes.
 */
#include "vfs/mounting.h"

#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "core/wait.h"
#include "vfs/notify.h"

struct list vfs_mounts = LIST_INIT(vfs_mounts);
struct mount *vfs_root;
struct mutex mount_mutex = MUTEX_INIT(mount_mutex);
_Atomic u64 vfs_mount_changes;
struct waitq vfs_mount_changed = WAITQ_INIT(vfs_mount_changed);
u32 mount_count;
static _Atomic u64 next_dev = 1;
static u32 next_id = 1; /* mount_mutex */
static u64 next_order = 1;

/* ---- life ---- */

/* Nobody uses the mount any more and it is not in the tree: take it down. */
void
mount_bury(struct mount *doomed)
{
    while (doomed != NULL) {
        struct mount *m = doomed;
        doomed = m->doomed;
        struct filesystem *fs = m->fs;
        ASSERT(m->point.dentry == NULL && list_empty(&m->link));
        dentry_release(m->root);
        heap_free(m->source);
        heap_free(m);
        if (atomic_fetch_sub_explicit(&fs->mounts, 1, memory_order_acq_rel) != 1 ||
            fs->destroy == NULL)
            continue;
        dentry_forget(fs);
        dentry_release(fs->root_dentry);
        fs->root_dentry = NULL;
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
    u32 mark = atomic_load_explicit(&m->expiring, memory_order_relaxed);
    if (__builtin_expect(mark != 0, 0))
        atomic_store_explicit(&m->expiring, mark - 1, memory_order_relaxed);
    if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1) {
        m->doomed = NULL;
        mount_bury(m);
    }
}

void
mount_free_list(struct mount *gone)
{
    while (gone != NULL) {
        struct mount *next = gone->doomed;
        mount_release(gone);
        gone = next;
    }
}

static int
prepare_root(struct filesystem *fs)
{
    if (fs->root_dentry != NULL)
        return 0;
    inode_hold(fs->root);
    fs->root_dentry = dentry_new(NULL, &(struct name){ "", 0, 0 }, fs->root);
    if (fs->root_dentry == NULL) {
        inode_release(fs->root);
        return -E_NOMEM;
    }
    if (fs->dev == 0)
        fs->dev = vfs_rdev(0, (u32)atomic_fetch_add(&next_dev, 1));
    return 0;
}

int
mount_new(struct filesystem *fs, struct dentry *root, u32 flags, const char *source,
          struct mount **out)
{
    int r = mount_count >= MOUNTS_MAX ? -E_NOSPC : prepare_root(fs);
    if (r != 0)
        return r;
    struct mount *m = heap_alloc_zeroed(sizeof *m);
    if (m != NULL && source != NULL) {
        m->source = heap_alloc(strlen(source) + 1);
        if (m->source == NULL) {
            heap_free(m);
            m = NULL;
        } else {
            memcpy(m->source, source, strlen(source) + 1);
        }
    }
    if (m == NULL)
        return -E_NOMEM;
    atomic_init(&m->refs, 1);
    atomic_init(&m->flags, flags);
    m->id = next_id++;
    m->fs = fs;
    m->root = root != NULL ? root : fs->root_dentry;
    dentry_hold(m->root);
    atomic_fetch_add_explicit(&fs->mounts, 1, memory_order_relaxed);
    list_init(&m->children);
    list_init(&m->sibling);
    list_init(&m->link);
    *out = m;
    return 0;
}

/* ---- the tree; dentry_lock is held ---- */

void
mount_place_locked(struct mount *m)
{
    m->next_here = m->point.inode->mounted;
    m->point.inode->mounted = m;
    list_push_back(&m->point.mount->children, &m->sibling);
    if (list_empty(&m->link)) {
        m->order = next_order++;
        list_push_back(&vfs_mounts, &m->link);
        mount_count++;
    }
    dentry_moves++;
}

struct path
mount_unplace_locked(struct mount *m)
{
    struct path point = m->point;
    if (point.inode != NULL) {
        struct mount **at = &point.inode->mounted;
        while (*at != m)
            at = &(*at)->next_here;
        *at = m->next_here;
        list_remove(&m->sibling);
    }
    m->next_here = NULL;
    m->point = (struct path){ NULL, NULL, NULL };
    dentry_moves++;
    return point;
}

struct mount *
mount_tree_next(struct mount *m, const struct mount *top)
{
    if (!list_empty(&m->children))
        return container_of(m->children.next, struct mount, sibling);
    while (m != top) {
        struct mount *parent = m->point.mount;
        if (m->sibling.next != &parent->children)
            return container_of(m->sibling.next, struct mount, sibling);
        m = parent;
    }
    return NULL;
}

bool
mount_within_locked(const struct mount *m, const struct mount *above)
{
    while (m != NULL && m != above)
        m = m->point.mount;
    return m == above;
}

bool
mount_is_place(const struct dentry *d)
{
    bool found = false;
    if (d->inode->mounted == NULL)
        return false;
    spin_lock(&dentry_lock);
    for (struct mount *m = d->inode->mounted; m != NULL && !found; m = m->next_here)
        found = m->point.dentry == d;
    spin_unlock(&dentry_lock);
    return found;
}

void
mount_tree_changed(void)
{
    atomic_fetch_add_explicit(&vfs_mount_changes, 1, memory_order_relaxed);
    wait_wake(&vfs_mount_changed, ~0u);
}

/* ---- places ---- */

/* U3.  Directories may be moved while we wait for the mutex: then begin anew. */
int
mount_spot_lock(struct mount_spot *s, const struct path *at)
{
    for (;;) {
        spin_lock(&dentry_lock);
        struct mount *m = at->mount;
        struct dentry *d = mount_cross_locked(&m, at->dentry), *above = d->parent;
        mount_hold(m);
        dentry_hold(d);
        if (above != NULL)
            dentry_hold(above);
        bool known = !list_empty(&m->link);
        spin_unlock(&dentry_lock);
        if (above != NULL)
            mutex_lock(&above->inode->mutex);
        spin_lock(&dentry_lock);
        bool same = d->parent == above && mount_on_locked(m, d) == NULL, dead = d->dead;
        spin_unlock(&dentry_lock);
        *s = (struct mount_spot){ { m, d->inode, d }, above };
        if (same && known && !dead)
            return 0;
        mount_spot_unlock(s);
        if (!known || dead)
            return known ? -E_NOENT : -E_INVAL;
    }
}

void
mount_spot_unlock(struct mount_spot *s)
{
    if (s->above != NULL) {
        mutex_unlock(&s->above->inode->mutex);
        dentry_release(s->above);
    }
    if (s->place.dentry != NULL)
        path_release(&s->place);
}

bool
mount_fits(const struct inode *root, const struct mount_spot *s)
{
    return (root->type == IT_DIR) == (s->place.inode->type == IT_DIR);
}

/* ---- mount, umount ---- */

int
vfs_mount_root(struct filesystem *fs)
{
    struct mount *m;
    ASSERT(vfs_root == NULL);
    int r = mount_new(fs, NULL, MOUNT_RELATIME, "rootfs", &m);
    if (r != 0)
        return r;
    m->order = next_order++;
    list_push_back(&vfs_mounts, &m->link);
    mount_count++;
    vfs_root = m;
    return 0;
}

int
vfs_mount_hidden(struct filesystem *fs, struct path *root)
{
    struct mount *m;
    mutex_lock(&mount_mutex);
    int r = mount_new(fs, NULL, 0, NULL, &m);
    mutex_unlock(&mount_mutex);
    if (r != 0)
        return r;
    *root = (struct path){ m, fs->root, m->root };
    dentry_hold(root->dentry);
    return 0;
}

static int
mount_on_spot(struct filesystem *fs, struct mount_spot *s, u32 flags, const char *source)
{
    struct mount *m;
    if (s->place.mount->fs == fs && s->place.dentry == s->place.mount->root)
        return -E_BUSY;
    if (!mount_fits(fs->root, s))
        return -E_NOTDIR;
    int r = mount_new(fs, NULL, flags & MOUNT_SETTABLE, source, &m);
    if (r != 0)
        return r;
    m->point = s->place;
    s->place = (struct path){ NULL, NULL, NULL };
    spin_lock(&dentry_lock);
    mount_place_locked(m);
    spin_unlock(&dentry_lock);
    return 0;
}

int
vfs_mount_at(struct filesystem *fs, const struct path *at, u32 flags, const char *source)
{
    struct mount_spot s;
    if (at->dentry == NULL)
        return -E_NOTDIR;
    mutex_lock(&mount_mutex);
    int r = mount_spot_lock(&s, at);
    if (r == 0) {
        r = mount_on_spot(fs, &s, flags, source);
        mount_spot_unlock(&s);
    }
    /* A root dentry that was made for nothing goes: the caller discards the inode. */
    if (r != 0 && fs->root_dentry != NULL && fs->destroy != NULL &&
        atomic_load(&fs->mounts) == 0) {
        dentry_release(fs->root_dentry);
        fs->root_dentry = NULL;
    }
    mutex_unlock(&mount_mutex);
    if (r == 0)
        mount_tree_changed();
    return r;
}

bool
vfs_is_mount_root(const struct path *p)
{
    return p->mount != NULL && p->dentry == p->mount->root;
}

/* Take the mount off the tree, with all that is mounted in it.  The references of their
 * places are dropped by the caller. */
static struct mount *
take_off_locked(struct mount *top)
{
    struct mount *gone = NULL;
    for (struct mount *m = top; m != NULL; m = mount_tree_next(m, top)) {
        list_remove(&m->link);
        mount_count--;
        m->doomed = gone;
        gone = m;
    }
    for (struct mount *m = gone; m != NULL; m = m->doomed) /* those below first */
        m->left = mount_unplace_locked(m);
    return gone;
}

int
vfs_umount(const struct path *root, u32 flags)
{
    struct mount *m = root->mount, *gone = NULL;
    if (m == NULL || root->dentry != m->root || m == vfs_root)
        return -E_INVAL;
    int r = 0;
    mutex_lock(&mount_mutex);
    spin_lock(&dentry_lock);
    if (list_empty(&m->link))
        r = -E_INVAL; /* taken off by another */
    else if ((flags & VFS_UMOUNT_DETACH) == 0 &&
             (atomic_load(&m->refs) > 2 || !list_empty(&m->children)))
        r = -E_BUSY; /* two: its own and the caller's `root` */
    else if ((flags & VFS_UMOUNT_EXPIRE) != 0 && atomic_exchange(&m->expiring, 2) != 1)
        r = -E_AGAIN;
    else
        gone = take_off_locked(m);
    spin_unlock(&dentry_lock);
    for (struct mount *g = gone; g != NULL; g = g->doomed)
        path_release(&g->left);
    mutex_unlock(&mount_mutex);
    mount_free_list(gone);
    if (r == 0)
        mount_tree_changed();
    return r;
}

/* ---- read-only ---- */

int
mount_write_begin(struct mount *m)
{
    if (m == NULL)
        return 0;
    atomic_fetch_add(&m->writers, 1);
    if (!mount_is_read_only(m))
        return 0;
    mount_write_end(m);
    return -E_ROFS;
}

void
mount_write_end(struct mount *m)
{
    if (m != NULL)
        atomic_fetch_sub(&m->writers, 1);
}

int
vfs_mount_set_flags(const struct path *root, u32 flags)
{
    struct mount *m = root->mount;
    if (!vfs_is_mount_root(root))
        return -E_INVAL;
    mutex_lock(&mount_mutex);
    u32 old = atomic_load(&m->flags);
    u32 fresh = (flags & MOUNT_SETTABLE) | (old & ~MOUNT_SETTABLE);
    bool closing = (fresh & ~old & MOUNT_READ_ONLY) != 0;
    int r = list_empty(&m->link) ? -E_INVAL : 0;
    if (r == 0) {
        if (closing)
            atomic_fetch_or(&m->flags, MOUNT_READ_ONLY);
        if (closing && atomic_load(&m->writers) != 0) {
            atomic_store(&m->flags, old);
            r = -E_BUSY;
        } else {
            atomic_store(&m->flags, fresh);
        }
    }
    mutex_unlock(&mount_mutex);
    if (r == 0)
        mount_tree_changed();
    return r;
}

int
vfs_set_read_only(struct filesystem *fs, bool read_only)
{
    int r = 0;
    mutex_lock(&mount_mutex);
    bool old = fs->read_only;
    __atomic_store_n(&fs->read_only, read_only, __ATOMIC_SEQ_CST);
    spin_lock(&dentry_lock);
    list_for_each(it, &vfs_mounts) {
        const struct mount *m = container_of(it, struct mount, link);
        if (m->fs == fs && read_only && !old && atomic_load(&m->writers) != 0)
            r = -E_BUSY;
    }
    spin_unlock(&dentry_lock);
    if (r != 0)
        __atomic_store_n(&fs->read_only, old, __ATOMIC_SEQ_CST);
    mutex_unlock(&mount_mutex);
    return r;
}

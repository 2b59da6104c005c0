/* SPDX-License-Identifier: MIT */
/*
 * Changes of the tree of mounts that involve more than one: bind, move, pivot_root.
 * Everything is made and checked first under mount_mutex, so that the tree stands still;
 * then it is changed under one take of dentry_lock, so that a look-up sees all or
 * nothing.
 */
#include "core/error.h"
#include "vfs/mounting.h"

/* ---- bind ---- */

static struct mount *
copy_one(struct mount *from, struct dentry *root, int *error)
{
    struct mount *m = NULL;
    u32 flags = atomic_load(&from->flags) & MOUNT_SETTABLE;
    *error = mount_new(from->fs, root, flags, from->source, &m);
    return m;
}

/* A copy of a tree that nobody sees yet is taken down again. */
static void
discard_copies(struct mount *copies)
{
    while (copies != NULL) {
        struct mount *m = copies;
        copies = m->doomed;
        struct path point = m->point;
        m->point = (struct path){ NULL, NULL, NULL };
        if (point.dentry != NULL)
            path_release(&point);
        mount_release(m);
    }
}

/* Copy what is mounted below from->dentry.  Copies are listed by `doomed`, the latest
 * first; each has its place in the copy of its parent. */
static int
copy_inner(const struct path *from, struct mount **copies)
{
    struct mount *top = from->mount;
    int r = 0;
    /* An unbindable one is left out, and with it what is in it. */
    for (struct mount *m = mount_tree_next(top, top); m != NULL && r == 0;
         m = mount_tree_next(m, top)) {
        struct mount *above = m->point.mount->copy;
        m->copy = NULL;
        if (above == NULL || mount_has(m, MOUNT_UNBINDABLE) ||
            (m->point.mount == top && !dentry_below(m->point.dentry, from->dentry)))
            continue;
        m->copy = copy_one(m, m->root, &r);
        if (r != 0)
            break;
        m->copy->point = (struct path){ above, m->point.inode, m->point.dentry };
        path_hold(&m->copy->point);
        m->copy->doomed = *copies;
        *copies = m->copy;
    }
    return r;
}

/* The copies' list begins with the last one; those above come into the tree first. */
static struct mount *
reversed(struct mount *list)
{
    struct mount *out = NULL;
    while (list != NULL) {
        struct mount *next = list->doomed;
        list->doomed = out;
        out = list;
        list = next;
    }
    return out;
}

static int
bind_at(const struct path *from, struct mount_spot *s, bool recursive)
{
    int r;
    struct mount *copies = copy_one(from->mount, from->dentry, &r);
    if (r != 0)
        return r;
    copies->doomed = NULL;
    from->mount->copy = copies;
    if (recursive)
        r = copy_inner(from, &copies);
    if (r != 0) {
        discard_copies(copies);
        return r;
    }
    copies = reversed(copies);
    copies->point = s->place;
    s->place = (struct path){ NULL, NULL, NULL };
    spin_lock(&dentry_lock);
    for (struct mount *m = copies; m != NULL; m = m->doomed)
        mount_place_locked(m);
    spin_unlock(&dentry_lock);
    return 0;
}

int
vfs_bind(const struct path *from, const struct path *at, bool recursive)
{
    struct mount_spot s;
    if (from->dentry == NULL || at->dentry == NULL)
        return -E_INVAL;
    mutex_lock(&mount_mutex);
    int r = list_empty(&from->mount->link) || mount_has(from->mount, MOUNT_UNBINDABLE)
                ? -E_INVAL
                : mount_spot_lock(&s, at);
    if (r == 0) {
        r = mount_fits(from->inode, &s) ? bind_at(from, &s, recursive) : -E_NOTDIR;
        mount_spot_unlock(&s);
    }
    mutex_unlock(&mount_mutex);
    if (r == 0)
        mount_tree_changed();
    return r;
}

int
vfs_mount_set_bindable(const struct path *root, bool bindable, bool recursive)
{
    struct mount *top = root->mount;
    if (!vfs_is_mount_root(root))
        return -E_INVAL;
    mutex_lock(&mount_mutex);
    int r = list_empty(&top->link) ? -E_INVAL : 0;
    for (struct mount *m = top; r == 0 && m != NULL;
         m = recursive ? mount_tree_next(m, top) : NULL) {
        if (bindable)
            atomic_fetch_and(&m->flags, ~MOUNT_UNBINDABLE);
        else
            atomic_fetch_or(&m->flags, MOUNT_UNBINDABLE);
    }
    mutex_unlock(&mount_mutex);
    return r;
}

/* ---- move ---- */

static int
move_to(struct mount *m, struct mount_spot *s)
{
    if (!mount_fits(m->root->inode, s))
        return -E_INVAL;
    spin_lock(&dentry_lock);
    int r = mount_within_locked(s->place.mount, m) ? -E_LOOP : 0;
    if (r == 0) {
        struct path old = mount_unplace_locked(m);
        m->point = s->place;
        mount_place_locked(m);
        s->place = old; /* released by the caller */
    }
    spin_unlock(&dentry_lock);
    return r;
}

int
vfs_move_mount(const struct path *from, const struct path *at)
{
    struct mount_spot s;
    struct mount *m = from->mount;
    if (!vfs_is_mount_root(from) || at->dentry == NULL)
        return -E_INVAL;
    mutex_lock(&mount_mutex);
    int r = list_empty(&m->link) || m->point.mount == NULL ? -E_INVAL
                                                            : mount_spot_lock(&s, at);
    if (r == 0) {
        r = move_to(m, &s);
        mount_spot_unlock(&s);
    }
    mutex_unlock(&mount_mutex);
    if (r == 0)
        mount_tree_changed();
    return r;
}

/* ---- pivot_root ---- */

/* Is the place `d` in mount m at or below `top`?  dentry_lock is held. */
static bool
reachable_locked(const struct mount *m, const struct dentry *d, const struct path *top)
{
    while (m != top->mount && m->point.mount != NULL) {
        d = m->point.dentry;
        m = m->point.mount;
    }
    while (d != NULL && d != top->dentry)
        d = d->parent;
    return m == top->mount && d != NULL;
}

static int
pivot_check_locked(const struct path *root, const struct path *new_root,
                   const struct path *put_old)
{
    const struct mount *old = root->mount, *fresh = new_root->mount;
    if (list_empty(&old->link) || list_empty(&fresh->link) || fresh == vfs_root)
        return -E_INVAL;
    if (new_root->dentry->dead)
        return -E_NOENT;
    if (fresh == old || put_old->mount == old)
        return -E_BUSY;
    if (root->dentry != old->root || old->point.mount == NULL ||
        new_root->dentry != fresh->root || fresh->point.mount == NULL)
        return -E_INVAL;
    if (!reachable_locked(put_old->mount, put_old->dentry, new_root) ||
        !reachable_locked(fresh, new_root->dentry, root))
        return -E_INVAL;
    return 0;
}

/* The old root comes to put_old, the new one where the old one was. */
static int
pivot(const struct path *root, const struct path *new_root, struct mount_spot *s)
{
    struct mount *old = root->mount, *fresh = new_root->mount;
    spin_lock(&dentry_lock);
    int r = pivot_check_locked(root, new_root, &s->place);
    if (r == 0) {
        struct path left = mount_unplace_locked(fresh),
                    freed = mount_unplace_locked(old);
        old->point = s->place;
        mount_place_locked(old);
        fresh->point = freed;
        mount_place_locked(fresh);
        s->place = left; /* released by the caller */
    }
    spin_unlock(&dentry_lock);
    return r;
}

int
vfs_pivot_root(struct fs_context *c, const struct path *new_root,
               const struct path *put_old)
{
    struct mount_spot s;
    if (new_root->inode->type != IT_DIR || put_old->inode->type != IT_DIR)
        return -E_NOTDIR;
    spin_lock(&c->lock);
    struct path root = c->root;
    path_hold(&root);
    spin_unlock(&c->lock);
    mutex_lock(&mount_mutex);
    int r = mount_spot_lock(&s, put_old);
    if (r == 0) {
        r = pivot(&root, new_root, &s);
        mount_spot_unlock(&s);
    }
    mutex_unlock(&mount_mutex);
    if (r == 0) {
        context_replace(&root, new_root);
        mount_tree_changed();
    }
    path_release(&root);
    return r;
}

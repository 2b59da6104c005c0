/* SPDX-License-Identifier: MIT */
/* Paths as values: references, and their names. */
#include "core/string.h"
#include "vfs/dentry.h"

void
path_hold(struct path *p)
{
    if (p->dentry != NULL) {
        mount_hold(p->mount);
        dentry_hold(p->dentry);
    } else if (p->inode != NULL) {
        inode_hold(p->inode);
    }
}

void
path_release(struct path *p)
{
    struct path old = *p;
    *p = (struct path){ NULL, NULL, NULL };
    if (old.dentry != NULL) {
        dentry_release(old.dentry);
        mount_release(old.mount);
    } else if (old.inode != NULL) {
        inode_release(old.inode);
    }
}

/* One step of path_describe: the name of d is put in front. */
static int
put_name(const struct dentry *d, char *to, u32 *at)
{
    if (*at < d->length + 1u)
        return -E_RANGE;
    *at -= d->length;
    memcpy(to + *at, d->name, d->length);
    to[--*at] = '/';
    return 0;
}

/* Names are put in from the end. */
static int
name_build_locked(const struct path *root, const struct path *p, char *to, u32 size,
                  u32 *start, u32 *state)
{
    struct mount *m = p->mount;
    const struct dentry *d = p->dentry;
    u32 at = size - 1;
    to[at] = '\0';
    *state = d->dead ? PATH_REMOVED : 0;
    while (d != root->dentry || m != root->mount) {
        if (d == m->root && m->point.dentry != NULL) {
            d = m->point.dentry;
            m = m->point.mount;
        } else if (d == m->root || d->parent == NULL) {
            *state |= PATH_OUTSIDE;
            break;
        } else {
            int r = put_name(d, to, &at);
            if (r != 0)
                return r;
            d = d->parent;
        }
    }
    if (at == size - 1) {
        if (at == 0)
            return -E_RANGE;
        to[--at] = '/';
    }
    *start = at;
    return 0;
}

int
path_describe(struct fs_context *c, const struct path *p, char *to, u32 size, u32 *state)
{
    u32 start = 0;
    if (p->dentry == NULL)
        return -E_NOENT;
    if (size == 0)
        return -E_RANGE;
    if (c != NULL)
        spin_lock(&c->lock);
    spin_lock(&dentry_lock);
    struct path first = { vfs_root, vfs_root->root->inode, vfs_root->root };
    int r =
        name_build_locked(c != NULL ? &c->root : &first, p, to, size, &start, state);
    spin_unlock(&dentry_lock);
    if (c != NULL)
        spin_unlock(&c->lock);
    if (r != 0)
        return r;
    memmove(to, to + start, size - start);
    return (int)(size - start - 1);
}

int
path_name(struct fs_context *c, const struct path *p, char *to, u32 size)
{
    u32 state;
    int n = path_describe(c, p, to, size, &state);
    return n >= 0 && state != 0 ? -E_NOENT : n;
}

int
path_parent(const struct path *p, struct path *out)
{
    spin_lock(&dentry_lock);
    struct dentry *up = p->dentry == p->mount->root ? NULL : p->dentry->parent;
    if (up != NULL) {
        *out = (struct path){ p->mount, up->inode, up };
        mount_hold(p->mount);
        dentry_hold(up);
    }
    spin_unlock(&dentry_lock);
    return up != NULL ? 0 : -E_NOENT;
}

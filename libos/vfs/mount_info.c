/* SPDX-License-Identifier: MIT */
/* What mounts and kinds of file systems there are: for /proc, and for mount(2). */
#include "core/log.h"
#include "core/string.h"
#include "vfs/mounting.h"

static struct fs_type *types; /* written before the first process */

void
fs_type_register(struct fs_type *t)
{
    ASSERT(fs_type_find(t->name) == NULL);
    struct fs_type **at = &types;
    while (*at != NULL)
        at = &(*at)->next;
    t->next = NULL;
    *at = t;
}

const struct fs_type *
fs_type_find(const char *name)
{
    const struct fs_type *t = types;
    while (t != NULL && strcmp(t->name, name) != 0)
        t = t->next;
    return t;
}

const struct fs_type *
fs_type_next(const struct fs_type *t)
{
    return t == NULL ? types : t->next;
}

/* The first mount at or after an order, with a reference; NULL: none. */
static struct mount *
next_mount(u64 order)
{
    struct mount *found = NULL;
    spin_lock(&dentry_lock);
    list_for_each(it, &vfs_mounts) {
        struct mount *m = container_of(it, struct mount, link);
        if (m->order >= order) {
            mount_hold(m);
            found = m;
            break;
        }
    }
    spin_unlock(&dentry_lock);
    return found;
}

/* The name within the file system of what the mount shows; as "/" and more. */
static int
root_name(const struct mount *m, char *to, u32 size)
{
    u32 at = size - 1;
    int r = 0;
    to[at] = '\0';
    spin_lock(&dentry_lock);
    for (const struct dentry *d = m->root; d->parent != NULL && r == 0; d = d->parent) {
        if (at < d->length + 1u) {
            r = -E_RANGE;
            break;
        }
        at -= d->length;
        memcpy(to + at, d->name, d->length);
        to[--at] = '/';
    }
    spin_unlock(&dentry_lock);
    if (at == size - 1)
        to[--at] = '/';
    memmove(to, to + at, size - at);
    return r;
}

static int
describe(struct fs_context *c, struct mount *m, struct mount_info *out)
{
    struct path root = { m, m->root->inode, m->root };
    u32 state;
    int r = path_describe(c, &root, out->point, sizeof out->point, &state);
    if (r >= 0 && (state & PATH_OUTSIDE) != 0)
        r = -E_NOENT;
    if (r >= 0)
        r = root_name(m, out->root, sizeof out->root);
    if (r < 0)
        return r;
    spin_lock(&dentry_lock);
    out->parent = m->point.mount != NULL ? m->point.mount->id : m->id;
    spin_unlock(&dentry_lock);
    out->id = m->id;
    out->dev = m->fs->dev;
    out->flags = atomic_load(&m->flags);
    out->fs_read_only = m->fs->read_only;
    out->fs_wishes = atomic_load_explicit(&m->fs->wishes, memory_order_relaxed);
    out->type = m->fs->name;
    string_copy(out->source, m->source != NULL ? m->source : "none", sizeof out->source);
    out->options[0] = '\0';
    if (m->fs->show != NULL)
        m->fs->show(m->fs, out->options, sizeof out->options);
    return 0;
}

int
vfs_mount_next(struct fs_context *c, u64 *position, struct mount_info *out)
{
    struct mount *m;
    while ((m = next_mount(*position)) != NULL) {
        *position = m->order + 1;
        int r = describe(c, m, out);
        mount_release(m);
        if (r == 0)
            return 0;
    }
    return -E_NOENT;
}

int
vfs_statfs_dev(u32 dev, u64 out[8])
{
    struct mount *found = NULL;
    spin_lock(&dentry_lock);
    list_for_each(it, &vfs_mounts) {
        struct mount *m = container_of(it, struct mount, link);
        if ((u32)m->fs->dev == dev) {
            mount_hold(m);
            found = m;
            break;
        }
    }
    spin_unlock(&dentry_lock);
    if (found == NULL)
        return -E_INVAL;
    int r = found->fs->statfs == NULL ? -E_NOSYS : found->fs->statfs(found->fs, out);
    mount_release(found);
    return r;
}

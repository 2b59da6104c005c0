/* SPDX-License-Identifier: MIT */
/* A process's place in the tree: root, current directory, umask. The spinlock guards
 * the two paths. */
#include "core/heap.h"
#include "vfs/dentry.h"

struct fs_context *
fs_context_new(void)
{
    struct fs_context *c = heap_alloc_zeroed(sizeof *c);
    if (c == NULL)
        return NULL;
    atomic_init(&c->refs, 1);
    c->umask = 022;
    c->root = (struct path){ vfs_root, vfs_root->root->inode, vfs_root->root };
    c->cwd = c->root;
    path_hold(&c->root);
    path_hold(&c->cwd);
    return c;
}

struct fs_context *
fs_context_copy(struct fs_context *from)
{
    struct fs_context *c = heap_alloc_zeroed(sizeof *c);
    if (c == NULL)
        return NULL;
    atomic_init(&c->refs, 1);
    spin_lock(&from->lock);
    c->umask = from->umask;
    c->root = from->root;
    c->cwd = from->cwd;
    path_hold(&c->root);
    path_hold(&c->cwd);
    spin_unlock(&from->lock);
    return c;
}

void
fs_context_release(struct fs_context *c)
{
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    path_release(&c->root);
    path_release(&c->cwd);
    heap_free(c);
}

static int
set_place(struct fs_context *c, struct path *place, const struct cred *cred,
          const struct path *to)
{
    if (to->dentry == NULL || to->inode->type != IT_DIR)
        return -E_NOTDIR;
    int r = vfs_access(to->inode, cred, 1);
    if (r != 0)
        return r;
    struct path fresh = *to;
    path_hold(&fresh);
    spin_lock(&c->lock);
    struct path old = *place;
    *place = fresh;
    spin_unlock(&c->lock);
    path_release(&old);
    return 0;
}

int
vfs_chdir(struct fs_context *c, const struct cred *cred, const struct path *to)
{
    return set_place(c, &c->cwd, cred, to);
}

int
vfs_chroot(struct fs_context *c, const struct cred *cred, const struct path *to)
{
    if (cred != NULL && cred->fsuid != 0)
        return -E_PERM;
    return set_place(c, &c->root, cred, to);
}

/* SPDX-License-Identifier: MIT */
/*
 * A thread's place in the tree: root, current directory, umask. The spinlock guards
 * the two paths; contexts_lock, the list of all, and is taken before it.  The paths change
 * under dentry_lock as well, so that a walk, which takes that one, needs no other.
 */
#include "core/heap.h"
#include "vfs/dentry.h"

static struct list contexts = LIST_INIT(contexts); /* contexts_lock */
static struct spinlock contexts_lock = SPINLOCK_INIT;

static void
enlist(struct fs_context *c)
{
    spin_lock(&contexts_lock);
    list_push_back(&contexts, &c->link);
    spin_unlock(&contexts_lock);
}

struct fs_context *
fs_context_new(void)
{
    struct fs_context *c = heap_alloc_zeroed(sizeof *c);
    if (c == NULL)
        return NULL;
    atomic_init(&c->refs, 1);
    atomic_init(&c->users, 1);
    c->umask = 022;
    c->root = (struct path){ vfs_root, vfs_root->root->inode, vfs_root->root };
    c->cwd = c->root;
    path_hold(&c->root);
    path_hold(&c->cwd);
    enlist(c);
    return c;
}

struct fs_context *
fs_context_copy(struct fs_context *from)
{
    struct fs_context *c = heap_alloc_zeroed(sizeof *c);
    if (c == NULL)
        return NULL;
    atomic_init(&c->refs, 1);
    atomic_init(&c->users, 1);
    spin_lock(&from->lock);
    c->umask = from->umask;
    c->root = from->root;
    c->cwd = from->cwd;
    path_hold(&c->root);
    path_hold(&c->cwd);
    spin_unlock(&from->lock);
    enlist(c);
    return c;
}

void
fs_context_hold(struct fs_context *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
}

void
fs_context_share(struct fs_context *c)
{
    atomic_fetch_add_explicit(&c->users, 1, memory_order_relaxed);
    fs_context_hold(c);
}

void
fs_context_leave(struct fs_context *c)
{
    atomic_fetch_sub_explicit(&c->users, 1, memory_order_relaxed);
}

void
fs_context_release(struct fs_context *c)
{
    fs_context_leave(c);
    fs_context_drop(c);
}

void
fs_context_drop(struct fs_context *c)
{
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    spin_lock(&contexts_lock);
    list_remove(&c->link);
    spin_unlock(&contexts_lock);
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
    spin_lock(&dentry_lock);
    *place = fresh;
    spin_unlock(&dentry_lock);
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
    if (cred != NULL && !cred_can(cred, CAP_SYS_CHROOT))
        return -E_PERM;
    return set_place(c, &c->root, cred, to);
}

/* How many: so many references on `from` are to be dropped when the locks are free. */
static u32
replace_locked(const struct path *from, const struct path *to)
{
    u32 replaced = 0;
    list_for_each(it, &contexts) {
        struct fs_context *c = container_of(it, struct fs_context, link);
        struct path *places[2] = { &c->root, &c->cwd };
        spin_lock(&c->lock);
        for (int k = 0; k < 2; k++) {
            if (places[k]->mount != from->mount || places[k]->dentry != from->dentry)
                continue;
            struct path fresh = *to;
            path_hold(&fresh);
            spin_lock(&dentry_lock);
            *places[k] = fresh;
            spin_unlock(&dentry_lock);
            replaced++;
        }
        spin_unlock(&c->lock);
    }
    return replaced;
}

void
context_replace(const struct path *from, const struct path *to)
{
    spin_lock(&contexts_lock);
    u32 replaced = replace_locked(from, to);
    spin_unlock(&contexts_lock);
    while (replaced-- > 0) {
        struct path old = *from;
        path_release(&old);
    }
}

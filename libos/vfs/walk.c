/* SPDX-License-Identifier: MIT */
/*
 * Path look-up.  The whole path is walked under one take of dentry_lock while the cache
 * knows it; a miss or a symbolic link pins the place, leaves the lock, asks the file
 * system and goes on.  Cost: about 80 instructions, and for each component 60 and 15 for
 * each eight bytes of its name.
 *
 * P1. `at` and `mount` are valid because dentry_lock is held, or because they are pinned.
 * P2. What dies during a walk is buried at its end, so a dentry that was met once stays
 *     allocated; what the walk found lives on, though it may have been among the dead (a
 *     name that is gone already, or never in the cache).
 * P3. The root is pinned from the first time that the lock is left.
 */
#include "core/heap.h"
#include "core/string.h"
#include "vfs/dentry.h"

#define LINK_BYTES_MAX 4096u
#define WALK_IS_OVER 1 /* at something without a name (walker.nameless) */

struct vfs_protection vfs_protected = { 1, 1, 1, 2 };

struct walker {
    struct walk *w;
    struct mount *mount, *root_mount;
    struct dentry *at, *root;
    bool root_pinned;
    u64 moves;             /* dentry_moves when it began */
    struct inode *nameless; /* what a link led to that is in no tree; a reference */
    char *buffer;          /* the path, once a link was put into it */
    struct dentry *doomed; /* P2 */
    struct mount *doomed_mount;
};

/* One component. */
struct part {
    struct name name;
    const char *next; /* behind the slashes that follow it */
};

bool
name_is_dots(const char *name, u32 length)
{
    return (length == 1 && name[0] == '.') ||
           (length == 2 && name[0] == '.' && name[1] == '.');
}

static inline const char *
skip_slashes(const char *s)
{
    while (*s == '/')
        s++;
    return s;
}

static inline void
part_scan(struct part *c, const char *p)
{
    const char *end = name_scan(p, &c->name.hash);
    c->name.text = p;
    c->name.length = (u32)(end - p);
    c->next = skip_slashes(end);
}

static inline const char *
part_end(const struct part *c)
{
    return c->name.text + c->name.length;
}

/* Nothing comes behind it, not even a slash? */
static inline bool
part_is_end(const struct part *c)
{
    return *part_end(c) == '\0';
}

static void
walker_leave(struct walker *k, struct dentry *also)
{
    if (!k->root_pinned) {
        dentry_hold(k->root);
        mount_hold(k->root_mount);
        k->root_pinned = true;
    }
    dentry_hold(k->at);
    mount_hold(k->mount);
    if (also != NULL)
        dentry_hold(also);
    spin_unlock(&dentry_lock);
}

/* Under dentry_lock: a mount that was taken off meanwhile may lose its last user here. */
static void
walker_drop_mount(struct walker *k, struct mount *m)
{
    if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1 &&
        !m->is_doomed) {
        m->is_doomed = true;
        m->doomed = k->doomed_mount;
        k->doomed_mount = m;
    }
}

/* P2 for mounts: what the walk found lives on. */
static void
walker_spare_mounts(struct walker *k)
{
    for (struct mount **at = &k->doomed_mount; *at != NULL;) {
        struct mount *m = *at;
        if (atomic_load_explicit(&m->refs, memory_order_relaxed) == 0) {
            at = &m->doomed;
            continue;
        }
        *at = m->doomed;
        m->is_doomed = false;
    }
}

static void
walker_return(struct walker *k, struct dentry *also)
{
    spin_lock(&dentry_lock);
    dentry_put_locked(k->at, &k->doomed);
    walker_drop_mount(k, k->mount);
    if (also != NULL)
        dentry_put_locked(also, &k->doomed);
}

/* The cache does not know the name: ask the file system. */
static int
walk_miss(struct walker *k, const struct part *c, struct dentry **out)
{
    struct dentry *d = NULL;
    struct inode *dir = k->at->inode;
    if ((k->w->flags & WALK_CACHED) != 0)
        return -E_AGAIN;
    walker_leave(k, NULL);
    mutex_lock(&dir->mutex);
    int r = dentry_get(k->at, &c->name, &d);
    mutex_unlock(&dir->mutex);
    walker_return(k, d);
    *out = d;
    return r;
}

/* To the root, for a path or a link that begins with a slash. */
static int
walk_to_root(struct walker *k)
{
    if ((k->w->flags & WALK_BENEATH) != 0)
        return -E_XDEV;
    if ((k->w->flags & WALK_NO_XDEV) != 0 && k->mount != k->root_mount)
        return -E_XDEV;
    k->at = k->root;
    k->mount = k->root_mount;
    return 0;
}

/* Put the link's text before what follows it; walk on from here, or from the root. */
static int
walk_text_link(struct walker *k, struct dentry *link, const char *after,
               const char **rest)
{
    walker_leave(k, link);
    size_t tail = strlen(after);
    char *text = heap_alloc(LINK_BYTES_MAX + tail + 1);
    int n = text == NULL ? -E_NOMEM : vfs_readlink(link->inode, text, LINK_BYTES_MAX);
    if (n == 0)
        n = -E_NOENT;
    if (n > 0) {
        vfs_touch_atime(k->mount, link->inode);
        memcpy(text + n, after, tail + 1);
        heap_free(k->buffer);
        k->buffer = text;
        *rest = skip_slashes(text);
    } else {
        heap_free(text);
    }
    walker_return(k, link);
    if (n > 0 && text[0] == '/')
        return walk_to_root(k);
    return n > 0 ? 0 : n;
}

/* A link that leads to a place by itself.  What it gave is held until the lock is ours
 * again. */
static int
walk_magic_link(struct walker *k, struct dentry *link, const struct part *c)
{
    struct path to = { NULL, NULL, NULL };
    if ((k->w->flags & WALK_NO_MAGIC) != 0)
        return -E_LOOP;
    if ((k->w->flags & (WALK_BENEATH | WALK_IN_ROOT)) != 0)
        return -E_XDEV;
    walker_leave(k, link);
    int r = link->inode->ops->follow(link->inode, &to);
    walker_return(k, link);
    if (r != 0)
        return r;
    if (to.dentry == NULL) {
        k->nameless = to.inode;
        return part_is_end(c) ? WALK_IS_OVER : -E_NOTDIR;
    }
    if ((k->w->flags & WALK_NO_XDEV) != 0 && to.mount != k->mount)
        r = -E_XDEV;
    k->at = to.dentry;
    k->mount = to.mount;
    dentry_put_locked(to.dentry, &k->doomed);
    walker_drop_mount(k, to.mount);
    return r;
}

int
walk_may_follow(const struct walk *w, const struct mount *m, const struct inode *dir,
                const struct inode *link, bool last)
{
    if ((w->flags & WALK_NO_LINKS) != 0 || mount_has(m, MOUNT_NO_SYMLINKS))
        return -E_LOOP;
    if (last && vfs_protected.symlinks != 0 && w->cred != NULL &&
        (dir->mode & 01002u) == 01002u && link->uid != w->cred->fsuid &&
        link->uid != dir->uid)
        return -E_ACCES;
    return 0;
}

static int
walk_link(struct walker *k, struct dentry *link, const struct part *c, const char **p)
{
    if (++k->w->links > LINKS_MAX)
        return -E_LOOP;
    int r = walk_may_follow(k->w, k->mount, k->at->inode, link->inode, *c->next == '\0');
    if (r != 0)
        return r;
    if ((k->w->flags & WALK_CACHED) != 0)
        return -E_AGAIN;
    if (link->inode->ops->follow == NULL)
        return walk_text_link(k, link, part_end(c), p);
    *p = c->next;
    return walk_magic_link(k, link, c);
}

/* What is mounted on a place that was reached, if the walk may go there. */
static int
walk_cross(struct walker *k, struct dentry *d)
{
    struct mount *m = k->mount;
    k->at = mount_cross_locked(&k->mount, d);
    return m != k->mount && (k->w->flags & WALK_NO_XDEV) != 0 ? -E_XDEV : 0;
}

/* A directory that was moved out of what a mount shows leads nowhere. */
static bool
is_connected(const struct walker *k, const struct dentry *d)
{
    if (k->mount->root == k->mount->fs->root_dentry)
        return true;
    while (d != NULL && d != k->mount->root)
        d = d->parent;
    return d != NULL;
}

static int
walk_up(struct walker *k)
{
    u32 flags = k->w->flags;
    for (;;) {
        if (k->at == k->root && k->mount == k->root_mount)
            return (flags & WALK_BENEATH) != 0 ? -E_XDEV : walk_cross(k, k->at);
        if (k->at != k->mount->root)
            break;
        if (k->mount->point.dentry == NULL)
            return walk_cross(k, k->at);
        if ((flags & WALK_NO_XDEV) != 0)
            return -E_XDEV;
        k->at = k->mount->point.dentry;
        k->mount = k->mount->point.mount;
    }
    struct dentry *above = k->at->parent;
    if (above == NULL || !is_connected(k, above))
        return -E_NOENT;
    if ((flags & (WALK_BENEATH | WALK_IN_ROOT)) != 0 && k->moves != dentry_moves)
        return -E_AGAIN;
    return walk_cross(k, above);
}

/* May the current directory be searched? */
static int
may_search(const struct walker *k)
{
    const struct inode *i = k->at->inode;
    if (i->type != IT_DIR)
        return -E_NOTDIR;
    if ((i->mode & 0111u) == 0111u)
        return 0;
    return vfs_access(k->at->inode, k->w->cred, 1);
}

/* One component down.  *p goes on behind it. */
static inline int
walk_down(struct walker *k, const struct part *c, const char **p)
{
    struct dentry *d = dentry_find_locked(k->at, &c->name);
    if (__builtin_expect(d == NULL, 0)) {
        int r = walk_miss(k, c, &d);
        if (r != 0)
            return r;
    }
    if (d->inode->type == IT_LINK &&
        (!part_is_end(c) || (k->w->flags & WALK_FOLLOW) != 0))
        return walk_link(k, d, c, p);
    *p = c->next;
    k->at = d;
    return __builtin_expect(d->inode->mounted == NULL, 1) ? 0 : walk_cross(k, d);
}

static int
walk_all(struct walker *k, const char *path)
{
    struct walk *w = k->w;
    const char *p = skip_slashes(path);
    w->last.length = 0;
    w->trailing_slash = false;
    if (*path == '\0')
        return (w->flags & WALK_EMPTY) != 0 ? 0 : -E_NOENT;
    while (*p != '\0') {
        struct part c;
        int r = may_search(k);
        if (r != 0)
            return r;
        part_scan(&c, p);
        if (c.name.length > NAME_BYTES_MAX)
            return -E_NAMETOOLONG;
        if (*c.next == '\0' && (w->flags & WALK_PARENT) != 0) {
            /* Links on the way were put before this tail, so it is the tail of the
             * caller's path as well. */
            w->last = c.name;
            if (k->buffer != NULL)
                w->last.text = path + strlen(path) - strlen(p);
            w->trailing_slash = !part_is_end(&c);
            return 0;
        }
        if (*p != '.' || !name_is_dots(p, c.name.length)) {
            r = walk_down(k, &c, &p);
        } else {
            r = c.name.length == 2 ? walk_up(k) : 0;
            p = c.next;
        }
        if (r != 0)
            return r;
    }
    return p[-1] == '/' && k->at->inode->type != IT_DIR ? -E_NOTDIR : 0;
}

/* With BENEATH and IN_ROOT the start is the root. */
static int
walk_start_restricted(struct walker *k, const char *path)
{
    struct walk *w = k->w;
    if ((w->flags & (WALK_BENEATH | WALK_IN_ROOT)) != 0) {
        k->root_mount = w->top != NULL ? w->top->mount : k->mount;
        k->root = w->top != NULL ? w->top->dentry : k->at;
        k->moves = dentry_moves;
        if (path[0] == '/' && (w->flags & WALK_BENEATH) != 0)
            return -E_XDEV;
        if (path[0] == '/')
            return walk_to_root(k);
    }
    return 0;
}

/* Where it starts; leaves with dentry_lock held. */
static int
walk_start(struct walker *k, const char *path)
{
    struct walk *w = k->w;
    const struct fs_context *c = w->context;
    spin_lock(&dentry_lock);
    k->root_mount = c != NULL ? c->root.mount : vfs_root;
    k->root = c != NULL ? c->root.dentry : vfs_root->root;
    if (path[0] == '/' && (w->flags & (WALK_BENEATH | WALK_IN_ROOT)) == 0) {
        k->mount = k->root_mount;
        k->at = k->root;
    } else if (w->start.dentry != NULL) {
        k->mount = w->start.mount;
        k->at = w->start.dentry;
    } else {
        k->mount = c != NULL ? c->cwd.mount : vfs_root;
        k->at = c != NULL ? c->cwd.dentry : vfs_root->root;
    }
    return (w->flags & WALK_RESTRICTED) != 0 ? walk_start_restricted(k, path) : 0;
}

/* Is the end still where it was to stay, whatever was moved meanwhile? */
static bool
is_below_root(const struct walker *k)
{
    const struct mount *m = k->mount;
    const struct dentry *d = k->at;
    while (d != k->root || m != k->root_mount) {
        if (d != m->root) {
            d = d->parent;
        } else {
            d = m->point.dentry;
            m = m->point.mount;
        }
        if (d == NULL)
            return false;
    }
    return true;
}

/* The lock was left on the way: drop what was pinned, and bury what died. */
static __attribute__((noinline)) void
walk_settle(struct walker *k)
{
    dentry_put_locked(k->root, &k->doomed);
    walker_drop_mount(k, k->root_mount);
    dentry_spare_locked(&k->doomed);
    walker_spare_mounts(k);
    spin_unlock(&dentry_lock);
    if (k->doomed != NULL)
        dentry_bury(k->doomed);
    if (k->doomed_mount != NULL)
        mount_bury(k->doomed_mount);
    heap_free(k->buffer);
}

/* It came through: may it end where it is? */
static int
walk_check_end(const struct walker *k)
{
    u32 flags = k->w->flags;
    if ((flags & (WALK_BENEATH | WALK_IN_ROOT)) != 0 && k->nameless == NULL &&
        k->moves != dentry_moves && !is_below_root(k))
        return -E_XDEV;
    if ((flags & WALK_DIRECTORY) != 0 &&
        (k->nameless != NULL || k->at->inode->type != IT_DIR))
        return -E_NOTDIR;
    return 0;
}

int
path_walk(struct walk *w, const char *path)
{
    struct walker k;
    w->found = (struct path){ NULL, NULL, NULL };
    if (path[0] != '/' && w->start.dentry == NULL && w->start.inode != NULL) {
        if (path[0] != '\0' || (w->flags & WALK_EMPTY) == 0)
            return -E_NOTDIR;
        w->found = w->start; /* a file without a name: a pipe, a socket */
        path_hold(&w->found);
        return 0;
    }
    k.w = w;
    k.root_pinned = false;
    k.nameless = NULL;
    k.buffer = NULL;
    k.doomed = NULL;
    k.doomed_mount = NULL;
    int r = walk_start(&k, path);
    if (r == 0)
        r = walk_all(&k, path);
    if (r == WALK_IS_OVER)
        r = 0;
    if (r == 0 && (w->flags & (WALK_BENEATH | WALK_IN_ROOT | WALK_DIRECTORY)) != 0)
        r = walk_check_end(&k);
    if (k.nameless != NULL) {
        w->found = (struct path){ NULL, k.nameless, NULL };
    } else if (r == 0) {
        mount_hold(k.mount);
        dentry_hold(k.at);
        w->found = (struct path){ k.mount, k.at->inode, k.at };
    }
    if (!k.root_pinned)
        spin_unlock(&dentry_lock);
    else
        walk_settle(&k);
    if (r != 0 && k.nameless != NULL)
        path_release(&w->found);
    return r;
}

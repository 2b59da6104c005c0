/* SPDX-License-Identifier: MIT */
/*
 * Directories of tmpfs: the operations on names.  The vfs has checked rights, existence
 * and emptiness of what it names, and holds the mutexes (N2, N6 of vfs.h); what would
 * break the structure is checked here again.  Costs: entries.c.
 */
#include "core/error.h"
#include "core/heap.h"
#include "core/string.h"
#include "fs/tmpfs/private.h"

#define NAME_MAX_BYTES 255u
#define LINKS_MAX 0x7fffffffu
#define ENTRY_SIZE 20u /* what an entry adds to a directory's size, as on Linux's tmpfs \
                        */

static inline struct directory *
dir_of(struct inode *dir)
{
    return &node_of(dir)->dir;
}

static struct dirent *
find(struct inode *dir, const char *name, u32 length)
{
    struct dirent **at = dir_find(dir_of(dir), name, length);
    return at != NULL ? *at : NULL;
}

static void
dir_changed(struct inode *dir, struct timestamp now)
{
    dir->size = 2 * ENTRY_SIZE + (u64)dir_of(dir)->count * ENTRY_SIZE;
    dir->mtime = dir->ctime = now;
}

u32
node_link(struct inode *i, i32 change, struct timestamp now)
{
    struct tmpfs *t = node_of(i)->tmpfs;
    spin_lock(&t->links_lock);
    u32 before = i->nlink, after = (u32)((i32)before + change);
    i->nlink = after;
    i->ctime = now;
    spin_unlock(&t->links_lock);
    if (change < 0 && after != 0 && i->type != IT_DIR)
        tmpfs_uncharge(t);
    if (before == 0 && after != 0)
        inode_hold(i);
    else if (before != 0 && after == 0)
        inode_release(i);
    return before;
}

/* ---- operations ---- */

static int
dir_tmpfile(struct inode *dir, u32 mode, const struct cred *cred, struct inode **out)
{
    struct node *n;
    int rc = node_new(node_of(dir)->tmpfs, IT_FILE, mode, 0, cred, &n);
    if (rc != 0)
        return rc;
    n->inode.nlink = 0; /* so the reference is the caller's */
    *out = &n->inode;
    return 0;
}

static int
dir_lookup(struct inode *dir, const char *name, u32 length, struct inode **out)
{
    struct dirent *e = find(dir, name, length);
    if (!e)
        return -E_NOENT;
    inode_hold(e->inode);
    *out = e->inode;
    return 0;
}

/* Enter an inode under a new name; nothing has changed on an error. */
static int
enter(struct inode *dir, const char *name, u32 length, struct inode *inode,
      struct timestamp now)
{
    if (length > NAME_MAX_BYTES)
        return -E_NAMETOOLONG;
    if (dir->nlink == 0)
        return -E_NOENT; /* removed, and kept by those who are in it */
    int rc = dir_reserve(dir_of(dir));
    if (rc != 0)
        return rc;
    struct dirent *e = dirent_new(name, length, inode);
    if (!e)
        return -E_NOMEM;
    dir_insert(dir_of(dir), e);
    if (inode->type == IT_DIR)
        node_link(dir, 1, now);
    dir_changed(dir, now);
    return 0;
}

static int
enter_new(struct inode *dir, const char *name, u32 length, struct node *n,
          struct inode **out)
{
    int rc = enter(dir, name, length, &n->inode, n->inode.btime);
    if (rc != 0) {
        n->inode.nlink = 0;
        inode_release(&n->inode);
        return rc;
    }
    if (out) {
        inode_hold(&n->inode); /* the caller's, beside the links' */
        *out = &n->inode;
    }
    return 0;
}

static int
dir_create(struct inode *dir, const char *name, u32 length, enum inode_type type,
           u32 mode, u64 rdev, const struct cred *cred, struct inode **out)
{
    struct node *n;
    int rc = node_new(node_of(dir)->tmpfs, type, mode, rdev, cred, &n);
    return rc != 0 ? rc : enter_new(dir, name, length, n, out);
}

static int
dir_symlink(struct inode *dir, const char *name, u32 length, const char *target,
            const struct cred *cred)
{
    struct node *n;
    size_t bytes = strlen(target);
    char *copy = heap_alloc(bytes + 1);
    if (!copy)
        return -E_NOMEM;
    int rc = node_new(node_of(dir)->tmpfs, IT_LINK, 0777, 0, cred, &n);
    if (rc != 0) {
        heap_free(copy);
        return rc;
    }
    memcpy(copy, target, bytes + 1);
    n->target = copy;
    n->inode.size = bytes;
    return enter_new(dir, name, length, n, NULL);
}

static int
dir_link(struct inode *dir, const char *name, u32 length, struct inode *target)
{
    if (target->type == IT_DIR)
        return -E_PERM;
    struct tmpfs *t = node_of(dir)->tmpfs;
    /* one that had no name has paid for its first */
    bool charge = target->nlink != 0;
    if (target->nlink >= LINKS_MAX)
        return -E_MLINK;
    int rc = charge ? tmpfs_charge(t) : 0;
    if (rc != 0)
        return rc;
    struct timestamp now = vfs_now();
    rc = enter(dir, name, length, target, now);
    bool first = rc == 0 && node_link(target, 1, now) == 0;
    /* Another link or unlink may have come in between. */
    if (charge && (rc != 0 || first))
        tmpfs_uncharge(t);
    else if (!charge && rc == 0 && !first)
        tmpfs_charge_more(t);
    return rc;
}

/* An inode loses a name (a directory both of its own links, and its parent the one of
 * ..). */
static void
lose_link(struct inode *dir, struct inode *i, struct timestamp now)
{
    if (i->type == IT_DIR)
        node_link(dir, -1, now);
    node_link(i, i->type == IT_DIR ? -(i32)i->nlink : -1, now);
}

static int
may_leave(const struct dirent *e, bool directory)
{
    if (!e)
        return -E_NOENT;
    if (directory && e->inode->type != IT_DIR)
        return -E_NOTDIR;
    if (!directory && e->inode->type == IT_DIR)
        return -E_ISDIR;
    return directory && node_of(e->inode)->dir.count ? -E_NOTEMPTY : 0;
}

static int
dir_unlink(struct inode *dir, const char *name, u32 length, bool directory)
{
    struct dirent **at = dir_find(dir_of(dir), name, length);
    int rc = may_leave(at != NULL ? *at : NULL, directory);
    if (rc != 0)
        return rc;
    struct inode *i = (*at)->inode;
    struct timestamp now = vfs_now();
    dir_remove(dir_of(dir), at);
    dir_changed(dir, now);
    lose_link(dir, i, now);
    return 0;
}

static void
swap_entries(struct inode *from, struct dirent *a, struct inode *to, struct dirent *b,
             struct timestamp now)
{
    struct inode *moved = a->inode;
    if (from != to && a->inode->type != b->inode->type) {
        /* A directory moves from one to the other, and .. with it. */
        if (a->inode->type == IT_DIR) {
            node_link(from, -1, now);
            node_link(to, 1, now);
        } else if (b->inode->type == IT_DIR) {
            node_link(to, -1, now);
            node_link(from, 1, now);
        }
    }
    a->inode = b->inode;
    b->inode = moved;
    a->inode->ctime = b->inode->ctime = now;
    dir_changed(from, now);
    dir_changed(to, now);
}

/* The entry b stays, what it names changes: readers see the name without a break. */
static int
replace(struct inode *from, struct dirent **at, struct inode *to, struct dirent *b,
        struct timestamp now)
{
    struct inode *moved = (*at)->inode, *old = b->inode;
    int rc = may_leave(b, moved->type == IT_DIR);
    if (rc != 0)
        return rc;
    b->inode = moved;
    dir_remove(dir_of(from), at);
    lose_link(to, old, now);
    return 0;
}

/* To a name that is free. */
static int
move(struct inode *from, struct dirent **at, struct inode *to, const char *name,
     u32 length)
{
    if (length > NAME_MAX_BYTES)
        return -E_NAMETOOLONG;
    if (from == to)
        return dir_rename_entry(dir_of(from), at, name, length);
    struct inode *moved = (*at)->inode;
    if (to->nlink == 0)
        return -E_NOENT;
    int rc = dir_reserve(dir_of(to));
    if (rc != 0)
        return rc;
    struct dirent *e = dirent_new(name, length, moved);
    if (!e)
        return -E_NOMEM;
    dir_insert(dir_of(to), e);
    dir_remove(dir_of(from), at);
    return 0;
}

static int
dir_rename(struct inode *from, const char *name, u32 length, struct inode *to,
           const char *new_name, u32 new_length, u32 flags)
{
    struct dirent **at = dir_find(dir_of(from), name, length);
    struct dirent *a = at != NULL ? *at : NULL, *b = find(to, new_name, new_length);
    struct timestamp now = vfs_now();
    if (!a)
        return -E_NOENT;
    struct inode *moved = a->inode;
    if (moved == to)
        return -E_INVAL; /* into itself; the vfs knows the longer ways */
    if (flags & RENAME_SWAP) {
        if (b)
            swap_entries(from, a, to, b, now);
        return b ? 0 : -E_NOENT;
    }
    if (b && (flags & RENAME_NO_REPLACE))
        return -E_EXIST;
    if (b && b->inode == moved)
        return 0; /* two links to one file: POSIX says that nothing happens */
    int rc = b ? replace(from, at, to, b, now)
               : move(from, at, to, new_name, new_length);
    if (rc != 0)
        return rc;
    if (moved->type == IT_DIR && from != to) { /* .. moves with it */
        node_link(from, -1, now);
        node_link(to, 1, now);
    }
    dir_changed(from, now);
    dir_changed(to, now);
    moved->ctime = now;
    return 0;
}

static int
link_read(struct inode *i, char *to, u32 size)
{
    u32 n = MIN((u32)i->size, size);
    memcpy(to, node_of(i)->target, n);
    return (int)n;
}

const struct file_ops tmpfs_dir_ops = { .read = NULL };
const struct file_ops tmpfs_no_ops = { .read = NULL };
const struct inode_ops dir_inode_ops = {
    .lookup = dir_lookup,
    .create = dir_create,
    .symlink = dir_symlink,
    .link = dir_link,
    .unlink = dir_unlink,
    .rename = dir_rename,
    .list = dir_list,
    .tmpfile = dir_tmpfile,
    .getattr = tmpfs_getattr,
    .setattr = tmpfs_setattr,
    .release = tmpfs_release,
};
const struct inode_ops link_inode_ops = {
    .readlink = link_read,
    .getattr = tmpfs_getattr,
    .setattr = tmpfs_setattr,
    .release = tmpfs_release,
};
const struct inode_ops special_inode_ops = {
    .getattr = tmpfs_getattr,
    .setattr = tmpfs_setattr,
    .release = tmpfs_release,
};

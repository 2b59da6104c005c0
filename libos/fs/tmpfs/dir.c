/* SPDX-License-Identifier: MIT */
/*
 * Directories of tmpfs: a hash table for names, a tree by cookie for readers (T3).  The
 * vfs has checked rights, existence and emptiness of what it names, and holds the mutexes
 * (N2, N6 of vfs.h); what would break the structure is checked here again.
 * Costs: look-up, create, unlink, rename O(1) hash steps and O(log n) in the tree; list
 * O(log n) and then O(1) for each entry.
 */
#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "fs/tmpfs/private.h"

#define FIRST_BUCKETS 8u
#define NAME_MAX_BYTES 255u
#define LINKS_MAX 0x7fffffffu
#define ENTRY_SIZE 20u /* what an entry adds to a directory's size, as on Linux's tmpfs \
                        */

static u32
name_hash(const char *name, u32 length)
{
    u32 h = 2166136261u; /* FNV-1a */
    for (u32 i = 0; i < length; i++)
        h = (h ^ (u8)name[i]) * 16777619u;
    return h ^ h >> 15;
}

static int
by_cookie(const struct tree_node *a, const struct tree_node *b)
{
    u64 x = container_of(a, const struct dirent, node)->cookie,
        y = container_of(b, const struct dirent, node)->cookie;
    return x < y ? -1 : x > y;
}

static int
cookie_key(const void *key, const struct tree_node *n)
{
    u64 x = *(const u64 *)key, y = container_of(n, const struct dirent, node)->cookie;
    return x < y ? -1 : x > y;
}

void
dir_init(struct directory *d)
{
    *d = (struct directory){ .buckets = 0 };
    tree_init(&d->order, by_cookie);
}

static struct dirent **
find_link(struct directory *d, const char *name, u32 length, u32 hash)
{
    if (d->buckets == 0)
        return NULL;
    for (struct dirent **l = &d->bucket[hash & (d->buckets - 1)]; *l; l = &(*l)->next)
        if ((*l)->hash == hash && (*l)->length == length &&
            bytes_equal((*l)->name, name, length))
            return l;
    return NULL;
}

static struct dirent *
find(struct directory *d, const char *name, u32 length)
{
    struct dirent **l = find_link(d, name, length, name_hash(name, length));
    return l ? *l : NULL;
}

/* Make room for one more entry.  A table that cannot grow goes on with longer chains. */
static int
reserve(struct directory *d)
{
    if (d->count < d->buckets)
        return 0;
    u32 n = d->buckets ? d->buckets * 2 : FIRST_BUCKETS;
    struct dirent **bucket = heap_alloc_zeroed((size_t)n * sizeof(struct dirent *));
    if (!bucket)
        return d->buckets ? 0 : -E_NOMEM;
    for (u32 i = 0; i < d->buckets; i++) {
        for (struct dirent *e = d->bucket[i], *next; e; e = next) {
            next = e->next;
            e->next = bucket[e->hash & (n - 1)];
            bucket[e->hash & (n - 1)] = e;
        }
    }
    heap_free(d->bucket);
    d->bucket = bucket;
    d->buckets = n;
    return 0;
}

static struct dirent *
dirent_new(const char *name, u32 length, struct inode *inode)
{
    struct dirent *e = heap_alloc(sizeof(*e) + length);
    if (!e)
        return NULL;
    e->inode = inode;
    e->hash = name_hash(name, length);
    e->length = (u16)length;
    memcpy(e->name, name, length);
    return e;
}

/* After reserve(). */
static void
insert(struct directory *d, struct dirent *e)
{
    struct dirent **l = &d->bucket[e->hash & (d->buckets - 1)];
    e->next = *l;
    *l = e;
    e->cookie = d->next_cookie++;
    struct tree_node *there = tree_insert(&d->order, &e->node);
    ASSERT(!there);
    d->count++;
}

static void
erase(struct directory *d, struct dirent *e)
{
    struct dirent **l = find_link(d, e->name, e->length, e->hash);
    ASSERT(l && *l == e);
    *l = e->next;
    tree_remove(&d->order, &e->node);
    d->count--;
}

static void
dir_changed(struct inode *dir)
{
    dir->size = 2 * ENTRY_SIZE + (u64)node_of(dir)->dir.count * ENTRY_SIZE;
    dir->mtime = dir->ctime = vfs_now();
}

/* nlink of something that is linked from directories; T4: the last link's reference goes.
 * How many there were. */
static u32
add_link(struct inode *i, i32 change)
{
    struct tmpfs *t = node_of(i)->tmpfs;
    spin_lock(&t->links_lock);
    u32 before = i->nlink;
    i->nlink = (u32)((i32)i->nlink + change);
    i->ctime = vfs_now();
    u32 after = i->nlink;
    spin_unlock(&t->links_lock);
    if (change < 0 && after != 0 && i->type != IT_DIR)
        tmpfs_uncharge(t);
    if (before == 0 && after != 0)
        inode_hold(i);
    else if (before != 0 && after == 0)
        inode_release(i);
    return before;
}

/* Put all entries of a directory in front of a list, and leave it empty. */
static struct dirent *
take_entries(struct directory *d, struct dirent *list)
{
    for (u32 b = 0; b < d->buckets; b++) {
        for (struct dirent *e = d->bucket[b], *next; e; e = next) {
            next = e->next;
            e->next = list;
            list = e;
        }
    }
    heap_free(d->bucket);
    dir_init(d);
    return list;
}

/* Only when the file system is destroyed are there entries; a tree of any depth is taken
 * down without recursion. */
void
dir_free(struct node *n)
{
    struct dirent *list = take_entries(&n->dir, NULL);
    while (list) {
        struct dirent *e = list;
        struct inode *i = e->inode;
        list = e->next;
        if (i->type == IT_DIR)
            list = take_entries(&node_of(i)->dir, list);
        add_link(i, i->type == IT_DIR ? -(i32)i->nlink : -1);
        heap_free(e);
    }
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
    struct dirent *e = find(&node_of(dir)->dir, name, length);
    if (!e)
        return -E_NOENT;
    inode_hold(e->inode);
    *out = e->inode;
    return 0;
}

/* Enter an inode under a new name; nothing has changed on an error. */
static int
enter(struct inode *dir, const char *name, u32 length, struct inode *inode)
{
    struct directory *d = &node_of(dir)->dir;
    if (length > NAME_MAX_BYTES)
        return -E_NAMETOOLONG;
    if (dir->nlink == 0)
        return -E_NOENT; /* removed, and kept by those who are in it */
    if (find(d, name, length))
        return -E_EXIST;
    int rc = reserve(d);
    if (rc != 0)
        return rc;
    struct dirent *e = dirent_new(name, length, inode);
    if (!e)
        return -E_NOMEM;
    insert(d, e);
    if (inode->type == IT_DIR)
        add_link(dir, 1);
    dir_changed(dir);
    return 0;
}

static int
enter_new(struct inode *dir, const char *name, u32 length, struct node *n,
          struct inode **out)
{
    int rc = enter(dir, name, length, &n->inode);
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
    rc = enter(dir, name, length, target);
    bool first = rc == 0 && add_link(target, 1) == 0;
    /* Another link or unlink may have come in between. */
    if (charge && (rc != 0 || first))
        tmpfs_uncharge(t);
    else if (!charge && rc == 0 && !first)
        tmpfs_charge_more(t);
    return rc;
}

/* Take an entry out; its inode loses the link (a directory both of its own and its parent
 * the one of ..). */
static void
leave(struct inode *dir, struct dirent *e)
{
    struct inode *i = e->inode;
    erase(&node_of(dir)->dir, e);
    heap_free(e);
    dir_changed(dir);
    if (i->type == IT_DIR)
        add_link(dir, -1);
    add_link(i, i->type == IT_DIR ? -(i32)i->nlink : -1);
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
    struct dirent *e = find(&node_of(dir)->dir, name, length);
    int rc = may_leave(e, directory);
    if (rc == 0)
        leave(dir, e);
    return rc;
}

static void
swap_entries(struct inode *from, struct dirent *a, struct inode *to, struct dirent *b)
{
    struct inode *moved = a->inode;
    if (from != to && a->inode->type != b->inode->type) {
        /* A directory moves from one to the other, and .. with it. */
        if (a->inode->type == IT_DIR) {
            add_link(from, -1);
            add_link(to, 1);
        } else if (b->inode->type == IT_DIR) {
            add_link(to, -1);
            add_link(from, 1);
        }
    }
    a->inode = b->inode;
    b->inode = moved;
    a->inode->ctime = b->inode->ctime = vfs_now();
}

static int
dir_rename(struct inode *from, const char *name, u32 length, struct inode *to,
           const char *new_name, u32 new_length, u32 flags)
{
    struct dirent *a = find(&node_of(from)->dir, name, length);
    struct dirent *b = find(&node_of(to)->dir, new_name, new_length);
    if (!a)
        return -E_NOENT;
    if (a->inode == to)
        return -E_INVAL; /* into itself; the vfs knows the longer ways */
    if (flags & RENAME_SWAP) {
        if (!b)
            return -E_NOENT;
        swap_entries(from, a, to, b);
        dir_changed(from);
        dir_changed(to);
        return 0;
    }
    if (b && (flags & RENAME_NO_REPLACE))
        return -E_EXIST;
    if (b && b->inode == a->inode)
        return 0; /* two links to one file: POSIX says that nothing happens */
    struct inode *moved = a->inode;
    int rc = b ? may_leave(b, moved->type == IT_DIR) : 0;
    if (rc != 0)
        return rc;
    if (b) { /* the entry stays, what it names changes: readers see the name without a
                break */
        struct inode *old = b->inode;
        b->inode = moved;
        if (old->type == IT_DIR)
            add_link(to, -1);
        add_link(old, old->type == IT_DIR ? -(i32)old->nlink : -1);
        if (moved->type == IT_DIR)
            add_link(to, 1);
        dir_changed(to);
    } else {
        rc = enter(to, new_name, new_length, moved);
        if (rc != 0)
            return rc;
    }
    erase(&node_of(from)->dir, a);
    heap_free(a);
    if (moved->type == IT_DIR)
        add_link(from, -1);
    dir_changed(from);
    moved->ctime = vfs_now();
    return 0;
}

static int
dir_list(struct inode *dir, u64 offset, dirent_fn fn, void *arg)
{
    struct tree_node *n = tree_at_or_after(&node_of(dir)->dir.order, &offset, cookie_key);
    for (; n; n = tree_next(n)) {
        const struct dirent *e = container_of(n, struct dirent, node);
        if (!fn(arg, e->name, e->length, e->inode->ino, e->inode->type, e->cookie + 1))
            break;
    }
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

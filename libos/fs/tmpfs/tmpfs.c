/* SPDX-License-Identifier: MIT */
/* tmpfs: the file system, its inodes and their attributes. */
#include "fs/tmpfs/tmpfs.h"

#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/page.h"
#include "core/string.h"
#include "fs/tmpfs/private.h"
#include "vm/mm.h"

#define NAME_MAX_BYTES 255u

_Atomic u64 tmpfs_pages;
static _Atomic u64 tmpfs_inodes;

u64
tmpfs_limit(void)
{
    static u64 limit; /* every writer computes the same */
    if (limit == 0) {
        struct page_counts c;
        page_count(&c);
        limit = MAX(c.total / 2, 1);
    }
    return limit;
}

int
tmpfs_charge(struct tmpfs *t)
{
    u64 limit = __atomic_load_n(&t->limit_inodes, __ATOMIC_RELAXED);
    if (atomic_fetch_add_explicit(&t->charged, 1, memory_order_relaxed) < limit ||
        limit == 0)
        return 0;
    tmpfs_uncharge(t);
    return -E_NOSPC;
}

void
tmpfs_charge_more(struct tmpfs *t)
{
    atomic_fetch_add_explicit(&t->charged, 1, memory_order_relaxed);
}

void
tmpfs_uncharge(struct tmpfs *t)
{
    atomic_fetch_sub_explicit(&t->charged, 1, memory_order_relaxed);
}

int
node_new(struct tmpfs *t, enum inode_type type, u32 mode, u64 rdev,
         const struct cred *cred, struct node **out)
{
    int rc = tmpfs_charge(t);
    if (rc != 0)
        return rc;
    struct node *n = heap_alloc_zeroed(sizeof(*n));
    if (!n) {
        tmpfs_uncharge(t);
        return -E_NOMEM;
    }
    struct inode *i = &n->inode;
    inode_init(i, type);
    n->tmpfs = t;
    i->fs = &t->fs;
    i->ino = atomic_fetch_add_explicit(&t->next_ino, 1, memory_order_relaxed);
    i->rdev = rdev;
    i->mode = mode & 07777u;
    i->uid = cred ? cred->fsuid : 0;
    i->gid = cred ? cred->fsgid : 0;
    i->nlink = 1;
    i->atime = i->mtime = i->ctime = i->btime = vfs_now();
    i->file_ops = &tmpfs_no_ops;
    switch (type) {
    case IT_FILE:
        i->ops = &file_inode_ops;
        i->file_ops = &tmpfs_file_ops;
        break;
    case IT_DIR:
        i->ops = &dir_inode_ops;
        i->file_ops = &tmpfs_dir_ops;
        i->nlink = 2;
        i->size = 40;
        dir_init(&n->dir);
        break;
    case IT_LINK:
        i->ops = &link_inode_ops;
        break;
    case IT_CHAR:
    case IT_BLOCK:
    case IT_FIFO:
    case IT_SOCKET:
        i->ops = &special_inode_ops;
        break;
    }
    atomic_fetch_add_explicit(&tmpfs_inodes, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&t->inodes, 1, memory_order_relaxed);
    *out = n;
    return 0;
}

void
tmpfs_release(struct inode *i)
{
    struct node *n = node_of(i);
    struct tmpfs *t = n->tmpfs;
    if (i->type == IT_FILE)
        file_free(n);
    else if (i->type == IT_DIR)
        dir_free(n);
    else if (i->type == IT_LINK)
        heap_free(n->target);
    heap_free(n);
    tmpfs_uncharge(t);
    atomic_fetch_sub_explicit(&tmpfs_inodes, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&t->inodes, 1, memory_order_relaxed);
}

int
tmpfs_getattr(struct inode *i, struct vattr *out)
{
    u64 pages = 0;
    if (i->type == IT_FILE) {
        const struct contents *c = &node_of(i)->file;
        pages = c->own_pages + c->taken_pages;
        if (c->source) /* what lies in the archive counts as present */
            pages = MAX(pages, PAGE_UP(c->source_bytes) >> PAGE_SHIFT);
    }
    inode_attributes(i, out);
    out->blocks512 = pages * 8;
    return 0;
}

int
tmpfs_setattr(struct inode *i, const struct vattr *set, u32 which)
{
    struct timestamp now = vfs_now();
    if (which & VSET_SIZE) {
        if (i->type != IT_FILE)
            return i->type == IT_DIR ? -E_ISDIR : -E_INVAL;
        if ((set->size < i->size && (i->seals & SEAL_SHRINK) != 0) ||
            (set->size > i->size && (i->seals & SEAL_GROW) != 0))
            return -E_PERM;
        int rc = file_set_size(i, set->size);
        if (rc != 0)
            return rc;
        i->mtime = now;
    }
    if (which & VSET_MODE)
        i->mode = set->mode & 07777u;
    if (which & VSET_UID)
        i->uid = set->uid;
    if (which & VSET_GID)
        i->gid = set->gid;
    if (which & VSET_ATIME)
        i->atime = set->atime;
    if (which & VSET_MTIME)
        i->mtime = set->mtime;
    i->ctime = now;
    return 0;
}

static int
tmpfs_statfs(struct filesystem *fs, u64 out[8])
{
    const struct tmpfs *t = container_of(fs, struct tmpfs, fs);
    u64 used = atomic_load_explicit(&t->pages, memory_order_relaxed),
        names = atomic_load_explicit(&t->charged, memory_order_relaxed);
    out[0] = t->type != 0 ? t->type : STATFS_TMPFS;
    out[1] = PAGE_SIZE;
    out[2] = t->limit_pages;
    out[3] = out[4] = t->limit_pages > used ? t->limit_pages - used : 0;
    out[5] = t->limit_inodes;
    out[6] = t->limit_inodes > names ? t->limit_inodes - names : 0;
    out[7] = NAME_MAX_BYTES;
    return 0;
}

static void
tmpfs_destroy(struct filesystem *fs)
{
    struct tmpfs *t = container_of(fs, struct tmpfs, fs);
    ASSERT(atomic_load(&t->inodes) ==
           0); /* the vfs released the root, and that all the others */
    heap_free(t);
}

int
tmpfs_create(struct filesystem **out)
{
    struct node *root;
    struct tmpfs *t = heap_alloc_zeroed(sizeof(*t));
    if (!t)
        return -E_NOMEM;
    t->next_ino = 1;
    t->fs.name = "tmpfs";
    t->fs.statfs = tmpfs_statfs;
    t->fs.destroy = tmpfs_destroy;
    t->fs.keeps_xattrs = true;
    mutex_init(&t->fs.rename_mutex);
    int rc = node_new(t, IT_DIR, 0755, 0, NULL, &root);
    if (rc != 0) {
        heap_free(t);
        return rc;
    }
    t->fs.root = &root->inode;
    vm_shared_memory = tmpfs_shared_memory;
    *out = &t->fs;
    return 0;
}

/* ---- shared memory ---- */

int
tmpfs_shared_memory(u64 bytes, struct inode **out)
{
    static struct tmpfs hidden = { .next_ino = 1,
                                   .fs = { .name = "tmpfs", .keeps_xattrs = true },
                                   .links_lock = SPINLOCK_INIT };
    struct node *n;
    int rc = node_new(&hidden, IT_FILE, 0777, 0, NULL, &n);
    if (rc != 0)
        return rc;
    n->inode.nlink = 0;
    n->inode.size = bytes;
    *out = &n->inode;
    return 0;
}

void
tmpfs_count(struct tmpfs_counts *out)
{
    *out = (struct tmpfs_counts){ tmpfs_inodes, tmpfs_pages, tmpfs_limit() };
}

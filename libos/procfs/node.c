/* SPDX-License-Identifier: MIT */
/* Nodes: the inodes of /proc and /sys, made from tables of entries. */
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "proc/proc.h"
#include "procfs/private.h"

u64
node_ino(const struct entry *e, const struct subject *who, u64 number)
{
    /* Entries are constants of the image, so where they are tells them apart. */
    u64 low = ((u32)((uintptr_t)e >> 3) + (u32)number * 0x9e3779b1u) & 0x3fffffffu;
    if (e->group != 0)
        low = 0x80000000u | (u64)(e->group & 7) << 28 | (number & 0xfffffffu);
    u64 id = who == NULL ? 0 : (u64)subject_tid(who);
    /* A thread's files are not the process's. */
    u64 thread = who != NULL && who->tid != 0 ? 1ull << 52 : 0;
    return thread | id << 32 | low | (e->group != 0 ? 0 : 0x40000000u);
}

static void
set_owner(struct node *n)
{
    if (n->who.pid == 0)
        return;
    struct process *p = subject_get(&n->who);
    if (p == NULL)
        return;
    bool open_to_all = n->inode.type == IT_DIR && n->inode.mode == 0555;
    subject_owner(p, open_to_all, &n->inode.uid, &n->inode.gid);
    proc_release(p);
}

int
node_make(struct filesystem *fs, const struct entry *e, const struct subject *who,
          u64 number, struct inode **out)
{
    static const struct file_ops no_file_ops;
    struct node *n = heap_alloc_zeroed(sizeof *n);
    if (n == NULL)
        return -E_NOMEM;
    struct inode *i = &n->inode;
    inode_init(i, (enum inode_type)e->type);
    n->entry = e;
    n->number = number;
    if (who != NULL)
        n->who = *who;
    i->fs = fs;
    i->fleeting = who != NULL;
    i->ino = node_ino(e, who, number);
    i->mode = e->mode;
    i->nlink = e->type == IT_DIR ? 2 : 1;
    i->file_ops = &no_file_ops;
    i->ops = e->ops != NULL        ? e->ops
             : e->type == IT_DIR   ? &node_dir_ops
             : e->type == IT_LINK  ? &text_link_ops
                                   : &node_file_ops;
    i->atime = i->mtime = i->ctime = i->btime = vfs_now();
    set_owner(n);
    *out = i;
    return 0;
}

void
node_release(struct inode *i)
{
    heap_free(node_of(i));
}

static bool
name_is(const char *entry, const char *name, u32 length)
{
    return strncmp(entry, name, length) == 0 && entry[length] == '\0';
}

int
node_find(struct inode *dir, const struct entry *table, u32 count, const char *name,
          u32 length, const struct subject *who, u64 number, struct inode **out)
{
    for (u32 i = 0; i < count; i++)
        if (name_is(table[i].name, name, length))
            return node_make(dir->fs, &table[i], who, number, out);
    return -E_NOENT;
}

bool
node_list(struct inode *dir, const struct entry *table, u32 count, u64 first, u64 offset,
          dirent_fn fn, void *arg)
{
    const struct node *n = node_of(dir);
    const struct subject *who = n->who.pid != 0 ? &n->who : NULL;
    for (u64 at = MAX(first, offset); at < first + count; at++) {
        const struct entry *e = &table[at - first];
        if (!fn(arg, e->name, (u32)strlen(e->name), node_ino(e, who, n->number),
                (enum inode_type)e->type, at + 1))
            return false;
    }
    return true;
}

static int
dir_lookup(struct inode *dir, const char *name, u32 length, struct inode **out)
{
    struct node *n = node_of(dir);
    return node_find(dir, n->entry->children, n->entry->count, name, length,
                     n->who.pid != 0 ? &n->who : NULL, n->number, out);
}

static int
dir_list(struct inode *dir, u64 offset, dirent_fn fn, void *arg)
{
    const struct entry *e = node_of(dir)->entry;
    node_list(dir, e->children, e->count, 0, offset, fn, arg);
    return 0;
}

/* Whoever tries to make a name finds that there cannot be one. */
int
node_create(struct inode *dir, const char *name, u32 length, enum inode_type type,
            u32 mode, u64 rdev, const struct cred *cred, struct inode **out)
{
    (void)dir;
    (void)name;
    (void)length;
    (void)type;
    (void)mode;
    (void)rdev;
    (void)cred;
    (void)out;
    return -E_NOENT;
}

/* Nothing is stored anywhere, whatever size is shown. */
int
node_getattr(struct inode *i, struct vattr *out)
{
    inode_attributes(i, out);
    out->blocks512 = 0;
    out->blksize = 1024;
    return 0;
}

/* Truncation (the shell's `>`) changes nothing, as nothing is kept; modes and owners are
 * fixed. */
int
node_setattr(struct inode *i, const struct vattr *set, u32 which)
{
    if ((which & (VSET_MODE | VSET_UID | VSET_GID)) != 0)
        return -E_PERM;
    if ((which & VSET_ATIME) != 0)
        i->atime = set->atime;
    if ((which & VSET_MTIME) != 0)
        i->mtime = set->mtime;
    return 0;
}

bool
node_name_number(const char *name, u32 length, u64 *number)
{
    u64 v = 0;
    if (length == 0 || length > 10 || (name[0] == '0' && length > 1))
        return false;
    for (u32 i = 0; i < length; i++) {
        if (name[i] < '0' || name[i] > '9')
            return false;
        v = v * 10 + (u64)(name[i] - '0');
    }
    *number = v;
    return true;
}

u32
node_number_name(char to[24], u64 number)
{
    return (u32)format_text(to, 24, "%lu", number);
}

const struct inode_ops node_file_ops = {
    .open = view_open,
    .getattr = node_getattr,
    .setattr = node_setattr,
    .release = node_release,
};
const struct inode_ops node_dir_ops = {
    .lookup = dir_lookup,
    .list = dir_list,
    .create = node_create,
    .getattr = node_getattr,
    .setattr = node_setattr,
    .release = node_release,
};

/* ---- file systems ---- */

static int
tree_statfs(struct filesystem *fs, u64 out[8])
{
    memset(out, 0, 8 * sizeof out[0]);
    out[0] = (u64)(uintptr_t)fs->priv;
    out[1] = PAGE_SIZE;
    out[7] = 255;
    return 0;
}

int
tree_create(const char *name, u64 magic, const struct entry *root,
            struct filesystem **out)
{
    struct filesystem *fs = heap_alloc_zeroed(sizeof *fs);
    if (fs == NULL)
        return -E_NOMEM;
    fs->name = name;
    fs->statfs = tree_statfs;
    fs->priv = (void *)(uintptr_t)magic;
    mutex_init(&fs->rename_mutex);
    int r = node_make(fs, root, NULL, 0, &fs->root);
    if (r != 0) {
        heap_free(fs);
        return r;
    }
    fs->root->ino = 1;
    *out = fs;
    return 0;
}

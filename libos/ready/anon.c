/* SPDX-License-Identifier: MIT */
/* The inode of files that have neither a name nor a kind. */
#include "ready/ready.h"

#define ANON_INO 1024u

static int
anon_getattr(struct inode *i, struct vattr *out)
{
    *out = (struct vattr){
        .dev = vfs_rdev(0, 0xe),
        .ino = i->ino,
        .nlink = 1,
        .mode = i->mode,
        .blksize = (u32)PAGE_SIZE,
        .atime = i->atime,
        .mtime = i->mtime,
        .ctime = i->ctime,
        .btime = i->btime,
    };
    return 0;
}

/* Nobody changes what all share. */
static int
anon_setattr(struct inode *i, const struct vattr *set, u32 which)
{
    (void)i;
    (void)set;
    (void)which;
    return -E_NOTSUP;
}

/* There is nothing of it that could be opened once more, by a link in /proc/PID/fd. */
static int
anon_open(struct inode *i, struct file *f)
{
    (void)i;
    (void)f;
    return -E_NXIO;
}

static const struct inode_ops anon_ops = {
    .getattr = anon_getattr, .setattr = anon_setattr, .open = anon_open
};

struct inode *
anon_inode(void)
{
    static struct spinlock lock;
    static struct inode inode;
    static bool made;
    if (__atomic_load_n(&made, __ATOMIC_ACQUIRE))
        return &inode;
    spin_lock(&lock);
    if (!made) {
        inode_init(&inode, 0); /* its one reference is kept for ever */
        inode.ops = &anon_ops;
        inode.ino = ANON_INO;
        inode.mode = 0600;
        inode.nlink = 1;
        inode.atime = inode.mtime = inode.ctime = inode.btime = vfs_now();
        __atomic_store_n(&made, true, __ATOMIC_RELEASE);
    }
    spin_unlock(&lock);
    return &inode;
}

struct file *
anon_file(const struct file_ops *ops, u32 flags, void *priv)
{
    struct file *f = file_new(ops, anon_inode(), flags | OPEN_READ | OPEN_WRITE);
    if (f != NULL)
        f->priv = priv;
    return f;
}

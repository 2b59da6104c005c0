/* SPDX-License-Identifier: MIT */
/*
 * Open files: life, reading and writing at a position, seeking. The position of a file
 * that has one is changed under pos_mutex, so two reads through one open file do not see
 * the same bytes.
 */
#include "core/heap.h"
#include "core/log.h"
#include "core/page.h"
#include "pipe/pipe.h"
#include "fs/dev/dev.h"
#include "fs/tmpfs/tmpfs.h"
#include "vfs/dentry.h"
#include "vfs/locks.h"
#include "vfs/notify.h"

static void set_count_max(void);

void
vfs_init(void)
{
    set_count_max();
    dev_init();
    tmpfs_init();
}

void (*file_watchers_hook)(struct file *f);
void (*file_async_hook)(struct file *f, const struct fdtable *closing);

_Atomic u64 file_count;
u64 file_count_max = ~0ull;

/* A tenth of the memory, at 1 KiB for each file with what it keeps in use. */
static void
set_count_max(void)
{
    struct page_counts c;
    page_count(&c);
    file_count_max = MAX(c.total * PAGE_SIZE / 1024 / 10, 8192ull);
}

bool
file_table_full_for_me(void)
{
    const struct cred *cred = vfs_current_cred();
    return cred != NULL && !cred_can(cred, CAP_SYS_ADMIN);
}

struct file *
file_new(const struct file_ops *ops, struct inode *inode, u32 flags)
{
    struct file *f = heap_alloc_zeroed(sizeof *f);
    if (f == NULL)
        return NULL;
    atomic_fetch_add_explicit(&file_count, 1, memory_order_relaxed);
    atomic_init(&f->refs, 1);
    atomic_init(&f->flags, flags);
    f->ops = ops;
    f->inode = inode;
    if (inode != NULL)
        inode_hold(inode);
    mutex_init(&f->pos_mutex);
    return f;
}

void
file_hold(struct file *f)
{
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
}

void
file_release(struct file *f)
{
    if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (f->watchers != NULL)
        file_watchers_hook(f);
    if (f->async != NULL)
        file_async_hook(f, NULL);
    if (f->opened)
        notify_dentry(f->path.dentry, (f->flags & OPEN_WRITE) != 0
                                          ? NOTIFY_CLOSE_WRITE
                                          : NOTIFY_CLOSE_NOWRITE);
    if (f->inode != NULL && f->inode->locks != NULL)
        locks_drop_owner(f->inode, f);
    if (f->ops->release != NULL)
        f->ops->release(f);
    if (f->writes)
        file_end_writing(f);
    if (f->inode != NULL)
        inode_release(f->inode);
    path_release(&f->path); /* last: with it the file system may go */
    heap_free(f);
    atomic_fetch_sub_explicit(&file_count, 1, memory_order_relaxed);
}

bool
file_seekable(const struct file *f)
{
    return (f->ops->traits & FILE_STREAM) == 0 && (f->flags & OPEN_PATH) == 0;
}

#define DAY_SECONDS 86400

/* Is it known already whether the file was read since it was last changed, and on which
 * day?  ("relatime"; with that most reads cost a few comparisons.) */
static inline bool
atime_tells(u32 how, const struct inode *i)
{
    bool newer = i->atime.seconds > i->mtime.seconds ||
                 (i->atime.seconds == i->mtime.seconds && i->atime.ns > i->mtime.ns);
    return (how & MOUNT_RELATIME) != 0 && newer && i->atime.seconds >= i->ctime.seconds &&
           atomic_load_explicit(&vfs_recent_seconds, memory_order_relaxed) -
                   i->atime.seconds < DAY_SECONDS;
}

static __attribute__((noinline)) void
set_atime(u32 how, const struct mount *m, struct inode *i)
{
    if ((how & MOUNT_NO_ATIME) != 0 ||
        ((how & MOUNT_NO_DIR_ATIME) != 0 && i->type == IT_DIR))
        return;
    if (i->fs == NULL || mount_is_read_only(m) || i->ops->setattr == NULL)
        return;
    if (mutex_try(&i->mutex)) {
        i->atime = vfs_now();
        mutex_unlock(&i->mutex);
    }
}

/* The mount says how: not at all; always; or only when it tells something new. */
static inline void
touch_inode(const struct mount *m, struct inode *i)
{
    u32 how = m != NULL ? atomic_load_explicit(&m->flags, memory_order_relaxed)
                        : MOUNT_RELATIME;
    if (!atime_tells(how, i))
        set_atime(how, m, i);
}

void
vfs_touch_atime(const struct mount *m, struct inode *i)
{
    touch_inode(m, i);
}

static inline void
touch_atime(struct file *f)
{
    struct inode *i = f->inode;
    if (i == NULL || (i->type != IT_FILE && i->type != IT_DIR) ||
        (f->flags & OPEN_NOATIME) != 0)
        return;
    touch_inode(f->path.mount, i);
}

static inline __attribute__((always_inline)) i64
transfer(struct file *f, struct uio *u, u64 *pos,
         i64 (*op)(struct file *, struct uio *, u64 *))
{
    if ((f->ops->traits & FILE_STREAM) != 0)
        return pos != NULL ? -E_SPIPE : op(f, u, &f->pos);
    if (pos != NULL)
        return (i64)(*pos + u->left) < 0 ? -E_INVAL : op(f, u, pos);
    if ((f->ops->traits & FILE_UNLOCKED) != 0)
        return op(f, u, &f->pos);
    mutex_lock(&f->pos_mutex);
    i64 n = (i64)(f->pos + u->left) < 0 ? -E_INVAL : op(f, u, &f->pos);
    mutex_unlock(&f->pos_mutex);
    return n;
}

static inline i64
read_by(struct file *f, struct uio *u, u64 *pos,
        i64 (*op)(struct file *, struct uio *, u64 *))
{
    if ((f->flags & (OPEN_READ | OPEN_PATH)) != OPEN_READ)
        return -E_BADF;
    if (op == NULL)
        return f->inode != NULL && f->inode->type == IT_DIR ? -E_ISDIR : -E_INVAL;
    i64 n = transfer(f, u, pos, op);
    if (n <= 0)
        return n;
    if (notify_anyone())
        notify_dentry(f->path.dentry, NOTIFY_ACCESS);
    if ((f->ops->traits & (FILE_STREAM | FILE_UNLOCKED)) == 0)
        touch_atime(f);
    return n;
}

i64
file_read(struct file *f, struct uio *u, u64 *pos)
{
    return read_by(f, u, pos, f->ops->read);
}

i64
file_lend(struct file *f, struct uio *u, u64 *pos)
{
    return f->ops->lend == NULL ? -E_NOTSUP : read_by(f, u, pos, f->ops->lend);
}

i64
file_write(struct file *f, struct uio *u, u64 *pos)
{
    if ((f->flags & (OPEN_WRITE | OPEN_PATH)) != OPEN_WRITE)
        return -E_BADF;
    if (f->ops->write == NULL)
        return -E_INVAL;
    if (!notify_anyone())
        return transfer(f, u, pos, f->ops->write);
    i64 n = transfer(f, u, pos, f->ops->write);
    if (n > 0)
        notify_dentry(f->path.dentry, NOTIFY_MODIFY);
    return n;
}

i64
file_ioctl(struct file *f, u32 request, uaddr arg)
{
    if ((f->flags & OPEN_PATH) != 0)
        return -E_BADF;
    return f->ops->ioctl != NULL ? f->ops->ioctl(f, request, arg) : -E_NOTTY;
}

/* Where `whence` is, for files with a size and no holes that we know of. */
static i64
seek_base(struct file *f, i64 offset, int whence)
{
    u64 size = f->inode != NULL ? f->inode->size : 0;
    switch (whence) {
    case 0:
        return 0;
    case 1:
        return (i64)f->pos;
    case 2:
        return (i64)size;
    case 3:
        return offset < 0 || (u64)offset >= size ? -E_NXIO : 0;
    case 4:
        return offset < 0 || (u64)offset >= size ? -E_NXIO : (i64)size - offset;
    default:
        return -E_INVAL;
    }
}

i64
file_seek(struct file *f, i64 offset, int whence)
{
    i64 to;
    if ((f->flags & OPEN_PATH) != 0)
        return -E_BADF;
    if (!file_seekable(f))
        return -E_SPIPE;
    mutex_lock(&f->pos_mutex);
    if (f->ops->seek != NULL) {
        to = f->ops->seek(f, offset, whence);
    } else {
        /* its positions are cookies: they have no end */
        bool is_dir = f->inode != NULL && f->inode->type == IT_DIR;
        i64 base = is_dir && whence > 1 ? -E_INVAL : seek_base(f, offset, whence);
        if (base < 0)
            to = base;
        else if (__builtin_add_overflow(base, offset, &to))
            to = -E_OVERFLOW;
        else if (to < 0)
            to = -E_INVAL;
    }
    if (to >= 0)
        f->pos = (u64)to;
    mutex_unlock(&f->pos_mutex);
    return to;
}

/* ---- directories ---- */

static u64
parent_ino(const struct file *dir)
{
    u64 ino = dir->inode->ino;
    spin_lock(&dentry_lock);
    const struct dentry *d = dir->path.dentry;
    const struct mount *m = dir->path.mount;
    while (d != NULL && m != NULL && d == m->root && m->point.dentry != NULL) {
        d = m->point.dentry;
        m = m->point.mount;
    }
    if (d != NULL && d->parent != NULL)
        ino = d->parent->inode->ino;
    spin_unlock(&dentry_lock);
    return ino;
}

int
vfs_list(struct file *dir, u64 offset, dirent_fn fn, void *arg)
{
    struct inode *i = dir->inode;
    if (i == NULL || i->type != IT_DIR || i->ops->list == NULL)
        return -E_NOTDIR;
    if (offset == 0) {
        if (!fn(arg, ".", 1, i->ino, IT_DIR, 1ull - DIR_DOTS))
            return 0;
        offset = 1;
    }
    if (offset == 1) {
        if (!fn(arg, "..", 2, parent_ino(dir), IT_DIR, 2ull - DIR_DOTS))
            return 0;
        offset = DIR_DOTS;
    }
    mutex_lock(&i->mutex);
    int r = dir->path.dentry != NULL && dir->path.dentry->dead
                ? -E_NOENT
                : i->ops->list(i, offset - DIR_DOTS, fn, arg);
    mutex_unlock(&i->mutex);
    if (r == 0) {
        touch_atime(dir);
        notify_dentry(dir->path.dentry, NOTIFY_ACCESS);
    }
    return r;
}

/* SPDX-License-Identifier: MIT */
/*
 * The file system of POSIX message queues: one directory, whose files are the queues. Names
 * are made by mq_open, or by open(2) where it is mounted; then a queue has the default size.
 *
 * F1. The directory's mutex guards its trees, by name and by number.
 * F2. A queue has one reference for its name (N5 of vfs/vfs.h).
 * F3. `making` says what size the thread that holds `make` wants; others that create files
 *     meanwhile do not see it.
 * Locks: make, then the directory's mutex, then a queue's lock.
 */
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "core/thread.h"
#include "ipc/mq_private.h"
#include "vfs/mount.h"

#define STATFS_TYPE 0x19800202u
#define ROOT_INO 1u
#define ENTRY_BYTES 20u /* what Linux counts for a name in the directory's size */
#define SHOWN_BYTES 80u /* a queue's file is as long as Linux says */

_Atomic u32 mq_queues_max = 256;

static struct filesystem mq_filesystem;
static struct inode root;
static struct tree names, numbers; /* F1 */
static u32 queues;                 /* F1 */
static u64 next_number;            /* F1 */
static struct path root_path;      /* of a mount that nobody sees; made by mq_init */
static struct mutex make = MUTEX_INIT(make);
static struct {
    _Atomic(struct thread *) by; /* F3 */
    const struct mq_size *size;
} making;

static struct mq *
mq_of(struct inode *i)
{
    return container_of(i, struct mq, inode);
}

/* ---- the trees ---- */

struct key {
    const char *name;
    u32 length;
};

static int
compare_text(const struct key *a, const struct mq *b)
{
    int r = memcmp(a->name, b->name, MIN(a->length, b->length));
    return r != 0 ? r : (a->length > b->length) - (a->length < b->length);
}

static struct mq *
named(const struct tree_node *n)
{
    return container_of((struct tree_node *)(uintptr_t)n, struct mq, by_name);
}

static struct mq *
numbered(const struct tree_node *n)
{
    return container_of((struct tree_node *)(uintptr_t)n, struct mq, by_number);
}

static int
compare_names(const struct tree_node *a, const struct tree_node *b)
{
    return compare_text(&(struct key){ named(a)->name, named(a)->length }, named(b));
}

static int
compare_name(const void *key, const struct tree_node *n)
{
    return compare_text(key, named(n));
}

static int
compare_numbers(const struct tree_node *a, const struct tree_node *b)
{
    u64 x = numbered(a)->number, y = numbered(b)->number;
    return (x > y) - (x < y);
}

static int
compare_number(const void *key, const struct tree_node *n)
{
    u64 x = *(const u64 *)key, y = numbered(n)->number;
    return (x > y) - (x < y);
}

static struct mq *
find(const char *name, u32 length)
{
    struct tree_node *n = tree_find(&names, &(struct key){ name, length }, compare_name);
    return n != NULL ? named(n) : NULL;
}

/* ---- files ---- */

static i64
queue_read(struct file *f, struct uio *u, u64 *pos)
{
    char text[SHOWN_BYTES + 1];
    u32 length = mq_show(mq_of(f->inode), text, sizeof text);
    u64 at = *pos, bytes = at < length ? MIN(u->left, length - at) : 0;
    int r = bytes != 0 ? uio_put(u, text + at, bytes) : 0;
    if (r == 0)
        *pos = at + bytes;
    return r != 0 ? r : (i64)bytes;
}

static u32
queue_poll(struct file *f, struct poll_table *t)
{
    return mq_poll(mq_of(f->inode), t);
}

static void
queue_flush(struct file *f)
{
    mq_note_remove(mq_of(f->inode));
}

static const struct file_ops queue_file_ops = {
    .read = queue_read,
    .poll = queue_poll,
    .flush = queue_flush,
};
static const struct file_ops root_file_ops = { .read = NULL };

struct mq *
mq_of_file(const struct file *f)
{
    return f->ops == &queue_file_ops ? mq_of(f->inode) : NULL;
}

/* ---- inodes ---- */

static int
any_getattr(struct inode *i, struct vattr *out)
{
    inode_attributes(i, out);
    out->blocks512 = 0;
    return 0;
}

/* A size is taken, and means nothing: what a queue holds is never bytes of a file. */
static int
any_setattr(struct inode *i, const struct vattr *set, u32 which)
{
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
    i->ctime = vfs_now();
    return 0;
}

static void
queue_release(struct inode *i)
{
    mq_end(mq_of(i));
    heap_free(mq_of(i));
}

static const struct inode_ops queue_ops = {
    .getattr = any_getattr,
    .setattr = any_setattr,
    .release = queue_release,
};

static void
root_changed(i32 entries)
{
    queues += (u32)entries;
    root.size += (u64)((i64)entries * ENTRY_BYTES);
    root.mtime = root.ctime = vfs_now();
}

static int
root_lookup(struct inode *dir, const char *name, u32 length, struct inode **out)
{
    struct mq *q = find(name, length);
    (void)dir;
    if (q == NULL)
        return -E_NOENT;
    inode_hold(&q->inode);
    *out = &q->inode;
    return 0;
}

static struct mq *
queue_new(const char *name, u32 length)
{
    struct mq *q = heap_alloc_zeroed(sizeof *q + length);
    if (q == NULL)
        return NULL;
    inode_init(&q->inode, IT_FILE);
    q->inode.refs = 2; /* F2, and the caller's */
    q->inode.ops = &queue_ops;
    q->inode.file_ops = &queue_file_ops;
    q->inode.fs = &mq_filesystem;
    q->inode.size = SHOWN_BYTES;
    q->inode.nlink = 1;
    q->inode.atime = q->inode.mtime = q->inode.ctime = q->inode.btime = vfs_now();
    q->length = length;
    memcpy(q->name, name, length);
    mq_begin(q);
    return q;
}

static int
root_create(struct inode *dir, const char *name, u32 length, enum inode_type type,
            u32 mode, u64 rdev, const struct cred *c, struct inode **out)
{
    struct mq_size size = { MIN(mq_count_default, mq_count_max),
                            MIN(mq_bytes_default, mq_bytes_max) };
    bool asked = making.by == thread_current();
    const struct mq_size *wanted = asked && making.size != NULL ? making.size : &size;
    (void)dir;
    (void)rdev;
    if (type != IT_FILE)
        return -E_PERM;
    if (queues >= mq_queues_max && !cred_can(c, CAP_SYS_RESOURCE))
        return -E_NOSPC;
    struct mq *q = queue_new(name, length);
    if (q == NULL)
        return -E_NOMEM;
    i64 accounted = mq_account(c, wanted);
    if (accounted < 0) {
        heap_free(q);
        return (int)accounted;
    }
    q->accounted = (u64)accounted;
    q->payer = c->euid;
    q->size = *wanted;
    q->inode.mode = mode;
    q->inode.uid = c->fsuid;
    q->inode.gid = c->fsgid;
    q->number = next_number++;
    q->inode.ino = ROOT_INO + 1 + q->number;
    (void)tree_insert(&names, &q->by_name); /* the mutex is held: it is not there */
    (void)tree_insert(&numbers, &q->by_number);
    root_changed(1);
    *out = &q->inode;
    return 0;
}

static int
root_unlink(struct inode *dir, const char *name, u32 length, bool directory)
{
    struct mq *q = find(name, length);
    (void)dir;
    if (q == NULL)
        return -E_NOENT;
    if (directory)
        return -E_NOTDIR;
    tree_remove(&names, &q->by_name);
    tree_remove(&numbers, &q->by_number);
    root_changed(-1);
    q->inode.nlink = 0;
    q->inode.ctime = vfs_now();
    inode_release(&q->inode);
    return 0;
}

static int
root_list(struct inode *dir, u64 offset, dirent_fn fn, void *arg)
{
    struct tree_node *n = tree_at_or_after(&numbers, &offset, compare_number);
    (void)dir;
    for (; n != NULL; n = tree_next(n)) {
        const struct mq *q = numbered(n);
        if (!fn(arg, q->name, q->length, q->inode.ino, IT_FILE, q->number + 1))
            break;
    }
    return 0;
}

static void
root_release(struct inode *i)
{
    (void)i; /* it is there for ever */
}

static const struct inode_ops root_ops = {
    .lookup = root_lookup,
    .create = root_create,
    .unlink = root_unlink,
    .list = root_list,
    .getattr = any_getattr,
    .setattr = any_setattr,
    .release = root_release,
};

/* ---- by name ---- */

static int
check_name(const char *name)
{
    if (name[0] == '\0')
        return -E_NOENT;
    return strchr(name, '/') != NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0
               ? -E_ACCES
               : 0;
}

/* What is there is opened first: fs.protected_regular is not for queues. */
static int
open_or_make(const struct mq_open_args *a, u32 flags, struct file **out)
{
    struct walk w = { .context = a->context, .cred = a->cred, .start = root_path };
    if ((flags & OPEN_CREATE) == 0)
        return vfs_open(&w, a->name, flags, 0, out);
    mutex_lock(&make);
    making.size = a->size;
    making.by = thread_current();
    int r = vfs_open(&w, a->name, flags | OPEN_EXCL, a->mode, out);
    making.by = NULL;
    mutex_unlock(&make);
    return r;
}

int
mq_open(const struct mq_open_args *a, struct file **out)
{
    u32 plain = a->flags & ~(OPEN_CREATE | OPEN_EXCL);
    int r = check_name(a->name);
    if (r != 0)
        return r;
    for (;;) {
        r = (a->flags & OPEN_EXCL) == 0 || plain == a->flags ? open_or_make(a, plain, out)
                                                             : -E_NOENT;
        if (r != -E_NOENT || (a->flags & OPEN_CREATE) == 0)
            return r;
        r = open_or_make(a, a->flags, out);
        if (r != -E_EXIST || (a->flags & OPEN_EXCL) != 0)
            return r;
    }
}

int
mq_unlink(struct fs_context *context, const struct cred *cred, const char *name)
{
    struct walk w = { .context = context, .cred = cred, .start = root_path };
    int r = check_name(name);
    return r != 0 ? r : vfs_unlink(&w, name, false);
}

/* ---- the file system ---- */

static int
mq_statfs(struct filesystem *fs, u64 out[8])
{
    (void)fs;
    memset(out, 0, 8 * sizeof out[0]);
    out[0] = STATFS_TYPE;
    out[1] = PAGE_SIZE;
    out[7] = 255;
    return 0;
}

/* Whoever mounts it mounts the one that there is. */
static int
mq_make(const struct fs_type *type, const char *data, struct filesystem **out)
{
    (void)type;
    (void)data;
    *out = &mq_filesystem;
    return 0;
}

void
mq_init(void)
{
    static struct fs_type type = { .name = "mqueue", .make = mq_make };
    tree_init(&names, compare_names);
    tree_init(&numbers, compare_numbers);
    inode_init(&root, IT_DIR);
    root.refs = 1;
    root.ops = &root_ops;
    root.file_ops = &root_file_ops;
    root.fs = &mq_filesystem;
    root.ino = ROOT_INO;
    root.mode = 01777;
    root.nlink = 2;
    root.size = 2 * ENTRY_BYTES;
    root.atime = root.mtime = root.ctime = root.btime = vfs_now();
    mq_filesystem.name = type.name;
    mq_filesystem.root = &root;
    mq_filesystem.statfs = mq_statfs;
    mq_filesystem.no_devices = mq_filesystem.no_exec = true;
    mutex_init(&mq_filesystem.rename_mutex);
    fs_type_register(&type);
    if (vfs_mount_hidden(&mq_filesystem, &root_path) != 0)
        log_error("no memory for the file system of message queues");
}

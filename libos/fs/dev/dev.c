/* SPDX-License-Identifier: MIT */
/* The registry of character devices and the nodes of /dev. */
#include "fs/dev/dev.h"

#include "core/log.h"
#include "core/string.h"
#include "fs/dev/memory.h"
#include "fs/tmpfs/tmpfs.h"
#include "vfs/mount.h"

static struct device *devices; /* C1 */
bool (*dev_caller_is_root)(void);

void
dev_register(struct device *d)
{
    ASSERT(dev_find(d->rdev) == NULL);
    struct device **at = &devices;
    while (*at != NULL)
        at = &(*at)->next;
    d->next = NULL;
    *at = d;
}

struct device *
dev_find(u64 rdev)
{
    for (struct device *d = devices; d != NULL; d = d->next)
        if (d->rdev == rdev)
            return d;
    return NULL;
}

int
dev_open(struct inode *i, struct file *f)
{
    struct device *d = dev_find(i->rdev);
    if (d == NULL)
        return -E_NXIO;
    f->ops = d->ops;
    f->priv = d;
    return d->open != NULL ? d->open(d, i, f) : 0;
}

static int
make_node(struct inode *dir, const struct device *d)
{
    const struct cred root = { .refs = 1, .fsgid = d->gid, .effective = CAPS_ALL };
    u32 length = (u32)strlen(d->name);
    struct inode *i;
    int r = dir->ops->lookup(dir, d->name, length, &i);
    if (r == -E_NOENT)
        r = dir->ops->create(dir, d->name, length, IT_CHAR, d->mode, d->rdev, &root, &i);
    if (r == 0)
        inode_release(i);
    return r;
}

/* What belongs into /dev beside devices: the links that programs count on, and places to
 * mount on. */
static int
make_others(struct inode *dir)
{
    static const struct cred root = { .refs = 1, .effective = CAPS_ALL };
    static const struct {
        const char *name, *target; /* NULL: a directory */
    } other[] = { { "fd", "/proc/self/fd" },         { "stdin", "/proc/self/fd/0" },
                  { "stdout", "/proc/self/fd/1" },   { "stderr", "/proc/self/fd/2" },
                  { "pts", NULL },                   { "shm", NULL } };
    int r = 0;

    for (unsigned n = 0; n < ARRAY_SIZE(other) && r == 0; n++) {
        u32 length = (u32)strlen(other[n].name);
        struct inode *i = NULL;
        r = dir->ops->lookup(dir, other[n].name, length, &i);
        if (r == -E_NOENT && other[n].target != NULL)
            r = dir->ops->symlink(dir, other[n].name, length, other[n].target, &root);
        else if (r == -E_NOENT)
            r = dir->ops->create(dir, other[n].name, length, IT_DIR,
                                 other[n].name[0] == 's' ? 01777 : 0755, 0, &root, &i);
        if (i != NULL)
            inode_release(i);
    }
    return r;
}

int
dev_fill(struct inode *dir)
{
    int r = 0;
    if (dir->ops->create == NULL || dir->ops->lookup == NULL ||
        dir->ops->symlink == NULL)
        return -E_PERM;
    mutex_lock(&dir->mutex);
    for (const struct device *d = devices; d != NULL && r == 0; d = d->next)
        if (d->name != NULL)
            r = make_node(dir, d);
    if (r == 0)
        r = make_others(dir);
    mutex_unlock(&dir->mutex);
    return r;
}

int
dev_populate(void)
{
    struct walk w = { .cred = NULL };
    int r = vfs_mkdir(&w, "/dev", 0755);
    if (r != 0 && r != -E_EXIST)
        return r;
    w.flags = WALK_FOLLOW | WALK_DIRECTORY;
    r = path_walk(&w, "/dev");
    if (r != 0)
        return r;
    r = dev_fill(w.found.inode);
    path_release(&w.found);
    return r;
}

/* There is one for all mounts of it, made with the first, and it stays. */
static int
make_devtmpfs(const struct fs_type *type, const char *data, struct filesystem **out)
{
    static struct mutex lock = MUTEX_INIT(lock);
    static struct filesystem *shared;
    int r = 0;
    (void)data;
    mutex_lock(&lock);
    if (shared == NULL) {
        *out = NULL;
        r = tmpfs_create(out);
        if (r == 0)
            r = dev_fill((*out)->root);
        if (r == 0) {
            shared = *out;
            shared->name = type->name;
            shared->destroy = NULL;
        } else if (*out != NULL) {
            vfs_discard(*out);
        }
    }
    *out = shared;
    mutex_unlock(&lock);
    return r;
}

void
dev_init(void)
{
    static struct fs_type devtmpfs = { .name = "devtmpfs", .make = make_devtmpfs };
    dev_memory_init();
    dev_kmsg_init();
    dev_control_init();
    if (fs_type_find("devtmpfs") == NULL)
        fs_type_register(&devtmpfs);
}

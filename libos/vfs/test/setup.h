/* SPDX-License-Identifier: MIT */
/* For tests of the vfs: a machine with a tmpfs as root, and short names for the calls. */
#ifndef LIBOS_VFS_TEST_SETUP_H
#define LIBOS_VFS_TEST_SETUP_H

#include <string.h>

#include "core/host/host.h"
#include "core/test/check.h"
#include "fs/tmpfs/tmpfs.h"
#include "vfs/mount.h"
#include "vm/mm.h"

static struct fs_context *context; /* of the tests: root and cwd at first / */
static const struct cred *who;     /* NULL: root */
static const struct cred user_1000 = { .refs = 1,
                                       .uid = 1000,
                                       .euid = 1000,
                                       .fsuid = 1000,
                                       .gid = 1000,
                                       .egid = 1000,
                                       .fsgid = 1000 };

static inline void
setup_root(void)
{
    struct filesystem *fs;
    host_init(64);
    vm_init();
    vfs_init();
    CHECK(tmpfs_create(&fs) == 0);
    CHECK(vfs_mount_root(fs) == 0);
    context = fs_context_new();
    CHECK(context != NULL);
    context->umask = 0;
}

static inline struct walk
from_here(u32 flags)
{
    return (struct walk){ .context = context, .cred = who, .flags = flags };
}
static inline int
do_open(const char *path, u32 flags, u32 mode, struct file **out)
{
    struct walk w = from_here(0);
    return vfs_open(&w, path, flags, mode, out);
}
/* Open and close again: what open says. */
static inline int
try_open(const char *path, u32 flags, u32 mode)
{
    struct file *f;
    int r = do_open(path, flags, mode, &f);
    if (r == 0)
        file_release(f);
    return r;
}
static inline int
do_mkdir(const char *path, u32 mode)
{
    struct walk w = from_here(0);
    return vfs_mkdir(&w, path, mode);
}
static inline int
do_unlink(const char *path, bool directory)
{
    struct walk w = from_here(0);
    return vfs_unlink(&w, path, directory);
}
static inline int
do_symlink(const char *target, const char *path)
{
    struct walk w = from_here(0);
    return vfs_symlink(&w, path, target);
}
static inline int
do_rename(const char *from, const char *to, u32 flags)
{
    struct walk a = from_here(0), b = from_here(0);
    return vfs_rename(&a, from, &b, to, flags);
}
static inline int
do_link(const char *from, const char *to)
{
    struct walk a = from_here(0), b = from_here(0);
    int r = path_walk(&a, from);
    if (r == 0) {
        r = vfs_link(&b, to, &a.found);
        path_release(&a.found);
    }
    return r;
}
static inline int
do_stat(const char *path, bool follow, struct vattr *out)
{
    struct walk w = from_here(follow ? WALK_FOLLOW : 0);
    int r = path_walk(&w, path);
    if (r == 0) {
        r = vfs_getattr(w.found.inode, out);
        path_release(&w.found);
    }
    return r;
}
static inline int
do_chdir(const char *path)
{
    struct walk w = from_here(WALK_FOLLOW | WALK_DIRECTORY);
    int r = path_walk(&w, path);
    if (r == 0) {
        r = vfs_chdir(context, who, &w.found);
        path_release(&w.found);
    }
    return r;
}
static inline int
mount_on(struct filesystem *fs, const char *path)
{
    struct walk w = from_here(WALK_FOLLOW);
    int r = path_walk(&w, path);
    if (r == 0) {
        r = vfs_mount_at(fs, &w.found, MOUNT_RELATIME, NULL);
        path_release(&w.found);
    }
    return r;
}
static inline i64
put_text(struct file *f, const char *text)
{
    struct uio u;
    uio_libos(&u, (void *)(uintptr_t)text, strlen(text));
    return file_write(f, &u, NULL);
}
static inline i64
get_text(struct file *f, char *to, u64 size)
{
    struct uio u;
    uio_libos(&u, to, size);
    return file_read(f, &u, NULL);
}

#endif

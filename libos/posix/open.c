/* SPDX-License-Identifier: MIT */
/* open(2) and its relatives, memfd_create. */
#include "core/heap.h"
#include "core/string.h"
#include "fs/tmpfs/tmpfs.h"
#include "posix/files.h"
#include "vfs/mount.h"

#define O_TMPFILE_LINUX 020200000u
#define O_DIRECTORY_LINUX 0200000u
#define O_CREAT_LINUX 0100u

static i64
open_at(u64 dirfd, uaddr path, u64 linux_flags, u32 mode)
{
    struct at_arg a;
    struct file *file;
    u32 flags = open_flags_from_linux(linux_flags);
    if ((flags & OPEN_TMPFILE) != 0 && (linux_flags & O_TMPFILE_LINUX) != O_TMPFILE_LINUX)
        return -E_INVAL;
    int r = at_arg_get(&a, dirfd, path, 0);
    if (r != 0)
        return r;
    struct fdtable *t = proc_current()->files;
    int fd = fd_reserve(t, 0);
    if (fd >= 0) {
        r = vfs_open(&a.walk, a.path.text, flags, mode & 07777u, &file);
        if (r == 0) {
            fd_fill(t, fd, file, (flags & OPEN_CLOEXEC) != 0);
        } else {
            fd_unreserve(t, fd);
            fd = r;
        }
    }
    at_arg_done(&a);
    return fd;
}

long
sys_open(struct user_frame *f)
{
    return open_at((u64)AT_FDCWD, SYS_ARG0(f), (u32)SYS_ARG1(f), (u32)SYS_ARG2(f));
}

long
sys_openat(struct user_frame *f)
{
    return open_at(SYS_ARG0(f), SYS_ARG1(f), (u32)SYS_ARG2(f), (u32)SYS_ARG3(f));
}

long
sys_creat(struct user_frame *f)
{
    return open_at((u64)AT_FDCWD, SYS_ARG0(f), 01u | O_CREAT_LINUX | 01000u,
                   (u32)SYS_ARG1(f));
}

struct linux_open_how {
    u64 flags, mode, resolve;
};

/* A longer structure is one of the future: it must be zero where we do not know it. */
static int
how_from_user(struct linux_open_how *how, uaddr at, u64 size)
{
    u64 word = 0;
    if (size < sizeof *how)
        return -E_INVAL;
    if (size > PAGE_SIZE)
        return -E_2BIG;
    int r = copy_from_user(how, at, sizeof *how);
    for (u64 i = sizeof *how; r == 0 && i < size; i += sizeof word) {
        word = 0;
        r = copy_from_user(&word, at + i, MIN(sizeof word, size - i));
        if (r == 0 && word != 0)
            r = -E_2BIG;
    }
    return r;
}

long
sys_openat2(struct user_frame *f)
{
    struct linux_open_how how;
    int r = how_from_user(&how, SYS_ARG2(f), SYS_ARG3(f));
    if (r != 0)
        return r;
    bool may_create = (how.flags &
                       (O_CREAT_LINUX | (O_TMPFILE_LINUX & ~O_DIRECTORY_LINUX))) != 0;
    if ((how.flags & ~037777703ull) != 0 || how.resolve != 0 ||
        (how.mode & ~07777ull) != 0 || (how.mode != 0 && !may_create))
        return -E_INVAL;
    return open_at(SYS_ARG0(f), SYS_ARG1(f), how.flags, (u32)how.mode);
}

/* ---- files without a name ---- */

#define MFD_CLOEXEC 0x1u
#define MFD_ALLOW_SEALING 0x2u
#define MFD_NAME_MAX 249u

/* They live in a tmpfs of their own that is mounted nowhere. */
static struct filesystem *
memfd_filesystem(void)
{
    static struct spinlock lock;
    static struct filesystem *shared;
    struct filesystem *fs = __atomic_load_n(&shared, __ATOMIC_ACQUIRE);
    if (fs != NULL)
        return fs;
    if (tmpfs_create(&fs) != 0)
        return NULL;
    fs->dev = vfs_rdev(0, 1);
    spin_lock(&lock);
    if (shared == NULL) {
        __atomic_store_n(&shared, fs, __ATOMIC_RELEASE);
        fs = NULL;
    }
    spin_unlock(&lock);
    if (fs != NULL)
        vfs_discard(fs);
    return shared;
}

static int
memfd_new(struct file **out)
{
    struct filesystem *fs = memfd_filesystem();
    struct inode *i, *dir;
    if (fs == NULL)
        return -E_NOMEM;
    dir = fs->root;
    mutex_lock(&dir->mutex);
    int r = dir->ops->create(dir, "memfd", 5, IT_FILE, 0777, 0, proc_current()->cred, &i);
    if (r == 0 && dir->ops->unlink(dir, "memfd", 5, false) != 0)
        r = -E_NOMEM;
    mutex_unlock(&dir->mutex);
    if (r != 0)
        return r;
    *out = file_new(i->file_ops, i, OPEN_READ | OPEN_WRITE);
    if (*out != NULL && i->ops->open != NULL)
        r = i->ops->open(i, *out);
    inode_release(i);
    return *out == NULL ? -E_NOMEM : r;
}

long
sys_memfd_create(struct user_frame *f)
{
    char name[MFD_NAME_MAX + 1];
    struct file *file;
    if ((SYS_ARG1(f) & ~(u64)(MFD_CLOEXEC | MFD_ALLOW_SEALING)) != 0)
        return -E_INVAL;
    i64 n = copy_string_from_user(name, SYS_ARG0(f), sizeof name);
    if (n < 0)
        return n == -E_NAMETOOLONG ? -E_INVAL : n;
    int r = memfd_new(&file);
    if (r != 0)
        return r;
    int fd = fd_install(proc_current()->files, file, 0, (SYS_ARG1(f) & MFD_CLOEXEC) != 0);
    if (fd < 0)
        file_release(file);
    return fd;
}

/* SPDX-License-Identifier: MIT */
/* open(2) and its relatives, memfd_create. */
#include "core/heap.h"
#include "core/string.h"
#include "fs/tmpfs/tmpfs.h"
#include "posix/files.h"
#include "posix/strings.h"
#include "vfs/mount.h"

#define O_TMPFILE_LINUX 020200000u
#define O_DIRECTORY_LINUX 0200000u
#define O_CREAT_LINUX 0100u

static i64
open_at_restricted(u64 dirfd, uaddr path, u64 linux_flags, u32 mode, u32 walk_flags)
{
    struct at_arg a;
    struct file *file;
    u32 flags = open_flags_from_linux(linux_flags);
    if ((flags & OPEN_TMPFILE) != 0 && (linux_flags & O_TMPFILE_LINUX) != O_TMPFILE_LINUX)
        return -E_INVAL;
    int r = at_arg_get(&a, dirfd, path, walk_flags);
    if (r != 0)
        return r;
    /* Within a root of its own an absolute path begins at the directory, too. */
    if ((walk_flags & (WALK_IN_ROOT | WALK_BENEATH)) != 0 && a.path.text[0] == '/')
        r = at_arg_start(&a, dirfd);
    struct fdtable *t = files_own();
    int fd = r != 0 ? r : fd_reserve(t, 0);
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

static i64
open_at(u64 dirfd, uaddr path, u64 linux_flags, u32 mode)
{
    return open_at_restricted(dirfd, path, linux_flags, mode, 0);
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

#define OPEN_FLAGS_KNOWN 037777703ull
#define O_PATH_LINUX 010000000u
#define O_TRUNC_LINUX 01000u
/* what O_PATH may be combined with */
#define O_PATH_WITH (O_PATH_LINUX | O_DIRECTORY_LINUX | 0400000u | 02000000u)

static const u32 resolve_flags[] = {
    WALK_NO_XDEV, WALK_NO_MAGIC, WALK_NO_LINKS | WALK_NO_MAGIC,
    WALK_BENEATH, WALK_IN_ROOT,  WALK_CACHED,
};

static int
resolve_from_linux(u64 resolve, u32 *out)
{
    *out = 0;
    if (resolve >> ARRAY_SIZE(resolve_flags) != 0)
        return -E_INVAL;
    for (unsigned i = 0; i < ARRAY_SIZE(resolve_flags); i++)
        if ((resolve >> i & 1) != 0)
            *out |= resolve_flags[i];
    if ((*out & (WALK_BENEATH | WALK_IN_ROOT)) == (WALK_BENEATH | WALK_IN_ROOT))
        return -E_INVAL;
    return 0;
}

long
sys_openat2(struct user_frame *f)
{
    struct linux_open_how how;
    u32 walk_flags;
    u64 size = SYS_ARG3(f), makes = O_CREAT_LINUX | (O_TMPFILE_LINUX & ~O_DIRECTORY_LINUX);
    if (size < sizeof how)
        return -E_INVAL;
    if (size > PAGE_SIZE)
        return -E_2BIG;
    int r = struct_from_user(&how, sizeof how, SYS_ARG2(f), size);
    if (r == 0)
        r = resolve_from_linux(how.resolve, &walk_flags);
    if (r != 0)
        return r;
    if ((how.flags & ~OPEN_FLAGS_KNOWN) != 0 || (how.mode & ~07777ull) != 0 ||
        (how.mode != 0 && (how.flags & makes) == 0) ||
        ((how.flags & O_PATH_LINUX) != 0 && (how.flags & ~(u64)O_PATH_WITH) != 0))
        return -E_INVAL;
    if ((walk_flags & WALK_CACHED) != 0 && (how.flags & (makes | O_TRUNC_LINUX)) != 0)
        return -E_AGAIN;
    return open_at_restricted(SYS_ARG0(f), SYS_ARG1(f), how.flags, (u32)how.mode,
                              walk_flags);
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
memfd_new(bool may_seal, struct file **out)
{
    struct filesystem *fs = memfd_filesystem();
    struct inode *i, *dir;
    if (fs == NULL)
        return -E_NOMEM;
    dir = fs->root;
    mutex_lock(&dir->mutex);
    int r = dir->ops->create(dir, "memfd", 5, IT_FILE, 0777, 0, cred_own(), &i);
    if (r == 0 && dir->ops->unlink(dir, "memfd", 5, false) != 0)
        r = -E_NOMEM;
    mutex_unlock(&dir->mutex);
    if (r != 0)
        return r;
    if (may_seal)
        i->seals = 0;
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
    int r = memfd_new((SYS_ARG1(f) & MFD_ALLOW_SEALING) != 0, &file);
    if (r != 0)
        return r;
    return file_to_fd(file, (SYS_ARG1(f) & MFD_CLOEXEC) != 0);
}

/* SPDX-License-Identifier: MIT */
/*
 * Names: mkdir, mknod, link, symlink, unlink, rename, readlink; getdents, getcwd, chdir,
 * chroot. Directory entries are gathered in a buffer of ours and copied when the
 * directory is free again: a fault on the user's page must not be waited for under a
 * directory's mutex.
 */
#include "core/heap.h"
#include "core/string.h"
#include "posix/files.h"
#include "vfs/mount.h"

#define CWD ((u64)AT_FDCWD)

/* ---- make ---- */

static i64
mkdir_at(u64 dirfd, uaddr path, u64 mode)
{
    struct at_arg a;
    int r = at_arg_get(&a, dirfd, path, 0);
    if (r != 0)
        return r;
    r = vfs_mkdir(&a.walk, a.path.text, (u32)mode);
    at_arg_done(&a);
    return r;
}

long
sys_mkdir(struct user_frame *f)
{
    return mkdir_at(CWD, SYS_ARG0(f), SYS_ARG1(f));
}

long
sys_mkdirat(struct user_frame *f)
{
    return mkdir_at(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f));
}

static i64
type_from_mode(u32 mode)
{
    switch (mode & 0170000u) {
    case 0:
    case 0100000:
        return IT_FILE;
    case 0010000:
        return IT_FIFO;
    case 0140000:
        return IT_SOCKET;
    case 0020000:
        return IT_CHAR;
    case 0060000:
        return IT_BLOCK;
    case 0040000:
        return -E_PERM;
    default:
        return -E_INVAL;
    }
}

static i64
mknod_at(u64 dirfd, uaddr path, u32 mode, u32 dev)
{
    struct at_arg a;
    i64 type = type_from_mode(mode);
    if (type < 0)
        return type;
    int r = at_arg_get(&a, dirfd, path, 0);
    if (r != 0)
        return r;
    r = vfs_mknod(&a.walk, a.path.text, (enum inode_type)type, mode,
                  type == IT_CHAR || type == IT_BLOCK ? dev : 0);
    at_arg_done(&a);
    return r;
}

long
sys_mknod(struct user_frame *f)
{
    return mknod_at(CWD, SYS_ARG0(f), (u32)SYS_ARG1(f), (u32)SYS_ARG2(f));
}

long
sys_mknodat(struct user_frame *f)
{
    return mknod_at(SYS_ARG0(f), SYS_ARG1(f), (u32)SYS_ARG2(f), (u32)SYS_ARG3(f));
}

static i64
link_at(u64 old_fd, uaddr old, u64 new_fd, uaddr new, u64 flags)
{
    struct at_arg from, to;
    if ((flags & ~(u64)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) != 0)
        return -E_INVAL;
    if ((flags & AT_EMPTY_PATH) != 0 && !may_act_as_root())
        return -E_NOENT; /* it would get round the rights of the way to the file */
    u32 walk_flags = ((flags & AT_SYMLINK_FOLLOW) != 0 ? WALK_FOLLOW : 0) |
                     ((flags & AT_EMPTY_PATH) != 0 ? WALK_EMPTY : 0);
    int r = at_arg_find(&from, old_fd, old, walk_flags);
    if (r != 0)
        return r;
    r = at_arg_get(&to, new_fd, new, 0);
    if (r == 0) {
        r = vfs_link(&to.walk, to.path.text, &from.walk.found);
        at_arg_done(&to);
    }
    at_arg_done(&from);
    return r;
}

long
sys_link(struct user_frame *f)
{
    return link_at(CWD, SYS_ARG0(f), CWD, SYS_ARG1(f), 0);
}

long
sys_linkat(struct user_frame *f)
{
    return link_at(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f), SYS_ARG3(f), (u32)SYS_ARG4(f));
}

static i64
symlink_at(uaddr target, u64 dirfd, uaddr path)
{
    struct path_arg text;
    struct at_arg a;
    int r = path_arg_get(&text, target);
    if (r != 0)
        return r;
    r = at_arg_get(&a, dirfd, path, 0);
    if (r == 0) {
        r = vfs_symlink(&a.walk, a.path.text, text.text);
        at_arg_done(&a);
    }
    path_arg_done(&text);
    return r;
}

long
sys_symlink(struct user_frame *f)
{
    return symlink_at(SYS_ARG0(f), CWD, SYS_ARG1(f));
}

long
sys_symlinkat(struct user_frame *f)
{
    return symlink_at(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f));
}

/* ---- remove, move ---- */

static i64
unlink_at(u64 dirfd, uaddr path, bool directory)
{
    struct at_arg a;
    int r = at_arg_get(&a, dirfd, path, 0);
    if (r != 0)
        return r;
    r = vfs_unlink(&a.walk, a.path.text, directory);
    at_arg_done(&a);
    return r;
}

long
sys_unlink(struct user_frame *f)
{
    return unlink_at(CWD, SYS_ARG0(f), false);
}

long
sys_rmdir(struct user_frame *f)
{
    return unlink_at(CWD, SYS_ARG0(f), true);
}

long
sys_unlinkat(struct user_frame *f)
{
    if ((SYS_ARG2(f) & 0xffffffffu & ~(u64)AT_REMOVEDIR) != 0)
        return -E_INVAL;
    return unlink_at(SYS_ARG0(f), SYS_ARG1(f), (SYS_ARG2(f) & AT_REMOVEDIR) != 0);
}

static i64
rename_at(u64 old_fd, uaddr old, u64 new_fd, uaddr new, u64 flags)
{
    struct at_arg from, to;
    if ((flags & ~(u64)(RENAME_NO_REPLACE | RENAME_SWAP)) != 0 ||
        ((flags & RENAME_SWAP) != 0 && flags != RENAME_SWAP))
        return -E_INVAL; /* our flags have Linux's values */
    int r = at_arg_get(&from, old_fd, old, 0);
    if (r != 0)
        return r;
    r = at_arg_get(&to, new_fd, new, 0);
    if (r == 0) {
        r = vfs_rename(&from.walk, from.path.text, &to.walk, to.path.text, (u32)flags);
        at_arg_done(&to);
    }
    at_arg_done(&from);
    return r;
}

long
sys_rename(struct user_frame *f)
{
    return rename_at(CWD, SYS_ARG0(f), CWD, SYS_ARG1(f), 0);
}

long
sys_renameat(struct user_frame *f)
{
    return rename_at(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f), SYS_ARG3(f), 0);
}

long
sys_renameat2(struct user_frame *f)
{
    return rename_at(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f), SYS_ARG3(f),
                     (u32)SYS_ARG4(f));
}

/* ---- read ---- */

static i64
readlink_at(u64 dirfd, uaddr path, uaddr to, u64 size)
{
    struct at_arg a;
    if ((i32)size <= 0)
        return -E_INVAL;
    int r = at_arg_find(&a, dirfd, path, WALK_EMPTY);
    if (r != 0)
        return r;
    char *text = heap_alloc(PATH_BYTES_MAX);
    i64 n = text == NULL ? -E_NOMEM
                         : vfs_readlink(a.walk.found.inode, text, PATH_BYTES_MAX);
    if (n == -E_INVAL && a.path.text[0] == '\0')
        n = -E_NOENT;
    if (n >= 0)
        vfs_touch_atime(a.walk.found.mount, a.walk.found.inode);
    if (n > (i64)(u32)size)
        n = (i64)(u32)size;
    if (n > 0 && copy_to_user(to, text, (size_t)n) != 0)
        n = -E_FAULT;
    heap_free(text);
    at_arg_done(&a);
    return n;
}

long
sys_readlink(struct user_frame *f)
{
    return readlink_at(CWD, SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f));
}

long
sys_readlinkat(struct user_frame *f)
{
    return readlink_at(SYS_ARG0(f), SYS_ARG1(f), SYS_ARG2(f), SYS_ARG3(f));
}

#define DIRENT_BUFFER 32768u

struct gathering {
    u8 *at, *end; /* where the next one goes, and the end of the space */
    u64 next;     /* position */
    bool full;
};

static u8
dirent_type(enum inode_type t)
{
    static const u8 types[] = {
        [IT_FILE] = 8,  [IT_DIR] = 4,  [IT_LINK] = 10,   [IT_CHAR] = 2,
        [IT_BLOCK] = 6, [IT_FIFO] = 1, [IT_SOCKET] = 12,
    };
    return types[t];
}

/* struct linux_dirent64: ino, off, reclen, type, name; in struct linux_dirent the name
 * comes before the type, which is the last byte.  The last eight bytes are written first:
 * they fill up what the name leaves. */
static inline __attribute__((always_inline)) bool
gather(struct gathering *g, const char *name, u32 length, u64 ino, u8 type,
       u64 next_offset, bool old_format)
{
    u8 *to = g->at;
    u64 bytes = ((old_format ? 18u + 2 : 19u + 1) + length + 7) & ~7u;
    if (to + bytes > g->end) {
        g->full = true;
        return false;
    }
    u64 end = old_format ? (u64)type << 56 : 0, next = next_offset + DIR_DOTS;
    u32 head = (u32)bytes | (u32)type << 16;
    __builtin_memcpy(to + bytes - 8, &end, 8);
    __builtin_memcpy(to, &ino, 8);
    __builtin_memcpy(to + 8, &next, 8);
    __builtin_memcpy(to + 16, &head, 4); /* and into the name, which comes now */
    bytes_copy((char *)to + (old_format ? 18 : 19), name, length);
    g->at = to + bytes;
    g->next = next;
    return true;
}

static bool
gather_64(void *arg, const char *name, u32 length, u64 ino, enum inode_type type,
          u64 next_offset)
{
    return gather(arg, name, length, ino, dirent_type(type), next_offset, false);
}

static bool
gather_old(void *arg, const char *name, u32 length, u64 ino, enum inode_type type,
           u64 next_offset)
{
    return gather(arg, name, length, ino, dirent_type(type), next_offset, true);
}

static i64
list_into(struct file *dir, uaddr to, u64 size, bool old_format)
{
    size = MIN(size, (u64)DIRENT_BUFFER);
    u8 *buffer = heap_alloc(size + 8);
    if (buffer == NULL)
        return -E_NOMEM;
    struct gathering g = { .at = buffer, .end = buffer + size };
    mutex_lock(&dir->pos_mutex);
    g.next = dir->pos;
    i64 r = vfs_list(dir, dir->pos, old_format ? gather_old : gather_64, &g);
    u64 used = (u64)(g.at - buffer);
    if (r == 0 && used == 0 && g.full)
        r = -E_INVAL;
    if (r == 0)
        r = used == 0 ? 0 : copy_to_user(to, buffer, used);
    if (r == 0)
        dir->pos = g.next;
    mutex_unlock(&dir->pos_mutex);
    heap_free(buffer);
    return r == 0 ? (i64)used : r;
}

static i64
getdents(struct user_frame *f, bool old_format)
{
    struct file_arg a;
    int r = file_arg_get_open(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    i64 n = -E_NOTDIR;
    if (a.file->inode != NULL && a.file->inode->type == IT_DIR)
        n = list_into(a.file, SYS_ARG1(f), (u32)SYS_ARG2(f), old_format);
    file_arg_done(&a);
    return n;
}

long
sys_getdents(struct user_frame *f)
{
    return getdents(f, true);
}

long
sys_getdents64(struct user_frame *f)
{
    return getdents(f, false);
}

/* ---- where we are ---- */

long
sys_getcwd(struct user_frame *f)
{
    struct fs_context *c = place_own();
    char *text = heap_alloc(PATH_BYTES_MAX);
    if (text == NULL)
        return -E_NOMEM;
    spin_lock(&c->lock);
    struct path cwd = c->cwd;
    path_hold(&cwd);
    spin_unlock(&c->lock);
    static const char outside[] = "(unreachable)";
    const u32 head = sizeof outside - 1;
    u32 state;
    i64 n = path_describe(c, &cwd, text + head, PATH_BYTES_MAX - head, &state);
    path_release(&cwd);
    const char *from = text + head;
    if (n >= 0 && (state & PATH_REMOVED) != 0) {
        n = -E_NOENT;
    } else if (n >= 0 && (state & PATH_OUTSIDE) != 0) {
        memcpy(text, outside, head);
        from = text;
        n += head;
    } else if (n == -E_RANGE) {
        n = -E_NAMETOOLONG;
    }
    if (n >= 0) {
        n++; /* with its NUL */
        if ((u64)n > SYS_ARG1(f))
            n = -E_RANGE;
        else if (copy_to_user(SYS_ARG0(f), from, (size_t)n) != 0)
            n = -E_FAULT;
    }
    heap_free(text);
    return n;
}

static i64
change_place(uaddr path, bool root)
{
    struct at_arg a;
    int r = at_arg_find(&a, CWD, path, WALK_FOLLOW | WALK_DIRECTORY);
    if (r != 0)
        return r;
    r = root ? vfs_chroot(place_own(), cred_own(), &a.walk.found)
             : vfs_chdir(place_own(), cred_own(), &a.walk.found);
    at_arg_done(&a);
    return r;
}

long
sys_chdir(struct user_frame *f)
{
    return change_place(SYS_ARG0(f), false);
}

long
sys_chroot(struct user_frame *f)
{
    return change_place(SYS_ARG0(f), true);
}

long
sys_fchdir(struct user_frame *f)
{
    struct file_arg a;
    int r = file_arg_get(&a, SYS_ARG0(f));
    if (r != 0)
        return r;
    r = vfs_chdir(place_own(), cred_own(), &a.file->path);
    file_arg_done(&a);
    return r;
}

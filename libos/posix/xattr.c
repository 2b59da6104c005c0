/* SPDX-License-Identifier: MIT */
/*
 * The twelve calls on extended attributes: set, get, list and remove, each by a path,
 * by a path whose last link is not followed, and by a descriptor.
 */
#include "core/heap.h"
#include "core/string.h"
#include "posix/files.h"
#include "vfs/mount.h"
#include "vfs/notify.h"
#include "vfs/xattr.h"

#define SET_CREATE  1u
#define SET_REPLACE 2u

/* The inode that a call is about: found by path or descriptor. */
struct target {
    struct inode *inode;
    const struct path *path;
    bool by_fd;
    struct at_arg at;
    struct file_arg file;
};
enum target_kind { BY_PATH, BY_LINK, BY_FD };

static int
target_get(struct target *t, u64 arg, enum target_kind kind)
{
    int r;
    t->by_fd = kind == BY_FD;
    if (t->by_fd) {
        r = file_arg_get_open(&t->file, arg);
        if (r == 0) {
            t->inode = t->file.file->inode;
            t->path = &t->file.file->path;
        }
        if (r == 0 && t->inode == NULL) {
            file_arg_done(&t->file);
            r = -E_NOTSUP;
        }
        return r;
    }
    r = at_arg_find(&t->at, (u64)AT_FDCWD, arg, kind == BY_PATH ? WALK_FOLLOW : 0);
    t->inode = r == 0 ? t->at.walk.found.inode : NULL;
    t->path = r == 0 ? &t->at.walk.found : NULL;
    return r;
}

static void
target_done(struct target *t)
{
    if (t->by_fd)
        file_arg_done(&t->file);
    else
        at_arg_done(&t->at);
}

/* An empty name and one that is too long are both ERANGE. */
static int
name_get(char name[XATTR_NAME_MAX + 1], uaddr at)
{
    i64 n = copy_string_from_user(name, at, XATTR_NAME_MAX + 1);
    return n == 0 || n == -E_NAMETOOLONG ? -E_RANGE : n < 0 ? (int)n : 0;
}

static i64
set_value(struct target *t, struct user_frame *f)
{
    char name[XATTR_NAME_MAX + 1];
    u64 bytes = SYS_ARG3(f);
    u32 flags = (u32)SYS_ARG4(f);
    if ((flags & ~(SET_CREATE | SET_REPLACE)) != 0)
        return -E_INVAL;
    int r = name_get(name, SYS_ARG1(f));
    if (r != 0)
        return r;
    if (bytes > XATTR_VALUE_MAX)
        return -E_2BIG;
    void *value = heap_alloc(MAX(bytes, 1ull));
    if (value == NULL)
        return -E_NOMEM;
    r = bytes != 0 ? copy_from_user(value, SYS_ARG2(f), bytes) : 0;
    if (r == 0)
        r = xattr_set(t->inode, cred_own(), name, value, (u32)bytes,
                      ((flags & SET_CREATE) != 0 ? XATTR_MUST_CREATE : 0) |
                          ((flags & SET_REPLACE) != 0 ? XATTR_MUST_REPLACE : 0));
    heap_free(value);
    return r;
}

/* A value (name given) or the list of names, to the user. */
static i64
value_to_user(struct target *t, const char *name, uaddr to, u64 size)
{
    const struct cred *cred = cred_own();
    u32 room = (u32)MIN(size, (u64)(name != NULL ? XATTR_VALUE_MAX : XATTR_LIST_MAX));
    void *buffer = room != 0 ? heap_alloc(room) : NULL;
    if (room != 0 && buffer == NULL)
        return -E_NOMEM;
    i64 n = name != NULL ? xattr_get(t->inode, cred, name, buffer, room)
                         : xattr_list(t->inode, cred, buffer, room);
    if (n > 0 && room != 0 && copy_to_user(to, buffer, (u64)n) != 0)
        n = -E_FAULT;
    heap_free(buffer);
    return n;
}

static i64
get_value(struct target *t, struct user_frame *f)
{
    char name[XATTR_NAME_MAX + 1];
    int r = name_get(name, SYS_ARG1(f));
    return r != 0 ? r : value_to_user(t, name, SYS_ARG2(f), SYS_ARG3(f));
}

static i64
list_names(struct target *t, struct user_frame *f)
{
    return value_to_user(t, NULL, SYS_ARG1(f), SYS_ARG2(f));
}

static i64
remove_value(struct target *t, struct user_frame *f)
{
    char name[XATTR_NAME_MAX + 1];
    int r = name_get(name, SYS_ARG1(f));
    return r != 0 ? r : xattr_remove(t->inode, cred_own(), name);
}

/* Find what the first argument names and act on it; what CHANGES it must be allowed by
 * the mount, and is told of. */
static long
on_target(struct user_frame *f, enum target_kind kind, bool changes,
          i64 (*action)(struct target *t, struct user_frame *f))
{
    struct target t;
    i64 r = target_get(&t, SYS_ARG0(f), kind);
    if (r != 0)
        return r;
    if (changes)
        r = path_may_write(t.path);
    if (r == 0)
        r = action(&t, f);
    if (changes && r == 0)
        notify_dentry(t.path->dentry, NOTIFY_ATTRIB);
    target_done(&t);
    return r;
}

long
sys_setxattr(struct user_frame *f)
{
    return on_target(f, BY_PATH, true, set_value);
}

long
sys_lsetxattr(struct user_frame *f)
{
    return on_target(f, BY_LINK, true, set_value);
}

long
sys_fsetxattr(struct user_frame *f)
{
    return on_target(f, BY_FD, true, set_value);
}

long
sys_getxattr(struct user_frame *f)
{
    return on_target(f, BY_PATH, false, get_value);
}

long
sys_lgetxattr(struct user_frame *f)
{
    return on_target(f, BY_LINK, false, get_value);
}

long
sys_fgetxattr(struct user_frame *f)
{
    return on_target(f, BY_FD, false, get_value);
}

long
sys_listxattr(struct user_frame *f)
{
    return on_target(f, BY_PATH, false, list_names);
}

long
sys_llistxattr(struct user_frame *f)
{
    return on_target(f, BY_LINK, false, list_names);
}

long
sys_flistxattr(struct user_frame *f)
{
    return on_target(f, BY_FD, false, list_names);
}

long
sys_removexattr(struct user_frame *f)
{
    return on_target(f, BY_PATH, true, remove_value);
}

long
sys_lremovexattr(struct user_frame *f)
{
    return on_target(f, BY_LINK, true, remove_value);
}

long
sys_fremovexattr(struct user_frame *f)
{
    return on_target(f, BY_FD, true, remove_value);
}

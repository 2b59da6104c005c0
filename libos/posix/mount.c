/* SPDX-License-Identifier: MIT */
/*
 * mount(2) and umount2(2).  Types: tmpfs (and ramfs, the same) and devtmpfs, of which
 * each mount is an instance of its own. Remounting changes the four flags that are kept:
 * ro, nosuid, nodev, noexec.  No bind mounts and no moving (docs/missing.md); mounts are
 * private, and stay so.
 */
#include "core/string.h"
#include "fs/dev/dev.h"
#include "fs/tmpfs/tmpfs.h"
#include "posix/files.h"

#define MS_RDONLY 0x1u
#define MS_NOSUID 0x2u
#define MS_NODEV 0x4u
#define MS_NOEXEC 0x8u
#define MS_REMOUNT 0x20u
#define MS_BIND 0x1000u
#define MS_MOVE 0x2000u
#define MS_REC 0x4000u
#define MS_UNBINDABLE 0x20000u
#define MS_PRIVATE 0x40000u
#define MS_SLAVE 0x80000u
#define MS_SHARED 0x100000u
#define TYPE_BYTES 32u
#define DATA_BYTES 256u
#define UMOUNT_FORCE 0x1u
#define UMOUNT_DETACH 0x2u
#define UMOUNT_NOFOLLOW 0x8u

/* The value of `name=` in a comma-separated list, as a number; false: not there. */
static bool
option_number(const char *data, const char *name, unsigned base, u64 *value)
{
    size_t n = strlen(name);
    for (const char *at = data; at != NULL && *at != '\0';) {
        const char *end = strchr(at, ',');
        const char *stop;
        if (strncmp(at, name, n) == 0 && at[n] == '=')
            return string_number(at + n + 1, base, value, &stop);
        at = end != NULL ? end + 1 : NULL;
    }
    return false;
}

/* mode=, uid= and gid= of tmpfs.  size= is a limit that is not kept yet, so it is
 * refused nowhere and promised nowhere. */
static int
apply_options(struct filesystem *fs, const char *data)
{
    struct vattr set = { .mode = 01777 };
    u32 which = VSET_MODE;
    u64 v;
    if (strcmp(fs->name, "devtmpfs") == 0)
        set.mode = 0755;
    if (option_number(data, "mode", 8, &v))
        set.mode = (u32)v & 07777u;
    if (option_number(data, "uid", 10, &v)) {
        set.uid = (u32)v;
        which |= VSET_UID;
    }
    if (option_number(data, "gid", 10, &v)) {
        set.gid = (u32)v;
        which |= VSET_GID;
    }
    return vfs_setattr(fs->root, NULL, &set, which);
}

static int
make_filesystem(const char *type, struct filesystem **out)
{
    if (strcmp(type, "tmpfs") == 0 || strcmp(type, "ramfs") == 0)
        return tmpfs_create(out);
    if (strcmp(type, "devtmpfs") == 0)
        return dev_filesystem(out);
    return -E_NODEV;
}

static void
set_flags(struct filesystem *fs, u64 flags)
{
    fs->read_only = (flags & MS_RDONLY) != 0;
    fs->no_set_ids = (flags & MS_NOSUID) != 0;
    fs->no_devices = (flags & MS_NODEV) != 0;
    fs->no_exec = (flags & MS_NOEXEC) != 0;
}

static int
mount_new_at(const char *type, const struct path *at, u64 flags, const char *data)
{
    struct filesystem *fs;
    int r = make_filesystem(type, &fs);
    if (r != 0)
        return r;
    r = apply_options(fs, data);
    if (r == 0) {
        set_flags(fs, flags);
        r = vfs_mount_at(fs, at);
    }
    if (r != 0)
        vfs_discard(fs);
    return r;
}

/* What of an existing mount may change. */
static int
mount_change(const struct path *at, u64 flags)
{
    if ((flags & MS_REMOUNT) != 0) {
        if (!vfs_is_mount_root(at))
            return -E_INVAL;
        set_flags(at->inode->fs, flags);
        return 0;
    }
    if ((flags & (MS_PRIVATE | MS_SLAVE)) != 0 && (flags & (MS_BIND | MS_MOVE)) == 0)
        return vfs_is_mount_root(at) ? 0 : -E_INVAL;
    return -E_INVAL;
}

static int
string_or_empty(char *to, uaddr from, size_t size)
{
    to[0] = '\0';
    if (from == 0)
        return 0;
    i64 n = copy_string_from_user(to, from, size);
    return n == -E_NAMETOOLONG ? -E_INVAL : n < 0 ? (int)n : 0;
}

long
sys_mount(struct user_frame *f)
{
    struct at_arg a;
    char type[TYPE_BYTES], data[DATA_BYTES];
    u64 flags = SYS_ARG3(f);
    bool change = (flags & (MS_REMOUNT | MS_BIND | MS_MOVE | MS_UNBINDABLE | MS_PRIVATE |
                            MS_SLAVE | MS_SHARED)) != 0;
    if (!may_act_as_root())
        return -E_PERM;
    int r = string_or_empty(type, SYS_ARG2(f), sizeof type);
    if (r == 0)
        r = string_or_empty(data, SYS_ARG4(f), sizeof data);
    if (r == -E_INVAL)
        return change ? -E_INVAL : -E_NODEV;
    if (r != 0)
        return r;
    r = at_arg_find(&a, (u64)AT_FDCWD, SYS_ARG1(f), WALK_FOLLOW);
    if (r != 0)
        return r;
    if (change)
        r = mount_change(&a.walk.found, flags);
    else if (a.walk.found.inode->type != IT_DIR)
        r = -E_NOTDIR;
    else
        r = mount_new_at(type, &a.walk.found, flags, data);
    at_arg_done(&a);
    return r;
}

long
sys_umount2(struct user_frame *f)
{
    struct at_arg a;
    u64 flags = (u32)SYS_ARG1(f);
    if ((flags & ~(u64)(UMOUNT_FORCE | UMOUNT_DETACH | UMOUNT_NOFOLLOW)) != 0)
        return -E_INVAL;
    if (!may_act_as_root())
        return -E_PERM;
    int r = at_arg_find(&a, (u64)AT_FDCWD, SYS_ARG0(f),
                        (flags & UMOUNT_NOFOLLOW) != 0 ? 0 : WALK_FOLLOW);
    if (r != 0)
        return r;
    r = vfs_umount(&a.walk.found, (flags & UMOUNT_DETACH) != 0);
    at_arg_done(&a);
    return r;
}

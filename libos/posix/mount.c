/* SPDX-License-Identifier: MIT */
/*
 * mount(2), umount2(2), pivot_root(2).  Linux's order of checks is kept, because programs
 * try one thing after another and look at the error.  Mounts are private: MS_PRIVATE and
 * MS_SLAVE say what is so anyway, MS_SHARED is refused.
 */
#include "vfs/mount.h"

#include "core/heap.h"
#include "core/string.h"
#include "posix/files.h"

#define MS_RDONLY 0x1u
#define MS_NOSUID 0x2u
#define MS_NODEV 0x4u
#define MS_NOEXEC 0x8u
#define MS_SYNCHRONOUS 0x10u
#define MS_REMOUNT 0x20u
#define MS_DIRSYNC 0x80u
#define MS_NOSYMFOLLOW 0x100u
#define MS_NOATIME 0x400u
#define MS_NODIRATIME 0x800u
#define MS_BIND 0x1000u
#define MS_MOVE 0x2000u
#define MS_REC 0x4000u
#define MS_SILENT 0x8000u
#define MS_UNBINDABLE 0x20000u
#define MS_PRIVATE 0x40000u
#define MS_SLAVE 0x80000u
#define MS_SHARED 0x100000u
#define MS_RELATIME 0x200000u
#define MS_STRICTATIME 0x1000000u
#define MS_LAZYTIME 0x2000000u
#define MS_NOUSER 0x80000000u
#define MS_PROPAGATION (MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED)
#define MS_ATIME (MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME)
#define MS_MAGIC 0xc0ed0000u
#define MS_MAGIC_MASK 0xffff0000u
#define UMOUNT_FORCE 0x1u
#define UMOUNT_DETACH 0x2u
#define UMOUNT_EXPIRE 0x4u
#define UMOUNT_NOFOLLOW 0x8u

struct mount_arg {
    char *type, *source, *data; /* NULL: not given */
    u64 flags;
};

/* What a mount's own flags are for those of mount(2). */
static u32
flags_of_mount(u64 flags, u32 old)
{
    u32 m = ((flags & MS_RDONLY) != 0 ? MOUNT_READ_ONLY : 0) |
            ((flags & MS_NOSUID) != 0 ? MOUNT_NO_SET_IDS : 0) |
            ((flags & MS_NODEV) != 0 ? MOUNT_NO_DEVICES : 0) |
            ((flags & MS_NOEXEC) != 0 ? MOUNT_NO_EXEC : 0) |
            ((flags & MS_NOSYMFOLLOW) != 0 ? MOUNT_NO_SYMLINKS : 0);
    const u32 atimes = MOUNT_NO_ATIME | MOUNT_NO_DIR_ATIME | MOUNT_RELATIME;
    if ((flags & MS_REMOUNT) != 0 && (flags & MS_ATIME) == 0)
        return m | (old & atimes);
    if ((flags & (MS_NOATIME | MS_STRICTATIME)) == 0)
        m |= MOUNT_RELATIME;
    if ((flags & MS_NOATIME) != 0 && (flags & MS_STRICTATIME) == 0)
        m |= MOUNT_NO_ATIME;
    if ((flags & MS_NODIRATIME) != 0)
        m |= MOUNT_NO_DIR_ATIME;
    return m;
}

static u32
wishes_of(u64 flags)
{
    return ((flags & MS_SYNCHRONOUS) != 0 ? FS_SYNC : 0) |
           ((flags & MS_DIRSYNC) != 0 ? FS_DIR_SYNC : 0) |
           ((flags & MS_LAZYTIME) != 0 ? FS_LAZY_TIMES : 0);
}

/* ---- the kinds of mount(2) ---- */

static int
mount_fresh(const struct mount_arg *m, const struct path *at)
{
    struct filesystem *fs;
    if (m->type == NULL)
        return -E_INVAL;
    const struct fs_type *t = fs_type_find(m->type);
    if (t == NULL)
        return -E_NODEV;
    int r = t->make(t, m->data != NULL ? m->data : "", &fs);
    if (r != 0)
        return r;
    bool first = atomic_load(&fs->mounts) == 0;
    if (first)
        atomic_store(&fs->wishes, wishes_of(m->flags));
    r = vfs_mount_at(fs, at, flags_of_mount(m->flags, 0), m->source);
    if (r == 0 && (m->flags & MS_RDONLY) != 0 && first)
        r = vfs_set_read_only(fs, true);
    else if (r != 0 && first)
        vfs_discard(fs);
    return r;
}

static int
remount(const struct mount_arg *m, const struct path *at)
{
    if (!vfs_is_mount_root(at))
        return -E_INVAL;
    u32 flags = flags_of_mount(m->flags, atomic_load(&at->mount->flags));
    if ((m->flags & MS_BIND) != 0)
        return vfs_mount_set_flags(at, flags);
    struct filesystem *fs = at->mount->fs;
    bool was = fs->read_only;
    int r = vfs_set_read_only(fs, (m->flags & MS_RDONLY) != 0);
    if (r == 0 && fs->remount != NULL && m->data != NULL)
        r = fs->remount(fs, m->data);
    if (r == 0)
        r = vfs_mount_set_flags(at, flags);
    if (r == 0) /* a remount leaves dirsync as it is */
        atomic_store(&fs->wishes, (wishes_of(m->flags) & ~FS_DIR_SYNC) |
                                      (atomic_load(&fs->wishes) & FS_DIR_SYNC));
    if (r != 0 && fs->read_only != was && vfs_set_read_only(fs, was) != 0)
        r = -E_IO; /* writers came in between: it stays read-write, and says so */
    return r;
}

static int
find_source(const struct mount_arg *m, struct path *out)
{
    struct walk w = { .context = place_own(), .cred = cred_own(), .flags = WALK_FOLLOW };
    if (m->source == NULL || m->source[0] == '\0')
        return -E_INVAL;
    int r = path_walk(&w, m->source);
    *out = w.found;
    return r;
}

static int
bind_or_move(const struct mount_arg *m, const struct path *at)
{
    struct path from;
    int r = find_source(m, &from);
    if (r != 0)
        return r;
    r = (m->flags & MS_BIND) != 0 ? vfs_bind(&from, at, (m->flags & MS_REC) != 0)
                                  : vfs_move_mount(&from, at);
    path_release(&from);
    return r;
}

static int
change_kind(const struct mount_arg *m, const struct path *at)
{
    u64 kind = m->flags & ~(u64)(MS_REC | MS_SILENT);
    if (!vfs_is_mount_root(at))
        return -E_INVAL;
    if ((kind & ~(u64)MS_PROPAGATION) != 0 || (kind & (kind - 1)) != 0 ||
        kind == MS_SHARED)
        return -E_INVAL;
    return vfs_mount_set_bindable(at, kind != MS_UNBINDABLE, (m->flags & MS_REC) != 0);
}

static int
mount_by_flags(const struct mount_arg *m, const struct path *at)
{
    if ((m->flags & MS_NOUSER) != 0)
        return -E_INVAL;
    if (!may_act_as_root())
        return -E_PERM;
    if ((m->flags & MS_REMOUNT) != 0)
        return remount(m, at);
    if ((m->flags & MS_BIND) != 0)
        return bind_or_move(m, at);
    if ((m->flags & MS_PROPAGATION) != 0)
        return change_kind(m, at);
    return (m->flags & MS_MOVE) != 0 ? bind_or_move(m, at) : mount_fresh(m, at);
}

/* ---- arguments ---- */

/* A string of at most a page; NULL stays NULL. -E_INVAL: longer */
static int
string_arg(char **to, uaddr from)
{
    *to = NULL;
    if (from == 0)
        return 0;
    *to = heap_alloc(PAGE_SIZE);
    if (*to == NULL)
        return -E_NOMEM;
    i64 n = copy_string_from_user(*to, from, PAGE_SIZE);
    return n == -E_NAMETOOLONG ? -E_INVAL : n < 0 ? (int)n : 0;
}

/* The data are a page, or what there is of it; what ends it is not asked for. */
static int
data_arg(char **to, uaddr from)
{
    int r = string_arg(to, from);
    if (r == -E_INVAL)
        (*to)[PAGE_SIZE - 1] = '\0';
    return r == -E_INVAL ? 0 : r;
}

long
sys_mount(struct user_frame *f)
{
    struct mount_arg m = { .flags = SYS_ARG3(f) };
    struct at_arg a;
    if ((m.flags & MS_MAGIC_MASK) == MS_MAGIC)
        m.flags &= ~(u64)MS_MAGIC_MASK;
    int r = string_arg(&m.type, SYS_ARG2(f));
    if (r == 0)
        r = string_arg(&m.source, SYS_ARG0(f));
    if (r == 0)
        r = data_arg(&m.data, SYS_ARG4(f));
    if (r == 0)
        r = at_arg_find(&a, (u64)AT_FDCWD, SYS_ARG1(f), WALK_FOLLOW);
    if (r == 0) {
        r = mount_by_flags(&m, &a.walk.found);
        at_arg_done(&a);
    }
    heap_free(m.type);
    heap_free(m.source);
    heap_free(m.data);
    return r;
}

/* ---- umount ---- */

static int
umount_at(const struct path *at, u64 flags)
{
    if (!may_act_as_root())
        return -E_PERM;
    if (!vfs_is_mount_root(at))
        return -E_INVAL;
    bool is_own_root = at->mount == place_own()->root.mount;
    if ((flags & UMOUNT_EXPIRE) != 0 &&
        (is_own_root || (flags & (UMOUNT_FORCE | UMOUNT_DETACH)) != 0))
        return -E_INVAL;
    /* One's own root cannot go; it becomes read-only, which is what a shutdown wants. */
    if (is_own_root && (flags & UMOUNT_DETACH) == 0)
        return vfs_set_read_only(at->mount->fs, true);
    return vfs_umount(at, ((flags & UMOUNT_DETACH) != 0 ? VFS_UMOUNT_DETACH : 0) |
                              ((flags & UMOUNT_EXPIRE) != 0 ? VFS_UMOUNT_EXPIRE : 0));
}

long
sys_umount2(struct user_frame *f)
{
    struct at_arg a;
    u64 flags = (u32)SYS_ARG1(f);
    if ((flags & ~(u64)(UMOUNT_FORCE | UMOUNT_DETACH | UMOUNT_EXPIRE |
                        UMOUNT_NOFOLLOW)) != 0)
        return -E_INVAL;
    int r = at_arg_find(&a, (u64)AT_FDCWD, SYS_ARG0(f),
                        (flags & UMOUNT_NOFOLLOW) != 0 ? 0 : WALK_FOLLOW);
    if (r != 0)
        return r;
    r = umount_at(&a.walk.found, flags);
    at_arg_done(&a);
    return r;
}

long
sys_pivot_root(struct user_frame *f)
{
    struct at_arg fresh, old;
    if (!may_act_as_root())
        return -E_PERM;
    int r = at_arg_find(&fresh, (u64)AT_FDCWD, SYS_ARG0(f), WALK_FOLLOW | WALK_DIRECTORY);
    if (r != 0)
        return r;
    r = at_arg_find(&old, (u64)AT_FDCWD, SYS_ARG1(f), WALK_FOLLOW | WALK_DIRECTORY);
    if (r == 0) {
        r = vfs_pivot_root(place_own(), &fresh.walk.found, &old.walk.found);
        at_arg_done(&old);
    }
    at_arg_done(&fresh);
    return r;
}

/* SPDX-License-Identifier: MIT */
/* ustat(2) and sysfs(2): old questions about file systems that are mounted, and about
 * kinds of them. */
#include "core/string.h"
#include "posix/files.h"
#include "vfs/mount.h"

struct linux_ustat {
    i32 tfree;
    u64 tinode;
    char fname[6], fpack[6];
};
_Static_assert(sizeof(struct linux_ustat) == 32, "struct ustat of x86-64");

long
sys_ustat(struct user_frame *f)
{
    u64 v[8];
    struct linux_ustat u;
    int r = vfs_statfs_dev((u32)SYS_ARG0(f), v);
    if (r != 0)
        return r;
    memset(&u, 0, sizeof u);
    u.tfree = (i32)v[3];
    u.tinode = v[6];
    return copy_to_user(SYS_ARG1(f), &u, sizeof u);
}

#define SYSFS_INDEX 1
#define SYSFS_NAME 2
#define SYSFS_COUNT 3

static i64
type_index(uaddr at)
{
    char name[64];
    i64 n = copy_string_from_user(name, at, sizeof name), index = 0;
    if (n < 0)
        return n == -E_NAMETOOLONG ? -E_INVAL : n;
    for (const struct fs_type *t = fs_type_next(NULL); t != NULL; t = fs_type_next(t)) {
        if (strcmp(t->name, name) == 0)
            return index;
        index++;
    }
    return -E_INVAL;
}

long
sys_sysfs(struct user_frame *f)
{
    u64 index = (u32)SYS_ARG1(f);
    const struct fs_type *t = fs_type_next(NULL);
    i64 count = 0;
    switch ((i32)SYS_ARG0(f)) {
    case SYSFS_INDEX:
        return type_index(SYS_ARG1(f));
    case SYSFS_NAME:
        for (; t != NULL && index > 0; index--)
            t = fs_type_next(t);
        return t == NULL ? -E_INVAL
                         : copy_to_user(SYS_ARG2(f), t->name, strlen(t->name) + 1);
    case SYSFS_COUNT:
        for (; t != NULL; t = fs_type_next(t))
            count++;
        return count;
    default:
        return -E_INVAL;
    }
}

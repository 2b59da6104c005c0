/* SPDX-License-Identifier: MIT */
/* ustat(2) and sysfs(2): what old programs ask of file systems. */
#define _GNU_SOURCE
#include "mounts.h"

static void
test_sysfs_when_asked_then_kinds(void)
{
    char name[100];
    long count = syscall(SYS_sysfs, 3), index;

    CHECK(count > 0 && (index = syscall(SYS_sysfs, 1, "tmpfs")) >= 0 && index < count);
    CHECK(syscall(SYS_sysfs, 2, index, name) == 0 && strcmp(name, "tmpfs") == 0);
    CHECK_ERROR(syscall(SYS_sysfs, 1, "nosuchfs"), EINVAL);
    CHECK_ERROR(syscall(SYS_sysfs, 1, (char *)8), EFAULT);
    CHECK_ERROR(syscall(SYS_sysfs, 2, count, name), EINVAL);
    CHECK_ERROR(syscall(SYS_sysfs, 2, index, (char *)8), EFAULT);
    CHECK_ERROR(syscall(SYS_sysfs, 4), EINVAL);
}

static void
test_ustat_when_mounted_then_counts(void)
{
    struct {
        int tfree;
        unsigned long tinode;
        char names[12];
    } u;
    struct stat info;

    mount_tmpfs("m", "size=64k,nr_inodes=20");
    CHECK(stat("m", &info) == 0 && syscall(SYS_ustat, (unsigned)info.st_dev, &u) == 0);
    CHECK(u.tfree == 16 && u.tinode == 19);
    CHECK_ERROR(syscall(SYS_ustat, (unsigned)info.st_dev, (char *)8), EFAULT);
    CHECK(umount("m") == 0);
    CHECK_ERROR(syscall(SYS_ustat, 0x12345, &u), EINVAL);
}

int
main(void)
{
    RUN_IN_NEW(test_sysfs_when_asked_then_kinds, sysfs);
    RUN_IN_NEW(test_ustat_when_mounted_then_counts, ustat);
    return check_failures != 0;
}

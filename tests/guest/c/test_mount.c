/* SPDX-License-Identifier: MIT */
/* mount(2) and umount2(2): what comes and goes, and each error that they name. */
#define _GNU_SOURCE
#include "mounts.h"

/* Verify that a mount hides what was there, and that it comes back. */
static void
test_mount_when_new_then_hides_and_shows_again(void)
{
    struct stat below, above;

    CHECK(mkdir("m", 0700) == 0);
    put("m/below", "1");
    CHECK(stat("m", &below) == 0);
    mount_tmpfs("m", "mode=0751,uid=5,gid=6");
    CHECK(stat("m", &above) == 0 && above.st_dev != below.st_dev);
    CHECK((above.st_mode & 07777) == 0751 && above.st_uid == 5 && above.st_gid == 6);
    CHECK(!exists("m/below"));
    put("m/above", "2");
    CHECK(stat("m/..", &above) == 0 && above.st_dev == below.st_dev);
    CHECK(chdir("m") == 0 && chdir("..") == 0 && holds("m/above", "2"));
    CHECK(umount2("m", 0) == 0 && holds("m/below", "1") && !exists("m/above"));
}

/* Verify the errors of mount. */
static void
test_mount_when_wrong_then_says_why(void)
{
    char *long_path = malloc(5000);

    memset(long_path, 'a', 4999);
    long_path[4999] = '\0';
    put("file", "x");
    CHECK(mkdir("m", 0755) == 0);
    CHECK_ERROR(mount("t", "nosuch", "tmpfs", 0, NULL), ENOENT);
    CHECK_ERROR(mount("t", "", "tmpfs", 0, NULL), ENOENT);
    CHECK_ERROR(mount("t", "m", "nosuchfs", 0, NULL), ENODEV);
    CHECK_ERROR(mount("t", "m", NULL, 0, NULL), EINVAL);
    CHECK_ERROR(mount("t", "file", "tmpfs", 0, NULL), ENOTDIR);
    CHECK_ERROR(mount("t", "file/x", "tmpfs", 0, NULL), ENOTDIR);
    CHECK_ERROR(mount("t", "m", "tmpfs", 0, "nosuch=1"), EINVAL);
    CHECK_ERROR(mount("t", "m", "tmpfs", 0, "size=zero"), EINVAL);
    CHECK_ERROR(mount("t", "m", "tmpfs", 0, "mode=9"), EINVAL);
    CHECK_ERROR(mount("t", long_path, "tmpfs", 0, NULL), ENAMETOOLONG);
    CHECK_ERROR(mount("t", "m", long_path, 0, NULL), EINVAL);
    CHECK_ERROR(mount("t", (char *)8, "tmpfs", 0, NULL), EFAULT);
    CHECK_ERROR(mount("t", "m", (char *)8, 0, NULL), EFAULT);
    CHECK_ERROR(mount((char *)8, "m", "tmpfs", 0, NULL), EFAULT);
    CHECK_ERROR(mount("t", "m", "tmpfs", MS_REMOUNT, NULL), EINVAL);
    CHECK_ERROR(mount("t", "m", NULL, MS_PRIVATE, NULL), EINVAL);
    CHECK_ERROR(mount("nosuch", "m", NULL, MS_BIND, NULL), ENOENT);
    CHECK_ERROR(mount(NULL, "m", NULL, MS_BIND, NULL), EINVAL);
    CHECK_ERROR(mount("", "m", NULL, MS_BIND, NULL), EINVAL);
    CHECK_ERROR(mount("m", "m", NULL, MS_MOVE, NULL), EINVAL);
    CHECK(symlink("loop", "loop") == 0);
    CHECK_ERROR(mount("t", "loop", "tmpfs", 0, NULL), ELOOP);
}

static void
mount_as_nobody(void)
{
    CHECK_ERROR(mount("t", "m", "tmpfs", 0, NULL), EPERM);
    CHECK_ERROR(mount("t", "m", "nosuchfs", 0, NULL), EPERM);
    CHECK_ERROR(mount("m", "m", NULL, MS_BIND, NULL), EPERM);
    CHECK_ERROR(umount2("m", 0), EPERM);
    CHECK_ERROR(syscall(SYS_pivot_root, "m", "m"), EPERM);
    CHECK_ERROR(chroot("m"), EPERM);
}

static void
test_mount_when_not_root_then_eperm(void)
{
    mount_tmpfs("m", NULL);
    as_nobody(mount_as_nobody);
    CHECK(umount("m") == 0);
}

/* Verify what keeps a file system from being unmounted, and that nothing else does. */
static void
test_umount_when_used_then_ebusy(void)
{
    int fd;

    mount_tmpfs("m", NULL);
    put("m/file", "x");
    CHECK((fd = open("m/file", O_RDONLY)) >= 0);
    CHECK_ERROR(umount2("m", 0), EBUSY);
    CHECK(close(fd) == 0 && (fd = open("m", O_PATH)) >= 0);
    CHECK_ERROR(umount2("m", 0), EBUSY);
    CHECK(close(fd) == 0 && chdir("m") == 0);
    CHECK_ERROR(umount2("../m", 0), EBUSY);
    CHECK(chdir("..") == 0);
    mount_tmpfs("m/inner", NULL);
    CHECK_ERROR(umount2("m", 0), EBUSY);
    CHECK(umount2("m/inner", 0) == 0 && rmdir("m/inner") == 0);
    CHECK(umount2("m", 0) == 0);
    CHECK_ERROR(umount2("m", 0), EINVAL);
}

static void
test_umount_when_wrong_then_says_why(void)
{
    mount_tmpfs("m", NULL);
    put("m/file", "x");
    CHECK_ERROR(umount2("nosuch", 0), ENOENT);
    CHECK_ERROR(umount2("m/file", 0), EINVAL);
    CHECK_ERROR(umount2("m/file/x", 0), ENOTDIR);
    CHECK_ERROR(umount2("m", 0x100), EINVAL);
    CHECK_ERROR(umount2("m", MNT_EXPIRE | MNT_DETACH), EINVAL);
    CHECK_ERROR(umount2("m", MNT_EXPIRE | MNT_FORCE), EINVAL);
    CHECK_ERROR(umount2((char *)8, 0), EFAULT);
    CHECK(symlink("m", "link") == 0);
    CHECK_ERROR(umount2("link", UMOUNT_NOFOLLOW), EINVAL);
    CHECK(umount2("link", 0) == 0 && !exists("m/file"));
    mount_tmpfs("m", NULL);
    CHECK(umount2("m", MNT_FORCE) == 0);
}

/* Verify that a second umount with MNT_EXPIRE takes it off, unless it was used. */
static void
test_umount_when_expire_then_second_time(void)
{
    int fd;

    mount_tmpfs("m", NULL);
    put("m/file", "x");
    CHECK_ERROR(umount2("m", MNT_EXPIRE), EAGAIN);
    CHECK(holds("m/file", "x"));
    CHECK_ERROR(umount2("m", MNT_EXPIRE), EAGAIN);
    CHECK((fd = open("m/file", O_RDONLY)) >= 0);
    CHECK_ERROR(umount2("m", MNT_EXPIRE), EBUSY);
    CHECK(close(fd) == 0);
    CHECK_ERROR(umount2("m", MNT_EXPIRE), EAGAIN);
    CHECK(umount2("m", MNT_EXPIRE) == 0 && !exists("m/file"));
}

/* Verify that a detached tree is gone from the names at once, and works for its users. */
static void
test_umount_when_detached_then_users_go_on(void)
{
    char data[8], where[100];
    int fd, dir;

    mount_tmpfs("m", NULL);
    mount_tmpfs("m/inner", NULL);
    put("m/file", "x");
    CHECK((fd = open("m/file", O_RDWR)) >= 0);
    CHECK((dir = open("m", O_RDONLY | O_DIRECTORY)) >= 0);
    CHECK(umount2("m", MNT_DETACH) == 0 && !exists("m/file") && !exists("m/inner"));
    CHECK(write(fd, "yy", 2) == 2 && pread(fd, data, 8, 0) == 2);
    CHECK(openat(dir, "more", O_CREAT | O_WRONLY, 0600) >= 0);
    CHECK(fchdir(dir) == 0 && exists("file") && exists("../file"));
    CHECK(syscall(SYS_getcwd, where, sizeof where) > 0);
    CHECK(strncmp(where, "(unreachable)", 13) == 0);
    CHECK_ERROR(mount("t", "inner", "tmpfs", 0, NULL), EINVAL);
    CHECK_ERROR(umount2(".", 0), EINVAL);
}

/* Verify that mounts lie on each other like sheets. */
static void
test_mount_when_twice_then_stacked(void)
{
    mount_tmpfs("m", NULL);
    put("m/one", "1");
    mount_tmpfs("m", NULL);
    CHECK(!exists("m/one"));
    put("m/two", "2");
    mount_tmpfs("m", NULL);
    CHECK(!exists("m/two") && umount("m") == 0 && exists("m/two"));
    CHECK(umount("m") == 0 && exists("m/one") && umount("m") == 0 && !exists("m/one"));
    CHECK_ERROR(umount("m"), EINVAL);
}

/* Verify that the place of a mount stays, whichever name it is reached by. */
static void
test_mount_when_place_is_removed_then_ebusy(void)
{
    CHECK(mkdir("d", 0755) == 0 && mkdir("d/m", 0755) == 0 && mkdir("b", 0755) == 0);
    CHECK(mount("d", "b", NULL, MS_BIND, NULL) == 0);
    mount_tmpfs("d/m", NULL);
    CHECK_ERROR(rmdir("d/m"), EBUSY);
    CHECK_ERROR(rmdir("b/m"), EBUSY);
    CHECK_ERROR(rename("d/m", "d/n"), EBUSY);
    CHECK_ERROR(rename("b/m", "b/n"), EBUSY);
    CHECK(mkdir("d/o", 0755) == 0);
    CHECK_ERROR(rename("d/o", "d/m"), EBUSY);
    CHECK(rename("d", "e") == 0 && umount("e/m") == 0);
    CHECK(rmdir("e/m") == 0 && umount("b") == 0);
}

static void
test_mount_when_in_removed_directory_then_enoent(void)
{
    CHECK(mkdir("d", 0755) == 0 && chdir("d") == 0 && rmdir("../d") == 0);
    CHECK_ERROR(mount("t", ".", "tmpfs", 0, NULL), ENOENT);
    CHECK_ERROR(mount("..", ".", NULL, MS_BIND, NULL), ENOENT);
}

/* Verify that there is one devtmpfs. */
static void
test_mount_when_devtmpfs_then_the_same_one(void)
{
    struct stat a, b;

    CHECK(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0);
    CHECK(mount("d", "a", "devtmpfs", 0, NULL) == 0);
    CHECK(mount("d", "b", "devtmpfs", 0, NULL) == 0);
    CHECK(stat("a/null", &a) == 0 && S_ISCHR(a.st_mode));
    CHECK(mkdir("a/test-dir", 0755) == 0 && stat("a/test-dir", &a) == 0);
    CHECK(stat("b/test-dir", &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev);
    CHECK_ERROR(mount("d", "b", "devtmpfs", 0, NULL), EBUSY);
    CHECK(rmdir("b/test-dir") == 0 && umount("a") == 0 && umount("b") == 0);
}

int
main(void)
{
    RUN_IN_NEW(test_mount_when_new_then_hides_and_shows_again, mount, umount2);
    RUN_IN_NEW(test_mount_when_wrong_then_says_why, mount);
    RUN_IN_NEW(test_mount_when_not_root_then_eperm, mount, umount2, pivot_root, chroot);
    RUN_IN_NEW(test_umount_when_used_then_ebusy, umount2);
    RUN_IN_NEW(test_umount_when_wrong_then_says_why, umount2);
    RUN_IN_NEW(test_umount_when_expire_then_second_time, umount2);
    RUN_IN_NEW(test_umount_when_detached_then_users_go_on, umount2, getcwd);
    RUN_IN_NEW(test_mount_when_twice_then_stacked, mount, umount2);
    RUN_IN_NEW(test_mount_when_place_is_removed_then_ebusy, mount, rmdir, rename);
    RUN_IN_NEW(test_mount_when_in_removed_directory_then_enoent, mount);
    RUN_IN_NEW(test_mount_when_devtmpfs_then_the_same_one, mount);
    return check_failures != 0;
}

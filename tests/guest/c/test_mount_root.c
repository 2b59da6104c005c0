/* SPDX-License-Identifier: MIT */
/* Roots: chroot and its borders, a mount moved onto the root (switch_root), pivot_root. */
#define _GNU_SOURCE
#include "mounts.h"

#include <limits.h>

static void
where(char to[PATH_MAX])
{
    CHECK(syscall(SYS_getcwd, to, PATH_MAX) > 0);
}

/* Verify that neither .. nor a link leaves a chroot, and that what is open does. */
static void
test_chroot_when_inside_then_nothing_leads_out(void)
{
    char text[PATH_MAX];
    struct stat root, other;
    int outside = open(".", O_RDONLY | O_DIRECTORY);

    CHECK(outside >= 0 && mkdir("jail", 0755) == 0 && mkdir("jail/in", 0755) == 0);
    put("secret", "s");
    put("jail/mine", "m");
    CHECK(symlink("/mine", "jail/in/link") == 0 && symlink("../../../secret", "jail/up") == 0);
    CHECK(chroot("jail") == 0);
    where(text);
    CHECK(strncmp(text, "(unreachable)/", 14) == 0);
    CHECK(chdir("/") == 0 && stat("/", &root) == 0);
    CHECK(stat("/..", &other) == 0 && other.st_ino == root.st_ino);
    CHECK(stat("/in/../../../..", &other) == 0 && other.st_ino == root.st_ino);
    CHECK(!exists("../secret") && holds("/in/link", "m"));
    CHECK_ERROR(open("/up", O_RDONLY), ENOENT);
    where(text);
    CHECK(strcmp(text, "/") == 0 && chdir("in") == 0);
    where(text);
    CHECK(strcmp(text, "/in") == 0);
    CHECK(openat(outside, "secret", O_RDONLY) >= 0);
    CHECK_ERROR(chroot("/mine"), ENOTDIR);
    CHECK_ERROR(chroot("/nosuch"), ENOENT);
}

/* Verify that a directory that is moved out of a bind mount leads nowhere by .. */
static void
test_bind_when_directory_moved_out_then_no_way_up(void)
{
    int fd;

    CHECK(mkdir("a", 0755) == 0 && mkdir("a/shown", 0755) == 0);
    CHECK(mkdir("a/shown/deep", 0755) == 0 && mkdir("b", 0755) == 0);
    put("a/secret", "s");
    CHECK(mount("a/shown", "b", NULL, MS_BIND, NULL) == 0);
    CHECK((fd = open("b/deep", O_RDONLY | O_DIRECTORY)) >= 0);
    CHECK(openat(fd, "..", O_RDONLY) >= 0);
    CHECK(rename("a/shown/deep", "a/deep") == 0);
    CHECK_ERROR(openat(fd, "..", O_RDONLY), ENOENT);
    CHECK_ERROR(openat(fd, "../secret", O_RDONLY), ENOENT);
    CHECK(umount2("b", MNT_DETACH) == 0);
}

/* What switch_root does: the new root is moved onto the old one, and entered. */
static void
switch_root(void)
{
    char text[PATH_MAX];

    mount_tmpfs("new", NULL);
    put("new/here", "1");
    CHECK(mkdir("new/dir", 0755) == 0 && mkdir("new/put", 0755) == 0);
    CHECK(chdir("new") == 0 && mount(".", "/", NULL, MS_MOVE, NULL) == 0);
    CHECK(chroot(".") == 0 && chdir("/") == 0);
    CHECK(holds("/here", "1") && exists("/../here") && chdir("dir") == 0);
    where(text);
    CHECK(strcmp(text, "/dir") == 0 && chdir("..") == 0);
    /* This root has one below it, so it can be exchanged. */
    mount_tmpfs("/second", NULL);
    CHECK(mkdir("/second/old", 0755) == 0 && mkdir("/second/old2", 0755) == 0);
    CHECK_ERROR(syscall(SYS_pivot_root, "/dir", "/put"), EBUSY);
    CHECK_ERROR(syscall(SYS_pivot_root, "/second", "/put"), EBUSY);
    CHECK_ERROR(syscall(SYS_pivot_root, "/second", "/second/nosuch"), ENOENT);
    CHECK_ERROR(syscall(SYS_pivot_root, "/here", "/second/old"), ENOTDIR);
    CHECK_ERROR(syscall(SYS_pivot_root, "/second/old2", "/second/old"), EINVAL);
    CHECK(chdir("/") == 0);
    CHECK(syscall(SYS_pivot_root, "/second", "/second/old") == 0);
    CHECK(exists("/old/here") && !exists("/here") && exists("./old/here"));
    CHECK(umount2("/old", MNT_DETACH) == 0 && !exists("/old/here") && exists("/old2"));
    /* Back: the test's own mount goes, and with it everything. */
    CHECK_ERROR(umount2("/", MNT_EXPIRE), EINVAL);
}

static void
test_root_when_switched_then_old_one_hidden(void)
{
    in_child(switch_root);
}

static void
test_pivot_root_when_first_root_then_einval(void)
{
    mount_tmpfs("m", NULL);
    CHECK(mkdir("m/old", 0755) == 0 && mkdir("d", 0755) == 0);
    CHECK_ERROR(syscall(SYS_pivot_root, "m", "m/old"), EINVAL);
    CHECK_ERROR(syscall(SYS_pivot_root, "d", "d"), EINVAL);
    CHECK_ERROR(syscall(SYS_pivot_root, (char *)8, "m"), EFAULT);
    CHECK(umount("m") == 0);
}

int
main(void)
{
    RUN_IN_NEW(test_chroot_when_inside_then_nothing_leads_out, chroot, getcwd);
    RUN_IN_NEW(test_bind_when_directory_moved_out_then_no_way_up, openat, mount);
    RUN_IN_NEW(test_pivot_root_when_first_root_then_einval, pivot_root);
    /* last: afterwards the first root is hidden for those who enter by "/" */
    RUN_IN_NEW(test_root_when_switched_then_old_one_hidden, mount, chroot, pivot_root);
    return check_failures != 0;
}

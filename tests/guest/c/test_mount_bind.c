/* SPDX-License-Identifier: MIT */
/* Bind mounts, moved mounts, and what a mount's own flags forbid. */
#define _GNU_SOURCE
#include "mounts.h"

#include <sys/statvfs.h>
#include <time.h>

/* Verify that a bound directory is the same one, by another mount. */
static void
test_bind_when_directory_then_same_files(void)
{
    struct stat a, b;

    CHECK(mkdir("a", 0755) == 0 && mkdir("a/deep", 0755) == 0 && mkdir("b", 0755) == 0);
    put("a/deep/file", "1");
    CHECK(mount("a/deep", "b", NULL, MS_BIND, NULL) == 0);
    CHECK(holds("b/file", "1") && stat("a/deep", &a) == 0 && stat("b", &b) == 0);
    CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
    put("b/new", "2");
    CHECK(holds("a/deep/new", "2"));
    CHECK(stat("b/..", &a) == 0 && stat(".", &b) == 0 && a.st_ino == b.st_ino);
    CHECK_ERROR(rename("b/new", "a/new"), EXDEV);
    CHECK_ERROR(link("b/new", "a/new"), EXDEV);
    CHECK(umount("b") == 0 && !exists("b/file"));
}

static void
test_bind_when_file_then_on_a_file_only(void)
{
    put("f", "f");
    put("g", "g");
    CHECK(mkdir("d", 0755) == 0 && link("g", "h") == 0);
    CHECK_ERROR(mount("f", "d", NULL, MS_BIND, NULL), ENOTDIR);
    CHECK_ERROR(mount("d", "g", NULL, MS_BIND, NULL), ENOTDIR);
    CHECK(mount("f", "g", NULL, MS_BIND, NULL) == 0);
    CHECK(holds("g", "f") && holds("h", "g"));
    CHECK_ERROR(unlink("g"), EBUSY);
    CHECK_ERROR(rename("g", "i"), EBUSY);
    CHECK_ERROR(rename("f", "g"), EBUSY);
    CHECK(unlink("h") == 0);
    put("g", "new");
    CHECK(holds("f", "new") && umount("g") == 0 && holds("g", "g"));
}

/* Verify what goes along with a recursive bind, and what does not. */
static void
test_bind_when_recursive_then_inner_mounts_come(void)
{
    CHECK(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0 && mkdir("c", 0755) == 0);
    mount_tmpfs("a/one", NULL);
    put("a/one/x", "1");
    mount_tmpfs("a/one/two", NULL);
    put("a/one/two/y", "2");
    CHECK(mount("a", "b", NULL, MS_BIND, NULL) == 0 && !exists("b/one/x"));
    CHECK(mount("a", "c", NULL, MS_BIND | MS_REC, NULL) == 0);
    CHECK(holds("c/one/x", "1") && holds("c/one/two/y", "2"));
    CHECK(umount("a/one/two") == 0 && holds("c/one/two/y", "2"));
    CHECK_ERROR(umount("c"), EBUSY);
    CHECK(umount("c/one/two") == 0 && umount("c/one") == 0 && umount("c") == 0);
    CHECK(umount("b") == 0 && umount("a/one") == 0);
}

/* Verify that a tree that is bound into itself ends. */
static void
test_bind_when_into_itself_then_finite(void)
{
    mount_tmpfs("m", NULL);
    CHECK(mkdir("m/in", 0755) == 0);
    put("m/f", "x");
    CHECK(mount("m", "m/in", NULL, MS_BIND | MS_REC, NULL) == 0);
    CHECK(holds("m/in/f", "x") && exists("m/in/in") && !exists("m/in/in/f"));
    CHECK(mount("m", "m/in", NULL, MS_BIND | MS_REC, NULL) == 0);
    CHECK(exists("m/in/f") && exists("m/in/in/f"));
    CHECK(umount2("m", MNT_DETACH) == 0 && !exists("m/f"));
}

static void
test_bind_when_unbindable_then_einval(void)
{
    CHECK(mkdir("b", 0755) == 0 && mkdir("a", 0755) == 0);
    mount_tmpfs("a/m", NULL);
    put("a/m/x", "1");
    CHECK(mount(NULL, "a/m", NULL, MS_UNBINDABLE, NULL) == 0);
    CHECK_ERROR(mount("a/m", "b", NULL, MS_BIND, NULL), EINVAL);
    CHECK(mount("a", "b", NULL, MS_BIND | MS_REC, NULL) == 0 && !exists("b/m/x"));
    CHECK(umount("b") == 0);
    CHECK(mount(NULL, "a/m", NULL, MS_PRIVATE, NULL) == 0);
    CHECK(mount("a/m", "b", NULL, MS_BIND, NULL) == 0);
    CHECK_ERROR(mount(NULL, "b", NULL, MS_PRIVATE | MS_SLAVE, NULL), EINVAL);
    CHECK_ERROR(mount(NULL, "b", NULL, MS_PRIVATE | MS_NOEXEC, NULL), EINVAL);
    CHECK(mount(NULL, "b", NULL, MS_PRIVATE | MS_REC, NULL) == 0);
    CHECK(umount("b") == 0 && umount("a/m") == 0);
}

/* Verify that a mount moves with all that is in it, but not into itself. */
static void
test_move_when_mount_then_tree_follows(void)
{
    CHECK(mkdir("to", 0755) == 0);
    mount_tmpfs("from", NULL);
    put("from/x", "1");
    mount_tmpfs("from/in", NULL);
    put("from/in/y", "2");
    CHECK(mkdir("from/d", 0755) == 0);
    CHECK_ERROR(mount("from/d", "to", NULL, MS_MOVE, NULL), EINVAL);
    CHECK_ERROR(mount("from", "from/d", NULL, MS_MOVE, NULL), ELOOP);
    CHECK_ERROR(mount("from", "from/in", NULL, MS_MOVE, NULL), ELOOP);
    CHECK_ERROR(mount("from", "from/x", NULL, MS_MOVE, NULL), EINVAL);
    CHECK(mount("from", "to", NULL, MS_MOVE, NULL) == 0);
    CHECK(!exists("from/x") && holds("to/x", "1") && holds("to/in/y", "2"));
    CHECK(chdir("to/in") == 0 && chdir("../..") == 0 && exists("to/x"));
    CHECK(umount("to/in") == 0 && umount("to") == 0);
}

/* Verify that a bind that is read-only is so for itself alone. */
static void
test_bind_when_read_only_then_other_mount_writes(void)
{
    int fd;

    mount_tmpfs("m", NULL);
    CHECK(mkdir("b", 0755) == 0 && mount("m", "b", NULL, MS_BIND, NULL) == 0);
    put("m/f", "1");
    CHECK((fd = open("b/f", O_RDWR)) >= 0);
    CHECK_ERROR(mount(NULL, "b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), EBUSY);
    CHECK(close(fd) == 0);
    CHECK(mount(NULL, "b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0);
    CHECK_ERROR(open("b/f", O_RDWR), EROFS);
    CHECK_ERROR(open("b/new", O_CREAT | O_RDWR, 0600), EROFS);
    CHECK_ERROR(open("b/f", O_TRUNC | O_RDONLY), EROFS);
    CHECK_ERROR(mkdir("b/d", 0755), EROFS);
    CHECK_ERROR(mkdir("b/f", 0755), EEXIST);
    CHECK_ERROR(unlink("b/f"), EROFS);
    CHECK_ERROR(unlink("b/nosuch"), EROFS);
    CHECK_ERROR(rename("b/f", "b/g"), EROFS);
    CHECK_ERROR(link("b/f", "b/g"), EROFS);
    CHECK_ERROR(symlink("x", "b/l"), EROFS);
    CHECK_ERROR(chmod("b/f", 0600), EROFS);
    CHECK_ERROR(chown("b/f", 1, 1), EROFS);
    CHECK_ERROR(utimensat(AT_FDCWD, "b/f", NULL, 0), EROFS);
    CHECK_ERROR(truncate("b/f", 0), EROFS);
    CHECK_ERROR(access("b/f", W_OK), EROFS);
    CHECK(access("b/f", R_OK) == 0 && (mount_flags("b") & ST_RDONLY) != 0);
    CHECK((mount_flags("m") & ST_RDONLY) == 0);
    put("m/f", "2");
    CHECK(holds("b/f", "2"));
    CHECK(mount(NULL, "b", NULL, MS_REMOUNT | MS_BIND, NULL) == 0);
    put("b/f", "3");
    CHECK(umount("b") == 0 && umount("m") == 0);
}

/* Verify that a file system that is read-only is so for all its mounts. */
static void
test_remount_when_read_only_then_all_mounts(void)
{
    int fd;

    mount_tmpfs("m", NULL);
    CHECK(mkdir("b", 0755) == 0 && mount("m", "b", NULL, MS_BIND, NULL) == 0);
    put("m/f", "1");
    CHECK((fd = open("m/f", O_WRONLY)) >= 0);
    CHECK_ERROR(mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL), EBUSY);
    CHECK(close(fd) == 0 && (fd = open("m/f", O_RDONLY)) >= 0);
    CHECK(mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
    CHECK_ERROR(open("b/f", O_WRONLY), EROFS);
    CHECK_ERROR(fchmod(fd, 0600), EROFS);
    CHECK_ERROR(open("m/f", O_WRONLY), EROFS);
    CHECK(mount(NULL, "m", NULL, MS_REMOUNT, NULL) == 0);
    put("b/f", "3");
    CHECK(close(fd) == 0 && umount("b") == 0 && umount("m") == 0);
    CHECK(mount("t", "m", "tmpfs", MS_RDONLY, NULL) == 0);
    CHECK_ERROR(mkdir("m/d", 0755), EROFS);
    CHECK(umount("m") == 0);
}

/* Verify nosuid, nodev, noexec, nosymfollow and the kinds of atime in f_flags, and that
 * a remount keeps the last of them unless it names one. */
static void
test_mount_when_flags_then_statfs_says(void)
{
    CHECK(mkdir("m", 0755) == 0);
    CHECK(mount("t", "m", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0);
    CHECK((mount_flags("m") & (ST_NOSUID | ST_NODEV | ST_NOEXEC | ST_RELATIME)) ==
          (ST_NOSUID | ST_NODEV | ST_NOEXEC | ST_RELATIME));
    CHECK(mount(NULL, "m", NULL, MS_REMOUNT | MS_NOATIME, NULL) == 0);
    CHECK((mount_flags("m") & (ST_NOSUID | ST_NOATIME | ST_RELATIME)) == ST_NOATIME);
    CHECK(mount(NULL, "m", NULL, MS_REMOUNT | MS_NODEV, NULL) == 0);
    CHECK((mount_flags("m") & (ST_NODEV | ST_NOATIME)) == (ST_NODEV | ST_NOATIME));
    CHECK(mount(NULL, "m", NULL, MS_REMOUNT | MS_STRICTATIME, NULL) == 0);
    CHECK((mount_flags("m") & (ST_RELATIME | ST_NOATIME)) == 0);
    CHECK(mount(NULL, "m", NULL, MS_REMOUNT | MS_NODIRATIME, NULL) == 0);
    CHECK((mount_flags("m") & ST_NODIRATIME) != 0);
    CHECK(mount(NULL, "m", NULL, MS_REMOUNT | MS_SYNCHRONOUS, NULL) == 0);
    CHECK((mount_flags("m") & ST_SYNCHRONOUS) != 0);
    CHECK(umount("m") == 0);
}

static void
test_mount_when_flags_then_obeyed(void)
{
    int fd;

    mount_tmpfs("m", NULL);
    put("m/prog", "#!/bin/sh\nexit 7\n");
    CHECK(chmod("m/prog", 0755) == 0 && mknod("m/null", S_IFCHR | 0666, 0x103) == 0);
    CHECK(symlink("prog", "m/link") == 0 && access("m/prog", X_OK) == 0);
    CHECK((fd = open("m/null", O_RDONLY)) >= 0 && close(fd) == 0);
    CHECK(mount(NULL, "m", NULL, MS_REMOUNT | MS_NOEXEC | MS_NODEV, NULL) == 0);
    CHECK_ERROR(access("m/prog", X_OK), EACCES);
    CHECK_ERROR(execl("m/prog", "prog", NULL), EACCES);
    CHECK_ERROR(open("m/null", O_RDONLY), EACCES);
    CHECK(stat("m/link", &(struct stat){ 0 }) == 0);
    CHECK(mount(NULL, "m", NULL, MS_REMOUNT | 0x100 /* MS_NOSYMFOLLOW */, NULL) == 0);
    CHECK_ERROR(open("m/link", O_RDONLY), ELOOP);
    CHECK_ERROR(open("m/link/x", O_RDONLY), ELOOP);
    CHECK(exists("m/link") && access("m/prog", X_OK) == 0);
    CHECK(umount("m") == 0);
}

static struct timespec
read_and_atime(const char *name)
{
    struct stat info;
    char c;
    int fd = open(name, O_RDONLY);

    CHECK(fd >= 0 && read(fd, &c, 1) == 1 && close(fd) == 0 && stat(name, &info) == 0);
    return info.st_atim;
}

/* Verify when reading sets the access time. */
static void
test_mount_when_atime_flags_then_obeyed(void)
{
    struct timespec old[2] = { { 1000, 5 }, { 2000, 0 } }, fresh[2], now;

    clock_gettime(CLOCK_REALTIME, &now);
    fresh[0] = fresh[1] = (struct timespec){ now.tv_sec + 100, 0 };
    mount_tmpfs("m", NULL);
    put("m/f", "1");
    CHECK(utimensat(AT_FDCWD, "m/f", old, 0) == 0);
    CHECK(read_and_atime("m/f").tv_sec > 1000);
    CHECK(utimensat(AT_FDCWD, "m/f", fresh, 0) == 0);
    fresh[0].tv_sec++;
    CHECK(utimensat(AT_FDCWD, "m/f", fresh, 0) == 0);
    CHECK(read_and_atime("m/f").tv_sec == fresh[0].tv_sec);
    CHECK(mount(NULL, "m", NULL, MS_REMOUNT | MS_STRICTATIME, NULL) == 0);
    CHECK(read_and_atime("m/f").tv_sec < fresh[0].tv_sec);
    CHECK(mount(NULL, "m", NULL, MS_REMOUNT | MS_NOATIME, NULL) == 0);
    CHECK(utimensat(AT_FDCWD, "m/f", old, 0) == 0);
    CHECK(read_and_atime("m/f").tv_sec == 1000);
    CHECK(umount("m") == 0);
}

int
main(void)
{
    RUN_IN_NEW(test_bind_when_directory_then_same_files, mount);
    RUN_IN_NEW(test_bind_when_file_then_on_a_file_only, mount, umount2, unlink, rename);
    RUN_IN_NEW(test_bind_when_recursive_then_inner_mounts_come, mount, umount2);
    RUN_IN_NEW(test_bind_when_into_itself_then_finite, mount, umount2);
    RUN_IN_NEW(test_bind_when_unbindable_then_einval, mount);
    RUN_IN_NEW(test_move_when_mount_then_tree_follows, mount);
    RUN_IN_NEW(test_bind_when_read_only_then_other_mount_writes, mount, open, mkdir, unlink,
               rename, link, symlink, chmod, chown, utimensat, truncate, access, statfs);
    RUN_IN_NEW(test_remount_when_read_only_then_all_mounts, mount, fchmod);
    RUN_IN_NEW(test_mount_when_flags_then_statfs_says, mount, statfs);
    RUN_IN_NEW(test_mount_when_flags_then_obeyed, mount, access, execve, open);
    RUN_IN_NEW(test_mount_when_atime_flags_then_obeyed, mount, utimensat);
    return check_failures != 0;
}

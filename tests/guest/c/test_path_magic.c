/* SPDX-License-Identifier: MIT */
/* Links that are places (/proc/self/fd, cwd, root): where a walk through them comes to,
 * and which restrictions refuse them. */
#define _GNU_SOURCE
#include "mounts.h"

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#define NO_XDEV 0x01
#define NO_MAGICLINKS 0x02
#define NO_SYMLINKS 0x04
#define BENEATH 0x08
#define IN_ROOT 0x10

static char text[64];

static int
open2(const char *path, unsigned long long flags, unsigned long long resolve)
{
    struct {
        unsigned long long flags, mode, resolve;
    } how = { flags, 0, resolve };

    return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

static const char *
link_of(int fd)
{
    snprintf(text, sizeof text, "proc/self/fd/%d", fd);
    return text;
}

static void
mount_proc(void)
{
    CHECK(mkdir("proc", 0755) == 0 && mount("p", "proc", "proc", 0, NULL) == 0);
}

/* Verify that an open file is found by its link though its name is gone. */
static void
test_magic_link_when_name_gone_then_same_file(void)
{
    struct stat a, b;
    char data[200];
    int fd, again;

    mount_proc();
    put("f", "abc");
    CHECK((fd = open("f", O_RDWR)) >= 0 && unlink("f") == 0 && fstat(fd, &a) == 0);
    CHECK(stat(link_of(fd), &b) == 0 && a.st_ino == b.st_ino && b.st_nlink == 0);
    CHECK(lstat(link_of(fd), &b) == 0 && S_ISLNK(b.st_mode));
    ssize_t n = readlink(link_of(fd), data, sizeof data);
    CHECK(n > 10 && memcmp(data + n - 10, " (deleted)", 10) == 0);
    CHECK((again = open(link_of(fd), O_RDONLY)) >= 0 && read(again, data, 9) == 3);
    CHECK(close(again) == 0 && (again = open(link_of(fd), O_RDWR | O_CREAT | O_TRUNC, 0600)) >= 0);
    CHECK(fstat(fd, &b) == 0 && b.st_size == 0 && !exists("f"));
    CHECK_ERROR(open(link_of(fd), O_RDONLY | O_NOFOLLOW), ELOOP);
    CHECK_ERROR(open(link_of(fd), O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
    CHECK_ERROR(open(strcat((char *)link_of(fd), "/x"), O_RDONLY), ENOTDIR);
    CHECK_ERROR(linkat(AT_FDCWD, link_of(fd), AT_FDCWD, "g", AT_SYMLINK_FOLLOW), ENOENT);
    CHECK_ERROR(unlink(link_of(fd)), EPERM);
}

/* Verify the usual way to give a file a name when it is ready. */
static void
test_tmpfile_when_linked_by_proc_then_named(void)
{
    int fd;

    mount_proc();
    CHECK((fd = open(".", O_TMPFILE | O_RDWR, 0600)) >= 0 && write(fd, "x", 1) == 1);
    CHECK(linkat(AT_FDCWD, link_of(fd), AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0);
    CHECK(holds("named", "x"));
    CHECK_ERROR(linkat(AT_FDCWD, link_of(fd), AT_FDCWD, "other", 0), EXDEV);
}

static void
test_magic_link_when_directory_then_walked_on(void)
{
    struct stat a, b;
    int fd;

    mount_proc();
    CHECK(mkdir("d", 0755) == 0 && mkdir("d/e", 0755) == 0);
    put("d/f", "1");
    CHECK((fd = open("d", O_PATH)) >= 0 && rename("d", "moved") == 0);
    CHECK(stat(strcat((char *)link_of(fd), "/e/../f"), &a) == 0 && stat("moved/f", &b) == 0);
    CHECK(a.st_ino == b.st_ino);
    put(strcat((char *)link_of(fd), "/new"), "2");
    CHECK(holds("moved/new", "2"));
    CHECK(mkdir(strcat((char *)link_of(fd), "/dir"), 0755) == 0 && exists("moved/dir"));
    CHECK(stat("proc/self/cwd/moved/f", &a) == 0 && a.st_ino == b.st_ino);
    CHECK(chdir(link_of(fd)) == 0 && exists("new") && exists("../moved"));
}

static void
test_magic_link_when_pipe_then_opened_again(void)
{
    int fds[2], again;
    char data[4];
    struct stat a, b;

    mount_proc();
    CHECK(pipe(fds) == 0 && fstat(fds[0], &a) == 0 && stat(link_of(fds[0]), &b) == 0);
    CHECK(a.st_ino == b.st_ino && S_ISFIFO(b.st_mode));
    CHECK((again = open(link_of(fds[0]), O_WRONLY)) >= 0 && write(again, "q", 1) == 1);
    CHECK(read(fds[0], data, 4) == 1 && data[0] == 'q');
    CHECK_ERROR(open(link_of(fds[0]), O_RDONLY | O_DIRECTORY), ENOTDIR);
    CHECK_ERROR(chdir(link_of(fds[0])), ENOTDIR);
}

static void
test_openat2_when_magic_refused_then_error(void)
{
    int fd, got;

    mount_proc();
    put("f", "1");
    CHECK((fd = open("f", O_RDONLY)) >= 0);
    CHECK_ERROR(open2(link_of(fd), O_RDONLY, NO_MAGICLINKS), ELOOP);
    CHECK_ERROR(open2(link_of(fd), O_RDONLY, NO_SYMLINKS), ELOOP);
    CHECK_ERROR(open2(link_of(fd), O_RDONLY, BENEATH), EXDEV);
    CHECK_ERROR(open2(link_of(fd), O_RDONLY, IN_ROOT), EXDEV);
    CHECK_ERROR(open2(link_of(fd), O_RDONLY, NO_XDEV), EXDEV);
    CHECK((got = open2(link_of(fd), O_PATH | O_NOFOLLOW, NO_MAGICLINKS)) >= 0);
    CHECK((got = open2("proc/self/stat", O_RDONLY, NO_MAGICLINKS)) >= 0);
    CHECK_ERROR(open2("proc/self/stat", O_RDONLY, NO_SYMLINKS), ELOOP);
    CHECK((got = open2(link_of(fd), O_RDONLY, 0)) >= 0);
}

/* Verify that what was open outside stays reachable in a chroot, and nothing else. */
static void
test_magic_link_when_root_then_that_root(void)
{
    struct stat a, b;

    mount_proc();
    CHECK(mkdir("jail", 0755) == 0 && mkdir("jail/proc", 0755) == 0);
    CHECK(mount("p", "jail/proc", "proc", 0, NULL) == 0 && stat("jail", &a) == 0);
    CHECK(chroot("jail") == 0 && chdir("/") == 0);
    CHECK(stat("/proc/self/root", &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev);
    CHECK(stat("/proc/self/root/../..", &b) == 0 && a.st_ino == b.st_ino);
    CHECK(umount("/proc") == 0);
}

int
main(void)
{
    RUN_IN_NEW(test_magic_link_when_name_gone_then_same_file, open, stat, readlink, linkat);
    RUN_IN_NEW(test_tmpfile_when_linked_by_proc_then_named, linkat, open);
    RUN_IN_NEW(test_magic_link_when_directory_then_walked_on, stat, open, mkdir, chdir);
    RUN_IN_NEW(test_magic_link_when_pipe_then_opened_again, open, stat);
    RUN_IN_NEW(test_openat2_when_magic_refused_then_error, openat2);
    RUN_IN_NEW(test_magic_link_when_root_then_that_root, chroot, stat);
    return check_failures != 0;
}

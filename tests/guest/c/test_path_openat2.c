/* SPDX-License-Identifier: MIT */
/* openat2(2): its structure, its restrictions of the walk; O_PATH, O_TMPFILE. */
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
#define CACHED 0x20

struct how {
    unsigned long long flags, mode, resolve;
};

static int
open2(int dir, const char *path, unsigned long long flags, unsigned long long resolve)
{
    struct how how = { flags, (flags & (O_CREAT | 020000000)) != 0 ? 0600 : 0, resolve };

    return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

/* Verify the rules of the structure's size and of its fields. */
static void
test_openat2_when_structure_wrong_then_refused(void)
{
    struct {
        struct how how;
        unsigned long long more[2];
    } big = { .how = { O_RDONLY, 0, 0 } };
    char *page = calloc(1, 5000);
    int fd;

    CHECK_ERROR(syscall(SYS_openat2, AT_FDCWD, ".", &big, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_openat2, AT_FDCWD, ".", &big, 23), EINVAL);
    CHECK((fd = (int)syscall(SYS_openat2, AT_FDCWD, ".", &big, sizeof big)) >= 0);
    CHECK(close(fd) == 0);
    big.more[1] = 1;
    CHECK_ERROR(syscall(SYS_openat2, AT_FDCWD, ".", &big, sizeof big), E2BIG);
    CHECK_ERROR(syscall(SYS_openat2, AT_FDCWD, ".", page, 5000), E2BIG);
    CHECK_ERROR(syscall(SYS_openat2, AT_FDCWD, ".", (char *)8, sizeof(struct how)), EFAULT);
    CHECK_ERROR(open2(AT_FDCWD, ".", 1ull << 40, 0), EINVAL);
    CHECK_ERROR(open2(AT_FDCWD, ".", O_RDONLY, 0x40), EINVAL);
    CHECK_ERROR(open2(AT_FDCWD, ".", O_RDONLY, BENEATH | IN_ROOT), EINVAL);
    CHECK_ERROR(open2(AT_FDCWD, ".", O_PATH | O_RDWR, 0), EINVAL);
    CHECK_ERROR(open2(AT_FDCWD, ".", O_CREAT | O_RDWR, CACHED), EAGAIN);
    big.more[1] = 0;
    big.how = (struct how){ O_RDONLY, 0600, 0 };
    CHECK_ERROR(syscall(SYS_openat2, AT_FDCWD, ".", &big, sizeof big), EINVAL);
    big.how = (struct how){ O_CREAT | O_RDWR, 010600, 0 };
    CHECK_ERROR(syscall(SYS_openat2, AT_FDCWD, "x", &big, sizeof big), EINVAL);
}

static void
make_tree(void)
{
    CHECK(mkdir("top", 0755) == 0 && mkdir("top/in", 0755) == 0);
    put("outside", "o");
    put("top/file", "f");
    CHECK(symlink("../../outside", "top/in/out") == 0 && symlink("../file", "top/in/up") == 0);
    CHECK(symlink("/file", "top/in/abs") == 0 && symlink("in", "top/link") == 0);
}

static void
test_openat2_when_beneath_then_never_above(void)
{
    int top, fd;

    make_tree();
    CHECK((top = open("top", O_PATH | O_DIRECTORY)) >= 0);
    CHECK((fd = open2(top, "in/../file", O_RDONLY, BENEATH)) >= 0 && close(fd) == 0);
    CHECK((fd = open2(top, "in/up", O_RDONLY, BENEATH)) >= 0 && close(fd) == 0);
    CHECK((fd = open2(top, "link/../in/new", O_CREAT | O_RDWR, BENEATH)) >= 0 && close(fd) == 0);
    CHECK_ERROR(open2(top, "..", O_RDONLY, BENEATH), EXDEV);
    CHECK_ERROR(open2(top, "in/../..", O_RDONLY, BENEATH), EXDEV);
    CHECK_ERROR(open2(top, "in/out", O_RDONLY, BENEATH), EXDEV);
    CHECK_ERROR(open2(top, "in/out", O_CREAT | O_RDWR, BENEATH), EXDEV);
    CHECK_ERROR(open2(top, "in/abs", O_RDONLY, BENEATH), EXDEV);
    CHECK_ERROR(open2(top, "in/abs", O_CREAT | O_RDWR, BENEATH), EXDEV);
    CHECK_ERROR(open2(top, "/", O_RDONLY, BENEATH), EXDEV);
    CHECK_ERROR(open2(top, "../nosuch", O_RDONLY, BENEATH), EXDEV);
    CHECK(chdir("top") == 0);
    CHECK_ERROR(open2(AT_FDCWD, "../outside", O_RDONLY, BENEATH), EXDEV);
    CHECK(open2(AT_FDCWD, "file", O_RDONLY, BENEATH) >= 0);
}

static void
test_openat2_when_in_root_then_start_is_root(void)
{
    char data[4];
    int top, fd;

    make_tree();
    CHECK((top = open("top", O_PATH | O_DIRECTORY)) >= 0);
    CHECK((fd = open2(top, "/file", O_RDONLY, IN_ROOT)) >= 0);
    CHECK(read(fd, data, 4) == 1 && data[0] == 'f' && close(fd) == 0);
    CHECK((fd = open2(top, "in/abs", O_RDONLY, IN_ROOT)) >= 0 && close(fd) == 0);
    CHECK((fd = open2(top, "../../../file", O_RDONLY, IN_ROOT)) >= 0 && close(fd) == 0);
    CHECK_ERROR(open2(top, "in/out", O_RDONLY, IN_ROOT), ENOENT);
    CHECK((fd = open2(top, "in/out", O_CREAT | O_RDWR, IN_ROOT)) >= 0 && close(fd) == 0);
    CHECK(exists("top/outside"));
    CHECK((fd = open2(top, "/made", O_CREAT | O_RDWR, IN_ROOT)) >= 0 && close(fd) == 0);
    CHECK(exists("top/made") && !exists("/made"));
}

static void
test_openat2_when_no_links_then_eloop(void)
{
    int fd;

    make_tree();
    CHECK_ERROR(open2(AT_FDCWD, "top/link/up", O_RDONLY, NO_SYMLINKS), ELOOP);
    CHECK_ERROR(open2(AT_FDCWD, "top/in/up", O_RDONLY, NO_SYMLINKS), ELOOP);
    CHECK_ERROR(open2(AT_FDCWD, "top/in/up", O_CREAT | O_RDWR, NO_SYMLINKS), ELOOP);
    CHECK((fd = open2(AT_FDCWD, "top/in/up", O_PATH | O_NOFOLLOW, NO_SYMLINKS)) >= 0);
    CHECK(close(fd) == 0 && (fd = open2(AT_FDCWD, "top/file", O_RDONLY, NO_SYMLINKS)) >= 0);
    CHECK((fd = open2(AT_FDCWD, "top/in/up", O_RDONLY, NO_MAGICLINKS)) >= 0);
}

/* Verify that a mount is not crossed, in either direction. */
static void
test_openat2_when_no_xdev_then_mounts_stop(void)
{
    int m, fd;

    make_tree();
    mount_tmpfs("top/m", NULL);
    put("top/m/f", "1");
    CHECK(symlink("/", "top/m/root") == 0);
    CHECK_ERROR(open2(AT_FDCWD, "top/m", O_RDONLY, NO_XDEV), EXDEV);
    CHECK_ERROR(open2(AT_FDCWD, "top/m/f", O_RDONLY, NO_XDEV), EXDEV);
    CHECK_ERROR(open2(AT_FDCWD, "top/m/new", O_CREAT | O_RDWR, NO_XDEV), EXDEV);
    CHECK((m = open("top/m", O_PATH)) >= 0);
    CHECK((fd = open2(m, "f", O_RDONLY, NO_XDEV)) >= 0 && close(fd) == 0);
    CHECK_ERROR(open2(m, "..", O_RDONLY, NO_XDEV), EXDEV);
    CHECK_ERROR(open2(m, "root", O_RDONLY, NO_XDEV), EXDEV);
    CHECK((fd = open2(m, "/", O_RDONLY, NO_XDEV)) >= 0 && close(fd) == 0);
    CHECK(close(m) == 0 && umount("top/m") == 0);
    CHECK((fd = open2(AT_FDCWD, "top/file", O_RDONLY, NO_XDEV)) >= 0);
}

/* Verify what a descriptor that names a place can do, and cannot. */
static void
test_open_when_path_only_then_no_contents(void)
{
    char data[8];
    struct stat info;
    int fd, link;

    put("f", "1");
    CHECK(symlink("f", "l") == 0 && chmod("f", 0) == 0);
    CHECK((fd = open("f", O_PATH | O_RDWR | O_CREAT | O_TRUNC, 0600)) >= 0);
    CHECK(fstat(fd, &info) == 0 && info.st_size == 1);
    CHECK_ERROR(read(fd, data, 1), EBADF);
    CHECK_ERROR(write(fd, data, 1), EBADF);
    CHECK_ERROR(syscall(SYS_fchmod, fd, 0600), EBADF);
    CHECK_ERROR(syscall(SYS_fchown, fd, 0, 0), EBADF);
    CHECK_ERROR(ftruncate(fd, 0), EBADF);
    CHECK_ERROR(lseek(fd, 0, SEEK_SET), EBADF);
    CHECK((fcntl(fd, F_GETFL) & (O_PATH | O_TRUNC | O_CREAT)) == O_PATH);
    CHECK_ERROR(open("nosuch", O_PATH | O_CREAT, 0600), ENOENT);
    CHECK((link = open("l", O_PATH | O_NOFOLLOW)) >= 0 && fstat(link, &info) == 0);
    CHECK(S_ISLNK(info.st_mode) && readlinkat(link, "", data, 8) == 1 && data[0] == 'f');
    CHECK_ERROR(readlinkat(fd, "", data, 8), ENOENT);
    CHECK_ERROR(open("l", O_RDONLY | O_NOFOLLOW), ELOOP);
    CHECK_ERROR(open("l", O_RDONLY | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
    CHECK_ERROR(open("f", O_PATH | O_DIRECTORY), ENOTDIR);
    CHECK_ERROR(openat(fd, "x", O_RDONLY), ENOTDIR);
    CHECK(fstatat(fd, "", &info, AT_EMPTY_PATH) == 0 && S_ISREG(info.st_mode));
    CHECK(linkat(fd, "", AT_FDCWD, "g", AT_EMPTY_PATH) == 0 && exists("g"));
}

static int temporary;

static void
link_as_nobody(void)
{
    CHECK_ERROR(linkat(temporary, "", AT_FDCWD, "d/n", AT_EMPTY_PATH), ENOENT);
}

/* Verify that a file without a name is in no directory, and can get one, or cannot. */
static void
test_open_when_tmpfile_then_linked_once(void)
{
    struct stat info;
    int fd;

    CHECK(mkdir("d", 0777) == 0 && chmod("d", 0777) == 0);
    put("f", "1");
    CHECK_ERROR(open("d", O_TMPFILE | O_RDONLY, 0600), EINVAL);
    CHECK_ERROR(open("f", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
    CHECK_ERROR(open("nosuch", O_TMPFILE | O_RDWR, 0600), ENOENT);
    CHECK((fd = open("d", O_TMPFILE | O_RDWR, 0640)) >= 0 && fstat(fd, &info) == 0);
    CHECK(info.st_nlink == 0 && (info.st_mode & 0777) == 0640 && write(fd, "ab", 2) == 2);
    CHECK(rmdir("d") == 0 && mkdir("d", 0755) == 0);
    CHECK(linkat(fd, "", AT_FDCWD, "d/named", AT_EMPTY_PATH) == 0 && holds("d/named", "ab"));
    CHECK(fstat(fd, &info) == 0 && info.st_nlink == 1 && unlink("d/named") == 0);
    CHECK_ERROR(linkat(fd, "", AT_FDCWD, "d/again", AT_EMPTY_PATH), ENOENT);
    CHECK((fd = open("d", O_TMPFILE | O_RDWR | O_EXCL, 0640)) >= 0);
    CHECK_ERROR(linkat(fd, "", AT_FDCWD, "d/x", AT_EMPTY_PATH), ENOENT);
    CHECK((temporary = open("d", O_TMPFILE | O_RDWR, 0640)) >= 0);
    as_nobody(link_as_nobody);
}

int
main(void)
{
    umask(0);
    RUN_IN_NEW(test_openat2_when_structure_wrong_then_refused, openat2);
    RUN_IN_NEW(test_openat2_when_beneath_then_never_above, openat2);
    RUN_IN_NEW(test_openat2_when_in_root_then_start_is_root, openat2);
    RUN_IN_NEW(test_openat2_when_no_links_then_eloop, openat2);
    RUN_IN_NEW(test_openat2_when_no_xdev_then_mounts_stop, openat2);
    RUN_IN_NEW(test_open_when_path_only_then_no_contents, open, readlinkat, linkat, newfstatat);
    RUN_IN_NEW(test_open_when_tmpfile_then_linked_once, open, linkat);
    return check_failures != 0;
}

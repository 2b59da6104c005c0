/* SPDX-License-Identifier: MIT */
/* stat and its relatives, statx, times: utimensat's rules and which call changes what. */
#define _GNU_SOURCE
#include "mounts.h"

#include <sys/sysmacros.h>
#include <sys/time.h>

#define NOW ((1l << 30) - 1l)
#define OMIT ((1l << 30) - 2l)

/* libc may not have it: struct statx of x86-64 */
struct xtime {
    long long tv_sec;
    unsigned tv_nsec;
    int pad;
};
struct xstat {
    unsigned stx_mask, stx_blksize;
    unsigned long long stx_attributes;
    unsigned stx_nlink, stx_uid, stx_gid;
    unsigned short stx_mode, pad;
    unsigned long long stx_ino, stx_size, stx_blocks, stx_attributes_mask;
    struct xtime stx_atime, stx_btime, stx_ctime, stx_mtime;
    unsigned stx_rdev_major, stx_rdev_minor, stx_dev_major, stx_dev_minor;
    unsigned long long stx_mnt_id, more[13];
};
#define X_BASIC_STATS 0x7ffu
#define X_BTIME 0x800u
#define X_SYNC_TYPE 0x6000
#define X_DONT_SYNC 0x4000

static int
xstat(int dir, const char *path, int flags, unsigned mask, struct xstat *to)
{
    return (int)syscall(SYS_statx, dir, path, flags, mask, to);
}

struct times {
    struct timespec a, m, c;
};

static struct times
times_of(const char *name)
{
    struct stat info;

    CHECK(lstat(name, &info) == 0);
    return (struct times){ info.st_atim, info.st_mtim, info.st_ctim };
}

static int
same(struct timespec x, struct timespec y)
{
    return x.tv_sec == y.tv_sec && x.tv_nsec == y.tv_nsec;
}

/* Verify the fields, for each kind, by each call. */
static void
test_stat_when_kinds_differ_then_fields(void)
{
    struct stat a, b;
    int fd;

    put("f", "12345");
    CHECK(chmod("f", 06751) == 0 && link("f", "g") == 0 && symlink("f", "l") == 0);
    CHECK(stat("f", &a) == 0 && a.st_mode == (S_IFREG | 06751) && a.st_nlink == 2);
    CHECK(a.st_size == 5 && a.st_uid == 0 && a.st_gid == 0 && a.st_blksize == 4096);
    CHECK(stat("l", &b) == 0 && b.st_ino == a.st_ino && b.st_dev == a.st_dev);
    CHECK(lstat("l", &b) == 0 && b.st_mode == (S_IFLNK | 0777) && b.st_size == 1);
    CHECK((fd = open("g", O_RDONLY)) >= 0 && fstat(fd, &b) == 0 && b.st_ino == a.st_ino);
    CHECK(unlink("f") == 0 && fstat(fd, &b) == 0 && b.st_nlink == 1);
    CHECK(unlink("g") == 0 && fstat(fd, &b) == 0 && b.st_nlink == 0);
    CHECK(mknod("c", S_IFCHR | 0600, makedev(300, 70000)) == 0 && stat("c", &a) == 0);
    CHECK(S_ISCHR(a.st_mode) && major(a.st_rdev) == 300 && minor(a.st_rdev) == 70000);
    CHECK(mkfifo("p", 0640) == 0 && stat("p", &a) == 0 && a.st_mode == (S_IFIFO | 0640));
    CHECK(fstatat(AT_FDCWD, "", &a, AT_EMPTY_PATH) == 0 && S_ISDIR(a.st_mode));
    CHECK_ERROR(fstatat(AT_FDCWD, "", &a, 0), ENOENT);
    CHECK_ERROR(syscall(SYS_newfstatat, AT_FDCWD, ".", &a, 1), EINVAL);
    CHECK_ERROR(fstatat(-5, "x", &a, 0), EBADF);
    CHECK_ERROR(fstatat(fd, "x", &a, 0), ENOTDIR);
    CHECK_ERROR(syscall(SYS_fstat, -1, &a), EBADF);
    CHECK_ERROR(syscall(SYS_stat, ".", (char *)8), EFAULT);
    CHECK(fstatat(fd, "/", &a, 0) == 0 && fstatat(-5, "/", &a, 0) == 0);
    CHECK(fstatat(AT_FDCWD, "l", &a, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0);
}

/* Verify statx's mask, flags and errors. */
static void
test_statx_when_asked_then_told(void)
{
    struct xstat x;
    struct stat s;
    int fd;

    put("f", "12345");
    CHECK(stat("f", &s) == 0 && (fd = open("f", O_RDONLY)) >= 0);
    memset(&x, 0xff, sizeof x);
    CHECK(xstat(AT_FDCWD, "f", 0, X_BASIC_STATS | X_BTIME, &x) == 0);
    CHECK((x.stx_mask & X_BASIC_STATS) == X_BASIC_STATS && x.stx_size == 5);
    CHECK(x.stx_ino == s.st_ino && x.stx_mode == s.st_mode && x.stx_nlink == 1);
    CHECK(makedev(x.stx_dev_major, x.stx_dev_minor) == s.st_dev);
    CHECK(x.stx_mtime.tv_sec == s.st_mtim.tv_sec && x.stx_mtime.tv_nsec == s.st_mtim.tv_nsec);
    CHECK(xstat(fd, "", AT_EMPTY_PATH, 0, &x) == 0 && x.stx_ino == s.st_ino);
    CHECK(xstat(AT_FDCWD, "f", X_DONT_SYNC, 0, &x) == 0);
    CHECK_ERROR(xstat(AT_FDCWD, "f", X_SYNC_TYPE, 0, &x), EINVAL);
    CHECK_ERROR(xstat(AT_FDCWD, "f", 1, 0, &x), EINVAL);
    CHECK_ERROR(xstat(AT_FDCWD, "f", 0, 0x80000000u, &x), EINVAL);
    CHECK_ERROR(xstat(AT_FDCWD, "", 0, 0, &x), ENOENT);
    CHECK_ERROR(xstat(AT_FDCWD, "nosuch", 0, 0, &x), ENOENT);
    CHECK_ERROR(xstat(-5, "f", 0, 0, &x), EBADF);
    CHECK_ERROR(syscall(SYS_statx, AT_FDCWD, "f", 0, 0, (char *)8), EFAULT);
    CHECK(xstat(AT_FDCWD, "/", 0, X_BASIC_STATS, &x) == 0);
    CHECK((x.stx_attributes_mask & 0x2000) != 0 && (x.stx_attributes & 0x2000) != 0);
    CHECK(xstat(AT_FDCWD, "f", 0, 0x1000 /* STATX_MNT_ID */, &x) == 0);
    CHECK((x.stx_mask & 0x1000) != 0 && (x.stx_attributes & 0x2000) == 0);
}

static void
times_as_nobody(void)
{
    struct timespec set[2] = { { 5, 0 }, { 6, 0 } }, now[2] = { { 0, NOW }, { 0, NOW } },
                    omit[2] = { { 0, OMIT }, { 0, OMIT } }, half[2] = { { 0, NOW }, { 0, OMIT } };

    CHECK_ERROR(utimensat(AT_FDCWD, "writable", set, 0), EPERM);
    CHECK_ERROR(utimensat(AT_FDCWD, "writable", half, 0), EPERM);
    CHECK(utimensat(AT_FDCWD, "writable", NULL, 0) == 0);
    CHECK(utimensat(AT_FDCWD, "writable", now, 0) == 0);
    CHECK_ERROR(utimensat(AT_FDCWD, "other", NULL, 0), EACCES);
    CHECK_ERROR(utimensat(AT_FDCWD, "other", now, 0), EACCES);
    CHECK_ERROR(utimensat(AT_FDCWD, "other", half, 0), EPERM);
    CHECK(utimensat(AT_FDCWD, "other", omit, 0) == 0);
    CHECK(utimensat(AT_FDCWD, "mine", set, 0) == 0 && utimensat(AT_FDCWD, "mine", half, 0) == 0);
}

/* Verify utimensat: NOW, OMIT, ns, links, rights. */
static void
test_utimensat_when_called_then_times_and_rights(void)
{
    struct timespec t[2] = { { 1000, 123456789 }, { -2000, 999999999 } };
    struct times was;
    int fd;

    put("f", "1");
    put("writable", "1");
    put("other", "1");
    put("mine", "1");
    CHECK(chmod("writable", 0666) == 0 && chown("mine", NOBODY, NOBODY) == 0);
    CHECK(symlink("f", "l") == 0 && chmod("mine", 0) == 0);
    CHECK(utimensat(AT_FDCWD, "l", t, 0) == 0);
    was = times_of("f");
    CHECK(same(was.a, t[0]) && same(was.m, t[1]) && was.c.tv_sec > 1000);
    t[0].tv_nsec = OMIT;
    t[1].tv_sec = 77;
    CHECK(utimensat(AT_FDCWD, "l", t, AT_SYMLINK_NOFOLLOW) == 0);
    CHECK(times_of("l").m.tv_sec == 77 && same(times_of("f").m, was.m));
    t[1].tv_nsec = NOW;
    CHECK((fd = open("f", O_RDONLY)) >= 0 && futimens(fd, t) == 0);
    CHECK(same(times_of("f").a, was.a) && times_of("f").m.tv_sec > 1000);
    t[1].tv_nsec = 1000000000;
    CHECK_ERROR(utimensat(AT_FDCWD, "f", t, 0), EINVAL);
    t[1].tv_nsec = -1;
    CHECK_ERROR(utimensat(AT_FDCWD, "f", t, 0), EINVAL);
    CHECK_ERROR(utimensat(AT_FDCWD, "f", NULL, 1), EINVAL);
    CHECK_ERROR(utimensat(AT_FDCWD, "nosuch", NULL, 0), ENOENT);
    CHECK_ERROR(utimensat(AT_FDCWD, "f/x", NULL, 0), ENOTDIR);
    CHECK_ERROR(utimensat(-5, "f", NULL, 0), EBADF);
    CHECK_ERROR(syscall(SYS_utimensat, AT_FDCWD, NULL, NULL, 0), EFAULT);
    CHECK_ERROR(syscall(SYS_utimensat, AT_FDCWD, "f", 8, 0), EFAULT);
    CHECK_ERROR(futimens(-1, NULL), EBADF);
    as_nobody(times_as_nobody);
}

/* Which of the times of NAME does the action change? */
#define CHANGES(name, action, what)                                                        \
    do {                                                                                   \
        struct timespec old_[2] = { { 1000, 0 }, { 2000, 0 } };                            \
        CHECK(utimensat(AT_FDCWD, name, old_, AT_SYMLINK_NOFOLLOW) == 0);                  \
        struct times before_ = times_of(name);                                             \
        usleep(20000);                                                                     \
        CHECK(action);                                                                     \
        struct times after_ = times_of(name);                                              \
        CHECK(same(before_.m, after_.m) == (strchr(what, 'm') == NULL));                   \
        CHECK(same(before_.c, after_.c) == (strchr(what, 'c') == NULL));                   \
        CHECK(same(before_.a, after_.a) == (strchr(what, 'a') == NULL));                   \
    } while (0)

static void
test_times_when_changed_then_by_the_rules(void)
{
    char data[4];
    int fd;

    mount_tmpfs("m", NULL);
    CHECK(chdir("m") == 0 && mkdir("d", 0755) == 0 && mkdir("e", 0755) == 0);
    put("f", "1");
    CHECK((fd = open("f", O_RDWR)) >= 0 && symlink("f", "l") == 0);
    CHANGES("f", pwrite(fd, "x", 1, 0) == 1, "mc");
    CHANGES("f", pwrite(fd, "x", 0, 0) == 0, "");
    CHANGES("f", pread(fd, data, 1, 0) == 1, "a");
    CHANGES("f", ftruncate(fd, 1) == 0, "mc");
    CHANGES("f", truncate("f", 5) == 0, "mc");
    CHANGES("f", chmod("f", 0600) == 0, "c");
    CHANGES("f", chown("f", -1, -1) == 0, "c");
    CHANGES("f", link("f", "g") == 0, "c");
    CHANGES("f", rename("g", "h") == 0, "c");
    CHANGES("f", unlink("h") == 0, "c");
    CHANGES("f", rename("f", "d/f") == 0 && rename("d/f", "f") == 0, "c");
    CHANGES("f", close(open("f", O_RDWR)) == 0, "");
    CHANGES("f", close(open("f", O_RDWR | O_TRUNC)) == 0, "mc");
    CHANGES("l", readlink("l", data, 4) == 1, "a");
    CHANGES("d", mkdir("d/x", 0755) == 0, "mc");
    CHANGES("d", rmdir("d/x") == 0, "mc");
    CHANGES("d", close(open("d/y", O_CREAT | O_RDWR, 0600)) == 0, "mc");
    CHANGES("d", close(open("d/y", O_CREAT | O_RDWR, 0600)) == 0, "");
    CHANGES("d", link("d/y", "d/z") == 0, "mc");
    CHANGES("d", rename("d/y", "e/y") == 0, "mc");
    CHANGES("d", unlink("d/z") == 0, "mc");
    CHANGES("d", symlink("x", "d/l") == 0, "mc");
    CHECK(close(fd) == 0 && chdir("..") == 0 && umount("m") == 0);
}

int
main(void)
{
    umask(022);
    RUN_IN_NEW(test_stat_when_kinds_differ_then_fields, stat, lstat, fstat, newfstatat, mknod);
    RUN_IN_NEW(test_statx_when_asked_then_told, statx);
    RUN_IN_NEW(test_utimensat_when_called_then_times_and_rights, utimensat);
    RUN_IN_NEW(test_times_when_changed_then_by_the_rules, write, read, truncate, ftruncate, chmod,
               chown, link, rename, unlink, mkdir, rmdir, open, readlink, symlink);
    return check_failures != 0;
}

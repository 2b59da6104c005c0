/* SPDX-License-Identifier: MIT */
/* Calls on files that newer ones have replaced, or that a C library makes another call
 * for: each is made as the bare system call. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <utime.h>

static void
make(const char *name)
{
    int fd = open(name, O_CREAT | O_WRONLY | O_EXCL, 0644);

    CHECK(fd >= 0 && close(fd) == 0);
}

/* Verify utime: both times, now, and its errors. */
static void
test_utime_when_given_then_both_times(void)
{
    struct utimbuf times = { .actime = 1000, .modtime = 2000 };
    struct stat s;

    make("f");
    CHECK(syscall(SYS_utime, "f", &times) == 0 && stat("f", &s) == 0);
    CHECK(s.st_atim.tv_sec == 1000 && s.st_mtim.tv_sec == 2000 && s.st_mtim.tv_nsec == 0);
    CHECK(syscall(SYS_utime, "f", NULL) == 0 && stat("f", &s) == 0);
    CHECK(s.st_mtim.tv_sec > 2000 && s.st_atim.tv_sec > 1000);
    CHECK_ERROR(syscall(SYS_utime, "nosuch", NULL), ENOENT);
    CHECK_ERROR(syscall(SYS_utime, 8, NULL), EFAULT);
    CHECK_ERROR(syscall(SYS_utime, "f", 8), EFAULT);
    CHECK(chmod("f", 0666) == 0 && chmod(".", 0755) == 0);
    CHECK(syscall(SYS_setresuid, 5, 5, 5) == 0);
    CHECK_ERROR(syscall(SYS_utime, "f", &times), EPERM); /* writable, not the owner's */
    CHECK(syscall(SYS_utime, "f", NULL) == 0);
}

/* Verify utimes and futimesat: microseconds, which must be ones. */
static void
test_utimes_when_given_then_microseconds(void)
{
    struct timeval times[2] = { { 1000, 111 }, { 2000, 999999 } };
    struct stat s;
    int here = open(".", O_RDONLY | O_DIRECTORY);

    make("f");
    CHECK(syscall(SYS_utimes, "f", times) == 0 && stat("f", &s) == 0);
    CHECK(s.st_atim.tv_sec == 1000 && s.st_atim.tv_nsec == 111000);
    CHECK(s.st_mtim.tv_sec == 2000 && s.st_mtim.tv_nsec == 999999000);
    times[0].tv_sec = 7;
    CHECK(syscall(SYS_futimesat, here, "f", times) == 0 && stat("f", &s) == 0);
    CHECK(s.st_atim.tv_sec == 7);
    times[1].tv_usec = 1000000;
    CHECK_ERROR(syscall(SYS_utimes, "f", times), EINVAL);
    CHECK_ERROR(syscall(SYS_futimesat, here, "f", times), EINVAL);
    times[1].tv_usec = -1;
    CHECK_ERROR(syscall(SYS_utimes, "f", times), EINVAL);
    CHECK_ERROR(syscall(SYS_futimesat, 99, "f", NULL), EBADF);
    CHECK_ERROR(syscall(SYS_futimesat, here, "nosuch", NULL), ENOENT);
    CHECK_ERROR(syscall(SYS_utimes, "f/x", NULL), ENOTDIR);
    CHECK(syscall(SYS_utimes, "f", NULL) == 0 && stat("f", &s) == 0);
    CHECK(s.st_mtim.tv_sec > 2000);
}

/* Verify the calls relative to a directory: what they make is below it. */
static void
test_at_calls_when_relative_then_below_the_directory(void)
{
    int dir, file;
    struct stat s;
    char text[16] = "";

    make("file");
    CHECK(syscall(SYS_mkdirat, AT_FDCWD, "d", 0750) == 0);
    dir = open("d", O_RDONLY | O_DIRECTORY);
    file = open("file", O_RDONLY);
    CHECK(dir >= 0 && file >= 0);
    CHECK(syscall(SYS_mkdirat, dir, "sub", 0700) == 0);
    CHECK(stat("d/sub", &s) == 0 && S_ISDIR(s.st_mode) && (s.st_mode & 07777) == 0700);
    CHECK(syscall(SYS_symlinkat, "target", dir, "link") == 0);
    CHECK(readlink("d/link", text, sizeof text) == 6 && strcmp(text, "target") == 0);
    CHECK(syscall(SYS_mknodat, dir, "fifo", S_IFIFO | 0640, 0) == 0);
    CHECK(stat("d/fifo", &s) == 0 && S_ISFIFO(s.st_mode));
    CHECK(syscall(SYS_mknodat, dir, "null", S_IFCHR | 0600, makedev(1, 3)) == 0);
    CHECK(stat("d/null", &s) == 0 && s.st_rdev == makedev(1, 3));
    CHECK(syscall(SYS_mknodat, dir, "plain", 0600, 0) == 0);
    CHECK(stat("d/plain", &s) == 0 && S_ISREG(s.st_mode));
    CHECK(syscall(SYS_renameat, dir, "plain", AT_FDCWD, "moved") == 0);
    CHECK(access("moved", F_OK) == 0 && access("d/plain", F_OK) < 0);
    CHECK_ERROR(syscall(SYS_mkdirat, dir, "sub", 0700), EEXIST);
    CHECK_ERROR(syscall(SYS_mkdirat, file, "x", 0700), ENOTDIR);
    CHECK_ERROR(syscall(SYS_mkdirat, 99, "x", 0700), EBADF);
    CHECK_ERROR(syscall(SYS_symlinkat, "t", dir, "link"), EEXIST);
    CHECK_ERROR(syscall(SYS_symlinkat, "", dir, "empty"), ENOENT);
    CHECK_ERROR(syscall(SYS_symlinkat, "t", 99, "x"), EBADF);
    CHECK_ERROR(syscall(SYS_mknodat, dir, "fifo", S_IFIFO, 0), EEXIST);
    CHECK_ERROR(syscall(SYS_mknodat, dir, "dir", S_IFDIR | 0700, 0), EPERM);
    CHECK_ERROR(syscall(SYS_mknodat, dir, "x", 0030000, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_mknodat, file, "x", S_IFREG, 0), ENOTDIR);
    CHECK_ERROR(syscall(SYS_renameat, dir, "nosuch", dir, "x"), ENOENT);
    CHECK_ERROR(syscall(SYS_renameat, dir, "sub", AT_FDCWD, "d/sub/below"), EINVAL);
    CHECK_ERROR(syscall(SYS_renameat, 99, "a", dir, "x"), EBADF);
    CHECK_ERROR(syscall(SYS_renameat, AT_FDCWD, "d", AT_FDCWD, "moved"), ENOTDIR);
    CHECK(mkdir("open", 0777) == 0 && chmod(".", 0755) == 0);
    CHECK(syscall(SYS_setresuid, 5, 5, 5) == 0);
    CHECK_ERROR(syscall(SYS_mknodat, AT_FDCWD, "open/x", S_IFCHR, makedev(1, 3)), EPERM);
    CHECK_ERROR(syscall(SYS_mknodat, AT_FDCWD, "d/null", S_IFCHR, 0), EEXIST);
    CHECK_ERROR(syscall(SYS_mkdirat, AT_FDCWD, "x", 0700), EACCES);
    CHECK_ERROR(syscall(SYS_mknodat, AT_FDCWD, "x", S_IFCHR, makedev(1, 3)), EACCES);
}

/* Verify that fchown sets both, one or none, takes set-user-ID away, and is root's. */
static void
test_fchown_when_given_then_owner_changes(void)
{
    struct stat s;
    int fd, path;

    make("f");
    CHECK(chmod("f", 06755) == 0);
    fd = open("f", O_RDONLY);
    path = open("f", O_PATH);
    CHECK(syscall(SYS_fchown, fd, 10, 20) == 0 && fstat(fd, &s) == 0);
    CHECK(s.st_uid == 10 && s.st_gid == 20 && (s.st_mode & 07777) == 0755);
    CHECK(syscall(SYS_fchown, fd, -1, 21) == 0 && fstat(fd, &s) == 0);
    CHECK(s.st_uid == 10 && s.st_gid == 21);
    CHECK(syscall(SYS_fchown, fd, 11, -1) == 0 && fstat(fd, &s) == 0);
    CHECK(s.st_uid == 11 && s.st_gid == 21);
    CHECK_ERROR(syscall(SYS_fchown, 99, 1, 1), EBADF);
    CHECK_ERROR(syscall(SYS_fchown, path, 1, 1), EBADF);
    CHECK(syscall(SYS_setresuid, 11, 11, 11) == 0);
    CHECK_ERROR(syscall(SYS_fchown, fd, 12, -1), EPERM);
    CHECK_ERROR(syscall(SYS_fchown, fd, -1, 99), EPERM);
}

/* Verify that fstatfs says what statfs says of the same place. */
static void
test_fstatfs_when_compared_then_as_statfs(void)
{
    struct statfs one, two;
    int here = open(".", O_RDONLY | O_DIRECTORY);
    int path = open(".", O_PATH);

    CHECK(statfs(".", &one) == 0 && syscall(SYS_fstatfs, here, &two) == 0);
    CHECK(one.f_type == two.f_type && one.f_bsize == two.f_bsize);
    CHECK(one.f_blocks == two.f_blocks && one.f_namelen == 255 && two.f_namelen == 255);
    CHECK(two.f_bfree <= two.f_blocks && two.f_bavail <= two.f_bfree);
    CHECK(syscall(SYS_fstatfs, path, &two) == 0);
    CHECK_ERROR(syscall(SYS_fstatfs, 99, &two), EBADF);
    CHECK_ERROR(syscall(SYS_fstatfs, here, 8), EFAULT);
}

/* Verify that sync comes back, and what was written is there. */
static void
test_sync_when_called_then_zero(void)
{
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    char text[4];

    CHECK(fd >= 0 && write(fd, "data", 4) == 4 && syscall(SYS_sync) == 0);
    CHECK(pread(fd, text, 4, 0) == 4 && memcmp(text, "data", 4) == 0);
}

/* Verify the old signalfd: it takes what is pending, and its size must be right. */
static void
test_old_signalfd_when_signal_comes_then_read(void)
{
    unsigned long long set = 1ull << (SIGUSR1 - 1), info[16];
    sigset_t mask;
    int fd;

    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &mask, NULL) == 0);
    fd = (int)syscall(SYS_signalfd, -1, &set, 8);
    CHECK(fd >= 0 && fcntl(fd, F_GETFD) == 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
    CHECK(raise(SIGUSR1) == 0 && read(fd, info, sizeof info) == 128);
    CHECK((unsigned)info[0] == SIGUSR1);
    CHECK(syscall(SYS_signalfd, fd, &set, 8) == fd);
    CHECK_ERROR(syscall(SYS_signalfd, -1, &set, 4), EINVAL);
    CHECK_ERROR(syscall(SYS_signalfd, 0, &set, 8), EINVAL);
    CHECK_ERROR(syscall(SYS_signalfd, 99, &set, 8), EBADF);
    CHECK_ERROR(syscall(SYS_signalfd, -1, 8, 8), EFAULT);
}

int
main(void)
{
    umask(0);
    RUN_IN_NEW(test_utime_when_given_then_both_times, utime);
    RUN_IN_NEW(test_utimes_when_given_then_microseconds, utimes, futimesat);
    RUN_IN_NEW(test_at_calls_when_relative_then_below_the_directory, mkdirat, symlinkat,
               mknodat, renameat);
    RUN_IN_NEW(test_fchown_when_given_then_owner_changes, fchown);
    RUN_IN_NEW(test_fstatfs_when_compared_then_as_statfs, fstatfs);
    RUN_IN_NEW(test_sync_when_called_then_zero, sync);
    RUN_IN_NEW(test_old_signalfd_when_signal_comes_then_read, signalfd);
    return check_failures != 0;
}

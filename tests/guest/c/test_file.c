/* SPDX-License-Identifier: MIT */
/* Files and directories on the root file system. */
#define _GNU_SOURCE
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static char data[8192];

static int
make(const char *name, const char *text)
{
    int fd = open(name, O_CREAT | O_TRUNC | O_RDWR, 0644);

    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    return fd;
}

static off_t
size_of(const char *name)
{
    struct stat info;

    CHECK(stat(name, &info) == 0);
    return info.st_size;
}

static void
test_open_when_flags_differ_then_obeyed(void)
{
    int fd;

    CHECK_ERROR(open("a", O_RDONLY), ENOENT);
    CHECK_ERROR(open("", O_RDONLY), ENOENT);
    CHECK((fd = open("a", O_CREAT | O_EXCL | O_WRONLY, 0600)) >= 0);
    CHECK_ERROR(read(fd, data, 1), EBADF);
    CHECK_ERROR(open("a", O_CREAT | O_EXCL | O_WRONLY, 0600), EEXIST);
    CHECK(write(fd, "12345", 5) == 5 && close(fd) == 0);
    CHECK((fd = open("a", O_RDONLY)) >= 0);
    CHECK_ERROR(write(fd, "x", 1), EBADF);
    CHECK(close(fd) == 0 && size_of("a") == 5);
    CHECK((fd = open("a", O_WRONLY | O_TRUNC)) >= 0 && size_of("a") == 0);
    CHECK(mkdir("dir", 0755) == 0);
    CHECK_ERROR(open("dir", O_WRONLY), EISDIR);
    CHECK_ERROR(open("a", O_RDONLY | O_DIRECTORY), ENOTDIR);
    CHECK_ERROR(open("a/b", O_RDONLY), ENOTDIR);
    CHECK_ERROR(open("nosuch/b", O_CREAT | O_WRONLY, 0600), ENOENT);
    CHECK((fd = open("dir", O_RDONLY)) >= 0);
    CHECK_ERROR(read(fd, data, 1), EISDIR);
    CHECK((fd = openat(fd, "inner", O_CREAT | O_WRONLY, 0600)) >= 0);
    CHECK(size_of("dir/inner") == 0);
}

static void
test_seek_when_moved_then_position_follows(void)
{
    int fd = make("a", "0123456789");

    CHECK(lseek(fd, 0, SEEK_CUR) == 10 && lseek(fd, 3, SEEK_SET) == 3);
    CHECK(read(fd, data, 2) == 2 && memcmp(data, "34", 2) == 0);
    CHECK(lseek(fd, -2, SEEK_CUR) == 3 && lseek(fd, -1, SEEK_END) == 9);
    CHECK(read(fd, data, 100) == 1 && read(fd, data, 100) == 0);
    CHECK_ERROR(lseek(fd, -1, SEEK_SET), EINVAL);
    CHECK_ERROR(lseek(fd, 0, 77), EINVAL);
    CHECK(lseek(fd, 100, SEEK_SET) == 100 && read(fd, data, 1) == 0);
    CHECK(size_of("a") == 10);
    CHECK(pread(fd, data, 3, 5) == 3 && memcmp(data, "567", 3) == 0);
    CHECK(pwrite(fd, "ab", 2, 1) == 2 && lseek(fd, 0, SEEK_CUR) == 100);
    CHECK_ERROR(pread(fd, data, 1, -1), EINVAL);
}

static void
test_write_when_beyond_end_then_hole_of_zeros(void)
{
    int fd = make("a", "x");

    CHECK(lseek(fd, 100000, SEEK_SET) == 100000 && write(fd, "y", 1) == 1);
    CHECK(size_of("a") == 100001);
    CHECK(pread(fd, data, 8192, 50000) == 8192);
    for (int i = 0; i < 8192; i++)
        CHECK(data[i] == 0);
    CHECK(pread(fd, data, 1, 100000) == 1 && data[0] == 'y');
}

static void
test_append_when_two_writers_then_nothing_is_lost(void)
{
    enum { ROUNDS = 300 };
    int fd;
    pid_t child;

    unlink("log");
    child = fork();
    fd = open("log", O_CREAT | O_WRONLY | O_APPEND, 0600);
    CHECK(fd >= 0);
    for (int i = 0; i < ROUNDS; i++)
        CHECK(write(fd, child == 0 ? "child\n" : "parent", 6) == 6);
    if (child == 0)
        _exit(0);
    CHECK_EXIT(child, 0);
    CHECK(size_of("log") == ROUNDS * 12);
    CHECK(lseek(fd, 0, SEEK_SET) == 0 && write(fd, "end", 3) == 3);
    CHECK(size_of("log") == ROUNDS * 12 + 3);
}

static void
test_truncate_when_changed_then_zeros_after_growth(void)
{
    int fd = make("a", "0123456789");

    CHECK(ftruncate(fd, 4) == 0 && size_of("a") == 4);
    CHECK(ftruncate(fd, 10000) == 0 && pread(fd, data, 100, 0) == 100);
    CHECK(memcmp(data, "0123\0\0\0\0\0\0", 10) == 0);
    CHECK(truncate("a", 0) == 0 && pread(fd, data, 1, 0) == 0);
    CHECK_ERROR(ftruncate(fd, -1), EINVAL);
    CHECK_ERROR(truncate("nosuch", 0), ENOENT);
    CHECK(mkdir("dir", 0755) == 0);
    CHECK_ERROR(truncate("dir", 0), EISDIR);
}

static void
test_unlink_when_open_then_contents_stay(void)
{
    int fd = make("a", "still here");
    struct stat info;

    CHECK(unlink("a") == 0);
    CHECK_ERROR(open("a", O_RDONLY), ENOENT);
    CHECK(pread(fd, data, 10, 0) == 10 && memcmp(data, "still here", 10) == 0);
    CHECK(fstat(fd, &info) == 0 && info.st_nlink == 0 && info.st_size == 10);
    CHECK(write(fd, "!", 1) == 1);
    CHECK_ERROR(unlink("a"), ENOENT);
    CHECK(mkdir("dir", 0755) == 0);
    CHECK(unlink("dir") == -1 && (errno == EISDIR || errno == EPERM));
}

static void
test_links_when_hard_then_same_file(void)
{
    struct stat one, two;
    int fd = make("a", "text");

    CHECK(link("a", "b") == 0);
    CHECK(stat("a", &one) == 0 && stat("b", &two) == 0);
    CHECK(one.st_ino == two.st_ino && one.st_nlink == 2 && one.st_dev == two.st_dev);
    CHECK(unlink("a") == 0 && stat("b", &two) == 0 && two.st_nlink == 1);
    CHECK_ERROR(link("a", "c"), ENOENT);
    CHECK_ERROR(link("b", "b"), EEXIST);
    CHECK(mkdir("dir", 0755) == 0);
    CHECK_ERROR(link("dir", "c"), EPERM);
    CHECK(close(fd) == 0);
}

static void
test_links_when_symbolic_then_followed(void)
{
    struct stat info;
    int fd = make("a", "text");

    CHECK(symlink("a", "s") == 0 && symlink("nowhere", "d") == 0);
    CHECK(symlink("loop2", "loop1") == 0 && symlink("loop1", "loop2") == 0);
    CHECK(readlink("s", data, 100) == 1 && data[0] == 'a');
    CHECK(readlink("d", data, 3) == 3 && memcmp(data, "now", 3) == 0);
    CHECK_ERROR(readlink("a", data, 100), EINVAL);
    CHECK(lstat("s", &info) == 0 && S_ISLNK(info.st_mode) && info.st_size == 1);
    CHECK(stat("s", &info) == 0 && S_ISREG(info.st_mode) && info.st_size == 4);
    CHECK_ERROR(stat("d", &info), ENOENT);
    CHECK_ERROR(open("loop1", O_RDONLY), ELOOP);
    CHECK_ERROR(open("s", O_RDONLY | O_NOFOLLOW), ELOOP);
    CHECK_ERROR(symlink("x", "s"), EEXIST);
    CHECK_ERROR(symlink("", "e"), ENOENT);
    CHECK((fd = open("d", O_CREAT | O_WRONLY, 0600)) >= 0 && size_of("nowhere") == 0);
    CHECK(mkdir("dir", 0755) == 0 && symlink("dir", "ds") == 0);
    CHECK(symlink("../a", "dir/up") == 0 && size_of("ds/up") == 4);
    CHECK(unlink("s") == 0 && size_of("a") == 4);
}

static void
test_rename_when_target_exists_then_replaced(void)
{
    int fd = make("a", "aaa"), other = make("b", "b");

    CHECK(rename("a", "b") == 0 && size_of("b") == 3);
    CHECK_ERROR(open("a", O_RDONLY), ENOENT);
    CHECK(pread(other, data, 1, 0) == 1 && data[0] == 'b');
    CHECK(rename("b", "b") == 0 && size_of("b") == 3);
    CHECK(mkdir("dir", 0755) == 0 && mkdir("dir/sub", 0755) == 0);
    CHECK(mkdir("empty", 0755) == 0);
    CHECK_ERROR(rename("nosuch", "x"), ENOENT);
    CHECK_ERROR(rename("b", "dir"), EISDIR);
    CHECK_ERROR(rename("dir", "b"), ENOTDIR);
    CHECK_ERROR(rename("empty", "dir"), ENOTEMPTY);
    CHECK_ERROR(rename("dir", "dir/sub/in"), EINVAL);
    CHECK(rename("dir", "empty") == 0);
    CHECK(rename("b", "empty/sub/b") == 0 && size_of("empty/sub/b") == 3);
    CHECK(rename("empty/sub", "top") == 0 && size_of("top/../top/b") == 3);
    CHECK(close(fd) == 0 && close(other) == 0);
}

static void
test_directories_when_made_and_removed_then_errors_are_right(void)
{
    struct stat info;
    char name[300];

    CHECK(mkdir("dir", 0750) == 0 && stat("dir", &info) == 0);
    CHECK(S_ISDIR(info.st_mode) && (info.st_mode & 0777) == 0750 && info.st_nlink == 2);
    CHECK_ERROR(mkdir("dir", 0755), EEXIST);
    CHECK_ERROR(mkdir("no/such", 0755), ENOENT);
    CHECK(mkdir("dir/sub/", 0755) == 0 && stat("dir", &info) == 0 && info.st_nlink == 3);
    CHECK_ERROR(rmdir("dir"), ENOTEMPTY);
    CHECK_ERROR(rmdir("dir/sub/."), EINVAL);
    CHECK(rmdir("dir/sub") == 0 && rmdir("dir") == 0);
    CHECK_ERROR(rmdir("dir"), ENOENT);
    close(make("file", ""));
    CHECK_ERROR(rmdir("file"), ENOTDIR);
    memset(name, 'n', sizeof name);
    name[256] = '\0';
    CHECK_ERROR(mkdir(name, 0755), ENAMETOOLONG);
    name[255] = '\0';
    CHECK(mkdir(name, 0755) == 0 && rmdir(name) == 0);
}

static void
test_directory_when_read_then_each_name_once(void)
{
    enum { COUNT = 300 };
    int seen[COUNT] = { 0 };
    int dots = 0;
    char name[32];
    DIR *directory;
    struct dirent *entry;

    CHECK(mkdir("many", 0755) == 0);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "many/file%d", i);
        CHECK(close(make(name, "")) == 0);
    }
    CHECK((directory = opendir("many")) != NULL);
    while ((entry = readdir(directory)) != NULL) {
        int number;

        if (sscanf(entry->d_name, "file%d", &number) == 1) {
            CHECK(number >= 0 && number < COUNT && entry->d_type == DT_REG);
            seen[number]++;
        } else {
            CHECK(strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
            dots++;
        }
    }
    for (int i = 0; i < COUNT; i++)
        CHECK(seen[i] == 1);
    CHECK(dots == 2);
    /* Removing what is read must not hide the rest. */
    rewinddir(directory);
    for (int left = COUNT; left > 0;) {
        CHECK((entry = readdir(directory)) != NULL);
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "many/%.20s", entry->d_name);
        CHECK(unlink(name) == 0);
        left--;
    }
    CHECK(closedir(directory) == 0 && rmdir("many") == 0);
}

static void
test_cwd_when_changed_then_paths_follow(void)
{
    char before[PATH_MAX], after[PATH_MAX];
    int fd;

    CHECK(getcwd(before, sizeof before) != NULL);
    CHECK(mkdir("one", 0755) == 0 && mkdir("one/two", 0755) == 0);
    CHECK(chdir("one/two") == 0 && getcwd(after, sizeof after) != NULL);
    CHECK(strncmp(after, before, strlen(before)) == 0);
    CHECK(strcmp(after + strlen(before), "/one/two") == 0);
    close(make("../leaf", "1"));
    CHECK((fd = open("..", O_RDONLY | O_DIRECTORY)) >= 0 && fchdir(fd) == 0);
    CHECK(size_of("leaf") == 1 && size_of("./two/../leaf") == 1);
    CHECK_ERROR(chdir("leaf"), ENOTDIR);
    CHECK_ERROR(chdir("nosuch"), ENOENT);
    CHECK_ERROR(syscall(SYS_getcwd, after, 2L), ERANGE);
    CHECK(chdir("/") == 0 && chdir("..") == 0 && getcwd(after, 10) != NULL);
    CHECK(strcmp(after, "/") == 0);
}

static void
test_modes_when_changed_then_shown(void)
{
    struct stat info;
    int fd;

    CHECK(umask(027) == 022 && umask(027) == 027);
    CHECK((fd = open("a", O_CREAT | O_WRONLY, 0666)) >= 0);
    CHECK(fstat(fd, &info) == 0 && (info.st_mode & 07777) == 0640);
    CHECK(fchmod(fd, 04755) == 0 && stat("a", &info) == 0);
    CHECK((info.st_mode & 07777) == 04755);
    CHECK(chmod("a", 0) == 0 && access("a", F_OK) == 0);
    CHECK_ERROR(access("nosuch", F_OK), ENOENT);
    CHECK_ERROR(access("a", X_OK), EACCES);
    CHECK(chown("a", 12, 34) == 0 && stat("a", &info) == 0);
    CHECK(info.st_uid == 12 && info.st_gid == 34);
    CHECK_ERROR(chmod("nosuch", 0), ENOENT);
}

static void
test_times_when_set_then_shown(void)
{
    struct timespec times[2] = { { 1000000000, 123456789 }, { 1500000000, 987654321 } };
    struct stat info;
    int fd = make("a", "x");

    CHECK(utimensat(AT_FDCWD, "a", times, 0) == 0 && stat("a", &info) == 0);
    CHECK(info.st_atim.tv_sec == 1000000000 && info.st_mtim.tv_sec == 1500000000);
    CHECK(info.st_mtim.tv_nsec == 987654321);
    CHECK(write(fd, "y", 1) == 1 && stat("a", &info) == 0);
    CHECK(info.st_mtim.tv_sec > 1600000000);
}

static void
test_large_file_when_written_then_read_back(void)
{
    enum { CHUNKS = 2000 };
    int fd = open("large", O_CREAT | O_RDWR, 0600);

    CHECK(fd >= 0);
    for (int i = 0; i < CHUNKS; i++) {
        memset(data, i, 5000);
        CHECK(write(fd, data, 5000) == 5000);
    }
    CHECK(size_of("large") == CHUNKS * 5000 && lseek(fd, 0, SEEK_SET) == 0);
    for (int i = 0; i < CHUNKS; i++) {
        CHECK(read(fd, data, 5000) == 5000);
        for (int j = 0; j < 5000; j += 499)
            CHECK(data[j] == (char)i);
    }
    CHECK(unlink("large") == 0);
}

static void
test_path_when_odd_then_resolved(void)
{
    static char longest[PATH_MAX + 2];

    close(make("a", "1"));
    CHECK(mkdir("dir", 0755) == 0);
    CHECK(size_of("./a") == 1 && size_of(".//./a") == 1 && size_of("dir/../a") == 1);
    CHECK_ERROR(open("a/", O_RDONLY), ENOTDIR);
    CHECK(open("dir/", O_RDONLY) >= 0 && open("dir/.", O_RDONLY) >= 0);
    memset(longest, '/', PATH_MAX + 1);
    CHECK_ERROR(open(longest, O_RDONLY), ENAMETOOLONG);
    longest[PATH_MAX - 1] = '\0';
    CHECK(open(longest, O_RDONLY) >= 0);
}

int
main(void)
{
    char directory[] = "/tmp/test_file.XXXXXX";

    if (mkdtemp(directory) == NULL || chdir(directory) < 0)
        return 1;
    umask(022);
    RUN_IN_NEW(test_open_when_flags_differ_then_obeyed, open, openat, creat);
    RUN_IN_NEW(test_seek_when_moved_then_position_follows, lseek, read, write);
    RUN_IN_NEW(test_write_when_beyond_end_then_hole_of_zeros, lseek, write);
    RUN_IN_NEW(test_append_when_two_writers_then_nothing_is_lost, write, open);
    RUN_IN_NEW(test_truncate_when_changed_then_zeros_after_growth, truncate, ftruncate);
    RUN_IN_NEW(test_unlink_when_open_then_contents_stay, unlink);
    RUN_IN_NEW(test_links_when_hard_then_same_file, link);
    RUN_IN_NEW(test_links_when_symbolic_then_followed, symlink, readlink, lstat);
    RUN_IN_NEW(test_rename_when_target_exists_then_replaced, rename);
    RUN_IN_NEW(test_directories_when_made_and_removed_then_errors_are_right, mkdir, rmdir);
    RUN_IN_NEW(test_directory_when_read_then_each_name_once, getdents64);
    RUN_IN_NEW(test_cwd_when_changed_then_paths_follow, chdir, fchdir, getcwd);
    RUN_IN_NEW(test_modes_when_changed_then_shown, chmod, fchmod, umask);
    RUN_IN_NEW(test_times_when_set_then_shown, utimensat);
    RUN_IN_NEW(test_large_file_when_written_then_read_back, read, write);
    RUN_IN_NEW(test_path_when_odd_then_resolved, open, stat);
    return check_failures != 0;
}

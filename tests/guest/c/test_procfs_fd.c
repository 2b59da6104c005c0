/* SPDX-License-Identifier: MIT */
/* /proc/PID/fd and fdinfo: links that lead to what is open, whatever its name. */
#define _GNU_SOURCE
#include "proc_help.h"

#include <dirent.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static char link_text[4096];

static const char *
link_of(int fd)
{
    char path[64];
    ssize_t n;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    n = readlink(path, link_text, sizeof link_text - 1);
    CHECK(n > 0);
    link_text[n] = '\0';
    return link_text;
}

static int
reopen(int fd, int flags)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, flags, 0600);
}

/* Verify that the directory lists what is open, and only that. */
static void
test_fd_lists_what_is_open(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int fd = open("/", O_RDONLY), seen = 0, count = 0;
    struct dirent *d;
    struct stat info;
    char path[64];

    CHECK(dir != NULL && fd >= 0 && dup2(fd, 500) == 500);
    while ((d = readdir(dir)) != NULL) {
        if (d->d_name[0] == '.')
            continue;
        CHECK(d->d_type == DT_LNK && fcntl(atoi(d->d_name), F_GETFD) >= 0);
        seen |= (atoi(d->d_name) == 500) | (atoi(d->d_name) == fd) << 1;
        count++;
    }
    CHECK(seen == 3 && count >= 3);
    CHECK(strcmp(link_of(500), "/") == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK(lstat(path, &info) == 0 && S_ISLNK(info.st_mode));
    CHECK((info.st_mode & 0777) == 0500 && info.st_size == 64);
    CHECK_ERROR(readlink("/proc/self/fd/499", path, sizeof path), ENOENT);
    CHECK_ERROR(readlink("/proc/self/fd/x", path, sizeof path), ENOENT);
    CHECK_ERROR(readlink("/proc/self/fd/007", path, sizeof path), ENOENT);
}

/* Verify that opening the link of a deleted file opens that file anew: own position, own
 * rights, the same bytes. */
static void
test_deleted_file_can_be_opened_again(void)
{
    int fd = open("gone", O_CREAT | O_RDWR, 0600), again;
    struct stat one, two;
    char byte;

    CHECK(fd >= 0 && write(fd, "abc", 3) == 3 && unlink("gone") == 0);
    CHECK(strstr(link_of(fd), "/gone (deleted)") != NULL);
    again = reopen(fd, O_RDONLY);
    CHECK(again >= 0 && read(again, &byte, 1) == 1 && byte == 'a');
    CHECK(lseek(fd, 0, SEEK_CUR) == 3 && lseek(again, 0, SEEK_CUR) == 1);
    CHECK(fstat(fd, &one) == 0 && fstat(again, &two) == 0 && one.st_ino == two.st_ino);
    CHECK_ERROR(write(again, "x", 1), EBADF);
    again = reopen(fd, O_WRONLY | O_CREAT | O_TRUNC); /* as a shell's `>` */
    CHECK(again >= 0 && fstat(fd, &one) == 0 && one.st_size == 0);
    CHECK_ERROR(reopen(fd, O_RDWR | O_CREAT | O_EXCL), EEXIST);
    CHECK_ERROR(reopen(fd, O_RDONLY | O_DIRECTORY), ENOTDIR);
    CHECK_ERROR(reopen(fd, O_RDONLY | O_NOFOLLOW), ELOOP);
}

/* Verify that a pipe's link names it, and that opening it makes another end. */
static void
test_pipe_can_be_opened_again(void)
{
    int ends[2], reader, writer;
    struct stat info;
    char want[64], text[8] = { 0 };

    CHECK(pipe(ends) == 0 && fstat(ends[0], &info) == 0);
    snprintf(want, sizeof want, "pipe:[%lu]", (unsigned long)info.st_ino);
    CHECK(strcmp(link_of(ends[0]), want) == 0 && strcmp(link_of(ends[1]), want) == 0);
    writer = reopen(ends[0], O_WRONLY);
    reader = reopen(ends[1], O_RDONLY | O_NONBLOCK);
    CHECK(writer >= 0 && reader >= 0);
    CHECK(write(writer, "hi", 2) == 2 && read(reader, text, 8) == 2);
    CHECK(strcmp(text, "hi") == 0);
    CHECK_ERROR(read(reader, text, 1), EAGAIN);
    CHECK(close(ends[1]) == 0);
    CHECK_ERROR(read(reader, text, 1), EAGAIN);
    CHECK(close(writer) == 0 && read(reader, text, 1) == 0);
}

/* Verify that a directory's link is a way into it, a pipe's none. */
static void
test_link_of_directory_is_a_way(void)
{
    int dir, file, ends[2];
    char path[64];

    CHECK(mkdir("below", 0755) == 0);
    dir = open("below", O_RDONLY | O_DIRECTORY);
    file = openat(dir, "file", O_CREAT | O_WRONLY, 0600);
    CHECK(dir >= 0 && file >= 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d/file", dir);
    CHECK(access(path, F_OK) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d/../below/file", dir);
    CHECK(access(path, F_OK) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d/new", dir);
    CHECK(mkdir(path, 0755) == 0 && rmdir("below/new") == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d/x", file);
    CHECK_ERROR(access(path, F_OK), ENOTDIR);
    CHECK(pipe(ends) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d/x", ends[0]);
    CHECK_ERROR(access(path, F_OK), ENOTDIR);
    CHECK_ERROR(chdir("/proc/self/fd/0"), ENOTDIR);
}

/* Verify what the links of files without a name say, and that they are not opened. */
static void
test_anonymous_files_have_kinds(void)
{
    int event = eventfd(0, 0), epoll = epoll_create1(0), memory;
    char text[8] = { 0 };

    CHECK(event >= 0 && epoll >= 0);
    CHECK(strcmp(link_of(event), "anon_inode:[eventfd]") == 0);
    CHECK(strcmp(link_of(epoll), "anon_inode:[eventpoll]") == 0);
    CHECK_ERROR(reopen(event, O_RDWR), ENXIO);
    memory = (int)syscall(SYS_memfd_create, "mine", 0);
    CHECK(memory >= 0 && write(memory, "data", 4) == 4);
    CHECK(strncmp(link_of(memory), "/memfd:", 7) == 0);
    memory = reopen(memory, O_RDONLY);
    CHECK(memory >= 0 && read(memory, text, 8) == 4 && strcmp(text, "data") == 0);
}

/* Verify position and flags in fdinfo. */
static void
test_fdinfo_tells_position_and_flags(void)
{
    int fd = open("info", O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600);

    CHECK(fd >= 0 && write(fd, "12345", 5) == 5 && lseek(fd, 3, SEEK_SET) == 3);
    proc_read("/proc/self/fdinfo/%d", fd);
    CHECK(proc_value("pos", 10) == 3);
    CHECK((proc_value("flags", 8) & (O_ACCMODE | O_APPEND | O_CLOEXEC)) ==
          (O_RDWR | O_APPEND | O_CLOEXEC));
    proc_value("mnt_id", 10);
    CHECK_ERROR(open("/proc/self/fdinfo/499", O_RDONLY), ENOENT);
}

/* Verify that what a parent has open is reached by its number, too. */
static void
test_fd_of_another_process(void)
{
    int fd = open("parents", O_CREAT | O_RDWR, 0600);
    char path[64], byte;
    pid_t parent = getpid(), child;

    CHECK(fd >= 0 && write(fd, "p", 1) == 1);
    child = fork();
    if (child == 0) {
        close(fd);
        snprintf(path, sizeof path, "/proc/%d/fd/%d", parent, fd);
        CHECK((fd = open(path, O_RDONLY)) >= 0 && read(fd, &byte, 1) == 1 && byte == 'p');
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

/* Verify that names cannot be made, removed or changed in /proc. */
static void
test_proc_cannot_be_changed(void)
{
    CHECK_ERROR(open("/proc/new", O_CREAT | O_WRONLY, 0600), ENOENT);
    CHECK_ERROR(mkdir("/proc/new", 0755), ENOENT);
    CHECK_ERROR(mkdir("/proc/self/new", 0755), ENOENT);
    CHECK_ERROR(unlink("/proc/self/stat"), EPERM);
    CHECK_ERROR(rename("/proc/self/stat", "/proc/self/status"), EPERM);
    CHECK_ERROR(chmod("/proc/self/stat", 0600), EPERM);
    CHECK_ERROR(unlink("/proc/uptime"), EPERM);
}

int
main(void)
{
    CHECK(mkdir("/tmp", 01777) == 0 || errno == EEXIST);
    CHECK(chdir("/tmp") == 0);
    RUN_IN_NEW(test_fd_lists_what_is_open, getdents64, readlink);
    RUN_IN_NEW(test_deleted_file_can_be_opened_again, open);
    RUN_IN_NEW(test_pipe_can_be_opened_again, pipe);
    RUN_IN_NEW(test_link_of_directory_is_a_way, access, mkdir);
    RUN_IN_NEW(test_anonymous_files_have_kinds, eventfd2, epoll_create1, memfd_create);
    RUN_IN_NEW(test_fdinfo_tells_position_and_flags, open);
    RUN_IN_NEW(test_fd_of_another_process, open);
    RUN_IN_NEW(test_proc_cannot_be_changed, mkdir, unlink, rename, chmod);
    return check_failures != 0;
}

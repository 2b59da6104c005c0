/* SPDX-License-Identifier: MIT */
/* inotify's calls: flags, errors, reading, waiting, limits; races of all of them. */
#define _GNU_SOURCE
#include "files.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/inotify.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static char buffer[4096] __attribute__((aligned(8)));

static void
test_init_when_flags_then_obeyed(void)
{
    int a = inotify_init(), b = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    CHECK(a >= 0 && b >= 0);
    CHECK(fcntl(a, F_GETFD) == 0 && fcntl(b, F_GETFD) == FD_CLOEXEC);
    CHECK((fcntl(a, F_GETFL) & (O_NONBLOCK | O_ACCMODE)) == O_RDONLY);
    CHECK((fcntl(b, F_GETFL) & O_NONBLOCK) != 0);
    CHECK_ERROR(inotify_init1(1), EINVAL);
    CHECK_ERROR(write(a, "x", 1), EBADF);
    CHECK_ERROR(read(b, buffer, sizeof buffer), EAGAIN);
}

static void
test_instances_when_128_then_emfile(void)
{
    int n = 0, last = 0;
    CHECK(setresuid(4321, 4321, 4321) == 0);
    while (n < 1000 && (last = inotify_init1(0)) >= 0)
        n++;
    CHECK(last == -1 && errno == EMFILE && n == 128);
    CHECK(close(100) == 0 && inotify_init1(0) == 100);
}

static void
test_add_when_wrong_then_error(void)
{
    int fd = inotify_init1(IN_NONBLOCK), other = open("f", O_RDWR | O_CREAT, 0600);
    CHECK(symlink("f", "l") == 0 && symlink("nowhere", "dangling") == 0);
    CHECK_ERROR(inotify_add_watch(-1, "f", IN_OPEN), EBADF);
    CHECK_ERROR(inotify_add_watch(other, "f", IN_OPEN), EINVAL);
    CHECK_ERROR(inotify_add_watch(fd, "f", 0), EINVAL);
    CHECK_ERROR(inotify_add_watch(fd, "f", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE),
                EINVAL);
    CHECK_ERROR(inotify_add_watch(fd, "none", IN_OPEN), ENOENT);
    CHECK_ERROR(inotify_add_watch(fd, "dangling", IN_OPEN), ENOENT);
    CHECK_ERROR(inotify_add_watch(fd, "", IN_OPEN), ENOENT);
    CHECK_ERROR(inotify_add_watch(fd, (char *)8, IN_OPEN), EFAULT);
    CHECK_ERROR(inotify_add_watch(fd, "f", IN_OPEN | IN_ONLYDIR), ENOTDIR);
    CHECK_ERROR(inotify_add_watch(fd, "f/x", IN_OPEN), ENOTDIR);
    CHECK(inotify_add_watch(fd, "dangling", IN_OPEN | IN_DONT_FOLLOW) == 1);
    CHECK(inotify_add_watch(fd, "f", IN_OPEN) == 2);
    CHECK(inotify_add_watch(fd, "l", IN_CLOSE) == 2);
    CHECK_ERROR(inotify_add_watch(fd, "f", IN_OPEN | IN_MASK_CREATE), EEXIST);
    CHECK_ERROR(inotify_rm_watch(fd, 77), EINVAL);
    CHECK_ERROR(inotify_rm_watch(-1, 1), EBADF);
    CHECK_ERROR(inotify_rm_watch(other, 1), EINVAL);
    CHECK(fchmod(other, 0200) == 0 && setresuid(1000, 1000, 1000) == 0);
    CHECK_ERROR(inotify_add_watch(fd, "f", IN_OPEN), EACCES);
}

static void
test_mask_when_added_then_union_else_replaced(void)
{
    int fd = inotify_init1(IN_NONBLOCK);
    struct inotify_event *e = (struct inotify_event *)buffer;
    make("f");
    CHECK(inotify_add_watch(fd, "f", IN_OPEN) == 1);
    CHECK(inotify_add_watch(fd, "f", IN_CLOSE_WRITE | IN_MASK_ADD) == 1);
    make("f");
    CHECK(read(fd, buffer, sizeof buffer) == 32 && e[0].mask == IN_OPEN &&
          e[1].mask == IN_CLOSE_WRITE);
    CHECK(inotify_add_watch(fd, "f", IN_CLOSE_WRITE) == 1);
    make("f");
    CHECK(read(fd, buffer, sizeof buffer) == 16 && e[0].mask == IN_CLOSE_WRITE);
}

static void
test_oneshot_when_fired_then_ignored(void)
{
    int fd = inotify_init1(IN_NONBLOCK);
    struct inotify_event *e = (struct inotify_event *)buffer;
    make("f");
    CHECK(inotify_add_watch(fd, "f", IN_OPEN | IN_ONESHOT) == 1);
    make("f");
    make("f");
    CHECK(read(fd, buffer, sizeof buffer) == 32);
    CHECK(e[0].mask == IN_OPEN && e[1].mask == IN_IGNORED && e[1].wd == 1);
    CHECK_ERROR(inotify_rm_watch(fd, 1), EINVAL);
    CHECK(inotify_add_watch(fd, "f", IN_OPEN) == 2); /* numbers are not used again */
}

static void
test_read_when_buffer_small_then_einval_or_part(void)
{
    int fd = inotify_init1(IN_NONBLOCK), n;
    struct inotify_event *e = (struct inotify_event *)buffer;
    CHECK(inotify_add_watch(fd, ".", IN_CREATE) == 1);
    make("short");
    make("a-name-of-sixteen");
    CHECK(ioctl(fd, FIONREAD, &n) == 0 && n == 16 + 16 + 16 + 32);
    CHECK_ERROR(read(fd, buffer, 15), EINVAL);
    CHECK_ERROR(read(fd, buffer, 31), EINVAL);
    CHECK(read(fd, buffer, 79) == 32 && e->len == 16 && strcmp(e->name, "short") == 0);
    CHECK_ERROR(read(fd, buffer, 47), EINVAL);
    CHECK(read(fd, buffer, 48) == 48 && e->len == 32);
    CHECK_ERROR(read(fd, buffer, 0), EAGAIN);
    CHECK(ioctl(fd, FIONREAD, &n) == 0 && n == 0);
    make("again");
    CHECK_ERROR(read(fd, (void *)8, 100), EFAULT);
}

static void
test_queue_when_full_then_overflow(void)
{
    int fd = inotify_init1(IN_NONBLOCK), events = 0, overflows = 0;
    ssize_t n;
    make("a");
    make("b");
    CHECK(inotify_add_watch(fd, "a", IN_ATTRIB) == 1);
    CHECK(inotify_add_watch(fd, "b", IN_ATTRIB) == 2);
    for (int k = 0; k < 9000; k++)
        CHECK(chmod("a", 0600) == 0 && chmod("b", 0600) == 0);
    while ((n = read(fd, buffer, sizeof buffer)) > 0) {
        for (ssize_t at = 0; at < n; at += 16) {
            struct inotify_event *e = (struct inotify_event *)(buffer + at);
            CHECK(e->len == 0);
            events++;
            if (e->mask == IN_Q_OVERFLOW) {
                CHECK(e->wd == -1);
                overflows++;
            }
        }
    }
    CHECK(errno == EAGAIN && overflows == 1 && events == 16384 + 1);
    CHECK(chmod("a", 0600) == 0 && read(fd, buffer, sizeof buffer) == 16);
}

static void
test_poll_when_event_comes_then_readable(void)
{
    int fd = inotify_init1(0);
    struct pollfd p = { fd, POLLIN | POLLOUT, 0 };
    make("f");
    CHECK(inotify_add_watch(fd, "f", IN_OPEN) == 1);
    CHECK(poll(&p, 1, 0) == 0);
    pid_t child = fork();
    if (child == 0) {
        usleep(50000);
        make("f");
        usleep(50000);
        make("f");
        _exit(0);
    }
    CHECK(poll(&p, 1, 5000) == 1 && p.revents == POLLIN);
    CHECK(read(fd, buffer, sizeof buffer) == 16);
    CHECK(read(fd, buffer, sizeof buffer) == 16); /* waits for the second */
    CHECK_EXIT(child, 0);
}

#define ROUNDS 300
static int shared_fd;

static void *
churn_files(void *arg)
{
    char name[20], other[40];
    snprintf(name, sizeof name, "c%d", (int)(intptr_t)arg);
    snprintf(other, sizeof other, "%s-moved", name);
    for (int k = 0; k < ROUNDS; k++) {
        make(name);
        rename(name, other);
        unlink(other);
    }
    return NULL;
}

static void *
churn_watches(void *arg)
{
    char name[20];
    snprintf(name, sizeof name, "c%d", (int)(intptr_t)arg);
    for (int k = 0; k < ROUNDS; k++) {
        int own = inotify_init1(IN_NONBLOCK);
        inotify_add_watch(shared_fd, name, IN_ALL_EVENTS);
        inotify_add_watch(own, name, IN_ALL_EVENTS);
        int wd = inotify_add_watch(own, ".", IN_ALL_EVENTS);
        while (read(shared_fd, buffer, sizeof buffer) > 0)
            ;
        if (k % 2 == 0)
            inotify_rm_watch(own, wd);
        close(own);
    }
    return NULL;
}

static void
test_watches_when_racing_with_files_then_no_harm(void)
{
    pthread_t t[4];
    shared_fd = inotify_init1(IN_NONBLOCK);
    CHECK(inotify_add_watch(shared_fd, ".", IN_ALL_EVENTS) > 0);
    for (intptr_t k = 0; k < 4; k++)
        CHECK(pthread_create(&t[k], NULL, k % 2 ? churn_watches : churn_files,
                             (void *)(k / 2)) == 0);
    for (int k = 0; k < 4; k++)
        CHECK(pthread_join(t[k], NULL) == 0);
    CHECK(close(shared_fd) == 0);
}

/* Verify that fdinfo has a line for each watch, with the file's numbers and the mask. */
static void
test_fdinfo_when_watches_then_a_line_for_each(void)
{
    int fd = inotify_init1(IN_NONBLOCK), seen = 0;
    char path[64], line[512];
    make("one");
    CHECK(mkdir("two", 0700) == 0);
    int one = inotify_add_watch(fd, "one", IN_MODIFY | IN_ONESHOT);
    int two = inotify_add_watch(fd, "two", IN_ALL_EVENTS | IN_EXCL_UNLINK);
    CHECK(one > 0 && two > 0);
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    while (fgets(line, sizeof line, f) != NULL) {
        unsigned wd, device, mask;
        unsigned long ino;
        struct stat info;
        if (strncmp(line, "inotify ", 8) != 0)
            continue;
        CHECK(sscanf(line, "inotify wd:%x ino:%lx sdev:%x mask:%x ignored_mask:0", &wd,
                     &ino, &device, &mask) == 4);
        CHECK(wd == (unsigned)one || wd == (unsigned)two);
        CHECK(stat(wd == (unsigned)one ? "one" : "two", &info) == 0);
        CHECK(ino == info.st_ino);
        CHECK(device == (major(info.st_dev) << 20 | minor(info.st_dev)));
        CHECK(mask == (wd == (unsigned)one ? IN_MODIFY | IN_ONESHOT
                                           : IN_ALL_EVENTS | IN_EXCL_UNLINK));
        seen++;
    }
    CHECK(seen == 2 && fclose(f) == 0 && close(fd) == 0);
}

int
main(void)
{
    RUN_IN_NEW(test_fdinfo_when_watches_then_a_line_for_each, inotify_add_watch);
    RUN_IN_NEW(test_init_when_flags_then_obeyed, inotify_init, inotify_init1);
    RUN_IN_NEW(test_instances_when_128_then_emfile, inotify_init1);
    RUN_IN_NEW(test_add_when_wrong_then_error, inotify_add_watch, inotify_rm_watch);
    RUN_IN_NEW(test_mask_when_added_then_union_else_replaced, inotify_add_watch);
    RUN_IN_NEW(test_oneshot_when_fired_then_ignored, inotify_add_watch);
    RUN_IN_NEW(test_read_when_buffer_small_then_einval_or_part, inotify_init1);
    RUN_IN_NEW(test_queue_when_full_then_overflow, inotify_init1);
    RUN_IN_NEW(test_poll_when_event_comes_then_readable, inotify_init1);
    RUN_IN_NEW(test_watches_when_racing_with_files_then_no_harm, inotify_init1,
               inotify_add_watch, inotify_rm_watch);
    return check_failures != 0;
}

/* SPDX-License-Identifier: MIT */
/* inotify(7): which events come, in which order, with which names; reading them. */
#define _GNU_SOURCE
#include "files.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>

static char buffer[65536] __attribute__((aligned(8)));
static char *next_event, *end_events;

static int
instance(void)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

/* The next event; its name is "" when there is none. */
static struct inotify_event *
take(int fd)
{
    if (next_event == end_events) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        CHECK(n > 0);
        next_event = buffer;
        end_events = buffer + n;
    }
    struct inotify_event *e = (struct inotify_event *)next_event;
    next_event += sizeof *e + e->len;
    CHECK(next_event <= end_events && e->len % 16 == 0);
    return e;
}

static uint32_t last_cookie;

static void
expect(int fd, int line, int wd, uint32_t mask, const char *name)
{
    struct inotify_event *e = take(fd);
    const char *got = e->len != 0 ? e->name : "";
    if (e->wd != wd || e->mask != mask || strcmp(got, name) != 0) {
        dprintf(2, "# line %d: got wd %d mask 0x%x name '%s', wanted %d 0x%x '%s'\n",
                line, e->wd, e->mask, got, wd, mask, name);
        _exit(1);
    }
    last_cookie = e->cookie;
}
#define EXPECT(wd, mask, name) expect(fd, __LINE__, wd, mask, name)
#define EXPECT_NONE()                                                                    \
    do {                                                                                 \
        CHECK(next_event == end_events);                                                 \
        CHECK_ERROR(read(fd, buffer, sizeof buffer), EAGAIN);                            \
    } while (0)

static void
test_data_when_used_then_events_on_file_and_directory(void)
{
    int fd = instance();
    char c;
    make("f");
    int wf = inotify_add_watch(fd, "f", IN_ALL_EVENTS);
    int wd = inotify_add_watch(fd, ".", IN_ALL_EVENTS);
    CHECK(wf == 1 && wd == 2);
    int file = open("f", O_RDWR);
    CHECK(write(file, "x", 1) == 1 && pread(file, &c, 1, 0) == 1);
    CHECK(ftruncate(file, 0) == 0 && fchmod(file, 0600) == 0 && close(file) == 0);
    static const uint32_t masks[] = { IN_OPEN,   IN_MODIFY, IN_ACCESS,
                                      IN_MODIFY, IN_ATTRIB, IN_CLOSE_WRITE };
    for (int k = 0; k < 6; k++) {
        EXPECT(wd, masks[k], "f");
        EXPECT(wf, masks[k], "");
    }
    file = open("f", O_RDONLY);
    close(file);
    EXPECT(wd, IN_OPEN, "f");
    EXPECT(wf, IN_OPEN, "");
    EXPECT(wd, IN_CLOSE_NOWRITE, "f");
    EXPECT(wf, IN_CLOSE_NOWRITE, "");
    CHECK(read(-1, &c, 1) < 0);
    EXPECT_NONE();
}

static void
test_names_when_made_and_removed_then_told(void)
{
    int fd = instance(), wd = inotify_add_watch(fd, ".", IN_CREATE | IN_DELETE);
    make("f");
    CHECK(mkdir("d", 0755) == 0 && symlink("x", "l") == 0 && mkfifo("p", 0600) == 0);
    CHECK(link("f", "g") == 0 && unlink("f") == 0 && rmdir("d") == 0);
    EXPECT(wd, IN_CREATE, "f");
    EXPECT(wd, IN_CREATE | IN_ISDIR, "d");
    EXPECT(wd, IN_CREATE, "l");
    EXPECT(wd, IN_CREATE, "p");
    EXPECT(wd, IN_CREATE, "g");
    EXPECT(wd, IN_DELETE, "f");
    EXPECT(wd, IN_DELETE | IN_ISDIR, "d");
    EXPECT_NONE();
}

static void
test_rename_when_between_watched_then_one_cookie(void)
{
    int fd = instance();
    CHECK(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0 && mkdir("a/d", 0755) == 0);
    make("a/f");
    make("b/old");
    int wa = inotify_add_watch(fd, "a", IN_MOVE),
        wb = inotify_add_watch(fd, "b", IN_MOVE);
    int wf = inotify_add_watch(fd, "a/f", IN_MOVE_SELF),
        wo = inotify_add_watch(fd, "b/old", IN_DELETE_SELF | IN_ATTRIB);
    CHECK(rename("a/f", "b/old") == 0);
    EXPECT(wa, IN_MOVED_FROM, "f");
    uint32_t cookie = last_cookie;
    CHECK(cookie != 0);
    EXPECT(wb, IN_MOVED_TO, "old");
    CHECK(last_cookie == cookie);
    /* The order of what follows is not promised. */
    int seen_self = 0, seen_attrib = 0, seen_delete = 0, seen_ignored = 0;
    for (int k = 0; k < 4; k++) {
        struct inotify_event *e = take(fd);
        seen_self += e->wd == wf && e->mask == IN_MOVE_SELF;
        seen_attrib += e->wd == wo && e->mask == IN_ATTRIB;
        seen_delete += e->wd == wo && e->mask == IN_DELETE_SELF;
        seen_ignored += e->wd == wo && e->mask == IN_IGNORED;
    }
    CHECK(seen_self == 1 && seen_attrib == 1 && seen_delete == 1 && seen_ignored == 1);
    CHECK(rename("a/d", "a/e") == 0);
    EXPECT(wa, IN_MOVED_FROM | IN_ISDIR, "d");
    CHECK(last_cookie != cookie);
    EXPECT(wa, IN_MOVED_TO | IN_ISDIR, "e");
    EXPECT_NONE();
}

static void
test_file_when_deleted_then_self_event_and_ignored(void)
{
    int fd = instance();
    make("f");
    CHECK(mkdir("d", 0755) == 0);
    int wf = inotify_add_watch(fd, "f", IN_ATTRIB | IN_DELETE_SELF | IN_CLOSE);
    int wd = inotify_add_watch(fd, "d", IN_DELETE_SELF);
    int file = open("f", O_RDONLY);
    CHECK(unlink("f") == 0);
    EXPECT(wf, IN_ATTRIB, "");
    EXPECT_NONE();
    close(file);
    EXPECT(wf, IN_CLOSE_NOWRITE, "");
    EXPECT(wf, IN_DELETE_SELF, "");
    EXPECT(wf, IN_IGNORED, "");
    CHECK(rmdir("d") == 0);
    EXPECT(wd, IN_DELETE_SELF, "");
    EXPECT(wd, IN_IGNORED, "");
    CHECK_ERROR(inotify_rm_watch(fd, wf), EINVAL);
    EXPECT_NONE();
}

static void
test_attributes_when_changed_then_attrib(void)
{
    int fd = instance();
    make("f");
    int wf = inotify_add_watch(fd, "f", IN_ALL_EVENTS);
    CHECK(chmod("f", 0600) == 0);
    EXPECT(wf, IN_ATTRIB, "");
    CHECK(chown("f", 1, 1) == 0);
    EXPECT(wf, IN_ATTRIB, "");
    CHECK(utimensat(AT_FDCWD, "f", NULL, 0) == 0);
    EXPECT(wf, IN_ATTRIB, "");
    struct timespec only_m[2] = { { 0, UTIME_OMIT }, { 5, 0 } },
                    only_a[2] = { { 5, 0 }, { 0, UTIME_OMIT } };
    CHECK(utimensat(AT_FDCWD, "f", only_m, 0) == 0);
    EXPECT(wf, IN_MODIFY, "");
    CHECK(utimensat(AT_FDCWD, "f", only_a, 0) == 0);
    EXPECT(wf, IN_ACCESS, "");
    CHECK(truncate("f", 10) == 0);
    EXPECT(wf, IN_MODIFY, "");
    CHECK(link("f", "g") == 0);
    EXPECT(wf, IN_ATTRIB, "");
    CHECK(unlink("g") == 0);
    EXPECT(wf, IN_ATTRIB, "");
    int file = open("f", O_WRONLY | O_TRUNC);
    CHECK(fallocate(file, 0, 0, 100) == 0 && close(file) == 0);
    EXPECT(wf, IN_MODIFY, "");
    EXPECT(wf, IN_OPEN, "");
    EXPECT(wf, IN_MODIFY, "");
    EXPECT(wf, IN_CLOSE_WRITE, "");
    EXPECT_NONE();
}

static void
test_directory_when_read_then_access_isdir(void)
{
    int fd = instance();
    char c[1000];
    CHECK(mkdir("d", 0755) == 0);
    int wd = inotify_add_watch(fd, "d", IN_ALL_EVENTS),
        wp = inotify_add_watch(fd, ".", IN_OPEN);
    int dir = open("d", O_RDONLY | O_DIRECTORY);
    CHECK(syscall(SYS_getdents64, dir, c, sizeof c) > 0 && close(dir) == 0);
    EXPECT(wp, IN_OPEN | IN_ISDIR, "d");
    EXPECT(wd, IN_OPEN | IN_ISDIR, "");
    EXPECT(wd, IN_ACCESS | IN_ISDIR, "");
    EXPECT(wd, IN_CLOSE_NOWRITE | IN_ISDIR, "");
    EXPECT_NONE();
}

static void
test_events_when_identical_then_one(void)
{
    int fd = instance();
    make("f");
    int wf = inotify_add_watch(fd, "f", IN_MODIFY | IN_ATTRIB);
    int file = open("f", O_WRONLY);
    for (int k = 0; k < 10; k++)
        CHECK(write(file, "x", 1) == 1);
    CHECK(fchmod(file, 0600) == 0 && write(file, "x", 1) == 1);
    EXPECT(wf, IN_MODIFY, "");
    EXPECT(wf, IN_ATTRIB, "");
    EXPECT(wf, IN_MODIFY, "");
    EXPECT_NONE();
}

static void
test_unlinked_when_excluded_then_silent(void)
{
    int fd = instance();
    make("f");
    make("g");
    int file = open("f", O_WRONLY), other = open("g", O_WRONLY);
    int wd = inotify_add_watch(fd, ".", IN_MODIFY | IN_EXCL_UNLINK);
    CHECK(unlink("f") == 0);
    CHECK(write(file, "x", 1) == 1 && write(other, "x", 1) == 1);
    EXPECT(wd, IN_MODIFY, "g");
    EXPECT_NONE();
    CHECK(inotify_add_watch(fd, ".", IN_MODIFY) == wd);
    CHECK(write(file, "x", 1) == 1);
    EXPECT(wd, IN_MODIFY, "f");
}

static void
test_names_when_moved_away_then_old_directory_is_silent(void)
{
    int fd = instance();
    CHECK(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0);
    make("a/f");
    int file = open("a/f", O_WRONLY), wa = inotify_add_watch(fd, "a", IN_MODIFY);
    CHECK(write(file, "x", 1) == 1);
    EXPECT(wa, IN_MODIFY, "f");
    CHECK(rename("a/f", "b/g") == 0 && write(file, "x", 1) == 1);
    EXPECT_NONE();
    int wb = inotify_add_watch(fd, "b", IN_MODIFY);
    CHECK(write(file, "x", 1) == 1);
    EXPECT(wb, IN_MODIFY, "g");
    CHECK(rename("b/g", "a/h") == 0 && write(file, "x", 1) == 1);
    EXPECT(wa, IN_MODIFY, "h");
    CHECK(inotify_rm_watch(fd, wa) == 0 && write(file, "x", 1) == 1);
    EXPECT(wa, IN_IGNORED, "");
    EXPECT_NONE();
}

static void
test_unmount_when_watched_then_told(void)
{
    int fd = instance();
    CHECK(mkdir("m", 0755) == 0 && mount("none", "m", "tmpfs", 0, "") == 0);
    make("m/f");
    int wd = inotify_add_watch(fd, "m/f", IN_OPEN);
    CHECK(umount("m") == 0);
    EXPECT(wd, IN_UNMOUNT, "");
    EXPECT(wd, IN_IGNORED, "");
    EXPECT_NONE();
}

int
main(void)
{
    RUN_IN_NEW(test_data_when_used_then_events_on_file_and_directory, inotify_init1,
               inotify_add_watch);
    RUN_IN_NEW(test_names_when_made_and_removed_then_told, inotify_add_watch);
    RUN_IN_NEW(test_rename_when_between_watched_then_one_cookie, inotify_add_watch);
    RUN_IN_NEW(test_file_when_deleted_then_self_event_and_ignored, inotify_add_watch,
               inotify_rm_watch);
    RUN_IN_NEW(test_attributes_when_changed_then_attrib, inotify_add_watch);
    RUN_IN_NEW(test_directory_when_read_then_access_isdir, inotify_add_watch);
    RUN_IN_NEW(test_events_when_identical_then_one, inotify_add_watch);
    RUN_IN_NEW(test_unlinked_when_excluded_then_silent, inotify_add_watch);
    RUN_IN_NEW(test_names_when_moved_away_then_old_directory_is_silent, inotify_add_watch,
               inotify_rm_watch);
    RUN_IN_NEW(test_unmount_when_watched_then_told, inotify_add_watch);
    return check_failures != 0;
}

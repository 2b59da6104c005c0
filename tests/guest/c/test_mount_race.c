/* SPDX-License-Identifier: MIT */
/* Mounts that come and go while others walk through them: nobody is led astray, and all
 * of it can be taken off in the end. */
#define _GNU_SOURCE
#include "mounts.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#define WALKERS 3
#define ROUNDS 300

static pid_t walkers[WALKERS];

static void
start(void (*what)(void))
{
    for (int i = 0; i < WALKERS; i++) {
        walkers[i] = fork();
        if (walkers[i] == 0)
            for (;;)
                what();
        CHECK(walkers[i] > 0);
    }
}

static void
stop(void)
{
    for (int i = 0; i < WALKERS; i++) {
        CHECK(kill(walkers[i], SIGKILL) == 0);
        CHECK_SIGNAL(walkers[i], SIGKILL);
    }
}

/* What is at m is the directory below, or the root of a tmpfs, and nothing else. */
static void
walk_through(void)
{
    struct stat info;
    int fd = open("m", O_RDONLY | O_DIRECTORY);

    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISDIR(info.st_mode))
        _exit(1);
    if (fstatat(fd, "below", &info, 0) != 0 && fstatat(fd, "above", &info, 0) != 0 &&
        errno != ENOENT)
        _exit(2);
    if (stat("m/../m/./x", &info) == 0 || errno != ENOENT)
        _exit(3);
    if (fstatat(fd, "..", &info, 0) != 0)
        _exit(4);
    close(fd);
    close(open("m/file", O_CREAT | O_RDWR, 0600));
    unlink("m/file");
}

static void
test_mount_when_walked_meanwhile_then_one_or_other(void)
{
    CHECK(mkdir("m", 0755) == 0);
    put("m/below", "1");
    start(walk_through);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(mount("t", "m", "tmpfs", 0, NULL) == 0);
        if (i % 3 == 0)
            CHECK(mount("m", "m", NULL, MS_BIND, NULL) == 0);
        CHECK(umount2("m", MNT_DETACH) == 0);
        if (i % 3 == 0)
            CHECK(umount2("m", MNT_DETACH) == 0);
    }
    stop();
    CHECK(exists("m/below"));
    CHECK_ERROR(umount("m"), EINVAL);
}

static void
remove_places(void)
{
    mkdir("d", 0755);
    rmdir("d");
    rename("e", "d");
    rename("d", "e");
}

/* Verify that nothing is ever mounted on what is gone. */
static void
test_mount_when_place_goes_meanwhile_then_error_or_busy(void)
{
    int done = 0;

    start(remove_places);
    for (int i = 0; i < ROUNDS * 3; i++) {
        const char *at = i % 2 ? "d" : "e";
        mkdir("e", 0755);
        if (mount("t", at, "tmpfs", 0, NULL) == 0) {
            done++;
            /* it may have got its other name before it became a place */
            CHECK(umount2("d", MNT_DETACH) == 0 || umount2("e", MNT_DETACH) == 0);
        } else {
            CHECK(errno == ENOENT);
        }
    }
    stop();
    CHECK(done > 0);
}

static void
climb(void)
{
    struct stat info;

    /* from inside, while a directory above is moved out of what is shown */
    if (stat("b/deep/er/../../../secret", &info) == 0)
        _exit(1);
    if (stat("b/deep/../../secret", &info) != 0 && errno != ENOENT)
        _exit(2);
}

static void
test_bind_when_renamed_meanwhile_then_not_left(void)
{
    CHECK(mkdir("a", 0755) == 0 && mkdir("a/shown", 0755) == 0 && mkdir("b", 0755) == 0);
    CHECK(mkdir("a/shown/deep", 0755) == 0 && mkdir("a/shown/deep/er", 0755) == 0);
    put("a/secret", "s");
    CHECK(mount("a/shown", "b", NULL, MS_BIND, NULL) == 0);
    start(climb);
    for (int i = 0; i < ROUNDS * 5; i++) {
        CHECK(rename("a/shown/deep", "a/deep") == 0);
        CHECK(rename("a/deep", "a/shown/deep") == 0);
    }
    for (int i = 0; i < WALKERS; i++)
        CHECK(waitpid(walkers[i], NULL, WNOHANG) == 0);
    stop();
    CHECK(umount2("b", MNT_DETACH) == 0);
}

/* The mapping is the last that holds the file system, which goes with it. */
static void
test_umount_when_mapped_then_lives_as_long(void)
{
    for (int linked = 0; linked < 2; linked++) {
        CHECK(mkdir("m", 0755) == 0 && mount("x", "m", "tmpfs", 0, "") == 0);
        int fd = open("m/f", O_RDWR | O_CREAT, 0600);
        CHECK(fd >= 0 && ftruncate(fd, 8192) == 0);
        char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        CHECK(p != MAP_FAILED && close(fd) == 0);
        CHECK(linked || unlink("m/f") == 0);
        CHECK(umount2("m", MNT_DETACH) == 0 && rmdir("m") == 0);
        p[0] = p[4096] = 1;
        CHECK(munmap(p, 4096) == 0 && p[4096] == 1);
        CHECK(munmap(p + 4096, 4096) == 0);
    }
}

int
main(void)
{
    RUN_IN_NEW(test_umount_when_mapped_then_lives_as_long, umount2, munmap);
    RUN_IN_NEW(test_mount_when_walked_meanwhile_then_one_or_other, mount, umount2);
    RUN_IN_NEW(test_mount_when_place_goes_meanwhile_then_error_or_busy, mount, rmdir, rename);
    RUN_IN_NEW(test_bind_when_renamed_meanwhile_then_not_left, mount, rename);
    return check_failures != 0;
}

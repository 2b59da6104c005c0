/* SPDX-License-Identifier: MIT */
/* rename(2) and renameat2: every pair of kinds, both flags, rights, and looks meanwhile. */
#define _GNU_SOURCE
#include "mounts.h"

#include <signal.h>

#define NOREPLACE 1
#define EXCHANGE 2
#define WHITEOUT 4

static int
rename2(const char *from, const char *to, unsigned flags)
{
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void
test_rename_when_kinds_differ_then_error(void)
{
    struct stat a, b;

    CHECK(mkdir("d", 0755) == 0 && mkdir("e", 0755) == 0 && mkdir("full", 0755) == 0);
    put("full/x", "1");
    put("f", "1");
    put("g", "2");
    CHECK(symlink("nosuch", "l") == 0 && link("f", "f2") == 0);
    CHECK_ERROR(rename("nosuch", "x"), ENOENT);
    CHECK_ERROR(rename("f", "nosuch/x"), ENOENT);
    CHECK_ERROR(rename("f", "g/x"), ENOTDIR);
    CHECK_ERROR(rename("f/x", "g"), ENOTDIR);
    CHECK_ERROR(rename("", "x"), ENOENT);
    CHECK_ERROR(rename("f", ""), ENOENT);
    CHECK_ERROR(rename("f", "d"), EISDIR);
    CHECK_ERROR(rename("d", "f"), ENOTDIR);
    CHECK_ERROR(rename("d", "l"), ENOTDIR);
    CHECK_ERROR(rename("d", "full"), ENOTEMPTY);
    CHECK_ERROR(rename("d", "d/in"), EINVAL);
    CHECK_ERROR(rename("d", "d/in/deeper"), ENOENT);
    CHECK_ERROR(rename("full/x", "full"), ENOTEMPTY);
    CHECK(rename("f", "f2") == 0 && exists("f") && exists("f2"));
    CHECK(rename("d", "d") == 0 && rename("f", "f") == 0);
    CHECK(rename("f", "l") == 0 && holds("l", "1") && !exists("f"));
    CHECK(rename("g", "l") == 0 && holds("l", "2") && holds("f2", "1"));
    CHECK(stat("d", &a) == 0 && rename("d", "e") == 0 && stat("e", &b) == 0);
    CHECK(a.st_ino == b.st_ino && !exists("d"));
    CHECK(rename("e", "full/e") == 0 && stat("full", &a) == 0 && a.st_nlink == 3);
    CHECK(stat("full/e/..", &b) == 0 && a.st_ino == b.st_ino);
}

static void
test_renameat2_when_flags_then_obeyed(void)
{
    struct stat a, b;

    put("f", "1");
    put("g", "2");
    CHECK(mkdir("d", 0755) == 0 && mkdir("d/e", 0755) == 0);
    CHECK_ERROR(rename2("f", "g", NOREPLACE), EEXIST);
    CHECK_ERROR(rename2("f", "f", NOREPLACE), EEXIST);
    CHECK_ERROR(rename2("f", "g", NOREPLACE | EXCHANGE), EINVAL);
    CHECK_ERROR(rename2("f", "g", EXCHANGE | WHITEOUT), EINVAL);
    CHECK_ERROR(rename2("f", "g", 8), EINVAL);
    CHECK_ERROR(rename2("f", "nosuch", EXCHANGE), ENOENT);
    CHECK_ERROR(rename2("nosuch", "f", EXCHANGE), ENOENT);
    CHECK_ERROR(rename2("d", "d/e", EXCHANGE), EINVAL);
    CHECK_ERROR(rename2("d/e", "d", EXCHANGE), EINVAL);
    CHECK(rename2("f", "h", NOREPLACE) == 0 && holds("h", "1"));
    CHECK(rename2("h", "g", EXCHANGE) == 0 && holds("h", "2") && holds("g", "1"));
    CHECK(rename2("h", "d/e", EXCHANGE) == 0 && holds("d/e", "2"));
    CHECK(stat("h", &a) == 0 && S_ISDIR(a.st_mode) && stat("d", &b) == 0 && b.st_nlink == 2);
    CHECK(stat("h/..", &a) == 0 && stat(".", &b) == 0 && a.st_ino == b.st_ino);
    CHECK(rename2("d", "h", EXCHANGE) == 0 && holds("h/e", "2"));
}

static void
as_other(void)
{
    CHECK_ERROR(rename("theirs/f", "mine/f"), EACCES);
    CHECK_ERROR(rename("mine/f", "theirs/f"), EACCES);
    CHECK_ERROR(rename("sticky/root", "sticky/x"), EPERM);
    CHECK_ERROR(rename("sticky/mine", "sticky/root"), EPERM);
    CHECK_ERROR(unlink("sticky/root"), EPERM);
    CHECK_ERROR(rmdir("sticky/rootdir"), EPERM);
    CHECK(rename("sticky/mine", "sticky/x") == 0 && unlink("sticky/x") == 0);
    /* a directory that is not ours to write cannot get another parent, but another name */
    CHECK_ERROR(rename("mine/locked", "mine2/locked"), EACCES);
    CHECK(rename("mine/locked", "mine/unlocked") == 0);
}

static void
test_rename_when_no_rights_then_eacces(void)
{
    CHECK(mkdir("theirs", 0755) == 0 && mkdir("mine", 0777) == 0 && mkdir("mine2", 0777) == 0);
    CHECK(mkdir("sticky", 0777) == 0 && chmod("sticky", 01777) == 0);
    CHECK(mkdir("sticky/rootdir", 0777) == 0 && mkdir("mine/locked", 0555) == 0);
    put("theirs/f", "1");
    put("mine/f", "1");
    put("sticky/root", "1");
    put("sticky/mine", "1");
    CHECK(chown("sticky/mine", NOBODY, NOBODY) == 0);
    CHECK(chown("mine/locked", NOBODY, NOBODY) == 0);
    as_nobody(as_other);
}

/* Verify that the name is there at each moment while another file takes its place. */
static void
test_rename_when_replacing_then_name_never_missing(void)
{
    struct stat info;
    pid_t child;

    put("name", "1");
    child = fork();
    if (child == 0)
        for (;;) {
            put("other", "2");
            if (rename("other", "name") != 0)
                _exit(1);
        }
    CHECK(child > 0);
    for (int i = 0; i < 3000; i++)
        CHECK(stat("name", &info) == 0);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK_SIGNAL(child, SIGKILL);
}

/* Verify that two who move directories into each other make no ring. */
static void
test_rename_when_crossing_then_no_ring(void)
{
    pid_t child;

    CHECK(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0);
    child = fork();
    if (child == 0)
        for (;;)
            if (rename("a", "b/a") == 0)
                rename("b/a", "a");
    CHECK(child > 0);
    for (int i = 0; i < 1000; i++)
        if (rename("b", "a/b") == 0)
            CHECK(rename("a/b", "b") == 0);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK_SIGNAL(child, SIGKILL);
    CHECK(exists("b") && (exists("a") || exists("b/a")));
}

/* Verify the times that a rename changes. */
static void
test_rename_when_done_then_times_of_directories(void)
{
    struct timespec old[2] = { { 1000, 0 }, { 1000, 0 } };
    struct stat info;

    CHECK(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0);
    put("a/f", "1");
    CHECK(utimensat(AT_FDCWD, "a/f", old, 0) == 0 && utimensat(AT_FDCWD, "a", old, 0) == 0);
    CHECK(utimensat(AT_FDCWD, "b", old, 0) == 0 && rename("a/f", "b/f") == 0);
    CHECK(stat("a", &info) == 0 && info.st_mtim.tv_sec > 1000);
    CHECK(stat("b", &info) == 0 && info.st_mtim.tv_sec > 1000);
    CHECK(stat("b/f", &info) == 0 && info.st_mtim.tv_sec == 1000);
}

/* A directory that is exchanged gets another parent too: its .. is written. */
static void
test_exchange_when_directory_not_writable_then_eacces(void)
{
    CHECK(mkdir("a", 0777) == 0 && mkdir("b", 0777) == 0 && mkdir("b/d", 0755) == 0);
    put("a/f", "1");
    pid_t child = fork();
    if (child == 0) {
        CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
        CHECK_ERROR(syscall(SYS_renameat2, AT_FDCWD, "a/f", AT_FDCWD, "b/d", 2), EACCES);
        CHECK_ERROR(syscall(SYS_renameat2, AT_FDCWD, "b/d", AT_FDCWD, "a/f", 2), EACCES);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

int
main(void)
{
    umask(0);
    RUN_IN_NEW(test_rename_when_kinds_differ_then_error, rename);
    RUN_IN_NEW(test_renameat2_when_flags_then_obeyed, renameat2);
    RUN_IN_NEW(test_rename_when_no_rights_then_eacces, rename, unlink, rmdir);
    RUN_IN_NEW(test_rename_when_replacing_then_name_never_missing, rename);
    RUN_IN_NEW(test_rename_when_crossing_then_no_ring, rename);
    RUN_IN_NEW(test_exchange_when_directory_not_writable_then_eacces, renameat2);
    RUN_IN_NEW(test_rename_when_done_then_times_of_directories, rename);
    return check_failures != 0;
}

/* SPDX-License-Identifier: MIT */
/* Names: looking up, making and removing them, and listing a directory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "directory.h"
#include "groups.h"

#define MANY    "/tmp/micro.many"
#define ENTRIES 1000

#define STATX_BYTES  256   /* sizeof(struct statx) */
#define STATX_BASICS 0x7ff /* STATX_BASIC_STATS */

static long
op_stat(void)
{
    struct stat info;

    return stat("/tmp", &info);
}

/* By number: older C libraries have no wrapper. */
static long
op_statx(void)
{
    static uint64_t info[STATX_BYTES / sizeof(uint64_t)];

    return syscall(SYS_statx, AT_FDCWD, "/tmp", 0, STATX_BASICS, info);
}

static long
op_access(void)
{
    return access("/tmp", R_OK);
}

static long
op_chdir(void)
{
    return chdir("/tmp");
}

static long
op_create_close(void)
{
    return close(open("/tmp/micro.new", O_CREAT | O_EXCL | O_WRONLY, 0600));
}

static long
op_unlink(void)
{
    return unlink("/tmp/micro.new");
}

static void
undo_create(void)
{
    unlink("/tmp/micro.new");
}

static void
redo_create(void)
{
    op_create_close();
}

static int
make_one(void)
{
    return close(bench_file("/tmp/micro.one", 0));
}

static void
remove_one(void)
{
    unlink("/tmp/micro.one");
}

static long
op_rename(void)
{
    return rename("/tmp/micro.one", "/tmp/micro.two") < 0
               ? -1
               : rename("/tmp/micro.two", "/tmp/micro.one");
}

static long
op_mkdir_rmdir(void)
{
    return mkdir("/tmp/micro.dir", 0700) < 0 ? -1 : rmdir("/tmp/micro.dir");
}

static long
op_link(void)
{
    return link("/tmp/micro.one", "/tmp/micro.new");
}

static long
op_symlink(void)
{
    return symlink("/tmp/micro.one", "/tmp/micro.new");
}

static int
make_symlink(void)
{
    return (int)op_symlink();
}

static long
op_readlink(void)
{
    return readlink("/tmp/micro.new", bench_page, PAGE);
}

static int
make_many(void)
{
    return directory_fill(MANY, ENTRIES);
}

static void
remove_many(void)
{
    directory_remove(MANY, ENTRIES);
}

static long
op_getdents(void)
{
    return directory_list(MANY);
}

static const struct row rows[] = {
    { .name = "stat", .operation = op_stat, .batch = 20 },
    { .name = "statx", .operation = op_statx, .batch = 20 },
    { .name = "access", .operation = op_access, .batch = 20 },
    { .name = "chdir", .operation = op_chdir, .batch = 20 },
    { .name = "create_close", .operation = op_create_close, .after = undo_create },
    { .name = "unlink", .operation = op_unlink, .before = redo_create },
    { .name = "rename",
      .operation = op_rename,
      .batch = 10,
      .parts = 2,
      .set_up = make_one,
      .tear_down = remove_one },
    { .name = "mkdir_rmdir", .operation = op_mkdir_rmdir, .batch = 10 },
    { .name = "link",
      .operation = op_link,
      .after = undo_create,
      .set_up = make_one,
      .tear_down = remove_one },
    { .name = "symlink", .operation = op_symlink, .after = undo_create },
    { .name = "readlink",
      .operation = op_readlink,
      .batch = 20,
      .set_up = make_symlink,
      .tear_down = undo_create },
    { .name = "getdents_1000",
      .operation = op_getdents,
      .set_up = make_many,
      .tear_down = remove_many },
};

const struct group group_names = { "names", rows, COUNT_OF(rows) };

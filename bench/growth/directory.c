/* SPDX-License-Identifier: MIT */
/* Against files in a directory, and against the depth of a path. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "curves.h"
#include "directory.h"

#define FILES                                                                            \
    {                                                                                    \
        1, 10, 100, 1000, 10000, 100000                                                  \
    }
#define DEPTHS                                                                           \
    {                                                                                    \
        1, 3, 10, 30, 100                                                                \
    }
#define MANY "/tmp/growth.many"
#define DEEP "/tmp/growth.deep"

static char middle[64], path[PATH_MAX];

static int
make(const char *name)
{
    return close(open(name, O_CREAT | O_EXCL | O_WRONLY, 0600));
}

static void
remove_many(void)
{
    directory_remove(MANY, bench_size);
}

static int
make_many(void)
{
    directory_name(middle, sizeof middle, MANY, bench_size / 2);
    return directory_fill(MANY, bench_size);
}

static long
op_open_close(void)
{
    return close(open(middle, O_RDONLY));
}

static long
op_create(void)
{
    return make(MANY "/new");
}

static long
op_unlink(void)
{
    return unlink(MANY "/new");
}

static void
undo_create(void)
{
    op_unlink();
}

static void
redo_create(void)
{
    op_create();
}

static long
op_rename(void)
{
    return rename(middle, MANY "/new") < 0 ? -1 : rename(MANY "/new", middle);
}

/* A name that nobody asked for before: what the directory itself knows is asked. */
static long
op_absent(void)
{
    static int count;
    char name[64];
    struct stat info;

    snprintf(name, sizeof name, MANY "/none%d", count++);
    return stat(name, &info) < 0 && errno == ENOENT ? 0 : -1;
}

static long
op_getdents(void)
{
    return directory_list(MANY);
}

#define WITH_FILES .set_up = make_many, .tear_down = remove_many

static const struct curve files[] = {
    { { .name = "open_close_files", .operation = op_open_close, .batch = 10, WITH_FILES },
      FILES,
      0 },
    { { .name = "create_close_files",
        .operation = op_create,
        .after = undo_create,
        WITH_FILES },
      FILES,
      0 },
    { { .name = "unlink_files",
        .operation = op_unlink,
        .before = redo_create,
        WITH_FILES },
      FILES,
      0 },
    { { .name = "rename_files", .operation = op_rename, .parts = 2, WITH_FILES },
      FILES,
      0 },
    { { .name = "stat_absent_files", .operation = op_absent, .batch = 10, WITH_FILES },
      FILES,
      0 },
    { { .name = "getdents_each_of_files", .operation = op_getdents, WITH_FILES },
      FILES,
      1 },
};

const struct curves curves_directory = { "directory", files, COUNT_OF(files) };

/* ---- depth ---- */

static void
remove_deep(void)
{
    unlink(path);
    do {
        *strrchr(path, '/') = '\0';
        rmdir(path);
    } while (strcmp(path, DEEP) != 0);
}

/* bench_size directories below each other, and a file in the last. */
static int
make_deep(void)
{
    strcpy(path, DEEP);
    for (long i = 0; i < bench_size; i++) {
        if (i > 0)
            strcat(path, "/d");
        if (mkdir(path, 0755) < 0)
            return -1;
    }
    strcat(path, "/f");
    return make(path);
}

static long
op_stat_path(void)
{
    struct stat info;

    return stat(path, &info);
}

static long
op_open_path(void)
{
    return close(open(path, O_RDONLY));
}

static int
make_and_enter(void)
{
    char *end;

    if (make_deep() < 0)
        return -1;
    end = strrchr(path, '/');
    *end = '\0';
    if (chdir(path) < 0)
        return -1;
    *end = '/';
    return 0;
}

static void
leave_and_remove(void)
{
    must(chdir("/") == 0, "chdir");
    remove_deep();
}

static long
op_getcwd(void)
{
    static char buffer[PATH_MAX];

    return syscall(SYS_getcwd, buffer, sizeof buffer);
}

static const struct curve depths[] = {
    { { .name = "stat_depth",
        .operation = op_stat_path,
        .batch = 20,
        .set_up = make_deep,
        .tear_down = remove_deep },
      DEPTHS,
      0 },
    { { .name = "open_close_depth",
        .operation = op_open_path,
        .batch = 20,
        .set_up = make_deep,
        .tear_down = remove_deep },
      DEPTHS,
      0 },
    { { .name = "getcwd_depth",
        .operation = op_getcwd,
        .batch = 20,
        .set_up = make_and_enter,
        .tear_down = leave_and_remove },
      DEPTHS,
      0 },
};

const struct curves curves_depth = { "depth", depths, COUNT_OF(depths) };

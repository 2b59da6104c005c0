/* SPDX-License-Identifier: MIT */
/* Mappings: made, changed and taken away.  What fills them is in faults.c. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "groups.h"

#define AREA_PAGES 64
#define FILE_PATH  "/tmp/micro.mapped"

static char *area;
static int fd;

static long
op_mmap_munmap(void)
{
    void *got =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return got == MAP_FAILED ? -1 : munmap(got, PAGE);
}

/* One page of an area that is whole before and after. */
static long
op_mprotect(void)
{
    return mprotect(area, PAGE, PROT_READ) < 0
               ? -1
               : mprotect(area, PAGE, PROT_READ | PROT_WRITE);
}

static int
set_up_area(void)
{
    area = mmap(NULL, AREA_PAGES * PAGE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED)
        return -1;
    area[0] = 1;
    return 0;
}

static long
op_mprotect_whole(void)
{
    return mprotect(area, AREA_PAGES * PAGE, PROT_READ) < 0
               ? -1
               : mprotect(area, AREA_PAGES * PAGE, PROT_READ | PROT_WRITE);
}

static long
op_mmap_touch_munmap(void)
{
    char *got =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (got == MAP_FAILED)
        return -1;
    *(volatile char *)got = 1;
    return munmap(got, PAGE);
}

static int
open_file(void)
{
    fd = bench_file(FILE_PATH, AREA_PAGES * PAGE);
    return 0;
}

static void
close_file(void)
{
    close(fd);
    unlink(FILE_PATH);
}

static long
op_mmap_munmap_file(void)
{
    void *got = mmap(NULL, AREA_PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0);

    return got == MAP_FAILED ? -1 : munmap(got, AREA_PAGES * PAGE);
}

static char *limit;

static int
find_break(void)
{
    limit = (char *)syscall(SYS_brk, 0);
    return 0;
}

/* By the call itself: not every C library has a brk() that works. */
static long
op_brk(void)
{
    if ((char *)syscall(SYS_brk, limit + PAGE) != limit + PAGE)
        return -1;
    return (char *)syscall(SYS_brk, limit) == limit ? 0 : -1;
}

static const struct row rows[] = {
    { .name = "mmap_munmap", .operation = op_mmap_munmap, .batch = 10 },
    { .name = "mmap_touch_munmap",
      .operation = op_mmap_touch_munmap,
      .batch = 10,
      .flags = ROW_REP },
    { .name = "mmap_munmap_file",
      .operation = op_mmap_munmap_file,
      .batch = 10,
      .set_up = open_file,
      .tear_down = close_file },
    { .name = "mprotect",
      .operation = op_mprotect,
      .batch = 10,
      .parts = 2,
      .set_up = set_up_area },
    { .name = "mprotect_whole",
      .operation = op_mprotect_whole,
      .batch = 10,
      .parts = 2,
      .set_up = set_up_area },
    { .name = "brk_grow_shrink", .operation = op_brk, .batch = 10, .set_up = find_break },
};

const struct group group_memory = { "memory", rows, COUNT_OF(rows) };

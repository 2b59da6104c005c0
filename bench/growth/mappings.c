/* SPDX-License-Identifier: MIT */
/*
 * Against mappings in the process's space: pages side by side, each with another
 * protection than its neighbours, so that none can be joined with the next.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "curves.h"

#define SIZES                                                                            \
    {                                                                                    \
        1, 10, 100, 1000, 10000, 65536                                                   \
    }

static char *area;

/* Linux allows 65,530 mappings unless it is told otherwise. */
static void
allow_many(void)
{
    static const char value[] = "1000000\n";
    int fd = open("/proc/sys/vm/max_map_count", O_WRONLY);

    if (fd >= 0) {
        (void)!write(fd, value, sizeof value - 1);
        close(fd);
    }
}

static size_t
bytes(void)
{
    return (size_t)bench_size * PAGE;
}

static int
map_all(void)
{
    allow_many();
    area = mmap(NULL, bytes(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED)
        return -1;
    for (long i = 0; i < bench_size; i++) {
        int protection = i % 2 == 0 ? PROT_READ : PROT_READ | PROT_WRITE;

        if (bench_size == 1)
            protection |= PROT_WRITE;
        if (mprotect(area + i * PAGE, PAGE, protection) < 0)
            return -1;
    }
    return 0;
}

static void
unmap_all(void)
{
    munmap(area, bytes());
}

/* The writable one in the middle, or the only one. */
static char *
middle(void)
{
    return area + (bench_size == 1 ? 0 : bench_size / 2 | 1) * PAGE;
}

static long
op_fault(void)
{
    *(volatile char *)middle() = 1;
    return 0;
}

static void
forget_middle(void)
{
    madvise(middle(), PAGE, MADV_DONTNEED);
}

static long
op_mmap_munmap(void)
{
    char *one = mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return one == MAP_FAILED ? -1 : munmap(one, PAGE);
}

/* It is joined with its neighbours, and split from them again. */
static long
op_protect(void)
{
    return mprotect(middle(), PAGE, PROT_READ) < 0
               ? -1
               : mprotect(middle(), PAGE, PROT_READ | PROT_WRITE);
}

#define WITH_AREA .set_up = map_all, .tear_down = unmap_all

static const struct curve curves[] = {
    { { .name = "fork_mappings",
        .operation = op_fork_exit_wait,
        .flags = ROW_REP,
        WITH_AREA },
      SIZES,
      0 },
    { { .name = "fault_mappings",
        .operation = op_fault,
        .flags = ROW_REP,
        .before = forget_middle,
        WITH_AREA },
      SIZES,
      0 },
    { { .name = "mmap_munmap_mappings",
        .operation = op_mmap_munmap,
        .batch = 10,
        WITH_AREA },
      SIZES,
      0 },
    { { .name = "mprotect_mappings",
        .operation = op_protect,
        .batch = 10,
        .parts = 2,
        WITH_AREA },
      SIZES,
      0 },
};

const struct curves curves_mappings = { "mappings", curves, COUNT_OF(curves) };

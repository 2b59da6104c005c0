/* SPDX-License-Identifier: MIT */
/* The text of /proc: each row opens a file of the process's own, reads all of it, closes it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "groups.h"

#define AREAS 100
#define BATCH 4

static char text[65536], *areas;

/* A hundred areas of one page, of which every other one may only be read. */
static int
make_areas(void)
{
    areas = mmap(NULL, AREAS * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                 -1, 0);
    if (areas == MAP_FAILED)
        return -1;
    for (int i = 0; i < AREAS; i += 2) {
        areas[i * PAGE] = 1;
        if (mprotect(areas + (i + 1) * PAGE, PAGE, PROT_READ) < 0)
            return -1;
    }
    return 0;
}

static void
drop_areas(void)
{
    munmap(areas, AREAS * PAGE);
}

static long
read_all(const char *path)
{
    int fd = open(path, O_RDONLY);
    long n, sum = 0;

    while ((n = read(fd, text, sizeof(text))) > 0)
        sum += n;
    close(fd);
    return n < 0 ? -1 : sum;
}

static long
op_status(void)
{
    return read_all("/proc/self/status");
}

static long
op_stat(void)
{
    return read_all("/proc/self/stat");
}

static long
op_maps(void)
{
    return read_all("/proc/self/maps");
}

static long
op_smaps(void)
{
    return read_all("/proc/self/smaps");
}

static long
op_meminfo(void)
{
    return read_all("/proc/meminfo");
}

#define WITH_AREAS .set_up = make_areas, .tear_down = drop_areas

static const struct row rows[] = {
    { .name = "proc_status", .operation = op_status, .batch = BATCH },
    { .name = "proc_stat", .operation = op_stat, .batch = BATCH },
    { .name = "proc_maps_100", .operation = op_maps, .batch = BATCH, WITH_AREAS },
    { .name = "proc_smaps_100", .operation = op_smaps, .batch = BATCH, WITH_AREAS },
    { .name = "proc_meminfo", .operation = op_meminfo, .batch = BATCH },
};

const struct group group_proctext = { "proctext", rows, COUNT_OF(rows) };

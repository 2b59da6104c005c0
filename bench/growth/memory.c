/* SPDX-License-Identifier: MIT */
/*
 * Against megabytes that a process has touched, in pages of 4 KiB: fork, the first write
 * after it, a new page, mappings without pages, protection, the end.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "curves.h"

#define SIZES                                                                            \
    {                                                                                    \
        1, 4, 16, 64, 256                                                                \
    }

static char *area;
static pid_t child;
static int release[2], ready[2];

static size_t
bytes(void)
{
    return (size_t)bench_size * MIB;
}

static char *
map(size_t size, int protection)
{
    return mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int
fill(void)
{
    area = map(bytes(), PROT_READ | PROT_WRITE);
    if (area == MAP_FAILED)
        return -1;
    (void)madvise(area, bytes(), MADV_NOHUGEPAGE);
    for (size_t i = 0; i < bytes(); i += PAGE)
        area[i] = 1;
    return 0;
}

static void
drop(void)
{
    munmap(area, bytes());
}

/* ---- a child that waits until the pipe ends ---- */

static void
start_child(int with_memory)
{
    char byte = 0;

    must(pipe(release) == 0 && pipe(ready) == 0, "pipe");
    child = fork();
    must(child >= 0, "fork");
    if (child == 0) {
        close(release[1]);
        if (with_memory)
            must(fill() == 0, "mmap");
        (void)!write(ready[1], &byte, 1);
        (void)!read(release[0], &byte, 1);
        _exit(0);
    }
    close(release[0]);
    must(read(ready[0], &byte, 1) == 1, "read");
    close(ready[0]);
    close(ready[1]);
}

static void
start_plain_child(void)
{
    start_child(0);
}

static void
start_large_child(void)
{
    start_child(1);
}

static long
op_end_child(void)
{
    close(release[1]);
    return await_child(child);
}

static void
end_child(void)
{
    op_end_child();
}

/* ---- operations in the process itself ---- */

static long
op_write_middle(void)
{
    ((volatile char *)area)[bytes() / 2]++;
    return 0;
}

static void
forget_middle(void)
{
    madvise(area + bytes() / 2, PAGE, MADV_DONTNEED);
}

static long
op_mmap_munmap(void)
{
    char *other = map(bytes(), PROT_READ | PROT_WRITE);

    return other == MAP_FAILED ? -1 : munmap(other, bytes());
}

static long
op_protect(void)
{
    return mprotect(area, bytes(), PROT_READ) < 0
               ? -1
               : mprotect(area, bytes(), PROT_READ | PROT_WRITE);
}

#define WITH_AREA .set_up = fill, .tear_down = drop

static const struct curve curves[] = {
    { { .name = "fork_mib", .operation = op_fork_exit_wait, .flags = ROW_REP, WITH_AREA },
      SIZES,
      0 },
    { { .name = "cow_mib",
        .operation = op_write_middle,
        .flags = ROW_REP,
        .before = start_plain_child,
        .after = end_child,
        WITH_AREA },
      SIZES,
      0 },
    { { .name = "fault_mib",
        .operation = op_write_middle,
        .flags = ROW_REP,
        .before = forget_middle,
        WITH_AREA },
      SIZES,
      0 },
    { { .name = "mmap_munmap_mib", .operation = op_mmap_munmap, .batch = 4 }, SIZES, 0 },
    { { .name = "mprotect_mib", .operation = op_protect, .parts = 2, WITH_AREA },
      SIZES,
      0 },
    { { .name = "exit_mib",
        .operation = op_end_child,
        .before = start_large_child,
        .most = 3 },
      SIZES,
      0 },
};

const struct curves curves_memory = { "memory", curves, COUNT_OF(curves) };

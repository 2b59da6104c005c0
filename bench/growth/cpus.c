/* SPDX-License-Identifier: MIT */
/*
 * Against CPUs: as many processes as the size says, each of which does the same at the
 * same time, in a machine with so many CPUs.  The figure is what one operation takes each
 * of them in wall time: flat is a perfect score, as long as the host has as many CPUs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "curves.h"

#define SIZES                                                                            \
    {                                                                                    \
        1, 2, 4                                                                          \
    }
#define TURNS 50

static int go[2], done[2], own[2];
static long (*work)(void);
static pid_t workers[4];
static char own_file[64];

static long
do_null(void)
{
    return getppid() < 0;
}

static long
do_stat(void)
{
    struct stat info;

    return stat("/tmp", &info);
}

static long
do_create_unlink(void)
{
    int fd = open(own_file, O_CREAT | O_RDWR, 0600);

    return close(fd) < 0 ? -1 : unlink(own_file);
}

static long
do_fault(void)
{
    char *page =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return -1;
    *(volatile char *)page = 1;
    return munmap(page, PAGE);
}

static long
do_pipe(void)
{
    char byte = 0;

    return write(own[1], &byte, 1) < 0 ? -1 : read(own[0], &byte, 1);
}

static void
work_in_turns(int number)
{
    char byte;

    close(go[1]);
    close(done[0]);
    snprintf(own_file, sizeof own_file, "/tmp/growth.%d", number);
    must(pipe(own) == 0, "pipe");
    while (read(go[0], &byte, 1) == 1) {
        long result = 0;

        for (int i = 0; i < TURNS; i++)
            result |= work();
        byte = result < 0;
        (void)!write(done[1], &byte, 1);
    }
    _exit(0);
}

static int
start(long (*what)(void))
{
    if (sysconf(_SC_NPROCESSORS_ONLN) < bench_size) {
        errno = ENODEV;
        return -1;
    }
    work = what;
    if (pipe(go) < 0 || pipe(done) < 0)
        return -1;
    for (int i = 0; i < bench_size; i++) {
        workers[i] = fork();
        if (workers[i] == 0)
            work_in_turns(i);
        if (workers[i] < 0)
            return -1;
    }
    close(go[0]);
    close(done[1]);
    return 0;
}

static void
end(void)
{
    close(go[1]);
    for (int i = 0; i < bench_size; i++)
        await_child(workers[i]);
}

static long
op_all(void)
{
    static const char bytes[4];
    char byte;

    if (write(go[1], bytes, (size_t)bench_size) < 0)
        return -1;
    for (int i = 0; i < bench_size; i++) {
        if (read(done[0], &byte, 1) != 1 || byte != 0)
            return -1;
    }
    return 0;
}

#define START(what)                                                                      \
    static int start_##what(void)                                                        \
    {                                                                                    \
        return start(do_##what);                                                         \
    }

START(null)
START(stat)
START(create_unlink)
START(fault)
START(pipe)

static long
do_fork(void)
{
    return op_fork_exit_wait();
}

START(fork)

#define CURVE(row_name, what)                                                            \
    {                                                                                    \
        { .name = row_name,                                                              \
          .operation = op_all,                                                           \
          .parts = TURNS,                                                                \
          .flags = ROW_WALL,                                                             \
          .set_up = start_##what,                                                        \
          .tear_down = end },                                                            \
            SIZES, 0                                                                     \
    }

static const struct curve curves[] = {
    CURVE("null_cpus", null),
    CURVE("stat_cpus", stat),
    CURVE("create_unlink_cpus", create_unlink),
    CURVE("mmap_fault_munmap_cpus", fault),
    CURVE("pipe_to_self_cpus", pipe),
    CURVE("fork_cpus", fork),
};

const struct curves curves_cpus = { "cpus", curves, COUNT_OF(curves) };

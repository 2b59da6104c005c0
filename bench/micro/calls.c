/* SPDX-License-Identifier: MIT */
/* Calls that do next to nothing: what the way in and out costs. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "groups.h"

static int fd;

static int
open_null(void)
{
    fd = open("/dev/null", O_RDWR);
    return fd;
}

static int
open_zero(void)
{
    fd = open("/dev/zero", O_RDONLY);
    return fd;
}

static void
close_it(void)
{
    close(fd);
}

/* Without the C library's wrapper, whose instructions would count. */
static long
op_getppid(void)
{
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(SYS_getppid)
                     : "rcx", "r11", "memory");
    return result;
}

static long
op_clock(void)
{
    struct timespec time;

    return clock_gettime(CLOCK_MONOTONIC, &time);
}

static long
op_yield(void)
{
    return sched_yield();
}

static long
op_read_zero(void)
{
    return read(fd, bench_page, 1);
}

static long
op_write_null(void)
{
    return write(fd, bench_page, 1);
}

static long
op_dup_close(void)
{
    return close(dup(fd));
}

static long
op_fcntl(void)
{
    return fcntl(fd, F_GETFL);
}

static long
op_umask(void)
{
    return umask(022) & 0;
}

static const struct row rows[] = {
    { .name = "null_call", .operation = op_getppid, .batch = 100 },
    { .name = "clock_gettime", .operation = op_clock, .batch = 100, .flags = ROW_USER },
    { .name = "umask", .operation = op_umask, .batch = 100 },
    { .name = "sched_yield", .operation = op_yield, .batch = 20 },
    { .name = "read_zero_1",
      .operation = op_read_zero,
      .batch = 50,
      .set_up = open_zero,
      .tear_down = close_it },
    { .name = "write_null_1",
      .operation = op_write_null,
      .batch = 50,
      .set_up = open_null,
      .tear_down = close_it },
    { .name = "fcntl_getfl",
      .operation = op_fcntl,
      .batch = 50,
      .set_up = open_null,
      .tear_down = close_it },
    { .name = "dup_close",
      .operation = op_dup_close,
      .batch = 20,
      .set_up = open_null,
      .tear_down = close_it },
};

const struct group group_calls = { "calls", rows, COUNT_OF(rows) };

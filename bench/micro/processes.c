/* SPDX-License-Identifier: MIT */
/*
 * Processes: made, ended and waited for, with and without another program in them.  The
 * static program that is run is this one, which ends at once when its argument is
 * "nothing"; the dynamic one is the system's /bin/true.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "groups.h"

#define LARGE_BYTES ((size_t)64 << 20)
#define INTERPRETER "/lib64/ld-linux-x86-64.so.2"

static char tiny[] = "/tmp/micro.tiny";
static char *large;

static long
await(pid_t child)
{
    int status;

    if (child < 0 || waitpid(child, &status, 0) < 0)
        return -1;
    /* Who could not execute the program ended with its errno. */
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
    return errno == 0 ? 0 : -1;
}

static long
op_fork(void)
{
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    return await(child);
}

static long
op_vfork(void)
{
    pid_t child = vfork();

    if (child == 0)
        _exit(0);
    return await(child);
}

static long
execute(char **arguments, int with_vfork)
{
    static char *const environment[] = { NULL };
    pid_t child = with_vfork ? vfork() : fork();

    if (child == 0) {
        execve(arguments[0], arguments, environment);
        _exit(errno);
    }
    return await(child);
}

static long
run(char *path, int with_vfork)
{
    char *arguments[] = { path, (char *)"nothing", NULL };

    return execute(arguments, with_vfork);
}

static long
op_fork_exec(void)
{
    return run(bench_self, 0);
}

static long
op_vfork_exec(void)
{
    return run(bench_self, 1);
}

static long
op_vfork_exec_tiny(void)
{
    return run(tiny, 1);
}

/* Is there a dynamic linker?  Without it /bin/true may be static. */
static int
need_interpreter(void)
{
    return access(INTERPRETER, X_OK);
}

static long
op_fork_exec_dynamic(void)
{
    return run((char *)"/bin/true", 0);
}

static long
op_vfork_exec_dynamic(void)
{
    return run((char *)"/bin/true", 1);
}

static long
op_spawn(void)
{
    char *arguments[] = { bench_self, (char *)"nothing", NULL };
    pid_t child;
    int error = posix_spawn(&child, bench_self, NULL, NULL, arguments, arguments + 2);

    errno = error;
    return error != 0 ? -1 : await(child);
}

static long
shell(const char *path)
{
    char *arguments[] = { (char *)path, (char *)"-c", (char *)":", NULL };

    return execute(arguments, 1);
}

static long
op_shell(void)
{
    return shell("/bin/sh");
}

static long
op_bash(void)
{
    return shell("/bin/bash");
}

/* In pages of 4 KiB, or, without advice, in whatever pages the system thinks best. */
static int
fill_with(int advice)
{
    large = mmap(NULL, LARGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                 -1, 0);
    if (large == MAP_FAILED)
        return -1;
    if (advice)
        (void)madvise(large, LARGE_BYTES, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < LARGE_BYTES; i += PAGE)
        large[i] = 1;
    return 0;
}

static int
fill_small_pages(void)
{
    return fill_with(1);
}

static int
fill_default(void)
{
    return fill_with(0);
}

static void
drop_large(void)
{
    munmap(large, LARGE_BYTES);
}

/* The smallest program there is: its headers, and exit(0). */
static int
make_tiny(void)
{
    static const unsigned char image[] = {
        0x7f, 'E',  'L', 'F', 2, 1,    1,    0,    0,    0,    0, 0,    0, 0, 0,    0,  2,
        0,    62,   0,   1,   0, 0,    0,    0x78, 0,    0x40, 0, 0,    0, 0, 0,    64, 0,
        0,    0,    0,   0,   0, 0,    0,    0,    0,    0,    0, 0,    0, 0, 0,    0,  0,
        0,    64,   0,   56,  0, 1,    0,    64,   0,    0,    0, 0,    0, 1, 0,    0,  0,
        5,    0,    0,   0,   0, 0,    0,    0,    0,    0,    0, 0,    0, 0, 0x40, 0,  0,
        0,    0,    0,   0,   0, 0x40, 0,    0,    0,    0,    0, 129,  0, 0, 0,    0,  0,
        0,    0,    129, 0,   0, 0,    0,    0,    0,    0,    0, 0x10, 0, 0, 0,    0,  0,
        0,    0xb8, 60,  0,   0, 0,    0x31, 0xff, 0x0f, 0x05
    };
    int fd = open(tiny, O_CREAT | O_TRUNC | O_WRONLY, 0755);

    if (fd < 0 || write(fd, image, sizeof image) != sizeof image)
        return -1;
    return close(fd);
}

static void
remove_tiny(void)
{
    unlink(tiny);
}

static const struct row rows[] = {
    { .name = "fork_exit_wait", .operation = op_fork, .batch = 4, .flags = ROW_REP },
    { .name = "fork_exit_wait_64mib",
      .operation = op_fork,
      .flags = ROW_REP,
      .set_up = fill_small_pages,
      .tear_down = drop_large },
    { .name = "fork_exit_wait_64mib_default",
      .operation = op_fork,
      .flags = ROW_REP,
      .set_up = fill_default,
      .tear_down = drop_large },
    { .name = "vfork_exit_wait", .operation = op_vfork, .batch = 4 },
    { .name = "vfork_exec_wait",
      .operation = op_vfork_exec,
      .batch = 4,
      .flags = ROW_REP },
    { .name = "vfork_exec_wait_tiny",
      .operation = op_vfork_exec_tiny,
      .batch = 4,
      .flags = ROW_REP,
      .set_up = make_tiny,
      .tear_down = remove_tiny },
    { .name = "fork_exec_wait", .operation = op_fork_exec, .batch = 4, .flags = ROW_REP },
    { .name = "fork_exec_wait_dynamic",
      .operation = op_fork_exec_dynamic,
      .batch = 2,
      .flags = ROW_REP,
      .set_up = need_interpreter },
    { .name = "vfork_exec_wait_dynamic",
      .operation = op_vfork_exec_dynamic,
      .batch = 2,
      .flags = ROW_REP,
      .set_up = need_interpreter },
    { .name = "posix_spawn_wait", .operation = op_spawn, .batch = 4, .flags = ROW_REP },
    { .name = "shell_start", .operation = op_shell, .batch = 2, .flags = ROW_REP },
    { .name = "bash_start", .operation = op_bash, .batch = 2, .flags = ROW_REP },
};

const struct group group_processes = { "processes", rows, COUNT_OF(rows) };

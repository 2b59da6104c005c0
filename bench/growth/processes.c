/* SPDX-License-Identifier: MIT */
/*
 * Against processes that are there: they are children of the one that measures, all in
 * one group, and sleep.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "curves.h"

#define SIZES                                                                            \
    {                                                                                    \
        1, 10, 100, 1000, 10000                                                          \
    }
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

/* What all of them share: how many have answered, and the word that they sleep on. */
struct board {
    _Atomic long answers;
    _Atomic int word;
};

static struct board *board;
static pid_t group, one, partner;
static int told[2], there[2], back[2];

/* The last one to answer tells the process that measures. */
static void
answer(void)
{
    char byte = 0;

    if (atomic_fetch_add(&board->answers, 1) + 1 == bench_size)
        (void)!write(told[1], &byte, 1);
}

static void
on_signal(int number)
{
    (void)number;
    answer();
}

static void
sleep_for_signals(void)
{
    for (;;)
        pause();
}

static long
futex(int operation, int value)
{
    return syscall(SYS_futex, &board->word, operation, value, NULL, NULL, 0);
}

static void
sleep_on_word(void)
{
    int value = 0;

    for (;;) {
        while (atomic_load(&board->word) == value)
            futex(FUTEX_WAIT, value);
        value = atomic_load(&board->word);
        answer();
    }
}

/* ---- the crowd ---- */

static int
await_answers(void)
{
    char byte;

    return read(told[0], &byte, 1) == 1 ? 0 : -1;
}

static void
end_crowd(void)
{
    if (group > 0 && kill(-group, SIGKILL) == 0) {
        while (waitpid(-group, NULL, 0) > 0)
            ;
    }
}

static int
start_one(void (*body)(void))
{
    one = fork();
    if (one == 0) {
        setpgid(0, group);
        answer();
        body();
    }
    if (one < 0)
        return -1;
    if (group == 0)
        group = one;
    return setpgid(one, group);
}

static int
start_crowd(void (*body)(void))
{
    struct sigaction action = { .sa_handler = on_signal };

    board = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED || pipe(told) < 0 || sigaction(SIGUSR1, &action, NULL) < 0)
        return -1;
    if (raise_limit(RLIMIT_NPROC, 2 * bench_size + 1000) < 0)
        return -1;
    for (long i = 0; i < bench_size; i++) {
        if (start_one(body) < 0) {
            int error = errno;

            end_crowd();
            errno = error;
            return -1;
        }
    }
    return await_answers();
}

static int
start_sleepers(void)
{
    return start_crowd(sleep_for_signals);
}

static int
start_waiters(void)
{
    return start_crowd(sleep_on_word);
}

static long
op_kill_group(void)
{
    atomic_store(&board->answers, 0);
    return kill(-group, SIGUSR1) < 0 ? -1 : await_answers();
}

static long
op_wake_all(void)
{
    atomic_store(&board->answers, 0);
    atomic_fetch_add(&board->word, 1);
    return futex(FUTEX_WAKE, 1 << 30) < 0 ? -1 : await_answers();
}

/* To the last of them, which answers. */
static long
op_signal_one(void)
{
    atomic_store(&board->answers, bench_size - 1);
    return kill(one, SIGUSR1) < 0 ? -1 : await_answers();
}

/* Nobody has ended. */
static long
op_wait_any(void)
{
    return waitpid(-1, NULL, WNOHANG) == 0 ? 0 : -1;
}

/* ---- a pair beside the crowd ---- */

static int
start_pair(void)
{
    char byte;

    if (start_sleepers() < 0 || pipe(there) < 0 || pipe(back) < 0)
        return -1;
    partner = fork();
    if (partner == 0) {
        close(there[1]);
        while (read(there[0], &byte, 1) == 1)
            (void)!write(back[1], &byte, 1);
        _exit(0);
    }
    close(there[0]);
    return partner < 0 ? -1 : 0;
}

static void
end_pair(void)
{
    close(there[1]);
    await_child(partner);
    end_crowd();
}

static long
op_round_trip(void)
{
    char byte = 0;

    return write(there[1], &byte, 1) < 0 ? -1 : read(back[0], &byte, 1);
}

/* ---- all of them made, there together, ended and waited for ---- */

static long
op_make_and_end(void)
{
    char byte;

    if (pipe(there) < 0)
        return -1;
    for (long i = 0; i < bench_size; i++) {
        pid_t child = fork();

        if (child < 0) {
            close(there[1]);
            return -1;
        }
        if (child == 0) {
            close(there[1]);
            (void)!read(there[0], &byte, 1);
            _exit(0);
        }
    }
    close(there[1]);
    close(there[0]);
    for (long i = 0; i < bench_size; i++) {
        if (wait(NULL) < 0)
            return -1;
    }
    return 0;
}

static int
allow_processes(void)
{
    return raise_limit(RLIMIT_NPROC, 2 * bench_size + 1000);
}

/* With opening /proc and closing it again. */
static long
op_list_proc(void)
{
    static char entries[32768];
    int fd = open("/proc", O_RDONLY | O_DIRECTORY);
    long got;

    while ((got = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0)
        ;
    close(fd);
    return fd < 0 ? -1 : got;
}

#define SLEEPERS .set_up = start_sleepers, .tear_down = end_crowd

static const struct curve curves[] = {
    { { .name = "fork_processes",
        .operation = op_fork_exit_wait,
        .flags = ROW_REP,
        SLEEPERS },
      SIZES,
      0 },
    { { .name = "pipe_round_trip_processes",
        .operation = op_round_trip,
        .batch = 20,
        .set_up = start_pair,
        .tear_down = end_pair },
      SIZES,
      0 },
    { { .name = "signal_one_of_processes",
        .operation = op_signal_one,
        .batch = 10,
        SLEEPERS },
      SIZES,
      0 },
    { { .name = "kill_each_of_group", .operation = op_kill_group, SLEEPERS }, SIZES, 1 },
    { { .name = "futex_wake_each_of",
        .operation = op_wake_all,
        .set_up = start_waiters,
        .tear_down = end_crowd },
      SIZES,
      1 },
    { { .name = "wait_any_processes", .operation = op_wait_any, .batch = 10, SLEEPERS },
      SIZES,
      0 },
    { { .name = "make_end_each_of_processes",
        .operation = op_make_and_end,
        .flags = ROW_REP,
        .most = 3,
        .set_up = allow_processes },
      SIZES,
      1 },
    { { .name = "list_proc_processes", .operation = op_list_proc, SLEEPERS }, SIZES, 0 },
};

const struct curves curves_processes = { "processes", curves, COUNT_OF(curves) };

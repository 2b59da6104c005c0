/* SPDX-License-Identifier: MIT */
/*
 * How long a shell waits beside programs that never sleep: a thread that sleeps, and a
 * round trip over two pipes, beside 16 spinning processes on all CPUs.
 *
 * Without an argument a test; with `measure` it prints, for each of both, how often it
 * was done, the median, and the most (us).
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define SPINNERS 16
#define ROUNDS 40
#define BOUND_US 100000
#define PAUSE_NS 20000000

static uint64_t
now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static pid_t spinners[SPINNERS];

static void
start_spinners(void)
{
    for (int i = 0; i < SPINNERS; i++) {
        spinners[i] = fork();
        CHECK(spinners[i] >= 0);
        if (spinners[i] == 0) {
            for (volatile unsigned long n = 0;; n++)
                ;
        }
    }
}

static void
end_spinners(void)
{
    for (int i = 0; i < SPINNERS; i++) {
        kill(spinners[i], SIGKILL);
        CHECK(waitpid(spinners[i], NULL, 0) == spinners[i]);
    }
}

/* Later than asked, each time. */
static void
sleep_rounds(uint64_t *late)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct timespec ts = { 0, PAUSE_NS };
        uint64_t begin = now_us();
        nanosleep(&ts, NULL);
        uint64_t took = now_us() - begin;
        late[i] = took > PAUSE_NS / 1000 ? took - PAUSE_NS / 1000 : 0;
    }
}

/* What a key that is pressed at a shell needs: to another process, and back. */
static void
pipe_rounds(uint64_t *took)
{
    int to[2], from[2];
    char byte = 'x';
    CHECK(pipe(to) == 0 && pipe(from) == 0);
    pid_t child = fork();
    if (child == 0) {
        close(to[1]);
        while (read(to[0], &byte, 1) == 1)
            CHECK(write(from[1], &byte, 1) == 1);
        _exit(0);
    }
    close(to[0]);
    for (int i = 0; i < ROUNDS; i++) {
        struct timespec ts = { 0, PAUSE_NS };
        nanosleep(&ts, NULL);
        uint64_t begin = now_us();
        CHECK(write(to[1], &byte, 1) == 1 && read(from[0], &byte, 1) == 1);
        took[i] = now_us() - begin;
    }
    close(to[1]);
    CHECK_EXIT(child, 0);
}

/* What nine of ten stay below: a busy host stops a CPU of the guest for as long as it
 * likes. */
static uint64_t
nine_of_ten(const char *name, uint64_t *us, int show)
{
    qsort(us, ROUNDS, sizeof *us, compare);
    if (show)
        dprintf(1, "%s %d %lu %lu\n", name, ROUNDS, us[ROUNDS / 2], us[ROUNDS - 1]);
    return us[ROUNDS * 9 / 10 - 1];
}

static int measure;

/* Verify that both stay below the bound, in one of three series at least. */
static void
test_shell_answers_beside_spinning_programs(void)
{
    uint64_t late[ROUNDS], round[ROUNDS], least = ~0ull;
    start_spinners();
    for (int i = 0; i < 3 && least >= BOUND_US; i++) {
        sleep_rounds(late);
        pipe_rounds(round);
        uint64_t a = nine_of_ten("sleep", late, measure);
        uint64_t b = nine_of_ten("pipe", round, measure);
        if ((a > b ? a : b) < least)
            least = a > b ? a : b;
    }
    end_spinners();
    CHECK(least < BOUND_US);
}

int
main(int argc, char **argv)
{
    measure = argc > 1 && strcmp(argv[1], "measure") == 0;
    RUN(test_shell_answers_beside_spinning_programs, nanosleep, pipe, read);
    return check_failures != 0;
}

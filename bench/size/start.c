/* SPDX-License-Identifier: MIT */
/*
 * The first program of a guest: when did it start, when does a shell show its prompt, how
 * much memory is in use then, and how much for each further process and thread?
 *
 * As init it prints the time stamp counter, which counts from power-on (counted, an
 * instruction each), and becomes a shell that runs this program again before its first
 * prompt.  It prints lines `start: NAME NUMBER`, of memory in KiB; `start: end` is last, and
 * the tool then ends the guest.  Linux gives a counter of its own to nobody: both kernels
 * let programs read it.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define FURTHER 64

static unsigned long long begin;

static void
say(const char *name, long long number)
{
    printf("start: %s %lld\n", name, number);
    fflush(stdout);
}

static void
fail(const char *what)
{
    printf("start: failed %s: %s\nstart: end 1\n", what, strerror(errno));
    fflush(stdout);
    for (;;)
        pause();
}

static long long
free_kib(void)
{
    char line[128];
    long long found = -1;
    FILE *file = fopen("/proc/meminfo", "r");

    if (!file)
        fail("/proc/meminfo");
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "MemFree: %lld kB", &found) == 1)
            break;
    fclose(file);
    return found;
}

/* So that what was begun has come to rest. */
static void
settle(void)
{
    struct timespec time = { 0, 300000000 };
    nanosleep(&time, NULL);
}

static void
processes(const char *name, char *const argv[])
{
    settle();
    long long before = free_kib();
    pid_t pid[FURTHER];

    for (int i = 0; i < FURTHER; i++) {
        pid[i] = fork();
        if (pid[i] < 0)
            fail("fork");
        if (pid[i] > 0)
            continue;
        if (argv)
            execv(argv[0], argv);
        else
            for (;;)
                pause();
        _exit(1);
    }
    settle();
    say(name, (before - free_kib()) / FURTHER);
}

static void *
sleeper(void *argument)
{
    (void)argument;
    for (;;)
        pause();
    return NULL;
}

static void
threads(void)
{
    settle();
    long long before = free_kib();
    pthread_t thread;

    for (int i = 0; i < FURTHER; i++)
        if ((errno = pthread_create(&thread, NULL, sleeper, NULL)) != 0)
            fail("pthread_create");
    settle();
    say("thread", (before - free_kib()) / FURTHER);
}

static void
at_prompt(void)
{
    char *sleep_arguments[] = { "/bin/sleep", "1000", NULL };

    say("prompt", (long long)begin);
    settle();
    say("free", free_kib());
    processes("process_forked", NULL);
    processes("process_sleep", sleep_arguments);
    threads();
    printf("start: end 0\n");
    fflush(stdout);
    for (;;)
        pause();
}

int
main(int argc, char **argv)
{
    begin = __rdtsc();
    if (argc > 1 && strcmp(argv[1], "prompt") == 0)
        at_prompt();
    say("init", (long long)begin);
    mkdir("/proc", 0555);
    if (mount("proc", "/proc", "proc", 0, NULL) != 0 && errno != EBUSY)
        fail("mount /proc");
    char *shell[] = { "/bin/bash", "--norc", "--noprofile", "-i", NULL };
    char *environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "TERM=dumb",
                            "PROMPT_COMMAND=/add/start prompt", NULL };
    execve(shell[0], shell, environment);
    fail("exec /bin/bash");
    return 1;
}

/* SPDX-License-Identifier: MIT */
/* A thousand threads in a process: their start, signals, cancellation, and every end. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "check.h"

#define THREADS 1000

static pthread_t thread[THREADS];
static _Atomic int ready, hits;
static sem_t go;

static void
start(int n, void *(*fn)(void *))
{
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 16384);
    for (int i = 0; i < n; i++)
        CHECK(pthread_create(&thread[i], &a, fn, (void *)(intptr_t)i) == 0);
}

static void *
wait_for_go(void *arg)
{
    ready++;
    while (sem_wait(&go) != 0)
        ;
    return arg;
}

static void *
sleep_for_ever(void *arg)
{
    ready++;
    for (;;)
        pause();
    return arg;
}

static void *
spin_a_little(void *arg)
{
    ready++;
    for (;;)
        sched_yield();
    return arg;
}

static void
note(int number)
{
    (void)number;
    hits++;
}

/* Verify that all start, get a signal each, and are joined with their results. */
static void
test_signal_and_join(void)
{
    struct sigaction a = { .sa_handler = note };
    sigaction(SIGUSR1, &a, NULL);
    sem_init(&go, 0, 0);
    start(THREADS, wait_for_go);
    while (ready != THREADS)
        sched_yield();
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_kill(thread[i], SIGUSR1) == 0);
    while (hits != THREADS)
        usleep(1000);
    for (int i = 0; i < THREADS; i++)
        sem_post(&go);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        CHECK(pthread_join(thread[i], &result) == 0 && (intptr_t)result == i);
    }
}

/* Verify that cancellation reaches each in a call that sleeps. */
static void
test_cancel(void)
{
    start(THREADS, sleep_for_ever);
    while (ready != THREADS)
        sched_yield();
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_cancel(thread[i]) == 0);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        CHECK(pthread_join(thread[i], &result) == 0 && result == PTHREAD_CANCELED);
    }
}

/* Verify that a process ends with its threads, asleep and at work. */
static void
test_exit_with_all(void)
{
    for (int round = 0; round < 2; round++) {
        pid_t child = fork();
        if (child == 0) {
            start(round ? 20 : THREADS, round ? spin_a_little : sleep_for_ever);
            while (ready != (round ? 20 : THREADS))
                sched_yield();
            exit(7);
        }
        CHECK_EXIT(child, 7);
    }
}

/* Verify that a program replaces one with all its threads, from one that is not the
 * first. */
static void *
execute(void *arg)
{
    while (ready != THREADS / 2)
        sched_yield();
    execl("/proc/self/exe", "test_thread_many", "child", NULL);
    return arg;
}

static void
test_exec_with_all(void)
{
    pid_t child = fork();
    if (child == 0) {
        pthread_t t;
        start(THREADS / 2, sleep_for_ever);
        CHECK(pthread_create(&t, NULL, execute, NULL) == 0);
        pthread_join(t, NULL);
        _exit(1);
    }
    CHECK_EXIT(child, 9);
}

static void *
nothing(void *arg)
{
    return arg;
}

/* Verify that threads come and go without an end. */
static void
test_one_after_the_other(void)
{
    for (int i = 0; i < 500; i++) {
        CHECK(pthread_create(&thread[0], NULL, nothing, NULL) == 0);
        CHECK(pthread_join(thread[0], NULL) == 0);
    }
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "child") == 0)
        return 9;
    RUN(test_signal_and_join, clone, tkill, futex);
    RUN(test_cancel, tkill);
    RUN(test_exit_with_all, exit_group);
    RUN(test_exec_with_all, execve);
    RUN(test_one_after_the_other, clone, exit);
    return check_failures != 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Against threads of the process that measures: they sleep on one word or one condition,
 * with small stacks, and end when the row does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "curves.h"

#define SIZES                                                                            \
    {                                                                                    \
        1, 10, 100, 1000                                                                 \
    }
#define STACK              (64 << 10)
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129
#define ALL                (1 << 30)

static pthread_t *crowd;
static _Atomic int word;    /* The crowd sleeps on it. */
static _Atomic int answers; /* Who measures sleeps on it, until all have answered. */
static _Atomic int over;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static long round_number; /* mutex */

static long
futex(_Atomic int *at, int operation, int value)
{
    return syscall(SYS_futex, at, operation, value, NULL, NULL, 0);
}

/* The last one tells the thread that measures. */
static void
answer(void)
{
    if (atomic_fetch_add(&answers, 1) + 1 == bench_size)
        futex(&answers, FUTEX_WAKE_PRIVATE, 1);
}

static long
await_answers(void)
{
    int now;

    while ((now = atomic_load(&answers)) < bench_size)
        futex(&answers, FUTEX_WAIT_PRIVATE, now);
    return 0;
}

static void *
sleep_on_word(void *argument)
{
    int value = atomic_load(&word);

    while (!atomic_load(&over)) {
        answer();
        while (atomic_load(&word) == value)
            futex(&word, FUTEX_WAIT_PRIVATE, value);
        value = atomic_load(&word);
    }
    return argument;
}

static void *
sleep_on_condition(void *argument)
{
    long seen;

    pthread_mutex_lock(&mutex);
    while (!atomic_load(&over)) {
        answer();
        seen = round_number;
        while (round_number == seen)
            pthread_cond_wait(&condition, &mutex);
    }
    pthread_mutex_unlock(&mutex);
    return argument;
}

static void *
end_at_once(void *argument)
{
    return argument;
}

/* ---- the crowd ---- */

static int
make_thread(pthread_t *thread, void *(*body)(void *))
{
    pthread_attr_t attributes;
    int error;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    error = pthread_create(thread, &attributes, body, NULL);
    pthread_attr_destroy(&attributes);
    errno = error;
    return error != 0 ? -1 : 0;
}

static int
prepare(void)
{
    crowd = malloc((size_t)bench_size * sizeof *crowd);
    return crowd == NULL ? -1 : raise_limit(RLIMIT_NPROC, 2 * bench_size + 1000);
}

static int
start_crowd(void *(*body)(void *))
{
    if (prepare() < 0)
        return -1;
    atomic_store(&over, 0);
    atomic_store(&answers, 0);
    for (long i = 0; i < bench_size; i++) {
        if (make_thread(&crowd[i], body) < 0)
            return -1;
    }
    return (int)await_answers();
}

static int
start_waiters(void)
{
    return start_crowd(sleep_on_word);
}

static int
start_conditional(void)
{
    return start_crowd(sleep_on_condition);
}

static void
end_crowd(void)
{
    atomic_store(&over, 1);
    atomic_fetch_add(&word, 1);
    futex(&word, FUTEX_WAKE_PRIVATE, ALL);
    pthread_mutex_lock(&mutex);
    round_number++;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
    for (long i = 0; i < bench_size; i++)
        pthread_join(crowd[i], NULL);
    free(crowd);
}

/* ---- what is measured ---- */

static long
op_create_join(void)
{
    pthread_t one;

    return make_thread(&one, end_at_once) < 0 ? -1 : -(long)pthread_join(one, NULL);
}

static long
op_wake_all(void)
{
    atomic_store(&answers, 0);
    atomic_fetch_add(&word, 1);
    return futex(&word, FUTEX_WAKE_PRIVATE, ALL) < 0 ? -1 : await_answers();
}

static long
op_broadcast(void)
{
    pthread_mutex_lock(&mutex);
    atomic_store(&answers, 0);
    round_number++;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
    return await_answers();
}

/* Whether one of the process's threads is there: it is found among all. */
static long
op_find_thread(void)
{
    return syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0);
}

/* All of them made, there together, ended and waited for. */
static long
op_make_and_end(void)
{
    int result = start_crowd(sleep_on_word);

    if (result == 0)
        end_crowd();
    return result;
}

/* The same in a child, which ends with all of them there. */
static long
op_exit_with_all(void)
{
    pid_t child = fork();

    if (child == 0)
        _exit(start_crowd(sleep_on_word) < 0);
    return await_child(child);
}

static const struct curve curves[] = {
    { { .name = "create_join_threads",
        .operation = op_create_join,
        .batch = 10,
        .set_up = start_waiters,
        .tear_down = end_crowd },
      SIZES,
      0 },
    { { .name = "find_thread_of_threads",
        .operation = op_find_thread,
        .batch = 10,
        .set_up = start_waiters,
        .tear_down = end_crowd },
      SIZES,
      0 },
    { { .name = "futex_wake_each_of_threads",
        .operation = op_wake_all,
        .set_up = start_waiters,
        .tear_down = end_crowd },
      SIZES,
      1 },
    { { .name = "condition_broadcast_each_of_threads",
        .operation = op_broadcast,
        .set_up = start_conditional,
        .tear_down = end_crowd },
      SIZES,
      1 },
    { { .name = "make_end_each_of_threads", .operation = op_make_and_end, .most = 3 },
      SIZES,
      1 },
    { { .name = "exit_group_each_of_threads", .operation = op_exit_with_all, .most = 3 },
      SIZES,
      1 },
};

const struct curves curves_threads = { "threads", curves, COUNT_OF(curves) };

/* SPDX-License-Identifier: MIT */
/*
 * Threads, and what they wait for: each round trip wakes the other side and waits for its
 * answer, two switches in all.  The futex rows are the bare call; the mutex and condition
 * are the C library's.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "groups.h"

/* linux/futex.h is not there for every C library. */
#define FUTEX_WAIT         0
#define FUTEX_WAKE         1
#define FUTEX_PRIVATE_FLAG 128

/* A value that ends the other side. */
#define LAST (-1)

static pthread_t other;

static void *
do_nothing(void *argument)
{
    return argument;
}

static long
op_create_join(void)
{
    pthread_t thread;

    return pthread_create(&thread, NULL, do_nothing, NULL) != 0
               ? -1
               : -(long)pthread_join(thread, NULL);
}

static int
start_other(void *(*body)(void *))
{
    return pthread_create(&other, NULL, body, NULL) != 0 ? -1 : 0;
}

/* ---- pipes ---- */

static int there[2], back[2];

static void *
echo(void *argument)
{
    char byte;

    while (read(there[0], &byte, 1) == 1)
        (void)!write(back[1], &byte, 1);
    return argument;
}

static int
start_echo(void)
{
    return pipe(there) < 0 || pipe(back) < 0 ? -1 : start_other(echo);
}

static void
end_echo(void)
{
    close(there[1]);
    pthread_join(other, NULL);
    close(there[0]);
    close(back[0]);
    close(back[1]);
}

static long
op_pipe_round_trip(void)
{
    return write(there[1], bench_page, 1) < 0 ? -1 : read(back[0], bench_page, 1);
}

/* ---- futexes ---- */

struct turns {
    _Atomic int ping, pong;
};

static struct turns own, *turns;
static int private_flag;

static long
futex(_Atomic int *word, int operation, int value)
{
    return syscall(SYS_futex, word, operation | private_flag, value, NULL, NULL, 0);
}

static void
tell(_Atomic int *word, int value)
{
    atomic_store(word, value);
    futex(word, FUTEX_WAKE, 1);
}

/* Waits until *WORD is no longer VALUE. */
static int
wait_beyond(_Atomic int *word, int value)
{
    int now;

    while ((now = atomic_load(word)) == value)
        futex(word, FUTEX_WAIT, value);
    return now;
}

static void
answer(void)
{
    int value = 0;

    while ((value = wait_beyond(&turns->ping, value)) != LAST)
        tell(&turns->pong, value);
}

static void *
answer_thread(void *argument)
{
    answer();
    return argument;
}

static long
op_futex_round_trip(void)
{
    int value = atomic_load(&turns->pong);

    tell(&turns->ping, value + 1);
    return wait_beyond(&turns->pong, value) < 0 ? -1 : 0;
}

static int
start_futex_process(void)
{
    turns = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return turns == MAP_FAILED ? -1 : peer_start(answer);
}

static void
end_futex_process(void)
{
    tell(&turns->ping, LAST);
    peer_end();
}

static int
start_futex_thread(void)
{
    turns = &own;
    private_flag = FUTEX_PRIVATE_FLAG;
    return start_other(answer_thread);
}

static void
end_futex_thread(void)
{
    tell(&turns->ping, LAST);
    pthread_join(other, NULL);
}

/* ---- a mutex and a condition ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn;

/* Gives the turn to NEXT, and waits, unless that is LAST, until it is MINE again. */
static void
pass_turn(int next, int mine)
{
    pthread_mutex_lock(&mutex);
    turn = next;
    pthread_cond_signal(&changed);
    while (next != LAST && turn != mine && turn != LAST)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void *
take_turns(void *argument)
{
    while (turn != LAST)
        pass_turn(0, 1);
    return argument;
}

static int
start_turns(void)
{
    return start_other(take_turns);
}

static void
end_turns(void)
{
    pass_turn(LAST, 0);
    pthread_join(other, NULL);
}

static long
op_turn(void)
{
    pass_turn(1, 0);
    return 0;
}

static long
op_lock_unlock(void)
{
    pthread_mutex_lock(&mutex);
    return -(long)pthread_mutex_unlock(&mutex);
}

static const struct row rows[] = {
    { .name = "pthread_create_join",
      .operation = op_create_join,
      .batch = 4,
      .flags = ROW_REP },
    { .name = "mutex_lock_unlock",
      .operation = op_lock_unlock,
      .batch = 100,
      .flags = ROW_USER },
    { .name = "pipe_round_trip_threads",
      .operation = op_pipe_round_trip,
      .batch = 20,
      .set_up = start_echo,
      .tear_down = end_echo },
    { .name = "futex_round_trip",
      .operation = op_futex_round_trip,
      .batch = 20,
      .set_up = start_futex_process,
      .tear_down = end_futex_process },
    { .name = "futex_round_trip_threads",
      .operation = op_futex_round_trip,
      .batch = 20,
      .set_up = start_futex_thread,
      .tear_down = end_futex_thread },
    { .name = "mutex_condition_round_trip",
      .operation = op_turn,
      .batch = 20,
      .set_up = start_turns,
      .tear_down = end_turns },
};

const struct group group_threads = { "threads", rows, COUNT_OF(rows) };

/* SPDX-License-Identifier: MIT */
/*
 * System V objects and POSIX queues: semaphores, messages, shared memory, by one process and
 * to and fro between two.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

#include "groups.h"

#define BYTES 64

static int set, queue, segment;
static mqd_t there, back;
static struct {
    long type;
    char text[BYTES];
} message = { .type = 1 };

/* ---- semaphores ---- */

static int
open_set(void)
{
    set = semget(IPC_PRIVATE, 2, 0600);
    return set;
}

static void
close_set(void)
{
    semctl(set, 0, IPC_RMID);
}

static long
change(int number, int by, int flags)
{
    struct sembuf op = { (unsigned short)number, (short)by, (short)flags };

    return semop(set, &op, 1);
}

static long
op_semop(void)
{
    return change(0, 1, 0) < 0 ? -1 : change(0, -1, 0);
}

static long
op_semop_undo(void)
{
    return change(0, 1, SEM_UNDO) < 0 ? -1 : change(0, -1, SEM_UNDO);
}

static void
echo_set(void)
{
    while (change(0, -1, 0) == 0 && change(1, 1, 0) == 0)
        ;
}

static int
open_set_pair(void)
{
    return open_set() < 0 ? -1 : peer_start(echo_set);
}

/* The peer ends when its set is gone. */
static void
close_set_pair(void)
{
    close_set();
    peer_end();
}

static long
op_semop_pair(void)
{
    return change(0, 1, 0) < 0 ? -1 : change(1, -1, 0);
}

/* ---- System V messages ---- */

static int
open_queue(void)
{
    queue = msgget(IPC_PRIVATE, 0600);
    return queue;
}

static void
close_queue(void)
{
    msgctl(queue, IPC_RMID, NULL);
}

static long
op_message(void)
{
    return msgsnd(queue, &message, BYTES, 0) < 0 ? -1
                                                 : msgrcv(queue, &message, BYTES, 1, 0);
}

/* ---- shared memory ---- */

static int
open_segment(void)
{
    segment = shmget(IPC_PRIVATE, PAGE, 0600);
    return segment;
}

static void
close_segment(void)
{
    shmctl(segment, IPC_RMID, NULL);
}

static long
op_attach(void)
{
    void *at = shmat(segment, NULL, 0);

    return at == (void *)-1 ? -1 : shmdt(at);
}

/* ---- POSIX queues ---- */

static mqd_t
fresh(void)
{
    struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = BYTES };
    mqd_t q;

    mq_unlink("/bench");
    q = mq_open("/bench", O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
    mq_unlink("/bench");
    return q;
}

static int
open_mq(void)
{
    there = fresh();
    return there == (mqd_t)-1 ? -1 : 0;
}

static void
close_mq(void)
{
    mq_close(there);
}

static long
op_mq(void)
{
    return mq_send(there, message.text, BYTES, 1) < 0
               ? -1
               : mq_receive(there, message.text, BYTES, NULL);
}

/* An empty message is the end. */
static void
echo_mq(void)
{
    while (mq_receive(there, message.text, BYTES, NULL) > 0)
        mq_send(back, message.text, BYTES, 1);
}

static int
open_mq_pair(void)
{
    there = fresh();
    back = fresh();
    return there == (mqd_t)-1 || back == (mqd_t)-1 ? -1 : peer_start(echo_mq);
}

static void
close_mq_pair(void)
{
    mq_send(there, message.text, 0, 1);
    peer_end();
    mq_close(there);
    mq_close(back);
}

static long
op_mq_pair(void)
{
    return mq_send(there, message.text, BYTES, 1) < 0
               ? -1
               : mq_receive(back, message.text, BYTES, NULL);
}

static const struct row rows[] = {
    { .name = "semop",
      .operation = op_semop,
      .batch = 20,
      .parts = 2,
      .set_up = open_set,
      .tear_down = close_set },
    { .name = "semop_undo",
      .operation = op_semop_undo,
      .batch = 20,
      .parts = 2,
      .set_up = open_set,
      .tear_down = close_set },
    { .name = "semop_ping_pong",
      .operation = op_semop_pair,
      .batch = 10,
      .set_up = open_set_pair,
      .tear_down = close_set_pair },
    { .name = "msgsnd_msgrcv",
      .operation = op_message,
      .batch = 20,
      .set_up = open_queue,
      .tear_down = close_queue },
    { .name = "shmat_shmdt",
      .operation = op_attach,
      .batch = 20,
      .set_up = open_segment,
      .tear_down = close_segment },
    { .name = "mq_send_receive",
      .operation = op_mq,
      .batch = 20,
      .set_up = open_mq,
      .tear_down = close_mq },
    { .name = "mq_ping_pong",
      .operation = op_mq_pair,
      .batch = 10,
      .set_up = open_mq_pair,
      .tear_down = close_mq_pair },
};

const struct group group_ipc = { "ipc", rows, COUNT_OF(rows) };

/* SPDX-License-Identifier: MIT */
/* Many readers and writers of one pipe and of FIFOs: nothing is lost, doubled or torn. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#define WRITERS  6
#define READERS  4
#define MESSAGES 1500

struct message {
    int writer, number;
    char filling[56];
};

static int *seen; /* shared: how often each message came */

static void
write_all(int fd, int who, int nonblock)
{
    struct message m = { .writer = who };
    struct pollfd p = { fd, POLLOUT, 0 };
    memset(m.filling, 'a' + who, sizeof m.filling);
    for (m.number = 0; m.number < MESSAGES;) {
        ssize_t n = write(fd, &m, sizeof m);
        if (n == (ssize_t)sizeof m) {
            m.number++;
            continue;
        }
        CHECK(nonblock && n < 0 && errno == EAGAIN);
        CHECK(poll(&p, 1, 10000) == 1 && (p.revents & POLLOUT) != 0);
    }
}

static void
read_all(int fd, int nonblock)
{
    struct message m;
    struct pollfd p = { fd, POLLIN, 0 };
    ssize_t n;
    for (;;) {
        n = read(fd, &m, sizeof m);
        if (n < 0 && nonblock && errno == EAGAIN) {
            CHECK(poll(&p, 1, 10000) == 1);
            continue;
        }
        if (n == 0)
            return;
        CHECK(n == (ssize_t)sizeof m && m.writer >= 0 && m.writer < WRITERS);
        for (unsigned k = 0; k < sizeof m.filling; k++)
            CHECK(m.filling[k] == 'a' + m.writer);
        __atomic_fetch_add(&seen[m.writer * MESSAGES + m.number], 1, __ATOMIC_RELAXED);
    }
}

static void
storm(int nonblock)
{
    int p[2];
    pid_t child[WRITERS + READERS];
    size_t bytes = WRITERS * MESSAGES * sizeof *seen;
    seen = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(seen != MAP_FAILED && pipe2(p, nonblock ? O_NONBLOCK : 0) == 0);
    for (int k = 0; k < WRITERS + READERS; k++) {
        child[k] = fork();
        if (child[k] == 0) {
            close(p[k < WRITERS ? 0 : 1]);
            if (k < WRITERS)
                write_all(p[1], k, nonblock);
            else
                read_all(p[0], nonblock);
            _exit(0);
        }
    }
    close(p[0]);
    close(p[1]);
    for (int k = 0; k < WRITERS + READERS; k++)
        CHECK_EXIT(child[k], 0);
    for (int k = 0; k < WRITERS * MESSAGES; k++)
        CHECK(seen[k] == 1);
}

static void
test_messages_when_many_write_and_read_then_each_once(void)
{
    storm(0);
}

static void
test_messages_when_all_poll_then_each_once(void)
{
    storm(1);
}

static int done;

static void *
open_and_close(void *arg)
{
    long how = (long)arg;
    unsigned opened = 0;
    char c[10];
    for (int k = 0; k < 400; k++) {
        int fd = open("fifo", (how == 0   ? O_RDONLY | O_NONBLOCK
                               : how == 1 ? O_WRONLY | O_NONBLOCK
                                          : O_RDWR | O_NONBLOCK));
        if (fd < 0) {
            CHECK(how == 1 && errno == ENXIO);
            continue;
        }
        opened++;
        if (how != 0)
            CHECK(write(fd, "x", 1) == 1 || errno == EAGAIN || errno == EPIPE);
        if (how != 1)
            CHECK(read(fd, c, sizeof c) >= 0 || errno == EAGAIN);
        close(fd);
    }
    CHECK(how == 1 || opened == 400);
    return NULL;
}

static void *
meet_writer(void *arg)
{
    char c;
    (void)arg;
    for (int k = 0; k < 200; k++) {
        int fd = open("meet", O_RDONLY);
        CHECK(fd >= 0);
        while (read(fd, &c, 1) == 1)
            ;
        close(fd);
    }
    __atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
    /* a writer that waits for a reader that will not come is let go */
    int fd = open("meet", O_RDONLY | O_NONBLOCK);
    usleep(50000);
    close(fd);
    return NULL;
}

static void *
meet_reader(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST)) {
        int fd = open("meet", O_WRONLY);
        CHECK(fd >= 0);
        CHECK(write(fd, "x", 1) == 1 || errno == EPIPE);
        close(fd);
    }
    return NULL;
}

static void
test_fifos_when_opened_and_closed_by_many_then_no_harm(void)
{
    pthread_t t[6];
    signal(SIGPIPE, SIG_IGN);
    CHECK(mkfifo("fifo", 0600) == 0 && mkfifo("meet", 0600) == 0);
    for (long k = 0; k < 6; k++)
        CHECK(pthread_create(&t[k], NULL, open_and_close, (void *)(k % 3)) == 0);
    for (int k = 0; k < 6; k++)
        CHECK(pthread_join(t[k], NULL) == 0);
    CHECK_ERROR(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
    CHECK(pthread_create(&t[0], NULL, meet_writer, NULL) == 0);
    CHECK(pthread_create(&t[1], NULL, meet_reader, NULL) == 0);
    CHECK(pthread_join(t[0], NULL) == 0 && pthread_join(t[1], NULL) == 0);
}

int
main(void)
{
    RUN_IN_NEW(test_messages_when_many_write_and_read_then_each_once, pipe, read, write);
    RUN_IN_NEW(test_messages_when_all_poll_then_each_once, pipe2, read, write, poll);
    RUN_IN_NEW(test_fifos_when_opened_and_closed_by_many_then_no_harm, open, read, write);
    return check_failures != 0;
}

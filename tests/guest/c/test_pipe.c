/* SPDX-License-Identifier: MIT */
/* Pipes, descriptors, fcntl, poll. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/uio.h>

static void
test_pipe_when_writers_close_then_end_of_file(void)
{
    int ends[2];
    char data[8];

    CHECK(pipe(ends) == 0);
    CHECK(write(ends[1], "abc", 3) == 3);
    CHECK(close(ends[1]) == 0);
    CHECK(read(ends[0], data, 2) == 2 && memcmp(data, "ab", 2) == 0);
    CHECK(read(ends[0], data, 8) == 1 && data[0] == 'c');
    CHECK(read(ends[0], data, 8) == 0);
    CHECK(read(ends[0], data, 8) == 0);
}

static void
test_pipe_when_readers_close_then_sigpipe_or_epipe(void)
{
    int ends[2];
    pid_t child;

    CHECK(pipe(ends) == 0);
    CHECK(close(ends[0]) == 0);
    child = fork();
    if (child == 0) {
        (void)!write(ends[1], "x", 1);
        _exit(0);
    }
    CHECK_SIGNAL(child, SIGPIPE);
    signal(SIGPIPE, SIG_IGN);
    CHECK_ERROR(write(ends[1], "x", 1), EPIPE);
}

static void
test_pipe_when_full_then_blocks_until_read(void)
{
    enum { TOTAL = 3000000 };
    static char data[70000];
    int ends[2];
    size_t have = 0;
    unsigned sum = 0, expected = 0;
    pid_t child;

    CHECK(pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        size_t done = 0;

        while (done < TOTAL) {
            size_t n = TOTAL - done < sizeof data ? TOTAL - done : sizeof data;

            for (size_t i = 0; i < n; i++)
                data[i] = (char)((done + i) * 7 % 251);
            CHECK(write(ends[1], data, n) == (ssize_t)n);
            done += n;
        }
        _exit(0);
    }
    close(ends[1]);
    for (;;) {
        ssize_t n = read(ends[0], data, 1000 + have % 5000);

        CHECK(n >= 0);
        if (n == 0)
            break;
        for (ssize_t i = 0; i < n; i++)
            sum = sum * 31 + (unsigned char)data[i];
        have += (size_t)n;
    }
    for (size_t i = 0; i < TOTAL; i++)
        expected = expected * 31 + (unsigned char)(i * 7 % 251);
    CHECK(have == TOTAL && sum == expected);
    CHECK_EXIT(child, 0);
}

static void
test_pipe_when_writes_are_small_then_atomic(void)
{
    enum { WRITERS = 4, ROUNDS = 200, SIZE = 512 };
    char data[SIZE];
    int ends[2];
    int count[WRITERS] = { 0 };

    CHECK(pipe(ends) == 0);
    for (int w = 0; w < WRITERS; w++) {
        if (fork() == 0) {
            memset(data, 'a' + w, SIZE);
            for (int i = 0; i < ROUNDS; i++)
                CHECK(write(ends[1], data, SIZE) == SIZE);
            _exit(0);
        }
    }
    close(ends[1]);
    for (int i = 0; i < WRITERS * ROUNDS; i++) {
        size_t have = 0;

        while (have < SIZE) {
            ssize_t n = read(ends[0], data + have, SIZE - have);

            CHECK(n > 0);
            have += (size_t)n;
        }
        for (int j = 1; j < SIZE; j++)
            CHECK(data[j] == data[0]);
        count[data[0] - 'a']++;
    }
    for (int w = 0; w < WRITERS; w++)
        CHECK(count[w] == ROUNDS);
}

static void
test_pipe_when_nonblocking_then_eagain(void)
{
    static char data[4096];
    int ends[2];
    size_t total = 0;
    ssize_t n;

    CHECK(pipe2(ends, O_NONBLOCK) == 0);
    CHECK_ERROR(read(ends[0], data, 1), EAGAIN);
    while ((n = write(ends[1], data, sizeof data)) > 0)
        total += (size_t)n;
    CHECK(n == -1 && errno == EAGAIN && total >= 4096);
    CHECK(read(ends[0], data, sizeof data) == (ssize_t)sizeof data);
    CHECK(write(ends[1], data, 4096) == 4096);
    CHECK(fcntl(ends[0], F_GETFL) == (O_RDONLY | O_NONBLOCK));
    CHECK(fcntl(ends[0], F_SETFL, 0) == 0);
    CHECK(fcntl(ends[0], F_GETFL) == O_RDONLY);
}

static void
test_pipe_when_misused_then_errors(void)
{
    int ends[2];
    char byte;
    struct stat info;
    int waiting = -1;

    CHECK(pipe(ends) == 0);
    CHECK_ERROR(read(ends[1], &byte, 1), EBADF);
    CHECK_ERROR(write(ends[0], "x", 1), EBADF);
    CHECK_ERROR(lseek(ends[0], 0, SEEK_SET), ESPIPE);
    CHECK_ERROR(pipe2(ends, 0x4), EINVAL);
    CHECK(fstat(ends[0], &info) == 0 && S_ISFIFO(info.st_mode));
    CHECK(write(ends[1], "12345", 5) == 5);
    CHECK(ioctl(ends[0], FIONREAD, &waiting) == 0 && waiting == 5);
    CHECK(write(ends[1], "", 0) == 0);
    CHECK(ftruncate(ends[1], 0) == -1);
}

static void
test_pipe_when_reader_waits_then_writer_wakes_it(void)
{
    int ends[2];
    char byte;

    CHECK(pipe(ends) == 0);
    if (fork() == 0) {
        usleep(50000);
        CHECK(write(ends[1], "y", 1) == 1);
        _exit(0);
    }
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'y');
}

static void
test_vectors_when_written_then_joined(void)
{
    char one[3], two[4];
    struct iovec out[3] = { { "ab", 2 }, { "", 0 }, { "cdefg", 5 } };
    struct iovec in[2] = { { one, 3 }, { two, 4 } };
    int ends[2];

    CHECK(pipe(ends) == 0);
    CHECK(writev(ends[1], out, 3) == 7);
    CHECK(readv(ends[0], in, 2) == 7);
    CHECK(memcmp(one, "abc", 3) == 0 && memcmp(two, "defg", 4) == 0);
    CHECK_ERROR(writev(ends[1], out, -1), EINVAL);
    CHECK_ERROR(writev(ends[1], out, 2000), EINVAL);
}

static void
test_dup_when_copied_then_position_is_shared(void)
{
    char data[4];
    int fd = open("/tmp/test_pipe.dup", O_CREAT | O_TRUNC | O_RDWR, 0600);
    int copy;

    CHECK(fd >= 0 && write(fd, "abcdef", 6) == 6 && lseek(fd, 0, SEEK_SET) == 0);
    copy = dup(fd);
    CHECK(copy > fd);
    CHECK(read(fd, data, 2) == 2 && read(copy, data, 2) == 2);
    CHECK(memcmp(data, "cd", 2) == 0);
    CHECK(dup2(fd, 50) == 50 && lseek(50, 0, SEEK_CUR) == 4);
    CHECK(dup2(fd, fd) == fd);
    CHECK(dup3(fd, 51, O_CLOEXEC) == 51 && fcntl(51, F_GETFD) == FD_CLOEXEC);
    CHECK_ERROR(dup3(fd, fd, 0), EINVAL);
    CHECK(fcntl(fd, F_DUPFD, 60) == 60 && fcntl(60, F_GETFD) == 0);
    CHECK(fcntl(fd, F_DUPFD_CLOEXEC, 60) == 61 && fcntl(61, F_GETFD) == FD_CLOEXEC);
    CHECK(fcntl(61, F_SETFD, 0) == 0 && fcntl(61, F_GETFD) == 0);
    CHECK(close(50) == 0);
    CHECK_ERROR(close(50), EBADF);
    CHECK_ERROR(dup(50), EBADF);
    CHECK_ERROR(dup2(50, 51), EBADF);
    CHECK_ERROR(dup2(fd, -1), EBADF);
    CHECK_ERROR(fcntl(999, F_GETFD), EBADF);
    CHECK(unlink("/tmp/test_pipe.dup") == 0);
}

static void
test_open_when_lowest_is_free_then_it_is_given(void)
{
    int one = open("/dev/null", O_RDONLY), two = open("/dev/null", O_RDONLY);

    CHECK(one >= 0 && two > one && close(one) == 0);
    CHECK(open("/dev/null", O_RDONLY) == one);
    CHECK(close(two) == 0 && close(one) == 0);
}

static void
test_poll_when_pipe_changes_then_events_follow(void)
{
    int ends[2];
    char byte;
    struct pollfd polls[2];

    CHECK(pipe(ends) == 0);
    polls[0] = (struct pollfd){ .fd = ends[0], .events = POLLIN };
    polls[1] = (struct pollfd){ .fd = ends[1], .events = POLLOUT };
    CHECK(poll(polls, 1, 0) == 0 && polls[0].revents == 0);
    CHECK(poll(polls, 2, -1) == 1 && polls[1].revents == POLLOUT);
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(poll(polls, 2, -1) == 2 && polls[0].revents == POLLIN);
    CHECK(read(ends[0], &byte, 1) == 1 && close(ends[1]) == 0);
    CHECK(poll(polls, 2, -1) == 2 && polls[0].revents == POLLHUP &&
          polls[1].revents == POLLNVAL);
    polls[0].fd = -1;
    CHECK(poll(polls, 1, 0) == 0 && polls[0].revents == 0);
    CHECK(pipe(ends) == 0 && close(ends[0]) == 0);
    polls[0] = (struct pollfd){ .fd = ends[1], .events = POLLOUT };
    CHECK(poll(polls, 1, -1) == 1 && (polls[0].revents & POLLERR));
}

static void
test_poll_when_other_writes_then_wakes(void)
{
    int ends[2];
    struct pollfd one;
    pid_t child;

    CHECK(pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        usleep(50000);
        CHECK(write(ends[1], "x", 1) == 1);
        _exit(0);
    }
    one = (struct pollfd){ .fd = ends[0], .events = POLLIN };
    CHECK(poll(&one, 1, 30000) == 1 && one.revents == POLLIN);
    CHECK_EXIT(child, 0);
    CHECK(poll(NULL, 0, 20) == 0);
}

static void
test_select_when_ready_then_sets(void)
{
    int ends[2];
    fd_set in, out;
    struct timeval none = { 0, 0 };

    CHECK(pipe(ends) == 0);
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(ends[0], &in);
    FD_SET(ends[1], &out);
    CHECK(select(ends[1] + 1, &in, &out, NULL, &none) == 1);
    CHECK(!FD_ISSET(ends[0], &in) && FD_ISSET(ends[1], &out));
    CHECK(write(ends[1], "x", 1) == 1);
    FD_SET(ends[0], &in);
    CHECK(select(ends[1] + 1, &in, NULL, NULL, NULL) == 1 && FD_ISSET(ends[0], &in));
}

static void
test_fifo_when_opened_from_both_sides_then_connects(void)
{
    char data[4] = { 0 };
    pid_t child;
    int fd;

    unlink("/tmp/test_pipe.fifo");
    CHECK(mkfifo("/tmp/test_pipe.fifo", 0600) == 0);
    CHECK_ERROR(open("/tmp/test_pipe.fifo", O_WRONLY | O_NONBLOCK), ENXIO);
    child = fork();
    if (child == 0) {
        fd = open("/tmp/test_pipe.fifo", O_WRONLY);
        CHECK(fd >= 0 && write(fd, "hi", 2) == 2);
        _exit(0);
    }
    fd = open("/tmp/test_pipe.fifo", O_RDONLY);
    CHECK(fd >= 0 && read(fd, data, 4) == 2 && strcmp(data, "hi") == 0);
    CHECK_EXIT(child, 0);
    CHECK(read(fd, data, 4) == 0);
    CHECK(unlink("/tmp/test_pipe.fifo") == 0);
}

/* Verify that a reader's open returns although the writer that it met has gone before the
 * reader looks again. */
static void
test_fifo_when_writer_is_gone_at_once_then_reader_has_it(void)
{
    for (int i = 0; i < 100; i++) {
        char data[4];
        unlink("/tmp/test_pipe.fifo");
        CHECK(mkfifo("/tmp/test_pipe.fifo", 0600) == 0);
        pid_t child = fork();
        if (child == 0) {
            int out = open("/tmp/test_pipe.fifo", O_WRONLY);
            _exit(out < 0 || write(out, "hi", 2) != 2);
        }
        int fd = open("/tmp/test_pipe.fifo", O_RDONLY);
        CHECK(fd >= 0 && read(fd, data, 4) == 2);
        CHECK_EXIT(child, 0);
        CHECK(close(fd) == 0);
    }
    CHECK(unlink("/tmp/test_pipe.fifo") == 0);
}

static void
test_devices_when_used_then_behave(void)
{
    char data[64];
    int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR);
    int random = open("/dev/urandom", O_RDONLY);
    unsigned char any = 0;

    CHECK(null >= 0 && zero >= 0 && random >= 0);
    CHECK(read(null, data, 64) == 0 && write(null, data, 64) == 64);
    memset(data, 1, sizeof data);
    CHECK(read(zero, data, 64) == 64);
    for (int i = 0; i < 64; i++)
        CHECK(data[i] == 0);
    CHECK(read(random, data, 64) == 64);
    for (int i = 0; i < 64; i++)
        any |= (unsigned char)data[i];
    CHECK(any != 0);
}

int
main(void)
{
    RUN(test_pipe_when_writers_close_then_end_of_file);
    RUN(test_pipe_when_readers_close_then_sigpipe_or_epipe);
    RUN(test_pipe_when_full_then_blocks_until_read);
    RUN(test_pipe_when_writes_are_small_then_atomic);
    RUN(test_pipe_when_nonblocking_then_eagain);
    RUN(test_pipe_when_misused_then_errors);
    RUN(test_pipe_when_reader_waits_then_writer_wakes_it);
    RUN(test_vectors_when_written_then_joined);
    RUN(test_dup_when_copied_then_position_is_shared);
    RUN(test_open_when_lowest_is_free_then_it_is_given);
    RUN(test_poll_when_pipe_changes_then_events_follow);
    RUN(test_poll_when_other_writes_then_wakes);
    RUN(test_select_when_ready_then_sets);
    RUN(test_fifo_when_opened_from_both_sides_then_connects);
    RUN(test_fifo_when_writer_is_gone_at_once_then_reader_has_it);
    RUN(test_devices_when_used_then_behave);
    return check_failures != 0;
}

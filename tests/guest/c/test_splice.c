/* SPDX-License-Identifier: MIT */
/* splice(2), tee(2), vmsplice(2), sendfile(2): what moves, what stays, which errors. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/param.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static char data[300000], back[300000];

static void
fill(void)
{
    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 31 + i / 4096);
}

static int
file_with(const char *name, size_t n)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0 && write(fd, data, n) == (ssize_t)n && lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

static void
test_file_to_pipe_when_spliced_then_same_bytes(void)
{
    int p[2], fd;
    loff_t at = 100;
    fill();
    fd = file_with("f", 20000);
    CHECK(pipe(p) == 0);
    CHECK(splice(fd, NULL, p[1], NULL, 5000, 0) == 5000);
    CHECK(lseek(fd, 0, SEEK_CUR) == 5000);
    CHECK(read(p[0], back, sizeof back) == 5000 && memcmp(data, back, 5000) == 0);
    CHECK(splice(fd, &at, p[1], NULL, 10, 0) == 10 && at == 110);
    CHECK(lseek(fd, 0, SEEK_CUR) == 5000);
    CHECK(read(p[0], back, sizeof back) == 10 && memcmp(data + 100, back, 10) == 0);
    at = 20000;
    CHECK(splice(fd, &at, p[1], NULL, 10, 0) == 0 && at == 20000);
    at = 19990;
    CHECK(splice(fd, &at, p[1], NULL, 100, 0) == 10 && at == 20000);
}

static void
test_pipe_to_file_when_spliced_then_same_bytes(void)
{
    int p[2], fd = open("f", O_RDWR | O_CREAT, 0644);
    loff_t at = 3;
    fill();
    CHECK(pipe(p) == 0 && write(p[1], data, 9000) == 9000);
    CHECK(splice(p[0], NULL, fd, NULL, 5000, 0) == 5000);
    CHECK(splice(p[0], NULL, fd, NULL, 5000, 0) == 4000);
    CHECK(lseek(fd, 0, SEEK_CUR) == 9000);
    CHECK(pread(fd, back, sizeof back, 0) == 9000 && memcmp(data, back, 9000) == 0);
    CHECK(write(p[1], "abc", 3) == 3);
    CHECK(splice(p[0], NULL, fd, &at, 100, 0) == 3 && at == 6);
    CHECK(pread(fd, back, 3, 3) == 3 && memcmp(back, "abc", 3) == 0);
    close(p[1]);
    CHECK(splice(p[0], NULL, fd, NULL, 100, 0) == 0); /* no writer is left */
}

static void
test_pipe_to_pipe_when_spliced_then_moved(void)
{
    int a[2], b[2];
    fill();
    CHECK(pipe(a) == 0 && pipe(b) == 0 && write(a[1], data, 10000) == 10000);
    CHECK(splice(a[0], NULL, b[1], NULL, 5000, 0) == 5000);
    CHECK(read(a[0], back, sizeof back) == 5000 && memcmp(data + 5000, back, 5000) == 0);
    CHECK(read(b[0], back, sizeof back) == 5000 && memcmp(data, back, 5000) == 0);
    /* what was moved can be written behind, and other pages are not touched */
    CHECK(write(a[1], "one", 3) == 3 && splice(a[0], NULL, b[1], NULL, 2, 0) == 2);
    CHECK(write(b[1], "xyz", 3) == 3 && write(a[1], "two", 3) == 3);
    CHECK(read(b[0], back, 10) == 5 && memcmp(back, "onxyz", 5) == 0);
    CHECK(read(a[0], back, 10) == 4 && memcmp(back, "etwo", 4) == 0);
}

static void
test_tee_when_done_then_both_have_it(void)
{
    int a[2], b[2];
    fill();
    CHECK(pipe(a) == 0 && pipe(b) == 0 && write(a[1], data, 10000) == 10000);
    CHECK(tee(a[0], b[1], 6000, 0) == 6000);
    CHECK(write(a[1], "more", 4) == 4 && write(b[1], "other", 5) == 5);
    CHECK(read(b[0], back, sizeof back) == 6005);
    CHECK(memcmp(data, back, 6000) == 0 && memcmp(back + 6000, "other", 5) == 0);
    CHECK(read(a[0], back, sizeof back) == 10004);
    CHECK(memcmp(data, back, 10000) == 0 && memcmp(back + 10000, "more", 4) == 0);
    CHECK_ERROR(tee(a[0], b[1], 10, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK_ERROR(tee(a[0], a[1], 10, 0), EINVAL);
    CHECK(tee(a[0], b[1], 0, 0) == 0);
    CHECK_ERROR(tee(a[0], b[1], 1, 0x10), EINVAL);
    CHECK_ERROR(tee(a[1], b[1], 1, 0), EBADF);
    CHECK_ERROR(tee(a[0], -1, 1, 0), EBADF);
    int fd = file_with("f", 10);
    CHECK_ERROR(tee(a[0], fd, 1, 0), EINVAL);
    CHECK_ERROR(tee(fd, a[1], 1, 0), EINVAL);
    close(a[1]);
    CHECK(tee(a[0], b[1], 10, 0) == 0);
}

static void
test_splice_when_wrong_then_error(void)
{
    int p[2], q[2], fd = file_with("f", 100), append = open("f", O_WRONLY | O_APPEND);
    int wo = open("f", O_WRONLY), ro = open("f", O_RDONLY), dir = open(".", O_RDONLY);
    loff_t at = 0, negative = -1;
    CHECK(pipe(p) == 0 && pipe(q) == 0 && write(p[1], "x", 1) == 1);
    CHECK_ERROR(splice(-1, NULL, p[1], NULL, 1, 0), EBADF);
    CHECK_ERROR(splice(fd, NULL, -1, NULL, 1, 0), EBADF);
    CHECK_ERROR(splice(wo, NULL, p[1], NULL, 1, 0), EBADF);
    CHECK_ERROR(splice(p[0], NULL, ro, NULL, 1, 0), EBADF);
    CHECK_ERROR(splice(p[1], NULL, fd, NULL, 1, 0), EBADF);
    CHECK_ERROR(splice(fd, NULL, p[0], NULL, 1, 0), EBADF);
    CHECK_ERROR(splice(fd, NULL, p[1], NULL, 1, 0x10), EINVAL);
    CHECK(splice(-1, NULL, -1, NULL, 0, 0) == 0);
    CHECK_ERROR(splice(fd, NULL, wo, NULL, 1, 0), EINVAL);
    CHECK_ERROR(splice(p[0], NULL, p[1], NULL, 1, 0), EINVAL);
    CHECK_ERROR(splice(p[0], &at, fd, NULL, 1, 0), ESPIPE);
    CHECK_ERROR(splice(fd, NULL, p[1], &at, 1, 0), ESPIPE);
    CHECK_ERROR(splice(p[0], &at, q[1], NULL, 1, 0), ESPIPE);
    CHECK_ERROR(splice(p[0], NULL, append, NULL, 1, 0), EINVAL);
    CHECK_ERROR(splice(fd, &negative, p[1], NULL, 1, 0), EINVAL);
    CHECK_ERROR(splice(fd, (loff_t *)8, p[1], NULL, 1, 0), EFAULT);
    CHECK_ERROR(splice(dir, NULL, p[1], NULL, 1, 0), EINVAL);
    CHECK_ERROR(splice(q[0], NULL, fd, NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK(fcntl(q[0], F_SETFL, O_NONBLOCK) == 0);
    CHECK_ERROR(splice(q[0], NULL, fd, NULL, 1, 0), EAGAIN);
    CHECK_ERROR(splice(q[0], NULL, p[1], NULL, 1, 0), EAGAIN);
    signal(SIGPIPE, SIG_IGN);
    close(q[0]);
    CHECK_ERROR(splice(fd, NULL, q[1], NULL, 1, 0), EPIPE);
    CHECK_ERROR(splice(p[0], NULL, q[1], NULL, 1, 0), EPIPE);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGPIPE, SIG_DFL);
        splice(fd, NULL, q[1], NULL, 1, 0);
        _exit(0);
    }
    CHECK_SIGNAL(child, SIGPIPE);
}

static void
test_splice_when_pipe_full_then_part_or_eagain(void)
{
    int p[2], fd;
    fill();
    fd = file_with("f", 200000);
    CHECK(pipe(p) == 0);
    CHECK(splice(fd, NULL, p[1], NULL, 200000, 0) == 65536);
    CHECK_ERROR(splice(fd, NULL, p[1], NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK(read(p[0], back, 65536) == 65536 && memcmp(data, back, 65536) == 0);
    CHECK(splice(fd, NULL, p[1], NULL, 10, SPLICE_F_NONBLOCK) == 10);
    CHECK(lseek(fd, 0, SEEK_CUR) == 65546);
}

static void
test_vmsplice_when_to_and_from_then_same_bytes(void)
{
    int p[2], fd = file_with("f", 10);
    struct iovec v[3] = { { data, 100 }, { data + 50, 0 }, { data + 200, 5000 } };
    struct iovec to = { back, sizeof back };
    fill();
    CHECK(pipe(p) == 0);
    CHECK(vmsplice(p[1], v, 3, 0) == 5100);
    CHECK(vmsplice(p[0], &to, 1, 0) == 5100);
    CHECK(memcmp(back, data, 100) == 0 && memcmp(back + 100, data + 200, 5000) == 0);
    CHECK_ERROR(vmsplice(p[0], &to, 1, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK_ERROR(vmsplice(fd, v, 1, 0), EBADF);
    CHECK_ERROR(vmsplice(-1, v, 1, 0), EBADF);
    CHECK_ERROR(vmsplice(p[1], v, 1, 0x10), EINVAL);
    CHECK_ERROR(vmsplice(p[1], v, 1025, 0), EINVAL);
    CHECK_ERROR(vmsplice(p[1], (void *)8, 1, 0), EFAULT);
    CHECK(vmsplice(p[1], v, 0, 0) == 0);
    v[0] = (struct iovec){ (void *)16, 10 };
    CHECK_ERROR(vmsplice(p[1], v, 1, 0), EFAULT);
}

static void
test_sendfile_when_positions_then_moved(void)
{
    int in, out = open("out", O_RDWR | O_CREAT, 0644), p[2];
    off_t at = 1000;
    fill();
    in = file_with("in", 200000);
    CHECK(sendfile(out, in, NULL, 150000) == 150000);
    CHECK(lseek(in, 0, SEEK_CUR) == 150000 && lseek(out, 0, SEEK_CUR) == 150000);
    CHECK(pread(out, back, sizeof back, 0) == 150000 && memcmp(data, back, 150000) == 0);
    CHECK(sendfile(out, in, &at, 500) == 500 && at == 1500);
    CHECK(lseek(in, 0, SEEK_CUR) == 150000);
    at = 200000;
    CHECK(sendfile(out, in, &at, 500) == 0);
    CHECK(pipe(p) == 0 && (at = 10) && sendfile(p[1], in, &at, 20) == 20 && at == 30);
    CHECK(read(p[0], back, 100) == 20 && memcmp(back, data + 10, 20) == 0);
    CHECK_ERROR(sendfile(out, p[0], NULL, 10), EINVAL);
    CHECK_ERROR(sendfile(out, p[0], &at, 10), ESPIPE);
    CHECK_ERROR(sendfile(-1, in, NULL, 10), EBADF);
    CHECK_ERROR(sendfile(out, -1, NULL, 10), EBADF);
    CHECK_ERROR(sendfile(out, in, (off_t *)8, 10), EFAULT);
    at = -1;
    CHECK_ERROR(sendfile(out, in, &at, 10), EINVAL);
    int append = open("out", O_WRONLY | O_APPEND), ro = open("out", O_RDONLY);
    CHECK_ERROR(sendfile(append, in, NULL, 10), EINVAL);
    CHECK_ERROR(sendfile(ro, in, NULL, 10), EBADF);
    CHECK_ERROR(sendfile(out, append, NULL, 10), EBADF);
}

static int chain[3][2];

static void *
pump(void *arg)
{
    int *from = chain[(long)arg], *to = chain[(long)arg + 1];
    ssize_t n;
    while ((n = splice(from[0], NULL, to[1], NULL, 70000, 0)) > 0)
        ;
    CHECK(n == 0 && close(to[1]) == 0);
    return NULL;
}

static void *
feed(void *arg)
{
    (void)arg;
    for (int k = 0; k < 40; k++)
        for (size_t at = 0; at < sizeof data;) {
            size_t n = MIN(sizeof data - at, (size_t)(1 + (at * 7 + (size_t)k) % 9000));
            CHECK(write(chain[0][1], data + at, n) == (ssize_t)n);
            at += n;
        }
    CHECK(close(chain[0][1]) == 0);
    return NULL;
}

static void
test_chain_when_threads_pump_then_nothing_lost(void)
{
    pthread_t t[3];
    size_t got = 0;
    ssize_t n;
    fill();
    for (int k = 0; k < 3; k++)
        CHECK(pipe(chain[k]) == 0);
    CHECK(pthread_create(&t[0], NULL, feed, NULL) == 0);
    for (long k = 0; k < 2; k++)
        CHECK(pthread_create(&t[k + 1], NULL, pump, (void *)k) == 0);
    while ((n = read(chain[2][0], back, 5000)) > 0)
        for (ssize_t k = 0; k < n; k++, got++)
            CHECK(back[k] == data[got % sizeof data]);
    CHECK(n == 0 && got == 40 * sizeof data);
    for (int k = 0; k < 3; k++)
        CHECK(pthread_join(t[k], NULL) == 0);
}

/* What a splice leaves of a packet is there for the next call; what a read leaves is
 * not. */
static void
test_splice_when_part_of_packet_then_rest_stays(void)
{
    int p[2], fd = open("f", O_RDWR | O_CREAT, 0644);
    CHECK(pipe2(p, O_DIRECT) == 0 && write(p[1], "packet", 6) == 6);
    CHECK(write(p[1], "next", 4) == 4);
    CHECK(splice(p[0], NULL, fd, NULL, 2, 0) == 2);
    CHECK(read(p[0], back, 3) == 3 && memcmp(back, "cke", 3) == 0);
    CHECK(read(p[0], back, 10) == 4 && memcmp(back, "next", 4) == 0);
}

static int wanted[2], full[2];

/* One that waits for data and then for room at the other side must not keep the news
 * from those that only wait for data. */
static void
test_splice_when_other_side_full_then_another_reads(void)
{
    CHECK(pipe(wanted) == 0 && pipe2(full, O_NONBLOCK) == 0);
    while (write(full[1], data, 4096) > 0)
        ;
    CHECK(fcntl(full[1], F_SETFL, 0) == 0);
    pid_t first = fork();
    if (first == 0) {
        splice(wanted[0], NULL, full[1], NULL, 10, 0);
        _exit(1);
    }
    usleep(200000);
    pid_t second = fork();
    if (second == 0)
        _exit(read(wanted[0], back, 10) == 1 ? 0 : 2);
    usleep(200000);
    alarm(10);
    CHECK(write(wanted[1], "x", 1) == 1);
    CHECK_EXIT(second, 0);
    CHECK(kill(first, SIGKILL) == 0);
    CHECK_SIGNAL(first, SIGKILL);
}

int
main(void)
{
    RUN_IN_NEW(test_splice_when_part_of_packet_then_rest_stays, splice);
    RUN_IN_NEW(test_splice_when_other_side_full_then_another_reads, splice);
    RUN_IN_NEW(test_file_to_pipe_when_spliced_then_same_bytes, splice);
    RUN_IN_NEW(test_pipe_to_file_when_spliced_then_same_bytes, splice);
    RUN_IN_NEW(test_pipe_to_pipe_when_spliced_then_moved, splice);
    RUN_IN_NEW(test_tee_when_done_then_both_have_it, tee);
    RUN_IN_NEW(test_splice_when_wrong_then_error, splice);
    RUN_IN_NEW(test_splice_when_pipe_full_then_part_or_eagain, splice);
    RUN_IN_NEW(test_vmsplice_when_to_and_from_then_same_bytes, vmsplice);
    RUN_IN_NEW(test_sendfile_when_positions_then_moved, sendfile);
    RUN_IN_NEW(test_chain_when_threads_pump_then_nothing_lost, splice);
    return check_failures != 0;
}

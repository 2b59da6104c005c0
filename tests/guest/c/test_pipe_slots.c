/* SPDX-License-Identifier: MIT */
/* pipe(7): capacity, slots, packet mode, limits of a user; faults in the middle. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static char data[2 << 20];

static void
test_capacity_when_set_then_power_of_two_pages(void)
{
    int p[2];
    CHECK(pipe(p) == 0 && fcntl(p[0], F_GETPIPE_SZ) == 65536);
    CHECK(fcntl(p[1], F_SETPIPE_SZ, 1) == 4096 && fcntl(p[0], F_GETPIPE_SZ) == 4096);
    CHECK(fcntl(p[1], F_SETPIPE_SZ, 4097) == 8192);
    CHECK(fcntl(p[0], F_SETPIPE_SZ, 100000) == 131072);
    CHECK(fcntl(p[0], F_SETPIPE_SZ, 0) == 4096);
    CHECK(fcntl(p[0], F_SETPIPE_SZ, 1 << 20) == 1 << 20);
    CHECK_ERROR(fcntl(p[0], F_SETPIPE_SZ, 0x80000001u), EINVAL);
    CHECK(write(p[1], data, 3 * 4096) == 3 * 4096);
    CHECK_ERROR(fcntl(p[0], F_SETPIPE_SZ, 8192), EBUSY);
    CHECK(fcntl(p[0], F_SETPIPE_SZ, 16384) == 16384);
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    CHECK_ERROR(fcntl(fd, F_SETPIPE_SZ, 4096), EBADF);
    CHECK_ERROR(fcntl(fd, F_GETPIPE_SZ), EBADF);
    CHECK(setresuid(1000, 1000, 1000) == 0);
    CHECK_ERROR(fcntl(p[0], F_SETPIPE_SZ, 2 << 20), EPERM);
    CHECK(fcntl(p[0], F_SETPIPE_SZ, 1 << 20) == 1 << 20);
}

static void
test_capacity_when_root_then_above_the_maximum(void)
{
    int p[2];
    CHECK(pipe(p) == 0 && fcntl(p[0], F_SETPIPE_SZ, 2 << 20) == 2 << 20);
    CHECK(fcntl(p[1], F_SETFL, O_NONBLOCK) == 0);
    CHECK(write(p[1], data, sizeof data) == 2 << 20);
    CHECK_ERROR(write(p[1], data, 1), EAGAIN);
}

static void
test_writes_when_small_then_joined_in_a_page(void)
{
    int p[2], n;
    CHECK(pipe2(p, O_NONBLOCK) == 0 && fcntl(p[0], F_SETPIPE_SZ, 4096) == 4096);
    for (int k = 0; k < 4096; k++)
        CHECK(write(p[1], "x", 1) == 1);
    CHECK_ERROR(write(p[1], "x", 1), EAGAIN);
    CHECK(ioctl(p[0], FIONREAD, &n) == 0 && n == 4096);
    CHECK(read(p[0], data, 100) == 100);
    CHECK_ERROR(write(p[1], "x", 1),
                EAGAIN); /* the page is not free before it is empty */
    CHECK(read(p[0], data, 4096) == 3996 && write(p[1], "x", 1) == 1);
}

static void
test_writes_when_not_joined_then_a_slot_each(void)
{
    int p[2], n = 0;
    struct pollfd w;
    CHECK(pipe2(p, O_NONBLOCK) == 0);
    w = (struct pollfd){ p[1], POLLOUT, 0 };
    while (write(p[1], data, 3000) == 3000) {
        n++;
        CHECK(poll(&w, 1, 0) == (n < 16));
    }
    CHECK(errno == EAGAIN && n == 16);
    CHECK(write(p[1], data, 1000) == 1000); /* behind the last one's bytes */
    CHECK_ERROR(write(p[1], data, 1000), EAGAIN);
    CHECK(read(p[0], data, 2999) == 2999 && poll(&w, 1, 0) == 0);
    CHECK(read(p[0], data, 1) == 1 && poll(&w, 1, 0) == 1);
}

static void
test_packets_when_direct_then_one_for_each_read(void)
{
    int p[2];
    CHECK(pipe2(p, O_DIRECT | O_NONBLOCK) == 0);
    CHECK((fcntl(p[1], F_GETFL) & O_DIRECT) != 0);
    CHECK(write(p[1], "first", 5) == 5 && write(p[1], "second", 6) == 6);
    CHECK(write(p[1], data, 5000) == 5000 && write(p[1], "", 0) == 0);
    CHECK(read(p[0], data, 100) == 5 && memcmp(data, "first", 5) == 0);
    CHECK(read(p[0], data, 3) == 3 && memcmp(data, "sec", 3) == 0); /* the rest is lost */
    CHECK(read(p[0], data, 5000) == 4096 && read(p[0], data, 5000) == 904);
    CHECK_ERROR(read(p[0], data, 1), EAGAIN);
    CHECK(fcntl(p[1], F_SETFL, O_NONBLOCK) == 0);
    CHECK(write(p[1], "a", 1) == 1 && write(p[1], "b", 1) == 1);
    CHECK(read(p[0], data, 10) == 2);
    CHECK(fcntl(p[1], F_SETFL, O_NONBLOCK | O_DIRECT) == 0);
    CHECK(write(p[1], "a", 1) == 1 && write(p[1], "b", 1) == 1);
    CHECK(read(p[0], data, 10) == 1 && read(p[0], data, 10) == 1);
    CHECK_ERROR(pipe2(p, O_APPEND), EINVAL);
}

static void
test_faults_when_in_the_middle_then_counted_by_slot(void)
{
    int p[2], n;
    char *m =
        mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(m != MAP_FAILED && munmap(m + 8192, 4096) == 0 && pipe2(p, O_NONBLOCK) == 0);
    CHECK_ERROR(write(p[1], m + 8191, 2), EFAULT);
    CHECK(ioctl(p[0], FIONREAD, &n) == 0 && n == 0);
    CHECK(write(p[1], m + 4096 - 100, 3 * 4096) == 4096); /* one page went in whole */
    CHECK(write(p[1], data, 8192) == 8192);
    CHECK(read(p[0], m, 3 * 4096) == 8192);
    CHECK_ERROR(read(p[0], m + 8192, 100), EFAULT);
    CHECK(ioctl(p[0], FIONREAD, &n) == 0 && n == 4096);
    CHECK(read(p[0], m, 8192) == 4096);
    CHECK_ERROR(syscall(SYS_pipe, 8), EFAULT);
}

static void
test_user_when_many_pipes_then_small_ones(void)
{
    struct rlimit r = { 4096, 4096 };
    int p[2];
    CHECK(setrlimit(RLIMIT_NOFILE, &r) == 0 && setresuid(3000, 3000, 3000) == 0);
    for (int k = 0; k < 16384 / 256; k++)
        CHECK(pipe(p) == 0 && fcntl(p[0], F_SETPIPE_SZ, 1 << 20) > 0);
    CHECK(pipe(p) == 0 && fcntl(p[0], F_GETPIPE_SZ) == 8192);
    CHECK_ERROR(fcntl(p[0], F_SETPIPE_SZ, 65536), EPERM);
    CHECK(fcntl(p[0], F_SETPIPE_SZ, 4096) == 4096);
}

static void
test_pipe_when_no_descriptors_then_emfile(void)
{
    struct rlimit r = { 10, 10 };
    int p[2], n = 0;
    CHECK(setrlimit(RLIMIT_NOFILE, &r) == 0);
    while (pipe(p) == 0)
        n++;
    CHECK(errno == EMFILE && n >= 2);
    while (dup(0) >= 0)
        ;
    CHECK(errno == EMFILE && close(9) == 0);
    CHECK_ERROR(pipe(p), EMFILE); /* one is not enough, and is not lost */
    CHECK(dup(0) == 9);
}

int
main(void)
{
    RUN_IN_NEW(test_capacity_when_set_then_power_of_two_pages, fcntl);
    RUN_IN_NEW(test_capacity_when_root_then_above_the_maximum, fcntl);
    RUN_IN_NEW(test_writes_when_small_then_joined_in_a_page, write, ioctl);
    RUN_IN_NEW(test_writes_when_not_joined_then_a_slot_each, write, poll);
    RUN_IN_NEW(test_packets_when_direct_then_one_for_each_read, pipe2, read);
    RUN_IN_NEW(test_faults_when_in_the_middle_then_counted_by_slot, read, write, pipe);
    RUN_IN_NEW(test_user_when_many_pipes_then_small_ones, fcntl, pipe);
    RUN_IN_NEW(test_pipe_when_no_descriptors_then_emfile, pipe);
    return check_failures != 0;
}

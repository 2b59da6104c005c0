/* SPDX-License-Identifier: MIT */
/* Asynchronous requests: io_setup(2) and its family, and the ring that programs read. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

/* The C library has no header for these. */
typedef unsigned long aio_context_t;
enum { IOCB_CMD_PREAD, IOCB_CMD_PWRITE, IOCB_CMD_FSYNC, IOCB_CMD_FDSYNC,
       IOCB_CMD_POLL = 5, IOCB_CMD_PREADV = 7, IOCB_CMD_PWRITEV };
#define IOCB_FLAG_RESFD 1u
struct io_event {
    uint64_t data, obj;
    int64_t res, res2;
};
struct iocb {
    uint64_t aio_data;
    uint32_t aio_key, aio_rw_flags;
    uint16_t aio_lio_opcode;
    int16_t aio_reqprio;
    uint32_t aio_fildes;
    uint64_t aio_buf, aio_nbytes;
    int64_t aio_offset;
    uint64_t aio_reserved2;
    uint32_t aio_flags, aio_resfd;
};
struct ring {
    unsigned id, nr, head, tail, magic, compat, incompat, bytes;
    struct io_event events[];
};

static int
setup(unsigned n, aio_context_t *c)
{
    *c = 0;
    return (int)syscall(SYS_io_setup, n, c);
}

static int
destroy(aio_context_t c)
{
    return (int)syscall(SYS_io_destroy, c);
}

static long
submit(aio_context_t c, long n, struct iocb **q)
{
    return syscall(SYS_io_submit, c, n, q);
}

static long
submit_one(aio_context_t c, struct iocb *q)
{
    return submit(c, 1, &q);
}

static long
get(aio_context_t c, long least, long most, struct io_event *e, struct timespec *t)
{
    return syscall(SYS_io_getevents, c, least, most, e, t);
}

static struct iocb
request(int op, int fd, void *at, size_t bytes, long long offset)
{
    struct iocb q = { .aio_lio_opcode = (uint16_t)op, .aio_fildes = (uint32_t)fd,
                      .aio_buf = (uint64_t)(uintptr_t)at, .aio_nbytes = bytes,
                      .aio_offset = offset, .aio_data = 0x1234 };
    return q;
}

static int
file_make(void)
{
    int fd = open("/tmp/aio", O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && unlink("/tmp/aio") == 0);
    return fd;
}

static void
test_setup_when_wrong_then_error(void)
{
    aio_context_t c = 1;
    CHECK_ERROR(syscall(SYS_io_setup, 1, &c), EINVAL);
    CHECK_ERROR(setup(0, &c), EINVAL);
    CHECK_ERROR(setup(1u << 30, &c), EINVAL);
    CHECK_ERROR(setup(1u << 20, &c), EAGAIN);
    CHECK_ERROR(syscall(SYS_io_setup, 1, NULL), EFAULT);
    CHECK_ERROR(destroy(0), EINVAL);
    CHECK_ERROR(destroy(4096), EINVAL);
    CHECK(setup(1, &c) == 0 && c != 0);
    CHECK(destroy(c) == 0);
    CHECK_ERROR(destroy(c), EINVAL);
}

static void
test_transfers_when_submitted_then_events(void)
{
    aio_context_t c;
    struct io_event e[8];
    char in[16] = { 0 };
    int fd = file_make();
    CHECK(setup(8, &c) == 0);
    struct iovec v[2] = { { in, 3 }, { in + 3, 3 } };
    struct iocb w = request(IOCB_CMD_PWRITE, fd, "abcdef", 6, 2);
    struct iocb r = request(IOCB_CMD_PREADV, fd, v, 2, 2);
    struct iocb s = request(IOCB_CMD_FSYNC, fd, NULL, 0, 0);
    struct iocb d = request(IOCB_CMD_FDSYNC, fd, NULL, 0, 0);
    CHECK(submit(c, 4, (struct iocb *[]){ &w, &r, &s, &d }) == 4);
    CHECK(get(c, 4, 8, e, NULL) == 4);
    long sum = 0;
    for (int i = 0; i < 4; i++) {
        CHECK(e[i].data == 0x1234);
        CHECK(e[i].obj == (uintptr_t)&w || e[i].obj == (uintptr_t)&r ||
              e[i].obj == (uintptr_t)&s || e[i].obj == (uintptr_t)&d);
        sum += (long)e[i].res;
    }
    CHECK(sum == 12 && memcmp(in, "abcdef", 6) == 0);
    struct iocb x = request(IOCB_CMD_PREAD, fd, in, 16, 4);
    CHECK(submit_one(c, &x) == 1 && get(c, 1, 1, e, NULL) == 1 && e[0].res == 4);
    struct iocb y = request(IOCB_CMD_PWRITEV, fd, v, 1, 0);
    CHECK(submit_one(c, &y) == 1 && get(c, 1, 1, e, NULL) == 1 && e[0].res == 3);
    struct timespec none = { 0, 0 };
    CHECK(get(c, 1, 1, e, &none) == 0);
    CHECK(destroy(c) == 0);
}

static void
test_submit_when_wrong_then_error(void)
{
    aio_context_t c;
    char in[16];
    int fd = file_make();
    CHECK(setup(4, &c) == 0);
    struct iocb q = request(IOCB_CMD_PREAD, fd, in, 16, 0), *p = &q;
    CHECK_ERROR(submit(0, 1, &p), EINVAL);
    CHECK_ERROR(submit(c, -1, &p), EINVAL);
    CHECK(submit(c, 0, &p) == 0);
    CHECK_ERROR(submit(c, 1, NULL), EFAULT);
    CHECK_ERROR(submit_one(c, NULL), EFAULT);
    q.aio_fildes = 999;
    CHECK_ERROR(submit_one(c, &q), EBADF);
    q.aio_fildes = (uint32_t)fd;
    q.aio_reserved2 = 1;
    CHECK_ERROR(submit_one(c, &q), EINVAL);
    q.aio_reserved2 = 0;
    q.aio_lio_opcode = 77;
    CHECK_ERROR(submit_one(c, &q), EINVAL);
    q = request(IOCB_CMD_PREAD, fd, in, 16, -1);
    CHECK_ERROR(submit_one(c, &q), EINVAL);
    q = request(IOCB_CMD_PREAD, fd, in, 16, 0);
    q.aio_flags = IOCB_FLAG_RESFD;
    q.aio_resfd = (uint32_t)fd;
    CHECK_ERROR(submit_one(c, &q), EINVAL);
    q.aio_resfd = 999;
    CHECK_ERROR(submit_one(c, &q), EBADF);
    int only = open("/dev/null", O_WRONLY);
    q = request(IOCB_CMD_PREAD, only, in, 16, 0);
    CHECK_ERROR(submit_one(c, &q), EBADF);
    struct iocb good = request(IOCB_CMD_PREAD, fd, in, 16, 0);
    CHECK(submit(c, 2, (struct iocb *[]){ &good, &q }) == 1);
    struct io_event e[4];
    CHECK_ERROR(get(c, 2, 1, e, NULL), EINVAL);
    CHECK_ERROR(get(c, -1, 1, e, NULL), EINVAL);
    CHECK_ERROR(get(c, 1, 1, NULL, NULL), EFAULT);
    CHECK(get(c, 1, 1, e, NULL) == 1);
    CHECK(destroy(c) == 0);
}

static void
test_ring_when_events_then_read_in_user_space(void)
{
    aio_context_t c;
    char in[4];
    int fd = file_make();
    CHECK(setup(16, &c) == 0);
    volatile struct ring *r = (volatile struct ring *)c;
    CHECK(r->magic == 0xa10a10a1 && r->bytes == 32 && r->compat == 1);
    CHECK(r->incompat == 0 && r->head == 0 && r->tail == 0 && r->nr > 16);
    struct iocb q = request(IOCB_CMD_PREAD, fd, in, 4, 0);
    for (unsigned i = 0; i < 3 * r->nr; i++) {
        unsigned at = r->head;
        CHECK(submit_one(c, &q) == 1);
        CHECK(r->tail == (at + 1) % r->nr);
        CHECK(r->events[at].obj == (uintptr_t)&q && r->events[at].data == 0x1234);
        r->head = (at + 1) % r->nr;
    }
    struct io_event e;
    struct timespec none = { 0, 0 };
    CHECK(get(c, 0, 1, &e, &none) == 0);
    CHECK(destroy(c) == 0);
}

static void
test_ring_when_full_then_eagain(void)
{
    aio_context_t c;
    char in[4];
    long n = 0;
    struct io_event e[64];
    int fd = file_make();
    CHECK(setup(2, &c) == 0);
    struct iocb q = request(IOCB_CMD_PREAD, fd, in, 4, 0);
    while (n < 100000 && submit_one(c, &q) == 1)
        n++;
    CHECK(errno == EAGAIN && n >= 2 && n < 100000);
    long got = 0, some;
    struct timespec none = { 0, 0 };
    while ((some = get(c, 0, 64, e, &none)) > 0)
        got += some;
    CHECK(got == n && submit_one(c, &q) == 1);
    CHECK(destroy(c) == 0);
}

static void
test_poll_when_file_becomes_ready_then_event_and_counter(void)
{
    aio_context_t c;
    struct io_event e;
    uint64_t value;
    int p[2], counter = eventfd(0, 0);
    CHECK(pipe(p) == 0 && setup(4, &c) == 0);
    struct iocb q = request(IOCB_CMD_POLL, p[0], (void *)POLLIN, 0, 0);
    q.aio_flags = IOCB_FLAG_RESFD;
    q.aio_resfd = (uint32_t)counter;
    CHECK(submit_one(c, &q) == 1);
    struct timespec none = { 0, 0 };
    CHECK(get(c, 1, 1, &e, &none) == 0);
    CHECK(write(p[1], "x", 1) == 1);
    CHECK(read(counter, &value, sizeof value) == sizeof value && value == 1);
    CHECK(get(c, 1, 1, &e, NULL) == 1 && (e.res & POLLIN) != 0 && e.obj == (uintptr_t)&q);
    CHECK(submit_one(c, &q) == 1); /* ready at once */
    CHECK(get(c, 1, 1, &e, NULL) == 1 && (e.res & POLLIN) != 0);
    struct iocb w = request(IOCB_CMD_POLL, p[0], (void *)0x10000, 0, 0);
    CHECK_ERROR(submit_one(c, &w), EINVAL);
    CHECK(destroy(c) == 0);
}

static void
test_cancel_when_poll_waits_then_event(void)
{
    aio_context_t c;
    struct io_event e = { 0 };
    int p[2];
    CHECK(pipe(p) == 0 && setup(4, &c) == 0);
    struct iocb q = request(IOCB_CMD_POLL, p[0], (void *)POLLIN, 0, 0);
    CHECK_ERROR(syscall(SYS_io_cancel, c, &q, &e), EINVAL);
    CHECK(submit_one(c, &q) == 1);
    CHECK_ERROR(syscall(SYS_io_cancel, c, &q, &e), EINPROGRESS);
    CHECK(get(c, 1, 1, &e, NULL) == 1 && e.obj == (uintptr_t)&q);
    CHECK_ERROR(syscall(SYS_io_cancel, c, &q, &e), EINVAL);
    CHECK(submit_one(c, &q) == 1);
    CHECK(destroy(c) == 0); /* with a request under way */
    CHECK(write(p[1], "x", 1) == 1);
}

static void
nothing(int signal)
{
    (void)signal;
}

static void
test_pgetevents_when_mask_then_signal_ends_it(void)
{
    aio_context_t c;
    struct io_event e;
    uint64_t mask = 0;
    struct { const uint64_t *mask; size_t bytes; } set = { &mask, 8 };
    sigset_t usr;
    CHECK(setup(4, &c) == 0);
    struct sigaction a = { .sa_handler = nothing };
    sigemptyset(&usr);
    sigaddset(&usr, SIGUSR1);
    CHECK(sigaction(SIGUSR1, &a, NULL) == 0 && sigprocmask(SIG_BLOCK, &usr, NULL) == 0);
    CHECK(raise(SIGUSR1) == 0);
    CHECK_ERROR(syscall(SYS_io_pgetevents, c, 1, 1, &e, NULL, &set), EINTR);
    struct timespec none = { 0, 0 };
    CHECK(syscall(SYS_io_pgetevents, c, 1, 1, &e, &none, NULL) == 0);
    set.bytes = 4;
    CHECK_ERROR(syscall(SYS_io_pgetevents, c, 1, 1, &e, &none, &set), EINVAL);
    CHECK(destroy(c) == 0);
}

static void *
poll_and_write(void *arg)
{
    int *p = arg;
    for (int i = 0; i < 2000; i++)
        CHECK(write(p[1], "x", 1) == 1);
    return NULL;
}

static void
test_polls_when_racing_with_writers_then_none_is_lost(void)
{
    aio_context_t c;
    struct io_event e;
    int p[2];
    char byte;
    pthread_t t;
    CHECK(pipe(p) == 0 && setup(4, &c) == 0);
    struct iocb q = request(IOCB_CMD_POLL, p[0], (void *)POLLIN, 0, 0);
    CHECK(pthread_create(&t, NULL, poll_and_write, p) == 0);
    for (int i = 0; i < 2000; i++) {
        CHECK(submit_one(c, &q) == 1 && get(c, 1, 1, &e, NULL) == 1);
        CHECK((e.res & POLLIN) != 0 && read(p[0], &byte, 1) == 1);
    }
    CHECK(pthread_join(t, NULL) == 0 && destroy(c) == 0);
}

static void
test_process_when_it_ends_with_requests_then_no_harm(void)
{
    int p[2], status;
    CHECK(pipe(p) == 0);
    for (int i = 0; i < 20; i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            aio_context_t c;
            struct iocb q = request(IOCB_CMD_POLL, p[0], (void *)POLLIN, 0, 0);
            if (setup(64, &c) != 0 || submit_one(c, &q) != 1)
                _exit(1);
            if (i % 2 != 0)
                execl("/proc/self/exe", "test_aio", "nothing", NULL);
            _exit(0);
        }
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    }
    aio_context_t c;
    CHECK(write(p[1], "x", 1) == 1 && setup(8, &c) == 0);
    pid_t pid = fork(); /* a child has none of the contexts */
    if (pid == 0)
        _exit(destroy(c) == -1 && errno == EINVAL ? 0 : 1);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(destroy(c) == 0);
}

int
main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return 0;
    RUN(test_setup_when_wrong_then_error, io_setup, io_destroy);
    RUN(test_transfers_when_submitted_then_events, io_submit, io_getevents);
    RUN(test_submit_when_wrong_then_error, io_submit, io_getevents);
    RUN(test_ring_when_events_then_read_in_user_space, io_submit, io_setup);
    RUN(test_ring_when_full_then_eagain, io_submit);
    RUN(test_poll_when_file_becomes_ready_then_event_and_counter, io_submit);
    RUN(test_cancel_when_poll_waits_then_event, io_cancel, io_destroy);
    RUN(test_pgetevents_when_mask_then_signal_ends_it, io_pgetevents);
    RUN(test_polls_when_racing_with_writers_then_none_is_lost, io_submit, io_getevents);
    RUN(test_process_when_it_ends_with_requests_then_no_harm, io_setup, io_submit);
    return check_failures != 0;
}

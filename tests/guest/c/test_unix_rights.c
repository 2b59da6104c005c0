/* SPDX-License-Identifier: MIT */
/* What goes along with bytes over a local socket: descriptors and credentials (unix(7),
 * cmsg(3), sendmsg(2), recvmsg(2)). */
#define _GNU_SOURCE
#include "unix_help.h"

#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define MANY 253

/* The library's own looks into the control messages. */
#define sendmsg(fd, m, flags) syscall(SYS_sendmsg, fd, m, flags)

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * (MANY + 10)) + 200];
};

static long
send_fds(int to, const int *fd, int count, const char *text, int flags)
{
    static union control c;
    struct iovec v = { (void *)(uintptr_t)text, strlen(text) };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = c.bytes,
                        .msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count) };
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);

    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
    memcpy(CMSG_DATA(h), fd, sizeof(int) * (size_t)count);
    return sendmsg(to, &m, flags);
}

/* How many descriptors came, with room for ROOM; bytes in *n, flags in *told. */
static int
receive_fds(int from, int *fd, int room, long *n, int *told, int flags)
{
    static union control c;
    static char text[100];
    struct iovec v = { text, sizeof text };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = c.bytes,
                        .msg_controllen = room == 0 ? 0 : CMSG_LEN(sizeof(int) * (size_t)room) };
    int count = 0;

    *n = recvmsg(from, &m, flags);
    *told = m.msg_flags;
    for (struct cmsghdr *h = *n < 0 ? NULL : CMSG_FIRSTHDR(&m); h != NULL; h = CMSG_NXTHDR(&m, h)) {
        CHECK(h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS);
        count = (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fd, CMSG_DATA(h), sizeof(int) * (size_t)count);
    }
    return count;
}

static void
test_rights_when_sent_then_files_arrive(void)
{
    int p[2], q[2], got[4], told;
    long n;
    char byte;

    new_pair(SOCK_STREAM, p);
    CHECK(pipe(q) == 0);
    CHECK(write(p[0], "ab", 2) == 2 && send_fds(p[0], q, 2, "cd", 0) == 2 && write(p[0], "ef", 2) == 2);
    close(q[0]);
    CHECK(receive_fds(p[1], got, 4, &n, &told, MSG_PEEK) == 2 && n == 4);
    CHECK(close(got[0]) == 0 && close(got[1]) == 0);
    CHECK(receive_fds(p[1], got, 4, &n, &told, MSG_CMSG_CLOEXEC) == 2);
    CHECK(n == 4); /* up to the message that they came with */
    CHECK(told == MSG_CMSG_CLOEXEC && fcntl(got[0], F_GETFD) == FD_CLOEXEC);
    CHECK(write(q[1], "x", 1) == 1 && read(got[0], &byte, 1) == 1 && byte == 'x');
    CHECK(receive_fds(p[1], got + 2, 2, &n, &told, 0) == 0 && n == 2 && told == 0);
    close(got[0]);
    signal(SIGPIPE, SIG_IGN);
    CHECK_ERROR(write(q[1], "x", 1), EPIPE);
}

static void
test_rights_when_not_taken_then_closed(void)
{
    int p[2], q[2], got[2], told;
    long n;
    char byte;

    signal(SIGPIPE, SIG_IGN);
    new_pair(SOCK_DGRAM, p);
    CHECK(pipe(q) == 0 && send_fds(p[0], q, 1, "x", 0) == 1);
    close(q[0]);
    CHECK(read(p[1], &byte, 1) == 1); /* without asking */
    CHECK_ERROR(write(q[1], "x", 1), EPIPE);
    CHECK(pipe(q) == 0 && send_fds(p[0], q, 1, "x", 0) == 1);
    close(q[0]);
    CHECK(receive_fds(p[1], got, 0, &n, &told, 0) == 0 && n == 1 && told == MSG_CTRUNC);
    CHECK_ERROR(write(q[1], "x", 1), EPIPE);
    CHECK(pipe(q) == 0);
    int two[2] = { q[1], q[0] };
    CHECK(send_fds(p[0], two, 2, "x", 0) == 1);
    close(q[0]);
    CHECK(receive_fds(p[1], got, 1, &n, &told, 0) == 1 && told == MSG_CTRUNC);
    CHECK_ERROR(write(q[1], "x", 1), EPIPE);
    CHECK(pipe(q) == 0 && send_fds(p[0], q, 1, "x", 0) == 1);
    close(q[0]);
    close(p[1]); /* what nobody read goes */
    CHECK_ERROR(write(q[1], "x", 1), EPIPE);
}

static void
test_rights_when_descriptors_run_out_then_ctrunc(void)
{
    int p[2], fd[3] = { 0, 0, 0 }, got[3], told;
    long n;
    struct rlimit limit;

    new_pair(SOCK_STREAM, p);
    CHECK(send_fds(p[0], fd, 3, "x", 0) == 1);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = (rlim_t)p[1] + 2;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(receive_fds(p[1], got, 3, &n, &told, 0) == 1 && told == MSG_CTRUNC);
}

static void
test_rights_when_too_many_then_einval(void)
{
    int p[2], fd[MANY + 1], got[MANY], told;
    long n;

    for (int i = 0; i <= MANY; i++)
        fd[i] = 1;
    new_pair(SOCK_STREAM, p);
    CHECK_ERROR(send_fds(p[0], fd, MANY + 1, "x", 0), EINVAL);
    CHECK(send_fds(p[0], fd, MANY, "x", 0) == 1);
    CHECK(receive_fds(p[1], got, MANY, &n, &told, 0) == MANY);
    fd[5] = 999;
    CHECK_ERROR(send_fds(p[0], fd, 10, "x", 0), EBADF);
    CHECK_ERROR(recv(p[1], got, 1, MSG_DONTWAIT), EAGAIN);
}

/* Verify that control messages which are none are refused. */
static void
test_control_when_malformed_then_einval(void)
{
    int p[2];
    union control c;
    struct iovec v = { (char[]){ "x" }, 1 };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = c.bytes, .msg_controllen = 24 };

    new_pair(SOCK_STREAM, p);
    memset(&c, 0, sizeof c);
    CHECK_ERROR(sendmsg(p[0], &m, 0), EINVAL); /* a length of 0 */
    c.align.cmsg_len = 25;
    CHECK_ERROR(sendmsg(p[0], &m, 0), EINVAL);
    c.align.cmsg_len = (socklen_t)-1;
    CHECK_ERROR(sendmsg(p[0], &m, 0), EINVAL);
    c.align.cmsg_len = 20;
    c.align.cmsg_level = SOL_SOCKET;
    c.align.cmsg_type = 77;
    CHECK_ERROR(sendmsg(p[0], &m, 0), EINVAL);
    c.align.cmsg_type = 2; /* SCM_CREDENTIALS */
    CHECK_ERROR(sendmsg(p[0], &m, 0), EINVAL);
    c.align.cmsg_level = 1234; /* another level's: ignored */
    CHECK(sendmsg(p[0], &m, 0) == 1);
    m.msg_controllen = 15;
    CHECK(sendmsg(p[0], &m, 0) == 1);
    m.msg_control = (void *)8;
    m.msg_controllen = 24;
    CHECK_ERROR(sendmsg(p[0], &m, 0), EFAULT);
    m.msg_controllen = 0x80000000u;
    CHECK_ERROR(sendmsg(p[0], &m, 0), ENOBUFS);
}

static long
receive_credentials(int fd, struct ucred *out)
{
    union control c;
    char text[10];
    struct iovec v = { text, sizeof text };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = c.bytes, .msg_controllen = sizeof c };
    long n = recvmsg(fd, &m, 0);
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);

    out->pid = -1;
    if (n >= 0 && h != NULL) {
        CHECK(h->cmsg_type == 2 && h->cmsg_len == CMSG_LEN(sizeof *out));
        memcpy(out, CMSG_DATA(h), sizeof *out);
    }
    return n;
}

static long
send_credentials(int fd, pid_t pid, uid_t uid, gid_t gid)
{
    union control c;
    struct iovec v = { (char[]){ "y" }, 1 };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = c.bytes,
                        .msg_controllen = CMSG_SPACE(sizeof(struct ucred)) };
    struct ucred u = { pid, uid, gid };

    c.align = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof u), .cmsg_level = SOL_SOCKET, .cmsg_type = 2 };
    memcpy(CMSG_DATA(&c.align), &u, sizeof u);
    return sendmsg(fd, &m, 0);
}

static void
test_credentials_when_asked_for_then_true(void)
{
    int p[2];
    struct ucred c;

    new_pair(SOCK_STREAM, p);
    CHECK(write(p[0], "x", 1) == 1);
    CHECK(receive_credentials(p[1], &c) == 1 && c.pid == -1);
    CHECK(write(p[0], "x", 1) == 1);
    set_option(p[1], SO_PASSCRED, 1);
    CHECK(receive_credentials(p[1], &c) == 1 && c.pid == 0 && c.uid == 65534 && c.gid == 65534);
    CHECK(write(p[0], "x", 1) == 1);
    CHECK(receive_credentials(p[1], &c) == 1 && c.pid == getpid() && c.uid == 0 && c.gid == 0);
    CHECK(send_credentials(p[0], getpid(), 5, 6) == 1);
    CHECK(receive_credentials(p[1], &c) == 1 && c.pid == getpid() && c.uid == 5 && c.gid == 6);
    CHECK_ERROR(send_credentials(p[0], 99999, 0, 0), ESRCH);
    pid_t child = fork();
    if (child == 0) {
        CHECK(setgid(7) == 0 && setuid(1000) == 0);
        CHECK_ERROR(send_credentials(p[0], getpid(), 0, 7), EPERM);
        CHECK_ERROR(send_credentials(p[0], getpid(), 1000, 0), EPERM);
        CHECK_ERROR(send_credentials(p[0], getppid(), 1000, 7), EPERM);
        CHECK(send_credentials(p[0], getpid(), 1000, 7) == 1 && write(p[0], "x", 1) == 1);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK(write(p[0], "m", 1) == 1);
    char text[10];
    CHECK(receive_credentials(p[1], &c) == 2 && c.pid == child && c.uid == 1000 && c.gid == 7);
    CHECK(read(p[1], text, 10) == 1); /* another's */
    struct sockaddr_un a;
    socklen_t size = sizeof a;
    int s = new_socket(SOCK_STREAM), l = listening(SOCK_STREAM, "@auto", 1);
    set_option(s, SO_PASSCRED, 1);
    CHECK(connect_to(s, "@auto") == 0);
    CHECK(getsockname(s, (struct sockaddr *)&a, &size) == 0 && size == 8);
    close(l);
}

/* Verify that sockets which are on their way to each other only are let go of. */
static void
test_cycles_when_lost_then_collected(void)
{
    int p[2], q[2], told, got[2];
    long n;
    int before = sockets();

    for (int i = 0; i < 200; i++) {
        new_pair(SOCK_STREAM, p);
        new_pair(SOCK_DGRAM, q);
        CHECK(send_fds(p[0], p, 2, "x", 0) == 1);          /* itself */
        CHECK(send_fds(q[0], &p[1], 1, "x", 0) == 1 && send_fds(p[1], q, 2, "x", 0) == 1);
        close(p[0]);
        close(p[1]);
        close(q[0]);
        close(q[1]);
    }
    /* One that is still in use keeps what is in it. */
    new_pair(SOCK_STREAM, p);
    new_pair(SOCK_STREAM, q);
    CHECK(send_fds(q[0], q, 2, "in", 0) == 2 && send_fds(p[0], &q[1], 1, "out", 0) == 3);
    close(q[0]);
    close(q[1]);
    /* The search may be made by another, later. */
    for (int i = 0; i < 3000 && sockets() > before + 5; i++) {
        for (int k = 0; k < 300; k++)
            close(new_socket(SOCK_STREAM));
        usleep(1000);
    }
    CHECK(sockets() <= before + 5);
    CHECK(receive_fds(p[1], got, 1, &n, &told, 0) == 1 && n == 3);
    CHECK(receive_fds(got[0], got, 2, &n, &told, 0) == 2 && n == 2);
}

/* Verify that a long chain of sockets, each in the queue of the next, comes apart. */
static void
test_chain_when_its_end_is_closed_then_all_go(void)
{
    int last[2], next[2], before = sockets();

    new_pair(SOCK_DGRAM, last);
    for (int i = 0; i < 20000; i++) {
        new_pair(SOCK_DGRAM, next);
        CHECK(send_fds(next[0], last, 2, "x", 0) == 1);
        close(last[0]);
        close(last[1]);
        memcpy(last, next, sizeof last);
    }
    CHECK(sockets() >= before + 40000);
    close(last[0]);
    close(last[1]);
    for (int i = 0; i < 3000 && sockets() != before; i++)
        usleep(1000);
    CHECK(sockets() == before);
}

static void
test_rights_when_user_has_many_under_way_then_etoomanyrefs(void)
{
    int p[2], fd[10] = { 0 };
    struct rlimit limit = { 100, 100 };

    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0 && setgid(1001) == 0 && setuid(1001) == 0);
    new_pair(SOCK_DGRAM, p);
    set_option(p[0], SO_SNDBUF, 200000);
    CHECK(fcntl(p[0], F_SETFL, O_NONBLOCK) == 0);
    int sent = 0;
    while (send_fds(p[0], fd, 10, "x", 0) == 1)
        sent++;
    CHECK(errno == ETOOMANYREFS && sent >= 9 && sent <= 11);
    int got[10], told;
    long n;
    CHECK(receive_fds(p[1], got, 10, &n, &told, 0) == 10);
    for (int i = 0; i < 10; i++)
        close(got[i]);
    CHECK(receive_fds(p[1], got, 10, &n, &told, 0) == 10);
    CHECK(send_fds(p[0], fd, 10, "x", 0) == 1);
}

int
main(void)
{
    RUN(test_rights_when_sent_then_files_arrive, sendmsg, recvmsg);
    RUN(test_rights_when_not_taken_then_closed, recvmsg, close);
    RUN(test_rights_when_descriptors_run_out_then_ctrunc, recvmsg);
    RUN(test_rights_when_too_many_then_einval, sendmsg);
    RUN(test_control_when_malformed_then_einval, sendmsg);
    RUN(test_credentials_when_asked_for_then_true, sendmsg, recvmsg, setsockopt);
    RUN(test_cycles_when_lost_then_collected, close);
    RUN(test_chain_when_its_end_is_closed_then_all_go, close);
    RUN(test_rights_when_user_has_many_under_way_then_etoomanyrefs, sendmsg);
    return check_failures != 0;
}

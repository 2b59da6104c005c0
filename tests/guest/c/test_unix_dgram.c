/* SPDX-License-Identifier: MIT */
/* Local datagrams and sequenced packets (unix(7), recv(2), send(2), sendmmsg(2)). */
#define _GNU_SOURCE
#include "unix_help.h"

#include <sys/epoll.h>
#include <sys/ioctl.h>

static void
test_dgram_when_sent_then_boundaries_and_sender_are_kept(void)
{
    int a = new_socket(SOCK_DGRAM), b = new_socket(SOCK_DGRAM), n = -1;
    struct sockaddr_un from;
    socklen_t size = sizeof from;
    char buffer[100];

    CHECK(bind_to(b, "b") == 0 && bind_to(a, "@a") == 0);
    CHECK(send_to(a, "b", "first", 5, 0) == 5 && send_to(a, "b", "second!", 7, 0) == 7);
    CHECK(send_to(a, "b", "", 0, 0) == 0);
    CHECK(ioctl(b, FIONREAD, &n) == 0 && n == 5);
    CHECK(recv(b, buffer, 2, MSG_PEEK) == 2);
    CHECK(recv(b, buffer, 2, MSG_PEEK | MSG_TRUNC) == 5);
    CHECK(recvfrom(b, buffer, 100, 0, (struct sockaddr *)&from, &size) == 5 && size == 4);
    CHECK(from.sun_path[0] == 0 && from.sun_path[1] == 'a');
    struct iovec v = { buffer, 3 };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_flags = -1 };
    CHECK(recvmsg(b, &m, 0) == 3 && m.msg_flags == MSG_TRUNC && memcmp(buffer, "sec", 3) == 0);
    CHECK(recv(b, buffer, 100, 0) == 0);
    CHECK_ERROR(recv(b, buffer, 100, MSG_DONTWAIT), EAGAIN);
    CHECK_ERROR(recv(b, buffer, 100, MSG_OOB), EOPNOTSUPP);
    CHECK_ERROR(send_to(a, "b", "x", 1, MSG_OOB), EOPNOTSUPP);
    int u = new_socket(SOCK_DGRAM);
    CHECK(send_to(u, "b", "x", 1, 0) == 1);
    size = sizeof from;
    CHECK(recvfrom(b, buffer, 100, 0, (struct sockaddr *)&from, &size) == 1 && size == 0);
    CHECK_ERROR(write(u, "x", 1), ENOTCONN);
    CHECK_ERROR(listen(b, 1), EOPNOTSUPP);
    CHECK_ERROR(accept(b, NULL, NULL), EOPNOTSUPP);
    CHECK(events_of(u) == POLLOUT);
}

static void
test_dgram_when_connected_then_only_the_peer_may_send(void)
{
    int a = new_socket(SOCK_DGRAM), b = new_socket(SOCK_DGRAM), c = new_socket(SOCK_DGRAM);
    struct sockaddr none = { .sa_family = AF_UNSPEC };
    char byte;

    CHECK(bind_to(a, "@da") == 0 && bind_to(b, "@db") == 0 && bind_to(c, "@dc") == 0);
    CHECK(connect_to(a, "@db") == 0);
    CHECK_ERROR(connect_to(c, "@da"), EPERM);
    CHECK_ERROR(send_to(c, "@da", "x", 1, 0), EPERM);
    CHECK(write(a, "1", 1) == 1 && send_to(b, "@da", "2", 1, 0) == 1);
    CHECK(send_to(a, "@dc", "3", 1, 0) == 1);
    CHECK(read(b, &byte, 1) == 1 && byte == '1' && read(a, &byte, 1) == 1 && byte == '2');
    CHECK(read(c, &byte, 1) == 1 && byte == '3');
    CHECK(connect(a, &none, sizeof none) == 0);
    CHECK_ERROR(write(a, "1", 1), ENOTCONN);
    CHECK(send_to(c, "@da", "x", 1, 0) == 1 && read(a, &byte, 1) == 1);
    CHECK(connect_to(a, "@db") == 0);
    close(b);
    CHECK_ERROR(write(a, "1", 1), ECONNREFUSED);
    CHECK_ERROR(write(a, "1", 1), ENOTCONN);
    CHECK_ERROR(send_to(a, "@db", "1", 1, 0), ECONNREFUSED);
    int l = listening(SOCK_STREAM, "stream", 1);
    CHECK_ERROR(send_to(a, "stream", "1", 1, 0), EPROTOTYPE);
    close(l);
    CHECK_ERROR(send_to(a, "stream", "1", 1, 0), ECONNREFUSED);
}

/* Verify that a queue takes so many datagrams of strangers, and who waits goes on. */
static void
test_dgram_when_queue_is_full_then_waits(void)
{
    int a = new_socket(SOCK_DGRAM | SOCK_NONBLOCK), b = new_socket(SOCK_DGRAM), sent = 0, e;
    char buffer[100];
    struct epoll_event event = { .events = EPOLLOUT | EPOLLET };

    CHECK(bind_to(b, "@q") == 0 && connect_to(a, "@q") == 0);
    while (write(a, "x", 1) == 1)
        sent++;
    CHECK(errno == EAGAIN && sent >= 5 && sent < 2000);
    CHECK(events_of(a) == 0);
    e = epoll_create1(0);
    CHECK(epoll_ctl(e, EPOLL_CTL_ADD, a, &event) == 0 && epoll_wait(e, &event, 1, 0) == 0);
    set_timeout(a, SO_SNDTIMEO, 20000);
    CHECK(fcntl(a, F_SETFL, 0) == 0);
    CHECK_ERROR(write(a, "x", 1), EAGAIN);
    set_timeout(a, SO_SNDTIMEO, 0);
    CHECK(read(b, buffer, 100) == 1); /* one less: it was one too many */
    sent--;
    CHECK(epoll_wait(e, &event, 1, 10000) == 1 && event.events == EPOLLOUT);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 100; i++)
            CHECK(write(a, "y", 1) == 1);
        _exit(0);
    }
    for (int i = 0; i < sent + 100; i++)
        CHECK(read(b, buffer, 100) == 1 && buffer[0] == (i < sent ? 'x' : 'y'));
    CHECK_EXIT(child, 0);
    CHECK(events_of(a) == POLLOUT);
}

static void
test_dgram_when_too_large_then_emsgsize(void)
{
    int p[2];
    static char big[400000];

    new_pair(SOCK_DGRAM, p);
    CHECK_ERROR(send(p[0], big, sizeof big, 0), EMSGSIZE);
    memset(big, 'b', 100000);
    CHECK(send(p[0], big, 100000, 0) == 100000);
    CHECK(recv(p[1], big + 100000, 200000, 0) == 100000 && big[100000] == 'b' && big[199999] == 'b');
    CHECK(fcntl(p[0], F_SETFL, O_NONBLOCK) == 0);
    long n, sent = 0;
    while ((n = send(p[0], big, 1000, 0)) == 1000)
        sent += n;
    CHECK(n < 0 && errno == EAGAIN && sent >= 10000 && sent < 1000000);
    CHECK(events_of(p[0]) == 0 && events_of(p[1]) == (POLLIN | POLLOUT));
}

static void
test_dgram_when_shut_down_then_error(void)
{
    int p[2];
    char byte;

    new_pair(SOCK_DGRAM, p);
    CHECK(write(p[0], "x", 1) == 1 && shutdown(p[1], SHUT_RD) == 0);
    CHECK_ERROR(write(p[0], "x", 1), EPIPE); /* and no signal */
    CHECK(read(p[1], &byte, 1) == 1 && read(p[1], &byte, 1) == 0);
    CHECK_ERROR(recv(p[1], &byte, 1, MSG_DONTWAIT), EAGAIN);
    CHECK(shutdown(p[0], SHUT_WR) == 0);
    CHECK_ERROR(write(p[0], "x", 1), EPIPE);
    close(p[1]);
    new_pair(SOCK_DGRAM, p);
    close(p[1]);
    CHECK_ERROR(write(p[0], "x", 1), ECONNREFUSED);
}

static void
test_packets_when_sent_then_boundaries_are_kept(void)
{
    int l = listening(SOCK_SEQPACKET, "@seq", 2), c = new_socket(SOCK_SEQPACKET);
    char buffer[100];

    CHECK_ERROR(read(c, buffer, 1), ENOTCONN);
    CHECK_ERROR(write(c, "x", 1), ENOTCONN);
    CHECK(connect_to(c, "@seq") == 0);
    int e = accept(l, NULL, NULL);
    CHECK(e >= 0);
    CHECK(write(c, "one", 3) == 3 && write(c, "three", 5) == 5 && send(c, "", 0, 0) == 0);
    CHECK(send_to(c, "@nobody", "x", 1, 0) == 1);
    CHECK(recv(e, buffer, 2, 0) == 2);
    CHECK(recv(e, buffer, 2, MSG_TRUNC) == 5);
    CHECK(recv(e, buffer, 100, 0) == 0 && recv(e, buffer, 100, 0) == 1);
    CHECK(write(e, "last", 4) == 4 && write(c, "lost", 4) == 4);
    close(e);
    CHECK_ERROR(read(c, buffer, 100), ECONNRESET); /* before what is there, unlike a stream */
    CHECK(read(c, buffer, 100) == 4);
    CHECK(read(c, buffer, 100) == 0);
    CHECK_ERROR(write(c, "x", 1), EPIPE); /* no signal either */
}

static void
test_mmsg_when_several_then_counted(void)
{
    int p[2];
    char data[4][8] = { "zero", "one", "two", "three" }, got[4][8] = { { 0 } };
    struct iovec v[4], w[4];
    struct mmsghdr out[4] = { { { 0 }, 0 } }, in[4] = { { { 0 }, 0 } };

    new_pair(SOCK_DGRAM, p);
    for (int i = 0; i < 4; i++) {
        v[i] = (struct iovec){ data[i], strlen(data[i]) };
        w[i] = (struct iovec){ got[i], 8 };
        out[i].msg_hdr.msg_iov = &v[i];
        in[i].msg_hdr.msg_iov = &w[i];
        out[i].msg_hdr.msg_iovlen = in[i].msg_hdr.msg_iovlen = 1;
    }
    CHECK(sendmmsg(p[0], out, 3, 0) == 3 && out[1].msg_len == 3);
    CHECK(recvmmsg(p[1], in, 4, MSG_WAITFORONE, NULL) == 3);
    CHECK(in[2].msg_len == 3 && strcmp(got[2], "two") == 0);
    CHECK_ERROR(recvmmsg(p[1], in, 4, MSG_DONTWAIT, NULL), EAGAIN);
    CHECK(sendmmsg(p[0], out, 4, 0) == 4);
    CHECK(recvmmsg(p[1], in, 2, 0, NULL) == 2 && recvmmsg(p[1], in, 2, 0, NULL) == 2);
    struct timespec never = { 0, 1000000000 };
    CHECK_ERROR(recvmmsg(p[1], in, 2, 0, &never), EINVAL);
    out[0].msg_hdr.msg_iovlen = 2000;
    CHECK_ERROR(sendmsg(p[0], &out[0].msg_hdr, 0), EMSGSIZE);
}

static void
test_epoll_when_edges_come_then_told_once(void)
{
    int p[2], e = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET }, got;

    new_pair(SOCK_STREAM, p);
    CHECK(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &event) == 0 && epoll_wait(e, &got, 1, 0) == 0);
    CHECK(write(p[1], "a", 1) == 1);
    CHECK(epoll_wait(e, &got, 1, 1000) == 1 && got.events == EPOLLIN);
    CHECK(epoll_wait(e, &got, 1, 0) == 0);
    CHECK(write(p[1], "b", 1) == 1);
    CHECK(epoll_wait(e, &got, 1, 1000) == 1 && got.events == EPOLLIN);
    close(p[1]);
    CHECK(epoll_wait(e, &got, 1, 1000) == 1 && got.events == (EPOLLIN | EPOLLRDHUP | EPOLLHUP));
}

static void
test_peek_offset_when_set_then_moves(void)
{
    int p[2];
    char buffer[10];

    new_pair(SOCK_STREAM, p);
    CHECK(option_of(p[0], SO_PEEK_OFF) == -1);
    CHECK(write(p[1], "abc", 3) == 3 && write(p[1], "def", 3) == 3);
    set_option(p[0], SO_PEEK_OFF, 1);
    CHECK(recv(p[0], buffer, 1, MSG_PEEK) == 1 && buffer[0] == 'b');
    CHECK(recv(p[0], buffer, 1, MSG_PEEK) == 1 && buffer[0] == 'c');
    CHECK(option_of(p[0], SO_PEEK_OFF) == 3);
    CHECK(recv(p[0], buffer, 10, MSG_PEEK) == 3 && memcmp(buffer, "def", 3) == 0);
    CHECK(recv(p[0], buffer, 2, 0) == 2 && buffer[0] == 'a' && option_of(p[0], SO_PEEK_OFF) == 4);
}

int
main(void)
{
    RUN_IN_NEW(test_dgram_when_sent_then_boundaries_and_sender_are_kept, sendto, recvfrom, recvmsg);
    RUN_IN_NEW(test_dgram_when_connected_then_only_the_peer_may_send, connect, sendto);
    RUN_IN_NEW(test_dgram_when_queue_is_full_then_waits, write, poll, epoll_wait);
    RUN_IN_NEW(test_dgram_when_too_large_then_emsgsize, sendto, recvfrom);
    RUN_IN_NEW(test_dgram_when_shut_down_then_error, shutdown);
    RUN_IN_NEW(test_packets_when_sent_then_boundaries_are_kept, read, write, accept);
    RUN_IN_NEW(test_mmsg_when_several_then_counted, sendmmsg, recvmmsg);
    RUN_IN_NEW(test_epoll_when_edges_come_then_told_once, epoll_wait);
    RUN_IN_NEW(test_peek_offset_when_set_then_moves, recvfrom, setsockopt);
    return check_failures != 0;
}

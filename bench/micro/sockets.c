/* SPDX-License-Identifier: MIT */
/* Sockets: a byte there and back between two processes, and a connection's life. */
#define _GNU_SOURCE
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "groups.h"

static int mine, theirs;
static struct sockaddr_in address;

static void
echo(void)
{
    char byte;

    close(mine);
    while (read(theirs, &byte, 1) == 1)
        (void)!write(theirs, &byte, 1);
}

static int
start_echo(void)
{
    int result = peer_start(echo);

    close(theirs);
    return result;
}

static void
end_echo(void)
{
    close(mine);
    peer_end();
}

static long
op_round_trip(void)
{
    return write(mine, bench_page, 1) < 0 ? -1 : read(mine, bench_page, 1);
}

static int
start_pair(int kind)
{
    int pair[2];

    if (socketpair(AF_UNIX, kind, 0, pair) < 0)
        return -1;
    mine = pair[0];
    theirs = pair[1];
    return 0;
}

static int
start_unix(void)
{
    return start_pair(SOCK_STREAM) < 0 ? -1 : start_echo();
}

static int
start_unix_dgram(void)
{
    return start_pair(SOCK_DGRAM) < 0 ? -1 : start_echo();
}

static int
start_alone(void)
{
    return start_pair(SOCK_STREAM);
}

static void
end_alone(void)
{
    close(mine);
    close(theirs);
}

/* Through one process, so that no switch is counted. */
static long
op_through(void)
{
    return write(mine, bench_page, 1) < 0 ? -1 : read(theirs, bench_page, 1);
}

static long
op_socketpair(void)
{
    int pair[2], result = socketpair(AF_UNIX, SOCK_STREAM, 0, pair);

    close(pair[0]);
    close(pair[1]);
    return result;
}

/* A descriptor there, and the copy that comes out is closed. */
static long
op_rights(void)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
                              .cmsg_type = SCM_RIGHTS } };
    struct iovec piece = { bench_page, 1 };
    struct msghdr m = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control,
                        .msg_controllen = sizeof control };
    int *fd = (int *)(void *)CMSG_DATA(&control.header);

    *fd = 1;
    if (sendmsg(mine, &m, 0) < 0)
        return -1;
    m.msg_controllen = sizeof control;
    if (recvmsg(theirs, &m, 0) < 0)
        return -1;
    return close(*fd);
}

static struct sockaddr_un place = { .sun_family = AF_UNIX, .sun_path = "\0bench" };
static int unix_listener;

static int
listen_unix(void)
{
    unix_listener = socket(AF_UNIX, SOCK_STREAM, 0);
    return unix_listener < 0 ||
                   bind(unix_listener, (struct sockaddr *)&place, sizeof place) < 0
               ? -1
               : listen(unix_listener, 16);
}

static void
end_listen_unix(void)
{
    close(unix_listener);
}

static long
op_connect_unix(void)
{
    int to = socket(AF_UNIX, SOCK_STREAM, 0), from;

    if (to < 0 || connect(to, (struct sockaddr *)&place, sizeof place) < 0)
        return -1;
    from = accept(unix_listener, NULL, NULL);
    close(from);
    close(to);
    return from;
}

/* A bare machine starts with the loopback device down; where it is up, nothing changes.
 */
static void
raise_loopback(int fd)
{
    struct ifreq request = { .ifr_name = "lo" };

    if (ioctl(fd, SIOCGIFFLAGS, &request) == 0 && !(request.ifr_flags & IFF_UP)) {
        request.ifr_flags |= IFF_UP;
        (void)ioctl(fd, SIOCSIFFLAGS, &request);
    }
}

/* A socket of this kind bound to some port of the loopback address. */
static int
bound(int kind, struct sockaddr_in *where)
{
    socklen_t size = sizeof *where;
    int fd = socket(AF_INET, kind, 0);

    *where = (struct sockaddr_in){ .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (fd < 0)
        return -1;
    raise_loopback(fd);
    if (bind(fd, (struct sockaddr *)where, size) < 0 ||
        getsockname(fd, (struct sockaddr *)where, &size) < 0)
        return -1;
    return fd;
}

static int
start_udp(void)
{
    struct sockaddr_in here;

    mine = bound(SOCK_DGRAM, &here);
    theirs = bound(SOCK_DGRAM, &address);
    if (mine < 0 || theirs < 0 ||
        connect(mine, (struct sockaddr *)&address, sizeof address) < 0 ||
        connect(theirs, (struct sockaddr *)&here, sizeof here) < 0)
        return -1;
    return start_echo();
}

/* An empty datagram reads as 0, which ends the other side. */
static void
end_udp(void)
{
    (void)!send(mine, bench_page, 0, 0);
    end_echo();
}

static int listener;

static int
listen_tcp(void)
{
    listener = bound(SOCK_STREAM, &address);
    return listener < 0 ? -1 : listen(listener, 16);
}

static void
end_listen(void)
{
    close(listener);
}

static int
start_tcp(void)
{
    int one = 1;

    if (listen_tcp() < 0)
        return -1;
    mine = socket(AF_INET, SOCK_STREAM, 0);
    if (mine < 0 || connect(mine, (struct sockaddr *)&address, sizeof address) < 0)
        return -1;
    theirs = accept(listener, NULL, NULL);
    end_listen();
    if (theirs < 0 || setsockopt(mine, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
        setsockopt(theirs, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0)
        return -1;
    return start_echo();
}

static long
op_connect(void)
{
    int to = socket(AF_INET, SOCK_STREAM, 0), from;

    if (to < 0 || connect(to, (struct sockaddr *)&address, sizeof address) < 0)
        return -1;
    from = accept(listener, NULL, NULL);
    close(from);
    close(to);
    return from;
}

#define TRIPS .operation = op_round_trip, .batch = 20

static const struct row rows[] = {
    { .name = "unix_round_trip", TRIPS, .set_up = start_unix, .tear_down = end_echo },
    { .name = "unix_dgram_round_trip", TRIPS, .set_up = start_unix_dgram,
      .tear_down = end_udp },
    { .name = "unix_write_read", .operation = op_through, .batch = 20, .set_up = start_alone,
      .tear_down = end_alone },
    { .name = "unix_rights", .operation = op_rights, .batch = 10, .set_up = start_alone,
      .tear_down = end_alone },
    { .name = "unix_socketpair_close", .operation = op_socketpair, .batch = 10 },
    { .name = "unix_connect_accept_close",
      .operation = op_connect_unix,
      .batch = 4,
      .set_up = listen_unix,
      .tear_down = end_listen_unix },
    { .name = "udp_round_trip", TRIPS, .set_up = start_udp, .tear_down = end_udp },
    { .name = "tcp_round_trip", TRIPS, .set_up = start_tcp, .tear_down = end_echo },
    { .name = "tcp_connect_accept_close",
      .operation = op_connect,
      .batch = 4,
      .set_up = listen_tcp,
      .tear_down = end_listen },
};

const struct group group_sockets = { "sockets", rows, COUNT_OF(rows) };

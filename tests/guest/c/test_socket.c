/* SPDX-License-Identifier: MIT */
/*
 * Socket calls on what is no socket, and for families that do not exist.
 */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <sys/socket.h>

#define NO_FAMILY 45    /* Below Linux's limit, and nobody's. */

/* Verify that a family nobody has is refused, and that flags are looked at before. */
static void
test_socket_when_family_is_missing_then_eafnosupport(void)
{
    int pair[2];

    CHECK_ERROR(socket(NO_FAMILY, SOCK_STREAM, 0), EAFNOSUPPORT);
    CHECK_ERROR(socket(1000, SOCK_STREAM, 0), EAFNOSUPPORT);
    CHECK_ERROR(socket(-1, SOCK_STREAM | SOCK_CLOEXEC, 0), EAFNOSUPPORT);
    CHECK_ERROR(socket(NO_FAMILY, SOCK_STREAM | 0x100, 0), EINVAL);
    CHECK_ERROR(socketpair(NO_FAMILY, SOCK_DGRAM, 0, pair), EAFNOSUPPORT);
    CHECK_ERROR(socketpair(NO_FAMILY, SOCK_DGRAM | 0x100, 0, pair), EINVAL);
}

/* Each call on descriptor FD must fail with ERROR. */
static void
all_fail(int fd, int error)
{
    struct sockaddr address = { .sa_family = AF_UNIX };
    socklen_t size = sizeof address;
    char byte = 0;
    struct iovec piece = { &byte, 1 };
    struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
    int value = 0;

    CHECK_ERROR(connect(fd, &address, size), error);
    CHECK_ERROR(bind(fd, &address, size), error);
    CHECK_ERROR(listen(fd, 1), error);
    CHECK_ERROR(accept(fd, NULL, NULL), error);
    CHECK_ERROR(accept4(fd, NULL, NULL, SOCK_CLOEXEC), error);
    CHECK_ERROR(shutdown(fd, SHUT_RD), error);
    CHECK_ERROR(getsockname(fd, &address, &size), error);
    CHECK_ERROR(getpeername(fd, &address, &size), error);
    CHECK_ERROR(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size), error);
    CHECK_ERROR(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, sizeof value), error);
    CHECK_ERROR(sendto(fd, &byte, 1, 0, NULL, 0), error);
    CHECK_ERROR(recvfrom(fd, &byte, 1, 0, NULL, NULL), error);
    CHECK_ERROR(sendmsg(fd, &message, 0), error);
    CHECK_ERROR(recvmsg(fd, &message, 0), error);
}

/* Verify that files and pipes are no sockets. */
static void
test_descriptor_when_it_is_no_socket_then_enotsock(void)
{
    int pipes[2], file = open("/dev/null", O_RDWR);

    CHECK(file >= 0 && pipe(pipes) == 0);
    all_fail(file, ENOTSOCK);
    all_fail(pipes[0], ENOTSOCK);
    CHECK_ERROR(accept4(file, NULL, NULL, 1), ENOTSOCK);
}

/* Verify closed descriptors, and those that only name a place. */
static void
test_descriptor_when_closed_then_ebadf(void)
{
    int place = open("/", O_PATH);

    CHECK(place >= 0);
    all_fail(-1, EBADF);
    all_fail(500, EBADF);
    all_fail(place, EBADF);
}

int
main(void)
{
    RUN(test_socket_when_family_is_missing_then_eafnosupport, socket, socketpair);
    RUN(test_descriptor_when_it_is_no_socket_then_enotsock, connect, bind, listen, accept,
        accept4, shutdown, getsockname, getpeername, getsockopt, setsockopt, sendto,
        recvfrom, sendmsg, recvmsg);
    RUN(test_descriptor_when_closed_then_ebadf, connect, bind, listen, accept, accept4,
        shutdown, getsockname, getpeername, getsockopt, setsockopt, sendto, recvfrom,
        sendmsg, recvmsg);
    return check_failures != 0;
}

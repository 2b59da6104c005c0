/* SPDX-License-Identifier: MIT */
/* What the tests of local sockets share. */
#ifndef UNIX_HELP_H
#define UNIX_HELP_H

#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

/* An address, its length in *size; a name that begins with @ is abstract. */
static inline struct sockaddr_un
name_of(const char *name, socklen_t *size)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    size_t length = strlen(name);

    memcpy(a.sun_path, name, length);
    if (name[0] == '@')
        a.sun_path[0] = 0;
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (name[0] != '@'));
    return a;
}

static inline int
bind_to(int fd, const char *name)
{
    socklen_t size;
    struct sockaddr_un a = name_of(name, &size);

    return bind(fd, (struct sockaddr *)&a, size);
}

static inline int
connect_to(int fd, const char *name)
{
    socklen_t size;
    struct sockaddr_un a = name_of(name, &size);

    return connect(fd, (struct sockaddr *)&a, size);
}

static inline long
send_to(int fd, const char *name, const void *data, size_t bytes, int flags)
{
    socklen_t size;
    struct sockaddr_un a = name_of(name, &size);

    return sendto(fd, data, bytes, flags, (struct sockaddr *)&a, size);
}

static inline int
new_socket(int type)
{
    int fd = socket(AF_UNIX, type, 0);

    CHECK(fd >= 0);
    return fd;
}

static inline int
listening(int type, const char *name, int backlog)
{
    int fd = new_socket(type);

    CHECK(bind_to(fd, name) == 0 && listen(fd, backlog) == 0);
    return fd;
}

static inline void
new_pair(int type, int pair[2])
{
    CHECK(socketpair(AF_UNIX, type, 0, pair) == 0);
}

static inline int
events_of(int fd)
{
    struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0 };

    CHECK(poll(&p, 1, 0) >= 0);
    return p.revents;
}

static inline int
option_of(int fd, int name)
{
    int value = -1;
    socklen_t size = sizeof value;

    CHECK(getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 && size == sizeof value);
    return value;
}

static inline void
set_option(int fd, int name, int value)
{
    CHECK(setsockopt(fd, SOL_SOCKET, name, &value, sizeof value) == 0);
}

static inline void
set_timeout(int fd, int name, long us)
{
    struct timeval t = { us / 1000000, us % 1000000 };

    CHECK(setsockopt(fd, SOL_SOCKET, name, &t, sizeof t) == 0);
}

/* How many local sockets there are. */
static inline int
sockets(void)
{
    FILE *f = fopen("/proc/net/unix", "r");
    int lines = -1, c;

    CHECK(f != NULL);
    while ((c = getc(f)) != EOF)
        lines += c == '\n';
    fclose(f);
    return lines;
}

#endif

/* SPDX-License-Identifier: MIT */
/* Local stream sockets: names, connections, bytes (unix(7), socket(2), bind(2), connect(2),
 * accept(2), recv(2), send(2)). */
#define _GNU_SOURCE
#include "unix_help.h"

#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static void
test_socket_when_arguments_are_wrong_then_error(void)
{
    int pair[2];

    CHECK_ERROR(socket(AF_UNIX, 0, 0), ESOCKTNOSUPPORT);
    CHECK_ERROR(socket(AF_UNIX, SOCK_RDM, 0), ESOCKTNOSUPPORT);
    CHECK_ERROR(socket(AF_UNIX, 11, 0), EINVAL);
    CHECK_ERROR(socket(AF_UNIX, SOCK_STREAM, 6), EPROTONOSUPPORT);
    CHECK_ERROR(socketpair(AF_UNIX, SOCK_STREAM, 7, pair), EPROTONOSUPPORT);
    int *volatile nowhere = (int *)8;
    CHECK_ERROR(socketpair(AF_UNIX, SOCK_STREAM, 0, nowhere), EFAULT);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, AF_UNIX);
    CHECK(fd >= 0);
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    CHECK((fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ACCMODE)) == (O_NONBLOCK | O_RDWR));
    CHECK(option_of(fd, SO_TYPE) == SOCK_STREAM && option_of(fd, SO_DOMAIN) == AF_UNIX);
    CHECK(option_of(fd, SO_PROTOCOL) == 0 && option_of(fd, SO_ACCEPTCONN) == 0);
    struct stat s;
    CHECK(fstat(fd, &s) == 0 && S_ISSOCK(s.st_mode) && s.st_ino != 0);
    char link[64], path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    long n = readlink(path, link, sizeof link - 1);
    CHECK(n > 0);
    link[n] = 0;
    char want[64];
    snprintf(want, sizeof want, "socket:[%lu]", (unsigned long)s.st_ino);
    CHECK(strcmp(link, want) == 0);
    CHECK_ERROR(open(path, O_RDWR), ENXIO);
    CHECK_ERROR(lseek(fd, 0, SEEK_SET), ESPIPE);
}

static void
test_pair_when_written_then_read(void)
{
    int p[2];
    char buffer[100];

    new_pair(SOCK_STREAM, p);
    CHECK(write(p[0], "hello", 5) == 5 && write(p[0], "world", 5) == 5);
    int n = -1;
    CHECK(ioctl(p[1], FIONREAD, &n) == 0 && n == 10);
    CHECK(ioctl(p[0], TIOCOUTQ, &n) == 0 && n > 0);
    CHECK(recv(p[1], buffer, 3, MSG_PEEK) == 3 && memcmp(buffer, "hel", 3) == 0);
    CHECK(read(p[1], buffer, 7) == 7 && memcmp(buffer, "hellowo", 7) == 0);
    CHECK(read(p[1], buffer, sizeof buffer) == 3 && memcmp(buffer, "rld", 3) == 0);
    CHECK_ERROR(recv(p[1], buffer, 1, MSG_DONTWAIT), EAGAIN);
    struct iovec v[2] = { { "ab", 2 }, { "cde", 3 } }, w[2] = { { buffer, 1 }, { buffer + 50, 9 } };
    CHECK(writev(p[1], v, 2) == 5);
    CHECK(readv(p[0], w, 2) == 5 && buffer[0] == 'a' && memcmp(buffer + 50, "bcde", 4) == 0);
    CHECK(write(p[0], "", 0) == 0 && send(p[0], NULL, 0, 0) == 0);
    CHECK(read(p[1], buffer, 0) == 0);
    CHECK_ERROR(write(p[0], (void *)8, 10), EFAULT);
    CHECK(write(p[0], "x", 1) == 1);
    CHECK_ERROR(read(p[1], (void *)8, 10), EFAULT);
    CHECK(read(p[1], buffer, 10) == 1 && buffer[0] == 'x');
    CHECK_ERROR(pread(p[1], buffer, 1, 0), ESPIPE);
}

static void
test_names_when_asked_then_told(void)
{
    struct sockaddr_un a;
    socklen_t size = sizeof a;
    int l = listening(SOCK_STREAM, "name", 5), c = new_socket(SOCK_STREAM);
    struct stat s;

    CHECK(stat("name", &s) == 0 && S_ISSOCK(s.st_mode));
    CHECK_ERROR(open("name", O_RDWR), ENXIO);
    CHECK(getsockname(l, (struct sockaddr *)&a, &size) == 0 && size == 2 + 5);
    CHECK(a.sun_family == AF_UNIX && strcmp(a.sun_path, "name") == 0);
    size = sizeof a;
    CHECK(getsockname(c, (struct sockaddr *)&a, &size) == 0 && size == 2);
    size = sizeof a;
    CHECK_ERROR(getpeername(c, (struct sockaddr *)&a, &size), ENOTCONN);
    CHECK(connect_to(c, "name") == 0);
    size = sizeof a;
    CHECK(getpeername(c, (struct sockaddr *)&a, &size) == 0 && size == 7);
    size = 3;
    CHECK(getpeername(c, (struct sockaddr *)&a, &size) == 0 && size == 7);
    size = sizeof a;
    int e = accept(l, (struct sockaddr *)&a, &size);
    CHECK(e >= 0 && size == 2 && a.sun_family == AF_UNIX);
    size = sizeof a;
    CHECK(getsockname(e, (struct sockaddr *)&a, &size) == 0 && size == 7);
    size = (socklen_t)-1;
    CHECK_ERROR(getsockname(e, (struct sockaddr *)&a, &size), EINVAL);
    CHECK_ERROR(getsockname(e, (struct sockaddr *)&a, (socklen_t *)8), EFAULT);
    CHECK(write(c, "q", 1) == 1 && read(e, &a, 1) == 1);
    CHECK_ERROR(connect_to(c, "name"), EISCONN);
    CHECK_ERROR(connect_to(l, "name"), EINVAL);
    CHECK(option_of(l, SO_ACCEPTCONN) == 1 && option_of(e, SO_ACCEPTCONN) == 0);
}

static void
test_bind_when_name_cannot_be_had_then_error(void)
{
    int a = new_socket(SOCK_STREAM), b = new_socket(SOCK_STREAM);
    struct sockaddr_un n = { .sun_family = AF_INET };
    char longest[108];

    CHECK_ERROR(bind(a, (struct sockaddr *)&n, sizeof n), EINVAL);
    n.sun_family = AF_UNIX;
    CHECK_ERROR(bind(a, (struct sockaddr *)&n, 1), EINVAL);
    CHECK_ERROR(bind(a, (struct sockaddr *)&n, sizeof n + 1), EINVAL);
    CHECK_ERROR(bind(a, (struct sockaddr *)8, 20), EFAULT);
    CHECK_ERROR(bind_to(a, "no/such"), ENOENT);
    CHECK_ERROR(listen(a, 1), EINVAL);
    CHECK(bind_to(a, "taken") == 0);
    CHECK_ERROR(bind_to(a, "other"), EINVAL);
    CHECK(access("other", F_OK) != 0);
    CHECK_ERROR(bind_to(b, "taken"), EADDRINUSE);
    CHECK_ERROR(connect_to(b, "taken"), ECONNREFUSED);
    CHECK_ERROR(connect_to(b, "missing"), ENOENT);
    CHECK_ERROR(connect_to(b, "."), ECONNREFUSED);
    CHECK(bind_to(b, "@x") == 0);
    CHECK_ERROR(bind_to(new_socket(SOCK_STREAM), "@x"), EADDRINUSE);
    CHECK(bind_to(new_socket(SOCK_DGRAM), "@x") == 0);
    CHECK_ERROR(connect_to(new_socket(SOCK_STREAM), "@y"), ECONNREFUSED);
    close(b);
    CHECK(bind_to(new_socket(SOCK_STREAM), "@x") == 0);
    memset(longest, 'n', sizeof longest); /* no NUL */
    memcpy(n.sun_path, longest, sizeof longest);
    int c = new_socket(SOCK_STREAM);
    CHECK(bind(c, (struct sockaddr *)&n, sizeof n) == 0);
    struct { struct sockaddr_un a; char more[8]; } got;
    socklen_t size = sizeof got;
    CHECK(getsockname(c, (struct sockaddr *)&got, &size) == 0 && size == 2 + 109);
    int d = new_socket(SOCK_DGRAM);
    CHECK_ERROR(connect_to(d, "taken"), EPROTOTYPE);
    close(a);
    CHECK_ERROR(connect_to(new_socket(SOCK_STREAM), "taken"), ECONNREFUSED);
    CHECK(unlink("taken") == 0);
}

static void
test_bind_when_unnamed_then_abstract_name_is_given(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    socklen_t size = sizeof a;
    int fd = new_socket(SOCK_STREAM);

    CHECK(bind(fd, (struct sockaddr *)&a, sizeof a.sun_family) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&a, &size) == 0 && size == 8);
    CHECK(a.sun_path[0] == 0);
    for (int i = 1; i < 6; i++)
        CHECK(strchr("0123456789abcdef", a.sun_path[i]) != NULL);
    CHECK(bind(fd, (struct sockaddr *)&a, sizeof a.sun_family) == 0); /* it has one */
}

static void
test_connect_when_rights_are_missing_then_eacces(void)
{
    int l = listening(SOCK_STREAM, "private", 5);

    CHECK(chmod("private", 0600) == 0 && chmod(".", 0777) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(setuid(1000) == 0);
        CHECK_ERROR(connect_to(new_socket(SOCK_STREAM), "private"), EACCES);
        CHECK(bind_to(new_socket(SOCK_STREAM), "mine") == 0);
        struct stat s;
        CHECK(stat("mine", &s) == 0 && s.st_uid == 1000);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    umask(027);
    CHECK(bind_to(new_socket(SOCK_STREAM), "masked") == 0);
    struct stat s;
    CHECK(stat("masked", &s) == 0 && (s.st_mode & 07777) == 0750);
    close(l);
}

static void
test_backlog_when_full_then_eagain(void)
{
    int l = listening(SOCK_STREAM, "@full", 1), c[3];

    for (int i = 0; i < 3; i++) {
        c[i] = new_socket(SOCK_STREAM | SOCK_NONBLOCK);
        if (i < 2)
            CHECK(connect_to(c[i], "@full") == 0);
    }
    CHECK_ERROR(connect_to(c[2], "@full"), EAGAIN);
    CHECK(fcntl(c[2], F_SETFL, 0) == 0);
    set_timeout(c[2], SO_SNDTIMEO, 20000);
    CHECK_ERROR(connect_to(c[2], "@full"), EAGAIN);
    CHECK(events_of(l) == POLLIN);
    set_timeout(c[2], SO_SNDTIMEO, 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(connect_to(c[2], "@full") == 0);
        char byte;
        CHECK(read(c[2], &byte, 1) == 1 && byte == 'z');
        _exit(0);
    }
    usleep(20000);
    CHECK(accept(l, NULL, NULL) >= 0 && accept(l, NULL, NULL) >= 0);
    int e = accept(l, NULL, NULL);
    CHECK(e >= 0 && write(e, "z", 1) == 1);
    CHECK_EXIT(child, 0);
    CHECK(fcntl(l, F_SETFL, O_NONBLOCK) == 0);
    CHECK_ERROR(accept(l, NULL, NULL), EAGAIN);
    CHECK_ERROR(syscall(SYS_accept4, l, NULL, NULL, 1), EINVAL); /* musl's falls back */
    CHECK_ERROR(accept(e, NULL, NULL), EINVAL);
    CHECK(connect_to(c[0] = new_socket(SOCK_STREAM), "@full") == 0);
    int f = accept4(l, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    CHECK(f >= 0 && fcntl(f, F_GETFD) == FD_CLOEXEC && (fcntl(f, F_GETFL) & O_NONBLOCK));
}

static void
test_accept_when_time_is_up_then_eagain(void)
{
    int l = listening(SOCK_STREAM, "@late", 1);

    set_timeout(l, SO_RCVTIMEO, 10000);
    CHECK_ERROR(accept(l, NULL, NULL), EAGAIN);
    CHECK(shutdown(l, SHUT_RD) == 0);
    CHECK_ERROR(accept(l, NULL, NULL), EINVAL);
    CHECK_ERROR(connect_to(new_socket(SOCK_STREAM), "@late"), ECONNREFUSED);
}

static void
test_close_when_data_is_unread_then_econnreset(void)
{
    int p[2];
    char byte;

    new_pair(SOCK_STREAM, p);
    CHECK(write(p[1], "left", 4) == 4 && write(p[0], "unread", 6) == 6);
    close(p[1]);
    CHECK(events_of(p[0]) == (POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR));
    CHECK(read(p[0], &byte, 1) == 1 && byte == 'l');
    CHECK(read(p[0], &byte, 1) == 1 && read(p[0], &byte, 1) == 1 && read(p[0], &byte, 1) == 1);
    CHECK_ERROR(read(p[0], &byte, 1), ECONNRESET);
    CHECK(read(p[0], &byte, 1) == 0 && option_of(p[0], SO_ERROR) == 0);
}

static volatile int piped;

static void
on_pipe(int number)
{
    (void)number;
    piped++;
}

static void
test_write_when_peer_is_gone_then_sigpipe(void)
{
    int p[2];
    char byte;

    signal(SIGPIPE, on_pipe);
    new_pair(SOCK_STREAM, p);
    close(p[1]);
    CHECK_ERROR(write(p[0], "x", 1), EPIPE);
    CHECK(piped == 1);
    CHECK_ERROR(send(p[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK(piped == 1);
    CHECK_ERROR(send(p[0], "x", 1, 0), EPIPE);
    CHECK(piped == 2);
    CHECK(read(p[0], &byte, 1) == 0);
    CHECK(events_of(p[0]) == (POLLIN | POLLOUT | POLLRDHUP | POLLHUP));
}

static void
test_shutdown_when_half_then_other_half_lives(void)
{
    int p[2];
    char byte;

    new_pair(SOCK_STREAM, p);
    CHECK(events_of(p[0]) == POLLOUT);
    CHECK_ERROR(shutdown(p[0], 3), EINVAL);
    CHECK(write(p[0], "a", 1) == 1 && shutdown(p[0], SHUT_WR) == 0);
    CHECK_ERROR(send(p[0], "b", 1, MSG_NOSIGNAL), EPIPE);
    CHECK(events_of(p[1]) == (POLLIN | POLLOUT | POLLRDHUP));
    CHECK(read(p[1], &byte, 1) == 1 && read(p[1], &byte, 1) == 0);
    CHECK(write(p[1], "c", 1) == 1 && read(p[0], &byte, 1) == 1 && byte == 'c');
    CHECK(shutdown(p[0], SHUT_RD) == 0);
    CHECK_ERROR(send(p[1], "b", 1, MSG_NOSIGNAL), EPIPE);
    CHECK(read(p[0], &byte, 1) == 0);
    CHECK(events_of(p[0]) == (POLLIN | POLLOUT | POLLRDHUP | POLLHUP));
    int u = new_socket(SOCK_STREAM);
    CHECK(events_of(u) == (POLLOUT | POLLHUP));
    CHECK(shutdown(u, SHUT_RDWR) == 0);
}

static void
test_unconnected_when_used_then_error(void)
{
    int fd = new_socket(SOCK_STREAM);
    char byte;

    CHECK_ERROR(read(fd, &byte, 1), EINVAL);
    CHECK_ERROR(send(fd, "x", 1, 0), ENOTCONN);
    CHECK_ERROR(send_to(fd, "@n", "x", 1, 0), EOPNOTSUPP);
    CHECK_ERROR(accept(fd, NULL, NULL), EINVAL);
    int p[2];
    new_pair(SOCK_STREAM, p);
    CHECK_ERROR(send_to(p[0], "@n", "x", 1, 0), EISCONN);
}

/* Verify what fits, and that a writer waits for the reader. */
static void
test_write_when_full_then_waits(void)
{
    int p[2];
    static char big[65536];
    long sent = 0, n;

    new_pair(SOCK_STREAM, p);
    set_option(p[0], SO_SNDBUF, 16384);
    CHECK(option_of(p[0], SO_SNDBUF) == 32768);
    CHECK(fcntl(p[0], F_SETFL, O_NONBLOCK) == 0);
    while ((n = write(p[0], big, sizeof big)) > 0)
        sent += n;
    CHECK(n < 0 && errno == EAGAIN && sent >= 16384 && sent < 200000);
    CHECK((events_of(p[0]) & POLLOUT) == 0);
    CHECK(fcntl(p[0], F_SETFL, 0) == 0);
    set_timeout(p[0], SO_SNDTIMEO, 10000);
    CHECK_ERROR(write(p[0], big, 1), EAGAIN);
    set_timeout(p[0], SO_SNDTIMEO, 0);
    pid_t child = fork();
    if (child == 0) {
        close(p[1]);
        for (size_t i = 0; i < sizeof big; i++)
            big[i] = (char)(i * 7);
        for (int i = 0; i < 20; i++)
            CHECK(write(p[0], big, sizeof big) == (long)sizeof big);
        _exit(0);
    }
    close(p[0]);
    static char buffer[10007];
    long got = 0;
    while ((n = read(p[1], buffer, sizeof buffer)) > 0) {
        for (long i = 0; i < n; i++, got++)
            CHECK(got < sent || buffer[i] == (char)((got - sent) % 65536 * 7));
    }
    CHECK(n == 0 && got == sent + 20 * 65536);
    CHECK_EXIT(child, 0);
}

static void
test_receive_when_told_to_wait_then_waits_for_all(void)
{
    int p[2];
    char buffer[100];

    new_pair(SOCK_STREAM, p);
    pid_t child = fork();
    if (child == 0) {
        close(p[1]);
        for (int i = 0; i < 10; i++) {
            CHECK(write(p[0], "0123456789", 10) == 10);
            usleep(2000);
        }
        CHECK(write(p[0], "last", 4) == 4);
        _exit(0);
    }
    close(p[0]);
    CHECK(recv(p[1], buffer, 100, MSG_WAITALL) == 100);
    CHECK(recv(p[1], buffer, 100, MSG_WAITALL) == 4);
    CHECK_EXIT(child, 0);
    new_pair(SOCK_STREAM, p);
    set_timeout(p[0], SO_RCVTIMEO, 20000);
    CHECK_ERROR(read(p[0], buffer, 1), EAGAIN);
    CHECK(write(p[1], "ab", 2) == 2);
    CHECK(recv(p[0], buffer, 10, MSG_WAITALL) == 2);
    struct timeval t;
    socklen_t size = sizeof t;
    CHECK(getsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &t, &size) == 0 && t.tv_usec == 20000 && size == sizeof t);
    t = (struct timeval){ 0, 1000000 };
    CHECK_ERROR(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t), EDOM);
}

static void
on_alarm(int number)
{
    (void)number;
}

/* Verify that a signal ends a wait, which begins anew when that was asked for. */
static void
test_read_when_signalled_then_eintr(void)
{
    int p[2];
    char byte;
    struct sigaction a = { .sa_handler = on_alarm };

    new_pair(SOCK_STREAM, p);
    CHECK(sigaction(SIGALRM, &a, NULL) == 0);
    ualarm(20000, 0);
    CHECK_ERROR(read(p[0], &byte, 1), EINTR);
    a.sa_flags = SA_RESTART;
    CHECK(sigaction(SIGALRM, &a, NULL) == 0);
    pid_t child = fork();
    if (child == 0) {
        ualarm(20000, 0);
        CHECK(read(p[0], &byte, 1) == 1);
        _exit(0);
    }
    usleep(60000);
    CHECK(write(p[1], "x", 1) == 1);
    CHECK_EXIT(child, 0);
    set_timeout(p[0], SO_RCVTIMEO, 10000000);
    ualarm(20000, 0);
    CHECK_ERROR(read(p[0], &byte, 1), EINTR); /* with a limit it never does */
}

static void
test_options_when_set_then_read_back(void)
{
    static const int bits[] = { SO_REUSEADDR, SO_KEEPALIVE, SO_BROADCAST, SO_DONTROUTE,
                                SO_OOBINLINE, SO_PASSCRED };
    int fd = new_socket(SOCK_STREAM), value = 0;
    struct linger l = { 1, 5 }, m;
    socklen_t size = sizeof m;

    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        CHECK(option_of(fd, bits[i]) == 0);
        set_option(fd, bits[i], 5);
        CHECK(option_of(fd, bits[i]) == 1);
        set_option(fd, bits[i], 0);
        CHECK(option_of(fd, bits[i]) == 0);
    }
    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l) == 0);
    CHECK(getsockopt(fd, SOL_SOCKET, SO_LINGER, &m, &size) == 0 && m.l_onoff == 1 && m.l_linger == 5);
    CHECK_ERROR(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, 4), EINVAL);
    CHECK_ERROR(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, 3), EINVAL);
    CHECK_ERROR(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, (void *)8, 4), EFAULT);
    CHECK_ERROR(setsockopt(fd, SOL_SOCKET, SO_TYPE, &value, 4), ENOPROTOOPT);
    CHECK_ERROR(setsockopt(fd, SOL_SOCKET, 999, &value, 4), ENOPROTOOPT);
    CHECK_ERROR(setsockopt(fd, 6, 1, &value, 4), EOPNOTSUPP);
    size = 4;
    CHECK_ERROR(getsockopt(fd, 6, 1, &value, &size), EOPNOTSUPP);
    CHECK_ERROR(getsockopt(fd, SOL_SOCKET, SO_PEERSEC, &value, &size), ENOPROTOOPT);
    CHECK_ERROR(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, NULL), EFAULT);
    size = 1;
    CHECK(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size) == 0 && size == 1);
    set_option(fd, SO_SNDBUF, 1);
    CHECK(option_of(fd, SO_SNDBUF) == 4608);
    set_option(fd, SO_RCVBUF, 1);
    CHECK(option_of(fd, SO_RCVBUF) == 2304);
    set_option(fd, SO_RCVLOWAT, 0);
    CHECK(option_of(fd, SO_RCVLOWAT) == 1 && option_of(fd, SO_SNDLOWAT) == 1);
    set_option(fd, SO_PRIORITY, 6);
    CHECK(option_of(fd, SO_PRIORITY) == 6);
}

static void
test_credentials_when_connected_then_known(void)
{
    struct ucred c;
    socklen_t size = sizeof c;
    int l = listening(SOCK_STREAM, "@cred", 5), fd = new_socket(SOCK_STREAM);

    CHECK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &size) == 0 && size == sizeof c);
    CHECK(c.pid == 0 && c.uid == (uid_t)-1 && c.gid == (gid_t)-1);
    pid_t child = fork();
    if (child == 0) {
        CHECK(setgid(77) == 0 && setuid(1000) == 0 && connect_to(fd, "@cred") == 0);
        CHECK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &size) == 0);
        CHECK(c.pid == getppid() && c.uid == 0 && c.gid == 0);
        _exit(0);
    }
    int e = accept(l, NULL, NULL);
    CHECK(e >= 0 && getsockopt(e, SOL_SOCKET, SO_PEERCRED, &c, &size) == 0);
    CHECK(c.pid == child && c.uid == 1000 && c.gid == 77);
    CHECK_EXIT(child, 0);
}

static void
test_splice_when_between_socket_and_others_then_bytes_arrive(void)
{
    int p[2], q[2], file = open("data", O_RDWR | O_CREAT, 0600);
    static char big[100000], back[100000];

    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i / 3);
    CHECK(write(file, big, sizeof big) == (long)sizeof big);
    new_pair(SOCK_STREAM, p);
    CHECK(pipe(q) == 0);
    off_t at = 0;
    CHECK(sendfile(p[0], file, &at, 50000) == 50000 && at == 50000);
    CHECK(recv(p[1], back, 50000, MSG_WAITALL) == 50000 && memcmp(big, back, 50000) == 0);
    CHECK(write(p[0], "through", 7) == 7);
    CHECK(splice(p[1], NULL, q[1], NULL, 100, 0) == 7);
    CHECK(splice(q[0], NULL, p[1], NULL, 100, 0) == 7);
    CHECK(read(p[0], back, 10) == 7 && memcmp(back, "through", 7) == 0);
}

static void
test_net_unix_when_read_then_lists(void)
{
    static char text[200000];
    int l = listening(SOCK_STREAM, "shown", 1), fd, a = listening(SOCK_STREAM, "@hidden", 1);
    long n, have = 0;
    char line[100];
    struct stat s;

    fd = open("/proc/net/unix", O_RDONLY);
    CHECK(fd >= 0);
    while ((n = read(fd, text + have, sizeof text - 1 - (size_t)have)) > 0)
        have += n;
    text[have] = 0;
    CHECK(strncmp(text, "Num       RefCount Protocol Flags    Type St Inode Path\n", 55) == 0);
    CHECK(fstat(l, &s) == 0);
    snprintf(line, sizeof line, ": 00000002 00000000 00010000 0001 01 %5lu shown\n", (unsigned long)s.st_ino);
    CHECK(strstr(text, line) != NULL);
    CHECK(fstat(a, &s) == 0);
    snprintf(line, sizeof line, " %5lu @hidden\n", (unsigned long)s.st_ino);
    CHECK(strstr(text, line) != NULL);
    CHECK(access("/proc/self/net/unix", R_OK) == 0);
}

static volatile int io;

static void
on_io(int number)
{
    (void)number;
    io++;
}

static void
test_async_when_data_comes_then_sigio(void)
{
    int p[2];

    new_pair(SOCK_STREAM, p);
    signal(SIGIO, on_io);
    CHECK(fcntl(p[0], F_SETOWN, getpid()) == 0);
    CHECK(fcntl(p[0], F_SETFL, O_ASYNC) == 0);
    CHECK(write(p[1], "x", 1) == 1);
    CHECK(io >= 1);
    int on = 1;
    CHECK(ioctl(p[0], FIONBIO, &on) == 0 && (fcntl(p[0], F_GETFL) & O_NONBLOCK));
    CHECK_ERROR(ioctl(p[0], TCGETS, &on), ENOTTY);
    CHECK(fcntl(p[0], F_SETOWN, 0) == 0);
}

int
main(void)
{
    RUN_IN_NEW(test_socket_when_arguments_are_wrong_then_error, socket, socketpair);
    RUN_IN_NEW(test_pair_when_written_then_read, socketpair, read, write, readv, writev, ioctl);
    RUN_IN_NEW(test_names_when_asked_then_told, getsockname, getpeername, accept, connect);
    RUN_IN_NEW(test_bind_when_name_cannot_be_had_then_error, bind, connect, listen);
    RUN_IN_NEW(test_bind_when_unnamed_then_abstract_name_is_given, bind);
    RUN_IN_NEW(test_connect_when_rights_are_missing_then_eacces, connect, bind);
    RUN_IN_NEW(test_backlog_when_full_then_eagain, connect, accept, accept4, listen);
    RUN_IN_NEW(test_accept_when_time_is_up_then_eagain, accept, shutdown);
    RUN_IN_NEW(test_close_when_data_is_unread_then_econnreset, close, read, poll);
    RUN_IN_NEW(test_write_when_peer_is_gone_then_sigpipe, write, sendto);
    RUN_IN_NEW(test_shutdown_when_half_then_other_half_lives, shutdown, poll);
    RUN_IN_NEW(test_unconnected_when_used_then_error, sendto, read, accept);
    RUN_IN_NEW(test_write_when_full_then_waits, write, read, setsockopt);
    RUN_IN_NEW(test_receive_when_told_to_wait_then_waits_for_all, recvfrom, setsockopt);
    RUN_IN_NEW(test_read_when_signalled_then_eintr, read);
    RUN_IN_NEW(test_options_when_set_then_read_back, setsockopt, getsockopt);
    RUN_IN_NEW(test_credentials_when_connected_then_known, getsockopt);
    RUN_IN_NEW(test_splice_when_between_socket_and_others_then_bytes_arrive, sendfile, splice);
    RUN_IN_NEW(test_net_unix_when_read_then_lists);
    RUN_IN_NEW(test_async_when_data_comes_then_sigio, fcntl, ioctl);
    return check_failures != 0;
}

/* SPDX-License-Identifier: MIT */
/* Bytes out of band on local streams (unix(7) MSG_OOB, sockatmark(3), SIGURG), and the
 * options that network protocols alone act on. */
#define _GNU_SOURCE
#include "unix_help.h"

#include <sys/ioctl.h>

static int pair[2]; /* [1] sends */

static void
put(const char *bytes, int flags)
{
    CHECK(send(pair[1], bytes, strlen(bytes), flags) == (ssize_t)strlen(bytes));
}

/* What a read of at most ten bytes gives; "-" and the number of the error if it fails. */
static const char *
get(int flags)
{
    static char text[16];
    memset(text, 0, sizeof text);
    ssize_t n = recv(pair[0], text, 10, flags | MSG_DONTWAIT);
    if (n < 0)
        snprintf(text, sizeof text, "-%d", errno);
    return text;
}
#define GETS(flags, want) CHECK(strcmp(get(flags), want) == 0)
#define NOTHING "-11" /* EAGAIN */
#define NONE "-22"    /* EINVAL: no byte out of band */

static int
at_mark(void)
{
    int at = -1;
    CHECK(ioctl(pair[0], SIOCATMARK, &at) == 0);
    return at;
}

static int
polled(void)
{
    struct pollfd p = { pair[0], POLLIN | POLLPRI, 0 };
    CHECK(poll(&p, 1, 0) >= 0);
    return p.revents;
}

static void
test_urgent_when_read_then_mark_stays(void)
{
    new_pair(SOCK_STREAM, pair);
    put("ab", 0);
    put("C", MSG_OOB);
    put("de", 0);
    CHECK(polled() == (POLLIN | POLLPRI) && !at_mark());
    GETS(MSG_OOB | MSG_PEEK, "C");
    GETS(MSG_OOB, "C");
    GETS(MSG_OOB, NONE);
    CHECK(polled() == POLLIN);
    GETS(0, "ab"); /* as far as the mark */
    GETS(0, "de");
    GETS(0, NOTHING);
}

static void
test_urgent_when_not_read_then_gone_past(void)
{
    new_pair(SOCK_STREAM, pair);
    put("abC", MSG_OOB);
    put("de", 0);
    GETS(MSG_PEEK, "ab");
    GETS(0, "ab");
    CHECK(at_mark() && (polled() & POLLPRI));
    GETS(0, "de");
    CHECK(!at_mark() && polled() == 0);
    GETS(MSG_OOB, NONE);
}

static void
test_urgent_when_inline_then_in_its_place(void)
{
    new_pair(SOCK_STREAM, pair);
    set_option(pair[0], SO_OOBINLINE, 1);
    put("abC", MSG_OOB);
    put("d", 0);
    GETS(MSG_OOB, NONE);
    GETS(0, "ab");
    CHECK(at_mark());
    GETS(0, "Cd");
    CHECK(!at_mark() && polled() == 0);
}

static void
test_urgent_when_another_comes_then_first_is_a_byte(void)
{
    new_pair(SOCK_STREAM, pair);
    put("aB", MSG_OOB);
    put("cD", MSG_OOB);
    GETS(MSG_OOB, "D");
    GETS(0, "aBc");
    GETS(0, NOTHING);
    CHECK_ERROR(send(pair[1], "", 0, MSG_OOB), EOPNOTSUPP);
    for (int i = 0; i < 1000; i++) {
        put("xY", MSG_OOB);
        GETS(MSG_OOB, "Y");
        GETS(0, "x");
    }
    put("z", MSG_OOB);
    close(pair[1]);
    GETS(0, ""); /* the end */
}

static void
test_urgent_when_large_then_last_byte(void)
{
    static char big[100000];
    memset(big, 'x', sizeof big);
    new_pair(SOCK_STREAM, pair);
    set_option(pair[1], SO_SNDBUF, 300000);
    CHECK(send(pair[1], big, sizeof big, MSG_OOB) == sizeof big);
    GETS(MSG_OOB, "x");
    ssize_t n, all = 0;
    while ((n = recv(pair[0], big, sizeof big, MSG_DONTWAIT)) > 0)
        all += n;
    CHECK(all == sizeof big - 1);
}

static volatile int urgs;
static void
on_urg(int number)
{
    (void)number;
    urgs++;
}

static void
test_urgent_when_owned_then_sigurg(void)
{
    struct sigaction a = { .sa_handler = on_urg };
    char byte;
    struct iovec v = { &byte, 1 };
    struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1 };
    new_pair(SOCK_STREAM, pair);
    CHECK(sigaction(SIGURG, &a, NULL) == 0);
    put("a", MSG_OOB);
    CHECK(urgs == 0);
    CHECK(fcntl(pair[0], F_SETOWN, getpid()) == 0);
    put("b", 0);
    CHECK(urgs == 0);
    put("c", MSG_OOB);
    CHECK(urgs == 1);
    CHECK(recvmsg(pair[0], &h, MSG_OOB) == 1 && byte == 'c' && (h.msg_flags & MSG_OOB) != 0);
}

static void
test_options_when_local_then_kept(void)
{
    static const int bits[] = { SO_TIMESTAMP, SO_TIMESTAMPNS, SO_PASSSEC, SO_RXQ_OVFL,
                                SO_SELECT_ERR_QUEUE, SO_WIFI_STATUS, SO_NOFCS, SO_MARK };
    unsigned memory[9];
    unsigned long cookie[2] = { 0, 0 };
    socklen_t size = sizeof cookie[0];
    new_pair(SOCK_STREAM, pair);
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        CHECK(option_of(pair[0], bits[i]) == 0);
        set_option(pair[0], bits[i], 1);
        CHECK(option_of(pair[0], bits[i]) == 1);
    }
    CHECK(getsockopt(pair[0], SOL_SOCKET, SO_COOKIE, &cookie[0], &size) == 0 && size == 8);
    CHECK(getsockopt(pair[1], SOL_SOCKET, SO_COOKIE, &cookie[1], &size) == 0);
    CHECK(cookie[0] != 0 && cookie[0] != cookie[1]);
    size = 4;
    CHECK_ERROR(getsockopt(pair[0], SOL_SOCKET, SO_COOKIE, &cookie[0], &size), EINVAL);
    size = sizeof memory;
    CHECK(getsockopt(pair[0], SOL_SOCKET, SO_MEMINFO, memory, &size) == 0 && size == 36);
    CHECK(memory[1] == (unsigned)option_of(pair[0], SO_RCVBUF));
}

int
main(void)
{
    RUN_IN_NEW(test_urgent_when_read_then_mark_stays, sendto, recvfrom, ioctl, poll);
    RUN_IN_NEW(test_urgent_when_not_read_then_gone_past, sendto, recvfrom);
    RUN_IN_NEW(test_urgent_when_inline_then_in_its_place, recvfrom, setsockopt);
    RUN_IN_NEW(test_urgent_when_another_comes_then_first_is_a_byte, sendto, recvfrom);
    RUN_IN_NEW(test_urgent_when_large_then_last_byte, sendto, recvfrom);
    RUN_IN_NEW(test_urgent_when_owned_then_sigurg, recvmsg, fcntl);
    RUN_IN_NEW(test_options_when_local_then_kept, setsockopt, getsockopt);
    return check_failures != 0;
}

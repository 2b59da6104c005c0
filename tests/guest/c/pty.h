/* SPDX-License-Identifier: MIT */
/* What the tests of terminals share: a pair, typing at the master, looking at what comes.
 */
#ifndef PTY_H
#define PTY_H

#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>
#include <time.h>

#define DEVPTS_MAGIC 0x1cd1
#define QUIET_MS     60   /* after this long nothing more is expected */
#define COMES_MS     3000 /* what is expected is there after this long at most */

/* /dev/ptmx and /dev/pts, as a booted system has them. */
static inline void
pty_setup(void)
{
    struct statfs s;

    mkdir("/dev", 0755);
    mknod("/dev/ptmx", S_IFCHR | 0666, makedev(5, 2));
    mknod("/dev/tty", S_IFCHR | 0666, makedev(5, 0));
    mkdir("/dev/pts", 0755);
    if (statfs("/dev/pts", &s) < 0 || s.f_type != DEVPTS_MAGIC)
        if (mount("devpts", "/dev/pts", "devpts", 0, "mode=620,gid=5,ptmxmode=666") < 0)
            printf("# no devpts: %s\n", strerror(errno));
}

static inline void
pty_pair(int *master, int *slave)
{
    *master = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(*master >= 0);
    CHECK(grantpt(*master) == 0);
    CHECK(unlockpt(*master) == 0);
    *slave = open(ptsname(*master), O_RDWR | O_NOCTTY);
    CHECK(*slave >= 0);
}

/* The modes change; `cc` is an index, or -1. */
static inline void
pty_mode(int fd, tcflag_t *(*word)(struct termios *), tcflag_t off, tcflag_t on)
{
    struct termios t;

    CHECK(tcgetattr(fd, &t) == 0);
    *word(&t) = (*word(&t) & ~off) | on;
    CHECK(tcsetattr(fd, TCSANOW, &t) == 0);
}
static inline tcflag_t *
word_i(struct termios *t)
{
    return &t->c_iflag;
}
static inline tcflag_t *
word_o(struct termios *t)
{
    return &t->c_oflag;
}
static inline tcflag_t *
word_l(struct termios *t)
{
    return &t->c_lflag;
}
#define I_MODE(fd, off, on) pty_mode(fd, word_i, off, on)
#define O_MODE(fd, off, on) pty_mode(fd, word_o, off, on)
#define L_MODE(fd, off, on) pty_mode(fd, word_l, off, on)

static inline void
pty_cc(int fd, int which, int value)
{
    struct termios t;

    CHECK(tcgetattr(fd, &t) == 0);
    t.c_cc[which] = (cc_t)value;
    CHECK(tcsetattr(fd, TCSANOW, &t) == 0);
}

static inline void
pty_raw(int fd)
{
    struct termios t;

    CHECK(tcgetattr(fd, &t) == 0);
    cfmakeraw(&t);
    CHECK(tcsetattr(fd, TCSANOW, &t) == 0);
}

static inline int
ready(int fd, int events, int ms)
{
    struct pollfd p = { .fd = fd, .events = (short)events };
    return poll(&p, 1, ms) > 0 ? p.revents : 0;
}

static inline void
put_bytes(int fd, const void *bytes, size_t n)
{
    CHECK(write(fd, bytes, n) == (ssize_t)n);
}
static inline void
put(int fd, const char *text)
{
    put_bytes(fd, text, strlen(text));
}

static inline void
show(const char *title, const char *bytes, size_t n)
{
    fprintf(stderr, "# %s \"", title);
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] >= ' ' && bytes[i] < 127)
            fputc(bytes[i], stderr);
        else
            fprintf(stderr, "\\x%02x", (unsigned char)bytes[i]);
    }
    fprintf(stderr, "\"\n");
}

/* Exactly these bytes come, in any number of pieces, and then nothing. */
static inline int
comes_bytes(int fd, const char *want, size_t n)
{
    static char got[65536];
    size_t have = 0;

    while (have < sizeof got &&
           (ready(fd, POLLIN, have < n ? COMES_MS : QUIET_MS) & POLLIN)) {
        ssize_t r = read(fd, got + have, sizeof got - have);
        if (r <= 0)
            break;
        have += (size_t)r;
    }
    if (have == n && memcmp(got, want, n) == 0)
        return 1;
    show("wanted", want, n);
    show("came  ", got, have);
    return 0;
}
static inline int
comes(int fd, const char *want)
{
    return comes_bytes(fd, want, strlen(want));
}

/* One read gives exactly this. */
static inline int
reads_bytes(int fd, const char *want, size_t n)
{
    char got[8192];

    if (!(ready(fd, POLLIN, COMES_MS) & POLLIN)) {
        show("nothing came; wanted", want, n);
        return 0;
    }
    ssize_t r = read(fd, got, sizeof got);
    if (r == (ssize_t)n && memcmp(got, want, n) == 0)
        return 1;
    show("wanted", want, n);
    show("read  ", got, r > 0 ? (size_t)r : 0);
    return 0;
}
static inline int
reads(int fd, const char *want)
{
    return reads_bytes(fd, want, strlen(want));
}

/* Nothing to read, now and for a while. */
static inline int
silent(int fd)
{
    return (ready(fd, POLLIN, QUIET_MS) & POLLIN) == 0;
}

static inline long
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif

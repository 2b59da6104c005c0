/* SPDX-License-Identifier: MIT */
/* Many processes at once on the same pseudo-terminals: opening, reading, writing, taking,
 * hanging up and closing in any order.  Nothing may hang or break, and afterwards
 * everything is free again. */
#define _GNU_SOURCE
#include "pty.h"

#include <dirent.h>

#define WORKERS 12
#define PAIRS   4
#define SECONDS 4

static int masters[PAIRS];
static char names[PAIRS][64];

static int
entries(void)
{
    DIR *d = opendir("/dev/pts");
    int n = 0;

    CHECK(d != NULL);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

static void
one_step(unsigned *seed, int *fd)
{
    char text[600];
    int which = rand_r(seed) % PAIRS, pgrp = getpgrp();
    struct termios t;
    struct winsize w = { (unsigned short)rand_r(seed), 80, 0, 0 };

    switch (rand_r(seed) % 14) {
    case 0:
    case 1:
        close(*fd);
        *fd = open(names[which], O_RDWR | O_NONBLOCK | (rand_r(seed) % 2 ? O_NOCTTY : 0));
        break;
    case 2: (void)!read(*fd, text, sizeof text); break;
    case 3:
        memset(text, 'a' + rand_r(seed) % 26, sizeof text);
        (void)!write(*fd, text, (size_t)rand_r(seed) % sizeof text);
        break;
    case 4: (void)!write(masters[which], "line\n\3\32\34x", 9); break;
    case 5: (void)!read(masters[which], text, sizeof text); break;
    case 6:
        if (tcgetattr(*fd, &t) == 0) {
            t.c_lflag ^= 1u << rand_r(seed) % 16;
            t.c_iflag ^= 1u << rand_r(seed) % 15;
            tcsetattr(*fd, TCSANOW, &t);
        }
        break;
    case 7: ioctl(*fd, TIOCSCTTY, 1); break;
    case 8: ioctl(*fd, TIOCNOTTY); break;
    case 9: ioctl(*fd, TIOCSPGRP, &pgrp); break;
    case 10: ioctl(masters[which], TIOCSWINSZ, &w); break;
    case 11:
        if (rand_r(seed) % 8 == 0)
            ioctl(*fd, 0x5437 /* TIOCVHANGUP */);
        break;
    case 12: {
        int own = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
        unlockpt(own);
        int peer = ioctl(own, 0x5441 /* TIOCGPTPEER */, O_RDWR);
        (void)!write(peer, "x", 1);
        close(own);
        (void)!read(peer, text, 1);
        close(peer);
        break;
    }
    default: {
        int tty = open("/dev/tty", O_RDWR | O_NONBLOCK);
        (void)!write(tty, "t", 1);
        close(tty);
        break;
    }
    }
}

static void
worker(unsigned seed)
{
    static const int ignored[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTSTP,
                                   SIGTTIN, SIGTTOU, SIGWINCH };
    long end = now_ms() + SECONDS * 1000;
    int fd = -1;

    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    if (seed % 2)
        setsid();
    while (now_ms() < end)
        one_step(&seed, &fd);
    _exit(0);
}

static void
test_storm_when_many_use_the_same_pairs_then_all_ends_well(void)
{
    int before = entries();
    pid_t child[WORKERS];

    for (int i = 0; i < PAIRS; i++) {
        masters[i] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
        CHECK(masters[i] >= 0 && unlockpt(masters[i]) == 0);
        strcpy(names[i], ptsname(masters[i]));
    }
    for (int i = 0; i < WORKERS; i++) {
        child[i] = fork();
        if (child[i] == 0)
            worker((unsigned)i * 7919 + 1);
    }
    for (int i = 0; i < WORKERS; i++)
        CHECK_EXIT(child[i], 0);
    for (int i = 0; i < PAIRS; i++) {
        int fd = open(names[i], O_RDWR | O_NOCTTY);
        CHECK(fd >= 0);
        close(fd);
        close(masters[i]);
        CHECK_ERROR(open(names[i], O_RDWR), ENOENT);
    }
    CHECK(entries() == before);
}

/* A session begins and ends on a pair whose master closes at about the same time. */
static void
test_sessions_when_master_closes_meanwhile_then_all_end(void)
{
    int before = entries();

    for (int i = 0; i < 150; i++) {
        int m, s;
        pty_pair(&m, &s);
        pid_t child = fork();
        if (child == 0) {
            close(m);
            setsid();
            ioctl(s, TIOCSCTTY, 0);
            if (fork() == 0) {
                setpgid(0, 0);
                char c;
                (void)!read(s, &c, 1);
                _exit(0);
            }
            if (i % 3 == 0)
                _exit(0);
            char c;
            (void)!read(s, &c, 1);
            _exit(0);
        }
        close(s);
        if (i % 2)
            usleep((useconds_t)(i * 20));
        close(m);
        check_wait(child);
    }
    CHECK(entries() == before);
}

int
main(void)
{
    pty_setup();
    RUN(test_storm_when_many_use_the_same_pairs_then_all_ends_well, ioctl, open, close);
    RUN(test_sessions_when_master_closes_meanwhile_then_all_end, setsid, ioctl);
    return check_failures != 0;
}

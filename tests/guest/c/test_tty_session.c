/* SPDX-License-Identifier: MIT */
/* Who of a session gets its controlling terminal, and what its leader's end leaves. */
#define _GNU_SOURCE
#include <sys/wait.h>

#include "pty.h"

/* A child that tells, when `go` has a byte, whether it can open /dev/tty. */
static pid_t
fork_who_tries(int go[2])
{
    char byte;
    pid_t child;

    CHECK(pipe(go) == 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        close(go[1]);
        CHECK(read(go[0], &byte, 1) == 1);
        int fd = open("/dev/tty", O_RDWR);
        _exit(fd >= 0 ? 1 : errno == ENXIO ? 2 : 3);
    }
    return child;
}

static int
ask(pid_t child, int go[2])
{
    int status;

    CHECK(write(go[1], "x", 1) == 1);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
test_tiocsctty_when_others_are_in_the_session_then_they_get_none(void)
{
    int master, slave, before_go[2], after_go[2];

    pty_pair(&master, &slave);
    CHECK(setsid() > 0);
    pid_t before = fork_who_tries(before_go);
    CHECK(ioctl(slave, TIOCSCTTY, 0) == 0);
    pid_t after = fork_who_tries(after_go);
    CHECK(ask(before, before_go) == 2);
    CHECK(ask(after, after_go) == 1);
}

/* The leader ends while the master is closed, and another of the session looks for the
 * terminal all the time. */
static void
test_tty_when_leader_ends_as_the_master_closes_then_gone(void)
{
    for (int round = 0; round < 150; round++) {
        int master, slave, status, ready[2];
        char byte;
        pid_t leader;

        pty_pair(&master, &slave);
        CHECK(pipe(ready) == 0);
        leader = fork();
        CHECK(leader >= 0);
        if (leader == 0) {
            CHECK(setsid() > 0 && ioctl(slave, TIOCSCTTY, 0) == 0);
            signal(SIGHUP, SIG_IGN);
            CHECK(close(slave) == 0 && close(master) == 0);
            if (fork() == 0) {
                CHECK(write(ready[1], "x", 1) == 1);
                for (int i = 0; i < 2000; i++) {
                    int fd = open("/dev/tty", O_RDWR);
                    if (fd < 0 && errno == ENXIO)
                        break;
                    if (fd >= 0)
                        close(fd);
                }
                _exit(0);
            }
            CHECK(write(ready[1], "x", 1) == 1);
            _exit(0);
        }
        CHECK(close(slave) == 0);
        CHECK(read(ready[0], &byte, 1) == 1);
        CHECK(close(master) == 0);
        CHECK(waitpid(leader, &status, 0) == leader && status == 0);
        CHECK(close(ready[0]) == 0 && close(ready[1]) == 0);
    }
}

int
main(void)
{
    pty_setup();
    RUN(test_tiocsctty_when_others_are_in_the_session_then_they_get_none, ioctl);
    RUN(test_tty_when_leader_ends_as_the_master_closes_then_gone, exit_group);
    return check_failures != 0;
}

/* SPDX-License-Identifier: MIT */
/* Job control and controlling terminals (credentials(7), ioctl_tty(2), XBD 11.1): who
 * gets a terminal, who may use it, who hears of its end. */
#define _GNU_SOURCE
#include "pty.h"

#ifndef TIOCVHANGUP
#define TIOCVHANGUP 0x5437
#endif

static int m, s;
static char slave_name[64];

static void
pair(void)
{
    pty_pair(&m, &s);
    strcpy(slave_name, ptsname(m));
}

static pid_t leader;

/* In a child that leads a session with the terminal: true.  It ends with _exit(0). */
static int
in_session(void)
{
    leader = fork();
    CHECK(leader >= 0);
    if (leader != 0)
        return 0;
    CHECK(setsid() > 0);
    CHECK(ioctl(s, TIOCSCTTY, 0) == 0);
    return 1;
}

static volatile sig_atomic_t seen[NSIG];

static void
note(int number)
{
    seen[number]++;
}

static void catch (int number, int flags)
{
    struct sigaction a = { .sa_handler = note, .sa_flags = flags };

    CHECK(sigaction(number, &a, NULL) == 0);
}

static void
wait_stopped(pid_t child, int number)
{
    int status;

    CHECK(waitpid(child, &status, WUNTRACED) == child);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == number);
}

static void
test_open_when_leader_without_terminal_then_controlling(void)
{
    pair();
    pid_t child = fork();
    if (child == 0) {
        CHECK_ERROR(open("/dev/tty", O_RDWR), ENXIO);
        CHECK(setsid() > 0);
        int fd = open(slave_name, O_RDWR | O_NOCTTY);
        CHECK_ERROR(open("/dev/tty", O_RDWR), ENXIO);
        close(fd);
        CHECK((fd = open(slave_name, O_WRONLY)) >= 0); /* cannot read: not taken */
        CHECK_ERROR(open("/dev/tty", O_RDWR), ENXIO);
        CHECK(open(slave_name, O_RDWR) >= 0);
        CHECK((fd = open("/dev/tty", O_RDWR)) >= 0);
        CHECK(tcgetpgrp(fd) == getpid() && tcgetsid(fd) == getpid());
        put(fd, "via tty");
        _exit(0);
    }
    if (setsid() < 0)
        CHECK(errno == EPERM);
    CHECK_EXIT(child, 0);
    CHECK(comes(m, "via tty"));
}

static void
test_tiocsctty_when_not_leader_or_taken_then_eperm(void)
{
    int go[2], end[2];
    char c;

    pair();
    CHECK(pipe(go) == 0 && pipe(end) == 0);
    pid_t holder = fork();
    if (holder == 0) {
        catch (SIGHUP, 0);
        setsid();
        CHECK(ioctl(s, TIOCSCTTY, 0) == 0);
        CHECK(ioctl(s, TIOCSCTTY, 0) == 0); /* again: fine */
        put(go[1], "!");
        CHECK(read(end[0], &c, 1) == 1);
        CHECK_ERROR(open("/dev/tty", O_RDWR), ENXIO); /* it was stolen */
        _exit(seen[SIGHUP]);
    }
    CHECK(read(go[0], &c, 1) == 1);
    pid_t child = fork();
    if (child == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0) {
            setsid();
            CHECK_ERROR(ioctl(s, TIOCSCTTY, 0), EPERM);
            if (fork() == 0) {
                CHECK_ERROR(ioctl(s, TIOCSCTTY, 1), EPERM); /* no leader */
                _exit(0);
            }
            int status;
            wait(&status);
            CHECK(status == 0);
            CHECK(ioctl(s, TIOCSCTTY, 1) == 0); /* root steals it */
            CHECK(tcgetsid(s) == getpid());
            put(end[1], "!");
            _exit(0);
        }
        CHECK_EXIT(grandchild, 0);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK_EXIT(holder, 0);
}

static void
test_background_read_when_default_then_stopped_by_sigttin(void)
{
    char c[8];

    pair();
    L_MODE(s, ECHO, 0);
    if (in_session()) {
        pid_t job = fork();
        if (job == 0) {
            setpgid(0, 0);
            CHECK(read(s, c, sizeof c) == 3);
            _exit(5);
        }
        wait_stopped(job, SIGTTIN);
        put(m, "hi\n");
        setpgid(job, job);
        CHECK(tcsetpgrp(s, job) == 0);
        CHECK(kill(-job, SIGCONT) == 0);
        CHECK_EXIT(job, 5);
        _exit(0);
    }
    CHECK_EXIT(leader, 0);
}

static void
test_background_read_when_ignored_or_blocked_then_eio(void)
{
    char c;

    pair();
    if (in_session()) {
        pid_t job = fork();
        if (job == 0) {
            sigset_t set;
            setpgid(0, 0);
            signal(SIGTTIN, SIG_IGN);
            CHECK_ERROR(read(s, &c, 1), EIO);
            signal(SIGTTIN, SIG_DFL);
            sigemptyset(&set);
            sigaddset(&set, SIGTTIN);
            sigprocmask(SIG_BLOCK, &set, NULL);
            CHECK_ERROR(read(s, &c, 1), EIO);
            _exit(5);
        }
        CHECK_EXIT(job, 5);
        _exit(0);
    }
    CHECK_EXIT(leader, 0);
}

static void
test_background_read_when_orphaned_then_eio(void)
{
    int done[2];
    char c;

    pair();
    CHECK(pipe(done) == 0);
    if (in_session()) {
        pid_t middle = fork();
        if (middle == 0) {
            if (fork() == 0) {
                setpgid(0, 0);
                usleep(100000); /* the parent has gone */
                char d;
                int ok = read(s, &d, 1) == -1 && errno == EIO;
                put(done[1], ok ? "y" : "n");
                _exit(0);
            }
            _exit(0);
        }
        CHECK_EXIT(middle, 0);
        CHECK(read(done[0], &c, 1) == 1 && c == 'y');
        _exit(0);
    }
    CHECK_EXIT(leader, 0);
}

static void
test_background_write_when_tostop_then_sigttou(void)
{
    pair();
    if (in_session()) {
        pid_t job = fork();
        if (job == 0) {
            setpgid(0, 0);
            put(s, "a"); /* without TOSTOP it may */
            raise(SIGSTOP);
            put(s, "b");
            _exit(5);
        }
        wait_stopped(job, SIGSTOP);
        L_MODE(s, 0, TOSTOP);
        kill(job, SIGCONT);
        wait_stopped(job, SIGTTOU);
        CHECK(tcsetpgrp(s, job) == 0);
        kill(job, SIGCONT);
        CHECK_EXIT(job, 5);
        signal(SIGTTOU, SIG_IGN);
        put(s, "c"); /* the leader is in the background now: ignored, so it may */
        _exit(0);
    }
    CHECK_EXIT(leader, 0);
    CHECK(comes(m, "abc"));
}

static void
test_background_changes_when_tried_then_sigttou(void)
{
    static const char *const what[] = { "tcsetattr", "tcsetpgrp", "tcflush", "tcflow",
                                        "tcsendbreak" };

    pair();
    if (in_session()) {
        for (int i = 0; i < 5; i++) {
            pid_t job = fork();
            if (job == 0) {
                struct termios t;
                struct winsize w = { 1, 2, 3, 4 };
                setpgid(0, 0);
                CHECK(tcgetattr(s, &t) == 0); /* asking is free; so is the window */
                CHECK(ioctl(s, TIOCSWINSZ, &w) == 0);
                switch (i) {
                case 0: tcsetattr(s, TCSANOW, &t); break;
                case 1: tcsetpgrp(s, getpid()); break;
                case 2: tcflush(s, TCIFLUSH); break;
                case 3: tcflow(s, TCOON); break;
                default: tcsendbreak(s, 0); break;
                }
                fprintf(stderr, "# %s went through\n", what[i]);
                _exit(1);
            }
            wait_stopped(job, SIGTTOU);
            kill(job, SIGKILL);
            CHECK_SIGNAL(job, SIGKILL);
        }
        _exit(0);
    }
    CHECK_EXIT(leader, 0);
}

static void
test_tcsetpgrp_when_wrong_group_then_error(void)
{
    int bad = -5;

    pair();
    CHECK_ERROR(tcsetpgrp(s, getpgrp()), ENOTTY); /* not its terminal */
    CHECK_ERROR(tcgetpgrp(s), ENOTTY);
    CHECK_ERROR(tcgetsid(s), ENOTTY);
    pid_t other = fork();
    if (other == 0) {
        setsid();
        for (;;)
            pause();
    }
    usleep(50000);
    if (in_session()) {
        CHECK_ERROR(ioctl(s, TIOCSPGRP, &bad), EINVAL);
        CHECK_ERROR(ioctl(s, TIOCSPGRP, (void *)1), EFAULT);
        CHECK_ERROR(tcsetpgrp(s, other), EPERM);
        CHECK_ERROR(tcsetpgrp(s, 32000), ESRCH);
        CHECK(tcgetpgrp(s) == getpgrp());
        CHECK(tcgetpgrp(m) == getpgrp()); /* the master tells it to anyone */
        _exit(0);
    }
    CHECK_EXIT(leader, 0);
    kill(other, SIGKILL);
    CHECK_SIGNAL(other, SIGKILL);
}

static void
test_leader_when_it_ends_then_foreground_gets_sighup(void)
{
    int go[2];
    char c;

    pair();
    CHECK(pipe(go) == 0);
    leader = fork();
    if (leader == 0) {
        setsid();
        CHECK(ioctl(s, TIOCSCTTY, 0) == 0);
        pid_t job = fork();
        if (job == 0) {
            setpgid(0, 0);
            catch (SIGHUP, 0);
            put(go[1], "!");
            for (int i = 0; i < 200 && seen[SIGHUP] == 0; i++)
                usleep(10000);
            put(go[1], seen[SIGHUP] ? "h" : "-");
            usleep(100000); /* the signal may come before the terminal goes */
            put(go[1], open("/dev/tty", O_RDWR) < 0 && errno == ENXIO ? "x" : "-");
            _exit(0);
        }
        setpgid(job, job);
        CHECK(tcsetpgrp(s, job) == 0);
        CHECK(read(go[0], &c, 1) == 1);
        _exit(0);
    }
    CHECK_EXIT(leader, 0);
    CHECK(read(go[0], &c, 1) == 1 && c == 'h');
    CHECK(read(go[0], &c, 1) == 1 && c == 'x');
    /* the terminal is free for the next session */
    if (in_session()) {
        CHECK(tcgetsid(s) == getpid());
        _exit(0);
    }
    CHECK_EXIT(leader, 0);
}

static void
test_tiocnotty_when_leader_then_group_gets_sighup_and_sigcont(void)
{
    pair();
    CHECK_ERROR(ioctl(s, TIOCNOTTY), ENOTTY);
    if (in_session()) {
        pid_t child = fork();
        if (child == 0) {
            CHECK(ioctl(s, TIOCNOTTY) == 0); /* only this one's */
            CHECK_ERROR(open("/dev/tty", O_RDWR), ENXIO);
            _exit(0);
        }
        CHECK_EXIT(child, 0);
        int fd = open("/dev/tty", O_RDWR);
        CHECK(fd >= 0);
        catch (SIGHUP, 0);
        catch (SIGCONT, 0);
        CHECK(ioctl(fd, TIOCNOTTY) == 0);
        CHECK(seen[SIGHUP] == 1 && seen[SIGCONT] == 1);
        CHECK_ERROR(open("/dev/tty", O_RDWR), ENXIO);
        _exit(0);
    }
    CHECK_EXIT(leader, 0);
}

static void
test_window_when_changed_then_sigwinch(void)
{
    struct winsize w = { 40, 120, 0, 0 };
    int end[2];
    int go[2];
    char c;

    pair();
    CHECK(pipe(go) == 0 && pipe(end) == 0);
    leader = fork();
    if (leader == 0) {
        setsid();
        catch (SIGWINCH, 0);
        CHECK(ioctl(s, TIOCSCTTY, 0) == 0);
        put(go[1], "!");
        while (read(end[0], &c, 1) < 0)
            ;
        CHECK(ioctl(s, TIOCGWINSZ, &w) == 0 && w.ws_row == 40 && w.ws_col == 120);
        _exit(seen[SIGWINCH]);
    }
    CHECK(read(go[0], &c, 1) == 1);
    CHECK(ioctl(m, TIOCSWINSZ, &w) == 0);
    CHECK(ioctl(m, TIOCSWINSZ, &w) == 0); /* no change: no signal */
    usleep(50000);
    put(end[1], "!");
    CHECK_EXIT(leader, 1);
}

static void
test_vhangup_when_called_then_files_end_and_leader_hears(void)
{
    char c;

    pair();
    if (in_session()) {
        catch (SIGHUP, 0);
        catch (SIGCONT, 0);
        CHECK(vhangup() == 0);
        CHECK(seen[SIGHUP] == 1 && seen[SIGCONT] == 1);
        CHECK(read(s, &c, 1) == 0);
        CHECK_ERROR(write(s, &c, 1), EIO);
        CHECK_ERROR(open("/dev/tty", O_RDWR), ENXIO);
        _exit(0);
    }
    CHECK_EXIT(leader, 0);
    s = open(slave_name, O_RDWR | O_NOCTTY); /* a new file works */
    CHECK(s >= 0);
    put(m, "again\n");
    CHECK(reads(s, "again\n"));
    CHECK(ioctl(s, TIOCVHANGUP) == 0);
    CHECK(read(s, &c, 1) == 0);
}

static void
test_stop_key_when_typed_then_job_stops_and_goes_on(void)
{
    pair();
    if (in_session()) {
        pid_t job = fork();
        if (job == 0) {
            setpgid(0, 0);
            for (;;)
                pause();
        }
        setpgid(job, job);
        CHECK(tcsetpgrp(s, job) == 0);
        put(m, "\32");
        wait_stopped(job, SIGTSTP);
        kill(-job, SIGCONT);
        put(m, "\3");
        CHECK_SIGNAL(job, SIGINT);
        _exit(0);
    }
    CHECK_EXIT(leader, 0);
}

int
main(void)
{
    pty_setup();
    RUN(test_open_when_leader_without_terminal_then_controlling, open, setsid);
    RUN(test_tiocsctty_when_not_leader_or_taken_then_eperm, ioctl);
    RUN(test_background_read_when_default_then_stopped_by_sigttin, read);
    RUN(test_background_read_when_ignored_or_blocked_then_eio, read);
    RUN(test_background_read_when_orphaned_then_eio, read);
    RUN(test_background_write_when_tostop_then_sigttou, write);
    RUN(test_background_changes_when_tried_then_sigttou, ioctl);
    RUN(test_tcsetpgrp_when_wrong_group_then_error, ioctl);
    RUN(test_leader_when_it_ends_then_foreground_gets_sighup, exit_group);
    RUN(test_tiocnotty_when_leader_then_group_gets_sighup_and_sigcont, ioctl);
    RUN(test_window_when_changed_then_sigwinch, ioctl);
    RUN(test_vhangup_when_called_then_files_end_and_leader_hears, vhangup, ioctl);
    RUN(test_stop_key_when_typed_then_job_stops_and_goes_on, ioctl, kill);
    return check_failures != 0;
}

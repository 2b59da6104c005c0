/* SPDX-License-Identifier: MIT */
/* Pseudo-terminals (pty(7), pts(4), ioctl_tty(2)): pairs, locks, hangup, packet mode,
 * devpts. */
#define _GNU_SOURCE
#include "pty.h"

#include <dirent.h>
#include <sys/sysmacros.h>

#ifndef TIOCGPTLCK
#define TIOCGPTLCK 0x80045439
#endif
#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif
#ifndef TIOCGPKT
#define TIOCGPKT 0x80045438
#endif
#define MANY 1000

static int m, s;

static void
test_ptmx_when_opened_then_locked_slave_with_number(void)
{
    int n = -1, locked = 0, peer;
    char name[32];
    struct stat st;

    m = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    CHECK(m >= 0);
    CHECK(ioctl(m, TIOCGPTN, &n) == 0 && n >= 0);
    CHECK(ioctl(m, TIOCGPTLCK, &locked) == 0 && locked == 1);
    snprintf(name, sizeof name, "/dev/pts/%d", n);
    CHECK_ERROR(open(name, O_RDWR | O_NOCTTY), EIO);
    locked = 0;
    CHECK(ioctl(m, TIOCSPTLCK, &locked) == 0);
    CHECK(ioctl(m, TIOCGPTLCK, &locked) == 0 && locked == 0);
    s = open(name, O_RDWR | O_NOCTTY);
    CHECK(s >= 0 && isatty(s) && isatty(m));
    CHECK(fstat(s, &st) == 0 && S_ISCHR(st.st_mode));
    CHECK(st.st_rdev == makedev(136, (unsigned)n) && st.st_uid == getuid());
    peer = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    CHECK(peer >= 0 && fstat(peer, &st) == 0);
    CHECK(st.st_rdev == makedev(136, (unsigned)n));
    CHECK_ERROR(ioctl(s, TIOCGPTN, &n), ENOTTY);
    CHECK_ERROR(ioctl(s, TIOCGPTPEER, O_RDWR), EIO);
    close(m);
    CHECK_ERROR(open(name, O_RDWR), ENOENT);
}

static void
test_master_when_last_slave_closes_then_eio_until_opened_again(void)
{
    char c[8], name[32];

    pty_pair(&m, &s);
    strcpy(name, ptsname(m));
    put(s, "bye");
    close(s);
    CHECK(ready(m, POLLIN, COMES_MS) == (POLLIN | POLLHUP));
    CHECK(read(m, c, sizeof c) == 3);
    CHECK_ERROR(read(m, c, 1), EIO);
    CHECK(ready(m, POLLIN, 0) == POLLHUP);
    s = open(name, O_RDWR | O_NOCTTY);
    CHECK(s >= 0 && ready(m, POLLIN, 0) == 0);
    put(m, "x\n");
    CHECK(reads(s, "x\n"));
}

static void
test_master_when_slave_was_never_open_then_input_is_kept(void)
{
    m = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(m >= 0 && grantpt(m) == 0 && unlockpt(m) == 0);
    CHECK(fcntl(m, F_SETFL, O_NONBLOCK) == 0);
    char c;
    CHECK_ERROR(read(m, &c, 1), EAGAIN);
    put(m, "early\n");
    s = open(ptsname(m), O_RDWR | O_NOCTTY);
    CHECK(reads(s, "early\n"));
}

static void
test_slave_when_master_closes_then_hung_up(void)
{
    char c[8];
    int n;
    struct termios t;

    pty_pair(&m, &s);
    put(m, "left\n");
    usleep(20000);
    close(m);
    int r = ready(s, POLLIN | POLLOUT, COMES_MS);
    CHECK((r & (POLLIN | POLLHUP | POLLERR | POLLOUT)) ==
          (POLLIN | POLLHUP | POLLERR | POLLOUT));
    CHECK(read(s, c, sizeof c) == 0);
    CHECK_ERROR(write(s, "x", 1), EIO);
    CHECK_ERROR(tcgetattr(s, &t), EIO);
    CHECK_ERROR(ioctl(s, FIONREAD, &n), EIO);
    CHECK_ERROR(tcsetpgrp(s, getpgrp()), ENOTTY);
}

static void
test_slave_when_reading_as_master_closes_then_ends(void)
{
    char c;

    pty_pair(&m, &s);
    pid_t child = fork();
    if (child == 0) {
        close(m);
        ssize_t r = read(s, &c, 1);
        _exit(r == 0 || (r < 0 && errno == EIO) ? 7 : 1);
    }
    usleep(50000);
    close(m);
    CHECK_EXIT(child, 7);
}

static void
test_session_when_master_closes_then_leader_gets_sighup(void)
{
    int go[2];
    char c;

    pty_pair(&m, &s);
    CHECK(pipe(go) == 0);
    pid_t child = fork();
    if (child == 0) {
        close(m);
        setsid();
        CHECK(ioctl(s, TIOCSCTTY, 0) == 0);
        put(go[1], "!");
        for (;;)
            pause();
    }
    CHECK(read(go[0], &c, 1) == 1);
    close(m);
    CHECK_SIGNAL(child, SIGHUP);
}

static void
test_pair_when_nobody_reads_then_writer_waits_and_nothing_is_lost(void)
{
    static char out[200000], in[200000];
    size_t have = 0;
    int status;

    pty_pair(&m, &s);
    pty_raw(s);
    for (size_t i = 0; i < sizeof out; i++)
        out[i] = (char)(i * 7 + i / 251);
    for (int way = 0; way < 2; way++) {
        int from = way ? m : s, to = way ? s : m;
        CHECK(fcntl(from, F_SETFL, O_NONBLOCK) == 0);
        ssize_t first = write(from, out, sizeof out);
        CHECK(first > 1000 && first < 100000);
        while (write(from, out, sizeof out) > 0)
            usleep(1000);
        CHECK(errno == EAGAIN);
        CHECK(tcflush(s, TCIOFLUSH) == 0);
        while (ready(to, POLLIN, 20) & POLLIN)
            CHECK(read(to, in, sizeof in) > 0);
        CHECK(fcntl(from, F_SETFL, 0) == 0);
        pid_t child = fork();
        if (child == 0)
            _exit(write(from, out, sizeof out) == (ssize_t)sizeof out ? 0 : 1);
        usleep(50000);
        for (have = 0; have < sizeof out;) {
            ssize_t r = read(to, in + have, sizeof in - have);
            CHECK(r > 0);
            have += (size_t)r;
        }
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        CHECK(memcmp(in, out, sizeof out) == 0);
    }
}

static int
packet(int want)
{
    unsigned char c[16];
    ssize_t r = ready(m, POLLIN, COMES_MS) ? read(m, c, sizeof c) : -1;

    if (r == 1 && c[0] == want)
        return 1;
    fprintf(stderr, "# packet: %zd bytes, first 0x%x, wanted 0x%x\n", r, c[0], want);
    return 0;
}

static void
test_packet_when_on_then_data_has_a_zero_and_changes_a_byte(void)
{
    int on = 1;
    char c[8];

    pty_pair(&m, &s);
    L_MODE(s, ECHO, 0);
    CHECK(ioctl(m, TIOCPKT, &on) == 0);
    on = 0;
    CHECK(ioctl(m, TIOCGPKT, &on) == 0 && on == 1);
    put(s, "ab");
    CHECK(ready(m, POLLIN, COMES_MS) & POLLIN);
    CHECK(read(m, c, sizeof c) == 3 && memcmp(c, "\0ab", 3) == 0);
    CHECK(tcflush(s, TCIFLUSH) == 0);
    CHECK((ready(m, POLLIN | POLLPRI, COMES_MS) & (POLLIN | POLLPRI)) ==
          (POLLIN | POLLPRI));
    CHECK(packet(TIOCPKT_FLUSHREAD));
    CHECK(tcflush(s, TCOFLUSH) == 0);
    CHECK(packet(TIOCPKT_FLUSHWRITE));
    CHECK(tcflow(s, TCOOFF) == 0);
    CHECK(packet(TIOCPKT_STOP));
    CHECK(tcflow(s, TCOON) == 0);
    CHECK(packet(TIOCPKT_START));
    I_MODE(s, IXON, 0);
    CHECK(packet(TIOCPKT_NOSTOP));
    I_MODE(s, 0, IXON);
    CHECK(packet(TIOCPKT_DOSTOP));
    L_MODE(s, 0, 0200000 /* EXTPROC */);
    CHECK(packet(TIOCPKT_IOCTL));
    on = 0;
    CHECK(ioctl(m, TIOCPKT, &on) == 0);
    put(s, "x");
    CHECK(comes(m, "x"));
    CHECK_ERROR(ioctl(s, TIOCPKT, &on), ENOTTY);
}

static void
test_master_when_modes_asked_then_the_slaves(void)
{
    struct termios t, u;
    struct winsize w = { 33, 99, 5, 6 }, v = { 0 };
    int n = 5;

    pty_pair(&m, &s);
    CHECK(tcgetattr(m, &t) == 0);
    t.c_lflag &= ~(tcflag_t)ECHO;
    CHECK(tcsetattr(m, TCSANOW, &t) == 0);
    CHECK(tcgetattr(s, &u) == 0 && (u.c_lflag & ECHO) == 0);
    CHECK(ioctl(m, TIOCSWINSZ, &w) == 0);
    CHECK(ioctl(s, TIOCGWINSZ, &v) == 0 && memcmp(&w, &v, sizeof w) == 0);
    CHECK(ioctl(m, FIONREAD, &n) == 0 && n == 0);
    CHECK(ioctl(m, TIOCOUTQ, &n) == 0 && n == 0);
    put(s, "abc");
    CHECK(ready(m, POLLIN, COMES_MS) & POLLIN);
    CHECK(ioctl(m, FIONREAD, &n) == 0 && n == 3);
}

static void
test_tiocsig_when_sent_then_foreground_group(void)
{
    int go[2];
    char c;

    pty_pair(&m, &s);
    CHECK(pipe(go) == 0);
    pid_t child = fork();
    if (child == 0) {
        setsid();
        CHECK(ioctl(s, TIOCSCTTY, 0) == 0);
        put(go[1], "!");
        for (;;)
            pause();
    }
    CHECK(read(go[0], &c, 1) == 1);
    CHECK_ERROR(ioctl(m, _IOW('T', 0x36, int), SIGKILL), EINVAL);
    CHECK(ioctl(m, _IOW('T', 0x36, int), SIGQUIT) == 0);
    CHECK_SIGNAL(child, SIGQUIT);
}

static int
entries(const char *name)
{
    DIR *d = opendir(name);
    int n = 0;

    CHECK(d != NULL);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

static void
test_devpts_when_mounted_anew_then_numbers_of_its_own(void)
{
    struct stat st;
    int a, b, n = -1;

    CHECK(mkdir("/tmp", 0777) == 0 || errno == EEXIST);
    CHECK(mkdir("/tmp/pts2", 0755) == 0);
    CHECK(mount("x", "/tmp/pts2", "devpts", 0,
                "newinstance,ptmxmode=0640,mode=0620,gid=5") == 0);
    CHECK(stat("/tmp/pts2/ptmx", &st) == 0 && (st.st_mode & 07777) == 0640);
    CHECK(st.st_rdev == makedev(5, 2));
    a = open("/tmp/pts2/ptmx", O_RDWR | O_NOCTTY);
    b = open("/tmp/pts2/ptmx", O_RDWR | O_NOCTTY);
    CHECK(a >= 0 && b >= 0);
    CHECK(ioctl(a, TIOCGPTN, &n) == 0 && n == 0);
    CHECK(ioctl(b, TIOCGPTN, &n) == 0 && n == 1);
    CHECK(stat("/tmp/pts2/1", &st) == 0);
    CHECK((st.st_mode & 07777) == 0620 && st.st_gid == 5 && st.st_nlink == 1);
    CHECK(entries("/tmp/pts2") == 5);
    close(a);
    CHECK(stat("/tmp/pts2/0", &st) == -1 && errno == ENOENT);
    a = open("/tmp/pts2/ptmx", O_RDWR | O_NOCTTY);
    CHECK(ioctl(a, TIOCGPTN, &n) == 0 && n == 0);
    CHECK(chmod("/tmp/pts2/0", 0604) == 0 && chown("/tmp/pts2/0", 3, 4) == 0);
    CHECK(stat("/tmp/pts2/0", &st) == 0 && (st.st_mode & 07777) == 0604 &&
          st.st_uid == 3);
    CHECK(unlink("/tmp/pts2/0") == -1 && errno == EPERM);
    CHECK(open("/tmp/pts2/file", O_CREAT | O_RDWR, 0600) == -1);
    close(a);
    close(b);
    CHECK(umount("/tmp/pts2") == 0);
    CHECK_ERROR(mount("x", "/tmp/pts2", "devpts", 0, "nonsense=1"), EINVAL);
    CHECK(mount("x", "/tmp/pts2", "devpts", 0, "max=1,ptmxmode=666") == 0);
    a = open("/tmp/pts2/ptmx", O_RDWR | O_NOCTTY);
    CHECK(a >= 0);
    CHECK_ERROR(open("/tmp/pts2/ptmx", O_RDWR | O_NOCTTY), ENOSPC);
    close(a);
    CHECK(umount("/tmp/pts2") == 0 && rmdir("/tmp/pts2") == 0);
}

static void
test_ptmx_when_no_devpts_beside_then_refused(void)
{
    mkdir("/tmp", 0777);
    mkdir("/tmp/noptys", 0755);
    CHECK(mknod("/tmp/noptys/ptmx", S_IFCHR | 0666, makedev(5, 2)) == 0);
    CHECK_ERROR(open("/tmp/noptys/ptmx", O_RDWR | O_NOCTTY), ENOENT);
    mkdir("/tmp/noptys/pts", 0755);
    CHECK_ERROR(open("/tmp/noptys/ptmx", O_RDWR | O_NOCTTY), ENODEV);
    rmdir("/tmp/noptys/pts");
    unlink("/tmp/noptys/ptmx");
    rmdir("/tmp/noptys");
}

static void
test_pairs_when_a_thousand_then_all_work(void)
{
    static int masters[MANY];
    int before = entries("/dev/pts");
    struct timespec t;

    (void)t;
    for (int i = 0; i < MANY; i++) {
        masters[i] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (masters[i] < 0 && errno == EMFILE)
            break;
        CHECK(masters[i] >= 0 && unlockpt(masters[i]) == 0);
        put(masters[i], "x");
    }
    CHECK(entries("/dev/pts") >= before + 900);
    for (int i = 0; i < MANY && masters[i] > 0; i++) {
        CHECK(reads(masters[i], "x"));
        CHECK(close(masters[i]) == 0);
    }
    CHECK(entries("/dev/pts") == before);
}

int
main(void)
{
    pty_setup();
    RUN(test_ptmx_when_opened_then_locked_slave_with_number, ioctl, open);
    RUN(test_master_when_last_slave_closes_then_eio_until_opened_again, read, poll);
    RUN(test_master_when_slave_was_never_open_then_input_is_kept, read, write);
    RUN(test_slave_when_master_closes_then_hung_up, read, write, poll, ioctl);
    RUN(test_slave_when_reading_as_master_closes_then_ends, read);
    RUN(test_session_when_master_closes_then_leader_gets_sighup, close);
    RUN(test_pair_when_nobody_reads_then_writer_waits_and_nothing_is_lost, read, write);
    RUN(test_packet_when_on_then_data_has_a_zero_and_changes_a_byte, ioctl, read, poll);
    RUN(test_master_when_modes_asked_then_the_slaves, ioctl);
    RUN(test_tiocsig_when_sent_then_foreground_group, ioctl);
    RUN(test_devpts_when_mounted_anew_then_numbers_of_its_own, mount, stat);
    RUN(test_ptmx_when_no_devpts_beside_then_refused, open);
    RUN(test_pairs_when_a_thousand_then_all_work, open, close);
    return check_failures != 0;
}

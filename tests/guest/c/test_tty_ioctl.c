/* SPDX-License-Identifier: MIT */
/* The requests of ioctl_tty(2) that are about one terminal: modes in their three shapes,
 * exclusive use, simulated input, sizes, errors. */
#define _GNU_SOURCE
#include "pty.h"

#include <sys/mman.h>
#include <sys/sysmacros.h>

/* <asm/termbits.h> cannot be included beside <termios.h>. */
struct modes2 {
    unsigned iflag, oflag, cflag, lflag;
    unsigned char line, cc[19];
    unsigned ispeed, ospeed;
};
struct modes1 {
    unsigned short iflag, oflag, cflag, lflag;
    unsigned char line, cc[8];
};
#define GETS2  _IOR('T', 0x2a, struct modes2)
#define SETS2  _IOW('T', 0x2b, struct modes2)
#define SETSW2 _IOW('T', 0x2c, struct modes2)
#define SETSF2 _IOW('T', 0x2d, struct modes2)
#define GETA   0x5405
#define SETA   0x5406
#define SETAF  0x5408
#define OTHER  0010000 /* BOTHER */
#define SPEED  0010017 /* CBAUD */

static int m, s;

static void
pair(void)
{
    pty_pair(&m, &s);
}

static void
test_modes_when_new_then_as_linux_has_them(void)
{
    struct termios t;

    pair();
    CHECK(tcgetattr(s, &t) == 0);
    CHECK(t.c_iflag == (ICRNL | IXON) && t.c_oflag == (OPOST | ONLCR));
    CHECK(t.c_cflag == (B38400 | CS8 | CREAD));
    CHECK(t.c_lflag ==
          (ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN));
    CHECK(memcmp(t.c_cc, "\3\34\177\25\4\0\1\0\21\23\32\0\22\17\27\26\0\0\0", 19) == 0);
    CHECK(cfgetospeed(&t) == B38400);
    CHECK_ERROR(ioctl(s, TCGETS, (void *)8), EFAULT);
    CHECK_ERROR(ioctl(s, TCSETS, (void *)8), EFAULT);
}

static void
test_modes2_when_any_speed_then_kept(void)
{
    struct modes2 t;
    struct termios u;

    pair();
    CHECK(ioctl(s, GETS2, &t) == 0 && t.ispeed == 38400 && t.ospeed == 38400);
    t.cflag = (t.cflag & ~(unsigned)SPEED) | OTHER;
    t.ospeed = t.ispeed = 12345;
    CHECK(ioctl(s, SETS2, &t) == 0);
    memset(&t, 0, sizeof t);
    CHECK(ioctl(s, GETS2, &t) == 0 && t.ospeed == 12345);
    CHECK(tcgetattr(s, &u) == 0);
    CHECK(cfsetspeed(&u, B115200) == 0 && tcsetattr(s, TCSANOW, &u) == 0);
    CHECK(ioctl(s, GETS2, &t) == 0 && t.ospeed == 115200 && t.ispeed == 115200);
    t.lflag &= ~(unsigned)ECHO;
    CHECK(ioctl(s, SETSW2, &t) == 0 && ioctl(s, SETSF2, &t) == 0);
    CHECK(tcgetattr(s, &u) == 0 && (u.c_lflag & ECHO) == 0);
}

static void
test_cflag_when_set_on_pty_then_8_bits_stay(void)
{
    struct termios t;

    pair();
    CHECK(tcgetattr(s, &t) == 0);
    t.c_cflag = (t.c_cflag & ~(tcflag_t)(CSIZE | CREAD)) | CS7 | PARENB;
    CHECK(tcsetattr(s, TCSANOW, &t) == 0 && tcgetattr(s, &t) == 0);
    CHECK((t.c_cflag & CSIZE) == CS8 && (t.c_cflag & PARENB) == 0 && (t.c_cflag & CREAD));
}

static void
test_termio_when_set_then_low_halves(void)
{
    struct modes1 t;
    struct termios u;

    pair();
    L_MODE(s, 0, 0200000);
    CHECK(ioctl(s, GETA, &t) == 0 && t.lflag == (unsigned short)0x8a3b && t.cc[0] == 3);
    t.lflag &= (unsigned short)~ICANON;
    t.cc[4] = 9;
    CHECK(ioctl(s, SETA, &t) == 0 && tcgetattr(s, &u) == 0);
    CHECK((u.c_lflag & 0200000) && !(u.c_lflag & ICANON) && u.c_cc[VEOF] == 9);
    CHECK(u.c_cc[VSTART] == 17);
    CHECK(ioctl(s, SETAF, &t) == 0);
}

static void
test_exclusive_when_set_then_others_get_ebusy(void)
{
    int on = -1;

    pair();
    CHECK(ioctl(s, TIOCEXCL) == 0);
    CHECK(ioctl(s, _IOR('T', 0x40, int), &on) == 0 && on == 1);
    int again = open(ptsname(m), O_RDWR | O_NOCTTY); /* root may */
    CHECK(again >= 0);
    chmod(ptsname(m), 0666);
    pid_t child = fork();
    if (child == 0) {
        CHECK(setuid(1000) == 0);
        CHECK_ERROR(open(ptsname(m), O_RDWR | O_NOCTTY), EBUSY);
        CHECK(ioctl(s, TIOCNXCL) == 0);
        CHECK(open(ptsname(m), O_RDWR | O_NOCTTY) >= 0);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

static void
test_sti_when_used_then_typed(void)
{
    pair();
    CHECK(ioctl(s, TIOCSTI, "h") == 0 && ioctl(s, TIOCSTI, "\n") == 0);
    CHECK(reads(s, "h\n"));
    CHECK(comes(m, "h\r\n"));
    CHECK_ERROR(ioctl(s, TIOCSTI, (void *)8), EFAULT);
    pid_t child = fork();
    if (child == 0) {
        CHECK(setuid(1000) == 0);
        CHECK_ERROR(ioctl(s, TIOCSTI, "x"), EPERM);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

static void
test_discipline_when_set_then_only_n_tty(void)
{
    int n = 77;

    pair();
    CHECK(ioctl(s, TIOCGETD, &n) == 0 && n == 0);
    CHECK(ioctl(s, TIOCSETD, &n) == 0);
    n = 29;
    CHECK_ERROR(ioctl(s, TIOCSETD, &n), EINVAL);
}

static void
test_small_requests_when_asked_then_answered(void)
{
    unsigned device = 0;
    int n = -1;

    pair();
    CHECK(ioctl(s, _IOR('T', 0x32, unsigned), &device) == 0);
    CHECK((device >> 8 & 0xfff) == 136);
    CHECK(ioctl(s, TIOCOUTQ, &n) == 0 && n == 0);
    CHECK(tcsendbreak(s, 0) == 0 && tcdrain(s) == 0);
    CHECK(ioctl(s, TCSBRKP, 0) == 0);
    CHECK(ioctl(s, TIOCSBRK) == 0 && ioctl(s, TIOCCBRK) == 0);
    CHECK_ERROR(ioctl(s, TIOCMGET, &n), ENOTTY);
    CHECK_ERROR(ioctl(s, TIOCGSERIAL, (char[256]){ 0 }), ENOTTY);
    CHECK_ERROR(ioctl(s, 0x54fe, &n), ENOTTY);
    CHECK_ERROR(ioctl(s, TIOCGWINSZ, (void *)8), EFAULT);
    CHECK_ERROR(ioctl(s, TIOCSWINSZ, (void *)8), EFAULT);
    CHECK_ERROR(ioctl(s, FIONREAD, (void *)8), EFAULT);
    CHECK(ioctl(s, TIOCSSOFTCAR, &(int){ 1 }) == 0);
    CHECK(ioctl(s, TIOCGSOFTCAR, &n) == 0 && n == 1);
}

static void
test_tty_when_seek_or_pread_then_espipe(void)
{
    char c;

    pair();
    CHECK_ERROR(lseek(s, 0, SEEK_CUR), ESPIPE);
    CHECK_ERROR(pread(s, &c, 1, 0), ESPIPE);
    CHECK_ERROR(ftruncate(s, 0), EINVAL);
    CHECK_ERROR(fsync(s), EINVAL);
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, s, 0) == MAP_FAILED && errno == ENODEV);
}

static void
test_read_when_bad_address_then_efault(void)
{
    pair();
    put(m, "abc\n");
    CHECK(ready(s, POLLIN, COMES_MS) & POLLIN);
    CHECK_ERROR(read(s, (void *)8, 4), EFAULT);
    CHECK_ERROR(write(s, (void *)8, 4), EFAULT);
    CHECK_ERROR(write(m, (void *)8, 4), EFAULT);
    CHECK(read(s, NULL, 0) == 0 && write(s, NULL, 0) == 0);
}

static void
test_two_readers_when_one_line_each_then_whole_lines(void)
{
    char line[64], got[64];
    int go[2];

    pair();
    L_MODE(s, ECHO, 0);
    CHECK(pipe(go) == 0);
    for (int i = 0; i < 2; i++) {
        if (fork() == 0) {
            ssize_t n;
            while ((n = read(s, got, sizeof got)) > 0)
                CHECK(write(go[1], got, (size_t)n) == n);
            _exit(0);
        }
    }
    close(go[1]);
    for (int i = 0; i < 200; i++) {
        snprintf(line, sizeof line, "line %04d of two hundred\n", i);
        put(m, line);
    }
    put(m, "\4\4");
    size_t n = strlen(line), lines = 0;
    FILE *in = fdopen(go[0], "r");
    while (fgets(got, sizeof got, in) != NULL) {
        CHECK(strlen(got) == n);
        lines++;
    }
    CHECK(lines == 200);
}

static void
test_locked_modes_when_set_then_they_stay(void)
{
    struct termios lock, before, t;

    pty_pair(&m, &s);
    memset(&lock, 0xff, sizeof lock);
    CHECK(ioctl(s, TIOCGLCKTRMIOS, &lock) == 0 && lock.c_lflag == 0 && lock.c_cc[VERASE] == 0);
    lock.c_lflag = ECHO;
    lock.c_cc[VERASE] = 1;
    CHECK(ioctl(s, TIOCSLCKTRMIOS, &lock) == 0 && tcgetattr(s, &before) == 0);
    t = before;
    t.c_lflag ^= ECHO | ISIG;
    t.c_cc[VERASE] = 'x';
    t.c_cc[VKILL] = 'y';
    CHECK(tcsetattr(s, TCSANOW, &t) == 0 && tcgetattr(s, &t) == 0);
    CHECK((t.c_lflag & ECHO) == (before.c_lflag & ECHO) && t.c_cc[VERASE] == before.c_cc[VERASE]);
    CHECK((t.c_lflag & ISIG) != (before.c_lflag & ISIG) && t.c_cc[VKILL] == 'y');
    CHECK(setuid(1000) == 0 && ioctl(s, TIOCGLCKTRMIOS, &lock) == 0 && lock.c_lflag == ECHO);
    CHECK_ERROR(ioctl(s, TIOCSLCKTRMIOS, &lock), EPERM);
}

int
main(void)
{
    pty_setup();
    RUN(test_modes_when_new_then_as_linux_has_them, ioctl);
    RUN(test_modes2_when_any_speed_then_kept, ioctl);
    RUN(test_cflag_when_set_on_pty_then_8_bits_stay, ioctl);
    RUN(test_termio_when_set_then_low_halves, ioctl);
    RUN(test_exclusive_when_set_then_others_get_ebusy, ioctl, open);
    RUN(test_sti_when_used_then_typed, ioctl);
    RUN(test_discipline_when_set_then_only_n_tty, ioctl);
    RUN(test_small_requests_when_asked_then_answered, ioctl);
    RUN(test_tty_when_seek_or_pread_then_espipe, lseek, pread64, ftruncate, fsync);
    RUN(test_read_when_bad_address_then_efault, read, write);
    RUN(test_two_readers_when_one_line_each_then_whole_lines, read);
    RUN(test_locked_modes_when_set_then_they_stay, ioctl);
    return check_failures != 0;
}

/* SPDX-License-Identifier: MIT */
/* The flags of a terminal over a pseudo-terminal (termios(3)): input and output
 * processing, signals, flow control, reading without lines. */
#define _GNU_SOURCE
#include "pty.h"

static int m, s;

static void
raw_pair(void)
{
    pty_pair(&m, &s);
    pty_raw(s);
}

static void
min_time(int min, int tenths)
{
    struct termios t;

    CHECK(tcgetattr(s, &t) == 0);
    t.c_cc[VMIN] = (cc_t)min;
    t.c_cc[VTIME] = (cc_t)tenths;
    CHECK(tcsetattr(s, TCSANOW, &t) == 0);
}

static void
send_later(int ms, const char *text)
{
    if (fork() == 0) {
        usleep((useconds_t)ms * 1000);
        put(m, text);
        _exit(0);
    }
}

/* ---- XBD 11.1.7 ---- */

static void
test_min_when_reached_then_read_returns(void)
{
    char c[10];

    raw_pair();
    min_time(3, 0);
    put(m, "ab");
    CHECK(silent(s));
    send_later(100, "c");
    CHECK(read(s, c, sizeof c) == 3 && memcmp(c, "abc", 3) == 0);
    put(m, "defg");
    CHECK(ready(s, POLLIN, COMES_MS) & POLLIN);
    CHECK(read(s, c, 2) == 2); /* fewer were wanted than MIN */
    CHECK(read(s, c, 2) == 2);
}

static void
test_min_and_time_when_pause_then_read_returns(void)
{
    char c[10];
    long begin;

    raw_pair();
    min_time(5, 3);
    send_later(600, "ab"); /* TIME counts from the first byte only */
    begin = now_ms();
    CHECK(read(s, c, sizeof c) == 2);
    CHECK(now_ms() - begin >= 800 && now_ms() - begin < 3000);
}

static void
test_time_when_nothing_comes_then_0(void)
{
    char c[10];
    long begin = now_ms();

    raw_pair();
    min_time(0, 3);
    CHECK(read(s, c, sizeof c) == 0);
    CHECK(now_ms() - begin >= 250 && now_ms() - begin < 3000);
    min_time(0, 50);
    send_later(50, "x");
    begin = now_ms();
    CHECK(read(s, c, sizeof c) == 1 && now_ms() - begin < 3000);
}

static void
test_min_and_time_0_when_read_then_what_is_there(void)
{
    char c[10];

    raw_pair();
    min_time(0, 0);
    CHECK(read(s, c, sizeof c) == 0);
    put(m, "ab");
    CHECK(ready(s, POLLIN, COMES_MS) & POLLIN);
    CHECK(read(s, c, sizeof c) == 2);
}

static void
test_nonblock_when_nothing_then_eagain(void)
{
    char c[10];

    raw_pair();
    CHECK(fcntl(s, F_SETFL, O_NONBLOCK) == 0);
    CHECK_ERROR(read(s, c, 1), EAGAIN);
    L_MODE(s, 0, ICANON);
    put(m, "ab");
    usleep(50000);
    CHECK_ERROR(read(s, c, 1), EAGAIN);
}

/* ---- input ---- */

static void
test_iflag_when_set_then_input_is_mapped(void)
{
    raw_pair();
    I_MODE(s, 0, ICRNL);
    put(m, "a\rb\n");
    CHECK(comes(s, "a\nb\n"));
    I_MODE(s, ICRNL, INLCR);
    put(m, "a\rb\n");
    CHECK(comes(s, "a\rb\r"));
    I_MODE(s, INLCR, IGNCR | ICRNL);
    put(m, "a\rb\n");
    CHECK(comes(s, "ab\n"));
    I_MODE(s, IGNCR | ICRNL, ISTRIP);
    put(m, "\341\262");
    CHECK(comes(s, "a2"));
    I_MODE(s, ISTRIP, IUCLC);
    put(m, "aBC");
    CHECK(comes(s, "aBC")); /* only with IEXTEN */
    L_MODE(s, 0, IEXTEN);
    put(m, "aBC");
    CHECK(comes(s, "abc"));
}

static void
test_parmrk_when_byte_255_then_doubled(void)
{
    raw_pair();
    I_MODE(s, 0, PARMRK);
    put(m, "a\377b");
    CHECK(comes(s, "a\377\377b"));
    I_MODE(s, 0, ISTRIP);
    put(m, "\377");
    CHECK(comes(s, "\177"));
}

static void
test_echo_when_raw_then_newline_as_control(void)
{
    raw_pair();
    L_MODE(s, 0, ECHO | ECHOCTL);
    put(m, "a\n\t\1");
    CHECK(comes(m, "a^J\t^A"));
    I_MODE(s, 0, ICRNL);
    put(m, "\r");
    CHECK(comes(m, "\n"));
    L_MODE(s, ECHOCTL, 0);
    put(m, "\1\n");
    CHECK(comes(m, "\1\n"));
}

/* ---- output ---- */

static void
test_oflag_when_set_then_output_is_mapped(void)
{
    raw_pair();
    put(s, "a\nb\t\r");
    CHECK(comes(m, "a\nb\t\r"));
    O_MODE(s, 0, OPOST | ONLCR);
    put(s, "a\nb");
    CHECK(comes(m, "a\r\nb"));
    O_MODE(s, ONLCR, OCRNL);
    put(s, "a\r");
    CHECK(comes(m, "a\n"));
    O_MODE(s, OCRNL, ONOCR);
    put(s, "\rx\r\r");
    CHECK(comes(m, "\rx\r")); /* the cursor was not in column 0 at first */
    O_MODE(s, ONOCR, OLCUC);
    put(s, "aZ1");
    CHECK(comes(m, "AZ1"));
}

static void
test_tabs_when_expanded_then_blanks_to_the_column(void)
{
    raw_pair();
    O_MODE(s, 0, OPOST | XTABS);
    put(s, "\r\tab\tabcdefgh\t.");
    CHECK(comes(m, "\r        ab      abcdefgh        ."));
    O_MODE(s, ONLCR, ONLRET);
    put(s, "\nx\t");
    CHECK(comes(m, "\nx       "));
    I_MODE(s, 0, IUTF8);
    put(s, "\r\303\244\t.");
    CHECK(comes(m, "\r\303\244       ."));
}

/* ---- signals ---- */

static volatile sig_atomic_t seen;

static void
note(int number)
{
    seen = number;
}

/* A child with the terminal, whose signals come here: it exits with the first one. */
static pid_t
child_of_terminal(int ready_fd)
{
    pid_t child = fork();

    if (child != 0)
        return child;
    CHECK(setsid() > 0);
    CHECK(ioctl(s, TIOCSCTTY, 0) == 0);
    signal(SIGINT, note);
    signal(SIGQUIT, note);
    signal(SIGTSTP, note);
    put(ready_fd, "!");
    while (seen == 0)
        usleep(1000);
    _exit(seen);
}

static void
test_isig_when_keys_then_signals(void)
{
    static const struct {
        const char *key;
        int signal;
    } t[] = { { "\3", SIGINT }, { "\34", SIGQUIT }, { "\32", SIGTSTP } };
    int go[2];
    char c;

    pty_pair(&m, &s);
    CHECK(pipe(go) == 0);
    for (int i = 0; i < 3; i++) {
        pid_t child = child_of_terminal(go[1]);
        CHECK(read(go[0], &c, 1) == 1);
        put(m, t[i].key);
        CHECK_EXIT(child, t[i].signal);
    }
    CHECK(comes(m, "^C^\\^Z"));
}

static void
test_noflsh_when_signal_then_input_stays(void)
{
    pty_pair(&m, &s);
    put(m, "abc\3x\n");
    CHECK(reads(s, "x\n"));
    L_MODE(s, 0, NOFLSH);
    put(m, "abc\3x\n");
    CHECK(reads(s, "abcx\n"));
    L_MODE(s, ISIG, 0);
    put(m, "a\3\n");
    CHECK(reads(s, "a\3\n"));
}

/* ---- flow ---- */

static void
test_ixon_when_stopped_then_output_waits(void)
{
    raw_pair();
    I_MODE(s, 0, IXON);
    put(m, "\23");
    usleep(20000);
    CHECK((ready(s, POLLOUT, 0) & POLLOUT) == 0);
    CHECK(fcntl(s, F_SETFL, O_NONBLOCK) == 0);
    CHECK_ERROR(write(s, "x", 1), EAGAIN);
    put(m, "y"); /* not with IXANY off */
    CHECK_ERROR(write(s, "x", 1), EAGAIN);
    put(m, "\21");
    CHECK(ready(s, POLLOUT, COMES_MS) & POLLOUT);
    put(s, "x");
    CHECK(comes(m, "x"));
    I_MODE(s, 0, IXANY);
    put(m, "\23z");
    CHECK(ready(s, POLLOUT, COMES_MS) & POLLOUT);
    CHECK(comes(s, "yz"));
    put(m, "\23");
    usleep(20000);
    I_MODE(s, IXON, 0); /* without IXON nobody could start it again */
    CHECK(ready(s, POLLOUT, COMES_MS) & POLLOUT);
}

static void
test_tcflow_when_off_then_output_waits_for_on(void)
{
    raw_pair();
    I_MODE(s, 0, IXON);
    CHECK(tcflow(s, TCOOFF) == 0);
    CHECK((ready(s, POLLOUT, 0) & POLLOUT) == 0);
    put(m, "\21"); /* START does not undo it */
    usleep(20000);
    CHECK((ready(s, POLLOUT, 0) & POLLOUT) == 0);
    CHECK(tcflow(s, TCOON) == 0);
    CHECK(ready(s, POLLOUT, COMES_MS) & POLLOUT);
    CHECK(tcflow(s, TCIOFF) == 0 && tcflow(s, TCION) == 0);
    CHECK(comes(m, "\23\21"));
    CHECK_ERROR(tcflow(s, 9), EINVAL);
}

static void
test_tcflush_when_called_then_queue_is_empty(void)
{
    int n = -1;

    raw_pair();
    put(m, "abc");
    CHECK(ready(s, POLLIN, COMES_MS) & POLLIN);
    CHECK(tcflush(s, TCIFLUSH) == 0);
    CHECK(ioctl(s, FIONREAD, &n) == 0 && n == 0);
    put(s, "abc");
    CHECK(tcflush(s, TCOFLUSH) == 0);
    CHECK(tcflush(s, TCIOFLUSH) == 0);
    CHECK_ERROR(tcflush(s, 9), EINVAL);
}

/* ---- changes of mode ---- */

static void
test_mode_when_changed_with_input_then_nothing_is_lost(void)
{
    pty_pair(&m, &s);
    L_MODE(s, ECHO, 0);
    put(m, "one\ntw");
    usleep(20000);
    L_MODE(s, ICANON, 0);
    CHECK(reads(s, "one\ntw"));
    put(m, "ab\ncd");
    usleep(20000);
    L_MODE(s, 0, ICANON);
    CHECK(reads(s, "ab\ncd")); /* one line */
    put(m, "x\4y\4");
    usleep(20000);
    L_MODE(s, ICANON, 0);
    CHECK(reads_bytes(s, "x\0y\0", 4)); /* an end of file is a byte 0 now */
}

static void
test_tcsetattr_when_flush_then_input_goes(void)
{
    struct termios t;

    pty_pair(&m, &s);
    put(m, "abc\n");
    CHECK(ready(s, POLLIN, COMES_MS) & POLLIN);
    CHECK(tcgetattr(s, &t) == 0);
    CHECK(tcsetattr(s, TCSADRAIN, &t) == 0);
    CHECK(ready(s, POLLIN, 0) & POLLIN);
    CHECK(tcsetattr(s, TCSAFLUSH, &t) == 0);
    CHECK(silent(s));
}

static void
test_extproc_when_set_then_input_is_left_alone(void)
{
    pty_pair(&m, &s);
    L_MODE(s, 0, 0200000 /* EXTPROC */);
    put(m, "a\177\3\r");
    CHECK(comes(s, "a\177\3\r"));
    CHECK(silent(m));
}

int
main(void)
{
    pty_setup();
    RUN(test_min_when_reached_then_read_returns, read);
    RUN(test_min_and_time_when_pause_then_read_returns, read);
    RUN(test_time_when_nothing_comes_then_0, read);
    RUN(test_min_and_time_0_when_read_then_what_is_there, read);
    RUN(test_nonblock_when_nothing_then_eagain, read);
    RUN(test_iflag_when_set_then_input_is_mapped, ioctl);
    RUN(test_parmrk_when_byte_255_then_doubled, ioctl);
    RUN(test_echo_when_raw_then_newline_as_control, ioctl);
    RUN(test_oflag_when_set_then_output_is_mapped, ioctl, write);
    RUN(test_tabs_when_expanded_then_blanks_to_the_column, ioctl, write);
    RUN(test_isig_when_keys_then_signals, ioctl, kill);
    RUN(test_noflsh_when_signal_then_input_stays, ioctl);
    RUN(test_ixon_when_stopped_then_output_waits, ioctl, write, poll);
    RUN(test_tcflow_when_off_then_output_waits_for_on, ioctl);
    RUN(test_tcflush_when_called_then_queue_is_empty, ioctl);
    RUN(test_mode_when_changed_with_input_then_nothing_is_lost, ioctl, read);
    RUN(test_tcsetattr_when_flush_then_input_goes, ioctl);
    RUN(test_extproc_when_set_then_input_is_left_alone, ioctl);
    return check_failures != 0;
}

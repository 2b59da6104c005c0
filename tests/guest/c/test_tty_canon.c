/* SPDX-License-Identifier: MIT */
/* Canonical mode over a pseudo-terminal (termios(3), XBD 11.1.6): lines, editing keys,
 * and how the screen follows. */
#define _GNU_SOURCE
#include "pty.h"

static int m, s;

static void
pair(void)
{
    pty_pair(&m, &s);
}

static void
test_line_when_ended_then_read_as_one(void)
{
    pair();
    put(m, "ab");
    CHECK(silent(s));
    put(m, "c\rd");
    CHECK(reads(s, "abc\n"));
    CHECK(silent(s));
    CHECK(comes(m, "abc\r\nd"));
}

static void
test_lines_when_two_wait_then_one_each_read(void)
{
    char c[3];

    pair();
    put(m, "one\ntwo\n");
    CHECK(read(s, c, 2) == 2 && memcmp(c, "on", 2) == 0);
    CHECK(reads(s, "e\n"));
    CHECK(reads(s, "two\n"));
}

static void
test_eof_when_typed_then_read_ends(void)
{
    pair();
    put(m, "\4");
    CHECK(reads(s, ""));
    put(m, "ab\4cd\n");
    CHECK(reads(s, "ab"));
    CHECK(reads(s, "cd\n"));
    CHECK(comes(m, "abcd\r\n"));
}

static void
test_eof_when_behind_a_filled_read_then_eaten(void)
{
    char c[4];

    pair();
    put(m, "abc\4x\n");
    CHECK(ready(s, POLLIN, COMES_MS) & POLLIN);
    CHECK(read(s, c, 3) == 3);
    CHECK(reads(s, "x\n"));
}

static void
test_available_when_lines_and_eof_then_bytes_of_lines(void)
{
    int n = -1;

    pair();
    put(m, "abc\nde\4fg");
    CHECK(ready(s, POLLIN, COMES_MS) & POLLIN);
    CHECK(ioctl(s, FIONREAD, &n) == 0);
    CHECK(n == 6);
}

static void
test_erase_when_typed_then_last_character_goes(void)
{
    pair();
    put(m, "ab\177c\n");
    CHECK(reads(s, "ac\n"));
    CHECK(comes(m, "ab\b \bc\r\n"));
    put(m, "\177\177\n"); /* nothing to erase: nothing shown */
    CHECK(reads(s, "\n"));
    CHECK(comes(m, "\r\n"));
}

static void
test_erase_when_control_character_then_two_cells(void)
{
    pair();
    put(m, "\1\177x\n");
    CHECK(reads(s, "x\n"));
    CHECK(comes(m, "^A\b \b\b \bx\r\n"));
}

static void
test_erase_when_tab_then_cursor_goes_back_to_its_start(void)
{
    pair();
    put(m, "ab\t\177\n");
    CHECK(comes(m, "ab\t\b\b\b\b\b\b\r\n"));
    put(s, "123");
    CHECK(comes(m, "123"));
    put(m, "\t\177\n"); /* the line began in column 3 */
    CHECK(comes(m, "\t\b\b\b\b\b\r\n"));
    put(m, "\t\t\177\n");
    CHECK(comes(m, "\t\t\b\b\b\b\b\b\b\b\r\n"));
}

static void
test_erase_when_utf8_then_whole_character(void)
{
    pair();
    I_MODE(s, 0, IUTF8);
    put(m, "a\303\244\177b\n");
    CHECK(reads(s, "ab\n"));
    CHECK(comes(m, "a\303\244\b \bb\r\n"));
    I_MODE(s, IUTF8, 0);
    put(m, "a\303\244\177b\n");
    CHECK(reads(s, "a\303b\n"));
}

static void
test_erase_when_no_echoe_then_key_is_shown(void)
{
    pair();
    L_MODE(s, ECHOE, 0);
    put(m, "ab\177\n");
    CHECK(reads(s, "a\n"));
    CHECK(comes(m, "ab^?\r\n"));
}

static void
test_erase_when_echoprt_then_printed_between_slashes(void)
{
    pair();
    L_MODE(s, 0, ECHOPRT);
    put(m, "abc\177\177x\n");
    CHECK(reads(s, "ax\n"));
    CHECK(comes(m, "abc\\cb/x\r\n"));
}

static void
test_word_erase_when_typed_then_word_and_blanks_go(void)
{
    pair();
    put(m, "one two_2  \27x\n");
    CHECK(reads(s, "one x\n"));
    put(m, "a-b\27\n");
    CHECK(reads(s, "a-\n"));
    L_MODE(s, IEXTEN, 0);
    put(m, "a\27\n");
    CHECK(reads(s, "a\27\n"));
}

static void
test_kill_when_echoke_then_line_wiped(void)
{
    pair();
    put(m, "abc\25d\n");
    CHECK(reads(s, "d\n"));
    CHECK(comes(m, "abc\b \b\b \b\b \bd\r\n"));
}

static void
test_kill_when_no_echoke_then_key_and_newline(void)
{
    pair();
    L_MODE(s, ECHOKE, 0);
    put(m, "abc\25d\n");
    CHECK(reads(s, "d\n"));
    CHECK(comes(m, "abc^U\r\nd\r\n"));
    L_MODE(s, ECHOK, 0);
    put(m, "abc\25d\n");
    CHECK(comes(m, "abc^Ud\r\n"));
}

static void
test_reprint_when_typed_then_line_shown_again(void)
{
    pair();
    put(m, "ab\22\n");
    CHECK(reads(s, "ab\n"));
    CHECK(comes(m, "ab^R\r\nab\r\n"));
}

static void
test_lnext_when_typed_then_next_is_ordinary(void)
{
    pair();
    put(m, "\26\3\26\26\n");
    CHECK(reads(s, "\3\26\n"));
    CHECK(comes(m, "^\b^C^\b^V\r\n"));
    put(m, "\26\n\n");
    CHECK(reads(s, "\n\n"));
}

static void
test_eol_when_set_then_ends_a_line(void)
{
    pair();
    pty_cc(s, VEOL, ';');
    pty_cc(s, VEOL2, '!');
    put(m, "a;b!c\n");
    CHECK(reads(s, "a;"));
    CHECK(reads(s, "b!"));
    CHECK(reads(s, "c\n"));
    CHECK(comes(m, "a;b!c\r\n"));
}

static void
test_control_character_when_disabled_then_ordinary(void)
{
    pair();
    pty_cc(s, VERASE, 0);
    put_bytes(m, "a\177\0b\n", 5);
    CHECK(reads_bytes(s, "a\177\0b\n", 5));
}

static void
test_line_when_longer_than_the_queue_then_4095_and_its_end(void)
{
    static char line[6000], got[8192];

    pair();
    L_MODE(s, ECHO, 0);
    memset(line, 'x', sizeof line);
    for (size_t i = 0; i < sizeof line; i++)
        line[i] = (char)('a' + i % 26);
    put_bytes(m, line, sizeof line);
    put(m, "\n");
    CHECK(ready(s, POLLIN, COMES_MS) & POLLIN);
    CHECK(read(s, got, sizeof got) == 4096);
    CHECK(memcmp(got, line, 4095) == 0 && got[4095] == '\n');
    CHECK(silent(s));
}

static void
test_echo_when_off_then_silent_but_echonl(void)
{
    pair();
    L_MODE(s, ECHO, 0);
    put(m, "ab\177\n");
    CHECK(reads(s, "a\n"));
    CHECK(silent(m));
    L_MODE(s, 0, ECHONL);
    put(m, "ab\n");
    CHECK(reads(s, "ab\n"));
    CHECK(comes(m, "\r\n"));
}

static void
test_echoctl_when_off_then_bytes_as_they_are(void)
{
    pair();
    L_MODE(s, ECHOCTL, 0);
    put(m, "\1\n");
    CHECK(comes(m, "\1\r\n"));
}

int
main(void)
{
    pty_setup();
    RUN(test_line_when_ended_then_read_as_one, read, write);
    RUN(test_lines_when_two_wait_then_one_each_read, read);
    RUN(test_eof_when_typed_then_read_ends, read);
    RUN(test_eof_when_behind_a_filled_read_then_eaten, read);
    RUN(test_available_when_lines_and_eof_then_bytes_of_lines, ioctl);
    RUN(test_erase_when_typed_then_last_character_goes, read);
    RUN(test_erase_when_control_character_then_two_cells, read);
    RUN(test_erase_when_tab_then_cursor_goes_back_to_its_start, read);
    RUN(test_erase_when_utf8_then_whole_character, ioctl);
    RUN(test_erase_when_no_echoe_then_key_is_shown, ioctl);
    RUN(test_erase_when_echoprt_then_printed_between_slashes, ioctl);
    RUN(test_word_erase_when_typed_then_word_and_blanks_go, ioctl);
    RUN(test_kill_when_echoke_then_line_wiped, ioctl);
    RUN(test_kill_when_no_echoke_then_key_and_newline, ioctl);
    RUN(test_reprint_when_typed_then_line_shown_again, ioctl);
    RUN(test_lnext_when_typed_then_next_is_ordinary, ioctl);
    RUN(test_eol_when_set_then_ends_a_line, ioctl);
    RUN(test_control_character_when_disabled_then_ordinary, ioctl);
    RUN(test_line_when_longer_than_the_queue_then_4095_and_its_end, read);
    RUN(test_echo_when_off_then_silent_but_echonl, ioctl);
    RUN(test_echoctl_when_off_then_bytes_as_they_are, ioctl);
    return check_failures != 0;
}

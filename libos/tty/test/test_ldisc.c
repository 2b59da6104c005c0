/* SPDX-License-Identifier: MIT */
/* The line discipline, driven byte by byte: what is read, what is echoed, which signals
 * are sent. */
#include "tty/ldisc.h"

#include "signal/signal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ldisc l;
static char echoed[65536];
static size_t echo_count;
static int last_signal;
static int failures;

static void
put(struct ldisc *unused, u8 byte)
{
    (void)unused;
    if (echo_count < sizeof(echoed) - 1)
        echoed[echo_count++] = (char)byte;
    echoed[echo_count] = '\0';
}

static void
take_signal(struct ldisc *unused, int number)
{
    (void)unused;
    last_signal = number;
}

static void
fresh(void)
{
    ldisc_init(&l);
    l.put = put;
    l.signal = take_signal;
    echo_count = 0;
    echoed[0] = '\0';
    last_signal = 0;
}

static void
type(const char *text)
{
    for (; *text != '\0'; text++)
        ldisc_input(&l, (u8)*text);
}

#define CHECK(c)                                                                         \
    do {                                                                                 \
        if (!(c)) {                                                                      \
            printf("# %s:%d: %s\n", __FILE__, __LINE__, #c);                             \
            return false;                                                                \
        }                                                                                \
    } while (0)

/* Read once and compare. */
static bool
reads(const char *wanted)
{
    u8 bytes[8192];
    bool eof;
    u32 n = ldisc_read(&l, bytes, sizeof(bytes), &eof);
    return n == strlen(wanted) && memcmp(bytes, wanted, n) == 0;
}

/* Verify that a line is readable only when it is complete, one line a read, and is echoed
 * with CR NL. */
static bool
test_read_when_lines_were_typed_then_one_line_each(void)
{
    fresh();
    type("ab");
    CHECK(!ldisc_readable(&l, 1));
    type("c\rnext\n");
    CHECK(ldisc_readable(&l, 1) && ldisc_available(&l) == 4);
    CHECK(reads("abc\n") && reads("next\n") && !ldisc_readable(&l, 1));
    CHECK(strcmp(echoed, "abc\r\nnext\r\n") == 0);
    return true;
}

/* Verify that erase, word erase and kill edit the line and the screen. */
static bool
test_edit_when_keys_are_typed_then_line_changes(void)
{
    fresh();
    type("helo\177\177llo\n");
    CHECK(reads("hello\n"));
    CHECK(strcmp(echoed, "helo\b \b\b \bllo\r\n") == 0);
    fresh();
    type("one two\027three\n");
    CHECK(reads("one three\n"));
    fresh();
    type("wrong\025right\n");
    CHECK(reads("right\n"));
    fresh();
    type("\177\177x\n"); /* nothing to erase */
    CHECK(reads("x\n"));
    fresh();
    type("a\001\177b\n"); /* ^A takes two cells */
    CHECK(reads("ab\n") && strcmp(echoed, "a^A\b \b\b \bb\r\n") == 0);
    return true;
}

/* Verify that EOF ends a line without a byte, and alone means the end of the file. */
static bool
test_read_when_eof_was_typed_then_end_of_file(void)
{
    u8 bytes[8];
    bool eof;

    fresh();
    type("ab\004");
    CHECK(ldisc_readable(&l, 1) && reads("ab"));
    CHECK(!ldisc_readable(&l, 1));
    type("\004");
    CHECK(ldisc_readable(&l, 1));
    CHECK(ldisc_read(&l, bytes, sizeof(bytes), &eof) == 0 && eof);
    type("abcd\004"); /* the buffer ends where the line does: no false end of file follows
                       */
    CHECK(ldisc_read(&l, bytes, 4, &eof) == 4 && !eof && !ldisc_readable(&l, 1));
    return true;
}

/* Verify that INTR, QUIT and SUSP send signals and flush the input, and do not when ISIG
 * is off. */
static bool
test_signal_when_isig_then_sent(void)
{
    fresh();
    type("half\003");
    CHECK(last_signal == SIG_INT && strcmp(echoed, "half^C") == 0);
    type("x\n");
    CHECK(reads("x\n"));
    type("\032");
    CHECK(last_signal == SIG_TSTP);
    type("\034");
    CHECK(last_signal == SIG_QUIT);
    fresh();
    l.t.lflag &= ~TL_ISIG;
    type("\003\n");
    CHECK(last_signal == 0 && reads("\003\n"));
    return true;
}

/* Verify that raw mode gives each byte at once, and that MIN counts. */
static bool
test_read_when_raw_then_each_byte(void)
{
    struct termios t;

    fresh();
    t = l.t;
    t.lflag = 0;
    t.iflag = 0;
    t.oflag = 0;
    ldisc_set(&l, &t);
    type("a\r\003");
    CHECK(ldisc_readable(&l, 3) && !ldisc_readable(&l, 4) && echo_count == 0);
    CHECK(reads("a\r\003"));
    type("left"); /* typed raw, read canonical */
    fresh();
    ldisc_set(&l, &t);
    type("left");
    t.lflag = TL_ICANON;
    ldisc_set(&l, &t);
    CHECK(ldisc_readable(&l, 1) && reads("left"));
    return true;
}

/* Verify that LNEXT takes the next byte as it is, and that XON and XOFF stop and start
 * output. */
static bool
test_input_when_quoted_or_flow_then_as_said(void)
{
    fresh();
    type("\026\003\n");
    CHECK(last_signal == 0 && reads("\003\n"));
    fresh();
    type("\023");
    CHECK(l.stopped);
    type("\021");
    CHECK(!l.stopped && ldisc_available(&l) == 0);
    return true;
}

/* Verify that a full queue loses bytes but never the end of the line. */
static bool
test_input_when_queue_is_full_then_line_can_end(void)
{
    u8 bytes[8192];
    bool eof;

    fresh();
    for (int i = 0; i < 10000; i++)
        ldisc_input(&l, 'x');
    ldisc_input(&l, '\n');
    CHECK(ldisc_read(&l, bytes, sizeof(bytes), &eof) == LDISC_QUEUE &&
          bytes[LDISC_QUEUE - 1] == '\n');
    return true;
}

/* Verify that the invariants hold over random bytes and mode changes. */
static bool
test_random_when_anything_is_typed_then_invariants_hold(void)
{
    u8 bytes[512];
    bool eof;

    fresh();
    srand(1);
    for (int i = 0; i < 2000000; i++) {
        int r = rand();
        if (r % 1000 == 0) {
            struct termios t = l.t;
            t.lflag ^= 1u << (r >> 12) % 16;
            t.iflag ^= 1u << (r >> 16) % 15;
            ldisc_set(&l, &t);
        } else if (r % 50 == 0) {
            ldisc_read(&l, bytes, (u32)(r >> 12) % 512, &eof);
        } else {
            ldisc_input(&l, (u8)(r >> 8));
        }
        if (echo_count > 60000)
            echo_count = 0;
        u32 n = 0;
        if (i % 64 == 0) {
            CHECK(l.head - l.tail <= LDISC_QUEUE);
            for (u32 at = l.tail; at != l.head; at++)
                n += l.queue[at % LDISC_QUEUE] > 0xff;
            CHECK(n == l.lines);
        }
    }
    return true;
}

#define RUN(t)                                                                           \
    do {                                                                                 \
        bool good = t();                                                                 \
        printf("%s - %s\n", good ? "ok" : "not ok", #t);                                 \
        failures += !good;                                                               \
    } while (0)

int
main(void)
{
    RUN(test_read_when_lines_were_typed_then_one_line_each);
    RUN(test_edit_when_keys_are_typed_then_line_changes);
    RUN(test_read_when_eof_was_typed_then_end_of_file);
    RUN(test_signal_when_isig_then_sent);
    RUN(test_read_when_raw_then_each_byte);
    RUN(test_input_when_quoted_or_flow_then_as_said);
    RUN(test_input_when_queue_is_full_then_line_can_end);
    RUN(test_random_when_anything_is_typed_then_invariants_hold);
    return failures != 0;
}

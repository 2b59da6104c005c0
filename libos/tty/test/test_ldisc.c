/* SPDX-License-Identifier: MIT */
/* The line discipline, driven byte by byte: what is read, what is echoed, which signals
 * are sent. */
#include "tty/ldisc.h"

#include "signal/signal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ldisc l;
static u8 queue[LDISC_QUEUE], sent[8192];
static char echoed[65536];
static size_t echo_count;
static int last_signal;
static int failures;

static void
take_echo(void)
{
    while (ring_count(&l.out) > 0 && echo_count < sizeof(echoed) - 1)
        echoed[echo_count++] = (char)ring_get(&l.out);
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
    ldisc_init(&l, queue, sent, sizeof(sent));
    l.signal = take_signal;
    echo_count = 0;
    echoed[0] = '\0';
    last_signal = 0;
}

static void
type(const char *text)
{
    for (; *text != '\0'; text++) {
        u8 byte = (u8)*text;
        ldisc_receive(&l, &byte, 1);
        take_echo();
    }
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
    CHECK(ldisc_readable(&l, 1) && ldisc_available(&l) == 9);
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
    CHECK(ldisc_read(&l, bytes, 4, &eof) == 4 && !eof);
    ldisc_skip_eof(&l);
    CHECK(!ldisc_readable(&l, 1));
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
        type("x");
    type("\n");
    CHECK(ldisc_read(&l, bytes, sizeof(bytes), &eof) == LDISC_QUEUE &&
          bytes[LDISC_QUEUE - 1] == '\n');
    return true;
}

/* Verify that a break and a wrong parity do what the flags say. */
static bool
test_fault_when_flags_then_as_said(void)
{
    static const struct {
        u32 iflag;
        enum ldisc_fault what;
        u32 count;
        u8 bytes[3];
        int signal;
    } t[] = {
        { 0, LDISC_BREAK, 1, { 0 }, 0 },
        { TI_IGNBRK | TI_BRKINT, LDISC_BREAK, 0, { 0 }, 0 },
        { TI_BRKINT, LDISC_BREAK, 0, { 0 }, SIG_INT },
        { TI_PARMRK, LDISC_BREAK, 3, { 0xff, 0, 0 }, 0 },
        { 0, LDISC_PARITY, 1, { 'x' }, 0 },
        { TI_INPCK, LDISC_PARITY, 1, { 0 }, 0 },
        { TI_INPCK | TI_IGNPAR, LDISC_PARITY, 0, { 0 }, 0 },
        { TI_INPCK | TI_PARMRK, LDISC_PARITY, 3, { 0xff, 0, 'x' }, 0 },
    };
    u8 bytes[8];
    bool end;

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        fresh();
        struct termios raw = l.t;
        raw.lflag = TL_ISIG;
        raw.iflag = t[i].iflag;
        ldisc_set(&l, &raw);
        ldisc_receive_fault(&l, 'x', t[i].what);
        CHECK(ldisc_read(&l, bytes, 8, &end) == t[i].count);
        CHECK(memcmp(bytes, t[i].bytes, t[i].count) == 0 && last_signal == t[i].signal);
    }
    return true;
}

/* Verify that echo waits while output is stopped, before what is written then. */
static bool
test_echo_when_stopped_then_waits_in_order(void)
{
    fresh();
    type("\023ab");
    CHECK(echo_count == 0 && ldisc_write(&l, (const u8 *)"cd", 2) == 0);
    type("\021");
    CHECK(ldisc_write(&l, (const u8 *)"cd", 2) == 2);
    take_echo();
    CHECK(strcmp(echoed, "abcd") == 0);
    return true;
}

/* Verify that a write into a full ring takes what fits, and all of it in the end. */
static bool
test_write_when_ring_is_full_then_partial(void)
{
    static u8 text[10000];
    u32 done = 0;

    fresh();
    memset(text, '\n', sizeof(text));
    while (done < sizeof(text)) {
        u32 n = ldisc_write(&l, text + done, (u32)sizeof(text) - done);
        CHECK(n > 0 && ring_count(&l.out) <= sizeof(sent));
        done += n;
        CHECK(ldisc_write(&l, text, 1) == 0 || done == sizeof(text));
        take_echo();
    }
    CHECK(echo_count == 2 * sizeof(text) || echo_count == 2 * sizeof(text) + 2);
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
    RUN(test_fault_when_flags_then_as_said);
    RUN(test_echo_when_stopped_then_waits_in_order);
    RUN(test_write_when_ring_is_full_then_partial);
    return failures != 0;
}

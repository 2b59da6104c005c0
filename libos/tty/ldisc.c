/* SPDX-License-Identifier: MIT */
/* The line discipline; ldisc.h has the invariants. */
#include "tty/ldisc.h"

#include "core/string.h"
#include "signal/signal.h"

#define END      0x100u /* a line ends with this byte */
#define EMPTY    0x200u /* a line ends, and there is no byte (EOF) */
#define DISABLED 0      /* _POSIX_VDISABLE */

static const struct termios defaults = {
    .iflag = TI_ICRNL | TI_IXON,
    .oflag = TO_OPOST | TO_ONLCR,
    .cflag = TC_DEFAULT,
    .lflag = TL_ISIG | TL_ICANON | TL_ECHO | TL_ECHOE | TL_ECHOK | TL_ECHOCTL |
             TL_ECHOKE | TL_IEXTEN,
    .cc = { 3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0 },
};

void
ldisc_init(struct ldisc *l)
{
    memset(l, 0, sizeof(*l));
    l->t = defaults;
}

static bool
is_cc(const struct ldisc *l, enum ldisc_cc which, u8 byte)
{
    return l->t.cc[which] != DISABLED && l->t.cc[which] == byte;
}

static bool
flag(const struct ldisc *l, u32 bits)
{
    return (l->t.lflag & bits) != 0;
}

/* ---- output ---- */

static void
put_spaces(struct ldisc *l)
{
    do
        l->put(l, ' ');
    while (++l->column % 8 != 0);
}

void
ldisc_output(struct ldisc *l, u8 byte)
{
    u32 o = l->t.oflag;

    if (!(o & TO_OPOST)) {
        l->put(l, byte);
        return;
    }
    switch (byte) {
    case '\n':
        if (o & TO_ONLRET)
            l->column = 0;
        if (o & TO_ONLCR) {
            l->column = 0;
            l->put(l, '\r');
        }
        break;
    case '\r':
        if ((o & TO_ONOCR) && l->column == 0)
            return;
        if (o & TO_OCRNL)
            byte = '\n';
        l->column = 0;
        break;
    case '\t':
        if ((o & TO_TABS) == TO_TABS) {
            put_spaces(l);
            return;
        }
        l->column = (l->column | 7) + 1;
        break;
    case '\b': l->column -= l->column > 0; break;
    default:
        if (o & TO_OLCUC && byte >= 'a' && byte <= 'z')
            byte = (u8)(byte - 'a' + 'A');
        /* A continuation byte of UTF-8 takes no column. */
        if (byte >= ' ' && byte != 127 &&
            !((l->t.iflag & TI_IUTF8) && (byte & 0xc0) == 0x80))
            l->column++;
        break;
    }
    l->put(l, byte);
}

static bool
shown_with_caret(const struct ldisc *l, u8 byte)
{
    return flag(l, TL_ECHOCTL) && (byte < ' ' || byte == 127) && byte != '\t' &&
           byte != '\n';
}

static void
echo(struct ldisc *l, u8 byte)
{
    if (shown_with_caret(l, byte)) {
        ldisc_output(l, '^');
        ldisc_output(l, byte ^ 0x40);
    } else {
        ldisc_output(l, byte);
    }
}

static void
erase_cells(struct ldisc *l, u32 n)
{
    for (; n > 0; n--) {
        ldisc_output(l, '\b');
        ldisc_output(l, ' ');
        ldisc_output(l, '\b');
    }
}

/* ---- the queue ---- */

static u16 *
entry(struct ldisc *l, u32 at)
{
    return &l->queue[at % LDISC_QUEUE];
}

static void
append(struct ldisc *l, u16 value)
{
    u32 room = LDISC_QUEUE - (l->head - l->tail);
    bool ends = (value & (END | EMPTY)) != 0;

    if (room == 0 || (room == 1 && flag(l, TL_ICANON) && !ends)) {
        if (l->t.iflag & TI_IMAXBEL)
            l->put(l, 7);
        return;
    }
    *entry(l, l->head++) = value;
    l->lines += ends;
}

/* The last byte of the line being typed, or -1. */
static int
last_typed(struct ldisc *l)
{
    if (l->head == l->tail || (*entry(l, l->head - 1) & (END | EMPTY)))
        return -1;
    return *entry(l, l->head - 1) & 0xff;
}

/* The column at which the line being typed begins is not kept: a tab is measured from
 * what comes before it. */
static u32
cells_of_tab(struct ldisc *l)
{
    u32 column = 0, at = l->head;

    while (at != l->tail && !(*entry(l, at - 1) & (END | EMPTY)))
        at--;
    for (; at != l->head; at++) {
        u8 byte = (u8)*entry(l, at);
        column = byte == '\t' ? (column | 7) + 1
                              : column + (shown_with_caret(l, byte) ? 2 : 1);
    }
    u32 cells = 8 - column % 8;
    return cells > l->column ? l->column : cells;
}

static void
erase_one(struct ldisc *l)
{
    int byte = last_typed(l);

    if (byte < 0)
        return;
    /* The whole of a UTF-8 sequence goes. */
    while ((l->t.iflag & TI_IUTF8) && (byte & 0xc0) == 0x80) {
        l->head--;
        byte = last_typed(l);
        if (byte < 0)
            return;
    }
    l->head--;
    if (!flag(l, TL_ECHO))
        return;
    if (!flag(l, TL_ECHOE))
        echo(l, l->t.cc[CC_ERASE]);
    else if (byte == '\t')
        erase_cells(l, cells_of_tab(l));
    else
        erase_cells(l, shown_with_caret(l, (u8)byte) ? 2 : byte >= ' ' ? 1 : 0);
}

static bool
is_word(int byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || byte == '_' || byte >= 128;
}

static void
erase_word(struct ldisc *l)
{
    while (last_typed(l) >= 0 && !is_word(last_typed(l)))
        erase_one(l);
    while (is_word(last_typed(l)))
        erase_one(l);
}

static void
erase_line(struct ldisc *l)
{
    if (flag(l, TL_ECHOKE) && flag(l, TL_ECHOE)) {
        while (last_typed(l) >= 0)
            erase_one(l);
        return;
    }
    while (last_typed(l) >= 0)
        l->head--;
    if (flag(l, TL_ECHO)) {
        echo(l, l->t.cc[CC_KILL]);
        if (flag(l, TL_ECHOK))
            ldisc_output(l, '\n');
    }
}

static void
reprint(struct ldisc *l)
{
    u32 at = l->head;

    echo(l, l->t.cc[CC_REPRINT]);
    ldisc_output(l, '\n');
    while (at != l->tail && !(*entry(l, at - 1) & (END | EMPTY)))
        at--;
    for (; at != l->head; at++)
        echo(l, (u8)*entry(l, at));
}

/* ---- input ---- */

static bool
input_signal(struct ldisc *l, u8 byte)
{
    int number = is_cc(l, CC_INTR, byte)   ? SIG_INT
                 : is_cc(l, CC_QUIT, byte) ? SIG_QUIT
                 : is_cc(l, CC_SUSP, byte) ? SIG_TSTP
                                           : 0;

    if (number == 0 || !flag(l, TL_ISIG))
        return false;
    if (!flag(l, TL_NOFLSH))
        ldisc_flush_input(l);
    l->stopped = false;
    if (flag(l, TL_ECHO))
        echo(l, byte);
    l->signal(l, number);
    return true;
}

static bool
input_flow(struct ldisc *l, u8 byte)
{
    if (!(l->t.iflag & TI_IXON))
        return false;
    if (is_cc(l, CC_START, byte)) {
        l->stopped = false;
        return true;
    }
    if (is_cc(l, CC_STOP, byte)) {
        l->stopped = true;
        return true;
    }
    return false;
}

/* Editing keys and line ends; false: an ordinary byte. */
static bool
input_canonical(struct ldisc *l, u8 byte)
{
    bool extended = flag(l, TL_IEXTEN);

    if (is_cc(l, CC_ERASE, byte)) {
        erase_one(l);
    } else if (is_cc(l, CC_KILL, byte)) {
        erase_line(l);
    } else if (extended && is_cc(l, CC_WERASE, byte)) {
        erase_word(l);
    } else if (extended && is_cc(l, CC_REPRINT, byte) && flag(l, TL_ECHO)) {
        reprint(l);
    } else if (is_cc(l, CC_EOF, byte)) {
        append(l, EMPTY);
    } else if (byte == '\n' || is_cc(l, CC_EOL, byte) ||
               (extended && is_cc(l, CC_EOL2, byte))) {
        if (flag(l, TL_ECHO) || (byte == '\n' && flag(l, TL_ECHONL)))
            echo(l, byte);
        append(l, (u16)(byte | END));
    } else {
        return false;
    }
    return true;
}

void
ldisc_input(struct ldisc *l, u8 byte)
{
    u32 i = l->t.iflag;

    if (i & TI_ISTRIP)
        byte &= 0x7f;
    if ((i & TI_IUCLC) && flag(l, TL_IEXTEN) && byte >= 'A' && byte <= 'Z')
        byte = (u8)(byte - 'A' + 'a');
    if (l->quoted) {
        l->quoted = false;
        if (flag(l, TL_ECHO))
            echo(l, byte);
        append(l, byte);
        return;
    }
    if (l->stopped && (i & TI_IXANY) && (i & TI_IXON))
        l->stopped = false;
    if (input_flow(l, byte) || input_signal(l, byte))
        return;
    if (byte == '\r') {
        if (i & TI_IGNCR)
            return;
        if (i & TI_ICRNL)
            byte = '\n';
    } else if (byte == '\n' && (i & TI_INLCR)) {
        byte = '\r';
    }
    if (flag(l, TL_ICANON)) {
        if (flag(l, TL_IEXTEN) && is_cc(l, CC_LNEXT, byte)) {
            l->quoted = true;
            if (flag(l, TL_ECHO) && flag(l, TL_ECHOCTL)) {
                ldisc_output(l, '^');
                ldisc_output(l, '\b');
            }
            return;
        }
        if (input_canonical(l, byte))
            return;
    }
    if (flag(l, TL_ECHO))
        echo(l, byte);
    append(l, byte);
}

/* ---- reading ---- */

u32
ldisc_available(const struct ldisc *l)
{
    u32 n = 0;

    if (!(l->t.lflag & TL_ICANON))
        return l->head - l->tail;
    if (l->lines == 0)
        return 0;
    for (u32 at = l->tail; at != l->head; at++) {
        u16 e = l->queue[at % LDISC_QUEUE];
        n += !(e & EMPTY);
        if (e & (END | EMPTY))
            break;
    }
    return n;
}

bool
ldisc_readable(const struct ldisc *l, u32 min)
{
    if (l->t.lflag & TL_ICANON)
        return l->lines > 0;
    return l->head - l->tail >= (min ? min : 1);
}

u32
ldisc_read(struct ldisc *l, u8 *to, u32 n, bool *eof)
{
    bool canonical = flag(l, TL_ICANON);
    u32 done = 0;

    *eof = false;
    if (canonical && l->lines == 0)
        return 0;
    while (done < n && l->tail != l->head) {
        u16 e = *entry(l, l->tail++);
        l->lines -= (e & (END | EMPTY)) != 0;
        if (e & EMPTY) {
            if (canonical) {
                *eof = done == 0;
                return done;
            }
            continue;
        }
        to[done++] = (u8)e;
        if (canonical && (e & END))
            return done;
    }
    /* An EOF right behind a line that filled the buffer belongs to it. */
    if (canonical && done == n && l->tail != l->head && (*entry(l, l->tail) & EMPTY)) {
        l->tail++;
        l->lines--;
    }
    return done;
}

void
ldisc_flush_input(struct ldisc *l)
{
    l->tail = l->head;
    l->lines = 0;
    l->quoted = false;
}

void
ldisc_set(struct ldisc *l, const struct termios *t)
{
    bool was = flag(l, TL_ICANON);

    l->t = *t;
    if (!(t->iflag & TI_IXON))
        l->stopped = false;
    /* What was typed raw is a line when canonical mode begins, so that it can be read. */
    if (!was && flag(l, TL_ICANON) && l->head != l->tail &&
        !(*entry(l, l->head - 1) & (END | EMPTY))) {
        *entry(l, l->head - 1) |= END;
        l->lines++;
    }
}

/* SPDX-License-Identifier: MIT */
/* The line discipline's way in: one byte of the line after another. */
#include "tty/ldisc.h"

#include "signal/signal.h"

static bool
flag(const struct ldisc *l, u32 bits)
{
    return (l->t.lflag & bits) != 0;
}

static void
append(struct ldisc *l, u8 byte)
{
    l->in[l->head++ & (LDISC_QUEUE - 1)] = byte;
}

/* PARMRK: a byte 255 is doubled, to tell it from a mark (XBD 11.2.2). */
static void
append_doubled(struct ldisc *l, u8 byte)
{
    if (byte == 0xff && (l->t.iflag & TI_PARMRK))
        append(l, byte);
    append(l, byte);
}

static void
end_line(struct ldisc *l, u8 byte)
{
    u32 at = l->head & (LDISC_QUEUE - 1);
    append(l, byte);
    l->marks[at / 64] |= 1ull << at % 64;
    l->canon = l->head;
}

static void
echo_input(struct ldisc *l, u8 byte)
{
    if (l->canon == l->head)
        l->canon_column = l->column;
    ldisc_echo(l, byte);
}

/* An ordinary byte.  A newline that was a return moves the cursor; others are shown as
 * the control characters that they are here. */
static void
input_plain(struct ldisc *l, u8 byte, bool was_return)
{
    if (flag(l, TL_ECHO)) {
        ldisc_end_erasing(l);
        if (was_return && byte == '\n')
            ldisc_echo_plain(l, byte);
        else
            echo_input(l, byte);
    }
    append_doubled(l, byte);
}

static void
send_signal(struct ldisc *l, int number)
{
    if (!flag(l, TL_NOFLSH)) {
        ring_clear(&l->echo);
        ldisc_flush_output(l);
        ldisc_flush_input(l);
        if (l->event != NULL)
            l->event(l, LDISC_FLUSH_IN);
    }
    l->signal(l, number);
}

static bool
input_signal(struct ldisc *l, u8 byte)
{
    int number = ldisc_is_cc(l, CC_INTR, byte)   ? SIG_INT
                 : ldisc_is_cc(l, CC_QUIT, byte) ? SIG_QUIT
                 : ldisc_is_cc(l, CC_SUSP, byte) ? SIG_TSTP
                                                 : 0;

    if (number == 0 || !flag(l, TL_ISIG))
        return false;
    send_signal(l, number);
    if ((l->t.iflag & TI_IXON) && !l->held)
        ldisc_start(l);
    if (flag(l, TL_ECHO))
        ldisc_echo(l, byte);
    return true;
}

static bool
input_flow(struct ldisc *l, u8 byte)
{
    if (!(l->t.iflag & TI_IXON))
        return false;
    if (ldisc_is_cc(l, CC_START, byte)) {
        if (!l->held)
            ldisc_start(l);
        return true;
    }
    if (ldisc_is_cc(l, CC_STOP, byte)) {
        ldisc_stop(l);
        return true;
    }
    return false;
}

static void
reprint(struct ldisc *l, u8 byte)
{
    ldisc_end_erasing(l);
    ldisc_echo(l, byte);
    ldisc_echo_plain(l, '\n');
    for (u32 at = l->canon; at != l->head; at++)
        ldisc_echo(l, ldisc_at(l, at));
}

static void
quote(struct ldisc *l)
{
    l->quoted = true;
    if (!flag(l, TL_ECHO))
        return;
    ldisc_end_erasing(l);
    if (flag(l, TL_ECHOCTL)) {
        ldisc_echo_plain(l, '^');
        ldisc_echo_plain(l, '\b');
    }
}

/* Editing keys and line ends; false: an ordinary byte. */
static bool
input_canonical(struct ldisc *l, u8 byte)
{
    bool extended = flag(l, TL_IEXTEN);

    if (ldisc_is_cc(l, CC_ERASE, byte)) {
        ldisc_erase(l, CC_ERASE);
    } else if (extended && ldisc_is_cc(l, CC_WERASE, byte)) {
        ldisc_erase(l, CC_WERASE);
    } else if (ldisc_is_cc(l, CC_KILL, byte)) {
        ldisc_erase(l, CC_KILL);
    } else if (extended && ldisc_is_cc(l, CC_LNEXT, byte)) {
        quote(l);
    } else if (extended && flag(l, TL_ECHO) && ldisc_is_cc(l, CC_REPRINT, byte)) {
        reprint(l, byte);
    } else if (byte == '\n') {
        if (flag(l, TL_ECHO | TL_ECHONL))
            ldisc_echo_plain(l, byte);
        end_line(l, byte);
    } else if (ldisc_is_cc(l, CC_EOF, byte)) {
        end_line(l, 0);
    } else if (ldisc_is_cc(l, CC_EOL, byte) ||
               (extended && ldisc_is_cc(l, CC_EOL2, byte))) {
        if (flag(l, TL_ECHO))
            echo_input(l, byte);
        if (byte == 0xff && (l->t.iflag & TI_PARMRK))
            append(l, byte);
        end_line(l, byte);
    } else {
        return false;
    }
    return true;
}

static void
input(struct ldisc *l, u8 byte)
{
    u32 i = l->t.iflag;

    if (i & TI_ISTRIP)
        byte &= 0x7f;
    if ((i & TI_IUCLC) && flag(l, TL_IEXTEN) && byte >= 'A' && byte <= 'Z')
        byte = (u8)(byte - 'A' + 'a');
    if (flag(l, TL_EXTPROC)) {
        append(l, byte);
        return;
    }
    if (l->quoted) {
        l->quoted = false;
        input_plain(l, byte, false);
        return;
    }
    if (input_flow(l, byte) || input_signal(l, byte))
        return;
    if (l->stopped && !l->held && (i & TI_IXON) && (i & TI_IXANY))
        ldisc_start(l);
    bool was_return = byte == '\r';
    if (was_return) {
        if (i & TI_IGNCR)
            return;
        if (i & TI_ICRNL)
            byte = '\n';
    } else if (byte == '\n' && (i & TI_INLCR)) {
        byte = '\r';
    }
    if (flag(l, TL_ICANON) && input_canonical(l, byte))
        return;
    input_plain(l, byte, was_return);
}

/* Room for one more byte, which may become three (PARMRK); L3. */
static bool
make_room(struct ldisc *l)
{
    u32 free = LDISC_QUEUE - (l->head - l->tail);
    bool marks = (l->t.iflag & TI_PARMRK) != 0;

    if (free > (marks ? 3u : 1u))
        return true;
    if (!flag(l, TL_ICANON) || l->canon != l->tail)
        return false;
    while (LDISC_QUEUE - (l->head - l->tail) < (marks ? 3u : 1u))
        l->head--;
    return true;
}

u32
ldisc_receive(struct ldisc *l, const u8 *bytes, u32 count)
{
    u32 done = 0;

    while (done < count && make_room(l))
        input(l, bytes[done++]);
    return done;
}

void
ldisc_receive_fault(struct ldisc *l, u8 byte, enum ldisc_fault what)
{
    u32 i = l->t.iflag;
    bool mark = (i & TI_PARMRK) != 0;

    if (!make_room(l))
        return;
    if (what == LDISC_BREAK) {
        if (i & TI_IGNBRK)
            return;
        if (i & TI_BRKINT) {
            send_signal(l, SIG_INT);
            return;
        }
        byte = 0;
    } else if (!(i & TI_INPCK)) {
        append(l, byte);
        return;
    } else if (i & TI_IGNPAR) {
        return;
    }
    if (mark) {
        append(l, 0xff);
        append(l, 0);
    }
    append(l, mark ? byte : 0);
}

/* SPDX-License-Identifier: MIT */
/* The line discipline's way out: output processing (XBD 11.2.3) and echo. */
#include "tty/ldisc.h"

/* ---- processing: `to` has room for LDISC_OUTPUT_MAX bytes ---- */

static void
put_newline(struct ldisc *l, struct ring *to)
{
    if (l->t.oflag & TO_ONLRET)
        l->column = 0;
    if (l->t.oflag & TO_ONLCR) {
        l->column = l->canon_column = 0;
        ring_put(to, '\r');
    } else {
        l->canon_column = l->column;
    }
    ring_put(to, '\n');
}

static void
put_return(struct ldisc *l, struct ring *to)
{
    if ((l->t.oflag & TO_ONOCR) && l->column == 0)
        return;
    if (l->t.oflag & TO_OCRNL) {
        if (l->t.oflag & TO_ONLRET)
            l->column = l->canon_column = 0;
        ring_put(to, '\n');
        return;
    }
    l->column = l->canon_column = 0;
    ring_put(to, '\r');
}

static void
put_tab(struct ldisc *l, struct ring *to)
{
    u32 spaces = 8 - (l->column & 7);

    l->column += spaces;
    if ((l->t.oflag & TO_TABS) != TO_TABS) {
        ring_put(to, '\t');
        return;
    }
    while (spaces-- > 0)
        ring_put(to, ' ');
}

static void
process(struct ldisc *l, u8 byte, struct ring *to)
{
    if (__builtin_expect(byte < ' ', 0)) {
        switch (byte) {
        case '\n': put_newline(l, to); return;
        case '\r': put_return(l, to); return;
        case '\t': put_tab(l, to); return;
        case '\b': l->column -= l->column > 0; break;
        default: break;
        }
    } else if (byte != 127) {
        if ((l->t.oflag & TO_OLCUC) && byte >= 'a' && byte <= 'z')
            byte = (u8)(byte - 'a' + 'A');
        l->column += !ldisc_is_continuation(l, byte);
    }
    ring_put(to, byte);
}

u32
ldisc_write(struct ldisc *l, const u8 *bytes, u32 count)
{
    u32 done = 0;

    if (l->stopped || !ldisc_flush_echo(l))
        return 0;
    if (l->t.oflag & TO_OPOST) {
        while (done < count && ring_room(&l->out) >= LDISC_OUTPUT_MAX)
            process(l, bytes[done++], &l->out);
        return done;
    }
    while (done < count && ring_room(&l->out) > 0)
        ring_put(&l->out, bytes[done++]);
    return done;
}

/* ---- echo ---- */

bool
ldisc_flush_echo(struct ldisc *l)
{
    while (ring_count(&l->echo) > 0 && !l->stopped && ring_room(&l->out) > 0)
        ring_put(&l->out, ring_get(&l->echo));
    return ring_count(&l->echo) == 0;
}

/* Where the next byte of echo goes; NULL: it is lost (L4). */
static struct ring *
echo_target(struct ldisc *l)
{
    if (!l->stopped && ldisc_flush_echo(l) && ring_room(&l->out) >= LDISC_OUTPUT_MAX)
        return &l->out;
    return ring_room(&l->echo) >= LDISC_OUTPUT_MAX ? &l->echo : NULL;
}

void
ldisc_echo_raw(struct ldisc *l, u8 byte)
{
    struct ring *to = echo_target(l);

    if (to != NULL)
        ring_put(to, byte);
}

void
ldisc_echo_plain(struct ldisc *l, u8 byte)
{
    struct ring *to = echo_target(l);

    if (to == NULL)
        return;
    if (l->t.oflag & TO_OPOST)
        process(l, byte, to);
    else
        ring_put(to, byte);
}

void
ldisc_echo(struct ldisc *l, u8 byte)
{
    if ((l->t.lflag & TL_ECHOCTL) && ldisc_is_control(byte) && byte != '\t') {
        ldisc_echo_raw(l, '^');
        ldisc_echo_raw(l, byte ^ 0x40);
        l->column += 2;
    } else {
        ldisc_echo_plain(l, byte);
    }
}

/* ---- flow ---- */

void
ldisc_flush_output(struct ldisc *l)
{
    if (ring_count(&l->out) > l->out_kept)
        l->out.head = l->out.tail + l->out_kept;
    if (l->event != NULL)
        l->event(l, LDISC_FLUSH_OUT);
}

void
ldisc_stop(struct ldisc *l)
{
    if (l->stopped)
        return;
    l->stopped = true;
    if (l->event != NULL)
        l->event(l, LDISC_STOP);
}

void
ldisc_start(struct ldisc *l)
{
    if (!l->stopped)
        return;
    l->stopped = l->held = false;
    if (l->event != NULL)
        l->event(l, LDISC_START);
    ldisc_flush_echo(l);
}

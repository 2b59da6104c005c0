/* SPDX-License-Identifier: MIT */
/* The line discipline's state and its reading side; ldisc.h has the invariants. */
#include "tty/ldisc.h"

#include "core/string.h"

const struct termios ldisc_defaults = {
    .iflag = TI_ICRNL | TI_IXON,
    .oflag = TO_OPOST | TO_ONLCR,
    .cflag = TC_DEFAULT,
    .lflag = TL_ISIG | TL_ICANON | TL_ECHO | TL_ECHOE | TL_ECHOK | TL_ECHOCTL |
             TL_ECHOKE | TL_IEXTEN,
    .cc = { 3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0 },
    .ispeed = 38400,
    .ospeed = 38400,
};

void
ldisc_init(struct ldisc *l, u8 *in, u8 *out, u32 out_size)
{
    memset(l, 0, sizeof(*l));
    l->t = ldisc_defaults;
    l->in = in;
    l->out = (struct ring){ .bytes = out, .size = out_size };
    l->echo = (struct ring){ .bytes = l->echo_bytes, .size = LDISC_ECHO };
}

static bool
marked(const struct ldisc *l, u32 at)
{
    at &= LDISC_QUEUE - 1;
    return (l->marks[at / 64] >> at % 64 & 1) != 0;
}

u32
ldisc_available(const struct ldisc *l)
{
    if (!ldisc_by_lines(l))
        return l->head - l->tail;
    u32 n = 0;
    for (u32 at = l->tail; at != l->canon; at++)
        n += !(marked(l, at) && ldisc_at(l, at) == 0);
    return n;
}

/* Take the byte at the tail; true: it was marked. */
static bool
take(struct ldisc *l, u8 *byte)
{
    u32 at = l->tail++ & (LDISC_QUEUE - 1);
    bool ends = marked(l, at);
    l->marks[at / 64] &= ~(1ull << at % 64);
    *byte = l->in[at];
    return ends;
}

static u32
read_raw(struct ldisc *l, u8 *to, u32 n)
{
    u32 at = l->tail & (LDISC_QUEUE - 1);
    if (n > l->head - l->tail)
        n = l->head - l->tail;
    u32 first = n < LDISC_QUEUE - at ? n : LDISC_QUEUE - at;
    memcpy(to, l->in + at, first);
    memcpy(to + first, l->in, n - first);
    l->tail += n;
    if ((i32)(l->canon - l->tail) < 0)
        l->canon = l->tail;
    return n;
}

u32
ldisc_read(struct ldisc *l, u8 *to, u32 n, bool *line_end)
{
    u32 done = 0;

    *line_end = false;
    if (!ldisc_by_lines(l))
        return read_raw(l, to, n);
    while (done < n && l->tail != l->canon && !*line_end) {
        u8 byte;
        *line_end = take(l, &byte);
        if (!*line_end || byte != 0)
            to[done++] = byte;
    }
    return done;
}

void
ldisc_skip_eof(struct ldisc *l)
{
    u8 byte;

    if (ldisc_by_lines(l) && l->tail != l->canon && marked(l, l->tail) &&
        ldisc_at(l, l->tail) == 0)
        take(l, &byte);
}

void
ldisc_flush_input(struct ldisc *l)
{
    l->tail = l->canon = l->head;
    memset(l->marks, 0, sizeof(l->marks));
    l->quoted = false;
    l->erasing = false;
}

/* What was typed becomes one line when canonical mode begins, and loses its marks when
 * it ends; so nothing is lost and everything can be read. */
static void
change_mode(struct ldisc *l)
{
    memset(l->marks, 0, sizeof(l->marks));
    l->erasing = false;
    l->quoted = false;
    l->canon = l->tail;
    if ((l->t.lflag & TL_ICANON) && l->head != l->tail) {
        u32 last = (l->head - 1) & (LDISC_QUEUE - 1);
        l->marks[last / 64] |= 1ull << last % 64;
        l->canon = l->head;
    }
}

void
ldisc_set(struct ldisc *l, const struct termios *t)
{
    u32 was = l->t.lflag, iflag = l->t.iflag;

    l->t = *t;
    if (((was ^ t->lflag) & (TL_ICANON | TL_EXTPROC)) != 0)
        change_mode(l);
    if ((iflag & TI_IXON) && !(t->iflag & TI_IXON) && !l->held)
        ldisc_start(l);
}

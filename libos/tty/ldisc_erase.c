/* SPDX-License-Identifier: MIT */
/* The line discipline's editing keys: erase, word erase, kill, and how the screen follows
 * (L1: only behind `canon`). */
#include "tty/ldisc.h"

static bool
flag(const struct ldisc *l, u32 bits)
{
    return (l->t.lflag & bits) != 0;
}

void
ldisc_end_erasing(struct ldisc *l)
{
    if (!l->erasing)
        return;
    l->erasing = false;
    ldisc_echo_plain(l, '/');
}

/* Letters and digits of Latin-1, as Linux has it: so the first byte of a UTF-8 sequence
 * is a letter, but for two. */
static bool
is_word(u8 c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           c == '_' || (c >= 0xc0 && c != 0xd7 && c != 0xf7);
}

static void
erase_cell(struct ldisc *l)
{
    ldisc_echo_plain(l, '\b');
    ldisc_echo_plain(l, ' ');
    ldisc_echo_plain(l, '\b');
}

/* A tab that stood behind what is left of the line: back to where it began.  Its width
 * follows from what is before it, up to another tab or the line's first column. */
static void
erase_tab(struct ldisc *l)
{
    u32 cells = 0, at = l->head;
    bool after_tab = false;

    while (at != l->canon && !after_tab) {
        u8 byte = ldisc_at(l, --at);
        if (byte == '\t')
            after_tab = true;
        else if (ldisc_is_control(byte))
            cells += flag(l, TL_ECHOCTL) ? 2 : 0;
        else
            cells += !ldisc_is_continuation(l, byte);
    }
    if (!after_tab)
        cells += l->canon_column;
    for (u32 n = 8 - (cells & 7); n > 0; n--) {
        ldisc_echo_raw(l, '\b');
        l->column -= l->column > 0;
    }
}

/* ECHOPRT: what is erased is printed, between \ and /.  [from, from + count) is it. */
static void
print_erased(struct ldisc *l, u32 from, u32 count)
{
    if (!l->erasing) {
        ldisc_echo_plain(l, '\\');
        l->erasing = true;
    }
    ldisc_echo(l, ldisc_at(l, from));
    while (--count > 0)
        ldisc_echo_plain(l, ldisc_at(l, ++from));
}

static void
show_erased(struct ldisc *l, enum ldisc_cc which, u32 count)
{
    u8 byte = ldisc_at(l, l->head);

    if (flag(l, TL_ECHOPRT)) {
        print_erased(l, l->head, count);
    } else if (which == CC_ERASE && !flag(l, TL_ECHOE)) {
        ldisc_echo(l, l->t.cc[CC_ERASE]);
    } else if (byte == '\t') {
        erase_tab(l);
    } else {
        if (ldisc_is_control(byte) && flag(l, TL_ECHOCTL))
            erase_cell(l);
        if (!ldisc_is_control(byte) || flag(l, TL_ECHOCTL))
            erase_cell(l);
    }
}

/* The start of the last character; == head: there is none, or only a part of one. */
static u32
last_character(const struct ldisc *l)
{
    u32 at = l->head;

    do
        at--;
    while (ldisc_is_continuation(l, ldisc_at(l, at)) && at != l->canon);
    return ldisc_is_continuation(l, ldisc_at(l, at)) ? l->head : at;
}

static void
kill_line(struct ldisc *l)
{
    l->head = l->canon;
    if (!flag(l, TL_ECHO))
        return;
    ldisc_end_erasing(l);
    ldisc_echo(l, l->t.cc[CC_KILL]);
    if (flag(l, TL_ECHOK))
        ldisc_echo_plain(l, '\n');
}

void
ldisc_erase(struct ldisc *l, enum ldisc_cc which)
{
    u32 visible = TL_ECHO | TL_ECHOK | TL_ECHOKE | TL_ECHOE;
    bool in_word = false;

    if (l->head == l->canon)
        return;
    if (which == CC_KILL && (l->t.lflag & visible) != visible) {
        kill_line(l);
        return;
    }
    while (l->head != l->canon) {
        u32 at = last_character(l);
        if (at == l->head)
            break;
        if (which == CC_WERASE) {
            bool word = is_word(ldisc_at(l, at));
            if (in_word && !word)
                break;
            in_word |= word;
        }
        u32 count = l->head - at;
        l->head = at;
        if (flag(l, TL_ECHO))
            show_erased(l, which, count);
        if (which == CC_ERASE)
            break;
    }
    if (l->head == l->canon && flag(l, TL_ECHO))
        ldisc_end_erasing(l);
}

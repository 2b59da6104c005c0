/* SPDX-License-Identifier: MIT */
/*
 * The line discipline against a plain model: random bytes, modes, sizes of reads and
 * writes.  The model keeps what was typed as an array of bytes with marks and follows the
 * text of termios(3); it knows nothing of rings.  What is read, how much is available,
 * which signals are sent and whether output is stopped have to agree; of the output only
 * the invariants are looked at.
 *
 * fuzz_ldisc [ROUNDS [SEED]]
 */
#include "signal/signal.h"
#include "tty/ldisc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ldisc l;
static u8 queue[LDISC_QUEUE], sent[1024];
static unsigned signals, model_signals;
static u64 state;

static u32
roll(u32 n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (u32)(state >> 11) % n;
}

static void
take_signal(struct ldisc *unused, int number)
{
    (void)unused;
    signals = signals * 31 + (unsigned)number;
}

/* ---- the model ---- */
static struct {
    u8 byte[LDISC_QUEUE + 16];
    bool mark[LDISC_QUEUE + 16];
    u32 count, ended; /* ended: how many can be read in canonical mode */
    bool quoted, stopped;
} m;

static bool
canonical(void)
{
    return (l.t.lflag & TL_ICANON) != 0;
}

static void
model_put(u8 byte, bool mark)
{
    m.byte[m.count] = byte;
    m.mark[m.count] = mark;
    m.count++;
    if (mark)
        m.ended = m.count;
}

static void
model_data(u8 byte)
{
    if (byte == 0xff && (l.t.iflag & TI_PARMRK))
        model_put(byte, false);
    model_put(byte, false);
}

static bool
cont(u8 byte)
{
    return (l.t.iflag & TI_IUTF8) && (byte & 0xc0) == 0x80;
}

/* Remove the last character of the open line; 0: there is none that is whole. */
static u8
model_rub(bool look)
{
    u32 at = m.count;

    while (at > m.ended && cont(m.byte[at - 1]))
        at--;
    if (at == m.ended)
        return 0;
    u8 first = m.byte[--at];
    if (!look)
        m.count = at;
    return first != 0 ? first : 1;
}

static bool
wordy(u8 c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           c == '_' || (c >= 0xc0 && c != 0xd7 && c != 0xf7);
}

static bool
model_edit(u8 c)
{
    const u8 *k = l.t.cc;
    bool ext = (l.t.lflag & TL_IEXTEN) != 0;

    if (c != 0 && c == k[CC_ERASE]) {
        model_rub(false);
    } else if (c != 0 && ext && c == k[CC_WERASE]) {
        bool in = false;
        for (u8 b; (b = model_rub(true)) != 0 && !(in && !wordy(b)); in |= wordy(b))
            model_rub(false);
    } else if (c != 0 && c == k[CC_KILL]) {
        u32 all = TL_ECHO | TL_ECHOE | TL_ECHOK | TL_ECHOKE;
        if ((l.t.lflag & all) == all)
            while (model_rub(false) != 0)
                ;
        else
            m.count = m.ended;
    } else if (c != 0 && ext && c == k[CC_LNEXT]) {
        m.quoted = true;
    } else if (c != 0 && ext && (l.t.lflag & TL_ECHO) && c == k[CC_REPRINT]) {
        /* only shown */
    } else if (c == '\n') {
        model_put(c, true);
    } else if (c != 0 && c == k[CC_EOF]) {
        model_put(0, true);
    } else if (c != 0 && (c == k[CC_EOL] || (ext && c == k[CC_EOL2]))) {
        if (c == 0xff && (l.t.iflag & TI_PARMRK))
            model_put(c, false);
        model_put(c, true);
    } else {
        return false;
    }
    return true;
}

static void
model_input(u8 c)
{
    const u8 *k = l.t.cc;
    u32 i = l.t.iflag;
    int number = 0;

    if (i & TI_ISTRIP)
        c &= 127;
    if ((i & TI_IUCLC) && (l.t.lflag & TL_IEXTEN) && c >= 'A' && c <= 'Z')
        c += 'a' - 'A';
    if (l.t.lflag & TL_EXTPROC) {
        model_put(c, false);
        return;
    }
    if (m.quoted) {
        m.quoted = false;
        model_data(c);
        return;
    }
    if (c != 0 && (i & TI_IXON) && (c == k[CC_START] || c == k[CC_STOP])) {
        m.stopped = c != k[CC_START];
        return;
    }
    if (c != 0 && (l.t.lflag & TL_ISIG))
        number = c == k[CC_INTR]   ? SIG_INT
                 : c == k[CC_QUIT] ? SIG_QUIT
                 : c == k[CC_SUSP] ? SIG_TSTP
                                   : 0;
    if (number != 0) {
        if (!(l.t.lflag & TL_NOFLSH))
            m.count = m.ended = 0;
        if (i & TI_IXON)
            m.stopped = false;
        model_signals = model_signals * 31 + (unsigned)number;
        return;
    }
    if ((i & TI_IXON) && (i & TI_IXANY))
        m.stopped = false;
    if (c == '\r' && (i & TI_IGNCR))
        return;
    if (c == '\r' && (i & TI_ICRNL))
        c = '\n';
    else if (c == '\n' && (i & TI_INLCR))
        c = '\r';
    if (!canonical() || !model_edit(c))
        model_data(c);
}

/* L3. */
static bool
model_room(void)
{
    u32 want = l.t.iflag & TI_PARMRK ? 3 : 1;

    if (m.count + want < LDISC_QUEUE)
        return true;
    if (!canonical() || m.ended > 0)
        return false;
    if (m.count > LDISC_QUEUE - want)
        m.count = LDISC_QUEUE - want;
    return true;
}

static u32
model_read(u8 *to, u32 n)
{
    bool lines = (l.t.lflag & (TL_ICANON | TL_EXTPROC)) == TL_ICANON;
    u32 taken = 0, done = 0;
    bool end = false;

    while (!end && done < n && taken < (lines ? m.ended : m.count)) {
        end = lines && m.mark[taken];
        if (!end || m.byte[taken] != 0)
            to[done++] = m.byte[taken];
        taken++;
    }
    if (lines && !end && taken < m.ended && m.mark[taken] && m.byte[taken] == 0)
        taken++;
    memmove(m.byte, m.byte + taken, m.count - taken);
    memmove(m.mark, m.mark + taken, m.count - taken);
    m.count -= taken;
    m.ended = m.ended > taken ? m.ended - taken : 0;
    return done;
}

static void
model_set(const struct termios *t)
{
    if ((l.t.lflag ^ t->lflag) & (TL_ICANON | TL_EXTPROC)) {
        memset(m.mark, 0, sizeof(m.mark));
        m.quoted = false;
        m.ended = 0;
        if ((t->lflag & TL_ICANON) && m.count > 0) {
            m.mark[m.count - 1] = true;
            m.ended = m.count;
        }
    }
    if ((l.t.iflag & TI_IXON) && !(t->iflag & TI_IXON))
        m.stopped = false;
}

/* ---- the comparison ---- */
#define SAME(c)                                                                          \
    do {                                                                                 \
        if (!(c)) {                                                                      \
            printf("not ok - round %u seed %lu: %s\n", round_number, seed, #c);          \
            exit(1);                                                                     \
        }                                                                                \
    } while (0)

static unsigned round_number;
static unsigned long seed = 1;

static void
step_modes(void)
{
    struct termios t = l.t;

    switch (roll(6)) {
    case 0: t.lflag ^= TL_ICANON; break;
    case 1: t.lflag ^= 1u << roll(17); break;
    case 2: t.iflag ^= 1u << roll(15); break;
    case 3: t.oflag ^= 1u << roll(13); break;
    case 4: t.cc[roll(17)] = (u8)roll(40); break;
    default: t = ldisc_defaults; break;
    }
    model_set(&t);
    ldisc_set(&l, &t);
}

static void
step_type(void)
{
    u8 bytes[300];
    u32 n = roll(10) == 0 ? roll(300) : 1 + roll(8), wide = roll(2) ? 256 : 40;

    for (u32 i = 0; i < n; i++)
        bytes[i] = roll(3)    ? (u8)('a' + roll(26))
                   : roll(12) ? (u8)roll(wide)
                              : 0xff; /* PARMRK doubles it */
    u32 model = 0;
    u32 taken = ldisc_receive(&l, bytes, n);
    for (; model < n && model_room(); model++)
        model_input(bytes[model]);
    SAME(taken == model);
}

static void
step_read(void)
{
    u8 got[512], want[512];
    u32 n = 1 + roll(roll(4) ? 16 : 512);
    bool end = false;
    u32 r = ldisc_readable(&l, 1) ? ldisc_read(&l, got, n, &end) : 0;

    if (!end)
        ldisc_skip_eof(&l);
    SAME(r == model_read(want, n));
    SAME(memcmp(got, want, r) == 0);
}

static void
check_invariants(void)
{
    SAME(l.head - l.tail <= LDISC_QUEUE && l.head - l.tail == m.count);
    SAME(l.canon - l.tail <= l.head - l.tail);
    SAME(!canonical() || l.canon - l.tail == m.ended);
    SAME(l.stopped == m.stopped && signals == model_signals);
    SAME(ring_count(&l.out) <= l.out.size && ring_count(&l.echo) <= l.echo.size);
    u32 n = 0;
    bool lines = (l.t.lflag & (TL_ICANON | TL_EXTPROC)) == TL_ICANON;
    for (u32 i = 0; i < (lines ? m.ended : m.count); i++)
        n += !(lines && m.mark[i] && m.byte[i] == 0);
    SAME(ldisc_available(&l) == n);
}

int
main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 400000;

    if (argc > 2)
        seed = strtoul(argv[2], NULL, 0);
    state = seed * 0x9e3779b97f4a7c15ull + 1;
    ldisc_init(&l, queue, sent, sizeof(sent));
    l.signal = take_signal;
    for (round_number = 0; round_number < rounds; round_number++) {
        u32 what = roll(40);
        /* For a while nobody reads, so that the queue fills up and stays full. */
        if (round_number / 2000 % 2 == 1 && what >= 26 && what < 34)
            what = 1;
        if (what == 0)
            step_modes();
        else if (what < 26)
            step_type();
        else if (what < 34)
            step_read();
        else if (what < 38)
            ldisc_write(&l, (const u8 *)"a\tb\n\r\bc", 7);
        else
            ring_clear(&l.out);
        if (round_number % 16 == 0)
            check_invariants();
    }
    printf("ok - %u rounds against the model\n", rounds);
    return 0;
}

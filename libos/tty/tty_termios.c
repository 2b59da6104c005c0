/* SPDX-License-Identifier: MIT */
/*
 * Getting and setting a terminal's modes.  Structures are Linux's: struct termios as the
 * kernel has it (four 32-bit flag words, the discipline's byte, 19 control characters),
 * termios2 with two speeds behind it, and termio with 16-bit words and 8 characters.
 */
#include "core/string.h"
#include "signal/signal.h"
#include "tty/tty_private.h"

enum {
    T_GETS = 0x5401,
    T_SETS,
    T_SETSW,
    T_SETSF,
    T_GETA,
    T_SETA,
    T_SETAW,
    T_SETAF,
    T_GLCKTRMIOS = 0x5456,
    T_SLCKTRMIOS,
};
#define T_GETS2  0x802c542au
#define T_SETS2  0x402c542bu
#define T_SETSW2 0x402c542cu
#define T_SETSF2 0x402c542du

#define TERMIO_CCS   8u
#define CBAUD        0x100fu
#define CBAUD_MORE   0x1000u /* with CBAUD's low bits 0: the speeds are numbers */
#define CIBAUD_SHIFT 16u
#define CSIZE        0x30u
#define CS8          0x30u
#define CREAD        0x80u
#define PARENB       0x100u

struct user_termios {
    u32 iflag, oflag, cflag, lflag;
    u8 line, cc[LDISC_CCS];
    u32 ispeed, ospeed; /* termios2 only */
};
#define TERMIOS_BYTES 36u
_Static_assert(sizeof(struct user_termios) == 44, "termios2");
struct user_termio {
    u16 iflag, oflag, cflag, lflag;
    u8 line, cc[TERMIO_CCS];
};
enum shape { TERMIO, TERMIOS, TERMIOS2 };

/* Bits per second of the codes 0 to 15, and of 0x1001 on. */
static u32
speed_of_code(u32 code)
{
    static const u32 low[16] = { 0,   50,   75,   110,  134,  150,  200,   300,
                                 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400 };
    static const u32 high[16] = { 0,       57600,   115200,  230400,  460800,  500000,
                                  576000,  921600,  1000000, 1152000, 1500000, 2000000,
                                  2500000, 3000000, 3500000, 4000000 };
    return code & CBAUD_MORE ? high[code & 15] : low[code & 15];
}

static void
set_speeds(struct termios *t, const struct user_termios *u)
{
    u32 out = t->cflag & CBAUD, in = t->cflag >> CIBAUD_SHIFT & CBAUD;

    t->ospeed = out == CBAUD_MORE ? u->ospeed : speed_of_code(out);
    t->ispeed = in == CBAUD_MORE ? u->ispeed : in == 0 ? t->ospeed : speed_of_code(in);
}

static i64
get_termios(struct tty *t, const struct termios *from, uaddr to, enum shape shape)
{
    mutex_lock(&t->lock);
    struct termios k = *from;
    mutex_unlock(&t->lock);
    if (shape == TERMIO) {
        struct user_termio a;
        memset(&a, 0, sizeof(a));
        a.iflag = (u16)k.iflag;
        a.oflag = (u16)k.oflag;
        a.cflag = (u16)k.cflag;
        a.lflag = (u16)k.lflag;
        a.line = k.line;
        memcpy(a.cc, k.cc, TERMIO_CCS);
        return copy_to_user(to, &a, sizeof(a));
    }
    struct user_termios u = { k.iflag, k.oflag, k.cflag,  k.lflag,
                              k.line,  { 0 },   k.ispeed, k.ospeed };
    memcpy(u.cc, k.cc, sizeof(u.cc));
    return copy_to_user(to, &u, shape == TERMIOS2 ? sizeof(u) : TERMIOS_BYTES);
}

/* What the user wants, from what is there (a termio says only the half of it). */
static int
read_termios(uaddr from, enum shape shape, const struct termios *old, struct termios *k)
{
    struct user_termios u = { .ispeed = old->ispeed, .ospeed = old->ospeed };
    int r;

    *k = *old;
    if (shape == TERMIO) {
        struct user_termio a;
        r = copy_from_user(&a, from, sizeof(a));
        if (r != 0)
            return r;
        k->iflag = (k->iflag & ~0xffffu) | a.iflag;
        k->oflag = (k->oflag & ~0xffffu) | a.oflag;
        k->cflag = (k->cflag & ~0xffffu) | a.cflag;
        k->lflag = (k->lflag & ~0xffffu) | a.lflag;
        k->line = a.line;
        memcpy(k->cc, a.cc, TERMIO_CCS);
    } else {
        r = copy_from_user(&u, from, shape == TERMIOS2 ? sizeof(u) : TERMIOS_BYTES);
        if (r != 0)
            return r;
        k->iflag = u.iflag;
        k->oflag = u.oflag;
        k->cflag = u.cflag;
        k->lflag = u.lflag;
        k->line = u.line;
        memcpy(k->cc, u.cc, sizeof(u.cc));
    }
    set_speeds(k, &u);
    return 0;
}

static i64
set_locked(struct tty *t, uaddr from)
{
    struct termios none = { .iflag = 0 }, k;

    if (!tty_is_root())
        return -E_PERM;
    int r = read_termios(from, TERMIOS, &none, &k);
    if (r != 0)
        return r;
    mutex_lock(&t->lock);
    t->locked = k;
    mutex_unlock(&t->lock);
    return 0;
}

static u32
keep_bits(u32 fresh, u32 old, u32 locked)
{
    return (fresh & ~locked) | (old & locked);
}

static void
keep_locked(struct termios *k, const struct termios *old, const struct termios *locked)
{
    k->iflag = keep_bits(k->iflag, old->iflag, locked->iflag);
    k->oflag = keep_bits(k->oflag, old->oflag, locked->oflag);
    k->cflag = keep_bits(k->cflag, old->cflag, locked->cflag);
    k->lflag = keep_bits(k->lflag, old->lflag, locked->lflag);
    k->line = locked->line != 0 ? old->line : k->line;
    for (u32 i = 0; i < LDISC_CCS; i++)
        k->cc[i] = locked->cc[i] != 0 ? old->cc[i] : k->cc[i];
}

static i64
set_termios(struct tty *t, uaddr from, enum shape shape, bool drain, bool flush)
{
    struct termios old, k;

    int r = tty_check_job(t, SIG_TTOU);
    if (r != 0)
        return r;
    mutex_lock(&t->lock);
    old = t->ldisc.t;
    mutex_unlock(&t->lock);
    r = read_termios(from, shape, &old, &k);
    if (r == 0 && drain)
        r = tty_drain(t);
    if (r != 0)
        return r;
    mutex_lock(&t->lock);
    if (flush)
        tty_flush_input(t);
    if (t->driver->is_pty)
        k.cflag = (k.cflag & ~(CSIZE | PARENB)) | CS8 | CREAD;
    old = t->ldisc.t;
    keep_locked(&k, &old, &t->locked);
    ldisc_set(&t->ldisc, &k);
    if (t->driver->changed != NULL)
        t->driver->changed(t, &old);
    tty_pump(t);
    tty_unlock(t);
    wait_wake(&t->readable, ~0u);
    wait_wake(&t->writable, ~0u);
    return 0;
}

i64
tty_ioctl_termios(struct tty *t, u32 request, uaddr arg)
{
    switch (request) {
    case T_GETS: return get_termios(t, &t->ldisc.t, arg, TERMIOS);
    case T_GETS2: return get_termios(t, &t->ldisc.t, arg, TERMIOS2);
    case T_GETA: return get_termios(t, &t->ldisc.t, arg, TERMIO);
    case T_GLCKTRMIOS: return get_termios(t, &t->locked, arg, TERMIOS);
    case T_SLCKTRMIOS: return set_locked(t, arg);
    case T_SETS: return set_termios(t, arg, TERMIOS, false, false);
    case T_SETSW: return set_termios(t, arg, TERMIOS, true, false);
    case T_SETSF: return set_termios(t, arg, TERMIOS, true, true);
    case T_SETS2: return set_termios(t, arg, TERMIOS2, false, false);
    case T_SETSW2: return set_termios(t, arg, TERMIOS2, true, false);
    case T_SETSF2: return set_termios(t, arg, TERMIOS2, true, true);
    case T_SETA: return set_termios(t, arg, TERMIO, false, false);
    case T_SETAW: return set_termios(t, arg, TERMIO, true, false);
    case T_SETAF: return set_termios(t, arg, TERMIO, true, true);
    default: return -E_NOTTY;
    }
}

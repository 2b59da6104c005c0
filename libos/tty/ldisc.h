/* SPDX-License-Identifier: MIT */
/*
 * The line discipline: POSIX's general terminal interface (XBD chapter 11) as a state
 * machine without I/O.
 *
 * L1. The queue holds entries of a byte with marks: END (a line ends with this byte) and
 * EMPTY (a line ends, no byte: EOF). L2. `lines` counts the marked entries; in canonical
 * mode a read takes from one line only. L3. Input is lost (and rings the bell) only when
 * the queue is full; a canonical line's last place is kept for its end. L4. Echo goes
 * through the same output processing as writes, so `column` is the cursor's. The caller
 * serialises: one lock for all functions on one ldisc.
 *
 * Flag values and the indices of control characters are those of Linux's
 * <asm/termbits.h>, since programs see them.
 */
#ifndef LIBOS_TTY_LDISC_H
#define LIBOS_TTY_LDISC_H

#include "core/types.h"

#define LDISC_QUEUE 4096u
#define LDISC_CCS   19

enum ldisc_cc {
    CC_INTR,
    CC_QUIT,
    CC_ERASE,
    CC_KILL,
    CC_EOF,
    CC_TIME,
    CC_MIN,
    CC_SWTC,
    CC_START,
    CC_STOP,
    CC_SUSP,
    CC_EOL,
    CC_REPRINT,
    CC_DISCARD,
    CC_WERASE,
    CC_LNEXT,
    CC_EOL2
};
/* input */
#define TI_IGNBRK  0x1u
#define TI_BRKINT  0x2u
#define TI_ISTRIP  0x20u
#define TI_INLCR   0x40u
#define TI_IGNCR   0x80u
#define TI_ICRNL   0x100u
#define TI_IUCLC   0x200u
#define TI_IXON    0x400u
#define TI_IXANY   0x800u
#define TI_IMAXBEL 0x2000u
#define TI_IUTF8   0x4000u
/* output */
#define TO_OPOST  0x1u
#define TO_OLCUC  0x2u
#define TO_ONLCR  0x4u
#define TO_OCRNL  0x8u
#define TO_ONOCR  0x10u
#define TO_ONLRET 0x20u
#define TO_TABS   0x1800u /* XTABS */
/* control: B38400 | CS8 | CREAD */
#define TC_DEFAULT 0xbfu
/* local */
#define TL_ISIG    0x1u
#define TL_ICANON  0x2u
#define TL_ECHO    0x8u
#define TL_ECHOE   0x10u
#define TL_ECHOK   0x20u
#define TL_ECHONL  0x40u
#define TL_NOFLSH  0x80u
#define TL_TOSTOP  0x100u
#define TL_ECHOCTL 0x200u
#define TL_ECHOKE  0x800u
#define TL_IEXTEN  0x8000u

struct termios {
    u32 iflag, oflag, cflag, lflag;
    u8 line;
    u8 cc[LDISC_CCS];
};

struct ldisc {
    struct termios t;
    u16 queue[LDISC_QUEUE];
    u32 head, tail; /* head - tail entries; indices modulo the size */
    u32 lines;      /* L2 */
    u32 column;
    bool quoted;  /* the last byte was LNEXT */
    bool stopped; /* output is stopped by STOP */
    /* Where output and signals go. */
    void (*put)(struct ldisc *l, u8 byte);
    void (*signal)(struct ldisc *l, int number);
    void *owner;
};

void ldisc_init(struct ldisc *l);
/* One byte from the line. */
void ldisc_input(struct ldisc *l, u8 byte);
/* One byte of a write, or of echo. */
void ldisc_output(struct ldisc *l, u8 byte);
/* May a read return? `min`: bytes wanted in raw mode. */
bool ldisc_readable(const struct ldisc *l, u32 min);
/* Take at most n bytes: how many (0 with *eof when an EOF was taken). */
u32 ldisc_read(struct ldisc *l, u8 *to, u32 n, bool *eof);
u32 ldisc_available(const struct ldisc *l);
void ldisc_flush_input(struct ldisc *l);
void ldisc_set(struct ldisc *l, const struct termios *t);

#endif

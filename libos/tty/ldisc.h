/* SPDX-License-Identifier: MIT */
/*
 * The line discipline: POSIX's general terminal interface (XBD chapter 11) as Linux has
 * it, as a state machine without I/O.
 *
 * L1. in[tail, head) is what was typed and not read. `canon` lies in [tail, head]: in
 *     canonical mode only what is before it can be read, and only what is behind it can
 *     be edited.
 * L2. A mark on a byte says that a line ends with it; a marked 0 is an end of file, which
 *     takes a place and gives no byte.  Marks lie before `canon`; there are none outside
 *     of canonical mode.
 * L3. Input is taken only while there is room (ldisc_receive says how much it took), but
 *     for a canonical line without an end: its last place is overwritten, so that a line
 *     end and the editing keys always come through.
 * L4. Echo goes through the same output processing as writes, so `column` is the
 *     cursor's.  While output is stopped or `out` is full, it waits in `echo`, and what
 *     is written waits for it; when `echo` is full, the rest of the echo is lost.
 * The caller serialises: one lock for all functions on one ldisc.
 *
 * Flag values and the indices of control characters are those of Linux's
 * <asm/termbits.h>, since programs see them.
 */
#ifndef LIBOS_TTY_LDISC_H
#define LIBOS_TTY_LDISC_H

#include "core/types.h"
#include "tty/ring.h"

#define LDISC_QUEUE      4096u
#define LDISC_CCS        19
#define LDISC_ECHO       1024u
#define LDISC_OUTPUT_MAX 8u /* what one byte of a write can become: a tab */

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
#define TI_IGNPAR  0x4u
#define TI_PARMRK  0x8u
#define TI_INPCK   0x10u
#define TI_ISTRIP  0x20u
#define TI_INLCR   0x40u
#define TI_IGNCR   0x80u
#define TI_ICRNL   0x100u
#define TI_IUCLC   0x200u
#define TI_IXON    0x400u
#define TI_IXANY   0x800u
#define TI_IXOFF   0x1000u
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
#define TL_ECHOPRT 0x400u
#define TL_ECHOKE  0x800u
#define TL_IEXTEN  0x8000u
#define TL_EXTPROC 0x10000u

struct termios {
    u32 iflag, oflag, cflag, lflag;
    u8 line;
    u8 cc[LDISC_CCS];
    u32 ispeed, ospeed; /* bits per second */
};

/* What the driver's side wants to hear of. */
enum ldisc_event {
    LDISC_STOP,      /* output stops */
    LDISC_START,     /* output goes on */
    LDISC_FLUSH_IN,  /* input that nobody read was dropped */
    LDISC_FLUSH_OUT, /* output that nobody took was dropped */
};

struct ldisc {
    struct termios t;
    u8 *in;                      /* LDISC_QUEUE */
    u64 marks[LDISC_QUEUE / 64]; /* L2 */
    u32 head, tail, canon;       /* without end; the place is modulo the size */
    u32 column, canon_column;    /* the cursor's; where the line being typed began */
    bool quoted;                 /* the last byte was LNEXT */
    bool erasing;                /* ECHOPRT: between \ and / */
    bool stopped, held;          /* by STOP or TCOOFF; held: by TCOOFF */
    struct ring out;             /* the owner's memory */
    u32 out_kept;                /* so much at its front is beyond recall: not flushed */
    struct ring echo;            /* L4 */
    u8 echo_bytes[LDISC_ECHO];
    void (*signal)(struct ldisc *l, int number);
    void (*event)(struct ldisc *l, enum ldisc_event event); /* NULL: nobody listens */
    void *owner;
};

/* `in`: LDISC_QUEUE bytes; `out`: out_size bytes, a power of two. */
void ldisc_init(struct ldisc *l, u8 *in, u8 *out, u32 out_size);
extern const struct termios ldisc_defaults;

/* Bytes from the line: how many were taken (L3). */
u32 ldisc_receive(struct ldisc *l, const u8 *bytes, u32 count);
enum ldisc_fault { LDISC_BREAK, LDISC_PARITY };
/* A break, or a byte with a wrong parity or frame. */
void ldisc_receive_fault(struct ldisc *l, u8 byte, enum ldisc_fault what);

/* Bytes of a write into `out`: how many were taken; 0 while stopped or full. */
u32 ldisc_write(struct ldisc *l, const u8 *bytes, u32 count);
/* Echo that waited goes out as far as it can; true: none waits any more. */
bool ldisc_flush_echo(struct ldisc *l);
void ldisc_stop(struct ldisc *l);
void ldisc_start(struct ldisc *l);

/* May a read return?  `min`: bytes wanted outside of canonical mode, at least 1. */
static inline bool
ldisc_by_lines(const struct ldisc *l)
{
    return (l->t.lflag & (TL_ICANON | TL_EXTPROC)) == TL_ICANON;
}
static inline bool
ldisc_readable(const struct ldisc *l, u32 min)
{
    return ldisc_by_lines(l) ? l->canon != l->tail : l->head - l->tail >= min;
}
/* Take at most n bytes.  *line_end: a line or file ended here, nothing more belongs to
 * this read. */
u32 ldisc_read(struct ldisc *l, u8 *to, u32 n, bool *line_end);
/* A read was filled: an end of file right behind belongs to it. */
void ldisc_skip_eof(struct ldisc *l);
u32 ldisc_available(const struct ldisc *l); /* FIONREAD */
void ldisc_flush_input(struct ldisc *l);
void ldisc_flush_output(struct ldisc *l);
void ldisc_set(struct ldisc *l, const struct termios *t);

/* ---- between the discipline's own files ---- */
static inline bool
ldisc_is_cc(const struct ldisc *l, enum ldisc_cc which, u8 byte)
{
    return byte != 0 && l->t.cc[which] == byte; /* 0: _POSIX_VDISABLE */
}
static inline bool
ldisc_is_continuation(const struct ldisc *l, u8 byte)
{
    return (l->t.iflag & TI_IUTF8) != 0 && (byte & 0xc0) == 0x80;
}
static inline bool
ldisc_is_control(u8 byte)
{
    return byte < ' ' || byte == 127;
}
static inline u8
ldisc_at(const struct ldisc *l, u32 at)
{
    return l->in[at & (LDISC_QUEUE - 1)];
}
void ldisc_echo(struct ldisc *l, u8 byte); /* with ^X for control characters */
void ldisc_echo_plain(struct ldisc *l, u8 byte);
void ldisc_echo_raw(struct ldisc *l, u8 byte); /* without output processing */
void ldisc_end_erasing(struct ldisc *l);
void ldisc_erase(struct ldisc *l, enum ldisc_cc which); /* CC_ERASE CC_WERASE CC_KILL */

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The port: pages that an instance shares with its steward, at WINDOW_STEWARD.  Through
 * them go the text of an instance that does not have the terminal, the steward's orders,
 * and, where the manifest says `devices control`, requests and replies of the control
 * port.
 *
 *   offset     bytes   what
 *   0x0000     4096    struct steward_page
 *   0x1000     4096    ring of requests, from the instance (control)
 *   0x4000    16384    ring of text, from the instance
 *   0x8000    16384    ring of replies, to the instance (control)
 *
 * Each is a ring of sdk/ring.h with one producer, whose entries are packets: one word
 * that says what it is, and up to 56 bytes.
 *
 * Q1. Neither side believes the other: what comes is copied out once, lengths are cut to
 *     what a packet holds, and nobody waits for the other side without a deadline.
 * Q2. The steward sends STEWARD_EVENT to vCPU 0 after it has changed the page or put
 *     replies into a ring whose consumer sleeps; the instance sends `steward_bit` to
 *     `cap_steward` after it has put something into a ring whose consumer sleeps.
 * Q3. A request is a line of words, in one or more packets, the last with PACKET_END.
 *     The reply has the request's tag; its text is "ok" or "error: REASON" in the first
 *     line, and then what was asked for.  One request at a time: a second one before the
 *     end of the reply is not read until then.
 */
#ifndef SDK_STEWARD_H
#define SDK_STEWARD_H

#include <abi/calls.h>
#include <abi/layout.h>
#include <sdk/instance.h>
#include <sdk/ring.h>

#define WINDOW_STEWARD   (INSTANCE_INFO_VA + 0x200000ull)
#define STEWARD_REQUESTS 0x1000u
#define STEWARD_TEXT     0x4000u
#define STEWARD_TEXT_BYTES 16384u
#define STEWARD_REPLIES  0x8000u
#define STEWARD_PAGES    12u /* frames, of which 2 and 3 have no use */
#define STEWARD_VERSION  1u
#define STEWARD_EVENT    56u  /* event bit of vCPU 0 */
#define STEWARD_LINE     255u /* bytes of a request at most */

/* What domain_exit says to the steward; all other codes are failures. */
#define STEWARD_EXIT_OFF   0u /* an orderly end */
#define STEWARD_EXIT_RESET 1u /* wants to be started anew */
#define STEWARD_EXIT_HALT  2u /* an orderly end */
#define STEWARD_EXIT_PANIC 3u

struct steward_page {
    /* The steward writes these. */
    fb_u32 version, control;     /* control: 1 where the control port is open */
    fb_u64 cap_steward;          /* VCPU capability for `steward_bit` alone */
    fb_u64 steward_bit;          /* a set of one bit */
    fb_u64 orders;               /* counts changes of what follows */
    fb_u64 stop;                 /* TSC until which the instance is to end; 0: no such order */
    fb_u64 terminal;             /* odd: it has the terminal, by these capabilities */
    fb_u64 cap_ports, cap_irq;   /* as instance_info.cap_com[0] */
    fb_u64 cap_console;          /* MACHINE, WRITE */
    /* The instance writes these. */
    fb_u64 terminal_answer; /* the value of `terminal` that it has acted upon */
    fb_u64 backtrace_count;
    fb_u64 backtrace[32];   /* return addresses, innermost first, of an end by its own hand */
    fb_u64 sampled[2];      /* TSC ticks in its LibOS, and in its programs: what it says */
};
_Static_assert(sizeof(struct steward_page) <= 4096, "one page");
#define STEWARD_PAGE ((struct steward_page *)WINDOW_STEWARD)

#define PACKET_WORDS  8u
#define PACKET_BYTES  56u
#define PACKET_MARK   (1ull << 63)
#define PACKET_END    (1ull << 8)
#define PACKET_TAG(w) ((fb_u32)((w) >> 32) & 0x7fffffffu)

/* Put up to PACKET_BYTES bytes into the ring.  False: it is full. */
__attribute__((warn_unused_result)) static inline bool
packet_send(struct ring_producer *p, const void *bytes, fb_u64 count, fb_u64 flags,
            fb_u32 tag)
{
    fb_u64 entry[PACKET_WORDS] = { 0 };
    fb_u64 n = count < PACKET_BYTES ? count : PACKET_BYTES;
    char *to = (char *)&entry[1];

    for (fb_u64 i = 0; i < n; i++)
        to[i] = ((const char *)bytes)[i];
    entry[0] = PACKET_MARK | (fb_u64)(tag & 0x7fffffffu) << 32 | flags | n;
    return ring_send(p, entry);
}

/* Take a packet: its first word, or 0.  *count: how many bytes `to` (PACKET_BYTES) got. */
static inline fb_u64
packet_receive(struct ring_consumer *c, char *to, fb_u64 *count)
{
    fb_u64 entry[PACKET_WORDS];

    *count = 0;
    if (!ring_receive(c, entry))
        return 0;
    *count = (entry[0] & 0xff) < PACKET_BYTES ? entry[0] & 0xff : PACKET_BYTES;
    for (fb_u64 i = 0; i < *count; i++)
        to[i] = ((const char *)&entry[1])[i];
    return entry[0];
}

#endif

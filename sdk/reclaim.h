/* SPDX-License-Identifier: MIT */
/*
 * Visible revocation: how a steward asks an instance for memory or CPU time back, how the
 * instance answers, and how memory is given to one that runs.
 *
 * Each instance has a page that it shares with its steward, at WINDOW_RECLAIM, and, for
 * reading, the record that the kernel keeps of its domain, at WINDOW_DOMAIN_RECORD.
 *
 *   1. The steward writes the request, counts `asked` up, and sends FB_EVENT_REVOKE to
 *      vCPU 0.
 *   2. The instance chooses.  Memory: it empties chunks and deletes their capabilities
 *      (cap_delete), each when it is empty.  CPU time: it writes into `keep` what it
 *      wants to keep on each CPU.  Then it stores `given`, stores `answered`, and sends
 *      `steward_bit` to `cap_steward` (reclaim_answer).  It may answer with less than it
 *      was asked for, or with nothing, or never.
 *   3. At the answer or at the deadline, whichever comes first, the steward takes what
 *      is missing by force: it revokes chunks, and positions in slice vectors, of its own
 *      choice.  The kernel enters each into the record; what was mapped there is gone.
 *   4. The steward brings the lists below up to date, counts `changes` up and sends
 *      FB_EVENT_REVOKE again, so that the instance sees what it has now.  Memory that is
 *      given to a running instance comes the same way.
 *
 * C1. The steward reads `answered`, `given` and `keep`, and nothing else: what it knows
 *     of chunks stands in its own memory, and what was given back it sees in the tree of
 *     capabilities.  So a wrong answer costs the instance alone.
 * C2. A chunk is a whole number of 2 MiB pieces, aligned, in the direct map when it is
 *     listed; its records are readable.
 * C3. Everything that is not in a chunk stays the instance's until its end.
 */
#ifndef SDK_RECLAIM_H
#define SDK_RECLAIM_H

#include <abi/calls.h>
#include <abi/layout.h>
#include <sdk/instance.h>
#include <stdbool.h>

#define WINDOW_DOMAIN_RECORD (INSTANCE_INFO_VA + 0x140000ull)
#define WINDOW_RECLAIM       (INSTANCE_INFO_VA + 0x180000ull)

#define RECLAIM_VERSION 1u
#define RECLAIM_CHUNKS  64u
#define RECLAIM_MEMORY  1u /* amount: frames, to be given back in chunks */
#define RECLAIM_TIME    2u /* amount: TSC ticks of each round of its slices, in all */

struct reclaim_chunk {
    fb_u64 cap; /* MEMORY capability; 0: the entry is free */
    fb_u64 lo, hi;
};
struct reclaim_page {
    /* The steward writes these. */
    fb_u32 version, kind;
    fb_u64 asked;           /* number of the last request; 0: none yet */
    fb_u64 amount;          /* of that request */
    fb_u64 deadline;        /* TSC */
    fb_u64 changes;         /* grows with each change of the lists; odd while the steward
                               takes: until it is even again they are not to be read */
    fb_u64 cap_steward;     /* VCPU capability for `steward_bit` alone */
    fb_u64 steward_bit;     /* a set of one bit */
    fb_u64 memory_lo, memory_hi; /* frames: no chunk ever lies outside */
    struct reclaim_chunk chunk[RECLAIM_CHUNKS];
    fb_u64 slice_cap[FB_CPUS_MAX]; /* by vCPU: SLICE capability without any right but
                                      READ; deleting it gives the position back */
    fb_u64 ticks[FB_CPUS_MAX];     /* by vCPU: of each round; 0: it never runs again */
    /* The instance writes these. */
    fb_u64 keep[FB_CPUS_MAX];
    fb_u64 given;    /* frames or ticks, of the request that it answers */
    fb_u64 answered; /* number of the request */
};
_Static_assert(sizeof(struct reclaim_page) <= 4096, "one page");

#define RECLAIM_PAGE  ((struct reclaim_page *)WINDOW_RECLAIM)
#define DOMAIN_RECORD ((const struct fb_domain_record *)WINDOW_DOMAIN_RECORD)

/* The number of a request that was not answered yet, or 0.  What it asks for is read
 * after this. */
static inline fb_u64
reclaim_pending(const struct reclaim_page *p)
{
    fb_u64 asked = __atomic_load_n(&p->asked, __ATOMIC_ACQUIRE);
    return asked != p->answered ? asked : 0;
}

/* Answer request `number` with `given` frames or ticks.  The caller sends p->steward_bit
 * to p->cap_steward after this. */
static inline void
reclaim_answer(struct reclaim_page *p, fb_u64 number, fb_u64 given)
{
    p->given = given;
    __atomic_store_n(&p->answered, number, __ATOMIC_RELEASE);
}

/* Was [lo, hi) of this type, or a part of it, taken since *seen entries were read?  Brings
 * *seen up to date.  *lost: entries were overwritten before they were read. */
static inline bool
reclaim_was_taken(const struct fb_domain_record *r, fb_u64 *seen, fb_u64 type, fb_u64 lo,
                  fb_u64 hi, bool *lost)
{
    bool taken = false;
    fb_u64 end = __atomic_load_n(&r->taken, __ATOMIC_ACQUIRE);
    fb_u64 from = end - *seen > FB_TAKEN_MAX ? end - FB_TAKEN_MAX : *seen;

    *lost = from != *seen;
    for (fb_u64 n = from; n < end; n++) {
        const struct fb_taken *t = &r->entry[n % FB_TAKEN_MAX];
        taken |= t->type == type && t->lo < hi && lo < t->hi;
    }
    if (__atomic_load_n(&r->taken, __ATOMIC_ACQUIRE) - from > FB_TAKEN_MAX)
        *lost = true;
    *seen = end;
    return taken;
}

#endif

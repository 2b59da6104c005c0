/* SPDX-License-Identifier: MIT */
/*
 * The lattice of authority, in the encoding that the kernel uses. Pure functions; proofs/
 * shows its laws for these very definitions.
 *
 * An element is (auth, lo, hi): class, kinds and rights as bits of one word, and an
 * interval [lo, hi).
 * L1. The order: a <= b iff a's bits are within b's and a's interval is within b's.
 * L2. Every element with an empty class, no kind, no right or an empty interval is the
 *     bottom: it allows nothing.
 * L3. The meet is the greatest lower bound; deriving is a meet, so what comes out is <=
 *     what went in.
 */
#ifndef KERNEL_CAP_LATTICE_H
#define KERNEL_CAP_LATTICE_H

#include "base/types.h"

struct authority {
    u64 auth;   /* FB_AUTH(class, kinds, rights) */
    u64 lo, hi; /* [lo, hi) */
};

#define LATTICE_CLASS 0x000000000000003full
#define LATTICE_KINDS 0x0000000000ffff00ull
#define LATTICE_RIGHTS 0x0000ffff00000000ull

static inline bool
lattice_is_bottom(struct authority a)
{
    return !(a.auth & LATTICE_CLASS) || !(a.auth & LATTICE_KINDS) ||
           !(a.auth & LATTICE_RIGHTS) || a.lo >= a.hi;
}

/* a <= b.  The bottom is below everything. */
static inline bool
lattice_leq(struct authority a, struct authority b)
{
    return lattice_is_bottom(a) ||
           ((a.auth & ~b.auth) == 0 && a.lo >= b.lo && a.hi <= b.hi);
}

static inline struct authority
lattice_meet(struct authority a, struct authority b)
{
    struct authority m = {
        .auth = a.auth & b.auth,
        .lo = a.lo > b.lo ? a.lo : b.lo,
        .hi = a.hi < b.hi ? a.hi : b.hi,
    };
    return m;
}

/* Does `held` allow what a call needs: all these bits, over [lo, hi)? */
static inline bool
lattice_allows(struct authority held, u64 need, u64 lo, u64 hi)
{
    return (need & ~held.auth) == 0 && lo < hi && lo >= held.lo && hi <= held.hi;
}

#endif

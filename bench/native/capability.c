/* SPDX-License-Identifier: MIT */
/*
 * What does the kernel's capability check cost on a processor?
 *
 * kernel/cap itself, with optimisation, over its unit tests' stand-ins for the rest of the
 * kernel.  `independent` looks names up one after the other, as a processor overlaps them;
 * in `dependent` each name is known only after the look-up before, which is what a single
 * check costs from its first instruction to its last.  `lattice` is the comparison of two
 * authorities, as a derive does it in line.
 */
#include "fake.h"
#include "cap/lattice.h"

#include "bench/native/ticks.h"

#define NAMES 64u /* slots of 128 bytes: 8 KiB, within the first-level cache */

static u64 names[NAMES];
static volatile u64 sink;

static void
lookup_independent(unsigned operations)
{
    u64 sum = 0;
    struct cap *c;

    for (unsigned i = 0; i < operations; i++) {
        if (cap_lookup(&fake_domain[0].table, names[i % NAMES], FB_TYPE_MEMORY, 1, &c) != 0)
            abort();
        sum += c->may.lo;
    }
    sink = sum;
}

static void
lookup_dependent(unsigned operations)
{
    u64 at = 0;
    struct cap *c;

    for (unsigned i = 0; i < operations; i++) {
        if (cap_lookup(&fake_domain[0].table, names[at], FB_TYPE_MEMORY, 1, &c) != 0)
            abort();
        at = c->may.lo;
    }
    sink = at;
}

/* What is given back for a name that is none. */
static void
lookup_refused(unsigned operations)
{
    struct cap *c;

    for (unsigned i = 0; i < operations; i++)
        if (cap_lookup(&fake_domain[0].table, names[i % NAMES] + (1ull << FB_NAME_SLOT_BITS),
                       FB_TYPE_MEMORY, 1, &c) != -FB_E_NAME)
            abort();
}

static void
lattice_compare(unsigned operations)
{
    u64 below = 0;
    struct authority whole = { .auth = ALL_MAY, .lo = 0, .hi = NAMES };

    for (unsigned i = 0; i < operations; i++) {
        struct cap *c = &fake_domain[0].table.slots[i % NAMES];
        __asm__ volatile("" : "+m"(whole));
        below += lattice_leq(c->may, whole);
    }
    if (below != operations)
        abort();
}

int
main(void)
{
    fake_reset(NAMES + 8);
    for (u64 i = 0; i < NAMES; i++) { /* each names the next one by its interval's start */
        struct authority may = { .auth = ALL_MAY, .lo = (i + 1) % NAMES, .hi = NAMES };
        if (cap_insert(&fake_domain[0].table, NULL, FB_TYPE_MEMORY, NULL, may, &names[i]))
            return 1;
    }
    ticks_cycle();
    ticks_row("capability_check", 2048, lookup_dependent);
    ticks_row("capability_check_overlapped", 2048, lookup_independent);
    ticks_row("capability_refused", 2048, lookup_refused);
    ticks_row("lattice_compare", 2048, lattice_compare);
    return 0;
}

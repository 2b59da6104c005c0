/* SPDX-License-Identifier: MIT */
/*
 * The pager: which pages of a process go first when memory is short, and what can go.
 *
 * A policy (struct pager_ops) says only which page to try next.  Whether it can go, and how,
 * is one function for all of them (evict in pager.c), which is also where a page will be
 * written out once there is something to write it to.  Today nothing is written out, so what
 * can go without losing anything is
 *   - a page that the program has given up with MADV_FREE and not written since (lazy.c);
 *   - a private page that holds nothing but zeros: it comes back as zeros at a touch.
 * Everything else stays: other private pages because there is no swap, pages of files
 * because tmpfs's pages are the file itself.
 *
 * PG1. A policy is called with the mm's lock held, and changes pages in no way but by
 *      clearing what the hardware noted (pager_clear_accessed).
 * PG2. A round ends: next is asked at most twice for each page of the mm.
 * Each space has its own policy (prctl: posix/paging.c), which fork and exec keep.
 */
#ifndef LIBOS_VM_PAGER_H
#define LIBOS_VM_PAGER_H

#include "core/types.h"

struct mm;

struct pager_ops {
    const char *name;
    /* The page to be tried next; where it was is in the mm (m->hand).  False: there is none
     * in this round. */
    bool (*next)(struct mm *m, uaddr *at);
};

/* clock: who was not touched since the hand came by last.  sweep: all, by address.  own:
 * what the program has named with MADV_COLD and MADV_PAGEOUT, in that order, nothing else. */
enum { PAGER_CLOCK, PAGER_SWEEP, PAGER_OWN, PAGERS };
extern const struct pager_ops *const pagers[PAGERS];

/* A space's policy, one of PAGER_*.  mm_set_pager: -E_INVAL */
int mm_set_pager(struct mm *m, u32 which) MUST_CHECK;
u32 mm_pager(struct mm *m);
/* Take up to `wanted` pages of one space by its policy: how many frames that gave back.
 * Cost: a step for each page that is looked at, and reading it. */
u64 mm_take(struct mm *m, u64 wanted);

/* pressure.c: make room, with what costs least first: what programs gave up, spare spaces,
 * page tables' frames that are free, and then by every space's policy.  How many frames came
 * back, `wanted` or more or fewer.  The caller holds no mm's lock. */
u64 pressure_relieve(u64 wanted);
/* The first of that alone: what programs have given up, as far as `wanted`. */
u64 pressure_take_given(u64 wanted);

#endif

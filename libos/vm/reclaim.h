/* SPDX-License-Identifier: MIT */
/* Giving memory back to the steward, and living on when it takes some: core/chunk.h. */
#ifndef LIBOS_VM_RECLAIM_H
#define LIBOS_VM_RECLAIM_H

#include "core/chunk.h"
#include "vm/mm_private.h"

struct mm;

/* A page of m is absent: may it be one that was taken?  Then the fault ends with -E_AGAIN,
 * and its caller, without the mutex, asks reclaim_check, and tries again. */
static inline bool
reclaim_may_have(const struct mm *m)
{
    return !chunk_settled() ||
           m->losses != __atomic_load_n(&chunk_losses, __ATOMIC_RELAXED);
}
/* Sleeps until what the steward took has been dealt with.  False: m has lost pages, and
 * none that is absent can be made.  The caller holds no mm's mutex. */
bool reclaim_check(struct mm *m);
/* Takes over the chunks that there are, and starts the thread. */
void reclaim_init(void);

#endif

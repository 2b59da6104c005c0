/* SPDX-License-Identifier: MIT */
/* Giving memory back to the steward, and living on when it takes some: core/chunk.h. */
#ifndef LIBOS_VM_RECLAIM_H
#define LIBOS_VM_RECLAIM_H

/* Sleeps until what the steward took, or is taking, has been dealt with: before that an
 * absent page may be one that was taken.  The caller holds no mm's mutex. */
void reclaim_settle(void);
/* Takes over the chunks that there are, and starts the thread. */
void reclaim_init(void);

#endif

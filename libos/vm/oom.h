/* SPDX-License-Identifier: MIT */
/* What is done when a fault finds no memory. */
#ifndef LIBOS_VM_OOM_H
#define LIBOS_VM_OOM_H

#include "core/types.h"

/* Ends the process that has most and waits for that.  True: the caller may try again;
 * false: it is the caller that ends, or there is nothing to gain.  May sleep; the caller
 * holds no mm's mutex. */
bool oom_relieve(void);

/* How likely the process is the one, as Linux says it: 0 (never) to 1333.  Cost: a step
 * for each page that it has.  May sleep. */
struct process;
u32 oom_score(struct process *p);

#endif

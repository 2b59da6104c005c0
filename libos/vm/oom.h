/* SPDX-License-Identifier: MIT */
/* What is done when a fault finds no memory. */
#ifndef LIBOS_VM_OOM_H
#define LIBOS_VM_OOM_H

#include "core/types.h"

/* Ends the process that has most and waits for that.  True: the caller may try again;
 * false: it is the caller that ends, or there is nothing to gain.  May sleep; the caller
 * holds no mm's mutex. */
bool oom_relieve(void);

#endif

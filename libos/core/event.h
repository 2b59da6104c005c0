/* SPDX-License-Identifier: MIT */
/* Events of the kernel: a handler for each bit. Events are delivered to vCPU 0, where
 * interrupt lines are bound. */
#ifndef LIBOS_CORE_EVENT_H
#define LIBOS_CORE_EVENT_H

#include "core/types.h"

#define EVENT_POKE 0       /* look at your queue and your work */
#define EVENT_FIRST_FREE 8 /* bits 8..55 are for event_bind */
#define EVENT_LAST_FREE 55
#define EVENT_LAST 56 /* STEWARD_EVENT of sdk/steward.h; bound, never allocated */

/* fn(arg) runs on vCPU 0 in LibOS context, with no locks held; it must not sleep. Start
 * only. */
void event_bind(unsigned bit, void (*fn)(void *arg), void *arg);
/* A free bit; panics when there are none. */
unsigned event_allocate(void);

#endif

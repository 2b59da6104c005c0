/* SPDX-License-Identifier: MIT */
/*
 * Epochs: the one mechanism behind TLB flushes and quiet points.
 *
 * E1. A CPU's epoch is a value that the global epoch had at a moment after which the CPU
 * held no stale translation of Ring 3 addresses, and kept no checked authority (it was at
 * the kickoff of its IPI handler, or idle). E2. What was removed (a mapping, a
 * capability) before the global epoch became e is unreachable to every CPU whose epoch is
 * >= e; "all seen e" means it is unreachable to the whole machine. E3. An idle CPU counts
 * as having seen everything: on leaving idle it loads the global epoch before it loads a
 * root. No CPU waits for another: who needs e asks (epoch_ask) and returns RESUME or
 * FLUSH to its caller.
 */
#ifndef KERNEL_BASE_EPOCH_H
#define KERNEL_BASE_EPOCH_H

#include "base/types.h"

/* Start a new epoch: everything removed before this call is covered by the returned
 * value. Never 0. */
u64 epoch_next(void);
u64 epoch_now(void);
/* Have all CPUs reached e? Flushes the own TLB and advances the own epoch if that is what
 * is missing. */
bool epoch_seen(u64 e);
/* Send an IPI to each CPU of the set that has not reached e; the own CPU flushes at once.
 */
void epoch_ask(u64 cpus, u64 e);
/* The 32-bit stamp of frame records: compares modulo 2^32 within half the range. */
bool epoch_stamp_seen(u32 stamp);

/* The handler of HAL_VECTOR_KICK calls this first: flush, and publish the epoch (E1). */
void epoch_kick(void);
/* Around idling.  Enter: the kernel's root is loaded already.  Leave: before a root with
 * Ring 3 entries is (E3). */
void epoch_idle_enter(void);
void epoch_idle_leave(void);

#endif

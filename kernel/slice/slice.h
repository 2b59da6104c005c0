/* SPDX-License-Identifier: MIT */
/*
 * Who runs on a CPU: its slice vector, a cyclic time-table of (vCPU, TSC ticks), and the
 * dispatcher.
 *
 * I1. The position whose time it is (slice_pos) advances with the clock alone.  If its
 * owner is not ready, the next ready vCPU of the vector borrows the time; when the owner
 * wakes in its own time it comes on at once. I2. At the end of a slice that somebody else
 * waits for, the running vCPU gets FB_EVENT_SLICE, and after SLICE_GRACE_NS it is
 *     preempted by force: its registers are kept in its vCPU and it goes on later,
 * unharmed. I3. The timer is armed for a slice's end only while somebody else is ready:
 * one ready vCPU is never interrupted. I4. dispatch functions run on the own CPU,
 * interrupts off, and do not return to their caller.
 */
#ifndef KERNEL_SLICE_SLICE_H
#define KERNEL_SLICE_SLICE_H

#include "base/cpu.h"
#include "base/types.h"
#include "domain/domain.h"

#define SLICE_GRACE_NS 100000u

/* Go to the vCPU whose turn it is, or idle. The current vCPU's registers must have been
 * saved. */
NORETURN void dispatch(struct cpu *c);
/* The current vCPU leaves the CPU with these registers: it stays READY, or (waiting) is
 * what its state says. */
void vcpu_leave(struct cpu *c, struct vcpu *v, const struct fb_regs *regs);
/* Should somebody else run now than c->current?  Advances the time-table; arms the
 * slice's end where I3 says so. */
bool slice_preempts(struct cpu *c);
/* The local timer fired: deliver timers that are due, handle the slice's end. Sets
 * c->resched when another is to run. */
void slice_timer(struct cpu *c);
/* Program the local timer for `tsc` if that is earlier than what is armed. */
void slice_arm(struct cpu *c, u64 tsc);
/* The current vCPU, which has been left, gives its time to `to` (READY), or (NULL) to the
 * next in the vector. */
void slice_yield(struct cpu *c, const struct vcpu *v, struct vcpu *to);

#endif

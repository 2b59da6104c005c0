/* SPDX-License-Identifier: MIT */
/*
 * Events and upcalls.
 *
 * U1. An event bit is set in the control block's pending word first (locked), then the
 * vCPU's state is read (D3). U2. Only the vCPU's own CPU reads the mask and delivers: on
 * the way out of a trap, in gate_return and resume, in wait. U3. An upcall writes one
 * save area, sets the mask, and enters the registered address in the LibOS view.
 */
#ifndef KERNEL_EVENT_EVENT_H
#define KERNEL_EVENT_EVENT_H

#include "base/cpu.h"
#include "domain/domain.h"
#include "hal/hal.h"

/* Set bits of a vCPU and see to it that it notices. Any CPU. */
void event_send(struct vcpu *v, u64 bits);
/* A vCPU that waits or calls looks anew whether it still should (ipc/ipc.h, I2). Any CPU. */
void event_rouse(struct vcpu *v);
/* Whom the caller roused on this CPU gets its turn when interrupts are on again: for those
 * who return to Ring 3 without a look at `resched`. */
void event_turn(void);
/* Rewrite `regs` (of the current vCPU, in Ring 3) so that it enters the LibOS with an
 * upcall. */
void event_upcall(struct cpu *c, struct vcpu *v, struct fb_regs *regs, enum fb_save area,
                  u32 vector, u64 cr2);
/* If events are pending and unmasked: upcall, true. `user`: regs are of the user view. */
bool event_deliver(struct cpu *c, struct vcpu *v, struct fb_regs *regs, bool user);
/* Is this Ring 3 state one of the user view? (direct gate: by the address) */
static inline bool
event_in_user_view(const struct vcpu *v, const struct fb_regs *regs)
{
    if (v->domain->gate == FB_GATE_DIRECT)
        return (int64_t)regs->rip >= 0;
    return (hal_cr3_read() & PAGE_SIZE) ==
           0; /* S1: the user view's root is the even frame */
}

#endif

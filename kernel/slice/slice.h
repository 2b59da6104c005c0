/* SPDX-License-Identifier: MIT */
/*
 * Who runs on a CPU: its slice vector, a cyclic time-table of (vCPU, TSC ticks), and the
 * dispatcher.
 *
 * I1. The position whose time it is (slice_pos) advances with the clock alone.  Its owner
 *     runs whenever it is ready, and comes on at once when it wakes; else the next ready
 *     vCPU of the vector borrows the time.  An owner that yields lends what is left.
 * I2. At the end of a slice for which somebody waits, the running vCPU gets
 *     FB_EVENT_SLICE, and after SLICE_GRACE_NS it is preempted by force: its registers are
 *     kept in its vCPU and it goes on later, unharmed.  Who comes next loses nothing: the
 *     time-table is late by what was overrun, and the next slice of the position on whose
 *     account that was (paid_by) is shorter by as much (up to a slice and the grace: what
 *     is beyond was not the vCPU's doing).
 * I3. The timer is armed for a slice's end only while somebody else is ready: one ready
 *     vCPU is never interrupted.
 * I4. dispatch functions run on the own CPU, interrupts off, and do not return to their
 *     caller.
 * I5. A vCPU that is READY has the bits of its positions set in its CPU's `ready`: who
 *     makes it READY stores the state, then loads its positions, then sets the bits;
 *     slice_bind stores the positions, then sets the bit.  Only the own CPU clears bits:
 *     of who is found asleep, and then it looks at the state once more, so that one of
 *     the two sees the other.  A bit too many costs a look; looking costs nothing for
 *     positions that are empty or asleep.
 *     So is who is CALLING: for its bits somebody else is looked at (I7).
 * I6. A vCPU runs on the account of a position: who was picked, on its own; to whom
 *     somebody yields, or whom a call enters, on that one's.  It leaves when the position
 *     is given to another (slice_set, revocation), and when the call ends without a reply.
 *     A reply enters the caller on the account on which the call came, not on the callee's.
 * I7. The time of a position whose owner is CALLING is that of the vCPU that serves the
 *     call, and so on down the chain (ipc/ipc.h, I4).
 *
 * Lock: the tree lock of cap/ for what slice_bind writes; all else is the own CPU's.
 */
#ifndef KERNEL_SLICE_SLICE_H
#define KERNEL_SLICE_SLICE_H

#include "base/cpu.h"
#include "base/types.h"
#include "domain/domain.h"

#define SLICE_GRACE_NS 100000u
#define SLICE_NEVER    (~0ull)

/* ---- dispatch.c ---- */
/* Go to the vCPU whose turn it is, or idle. The current vCPU's registers must have been
 * saved. */
NORETURN void dispatch(struct cpu *c);
/* The current vCPU, which is to leave the CPU with these registers, is READY; what comes
 * next is dispatch. */
void vcpu_leave(struct vcpu *v, const struct fb_regs *regs);
/* v is current from here on: all but its registers, vector state and root.  Its LibOS
 * view's root. */
static INLINE u64
vcpu_current(struct cpu *c, struct vcpu *v)
{
    u64 user_cr3 = space_user_cr3(v->space), libos_cr3 = user_cr3 + PAGE_SIZE;

    c->current = v;
    c->cb = v->cb;
    c->gate_rip = v->gate_rip;
    c->user_cr3 = user_cr3;
    c->libos_cr3 = libos_cr3;
    __atomic_store_n(v->shown, v->id, __ATOMIC_RELAXED);
    if (__builtin_expect(c->gate != v->domain->gate, 0))
        hal_gate_select(v->domain->gate == FB_GATE_DIRECT);
    return libos_cr3;
}
/* Time up to `now` is added up: it is that of the vCPU that was dispatched, also while it
 * has calls open (I7); before another is charged. */
static inline void
slice_account(struct cpu *c, u64 now)
{
    struct vcpu *v = atomic_load_explicit(&c->charged, memory_order_acquire);

    if (v != NULL) {
        __atomic_store_n(&v->ran, v->ran + (now - c->since), __ATOMIC_RELAXED);
        v->counts->ticks += now - c->since;
    }
    c->since = now;
}
/* TSC ticks that v has had the CPU until now. Any CPU. */
u64 slice_ran(const struct vcpu *v);

/* ---- table.c: who gets the time ---- */
/* WAITING or CALLING -> READY; false: another waker was first, or it is dead. Any CPU; the
 * caller kicks v's (event_rouse). */
bool vcpu_wake(struct vcpu *v);
/* v has become READY or CALLING (I5). Any CPU. */
void slice_ready(struct vcpu *v);
/* Give a position to v for `ticks` of each round; NULL: to nobody. Tree lock; the caller
 * kicks c. */
void slice_bind(struct cpu *c, u32 position, struct vcpu *v, u64 ticks);
/* Advance the time-table to now. Who runs past an end of which it was told pays (I2). */
void slice_advance(struct cpu *c, u64 now);
/* Who is to run now, after slice_advance; its account is set. NULL: nobody is ready. */
struct vcpu *slice_choose(struct cpu *c);
/* Should somebody else run now than c->current?  Tells it of the slice's end (I2), and
 * arms the timer where I3 says so. */
bool slice_preempts(struct cpu *c);
/* v has come on: arm the end of its slice if somebody waits for that. */
void slice_begin(struct cpu *c);
/* The local timer fired: deliver timers that are due, arm the next one. Sets c->resched
 * when another may have to run. */
void slice_timer(struct cpu *c);
/* Program the local timer for `tsc` if that is earlier than what is armed. */
void slice_arm(struct cpu *c, u64 tsc);
/* v, of this CPU, waits for `tsc` (timer or wait_until; FB_FOREVER: for none). */
static inline void
slice_await(struct cpu *c, const struct vcpu *v, u64 tsc)
{
    if (tsc == SLICE_NEVER)
        return;
    c->timed |= 1ull << v->slot;
    slice_arm(c, tsc);
}
/* The current vCPU, which has been left, gives its time to `to` (READY), or (NULL) to the
 * next in the vector. A borrower has nothing to give but its turn. */
void slice_yield(struct cpu *c, struct vcpu *to);
/* The current vCPU has replied and goes on: what is left of its caller's time is lent. */
void slice_replied(struct cpu *c);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Traps: interrupts and exceptions, from Ring 3 or while the CPU idles.
 *
 * The kernel itself runs with interrupts off and takes no exceptions: one in Ring 0 is a
 * broken invariant (panic). A trap from Ring 3 ends in one of three ways: the same vCPU
 * goes on (perhaps in an upcall), another one does, or the CPU idles.
 */
#include "base/epoch.h"
#include "base/panic.h"
#include "dev/irq.h"
#include "domain/life.h"
#include "event/event.h"
#include "hal/hal.h"
#include "slice/slice.h"

#define VECTOR_NMI           2
#define VECTOR_MACHINE_CHECK 18

void trap(struct fb_regs *regs);

static void
exception(struct cpu *c, struct fb_regs *regs)
{
    struct vcpu *v = c->current;
    u64 cr2 = regs->vector == 14 ? hal_cr2_read() : 0;

    if (event_in_user_view(v, regs)) {
        event_upcall(c, v, regs, FB_SAVE_USER, (u32)regs->vector, cr2);
        return;
    }
    if (__atomic_load_n(&v->cb->save[FB_SAVE_FAULT].busy, __ATOMIC_RELAXED) != 0) {
        domain_end(v->domain, FB_END_DOUBLE_FAULT, regs->vector, regs, cr2);
        return;
    }
    event_upcall(c, v, regs, FB_SAVE_FAULT, (u32)regs->vector, cr2);
}

/* On the way back to Ring 3: is this vCPU still the one to run, and has it events? */
static void
leave_to_ring3(struct cpu *c, struct fb_regs *regs)
{
    struct vcpu *v = c->current;

    if (!domain_alive(v->domain))
        domain_drop_current(c);
    /* Some CPUs find out that a jump's target is not canonical only when they are there:
     * iretq must not. */
    regs->rip = (u64)((int64_t)(regs->rip << 16) >> 16);
    if (c->resched && slice_preempts(c)) {
        vcpu_leave(v, regs);
        dispatch(c);
    }
    event_deliver(c, v, regs, event_in_user_view(v, regs));
    if (!domain_alive(v->domain))
        domain_drop_current(c);
}

/* What the program has done, not the machine. */
static bool
is_exception(u64 vector)
{
    return vector < 32 && vector != VECTOR_NMI && vector != VECTOR_MACHINE_CHECK;
}

void
trap(struct fb_regs *regs)
{
    struct cpu *c = this_cpu();
    bool ring3 = (regs->cs & 3) != 0;

    if (ring3 && is_exception(regs->vector)) {
        exception(c, regs);
        if (c->resched || !domain_alive(c->current->domain))
            leave_to_ring3(c, regs);
        return; /* the upcall's rip was checked, and it masks events */
    }
    if (!ring3 && regs->vector >= 32)
        epoch_idle_leave(); /* it idled: from here on it uses vCPUs (E3) */
    record->interrupts[c->id]++;
    switch (regs->vector) {
    case HAL_VECTOR_TIMER:
        hal_eoi();
        slice_timer(c);
        break;
    case HAL_VECTOR_KICK:
        hal_eoi();
        epoch_kick();
        c->resched = 1;
        break;
    case HAL_VECTOR_STOP: hal_stop();
    case HAL_VECTOR_SPURIOUS: return;
    case VECTOR_NMI: kprintf("cpu %u: NMI\n", c->id); return;
    case VECTOR_MACHINE_CHECK: panic_trap(regs, 0);
    default:
        if (regs->vector >= HAL_VECTOR_IRQ && regs->vector < HAL_VECTOR_IRQ + HAL_IRQS) {
            irq_fired((u32)regs->vector - HAL_VECTOR_IRQ);
        } else {
            panic_trap(regs, hal_cr2_read());
        }
        break;
    }
    if (ring3)
        leave_to_ring3(c, regs);
}

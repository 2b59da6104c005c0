/* SPDX-License-Identifier: MIT */
/* Events and upcalls: see event.h for the invariants. */
#include "event/event.h"

#include "domain/life.h"
#include "hal/hal.h"
#include "slice/slice.h"

void
event_rouse(struct vcpu *v)
{
    if (!vcpu_wake(v))
        return; /* another waker was first, or it is dead */
    if (v->cpu != this_cpu()->id)
        hal_kick(v->cpu);
    else
        this_cpu()->resched = 1;
}

void
event_turn(void)
{
    if (this_cpu()->resched)
        hal_kick(this_cpu()->id);
}

void
event_send(struct vcpu *v, u64 bits)
{
    u64 old = __atomic_fetch_or(&v->cb->pending, bits, __ATOMIC_SEQ_CST);
    u32 state = atomic_load(&v->state);

    if (state == VCPU_WAITING) {
        event_rouse(v);
    } else if (state == VCPU_RUNNING && v->cpu != this_cpu()->id &&
               (old & bits) != bits) {
        hal_kick(v->cpu); /* it delivers on the way out of the interrupt */
    }
}

void
event_upcall(struct cpu *c, struct vcpu *v, struct fb_regs *regs, enum fb_save area,
             u32 vector, u64 cr2)
{
    struct fb_cb *cb = v->cb;
    struct fb_save_area *save = &cb->save[area];

    if (v->upcall_rip == 0) {
        domain_end(v->domain, FB_END_NO_ENTRY, vector, regs, cr2);
        return;
    }
    v->counts->upcalls++;
    v->counts->faults += vector < 32;
    save->regs = *regs;
    save->regs.vector = vector;
    save->cr2 = cr2;
    save->mask = cb->mask;
    save->busy = 1;
    save->events = vector == FB_VECTOR_EVENT
                       ? __atomic_exchange_n(&cb->pending, 0, __ATOMIC_SEQ_CST)
                       : 0;
    cb->mask = 1;

    u64 stack = area == FB_SAVE_USER    ? cb->entry_rsp
                : area == FB_SAVE_FAULT ? cb->fault_rsp
                                        : cb->event_rsp;
    regs->rdi = area;
    regs->rsi = vector;
    regs->rip = v->upcall_rip;
    regs->cs = HAL_USER_CS;
    regs->rflags = HAL_RFLAGS_FIXED;
    regs->rsp = stack;
    regs->ss = HAL_USER_SS;
    if (area == FB_SAVE_USER && v->domain->gate == FB_GATE_VIEWS)
        hal_cr3_write(c->libos_cr3);
}

bool
event_deliver(struct cpu *c, struct vcpu *v, struct fb_regs *regs, bool user)
{
    struct fb_cb *cb = v->cb;

    if (!user && __atomic_load_n(&cb->mask, __ATOMIC_RELAXED) != 0)
        return false;
    if (__atomic_load_n(&cb->pending, __ATOMIC_RELAXED) == 0)
        return false;
    event_upcall(c, v, regs, user ? FB_SAVE_USER : FB_SAVE_EVENT, FB_VECTOR_EVENT, 0);
    return true;
}

/* From entry.S: gate_return found events.  The LibOS view is current; regs are the
 * user's, unchecked. */
void gate_event(struct fb_regs *regs);
void
gate_event(struct fb_regs *regs)
{
    struct cpu *c = this_cpu();

    regs->rip &= (1ull << 47) - 1;
    regs->rflags = (regs->rflags & HAL_RFLAGS_USER) | HAL_RFLAGS_FIXED;
    regs->rcx = regs->rip;
    regs->r11 = regs->rflags;
    if (!event_deliver(c, c->current, regs, true) &&
        c->current->domain->gate == FB_GATE_VIEWS)
        hal_cr3_write(c->user_cr3); /* the domain has cleared the bits meanwhile, from
                                       another of its vCPUs */
    if (!domain_alive(c->current->domain))
        domain_drop_current(c);
}

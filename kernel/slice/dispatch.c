/* SPDX-License-Identifier: MIT */
/* The dispatcher: see slice.h for the rules. */
#include "slice/slice.h"

#include "base/epoch.h"
#include "base/panic.h"
#include "boot/boot.h"
#include "domain/life.h"
#include "event/event.h"
#include "hal/hal.h"
#include "ipc/ipc.h"

void dispatch_loop(void);
NORETURN void dispatch_reset(u64 stack_top);

void
vcpu_leave(struct vcpu *v, const struct fb_regs *regs)
{
    v->regs = *regs;
    v->cr3 = hal_cr3_read();
    v->waits = 0;
    u32 running = VCPU_RUNNING;
    atomic_compare_exchange_strong(&v->state, &running, VCPU_READY);
    slice_ready(v); /* a call had not set its bits when it entered it */
}

/* One that runs on another CPU may leave it meanwhile: its sum changes before `since`
 * does. */
u64
slice_ran(const struct vcpu *v)
{
    const struct cpu *c = cpu_by_id(v->cpu);
    u64 ran = __atomic_load_n(&v->ran, __ATOMIC_ACQUIRE);
    const struct vcpu *charged = atomic_load(&c->charged);
    u64 since = __atomic_load_n(&c->since, __ATOMIC_ACQUIRE), now = hal_tsc();

    if (charged != v || now < since || __atomic_load_n(&v->ran, __ATOMIC_ACQUIRE) != ran)
        return __atomic_load_n(&v->ran, __ATOMIC_RELAXED);
    return ran + (now - since);
}

/* All but its general registers. */
static void
vcpu_load(struct cpu *c, struct vcpu *v)
{
    struct vcpu *old = atomic_load_explicit(&c->fpu_owner, memory_order_relaxed);

    vcpu_current(c, v);
    if (old != v) {
        if (old != NULL && atomic_load(&old->state) != VCPU_DEAD)
            hal_state_switch(&old->machine, &v->machine);
        else
            hal_state_load(&v->machine);
        atomic_store_explicit(&c->fpu_owner, v, memory_order_relaxed);
    }
    hal_cr3_write(v->cr3);
}

static NORETURN void
vcpu_run(struct cpu *c, struct vcpu *v)
{
    struct fb_regs *regs = &v->regs;

    vcpu_load(c, v);
    v->counts->switches++;
    slice_begin(c);
    bool user = event_in_user_view(v, regs);
    event_deliver(c, v, regs, user);
    if (!domain_alive(v->domain))
        domain_drop_current(c);
    hal_load(regs);
}

/* Whom the yield under way names, while that slice lasts, or whom the time-table does. */
static struct vcpu *
take_next(struct cpu *c, u64 now)
{
    u32 pos = c->slice_pos, ready = VCPU_READY;
    struct vcpu *v = c->donee;

    c->donee = NULL;
    slice_advance(c, now);
    if (v == NULL || c->slice_pos != pos ||
        !atomic_compare_exchange_strong(&v->state, &ready, VCPU_RUNNING)) {
        do { /* one may die between the two looks */
            v = slice_choose(c);
            ready = VCPU_READY;
        } while (v != NULL &&
                 !atomic_compare_exchange_strong(&v->state, &ready, VCPU_RUNNING));
    }
    return v;
}

void
dispatch_loop(void)
{
    struct cpu *c = this_cpu();
    u64 now = hal_tsc();

    slice_account(c, now);
    c->current = NULL;
    atomic_store(&c->charged, NULL);
    for (;;) {
        struct vcpu *v = take_next(c, now);
        c->resched = 0;
        if (v != NULL) {
            c->since = now;
            atomic_store(&c->charged, v);
            if (v->waits == 0 || ipc_settle(c, v))
                vcpu_run(c, v);
            continue;
        }
        __atomic_store_n(&record->cpu[c->id].vcpu, 0, __ATOMIC_RELAXED);
        hal_cr3_write(hal_kernel_cr3);
        epoch_idle_enter();
        if (slice_choose(c) == NULL)
            hal_idle();
        epoch_idle_leave();
        u64 then = now;
        now = hal_tsc();
        record->cpu[c->id].idle_tsc += now - then;
    }
}

NORETURN void
dispatch(struct cpu *c)
{
    dispatch_reset(c->stack_top);
}

NORETURN void
dispatch_start(void)
{
    struct cpu *c = this_cpu();
    c->armed = SLICE_NEVER;
    c->slice_end = 0; /* the first vCPU to run begins a slice */
    dispatch(c);
}

/* SPDX-License-Identifier: MIT */
/* The dispatcher: see slice.h for the rules. */
#include "slice/slice.h"

#include "base/epoch.h"
#include "base/panic.h"
#include "boot/boot.h"
#include "domain/life.h"
#include "event/event.h"
#include "hal/hal.h"

#define NEVER (~0ull)

void dispatch_loop(void);
NORETURN void dispatch_reset(u64 stack_top);

static u64
grace_ticks(void)
{
    return record->tsc_hz / 1000000 * (SLICE_GRACE_NS / 1000);
}

void
slice_arm(struct cpu *c, u64 tsc)
{
    if (tsc < c->armed) {
        c->armed = tsc;
        hal_timer_arm(tsc);
    }
}

static struct vcpu *
slice_owner(struct cpu *c, u32 pos)
{
    return atomic_load_explicit(&c->slices[pos].vcpu, memory_order_acquire);
}

static bool
vcpu_ready(struct vcpu *v)
{
    return v != NULL &&
           atomic_load_explicit(&v->state, memory_order_acquire) == VCPU_READY;
}

/* Advance the time-table to now (I1). At most one round is walked: a longer absence
 * starts a fresh slice. */
static void
slice_advance(struct cpu *c, u64 now)
{
    for (u32 n = 0; n < CPU_SLICES && now >= c->slice_end; n++) {
        c->slice_pos = (c->slice_pos + 1) % CPU_SLICES;
        c->donated = 0;
        if (slice_owner(c, c->slice_pos) != NULL)
            c->slice_end += c->slices[c->slice_pos].ticks;
    }
    if (now >= c->slice_end) {
        struct vcpu *owner = slice_owner(c, c->slice_pos);
        c->slice_end = now + (owner != NULL ? c->slices[c->slice_pos].ticks : 0);
    }
}

/* The ready vCPU that should run: the owner of the position, else the next ready one
 * after it. NULL: none. */
static struct vcpu *
slice_pick(struct cpu *c)
{
    for (u32 i = 0; i < CPU_SLICES; i++) {
        struct vcpu *v = slice_owner(c, (c->slice_pos + i) % CPU_SLICES);
        if (vcpu_ready(v))
            return v;
    }
    return NULL;
}

bool
slice_preempts(struct cpu *c)
{
    struct vcpu *current = c->current;
    struct vcpu *next = slice_pick(c);

    c->resched = 0;
    if (next == NULL)
        return false; /* nobody else is ready */
    if (current == NULL)
        return true;
    u64 now = hal_tsc();
    slice_advance(c, now);
    struct vcpu *owner = slice_owner(c, c->slice_pos);
    if (owner != current && vcpu_ready(owner) && !c->donated)
        return true; /* its own time has come */
    if (owner == current || !c->force)
        slice_arm(c, c->slice_end);
    return false;
}

/* Timers of the vCPUs on this CPU that are due; returns the earliest of the others. */
static u64
timers_run(struct cpu *c, u64 now)
{
    u64 next = NEVER;

    for (u32 i = 0; i < __atomic_load_n(&c->vcpus_used, __ATOMIC_ACQUIRE); i++) {
        struct vcpu *v = atomic_load_explicit(&c->vcpus[i], memory_order_acquire);
        if (v == NULL)
            continue;
        if (v->timer <= now) {
            v->timer = NEVER;
            event_send(v, 1ull << FB_EVENT_TIMER);
        }
        u32 waiting = VCPU_WAITING;
        if (v->wait_until <= now && atomic_load(&v->state) == VCPU_WAITING) {
            v->wait_until = NEVER;
            if (atomic_compare_exchange_strong(&v->state, &waiting, VCPU_READY))
                c->resched = 1;
        }
        u64 first = v->timer;
        if (atomic_load(&v->state) == VCPU_WAITING && v->wait_until < first)
            first = v->wait_until;
        next = first < next ? first : next;
    }
    return next;
}

void
slice_timer(struct cpu *c)
{
    u64 now = hal_tsc();

    c->armed = NEVER;
    u64 next = timers_run(c, now);
    if (c->current != NULL) {
        u64 end = c->slice_end;
        if (c->force && now >= end + grace_ticks()) {
            c->force = 0;
            c->resched = 1; /* I2: by force */
        } else if (now >= end && slice_pick(c) != NULL && !c->force) {
            c->force = 1;
            event_send(c->current, 1ull << FB_EVENT_SLICE);
        }
        if (c->force && end + grace_ticks() < next)
            next = end + grace_ticks();
        else if (!c->force && slice_pick(c) != NULL && end > now && end < next)
            next = end;
    }
    slice_arm(c, next);
}

/* A borrower has nothing to give but its turn: the owner's time goes on. */
void
slice_yield(struct cpu *c, const struct vcpu *v, struct vcpu *to)
{
    bool own = slice_owner(c, c->slice_pos) == v, seen = false;

    for (u32 i = 0; to == NULL && !own && i < 2 * CPU_SLICES; i++) {
        struct vcpu *next = slice_owner(c, (c->slice_pos + i) % CPU_SLICES);
        if (seen && next != v && vcpu_ready(next))
            to = next;
        seen |= next == v;
    }
    if (own && to == NULL)
        c->slice_end = hal_tsc();
    c->donee = to;
    c->donated = own;
}

void
vcpu_leave(struct cpu *c, struct vcpu *v, const struct fb_regs *regs)
{
    v->regs = *regs;
    v->cr3 = hal_cr3_read();
    v->waits = 0;
    c->current = NULL;
    u32 running = VCPU_RUNNING;
    atomic_compare_exchange_strong(&v->state, &running, VCPU_READY);
}

/* Vector state, FS and GS of v into the CPU. */
static void
load_machine_state(struct cpu *c, struct vcpu *v)
{
    struct vcpu *old = atomic_load_explicit(&c->fpu_owner, memory_order_relaxed);

    if (old == v)
        return;
    if (old != NULL && atomic_load(&old->state) != VCPU_DEAD) {
        hal_fpu_save(old->fpu);
        old->fs_base = hal_fs_base();
        old->gs_base = hal_gs_base();
    }
    hal_fpu_load(v->fpu);
    hal_set_fs_base(v->fs_base);
    hal_set_gs_base(v->gs_base);
    atomic_store_explicit(&c->fpu_owner, v, memory_order_relaxed);
    hal_gate_select(v->domain->gate == FB_GATE_DIRECT);
}

static NORETURN void
vcpu_run(struct cpu *c, struct vcpu *v)
{
    struct fb_regs *regs = &v->regs;

    c->current = v;
    domain_counts(v->domain, c)->switches++;
    c->cb = v->cb;
    c->gate_rip = v->gate_rip;
    c->user_cr3 = space_user_cr3(v->space);
    c->libos_cr3 = space_libos_cr3(v->space);
    c->force = 0;
    __atomic_store_n(&record->cpu[c->id].vcpu, v->id, __ATOMIC_RELAXED);
    load_machine_state(c, v);
    hal_cr3_write(v->cr3);
    if (v->waits) {
        v->waits = 0;
        v->wait_until = NEVER;
        regs->rdx = __atomic_exchange_n(&v->cb->pending, 0, __ATOMIC_SEQ_CST);
    }
    if (slice_pick(c) != NULL)
        slice_arm(c, c->slice_end);
    bool user = event_in_user_view(v, regs);
    event_deliver(c, v, regs, user);
    if (!domain_alive(v->domain))
        domain_drop_current(c);
    hal_load(regs);
}

void
dispatch_loop(void)
{
    struct cpu *c = this_cpu();

    for (;;) {
        u64 now = hal_tsc();
        slice_advance(c, now);
        struct vcpu *v = c->donee;
        u32 ready = VCPU_READY;
        c->donee = NULL;
        if (!vcpu_ready(v)) {
            c->donated = 0;
            v = slice_pick(c);
        }
        if (v != NULL &&
            atomic_compare_exchange_strong(&v->state, &ready, VCPU_RUNNING)) {
            if (slice_owner(c, c->slice_pos) == v && c->slice_end <= now)
                c->slice_end = now + c->slices[c->slice_pos].ticks;
            vcpu_run(c, v);
        }
        if (v != NULL)
            continue; /* it died between the two looks */
        __atomic_store_n(&record->cpu[c->id].vcpu, 0, __ATOMIC_RELAXED);
        hal_cr3_write(hal_kernel_cr3);
        epoch_idle_enter();
        if (slice_pick(c) == NULL)
            hal_idle();
        epoch_idle_leave();
        record->cpu[c->id].idle_tsc += hal_tsc() - now;
    }
}

NORETURN void
dispatch(struct cpu *c)
{
    c->current = NULL;
    dispatch_reset(c->stack_top);
}

NORETURN void
dispatch_start(void)
{
    struct cpu *c = this_cpu();
    c->armed = NEVER;
    c->slice_end = 0; /* the first vCPU to run begins a slice */
    dispatch(c);
}

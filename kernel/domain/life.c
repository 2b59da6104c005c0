/* SPDX-License-Identifier: MIT */
/*
 * The end of a domain.
 *
 * ALIVE -> DYING (domain_end: by itself, by a fault, by domain_destroy) -> destroyed in phases, each bounded and resumable:
 *   STOP      every CPU leaves its vCPUs (a quiet point)
 *   UNBIND    slices, interrupt lines, watchers that refer to them go; another quiet point
 *   SPACES    trees are torn down, roots freed
 *   WINDOW    the same for the window
 *   TABLE     its capabilities are deleted
 *   NAMES     the capabilities on it and on its vCPUs are revoked
 *   FREE      object memory is given back
 */
#include "domain/life.h"

#include "base/epoch.h"
#include "base/panic.h"
#include "dev/irq.h"
#include "event/event.h"
#include "hal/hal.h"
#include "slice/slice.h"

enum phase { PHASE_STOP, PHASE_UNBIND, PHASE_SPACES, PHASE_WINDOW, PHASE_TABLE, PHASE_NAMES, PHASE_FREE };

void
domain_end(struct domain *d, enum fb_end_cause cause, u64 code, const struct fb_regs *regs, u64 cr2)
{
    u32 alive = FB_DOMAIN_ALIVE;

    if (!atomic_compare_exchange_strong(&d->state, &alive, FB_DOMAIN_DYING))
        return;
    d->status.cause = cause;
    d->status.code = code;
    d->status.cr2 = cr2;
    if (regs)
        d->status.regs = *regs;
    for (struct vcpu *v = d->vcpus; v != NULL; v = v->next) {
        u32 state = atomic_load(&v->state);
        while (state != VCPU_RUNNING && state != VCPU_DEAD)
            if (atomic_compare_exchange_weak(&v->state, &state, VCPU_DEAD))
                break;
        if (state == VCPU_RUNNING && v->cpu != this_cpu()->id)
            hal_kick(v->cpu); /* it leaves on the way out of the interrupt */
    }
    struct vcpu *watcher = atomic_load(&d->watcher);
    if (watcher != NULL)
        event_send(watcher, 1ull << d->watch_bit);
}

NORETURN void
domain_drop_current(struct cpu *c)
{
    struct vcpu *v = c->current;

    atomic_store(&v->state, VCPU_DEAD);
    if (c->fpu_owner == v)
        c->fpu_owner = NULL;
    c->current = NULL;
    hal_cr3_write(hal_kernel_cr3);
    dispatch(c);
}

static bool
all_dead(const struct domain *d)
{
    for (struct vcpu *v = d->vcpus; v != NULL; v = v->next)
        if (atomic_load(&v->state) != VCPU_DEAD)
            return false;
    return true;
}

static void
unbind_slices(const struct domain *d)
{
    for (u32 cpu = 0; cpu < cpu_count; cpu++) {
        struct cpu *c = cpu_by_id(cpu);
        for (u32 i = 0; i < CPU_SLICES; i++) {
            struct vcpu *v = atomic_load(&c->slices[i].vcpu);
            if (v != NULL && v->domain == d)
                atomic_store(&c->slices[i].vcpu, NULL);
        }
    }
}

static int
unbind_all(struct domain *d)
{
    int error = cap_lock();
    if (error)
        return error;
    unbind_slices(d);
    irq_unbind_domain(d);
    for (struct domain *o = domains; o != NULL; o = o->next) {
        struct vcpu *w = atomic_load(&o->watcher);
        if (w != NULL && w->domain == d)
            atomic_store(&o->watcher, NULL);
    }
    cap_release();
    d->epoch = epoch_next();
    epoch_ask(~0ull, d->epoch);
    return 0;
}

static int
free_spaces(struct domain *d)
{
    while (d->spaces != NULL) {
        struct space *s = d->spaces;
        struct tree t = { .space = s, .domain = d };
        s->dying = 2;
        int error = space_tear_down(t, &d->cursor);
        if (!error)
            error = cap_destroy_step(s->cap);
        if (!error)
            error = space_list_lock(d);
        if (error)
            return error;
        space_free(s);
        space_list_unlock(d);
        d->cursor = 0;
    }
    return 0;
}

static void
free_objects(struct domain *d)
{
    for (struct vcpu *v = d->vcpus, *next; v != NULL; v = next) {
        next = v->next;
        vcpu_unmake(v);
    }
    domain_unmake(d);
}

static int
unlink_domain(struct domain *d)
{
    int error = cap_lock();
    if (error)
        return error;
    *d->link = d->next;
    if (d->next)
        d->next->link = d->link;
    cap_release();
    return 0;
}

/* One phase; 0 when it is complete. */
static int
destroy_phase(struct domain *d)
{
    struct cap *blocker;
    struct tree window = { .space = NULL, .domain = d };
    int error;

    switch ((enum phase)d->phase) {
    case PHASE_STOP:
        domain_end(d, FB_END_DESTROYED, 0, NULL, 0);
        return all_dead(d) ? 0 : -FB_E_RESUME;
    case PHASE_UNBIND:
        if (d->epoch == 0) {
            error = unbind_all(d);
            if (error)
                return error;
        }
        return epoch_seen(d->epoch) ? 0 : -FB_E_RESUME;
    case PHASE_SPACES:
        return free_spaces(d);
    case PHASE_WINDOW:
        return space_tear_down(window, &d->cursor);
    case PHASE_TABLE:
        error = cap_table_clear_step(&d->table);
        if (error == -FB_E_INUSE && (blocker = cap_table_blocker(&d->table)) != NULL) {
            error = domain_destroy_step(blocker->object); /* a domain ends with its maker */
            return error ? error : -FB_E_RESUME;
        }
        return error;
    case PHASE_NAMES:
        error = cap_destroy_step(d->cap);
        return error ? error : unlink_domain(d);
    case PHASE_FREE:
        free_objects(d);
        return 0;
    }
    return 0;
}

int
domain_destroy_step(struct domain *d)
{
    u32 idle = 0;

    if (d == this_cpu()->current->domain)
        return -FB_E_INUSE; /* domain_exit is the call for that */
    if (!atomic_compare_exchange_strong(&d->destroy_busy, &idle, 1))
        return -FB_E_BUSY;
    for (;;) {
        u32 phase = d->phase;
        int error = destroy_phase(d);
        if (error) {
            atomic_store(&d->destroy_busy, 0);
            return error;
        }
        if (phase == PHASE_FREE)
            return 0;
        d->phase = phase + 1;
        d->cursor = 0;
    }
}

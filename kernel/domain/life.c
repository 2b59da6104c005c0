/* SPDX-License-Identifier: MIT */
/*
 * The end of a domain.
 *
 * ALIVE -> DYING (domain_end: by itself, by a fault, by domain_destroy) -> destroyed in
 * phases, each bounded and resumable: STOP      every CPU leaves its vCPUs; slices,
 * interrupt lines, watchers and CPUs that refer to them let go QUIET     all CPUs pass a
 * quiet point: nobody uses a pointer to one of the vCPUs any more SPACES    trees are
 * torn down, names on spaces go, roots are freed WINDOW    the same for the window TABLE
 * its capabilities are deleted; domains that it made are destroyed first SLOTS     the
 * frames of the table are given back NAMES     the names on it and on its vCPUs go, and
 * after a quiet point its object memory
 *
 * L1. Who adds to a domain (a space, a vCPU, a slice, a line, a watcher) does so under
 * the tree lock, and tests there that it is alive; STOP takes that lock after the state
 * has changed.  So nothing is added behind its back. L2. destroy_busy is claimed under
 * the tree lock, through a name that is live there.  The domain is freed by who holds it,
 * and its last name goes under the same lock: so nobody claims what is freed.
 */
#include "domain/life.h"

#include "base/epoch.h"
#include "base/panic.h"
#include "dev/irq.h"
#include "event/event.h"
#include "frame/frame.h"
#include "hal/hal.h"
#include "ipc/ipc.h"
#include "slice/slice.h"

#define SLOTS_STEP 256u /* frames of the table that one step gives back */

enum phase {
    PHASE_STOP,
    PHASE_QUIET,
    PHASE_SPACES,
    PHASE_WINDOW,
    PHASE_TABLE,
    PHASE_SLOTS,
    PHASE_NAMES
};

/* Mark those that do not run, kick those that do: they leave on the way out of the
 * interrupt. */
static void
stop_vcpus(const struct domain *d)
{
    for (struct vcpu *v = d->vcpus; v != NULL; v = v->next) {
        u32 state = atomic_load(&v->state);
        while (state != VCPU_RUNNING && state != VCPU_DEAD)
            if (atomic_compare_exchange_weak(&v->state, &state, VCPU_DEAD))
                break;
        if (state != VCPU_RUNNING)
            ipc_gone(v);
        else if (v->cpu != this_cpu()->id)
            hal_kick(v->cpu);
    }
}

void
domain_end(struct domain *d, enum fb_end_cause cause, u64 code,
           const struct fb_regs *regs, u64 cr2)
{
    u32 alive = FB_DOMAIN_ALIVE;

    if (!atomic_compare_exchange_strong(&d->state, &alive, FB_DOMAIN_DYING))
        return;
    d->status.cause = cause;
    d->status.code = code;
    d->status.cr2 = cr2;
    if (regs)
        d->status.regs = *regs;
    atomic_store(&d->told, 1);
    stop_vcpus(d);
    struct vcpu *watcher = atomic_load(&d->watcher);
    if (watcher != NULL)
        event_send(watcher, 1ull << d->watch_bit);
    event_turn();
}

NORETURN void
domain_drop_current(struct cpu *c)
{
    struct vcpu *v = c->current;

    atomic_store(&c->fpu_owner, NULL);
    atomic_store(&v->state, VCPU_DEAD);
    ipc_gone(v);
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
    for (struct vcpu *v = d->vcpus; v != NULL; v = v->next)
        for (u32 i = 0; i < CPU_SLICES; i++)
            if (atomic_load(&v->positions) >> i & 1)
                slice_bind(cpu_by_id(v->cpu), i, NULL, 0);
}

/* The CPUs forget the vCPUs.  One that idles may still hold the vector state of a dead
 * one, but it looks at fpu_owner anew when it leaves idle (E3). */
static void
unbind_cpus(const struct domain *d)
{
    for (struct vcpu *v = d->vcpus; v != NULL; v = v->next) {
        struct cpu *c = cpu_by_id(v->cpu);
        struct vcpu *owner = v;
        atomic_store(&c->vcpus[v->slot], NULL);
        atomic_compare_exchange_strong(&c->fpu_owner, &owner, NULL);
        owner = v;
        atomic_compare_exchange_strong(&c->charged, &owner, NULL);
    }
}

static void
unbind_watchers(const struct domain *d)
{
    for (struct domain *o = domains; o != NULL; o = o->next) {
        struct vcpu *w = atomic_load(&o->watcher);
        if (w != NULL && w->domain == d)
            atomic_store(&o->watcher, NULL);
    }
}

static int
stop(struct domain *d)
{
    domain_end(d, FB_END_DESTROYED, 0, NULL, 0);
    int error = cap_lock();
    if (error)
        return error;
    stop_vcpus(d); /* again: one may have been READY only for a moment, or new */
    event_turn();
    if (all_dead(d)) {
        unbind_slices(d);
        unbind_cpus(d);
        irq_unbind_domain(d);
        unbind_watchers(d);
        d->epoch = epoch_next();
    } else {
        error = -FB_E_RESUME;
    }
    cap_release();
    return error;
}

static int
quiet(u64 epoch)
{
    if (epoch_now() < epoch)
        (void)epoch_next(); /* a tag is one ahead of the present */
    if (!epoch_seen(epoch))
        epoch_ask(~0ull, epoch);
    return epoch_seen(epoch) ? 0 : -FB_E_RESUME;
}

/* The names on a space go, then its roots.  Without a first capability its names went
 * when that did, at s->pad. */
static int
free_space(struct domain *d, struct space *s)
{
    int error = cap_lock();
    if (error)
        return error;
    error = space_list_lock(d);
    if (error)
        goto release;
    error = s->cap ? cap_destroy_locked(s->cap, NULL) : quiet(s->pad >> 1);
    if (!error)
        space_free(s);
    space_list_unlock(d);
release:
    cap_release();
    return error;
}

static int
free_spaces(struct domain *d)
{
    while (d->spaces != NULL) {
        struct space *s = d->spaces;
        struct tree t = { .space = s, .domain = d };
        __atomic_store_n(&s->dying, 2, __ATOMIC_SEQ_CST);
        int error = space_tear_down(t, &d->cursor);
        if (!error)
            error = free_space(d, s);
        if (error)
            return error;
        d->cursor = 0;
    }
    return 0;
}

static int
free_slots(struct domain *d)
{
    for (u32 n = 0; d->cursor < d->table_frames; n++, d->cursor++) {
        if (n == SLOTS_STEP)
            return -FB_E_RESUME;
        frame_take_back(d->table_frame + d->cursor);
    }
    d->table_frames = 0;
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

/* `name`: by which it is being destroyed, in the caller's table; 0: none. */
static int
free_names(struct domain *d, struct cap_table *table, u64 name)
{
    struct cap *keep = NULL;
    int error = cap_lock();
    if (error)
        return error;
    if (cap_find_ending(table, name, FB_TYPE_DOMAIN, 0, &keep) != 0 || keep->object != d)
        keep = NULL;
    error = cap_destroy_locked(d->cap, keep);
    if (!error) {
        *d->link = d->next;
        if (d->next)
            d->next->link = d->link;
    }
    cap_release();
    return error;
}

/* One phase; 0 when it is complete. */
static int
destroy_phase(struct domain *d, struct cap_table *table, u64 name)
{
    struct tree window = { .space = NULL, .domain = d };

    switch ((enum phase)d->phase) {
    case PHASE_STOP: return stop(d);
    case PHASE_QUIET: return quiet(d->epoch);
    case PHASE_SPACES: return free_spaces(d);
    case PHASE_WINDOW: return space_tear_down(window, &d->cursor);
    case PHASE_TABLE: return cap_table_clear_step(&d->table);
    case PHASE_SLOTS: return free_slots(d);
    case PHASE_NAMES: return free_names(d, table, name);
    }
    return 0;
}

/* All phases that can be done now; 0: it is freed. */
static int
destroy_phases(struct domain *d, struct cap_table *table, u64 name)
{
    for (;;) {
        int error = destroy_phase(d, table, name);
        if (error)
            return error;
        if (d->phase == PHASE_NAMES) {
            free_objects(d);
            return 0;
        }
        d->phase++;
        d->cursor = 0;
    }
}

/* L2.  -INUSE: the caller's own; domain_exit is the call for that. */
static int
claim(struct domain *d)
{
    u32 idle = 0;

    if (d == this_cpu()->current->domain)
        return -FB_E_INUSE;
    return atomic_compare_exchange_strong(&d->destroy_busy, &idle, 1) ? 0 : -FB_E_BUSY;
}

/* A domain ends with its maker: go on with the one that *d made, and which is to go
 * first. */
static int
claim_blocker(struct domain **d)
{
    int error = cap_lock();
    if (error)
        return error;
    struct cap *c = cap_table_blocker(&(*d)->table);
    error = c ? claim(c->object) : -FB_E_INUSE;
    if (!error) {
        atomic_store(&(*d)->destroy_busy, 0);
        *d = c->object;
    }
    cap_release();
    return error;
}

/* Go on with a domain that was claimed, by the name `top` (0: none).  -RESUME also: it is
 * freed, but there is one above it.  Depth of domains is bounded (DOMAIN_DEPTH), so this
 * loop is. */
static int
destroy_claimed(struct domain *d, struct cap_table *table, u64 name)
{
    u64 top = name;
    int error;

    for (;;) {
        error = destroy_phases(d, table, top);
        if (error != -FB_E_INUSE || d->phase != PHASE_TABLE)
            break;
        error = claim_blocker(&d);
        if (error)
            break;
        top = 0;
    }
    if (error)
        atomic_store(&d->destroy_busy, 0);
    return error == 0 && top != name ? -FB_E_RESUME : error;
}

int
domain_destroy_step(struct cap_table *table, u64 name, u64 need)
{
    struct cap *c;
    struct domain *d = NULL;

    int error = cap_lock();
    if (error)
        return error;
    error = cap_find_ending(table, name, FB_TYPE_DOMAIN, need, &c);
    if (!error) {
        d = c->object;
        error = claim(d);
    }
    cap_release();
    return error ? error : destroy_claimed(d, table, name);
}

/* The next ended domain of those made through r, which hang in a ring: it is turned, and
 * who was seen in this round (r->cursor; LIVE ones use it for nothing else) ends it.
 * -RESUME: there are more to look at; -INUSE: none. */
static int
find_ended(struct cap *r, struct domain **d)
{
    static u64 rounds;

    if (r->cursor == 0)
        r->cursor = ++rounds;
    for (u32 n = 0; r->made != NULL && r->made->cursor != r->cursor; n++) {
        struct cap *m = r->made;
        if (n == CAP_STEP)
            return -FB_E_RESUME;
        *d = m->object;
        if (cap_type(m) == FB_TYPE_DOMAIN && !domain_alive(*d))
            return 0;
        m->cursor = r->cursor;
        r->made = m->next;
    }
    r->cursor = 0;
    return -FB_E_INUSE;
}

int
domain_resume_below(struct cap_table *table, u64 name)
{
    struct domain *d;
    struct cap *r;

    int error = cap_lock();
    if (error)
        return error;
    r = &table->slots[name & CAP_SLOT_MASK];
    error = atomic_load(&r->name) == name ? find_ended(r, &d) : -FB_E_INUSE;
    if (!error)
        error = claim(d);
    cap_release();
    if (error)
        return error;
    error = destroy_claimed(d, table, 0);
    return error ? error : -FB_E_RESUME;
}

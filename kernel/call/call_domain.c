/* SPDX-License-Identifier: MIT */
/* Calls on domains, vCPUs and slices. */
#include "call/call.h"
#include "domain/life.h"
#include "frame/frame.h"
#include "hal/hal.h"
#include "slice/slice.h"

#define OBJECT_RIGHTS                                                                    \
    (FB_RIGHT_READ | FB_RIGHT_DERIVE | FB_RIGHT_GRANT | FB_RIGHT_REVOKE | FB_RIGHT_MAP | \
     FB_RIGHT_CREATE | FB_RIGHT_CONTROL | FB_RIGHT_SIGNAL)
#define DOMAIN_KINDS FB_KIND_HARDWARE
#define VCPU_KINDS   (FB_KIND_HARDWARE | FB_KIND_IPC_SEND | FB_KIND_IPC_RECV)

static struct authority
made_authority(const struct cap *parent, u32 kinds, u64 hi)
{
    return (struct authority){ .auth = FB_AUTH(FB_AUTH_CLASS(parent->may.auth), kinds,
                                               OBJECT_RIGHTS),
                               .lo = 0,
                               .hi = hi };
}

static int
check_params(const struct fb_domain_params *p, const struct frames *m,
             const struct domain *maker)
{
    if (p->gate > FB_GATE_DIRECT || p->clearance == 0 ||
        (p->clearance & ~(u64)FB_CLASS_ROOT))
        return -FB_E_ARG;
    if (p->clearance & ~maker->clearance)
        return -FB_E_CLEARANCE;
    if (maker->depth + 1 >= DOMAIN_DEPTH)
        return -FB_E_COUNT;
    if (p->table_frames == 0 || p->table_frames > FB_TABLE_FRAMES_MAX)
        return -FB_E_ARG;
    if (!within(p->object_frame, FB_DOMAIN_FRAMES, m->lo, m->hi) ||
        !within(p->table_frame, p->table_frames, m->lo, m->hi) ||
        !within(p->window_frame, 1, m->lo, m->hi))
        return -FB_E_RANGE;
    return 0;
}

struct ret
call_domain_create(u64 machine, u64 memory, u64 offset, u64 a3, u64 a4, u64 a5)
{
    struct cap *parent;
    struct frames m;
    struct fb_domain_params p;
    struct domain *d;

    (void)a3, (void)a4, (void)a5;
    int error = find(machine, FB_TYPE_MACHINE, NEED(0, HARDWARE, CREATE), &parent);
    if (!error)
        error = find_frames(caller(), memory, FB_AUTH(0, 0, FB_RIGHT_GIVE), &m, NULL);
    if (error)
        return ERR(error);
    const void *from = buffer_at(offset, sizeof(p), 8);
    if (!from)
        return ERR(-FB_E_FAULT);
    __builtin_memcpy(&p, from, sizeof(p));
    error = check_params(&p, &m, caller());
    if (error)
        return ERR(error);
    struct cap_table *table = &caller()->table;
    error = cap_reserve(table, parent);
    if (error)
        return ERR(error);
    u64 name = 0;
    error = domain_make(&p, &d);
    if (!error) {
        name = cap_insert_locked(table, parent, FB_TYPE_DOMAIN, d,
                                 made_authority(parent, DOMAIN_KINDS, 1));
        d->cap = &table->slots[name & CAP_SLOT_MASK];
        d->depth = caller()->depth + 1;
        d->next = domains;
        d->link = &domains;
        if (domains)
            domains->link = &d->next;
        domains = d;
    }
    cap_release();
    return RET(error, name);
}

/* The capability that domain_create made, or one derived from it with CONTROL: a domain
 * that is ending is found too. */
static int
find_any_domain(u64 name, u64 need, struct domain **out)
{
    struct cap *c;
    int error = find(name, FB_TYPE_DOMAIN, need, &c);

    if (!error)
        *out = c->object;
    return error;
}

struct ret
call_domain_destroy(u64 name, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
    (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    return ERR(domain_destroy_step(&caller()->table, name,
                                   FB_AUTH(0, FB_KIND_HARDWARE, FB_RIGHT_CONTROL)));
}

struct ret
call_domain_watch(u64 name, u64 vcpu, u64 bit, u64 a3, u64 a4, u64 a5)
{
    struct domain *d;
    struct cap *cv;

    (void)a3, (void)a4, (void)a5;
    int error = find_any_domain(name, FB_AUTH(0, FB_KIND_HARDWARE, FB_RIGHT_CONTROL), &d);
    if (!error)
        error = find(vcpu, FB_TYPE_VCPU, NEED(0, IPC_SEND, SIGNAL), &cv);
    if (error)
        return ERR(error);
    if (!within(bit, 1, cv->may.lo, cv->may.hi))
        return ERR(-FB_E_RANGE);
    struct vcpu *v = cv->object;
    error = cap_lock(); /* L1 */
    if (error)
        return ERR(error);
    if (!domain_alive(d) || !domain_alive(v->domain)) {
        error = -FB_E_DEAD;
    } else {
        d->watch_bit = bit;
        d->watch_by = caller()->id;
        atomic_store(&d->watcher, v);
    }
    cap_release();
    return ERR(error);
}

struct ret
call_domain_status(u64 name, u64 offset, u64 a2, u64 a3, u64 a4, u64 a5)
{
    struct domain *d = caller();

    (void)a2, (void)a3, (void)a4, (void)a5;
    if (name != 0) {
        int error =
            find_any_domain(name, FB_AUTH(0, FB_KIND_HARDWARE, FB_RIGHT_READ), &d);
        if (error)
            return ERR(error);
    }
    struct fb_domain_status *out = buffer_at(offset, sizeof(*out), 8);
    if (!out)
        return ERR(-FB_E_FAULT);
    u32 told = atomic_load(&d->told);
    *out = d->status;
    out->state = told ? FB_DOMAIN_DYING : FB_DOMAIN_ALIVE;
    out->vcpus = d->nvcpus;
    out->spaces = d->nspaces;
    out->slots = d->table.count;
    out->slots_used = d->table.used;
    for (const struct vcpu *v = d->vcpus; v != NULL; v = v->next)
        out->ticks += slice_ran(v);
    return ERR(0);
}

#define CAPS_LOOKED 4096u /* slots in one call */

struct ret
call_domain_caps(u64 name, u64 slot, u64 offset, u64 a3, u64 a4, u64 a5)
{
    struct domain *d = caller();

    (void)a3, (void)a4, (void)a5;
    int error = name == 0 ? 0
                          : find_any_domain(
                                name, FB_AUTH(0, FB_KIND_HARDWARE, FB_RIGHT_READ), &d);
    if (error)
        return ERR(error);
    struct fb_cap_entry *out = buffer_at(offset, FB_CAPS_STEP * sizeof(*out), 8);
    if (!out)
        return ERR(-FB_E_FAULT);
    u64 n = 0, end = d->table.count;
    slot = slot < end ? slot : end;
    if (end - slot > CAPS_LOOKED)
        end = slot + CAPS_LOOKED;
    for (; slot < end && n < FB_CAPS_STEP; slot++)
        if (atomic_load(&d->table.slots[slot].name) != 0)
            out[n++] = (struct fb_cap_entry){ slot, cap_info(&d->table.slots[slot]) };
    return RET(0, n << 32 | slot);
}

/* The space that a new vCPU starts in, or NULL. */
static struct space *
first_space(const struct domain *d)
{
    struct space *s = d->spaces;

    while (s != NULL && __atomic_load_n(&s->dying, __ATOMIC_SEQ_CST))
        s = s->next;
    return s;
}

struct ret
call_vcpu_create(u64 domain, u64 cpu, u64 memory, u64 frame, u64 cb, u64 a5)
{
    struct domain *d;
    struct cap *parent;
    struct frames m;
    struct vcpu *v;

    (void)a5;
    int error = find(domain, FB_TYPE_DOMAIN,
                     FB_AUTH(0, FB_KIND_HARDWARE, FB_RIGHT_CREATE), &parent);
    if (!error)
        error =
            find_frames(caller(), memory, FB_AUTH(0, 0, FB_RIGHT_GIVE | FB_RIGHT_WRITE), &m, NULL);
    if (error)
        return ERR(error);
    if (cpu >= cpu_count || !atomic_load(&cpu_by_id((u32)cpu)->online))
        return ERR(-FB_E_ARG);
    if (!within(frame, FB_VCPU_FRAMES, m.lo, m.hi) ||
        !within(cb, FB_CB_FRAMES, m.lo, m.hi))
        return ERR(-FB_E_RANGE);
    d = parent->object;
    struct cap_table *table = &caller()->table;
    error = cap_reserve(table, parent);
    if (error)
        return ERR(error);
    u64 name = 0;
    struct space *s = first_space(d);
    if (!domain_alive(d)) /* L1 */
        error = -FB_E_DEAD;
    else if (s == NULL)
        error = -FB_E_STATE;
    else
        error = vcpu_make(d, s, (u32)cpu, frame, cb, &v);
    if (!error) {
        name = cap_insert_locked(table, parent, FB_TYPE_VCPU, v,
                                 made_authority(parent, VCPU_KINDS, 64));
        v->cap = &table->slots[name & CAP_SLOT_MASK];
    }
    cap_release();
    return RET(error, name);
}

static bool
in_window(u64 va)
{
    return va >= FB_WINDOW_BASE && va < FB_WINDOW_END;
}

struct ret
call_vcpu_start(u64 name, u64 gate, u64 upcall, u64 start, u64 stack, u64 arg)
{
    struct cap *c;

    int error =
        find(name, FB_TYPE_VCPU, FB_AUTH(0, FB_KIND_HARDWARE, FB_RIGHT_CONTROL), &c);
    if (error)
        return ERR(error);
    struct vcpu *v = c->object;
    if (!domain_alive(v->domain))
        return ERR(-FB_E_DEAD);
    if ((gate && !in_window(gate)) || (upcall && !in_window(upcall)) ||
        (start && !in_window(start)))
        return ERR(-FB_E_ARG);
    if (v != caller_vcpu() && atomic_load(&v->state) != VCPU_NEW)
        return ERR(-FB_E_STATE); /* the entries of a running vCPU are its own business */
    if (start == 0 && v != caller_vcpu())
        return ERR(-FB_E_ARG);
    if (start != 0 && v == caller_vcpu())
        return ERR(-FB_E_STATE);
    if (start == 0) {
        v->gate_rip = gate;
        v->upcall_rip = upcall;
        this_cpu()->gate_rip = gate;
        return ERR(0);
    }
    /* Two starters on two CPUs: the tree lock lets one through. */
    error = cap_lock();
    if (error)
        return ERR(error);
    if (atomic_load(&v->state) != VCPU_NEW || !domain_alive(v->domain)) {
        error = domain_alive(v->domain) ? -FB_E_STATE : -FB_E_DEAD;
        cap_release();
        return ERR(error);
    }
    v->gate_rip = gate;
    v->upcall_rip = upcall;
    v->regs = (struct fb_regs){
        .rdi = arg,
        .rip = start,
        .cs = HAL_USER_CS,
        .rflags = HAL_RFLAGS_FIXED,
        .rsp = stack,
        .ss = HAL_USER_SS,
    };
    v->cb->mask = 1;
    v->cr3 = space_libos_cr3(v->space);
    u32 fresh = VCPU_NEW;
    if (!atomic_compare_exchange_strong(&v->state, &fresh, VCPU_READY))
        error = -FB_E_DEAD; /* its domain ended meanwhile */
    else
        slice_ready(v);
    cap_release();
    hal_kick(v->cpu); /* this CPU too: it looks at its time-table when interrupts are on
                         again */
    return ERR(error);
}

struct ret
call_slice_set(u64 slices, u64 position, u64 vcpu, u64 ticks, u64 a4, u64 a5)
{
    struct cap *cs, *cv;
    struct vcpu *v = NULL;

    (void)a4, (void)a5;
    int error = find(slices, FB_TYPE_SLICE, NEED(0, SCHEDULER, CONTROL), &cs);
    if (error)
        return ERR(error);
    if (!within(position, 1, cs->may.lo, cs->may.hi) ||
        position / CPU_SLICES >= cpu_count)
        return ERR(-FB_E_RANGE);
    struct cpu *c = cpu_by_id((u32)(position / CPU_SLICES));
    if (vcpu != 0) {
        error =
            find(vcpu, FB_TYPE_VCPU, FB_AUTH(0, FB_KIND_HARDWARE, FB_RIGHT_CONTROL), &cv);
        if (error)
            return ERR(error);
        v = cv->object;
        if (!domain_alive(v->domain))
            return ERR(-FB_E_DEAD);
        if (v->cpu != position / CPU_SLICES || ticks < record->tsc_hz / 100000 ||
            ticks > record->tsc_hz)
            return ERR(-FB_E_ARG); /* 10 us .. 1 s */
    }
    /* The tree lock keeps this apart from unbinding at a domain's end. */
    error = cap_lock();
    if (error)
        return ERR(error);
    if (v != NULL && !domain_alive(v->domain)) {
        cap_release();
        return ERR(-FB_E_DEAD);
    }
    slice_bind(c, position % CPU_SLICES, v, ticks);
    c->slices[position % CPU_SLICES].by = caller()->id;
    cap_release();
    hal_kick(c->id);
    return ERR(0);
}

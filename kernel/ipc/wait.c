/* SPDX-License-Identifier: MIT */
/* What is seldom or comes from elsewhere: waits that end, what goes with a message, notes,
 * cancelling.  See ipc.h for the invariants. */
#include "domain/life.h"
#include "event/event.h"
#include "frame/frame.h"
#include "hal/hal.h"
#include "ipc/message.h"
#include "slice/slice.h"

#define WAITS_AT(w)    ((w) & ~WAITS_CALL)
#define HOLDS(v, n, k) (ipc_find(v, n, k, &(struct cap *){ NULL }) == 0)

/* ---- waiting ---- */

int
ipc_find(const struct vcpu *v, u64 name, u64 need, struct cap **out)
{
    return cap_lookup(&v->domain->table, name, FB_TYPE_ENDPOINT, need, out);
}

int64_t
ipc_reason(const struct cpu *c, const struct vcpu *v)
{
    if (v->waits & WAITS_CALL) {
        const struct vcpu *server = ipc_server(c, v);
        if (server == NULL || atomic_load(&server->state) == VCPU_DEAD || !HOLDS(v, v->called, SEND) ||
            !HOLDS(server, server->received, RECEIVE))
            return -FB_E_DEAD;
    } else {
        if (v->waits != WAITS_EVENTS && !HOLDS(v, v->received, RECEIVE))
            return -FB_E_DEAD;
        if (__atomic_load_n(&v->cb->pending, __ATOMIC_SEQ_CST) != 0)
            return -FB_E_EVENT;
    }
    return v->wait_until <= hal_tsc() ? -FB_E_TIMEOUT : 0;
}

bool
ipc_settle(struct cpu *c, struct vcpu *v)
{
    int64_t why = ipc_reason(c, v);
    u32 state = v->waits & WAITS_CALL ? VCPU_CALLING : VCPU_WAITING;

    if (why == 0) {
        slice_await(c, v, v->wait_until);
        atomic_store(&v->state, state);
        why = ipc_reason(c, v);
        if (why == 0 ||
            !atomic_compare_exchange_strong(&v->state, &state, VCPU_RUNNING))
            return false;
    }
    v->regs.rax = v->waits == WAITS_EVENTS ? 0 : (u64)why;
    v->regs.rdx = 0;
    if (why == -FB_E_EVENT)
        v->regs.rdx = __atomic_exchange_n(&v->cb->pending, 0, __ATOMIC_SEQ_CST);
    ipc_complete(v);
    return true;
}

void
ipc_gone(const struct vcpu *v)
{
    struct vcpu *client = ipc_client(v);

    if (client != NULL)
        event_rouse(client);
}

/* I8.  Tree lock: under it names go. */
static bool
meet(const struct vcpu *caller, const struct vcpu *server)
{
    return HOLDS(caller, caller->called, SEND) && HOLDS(server, server->received, RECEIVE);
}

int
ipc_pass(struct vcpu *from, struct vcpu *to)
{
    bool reply = (to->waits & WAITS_CALL) != 0;
    struct domain *d = to->domain;
    struct fb_ipc m;
    u64 name;
    int error;

    __builtin_memcpy(&m, &from->cb->ipc, sizeof(m)); /* each field once */
    if (!__atomic_load_n(&to->cb->ipc.take, __ATOMIC_RELAXED))
        return -FB_E_FULL;
    if (m.auth == 0) {
        error = cap_lock();
        if (!error) {
            if (!meet(reply ? to : from, reply ? from : to))
                error = reply ? -FB_E_STATE : -FB_E_DEAD;
            else
                error = cap_move_locked(&from->domain->table, m.pass, &d->table,
                                        d->clearance, &name);
            cap_release();
        }
    } else {
        error = cap_derive_to(&from->domain->table, m.pass, &d->table, d->clearance,
                              (struct authority){ .auth = m.auth, .lo = m.lo, .hi = m.hi },
                              FB_AUTH(0, 0, FB_RIGHT_GRANT), &name);
    }
    if (error)
        return error == -FB_E_BUSY ? -FB_E_RESUME : error;
    from->cb->ipc.pass = 0;
    to->cb->ipc.got = name;
    return 0;
}

void
ipc_unclaim(struct cpu *c, struct vcpu *to, u32 state)
{
    atomic_store(&to->state, state);
    if (ipc_reason(c, to) != 0)
        event_rouse(to); /* its waker may have come while it was claimed */
    event_turn();
}

bool
ipc_claim_woken(const struct cpu *c, struct vcpu *v)
{
    u32 woken = VCPU_READY;

    if (!atomic_compare_exchange_strong(&v->state, &woken, VCPU_RUNNING))
        return false;
    if (ipc_reason(c, v) == 0)
        return true;
    atomic_store(&v->state, VCPU_READY);
    return false;
}

/* ---- BUSY, and who is told that it is over ---- */

int
ipc_note(struct cpu *c, struct endpoint *e, struct vcpu *v)
{
    u64 notify = __atomic_load_n(&v->cb->ipc.notify, __ATOMIC_RELAXED);
    struct fb_note *free = NULL;

    if (notify > 64)
        return -FB_E_ARG;
    for (u32 i = 0; notify != 0 && i < FB_IPC_NOTES; i++)
        if (v->notes[i].at == e || (free == NULL && v->notes[i].at == NULL))
            free = &v->notes[i];
    if (free == NULL)
        return notify == 0 ? -FB_E_BUSY : -FB_E_FULL;
    *free = (struct fb_note){ .at = e, .bit = 1ull << (notify - 1) };
    e->wanted[c->id] |= 1ull << v->slot;
    return -FB_E_BUSY;
}

void
ipc_tell(struct cpu *c, struct endpoint *e)
{
    u64 who = e->wanted[c->id];

    for (e->wanted[c->id] = 0; who != 0; who &= who - 1) {
        struct vcpu *v = c->vcpus[__builtin_ctzll(who)];
        for (u32 i = 0; v != NULL && i < FB_IPC_NOTES; i++)
            if (v->notes[i].at == e) {
                u64 bit = v->notes[i].bit;
                __atomic_store_n(&v->notes[i].at, NULL, __ATOMIC_RELEASE);
                event_send(v, bit);
            }
    }
}

/* ---- cancelling ---- */

void
ipc_cancel(const struct cap *cap)
{
    u64 name = cap->generation << FB_NAME_SLOT_BITS |
               (u64)(cap - cap->holder->table.slots);

    for (struct vcpu *v = cap->holder->vcpus; v != NULL; v = v->next) {
        if (v->called == name || v->received == name)
            event_rouse(v);
        if (v->received == name)
            ipc_gone(v);
    }
    event_turn();
}

void
ipc_end(struct endpoint *e)
{
    for (u32 id = 0; id < cpu_count; id++) {
        struct cpu *c = cpu_by_id(id);
        for (u32 i = 0; i < CPU_VCPUS_MAX; i++) {
            struct vcpu *v = c->vcpus[i];
            if (v != NULL && WAITS_AT(v->waits) == (u64)e)
                event_rouse(v);
        }
        ipc_tell(c, e); /* it is not worth waiting for any longer */
    }
    event_turn();
    frame_take_back(e->frame);
}

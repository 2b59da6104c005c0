/* SPDX-License-Identifier: MIT */
/* Call, receive, reply: see ipc.h for the invariants, message.h for how this is compiled. */
#include "hal/hal.h"
#include "domain/life.h"
#include "ipc/message.h"

struct message {
    u64 badge, word[4];
};
#define MESSAGE(badge) ((struct message){ (badge), { m0, m1, m2, m3 } })

static INLINE void
leave(struct vcpu *v, int64_t error, struct message m)
{
    hal_enter(&v->regs, error, m.badge, m.word[0], m.word[1], m.word[2], m.word[3]);
}
static NORETURN void
fail(struct vcpu *v, int64_t error)
{
    leave(v, error, (struct message){ 0 });
    __builtin_unreachable();
}

/* The message is in the registers of `to`, which goes on when its turn comes. */
static inline void
deliver(struct vcpu *to, struct message m)
{
    ipc_complete(to);
    to->regs.rax = 0;
    to->regs.rdi = m.badge;
    to->regs.rdx = m.word[0];
    to->regs.r10 = m.word[1];
    to->regs.r8 = m.word[2];
    to->regs.r9 = m.word[3];
    atomic_store(&to->state, VCPU_READY);
    slice_ready(to);
}

/* From the current vCPU, which has been left, on to `to`, which was claimed.  Not at once:
 * if somebody else has become ready, or if events came for it meanwhile that it does not
 * mask. */
static INLINE void
enter(struct cpu *c, struct vcpu *from, struct vcpu *to, struct message m)
{
    if (SELDOM(c->resched || (__atomic_load_n(&to->cb->pending, __ATOMIC_RELAXED) != 0 &&
                              __atomic_load_n(&to->cb->mask, __ATOMIC_RELAXED) == 0))) {
        deliver(to, m);
        dispatch(c);
    }
    to->waits = 0;
    u64 cr3 = vcpu_current(c, to);
    hal_state_switch(&from->machine, &to->machine);
    atomic_store_explicit(&c->fpu_owner, to, memory_order_relaxed);
    hal_cr3_write(cr3);
    if (SELDOM(!domain_alive(to->domain)))
        domain_drop_current(c);
    leave(to, 0, m);
}

static INLINE bool
claim(const struct cpu *c, struct vcpu *v, u64 waits, u32 state)
{
    return v != NULL && v->waits == waits &&
           (atomic_compare_exchange_strong(&v->state, &state, VCPU_RUNNING) ||
            SELDOM(ipc_claim_woken(c, v)));
}

static __attribute__((noinline)) struct vcpu *
search(struct cpu *c, const struct endpoint *e)
{
    for (u32 i = 0; i < CPU_VCPUS_MAX; i++)
        if (claim(c, c->vcpus[i], (u64)e, VCPU_WAITING))
            return c->vcpus[i];
    return NULL;
}

void
ipc_call(u64 name, u64 deadline, u64 m0, u64 m1, u64 m2, u64 m3)
{
    struct cpu *c = this_cpu();
    struct vcpu *v = c->current;
    struct cap *cap = v->called_at;

    int error = ipc_find_again(v, name, SEND, v->called, &cap);
    if (SELDOM(error))
        fail(v, error);
    struct endpoint *e = cap->object;
    struct vcpu *to = c->vcpus[e->hint[c->id]];
    if (SELDOM(!claim(c, to, (u64)e, VCPU_WAITING))) {
        to = search(c, e);
        if (to == NULL)
            fail(v, ipc_note(c, e, v));
    }
    v->called = name;
    v->called_at = cap;
    u64 badge = cap->may.lo;
    bool passed = v->cb->ipc.pass != 0;
    if (SELDOM(passed)) {
        error = ipc_pass(v, to);
        if (error) {
            ipc_unclaim(c, to, VCPU_WAITING);
            fail(v, error);
        }
    }
    v->counts->calls++;
    to->serving = v->calling = ++c->calls;
    to->client = v->slot;
    v->server = to->slot;
    if (SELDOM((v->positions & ~c->ready) != 0))
        slice_ready(v);
    ipc_block(c, v, (u64)e | WAITS_CALL, deadline, VCPU_CALLING);
    if (SELDOM(passed && ipc_reason(c, v) != 0))
        event_rouse(v); /* it has moved the name by which it called (I8) */
    enter(c, v, to, MESSAGE(badge));
}

static INLINE void
await(struct cpu *c, struct vcpu *v, struct cap *cap, u64 name, u64 deadline)
{
    struct endpoint *e = cap->object;

    v->serving = 0;
    v->received = name;
    v->received_at = cap;
    e->hint[c->id] = (u8)v->slot;
    ipc_block(c, v, (u64)e, deadline, VCPU_WAITING);
    if (SELDOM(e->wanted[c->id] != 0))
        ipc_tell(c, e);
}

void
ipc_receive(u64 name, u64 deadline)
{
    struct cpu *c = this_cpu();
    struct vcpu *v = c->current;
    struct cap *cap;

    int error = ipc_find(v, name, RECEIVE, &cap);
    if (error)
        fail(v, error);
    ipc_gone(v);
    await(c, v, cap, name, deadline);
    dispatch(c);
}

/* A reply after which the server goes on: it leaves its caller's time. */
static NORETURN void
go_on(struct cpu *c, struct vcpu *v, int error)
{
    v->serving = 0;
    slice_account(c, hal_tsc());
    atomic_store(&c->charged, v);
    slice_replied(c);
    if (!slice_preempts(c))
        fail(v, error);
    v->regs.rax = (u64)error;
    v->regs.rdx = 0;
    vcpu_leave(v, &v->regs);
    dispatch(c);
}

void
ipc_reply(u64 name, u64 deadline, u64 m0, u64 m1, u64 m2, u64 m3)
{
    struct cpu *c = this_cpu();
    struct vcpu *v = c->current;
    struct cap *cap = v->received_at;
    bool again = name != 0;
    u32 state = VCPU_CALLING;

    int error = again ? ipc_find_again(v, name, RECEIVE, v->received, &cap) : 0;
    if (SELDOM(error))
        fail(v, error);
    struct vcpu *to = ipc_caller(c, v);
    if (SELDOM(to == NULL ||
               (!atomic_compare_exchange_strong(&to->state, &state, VCPU_RUNNING) &&
                !((to->waits & WAITS_CALL) && ipc_claim_woken(c, to)))))
        fail(v, -FB_E_STATE);
    if (SELDOM(v->cb->ipc.pass != 0)) {
        error = ipc_pass(v, to);
        if (error) {
            ipc_unclaim(c, to, VCPU_CALLING);
            fail(v, error);
        }
        if (again && ipc_find_again(v, name, RECEIVE, name, &cap) != 0) { /* I8 */
            again = false;
            error = -FB_E_DEAD; /* as if it had come to wait and been cancelled */
        }
    }
    v->counts->replies++;
    if (SELDOM(!again)) {
        deliver(to, MESSAGE(0));
        go_on(c, v, error);
    }
    if (SELDOM(atomic_load_explicit(&c->charged, memory_order_relaxed) != to)) {
        slice_account(c, hal_tsc()); /* not the one in whose time the call came */
        atomic_store(&c->charged, to);
    }
    if (SELDOM(c->payer == v))
        c->resched = 1; /* it comes back to its own time, not to the callee's */
    await(c, v, cap, name, deadline);
    enter(c, v, to, MESSAGE(0));
}

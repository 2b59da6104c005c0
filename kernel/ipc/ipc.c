/* SPDX-License-Identifier: MIT */
/* Call, receive, reply: see ipc.h for the invariants. */
#include "ipc/ipc.h"

#include "domain/life.h"
#include "event/event.h"
#include "frame/frame.h"
#include "hal/hal.h"
#include "slice/slice.h"

#define SEND          FB_AUTH(0, FB_KIND_IPC_SEND, 0)
#define RECEIVE       FB_AUTH(0, FB_KIND_IPC_RECV, 0)
#define SELDOM(c)     __builtin_expect((c), 0)
#define WAITS_CALL    1ull /* with the endpoint's address */
#define WAITS_AT(w)   ((w) & ~WAITS_CALL)
#define HOLDS(v, n, k) (find_name(v, n, k, &(struct cap *){ NULL }) == 0)

static inline int
find_name(const struct vcpu *v, u64 name, u64 need, struct cap **out)
{
    return cap_lookup(&v->domain->table, name, FB_TYPE_ENDPOINT, need, out);
}

static struct fb_regs *
fail(struct vcpu *v, int64_t error)
{
    v->regs.rax = (u64)error;
    v->regs.rdx = 0;
    return &v->regs;
}

/* ---- waiting ---- */

void
ipc_block(struct cpu *c, struct vcpu *v, u64 waits, u64 deadline, u32 state)
{
    v->waits = waits;
    v->wait_until = deadline;
    v->cr3 = c->libos_cr3;
    slice_await(c, v, deadline);
    /* D3: publish the state, then look again at what senders wrote before they could see
     * it. */
    atomic_store(&v->state, state);
    if (state == VCPU_WAITING && SELDOM(v->cb->pending != 0))
        event_rouse(v);
}

/* Why should the wait of v end?  0: it should not. */
static int64_t
reason(const struct cpu *c, const struct vcpu *v)
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
    int64_t why = reason(c, v);
    u32 state = v->waits & WAITS_CALL ? VCPU_CALLING : VCPU_WAITING;

    if (why == 0) {
        slice_await(c, v, v->wait_until);
        atomic_store(&v->state, state);
        why = reason(c, v);
        if (why == 0 ||
            !atomic_compare_exchange_strong(&v->state, &state, VCPU_RUNNING))
            return false;
    }
    fail(v, v->waits == WAITS_EVENTS ? 0 : why);
    if (why == -FB_E_EVENT)
        v->regs.rdx = __atomic_exchange_n(&v->cb->pending, 0, __ATOMIC_SEQ_CST);
    v->waits = 0;
    return true;
}

void
ipc_gone(const struct vcpu *v)
{
    struct vcpu *client = ipc_client(v);

    if (client != NULL)
        event_rouse(client);
}

/* ---- what goes with a message ---- */

static inline void
message(struct vcpu *to, const struct vcpu *from, u64 badge)
{
    to->waits = 0;
    to->regs.rax = 0;
    to->regs.rdi = badge;
    to->regs.rdx = from->regs.rdx;
    to->regs.r10 = from->regs.r10;
    to->regs.r8 = from->regs.r8;
    to->regs.r9 = from->regs.r9;
}

/* The capability that `from` passes; `to` is nobody's but ours. */
static int
pass(struct vcpu *from, struct vcpu *to)
{
    struct domain *d = to->domain;
    struct fb_ipc m;
    u64 name;
    int error;

    __builtin_memcpy(&m, &from->cb->ipc, sizeof(m)); /* each field once */
    if (!__atomic_load_n(&to->cb->ipc.take, __ATOMIC_RELAXED))
        return -FB_E_FULL;
    if (m.auth == 0)
        error = cap_move_to(&from->domain->table, m.pass, &d->table, d->clearance, &name);
    else
        error = cap_derive_to(&from->domain->table, m.pass, &d->table, d->clearance,
                              (struct authority){ .auth = m.auth, .lo = m.lo, .hi = m.hi },
                              FB_AUTH(0, 0, FB_RIGHT_GRANT), &name);
    if (error)
        return error == -FB_E_BUSY ? -FB_E_RESUME : error;
    from->cb->ipc.pass = 0;
    to->cb->ipc.got = name;
    return 0;
}

/* `to`, which was in `state` and was claimed, waits on: the message did not come to be. */
static struct fb_regs *
unclaim(struct cpu *c, struct vcpu *v, struct vcpu *to, u32 state, int error)
{
    atomic_store(&to->state, state);
    if (reason(c, to) != 0)
        event_rouse(to); /* its waker may have come while it was claimed */
    return fail(v, error);
}

/* ---- BUSY, and who is told that it is over ---- */

static int
note(struct cpu *c, struct endpoint *e, struct vcpu *v)
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

/* At an endpoint's end from another CPU too: nobody can make a note of it any more. */
static void
tell(struct cpu *c, struct endpoint *e)
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

/* ---- the calls ---- */

/* If v waits so, it is ours; also when it was woken without a reason (I2). */
static inline bool
claim(const struct cpu *c, struct vcpu *v, u64 waits, u32 state)
{
    u32 woken = VCPU_READY;

    if (v == NULL || v->waits != waits)
        return false;
    if (atomic_compare_exchange_strong(&v->state, &state, VCPU_RUNNING))
        return true;
    if (!atomic_compare_exchange_strong(&v->state, &woken, VCPU_RUNNING))
        return false;
    if (reason(c, v) == 0)
        return true;
    atomic_store(&v->state, VCPU_READY);
    return false;
}

static struct vcpu *
receiver(struct cpu *c, const struct endpoint *e)
{
    struct vcpu *v = c->vcpus[e->hint[c->id]];

    if (claim(c, v, (u64)e, VCPU_WAITING))
        return v;
    for (u32 i = 0; i < CPU_VCPUS_MAX; i++)
        if (claim(c, c->vcpus[i], (u64)e, VCPU_WAITING))
            return c->vcpus[i];
    return NULL;
}

/* On to `to`, which was claimed; the current vCPU has been left.  Not at once: if somebody
 * else has become ready, or if events came for it meanwhile that it does not mask. */
static inline struct fb_regs *
enter(struct cpu *c, struct vcpu *to)
{
    if (SELDOM(c->resched || (__atomic_load_n(&to->cb->pending, __ATOMIC_RELAXED) != 0 &&
                              __atomic_load_n(&to->cb->mask, __ATOMIC_RELAXED) == 0))) {
        atomic_store(&to->state, VCPU_READY);
        slice_ready(to);
        dispatch(c);
    }
    vcpu_load(c, to);
    if (SELDOM(!domain_alive(to->domain)))
        domain_drop_current(c);
    return &to->regs;
}

struct fb_regs *
ipc_call(u64 name, u64 deadline, struct vcpu *v)
{
    struct cpu *c = this_cpu();
    struct cap *cap;

    int error = find_name(v, name, SEND, &cap);
    if (error)
        return fail(v, error);
    struct endpoint *e = cap->object;
    struct vcpu *to = receiver(c, e);
    if (to == NULL)
        return fail(v, note(c, e, v));
    u64 badge = cap->may.lo;
    bool passed = v->cb->ipc.pass != 0;
    if (SELDOM(passed)) {
        error = pass(v, to);
        if (error)
            return unclaim(c, v, to, VCPU_WAITING, error);
    }
    message(to, v, badge);
    domain_counts(v->domain, c)->calls++;
    to->serving = v->calling = ++c->calls;
    to->client = v->slot;
    v->server = to->slot;
    v->called = name;
    if (SELDOM((v->positions & ~c->ready) != 0))
        slice_ready(v);
    ipc_block(c, v, (u64)e | WAITS_CALL, deadline, VCPU_CALLING);
    if (SELDOM(passed && reason(c, v) != 0))
        event_rouse(v); /* who cancelled did not find it yet (I8) */
    return enter(c, to);
}

static inline void
await(struct cpu *c, struct vcpu *v, struct endpoint *e, u64 name, u64 deadline)
{
    v->serving = 0;
    v->received = name;
    e->hint[c->id] = (u8)v->slot;
    ipc_block(c, v, (u64)e, deadline, VCPU_WAITING);
    if (SELDOM(e->wanted[c->id] != 0))
        tell(c, e);
}

struct fb_regs *
ipc_receive(u64 name, u64 deadline, struct vcpu *v)
{
    struct cpu *c = this_cpu();
    struct cap *cap;

    int error = find_name(v, name, RECEIVE, &cap);
    if (error)
        return fail(v, error);
    ipc_gone(v);
    await(c, v, cap->object, name, deadline);
    dispatch(c);
}

struct fb_regs *
ipc_reply(u64 name, u64 deadline, struct vcpu *v)
{
    struct cpu *c = this_cpu();
    struct cap *cap = NULL;

    int error = name != 0 ? find_name(v, name, RECEIVE, &cap) : 0;
    if (error)
        return fail(v, error);
    struct vcpu *to = ipc_caller(v);
    if (to == NULL || !(to->waits & WAITS_CALL) ||
        !claim(c, to, to->waits, VCPU_CALLING))
        return fail(v, -FB_E_STATE);
    if (SELDOM(v->cb->ipc.pass != 0)) {
        error = pass(v, to);
        if (error)
            return unclaim(c, v, to, VCPU_CALLING, error);
        if (cap != NULL && find_name(v, name, RECEIVE, &cap) != 0) { /* I8 */
            cap = NULL;
            error = -FB_E_DEAD; /* as if it had come to wait and been cancelled */
        }
    }
    message(to, v, 0);
    domain_counts(v->domain, c)->replies++;
    if (cap != NULL) {
        if (SELDOM(atomic_load_explicit(&c->charged, memory_order_relaxed) != to)) {
            slice_account(c, hal_tsc()); /* not the one in whose time the call came */
            atomic_store(&c->charged, to);
        }
        if (SELDOM(c->payer == v))
            c->resched = 1; /* it comes back to its own time, not to the callee's */
        await(c, v, cap->object, name, deadline);
        return enter(c, to);
    }
    v->serving = 0;
    fail(v, error);
    atomic_store(&to->state, VCPU_READY);
    slice_ready(to);
    slice_account(c, hal_tsc());
    atomic_store(&c->charged, v);
    slice_replied(c);
    if (slice_preempts(c)) {
        vcpu_leave(v, &v->regs);
        dispatch(c);
    }
    return &v->regs;
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
        tell(c, e); /* it is not worth waiting for any longer */
    }
    frame_take_back(e->frame);
}

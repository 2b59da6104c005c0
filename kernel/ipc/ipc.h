/* SPDX-License-Identifier: MIT */
/*
 * Endpoints: protected control transfer between domains.
 *
 * A receiver is a vCPU that is WAITING at an endpoint; a caller is one that is CALLING.  A
 * call finds a receiver on its own CPU, and enters it with the message in registers; the
 * reply enters the caller again.  There is no list of who waits where: an endpoint has a
 * hint, and a CPU has 64 vCPUs.
 *
 * I1. A caller and its callee are on one CPU for as long as the call is open.  So all that
 *     happens between them does so with that CPU's interrupts off, and needs no lock.
 * I2. From elsewhere, and from the timer, a vCPU that waits is woken without a reason
 *     (vcpu_wake, one compare-and-swap as D2 says).  On its own CPU it looks for the reason
 *     itself (ipc_settle), and without one waits on; until then it is READY, and can be
 *     called or replied to as if it waited (claim).  So a wake-up too many is harmless,
 *     and nobody writes another CPU's vCPU.
 * I3. The reply right is a number, the call's, which no other call on this CPU ever has.  A
 *     reply reaches the caller that is CALLING under that number, or nobody.
 * I4. What is entered was WAITING: so the chain caller, callee, its callee ... has no
 *     cycle, and however calls are nested somebody in the chain can run.
 * I5. The time of a vCPU that is CALLING is its callee's (slice_who follows the chain);
 *     nothing is handed over, so nothing has to be given back.
 * I6. Names, not pointers, say through what a vCPU waits.  When a capability goes, those
 *     who wait through it are woken after a quiet point, and find its name dead.
 * I7. A reply, a time-out, and the end of the callee, of the capabilities or the endpoint
 *     make one compare-and-swap each, from CALLING: one of them ends the call.  A reply
 *     also makes one from READY, where none of the others had come about.
 * I8. A capability that is moved with a message takes the CPU past a quiet point, where a
 *     revocation elsewhere would complete, and the message would come after its end.  So
 *     the names through which the two meet are looked up again under the tree lock, under
 *     which it moves, and under which alone names go: if one is gone, nothing moves, and
 *     the message does not come to be.  If both are good, a revocation that begins later
 *     needs a quiet point of this CPU, and the next one is behind the message: it finds who
 *     calls and who was called (undo_endpoint), as if nothing had moved.  What else was
 *     looked up before (by which name to receive next), and a name that is itself what
 *     moves, is looked up again afterwards.  A capability that is derived needs none of
 *     this: who derives passes no quiet point, or fails (cap_insert).
 */
#ifndef KERNEL_IPC_IPC_H
#define KERNEL_IPC_IPC_H

#include "base/cpu.h"
#include "domain/domain.h"
#include "event/event.h"
#include "slice/slice.h"

/* One frame.  [o]: element i by CPU i only. */
struct endpoint {
    struct cap *cap;        /* first capability on it, under the tree lock */
    frame_t frame;          /* [I] */
    u8 hint[FB_CPUS_MAX];   /* [o] slot of who came last to wait */
    u64 wanted[FB_CPUS_MAX]; /* [o] slots of those who are to be told when somebody waits */
};
_Static_assert(sizeof(struct endpoint) <= PAGE_SIZE, "one frame");
_Static_assert(CPU_VCPUS_MAX <= 64, "a word of slots");

/* Who serves the call of v, which is CALLING; who waits for v's reply, or (caller) has been
 * woken while it did.  NULL: nobody. */
static inline struct vcpu *
ipc_server(const struct cpu *c, const struct vcpu *v)
{
    struct vcpu *server = c->vcpus[v->server];
    return server != NULL && server->serving == v->calling ? server : NULL;
}
static inline struct vcpu *
ipc_caller(const struct cpu *c, const struct vcpu *v)
{
    struct vcpu *caller = v->serving ? c->vcpus[v->client] : NULL;
    return caller != NULL && caller->calling == v->serving ? caller : NULL;
}
static inline struct vcpu *
ipc_client(const struct vcpu *v)
{
    struct vcpu *client = ipc_caller(cpu_by_id(v->cpu), v);
    return client != NULL && atomic_load(&client->state) == VCPU_CALLING ? client : NULL;
}

/* The calls, from entry.S: the caller's preserved registers, rip, rflags and rsp are in
 * v->regs; the arguments stay in registers.  They leave by hal_enter or dispatch. */
void ipc_call(u64 name, u64 deadline, u64 m0, u64 m1, u64 m2, u64 m3);
void ipc_receive(u64 name, u64 deadline);
void ipc_reply(u64 name, u64 deadline, u64 m0, u64 m1, u64 m2, u64 m3);

/* v, which is current on c and has its registers saved, waits (waits, deadline and state:
 * domain.h).  The caller dispatches or enters another. */
static INLINE void
ipc_block(struct cpu *c, struct vcpu *v, u64 waits, u64 deadline, u32 state)
{
    v->waits = waits;
    v->wait_until = deadline;
    slice_await(c, v, deadline);
    /* D3: publish the state, then look again at what senders wrote before they could see
     * it. */
    atomic_store(&v->state, state);
    if (state == VCPU_WAITING && __builtin_expect(v->cb->pending != 0, 0))
        event_rouse(v);
}
/* v was woken, and is RUNNING: if its wait is over its registers say how, and true; else
 * it waits again. */
bool ipc_settle(struct cpu *c, struct vcpu *v);
/* v will not reply any more: its caller is woken. */
void ipc_gone(const struct vcpu *v);
/* Wake those who wait or call through a capability, or (end) at an endpoint.  Tree lock;
 * its name has been dead for an epoch. */
void ipc_cancel(const struct cap *c);
/* The same for all who are at the endpoint, which nobody can name any more, and its frame
 * is free memory again. */
void ipc_end(struct endpoint *e);

#endif

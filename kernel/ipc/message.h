/* SPDX-License-Identifier: MIT */
/*
 * What the two halves of this room have in common: ipc.c, the way of a message that finds
 * who waits for it, and wait.c, all that is seldom.
 *
 * ipc.c is compiled for itself (mk/kernel.mk): entry.S has put the caller's preserved
 * registers away before it comes there, and what is there never returns, so no register is
 * preserved for anybody.  A message stays in the registers in which it came.
 */
#ifndef KERNEL_IPC_MESSAGE_H
#define KERNEL_IPC_MESSAGE_H

#include "ipc/ipc.h"
#include "slice/slice.h"

#define SEND       FB_AUTH(0, FB_KIND_IPC_SEND, 0)
#define RECEIVE    FB_AUTH(0, FB_KIND_IPC_RECV, 0)
#define SELDOM(c)  __builtin_expect((c), 0)
#define WAITS_CALL 1ull /* with the endpoint's address */

int ipc_find(const struct vcpu *v, u64 name, u64 need, struct cap **out) MUST_CHECK;
/* The same, where *at is the slot in which `last` was found with that need (or is of no
 * type): all that can have changed is that the name is gone, or the object ending. */
static INLINE int
ipc_find_again(const struct vcpu *v, u64 name, u64 need, u64 last, struct cap **at)
{
    if (name == last &&
        atomic_load_explicit(&(*at)->name, memory_order_acquire) == name &&
        (*at)->type == FB_TYPE_ENDPOINT)
        return 0;
    struct cap *found = NULL; /* *at stays in a register */
    int error = ipc_find(v, name, need, &found);
    *at = found;
    return error;
}
/* The registers of v, which waited in the LibOS view, are complete. */
static inline void
ipc_complete(struct vcpu *v)
{
    v->waits = 0;
    v->cr3 = space_libos_cr3(v->space);
}

/* Why should the wait of v end?  0: it should not. */
int64_t ipc_reason(const struct cpu *c, const struct vcpu *v);
/* The capability that `from` passes; `to` is nobody's but ours. */
int ipc_pass(struct vcpu *from, struct vcpu *to) MUST_CHECK;
/* v, if it is READY because it was woken without a reason, is RUNNING, and ours (I2). */
bool ipc_claim_woken(const struct cpu *c, struct vcpu *v) MUST_CHECK;
/* `to`, which was in `state` and was claimed, waits on: the message did not come to be. */
void ipc_unclaim(struct cpu *c, struct vcpu *to, u32 state);
/* The error of a call of v that finds nobody; v is to be told, if it asked for that. */
int ipc_note(struct cpu *c, struct endpoint *e, struct vcpu *v) MUST_CHECK;
/* Somebody waits at e on c, or it ends: then from another CPU too, since nobody can make a
 * note of it any more. */
void ipc_tell(struct cpu *c, struct endpoint *e);

#endif

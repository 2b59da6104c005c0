/* SPDX-License-Identifier: MIT */
/* The table of calls, the look-ups that decoding shares, and batches. */
#include "call/call.h"

#include "base/panic.h"
#include "hal/hal.h"
#include "hal/x86_64/offsets.h"

#define CALL(number, name, args) [number] = call_##name,
const call_fn call_table[] = {
#include <kernel/calls.inc>
};
#undef CALL

/* What entry.S takes for granted. */
_Static_assert(offsetof(struct cpu, scratch) == CPU_SCRATCH, "entry.S");
_Static_assert(offsetof(struct cpu, cb) == CPU_CB, "entry.S");
_Static_assert(offsetof(struct cpu, gate_rip) == CPU_GATE_RIP, "entry.S");
_Static_assert(offsetof(struct cpu, user_cr3) == CPU_USER_CR3, "entry.S");
_Static_assert(offsetof(struct cpu, libos_cr3) == CPU_LIBOS_CR3, "entry.S");
_Static_assert(offsetof(struct cpu, stack_top) == CPU_STACK_TOP, "entry.S");
_Static_assert(offsetof(struct cpu, current) == CPU_CURRENT, "entry.S");
_Static_assert(CPU_AREA_SIZE - CPU_DATA_OFFSET == CPU_TO_STACK, "entry.S");
_Static_assert(offsetof(struct vcpu, regs) == VCPU_REGS, "entry.S");
_Static_assert(offsetof(struct fb_cb, user_rip) == CB_USER_RIP, "entry.S");
_Static_assert(offsetof(struct fb_cb, user_rflags) == CB_USER_RFLAGS, "entry.S");
_Static_assert(offsetof(struct fb_cb, user_rsp) == CB_USER_RSP, "entry.S");
_Static_assert(offsetof(struct fb_cb, entry_rsp) == CB_ENTRY_RSP, "entry.S");
_Static_assert(offsetof(struct fb_cb, mask) == CB_MASK, "entry.S");
_Static_assert(offsetof(struct fb_cb, pending) == CB_PENDING, "entry.S");
_Static_assert(offsetof(struct fb_cb, crossings) == CB_CROSSINGS, "entry.S");
#define REG(name, offset)                                                                \
    _Static_assert(offsetof(struct fb_regs, name) == (offset), "entry.S")
REG(r15, REGS_R15);
REG(r14, REGS_R14);
REG(r13, REGS_R13);
REG(r12, REGS_R12);
REG(rbp, REGS_RBP);
REG(rbx, REGS_RBX);
REG(r11, REGS_R11);
REG(r10, REGS_R10);
REG(r9, REGS_R9);
REG(r8, REGS_R8);
REG(rax, REGS_RAX);
REG(rcx, REGS_RCX);
REG(rdx, REGS_RDX);
REG(rsi, REGS_RSI);
REG(rdi, REGS_RDI);
REG(rip, REGS_RIP);
REG(rflags, REGS_RFLAGS);
REG(rsp, REGS_RSP);
#undef REG
_Static_assert(RFLAGS_FIXED == HAL_RFLAGS_FIXED && RFLAGS_USER == HAL_RFLAGS_USER,
               "entry.S");
_Static_assert(USER_SS == HAL_USER_SS && USER_CS == HAL_USER_CS, "entry.S");
_Static_assert(VECTOR_EVENT == FB_VECTOR_EVENT, "entry.S");
_Static_assert(FB_E_CALL_NUMBER == FB_E_CALL && FB_CALLS_COUNT == FB_CALLS, "entry.S");

void *
buffer_at(u64 offset, u64 bytes, u64 align)
{
    if (offset % align != 0 || !within(offset, bytes, 0, FB_BUFFER_BYTES))
        return NULL;
    return (char *)caller_vcpu()->cb + PAGE_SIZE + offset;
}

int
find_domain(u64 name, u64 need, struct domain **out, struct cap **cap)
{
    struct cap *c;

    if (name == 0) {
        *out = caller();
        if (cap)
            *cap = (*out)->cap;
        return 0;
    }
    int error = find(name, FB_TYPE_DOMAIN, need, &c);
    if (error)
        return error;
    *out = c->object;
    if (cap)
        *cap = c;
    return domain_alive(*out) ? 0 : -FB_E_DEAD;
}

static bool
call_switches(u64 call)
{
    return call == FB_CALL_GATE_RETURN || call == FB_CALL_RESUME ||
           call == FB_CALL_WAIT || call == FB_CALL_YIELD || call == FB_CALL_BATCH ||
           call == FB_CALL_SIGNAL || call == FB_CALL_DOMAIN_EXIT ||
           call == FB_CALL_IPC_CALL || call == FB_CALL_IPC_RECEIVE ||
           call == FB_CALL_IPC_REPLY;
}

struct ret
call_batch(u64 offset, u64 count, u64 a2, u64 a3, u64 a4, u64 a5)
{
    (void)a2, (void)a3, (void)a4, (void)a5;
    if (count == 0 || count > FB_BATCH_MAX)
        return ERR(-FB_E_ARG);
    struct fb_batch_entry *list = buffer_at(offset, count * sizeof(*list), 8);
    if (!list)
        return ERR(-FB_E_FAULT);
    for (u64 i = 0; i < count; i++) {
        struct fb_batch_entry e;
        __builtin_memcpy(&e, &list[i], sizeof(e)); /* copied in once */
        if (e.call >= FB_CALLS || call_switches(e.call))
            return RET(-FB_E_CALL, i);
        struct ret r = call_table[e.call](e.arg[0], e.arg[1], e.arg[2], e.arg[3],
                                          e.arg[4], e.arg[5]);
        list[i].result = (u64)r.error;
        list[i].value = r.value;
        if (r.error)
            return RET(r.error, i);
    }
    return RET(0, count);
}

/* rsp = 0 selects gate_return before the table is looked at; through rax it is no call.
 */
struct ret
call_gate_return(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
    (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    return ERR(-FB_E_CALL);
}

/* SPDX-License-Identifier: MIT */
/* Calls of control: resume, switch, wait, yield, timer, signal, set_base, tlb_flush. */
#include "base/epoch.h"
#include "call/call.h"
#include "domain/life.h"
#include "event/event.h"
#include "hal/hal.h"
#include "ipc/ipc.h"
#include "slice/slice.h"

/* What entry.S has pushed for calls that may leave the CPU. */
struct call_frame {
    u64 r15, r14, r13, r12, rbp, rbx;
    u64 into_stub;
    u64 rflags, rip, rsp;
};

struct ret wait_frame(u64 deadline, struct call_frame *f);
struct ret yield_frame(u64 name, struct call_frame *f);
struct ret signal_frame(u64 name, u64 bits, struct call_frame *f);
void domain_exit_frame(u64 code, struct call_frame *f);

/* The caller's registers as they are to be when the call returns `error`. */
static void
frame_regs(const struct call_frame *f, int64_t error, struct fb_regs *regs)
{
    *regs = (struct fb_regs){
        .r15 = f->r15,
        .r14 = f->r14,
        .r13 = f->r13,
        .r12 = f->r12,
        .rbp = f->rbp,
        .rbx = f->rbx,
        .rax = (u64)error,
        .rip = f->rip,
        .cs = HAL_USER_CS,
        .rflags = f->rflags,
        .rsp = f->rsp,
        .ss = HAL_USER_SS,
    };
}

/* Where there is more to do than to load the registers. */
static NORETURN __attribute__((noinline)) void
resume_seldom(struct cpu *c, struct vcpu *v, enum fb_save area)
{
    struct fb_cb *cb = v->cb;
    struct fb_regs regs;

    __builtin_memcpy(&regs, &cb->save[area].regs, sizeof(regs)); /* each field once */
    regs.cs = HAL_USER_CS;
    regs.ss = HAL_USER_SS;
    regs.rflags = (regs.rflags & (HAL_RFLAGS_USER | 0x10000)) | HAL_RFLAGS_FIXED;
    if (area == FB_SAVE_USER) {
        regs.rip &= (1ull << 47) - 1;
        if (v->domain->gate == FB_GATE_VIEWS)
            hal_cr3_write(c->user_cr3);
        event_deliver(c, v, &regs, true);
    } else {
        regs.rip |= ~((1ull << 47) -
                      1); /* upper half, canonical: what is not the window faults */
        cb->mask = cb->save[area].mask;
        event_deliver(c, v, &regs, false);
    }
    if (!domain_alive(v->domain))
        domain_drop_current(c);
    hal_load(&regs);
}

struct ret
call_resume(u64 area, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
    struct cpu *c = this_cpu();
    struct vcpu *v = c->current;
    struct fb_cb *cb = v->cb;

    (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    if (area >= FB_SAVES)
        return ERR(-FB_E_ARG);
    cb->save[area].busy = 0;
    if (area != FB_SAVE_USER)
        resume_seldom(c, v, (enum fb_save)area);
    cb->mask = 0;
    if (__atomic_load_n(&cb->pending, __ATOMIC_RELAXED) != 0)
        resume_seldom(c, v, FB_SAVE_USER);
    if (v->domain->gate == FB_GATE_VIEWS)
        hal_cr3_write(c->user_cr3);
    hal_load_user(&cb->save[FB_SAVE_USER].regs); /* as gate_return */
}

struct ret
call_switch(u64 name, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
    struct cpu *c = this_cpu();
    struct cap *cap;

    (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    int error = find(name, FB_TYPE_SPACE, NEED(0, MEMORY_VIRT, SWITCH), &cap);
    if (error)
        return ERR(error);
    struct space *s = cap->object;
    if (s->domain != c->current->domain)
        return ERR(-FB_E_AUTHORITY); /* another domain's window must not come into view */
    if (s->dying)
        return ERR(-FB_E_DEAD);
    c->current->space = s;
    c->user_cr3 = space_user_cr3(s);
    c->libos_cr3 = space_libos_cr3(s);
    hal_cr3_write(c->libos_cr3);
    return ERR(0);
}

struct ret
wait_frame(u64 deadline, struct call_frame *f)
{
    struct cpu *c = this_cpu();
    struct vcpu *v = c->current;

    u64 events = __atomic_exchange_n(&v->cb->pending, 0, __ATOMIC_SEQ_CST);
    if (events || deadline <= hal_tsc())
        return RET(0, events);
    frame_regs(f, 0, &v->regs);
    ipc_block(c, v, WAITS_EVENTS, deadline, VCPU_WAITING);
    if (!domain_alive(v->domain))
        domain_drop_current(c);
    dispatch(c);
}

struct ret
yield_frame(u64 name, struct call_frame *f)
{
    struct cpu *c = this_cpu();
    struct vcpu *v = c->current;
    struct vcpu *to = NULL;
    struct cap *cap;

    if (name != 0) {
        int error = find(name, FB_TYPE_VCPU, NEED(0, IPC_SEND, SIGNAL), &cap);
        if (error)
            return ERR(error);
        to = cap->object;
        if (!domain_alive(to->domain))
            return ERR(-FB_E_DEAD);
        if (to->cpu != v->cpu || atomic_load(&to->state) != VCPU_READY)
            return ERR(-FB_E_STATE);
    }
    struct fb_regs regs;
    frame_regs(f, 0, &regs);
    vcpu_leave(v, &regs);
    slice_yield(c, to);
    dispatch(c);
}

struct ret
call_timer(u64 deadline, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
    struct cpu *c = this_cpu();

    (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    c->current->timer = deadline;
    slice_await(c, c->current, deadline);
    return ERR(0);
}

struct ret
signal_frame(u64 name, u64 bits, struct call_frame *f)
{
    struct cpu *c = this_cpu();
    struct cap *cap;

    int error = find(name, FB_TYPE_VCPU, NEED(0, IPC_SEND, SIGNAL), &cap);
    if (error)
        return ERR(error);
    if (bits == 0)
        return ERR(-FB_E_RANGE);
    u64 lowest = (u64)__builtin_ctzll(bits), highest = 63 - (u64)__builtin_clzll(bits);
    if (lowest < cap->may.lo || highest >= cap->may.hi)
        return ERR(-FB_E_RANGE);
    struct vcpu *to = cap->object;
    if (!domain_alive(to->domain))
        return ERR(-FB_E_DEAD);
    event_send(to, bits);
    if (c->resched && slice_preempts(c)) {
        struct fb_regs regs;
        struct vcpu *v = c->current;
        frame_regs(f, 0, &regs);
        vcpu_leave(v, &regs);
        dispatch(c);
    }
    return ERR(0);
}

void
domain_exit_frame(u64 code, struct call_frame *f)
{
    struct fb_regs regs;

    frame_regs(f, 0, &regs);
    domain_end(caller(), FB_END_EXIT, code, &regs, 0);
    domain_drop_current(this_cpu());
}

struct ret
call_set_base(u64 which, u64 value, u64 a2, u64 a3, u64 a4, u64 a5)
{
    (void)a2, (void)a3, (void)a4, (void)a5;
    if (which > 1 || value >= 1ull << 47)
        return ERR(-FB_E_ARG);
    if (which == 0)
        hal_set_fs_base(value);
    else
        hal_set_gs_base(value);
    return ERR(0);
}

struct ret
call_tlb_flush(u64 cpus, u64 va, u64 a2, u64 a3, u64 a4, u64 a5)
{
    (void)a2, (void)a3, (void)a4, (void)a5;
    if (va != 0) {
        hal_invlpg(va);
        return RET(0, epoch_now());
    }
    u64 e = epoch_next();
    epoch_ask(cpus, e);
    return RET(0, e);
}

/* SPDX-License-Identifier: MIT */
/*
 * The threads of the model's worlds: a vCPU for each domain, made of frames outside of
 * the worlds, which calls, receives and replies by the kernel's own code (kernel/ipc).
 * What does not return there comes back by longjmp.  See host.h for the rules.
 */
#include "tests/kernel/model/host.h"
#include "base/epoch.h"
#include "base/panic.h"
#include "domain/life.h"
#include "event/event.h"
#include "frame/frame.h"
#include "hal/hal.h"
#include "ipc/message.h"
#include "slice/slice.h"
#include <setjmp.h>
#include <string.h>

static struct vcpu *threads[CPUS][DOMS];
static struct space nowhere;
static jmp_buf ring3;
u64 thread_counts[N_COUNTS];

/* ---- the machine ---- */

/* v goes on in Ring 3 with the registers that it has; the host stops it there (T1). */
static void
park(struct vcpu *v)
{
    if (atomic_load(&v->state) != VCPU_RUNNING)
        panic("a thread that does not run is entered");
    v->waits = 0;
    atomic_store(&v->state, VCPU_READY);
}

void
hal_enter(const struct fb_regs *regs, int64_t rax, u64 rdi, u64 rdx, u64 r10, u64 r8,
          u64 r9)
{
    struct vcpu *v = (struct vcpu *)regs;

    if (v != this_cpu()->current)
        panic("who is entered is not current");
    v->regs.rax = (u64)rax;
    v->regs.rdi = rdi;
    v->regs.rdx = rdx;
    v->regs.r10 = r10;
    v->regs.r8 = r8;
    v->regs.r9 = r9;
    park(v);
    longjmp(ring3, 1);
}

NORETURN void
dispatch(struct cpu *c)
{
    (void)c;
    longjmp(ring3, 2);
}

void
vcpu_leave(struct vcpu *v, const struct fb_regs *regs)
{
    v->regs = *regs;
    park(v);
}

/* ---- threads ---- */

void
threads_reset(void)
{
    memset(threads, 0, sizeof(threads));
}

static struct vcpu *
make(u32 k, u32 dom, struct domain *d)
{
    u64 frame = THREADS_LO + (k * DOMS + dom) * THREAD_FRAMES;
    struct vcpu *v = NULL;
    int error;

    for (u32 n = 0;; n++) {
        if (cap_lock())
            panic("the tree lock is taken between calls");
        error = vcpu_make(d, &nowhere, k, frame, frame + FB_VCPU_FRAMES, &v);
        cap_release();
        if (!error)
            break;
        if (n > 100)
            panic("no thread");
        (void)epoch_next();
        others();
    }
    memset(v->cb, 0, sizeof(*v->cb));
    v->cb->mask = dom & 1; /* with events either masked or not */
    atomic_store(&v->state, VCPU_READY);
    return v;
}

void
threads_follow(const struct world *w)
{
    u32 k = world_index(w);

    for (u32 d = 0; d < DOMS; d++)
        if (!w->dom[d].live)
            threads[k][d] = NULL; /* its domain took it along */
        else if (!threads[k][d])
            threads[k][d] = make(k, d, domain_of(w, (int)d));
}

/* ---- what it does ---- */

static NORETURN void
enter_kernel(const struct call *c)
{
    switch (c->number) {
    case FB_CALL_IPC_CALL:
        ipc_call(c->a[0], c->a[1], c->a[2], c->a[3], c->a[4], c->a[5]);
        break;
    case FB_CALL_IPC_REPLY:
        ipc_reply(c->a[0], c->a[1], c->a[2], c->a[3], c->a[4], c->a[5]);
        break;
    default: ipc_receive(c->a[0], c->a[1]);
    }
    panic("a call of a thread returns");
}

static void
come_on(struct cpu *c, struct vcpu *v)
{
    u32 ready = VCPU_READY;

    if (!atomic_compare_exchange_strong(&v->state, &ready, VCPU_RUNNING))
        panic("a thread that is not ready comes on");
    (void)vcpu_current(c, v);
    atomic_store(&c->fpu_owner, v);
    atomic_store(&c->charged, v);
}

static void
go_off(struct cpu *c)
{
    c->current = NULL;
    c->resched = 0;
    atomic_store(&c->charged, NULL);
    atomic_store(&c->fpu_owner, NULL);
}

static u64
done(const struct vcpu *v)
{
    return v->counts->calls + v->counts->replies;
}

long
thread_call(struct world *w, const struct call *c)
{
    struct cpu *cpu = this_cpu();
    struct vcpu *v = threads[now_cpu][c->actor];
    u64 before = done(v);

    if (world_index(w) != now_cpu)
        panic("a thread on another CPU");
    v->cb->ipc = c->ipc;
    come_on(cpu, v);
    cpu->resched = (driver_random(&w->seed) & 7) == 0; /* somebody else is due */
    if (setjmp(ring3) == 0)
        enter_kernel(c);
    go_off(cpu);
    host_clock(w); /* a deadline may have passed before the wait began */
    if (atomic_load(&v->state) == VCPU_READY && v->waits == 0 && done(v) == before) {
        thread_counts[N_BUSY] += v->regs.rax == (u64)-FB_E_BUSY;
        thread_counts[N_STATE] += v->regs.rax == (u64)-FB_E_STATE;
        return (long)v->regs.rax;
    }
    if (c->number != FB_CALL_IPC_RECEIVE)
        thread_counts[c->number == FB_CALL_IPC_CALL ? N_CALLED : N_REPLIED]++;
    thread_counts[N_PASSED] += thread_passed(w, c);
    return 0;
}

bool
thread_passed(const struct world *w, const struct call *c)
{
    return c->ipc.pass && !threads[world_index(w)][c->actor]->cb->ipc.pass;
}

void
threads_look(const struct world *w, u64 lot)
{
    u32 was = now_cpu, k = world_index(w);
    struct cpu *c;

    now_cpu = k;
    c = this_cpu();
    for (u32 d = 0; d < DOMS; d++) {
        struct vcpu *v = threads[k][d];
        if (!v || v->waits == 0 || atomic_load(&v->state) != VCPU_READY ||
            !(lot >> d & 1))
            continue;
        come_on(c, v);
        if (ipc_settle(c, v)) {
            int64_t error = (int64_t)v->regs.rax;
            thread_counts[N_DEAD] += error == -FB_E_DEAD;
            thread_counts[N_TIMEOUT] += error == -FB_E_TIMEOUT;
            thread_counts[N_EVENT] += error == -FB_E_EVENT;
            park(v);
        }
        go_off(c);
    }
    now_cpu = was;
}

bool
threads_awake(const struct world *w)
{
    u32 k = world_index(w);

    for (u32 d = 0; d < DOMS; d++) {
        struct vcpu *v = threads[k][d];
        u32 state = v ? atomic_load(&v->state) : VCPU_DEAD;
        if ((state == VCPU_WAITING || state == VCPU_CALLING) && domain_alive(v->domain) &&
            ipc_reason(cpu_by_id(k), v) != 0)
            return false;
    }
    return true;
}

enum thread_state
host_thread(struct world *w, int dom, struct mresult *out)
{
    const struct vcpu *v = threads[world_index(w)][dom];

    *out = (struct mresult){ 0 };
    if (!v)
        return THREAD_BACK; /* it is made next */
    u32 state = atomic_load(&v->state);
    if (state == VCPU_WAITING || state == VCPU_CALLING)
        return THREAD_SLEEPS;
    if (state != VCPU_READY)
        panic("a thread in a state that none has between calls");
    if (v->waits)
        return THREAD_WOKEN;
    *out = (struct mresult){ (long)v->regs.rax,
                             v->regs.rdi,
                             { v->regs.rdx, v->regs.r10, v->regs.r8, v->regs.r9 },
                             v->cb->ipc.got };
    return THREAD_BACK;
}

/* From its own CPU: from others is who revokes and destroys. */
void
host_rouse(struct world *w, int dom, fb_u64 events)
{
    struct vcpu *v = threads[world_index(w)][dom];

    if (events)
        event_send(v, events);
    else
        event_rouse(v);
    this_cpu()->resched = 0;
}

void
host_clock(struct world *w)
{
    struct cpu *c = cpu_by_id(world_index(w));

    slice_timer(c);
    c->resched = 0;
}

/* SPDX-License-Identifier: MIT */
/* The machine of machine.h. */
#include "machine.h"

#include "base/epoch.h"
#include "domain/life.h"
#include "event/event.h"
#include "hal/hal.h"
#include "ipc/ipc.h"
#include "slice/slice.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake fakes[CPU_VCPUS_MAX];
u32 nfakes;
u64 clock_now, timer_at;
u32 timer_fired;
unsigned failures;

static struct cpu the_cpu;
static struct fb_record the_record;
struct fb_record *record = &the_record;
u32 cpu_count = 1;
u64 hal_kernel_cr3;
static struct fb_domain_record counts;
static struct domain home = { .record = &counts };
static struct space first;
static jmp_buf ring3;
static u64 random_state;
static u64 came_on;

void dispatch_loop(void);
NORETURN void dispatch_reset(u64 stack_top);
NORETURN void dispatch_start(void);

void
machine_failed(const char *file, int line, const char *what)
{
    if (failures++ < 20)
        printf("# %s:%d: at %llu us: %s\n", file, line,
               (unsigned long long)(clock_now / US), what);
}

/* ---- what the dispatcher asks of the machine ---- */

struct cpu *
this_cpu(void)
{
    return &the_cpu;
}
struct cpu *
cpu_by_id(u32 id)
{
    (void)id;
    return &the_cpu;
}
u64
hal_tsc(void)
{
    return clock_now;
}
void
hal_timer_arm(u64 tsc)
{
    timer_at = tsc;
}
NORETURN void
dispatch_reset(u64 stack_top)
{
    (void)stack_top;
    dispatch_loop();
    abort();
}
void
hal_load(const struct fb_regs *regs)
{
    (void)regs;
    longjmp(ring3, 1);
}
void
hal_idle(void)
{
    longjmp(ring3, 1);
}
void
event_send(struct vcpu *v, u64 bits)
{
    v->cb->pending |= bits;
    if (vcpu_wake(v))
        the_cpu.resched = 1;
}
bool
event_deliver(struct cpu *c, struct vcpu *v, struct fb_regs *regs, bool user)
{
    (void)c, (void)v, (void)regs, (void)user;
    return false;
}
bool
ipc_settle(struct cpu *c, struct vcpu *v)
{
    (void)c;
    v->waits = 0;
    return true; /* the fake wakes nobody without a reason */
}
void
domain_drop_current(struct cpu *c)
{
    dispatch(c);
}
u64
hal_cr3_read(void)
{
    return 0;
}
void
hal_cr3_write(u64 value)
{
    (void)value;
}
void
hal_state_switch(struct hal_state *old, const struct hal_state *new)
{
    (void)old, (void)new;
}
void
hal_state_load(const struct hal_state *from)
{
    (void)from;
}
void
hal_gate_select(bool direct)
{
    (void)direct;
}
void
epoch_idle_enter(void)
{
}
void
epoch_idle_leave(void)
{
}

/* ---- the vCPUs ---- */

u64
random_below(u64 n)
{
    random_state ^= random_state << 13; /* xorshift64: Marsaglia, 2003 */
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % n;
}

static struct fake *
fake_of(const struct vcpu *v)
{
    return v == NULL ? NULL : &fakes[v->slot];
}

struct fake *
fake_running(void)
{
    return fake_of(the_cpu.current);
}

/* What it does by itself when it has come on. */
static void
plan(struct fake *f)
{
    bool busy = f->habit == GREEDY || f->habit == HOG;
    f->act = busy ? NEVER : clock_now + 1 + random_below(800 * US);
}

/* Into the dispatcher and out of it again; the clock stands still there. */
static void
into_dispatch(void)
{
    struct fake *f = fake_running();

    if (f != NULL) {
        f->got += clock_now - came_on;
        f->ready = f->v->state == VCPU_READY ? clock_now : NEVER;
    }
    if (setjmp(ring3) == 0)
        dispatch(&the_cpu);
    f = fake_running();
    came_on = clock_now;
    if (f != NULL) {
        f->ready = NEVER;
        f->ons++;
        plan(f);
    }
}

/* The way back to Ring 3, as in event/trap.c. */
static void
way_out(void)
{
    struct fake *f = fake_running();

    if (f == NULL) {
        into_dispatch();
    } else if (the_cpu.resched && slice_preempts(&the_cpu)) {
        static const struct fb_regs none;
        vcpu_leave(f->v, &none);
        into_dispatch();
    }
    f = fake_running();
    if (f != NULL && f->cb.pending != 0) {
        bool over = f->cb.pending >> FB_EVENT_SLICE & 1;
        f->cb.pending = 0;
        f->told += over;
        if (over && f->habit != HOG)
            f->act = clock_now + random_below(20 * US);
    }
}

void
kick(void)
{
    the_cpu.resched = 1;
    way_out();
}

void
fake_waits(u64 deadline)
{
    struct fake *f = fake_running();

    f->v->waits = 1;
    f->v->wait_until = deadline;
    slice_await(&the_cpu, f->v, deadline);
    atomic_store(&f->v->state, VCPU_WAITING);
    into_dispatch();
}

void
fake_yields(struct fake *to)
{
    static const struct fb_regs none;
    struct fake *f = fake_running();

    vcpu_leave(f->v, &none);
    slice_yield(&the_cpu, to == NULL ? NULL : to->v);
    into_dispatch();
}

void
fake_wake(struct fake *f)
{
    if (vcpu_wake(f->v)) {
        f->ready = clock_now;
        kick();
    }
}

static void
act(struct fake *f)
{
    struct fake *to = &fakes[random_below(nfakes)];

    if (f->habit == SLEEPER && random_below(4) != 0)
        fake_waits(random_below(3) == 0 ? NEVER : clock_now + random_below(3000 * US));
    else if (f->habit == DONOR && to->v->state == VCPU_READY)
        fake_yields(to);
    else
        fake_yields(NULL);
}

/* ---- the rules, by looking at every position ---- */

static void
check_rules(void)
{
    struct cpu *c = &the_cpu;
    struct fake *running = fake_running();
    struct vcpu *owner = c->slices[c->slice_pos].vcpu;
    u64 grace = SLICE_GRACE_NS;
    bool rival = false;

    for (u32 i = 0; i < CPU_SLICES; i++) {
        struct vcpu *v = c->slices[i].vcpu;
        CHECK((v != NULL) == (c->filled >> i & 1));
        if (v == NULL)
            continue;
        CHECK(v->positions >> i & 1);
        bool ready = v->state == VCPU_READY;
        CHECK(!ready || c->ready >> i & 1); /* I5 */
        rival |= ready;
    }
    if (running == NULL) {
        CHECK(!rival);
        return;
    }
    CHECK(running->v->state == VCPU_RUNNING);
    if (clock_now < c->slice_end && owner != NULL && owner->state == VCPU_READY)
        CHECK(c->given || c->paid_by == c->slice_pos); /* I1 */
    if (rival) { /* I2 */
        CHECK(timer_at <= c->slice_end + grace);
        CHECK(clock_now < c->slice_end + grace);
        CHECK(clock_now < c->slice_end || c->force);
    }
    CHECK(c->slices[c->paid_by].vcpu == c->payer); /* I6 */
    CHECK(slice_ran(running->v) == running->got + (clock_now - came_on));
}

void
machine_run(u64 until)
{
    for (;;) {
        struct fake *f = fake_running();
        u64 next = timer_at < until ? timer_at : until;
        bool acts = f != NULL && f->act < next;
        next = acts ? f->act : next;
        clock_now = next < clock_now ? clock_now : next; /* the timer may be late */
        if (acts) {
            act(f);
        } else if (timer_at <= clock_now) {
            timer_at = NEVER;
            timer_fired++;
            slice_timer(&the_cpu);
            for (u32 i = 0; i < nfakes; i++)
                if (fakes[i].v->state == VCPU_READY && fakes[i].ready == NEVER)
                    fakes[i].ready = clock_now;
            way_out();
        } else {
            return;
        }
        check_rules();
    }
}

struct fake *
fake_make(enum habit habit)
{
    struct fake *f = &fakes[nfakes];
    struct vcpu *v = aligned_alloc(64, (sizeof(*v) + 127) / 64 * 64);

    memset(v, 0, sizeof(*v));
    memset(f, 0, sizeof(*f));
    *f = (struct fake){ .v = v, .habit = habit, .act = NEVER, .ready = NEVER };
    v->cb = &f->cb;
    v->domain = &home;
    v->counts = counts.cpu;
    v->shown = &the_record.cpu[0].vcpu;
    v->space = &first;
    v->slot = nfakes++;
    v->id = v->slot + 1;
    v->timer = v->wait_until = NEVER;
    atomic_store(&the_cpu.vcpus[v->slot], v);
    return f;
}

void
fake_start(struct fake *f)
{
    f->ready = clock_now;
    atomic_store(&f->v->state, VCPU_READY);
    slice_ready(f->v);
    kick();
}

void
machine_start(u64 seed)
{
    for (u32 i = 0; i < nfakes; i++)
        free(fakes[i].v);
    nfakes = 0;
    memset(&the_cpu, 0, sizeof(the_cpu));
    the_record.tsc_hz = 1000000000;
    home.gate = FB_GATE_DIRECT;
    random_state = seed * 0x9e3779b97f4a7c15 | 1;
    clock_now = 1 + random_below(1000000);
    timer_at = NEVER;
    timer_fired = 0;
    if (setjmp(ring3) == 0)
        dispatch_start();
    the_cpu.slice_pos = CPU_SLICES - 1; /* position 0 is the next */
}

/* SPDX-License-Identifier: MIT */
/* What happens by itself: the gate, upcalls, slices, several CPUs; and what it all costs.
 */
#include "tests/kernel/ktest/ktest.h"

#define RW    (FB_MAP_READ | FB_MAP_WRITE)
#define SPARE (WINDOW_FREE + 0x300000000ull)
static u64 v;

void
test_upcalls(void)
{
    struct kvcpu *me = self();
    struct fb_cb *cb = me->cb;
    struct fb_regs *r = &cb->save[FB_SAVE_USER].regs;
    struct kspace s;

    kspace_make(&s);
    OK(fb_switch(s.cap, NULL));
    /* A system call: every register comes through; rip, rsp, rflags are in the control
     * block. */
    CHECK(user_run(user_call, 0x1111, 39) == 0x1000);
    CHECK(me->gate[0] == 39 && me->gate[1] == 0x1111 && me->gate[7] == 0xb &&
          me->gate[9] == 0xc);
    CHECK(cb->user_rip == USER_CODE + 2 && cb->user_rsp == USER_DATA + PAGE &&
          cb->mask == 1);
    /* Faults of the user program; the window and the kernel are out of its reach. */
    CHECK(user_run(user_load, 0x10, 0) == 14 && me->cr2 == 0x10 &&
          r->rip == USER_CODE + (u64)(user_load - user_text));
    CHECK(user_run(user_load, WINDOW_CB, 0) == 14 && me->cr2 == WINDOW_CB &&
          (r->error & 4));
    CHECK(user_run(user_load, 0xffffffff80200000, 0) == 14);
    CHECK(user_run(user_load, 0xffffc00000000000, 0) == 14);
    CHECK(user_run(user_load, 0x8000000000000000, 0) == 13);
    CHECK(user_run(user_store, USER_CODE, 0) == 14 && (r->error & 2));
    CHECK(user_run(user_load, USER_DATA, 0) == 0x1000);
    CHECK(user_run(user_gadget, (u64)gate_entry, 0) == 14 && me->cr2 == (u64)gate_entry);
    CHECK(user_run(user_gadget, 0xffffffff80200000, 0) == 14);
    u64 got = user_run(user_gadget, 0x4000000000000000, 0);
    CHECK(got == 13);
    CHECK(user_run(user_gadget, USER_DATA, 0) == 14 && (r->error & 16));
    CHECK(user_run(user_div, 0, 0) == 6);
    /* Single steps, with alignment checks: AC and TF are the user's. */
    cb->save[FB_SAVE_USER].regs =
        (struct fb_regs){ .rip = USER_CODE + (u64)(user_spin - user_text),
                          .rsp = USER_DATA + 64,
                          .rflags = 0x40100 };
    CHECK(user_go() == 1 && (r->rflags & 0x40000));
    /* What a LibOS asks for is clamped. */
    cb->save[FB_SAVE_USER].regs = (struct fb_regs){
        .rip = ~0ull, .rsp = ~0ull, .rflags = ~0ull & ~0x100ull, .cs = 8, .ss = 0x10
    };
    CHECK(user_go() == 14 && r->cs == 0x23 && r->ss == 0x1b &&
          (r->rflags & 0x3000) == 0 && (r->rflags & 0x200));
    cb->save[FB_SAVE_USER].regs =
        (struct fb_regs){ .rip = 1ull << 63, .rsp = 1ull << 63 };
    CHECK(user_go() == 14);
    /* An event that is pending goes first; one that comes interrupts. */
    OK(fb_signal(INFO->cap_vcpu[0], 4, NULL));
    me->events = 0;
    CHECK(user_run(user_spin, 0, 0) == FB_VECTOR_EVENT && me->events == 4);
    u64 spun = 0;
    for (u32 tries = 0; tries < 200 && spun <= 100; tries++) { /* the host may be busy */
        OK(fb_timer(in_ms(3), NULL));
        me->events = 0;
        CHECK(user_run(user_spin, 0, 0) == FB_VECTOR_EVENT &&
              me->events == 1ull << FB_EVENT_TIMER);
        spun = r->rax;
    }
    CHECK(spun > 100);
    /* Faults in the LibOS view; the lower half is data there. */
    u64 before = me->faults;
    CHECK(kt_touch(WINDOW_FREE + 0x500000000ull, 0) == 1 && me->vector == 14 &&
          me->cr2 == WINDOW_FREE + 0x500000000ull);
    CHECK(kt_touch(0xffffc00000000000, 1) == 1 && kt_touch(0xffffffffc0001000, 0) == 1);
    CHECK(kt_touch((u64)user_text, 1) == 1 && kt_touch(INSTANCE_INFO_VA, 1) == 1);
    CHECK(kt_touch(USER_DATA, 1) == 0 && kt_jump(USER_CODE) == 1 && (me->error & 16));
    CHECK(me->faults == before + 6 && cb->save[FB_SAVE_FAULT].busy == 0);
    /* Masked, then not. */
    before = me->upcalls;
    me->events = 0;
    OK(fb_signal(INFO->cap_vcpu[0], 2, NULL));
    CHECK(me->upcalls == before);
    cb->mask = 0;
    /* What is pending comes with the next interrupt. */
    OK(fb_timer(in_ms(2), NULL));
    for (u64 until = in_ms(PATIENCE); !(me->events >> FB_EVENT_TIMER) && now() < until;)
        __asm__ volatile("pause" ::: "memory"); /* an upcall writes it */
    cb->mask = 1;
    CHECK(me->upcalls > before && (me->events & 2) && me->events >> FB_EVENT_TIMER);
    OK(fb_switch(INFO->cap_space, NULL));
    kspace_end(&s);
}

/* ---- slices ---- */

static volatile u64 flag;

static u64
child_stat(struct kchild *c, u32 i, u64 ms)
{
    u64 a = *c->count[i], patience = in_ms(PATIENCE);
    do
        OK(fb_wait(in_ms(ms), NULL));
    while (*c->count[i] == a && now() < patience); /* the host may be busy */
    return *c->count[i] - a;
}

void
test_slices(void)
{
    static const u64 cpu0[] = { 0, 0 };
    struct kchild c, d;

    OK(kchild_make(&c, 2, cpu0));
    OK(kchild_start(&c, 0, child_spin, NULL));
    CHECK(child_stat(&c, 0, 10) > 0);
    OK(kchild_start(&c, 1, child_spin, NULL));
    /* What the host takes away falls on one of them now and then, but not for long. */
    u64 first = *c.count[0], second = *c.count[1], a, b, patience = in_ms(PATIENCE);
    do {
        OK(fb_wait(in_ms(100), NULL));
        a = *c.count[0] - first, b = *c.count[1] - second;
    } while ((a == 0 || b == 0 || a >= 4 * b || b >= 4 * a) && now() < patience);
    print("# two vCPUs on one CPU count %lu and %lu\r\n", a, b);
    CHECK(a > 0 && b > 0 && a < 4 * b && b < 4 * a);
    /* Preempted by force: this vCPU ignores the end of its slice, and finds its registers
     * as they were. */
    self()->cb->mask = 1;
    patience = in_ms(PATIENCE);
    b = *c.count[1];
    flag = 0;
    OK(fb_timer(FB_FOREVER, NULL));
    for (u64 until = in_ms(PATIENCE); *c.count[1] - b < 1000 && now() < until;)
        ;
    CHECK(*c.count[1] - b >= 1000);
    CHECK(kt_keep(c.count[0]) == 0);
    /* When the host was away for longer than a slice it went without having been told. */
    for (fb_wait(0, &v); !(v >> FB_EVENT_SLICE & 1) && now() < patience; fb_wait(0, &v))
        ;
    CHECK(v >> FB_EVENT_SLICE & 1);
    /* A yield to a vCPU gives it the time. */
    OK(fb_yield(c.vcpu[1], NULL));
    OK(fb_yield(0, NULL));
    OK(kchild_destroy(&c));
    /* Vector registers of one domain are not seen by another. */
    OK(kchild_make(&c, 1, cpu0));
    OK(kchild_start(&c, 0, child_xmm, NULL));
    CHECK(child_stat(&c, 0, 10) > 0 && c.count[0][1] == 0);
    OK(kchild_destroy(&c));
    OK(kchild_make(&d, 1, cpu0));
    OK(kchild_start(&d, 0, child_xmm, NULL));
    CHECK(child_stat(&d, 0, 10) > 0 && d.count[0][1] == 0);
    /* Forced off the CPU three times while the other one has its own vector state: flags
     * and machine state are as they were. */
    self()->cb->mask = 1;
    patience = in_ms(PATIENCE);
    for (u32 i = 0; i < 3; i++)
        CHECK(kt_keep_state(d.count[0], *d.count[0] + 1000) == 0);
    /* As above: each of these times the host may have been away for longer than a slice. */
    for (fb_wait(0, &v); !(v >> FB_EVENT_SLICE & 1) && now() < patience; fb_wait(0, &v))
        CHECK(kt_keep_state(d.count[0], *d.count[0] + 1000) == 0);
    CHECK(v >> FB_EVENT_SLICE & 1);
    OK(kchild_destroy(&d));
}

/* ---- several CPUs ---- */

static u64 sequence;

/* Wait for an event each time; answer by one. */
static u64
echo(u64 n)
{
    u64 bits, got = 0;

    __atomic_store_n(&sequence, 0,
                     __ATOMIC_SEQ_CST); /* it is here: what comes now is its own */
    while (got < n) {
        fb_wait(FB_FOREVER, &bits);
        if (bits & 0x10) {
            got++;
            __atomic_store_n(&sequence, got, __ATOMIC_SEQ_CST);
            fb_signal(INFO->cap_vcpu[0], 0x20, NULL);
        }
    }
    return got;
}

static struct kspace shared[2];
static volatile u64 stop, switched;

static u64
switcher(u64 n)
{
    (void)n;
    while (!stop) {
        if (fb_switch(shared[switched % 2].cap, NULL) == 0)
            switched++;
        fb_switch(INFO->cap_space, NULL);
    }
    return switched;
}

static u64
deriver(u64 n)
{
    u64 name, done = 0;

    for (u64 i = 0; i < n; i++)
        if (AGAIN(fb_cap_derive(MEM, FB_AUTH_ALL, 0, ~0ull, &name)) == 0) {
            if (AGAIN(fb_cap_revoke(name, NULL)) == 0 &&
                AGAIN(fb_cap_delete(name, NULL)) == 0)
                done++;
        }
    return done;
}

static void
stress_wake(u64 cpu, u64 n)
{
    u64 bits, lost = 0;

    sequence = ~0ull;
    on_begin(cpu, echo, n);
    while (__atomic_load_n(&sequence, __ATOMIC_SEQ_CST) != 0)
        __asm__ volatile("pause");
    for (u64 i = 1; i <= n; i++) {
        OK(fb_signal(INFO->cap_vcpu[cpu], 0x10, NULL));
        while (__atomic_load_n(&sequence, __ATOMIC_SEQ_CST) < i) {
            u64 until = in_ms(PATIENCE);
            fb_wait(until, &bits);
            if (now() >= until && ++lost > 2) {
                CHECK(!"a wake-up was lost");
                return;
            }
        }
    }
    CHECK(on_end(cpu) == n && lost == 0);
}

void
test_smp(void)
{
    static const u64 cpu0[] = { 0, 0 };
    u64 last = INFO->ncpus - 1, far[] = { INFO->cpu[last], INFO->cpu[last] };
    struct kchild c;

    if (last > 0) {
        for (u64 cpu = 1; cpu <= last; cpu++)
            stress_wake(cpu, 2000);
        /* Destroying a space while another vCPU comes into it and leaves it. */
        stop = switched = 0;
        kspace_make(&shared[0]);
        kspace_make(&shared[1]);
        on_begin(last, switcher, 0);
        for (u64 until = in_ms(PATIENCE); switched < 2 && now() < until;)
            fb_wait(in_ms(1), NULL);
        for (u32 i = 0; i < 2; i++) {
            long e;
            unmap(shared[i].cap, USER_CODE, 2);
            for (u64 until = in_ms(PATIENCE);
                 (e = AGAIN(fb_space_destroy(shared[i].cap, NULL))) == -FB_E_INUSE &&
                 now() < until;)
                ;
            OK(e);
            frames_back(shared[i].root, 2);
            frames_back(shared[i].code, 1);
            frames_back(shared[i].data, 1);
        }
        stop = 1;
        CHECK(on_end(last) > 0);
        /* Capabilities on all CPUs at once. */
        for (u64 cpu = 1; cpu <= last; cpu++)
            on_begin(cpu, deriver, 300);
        CHECK(deriver(300) == 300);
        for (u64 cpu = 1; cpu <= last; cpu++)
            CHECK(on_end(cpu) == 300);
    }
    /* Domains destroyed under load, wherever they are. */
    for (u32 i = 0; i < 40; i++) {
        OK(kchild_make(&c, 2, i % 2 ? far : cpu0));
        OK(kchild_start(&c, 0, i % 4 < 2 ? child_spin : child_call, NULL));
        OK(kchild_start(&c, 1, i % 3 ? child_call : child_wait, NULL));
        if (i % 5)
            fb_wait(now() + RECORD->tsc_hz / 2000 * (i % 5), NULL);
        OK(kchild_destroy(&c));
    }
}

/* ---- costs, in ticks of the TSC: instructions, where the machine counts them ---- */

#define N 1000u
#define BENCH(name, call)                                                                \
    do {                                                                                 \
        u64 t0_ = now();                                                                 \
        for (u32 i_ = 0; i_ < N; i_++)                                                   \
            call;                                                                        \
        u64 t1_ = now();                                                                 \
        for (u32 i_ = 0; i_ < N; i_++)                                                   \
            __asm__ volatile("" ::: "memory");                                           \
        u64 t2_ = now();                                                                 \
        print("bench %s %lu\r\n", name, (t1_ - t0_ - (t2_ - t1_)) / N);                  \
    } while (0)

void
bench(void)
{
    struct kspace s, t;
    struct kvcpu *me = self();
    u64 f = frames(1, 1);
    static const u64 cpu0[] = { 0 };
    struct kchild child;

    kspace_make(&s);
    kspace_make(&t);
    OK(fb_switch(s.cap, NULL));
    OK(fb_vcpu_start(INFO->cap_vcpu[0], (u64)gate_bench, (u64)upcall_entry, 0, 0, 0,
                     NULL));
    u64 t0 = now();
    (void)user_run(user_bench, 1, 0);
    u64 t1 = now();
    (void)user_run(user_bench, N + 1, 0);
    u64 t2 = now();
    /* Of each round two are the loop's own, `syscall` excluded, and two the LibOS's: xor,
     * and its `syscall` is counted. */
    print("bench gate_round_trip %lu\r\n", (t2 - t1 - (t1 - t0)) / N);
    OK(fb_vcpu_start(INFO->cap_vcpu[0], (u64)gate_entry, (u64)upcall_entry, 0, 0, 0,
                     NULL));
    BENCH("null_call", fb_set_base(9, 0, NULL));
    BENCH("call_with_capability_check", fb_irq_ack(INFO->cap_com[1].irq, 200, NULL));
    BENCH("switch", fb_switch(s.cap, NULL));
    BENCH("map_unmap", (fb_space_map(s.cap, USER_DATA + PAGE, MEM, f, RW, 1, NULL),
                        fb_space_unmap(s.cap, USER_DATA + PAGE, 1, 0, 0, 1, NULL)));
    BENCH("signal_self_and_wait",
          (fb_signal(INFO->cap_vcpu[0], 1, NULL), fb_wait(0, NULL)));
    BENCH("derive_delete",
          (fb_cap_derive(MEM, FB_AUTH_ALL, 0, ~0ull, &v), fb_cap_delete(v, NULL)));
    BENCH("yield_alone", fb_yield(0, NULL));
    OK(kchild_make(&child, 1, cpu0));
    OK(kchild_start(&child, 0, child_yield, NULL));
    BENCH("yield_there_and_back", fb_yield(0, NULL));
    OK(kchild_destroy(&child));
    BENCH("wait_timeout", fb_wait(now() + 3000, NULL));
    BENCH("fault_upcall_and_resume", kt_touch(0x10, 0));
    BENCH("user_fault_upcall", user_run(user_div, 0, 0));
    OK(fb_switch(INFO->cap_space, NULL));
    kspace_end(&s);
    kspace_end(&t);
    frames_back(f, 1);
    CHECK(me->id == 0);
}

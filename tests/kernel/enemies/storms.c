/* SPDX-License-Identifier: MIT */
/* Attacks by amount: time, events, interrupts, calls, and everything that can be full. */
#include "tests/kernel/enemies/enemies.h"

#include <sdk/ipc.h>

#define ENDPOINTS (FB_IPC_NOTES + 1)
#define VCPUS_MAX 64u
#define PORT_IER  0x2f9ull
#define PORT_SCRATCH 0x2ffull

static void
destroy(struct kchild *c, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        CHECK(is_alive(&c[i]));
        OK(kchild_destroy(&c[i]));
    }
}

/* Who ignores the end of its slice, calls, arms timers that are due, or lends its time has
 * no more than who does nothing of that. */
void
attack_slices(void)
{
    struct kchild c[4];
    u64 cpu = INFO->cpu[0], before[4], all, honest, end;

    enemy(&c[0], 0, cpu, child_spin, 0);
    enemy(&c[1], 1, cpu, child_call, 0);
    enemy(&c[2], 2, cpu, child_timer, 0);
    enemy(&c[3], 3, cpu, child_spin, 0);
    check_fair(c, 4);
    destroy(c, 3);
    /* Two that yield to a third, which is not to have the time of an honest one. */
    enemy(&c[0], 0, cpu, child_spin, 0);
    enemy(&c[1], 1, cpu, child_yields, 0);
    c[1].count[0][1] = grant(&c[1], c[0].vcpu[0], FB_AUTH_ALL, 0, 64);
    enemy(&c[2], 2, cpu, child_yields, 0);
    c[2].count[0][1] = grant(&c[2], c[1].vcpu[0], FB_AUTH_ALL, 0, 64);
    end = in_ms(PATIENCE);
    do {
        for (u32 i = 0; i < 4; i++)
            before[i] = ticks_of(&c[i]);
        pass(80);
        all = 0;
        for (u32 i = 0; i < 4; i++)
            all += ticks_of(&c[i]) - before[i];
        honest = ticks_of(&c[3]) - before[3];
    } while (honest < all / 8 && now() < end);
    CHECK(honest >= all / 8 && all > 0);
    destroy(c, 4);
}

/* All events of a vCPU sent by two who do nothing else, and flushes asked for by a third. */
void
attack_events(void)
{
    struct kchild c[4];
    u64 cpu = INFO->cpu[0];

    enemy(&c[0], 0, cpu, child_spin, 0); /* who gets them */
    enemy(&c[1], 1, cpu, child_signal, 0);
    enemy(&c[2], 2, last_cpu(), child_signal, 0);
    enemy(&c[3], 3, last_cpu(), child_call, 0);
    for (u32 i = 1; i < 3; i++)
        c[i].count[0][1] = grant(&c[i], c[0].vcpu[0], FB_AUTH_ALL, 0, 64);
    check_fair(c, 2);
    for (u32 i = 0; i < 4; i++)
        CHECK(goes_on(c[i].count[0]));
    CHECK(c[1].count[0][2] == 0 && c[2].count[0][2] == 0);
    destroy(c, 4);
}

/* A line that fires as soon as it is acknowledged. */
void
attack_lines(void)
{
    struct kchild c[2];
    u64 ports = INFO->cap_com[1].ports, irq = INFO->cap_com[1].irq, value = 0;

    OK(fb_port_out(ports, PORT_SCRATCH, 1, 0x5a, NULL));
    OK(fb_port_in(ports, PORT_SCRATCH, 1, &value));
    bool there = value == 0x5a;
    script(&c[0], 0, INFO->cpu[0]);
    enemy(&c[1], 1, INFO->cpu[0], child_spin, 0);
    u64 p = grant(&c[0], ports, FB_AUTH_ALL, 0, ~0ull),
        line = grant(&c[0], irq, FB_AUTH_ALL, 0, ~0ull),
        own = grant(&c[0], c[0].vcpu[0], FB_AUTH_ALL, 0, 64);
    volatile struct kstep *s = step(&c[0], 0, FB_CALL_IRQ_BIND, line, 3, own, 5, 0);
    OK(kchild_result(s));
    step(&c[0], 1, FB_CALL_PORT_OUT, p, PORT_IER, 1, 0, 0);
    volatile struct kstep *bits = step(&c[0], 4, FB_CALL_WAIT, 0, 0, 0, 0, 0);
    volatile struct kstep *again = step(&c[0], 5, FB_CALL_IRQ_ACK, line, 3, 0, 0, 0);
    s->call = FB_CALL_ENTROPY; /* from here on: round and round */
    kchild_steps(&c[0], 0)[6].call = ~0ull;
    step(&c[0], 3, FB_CALL_PORT_IN, p, PORT_IER + 1, 1, 0, 0); /* which the chip waits for */
    step(&c[0], 2, FB_CALL_PORT_OUT, p, PORT_IER, 1, 2, 0);
    u64 fired = 0, end = in_ms(PATIENCE);
    do {
        fired += bits->rdx >> 5 & 1;
    } while ((fired < 100 || again->done < 1000) && there && now() < end);
    CHECK(fired > 0 || !there);
    check_fair(c, 2);
    if (!there)
        print("# there is no COM2 that could interrupt\r\n");
    CHECK(goes_on(&again->done));
    destroy(c, 2);
    CHECK(fb_irq_ack(irq, 3, NULL) == -FB_E_STATE); /* it is nobody's */
    OK(fb_port_out(ports, PORT_IER, 1, 0, NULL));
}

/* A slice vector whose free positions are all one vCPU's; a watcher and a line bound again
 * and again; more notes than there are. */
void
attack_full(void)
{
    struct kchild c[2];
    u64 f = frames(ENDPOINTS, 1), e[ENDPOINTS], bits = 0, events, own = INFO->cap_vcpu[0], n = 0;
    struct ipc_message m = { { 0 }, 0 };
    struct fb_cb *cb = self()->cb;

    enemy(&c[0], 0, INFO->cpu[0], child_spin, 0);
    enemy(&c[1], 1, INFO->cpu[0], child_spin, 0);
    for (u64 p = 16; p < 54; p++) { /* but its own, and the other's; the victim's is 54 */
        u64 at = INFO->cpu[0] * 64 + p;
        if (p >= 40 && p < 44)
            continue;
        if (fb_slice_set(INFO->cap_slices[0], at, c[0].vcpu[0], RECORD->tsc_hz / 50000,
                         NULL) == 0)
            n++;
    }
    CHECK(n == 34);
    CHECK(goes_on(c[0].count[0]) && goes_on(c[1].count[0]));
    victim_check("positions filled");
    CHECK(fb_slice_set(INFO->cap_slices[0], INFO->cpu[0] * 64 + 64, c[0].vcpu[0],
                       RECORD->tsc_hz / 1000, NULL) != 0);
    /* Watchers and lines have one place each: who comes last has it. */
    for (u64 bit = 0; bit < 40; bit++) {
        OK(AGAIN(fb_domain_watch(c[0].domain, own, bit, NULL)));
        OK(AGAIN(fb_irq_bind(INFO->cap_com[1].irq, 3, own, bit, 0, NULL)));
    }
    OK(AGAIN(fb_irq_bind(INFO->cap_com[1].irq, 3, 0, 0, 0, NULL)));
    fb_wait(0, NULL);
    OK(kchild_destroy(&c[0])); /* its positions with it */
    for (u64 end = in_ms(PATIENCE); !(bits >> 39 & 1) && now() < end; bits |= events)
        fb_wait(in_ms(1), &events);
    CHECK((bits & ((1ull << 40) - 1)) == 1ull << 39);
    check_fair(&c[1], 1);
    OK(kchild_destroy(&c[1]));
    /* Notes. */
    for (u32 i = 0; i < ENDPOINTS; i++)
        OK(AGAIN(fb_endpoint_create(MEM, f + i, &e[i])));
    for (u32 round = 0; round < 2; round++)
        for (u32 i = 0; i < ENDPOINTS; i++) {
            ipc_notify(cb, 10);
            long want = i < FB_IPC_NOTES ? -FB_E_BUSY : -FB_E_FULL;
            CHECK(ipc_call(e[i], 0, &m) == want);
        }
    OK(AGAIN(fb_endpoint_destroy(e[0], NULL)));
    CHECK(ipc_call(e[ENDPOINTS - 1], 0, &m) == -FB_E_BUSY); /* there is a place again */
    cb->ipc.notify = 0;
    for (u32 i = 1; i < ENDPOINTS; i++)
        OK(AGAIN(fb_endpoint_destroy(e[i], NULL)));
    frames_back(f, ENDPOINTS);
}

/* All places for vCPUs of a CPU; with the domain they are free again. */
void
attack_vcpus(void)
{
    struct kchild c;
    u64 f = frames(VCPUS_MAX * 6, 2), n[2] = { 0, 0 }, v;
    long e = 0;

    for (u32 round = 0; round < 2; round++) {
        kchild_at = 0;
        OK(child_make(&c, INFO->cpu[0]));
        for (u64 i = 0; i < VCPUS_MAX && e == 0; i++) {
            u64 at = f + i * 6;
            e = AGAIN(fb_vcpu_create(c.domain, last_cpu(), MEM, at, at + 2, &v));
            n[round] += e == 0;
        }
        ERR(VCPU_CREATE, FULL, e);
        CHECK(is_alive(&c));
        OK(kchild_destroy(&c));
        e = 0;
    }
    CHECK(n[0] > 16 && n[0] == n[1]);
    frames_back(f, VCPUS_MAX * 6);
}

/* Who calls without end, from this CPU and another, and leaves a note each time, does not
 * keep others from being served; and then they end in the middle of it. */
void
attack_endpoint(void)
{
    struct kchild server, c[3];
    u64 f = frames(1, 1), e, served = 0, end;
    struct ipc_message m = { { 0 }, 0 };

    OK(AGAIN(fb_endpoint_create(MEM, f, &e)));
    kchild_at = 0;
    OK(child_make(&server, INFO->cpu[0]));
    server.count[0][1] = grant(&server, e, FB_AUTH_ALL, 0, ~0ull);
    OK(kchild_start(&server, 0, child_serve, NULL));
    for (u32 i = 0; i < 3; i++) {
        kchild_at = 1 + i;
        OK(child_make(&c[i], i < 2 ? INFO->cpu[0] : last_cpu()));
        kchild_at = 0;
        c[i].count[0][1] = grant(&c[i], e, FB_AUTH_ALL, i, i + 1);
        ((struct fb_cb *)((u64)c[i].count[0] - 0x40))->ipc.notify = 7;
        OK(kchild_start(&c[i], 0, child_caller, NULL));
    }
    for (end = in_ms(PATIENCE); served < 100 && now() < end;) {
        m.word[0] = served;
        long error = ipc_call(e, FB_FOREVER, &m);
        served += error == 0 && m.word[0] == served + 1;
        if (error == -FB_E_BUSY)
            fb_yield(0, NULL);
    }
    CHECK(served == 100);
    for (u32 i = 0; i < 3; i++) /* the third finds nobody on its CPU, if there are two */
        CHECK(goes_on(c[i].count[0]) && (i == 2 || goes_on(&c[i].count[0][2])));
    destroy(c, 3);
    for (end = in_ms(PATIENCE), served = 0; served < 10 && now() < end;)
        served += ipc_call(e, FB_FOREVER, &m) == 0 || fb_wait(in_ms(1), NULL);
    CHECK(served == 10);
    destroy(&server, 1);
    OK(AGAIN(fb_endpoint_destroy(e, NULL)));
    frames_back(f, 1);
}

/* The same slots and frames again and again: what had a name never has it again. */
void
attack_names(void)
{
    u64 r = derive(MEM, FB_AUTH_ALL, 0, ~0ull), f = frames(2, 2), first = 0, last = 0,
        same = 0, name, s, old = 0, e, old_e = 0;

    for (u32 i = 0; i < 300; i++) {
        name = derive(r, FB_AUTH_ALL, 0, ~0ull);
        CHECK(name != last && fb_cap_inspect(name, 0, NULL) == 0);
        first = i == 0 ? name : first;
        if ((name & 0xffffff) == (last & 0xffffff)) {
            same++;
            CHECK(name >> 24 > last >> 24);
        }
        for (u64 k = 1; k < 4; k++)
            CHECK(fb_cap_inspect(name + (k << 24), 0, NULL) == -FB_E_NAME &&
                  fb_cap_inspect(name - (k << 24), 0, NULL) == -FB_E_NAME);
        CHECK(i == 0 || fb_cap_inspect(last, 0, NULL) == -FB_E_NAME);
        CHECK(i == 0 || fb_cap_inspect(first, 0, NULL) == -FB_E_NAME);
        last = name;
        OK(AGAIN(fb_cap_revoke(r, NULL)));
    }
    CHECK(same > 200);
    for (u32 i = 0; i < 40; i++) { /* objects in the same memory */
        OK(AGAIN(fb_space_create(0, MEM, f, &s)));
        CHECK(s != old && (i == 0 || fb_switch(old, NULL) == -FB_E_NAME));
        old = s;
        OK(AGAIN(fb_space_destroy(s, NULL)));
        OK(AGAIN(fb_endpoint_create(MEM, f, &e)));
        CHECK(e != old_e && fb_switch(s, NULL) == -FB_E_NAME && fb_switch(e, NULL) != 0);
        CHECK(i == 0 || AGAIN(fb_endpoint_destroy(old_e, NULL)) == -FB_E_NAME);
        old_e = e;
        OK(AGAIN(fb_endpoint_destroy(e, NULL)));
    }
    OK(AGAIN(fb_cap_delete(r, NULL)));
    frames_back(f, 2);
}

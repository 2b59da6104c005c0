/* SPDX-License-Identifier: MIT */
/* Endpoints whose sides end, are woken, are taken away or do not mean well, on one CPU
 * and across two. */
#include "tests/kernel/ktest/ipc.h"

/* A receiver whose capability goes; an endpoint that a domain had made ends with it. */
void
ipc_ended(void)
{
    struct kchild c, d;
    u64 f = frames(2, 2), e = kt_endpoint(f), in = derive(e, RECEIVE, 0, ~0ull), made;

    kid_start(&c, 1, 0);
    kid_start(&d, 1, 1);
    volatile struct kstep *s =
        kid_step(&c, 0, 0, FB_CALL_IPC_RECEIVE, grant(&c, in, RECEIVE, 0, ~0ull),
                 FB_FOREVER, 0);
    kt_await(e);
    OK(AGAIN(fb_cap_revoke(in, NULL)));
    ERR(IPC_RECEIVE, DEAD, kchild_result(s));
    /* After a reply: c replies to the tester, and its capability goes. */
    u64 again = grant(&c, in, RECEIVE, 0, ~0ull);
    struct ipc_message m;
    kid_step(&c, 0, 1, FB_CALL_IPC_RECEIVE, again, FB_FOREVER, 0);
    s = kid_step(&c, 0, 2, FB_CALL_IPC_REPLY, again, FB_FOREVER, 0);
    OK(kt_call(e, FB_FOREVER, 0, &m));
    kt_await(e);
    OK(AGAIN(fb_cap_revoke(in, NULL)));
    ERR(IPC_REPLY, DEAD, kchild_result(s));
    /* c makes an endpoint of memory it was granted; d waits there; c ends. */
    u64 mem = grant(&c, MEM, FB_AUTH_ALL, f + 1, f + 2);
    s = kid_step(&c, 0, 3, FB_CALL_ENDPOINT_CREATE, mem, f + 1, 0);
    OK(kchild_result(s));
    made = s->rdx;
    s = kid_step(&c, 0, 4, FB_CALL_CAP_GRANT, made,
                 grant(&c, d.domain, FB_AUTH_ALL, 0, 1), FB_AUTH_ALL);
    s->arg[3] = 0;
    s->arg[4] = ~0ull;
    OK(kchild_result(s));
    volatile struct kstep *t =
        kid_step(&d, 0, 0, FB_CALL_IPC_RECEIVE, s->rdx, FB_FOREVER, 0);
    /* The tester has it from c too, and sees by it that d is there. */
    ipc_pass(kid_cb(&c, 0), made, FB_AUTH_ALL, 0, ~0ull);
    ipc_take(self()->cb);
    kid_step(&c, 0, 5, FB_CALL_IPC_CALL, grant(&c, e, SEND, 0, 1), FB_FOREVER, 0);
    OK(kt_receive(e, in_ms(PATIENCE), &m));
    OK(ipc_reply(&m));
    kt_await(ipc_got(self()->cb));
    CHECK(!t->done);
    OK(kchild_destroy(&c));
    ERR(IPC_RECEIVE, DEAD, kchild_result(t));
    CHECK(FB_FRAME_TYPE(FRAME_RECORD(f + 1)->word) == FB_FRAME_DATA);
    OK(kchild_destroy(&d));
    OK(AGAIN(fb_cap_delete(in, NULL)));
    OK(AGAIN(fb_endpoint_destroy(e, NULL)));
    frames_back(f, 2);
}

/* A wake-up without a reason: a capability goes through which the vCPU has met others. */
void
ipc_woken(u64 e)
{
    struct ipc_message m = { { 0 }, 0 };
    struct kchild c;
    u64 f = frames(1, 1), other = kt_endpoint(f), out = derive(e, SEND, 0, ~0ull);

    kid_start(&c, 2, 0);
    u64 in = grant(&c, other, RECEIVE, 0, ~0ull);
    volatile struct kstep *s = kid_step(
        &c, 0, 0, FB_CALL_IPC_CALL, grant(&c, out, SEND, 0, ~0ull), FB_FOREVER, 0);
    kid_step(&c, 0, 1, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    OK(kt_receive(e, in_ms(PATIENCE), &m));
    OK(ipc_reply(&m));
    OK(kchild_result(s));
    kt_await(other);
    OK(AGAIN(fb_cap_revoke(out, NULL))); /* the child's too: it has called through it */
    kid_step(&c, 0, 2, FB_CALL_IPC_REPLY, 0, 0, 0);
    OK(ipc_call(other, FB_FOREVER, &m));
    /* vCPU 0 had waited through what goes while it calls vCPU 1. */
    u64 gone = grant(&c, e, RECEIVE, 0, ~0ull);
    kid_step(&c, 1, 0, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    kid_step(&c, 1, 1, FB_CALL_CAP_DELETE, gone, 0, 0);
    volatile struct kstep *t = kid_step(&c, 1, 2, FB_CALL_IPC_REPLY, 0, 0, 7);
    kid_stop(&c, 1, 3);
    kt_await(other);
    kid_step(&c, 0, 3, FB_CALL_IPC_RECEIVE, gone, in_ms(1), 0);
    s = kid_step(&c, 0, 4, FB_CALL_IPC_CALL, grant(&c, other, SEND, 0, ~0ull),
                 FB_FOREVER, 0);
    CHECK(kchild_result(s) == 0 && s->rdx == 7 && kchild_result(t) == 0);
    OK(kchild_destroy(&c));
    OK(AGAIN(fb_cap_delete(out, NULL)));
    OK(AGAIN(fb_endpoint_destroy(other, NULL)));
    frames_back(f, 1);
}

/* The capability through which two meet is itself what is moved; an endpoint ends for
 * which somebody has left a note. */
void
ipc_given_away(u64 e)
{
    struct ipc_message m = { { 0 }, 0 };
    struct kchild c;
    u64 f = frames(1, 1), other = kt_endpoint(f), events;

    kid_start(&c, 1, 0);
    u64 out = grant(&c, e, SEND, 5, 6), in = grant(&c, e, RECEIVE, 0, ~0ull);
    ipc_pass(kid_cb(&c, 0), out, 0, 0, 0);
    ipc_take(self()->cb);
    volatile struct kstep *s = kid_step(&c, 0, 0, FB_CALL_IPC_CALL, out, FB_FOREVER, 0);
    OK(kt_receive(e, in_ms(PATIENCE), &m));
    CHECK(m.badge == 5);
    u64 got = ipc_got(self()->cb);
    ERR(IPC_CALL, DEAD, kchild_result(s));
    OK(AGAIN(fb_cap_delete(got, NULL)));
    kid_step(&c, 0, 1, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    s = kid_step(&c, 0, 2, FB_CALL_IPC_REPLY, in, FB_FOREVER, 9);
    ipc_pass(kid_cb(&c, 0), in, 0, 0, 0);
    ipc_take(self()->cb);
    OK(kt_call(e, FB_FOREVER, 0, &m));
    CHECK(m.word[0] == 9);
    got = ipc_got(self()->cb);
    CHECK(got != 0);
    ERR(IPC_REPLY, DEAD, kchild_result(s));
    OK(AGAIN(fb_cap_delete(got, NULL)));
    OK(kchild_destroy(&c));

    ipc_notify(self()->cb, 9);
    ERR(IPC_CALL, BUSY, ipc_call(other, FB_FOREVER, &m));
    self()->cb->ipc.notify = 0;
    OK(AGAIN(fb_endpoint_destroy(other, NULL)));
    u64 end = in_ms(PATIENCE);
    do
        fb_wait(end, &events);
    while (events != 0 && !(events & 1u << 9));
    CHECK(events & 1u << 9);
    frames_back(f, 1);
}

/* The same of a vCPU of the children's CPU: a step of vCPU i of c, which may send to e.
 */
static void
await_there(const struct kchild *c, u32 i, u32 n, u64 out)
{
    ipc_pass(kid_cb(c, i), NONAME, FB_AUTH_ALL, 0, ~0ull);
    ERR(IPC_CALL, FULL,
        kchild_result(kid_step(c, i, n, FB_CALL_IPC_CALL, out, FB_FOREVER, 0)));
    kid_cb(c, i)->ipc.pass = 0;
}

/* Two meet on a CPU that is not the tester's; vCPU 1 of c only looks who waits. */
void
ipc_across(void)
{
    struct ipc_message m = { { 0 }, 0 };
    struct kchild c, d;
    u64 f = frames(2, 2), e = kt_endpoint(f), other = kt_endpoint(f + 1), in, events;

    in = derive(e, RECEIVE, 0, ~0ull);
    kid_start(&c, 2, 0);
    u64 in_c = grant(&c, in, RECEIVE, 0, ~0ull),
        out_c = grant(&c, e, SEND, 0, ~0ull);
    /* Who waits there is nobody here, and no reason for an event; who comes here is. */
    volatile struct kstep *s =
        kid_step(&c, 0, 0, FB_CALL_IPC_RECEIVE, in_c, FB_FOREVER, 0);
    await_there(&c, 1, 0, out_c);
    ipc_notify(self()->cb, 9);
    ERR(IPC_CALL, BUSY, ipc_call(e, FB_FOREVER, &m));
    self()->cb->ipc.notify = 0;
    fb_wait(in_ms(1), &events);
    CHECK(!(events & 1u << 9));
    u64 there = home;
    home = 0;
    kid_start(&d, 1, 1);
    home = there;
    kid_step(&d, 0, 0, FB_CALL_IPC_RECEIVE, grant(&d, e, RECEIVE, 0, ~0ull),
             FB_FOREVER, 0);
    u64 end = in_ms(PATIENCE);
    do
        fb_wait(end, &events);
    while (events != 0 && !(events & 1u << 9));
    CHECK(events & 1u << 9);
    OK(kchild_destroy(&d));
    /* What is taken away from here ends a receive there. */
    CHECK(!s->done);
    OK(AGAIN(fb_cap_revoke(in, NULL)));
    ERR(IPC_RECEIVE, DEAD, kchild_result(s));
    in_c = grant(&c, other, RECEIVE, 0, ~0ull);
    s = kid_step(&c, 0, 1, FB_CALL_IPC_RECEIVE, in_c, FB_FOREVER, 0);
    await_there(&c, 1, 1, grant(&c, other, SEND, 0, ~0ull));
    CHECK(!s->done);
    OK(AGAIN(fb_endpoint_destroy(other, NULL)));
    ERR(IPC_RECEIVE, DEAD, kchild_result(s));
    /* A reply, and another one; then one to a caller that is no more. */
    kid_start(&d, 1, 1);
    u64 out_d = grant(&d, e, SEND, 0, ~0ull);
    in_c = grant(&c, in, RECEIVE, 0, ~0ull);
    kid_step(&c, 0, 2, FB_CALL_IPC_RECEIVE, in_c, FB_FOREVER, 0);
    kid_step(&c, 0, 3, FB_CALL_IPC_REPLY, 0, 0, 7);
    s = kid_step(&c, 0, 4, FB_CALL_IPC_REPLY, 0, 0, 8);
    volatile struct kstep *t = kid_step(&d, 0, 0, FB_CALL_IPC_CALL, out_d, FB_FOREVER, 0);
    CHECK(kchild_result(t) == 0 && t->rdx == 7);
    ERR(IPC_REPLY, STATE, kchild_result(s));
    CHECK(kchild_steps(&c, 0)[3].rax == 0);
    s = kid_step(&c, 0, 5, FB_CALL_IPC_RECEIVE, in_c, FB_FOREVER, 0);
    t = kid_step(&d, 0, 1, FB_CALL_IPC_CALL, out_d, FB_FOREVER, 0);
    CHECK(kchild_result(s) == 0 && !t->done);
    OK(kchild_destroy(&d));
    s = kid_step(&c, 0, 6, FB_CALL_IPC_REPLY, 0, 0, 0);
    ERR(IPC_REPLY, STATE, kchild_result(s));
    OK(kchild_destroy(&c));
    OK(AGAIN(fb_cap_delete(in, NULL)));
    OK(AGAIN(fb_endpoint_destroy(e, NULL)));
    frames_back(f, 2);
}

static u64
ticks_of(const struct kchild *c)
{
    OK(fb_domain_status(c->domain, 0, NULL));
    return ((const struct fb_domain_status *)BUFFER)->ticks;
}
static void
slice(const struct kchild *c, u64 ms)
{
    OK(AGAIN(fb_slice_set(INFO->cap_slices[0], 40 + c->at * 2, ms ? c->vcpu[0] : 0,
                          RECORD->tsc_hz / 1000 * ms, NULL)));
}

/* d has no time and spins in c's, which has called it: c's deadline comes in c's own
 * slice.  How late that was, in ms. */
static u64
deadline_in_own_slice(u64 e)
{
    struct kchild c, d;
    u64 ms = RECORD->tsc_hz / 1000, late;

    kid_start(&c, 1, 0);
    kid_start(&d, 1, 1);
    kid_step(&d, 0, 0, FB_CALL_IPC_RECEIVE, grant(&d, e, RECEIVE, 0, ~0ull),
             FB_FOREVER, 0);
    kid_step(&c, 0, 0, FB_CALL_WAIT, FB_FOREVER, 0, 0);
    kt_await(e);
    slice(&d, 0);
    u64 t0 = now();
    volatile struct kstep *s = kid_step(
        &c, 0, 1, FB_CALL_IPC_CALL, grant(&c, e, SEND, 0, ~0ull), t0 + 40 * ms, 0);
    kid_stop(&c, 0, 2);
    slice(&c, 500);
    OK(fb_signal(c.vcpu[0], 2, NULL));
    ERR(IPC_CALL, TIMEOUT, kchild_result(s));
    late = (now() - t0) / ms;
    OK(kchild_destroy(&c));
    OK(kchild_destroy(&d));
    return late;
}

/* d replies in time of its own, and is woken by c, which spins.  How long c had the CPU, in
 * ms. */
static u64
woken_in_own_slice(u64 e)
{
    struct kchild c, d;
    u64 ms = RECORD->tsc_hz / 1000, had;

    kid_start(&c, 1, 0);
    kid_start(&d, 1, 1);
    u64 in = grant(&d, e, RECEIVE, 0, ~0ull), to = 0;
    OK(AGAIN(fb_cap_grant(d.vcpu[0], c.domain, FB_AUTH_ALL, 0, 64, &to)));
    kid_step(&d, 0, 0, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    kid_step(&c, 0, 0, FB_CALL_WAIT, FB_FOREVER, 0, 0);
    kt_await(e);
    slice(&d, 500);
    kid_step(&d, 0, 1, FB_CALL_WAIT, now() + 60 * ms, 0, 0);
    volatile struct kstep *s = kid_step(&d, 0, 2, FB_CALL_IPC_REPLY, in, FB_FOREVER, 0);
    kid_step(&c, 0, 1, FB_CALL_IPC_CALL, grant(&c, e, SEND, 0, ~0ull), FB_FOREVER, 0);
    kid_step(&c, 0, 2, FB_CALL_SIGNAL, to, 2, 0);
    u64 before = ticks_of(&c);
    OK(fb_signal(c.vcpu[0], 2, NULL));
    ERR(IPC_REPLY, EVENT, kchild_result(s));
    had = (ticks_of(&c) - before) / ms;
    OK(kchild_destroy(&c));
    OK(kchild_destroy(&d));
    return had;
}

/* Whose time it is when one of the two does not mean well: c calls d.  If it is not as it
 * should be it takes the slice of 500 ms each time; what the host takes, not each time. */
void
ipc_in_whose_time(u64 e)
{
    u64 late = ~0ull, had = ~0ull;

    for (u32 i = 0; i < 10 && late >= 250; i++)
        late = deadline_in_own_slice(e);
    for (u32 i = 0; i < 10 && had >= 200; i++)
        had = woken_in_own_slice(e);
    if (late >= 250 || had >= 200)
        print("# late by %lu ms, had %lu ms\r\n", late, had);
    CHECK(late < 250 && had < 200);
}

/* SPDX-License-Identifier: MIT */
/* Endpoints: calls between the tester and child domains, with each documented error. */
#include "tests/kernel/ktest/ipc.h"

static u64 v;

/* ---- costs ---- */

#define N 1000u

void
bench_ipc(void)
{
    struct ipc_message m = { { 0 }, 0 };
    struct kchild c;
    u64 f = frames(1, 1), e = kt_endpoint(f);

    OK(kchild_make(&c, 1, CPU0));
    c.count[0][1] = grant(&c, e, RECEIVE, 0, ~0ull);
    OK(kchild_start(&c, 0, child_echo, NULL));
    while (ipc_call(e, FB_FOREVER, &m) == -FB_E_BUSY)
        fb_wait(in_ms(1), NULL);
    u64 t0 = now();
    for (u32 i = 0; i < N; i++)
        if (ipc_call(e, FB_FOREVER, &m))
            failures++;
    u64 t1 = now();
    print("bench ipc_round_trip %lu\r\n", (t1 - t0) / N);
    CHECK(m.word[0] == N + 1);
    /* To another domain and gone again, which takes a quiet point. */
    t0 = now();
    for (u32 i = 0; i < 20; i++)
        if (AGAIN_BUSY(fb_cap_grant(e, c.domain, SEND, i, i + 1, &v)))
            failures++;
    t1 = now();
    print("bench grant %lu\r\n", (t1 - t0) / (20));
    t0 = now();
    OK(AGAIN(fb_cap_revoke(e, NULL)));
    t1 = now();
    print("bench revoke_of_21 %lu\r\n", t1 - t0);
    OK(kchild_destroy(&c));
    OK(AGAIN(fb_endpoint_destroy(e, NULL)));
    frames_back(f, 1);
}

/* ---- what each call refuses, and what it does ---- */

/* Without anybody else. */
static void
alone(u64 e, u64 f)
{
    struct ipc_message m = { { 0 }, 0 };
    u64 port = INFO->cap_com[1].ports, out = derive(e, SEND, 0, ~0ull),
        in = derive(e, RECEIVE, 0, ~0ull),
        none = derive(MEM, FB_AUTH(FB_CLASS_ROOT, FB_KIND_MEMORY_PHYS, FB_RIGHT_READ),
                         0, ~0ull),
        weak = derive(e, ALL_BUT(CONTROL), 0, ~0ull);

    ERR(ENDPOINT_CREATE, NAME, fb_endpoint_create(NONAME, f, &v));
    ERR(ENDPOINT_CREATE, TYPE, fb_endpoint_create(port, f, &v));
    ERR(ENDPOINT_CREATE, AUTHORITY, fb_endpoint_create(none, f, &v));
    ERR(ENDPOINT_CREATE, RANGE, fb_endpoint_create(MEM, 0, &v));
    ERR(ENDPOINT_CREATE, INUSE, AGAIN(fb_endpoint_create(MEM, f, &v)));
    ERR(ENDPOINT_DESTROY, NAME, fb_endpoint_destroy(NONAME, NULL));
    ERR(ENDPOINT_DESTROY, TYPE, fb_endpoint_destroy(MEM, NULL));
    ERR(ENDPOINT_DESTROY, AUTHORITY, fb_endpoint_destroy(weak, NULL));
    ERR(IPC_CALL, NAME, ipc_call(NONAME, 0, &m));
    ERR(IPC_CALL, TYPE, ipc_call(port, 0, &m));
    ERR(IPC_CALL, AUTHORITY, ipc_call(in, 0, &m));
    ERR(IPC_CALL, BUSY, ipc_call(out, 0, &m));
    ipc_notify(self()->cb, 64);
    ERR(IPC_CALL, ARG, ipc_call(out, 0, &m));
    self()->cb->ipc.notify = 0;
    ERR(IPC_RECEIVE, NAME, ipc_receive(NONAME, 0, &m));
    ERR(IPC_RECEIVE, TYPE, ipc_receive(port, 0, &m));
    ERR(IPC_RECEIVE, AUTHORITY, ipc_receive(out, 0, &m));
    ERR(IPC_RECEIVE, TIMEOUT, kt_receive(in, in_ms(2), &m));
    OK(fb_signal(INFO->cap_vcpu[0], 0x400, NULL));
    ERR(IPC_RECEIVE, EVENT, ipc_receive(in, FB_FOREVER, &m));
    CHECK(m.word[0] & 0x400);
    ERR(IPC_REPLY, NAME, ipc_reply_receive(NONAME, 0, &m));
    ERR(IPC_REPLY, TYPE, ipc_reply_receive(port, 0, &m));
    ERR(IPC_REPLY, AUTHORITY, ipc_reply_receive(out, 0, &m));
    ERR(IPC_REPLY, STATE, ipc_reply(&m));
    ERR(IPC_REPLY, STATE, ipc_reply_receive(in, 0, &m));
    OK(AGAIN(fb_cap_delete(none, NULL)));
    OK(AGAIN(fb_cap_revoke(e, NULL)));
    ERR(IPC_CALL, NAME, ipc_call(out, 0, &m));
}

/* The tester calls; what the child answers, and how a call ends otherwise. */
static void
outwards(u64 e)
{
    struct ipc_message m;
    struct kchild c;
    volatile struct kstep *s;
    u64 badge = derive(e, SEND, 77, 78), events;

    kid_start(&c, 1, 0);
    u64 in = grant(&c, e, RECEIVE, 0, ~0ull);
    /* BUSY, and an event when somebody is there. */
    ipc_notify(self()->cb, 9);
    ERR(IPC_CALL, BUSY, ipc_call(badge, FB_FOREVER, &(struct ipc_message){ { 0 }, 0 }));
    self()->cb->ipc.notify = 0;
    s = kid_step(&c, 0, 0, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    do
        fb_wait(in_ms(PATIENCE), &events);
    while (events == 1ull << FB_EVENT_SLICE);
    CHECK(events & 1u << 9);
    /* A message each way, and the badge. */
    kid_step(&c, 0, 1, FB_CALL_IPC_REPLY, 0, 0, 100);
    kid_step(&c, 0, 2, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    OK(kt_call(badge, FB_FOREVER, 5, &m));
    CHECK(m.word[0] == 100 && m.word[1] == 101 && m.word[2] == 102 && m.word[3] == 103);
    CHECK(s->rax == 0 && s->rdi == 77 && s->rdx == 5 && s->r10 == 6 && s->r8 == 7 &&
          s->r9 == 8);
    /* The child does not answer; then it is too late. */
    ERR(IPC_CALL, TIMEOUT, kt_call(badge, in_ms(8), 0, &m));
    s = kid_step(&c, 0, 3, FB_CALL_IPC_REPLY, 0, 0, 0);
    ERR(IPC_REPLY, STATE, kchild_result(s));
    s = kid_step(&c, 0, 4, FB_CALL_IPC_REPLY, in, FB_FOREVER, 0);
    ERR(IPC_REPLY, STATE, kchild_result(s));
    /* It gives the call up. */
    kid_step(&c, 0, 5, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    s = kid_step(&c, 0, 6, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    ERR(IPC_CALL, DEAD, kt_call(badge, FB_FOREVER, 0, &m));
    /* Events and time-outs while it waits after a reply. */
    kid_step(&c, 0, 7, FB_CALL_IPC_REPLY, in, in_ms(20), 1);
    OK(kt_call(badge, FB_FOREVER, 0, &m));
    ERR(IPC_REPLY, TIMEOUT, kchild_result(kchild_steps(&c, 0) + 7));
    kid_step(&c, 0, 8, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    s = kid_step(&c, 0, 9, FB_CALL_IPC_REPLY, in, FB_FOREVER, 1);
    OK(kt_call(badge, FB_FOREVER, 0, &m));
    OK(fb_signal(c.vcpu[0], 2, NULL));
    ERR(IPC_REPLY, EVENT, kchild_result(s));
    CHECK(s->rdx & 2);
    /* It ends. */
    kid_step(&c, 0, 10, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    kid_step(&c, 0, 11, FB_CALL_DOMAIN_EXIT, 0, 0, 0);
    ERR(IPC_CALL, DEAD, kt_call(badge, FB_FOREVER, 0, &m));
    ERR(IPC_CALL, BUSY, ipc_call(badge, FB_FOREVER, &m));
    OK(kchild_destroy(&c));
    OK(AGAIN(fb_cap_delete(badge, NULL)));
}

/* Two children call each other, in a chain of three; what the tester takes away ends it.
 */
static void
cancelled(void)
{
    static const char *const how[] = {
        "caller's capability", "callee's",         "endpoint", "memory",
        "callee's domain",     "middle's deletion"
    };
    struct kchild c, d;

    for (u32 way = 0; way < sizeof(how) / sizeof(how[0]); way++) {
        u64 f = frames(2, 2), mem = derive(MEM, FB_AUTH_ALL, f, f + 2), e, e2;
        OK(AGAIN(fb_endpoint_create(mem, f, &e)));
        OK(AGAIN(fb_endpoint_create(MEM, f + 1, &e2)));
        kid_start(&c, 1, 0);
        kid_start(&d, 2, 1);
        /* c calls d's vCPU 0 at e, which calls d's vCPU 1 at e2, which goes to sleep. */
        u64 out = derive(e, SEND, 0, ~0ull), in = derive(e, RECEIVE, 0, ~0ull);
        u64 in_d = grant(&d, in, RECEIVE, 0, ~0ull),
            out_d = grant(&d, e2, SEND, 3, 4);
        kid_step(&d, 0, 0, FB_CALL_IPC_RECEIVE, in_d, FB_FOREVER, 0);
        volatile struct kstep *inner =
            kid_step(&d, 0, 1, FB_CALL_IPC_CALL, out_d, FB_FOREVER, 0);
        volatile struct kstep *late = kid_step(&d, 0, 2, FB_CALL_IPC_REPLY, 0, 0, 0);
        kid_stop(&d, 0, 3);
        volatile struct kstep *deepest =
            kid_step(&d, 1, 0, FB_CALL_IPC_RECEIVE, grant(&d, e2, RECEIVE, 0, ~0ull),
                     FB_FOREVER, 0);
        kid_step(&d, 1, 1, FB_CALL_WAIT, FB_FOREVER, 0, 0);
        volatile struct kstep *answer = kid_step(&d, 1, 2, FB_CALL_IPC_REPLY, 0, 0, 7);
        kid_stop(&d, 1, 3);
        if (home == 0) { /* elsewhere their calls find nobody for a while */
            kt_await(e);
            kt_await(e2);
        }
        volatile struct kstep *first =
            kid_step(&c, 0, 0, FB_CALL_IPC_CALL, grant(&c, out, SEND, 0, ~0ull),
                     FB_FOREVER, 0);
        kid_stop(&c, 0, 1);
        CHECK(kchild_result(deepest) == 0 && deepest->rdi == 3 && !inner->done &&
              !first->done);
        switch (way) {
        case 0: OK(AGAIN(fb_cap_revoke(out, NULL))); break;
        case 1: OK(AGAIN(fb_cap_revoke(in, NULL))); break;
        case 2: OK(AGAIN(fb_endpoint_destroy(e, NULL))); break;
        case 3: OK(AGAIN(fb_cap_revoke(mem, NULL))); break;
        case 4: OK(kchild_destroy(&d)); break;
        default: OK(AGAIN(fb_cap_delete(in, NULL))); break; /* in_d is e's now */
        }
        if (way < 5) {
            ERR(IPC_CALL, DEAD, kchild_result(first));
        }
        if (way != 4) { /* the inner call goes on */
            CHECK(!inner->done);
            OK(fb_signal(d.vcpu[1], 4, NULL));
            OK(kchild_result(answer));
            CHECK(kchild_result(inner) == 0 && inner->rdx == 7);
            if (way < 5)
                ERR(IPC_REPLY, STATE, kchild_result(late));
            else
                CHECK(kchild_result(first) == 0 && kchild_result(late) == 0);
            OK(kchild_destroy(&d));
        }
        OK(kchild_destroy(&c));
        if (way < 2 || way > 3)
            OK(AGAIN(fb_endpoint_destroy(e, NULL)));
        OK(AGAIN(fb_endpoint_destroy(e2, NULL)));
        OK(AGAIN(fb_cap_delete(mem, NULL)));
        frames_back(f, 2);
        if (failures)
            print("# (after: %s)\r\n", how[way]);
    }
}

/* Capabilities go with messages, both ways. */
static void
passed(u64 e)
{
    struct ipc_message m;
    struct kchild c;
    struct fb_cb *mine = self()->cb;
    u64 a, b;

    kchild_clearance = FB_CLASS_USER | FB_ATOM_IPC;
    kid_start(&c, 1, 0);
    kchild_clearance = FB_CLASS_ROOT;
    u64 user = FB_AUTH(FB_CLASS_USER, FB_KIND_MEMORY_PHYS, 0xffff);
    u64 out = grant(&c, e, FB_AUTH(FB_ATOM_IPC, FB_KIND_IPC_SEND, 0xffff), 9, 10),
        in = grant(&c, e, FB_AUTH(FB_ATOM_IPC, FB_KIND_IPC_RECV, 0xffff), 0, ~0ull);
    a = derive(MEM, user, INFO->memory[0].lo, INFO->memory[0].lo + 8);
    b = derive(a, FB_AUTH_ALL & ~FB_AUTH(0, 0, FB_RIGHT_GRANT), 0, ~0ull);
    kid_step(&c, 0, 0, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    ipc_pass(mine, a, user, 0, ~0ull);
    ERR(IPC_CALL, FULL, kt_call(e, FB_FOREVER, 0, &m));
    ipc_take(kid_cb(&c, 0));
    ipc_pass(mine, NONAME, user, 0, ~0ull);
    ERR(IPC_CALL, NAME, kt_call(e, FB_FOREVER, 0, &m));
    ipc_pass(mine, b, user, 0, ~0ull);
    ERR(IPC_CALL, AUTHORITY, kt_call(e, FB_FOREVER, 0, &m));
    ipc_pass(mine, a, user, 0, 1);
    ERR(IPC_CALL, EMPTY, kt_call(e, FB_FOREVER, 0, &m));
    ipc_pass(mine, MEM, FB_AUTH_ALL, 0, ~0ull);
    ERR(IPC_CALL, CLEARANCE, kt_call(e, FB_FOREVER, 0, &m));
    u64 f = frames(1, 1), first, few = derive(MEM, user, f, f + 1);
    OK(AGAIN(fb_endpoint_create(few, f, &first)));
    ipc_pass(mine, first, 0, 0, 0);
    ERR(IPC_CALL, INUSE, kt_call(e, FB_FOREVER, 0, &m));
    CHECK(mine->ipc.pass == first);
    /* Granted: both have it.  The child answers, and calls. */
    kid_step(&c, 0, 1, FB_CALL_IPC_REPLY, 0, 0, 0);
    volatile struct kstep *s = kid_step(&c, 0, 2, FB_CALL_IPC_CALL, out, FB_FOREVER, 40);
    ipc_pass(mine, a, user, INFO->memory[0].lo + 1, ~0ull);
    OK(kt_call(e, FB_FOREVER, 0, &m));
    u64 got = ipc_got(kid_cb(&c, 0));
    CHECK(got != 0 && mine->ipc.pass == 0);
    OK(kt_receive(e, in_ms(PATIENCE), &m));
    CHECK(m.badge == 9 && m.word[0] == 40 && m.word[3] == 43);
    ipc_pass(mine, a, user, 0, ~0ull);
    ERR(IPC_REPLY, FULL, ipc_reply(&m));
    ipc_take(kid_cb(&c, 0));
    ipc_pass(mine, NONAME, user, 0, ~0ull);
    ERR(IPC_REPLY, NAME, ipc_reply(&m));
    ipc_pass(mine, b, user, 0, ~0ull);
    ERR(IPC_REPLY, AUTHORITY, ipc_reply(&m));
    ipc_pass(mine, a, user, 0, 1);
    ERR(IPC_REPLY, EMPTY, ipc_reply(&m));
    ipc_pass(mine, MEM, FB_AUTH_ALL, 0, ~0ull);
    ERR(IPC_REPLY, CLEARANCE, ipc_reply(&m));
    ipc_pass(mine, first, 0, 0, 0);
    ERR(IPC_REPLY, INUSE, ipc_reply(&m));
    /* Moved: what was below stays, and goes with what is above. */
    kid_step(&c, 0, 3, FB_CALL_CAP_INSPECT, 0, 0, 0);
    ipc_pass(mine, a, 0, 0, 0);
    OK(ipc_reply(&m));
    OK(kchild_result(s));
    u64 moved = ipc_got(kid_cb(&c, 0));
    CHECK(moved != 0 && moved != got);
    ERR(CAP_INSPECT, NAME, fb_cap_inspect(a, 0, NULL));
    (void)AGAIN(fb_cap_delete(a, NULL)); /* what is left to undo */
    OK(fb_cap_inspect(b, 0, NULL));
    s = kid_step(&c, 0, 4, FB_CALL_CAP_INSPECT, moved, 0, 0);
    OK(kchild_result(s));
    s = kid_step(&c, 0, 5, FB_CALL_CAP_INSPECT, got, 0, 0);
    OK(kchild_result(s));
    s = kid_step(&c, 0, 6, FB_CALL_CAP_REVOKE, moved, 0, 0);
    OK(kchild_result(s));
    ERR(CAP_INSPECT, NAME, fb_cap_inspect(b, 0, NULL));

    ERR(CAP_MOVE, NAME, fb_cap_move(NONAME, c.domain, &v));
    ERR(CAP_MOVE, NAME, fb_cap_move(MEM, NONAME, &v));
    ERR(CAP_MOVE, TYPE, fb_cap_move(few, MEM, &v));
    a = derive(MEM, user, INFO->memory[0].lo, INFO->memory[0].lo + 8);
    b = derive(a, FB_AUTH_ALL & ~FB_AUTH(0, 0, FB_RIGHT_GRANT), 0, ~0ull);
    ERR(CAP_MOVE, AUTHORITY, fb_cap_move(b, c.domain, &v));
    ERR(CAP_MOVE, INUSE, AGAIN_BUSY(fb_cap_move(first, c.domain, &v)));
    ERR(CAP_MOVE, CLEARANCE,
        fb_cap_move(derive(MEM, FB_AUTH_ALL, 0, ~0ull), c.domain, &v));
    OK(AGAIN_BUSY(fb_cap_move(a, c.domain, &v)));
    ERR(CAP_INSPECT, NAME, fb_cap_inspect(a, 0, NULL));
    (void)AGAIN(fb_cap_delete(a, NULL));
    for (u32 n = 0; n < 40; n++)
        (void)AGAIN(fb_cap_grant(few, c.domain, user, 0, ~0ull, &v));
    a = derive(few, user, 0, ~0ull);
    ERR(CAP_MOVE, FULL, AGAIN(fb_cap_move(a, c.domain, &v)));
    kid_step(&c, 0, 7, FB_CALL_DOMAIN_EXIT, 0, 0, 0);
    long error;
    u64 end = in_ms(PATIENCE);
    do
        error = fb_cap_move(a, c.domain, &v);
    while (error != -FB_E_DEAD && now() < end);
    ERR(CAP_MOVE, DEAD, error);
    OK(kchild_destroy(&c));
    OK(AGAIN(fb_cap_revoke(MEM, NULL))); /* the endpoint made of `few` goes with it */
    ERR(ENDPOINT_DESTROY, NAME, fb_endpoint_destroy(first, NULL));
    frames_back(f, 1);
}

void
test_ipc(void)
{
    u64 f = frames(1, 1), e = kt_endpoint(f);

    alone(e, f);
    outwards(e);
    cancelled();
    ipc_ended();
    ipc_woken(e);
    ipc_given_away(e);
    ipc_in_whose_time(e);
    if (INFO->ncpus > 1) {
        home = INFO->cpu[INFO->ncpus - 1];
        cancelled();
        ipc_across();
        home = 0;
    }
    OK(AGAIN(fb_endpoint_destroy(e, NULL)));
    frames_back(f, 1);
    f = frames(1, 1);
    e = kt_endpoint(f);
    passed(e);
    frames_back(f, 1); /* it went with everything below MEM */
}

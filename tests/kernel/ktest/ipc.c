/* SPDX-License-Identifier: MIT */
/* Endpoints: calls between the tester and child domains, with each documented error. */
#include "tests/kernel/ktest/ktest.h"

#include <sdk/ipc.h>

#define ALL_BUT(right) (FB_AUTH_ALL & ~FB_AUTH(0, 0, FB_RIGHT_##right))
#define SEND           FB_AUTH(FB_CLASS_ROOT, FB_KIND_IPC_SEND, 0xffff)
#define RECEIVE        FB_AUTH(FB_CLASS_ROOT, FB_KIND_IPC_RECV, 0xffff)
#define NONAME         0x1234567ull
#define CPU0           ((const u64[]){ 0, 0 })

static u64 v;
static u64 home; /* the CPU of the children that are started */

static u64
now(void)
{
    return __builtin_ia32_rdtsc();
}
static u64
in_ms(u64 ms)
{
    return now() + RECORD->tsc_hz / 1000 * ms;
}

static u64
grant(const struct kchild *c, u64 from, u64 auth, u64 lo, u64 hi)
{
    u64 name = 0;
    OK(AGAIN(fb_cap_grant(from, c->domain, auth, lo, hi, &name)));
    return name;
}

static u64
endpoint(u64 frame)
{
    u64 name = 0;
    OK(AGAIN(fb_endpoint_create(MEM, frame, &name)));
    return name;
}

/* ---- costs ---- */

#define N 1000u

void
bench_ipc(void)
{
    struct ipc_message m = { { 0 }, 0 };
    struct kchild c;
    u64 f = frames(1, 1), e = endpoint(f);

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

static volatile struct kstep *
step(const struct kchild *c, u32 i, u32 n, u64 call, u64 a0, u64 a1, u64 m0)
{
    volatile struct kstep *s = kchild_steps(c, i) + n;

    s->arg[0] = a0;
    s->arg[1] = a1;
    s->arg[2] = m0;
    s->arg[3] = m0 + 1;
    s->arg[4] = m0 + 2;
    s->arg[5] = m0 + 3;
    s->done = 0;
    __atomic_store_n(&s->call, call, __ATOMIC_RELEASE);
    return s;
}
static void
stop(const struct kchild *c, u32 i, u32 n)
{
    step(c, i, n, FB_CALL_WAIT, FB_FOREVER, 0, 0);
}
/* What the step returned; -1 if it is not done in twenty seconds. */
static long
result(volatile struct kstep *s)
{
    for (u64 end = in_ms(20000); now() < end && !__atomic_load_n(&s->done, __ATOMIC_ACQUIRE);)
        fb_wait(in_ms(1), NULL);
    return s->done ? (long)s->rax : -1;
}
static struct fb_cb *
cb_of(const struct kchild *c, u32 i)
{
    return (struct fb_cb *)((u64)c->count[i] - 0x40);
}
/* Call as soon as somebody is there. */
static long
call(u64 e, u64 deadline, u64 m0, struct ipc_message *m)
{
    long error = -FB_E_BUSY;

    for (u32 i = 0; error == -FB_E_BUSY && i < 1000; i++) {
        *m = (struct ipc_message){ { m0, m0 + 1, m0 + 2, m0 + 3 }, 0 };
        error = ipc_call(e, deadline, m);
        if (error == -FB_E_BUSY)
            fb_wait(in_ms(1), NULL);
    }
    return error;
}
/* Until somebody waits there: a call that passes what is not taken enters nobody. */
static void
await(u64 e)
{
    struct ipc_message m;

    ipc_pass(self()->cb, NONAME, FB_AUTH_ALL, 0, ~0ull);
    CHECK(call(e, FB_FOREVER, 0, &m) == -FB_E_FULL);
    self()->cb->ipc.pass = 0;
}
/* The end of a slice is not what the tests look for. */
static long
receive(u64 e, u64 deadline, struct ipc_message *m)
{
    long error;

    do
        error = ipc_receive(e, deadline, m);
    while (error == -FB_E_EVENT && m->word[0] == 1ull << FB_EVENT_SLICE);
    return error;
}
static u64
derive(u64 from, u64 auth, u64 lo, u64 hi)
{
    u64 name = 0;
    OK(AGAIN(fb_cap_derive(from, auth, lo, hi, &name)));
    return name;
}
static void
start(struct kchild *c, u32 nvcpus, u32 at)
{
    kchild_at = at;
    OK(kchild_make(c, nvcpus, (const u64[]){ home, home }));
    kchild_at = 0;
    for (u32 i = 0; i < nvcpus; i++)
        OK(kchild_start(c, i, child_script, NULL));
}

/* Without anybody else. */
static void
alone(u64 e, u64 f)
{
    struct ipc_message m = { { 0 }, 0 };
    u64 port = INFO->cap_com[1].ports, out = derive(e, SEND, 0, ~0ull),
        in = derive(e, RECEIVE, 0, ~0ull),
        none = derive(MEM, FB_AUTH(FB_CLASS_ROOT, FB_KIND_MEMORY_PHYS, FB_RIGHT_READ), 0,
                      ~0ull),
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
    ERR(IPC_RECEIVE, TIMEOUT, receive(in, in_ms(2), &m));
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

    start(&c, 1, 0);
    u64 in = grant(&c, e, RECEIVE, 0, ~0ull);
    /* BUSY, and an event when somebody is there. */
    ipc_notify(self()->cb, 9);
    ERR(IPC_CALL, BUSY, ipc_call(badge, FB_FOREVER, &(struct ipc_message){ { 0 }, 0 }));
    self()->cb->ipc.notify = 0;
    s = step(&c, 0, 0, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    do
        fb_wait(in_ms(1000), &events);
    while (events == 1ull << FB_EVENT_SLICE);
    CHECK(events & 1u << 9);
    /* A message each way, and the badge. */
    step(&c, 0, 1, FB_CALL_IPC_REPLY, 0, 0, 100);
    step(&c, 0, 2, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    OK(call(badge, FB_FOREVER, 5, &m));
    CHECK(m.word[0] == 100 && m.word[1] == 101 && m.word[2] == 102 && m.word[3] == 103);
    CHECK(s->rax == 0 && s->rdi == 77 && s->rdx == 5 && s->r10 == 6 && s->r8 == 7 &&
          s->r9 == 8);
    /* The child does not answer; then it is too late. */
    ERR(IPC_CALL, TIMEOUT, call(badge, in_ms(8), 0, &m));
    s = step(&c, 0, 3, FB_CALL_IPC_REPLY, 0, 0, 0);
    ERR(IPC_REPLY, STATE, result(s));
    s = step(&c, 0, 4, FB_CALL_IPC_REPLY, in, FB_FOREVER, 0);
    ERR(IPC_REPLY, STATE, result(s));
    /* It gives the call up. */
    step(&c, 0, 5, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    s = step(&c, 0, 6, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    ERR(IPC_CALL, DEAD, call(badge, FB_FOREVER, 0, &m));
    /* Events and time-outs while it waits after a reply. */
    step(&c, 0, 7, FB_CALL_IPC_REPLY, in, in_ms(20), 1);
    OK(call(badge, FB_FOREVER, 0, &m));
    ERR(IPC_REPLY, TIMEOUT, result(kchild_steps(&c, 0) + 7));
    step(&c, 0, 8, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    s = step(&c, 0, 9, FB_CALL_IPC_REPLY, in, FB_FOREVER, 1);
    OK(call(badge, FB_FOREVER, 0, &m));
    OK(fb_signal(c.vcpu[0], 2, NULL));
    ERR(IPC_REPLY, EVENT, result(s));
    CHECK(s->rdx & 2);
    /* It ends. */
    step(&c, 0, 10, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    step(&c, 0, 11, FB_CALL_DOMAIN_EXIT, 0, 0, 0);
    ERR(IPC_CALL, DEAD, call(badge, FB_FOREVER, 0, &m));
    ERR(IPC_CALL, BUSY, ipc_call(badge, FB_FOREVER, &m));
    OK(kchild_destroy(&c));
    OK(AGAIN(fb_cap_delete(badge, NULL)));
}

/* Two children call each other, in a chain of three; what the tester takes away ends it. */
static void
cancelled(void)
{
    static const char *const how[] = { "caller's capability", "callee's", "endpoint",
                                       "memory", "callee's domain", "middle's deletion" };
    struct kchild c, d;

    for (u32 way = 0; way < sizeof(how) / sizeof(how[0]); way++) {
        u64 f = frames(2, 2), mem = derive(MEM, FB_AUTH_ALL, f, f + 2), e, e2;
        OK(AGAIN(fb_endpoint_create(mem, f, &e)));
        OK(AGAIN(fb_endpoint_create(MEM, f + 1, &e2)));
        start(&c, 1, 0);
        start(&d, 2, 1);
        /* c calls d's vCPU 0 at e, which calls d's vCPU 1 at e2, which goes to sleep. */
        u64 out = derive(e, SEND, 0, ~0ull), in = derive(e, RECEIVE, 0, ~0ull);
        u64 in_d = grant(&d, in, RECEIVE, 0, ~0ull), out_d = grant(&d, e2, SEND, 3, 4);
        step(&d, 0, 0, FB_CALL_IPC_RECEIVE, in_d, FB_FOREVER, 0);
        volatile struct kstep *inner =
            step(&d, 0, 1, FB_CALL_IPC_CALL, out_d, FB_FOREVER, 0);
        volatile struct kstep *late = step(&d, 0, 2, FB_CALL_IPC_REPLY, 0, 0, 0);
        stop(&d, 0, 3);
        volatile struct kstep *deepest = step(
            &d, 1, 0, FB_CALL_IPC_RECEIVE, grant(&d, e2, RECEIVE, 0, ~0ull), FB_FOREVER, 0);
        step(&d, 1, 1, FB_CALL_WAIT, FB_FOREVER, 0, 0);
        volatile struct kstep *answer = step(&d, 1, 2, FB_CALL_IPC_REPLY, 0, 0, 7);
        stop(&d, 1, 3);
        if (home == 0) { /* elsewhere their calls find nobody for a while */
            await(e);
            await(e2);
        }
        volatile struct kstep *first =
            step(&c, 0, 0, FB_CALL_IPC_CALL, grant(&c, out, SEND, 0, ~0ull), FB_FOREVER, 0);
        stop(&c, 0, 1);
        CHECK(result(deepest) == 0 && deepest->rdi == 3 && !inner->done && !first->done);
        switch (way) {
        case 0: OK(AGAIN(fb_cap_revoke(out, NULL))); break;
        case 1: OK(AGAIN(fb_cap_revoke(in, NULL))); break;
        case 2: OK(AGAIN(fb_endpoint_destroy(e, NULL))); break;
        case 3: OK(AGAIN(fb_cap_revoke(mem, NULL))); break;
        case 4: OK(kchild_destroy(&d)); break;
        default: OK(AGAIN(fb_cap_delete(in, NULL))); break; /* in_d is e's now */
        }
        if (way < 5) {
            ERR(IPC_CALL, DEAD, result(first));
        }
        if (way != 4) { /* the inner call goes on */
            CHECK(!inner->done);
            OK(fb_signal(d.vcpu[1], 4, NULL));
            OK(result(answer));
            CHECK(result(inner) == 0 && inner->rdx == 7);
            if (way < 5)
                ERR(IPC_REPLY, STATE, result(late));
            else
                CHECK(result(first) == 0 && result(late) == 0);
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
    start(&c, 1, 0);
    kchild_clearance = FB_CLASS_ROOT;
    u64 user = FB_AUTH(FB_CLASS_USER, FB_KIND_MEMORY_PHYS, 0xffff);
    u64 out = grant(&c, e, FB_AUTH(FB_ATOM_IPC, FB_KIND_IPC_SEND, 0xffff), 9, 10),
        in = grant(&c, e, FB_AUTH(FB_ATOM_IPC, FB_KIND_IPC_RECV, 0xffff), 0, ~0ull);
    a = derive(MEM, user, INFO->memory[0].lo, INFO->memory[0].lo + 8);
    b = derive(a, FB_AUTH_ALL & ~FB_AUTH(0, 0, FB_RIGHT_GRANT), 0, ~0ull);
    step(&c, 0, 0, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    ipc_pass(mine, a, user, 0, ~0ull);
    ERR(IPC_CALL, FULL, call(e, FB_FOREVER, 0, &m));
    ipc_take(cb_of(&c, 0));
    ipc_pass(mine, NONAME, user, 0, ~0ull);
    ERR(IPC_CALL, NAME, call(e, FB_FOREVER, 0, &m));
    ipc_pass(mine, b, user, 0, ~0ull);
    ERR(IPC_CALL, AUTHORITY, call(e, FB_FOREVER, 0, &m));
    ipc_pass(mine, a, user, 0, 1);
    ERR(IPC_CALL, EMPTY, call(e, FB_FOREVER, 0, &m));
    ipc_pass(mine, MEM, FB_AUTH_ALL, 0, ~0ull);
    ERR(IPC_CALL, CLEARANCE, call(e, FB_FOREVER, 0, &m));
    u64 f = frames(1, 1), first, few = derive(MEM, user, f, f + 1);
    OK(AGAIN(fb_endpoint_create(few, f, &first)));
    ipc_pass(mine, first, 0, 0, 0);
    ERR(IPC_CALL, INUSE, call(e, FB_FOREVER, 0, &m));
    CHECK(mine->ipc.pass == first);
    /* Granted: both have it.  The child answers, and calls. */
    step(&c, 0, 1, FB_CALL_IPC_REPLY, 0, 0, 0);
    volatile struct kstep *s = step(&c, 0, 2, FB_CALL_IPC_CALL, out, FB_FOREVER, 40);
    ipc_pass(mine, a, user, INFO->memory[0].lo + 1, ~0ull);
    OK(call(e, FB_FOREVER, 0, &m));
    u64 got = ipc_got(cb_of(&c, 0));
    CHECK(got != 0 && mine->ipc.pass == 0);
    OK(receive(e, in_ms(1000), &m));
    CHECK(m.badge == 9 && m.word[0] == 40 && m.word[3] == 43);
    ipc_pass(mine, a, user, 0, ~0ull);
    ERR(IPC_REPLY, FULL, ipc_reply(&m));
    ipc_take(cb_of(&c, 0));
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
    step(&c, 0, 3, FB_CALL_CAP_INSPECT, 0, 0, 0);
    ipc_pass(mine, a, 0, 0, 0);
    OK(ipc_reply(&m));
    OK(result(s));
    u64 moved = ipc_got(cb_of(&c, 0));
    CHECK(moved != 0 && moved != got);
    ERR(CAP_INSPECT, NAME, fb_cap_inspect(a, 0, NULL));
    (void)AGAIN(fb_cap_delete(a, NULL)); /* what is left to undo */
    OK(fb_cap_inspect(b, 0, NULL));
    s = step(&c, 0, 4, FB_CALL_CAP_INSPECT, moved, 0, 0);
    OK(result(s));
    s = step(&c, 0, 5, FB_CALL_CAP_INSPECT, got, 0, 0);
    OK(result(s));
    s = step(&c, 0, 6, FB_CALL_CAP_REVOKE, moved, 0, 0);
    OK(result(s));
    ERR(CAP_INSPECT, NAME, fb_cap_inspect(b, 0, NULL));

    ERR(CAP_MOVE, NAME, fb_cap_move(NONAME, c.domain, &v));
    ERR(CAP_MOVE, NAME, fb_cap_move(MEM, NONAME, &v));
    ERR(CAP_MOVE, TYPE, fb_cap_move(few, MEM, &v));
    a = derive(MEM, user, INFO->memory[0].lo, INFO->memory[0].lo + 8);
    b = derive(a, FB_AUTH_ALL & ~FB_AUTH(0, 0, FB_RIGHT_GRANT), 0, ~0ull);
    ERR(CAP_MOVE, AUTHORITY, fb_cap_move(b, c.domain, &v));
    ERR(CAP_MOVE, INUSE, AGAIN_BUSY(fb_cap_move(first, c.domain, &v)));
    ERR(CAP_MOVE, CLEARANCE, fb_cap_move(derive(MEM, FB_AUTH_ALL, 0, ~0ull), c.domain, &v));
    OK(AGAIN_BUSY(fb_cap_move(a, c.domain, &v)));
    ERR(CAP_INSPECT, NAME, fb_cap_inspect(a, 0, NULL));
    (void)AGAIN(fb_cap_delete(a, NULL));
    for (u32 n = 0; n < 40; n++)
        (void)AGAIN(fb_cap_grant(few, c.domain, user, 0, ~0ull, &v));
    a = derive(few, user, 0, ~0ull);
    ERR(CAP_MOVE, FULL, AGAIN(fb_cap_move(a, c.domain, &v)));
    step(&c, 0, 7, FB_CALL_DOMAIN_EXIT, 0, 0, 0);
    long error;
    u64 end = in_ms(20000);
    do
        error = fb_cap_move(a, c.domain, &v);
    while (error != -FB_E_DEAD && now() < end);
    ERR(CAP_MOVE, DEAD, error);
    OK(kchild_destroy(&c));
    OK(AGAIN(fb_cap_revoke(MEM, NULL))); /* the endpoint made of `few` goes with it */
    ERR(ENDPOINT_DESTROY, NAME, fb_endpoint_destroy(first, NULL));
    frames_back(f, 1);
}

/* A receiver whose capability goes; an endpoint that a domain had made ends with it. */
static void
ended(void)
{
    struct kchild c, d;
    u64 f = frames(2, 2), e = endpoint(f), in = derive(e, RECEIVE, 0, ~0ull), made;

    start(&c, 1, 0);
    start(&d, 1, 1);
    volatile struct kstep *s = step(&c, 0, 0, FB_CALL_IPC_RECEIVE,
                                    grant(&c, in, RECEIVE, 0, ~0ull), FB_FOREVER, 0);
    await(e);
    OK(AGAIN(fb_cap_revoke(in, NULL)));
    ERR(IPC_RECEIVE, DEAD, result(s));
    /* After a reply: c replies to the tester, and its capability goes. */
    u64 again = grant(&c, in, RECEIVE, 0, ~0ull);
    struct ipc_message m;
    step(&c, 0, 1, FB_CALL_IPC_RECEIVE, again, FB_FOREVER, 0);
    s = step(&c, 0, 2, FB_CALL_IPC_REPLY, again, FB_FOREVER, 0);
    OK(call(e, FB_FOREVER, 0, &m));
    await(e);
    OK(AGAIN(fb_cap_revoke(in, NULL)));
    ERR(IPC_REPLY, DEAD, result(s));
    /* c makes an endpoint of memory it was granted; d waits there; c ends. */
    u64 mem = grant(&c, MEM, FB_AUTH_ALL, f + 1, f + 2);
    s = step(&c, 0, 3, FB_CALL_ENDPOINT_CREATE, mem, f + 1, 0);
    OK(result(s));
    made = s->rdx;
    s = step(&c, 0, 4, FB_CALL_CAP_GRANT, made, grant(&c, d.domain, FB_AUTH_ALL, 0, 1),
             FB_AUTH_ALL);
    s->arg[3] = 0;
    s->arg[4] = ~0ull;
    OK(result(s));
    volatile struct kstep *t =
        step(&d, 0, 0, FB_CALL_IPC_RECEIVE, s->rdx, FB_FOREVER, 0);
    fb_wait(in_ms(100), NULL);
    CHECK(!t->done);
    OK(kchild_destroy(&c));
    ERR(IPC_RECEIVE, DEAD, result(t));
    CHECK(FB_FRAME_TYPE(FRAME_RECORD(f + 1)->word) == FB_FRAME_DATA);
    OK(kchild_destroy(&d));
    OK(AGAIN(fb_cap_delete(in, NULL)));
    OK(AGAIN(fb_endpoint_destroy(e, NULL)));
    frames_back(f, 2);
}

/* A wake-up without a reason: a capability goes through which the vCPU has met others. */
static void
woken(u64 e)
{
    struct ipc_message m = { { 0 }, 0 };
    struct kchild c;
    u64 f = frames(1, 1), other = endpoint(f), out = derive(e, SEND, 0, ~0ull);

    start(&c, 2, 0);
    u64 in = grant(&c, other, RECEIVE, 0, ~0ull);
    volatile struct kstep *s =
        step(&c, 0, 0, FB_CALL_IPC_CALL, grant(&c, out, SEND, 0, ~0ull), FB_FOREVER, 0);
    step(&c, 0, 1, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    OK(receive(e, in_ms(1000), &m));
    OK(ipc_reply(&m));
    OK(result(s));
    await(other);
    OK(AGAIN(fb_cap_revoke(out, NULL))); /* the child's too: it has called through it */
    step(&c, 0, 2, FB_CALL_IPC_REPLY, 0, 0, 0);
    OK(ipc_call(other, FB_FOREVER, &m));
    /* vCPU 0 had waited through what goes while it calls vCPU 1. */
    u64 gone = grant(&c, e, RECEIVE, 0, ~0ull);
    step(&c, 1, 0, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    step(&c, 1, 1, FB_CALL_CAP_DELETE, gone, 0, 0);
    volatile struct kstep *t = step(&c, 1, 2, FB_CALL_IPC_REPLY, 0, 0, 7);
    stop(&c, 1, 3);
    await(other);
    step(&c, 0, 3, FB_CALL_IPC_RECEIVE, gone, in_ms(1), 0);
    s = step(&c, 0, 4, FB_CALL_IPC_CALL, grant(&c, other, SEND, 0, ~0ull), FB_FOREVER, 0);
    CHECK(result(s) == 0 && s->rdx == 7 && result(t) == 0);
    OK(kchild_destroy(&c));
    OK(AGAIN(fb_cap_delete(out, NULL)));
    OK(AGAIN(fb_endpoint_destroy(other, NULL)));
    frames_back(f, 1);
}

/* The capability through which two meet is itself what is moved; an endpoint ends for which
 * somebody has left a note. */
static void
given_away(u64 e)
{
    struct ipc_message m = { { 0 }, 0 };
    struct kchild c;
    u64 f = frames(1, 1), other = endpoint(f), events;

    start(&c, 1, 0);
    u64 out = grant(&c, e, SEND, 5, 6), in = grant(&c, e, RECEIVE, 0, ~0ull);
    ipc_pass(cb_of(&c, 0), out, 0, 0, 0);
    ipc_take(self()->cb);
    volatile struct kstep *s = step(&c, 0, 0, FB_CALL_IPC_CALL, out, FB_FOREVER, 0);
    OK(receive(e, in_ms(1000), &m));
    CHECK(m.badge == 5);
    u64 got = ipc_got(self()->cb);
    ERR(IPC_CALL, DEAD, result(s));
    OK(AGAIN(fb_cap_delete(got, NULL)));
    step(&c, 0, 1, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    s = step(&c, 0, 2, FB_CALL_IPC_REPLY, in, FB_FOREVER, 9);
    ipc_pass(cb_of(&c, 0), in, 0, 0, 0);
    ipc_take(self()->cb);
    OK(call(e, FB_FOREVER, 0, &m));
    CHECK(m.word[0] == 9);
    got = ipc_got(self()->cb);
    CHECK(got != 0);
    ERR(IPC_REPLY, DEAD, result(s));
    OK(AGAIN(fb_cap_delete(got, NULL)));
    OK(kchild_destroy(&c));

    ipc_notify(self()->cb, 9);
    ERR(IPC_CALL, BUSY, ipc_call(other, FB_FOREVER, &m));
    self()->cb->ipc.notify = 0;
    OK(AGAIN(fb_endpoint_destroy(other, NULL)));
    u64 end = in_ms(1000);
    do
        fb_wait(end, &events);
    while (events != 0 && !(events & 1u << 9));
    CHECK(events & 1u << 9);
    frames_back(f, 1);
}

/* The same of a vCPU of the children's CPU: a step of vCPU i of c, which may send to e. */
static void
await_there(const struct kchild *c, u32 i, u32 n, u64 out)
{
    ipc_pass(cb_of(c, i), NONAME, FB_AUTH_ALL, 0, ~0ull);
    ERR(IPC_CALL, FULL, result(step(c, i, n, FB_CALL_IPC_CALL, out, FB_FOREVER, 0)));
    cb_of(c, i)->ipc.pass = 0;
}

/* Two meet on a CPU that is not the tester's; vCPU 1 of c only looks who waits. */
static void
across(void)
{
    struct ipc_message m = { { 0 }, 0 };
    struct kchild c, d;
    u64 f = frames(2, 2), e = endpoint(f), other = endpoint(f + 1), in, events;

    in = derive(e, RECEIVE, 0, ~0ull);
    start(&c, 2, 0);
    u64 in_c = grant(&c, in, RECEIVE, 0, ~0ull), out_c = grant(&c, e, SEND, 0, ~0ull);
    /* Who waits there is nobody here, and no reason for an event; who comes here is. */
    volatile struct kstep *s = step(&c, 0, 0, FB_CALL_IPC_RECEIVE, in_c, FB_FOREVER, 0);
    await_there(&c, 1, 0, out_c);
    ipc_notify(self()->cb, 9);
    ERR(IPC_CALL, BUSY, ipc_call(e, FB_FOREVER, &m));
    self()->cb->ipc.notify = 0;
    fb_wait(in_ms(1), &events);
    CHECK(!(events & 1u << 9));
    u64 there = home;
    home = 0;
    start(&d, 1, 1);
    home = there;
    step(&d, 0, 0, FB_CALL_IPC_RECEIVE, grant(&d, e, RECEIVE, 0, ~0ull), FB_FOREVER, 0);
    u64 end = in_ms(20000);
    do
        fb_wait(end, &events);
    while (events != 0 && !(events & 1u << 9));
    CHECK(events & 1u << 9);
    OK(kchild_destroy(&d));
    /* What is taken away from here ends a receive there. */
    CHECK(!s->done);
    OK(AGAIN(fb_cap_revoke(in, NULL)));
    ERR(IPC_RECEIVE, DEAD, result(s));
    in_c = grant(&c, other, RECEIVE, 0, ~0ull);
    s = step(&c, 0, 1, FB_CALL_IPC_RECEIVE, in_c, FB_FOREVER, 0);
    await_there(&c, 1, 1, grant(&c, other, SEND, 0, ~0ull));
    CHECK(!s->done);
    OK(AGAIN(fb_endpoint_destroy(other, NULL)));
    ERR(IPC_RECEIVE, DEAD, result(s));
    /* A reply, and another one; then one to a caller that is no more. */
    start(&d, 1, 1);
    u64 out_d = grant(&d, e, SEND, 0, ~0ull);
    in_c = grant(&c, in, RECEIVE, 0, ~0ull);
    step(&c, 0, 2, FB_CALL_IPC_RECEIVE, in_c, FB_FOREVER, 0);
    step(&c, 0, 3, FB_CALL_IPC_REPLY, 0, 0, 7);
    s = step(&c, 0, 4, FB_CALL_IPC_REPLY, 0, 0, 8);
    volatile struct kstep *t = step(&d, 0, 0, FB_CALL_IPC_CALL, out_d, FB_FOREVER, 0);
    CHECK(result(t) == 0 && t->rdx == 7);
    ERR(IPC_REPLY, STATE, result(s));
    CHECK(kchild_steps(&c, 0)[3].rax == 0);
    s = step(&c, 0, 5, FB_CALL_IPC_RECEIVE, in_c, FB_FOREVER, 0);
    t = step(&d, 0, 1, FB_CALL_IPC_CALL, out_d, FB_FOREVER, 0);
    CHECK(result(s) == 0 && !t->done);
    OK(kchild_destroy(&d));
    s = step(&c, 0, 6, FB_CALL_IPC_REPLY, 0, 0, 0);
    ERR(IPC_REPLY, STATE, result(s));
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

/* Whose time it is when one of the two does not mean well: c calls d. */
static void
in_whose_time(u64 e)
{
    struct kchild c, d;
    u64 ms = RECORD->tsc_hz / 1000;

    /* d has no time and spins in c's: c's deadline comes in c's own slice. */
    start(&c, 1, 0);
    start(&d, 1, 1);
    step(&d, 0, 0, FB_CALL_IPC_RECEIVE, grant(&d, e, RECEIVE, 0, ~0ull), FB_FOREVER, 0);
    step(&c, 0, 0, FB_CALL_WAIT, FB_FOREVER, 0, 0);
    await(e);
    slice(&d, 0);
    u64 t0 = now();
    volatile struct kstep *s =
        step(&c, 0, 1, FB_CALL_IPC_CALL, grant(&c, e, SEND, 0, ~0ull), t0 + 40 * ms, 0);
    stop(&c, 0, 2);
    slice(&c, 500);
    OK(fb_signal(c.vcpu[0], 2, NULL));
    ERR(IPC_CALL, TIMEOUT, result(s));
    CHECK(now() - t0 < 250 * ms);
    OK(kchild_destroy(&c));
    OK(kchild_destroy(&d));

    /* d replies in time of its own, and is woken by c, which spins. */
    start(&c, 1, 0);
    start(&d, 1, 1);
    u64 in = grant(&d, e, RECEIVE, 0, ~0ull), to = 0;
    OK(AGAIN(fb_cap_grant(d.vcpu[0], c.domain, FB_AUTH_ALL, 0, 64, &to)));
    step(&d, 0, 0, FB_CALL_IPC_RECEIVE, in, FB_FOREVER, 0);
    step(&c, 0, 0, FB_CALL_WAIT, FB_FOREVER, 0, 0);
    await(e);
    slice(&d, 500);
    step(&d, 0, 1, FB_CALL_WAIT, now() + 60 * ms, 0, 0);
    s = step(&d, 0, 2, FB_CALL_IPC_REPLY, in, FB_FOREVER, 0);
    step(&c, 0, 1, FB_CALL_IPC_CALL, grant(&c, e, SEND, 0, ~0ull), FB_FOREVER, 0);
    step(&c, 0, 2, FB_CALL_SIGNAL, to, 2, 0);
    u64 before = ticks_of(&c);
    OK(fb_signal(c.vcpu[0], 2, NULL));
    ERR(IPC_REPLY, EVENT, result(s));
    CHECK(ticks_of(&c) - before < 200 * ms);
    OK(kchild_destroy(&c));
    OK(kchild_destroy(&d));
}

void
test_ipc(void)
{
    u64 f = frames(1, 1), e = endpoint(f);

    alone(e, f);
    outwards(e);
    cancelled();
    ended();
    woken(e);
    given_away(e);
    in_whose_time(e);
    if (INFO->ncpus > 1) {
        home = INFO->cpu[INFO->ncpus - 1];
        cancelled();
        across();
        home = 0;
    }
    OK(AGAIN(fb_endpoint_destroy(e, NULL)));
    frames_back(f, 1);
    f = frames(1, 1);
    e = endpoint(f);
    passed(e);
    frames_back(f, 1); /* it went with everything below MEM */
}

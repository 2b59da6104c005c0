/* SPDX-License-Identifier: MIT */
/*
 * The part of the matrix that would end, or leave, the tester: gate_return, resume,
 * domain_exit and ipc_reply, each in a child domain of its own.  What comes of a cell is an
 * error that the call's page documents, or that the child ends by what it did itself; who
 * has called it gets an answer or an error, and its frames come back.
 */
#include "tests/kernel/enemies/enemies.h"

#include <sdk/ipc.h>

static const u64 numbers[] = { 0,          1,          2,          3,
                               4,          63,         64,         511,
                               1ull << 31, 1ull << 32, 1ull << 63, ~0ull,
                               FB_USER_TOP, FB_WINDOW_BASE };
#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static u64 cells, errors, ends;

/* The child has ended: 1; has answered with an error that is documented: 0. */
static bool
outcome(u32 call, struct kchild *c, volatile struct kstep *s)
{
    for (u64 end = in_ms(PATIENCE); !s->done && is_alive(c) && now() < end;)
        fb_wait(now() + RECORD->tsc_hz / 5000, NULL);
    bool ended = !is_alive(c);

    cells++;
    ends += ended;
    errors += !ended;
    CHECK(ended || (s->done && (s->rax == 0 || is_documented(call, (long)s->rax))));
    return ended;
}

static const struct fb_domain_status *
end_of(const struct kchild *c)
{
    OK(fb_domain_status(c->domain, 0, NULL));
    return (const void *)BUFFER;
}

static void
exits(void)
{
    struct kchild c;

    for (u32 i = 0; i < NUMBERS; i++) {
        script(&c, 0, INFO->cpu[0]);
        CHECK(outcome(FB_CALL_DOMAIN_EXIT, &c,
                      step(&c, 0, FB_CALL_DOMAIN_EXIT, numbers[i], 0, 0, 0, 0)));
        CHECK(end_of(&c)->cause == FB_END_EXIT && end_of(&c)->code == numbers[i]);
        OK(kchild_destroy(&c));
    }
}

/* An area is 0 to 2; what is in it is as bad as can be. */
static void
resumes(void)
{
    struct kchild c;

    for (u32 i = 0; i < NUMBERS; i++)
        for (u32 k = 0; k < NUMBERS; k++) {
            script(&c, 0, INFO->cpu[0]);
            struct fb_save_area *area = ((struct fb_cb *)((u64)c.count[0] - 0x40))->save;
            if (numbers[i] < FB_SAVES) {
                struct fb_regs *r = &area[numbers[i]].regs;
                r->rip = r->rsp = r->cs = r->ss = numbers[k];
                r->rflags = ~numbers[k];
                area[numbers[i]].mask = numbers[k];
            } else if (k > 0) {
                OK(kchild_destroy(&c));
                break;
            }
            /* The steps are behind the areas: the first is in none of them. */
            bool ended = outcome(FB_CALL_RESUME, &c,
                                 step(&c, 0, FB_CALL_RESUME, numbers[i], 0, 0, 0, 0));
            CHECK(ended == (numbers[i] < FB_SAVES));
            OK(kchild_destroy(&c));
        }
}

static void
returns(void)
{
    struct kchild c;

    for (u32 i = 0; i < NUMBERS; i++)
        for (u32 k = 0; k < 3; k++) {
            kchild_at = 0;
            OK(child_make(&c, INFO->cpu[0]));
            struct fb_cb *cb = (struct fb_cb *)((u64)c.count[0] - 0x40);
            *(k == 0 ? &cb->user_rip : k == 1 ? &cb->user_rsp : &cb->user_rflags) =
                numbers[i];
            OK(kchild_start(&c, 0, child_return, NULL));
            /* There is nothing mapped in the user view, and no entry for the fault. */
            CHECK(outcome(FB_CALL_GATE_RETURN, &c, kchild_steps(&c, 0)));
            CHECK(end_of(&c)->cause == FB_END_NO_ENTRY && end_of(&c)->regs.cs == 0x23);
            OK(kchild_destroy(&c));
        }
}

/* ---- replies ---- */

static volatile u64 race_stop;
static u64
revoker(u64 part)
{
    while (!race_stop)
        (void)fb_cap_revoke(part, NULL);
    return 0;
}

struct reply {
    struct kchild c;
    u64 e, f, in, part, racing;
};

static u64
bad_name(const struct reply *r, u32 way)
{
    const u64 to[] = { 0,
                       1,
                       r->in ^ 1ull << 24,
                       r->in ^ 1ull << 63,
                       r->in + 1,
                       ~0ull,
                       (1ull << 24) - 1,
                       r->e, /* the tester's */
                       grant(&r->c, MEM, FB_AUTH_ALL, r->f, r->f + 1),
                       grant(&r->c, r->c.vcpu[0], FB_AUTH_ALL, 0, 64),
                       grant(&r->c, r->e, FB_AUTH(FB_CLASS_ROOT, FB_KIND_IPC_SEND, 0xffff),
                             0, ~0ull),
                       grant(&r->c, r->c.domain, FB_AUTH_ALL, 0, ~0ull),
                       r->racing,
                       r->in };
    return to[way % (sizeof(to) / 8)];
}

/* The at-th argument is bad; `open`: there is a call to reply to. */
static void
reply(u32 at, u32 way, bool open)
{
    struct reply r = { .f = frames(1, 1) };
    struct ipc_message m = { { 1, 2, 3, 4 }, 0 };
    u64 a[6] = { 0, now() + RECORD->tsc_hz / 1000, 1, 2, 3, 4 }, last = INFO->ncpus - 1;
    long e = -FB_E_BUSY;

    OK(AGAIN(fb_endpoint_create(MEM, r.f, &r.e)));
    r.part = derive(r.e, FB_AUTH_ALL, 0, ~0ull);
    script(&r.c, 0, INFO->cpu[0]);
    r.in = grant(&r.c, r.e, FB_AUTH_ALL, 0, ~0ull);
    r.racing = grant(&r.c, r.part, FB_AUTH_ALL, 0, ~0ull);
    a[at] = at == 0 ? bad_name(&r, way) : at == 1 ? now() + (way % 2) * way : numbers[way];
    volatile struct kstep *s = step(&r.c, 1, FB_CALL_IPC_REPLY, a[0], a[1], a[2], a[3], a[4]);
    s->arg[5] = a[5];
    step(&r.c, 0, open ? FB_CALL_IPC_RECEIVE : FB_CALL_ENTROPY, r.in, FB_FOREVER, 0, 0, 0);
    bool race = last > 0 && at == 0 && a[0] == r.racing;
    race_stop = 0;
    if (race)
        on_begin(last, revoker, r.part);
    for (u32 i = 0; open && e == -FB_E_BUSY && i < 1000; i++) {
        e = ipc_call(r.e, in_ms(10), &m);
        if (e == -FB_E_BUSY)
            fb_wait(now() + RECORD->tsc_hz / 10000, NULL);
    }
    CHECK(!open || e == 0 || e == -FB_E_TIMEOUT || e == -FB_E_DEAD);
    CHECK(!outcome(FB_CALL_IPC_REPLY, &r.c, s));
    race_stop = 1;
    if (race)
        (void)on_end(last);
    OK(kchild_destroy(&r.c));
    OK(AGAIN(fb_endpoint_destroy(r.e, NULL)));
    frames_back(r.f, 1);
}

void
test_leavers(void)
{
    cells = errors = ends = 0;
    exits();
    resumes();
    returns();
    for (u32 at = 0; at < 6; at++)
        for (u32 way = 0; way < NUMBERS; way++) {
            reply(at, way, false);
            reply(at, way, true);
        }
    print("# %lu cells: %lu answered, %lu ends\r\n", cells, errors, ends);
}

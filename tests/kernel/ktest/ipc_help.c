/* SPDX-License-Identifier: MIT */
/* What the tests of endpoints share. */
#include "tests/kernel/ktest/ipc.h"

u64 home;

u64
kt_endpoint(u64 frame)
{
    u64 name = 0;
    OK(AGAIN(fb_endpoint_create(MEM, frame, &name)));
    return name;
}
volatile struct kstep *
kid_step(const struct kchild *c, u32 i, u32 n, u64 call, u64 a0, u64 a1, u64 m0)
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
void
kid_stop(const struct kchild *c, u32 i, u32 n)
{
    kid_step(c, i, n, FB_CALL_WAIT, FB_FOREVER, 0, 0);
}
struct fb_cb *
kid_cb(const struct kchild *c, u32 i)
{
    return (struct fb_cb *)((u64)c->count[i] - 0x40);
}
long
kt_call(u64 e, u64 deadline, u64 m0, struct ipc_message *m)
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
void
kt_await(u64 e)
{
    struct ipc_message m;

    ipc_pass(self()->cb, NONAME, FB_AUTH_ALL, 0, ~0ull);
    CHECK(kt_call(e, FB_FOREVER, 0, &m) == -FB_E_FULL);
    self()->cb->ipc.pass = 0;
}
long
kt_receive(u64 e, u64 deadline, struct ipc_message *m)
{
    long error;

    do
        error = ipc_receive(e, deadline, m);
    while (error == -FB_E_EVENT && m->word[0] == 1ull << FB_EVENT_SLICE);
    return error;
}
void
kid_start(struct kchild *c, u32 nvcpus, u32 at)
{
    kchild_at = at;
    OK(kchild_make(c, nvcpus, (const u64[]){ home, home }));
    kchild_at = 0;
    for (u32 i = 0; i < nvcpus; i++)
        OK(kchild_start(c, i, child_script, NULL));
}

/* SPDX-License-Identifier: MIT */
/* Child domains of the test LibOS, and capabilities for them. */
#include "tests/kernel/ktest/ktest.h"

#define CHILD_TEXT (FB_WINDOW_BASE + 0x4000000000ull)
#define CHILD_CB   (CHILD_TEXT + 0x10000)

u32 kchild_at;
u64 kchild_clearance = FB_CLASS_ROOT;

u64
derive(u64 from, u64 auth, u64 lo, u64 hi)
{
    u64 name = 0;
    OK(AGAIN(fb_cap_derive(from, auth, lo, hi, &name)));
    return name;
}
u64
grant(const struct kchild *c, u64 from, u64 auth, u64 lo, u64 hi)
{
    u64 name = 0;
    OK(AGAIN(fb_cap_grant(from, c->domain, auth, lo, hi, &name)));
    return name;
}
long
kchild_result(volatile struct kstep *s)
{
    for (u64 end = in_ms(PATIENCE);
         now() < end && !__atomic_load_n(&s->done, __ATOMIC_ACQUIRE);)
        fb_wait(in_ms(1), NULL);
    return s->done ? (long)s->rax : -1;
}
long
kchild_make(struct kchild *c, u32 nvcpus, const u64 *cpus)
{
    memset(c, 0, sizeof(*c));
    c->at = kchild_at;
    c->nframes = 32;
    c->frames = frames(32, 2);
    u64 f = c->frames; /* 0,1 roots; 3 table; 4 window; 5,6 nodes; 7 text; then vCPUs of
                          6; KCHILD_OBJECT */
    struct fb_domain_params *p = (void *)BUFFER;
    memset(p, 0, sizeof(*p));
    p->object_frame = f + KCHILD_OBJECT;
    p->table_frame = f + 3;
    p->table_frames = 1;
    p->window_frame = f + 4;
    p->clearance = kchild_clearance;
    memcpy(p->name, "child", 6);
    long e = AGAIN(fb_domain_create(INFO->cap_machine, MEM, 0, &c->domain));
    if (e)
        return e;
    memcpy(look(f + 7), child_text, (u64)(child_text_end - child_text));
    look_end();
    OK(AGAIN(fb_space_create(c->domain, MEM, f, &c->space)));
    OK(AGAIN(fb_space_table(c->domain, CHILD_TEXT, 2, MEM, f + 5, NULL)));
    OK(AGAIN(fb_space_table(c->domain, CHILD_TEXT, 1, MEM, f + 6, NULL)));
    OK(AGAIN(fb_space_map(c->domain, CHILD_TEXT, MEM, f + 7, FB_MAP_READ | FB_MAP_EXEC, 1,
                          NULL)));
    for (u32 i = 0; i < nvcpus; i++) {
        u64 v = f + 8 + 6 * i;
        c->cb[i] = v + 2;
        OK(AGAIN(fb_vcpu_create(c->domain, cpus[i], MEM, v, v + 2, &c->vcpu[i])));
        OK(AGAIN(fb_space_map(c->domain, CHILD_CB + i * 0x10000, MEM, v + 2,
                              FB_MAP_READ | FB_MAP_WRITE, 4, NULL)));
        u64 there = COUNTS + (c->at * 2 + i) * PAGE;
        OK(map(0, there, v + 2, FB_MAP_READ | FB_MAP_WRITE));
        c->count[i] = &((struct fb_cb *)there)->libos[0];
        memset((void *)there, 0, PAGE);
        OK(AGAIN(fb_slice_set(INFO->cap_slices[cpus[i]],
                              cpus[i] * 64 + 40 + c->at * 2 + i, c->vcpu[i],
                              RECORD->tsc_hz / 200, NULL)));
    }
    return 0;
}

long
kchild_start(struct kchild *c, u32 i, const u8 *entry, const u8 *upcall)
{
    u64 up = upcall ? CHILD_TEXT + (u64)(upcall - child_text) : 0;
    return AGAIN(fb_vcpu_start(c->vcpu[i], 0, up, CHILD_TEXT + (u64)(entry - child_text),
                               CHILD_CB + i * 0x10000 + 0x4000,
                               CHILD_CB + i * 0x10000 + 0x40, NULL));
}

long
kchild_destroy_domain(struct kchild *c)
{
    long e;

    do {
        e = fb_domain_destroy(c->domain, NULL);
        if (e)
            __asm__ volatile("pause");
    } while (e == -FB_E_BUSY || e == -FB_E_RESUME);
    return e;
}

long
kchild_destroy(struct kchild *c)
{
    for (u32 i = 0; i < 2; i++)
        if (c->vcpu[i])
            unmap(0, COUNTS + (c->at * 2 + i) * PAGE, 1);
    long e = kchild_destroy_domain(c);
    frames_back(c->frames, c->nframes);
    return e;
}

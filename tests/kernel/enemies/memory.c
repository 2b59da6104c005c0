/* SPDX-License-Identifier: MIT */
/* Attacks on what a frame is: the kernel's own used as something else, and types that change. */
#include "tests/kernel/enemies/enemies.h"

#define FAR (1ull << 41)

/* ---- frames of the kernel, used as something else ---- */

static u64 tried, in_use;

static void
refused(long error, u64 word, u64 frame, const char *way)
{
    bool good = error != 0 && error != -FB_E_NAME && FRAME_RECORD(frame)->word == word;

    tried++;
    in_use += error == -FB_E_INUSE;
    if (!good)
        print("# frame of type %lu %s: %s, its word %lx, now %lx\r\n", (u64)FB_FRAME_TYPE(word),
              way, fb_error_name(error), (u64)word, FRAME_RECORD(frame)->word);
    CHECK(good);
}

static void
mapped_as(const struct kspace *s, u64 x)
{
    static const struct {
        u64 flags;
        const char *way;
    } ways[] = {
        { RW, "written" },
        { RX, "executed" },
        { RW | FB_MAP_EXEC, "written and executed" },
        { RW | FB_MAP_UNCACHED, "written past the cache" },
        { RW | FB_MAP_REPLACE, "written in place of another" },
        { RX | FB_MAP_REPLACE, "executed in place of another" },
        { RW | FB_MAP_LIST, "written by a list" },
        { RX | FB_MAP_LIST, "executed by a list" },
        { RW | FB_MAP_2M, "written in a large page" },
        { RX | FB_MAP_2M, "executed in a large page" },
    };
    u64 word = FRAME_RECORD(x)->word;
    /* Its owner reads it, and may execute what it reads. */
    bool readable = FB_FRAME_TYPE(word) == FB_FRAME_TABLE ||
                    FB_FRAME_TYPE(word) == FB_FRAME_DOMAIN_RECORD;

    for (u32 i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (readable && ways[i].flags & FB_MAP_EXEC && !(ways[i].flags & FB_MAP_WRITE))
            continue;
        u64 flags = ways[i].flags, at = FAR + PAGE, f = x;
        if (flags & FB_MAP_2M)
            at = FAR + 0x400000, f = x & ~511ull;
        if (flags & FB_MAP_REPLACE)
            at = FAR;
        if (flags & FB_MAP_LIST)
            *(u64 *)BUFFER = x, f = 0;
        long e = AGAIN(fb_space_map(s->cap, at, MEM, f, flags, 1, NULL));
        refused(e, word, x, ways[i].way);
        if (at >= FB_WINDOW_BASE || (flags & (FB_MAP_2M | FB_MAP_LIST)))
            continue;
        refused(AGAIN(fb_space_map(0, THERE, MEM, f, flags, 1, NULL)), word, x, ways[i].way);
    }
    /* For reading some can be: then it stays with that. */
    if (AGAIN(fb_space_map(s->cap, FAR + PAGE, MEM, x, FB_MAP_READ, 1, NULL)) == 0) {
        (void)AGAIN(fb_space_protect(s->cap, FAR + PAGE, 1, RW, MEM, NULL));
        CHECK(FB_FRAME_WMAPS(FRAME_RECORD(x)->word) == 0);
        (void)AGAIN(fb_space_protect(s->cap, FAR + PAGE, 1, RX, MEM, NULL));
        CHECK(kt_touch(FAR + PAGE, 1) == 1);
        OK(AGAIN(fb_space_unmap(s->cap, FAR + PAGE, 1, 0, 0, 1, NULL)));
    }
}

static void
given_as(const struct kspace *s, const struct kchild *c, u64 spare, u64 x)
{
    struct fb_domain_params *p = (void *)BUFFER,
                            good = { spare, spare + 2, 1, spare + 3, FB_CLASS_ROOT, 0, "x" };
    u64 word = FRAME_RECORD(x)->word, v;

    for (u32 level = 1; level <= 3; level++)
        refused(AGAIN(fb_space_table(s->cap, (1ull << 42) + (1ull << 39) * level +
                                                 (level < 3 ? FAR : 0),
                                     level, MEM, x, NULL)),
                word, x, "as a table");
    refused(AGAIN(fb_space_table(s->cap, 1ull << 43, 3, MEM, x, NULL)), word, x,
            "as a table");
    refused(AGAIN(fb_space_create(0, MEM, x & ~1ull, &v)), word, x, "as a root");
    refused(AGAIN(fb_endpoint_create(MEM, x, &v)), word, x, "as an endpoint");
    refused(AGAIN(fb_vcpu_create(c->domain, 0, MEM, x, spare, &v)), word, x, "as a vCPU");
    *p = good, p->object_frame = x;
    refused(AGAIN(fb_domain_create(INFO->cap_machine, MEM, 0, &v)), word, x, "as a domain");
    *p = good, p->object_frame = x - 1;
    refused(AGAIN(fb_domain_create(INFO->cap_machine, MEM, 0, &v)), word, x, "as a record");
    *p = good, p->table_frame = x;
    refused(AGAIN(fb_domain_create(INFO->cap_machine, MEM, 0, &v)), word, x,
            "as a table of capabilities");
    *p = good, p->window_frame = x;
    refused(AGAIN(fb_domain_create(INFO->cap_machine, MEM, 0, &v)), word, x, "as a window");
}

void
attack_tables(void)
{
    struct kspace s;
    struct kchild c;
    u64 spare = frames(8, 8), node = frames(3, 1), f = frames(1, 1), e = 0;

    tried = in_use = 0;
    kspace_make(&s);
    script(&c, 0, INFO->cpu[0]);
    OK(AGAIN(fb_endpoint_create(MEM, f, &e)));
    for (u32 level = 3; level > 0; level--)
        OK(AGAIN(fb_space_table(s.cap, FAR, level, MEM, node + level - 1, NULL)));
    OK(map(s.cap, FAR, spare + 7, RW));
    OK(fb_switch(s.cap, NULL));
    const u64 own[] = { s.root, s.root + 1, node, node + 1, node + 2, f,
                        c.frames, c.frames + 1, c.frames + 3, c.frames + 4, c.frames + 5,
                        c.frames + 6, c.frames + 8, c.frames + 9, c.frames + KCHILD_OBJECT,
                        c.frames + KCHILD_OBJECT + 1, INFO->window_frame,
                        INFO->space_root_frame };
    for (u32 i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        mapped_as(&s, own[i]);
        given_as(&s, &c, spare, own[i]);
        CHECK(AGAIN(fb_port_write(INFO->cap_com[1].ports, 0x2ff, MEM, own[i] * PAGE, 8,
                                  NULL)) == -FB_E_INUSE);
    }
    given_as(&s, &c, spare, c.cb[0]); /* it may be mapped, being its own */
    OK(fb_switch(INFO->cap_space, NULL));
    print("# %lu uses, %lu refused with INUSE\r\n", tried, in_use);
    CHECK(in_use * 10 >= tried * 7); /* not for another reason */
    unmap(s.cap, FAR & ~((1ull << 39) - 1), 1ull << 27);
    OK(AGAIN(fb_endpoint_destroy(e, NULL)));
    OK(kchild_destroy(&c));
    kspace_end(&s);
    frames_back(spare, 8);
    frames_back(f, 1);
}

/* ---- what is written by somebody who does not ask capabilities ---- */

/* The frames of a control block are to the kernel what those of a DMA transfer are to a
 * device: pinned, and written until the vCPU is quiet. */
void
attack_pins(void)
{
    u64 f = frames(8, 2), part = derive(MEM, FB_AUTH_ALL, f, f + 8), v = 0, e;
    struct kchild c;

    kchild_at = 0;
    OK(child_make(&c, INFO->cpu[0]));
    OK(AGAIN(fb_vcpu_create(c.domain, last_cpu(), MEM, f, f + 2, &v)));
    (void)grant(&c, part, FB_AUTH_ALL, f + 2, f + 6);
    OK(map(0, THERE, f + 2, FB_MAP_READ));
    for (u32 i = 0; i < 3; i++)
        CHECK(AGAIN(fb_cap_revoke(part, NULL)) == -FB_E_INUSE);
    OK(fb_signal(v, 1ull << (40 + 1), NULL)); /* the device writes */
    CHECK(((volatile struct fb_cb *)THERE)->pending == 1ull << 41);
    unmap(0, THERE, 1);
    /* Not mapped by anybody, not below any name but its giver's: and not to be had. */
    for (u64 x = f + 2; x < f + 6; x++) {
        CHECK(FB_FRAME_PINS(FRAME_RECORD(x)->word) == 1 &&
              FB_FRAME_MAPS(FRAME_RECORD(x)->word) == 0);
        CHECK(AGAIN(fb_endpoint_create(MEM, x, &e)) == -FB_E_INUSE);
        CHECK(AGAIN(fb_space_create(0, MEM, x & ~1ull, &e)) == -FB_E_INUSE);
        CHECK(AGAIN(fb_space_table(INFO->cap_space, FAR, 3, MEM, x, NULL)) == -FB_E_INUSE);
    }
    CHECK(AGAIN(fb_cap_revoke(part, NULL)) == -FB_E_INUSE);
    OK(kchild_destroy(&c));
    OK(AGAIN(fb_cap_revoke(part, NULL)));
    OK(AGAIN(fb_endpoint_create(MEM, f + 2, &e)));
    OK(AGAIN(fb_endpoint_destroy(e, NULL)));
    OK(AGAIN(fb_cap_delete(part, NULL)));
    frames_back(f, 8);
}

/* ---- types that change ---- */

#define MARK 0x5a5a5a5a5a5a5a5aull
static volatile u64 stop, written;

static u64
writer(u64 unused)
{
    (void)unused;
    while (!stop && vcpu(INFO->ncpus - 1)->faults < 900000)
        written += kt_poke(THERE + 8 * (written % 512), MARK) == 0;
    return 0;
}

/* A page that another CPU writes all the time becomes a table: nothing of it is in the
 * table. */
void
attack_types(void)
{
    struct kspace s;
    u64 f = frames(1, 1), low = frames(1, 1), wrong = 0, value;

    kspace_make(&s);
    OK(map(0, THERE + PAGE, low, RW)); /* the nodes are there */
    OK(map(s.cap, FAR + 0x200000, low, RW));
    stop = written = 0;
    if (INFO->ncpus > 1)
        on_begin(INFO->ncpus - 1, writer, 0);
    for (u32 i = 0; i < 60; i++) {
        OK(AGAIN(fb_space_map(0, THERE, MEM, f, RW, 1, NULL)));
        u64 before = written, end = in_ms(200);
        while (INFO->ncpus > 1 && written < before + 20 && now() < end)
            __asm__ volatile("pause");
        CHECK(AGAIN(fb_space_table(s.cap, FAR, 1, MEM, f, NULL)) == -FB_E_INUSE);
        OK(AGAIN_BUSY(fb_space_unmap(0, THERE, 1, 0, 0, 1, NULL)));
        OK(AGAIN(fb_space_table(s.cap, FAR, 1, MEM, f, NULL)));
        for (end = now() + RECORD->tsc_hz / 50000; now() < end;)
            __asm__ volatile("pause");
        OK(AGAIN_BUSY(fb_space_unmap(s.cap, FAR, 512, FB_UNMAP_TABLES, 0, 4, &value)));
        CHECK(value >> 40 == 1);
        OK(AGAIN(fb_space_map(0, THERE + 2 * PAGE, MEM, f, FB_MAP_READ, 1, NULL)));
        for (u32 k = 0; k < 512; k++)
            wrong += ((volatile u64 *)(THERE + 2 * PAGE))[k] != 0;
        unmap(0, THERE + 2 * PAGE, 1);
        OK(map(0, THERE + PAGE, low, RW | FB_MAP_REPLACE));
    }
    stop = 1;
    if (INFO->ncpus > 1)
        (void)on_end(INFO->ncpus - 1);
    CHECK(wrong == 0 && (written > 0 || INFO->ncpus == 1));
    unmap(0, THERE, 3);
    unmap(s.cap, FAR, 1024);
    kspace_end(&s);
    frames_back(f, 1);
    frames_back(low, 1);
}

/* ---- the top of the lower half ---- */

/* A system call whose return address is the first that is never mapped, and returns to
 * what is none, by both ways. */
void
attack_top(void)
{
    static const u64 hostile[] = { FB_USER_TOP,        1ull << 47,  ~0ull,
                                   1ull << 63,         FB_USER_TOP - 1,
                                   0xffff7fffffffffff, 0xffffffff80200000,
                                   FB_WINDOW_BASE,     0xffffc00000000000 };
    struct kvcpu *me = self();
    struct fb_cb *cb = me->cb;
    struct fb_regs *r = &cb->save[FB_SAVE_USER].regs;
    struct kspace s;
    u64 f = frames(1, 1);

    kspace_make(&s);
    u8 *page = look(f);
    memset(page, 0x90, PAGE);
    page[PAGE - 2] = 0x0f, page[PAGE - 1] = 0x05; /* syscall */
    look_end();
    OK(map(s.cap, FB_USER_TOP - PAGE, f, RX));
    OK(fb_switch(s.cap, NULL));
    memset(r, 0, sizeof(*r));
    r->rip = FB_USER_TOP - 2;
    CHECK(user_go() == 0x1000 && cb->user_rip == FB_USER_TOP);
    for (u32 i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        cb->user_rip = hostile[i];
        cb->user_rsp = hostile[i];
        cb->user_rflags = ~0x100ull;
        fb_wait(0, NULL);
        u64 vector = kt_return(me->ctx);
        while (vector == FB_VECTOR_EVENT)
            vector = kt_enter(me->ctx);
        CHECK(vector == 13 || vector == 14);
        CHECK(r->cs == 0x23 && r->ss == 0x1b && (r->rflags & 0x1a7000) == 0);
        memset(r, 0, sizeof(*r));
        r->rip = hostile[i];
        r->rsp = hostile[i];
        r->cs = 0x10 + i, r->ss = 8 * i;
        vector = user_go();
        CHECK(vector == 13 || vector == 14);
    }
    OK(fb_switch(INFO->cap_space, NULL));
    unmap(s.cap, FB_USER_TOP - PAGE, 1);
    kspace_end(&s);
    frames_back(f, 1);
}

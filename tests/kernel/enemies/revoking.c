/* SPDX-License-Identifier: MIT */
/* Attacks with and on revocation: trees without end, what is begun and left, and use of what
 * is just being taken. */
#include "tests/kernel/enemies/enemies.h"

#include <sdk/ipc.h>

#define MANY  3000u
#define OBJECT_PARAMS(o, t, n, w) { (o), (t), (n), (w), FB_CLASS_ROOT, 0, "enemy" }

/* ---- trees ---- */

static volatile u64 tip, stop, grown;

/* Derive below what was derived last, until it is gone. */
static u64
grower(u64 wide)
{
    u64 name, at = tip;

    while (!stop) {
        long e = fb_cap_derive(at, FB_AUTH_ALL, 0, ~0ull, &name);
        if (e == -FB_E_NAME)
            break;
        if (e == 0) {
            grown++;
            at = wide ? at : name;
        }
        if (e == -FB_E_FULL || e == -FB_E_DEAD)
            __asm__ volatile("pause");
    }
    return grown;
}

/* Steps until a revocation is complete; ~0: it has no end.  Those that wait for another CPU
 * are as many as the host's turns let them be. */
static u64
steps_of(u64 r)
{
    u64 end = in_ms(PATIENCE);

    for (u64 n = 1; now() < end; n++) {
        long e = fb_cap_revoke(r, NULL);
        if (e == 0)
            return n;
        if (e != -FB_E_BUSY && e != -FB_E_RESUME)
            break;
    }
    return ~0ull;
}

void
attack_trees(void)
{
    for (u32 shape = 0; shape < 4; shape++) {
        u64 r = derive(MEM, FB_AUTH_ALL, 0, ~0ull), at = r, slots = slots_used();
        for (u32 i = 0; i < (shape < 2 ? MANY : 300); i++) {
            u64 next = derive(at, FB_AUTH_ALL, 0, ~0ull);
            at = shape % 2 ? r : next;
        }
        tip = at;
        stop = grown = 0;
        bool growing = shape >= 2 && INFO->ncpus > 1;
        if (growing) {
            tip = shape == 3 ? derive(r, FB_AUTH_ALL, 0, ~0ull) : at;
            on_begin(INFO->ncpus - 1, grower, shape == 3);
            for (u64 end = in_ms(PATIENCE); grown < 100 && now() < end;)
                __asm__ volatile("pause");
        }
        u64 n = steps_of(r);
        stop = 1;
        if (growing) {
            (void)on_end(INFO->ncpus - 1);
            CHECK(grown >= 100);
            CHECK(n != ~0ull);
        } else { /* 256 nodes a step, each marked, hoisted and undone */
            CHECK(n <= 3 * MANY / 128 + 10 || (INFO->ncpus > 1 && n != ~0ull));
        }
        CHECK(slots_used() == slots); /* including what was grown */
        OK(AGAIN(fb_cap_delete(r, NULL)));
    }
}

/* ---- begun and left ---- */

/* The victim maps and unmaps a page of its own. */
static volatile struct kstep *
mapping(struct kchild *c, u64 own, u64 frame)
{
    script(c, 1, INFO->cpu[0]);
    u64 mem = grant(c, own, FB_AUTH_ALL, frame, frame + 1);
    volatile struct kstep *s =
        step(c, 0, FB_CALL_SPACE_MAP, 0, CHILD_FREE + 8 * PAGE, mem, frame, RW);
    volatile struct kstep *u =
        step(c, 1, FB_CALL_SPACE_UNMAP, 0, CHILD_FREE + 8 * PAGE, 1, 0, 0);
    kchild_steps(c, 0)[2].call = ~0ull;
    u64 end = in_ms(PATIENCE);
    while (u->done < 2 && now() < end)
        fb_wait(in_ms(1), NULL);
    CHECK(s->rax == 0 && u->rax == 0 && u->done >= 2);
    return s;
}

/* Memory that the victim was given is being taken back, and who does that stops after any
 * number of steps: the victim goes on with all else. */
static void
revocation_left(void)
{
    struct kchild c;
    u64 f = frames(1, 1), g = frames(8, 1);
    volatile struct kstep *s = mapping(&c, MEM, f);

    for (u32 steps = 1, done = 0; !done && steps < 200; steps++) {
        u64 part = derive(MEM, FB_AUTH_ALL, g, g + 8);
        for (u64 i = 0; i < 8; i++) /* in pieces, which are swept for together */
            (void)grant(&c, part, FB_AUTH_ALL, g + i, g + i + 1);
        OK(AGAIN(fb_space_map(c.domain, CHILD_FREE, part, g, FB_MAP_READ, 8, NULL)));
        long e = -FB_E_RESUME;
        for (u32 i = 0; i < steps && e == -FB_E_RESUME; i++)
            e = AGAIN_BUSY(fb_cap_revoke(part, NULL));
        done = e == 0;
        bool went_on = goes_on(&s->done);
        CHECK(went_on && s->rax == 0);
        if (!went_on) {
            print("# it stands after %u steps\r\n", steps);
            done = 1;
        }
        OK(AGAIN(fb_cap_revoke(part, NULL)));
        for (u64 i = 0; i < 8; i++)
            CHECK(FB_FRAME_MAPS(FRAME_RECORD(g + i)->word) == 0);
        OK(AGAIN(fb_cap_delete(part, NULL)));
    }
    OK(kchild_destroy(&c));
    frames_back(f, 1);
    frames_back(g, 8);
}

/* The same with the deletion of a capability by whose memory something was mapped into the
 * victim's trees. */
static void
deletion_left(void)
{
    struct kchild c, evil;
    u64 f = frames(1, 1), g = frames(1, 1);
    volatile struct kstep *s = mapping(&c, MEM, f);

    script(&evil, 2, INFO->cpu[0]);
    u64 there = grant(&evil, c.domain, FB_AUTH_ALL, 0, ~0ull), n = 0, reached = 0;
    for (u32 steps = 1, done = 0; !done && steps < 60; steps++) {
        u64 mem = grant(&evil, MEM, FB_AUTH_ALL, g, g + 1);
        volatile struct kstep *e =
            step(&evil, n++ % 20, FB_CALL_SPACE_MAP, there, CHILD_FREE, mem, g, FB_MAP_READ);
        OK(kchild_result(e));
        for (u32 i = 0; i <= steps && !done; i++) {
            bool last = i == steps;
            volatile struct kstep *d = kchild_steps(&evil, 0) + n % 20;
            d->once = !last;
            step(&evil, n++ % 20, FB_CALL_CAP_DELETE, mem, 0, 0, 0, 0);
            long r = kchild_result(d);
            done = !last && r != -FB_E_RESUME && r != -FB_E_BUSY;
            reached += r == -FB_E_RESUME;
            if (i + 1 == steps) {
                CHECK(goes_on(&s->done) && s->rax == 0);
            }
            kchild_steps(&evil, 0)[n % 20].call = 0;
            if (n % 20 == 0) { /* once more from the beginning */
                kchild_steps(&evil, 0)[20].call = 0;
                step(&evil, 0, 0, 0, 0, 0, 0, 0);
                kchild_steps(&evil, 0)[20].call = ~0ull;
            }
        }
    }
    CHECK(reached > 0);
    OK(kchild_destroy(&evil));
    OK(kchild_destroy(&c));
    frames_back(f, 1);
    frames_back(g, 1);
}

void
attack_halves(void)
{
    revocation_left();
    deletion_left();
}

/* A domain that another domain made and began to destroy: whoever holds what it was made
 * through, or anything above that, goes on with it. */
void
attack_destroyed(void)
{
    struct kchild c;
    u64 f = frames(304, 2), m = derive(INFO->cap_machine, FB_AUTH_ALL, 0, ~0ull);

    script(&c, 0, INFO->cpu[0]);
    u64 machine = grant(&c, m, FB_AUTH_ALL, 0, ~0ull),
        mem = grant(&c, MEM, FB_AUTH_ALL, f, f + 304);
    struct fb_domain_params params = OBJECT_PARAMS(f, f + 4, 300, f + 2);
    memcpy(look(c.cb[0] + 1), &params, sizeof(params));
    look_end();
    volatile struct kstep *s = step(&c, 0, FB_CALL_DOMAIN_CREATE, machine, mem, 0, 0, 0);
    OK(kchild_result(s));
    kchild_steps(&c, 0)[1].once = 1;
    volatile struct kstep *d = step(&c, 1, FB_CALL_DOMAIN_DESTROY, s->rdx, 0, 0, 0, 0);
    CHECK(kchild_result(d) == -FB_E_RESUME); /* and that is all it does */
    CHECK(FB_FRAME_TYPE(FRAME_RECORD(f)->word) == FB_FRAME_OBJECT);
    OK(AGAIN(fb_cap_revoke(m, NULL)));
    CHECK(FB_FRAME_TYPE(FRAME_RECORD(f)->word) == FB_FRAME_DATA && is_alive(&c));
    OK(kchild_destroy(&c));
    OK(AGAIN(fb_cap_delete(m, NULL)));
    frames_back(f, 304);
}

/* The same where it hangs behind more domains than one step looks at. */
void
attack_many_made(void)
{
    u64 n = 300, f = frames(n * 4 + 300, 1), table = f + n * 4,
        m = derive(INFO->cap_machine, FB_AUTH_ALL, 0, ~0ull);
    static u64 name[300];
    struct kchild k = { 0 };
    long e;

    for (u64 i = 0; i < n; i++) {
        u64 at = f + i * 4;
        struct fb_domain_params p = OBJECT_PARAMS(at, i ? at + 2 : table, i ? 1 : 300, at + 3);
        memcpy(BUFFER, &p, sizeof(p));
        OK(AGAIN(fb_domain_create(m, MEM, 0, &name[i])));
    }
    while ((e = fb_domain_destroy(name[0], NULL)) == -FB_E_BUSY)
        ;
    CHECK(e == -FB_E_RESUME);
    for (u32 i = 0; i < 2; i++) /* the others live; whoever asks is answered */
        CHECK(AGAIN(fb_cap_revoke(m, NULL)) == -FB_E_INUSE);
    CHECK(FB_FRAME_TYPE(FRAME_RECORD(f)->word) == FB_FRAME_DATA);
    k.domain = name[0];
    CHECK(kchild_destroy_domain(&k) == -FB_E_NAME);
    for (u64 i = 1; i < n; i++) {
        k.domain = name[i];
        OK(kchild_destroy_domain(&k));
    }
    OK(AGAIN(fb_cap_revoke(m, NULL)));
    OK(AGAIN(fb_cap_delete(m, NULL)));
    frames_back(f, n * 4 + 300);
}

/* ---- use on one CPU, revocation on another ---- */

enum way {
    BY_SLICE,
    BY_VCPU_SLICE,
    BY_IRQ,
    BY_VCPU_IRQ,
    BY_VCPU_SIGNAL,
    BY_DOMAIN_WATCH,
    BY_VCPU_WATCH,
    BY_MEMORY,
    BY_SPACE,
    BY_ENDPOINT_RECEIVE,
    BY_ENDPOINT_CALL,
    BY_PORT,
    WAYS
};

/* What stands when the revocation has returned. */
struct race {
    struct kchild user, object;
    struct kspace space;
    u64 part, name, frame, endpoint;
    volatile struct kstep *use;
};

static u64
taken_from(enum way way, const struct race *r)
{
    switch (way) {
    case BY_SLICE: return INFO->cap_slices[INFO->ncpus - 1];
    case BY_IRQ: return INFO->cap_com[1].irq;
    case BY_PORT: return INFO->cap_com[1].ports;
    case BY_VCPU_SLICE:
    case BY_VCPU_IRQ:
    case BY_VCPU_SIGNAL:
    case BY_VCPU_WATCH: return r->object.vcpu[0];
    case BY_DOMAIN_WATCH: return r->object.domain;
    case BY_MEMORY: return MEM;
    case BY_SPACE: return r->space.cap;
    case BY_ENDPOINT_RECEIVE:
    case BY_ENDPOINT_CALL: return r->endpoint;
    case WAYS: break;
    }
    return 0;
}

/* The user's steps: the call that binds, or uses, the capability; for ever. */
static void
use(enum way way, struct race *r)
{
    struct kchild *u = &r->user;
    u64 at = last_cpu() * 64 + 38, ms = RECORD->tsc_hz / 1000,
        slices = grant(u, INFO->cap_slices[INFO->ncpus - 1], FB_AUTH_ALL, 0, ~0ull),
        irq = grant(u, INFO->cap_com[1].irq, FB_AUTH_ALL, 0, ~0ull),
        domain = grant(u, r->object.domain, FB_AUTH_ALL, 0, ~0ull),
        own = grant(u, u->vcpu[0], FB_AUTH_ALL, 0, 64),
        other = grant(u, r->object.vcpu[0], FB_AUTH_ALL, 0, 64);
    volatile struct kstep *second = kchild_steps(u, 0) + 1;

    second->call = ~0ull;
    switch (way) {
    case BY_SLICE: r->use = step(u, 0, FB_CALL_SLICE_SET, r->name, at, other, ms, 0); break;
    case BY_VCPU_SLICE:
        r->use = step(u, 0, FB_CALL_SLICE_SET, slices, at, r->name, ms, 0);
        break;
    case BY_IRQ: r->use = step(u, 0, FB_CALL_IRQ_BIND, r->name, 3, own, 5, 0); break;
    case BY_VCPU_IRQ: r->use = step(u, 0, FB_CALL_IRQ_BIND, irq, 3, r->name, 5, 0); break;
    case BY_VCPU_SIGNAL: r->use = step(u, 0, FB_CALL_SIGNAL, r->name, 0x20, 0, 0, 0); break;
    case BY_DOMAIN_WATCH:
        r->use = step(u, 0, FB_CALL_DOMAIN_WATCH, r->name, own, 9, 0, 0);
        break;
    case BY_VCPU_WATCH:
        r->use = step(u, 0, FB_CALL_DOMAIN_WATCH, domain, r->name, 9, 0, 0);
        break;
    case BY_MEMORY:
        second->call = 0;
        step(u, 2, ~0ull, 0, 0, 0, 0, 0);
        r->use = step(u, 0, FB_CALL_SPACE_MAP, 0, CHILD_FREE, r->name, r->frame, RW);
        step(u, 1, FB_CALL_SPACE_UNMAP, 0, CHILD_FREE, 1, 0, 0);
        break;
    case BY_SPACE:
        r->use = step(u, 0, FB_CALL_SPACE_PROTECT, r->name, USER_DATA, 1, FB_MAP_READ, 0);
        break;
    case BY_ENDPOINT_RECEIVE:
        r->use = step(u, 0, FB_CALL_IPC_RECEIVE, r->name, FB_FOREVER, 0, 0, 0);
        break;
    case BY_ENDPOINT_CALL:
        r->use = step(u, 0, FB_CALL_IPC_CALL, r->name, FB_FOREVER, 0, 0, 0);
        break;
    case BY_PORT: r->use = step(u, 0, FB_CALL_PORT_OUT, r->name, 0x2ff, 1, 0x11, 0); break;
    case WAYS: break;
    }
}

/* Is what was bound through the capability undone? */
static void
check_undone(enum way way, struct race *r)
{
    struct fb_cb *own = (struct fb_cb *)((u64)r->user.count[0] - 0x40),
                 *other = (struct fb_cb *)((u64)r->object.count[0] - 0x40);
    u64 value = 0;

    switch (way) {
    case BY_SLICE:
    case BY_VCPU_SLICE: { /* it has no other time; what it ran is charged when it stops */
        u32 still = 0;
        for (u32 n = 0; n < 500 && still < 3; n++) {
            u64 before = ticks_of(&r->object);
            pass(12);
            still = ticks_of(&r->object) == before ? still + 1 : 0;
        }
        CHECK(still == 3);
        break;
    }
    case BY_IRQ:
    case BY_VCPU_IRQ: CHECK(fb_irq_ack(INFO->cap_com[1].irq, 3, NULL) == -FB_E_STATE); break;
    case BY_VCPU_SIGNAL:
        __atomic_store_n(&other->pending, 0, __ATOMIC_SEQ_CST);
        pass(2);
        CHECK((other->pending & 0x20) == 0);
        break;
    case BY_DOMAIN_WATCH:
    case BY_VCPU_WATCH:
        __atomic_store_n(&own->pending, 0, __ATOMIC_SEQ_CST);
        __atomic_store_n(&other->pending, 0, __ATOMIC_SEQ_CST);
        r->object.count[0][3] = ~0ull;
        OK(kchild_destroy_domain(&r->object));
        CHECK((own->pending & 0x200) == 0 && (other->pending & 0x200) == 0);
        break;
    case BY_MEMORY: CHECK(FB_FRAME_MAPS(FRAME_RECORD(r->frame)->word) == 0); break;
    case BY_SPACE:
        OK(AGAIN(fb_space_protect(r->space.cap, USER_DATA, 1, RW, MEM, NULL)));
        pass(2);
        CHECK(FB_FRAME_WMAPS(FRAME_RECORD(r->space.data)->word) == 1);
        break;
    case BY_ENDPOINT_RECEIVE: {
        struct ipc_message m = { { 0 }, 0 };
        CHECK(ipc_call(r->endpoint, 0, &m) == -FB_E_BUSY);
        break;
    }
    case BY_PORT:
        OK(fb_port_out(INFO->cap_com[1].ports, 0x2ff, 1, 0x22, NULL));
        pass(2);
        OK(fb_port_in(INFO->cap_com[1].ports, 0x2ff, 1, &value));
        CHECK(value == 0x22 || value == 0xff);
        break;
    case BY_ENDPOINT_CALL:
    case WAYS: break;
    }
}

static void
race(enum way way)
{
    struct race r = { 0 };
    u64 f = frames(1, 1);
    bool slices = way == BY_SLICE || way == BY_VCPU_SLICE;

    r.frame = frames(1, 1);
    kspace_make(&r.space);
    OK(AGAIN(fb_endpoint_create(MEM, f, &r.endpoint)));
    kchild_at = 0;
    OK(child_make(&r.object, last_cpu()));
    if (slices) { /* none but what the user gives it */
        OK(AGAIN(fb_slice_set(INFO->cap_slices[INFO->ncpus - 1], last_cpu() * 64 + 40, 0, 0,
                              NULL)));
        OK(kchild_start(&r.object, 0, child_spin, NULL));
    }
    script(&r.user, 1, last_cpu());
    for (u32 i = 0; i < 4; i++) {
        u64 lo = way == BY_MEMORY ? r.frame : 0, hi = way == BY_MEMORY ? r.frame + 1 : ~0ull;
        r.part = derive(taken_from(way, &r), FB_AUTH_ALL, lo, hi);
        r.name = grant(&r.user, r.part, FB_AUTH_ALL, 0, ~0ull);
        if (i == 0)
            use(way, &r);
        else
            r.use->arg[way == BY_VCPU_SLICE || way == BY_VCPU_IRQ || way == BY_MEMORY ? 2
                       : way == BY_VCPU_WATCH                                       ? 1
                                                                                    : 0] =
                r.name;
        /* It waits, or meets nobody. */
        bool stands = way == BY_ENDPOINT_RECEIVE || way == BY_ENDPOINT_CALL;
        u64 end = in_ms(PATIENCE);
        while ((i == 0 ? r.use->done < 2 : r.use->rax != 0) && !stands && now() < end)
            fb_wait(in_ms(1), NULL);
        CHECK(stands || r.use->rax == 0);
        for (end = now() + (i * 7919) % 50000; now() < end;)
            __asm__ volatile("pause");
        OK(AGAIN(fb_cap_revoke(r.part, NULL)));
        check_undone(way, &r);
        for (end = in_ms(PATIENCE); r.use->rax != (u64)-FB_E_NAME && now() < end;)
            fb_wait(in_ms(1), NULL);
        CHECK(r.use->rax == (u64)-FB_E_NAME);
        if (r.object.count[0][3] == ~0ull)
            break; /* destroyed for the look; the capability on it went with it */
        OK(AGAIN(fb_cap_delete(r.part, NULL)));
    }
    OK(kchild_destroy(&r.user));
    if (r.object.count[0][3] == ~0ull) {
        unmap(0, COUNTS, 1);
        frames_back(r.object.frames, r.object.nframes);
    } else {
        OK(kchild_destroy(&r.object));
    }
    OK(AGAIN(fb_endpoint_destroy(r.endpoint, NULL)));
    kspace_end(&r.space);
    frames_back(r.frame, 1);
    frames_back(f, 1);
}

void
attack_races(void)
{
    for (u32 way = 0; way < WAYS; way++)
        race((enum way)way);
}

/* SPDX-License-Identifier: MIT */
/* Attacks on control: control blocks, entry points and stacks, and the state of the machine. */
#include "tests/kernel/enemies/enemies.h"

#define AT_ONCE 0u

static struct fb_cb *
block(const struct kchild *c)
{
    return (struct fb_cb *)((u64)c->count[0] - 0x40);
}

/* ---- control blocks ---- */

static u64 user_frame, nodes; /* three of them */

/* A child that goes to its user view and back, by gate_return and resume. */
static void
returner(struct kchild *c, u64 cpu)
{
    kchild_at = AT_ONCE;
    OK(child_make(c, cpu));
    for (u32 level = 3; level > 0; level--)
        OK(AGAIN(fb_space_table(c->space, USER_CODE, level, MEM, nodes + level - 1, NULL)));
    OK(map(c->space, USER_CODE, user_frame, RX));
    struct fb_cb *cb = block(c);
    cb->user_rip = USER_CODE + (u64)(user_call - user_text);
    cb->entry_rsp = cb->fault_rsp = cb->event_rsp =
        CHILD_PROGRAM + 0x10000 + 0x3000; /* in its buffer */
    OK(AGAIN(fb_vcpu_start(c->vcpu[0], CHILD_PROGRAM + (u64)(child_gate - child_text),
                           CHILD_PROGRAM + (u64)(child_bounce - child_text),
                           CHILD_PROGRAM + (u64)(child_return - child_text),
                           CHILD_PROGRAM + 0x13000, 0, NULL)));
}
static u64 random_state = 88172645463325252ull;
static u64
draw(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

static void
corrupt_word(const struct kchild *c, u64 w, u64 value)
{
    if (w != 8) /* its count */
        ((volatile u64 *)block(c))[w] = value;
}

/* Let it run for a moment, with events. */
static void
let_run(const struct kchild *c, u64 cpu, u64 i)
{
    u64 end = now() + RECORD->tsc_hz / 100000;

    (void)fb_signal(c->vcpu[0], 1ull << (i % 60), NULL);
    if (cpu == INFO->cpu[0])
        fb_wait(end + 20000, NULL);
    while (now() < end)
        __asm__ volatile("pause");
}

/* Write each word of the block with each of these while its vCPU is on its way, on this
 * CPU or another; then several of them at random, and the stacks, which ends it. */
static void
corrupt(u64 cpu, u64 *ended)
{
    static const u64 values[] = { 0,          ~0ull,       1ull << 47,  0xffffffff80200000,
                                  0xffffc00000001000, FB_WINDOW_BASE + 8, 0x3f7fd7 };
    const u64 words = sizeof(struct fb_cb) / 8, n = sizeof(values) / 8;
    struct kchild c;

    for (u64 w = 0; w < words + 40; w++) {
        if (w % 8 == 0 || w >= words) {
            returner(&c, cpu);
            CHECK(goes_on(c.count[0]));
        }
        for (u64 i = 0; i < n; i++) {
            u64 at = w < words ? w : draw() % words, good = ((volatile u64 *)block(&c))[at];
            corrupt_word(&c, at, w < words ? values[i] : draw() >> draw() % 64);
            let_run(&c, cpu, w + i);
            if (w < words)
                corrupt_word(&c, at, good);
        }
        if (w % 8 == 7 || w >= words - 1) {
            u64 end = in_ms(20);
            block(&c)->entry_rsp = block(&c)->fault_rsp = values[w % n];
            while (w % 2 && is_alive(&c) && now() < end)
                let_run(&c, cpu, w);
            *ended += !is_alive(&c);
            OK(kchild_destroy(&c));
        }
    }
}

void
attack_blocks(void)
{
    u64 ended = 0;

    user_frame = frames(1, 1);
    nodes = frames(3, 1);
    memcpy(look(user_frame), user_text, (u64)(user_text_end - user_text));
    look_end();
    corrupt(INFO->cpu[0], &ended);
    if (INFO->ncpus > 1)
        corrupt(last_cpu(), &ended);
    frames_back(user_frame, 1);
    frames_back(nodes, 3);
    print("# %lu domains ended by it\r\n", ended);
    CHECK(ended >= 5);
}

/* ---- entry points and stacks ---- */

static const u64 addresses[] = { 1,
                                 0x1000,
                                 FB_USER_TOP,
                                 1ull << 47,
                                 1ull << 63,
                                 ~0ull,
                                 0xffff7ffffffffff8,
                                 FB_WINDOW_BASE,
                                 FB_WINDOW_END - 1,
                                 FB_WINDOW_END,
                                 0xffffc00000000000,
                                 0xffffffff80200000,
                                 0xffffffffc0001000,
                                 CHILD_PROGRAM + 0x10008 };

static void
ends(struct kchild *c)
{
    u64 end = in_ms(PATIENCE);

    while (is_alive(c) && now() < end)
        fb_wait(now() + RECORD->tsc_hz / 5000, NULL);
    const struct fb_domain_status *s = (const void *)BUFFER;
    CHECK(s->state != FB_DOMAIN_ALIVE &&
          (s->cause == FB_END_DOUBLE_FAULT || s->cause == FB_END_NO_ENTRY));
    OK(kchild_destroy(c));
}

void
attack_entries(void)
{
    const u64 bad = CHILD_PROGRAM + (u64)(child_fault - child_text),
              push = CHILD_PROGRAM + (u64)(child_push - child_text),
              back = CHILD_PROGRAM + (u64)(child_return - child_text);
    struct kchild c;

    for (u32 i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        u64 a = addresses[i];
        bool window = a >= FB_WINDOW_BASE && a < FB_WINDOW_END;
        for (u32 way = 0; way < 5; way++) {
            OK(child_make(&c, INFO->cpu[i % INFO->ncpus]));
            struct fb_cb *cb = block(&c);
            u64 v = c.vcpu[0];
            long e = 0;
            cb->user_rip = cb->user_rsp = a;
            cb->entry_rsp = cb->fault_rsp = cb->event_rsp = CHILD_PROGRAM + 0x13000;
            switch (way) {
            case 0: e = AGAIN(fb_vcpu_start(v, 0, a, bad, 0, 0, NULL)); break;
            case 1: e = AGAIN(fb_vcpu_start(v, a, 0, bad, 0, 0, NULL)); break;
            case 2: e = AGAIN(fb_vcpu_start(v, 0, 0, a, 0, 0, NULL)); break;
            case 3: /* the stack of a fault in the LibOS view */
                cb->fault_rsp = a;
                OK(AGAIN(fb_vcpu_start(v, 0, push, bad, a, a, NULL)));
                break;
            default: /* that of one in the user view, after a return to a */
                cb->entry_rsp = cb->fault_rsp = cb->event_rsp = a;
                OK(AGAIN(fb_vcpu_start(v, push, push, back, a, a, NULL)));
                break;
            }
            CHECK(e == (way > 2 || window ? 0 : -FB_E_ARG));
            if (e == 0)
                ends(&c);
            else
                OK(kchild_destroy(&c));
        }
    }
}

/* ---- the machine's state ---- */

void
attack_state(void)
{
    u64 has = (RECORD->features & FB_FEATURE_XSAVE && (RECORD->xcr0 & 4) ? 1 : 0) |
              (RECORD->features & FB_FEATURE_FSGSBASE ? 2 : 0);
    struct kchild leaver, finder;

    enemy(&leaver, 0, INFO->cpu[0], child_state, has);
    for (u32 i = 0; i < 4; i++) {
        CHECK(goes_on(leaver.count[0]));
        enemy(&finder, 1, INFO->cpu[0], child_peek, has);
        for (u32 k = 0; k < 3; k++)
            CHECK(goes_on(finder.count[0]) && goes_on(leaver.count[0]));
        for (u32 k = 2; k < 8; k++) {
            if (finder.count[0][k] != 0)
                print("# found [%u]: %lx\r\n", k, finder.count[0][k]);
            CHECK(finder.count[0][k] == 0);
        }
        OK(kchild_destroy(&finder));
    }
    CHECK(is_alive(&leaver));
    OK(kchild_destroy(&leaver));
}

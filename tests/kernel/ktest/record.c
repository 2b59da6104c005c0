/* SPDX-License-Identifier: MIT */
/* The record of a domain: who can read it, what is counted there, and what was taken. */
#include "tests/kernel/ktest/ktest.h"

#define RECORD_AT (WINDOW_FREE + 0x300000000ull)
#define TAKE_AT   (FB_WINDOW_BASE + 0x4000100000ull) /* in the child's window, by its code */

static const struct fb_domain_record *const child = (const void *)RECORD_AT;

static u64
counted(u64 offset)
{
    u64 n = 0;
    for (u32 i = 0; i < FB_CPUS_MAX; i++)
        n += *(const volatile u64 *)((const u8 *)&child->cpu[i] + offset);
    return n;
}
#define COUNTED(field) counted(offsetof(struct fb_domain_counts, field))

/* Grant n frames from f on to the child, map m of them there, and take them by force. */
static void
give_and_take(const struct kchild *c, u64 f, u64 n, u64 m, bool derive_too)
{
    u64 own, name, second;

    OK(AGAIN(fb_cap_derive(MEM, FB_AUTH_ALL, f, f + n, &own)));
    OK(AGAIN(fb_cap_grant(own, c->domain, FB_AUTH_ALL, f, f + n, &name)));
    if (derive_too)
        OK(AGAIN(fb_cap_grant(own, c->domain, FB_AUTH_ALL, f, f + 1, &second)));
    if (m > 0)
        OK(AGAIN(fb_space_map(c->domain, TAKE_AT, own, f, FB_MAP_READ, m, NULL)));
    OK(AGAIN(fb_cap_revoke(own, NULL)));
    OK(AGAIN(fb_cap_delete(own, NULL)));
}

static void
check_taken(u64 n, u64 lo, u64 hi, u64 mappings)
{
    const struct fb_taken *t = &child->entry[n % FB_TAKEN_MAX];

    CHECK(child->taken == n + 1);
    CHECK(t->type == FB_TYPE_MEMORY && t->lo == lo && t->hi == hi);
    CHECK(t->mappings == mappings);
    CHECK(t->tsc != 0 && t->tsc <= __builtin_ia32_rdtsc());
}

/* What a domain that has ended, and is not destroyed yet, still maps goes by a revocation
 * too: who revoked may make anything of the frames at once. */
static void
take_from_ended(u64 f)
{
    static const u64 cpu0[1];
    const struct fb_domain_status *status = (const void *)BUFFER;
    struct kchild c;
    u64 own, name, end;

    OK(kchild_make(&c, 1, cpu0));
    OK(AGAIN(fb_cap_derive(MEM, FB_AUTH_ALL, f, f + 2, &own)));
    OK(AGAIN(fb_cap_grant(own, c.domain, FB_AUTH_ALL, f, f + 2, &name)));
    OK(AGAIN(fb_space_map(c.domain, TAKE_AT, own, f, FB_MAP_READ | FB_MAP_WRITE, 2, NULL)));
    OK(kchild_start(&c, 0, child_exit, NULL));
    do {
        fb_wait(__builtin_ia32_rdtsc() + RECORD->tsc_hz / 1000, NULL);
        OK(fb_domain_status(c.domain, 0, NULL));
    } while (status->state == FB_DOMAIN_ALIVE);
    CHECK(FB_FRAME_WMAPS(FRAME_RECORD(f)->word) == 1);
    OK(AGAIN(fb_cap_revoke(own, NULL)));
    CHECK(FB_FRAME_MAPS(FRAME_RECORD(f)->word) == 0);
    CHECK(FB_FRAME_MAPS(FRAME_RECORD(f + 1)->word) == 0);
    OK(AGAIN(fb_endpoint_create(MEM, f, &end)));
    OK(AGAIN(fb_cap_delete(own, NULL)));
    OK(kchild_destroy(&c));
    OK(AGAIN(fb_endpoint_destroy(end, NULL)));
}

void
test_records(void)
{
    static const u64 cpu0[1];
    struct kchild c;
    u64 f = frames(8, 1), own;

    OK(kchild_make(&c, 1, cpu0));
    u64 frame = c.frames + KCHILD_OBJECT + 1;
    /* Its maker, who gave the frame, reads it and does not write it. */
    CHECK(FB_FRAME_TYPE(FRAME_RECORD(frame)->word) == FB_FRAME_DOMAIN_RECORD);
    OK(map(0, RECORD_AT, frame, FB_MAP_READ));
    ERR(SPACE_MAP, INUSE,
        fb_space_map(0, RECORD_AT + PAGE, MEM, frame, FB_MAP_READ | FB_MAP_WRITE, 1,
                     NULL));
    ERR(SPACE_CREATE, INUSE, AGAIN(fb_space_create(0, MEM, frame & ~1ull, &own)));
    CHECK(kt_touch(RECORD_AT, 0) == 0 && kt_touch(RECORD_AT, 1) != 0);
    CHECK(child->taken == 0 && COUNTED(upcalls) == 0 && COUNTED(switches) == 0);
    /* What is taken by force, and only that, stands there. */
    give_and_take(&c, f, 4, 3, true);
    check_taken(0, f, f + 4, 3);
    give_and_take(&c, f + 2, 2, 0, false); /* within the last: nothing new */
    CHECK(child->taken == 1);
    give_and_take(&c, f + 4, 4, 4, false);
    check_taken(1, f + 4, f + 8, 4);
    for (u64 i = 0; i < 2 * FB_TAKEN_MAX; i++) {
        u64 at = f + (i % 2) * 4;
        give_and_take(&c, at, 1, i % 2, false);
        check_taken(2 + i, at, at + 1, i % 2);
    }
    u64 taken = child->taken;
    OK(AGAIN(fb_cap_derive(MEM, FB_AUTH_ALL, f, f + 4, &own)));
    OK(AGAIN(fb_cap_delete(own, NULL))); /* nobody else's */
    CHECK(child->taken == taken);
    /* A fault without a handler ends it; before that it ran. */
    OK(kchild_start(&c, 0, child_spin, NULL));
    for (int i = 0; i < 2000 && *c.count[0] == 0; i++)
        fb_wait(__builtin_ia32_rdtsc() + RECORD->tsc_hz / 100, NULL);
    CHECK(*c.count[0] != 0 && COUNTED(switches) > 0 && COUNTED(faults) == 0);
    OK(kchild_destroy_domain(&c));
    /* The frame is its maker's again, whose mapping stands. */
    CHECK(FB_FRAME_TYPE(FRAME_RECORD(frame)->word) == FB_FRAME_DATA);
    CHECK(child->taken == 0);
    unmap(0, RECORD_AT, 1);
    unmap(0, COUNTS, 1);
    frames_back(c.frames, c.nframes);
    take_from_ended(f);
    frames_back(f, 8);
}

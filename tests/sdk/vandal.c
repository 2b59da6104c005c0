/* SPDX-License-Identifier: MIT */
/*
 * The hostile side of a share: it tries to make kernel objects and code of the memory,
 * and then joins each session as it should and overwrites all of the extent with noise,
 * as ring slots, loan words, sleep words and contents, with needless bells between.
 * tests/sdk/run.sh puts it beside sdk/examples/talk.c, which has to stand it.
 */
#include <sdk/libos.h>
#include <sdk/loan.h>
#include <sdk/share.h>

static u64 state = 88172645463325252ull;

static u64
noise(void)
{
    state ^= state << 13; /* xorshift64: Marsaglia, 2003 */
    state ^= state >> 7;
    state ^= state << 17;
    switch (state % 8) {
    case 0: return 0;
    case 1: return ~0ull;
    case 2: return LOAN_WORD | (state >> 32) % 16;
    case 3: return 1ull << (state >> 8) % 64;
    default: return state;
    }
}

/* What the right to read and write does not include. */
static void
overreach(const struct share_entry *e)
{
    u64 name = 0, table = libos_frame(), at = WINDOW_FREE;
    bool held = true;

    /* Tables down to where a page would be mapped, out of its own memory. */
    held = libos_map(0, at, table, FB_MAP_READ) == 0 && held;
    at += PAGE;
    held = fb_space_map(0, at, e->cap, e->frame, FB_MAP_READ | FB_MAP_EXEC, 1, NULL) ==
               -FB_E_AUTHORITY &&
           held;
    held = fb_space_table(0, at + (1ull << 30), 2, e->cap, e->frame, NULL) ==
               -FB_E_AUTHORITY &&
           held;
    held = fb_space_create(0, e->cap, (e->frame + 1) & ~1ull, &name) == -FB_E_AUTHORITY &&
           held;
    held = fb_cap_derive(e->cap, FB_AUTH_ALL, 0, e->frame, &name) != 0 && held;
    held = fb_space_map(0, at, e->cap, e->frame + e->pages + 1,
                        FB_MAP_READ | FB_MAP_WRITE, 1, NULL) == -FB_E_RANGE &&
           held;
    /* The bell rings one bit of one vCPU, and nothing else. */
    if (e->cap_bell != 0)
        held = fb_signal(e->cap_bell, e->bell << 1, NULL) == -FB_E_RANGE &&
               fb_vcpu_start(e->cap_bell, 0, 0, 0, 0, 0, NULL) == -FB_E_AUTHORITY && held;
    libos_print("%s", held ? "refused as it should be" : "got more than it was given");
}

void
libos_main(u64 vcpu)
{
    struct share share;
    u64 tries = 0;

    if (vcpu != 0)
        return;
    if (share_open(&share, "talk") != 0)
        libos_exit(11);
    for (;;) {
        while (!share_join(&share))
            fb_wait(__builtin_ia32_rdtsc() + LIBOS_RECORD->tsc_hz / 100, NULL);
        if (tries++ == 0)
            overreach(share.entry);
        /* In every fourth session the words by which one joins, too. */
        bool ready = tries % 4 == 0;
        u64 words = share.bytes * 2 / 8 + (ready ? PAGE / 8 : 0);
        u64 *all = share.ready + (ready ? 0 : PAGE / 8);
        while (!share_over(&share)) {
            for (u32 i = 0; i < 100; i++)
                all[noise() % words] = noise();
            /* The rings lie in the first page of each half. */
            for (u32 i = 0; i < 100; i++)
                ((u64 *)share.in)[noise() % (PAGE / 8)] = noise();
            for (u32 i = 0; i < 100; i++)
                ((u64 *)share.out)[noise() % (PAGE / 8)] = noise();
            share_bell(&share);
        }
    }
}

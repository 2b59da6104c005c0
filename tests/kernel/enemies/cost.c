/* SPDX-License-Identifier: MIT */
/*
 * What a revocation costs, in ticks of the TSC (instructions, where the machine counts
 * them): against the size of the subtree, the number of other capabilities, and what the
 * holder of what is revoked has mapped.  Printed as lines of tab-separated values.
 */
#include "tests/kernel/enemies/enemies.h"

#define WINDOW_TABLES 32u /* page tables of the other domain's window at most */

static u64
revoked(u64 r, u64 *longest)
{
    u64 t0 = now(), last = t0;
    long e;

    *longest = 0;
    do {
        e = fb_cap_revoke(r, NULL);
        u64 t = now();
        *longest = t - last > *longest ? t - last : *longest;
        last = t;
    } while (e == -FB_E_RESUME || e == -FB_E_BUSY);
    CHECK(e == 0);
    return last - t0;
}

static void
row(const char *what, u64 n, u64 others, u64 pages, u64 r)
{
    u64 longest, cost = revoked(r, &longest);

    print("cost %s\t%lu\t%lu\t%lu\t%lu\t%lu\t%lu\r\n", what, n, others, pages, cost,
          cost / n, longest);
}

static const u64 sizes[] = { 1, 10, 100, 1000, 10000 };

/* Derived within the own domain: there is nothing to undo. */
static void
own(bool deep, u64 others)
{
    u64 rest = derive(MEM, FB_AUTH_ALL, 0, ~0ull);

    for (u64 i = 0; i < others; i++)
        (void)derive(rest, FB_AUTH_ALL, 0, ~0ull);
    for (u32 s = 0; s < 5; s++) {
        u64 r = derive(MEM, FB_AUTH_ALL, 0, ~0ull), at = r;
        for (u64 i = 0; i < sizes[s]; i++) {
            u64 name = derive(at, FB_AUTH_ALL, 0, ~0ull);
            at = deep ? name : r;
        }
        row(deep ? "deep" : "wide", sizes[s], others, 0, r);
        OK(AGAIN(fb_cap_delete(r, NULL)));
    }
    OK(AGAIN(fb_cap_revoke(rest, NULL)));
    OK(AGAIN(fb_cap_delete(rest, NULL)));
}

/* Granted to another domain, frame by frame, with `pages` pages mapped there. */
static void
granted(const char *what, u64 stride, u64 pages)
{
    u64 top = 1000, f = frames(top, 1), table = frames(36, 1), nodes = frames(2 + WINDOW_TABLES, 1),
        x = frames(1, 1), at = frames(3, 1), domain, name;
    struct fb_domain_params p = { at, table, 36, at + 2, FB_CLASS_ROOT, 0, "cost" };

    memcpy(BUFFER, &p, sizeof(p));
    OK(AGAIN(fb_domain_create(INFO->cap_machine, MEM, 0, &domain)));
    OK(AGAIN(fb_space_table(domain, FB_WINDOW_BASE, 2, MEM, nodes, NULL)));
    for (u64 i = 0; i < (pages + 511) / 512; i++)
        OK(AGAIN(fb_space_table(domain, FB_WINDOW_BASE + i * 0x200000, 1, MEM,
                                nodes + 1 + i, NULL)));
    for (u64 i = 0; i < pages; i++)
        OK(AGAIN(fb_space_map(domain, FB_WINDOW_BASE + i * PAGE, MEM, x, FB_MAP_READ, 1,
                              NULL)));
    for (u32 s = 0; s < 4; s++) {
        u64 r = derive(MEM, FB_AUTH_ALL, f, f + top);
        for (u64 i = 0; i < sizes[s]; i++) {
            u64 k = f + i * stride % top;
            OK(AGAIN(fb_cap_grant(r, domain, FB_AUTH_ALL, k, k + 1, &name)));
        }
        row(what, sizes[s], 0, pages, r);
        OK(AGAIN(fb_cap_delete(r, NULL)));
    }
    struct kchild k = { .domain = domain };
    OK(kchild_destroy_domain(&k));
    frames_back(f, top);
    frames_back(table, 36);
    frames_back(nodes, 2 + WINDOW_TABLES);
    frames_back(x, 1);
    frames_back(at, 3);
}

void
test_cost(void)
{
    own(false, 0);
    own(false, 10000);
    own(true, 0);
    own(true, 10000);
    granted("granted in order", 1, 1);
    granted("granted in order", 1, 512 * WINDOW_TABLES);
    granted("granted out of order", 7, 512 * WINDOW_TABLES);
}

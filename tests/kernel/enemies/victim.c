/* SPDX-License-Identifier: MIT */
/* What the attacks have in common: children that do as they are told, and the victim. */
#include "tests/kernel/enemies/enemies.h"

#define VICTIM_AT 7u /* the last position that the tester may use */

long
child_make(struct kchild *c, u64 cpu)
{
    return kchild_make(c, 1, &cpu);
}

static const struct fb_domain_status *
status(u64 domain)
{
    OK(fb_domain_status(domain, 0, NULL));
    return (const void *)BUFFER;
}

u64
slots_used(void)
{
    return status(0)->slots_used;
}

u64
ticks_of(const struct kchild *c)
{
    return status(c->domain)->ticks;
}

bool
is_alive(const struct kchild *c)
{
    return status(c->domain)->state == FB_DOMAIN_ALIVE;
}

void
script(struct kchild *c, u32 at, u64 cpu)
{
    enemy(c, at, cpu, child_script, 0);
}

volatile struct kstep *
step(const struct kchild *c, u32 n, u64 call, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4)
{
    volatile struct kstep *s = kchild_steps(c, 0) + n;

    s->arg[0] = a0;
    s->arg[1] = a1;
    s->arg[2] = a2;
    s->arg[3] = a3;
    s->arg[4] = a4;
    s->arg[5] = 1; /* space_map: pages */
    s->done = 0;
    __atomic_store_n(&s->call, call, __ATOMIC_RELEASE);
    return s;
}

void
enemy(struct kchild *c, u32 at, u64 cpu, const u8 *program, u64 word)
{
    kchild_at = at;
    OK(child_make(c, cpu));
    kchild_at = 0;
    c->count[0][1] = word;
    OK(kchild_start(c, 0, program, NULL));
}

void
pass(u64 ms)
{
    for (u64 end = in_ms(ms); now() < end;)
        fb_wait(end, NULL);
}

bool
goes_on(const volatile u64 *count)
{
    u64 before = *count, end = in_ms(PATIENCE);

    while (*count == before && now() < end)
        fb_wait(in_ms(1), NULL);
    return *count != before;
}

void
check_fair(const struct kchild *c, u32 n)
{
    u64 before[8], least, t0, promised, end = in_ms(PATIENCE);

    do { /* what the host takes falls on one of them, but not each time */
        for (u32 i = 0; i < n; i++)
            before[i] = ticks_of(&c[i]);
        t0 = now();
        pass(20 * n);
        promised = (now() - t0) / (n + 2); /* the victim's and the tester's slices */
        least = ~0ull;
        for (u32 i = 0; i < n; i++) {
            u64 had = ticks_of(&c[i]) - before[i];
            least = had < least ? had : least;
        }
    } while (least < promised / 2 && now() < end);
    if (least < promised / 2)
        for (u32 i = 0; i < n; i++)
            print("# the %u. had %lu us\r\n", i,
                  (ticks_of(&c[i]) - before[i]) / (RECORD->tsc_hz / 1000000));
    CHECK(least >= promised / 2 && least > 0);
}

/* ---- the victim ---- */

static struct kchild victim;

void
victim_begin(void)
{
    kchild_at = VICTIM_AT;
    OK(child_make(&victim, INFO->cpu[0]));
    kchild_at = 0;
    victim.count[0][3] = RECORD->tsc_hz / 1000;
    OK(kchild_start(&victim, 0, child_victim, NULL));
    CHECK(goes_on(victim.count[0]));
}

#define LIMIT (RECORD->tsc_hz / 20) /* late on the average */

/* Is it in time, a few times one after the other? */
static bool
timely(u32 rounds, u64 *late)
{
    u64 n = victim.count[0][0], sum = victim.count[0][4];

    for (u32 i = 0; i < rounds; i++)
        (void)goes_on(victim.count[0]);
    n = victim.count[0][0] - n, sum = victim.count[0][4] - sum;
    *late = n ? sum / n : ~0ull;
    return *late < LIMIT;
}

/* It goes on, what it had written is there, and of the slices of all who are there it has
 * its own in time, when the host lets it. */
void
victim_check(const char *after)
{
    u64 patience = in_ms(PATIENCE), late;
    bool good;

    CHECK(is_alive(&victim) && goes_on(victim.count[0]));
    while (!(good = timely(5, &late)) && now() < patience)
        ;
    if (!good)
        print("# %s: the victim was late by %lu us\r\n", after,
              late / (RECORD->tsc_hz / 1000000));
    CHECK(good);
    CHECK(victim.count[0][1] == 0);
}

/* Verify that the check would see a victim without time, and one whose memory somebody
 * writes. */
void
victim_can_fail(void)
{
    u64 position = INFO->cpu[0] * 64 + 40 + VICTIM_AT * 2, late, end = in_ms(PATIENCE);
    u64 slices = INFO->cap_slices[0];

    /* The victim may have woken many times more when the host lets the tester look. */
    bool seen = false;
    for (u32 i = 0; i < 20 && !seen; i++) {
        OK(AGAIN(fb_slice_set(slices, position, 0, 0, NULL)));
        u64 n = victim.count[0][0];
        pass(400);
        CHECK(victim.count[0][0] <= n + 1);
        OK(AGAIN(fb_slice_set(slices, position, victim.vcpu[0], RECORD->tsc_hz / 200, NULL)));
        seen = !timely(1, &late);
    }
    CHECK(seen);
    OK(map(0, THERE, victim.cb[0] + 1, FB_MAP_READ | FB_MAP_WRITE));
    while (victim.count[0][1] == 0 && now() < end) {
        ((volatile u64 *)THERE)[17] = 0;
        pass(1);
    }
    CHECK(victim.count[0][1] > 0);
    unmap(0, THERE, 1);
}

void
victim_end(void)
{
    u64 rounds = victim.count[0][0], late = victim.count[0][4];
    print("# the victim woke %lu times, late by %lu us on the average and %lu us at the "
          "most\r\n",
          rounds, late / (rounds + !rounds) / (RECORD->tsc_hz / 1000000),
          victim.count[0][2] / (RECORD->tsc_hz / 1000000));
    if (kchild_destroy(&victim))
        failures++;
}

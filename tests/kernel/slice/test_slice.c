/* SPDX-License-Identifier: MIT */
/* Host test of kernel/slice: the rules of slice.h, one by one and under random use. */
#include "machine.h"

#include "slice/slice.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define MS (1000 * US)

#define CPU this_cpu()

static struct fake *
make(enum habit habit, u32 position, u64 ticks)
{
    struct fake *f = fake_make(habit);
    slice_bind(CPU, position, f->v, ticks);
    return f;
}

/* Verify that one ready vCPU is not interrupted. */
static void
test_timer_when_nobody_else_is_ready_then_silent(void)
{
    machine_start(1);
    struct fake *a = make(HOG, 0, MS), *b = make(HOG, 1, MS);
    fake_start(a);
    machine_run(clock_now + 50 * MS);
    CHECK(timer_fired == 0 && a->told == 0 && fake_running() == a);
    fake_start(b);
    machine_run(clock_now + 10 * MS);
    CHECK(timer_fired > 0 && a->told > 0 && b->told > 0);
}

/* Verify that who ignores the end of its slice goes after the grace, and pays for it. */
static void
test_hog_when_slice_ends_then_forced_after_grace_and_charged(void)
{
    machine_start(2);
    struct fake *hog = make(HOG, 0, MS), *other = make(GREEDY, 1, MS);
    fake_start(hog);
    fake_start(other);
    u64 end = CPU->slice_end;
    CHECK(fake_running() == hog);
    machine_run(end);
    CHECK(hog->told == 1 && fake_running() == hog);
    machine_run(end + SLICE_GRACE_NS - 1);
    CHECK(fake_running() == hog);
    machine_run(end + SLICE_GRACE_NS);
    CHECK(fake_running() == other && CPU->slice_end == end + SLICE_GRACE_NS + MS);
    CHECK(CPU->slices[0].debt == SLICE_GRACE_NS);
    u64 from = clock_now, hog_from = slice_ran(hog->v), other_from = slice_ran(other->v);
    machine_run(from + 200 * MS);
    u64 h = slice_ran(hog->v) - hog_from, o = slice_ran(other->v) - other_from;
    CHECK(h > 99 * MS && h < 101 * MS && o > 99 * MS && o < 101 * MS);
}

/* Verify that time in which the machine stood still is not paid back for ever. */
static void
test_overrun_when_the_machine_stood_still_then_bounded(void)
{
    machine_start(11);
    struct fake *a = make(HOG, 0, MS), *b = make(HOG, 1, MS);
    fake_start(a);
    fake_start(b);
    clock_now += 10000 * MS; /* the timer is as late as that */
    machine_run(clock_now);
    CHECK(fake_running() == b && CPU->slices[0].debt == MS + SLICE_GRACE_NS);
    u64 before = slice_ran(a->v);
    machine_run(clock_now + 40 * MS);
    CHECK(slice_ran(a->v) - before > 17 * MS);
}

/* Verify that slices shorter than the grace are paid for by whole slices. */
static void
test_hog_when_slices_are_short_then_skipped(void)
{
    machine_start(3);
    struct fake *hog = make(HOG, 0, 20 * US), *other = make(GREEDY, 7, 50 * US);
    fake_start(hog);
    fake_start(other);
    machine_run(clock_now + 70 * MS);
    CHECK(hog->got > 19 * MS && hog->got < 21 * MS && other->got > 48 * MS);
}

/* Verify that an owner that wakes in its own time comes on at once, else in its turn. */
static void
test_owner_when_it_wakes_then_takes_its_own_time_only(void)
{
    machine_start(4);
    struct fake *a = make(HOG, 0, MS), *b = make(HOG, 1, MS), *c = make(HOG, 2, MS);
    fake_start(a);
    fake_start(b);
    fake_start(c);
    CHECK(fake_running() == a);
    fake_waits(NEVER);
    CHECK(fake_running() == b && CPU->slice_pos == 0 && CPU->paid_by == 1);
    machine_run(clock_now + 300 * US);
    fake_wake(a);
    CHECK(fake_running() == a && CPU->slice_pos == 0);
    fake_waits(NEVER);
    u64 start = CPU->slice_end;
    machine_run(start + 500 * US); /* b goes on: its own time follows */
    CHECK(fake_running() == b && CPU->slice_pos == 1 && b->told == 0);
    fake_wake(a);
    CHECK(fake_running() == b);
    machine_run(start + 3 * MS);
    CHECK(a->ons == 3);
}

/* Verify that a yield lends what is left of a slice, and does not move the table. */
static void
test_yield_when_owner_then_lends_the_rest(void)
{
    machine_start(5);
    struct fake *a = make(HOG, 0, MS), *b = make(HOG, 1, MS), *c = make(HOG, 2, MS);
    fake_start(a);
    fake_start(b);
    fake_start(c);
    u64 end = CPU->slice_end;
    machine_run(clock_now + 100 * US);
    fake_yields(NULL);
    CHECK(fake_running() == b && CPU->slice_pos == 0 && CPU->slice_end == end);
    fake_yields(NULL);
    CHECK(fake_running() == c && CPU->slice_pos == 0);
    fake_yields(NULL);
    CHECK(fake_running() == a && CPU->slice_pos == 0);
    fake_yields(c);
    CHECK(fake_running() == c && CPU->paid_by == 0 && CPU->slice_pos == 0);
    fake_waits(NEVER);
    CHECK(fake_running() == b);
    fake_waits(NEVER);
    CHECK(fake_running() == a);
    fake_yields(NULL);
    CHECK(fake_running() == a && CPU->slice_end == end);
}

/* Verify that what is done in time that was given is paid by who gave it. */
static void
test_yield_when_donee_overruns_then_donor_pays(void)
{
    machine_start(6);
    struct fake *a = make(HOG, 0, MS), *b = make(HOG, 1, MS);
    struct fake *server = fake_make(HOG); /* no time of its own */
    fake_start(a);
    fake_start(b);
    fake_start(server);
    CHECK(fake_running() == a);
    fake_yields(server);
    CHECK(fake_running() == server);
    machine_run(CPU->slice_end + SLICE_GRACE_NS);
    CHECK(fake_running() == b && server->told == 1);
    CHECK(CPU->slices[0].debt == SLICE_GRACE_NS && CPU->slices[1].debt == 0);
}

/* Verify that who loses its position leaves, and comes back with another one. */
static void
test_position_when_cleared_then_its_vcpu_leaves(void)
{
    machine_start(7);
    struct fake *a = make(HOG, 5, MS);
    fake_start(a);
    CHECK(fake_running() == a);
    slice_bind(CPU, 5, NULL, 0);
    kick();
    CHECK(fake_running() == NULL && a->v->positions == 0);
    slice_bind(CPU, 63, a->v, MS);
    kick();
    CHECK(fake_running() == a && a->v->positions == 1ull << 63);
    struct fake *b = fake_make(HOG);
    slice_bind(CPU, 63, b->v, MS);
    fake_start(b);
    CHECK(fake_running() == b && a->v->positions == 0 && a->v->state == VCPU_READY);
}

/* Verify that of two positions in a row the second follows without a word. */
static void
test_slice_when_next_is_the_same_vcpu_then_not_told(void)
{
    machine_start(8);
    struct fake *a = make(HOG, 0, MS), *b = make(HOG, 2, MS);
    slice_bind(CPU, 1, a->v, MS);
    fake_start(a);
    fake_start(b);
    u64 end = CPU->slice_end;
    machine_run(end + MS - 1);
    CHECK(a->told == 0 && fake_running() == a && CPU->slice_pos == 1);
    machine_run(end + MS);
    CHECK(a->told == 1);
}

/* Verify that timers and waits end when they should, and that nobody else is disturbed. */
static void
test_wait_when_deadline_comes_then_ready(void)
{
    machine_start(9);
    struct fake *a = make(HOG, 0, MS), *b = make(HOG, 1, MS);
    fake_start(a);
    fake_start(b);
    fake_waits(clock_now + 200 * US);
    CHECK(fake_running() == b);
    machine_run(clock_now + 199 * US);
    CHECK(fake_running() == b);
    machine_run(clock_now + 1 * US);
    CHECK(fake_running() == a && CPU->timed == 0);
}

/* Who is always busy gets its part of the time, whatever the others do; who is ready
 * waits for two rounds at most, unless it has to pay. */
static void
random_vector(u64 seed)
{
    u64 ticks[CPU_VCPUS_MAX] = { 0 }, round = 0, longest = 0;
    u32 positions = 0;

    machine_start(seed);
    u32 n = 2 + (u32)random_below(8), scale = random_below(3) == 0 ? 50 : 2000;
    for (u32 i = 0; i < n; i++)
        fake_make(i == 0 ? GREEDY : (enum habit)random_below(HABITS));
    for (u32 i = 0; i < n + random_below(20); i++) {
        u32 who = i < n ? i : (u32)random_below(n), at = (u32)random_below(CPU_SLICES);
        u64 t = (10 + random_below(scale)) * US;
        if (CPU->slices[at].vcpu != NULL)
            continue;
        slice_bind(CPU, at, fakes[who].v, t);
        ticks[who] += t;
        round += t;
        positions++;
    }
    for (u32 i = 0; i < n; i++)
        fake_start(&fakes[i]);
    u64 start = clock_now, rounds = 300;
    while (clock_now < start + rounds * round) {
        machine_run(clock_now + random_below(round / 2));
        struct fake *f = &fakes[random_below(n)];
        if (f->v->state == VCPU_WAITING)
            fake_wake(f);
        for (u32 i = 0; i < n; i++)
            if (ticks[i] > 0 && fakes[i].habit <= GREEDY && fakes[i].ready != NEVER &&
                clock_now - fakes[i].ready > longest)
                longest = clock_now - fakes[i].ready;
    }
    u64 slack = 2 * round + positions * (u64)SLICE_GRACE_NS;
    CHECK(longest <= slack);
    for (u32 i = 0; i < n; i++) {
        if (fakes[i].habit != GREEDY && fakes[i].habit != HOG)
            continue;
        double due = (double)ticks[i] / (double)round * (double)(clock_now - start);
        double got = (double)(slice_ran(fakes[i].v));
        if (got < due * 0.99 - (double)slack) {
            printf("# seed %llu: vCPU %u (%u positions in all) got %.0f of %.0f us\n",
                   (unsigned long long)seed, i, positions, got / 1000, due / 1000);
            CHECK(!"a guarantee was not held");
        }
    }
}

static void
test_guarantee_when_vectors_are_random_then_held(void)
{
    for (u64 seed = 1; seed <= 400; seed++)
        random_vector(seed);
}

/* Verify the rules while positions are given, taken and vCPUs die. */
static void
test_rules_when_the_vector_changes_then_hold(void)
{
    for (u64 seed = 1; seed <= 200; seed++) {
        machine_start(1000 + seed);
        for (u32 i = 0; i < 12; i++)
            fake_make((enum habit)random_below(HABITS));
        for (u32 step = 0; step < 400; step++) {
            struct fake *f = &fakes[random_below(nfakes)];
            u32 at = (u32)random_below(8) * 9 % CPU_SLICES;
            if (random_below(3) == 0)
                slice_bind(CPU, at, NULL, 0);
            else
                slice_bind(CPU, at, f->v, (10 + random_below(500)) * US);
            kick();
            if (f->v->state == VCPU_NEW)
                fake_start(f);
            else if (f->v->state == VCPU_WAITING && random_below(2))
                fake_wake(f);
            machine_run(clock_now + random_below(700) * US);
        }
    }
}

/* ---- I5 with a waker on another CPU ---- */

#define ROUNDS 50000u
static _Atomic u32 asked;

static void *
waker(void *arg)
{
    struct fake *f = arg;

    for (u32 i = 1; i <= ROUNDS; i++) {
        while (atomic_load(&asked) != i)
            ;
        while (!vcpu_wake(f->v))
            ;
    }
    return NULL;
}

/* Verify that a wake-up beside the own CPU's look is seen by the one or by the other. */
static void
test_wake_when_beside_a_look_then_not_lost(void)
{
    pthread_t thread;

    machine_start(10);
    struct fake *f = fake_make(HOG);
    slice_bind(CPU, 9, f->v, MS);
    pthread_create(&thread, NULL, waker, f);
    for (u32 i = 1; i <= ROUNDS; i++) {
        atomic_store(&f->v->state, VCPU_WAITING);
        atomic_store(&asked, i);
        if (i % 2)
            slice_bind(CPU, 9 + i % 4, f->v, MS);
        u64 looks = 0;
        while (slice_choose(CPU) == NULL && ++looks < 100000000)
            ;
        if (looks == 100000000) {
            CHECK(!"a wake-up was lost");
            exit(1);
        }
    }
    pthread_join(thread, NULL);
}

#define RUN(test)                                                                        \
    do {                                                                                 \
        unsigned before = failures;                                                      \
        test();                                                                          \
        printf("%sok - " #test "\n", failures == before ? "" : "not ");                  \
    } while (0)

int
main(void)
{
    RUN(test_timer_when_nobody_else_is_ready_then_silent);
    RUN(test_hog_when_slice_ends_then_forced_after_grace_and_charged);
    RUN(test_overrun_when_the_machine_stood_still_then_bounded);
    RUN(test_hog_when_slices_are_short_then_skipped);
    RUN(test_owner_when_it_wakes_then_takes_its_own_time_only);
    RUN(test_yield_when_owner_then_lends_the_rest);
    RUN(test_yield_when_donee_overruns_then_donor_pays);
    RUN(test_position_when_cleared_then_its_vcpu_leaves);
    RUN(test_slice_when_next_is_the_same_vcpu_then_not_told);
    RUN(test_wait_when_deadline_comes_then_ready);
    RUN(test_guarantee_when_vectors_are_random_then_held);
    RUN(test_rules_when_the_vector_changes_then_hold);
    RUN(test_wake_when_beside_a_look_then_not_lost);
    return failures != 0;
}

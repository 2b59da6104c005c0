/* SPDX-License-Identifier: MIT */
/*
 * A long random sequence of calls on three spaces and a window, against a plain model.
 *
 * After every call all tables are walked, and compared with the model (random_check.c).
 */
#include "base/cpu.h"
#include "base/epoch.h"
#include "random.h"

static void
start(void)
{
    machine_init();
    memset(model, 0, sizeof(model));
    memset(large, 0, sizeof(large));
    memset(node, 0, sizeof(node));
    machine_domain(&domain, 100);
    for (unsigned t = 0; t < SPACES; t++) {
        struct space *s;
        CHECK(space_init(&domain, 200 + 2 * t, &s) == 0);
        trees[t] = (struct tree){ s, &domain };
    }
    trees[SPACES] = (struct tree){ NULL, &domain };
    this_cpu()->libos_cr3 = space_libos_cr3(trees[0].space);
    check_all();
}

static void
end(void)
{
    domain.state = FB_DOMAIN_DYING;
    u64 cursor = 0, done;
    CHECK(space_map_run(trees[0], 0, &all, POOL, FB_MAP_READ, 1, &done) == -FB_E_DEAD);
    for (unsigned t = 0; t < TREES; t++) {
        int error;
        while ((error = space_tear_down(trees[t], &cursor)) == -FB_E_RESUME)
            ;
        CHECK(error == 0);
    }
    for (unsigned t = 0; t < SPACES; t++) {
        CHECK(space_check_empty(trees[t].space) == 0);
        space_free(trees[t].space);
    }
    frame_take_back(domain.window_frame);
    CHECK(domain.spaces == NULL && domain.nspaces == 0);
    epoch_next();
    machine_other_flushes();
    static const u64 zero[512];
    for (frame_t f = 64; f < MACHINE_FRAMES; f++) {
        if (frame_type(f) == FB_FRAME_TABLE) {
            CHECK(f >= POOL && memcmp(frame_ptr(f), zero, PAGE_SIZE) == 0);
            frame_take_back(f);
        }
        CHECK(frame_records[f].word == FB_FRAME_DATA && frame_records[f].used == 0);
    }
    CHECK(large_head(POOL, 1)->word == 0 &&
          large_head(POOL, 2)->word == 64 * LARGE_SECRET);
    /* Everything can be mapped again, the first time or after a repetition. */
    for (frame_t f = 64; f < MACHINE_FRAMES; f++) {
        int error = frame_map(f, 0, true);
        CHECK(error == 0);
    }
}

/* Verify that calls, tables, records and TLBs agree with the model after each of many
 * random calls. */
static unsigned rounds = 20;
static void
test_random_calls_agree_with_model(void)
{
    static void (*const ops[])(void) = {
        op_link,      op_link_path, op_link_path, op_map,   op_map,  op_map,  op_map,
        op_map_large, op_protect,   op_protect,   op_unmap, op_copy, op_copy, op_touch,
        op_touch,     op_touch,     op_touch,     op_share, op_share
    };
    for (unsigned round = 0; round < rounds; round++) {
        seed = 88172645463325252ull + round * 7919;
        start();
        for (unsigned step = 0; step < 500; step++) {
            if (rnd(60) == 0)
                op_evict();
            else
                ops[rnd(sizeof(ops) / sizeof(ops[0]))]();
            check_all();
            if (rnd(12) == 0)
                machine_other_flushes();
        }
        end();
    }
    printf("# tables: %u shared, %u copied, %u named, %u left, %u swept\n",
           sharing.shares, sharing.copies, sharing.adopted, sharing.lefts,
           sharing.sweeps);
    CHECK(rounds < 10 || (sharing.shares && sharing.copies && sharing.adopted &&
                          sharing.lefts && sharing.sweeps));
}

/* An argument: the number of rounds. */
int
main(int argc, char **argv)
{
    if (argc > 1)
        rounds = (unsigned)atoi(argv[1]);
    RUN(test_random_calls_agree_with_model);
    return test_failures != 0;
}

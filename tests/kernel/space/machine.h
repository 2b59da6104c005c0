/* SPDX-License-Identifier: MIT */
/*
 * A machine for host tests of frame/ and space/: memory, two CPUs with TLBs, the real
 * epochs.
 *
 * A TLB here remembers translations that a test touched until they are flushed; check_tlb
 * finds one that the own CPU should have lost, machine_stale one that another CPU still
 * has.
 */
#ifndef SPACE_TEST_MACHINE_H
#define SPACE_TEST_MACHINE_H

#include "domain/domain.h"
#include "space/space.h"

#define MACHINE_FRAMES 16384u /* 64 MiB */
#define MACHINE_TLB 256u

struct translation {
    u64 va;
    frame_t frame, pages;
    bool write, used;
};

extern u64 machine_records; /* frames that have records: MACHINE_FRAMES, or more */
extern u32 machine_cpu;     /* which CPU executes */
extern struct translation machine_tlb[2][MACHINE_TLB];
extern unsigned machine_flushes, machine_invlpgs, machine_kicks;

/* Memory, records (frames [0, 64) KERNEL, the rest DATA), both CPUs at the present epoch.
 */
void machine_init(void);
void machine_domain(struct domain *d, frame_t window);
/* The other CPU takes the IPI. */
void machine_other_flushes(void);
/* A CPU loads a translation. */
void machine_touch(u32 cpu, u64 va, frame_t frame, frame_t pages, bool write);
/* Does any CPU hold a writable translation of f? */
bool machine_stale(frame_t f);

extern unsigned test_failures;
void test_ok(bool good, const char *name);
#define CHECK(c)                                                                         \
    do {                                                                                 \
        if (!(c)) {                                                                      \
            printf("\n# %s:%d: %s\n", __FILE__, __LINE__, #c);                           \
            fflush(stdout);                                                              \
            abort();                                                                     \
        }                                                                                \
    } while (0)
#define RUN(test)                                                                        \
    do {                                                                                 \
        test();                                                                          \
        test_ok(true, #test);                                                            \
    } while (0)

#endif

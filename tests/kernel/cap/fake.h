/* SPDX-License-Identifier: MIT */
/*
 * What the host tests of cap/ put in place of the rest of the kernel: CPUs with epochs,
 * uses of capabilities that are in progress on other CPUs, undo, and a machine of domains
 * with tables.
 *
 * K1. CPU 0 makes the calls. The others look capabilities up and go on using them until
 *     they pass an epoch (use_begin, cpu_pass); uses_check compares what they read
 *     meanwhile with what they found, so an early reuse of a slot is seen.
 * K2. cap_undo fails the test if a use of the capability is in progress (P5).
 */
#ifndef KERNEL_CAP_TEST_FAKE_H
#define KERNEL_CAP_TEST_FAKE_H

#include "base/cpu.h"
#include "cap/cap.h"
#include "domain/domain.h"

#define FAKE_CPUS 3u
#define FAKE_DOMAINS 6u
#define FAKE_SLOTS 160u
#define ALL_MAY FB_AUTH(FB_CLASS_ROOT, 0xffff, 0xffff)

extern int failures; /* of the running test */
#define CHECK(c)                               \
    do {                                       \
        if (!(c)) {                            \
            fake_fail(__FILE__, __LINE__, #c); \
        }                                      \
    } while (0)
void fake_fail(const char *file, int line, const char *what);

extern struct domain fake_domain[FAKE_DOMAINS];
/* Zero all tables, each of `slots` slots. */
void fake_reset(u32 slots);
/* Make one table anew, after it was cleared. */
void fake_table_reset(u32 domain, u32 slots);
struct cap *fake_cap(u32 domain, u64 name);

/* CPUs pass an epoch when asked: at once, or when cpu_pass says so. */
extern bool epoch_auto;
void cpu_pass(u32 cpu);
void cpus_pass(void);
void use_begin(u32 cpu, struct cap *c);
void uses_check(void);
void uses_drop(const struct domain *holder);

/* undo: what it returns before it succeeds, and what it has done. */
extern u32 undo_resumes; /* RESUME this often for each capability first */
extern bool (*undo_in_use)(
    const struct cap *c); /* INUSE as long as this is true; NULL: never */
extern u64 undo_count;
extern u64 taken_count; /* entries that went to holders' records */
extern u64 undo_sum; /* of undo_hash(name before it was marked): order-free */
u64 undo_hash(const struct domain *holder, u64 slot, u64 generation);

/* Walk every tree from every slot and check T1, T2, P1, P3 and the counts. */
void check_invariants(void);

u64 random_below(u64 n);
extern u64 random_state;

#endif

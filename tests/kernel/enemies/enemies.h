/* SPDX-License-Identifier: MIT */
/*
 * Named attacks on what no argument of a call shows; each is a test of its own (attacks.c),
 * with a victim beside it that wakes each millisecond and looks at its memory.
 */
#ifndef ENEMIES_H
#define ENEMIES_H

#include "tests/kernel/ktest/ktest.h"

#define RW     (FB_MAP_READ | FB_MAP_WRITE)
#define RX     (FB_MAP_READ | FB_MAP_EXEC)
#define NONAME 0x1234567ull
#define THERE  (WINDOW_FREE + 0x300000000ull) /* where an attack maps what it needs */
#define CHILD_PROGRAM (FB_WINDOW_BASE + 0x4000000000ull) /* of a kchild: child_text */
#define CHILD_FREE    (CHILD_PROGRAM + 0x100000)         /* has its nodes */

static inline u64
last_cpu(void)
{
    return INFO->cpu[INFO->ncpus - 1];
}

/* ---- victim.c ---- */
long child_make(struct kchild *c, u64 cpu); /* with one vCPU */
u64 slots_used(void);
u64 ticks_of(const struct kchild *c);
bool is_alive(const struct kchild *c);
/* With child_script on `cpu`, as the at-th of the children that are there at once. */
void script(struct kchild *c, u32 at, u64 cpu);
volatile struct kstep *step(const struct kchild *c, u32 n, u64 call, u64 a0, u64 a1, u64 a2,
                            u64 a3, u64 a4);
/* A child with this program on this CPU; [1] of its words is `word`. */
void enemy(struct kchild *c, u32 at, u64 cpu, const u8 *program, u64 word);
void pass(u64 ms);
/* Its count goes on, in time. */
bool goes_on(const volatile u64 *count);
/* Each of `n` children on one CPU has at least half of what its slice of 5 ms promises. */
void check_fair(const struct kchild *c, u32 n);
void victim_begin(void), victim_check(const char *after), victim_can_fail(void),
    victim_end(void);

bool is_documented(u32 call, long error); /* matrix.c */

/* ---- the attacks ---- */
void attack_tables(void), attack_pins(void), attack_types(void), attack_top(void);    /* memory.c */
void attack_blocks(void), attack_entries(void), attack_state(void);                   /* control.c */
void attack_slices(void), attack_events(void), attack_lines(void), attack_full(void), /* storms.c */
    attack_endpoint(void), attack_vcpus(void), attack_names(void);
void attack_trees(void), attack_halves(void), attack_destroyed(void), attack_races(void), /* revoking.c */
    attack_many_made(void);

#endif

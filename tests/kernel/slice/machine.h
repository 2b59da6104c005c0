/* SPDX-License-Identifier: MIT */
/*
 * One CPU for the tests of kernel/slice: a clock that the test moves, a timer, and vCPUs
 * whose programs are a few numbers.  kernel/slice runs as it is; what it calls is here.
 */
#ifndef TESTS_KERNEL_SLICE_MACHINE_H
#define TESTS_KERNEL_SLICE_MACHINE_H

#include "base/cpu.h"
#include "domain/domain.h"
#include <stdbool.h>

#define US    1000ull /* the clock counts nanoseconds */
#define NEVER (~0ull)

enum habit {
    GREEDY,  /* always busy; yields soon after it is told of its slice's end */
    HOG,     /* always busy; never yields */
    SLEEPER, /* runs a while, waits a while; obeys */
    YIELDER, /* yields at random moments */
    DONOR,   /* yields to others by name at random moments */
    HABITS
};

struct fake {
    struct vcpu *v;
    struct fb_cb cb;
    enum habit habit;
    u64 act;   /* when it does something by itself */
    u64 got;   /* time that it has had, as the test saw it */
    u64 ready; /* since when it is ready and does not run; NEVER */
    u32 told;  /* ends of slices that it was told of */
    u32 ons;   /* how often it came on */
};

extern struct fake fakes[CPU_VCPUS_MAX];
extern u32 nfakes;
extern u64 clock_now, timer_at;
extern u32 timer_fired;
extern unsigned failures;
#define CHECK(c) ((c) ? (void)0 : machine_failed(__FILE__, __LINE__, #c))

void machine_failed(const char *file, int line, const char *what);
void machine_start(u64 seed);
struct fake *fake_make(enum habit habit);
void fake_start(struct fake *f);
struct fake *fake_running(void); /* NULL: idle */
void fake_waits(u64 deadline);   /* the running one */
void fake_yields(struct fake *to);
void fake_wake(struct fake *f); /* as another CPU does: the kick's handler runs */
void kick(void);
/* Let time pass up to `until`; the habits act. Rules are checked after each event. */
void machine_run(u64 until);
u64 random_below(u64 n);

#endif

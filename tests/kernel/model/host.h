/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the model's host have in common: host.c (the machine, worlds,
 * sequences) and host_thread.c (vCPUs that call, receive and reply).
 */
#ifndef TESTS_MODEL_HOST_H
#define TESTS_MODEL_HOST_H

#include "base/cpu.h"
#include "domain/domain.h"
#include "tests/kernel/model/model.h"

#define CPUS   4u
#define MEMORY 1024u /* frames */
/* The threads' frames, which are in no world. */
#define THREAD_FRAMES (FB_VCPU_FRAMES + FB_CB_FRAMES)
#define THREADS_LO    128u
#define THREADS_HI    (THREADS_LO + CPUS * DOMS * THREAD_FRAMES)

/* ---- host.c ---- */
extern u32 now_cpu; /* on which the next call is made */
void others(void);  /* all CPUs pass a quiet point */
struct domain *domain_of(const struct world *w, int dom);
u32 world_index(const struct world *w);

/* ---- host_thread.c ---- */
/* T1. Between calls no thread is RUNNING: who would go on is READY, and has its
 * registers. T2. A thread that was woken looks whether its wait is over when the host
 * says so, not at once: meanwhile it can be called or replied to (ipc.h, I2). */
void threads_reset(void);
/* Domains that came or went have a thread, or none. */
void threads_follow(const struct world *w);
/* One call of a thread's on its CPU, which is now_cpu.  The error that it came back with;
 * 0: it was done, or waits. */
long thread_call(struct world *w, const struct call *c);
/* Has it passed the capability that it was to pass with its call? */
bool thread_passed(const struct world *w, const struct call *c);
/* Each thread that was woken, if `lot` says so, looks. */
void threads_look(const struct world *w, u64 lot);
/* Nobody waits who has a reason not to. */
bool threads_awake(const struct world *w);
enum thread_state host_thread(struct world *w, int dom, struct mresult *out);
void host_rouse(struct world *w, int dom, fb_u64 events);
void host_clock(struct world *w);
/* How often what came about: for the report. */
enum thread_count {
    N_CALLED,
    N_REPLIED,
    N_PASSED,
    N_BUSY,
    N_STATE,
    N_DEAD,
    N_TIMEOUT,
    N_EVENT,
    N_COUNTS
};
extern u64 thread_counts[N_COUNTS];

#endif

/* SPDX-License-Identifier: MIT */
/* What the tests of endpoints share: children that run scripts of steps, and waits that
 * give up only after PATIENCE. */
#ifndef KTEST_IPC_H
#define KTEST_IPC_H

#include "tests/kernel/ktest/ktest.h"

#include <sdk/ipc.h>

#define ALL_BUT(right) (FB_AUTH_ALL & ~FB_AUTH(0, 0, FB_RIGHT_##right))
#define SEND           FB_AUTH(FB_CLASS_ROOT, FB_KIND_IPC_SEND, 0xffff)
#define RECEIVE        FB_AUTH(FB_CLASS_ROOT, FB_KIND_IPC_RECV, 0xffff)
#define NONAME         0x1234567ull
#define CPU0           ((const u64[]){ 0, 0 })

extern u64 home; /* the CPU of the children that are started */

u64 kt_endpoint(u64 frame);
/* Have vCPU i of c make this call as its step n. */
volatile struct kstep *kid_step(const struct kchild *c, u32 i, u32 n, u64 call, u64 a0,
                                u64 a1, u64 m0);
/* Step n waits for ever. */
void kid_stop(const struct kchild *c, u32 i, u32 n);
struct fb_cb *kid_cb(const struct kchild *c, u32 i);
/* Call as soon as somebody is there. */
long kt_call(u64 e, u64 deadline, u64 m0, struct ipc_message *m);
/* Until somebody waits there: a call that passes what is not taken enters nobody. */
void kt_await(u64 e);
/* The end of a slice is not what the tests look for. */
long kt_receive(u64 e, u64 deadline, struct ipc_message *m);
void kid_start(struct kchild *c, u32 nvcpus, u32 at);

/* ipc_ends.c */
void ipc_ended(void), ipc_woken(u64 e), ipc_given_away(u64 e), ipc_across(void),
    ipc_in_whose_time(u64 e);

#endif

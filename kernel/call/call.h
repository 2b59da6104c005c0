/* SPDX-License-Identifier: MIT */
/*
 * Exokernel calls: each handler decodes (looks names up, checks every argument), then
 * commits. rax and rdx carry error and value.  Handlers run with interrupts off on the
 * caller's CPU.
 */
#ifndef KERNEL_CALL_CALL_H
#define KERNEL_CALL_CALL_H

#include "base/cpu.h"
#include "domain/domain.h"
#include "space/space.h"

struct ret {
    int64_t error;
    u64 value;
};
#define RET(e, v) ((struct ret){ .error = (e), .value = (v) })
#define ERR(e)    RET(e, 0)

static inline struct vcpu *
caller_vcpu(void)
{
    return this_cpu()->current;
}
static inline struct domain *
caller(void)
{
    return caller_vcpu()->domain;
}

#define NEED(class_unused, kind, right) FB_AUTH(0, FB_KIND_##kind, FB_RIGHT_##right)

/* Look a name up in the caller's table. */
static inline int
find(u64 name, u32 type, u64 need, struct cap **out)
{
    return cap_lookup(&caller()->table, name, type, need, out);
}

/* Part of the caller's buffer (kernel mapping), or NULL. */
void *buffer_at(u64 offset, u64 bytes, u64 align);
_Static_assert(FB_RIGHT_READ == FB_MAP_READ && FB_RIGHT_WRITE == FB_MAP_WRITE &&
                   FB_RIGHT_EXEC == FB_MAP_EXEC,
               "find_frames");
/* A MEMORY capability of the caller `by` as an interval of frames. */
static inline MUST_CHECK int
find_frames(struct domain *by, u64 name, u64 need, struct frames *out, struct cap **cap)
{
    struct cap *c;
    int error = cap_lookup(&by->table, name, FB_TYPE_MEMORY,
                           need | FB_AUTH(0, FB_KIND_MEMORY_PHYS, 0), &c);
    if (error)
        return error;
    u64 rights = c->may.auth >> 32;
    *out = (struct frames){
        .lo = c->may.lo,
        .hi = c->may.hi,
        .rights = (u32)rights & (FB_MAP_READ | FB_MAP_WRITE | FB_MAP_EXEC),
    };
    if (cap)
        *cap = c;
    return 0;
}
/* DOMAIN by name, 0: the caller itself. */
int find_domain(u64 name, u64 need, struct domain **out, struct cap **cap) MUST_CHECK;
/* The tree that a name of the caller `by` and an address denote: SPACE (lower half), DOMAIN
 * or 0 (window). */
static inline MUST_CHECK int
find_tree(struct domain *by, u64 name, u64 va, struct tree *out)
{
    struct cap *c;

    if (va >= FB_WINDOW_BASE) {
        out->space = NULL;
        return find_domain(name, FB_AUTH(0, FB_KIND_HARDWARE, FB_RIGHT_MAP), &out->domain,
                           NULL);
    }
    int error = cap_lookup(&by->table, name, FB_TYPE_SPACE, NEED(0, MEMORY_VIRT, MAP), &c);
    if (error)
        return error;
    out->space = c->object;
    out->domain = out->space->domain;
    return 0;
}
/* lo <= [at, at + n) <= hi without wrap. */
static inline bool
within(u64 at, u64 n, u64 lo, u64 hi)
{
    return n != 0 && at >= lo && at < hi && n <= hi - at;
}

/* What a capability allows, for its holder or maker to read. */
static inline struct fb_cap_info
cap_info(const struct cap *c)
{
    return (struct fb_cap_info){
        .auth = c->may.auth,
        .lo = c->may.lo,
        .hi = c->may.hi,
        .type = cap_type(c),
        .children = c->child != NULL,
    };
}

typedef struct ret (*call_fn)(u64, u64, u64, u64, u64, u64);
extern const call_fn call_table[];
#define CALL(number, name, args)                                                         \
    struct ret call_##name(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);
#include <kernel/calls.inc>
#undef CALL

#endif

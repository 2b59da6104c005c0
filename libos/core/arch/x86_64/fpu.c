/* SPDX-License-Identifier: MIT */
/*
 * The user's vector state and segment bases. SDM vol. 1, 13 (XSAVE), vol. 1, 10.5
 * (FXSAVE).
 *
 * The state of the current thread is live in the CPU; it is written to the thread's page
 * when the thread leaves the CPU, and loaded
 * only if another one's was loaded there since, or it was elsewhere (lcpu->fpu_owner and
 * thread->fpu_cpu agree otherwise).
 */
#include "core/fpu.h"

#include <cpuid.h>

#include <sdk/stubs.h>

#include "core/arch/x86_64/arch.h"
#include "core/error.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/string.h"
#include "core/usercopy.h"

#define LEGACY_BYTES 512u
#define HEADER_BYTES 64u
#define MXCSR_DEFAULT 0x1f80u
#define FCW_DEFAULT 0x037fu
#define SMALL_FEATURES 0xe7ull /* x87, SSE, AVX, AVX-512: what fits one page */

#define FEATURE_AVX 4ull
#define FEATURE_ZMM 0x40ull
#define LEAF_XGETBV1 4u /* CPUID leaf 0xd, subleaf 1, eax: XGETBV tells XINUSE */

static u64 features; /* 0: FXSAVE */
static u32 area_bytes = LEGACY_BYTES;
static bool has_fsgsbase;
/* Bytes of the area that no component of `features` has: XSAVE leaves them as they are,
 * and signal frames show the whole area, so they are cleared once. */
#define GAPS_MAX 8
static struct {
    u32 from, bytes;
} gaps[GAPS_MAX];
static u32 gap_count;

/* Offsets and sizes of the components: SDM vol. 1, 13.5 (CPUID leaf 0xd). */
static void
find_gaps(void)
{
    u32 at = LEGACY_BYTES + HEADER_BYTES;
    while (at < area_bytes) {
        u32 next = area_bytes, end = area_bytes;
        for (u32 i = 2; i < 63; i++) {
            u32 bytes, from, c, d;
            if (!(features >> i & 1))
                continue;
            __cpuid_count(0xd, i, bytes, from, c, d);
            if (from >= at && from < next) {
                next = from;
                end = from + bytes;
            }
        }
        ASSERT(next == at || gap_count < GAPS_MAX);
        if (next > at) {
            gaps[gap_count].from = at;
            gaps[gap_count++].bytes = next - at;
        }
        at = end;
    }
}

void
fpu_start(void)
{
    const struct fb_record *r = machine_record;
    has_fsgsbase = r->features & FB_FEATURE_FSGSBASE;
    if (!(r->features & FB_FEATURE_XSAVE))
        return;
    features = r->xcr0;
    area_bytes = (u32)r->xsave_bytes;
    if (r->xsave_bytes > PAGE_SIZE) {
        features &= SMALL_FEATURES;
        area_bytes = PAGE_SIZE;
    }
    find_gaps();
    u32 a, b, c, d;
    __cpuid_count(0xd, 1, a, b, c, d);
    if (features & FEATURE_AVX)
        memory_wide = a & LEAF_XGETBV1 ? 2 : (features & FEATURE_ZMM) == 0;
}

u32
fpu_bytes(void)
{
    return area_bytes;
}

u64
fpu_features(void)
{
    return features;
}

static inline void
state_save(void *area)
{
    if (features)
        __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"((u32)features),
                         "d"((u32)(features >> 32)) : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

static inline void
state_load(const void *area)
{
    if (features)
        __asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"((u32)features),
                         "d"((u32)(features >> 32)) : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

static inline void
bases_save(struct thread *t)
{
    if (!has_fsgsbase)
        return; /* then only fpu_set_* changes them */
    __asm__ volatile("rdfsbase %0" : "=r"(t->fs_base));
    __asm__ volatile("rdgsbase %0" : "=r"(t->gs_base));
}

static inline void
bases_load(const struct thread *t)
{
    if (has_fsgsbase) {
        __asm__ volatile("wrfsbase %0" : : "r"(t->fs_base));
        __asm__ volatile("wrgsbase %0" : : "r"(t->gs_base));
    } else {
        fb_set_base(0, t->fs_base, NULL);
        fb_set_base(1, t->gs_base, NULL);
    }
}

void
fpu_init_state(void *area)
{
    /* XSTATE_BV = 0: all else loads its initial values */
    memset(area, 0, LEGACY_BYTES + HEADER_BYTES);
    for (u32 i = 0; i < gap_count; i++)
        memset((u8 *)area + gaps[i].from, 0, gaps[i].bytes);
    *(u16 *)area = FCW_DEFAULT;
    *(u32 *)((u8 *)area + 24) = MXCSR_DEFAULT;
}

void
fpu_save(struct thread *t)
{
    /* XSAVE leaves the header's reserved bytes as they are; a fresh page must have them
     * zero: fpu_init_state did. */
    state_save(t->fpu);
    bases_save(t);
}

void
fpu_load(struct thread *t)
{
    state_load(t->fpu);
    bases_load(t);
    t->cpu->fpu_owner = t;
    t->fpu_cpu = t->cpu;
}

/* A fault in user memory, or a state that the processor refuses, goes on at `fault`. */
int
fpu_save_user(u64 at)
{
    if (features == 0)
        return -E_FAULT;
    __asm__ goto("1: xsave64 (%0)\n\t" USER_FIXUP("1b", "%l[fault]")
                 : : "r"(at), "a"((u32)features), "d"((u32)(features >> 32))
                 : "memory" : fault);
    return 0;
fault:
    return -E_FAULT;
}

int
fpu_load_user(u64 at)
{
    if (features == 0)
        return -E_FAULT;
    __asm__ goto("1: xrstor64 (%0)\n\t" USER_FIXUP("1b", "%l[fault]")
                 : : "r"(at), "a"((u32)features), "d"((u32)(features >> 32))
                 : "memory" : fault);
    return 0;
fault:
    return -E_FAULT;
}

void
fpu_reset(struct thread *t)
{
    fpu_init_state(t->fpu);
    t->fs_base = t->gs_base = 0;
    fpu_load(t);
}

bool
fpu_valid(void *area)
{
    u32 *mxcsr = (u32 *)((u8 *)area + 24);
    *mxcsr &= 0xffffu;
    if (!features)
        return true;
    u64 *header = (u64 *)((u8 *)area + LEGACY_BYTES);
    if (header[0] & ~features)
        return false;
    /* XCOMP_BV and reserved: XRSTOR faults if not zero */
    for (unsigned i = 1; i < HEADER_BYTES / 8; i++)
        if (header[i])
            return false;
    return true;
}

void
fpu_fork(struct thread *child)
{
    state_save(child->fpu);
    struct thread *t = thread_current();
    bases_save(t);
    child->fs_base = t->fs_base;
    child->gs_base = t->gs_base;
}

void
fpu_set_fs(struct thread *t, u64 base)
{
    t->fs_base = base;
    if (has_fsgsbase)
        __asm__ volatile("wrfsbase %0" : : "r"(base));
    else
        fb_set_base(0, base, NULL);
}

void
fpu_set_gs(struct thread *t, u64 base)
{
    t->gs_base = base;
    if (has_fsgsbase)
        __asm__ volatile("wrgsbase %0" : : "r"(base));
    else
        fb_set_base(1, base, NULL);
}

u64
fpu_get_fs(struct thread *t)
{
    bases_save(t);
    return t->fs_base;
}

u64
fpu_get_gs(struct thread *t)
{
    bases_save(t);
    return t->gs_base;
}

void
machine_user_leave(struct thread *from)
{
    struct user_frame *f = thread_frame(from);
    fpu_save(from);
    if (f->orig_rax != ~0ull) { /* G2 of entry.S */
        f->rip = from->cb->user_rip;
        f->rflags = from->cb->user_rflags;
        f->rsp = from->cb->user_rsp;
    }
}

u64
machine_user_rsp(const struct thread *t)
{
    return t->cb->user_rsp;
}

void
machine_user_moved(struct thread *t, const struct user_frame *f)
{
    t->cb->user_rip = f->rip; /* for the gate's return (entry.S) */
    t->cb->user_rflags = f->rflags;
    t->cb->user_rsp = f->rsp;
}

void
machine_user_enter(struct thread *to)
{
    struct lcpu *c = to->cpu;
    struct fb_cb *cb = to->cb;
    struct user_frame *f = thread_frame(to);
    cb->entry_rsp = (u64)f;
    cb->user_rip = f->rip; /* for the gate's return (entry.S) */
    cb->user_rflags = f->rflags;
    cb->user_rsp = f->rsp;
    if (c->fpu_owner != to || to->fpu_cpu != c) {
        state_load(to->fpu);
        c->fpu_owner = to;
        to->fpu_cpu = c;
    }
    bases_load(to);
}

/* SPDX-License-Identifier: MIT */
/*
 * The per-CPU area: 64 KiB of kernel addresses, CPU_AREA_BASE + cpu * CPU_AREA_SIZE,
 * aligned to its size.
 *
 *   +0x0000  entry stub: this CPU's copy of the `syscall` entry code, executable,
 * read-only +0x1000  struct cpu: read-write, no-execute; the stub reaches it rip-relative
 *   +0x3000  guard (absent)
 *   +0x4000  stacks for NMI, #DF, #MC, #DB (4 KiB each; tops at +0x5000, 0x6000, 0x7000,
 * 0x8000) +0x8000  guard (absent) +0xc000  the kernel stack, 16 KiB; its top is the end
 * of the area
 *
 * C1. Code on the kernel stack finds its struct cpu by masking rsp: no segment register
 * is the kernel's. C2. The fields up to `stub_end` are at fixed offsets that entry.S uses
 * (static_assert in domain/vcpu.c). [o] written by the own CPU only, with interrupts off;
 * [a] atomic, by anybody; [I] fixed after start-up.
 */
#ifndef KERNEL_BASE_CPU_H
#define KERNEL_BASE_CPU_H

#include "base/types.h"

#define CPU_AREA_BASE   0xffffffffc0000000ull
#define CPU_AREA_SIZE   0x10000ull
#define CPU_DATA_OFFSET 0x1000ull
#define CPU_VCPUS_MAX   64u
#define CPU_SLICES      64u

struct vcpu;

struct slice {
    struct vcpu *_Atomic vcpu; /* [a] */
    u64 ticks;                 /* [a] written before vcpu is set */
    u32 by;                    /* id of the domain that set it; tree lock */
    u64 debt; /* [o] ticks by which what ran on its account overran: off its next time */
    const struct vcpu *debtor; /* [o] whose debt that is; only compared */
};

struct cpu {
    /* Hot: used by entry.S. */
    u64 scratch;      /* 0x00 [o] */
    struct fb_cb *cb; /* 0x08 [o] control block of the current vCPU */
    u64 gate_rip;     /* 0x10 [o] where system calls enter the LibOS */
    u64 user_cr3;     /* 0x18 [o] roots of the current space */
    u64 libos_cr3;    /* 0x20 [o] */
    u64 stack_top;    /* 0x28 [I] */
    /* Cold. */
    struct vcpu *current; /* 0x30 [o] NULL: idle */
    struct vcpu *_Atomic
        fpu_owner; /* [a] whose vector state is in the registers; others only clear it */
    struct vcpu *_Atomic
        charged;   /* [a] whose the time since `since` is; others only clear it */
    u32 gate;      /* [o] FB_GATE_* of the `syscall` entry that is selected */
    u32 id;        /* [I] */
    u32 apic_id;   /* [I] */
    _Atomic u32 online; /* [a] */
    _Atomic u32 idle;   /* [a] runs on the kernel root and holds no Ring 3 translation */
    u64 armed;          /* [o] TSC deadline of the local timer */
    u64 slice_end;      /* [o] ~0: none */
    u64 since;          /* [o] up to when time has been added up */
    u64 timed;          /* [o] slots of `vcpus` that may wait for a time */
    _Atomic u64 filled; /* [a] positions that have a vCPU; tree lock */
    _Atomic u64 ready;  /* [a] positions whose vCPU may be ready (I5) */
    u32 slice_pos;      /* [o] whose time it is */
    u32 paid_by;        /* [o] the position on whose account the current vCPU runs */
    struct vcpu *payer; /* [o] whose that was; only compared, it may be gone */
    struct vcpu *donee; /* [o] who is to run next, of a yield under way */
    u8 lent;            /* [o] whose account it is has lent the time to the current vCPU */
    u8 given;           /* [o] the owner of slice_pos has given the rest of it away */
    u8 contended;       /* [o] somebody waits for the end of this slice */
    u8 force;           /* [o] the grace of the ended slice is running */
    u32 resched; /* [o] look at the time-table before returning to Ring 3 */
    u64 calls;   /* [o] number of the last call between vCPUs of this CPU */
    _Atomic u64
        epoch; /* [a] last epoch seen: flushed and quiet; mirrors fb_record.cpu[].epoch */
    struct slice slices[CPU_SLICES];
    struct vcpu *_Atomic vcpus[CPU_VCPUS_MAX]; /* [a] bound to this CPU */
    u64 tss[16];                               /* [I] 104 bytes used */
    u64 gdt[8];                                /* [I] */
};
_Static_assert(sizeof(struct cpu) <= 0x2000, "struct cpu fits its two pages");

#ifndef FB_HOST
static inline struct cpu *
this_cpu(void)
{
    u64 rsp;
    __asm__("mov %%rsp, %0" : "=r"(rsp));
    return (struct cpu *)((rsp & ~(CPU_AREA_SIZE - 1)) + CPU_DATA_OFFSET);
}
static inline struct cpu *
cpu_by_id(u32 id)
{
    return (struct cpu *)(CPU_AREA_BASE + id * CPU_AREA_SIZE + CPU_DATA_OFFSET);
}
#else
struct cpu *this_cpu(void);
struct cpu *cpu_by_id(u32 id);
#endif

extern u32 cpu_count;            /* [I] */
extern struct fb_record *record; /* the kernel's mapping of the public record */

#endif

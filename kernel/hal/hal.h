/* SPDX-License-Identifier: MIT */
/*
 * What the rest of the kernel asks of the machine.  hal/x86_64 implements it; all
 * assembly, registers and hardware tables are there.  Unless said otherwise: called with
 * interrupts off, on the own CPU, bounded and short.
 */
#ifndef KERNEL_HAL_HAL_H
#define KERNEL_HAL_HAL_H

#include "base/types.h"

#define HAL_VECTOR_IRQ   32 /* 32..: GSI n is vector 32 + n, up to HAL_IRQS */
#define HAL_IRQS         96u
#define HAL_VECTOR_TIMER 0xf0
#define HAL_VECTOR_KICK  0xf1 /* IPI: look at pending events, flush, pass a quiet point  \
                               */
#define HAL_VECTOR_STOP     0xf2 /* IPI: panic elsewhere: halt */
#define HAL_VECTOR_SPURIOUS 0xff

#ifndef FB_HOST
static inline u64
hal_tsc(void)
{
    u32 lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return lo | (u64)hi << 32;
}
static inline void
hal_cr3_write(u64 value)
{
    __asm__ volatile("mov %0, %%cr3" ::"r"(value) : "memory");
}
static inline u64
hal_cr3_read(void)
{
    u64 value;
    __asm__ volatile("mov %%cr3, %0" : "=r"(value));
    return value;
}
static inline u64
hal_cr2_read(void)
{
    u64 value;
    __asm__ volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}
static inline void
hal_invlpg(u64 va)
{
    __asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
}
#else
u64 hal_tsc(void);
void hal_cr3_write(u64 value);
u64 hal_cr3_read(void);
u64 hal_cr2_read(void);
void hal_invlpg(u64 va);
#endif
static inline void
hal_pause(void)
{
    __asm__ volatile("pause");
}

extern u64 hal_kernel_cr3; /* root without Ring 3 entries, for idle CPUs */

/* Write the kernel's top-level entries into a new root (the upper 256 entries but the
 * window's). */
void hal_root_init(u64 *root);

/* Local one-shot timer of this CPU: an interrupt HAL_VECTOR_TIMER at or soon after `tsc`;
 * ~0 disarms. */
void hal_timer_arm(u64 tsc);
void hal_eoi(void);
/* Interprocessor interrupt with HAL_VECTOR_KICK; never waits for the other CPU. */
void hal_kick(u32 cpu);
/* Enable interrupts and halt until one has been handled, atomically; returns with
 * interrupts off. */
void hal_idle(void);

/* Interrupt lines.  -FB_E_NODEV: no such line.  flags: FB_IRQ_*; 0: as the firmware
 * tables say. */
int hal_irq_setup(u32 gsi, u32 cpu, u32 flags) MUST_CHECK;
void hal_irq_mask(u32 gsi);
void hal_irq_unmask(u32 gsi);

u32 hal_port_in(u16 port, unsigned width);
void hal_port_out(u16 port, unsigned width, u32 value);
void hal_port_write(u16 port, const void *bytes, u64 count); /* rep outsb */

/* What the kernel itself never uses: FS, GS and vector state, by XSAVE where present, FXSAVE
 * else; `fpu` is hal_fpu_bytes long. */
struct hal_state {
    u64 fs_base, gs_base;
    _Alignas(64) u8 fpu[];
};
extern u32 hal_fpu_bytes;
void hal_fpu_init(void *area); /* the state after FNINIT, MXCSR default */
void hal_state_save(struct hal_state *to);
void hal_state_load(const struct hal_state *from);
#ifndef FB_HOST
/* Before the bases are loaded: a selector clears its base. */
#define HAL_SELECTORS_CLEAR(zero)                                                        \
    "mov " zero ", %%ds\n\tmov " zero ", %%es\n\tmov " zero ", %%fs\n\tmov " zero       \
    ", %%gs\n\t"
extern bool hal_state_fast; /* [I] the CPUs have XSAVE and FSGSBASE */
/* The state in the CPU to `old`, and `new`'s into it.  Segment selectors are not kept: one
 * that a program has loaded would be seen by the next. */
static inline void
hal_state_switch(struct hal_state *old, const struct hal_state *new)
{
    if (!hal_state_fast) {
        hal_state_save(old);
        hal_state_load(new);
        return;
    }
    __asm__ volatile("rdfsbase %%rcx\n\tmov %%rcx, (%0)\n\t"
                     "rdgsbase %%rcx\n\tmov %%rcx, 8(%0)\n\t"
                     "xor %%ecx, %%ecx\n\t" HAL_SELECTORS_CLEAR("%%ecx")
                     "xsave64 64(%0)\n\txrstor64 64(%1)\n\t"
                     "mov (%1), %%rcx\n\twrfsbase %%rcx\n\t"
                     "mov 8(%1), %%rcx\n\twrgsbase %%rcx" ::"r"(old),
                     "r"(new), "a"(~0u), "d"(~0u)
                     : "rcx", "memory");
}
#else
void hal_state_switch(struct hal_state *old, const struct hal_state *new);
#endif
void hal_set_fs_base(u64 value);
void hal_set_gs_base(u64 value);
void hal_debug_clear(void); /* DR7 = 0 */

/* Choose the `syscall` entry of this CPU: one with a view switch, or the direct one. */
void hal_gate_select(bool direct);

/* Random 64 bits: RDRAND where present, mixed with counters' jitter. */
u64 hal_entropy(void);
/* FB_POWER_*: returns only -FB_E_NODEV. */
int hal_power(unsigned op);
void hal_console_write(const char *bytes, u64 count);
/* This CPU stops for good (the handler of HAL_VECTOR_STOP); all others are told to. */
NORETURN void hal_stop(void);
void hal_stop_others(void);

/* Load all registers and iretq. */
NORETURN void hal_load(const struct fb_regs *regs);
/* To the LibOS view by sysretq: rip, rflags, rsp and the preserved registers of regs, and
 * these; all others are zero. */
#ifndef FB_HOST
static INLINE void
hal_enter(const struct fb_regs *regs, int64_t rax, u64 rdi, u64 rdx, u64 r10, u64 r8,
          u64 r9)
{
    register u64 in_r10 __asm__("r10") = r10;
    register u64 in_r8 __asm__("r8") = r8;
    register u64 in_r9 __asm__("r9") = r9;
    __asm__ volatile("jmp entered" ::"S"(regs), "a"(rax), "D"(rdi), "d"(rdx), "r"(in_r10),
                     "r"(in_r8), "r"(in_r9)
                     : "memory");
}
#else
void hal_enter(const struct fb_regs *regs, int64_t rax, u64 rdi, u64 rdx, u64 r10, u64 r8,
               u64 r9);
#endif
/* The same, to the user view, of registers that nobody has looked at: rip and rflags are
 * clamped, the segments are constants, each word is read once. */
NORETURN void hal_load_user(const struct fb_regs *regs);

/* Segment selectors, fixed (the order is SYSRET's). */
#define HAL_KERNEL_CS   0x08
#define HAL_KERNEL_SS   0x10
#define HAL_USER_SS     (0x18 | 3)
#define HAL_USER_CS     (0x20 | 3)
#define HAL_TSS         0x28
#define HAL_RFLAGS_USER 0x240dd5ull /* CF PF AF ZF SF TF DF OF AC ID; SDM vol. 1, 3.4.3  \
                                     */
#define HAL_RFLAGS_FIXED 0x202ull   /* IF and bit 1 */

#endif

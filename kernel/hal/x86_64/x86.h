/* SPDX-License-Identifier: MIT */
/* Private to hal/x86_64: registers and their bits (SDM vol. 3, 4); what its files share.
 */
#ifndef KERNEL_HAL_X86_64_X86_H
#define KERNEL_HAL_X86_64_X86_H

#include "base/cpu.h"
#include "base/types.h"
#include "hal/hal.h"
#include "hal/hal_boot.h"

#define KERNEL_BASE 0xffffffff80000000ull
#define DEVICE_BASE 0xffffffffe0000000ull

#define PTE_P        0x1ull
#define PTE_W        0x2ull
#define PTE_UNCACHED 0x18ull /* PCD | PWT: entry 3 of the PAT at reset is UC */
#define PTE_AD       0x60ull /* accessed, dirty: from the start, so no write by the CPU */
#define PTE_LARGE    0x80ull
#define PTE_NX       (1ull << 63)
#define PTE_ADDR     0x000ffffffffff000ull

#define MSR_APIC_BASE         0x1bu
#define MSR_ARCH_CAPABILITIES 0x10au
#define MSR_SYSENTER_CS       0x174u
#define MSR_EFER              0xc0000080u
#define MSR_STAR              0xc0000081u
#define MSR_LSTAR             0xc0000082u
#define MSR_CSTAR             0xc0000083u
#define MSR_FMASK             0xc0000084u
#define MSR_FS_BASE           0xc0000100u
#define MSR_GS_BASE           0xc0000101u
#define MSR_KERNEL_GS_BASE    0xc0000102u

#define EFER_SCE       (1ull << 0)
#define EFER_LME       (1ull << 8)
#define EFER_NXE       (1ull << 11)
#define CR0_RUN        0x80050033ull /* PG AM WP NE ET MP PE; caches on */
#define CR4_PAE        (1ull << 5)
#define CR4_MCE        (1ull << 6)
#define CR4_OSFXSR     (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_UMIP       (1ull << 11)
#define CR4_FSGSBASE   (1ull << 16)
#define CR4_OSXSAVE    (1ull << 18)
#define CR4_SMEP       (1ull << 20)
#define CR4_SMAP       (1ull << 21)

struct cpuid {
    u32 a, b, c, d;
};

static inline struct cpuid
cpuid(u32 leaf, u32 sub)
{
    struct cpuid r;
    __asm__ volatile("cpuid"
                     : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
                     : "0"(leaf), "2"(sub));
    return r;
}
static inline u64
msr_read(u32 msr)
{
    u32 lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return lo | (u64)hi << 32;
}
static inline void
msr_write(u32 msr, u64 value)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((u32)value), "d"((u32)(value >> 32))
                     : "memory");
}
static inline u8
inb(u16 port)
{
    u8 v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline void
outb(u16 port, u8 v)
{
    __asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}
static inline void *
phys_ptr(u64 address)
{
    return (void *)(PHYSMAP_BASE + address);
}

/* cpu.c */
extern u64 cpu_features; /* [I] FB_FEATURE_* */
/* On the CPU's own stack: tables, control registers, system-call entry, vector state. */
void cpu_setup(u32 id);

/* paging.c: map the pages of a device's registers uncached; NULL: no room. */
volatile void *device_map(u64 address, u64 bytes);

/* apic.c */
void apic_setup(void); /* this CPU's local APIC */
void apic_send(u32 apic_id, u32 command);
extern volatile u32 *apic_registers; /* [I] NULL until mapped */

/* clock.c */
u64 clock_tsc_hz(void); /* never 0 */

/* power.c: map the registers that end the machine. */
void power_setup(void);

/* ioapic.c */
void ioapic_setup(void);

/* acpi.c: what the firmware's tables said. [I] after hal_boot_firmware */
struct register_at { /* generic address: space 0 memory, 1 port */
    u8 space, width;
    u64 address;
    volatile u8 *mapped;
};
struct machine {
    u8 apic_id[FB_CPUS_MAX]; /* by CPU number; the bootstrap CPU is 0 */
    u64 apic_base;
    u32 ioapics;
    struct {
        u64 base;
        u32 gsi;
    } ioapic[8];
    u8 line[HAL_IRQS]; /* FB_IRQ_LEVEL, FB_IRQ_LOW by GSI */
    u16 smi_port, pm1a, pm1b, pm_timer;
    u8 acpi_enable;
    bool reset_valid, reduced, sleep_valid;
    struct register_at reset, sleep;
    u8 reset_value, sleep_a, sleep_b; /* SLP_TYP of S5 */
};
extern struct machine machine;

/* start.S */
extern u64 early_pml4[512];
extern u8 trampoline_start[], trampoline_end[];
extern u8 smp_by_apic_id[256]; /* CPU number; 0xff: not ours */
NORETURN void start_on_stack(u64 top, void (*next)(void));
void ap_main(u32 id); /* smp.c */
void boot_main(u64 start_info);

/* entry.S */
extern const u64 trap_vectors[256];
extern u8 trap_clac[];
extern const u8 stub_start[], stub_end[], stub_entry_views[], stub_entry_direct[];

#endif

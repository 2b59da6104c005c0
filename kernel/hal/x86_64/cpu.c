/* SPDX-License-Identifier: MIT */
/*
 * One CPU: its features, descriptor tables, control registers, system-call entry and
 * vector state.
 *
 * U1. Every CPU runs with the same CR0, CR4, EFER, FMASK and XCR0.
 * U2. The interrupt table is shared; it is written once, before any other CPU runs.
 */
#include "base/epoch.h"
#include "base/panic.h"
#include "hal/x86_64/x86.h"

#define IST_NMI           1
#define IST_DOUBLE_FAULT  2
#define IST_MACHINE_CHECK 3
#define IST_DEBUG         4
/* Cleared on `syscall`: TF, IF, DF, IOPL, NT, RF, AC. */
#define FMASK 0x57700ull

struct gate {
    u16 offset_0;
    u16 selector;
    u8 ist;
    u8 type;
    u16 offset_16;
    u32 offset_32;
    u32 zero;
};
struct table_pointer {
    u16 limit;
    u64 base;
} __attribute__((packed));

u64 cpu_features;
u32 hal_fpu_bytes = 512;
bool hal_state_fast;
u32 cpu_count = 1;
static struct gate idt[256] __attribute__((aligned(4096)));
static u64 cr4_run;
static u64 xcr0_run;

static void
idt_fill(void)
{
    static const u8 ist[32] = {
        [1] = IST_DEBUG, [2] = IST_NMI, [8] = IST_DOUBLE_FAULT, [18] = IST_MACHINE_CHECK
    };
    for (unsigned v = 0; v < 256; v++) {
        u64 entry = trap_vectors[v];
        idt[v] = (struct gate){
            .offset_0 = (u16)entry,
            .selector = HAL_KERNEL_CS,
            .ist = v < 32 ? ist[v] : 0,
            /* An interrupt gate; Ring 3 may raise #BP and #OF by instruction. */
            .type = v == 3 || v == 4 ? 0xee : 0x8e,
            .offset_16 = (u16)(entry >> 16),
            .offset_32 = (u32)(entry >> 32),
        };
    }
}

static void
idt_load(void)
{
    struct table_pointer p = { sizeof(idt) - 1, (u64)idt };
    __asm__ volatile("lidt %0" ::"m"(p));
}

/* An Intel CPU is open to Meltdown or L1TF unless it (or the hypervisor under it) says
 * that it is not. */
static bool
cpu_leaks(u32 leaf7_d)
{
    struct cpuid vendor = cpuid(0, 0);
    if (vendor.b != 0x756e6547) /* "Genu" */
        return false;
    if (!(leaf7_d & (1u << 29)))
        return true;
    return !(msr_read(MSR_ARCH_CAPABILITIES) & 1); /* RDCL_NO covers both */
}

/* What leaf 7 says that goes to CR4, with the feature's name in the record. */
static void
features_leaf7(struct cpuid leaf7)
{
    static const struct {
        u8 ecx, bit;
        u64 cr4, feature;
    } all[] = {
        { 0, 0, CR4_FSGSBASE, FB_FEATURE_FSGSBASE },
        { 0, 7, CR4_SMEP, FB_FEATURE_SMEP },
        { 0, 20, CR4_SMAP, FB_FEATURE_SMAP },
        { 1, 2, CR4_UMIP, FB_FEATURE_UMIP },
    };
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if ((all[i].ecx ? leaf7.c : leaf7.b) >> all[i].bit & 1) {
            cr4_run |= all[i].cr4;
            cpu_features |= all[i].feature;
        }
    if (cpu_features & FB_FEATURE_SMAP)
        __builtin_memcpy(trap_clac, "\x0f\x01\xca",
                         3); /* the text is writable until the final tables */
}

void
hal_boot_cpu_features(void)
{
    idt_fill();
    idt_load();
    u32 max = cpuid(0, 0).a;
    struct cpuid one = cpuid(1, 0);
    struct cpuid zero = { 0 };
    struct cpuid leaf7 = max >= 7 ? cpuid(7, 0) : zero;
    struct cpuid ext = cpuid(0x80000001, 0);
    u32 max_ext = cpuid(0x80000000, 0).a;

    /* FXSR, SSE2, APIC, MSR, TSC; start.S has seen long mode and NX. */
    if ((one.d & 0x07000230) != 0x07000230 || !(ext.d & (1u << 11)))
        panic("this CPU lacks SSE2, FXSR, a local APIC or SYSCALL (cpuid 1.edx = 0x%x)",
              one.d);
    cpu_features = FB_FEATURE_NX;
    cr4_run = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    if (one.d & (1u << 7))
        cr4_run |= CR4_MCE;
    features_leaf7(leaf7);
    if ((one.c & (1u << 26)) && max >= 0xd) {
        cr4_run |= CR4_OSXSAVE;
        cpu_features |= FB_FEATURE_XSAVE;
        xcr0_run = cpuid(0xd, 0).a & 0xe7; /* x87, SSE, AVX, AVX-512 */
        if ((xcr0_run & 0xe4) != 0xe4)
            xcr0_run &= 0x7;
    }
    if (one.c & (1u << 30))
        cpu_features |= FB_FEATURE_RDRAND;
    if (ext.d & (1u << 26))
        cpu_features |= FB_FEATURE_PAGE1G;
    if (max_ext >= 0x80000007 && (cpuid(0x80000007, 0).d & (1u << 8)))
        cpu_features |= FB_FEATURE_INVARIANT_TSC;
    if (cpu_leaks(leaf7.d))
        cpu_features |= FB_FEATURE_NOT_ISOLATING;
}

static void
gdt_setup(struct cpu *cpu)
{
    u64 tss = (u64)cpu->tss;
    u32 *words = (u32 *)cpu->tss;
    u64 area = (u64)cpu - CPU_DATA_OFFSET;
    /* SDM vol. 3, 7.7: RSP0 at 4, IST1.. at 36, the offset of the (absent) I/O map at
     * 102. */
    u64 stack[] = { cpu->stack_top, 0, 0, 0, area + 0x5000, area + 0x6000, area + 0x7000,
                    area + 0x8000 };
    for (unsigned i = 0; i < 8; i++) {
        words[1 + 2 * i] = (u32)stack[i];
        words[2 + 2 * i] = (u32)(stack[i] >> 32);
    }
    words[25] = 104u << 16;

    cpu->gdt[0] = 0;
    cpu->gdt[1] = 0x00209b0000000000ull; /* kernel code */
    cpu->gdt[2] = 0x0000930000000000ull; /* kernel stack */
    cpu->gdt[3] = 0x0000f30000000000ull; /* user stack and data */
    cpu->gdt[4] = 0x0020fb0000000000ull; /* user code */
    cpu->gdt[5] = 103 | (tss & 0xffffff) << 16 | 0x89ull << 40 | (tss >> 24 & 0xff) << 56;
    cpu->gdt[6] = tss >> 32;

    struct table_pointer p = { 7 * 8 - 1, (u64)cpu->gdt };
    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "movw %w2, %%ss\n\t"
                     "movw %w3, %%ds\n\t"
                     "movw %w3, %%es\n\t"
                     "movw %w3, %%fs\n\t"
                     "movw %w3, %%gs\n\t"
                     "ltr %w4" ::"m"(p),
                     "i"(HAL_KERNEL_CS), "r"(HAL_KERNEL_SS), "r"(0), "r"(HAL_TSS)
                     : "rax", "memory");
}

static void
vector_setup(void)
{
    if (cpu_features & FB_FEATURE_XSAVE) {
        __asm__ volatile("xsetbv" ::"c"(0), "a"((u32)xcr0_run),
                         "d"((u32)(xcr0_run >> 32)));
        hal_fpu_bytes = cpuid(0xd, 0).b;
        hal_state_fast = (cpu_features & FB_FEATURE_FSGSBASE) != 0;
    }
    u32 mxcsr = 0x1f80;
    __asm__ volatile("fninit\n\tldmxcsr %0" ::"m"(mxcsr));
}

void
cpu_setup(u32 id)
{
    struct cpu *cpu = cpu_by_id(id);
    __asm__ volatile("mov %0, %%cr0" ::"r"(CR0_RUN));
    __asm__ volatile("mov %0, %%cr4" ::"r"(cr4_run));
    gdt_setup(cpu);
    idt_load();
    msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SCE | EFER_NXE);
    /* SYSRET adds 16 and 8 to the upper base for CS and SS. */
    msr_write(MSR_STAR, (u64)(HAL_KERNEL_SS | 3) << 48 | (u64)HAL_KERNEL_CS << 32);
    msr_write(MSR_CSTAR, 0);
    msr_write(MSR_SYSENTER_CS, 0); /* SYSENTER faults */
    msr_write(MSR_FMASK, FMASK);
    msr_write(MSR_FS_BASE, 0);
    msr_write(MSR_GS_BASE, 0);
    msr_write(MSR_KERNEL_GS_BASE, 0);
    hal_gate_select(false);
    vector_setup();
    hal_debug_clear();
    record->cpu[id].apic_id = cpu->apic_id;
    if (id == 0) {
        record->features = cpu_features;
        record->xcr0 = xcr0_run;
        record->xsave_bytes = hal_fpu_bytes;
    }
    atomic_store(&cpu->idle, 0);
    atomic_store(&cpu->epoch, epoch_now());
    record->cpu[id].epoch = epoch_now();
}

void
hal_gate_select(bool direct)
{
    u64 stub = (u64)this_cpu() - CPU_DATA_OFFSET;
    const u8 *entry = direct ? stub_entry_direct : stub_entry_views;
    this_cpu()->gate = direct ? FB_GATE_DIRECT : FB_GATE_VIEWS;
    msr_write(MSR_LSTAR, stub + (u64)(entry - stub_start));
}

void
hal_idle(void)
{
    /* An interrupt is held off until the instruction after sti has begun: none is lost
     * before hlt. */
    __asm__ volatile("sti\n\thlt\n\tcli" ::: "memory");
}

NORETURN void
hal_stop(void)
{
    for (;;)
        __asm__ volatile("cli\n\thlt");
}

/* ---- vector state, bases, debug registers ---- */

void
hal_fpu_init(void *area)
{
    u16 fcw = 0x37f;
    u32 mxcsr = 0x1f80;
    __builtin_memset(area, 0, hal_fpu_bytes);
    __builtin_memcpy(area, &fcw, sizeof(fcw));
    __builtin_memcpy((u8 *)area + 24, &mxcsr, sizeof(mxcsr));
}

void
hal_state_save(struct hal_state *to)
{
    to->fs_base = msr_read(MSR_FS_BASE);
    to->gs_base = msr_read(MSR_GS_BASE);
    if (cpu_features & FB_FEATURE_XSAVE)
        __asm__ volatile("xsave64 (%0)" ::"r"(to->fpu), "a"(~0u), "d"(~0u) : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" ::"r"(to->fpu) : "memory");
}

void
hal_state_load(const struct hal_state *from)
{
    __asm__ volatile(HAL_SELECTORS_CLEAR("%0") ::"r"(0));
    hal_set_fs_base(from->fs_base);
    hal_set_gs_base(from->gs_base);
    if (cpu_features & FB_FEATURE_XSAVE)
        __asm__ volatile("xrstor64 (%0)" ::"r"(from->fpu), "a"(~0u), "d"(~0u) : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" ::"r"(from->fpu) : "memory");
}

void
hal_set_fs_base(u64 value)
{
    if (cpu_features & FB_FEATURE_FSGSBASE)
        __asm__ volatile("wrfsbase %0" ::"r"(value));
    else
        msr_write(MSR_FS_BASE, value);
}

void
hal_set_gs_base(u64 value)
{
    if (cpu_features & FB_FEATURE_FSGSBASE)
        __asm__ volatile("wrgsbase %0" ::"r"(value));
    else
        msr_write(MSR_GS_BASE, value);
}

void
hal_debug_clear(void)
{
    __asm__ volatile("mov %0, %%dr7" ::"r"(0x400ull));
}

/* ---- entropy ---- */

static u64
mix(u64 x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ull;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

u64
hal_entropy(void)
{
    static _Atomic u64 pool;
    u64 x = atomic_load_explicit(&pool, memory_order_relaxed) + 0x9e3779b97f4a7c15ull;
    for (unsigned i = 0; i < 4; i++)
        x = mix(x ^ hal_tsc());
    atomic_store_explicit(&pool, x, memory_order_relaxed);
    if (cpu_features & FB_FEATURE_RDRAND) {
        u64 r;
        bool ok = false;
        for (unsigned tries = 0; tries < 10 && !ok; tries++)
            __asm__ volatile("rdrand %0" : "=r"(r), "=@ccc"(ok));
        if (ok)
            x ^= r;
    }
    return mix(x);
}

/* ---- ports ---- */

u32
hal_port_in(u16 port, unsigned width)
{
    u32 v = 0;
    if (width == 4)
        __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    else if (width == 2)
        __asm__ volatile("inw %w1, %w0" : "+a"(v) : "Nd"(port));
    else
        v = inb(port);
    return v;
}

void
hal_port_out(u16 port, unsigned width, u32 value)
{
    if (width == 4)
        __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port));
    else if (width == 2)
        __asm__ volatile("outw %w0, %1" ::"a"(value), "Nd"(port));
    else
        outb(port, (u8)value);
}

void
hal_port_write(u16 port, const void *bytes, u64 count)
{
    __asm__ volatile("rep outsb" : "+S"(bytes), "+c"(count) : "d"(port) : "memory");
}

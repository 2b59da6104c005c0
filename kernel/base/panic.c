/* SPDX-License-Identifier: MIT */
/*
 * The end of a kernel that has found itself wrong: message, registers, backtrace, then
 * reset or halt.
 *
 * The first CPU that panics prints; another one that does stops.  A panic within the
 * panic prints one line and ends.  The backtrace follows frame pointers within the
 * kernel's stacks; what is outside is not read.
 */
#include "base/panic.h"
#include "base/cpu.h"
#include "hal/hal.h"
#include "hal/hal_boot.h"

#define FRAMES_MAX 24u

extern const u8 image_start[], text_end[], boot_stack[], boot_stack_top[];
extern const u32 ksyms_count, ksyms_address[], ksyms_name[];
extern const char ksyms_strings[];

long panic_timeout;
static _Atomic u32 panics; /* 0, or 1 + the CPU that panicked */

static bool
on_cpu_stack(u64 address)
{
    u64 offset = address & (CPU_AREA_SIZE - 1);
    return address >= CPU_AREA_BASE &&
           address < CPU_AREA_BASE + cpu_count * CPU_AREA_SIZE &&
           ((offset >= 0x4000 && offset < 0x8000) || offset >= 0xc000);
}

static bool
readable_frame(u64 rbp)
{
    bool on_boot_stack = rbp >= (u64)boot_stack && rbp + 16 <= (u64)boot_stack_top;
    return (rbp & 7) == 0 &&
           (on_boot_stack || (on_cpu_stack(rbp) && on_cpu_stack(rbp + 15)));
}

static void
print_symbol(u64 address)
{
    u64 offset = address - (u64)image_start;
    if (address < (u64)image_start || address >= (u64)text_end)
        return;
    u32 lo = 0, hi = ksyms_count; /* the last one at or below it */
    while (lo < hi) {
        u32 middle = (lo + hi) / 2;
        if (ksyms_address[middle] <= offset)
            lo = middle + 1;
        else
            hi = middle;
    }
    if (lo == 0)
        kerror("  0x%016lx\n", address);
    else
        kerror("  0x%016lx %s+0x%lx\n", address, &ksyms_strings[ksyms_name[lo - 1]],
               offset - ksyms_address[lo - 1]);
}

static void
backtrace(u64 rip, u64 rbp)
{
    kerror("backtrace:\n");
    print_symbol(rip);
    for (unsigned i = 0; i < FRAMES_MAX && readable_frame(rbp); i++) {
        const u64 *frame = (const u64 *)rbp;
        if (frame[1] == 0)
            break;
        print_symbol(frame[1] - 1); /* into the call, not behind it */
        if (frame[0] <= rbp)
            break;
        rbp = frame[0];
    }
}

static u32
panic_cpu(void)
{
    u64 here = (u64)__builtin_frame_address(0);
    return on_cpu_stack(here) ? this_cpu()->id : 0;
}

static NORETURN void
panic_end(void)
{
    if (panic_timeout > 0)
        hal_boot_wait_us((u64)panic_timeout * 1000000);
    if (panic_timeout != 0)
        (void)!hal_power(FB_POWER_RESET);
    kerror("halted\n");
    hal_stop();
}

/* Only the first CPU comes back from here. */
static void
panic_begin(void)
{
    u32 none = 0, self = 1 + panic_cpu();
    if (!atomic_compare_exchange_strong(&panics, &none, self)) {
        static bool nested;
        if (none != self || nested)
            hal_stop();
        nested = true;
        kerror("panic within panic\n");
        panic_end();
    }
    hal_stop_others();
    kerror("\nfeuerbird: PANIC on CPU %u: ", self - 1);
}

NORETURN void
panic(const char *format, ...)
{
    va_list args;
    panic_begin();
    va_start(args, format);
    kerror_list(format, &args);
    va_end(args);
    kerror("\n");
    backtrace((u64)__builtin_return_address(0) - 1, *(u64 *)__builtin_frame_address(0));
    panic_end();
}

NORETURN void
panic_trap(const struct fb_regs *r, u64 cr2)
{
    panic_begin();
    kerror("trap %lu, error 0x%lx, cr2 0x%016lx, cr3 0x%016lx\n", r->vector, r->error,
           cr2, hal_cr3_read());
    kerror("rip %04lx:%016lx rsp %04lx:%016lx rflags %08lx\n", r->cs, r->rip, r->ss,
           r->rsp, r->rflags);
    kerror("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax, r->rbx, r->rcx,
           r->rdx);
    kerror("rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", r->rsi, r->rdi, r->rbp,
           r->r8);
    kerror("r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", r->r9, r->r10, r->r11,
           r->r12);
    kerror("r13 %016lx r14 %016lx r15 %016lx\n", r->r13, r->r14, r->r15);
    backtrace(r->rip, r->rbp);
    panic_end();
}

/* SPDX-License-Identifier: MIT */
/*
 * The frame of a handler and the way back: what the handler sees, what it may change, and
 * frames that nobody honest makes.
 */
#define _GNU_SOURCE
#include "check.h"

#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

#define MAGIC1 0x46505853u
#define MAGIC2 0x46505845u
#define UC_FP_XSTATE 1ul
#define UC_SIGCONTEXT_SS 2ul
#define UC_STRICT_RESTORE_SS 4ul

/* The last 48 bytes of the legacy area. */
struct software {
    uint32_t magic1, extended_size;
    uint64_t features;
    uint32_t state_size, pad[7];
};

static volatile sig_atomic_t count;
static siginfo_t info;
static ucontext_t seen;
static void (*act)(ucontext_t *uc);
static bool has_xsave;

static uint8_t *
area_of(ucontext_t *uc)
{
    return (uint8_t *)uc->uc_mcontext.fpregs;
}

static struct software *
software_of(ucontext_t *uc)
{
    return (struct software *)(area_of(uc) + 464);
}

static void
on_signal(int number, siginfo_t *given, void *context)
{
    (void)number;
    count++;
    info = *given;
    seen = *(ucontext_t *)context;
    if (act != NULL)
        act(context);
}

static void
handle(int number, int flags)
{
    struct sigaction action = { .sa_sigaction = on_signal,
                                .sa_flags = SA_SIGINFO | flags };
    unsigned a, b, c, d;

    sigemptyset(&action.sa_mask);
    CHECK(sigaction(number, &action, NULL) == 0);
    __cpuid(1, a, b, c, d);
    has_xsave = c >> 27 & 1;
}

static void
look_at_frame(ucontext_t *uc)
{
    greg_t *g = uc->uc_mcontext.gregs;
    unsigned long flags = uc->uc_flags;

    CHECK((uintptr_t)uc->uc_mcontext.fpregs % 64 == 0);
    CHECK((g[REG_CSGSFS] & 0xffff) == 0x33 && (uint64_t)g[REG_CSGSFS] >> 48 == 0x2b);
    CHECK((flags & ~7ul) == 0 && (flags & UC_SIGCONTEXT_SS) &&
          (flags & UC_STRICT_RESTORE_SS));
    CHECK(g[REG_R12] == 0x1212121212121212);
    CHECK(*(uint16_t *)area_of(uc) == 0x037f && *(uint32_t *)(area_of(uc) + 24) == 0x1f80);
    CHECK((*(uint32_t *)(area_of(uc) + 28) & 0xffbf) == 0xffbf); /* mxcsr's mask */
    if (!has_xsave)
        return;
    struct software *s = software_of(uc);
    CHECK(flags & UC_FP_XSTATE);
    CHECK(s->magic1 == MAGIC1 && s->extended_size == s->state_size + 4);
    CHECK((s->features & 3) == 3 && s->state_size >= 576);
    CHECK(*(uint32_t *)(area_of(uc) + s->state_size) == MAGIC2);
    uint64_t *header = (uint64_t *)(area_of(uc) + 512);
    CHECK((header[0] & ~s->features) == 0 && header[1] == 0);
    CHECK((header[0] & 2) != 0); /* SSE state is in use here */
}

static long
raise_with_registers(void)
{
    register long r12 __asm__("r12") = 0x1212121212121212;
    long result;

    __asm__ volatile("movq %%r12, %%xmm3\n\tsyscall\n\tmovq %%xmm3, %0"
                     : "=a"(result), "+r"(r12)
                     : "a"(SYS_tkill), "D"(syscall(SYS_gettid)), "S"(SIGUSR1)
                     : "rcx", "r11", "memory", "xmm3");
    return result == r12 ? r12 : 0;
}

static void
test_frame_when_handler_looks_then_as_linux_lays_it_out(void)
{
    handle(SIGUSR1, 0);
    act = look_at_frame;
    CHECK(raise_with_registers() == 0x1212121212121212);
    CHECK(count == 1);
}

static void
change_everything(ucontext_t *uc)
{
    uint64_t value = 0x7777777777777777;

    uc->uc_mcontext.gregs[REG_R12] = (greg_t)value;
    memcpy(area_of(uc) + 160 + 3 * 16, &value, sizeof value); /* xmm3 */
    sigaddset(&uc->uc_sigmask, SIGUSR2);
    sigaddset(&uc->uc_sigmask, SIGKILL);
}

static void
test_frame_when_handler_changes_it_then_sigreturn_obeys(void)
{
    sigset_t set;

    handle(SIGUSR1, 0);
    act = change_everything;
    CHECK(raise_with_registers() == 0x7777777777777777);
    CHECK(sigprocmask(SIG_BLOCK, NULL, &set) == 0);
    CHECK(sigismember(&set, SIGUSR2) && !sigismember(&set, SIGKILL));
    CHECK(!sigismember(&set, SIGUSR1));
}

static void
no_state(ucontext_t *uc)
{
    uc->uc_mcontext.fpregs = NULL;
}

static void
test_frame_when_state_is_taken_away_then_fresh(void)
{
    uint32_t mxcsr = 0x1fc0, now; /* denormals are zero: not the default */

    handle(SIGUSR1, 0);
    act = no_state;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    raise(SIGUSR1);
    __asm__ volatile("stmxcsr %0" : "=m"(now));
    CHECK(now == 0x1f80);
}

static void
legacy_only(ucontext_t *uc)
{
    software_of(uc)->magic1 = 0;
}

static void
test_frame_when_magic_is_missing_then_legacy_state_only(void)
{
    handle(SIGUSR1, 0);
    act = legacy_only;
    CHECK(raise_with_registers() == 0x1212121212121212);
}

/* ---- frames that nobody honest makes: each ends its process by SIGSEGV ---- */

static void
bad_rip(ucontext_t *uc)
{
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)0x8000000000000000;
}

static void
kernel_rip(ucontext_t *uc)
{
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)0xffffffff80000000;
}

static void
window_rip(ucontext_t *uc)
{
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)0xffff804000000000;
}

static void
bad_cs(ucontext_t *uc)
{
    greg_t *g = &uc->uc_mcontext.gregs[REG_CSGSFS];

    *g = (*g & ~0xffffl) | 0x10fb;
}

static void
bad_ss(ucontext_t *uc)
{
    greg_t *g = &uc->uc_mcontext.gregs[REG_CSGSFS];

    *g = (*g & 0xffffffffffff) | (greg_t)(0x10fbul << 48);
}

static void
misaligned_state(ucontext_t *uc)
{
    uc->uc_mcontext.fpregs = (void *)(area_of(uc) + 8);
}

static void
absent_state(ucontext_t *uc)
{
    uc->uc_mcontext.fpregs = (void *)64;
}

static void
kernel_state(ucontext_t *uc)
{
    uc->uc_mcontext.fpregs = (void *)0xffff800000000000;
}

static void
bad_header(ucontext_t *uc)
{
    memset(area_of(uc) + 512, 0xff, 64);
}

static void
bad_compaction(ucontext_t *uc)
{
    *(uint64_t *)(area_of(uc) + 520) = 1ul << 63;
}

static void
no_stack(ucontext_t *uc)
{
    (void)uc;
    __asm__ volatile("mov $8, %%rsp; mov $15, %%eax; syscall" ::: "memory");
}

static void
wild_stack(ucontext_t *uc)
{
    (void)uc;
    __asm__ volatile("mov $0xffff804000000000, %%rsp; mov $15, %%eax; syscall" ::
                         : "memory");
}

static void
ends_by_segv(const char *name, void (*hostile)(ucontext_t *))
{
    pid_t child = fork();

    if (child == 0) {
        handle(SIGUSR1, 0);
        act = hostile;
        raise(SIGUSR1);
        _exit(0);
    }
    int status = check_wait(child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV) {
        dprintf(2, "# %s: status 0x%x\n", name, status);
        _exit(1);
    }
}

static void
test_sigreturn_when_frame_is_hostile_then_segv_of_that_process(void)
{
    handle(SIGUSR2, 0);
    ends_by_segv("rip not canonical", bad_rip);
    ends_by_segv("rip of the kernel", kernel_rip);
    ends_by_segv("rip of the upper half", window_rip);
    ends_by_segv("cs", bad_cs);
    ends_by_segv("ss", bad_ss);
    ends_by_segv("misaligned state", misaligned_state);
    ends_by_segv("absent state", absent_state);
    ends_by_segv("state of the kernel", kernel_state);
    if (has_xsave) {
        ends_by_segv("header", bad_header);
        ends_by_segv("compacted header", bad_compaction);
    }
    ends_by_segv("no stack", no_stack);
    ends_by_segv("wild stack", wild_stack);
}

static void
bold_flags(ucontext_t *uc)
{
    /* IOPL, NT, VM, RF, VIF, ID off, IF off, and CF, which is allowed */
    uc->uc_mcontext.gregs[REG_EFL] = 0x1f7000 | 1;
    uc->uc_mcontext.gregs[REG_EFL] &= ~0x200l;
}

static void
test_sigreturn_when_flags_are_bold_then_made_harmless(void)
{
    uint64_t flags = 0;
    long r;

    handle(SIGUSR1, 0);
    act = bold_flags;
    __asm__ volatile("syscall; pushfq; pop %1"
                     : "=a"(r), "=r"(flags)
                     : "0"(SYS_tkill), "D"(syscall(SYS_gettid)), "S"(SIGUSR1)
                     : "rcx", "r11", "memory");
    CHECK(count == 1 && (flags & 0x200) && (flags & 1));
    CHECK((flags & 0x3000) == 0); /* no right to ports */
    pid_t child = fork();
    if (child == 0)
        __asm__ volatile("cli");
    CHECK_SIGNAL(child, SIGSEGV);
}

static void
wild_mxcsr(ucontext_t *uc)
{
    *(uint32_t *)(area_of(uc) + 24) = 0xffffffff;
}

/* Verify that reserved bits of mxcsr are refused or cut, and reach no other process. */
static void
test_sigreturn_when_mxcsr_is_wild_then_nobody_is_harmed(void)
{
    pid_t child = fork();

    if (child == 0) {
        handle(SIGUSR1, 0);
        act = wild_mxcsr;
        raise(SIGUSR1);
        _exit(0);
    }
    int status = check_wait(child);
    CHECK(status == 0 || (WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV ||
                                                  WTERMSIG(status) == SIGFPE)));
}

/* ---- the other stack ---- */

static char other_stack[65536];
static stack_t inside;
static volatile char *handler_sp;
static sigjmp_buf landing;

static void
note_stack(ucontext_t *uc)
{
    char here;

    (void)uc;
    handler_sp = &here;
    CHECK(sigaltstack(NULL, &inside) == 0);
}

static void
try_to_change(ucontext_t *uc)
{
    stack_t s = { .ss_sp = other_stack, .ss_size = sizeof other_stack };

    note_stack(uc);
    CHECK_ERROR(sigaltstack(&s, NULL), EPERM);
}

static void
test_sigaltstack_when_used_then_flags_tell(void)
{
    stack_t s = { .ss_sp = other_stack, .ss_size = sizeof other_stack }, now;

    CHECK(sigaltstack(&s, NULL) == 0 && sigaltstack(NULL, &now) == 0);
    CHECK(now.ss_flags == 0 && now.ss_sp == other_stack &&
          now.ss_size == sizeof other_stack);
    handle(SIGUSR1, SA_ONSTACK);
    handle(SIGUSR2, 0);
    act = try_to_change;
    raise(SIGUSR1);
    CHECK(handler_sp > other_stack && handler_sp < other_stack + sizeof other_stack);
    CHECK(inside.ss_flags == SS_ONSTACK);
    CHECK(seen.uc_stack.ss_sp == other_stack && seen.uc_stack.ss_flags == 0);
    act = note_stack;
    raise(SIGUSR2);
    CHECK(handler_sp < other_stack || handler_sp > other_stack + sizeof other_stack);
    CHECK(inside.ss_flags == 0);
    s.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&s, NULL) == 0 && sigaltstack(NULL, &now) == 0);
    CHECK(now.ss_flags == SS_DISABLE);
    s = (stack_t){ .ss_sp = other_stack, .ss_size = 2047 };
    CHECK_ERROR(sigaltstack(&s, NULL), ENOMEM);
    s.ss_size = sizeof other_stack;
    s.ss_flags = 64;
    CHECK_ERROR(sigaltstack(&s, NULL), EINVAL);
    CHECK_ERROR(syscall(SYS_sigaltstack, 8, NULL), EFAULT);
    CHECK_ERROR(syscall(SYS_sigaltstack, NULL, 8), EFAULT);
}

static void
test_sigaltstack_when_autodisarm_then_off_in_the_handler_and_back(void)
{
    stack_t s = { .ss_sp = other_stack, .ss_size = sizeof other_stack,
                  .ss_flags = (int)(1u << 31) }, now;

    CHECK(syscall(SYS_sigaltstack, &s, NULL) == 0);
    handle(SIGUSR1, SA_ONSTACK);
    act = note_stack;
    raise(SIGUSR1);
    CHECK(handler_sp > other_stack && handler_sp < other_stack + sizeof other_stack);
    CHECK(inside.ss_flags == SS_DISABLE);
    CHECK(sigaltstack(NULL, &now) == 0 && now.ss_flags == (int)(1u << 31) &&
          now.ss_sp == other_stack);
}

static volatile int bottomless = 1;

__attribute__((noinline)) static int
overflow(volatile char *before)
{
    volatile char here[512];

    here[0] = before ? (char)(before[0] + 1) : 0;
    return bottomless ? overflow(here) + here[0] : here[0];
}

static void
overflow_it(ucontext_t *uc)
{
    (void)uc;
    overflow(NULL);
}

static void
test_sigaltstack_when_overflown_then_segv(void)
{
    pid_t child = fork();

    if (child == 0) {
        char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                       -1, 0);
        stack_t s = { .ss_sp = p + 32768, .ss_size = 32768 };
        CHECK(mprotect(p, 32768, PROT_NONE) == 0);
        CHECK(sigaltstack(&s, NULL) == 0);
        handle(SIGSEGV, SA_ONSTACK);
        act = overflow_it;
        raise(SIGSEGV);
        _exit(0);
    }
    CHECK_SIGNAL(child, SIGSEGV);
}

static void
test_segv_when_stack_pointer_is_wild_then_ends(void)
{
    pid_t child = fork();

    if (child == 0) {
        handle(SIGUSR1, 0);
        handle(SIGSEGV, 0);
        __asm__ volatile("mov %0, %%edi; mov $10, %%esi;"
                         "mov $0x1000, %%rsp; mov $200, %%eax; syscall; ud2"
                         : : "r"((int)syscall(SYS_gettid)) : "memory");
    }
    CHECK_SIGNAL(child, SIGSEGV);
}

static void
go_on_after(ucontext_t *uc)
{
    (void)uc;
    siglongjmp(landing, 1);
}

/* Verify that trap number, error code and address are in the frame of a fault. */
static void
test_frame_when_fault_then_trap_error_and_address(void)
{
    volatile int *bad = (int *)0x123450;

    handle(SIGSEGV, 0);
    handle(SIGILL, 0);
    handle(SIGFPE, 0);
    act = go_on_after;
    if (sigsetjmp(landing, 1) == 0)
        *bad = 1;
    CHECK(seen.uc_mcontext.gregs[REG_TRAPNO] == 14);
    CHECK((seen.uc_mcontext.gregs[REG_ERR] & 7) == 6); /* user, write, absent */
    CHECK(seen.uc_mcontext.gregs[REG_CR2] == 0x123450);
    if (sigsetjmp(landing, 1) == 0)
        __asm__ volatile("ud2");
    CHECK(seen.uc_mcontext.gregs[REG_TRAPNO] == 6);
    if (sigsetjmp(landing, 1) == 0)
        __asm__ volatile("hlt");
    CHECK(seen.uc_mcontext.gregs[REG_TRAPNO] == 13 && info.si_code == SI_KERNEL);
    if (sigsetjmp(landing, 1) == 0)
        __asm__ volatile("xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx" ::: "eax", "ecx",
                         "edx");
    CHECK(seen.uc_mcontext.gregs[REG_TRAPNO] == 0 && info.si_code == FPE_INTDIV);
}

int
main(void)
{
    RUN(test_frame_when_handler_looks_then_as_linux_lays_it_out, rt_sigaction,
        rt_sigreturn);
    RUN(test_frame_when_handler_changes_it_then_sigreturn_obeys, rt_sigreturn);
    RUN(test_frame_when_state_is_taken_away_then_fresh, rt_sigreturn);
    RUN(test_frame_when_magic_is_missing_then_legacy_state_only, rt_sigreturn);
    RUN(test_sigreturn_when_frame_is_hostile_then_segv_of_that_process, rt_sigreturn);
    RUN(test_sigreturn_when_flags_are_bold_then_made_harmless, rt_sigreturn);
    RUN(test_sigreturn_when_mxcsr_is_wild_then_nobody_is_harmed, rt_sigreturn);
    RUN(test_sigaltstack_when_used_then_flags_tell, sigaltstack);
    RUN(test_sigaltstack_when_autodisarm_then_off_in_the_handler_and_back, sigaltstack);
    RUN(test_sigaltstack_when_overflown_then_segv, sigaltstack);
    RUN(test_segv_when_stack_pointer_is_wild_then_ends);
    RUN(test_frame_when_fault_then_trap_error_and_address);
    return check_failures != 0;
}

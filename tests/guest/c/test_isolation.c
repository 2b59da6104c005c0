/* SPDX-License-Identifier: MIT */
/*
 * What a process must not reach: the kernel, its LibOS's window, privileged instructions,
 * other processes. Every attempt ends in a signal with the right code for the guilty
 * process; everybody else goes on. The addresses are FeuerBird's; on Linux they are the
 * kernel's half just as well.
 */
#define _GNU_SOURCE
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static sigjmp_buf landing;
static volatile int caught, caught_code;

static void
on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    caught = number;
    caught_code = info->si_code;
    siglongjmp(landing, 1);
}

static void
catch_faults(void)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

    CHECK(sigaction(SIGSEGV, &action, NULL) == 0 &&
          sigaction(SIGBUS, &action, NULL) == 0);
    CHECK(sigaction(SIGILL, &action, NULL) == 0 &&
          sigaction(SIGTRAP, &action, NULL) == 0);
    CHECK(sigaction(SIGFPE, &action, NULL) == 0);
}

/* Expect `statement` to raise `number`. */
#define RAISES(number, statement)                                                        \
    do {                                                                                 \
        caught = 0;                                                                      \
        if (sigsetjmp(landing, 1) == 0) {                                                \
            statement;                                                                   \
        }                                                                                \
        CHECK(caught == (number));                                                       \
    } while (0)

static const uintptr_t forbidden[] = {
    0xffff800000000000, 0xffff800000100000, 0xffff804000000000, 0xffff805000000000,
    0xffff805800000000, 0xffff806000000000, 0xffff8080000000f8, 0xffffc00000000000,
    0xffffc00000200000, 0xffffffff80200000, 0xffffffffc0000000, 0xffffffffc0001000,
    0xffffffffe0000000, 0xfffffffffffff000, 0x0000800000000000, 0x7fffffffffffffff,
    0x00007ffffffff000,
};
#define FORBIDDEN (sizeof(forbidden) / sizeof(forbidden[0]))

/* With gate `direct` a program shares its view with its LibOS, and only the kernel is out
 * of its reach (docs/architecture.md): then nothing is tried in the window. */
static int
gate_is_direct(void)
{
    static char line[4096];
    FILE *f = fopen("/proc/cmdline", "r");

    if (f == NULL)
        return 0;
    size_t bytes = fread(line, 1, sizeof(line) - 1, f);
    fclose(f);
    line[bytes] = 0;
    return strstr(line, "feuer.gate=direct") != NULL;
}

static int
in_window(uintptr_t at)
{
    return at >> 39 == 0xffff800000000000 >> 39;
}

/* Verify that reading, writing and jumping outside the lower half is a SIGSEGV at every
 * kind of address. */
static void
test_touch_when_outside_the_lower_half_then_sigsegv(void)
{
    int direct = gate_is_direct();
    if (direct) {
        printf("# gate direct: the LibOS's window is not tried\n");
        fflush(stdout);
    }
    catch_faults();
    for (size_t i = 0; i < FORBIDDEN; i++) {
        if (direct && in_window(forbidden[i]))
            continue;
        volatile char *at = (volatile char *)forbidden[i];
        RAISES(SIGSEGV, (void)*at);
        RAISES(SIGSEGV, *at = 1);
        RAISES(SIGSEGV, ((void (*)(void))forbidden[i])());
    }
}

/* Verify that the upper half cannot be mapped, and that the last page of the lower half
 * cannot either. */
static void
test_mmap_when_outside_the_lower_half_then_refused(void)
{
    for (size_t i = 0; i < FORBIDDEN; i++) {
        void *at = (void *)(forbidden[i] & ~4095ul);
        if (forbidden[i] >> 47 == 1 || forbidden[i] >> 63 == 0)
            continue; /* Linux may have five levels of page tables, and these are
                         addresses then */
        CHECK(mmap(at, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
              MAP_FAILED);
        CHECK(mprotect(at, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == -1);
        CHECK(munmap(at, 4096) == -1);
    }
    CHECK(mmap((void *)0x10000, 1ul << 57, PROT_READ,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED);
}

/* Verify that privileged instructions raise SIGSEGV, and undefined ones SIGILL. */
static void
test_execute_when_privileged_then_signal(void)
{
    catch_faults();
    RAISES(SIGSEGV, __asm__ volatile("hlt"));
    RAISES(SIGSEGV, __asm__ volatile("cli"));
    RAISES(SIGSEGV, __asm__ volatile("sti"));
    RAISES(SIGSEGV, __asm__ volatile("mov %0, %%cr3" ::"r"(0ul)));
    RAISES(SIGSEGV, __asm__ volatile("mov %%cr0, %%rax" ::: "rax"));
    RAISES(SIGSEGV, __asm__ volatile("wrmsr" ::"c"(0xc0000082), "a"(0), "d"(0)));
    RAISES(SIGSEGV, __asm__ volatile("rdmsr" ::"c"(0xc0000080) : "rax", "rdx"));
    RAISES(SIGSEGV, __asm__ volatile("outb %%al, $0x80" ::"a"(0)));
    RAISES(SIGSEGV, __asm__ volatile("inb $0x60, %%al" ::: "rax"));
    RAISES(SIGSEGV, __asm__ volatile("invlpg (%0)" ::"r"(0ul)));
    RAISES(SIGSEGV, __asm__ volatile("lgdt (%0)" ::"r"(&landing)));
    RAISES(SIGSEGV, __asm__ volatile("lidt (%0)" ::"r"(&landing)));
    RAISES(SIGSEGV, __asm__ volatile("ltr %%ax" ::"a"(0x28)));
    RAISES(SIGSEGV, __asm__ volatile("mov %0, %%dr7" ::"r"(0ul)));
    RAISES(SIGSEGV, __asm__ volatile("swapgs"));
    RAISES(SIGSEGV, __asm__ volatile("int $0x20"));
    RAISES(SIGSEGV, __asm__ volatile("int $0xf1"));
    RAISES(SIGILL, __asm__ volatile("ud2"));
    RAISES(SIGFPE, __asm__ volatile("div %%ecx" ::"a"(1), "d"(0), "c"(0)));
    RAISES(SIGTRAP, __asm__ volatile("int3"));
}

/* Verify that segment tricks give no other privilege: each attempt is a signal to the one
 * who tries. */
static void
test_segments_when_kernel_selector_then_sigsegv(void)
{
    for (int i = 0; i < 4; i++) {
        pid_t child = fork();
        if (child == 0) {
            if (i == 0)
                __asm__ volatile("mov %0, %%ss" ::"r"(0x10));
            else if (i == 1)
                __asm__ volatile("mov %0, %%ds" ::"r"(0x10));
            else if (i == 2)
                __asm__ volatile("pushq $0x8; lea 1f(%%rip), %%rax; push %%rax; lretq; 1:" ::
                                     : "rax", "memory");
            else
                __asm__ volatile("pushq $0x10; pushq $0x4000; pushfq; pushq $0x8\n\t"
                                 "lea 1f(%%rip), %%rax; push %%rax; iretq; 1:" ::
                                     : "rax", "memory");
            _exit(0);
        }
        int status = check_wait(child);
        CHECK(WIFSIGNALED(status));
        /* QEMU reads the stack of the last two with supervisor rights, which SMAP refuses:
         * Linux takes that for its own fault and kills the program. */
        CHECK(WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS ||
              (i >= 2 && WTERMSIG(status) == SIGKILL));
    }
}

/* Verify that flags a user may set survive system calls and interrupts, and that I/O
 * privilege cannot be had. */
static void
test_flags_when_set_then_kept_and_clamped(void)
{
    unsigned long flags;

    __asm__ volatile("pushfq; orq $0x240400, (%%rsp); popfq\n\t" /* AC ID DF */
                     "mov $39, %%eax; syscall\n\t"
                     "pushfq; pop %0; cld\n\t"
                     "pushfq; andq $~0x40000, (%%rsp); popfq"
                     : "=r"(flags)
                     :
                     : "rax", "rcx", "r11", "memory", "cc");
    CHECK((flags & 0x240400) == 0x240400);
    CHECK((flags & 0x200) != 0); /* interrupts stay on */
    __asm__ volatile("pushfq; orq $0x3000, (%%rsp); popfq; pushfq; pop %0"
                     : "=r"(flags)::"memory", "cc");
    CHECK((flags & 0x3000) == 0); /* IOPL */
}

/* Verify that single-stepping over a system call traps after it, in the program. */
static volatile int steps;
static void
on_step(int number)
{
    (void)number;
    steps++;
}
static void
test_step_when_over_syscall_then_program_goes_on(void)
{
    CHECK(signal(SIGTRAP, on_step) != SIG_ERR);
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq\n\t"
                     "nop; mov $39, %%eax; syscall; nop\n\t"
                     "pushfq; andq $~0x100, (%%rsp); popfq"
                     :
                     :
                     : "rax", "rcx", "r11", "memory", "cc");
    CHECK(steps >= 4);
}

/* Verify that stack pointers and instruction pointers of any value only hurt their owner.
 */
static void
test_stack_when_wild_then_only_the_owner_dies(void)
{
    static const uintptr_t stacks[] = {
        0, 8, 0x7ffffffff000, 0x800000000000, 0xffff804000000000, 0xffffffffc0001008, ~7ul
    };

    for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
        pid_t child = fork();
        if (child == 0) {
            /* A system call with a wild stack works; the next push does not. */
            __asm__ volatile("mov %0, %%rsp; mov $39, %%eax; syscall; push %%rax; mov "
                             "$60, %%eax; xor %%edi, %%edi; syscall" ::"r"(stacks[i])
                             : "rax", "rcx", "r11", "memory");
            __builtin_unreachable();
        }
        int status = check_wait(child);
        CHECK(WIFSIGNALED(status) &&
              (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS));
    }
}

/* Verify that a system call on the last bytes below the end of the lower half cannot be
 * had, and wild system call numbers answer. */
static void
test_syscall_when_number_is_wild_then_enosys(void)
{
    static const long numbers[] = { -1, 1000, 0x7fffffff, -4096,
                                    (long)0x80000000ffff0000 };

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        CHECK_ERROR(syscall(numbers[i], 0, 0, 0, 0, 0, 0), ENOSYS);
}

/* Verify that another process's memory does not change when one writes all that it has.
 */
static void
test_memory_when_another_writes_then_unchanged(void)
{
    unsigned char *area =
        mmap(NULL, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(area != MAP_FAILED);
    memset(area, 0x5a, 64 * 4096);
    for (int round = 0; round < 8; round++) {
        pid_t child = fork();
        if (child == 0) {
            memset(area, round, 64 * 4096);
            _exit(area[1] == round ? 0 : 1);
        }
        CHECK(check_wait(child) == 0);
        for (int i = 0; i < 64 * 4096; i += 64)
            CHECK(area[i] == 0x5a);
    }
}

int
main(void)
{
    RUN(test_touch_when_outside_the_lower_half_then_sigsegv);
    RUN(test_mmap_when_outside_the_lower_half_then_refused);
    RUN(test_execute_when_privileged_then_signal);
    RUN(test_segments_when_kernel_selector_then_sigsegv);
    RUN(test_flags_when_set_then_kept_and_clamped);
    RUN(test_step_when_over_syscall_then_program_goes_on);
    RUN(test_stack_when_wild_then_only_the_owner_dies);
    RUN(test_syscall_when_number_is_wild_then_enosys);
    RUN(test_memory_when_another_writes_then_unchanged);
    return check_failures != 0;
}

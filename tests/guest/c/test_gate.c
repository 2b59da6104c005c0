/* SPDX-License-Identifier: MIT */
/*
 * What a system call leaves of the registers, also when signals come at its very end, and
 * what a child and a handler find in them.
 */
#define _GNU_SOURCE
#include "check.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { RBX, RBP, R12, R13, R14, R15, RDI, RSI, RDX, R10, R8, R9, KEPT };
struct regs {
    uint64_t kept[KEPT];
    uint64_t rax, flags;
};
#define ARITHMETIC 0x8d5u /* CF PF AF ZF SF OF */

/* The system call in->rax with the registers of `in` and CF set: all of them afterwards. */
static void
call_with(const struct regs *in, struct regs *out)
{
    __asm__ volatile("sub $128, %%rsp\n\t"
                     "push %%rbx\n\t"
                     "push %%rbp\n\t"
                     "push %%rcx\n\t"
                     "mov 0(%%rax), %%rbx\n\t"
                     "mov 8(%%rax), %%rbp\n\t"
                     "mov 16(%%rax), %%r12\n\t"
                     "mov 24(%%rax), %%r13\n\t"
                     "mov 32(%%rax), %%r14\n\t"
                     "mov 40(%%rax), %%r15\n\t"
                     "mov 48(%%rax), %%rdi\n\t"
                     "mov 56(%%rax), %%rsi\n\t"
                     "mov 64(%%rax), %%rdx\n\t"
                     "mov 72(%%rax), %%r10\n\t"
                     "mov 80(%%rax), %%r8\n\t"
                     "mov 88(%%rax), %%r9\n\t"
                     "mov 96(%%rax), %%rax\n\t"
                     "cmp %%rsp, %%rsp\n\t"
                     "stc\n\t"
                     "syscall\n\t"
                     "xchg %%rax, (%%rsp)\n\t"
                     "mov %%rbx, 0(%%rax)\n\t"
                     "mov %%rbp, 8(%%rax)\n\t"
                     "mov %%r12, 16(%%rax)\n\t"
                     "mov %%r13, 24(%%rax)\n\t"
                     "mov %%r14, 32(%%rax)\n\t"
                     "mov %%r15, 40(%%rax)\n\t"
                     "mov %%rdi, 48(%%rax)\n\t"
                     "mov %%rsi, 56(%%rax)\n\t"
                     "mov %%rdx, 64(%%rax)\n\t"
                     "mov %%r10, 72(%%rax)\n\t"
                     "mov %%r8, 80(%%rax)\n\t"
                     "mov %%r9, 88(%%rax)\n\t"
                     "pushfq\n\t"
                     "popq 104(%%rax)\n\t"
                     "popq 96(%%rax)\n\t"
                     "pop %%rbp\n\t"
                     "pop %%rbx\n\t"
                     "add $128, %%rsp"
                     : "+a"(in), "+c"(out)
                     :
                     : "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rdx", "r10",
                       "r8", "r9", "memory", "cc");
}

static void
fill(struct regs *r, long number, uint64_t salt)
{
    for (int i = 0; i < KEPT; i++)
        r->kept[i] = (salt + (uint64_t)i) * 0x9e3779b97f4a7c15ull;
    r->rax = (uint64_t)number;
}

static bool
as_before(const struct regs *in, const struct regs *out)
{
    return memcmp(in->kept, out->kept, sizeof in->kept) == 0 &&
           (out->flags & ARITHMETIC) == 0x45; /* CF PF ZF: of the `cmp` and the `stc` */
}

static volatile sig_atomic_t signals;

static void
on_alarm(int number)
{
    (void)number;
    signals++;
}

/* Verify that a call changes rax, rcx and r11 alone. */
static void
test_call_when_alone_then_registers_as_before(void)
{
    static const long numbers[] = { SYS_getppid, SYS_sched_yield, 335, 100000, -1 };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct regs in, out;
        fill(&in, numbers[i], i);
        call_with(&in, &out);
        CHECK(as_before(&in, &out));
        if (numbers[i] == SYS_getppid)
            CHECK((pid_t)out.rax == getppid());
        else if (numbers[i] == SYS_sched_yield)
            CHECK(out.rax == 0);
        else
            CHECK(out.rax == (uint64_t)-38);
    }
}

/* Verify that they are so whenever a timer's signal comes, before, in or behind it. */
static void
test_call_when_signals_come_then_registers_as_before(void)
{
    struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
    struct itimerval often = { { 0, 150 }, { 0, 150 } }, never = { { 0, 0 }, { 0, 0 } };
    time_t end = time(NULL) + 20;
    unsigned long wrong = 0;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (uint64_t n = 0; signals < 2000 && (n % 4096 != 0 || time(NULL) < end); n++) {
        struct regs in, out;
        fill(&in, n % 8 == 0 ? SYS_sched_yield : SYS_getppid, n);
        call_with(&in, &out);
        wrong += !as_before(&in, &out);
    }
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    CHECK(signals > 100);
    CHECK(wrong == 0);
}

/* Verify that a child begins with its parent's registers. */
static void
test_fork_when_registers_are_full_then_child_has_them(void)
{
    for (uint64_t n = 0; n < 8; n++) {
        struct regs in, out;
        int status = -1;
        fill(&in, SYS_fork, n);
        call_with(&in, &out);
        if (out.rax == 0)
            _exit(as_before(&in, &out) ? 0 : 1);
        CHECK((long)out.rax > 0 && as_before(&in, &out));
        CHECK(waitpid((pid_t)out.rax, &status, 0) == (pid_t)out.rax && status == 0);
    }
}

static ucontext_t seen;

static void
on_fault(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)number;
    (void)info;
    seen = *uc;
    uc->uc_mcontext.gregs[REG_RIP] += 3; /* the load */
}

/* Verify that rcx and r11, which calls destroy, are there after a fault's handler. */
static void
test_fault_when_handled_then_all_registers_are_there(void)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
    uint64_t rcx = 0x1234567890, r11 = 0xabcdef;
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    __asm__ volatile("mov %1, %%r11\n\t"
                     "xor %%eax, %%eax\n\t"
                     "mov (%%rax), %%rax\n\t"
                     "mov %%r11, %1"
                     : "+c"(rcx), "+r"(r11)
                     :
                     : "rax", "r11", "memory");
    CHECK(rcx == 0x1234567890 && r11 == 0xabcdef);
    CHECK(seen.uc_mcontext.gregs[REG_RCX] == 0x1234567890);
    CHECK(seen.uc_mcontext.gregs[REG_R11] == 0xabcdef);
}

int
main(void)
{
    RUN(test_call_when_alone_then_registers_as_before, getppid, sched_yield);
    RUN(test_call_when_signals_come_then_registers_as_before, rt_sigreturn, setitimer);
    RUN(test_fork_when_registers_are_full_then_child_has_them, fork);
    RUN(test_fault_when_handled_then_all_registers_are_there, rt_sigreturn);
    return check_failures != 0;
}

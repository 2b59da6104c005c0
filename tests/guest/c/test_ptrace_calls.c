/* SPDX-License-Identifier: MIT */
/*
 * ptrace at system calls: calls that the tracer makes in their place, steps over calls and
 * into handlers, and requests about what a thread has registered.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <sys/syscall.h>

#include "tracee.h"

#define OLD_SETOPTIONS 21
#define GET_RSEQ_CONFIGURATION 0x420f

/* Traps; then two calls that end who makes them; gives the sum of their results. */
extern const char first_call[], after_first[], after_second[];
int two_ends(void);
__asm__(".text\n"
        "two_ends: int3\n"
        "    mov $231, %eax\n"
        "first_call: syscall\n"
        "after_first: nop\n"
        "    mov %eax, %r8d\n"
        "    mov $231, %eax\n"
        "    syscall\n"
        "after_second: nop\n"
        "    add %r8d, %eax\n"
        "    ret\n");

static uint64_t
address(const char *label)
{
    return (uint64_t)label;
}

static pid_t
child_before_two_ends(void)
{
    pid_t child = traced_child(two_ends);
    go_on(PTRACE_CONT, child, 0);
    CHECK_STOP(child, SIGTRAP);
    return child;
}

static void
give(pid_t pid, uint64_t result)
{
    struct user_regs_struct r = registers_of(pid);
    r.rax = result;
    CHECK(ptrace(PTRACE_SETREGS, pid, 0, &r) == 0);
}

static void
check_at(pid_t pid, const char *label)
{
    struct user_regs_struct r = registers_of(pid);
    if (r.rip != address(label))
        dprintf(2, "# at %#llx, not %#lx\n", r.rip, address(label));
    CHECK(r.rip == address(label));
    CHECK((r.eflags & 0x100) == 0);
}

/* It stands before a call of exit_group that is to be emulated. */
static void
check_emulated(pid_t pid, int what, const char *label)
{
    CHECK_STOP(pid, what);
    struct user_regs_struct r = registers_of(pid);
    CHECK(r.orig_rax == SYS_exit_group && (long)r.rax == -ENOSYS);
    check_at(pid, label);
}

/* Verify that SYSEMU stops once for each call, which is not made. */
static void
test_sysemu_when_repeated_then_one_stop_for_each_call(void)
{
    for (int marked = 0; marked < 2; marked++) {
        pid_t child = child_before_two_ends();
        int what = marked ? MARKED_CALL : SIGTRAP;
        if (marked)
            CHECK(ptrace(OLD_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD) == 0);
        go_on(PTRACE_SYSEMU, child, 0);
        check_emulated(child, what, after_first);
        give(child, 30);
        go_on(PTRACE_SYSEMU, child, 0);
        check_emulated(child, what, after_second);
        give(child, 12);
        go_on(PTRACE_CONT, child, 0);
        CHECK_EXIT(child, 42);
    }
}

/* Verify that SYSEMU_SINGLESTEP steps, and stops at calls as SYSEMU does. */
static void
test_sysemu_singlestep_when_stepping_then_stops_at_calls_too(void)
{
    pid_t child = child_before_two_ends();
    CHECK(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD) == 0);
    go_on(PTRACE_SYSEMU_SINGLESTEP, child, 0);
    CHECK_STOP(child, SIGTRAP);
    check_at(child, first_call);
    go_on(PTRACE_SYSEMU_SINGLESTEP, child, 0);
    check_emulated(child, MARKED_CALL, after_first);
    give(child, 40);
    go_on(PTRACE_SYSEMU_SINGLESTEP, child, 0); /* no stop at the end of what is not made */
    CHECK_STOP(child, SIGTRAP);
    check_at(child, after_first + 1);
    go_on(PTRACE_SYSEMU, child, 0);
    check_emulated(child, MARKED_CALL, after_second);
    give(child, 3);
    go_on(PTRACE_SINGLESTEP, child, 0);
    CHECK_STOP(child, SIGTRAP);
    check_at(child, after_second);
    go_on(PTRACE_CONT, child, 0);
    CHECK_EXIT(child, 43);
}

/* Verify that a call that another request stopped before is made after all, or not. */
static void
test_call_when_request_changes_at_its_stop_then_last_counts(void)
{
    pid_t child = child_before_two_ends();
    struct user_regs_struct r;
    CHECK(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD) == 0);
    go_on(PTRACE_SYSEMU, child, 0);
    check_emulated(child, MARKED_CALL, after_first);
    give(child, 9);
    go_on(PTRACE_SYSCALL, child, 0); /* it was SYSEMU that stopped it: not made */
    CHECK_STOP(child, MARKED_CALL);
    check_at(child, after_first);
    r = registers_of(child);
    CHECK(r.rax == 9);
    go_on(PTRACE_SYSCALL, child, 0);
    check_emulated(child, MARKED_CALL, after_second);
    r = registers_of(child);
    r.orig_rax = SYS_getppid;
    CHECK(ptrace(PTRACE_SETREGS, child, 0, &r) == 0);
    go_on(PTRACE_SINGLESTEP, child, 0);
    CHECK_STOP(child, SIGTRAP); /* the end of the call is where the step ends */
    check_at(child, after_second);
    CHECK(registers_of(child).rax == (unsigned long)getpid());
    give(child, 5);
    go_on(PTRACE_CONT, child, 0);
    CHECK_EXIT(child, 14);
}

extern const char parent_call[], after_parent[];
int ask_parent(void);
__asm__(".text\n"
        "ask_parent: int3\n"
        "    mov $110, %eax\n"
        "parent_call: syscall\n"
        "after_parent: nop\n"
        "    mov $3, %eax\n"
        "    ret\n");

/* Verify that a step over a call ends right after it, and says what it was. */
static void
test_step_when_over_call_then_stops_after_it(void)
{
    pid_t child = traced_child(ask_parent);
    siginfo_t info;
    go_on(PTRACE_CONT, child, 0);
    CHECK_STOP(child, SIGTRAP);
    CHECK(ptrace(PTRACE_GETSIGINFO, child, 0, &info) == 0 && info.si_code == SI_KERNEL);
    go_on(PTRACE_SINGLESTEP, child, 0);
    CHECK_STOP(child, SIGTRAP);
    check_at(child, parent_call);
    CHECK(ptrace(PTRACE_GETSIGINFO, child, 0, &info) == 0 && info.si_code == TRAP_TRACE);
    CHECK(info.si_addr == parent_call);
    go_on(PTRACE_SINGLESTEP, child, 0);
    CHECK_STOP(child, SIGTRAP);
    check_at(child, after_parent);
    CHECK(registers_of(child).rax == (unsigned long)getpid());
    CHECK(ptrace(PTRACE_GETSIGINFO, child, 0, &info) == 0 && info.si_code == TRAP_BRKPT);
    go_on(PTRACE_SINGLESTEP, child, 0);
    CHECK_STOP(child, SIGTRAP);
    check_at(child, after_parent + 1);
    go_on(PTRACE_CONT, child, 0);
    CHECK_EXIT(child, 3);
}

static volatile int handled;
static void
on_signal(int number)
{
    handled += number;
}

static int
trap_and_count(void)
{
    signal(SIGUSR1, on_signal);
    __asm__ volatile("int3; nop; nop");
    return handled;
}

/* Verify that a step with a signal stops at the handler's first instruction, and that the
 * handler returns to a program that does not step. */
static void
test_step_when_signal_has_handler_then_stops_at_its_start(void)
{
    pid_t child = traced_child(trap_and_count);
    go_on(PTRACE_CONT, child, 0);
    CHECK_STOP(child, SIGTRAP);
    CHECK(kill(child, SIGUSR1) == 0);
    go_on(PTRACE_CONT, child, 0);
    CHECK_STOP(child, SIGUSR1);
    struct user_regs_struct before = registers_of(child), r;
    uint64_t at = before.rip;
    siginfo_t info;
    go_on(PTRACE_SINGLESTEP, child, SIGUSR1);
    CHECK_STOP(child, SIGTRAP);
    r = registers_of(child);
    CHECK(r.rip == (uint64_t)on_signal && r.rdi == SIGUSR1 && (r.eflags & 0x100) == 0);
    CHECK(ptrace(PTRACE_GETSIGINFO, child, 0, &info) == 0 && info.si_code == SIGTRAP);
    int steps = 0;
    do { /* to the end of rt_sigreturn, which is where the program was */
        go_on(PTRACE_SINGLESTEP, child, 0);
        CHECK_STOP(child, SIGTRAP);
        r = registers_of(child);
        CHECK((r.eflags & 0x100) == 0 && ++steps < 1000);
    } while (r.rip != at);
    CHECK(r.rsp == before.rsp && steps > 3);
    go_on(PTRACE_CONT, child, 0);
    CHECK_EXIT(child, SIGUSR1);
}

/* ---- what a thread has registered ---- */

#define RSEQ_MARK 0x53053053
static _Alignas(32) uint32_t sequences[8];

static int
take_rseq(void)
{
    if (syscall(SYS_rseq, sequences, sizeof sequences, 0, RSEQ_MARK) != 0)
        return 1;
    __asm__ volatile("int3");
    if (syscall(SYS_rseq, sequences, sizeof sequences, 1, RSEQ_MARK) != 0)
        return 2;
    __asm__ volatile("int3");
    return 4;
}

/* Verify that a tracer finds a thread's area of restartable sequences. */
static void
test_rseq_when_asked_then_what_was_registered(void)
{
    pid_t child = traced_child(take_rseq);
    struct {
        uint64_t at;
        uint32_t bytes, mark, flags, zero;
    } c;
    memset(&c, 0xff, sizeof c);
    go_on(PTRACE_CONT, child, 0);
    CHECK_STOP(child, SIGTRAP);
    CHECK(ptrace(GET_RSEQ_CONFIGURATION, child, sizeof c, &c) == sizeof c);
    CHECK(c.at == (uint64_t)sequences && c.bytes == 32);
    CHECK(c.mark == RSEQ_MARK && c.flags == 0 && c.zero == 0);
    memset(&c, 0xff, sizeof c);
    CHECK(ptrace(GET_RSEQ_CONFIGURATION, child, 8, &c) == sizeof c);
    CHECK(c.at == (uint64_t)sequences && c.bytes == ~0u);
    CHECK_ERROR(ptrace(GET_RSEQ_CONFIGURATION, child, sizeof c, 8), EFAULT);
    go_on(PTRACE_CONT, child, 0);
    CHECK_STOP(child, SIGTRAP);
    CHECK(ptrace(GET_RSEQ_CONFIGURATION, child, sizeof c, &c) == sizeof c);
    CHECK(c.at == 0 && c.mark == 0 && c.flags == 0);
    go_on(PTRACE_CONT, child, 0);
    CHECK_EXIT(child, 4);
}

static void
test_old_setoptions_when_unknown_then_einval(void)
{
    pid_t child = child_before_two_ends();
    CHECK_ERROR(ptrace(OLD_SETOPTIONS, child, 0, 1L << 30), EINVAL);
    CHECK(ptrace(OLD_SETOPTIONS, child, 0, PTRACE_O_TRACEEXIT) == 0);
    go_on(PTRACE_CONT, child, 0);
    CHECK_STOP(child, EVENT(PTRACE_EVENT_EXIT));
    go_on(PTRACE_CONT, child, 0);
    CHECK(WIFEXITED(wait_for(child)));
}

int
main(void)
{
    RUN(test_sysemu_when_repeated_then_one_stop_for_each_call, ptrace);
    RUN(test_sysemu_singlestep_when_stepping_then_stops_at_calls_too, ptrace);
    RUN(test_call_when_request_changes_at_its_stop_then_last_counts, ptrace);
    RUN(test_step_when_over_call_then_stops_after_it, ptrace);
    RUN(test_step_when_signal_has_handler_then_stops_at_its_start, ptrace);
    RUN(test_rseq_when_asked_then_what_was_registered, ptrace, rseq);
    RUN(test_old_setoptions_when_unknown_then_einval, ptrace);
    return check_failures != 0;
}

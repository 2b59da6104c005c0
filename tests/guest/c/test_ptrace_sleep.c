/* SPDX-License-Identifier: MIT */
/* ptrace and calls that sleep: how a tracer sees that they are interrupted and made again. */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>

#include "tracee.h"

#define RESTART 512 /* what rax shows, negative: the kernel's ERESTARTSYS ... */
#define RESTART_BLOCK 516

static volatile int handled;
static void
on_signal(int number)
{
    handled += number;
}

static int pipes[2];
static int restarts;

static int
read_pipe(void)
{
    struct sigaction a = { .sa_handler = on_signal, .sa_flags = restarts ? SA_RESTART : 0 };
    char c = 0;
    CHECK(sigaction(SIGUSR1, &a, NULL) == 0);
    ssize_t n = read(pipes[0], &c, 1);
    return n == 1 ? c + handled : errno;
}

/* Lets it go on to the beginning of its next call of this number. */
static void
until_call(pid_t pid, unsigned long number)
{
    struct user_regs_struct r;
    do {
        go_on(PTRACE_SYSCALL, pid, 0);
        CHECK_STOP(pid, MARKED_CALL);
        r = registers_of(pid);
    } while (r.orig_rax != number || (long)r.rax != -ENOSYS);
}

/* It sleeps in its call, and a signal ends that: the call's end is told, then the signal. */
static void
interrupt_call(pid_t pid, unsigned long number, long shows)
{
    struct user_regs_struct r;
    go_on(PTRACE_SYSCALL, pid, 0);
    until_state(pid, 'S');
    CHECK(kill(pid, SIGUSR1) == 0);
    CHECK_STOP(pid, MARKED_CALL);
    r = registers_of(pid);
    CHECK(r.orig_rax == number && (long)r.rax == -shows);
    go_on(PTRACE_SYSCALL, pid, 0);
    CHECK_STOP(pid, SIGUSR1);
    r = registers_of(pid);
    CHECK(r.orig_rax == number && (long)r.rax == -shows);
}

/* Verify that a read that a signal interrupts is made again, or not, as its handler says;
 * and again where the tracer takes the signal away. */
static void
test_read_when_interrupted_then_restarts_as_action_says(void)
{
    for (int gives = 0; gives < 3; gives++) {
        CHECK(pipe(pipes) == 0);
        restarts = gives != 0;
        pid_t child = traced_child(read_pipe);
        CHECK(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD) == 0);
        until_call(child, SYS_read);
        interrupt_call(child, SYS_read, RESTART);
        go_on(PTRACE_SYSCALL, child, gives == 2 ? 0 : SIGUSR1);
        CHECK_STOP(child, MARKED_CALL);
        struct user_regs_struct r = registers_of(child);
        CHECK(r.orig_rax == (gives == 2 ? SYS_read : SYS_rt_sigreturn));
        if (gives == 1)
            until_call(child, SYS_read);
        CHECK(write(pipes[1], "*", 1) == 1);
        go_on(PTRACE_CONT, child, 0);
        CHECK_EXIT(child, gives == 0 ? EINTR : gives == 1 ? '*' + SIGUSR1 : '*');
        CHECK(close(pipes[0]) == 0 && close(pipes[1]) == 0);
    }
}

#define SLEEP_S 4 /* longer than a busy host needs for what is done meanwhile */

static int64_t
now_ns(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static int
sleep_whole(void)
{
    struct timespec t = { SLEEP_S, 0 };
    int64_t before = now_ns();
    if (syscall(SYS_nanosleep, &t, &t) != 0)
        return errno;
    return now_ns() - before >= SLEEP_S * 1000000000ll ? 77 : 78;
}

/* Verify that a sleep goes on where its signal was taken away, to its first end. */
static void
test_sleep_when_interrupted_then_goes_on_by_restart_syscall(void)
{
    pid_t child = traced_child(sleep_whole);
    CHECK(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD) == 0);
    until_call(child, SYS_nanosleep);
    interrupt_call(child, SYS_nanosleep, RESTART_BLOCK);
    go_on(PTRACE_SYSCALL, child, 0);
    CHECK_STOP(child, MARKED_CALL);
    struct user_regs_struct r = registers_of(child);
    CHECK(r.orig_rax == SYS_restart_syscall && (long)r.rax == -ENOSYS);
    interrupt_call(child, SYS_restart_syscall, RESTART_BLOCK);
    go_on(PTRACE_CONT, child, 0);
    CHECK_EXIT(child, 77);
}

/* Verify that a stop that is no signal leaves a sleeping call as it was. */
static void
test_sleep_when_stopped_by_tracer_then_goes_on(void)
{
    for (int reads = 0; reads < 2; reads++) {
        CHECK(pipe(pipes) == 0);
        pid_t child = fork();
        if (child == 0)
            _exit(reads ? read_pipe() : sleep_whole());
        until_state(child, 'S');
        seize(child, 0);
        for (int i = 0; i < 3; i++) {
            CHECK(ptrace(PTRACE_INTERRUPT, child, 0, 0) == 0);
            CHECK_STOP(child, EVENT(PTRACE_EVENT_STOP));
            struct user_regs_struct r = registers_of(child);
            CHECK((long)r.rax == (reads ? -RESTART : -RESTART_BLOCK));
            go_on(i == 2 ? PTRACE_DETACH : PTRACE_CONT, child, 0);
        }
        CHECK(!reads || write(pipes[1], "+", 1) == 1);
        CHECK_EXIT(child, reads ? '+' : 77);
        CHECK(close(pipes[0]) == 0 && close(pipes[1]) == 0);
    }
}

int
main(void)
{
    RUN(test_read_when_interrupted_then_restarts_as_action_says, ptrace, read);
    RUN(test_sleep_when_interrupted_then_goes_on_by_restart_syscall, ptrace, nanosleep,
        restart_syscall);
    RUN(test_sleep_when_stopped_by_tracer_then_goes_on, ptrace, nanosleep);
    return check_failures != 0;
}

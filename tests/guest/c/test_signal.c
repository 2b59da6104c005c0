/* SPDX-License-Identifier: MIT */
/* Signals: handlers, masks, restart, alternate stacks, faults, timers. */
#define _GNU_SOURCE
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

static volatile int *volatile bad_address = (volatile int *)8;
static volatile sig_atomic_t count;
static volatile sig_atomic_t last;
static siginfo_t info;
static sigjmp_buf landing;
static void *volatile stack_address;

static void
note(int number)
{
    count++;
    last = number;
}

static void
note_info(int number, siginfo_t *given, void *context)
{
    (void)context;
    note(number);
    info = *given;
}

static void
jump(int number, siginfo_t *given, void *context)
{
    int here;

    (void)context;
    stack_address = &here;
    note(number);
    info = *given;
    siglongjmp(landing, 1);
}

static void
handle(int number, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = { .sa_sigaction = handler,
                                .sa_flags = SA_SIGINFO | flags };

    sigemptyset(&action.sa_mask);
    CHECK(sigaction(number, &action, NULL) == 0);
}

static void
test_handler_when_raised_then_called_with_siginfo(void)
{
    handle(SIGUSR1, note_info, 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(count == 1 && last == SIGUSR1 && info.si_signo == SIGUSR1);
    CHECK(info.si_code == SI_USER && info.si_pid == getpid() && info.si_uid == 0);
    CHECK(raise(SIGUSR1) == 0 && count == 2);
}

static void
test_handler_when_registers_are_live_then_kept(void)
{
    uint64_t sum = 0, expected = 0;
    double real = 1.5;

    handle(SIGUSR1, note_info, 0);
    for (uint64_t i = 0; i < 100; i++) {
        sum += i * i;
        real = real * 1.25 - 0.25;
        if (i % 10 == 0)
            raise(SIGUSR1);
        expected += i * i;
        CHECK(sum == expected && real > 1.0);
    }
    CHECK(count == 10);
}

static void
test_mask_when_blocked_then_pending_until_unblocked(void)
{
    sigset_t set, old, pending;

    handle(SIGUSR1, note_info, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
    raise(SIGUSR1);
    raise(SIGUSR1);
    CHECK(count == 0);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) == 1);
    CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
    CHECK(count == 1);
    sigfillset(&set);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(sigprocmask(SIG_BLOCK, NULL, &old) == 0);
    CHECK(sigismember(&old, SIGKILL) == 0 && sigismember(&old, SIGSTOP) == 0);
}

static volatile sig_atomic_t depth, deepest;

static void
nest(int number)
{
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (count++ < 3)
        raise(number);
    depth--;
}

static void
test_handler_when_raised_inside_then_masked_unless_nodefer(void)
{
    struct sigaction action = { .sa_handler = nest };

    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    raise(SIGUSR1);
    CHECK(count == 4 && deepest == 1);
    count = deepest = 0;
    action.sa_flags = SA_NODEFER;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    raise(SIGUSR1);
    CHECK(count == 4 && deepest == 4);
    action = (struct sigaction){ .sa_handler = note, .sa_flags = (int)SA_RESETHAND };
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    raise(SIGUSR2);
    CHECK(sigaction(SIGUSR2, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
}

static void
interrupted_read(int flags, ssize_t expected)
{
    int ends[2];
    char byte;
    ssize_t got;
    pid_t child;

    handle(SIGUSR1, note_info, flags);
    CHECK(pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        usleep(50000);
        kill(getppid(), SIGUSR1);
        usleep(50000);
        (void)!write(ends[1], "x", 1);
        _exit(0);
    }
    got = read(ends[0], &byte, 1);
    CHECK(got == expected && (got >= 0 || errno == EINTR) && count == 1);
    CHECK_EXIT(child, 0);
}

static void
test_read_when_interrupted_then_eintr(void)
{
    interrupted_read(0, -1);
}

static void
test_read_when_interrupted_with_restart_then_goes_on(void)
{
    interrupted_read(SA_RESTART, 1);
}

static void
test_sigsuspend_when_signal_comes_then_returns(void)
{
    sigset_t set, none, now;
    pid_t parent = getpid();

    handle(SIGUSR1, note_info, 0);
    sigemptyset(&none);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    if (fork() == 0) {
        usleep(20000);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    CHECK_ERROR(sigsuspend(&none), EINTR);
    CHECK(count == 1);
    CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0 && sigismember(&now, SIGUSR1) == 1);
}

static void
test_segv_when_handled_then_address_is_right(void)
{
    char *page = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    handle(SIGSEGV, jump, 0);
    CHECK(page != MAP_FAILED);
    if (sigsetjmp(landing, 1) == 0)
        page[4100] = 1;
    CHECK(count == 1 && info.si_addr == page + 4100 && info.si_code == SEGV_ACCERR);
    CHECK(munmap(page, 8192) == 0);
    if (sigsetjmp(landing, 1) == 0)
        (void)*(volatile char *)(page + 17);
    CHECK(count == 2 && info.si_addr == page + 17 && info.si_code == SEGV_MAPERR);
    if (sigsetjmp(landing, 1) == 0)
        *(volatile int *)0 = 1;
    CHECK(count == 3 && info.si_addr == NULL);
    if (sigsetjmp(landing, 1) == 0)
        (void)*(volatile char *)0xffff800000001000;
    CHECK(count == 4);
    if (sigsetjmp(landing, 1) == 0)
        ((void (*)(void))(uintptr_t)0x10)();
    CHECK(count == 5 && info.si_addr == (void *)0x10);
}

static void
repair(int number, siginfo_t *given, void *context)
{
    (void)context;
    note(number);
    mprotect((void *)((uintptr_t)given->si_addr & ~(uintptr_t)4095), 4096,
             PROT_READ | PROT_WRITE);
}

static void
test_segv_when_repaired_then_instruction_runs_again(void)
{
    char *page = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    handle(SIGSEGV, repair, 0);
    for (int i = 0; i < 16; i++)
        page[i * 4096 + i] = (char)i;
    CHECK(count == 16);
    for (int i = 0; i < 16; i++)
        CHECK(page[i * 4096 + i] == i);
    CHECK(count == 16);
}

static void
test_faults_when_not_handled_then_end_by_their_signal(void)
{
    pid_t child = fork();

    if (child == 0)
        *bad_address = 1;
    CHECK_SIGNAL(child, SIGSEGV);
    child = fork();
    if (child == 0)
        __asm__ volatile("ud2");
    CHECK_SIGNAL(child, SIGILL);
    child = fork();
    if (child == 0)
        __asm__ volatile("int3");
    CHECK_SIGNAL(child, SIGTRAP);
    child = fork();
    if (child == 0)
        __asm__ volatile("xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx"
                         ::: "eax", "ecx", "edx");
    CHECK_SIGNAL(child, SIGFPE);
    child = fork();
    if (child == 0)
        __asm__ volatile("hlt");
    CHECK_SIGNAL(child, SIGSEGV);
    child = fork();
    if (child == 0)
        __asm__ volatile("mov $0x8000000000000000, %%rax; movb $0, (%%rax)" ::: "rax");
    CHECK_SIGNAL(child, SIGSEGV);
    child = fork();
    if (child == 0)
        __asm__ volatile("cli");
    CHECK_SIGNAL(child, SIGSEGV);
    child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_IGN);
        *bad_address = 1;
    }
    CHECK_SIGNAL(child, SIGSEGV);
    child = fork();
    if (child == 0)
        abort();
    CHECK_SIGNAL(child, SIGABRT);
}

static volatile int bottomless = 1;

__attribute__((noinline)) static int
overflow(volatile char *before)
{
    volatile char here[1024];

    here[0] = before ? (char)(before[0] + 1) : 0;
    return bottomless ? overflow(here) + here[0] : here[0];
}

static void
test_stack_when_overflown_then_segv_and_alternate_stack_works(void)
{
    static char alternate[65536];
    stack_t stack = { .ss_sp = alternate, .ss_size = sizeof alternate };
    stack_t old;
    pid_t child = fork();

    if (child == 0)
        _exit(overflow(NULL));
    CHECK_SIGNAL(child, SIGSEGV);
    CHECK(sigaltstack(&stack, &old) == 0 && (old.ss_flags & SS_DISABLE));
    handle(SIGSEGV, jump, SA_ONSTACK);
    if (sigsetjmp(landing, 1) == 0)
        overflow(NULL);
    CHECK(count == 1);
    CHECK((char *)stack_address >= alternate &&
          (char *)stack_address < alternate + sizeof alternate);
    /* Without the alternate stack the handler cannot be called. */
    child = fork();
    if (child == 0) {
        handle(SIGSEGV, jump, 0);
        overflow(NULL);
    }
    CHECK_SIGNAL(child, SIGSEGV);
    stack.ss_size = 100;
    CHECK_ERROR(sigaltstack(&stack, NULL), ENOMEM);
}

static void
test_stack_when_grown_then_usable(void)
{
    volatile char large[4 << 20];

    for (size_t i = 0; i < sizeof large; i += 4096)
        large[sizeof large - 1 - i] = 1;
    CHECK(large[sizeof large - 1] == 1);
}

static void
test_sigchld_when_child_ends_then_comes(void)
{
    sigset_t set, old;
    pid_t child;

    handle(SIGCHLD, note_info, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
    child = fork();
    if (child == 0)
        _exit(7);
    while (count == 0)
        sigsuspend(&old);
    CHECK(info.si_signo == SIGCHLD && info.si_code == CLD_EXITED);
    CHECK(info.si_pid == child && info.si_status == 7);
    CHECK_EXIT(child, 7);
    signal(SIGCHLD, SIG_IGN);
    if (fork() == 0)
        _exit(0);
    CHECK_ERROR(wait(NULL), ECHILD);
}

static void
test_alarm_when_it_runs_out_then_signal(void)
{
    struct itimerval timer = { { 0, 10000 }, { 0, 10000 } }, left;

    handle(SIGALRM, note_info, 0);
    CHECK(alarm(100) > 0);
    CHECK(alarm(0) >= 99);
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    while (count < 5)
        pause();
    CHECK(getitimer(ITIMER_REAL, &left) == 0 && left.it_interval.tv_usec == 10000);
    timer = (struct itimerval){ { 0, 0 }, { 0, 0 } };
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    CHECK(last == SIGALRM);
}

static void
test_sleep_when_interrupted_then_rest_is_told(void)
{
    struct timespec want = { 20, 0 }, left = { 0, 0 };
    pid_t parent = getpid();

    handle(SIGUSR1, note_info, SA_RESTART);
    if (fork() == 0) {
        usleep(30000);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    CHECK_ERROR(nanosleep(&want, &left), EINTR);
    CHECK(left.tv_sec >= 10 && left.tv_sec < 20);
    want = (struct timespec){ 0, 1000000000 };
    CHECK_ERROR(nanosleep(&want, NULL), EINVAL);
}

static void
test_clock_when_read_then_moves_forward(void)
{
    struct timespec before, after, pause_time = { 0, 20000000 }, real;
    int64_t elapsed;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &before) == 0);
    CHECK(nanosleep(&pause_time, NULL) == 0);
    CHECK(clock_gettime(CLOCK_MONOTONIC, &after) == 0);
    elapsed = (int64_t)(after.tv_sec - before.tv_sec) * 1000000000 +
              (after.tv_nsec - before.tv_nsec);
    CHECK(elapsed >= 20000000 && elapsed < 30000000000);
    for (int i = 0; i < 1000; i++) {
        CHECK(clock_gettime(CLOCK_MONOTONIC, &before) == 0);
        CHECK(before.tv_sec > after.tv_sec ||
              (before.tv_sec == after.tv_sec && before.tv_nsec >= after.tv_nsec));
        after = before;
    }
    CHECK(clock_gettime(CLOCK_REALTIME, &real) == 0 && real.tv_sec > 1700000000);
    CHECK_ERROR(clock_gettime(9999, &real), EINVAL);
}

static void
test_arguments_when_wrong_then_einval(void)
{
    struct sigaction action = { .sa_handler = note };

    CHECK_ERROR(sigaction(SIGKILL, &action, NULL), EINVAL);
    CHECK_ERROR(sigaction(SIGSTOP, &action, NULL), EINVAL);
    CHECK_ERROR(sigaction(65, &action, NULL), EINVAL);
    CHECK_ERROR(kill(getpid(), 65), EINVAL);
    CHECK_ERROR(kill(getpid(), -1), EINVAL);
    CHECK_ERROR(kill(999999, SIGTERM), ESRCH);
    CHECK(kill(getpid(), 0) == 0);
}

static void
test_signals_when_many_then_none_is_lost(void)
{
    enum { ROUNDS = 300 };
    sigset_t set, old;
    pid_t parent = getpid();
    pid_t child;

    handle(SIGUSR1, note_info, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
    child = fork();
    if (child == 0) {
        handle(SIGUSR1, note_info, 0);
        for (int i = 0; i < ROUNDS; i++) {
            kill(parent, SIGUSR1);
            while (count == i)
                sigsuspend(&old);
        }
        _exit(0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        while (count == i)
            sigsuspend(&old);
        kill(child, SIGUSR1);
    }
    CHECK_EXIT(child, 0);
}

int
main(void)
{
    RUN(test_handler_when_raised_then_called_with_siginfo);
    RUN(test_handler_when_registers_are_live_then_kept);
    RUN(test_mask_when_blocked_then_pending_until_unblocked);
    RUN(test_handler_when_raised_inside_then_masked_unless_nodefer);
    RUN(test_read_when_interrupted_then_eintr);
    RUN(test_read_when_interrupted_with_restart_then_goes_on);
    RUN(test_sigsuspend_when_signal_comes_then_returns);
    RUN(test_segv_when_handled_then_address_is_right);
    RUN(test_segv_when_repaired_then_instruction_runs_again);
    RUN(test_faults_when_not_handled_then_end_by_their_signal);
    RUN(test_stack_when_overflown_then_segv_and_alternate_stack_works);
    RUN(test_stack_when_grown_then_usable);
    RUN(test_sigchld_when_child_ends_then_comes);
    RUN(test_alarm_when_it_runs_out_then_signal);
    RUN(test_sleep_when_interrupted_then_rest_is_told);
    RUN(test_clock_when_read_then_moves_forward);
    RUN(test_arguments_when_wrong_then_einval);
    RUN(test_signals_when_many_then_none_is_lost);
    return check_failures != 0;
}

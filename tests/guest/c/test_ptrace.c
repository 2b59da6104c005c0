/* SPDX-License-Identifier: MIT */
/* ptrace(2): stops at signals, registers, memory, single steps, attaching, ends. */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

static int
stopped_by(int status, int number)
{
    return WIFSTOPPED(status) && WSTOPSIG(status) == number;
}

static int
wait_for(pid_t pid)
{
    int status = -1;
    CHECK(waitpid(pid, &status, __WALL) == pid);
    return status;
}

static volatile int handled;
static void
on_signal(int number)
{
    handled = number;
}

/* A child that is traced and has stopped itself; then it runs `work` and exits with what it
 * returns. */
static pid_t
traced_child(int (*work)(void))
{
    pid_t child = fork();
    if (child == 0) {
        CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
        raise(SIGSTOP);
        _exit(work());
    }
    CHECK(stopped_by(wait_for(child), SIGSTOP));
    return child;
}

static int
quit_7(void)
{
    return 7;
}

static int
raise_usr1(void)
{
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    return handled;
}

static void
test_traced_when_signalled_then_tracer_decides(void)
{
    static const int gives[] = { SIGUSR1, 0 };
    for (int i = 0; i < 2; i++) {
        pid_t child = traced_child(raise_usr1);
        siginfo_t info;
        CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
        CHECK(waitid(P_PID, child, &info, WSTOPPED | WNOWAIT) == 0);
        CHECK(info.si_code == CLD_TRAPPED && info.si_status == SIGUSR1);
        CHECK(stopped_by(wait_for(child), SIGUSR1));
        CHECK(ptrace(PTRACE_GETSIGINFO, child, 0, &info) == 0 && info.si_signo == SIGUSR1);
        CHECK(info.si_pid == child);
        CHECK(ptrace(PTRACE_CONT, child, 0, gives[i]) == 0);
        int status = wait_for(child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == gives[i]);
    }
}

static int
touch_null(void)
{
    int *volatile nowhere = (int *)8;
    *nowhere = 1;
    return 1;
}

static void
test_traced_when_faulting_then_seen_and_killed(void)
{
    pid_t child = traced_child(touch_null);
    siginfo_t info;
    CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    CHECK(stopped_by(wait_for(child), SIGSEGV));
    CHECK(ptrace(PTRACE_GETSIGINFO, child, 0, &info) == 0 && info.si_addr == (void *)8);
    CHECK(ptrace(PTRACE_CONT, child, 0, SIGSEGV) == 0);
    int status = wait_for(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static volatile long shared_word = 11;
static const volatile long constant_word = 22;

static int
sum_words(void)
{
    return (int)(shared_word + constant_word);
}

static void
test_memory_when_poked_then_only_there(void)
{
    pid_t child = traced_child(sum_words);
    errno = 0;
    CHECK(ptrace(PTRACE_PEEKDATA, child, &shared_word, 0) == 11 && errno == 0);
    CHECK(ptrace(PTRACE_POKEDATA, child, &shared_word, 30) == 0);
    CHECK(ptrace(PTRACE_POKETEXT, child, &constant_word, 12) == 0); /* read-only: copied */
    CHECK(ptrace(PTRACE_PEEKTEXT, child, &constant_word, 0) == 12 && constant_word == 22);
    CHECK_ERROR(ptrace(PTRACE_PEEKDATA, child, 8, 0), EIO);
    CHECK_ERROR(ptrace(PTRACE_POKEDATA, child, 8, 0), EIO);
    CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    int status = wait_for(child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

/* Loads all registers, traps, and gives back what is in rax, rbx and xmm1. */
static int
trap_with_registers(void)
{
    uint64_t a = 0x1111, b = 0x2222, x = 0x3333;
    __asm__ volatile("movq %2, %%xmm1; int3; movq %%xmm1, %2"
                     : "+a"(a), "+b"(b), "+r"(x) : : "xmm1");
    return a == 0x4444 && b == 0x5555 && x == 0x6666 ? 0 : 1;
}

static void
test_registers_when_set_then_loaded(void)
{
    pid_t child = traced_child(trap_with_registers);
    struct user_regs_struct r;
    struct user_fpregs_struct fp;
    CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    CHECK(stopped_by(wait_for(child), SIGTRAP));
    CHECK(ptrace(PTRACE_GETREGS, child, 0, &r) == 0 && r.rax == 0x1111 && r.rbx == 0x2222);
    CHECK(ptrace(PTRACE_PEEKUSER, child, offsetof(struct user, regs.rbx), 0) == 0x2222);
    CHECK(ptrace(PTRACE_GETFPREGS, child, 0, &fp) == 0 && fp.xmm_space[4] == 0x3333);
    fp.xmm_space[4] = 0x6666;
    CHECK(ptrace(PTRACE_SETFPREGS, child, 0, &fp) == 0);
    r.rax = 0x4444;
    CHECK(ptrace(PTRACE_SETREGS, child, 0, &r) == 0);
    CHECK(ptrace(PTRACE_POKEUSER, child, offsetof(struct user, regs.rbx), 0x5555) == 0);
    struct iovec v = { &r, sizeof r };
    CHECK(ptrace(PTRACE_GETREGSET, child, 1, &v) == 0 && v.iov_len == sizeof r);
    CHECK(r.rax == 0x4444 && r.rbx == 0x5555);
    CHECK_ERROR(ptrace(PTRACE_PEEKUSER, child, 3, 0), EIO);
    CHECK_ERROR(ptrace(PTRACE_PEEKUSER, child, 100000, 0), EIO);
    CHECK_ERROR(ptrace(PTRACE_GETREGSET, child, 12345, &v), EINVAL);
    CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    int status = wait_for(child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Verify that nothing a tracer writes takes a program out of its place. */
static void
test_registers_when_hostile_then_harmless(void)
{
    static const uint64_t wild[] = { 0, 1ull << 47, 0x7ffffffff000, 0xffff800000000000,
                                     0xffffffffffffffff, 0x8000000000000000 };
    for (size_t i = 0; i < sizeof wild / sizeof wild[0]; i++) {
        pid_t child = traced_child(quit_7);
        struct user_regs_struct r, before;
        CHECK(ptrace(PTRACE_GETREGS, child, 0, &before) == 0);
        r = before;
        r.rsp = wild[i];
        r.eflags = ~0ull;
        (void)ptrace(PTRACE_SETREGS, child, 0, &r);
        r.rip = wild[i];
        (void)ptrace(PTRACE_SETREGS, child, 0, &r);
        r = before;
        r.cs = 0x8;
        CHECK_ERROR(ptrace(PTRACE_SETREGS, child, 0, &r), EIO);
        r = before;
        r.fs_base = wild[i] == 0 ? 1ull << 63 : wild[i] | 1ull << 63;
        CHECK_ERROR(ptrace(PTRACE_SETREGS, child, 0, &r), EIO);
        CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
        int status = wait_for(child);
        if (WIFSTOPPED(status)) {
            CHECK(ptrace(PTRACE_KILL, child, 0, 0) == 0);
            kill(child, SIGKILL);
            status = wait_for(child);
        }
        CHECK(WIFSIGNALED(status) || WIFEXITED(status));
    }
}

static int
write_twice(void)
{
    long a = syscall(SYS_getppid), b = syscall(SYS_getuid);
    return a == 77 && b == -1 && errno == ENOSYS ? 5 : 6;
}

/* Verify that each call stops twice, and that the tracer may change number and result. */
static void
test_calls_when_traced_then_stop_twice(void)
{
    pid_t child = traced_child(write_twice);
    struct user_regs_struct r;
    int stops = 0, status;
    CHECK(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD) == 0);
    for (;; stops++) {
        CHECK(ptrace(PTRACE_SYSCALL, child, 0, 0) == 0);
        status = wait_for(child);
        if (!stopped_by(status, SIGTRAP | 0x80))
            break;
        CHECK(ptrace(PTRACE_GETREGS, child, 0, &r) == 0);
        if (stops == 0 && r.orig_rax != SYS_getppid) { /* the end of the call that stopped it */
            stops = -1;
            continue;
        }
        if (stops == 0)
            CHECK(r.orig_rax == SYS_getppid && (long)r.rax == -ENOSYS);
        if (stops == 1) {
            CHECK((long)r.rax == getpid());
            r.rax = 77;
            CHECK(ptrace(PTRACE_SETREGS, child, 0, &r) == 0);
        }
        if (stops == 2) {
            CHECK(r.orig_rax == SYS_getuid);
            r.orig_rax = (unsigned long)-1;
            CHECK(ptrace(PTRACE_SETREGS, child, 0, &r) == 0);
        }
        if (stops == 3) {
            r.rax = (unsigned long)-ENOSYS;
            CHECK(ptrace(PTRACE_SETREGS, child, 0, &r) == 0);
        }
    }
    CHECK(stops == 5); /* exit_group is the fifth */
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5);
}

static int
count_up(void)
{
    uint64_t n;
    __asm__ volatile("int3; mov $5, %%eax; add $1, %%rax; add $1, %%rax; mov %%rax, %0"
                     : "=r"(n) : : "rax");
    return (int)n;
}

static void
test_step_when_asked_then_one_instruction(void)
{
    pid_t child = traced_child(count_up);
    struct user_regs_struct r;
    static const uint64_t rax[] = { 5, 6, 7 };
    CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    CHECK(stopped_by(wait_for(child), SIGTRAP));
    for (int i = 0; i < 3; i++) {
        CHECK(ptrace(PTRACE_SINGLESTEP, child, 0, 0) == 0);
        CHECK(stopped_by(wait_for(child), SIGTRAP));
        CHECK(ptrace(PTRACE_GETREGS, child, 0, &r) == 0 && r.rax == rax[i]);
        CHECK((r.eflags & 0x100) == 0);
    }
    CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    int status = wait_for(child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void
test_exec_when_traced_then_sigtrap(void)
{
    for (int option = 0; option < 2; option++) {
        pid_t child = fork();
        if (child == 0) {
            CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
            raise(SIGSTOP);
            execl("/proc/self/exe", "test", "9", NULL);
            _exit(1);
        }
        CHECK(stopped_by(wait_for(child), SIGSTOP));
        if (option)
            CHECK(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACEEXEC) == 0);
        CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
        int status = wait_for(child);
        unsigned long message = 0;
        CHECK(status >> 8 == (option ? SIGTRAP | PTRACE_EVENT_EXEC << 8 : SIGTRAP));
        if (option)
            CHECK(ptrace(PTRACE_GETEVENTMSG, child, 0, &message) == 0 &&
                  message == (unsigned long)child);
        CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
        status = wait_for(child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
    }
}

static volatile int *shared;

static int
spin(void)
{
    while (!shared[0])
        shared[1]++;
    return 3;
}

static void
test_attach_when_running_then_stops_and_goes_on(void)
{
    for (int seize = 0; seize < 2; seize++) {
        shared[0] = shared[1] = 0;
        pid_t child = fork();
        if (child == 0)
            _exit(spin());
        while (shared[1] == 0)
            sched_yield();
        if (seize) {
            CHECK(ptrace(PTRACE_SEIZE, child, 0, 0) == 0);
            CHECK(ptrace(PTRACE_INTERRUPT, child, 0, 0) == 0);
            CHECK(wait_for(child) >> 8 == (SIGTRAP | PTRACE_EVENT_STOP << 8));
        } else {
            CHECK(ptrace(PTRACE_ATTACH, child, 0, 0) == 0);
            CHECK(stopped_by(wait_for(child), SIGSTOP));
        }
        CHECK_ERROR(ptrace(PTRACE_ATTACH, child, 0, 0), EPERM);
        int before = shared[1];
        usleep(20000);
        CHECK(shared[1] == before);
        CHECK(ptrace(PTRACE_DETACH, child, 0, 0) == 0);
        while (shared[1] == before)
            sched_yield();
        CHECK_ERROR(ptrace(PTRACE_CONT, child, 0, 0), ESRCH);
        shared[0] = 1;
        CHECK_EXIT(child, 3);
    }
}

static void *
spin_thread(void *arg)
{
    (void)arg;
    shared[2] = (int)syscall(SYS_gettid);
    while (!shared[0])
        shared[1]++;
    return NULL;
}

/* Verify that one thread of several can be held, by who is not its parent, too. */
static void
test_attach_when_thread_then_that_one(void)
{
    shared[0] = shared[1] = shared[2] = 0;
    pid_t child = fork();
    if (child == 0) {
        pthread_t t;
        CHECK(pthread_create(&t, NULL, spin_thread, NULL) == 0);
        pthread_join(t, NULL);
        _exit(4);
    }
    while (shared[1] == 0)
        sched_yield();
    pid_t tracer = fork();
    if (tracer == 0) {
        int tid = shared[2], before, status;
        CHECK(ptrace(PTRACE_ATTACH, tid, 0, 0) == 0);
        CHECK(waitpid(tid, &status, __WALL) == tid && stopped_by(status, SIGSTOP));
        before = shared[1];
        usleep(20000);
        CHECK(shared[1] == before);
        CHECK(ptrace(PTRACE_CONT, tid, 0, 0) == 0);
        while (shared[1] == before)
            sched_yield();
        shared[0] = 1;
        CHECK(waitpid(tid, &status, __WALL) == tid && WIFEXITED(status));
        _exit(check_failures != 0);
    }
    CHECK_EXIT(tracer, 0);
    CHECK_EXIT(child, 4);
}

/* Verify that a stopped tracee lives on when its tracer ends, or ends with it if asked. */
static void
test_tracer_when_gone_then_tracee_is_free(void)
{
    for (int kill_it = 0; kill_it < 2; kill_it++) {
        shared[0] = shared[1] = 0;
        pid_t child = fork();
        if (child == 0)
            _exit(spin());
        while (shared[1] == 0)
            sched_yield();
        pid_t tracer = fork();
        if (tracer == 0) {
            int status;
            CHECK(ptrace(PTRACE_SEIZE, child, 0, kill_it ? PTRACE_O_EXITKILL : 0) == 0);
            CHECK(ptrace(PTRACE_INTERRUPT, child, 0, 0) == 0);
            CHECK(waitpid(child, &status, __WALL) == child);
            _exit(check_failures != 0);
        }
        CHECK_EXIT(tracer, 0);
        int status;
        if (!kill_it) {
            int before = shared[1];
            while (shared[1] == before)
                sched_yield();
            shared[0] = 1;
            CHECK_EXIT(child, 3);
        } else {
            CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
        }
    }
}

static void
test_stopped_when_killed_then_ends(void)
{
    pid_t child = traced_child(quit_7);
    CHECK(kill(child, SIGKILL) == 0);
    int status = wait_for(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void
test_ptrace_when_not_allowed_then_error(void)
{
    CHECK_ERROR(ptrace(PTRACE_ATTACH, getpid(), 0, 0), EPERM);
    CHECK_ERROR(ptrace(PTRACE_ATTACH, 0x3fffff, 0, 0), ESRCH);
    CHECK_ERROR(ptrace(PTRACE_CONT, getppid(), 0, 0), ESRCH);
    pid_t child = fork();
    if (child == 0) {
        pid_t roots = getppid();
        CHECK(setresuid(1000, 1000, 1000) == 0);
        CHECK_ERROR(ptrace(PTRACE_ATTACH, roots, 0, 0), EPERM);
        CHECK_ERROR(ptrace(PTRACE_SEIZE, roots, 0, 0), EPERM);
        _exit(check_failures != 0);
    }
    CHECK_EXIT(child, 0);
}

int
main(int argc, char **argv)
{
    if (argc > 1)
        return atoi(argv[1]);
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    RUN(test_traced_when_signalled_then_tracer_decides, ptrace, wait4, waitid);
    RUN(test_traced_when_faulting_then_seen_and_killed, ptrace);
    RUN(test_memory_when_poked_then_only_there, ptrace);
    RUN(test_registers_when_set_then_loaded, ptrace);
    RUN(test_registers_when_hostile_then_harmless, ptrace);
    RUN(test_step_when_asked_then_one_instruction, ptrace);
    RUN(test_calls_when_traced_then_stop_twice, ptrace);
    RUN(test_exec_when_traced_then_sigtrap, ptrace, execve);
    RUN(test_attach_when_running_then_stops_and_goes_on, ptrace);
    RUN(test_attach_when_thread_then_that_one, ptrace);
    RUN(test_tracer_when_gone_then_tracee_is_free, ptrace);
    RUN(test_stopped_when_killed_then_ends, ptrace);
    RUN(test_ptrace_when_not_allowed_then_error, ptrace);
    return check_failures != 0;
}

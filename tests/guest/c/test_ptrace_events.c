/* SPDX-License-Identifier: MIT */
/* ptrace: events of births and ends, stops of whole processes, calls that are emulated. */
#define _GNU_SOURCE
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENT(e) (SIGTRAP | (e) << 8)

static volatile int *shared;

static int
wait_for(pid_t pid)
{
    int status = -1;
    CHECK(waitpid(pid, &status, __WALL) == pid);
    return status;
}

/* A child that is SEIZEd with these options and held before it calls act. */
static pid_t
seized_child(int (*act)(void), long options)
{
    shared[0] = 0;
    pid_t child = fork();
    if (child == 0) {
        while (!shared[0])
            sched_yield();
        _exit(act());
    }
    CHECK(ptrace(PTRACE_SEIZE, child, 0, options) == 0);
    CHECK(ptrace(PTRACE_INTERRUPT, child, 0, 0) == 0);
    CHECK(wait_for(child) >> 8 == EVENT(PTRACE_EVENT_STOP));
    shared[0] = 1;
    return child;
}

static unsigned long
message_of(pid_t pid)
{
    unsigned long message = 0;
    CHECK(ptrace(PTRACE_GETEVENTMSG, pid, 0, &message) == 0);
    return message;
}

static int
fork_one(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(5);
    int status;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int
vfork_one(void)
{
    pid_t child = vfork();
    if (child == 0)
        _exit(5);
    int status;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void *
end_at_once(void *arg)
{
    return arg;
}

static int
clone_one(void)
{
    pthread_t t;
    void *r = NULL;
    return pthread_create(&t, NULL, end_at_once, (void *)5) == 0 &&
                   pthread_join(t, &r) == 0 ? (int)(long)r : 1;
}

/* Verify that a birth is told with the child's number, that the child is traced from its
 * first instruction, and that its end and vfork's are told. */
static void
test_birth_when_asked_then_told_and_traced(void)
{
    static const struct {
        int (*act)(void);
        int event;
    } births[] = { { fork_one, PTRACE_EVENT_FORK }, { vfork_one, PTRACE_EVENT_VFORK },
                   { clone_one, PTRACE_EVENT_CLONE } };
    long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                   PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT;
    for (int i = 0; i < 3; i++) {
        pid_t child = seized_child(births[i].act, options), born = 0, pid;
        bool done = false, born_stopped = false, born_exit = false, born_ended = false;
        bool exit_told = false, ended = false;
        CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
        while (!(ended && (born_ended || born == 0))) {
            int status;
            pid = waitpid(-1, &status, __WALL);
            if (pid < 0)
                break;
            if (pid == child && WIFEXITED(status)) {
                ended = true;
                CHECK(WEXITSTATUS(status) == 5);
                continue;
            }
            if (WIFEXITED(status)) {
                born_ended = true;
                continue;
            }
            int what = status >> 8, signal = 0;
            if (pid == child && what == EVENT(births[i].event))
                born = (pid_t)message_of(child);
            else if (pid == child && what == EVENT(PTRACE_EVENT_VFORK_DONE))
                done = message_of(child) == (unsigned long)born;
            else if (what == EVENT(PTRACE_EVENT_EXIT) && pid == child)
                exit_told = message_of(child) == 5 << 8;
            else if (what == EVENT(PTRACE_EVENT_EXIT))
                born_exit = true;
            else if (pid != child && what == EVENT(PTRACE_EVENT_STOP))
                born_stopped = true;
            else if (what >> 8 == 0)
                signal = what;
            CHECK(ptrace(PTRACE_CONT, pid, 0, signal) == 0);
        }
        CHECK(born > 0 && born_stopped && born_exit && born_ended && exit_told && ended);
        CHECK(done == (births[i].event == PTRACE_EVENT_VFORK));
    }
}

static int
wait_for_ever(void)
{
    while (shared[1] == 0)
        shared[2]++;
    return 4;
}

/* Verify that a stop signal stops a tracee with its group's stop, that LISTEN keeps it
 * there, and that SIGCONT is told. */
static void
test_stop_when_listening_then_continue_is_told(void)
{
    shared[1] = 0;
    pid_t child = seized_child(wait_for_ever, 0);
    siginfo_t info;
    CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    CHECK(kill(child, SIGSTOP) == 0);
    CHECK(wait_for(child) >> 8 == SIGSTOP); /* the signal */
    CHECK_ERROR(ptrace(PTRACE_LISTEN, child, 0, 0), EIO);
    CHECK(ptrace(PTRACE_CONT, child, 0, SIGSTOP) == 0);
    CHECK(wait_for(child) >> 8 == (SIGSTOP | PTRACE_EVENT_STOP << 8)); /* what it did */
    CHECK(ptrace(PTRACE_GETSIGINFO, child, 0, &info) == 0 &&
          info.si_code == (SIGSTOP | PTRACE_EVENT_STOP << 8));
    CHECK(ptrace(PTRACE_LISTEN, child, 0, 0) == 0);
    CHECK_ERROR(ptrace(PTRACE_CONT, child, 0, 0), ESRCH);
    int before = shared[2], status;
    usleep(20000);
    CHECK(shared[2] == before && waitpid(child, &status, __WALL | WNOHANG) == 0);
    CHECK(kill(child, SIGCONT) == 0);
    CHECK(wait_for(child) >> 8 == EVENT(PTRACE_EVENT_STOP));
    CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    CHECK(wait_for(child) >> 8 == SIGCONT);
    CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    shared[1] = 1;
    status = wait_for(child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 4);
}

static int
ask_twice(void)
{
    return syscall(SYS_getppid) == 77 && syscall(SYS_getuid) == 0 ? 6 : 7;
}

/* Verify that SYSEMU stops before a call, which is not made, and does not stop after it. */
static void
test_call_when_emulated_then_result_is_the_tracers(void)
{
    pid_t child = seized_child(ask_twice, PTRACE_O_TRACESYSGOOD);
    struct user_regs_struct r;
    int status, found = 0;
    while (!found) {
        CHECK(ptrace(PTRACE_SYSCALL, child, 0, 0) == 0); /* on until it is about to ask */
        status = wait_for(child);
        if (!WIFSTOPPED(status))
            break;
        struct __ptrace_syscall_info info;
        memset(&info, 0, sizeof info);
        long n = ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info);
        CHECK(ptrace(PTRACE_GETREGS, child, 0, &r) == 0);
        CHECK(info.arch == 0xc000003e && info.stack_pointer == r.rsp);
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
            CHECK(n == 80 && info.entry.nr == r.orig_rax);
            if (info.entry.nr != SYS_getppid)
                continue;
            r.orig_rax = (unsigned long)-1;
            r.rax = 77;
            CHECK(ptrace(PTRACE_SETREGS, child, 0, &r) == 0);
        } else {
            CHECK(n == 33 && info.op == PTRACE_SYSCALL_INFO_EXIT);
            found = info.exit.rval == 77;
        }
    }
    CHECK(found && ptrace(PTRACE_SYSEMU, child, 0, 0) == 0);
    CHECK(wait_for(child) >> 8 == (SIGTRAP | 0x80));
    CHECK(ptrace(PTRACE_GETREGS, child, 0, &r) == 0 && r.orig_rax == SYS_getuid);
    r.rax = 0;
    CHECK(ptrace(PTRACE_SETREGS, child, 0, &r) == 0);
    CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    status = wait_for(child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 6);
}

static int
block_and_wait(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    shared[3] = 1;
    return wait_for_ever();
}

/* Verify that pending signals can be looked at without being taken. */
static void
test_pending_when_peeked_then_stays(void)
{
    shared[1] = shared[3] = 0;
    pid_t child = seized_child(block_and_wait, 0);
    siginfo_t info[4];
    CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    while (!shared[3])
        sched_yield();
    for (int i = 1; i <= 2; i++)
        CHECK(sigqueue(child, SIGRTMIN, (union sigval){ .sival_int = i }) == 0);
    CHECK(ptrace(PTRACE_INTERRUPT, child, 0, 0) == 0);
    CHECK(wait_for(child) >> 8 == EVENT(PTRACE_EVENT_STOP));
    for (int again = 0; again < 2; again++) {
        struct __ptrace_peeksiginfo_args args = { 0, PTRACE_PEEKSIGINFO_SHARED, 4 };
        CHECK(ptrace(PTRACE_PEEKSIGINFO, child, &args, info) == 2);
        CHECK(info[0].si_value.sival_int == 1 && info[1].si_value.sival_int == 2);
        args.flags = 0;
        CHECK(ptrace(PTRACE_PEEKSIGINFO, child, &args, info) == 0);
        args.flags = 8;
        CHECK_ERROR(ptrace(PTRACE_PEEKSIGINFO, child, &args, info), EINVAL);
    }
    char path[40], line[100];
    snprintf(path, sizeof path, "/proc/%d/status", child);
    FILE *f = fopen(path, "r");
    int tracer = 0, held = 0;
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        held |= strcmp(line, "State:\tt (tracing stop)\n") == 0;
        if (strncmp(line, "TracerPid:", 10) == 0)
            tracer = atoi(line + 10);
    }
    CHECK(f != NULL && fclose(f) == 0);
    CHECK(held && tracer == getpid());
    CHECK(ptrace(PTRACE_DETACH, child, 0, 0) == 0);
    shared[1] = 1;
    CHECK_EXIT(child, 4);
}

int
main(void)
{
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    RUN(test_birth_when_asked_then_told_and_traced, ptrace, fork, vfork, clone);
    RUN(test_stop_when_listening_then_continue_is_told, ptrace);
    RUN(test_call_when_emulated_then_result_is_the_tracers, ptrace);
    RUN(test_pending_when_peeked_then_stays, ptrace);
    return check_failures != 0;
}

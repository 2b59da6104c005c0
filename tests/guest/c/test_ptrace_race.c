/* SPDX-License-Identifier: MIT */
/*
 * Threads of a tracer that set bad registers while others let the tracee run, and kill it:
 * what the tracee runs with is what was found good, or it ends; nobody else notices.
 */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define SET_XSTATE 0x202
#define SET_GENERAL 1
#define HELPERS 3
#define ROUNDS 12

static _Atomic int over;
static pid_t tracee;

/* Vector state, of which the header or MXCSR is nonsense: refused, or never loaded. */
static void
set_bad_state(unsigned seed)
{
    static __thread unsigned char area[4096];
    struct iovec iov = { area, sizeof area };

    if (syscall(SYS_ptrace, PTRACE_GETREGSET, tracee, SET_XSTATE, &iov) < 0)
        memset(area, 0, iov.iov_len = 832);
    if (seed % 3 != 0)
        memset(area + 24, 0xff, 4);
    if (seed % 3 != 1)
        memset(area + 512, (int)(0xff - seed % 2), 64);
    syscall(SYS_ptrace, PTRACE_SETREGSET, tracee, SET_XSTATE, &iov);
}

/* Addresses that are none. */
static void
set_bad_general(unsigned seed)
{
    static const uint64_t bad[] = { 0x800000000000, ~0ull, 0xffff800000000000, 1ull << 62 };
    uint64_t regs[27];
    struct iovec iov = { regs, sizeof regs };

    if (syscall(SYS_ptrace, PTRACE_GETREGSET, tracee, SET_GENERAL, &iov) < 0)
        return;
    regs[16 + seed % 11] = bad[seed % 4];
    syscall(SYS_ptrace, PTRACE_SETREGSET, tracee, SET_GENERAL, &iov);
    syscall(SYS_ptrace, PTRACE_POKEUSER, tracee, 8 * (seed % 27), bad[seed / 4 % 4]);
}

static void *
spoil(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;

    while (!over) {
        seed = seed * 1103515245u + 12345u;
        set_bad_state(seed >> 16);
        if ((seed >> 16) % 32 == 0)
            set_bad_general(seed >> 20);
        if ((seed >> 16) % 8 == 0)
            syscall(SYS_ptrace, PTRACE_CONT, tracee, 0, 0);
    }
    return NULL;
}

static _Noreturn void
be_traced(void)
{
    volatile double x = 1;

    if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
        _exit(2);
    for (;;) {
        raise(SIGSTOP);
        for (int i = 0; i < 100; i++)
            x = x * 1.01 + 0.5;
    }
}

static void
test_registers_when_set_by_many_then_only_good_ones_are_loaded(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t helper[HELPERS];
        int status;

        over = 0;
        tracee = fork();
        CHECK(tracee >= 0);
        if (tracee == 0)
            be_traced();
        for (int i = 0; i < HELPERS; i++)
            CHECK(pthread_create(&helper[i], NULL, spoil, (void *)(uintptr_t)(round * 7 + i)) == 0);
        for (int i = 0; i < 1500; i++) {
            pid_t r = waitpid(tracee, &status, WNOHANG | __WALL);
            CHECK(r >= 0);
            if (r == tracee && !WIFSTOPPED(status))
                break; /* its address was none */
            if (r == tracee) {
                set_bad_state((unsigned)i);
                syscall(SYS_ptrace, PTRACE_CONT, tracee, 0, 0);
            }
            if (i == 1499)
                kill(tracee, SIGKILL);
            sched_yield();
        }
        kill(tracee, SIGKILL);
        over = 1;
        for (int i = 0; i < HELPERS; i++)
            CHECK(pthread_join(helper[i], NULL) == 0);
        while (waitpid(tracee, &status, __WALL) == tracee)
            ;
        CHECK(errno == ECHILD);
    }
}

int
main(void)
{
    RUN(test_registers_when_set_by_many_then_only_good_ones_are_loaded, ptrace);
    return check_failures != 0;
}

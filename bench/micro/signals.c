/* SPDX-License-Identifier: MIT */
/* Signals: setting an action, one to oneself, and faults that are handled. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "groups.h"

/* The store of op_segv_return: movb $1, (%rax). */
#define STORE_BYTES 3

static char *area;
static sigjmp_buf landing;
static volatile char *volatile bad_address = (volatile char *)16;

static void
on_signal(int number)
{
    (void)number;
}

static void
on_fault_open(int number)
{
    (void)number;
    mprotect(area, PAGE, PROT_READ | PROT_WRITE);
}

static void
on_fault_jump(int number)
{
    (void)number;
    siglongjmp(landing, 1);
}

static void
on_fault_skip(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += STORE_BYTES;
}

static long
op_sigaction(void)
{
    struct sigaction action = { .sa_handler = on_signal };

    return sigaction(SIGUSR2, &action, NULL);
}

static long
op_sigprocmask(void)
{
    sigset_t set;

    sigemptyset(&set);
    return sigprocmask(SIG_BLOCK, &set, NULL);
}

static int
handle_signal(void)
{
    struct sigaction action = { .sa_handler = on_signal };

    return sigaction(SIGUSR1, &action, NULL);
}

static long
op_signal_self(void)
{
    return kill(getpid(), SIGUSR1);
}

static long
op_segv_mprotect(void)
{
    if (mprotect(area, PAGE, PROT_NONE) < 0)
        return -1;
    *(volatile char *)area = 1;
    return 0;
}

static long
op_segv_return(void)
{
    __asm__ volatile(".byte 0xc6, 0x00, 0x01" ::"a"(bad_address) : "memory");
    return 0;
}

/* Without a mask to be put back: the handler's own signal is not blocked. */
static long
op_segv_longjmp(void)
{
    if (sigsetjmp(landing, 0) == 0)
        *bad_address = 1;
    return 0;
}

static long
op_segv_siglongjmp(void)
{
    if (sigsetjmp(landing, 1) == 0)
        *bad_address = 1;
    return 0;
}

static int
open_faults(void)
{
    struct sigaction action = { .sa_handler = on_fault_open };

    area = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return area == MAP_FAILED ? -1 : sigaction(SIGSEGV, &action, NULL);
}

static int
leave_faults(void)
{
    struct sigaction action = { .sa_handler = on_fault_jump, .sa_flags = SA_NODEFER };

    return sigaction(SIGSEGV, &action, NULL);
}

static int
jump_faults(void)
{
    struct sigaction action = { .sa_handler = on_fault_jump };

    return sigaction(SIGSEGV, &action, NULL);
}

static int
skip_faults(void)
{
    struct sigaction action = { .sa_sigaction = on_fault_skip, .sa_flags = SA_SIGINFO };

    return sigaction(SIGSEGV, &action, NULL);
}

static void
default_faults(void)
{
    signal(SIGSEGV, SIG_DFL);
}

#define FAULTS(how) .batch = 10, .set_up = (how), .tear_down = default_faults

static const struct row rows[] = {
    { .name = "sigaction", .operation = op_sigaction, .batch = 50 },
    { .name = "sigprocmask", .operation = op_sigprocmask, .batch = 50 },
    { .name = "signal_to_self",
      .operation = op_signal_self,
      .batch = 20,
      .set_up = handle_signal },
    { .name = "segv_mprotect_return",
      .operation = op_segv_mprotect,
      FAULTS(open_faults) },
    { .name = "segv_return", .operation = op_segv_return, FAULTS(skip_faults) },
    { .name = "segv_longjmp", .operation = op_segv_longjmp, FAULTS(leave_faults) },
    { .name = "segv_siglongjmp", .operation = op_segv_siglongjmp, FAULTS(jump_faults) },
};

const struct group group_signals = { "signals", rows, COUNT_OF(rows) };

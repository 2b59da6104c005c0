/* SPDX-License-Identifier: MIT */
/* What is more than one call: spoilt signal frames, threads, children, streams of calls. */
#include "fuzz.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/time.h>
#include <ucontext.h>

static volatile int hostile; /* what on_signal does to what it returns to */
static struct stream thread_streams[4];
static struct stream spoiler;

__asm__(".globl fuzz_restorer\nfuzz_restorer: mov $15, %eax; syscall; hlt");

/* Spoil what the return from a handler restores: flags, segments, addresses, vectors. */
static void
spoil(ucontext_t *u)
{
    struct stream *s = &spoiler;
    greg_t *r = u->uc_mcontext.gregs;
    unsigned char *fp = (void *)u->uc_mcontext.fpregs;

    for (u64 i = 0, n = 1 + below(s, 3); i < n; i++) {
        switch (below(s, 8)) {
        case 0:
            r[REG_EFL] = (greg_t)(below(s, 2) ? next(s) : (u64)r[REG_EFL] ^ 1ul << below(s, 32));
            break;
        case 1:
            r[REG_CSGSFS] = (greg_t)next(s);
            break;
        case 2:
            r[REG_RIP] = (greg_t)address(s);
            break;
        case 3:
            r[REG_RSP] = (greg_t)address(s);
            break;
        case 4:
            u->uc_mcontext.fpregs = (void *)address(s);
            break;
        case 5: /* the legacy area, its header, its size */
            for (int k = 0; fp != NULL && k < 8; k++)
                fp[below(s, 900)] = (unsigned char)next(s);
            break;
        case 6:
            memset(fp + 512, (int)next(s), 64);
            break;
        default:
            for (size_t k = 0; k < sizeof u->uc_sigmask / 8; k++)
                ((u64 *)&u->uc_sigmask)[k] = next(s);
            u->uc_flags = next(s);
            break;
        }
    }
}

void
on_signal(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    if (hostile)
        spoil(context);
}

static void
set_handler(int number, u64 flags)
{
    u64 a[4] = { (u64)on_signal, flags | SA_SIGINFO | 0x04000000, (u64)fuzz_restorer, 0 };

    raw(SYS_rt_sigaction, (u64)number, (u64)a, 0, 8, 0, 0);
}

#define NUMBERS 470u

/* A number of a call that does no harm outside of the round. */
static long
any_number(struct stream *s)
{
    static const short never[] = {
        SYS_exit, SYS_exit_group, SYS_fork, SYS_vfork, SYS_clone, SYS_pause, SYS_chroot,
        SYS_pivot_root, SYS_reboot, SYS_settimeofday, SYS_clock_settime, SYS_adjtimex,
        SYS_clock_adjtime, SYS_sethostname, SYS_setdomainname, SYS_vhangup, SYS_syslog,
        SYS_swapon, SYS_swapoff, SYS_ptrace, SYS_kexec_load, SYS_mount, SYS_umount2,
        SYS_init_module, SYS_delete_module, SYS_acct, SYS_kill, SYS_tkill, SYS_tgkill,
        SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_setpriority, SYS_rt_sigreturn,
        SYS_rt_sigsuspend, SYS_execve, SYS_execveat, SYS_ioprio_set, SYS_iopl, SYS_ioperm,
    };
    for (;;) {
        long number = (long)below(s, NUMBERS);
        size_t i = 0;
        while (i < sizeof never / sizeof never[0] && never[i] != number)
            i++;
        if (i == sizeof never / sizeof never[0])
            return number;
    }
}

/* Calls that act on a process must not act on one outside: the first one, or all. */
static int
is_outside(const struct call *c, const u64 v[6])
{
    for (int i = 0; c->args[i] != '\0'; i++)
        if (c->args[i] == 'P' && ((int)v[i] == 1 || (int)v[i] == -1))
            return 1;
    return 0;
}

static void
one_call(struct stream *s)
{
    struct call any = calls[below(s, call_count)];
    const struct call *c = &any;
    u64 v[6] = { 0 };

    if (any.number < 0)
        any.number = (short)any_number(s);

    if (c->root_only && !s->root)
        return;
    for (int i = 0; c->args[i] != '\0'; i++)
        v[i] = argument(s, c->args[i]);
    if (below(s, 30) == 0)
        v[below(s, 6)] = below(s, 2) ? edge(s) : address(s);
    /* Whatever became of the arguments: nobody outside is reached. */
    int to = c->number == SYS_kill || c->number == SYS_rt_sigqueueinfo ||
             c->number == SYS_tkill || c->number == SYS_setpriority;
    for (int i = 0; i < 2; i++) {
        int pid = (int)v[i];
        if ((to || c->number == SYS_tgkill || c->number == SYS_rt_tgsigqueueinfo) &&
            (pid == -1 || pid == 1 || (pid > 1 && pid != s->last_pid && pid < 0x1000000 &&
             pid != RAW(SYS_getpid, 0, 0, 0) && pid != RAW(SYS_gettid, 0, 0, 0))) &&
            (i == 0 || !to))
            return;
    }
    if (is_outside(c, v))
        return;
    if (c->number == SYS_mount) {
        static const u64 flags[] = { MS_BIND, MS_BIND | MS_REC, MS_MOVE, MS_REMOUNT,
                                     MS_REMOUNT | MS_BIND | MS_RDONLY, MS_PRIVATE, MS_RDONLY };
        v[3] = below(s, 4) == 0 ? v[3] : below(s, 3) ? flags[below(s, 7)] : 0;
        v[4] = 0;
    }
    if ((c->number == SYS_prlimit64 || c->number == SYS_sched_setaffinity) && v[0] == 1)
        return;
    if (s->log >= 0)
        dprintf(s->log, "# %d %d(%lx %lx %lx %lx %lx %lx)\n", (int)RAW(SYS_gettid, 0, 0, 0),
                c->number, v[0], v[1], v[2], v[3], v[4], v[5]);
    long result = raw(c->number, v[0], v[1], v[2], v[3], v[4], v[5]);
    if (s->log >= 0)
        dprintf(s->log, "# %d = %ld\n", c->number, result);
}

static int
thread_main(void *arg)
{
    many_calls(arg, 60);
    RAW(SYS_exit, 0, 0, 0);
    return 0;
}

static void
start_thread(struct stream *s)
{
    u64 i = below(s, 4);
    struct stream *t = &thread_streams[i];

    if (t->state != 0 || s->depth > 1)
        return;
    *t = *s;
    t->state = next(s) | 1;
    t->depth = 2;
    clone(thread_main, STACKS + (2 + i) * STACK_BYTES,
          CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, t);
}

/* Odd requests to a child that asks to be traced, and to one that does not. */
static void
trace_child(struct stream *s)
{
    static const unsigned short asks[] = {
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 18, 19, 24, 31, 32, 33, 0x4200,
        0x4201, 0x4202, 0x4203, 0x4204, 0x4205, 0x4206, 0x4207, 0x4208, 0x4209, 0x420a, 0x420b,
        0x420c, 0x420d, 0x420e, 0x420f, 0x4210,
    };
    u64 own = below(s, 3);
    long child = RAW(SYS_fork, 0, 0, 0);

    if (child == 0) {
        struct stream inner = *s;
        inner.depth++;
        inner.state = next(s) | 1;
        if (own != 0)
            RAW(SYS_ptrace, 0, 0, 0);
        if (own == 2)
            RAW(SYS_kill, RAW(SYS_getpid, 0, 0, 0), SIGSTOP, 0);
        many_calls(&inner, 10);
        if (below(s, 3) == 0)
            exec_spoilt(&inner);
        RAW(SYS_exit_group, 0, 0, 0);
    }
    if (own == 0)
        raw(SYS_ptrace, below(s, 2) ? 16 : 0x4206, (u64)child, 0, below(s, 2) * below(s, 256), 0, 0);
    for (int i = 0; i < 40; i++) {
        u64 ask = below(s, 20) == 0 ? edge(s) : asks[below(s, sizeof asks / sizeof asks[0])];
        u64 where = below(s, 3) == 0 ? below(s, 1000) : below(s, 4) == 0 ? 0x202 : address(s);
        raw(SYS_ptrace, ask, (u64)child, where, below(s, 3) ? address(s) : below(s, 65), 0, 0);
        if (below(s, 3) == 0)
            raw(SYS_ptrace, below(s, 2) ? 7 : below(s, 2) ? 24 : 9, (u64)child, 0,
                below(s, 4) ? 0 : below(s, 65), 0, 0);
        raw(SYS_wait4, (u64)child, 0, 0x40000003, 0, 0, 0);
    }
    if (below(s, 2))
        RAW(SYS_kill, child, SIGKILL, 0);
}

static void
start_child(struct stream *s, u64 how)
{
    long child;

    if (s->depth > 1)
        return;
    if (how == 0) { /* it borrows this very stack: it may only leave */
        child = RAW(SYS_vfork, 0, 0, 0);
        if (child == 0) {
            static const char *const list[] = { "x", NULL };
            RAW(SYS_execve, "self", list, list);
            RAW(SYS_exit, 3, 0, 0);
        }
    } else {
        child = RAW(SYS_fork, 0, 0, 0);
        if (child == 0) {
            struct stream inner = *s;
            inner.depth++;
            inner.state = next(s) | 1;
            if (how == 1) {
                spoiler = inner;
                hostile = 1;
                set_handler(SIGUSR1, below(s, 2) * SA_ONSTACK);
                for (int i = 0; i < 4; i++)
                    RAW(SYS_kill, RAW(SYS_getpid, 0, 0, 0), SIGUSR1, 0);
            } else if (how == 2) {
                __asm__ volatile("mov %0, %%rsp; mov $15, %%eax; syscall; hlt"
                                 : : "r"(address(s)) : "memory");
            } else if (how == 3) {
                for (int i = 0; i < 3; i++)
                    exec_spoilt(&inner);
            } else if (how == 4) {
                trace_child(&inner);
            } else {
                many_calls(&inner, 20);
            }
            RAW(SYS_exit_group, below(s, 256), 0, 0);
        }
    }
    if (child > 0)
        s->last_pid = child;
}

/* Whatever was done to it: an alarm every 10 ms that ends calls that wait. */
static void
arm_alarm(void)
{
    struct itimerval t = { { 0, 10000 }, { 0, 10000 } };
    u64 none = 0;

    set_handler(SIGALRM, 0);
    raw(SYS_rt_sigprocmask, SIG_SETMASK, (u64)&none, 0, 8, 0, 0);
    RAW(SYS_setitimer, 0, &t, 0);
}

void
many_calls(struct stream *s, int n)
{
    for (int i = 0; i < n; i++) {
        if (i % 8 == 0)
            arm_alarm();
        u64 what = below(s, 64);
        if (what == 0)
            start_thread(s);
        else if (what < 3)
            start_child(s, below(s, 7));
        else
            one_call(s);
    }
}

/* SPDX-License-Identifier: MIT */
/*
 * The vDSO: time without a system call. vdso(7) names the functions and their version;
 * what the page does not know (clocks of
 * processes, for instance) goes to the system call.  No relocations, no data of its own.
 */
#include "time/vdso_data.h"

#define VISIBLE __attribute__((visibility("default")))
#define NS_PER_S 1000000000ul

struct vdso_timespec {
    long seconds, ns;
};
struct vdso_timeval {
    long seconds, us;
};

/* The page before the image, which begins with its ELF header (vdso.ld). */
static inline const struct vdso_data *
data(void)
{
    unsigned long page;
    __asm__("lea __ehdr_start-4096(%%rip), %0" : "=r"(page));
    return (const struct vdso_data *)page;
}

static inline long
call2(long number, long a, long b)
{
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(number), "D"(a), "S"(b) : "rcx", "r11",
                     "memory");
    return r;
}

static inline int
is_here(int clock)
{
    return (unsigned)clock < VDSO_CLOCKS && ((VDSO_CLOCKS_HERE >> clock) & 1);
}

/* Nanoseconds of a clock that is here. */
static inline unsigned long
now_ns(unsigned clock)
{
    const struct vdso_data *d = data();
    unsigned long ticks = __builtin_ia32_rdtsc() - d->tsc_base;
    unsigned __int128 product = (unsigned __int128)ticks * d->tsc_mult;
    return (unsigned long)(product >> 32) +
           __atomic_load_n(&d->offset_ns[clock], __ATOMIC_RELAXED);
}

/* ns / NS_PER_S, exact below 2^63: the error of the reciprocal, times ns, is less than
 * 2^93. */
static inline unsigned long
seconds_of(unsigned long ns)
{
    const unsigned __int128 one = 1;
    const unsigned long reciprocal = (unsigned long)((one << 93) / NS_PER_S) + 1;
    return (unsigned long)(((unsigned __int128)ns * reciprocal) >> 93);
}

VISIBLE int __vdso_clock_gettime(int clock, struct vdso_timespec *out);
VISIBLE int __vdso_clock_getres(int clock, struct vdso_timespec *out);
VISIBLE int __vdso_gettimeofday(struct vdso_timeval *out, void *zone);
VISIBLE long __vdso_time(long *out);
VISIBLE long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);

int
__vdso_clock_gettime(int clock, struct vdso_timespec *out)
{
    if (!is_here(clock))
        return (int)call2(228, clock, (long)out);
    unsigned long ns = now_ns((unsigned)clock), seconds = seconds_of(ns);
    out->seconds = (long)seconds;
    out->ns = (long)(ns - seconds * NS_PER_S);
    return 0;
}

int
__vdso_clock_getres(int clock, struct vdso_timespec *out)
{
    if (!is_here(clock))
        return (int)call2(229, clock, (long)out);
    if (out) {
        out->seconds = 0;
        out->ns = 1;
    }
    return 0;
}

int
__vdso_gettimeofday(struct vdso_timeval *out, void *zone)
{
    if (zone) /* minutes west of Greenwich: nobody sets them */
        return (int)call2(96, (long)out, (long)zone);
    if (out) {
        unsigned long ns = now_ns(0), seconds = seconds_of(ns);
        out->seconds = (long)seconds;
        out->us = (long)((ns - seconds * NS_PER_S) / 1000);
    }
    return 0;
}

long
__vdso_time(long *out)
{
    long seconds = (long)seconds_of(now_ns(0));
    if (out)
        *out = seconds;
    return seconds;
}

long
__vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
    (void)unused;
    return call2(309, (long)cpu, (long)node);
}

#define ALIAS(name) __attribute__((weak, alias("__vdso_" #name), visibility("default")))
int clock_gettime(int clock, struct vdso_timespec *out) ALIAS(clock_gettime);
int clock_getres(int clock, struct vdso_timespec *out) ALIAS(clock_getres);
int gettimeofday(struct vdso_timeval *out, void *zone) ALIAS(gettimeofday);
long getcpu(unsigned *cpu, unsigned *node, void *unused) ALIAS(getcpu);

/* SPDX-License-Identifier: MIT */
/*
 * The vDSO: time without a system call. vdso(7) names the functions and their version;
 * what the page does not know (clocks of
 * processes, for instance) goes to the system call.  No relocations, no data of its own.
 */
#include "time/vdso_data.h"

#define VISIBLE __attribute__((visibility("default")))
enum { REALTIME };

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

/* An int's upper half is the caller's to leave as it is: a clock that has bits there is not
 * here, and the call looks at the lower half. */
static inline int
is_here(const struct vdso_data *d, unsigned long clock, unsigned long *base)
{
    if (clock >= VDSO_CLOCKS)
        return 0;
    *base = __atomic_load_n(&d->base[clock], __ATOMIC_RELAXED);
    return *base != VDSO_AWAY;
}

/* Of a clock that is here; in seconds of 2^64 (Y1). The fence keeps the TSC from being read
 * before what the program read before, and before the base: the TSC of earlier with a base
 * of later would be a time before the one that the clock was set to. */
static inline unsigned __int128
now(const struct vdso_data *d, unsigned long base)
{
    unsigned long ticks;
    __asm__ volatile("lfence; rdtsc; shl $32, %%rdx; or %%rdx, %%rax; sub %1, %%rax"
                     : "=&a"(ticks) : "r"(base) : "rdx", "cc", "memory");
    return (unsigned __int128)ticks * d->tick;
}

/* What the fraction of a second comes to, of units of which so many are one. */
static inline long
fraction(unsigned __int128 time, unsigned long units)
{
    return (long)((unsigned __int128)(unsigned long)time * units >> 64);
}

VISIBLE int __vdso_clock_gettime(unsigned long clock, struct vdso_timespec *out);
VISIBLE int __vdso_clock_getres(unsigned long clock, struct vdso_timespec *out);
VISIBLE int __vdso_gettimeofday(struct vdso_timeval *out, void *zone);
VISIBLE long __vdso_time(long *out);
VISIBLE long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);

int
__vdso_clock_gettime(unsigned long clock, struct vdso_timespec *out)
{
    const struct vdso_data *d = data();
    unsigned long base;
    if (!is_here(d, clock, &base))
        return (int)call2(228, (long)clock, (long)out);
    unsigned __int128 time = now(d, base);
    out->seconds = (long)(time >> 64);
    out->ns = fraction(time, 1000000000);
    return 0;
}

int
__vdso_clock_getres(unsigned long clock, struct vdso_timespec *out)
{
    unsigned long base;
    if (!is_here(data(), clock, &base))
        return (int)call2(229, (long)clock, (long)out);
    if (out) {
        out->seconds = 0;
        out->ns = 1;
    }
    return 0;
}

int
__vdso_gettimeofday(struct vdso_timeval *out, void *zone)
{
    const struct vdso_data *d = data();
    unsigned long base;
    if (zone || !is_here(d, REALTIME, &base)) /* minutes west of Greenwich: nobody sets them */
        return (int)call2(96, (long)out, (long)zone);
    if (out) {
        unsigned __int128 time = now(d, base);
        out->seconds = (long)(time >> 64);
        out->us = fraction(time, 1000000);
    }
    return 0;
}

long
__vdso_time(long *out)
{
    const struct vdso_data *d = data();
    unsigned long base;
    if (!is_here(d, REALTIME, &base))
        return call2(201, (long)out, 0);
    long seconds = (long)(now(d, base) >> 64);
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
int clock_gettime(unsigned long clock, struct vdso_timespec *out) ALIAS(clock_gettime);
int clock_getres(unsigned long clock, struct vdso_timespec *out) ALIAS(clock_getres);
int gettimeofday(struct vdso_timeval *out, void *zone) ALIAS(gettimeofday);
long getcpu(unsigned *cpu, unsigned *node, void *unused) ALIAS(getcpu);

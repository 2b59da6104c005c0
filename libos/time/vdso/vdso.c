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

/* Nanoseconds of the monotonic clock, or of the wall clock. */
static inline unsigned long
now_ns(int real)
{
    const struct vdso_data *d = data();
    for (;;) {
        unsigned int before = __atomic_load_n(&d->sequence, __ATOMIC_ACQUIRE);
        unsigned long ticks = __builtin_ia32_rdtsc() - d->tsc_base;
        unsigned __int128 product = (unsigned __int128)ticks * d->tsc_mult;
        unsigned long ns = (unsigned long)(product >> 32);
        if (real)
            ns += d->real_offset_ns;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (!(before & 1) && __atomic_load_n(&d->sequence, __ATOMIC_RELAXED) == before)
            return ns;
    }
}

VISIBLE int __vdso_clock_gettime(int clock, struct vdso_timespec *out);
VISIBLE int __vdso_clock_getres(int clock, struct vdso_timespec *out);
VISIBLE int __vdso_gettimeofday(struct vdso_timeval *out, void *zone);
VISIBLE long __vdso_time(long *out);
VISIBLE long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);

int
__vdso_clock_gettime(int clock, struct vdso_timespec *out)
{
    /* 0 REALTIME, 1 MONOTONIC, 4 MONOTONIC_RAW, 5 REALTIME_COARSE, 6 MONOTONIC_COARSE, 7
     * BOOTTIME, 11 TAI */
    if ((unsigned)clock > 11 || !((0x8f3u >> clock) & 1))
        return (int)call2(228, clock, (long)out);
    unsigned long ns = now_ns((0x821u >> clock) & 1);
    out->seconds = (long)(ns / NS_PER_S);
    out->ns = (long)(ns % NS_PER_S);
    return 0;
}

int
__vdso_clock_getres(int clock, struct vdso_timespec *out)
{
    if ((unsigned)clock > 11 || !((0x8f3u >> clock) & 1))
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
        unsigned long ns = now_ns(1);
        out->seconds = (long)(ns / NS_PER_S);
        out->us = (long)(ns % NS_PER_S / 1000);
    }
    return 0;
}

long
__vdso_time(long *out)
{
    long seconds = (long)(now_ns(1) / NS_PER_S);
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

/* SPDX-License-Identifier: MIT */
/*
 * adjtimex(2), clock_adjtime: reading the state of the clock, and what can be set of it
 * here. The rate of the clock is the processor's and is not trimmed: asking for another
 * one is EOPNOTSUPP rather than a promise.
 */
#include "core/clock.h"
#include "core/wait.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/cred.h"
#include "proc/proc.h"

struct linux_timex {
    u32 modes, pad;
    i64 offset, frequency, max_error, estimated_error;
    i32 status, pad2;
    i64 constant, precision, tolerance;
    struct linux_timeval time;
    i64 tick, pps_frequency, jitter;
    i32 shift, pad3;
    i64 stability, jitter_count, calibration_count, error_count, stability_count;
    i32 tai;
    i32 pad4[11];
};
_Static_assert(sizeof(struct linux_timex) == 208, "struct timex of x86-64");

#define ADJ_SETOFFSET 0x0100u
#define ADJ_NANO 0x2000u
#define ADJ_OFFSET_SINGLESHOT 0x8001u
#define ADJ_OFFSET_SS_READ 0xa001u
#define STA_UNSYNC 0x0040
#define STA_NANO 0x2000
#define TIME_ERROR 5
#define ERROR_MAX_US 16000000 /* nobody keeps the clock in step */
#define TICK_US 10000
#define TOLERANCE (500l << 16)
#define CLOCK_REALTIME 0

static void
fill(struct linux_timex *t)
{
    u64 now = clock_real_ns();
    bool ns = (t->modes & ADJ_NANO) != 0;
    *t = (struct linux_timex){
        .max_error = ERROR_MAX_US, .estimated_error = ERROR_MAX_US,
        .status = STA_UNSYNC | (ns ? STA_NANO : 0),
        .constant = 2, .precision = 1, .tolerance = TOLERANCE, .tick = TICK_US,
        .time = { (i64)(now / 1000000000u),
                  (i64)(ns ? now % 1000000000u : now % 1000000000u / 1000u) },
        .modes = t->modes,
    };
}

/* Move the clock by t->time, whose fraction is never negative. */
static int
set_offset(const struct linux_timex *t)
{
    i64 unit = (t->modes & ADJ_NANO) != 0 ? 1 : 1000, ns, sum;
    if (t->time.us < 0 || t->time.us >= 1000000000 / unit)
        return -E_INVAL;
    if (__builtin_mul_overflow(t->time.seconds, (i64)1000000000, &ns) ||
        __builtin_add_overflow(ns, t->time.us * unit, &ns) ||
        __builtin_add_overflow((i64)clock_real_ns(), ns, &sum) || sum < 0)
        return -E_INVAL;
    clock_real_set((u64)sum);
    return 0;
}

static long
adjust(uaddr at)
{
    struct linux_timex t;
    if (copy_from_user(&t, at, sizeof t) != 0)
        return -E_FAULT;
    bool reads = t.modes == 0 || t.modes == ADJ_OFFSET_SS_READ;
    if (!reads && !cred_can(cred_own(), CAP_SYS_TIME))
        return -E_PERM;
    if ((t.modes & ~(ADJ_SETOFFSET | ADJ_NANO)) != 0 && !reads)
        return -E_NOTSUP;
    int error = (t.modes & ADJ_SETOFFSET) != 0 ? set_offset(&t) : 0;
    if (error != 0)
        return error;
    fill(&t);
    return copy_to_user(at, &t, sizeof t) != 0 ? -E_FAULT : TIME_ERROR;
}

long
sys_adjtimex(struct user_frame *f)
{
    return adjust(SYS_ARG0(f));
}

long
sys_clock_adjtime(struct user_frame *f)
{
    bool real;
    if ((i32)SYS_ARG0(f) == CLOCK_REALTIME)
        return adjust(SYS_ARG1(f));
    int error = clock_for_timer((i32)SYS_ARG0(f), &real);
    return error == -E_INVAL ? error : -E_NOTSUP;
}

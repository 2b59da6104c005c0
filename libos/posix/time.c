/* SPDX-License-Identifier: MIT */
/* System calls of time: clocks, sleeping, interval timers, times of processes. */
#include "core/clock.h"
#include "core/heap.h"
#include "core/wait.h"
#include "posix/cputime.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/cred.h"
#include "proc/proc.h"
#include "signal/signal.h"
#include "time/clock_timer.h"

#define NS_PER_S 1000000000ull
#define NS_PER_US 1000ull
#define DEADLINE_MAX (~0ull - 1) /* ~0 means none */

/* ---- conversions ---- */

int
timespec_from_user(uaddr at, u64 *ns)
{
    struct linux_timespec ts;
    if (copy_from_user(&ts, at, sizeof ts) != 0)
        return -E_FAULT;
    if (ts.seconds < 0 || ts.ns < 0 || (u64)ts.ns >= NS_PER_S)
        return -E_INVAL;
    if (__builtin_mul_overflow((u64)ts.seconds, NS_PER_S, ns) ||
        __builtin_add_overflow(*ns, (u64)ts.ns, ns))
        *ns = DEADLINE_MAX;
    return 0;
}

int
timespec_to_user(uaddr at, u64 ns)
{
    struct linux_timespec ts = { (i64)(ns / NS_PER_S), (i64)(ns % NS_PER_S) };
    return copy_to_user(at, &ts, sizeof ts);
}

struct linux_timeval
timeval_of_ns(u64 ns)
{
    return (struct linux_timeval){ (i64)(ns / NS_PER_S),
                                   (i64)(ns % NS_PER_S / NS_PER_US) };
}

struct linux_timeval
timeval_of_ticks(u64 tsc_ticks)
{
    return timeval_of_ns(clock_ticks_to_ns(tsc_ticks));
}

u64
deadline_after(u64 ns)
{
    u64 deadline;
    if (__builtin_add_overflow(clock_mono_ns(), ns, &deadline) || deadline > DEADLINE_MAX)
        return DEADLINE_MAX;
    return deadline;
}

/* ---- clocks ---- */
enum {
    CLOCK_REALTIME = 0, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME, CLOCK_THREAD_CPUTIME,
    CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME,
    CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM, CLOCK_TAI = 11
};

static int
read_clock(i32 id, u64 *ns)
{
    switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI:
        *ns = clock_real_ns();
        return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
        *ns = clock_mono_ns();
        return 0;
    case CLOCK_PROCESS_CPUTIME:
        *ns = clock_ticks_to_ns(usage_time_of_process(proc_current()));
        return 0;
    case CLOCK_THREAD_CPUTIME:
        *ns = thread_cpu_ns(thread_current());
        return 0;
    default:
        return id < 0 ? cpu_clock_read(id, ns) : -E_INVAL;
    }
}

/* Alarm clocks would wake a machine that sleeps; ours does not, but the right to do it
 * is asked for (CAP_WAKE_ALARM). */
int
clock_for_timer(i32 clock, bool *real)
{
    switch (clock) {
    case CLOCK_REALTIME_ALARM:
    case CLOCK_BOOTTIME_ALARM:
        *real = clock == CLOCK_REALTIME_ALARM;
        return cred_can(cred_own(), CAP_WAKE_ALARM) ? 0 : -E_PERM;
    case CLOCK_REALTIME:
    case CLOCK_TAI:
        *real = true;
        return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
        *real = false;
        return 0;
    default: {
        u64 ns;
        return read_clock(clock, &ns) == 0 ? -E_NOTSUP : -E_INVAL;
    }
    }
}

long
sys_clock_gettime(struct user_frame *f)
{
    u64 ns;
    int error = read_clock((i32)SYS_ARG0(f), &ns);
    return error != 0 ? error : timespec_to_user(SYS_ARG1(f), ns);
}

long
sys_clock_getres(struct user_frame *f)
{
    u64 ns;
    i32 id = (i32)SYS_ARG0(f);
    int error = read_clock(id, &ns);
    if (error != 0 || SYS_ARG1(f) == 0)
        return error;
    bool coarse = id == CLOCK_REALTIME_COARSE || id == CLOCK_MONOTONIC_COARSE;
    return timespec_to_user(SYS_ARG1(f), coarse              ? 4000000
                                         : cpu_clock_is(id) ? cpu_clock_resolution(id)
                                                            : 1);
}

static long
set_clock(u64 unix_ns)
{
    if (!cred_can(cred_own(), CAP_SYS_TIME))
        return -E_PERM;
    clock_real_set(unix_ns);
    return 0;
}

long
sys_clock_settime(struct user_frame *f)
{
    u64 ns;
    i32 id = (i32)SYS_ARG0(f);
    if (id < 0) /* time that was used: nobody can change it */
        return read_clock(id, &ns) == 0 ? -E_PERM : -E_INVAL;
    if (id != CLOCK_REALTIME)
        return -E_INVAL;
    int error = timespec_from_user(SYS_ARG1(f), &ns);
    return error != 0 ? error : set_clock(ns);
}

struct linux_timezone {
    i32 minutes_west, dst;
};
static struct linux_timezone timezone;

long
sys_gettimeofday(struct user_frame *f)
{
    struct linux_timeval tv = timeval_of_ns(clock_real_ns());
    if (SYS_ARG0(f) != 0 && copy_to_user(SYS_ARG0(f), &tv, sizeof tv) != 0)
        return -E_FAULT;
    if (SYS_ARG1(f) != 0 && copy_to_user(SYS_ARG1(f), &timezone, sizeof timezone) != 0)
        return -E_FAULT;
    return 0;
}

long
sys_settimeofday(struct user_frame *f)
{
    struct linux_timeval tv;
    struct linux_timezone tz;
    if (SYS_ARG0(f) != 0 && copy_from_user(&tv, SYS_ARG0(f), sizeof tv) != 0)
        return -E_FAULT;
    if (SYS_ARG1(f) != 0 && copy_from_user(&tz, SYS_ARG1(f), sizeof tz) != 0)
        return -E_FAULT;
    if (SYS_ARG0(f) != 0 && (tv.seconds < 0 || tv.us < 0 || tv.us >= 1000000 ||
                             (u64)tv.seconds > DEADLINE_MAX / NS_PER_S - 1))
        return -E_INVAL;
    if (!cred_can(cred_own(), CAP_SYS_TIME))
        return -E_PERM;
    if (SYS_ARG1(f) != 0)
        timezone = tz;
    return SYS_ARG0(f) != 0
               ? set_clock((u64)tv.seconds * NS_PER_S + (u64)tv.us * NS_PER_US)
               : 0;
}

long
sys_time(struct user_frame *f)
{
    i64 seconds = (i64)(clock_real_ns() / NS_PER_S);
    if (SYS_ARG0(f) != 0 && copy_to_user(SYS_ARG0(f), &seconds, sizeof seconds) != 0)
        return -E_FAULT;
    return seconds;
}

/* ---- sleeping ---- */
#define TIMER_ABSTIME 1u

/* 0, or -E_INTR. */
static int
sleep_until(u64 deadline_ns)
{
    for (;;) {
        thread_prepare(true);
        int woken = thread_block(deadline_ns);
        if (woken == -E_TIMEDOUT)
            return 0;
        if (woken != 0)
            return woken;
    }
}

/* Until the wall clock shows real_ns, which may be set meanwhile. */
static int
sleep_to_real(u64 real_ns)
{
    struct waiter w = { .thread = NULL };
    int woken = 0;
    wait_add(&clock_changed, &w);
    while (woken != -E_INTR) {
        thread_prepare(true);
        u64 now = clock_real_ns();
        if (now >= real_ns) {
            thread_cancel();
            break;
        }
        woken = thread_block(deadline_after(real_ns - now));
        wait_again(&w);
    }
    wait_remove(&w);
    return woken == -E_INTR ? woken : 0;
}

static long sleep_on(struct user_frame *f);

/* Sleep to restart[1]; the rest of the time goes to the address in restart[2]. */
static long
sleep_restartable(struct thread *t)
{
    if (sleep_until(t->restart[1]) == 0)
        return 0;
    u64 now = clock_mono_ns();
    u64 left = t->restart[1] > now ? t->restart[1] - now : 0;
    if (t->restart[2] != 0 && timespec_to_user(t->restart[2], left) != 0)
        return -E_FAULT;
    t->restart[0] = (u64)(uintptr_t)sleep_on;
    return -E_RESTART_BLOCK;
}

static long
sleep_on(struct user_frame *f)
{
    (void)f;
    return sleep_restartable(thread_current());
}

static long
sleep_for(u64 ns, uaddr left)
{
    struct thread *t = thread_current();
    t->restart[1] = deadline_after(ns);
    t->restart[2] = left;
    return sleep_restartable(t);
}

long
sys_nanosleep(struct user_frame *f)
{
    u64 ns;
    int error = timespec_from_user(SYS_ARG0(f), &ns);
    return error != 0 ? error : sleep_for(ns, SYS_ARG1(f));
}

long
sys_clock_nanosleep(struct user_frame *f)
{
    i32 id = (i32)SYS_ARG0(f);
    bool absolute = (SYS_ARG1(f) & TIMER_ABSTIME) != 0, real;
    u64 ns;
    int error = cpu_clock_is(id) ? read_clock(id, &ns) : clock_for_timer(id, &real);
    if (error == 0)
        error = timespec_from_user(SYS_ARG2(f), &ns);
    if (error != 0)
        return error;
    if (cpu_clock_is(id))
        return cpu_clock_sleep(id, absolute, ns, SYS_ARG3(f));
    if (!absolute)
        return sleep_for(ns, SYS_ARG3(f));
    if (real)
        return sleep_to_real(ns) == 0 ? 0 : -E_RESTART_NOHAND;
    if (ns <= clock_mono_ns())
        return 0;
    return sleep_until(ns) == 0 ? 0 : -E_RESTART_NOHAND;
}

/* ---- interval timers ---- */
#define ITIMER_REAL 0
#define ITIMER_VIRTUAL 1
#define ITIMER_PROF 2
struct linux_itimerval {
    struct linux_timeval interval, value;
};
#define ALARM_LEAST_NS 100000u   /* between two signals of one timer */
#define ALARM_BUSY_NS 1000000u   /* when the last one was not even taken */
/* process->alarm is the first member. */
struct alarm {
    struct timer timer;
    struct process *process; /* alive as long as the timer: exit disarms it */
    u64 next_ns;             /* process->lock; when it is to fire */
};

static void
alarm_fire(struct timer *timer)
{
    struct alarm *a = container_of(timer, struct alarm, timer);
    struct process *p = a->process;
    spin_lock(&p->lock);
    if (p->alarm_interval_ns != 0) {
        /* In step with its first time; but nobody takes more signals than this. */
        u64 now = clock_mono_ns();
        bool busy = (p->signal_pending & SIG_BIT(SIG_ALRM)) != 0;
        if (a->next_ns <= now)
            (void)clock_timer_forward(&a->next_ns, p->alarm_interval_ns, now);
        timer_arm(timer, MAX(a->next_ns, now + (busy ? ALARM_BUSY_NS : ALARM_LEAST_NS)));
    }
    spin_unlock(&p->lock);
    signal_send_process(p, SIG_ALRM, NULL);
}

static int
make_alarm(struct process *p)
{
    struct alarm *a = heap_alloc_zeroed(sizeof *a);
    if (a == NULL)
        return -E_NOMEM;
    a->process = p;
    timer_init(&a->timer, alarm_fire);
    spin_lock(&p->lock);
    bool raced = p->alarm != NULL;
    if (!raced)
        p->alarm = &a->timer;
    spin_unlock(&p->lock);
    if (raced)
        heap_free(a);
    return 0;
}

static void
read_alarm(struct process *p, u64 *left_ns, u64 *interval_ns)
{
    spin_lock(&p->lock);
    u64 deadline = p->alarm != NULL ? p->alarm->deadline_ns : 0;
    *interval_ns = p->alarm_interval_ns;
    spin_unlock(&p->lock);
    u64 now = clock_mono_ns();
    *left_ns = deadline == 0 ? 0 : deadline > now ? deadline - now : 1;
}

static int
set_alarm(struct process *p, u64 value_ns, u64 interval_ns)
{
    if (p->alarm == NULL) {
        int error = value_ns != 0 ? make_alarm(p) : 0;
        if (error != 0 || p->alarm == NULL)
            return error;
    }
    spin_lock(&p->lock);
    p->alarm_interval_ns = 0; /* so that fire does not arm it again */
    spin_unlock(&p->lock);
    timer_disarm(p->alarm);
    spin_lock(&p->lock);
    if (value_ns != 0) {
        p->alarm_interval_ns = interval_ns;
        struct alarm *a = container_of(p->alarm, struct alarm, timer);
        a->next_ns = deadline_after(value_ns);
        timer_arm(p->alarm, a->next_ns);
    }
    spin_unlock(&p->lock);
    return 0;
}

static int
ns_of_timeval(const struct linux_timeval *tv, u64 *ns)
{
    if (tv->seconds < 0 || tv->us < 0 || tv->us >= 1000000)
        return -E_INVAL;
    if (__builtin_mul_overflow((u64)tv->seconds, NS_PER_S, ns) ||
        __builtin_add_overflow(*ns, (u64)tv->us * NS_PER_US, ns))
        *ns = DEADLINE_MAX;
    return 0;
}

static u64
round_up_to_us(u64 ns)
{
    return ns == 0 ? 0 : ns + NS_PER_US - 1;
}

static int
itimer_to_user(uaddr at, u64 left, u64 interval)
{
    struct linux_itimerval v = { timeval_of_ns(round_up_to_us(interval)),
                                 timeval_of_ns(round_up_to_us(left)) };
    return copy_to_user(at, &v, sizeof v);
}

long
sys_getitimer(struct user_frame *f)
{
    struct process *p = proc_current();
    u64 left, interval;
    u32 which = (u32)SYS_ARG0(f);
    if (which > ITIMER_PROF)
        return -E_INVAL;
    if (which == ITIMER_REAL)
        read_alarm(p, &left, &interval);
    else
        usage_timer_get(p, which == ITIMER_PROF ? USAGE_PROFILE : USAGE_VIRTUAL, &left,
                        &interval);
    return itimer_to_user(SYS_ARG1(f), left, interval);
}

long
sys_setitimer(struct user_frame *f)
{
    struct process *p = proc_current();
    struct linux_itimerval v = { 0 };
    u64 value, interval, left, old_interval;
    u32 which = (u32)SYS_ARG0(f);
    if (SYS_ARG1(f) != 0 && copy_from_user(&v, SYS_ARG1(f), sizeof v) != 0)
        return -E_FAULT;
    if (which > ITIMER_PROF || ns_of_timeval(&v.value, &value) != 0 ||
        ns_of_timeval(&v.interval, &interval) != 0)
        return -E_INVAL;
    if (which == ITIMER_REAL) {
        read_alarm(p, &left, &old_interval);
        int error = set_alarm(p, value, interval);
        if (error != 0)
            return error;
    } else {
        int error = usage_timer_set(p, which == ITIMER_PROF ? USAGE_PROFILE : USAGE_VIRTUAL,
                                    value, interval, &left, &old_interval);
        if (error != 0)
            return error;
    }
    return SYS_ARG2(f) != 0 ? itimer_to_user(SYS_ARG2(f), left, old_interval) : 0;
}

long
sys_alarm(struct user_frame *f)
{
    struct process *p = proc_current();
    u64 left, interval;
    read_alarm(p, &left, &interval);
    int error = set_alarm(p, (SYS_ARG0(f) & 0xffffffff) * NS_PER_S, 0);
    if (error != 0)
        return error;
    /* Rounded, but never to 0 while it was running. */
    u64 seconds = (left + NS_PER_S / 2) / NS_PER_S;
    return (long)(left != 0 && seconds == 0 ? 1 : seconds);
}

/* SPDX-License-Identifier: MIT */
/*
 * Periodic threads that measure themselves.  Options on the command line (`args` in the
 * manifest), times in microseconds:
 *
 *   rt.threads=PERIOD/WORK[,PERIOD/WORK...]   what each does (2000/200,5000/500)
 *   rt.ms=N       how long (1000), after rt.after=N milliseconds (0)
 *   rt.fill=1     one more thread takes what the others leave of the slices
 *   rt.hog=KIND   be a bad neighbour instead, without end:
 *       spin      masked, ignores the end of its slice
 *       storm     and wakes itself up as often as it can, by timers, waits and signals
 *       calls     and fills its slices with calls that take long with interrupts off
 *
 * It prints a report and ends, with the number of missed deadlines as its code.
 */
#include "sdk/examples/rt/rt.h"

#include <sdk/stubs.h>

__attribute__((noreturn)) void rt_main(void);

static u64 ticks_us; /* TSC ticks in a microsecond */
static u64 started, ran_before;

static u64
number(const char **at)
{
    u64 n = 0;

    for (; **at >= '0' && **at <= '9'; ++*at)
        n = n * 10 + (u64)(**at - '0');
    return n;
}

static u64
option(const char *key, u64 otherwise)
{
    char text[24];
    const char *at = text;

    return sdk_option(RT_INFO->cmdline, key, text, sizeof(text)) ? number(&at)
                                                                 : otherwise;
}

/* The instance's CPU time so far, as the kernel counts it. */
static u64
ran(void)
{
    const struct fb_domain_status *s = (const void *)RT_BUFFER;

    return fb_domain_status(0, 0, NULL) == 0 ? s->ticks : 0;
}

/* Rounds of rt_burn in 100 microseconds: the most of some tries, since interrupts and
 * other vCPUs only make it less. */
static u64
calibrate(void)
{
    u64 rounds = 20000, best = ~0ull;

    for (u32 i = 0; i < 30; i++) {
        u64 from = rt_now();
        rt_burn(rounds);
        u64 took = rt_now() - from;
        best = took < best ? took : best;
    }
    return rounds * 100 * ticks_us / best;
}

static void
job(struct rt_thread *t)
{
    rt_burn(t->work);
}

static u32 nthreads;
static struct {
    struct rt_thread *thread;
    u64 period_us, work_us;
} made[RT_THREADS];

/* Its deadline is so far off that all others go first. */
static void
fill(struct rt_thread *t)
{
    (void)t;
    for (;;)
        rt_burn(1000);
}

static void
report(void)
{
    u64 now = rt_now(), missed = 0, per_mille;
    u64 took = ran() - ran_before;

    for (u32 i = 0; i < nthreads; i++) {
        const struct rt_stats *s = &made[i].thread->stats;
        u64 jobs = s->jobs ? s->jobs : 1;
        missed += s->missed;
        rt_print("rt: thread %u period %lu work %lu us: %lu jobs, %lu missed, start "
                 "%lu..%lu mean %lu us, response %lu..%lu us",
                 i, made[i].period_us, made[i].work_us, s->jobs, s->missed,
                 s->start_min / ticks_us, s->start_max / ticks_us,
                 s->start_sum / jobs / ticks_us, s->response_min / ticks_us,
                 s->response_max / ticks_us);
    }
    per_mille = took * 10000 / (now - started);
    rt_print("rt: %lu us of CPU in %lu us: %lu.%02lu%%; %lu missed", took / ticks_us,
             (now - started) / ticks_us, per_mille / 100, per_mille % 100, missed);
    for (;;)
        fb_domain_exit(missed, NULL);
}

static void
make_threads(void)
{
    char text[200];
    const char *at = text;
    u64 rounds = calibrate(), first = rt_now() + 1000 * ticks_us;

    if (!sdk_option(RT_INFO->cmdline, "rt.threads=", text, sizeof(text)))
        memcpy(text, "2000/200,5000/500", 18);
    while (nthreads < RT_THREADS) {
        u64 period = number(&at);
        at += *at == '/';
        u64 work = number(&at);
        if (period == 0 || work == 0)
            break;
        struct rt_thread *t = rt_spawn(job, first, period * ticks_us);
        t->work = work * rounds / 100;
        made[nthreads].thread = t;
        made[nthreads].period_us = period;
        made[nthreads++].work_us = work;
        at += *at == ',';
    }
}

__attribute__((noreturn)) static void
hog(const char *kind)
{
    u64 vcpu = RT_INFO->cap_vcpu[0], name;
    bool storm = strcmp(kind, "storm") == 0, calls = strcmp(kind, "calls") == 0;

    RT_CB->mask = 1;
    for (;;) {
        rt_burn(1000);
        if (storm) {
            fb_timer(rt_now() + ticks_us, NULL);
            fb_signal(vcpu, 1, NULL);
            fb_wait(rt_now() + 2 * ticks_us, NULL);
            fb_wait(rt_now() + 2 * ticks_us, NULL);
        }
        if (calls) {
            fb_tlb_flush(~0ull, 0, NULL);
            if (fb_cap_derive(RT_INFO->memory[0].cap, FB_AUTH_ALL, 0, ~0ull, &name) == 0)
                fb_cap_delete(name, NULL);
            fb_space_protect(0, WINDOW_DMAP + (RT_INFO->memory[0].lo + 1024) * PAGE, 512,
                             FB_MAP_READ | FB_MAP_WRITE, RT_INFO->memory[0].cap, NULL);
        }
    }
}

void
rt_main(void)
{
    char kind[16];

    ticks_us = RT_RECORD->tsc_hz / 1000000;
    if (sdk_option(RT_INFO->cmdline, "rt.hog=", kind, sizeof(kind)))
        hog(kind);
    u64 begin = rt_now() + option("rt.after=", 0) * 1000 * ticks_us;
    while (rt_now() < begin) {
        fb_wait(begin, NULL);
        rt_obey();
    }
    make_threads();
    if (option("rt.fill=", 0) != 0)
        rt_spawn(fill, rt_now(), 1ull << 60);
    started = rt_now();
    ran_before = ran();
    rt_run(started + option("rt.ms=", 1000) * 1000 * ticks_us, report);
}

/* SPDX-License-Identifier: MIT */
/* Samples of the processors' time, and the load averages: account.h. */
#include "core/account.h"

#include <abi/layout.h>

#include "core/clock.h"
#include "core/hooks.h"
#include "core/machine.h"
#include "core/sched.h"
#include "core/steward.h"


/* The load: an exponentially damped average, taken every five seconds with 11 bits of
 * fraction; 1 - e^(-5/60), e^(-5/300) and e^(-5/900) of it stay. */
#define LOAD_NS 5000000000ull
#define LOAD_SHIFT 11
#define LOAD_ONE (1u << LOAD_SHIFT)
#define LOAD_PERIODS 2000u /* after so many without a thread nothing is left */
static const u32 load_keep[3] = { 1884, 2014, 2037 };

static u64 tick_ticks;
static struct spinlock load_lock = SPINLOCK_INIT;
static u64 loads[3];     /* [load_lock] */
static u64 load_next_ns; /* [load_lock, read without] */

static struct spinlock shown_lock = SPINLOCK_INIT;
static u64 shown_idle[FB_CPUS_MAX]; /* [shown_lock] */

void
account_init(void)
{
    tick_ticks = machine_record->tsc_hz / (1000000000ull / TICK_NS);
    load_next_ns = clock_mono_ns() + LOAD_NS;
}

u32
account_running(void)
{
    u32 n = 0;
    for (u32 i = 0; i < lcpu_count; i++) {
        struct lcpu *c = &lcpus[i];
        struct runq *q = runq_of(c);
        if (q == NULL)
            continue;
        n += __atomic_load_n(&q->queued, __ATOMIC_RELAXED);
        n += __atomic_load_n(&c->current, __ATOMIC_RELAXED) != c->idle;
    }
    return n;
}

/* Periods without a tick were idle ones; only the last counts what runs now. */
static void
update_load(u64 now_ns)
{
    if (now_ns < __atomic_load_n(&load_next_ns, __ATOMIC_RELAXED))
        return;
    spin_lock(&load_lock);
    if (now_ns >= load_next_ns) {
        u64 periods = (now_ns - load_next_ns) / LOAD_NS + 1;
        u64 active = (u64)account_running() << LOAD_SHIFT;
        load_next_ns += periods * LOAD_NS;
        for (u32 i = 0; i < 3; i++) {
            for (u64 n = 1; n < MIN(periods, LOAD_PERIODS); n++)
                loads[i] = loads[i] * load_keep[i] >> LOAD_SHIFT;
            u64 more = loads[i] * load_keep[i] + active * (LOAD_ONE - load_keep[i]);
            if (active > loads[i])
                more += LOAD_ONE - 1; /* so that rounding does not keep it below */
            loads[i] = more >> LOAD_SHIFT;
        }
    }
    spin_unlock(&load_lock);
}

void
account_load(u64 out[3])
{
    update_load(clock_mono_ns());
    spin_lock(&load_lock);
    for (u32 i = 0; i < 3; i++)
        out[i] = loads[i] << (ACCOUNT_LOAD_SHIFT - LOAD_SHIFT);
    spin_unlock(&load_lock);
}

void
account_idle_begins(struct lcpu *c, u64 now)
{
    c->tick_tsc = c->tick_tsc > now ? c->tick_tsc - now : 1; /* A3 */
}

void
account_idle_ends(struct lcpu *c, u64 now)
{
    u64 idle = now - c->idle->sched.started;
    c->idle_ticks += idle;
    c->sampled_tsc += idle; /* what is between two samples is busy time */
    c->tick_tsc = now + MIN(c->tick_tsc, tick_ticks);
}

void
account_tick(struct lcpu *c, bool user)
{
    u64 now = machine_tsc();
    if (now < c->tick_tsc)
        return;
    c->tick_tsc = now + tick_ticks;
    struct thread *t = c->current;
    u64 busy = now - c->sampled_tsc;
    c->sampled_tsc = now;
    steward_sampled(user, busy);
    if (!user)
        c->system_ticks += busy;
    else if (t->sched.nice > 0)
        c->nice_ticks += busy;
    else
        c->user_ticks += busy;
    u64 runtime = t->sched.runtime + now - t->sched.started;
    u64 ticks = runtime - t->sampled_runtime;
    t->sampled_runtime = runtime;
    if (user)
        t->user_ticks += ticks;
    else
        t->system_ticks += ticks;
    if (t->process != NULL && libos_hooks.tick != NULL)
        libos_hooks.tick(t, ticks, user);
    update_load(clock_mono_ns());
}

void
account_cpu(u32 id, struct account_cpu *out)
{
    struct lcpu *c = &lcpus[id];
    u64 idle = c->idle_ticks, since = c->idle->sched.started, now = machine_tsc();
    if (c->current == c->idle && now > since)
        idle += now - since;
    spin_lock(&shown_lock);
    /* It may have stopped to idle between these reads. */
    if (idle > shown_idle[id])
        shown_idle[id] = idle;
    *out = (struct account_cpu){ .user = c->user_ticks, .nice = c->nice_ticks,
                                 .system = c->system_ticks, .idle = shown_idle[id],
                                 .switches = c->switches };
    spin_unlock(&shown_lock);
}

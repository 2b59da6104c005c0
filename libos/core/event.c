/* SPDX-License-Identifier: MIT */
/*
 * Events: what to do for each bit. Called in LibOS context, from an upcall, from the idle
 * loop, or from thread_breathe.
 *
 * V1. Handlers are bound at start, before other vCPUs run, and never unbound: reading the
 *     table takes no lock.
 */
#include "core/event.h"

#include <abi/layout.h>

#include "core/account.h"
#include "core/clock.h"
#include "core/hooks.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/sched.h"

struct handler {
    void (*fn)(void *arg);
    void *arg;
};
static struct handler handlers[64]; /* V1 */
static unsigned next_free = EVENT_FIRST_FREE;

void
event_bind(unsigned bit, void (*fn)(void *arg), void *arg)
{
    ASSERT(bit >= EVENT_FIRST_FREE && bit <= EVENT_LAST && !handlers[bit].fn);
    handlers[bit] = (struct handler){ fn, arg };
}

unsigned
event_allocate(void)
{
    ASSERT(next_free <= EVENT_LAST_FREE);
    return next_free++;
}

/* Timer and poke end here: fire what is due, look at the slice, arm again. */
static void
look_around(struct lcpu *c, bool user)
{
    timers_run(c);
    if (c->current == c->idle)
        return;
    account_tick(c, user);
    struct runq *q = runq_of(c);
    u64 now = machine_tsc();
    struct thread *more = lcpu_count > 1 ? sched_balance(c, now) : NULL;
    spin_lock(&q->lock);
    if (more != NULL)
        (void)sched_ready(c, more, SCHED_PREEMPTED, now);
    bool over = sched_turn_over(c, now);
    u64 slice_end = over ? FB_FOREVER : q->slice_end;
    spin_unlock(&q->lock);
    if (over)
        atomic_fetch_or(&c->current->work, WORK_RESCHED);
    timers_program(c, slice_end);
}

void
event_dispatch(u64 bits, bool user)
{
    struct lcpu *c = lcpu_current();
    if (bits & (1ull << FB_EVENT_TIMER))
        c->timer_tsc = FB_FOREVER;
    if (bits & ((1ull << FB_EVENT_TIMER) | (1ull << EVENT_POKE)))
        look_around(c, user);
    if (bits & (1ull << FB_EVENT_SLICE))
        machine_yield(); /* before the grace is over */
    if (bits & (1ull << FB_EVENT_REVOKE))
        libos_hooks.reclaim();
    u64 bound = bits & ((2ull << EVENT_LAST) - (1ull << EVENT_FIRST_FREE));
    while (bound) {
        unsigned bit = (unsigned)__builtin_ctzll(bound);
        bound &= bound - 1;
        if (handlers[bit].fn)
            handlers[bit].fn(handlers[bit].arg);
    }
}

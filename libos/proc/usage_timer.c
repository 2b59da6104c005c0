/* SPDX-License-Identifier: MIT */
/*
 * ITIMER_VIRTUAL and ITIMER_PROF: a process's two timers of CPU time that send a signal
 * (usage.h), made when they are first set.
 */
#include "core/error.h"
#include "core/heap.h"
#include "proc/internal.h"
#include "signal/signal.h"

struct usage_itimer {
    struct cpu_timer timer;
    struct process *process;      /* constant: whose timer it is, which outlives it */
    int signal;                   /* constant */
    u64 deadline_ns, interval_ns; /* process->lock; deadline 0: not armed */
};

/* Its process ticks, so both are there. */
static bool
due(struct cpu_timer *t)
{
    (void)t;
    return true;
}

static void
fire(struct cpu_timer *t, u64 now_ns)
{
    struct usage_itimer *i = container_of(t, struct usage_itimer, timer);
    struct process *p = i->process;
    spin_lock(&p->lock);
    /* It may have been set anew meanwhile. */
    bool is_due = i->deadline_ns != 0 && now_ns >= i->deadline_ns;
    if (is_due && i->interval_ns == 0)
        i->deadline_ns = 0;
    else if (is_due)
        i->deadline_ns += ((now_ns - i->deadline_ns) / i->interval_ns + 1) * i->interval_ns;
    if (i->deadline_ns != 0)
        (void)cpu_timer_arm(t, i->deadline_ns);
    spin_unlock(&p->lock);
    if (is_due)
        signal_send_process(p, i->signal, NULL);
}

static int
make(struct process *p, enum usage_timer which)
{
    struct usage_itimer *i = heap_alloc_zeroed(sizeof *i);
    if (i == NULL)
        return -E_NOMEM;
    int r = cpu_watch_of_process(p, &i->timer.watch);
    if (r != 0) {
        heap_free(i);
        return r;
    }
    i->timer.time = which == USAGE_VIRTUAL ? CPU_TIME_USER : CPU_TIME_ALL;
    i->timer.due = due;
    i->timer.fire = fire;
    i->process = p;
    i->signal = which == USAGE_VIRTUAL ? SIG_VTALRM : SIG_PROF;
    spin_lock(&p->lock);
    bool raced = p->itimers[which] != NULL;
    if (!raced)
        p->itimers[which] = i;
    spin_unlock(&p->lock);
    if (raced) {
        cpu_watch_put(i->timer.watch);
        heap_free(i);
    }
    return 0;
}

static void
read_locked(const struct usage_itimer *i, u64 now, u64 *left_ns, u64 *interval_ns)
{
    *left_ns = i->deadline_ns == 0 ? 0 : i->deadline_ns > now ? i->deadline_ns - now : 1;
    *interval_ns = i->deadline_ns == 0 ? 0 : i->interval_ns;
}

void
usage_timer_get(struct process *p, enum usage_timer which, u64 *left_ns, u64 *interval_ns)
{
    struct usage_itimer *i = p->itimers[which];
    *left_ns = *interval_ns = 0;
    if (i == NULL)
        return;
    spin_lock(&p->lock);
    read_locked(i, cpu_watch_sampled(i->timer.watch, i->timer.time), left_ns, interval_ns);
    spin_unlock(&p->lock);
}

int
usage_timer_set(struct process *p, enum usage_timer which, u64 value_ns, u64 interval_ns,
                u64 *left_ns, u64 *old_interval_ns)
{
    *left_ns = *old_interval_ns = 0;
    if (p->itimers[which] == NULL) {
        int r = value_ns != 0 ? make(p, which) : 0;
        if (r != 0 || value_ns == 0)
            return r;
    }
    struct usage_itimer *i = p->itimers[which];
    u64 now = cpu_watch_sampled(i->timer.watch, i->timer.time);
    spin_lock(&p->lock);
    read_locked(i, now, left_ns, old_interval_ns);
    i->interval_ns = interval_ns;
    if (value_ns == 0) {
        i->deadline_ns = 0;
        cpu_timer_stop(&i->timer);
    } else {
        if (__builtin_add_overflow(now, value_ns, &i->deadline_ns))
            i->deadline_ns = ~0ull - 1;
        (void)cpu_timer_arm(&i->timer, i->deadline_ns);
    }
    spin_unlock(&p->lock);
    return 0;
}

void
usage_timers_free(struct process *p)
{
    for (int which = 0; which < USAGE_TIMERS; which++) {
        struct usage_itimer *i = p->itimers[which];
        if (i != NULL) {
            cpu_timer_stop(&i->timer);
            cpu_watch_put(i->timer.watch);
            heap_free(i);
        }
    }
}

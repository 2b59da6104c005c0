/* SPDX-License-Identifier: MIT */
/* Usage of processes and threads, and the limit of CPU time: usage.h. */
#include "proc/usage.h"

#include "core/clock.h"
#include "core/hooks.h"
#include "proc/internal.h"
#include "signal/signal.h"
#include "vm/info.h"

#define NS_PER_S 1000000000ull
#define LIMIT_CPU 0

/* part / whole of total, without a wider type; part <= whole. */
static u64
share(u64 total, u64 part, u64 whole)
{
    while (whole >> 32) {
        whole >>= 1;
        part >>= 1;
    }
    return total / whole * part + total % whole * part / whole;
}

/*
 * U1: total in the proportion of the samples, but never less than what was shown before
 * (*user and *system, which become what is shown now).
 */
static void
split_time(u64 total, u64 sampled_user, u64 sampled_system, u64 *user, u64 *system)
{
    if (total <= *user + *system)
        return;
    u64 s = sampled_system == 0
                ? 0
                : share(total, sampled_system, sampled_user + sampled_system);
    s = MAX(s, *system);
    u64 u = total - s;
    if (u < *user) {
        u = *user;
        s = total - u;
    }
    *user = u;
    *system = s;
}

/* TSC ticks on CPUs, with those that it has not been charged for yet. */
static u64
thread_ticks(struct thread *t)
{
    u64 ticks = t->sched.runtime, since = t->sched.started, now = clock_tsc();
    if (atomic_load_explicit(&t->state, memory_order_relaxed) == THREAD_RUNNING &&
        now > since)
        ticks += now - since;
    return ticks;
}

static void
add_thread(struct proc_usage *to, u64 *ticks, struct thread *t)
{
    *ticks += thread_ticks(t);
    to->minor_faults += t->minor_faults;
    to->major_faults += t->major_faults;
    to->voluntary += t->switches_voluntary;
    to->involuntary += t->switches_involuntary;
}

void
usage_sum(struct proc_usage *to, const struct proc_usage *more)
{
    to->user += more->user;
    to->system += more->system;
    to->minor_faults += more->minor_faults;
    to->major_faults += more->major_faults;
    to->voluntary += more->voluntary;
    to->involuntary += more->involuntary;
    to->max_pages = MAX(to->max_pages, more->max_pages);
    to->blocks_in += more->blocks_in;
    to->blocks_out += more->blocks_out;
}

void
usage_of_process(struct process *p, struct proc_usage *out)
{
    spin_lock(&p->lock);
    *out = p->ended;
    u64 ticks = p->ended_ticks;
    list_for_each(it, &p->threads)
        add_thread(out, &ticks, container_of(it, struct thread, process_link));
    split_time(ticks, atomic_load_explicit(&p->sampled_user, memory_order_relaxed),
               atomic_load_explicit(&p->sampled_system, memory_order_relaxed),
               &p->shown_user, &p->shown_system);
    out->user = p->shown_user;
    out->system = p->shown_system;
    out->max_pages = p->max_pages;
    spin_unlock(&p->lock);
}

void
usage_of_children(struct process *p, struct proc_usage *out)
{
    spin_lock(&family_lock);
    *out = p->children_usage;
    spin_unlock(&family_lock);
}

void
usage_of_thread_locked(struct thread *t, struct proc_usage *out)
{
    u64 ticks = 0;
    *out = (struct proc_usage){ 0 };
    add_thread(out, &ticks, t);
    split_time(ticks, t->user_ticks, t->system_ticks, &t->shown_user, &t->shown_system);
    out->user = t->shown_user;
    out->system = t->shown_system;
    out->max_pages = t->process->max_pages;
}

void
usage_of_thread(struct thread *t, struct proc_usage *out)
{
    struct process *p = t->process;
    spin_lock(&p->lock);
    usage_of_thread_locked(t, out);
    spin_unlock(&p->lock);
}

u64
usage_time_of_process(struct process *p)
{
    spin_lock(&p->lock);
    u64 ticks = p->ended_ticks;
    list_for_each(it, &p->threads)
        ticks += thread_ticks(container_of(it, struct thread, process_link));
    spin_unlock(&p->lock);
    return ticks;
}

void
proc_ticks(struct process *p, u64 *user, u64 *system)
{
    struct proc_usage u;
    usage_of_process(p, &u);
    *user = u.user;
    *system = u.system;
}

void
usage_thread_ends_locked(struct process *p, struct thread *t)
{
    u64 before = p->ended_ticks;
    add_thread(&p->ended, &p->ended_ticks, t);
    u64 rest = p->ended_ticks - before - (t->user_ticks + t->system_ticks);
    atomic_store_explicit(&p->unsampled, p->unsampled + rest, memory_order_relaxed);
    if (t->cpu_watch != NULL)
        cpu_watch_thread_ends(t);
}

void
usage_memory_goes(struct process *p, struct mm *mm)
{
    u64 pages = mm_peak(mm);
    spin_lock(&p->lock);
    p->max_pages = MAX(p->max_pages, pages);
    spin_unlock(&p->lock);
}

/* ---- the limit, and who looks at each sample ---- */

static bool
has_limit(const struct process *p)
{
    return p->limits[LIMIT_CPU].soft != ~0ull || p->limits[LIMIT_CPU].hard != ~0ull;
}

void
usage_watch_locked(struct process *p)
{
    bool any = has_limit(p) || p->cpu_watch != NULL;
    __atomic_store_n(&p->usage_watched, any, __ATOMIC_RELAXED);
}

void
usage_limit_changed(struct process *p)
{
    spin_lock(&p->lock);
    p->limit_cpu_told = 0;
    usage_watch_locked(p);
    spin_unlock(&p->lock);
}

static u64
sampled_ns(struct process *p)
{
    return clock_ticks_to_ns(
        atomic_load_explicit(&p->sampled_user, memory_order_relaxed) +
        atomic_load_explicit(&p->sampled_system, memory_order_relaxed) +
        atomic_load_explicit(&p->unsampled, memory_order_relaxed));
}

/* process->lock is held. Which signal the limit of CPU time gives now, or 0. The soft one
 * gives SIGXCPU each second from there on. */
static int
limit_signal_locked(struct process *p)
{
    u64 seconds = sampled_ns(p) / NS_PER_S;
    if (seconds >= p->limits[LIMIT_CPU].hard)
        return SIG_KILL;
    if (seconds >= p->limits[LIMIT_CPU].soft && seconds >= p->limit_cpu_told) {
        p->limit_cpu_told = seconds + 1;
        return SIG_XCPU;
    }
    return 0;
}

static void
on_tick(struct thread *t, u64 ticks, bool user)
{
    struct process *p = t->process;
    atomic_fetch_add_explicit(user ? &p->sampled_user : &p->sampled_system, ticks,
                              memory_order_relaxed);
    if (!__atomic_load_n(&p->usage_watched, __ATOMIC_RELAXED))
        return;
    cpu_watch_tick(t);
    if (!has_limit(p))
        return;
    spin_lock(&p->lock);
    int limit = limit_signal_locked(p);
    spin_unlock(&p->lock);
    if (limit != 0)
        signal_send_process(p, limit, NULL);
}

void
usage_init(void)
{
    libos_hooks.tick = on_tick;
}

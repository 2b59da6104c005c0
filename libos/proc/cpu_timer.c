/* SPDX-License-Identifier: MIT */
/* Timers on CPU time (proc/cpu_timer.h). */
#include "proc/cpu_timer.h"

#include "core/account.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "proc/handle.h"
#include "proc/internal.h"
#include "proc/pid.h"
#include "proc/proc.h"

#define NONE (~0ull)

static struct cpu_timer *
timer_of(const struct tree_node *n)
{
    return container_of((struct tree_node *)(uintptr_t)n, struct cpu_timer, node);
}

static int
compare_timers(const struct tree_node *a, const struct tree_node *b)
{
    u64 x = timer_of(a)->expires_ns, y = timer_of(b)->expires_ns;
    return (x > y) - (x < y);
}

/* ---- watches ---- */

static struct cpu_watch *
watch_new(struct process *p, i32 tid)
{
    struct cpu_watch *w = heap_alloc_zeroed(sizeof *w);
    if (w == NULL)
        return NULL;
    w->process = proc_handle_get(p);
    if (w->process == NULL) {
        heap_free(w);
        return NULL;
    }
    w->refs = 1;
    w->tid = tid;
    for (int i = 0; i < CPU_TIMES; i++) {
        tree_init(&w->timers[i], compare_timers);
        w->first_ns[i] = NONE;
    }
    return w;
}

void
cpu_watch_hold(struct cpu_watch *w)
{
    atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
}

void
cpu_watch_put(struct cpu_watch *w)
{
    if (w == NULL || atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) != 1)
        return;
    proc_handle_release(w->process);
    heap_free(w);
}

/* T3. */
static void
watch_end(struct cpu_watch *w)
{
    if (w == NULL)
        return;
    spin_lock(&w->lock);
    w->ended = true;
    for (int i = 0; i < CPU_TIMES; i++) {
        struct tree_node *n;
        while ((n = tree_first(&w->timers[i])) != NULL) {
            tree_remove(&w->timers[i], n);
            timer_of(n)->armed = false;
        }
        w->first_ns[i] = NONE;
    }
    spin_unlock(&w->lock);
    cpu_watch_put(w);
}

void
cpu_watch_thread_ends(struct thread *t)
{
    struct cpu_watch *w = t->cpu_watch;
    t->cpu_watch = NULL;
    watch_end(w);
}

void
cpu_watch_process_ends(struct process *p)
{
    struct cpu_watch *w = p->cpu_watch;
    p->cpu_watch = NULL;
    watch_end(w);
}

/* Time of the process that was sampled: what its ended threads had not been asked for counts
 * as well, so that it lags behind the exact time by what runs now alone. */
static void
note_process(struct process *p, struct cpu_watch *w)
{
    u64 user = atomic_load_explicit(&p->sampled_user, memory_order_relaxed);
    u64 system = atomic_load_explicit(&p->sampled_system, memory_order_relaxed);
    u64 rest = atomic_load_explicit(&p->unsampled, memory_order_relaxed);
    w->sampled_ns[CPU_TIME_USER] = clock_ticks_to_ns(user);
    w->sampled_ns[CPU_TIME_ALL] = clock_ticks_to_ns(user + system + rest);
}

static void
note_thread(const struct thread *t, struct cpu_watch *w)
{
    w->sampled_ns[CPU_TIME_USER] = clock_ticks_to_ns(t->user_ticks);
    w->sampled_ns[CPU_TIME_ALL] = clock_ticks_to_ns(t->user_ticks + t->system_ticks);
}

int
cpu_watch_of_process(struct process *p, struct cpu_watch **out)
{
    struct cpu_watch *made = p->cpu_watch == NULL ? watch_new(p, 0) : NULL;
    spin_lock(&p->lock);
    if (p->cpu_watch == NULL && made != NULL) {
        note_process(p, made);
        p->cpu_watch = made;
        made = NULL;
        usage_watch_locked(p);
    }
    *out = p->cpu_watch;
    if (*out != NULL)
        cpu_watch_hold(*out);
    spin_unlock(&p->lock);
    cpu_watch_put(made);
    return *out != NULL ? 0 : -E_NOMEM;
}

/* p->lock is held (R5); NULL: it is no thread of p. */
static struct thread *
thread_locked(struct process *p, i32 tid)
{
    spin_lock(&pid_lock);
    struct pid_slot *slot = tid > 0 ? pid_slot_locked(tid) : NULL;
    struct thread *t = slot != NULL ? slot->thread : NULL;
    if (t != NULL && t->process != p)
        t = NULL;
    spin_unlock(&pid_lock);
    return t;
}

int
cpu_watch_of_thread(i32 tid, struct cpu_watch **out)
{
    struct process *p = proc_current();
    struct cpu_watch *made, *of_process;
    *out = NULL;
    int r = cpu_watch_of_process(p, &of_process); /* so that its ticks are looked at */
    if (r != 0)
        return r;
    cpu_watch_put(of_process);
    made = watch_new(p, tid);
    if (made == NULL)
        return -E_NOMEM;
    spin_lock(&p->lock);
    struct thread *t = thread_locked(p, tid);
    if (t == NULL) {
        r = -E_INVAL;
    } else if (t->cpu_watch == NULL) {
        note_thread(t, made);
        t->cpu_watch = made;
        made = NULL;
    }
    if (t != NULL) {
        *out = t->cpu_watch;
        cpu_watch_hold(*out);
    }
    spin_unlock(&p->lock);
    cpu_watch_put(made);
    return r;
}

/* The samples say nothing exact of how much was the user's: for that they are the clock. */
int
cpu_watch_read(struct cpu_watch *w, enum cpu_time time, u64 *ns)
{
    struct process *p = proc_handle_process(w->process);
    struct proc_usage used = { 0 };
    if (p == NULL)
        return -E_SRCH;
    int r = 0;
    *ns = cpu_watch_sampled(w, time);
    if (w->tid == 0) {
        if (time == CPU_TIME_ALL)
            *ns = clock_ticks_to_ns(usage_time_of_process(p));
    } else {
        spin_lock(&p->lock);
        struct thread *t = thread_locked(p, w->tid);
        if (t == NULL || t->cpu_watch != w)
            r = -E_SRCH;
        else if (time == CPU_TIME_ALL)
            usage_of_thread_locked(t, &used);
        spin_unlock(&p->lock);
        if (time == CPU_TIME_ALL)
            *ns = clock_ticks_to_ns(used.user + used.system);
    }
    proc_release(p);
    return r;
}

/* ---- timers ---- */

/* With the watch's lock held. */
static void
set_first(struct cpu_watch *w, enum cpu_time time)
{
    struct tree_node *n = tree_first(&w->timers[time]);
    w->first_ns[time] = n != NULL ? timer_of(n)->expires_ns : NONE;
}

bool
cpu_timer_arm(struct cpu_timer *t, u64 expires_ns)
{
    struct cpu_watch *w = t->watch;
    spin_lock(&w->lock);
    bool may = !w->ended;
    if (t->armed)
        tree_remove(&w->timers[t->time], &t->node);
    t->armed = may;
    t->expires_ns = MIN(expires_ns, NONE - 1);
    if (may)
        tree_insert_equal(&w->timers[t->time], &t->node);
    set_first(w, t->time);
    spin_unlock(&w->lock);
    return may;
}

void
cpu_timer_stop(struct cpu_timer *t)
{
    struct cpu_watch *w = t->watch;
    spin_lock(&w->lock);
    if (t->armed) {
        tree_remove(&w->timers[t->time], &t->node);
        t->armed = false;
        set_first(w, t->time);
    }
    spin_unlock(&w->lock);
}

/* One that is due by `now`: NULL, none. T4. */
static struct cpu_timer *
take_due(struct cpu_watch *w, enum cpu_time time, u64 now)
{
    struct cpu_timer *found = NULL;
    spin_lock(&w->lock);
    struct tree_node *n = tree_first(&w->timers[time]);
    while (found == NULL && n != NULL && timer_of(n)->expires_ns <= now) {
        struct cpu_timer *t = timer_of(n);
        tree_remove(&w->timers[time], n);
        t->armed = false;
        if (t->due(t))
            found = t;
        else
            n = tree_first(&w->timers[time]);
    }
    set_first(w, time);
    spin_unlock(&w->lock);
    return found;
}

static void
look(struct cpu_watch *w, enum cpu_time time, u64 now)
{
    struct cpu_timer *t;
    if (now < atomic_load_explicit(&w->first_ns[time], memory_order_relaxed))
        return;
    while ((t = take_due(w, time, now)) != NULL)
        t->fire(t, now);
}

/* What threads that run beside this one have used since their samples may make the
 * difference: then the exact time is asked for, which costs O(threads). */
static u64
time_of_process(struct process *p, const struct cpu_watch *w)
{
    u64 now = cpu_watch_sampled(w, CPU_TIME_ALL);
    u64 first = atomic_load_explicit(&w->first_ns[CPU_TIME_ALL], memory_order_relaxed);
    if (now >= first || first - now > p->nthreads * TICK_NS || p->nthreads == 1)
        return now;
    return clock_ticks_to_ns(usage_time_of_process(p));
}

/* The current thread is in it, so neither it nor its process ends meanwhile. */
void
cpu_watch_tick(struct thread *t)
{
    struct process *p = t->process;
    struct cpu_watch *own = t->cpu_watch, *all = p->cpu_watch;
    if (own != NULL) {
        note_thread(t, own);
        look(own, CPU_TIME_USER, own->sampled_ns[CPU_TIME_USER]);
        look(own, CPU_TIME_ALL, own->sampled_ns[CPU_TIME_ALL]);
    }
    if (all != NULL) {
        note_process(p, all);
        look(all, CPU_TIME_USER, all->sampled_ns[CPU_TIME_USER]);
        look(all, CPU_TIME_ALL, time_of_process(p, all));
    }
}

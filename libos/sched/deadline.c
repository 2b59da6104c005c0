/* SPDX-License-Identifier: MIT */
/*
 * The deadline class (SCHED_DEADLINE of sched(7)): who has the earliest deadline runs, and
 * has no more than was reserved for it: a constant-bandwidth server for each thread (Abeni
 * and Buttazzo, 1998).
 *
 * D1. In each period a thread may run for `runtime`, before `due`.  `left` is what is left of
 *     it; who has used it up stands aside, in no queue, until the next period begins.
 * D2. Who becomes ready with more left than fits before `due` in its proportion begins a new
 *     period then, or when the last one's is over: sleeping saves nothing up.
 * D3. What is reserved in all is at most 95% of the vCPUs (deadline_reserve), so that each
 *     can be met.
 * D4. The timer of who stands aside is armed then; it may fire later than a change of policy,
 *     and then finds `aside` false.  A thread that ends waits for it (deadline_leave).
 */
#include "sched/class.h"

#include <abi/layout.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/hooks.h"
#include "core/machine.h"

#define SHARE_ONE (1u << 20)
#define SHARE_MAX(cpus) ((u64)(cpus) * SHARE_ONE * 95 / 100)

static _Atomic u64 reserved; /* in SHARE_ONE, of all threads: D3 */

static int
compare_due(const struct tree_node *a, const struct tree_node *b)
{
    u64 x = container_of(a, struct sched_entity, node)->reserve.due;
    u64 y = container_of(b, struct sched_entity, node)->reserve.due;
    return x < y ? -1 : x > y;
}

static struct thread *
thread_of(struct tree_node *n)
{
    return n != NULL ? container_of(n, struct thread, sched.node) : NULL;
}

static void
deadline_init_queue(struct sched_queue *q)
{
    tree_init(&q->deadline.tree, compare_due);
}

static u64
begin_of_next(const struct sched_reserve *r)
{
    return r->due - r->deadline + r->period;
}

static void
begin_period(struct sched_reserve *r, u64 now)
{
    r->due = now + r->deadline;
    r->left = (i64)r->runtime;
}

static void
aside_over(struct timer *timer)
{
    struct thread *t = container_of(timer, struct thread, sched.reserve.timer);
    if (t->sched.reserve.params.tell_overrun && libos_hooks.overrun != NULL &&
        t->sched.reserve.overran)
        libos_hooks.overrun(t);
    t->sched.reserve.overran = false;
    thread_return(t);
}

static void
deadline_join(struct sched_queue *q, struct thread *t, u64 now)
{
    struct sched_reserve *r = &t->sched.reserve;
    (void)q;
    r->runtime = clock_ns_to_ticks(r->params.runtime_ns);
    r->deadline = clock_ns_to_ticks(r->params.deadline_ns);
    r->period = clock_ns_to_ticks(r->params.period_ns);
    if (r->timer.fire == NULL)
        timer_init(&r->timer, aside_over);
    begin_period(r, now);
}

/* left / (due - now) > runtime / deadline, for positive ones. */
static bool
is_too_much(const struct sched_reserve *r, u64 now)
{
    unsigned __int128 have = (unsigned __int128)(u64)r->left * r->deadline;
    return have > (unsigned __int128)r->runtime * (r->due - now);
}

/* D1, D2: may it run now?  Else *until. */
static bool
is_due(struct sched_reserve *r, enum sched_why why, u64 now, u64 *until)
{
    if (why == SCHED_YIELDED)
        r->left = 0; /* the rest of its period is given away */
    bool wakes = why == SCHED_WOKEN || why == SCHED_NEW;
    bool stale = r->left > 0 && wakes && (now >= r->due || is_too_much(r, now));
    if (r->left > 0 && !stale)
        return true;
    *until = begin_of_next(r);
    if (*until > now && !(stale && r->deadline == r->period))
        return false;
    begin_period(r, now);
    return true;
}

static bool
deadline_put(struct sched_queue *q, struct thread *t, enum sched_why why, u64 now)
{
    struct sched_reserve *r = &t->sched.reserve;
    u64 until;
    if (!is_due(r, why, now, &until)) {
        r->aside = true;
        timer_arm(&r->timer, clock_mono_ns() + clock_ticks_to_ns(until - now));
        return false;
    }
    tree_insert_equal(&q->deadline.tree, &t->sched.node);
    return true;
}

bool
deadline_return(struct thread *t, u64 now)
{
    struct sched_reserve *r = &t->sched.reserve;
    if (!r->aside)
        return false; /* D4 */
    r->aside = false;
    i64 debt = MIN(r->left, 0);
    begin_period(r, MAX(now, begin_of_next(r)));
    u64 periods = (u64)-debt / r->runtime; /* what it ran too long, it runs later */
    r->due += periods * r->period;
    r->left += debt + (i64)(periods * r->runtime);
    return true;
}

static void
deadline_take(struct sched_queue *q, struct thread *t)
{
    tree_remove(&q->deadline.tree, &t->sched.node);
}

static struct thread *
deadline_first(struct sched_queue *q, u64 cpus)
{
    struct tree_node *n = tree_first(&q->deadline.tree);
    while (n != NULL && (thread_of(n)->sched.allowed & cpus) == 0)
        n = tree_next(n);
    return thread_of(n);
}

static void
deadline_charge(struct sched_queue *q, struct thread *t, u64 ticks, u64 now)
{
    struct sched_reserve *r = &t->sched.reserve;
    (void)q;
    (void)now;
    r->left -= (i64)ticks;
    r->overran |= r->left < 0;
}

static u64
deadline_slice_end(struct sched_queue *q, struct thread *t, u64 now)
{
    (void)q;
    (void)now; /* `left` is that of when it came onto the CPU */
    return t->sched.started + (u64)MAX(t->sched.reserve.left, 0);
}

static bool
deadline_preempts(const struct thread *current, const struct thread *woken, u64 now)
{
    (void)now;
    return woken->sched.reserve.due < current->sched.reserve.due;
}

static u64
deadline_interval(const struct thread *t)
{
    (void)t;
    return 0;
}

/* ---- what is reserved (D3) ---- */

int
sched_reserve(struct thread *t, const struct sched_reserve_params *p)
{
    u64 share = 0;
    if (p != NULL)
        share = p->runtime_ns * SHARE_ONE / p->period_ns; /* runtime: seconds at most */
    u64 before = atomic_load(&reserved), after;
    do {
        after = before - t->sched.reserve.share + share;
        if (share > t->sched.reserve.share && after > SHARE_MAX(lcpu_count))
            return -E_BUSY;
    } while (!atomic_compare_exchange_weak(&reserved, &before, after));
    t->sched.reserve.share = share;
    return 0;
}

void
deadline_leave(struct thread *t)
{
    timer_end(&t->sched.reserve.timer);
    int r = sched_reserve(t, NULL);
    (void)r; /* giving back cannot fail */
}

const struct sched_class deadline_class = {
    .name = "deadline",
    .init_queue = deadline_init_queue,
    .join = deadline_join,
    .put = deadline_put,
    .take = deadline_take,
    .first = deadline_first,
    .charge = deadline_charge,
    .slice_end = deadline_slice_end,
    .preempts = deadline_preempts,
    .interval = deadline_interval,
};

/* SPDX-License-Identifier: MIT */
/* Timers that send signals: signal/timer.h has the invariants. */
#include "signal/timer.h"

#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "proc/proc.h"
#include "signal/internal.h"
#include "time/clock_timer.h"

struct posix_timer {
    _Atomic u32 refs;           /* the table's, one of a signal that is queued */
    struct spinlock lock;
    struct clock_timer clock;   /* lock */
    struct cpu_timer cpu;       /* instead, if it has a watch */
    u64 seen_ns;                /* lock; what the watch's clock showed at least (J4) */
    struct process *process;    /* [I] alive until the timer is ended */
    struct timer_plan plan;     /* [I] */
    i32 id;                     /* [I] */
    bool real;                  /* lock; next_ns is a time of the wall clock */
    u64 next_ns, interval_ns;   /* lock; next 0: not armed */
    u64 overrun;                /* lock; of the signal that was taken last */
    u64 missed;                 /* lock; periods whose signal nobody wanted */
    bool queued;                /* lock; its signal is pending */
    bool ended;                 /* lock */
};
/* Slots that are free are linked through `next_free`, so that making one is O(1). */
struct timer_slot {
    struct posix_timer *timer;
    i32 next_free;
};
struct timer_table {
    struct spinlock lock;
    struct timer_slot *slot;    /* lock */
    u32 size, used;             /* lock */
    i32 free;                   /* lock; -1: none */
};
#define FIRST_SLOTS 8u
#define OVERRUN_MAX 0x7fffffffull
/* A period whose signal is ignored is looked at no more often than this. */
#define IGNORED_PERIOD_NS 10000000ull

static void
timer_put(struct posix_timer *t)
{
    if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    cpu_watch_put(t->cpu.watch);
    heap_free(t);
}

/* ---- its clock; lock is held ---- */

static u64
now_of(const struct posix_timer *t)
{
    if (t->cpu.watch == NULL)
        return clock_timer_now(t->real);
    return MAX(cpu_watch_sampled(t->cpu.watch, t->cpu.time), t->seen_ns);
}

static void
arm(struct posix_timer *t, u64 at)
{
    if (t->cpu.watch == NULL)
        clock_timer_arm(&t->clock, t->real, at);
    else
        (void)cpu_timer_arm(&t->cpu, at); /* or its clock stands still for ever */
}

static void
disarm(struct posix_timer *t)
{
    if (t->cpu.watch == NULL)
        clock_timer_stop(&t->clock);
    else
        cpu_timer_stop(&t->cpu);
}

/* ---- firing ---- */

/* lock is held: the first time after now, at least `least` away. */
static void
arm_next(struct posix_timer *t, u64 least_ns)
{
    u64 at = t->next_ns;
    u64 soonest = now_of(t) + least_ns;
    arm(t, MAX(at, soonest));
}

static int
send(struct posix_timer *t)
{
    struct signal_info info = {
        .number = t->plan.number, .code = SIGNAL_CODE_TIMER, .pid = t->id,
        .value = t->plan.value, .timer = t,
    };
    return signal_queue_timer(t->process,
                              t->plan.notify == TIMER_THREAD ? t->plan.tid : 0,
                              t->plan.number, &info);
}

static void
fire(struct posix_timer *t)
{
    spin_lock(&t->lock);
    bool due = !t->ended && t->next_ns != 0 && !t->queued && now_of(t) >= t->next_ns;
    if (due) {
        t->queued = true; /* J1; the reference is the signal's */
        atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    }
    spin_unlock(&t->lock);
    if (!due)
        return;
    if (send(t) == 1)
        return;
    /* Ignored, or no memory for an entry: the next period tries again. */
    spin_lock(&t->lock);
    t->queued = false;
    if (!t->ended && t->next_ns != 0 && t->interval_ns != 0) {
        u64 now = now_of(t);
        if (now >= t->next_ns)
            t->missed += clock_timer_forward(&t->next_ns, t->interval_ns, now);
        arm_next(t, IGNORED_PERIOD_NS);
    } else {
        t->next_ns = 0;
    }
    spin_unlock(&t->lock);
    timer_put(t);
}

static void
clock_fired(struct clock_timer *c)
{
    fire(container_of(c, struct posix_timer, clock));
}

/* It has not ended, so its process is there; both stay until it has fired. */
static bool
cpu_due(struct cpu_timer *c)
{
    struct posix_timer *t = container_of(c, struct posix_timer, cpu);
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    proc_hold(t->process);
    return true;
}

static void
cpu_fired(struct cpu_timer *c, u64 now_ns)
{
    struct posix_timer *t = container_of(c, struct posix_timer, cpu);
    struct process *p = t->process;
    spin_lock(&t->lock);
    t->seen_ns = MAX(t->seen_ns, now_ns);
    spin_unlock(&t->lock);
    fire(t);
    timer_put(t);
    proc_release(p);
}

void
posix_timer_signal_gone(struct signal_info *info)
{
    struct posix_timer *t = info->timer;
    info->timer = NULL;
    spin_lock(&t->lock);
    t->queued = false;
    u64 now = now_of(t), passed = t->missed;
    t->missed = 0;
    if (t->ended || t->next_ns == 0 || now < t->next_ns) {
        /* ended, or set anew meanwhile */
        if (!t->ended && t->next_ns != 0)
            arm(t, t->next_ns);
    } else if (t->interval_ns != 0) {
        passed += clock_timer_forward(&t->next_ns, t->interval_ns, now) - 1;
        arm(t, t->next_ns);
    } else {
        t->next_ns = 0;
    }
    t->overrun = MIN(passed, OVERRUN_MAX);
    info->uid = (u32)t->overrun; /* si_overrun */
    spin_unlock(&t->lock);
    timer_put(t);
}

/* ---- the table ---- */

static struct timer_table *
table_of(struct process *p)
{
    struct timer_table *table = p->timers;
    if (table != NULL)
        return table;
    table = heap_alloc_zeroed(sizeof *table);
    if (table == NULL)
        return NULL;
    table->free = -1;
    spin_lock(&p->lock);
    struct timer_table *raced = p->timers;
    if (raced == NULL)
        p->timers = table;
    spin_unlock(&p->lock);
    if (raced != NULL)
        heap_free(table);
    return p->timers;
}

/* lock is not held; twice as many slots. */
static int
table_grow(struct timer_table *table, u32 size)
{
    u32 wanted = size == 0 ? FIRST_SLOTS : size * 2;
    struct timer_slot *slot = heap_alloc_zeroed(wanted * sizeof *slot);
    if (slot == NULL)
        return -E_NOMEM;
    spin_lock(&table->lock);
    struct timer_slot *old = slot;
    if (table->size == size) {
        old = table->slot;
        if (size != 0)
            memcpy(slot, old, size * sizeof *slot);
        for (u32 i = wanted; i-- > size;) {
            slot[i].next_free = table->free;
            table->free = (i32)i;
        }
        table->slot = slot;
        table->size = wanted;
    }
    spin_unlock(&table->lock);
    heap_free(old);
    return 0;
}

/* The timer with a reference, or NULL. */
static struct posix_timer *
timer_get(struct process *p, i32 id)
{
    struct timer_table *table = p->timers;
    struct posix_timer *t = NULL;
    if (table == NULL || id < 0)
        return NULL;
    spin_lock(&table->lock);
    if ((u32)id < table->size)
        t = table->slot[id].timer;
    if (t != NULL)
        atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    spin_unlock(&table->lock);
    return t;
}

i32
posix_timer_create(struct process *p, const struct timer_plan *plan)
{
    struct timer_table *table = table_of(p);
    struct posix_timer *t = heap_alloc_zeroed(sizeof *t);
    if (table == NULL || t == NULL) {
        heap_free(t);
        return -E_NOMEM;
    }
    atomic_init(&t->refs, 1);
    t->process = p;
    t->plan = *plan;
    clock_timer_init(&t->clock, clock_fired);
    /* All of it before it has a number: another thread may end it as soon as it has. */
    t->cpu = (struct cpu_timer){ .watch = plan->watch, .time = plan->time, .due = cpu_due,
                                 .fire = cpu_fired };
    u64 limit = p->limits[SIGNAL_LIMIT_PENDING].soft;
    int error = 0;
    i32 id = -1;
    while (error == 0 && id < 0) {
        spin_lock(&table->lock);
        u32 size = table->size;
        if (table->used >= limit) {
            error = -E_AGAIN;
        } else if (table->free >= 0) {
            id = table->free;
            table->free = table->slot[id].next_free;
            table->used++;
            t->id = id;
            if (plan->value_is_id)
                t->plan.value = (u64)(u32)id;
            table->slot[id].timer = t;
        }
        spin_unlock(&table->lock);
        if (error == 0 && id < 0)
            error = table_grow(table, size);
    }
    if (error != 0)
        heap_free(t);
    return error != 0 ? error : id;
}

/* J2. The table's reference is the caller's now. */
static void
end_timer(struct posix_timer *t)
{
    spin_lock(&t->lock);
    t->ended = true;
    spin_unlock(&t->lock);
    if (t->cpu.watch != NULL)
        cpu_timer_stop(&t->cpu);
    clock_timer_end(&t->clock);
    timer_put(t);
}

int
posix_timer_delete(struct process *p, i32 id)
{
    struct timer_table *table = p->timers;
    struct posix_timer *t = NULL;
    if (table == NULL || id < 0)
        return -E_INVAL;
    spin_lock(&table->lock);
    if ((u32)id < table->size && table->slot[id].timer != NULL) {
        t = table->slot[id].timer;
        table->slot[id] = (struct timer_slot){ NULL, table->free };
        table->free = id;
        table->used--;
    }
    spin_unlock(&table->lock);
    if (t == NULL)
        return -E_INVAL;
    end_timer(t);
    return 0;
}

void
posix_timers_end(struct process *p)
{
    struct timer_table *table = p->timers;
    if (table == NULL)
        return;
    p->timers = NULL;
    for (u32 i = 0; i < table->size; i++)
        if (table->slot[i].timer != NULL)
            end_timer(table->slot[i].timer);
    heap_free(table->slot);
    heap_free(table);
}

/* ---- setting and reading ---- */

/* lock is held. */
static void
read_time(const struct posix_timer *t, u64 now, struct timer_time *out)
{
    *out = (struct timer_time){ 0, t->interval_ns };
    if (t->next_ns == 0)
        return;
    if (now < t->next_ns) {
        out->value_ns = t->next_ns - now;
    } else if (t->interval_ns != 0) {
        u64 next = t->next_ns;
        (void)clock_timer_forward(&next, t->interval_ns, now);
        out->value_ns = next - now;
    } else if (t->plan.notify != TIMER_NONE) {
        out->value_ns = t->queued ? 0 : 1; /* it is about to fire */
    }
}

/* A clock of CPU time, exactly; other clocks are read later. -E_SRCH */
static int
read_cpu(const struct posix_timer *t, u64 *now)
{
    return t->cpu.watch == NULL ? 0 : cpu_watch_read(t->cpu.watch, t->cpu.time, now);
}

int
posix_timer_get(struct process *p, i32 id, struct timer_time *out)
{
    struct posix_timer *t = timer_get(p, id);
    if (t == NULL)
        return -E_INVAL;
    u64 now = 0;
    int gone = read_cpu(t, &now);
    spin_lock(&t->lock);
    if (gone == 0)
        read_time(t, t->cpu.watch != NULL ? now : now_of(t), out);
    else
        *out = (struct timer_time){ 0, t->interval_ns };
    spin_unlock(&t->lock);
    timer_put(t);
    return 0;
}

/* lock is held. When it is to fire: a relative time is one of the monotonic clock, whatever
 * happens to the other, or of its CPU time, which is `now`. */
static u64
time_to_fire(struct posix_timer *t, bool absolute, u64 value_ns, u64 now)
{
    u64 at = value_ns, since = t->cpu.watch != NULL ? now : clock_mono_ns();
    t->real = t->plan.real_clock && absolute;
    if (!absolute &&
        (__builtin_add_overflow(since, value_ns, &at) || at > CLOCK_TIMER_MAX_NS))
        at = CLOCK_TIMER_MAX_NS;
    return at;
}

int
posix_timer_set(struct process *p, i32 id, bool absolute, const struct timer_time *set,
                struct timer_time *old)
{
    struct posix_timer *t = timer_get(p, id);
    u64 now = 0;
    if (t == NULL)
        return -E_INVAL;
    int error = read_cpu(t, &now);
    if (error != 0) {
        timer_put(t);
        return error;
    }
    spin_lock(&t->lock);
    bool cpu = t->cpu.watch != NULL, at_once = false;
    t->seen_ns = MAX(t->seen_ns, now);
    if (old != NULL)
        read_time(t, cpu ? now : now_of(t), old);
    t->interval_ns = set->interval_ns;
    t->overrun = t->missed = 0;
    t->next_ns = 0;
    disarm(t);
    if (set->value_ns != 0 && !t->ended) {
        t->next_ns = time_to_fire(t, absolute, set->value_ns, now);
        at_once = cpu && t->next_ns <= now; /* there may be no tick of its clock any more */
        if (t->plan.notify != TIMER_NONE && !t->queued && !at_once)
            arm(t, t->next_ns);
    }
    at_once = at_once && t->plan.notify != TIMER_NONE;
    spin_unlock(&t->lock);
    if (at_once)
        fire(t);
    timer_put(t);
    return 0;
}

i32
posix_timer_overrun(struct process *p, i32 id)
{
    struct posix_timer *t = timer_get(p, id);
    if (t == NULL)
        return -E_INVAL;
    spin_lock(&t->lock);
    i32 n = (i32)t->overrun;
    spin_unlock(&t->lock);
    timer_put(t);
    return n;
}

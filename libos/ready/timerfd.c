/* SPDX-License-Identifier: MIT */
/*
 * A timer as a file (timerfd(2)).
 *
 * T1. `ran_out` is set by the timer, which is armed again only when someone reads: the
 *     periods that passed meanwhile are counted then, so that a short period costs
 *     nothing while nobody looks.
 * T2. set, get and read change the timer under `mutex`; what the timer and a change of
 *     the clock do is under `lock` alone.
 */
#include "core/heap.h"
#include "ready/ready.h"
#include "time/clock_timer.h"

struct timerfd {
    struct mutex mutex;
    struct clock_timer clock;   /* mutex */
    struct waiter watch;        /* in clock_changed while `cancel` */
    bool real_clock;            /* [I] */
    bool real;                  /* mutex; next_ns is a time of the wall clock */
    u64 next_ns, interval_ns;   /* mutex, and lock to change; next 0: not armed */
    u64 ticks;                  /* mutex; counted, not read */
    bool cancel;                /* mutex */
    struct spinlock lock;
    bool ran_out;               /* lock */
    bool clock_was_set;         /* lock */
    struct waitq wait;
};

static void
timerfd_fire(struct clock_timer *c)
{
    struct timerfd *t = container_of(c, struct timerfd, clock);
    spin_lock(&t->lock);
    bool due = t->next_ns != 0 && clock_timer_now(c->real) >= t->next_ns;
    if (due)
        t->ran_out = true;
    spin_unlock(&t->lock);
    if (due)
        wait_wake(&t->wait, ~0u);
}

static bool
timerfd_clock_set(struct waiter *w)
{
    struct timerfd *t = container_of(w, struct timerfd, watch);
    spin_lock(&t->lock);
    t->clock_was_set = true;
    spin_unlock(&t->lock);
    return wait_wake(&t->wait, ~0u);
}

/* T1: count what has passed, and arm it for the next. mutex is held. */
static void
count_ticks(struct timerfd *t)
{
    spin_lock(&t->lock);
    bool ran_out = t->ran_out;
    t->ran_out = false;
    u64 next = t->next_ns, n = ran_out ? 1 : 0;
    u64 now = clock_timer_now(t->real);
    if (ran_out && t->interval_ns != 0 && now >= next)
        n = clock_timer_forward(&next, t->interval_ns, now);
    if (ran_out)
        t->next_ns = t->interval_ns != 0 ? next : 0;
    spin_unlock(&t->lock);
    t->ticks += n;
    if (ran_out && t->interval_ns != 0)
        clock_timer_arm(&t->clock, t->real, next);
}

/* True once for each time that the clock was set. mutex is held. */
static bool
take_cancel(struct timerfd *t)
{
    spin_lock(&t->lock);
    bool was = t->cancel && t->clock_was_set;
    t->clock_was_set = false;
    spin_unlock(&t->lock);
    return was;
}

static bool
is_ready(struct timerfd *t)
{
    return __atomic_load_n(&t->ran_out, __ATOMIC_ACQUIRE) ||
           __atomic_load_n(&t->ticks, __ATOMIC_ACQUIRE) != 0 ||
           (__atomic_load_n(&t->cancel, __ATOMIC_ACQUIRE) &&
            __atomic_load_n(&t->clock_was_set, __ATOMIC_ACQUIRE));
}

static i64
timerfd_read(struct file *f, struct uio *u, u64 *pos)
{
    struct timerfd *t = f->priv;
    u64 ticks = 0;
    (void)pos;
    if (u->left < sizeof ticks)
        return -E_INVAL;
    for (;;) {
        mutex_lock(&t->mutex);
        if (take_cancel(t)) {
            t->ticks = 0;
            mutex_unlock(&t->mutex);
            return -E_CANCELED;
        }
        count_ticks(t);
        ticks = t->ticks;
        t->ticks = 0;
        mutex_unlock(&t->mutex);
        if (ticks != 0)
            break;
        if ((f->flags & OPEN_NONBLOCK) != 0)
            return -E_AGAIN;
        if (wait_until(&t->wait, is_ready(t), true, ~0ull) != 0)
            return -E_RESTART;
    }
    return uio_put(u, &ticks, sizeof ticks) != 0 ? -E_FAULT : (i64)sizeof ticks;
}

static u32
timerfd_poll(struct file *f, struct poll_table *table)
{
    struct timerfd *t = f->priv;
    if (table != NULL)
        table->add(table, &t->wait);
    return is_ready(t) ? POLL_IN : 0;
}

static void
timerfd_release(struct file *f)
{
    struct timerfd *t = f->priv;
    wait_remove(&t->watch);
    clock_timer_end(&t->clock);
    heap_free(t);
}

static const struct file_ops timerfd_ops = {
    .read = timerfd_read,
    .poll = timerfd_poll,
    .release = timerfd_release,
    .traits = FILE_STREAM,
    .kind_name = "anon_inode:[timerfd]",
};

int
timerfd_create_file(bool real_clock, u32 flags, struct file **out)
{
    struct timerfd *t = heap_alloc_zeroed(sizeof *t);
    if (t == NULL)
        return -E_NOMEM;
    mutex_init(&t->mutex);
    clock_timer_init(&t->clock, timerfd_fire);
    t->real_clock = real_clock;
    waitq_init(&t->wait);
    *out = anon_file(&timerfd_ops, flags, t);
    if (*out == NULL)
        heap_free(t);
    return *out != NULL ? 0 : -E_NOMEM;
}

bool
timerfd_is(const struct file *f)
{
    return f->ops == &timerfd_ops;
}

/* mutex is held, and count_ticks was called. */
static void
read_time(const struct timerfd *t, struct timerfd_time *out)
{
    u64 now = clock_timer_now(t->real);
    *out = (struct timerfd_time){ 0, t->interval_ns };
    if (t->next_ns != 0 && (t->next_ns > now || t->interval_ns != 0))
        out->value_ns = t->next_ns > now ? t->next_ns - now : 1;
}

void
timerfd_get(struct file *f, struct timerfd_time *out)
{
    struct timerfd *t = f->priv;
    mutex_lock(&t->mutex);
    if (t->interval_ns != 0)
        count_ticks(t);
    read_time(t, out);
    mutex_unlock(&t->mutex);
}

/* When it is to fire: a relative time is one of the monotonic clock. */
static u64
first_time(u64 value_ns, bool absolute)
{
    u64 at = value_ns;
    if (!absolute && (__builtin_add_overflow(clock_mono_ns(), value_ns, &at) ||
                      at > CLOCK_TIMER_MAX_NS))
        at = CLOCK_TIMER_MAX_NS;
    return at;
}

int
timerfd_set(struct file *f, bool absolute, bool cancel, const struct timerfd_time *set,
            struct timerfd_time *old)
{
    struct timerfd *t = f->priv;
    mutex_lock(&t->mutex);
    if (t->interval_ns != 0)
        count_ticks(t);
    read_time(t, old);
    clock_timer_stop(&t->clock);
    bool cancels = cancel && absolute && t->real_clock;
    if (cancels && t->watch.queue == NULL) {
        t->watch.wake = timerfd_clock_set;
        wait_add(&clock_changed, &t->watch);
    } else if (!cancels && t->watch.queue != NULL) {
        wait_remove(&t->watch);
        t->cancel = false;
    }
    if (cancels && !t->cancel)
        (void)take_cancel(t); /* what was before nobody asked for */
    t->cancel = cancels;
    t->real = t->real_clock && absolute;
    u64 next = set->value_ns != 0 ? first_time(set->value_ns, absolute) : 0;
    spin_lock(&t->lock);
    t->ran_out = false;
    t->next_ns = next;
    t->interval_ns = set->interval_ns;
    spin_unlock(&t->lock);
    t->ticks = 0;
    if (next != 0)
        clock_timer_arm(&t->clock, t->real, next);
    bool canceled = next != 0 && take_cancel(t);
    mutex_unlock(&t->mutex);
    return canceled ? -E_CANCELED : 0;
}

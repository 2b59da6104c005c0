/* SPDX-License-Identifier: MIT */
/* Work queues: WK1 to WK4 in work.h. */
#include "core/work.h"

#include "core/error.h"
#include "core/log.h"

struct work_queue work_shared;

void
work_init(struct work *w, struct work_queue *q, void (*fn)(struct work *w))
{
    *w = (struct work){ .queue = q, .fn = fn };
}

/* The worker at whose hands w is; NULL: none. */
static struct worker *
runner_of(struct work_queue *q, const struct work *w)
{
    for (u32 i = 0; i < q->workers; i++)
        if (q->worker[i].current == w)
            return &q->worker[i];
    return NULL;
}

bool
work_add(struct work *w)
{
    struct work_queue *q = w->queue;
    bool queued = false;
    spin_lock(&q->lock);
    bool fresh = !w->added;
    if (fresh) {
        w->added = true;
        w->number = ++q->number;
        struct worker *r = runner_of(q, w);
        queued = r == NULL;
        if (queued)
            list_push_back(&q->waiting, &w->link);
        else
            r->again = true;
    }
    spin_unlock(&q->lock);
    if (queued)
        wait_wake(&q->arrived, 1);
    return fresh;
}

/* The next work for r, which begins with that; NULL: none. */
static struct work *
take_locked(struct work_queue *q, struct worker *r)
{
    struct work *w = r->current;
    if (!r->again) {
        r->current = NULL;
        if (list_empty(&q->waiting))
            return NULL;
        w = container_of(q->waiting.next, struct work, link);
        list_remove(&w->link);
    }
    ASSERT(w->added);
    w->added = false;
    r->again = false;
    r->current = w;
    r->number = w->number;
    return w;
}

static void
sleep_until_arrival(struct work_queue *q)
{
    struct waiter waiter;
    wait_enter(&q->arrived, &waiter, true);
    thread_prepare(false);
    if (list_empty(&q->waiting))
        (void)thread_block(~0ull);
    else
        thread_cancel();
    wait_leave(&waiter);
}

static void
work(void *arg)
{
    struct worker *r = arg;
    struct work_queue *q = r->queue;
    for (;;) {
        spin_lock(&q->lock);
        struct work *w = take_locked(q, r);
        void (*fn)(struct work *) = w != NULL ? w->fn : NULL;
        spin_unlock(&q->lock);
        if (atomic_load(&q->enders) != 0)
            wait_wake(&q->ended, ~0u);
        if (w != NULL)
            fn(w);
        else
            sleep_until_arrival(q);
    }
}

void
work_queue_start(struct work_queue *q, const char *name, u32 workers)
{
    ASSERT(workers >= 1 && workers <= WORKERS_MAX);
    *q = (struct work_queue){ .workers = workers };
    list_init(&q->waiting);
    waitq_init(&q->arrived);
    waitq_init(&q->ended);
    for (u32 i = 0; i < workers; i++) {
        q->worker[i].queue = q;
        struct thread *t = thread_create(name, work, &q->worker[i]);
        if (t == NULL)
            libos_panic("no memory for the workers of %s", name);
        thread_start(t);
    }
}

void
work_init_shared(void)
{
    work_queue_start(&work_shared, "work", MIN(lcpu_count, WORKERS_MAX));
}

static bool
is_running(struct work_queue *q, const struct work *w)
{
    spin_lock(&q->lock);
    bool running = runner_of(q, w) != NULL;
    spin_unlock(&q->lock);
    return running;
}

static bool
is_own(const struct worker *r)
{
    const struct thread *t = thread_current();
    return t->entry == work && t->arg == r;
}

bool
work_cancel(struct work *w)
{
    struct work_queue *q = w->queue;
    spin_lock(&q->lock);
    bool was = w->added;
    struct worker *r = runner_of(q, w);
    if (was && r != NULL)
        r->again = false;
    else if (was)
        list_remove(&w->link);
    w->added = false;
    spin_unlock(&q->lock);
    if (r != NULL && !is_own(r)) {
        atomic_fetch_add(&q->enders, 1);
        (void)wait_until(&q->ended, !is_running(q, w), false, ~0ull);
        atomic_fetch_sub(&q->enders, 1);
    }
    return was;
}

/* Is something of what was added up to `number` not done? */
static bool
is_before(struct work_queue *q, u64 number)
{
    spin_lock(&q->lock);
    bool before = !list_empty(&q->waiting) &&
                  container_of(q->waiting.next, struct work, link)->number <= number;
    for (u32 i = 0; i < q->workers && !before; i++)
        before = q->worker[i].current != NULL && q->worker[i].number <= number;
    spin_unlock(&q->lock);
    return before;
}

void
work_queue_drain(struct work_queue *q)
{
    u64 number = __atomic_load_n(&q->number, __ATOMIC_ACQUIRE);
    atomic_fetch_add(&q->enders, 1);
    (void)wait_until(&q->ended, !is_before(q, number), false, ~0ull);
    atomic_fetch_sub(&q->enders, 1);
}

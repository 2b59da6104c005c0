/* SPDX-License-Identifier: MIT */
/* Asynchronous requests that wait for a file to be ready; posix/aio.h: R4. */
#include "core/heap.h"
#include "core/work.h"
#include "posix/aio.h"
#include "posix/files.h"
#include "posix/private.h"

#define POLL_RDNORM 0x040u
#define POLL_WRNORM 0x100u
#define SLOTS 4u

/* Its own: who reaps events holds ctx->mutex while he writes to his memory. */
static struct work_queue polls;

struct aio_poll {
    struct list link;        /* ctx->mutex; in ctx->polls */
    struct work work;        /* a waker cannot ask, since files may sleep when asked */
    _Atomic u32 refs;        /* that of ctx->polls, those of wake-ups */
    struct aio_context *ctx; /* a reference */
    struct file *file, *counter;
    struct aio_event event;
    struct poll_table table;
    u32 events, used;
    bool over, too_many;     /* ctx->mutex */
    struct aio_slot {
        struct waiter waiter;
        struct aio_poll *poll;
    } slot[SLOTS];
};

static void
put(struct aio_poll *p)
{
    if (atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    file_release(p->file);
    if (p->counter != NULL)
        file_release(p->counter);
    aio_context_put(p->ctx);
    heap_free(p);
}

/* The queue's lock is held, so that the poll still has the reference of ctx->polls. */
static bool
slot_wake(struct waiter *w)
{
    struct aio_poll *p = container_of(w, struct aio_slot, waiter)->poll;
    atomic_fetch_add(&p->refs, 1);
    if (!work_add(&p->work))
        atomic_fetch_sub(&p->refs, 1);
    return true;
}

static void
slot_add(struct poll_table *t, struct waitq *q)
{
    struct aio_poll *p = container_of(t, struct aio_poll, table);
    if (p->used == SLOTS) {
        p->too_many = true;
        return;
    }
    struct aio_slot *s = &p->slot[p->used++];
    s->poll = p;
    s->waiter = (struct waiter){ .thread = thread_current(), .wake = slot_wake };
    wait_add(q, &s->waiter);
}

static u32
ask(struct aio_poll *p, struct poll_table *t)
{
    u32 mask = file_poll(p->file, t);
    mask |= ((mask & POLL_IN) != 0 ? POLL_RDNORM : 0) |
            ((mask & POLL_OUT) != 0 ? POLL_WRNORM : 0);
    return mask & p->events;
}

static void
leave_queues(struct aio_poll *p)
{
    for (u32 i = 0; i < p->used; i++)
        wait_remove(&p->slot[i].waiter);
    p->used = 0;
}

/* The context's mutex is held; the caller lets go of the list's reference after it. */
static void
end_locked(struct aio_poll *p, u32 mask)
{
    p->over = true;
    leave_queues(p);
    list_remove(&p->link);
    p->event.result = mask;
    aio_end_locked(p->ctx, &p->event, p->counter);
}

static void
ask_again(struct work *w)
{
    struct aio_poll *p = container_of(w, struct aio_poll, work);
    bool ended = false;
    mutex_lock(&p->ctx->mutex);
    if (!p->over) {
        u32 mask = ask(p, NULL);
        if (mask != 0) {
            end_locked(p, mask);
            ended = true;
        }
    }
    mutex_unlock(&p->ctx->mutex);
    if (ended)
        put(p);
    put(p);
}

void
aio_poll_init(void)
{
    work_queue_start(&polls, "aio", MIN(lcpu_count, WORKERS_MAX));
}

int
aio_poll(struct aio_context *c, struct file *file, u32 events, const struct aio_event *e,
         struct file *counter)
{
    struct aio_poll *p = heap_alloc_zeroed(sizeof *p);
    if (p == NULL)
        return -E_NOMEM;
    *p = (struct aio_poll){ .refs = 1, .ctx = c, .file = file, .counter = counter,
                            .event = *e, .events = events | POLL_ERR | POLL_HUP,
                            .table.add = slot_add };
    work_init(&p->work, &polls, ask_again);
    atomic_fetch_add(&c->refs, 1);
    mutex_lock(&c->mutex);
    list_push_back(&c->polls, &p->link);
    u32 mask = ask(p, &p->table);
    bool refused = p->too_many || (mask == 0 && p->used == 0) || c->dead;
    if (refused) {
        p->over = true;
        leave_queues(p);
        list_remove(&p->link);
        file_hold(file); /* they stay the caller's */
        if (counter != NULL)
            file_hold(counter);
    } else if (mask != 0) {
        end_locked(p, mask);
    }
    mutex_unlock(&c->mutex);
    if (refused || mask != 0)
        put(p);
    return refused ? -E_INVAL : 0;
}

bool
aio_poll_cancel(struct aio_context *c, uaddr request)
{
    struct aio_poll *p = NULL;
    mutex_lock(&c->mutex);
    list_for_each(it, &c->polls)
    {
        struct aio_poll *q = container_of(it, struct aio_poll, link);
        if (q->event.request == request) {
            p = q;
            break;
        }
    }
    if (p != NULL)
        end_locked(p, 0);
    mutex_unlock(&c->mutex);
    if (p != NULL)
        put(p);
    return p != NULL;
}

void
aio_poll_cancel_all(struct aio_context *c)
{
    for (struct aio_poll *p;;) {
        mutex_lock(&c->mutex);
        p = list_empty(&c->polls) ? NULL
                                  : container_of(c->polls.next, struct aio_poll, link);
        if (p != NULL)
            end_locked(p, 0);
        mutex_unlock(&c->mutex);
        if (p == NULL)
            return;
        put(p);
    }
}

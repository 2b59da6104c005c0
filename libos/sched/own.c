/* SPDX-License-Identifier: MIT */
/*
 * A process's own class: it decides which of its threads uses the turns that the fair class
 * gives to them.
 *
 * O1. To the rest of the vCPU its threads are fair ones: they stand in the fair queue with their
 *     weights, and the first of the queue has the next turn. If that one is of such a process,
 *     the one that the process puts first takes its place in the queue, and it the other's.
 *     So what a process orders changes nothing for anybody else.
 * O2. party->queue[n].ready has those of its threads that wait in queue n, by key; queue n's lock
 *     guards it.
 * O3. A key is a number in the process's page, where it may change or be anything at any time
 *     (ORDERED), or when the thread became ready (FIFO). It is read when the thread begins to wait, and
 *     again of some that wait at each choice, so what changed counts after n / REREAD choices
 *     at the latest. Threads of the same number take turns.
 * Cost: O(log n) for each of the process's own switches; nothing for others, since the rank sends these
 * the longer way through sched.c (S3).
 */
#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/page.h"
#include "sched/class.h"

#define REREAD 8u

struct own_queue {
    struct tree ready;   /* O2 */
    struct list waiting; /* the same ones; the next to be read again first */
    u64 came;
};
struct sched_party {
    _Atomic u32 refs;
    enum sched_own_kind kind;
    frame_t page;             /* ORDERED: a holder of it */
    const volatile u32 *keys; /* what is in it */
    struct own_queue queue[];
};

static int
compare(const struct tree_node *a, const struct tree_node *b)
{
    u64 x = container_of(a, struct sched_entity, own_node)->own_key;
    u64 y = container_of(b, struct sched_entity, own_node)->own_key;
    return x < y ? -1 : x > y;
}

struct sched_party *
sched_party_new(enum sched_own_kind kind, frame_t page)
{
    struct sched_party *p =
        heap_alloc_zeroed(sizeof *p + lcpu_count * sizeof(struct own_queue));
    if (p == NULL)
        return NULL;
    atomic_init(&p->refs, 1);
    p->kind = kind;
    p->page = page;
    p->keys = page != FRAME_NONE ? page_ptr(page) : NULL;
    for (u32 i = 0; i < lcpu_count; i++) {
        tree_init(&p->queue[i].ready, compare);
        list_init(&p->queue[i].waiting);
    }
    return p;
}

void
sched_party_hold(struct sched_party *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
}

void
sched_party_release(struct sched_party *p)
{
    if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (p->page != FRAME_NONE)
        page_free(p->page);
    heap_free(p);
}

enum sched_own_kind
sched_party_kind(const struct sched_party *p)
{
    return p->kind;
}

static struct own_queue *
own_queue_of(const struct thread *t)
{
    return &t->sched.party->queue[t->cpu->id];
}

/* The process's word, in the upper half; below it stands who came first. */
static u64
wish_of(const struct thread *t)
{
    const struct sched_party *p = t->sched.party;
    return p->kind == SCHED_OWN_ORDERED ? (u64)p->keys[t->sched.own_slot] << 32 : 0;
}

static bool
own_put(struct sched_queue *q, struct thread *t, enum sched_why why, u64 now)
{
    struct own_queue *own = own_queue_of(t);
    struct sched_entity *e = &t->sched;
    fair_class.put(q, t, why, now);
    /* Of FIFO who did not give its turn away keeps its place; else equals take turns. */
    bool keeps = why == SCHED_PREEMPTED && e->party->kind == SCHED_OWN_FIFO;
    u64 place = keeps ? e->own_key : ++own->came;
    e->own_key = wish_of(t) | (place & 0xffffffffu);
    tree_insert_equal(&own->ready, &e->own_node);
    list_push_back(&own->waiting, &e->level);
    return true;
}

static void
own_take(struct sched_queue *q, struct thread *t)
{
    fair_take(q, t);
    tree_remove(&own_queue_of(t)->ready, &t->sched.own_node);
    list_remove(&t->sched.level);
}

/* O3 */
static void
read_again(struct own_queue *own)
{
    for (u32 i = 0; i < REREAD && !list_empty(&own->waiting); i++) {
        struct thread *t = container_of(own->waiting.next, struct thread, sched.level);
        struct sched_entity *e = &t->sched;
        list_remove(&e->level);
        list_push_back(&own->waiting, &e->level);
        u64 key = wish_of(t) | (e->own_key & 0xffffffffu);
        if (key == e->own_key)
            continue;
        tree_remove(&own->ready, &e->own_node);
        e->own_key = key;
        tree_insert_equal(&own->ready, &e->own_node);
    }
}

/* O1. Both wait in q. */
static void
change_places(struct sched_queue *q, struct thread *a, struct thread *b)
{
    u64 vruntime = a->sched.vruntime;
    fair_take(q, a);
    fair_take(q, b);
    a->sched.vruntime = b->sched.vruntime;
    b->sched.vruntime = vruntime;
    fair_enqueue(q, a);
    fair_enqueue(q, b);
}

static struct thread *
own_first(struct sched_queue *q, u64 cpus)
{
    struct thread *t = fair_class.first(q, cpus);
    if (t == NULL || t->sched.party == NULL || cpus != ~0ull)
        return t; /* who goes to another vCPU goes as it stands */
    struct own_queue *own = own_queue_of(t);
    if (t->sched.party->kind == SCHED_OWN_ORDERED)
        read_again(own);
    struct tree_node *n = tree_first(&own->ready);
    struct thread *wanted = container_of(n, struct thread, sched.own_node);
    if (wanted != t)
        change_places(q, t, wanted);
    return wanted;
}

static bool
own_preempts(const struct thread *current, const struct thread *woken, u64 now)
{
    if (current->sched.party != woken->sched.party)
        return fair_preempts(current, woken, now);
    return woken->sched.own_key >> 32 < wish_of(current) >> 32;
}

static void
own_join(struct sched_queue *q, struct thread *t, u64 now)
{
    fair_class.join(q, t, now);
}

static u64
own_interval(const struct thread *t)
{
    return fair_class.interval(t);
}

static void
own_init_queue(struct sched_queue *q)
{
    (void)q; /* its threads are in the fair queue, and in their parties' */
}

const struct sched_class own_class = {
    .name = "own",
    .init_queue = own_init_queue,
    .join = own_join,
    .put = own_put,
    .take = own_take,
    .first = own_first,
    .charge = fair_charge,
    .slice_end = fair_slice_end,
    .preempts = own_preempts,
    .interval = own_interval,
};

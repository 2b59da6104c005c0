/* SPDX-License-Identifier: MIT */
/* Record locks and flock (vfs/locks.h has the invariants).  Each set has a spinlock;
 * what a change may need is allocated before. */
#include "vfs/locks.h"

#include "core/heap.h"
#include "core/log.h"

struct lock {
    struct list link;
    const void *owner;
    struct lock_range r;
};
struct lock_set {
    struct spinlock lock;
    struct list records; /* by start for each owner (L1) */
    u32 count;           /* of records (L5) */
    struct list wholes;
    struct waitq wait;
};
static struct spinlock create_lock = SPINLOCK_INIT;

static struct lock_set *
set_of(struct inode *i)
{
    struct lock_set *s = __atomic_load_n(&i->locks, __ATOMIC_ACQUIRE);
    if (s != NULL)
        return s;
    s = heap_alloc_zeroed(sizeof *s);
    if (s == NULL)
        return NULL;
    list_init(&s->records);
    list_init(&s->wholes);
    waitq_init(&s->wait);
    struct lock_set *mine = s;
    spin_lock(&create_lock);
    if (i->locks == NULL)
        __atomic_store_n(&i->locks, s, __ATOMIC_RELEASE);
    s = i->locks;
    spin_unlock(&create_lock);
    if (s != mine)
        heap_free(mine);
    return s;
}

static struct lock *
conflict_locked(struct list *in, const void *owner, const struct lock_range *want)
{
    if (want->kind == LOCK_NONE)
        return NULL;
    list_for_each(it, in) {
        struct lock *l = container_of(it, struct lock, link);
        if (l->owner != owner && l->r.start <= want->end && want->start <= l->r.end &&
            (l->r.kind == LOCK_EXCLUSIVE || want->kind == LOCK_EXCLUSIVE))
            return l;
    }
    return NULL;
}

/* Cut the range out of the owner's locks.  A lock that is split in two takes *spare. */
static void
cut_locked(struct lock_set *s, const void *owner, const struct lock_range *want,
           struct lock **spare, struct list *freed)
{
    list_for_each_safe(it, &s->records) {
        struct lock *l = container_of(it, struct lock, link);
        if (l->owner != owner || l->r.start > want->end || want->start > l->r.end)
            continue;
        if (l->r.start < want->start && l->r.end > want->end) {
            struct lock *tail = *spare;
            *spare = NULL;
            tail->owner = owner;
            tail->r = l->r;
            tail->r.start = want->end + 1;
            l->r.end = want->start - 1;
            list_push_front(&l->link, &tail->link);
        } else if (l->r.start < want->start) {
            l->r.end = want->start - 1;
        } else if (l->r.end > want->end) {
            l->r.start = want->end + 1;
        } else {
            list_remove(&l->link);
            list_push_back(freed, &l->link);
        }
    }
}

/* Put n in, together with neighbours of the same kind. */
static void
join_locked(struct lock_set *s, struct lock *n, struct list *freed)
{
    struct list *at = &s->records;
    list_for_each_safe(it, &s->records) {
        struct lock *l = container_of(it, struct lock, link);
        if (l->owner != n->owner)
            continue;
        bool touches = (l->r.end < LOCK_END_MAX && l->r.end + 1 == n->r.start) ||
                       (n->r.end < LOCK_END_MAX && n->r.end + 1 == l->r.start);
        if (touches && l->r.kind == n->r.kind && l->r.pid == n->r.pid) {
            n->r.start = MIN(n->r.start, l->r.start);
            n->r.end = MAX(n->r.end, l->r.end);
            list_remove(&l->link);
            list_push_back(freed, &l->link);
        }
    }
    list_for_each(it, &s->records) {
        struct lock *l = container_of(it, struct lock, link);
        if (l->owner == n->owner && l->r.start > n->r.start) {
            at = it;
            break;
        }
    }
    list_add_before(at, &n->link);
}

static u32
list_length(const struct list *l)
{
    u32 n = 0;
    for (const struct list *it = l->next; it != l; it = it->next)
        n++;
    return n;
}

static void
free_all(struct list *freed)
{
    list_for_each_safe(it, freed) {
        list_remove(it);
        heap_free(container_of(it, struct lock, link));
    }
}

/* Does taking the range away make two of one? */
static bool
splits_locked(const struct lock_set *s, const void *owner, const struct lock_range *want)
{
    list_for_each(it, &s->records) {
        const struct lock *l = container_of(it, struct lock, link);
        if (l->owner == owner && l->r.start < want->start && l->r.end > want->end)
            return true;
    }
    return false;
}

static int
record_try(struct lock_set *s, const void *owner, const struct lock_range *want)
{
    struct list freed = LIST_INIT(freed);
    struct lock *fresh = heap_alloc(sizeof *fresh), *spare = heap_alloc(sizeof *spare);
    if (fresh == NULL || spare == NULL) {
        heap_free(fresh);
        heap_free(spare);
        return -E_NOMEM;
    }
    spin_lock(&s->lock);
    int r = conflict_locked(&s->records, owner, want) != NULL ? -E_AGAIN : 0;
    if (r == 0 && s->count + 2 > LOCK_RECORDS_MAX &&
        (want->kind != LOCK_NONE || splits_locked(s, owner, want)))
        r = -E_NOMEM; /* L5 */
    if (r == 0) {
        cut_locked(s, owner, want, &spare, &freed);
        if (want->kind != LOCK_NONE) {
            fresh->owner = owner;
            fresh->r = *want;
            join_locked(s, fresh, &freed);
            fresh = NULL;
            s->count++;
        }
        s->count += spare == NULL ? 1 : 0;
        s->count -= list_length(&freed);
    }
    spin_unlock(&s->lock);
    heap_free(fresh);
    heap_free(spare);
    free_all(&freed);
    /* Going from exclusive to shared, or off, may let others in. */
    if (r == 0 && want->kind != LOCK_EXCLUSIVE)
        wait_wake(&s->wait, ~0u);
    return r;
}

/* ---- who waits for whom ---- */

/* An owner that waits for a record lock (L4). */
struct lock_wait {
    struct list link;
    struct lock_set *set;
    const void *owner;
    const struct lock_range *want;
};
#define WAIT_BUCKETS 64u
#define CHAIN_MAX 64u /* longer chains of waiters are not followed */
static struct spinlock waits_lock = SPINLOCK_INIT; /* before a set's lock */
static struct list waits[WAIT_BUCKETS];

static struct list *
bucket_of(const void *owner)
{
    struct list *b = &waits[(uintptr_t)owner / 64 % WAIT_BUCKETS];
    if (b->next == NULL)
        list_init(b);
    return b;
}

/* Who stands in the way of a wish now; NULL: nobody. */
static const void *
blocker(struct lock_set *s, const void *owner, const struct lock_range *want)
{
    spin_lock(&s->lock);
    const struct lock *l = conflict_locked(&s->records, owner, want);
    const void *by = l != NULL ? l->owner : NULL;
    spin_unlock(&s->lock);
    return by;
}

/* Would the chain from `by` come back to `owner`?  Each step looks at what is so now: a
 * waiter that has been let in and does not run yet ends the chain.  waits_lock is
 * held. */
static bool
would_deadlock(const void *owner, const void *by)
{
    u32 looks = 0; /* each is at all locks of a file */
    for (u32 steps = 0; by != NULL && steps < CHAIN_MAX; steps++) {
        const void *next = NULL;
        if (by == owner)
            return true;
        list_for_each(it, bucket_of(by)) {
            struct lock_wait *w = container_of(it, struct lock_wait, link);
            if (w->owner == by && next == NULL && looks++ < CHAIN_MAX)
                next = blocker(w->set, w->owner, w->want);
        }
        by = next;
    }
    return false;
}

/* Wait until nobody stands in the way (of this look).  -E_DEADLK -E_RESTART */
static int
wait_for_record(struct lock_set *s, const void *owner, const struct lock_range *want)
{
    struct lock_wait w = { .set = s, .owner = owner, .want = want };
    bool open_file = want->pid == -1; /* these are not looked at, as on Linux */
    spin_lock(&waits_lock);
    const void *by = blocker(s, owner, want);
    bool dead = by != NULL && !open_file && would_deadlock(owner, by);
    if (!dead)
        list_push_back(bucket_of(owner), &w.link);
    spin_unlock(&waits_lock);
    if (dead)
        return -E_DEADLK;
    int r = wait_until(&s->wait, blocker(s, owner, want) == NULL, true, ~0ull);
    spin_lock(&waits_lock);
    list_remove(&w.link);
    spin_unlock(&waits_lock);
    return r != 0 ? -E_RESTART : 0;
}

int
lock_record(struct inode *i, const void *owner, const struct lock_range *want, bool wait)
{
    if (want->kind == LOCK_NONE && i->locks == NULL)
        return 0;
    struct lock_set *s = set_of(i);
    if (s == NULL)
        return -E_NOMEM;
    for (;;) {
        int r = record_try(s, owner, want);
        if (r != -E_AGAIN || !wait)
            return r;
        r = wait_for_record(s, owner, want);
        if (r != 0)
            return r;
    }
}

void
lock_record_test(struct inode *i, const void *owner, struct lock_range *range)
{
    struct lock_set *s = __atomic_load_n(&i->locks, __ATOMIC_ACQUIRE);
    struct lock *l = NULL;
    if (s != NULL) {
        spin_lock(&s->lock);
        l = conflict_locked(&s->records, owner, range);
        if (l != NULL)
            *range = l->r;
        spin_unlock(&s->lock);
    }
    if (l == NULL)
        range->kind = LOCK_NONE;
}

/* Set, change or drop the one lock that an open file has by flock. */
static int
whole_try(struct lock_set *s, const struct file *owner, enum lock_kind kind)
{
    struct lock_range want = { 0, LOCK_END_MAX, kind, -1 };
    struct lock *fresh = heap_alloc(sizeof *fresh), *mine = NULL;
    if (fresh == NULL)
        return -E_NOMEM;
    spin_lock(&s->lock);
    int r = conflict_locked(&s->wholes, owner, &want) != NULL ? -E_AGAIN : 0;
    list_for_each(it, &s->wholes) {
        struct lock *l = container_of(it, struct lock, link);
        if (l->owner == owner)
            mine = l;
    }
    if (r == 0 && mine != NULL)
        list_remove(&mine->link);
    if (r == 0 && kind != LOCK_NONE) {
        fresh->owner = owner;
        fresh->r = want;
        list_push_back(&s->wholes, &fresh->link);
        fresh = NULL;
    }
    spin_unlock(&s->lock);
    heap_free(fresh);
    if (r == 0)
        heap_free(mine);
    if (r == 0 && kind != LOCK_EXCLUSIVE)
        wait_wake(&s->wait, ~0u);
    return r;
}

static bool
whole_free(struct lock_set *s, const struct file *owner, enum lock_kind kind)
{
    struct lock_range want = { 0, LOCK_END_MAX, kind, -1 };
    spin_lock(&s->lock);
    bool is_free = conflict_locked(&s->wholes, owner, &want) == NULL;
    spin_unlock(&s->lock);
    return is_free;
}

int
lock_whole(struct inode *i, const struct file *owner, enum lock_kind kind, bool wait)
{
    if (kind == LOCK_NONE && i->locks == NULL)
        return 0;
    struct lock_set *s = set_of(i);
    if (s == NULL)
        return -E_NOMEM;
    for (;;) {
        int r = whole_try(s, owner, kind);
        if (r != -E_AGAIN || !wait)
            return r;
        if (wait_until(&s->wait, whole_free(s, owner, kind), true, ~0ull) != 0)
            return -E_RESTART;
    }
}

static void
drop_from(struct list *in, const void *owner, struct list *freed)
{
    list_for_each_safe(it, in) {
        if (container_of(it, struct lock, link)->owner == owner) {
            list_remove(it);
            list_push_back(freed, it);
        }
    }
}

void
locks_drop_owner(struct inode *i, const void *owner)
{
    struct lock_set *s = __atomic_load_n(&i->locks, __ATOMIC_ACQUIRE);
    struct list freed = LIST_INIT(freed);
    if (s == NULL)
        return;
    spin_lock(&s->lock);
    drop_from(&s->records, owner, &freed);
    s->count -= list_length(&freed);
    drop_from(&s->wholes, owner, &freed);
    spin_unlock(&s->lock);
    if (list_empty(&freed))
        return;
    free_all(&freed);
    wait_wake(&s->wait, ~0u);
}

void
locks_free(struct inode *i)
{
    struct lock_set *s = i->locks;
    free_all(&s->records); /* none, unless an owner closed one of its files by another */
    free_all(&s->wholes);  /* process's table */
    i->locks = NULL;
    heap_free(s);
}

/* SPDX-License-Identifier: MIT */
/*
 * Locks whose waiters lend their priority to the holder (FUTEX_LOCK_PI and its family).
 *
 * I1. A struct pi_lock is there exactly while somebody waits for the lock (or I4); then the
 *     word has FUTEX_WORD_WAITERS, so that no program takes or gives the lock by itself.
 * I2. A thread that owns locks which others wait for runs with the highest priority of
 *     these (thread_boost), and so do those that it waits for itself.
 * I3. Nobody waits for himself: a line of holders is walked before a waiter is put at its
 *     end, so that every walk ends.
 * I4. A lock of a thread that ended goes to the first waiter, which writes its number into
 *     the word itself, where it can see it; until then the lock is `settling`.
 * I5. thread->pi_held changes under pi_lock, and gets its first lock only while the thread
 *     can be found by its number (pid_lock) and has not passed futex_thread_leaves: it says
 *     so first (locks_over), and then looks; who gives it a lock looks afterwards.
 * Locking: pi_lock guards all of it, since a change may concern any number of locks; a
 * program comes here only when it has to wait. Under it: pid_lock, queues' locks.
 * Costs: a walk is as long as the line of holders, CHAIN_MAX at most.
 */
#include "futex/pi.h"

#include "core/heap.h"
#include "core/usercopy.h"
#include "proc/pid.h"
#include "proc/proc.h"

#define PI_BUCKETS 256u
#define CHAIN_MAX 1024u

struct spinlock pi_lock = SPINLOCK_INIT;
static struct list locks[PI_BUCKETS];

static struct list *
locks_of(const struct futex_key *key)
{
    return &locks[futex_hash(key) % PI_BUCKETS];
}

static struct pi_lock *
find(const struct futex_key *key)
{
    list_for_each(it, locks_of(key)) {
        struct pi_lock *l = container_of(it, struct pi_lock, link);
        if (same_key(&l->key, key))
            return l;
    }
    return NULL;
}

static void
give_to(struct pi_lock *l, struct thread *t)
{
    l->owner = t;
    l->next = t->pi_held;
    l->at = &t->pi_held;
    if (l->next != NULL)
        l->next->at = &l->next;
    __atomic_store_n(&t->pi_held, l, __ATOMIC_SEQ_CST);
}

static void
take_from_owner(struct pi_lock *l)
{
    *l->at = l->next;
    if (l->next != NULL)
        l->next->at = l->at;
}

static struct pi_waiter *
first_of(const struct pi_lock *l)
{
    return container_of(l->waiters.next, struct pi_waiter, link);
}

static void
stand(struct pi_waiter *w)
{
    struct list *before = w->lock->waiters.prev;
    for (; before != &w->lock->waiters; before = before->prev) {
        struct pi_waiter *other = container_of(before, struct pi_waiter, link);
        if (other->thread->sched.priority >= w->thread->sched.priority)
            break;
    }
    list_push_front(before, &w->link); /* behind it */
}

/* I2, from this thread on. */
static void
lend(struct thread *t)
{
    for (u32 i = 0; i < CHAIN_MAX; i++) {
        u32 most = 0, before = t->sched.priority;
        for (struct pi_lock *l = t->pi_held; l != NULL; l = l->next) {
            if (!list_empty(&l->waiters))
                most = MAX(most, (u32)first_of(l)->thread->sched.priority);
        }
        thread_boost(t, most);
        struct pi_waiter *w = t->pi_waits;
        if (t->sched.priority == before || w == NULL)
            return;
        list_remove(&w->link);
        stand(w);
        t = w->lock->owner;
    }
}

/* I3 */
static bool
waits_for(const struct thread *holder, const struct thread *t)
{
    for (u32 i = 0; i < CHAIN_MAX; i++) {
        if (holder == t)
            return true;
        if (holder->pi_waits == NULL)
            return false;
        holder = holder->pi_waits->lock->owner;
    }
    return true;
}

/* The one whose number the word has becomes the owner of `l`: I5. */
static bool
find_owner(struct pi_lock *l, i32 tid)
{
    spin_lock(&pid_lock);
    struct pid_slot *slot = pid_slot_locked(tid);
    struct thread *t = slot != NULL ? slot->thread : NULL;
    /* Who does not share the memory cannot hold a lock in it. */
    if (t != NULL && l->key.inode == NULL && (u64)(uintptr_t)t->process->mm != l->key.object)
        t = NULL;
    if (t != NULL) {
        give_to(l, t);
        if (__atomic_load_n(&t->locks_over, __ATOMIC_SEQ_CST)) {
            take_from_owner(l);
            t = NULL;
        }
    }
    spin_unlock(&pid_lock);
    return t != NULL;
}

/* The word is locked by a thread, and nobody waits: I1. An enum pi_result or an error;
 * QUEUED: a->spare is the lock. */
static int
begin_lock(struct pi_attempt *a, u32 word)
{
    struct pi_lock *l = a->spare;
    u32 now = word;
    l->key = *a->key;
    l->settling = false;
    list_init(&l->waiters);
    if (!find_owner(l, (i32)(word & FUTEX_WORD_TID))) {
        if (!user_load32_nofault(a->at, &now))
            return PI_ABSENT;
        return now != word ? PI_CHANGED : -E_SRCH;
    }
    bool there = user_cmpxchg32_nofault(a->at, &now, word | FUTEX_WORD_WAITERS);
    if (!there || now != word) {
        take_from_owner(l);
        return there ? PI_CHANGED : PI_ABSENT;
    }
    return PI_QUEUED;
}

int
pi_attempt_locked(struct pi_attempt *a)
{
    struct pi_lock *l = find(a->key);
    u32 word, now;
    if (!user_load32_nofault(a->at, &word))
        return PI_ABSENT;
    now = word;
    if ((word & FUTEX_WORD_TID) == (u32)a->thread->tid)
        return -E_DEADLK;
    if (l == NULL && (word & FUTEX_WORD_TID) == 0) {
        u32 mine = (u32)a->thread->tid | (word & FUTEX_WORD_DIED);
        if (!user_cmpxchg32_nofault(a->at, &now, mine))
            return PI_ABSENT;
        return now == word ? PI_TAKEN : PI_CHANGED;
    }
    if (l != NULL && !(word & FUTEX_WORD_WAITERS))
        return -E_INVAL; /* I1: the program has written there */
    bool begun = l == NULL;
    if (begun && a->spare == NULL)
        return PI_CHANGED; /* it was there for an earlier waiter, and has gone since */
    if (begun) {
        int result = begin_lock(a, word);
        if (result != PI_QUEUED)
            return result;
        l = a->spare;
    }
    int error = a->waiter == NULL ? -E_AGAIN
                : waits_for(l->owner, a->thread) ? -E_DEADLK : 0;
    if (error != 0) {
        if (begun)
            take_from_owner(l);
        return error;
    }
    if (begun) {
        a->spare = NULL;
        if (l->key.inode != NULL)
            inode_hold(l->key.inode);
        list_push_back(locks_of(&l->key), &l->link);
    }
    a->waiter->thread = a->thread;
    a->waiter->lock = l;
    a->thread->pi_waits = a->waiter;
    stand(a->waiter);
    lend(l->owner);
    return PI_QUEUED;
}

/* Nobody waits any more: to be freed after the lock. */
static struct pi_lock *
end_lock(struct pi_lock *l)
{
    list_remove(&l->link);
    return l;
}

static void
free_lock(struct pi_lock *l)
{
    if (l == NULL)
        return;
    key_drop(&l->key);
    heap_free(l);
}

/* The lock goes to its first waiter. What is to be freed after pi_lock, or NULL. */
static struct pi_lock *
hand_over(struct pi_lock *l, bool died)
{
    struct pi_lock *gone = NULL;
    struct pi_waiter *w = first_of(l);
    struct thread *from = l->owner, *to = w->thread;
    list_remove(&w->link);
    w->lock = died ? l : NULL;
    to->pi_waits = NULL;
    take_from_owner(l);
    l->settling = died;
    if (died || !list_empty(&l->waiters))
        give_to(l, to);
    else
        gone = end_lock(l);
    lend(from);
    lend(to);
    w->died = died;
    __atomic_store_n(&w->got, true, __ATOMIC_RELEASE);
    thread_wake(to, 0); /* under pi_lock: it goes only after it has held that */
    return gone;
}

struct pi_lock *
pi_spare(void)
{
    return heap_alloc_zeroed(sizeof(struct pi_lock));
}

int
pi_before_next(uaddr at, int result)
{
    u32 word;
    if (result == PI_CHANGED) {
        thread_breathe();
        return thread_interrupted(thread_current()) ? -E_INTR : 0;
    }
    if (user_load32(at, &word) != 0)
        return -E_FAULT;
    return user_cmpxchg32(at, &word, word); /* its page is there, to be written */
}

/* I4 */
static int
settle(struct pi_waiter *w, uaddr at)
{
    struct thread *t = w->thread;
    for (;;) {
        struct pi_lock *l = w->lock, *gone = NULL;
        spin_lock(&pi_lock);
        u32 word, now;
        int result = PI_ABSENT;
        if (user_load32_nofault(at, &word)) {
            u32 mine = (u32)t->tid | FUTEX_WORD_DIED |
                       (list_empty(&l->waiters) ? 0 : FUTEX_WORD_WAITERS);
            now = word;
            if (user_cmpxchg32_nofault(at, &now, mine))
                result = now == word ? PI_TAKEN : PI_CHANGED;
        }
        if (result == PI_TAKEN) {
            l->settling = false;
            if (list_empty(&l->waiters)) {
                take_from_owner(l);
                gone = end_lock(l);
            }
        }
        spin_unlock(&pi_lock);
        free_lock(gone);
        if (result == PI_TAKEN)
            return 0;
        int error = result == PI_ABSENT ? pi_before_next(at, result) : 0;
        if (error == 0)
            continue;
        /* Its word has gone: let the others find out for themselves. */
        spin_lock(&pi_lock);
        if (!list_empty(&l->waiters)) {
            gone = hand_over(l, true);
        } else {
            take_from_owner(l);
            gone = end_lock(l);
        }
        spin_unlock(&pi_lock);
        free_lock(gone);
        return -E_FAULT;
    }
}

int
pi_after_sleep(struct pi_waiter *w, uaddr at, int result)
{
    struct pi_lock *gone = NULL;
    spin_lock(&pi_lock);
    bool got = w->got;
    if (!got) {
        struct pi_lock *l = w->lock;
        list_remove(&w->link);
        w->thread->pi_waits = NULL;
        if (list_empty(&l->waiters) && !l->settling) {
            take_from_owner(l);
            gone = end_lock(l);
        }
        lend(l->owner);
    }
    spin_unlock(&pi_lock);
    free_lock(gone);
    if (!got)
        return result;
    return w->died ? settle(w, at) : 0;
}

static bool
has_got(const struct pi_waiter *w)
{
    return __atomic_load_n(&w->got, __ATOMIC_ACQUIRE);
}

int
pi_sleep(const struct pi_waiter *w, const struct futex_limit *limit)
{
    for (;;) {
        int result = futex_sleep(&w->got, limit);
        if (result != 0 || has_got(w))
            return result;
        thread_prepare(true);
        if (has_got(w)) {
            thread_cancel();
            return 0;
        }
    }
}

static int
take(uaddr at, bool private, struct pi_waiter *w, const struct futex_limit *limit)
{
    struct futex_key key;
    int result = key_make(at, private, &key);
    if (result != 0)
        return result;
    struct pi_attempt a = { &key, at, thread_current(), w, pi_spare() };
    if (a.spare == NULL)
        result = -E_NOMEM;
    while (result == 0) {
        spin_lock(&pi_lock);
        result = pi_attempt_locked(&a);
        if (result == PI_QUEUED)
            thread_prepare(true);
        spin_unlock(&pi_lock);
        if (result != PI_CHANGED && result != PI_ABSENT)
            break;
        result = pi_before_next(at, result);
    }
    if (result == PI_QUEUED) {
        result = pi_sleep(w, limit);
        result = pi_after_sleep(w, at, result);
    }
    heap_free(a.spare);
    key_drop(&key);
    return result;
}

int
futex_lock(uaddr at, bool private, struct futex_limit limit)
{
    struct pi_waiter w = { .got = false };
    return take(at, private, &w, &limit);
}

int
futex_try_lock(uaddr at, bool private)
{
    return take(at, private, NULL, NULL);
}

/* pi_lock is held. PI_TAKEN: it is somebody else's, or nobody's. */
static int
give_up_locked(const struct futex_key *key, uaddr at, struct pi_lock **gone)
{
    struct thread *t = thread_current();
    u32 word, now, next = 0;
    if (!user_load32_nofault(at, &word))
        return PI_ABSENT;
    if ((word & FUTEX_WORD_TID) != (u32)t->tid)
        return -E_PERM;
    struct pi_lock *l = find(key);
    if (l != NULL && l->owner != t)
        return -E_INVAL;
    if (l != NULL) {
        next = (u32)first_of(l)->thread->tid;
        if (l->waiters.next != l->waiters.prev)
            next |= FUTEX_WORD_WAITERS;
    }
    now = word;
    if (!user_cmpxchg32_nofault(at, &now, next))
        return PI_ABSENT;
    if (now != word)
        return PI_CHANGED;
    if (l != NULL)
        *gone = hand_over(l, false);
    return PI_TAKEN;
}

int
futex_unlock(uaddr at, bool private)
{
    struct futex_key key;
    struct pi_lock *gone = NULL;
    int result = key_make(at, private, &key);
    if (result != 0)
        return result;
    do {
        spin_lock(&pi_lock);
        result = give_up_locked(&key, at, &gone);
        spin_unlock(&pi_lock);
        if (result != PI_CHANGED && result != PI_ABSENT)
            break;
        result = pi_before_next(at, result);
        if (result == -E_INTR)
            result = 0; /* it does not wait for anybody */
    } while (result == 0);
    free_lock(gone);
    key_drop(&key);
    return result;
}

void
futex_priority_changed(struct thread *t)
{
    spin_lock(&pi_lock);
    struct pi_waiter *w = t->pi_waits;
    if (w != NULL) {
        list_remove(&w->link);
        stand(w);
        lend(w->lock->owner);
    }
    spin_unlock(&pi_lock);
}

void
futex_thread_leaves(bool last)
{
    struct thread *t = thread_current();
    __atomic_store_n(&t->locks_over, last, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&t->pi_held, __ATOMIC_SEQ_CST) != NULL) { /* I5 */
        spin_lock(&pi_lock);
        struct pi_lock *gone = t->pi_held != NULL ? hand_over(t->pi_held, true) : NULL;
        spin_unlock(&pi_lock);
        free_lock(gone);
    }
}

void
pi_init(void)
{
    for (u32 i = 0; i < PI_BUCKETS; i++)
        list_init(&locks[i]);
}

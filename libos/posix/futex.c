/* SPDX-License-Identifier: MIT */
/*
 * futex(2): sleeping on a word of user memory.
 *
 * U1. A waiter reads the word, and enters the bucket of its key if it has not changed,
 *     under the bucket's lock, which a waker takes after it changed the word: either the
 *     waiter sees the change, or the waker finds the waiter.
 * U2. `woken` is set by the one who takes it out, under the bucket's lock, and wakes the
 *     thread then; it does not touch the waiter after that. Who was woken by that
 *     goes at once; who woke up otherwise goes only after it has held the lock once more,
 *     so that the waker never touches a waiter that is gone.
 * U3. A key of shared memory holds its inode, a waiter's as long as it stands in a bucket:
 *     else another inode at that address would share it, and a waiter that unmapped its
 *     word would take the wake-ups of strangers.
 * Locking: one bucket's lock; of two, that of the lower address first. Requeue changes
 * waiter->bucket under both.
 */
#include "core/clock.h"
#include "core/wait.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/proc.h"
#include "vm/mm.h"

#define BUCKETS 256u
#define ANY_BIT 0xffffffffu

enum {
    FUTEX_WAIT = 0, FUTEX_WAKE = 1, FUTEX_REQUEUE = 3, FUTEX_CMP_REQUEUE = 4, FUTEX_WAKE_OP = 5,
    FUTEX_WAIT_BITSET = 9, FUTEX_WAKE_BITSET = 10
};
#define FUTEX_PRIVATE 128u
#define FUTEX_CLOCK_REALTIME 256u

struct futex_key {
    u64 object, offset;  /* mm and address; inode and offset */
    struct inode *inode; /* U3: a reference; NULL: private */
};
struct futex_bucket {
    struct spinlock lock;
    struct list waiters; /* lock */
};
struct futex_waiter {
    struct list link;
    struct futex_bucket *bucket; /* [bucket->lock of the old one] */
    struct futex_key key;
    struct thread *thread;
    u32 bits;
    bool woken;
};
static struct futex_bucket buckets[BUCKETS];

static struct futex_bucket *
bucket_of(const struct futex_key *k)
{
    u64 h = (k->object >> 4) * 0x9e3779b97f4a7c15ull ^
            (k->offset >> 2) * 0xc2b2ae3d27d4eb4full;
    return &buckets[(h >> 40) % BUCKETS];
}

/* A word in memory that several processes share is known by what is shared. */
static bool
shared_key(struct mm *mm, uaddr at, struct futex_key *key)
{
    struct mm_area_info area;
    if (!mm_next_area(mm, at, &area))
        return false;
    bool shared = area.start <= at && (area.flags & AREA_SHARED) && area.inode != NULL;
    if (shared) {
        inode_hold(area.inode);
        key->inode = area.inode;
        key->object = (u64)(uintptr_t)area.inode;
        key->offset = area.offset + (at - area.start);
    }
    mm_area_info_drop(&area);
    return shared;
}

/* 0: to be given back by key_drop. */
static int
make_key(uaddr at, bool private, struct futex_key *key)
{
    struct mm *mm = proc_current()->mm;
    u32 word;
    if (at & 3)
        return -E_INVAL;
    if (at >= USER_TOP)
        return -E_FAULT;
    if (!private) {
        if (user_load32(at, &word) != 0) /* so that its page is there */
            return -E_FAULT;
        if (shared_key(mm, at, key))
            return 0;
    }
    key->inode = NULL;
    key->object = (u64)(uintptr_t)mm;
    key->offset = at;
    return 0;
}

static inline void
key_drop(const struct futex_key *key)
{
    if (key->inode != NULL)
        inode_release(key->inode);
}

/* Of the words at two addresses. */
static int
make_two_keys(uaddr at, uaddr second_at, bool private, struct futex_key *key,
              struct futex_key *second)
{
    int error = make_key(at, private, key);
    if (error != 0)
        return error;
    error = make_key(second_at, private, second);
    if (error != 0)
        key_drop(key);
    return error;
}

static bool
same_key(const struct futex_key *a, const struct futex_key *b)
{
    return a->object == b->object && a->offset == b->offset;
}

/* ---- waiting ---- */

/* U1; 0: it stands there, and is about to sleep (thread_prepare). -E_AGAIN -E_FAULT */
static int
enter(struct futex_waiter *w, uaddr at, u32 value)
{
    struct futex_bucket *b = bucket_of(&w->key);
    u32 word;
    for (;;) {
        spin_lock(&b->lock);
        if (user_load32_nofault(at, &word))
            break;
        spin_unlock(&b->lock);
        if (user_load32(at, &word) != 0) /* so that its page is there */
            return -E_FAULT;
    }
    if (word == value) {
        w->bucket = b;
        list_push_back(&b->waiters, &w->link);
        thread_prepare(true);
    }
    spin_unlock(&b->lock);
    return word == value ? 0 : -E_AGAIN;
}

/* U2; true: it was woken. */
static bool
leave(struct futex_waiter *w)
{
    for (;;) {
        struct futex_bucket *b = __atomic_load_n(&w->bucket, __ATOMIC_ACQUIRE);
        spin_lock(&b->lock);
        if (b == w->bucket) {
            bool woken = w->woken;
            if (!woken)
                list_remove(&w->link);
            spin_unlock(&b->lock);
            return woken;
        }
        spin_unlock(&b->lock);
    }
}

/* Until when: a time of the monotonic clock (~0: no limit) or of the wall clock. */
struct futex_limit {
    u64 at_ns;
    bool real;
};

/* The wall clock may be set meanwhile: then it is computed again. */
static u64
deadline_of(const struct futex_limit *limit)
{
    if (!limit->real || limit->at_ns == ~0ull)
        return limit->at_ns;
    u64 now = clock_real_ns();
    return deadline_after(limit->at_ns > now ? limit->at_ns - now : 0);
}

static bool
was_woken(const struct futex_waiter *w)
{
    return __atomic_load_n(&w->woken, __ATOMIC_ACQUIRE);
}

/* The wall clock can be set while it sleeps, which moves the deadline. */
static int
sleep_to_real(struct futex_waiter *w, const struct futex_limit *limit)
{
    struct waiter clock = { .thread = NULL };
    wait_add(&clock_changed, &clock);
    int result = thread_block(deadline_of(limit));
    while (result == 0 && !was_woken(w)) {
        wait_again(&clock);
        thread_prepare(true);
        if (!was_woken(w))
            result = thread_block(deadline_of(limit));
        else
            thread_cancel();
    }
    wait_remove(&clock);
    return leave(w) ? 0 : result;
}

/* 0; -E_AGAIN: the word differs; -E_TIMEDOUT, -E_INTR, -E_FAULT. */
static int
wait_on(uaddr at, bool private, u32 value, u32 bits, struct futex_limit limit)
{
    struct futex_waiter w;
    w.thread = thread_current();
    w.bits = bits;
    w.woken = false;
    int result = make_key(at, private, &w.key);
    if (result != 0)
        return result;
    result = enter(&w, at, value);
    if (result == 0 && limit.real) {
        result = sleep_to_real(&w, &limit);
    } else if (result == 0) {
        result = thread_block(limit.at_ns);
        if (result != 0 && leave(&w)) /* U2: 0 only by a waker of this futex */
            result = 0;
    }
    key_drop(&w.key); /* which may be another by now: requeue */
    return result;
}

/* restart[1..5]: address, value, limit, private (1) and real (2), bits. */
static long
go_on_waiting(struct user_frame *f)
{
    (void)f;
    struct thread *t = thread_current();
    struct futex_limit limit = { t->restart[3], (t->restart[4] & 2) != 0 };
    int result = wait_on(t->restart[1], (t->restart[4] & 1) != 0, (u32)t->restart[2],
                         (u32)t->restart[5], limit);
    if (result != -E_INTR)
        return result;
    t->restart[0] = (u64)(uintptr_t)go_on_waiting;
    return -E_RESTART_BLOCK;
}

static long
futex_wait(struct user_frame *f, u32 op, u32 bits)
{
    struct thread *t = thread_current();
    bool private = (op & FUTEX_PRIVATE) != 0;
    struct futex_limit limit = { ~0ull, false };
    if (bits == 0)
        return -E_INVAL;
    if (SYS_ARG3(f) != 0) {
        int error = timespec_from_user(SYS_ARG3(f), &limit.at_ns);
        if (error != 0)
            return error;
        if ((op & 127) == FUTEX_WAIT) /* relative, on whichever clock */
            limit.at_ns = deadline_after(limit.at_ns);
        else
            limit.real = (op & FUTEX_CLOCK_REALTIME) != 0;
    }
    int result = wait_on(SYS_ARG0(f), private, (u32)SYS_ARG2(f), bits, limit);
    if (result != -E_INTR)
        return result;
    if (limit.at_ns == ~0ull)
        return -E_RESTART;
    t->restart[0] = (u64)(uintptr_t)go_on_waiting;
    t->restart[1] = SYS_ARG0(f);
    t->restart[2] = SYS_ARG2(f);
    t->restart[3] = limit.at_ns;
    t->restart[4] = (private ? 1 : 0) | (limit.real ? 2 : 0);
    t->restart[5] = bits;
    return -E_RESTART_BLOCK;
}

/* ---- waking ---- */

/* The bucket's lock is held. */
static void
wake_one(struct futex_waiter *w)
{
    struct thread *t = w->thread;
    list_remove(&w->link);
    __atomic_store_n(&w->woken, true, __ATOMIC_RELEASE);
    thread_wake(t, 0);
}

static u32
wake_key(const struct futex_key *key, u32 count, u32 bits)
{
    struct futex_bucket *b = bucket_of(key);
    u32 woken = 0;
    spin_lock(&b->lock);
    list_for_each_safe(it, &b->waiters) {
        struct futex_waiter *w = container_of(it, struct futex_waiter, link);
        if (woken == count)
            break;
        if (!same_key(&w->key, key) || (w->bits & bits) == 0)
            continue;
        wake_one(w);
        woken++;
    }
    spin_unlock(&b->lock);
    return woken;
}

static long
futex_wake(uaddr at, bool private, u32 count, u32 bits)
{
    struct futex_key key;
    if (bits == 0)
        return -E_INVAL;
    int error = make_key(at, private, &key);
    if (error != 0)
        return error;
    long woken = wake_key(&key, count, bits);
    key_drop(&key);
    return woken;
}

static void
lock_two(struct futex_bucket *a, struct futex_bucket *b)
{
    spin_lock(a < b ? &a->lock : &b->lock);
    if (a != b)
        spin_lock(a < b ? &b->lock : &a->lock);
}

static void
unlock_two(struct futex_bucket *a, struct futex_bucket *b)
{
    spin_unlock(&a->lock);
    if (a != b)
        spin_unlock(&b->lock);
}

/* Wake `wake` waiters of a word and move `move` others: how many these were. */
static u32
requeue(const struct futex_key *from, const struct futex_key *to, u32 wake, u32 move)
{
    struct futex_bucket *a = bucket_of(from), *b = bucket_of(to);
    u32 done = 0;
    lock_two(a, b);
    list_for_each_safe(it, &a->waiters) {
        struct futex_waiter *w = container_of(it, struct futex_waiter, link);
        if (done >= wake + move)
            break;
        if (!same_key(&w->key, from))
            continue;
        if (done < wake) {
            wake_one(w);
        } else {
            w->key = *to;
            if (to->inode != NULL)
                inode_hold(to->inode); /* U3 */
            if (a != b) {
                list_remove(&w->link);
                list_push_back(&b->waiters, &w->link);
                __atomic_store_n(&w->bucket, b, __ATOMIC_RELEASE);
            }
        }
        done++;
    }
    unlock_two(a, b);
    for (u32 moved = wake; moved < done; moved++)
        key_drop(from); /* what those that were moved held */
    return done;
}

/*
 * Wake `wake` waiters of the first word and move `move` others to the second. The
 * comparison is made before the locks, so it may be old by the time they are held; what
 * it protects against - a waiter that missed a change - is the waiter's own load (U1).
 */
static long
futex_requeue(struct user_frame *f, u32 op, bool compare)
{
    struct futex_key from, to;
    bool private = (op & FUTEX_PRIVATE) != 0;
    i32 wake = (i32)SYS_ARG2(f), move = (i32)SYS_ARG3(f);
    u32 word;
    long result = 0;
    if (wake < 0 || move < 0)
        return -E_INVAL;
    int error = make_two_keys(SYS_ARG0(f), SYS_ARG4(f), private, &from, &to);
    if (error != 0)
        return error;
    if (compare) {
        result = user_load32(SYS_ARG0(f), &word);
        if (result == 0 && word != (u32)SYS_ARG5(f))
            result = -E_AGAIN;
    }
    if (result == 0)
        result = requeue(&from, &to, (u32)wake, (u32)move);
    key_drop(&from);
    key_drop(&to);
    return result;
}
/* ---- change a word and wake (FUTEX_WAKE_OP) ---- */

struct word_op {
    u32 op, compare;
    i32 operand, against;
};

static struct word_op
decode_op(u32 code)
{
    struct word_op o = { code >> 28 & 7, code >> 24 & 15, (i32)(code << 8) >> 20,
                         (i32)(code << 20) >> 20 };
    if (code >> 31)
        o.operand = (i32)(1u << (o.operand & 31));
    return o;
}

static u32
apply_op(const struct word_op *o, u32 word)
{
    switch (o->op) {
    case 0:
        return (u32)o->operand;
    case 1:
        return word + (u32)o->operand;
    case 2:
        return word | (u32)o->operand;
    case 3:
        return word & ~(u32)o->operand;
    default:
        return word ^ (u32)o->operand;
    }
}

static bool
compare_op(const struct word_op *o, i32 word)
{
    switch (o->compare) {
    case 0:
        return word == o->against;
    case 1:
        return word != o->against;
    case 2:
        return word < o->against;
    case 3:
        return word <= o->against;
    case 4:
        return word > o->against;
    default:
        return word >= o->against;
    }
}

static long
futex_wake_op(struct user_frame *f, bool private)
{
    struct futex_key first, second;
    struct word_op o = decode_op((u32)SYS_ARG5(f));
    u32 word, before;
    if (o.op > 4 || o.compare > 5)
        return -E_NOSYS;
    int error = make_two_keys(SYS_ARG0(f), SYS_ARG4(f), private, &first, &second);
    if (error != 0)
        return error;
    error = user_load32(SYS_ARG4(f), &word);
    do {
        before = word;
        if (error == 0)
            error = user_cmpxchg32(SYS_ARG4(f), &word, apply_op(&o, before));
    } while (error == 0 && word != before);
    if (error != 0) {
        key_drop(&first);
        key_drop(&second);
        return -E_FAULT;
    }
    u32 woken = wake_key(&first, (u32)MAX(1, (i32)SYS_ARG2(f)), ANY_BIT);
    if (compare_op(&o, (i32)before))
        woken += wake_key(&second, (u32)MAX(1, (i32)SYS_ARG3(f)), ANY_BIT);
    key_drop(&first);
    key_drop(&second);
    return woken;
}

long
sys_futex(struct user_frame *f)
{
    u32 op = (u32)SYS_ARG1(f);
    bool private = (op & FUTEX_PRIVATE) != 0;
    if ((op & FUTEX_CLOCK_REALTIME) && (op & 127) != FUTEX_WAIT_BITSET &&
        (op & 127) != FUTEX_WAIT)
        return -E_NOSYS;
    switch (op & 127) {
    case FUTEX_WAIT:
        return futex_wait(f, op, ANY_BIT);
    case FUTEX_WAIT_BITSET:
        return futex_wait(f, op, (u32)SYS_ARG5(f));
    case FUTEX_WAKE:
        return futex_wake(SYS_ARG0(f), private, (u32)MAX(1, (i32)SYS_ARG2(f)), ANY_BIT);
    case FUTEX_WAKE_BITSET:
        return futex_wake(SYS_ARG0(f), private, (u32)MAX(1, (i32)SYS_ARG2(f)),
                          (u32)SYS_ARG5(f));
    case FUTEX_REQUEUE:
        return futex_requeue(f, op, false);
    case FUTEX_CMP_REQUEUE:
        return futex_requeue(f, op, true);
    case FUTEX_WAKE_OP:
        return futex_wake_op(f, private);
    default:
        return -E_NOSYS;
    }
}

/* The word of clear_child_tid: its waiters may have taken it for shared or private. */
void
futex_wake_word(uaddr at)
{
    (void)futex_wake(at, false, 1, ANY_BIT);
}

void
futex_init(void)
{
    for (u32 i = 0; i < BUCKETS; i++)
        list_init(&buckets[i].waiters);
    proc_futex_wake_hook = futex_wake_word;
    robust_init();
}

/* SPDX-License-Identifier: MIT */
/* What the files of this room share: keys, buckets, waiters. U1 to U3 in futex.h. */
#ifndef LIBOS_FUTEX_PRIVATE_H
#define LIBOS_FUTEX_PRIVATE_H

#include "core/thread.h"
#include "core/wait.h"
#include "futex/futex.h"
#include "vfs/vfs.h"

struct futex_key {
    u64 object, offset;  /* mm and address; inode and offset */
    struct inode *inode; /* U3: a reference; NULL: private */
};
struct futex_bucket {
    struct spinlock lock;
    struct list waiters; /* lock */
};
struct pi_waiter;
struct futex_waiter {
    struct list link;
    struct futex_bucket *bucket; /* [bucket->lock of the old one] */
    struct futex_key key;
    struct thread *thread;
    u32 bits;
    bool woken;
    struct pi_waiter *pi;        /* NULL, or it waits to be moved to a lock */
};
#define FUTEX_BUCKETS 4096u
extern struct futex_bucket futex_buckets[FUTEX_BUCKETS];

static inline u64
futex_hash(const struct futex_key *k)
{
    u64 h = (k->object >> 4) * 0x9e3779b97f4a7c15ull ^
            (k->offset >> 2) * 0xc2b2ae3d27d4eb4full;
    return h >> 40;
}

static inline struct futex_bucket *
bucket_of(const struct futex_key *k)
{
    return &futex_buckets[futex_hash(k) % FUTEX_BUCKETS];
}

static inline bool
same_key(const struct futex_key *a, const struct futex_key *b)
{
    return a->object == b->object && a->offset == b->offset;
}

/* key.c; 0: to be given back by key_drop. */
int key_make(uaddr at, bool private, struct futex_key *key) MUST_CHECK;
int key_make_two(uaddr at, uaddr second_at, bool private, struct futex_key *key,
                 struct futex_key *second) MUST_CHECK;
static inline void
key_drop(const struct futex_key *key)
{
    if (key->inode != NULL)
        inode_release(key->inode);
}

/* wait.c */
/* U1; 0: it stands there, and is about to sleep (thread_prepare). -E_AGAIN -E_FAULT */
int waiter_enter(struct futex_waiter *w, uaddr at, u32 value) MUST_CHECK;
bool waiter_leave(struct futex_waiter *w); /* U2; true: it was woken */
/* After thread_prepare: until a waker sets *woken and wakes the thread, or a result of
 * thread_block's. */
int futex_sleep_to_real(const bool *woken, const struct futex_limit *limit);
static inline int
futex_sleep(const bool *woken, const struct futex_limit *limit)
{
    return __builtin_expect(limit->real, 0) ? futex_sleep_to_real(woken, limit)
                                            : thread_block(limit->at_ns);
}
/* The same for one sleep, which may end with 0 because the wall clock was set. */
int futex_sleep_once(const struct futex_limit *limit);
void waiter_wake(struct futex_waiter *w); /* with its bucket's lock held */
/* The lock of the first word's bucket is held. 0; -E_AGAIN: the word is another;
 * -E_FAULT: its page is not there. */
int compare_locked(const struct futex_move *m) MUST_CHECK;
void lock_two(struct futex_bucket *a, struct futex_bucket *b);
void unlock_two(struct futex_bucket *a, struct futex_bucket *b);

#endif

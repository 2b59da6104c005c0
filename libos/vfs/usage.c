/* SPDX-License-Identifier: MIT */
/* The records of vfs/usage.h: a hash table under one spinlock, in which nothing else is
 * taken. */
#include "vfs/usage.h"

#include "core/heap.h"
#include "core/lock.h"

#define BUCKETS 64u

static struct spinlock lock = SPINLOCK_INIT;
static struct usage *bucket[BUCKETS];

static struct usage *
find_locked(u32 uid)
{
    struct usage *u = bucket[uid % BUCKETS];
    while (u != NULL && u->uid != uid)
        u = u->next;
    if (u != NULL)
        u->refs++;
    return u;
}

struct usage *
usage_get(u32 uid)
{
    spin_lock(&lock);
    struct usage *u = find_locked(uid);
    spin_unlock(&lock);
    if (u != NULL)
        return u;
    struct usage *fresh = heap_alloc_zeroed(sizeof *fresh);
    if (fresh == NULL)
        return NULL;
    fresh->uid = uid;
    fresh->refs = 1;
    spin_lock(&lock);
    u = find_locked(uid);
    if (u == NULL) {
        fresh->next = bucket[uid % BUCKETS];
        bucket[uid % BUCKETS] = u = fresh;
        fresh = NULL;
    }
    spin_unlock(&lock);
    heap_free(fresh);
    return u;
}

void
usage_hold(struct usage *u)
{
    spin_lock(&lock);
    u->refs++;
    spin_unlock(&lock);
}

void
usage_put(struct usage *u)
{
    spin_lock(&lock);
    bool last = --u->refs == 0;
    if (last) {
        struct usage **l = &bucket[u->uid % BUCKETS];
        while (*l != u)
            l = &(*l)->next;
        *l = u->next;
    }
    spin_unlock(&lock);
    if (last)
        heap_free(u);
}

bool
usage_add(struct usage *u, enum usage_kind kind, u64 n, u64 limit)
{
    u64 before = atomic_fetch_add_explicit(&u->count[kind], n, memory_order_relaxed);
    if (before + n <= limit)
        return true;
    atomic_fetch_sub_explicit(&u->count[kind], n, memory_order_relaxed);
    return false;
}

void
usage_sub(struct usage *u, enum usage_kind kind, u64 n)
{
    atomic_fetch_sub_explicit(&u->count[kind], n, memory_order_relaxed);
}

/* SPDX-License-Identifier: MIT */
/*
 * How many processes (zombies too) and further threads each real user id has, for
 * RLIMIT_NPROC.
 *
 * N1. A process is charged to its charged_uid, from its publication to its burial, which is
 *     for its first thread; each further thread to its own charged_uid while it is in
 *     process->threads. Both follow the thread's real id.
 * Locking: user_lock is a leaf; process->lock may be held. Cost: a look-up in a table of
 * lists.
 */
#include "core/heap.h"
#include "core/log.h"
#include "proc/internal.h"

#define BUCKETS 256u

struct user {
    struct user *next;
    u32 uid;
    u64 tasks;
};
static struct spinlock user_lock = SPINLOCK_INIT;
static struct user *buckets[BUCKETS]; /* [user_lock] */
static struct user root;              /* [user_lock]; always there */

static struct user **
place_of(u32 uid)
{
    struct user **at = &buckets[uid * 2654435761u >> 24];
    while (*at != NULL && (*at)->uid != uid)
        at = &(*at)->next;
    return at;
}

u64
user_tasks(u32 uid)
{
    spin_lock(&user_lock);
    const struct user *u = uid == 0 ? &root : *place_of(uid);
    u64 n = u != NULL ? u->tasks : 0;
    spin_unlock(&user_lock);
    return n;
}

void
user_charge(u32 uid, i64 tasks)
{
    if (tasks == 0)
        return;
    spin_lock(&user_lock);
    struct user **at = uid == 0 ? NULL : place_of(uid), *u = at == NULL ? &root : *at;
    if (u == NULL) {
        u = heap_alloc_zeroed(sizeof *u);
        if (u != NULL) {
            u->uid = uid;
            *at = u;
        }
    }
    /* Without memory for the record the user is not counted, and so not limited. */
    if (u != NULL) {
        u->tasks = tasks < 0 && u->tasks < (u64)-tasks ? 0 : u->tasks + (u64)tasks;
        if (u->tasks == 0 && at != NULL) {
            *at = u->next;
            heap_free(u);
        }
    }
    spin_unlock(&user_lock);
}

/* SPDX-License-Identifier: MIT */
/*
 * Who pays for what the room keeps (I5): a count for each user id, and one of all.
 *
 * P1. Of the quarter of memory that may be used, a user other than root has at most half,
 *     and all of them together leave an eighth of it to root.
 * P2. A record stands in its bucket while it counts anything; root's is always there.
 * Locking: payer_lock is a leaf. Cost: a look-up in a table of lists; none for root.
 */
#include "core/heap.h"
#include "core/page.h"
#include "ipc/ipc.h"
#include "ipc/payer.h"
#include "vfs/vfs.h"

#define BUCKETS 64u

struct payer {
    struct payer *next;
    u32 uid;
    u64 bytes;  /* P1 */
    u64 queues; /* of POSIX queues, as they are accounted (payer_add_queue) */
};
static struct spinlock payer_lock = SPINLOCK_INIT;
static struct payer *buckets[BUCKETS]; /* payer_lock */
static struct payer root;              /* payer_lock */
static _Atomic u64 charged, allowed;

u32
ipc_payer(void)
{
    const struct cred *c = vfs_current_cred();
    return c != NULL ? c->euid : 0;
}

/* With payer_lock held. */
static struct payer **
place_of(u32 uid)
{
    struct payer **at = &buckets[uid * 2654435761u >> 26];
    while (*at != NULL && (*at)->uid != uid)
        at = &(*at)->next;
    return at;
}

/* With payer_lock held; NULL: no memory for one. */
static struct payer *
get_payer(u32 uid)
{
    if (uid == 0)
        return &root;
    struct payer **at = place_of(uid);
    if (*at == NULL) {
        *at = heap_alloc_zeroed(sizeof **at);
        if (*at != NULL)
            (*at)->uid = uid;
    }
    return *at;
}

/* P2; with payer_lock held. */
static void
put_payer(struct payer *p)
{
    if (p == NULL || p == &root || p->bytes != 0 || p->queues != 0)
        return;
    *place_of(p->uid) = p->next;
    heap_free(p);
}

/* The machine's memory may have grown: asked again only when what it was is not enough. */
static bool
is_below(u64 bytes, u64 eighths)
{
    struct page_counts memory;
    u64 now = atomic_load_explicit(&allowed, memory_order_relaxed);
    if (bytes <= now / 8 * eighths)
        return true;
    page_count(&memory);
    now = memory.total * PAGE_SIZE / 4;
    atomic_store_explicit(&allowed, now, memory_order_relaxed);
    return bytes <= now / 8 * eighths;
}

/* -E_NOMEM is all there is to say: false. */
static bool
charge_user(u32 uid, u64 bytes)
{
    spin_lock(&payer_lock);
    struct payer *p = get_payer(uid);
    bool may = p != NULL && is_below(p->bytes + bytes, 4);
    if (may)
        p->bytes += bytes;
    put_payer(p);
    spin_unlock(&payer_lock);
    return may;
}

bool
ipc_charge(u32 uid, u64 bytes)
{
    u64 before = atomic_fetch_add_explicit(&charged, bytes, memory_order_relaxed);
    if (is_below(before + bytes, uid == 0 ? 8 : 7) &&
        (uid == 0 || charge_user(uid, bytes)))
        return true;
    atomic_fetch_sub_explicit(&charged, bytes, memory_order_relaxed);
    return false;
}

void
ipc_uncharge(u32 uid, u64 bytes)
{
    atomic_fetch_sub_explicit(&charged, bytes, memory_order_relaxed);
    if (uid == 0)
        return;
    spin_lock(&payer_lock);
    struct payer *p = *place_of(uid);
    p->bytes -= bytes;
    put_payer(p);
    spin_unlock(&payer_lock);
}

u64
ipc_charged(u32 uid)
{
    spin_lock(&payer_lock);
    const struct payer *p = uid == 0 ? NULL : *place_of(uid);
    u64 bytes = uid == 0 ? atomic_load(&charged) : p != NULL ? p->bytes : 0;
    spin_unlock(&payer_lock);
    return bytes;
}

void *
ipc_alloc(u32 uid, u64 bytes)
{
    if (!ipc_charge(uid, bytes))
        return NULL;
    void *p = heap_alloc_zeroed(bytes);
    if (p == NULL)
        ipc_uncharge(uid, bytes);
    return p;
}

bool
payer_add_queue(u32 uid, u64 bytes, u64 limit)
{
    u64 all;
    spin_lock(&payer_lock);
    struct payer *p = get_payer(uid);
    bool may = p != NULL && !__builtin_add_overflow(p->queues, bytes, &all) && all <= limit;
    if (may)
        p->queues = all;
    put_payer(p);
    spin_unlock(&payer_lock);
    return may;
}

void
payer_drop_queue(u32 uid, u64 bytes)
{
    spin_lock(&payer_lock);
    struct payer *p = uid == 0 ? &root : *place_of(uid);
    p->queues -= bytes;
    put_payer(p);
    spin_unlock(&payer_lock);
}

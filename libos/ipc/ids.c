/* SPDX-License-Identifier: MIT */
/* Tables of System V objects (I1, I2, I4), and who may use them. */
#include "ipc/ipc.h"

#include "core/clock.h"
#include "core/heap.h"
#include "core/string.h"
#include "core/thread.h"
#include "core/wait.h"

#define SLOTS_FIRST 64u

static struct ipc_object *
object_of(const struct tree_node *n)
{
    return container_of((struct tree_node *)(uintptr_t)n, struct ipc_object, by_key);
}

int
ipc_compare_keys(const struct tree_node *a, const struct tree_node *b)
{
    i32 x = object_of(a)->key, y = object_of(b)->key;
    return (x > y) - (x < y);
}

static int
compare_key(const void *key, const struct tree_node *n)
{
    i32 x = *(const i32 *)key, y = object_of(n)->key;
    return (x > y) - (x < y);
}

void
ipc_hold(struct ipc_object *o)
{
    atomic_fetch_add(&o->refs, 1);
}

void
ipc_put(struct ipc_table *t, struct ipc_object *o)
{
    if (atomic_fetch_sub(&o->refs, 1) == 1)
        t->free(o);
}

struct ipc_object *
ipc_find_index(struct ipc_table *t, u32 index)
{
    struct ipc_object *o = NULL;
    spin_lock(&t->lock);
    if (index < t->slots)
        o = t->slot[index];
    if (o != NULL)
        ipc_hold(o);
    spin_unlock(&t->lock);
    return o;
}

struct ipc_object *
ipc_find(struct ipc_table *t, i32 id)
{
    struct ipc_object *o = id < 0 ? NULL : ipc_find_index(t, (u32)id % IPC_INDICES);
    if (o == NULL || o->id == id)
        return o;
    ipc_put(t, o);
    return NULL;
}

/* With `making` held. */
static struct ipc_object *
find_key(struct ipc_table *t, i32 key)
{
    if (key == IPC_PRIVATE_KEY)
        return NULL;
    spin_lock(&t->lock);
    struct tree_node *n = tree_find(&t->keys, &key, compare_key);
    if (n != NULL)
        ipc_hold(object_of(n));
    spin_unlock(&t->lock);
    return n != NULL ? object_of(n) : NULL;
}

static i64
existing(struct ipc_table *t, struct ipc_object *o, const struct cred *c,
         const struct ipc_wanted *wanted)
{
    spin_lock(&o->lock);
    i64 r = wanted->create && wanted->exclusive ? -E_EXIST
            : t->size != NULL && wanted->size > t->size(o)
                ? -E_INVAL
                : ipc_access(o, c, wanted->mode);
    r = r != 0 ? r : o->id;
    ipc_leave(t, o);
    return r;
}

i64
ipc_get(struct ipc_table *t, const struct cred *c, const struct ipc_wanted *wanted)
{
    i64 r = -E_NOENT;
    mutex_lock(&t->making);
    struct ipc_object *o = find_key(t, wanted->key);
    if (o != NULL)
        r = existing(t, o, c, wanted);
    else if (wanted->create || wanted->key == IPC_PRIVATE_KEY)
        r = t->make(c, wanted);
    mutex_unlock(&t->making);
    return r;
}

/* Room for one more; only who holds `making` changes the arrays' size. */
static int
grow(struct ipc_table *t)
{
    u32 slots = t->slots == 0 ? SLOTS_FIRST : t->slots * 2;
    if (t->used < t->slots)
        return 0;
    if (slots > IPC_INDICES)
        return -E_NOSPC;
    struct ipc_object **slot = heap_alloc_zeroed(slots * sizeof *slot);
    u16 *sequence = heap_alloc_zeroed(slots * sizeof *sequence);
    if (slot == NULL || sequence == NULL) {
        heap_free(slot);
        heap_free(sequence);
        return -E_NOMEM;
    }
    spin_lock(&t->lock);
    struct ipc_object **old_slot = t->slot;
    u16 *old_sequence = t->sequence;
    if (t->slots != 0) {
        memcpy(slot, old_slot, t->slots * sizeof *slot);
        memcpy(sequence, old_sequence, t->slots * sizeof *sequence);
    }
    t->slot = slot;
    t->sequence = sequence;
    t->slots = slots;
    spin_unlock(&t->lock);
    heap_free(old_slot);
    heap_free(old_sequence);
    return 0;
}

i64
ipc_publish(struct ipc_table *t, struct ipc_object *o, i32 key, u32 mode,
            const struct cred *c, u32 limit)
{
    int r = t->used >= MIN(limit, IPC_INDICES) ? -E_NOSPC : grow(t);
    if (r != 0)
        return r;
    o->perm = (struct ipc_perm){ c->euid, c->egid, c->euid, c->egid, mode & IPC_MODE };
    o->key = key;
    o->refs = 1;
    spin_lock(&t->lock);
    u32 index = t->lowest_free;
    while (t->slot[index] != NULL)
        index++;
    t->lowest_free = index + 1;
    o->index = index;
    o->sequence = t->sequence[index]++;
    i32 id = o->id = (i32)(o->sequence % IPC_SEQUENCES * IPC_INDICES + index);
    t->slot[index] = o;
    t->used++;
    t->highest = MAX(t->highest, index + 1);
    if (key != IPC_PRIVATE_KEY)
        (void)tree_insert(&t->keys, &o->by_key); /* `making` is held: it is not there */
    spin_unlock(&t->lock);
    return id;
}

static void
forget_key(struct ipc_table *t, struct ipc_object *o)
{
    if (o->key != IPC_PRIVATE_KEY)
        tree_remove(&t->keys, &o->by_key);
    o->key = IPC_PRIVATE_KEY;
}

void
ipc_forget_key(struct ipc_table *t, struct ipc_object *o)
{
    spin_lock(&t->lock);
    forget_key(t, o);
    spin_unlock(&t->lock);
}

void
ipc_withdraw(struct ipc_table *t, struct ipc_object *o)
{
    o->removed = true;
    spin_lock(&t->lock);
    forget_key(t, o);
    t->slot[o->index] = NULL;
    t->used--;
    t->lowest_free = MIN(t->lowest_free, o->index);
    while (t->highest != 0 && t->slot[t->highest - 1] == NULL)
        t->highest--;
    spin_unlock(&t->lock);
}

int
ipc_access(const struct ipc_object *o, const struct cred *c, u32 want)
{
    u32 asked = (want >> 6 | want >> 3 | want) & 7;
    u32 mode = o->perm.mode;
    if (c->euid == o->perm.uid || c->euid == o->perm.cuid)
        mode >>= 6;
    else if (cred_in_group(c, o->perm.gid) || cred_in_group(c, o->perm.cgid))
        mode >>= 3;
    if ((asked & ~mode & 7) == 0 || cred_can(c, CAP_IPC_OWNER))
        return 0;
    return -E_ACCES;
}

int
ipc_owner(const struct ipc_object *o, const struct cred *c)
{
    bool own = c->euid == o->perm.uid || c->euid == o->perm.cuid;
    return own || cred_can(c, CAP_SYS_ADMIN) ? 0 : -E_PERM;
}

i64
ipc_next_index(struct ipc_table *t, u32 from)
{
    i64 found = -1;
    spin_lock(&t->lock);
    for (u32 i = from; i < t->highest && found < 0; i++)
        if (t->slot[i] != NULL)
            found = i;
    spin_unlock(&t->lock);
    return found;
}

u32
ipc_highest(struct ipc_table *t)
{
    spin_lock(&t->lock);
    u32 highest = t->highest;
    spin_unlock(&t->lock);
    return highest != 0 ? highest - 1 : 0;
}

void
ipc_tell(const struct ipc_object *o, struct ipc_facts *out)
{
    out->key = o->key;
    out->id = o->id;
    out->sequence = o->sequence;
    out->perm = o->perm;
}

/* It was found: its lock is taken if it is still there. */
static int
enter(struct ipc_table *t, struct ipc_object *o)
{
    if (o == NULL)
        return -E_INVAL;
    spin_lock(&o->lock);
    if (!o->removed)
        return 0;
    ipc_leave(t, o);
    return -E_INVAL;
}

int
ipc_look(struct ipc_table *t, struct ipc_which which, const struct cred *c,
         struct ipc_object **out)
{
    u32 index = (u32)which.number;
    struct ipc_object *o =
        which.by_index ? ipc_find_index(t, index) : ipc_find(t, which.number);
    int r = enter(t, o);
    if (r == 0 && c != NULL && (r = ipc_access(o, c, IPC_READ)) != 0)
        ipc_leave(t, o);
    *out = o;
    return r;
}

int
ipc_own(struct ipc_table *t, i32 id, const struct cred *c, struct ipc_object **out)
{
    struct ipc_object *o = ipc_find(t, id);
    int r = enter(t, o);
    if (r == 0 && (r = ipc_owner(o, c)) != 0)
        ipc_leave(t, o);
    *out = o;
    return r;
}

void
ipc_give(struct ipc_object *o, u32 uid, u32 gid, u32 mode)
{
    o->perm.uid = uid;
    o->perm.gid = gid;
    o->perm.mode = (o->perm.mode & ~IPC_MODE) | (mode & IPC_MODE);
}

void
ipc_leave(struct ipc_table *t, struct ipc_object *o)
{
    spin_unlock(&o->lock);
    ipc_put(t, o);
}

/* ---- waiting ---- */

void
ipc_finish(struct ipc_waiter *w, int result)
{
    list_remove(&w->link);
    w->done = true;
    w->result = result;
    (void)thread_wake(w->thread, 0);
}

static u64
deadline_of(const struct ipc_limit *limit)
{
    if (!limit->real || limit->at_ns == ~0ull)
        return limit->at_ns;
    u64 now = clock_real_ns(), mono = clock_mono_ns();
    u64 left = limit->at_ns > now ? limit->at_ns - now : 0;
    return left < ~0ull - 1 - mono ? mono + left : ~0ull - 1;
}

/* The wall clock may be set meanwhile: that wakes, and the deadline is computed again. */
int
ipc_wait(struct spinlock *lock, struct ipc_waiter *w, const struct ipc_limit *limit)
{
    struct waiter clock = { .thread = NULL };
    bool real = limit->real && limit->at_ns != ~0ull;
    int result = 0;
    if (real)
        wait_add(&clock_changed, &clock);
    while (!w->done && result == 0) {
        thread_prepare(true);
        spin_unlock(lock);
        int r = thread_block(deadline_of(limit));
        spin_lock(lock);
        if (!w->done && r != 0) {
            list_remove(&w->link);
            result = r == -E_TIMEDOUT ? r : -E_INTR;
        } else if (!w->done && real) {
            wait_again(&clock);
        }
    }
    if (real)
        wait_remove(&clock);
    return result != 0 ? result : w->result;
}

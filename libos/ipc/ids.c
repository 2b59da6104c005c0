/* SPDX-License-Identifier: MIT */
/* Tables of System V objects (I1, I2, I4), and who may use them. */
#include "core/heap.h"
#include "core/string.h"
#include "ipc/ipc.h"

#define SLOTS_FIRST 64u

static struct ipc_object *
object_of(const struct tree_node *n)
{
    return container_of((struct tree_node *)(uintptr_t)n, struct ipc_object, by_key);
}

static int
compare_objects(const struct tree_node *a, const struct tree_node *b)
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
ipc_table_init(struct ipc_table *t, void (*free)(struct ipc_object *o))
{
    memset(t, 0, sizeof *t);
    mutex_init(&t->making);
    tree_init(&t->keys, compare_objects);
    t->free = free;
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

struct ipc_object *
ipc_find_key(struct ipc_table *t, i32 key)
{
    spin_lock(&t->lock);
    struct tree_node *n = tree_find(&t->keys, &key, compare_key);
    if (n != NULL)
        ipc_hold(object_of(n));
    spin_unlock(&t->lock);
    return n != NULL ? object_of(n) : NULL;
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

int
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
    o->id = (i32)(o->sequence % IPC_SEQUENCES * IPC_INDICES + index);
    t->slot[index] = o;
    t->used++;
    t->highest = MAX(t->highest, index + 1);
    if (key != IPC_PRIVATE_KEY)
        (void)tree_insert(&t->keys, &o->by_key); /* `making` is held: it is not there */
    spin_unlock(&t->lock);
    return 0;
}

void
ipc_withdraw(struct ipc_table *t, struct ipc_object *o)
{
    o->removed = true;
    spin_lock(&t->lock);
    if (o->key != IPC_PRIVATE_KEY)
        tree_remove(&t->keys, &o->by_key);
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

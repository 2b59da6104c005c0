/* SPDX-License-Identifier: MIT */
/*
 * Capabilities: slots of 128 bytes in the tables of domains, names with generations, and the derivation tree.
 *
 * P1. `name` is nonzero exactly while the slot is LIVE; a look-up is one load and one comparison.
 * P2. A slot's generation grows with each use; a slot whose generation would wrap is retired.
 * P3. The tree: each capability but the roots has a parent, and allows at most what its parent allows.
 * P4. Links, state and free lists change only under tree_lock, a try-lock: who finds it taken returns BUSY.
 * P5. A DYING slot is freed, and what it bound is undone, only after all CPUs saw the epoch of its marking.
 * P6. An object is referred to by its capabilities without a count: it is freed by its destroy call alone, which
 *     first revokes every capability on it.
 */
#ifndef KERNEL_CAP_CAP_H
#define KERNEL_CAP_CAP_H

#include "base/types.h"
#include "cap/lattice.h"

struct domain;

enum cap_state { CAP_FREE = 0, CAP_LIVE = 1, CAP_DYING = 2, CAP_RETIRED = 3 };

struct cap {
    _Atomic u64 name;     /* P1 */
    struct authority may; /* [I] while LIVE */
    void *object;         /* [I] struct space, domain, vcpu; NULL for intervals of the machine */
    u32 type;             /* FB_TYPE_* */
    u32 state;            /* enum cap_state, tree_lock */
    u64 generation;
    struct cap *parent, *child, *next, *prev; /* tree_lock; `next` links free slots */
    struct domain *holder;                    /* [I] */
    u64 epoch;                                /* of the marking */
    u64 pad[3];
};
_Static_assert(sizeof(struct cap) == 128, "32 slots a frame");

struct cap_table {
    struct cap *slots; /* contiguous, in CAPTAB frames */
    u32 count;         /* slots in it; <= 2^24 */
    u32 used;          /* tree_lock */
    struct cap *free;  /* tree_lock */
};

#define CAP_SLOT_MASK ((1ull << FB_NAME_SLOT_BITS) - 1)

/* The hot path: about 15 instructions, no lock. `need`: bits of FB_AUTH. The result is valid while interrupts are off. */
static inline int
cap_lookup(const struct cap_table *table, u64 name, u32 type, u64 need, struct cap **out)
{
    u64 slot = name & CAP_SLOT_MASK;
    if (slot >= table->count)
        return -FB_E_NAME;
    struct cap *c = &table->slots[slot];
    if (name == 0 || atomic_load_explicit(&c->name, memory_order_acquire) != name)
        return -FB_E_NAME;
    if (c->type != type)
        return -FB_E_TYPE;
    if (need & ~c->may.auth)
        return -FB_E_AUTHORITY;
    *out = c;
    return 0;
}

/* Make `count` slots free ones, for `holder`.  The memory is zero. */
void cap_table_init(struct cap_table *table, void *memory, u32 count, struct domain *holder);

/* Insert a capability: a root (parent NULL, boot only) or a child of `parent` on an object just made.
 * The tree lock is taken inside.  -FULL, -BUSY, -DEAD (parent dying).  *name gets the new name. */
int cap_insert(struct cap_table *table, struct cap *parent, u32 type, void *object, struct authority may,
               u64 *name) MUST_CHECK;
/* Can cap_insert succeed? Takes the tree lock and keeps it on success, so that a call can check everything first, then
 * commit: cap_insert_locked cannot fail after cap_reserve returned 0. */
int cap_reserve(struct cap_table *table, struct cap *parent) MUST_CHECK;
u64 cap_insert_locked(struct cap_table *table, struct cap *parent, u32 type, void *object, struct authority may);
void cap_release(void); /* drop the tree lock */

/* The calls of abi/, decoded by call/: source names are looked up here. */
int cap_derive_to(struct cap_table *from, u64 source, struct cap_table *to, u64 clearance, struct authority ask,
                  u64 need, u64 *name) MUST_CHECK;
int cap_delete(struct cap_table *table, u64 name) MUST_CHECK;
/* One bounded step (at most CAP_STEP slots): -RESUME until done. */
int cap_revoke_step(struct cap_table *table, u64 name) MUST_CHECK;
/* Revoke every capability whose object is `object`, wherever it is, except none: for destroy calls. All capabilities on an
 * object are in the subtree of the one that cap_insert made first (`first`). One bounded step: -RESUME until done;
 * then that first one is deleted too. */
int cap_destroy_step(struct cap *first) MUST_CHECK;
/* Delete all capabilities of a table (end of a domain), bounded steps: -RESUME until done. */
int cap_table_clear_step(struct cap_table *table) MUST_CHECK;

#define CAP_STEP 256u

/* What revoking undoes, for a dying capability; bounded; -RESUME, -BUSY, -INUSE or 0.  Implemented in call/undo.c, which knows the
 * objects (mappings of a MEMORY interval in the holder's spaces, slices, interrupt bindings ...). */
int cap_undo(struct cap *dying) MUST_CHECK;

#endif

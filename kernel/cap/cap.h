/* SPDX-License-Identifier: MIT */
/*
 * Capabilities: slots of 128 bytes in the tables of domains, names with generations, and
 * the derivation tree.
 *
 * P1. `name` is nonzero exactly while the slot is LIVE; a look-up is one load and one
 * comparison. P2. A slot's generation grows with each use; a slot whose generation would
 * wrap is retired. P3. The tree: each capability but the roots has a parent, and allows
 * at most what its parent allows (a capability on an object just made has its maker's
 * authority as parent, which is of another type). P4. Links, state and free lists change
 * only under the tree lock, a try-lock: who finds it taken returns BUSY. P5. A DYING slot
 * is freed, and what it bound is undone, only after all CPUs saw the epoch of its
 * marking; a deleted slot (LIMBO) is used again only after all CPUs saw the epoch of its
 * deletion. P6. An object is referred to by its capabilities without a count: it is freed
 * by its destroy call alone, which first revokes every capability on it (and, for a
 * SPACE, by the revocation of the memory that it stands on). P7. The *first* capability
 * on an object (cap_insert with an object; object->cap) is above all others on it.  It
 * cannot be deleted while the object lives: -INUSE, "destroy the object instead".  That
 * of a DOMAIN or VCPU hangs in the `made` list of its parent and is not revoked with it:
 * the revocation ends with -INUSE until the domain is destroyed.  That of a SPACE is
 * revoked with the memory it stands on, and the space with it. P8. When an object's
 * destruction begins, the type of its first capability changes (CAP_ENDING), and the
 * names of all others on it go, but the one by which the destroyer called, whose type
 * changes too.  From then on ordinary look-ups find nothing; after a quiet point nobody
 * uses the object, and its first name goes with its memory, all under the tree lock.
 * Destroy calls alone look up with cap_find_ending, under that lock: so of several
 * destroyers none keeps a pointer to what another one frees. P9. When a domain ends, the
 * first capabilities in its table go as follows.  SPACE and VCPU: with everything derived
 *     from them; the object stays (object->cap = NULL) until its own domain is destroyed.
 * DOMAIN: a domain ends with its maker, so that none is left that nobody can name: see
 * cap_table_blocker.  ENDPOINT: with everything derived from them, and the endpoint too.
 * P10. What a holder bound through a MEMORY, SLICE, IRQ, VCPU or DOMAIN capability
 * is undone when that capability goes, by revocation or deletion, unless an ancestor held
 * by the same domain stays (its interval covers it, by P3).  Waits and calls through an
 * ENDPOINT capability end with it in any case, and the endpoint with the first one.
 */
#ifndef KERNEL_CAP_CAP_H
#define KERNEL_CAP_CAP_H

#include "base/types.h"
#include "cap/lattice.h"

struct domain;

/*
 * FREE -> LIVE -> DYING -> FREE        revoked: insert, mark, retire
 *         LIVE -> LIMBO -> (LIVE)      deleted with nothing to undo: drop; taken again
 * when its epoch was seen LIVE -> DYING -> LIMBO       deleted with something to undo and
 * RETIRED instead of FREE or LIMBO at the last generation.
 */
enum cap_state {
    CAP_FREE = 0,
    CAP_LIVE = 1,
    CAP_DYING = 2,
    CAP_RETIRED = 3,
    CAP_LIMBO = 4
};

/* Which of its parent's lists a capability is in; roots and slots not in use are in none.
 */
enum cap_list { CAP_IN_NONE = 0, CAP_IN_CHILD = 1, CAP_IN_MADE = 2, CAP_IN_DYING = 3 };

#define CAP_F_FIRST    0x1u /* P7 */
#define CAP_F_REVOKING 0x2u /* a revocation below it is not complete */
#define CAP_F_DELETING                                                                   \
    0x4u /* DYING by its holder's cap_delete, which goes on by slot and generation */
#define CAP_F_DESTROY                                                                    \
    0x8u /* its object is being destroyed; nothing is derived from it any more */
#define CAP_F_ALONE                                                                      \
    0x10u /* DESTROY, and the names of all others on the object are gone; `epoch`: since \
             when */
#define CAP_F_TOLD 0x20u /* that it is taken stands in its holder's record */
#define CAP_F_MARKED                                                                     \
    0x40u /* REVOKING, and all that is meant is marked: what was derived since is not */
#define CAP_ENDING 0x80u /* in `type`: P8 */

/* [t]: under the tree lock.  Sibling lists are circular, by next and prev. */
struct cap {
    _Atomic u64 name;     /* P1 */
    struct authority may; /* [I] while LIVE */
    void *object; /* [I] struct space, domain, vcpu; NULL for intervals of the machine */
    u16 type;     /* FB_TYPE_*; [t] CAP_ENDING; else [I] */
    u8 state;     /* [t] enum cap_state */
    u8 list;      /* [t] enum cap_list */
    u16 flags;    /* [t] CAP_F_* */
    u16 phase;    /* [t] DYING: progress of cap_undo, 0 at first */
    u64 generation;     /* [t] */
    struct cap *parent; /* [t] */
    struct cap *child;  /* [t] derived from it */
    struct cap *next, *prev;
    struct domain *holder; /* [I] */
    u64 epoch; /* [t] DYING, LIMBO: of the marking; LIVE: that its revocation has yet to
                  see, 0: none */
    struct cap *made;  /* [t] P7 */
    struct cap *dying; /* [t] marked by the revocation below this one, not yet undone */
    u64 cursor;        /* [t] DYING: progress of cap_undo, 0 at first; LIVE: of
                          domain_resume_below */
};
_Static_assert(sizeof(struct cap) == 128, "32 slots a frame");

struct cap_table {
    struct cap *slots;     /* [I] contiguous, in CAPTAB frames */
    u32 count;             /* [I] slots in it; <= 2^24 */
    u32 used;              /* [t] LIVE and DYING ones */
    struct cap *free;      /* [t] single list by next */
    struct cap *limbo;     /* [t] first in, first out; single list by next */
    struct cap *limbo_end; /* [t] */
    struct domain *holder; /* [I] */
    u32 fresh;             /* [t] slots from here on were never used: all zero */
    u32 cursor;            /* [t] progress of cap_table_clear_step */
    u32 closed;            /* [t] being cleared: nothing is inserted any more */
    u32 retired;           /* [t] */
};

#define CAP_SLOT_MASK      ((1ull << FB_NAME_SLOT_BITS) - 1)
#define CAP_GENERATION_MAX ((1ull << FB_NAME_GEN_BITS) - 1)

/* The hot path: about 15 instructions, no lock. `need`: bits of FB_AUTH. The result is
 * valid while interrupts are off. */
static INLINE int
cap_lookup(const struct cap_table *table, u64 name, u32 type, u64 need, struct cap **out)
{
    u64 slot = name & CAP_SLOT_MASK;
    if (slot >= table->count)
        return -FB_E_NAME;
    struct cap *c = &table->slots[slot];
    if (name == 0 || atomic_load_explicit(&c->name, memory_order_acquire) != name)
        return -FB_E_NAME;
    if (c->type != type)
        return c->type == (type | CAP_ENDING) ? -FB_E_DEAD : -FB_E_TYPE;
    if (need & ~c->may.auth)
        return -FB_E_AUTHORITY;
    *out = c;
    return 0;
}

/* Make `count` slots free ones, for `holder`.  The memory is zero.  O(1). */
void cap_table_init(struct cap_table *table, void *memory, u32 count,
                    struct domain *holder);

static inline u32
cap_type(const struct cap *c)
{
    return c->type & ~CAP_ENDING;
}

/* For destroy calls (P8), under the tree lock: as cap_lookup, but finds what is ending
 * too. */
int cap_find_ending(struct cap_table *table, u64 name, u32 type, u64 need,
                    struct cap **out) MUST_CHECK;

/* Insert a capability: a root (parent NULL, boot only) or a child of `parent` on an
 * object just made; with an object it is the first one on it (P7).  The tree lock is
 * taken inside.  *name gets the new name. -DEAD: the parent is dying, or the table's
 * domain is ending; -FULL: no free slot; -BUSY: the lock is taken, or the free slots wait
 * for an epoch (which was asked for: repeat).  After an error the caller returns: its own
 * epoch may have gone on, so it keeps no authority that it looked up before (E1). */
int cap_insert(struct cap_table *table, struct cap *parent, u32 type, void *object,
               struct authority may, u64 *name) MUST_CHECK;
/* Can cap_insert succeed? Takes the tree lock and keeps it on success, so that a call can
 * check everything first, then commit: cap_insert_locked cannot fail after cap_reserve
 * returned 0.  Errors as cap_insert. */
int cap_reserve(struct cap_table *table, struct cap *parent) MUST_CHECK;
u64 cap_insert_locked(struct cap_table *table, struct cap *parent, u32 type, void *object,
                      struct authority may);
/* Take the tree lock alone (list of domains, lists of vCPUs): 0 or -BUSY. */
int cap_lock(void) MUST_CHECK;
void cap_release(void); /* drop the tree lock */

/* The calls of abi/, decoded by call/: source names are looked up here.
 * `need`: bits that the source must have.  `clearance`: class bits of the receiving
 * domain; of its own domain for a derive. -NAME, -AUTHORITY, -EMPTY, -CLEARANCE, then as
 * cap_insert. */
int cap_derive_to(struct cap_table *from, u64 source, struct cap_table *to, u64 clearance,
                  struct authority ask, u64 need, u64 *name) MUST_CHECK;
/* The same, but the source goes: the new one takes its place in the tree, with all that is
 * below it.  GRANT is needed.  -INUSE: it is the first on its object, or being revoked.
 * What it bound is undone as by cap_delete, which goes on with the old name where that
 * takes longer. */
int cap_move_to(struct cap_table *from, u64 source, struct cap_table *to, u64 clearance,
                u64 *name) MUST_CHECK;
/* The same for callers that hold the tree lock: what they looked up under it is still
 * unmarked when it returns.  The own epoch may have gone on. */
int cap_move_locked(struct cap_table *from, u64 source, struct cap_table *to,
                    u64 clearance, u64 *name) MUST_CHECK;
/* Delete one capability; its children become its parent's, or roots.  -NAME; -BUSY;
 * -RESUME: repeat with the same name; -INUSE: it is the first on a living object (P7),
 * its revocation is not complete, or (P10) frames that it covers serve as table or object
 * memory: then the name is dead, and the same call can be repeated later. */
int cap_delete(struct cap_table *table, u64 name) MUST_CHECK;
/* One bounded step (at most CAP_STEP slots): -RESUME until done.  -NAME, -AUTHORITY
 * (REVOKE), -BUSY; -INUSE: everything else is done, but frames still serve as table or
 * object memory, a space is current on a vCPU, or domains or vCPUs were made through it;
 * destroy those, then repeat. */
int cap_revoke_step(struct cap_table *table, u64 name) MUST_CHECK;
/* Revoke every capability whose object is `object`, wherever it is, except none: for
 * destroy calls. All capabilities on an object are in the subtree of the one that
 * cap_insert made first (`first`). One bounded step: -RESUME until done; then that first
 * one is deleted too.  P8.  When it returns 0, no CPU is using the object.  For a DOMAIN
 * the capabilities on its vCPUs go too (their vcpu->cap becomes NULL).  NULL: 0 at once
 * (P9; the destroyer sees to the quiet point). */
int cap_destroy_step(struct cap *first) MUST_CHECK;
/* Its two halves, for callers that hold the tree lock.  cap_end_locked: 0 when ordinary
 * calls can neither find nor use the object any more; cap_destroy_locked does that first,
 * and then takes the first name away.  `keep`: the capability by which the destroyer
 * called (NULL: none); it stays until the end. */
int cap_end_locked(struct cap *first, struct cap *keep) MUST_CHECK;
int cap_destroy_locked(struct cap *first, struct cap *keep) MUST_CHECK;
/* Delete all capabilities of a table (end of a domain), bounded steps: -RESUME until
 * done.  All vCPUs of the domain are stopped, and all CPUs have seen an epoch since.
 * -BUSY; -INUSE: cap_table_blocker says what must be destroyed first. */
int cap_table_clear_step(struct cap_table *table) MUST_CHECK;
/* The first capability of a domain that the ending domain made, at which
 * cap_table_clear_step stopped; else NULL.  The destroy call goes on with that domain
 * (and so on: the last one has none), and then repeats. */
struct cap *cap_table_blocker(struct cap_table *table);

#define CAP_STEP 256u

/* What revoking undoes, for a dying capability; bounded; -RESUME, -BUSY, -INUSE or 0.
 * Implemented in call/undo.c, which knows the objects (mappings of a MEMORY interval in
 * the holder's spaces, slices, interrupt bindings ...).  Tree lock. */
int cap_undo(struct cap *dying) MUST_CHECK;
/* A revocation by another domain took this from its holder: it is entered in the holder's
 * record.  Implemented in call/undo.c. */
void cap_taken(struct cap *dying);
/* A first capability goes while its object stays: the object's `cap` becomes NULL.
 * Implemented in call/undo.c. */
void cap_forget(struct cap *first);

#endif

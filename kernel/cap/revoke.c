/* SPDX-License-Identifier: MIT */
/*
 * Revocation, destruction and the end of a table: subtrees taken apart in bounded steps.
 * Contract: cap/cap.h.
 *
 * Revoking what is below r takes three phases, and a step may end anywhere in them:
 *   1. cap_mark_below: while r has a child n: mark n (its name goes first), hoist n's
 * children to r, move n to r->dying.  So a parent is marked before its children, and what
 * is in r->dying has nothing below it.
 *   2. quiet: each CPU passes the epoch of the marking, so that nobody uses what is in
 * r->dying.
 *   3. undo_dying: undo what each bound, then free its slot.  r->epoch remembers that
 * translations were removed; the last step waits until all CPUs have seen it.
 *
 * V1. All progress is in the tree: r's lists and flags, and phase and cursor of the first
 * in r->dying.  There is no state of the caller, so any CPU goes on, and a revocation
 * further up takes over what it finds. V2. The work is O(subtree): each node is marked
 * once, and hoisted once for each revocation that was in progress above it. V3. A node of
 * r->dying that is in use (INUSE) goes to the end of the list, so that it does not hold
 * up the others.
 *
 * Locking: each step holds the tree lock throughout.
 */
#include "base/panic.h"
#include "cap/tree.h"

int
cap_mark_below(struct cap *r, u32 *budget)
{
    while (r->child) {
        struct cap *n = r->child;
        int error;

        if (*budget == 0)
            return -FB_E_RESUME;
        --*budget;
        if (n->state == CAP_LIVE)
            cap_mark(n);
        error = cap_hoist(n, r, true, budget);
        if (error)
            return error;
        cap_unlink(n);
        cap_link(r, n, CAP_IN_DYING, true);
    }
    return 0;
}

/* Once for each: of what is in use the mappings are gone. */
static void
tell(struct cap *n, const struct cap *r)
{
    if (n->holder != r->holder && !(n->flags & CAP_F_TOLD))
        cap_taken(n);
    n->flags |= CAP_F_TOLD;
}

/* Phases 2 and 3.  0: r->dying is empty; -INUSE: this step went through all of it, or met
 * none that is not in use. */
static int
undo_dying(struct cap *r, u32 *budget)
{
    struct cap *stuck = NULL; /* the first that was found in use */
    bool progress = false;

    while (r->dying) {
        struct cap *n = r->dying;
        int error;

        if (n == stuck)
            return -FB_E_INUSE;
        if (*budget == 0)
            return stuck && !progress ? -FB_E_INUSE : -FB_E_RESUME;
        --*budget;
        if (!cap_quiet(n->epoch))
            return -FB_E_RESUME;
        if (cap_needs_undo(n, r)) {
            error = cap_undo(n);
            if (error == -FB_E_INUSE) {
                tell(n, r);
                r->dying = n->next; /* V3: the list is circular, so n is last now */
                stuck = stuck ? stuck : n;
                continue;
            }
            if (error)
                return error;
            r->epoch = cap_epoch_tag();
        }
        progress = true;
        tell(n, r);
        cap_unlink(n);
        cap_slot_free(n);
    }
    return 0;
}

static int
revoke_locked(struct cap *r)
{
    u32 budget = CAP_STEP;
    int error;

    r->flags = (u16)((r->flags | CAP_F_REVOKING) & ~CAP_F_MARKED);
    error = cap_mark_below(r, &budget);
    if (error)
        return error;
    r->flags |= CAP_F_MARKED;
    error = undo_dying(r, &budget);
    if (error)
        return error;
    if (r->epoch) {
        if (!cap_quiet(r->epoch))
            return -FB_E_RESUME;
        r->epoch = 0;
    }
    r->flags &= (u16)~(CAP_F_REVOKING | CAP_F_MARKED);
    return r->made ? -FB_E_INUSE : 0; /* P7 */
}

int
cap_revoke_step(struct cap_table *table, u64 name)
{
    struct cap *r;
    int error = cap_lock();

    if (error)
        return error;
    r = cap_slot(table, name);
    if (!r || r->state != CAP_LIVE || r->generation != name >> FB_NAME_SLOT_BITS)
        error = -FB_E_NAME;
    else if (FB_AUTH(0, 0, FB_RIGHT_REVOKE) & ~r->may.auth)
        error = -FB_E_AUTHORITY;
    else
        error = revoke_locked(r);
    cap_release();
    return error;
}

/* Take a name away for good; its slot goes by way of the limbo, because calls may still
 * be reading it. */
static void
drop(struct cap *c)
{
    atomic_store_explicit(&c->name, 0, memory_order_seq_cst);
    cap_unlink(c);
    cap_slot_limbo(c);
}

/* Some capability below f but `keep`, or NULL. */
static struct cap *
below(const struct cap *f, const struct cap *keep)
{
    struct cap *n = f->child;

    if (n && n == keep)
        n = n->next != n ? n->next : NULL;
    return n ? n : f->made ? f->made : f->dying;
}

/* Take everything below f but `keep`: nothing was bound through these.  The flag tells
 * mark_from_top that f is the one to look below. */
static int
kill_below(struct cap *f, struct cap *keep, u32 *budget)
{
    struct cap *n;

    f->flags |= CAP_F_REVOKING;
    while ((n = below(f, keep)) != NULL) {
        int error;

        if (*budget == 0)
            return -FB_E_RESUME;
        --*budget;
        atomic_store_explicit(&n->name, 0, memory_order_seq_cst);
        n->state = CAP_DYING;
        error = cap_hoist(n, f, true, budget);
        if (error)
            return error;
        if (n->flags & CAP_F_FIRST)
            cap_forget(n);
        drop(n);
    }
    return 0;
}

/* Is there more to mark below r?  After an INUSE there is not: what its holder derives then
 * is meant to stay, until it revokes again. */
static bool
marking(const struct cap *r)
{
    return (r->flags & (CAP_F_REVOKING | CAP_F_MARKED)) == CAP_F_REVOKING;
}

/* f was marked by a revocation above it, which hoisted what was below f: have that
 * revocation mark all of it. */
static int
mark_from_top(struct cap *f, u32 *budget)
{
    struct cap *top = f->parent;

    while (top->state == CAP_DYING && top->parent) {
        if (*budget == 0)
            return -FB_E_RESUME;
        --*budget;
        top = top->parent;
    }
    /* Else f was handed over by a revocation that had marked everything (clear_live). */
    return marking(top) ? cap_mark_below(top, budget) : 0;
}

static void
mark_ending(struct cap *c)
{
    c->flags |= CAP_F_DESTROY;
    c->type |= CAP_ENDING;
}

int
cap_end_locked(struct cap *f, struct cap *keep)
{
    u32 budget = CAP_STEP;
    int error;

    ASSERT(f->flags & CAP_F_FIRST);
    if (keep == f)
        keep = NULL;
    if (f->state == CAP_DYING) {
        error = mark_from_top(f, &budget);
        if (error)
            return error;
    }
    mark_ending(f);
    if (keep) {
        mark_ending(keep);
        error = cap_hoist(keep, f, true, &budget);
        if (error)
            return error;
    }
    if (!(f->flags & CAP_F_ALONE)) {
        error = kill_below(f, keep, &budget);
        if (error)
            return error;
        f->flags |= CAP_F_ALONE;
        f->epoch = cap_epoch_tag();
    }
    return cap_quiet(f->epoch) ? 0 : -FB_E_RESUME;
}

int
cap_destroy_locked(struct cap *f, struct cap *keep)
{
    u32 budget = CAP_STEP;
    int error;

    if (!f)
        return 0;
    error = cap_end_locked(f, keep);
    if (!error)
        error = kill_below(f, NULL, &budget); /* those by which destroyers called */
    if (!error)
        drop(f);
    return error;
}

int
cap_destroy_step(struct cap *first)
{
    int error = first ? cap_lock() : 0;

    if (error || !first)
        return error;
    error = cap_destroy_locked(first, NULL);
    cap_release();
    return error;
}

/* ---- the end of a table ---- */

/* The holder's vCPUs are gone, so what is DYING here is quiet as far as its holder goes.
 */
static int
clear_dying(struct cap *c, u32 *budget)
{
    struct cap *parent = c->parent;
    int error =
        cap_hoist(c, parent, true, budget); /* it may be half hoisted by cap_mark_below */

    if (error)
        return error;
    if (cap_needs_undo(c, parent)) {
        error = cap_undo(c);
        /* P9: a space that a vCPU of its own domain is in, or whose domain is ending,
         * stays with that domain.  Waiting for it here could be for ever: that domain may
         * be one that this table's holder made, and whose end waits for this one's turn. */
        if (error == -FB_E_INUSE && (c->flags & CAP_F_FIRST)) {
            cap_forget(c);
            error = 0;
        }
        if (error)
            return error;
        if (parent)
            parent->epoch = cap_epoch_tag();
    }
    cap_unlink(c);
    cap_slot_limbo(c);
    return 0;
}

static int
clear_first(struct cap *c, u32 *budget)
{
    int error;

    if (cap_type(c) == FB_TYPE_DOMAIN)
        return -FB_E_INUSE; /* P9: cap_table_blocker */
    error = kill_below(c, NULL, budget);
    if (error)
        return error;
    if (cap_type(c) == FB_TYPE_ENDPOINT) {
        cap_mark(c);
        return clear_dying(c, budget);
    }
    cap_forget(c);
    drop(c);
    return 0;
}

static int
clear_live(struct cap *c, u32 *budget)
{
    struct cap *parent = c->parent;
    int error;

    if (c->flags & CAP_F_FIRST)
        return clear_first(c, budget);
    if (c->flags & CAP_F_REVOKING) {
        /* The parent gets what is dying only when all of it is marked: the parent is not
         * revoking anything itself. */
        error = marking(c) ? cap_mark_below(c, budget) : 0;
        if (error)
            return error;
        if (!parent) {
            error = undo_dying(c, budget);
            if (error)
                return error;
        }
    }
    error = cap_hoist(c, parent, true, budget);
    if (error)
        return error;
    if (parent && c->epoch > parent->epoch)
        parent->epoch = c->epoch;
    if (cap_needs_undo(c, parent)) {
        cap_mark(c);
        return clear_dying(c, budget);
    }
    drop(c);
    return 0;
}

static int
clear_locked(struct cap_table *table)
{
    u32 budget = CAP_STEP;

    table->closed = 1;
    while (table->cursor < table->fresh) {
        struct cap *c = &table->slots[table->cursor];
        int error = 0;

        if (budget == 0)
            return -FB_E_RESUME;
        budget--;
        if (c->state == CAP_LIVE)
            error = clear_live(c, &budget);
        else if (c->state == CAP_DYING)
            error = clear_dying(c, &budget);
        if (error)
            return error;
        table->cursor++;
    }
    return 0;
}

int
cap_table_clear_step(struct cap_table *table)
{
    int error = cap_lock();

    if (error)
        return error;
    error = clear_locked(table);
    cap_release();
    return error;
}

struct cap *
cap_table_blocker(struct cap_table *table)
{
    struct cap *c;

    if (!table->closed || table->cursor >= table->fresh)
        return NULL;
    c = &table->slots[table->cursor];
    if (c->state != CAP_LIVE || cap_type(c) != FB_TYPE_DOMAIN ||
        !(c->flags & CAP_F_FIRST))
        return NULL;
    return c;
}

/* SPDX-License-Identifier: MIT */
/*
 * The derivation tree: links, and deletion of one capability.  Contract: cap/cap.h;
 * revocation is in revoke.c.
 *
 * T1. A capability that is in one of its parent's lists has `parent` set and `list` says
 * which; a root has neither. T2. Each list is circular; the parent's field points at its
 * head.  So a link at either end and an unlink are O(1). T3. Nothing recurses: a subtree
 * is taken apart by hoisting, that is, moving a node's children to where it hangs itself.
 * Each node is moved a bounded number of times, and whatever stands in between is a tree
 *     in which P3 holds, so that a step may end anywhere.
 *
 * Locking: all under the tree lock.
 */
#include "base/panic.h"
#include "cap/tree.h"

/* How far up the tree an ancestor of the same holder is looked for; beyond it what was
 * bound is undone needlessly, never kept wrongly. */
#define COVER_DEPTH 64u

static struct cap **
head_of(struct cap *parent, enum cap_list list)
{
    switch (list) {
    case CAP_IN_CHILD: return &parent->child;
    case CAP_IN_MADE: return &parent->made;
    case CAP_IN_DYING: return &parent->dying;
    case CAP_IN_NONE: break;
    }
    panic("cap: a list that is none");
}

void
cap_link(struct cap *parent, struct cap *c, enum cap_list list, bool front)
{
    struct cap **head = head_of(parent, list);
    struct cap *first = *head;

    ASSERT(c->list == CAP_IN_NONE && c != parent);
    c->parent = parent;
    c->list = (u8)list;
    if (!first) {
        c->next = c->prev = c;
        *head = c;
        return;
    }
    c->next = first;
    c->prev = first->prev;
    first->prev->next = c;
    first->prev = c;
    if (front)
        *head = c;
}

void
cap_unlink(struct cap *c)
{
    if (c->list != CAP_IN_NONE) {
        struct cap **head = head_of(c->parent, (enum cap_list)c->list);
        if (c->next == c) {
            ASSERT(*head == c);
            *head = NULL;
        } else {
            c->next->prev = c->prev;
            c->prev->next = c->next;
            if (*head == c)
                *head = c->next;
        }
    }
    c->parent = c->next = c->prev = NULL;
    c->list = CAP_IN_NONE;
}

void
cap_mark(struct cap *c)
{
    ASSERT(c->state == CAP_LIVE);
    atomic_store_explicit(&c->name, 0, memory_order_seq_cst);
    c->state = CAP_DYING;
    c->phase = 0;
    c->cursor = 0;
    c->epoch = cap_epoch_tag();
}

bool
cap_covered(const struct cap *c, const struct cap *from)
{
    u32 depth = 0;

    for (const struct cap *p = from; p && depth < COVER_DEPTH; p = p->parent, depth++)
        if (p->state == CAP_LIVE && p->holder == c->holder && p->type == c->type)
            return true;
    return false;
}

bool
cap_needs_undo(const struct cap *c, const struct cap *from)
{
    if (c->state == CAP_DYING && c->phase)
        return true; /* what was begun is completed, wherever the capability hangs now */
    switch (cap_type(c)) {
    case FB_TYPE_VCPU:
    case FB_TYPE_DOMAIN:
        if (c->flags & CAP_F_FIRST)
            return false;
        __attribute__((fallthrough));
    case FB_TYPE_MEMORY:
    case FB_TYPE_SLICE:
    case FB_TYPE_IRQ:
        /* What a root allowed was given to nobody else's keeping: none can revoke it. */
        return from != NULL && !cap_covered(c, from);
    case FB_TYPE_ENDPOINT: return true;
    case FB_TYPE_SPACE: return (c->flags & CAP_F_FIRST) != 0;
    default: return false;
    }
}

static void
move(struct cap *c, struct cap *to, enum cap_list list)
{
    cap_unlink(c);
    if (to)
        cap_link(to, c, list, false);
}

int
cap_hoist(struct cap *c, struct cap *to, bool dying, u32 *budget)
{
    while (c->child || c->made || (dying && c->dying)) {
        if (*budget == 0)
            return -FB_E_RESUME;
        --*budget;
        if (c->child)
            move(c->child, to, CAP_IN_CHILD);
        else if (c->made)
            move(c->made, to, CAP_IN_MADE);
        else
            move(c->dying, to, CAP_IN_DYING);
    }
    return 0;
}

/* The last part of a deletion, for a DYING capability: what is below it goes up; wait until
 * nobody uses it, undo, let it go. */
static int
delete_finish(struct cap *c)
{
    u32 budget = CAP_STEP;
    int error = cap_hoist(c, c->parent, true, &budget);

    if (error)
        return error;
    if (!cap_quiet(c->epoch))
        return -FB_E_RESUME;
    error = cap_needs_undo(c, c->parent) ? cap_undo(c) : 0;
    if (error)
        return error;
    /* Whoever revokes above must wait for the flush of what was just removed. */
    if (c->parent)
        c->parent->epoch = cap_epoch_tag();
    cap_unlink(c);
    cap_slot_limbo(c);
    return 0;
}

bool
cap_can_go(const struct cap *c)
{
    /* The last: a root, to which an ended domain left what is dying: revoke first. */
    return !(c->flags & (CAP_F_FIRST | CAP_F_REVOKING)) && (c->parent || !c->dying);
}

int
cap_let_go(struct cap *c)
{
    u32 budget = CAP_STEP;
    int error = cap_hoist(c, c->parent, c->parent != NULL, &budget);

    if (c->parent && c->epoch > c->parent->epoch)
        c->parent->epoch = c->epoch;
    if (error || cap_needs_undo(c, c->parent)) {
        cap_mark(c);
        c->flags |= CAP_F_DELETING;
        return error ? error : delete_finish(c);
    }
    atomic_store_explicit(&c->name, 0, memory_order_seq_cst);
    cap_unlink(c);
    cap_slot_limbo(c);
    return 0;
}

static int
delete_locked(struct cap_table *table, u64 name)
{
    struct cap *c = cap_slot(table, name);

    if (!c || c->generation != name >> FB_NAME_SLOT_BITS)
        return -FB_E_NAME;
    if (c->state == CAP_DYING && (c->flags & CAP_F_DELETING))
        return delete_finish(c);
    if (c->state != CAP_LIVE)
        return -FB_E_NAME;
    return cap_can_go(c) ? cap_let_go(c) : -FB_E_INUSE;
}

int
cap_delete(struct cap_table *table, u64 name)
{
    int error = cap_lock();

    if (error)
        return error;
    error = delete_locked(table, name);
    cap_release();
    return error;
}

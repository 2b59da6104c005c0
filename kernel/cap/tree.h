/* SPDX-License-Identifier: MIT */
/*
 * Private to cap/: the operations on slots (table.c) that the tree (tree.c, revoke.c) is
 * made of. All under the tree lock.
 */
#ifndef KERNEL_CAP_TREE_H
#define KERNEL_CAP_TREE_H

#include "cap/cap.h"

/* ---- table.c ---- */
/* The slot of a name, whatever its state: NULL if out of range or never used. */
struct cap *cap_slot(struct cap_table *table, u64 name);
struct cap_table *cap_home(const struct cap *c);
/* Put a slot that is in no list and has no name back: at once (its epoch was seen), or by
 * way of the limbo. */
void cap_slot_free(struct cap *c);
void cap_slot_limbo(struct cap *c);
/* The epoch that covers what was done up to now. */
u64 cap_epoch_tag(void);
/* Have all CPUs seen `tag`? If not, they are asked to. Moves the own epoch: the caller
 * keeps no authority. */
bool cap_quiet(u64 tag);

/* ---- tree.c ---- */
void cap_link(struct cap *parent, struct cap *c, enum cap_list list, bool front);
void cap_unlink(struct cap *c);
/* LIVE -> DYING: the name first, so that look-ups fail from here on. */
void cap_mark(struct cap *c);
/* Does an ancestor of c held by the same domain stay, from `from` upwards (P10)? */
bool cap_covered(const struct cap *c, const struct cap *from);
bool cap_needs_undo(const struct cap *c, const struct cap *from);
/* Move c's children, made ones and (if `dying`) dying ones to `to` (NULL: they become
 * roots), within the budget: 0 or -RESUME. */
int cap_hoist(struct cap *c, struct cap *to, bool dying, u32 *budget) MUST_CHECK;

/* Is c, which is LIVE, one that a deletion may take?  Then it goes: what is below it hangs
 * at its parent; 0, or -RESUME or -INUSE: its name is dead, and cap_delete goes on. */
bool cap_can_go(const struct cap *c);
int cap_let_go(struct cap *c);

/* ---- revoke.c ---- */
/* Phase 1 for the subtree of r: afterwards r has no child, and all that was below is in
 * r->dying. -RESUME. */
int cap_mark_below(struct cap *r, u32 *budget) MUST_CHECK;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Spaces and windows: page tables, and the range calls on them.
 *
 * S1. A space is an 8 KiB-aligned pair of ROOT frames: the even one is the user view, the
 *     odd one the LibOS view.  Both have the same lower half; in the LibOS view its
 *     top-level entries are no-execute (gate `views`). A `direct` domain's spaces use the
 *     LibOS view alone, executable.
 * S2. The space's own fields stand in the user root's unused entries 257..: bit 0 of each
 *     word is clear, so that the hardware sees absent entries (SDM vol. 3, 4.5).
 * S3. A window is the subtree under its domain's window_frame; the LibOS view of each
 *     space has it at slot 256. The user view never has it.
 * S4. Who changes a tree holds its try-lock (`busy`); who finds it taken returns BUSY.
 * S5. A node's record counts its non-zero entries (`used`); it is unlinked only at zero,
 *     and then is clean (F4).
 * S6. Removing a mapping: clear the entry (atomic exchange), count it away (frame_unmap),
 *     and before the call returns start a new epoch if a writable one was removed.  The
 *     own TLB is flushed for the range before the call returns.
 * S7. In the window no page is writable and executable.
 * S8. A page table (level 1) may be shared by spaces of one domain (FB_COPY_TABLES).  The
 *     entry above it has no W then, in all of them, so that nobody writes through it.
 *     Range calls take it for one thing, like a large page, and what would change a part
 *     of it is refused (NOTABLE) until space_link_table gave the space its own.  While
 *     several have it only its lock (frame_table_lock) lets its entries be weakened or,
 *     by evict, removed; one that is left alone is writable again when it asks for it.
 */
#ifndef KERNEL_SPACE_SPACE_H
#define KERNEL_SPACE_SPACE_H

#include "base/types.h"

struct domain;
struct cap;

/*
 * Which other domains have mapped memory of theirs into a tree: their ids, doubled (S2).
 * A set of a few; who finds it full leaves MAPPERS_ANY, so that revoking takes mappings
 * needlessly, but never leaves one.  It only grows; each word by compare-and-swap.
 */
#define MAPPERS     4u
#define MAPPERS_ANY (~1ull)
struct mappers {
    u64 id[MAPPERS];
};

void mapper_add(struct mappers *set, u64 doubled_id);
static inline bool
mapper_has(const struct mappers *set, u32 id)
{
    for (u32 i = 0; i < MAPPERS; i++) {
        u64 at = __atomic_load_n(&set->id[i], __ATOMIC_ACQUIRE);
        if (at == 2ull * id || at == MAPPERS_ANY)
            return true;
    }
    return false;
}

struct space {                 /* at word 257 of the user root */
    u64 busy;                  /* S4: 0 or 2 */
    u64 dying;                 /* 0 or 2 */
    struct domain *domain;     /* [I] */
    struct space *next, *prev; /* domain's list, domain->list_busy */
    u64 root;                  /* [I] physical address of the user root */
    struct cap *cap;           /* the first capability on it */
    u64 pad;
    struct mappers mappers;
};

static inline struct space *
space_of_root(frame_t even)
{
    return (struct space *)((u64 *)frame_ptr(even) + 257);
}
static inline u64
space_user_cr3(const struct space *s)
{
    return s->root;
}
static inline u64
space_libos_cr3(const struct space *s)
{
    return s->root + PAGE_SIZE;
}

/* A tree to work on: a space's lower half, or a domain's window. */
struct tree {
    struct space *space;   /* NULL: the window of `domain` */
    struct domain *domain; /* owner */
};

/* Memory that a capability allows: checked interval of frames. */
struct frames {
    frame_t lo, hi;
    u32 rights; /* FB_MAP_READ|WRITE|EXEC */
};

/* Before memory of `by` comes into a tree of another domain: remember that it does. */
void tree_note(struct tree t, const struct domain *by);

/* Every call here that names a tree returns -BUSY while its lock is taken or a revocation
 * evicts from its domain, and -DEAD when the domain or the space is ending; `evict` and
 * `tear_down` go on in both cases.  *done is set on errors too. */

/* Give a pair of frames (already checked to be in the caller's interval) to be the roots.
 * The commit that follows cap_reserve: frame_give_run may fail, nothing else.  Puts the
 * space on the domain's list (-BUSY: list_busy is taken); the caller sets `cap`.  The
 * domain's window_frame is a linked TABLE (frame_link).  -ALIGN: the frame is odd. */
int space_init(struct domain *d, frame_t even, struct space **out) MUST_CHECK;
/* The try-lock of the domain's list of spaces. */
int space_list_lock(struct domain *d) MUST_CHECK;
void space_list_unlock(struct domain *d);
/* If the lower half has no node left, mark the space dying, so that none can come; else
 * -INUSE.  -BUSY. */
int space_check_empty(struct space *s) MUST_CHECK;
/* After quiet: the space leaves the domain's list, whose lock the caller holds, and the
 * roots become DATA. */
void space_free(struct space *s);

/* Level 1 (page table), 2, 3; a window's level 3 is its domain's window_frame: -ARG.
 * -RANGE, -MAPPED, -NOTABLE (then space_missing_level says which), and the errors of
 * frame_link.  Level 1 where a shared table is (S8): `frame` becomes a copy-on-write copy
 * of it; -COUNT, -BUSY, or -MAPPED: no other space has it any more.  Then, and only then
 * (else -INUSE), `frame` may be the table itself, and becomes writable. */
int space_link_table(struct tree t, u64 va, unsigned level, frame_t frame) MUST_CHECK;
/* The level of the first node that va lacks, 0: none. */
unsigned space_missing_level(struct tree t, u64 va);
/* done: pages of the flags' size that were mapped (also on errors; NOTABLE: level << 56 |
 * pages).  REPLACE also maps where nothing was, and says FB_MAP_REPLACED and FB_MAP_LOST
 * instead.  -BUSY also: frame.h, F7. */
int space_map_run(struct tree t, u64 va, const struct frames *m, frame_t frame, u32 flags,
                  u64 count, u64 *done) MUST_CHECK;
/* The same for 4 KiB pages of a space, where nothing is, with the frames of a list, which
 * its owner may change meanwhile: -RANGE: the next one is not in m.  -ARG: other flags
 * than rights, or a window. */
int space_map_list(struct tree t, u64 va, const struct frames *m, const u64 *list,
                   u32 flags, u64 count, u64 *done) MUST_CHECK;
/* done: 4 KiB pages passed over.  Flags without READ keep frame and count, without access
 * (a held entry). m: NULL: nothing can be added.  -ALIGN also: a large page lies only
 * partly in the range (so for unmap and copy).  -NOTABLE: a shared table (S8); for unmap
 * and copy: one that lies only partly in the range, or is copied without TABLES. */
int space_protect_range(struct tree t, u64 va, u64 pages, u32 flags,
                        const struct frames *m, u64 *done) MUST_CHECK;
/* list: max entries, in the caller's buffer (kernel mapping); max = 0: no list is wanted.
 * -ARG: unknown flags. */
int space_unmap_range(struct tree t, u64 va, u64 pages, u32 flags, u64 *list, u64 max,
                      u64 *listed, u64 *done) MUST_CHECK;
/* done: pages handled; on NOTABLE *level names the node that `to` lacks, 0: S8, `from`.
 * -ARG: flags, one space, two domains, or a large page with COW. */
int space_copy_range(struct space *to, struct space *from, u64 va, u64 pages, u32 flags,
                     u64 *done, unsigned *level) MUST_CHECK;
/* Revocation: remove every mapping of frames [lo, hi) from a tree, and nodes that lie
 * there with all below them (they become DATA); *cursor is the address to go on from (0
 * at first, and again when done); -RESUME, -BUSY. */
int space_evict(struct tree t, frame_t lo, frame_t hi, u64 *cursor) MUST_CHECK;
/* End of a domain, whose vCPUs have stopped: unmap everything and take all nodes back
 * (not the roots, not the window_frame); -RESUME, -BUSY. cursor as above. */
int space_tear_down(struct tree t, u64 *cursor) MUST_CHECK;

/* Do a step of what evicts in the domain, whoever began it: no caller has to come back for
 * others to go on.  -BUSY.  Implemented in call/undo.c. */
int evict_help(struct domain *d) MUST_CHECK;

#endif

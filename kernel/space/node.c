/* SPDX-License-Identifier: MIT */
/* Spaces as root pairs, and the nodes of their trees (S1, S2, S3, S5). */
#include "base/cpu.h"
#include "hal/hal.h"
#include "space/walk.h"

_Static_assert(257 * 8 + sizeof(struct space) <= PAGE_SIZE / 4 * 3,
               "fields end before the kernel's entries");

int
space_list_lock(struct domain *d)
{
    return atomic_exchange(&d->list_busy, 1) ? -FB_E_BUSY : 0;
}

void
space_list_unlock(struct domain *d)
{
    atomic_store_explicit(&d->list_busy, 0, memory_order_release);
}

static int
make_roots(struct domain *d, frame_t even)
{
    int error = 0;
    if (!(frame_record(d->window_frame)->flags & FB_FRAME_F_LINKED))
        error = frame_link(d->window_frame);
    if (!error)
        error = frame_give_run(even, 2, FB_FRAME_ROOT);
    if (error)
        return error;
    u64 *user = frame_ptr(even), *libos = frame_ptr(even + 1);
    hal_root_init(user);
    hal_root_init(libos);
    libos[pte_index(FB_WINDOW_BASE, PTE_TOP)] = d->window_frame << PAGE_SHIFT | PTE_NODE;
    return 0;
}

int
space_init(struct domain *d, frame_t even, struct space **out)
{
    if (even & 1)
        return -FB_E_ALIGN;
    if (!domain_alive(d))
        return -FB_E_DEAD;
    int error = space_list_lock(d);
    if (error)
        return error;
    error = make_roots(d, even);
    if (!error) {
        struct space *s = space_of_root(even);
        *s = (struct space){.domain = d, .root = even << PAGE_SHIFT, .next = d->spaces};
        if (s->next)
            s->next->prev = s;
        d->spaces = s;
        d->nspaces++;
        *out = s;
    }
    space_list_unlock(d);
    return error;
}

/* Under the lock, so that no node can be linked after the look. */
int
space_check_empty(struct space *s)
{
    struct change c;
    int error = tree_enter(&c, (struct tree){s, s->domain}, true);
    if (error)
        return error;
    if (*node_used((u64 *)s) != 0)
        error = -FB_E_INUSE;
    else
        __atomic_store_n(&s->dying, 2, __ATOMIC_RELEASE);
    tree_leave(&c);
    return error;
}

void
space_free(struct space *s)
{
    struct domain *d = s->domain;
    if (d->cursor_space == s) { /* a sweep of the domain goes on with the next one */
        d->cursor_space = s->next;
        d->swept = 0;
    }
    if (s->next)
        s->next->prev = s->prev;
    if (s->prev)
        s->prev->next = s->next;
    else
        d->spaces = s->next;
    d->nspaces--;
    frame_t even = s->root >> PAGE_SHIFT;
    *node_used((u64 *)s) = 0;
    frame_take_back(even);
    frame_take_back(even + 1);
    (void)epoch_next();
}

void
mapper_add(struct mappers *set, u64 doubled_id)
{
    for (u32 i = 0; i < MAPPERS; i++) {
        u64 none = 0;
        if (__atomic_compare_exchange_n(&set->id[i], &none, doubled_id, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
            none == doubled_id || none == MAPPERS_ANY)
            return;
    }
    __atomic_store_n(&set->id[MAPPERS - 1], MAPPERS_ANY, __ATOMIC_RELEASE);
}

void
tree_note(struct tree t, const struct domain *by)
{
    mapper_add(&t.domain->mappers, 2ull * by->id);
    mapper_add(t.space ? &t.space->mappers : &t.domain->window_mappers, 2ull * by->id);
}

/* Set the entry of a node; a lower-half top-level entry stands in both roots, in the
 * LibOS view without execute (S1).  Not in a `direct` domain, where user code runs in
 * that view. */
static void
node_entry_set(struct change *c, u64 *entry, unsigned level, u64 value)
{
    if (level == PTE_TOP) {
        u64 nx = value && c->tree.domain->gate == FB_GATE_VIEWS ? PTE_NX : 0;
        pte_store(entry + PTE_ENTRIES, value | nx);
    }
    pte_store(entry, value);
}

int
space_link_table(struct tree t, u64 va, unsigned level, frame_t frame)
{
    if (level < 1 || level > tree_top(t))
        return -FB_E_ARG;
    int error = tree_range(t, va & ~(PAGE_SIZE - 1), 1);
    if (error)
        return error;
    struct change c;
    error = tree_enter(&c, t, false);
    if (error)
        return error;
    unsigned l;
    u64 *entry = tree_walk(t, va, level, &l);
    u64 there = pte_load(entry);
    if (l == 1 && level == 1 && pte_is_shared(there))
        error = table_own(&c, entry, va, frame);
    else if (there != 0)
        error = -FB_E_MAPPED;
    else if (l != level)
        error = -FB_E_NOTABLE;
    else
        error = frame_link(frame);
    if (!error && there == 0) {
        node_entry_set(&c, entry, level, frame << PAGE_SHIFT | PTE_NODE);
        ++*node_used(entry);
    }
    tree_leave(&c);
    return error;
}

unsigned
space_missing_level(struct tree t, u64 va)
{
    unsigned level;
    u64 *entry = tree_walk(t, va, 0, &level);
    return pte_load(entry) == 0 ? level : 0;
}

/* invlpg of any address drops the paging-structure caches of the current root (SDM vol.
 * 3, 4.10.4.1). */
static void
node_unlink(struct change *c, u64 *entry, unsigned level, u64 va)
{
    node_entry_set(c, entry, level, 0);
    --*node_used(entry);
    change_page(c, va);
    c->epoch = true;
}

bool
node_prune(struct change *c, u64 va, unsigned highest, struct out *out)
{
    if (highest > tree_top(c->tree))
        highest = tree_top(c->tree);
    for (unsigned level = 1; level <= highest; level++) {
        unsigned l;
        u64 *entry = tree_walk(c->tree, va, level, &l);
        u64 value = pte_load(entry);
        if (l != level || !pte_is_node(value))
            continue;
        frame_t node = pte_frame(value);
        if (frame_record(node)->used != 0)
            break;
        if (out && out_full(out))
            return false;
        node_unlink(c, entry, level, va);
        if (out) {
            frame_unlink(node);
            out_add(out, node | FB_OUT_TABLE);
        } else {
            frame_take_back(node);
        }
    }
    return true;
}

/* SPDX-License-Identifier: MIT */
/* Calls on spaces and windows. */
#include "base/epoch.h"
#include "call/call.h"

#define SPACE_AUTH                                                                       \
    FB_AUTH(FB_CLASS_ROOT, FB_KIND_MEMORY_VIRT,                                          \
            FB_RIGHT_READ | FB_RIGHT_MAP | FB_RIGHT_SWITCH | FB_RIGHT_CONTROL |          \
                FB_RIGHT_DERIVE | FB_RIGHT_GRANT | FB_RIGHT_REVOKE)

struct ret
call_space_create(u64 domain, u64 memory, u64 frame, u64 a3, u64 a4, u64 a5)
{
    struct domain *d;
    struct frames m;
    struct cap *parent;
    struct space *s;

    (void)a3, (void)a4, (void)a5;
    int error = find_domain(domain, FB_AUTH(0, 0, FB_RIGHT_CREATE), &d, NULL);
    if (!error)
        error = find_frames(caller(), memory, FB_AUTH(0, 0, FB_RIGHT_GIVE), &m, &parent);
    if (error)
        return ERR(error);
    if (frame & 1)
        return ERR(-FB_E_ALIGN);
    if (!within(frame, 2, m.lo, m.hi))
        return ERR(-FB_E_RANGE);
    struct cap_table *table = &caller()->table;
    error = cap_reserve(table, parent);
    if (error)
        return ERR(error);
    error = space_init(d, frame, &s);
    u64 name = 0;
    if (!error) {
        struct authority may = { .auth = SPACE_AUTH & (parent->may.auth | ~LATTICE_CLASS),
                                 .lo = 0,
                                 .hi = 1 };
        name = cap_insert_locked(table, parent, FB_TYPE_SPACE, s, may);
        s->cap = &table->slots[name & CAP_SLOT_MASK];
    }
    cap_release();
    return RET(error, name);
}

static bool
space_is_current(const struct space *s)
{
    for (struct vcpu *v = s->domain->vcpus; v != NULL; v = v->next)
        if (v->space == s)
            return true;
    return false;
}

/* It is marked dying, and its names go; when every CPU has passed a quiet point nobody
 * can come into it any more, and it is freed.  All under the tree lock (P8). */
static int
space_destroy_locked(u64 name)
{
    struct cap *c;
    int error = cap_find_ending(
        &caller()->table, name, FB_TYPE_SPACE,
        FB_AUTH(0, FB_KIND_MEMORY_VIRT, FB_RIGHT_MAP | FB_RIGHT_CONTROL), &c);
    if (error)
        return error;
    struct space *s = c->object;
    struct domain *d = s->domain;
    if (!domain_alive(d))
        return -FB_E_DEAD; /* it goes with its domain */
    if (space_is_current(s))
        return -FB_E_INUSE;
    if (!s->dying) {
        error = space_check_empty(s); /* marks it dying */
        if (error)
            return error;
    }
    error = cap_end_locked(s->cap, c);
    if (error)
        return error;
    if (space_is_current(s)) /* a switch was under way */
        return -FB_E_INUSE;
    error = space_list_lock(d);
    if (error)
        return error;
    error = cap_destroy_locked(s->cap, c);
    if (!error)
        space_free(s);
    space_list_unlock(d);
    return error;
}

struct ret
call_space_destroy(u64 name, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
    (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    int error = cap_lock();
    if (error)
        return ERR(error);
    error = space_destroy_locked(name);
    cap_release();
    return ERR(error);
}

/* Memory of `by`, the caller, comes into t: a revocation of it has to find it there. */
static inline void
note(struct domain *by, struct tree t)
{
    if (__builtin_expect(t.domain != by, 0))
        tree_note(t, by);
}

struct ret
call_space_table(u64 space, u64 va, u64 level, u64 memory, u64 frame, u64 a5)
{
    struct domain *by = caller();
    struct tree t;
    struct frames m;

    (void)a5;
    int error = find_tree(by, space, va, &t);
    if (!error)
        error = find_frames(by, memory, FB_AUTH(0, 0, FB_RIGHT_GIVE), &m, NULL);
    if (error)
        return ERR(error);
    if (level < 1 || level > 3)
        return ERR(-FB_E_ARG);
    if (!within(frame, 1, m.lo, m.hi))
        return ERR(-FB_E_RANGE);
    note(by, t);
    return ERR(space_link_table(t, va, (unsigned)level, frame));
}

struct ret
call_space_map(u64 space, u64 va, u64 memory, u64 frame, u64 flags, u64 count)
{
    struct domain *by = caller();
    struct tree t;
    struct frames m;
    u64 done = 0;

    int error = find_tree(by, space, va, &t);
    if (!error)
        error = find_frames(by, memory, 0, &m, NULL);
    if (error)
        return ERR(error);
    note(by, t);
    if (!(flags & FB_MAP_LIST)) {
        error = space_map_run(t, va, &m, frame, (u32)flags, count, &done);
        return RET(error, done);
    }
    if (count > FB_RANGE_STEP)
        return ERR(-FB_E_ARG);
    const u64 *list = buffer_at(frame, count * 8, 8);
    error = list
                ? space_map_list(t, va, &m, list, (u32)flags & ~FB_MAP_LIST, count, &done)
                : -FB_E_FAULT;
    return RET(error, done);
}

struct ret
call_space_protect(u64 space, u64 va, u64 pages, u64 flags, u64 memory, u64 a5)
{
    struct domain *by = caller();
    struct tree t;
    struct frames m = { 0 };
    u64 done = 0;

    (void)a5;
    int error = find_tree(by, space, va, &t);
    if (!error && memory != 0)
        error = find_frames(by, memory, 0, &m, NULL);
    if (error)
        return ERR(error);
    if (memory != 0)
        note(by, t);
    error = space_protect_range(t, va, pages, (u32)flags, memory != 0 ? &m : NULL, &done);
    return RET(error, done);
}

struct ret
call_space_unmap(u64 space, u64 va, u64 pages, u64 flags, u64 offset, u64 max)
{
    struct domain *by = caller();
    struct tree t;
    u64 listed = 0, done = 0;

    int error = find_tree(by, space, va, &t);
    if (error)
        return ERR(error);
    if (max == 0 || max > FB_BUFFER_BYTES / 8)
        return ERR(-FB_E_FAULT);
    u64 *list = buffer_at(offset, max * 8, 8);
    if (!list)
        return ERR(-FB_E_FAULT);
    error = space_unmap_range(t, va, pages, (u32)flags, list, max, &listed, &done);
    return RET(error, listed << 40 | done);
}

struct ret
call_space_copy(u64 to, u64 from, u64 va, u64 pages, u64 flags, u64 a5)
{
    struct cap *ct, *cf;
    u64 done = 0;
    unsigned level = 0;

    (void)a5;
    int error = find(to, FB_TYPE_SPACE, NEED(0, MEMORY_VIRT, MAP), &ct);
    if (!error)
        error = find(from, FB_TYPE_SPACE, NEED(0, MEMORY_VIRT, MAP), &cf);
    if (error)
        return ERR(error);
    if (ct->object == cf->object)
        return ERR(-FB_E_ARG);
    struct space *st = ct->object, *sf = cf->object;
    if (st->domain != sf->domain)
        return ERR(-FB_E_AUTHORITY);
    for (u32 i = 0; i < MAPPERS && sf->mappers.id[i]; i++)
        mapper_add(&st->mappers, sf->mappers.id[i]);
    error = space_copy_range(st, sf, va, pages, (u32)flags, &done, &level);
    return RET(error, error == -FB_E_NOTABLE ? (u64)level << 56 | done : done);
}

/* SPDX-License-Identifier: MIT */
/* The model's calls on spaces. */
#include "parts.h"

static long
find_tree(const struct world *w, const struct call *c, int *tree)
{
    bool window = c->a[1] >= FB_WINDOW_BASE;
    long i = window ? m_typed(w, c->actor, c->a[0], FB_TYPE_DOMAIN,
                              KINDS(FB_KIND_HARDWARE) | RIGHTS(FB_RIGHT_MAP))
                    : m_typed(w, c->actor, c->a[0], FB_TYPE_SPACE,
                              KINDS(FB_KIND_MEMORY_VIRT) | RIGHTS(FB_RIGHT_MAP));
    if (i < 0)
        return i;
    *tree = window ? m_window(w->cap[i].object) : w->cap[i].object;
    return 0;
}

long
m_find_memory(const struct world *w, int dom, fb_u64 name, fb_u64 rights)
{
    return m_typed(w, dom, name, FB_TYPE_MEMORY,
                   KINDS(FB_KIND_MEMORY_PHYS) | RIGHTS(rights));
}

bool
m_inside(const struct mcap *m, fb_u64 frame, fb_u64 n)
{
    return frame >= m->lo && frame < m->hi && n <= m->hi - frame;
}

long
m_call_space_create(struct world *w, const struct call *c, int *out)
{
    int dom = c->actor;
    long m, tree = 0;

    if (c->a[0]) {
        long d = m_typed(w, c->actor, c->a[0], FB_TYPE_DOMAIN, RIGHTS(FB_RIGHT_CREATE));
        if (d < 0)
            return d;
        dom = w->cap[d].object;
    }
    m = m_find_memory(w, c->actor, c->a[1], FB_RIGHT_GIVE);
    if (m < 0)
        return m;
    if (c->a[2] & 1)
        return -FB_E_ALIGN;
    if (!m_inside(&w->cap[m], c->a[2], 2))
        return -FB_E_RANGE;
    if (m_used(w, c->actor) >= (c->actor ? SLOTS : w->slots0))
        return -FB_E_FULL;
    if (!m_givable(w, c->a[2], false) || !m_givable(w, c->a[2] + 1, false))
        return -FB_E_INUSE;
    while (w->tree[tree].live)
        tree++;
    fb_u64 rights = FB_RIGHT_READ | FB_RIGHT_MAP | FB_RIGHT_SWITCH | FB_RIGHT_CONTROL |
                    FB_RIGHT_DERIVE | FB_RIGHT_GRANT | FB_RIGHT_REVOKE;
    *out = m_new(w, (struct mcap){ .is = C_LIVE,
                                   .first = true,
                                   .parent = (int)m,
                                   .dom = c->actor,
                                   .object = (int)tree,
                                   .type = FB_TYPE_SPACE,
                                   .auth = (w->cap[m].auth & FB_CLASS_ROOT) |
                                           KINDS(FB_KIND_MEMORY_VIRT) | RIGHTS(rights),
                                   .lo = 0,
                                   .hi = 1 });
    w->tree[tree] =
        (struct mtree){ .live = true, .dom = dom, .cap = *out, .root = c->a[2] };
    return 0;
}

long
m_call_space_destroy(struct world *w, const struct call *c)
{
    long s =
        m_typed(w, c->actor, c->a[0], FB_TYPE_SPACE,
                KINDS(FB_KIND_MEMORY_VIRT) | RIGHTS(FB_RIGHT_MAP | FB_RIGHT_CONTROL));

    if (s < 0)
        return s;
    int tree = w->cap[s].object;
    if (w->tree[tree].node[3])
        return -FB_E_INUSE;
    m_space_end(w, tree);
    return 0;
}

long
m_call_space_table(struct world *w, const struct call *c)
{
    int tree = NONE;
    long e = find_tree(w, c, &tree), m;

    if (e)
        return e;
    m = m_find_memory(w, c->actor, c->a[3], FB_RIGHT_GIVE);
    if (m < 0)
        return m;
    fb_u64 level = c->a[2];
    if (level < 1 || level > 3)
        return -FB_E_ARG;
    if (!m_inside(&w->cap[m], c->a[4], 1))
        return -FB_E_RANGE;
    m_note(w, tree, c->actor);
    if (level > (fb_u64)m_top(tree))
        return -FB_E_ARG;
    struct mtree *t = &w->tree[tree];
    for (int l = m_top(tree); l > (int)level; l--)
        if (!t->node[l])
            return -FB_E_NOTABLE;
    if (t->node[level])
        return -FB_E_MAPPED;
    if (!m_givable(w, c->a[4], true))
        return -FB_E_INUSE;
    t->node[level] = c->a[4];
    return 0;
}

static bool
table_there(const struct mtree *t, int tree)
{
    for (int l = m_top(tree); l >= 1; l--)
        if (!t->node[l])
            return false;
    return true;
}

/* One page. */
long
m_call_space_map(struct world *w, const struct call *c)
{
    int tree = NONE;
    long e = find_tree(w, c, &tree), m;
    fb_u32 flags = (fb_u32)c->a[4];

    if (e)
        return e;
    m = m_find_memory(w, c->actor, c->a[2], 0);
    if (m < 0)
        return m;
    m_note(w, tree, c->actor);
    if (!(flags & FB_MAP_READ))
        return -FB_E_ARG;
    if (RIGHTS(flags) & ~w->cap[m].auth)
        return -FB_E_AUTHORITY;
    if (tree >= SPACES && (flags & FB_MAP_WRITE) && (flags & FB_MAP_EXEC))
        return -FB_E_WX;
    if (!m_inside(&w->cap[m], c->a[3], 1))
        return -FB_E_RANGE;
    struct mtree *t = &w->tree[tree];
    if (!table_there(t, tree))
        return -FB_E_NOTABLE;
    fb_u64 p = (c->a[1] - m_va(w, tree, 0)) / 4096;
    if (t->page[p])
        return -FB_E_MAPPED;
    struct mframe f = m_frame(w, c->a[3]);
    bool readable = f.type == FB_FRAME_DATA || f.type == FB_FRAME_TABLE ||
                    f.type == FB_FRAME_DOMAIN_RECORD;
    if (flags & FB_MAP_WRITE ? f.type != FB_FRAME_DATA : !readable)
        return -FB_E_INUSE;
    t->page[p] = c->a[3] + 1;
    t->rights[p] = flags;
    return 0;
}

long
m_call_space_protect(struct world *w, const struct call *c)
{
    int tree = NONE;
    long e = find_tree(w, c, &tree), m = NONE;
    fb_u32 flags = (fb_u32)c->a[3];

    if (e)
        return e;
    if (c->a[4]) {
        m = m_find_memory(w, c->actor, c->a[4], 0);
        if (m < 0)
            return m;
        m_note(w, tree, c->actor);
    }
    if (flags && !(flags & FB_MAP_READ))
        return -FB_E_ARG;
    if (tree >= SPACES && (flags & FB_MAP_WRITE) && (flags & FB_MAP_EXEC))
        return -FB_E_WX;
    struct mtree *t = &w->tree[tree];
    fb_u64 p = (c->a[1] - m_va(w, tree, 0)) / 4096;
    for (fb_u64 end = p + c->a[2]; p < end; p++) {
        if (!t->page[p])
            continue;
        bool in = m != NONE && m_inside(&w->cap[m], t->page[p] - 1, 1);
        fb_u32 may = t->rights[p] | FB_MAP_READ |
                     (in ? (fb_u32)(w->cap[m].auth >> 32) & X_RIGHTS : 0);
        if (m_frame(w, t->page[p] - 1).type != FB_FRAME_DATA)
            may &= ~FB_MAP_WRITE;
        t->rights[p] = flags & may;
    }
    return 0;
}

long
m_call_space_unmap(struct world *w, const struct call *c)
{
    int tree = NONE;
    long e = find_tree(w, c, &tree);

    if (e)
        return e;
    struct mtree *t = &w->tree[tree];
    fb_u64 p = (c->a[1] - m_va(w, tree, 0)) / 4096;
    for (fb_u64 end = p + c->a[2]; p < end; p++)
        t->page[p] = 0;
    for (int l = 1; (c->a[3] & FB_UNMAP_TABLES) && l <= m_top(tree); l++) {
        bool empty = l == 1 || !t->node[l - 1];
        for (fb_u32 k = 0; k < PAGES; k++)
            empty &= l > 1 || !t->page[k];
        if (!empty)
            break;
        t->node[l] = 0;
    }
    return 0;
}

/* Ranges are smaller than what a page table spans, so FB_COPY_TABLES shares none. */
long
m_call_space_copy(struct world *w, const struct call *c)
{
    fb_u64 need = KINDS(FB_KIND_MEMORY_VIRT) | RIGHTS(FB_RIGHT_MAP);
    long to = m_typed(w, c->actor, c->a[0], FB_TYPE_SPACE, need);
    long from = to < 0 ? to : m_typed(w, c->actor, c->a[1], FB_TYPE_SPACE, need);

    if (from < 0)
        return from;
    int a = w->cap[to].object, b = w->cap[from].object;
    struct mtree *t = &w->tree[a], *f = &w->tree[b];
    if (a == b)
        return -FB_E_ARG;
    if (t->dom != f->dom)
        return -FB_E_AUTHORITY;
    for (int i = 0; i < 4; i++) /* whose mappings it gets */
        if (f->mapper[i])
            m_note_serial(t, f->mapper[i]);
    fb_u64 flags = c->a[4], p = (c->a[2] - m_va(w, a, 0)) / 4096;
    if (flags != FB_COPY_COW && flags != FB_COPY_SHARE &&
        flags != (FB_COPY_COW | FB_COPY_TABLES))
        return -FB_E_ARG;
    for (fb_u64 end = p + c->a[3]; p < end; p++) {
        if (!f->page[p])
            continue;
        if (!table_there(t, a))
            return -FB_E_NOTABLE;
        if (t->page[p])
            return -FB_E_MAPPED;
        if (flags & FB_COPY_COW)
            f->rights[p] &= ~FB_MAP_WRITE;
        t->page[p] = f->page[p];
        t->rights[p] = f->rights[p];
    }
    return 0;
}

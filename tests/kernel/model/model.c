/* SPDX-License-Identifier: MIT */
/* The reference model: see model.h. */
#include "parts.h"

#define COVER 64

static bool
bottom(fb_u64 auth, fb_u64 lo, fb_u64 hi)
{
    return !(auth & 0x3f) || !(auth & 0xffff00) || !(auth >> 32 & 0xffff) || lo >= hi;
}

int
m_window(int dom)
{
    return SPACES + dom;
}

int
m_top(int tree)
{
    return tree < SPACES ? 3 : 2;
}

fb_u64
m_va(const struct world *w, int tree, fb_u64 page)
{
    (void)w;
    return (tree < SPACES ? 0x40000000ull : FB_WINDOW_BASE + 0x7000000000ull) +
           page * 4096;
}

int
m_find(const struct world *w, int dom, fb_u64 name)
{
    for (int i = 0; i < CAPS && name; i++)
        if (w->cap[i].is == C_LIVE && w->cap[i].dom == dom && w->cap[i].name == name)
            return i;
    return NONE;
}

int
m_new(struct world *w, struct mcap c)
{
    for (int i = 0; i < CAPS; i++)
        if (w->cap[i].is == C_FREE) {
            w->cap[i] = c;
            return i;
        }
    return NONE;
}

/* ---- frames ---- */

static void
count_tree(const struct world *w, const struct mtree *t, struct mframe *f, int top)
{
    if (!t->live)
        return;
    for (int l = 1; l <= top; l++)
        if (t->node[l]) {
            f[t->node[l] - w->base].type = FB_FRAME_TABLE;
            f[t->node[l] - w->base].linked = true;
        }
    for (fb_u32 p = 0; p < PAGES; p++)
        if (t->page[p]) {
            f[t->page[p] - 1 - w->base].maps++;
            f[t->page[p] - 1 - w->base].wmaps += (t->rights[p] & FB_MAP_WRITE) != 0;
        }
}

void
m_frames(const struct world *w, struct mframe f[FRAMES])
{
    for (fb_u32 i = 0; i < FRAMES; i++)
        f[i] = (struct mframe){ FB_FRAME_DATA, 0, 0, w->pins[i], false };
    for (int i = 0; i < TREES; i++) {
        const struct mtree *t = &w->tree[i];
        count_tree(w, t, f, m_top(i));
        if (t->live && i < SPACES)
            f[t->root - w->base].type = f[t->root + 1 - w->base].type = FB_FRAME_ROOT;
    }
    for (fb_u32 i = 0; i < FRAMES; i++)
        if (w->endpoint[i])
            f[i].type = FB_FRAME_OBJECT;
    for (int i = 1; i < DOMS; i++)
        if (w->dom[i].live) {
            struct mframe *o = &f[w->dom[i].object - w->base];
            o[0].type = FB_FRAME_OBJECT;
            o[1].type = FB_FRAME_DOMAIN_RECORD;
            o[2].type = FB_FRAME_CAPTAB;
            o[3].type = FB_FRAME_TABLE;
            o[3].linked = true;
        }
}

struct mframe
m_frame(const struct world *w, fb_u64 frame)
{
    struct mframe f[FRAMES];
    m_frames(w, f);
    return f[frame - w->base];
}

static bool
serves(const struct mframe *f)
{
    return f->type != FB_FRAME_DATA || f->pins;
}

/* May it become an object, a root (nobody maps it) or a table (nobody writes it)? */
bool
m_givable(const struct world *w, fb_u64 frame, bool table)
{
    struct mframe f = m_frame(w, frame);
    return f.type == FB_FRAME_DATA && !f.pins && !f.wmaps && (table || !f.maps);
}

/* ---- the tree of capabilities ---- */

static bool
made(const struct mcap *c)
{
    return c->first && c->type == FB_TYPE_DOMAIN;
}

/* Is i below r?  A revocation does not go into what was made (domains). */
static bool
below(const struct world *w, int i, int r, bool through_made)
{
    while (i != NONE && i != r) {
        if (!through_made && made(&w->cap[i]))
            return false;
        i = w->cap[i].parent;
    }
    return i == r;
}

static void
m_hoist(struct world *w, int from, int to)
{
    for (int i = 0; i < CAPS; i++)
        if (w->cap[i].is != C_FREE && w->cap[i].parent == from)
            w->cap[i].parent = to;
}

static void
kill_below(struct world *w, int f)
{
    bool gone[CAPS];
    for (int i = 0; i < CAPS; i++)
        gone[i] = w->cap[i].is != C_FREE && i != f && below(w, i, f, true);
    for (int i = 0; i < CAPS; i++)
        if (gone[i])
            w->cap[i].is = C_FREE;
}

void
m_kill(struct world *w, int f)
{
    if (f == NONE)
        return;
    kill_below(w, f);
    w->cap[f].is = C_FREE;
}

static bool
covered(const struct world *w, int c, int from)
{
    for (int n = 0; from != NONE && n < COVER; n++, from = w->cap[from].parent)
        if (w->cap[from].is == C_LIVE && w->cap[from].dom == w->cap[c].dom &&
            w->cap[from].type == w->cap[c].type)
            return true;
    return false;
}

static bool
needs_sweep(const struct world *w, int c, int from)
{
    return w->cap[c].type == FB_TYPE_MEMORY && from != NONE && !covered(w, c, from);
}

/* ---- trees ---- */

static bool
mapped_by(const struct mtree *t, fb_u64 serial)
{
    for (int i = 0; i < 4; i++)
        if (t->mapper[i] == serial || t->mapper[i] == MAPPER_ANY)
            return true;
    return false;
}

void
m_note_serial(struct mtree *t, fb_u64 serial)
{
    if (mapped_by(t, serial))
        return;
    for (int i = 0; i < 4; i++)
        if (t->mapper[i] == 0) {
            t->mapper[i] = serial;
            return;
        }
    t->mapper[3] = MAPPER_ANY;
}

void
m_note(struct world *w, int tree, int actor)
{
    if (w->tree[tree].dom != actor)
        m_note_serial(&w->tree[tree], w->dom[actor].serial);
}

/* Everything in [lo, hi) goes from the tree, and all that is below a node of it. */
static void
evict(struct mtree *t, int top, fb_u64 lo, fb_u64 hi)
{
    int hit = 0;

    for (int l = top; l >= 1 && !hit; l--)
        if (t->node[l] && t->node[l] >= lo && t->node[l] < hi)
            hit = l;
    for (fb_u32 p = 0; p < PAGES; p++)
        if (t->page[p] && (hit || (t->page[p] - 1 >= lo && t->page[p] - 1 < hi)))
            t->page[p] = 0;
    for (; hit >= 1; hit--)
        t->node[hit] = 0;
}

static void
sweep(struct world *w, const struct mcap *c)
{
    for (int i = 0; i < TREES; i++)
        if (w->tree[i].live &&
            (w->tree[i].dom == c->dom || mapped_by(&w->tree[i], w->dom[c->dom].serial)))
            evict(&w->tree[i], m_top(i), c->lo, c->hi);
}

/* Do frames of it still serve?  Those that were seen not to are not looked at again. */
static bool
stuck(const struct world *w, struct mcap *c)
{
    struct mframe f[FRAMES];

    if (c->type != FB_TYPE_MEMORY)
        return false;
    m_frames(w, f);
    if (c->cursor < c->lo)
        c->cursor = c->lo;
    for (; c->cursor < c->hi; c->cursor++)
        if (c->cursor >= w->base && c->cursor - w->base < FRAMES &&
            serves(&f[c->cursor - w->base]))
            return true;
    return false;
}

/* ---- capability calls ---- */

fb_u64
m_used(const struct world *w, int dom)
{
    fb_u64 n = 0;
    for (int i = 0; i < CAPS; i++)
        n += w->cap[i].is != C_FREE && w->cap[i].dom == dom;
    return n;
}

long
m_derive(struct world *w, const struct call *c, int to, fb_u64 auth, fb_u64 lo, fb_u64 hi,
         fb_u64 need, fb_u64 clearance, int *out)
{
    int s = m_find(w, c->actor, c->a[0]);

    if (s == NONE)
        return -FB_E_NAME;
    struct mcap n = w->cap[s];
    if (need & ~n.auth)
        return -FB_E_AUTHORITY;
#ifndef MODEL_FAULT_KEEPS_RIGHT
    n.auth &= auth;
#else
    n.auth &= auth | RIGHTS(FB_RIGHT_REVOKE);
#endif
    n.lo = lo > n.lo ? lo : n.lo;
    n.hi = hi < n.hi ? hi : n.hi;
    if (bottom(n.auth, n.lo, n.hi))
        return -FB_E_EMPTY;
    if (n.auth & 0xff & ~clearance)
        return -FB_E_CLEARANCE;
    if (m_used(w, to) >= (to ? SLOTS : w->slots0))
        return -FB_E_FULL;
    n.first = n.fixed = n.revoking = n.deleting = n.taken = n.swept = false;
    n.parent = s;
    n.dom = to;
    n.name = 0; /* to come */
    *out = m_new(w, n);
    return 0;
}

/* Of type, with rights: the index, or the error. */
long
m_typed(const struct world *w, int dom, fb_u64 name, fb_u32 type, fb_u64 need)
{
    int i = m_find(w, dom, name);

    if (i == NONE)
        return -FB_E_NAME;
    if (w->cap[i].type != type)
        return -FB_E_TYPE;
    return need & ~w->cap[i].auth ? -FB_E_AUTHORITY : i;
}

static long
call_grant(struct world *w, const struct call *c, int *out)
{
    long d = m_typed(w, c->actor, c->a[1], FB_TYPE_DOMAIN, RIGHTS(FB_RIGHT_GRANT));

    if (d < 0)
        return d;
    int to = w->cap[d].object;
    return m_derive(w, c, to, c->a[2], c->a[3], c->a[4], RIGHTS(FB_RIGHT_GRANT),
                    w->dom[to].clearance, out);
}

static long
call_delete(struct world *w, const struct call *c)
{
    int i = m_find(w, c->actor, c->a[0]);

    for (int k = 0; k < CAPS && i == NONE; k++)
        if (w->cap[k].is == C_DYING && w->cap[k].deleting && w->cap[k].dom == c->actor &&
            w->cap[k].name == c->a[0])
            i = k;
    if (i == NONE)
        return -FB_E_NAME;
    struct mcap *d = &w->cap[i];
    if (d->is == C_LIVE) {
        if (d->first || d->revoking)
            return -FB_E_INUSE;
        m_hoist(w, i, d->parent);
        if (!needs_sweep(w, i, d->parent)) {
            d->is = C_FREE;
            return 0;
        }
        d->is = C_DYING;
        d->deleting = d->swept = true;
        d->cursor = 0;
        sweep(w, d);
    }
    if (stuck(w, d))
        return -FB_E_INUSE;
    d->is = C_FREE;
    return 0;
}

static long
call_move(struct world *w, const struct call *c, int *out)
{
    long d = m_typed(w, c->actor, c->a[1], FB_TYPE_DOMAIN, RIGHTS(FB_RIGHT_GRANT));

    return d < 0 ? d : m_move(w, c, w->cap[d].object, out);
}

long
m_move(struct world *w, const struct call *c, int to, int *out)
{
    int s = m_find(w, c->actor, c->a[0]);

    if (s == NONE)
        return -FB_E_NAME;
    struct mcap *m = &w->cap[s], n = *m;
    if (!(m->auth & RIGHTS(FB_RIGHT_GRANT)))
        return -FB_E_AUTHORITY;
    if (m->auth & 0xff & ~w->dom[to].clearance)
        return -FB_E_CLEARANCE;
    if (m_used(w, to) >= (to ? SLOTS : w->slots0))
        return -FB_E_FULL;
    if (m->first || m->revoking)
        return -FB_E_INUSE;
    n.dom = to;
    n.name = 0;
    *out = m_new(w, n);
    m_hoist(w, s, *out);
    m->parent = *out;
    m->is = C_FREE;
    if (needs_sweep(w, s, *out)) {
        sweep(w, m);
        m->cursor = 0;
        m->deleting = m->swept = true;
        m->is = stuck(w, m) ? C_DYING : C_FREE;
    }
    return 0;
}

void
m_space_end(struct world *w, int tree)
{
    m_kill(w, w->tree[tree].cap);
    w->tree[tree] = (struct mtree){ .live = false };
}

static long
call_revoke(struct world *w, const struct call *c)
{
    bool gone[CAPS];
    int r = m_find(w, c->actor, c->a[0]);
    bool left = false, spared = false;

    if (r == NONE)
        return -FB_E_NAME;
    if (!(w->cap[r].auth & RIGHTS(FB_RIGHT_REVOKE)))
        return -FB_E_AUTHORITY;
    for (int i = 0; i < CAPS; i++)
        gone[i] = w->cap[i].is != C_FREE && i != r && below(w, i, r, false);
    for (int i = 0; i < CAPS; i++) /* of what was begun only the scan is left */
        if (gone[i] && !w->cap[i].swept) {
            w->cap[i].is = C_DYING;
            w->cap[i].swept = needs_sweep(w, i, r);
            w->cap[i].cursor = 0;
            if (w->cap[i].swept)
                sweep(w, &w->cap[i]);
        }
    for (int i = 0; i < CAPS; i++) /* what stands on the memory */
        if (gone[i] && w->cap[i].type == FB_TYPE_SPACE && w->cap[i].first)
            w->tree[w->cap[i].object] = (struct mtree){ .live = false };
        else if (gone[i] && w->cap[i].type == FB_TYPE_ENDPOINT && w->cap[i].first)
            w->endpoint[w->cap[i].object] = false;
    for (int i = 0; i < CAPS; i++) {
        if (!gone[i])
            continue;
        m_hoist(w, i, r);
        w->cap[i].parent = r;
        w->cap[i].taken = true;
        if (w->cap[i].swept && stuck(w, &w->cap[i]))
            left = true;
        else
            w->cap[i].is = C_FREE;
    }
    w->cap[r].revoking = left;
    for (int i = 0; i < CAPS; i++)
        spared |= w->cap[i].is == C_LIVE && w->cap[i].parent == r && made(&w->cap[i]);
    return left || spared ? -FB_E_INUSE : 0;
}

/* ---- domains ---- */

static long
call_domain_create(struct world *w, const struct call *c, int *out)
{
    const struct fb_domain_params *p = &c->params;
    long k = m_typed(w, c->actor, c->a[0], FB_TYPE_MACHINE,
                     KINDS(FB_KIND_HARDWARE) | RIGHTS(FB_RIGHT_CREATE));
    int d = 1;

    if (k < 0)
        return k;
    long m = m_find_memory(w, c->actor, c->a[1], FB_RIGHT_GIVE);
    if (m < 0)
        return m;
    if (p->clearance == 0)
        return -FB_E_ARG;
    if (p->clearance & ~w->dom[c->actor].clearance)
        return -FB_E_CLEARANCE;
    if (!m_inside(&w->cap[m], p->object_frame, OBJECTS))
        return -FB_E_RANGE;
    if (m_used(w, c->actor) >= (c->actor ? SLOTS : w->slots0))
        return -FB_E_FULL;
    for (fb_u64 i = 0; i < OBJECTS; i++)
        if (!m_givable(w, p->object_frame + i, i == 1 || i == 3))
            return -FB_E_INUSE;
    while (w->dom[d].live)
        d++;
    fb_u64 rights = FB_RIGHT_READ | FB_RIGHT_DERIVE | FB_RIGHT_GRANT | FB_RIGHT_REVOKE |
                    FB_RIGHT_MAP | FB_RIGHT_CREATE | FB_RIGHT_CONTROL | FB_RIGHT_SIGNAL;
    *out = m_new(w, (struct mcap){ .is = C_LIVE,
                                   .first = true,
                                   .parent = (int)k,
                                   .dom = c->actor,
                                   .object = d,
                                   .type = FB_TYPE_DOMAIN,
                                   .auth = (w->cap[k].auth & FB_CLASS_ROOT) |
                                           KINDS(FB_KIND_HARDWARE) | RIGHTS(rights),
                                   .lo = 0,
                                   .hi = 1 });
    w->dom[d] = (struct mdom){ .live = true,
                               .maker = c->actor,
                               .cap = *out,
                               .object = p->object_frame,
                               .serial = ++w->serial,
                               .clearance = p->clearance };
    w->tree[m_window(d)] = (struct mtree){ .live = true, .dom = d, .cap = NONE };
    return 0;
}

/* What it made ends first; its trees, its capabilities with what they kept mapped
 * elsewhere, and the names on it go. */
static void
domain_end(struct world *w, int d)
{
    for (int i = 0; i < CAPS; i++)
        if (w->cap[i].is == C_LIVE && w->cap[i].dom == d && made(&w->cap[i]))
            domain_end(w, w->cap[i].object);
    for (int i = 0; i < TREES; i++)
        if (w->tree[i].live && w->tree[i].dom == d)
            m_space_end(w, i);
    for (int i = 0; i < CAPS; i++) {
        struct mcap *c = &w->cap[i];
        if (c->is == C_FREE || c->dom != d)
            continue;
        if (c->first) {
            if (c->type == FB_TYPE_ENDPOINT)
                w->endpoint[c->object] = false;
            else if (c->is == C_DYING) /* its revocation is completed */
                w->tree[c->object] = (struct mtree){ .live = false };
            else
                w->tree[c->object].cap = NONE;
            m_kill(w, i);
            continue;
        }
        if (!c->swept && c->type == FB_TYPE_MEMORY)
            sweep(w, c);
        m_hoist(w, i, c->parent);
        c->is = C_FREE;
    }
    m_kill(w, w->dom[d].cap);
    w->dom[d].live = false;
}

static long
call_domain_destroy(struct world *w, const struct call *c)
{
    long i = m_typed(w, c->actor, c->a[0], FB_TYPE_DOMAIN,
                     KINDS(FB_KIND_HARDWARE) | RIGHTS(FB_RIGHT_CONTROL));

    if (i < 0)
        return i;
    if (w->cap[i].object == c->actor)
        return -FB_E_INUSE;
    domain_end(w, w->cap[i].object);
    return 0;
}

static long
one_call(struct world *w, const struct call *c, int *out)
{
    switch (c->number) {
    case FB_CALL_CAP_DERIVE:
        return m_derive(w, c, c->actor, c->a[1], c->a[2], c->a[3],
                        RIGHTS(FB_RIGHT_DERIVE), FB_CLASS_ROOT, out);
    case FB_CALL_CAP_GRANT: return call_grant(w, c, out);
    case FB_CALL_CAP_MOVE: return call_move(w, c, out);
    case FB_CALL_ENDPOINT_CREATE: return m_call_endpoint_create(w, c, out);
    case FB_CALL_ENDPOINT_DESTROY: return m_call_endpoint_destroy(w, c);
    case FB_CALL_CAP_DELETE: return call_delete(w, c);
    case FB_CALL_CAP_REVOKE: return call_revoke(w, c);
    case FB_CALL_SPACE_CREATE: return m_call_space_create(w, c, out);
    case FB_CALL_SPACE_DESTROY: return m_call_space_destroy(w, c);
    case FB_CALL_SPACE_TABLE: return m_call_space_table(w, c);
    case FB_CALL_SPACE_MAP: return m_call_space_map(w, c);
    case FB_CALL_SPACE_PROTECT: return m_call_space_protect(w, c);
    case FB_CALL_SPACE_COPY: return m_call_space_copy(w, c);
    case FB_CALL_SPACE_UNMAP: return m_call_space_unmap(w, c);
    case FB_CALL_DOMAIN_CREATE: return call_domain_create(w, c, out);
    case FB_CALL_DOMAIN_DESTROY: return call_domain_destroy(w, c);
    case FB_CALL_IPC_CALL: return m_call_ipc_call(w, c, out);
    case FB_CALL_IPC_RECEIVE: return m_call_ipc_receive(w, c);
    case FB_CALL_IPC_REPLY: return m_call_ipc_reply(w, c, out);
    default: return -FB_E_CALL;
    }
}

long
m_call(struct world *w, const struct call *c, int *out)
{
    *out = NONE;
    long error = one_call(w, c, out);
    m_look(w);
    return error;
}

/* SPDX-License-Identifier: MIT */
/*
 * The random driver: calls are made up from a seed, carried out by the kernel, then by
 * the model, and both compared (compare.c): the error, every thread, capability, frame.
 *
 * Of the arguments most are such that the call succeeds; one in eight is something else:
 * a name that is dead, of another type or of another domain, a frame outside of the
 * interval.
 */
#include "model.h"

fb_u64
driver_random(fb_u64 *state)
{
    *state ^= *state << 13; /* xorshift64: Marsaglia, 2003 */
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 11;
}

static fb_u64
below(struct world *w, fb_u64 n)
{
    return driver_random(&w->seed) % n;
}

/* A capability of the actor's of this type, deep ones more often; NONE. */
static int
pick(struct world *w, int dom, fb_u32 type)
{
    int best = NONE, depth = -1;

    for (int tries = 0; tries < 3; tries++) {
        int chosen = NONE, d = 0;
        fb_u64 n = 0;
        for (int i = 0; i < CAPS; i++)
            if (w->cap[i].is == C_LIVE && w->cap[i].dom == dom &&
                (type == 0 || w->cap[i].type == type) && below(w, ++n) == 0)
                chosen = i;
        for (int p = chosen; p != NONE; p = w->cap[p].parent)
            d++;
        if (chosen != NONE && d > depth)
            best = chosen, depth = d;
        if (below(w, 2))
            break;
    }
    return best;
}

/* A name for a call by dom: mostly of `type`, else anything. */
static fb_u64
name_of(struct world *w, int dom, fb_u32 type)
{
    if (below(w, 16) == 0) { /* dead, dying, of another domain or of another type */
        int i = (int)below(w, CAPS);
        /* Where domain 0 has more than the model knows of, names of others may mean that.
         */
        if (w->cap[i].name && (kernel->actors || w->cap[i].dom == dom) &&
            !(w->cap[i].type == FB_TYPE_SPACE && type == FB_TYPE_DOMAIN))
            return w->cap[i].name;
    }
    int i = pick(w, dom, type);
    return i == NONE ? 0x1234567 : w->cap[i].name;
}

static fb_u64
frame_in(struct world *w, int dom, fb_u64 name)
{
    int i = m_find(w, dom, name);

    if (i == NONE || w->cap[i].type != FB_TYPE_MEMORY || below(w, 12) == 0)
        return w->base + below(w, FRAMES);
    switch (below(w, 4)) { /* the ends matter most */
    case 0: return w->cap[i].lo;
    case 1: return w->cap[i].hi - 1;
    default: return w->cap[i].lo + below(w, w->cap[i].hi - w->cap[i].lo);
    }
}

static void
interval(struct world *w, fb_u64 source, int dom, fb_u64 *lo, fb_u64 *hi)
{
    int i = m_find(w, dom, source);

    *lo = 0;
    *hi = ~0ull;
    if (i != NONE && w->cap[i].type == FB_TYPE_ENDPOINT && below(w, 2)) { /* a badge */
        *lo = 1 + below(w, 1000);
        *hi = *lo + 1 + below(w, 2) * 100;
    }
    if (i == NONE || w->cap[i].type != FB_TYPE_MEMORY || below(w, 3) == 0)
        return;
    fb_u64 n = w->cap[i].hi - w->cap[i].lo;
    *lo = w->cap[i].lo + below(w, n / 2 + 1);
    *hi = *lo + 1 + below(w, n);
}

/* Everything, or all but one bit, or memory to be read only. */
static fb_u64
auth(struct world *w)
{
    switch (below(w, 8)) {
    case 0:
    case 1: return ~(1ull << below(w, 48));
    case 2: return ~FB_AUTH(0, 0, below(w, 2) ? FB_RIGHT_WRITE : FB_RIGHT_EXEC);
    default: return ~0ull;
    }
}

/* READ with what else there is; seldom nonsense. */
static fb_u64
rights(struct world *w)
{
    return below(w, 8) | (below(w, 16) ? FB_MAP_READ : 0);
}

/* A tree that the actor has a name for, and where in it. */
static void
place(struct world *w, struct call *c)
{
    bool window = below(w, 4) == 0;
    fb_u64 page = below(w, PAGES);

    c->a[0] = name_of(w, c->actor, window ? FB_TYPE_DOMAIN : FB_TYPE_SPACE);
    c->a[1] = m_va(w, window ? SPACES : 0, page);
}

/* Where something is mapped, mostly. */
static void
mapped_place(struct world *w, struct call *c)
{
    place(w, c);
    int i = m_find(w, c->actor, c->a[0]);
    bool window = c->a[1] >= FB_WINDOW_BASE;

    if (i == NONE || w->cap[i].type != (window ? FB_TYPE_DOMAIN : FB_TYPE_SPACE))
        return;
    const struct mtree *t = &w->tree[w->cap[i].object + (window ? SPACES : 0)];
    fb_u64 n = 0;
    for (fb_u64 p = 0; p < PAGES; p++)
        if (t->page[p] && below(w, ++n) == 0)
            c->a[1] = m_va(w, window ? SPACES : 0, p);
}

/* The level of the node that the place lacks, mostly. */
static fb_u64
missing(struct world *w, const struct call *c)
{
    int i = m_find(w, c->actor, c->a[0]);
    bool window = c->a[1] >= FB_WINDOW_BASE;

    if (i != NONE && w->cap[i].type == (window ? FB_TYPE_DOMAIN : FB_TYPE_SPACE) &&
        below(w, 6)) {
        const struct mtree *t = &w->tree[w->cap[i].object + (window ? SPACES : 0)];
        for (fb_u64 level = window ? 2 : 3; level >= 1; level--)
            if (!t->node[level])
                return level;
    }
    return 1 + below(w, 3);
}

static fb_u64
copy_flags(struct world *w)
{
    static const fb_u8 flags[] = { FB_COPY_COW, FB_COPY_COW, FB_COPY_SHARE,
                                   FB_COPY_COW | FB_COPY_TABLES, FB_COPY_TABLES, 0 };

    return flags[below(w, below(w, 20) ? 4 : sizeof(flags))];
}

/* From where a page is mapped, mostly, to any space. */
static bool
make_copy(struct world *w, struct call *c)
{
    mapped_place(w, c);
    if (c->a[1] >= FB_WINDOW_BASE)
        return false;
    c->number = FB_CALL_SPACE_COPY;
    c->a[2] = c->a[1];
    c->a[1] = c->a[0];
    c->a[0] = name_of(w, c->actor, FB_TYPE_SPACE);
    c->a[3] = 1 + below(w, PAGES - (c->a[2] - m_va(w, 0, 0)) / 4096);
    c->a[4] = copy_flags(w);
    return true;
}

static bool
room(const struct world *w)
{
    int caps = 0;
    for (int i = 0; i < CAPS; i++)
        caps += w->cap[i].is == C_FREE;
    return caps > 2;
}

static void
make_domain(struct world *w, struct call *c)
{
    c->number = FB_CALL_DOMAIN_CREATE;
    c->a[0] = name_of(w, c->actor, FB_TYPE_MACHINE);
    c->a[1] = name_of(w, c->actor, FB_TYPE_MEMORY);
    fb_u64 f = frame_in(w, c->actor, c->a[1]);
    c->params.object_frame = f;
    c->params.table_frame = f + 2;
    c->params.table_frames = 1;
    c->params.window_frame = f + 3;
    c->params.clearance = below(w, 4) ? FB_CLASS_ROOT : below(w, 64);
    c->params.gate = below(w, 2);
}

static bool
free_tree(const struct world *w, int lo, int hi)
{
    for (int i = lo; i < hi; i++)
        if (!w->tree[i].live)
            return true;
    return false;
}

/* What copying from one space to another lacks: a space, a node, a page; or the copy. */
static bool
make_fork(struct world *w, struct call *c)
{
    int pair[2] = { pick(w, c->actor, FB_TYPE_SPACE), pick(w, c->actor, FB_TYPE_SPACE) };

    if (!room(w))
        return false;
    c->a[1] = name_of(w, c->actor, FB_TYPE_MEMORY);
    if (pair[0] == NONE || pair[1] == NONE ||
        w->cap[pair[0]].object == w->cap[pair[1]].object) {
        c->number = FB_CALL_SPACE_CREATE;
        c->a[2] = frame_in(w, c->actor, c->a[1]) & ~1ull;
        return free_tree(w, 0, SPACES);
    }
    const struct mtree *from = &w->tree[w->cap[pair[0]].object];
    for (int i = 0; i < 2; i++)
        for (fb_u64 level = 3; level >= 1; level--) {
            if (w->tree[w->cap[pair[i]].object].node[level])
                continue;
            c->number = FB_CALL_SPACE_TABLE;
            c->a[0] = w->cap[pair[i]].name;
            c->a[3] = c->a[1];
            c->a[4] = frame_in(w, c->actor, c->a[3]);
            c->a[1] = m_va(w, 0, below(w, PAGES));
            c->a[2] = level;
            return true;
        }
    fb_u64 page = 0;
    while (page < PAGES && !from->page[page])
        page++;
    if (page == PAGES || below(w, 3) == 0) {
        c->number = FB_CALL_SPACE_MAP;
        c->a[0] = w->cap[pair[0]].name;
        c->a[2] = c->a[1];
        c->a[1] = m_va(w, 0, below(w, PAGES));
        c->a[3] = frame_in(w, c->actor, c->a[2]);
        c->a[4] = rights(w);
        c->a[5] = 1;
        return true;
    }
    c->number = FB_CALL_SPACE_COPY;
    c->a[0] = w->cap[pair[1]].name;
    c->a[1] = w->cap[pair[0]].name;
    c->a[2] = m_va(w, 0, page - below(w, page + 1));
    c->a[3] = 1 + below(w, PAGES - (c->a[2] - m_va(w, 0, 0)) / 4096);
    c->a[4] = copy_flags(w);
    return true;
}

/* A domain cannot destroy its maker, which would end with it: the model is not told how
 * far that comes. */
static bool
harmless(const struct world *w, const struct call *c)
{
    int i = m_find(w, c->actor, c->a[0]);

    if (i == NONE || w->cap[i].type != FB_TYPE_DOMAIN)
        return true;
    if (w->cap[i].object == c->actor)
        return true;
    for (int d = c->actor; d != NONE; d = w->dom[d].maker)
        if (d == w->cap[i].object)
            return false;
    return true;
}

/* ---- messages ---- */

/* What goes with the next message: not where several could get it, of whom the model
 * would not know which refuses. */
static void
choose_pass(struct world *w, struct call *c)
{
    int i, e = m_find(w, c->actor, c->a[0]), receivers = 0;

    if (e != NONE && w->cap[e].type == FB_TYPE_ENDPOINT)
        (void)m_receiver(w, w->cap[e].object, NONE, &receivers);
    if (!kernel->thread || (c->number == FB_CALL_IPC_CALL && receivers > 1))
        return;
    c->ipc.pass = name_of(w, c->actor, below(w, 3) ? 0 : FB_TYPE_ENDPOINT);
    i = m_find(w, c->actor, c->ipc.pass);
    if (below(w, 2) || (i != NONE && w->cap[i].fixed)) {
        c->ipc.auth = auth(w);
        interval(w, c->ipc.pass, c->actor, &c->ipc.lo, &c->ipc.hi);
    }
}

/* A capability on an endpoint where somebody waits; 0. */
static fb_u64
called_endpoint(struct world *w, int dom)
{
    int count;

    for (int tries = 0; tries < 4; tries++) {
        int i = pick(w, dom, FB_TYPE_ENDPOINT);
        if (i != NONE && m_receiver(w, w->cap[i].object, NONE, &count) != NONE)
            return w->cap[i].name;
    }
    return 0;
}

/* Any, or that which it used last, be it dead. */
static fb_u64
endpoint_of(struct world *w, int dom)
{
    return below(w, 12) ? name_of(w, dom, FB_TYPE_ENDPOINT) : w->thread[dom].name;
}

static bool
make_message(struct world *w, struct call *c)
{
    while (kernel->thread && !w->dom[c->actor = (int)below(w, DOMS)].live)
        continue;
    const struct mthread *t = &w->thread[c->actor];
    fb_u64 what = below(w, 10), called = called_endpoint(w, c->actor);

    if (t->is != T_RUNS || !room(w))
        return false;
    if (t->serving ? what < 7 : what == 0) {
        c->number = FB_CALL_IPC_REPLY;
        c->a[0] = below(w, 2) ? 0 : endpoint_of(w, c->actor);
    } else if (called ? what < 9 : what < 3 || !kernel->thread) {
        c->number = FB_CALL_IPC_CALL;
        c->a[0] = called && what ? called : endpoint_of(w, c->actor);
    } else {
        c->number = FB_CALL_IPC_RECEIVE;
        c->a[0] = endpoint_of(w, c->actor);
    }
    c->a[1] = below(w, 4) ? FB_FOREVER : w->now + below(w, 60);
    for (int i = 2; i < 6; i++)
        c->a[i] = driver_random(&w->seed);
    c->ipc.take = below(w, 4);
    c->ipc.notify = !kernel->thread || below(w, 2) ? 0 : below(w, 60) + below(w, 8);
    if (c->number != FB_CALL_IPC_RECEIVE && below(w, 3) == 0)
        choose_pass(w, c);
    return true;
}

/* What happens by itself: the clock goes on, an event comes, a thread is woken. */
static void
happen(struct world *w)
{
    int d = (int)below(w, DOMS);

    switch (below(w, 3)) {
    case 0:
        w->now += 1 + below(w, 40);
        kernel->clock(w);
        break;
    case 1:
        if (w->dom[d].live) {
            fb_u64 bit = 1ull << below(w, 64);
            w->thread[d].pending |= bit;
            kernel->rouse(w, d, bit);
        }
        break;
    default:
        if (w->dom[d].live)
            kernel->rouse(w, d, 0);
    }
    m_look(w);
}

/* An endpoint's capability for another, that calls may come to be. */
static bool
make_meeting(struct world *w, struct call *c)
{
    if (!room(w))
        return false;
    if (pick(w, c->actor, FB_TYPE_DOMAIN) == NONE && free_tree(w, SPACES + 1, TREES)) {
        make_domain(w, c);
        return true;
    }
    if (pick(w, c->actor, FB_TYPE_ENDPOINT) == NONE) {
        c->number = FB_CALL_ENDPOINT_CREATE;
        c->a[0] = name_of(w, c->actor, FB_TYPE_MEMORY);
        c->a[1] = frame_in(w, c->actor, c->a[0]);
        return true;
    }
    c->number = FB_CALL_CAP_GRANT;
    c->a[0] = name_of(w, c->actor, FB_TYPE_ENDPOINT);
    c->a[1] = name_of(w, c->actor, FB_TYPE_DOMAIN);
    c->a[2] = auth(w);
    interval(w, c->a[0], c->actor, &c->a[3], &c->a[4]);
    return true;
}

bool
driver_next(struct world *w, struct call *c)
{
    *c = (struct call){ .actor = 0, .who = NONE };
    if (kernel->thread && below(w, 16) == 0) {
        happen(w);
        return false;
    }
    if (kernel->pin && below(w, 40) == 0) { /* a device begins or ends to use a frame */
        fb_u64 f = below(w, FRAMES);
        if (w->pins[f])
            kernel->pin(w, w->base + f, false), w->pins[f]--;
        else {
            struct mframe now[FRAMES];
            m_frames(w, now);
            if (now[f].type == FB_FRAME_DATA)
                kernel->pin(w, w->base + f, true), w->pins[f]++;
        }
        return false;
    }
    if (kernel->actors && below(w, 2))
        do
            c->actor = (int)below(w, DOMS);
        while (!w->dom[c->actor].live);
    if (below(w, w->talks ? 3 : 24) == 0)
        return make_message(w, c);
    if (w->talks && below(w, 6) == 0)
        return make_meeting(w, c);
    if (w->forks && below(w, 6) == 0)
        return make_fork(w, c);
    fb_u64 what = below(w, 100);
    if (what < 4 || (what == 4 && below(w, 2))) {
        if (!room(w))
            return false;
        c->number = FB_CALL_CAP_MOVE;
        c->a[0] = name_of(w, c->actor, below(w, 2) ? FB_TYPE_MEMORY : 0);
        c->a[1] = name_of(w, c->actor, FB_TYPE_DOMAIN);
        int i = m_find(w, c->actor, c->a[0]);
        if (i != NONE && w->cap[i].fixed)
            return false;
    } else if (what < 8) {
        if (!room(w))
            return false;
        c->number = what < 7 ? FB_CALL_ENDPOINT_CREATE : FB_CALL_ENDPOINT_DESTROY;
        c->a[0] = name_of(w, c->actor, what < 7 ? FB_TYPE_MEMORY : FB_TYPE_ENDPOINT);
        c->a[1] = frame_in(w, c->actor, c->a[0]);
    } else if (what < 38) {
        bool grant = what >= 18;
        if (!room(w))
            return false;
        c->number = grant ? FB_CALL_CAP_GRANT : FB_CALL_CAP_DERIVE;
        c->a[0] = name_of(w, c->actor, below(w, 2) ? FB_TYPE_MEMORY : 0);
        if (grant)
            c->a[1] = name_of(w, c->actor, FB_TYPE_DOMAIN);
        c->a[1 + grant] = auth(w);
        interval(w, c->a[0], c->actor, &c->a[2 + grant], &c->a[3 + grant]);
    } else if (what < 46) {
        c->number = FB_CALL_CAP_DELETE;
        c->a[0] = name_of(w, c->actor, 0);
        int i = m_find(w, c->actor, c->a[0]);
        if (i != NONE && w->cap[i].fixed)
            return false;
    } else if (what < 52) {
        c->number = FB_CALL_CAP_REVOKE;
        c->a[0] = name_of(w, c->actor, below(w, 3) ? FB_TYPE_MEMORY : 0);
        int i = m_find(w, c->actor, c->a[0]);
        if (i != NONE && w->cap[i].fixed && below(w, 8))
            return false;
    } else if (what < 58) {
        if (!room(w) || !free_tree(w, 0, SPACES))
            return false;
        c->number = FB_CALL_SPACE_CREATE;
        c->a[0] = below(w, 2) ? 0 : name_of(w, c->actor, FB_TYPE_DOMAIN);
        c->a[1] = name_of(w, c->actor, FB_TYPE_MEMORY);
        c->a[2] = frame_in(w, c->actor, c->a[1]) & ~(below(w, 8) ? 1ull : 0ull);
    } else if (what < 60) {
        c->number = FB_CALL_SPACE_DESTROY;
        c->a[0] = name_of(w, c->actor, FB_TYPE_SPACE);
    } else if (what < 72) {
        c->number = FB_CALL_SPACE_TABLE;
        place(w, c);
        c->a[2] = missing(w, c);
        c->a[3] = name_of(w, c->actor, FB_TYPE_MEMORY);
        c->a[4] = frame_in(w, c->actor, c->a[3]);
    } else if (what < 84) {
        c->number = FB_CALL_SPACE_MAP;
        place(w, c);
        c->a[2] = name_of(w, c->actor, FB_TYPE_MEMORY);
        c->a[3] = frame_in(w, c->actor, c->a[2]);
        c->a[4] = rights(w);
        c->a[5] = 1;
    } else if (what < 88 && below(w, 3) == 0) {
        return make_copy(w, c);
    } else if (what < 88) {
        c->number = FB_CALL_SPACE_PROTECT;
        mapped_place(w, c);
        c->a[2] = 1;
        c->a[3] = below(w, 4) ? rights(w) : 0;
        c->a[4] = below(w, 3) ? name_of(w, c->actor, FB_TYPE_MEMORY) : 0;
    } else if (what < 91) {
        c->number = FB_CALL_SPACE_UNMAP;
        mapped_place(w, c);
        c->a[2] = 1;
        c->a[3] = below(w, 2) ? FB_UNMAP_TABLES : 0;
        c->a[5] = 8;
    } else if (what < 98) {
        if (!room(w) || !free_tree(w, SPACES + 1, TREES))
            return false;
        make_domain(w, c);
    } else {
        c->number = FB_CALL_DOMAIN_DESTROY;
        c->a[0] = name_of(w, c->actor, FB_TYPE_DOMAIN);
        if (!harmless(w, c))
            return false;
    }
    return true;
}

bool
driver_clear(struct world *w, struct call *c)
{
    *c = (struct call){ .actor = 0 };
    for (fb_u32 i = 0; i < FRAMES; i++)
        for (; w->pins[i]; w->pins[i]--)
            kernel->pin(w, w->base + i, false);
    for (int i = 0; i < CAPS; i++) {
        const struct mcap *k = &w->cap[i];
        if (k->is != C_LIVE || k->dom != 0 || !k->first || k->type != FB_TYPE_DOMAIN)
            continue;
        c->number = FB_CALL_DOMAIN_DESTROY;
        c->a[0] = k->name;
        return true;
    }
    for (int i = 0; i < CAPS; i++) /* one revocation from above takes all the rest */
        for (int k = 0; k < CAPS; k++)
            if (w->cap[i].is == C_LIVE && w->cap[i].fixed &&
                (w->cap[i].revoking ||
                 (w->cap[k].is != C_FREE && w->cap[k].parent == i))) {
                bool all = w->cap[i].auth & FB_AUTH(0, 0, FB_RIGHT_REVOKE);
                c->number = all ? FB_CALL_CAP_REVOKE : FB_CALL_CAP_DELETE;
                c->a[0] = w->cap[all ? i : k].name;
                return true;
            }
    return false;
}

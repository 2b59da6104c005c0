/* SPDX-License-Identifier: MIT */
/*
 * The model's calls on endpoints: who waits at which is looked for, and when a wait is
 * over is looked for too, after each call (m_look).
 */
#include "parts.h"

#define ENDS(error) (1u << (error))

/* ---- endpoints ---- */

long
m_call_endpoint_create(struct world *w, const struct call *c, int *out)
{
    long m = m_find_memory(w, c->actor, c->a[0], FB_RIGHT_GIVE);

    if (m < 0)
        return m;
    if (!m_inside(&w->cap[m], c->a[1], 1))
        return -FB_E_RANGE;
    if (m_used(w, c->actor) >= (c->actor ? SLOTS : w->slots0))
        return -FB_E_FULL;
    if (!m_givable(w, c->a[1], false))
        return -FB_E_INUSE;
    fb_u64 rights = FB_RIGHT_READ | FB_RIGHT_CONTROL | FB_RIGHT_DERIVE | FB_RIGHT_GRANT |
                    FB_RIGHT_REVOKE | FB_RIGHT_SIGNAL;
    *out = m_new(w, (struct mcap){ .is = C_LIVE,
                                   .first = true,
                                   .parent = (int)m,
                                   .dom = c->actor,
                                   .object = (int)(c->a[1] - w->base),
                                   .type = FB_TYPE_ENDPOINT,
                                   .auth = (w->cap[m].auth & FB_CLASS_ROOT) |
                                           KINDS(FB_KIND_IPC_SEND | FB_KIND_IPC_RECV) |
                                           RIGHTS(rights),
                                   .lo = 0,
                                   .hi = ~0ull });
    w->endpoint[c->a[1] - w->base] = true;
    return 0;
}

long
m_call_endpoint_destroy(struct world *w, const struct call *c)
{
    long e = m_typed(w, c->actor, c->a[0], FB_TYPE_ENDPOINT, RIGHTS(FB_RIGHT_CONTROL));

    if (e < 0)
        return e;
    int object = w->cap[e].object;
    w->endpoint[object] = false;
    for (int i = 0; i < CAPS; i++)
        if (w->cap[i].is != C_FREE && w->cap[i].first &&
            w->cap[i].type == FB_TYPE_ENDPOINT && w->cap[i].object == object)
            m_kill(w, i);
    return 0;
}

/* ---- who waits, and for how long ---- */

int
m_receiver(const struct world *w, int object, int prefer, int *count)
{
    int found = NONE;

    *count = 0;
    for (int d = 0; d < DOMS; d++) {
        const struct mthread *t = &w->thread[d];
        if (t->is != T_RECEIVES || t->ends || t->object != object)
            continue;
        ++*count;
        if (found == NONE || d == prefer)
            found = d;
    }
    return found;
}

static fb_u32
reasons(const struct world *w, int d)
{
    const struct mthread *t = &w->thread[d], *s = &w->thread[t->server];
    bool dead = m_find(w, d, t->name) == NONE;
    fb_u32 ends = 0;

    if (t->is == T_CALLS) /* it may have died, or turned to others */
        dead |= s->serving != t->call || m_find(w, t->server, s->received) == NONE;
    if (t->is == T_RECEIVES && t->pending)
        ends |= ENDS(FB_E_EVENT);
    if (t->deadline <= w->now)
        ends |= ENDS(FB_E_TIMEOUT);
    return dead ? ends | ENDS(FB_E_DEAD) : ends;
}

static void
tell(struct world *w, int object)
{
    for (int d = 0; d < DOMS; d++) {
        struct mthread *t = &w->thread[d];
        if (t->note[object])
            t->pending |= 1ull << (t->note[object] - 1);
        t->note[object] = 0;
    }
}

void
m_look(struct world *w)
{
    for (int d = 0; d < DOMS; d++)
        if (!w->dom[d].live)
            w->thread[d] = (struct mthread){ .is = T_RUNS };
    for (int f = 0; f < (int)FRAMES; f++)
        if (!w->endpoint[f])
            tell(w, f);
    for (int d = 0; d < DOMS; d++)
        if (w->thread[d].is != T_RUNS)
            w->thread[d].ends |= reasons(w, d);
}

/* ---- messages ---- */

static long
pass(struct world *w, const struct call *c, int to, int *out)
{
    struct call p = { .actor = c->actor, .a = { c->ipc.pass } };

    if (!c->ipc.pass)
        return 0;
    if (!w->thread[to].take)
        return -FB_E_FULL;
    if (!c->ipc.auth)
        return m_move(w, &p, to, out);
    return m_derive(w, &p, to, c->ipc.auth, c->ipc.lo, c->ipc.hi, RIGHTS(FB_RIGHT_GRANT),
                    w->dom[to].clearance, out);
}

static void
deliver(struct world *w, int to, fb_u64 badge, const fb_u64 *word)
{
    struct mthread *t = &w->thread[to];

    t->is = T_RUNS;
    t->fresh = true;
    t->result = (struct mresult){ .badge = badge,
                                  .word = { word[0], word[1], word[2], word[3] } };
}

/* Nobody is there. */
static long
note(struct mthread *t, fb_u64 notify, int object)
{
    fb_u32 notes = 0;

    if (notify > 64)
        return -FB_E_ARG;
    for (fb_u32 i = 0; i < NOTES; i++)
        notes += t->note[i] != 0 && (int)i != object;
    if (notify && notes >= FB_IPC_NOTES)
        return -FB_E_FULL;
    if (notify)
        t->note[object] = (fb_u8)notify;
    return -FB_E_BUSY;
}

long
m_call_ipc_call(struct world *w, const struct call *c, int *out)
{
    struct mthread *t = &w->thread[c->actor];
    long i = m_typed(w, c->actor, c->a[0], FB_TYPE_ENDPOINT, KINDS(FB_KIND_IPC_SEND));
    int count;

    t->take = c->ipc.take != 0;
    if (i < 0)
        return i;
    int object = w->cap[i].object, to = m_receiver(w, object, c->who, &count);
    if (to == NONE)
        return note(t, c->ipc.notify, object);
    fb_u64 badge = w->cap[i].lo;
    long e = pass(w, c, to, out);
    if (e)
        return e;
    deliver(w, to, badge, &c->a[2]);
    w->thread[to].serving = t->call = ++w->calls;
    t->is = T_CALLS;
    t->name = c->a[0];
    t->deadline = c->a[1];
    t->server = to;
    t->ends = 0;
    return 0;
}

static void
wait_at(struct world *w, const struct call *c, int object)
{
    struct mthread *t = &w->thread[c->actor];

    t->is = T_RECEIVES;
    t->name = t->received = c->a[0];
    t->deadline = c->a[1];
    t->object = object;
    t->serving = 0;
    t->ends = 0;
    if (m_find(w, c->actor, c->a[0]) != NONE) /* it did not pass that itself */
        tell(w, object);
}

long
m_call_ipc_receive(struct world *w, const struct call *c)
{
    long i = m_typed(w, c->actor, c->a[0], FB_TYPE_ENDPOINT, KINDS(FB_KIND_IPC_RECV));

    w->thread[c->actor].take = c->ipc.take != 0;
    if (i < 0)
        return i;
    wait_at(w, c, w->cap[i].object);
    return 0;
}

long
m_call_ipc_reply(struct world *w, const struct call *c, int *out)
{
    struct mthread *t = &w->thread[c->actor];
    int object = NONE, to = NONE;

    t->take = c->ipc.take != 0;
    if (c->a[0]) {
        long i = m_typed(w, c->actor, c->a[0], FB_TYPE_ENDPOINT, KINDS(FB_KIND_IPC_RECV));
        if (i < 0)
            return i;
        object = w->cap[i].object;
    }
    for (int d = 0; d < DOMS; d++)
        if (t->serving && w->thread[d].is == T_CALLS && !w->thread[d].ends &&
            w->thread[d].call == t->serving)
            to = d;
    if (to == NONE)
        return -FB_E_STATE;
    long e = pass(w, c, to, out);
    if (e)
        return e;
    deliver(w, to, 0, &c->a[2]);
    t->serving = 0;
    if (c->a[0])
        wait_at(w, c, object);
    return 0;
}

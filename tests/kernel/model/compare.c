/* SPDX-License-Identifier: MIT */
/* The model beside the kernel after a call: threads, capabilities, frames. */
#include "model.h"

static bool
compare_caps(struct world *w)
{
    for (int i = 0; i < CAPS; i++) {
        const struct mcap *m = &w->cap[i];
        struct fb_cap_info k;
        bool children = false;
        if (m->is == C_FREE || !(kernel->actors || m->dom == 0))
            continue;
        if (kernel->inspect(w, m->dom, m->name, &k) != (m->is == C_LIVE)) {
            kernel->fail("a name is live on one side only", 0, m->is, m->name);
            return false;
        }
        if (m->is != C_LIVE)
            continue;
        for (int n = 0; n < CAPS; n++)
            children |= w->cap[n].is != C_FREE && w->cap[n].parent == i &&
                        !w->cap[n].taken &&
                        !(w->cap[n].first && w->cap[n].type == FB_TYPE_DOMAIN);
        if (k.auth != m->auth || k.lo != m->lo || k.hi != m->hi || k.type != m->type ||
            k.children != children) {
            kernel->fail("a capability differs", (long)k.auth, (long)m->auth, m->name);
            return false;
        }
    }
    return true;
}

static bool
compare_frames(struct world *w)
{
    struct mframe m[FRAMES];

    m_frames(w, m);
    for (fb_u32 i = 0; i < FRAMES; i++) {
        fb_u32 flags;
        fb_u64 word = kernel->word(w->base + i, &flags);
        fb_u32 type = (fb_u32)FB_FRAME_TYPE(word);
        bool linked = type == FB_FRAME_TABLE && (flags & FB_FRAME_F_LINKED);
        fb_u32 pins = type == FB_FRAME_TABLE ? m[i].pins : (fb_u32)FB_FRAME_PINS(word);
        if (type == FB_FRAME_TABLE && !linked)
            type = FB_FRAME_DATA, pins = (fb_u32)FB_FRAME_PINS(word);
        if (type != m[i].type || linked != m[i].linked ||
            FB_FRAME_MAPS(word) != m[i].maps || FB_FRAME_WMAPS(word) != m[i].wmaps ||
            pins != m[i].pins) {
            kernel->fail(
                "a frame differs (type, writable << 16, mapped << 32)",
                (long)(type | FB_FRAME_WMAPS(word) << 16 | FB_FRAME_MAPS(word) << 32),
                (long)(m[i].type | (fb_u64)m[i].wmaps << 16 | (fb_u64)m[i].maps << 32),
                i);
            return false;
        }
    }
    return true;
}

/* A thread whose wait is over returns, at once or when it has looked; with one of the
 * reasons that there were until then. */
static bool
compare_thread(struct world *w, int d)
{
    struct mthread *t = &w->thread[d];
    struct mresult k, *m = &t->result;
    enum thread_state state = kernel->thread(w, d, &k);

    if (t->is != T_RUNS && state != THREAD_BACK) {
        if (t->ends && state == THREAD_SLEEPS)
            kernel->fail("nobody wakes a thread", 0, (long)t->ends, (fb_u64)d);
        return !(t->ends && state == THREAD_SLEEPS);
    }
    if (state != THREAD_BACK) {
        kernel->fail("a thread is not back", (long)state, m->error, (fb_u64)d);
        return false;
    }
    if (t->is != T_RUNS) {
        bool event = k.error == -FB_E_EVENT;
        if (k.error >= 0 || k.error <= -32 || !(t->ends >> -k.error & 1) ||
            k.word[0] != (event ? t->pending : 0)) {
            kernel->fail("a wait ends otherwise", k.error, (long)t->ends, (fb_u64)d);
            return false;
        }
        t->is = T_RUNS;
        t->pending = event ? 0 : t->pending;
    } else if (t->fresh) {
        t->fresh = false;
        bool same = k.error == m->error && k.badge == m->badge && k.got == m->got;
        for (int i = 0; i < 4; i++)
            same &= k.word[i] == m->word[i];
        if (!same)
            kernel->fail("a message differs (badge)", (long)k.badge, (long)m->badge,
                         (fb_u64)d);
        return same;
    }
    return true;
}

bool
driver_compare(struct world *w)
{
    for (int d = 0; kernel->thread && d < DOMS; d++)
        if (w->dom[d].live && !compare_thread(w, d))
            return false;
    return compare_caps(w) && compare_frames(w);
}

/* Of those who wait, the one who got a message or a reply; NONE. */
static int
who_got(struct world *w, fb_u64 *got)
{
    struct mresult r;

    for (int d = 0; kernel->thread && d < DOMS; d++)
        if (w->dom[d].live && w->thread[d].is != T_RUNS && !w->thread[d].ends &&
            kernel->thread(w, d, &r) == THREAD_BACK && r.error == 0) {
            *got = r.got;
            return d;
        }
    return NONE;
}

bool
driver_done(struct world *w, const struct call *c, long error, fb_u64 value)
{
    int made;
    struct call now = *c;
    if (call_is_ipc(c->number))
        now.who = who_got(w, &value);
    long expected = m_call(w, &now, &made);

    if (error != expected) {
        kernel->fail("the error differs", error, expected, c->number);
        return false;
    }
    if (made != NONE)
        w->cap[made].name = value;
    if (made != NONE && now.who != NONE)
        w->thread[now.who].result.got = value;
    return driver_compare(w);
}

void
driver_say(const struct call *c, long error, char *to, fb_u64 size)
{
    static const char *const names[] = {
#define CALL(number, name, args) [number] = #name,
#include <kernel/calls.inc>
#undef CALL
    };
    const char *name = names[c->number];
    fb_u64 n = 0;

    if (size < 140)
        return;
    to[n++] = (char)('0' + c->actor);
    to[n++] = ' ';
    for (; *name; name++)
        to[n++] = *name;
    for (int i = 0; i < 6; i++) {
        to[n++] = ' ';
        for (int shift = 60, begun = 0; shift >= 0; shift -= 4)
            if ((begun |= (c->a[i] >> shift & 15) != 0 || shift == 0))
                to[n++] = "0123456789abcdef"[c->a[i] >> shift & 15];
    }
    name = fb_error_name(error);
    for (to[n++] = ' '; *name && n + 1 < size; name++)
        to[n++] = *name;
    to[n] = 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Memory that two instances share (sdk/share.h).
 *
 * All of it, and each instance's list, lies in one piece of 2 MiB, which the steward
 * keeps mapped: a list for each instance, then the extents.  An extent stays while its
 * sides come and go; what a side had of it goes with its domain.
 */
#include "steward/steward.h"

#include <sdk/share.h>
#include <sdk/stubs.h>

#define AGAIN(call)                                                                      \
    ({                                                                                   \
        long again_;                                                                     \
        while ((again_ = (call)) == -FB_E_BUSY || again_ == -FB_E_FLUSH)                 \
            fb_tlb_flush(~0ul, 0, NULL);                                                 \
        again_;                                                                          \
    })
#define PIECE         512ul /* frames */
#define PLACE         7u
#define WINDOW_SHARES (INSTANCE_INFO_VA + 0x400000ull)
#define LIST_VA       WINDOW_SHARES
#define DATA_VA       (WINDOW_SHARES + PAGE)

static struct share_state {
    const struct manifest_share *what;
    u64 frame, cap; /* the page of ready words; the steward's capability */
    u64 session;
    struct instance *side[2];  /* that lives; NULL */
    struct share_entry *at[2]; /* in its list */
} shares[SHARES_MAX];
static u32 nshares;
static u64 first; /* frame of the piece */
static u8 *piece;

static struct share_list *
list_of(u32 instance)
{
    return (struct share_list *)(piece + instance * PAGE);
}

void
share_init(const struct manifest *manifest)
{
    u64 next = manifest->count;
    struct fb_range r;

    if (manifest->nshares == 0)
        return;
    if (!memory_take_piece(PIECE, &r))
        give_up("there is no memory for what instances share");
    first = r.lo;
    piece = own_map(PLACE, BOOT->cap_memory, first, PIECE, true);
    memset(piece, 0, PIECE * PAGE);
    for (u32 k = 0; k < manifest->nshares; k++) {
        const struct manifest_share *what = &manifest->share[k];
        struct share_state *s = &shares[k];
        if (next + what->pages + 1 > PIECE)
            give_up("share %s: all together have at most %lu pages", what->name,
                    PIECE - manifest->count - manifest->nshares);
        *s = (struct share_state){ .what = what, .frame = first + next };
        long error = fb_cap_derive(BOOT->cap_memory, FB_AUTH_ALL, s->frame,
                                   s->frame + what->pages + 1, &s->cap);
        if (error)
            give_up("share %s: %s", what->name, fb_error_name(error));
        next += what->pages + 1;
    }
    nshares = manifest->nshares;
}

u64
share_nodes(void)
{
    return nshares ? 2 : 0;
}

/* The right to ring side `to`, for side `from`. */
static u64
grant_bell(struct share_state *s, u32 from, u32 to, u64 bit)
{
    u64 name = 0;
    u64 auth = FB_AUTH(FB_CLASS_ROOT, FB_KIND_IPC_SEND, FB_RIGHT_SIGNAL);
    long error = AGAIN(fb_cap_grant(s->side[to]->vcpus[0], s->side[from]->domain, auth,
                                    bit, bit + 1, &name));

    if (error && error != -FB_E_DEAD) /* it has just ended: its turn comes */
        say("share %s: no bell for %s: %s", s->what->name, s->side[from]->what->name,
            fb_error_name(error));
    return error ? 0 : name;
}

/* A side has started or ended: a new session, of which those that live learn. */
static void
new_session(struct share_state *s)
{
    u64 bit = SHARE_EVENT + (u64)(s - shares);
    bool both = s->side[0] && s->side[1];

    s->session++;
    for (u32 side = 0; side < 2; side++) {
        struct share_entry *e = s->at[side];
        if (!s->side[side])
            continue;
        __atomic_store_n(&e->peer_alive, both, __ATOMIC_RELEASE);
        __atomic_store_n(&e->cap_bell, both ? grant_bell(s, side, 1 - side, bit) : 0,
                         __ATOMIC_RELEASE);
        __atomic_store_n(&e->session, s->session, __ATOMIC_RELEASE);
        fb_signal(s->side[side]->vcpus[0], 1ull << bit, NULL);
    }
}

static long
begin_side(struct share_state *s, u32 side, struct instance *i, struct node_source *nodes)
{
    struct share_list *list = list_of(i->index);
    struct share_entry *e = &list->entry[list->count];
    u64 bits = 1ull << (SHARE_EVENT + (u64)(s - shares)), pages = s->what->pages + 1;
    u64 auth =
        FB_AUTH(FB_CLASS_ROOT, FB_KIND_MEMORY_PHYS, FB_RIGHT_READ | FB_RIGHT_WRITE);

    *e = (struct share_entry){ .va = DATA_VA + (s->frame - first) * PAGE,
                               .pages = s->what->pages,
                               .side = side,
                               .frame = s->frame,
                               .bell = bits,
                               .events = bits };
    memcpy(e->name, s->what->name, sizeof(e->name));
    long error = window_map(i->domain, e->va, BOOT->cap_memory, s->frame, pages,
                            FB_MAP_READ | FB_MAP_WRITE, nodes);
    if (!error)
        error = AGAIN(
            fb_cap_grant(s->cap, i->domain, auth, s->frame, s->frame + pages, &e->cap));
    if (error)
        return error;
    list->count++;
    s->side[side] = i;
    s->at[side] = e;
    new_session(s);
    return 0;
}

long
share_begin(struct instance *i, struct node_source *nodes, u64 *list)
{
    bool any = false;
    long error = 0;

    if (nshares > 0)
        list_of(i->index)->count = 0;
    for (u32 k = 0; k < nshares && !error; k++)
        for (u32 side = 0; side < 2 && !error; side++)
            if (shares[k].what->side[side] == i->index) {
                error = begin_side(&shares[k], side, i, nodes);
                any = true;
            }
    if (!any || error)
        return error;
    *list = LIST_VA;
    return window_map(i->domain, LIST_VA, BOOT->cap_memory, first + i->index, 1,
                      FB_MAP_READ, nodes);
}

void
share_end(struct instance *i)
{
    for (u32 k = 0; k < nshares; k++)
        for (u32 side = 0; side < 2; side++)
            if (shares[k].side[side] == i) {
                shares[k].side[side] = NULL;
                new_session(&shares[k]);
            }
}

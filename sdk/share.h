/* SPDX-License-Identifier: MIT */
/*
 * Memory that two instances share, as the manifest says (`share NAME PAGES with OTHER`).
 *
 * The steward makes the extent, maps it for both sides, and gives each a bell: the right
 * to set one event bit of the other's vCPU 0.  It maps a list of an instance's shares for
 * reading at LIBOS_INFO's `shares`.  The instance whose section has the line is side 0.
 *
 * H1. Both sides may write all of the extent, and nobody else can reach it; neither can
 *     make kernel objects or code of it.  What is read there is hostile (sdk/ring.h).
 * H2. By agreement each side writes the one half (`out`), and reads the other (`in`).
 * H3. A *session* is a time in which both sides live.  Its number changes whenever one of
 *     them starts or ends, and both get their event bit.  Who joins clears its own half
 * and says that it is ready for the session; rings are opened when both are.  So no side
 *     meets what was left from before, if the other keeps to it; if not, it harms itself.
 *
 * Locks: none; a struct share belongs to one thread.
 */
#ifndef SDK_SHARE_H
#define SDK_SHARE_H

#include <sdk/instance.h>
#include <sdk/sdk.h>
#include <sdk/stubs.h>

#define SHARES_MAX  8u
#define SHARE_EVENT 48u /* of vCPU 0: plus the share's number in the manifest */

struct share_entry {
    char name[16];
    fb_u64 va;           /* of the page of ready words; the data follows it */
    fb_u32 pages, side;  /* pages of data; 0 or 1 */
    fb_u64 cap;          /* MEMORY, READ and WRITE, over the extent, from... */
    fb_u64 frame;        /* ... this frame on */
    fb_u64 session;      /* written last */
    fb_u64 peer_alive;   /* the other side runs */
    fb_u64 cap_bell;     /* VCPU, for `bell` alone; 0 while it does not */
    fb_u64 bell, events; /* sets of one bit: the other's, the own */
};
struct share_list {
    fb_u64 count;
    struct share_entry entry[SHARES_MAX];
};

struct share {
    const struct share_entry *entry;
    fb_u64 *ready; /* two words, a cache line each */
    u8 *out, *in;
    u64 bytes; /* of each */
    u64 session;
};

/* Find a share by name.  -FB_E_NODEV: this instance has none of that name. */
__attribute__((warn_unused_result)) static inline int
share_open(struct share *s, const char *name)
{
    const struct instance_info *info = (const struct instance_info *)INSTANCE_INFO_VA;
    const struct share_list *list = (const struct share_list *)info->shares;

    for (u64 i = 0; list && i < list->count && i < SHARES_MAX; i++) {
        const struct share_entry *e = &list->entry[i];
        if (strncmp(e->name, name, sizeof(e->name)) != 0)
            continue;
        u8 *data = (u8 *)e->va + PAGE;
        s->entry = e;
        s->ready = (fb_u64 *)e->va;
        s->bytes = e->pages / 2 * PAGE;
        s->out = e->side == 0 ? data : data + s->bytes;
        s->in = e->side == 0 ? data + s->bytes : data;
        s->session = 0;
        return 0;
    }
    return -FB_E_NODEV;
}

/* Tell the other side that there is something to look at. */
static inline void
share_bell(const struct share *s)
{
    u64 bell = __atomic_load_n(&s->entry->cap_bell, __ATOMIC_ACQUIRE);

    if (bell != 0) /* it fails when the other side has just ended: its event is coming */
        fb_signal(bell, s->entry->bell, NULL);
}

/*
 * Begin the present session (H3).  True: both sides are ready; open the rings.  False:
 * wait for the event bit, and repeat.
 */
__attribute__((warn_unused_result)) static inline bool
share_join(struct share *s)
{
    u64 now = __atomic_load_n(&s->entry->session, __ATOMIC_ACQUIRE);

    if (!__atomic_load_n(&s->entry->peer_alive, __ATOMIC_ACQUIRE))
        return false;
    if (s->session != now) {
        s->session = now;
        memset(s->out, 0, s->bytes);
        __atomic_store_n(&s->ready[s->entry->side * 8], now, __ATOMIC_RELEASE);
        share_bell(s);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&s->ready[(1 - s->entry->side) * 8], __ATOMIC_ACQUIRE) ==
               now &&
           __atomic_load_n(&s->entry->session, __ATOMIC_ACQUIRE) == now;
}

/* The session that was joined is over: drop the rings, recall the loans, join again. */
__attribute__((warn_unused_result)) static inline bool
share_over(const struct share *s)
{
    return __atomic_load_n(&s->entry->session, __ATOMIC_ACQUIRE) != s->session;
}

#endif

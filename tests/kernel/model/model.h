/* SPDX-License-Identifier: MIT */
/*
 * A reference model of capabilities, domains, spaces and frames, as docs/calls tells
 * them.
 *
 * Plain arrays, each call written the obvious way, each as one indivisible step: no
 * locks, no epochs, no resuming.  A *world* is an actor's domain with its own part of
 * memory; what happens in it does not depend on what others do, so worlds may run on
 * several CPUs at once and each be compared after each call.  Builds on the host and
 * inside a LibOS.
 *
 * m1. Domain 0 is the world's own; its base capabilities (`fixed`) stay.
 * m2. A tree (a space's lower half, or a window) has one region of PAGES pages, under one
 *     node of each level.
 */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H

#include <abi/calls.h>
#include <abi/layout.h>
#include <stdbool.h>

#define CAPS    320
#define DOMS    5
#define SPACES  8
#define TREES   (SPACES + DOMS) /* then the windows, by domain */
#define PAGES   12u
#define FRAMES  96u
#define NONE    (-1)
#define NOTES   FRAMES /* by endpoint */
#define OBJECTS 4u /* frames of a domain: object, record, table, top node of its window  \
                    */
#define SLOTS 32u

enum cap_is { C_FREE, C_LIVE, C_DYING };
struct mcap {
    enum cap_is is;
    bool first, fixed, revoking;
    bool deleting; /* DYING by its holder's cap_delete, which may be repeated */
    bool taken;    /* DYING by a revocation of its parent */
    bool swept;    /* DYING: what it mapped is gone; only frames in use keep it */
    int parent, dom,
        object; /* object: tree, domain, or an endpoint's frame in the world */
    fb_u32 type;
    fb_u64 name, auth, lo, hi;
    fb_u64 cursor; /* DYING: frames below it were looked at */
};
struct mtree {
    bool live;
    int dom, cap;       /* its domain; its first capability */
    fb_u64 root;        /* first of two frames; a window: its top node */
    fb_u64 node[4];     /* frames by level, 0: none */
    fb_u64 page[PAGES]; /* frame + 1, 0: none */
    fb_u32 rights[PAGES];
    fb_u64 mapper[4];
};
struct mdom {
    bool live;
    int maker, cap;
    fb_u64 object, serial, clearance;
};
/* What a call of a thread's gave. */
struct mresult {
    long error;
    fb_u64 badge, word[4], got;
};
/* Each domain has a thread that calls, receives and replies. */
enum thread_is { T_RUNS, T_RECEIVES, T_CALLS };
struct mthread {
    enum thread_is is;
    fb_u64 name, deadline; /* through what it waits; the name stays afterwards */
    fb_u64 received;       /* through what it waited last for a call */
    int object;            /* the endpoint's frame in the world */
    int server;            /* of its call */
    fb_u64 call, serving;  /* numbers of the call that it made, that it has open; 0 */
    fb_u32 ends;           /* T_RECEIVES, T_CALLS: errors, any of which ends it now */
    fb_u64 pending;        /* events */
    fb_u8 note[NOTES];     /* 1 + the event that it is owed, by endpoint */
    bool take, fresh;      /* fresh: `result` was not compared yet */
    struct mresult result;
};
struct world {
    fb_u64 base;   /* its frames */
    fb_u64 slots0; /* of domain 0's table */
    fb_u64 serial, seed;
    struct mcap cap[CAPS];
    struct mdom dom[DOMS];
    struct mtree tree[TREES];
    bool endpoint[FRAMES];
    struct mthread thread[DOMS];
    fb_u64 now, calls;
    bool talks, forks; /* this sequence is to have many messages, or many copies */
    fb_u32 pins[FRAMES]; /* as a device would */
};

/* What a frame is and how often it is mapped. */
struct mframe {
    fb_u32 type, maps, wmaps, pins; /* a clean table is DATA */
    bool linked;
};
void m_frames(const struct world *w, struct mframe out[FRAMES]);

/* One call by domain `actor`: names and numbers as the kernel gets them.  The error that
 * it must return; *made: the index of the capability that it made (its name is to come),
 * or NONE. */
struct call {
    int actor;
    fb_u32 number;
    fb_u64 a[6];
    struct fb_domain_params params; /* domain_create */
    struct fb_ipc ipc;              /* ipc_call, ipc_receive, ipc_reply */
    int who; /* of several that wait: whom the kernel entered */
};
static inline bool
call_is_ipc(fb_u32 number)
{
    return number == FB_CALL_IPC_CALL || number == FB_CALL_IPC_RECEIVE ||
           number == FB_CALL_IPC_REPLY;
}
long m_call(struct world *w, const struct call *c, int *made);
/* The clock went on, or events came: who does not wait any more? */
void m_look(struct world *w);
/* Who waits at the endpoint, and how many do; NONE. */
int m_receiver(const struct world *w, int object, int prefer, int *count);
int m_find(const struct world *w, int dom, fb_u64 name);
int m_new(struct world *w, struct mcap c);
/* Where a tree's page lies. */
fb_u64 m_va(const struct world *w, int tree, fb_u64 page);

/* ---- driver.c, compare.c ---- */
/* A thread's last call has returned; it has not; it was woken, and has not looked yet
 * whether it returns. */
enum thread_state { THREAD_BACK, THREAD_SLEEPS, THREAD_WOKEN };
/* What the driver needs of where it runs. */
struct kernel {
    long (*call)(struct world *w, const struct call *c, fb_u64 *value);
    bool (*inspect)(struct world *w, int dom, fb_u64 name, struct fb_cap_info *out);
    fb_u64 (*word)(fb_u64 frame, fb_u32 *flags);         /* of its record */
    void (*pin)(struct world *w, fb_u64 frame, bool on); /* NULL: there is none */
    /* NULL: the only thread is that of domain 0, and nobody ever waits for it. */
    enum thread_state (*thread)(struct world *w, int dom, struct mresult *out);
    void (*rouse)(struct world *w, int dom, fb_u64 events); /* 0: for no reason */
    void (*clock)(struct world *w);                         /* w->now has gone on */
    void (*fail)(const char *what, long got, long expected, fb_u64 detail);
    bool actors; /* can call as any domain of the world; else domain 0 makes all calls */
};
extern const struct kernel *kernel;

/* Prepare the next call of a sequence: false: nothing to do this time. */
bool driver_next(struct world *w, struct call *c);
/* The call has returned: apply it to the model and compare.  False: they part. */
bool driver_done(struct world *w, const struct call *c, long error, fb_u64 value);
bool driver_compare(struct world *w);
fb_u64 driver_random(fb_u64 *state);
/* Prepare the call that takes one thing away again; false: only the base is left. */
bool driver_clear(struct world *w, struct call *c);
void driver_say(const struct call *c, long error, char *to, fb_u64 size);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Domains and vCPUs.
 *
 * D1. A vCPU belongs to one domain and one CPU for life; only that CPU runs it and reads
 * its mask. D2. state: NEW -> READY <-> RUNNING, RUNNING -> WAITING or CALLING -> READY;
 * any -> DEAD.  To READY is one compare-and-swap, so that of several wakers one puts it
 * on; READY <-> RUNNING -> WAITING are the own CPU's, and so is WAITING or CALLING ->
 * RUNNING, by which one vCPU enters another (ipc/ipc.h). D3. A sender sets pending bits
 * (locked), then reads the state; coming to WAITING publishes the state, then tests
 * pending: either the sender sees WAITING, or the vCPU sees the bits. D4. What the kernel
 * reads of a control block it reads once; nothing there is trusted.
 */
#ifndef KERNEL_DOMAIN_DOMAIN_H
#define KERNEL_DOMAIN_DOMAIN_H

#include "base/cpu.h"
#include "base/types.h"
#include "cap/cap.h"
#include "hal/hal.h"
#include "space/space.h"

enum vcpu_state {
    VCPU_NEW = 0,
    VCPU_READY = 1,
    VCPU_RUNNING = 2,
    VCPU_WAITING = 3,
    VCPU_DEAD = 4,
    VCPU_CALLING = 5 /* in a call: events do not wake it */
};

/* vcpu.waits: what the registers of a vCPU wait for.  0: they are complete; else this, or
 * the endpoint it receives at, or that plus one: the reply to its call. */
#define WAITS_EVENTS 2ull

struct fb_note { /* who said that an endpoint was BUSY owes this event */
    const struct endpoint *at; /* compared only; NULL: free */
    u64 bit;
};

struct vcpu {
    struct fb_regs regs;      /* [o] while not RUNNING; entry.S knows its place */
    struct fb_cb *cb;         /* [I] the kernel's mapping */
    struct domain *domain;    /* [I] */
    struct space *space;      /* [o] current space */
    struct fb_domain_counts *counts; /* [I] its CPU's, for its domain */
    u64 gate_rip, upcall_rip; /* [o] registered */
    u32 cpu;                  /* [I] */
    u32 slot;                 /* [I] index in cpu->vcpus */
    _Atomic u32 state;        /* [a] D2 */
    u32 id;                   /* [I] for the record; never 0 */
    _Atomic u64 positions;    /* [a] that it has in its CPU's slice vector; tree lock */
    u64 ran;                  /* [o] TSC ticks that it has had the CPU, up to when it left */
    u64 timer;                /* [o] TSC deadline, ~0: none */
    u64 wait_until;           /* [o] deadline of what it waits for */
    u64 waits;                /* [o] WAITS_EVENTS ...; others compare it */
    u64 calling, serving;     /* [o] number of the open call: its own, its client's */
    u64 called, received;     /* [o] names of the endpoint's capabilities: last used */
    struct cap *called_at, *received_at; /* [o] their slots; never NULL */
    fb_u64 *shown;              /* [I] where its CPU's record says who runs */
    u32 server, client;       /* [o] slots on this CPU, of the open call */
    u64 cr3;              /* [o] root to load with regs */
    struct vcpu *_Atomic
        next; /* domain's list: grows at the head, shrinks at the domain's destruction */
    struct cap *cap; /* first capability on it */
    frame_t object_frame, cb_frame;
    struct fb_note notes[FB_IPC_NOTES]; /* [o] */
    struct hal_state machine; /* [o] while another vCPU's is in the CPU */
};

struct domain {
    _Atomic u32 state; /* FB_DOMAIN_* */
    u32 id;
    u32 gate; /* [I] */
    u32 nvcpus;
    struct cap_table table;
    u64 clearance;           /* [I] */
    frame_t window_frame;    /* [I] */
    _Atomic u32 window_busy; /* S4 for the window: 0 or 1 */
    _Atomic u32 list_busy;   /* try-lock of the list of spaces */
    struct cap *_Atomic evicting; /* for which a sweep wants the trees: calls that change
                                     them return BUSY */
    struct mappers mappers;        /* of any of its trees */
    struct mappers window_mappers;
    struct space *spaces;    /* list_busy */
    u64 nspaces;
    struct vcpu *_Atomic vcpus;
    struct vcpu *_Atomic watcher; /* who is told of the end */
    u64 watch_bit;
    u32 watch_by; /* id of the domain that set the watcher; tree lock */
    struct cap *cap;             /* first capability on it */
    struct domain *next, **link; /* list of all domains, under the tree lock of cap/ */
    frame_t object_frame, table_frame;
    u64 table_frames;
    _Atomic u32
        destroy_busy; /* try-lock of domain_destroy_step, taken under the tree lock */
    _Atomic u32 told; /* `status` is written */
    u32 depth;        /* [I] makers above it */
    struct fb_domain_record *record; /* [I] the kernel's mapping */
    u64 evicted;      /* [t] mappings that sweeps removed since the record's last entry */
    u64 cursor;       /* destroy_busy; progress of its destruction */
    u64 swept;        /* [t] progress of the sweep for `evicting`, and its space */
    struct space *cursor_space;
    u32 phase;
    u64 epoch;                      /* that the current phase of destroy waits for */
    struct fb_domain_status status; /* written once, by who ends it */
};

#define DOMAIN_DEPTH 32u

extern struct domain *domains; /* all of them, tree lock */

static inline bool
domain_alive(const struct domain *d)
{
    return atomic_load_explicit(&d->state, memory_order_acquire) == FB_DOMAIN_ALIVE;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The steward: the first domain.  It makes the instances that the manifest names, grants
 * each its part, and afterwards waits for their ends.  It is the only policy that
 * everybody trusts, so it is small and does each thing in one way.
 *
 * M1. Memory is given out in intervals of frames; what an instance needs of the kernel
 * (object, table and root memory) comes out of its own interval, so that its end gives
 * everything back. M2. The steward's own needs come from a pool of 2 MiB that is set
 * aside before anything is given out.
 */
#ifndef STEWARD_STEWARD_H
#define STEWARD_STEWARD_H

#include <sdk/instance.h>
#include <sdk/reclaim.h>
#include <sdk/sdk.h>
#include <sdk/steward.h>

#include "steward/manifest.h"

#ifndef BOOT /* host tests have their own */
#define BOOT ((const struct fb_boot *)FB_BOOT_VA)
#endif
#define STEWARD_BUFFER ((u8 *)(WINDOW_CB + PAGE)) /* the own vCPU's buffer pages */

/* Repeat a call while another CPU works on the same thing, or has stale translations. */
#define AGAIN(call)                                                                      \
    ({                                                                                   \
        long again_;                                                                     \
        while ((again_ = (call)) == -FB_E_BUSY || again_ == -FB_E_FLUSH)                 \
            fb_tlb_flush(~0ul, 0, NULL);                                                 \
        again_;                                                                          \
    })


/* ---- memory.c ---- */
/* As many as there can be when each instance has every second chunk of its own back. */
#define RANGES_MAX (FB_BOOT_RANGES + MANIFEST_INSTANCES * RECLAIM_CHUNKS / 2)
struct ranges { /* sorted, disjoint intervals of frames */
    u32 count;
    struct fb_range r[RANGES_MAX];
};
extern struct ranges free_memory;
void memory_init(void);
u64 memory_total(void);
/* Take at least one and at most INSTANCE_RANGES intervals of `frames` in all (~0:
 * everything); 2 MiB pieces where possible. */
bool memory_take(u64 frames, struct ranges *out);
void memory_give_back(const struct ranges *taken);
/* Clear frames that an instance had, before anybody else gets them.  False: they are not
 * all data, and are nobody's. */
bool memory_clear(u64 frame, u64 frames);
/* `frames` (whole 2 MiB) in one aligned piece. */
bool memory_take_piece(u64 frames, struct fb_range *out);
u64 pool_frame(void); /* one frame of the pool; ends the machine if it is empty */

/* Map frames into a window (domain 0: the own), linking nodes that nodes_next gives.
 * Returns 0 or -FB_E_X. */
struct node_source {
    u64 next, end; /* frames; memory capability is the root one */
};
long window_map(u64 domain, u64 va, u64 cap, u64 frame, u64 pages, u32 flags,
                struct node_source *nodes);
long window_unmap(u64 domain, u64 va, u64 pages);
#define OWN_FREE                                                                         \
    (FB_WINDOW_BASE + 0x7000000000ull) /* the steward's place for temporary mappings */
/* Map frames for the steward itself, at most 256 at a time (so never as a large page) in
 * each of 8 places. */
void *own_map(unsigned place, u64 cap, u64 frame, u64 pages, bool write);
/* One page of data that an instance names, for reading; NULL: it is no data. */
const void *own_look(unsigned place, u64 frame);
void own_unmap(unsigned place, u64 pages);
/* The place in which pages of an instance stay mapped while it lives. */
#define OWN_PLACE(index) (8u + (index))

/* ---- reclaim.c: memory in chunks, CPU time, and asking for them back ---- */
struct chunk {
    u64 own; /* the steward's capability, above the instance's; 0: the entry is free */
    struct fb_range r;
    bool stuck; /* revoked, but kernel objects of the instance lie in it */
};
struct reclaim {
    struct chunk chunk[RECLAIM_CHUNKS];
    u64 slice_own[FB_CPUS_MAX], ticks[FB_CPUS_MAX]; /* by vCPU */
    u64 changes;                                    /* as in the page */
    struct reclaim_page *page;                      /* the steward's mappings */
    const struct fb_domain_record *record;
    /* The open request. */
    bool open;
    u32 kind;
    u64 asked, amount, deadline, began;
    struct instance *to; /* who gets it; NULL: nobody yet */
};
struct instance;
/* The steward's event bit of an instance: it has ended, or answered, or said something. */
#define INSTANCE_EVENT(index) (1ull << (index))
/* Make the instance's memory i->memory less by its chunks; false: too little is left. */
bool reclaim_carve(struct instance *i);
/* The frames that the kernel's tables need at most for chunks that come later. */
u64 reclaim_nodes(void);
/* Its domain and vCPUs are made: map the shared page and the record, grant the chunks
 * and positions.  0 or -FB_E_X. */
long reclaim_begin(struct instance *i, u64 record_frame, u64 page_frame);
/* Its domain is gone: all that is left in chunks becomes free memory, one in each step
 * (true: it was the last), and reclaim_end tries once more what is stuck. */
bool reclaim_end_step(struct instance *i);
void reclaim_end(struct instance *i);
/* Ask for frames, or ticks of each round.  False: a request is open, or it has none. */
bool reclaim_ask(struct instance *i, u32 kind, u64 amount, u64 ms, struct instance *to);
/* Give free memory to a running instance: how many frames it got. */
u64 reclaim_give(struct instance *i, u64 frames);
/* Take chunk k, by force where it was not given back: 0, and it is free memory; else
 * -FB_E_X, and it stays the instance's `stuck` one. */
long reclaim_take(struct instance *i, u32 k);
void reclaim_tell(struct instance *i); /* that its lists have changed */
/* Answers, deadlines, and what the command line schedules (feuer.reclaim=).  Returns the
 * TSC at which it wants to be called again, or FB_FOREVER. */
u64 reclaim_poll(struct instance *all, u32 count);

/* ---- instance.c, grants.c ---- */
struct port { /* port.c */
    struct steward_page *page; /* the steward's mapping; NULL: none */
    struct ring_consumer text, requests;
    struct ring_producer replies;
};
/* DOWN -> UP (life_start) -> ENDING (life_end; its domain is destroyed in steps) -> DOWN,
 * or -> PAUSE -> UP where its manifest has it restarted. */
enum state { STATE_DOWN, STATE_UP, STATE_ENDING, STATE_PAUSE };
struct instance {
    const struct manifest_instance *what;
    u32 index; /* in the manifest: its event bit */
    u32 place; /* its position in slice vectors */
    struct ranges memory;
    struct fb_range root; /* bytes, physical: its copy of its root archive, or the archive */
    bool root_copied;     /* then the frames are the instance's, and go back at its end */
    bool root_moved;      /* the archive itself was given to it, and is used up */
    u64 domain, space;
    u64 memory_caps[INSTANCE_RANGES + 1];
    u32 nmemory;
    bool alive; /* its domain exists */
    u32 starts;
    u64 vcpus[FB_CPUS_MAX], cpus[FB_CPUS_MAX]; /* its vCPUs, and on which CPU each is */
    u32 nvcpus;
    struct node_source nodes; /* for what is mapped into its window later */
    struct fb_range text, data; /* addresses of its image, for backtraces */
    u64 data_frame;
    u64 cb_frame;             /* of vCPU 0; the others' follow */
    const struct fb_cb *cb;   /* the steward's mapping of all of them */
    struct reclaim reclaim;
    struct port port;
    /* life.c */
    enum state state;
    bool held;        /* ended by `stop`: its policy does not apply */
    bool whole;       /* ENDING: everything has come back so far */
    u32 step;         /* ENDING: how far it is */
    u64 cleared;      /* ENDING: so many frames of its memory and root */
    u32 tries;        /* restarts in a row */
    u64 began, until; /* TSC: start; deadline of `stop`, end of PAUSE */
    char ended[96];   /* how it ended last */
};
/* Make its domain and let it run. False: a line was said; its state is then ENDING. */
bool instance_start(struct instance *i);
/* Destroy its domain and take its memory back: a bounded step; true: it is done. */
bool instance_remove_step(struct instance *i);
/* Repeat a call that works in steps until it is done. */
long finish(long (*call)(unsigned long, unsigned long *), u64 name);
/* ---- root.c ---- */
/* Find or copy what its manifest names: i->root.  False: a line was said. */
bool root_take(struct instance *i);
void root_give_back(struct instance *i);

extern struct instance instances[MANIFEST_INSTANCES];
extern u32 instance_count;
struct instance *instance_named(const char *name);

/* ---- life.c: when instances start, end, and start anew ---- */
void life_start_all(void);
/* False, with a reason. */
bool life_start(struct instance *i, char *why, size_t size);
bool life_stop(struct instance *i, u64 ms, char *why, size_t size);
bool life_kill(struct instance *i, char *why, size_t size);
void life_look(struct instance *i); /* has its domain ended? */
/* All that is due now; returns the TSC at which it wants to be called again. */
u64 life_poll(void);
const char *life_state(const struct instance *i);

/* ---- port.c: the pages that are shared with an instance (sdk/steward.h), and logs ---- */
#define LOG_BYTES 16384u
/* Its window has the pages: `frame` and STEWARD_PAGES - 1 more.  0 or -FB_E_X. */
long port_begin(struct instance *i, u64 frame);
void port_end(struct instance *i);
/* Text goes to its log, requests to control.c.  True: there is more, call again soon. */
bool port_drain(struct instance *i);
void port_order(struct instance *i); /* the page has changed: tell it */
/* Append to the log of an instance (MANIFEST_INSTANCES: the steward's own). */
void log_append(u32 index, const char *text, size_t bytes);
/* Copy the log, oldest first; how many bytes. */
size_t log_copy(u32 index, char *to, size_t size);

/* ---- control.c, report.c: the control port ---- */
void control_begin(struct instance *i);
bool control_drain(struct instance *i); /* as port_drain */
struct text { /* what a report writes into; text that does not fit is cut off */
    char *to;
    size_t size, length;
};
void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void report_list(struct text *t);
void report_top(struct text *t);
/* What the kernel counted of it stays in the sum of all; before port_end. */
void report_end(const struct instance *i);
void report_caps(struct text *t, struct instance *i, u64 slot);

/* ---- terminal.c ---- */
struct instance *terminal_owner(void); /* NULL: nobody has it */
/* Grant the terminal, which nobody has, to an instance.  0 or -FB_E_X. */
long terminal_give(struct instance *i);
/* Ask whoever has it for it, and give it to `to` then.  False, with a reason. */
bool terminal_move(struct instance *to, char *why, size_t size);
void terminal_ended(struct instance *i);
u64 terminal_poll(void); /* as life_poll */

/* ---- trace.c ---- */
/* Say where instance i was when its domain ended with these registers. */
void trace_say(struct instance *i, const struct fb_regs *regs);

/* ---- share.c: memory that two instances share ---- */
/* Once, before any instance is made. */
void share_init(const struct manifest *manifest);
u64 share_nodes(void); /* of an instance's window */
/* Its domain and vCPUs are made: its side of each of its shares; *list: where its list is
 * mapped for it.  0 or -FB_E_X. */
long share_begin(struct instance *i, struct node_source *nodes, u64 *list);
/* Before its domain is destroyed. */
void share_end(struct instance *i);

/* ---- usage.c ---- */
/* Says who had how much CPU time, as the command line asks.  Returns the TSC at which it
 * wants to be called again, or FB_FOREVER. */
u64 usage_poll(const struct instance *all, u32 count);

/* ---- main.c ---- */
/* A line on the console, and in the steward's own log. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
__attribute__((noreturn)) void give_up(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
u64 ncpus(void);
u64 ticks_of_ms(u64 ms);

#endif

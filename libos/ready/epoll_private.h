/* SPDX-License-Identifier: MIT */
/* What epoll.c and nest.c share; epoll.c has the invariants. */
#ifndef LIBOS_READY_EPOLL_PRIVATE_H
#define LIBOS_READY_EPOLL_PRIVATE_H

#include "core/tree.h"
#include "ready/ready.h"

#define SLOTS_INLINE 2u

struct watch_entry;
/* One wait queue of an entry's file. */
struct watch_slot {
    struct waiter waiter;
    struct watch_entry *entry;
    struct watch_slot *next; /* more than SLOTS_INLINE: on the heap */
};
struct watch_set {
    struct mutex mutex;
    struct tree entries;     /* mutex; by file and descriptor */
    struct spinlock lock;
    struct list ready;       /* lock */
    bool peeking;            /* lock; an entry may be off the list for a moment */
    struct waitq wait;       /* who waits, and who watches this set */
    struct usage *usage;     /* [I] of the user who made it: P5 */
    _Atomic u32 refs;        /* the file's, and of those who remove an entry (P3) */
    struct list above;       /* links_mutex; entries of other sets that watch this one */
    u64 seen;                /* nest_mutex; the walk that was here last, and what */
    u32 depth;               /* it found: the longest line from here down */
    u64 climbed;             /* nest_mutex; the same for the walk up */
    u32 height;              /* sets in the longest line above */
};
struct watch_entry {
    struct tree_node node;   /* in set->entries */
    struct file *file;       /* [I] P3 */
    i32 fd;                  /* [I] */
    u32 used;                /* slots; [I] after watch_add */
    struct watch_set *set;   /* [I] */
    struct list file_link;   /* watchers_lock; in *file->watchers */
    struct list above_link;  /* links_mutex; in the watched set's `above` */
    struct list ready_link;  /* set->lock; alone when not on the list */
    struct watch_event event; /* set->mutex to change; events readable without */
    u32 modes;               /* set->mutex */
    u32 silenced;            /* set->mutex; WATCH_ONCE: what it asked for before */
    int error;               /* while it is added */
    struct poll_table table;
    struct watch_slot slot[SLOTS_INLINE];
    struct watch_slot *more;
};

/* P4: `below` is to be watched by `s`: 0, with nest_mutex held until watch_nest_done;
 * -E_LOOP, and it is not held. */
int watch_nest_begin(struct watch_set *s, struct watch_set *below) MUST_CHECK;
void watch_nest_done(void);
/* An entry of a set that watches a set came, or goes; its own set's mutex is held. */
void watch_nest_link(struct watch_entry *e);
void watch_nest_unlink(struct watch_entry *e);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What all three kinds of System V objects share: tables by id and by key, and rights.
 *
 * I1. An object stands in its table from ipc_publish to ipc_withdraw; the table holds one
 *     reference. Who found it holds another and sees under object.lock whether it was
 *     removed since.
 * I2. An id is sequence * IPC_INDICES + index; the sequence moves on with each use of an
 *     index, so that an id of a removed object finds nothing for long.
 * I3. object.removed changes once, under object.lock; the memory goes with the last
 *     reference, by which time nobody waits in it.
 * I4. A key stands in the table's tree at most once; IPC_PRIVATE_KEY never does.
 * I5. What the room keeps for programs is charged (ipc_charge) to a user and never more than a
 *     quarter of memory, of which no user but root has more than half (payer.c): who makes
 *     more gets -E_NOMEM or -E_NOSPC, and the LibOS lives on.
 * Locks: table.making (mutex), then table.lock (spin); object.lock (spin) is taken
 * without table.lock, but withdraw, which takes table.lock inside it.
 * Costs: by id O(1), by key O(log n).
 * Source: svipc(7), and the man pages of the calls.
 */
#ifndef LIBOS_IPC_IPC_H
#define LIBOS_IPC_IPC_H

#include "core/error.h"
#include "core/lock.h"
#include "core/tree.h"
#include "core/types.h"
#include "vfs/cred.h"

#define IPC_INDICES 32768u
#define IPC_SEQUENCES 65536u
#define IPC_PRIVATE_KEY 0
#define IPC_MODE 0777u
/* How an object is wanted: the bits of a mode, for its owner. */
#define IPC_READ 0444u
#define IPC_WRITE 0222u

struct thread;
struct ipc_perm {
    u32 uid, gid, cuid, cgid;
    u32 mode; /* IPC_MODE, and what the kind of object keeps above */
};
struct ipc_object {
    struct tree_node by_key; /* table.lock */
    struct list freed;       /* the room's own, when it lets go of several */
    _Atomic u32 refs;
    i32 key, id;
    u32 index, sequence;
    struct ipc_perm perm;    /* lock */
    bool removed;            /* I3 */
    struct spinlock lock;
};
/* What get asks for: semaphores or bytes in `size`. */
struct ipc_wanted {
    i32 key;
    bool create, exclusive;
    u32 mode;
    u64 size;
};
struct ipc_table {
    struct mutex making;
    struct spinlock lock;
    struct tree keys;         /* lock */
    struct ipc_object **slot; /* lock; NULL: free */
    u16 *sequence;            /* lock; the next one of each index */
    u32 slots, used, highest; /* lock; highest: index + 1 of the last one used */
    u32 lowest_free;          /* lock; no free index is below it */
    void (*free)(struct ipc_object *o); /* with the last reference, no lock held */
    /* Make one as it is wanted, and publish it; `making` is held. */
    i64 (*make)(const struct cred *c, const struct ipc_wanted *wanted);
    u64 (*size)(const struct ipc_object *o); /* constant; NULL: it has none */
};

#define IPC_TABLE_INIT(t, free_fn, make_fn, size_fn)                                    \
    { .making = MUTEX_INIT((t).making), .keys = TREE_INIT(ipc_compare_keys),            \
      .free = (free_fn), .make = (make_fn), .size = (size_fn) }
int ipc_compare_keys(const struct tree_node *a, const struct tree_node *b);
/* Zeroed, and charged to the user. NULL: no memory. */
void *ipc_alloc(u32 uid, u64 bytes) __attribute__((malloc));
/* A reference; NULL: no such id, or of one that was removed. */
struct ipc_object *ipc_find(struct ipc_table *t, i32 id);
struct ipc_object *ipc_find_index(struct ipc_table *t, u32 index);
/* The id of what has the key, or of what is made: -E_EXIST -E_NOENT -E_INVAL (it is smaller
 * than wanted) -E_ACCES, or what make returns. */
i64 ipc_get(struct ipc_table *t, const struct cred *c,
            const struct ipc_wanted *wanted) MUST_CHECK;
void ipc_hold(struct ipc_object *o);
void ipc_put(struct ipc_table *t, struct ipc_object *o);
/* With table.making held: give it an id, which is returned, and one reference, the
 * table's; it may be gone already on return. `limit`: of objects in all. -E_NOSPC -E_NOMEM */
i64 ipc_publish(struct ipc_table *t, struct ipc_object *o, i32 key, u32 mode,
                const struct cred *c, u32 limit) MUST_CHECK;
/* With object.lock held, removed not yet set: sets it; the id is gone. The caller drops
 * the table's reference when it has left the lock. */
void ipc_withdraw(struct ipc_table *t, struct ipc_object *o);

/* With object.lock held: its key finds it no more, its id still does. */
void ipc_forget_key(struct ipc_table *t, struct ipc_object *o);
/* The first index from `from` on that is used; -1: none. */
i64 ipc_next_index(struct ipc_table *t, u32 from);
/* The greatest index in use; 0: that, or none. */
u32 ipc_highest(struct ipc_table *t);
/* I5. */
bool ipc_charge(u32 uid, u64 bytes) MUST_CHECK;
void ipc_uncharge(u32 uid, u64 bytes);
u32 ipc_payer(void);        /* whose call it is; the LibOS itself: root */
u64 ipc_charged(u32 uid);   /* bytes; of root: what all have */

/* What stat tells of all three kinds. */
struct ipc_facts {
    i32 key, id;
    u32 sequence;
    struct ipc_perm perm;
};
void ipc_tell(const struct ipc_object *o, struct ipc_facts *out); /* lock held */
/* An object that is looked at: by its id or its index. */
struct ipc_which {
    bool by_index;
    i32 number;
};
/* With its lock held and a reference, if `c` (NULL: anybody) may read it. -E_INVAL
 * -E_ACCES */
int ipc_look(struct ipc_table *t, struct ipc_which which, const struct cred *c,
             struct ipc_object **out) MUST_CHECK;
/* With its lock held and a reference, if `c` may change it. -E_INVAL -E_PERM */
int ipc_own(struct ipc_table *t, i32 id, const struct cred *c,
            struct ipc_object **out) MUST_CHECK;
/* IPC_SET: with its lock held. */
void ipc_give(struct ipc_object *o, u32 uid, u32 gid, u32 mode);
/* Unlock, and let go. */
void ipc_leave(struct ipc_table *t, struct ipc_object *o);

/* Who waits, in a list of the object's kind. */
struct ipc_waiter {
    struct list link;      /* the list's lock, mostly object.lock */
    struct thread *thread;
    bool done;             /* the same; taken out, with `result` */
    int result;
};
/* Until when: of the wall clock (`real`) or the monotonic one; ~0: for ever. */
struct ipc_limit {
    bool real;
    u64 at_ns;
};
/* With the list's lock held, but not while it sleeps; the waiter stands in a list. What
 * ipc_finish said; -E_TIMEDOUT -E_INTR: nobody did, and it is taken out. */
int ipc_wait(struct spinlock *lock, struct ipc_waiter *w,
             const struct ipc_limit *limit) MUST_CHECK;
/* With the list's lock held: take it out, and wake it. */
void ipc_finish(struct ipc_waiter *w, int result);

/* With object.lock held. `want`: IPC_READ, IPC_WRITE or mode bits as given to get.
 * -E_ACCES */
int ipc_access(const struct ipc_object *o, const struct cred *c, u32 want) MUST_CHECK;
/* May it be changed or removed? -E_PERM */
int ipc_owner(const struct ipc_object *o, const struct cred *c) MUST_CHECK;

#endif

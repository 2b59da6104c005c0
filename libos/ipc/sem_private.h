/* SPDX-License-Identifier: MIT */
/* Private to ipc/: a set of semaphores, and what is given back of it. */
#ifndef LIBOS_IPC_SEM_PRIVATE_H
#define LIBOS_IPC_SEM_PRIVATE_H

#include "ipc/sem.h"

struct sem_one {
    i32 value, pid;
    struct list waiters; /* S2, S3 */
};
struct sem_set {
    struct ipc_object object; /* its lock guards all below */
    u32 count, payer;
    u64 tickets;
    u64 changed_ns, operated_ns; /* wall clock; 0: never */
    struct list undos;
    struct sem_one sem[];
};
struct sem_undo {
    struct tree_node by_set; /* group->lock; ordered by the set's address */
    struct list link;        /* set->undos */
    struct sem_set *set;     /* a reference */
    struct sem_undo_group *group;
    bool grouped;            /* group->lock: it stands in the group's tree */
    u32 payer;
    i16 give[];              /* set's lock */
};
struct sem_undo_group {
    _Atomic u32 refs;  /* of processes and of undos */
    _Atomic u32 users; /* processes */
    struct spinlock lock;
    struct tree undos;
};
struct sem_waiter {
    struct ipc_waiter wait;
    const struct sem_operation *op;
    u32 count;
    struct sem_undo *undo; /* NULL: none */
    i32 pid;
    u64 ticket;
    i32 stopped;           /* the index of the operation at which it stopped */
};

extern struct ipc_table sem_table;
extern u32 sem_all_count;

/* With the set's lock held. */
/* Try a group of operations: 0; -E_RANGE, -E_AGAIN; 1: it has to wait, w->stopped says at
 * which operation. */
int sem_try(struct sem_set *s, struct sem_waiter *w);
/* One semaphore has changed: who can go on goes. */
void sem_changed(struct sem_set *s, u32 number);
/* Somebody's operations were done: the same for each that changed. */
void sem_done(struct sem_set *s, const struct sem_waiter *w);
void sem_queue(struct sem_set *s, struct sem_waiter *w);

/* undo.c: the group's undo of a set, made if need be; -E_NOMEM -E_IDRM. */
int sem_undo_find(struct sem_undo_group *g, struct sem_set *s, struct sem_undo **out);
/* Free what stood in the list of a set that was removed; no lock held. */
void sem_undo_drop(struct list *undos);

#endif

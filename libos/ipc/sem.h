/* SPDX-License-Identifier: MIT */
/*
 * System V semaphores.
 *
 * S1. A group of operations is done whole or not at all, under the set's lock.
 * S2. Who waits stands in the queue of the one semaphore at which its operations stopped:
 *     it cannot go on before that one changes. So a change looks at the waiters of what
 *     changed alone, and the counts that GETNCNT and GETZCNT tell are those of the queue.
 * S3. Within a queue the order is that of arrival at the set (`ticket`).
 * S4. A waiter is taken out by who finishes it, under the set's lock, and takes that lock
 *     itself before it goes: nobody touches a waiter that is gone.
 * S5. An undo holds its set and its group. While the set is there, it stands in the lists
 *     of both; whoever takes it out of the set's list (the group's end, the set's end)
 *     frees it. The set's end takes the group's lock before it frees, so that a group's
 *     end never has a stale one in its hand.
 * Locks: undo_group.lock, then the set's lock, then the scheduler's queues.
 * Costs: operations of n semaphores without waiters O(n); an undo O(log sets).
 */
#ifndef LIBOS_IPC_SEM_H
#define LIBOS_IPC_SEM_H

#include "ipc/ipc.h"

#define SEM_VALUE_MAX 32767
#define SEM_SET_MAX 32000u     /* semaphores of a set (SEMMSL) */
#define SEM_OPERATIONS_MAX 500u
#define SEM_SETS_MAX 32000u
#define SEM_ALL_MAX 1024000000u

#define SEM_NOWAIT 0x1u
#define SEM_UNDONE 0x2u /* given back when the group ends */
struct sem_operation {
    u16 number;
    i16 change;
    u32 flags;
};
struct sem_undo_group;
struct sem_who {
    const struct cred *cred;
    i32 pid;
    struct sem_undo_group *undo; /* may be NULL if no operation is SEM_UNDONE */
};

/* The error numbers are those of semget(2). */
i64 sem_get(const struct cred *c, const struct ipc_wanted *wanted);
/* deadline_ns: monotonic; ~0: none. -E_2BIG -E_FBIG -E_ACCES -E_AGAIN -E_IDRM -E_INTR
 * -E_RANGE -E_INVAL -E_NOMEM */
int sem_operate(const struct sem_who *who, i32 id, const struct sem_operation *op,
                u32 count, u64 deadline_ns) MUST_CHECK;
int sem_remove(const struct cred *c, i32 id) MUST_CHECK;
/* As many values as the set has. -E_RANGE; -E_IDRM: it has another number, and so is another
 * set than the one that was asked how many it has. */
int sem_set_all(const struct sem_who *who, i32 id, const u16 *values, u32 count) MUST_CHECK;
int sem_get_all(const struct cred *c, i32 id, u16 *values, u32 count) MUST_CHECK;
struct sem_facts {
    struct ipc_facts ipc;
    u64 operated_ns, changed_ns;
    u32 count;
};
/* c NULL: anybody may. */
int sem_stat(const struct cred *c, struct ipc_which which, struct sem_facts *out) MUST_CHECK;
int sem_change(const struct cred *c, i32 id, u32 uid, u32 gid, u32 mode) MUST_CHECK;
struct sem_counts {
    u32 sets, semaphores, highest;
};
void sem_count(struct sem_counts *out);
i64 sem_next(u32 from); /* ipc_next_index */
/* -E_RANGE */
int sem_set_value(const struct sem_who *who, i32 id, u32 number, i32 value) MUST_CHECK;
enum sem_question { SEM_VALUE, SEM_PID, SEM_WAIT_MORE, SEM_WAIT_ZERO };
i64 sem_ask(const struct cred *c, i32 id, u32 number, enum sem_question what);

/* One reference; NULL: no memory. */
struct sem_undo_group *sem_undo_group_new(void);
/* The one that is kept at *at, made if need be; NULL: no memory. Whoever puts another
 * there makes sure that nobody else uses *at. */
struct sem_undo_group *sem_undo_group_of(struct sem_undo_group **at);
void sem_undo_group_hold(struct sem_undo_group *g);
/* A process lets go; the last one's end gives everything back. */
void sem_undo_group_leave(struct sem_undo_group *g, i32 pid);

#endif

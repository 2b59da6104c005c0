/* SPDX-License-Identifier: MIT */
/*
 * System V message queues.
 *
 * M1. A message goes straight to the first receiver that waits for such a one, and into the
 *     queue only if there is none; so what a receiver waits for is never in the queue.
 * M2. Senders wait in the order in which they came. Who makes room puts the messages that fit
 *     where they belong (M1), in this order: no message that fits waits, as on Linux.
 * M3. A waiter is taken out by who finishes it, under the queue's lock, and takes that lock
 *     itself before it goes.
 * M4. A message never changes; a copy of it (MSG_COPY) is one more reference.
 * Locks: the queue's lock, then the scheduler's queues.
 * Costs: O(1) to send; to take the first O(senders that wait); a type that is sought
 * O(messages).
 */
#ifndef LIBOS_IPC_MSG_H
#define LIBOS_IPC_MSG_H

#include "ipc/ipc.h"

struct msg {
    struct list link;
    _Atomic u32 refs;
    u32 payer;
    i64 type;
    u64 bytes;
    u8 data[];
};
/* Settings: what a message, a queue and the system may hold at most. */
extern _Atomic u32 msg_bytes_max, msg_queue_bytes, msg_queues_max;

struct msg *msg_new(u64 bytes); /* NULL: no memory (I5) */
void msg_put(struct msg *m);

i64 msg_get(const struct cred *c, const struct ipc_wanted *wanted);
struct msg_who {
    const struct cred *cred;
    i32 pid;
};
/* Takes the reference if it is 0. -E_INVAL -E_ACCES -E_AGAIN -E_IDRM -E_INTR */
int msg_send(const struct msg_who *who, i32 id, struct msg *m, bool wait) MUST_CHECK;
enum msg_choice { MSG_ANY, MSG_EQUAL, MSG_OTHER, MSG_UP_TO, MSG_NUMBER };
struct msg_wish {
    enum msg_choice choice;
    i64 type;    /* MSG_NUMBER: the place in the queue; the message stays there */
    u64 most;    /* bytes; a longer one is -E_2BIG unless cut */
    bool cut, wait;
};
/* A reference. -E_INVAL -E_ACCES -E_NOMSG -E_2BIG -E_IDRM -E_INTR */
int msg_receive(const struct msg_who *who, i32 id, const struct msg_wish *wish,
                struct msg **out) MUST_CHECK;
int msg_remove(const struct cred *c, i32 id) MUST_CHECK;
struct msg_facts {
    struct ipc_facts ipc;
    u64 sent_ns, received_ns, changed_ns;
    u64 bytes, count, bytes_max;
    i32 sender, receiver;
};
int msg_stat(const struct cred *c, struct ipc_which which, struct msg_facts *out) MUST_CHECK;
/* -E_PERM: more than the setting needs CAP_SYS_RESOURCE. */
int msg_change(const struct cred *c, i32 id, u32 uid, u32 gid, u32 mode,
               u64 bytes_max) MUST_CHECK;
struct msg_counts {
    u32 queues, highest;
    u64 messages, bytes;
};
void msg_count(struct msg_counts *out);
i64 msg_next(u32 from);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * POSIX message queues (mq_overview(7)) and the file system in which they have names.
 *
 * Q1. A queue is an inode: it lives while it has a name or is open. There is one file system
 *     of them; who mounts it sees what mq_open made.
 * Q2. A message goes straight to the most important receiver, of these the one that has
 *     waited longest, and into the queue only if nobody waits; so receivers wait only while
 *     it is empty, senders, in the same order, while it is full.
 * Q3. Messages stand in a tree by priority, the higher first, and then by their age.
 * Q4. What a queue may hold at most was accounted to its maker's user when it was made
 *     (RLIMIT_MSGQUEUE); the messages themselves are charged as I5 of ipc.h says.
 * Q5. A queue has one note at most: who is told when a message comes into the empty queue
 *     for which nobody waits. It is gone when it has been told, when its owner closes a
 *     descriptor of the queue, or ends.
 * Locks: the directory's mutex, then the queue's lock, then the scheduler's queues.
 * Costs: O(log n) in a queue's messages, and in the number of queues by name; to wait O(those
 * that wait and are less important).
 */
#ifndef LIBOS_IPC_MQ_H
#define LIBOS_IPC_MQ_H

#include "ipc/ipc.h"
#include "vfs/vfs.h"

struct mq;
struct mq_size {
    u64 count, bytes; /* messages at most; of one message at most */
};
#define MQ_COUNT_MAX 65536u        /* with CAP_SYS_RESOURCE */
#define MQ_BYTES_MAX 16777216u
#define MQ_PRIORITIES 32768u
/* Settings: queues in all, and what a queue may have and has if it is not said. */
extern _Atomic u32 mq_queues_max, mq_count_max, mq_bytes_max;
extern _Atomic u32 mq_count_default, mq_bytes_default;

struct mq_open_args {
    const struct cred *cred;
    struct fs_context *context; /* whose umask */
    const char *name;           /* without a slash */
    u32 flags;                  /* OPEN_* */
    u32 mode;
    const struct mq_size *size; /* NULL: the default */
};
/* -E_ACCES -E_EXIST -E_NOENT -E_NAMETOOLONG -E_INVAL (size) -E_MFILE (Q4) -E_NOSPC
 * -E_NOMEM */
int mq_open(const struct mq_open_args *args, struct file **out) MUST_CHECK;
int mq_unlink(struct fs_context *context, const struct cred *cred,
              const char *name) MUST_CHECK;
/* The queue of a file; NULL: it is another. */
struct mq *mq_of_file(const struct file *f);

struct mq_message {
    struct tree_node node; /* Q3 */
    u64 number;
    u32 priority, payer;
    u64 bytes;
    u8 data[];
};
struct mq_message *mq_message_new(u64 bytes); /* NULL: no memory */
void mq_message_free(struct mq_message *m);
u64 mq_message_most(const struct mq *q); /* bytes of one message */
/* wait NULL: never. Takes the message if it is 0. -E_AGAIN -E_TIMEDOUT -E_INTR */
int mq_send(struct mq *q, struct mq_message *m, const struct ipc_limit *wait) MUST_CHECK;
int mq_receive(struct mq *q, const struct ipc_limit *wait,
               struct mq_message **out) MUST_CHECK;
struct mq_facts {
    struct mq_size size;
    u64 count;
};
void mq_stat(struct mq *q, struct mq_facts *out);

/* ---- notes (Q5) ---- */
enum mq_note_kind { MQ_NOTE_SILENT, MQ_NOTE_SIGNAL };
struct mq_note {
    void *owner;  /* NULL: there is none; else a reference on a process */
    u32 program;  /* which of its programs asked */
    i32 pid;
    enum mq_note_kind kind;
    i32 number;
    u64 value;
};
/* Takes the note's owner if it is 0. -E_BUSY: there is one. */
int mq_note_set(struct mq *q, const struct mq_note *note) MUST_CHECK;
void mq_note_remove(struct mq *q); /* if it is the current process's */
/* Set by posix. */
struct mq_hooks {
    bool (*is_mine)(const struct mq_note *note); /* is the current process its owner? */
    void (*tell)(const struct mq_note *note);    /* in the name of the current process */
    void (*drop)(void *owner);
    u64 (*limit)(void);                          /* RLIMIT_MSGQUEUE of the current process */
};
extern struct mq_hooks mq_hooks;

/* Registers the kind "mqueue"; before the first process. */
void mq_init(void);

#endif

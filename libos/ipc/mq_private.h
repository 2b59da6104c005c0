/* SPDX-License-Identifier: MIT */
/* Private to ipc/: a POSIX message queue, as mq.c fills it and mq_fs.c shows it. */
#ifndef LIBOS_IPC_MQ_PRIVATE_H
#define LIBOS_IPC_MQ_PRIVATE_H

#include "ipc/mq.h"

struct mq {
    struct inode inode;
    /* The directory's mutex: */
    struct tree_node by_name, by_number;
    u64 number;              /* never used again: a reader's place in the directory */
    /* Constant: */
    struct mq_size size;
    u32 payer;
    u64 accounted;           /* Q4 */
    struct spinlock lock;    /* of all below */
    struct tree messages;    /* Q3 */
    u64 next_number, count, bytes;
    struct list senders, receivers;
    struct mq_note note;
    struct waitq changed;
    u32 length;              /* constant, as the name */
    char name[];
};

/* May the user have such a queue? The bytes that were accounted. -E_INVAL -E_MFILE */
i64 mq_account(const struct cred *c, const struct mq_size *size);
void mq_begin(struct mq *q);     /* an empty one */
void mq_end(struct mq *q);       /* its messages and what was accounted go */
u32 mq_poll(struct mq *q, struct poll_table *t);
/* What a read of the file shows: its length. */
u32 mq_show(struct mq *q, char *to, u32 size);

#endif

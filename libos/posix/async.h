/* SPDX-License-Identifier: MIT */
/* Private to posix: signal-driven I/O; async.c has the invariants. */
#ifndef LIBOS_POSIX_ASYNC_H
#define LIBOS_POSIX_ASYNC_H

#include "vfs/vfs.h"

enum async_kind { ASYNC_THREAD, ASYNC_PROCESS, ASYNC_GROUP }; /* F_OWNER_* */
struct async_owner {
    enum async_kind kind;
    i32 id;   /* 0: nobody */
    i32 tgid; /* of a thread */
};
/* O_ASYNC changes; fd is the descriptor that signals name. Nothing happens for files that
 * cannot do it. -E_NOMEM */
int async_turn(struct file *f, int fd, bool on) MUST_CHECK;
/* A thread must be one of the caller's process: -E_SRCH. */
int async_set_owner(struct file *f, const struct async_owner *owner) MUST_CHECK;
void async_get_owner(struct file *f, struct async_owner *out);
/* 0: SIG_IO without information. -E_INVAL -E_NOMEM */
int async_set_signal(struct file *f, u64 number) MUST_CHECK;
i32 async_get_signal(struct file *f);
/* Something came out of band: SIGURG to the owner. */
void async_urgent(struct file *f);

#endif

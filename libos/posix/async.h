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
/* The caller's process becomes the owner if there is none.  -E_NOMEM */
int async_own(struct file *f) MUST_CHECK;
/* What the file is about changed: the signal that F_SETSIG chose, with the descriptor.
 * After async_own. */
void async_message(struct file *f, i32 fd);

/* fcntl's F_NOTIFY (dnotify.c).  -E_NOTDIR -E_MFILE -E_NOSPC -E_NOMEM */
int dnotify_ask(struct file *f, const struct fdtable *t, int fd, u32 what) MUST_CHECK;
/* What was asked for through the table's descriptors of it; NULL: any table's. */
void dnotify_forget(const struct file *f, const struct fdtable *t);

#endif

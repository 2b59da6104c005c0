/* SPDX-License-Identifier: MIT */
/*
 * What a thread has besides memory and signals, and shares with others by CLONE_FILES, CLONE_FS and
 * CLONE_SYSVSEM or not: its descriptors, its place (root, directory, umask), and what it
 * owes to semaphores. Threads of one process need not share them, and those of different
 * ones may.
 *
 * PA1. The thread alone replaces its parts, under process->lock, under which others look; so it
 *      reads its own without a lock.
 * PA2. They leave a thread before it leaves process->threads, and when it does if it is the last:
 *      who looks may find none.
 */
#ifndef LIBOS_PROC_PARTS_H
#define LIBOS_PROC_PARTS_H

#include "proc/proc.h"

struct thread_parts {
    struct fdtable *files;
    struct fs_context *fs;
    struct sem_undo_group *undo; /* NULL: never needed */
};
/* Those of a thread that `from`, the caller, makes: by FORK_SHARE_FILES, _FS and _UNDO its own, else
 * copies. -E_NOMEM: *out is empty. */
int parts_take(struct thread *from, u32 flags, struct thread_parts *out) MUST_CHECK;
/* From here into a thread that has none, and out of it; p->lock is held if it can be seen. */
void parts_give(struct thread_parts *from, struct thread *t);
void parts_leave(struct thread *t, struct thread_parts *out);
/* Files may be closed, so this may sleep. pid: who gave back to the semaphores. */
void parts_drop(struct thread_parts *parts, i32 pid);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What a thread has besides memory and signals, and shares with others by CLONE_FILES, CLONE_FS and
 * CLONE_SYSVSEM or not: its descriptors, its place (root, directory, umask), and what it
 * owes to semaphores. Threads of one process need not share them, and those of different
 * ones may.
 *
 * PA1. The thread alone replaces its parts, under process->lock, under which others look; so it
 *      reads its own without a lock.
 * PA2. Before a thread leaves process->threads it ends the use of its parts, unless it is the last;
 *      they are its own still, so who finds it there finds them, perhaps without an open file.
 */
#ifndef LIBOS_PROC_PARTS_H
#define LIBOS_PROC_PARTS_H

#include "proc/proc.h"

/* t, which nobody can see yet, gets its own: by FORK_SHARE_FILES, _FS and _UNDO those of `from`, the
 * caller, else copies.  -E_NOMEM: it may have some of them; as at its end. */
int parts_take(struct thread *from, u32 flags, struct thread *t) MUST_CHECK;
/* All of from's become those of `to`, which has none; nobody can see them. */
void parts_move(struct thread *from, struct thread *to);
/* t, the caller or one that nobody sees, uses its parts no more: of what it was the last to use
 * files are closed, and semaphores given back to. May sleep. visible: others may find t meanwhile. */
void parts_end(struct thread *t, bool visible);
/* After parts_end, when nobody can see t any more. */
void parts_drop(struct thread *t);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Handles: names of processes that stay right. A handle of a process that was waited for
 * names nothing, whoever bears its number then. It keeps neither the process nor its
 * number, so that nobody can use numbers up by holding handles.
 *
 * H1. A process has one handle at most, made when somebody asks for it first
 *     (process->handle, set under process->lock, never replaced).
 * H2. handle->process is not NULL as long as the process can be found by its number: it is
 *     cleared under handle->lock when the process is buried. Whoever reads it there takes a
 *     reference before letting go of the lock.
 * H3. `wait` is woken when the process has become a zombie, and after that state was set.
 * Locks: process->lock or family_lock, then handle->lock, which is a leaf but for `wait`.
 */
#ifndef LIBOS_PROC_HANDLE_H
#define LIBOS_PROC_HANDLE_H

#include "core/types.h"
#include "core/wait.h"

struct process;
struct proc_handle {
    _Atomic u32 refs;
    struct spinlock lock;
    struct process *process; /* lock; H2 */
    struct waitq wait;       /* H3 */
};

/* The handle of p with a reference; NULL: no memory. */
struct proc_handle *proc_handle_get(struct process *p);
void proc_handle_release(struct proc_handle *h);
/* The process with a reference, zombies too; NULL: it is no more. */
struct process *proc_handle_process(struct proc_handle *h);
bool proc_handle_ended(struct proc_handle *h); /* all its threads have ended */

/* For this room: the process became a zombie; is buried. family_lock is held. */
void proc_handle_zombie(struct process *p);
void proc_handle_buried(struct process *p);

#endif

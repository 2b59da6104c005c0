/* SPDX-License-Identifier: MIT */
/* Descriptors of processes, for the calls that take one. */
#ifndef LIBOS_POSIX_PIDFD_H
#define LIBOS_POSIX_PIDFD_H

#include "core/types.h"

struct fork_args;
struct process;

/* What clone does for CLONE_PIDFD: fork_args.prepare and settle are set. */
struct pidfd_clone {
    uaddr at;          /* where the descriptor's number goes */
    struct file *file;
    int fd;
};
void pidfd_for_clone(struct pidfd_clone *c, struct fork_args *args, uaddr at);
/* The process of a descriptor, with a reference: -E_BADF: it is none of a process; -E_SRCH:
 * that one was waited for. *nonblocking may be NULL. */
int pidfd_process(int fd, struct process **out, bool *nonblocking) MUST_CHECK;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The Linux x86-64 system-call ABI: the only room that knows Linux's numbers, structures,
 * flags and errno.
 *
 * A handler is `long sys_NAME(struct user_frame *f)`: it takes its arguments from the
 * frame (rdi rsi rdx r10 r8 r9) and returns a result >= 0 (or any value for addresses) or
 * minus an error of core/error.h; the dispatcher turns errors into errno numbers and
 * restarts. posix/table.c lists all calls: SYSCALL(number, name) with a handler, or none:
 * ENOSYS. One file for each area: file.c fs.c poll.c (files), mm.c, proc.c signal.c
 * time.c misc.c.
 */
#ifndef LIBOS_POSIX_POSIX_H
#define LIBOS_POSIX_POSIX_H

#include "core/error.h"
#include "core/thread.h"
#include "core/types.h"

typedef long (*syscall_fn)(struct user_frame *f);
#define SYS_ARG0(f) ((f)->rdi)
#define SYS_ARG1(f) ((f)->rsi)
#define SYS_ARG2(f) ((f)->rdx)
#define SYS_ARG3(f) ((f)->r10)
#define SYS_ARG4(f) ((f)->r8)
#define SYS_ARG5(f) ((f)->r9)

/* libos_hooks.call_error: what a handler's error is for the user. */
long posix_call_error(long result);
/* -E_RESTART_BLOCK: the handler has put a syscall_fn into thread->restart[0], which is
 * called by restart_syscall when no handler ran; restart[1..5] are its own. */
int posix_errno(int error);             /* positive errno of Linux for a positive E_* */
void posix_init(void);
/* What uname(2) tells; setting cuts what is too long. */
#define POSIX_NAME_BYTES 65
enum posix_name {
    POSIX_NAME_SYSTEM,
    POSIX_NAME_NODE,
    POSIX_NAME_RELEASE,
    POSIX_NAME_VERSION,
    POSIX_NAME_DOMAIN
};
void posix_name_get(enum posix_name which, char to[POSIX_NAME_BYTES]);
void posix_name_set(enum posix_name which, const char *name);
#include "posix/calls.h" /* prototypes of all sys_* handlers, one line each */

#endif

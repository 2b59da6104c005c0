/* SPDX-License-Identifier: MIT */
/* The table of system calls, for the dispatcher and for who lists it. */
#ifndef LIBOS_POSIX_TABLE_H
#define LIBOS_POSIX_TABLE_H

#include "posix/posix.h"

#define POSIX_CALLS 463u

long sys_missing(struct user_frame *f); /* ENOSYS */
extern const syscall_fn posix_calls[POSIX_CALLS], posix_traced_calls[POSIX_CALLS];
long posix_call_whole(struct user_frame *f), posix_call_traced(struct user_frame *f);
bool posix_call_exists(u32 number);
const char *posix_call_name(u32 number); /* NULL: no call of Linux has this number */

#endif

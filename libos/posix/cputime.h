/* SPDX-License-Identifier: MIT */
/* CPU time for the other files of this room: layouts of usage, CPU clocks. */
#ifndef LIBOS_POSIX_CPUTIME_H
#define LIBOS_POSIX_CPUTIME_H

#include "core/types.h"
#include "proc/usage.h"

/* A struct rusage. -E_FAULT */
int rusage_to_user(uaddr at, const struct proc_usage *used) MUST_CHECK;
/* A clock with a negative number: of a process (any), or of a thread of this process.
 * -E_INVAL: there is no such clock, process or thread. */
int cpu_clock_read(i32 id, u64 *ns) MUST_CHECK;
#define CPU_CLOCK_SELF ((i32)-6) /* CLOCK_PROCESS_CPUTIME_ID as such a number */

#endif

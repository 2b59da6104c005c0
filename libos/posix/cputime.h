/* SPDX-License-Identifier: MIT */
/* CPU time for the other files of this room: layouts of usage, CPU clocks. */
#ifndef LIBOS_POSIX_CPUTIME_H
#define LIBOS_POSIX_CPUTIME_H

#include "core/types.h"
#include "proc/cpu_timer.h"
#include "proc/usage.h"

/* A struct rusage. -E_FAULT */
int rusage_to_user(uaddr at, const struct proc_usage *used) MUST_CHECK;
/* A clock with a negative number: of a process (any), or of a thread of this process.
 * -E_INVAL: there is no such clock, process or thread. */
int cpu_clock_read(i32 id, u64 *ns) MUST_CHECK;
/* Is it a clock of CPU time, by its own number or an encoded one? */
bool cpu_clock_is(i32 id);
/* Its watch, with a reference. -E_INVAL -E_NOMEM */
int cpu_clock_watch(i32 id, struct cpu_watch **out, enum cpu_time *time) MUST_CHECK;
/* clock_nanosleep(2) on such a clock; `left` 0: nobody wants to know. -E_INVAL: the caller's own
 * time, which would stand still; -E_NOTSUP; -E_RESTART* */
long cpu_clock_sleep(i32 id, bool absolute, u64 ns, uaddr left);
/* clock_getres(2). */
u64 cpu_clock_resolution(i32 id);
#define CPU_CLOCK_SELF ((i32)-6) /* CLOCK_PROCESS_CPUTIME_ID as such a number */

#endif

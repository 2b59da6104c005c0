/* SPDX-License-Identifier: MIT */
/* What the files trace*.c share; trace.h has the invariants. */
#ifndef LIBOS_PROC_TRACE_PRIVATE_H
#define LIBOS_PROC_TRACE_PRIVATE_H

#include "proc/internal.h"
#include "proc/trace.h"

#define STATUS_STOPPED(n) ((n) << 8 | 0x7f)

/* trace->events */
#define WAITS_EXEC 0x1u
#define WAITS_STOP 0x2u /* PTRACE_INTERRUPT, or the start of who was traced from birth */

void trace_put(struct trace *tr);
/* With family_lock held: the tracer has nothing to do with it any more. The list's reference
 * is the caller's. */
void trace_leave_locked(struct trace *tr);
/* Does it count in Y5? After a change; family_lock is held. */
void trace_count_locked(struct trace *tr);
/* Y9; family_lock is held. */
void trace_arrived_locked(struct trace *tr);
/* Who waits for it hears of it; family_lock is held. code: SIGNAL_CLD_* */
void trace_tell_locked(struct trace *tr, i32 code, i32 number);

#endif

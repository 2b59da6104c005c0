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

/* Where a thread stops: on its way to the user, in the middle of a call, at its end. */
enum stop_kind { STOP_ON_THE_WAY, STOP_IN_CALL, STOP_AT_END };

/* Y2. report: as wait's status; number: the signal that it is about to take. False: nobody
 * traces it any more, or it is to end; it did not stop. */
bool trace_stop(struct thread *t, struct trace *tr, struct user_frame *f, i32 report,
                i32 number, enum stop_kind kind);
/* Of a stop that no signal has made: before trace_stop. */
void trace_set_info(struct trace *tr, i32 code, enum trace_at at);
/* On the way to the user: what there is to tell of a call that was made, or not. */
void trace_look_at_call(struct thread *t, struct trace *tr, struct user_frame *f);

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

/* SPDX-License-Identifier: MIT */
/* Tracing: stops at calls, within them and at their ends. trace.h has the invariants. */
#include "proc/trace_private.h"

#define LINUX_ENOSYS 38 /* what rax shows while a call is under way */
#define CODE_STEPPED 1  /* TRAP_BRKPT: over a call, not by the processor */

static bool
stops_at_calls(const struct trace *tr)
{
    return tr->goes == TRACE_TO_CALL;
}

static bool
emulates(const struct trace *tr)
{
    return tr->goes == TRACE_EMULATE || tr->goes == TRACE_EMULATE_STEP;
}

/* A stop at a call: a signal that the tracer gives then is sent as by it. */
static void
stop_at_call(struct thread *t, struct trace *tr, struct user_frame *f, enum trace_at at)
{
    i32 number = SIG_TRAP | ((tr->options & TRACE_CALLS_MARKED) != 0 ? 0x80 : 0);
    enum stop_kind kind = at == TRACE_AT_CALL ? STOP_IN_CALL : STOP_ON_THE_WAY;
    trace_set_info(tr, number, at);
    tr->message = at == TRACE_AT_CALL ? 1 : 2;
    if (trace_stop(t, tr, f, STATUS_STOPPED(number), 0, kind) && tr->signal != 0)
        signal_send_thread(t, tr->signal, NULL);
}

/* It goes on within a call: is the tracer told of its end, or does a step end there? */
static void
watch_end(struct thread *t, struct trace *tr)
{
    tr->in_call = stops_at_calls(tr);
    tr->step_in_call = tr->stepping && !emulates(tr);
    if (tr->in_call || tr->step_in_call)
        thread_set_work(t, WORK_TRACE);
}

bool
trace_call(struct thread *t, struct user_frame *f)
{
    struct trace *tr = t->trace;
    bool emulate = emulates(tr), makes = true;
    if (stops_at_calls(tr) || emulate) {
        f->rax = (u64)-(i64)LINUX_ENOSYS;
        tr->regs.orig_rax = f->orig_rax;
        stop_at_call(t, tr, f, TRACE_AT_CALL);
        makes = !emulate && (i64)tr->regs.orig_rax >= 0;
    }
    if (!makes) {
        tr->emulated = true;
        tr->result = f->rax;
    }
    watch_end(t, tr);
    if (tr->emulated)
        thread_set_work(t, WORK_TRACE);
    return makes;
}

void
trace_event(struct thread *t, struct user_frame *f, int event, u64 message)
{
    struct trace *tr = t->trace;
    if (tr == NULL || (tr->options & TRACE_EVENT_BIT(event)) == 0)
        return;
    f->rax = (u64)-(i64)LINUX_ENOSYS;
    trace_set_info(tr, SIG_TRAP | event << 8, TRACE_AT_OTHER);
    tr->message = message;
    if (trace_stop(t, tr, f, STATUS_STOPPED(SIG_TRAP) | event << 16, 0, STOP_IN_CALL))
        watch_end(t, tr);
}

void
trace_look_at_call(struct thread *t, struct trace *tr, struct user_frame *f)
{
    if (tr->emulated) {
        tr->emulated = false;
        f->rax = tr->result;
        t->restart_kind = 0;
    }
    spin_lock(&family_lock);
    bool executed = (tr->events & WAITS_EXEC) != 0;
    tr->events &= ~WAITS_EXEC;
    spin_unlock(&family_lock);
    if (executed) {
        trace_set_info(tr, SIG_TRAP | TRACE_EVENT_EXEC << 8, TRACE_AT_OTHER);
        if (trace_stop(t, tr, f, STATUS_STOPPED(SIG_TRAP) | TRACE_EVENT_EXEC << 16, 0,
                 STOP_ON_THE_WAY))
            watch_end(t, tr);
    }
    if (tr->in_call) {
        tr->in_call = false;
        if (stops_at_calls(tr))
            stop_at_call(t, tr, f, TRACE_AT_CALL_END);
    }
    if (tr->step_in_call) {
        struct signal_info info = { .number = SIG_TRAP, .code = CODE_STEPPED,
                                    .addr = f->rip };
        tr->step_in_call = false;
        if (tr->stepping)
            signal_fault(SIG_TRAP, &info);
    }
}

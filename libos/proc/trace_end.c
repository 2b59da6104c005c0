/* SPDX-License-Identifier: MIT */
/*
 * Tracing: what tracers hear by signals and wait, ends of both sides, and exec. trace.h has
 * the invariants.
 */
#include "core/log.h"
#include "proc/trace_private.h"

void
trace_tell_locked(struct trace *tr, i32 code, i32 number)
{
    struct signal_info info = { .number = SIG_CHLD, .code = code,
                                .pid = tr->tid, .status = number };
    struct signal_action a = { .flags = SA_F_NOCLDSTOP };
    bool ends = code == SIGNAL_CLD_EXITED || code == SIGNAL_CLD_KILLED ||
                code == SIGNAL_CLD_DUMPED;
    if (tr->tracer->actions != NULL)
        signal_action_get(tr->tracer, SIG_CHLD, &a);
    if (ends || (a.flags & SA_F_NOCLDSTOP) == 0)
        signal_send_process(tr->tracer, SIG_CHLD, &info);
    wait_wake(&tr->tracer->child_wait, ~0u);
}

/* ---- wait ---- */

static bool
is_asked(const struct process *self, const struct trace *tr, i32 which, u32 flags)
{
    if ((flags & WAIT_OWN) != 0 && tr->by != NULL && tr->by != thread_current())
        return false;
    if (which > 0)
        return tr->tid == which;
    if (which == -1)
        return true;
    return tr->process->pgid == (which == 0 ? self->pgid : -which);
}

static void
fill(const struct trace *tr, struct wait_report *out)
{
    struct process *p = tr->process;
    *out = (struct wait_report){ .pid = tr->tid, .status = tr->report, .trapped = true };
    spin_lock(&p->lock);
    out->uid = p->cred != NULL ? (i32)p->cred->uid : 0;
    spin_unlock(&p->lock);
    usage_of_process(p, &out->usage);
    usage_sum(&out->usage, &p->children_usage);
}

int
trace_report_locked(struct process *self, i32 which, u32 flags, struct wait_report *out,
                    struct trace **gone)
{
    int r = -E_CHILD;
    list_for_each_safe(it, &self->tracees) {
        struct trace *tr = container_of(it, struct trace, link);
        if (!is_asked(self, tr, which, flags))
            continue;
        r = 0;
        if (tr->ended ? !(flags & WAIT_EXITED) : tr->report == 0)
            continue;
        fill(tr, out);
        if ((flags & WAIT_NOREAP) != 0)
            return 1;
        tr->report = 0;
        if (tr->ended) {
            list_remove(&tr->link);
            tr->tracer = NULL;
            *gone = tr;
        }
        return 1;
    }
    return r;
}

bool
trace_is_of_parent(const struct process *parent, const struct process *child)
{
    if (__atomic_load_n(&child->traced, __ATOMIC_RELAXED) == 0)
        return false;
    list_for_each(it, &parent->tracees) {
        const struct trace *tr = container_of(it, struct trace, link);
        if (tr->process == child && tr->tid == child->pid && tr->thread != NULL)
            return true;
    }
    return false;
}

/* ---- ends ---- */

/* Its tracer's wait is to tell the end; family_lock is held. */
static void
tell_end_locked(struct trace *tr, i32 status)
{
    bool exited = (status & 0x7f) == 0;
    tr->ended = true;
    tr->report = status;
    trace_tell_locked(tr, exited           ? SIGNAL_CLD_EXITED
                          : status & 0x80 ? SIGNAL_CLD_DUMPED
                                           : SIGNAL_CLD_KILLED,
                      exited ? status >> 8 & 0xff : status & 0x7f);
}

/*
 * The first thread's end is its process's: a parent that traces it hears of that as a
 * parent, another tracer when the last thread has ended (leader_trace), and nobody when
 * another thread takes its place by exec.
 */
void
trace_thread_ends(struct thread *t, i32 status)
{
    struct trace *tr = t->trace;
    struct process *p = tr->process;
    spin_lock(&family_lock);
    spin_lock(&p->lock);
    p->traced--;
    p->nstopped -= tr->counted;
    bool replaced = p->exec_thread != NULL && p->exec_thread != t && !p->group_exit;
    __atomic_store_n(&t->trace, NULL, __ATOMIC_RELAXED);
    spin_unlock(&p->lock);
    tr->thread = NULL;
    trace_arrived_locked(tr);
    trace_count_locked(tr);
    bool listed = tr->tracer != NULL, first = t->tid == p->pid, drops = false;
    if (listed && first && (replaced || tr->tracer == p->parent)) {
        list_remove(&tr->link);
        tr->tracer = NULL;
        drops = true;
    } else if (listed && first) {
        p->leader_trace = tr; /* with t's reference */
    } else if (listed) {
        tell_end_locked(tr, status);
    }
    bool keeps = p->leader_trace == tr;
    spin_unlock(&family_lock);
    if (drops)
        trace_put(tr);
    if (!keeps)
        trace_put(tr);
}

struct trace *
trace_leader_ends_locked(struct process *p)
{
    struct trace *tr = p->leader_trace;
    p->leader_trace = NULL;
    if (tr->tracer != NULL)
        tell_end_locked(tr, p->exit_status);
    return tr;
}

void
trace_leader_replaced(struct process *p)
{
    spin_lock(&family_lock);
    struct trace *tr = p->leader_trace;
    p->leader_trace = NULL;
    bool listed = tr != NULL && tr->tracer != NULL;
    if (listed) {
        list_remove(&tr->link);
        tr->tracer = NULL;
    }
    spin_unlock(&family_lock);
    if (listed)
        trace_put(tr);
    if (tr != NULL)
        trace_put(tr);
}

/* Of p's tracees one that `by` traces, or any. */
static struct trace *
one_of_locked(struct process *p, const struct thread *by)
{
    list_for_each(it, &p->tracees) {
        struct trace *tr = container_of(it, struct trace, link);
        if (by == NULL || tr->by == by)
            return tr;
    }
    return NULL;
}

void
trace_tracer_ends(struct process *p, struct thread *by)
{
    for (;;) {
        spin_lock(&family_lock);
        struct trace *tr = one_of_locked(p, by);
        bool kill = tr != NULL && (tr->options & TRACE_EXIT_KILL) != 0 && !tr->ended;
        if (tr != NULL)
            trace_leave_locked(tr);
        spin_unlock(&family_lock);
        if (tr == NULL)
            return;
        if (kill)
            signal_send_process(tr->process, SIG_KILL, NULL);
        trace_put(tr);
    }
}

/* ---- exec ---- */

void
trace_exec(struct thread *t)
{
    struct trace *tr = t->trace;
    bool plain = false;
    spin_lock(&family_lock);
    if (tr->tracer != NULL && (tr->options & TRACE_EVENT_BIT(TRACE_EVENT_EXEC)) != 0) {
        tr->events |= WAITS_EXEC;
        tr->message = (u64)tr->tid; /* its number until now */
        thread_set_work(t, WORK_SIGNAL);
    } else {
        plain = tr->tracer != NULL && !tr->seized;
    }
    tr->tid = t->tid;
    spin_unlock(&family_lock);
    if (plain) {
        struct signal_info info = { .number = SIG_TRAP, .code = SIGNAL_CODE_USER,
                                    .pid = t->process->pid };
        signal_send_thread(t, SIG_TRAP, &info);
    }
}

bool
trace_restricts(struct thread *t)
{
    struct trace *tr = t->trace;
    if (tr == NULL)
        return false;
    spin_lock(&family_lock);
    bool restricts = tr->tracer != NULL && !tr->capable;
    spin_unlock(&family_lock);
    return restricts;
}

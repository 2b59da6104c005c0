/* SPDX-License-Identifier: MIT */
/* Tracing, who traces whom, and what a tracer asks: trace.h has the invariants. */
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "proc/pid.h"
#include "proc/trace_private.h"

static struct trace *
trace_new(void)
{
    struct trace *tr = heap_alloc_zeroed(sizeof *tr);
    if (tr != NULL && (tr->fpu = heap_alloc_zeroed(PAGE_SIZE)) != NULL) {
        mutex_init(&tr->asking);
        tr->capable = cred_can(cred_own(), CAP_SYS_PTRACE);
        return tr;
    }
    heap_free(tr);
    return NULL;
}

static void
trace_free(struct trace *tr)
{
    heap_free(tr->fpu);
    heap_free(tr);
}

void
trace_put(struct trace *tr)
{
    if (atomic_fetch_sub_explicit(&tr->refs, 1, memory_order_acq_rel) != 1)
        return;
    proc_release(tr->process);
    trace_free(tr);
}

void
trace_drop(struct trace *tr)
{
    trace_put(tr);
}

/* ---- the relation ---- */

/* With family_lock and p->lock held; refs are made for both sides. */
static int
join_locked(struct trace *tr, struct process *tracer, struct process *p, struct thread *t)
{
    if (t->trace != NULL || p->group_exit || p->exiting || tracer->exiting)
        return -E_PERM;
    if (p->leader_trace != NULL && t->tid == p->pid)
        return -E_PERM; /* it is ending, and its tracer is to hear of that */
    list_init(&tr->link);
    atomic_init(&tr->refs, 2);
    tr->tracer = tracer;
    tr->thread = t;
    tr->process = p;
    tr->tid = t->tid;
    tr->continues_seen = p->continues;
    tr->stops_seen = p->group_stop ? p->stops - 1 : p->stops; /* it is to tell of this one */
    proc_hold(p);
    list_push_back(&tracer->tracees, &tr->link);
    p->traced++;
    trace_count_locked(tr);
    tr->arriving = t->parked;
    __atomic_store_n(&t->trace, tr, __ATOMIC_RELEASE);
    if (p->group_stop) { /* it may be parked */
        thread_set_work(t, WORK_SIGNAL);
        thread_poke(t);
        wait_wake(&p->stop_wait, ~0u);
    }
    return 0;
}

int
trace_me(void)
{
    struct thread *t = thread_current();
    struct process *p = t->process;
    struct trace *tr = trace_new();
    if (tr == NULL)
        return -E_NOMEM;
    spin_lock(&family_lock);
    spin_lock(&p->lock);
    int r = p->parent == NULL ? -E_PERM : join_locked(tr, p->parent, p, t);
    spin_unlock(&p->lock);
    spin_unlock(&family_lock);
    if (r != 0)
        trace_free(tr);
    return r;
}

/* What follows once it is a tracee; a reference of tr is ours. */
static int
attached(struct process *self, struct trace *tr, i32 tid)
{
    int r = tr->seized || signal_send_tid(0, tid, SIG_STOP, NULL, NULL) == 0 ? 0 : -E_SRCH;
    (void)wait_until(&self->child_wait, !__atomic_load_n(&tr->arriving, __ATOMIC_ACQUIRE),
                     false, ~0ull);
    trace_put(tr);
    return r;
}

int
trace_attach(i32 tid, bool seize, u32 options)
{
    struct process *self = proc_current(), *p = proc_find_thread(tid);
    if (p == NULL)
        return -E_SRCH;
    struct trace *tr = NULL;
    int r = p == self || p == proc_init_process ? -E_PERM : 0;
    if (r == 0 && (tr = trace_new()) == NULL)
        r = -E_NOMEM;
    if (r == 0) {
        tr->seized = seize;
        tr->options = options;
        tr->by = thread_current();
        spin_lock(&family_lock);
        spin_lock(&p->lock);
        struct thread *t = process_thread_locked(p, tid);
        r = t == NULL                                 ? -E_SRCH
            : !cred_may_inspect_locked(p, t, true) ? -E_PERM
                                                   : join_locked(tr, self, p, t);
        if (r == 0)
            atomic_fetch_add_explicit(&tr->refs, 1, memory_order_relaxed);
        spin_unlock(&p->lock);
        spin_unlock(&family_lock);
    }
    if (r != 0 && tr != NULL)
        trace_free(tr);
    else if (r == 0)
        r = attached(self, tr, tid);
    proc_release(p);
    return r;
}

void (*trace_calls_hook)(bool any);
static u32 calls_traced; /* family_lock; threads that Y5 speaks of */

void
trace_count_locked(struct trace *tr)
{
    bool on = tr->tracer != NULL && tr->thread != NULL &&
              (tr->goes != TRACE_ON ||
               (tr->options & TRACE_EVENT_BIT(TRACE_EVENT_EXIT)) != 0);
    if (tr->whole == on)
        return;
    tr->whole = on;
    calls_traced += on ? 1u : -1u;
    if (trace_calls_hook != NULL)
        trace_calls_hook(calls_traced != 0);
}

void
trace_arrived_locked(struct trace *tr)
{
    __atomic_store_n(&tr->arriving, false, __ATOMIC_RELEASE);
    if (tr->tracer != NULL)
        wait_wake(&tr->tracer->child_wait, ~0u);
}

void
trace_leave_locked(struct trace *tr)
{
    trace_arrived_locked(tr);
    list_remove(&tr->link);
    tr->tracer = NULL;
    tr->by = NULL;
    tr->goes = TRACE_ON;
    trace_count_locked(tr);
    tr->stopped = false;
    tr->events = 0;
    tr->report = 0;
    if (tr->thread != NULL) { /* it lets go of its side: trace_look */
        thread_set_work(tr->thread, WORK_SIGNAL);
        if (tr->process->group_stop) /* as all of its process it is to stop */
            thread_poke(tr->thread);
    }
    wait_wake(&tr->process->stop_wait, ~0u);
}

int
trace_get(i32 tid, bool stopped, struct trace **out)
{
    struct process *self = proc_current();
    int r = -E_SRCH;
    spin_lock(&family_lock);
    list_for_each(it, &self->tracees) {
        struct trace *tr = container_of(it, struct trace, link);
        if (tr->tid != tid || tr->ended || tr->thread == NULL ||
            (tr->by != NULL && tr->by != thread_current()) ||
            (stopped && (!tr->stopped || tr->listening)))
            continue;
        atomic_fetch_add_explicit(&tr->refs, 1, memory_order_relaxed);
        *out = tr;
        r = 0;
        break;
    }
    spin_unlock(&family_lock);
    return r;
}

i32
trace_tracer_of(struct process *p, i32 tid, bool *stopped)
{
    i32 number = 0;
    *stopped = false;
    if (__atomic_load_n(&p->traced, __ATOMIC_RELAXED) == 0)
        return 0;
    spin_lock(&family_lock);
    spin_lock(&p->lock);
    struct thread *t = process_thread_locked(p, tid);
    struct trace *tr = t != NULL ? t->trace : NULL;
    if (tr != NULL && tr->tracer != NULL) {
        number = tr->by != NULL ? tr->by->tid : tr->tracer->pid;
        *stopped = tr->stopped;
    }
    spin_unlock(&p->lock);
    spin_unlock(&family_lock);
    return number;
}

/* ---- requests ---- */

void
trace_resume(struct trace *tr, i32 number, enum trace_goes how)
{
    spin_lock(&family_lock);
    if (tr->tracer != NULL) {
        tr->signal = number;
        tr->goes = how;
        trace_count_locked(tr);
        tr->stopped = false;
        tr->report = 0;
        wait_wake(&tr->process->stop_wait, ~0u);
    }
    spin_unlock(&family_lock);
}

void
trace_detach(struct trace *tr, i32 number)
{
    spin_lock(&family_lock);
    bool ours = tr->tracer != NULL;
    if (ours) {
        tr->signal = number;
        trace_leave_locked(tr);
    }
    spin_unlock(&family_lock);
    if (ours)
        trace_put(tr);
}

void
trace_interrupt(struct trace *tr)
{
    spin_lock(&family_lock);
    if (tr->thread != NULL) {
        tr->events |= WAITS_STOP;
        thread_set_work(tr->thread, WORK_SIGNAL);
        thread_poke(tr->thread);
        if (tr->listening)
            wait_wake(&tr->process->stop_wait, ~0u);
    }
    spin_unlock(&family_lock);
}

void
trace_set_options(struct trace *tr, u32 options)
{
    spin_lock(&family_lock);
    tr->options = options;
    trace_count_locked(tr);
    spin_unlock(&family_lock);
}

int
trace_listen(struct trace *tr)
{
    spin_lock(&family_lock);
    int r = tr->seized && tr->stopped && tr->has_info &&
                    tr->info.code >> 8 == TRACE_EVENT_STOP
                ? 0 : -E_IO;
    if (r == 0) {
        tr->report = 0;
        __atomic_store_n(&tr->listening, true, __ATOMIC_RELEASE);
        wait_wake(&tr->process->stop_wait, ~0u); /* it may have changed already */
    }
    spin_unlock(&family_lock);
    return r;
}

int
trace_peek_signal(struct trace *tr, bool shared, u64 index, struct signal_info *out)
{
    spin_lock(&family_lock);
    int r = tr->thread != NULL ? signal_peek(tr->thread, shared, index, out) : 0;
    spin_unlock(&family_lock);
    return r;
}

/* ---- births ---- */

int
trace_birth_begin(struct thread *self, const struct fork_args *args,
                  struct trace_birth *birth)
{
    struct trace *tr = self->trace;
    i32 event = args->flags & FORK_VFORK         ? TRACE_EVENT_VFORK
                : args->exit_signal != SIG_CHLD ? TRACE_EVENT_CLONE
                                                : TRACE_EVENT_FORK;
    spin_lock(&family_lock);
    bool wanted = tr->tracer != NULL && (args->flags & FORK_UNTRACED) == 0 &&
                  (tr->options & TRACE_EVENT_BIT(event)) != 0;
    bool joins = tr->tracer != NULL && (wanted || (args->flags & FORK_TRACED) != 0);
    spin_unlock(&family_lock);
    if (joins && (birth->tr = trace_new()) == NULL)
        return -E_NOMEM;
    birth->event = wanted ? event : 0;
    return 0;
}

void
trace_birth_commit_locked(struct trace_birth *birth, struct thread *self,
                          struct process *p, struct thread *t)
{
    struct trace *from = self->trace, *tr = birth->tr;
    if (from->tracer == NULL)
        return;
    tr->seized = from->seized;
    tr->capable = from->capable;
    tr->options = from->options;
    tr->by = from->by;
    if (join_locked(tr, from->tracer, p, t) != 0)
        return;
    birth->joined = true;
    if (tr->seized) {
        tr->events |= WAITS_STOP;
        thread_set_work(t, WORK_SIGNAL);
    }
}

void
trace_birth_end(struct trace_birth *birth, struct thread *t)
{
    struct signal_info info = { .number = SIG_STOP, .code = SIGNAL_CODE_USER };
    if (birth->tr == NULL)
        return;
    if (!birth->joined)
        trace_free(birth->tr);
    else if (!birth->tr->seized)
        signal_send_thread(t, SIG_STOP, &info);
}

/* SPDX-License-Identifier: MIT */
/* Tracing: trace.h has the invariants. */
#include "proc/trace.h"

#include "core/fpu.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/page.h"
#include "core/string.h"
#include "proc/internal.h"
#include "proc/pid.h"

#define STATUS_STOPPED(n) ((n) << 8 | 0x7f)
#define RFLAGS_TF 0x100u

static struct trace *
trace_new(void)
{
    struct trace *tr = heap_alloc_zeroed(sizeof *tr);
    if (tr != NULL && (tr->fpu = heap_alloc_zeroed(PAGE_SIZE)) != NULL) {
        mutex_init(&tr->asking);
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

static void
put(struct trace *tr)
{
    if (atomic_fetch_sub_explicit(&tr->refs, 1, memory_order_acq_rel) != 1)
        return;
    proc_release(tr->process);
    trace_free(tr);
}

void
trace_drop(struct trace *tr)
{
    put(tr);
}

/* ---- the relation ---- */

/* With family_lock and p->lock held; refs are made for both sides. */
static int
join_locked(struct trace *tr, struct process *tracer, struct process *p, struct thread *t)
{
    if (t->trace != NULL || p->group_exit || p->exiting || tracer->exiting)
        return -E_PERM;
    list_init(&tr->link);
    atomic_init(&tr->refs, 2);
    tr->tracer = tracer;
    tr->thread = t;
    tr->process = p;
    tr->tid = t->tid;
    proc_hold(p);
    list_push_back(&tracer->tracees, &tr->link);
    p->traced++;
    __atomic_store_n(&t->trace, tr, __ATOMIC_RELEASE);
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
        spin_lock(&family_lock);
        spin_lock(&p->lock);
        struct thread *t = process_thread_locked(p, tid);
        r = t == NULL                                 ? -E_SRCH
            : !cred_may_inspect_locked(p, t, true) ? -E_PERM
                                                   : join_locked(tr, self, p, t);
        spin_unlock(&p->lock);
        spin_unlock(&family_lock);
    }
    if (r != 0 && tr != NULL)
        trace_free(tr);
    else if (r == 0 && !seize)
        r = signal_send_tid(0, tid, SIG_STOP, NULL, NULL) == 0 ? 0 : -E_SRCH;
    proc_release(p);
    return r;
}

void (*trace_calls_hook)(bool any);
static u32 calls_traced; /* family_lock; threads that stop at calls: Y5 */

static void
set_calls_locked(struct trace *tr, bool on)
{
    if (tr->calls == on)
        return;
    tr->calls = on;
    calls_traced += on ? 1u : -1u;
    if (trace_calls_hook != NULL)
        trace_calls_hook(calls_traced != 0);
}

/* With family_lock held: the tracer has nothing to do with it any more. The list's reference
 * is the caller's. */
static void
leave_locked(struct trace *tr)
{
    list_remove(&tr->link);
    set_calls_locked(tr, false);
    tr->tracer = NULL;
    tr->stopped = false;
    tr->event = 0;
    tr->report = 0;
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
        if (tr->tid != tid || tr->ended || (stopped && !tr->stopped))
            continue;
        atomic_fetch_add_explicit(&tr->refs, 1, memory_order_relaxed);
        *out = tr;
        r = 0;
        break;
    }
    spin_unlock(&family_lock);
    return r;
}

void
trace_resume(struct trace *tr, i32 number, enum trace_goes how)
{
    spin_lock(&family_lock);
    tr->signal = number;
    tr->step = how == TRACE_STEP;
    set_calls_locked(tr, how == TRACE_TO_CALL && tr->tracer != NULL);
    tr->stopped = false;
    tr->report = 0;
    wait_wake(&tr->process->stop_wait, ~0u);
    spin_unlock(&family_lock);
}

void
trace_detach(struct trace *tr, i32 number)
{
    spin_lock(&family_lock);
    tr->signal = number;
    tr->step = false;
    bool ours = tr->tracer != NULL;
    if (ours)
        leave_locked(tr);
    spin_unlock(&family_lock);
    if (ours)
        put(tr);
}

void
trace_interrupt(struct trace *tr)
{
    spin_lock(&family_lock);
    if (tr->thread != NULL && tr->event == 0 && !tr->stopped) {
        tr->event = TRACE_EVENT_STOP;
        thread_set_work(tr->thread, WORK_SIGNAL);
        thread_poke(tr->thread);
    }
    spin_unlock(&family_lock);
}

/* ---- stops ---- */

static bool
must_go(struct thread *t)
{
    return proc_is_ending(t) || ((t->signal_pending | t->process->signal_pending) &
                                 SIG_BIT(SIG_KILL)) != 0;
}

static bool
may_leave(struct thread *t, const struct trace *tr)
{
    return !__atomic_load_n(&tr->stopped, __ATOMIC_ACQUIRE) || must_go(t);
}

/* Who waits for it hears of it; family_lock is held. */
static void
tell_tracer_locked(struct trace *tr, i32 number)
{
    struct signal_info info = { .number = SIG_CHLD, .code = SIGNAL_CLD_TRAPPED,
                                .pid = tr->tid, .status = number };
    struct signal_action a = { .flags = SA_F_NOCLDSTOP };
    if (tr->tracer->actions != NULL)
        signal_action_get(tr->tracer, SIG_CHLD, &a);
    if ((a.flags & SA_F_NOCLDSTOP) == 0)
        signal_send_process(tr->tracer, SIG_CHLD, &info);
    wait_wake(&tr->tracer->child_wait, ~0u);
}

/* Y3 */
static void
leave_copy(struct thread *t, struct trace *tr, struct user_frame *f)
{
    fpu_save(t);
    memcpy(tr->fpu, t->fpu, PAGE_SIZE);
    if (tr->stepping)
        f->rflags &= ~(u64)RFLAGS_TF; /* the tracer's, not the program's */
    tr->regs = *f;
    tr->fs_base = t->fs_base;
    tr->gs_base = t->gs_base;
    tr->mask = t->signal_mask;
}

static void
take_changes(struct thread *t, struct trace *tr, struct user_frame *f)
{
    if (tr->fpu_changed) {
        memcpy(t->fpu, tr->fpu, PAGE_SIZE);
        fpu_load(t);
    }
    if (tr->changed) {
        *f = tr->regs;
        fpu_set_fs(t, tr->fs_base);
        fpu_set_gs(t, tr->gs_base);
        if (f->orig_rax == ~0ull)
            THREAD_RESTART_KIND(t) = 0;
    }
    if (tr->step || tr->stepping) {
        f->rflags = tr->step ? f->rflags | RFLAGS_TF : f->rflags & ~(u64)RFLAGS_TF;
        tr->changed = true;
    }
    tr->stepping = tr->step;
    if (tr->changed) {
        thread_set_work(t, WORK_FULL);
        if (f->orig_rax != ~0ull)
            machine_user_moved(t, f);
    }
    signal_mask_set(tr->mask);
    tr->changed = tr->fpu_changed = false;
}

/* Y2. False: nobody traces it any more; it did not stop. */
static bool
stop(struct thread *t, struct trace *tr, struct user_frame *f, i32 report, i32 number)
{
    struct process *p = t->process;
    leave_copy(t, tr, f);
    spin_lock(&family_lock);
    bool stops = tr->tracer != NULL && !must_go(t);
    if (stops) {
        tr->tid = t->tid;
        tr->signal = number;
        tr->report = report;
        tr->stopped = true;
        tell_tracer_locked(tr, report >> 8 & 0xff);
    }
    spin_unlock(&family_lock);
    if (!stops)
        return false;
    (void)wait_until(&p->stop_wait, may_leave(t, tr), false, ~0ull);
    spin_lock(&family_lock);
    tr->stopped = false;
    tr->report = 0;
    spin_unlock(&family_lock);
    if (!must_go(t)) /* Y7: else somebody may be in the middle of them */
        take_changes(t, tr, f);
    return true;
}

/* A stop at a call: a signal that the tracer gives then is sent as by it. */
static void
stop_at_call(struct thread *t, struct trace *tr, struct user_frame *f)
{
    i32 number = SIG_TRAP | ((tr->options & TRACE_CALLS_MARKED) != 0 ? 0x80 : 0);
    tr->info = (struct signal_info){ .number = SIG_TRAP, .code = number };
    if (stop(t, tr, f, STATUS_STOPPED(number), 0) && tr->signal != 0)
        signal_send_thread(t, tr->signal, NULL);
}

#define LINUX_ENOSYS 38 /* what rax shows before a call */

void
trace_call(struct thread *t, struct user_frame *f)
{
    struct trace *tr = t->trace;
    if (!tr->calls)
        return;
    f->rax = (u64)-(i64)LINUX_ENOSYS;
    stop_at_call(t, tr, f);
    tr->in_call = tr->calls;
    if (tr->in_call)
        thread_set_work(t, WORK_SIGNAL); /* its end */
}

int
trace_signal(struct thread *t, struct user_frame *f, int number, struct signal_info *info)
{
    struct trace *tr = t->trace;
    tr->info = *info;
    tr->info.number = number;
    if (!stop(t, tr, f, STATUS_STOPPED(number), number))
        return number;
    if (tr->signal == number)
        *info = tr->info;
    else
        *info = (struct signal_info){ .number = tr->signal, .code = SIGNAL_CODE_USER,
                                      .pid = tr->process->pid };
    return tr->signal;
}

void
trace_group_stop(struct thread *t, struct user_frame *f, int number)
{
    struct trace *tr = t->trace;
    i32 event = tr->seized ? TRACE_EVENT_STOP << 16 : 0;
    tr->info = (struct signal_info){ .number = number };
    (void)stop(t, tr, f, STATUS_STOPPED(number) | event, 0);
}

void
trace_look(struct thread *t, struct user_frame *f)
{
    struct trace *tr = t->trace;
    spin_lock(&family_lock);
    i32 event = tr->event;
    tr->event = 0;
    bool detached = tr->tracer == NULL;
    if (detached) {
        tr->thread = NULL;
        spin_lock(&tr->process->lock);
        tr->process->traced--;
        spin_unlock(&tr->process->lock);
        __atomic_store_n(&t->trace, NULL, __ATOMIC_RELAXED);
    }
    spin_unlock(&family_lock);
    if (detached) {
        if (tr->stepping) {
            f->rflags &= ~(u64)RFLAGS_TF;
            thread_set_work(t, WORK_FULL);
            if (f->orig_rax != ~0ull)
                machine_user_moved(t, f);
        }
        put(tr);
        return;
    }
    if (event != 0) {
        tr->info = (struct signal_info){ .number = SIG_TRAP, .code = SIG_TRAP | event << 8 };
        (void)stop(t, tr, f, STATUS_STOPPED(SIG_TRAP) | event << 16, 0);
    }
    if (tr->in_call) {
        tr->in_call = false;
        if (tr->calls)
            stop_at_call(t, tr, f);
    }
}

/* ---- wait ---- */

static bool
is_asked(const struct process *self, const struct trace *tr, i32 which)
{
    if (which > 0)
        return tr->tid == which;
    if (which == -1)
        return true;
    return tr->process->pgid == (which == 0 ? self->pgid : -which);
}

int
trace_report_locked(struct process *self, i32 which, u32 flags, struct wait_report *out,
                    struct trace **gone)
{
    int r = -E_CHILD;
    list_for_each_safe(it, &self->tracees) {
        struct trace *tr = container_of(it, struct trace, link);
        if (!is_asked(self, tr, which))
            continue;
        r = 0;
        if (tr->ended ? !(flags & WAIT_EXITED) : tr->report == 0)
            continue;
        *out = (struct wait_report){ .pid = tr->tid, .status = tr->report, .trapped = true };
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

/* ---- ends ---- */

void
trace_thread_ends(struct thread *t, i32 status)
{
    struct trace *tr = t->trace;
    spin_lock(&family_lock);
    struct process *p = tr->process;
    spin_lock(&p->lock);
    p->traced--;
    spin_unlock(&p->lock);
    tr->thread = NULL;
    set_calls_locked(tr, false);
    /* A child's own end is told by its parent's wait. */
    bool listed = tr->tracer != NULL, tells = listed && !(tr->tracer == p->parent &&
                                                          t->tid == p->pid);
    if (tells) {
        tr->ended = true;
        tr->report = status;
        tell_tracer_locked(tr, status >> 8 & 0xff);
    } else if (listed) {
        list_remove(&tr->link);
        tr->tracer = NULL;
    }
    spin_unlock(&family_lock);
    t->trace = NULL;
    if (listed && !tells)
        put(tr);
    put(tr);
}

void
trace_tracer_ends(struct process *p)
{
    for (;;) {
        struct trace *tr = NULL;
        spin_lock(&family_lock);
        if (!list_empty(&p->tracees))
            tr = container_of(p->tracees.next, struct trace, link);
        bool kill = tr != NULL && (tr->options & TRACE_EXIT_KILL) != 0 && !tr->ended;
        if (tr != NULL)
            leave_locked(tr);
        spin_unlock(&family_lock);
        if (tr == NULL)
            return;
        if (kill)
            signal_send_process(tr->process, SIG_KILL, NULL);
        put(tr);
    }
}

/* ---- exec ---- */

void
trace_exec(struct thread *t)
{
    struct trace *tr = t->trace;
    bool plain = false;
    spin_lock(&family_lock);
    tr->tid = t->tid;
    if (tr->tracer != NULL && (tr->options & TRACE_EXEC) != 0) {
        tr->event = TRACE_EVENT_EXEC;
        tr->message = (u64)t->tid;
        thread_set_work(t, WORK_SIGNAL);
    } else {
        plain = tr->tracer != NULL && !tr->seized;
    }
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
    bool restricts = false;
    if (tr == NULL)
        return false;
    spin_lock(&family_lock);
    if (tr->tracer != NULL) {
        spin_lock(&tr->tracer->lock);
        restricts = tr->tracer->cred == NULL || !cred_can(tr->tracer->cred, CAP_SYS_PTRACE);
        spin_unlock(&tr->tracer->lock);
    }
    spin_unlock(&family_lock);
    return restricts;
}

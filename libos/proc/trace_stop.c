/* SPDX-License-Identifier: MIT */
/*
 * Tracing: how a traced thread stops, and what it takes along when it goes on; stops at
 * signals and of its process. trace.h has the invariants.
 */
#include "core/fpu.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/page.h"
#include "core/string.h"
#include "proc/trace_private.h"

#define RFLAGS_TF 0x100u
/* What rax shows where a call was interrupted that may be made again. */
#define CODE_RESTART 512
#define CODE_RESTART_ALWAYS 513
#define CODE_RESTART_NOHAND 514
#define CODE_RESTART_BLOCK 516
#define CALL_RESTART 219u

static u64
restart_shown(u64 kind)
{
    return (u64)-(i64)(kind == E_RESTART          ? CODE_RESTART
                       : kind == E_RESTART_ALWAYS ? CODE_RESTART_ALWAYS
                       : kind == E_RESTART_NOHAND ? CODE_RESTART_NOHAND
                                                  : CODE_RESTART_BLOCK);
}

static u64
restart_kind(u64 rax)
{
    switch (-(i64)rax) {
    case CODE_RESTART:
        return E_RESTART;
    case CODE_RESTART_ALWAYS:
        return E_RESTART_ALWAYS;
    case CODE_RESTART_NOHAND:
        return E_RESTART_NOHAND;
    case CODE_RESTART_BLOCK:
        return E_RESTART_BLOCK;
    }
    return 0;
}

static bool
is_killed(struct thread *t)
{
    return ((t->signal_pending | t->process->signal_pending) & SIG_BIT(SIG_KILL)) != 0;
}

/* A thread that ends is held, too, until it is killed once more. */
static bool
must_go(struct thread *t, enum stop_kind kind)
{
    return is_killed(t) || (kind != STOP_AT_END && proc_is_ending(t));
}

/* Something became of its process's stop that its tracer does not know. */
static bool
group_changed(const struct trace *tr)
{
    const struct process *p = tr->process;
    return (p->group_stop && p->stops != tr->stops_seen) ||
           (tr->seized && p->continues != tr->continues_seen);
}

static bool
may_leave(struct thread *t, const struct trace *tr, enum stop_kind kind)
{
    return !__atomic_load_n(&tr->stopped, __ATOMIC_ACQUIRE) || must_go(t, kind) ||
           (__atomic_load_n(&tr->listening, __ATOMIC_ACQUIRE) &&
            (group_changed(tr) || tr->events != 0));
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
    if (f->orig_rax != ~0ull && t->restart_kind != 0)
        tr->regs.rax = restart_shown(t->restart_kind);
    tr->fs_base = t->fs_base;
    tr->gs_base = t->gs_base;
    tr->mask = t->restore_mask ? t->saved_mask : t->signal_mask;
    tr->rseq = t->rseq;
    tr->rseq_signature = t->rseq_signature;
}

/* The registers as the tracer left them. Whether a call was interrupted that is to be made
 * again is in rax and orig_rax: a tracer that ran something else in between puts them back. */
static void
take_registers(struct thread *t, struct trace *tr, struct user_frame *f, enum stop_kind kind)
{
    u64 in_frame = f->orig_rax, shown = tr->regs.orig_rax, again = restart_kind(tr->regs.rax);
    *f = tr->regs;
    f->orig_rax = in_frame; /* says what kind of frame it is: core's G2, G3 */
    fpu_set_fs(t, tr->fs_base);
    fpu_set_gs(t, tr->gs_base);
    if (kind == STOP_IN_CALL) {
        if (tr->at == TRACE_AT_CALL && (i64)shown >= 0)
            f->orig_rax = MIN(shown, (u64)UINT32_MAX);
        return;
    }
    if (in_frame == ~0ull) {
        if ((i64)shown >= 0 && again != 0) {
            f->rip -= 2;
            f->rax = again == E_RESTART_BLOCK ? CALL_RESTART : shown;
        }
    } else if ((i64)shown >= 0) {
        t->restart_kind = again;
        f->orig_rax = MIN(shown, (u64)UINT32_MAX);
    } else {
        t->restart_kind = 0;
        f->orig_rax = ~0ull;
    }
}

static void
take_changes(struct thread *t, struct trace *tr, struct user_frame *f, enum stop_kind kind)
{
    bool step = tr->goes == TRACE_STEP || tr->goes == TRACE_EMULATE_STEP;
    bool moved = tr->changed || step || tr->stepping;
    if (tr->fpu_changed) {
        memcpy(t->fpu, tr->fpu, PAGE_SIZE);
        fpu_load(t);
    }
    if (tr->changed)
        take_registers(t, tr, f, kind);
    if (step || tr->stepping)
        f->rflags = step ? f->rflags | RFLAGS_TF : f->rflags & ~(u64)RFLAGS_TF;
    tr->stepping = step;
    if (moved) {
        thread_set_work(t, WORK_FULL);
        if (f->orig_rax != ~0ull)
            machine_user_moved(t, f);
    }
    if (tr->mask_changed) {
        t->restore_mask = false;
        signal_mask_set(tr->mask);
    }
    tr->changed = tr->fpu_changed = tr->mask_changed = false;
}

bool
trace_stop(struct thread *t, struct trace *tr, struct user_frame *f, i32 report, i32 number,
           enum stop_kind kind)
{
    struct process *p = t->process;
    leave_copy(t, tr, f);
    spin_lock(&family_lock);
    bool stops = tr->tracer != NULL && !must_go(t, kind);
    if (stops) {
        tr->tid = t->tid;
        tr->signal = number;
        tr->report = report;
        tr->events &= ~WAITS_STOP; /* any stop will do for who asked for one */
        tr->stopped = true;
        __atomic_store_n(&tr->arriving, false, __ATOMIC_RELEASE);
        trace_tell_locked(tr, tr->has_info && tr->info.code >> 8 != TRACE_EVENT_STOP
                                  ? SIGNAL_CLD_TRAPPED : SIGNAL_CLD_STOPPED,
                          report >> 8 & 0xff);
    }
    spin_unlock(&family_lock);
    if (!stops)
        return false;
    (void)wait_until(&p->stop_wait, may_leave(t, tr, kind), false, ~0ull);
    spin_lock(&family_lock);
    tr->stopped = tr->listening = false;
    tr->report = 0;
    spin_unlock(&family_lock);
    if (!must_go(t, STOP_ON_THE_WAY)) /* Y8: else somebody may be in the middle of them */
        take_changes(t, tr, f, kind);
    return true;
}

void
trace_set_info(struct trace *tr, i32 code, enum trace_at at)
{
    tr->info = (struct signal_info){ .number = SIG_TRAP, .code = code };
    tr->has_info = true;
    tr->at = at;
}

void
trace_exit(struct thread *t, i32 status)
{
    struct trace *tr = t->trace;
    if ((tr->options & TRACE_EVENT_BIT(TRACE_EVENT_EXIT)) == 0)
        return;
    trace_set_info(tr, SIG_TRAP | TRACE_EVENT_EXIT << 8, TRACE_AT_OTHER);
    tr->message = (u64)status;
    (void)trace_stop(t, tr, thread_frame(t),
               STATUS_STOPPED(SIG_TRAP) | TRACE_EVENT_EXIT << 16, 0, STOP_AT_END);
}

/* ---- signals, and stops of the process ---- */

int
trace_signal(struct thread *t, struct user_frame *f, int number, struct signal_info *info)
{
    struct trace *tr = t->trace;
    spin_lock(&family_lock);
    i32 tracer = tr->tracer != NULL ? tr->tracer->pid : 0;
    spin_unlock(&family_lock);
    tr->info = *info;
    tr->info.number = number;
    tr->has_info = true;
    tr->at = TRACE_AT_OTHER;
    if (!trace_stop(t, tr, f, STATUS_STOPPED(number), number, STOP_ON_THE_WAY))
        return number;
    int taken = tr->signal;
    if (taken == number)
        *info = tr->info;
    else
        *info = (struct signal_info){ .number = taken, .code = SIGNAL_CODE_USER,
                                      .pid = tracer };
    if (taken != 0 && (t->signal_mask & SIG_BIT(taken)) != 0) { /* not now */
        signal_send_thread(t, taken, info);
        return 0;
    }
    return taken;
}

void
trace_handler(struct thread *t, struct user_frame *f, uaddr at)
{
    struct trace *tr = t->trace;
    if (!tr->stepping)
        return;
    f->rflags &= ~(u64)RFLAGS_TF; /* what it returns to does not step */
    tr->handler = at;
}

/* Y7. True: it stopped. */
static bool
look_at_group(struct thread *t, struct trace *tr, struct user_frame *f)
{
    struct process *p = t->process;
    bool all = false, over = false;
    spin_lock(&p->lock);
    bool group = p->group_stop != 0 && !proc_is_ending(t);
    bool traps = (group && group_changed(tr)) ||
                 (tr->seized && ((tr->events & WAITS_STOP) != 0 || group_changed(tr)));
    i32 number = group ? p->stop_signal : SIG_TRAP;
    tr->stops_seen = p->stops;
    tr->continues_seen = p->continues;
    if (group && traps && !tr->counted) {
        tr->counted = true;
        p->nstopped++;
        all = p->nstopped == p->nthreads;
    } else if (!p->group_stop && tr->counted) {
        tr->counted = false;
        p->nstopped--;
        over = true;
    }
    spin_unlock(&p->lock);
    if (all)
        proc_stop_complete(p);
    if (over)
        proc_continued(p);
    if (!traps)
        return false;
    trace_set_info(tr, number | TRACE_EVENT_STOP << 8, TRACE_AT_OTHER);
    tr->info.number = number;
    tr->has_info = tr->seized; /* others are told by its absence */
    return trace_stop(t, tr, f,
                STATUS_STOPPED(number) | (tr->seized ? TRACE_EVENT_STOP << 16 : 0), 0,
                STOP_ON_THE_WAY);
}

/* Its tracer has gone: it lets go of its side. */
static void
let_go(struct thread *t, struct trace *tr, struct user_frame *f)
{
    struct process *p = t->process;
    spin_lock(&family_lock);
    tr->thread = NULL;
    spin_lock(&p->lock);
    p->traced--;
    p->nstopped -= tr->counted;
    bool over = tr->counted && !p->group_stop;
    __atomic_store_n(&t->trace, NULL, __ATOMIC_RELAXED);
    spin_unlock(&p->lock);
    spin_unlock(&family_lock);
    if (over)
        proc_continued(p);
    if (tr->stepping) {
        f->rflags &= ~(u64)RFLAGS_TF;
        thread_set_work(t, WORK_FULL);
        if (f->orig_rax != ~0ull)
            machine_user_moved(t, f);
    }
    trace_put(tr);
}

void
trace_look(struct thread *t, struct user_frame *f)
{
    struct trace *tr = t->trace;
    trace_look_at_call(t, tr, f);
    if (tr->handler != 0) {
        bool entered = f->rip == tr->handler; /* else its frame could not be written */
        tr->handler = 0;
        if (entered) {
            trace_set_info(tr, SIG_TRAP, TRACE_AT_OTHER);
            (void)trace_stop(t, tr, f, STATUS_STOPPED(SIG_TRAP), 0, STOP_ON_THE_WAY);
        }
    }
    while (__atomic_load_n(&tr->tracer, __ATOMIC_ACQUIRE) != NULL &&
           look_at_group(t, tr, f)) {
    }
    if (__builtin_expect(tr->arriving, false)) { /* its process's stop was over already */
        spin_lock(&family_lock);
        trace_arrived_locked(tr);
        spin_unlock(&family_lock);
    }
    if (__atomic_load_n(&tr->tracer, __ATOMIC_ACQUIRE) == NULL)
        let_go(t, tr, f);
}

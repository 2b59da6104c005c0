/* SPDX-License-Identifier: MIT */
/*
 * fork, vfork, clone: one function. Everything is allocated first; then one commit under
 * family_lock, which cannot fail but for a signal or the process's end, and makes the
 * child visible and runnable.
 */
#include "core/fpu.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "core/usercopy.h"
#include "proc/internal.h"
#include "proc/parts.h"
#include "proc/trace.h"
#include "signal/signal.h"
#include "vm/mm.h"
#include "vm/oom.h"

/* A new process: what the parent shares or copies. The parent's own lists do not change
 * here. */
static int
inherit_resources(struct process *p, struct process *from, u32 flags)
{
    if (flags & FORK_SHARE_SIGNALS) {
        signal_actions_hold(from->actions);
        p->actions = from->actions;
    } else {
        p->actions = signal_actions_copy(from->actions);
    }
    if (p->actions == NULL)
        return -E_NOMEM;
    if (flags & FORK_CLEAR_SIGNALS)
        signal_actions_exec(p);
    if (flags & FORK_SHARE_MM) {
        mm_hold(from->mm);
        p->mm_shared = from->mm_shared = true;
        p->mm = from->mm;
        return 0;
    }
    return mm_fork(from->mm, &p->mm);
}

static void
inherit_fields(struct process *p, struct process *from)
{
    p->cred = thread_current()->cred;
    cred_hold(p->cred);
    spin_lock(&from->lock);
    memcpy(p->limits, from->limits, sizeof p->limits);
    spin_unlock(&from->lock);
    if (p->limits[0].soft != ~0ull || p->limits[0].hard != ~0ull)
        usage_limit_changed(p);
    memcpy(p->name, from->name, sizeof p->name);
    p->nice = thread_current()->sched.nice;
    p->io_priority = from->io_priority;
    p->oom_score_adj = from->oom_score_adj;
    p->barriers = from->barriers;
    p->personality = from->personality;
    p->dumpable = from->dumpable;
    p->stack_hint = from->stack_hint;
    p->has_subreaper = from->has_subreaper || from->subreaper;
}

/* thread_create_user gave a thread that never ran: let it start only to end. */
static void
abandon_thread(struct thread *t)
{
    parts_end(t, false);
    parts_drop(t);
    t->process = NULL;
    t->space = NULL;
    cred_release(t->cred);
    t->cred = NULL;
    thread_set_work(t, WORK_EXIT);
    thread_start(t);
}

/* The child's first thread, or a further one of the same process: registers and what
 * POSIX lets it inherit. */
static struct thread *
make_thread(struct process *p, struct thread *from, struct user_frame *frame,
            const struct fork_args *args, i32 tid)
{
    struct thread *t = thread_create_user(p, frame);
    if (t == NULL)
        return NULL;
    t->tid = tid;
    t->cred = from->cred;
    cred_hold(t->cred);
    if (parts_take(from, args->flags, t) != 0) {
        abandon_thread(t);
        return NULL;
    }
    struct user_frame *f = thread_frame(t);
    f->rax = 0;
    if (args->stack != 0)
        f->rsp = args->stack;
    fpu_fork(t);
    if (args->flags & FORK_SET_TLS)
        t->fs_base = args->tls;
    t->signal_mask = from->restore_mask ? from->saved_mask : from->signal_mask;
    if (!(args->flags & FORK_SHARE_MM) || (args->flags & FORK_VFORK)) {
        t->altstack_base = from->altstack_base;
        t->altstack_size = from->altstack_size;
        t->altstack_flags = from->altstack_flags;
    }
    if (args->flags & FORK_CLEAR_TID)
        t->clear_child_tid = args->child_tid;
    if (args->flags & FORK_CHILD_TID) {
        t->set_tid = args->child_tid;
        thread_set_work(t, WORK_SIGNAL);
    }
    t->memory_policy = from->memory_policy;
    t->check_tasks = from->check_tasks;
    t->no_new_privs = from->no_new_privs;
    t->timer_slack_ns = t->default_slack_ns = from->timer_slack_ns;
    t->mce_policy = from->mce_policy;
    t->io_flusher = from->io_flusher;
    if (from->rseq != 0 && !(args->flags & FORK_SHARE_MM)) {
        t->rseq = from->rseq;
        t->rseq_signature = from->rseq_signature;
        thread_set_work(t, WORK_RSEQ);
    }
    memcpy(t->name, from->name, sizeof t->name);
    return t;
}

static int
add_thread(struct process *p, struct thread *self, struct thread *t,
           struct trace_birth *birth)
{
    if (__builtin_expect(birth->tr == NULL, 1))
        return process_add_thread(p, t);
    spin_lock(&family_lock);
    spin_lock(&p->lock);
    int error = process_add_thread_locked(p, t);
    if (error == 0)
        trace_birth_commit_locked(birth, self, p, t);
    spin_unlock(&p->lock);
    spin_unlock(&family_lock);
    return error;
}

static i64
fork_thread(struct user_frame *frame, const struct fork_args *args)
{
    struct thread *self = thread_current();
    struct process *p = self->process;
    i32 tid = process_may_grow(p);
    if (tid == 0)
        tid = args->number != 0 ? pid_alloc_chosen(args->number) : pid_alloc();
    if (tid < 0)
        return tid;
    struct thread *t = make_thread(p, self, frame, args, tid);
    if (t == NULL) {
        pid_drop(tid);
        return -E_NOMEM;
    }
    proc_hold(p); /* the thread's own */
    if ((args->flags & FORK_PARENT_TID) &&
        copy_to_user(args->parent_tid, &tid, sizeof tid) != 0) {
        /* Linux ignores it too: the thread is made all the same. */
    }
    struct trace_birth birth = { .tr = NULL };
    int error = 0;
    if (__builtin_expect(self->trace != NULL, 0))
        error = trace_birth_begin(self, args, &birth);
    if (error == 0)
        error = add_thread(p, self, t, &birth);
    if (error != 0) {
        trace_birth_end(&birth, NULL);
        pid_drop(tid);
        abandon_thread(t);
        proc_release(p);
        return error == -E_NOMEM ? error : -E_AGAIN;
    }
    if (__builtin_expect(birth.tr != NULL, 0))
        trace_birth_end(&birth, t);
    thread_start(t);
    if (__builtin_expect(birth.event != 0, 0))
        trace_event(self, frame, birth.event, (u64)tid);
    return tid;
}

/* The parent of vfork sleeps until the child lets go of the memory. Only what cannot be
 * blocked can wake it, and only its end makes it give up. */
static void
vfork_wait(struct thread *self, struct process *child)
{
    u64 mask = self->signal_mask;
    signal_mask_set(~0ull);
    while (wait_until(&child->vfork_wait,
                      !__atomic_load_n(&child->vfork_child, __ATOMIC_ACQUIRE), true,
                      ~0ull) != 0) {
        if (proc_is_ending(self) || (signal_pending_set(self) & SIG_BIT(SIG_KILL)))
            break;
        /* A stop: it is acted upon after the wait, from the same pending set. */
        atomic_fetch_and_explicit(&self->work, ~WORK_SIGNAL, memory_order_relaxed);
    }
    signal_mask_set(mask);
}

void
process_vfork_done(struct process *p)
{
    if (!p->vfork_child)
        return;
    __atomic_store_n(&p->vfork_child, false, __ATOMIC_RELEASE);
    wait_wake(&p->vfork_wait, ~0u);
}

/* True: a signal is to be acted upon first, so that no child escapes one that was sent to
 * the whole group (the call is restarted). */
static bool
must_look_first(struct thread *self)
{
    return signal_pending(self) || self->process->group_exit ||
           self->process->exec_thread != NULL;
}

/*
 * The commit. Under family_lock the parent's group is what a sender to the group sees:
 * the child is in it or the signal is pending for the parent.
 */
static bool
commit_process(struct process *p, struct process *parent, struct thread *self,
               struct thread *t, bool sibling, struct trace_birth *birth)
{
    spin_lock(&family_lock);
    if (must_look_first(self)) {
        spin_unlock(&family_lock);
        return false;
    }
    p->tty = parent->tty;
    if (sibling)
        p->exit_signal = parent->exit_signal;
    process_publish_locked(p, sibling ? parent->parent : parent, parent->group);
    spin_lock(&p->lock);
    list_push_back(&p->threads, &t->process_link);
    p->nthreads = 1;
    process_count_thread();
    pid_set_thread(t->tid, t);
    if (__builtin_expect(birth->tr != NULL, 0))
        trace_birth_commit_locked(birth, self, p, t);
    spin_unlock(&p->lock);
    spin_unlock(&family_lock);
    return true;
}

static i64
fork_process(struct user_frame *frame, const struct fork_args *args)
{
    struct thread *self = thread_current();
    struct process *parent = self->process;
    if ((args->flags & FORK_SIBLING) && parent == proc_init_process)
        return -E_INVAL; /* nobody would be its parent */
    int error = process_may_grow(parent);
    struct process *p = error == 0 ? process_new(args->number, &error) : NULL;
    if (p == NULL)
        return error;
    inherit_fields(p, parent);
    p->exit_signal = args->exit_signal;
    error = inherit_resources(p, parent, args->flags);
    struct thread *t = error == 0 ? make_thread(p, self, frame, args, p->pid) : NULL;
    if (t == NULL) {
        process_discard(p);
        return error != 0 ? error : -E_NOMEM;
    }
    struct trace_birth birth = { .tr = NULL };
    if (__builtin_expect(self->trace != NULL, 0) &&
        (error = trace_birth_begin(self, args, &birth)) != 0) {
        abandon_thread(t);
        process_discard(p);
        return error;
    }
    if (args->prepare != NULL && (error = args->prepare(p, args->arg)) != 0) {
        trace_birth_end(&birth, NULL);
        abandon_thread(t);
        process_discard(p);
        return error;
    }
    i32 pid = p->pid;
    p->vfork_child = (args->flags & FORK_VFORK) != 0;
    if ((args->flags & FORK_PARENT_TID) &&
        copy_to_user(args->parent_tid, &pid, sizeof pid) != 0)
        error = 0; /* as on Linux, not an error of the fork */
    proc_hold(p); /* the thread's own */
    if (!commit_process(p, parent, self, t, (args->flags & FORK_SIBLING) != 0, &birth)) {
        trace_birth_end(&birth, NULL);
        abandon_thread(t);
        atomic_fetch_sub_explicit(&p->refs, 1, memory_order_relaxed);
        if (args->settle != NULL)
            args->settle(false, args->arg);
        process_discard(p);
        return -E_RESTART_ALWAYS;
    }
    if (args->settle != NULL)
        args->settle(true, args->arg);
    if (__builtin_expect(birth.tr != NULL, 0))
        trace_birth_end(&birth, t);
    if (args->flags & FORK_VFORK) {
        proc_hold(p);
        thread_start(t);
        if (__builtin_expect(birth.event != 0, 0))
            trace_event(self, frame, birth.event, (u64)pid);
        vfork_wait(self, p);
        proc_release(p);
        if (__builtin_expect(self->trace != NULL, 0)) {
            trace_event(self, frame, TRACE_EVENT_VFORK_DONE, (u64)pid);
            thread_set_work(self, WORK_SIGNAL); /* what vfork_wait put off */
        }
    } else {
        thread_start(t);
        if (__builtin_expect(birth.event != 0, 0))
            trace_event(self, frame, birth.event, (u64)pid);
    }
    return pid;
}

i64
proc_fork(struct user_frame *frame, const struct fork_args *args)
{
    const struct sched_entity *own = &thread_current()->sched;
    if (own->policy == SCHED_BY_DEADLINE && !own->reset_on_fork)
        return -E_AGAIN; /* what is reserved is for one thread: sched(7) */
    for (;;) {
        i64 r = args->flags & FORK_THREAD ? fork_thread(frame, args)
                                          : fork_process(frame, args);
        if (r != -E_NOMEM || !oom_relieve())
            return r;
    }
}

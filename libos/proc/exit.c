/* SPDX-License-Identifier: MIT */
/*
 * The end of threads and processes.
 *
 * A process ends in these steps:
 *   1. proc_exit_group sets group_exit under process->lock and gives every other thread
 *      WORK_EXIT.
 *   2. Each thread leaves process->threads on its own; the last one goes on with 3.
 *   3. Resources go: memory (a vfork parent wakes), files, place, actions. All of this
 *      may sleep.
 *   4. Under family_lock: children get a new parent, orphaned groups are told, the parent
 *      is told, and the process is a zombie - or is buried at once when the parent does
 *      not want to know. From here on the parent may free everything but what the thread
 *      holds by its own reference.
 *   5. The thread lets go of the process and never comes back.
 */
#include "core/clock.h"
#include "core/heap.h"
#include "core/hooks.h"
#include "core/log.h"
#include "core/usercopy.h"
#include "proc/handle.h"
#include "proc/internal.h"
#include "proc/parts.h"
#include "proc/session.h"
#include "proc/trace.h"
#include "signal/signal.h"
#include "signal/timer.h"
#include "vm/mm.h"

void (*proc_futex_wake_hook)(uaddr at);
void (*proc_robust_hook)(struct thread *t);
void (*proc_locks_hook)(bool end);

bool
proc_is_ending(struct thread *t)
{
    struct process *p = t->process;
    return p->group_exit || (p->exec_thread != NULL && p->exec_thread != t);
}

/* Every thread but `self` is to end; process->lock is held. */
static void
end_threads_locked(struct process *p, struct thread *self)
{
    list_for_each(it, &p->threads)
    {
        struct thread *t = container_of(it, struct thread, process_link);
        if (t == self)
            continue;
        thread_set_work(t, WORK_EXIT);
        thread_poke(t);
    }
    wait_wake(&p->stop_wait, ~0u);
    wait_wake(&p->threads_wait, ~0u);
}

int
process_end_others(struct process *p)
{
    struct thread *self = thread_current();
    spin_lock(&p->lock);
    if (p->group_exit || p->exec_thread != NULL) {
        int error = p->group_exit ? -E_INTR : -E_AGAIN;
        spin_unlock(&p->lock);
        return error;
    }
    if (p->nthreads > 1) {
        p->exec_thread = self;
        end_threads_locked(p, self);
    }
    spin_unlock(&p->lock);
    /* Only the end of the process interrupts; a mere signal waits until the new program
     * runs. */
    while (wait_until(&p->threads_wait,
                      __atomic_load_n(&p->nthreads, __ATOMIC_ACQUIRE) == 1, true,
                      ~0ull) != 0) {
        if (p->group_exit)
            return -E_INTR;
        atomic_fetch_and_explicit(&self->work, ~WORK_SIGNAL, memory_order_relaxed);
    }
    struct cred *cred = NULL;
    spin_lock(&p->lock);
    p->exec_thread = NULL;
    int error = p->group_exit ? -E_INTR : 0;
    if (self->tid != p->pid) {
        /* The survivor takes the process's number, as on Linux, and what comes with it. */
        i32 old = self->tid;
        user_charge(p->charged_uid, -1);
        p->charged_uid = self->charged_uid;
        cred = p->cred;
        p->cred = self->cred;
        cred_hold(p->cred);
        pid_set_thread(old, NULL);
        self->tid = p->pid;
        pid_set_thread(self->tid, self);
        pid_drop(old);
    }
    signal_recheck_locked(self);
    spin_unlock(&p->lock);
    if (__builtin_expect(p->leader_trace != NULL, 0))
        trace_leader_replaced(p);
    if (cred != NULL)
        cred_release(cred);
    return error;
}

/* What pthreads waits for: the word cleared and a waiter woken, and the locks that the
 * thread held. */
void
process_leave_memory(struct thread *t, bool end)
{
    struct process *p = t->process;
    if (t->robust_list != 0 && proc_robust_hook != NULL)
        proc_robust_hook(t);
    t->robust_list = 0;
    t->rseq = 0;
    if (proc_locks_hook != NULL)
        proc_locks_hook(end);
    if (t->clear_child_tid == 0)
        return;
    u32 zero = 0;
    /* Only worth it when somebody shares the memory: another thread, or a relative by
     * vfork or clone. */
    if ((p->nthreads > 1 || p->mm_shared) &&
        copy_to_user(t->clear_child_tid, &zero, sizeof zero) == 0 &&
        proc_futex_wake_hook != NULL)
        proc_futex_wake_hook(t->clear_child_tid);
    t->clear_child_tid = 0;
}

static void
drop_resources(struct process *p, struct thread *t)
{
    posix_timers_end(p);
    if (p->alarm != NULL) {
        spin_lock(&p->lock);
        p->alarm_interval_ns = 0; /* so that a `fire` that runs does not arm it again */
        spin_unlock(&p->lock);
        timer_end(p->alarm);
        heap_free(p->alarm);
        p->alarm = NULL;
    }
    spin_lock(&p->lock); /* who looks at what others have does so under it */
    struct mm *mm = p->mm;
    p->mm = NULL;
    spin_unlock(&p->lock);
    if (mm != NULL) {
        usage_memory_goes(p, mm);
        t->space = NULL; /* any space will do until the thread has gone */
        mm_switch(NULL);
        mm_release(mm);
    }
    process_vfork_done(p);
}

/* A process whose parent ended: the nearest living ancestor that asked for it, else pid
 * 1. */
static struct process *
find_reaper(struct process *p)
{
    if (p->has_subreaper) {
        for (struct process *a = p->parent; a != NULL; a = a->parent) {
            if (a->subreaper && !a->group_exit && a->state != PROC_ZOMBIE)
                return a;
        }
    }
    return proc_init_process;
}

/* Does p want its children to vanish without being waited for? */
static bool
ignores_children(struct process *p)
{
    struct signal_action a;
    if (p->actions == NULL)
        return true;
    signal_action_get(p, SIG_CHLD, &a);
    return a.handler == SIG_HANDLER_IGNORE || (a.flags & SA_F_NOCLDWAIT);
}

/* Buried processes, whose last references are dropped after the lock. `dead_next` links
 * them, and `group` holds what became empty by their leaving: both fields are nobody
 * else's by then. */
struct burial {
    struct process *dead;
};

static void
bury(struct burial *b, struct process *p)
{
    struct pgroup *empty = NULL;
    process_bury_locked(p, &empty);
    p->group = empty;
    p->dead_next = b->dead;
    b->dead = p;
}

static void
finish_burials(struct burial *b)
{
    while (b->dead != NULL) {
        struct process *p = b->dead;
        b->dead = p->dead_next;
        struct pgroup *empty = p->group;
        p->group = NULL;
        pgroup_free(empty);
        proc_release(p);
    }
}

static int
exit_code_kind(i32 status)
{
    if ((status & 0x7f) == 0)
        return SIGNAL_CLD_EXITED;
    return status & 0x80 ? SIGNAL_CLD_DUMPED : SIGNAL_CLD_KILLED;
}

static i32
exit_code_value(i32 status)
{
    return (status & 0x7f) == 0 ? (status >> 8) & 0xff : status & 0x7f;
}

/* Tell the parent of a zombie; true when it is not going to wait for it. */
static bool
tell_and_ask(struct process *p)
{
    struct process *parent = p->parent;
    i32 number = p->parent_execed ? SIG_CHLD : p->exit_signal;
    bool unwanted = number == SIG_CHLD && ignores_children(parent);
    if (number > 0 && number <= SIG_MAX) /* clone takes others, and they say nothing */
        signal_tell_parent(p, exit_code_kind(p->exit_status),
                           exit_code_value(p->exit_status));
    wait_wake(&parent->child_wait, ~0u);
    return unwanted;
}

static void
give_children_away(struct process *p, struct burial *b)
{
    if (list_empty(&p->children))
        return;
    struct process *reaper = find_reaper(p);
    list_for_each_safe(it, &p->children)
    {
        struct process *child = container_of(it, struct process, sibling);
        list_remove(&child->sibling);
        child->parent = reaper;
        child->ppid = reaper->pid;
        child->exit_signal = SIG_CHLD;
        if (child->state == PROC_ZOMBIE) {
            list_push_front(&reaper->children, &child->sibling);
            if (tell_and_ask(child))
                bury(b, child);
        } else {
            if (child->report != 0) /* W2 in wait.c */
                list_push_front(&reaper->children, &child->sibling);
            else
                list_push_back(&reaper->children, &child->sibling);
            if (child->pdeath_signal != 0)
                signal_send_process(child, child->pdeath_signal, NULL);
        }
    }
}

/* Step 4. */
static void
become_zombie(struct process *p)
{
    struct burial b = { .dead = NULL };
    struct trace *gone = NULL;
    spin_lock(&family_lock);
    while (__builtin_expect(!list_empty(&p->tracees), 0)) { /* no more come: it is exiting */
        spin_unlock(&family_lock);
        trace_tracer_ends(p, NULL);
        spin_lock(&family_lock);
    }
    if (__builtin_expect(p->leader_trace != NULL, 0))
        gone = trace_leader_ends_locked(p);
    pgroup_orphans_locked(p);
    give_children_away(p, &b);
    if (p->session != NULL && p->session->leader == p)
        p->session->leader = NULL;
    if (p->state == PROC_STOPPED)
        proc_stopped_count--;
    /* Zombies stand among the first (W2 in wait.c). */
    list_remove(&p->sibling);
    list_push_front(&p->parent->children, &p->sibling);
    p->report = 0;
    atomic_store_explicit(&p->state, PROC_ZOMBIE, memory_order_release);
    proc_handle_zombie(p);
    if (tell_and_ask(p))
        bury(&b, p);
    spin_unlock(&family_lock);
    if (gone != NULL)
        trace_drop(gone);
    finish_burials(&b);
}

static void
end_process(struct process *p, struct thread *t, bool ended)
{
    if (p == proc_init_process) {
        if (libos_hooks.init_ended != NULL)
            libos_hooks.init_ended(p->exit_status);
        libos_panic("attempted to kill init: wait status 0x%x", (unsigned)p->exit_status);
    }
    session_leader_ends(); /* it takes the terminal with it */
    drop_resources(p, t);
    if (!ended)
        parts_end(t, false);
    become_zombie(p);
    /* Nobody asks for the actions of a process without children, and senders see
     * `exiting` first. */
    spin_lock(&p->lock);
    struct signal_actions *actions = p->actions;
    p->actions = NULL;
    spin_unlock(&p->lock);
    signal_actions_release(actions);
}

/* status: of this thread, as wait tells it to a tracer. */
static NORETURN void
end_thread(struct thread *t, i32 status)
{
    struct process *p = t->process;
    if (__builtin_expect(t->trace != NULL, 0))
        trace_exit(t, status);
    process_leave_memory(t, true);
    i32 tid = t->tid;
    if (__builtin_expect(!list_empty(&p->tracees), 0))
        trace_tracer_ends(p, t);
    /* Before an exec that waits for this thread looks who shares its descriptors. */
    bool ended = __atomic_load_n(&p->nthreads, __ATOMIC_RELAXED) > 1;
    if (ended)
        parts_end(t, true);
    spin_lock(&p->lock);
    while (__builtin_expect(t->trace != NULL, 0)) { /* nobody attaches to it once it is out */
        spin_unlock(&p->lock);
        trace_thread_ends(t, p->group_exit ? p->exit_status : status);
        spin_lock(&p->lock);
    }
    process_remove_thread_locked(p, t);
    bool last = p->nthreads == 0;
    if (last) {
        p->exiting = true;
        p->group_exit = true;
    }
    signal_thread_free(t);
    struct thread *waiting = p->exec_thread;
    bool all_parked = !last && p->group_stop && p->nstopped == p->nthreads;
    spin_unlock(&p->lock);
    if (waiting != NULL)
        wait_wake(&p->threads_wait, ~0u);
    if (all_parked)
        proc_stop_complete(p);
    if (tid != p->pid)
        pid_drop(tid);
    if (last)
        end_process(p, t, ended);
    parts_drop(t);
    t->space = NULL;
    t->process = NULL;
    cred_release(t->cred);
    t->cred = NULL;
    proc_release(p);
    thread_exit();
}

NORETURN void
proc_exit_thread(i32 code)
{
    struct thread *t = thread_current();
    struct process *p = t->process;
    spin_lock(&p->lock);
    /* The first thread's status is the process's, unless the group is told to end. */
    if (!p->group_exit && t->tid == p->pid)
        p->exit_status = (code & 0xff) << 8;
    spin_unlock(&p->lock);
    end_thread(t, (code & 0xff) << 8);
}

NORETURN void
proc_exit_group(i32 status)
{
    struct thread *t = thread_current();
    struct process *p = t->process;
    spin_lock(&p->lock);
    if (!p->group_exit && (p->exec_thread == NULL || p->exec_thread == t)) {
        p->group_exit = true;
        p->exit_status = status;
        p->group_stop = 0;
        if (p->nthreads > 1)
            end_threads_locked(p, t);
    }
    spin_unlock(&p->lock);
    end_thread(t, p->group_exit ? p->exit_status : 0);
}

void
proc_exit_work(struct thread *t)
{
    if (t->process == NULL)
        thread_exit(); /* fork gave it up before it ran */
    end_thread(t, t->process->group_exit ? t->process->exit_status : 0);
}

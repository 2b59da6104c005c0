/* SPDX-License-Identifier: MIT */
/*
 * Waiting for children, and the stop and continue reports that a parent can wait for.
 *
 * Everything is decided under family_lock. A parent that sleeps stands in its own
 * child_wait from before its look at the children, so that no report is lost (W1).
 *
 * W2. Children of which there is something to report, zombies among them, stand before
 * all others, so that a look passes over none that have nothing to say.
 */
#include "core/log.h"
#include "proc/internal.h"
#include "proc/trace.h"
#include "signal/signal.h"

static void
set_report_locked(struct process *p, i32 report)
{
    p->report = report;
    if (p->parent == NULL)
        return;
    list_remove(&p->sibling);
    if (report != 0)
        list_push_front(&p->parent->children, &p->sibling);
    else
        list_push_back(&p->parent->children, &p->sibling);
}

/* Is it one of those that are waited for? */
static bool
matches(const struct process *self, const struct process *child, i32 which, u32 flags)
{
    if (which > 0 && child->pid != which)
        return false;
    if (which == 0 && child->pgid != self->pgid)
        return false;
    if (which < -1 && child->pgid != -which)
        return false;
    bool clone = child->exit_signal != SIG_CHLD;
    return (flags & WAIT_ANY) || clone == ((flags & WAIT_CLONES) != 0);
}

static void
fill_report(struct process *child, i32 status, struct wait_report *out)
{
    out->pid = child->pid;
    out->trapped = false;
    out->status = status;
    /* A child that was continued may be changing its ids. */
    spin_lock(&child->lock);
    out->uid = child->cred != NULL ? (i32)child->cred->uid : 0;
    spin_unlock(&child->lock);
    usage_of_process(child, &out->usage);
    usage_sum(&out->usage, &child->children_usage);
}

/* What is there to report about this child: true and *out. *dead: it is to be released
 * after the lock. */
static bool
report_child(struct process *self, struct process *child, u32 flags,
             struct wait_report *out, struct process **dead, struct pgroup **empty)
{
    if (child->state == PROC_ZOMBIE) {
        if (!(flags & WAIT_EXITED))
            return false;
        fill_report(child, child->exit_status, out);
        if (flags & WAIT_NOREAP)
            return true;
        usage_sum(&self->children_usage, &out->usage);
        process_bury_locked(child, empty);
        *dead = child;
        return true;
    }
    if ((child->report & (i32)flags & (i32)WAIT_STOPPED) &&
        child->state == PROC_STOPPED && !trace_is_of_parent(self, child))
        fill_report(child, child->stop_signal << 8 | 0x7f, out);
    else if (child->report & (i32)flags & (i32)WAIT_CONTINUED)
        fill_report(child, 0xffff, out);
    else
        return false;
    if (!(flags & WAIT_NOREAP))
        set_report_locked(child, 0);
    return true;
}

/* One look at the children: 1 reported, 0 none yet, -E_CHILD no such child. */
static int
look(struct process *self, i32 which, u32 flags, struct wait_report *out)
{
    struct process *dead = NULL;
    struct pgroup *empty = NULL;
    struct trace *gone = NULL;
    int result = -E_CHILD;
    spin_lock(&family_lock);
    if (__builtin_expect(!list_empty(&self->tracees), 0))
        result = trace_report_locked(self, which, flags, out, &gone);
    if (result == 1) {
        /* a tracee's report comes first */
    } else if (which > 0) {
        spin_lock(&pid_lock);
        struct pid_slot *slot = pid_slot_locked(which);
        struct process *child = slot != NULL ? slot->process : NULL;
        spin_unlock(&pid_lock);
        if (child != NULL && child->parent == self && matches(self, child, which, flags))
            result = report_child(self, child, flags, out, &dead, &empty) ? 1 : 0;
    } else {
        list_for_each(it, &self->children)
        {
            struct process *child = container_of(it, struct process, sibling);
            if (!matches(self, child, which, flags))
                continue;
            result = 0;
            if (report_child(self, child, flags, out, &dead, &empty)) {
                result = 1;
                break;
            }
            if (child->state != PROC_ZOMBIE && child->report == 0)
                break; /* nor is there anything to report of those behind it (W2) */
        }
    }
    spin_unlock(&family_lock);
    pgroup_free(empty);
    if (dead != NULL)
        proc_release(dead);
    if (gone != NULL)
        trace_drop(gone);
    return result;
}

int
proc_wait(i32 which, u32 flags, struct wait_report *out)
{
    struct process *self = proc_current();
    int result = look(self, which, flags, out);
    if (result != 0 || (flags & WAIT_NOHANG))
        return result;
    struct waiter w = { .thread = NULL };
    wait_add(&self->child_wait, &w);
    for (;;) {
        thread_prepare(true);
        result = look(self, which, flags, out);
        if (result != 0) {
            thread_cancel();
            break;
        }
        if (thread_block(~0ull) == -E_INTR) {
            result = look(self, which, flags, out);
            if (result == 0)
                result = -E_RESTART;
            break;
        }
        wait_again(&w);
    }
    wait_remove(&w);
    return result;
}

void
proc_stop_complete(struct process *p)
{
    spin_lock(&family_lock);
    spin_lock(&p->lock);
    bool stopped = p->group_stop && p->nstopped == p->nthreads && p->state == PROC_ALIVE;
    if (stopped) {
        atomic_store_explicit(&p->state, PROC_STOPPED, memory_order_relaxed);
        proc_stopped_count++;
        set_report_locked(p, WAIT_STOPPED);
    }
    spin_unlock(&p->lock);
    if (stopped && p->parent != NULL && !trace_is_of_parent(p->parent, p)) {
        signal_tell_parent(p, SIGNAL_CLD_STOPPED, p->stop_signal);
        wait_wake(&p->parent->child_wait, ~0u);
    }
    spin_unlock(&family_lock);
}

void
proc_continued(struct process *p)
{
    spin_lock(&family_lock);
    bool was = p->state == PROC_STOPPED;
    if (was) {
        atomic_store_explicit(&p->state, PROC_ALIVE, memory_order_relaxed);
        proc_stopped_count--;
        bool told = !p->group_exit && !p->stop_killed;
        set_report_locked(p, told ? WAIT_CONTINUED : 0);
        if (p->parent != NULL && told) {
            signal_tell_parent(p, SIGNAL_CLD_CONTINUED, SIG_CONT);
            wait_wake(&p->parent->child_wait, ~0u);
        }
    }
    spin_unlock(&family_lock);
}

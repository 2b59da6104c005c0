/* SPDX-License-Identifier: MIT */
/* What is known of a process or thread at one moment, for those who write it down. */
#include "core/clock.h"
#include "core/log.h"
#include "core/string.h"
#include "proc/cred.h"
#include "proc/proc.h"
#include "proc/session.h"
#include "proc/trace.h"
#include "procfs/private.h"
#include "signal/signal.h"
#include "tty/tty.h"

#define LIMIT_RSS 5
#define LIMIT_SIGPENDING 11

static char
thread_letter(const struct thread *t)
{
    switch (atomic_load_explicit(&t->state, memory_order_relaxed)) {
    case THREAD_NEW:
    case THREAD_RUNNABLE:
    case THREAD_RUNNING:
        return 'R';
    case THREAD_DEAD:
        return 'X';
    default:
        return t->interruptible ? 'S' : 'D';
    }
}

static char
state_letter(const struct process *p, const struct thread *t)
{
    switch (atomic_load_explicit(&p->state, memory_order_relaxed)) {
    case PROC_ZOMBIE:
        return 'Z';
    case PROC_DEAD:
        return 'X';
    case PROC_STOPPED:
        return t != NULL ? 'T' : 'Z';
    default:
        return t != NULL ? thread_letter(t) : 'Z';
    }
}

/* family_lock is held: the terminal lives while a process has it. */
static void
family_facts(struct process *p, struct facts *out)
{
    out->ppid = p->ppid;
    out->pgid = p->pgid;
    out->sid = p->sid;
    out->tpgid = -1;
    if (p->tty != NULL) {
        out->tty = p->tty->rdev;
        out->tpgid = p->tty->fg_pgid != 0 ? p->tty->fg_pgid : -1;
    }
}

static void
signal_facts(struct process *p, const struct thread *t, struct facts *out)
{
    out->shared_pending = p->signal_pending;
    out->queued = p->signals_queued;
    out->queue_limit = p->limits[LIMIT_SIGPENDING].soft;
    signal_sets_locked(p, &out->ignored, &out->caught);
    if (t != NULL) {
        out->pending = t->signal_pending;
        out->blocked = t->restore_mask ? t->saved_mask : t->signal_mask;
    }
}

/* Linux's numbers of policies, and the priority as its scheduler counts it. */
static void
scheduling_facts(const struct process *p, const struct thread *t, struct facts *out)
{
    static const u8 policies[] = { [SCHED_FAIR] = 0,      [SCHED_FAIR_BATCH] = 3,
                                   [SCHED_FAIR_IDLE] = 5, [SCHED_RT_FIFO] = 1,
                                   [SCHED_RT_RR] = 2,      [SCHED_BY_DEADLINE] = 6 };
    out->nice = t != NULL ? t->sched.nice : p->nice;
    out->priority = 20 + out->nice;
    out->allowed = t != NULL ? t->sched.allowed : ~0ull;
    if (t == NULL)
        return;
    out->policy = policies[t->sched.policy];
    out->rt_priority = t->sched.own_priority;
    if (t->sched.priority != 0) /* also one that was lent */
        out->priority = -1 - (i32)t->sched.priority;
}

static void
thread_facts(struct process *p, struct thread *t, struct facts *out)
{
    memcpy(out->name, t != NULL ? t->name : p->name, sizeof out->name);
    out->name[sizeof out->name - 1] = '\0';
    out->state = state_letter(p, t);
    out->threads = p->nthreads;
    scheduling_facts(p, t, out);
    out->exit_signal = out->tid == p->pid ? p->exit_signal : -1;
    out->exit_status = p->exit_status;
    out->exiting = p->exiting;
    out->start_ns = p->start_ns;
    out->no_new_privs = t != NULL && t->no_new_privs;
    out->resident_limit = p->limits[LIMIT_RSS].soft;
    const struct cred *c = cred_of_locked(p, t);
    if (c != NULL)
        out->cred = *c;
    if (out->cred.groups != NULL)
        cred_groups_hold(out->cred.groups); /* facts_drop */
    if (t != NULL) {
        const struct lcpu *on = t->cpu;
        out->cpu = on != NULL ? on->id : 0;
        out->asleep =
            atomic_load_explicit(&t->state, memory_order_relaxed) == THREAD_SLEEPING;
    }
    signal_facts(p, t, out);
}

static void
usage_facts(struct process *p, const struct subject *s, struct facts *out)
{
    struct proc_usage own = { 0 }, children;
    if (s->tid == 0) {
        usage_of_process(p, &own);
    } else {
        spin_lock(&p->lock);
        struct thread *t = process_thread_locked(p, s->tid);
        if (t != NULL)
            usage_of_thread_locked(t, &own);
        spin_unlock(&p->lock);
    }
    usage_of_children(p, &children);
    out->user_ns = clock_ticks_to_ns(own.user);
    out->system_ns = clock_ticks_to_ns(own.system);
    out->minor_faults = own.minor_faults;
    out->major_faults = own.major_faults;
    out->voluntary = own.voluntary;
    out->involuntary = own.involuntary;
    out->children_user_ns = clock_ticks_to_ns(children.user);
    out->children_system_ns = clock_ticks_to_ns(children.system);
    out->children_minor_faults = children.minor_faults;
    out->children_major_faults = children.major_faults;
}

void
facts_drop(struct facts *f)
{
    cred_groups_release(f->cred.groups);
    f->cred.groups = NULL;
}

int
facts_get(const struct subject *s, struct facts *out)
{
    struct process *p = subject_get(s);
    if (p == NULL)
        return -E_SRCH;
    memset(out, 0, sizeof *out);
    out->pid = p->pid;
    out->tid = subject_tid(s);
    spin_lock(&family_lock);
    family_facts(p, out);
    spin_unlock(&family_lock);
    spin_lock(&p->lock);
    struct thread *t = process_thread_locked(p, out->tid);
    thread_facts(p, t, out);
    spin_unlock(&p->lock);
    bool held;
    out->tracer = trace_tracer_of(p, out->tid, &held);
    if (held)
        out->state = 't';
    usage_facts(p, s, out);
    struct fdtable *files = proc_files(p, s->tid);
    if (files != NULL) {
        out->fd_slots = fd_slots(files);
        fdtable_drop(files);
    }
    struct fs_context *place = proc_place(p, s->tid);
    if (place != NULL) {
        out->umask = place->umask;
        fs_context_drop(place);
    }
    proc_release(p);
    if (s->tid == 0 || s->tid == s->pid || t != NULL)
        return 0;
    facts_drop(out); /* the thread has ended since it was found */
    return -E_SRCH;
}

/* SPDX-License-Identifier: MIT */
/*
 * Acting on signals, on the thread's way to the user: end, stop, go on, or enter a
 * handler.
 *
 *   signal_work -> park           the process is stopped; until SIG_CONT, SIG_KILL or the end
 *               -> take_one       one pending signal and its action, under process->lock
 *               -> enter_handler  writes the user's frame (posix), then the mask changes
 * A call that was interrupted is restarted (or not) with the first handler, or at the end
 * when no handler ran.
 */
#include "core/error.h"
#include "core/heap.h"
#include "core/hooks.h"
#include "core/log.h"
#include "core/usercopy.h"
#include "proc/proc.h"
#include "proc/session.h"
#include "proc/trace.h"
#include "signal/internal.h"

struct signal_abi signal_abi;

static inline bool
unblocked(const struct thread *t)
{
    return (pending_bits(t) & ~t->signal_mask) != 0;
}

static inline void
recheck(struct thread *t)
{
    if (unblocked(t) || t->process->stops_or_traced != 0)
        thread_set_work(t, WORK_SIGNAL);
}

bool
signal_pending(const struct thread *t)
{
    return unblocked(t);
}

void
signal_recheck_locked(struct thread *t)
{
    recheck(t);
}

/* What t was to take, and now blocks, may be another's; p->lock is held. */
static __attribute__((noinline, cold)) void
hand_over(struct thread *t, struct process *p, u64 set)
{
    list_for_each(it, &p->threads) {
        struct thread *other = container_of(it, struct thread, process_link);
        if (other == t || (set & ~other->signal_mask) == 0)
            continue;
        thread_set_work(other, WORK_SIGNAL);
        thread_poke(other);
    }
}

void
signal_mask_set(u64 mask)
{
    struct thread *t = thread_current();
    struct process *p = t->process;
    mask &= ~SIGNALS_UNBLOCKABLE;
    if (mask == t->signal_mask)
        return;
    spin_lock(&p->lock);
    u64 newly_blocked = mask & ~t->signal_mask & p->signal_pending;
    t->signal_mask = mask;
    recheck(t);
    if (__builtin_expect(newly_blocked != 0 && p->nthreads > 1, 0))
        hand_over(t, p, newly_blocked);
    spin_unlock(&p->lock);
}

/* process->lock is held: the thread has left its process. */
void
signal_thread_free(struct thread *t)
{
    struct process *p = t->process;
    p->signals_queued -= queue_drop(pending_of_thread(t), ~0ull);
    if (p->signal_pending == 0)
        return;
    list_for_each(it, &p->threads) {
        struct thread *other = container_of(it, struct thread, process_link);
        if (signal_pending(other)) {
            thread_set_work(other, WORK_SIGNAL);
            thread_poke(other);
        }
    }
}

void
signal_process_free(struct process *p)
{
    (void)queue_drop(pending_of_process(p), ~0ull);
    heap_free(p->signal_spare);
    p->signal_spare = NULL;
}

void
signal_thread_exec(struct thread *t)
{
    t->altstack_base = 0;
    t->altstack_size = 0;
    t->altstack_flags = 0;
    t->restore_mask = false;
    t->restart_kind = 0;
    t->set_tid = 0;
}

/* The thread's own come before the process's; p->lock is held. */
static int
take_locked(struct thread *t, struct process *p, u64 set, struct signal_info *out)
{
    u32 gone = 0;
    bool own = (t->signal_pending & set) != 0;
    int number = queue_take(own ? pending_of_thread(t) : pending_of_process(p), set, out,
                            &gone);
    p->signals_queued -= gone;
    return number;
}

int
signal_peek(struct thread *t, bool shared, u64 index, struct signal_info *out)
{
    struct process *p = t->process;
    spin_lock(&p->lock);
    struct signal_queue *last = shared ? p->signal_queue : t->signal_queue;
    struct signal_queue *e = last != NULL ? last->next : NULL;
    for (; e != NULL && index != 0; index--)
        e = e == last ? NULL : e->next;
    if (e != NULL)
        *out = e->info;
    spin_unlock(&p->lock);
    return e != NULL;
}

int
signal_take(struct thread *t, u64 set, struct signal_info *out)
{
    struct process *p = t->process;
    spin_lock(&p->lock);
    int number = take_locked(t, p, set, out);
    spin_unlock(&p->lock);
    return number;
}

bool
signal_is_blocked_or_ignored(int number)
{
    struct thread *t = thread_current();
    struct process *p = t->process;
    return (t->signal_mask & SIG_BIT(number)) != 0 ||
           (p->actions->ignored & SIG_BIT(number)) != 0;
}

void
signal_fault(int number, const struct signal_info *info)
{
    struct thread *t = thread_current();
    struct process *p = t->process;
    struct signal_actions *a = p->actions;
    u64 bit = SIG_BIT(number);
    u32 made;
    spin_lock(&p->lock);
    if ((t->signal_mask & bit) || (a->ignored & bit)) {
        spin_lock(&a->lock);
        a->action[number - 1].handler = SIG_HANDLER_DEFAULT;
        a->ignored &= ~bit;
        a->caught &= ~bit;
        spin_unlock(&a->lock);
        t->signal_mask &= ~bit;
    }
    if (p == proc_init_process && !(a->caught & bit))
        p->init_may_die = true;
    if (queue_put(pending_of_thread(t), number, info, false, &made) == 0)
        p->signals_queued += made;
    thread_set_work(t, WORK_SIGNAL);
    spin_unlock(&p->lock);
}

/* Sleep as long as the process is stopped. */
static void
park(struct thread *t, struct process *p)
{
    spin_lock(&p->lock);
    if (!p->group_stop || proc_is_ending(t)) {
        spin_unlock(&p->lock);
        return;
    }
    p->nstopped++;
    t->parked = true;
    bool all = p->nstopped == p->nthreads;
    spin_unlock(&p->lock);
    if (all)
        proc_stop_complete(p);
    (void)wait_until(&p->stop_wait,
                     !p->group_stop || proc_is_ending(t) ||
                         __atomic_load_n(&t->trace, __ATOMIC_ACQUIRE) != NULL,
                     false, ~0ull);
    spin_lock(&p->lock);
    p->nstopped--;
    t->parked = false;
    bool over = !p->group_stop || proc_is_ending(t); /* else a tracer took it over */
    spin_unlock(&p->lock);
    if (over)
        proc_continued(p);
}

/* A stop signal's default action; before: p->continues when it was taken, since which a
 * SIG_CONT may have come. Orphaned groups do not stop for the terminal's (POSIX,
 * 2.4.3). */
static void
stop_process(struct thread *t, struct process *p, int number, u32 before)
{
    if (number != SIG_STOP && session_group_orphaned(p->pgid))
        return;
    spin_lock(&p->lock);
    bool stop = p->continues == before && !proc_is_ending(t);
    /* Another one while the first holds: a tracer let this thread run. */
    if (stop && (!p->group_stop || t->trace != NULL)) {
        p->stops++;
        if (!p->group_stop)
            p->stop_signal = number;
        p->group_stop = 1;
        list_for_each(it, &p->threads) {
            struct thread *other = container_of(it, struct thread, process_link);
            if (other == t)
                continue;
            thread_set_work(other, WORK_SIGNAL);
            thread_poke(other);
        }
    }
    if (__builtin_expect(p->traced != 0, 0))
        wait_wake(&p->stop_wait, ~0u); /* tracees that tell of it though they are stopped */
    spin_unlock(&p->lock);
    if (__builtin_expect(t->trace == NULL, 1))
        park(t, p); /* else trace_look stops it (proc/trace.h, Y7) */
}

enum taken { TAKEN_NONE, TAKEN_IGNORE, TAKEN_STOP, TAKEN_END, TAKEN_HANDLER, TAKEN_TRACED };

/* A copy of the action that has a handler, which SA_F_RESETHAND takes away now; a->lock is
 * held. */
static void
take_handler_locked(struct signal_actions *a, int number, struct signal_action *action)
{
    *action = a->action[number - 1];
    if (action->flags & SA_F_RESETHAND) {
        a->action[number - 1].handler = SIG_HANDLER_DEFAULT;
        a->caught &= ~SIG_BIT(number);
    }
}

/* What a signal does that was taken; p->lock is held. */
static inline enum taken
decide_locked(struct process *p, int number, struct signal_action *action)
{
    u64 bit = SIG_BIT(number);
    struct signal_actions *a = p->actions;
    spin_lock(&a->lock);
    u64 handler = a->action[number - 1].handler;
    enum taken what = TAKEN_END;
    if (handler > SIG_HANDLER_IGNORE) {
        what = TAKEN_HANDLER;
        take_handler_locked(a, number, action);
    } else if (handler == SIG_HANDLER_IGNORE || (bit & SIGNALS_IGNORED)) {
        what = TAKEN_IGNORE;
    } else if (p == proc_init_process && !p->init_may_die) {
        what = TAKEN_IGNORE;
    } else if (bit & SIGNALS_STOP) {
        what = TAKEN_STOP;
    }
    spin_unlock(&a->lock);
    return what;
}

/* The tracer has its say first. */
static __attribute__((noinline, cold)) enum taken
ask_tracer(struct thread *t, struct user_frame *f, struct signal_info *info,
           struct signal_action *action, int *number)
{
    *number = trace_signal(t, f, *number, info);
    if (*number == 0)
        return TAKEN_IGNORE;
    spin_lock(&t->process->lock);
    enum taken what = decide_locked(t->process, *number, action);
    spin_unlock(&t->process->lock);
    if (what == TAKEN_HANDLER && t->trace != NULL)
        trace_handler(t, f, action->handler);
    return what;
}

/* Take one signal that the thread does not block, with a copy of its action. */
static enum taken
take_one(struct thread *t, struct process *p, struct signal_info *info,
         struct signal_action *action, int *number, u32 *continues)
{
    u64 set = ~t->signal_mask;
    /* A sender sets its bit before it sets WORK_SIGNAL: what is not seen here is seen on
     * the next way to the user. */
    if (((t->signal_pending | p->signal_pending) & set) == 0)
        return TAKEN_NONE;
    spin_lock(&p->lock);
    if (proc_is_ending(t)) { /* a SIG_KILL is not for this thread alone */
        spin_unlock(&p->lock);
        return TAKEN_IGNORE;
    }
    *continues = p->continues;
    *number = take_locked(t, p, set, info);
    if (*number == 0) {
        spin_unlock(&p->lock);
        return TAKEN_NONE;
    }
    bool traced = t->trace != NULL && *number != SIG_KILL;
    enum taken what = traced ? TAKEN_TRACED : decide_locked(p, *number, action);
    spin_unlock(&p->lock);
    return what;
}

static void
enter_handler(struct thread *t, struct user_frame *f, int number,
              const struct signal_action *action, const struct signal_info *info)
{
    u64 mask = t->restore_mask ? t->saved_mask : t->signal_mask;
    if (t->restart_kind != 0)
        signal_abi.restart(t, f, action);
    if (signal_abi.push(t, f, number, action, info, mask) != 0) {
        /* The frame cannot be written. If that was for SIG_SEGV itself its handler is of
         * no use. */
        if (number == SIG_SEGV)
            t->signal_mask |= SIG_BIT(SIG_SEGV);
        signal_fault(SIG_SEGV, NULL);
        return;
    }
    t->restore_mask = false;
    u64 added = action->mask | (action->flags & SA_F_NODEFER ? 0 : SIG_BIT(number));
    signal_mask_set(t->signal_mask | added);
}

/*
 * The signal of a fault comes before all that are pending (SIGNALS_FAULT), so where it has
 * a handler that may run, that is entered without a queue.
 */
void
signal_fault_at(struct thread *t, struct user_frame *f, int number,
                const struct signal_info *info)
{
    struct signal_actions *a = t->process->actions;
    struct signal_action action;
    u64 bit = SIG_BIT(number);
    bool caught = false;
    if ((a->caught & ~t->signal_mask & ~t->signal_pending & bit) != 0 && t->trace == NULL) {
        spin_lock(&a->lock);
        caught = (a->caught & bit) != 0;
        if (caught)
            take_handler_locked(a, number, &action);
        spin_unlock(&a->lock);
    }
    if (caught)
        enter_handler(t, f, number, &action, info);
    else
        signal_fault(number, info);
}

/* FORK_CHILD_TID: the child writes its own number, since the parent cannot reach its
 * memory. */
static void
write_tid(struct thread *t)
{
    uaddr at = t->set_tid;
    t->set_tid = 0;
    if (copy_to_user(at, &t->tid, sizeof t->tid) != 0)
        return; /* as on Linux: the child finds no number there */
}

static __attribute__((noinline)) void
stop_or_look(struct thread *t, struct process *p, struct user_frame *f)
{
    if (t->trace != NULL)
        trace_look(t, f);
    if (p->group_stop && t->trace == NULL)
        park(t, p);
}

void
signal_work(struct thread *t, struct user_frame *f)
{
    struct process *p = t->process;
    struct signal_info info;
    struct signal_action action;
    int number;
    u32 continues;
    if (t->set_tid != 0)
        write_tid(t);
    for (;;) {
        if (proc_is_ending(t))
            proc_exit_work(t);
        if (__builtin_expect(p->stops_or_traced != 0, 0))
            stop_or_look(t, p, f);
        enum taken what = take_one(t, p, &info, &action, &number, &continues);
        if (what == TAKEN_NONE)
            break;
        if (__builtin_expect(what == TAKEN_TRACED, 0))
            what = ask_tracer(t, f, &info, &action, &number);
        if (what == TAKEN_HANDLER)
            enter_handler(t, f, number, &action, &info);
        else if (what == TAKEN_STOP)
            stop_process(t, p, number, continues);
        else if (what == TAKEN_END)
            proc_exit_group(number);
    }
    if (t->restart_kind != 0)
        signal_abi.restart(t, f, NULL);
    if (t->restore_mask) {
        t->restore_mask = false;
        signal_mask_set(t->saved_mask);
    }
    /* The loop above took everything; what came since has set WORK_SIGNAL again. */
}

void
signal_init(void)
{
    libos_hooks.signal_work = signal_work;
    signal_readers_init();
}

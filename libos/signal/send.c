/* SPDX-License-Identifier: MIT */
/*
 * Sending signals: what happens at once (stop and continue cancel each other, SIG_KILL
 * ends a stop), whether the signal is kept, who is to look at it, and who is woken.
 */
#include "core/error.h"
#include "core/log.h"
#include "proc/pid.h"
#include "proc/proc.h"
#include "signal/internal.h"

/* Who reads signals from files (signalfd) may stand in the queue of a process that has
 * ended, so the queues are nobody's: processes share them. */
static struct waitq reader_queues[SIGNAL_READER_QUEUES];

struct waitq *
signal_readers(const struct process *p)
{
    return &reader_queues[(u64)(uintptr_t)p / 64 % SIGNAL_READER_QUEUES];
}

void
signal_readers_init(void)
{
    for (u32 i = 0; i < SIGNAL_READER_QUEUES; i++)
        waitq_init(&reader_queues[i]);
}

bool
signal_is_ignored(const struct process *p, int number)
{
    u64 bit = SIG_BIT(number);
    if (p->actions->ignored & bit)
        return true;
    if (p->actions->caught & bit)
        return false;
    if (p == proc_init_process && !p->init_may_die)
        return true; /* Z3 */
    return (bit & SIGNALS_IGNORED) != 0;
}

u64
signal_pending_set(struct thread *t)
{
    spin_lock(&t->process->lock);
    u64 bits = pending_bits(t);
    spin_unlock(&t->process->lock);
    return bits;
}

static void
look_now(struct thread *t)
{
    thread_set_work(t, WORK_SIGNAL);
    if (t != thread_current()) /* which looks when its call is over */
        thread_poke(t);
}

static void
drop_everywhere(struct process *p, u64 set)
{
    p->signals_queued -= queue_drop(pending_of_process(p), set);
    list_for_each(it, &p->threads) {
        struct thread *t = container_of(it, struct thread, process_link);
        p->signals_queued -= queue_drop(pending_of_thread(t), set);
    }
}

/* Tracers hear of each SIG_CONT (proc/trace.h). */
static __attribute__((noinline, cold)) void
tell_traced(struct process *p)
{
    list_for_each(it, &p->threads) {
        struct thread *t = container_of(it, struct thread, process_link);
        if (__atomic_load_n(&t->trace, __ATOMIC_RELAXED) != NULL)
            look_now(t);
    }
    wait_wake(&p->stop_wait, ~0u);
}

/* What the mere sending of a signal does. */
static void
act_on_sending(struct process *p, int number)
{
    u64 bit = SIG_BIT(number);
    if (bit & SIGNALS_STOP) {
        drop_everywhere(p, SIG_BIT(SIG_CONT));
    } else if (number == SIG_CONT || number == SIG_KILL) {
        if (number == SIG_CONT)
            drop_everywhere(p, SIGNALS_STOP);
        p->continues++;
        if (p->group_stop) {
            p->stop_killed = number == SIG_KILL;
            p->group_stop = 0;
            wait_wake(&p->stop_wait, ~0u);
        }
        if (number == SIG_CONT && __builtin_expect(p->traced != 0, 0))
            tell_traced(p);
    }
}

/* A process-wide signal is pending: make a thread look that does not block it. All look
 * at SIG_KILL. */
static void
choose_thread(struct process *p, int number)
{
    u64 bit = SIG_BIT(number);
    list_for_each(it, &p->threads) {
        struct thread *t = container_of(it, struct thread, process_link);
        if ((t->signal_mask & bit) && number != SIG_KILL)
            continue;
        look_now(t);
        if (number != SIG_KILL)
            return;
    }
}

/* Is it blocked, or will it be when a sigsuspend or sigtimedwait is over? Then it is kept
 * even if it is ignored now. */
static bool
blocks(const struct process *p, const struct thread *t, u64 bit)
{
    if (t == NULL)
        t = list_empty(&p->threads)
                ? NULL
                : container_of(p->threads.next, struct thread, process_link);
    if (t == NULL)
        return false;
    return ((t->signal_mask | (t->restore_mask ? t->saved_mask : 0)) & bit) != 0;
}

/* t NULL: to the process.  process->lock is held. *made: it got an entry in the queue. */
static int
send_counted(struct process *p, struct thread *t, int number,
             const struct signal_info *info, u32 *made)
{
    *made = 0;
    if (p->exiting || p->state == PROC_ZOMBIE || p->state == PROC_DEAD)
        return 0;
    u64 bit = SIG_BIT(number);
    act_on_sending(p, number);
    if (signal_is_ignored(p, number) && p->traced == 0 &&
        !((bit & ~SIGNALS_UNBLOCKABLE) && blocks(p, t, bit)))
        return 0;
    bool full = p->signals_queued >= p->limits[SIGNAL_LIMIT_PENDING].soft;
    struct signal_pending_set q =
        t != NULL ? pending_of_thread(t) : pending_of_process(p);
    int error = queue_put(q, number, info, full, made);
    p->signals_queued += *made;
    if (error != 0)
        return error;
    struct waitq *readers = signal_readers(p);
    if (!wait_idle(readers))
        wait_wake(readers, ~0u);
    if (number == SIG_KILL && p->traced != 0)
        wait_wake(&p->stop_wait, ~0u); /* whom its tracer holds */
    if (t == NULL)
        choose_thread(p, number);
    else if (!(t->signal_mask & bit))
        look_now(t);
    return 0;
}

static int
send_locked(struct process *p, struct thread *t, int number,
            const struct signal_info *info)
{
    u32 made;
    return send_counted(p, t, number, info, &made);
}

int
signal_queue_process(struct process *p, int number, const struct signal_info *info)
{
    spin_lock(&p->lock);
    int error = send_locked(p, NULL, number, info);
    spin_unlock(&p->lock);
    return error;
}

int
signal_queue_thread(struct thread *t, int number, const struct signal_info *info)
{
    struct process *p = t->process;
    spin_lock(&p->lock);
    int error = send_locked(p, t, number, info);
    spin_unlock(&p->lock);
    return error;
}

/* The other senders' signals are kept as a mere bit when the queue is full, so nothing
 * can fail that matters to them. */
void
signal_send_process(struct process *p, int number, const struct signal_info *info)
{
    int error = signal_queue_process(p, number, info);
    if (error != 0)
        error = signal_queue_process(p, number, NULL);
    ASSERT(error == 0);
}

void
signal_send_thread(struct thread *t, int number, const struct signal_info *info)
{
    int error = signal_queue_thread(t, number, info);
    if (error != 0)
        error = signal_queue_thread(t, number, NULL);
    ASSERT(error == 0);
}

int
signal_queue_timer(struct process *p, i32 tid, int number, const struct signal_info *info)
{
    struct thread *t = NULL;
    spin_lock(&p->lock);
    if (tid != 0) {
        spin_lock(&pid_lock);
        struct pid_slot *slot = pid_slot_locked(tid);
        t = slot != NULL ? slot->thread : NULL;
        if (t != NULL && t->process != p)
            t = NULL;
        spin_unlock(&pid_lock);
    }
    u32 made = 0;
    int error = tid != 0 && t == NULL ? 0 : send_counted(p, t, number, info, &made);
    spin_unlock(&p->lock);
    return error != 0 ? error : (int)made;
}

struct group_send {
    int number;
    const struct signal_info *info;
};

static bool
send_one(struct process *p, void *arg)
{
    struct group_send *g = arg;
    signal_send_process(p, g->number, g->info);
    return true;
}

u32
signal_send_group(i32 pgid, int number, const struct signal_info *info)
{
    struct group_send g = { number, info };
    return proc_each_in_group(pgid, send_one, &g);
}

int
signal_send_tid(i32 tgid, i32 tid, int number, const struct signal_info *info,
                bool (*permit)(const struct process *p, const struct thread *t,
                               int number))
{
    struct thread *self = thread_current();
    if (tid == self->tid && (tgid == 0 || tgid == self->process->pid)) /* it may */
        return number == 0 ? 0 : signal_queue_thread(self, number, info);
    spin_lock(&pid_lock);
    struct pid_slot *slot = pid_slot_locked(tid);
    struct thread *t = slot != NULL ? slot->thread : NULL;
    struct process *p = t != NULL ? t->process : NULL;
    if (p != NULL)
        proc_hold(p); /* a thread in a slot is in its process, and holds it */
    spin_unlock(&pid_lock);
    if (p == NULL)
        return -E_SRCH;
    int error = tgid != 0 && p->pid != tgid ? -E_SRCH : 0;
    if (error == 0) {
        spin_lock(&p->lock);
        t = process_thread_locked(p, tid); /* still there? */
        if (t == NULL)
            error = -E_SRCH;
        else if (permit != NULL && !permit(p, t, number))
            error = -E_PERM;
        else if (number != 0)
            error = send_locked(p, t, number, info);
        spin_unlock(&p->lock);
    }
    proc_release(p);
    return error;
}

void
signal_tell_parent(struct process *child, int code, i32 status)
{
    struct process *parent = child->parent;
    bool stop_or_cont = code == SIGNAL_CLD_STOPPED || code == SIGNAL_CLD_CONTINUED;
    int number = stop_or_cont || child->parent_execed ? SIG_CHLD : child->exit_signal;
    if (parent == NULL || number < 1 || number > SIG_MAX)
        return;
    struct proc_usage used;
    usage_of_process(child, &used);
    spin_lock(&child->lock);
    u32 uid = child->cred->uid;
    spin_unlock(&child->lock);
    struct signal_info info = {
        .number = number, .code = code, .pid = child->pid, .status = status,
        .uid = uid,
        .utime = (i64)used.user, .stime = (i64)used.system,
    };
    spin_lock(&parent->lock);
    bool wanted = parent->actions != NULL;
    if (wanted && stop_or_cont)
        wanted = !(parent->actions->action[SIG_CHLD - 1].flags & SA_F_NOCLDSTOP);
    if (wanted && send_locked(parent, NULL, number, &info) != 0)
        (void)send_locked(parent, NULL, number, NULL);
    spin_unlock(&parent->lock);
}

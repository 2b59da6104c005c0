/* SPDX-License-Identifier: MIT */
/* What a process does with each signal: the table of actions, shared between processes
 * with FORK_SHARE_SIGNALS. */
#include "core/error.h"
#include "core/heap.h"
#include "core/log.h"
#include "core/string.h"
#include "proc/proc.h"
#include "signal/internal.h"

struct signal_actions *
signal_actions_new(void)
{
    struct signal_actions *a = heap_alloc_zeroed(sizeof *a);
    if (a != NULL)
        atomic_store_explicit(&a->refs, 1, memory_order_relaxed);
    return a;
}

struct signal_actions *
signal_actions_copy(struct signal_actions *from)
{
    struct signal_actions *a = heap_alloc(sizeof *a);
    if (a == NULL)
        return NULL;
    spin_lock(&from->lock);
    memcpy(a->action, from->action, sizeof a->action);
    a->ignored = from->ignored;
    a->caught = from->caught;
    a->set = from->set;
    spin_unlock(&from->lock);
    atomic_init(&a->refs, 1);
    atomic_init(&a->lock.held, 0);
    return a;
}

bool
signal_actions_shared(const struct signal_actions *a)
{
    return atomic_load_explicit(&a->refs, memory_order_relaxed) > 1;
}

void
signal_actions_hold(struct signal_actions *a)
{
    atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
}

void
signal_actions_release(struct signal_actions *a)
{
    u32 before = atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1)
        heap_free(a);
}

/* a->lock is held, or nobody else knows a. */
static void
put_action(struct signal_actions *a, int number, const struct signal_action *set)
{
    a->action[number - 1] = *set;
    u64 bit = SIG_BIT(number);
    a->set |= bit;
    a->ignored =
        set->handler == SIG_HANDLER_IGNORE ? a->ignored | bit : a->ignored & ~bit;
    a->caught = set->handler > SIG_HANDLER_IGNORE ? a->caught | bit : a->caught & ~bit;
}

void
signal_actions_exec(struct process *p)
{
    struct signal_actions *a = p->actions;
    spin_lock(&a->lock);
    u64 ignored = a->ignored;
    for (u64 left = a->set; left != 0; left &= left - 1) {
        u32 i = (u32)__builtin_ctzll(left);
        u64 handler = ignored >> i & 1 ? SIG_HANDLER_IGNORE : SIG_HANDLER_DEFAULT;
        a->action[i] = (struct signal_action){ .handler = handler };
    }
    a->caught = 0;
    a->set = ignored;
    spin_unlock(&a->lock);
}

void
signal_action_get(struct process *p, int number, struct signal_action *out)
{
    struct signal_actions *a = p->actions;
    spin_lock(&a->lock);
    *out = a->action[number - 1];
    spin_unlock(&a->lock);
}

void
signal_sets_locked(struct process *p, u64 *ignored, u64 *caught)
{
    struct signal_actions *a = p->actions; /* gone at the end of its exit */
    *ignored = a != NULL ? a->ignored : 0;
    *caught = a != NULL ? a->caught : 0;
}

/* POSIX: a pending signal goes when its action becomes to ignore it. */
static void
drop_ignored(struct process *p, int number)
{
    u64 bit = SIG_BIT(number);
    spin_lock(&p->lock);
    if (signal_is_ignored(p, number)) {
        p->signals_queued -= queue_drop(pending_of_process(p), bit);
        list_for_each(it, &p->threads) {
            struct thread *t = container_of(it, struct thread, process_link);
            p->signals_queued -= queue_drop(pending_of_thread(t), bit);
        }
    }
    spin_unlock(&p->lock);
}

int
signal_action_set(struct process *p, int number, const struct signal_action *set,
                  struct signal_action *old)
{
    if (number < 1 || number > SIG_MAX)
        return -E_INVAL;
    if (set != NULL && (SIG_BIT(number) & SIGNALS_UNBLOCKABLE))
        return -E_INVAL;
    struct signal_actions *a = p->actions;
    spin_lock(&a->lock);
    if (old != NULL)
        *old = a->action[number - 1];
    if (set != NULL) {
        struct signal_action clean = *set;
        clean.mask &= ~SIGNALS_UNBLOCKABLE;
        clean.flags &= SA_F_ALL;
        put_action(a, number, &clean);
    }
    spin_unlock(&a->lock);
    if (set != NULL && set->handler <= SIG_HANDLER_IGNORE)
        drop_ignored(p, number);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* What the files of this room share: queues, actions, classes of signals. */
#ifndef LIBOS_SIGNAL_INTERNAL_H
#define LIBOS_SIGNAL_INTERNAL_H

#include "proc/proc.h"
#include "signal/signal.h"

/* Classes of default actions (POSIX.1-2024, signal.h). */
#define SIGNALS_STOP                                                                     \
    (SIG_BIT(SIG_STOP) | SIG_BIT(SIG_TSTP) | SIG_BIT(SIG_TTIN) | SIG_BIT(SIG_TTOU))
#define SIGNALS_IGNORED                                                                 \
    (SIG_BIT(SIG_CONT) | SIG_BIT(SIG_CHLD) | SIG_BIT(SIG_WINCH) | SIG_BIT(SIG_URG))
#define SIGNALS_UNBLOCKABLE (SIG_BIT(SIG_KILL) | SIG_BIT(SIG_STOP))
/* Taken first: they belong to the instruction that was just executed. */
#define SIGNALS_FAULT                                                                   \
    (SIG_BIT(SIG_SEGV) | SIG_BIT(SIG_BUS) | SIG_BIT(SIG_ILL) | SIG_BIT(SIG_TRAP) |      \
     SIG_BIT(SIG_FPE) | SIG_BIT(SIG_SYS))

/*
 * A queue is a ring of entries; the pointer names the last one, so that both ends are at
 * hand. A pending signal without an entry is one that the LibOS sent (or, without memory
 * for an entry, one whose sender is forgotten).
 */
struct signal_queue {
    struct signal_queue *next;
    struct signal_info info;
};
struct signal_pending_set {
    u64 *bits;
    struct signal_queue **last;
    struct signal_queue **spare; /* an entry that is kept for the next signal, or NULL */
};
/* 0; -E_AGAIN: no entry could be made for a signal that must have one. *made: entries
 * that were added. */
int queue_put(struct signal_pending_set q, int number, const struct signal_info *info,
              bool full, u32 *made) MUST_CHECK;
/* Take the first of `set`, faults first, then by number: its number, or 0. *gone: entries
 * that were removed. */
int queue_take(struct signal_pending_set q, u64 set, struct signal_info *out, u32 *gone);
u32 queue_drop(struct signal_pending_set q, u64 set); /* how many entries were removed */

struct signal_actions {
    _Atomic u32 refs;
    struct spinlock lock;
    u64 ignored; /* [lock, readable without] handler is SIG_HANDLER_IGNORE */
    u64 caught;  /* [lock, readable without] handler is a function */
    struct signal_action action[SIG_MAX];
    u64 set; /* [lock] whose action was ever set: the others are zero */
};

static inline struct signal_pending_set
pending_of_thread(struct thread *t)
{
    return (struct signal_pending_set){ &t->signal_pending, &t->signal_queue,
                                        &t->process->signal_spare };
}
/* Pending for the thread or its process. */
static inline u64
pending_bits(const struct thread *t)
{
    return t->signal_pending | t->process->signal_pending;
}
#define SIGNAL_READER_QUEUES 64u
void signal_readers_init(void);
bool signal_is_ignored(const struct process *p, int number);
static inline struct signal_pending_set
pending_of_process(struct process *p)
{
    return (struct signal_pending_set){ &p->signal_pending, &p->signal_queue,
                                        &p->signal_spare };
}

#endif

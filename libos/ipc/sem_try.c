/* SPDX-License-Identifier: MIT */
/* Operations on a set that is locked (S1), and who goes on after a change (S2, S3, S4). */
#include "core/thread.h"
#include "ipc/sem_private.h"

#define GIVE_MAX SEM_VALUE_MAX
#define GIVE_MIN (-SEM_VALUE_MAX - 1)

/* One operation: 0; 1: it has to wait; -E_RANGE. */
static int
try_one(struct sem_one *sem, const struct sem_operation *op, struct sem_undo *undo)
{
    i32 value = sem->value + op->change;
    if (op->change == 0)
        return sem->value != 0;
    if (value < 0)
        return 1;
    if (value > SEM_VALUE_MAX)
        return -E_RANGE;
    if (op->flags & SEM_UNDONE) {
        i32 give = undo->give[op->number] - op->change;
        if (give < GIVE_MIN || give > GIVE_MAX)
            return -E_RANGE;
        undo->give[op->number] = (i16)give;
    }
    sem->value = value;
    return 0;
}

int
sem_try(struct sem_set *s, struct sem_waiter *w)
{
    u32 i;
    int r = 0;
    for (i = 0; i < w->count && r == 0; i++)
        r = try_one(&s->sem[w->op[i].number], &w->op[i], w->undo);
    if (r == 0) {
        for (i = 0; i < w->count; i++)
            s->sem[w->op[i].number].pid = w->pid;
        return 0;
    }
    w->stopped = (i32)--i;
    while (i-- > 0) {
        s->sem[w->op[i].number].value -= w->op[i].change;
        if (w->op[i].change != 0 && (w->op[i].flags & SEM_UNDONE))
            w->undo->give[w->op[i].number] =
                (i16)(w->undo->give[w->op[i].number] + w->op[i].change);
    }
    return r == 1 && (w->op[w->stopped].flags & SEM_NOWAIT) ? -E_AGAIN : r;
}

/* Behind those that came to the set before it. */
void
sem_queue(struct sem_set *s, struct sem_waiter *w)
{
    struct list *head = &s->sem[w->op[w->stopped].number].waiters;
    struct list *after = head->prev;
    while (after != head &&
           container_of(after, struct sem_waiter, wait.link)->ticket > w->ticket)
        after = after->prev;
    list_add_before(after->next, &w->wait.link);
}

/* The first in a queue whose operations could be done: they are, and it still stands there.
 * On the way, who stops at another semaphore now moves to that one's queue. NULL: nobody. */
static struct sem_waiter *
next_to_go(struct sem_set *s, u32 number)
{
    struct sem_one *sem = &s->sem[number];
    list_for_each_safe(it, &sem->waiters) {
        struct sem_waiter *w = container_of(it, struct sem_waiter, wait.link);
        int r = sem_try(s, w);
        if (r == 0)
            return w;
        if (r < 0) {
            ipc_finish(&w->wait, r);
        } else if (w->op[w->stopped].number != number) {
            list_remove(&w->wait.link);
            sem_queue(s, w);
        }
    }
    return NULL;
}

/*
 * Those who went on stand in `gone` until what they changed was looked at, so that no
 * recursion is needed however long the chain is; they are told at the end.
 */
static void
settle(struct sem_set *s, struct list *gone)
{
    list_for_each(it, gone) {
        struct sem_waiter *w = container_of(it, struct sem_waiter, wait.link);
        for (u32 i = 0; i < w->count; i++) {
            struct sem_waiter *next;
            if (w->op[i].change == 0)
                continue;
            while ((next = next_to_go(s, w->op[i].number)) != NULL) {
                list_remove(&next->wait.link);
                list_push_back(gone, &next->wait.link);
            }
        }
    }
    list_for_each_safe(it, gone)
        ipc_finish(container_of(it, struct ipc_waiter, link), 0);
}

void
sem_changed(struct sem_set *s, u32 number)
{
    struct list gone = LIST_INIT(gone);
    struct sem_waiter *next;
    while ((next = next_to_go(s, number)) != NULL) {
        list_remove(&next->wait.link);
        list_push_back(&gone, &next->wait.link);
    }
    settle(s, &gone);
}

void
sem_done(struct sem_set *s, const struct sem_waiter *w)
{
    for (u32 i = 0; i < w->count; i++)
        if (w->op[i].change != 0)
            sem_changed(s, w->op[i].number);
}

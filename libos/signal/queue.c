/* SPDX-License-Identifier: MIT */
/*
 * Queues of pending signals. Standard signals (below SIG_RTMIN) are pending once at most;
 * real-time ones are queued, each number
 * first in, first out (POSIX.1-2024, 2.4.1).  The caller holds process->lock.
 */
#include "core/error.h"
#include "core/heap.h"
#include "core/string.h"
#include "signal/internal.h"
#include "signal/timer.h"

/* One entry is kept, since most signals come one at a time. */
static struct signal_queue *
new_entry(struct signal_pending_set q)
{
    struct signal_queue *e = *q.spare;
    *q.spare = NULL;
    return e != NULL ? e : heap_alloc(sizeof *e);
}

static void
free_entry(struct signal_pending_set q, struct signal_queue *e)
{
    if (*q.spare == NULL)
        *q.spare = e;
    else
        heap_free(e);
}

int
queue_put(struct signal_pending_set q, int number, const struct signal_info *info,
          bool full, u32 *made)
{
    *made = 0;
    bool timer = info != NULL && info->timer != NULL; /* J1 of signal/timer.h */
    if (number < SIG_RTMIN && (*q.bits & SIG_BIT(number)) && !timer)
        return 0;
    if (info != NULL) {
        struct signal_queue *e = full && !timer ? NULL : new_entry(q);
        if (e == NULL && timer)
            return -E_AGAIN;
        if (e == NULL && number >= SIG_RTMIN && info->code != SIGNAL_CODE_USER)
            return -E_AGAIN;
        if (e != NULL) {
            e->info = *info;
            e->info.number = number;
            if (*q.last == NULL) {
                e->next = e;
            } else {
                e->next = (*q.last)->next;
                (*q.last)->next = e;
            }
            *q.last = e;
            *made = 1;
        }
    }
    *q.bits |= SIG_BIT(number);
    return 0;
}

/* Take the entry behind `before` out of the ring. */
static struct signal_queue *
unlink_after(struct signal_pending_set q, struct signal_queue *before)
{
    struct signal_queue *e = before->next;
    if (e == before) {
        *q.last = NULL;
    } else {
        before->next = e->next;
        if (*q.last == e)
            *q.last = before;
    }
    return e;
}

int
queue_take(struct signal_pending_set q, u64 set, struct signal_info *out, u32 *gone)
{
    u64 ready = *q.bits & set;
    *gone = 0;
    if (ready == 0)
        return 0;
    if (ready & SIGNALS_FAULT)
        ready &= SIGNALS_FAULT;
    int number = __builtin_ctzll(ready) + 1;
    struct signal_queue *found = NULL;
    bool more = false;
    struct signal_queue *before = *q.last;
    for (struct signal_queue *end = before; before != NULL;) {
        struct signal_queue *e = before->next;
        if (e->info.number == number) {
            if (found != NULL) {
                more = true;
                break;
            }
            bool at_end = e == end;
            found = unlink_after(q, before);
            if (at_end || *q.last == NULL)
                break;
            continue; /* `before` has a new neighbour */
        }
        if (e == end)
            break;
        before = e;
    }
    if (!more)
        *q.bits &= ~SIG_BIT(number);
    if (found != NULL) {
        *out = found->info;
        if (out->timer != NULL)
            posix_timer_signal_gone(out);
        free_entry(q, found);
        *gone = 1;
    } else {
        memset(out, 0, sizeof *out);
        out->number = number;
        out->code = SIGNAL_CODE_KERNEL;
    }
    return number;
}

u32
queue_drop(struct signal_pending_set q, u64 set)
{
    u32 dropped = 0;
    struct signal_queue *kept = NULL;
    struct signal_queue *last = *q.last;
    if ((*q.bits & set) == 0)
        return 0;
    *q.bits &= ~set;
    if (last == NULL)
        return 0;
    struct signal_queue *e = last->next;
    last->next = NULL;
    while (e != NULL) {
        struct signal_queue *next = e->next;
        if (set & SIG_BIT(e->info.number)) {
            if (e->info.timer != NULL)
                posix_timer_signal_gone(&e->info);
            heap_free(e);
            dropped++;
        } else if (kept == NULL) {
            e->next = e;
            kept = e;
        } else {
            e->next = kept->next;
            kept->next = e;
            kept = e;
        }
        e = next;
    }
    *q.last = kept;
    return dropped;
}

/* SPDX-License-Identifier: MIT */
/* POSIX message queues: messages, waiting, notes (ipc/mq.h). */
#include "core/heap.h"
#include "core/log.h"
#include "core/thread.h"
#include "core/wait.h"
#include "ipc/mq_private.h"
#include "ipc/payer.h"

_Atomic u32 mq_count_max = 10, mq_bytes_max = 8192;
_Atomic u32 mq_count_default = 10, mq_bytes_default = 8192;
struct mq_hooks mq_hooks;

#define THREAD_NICE_SPAN 40 /* more than any nice value */
/* Of a receiver, or of a sender with its message. */
struct mq_waiter {
    struct ipc_waiter wait;
    struct mq_message *message;
};

static struct mq_message *
message_of(const struct tree_node *n)
{
    return container_of((struct tree_node *)(uintptr_t)n, struct mq_message, node);
}

/* Q3. */
static int
compare_messages(const struct tree_node *a, const struct tree_node *b)
{
    const struct mq_message *x = message_of(a), *y = message_of(b);
    if (x->priority != y->priority)
        return x->priority > y->priority ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

struct mq_message *
mq_message_new(u64 bytes)
{
    u64 all = sizeof(struct mq_message) + bytes;
    u32 payer = ipc_payer();
    if (!ipc_charge(payer, all))
        return NULL;
    struct mq_message *m = heap_alloc(all);
    if (m == NULL) {
        ipc_uncharge(payer, all);
        return NULL;
    }
    m->bytes = bytes;
    m->payer = payer;
    return m;
}

void
mq_message_free(struct mq_message *m)
{
    ipc_uncharge(m->payer, sizeof *m + m->bytes);
    heap_free(m);
}

u64
mq_message_most(const struct mq *q)
{
    return q->size.bytes;
}

/* ---- limits (Q4) ---- */

/* What is accounted for each message beside its bytes: as much as Linux says, so that a
 * limit allows the same queues. */
#define ACCOUNT_MESSAGE 48u
#define ACCOUNT_PRIORITY 48u

i64
mq_account(const struct cred *c, const struct mq_size *size)
{
    bool beyond = cred_can(c, CAP_SYS_RESOURCE);
    if (size->count == 0 || size->bytes == 0 ||
        size->count > (beyond ? MQ_COUNT_MAX : mq_count_max) ||
        size->bytes > (beyond ? MQ_BYTES_MAX : mq_bytes_max))
        return -E_INVAL;
    u64 all = size->count * (size->bytes + ACCOUNT_MESSAGE) +
              MIN(size->count, MQ_PRIORITIES) * ACCOUNT_PRIORITY;
    return payer_add_queue(c->euid, all, mq_hooks.limit()) ? (i64)all : -E_MFILE;
}

void
mq_begin(struct mq *q)
{
    tree_init(&q->messages, compare_messages);
    list_init(&q->senders);
    list_init(&q->receivers);
    waitq_init(&q->changed);
}

void
mq_end(struct mq *q)
{
    struct tree_node *n;
    ASSERT(list_empty(&q->senders) && list_empty(&q->receivers));
    while ((n = tree_first(&q->messages)) != NULL) {
        tree_remove(&q->messages, n);
        mq_message_free(message_of(n));
    }
    if (q->note.owner != NULL)
        mq_hooks.drop(q->note.owner);
    payer_drop_queue(q->payer, q->accounted);
}

/* ---- messages; with the queue's lock held ---- */

static void
insert(struct mq *q, struct mq_message *m)
{
    m->number = q->next_number++;
    (void)tree_insert(&q->messages, &m->node);
    q->count++;
    q->bytes += m->bytes;
}

static struct mq_message *
take_first(struct mq *q)
{
    struct mq_message *m = message_of(tree_first(&q->messages));
    tree_remove(&q->messages, &m->node);
    q->count--;
    q->bytes -= m->bytes;
    return m;
}

static struct mq_waiter *
first_of(struct list *waiters)
{
    return list_empty(waiters) ? NULL
                               : container_of(waiters->next, struct mq_waiter, wait.link);
}

/* Q2. True: it came into an empty queue, and *note is to be told. */
static bool
put_message(struct mq *q, struct mq_message *m, struct mq_note *note)
{
    struct mq_waiter *receiver = first_of(&q->receivers);
    if (receiver != NULL) {
        receiver->message = m;
        ipc_finish(&receiver->wait, 0);
        return false;
    }
    insert(q, m);
    if (q->count != 1 || q->note.owner == NULL)
        return false;
    *note = q->note;
    q->note.owner = NULL;
    return true;
}

static void
touch(struct mq *q)
{
    q->inode.atime = q->inode.mtime = q->inode.ctime = vfs_now();
}

/* Real-time threads before others, by their priority; others by their nice value. */
static i32
importance(const struct mq_waiter *w)
{
    const struct thread *t = w->wait.thread;
    return t->sched.priority != 0 ? THREAD_NICE_SPAN + t->sched.priority : -t->sched.nice;
}

/* Behind those that are as important. */
static int
wait_in(struct mq *q, struct list *waiters, struct mq_waiter *w,
        const struct ipc_limit *wait)
{
    struct list *after = waiters->prev;
    i32 own = importance(w);
    if (wait == NULL)
        return -E_AGAIN;
    while (after != waiters &&
           importance(container_of(after, struct mq_waiter, wait.link)) < own)
        after = after->prev;
    list_add_before(after->next, &w->wait.link);
    return ipc_wait(&q->lock, &w->wait, wait);
}

/* ---- calls ---- */

static void
wake_polls(struct mq *q)
{
    if (!wait_idle(&q->changed))
        wait_wake(&q->changed, ~0u);
}

int
mq_send(struct mq *q, struct mq_message *m, const struct ipc_limit *wait)
{
    struct mq_waiter w = { .wait.thread = thread_current(), .message = m };
    struct mq_note note;
    bool tell = false;
    int r = 0;
    spin_lock(&q->lock);
    if (q->count < q->size.count)
        tell = put_message(q, m, &note);
    else
        r = wait_in(q, &q->senders, &w, wait);
    if (r == 0)
        touch(q);
    spin_unlock(&q->lock);
    if (r == 0)
        wake_polls(q);
    if (tell) {
        mq_hooks.tell(&note);
        mq_hooks.drop(note.owner);
    }
    return r;
}

/* A receiver makes room for the first sender. */
int
mq_receive(struct mq *q, const struct ipc_limit *wait, struct mq_message **out)
{
    struct mq_waiter w = { .wait.thread = thread_current() };
    int r = 0;
    spin_lock(&q->lock);
    if (q->count != 0) {
        struct mq_waiter *sender = first_of(&q->senders);
        w.message = take_first(q);
        if (sender != NULL) {
            insert(q, sender->message);
            ipc_finish(&sender->wait, 0);
        }
    } else {
        r = wait_in(q, &q->receivers, &w, wait);
    }
    if (r == 0)
        touch(q);
    spin_unlock(&q->lock);
    if (r == 0)
        wake_polls(q);
    *out = w.message;
    return r;
}

void
mq_stat(struct mq *q, struct mq_facts *out)
{
    spin_lock(&q->lock);
    *out = (struct mq_facts){ q->size, q->count };
    spin_unlock(&q->lock);
}

u32
mq_poll(struct mq *q, struct poll_table *t)
{
    if (t != NULL)
        t->add(t, &q->changed); /* before the look */
    spin_lock(&q->lock);
    u32 ready = (q->count != 0 ? POLL_IN : 0) | (q->count < q->size.count ? POLL_OUT : 0);
    spin_unlock(&q->lock);
    return ready;
}

/* ---- notes (Q5) ---- */

int
mq_note_set(struct mq *q, const struct mq_note *note)
{
    int r = 0;
    spin_lock(&q->lock);
    if (q->note.owner != NULL)
        r = -E_BUSY;
    else
        q->note = *note;
    spin_unlock(&q->lock);
    return r;
}

void
mq_note_remove(struct mq *q)
{
    void *owner = NULL;
    spin_lock(&q->lock);
    if (q->note.owner != NULL && mq_hooks.is_mine(&q->note)) {
        owner = q->note.owner;
        q->note.owner = NULL;
    }
    spin_unlock(&q->lock);
    if (owner != NULL)
        mq_hooks.drop(owner);
}

/* The numbers are those of sigevent(3type), since programs read them. */
#define SHOWN_SIGNAL 0
#define SHOWN_SILENT 1

u32
mq_show(struct mq *q, char *to, u32 size)
{
    spin_lock(&q->lock);
    u64 bytes = q->bytes;
    struct mq_note note = q->note;
    spin_unlock(&q->lock);
    bool there = note.owner != NULL, signal = note.kind == MQ_NOTE_SIGNAL;
    u32 length = (u32)format_text(
        to, size, "QSIZE:%-10lu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n", bytes,
        there && !signal ? SHOWN_SILENT : SHOWN_SIGNAL, there && signal ? note.number : 0,
        there ? note.pid : 0);
    return MIN(length, size);
}

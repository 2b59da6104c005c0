/* SPDX-License-Identifier: MIT */
/*
 * Signal-driven I/O (fcntl(2): O_ASYNC, F_SETOWN, F_SETSIG): a file that can do it tells
 * its owner when it becomes ready; and SIGURG, which an owner is sent without O_ASYNC.
 *
 * L1. While O_ASYNC is on, waiters of the file's own stand in the queues that its `poll`
 *     names; each wake-up sends a signal. The first queue is that of what can be read.
 * L2. A file_async comes with the first call that needs one, and goes with the file.
 * Locking: `changing`, each file's own (the file's `poll` may wait for long under it),
 * guards the waiters; file_async.lock the rest. A wake-up runs under
 * the lock of the file's queue, takes file_async.lock to copy what it needs, and sends
 * without it.
 */
#include "posix/async.h"

#include "core/heap.h"
#include "posix/files.h"
#include "proc/cred.h"
#include "signal/signal.h"

#define QUEUES 2u

struct file_async {
    struct mutex changing;
    struct spinlock lock;
    struct file *file;         /* [I] */
    struct async_owner owner;  /* lock */
    u32 uid, euid;             /* lock; of who named the owner */
    i32 number, fd;            /* lock; 0: SIG_IO without information */
    bool on;                   /* changing */
    u32 used;                  /* changing */
    struct poll_table table;
    struct async_slot {
        struct waiter waiter;
        struct file_async *async;
        bool reads;
    } slot[QUEUES];
};

#define POLLIN_BAND 0x41    /* POLLIN | POLLRDNORM */
#define POLLOUT_BAND 0x104  /* POLLOUT | POLLWRNORM */
#define POLLMSG_BAND 0x441  /* POLLIN | POLLRDNORM | POLLMSG */

struct async_send {
    struct signal_info info; /* number 0: none that carries information was asked for */
    i32 plain;               /* the signal that is sent then */
    u32 uid, euid;
};

/* May who named the owner signal it? */
static bool
may_send(struct process *p, const struct async_send *s)
{
    spin_lock(&p->lock);
    const struct cred *c = p->cred;
    bool may = c != NULL && (s->euid == 0 || s->euid == c->suid || s->euid == c->uid ||
                             s->uid == c->suid || s->uid == c->uid);
    spin_unlock(&p->lock);
    return may;
}

static bool
send_one(struct process *p, void *arg)
{
    const struct async_send *s = arg;
    if (!may_send(p, s))
        return true;
    if (s->info.number != 0 && signal_queue_process(p, s->info.number, &s->info) == 0)
        return true;
    signal_send_process(p, s->plain, NULL); /* no number, or the queue is full */
    return true;
}

/* Of the process that named it; by now another's may have both numbers. */
static void
send_thread(const struct async_owner *owner, const struct async_send *s)
{
    struct process *p = proc_find(owner->tgid);
    bool may = p != NULL && may_send(p, s);
    if (p != NULL)
        proc_release(p);
    if (!may || (s->info.number != 0 &&
                 signal_send_tid(owner->tgid, owner->id, s->info.number, &s->info, NULL) == 0))
        return;
    struct signal_info info = { .number = s->plain, .code = SIGNAL_CODE_KERNEL };
    int error = signal_send_tid(owner->tgid, owner->id, s->plain, &info, NULL);
    (void)error; /* it has gone */
}

/* s->uid and euid are filled in here. */
static void
send_owner(struct file_async *a, struct async_send *s)
{
    spin_lock(&a->lock);
    struct async_owner owner = a->owner;
    s->uid = a->uid;
    s->euid = a->euid;
    spin_unlock(&a->lock);
    if (owner.id == 0)
        return;
    if (owner.kind == ASYNC_GROUP) {
        proc_each_in_group(owner.id, send_one, s);
        return;
    }
    if (owner.kind == ASYNC_THREAD) {
        send_thread(&owner, s);
        return;
    }
    struct process *p = proc_find(owner.id);
    if (p == NULL)
        return;
    (void)send_one(p, s);
    proc_release(p);
}

/* The queue's lock is held. */
static bool
async_wake(struct waiter *w)
{
    struct async_slot *slot = container_of(w, struct async_slot, waiter);
    struct file_async *a = slot->async;
    struct async_send s = {
        .plain = SIG_IO,
        .info = { .code = slot->reads ? SIGNAL_POLL_IN : SIGNAL_POLL_OUT,
                  .value = slot->reads ? POLLIN_BAND : POLLOUT_BAND },
    };
    spin_lock(&a->lock);
    s.info.number = a->number;
    s.info.status = a->fd;
    spin_unlock(&a->lock);
    send_owner(a, &s);
    return true;
}

void
async_urgent(struct file *f)
{
    struct file_async *a = __atomic_load_n(&f->async, __ATOMIC_ACQUIRE);
    struct async_send s = { .plain = SIG_URG };
    if (a != NULL)
        send_owner(a, &s);
}

static void
slot_add(struct poll_table *t, struct waitq *q)
{
    struct file_async *a = container_of(t, struct file_async, table);
    if (a->used == QUEUES)
        return;
    struct async_slot *s = &a->slot[a->used];
    *s = (struct async_slot){ .async = a,
                              .reads = a->used == 0 && (a->file->flags & OPEN_READ) };
    s->waiter.wake = async_wake;
    a->used++;
    wait_add(q, &s->waiter);
}

static void
turn_off(struct file_async *a)
{
    for (u32 i = 0; i < a->used; i++)
        wait_remove(&a->slot[i].waiter);
    a->used = 0;
    a->on = false;
}

static void
async_file_gone(struct file *f, const struct fdtable *closing)
{
    dnotify_forget(f, closing);
    if (closing != NULL)
        return;
    mutex_lock(&f->async->changing);
    turn_off(f->async);
    mutex_unlock(&f->async->changing);
    heap_free(f->async);
    f->async = NULL;
}

/* L2. */
static struct file_async *
async_of(struct file *f)
{
    struct file_async *a = __atomic_load_n(&f->async, __ATOMIC_ACQUIRE);
    if (a != NULL)
        return a;
    a = heap_alloc_zeroed(sizeof *a);
    if (a == NULL)
        return NULL;
    mutex_init(&a->changing);
    a->file = f;
    a->table.add = slot_add;
    struct file_async *there = NULL;
    file_async_hook = async_file_gone;
    if (__atomic_compare_exchange_n(&f->async, &there, a, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return a;
    heap_free(a);
    return there;
}

int
async_turn(struct file *f, int fd, bool on)
{
    if ((f->ops->traits & FILE_ASYNC) == 0 || f->ops->poll == NULL)
        return 0;
    if (!on && f->async == NULL)
        return 0;
    struct file_async *a = async_of(f);
    if (a == NULL)
        return -E_NOMEM;
    mutex_lock(&a->changing);
    if (on && !a->on) {
        a->on = true;
        spin_lock(&a->lock);
        a->fd = fd;
        spin_unlock(&a->lock);
        (void)f->ops->poll(f, &a->table);
    } else if (!on && a->on) {
        turn_off(a);
    }
    mutex_unlock(&a->changing);
    return 0;
}

int
async_set_owner(struct file *f, const struct async_owner *owner)
{
    struct file_async *a = async_of(f);
    struct process *self = proc_current();
    const struct cred *c = cred_own();
    if (a == NULL)
        return -E_NOMEM;
    if (owner->kind == ASYNC_THREAD &&
        signal_send_tid(self->pid, owner->id, 0, NULL, NULL) != 0)
        return -E_SRCH;
    spin_lock(&a->lock);
    a->owner = *owner;
    a->owner.tgid = self->pid;
    a->uid = c->uid;
    a->euid = c->euid;
    spin_unlock(&a->lock);
    return 0;
}

void
async_get_owner(struct file *f, struct async_owner *out)
{
    struct file_async *a = __atomic_load_n(&f->async, __ATOMIC_ACQUIRE);
    *out = (struct async_owner){ .kind = ASYNC_PROCESS };
    if (a == NULL)
        return;
    spin_lock(&a->lock);
    *out = a->owner;
    spin_unlock(&a->lock);
}

int
async_own(struct file *f)
{
    struct async_owner owner;
    async_get_owner(f, &owner);
    if (owner.id != 0)
        return 0;
    owner = (struct async_owner){ .kind = ASYNC_PROCESS, .id = proc_current()->pid };
    return async_set_owner(f, &owner);
}

void
async_message(struct file *f, i32 fd)
{
    struct file_async *a = __atomic_load_n(&f->async, __ATOMIC_ACQUIRE);
    struct async_send s = {
        .plain = SIG_IO,
        .info = { .code = SIGNAL_POLL_MESSAGE, .value = POLLMSG_BAND, .status = fd },
    };
    if (a == NULL)
        return;
    spin_lock(&a->lock);
    s.info.number = a->number;
    spin_unlock(&a->lock);
    send_owner(a, &s);
}

int
async_set_signal(struct file *f, u64 number)
{
    struct file_async *a;
    if (number > SIG_MAX)
        return -E_INVAL;
    a = async_of(f);
    if (a == NULL)
        return -E_NOMEM;
    spin_lock(&a->lock);
    a->number = (i32)number;
    spin_unlock(&a->lock);
    return 0;
}

i32
async_get_signal(struct file *f)
{
    struct file_async *a = __atomic_load_n(&f->async, __ATOMIC_ACQUIRE);
    return a != NULL ? a->number : 0;
}

/* SPDX-License-Identifier: MIT */
/* System V semaphores: the calls (ipc/sem.h). */
#include "ipc/sem.h"

#include "core/clock.h"
#include "core/heap.h"
#include "core/thread.h"
#include "ipc/sem_private.h"

u32 sem_all_count; /* sem_table.making is held to add; semaphores of all sets */

static struct sem_set *
set_of(struct ipc_object *o)
{
    return container_of(o, struct sem_set, object);
}

static u64
set_bytes(u32 count)
{
    return sizeof(struct sem_set) + count * sizeof(struct sem_one);
}

static void
free_set(struct ipc_object *o)
{
    ipc_uncharge(set_of(o)->payer, set_bytes(set_of(o)->count));
    heap_free(set_of(o));
}

static i64 make_set(const struct cred *c, const struct ipc_wanted *wanted);

static u64
size_of(const struct ipc_object *o)
{
    return container_of((struct ipc_object *)(uintptr_t)o, struct sem_set, object)->count;
}

struct ipc_table sem_table = IPC_TABLE_INIT(sem_table, free_set, make_set, size_of);

static struct sem_set *
new_set(u32 count, u32 payer)
{
    struct sem_set *s = ipc_alloc(payer, set_bytes(count));
    if (s == NULL)
        return NULL;
    s->payer = payer;
    s->count = count;
    s->changed_ns = clock_real_ns();
    list_init(&s->undos);
    for (u32 i = 0; i < count; i++)
        list_init(&s->sem[i].waiters);
    return s;
}

static i64
make_set(const struct cred *c, const struct ipc_wanted *wanted)
{
    u32 count = (u32)wanted->size;
    if (wanted->size == 0)
        return -E_INVAL;
    if (count > SEM_ALL_MAX - __atomic_load_n(&sem_all_count, __ATOMIC_RELAXED))
        return -E_NOSPC;
    struct sem_set *s = new_set(count, c->euid);
    if (s == NULL)
        return -E_NOMEM;
    __atomic_fetch_add(&sem_all_count, count, __ATOMIC_RELAXED);
    i64 id = ipc_publish(&sem_table, &s->object, wanted->key, wanted->mode, c,
                         SEM_SETS_MAX);
    if (id < 0) {
        __atomic_fetch_sub(&sem_all_count, count, __ATOMIC_RELAXED);
        free_set(&s->object);
    }
    return id;
}

i64
sem_get(const struct cred *c, const struct ipc_wanted *wanted)
{
    return wanted->size > SEM_SET_MAX ? -E_INVAL : ipc_get(&sem_table, c, wanted);
}

/* What can be told without looking at values. */
static int
check_operations(const struct sem_set *s, const struct sem_who *who,
                 const struct sem_operation *op, u32 count, bool *undone)
{
    bool changes = false;
    *undone = false;
    for (u32 i = 0; i < count; i++) {
        if (op[i].number >= s->count)
            return -E_FBIG;
        changes = changes || op[i].change != 0;
        *undone = *undone || ((op[i].flags & SEM_UNDONE) != 0 && op[i].change != 0);
    }
    return ipc_access(&s->object, who->cred, changes ? IPC_WRITE : IPC_READ);
}

static int
operate_locked(struct sem_set *s, struct sem_waiter *w, u64 deadline_ns)
{
    if (s->object.removed)
        return -E_IDRM;
    w->ticket = s->tickets++;
    int r = sem_try(s, w);
    if (r == 0)
        sem_done(s, w);
    if (r == 1) {
        struct ipc_limit limit = { false, deadline_ns };
        sem_queue(s, w);
        r = ipc_wait(&s->object.lock, &w->wait, &limit);
        if (r == -E_TIMEDOUT)
            r = -E_AGAIN;
    }
    if (r == 0)
        s->operated_ns = clock_real_ns();
    return r;
}

int
sem_operate(const struct sem_who *who, i32 id, const struct sem_operation *op, u32 count,
            u64 deadline_ns)
{
    struct sem_waiter w = { .wait.thread = thread_current(), .op = op, .count = count,
                            .pid = who->pid };
    bool undone;
    if (count == 0)
        return -E_INVAL;
    if (count > SEM_OPERATIONS_MAX)
        return -E_2BIG;
    struct ipc_object *o = ipc_find(&sem_table, id);
    if (o == NULL)
        return -E_INVAL;
    struct sem_set *s = set_of(o);
    spin_lock(&o->lock);
    int r = check_operations(s, who, op, count, &undone);
    spin_unlock(&o->lock);
    if (r == 0 && undone)
        r = sem_undo_find(who->undo, s, &w.undo);
    if (r == 0) {
        spin_lock(&o->lock);
        r = operate_locked(s, &w, deadline_ns);
        spin_unlock(&o->lock);
    }
    ipc_put(&sem_table, o);
    return r;
}

static void
remove_locked(struct sem_set *s, struct list *undos)
{
    ipc_withdraw(&sem_table, &s->object);
    list_move_all(undos, &s->undos);
    for (u32 i = 0; i < s->count; i++)
        list_for_each_safe(it, &s->sem[i].waiters)
            ipc_finish(container_of(it, struct ipc_waiter, link), -E_IDRM);
    __atomic_fetch_sub(&sem_all_count, s->count, __ATOMIC_RELAXED);
}

int
sem_remove(const struct cred *c, i32 id)
{
    struct list undos = LIST_INIT(undos);
    struct ipc_object *o;
    int r = ipc_own(&sem_table, id, c, &o);
    if (r != 0)
        return r;
    remove_locked(set_of(o), &undos);
    ipc_leave(&sem_table, o);
    sem_undo_drop(&undos);
    ipc_put(&sem_table, o); /* the table's */
    return 0;
}

int
sem_set_value(const struct sem_who *who, i32 id, u32 number, i32 value)
{
    if (value < 0 || value > SEM_VALUE_MAX)
        return -E_RANGE;
    struct ipc_object *o = ipc_find(&sem_table, id);
    if (o == NULL)
        return -E_INVAL;
    struct sem_set *s = set_of(o);
    spin_lock(&o->lock);
    int r = o->removed           ? -E_IDRM
            : number >= s->count ? -E_INVAL
                                 : ipc_access(o, who->cred, IPC_WRITE);
    if (r == 0) {
        list_for_each(it, &s->undos)
            container_of(it, struct sem_undo, link)->give[number] = 0;
        s->sem[number].value = value;
        s->sem[number].pid = who->pid;
        s->changed_ns = clock_real_ns();
        sem_changed(s, number);
    }
    spin_unlock(&o->lock);
    ipc_put(&sem_table, o);
    return r;
}

/* How many wait for the value to be 0, or to be more. */
static i64
count_waiters(const struct sem_one *sem, bool zero)
{
    i64 n = 0;
    list_for_each(it, (struct list *)(uintptr_t)&sem->waiters) {
        const struct sem_waiter *w = container_of(it, struct sem_waiter, wait.link);
        n += (w->op[w->stopped].change == 0) == zero;
    }
    return n;
}

i64
sem_ask(const struct cred *c, i32 id, u32 number, enum sem_question what)
{
    struct ipc_object *o = ipc_find(&sem_table, id);
    if (o == NULL)
        return -E_INVAL;
    struct sem_set *s = set_of(o);
    spin_lock(&o->lock);
    i64 r = o->removed           ? -E_IDRM
            : number >= s->count ? -E_INVAL
                                 : ipc_access(o, c, IPC_READ);
    if (r == 0 && what == SEM_VALUE)
        r = s->sem[number].value;
    else if (r == 0 && what == SEM_PID)
        r = s->sem[number].pid;
    else if (r == 0)
        r = count_waiters(&s->sem[number], what == SEM_WAIT_ZERO);
    spin_unlock(&o->lock);
    ipc_put(&sem_table, o);
    return r;
}

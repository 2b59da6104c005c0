/* SPDX-License-Identifier: MIT */
/* System V semaphores: what semctl asks for and sets (ipc/sem.h). */
#include "core/clock.h"
#include "ipc/sem_private.h"

static struct sem_set *
set_of(struct ipc_object *o)
{
    return container_of(o, struct sem_set, object);
}

int
sem_stat(const struct cred *c, struct ipc_which which, struct sem_facts *out)
{
    struct ipc_object *o;
    int r = ipc_look(&sem_table, which, c, &o);
    if (r != 0)
        return r;
    const struct sem_set *s = set_of(o);
    ipc_tell(o, &out->ipc);
    out->operated_ns = s->operated_ns;
    out->changed_ns = s->changed_ns;
    out->count = s->count;
    ipc_leave(&sem_table, o);
    return 0;
}

int
sem_change(const struct cred *c, i32 id, u32 uid, u32 gid, u32 mode)
{
    struct ipc_object *o;
    int r = ipc_own(&sem_table, id, c, &o);
    if (r != 0)
        return r;
    ipc_give(o, uid, gid, mode);
    set_of(o)->changed_ns = clock_real_ns();
    ipc_leave(&sem_table, o);
    return 0;
}

int
sem_get_all(const struct cred *c, i32 id, u16 *values, u32 count)
{
    struct ipc_object *o;
    int r = ipc_look(&sem_table, (struct ipc_which){ false, id }, c, &o);
    if (r != 0)
        return r;
    const struct sem_set *s = set_of(o);
    r = s->count == count ? 0 : -E_IDRM;
    for (u32 i = 0; i < s->count && r == 0; i++)
        values[i] = (u16)s->sem[i].value;
    ipc_leave(&sem_table, o);
    return r;
}

static void
set_all_locked(struct sem_set *s, const u16 *values, i32 pid)
{
    for (u32 i = 0; i < s->count; i++) {
        s->sem[i].value = values[i];
        s->sem[i].pid = pid;
    }
    list_for_each(it, &s->undos) {
        struct sem_undo *u = container_of(it, struct sem_undo, link);
        for (u32 i = 0; i < s->count; i++)
            u->give[i] = 0;
    }
    s->changed_ns = clock_real_ns();
    for (u32 i = 0; i < s->count; i++)
        sem_changed(s, i);
}

int
sem_set_all(const struct sem_who *who, i32 id, const u16 *values, u32 count)
{
    struct ipc_object *o;
    int r = ipc_look(&sem_table, (struct ipc_which){ false, id }, NULL, &o);
    if (r != 0)
        return r;
    struct sem_set *s = set_of(o);
    r = ipc_access(o, who->cred, IPC_WRITE);
    if (r == 0 && s->count != count)
        r = -E_IDRM;
    for (u32 i = 0; i < s->count && r == 0; i++)
        r = values[i] > SEM_VALUE_MAX ? -E_RANGE : 0;
    if (r == 0)
        set_all_locked(s, values, who->pid);
    ipc_leave(&sem_table, o);
    return r;
}

void
sem_count(struct sem_counts *out)
{
    out->sets = __atomic_load_n(&sem_table.used, __ATOMIC_RELAXED);
    out->semaphores = __atomic_load_n(&sem_all_count, __ATOMIC_RELAXED);
    out->highest = ipc_highest(&sem_table);
}

i64
sem_next(u32 from)
{
    return ipc_next_index(&sem_table, from);
}

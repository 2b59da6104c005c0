/* SPDX-License-Identifier: MIT */
/* semget(2), semop(2), semctl(2). */
#include "core/heap.h"
#include "ipc/sem.h"
#include "posix/sysv.h"
#include "vfs/vfs.h"

#define SEM_UNDO_FLAG 0x1000
#define GETPID 11
#define GETVAL 12
#define GETALL 13
#define GETNCNT 14
#define GETZCNT 15
#define SETVAL 16
#define SETALL 17
#define SEM_STAT_COMMAND 18
#define SEM_INFO_COMMAND 19
#define SEM_STAT_ANY 20

struct linux_sembuf {
    u16 number;
    i16 change, flags;
};
struct linux_semid {
    struct linux_ipc_perm perm;
    i64 operated, unused_one, changed, unused_two;
    u64 count, unused[2];
};
_Static_assert(sizeof(struct linux_semid) == 104, "struct semid64_ds");
struct linux_seminfo {
    i32 map, sets, all, undos, per_set, operations, undo_entries, undo_size, value,
        adjust;
};

long
sys_semget(struct user_frame *f)
{
    i32 count = (i32)SYS_ARG1(f);
    if (count < 0)
        return -E_INVAL;
    struct ipc_wanted wanted = sysv_wanted(SYS_ARG0(f), (u32)count, (u32)SYS_ARG2(f));
    return sem_get(vfs_current_cred(), &wanted);
}

static int
read_operations(uaddr at, u32 count, struct sem_operation *op, bool *undo)
{
    *undo = false;
    for (u32 i = 0; i < count; i++) {
        struct linux_sembuf b;
        if (copy_from_user(&b, at + i * sizeof b, sizeof b) != 0)
            return -E_FAULT;
        op[i].number = b.number;
        op[i].change = b.change;
        op[i].flags = ((b.flags & (i16)LINUX_IPC_NOWAIT) != 0 ? SEM_NOWAIT : 0) |
                      ((b.flags & SEM_UNDO_FLAG) != 0 ? SEM_UNDONE : 0);
        *undo = *undo || (b.flags & SEM_UNDO_FLAG) != 0;
    }
    return 0;
}

#define FEW 4u /* operations that need no memory of their own */

static i64
operate(i32 id, uaddr at, u64 count, u64 deadline_ns)
{
    struct process *p = proc_current();
    struct sem_operation few[FEW], *op = few;
    struct sem_who who = { vfs_current_cred(), p->pid, NULL };
    bool undo;
    if (count == 0 || id < 0)
        return -E_INVAL;
    if (count > SEM_OPERATIONS_MAX)
        return -E_2BIG;
    if (count > FEW && (op = heap_alloc(count * sizeof *op)) == NULL)
        return -E_NOMEM;
    int r = read_operations(at, (u32)count, op, &undo);
    if (r == 0 && undo && (who.undo = sem_undo_group_of(&thread_current()->sem_undo)) == NULL)
        r = -E_NOMEM;
    if (r == 0)
        r = sem_operate(&who, id, op, (u32)count, deadline_ns);
    if (op != few)
        heap_free(op);
    return r;
}

long
sys_semop(struct user_frame *f)
{
    return operate((i32)SYS_ARG0(f), SYS_ARG1(f), (u32)SYS_ARG2(f), ~0ull);
}

long
sys_semtimedop(struct user_frame *f)
{
    u64 ns = 0;
    int r = SYS_ARG3(f) != 0 ? timespec_from_user(SYS_ARG3(f), &ns) : 0;
    if (r != 0)
        return r;
    return operate((i32)SYS_ARG0(f), SYS_ARG1(f), (u32)SYS_ARG2(f),
                   SYS_ARG3(f) != 0 ? deadline_after(ns) : ~0ull);
}

static i64
stat_set(struct ipc_which which, bool anybody, uaddr to)
{
    struct sem_facts s;
    int r = sem_stat(anybody ? NULL : vfs_current_cred(), which, &s);
    if (r != 0)
        return r;
    struct linux_semid out = { .perm = sysv_perm(&s.ipc),
                               .operated = sysv_seconds(s.operated_ns),
                               .changed = sysv_seconds(s.changed_ns),
                               .count = s.count };
    return copy_to_user(to, &out, sizeof out) != 0 ? -E_FAULT
                                                   : sysv_stat_result(which, &s.ipc);
}

static i64
tell_info(bool used, uaddr to)
{
    struct sem_counts c;
    sem_count(&c);
    struct linux_seminfo out = {
        .map = SEM_ALL_MAX, .sets = SEM_SETS_MAX, .all = SEM_ALL_MAX,
        .undos = SEM_ALL_MAX, .per_set = SEM_SET_MAX,
        .operations = SEM_OPERATIONS_MAX, .undo_entries = SEM_OPERATIONS_MAX,
        .undo_size = used ? (i32)c.sets : 20, .value = SEM_VALUE_MAX,
        .adjust = used ? (i32)c.semaphores : SEM_VALUE_MAX,
    };
    return copy_to_user(to, &out, sizeof out) != 0 ? -E_FAULT : (i64)c.highest;
}

/* GETALL and SETALL. */
static i64
all_values(i32 id, bool set, uaddr at)
{
    struct sem_who who = { vfs_current_cred(), proc_current()->pid, NULL };
    struct ipc_which which = { false, id };
    struct sem_facts s;
    i64 r = sem_stat(NULL, which, &s);
    if (r != 0)
        return r;
    u16 *values = heap_alloc(s.count * sizeof *values);
    if (values == NULL)
        return -E_NOMEM;
    if (set) {
        r = copy_from_user(values, at, s.count * sizeof *values);
        r = r != 0 ? r : sem_set_all(&who, id, values, s.count);
    } else {
        r = sem_get_all(who.cred, id, values, s.count);
        r = r != 0 ? r : copy_to_user(at, values, s.count * sizeof *values);
    }
    heap_free(values);
    return r;
}

static i64
change_set(i32 id, uaddr at)
{
    struct linux_semid in;
    if (copy_from_user(&in, at, sizeof in) != 0)
        return -E_FAULT;
    int r = sysv_check_owner(&in.perm);
    return r != 0 ? r
                  : sem_change(vfs_current_cred(), id, in.perm.uid, in.perm.gid,
                               in.perm.mode);
}

static i64
set_value(i32 id, i32 number, i32 value)
{
    struct sem_who who = { vfs_current_cred(), proc_current()->pid, NULL };
    return sem_set_value(&who, id, (u32)number, value);
}

long
sys_semctl(struct user_frame *f)
{
    i32 id = (i32)SYS_ARG0(f), number = (i32)SYS_ARG1(f), command = (i32)SYS_ARG2(f);
    uaddr arg = SYS_ARG3(f);
    const struct cred *c = vfs_current_cred();
    if (id < 0)
        return -E_INVAL;
    switch (command) {
    case LINUX_IPC_RMID:
        return sem_remove(c, id);
    case LINUX_IPC_SET:
        return change_set(id, arg);
    case LINUX_IPC_STAT:
        return stat_set((struct ipc_which){ false, id }, false, arg);
    case SEM_STAT_COMMAND:
    case SEM_STAT_ANY:
        return stat_set((struct ipc_which){ true, id }, command == SEM_STAT_ANY, arg);
    case LINUX_IPC_INFO:
    case SEM_INFO_COMMAND:
        return tell_info(command == SEM_INFO_COMMAND, arg);
    case GETALL:
    case SETALL:
        return all_values(id, command == SETALL, arg);
    case SETVAL:
        return set_value(id, number, (i32)arg);
    case GETVAL:
        return sem_ask(c, id, (u32)number, SEM_VALUE);
    case GETPID:
        return sem_ask(c, id, (u32)number, SEM_PID);
    case GETNCNT:
        return sem_ask(c, id, (u32)number, SEM_WAIT_MORE);
    case GETZCNT:
        return sem_ask(c, id, (u32)number, SEM_WAIT_ZERO);
    default:
        return -E_INVAL;
    }
}

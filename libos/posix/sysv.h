/* SPDX-License-Identifier: MIT */
/* What the System V calls share (svipc(7)): Linux's numbers and struct ipc64_perm. */
#ifndef LIBOS_POSIX_SYSV_H
#define LIBOS_POSIX_SYSV_H

#include "core/clock.h"
#include "ipc/ipc.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/proc.h"

#define LINUX_IPC_CREAT 01000u
#define LINUX_IPC_EXCL 02000u
#define LINUX_IPC_NOWAIT 04000u
#define LINUX_IPC_RMID 0
#define LINUX_IPC_SET 1
#define LINUX_IPC_STAT 2
#define LINUX_IPC_INFO 3

struct linux_ipc_perm {
    i32 key;
    u32 uid, gid, cuid, cgid, mode;
    u16 sequence, pad;
    u32 pad_two;
    u64 unused[2];
};
_Static_assert(sizeof(struct linux_ipc_perm) == 48, "struct ipc64_perm");

/* What get was asked for. */
static inline struct ipc_wanted
sysv_wanted(u64 key, u64 size, u32 flags)
{
    return (struct ipc_wanted){ .key = (i32)key,
                                .size = size,
                                .create = (flags & LINUX_IPC_CREAT) != 0,
                                .exclusive = (flags & LINUX_IPC_EXCL) != 0,
                                .mode = flags & IPC_MODE };
}
static inline struct linux_ipc_perm
sysv_perm(const struct ipc_facts *f)
{
    return (struct linux_ipc_perm){ .key = f->key, .uid = f->perm.uid, .gid = f->perm.gid,
                                    .cuid = f->perm.cuid, .cgid = f->perm.cgid,
                                    .mode = f->perm.mode, .sequence = (u16)f->sequence };
}
static inline i64
sysv_seconds(u64 ns)
{
    return (i64)(ns / 1000000000u);
}
/* What STAT gives: the id if it was found by its index. */
static inline i64
sysv_stat_result(struct ipc_which which, const struct ipc_facts *f)
{
    return which.by_index ? f->id : 0;
}
/* What IPC_SET may say of the owner: -E_INVAL. */
static inline int
sysv_check_owner(const struct linux_ipc_perm *p)
{
    return p->uid == ~0u || p->gid == ~0u ? -E_INVAL : 0;
}

#endif

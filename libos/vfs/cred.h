/* SPDX-License-Identifier: MIT */
/*
 * Who asks: the ids and capabilities that access checks look at. The rules by which they
 * change are proc/cred.h's; a set never changes once a process has it.
 *
 * The names and numbers of the capabilities are those of capabilities(7), since sets of
 * them are visible to programs as masks.
 */
#ifndef LIBOS_VFS_CRED_H
#define LIBOS_VFS_CRED_H

#include "core/types.h"

enum capability {
    CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_KILL,
    CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_LINUX_IMMUTABLE, CAP_NET_BIND_SERVICE,
    CAP_NET_BROADCAST, CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK, CAP_IPC_OWNER,
    CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_CHROOT, CAP_SYS_PTRACE, CAP_SYS_PACCT,
    CAP_SYS_ADMIN, CAP_SYS_BOOT, CAP_SYS_NICE, CAP_SYS_RESOURCE, CAP_SYS_TIME,
    CAP_SYS_TTY_CONFIG, CAP_MKNOD, CAP_LEASE, CAP_AUDIT_WRITE, CAP_AUDIT_CONTROL,
    CAP_SETFCAP, CAP_MAC_OVERRIDE, CAP_MAC_ADMIN, CAP_SYSLOG, CAP_WAKE_ALARM,
    CAP_BLOCK_SUSPEND, CAP_AUDIT_READ, CAP_PERFMON, CAP_BPF, CAP_CHECKPOINT_RESTORE,
    CAPABILITIES
};
#define CAP_BIT(c) (1ull << (c))
#define CAPS_ALL (CAP_BIT(CAPABILITIES) - 1)

/* Supplementary groups: sorted, so that a check costs the logarithm of their number. */
#define CRED_GROUPS_MAX 65536u
struct cred_groups {
    u32 refs; /* proc's */
    u32 count;
    u32 id[];
};
struct cred {
    u32 refs;              /* proc's */
    u32 uid, euid, suid, fsuid, gid, egid, sgid, fsgid;
    u32 securebits;
    u64 permitted, effective, inheritable, bounding, ambient;
    struct cred_groups *groups; /* NULL: none */
};
static inline bool
cred_can(const struct cred *c, enum capability cap)
{
    return (c->effective >> cap & 1) != 0;
}

/* Is it the group for file access, or a supplementary one? */
bool cred_in_group(const struct cred *c, u32 gid);

#endif

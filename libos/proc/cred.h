/* SPDX-License-Identifier: MIT */
/*
 * Ids of processes. A struct cred never changes once a process has it: a change makes a
 * new one (so threads that read see a consistent set). Root (effective uid 0) has every
 * privilege; there are no separate capabilities yet.
 */
#ifndef LIBOS_PROC_CRED_H
#define LIBOS_PROC_CRED_H

#include "vfs/vfs.h"

#define CRED_GROUPS_MAX 32u

struct process;
struct cred *cred_new(void);                        /* root; NULL: no memory */
struct cred *cred_copy(const struct cred *from);
void cred_hold(struct cred *c);
void cred_release(struct cred *c);
static inline bool cred_is_root(const struct cred *c) { return c->euid == 0; }

/* POSIX and Linux rules for changing ids; CRED_KEEP leaves one as it is. -E_PERM -E_NOMEM
 * -E_INVAL */
#define CRED_KEEP (~0u)
int cred_set_uid(struct process *p, u32 uid) MUST_CHECK;
int cred_set_gid(struct process *p, u32 gid) MUST_CHECK;
int cred_set_reuid(struct process *p, u32 ruid, u32 euid) MUST_CHECK;
int cred_set_regid(struct process *p, u32 rgid, u32 egid) MUST_CHECK;
int cred_set_resuid(struct process *p, u32 ruid, u32 euid, u32 suid) MUST_CHECK;
int cred_set_resgid(struct process *p, u32 rgid, u32 egid, u32 sgid) MUST_CHECK;
u32 cred_set_fsuid(struct process *p, u32 uid);     /* the old one, changed or not */
u32 cred_set_fsgid(struct process *p, u32 gid);
int cred_set_groups(struct process *p, const u32 *groups, u32 count) MUST_CHECK;
/* exec of a file with set-id bits: the ids it will run with. */
struct cred *cred_for_exec(const struct cred *from, const struct inode *program,
                           bool honour);
/* May `by` send a signal to p?  0 or -E_PERM. */
int cred_may_signal(const struct process *by, const struct process *p,
                    int number) MUST_CHECK;

#endif

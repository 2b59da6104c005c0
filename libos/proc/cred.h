/* SPDX-License-Identifier: MIT */
/*
 * Ids and capabilities of threads: how they change. A struct cred (vfs/cred.h) never
 * changes once a thread has it: a change makes a new one. Who may what is asked by capability (cred_can), never by uid 0.
 *
 * The calling thread changes its own set, and nobody else's: a C library makes a call of
 * POSIX one of all threads.
 */
#ifndef LIBOS_PROC_CRED_H
#define LIBOS_PROC_CRED_H

#include "vfs/vfs.h"

/* securebits; the bit above each locks it */
#define SECURE_NOROOT 0x1u
#define SECURE_NO_SETUID_FIXUP 0x4u
#define SECURE_KEEP_CAPS 0x10u
#define SECURE_NO_AMBIENT_RAISE 0x40u
#define SECURE_BITS 0x55u
#define SECURE_LOCKS 0xaau

struct process;
struct cred *cred_new(void);                        /* root; NULL: no memory */
struct cred *cred_copy(const struct cred *from);
void cred_hold(struct cred *c);
void cred_release(struct cred *c);

/* POSIX and Linux rules for changing ids; CRED_KEEP leaves one as it is. -E_PERM -E_NOMEM
 * -E_INVAL */
#define CRED_KEEP (~0u)
int cred_set_uid(u32 uid) MUST_CHECK;
int cred_set_gid(u32 gid) MUST_CHECK;
int cred_set_reuid(u32 ruid, u32 euid) MUST_CHECK;
int cred_set_regid(u32 rgid, u32 egid) MUST_CHECK;
int cred_set_resuid(u32 ruid, u32 euid, u32 suid) MUST_CHECK;
int cred_set_resgid(u32 rgid, u32 egid, u32 sgid) MUST_CHECK;
u32 cred_set_fsuid(u32 uid);     /* the old one, changed or not */
u32 cred_set_fsgid(u32 gid);
/* Room for `count` ids, to be filled in; NULL: no memory. */
struct cred_groups *cred_groups_new(u32 count);
void cred_groups_hold(struct cred_groups *g);
void cred_groups_release(struct cred_groups *g); /* NULL is fine */
/* Takes the caller's reference, also on failure; NULL: no groups. -E_PERM -E_NOMEM */
int cred_set_groups(struct cred_groups *groups) MUST_CHECK;

/* capset: -E_PERM by the rules of capabilities(7), "Programmatically adjusting". */
int cred_set_caps(u64 effective, u64 permitted,
                  u64 inheritable) MUST_CHECK;
/* Never to have it again by exec. -E_PERM */
int cred_drop_bounding(enum capability cap) MUST_CHECK;
int cred_set_securebits(u32 bits) MUST_CHECK; /* -E_PERM */
int cred_keep_caps(bool keep) MUST_CHECK;     /* -E_PERM: locked */
int cred_raise_ambient(enum capability cap) MUST_CHECK; /* -E_PERM */
int cred_lower_ambient(u64 caps) MUST_CHECK;

/* The set that a program will run with. honour: its set-id bits count; may_gain: it may
 * have capabilities that `from` has not. *secure: it gets rights
 * that its caller has not, who shall not shape it (AT_SECURE).  -E_NOMEM; -E_PERM: its
 * file says that it needs capabilities that are out of bounds. */
struct file_rights;
int cred_for_exec(const struct cred *from, const struct file_rights *program, bool honour,
                  bool may_gain, struct cred **out, bool *secure) MUST_CHECK;
/* For this room: the calling thread's set from now on; takes the reference. */
void cred_install(struct cred *fresh);
/* The set of a thread of p, NULL: of p itself; p->lock is held. NULL: it has none any more. */
const struct cred *cred_of_locked(const struct process *p, const struct thread *t);
/* May the calling thread send a signal to t of p (NULL: to p)?  0 or -E_PERM; the first takes
 * p->lock, the second is called with it. */
int cred_may_signal(struct process *p, int number) MUST_CHECK;
bool cred_may_signal_locked(const struct process *p, const struct thread *t,
                            int number) MUST_CHECK;

/* May the calling thread look into p, or its thread t (ptrace(2), "Ptrace access mode checking"), by its
 * file-system ids or by its real ones, which is for who also changes it?  Takes p->lock. */
bool cred_may_inspect(struct process *p, bool by_real_ids) MUST_CHECK;
bool cred_may_inspect_locked(const struct process *p, const struct thread *t,
                             bool by_real_ids) MUST_CHECK;

#endif

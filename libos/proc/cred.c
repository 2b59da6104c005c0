/* SPDX-License-Identifier: MIT */
/*
 * Ids of processes: the rules of POSIX.1-2024 (setuid, setreuid, setregid ...) and of
 * Linux's setresuid, setfsuid.
 *
 * C1. A set does not change once a process has it.
 * C2. Reading one's own ids takes no lock: while a process has several threads, a set
 *     that is replaced is kept by its successor (`previous`), and goes with it. Others'
 *     ids are read under their process->lock.
 */
#include "proc/cred.h"

#include "core/heap.h"
#include "core/string.h"
#include "proc/internal.h"
#include "signal/signal.h"

struct cred_box {
    struct cred cred;
    struct cred_box *previous; /* C2 */
};

struct cred *
cred_new(void)
{
    struct cred_box *b = heap_alloc_zeroed(sizeof *b);
    if (b == NULL)
        return NULL;
    b->cred.refs = 1;
    return &b->cred;
}

struct cred *
cred_copy(const struct cred *from)
{
    struct cred *c = cred_new();
    if (c != NULL) {
        memcpy(c, from, sizeof *c);
        c->refs = 1;
    }
    return c;
}

void
cred_hold(struct cred *c)
{
    __atomic_fetch_add(&c->refs, 1, __ATOMIC_RELAXED);
}

void
cred_release(struct cred *c)
{
    struct cred_box *b = container_of(c, struct cred_box, cred);
    while (b != NULL && __atomic_fetch_sub(&b->cred.refs, 1, __ATOMIC_ACQ_REL) == 1) {
        struct cred_box *previous = b->previous;
        heap_free(b);
        b = previous;
    }
}

static void
cred_install(struct process *p, struct cred *fresh)
{
    spin_lock(&p->lock);
    struct cred *old = p->cred;
    p->cred = fresh;
    if (p->nthreads > 1) {
        struct cred_box *b = container_of(fresh, struct cred_box, cred);
        b->previous = container_of(old, struct cred_box, cred);
        old = NULL;
    }
    spin_unlock(&p->lock);
    if (old != NULL)
        cred_release(old);
}

/* Replace the user ids; fsuid follows euid. */
static int
put_uids(struct process *p, u32 ruid, u32 euid, u32 suid)
{
    const struct cred *now = p->cred;
    if (now->uid == ruid && now->euid == euid && now->suid == suid && now->fsuid == euid)
        return 0; /* or a loop of threads could pile up sets that are all the same (C2) */
    struct cred *c = cred_copy(now);
    if (c == NULL)
        return -E_NOMEM;
    c->uid = ruid;
    c->euid = c->fsuid = euid;
    c->suid = suid;
    if (euid != p->cred->euid)
        p->dumpable = 0;
    cred_install(p, c);
    return 0;
}

static int
put_gids(struct process *p, u32 rgid, u32 egid, u32 sgid)
{
    const struct cred *now = p->cred;
    if (now->gid == rgid && now->egid == egid && now->sgid == sgid && now->fsgid == egid)
        return 0;
    struct cred *c = cred_copy(now);
    if (c == NULL)
        return -E_NOMEM;
    c->gid = rgid;
    c->egid = c->fsgid = egid;
    c->sgid = sgid;
    if (egid != p->cred->egid)
        p->dumpable = 0;
    cred_install(p, c);
    return 0;
}

int
cred_set_uid(struct process *p, u32 uid)
{
    const struct cred *c = p->cred;
    if (uid == CRED_KEEP)
        return -E_INVAL;
    if (cred_is_root(c))
        return put_uids(p, uid, uid, uid);
    if (uid != c->uid && uid != c->suid)
        return -E_PERM;
    return put_uids(p, c->uid, uid, c->suid);
}

int
cred_set_gid(struct process *p, u32 gid)
{
    const struct cred *c = p->cred;
    if (gid == CRED_KEEP)
        return -E_INVAL;
    if (cred_is_root(c))
        return put_gids(p, gid, gid, gid);
    if (gid != c->gid && gid != c->sgid)
        return -E_PERM;
    return put_gids(p, c->gid, gid, c->sgid);
}

int
cred_set_reuid(struct process *p, u32 ruid, u32 euid)
{
    const struct cred *c = p->cred;
    bool root = cred_is_root(c);
    if (ruid != CRED_KEEP && !root && ruid != c->uid && ruid != c->euid)
        return -E_PERM;
    if (euid != CRED_KEEP && !root && euid != c->uid && euid != c->euid &&
        euid != c->suid)
        return -E_PERM;
    u32 new_ruid = ruid == CRED_KEEP ? c->uid : ruid;
    u32 new_euid = euid == CRED_KEEP ? c->euid : euid;
    bool follow = ruid != CRED_KEEP || (euid != CRED_KEEP && euid != c->uid);
    return put_uids(p, new_ruid, new_euid, follow ? new_euid : c->suid);
}

int
cred_set_regid(struct process *p, u32 rgid, u32 egid)
{
    const struct cred *c = p->cred;
    bool root = cred_is_root(c);
    if (rgid != CRED_KEEP && !root && rgid != c->gid && rgid != c->egid)
        return -E_PERM;
    if (egid != CRED_KEEP && !root && egid != c->gid && egid != c->egid &&
        egid != c->sgid)
        return -E_PERM;
    u32 new_rgid = rgid == CRED_KEEP ? c->gid : rgid;
    u32 new_egid = egid == CRED_KEEP ? c->egid : egid;
    bool follow = rgid != CRED_KEEP || (egid != CRED_KEEP && egid != c->gid);
    return put_gids(p, new_rgid, new_egid, follow ? new_egid : c->sgid);
}

/* setresuid, setresgid: each must be one of the present three. */
static bool
one_of(u32 id, u32 a, u32 b, u32 c)
{
    return id == CRED_KEEP || id == a || id == b || id == c;
}

int
cred_set_resuid(struct process *p, u32 ruid, u32 euid, u32 suid)
{
    const struct cred *c = p->cred;
    if (!cred_is_root(c) && (!one_of(ruid, c->uid, c->euid, c->suid) ||
                             !one_of(euid, c->uid, c->euid, c->suid) ||
                             !one_of(suid, c->uid, c->euid, c->suid)))
        return -E_PERM;
    return put_uids(p, ruid == CRED_KEEP ? c->uid : ruid,
                    euid == CRED_KEEP ? c->euid : euid,
                    suid == CRED_KEEP ? c->suid : suid);
}

int
cred_set_resgid(struct process *p, u32 rgid, u32 egid, u32 sgid)
{
    const struct cred *c = p->cred;
    if (!cred_is_root(c) && (!one_of(rgid, c->gid, c->egid, c->sgid) ||
                             !one_of(egid, c->gid, c->egid, c->sgid) ||
                             !one_of(sgid, c->gid, c->egid, c->sgid)))
        return -E_PERM;
    return put_gids(p, rgid == CRED_KEEP ? c->gid : rgid,
                    egid == CRED_KEEP ? c->egid : egid,
                    sgid == CRED_KEEP ? c->sgid : sgid);
}

u32
cred_set_fsuid(struct process *p, u32 uid)
{
    const struct cred *c = p->cred;
    u32 old = c->fsuid;
    if (uid == CRED_KEEP || uid == old)
        return old;
    if (!cred_is_root(c) && uid != c->uid && uid != c->euid && uid != c->suid)
        return old;
    struct cred *fresh = cred_copy(c);
    if (fresh != NULL) {
        fresh->fsuid = uid;
        cred_install(p, fresh);
    }
    return old;
}

u32
cred_set_fsgid(struct process *p, u32 gid)
{
    const struct cred *c = p->cred;
    u32 old = c->fsgid;
    if (gid == CRED_KEEP || gid == old)
        return old;
    if (!cred_is_root(c) && gid != c->gid && gid != c->egid && gid != c->sgid)
        return old;
    struct cred *fresh = cred_copy(c);
    if (fresh != NULL) {
        fresh->fsgid = gid;
        cred_install(p, fresh);
    }
    return old;
}

int
cred_set_groups(struct process *p, const u32 *groups, u32 count)
{
    if (!cred_is_root(p->cred))
        return -E_PERM;
    if (count > CRED_GROUPS_MAX)
        return -E_INVAL;
    struct cred *c = cred_copy(p->cred);
    if (c == NULL)
        return -E_NOMEM;
    c->ngroups = count;
    memcpy(c->groups, groups, count * sizeof c->groups[0]);
    cred_install(p, c);
    return 0;
}

struct cred *
cred_for_exec(const struct cred *from, const struct inode *program, bool honour)
{
    struct cred *c = cred_copy(from);
    if (c == NULL)
        return NULL;
    if (honour && (program->mode & 04000))
        c->euid = program->uid;
    if (honour && (program->mode & 02010) == 02010)
        c->egid = program->gid;
    c->suid = c->fsuid = c->euid;
    c->sgid = c->fsgid = c->egid;
    return c;
}

int
cred_may_signal(const struct process *by, const struct process *p, int number)
{
    const struct cred *c = by->cred;
    if (by == p || cred_is_root(c))
        return 0;
    struct process *target = (struct process *)(uintptr_t)p;
    spin_lock(&target->lock);
    const struct cred *t = target->cred;
    bool same = t != NULL && (c->euid == t->suid || c->euid == t->uid ||
                              c->uid == t->suid || c->uid == t->uid);
    spin_unlock(&target->lock);
    if (same || (number == SIG_CONT && by->sid == p->sid))
        return 0;
    return -E_PERM;
}

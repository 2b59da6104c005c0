/* SPDX-License-Identifier: MIT */
/*
 * Ids of processes: the rules of POSIX.1-2024 (setuid, setreuid, setregid ...) and of
 * Linux's setresuid, setfsuid and capabilities (capabilities(7), "Effect of user ID
 * changes on capabilities").
 *
 * C1. A set does not change once a thread has it.
 * C2. Each thread has a set, with a reference; nobody but the thread itself replaces it, so
 *     it reads its own without a lock. It replaces it under process->lock, under which others
 *     read it. process->cred is the one of the first thread, also when that thread has ended;
 *     so it says whose the process is.
 * C3. effective is within permitted; ambient within permitted and inheritable.
 */
#include "proc/cred.h"

#include "core/heap.h"
#include "core/string.h"
#include "proc/internal.h"
#include "signal/signal.h"

/* What setfsuid takes away and gives back. */
#define CAPS_OF_FILES                                                                    \
    (CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_DAC_READ_SEARCH) |     \
     CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_LINUX_IMMUTABLE) |          \
     CAP_BIT(CAP_MKNOD) | CAP_BIT(CAP_MAC_OVERRIDE))

void
cred_groups_release(struct cred_groups *g)
{
    if (g != NULL && __atomic_fetch_sub(&g->refs, 1, __ATOMIC_ACQ_REL) == 1)
        heap_free(g);
}

void
cred_groups_hold(struct cred_groups *g)
{
    __atomic_fetch_add(&g->refs, 1, __ATOMIC_RELAXED);
}

struct cred *
cred_new(void)
{
    struct cred *c = heap_alloc_zeroed(sizeof *c);
    if (c == NULL)
        return NULL;
    c->refs = 1;
    c->permitted = c->effective = c->bounding = CAPS_ALL;
    return c;
}

struct cred *
cred_copy(const struct cred *from)
{
    struct cred *c = cred_new();
    if (c != NULL) {
        memcpy(c, from, sizeof *c);
        c->refs = 1;
        if (c->groups != NULL)
            cred_groups_hold(c->groups);
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
    if (__atomic_fetch_sub(&c->refs, 1, __ATOMIC_ACQ_REL) == 1) {
        cred_groups_release(c->groups);
        heap_free(c);
    }
}

const struct cred *
cred_of_locked(const struct process *p, const struct thread *t)
{
    return t != NULL ? t->cred : p->cred;
}

/* N1 in user.c: the thread counts for its new user. p->lock is held. */
static void
charge_to(struct process *p, struct thread *t, u32 uid)
{
    u32 *charged = t->tid == p->pid ? &p->charged_uid : &t->charged_uid;
    if (uid == *charged || p->group == NULL)
        return;
    /* Asked before it joins the user, as Linux does. */
    t->check_tasks = uid != 0 && user_tasks(uid) > p->limits[LIMIT_NPROC].soft;
    user_charge(*charged, -1);
    user_charge(uid, 1);
    *charged = uid;
}

/* Others that had the same ids may not look into a process that changed its own. */
void
cred_install(struct cred *fresh)
{
    struct thread *t = thread_current();
    struct process *p = t->process;
    struct cred *firsts = NULL;
    spin_lock(&p->lock);
    struct cred *old = t->cred;
    if (old->euid != fresh->euid || old->egid != fresh->egid ||
        old->fsuid != fresh->fsuid || old->fsgid != fresh->fsgid ||
        (fresh->permitted & ~old->permitted) != 0) {
        p->dumpable = 0;
        p->pdeath_signal = 0;
    }
    t->cred = fresh;
    if (t->tid == p->pid) {
        cred_hold(fresh);
        firsts = p->cred;
        p->cred = fresh;
    }
    charge_to(p, t, fresh->uid);
    spin_unlock(&p->lock);
    cred_release(old);
    if (firsts != NULL)
        cred_release(firsts);
}

/* The capabilities follow a change of the user ids from *old. */
static void
follow_uids(struct cred *c, const struct cred *old)
{
    if (c->securebits & SECURE_NO_SETUID_FIXUP)
        return;
    bool had = old->uid == 0 || old->euid == 0 || old->suid == 0;
    bool has = c->uid == 0 || c->euid == 0 || c->suid == 0;
    if (had && !has) {
        if (!(c->securebits & SECURE_KEEP_CAPS))
            c->permitted = c->effective = 0;
        c->ambient = 0;
    }
    if (old->euid == 0 && c->euid != 0)
        c->effective = 0;
    if (old->euid != 0 && c->euid == 0)
        c->effective = c->permitted;
}

/* Replace the user ids; fsuid follows euid. */
static int
put_uids(u32 ruid, u32 euid, u32 suid)
{
    const struct cred *now = cred_own();
    if (now->uid == ruid && now->euid == euid && now->suid == suid && now->fsuid == euid)
        return 0;
    struct cred *c = cred_copy(now);
    if (c == NULL)
        return -E_NOMEM;
    c->uid = ruid;
    c->euid = c->fsuid = euid;
    c->suid = suid;
    follow_uids(c, now);
    cred_install(c);
    return 0;
}

static int
put_gids(u32 rgid, u32 egid, u32 sgid)
{
    const struct cred *now = cred_own();
    if (now->gid == rgid && now->egid == egid && now->sgid == sgid && now->fsgid == egid)
        return 0;
    struct cred *c = cred_copy(now);
    if (c == NULL)
        return -E_NOMEM;
    c->gid = rgid;
    c->egid = c->fsgid = egid;
    c->sgid = sgid;
    cred_install(c);
    return 0;
}

int
cred_set_uid(u32 uid)
{
    const struct cred *c = cred_own();
    if (uid == CRED_KEEP)
        return -E_INVAL;
    if (cred_can(c, CAP_SETUID))
        return put_uids(uid, uid, uid);
    if (uid != c->uid && uid != c->suid)
        return -E_PERM;
    return put_uids(c->uid, uid, c->suid);
}

int
cred_set_gid(u32 gid)
{
    const struct cred *c = cred_own();
    if (gid == CRED_KEEP)
        return -E_INVAL;
    if (cred_can(c, CAP_SETGID))
        return put_gids(gid, gid, gid);
    if (gid != c->gid && gid != c->sgid)
        return -E_PERM;
    return put_gids(c->gid, gid, c->sgid);
}

int
cred_set_reuid(u32 ruid, u32 euid)
{
    const struct cred *c = cred_own();
    bool may = cred_can(c, CAP_SETUID);
    if (ruid != CRED_KEEP && !may && ruid != c->uid && ruid != c->euid)
        return -E_PERM;
    if (euid != CRED_KEEP && !may && euid != c->uid && euid != c->euid &&
        euid != c->suid)
        return -E_PERM;
    u32 new_ruid = ruid == CRED_KEEP ? c->uid : ruid;
    u32 new_euid = euid == CRED_KEEP ? c->euid : euid;
    bool follow = ruid != CRED_KEEP || (euid != CRED_KEEP && euid != c->uid);
    return put_uids(new_ruid, new_euid, follow ? new_euid : c->suid);
}

int
cred_set_regid(u32 rgid, u32 egid)
{
    const struct cred *c = cred_own();
    bool may = cred_can(c, CAP_SETGID);
    if (rgid != CRED_KEEP && !may && rgid != c->gid && rgid != c->egid)
        return -E_PERM;
    if (egid != CRED_KEEP && !may && egid != c->gid && egid != c->egid &&
        egid != c->sgid)
        return -E_PERM;
    u32 new_rgid = rgid == CRED_KEEP ? c->gid : rgid;
    u32 new_egid = egid == CRED_KEEP ? c->egid : egid;
    bool follow = rgid != CRED_KEEP || (egid != CRED_KEEP && egid != c->gid);
    return put_gids(new_rgid, new_egid, follow ? new_egid : c->sgid);
}

/* setresuid, setresgid: each must be one of the present three. */
static bool
one_of(u32 id, u32 a, u32 b, u32 c)
{
    return id == CRED_KEEP || id == a || id == b || id == c;
}

int
cred_set_resuid(u32 ruid, u32 euid, u32 suid)
{
    const struct cred *c = cred_own();
    if (!cred_can(c, CAP_SETUID) && (!one_of(ruid, c->uid, c->euid, c->suid) ||
                             !one_of(euid, c->uid, c->euid, c->suid) ||
                             !one_of(suid, c->uid, c->euid, c->suid)))
        return -E_PERM;
    return put_uids(ruid == CRED_KEEP ? c->uid : ruid,
                    euid == CRED_KEEP ? c->euid : euid,
                    suid == CRED_KEEP ? c->suid : suid);
}

int
cred_set_resgid(u32 rgid, u32 egid, u32 sgid)
{
    const struct cred *c = cred_own();
    if (!cred_can(c, CAP_SETGID) && (!one_of(rgid, c->gid, c->egid, c->sgid) ||
                             !one_of(egid, c->gid, c->egid, c->sgid) ||
                             !one_of(sgid, c->gid, c->egid, c->sgid)))
        return -E_PERM;
    return put_gids(rgid == CRED_KEEP ? c->gid : rgid,
                    egid == CRED_KEEP ? c->egid : egid,
                    sgid == CRED_KEEP ? c->sgid : sgid);
}

u32
cred_set_fsuid(u32 uid)
{
    const struct cred *c = cred_own();
    u32 old = c->fsuid;
    if (uid == CRED_KEEP || uid == old)
        return old;
    if (!cred_can(c, CAP_SETUID) && uid != c->uid && uid != c->euid && uid != c->suid)
        return old;
    struct cred *fresh = cred_copy(c);
    if (fresh != NULL) {
        fresh->fsuid = uid;
        if (!(c->securebits & SECURE_NO_SETUID_FIXUP)) {
            if (old == 0)
                fresh->effective &= ~CAPS_OF_FILES;
            else if (uid == 0)
                fresh->effective |= fresh->permitted & CAPS_OF_FILES;
        }
        cred_install(fresh);
    }
    return old;
}

u32
cred_set_fsgid(u32 gid)
{
    const struct cred *c = cred_own();
    u32 old = c->fsgid;
    if (gid == CRED_KEEP || gid == old)
        return old;
    if (!cred_can(c, CAP_SETGID) && gid != c->gid && gid != c->egid && gid != c->sgid)
        return old;
    struct cred *fresh = cred_copy(c);
    if (fresh != NULL) {
        fresh->fsgid = gid;
        cred_install(fresh);
    }
    return old;
}

struct cred_groups *
cred_groups_new(u32 count)
{
    struct cred_groups *g =
        heap_alloc(sizeof *g + (u64)count * sizeof g->id[0]);
    if (g != NULL)
        *g = (struct cred_groups){ .refs = 1, .count = count };
    return g;
}

/* A heap sort: the list is the caller's, so its order may be the worst. */
static void
sift(u32 *id, u32 at, u32 count)
{
    for (u32 child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && id[child + 1] > id[child])
            child++;
        if (id[at] >= id[child])
            return;
        u32 swap = id[at];
        id[at] = id[child];
        id[child] = swap;
    }
}

static void
sort(u32 *id, u32 count)
{
    for (u32 i = count / 2; i-- > 0;)
        sift(id, i, count);
    for (u32 left = count; left > 1;) {
        u32 most = id[0];
        id[0] = id[--left];
        id[left] = most;
        sift(id, 0, left);
    }
}

int
cred_set_groups(struct cred_groups *groups)
{
    int error = cred_can(cred_own(), CAP_SETGID) ? 0 : -E_PERM;
    struct cred *c = error == 0 ? cred_copy(cred_own()) : NULL;
    if (c == NULL) {
        cred_groups_release(groups);
        return error != 0 ? error : -E_NOMEM;
    }
    cred_groups_release(c->groups);
    c->groups = groups;
    if (groups != NULL)
        sort(groups->id, groups->count);
    cred_install(c);
    return 0;
}

bool
cred_may_signal_locked(const struct process *p, const struct thread *t, int number)
{
    const struct process *self = proc_current();
    const struct cred *c = cred_own(), *to = cred_of_locked(p, t);
    return self == p || cred_can(c, CAP_KILL) ||
           (to != NULL && (c->euid == to->suid || c->euid == to->uid ||
                           c->uid == to->suid || c->uid == to->uid)) ||
           (number == SIG_CONT && self->sid == p->sid);
}

int
cred_may_signal(struct process *p, int number)
{
    spin_lock(&p->lock);
    bool may = cred_may_signal_locked(p, NULL, number);
    spin_unlock(&p->lock);
    return may ? 0 : -E_PERM;
}

bool
cred_may_inspect_locked(const struct process *p, const struct thread *t, bool by_real_ids)
{
    if (proc_current() == NULL)
        return false;
    const struct cred *of = cred_of_locked(p, t), *by = cred_own();
    u32 uid = by_real_ids ? by->uid : by->fsuid, gid = by_real_ids ? by->gid : by->fsgid;
    if (p == proc_current() || cred_can(by, CAP_SYS_PTRACE))
        return true;
    if (of == NULL || p->dumpable != 1 || p->elevates ||
        (of->permitted & ~(by_real_ids ? by->permitted : by->effective)) != 0)
        return false;
    return uid == of->uid && uid == of->euid && uid == of->suid && gid == of->gid &&
           gid == of->egid && gid == of->sgid;
}

bool
cred_may_inspect(struct process *p, bool by_real_ids)
{
    spin_lock(&p->lock);
    bool may = cred_may_inspect_locked(p, NULL, by_real_ids);
    spin_unlock(&p->lock);
    return may;
}

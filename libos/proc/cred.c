/* SPDX-License-Identifier: MIT */
/*
 * Ids of processes: the rules of POSIX.1-2024 (setuid, setreuid, setregid ...) and of
 * Linux's setresuid, setfsuid and capabilities (capabilities(7), "Effect of user ID
 * changes on capabilities").
 *
 * C1. A set does not change once a process has it.
 * C2. Reading one's own ids takes no lock: while a process has several threads, a set
 *     that is replaced is kept by its successor (`previous`), and goes with it; one that
 *     is kept already is taken again, and KEPT_MAX different ones are all that a process
 *     may keep. Others' ids are read under their process->lock.
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

struct cred_box {
    struct cred cred;
    struct cred_box *previous; /* C2 */
    u32 kept;                  /* how many are behind it */
};
#define KEPT_MAX 1024u

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
    struct cred_box *b = heap_alloc_zeroed(sizeof *b);
    if (b == NULL)
        return NULL;
    b->cred.refs = 1;
    b->cred.permitted = b->cred.effective = b->cred.bounding = CAPS_ALL;
    return &b->cred;
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
    struct cred_box *b = container_of(c, struct cred_box, cred);
    while (b != NULL && __atomic_fetch_sub(&b->cred.refs, 1, __ATOMIC_ACQ_REL) == 1) {
        struct cred_box *previous = b->previous;
        cred_groups_release(b->cred.groups);
        heap_free(b);
        b = previous;
    }
}

static bool
same_set(const struct cred *a, const struct cred *b)
{
    return a->uid == b->uid && a->euid == b->euid && a->suid == b->suid &&
           a->fsuid == b->fsuid && a->gid == b->gid && a->egid == b->egid &&
           a->sgid == b->sgid && a->fsgid == b->fsgid &&
           a->securebits == b->securebits && a->permitted == b->permitted &&
           a->effective == b->effective && a->inheritable == b->inheritable &&
           a->bounding == b->bounding && a->ambient == b->ambient &&
           a->groups == b->groups;
}

/*
 * C2: the set that follows `head` while other threads may still read it. One like `fresh`
 * that is kept is moved to the front, if the line up to it is this process's alone; else
 * `fresh` itself, in front. NULL: too many. process->lock is held.
 */
static struct cred_box *
keep_locked(struct cred_box *head, struct cred *fresh)
{
    struct cred_box *b, **at = &head->previous;
    bool alone = __atomic_load_n(&head->cred.refs, __ATOMIC_RELAXED) == 1;
    for (; alone && (b = *at) != NULL; at = &b->previous) {
        alone = __atomic_load_n(&b->cred.refs, __ATOMIC_RELAXED) == 1;
        if (alone && same_set(&b->cred, fresh)) {
            *at = b->previous;
            b->previous = head;
            b->kept = head->kept;
            return b;
        }
    }
    if (head->kept >= KEPT_MAX)
        return NULL;
    b = container_of(fresh, struct cred_box, cred);
    b->previous = head;
    b->kept = head->kept + 1;
    return b;
}

/* Others that had the same ids may not look into a process that changed its own. */
int
cred_install(struct process *p, struct cred *fresh)
{
    spin_lock(&p->lock);
    struct cred *old = p->cred, *unused = old, *now = fresh;
    if (p->nthreads > 1) {
        struct cred_box *b = keep_locked(container_of(old, struct cred_box, cred), fresh);
        now = b != NULL ? &b->cred : old;
        unused = now != fresh ? fresh : NULL;
    }
    int error = now == old ? -E_NOMEM : 0;
    if (error == 0 &&
        (old->euid != now->euid || old->egid != now->egid || old->fsuid != now->fsuid ||
         old->fsgid != now->fsgid || (now->permitted & ~old->permitted) != 0)) {
        p->dumpable = 0;
        p->pdeath_signal = 0;
    }
    p->cred = now;
    if (now->uid != p->charged_uid && p->group != NULL) {
        i64 tasks = 1 + (i64)p->charged_threads;
        /* Asked before it joins the user, as Linux does. */
        p->check_tasks = now->uid != 0 && user_tasks(now->uid) > p->limits[LIMIT_NPROC].soft;
        user_charge(p->charged_uid, -tasks);
        user_charge(now->uid, tasks);
        p->charged_uid = now->uid;
    }
    spin_unlock(&p->lock);
    if (unused != NULL)
        cred_release(unused);
    return error;
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
    follow_uids(c, now);
    return cred_install(p, c);
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
    return cred_install(p, c);
}

int
cred_set_uid(struct process *p, u32 uid)
{
    const struct cred *c = p->cred;
    if (uid == CRED_KEEP)
        return -E_INVAL;
    if (cred_can(c, CAP_SETUID))
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
    if (cred_can(c, CAP_SETGID))
        return put_gids(p, gid, gid, gid);
    if (gid != c->gid && gid != c->sgid)
        return -E_PERM;
    return put_gids(p, c->gid, gid, c->sgid);
}

int
cred_set_reuid(struct process *p, u32 ruid, u32 euid)
{
    const struct cred *c = p->cred;
    bool may = cred_can(c, CAP_SETUID);
    if (ruid != CRED_KEEP && !may && ruid != c->uid && ruid != c->euid)
        return -E_PERM;
    if (euid != CRED_KEEP && !may && euid != c->uid && euid != c->euid &&
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
    bool may = cred_can(c, CAP_SETGID);
    if (rgid != CRED_KEEP && !may && rgid != c->gid && rgid != c->egid)
        return -E_PERM;
    if (egid != CRED_KEEP && !may && egid != c->gid && egid != c->egid &&
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
    if (!cred_can(c, CAP_SETUID) && (!one_of(ruid, c->uid, c->euid, c->suid) ||
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
    if (!cred_can(c, CAP_SETGID) && (!one_of(rgid, c->gid, c->egid, c->sgid) ||
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
    int error = 0; /* is not told: the caller looks whether it changed */
    const struct cred *c = p->cred;
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
        error = cred_install(p, fresh);
    }
    (void)error;
    return old;
}

u32
cred_set_fsgid(struct process *p, u32 gid)
{
    int error = 0; /* is not told: the caller looks whether it changed */
    const struct cred *c = p->cred;
    u32 old = c->fsgid;
    if (gid == CRED_KEEP || gid == old)
        return old;
    if (!cred_can(c, CAP_SETGID) && gid != c->gid && gid != c->egid && gid != c->sgid)
        return old;
    struct cred *fresh = cred_copy(c);
    if (fresh != NULL) {
        fresh->fsgid = gid;
        error = cred_install(p, fresh);
    }
    (void)error;
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
cred_set_groups(struct process *p, struct cred_groups *groups)
{
    int error = cred_can(p->cred, CAP_SETGID) ? 0 : -E_PERM;
    struct cred *c = error == 0 ? cred_copy(p->cred) : NULL;
    if (c == NULL) {
        cred_groups_release(groups);
        return error != 0 ? error : -E_NOMEM;
    }
    cred_groups_release(c->groups);
    c->groups = groups;
    if (groups != NULL)
        sort(groups->id, groups->count);
    return cred_install(p, c);
}

int
cred_may_signal(const struct process *by, const struct process *p, int number)
{
    const struct cred *c = by->cred;
    if (by == p || cred_can(c, CAP_KILL))
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

static bool
may_inspect_locked(const struct process *p, const struct cred *by, bool real)
{
    const struct cred *of = p->cred;
    u32 uid = real ? by->uid : by->fsuid, gid = real ? by->gid : by->fsgid;
    if (cred_can(by, CAP_SYS_PTRACE))
        return true;
    if (of == NULL || p->dumpable != 1 ||
        (of->permitted & ~(real ? by->permitted : by->effective)) != 0)
        return false;
    return uid == of->uid && uid == of->euid && uid == of->suid && gid == of->gid &&
           gid == of->egid && gid == of->sgid;
}

bool
cred_may_inspect(struct process *p, bool by_real_ids)
{
    struct process *self = proc_current();
    if (self == NULL || self == p)
        return self != NULL;
    spin_lock(&p->lock);
    bool may = may_inspect_locked(p, self->cred, by_real_ids);
    spin_unlock(&p->lock);
    return may;
}

/* SPDX-License-Identifier: MIT */
/* Process groups, sessions, and the controlling terminal's process side (POSIX.1-2024,
 * XBD 11.1 and setpgid, setsid). */
#include "proc/session.h"

#include "core/heap.h"
#include "core/log.h"
#include "proc/internal.h"
#include "signal/signal.h"

void (*session_ended_hook)(void);
u32 proc_stopped_count;

/* A group of a new session (s NULL) brings the session in the same allocation. */
struct first_group {
    struct pgroup group;
    struct session session;
};

struct pgroup *
pgroup_new(i32 id, struct session *s)
{
    struct first_group *f = heap_alloc_zeroed(s == NULL ? sizeof *f : sizeof f->group);
    if (f == NULL)
        return NULL;
    f->group.id = id;
    f->group.session = s;
    list_init(&f->group.members);
    list_init(&f->group.session_link);
    if (s == NULL) {
        f->group.session = &f->session;
        f->session.id = id;
        list_init(&f->session.groups);
    }
    return &f->group;
}

/*
 * The session's memory is its first group's, which may become empty before the session
 * ends: the first group's record stays (off every list) until the last group of the
 * session has gone.
 */
static struct pgroup *
first_group_of(struct session *s)
{
    return &container_of(s, struct first_group, session)->group;
}

struct pgroup *
pgroup_find_locked(i32 id)
{
    spin_lock(&pid_lock);
    struct pid_slot *s = pid_slot_locked(id);
    struct pgroup *g = s != NULL ? s->group : NULL;
    spin_unlock(&pid_lock);
    return g;
}

void
pgroup_enter_locked(struct process *p, struct pgroup *g)
{
    if (list_empty(&g->members)) {
        pid_hold(g->id);
        if (list_empty(&g->session->groups))
            pid_hold(g->session->id);
        list_push_back(&g->session->groups, &g->session_link);
        pid_set_group(g->id, g);
    }
    list_push_back(&g->members, &p->group_link);
    p->group = g;
    p->session = g->session;
    p->pgid = g->id;
    p->sid = g->session->id;
}

struct pgroup *
pgroup_leave_locked(struct process *p)
{
    struct pgroup *g = p->group;
    if (g == NULL)
        return NULL;
    list_remove(&p->group_link);
    p->group = NULL;
    p->session = NULL;
    if (!list_empty(&g->members))
        return NULL;
    list_remove(&g->session_link);
    pid_set_group(g->id, NULL);
    pid_drop(g->id);
    if (!list_empty(&g->session->groups))
        return g == first_group_of(g->session) ? NULL : g;
    pid_drop(g->session->id);
    g->ends_session = true;
    return g;
}

void
pgroup_free(struct pgroup *g)
{
    if (g == NULL)
        return;
    /* Which group was the last was seen under the lock. Another group's memory may go at
     * this very moment, and with it the session: so only the last one looks at it. */
    struct pgroup *first = g->ends_session ? first_group_of(g->session) : NULL;
    if (g != first)
        heap_free(g);
    heap_free(first);
}

bool
pgroup_orphaned_locked(struct pgroup *g, const struct process *without)
{
    list_for_each(it, &g->members) {
        struct process *p = container_of(it, struct process, group_link);
        struct process *parent = p->parent;
        if (p == without || p->state == PROC_ZOMBIE || parent == NULL ||
            parent == proc_init_process)
            continue;
        if (parent->group != g && parent->session == g->session)
            return false;
    }
    return true;
}

static void
wake_orphans(struct pgroup *g)
{
    bool stopped = false;
    list_for_each(it, &g->members) {
        if (container_of(it, struct process, group_link)->state == PROC_STOPPED)
            stopped = true;
    }
    if (!stopped)
        return;
    list_for_each(it, &g->members) {
        struct process *p = container_of(it, struct process, group_link);
        signal_send_process(p, SIG_HUP, NULL);
        signal_send_process(p, SIG_CONT, NULL);
    }
}

void
pgroup_orphans_locked(struct process *p)
{
    if (proc_stopped_count == 0)
        return;
    struct process *parent = p->parent;
    if (parent != NULL && parent->group != p->group && parent->session == p->session &&
        pgroup_orphaned_locked(p->group, p))
        wake_orphans(p->group);
    list_for_each(it, &p->children) {
        struct process *child = container_of(it, struct process, sibling);
        if (child->group == p->group || child->session != p->session)
            continue;
        /* The children still name p as their parent: none of p's links holds a group any
         * more. */
        bool held = false;
        list_for_each(m, &child->group->members) {
            struct process *q = container_of(m, struct process, group_link);
            if (q->parent != p && q->parent != NULL && q->parent != proc_init_process &&
                q->state != PROC_ZOMBIE && q->parent->group != q->group &&
                q->parent->session == q->session)
                held = true;
        }
        if (!held)
            wake_orphans(child->group);
    }
}

/* setpgid's rules, under the lock; *target is the process to move. */
static int
set_pgid_check(struct process *self, struct process *target, i32 pgid)
{
    if (target != self) {
        if (target->parent != self || target->state == PROC_ZOMBIE)
            return -E_SRCH;
        if (target->session != self->session)
            return -E_PERM;
        if (target->execed)
            return -E_ACCES;
    }
    if (target->session->leader == target)
        return -E_PERM;
    if (pgid != target->pid) {
        struct pgroup *g = pgroup_find_locked(pgid);
        if (g == NULL || g->session != self->session)
            return -E_PERM;
    }
    return 0;
}

int
proc_set_pgid(i32 pid, i32 pgid)
{
    struct process *self = proc_current();
    if (pid < 0 || pgid < 0)
        return -E_INVAL;
    struct process *target = pid == 0 || pid == self->pid ? self : proc_find(pid);
    if (target == NULL)
        return -E_SRCH;
    if (pgid == 0)
        pgid = target->pid;
    struct pgroup *fresh = pgroup_new(pgid, self->session);
    struct pgroup *empty = NULL;
    int error = fresh == NULL ? -E_NOMEM : 0;
    spin_lock(&family_lock);
    if (error == 0)
        error = set_pgid_check(self, target, pgid);
    if (error == 0 && target->pgid != pgid) {
        struct pgroup *g = pgroup_find_locked(pgid);
        if (g == NULL) {
            g = fresh;
            g->session = self->session;
            fresh = NULL;
        }
        /* Enter first: so the session never becomes empty in between. */
        struct pgroup *old = target->group;
        list_remove(&target->group_link);
        pgroup_enter_locked(target, g);
        if (list_empty(&old->members)) {
            list_remove(&old->session_link);
            pid_set_group(old->id, NULL);
            pid_drop(old->id);
            if (old != first_group_of(old->session))
                empty = old;
        }
    }
    spin_unlock(&family_lock);
    heap_free(empty);
    heap_free(fresh);
    if (target != self)
        proc_release(target);
    return error;
}

i32
proc_set_sid(void)
{
    struct process *self = proc_current();
    struct pgroup *fresh = pgroup_new(self->pid, NULL);
    if (fresh == NULL)
        return -E_NOMEM;
    spin_lock(&family_lock);
    if (pgroup_find_locked(self->pid) != NULL) {
        spin_unlock(&family_lock);
        heap_free(fresh);
        return -E_PERM;
    }
    struct pgroup *empty = pgroup_leave_locked(self);
    pgroup_enter_locked(self, fresh);
    fresh->session->leader = self;
    self->tty = NULL;
    spin_unlock(&family_lock);
    pgroup_free(empty);
    return self->pid;
}

void
proc_set_subreaper(struct process *p, bool on)
{
    spin_lock(&family_lock);
    p->subreaper = on;
    /* All below it; who has the mark has handed it on to its own. */
    for (struct process *at = on ? p : NULL; at != NULL;) {
        bool seen = at != p && at->has_subreaper;
        if (at != p)
            at->has_subreaper = true;
        if (!seen && !list_empty(&at->children)) {
            at = container_of(at->children.next, struct process, sibling);
            continue;
        }
        while (at != p && at->sibling.next == &at->parent->children)
            at = at->parent;
        at = at != p ? container_of(at->sibling.next, struct process, sibling) : NULL;
    }
    spin_unlock(&family_lock);
}

bool
session_is_leader(void)
{
    struct process *self = proc_current();
    return self->session != NULL && self->session->leader == self;
}

int
session_tty_set(struct tty *tty)
{
    struct process *self = proc_current();
    spin_lock(&family_lock);
    int error = self->session->leader != self || self->tty != NULL ? -E_PERM : 0;
    if (error == 0)
        self->tty = tty;
    spin_unlock(&family_lock);
    return error;
}

/* The session is found by any of its groups; the number of a session is in use as long
 * as it lives.  NULL: there is none. */
static struct session *
session_find_locked(i32 sid)
{
    struct pgroup *own = pgroup_find_locked(sid);
    if (own != NULL && own->session->id == sid)
        return own->session;
    struct process *self = thread_current()->process;
    if (self != NULL && self->session != NULL && self->sid == sid)
        return self->session;
    for (i32 pid = pid_next_used(0); pid > 0; pid = pid_next_used(pid)) {
        struct pgroup *g = pgroup_find_locked(pid);
        if (g != NULL && g->session->id == sid)
            return g->session;
    }
    return NULL;
}

static void
clear_tty_locked(struct session *s)
{
    list_for_each(it, &s->groups) {
        struct pgroup *g = container_of(it, struct pgroup, session_link);
        list_for_each(m, &g->members)
            container_of(m, struct process, group_link)->tty = NULL;
    }
}

void
session_tty_clear(i32 sid)
{
    spin_lock(&family_lock);
    struct session *s = session_find_locked(sid);
    if (s != NULL)
        clear_tty_locked(s);
    spin_unlock(&family_lock);
}

void
session_hung_up(i32 sid, i32 foreground)
{
    spin_lock(&family_lock);
    struct session *s = session_find_locked(sid);
    if (s != NULL) {
        clear_tty_locked(s);
        if (s->leader != NULL) {
            signal_send_process(s->leader, SIG_HUP, NULL);
            signal_send_process(s->leader, SIG_CONT, NULL);
            if (foreground != 0 && s->foreground_left == 0) {
                pid_hold(foreground);
                s->foreground_left = foreground;
            }
        }
    }
    spin_unlock(&family_lock);
}

void
session_leader_ends(void)
{
    struct process *self = proc_current();
    i32 group = 0;

    if (!session_is_leader())
        return;
    if (session_ended_hook != NULL)
        session_ended_hook();
    spin_lock(&family_lock);
    clear_tty_locked(self->session);
    group = self->session->foreground_left;
    self->session->foreground_left = 0;
    spin_unlock(&family_lock);
    if (group == 0)
        return;
    signal_send_group(group, SIG_HUP, NULL);
    signal_send_group(group, SIG_CONT, NULL);
    pid_drop(group);
}

struct tty *
session_tty_get(void (*hold)(struct tty *tty))
{
    struct process *self = proc_current();
    spin_lock(&family_lock);
    struct tty *tty = self != NULL ? self->tty : NULL;
    if (tty != NULL)
        hold(tty);
    spin_unlock(&family_lock);
    return tty;
}

int
session_hold_group(i32 pgid)
{
    spin_lock(&family_lock);
    struct pgroup *g = pgroup_find_locked(pgid);
    int r = g == NULL                                 ? -E_SRCH
            : g->session != proc_current()->session ? -E_PERM
                                                      : 0;
    if (r == 0)
        pid_hold(pgid);
    spin_unlock(&family_lock);
    return r;
}

void
session_tty_drop(void)
{
    spin_lock(&family_lock);
    proc_current()->tty = NULL;
    spin_unlock(&family_lock);
}

i32
session_of_group(i32 pgid)
{
    spin_lock(&family_lock);
    struct pgroup *g = pgroup_find_locked(pgid);
    i32 sid = g != NULL ? g->session->id : -E_SRCH;
    spin_unlock(&family_lock);
    return sid;
}

bool
session_group_orphaned(i32 pgid)
{
    spin_lock(&family_lock);
    struct pgroup *g = pgroup_find_locked(pgid);
    bool orphaned = g == NULL || pgroup_orphaned_locked(g, NULL);
    spin_unlock(&family_lock);
    return orphaned;
}

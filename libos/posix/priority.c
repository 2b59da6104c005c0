/* SPDX-License-Identifier: MIT */
/* getpriority, setpriority: the weight of threads in the fair class. A nice value is a
 * thread's; a process's is its first thread's. */
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/cred.h"
#include "proc/proc.h"

enum { PRIO_PROCESS, PRIO_PGRP, PRIO_USER };
#define LIMIT_NICE 13

struct walk_state {
    bool set, found;
    int nice, best;
    int error;
    i32 tid; /* this thread alone; 0: all */
};

/* p->lock is held. RLIMIT_NICE counts from 1 (19) to 40 (-20). */
static int
may_set_locked(const struct process *p, const struct thread *t, int nice)
{
    const struct cred *c = cred_own();
    if (cred_can(c, CAP_SYS_NICE))
        return 0;
    if (c->euid != t->cred->uid && c->euid != t->cred->euid)
        return -E_PERM;
    return nice < t->sched.nice && (u64)(20 - nice) > p->limits[LIMIT_NICE].soft
               ? -E_ACCES
               : 0;
}

static void
visit_thread_locked(struct process *p, struct thread *t, struct walk_state *w)
{
    w->found = true;
    w->best = MIN(w->best, t->sched.nice);
    if (!w->set)
        return;
    int error = may_set_locked(p, t, w->nice);
    if (error != 0) {
        w->error = error;
        return;
    }
    thread_set_nice(t, w->nice);
    if (t->tid == p->pid)
        p->nice = w->nice;
}

static bool
visit(struct process *p, void *arg)
{
    struct walk_state *w = arg;
    spin_lock(&p->lock);
    if (w->tid == 0 && list_empty(&p->threads)) {
        w->found = true; /* a zombie has a priority, too */
        w->best = MIN(w->best, p->nice);
    }
    list_for_each(it, &p->threads) {
        struct thread *t = container_of(it, struct thread, process_link);
        if (w->tid == 0 || t->tid == w->tid)
            visit_thread_locked(p, t, w);
    }
    spin_unlock(&p->lock);
    return true;
}

static long
walk(u32 which, i32 who, struct walk_state *w)
{
    if (which > PRIO_USER)
        return -E_INVAL;
    if (which == PRIO_PGRP) {
        proc_each_in_group(who, visit, w);
    } else if (which == PRIO_PROCESS) {
        w->tid = who == 0 ? thread_current()->tid : who;
        struct process *p = proc_find_thread(w->tid);
        if (p != NULL) {
            if (p->pid == w->tid && p->state == PROC_ZOMBIE)
                w->tid = 0;
            visit(p, w);
            proc_release(p);
        }
    } else {
        proc_each_of_user(who == 0 ? cred_own()->uid : (u32)who, visit, w);
    }
    return w->found ? w->error : -E_SRCH;
}

long
sys_getpriority(struct user_frame *f)
{
    struct walk_state w = { .best = 19 };
    long error = walk((u32)SYS_ARG0(f), (i32)SYS_ARG1(f), &w);
    return error != 0 ? error : 20 - w.best;
}

long
sys_setpriority(struct user_frame *f)
{
    i32 nice = (i32)SYS_ARG2(f);
    struct walk_state w = { .set = true, .nice = MAX(-20, MIN(19, nice)), .best = 19 };
    return walk((u32)SYS_ARG0(f), (i32)SYS_ARG1(f), &w);
}

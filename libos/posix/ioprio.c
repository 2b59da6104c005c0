/* SPDX-License-Identifier: MIT */
/* ioprio_get, ioprio_set: a process's wish for its input and output. It is kept,
 * inherited and shown; nothing queues for a disk here, so nothing acts on it. */
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/cred.h"
#include "proc/proc.h"

enum { WHO_PROCESS = 1, WHO_PGRP, WHO_USER };
enum { CLASS_NONE, CLASS_RT, CLASS_BE, CLASS_IDLE };
#define CLASS_SHIFT 13
#define CLASS_MASK 7u /* Linux looks at three bits of the class, */
#define LEVEL_MASK 7u /* and of the level; between them are hints, which it keeps. */
#define LEVEL_DEFAULT 4u

struct walk_state {
    bool set, found;
    u32 value, best;
    int error;
};

/* A lower number is better, but that of no class is that of the middle of BE. */
static u32
rank(u32 value)
{
    bool none = (value >> CLASS_SHIFT & CLASS_MASK) == CLASS_NONE;
    return none ? CLASS_BE << CLASS_SHIFT | LEVEL_DEFAULT : value;
}

static bool
visit(struct process *p, void *arg)
{
    struct walk_state *w = arg;
    const struct cred *c = cred_own();
    spin_lock(&p->lock);
    bool mine = p->cred != NULL && (p->cred->uid == c->euid || p->cred->uid == c->uid);
    if (!w->set) {
        if (!w->found || rank(p->io_priority) < rank(w->best))
            w->best = p->io_priority;
    } else if (!mine && !cred_can(c, CAP_SYS_NICE)) {
        w->error = -E_PERM;
    } else {
        p->io_priority = (u16)w->value;
    }
    w->found = true;
    spin_unlock(&p->lock);
    return true;
}

static long
walk(u32 which, i32 who, struct walk_state *w)
{
    if (which == WHO_PGRP) {
        proc_each_in_group(who, visit, w);
    } else if (which == WHO_PROCESS) {
        struct process *p = proc_find_thread(who == 0 ? thread_current()->tid : who);
        if (p != NULL) {
            visit(p, w);
            proc_release(p);
        }
    } else if (which == WHO_USER) {
        proc_each_of_user(who == 0 ? cred_own()->uid : (u32)who, visit, w);
    } else {
        return -E_INVAL;
    }
    return w->found ? w->error : -E_SRCH;
}

long
sys_ioprio_get(struct user_frame *f)
{
    struct walk_state w = { 0 };
    long error = walk((u32)SYS_ARG0(f), (i32)SYS_ARG1(f), &w);
    return error != 0 ? error : (long)w.best;
}

static int
check(u32 value)
{
    const struct cred *c = cred_own();
    u32 class = value >> CLASS_SHIFT & CLASS_MASK;
    u32 level = value & LEVEL_MASK;
    switch (class) {
    case CLASS_RT:
        if (!cred_can(c, CAP_SYS_ADMIN) && !cred_can(c, CAP_SYS_NICE))
            return -E_PERM;
        return 0;
    case CLASS_BE:
    case CLASS_IDLE:
        return 0;
    case CLASS_NONE:
        return level == 0 ? 0 : -E_INVAL;
    default:
        return -E_INVAL;
    }
}

long
sys_ioprio_set(struct user_frame *f)
{
    struct walk_state w = { .set = true, .value = (u32)SYS_ARG2(f) & 0xffff };
    int error = check(w.value);
    return error != 0 ? error : walk((u32)SYS_ARG0(f), (i32)SYS_ARG1(f), &w);
}

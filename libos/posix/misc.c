/* SPDX-License-Identifier: MIT */
/* System calls of limits, usage, priorities, names and the machine. */
#include "core/account.h"
#include "core/clock.h"
#include "core/fpu.h"
#include "core/hw.h"
#include "core/log.h"
#include "core/page.h"
#include "core/random.h"
#include "core/string.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/cred.h"
#include "proc/proc.h"
#include "signal/signal.h"
#include "vm/mm.h"

/* ---- limits ---- */
#define RLIMIT_CPU 0
#define RLIMIT_NOFILE 7

static int
set_limit(struct process *p, u32 which, const struct rlimit_pair *set)
{
    int error = 0;
    if (set->soft > set->hard)
        return -E_INVAL;
    if (which == RLIMIT_NOFILE && set->hard > FD_LIMIT_MAX)
        return -E_PERM;
    bool root = cred_is_root(proc_current()->cred);
    spin_lock(&p->lock);
    if (set->hard > p->limits[which].hard && !root)
        error = -E_PERM;
    else
        p->limits[which] = *set;
    spin_unlock(&p->lock);
    if (error == 0 && which == RLIMIT_CPU)
        usage_limit_changed(p);
    return error;
}

long
sys_getrlimit(struct user_frame *f)
{
    if (SYS_ARG0(f) >= PROC_RLIMITS)
        return -E_INVAL;
    return copy_to_user(SYS_ARG1(f), &proc_current()->limits[SYS_ARG0(f)],
                        sizeof(struct rlimit_pair));
}

long
sys_setrlimit(struct user_frame *f)
{
    struct rlimit_pair set;
    if (SYS_ARG0(f) >= PROC_RLIMITS)
        return -E_INVAL;
    if (copy_from_user(&set, SYS_ARG1(f), sizeof set) != 0)
        return -E_FAULT;
    return set_limit(proc_current(), (u32)SYS_ARG0(f), &set);
}

/* May the current process look at or change another's limits?  The same ids, or root. */
static bool
same_owner(struct process *p)
{
    const struct cred *c = proc_current()->cred;
    spin_lock(&p->lock);
    const struct cred *o = p->cred;
    bool same =
        cred_is_root(c) || (c->uid == o->uid && c->uid == o->euid && c->uid == o->suid &&
                            c->gid == o->gid && c->gid == o->egid && c->gid == o->sgid);
    spin_unlock(&p->lock);
    return same;
}

long
sys_prlimit64(struct user_frame *f)
{
    i32 pid = (i32)SYS_ARG0(f);
    u64 which = SYS_ARG1(f);
    struct rlimit_pair set, old;
    if (which >= PROC_RLIMITS)
        return -E_INVAL;
    if (SYS_ARG2(f) != 0 && copy_from_user(&set, SYS_ARG2(f), sizeof set) != 0)
        return -E_FAULT;
    struct process *self = proc_current();
    struct process *p = pid == 0 || pid == self->pid ? self : proc_find(pid);
    if (p == NULL)
        return -E_SRCH;
    int error = p != self && !same_owner(p) ? -E_PERM : 0;
    old = p->limits[which];
    if (error == 0 && SYS_ARG2(f) != 0)
        error = set_limit(p, (u32)which, &set);
    if (p != self)
        proc_release(p);
    if (error == 0 && SYS_ARG3(f) != 0)
        error = copy_to_user(SYS_ARG3(f), &old, sizeof old);
    return error;
}

long
sys_umask(struct user_frame *f)
{
    struct fs_context *c = proc_current()->fs;
    spin_lock(&c->lock);
    u32 old = c->umask;
    c->umask = (u32)SYS_ARG0(f) & 0777;
    spin_unlock(&c->lock);
    return old;
}

/* ---- prctl, arch_prctl ---- */
enum {
    PR_SET_PDEATHSIG = 1, PR_GET_PDEATHSIG = 2, PR_GET_DUMPABLE = 3, PR_SET_DUMPABLE = 4,
    PR_GET_KEEPCAPS = 7, PR_SET_KEEPCAPS = 8, PR_SET_NAME = 15, PR_GET_NAME = 16,
    PR_CAPBSET_READ = 23, PR_SET_TIMERSLACK = 29, PR_GET_TIMERSLACK = 30,
    PR_SET_CHILD_SUBREAPER = 36, PR_GET_CHILD_SUBREAPER = 37, PR_SET_NO_NEW_PRIVS = 38,
    PR_GET_NO_NEW_PRIVS = 39, PR_GET_TID_ADDRESS = 40
};

static long
put_u32(uaddr at, u32 value)
{
    return copy_to_user(at, &value, sizeof value);
}

static long
set_name(struct thread *t, uaddr at)
{
    char name[16] = { 0 };
    i64 n = copy_string_from_user(name, at, sizeof name);
    if (n == -E_NAMETOOLONG)
        name[sizeof name - 1] = '\0'; /* cut, as on Linux */
    else if (n < 0)
        return n;
    memcpy(t->name, name, sizeof t->name);
    if (t->tid == t->process->pid)
        memcpy(t->process->name, name, sizeof name);
    return 0;
}

long
sys_prctl(struct user_frame *f)
{
    struct thread *t = thread_current();
    struct process *p = t->process;
    u64 arg = SYS_ARG1(f);
    switch (SYS_ARG0(f)) {
    case PR_SET_PDEATHSIG:
        if (arg > SIG_MAX)
            return -E_INVAL;
        p->pdeath_signal = (i32)arg;
        return 0;
    case PR_GET_PDEATHSIG:
        return put_u32(arg, (u32)p->pdeath_signal);
    case PR_GET_DUMPABLE:
        return p->dumpable;
    case PR_SET_DUMPABLE:
        if (arg > 1)
            return -E_INVAL;
        p->dumpable = (u32)arg;
        return 0;
    case PR_GET_KEEPCAPS:
        return p->keep_caps;
    case PR_SET_KEEPCAPS:
        if (arg > 1)
            return -E_INVAL;
        p->keep_caps = arg;
        return 0;
    case PR_SET_NAME:
        return set_name(t, arg);
    case PR_GET_NAME:
        return copy_to_user(arg, t->name, sizeof t->name);
    case PR_CAPBSET_READ:
        return arg <= 40 ? 1 : -E_INVAL;
    case PR_GET_TIMERSLACK:
        return 50000;
    case PR_SET_CHILD_SUBREAPER:
        p->subreaper = arg != 0;
        return 0;
    case PR_GET_CHILD_SUBREAPER:
        return put_u32(arg, p->subreaper);
    case PR_SET_NO_NEW_PRIVS:
        if (arg != 1 || SYS_ARG2(f) != 0 || SYS_ARG3(f) != 0 || SYS_ARG4(f) != 0)
            return -E_INVAL;
        p->no_new_privs = true;
        return 0;
    case PR_GET_NO_NEW_PRIVS:
        return p->no_new_privs;
    case PR_GET_TID_ADDRESS:
        return copy_to_user(arg, &t->clear_child_tid, sizeof t->clear_child_tid);
    default:
        return -E_INVAL;
    }
}

enum { ARCH_SET_GS = 0x1001, ARCH_SET_FS, ARCH_GET_FS, ARCH_GET_GS };

long
sys_arch_prctl(struct user_frame *f)
{
    struct thread *t = thread_current();
    u64 value = SYS_ARG1(f);
    switch (SYS_ARG0(f)) {
    case ARCH_SET_FS:
    case ARCH_SET_GS:
        if (value >= USER_TOP)
            return -E_PERM;
        if (SYS_ARG0(f) == ARCH_SET_FS)
            fpu_set_fs(t, value);
        else
            fpu_set_gs(t, value);
        return 0;
    case ARCH_GET_FS:
    case ARCH_GET_GS: {
        u64 base = SYS_ARG0(f) == ARCH_GET_FS ? fpu_get_fs(t) : fpu_get_gs(t);
        return copy_to_user(value, &base, sizeof base);
    }
    default:
        return -E_INVAL; /* shadow stacks, CPUID faulting: not offered */
    }
}

/* ---- scheduling ---- */
#define PRIO_PROCESS 0
#define PRIO_PGRP 1
#define PRIO_USER 2

struct priority_walk {
    bool set, found;
    int nice, best;
    int error;
};

static void
set_nice(struct process *p, int nice)
{
    spin_lock(&p->lock);
    p->nice = nice;
    list_for_each(it, &p->threads)
        thread_set_nice(container_of(it, struct thread, process_link), nice);
    spin_unlock(&p->lock);
}

static bool
visit_priority(struct process *p, void *arg)
{
    struct priority_walk *w = arg;
    const struct cred *c = proc_current()->cred;
    w->found = true;
    if (!w->set) {
        w->best = MIN(w->best, p->nice);
        return true;
    }
    spin_lock(&p->lock); /* p may be changing its ids */
    bool mine = p->cred != NULL && (c->euid == p->cred->uid || c->euid == p->cred->euid);
    spin_unlock(&p->lock);
    if (!cred_is_root(c) && !mine)
        w->error = -E_PERM;
    else if (w->nice < p->nice && !cred_is_root(c))
        w->error = -E_ACCES;
    else
        set_nice(p, w->nice);
    return true;
}

static long
walk_priority(u64 which, i32 who, struct priority_walk *w)
{
    struct process *self = proc_current();
    if (which > PRIO_USER)
        return -E_INVAL;
    if (which == PRIO_PGRP) {
        proc_each_in_group(who, visit_priority, w);
    } else if (which == PRIO_PROCESS) {
        struct process *p = who == 0 ? self : proc_find(who);
        if (p != NULL)
            visit_priority(p, w);
        if (p != NULL && who != 0)
            proc_release(p);
    } else {
        u32 uid = who == 0 ? self->cred->uid : (u32)who;
        i32 at = 0;
        for (struct process *p = proc_next(at); p != NULL; p = proc_next(at)) {
            at = p->pid;
            spin_lock(&p->lock);
            bool match = p->cred != NULL && p->cred->uid == uid;
            spin_unlock(&p->lock);
            if (match)
                visit_priority(p, w);
            proc_release(p);
        }
    }
    return w->found ? w->error : -E_SRCH;
}

long
sys_getpriority(struct user_frame *f)
{
    struct priority_walk w = { .best = 19 };
    long error = walk_priority(SYS_ARG0(f), (i32)SYS_ARG1(f), &w);
    return error != 0 ? error : 20 - w.best;
}

long
sys_setpriority(struct user_frame *f)
{
    i32 nice = (i32)SYS_ARG2(f);
    struct priority_walk w = { .set = true, .nice = MAX(-20, MIN(19, nice)) };
    return walk_priority(SYS_ARG0(f), (i32)SYS_ARG1(f), &w);
}

long
sys_sched_yield(struct user_frame *f)
{
    (void)f;
    thread_yield();
    return 0;
}

/* All vCPUs; threads go where the scheduler puts them. */
static u64
all_cpus(void)
{
    return lcpu_count >= 64 ? ~0ull : (1ull << lcpu_count) - 1;
}

long
sys_sched_getaffinity(struct user_frame *f)
{
    u64 mask = all_cpus();
    u64 bytes = SYS_ARG1(f) & 0xffffffff;
    i32 pid = (i32)SYS_ARG0(f);
    if (bytes < sizeof mask || bytes % sizeof mask != 0)
        return -E_INVAL;
    if (pid != 0 && signal_send_tid(0, pid, 0, NULL, NULL) != 0)
        return -E_SRCH;
    if (copy_to_user(SYS_ARG2(f), &mask, sizeof mask) != 0)
        return -E_FAULT;
    return sizeof mask;
}

long
sys_sched_setaffinity(struct user_frame *f)
{
    u64 mask = 0;
    if (copy_from_user(&mask, SYS_ARG2(f), MIN(SYS_ARG1(f) & 0xffffffff, sizeof mask)) !=
        0)
        return -E_FAULT;
    if ((mask & all_cpus()) == 0)
        return -E_INVAL;
    /* Only the set of all vCPUs can be honoured so far. */
    return (mask & all_cpus()) == all_cpus() ? 0 : -E_NOSYS;
}

#define SCHED_FIFO 1
#define SCHED_RR 2

long
sys_sched_getscheduler(struct user_frame *f)
{
    (void)f;
    return 0; /* SCHED_OTHER, the only one */
}

long
sys_sched_getparam(struct user_frame *f)
{
    return put_u32(SYS_ARG1(f), 0);
}

static long
set_scheduler(u64 policy, uaddr param)
{
    i32 priority;
    if (copy_from_user(&priority, param, sizeof priority) != 0)
        return -E_FAULT;
    if (policy == SCHED_FIFO || policy == SCHED_RR)
        return -E_NOSYS;
    return policy != 0 || priority != 0 ? -E_INVAL : 0;
}

long
sys_sched_setscheduler(struct user_frame *f)
{
    return set_scheduler(SYS_ARG1(f), SYS_ARG2(f));
}

long
sys_sched_setparam(struct user_frame *f)
{
    return set_scheduler(0, SYS_ARG1(f));
}

long
sys_sched_get_priority_max(struct user_frame *f)
{
    u64 policy = SYS_ARG0(f);
    return policy > 6 || policy == 4                    ? -E_INVAL
           : policy == SCHED_FIFO || policy == SCHED_RR ? 99
                                                        : 0;
}

long
sys_sched_get_priority_min(struct user_frame *f)
{
    u64 policy = SYS_ARG0(f);
    return policy > 6 || policy == 4                    ? -E_INVAL
           : policy == SCHED_FIFO || policy == SCHED_RR ? 1
                                                        : 0;
}

long
sys_getcpu(struct user_frame *f)
{
    if (SYS_ARG0(f) != 0 && put_u32(SYS_ARG0(f), lcpu_current()->id) != 0)
        return -E_FAULT;
    return SYS_ARG1(f) != 0 ? put_u32(SYS_ARG1(f), 0) : 0;
}

/* ---- names ---- */
#define NAME_BYTES 65
struct linux_utsname {
    char sysname[NAME_BYTES], nodename[NAME_BYTES], release[NAME_BYTES];
    char version[NAME_BYTES], machine[NAME_BYTES], domainname[NAME_BYTES];
};
/* Programs parse the first two fields to learn what they may use: so they are Linux's. */
static struct linux_utsname names = {
    "Linux", "(none)", "6.1.0-feuerbird", "#1 SMP FeuerBird", "x86_64", "(none)",
};
static struct spinlock names_lock = SPINLOCK_INIT;

long
sys_uname(struct user_frame *f)
{
    struct linux_utsname copy;
    spin_lock(&names_lock);
    copy = names;
    spin_unlock(&names_lock);
    return copy_to_user(SYS_ARG0(f), &copy, sizeof copy);
}

static long
change_name(char *name, uaddr from, u64 length)
{
    char fresh[NAME_BYTES] = { 0 };
    if (!cred_is_root(proc_current()->cred))
        return -E_PERM;
    if (length >= NAME_BYTES)
        return -E_INVAL;
    if (copy_from_user(fresh, from, length) != 0)
        return -E_FAULT;
    spin_lock(&names_lock);
    memcpy(name, fresh, sizeof fresh);
    spin_unlock(&names_lock);
    return 0;
}

long
sys_sethostname(struct user_frame *f)
{
    return change_name(names.nodename, SYS_ARG0(f), SYS_ARG1(f));
}

long
sys_setdomainname(struct user_frame *f)
{
    return change_name(names.domainname, SYS_ARG0(f), SYS_ARG1(f));
}

/* PER_LINUX is the only one; asking is allowed. */
long
sys_personality(struct user_frame *f)
{
    struct process *p = proc_current();
    u32 asked = (u32)SYS_ARG0(f), was = p->personality;
    if (asked == 0xffffffff)
        return was;
    if (asked & ~(PERSONALITY_FIXED | PERSONALITY_READ_EXEC))
        return -E_INVAL; /* Linux keeps any: docs/missing.md */
    p->personality = asked;
    return was;
}

/* ---- the machine ---- */
struct linux_sysinfo {
    i64 uptime;
    u64 loads[3], total, free, shared, buffers, swap, swap_free;
    u16 processes, pad;
    u64 high, high_free;
    u32 unit;
};
_Static_assert(sizeof(struct linux_sysinfo) == 112, "struct sysinfo");

long
sys_sysinfo(struct user_frame *f)
{
    struct page_counts pages;
    page_count(&pages);
    struct linux_sysinfo s;
    memset(&s, 0, sizeof s); /* its padding goes to the user as well */
    u64 loads[3];
    account_load(loads);
    s = (struct linux_sysinfo){
        .uptime = (i64)(clock_mono_ns() / 1000000000),
        .total = pages.total * PAGE_SIZE,
        .free = pages.free * PAGE_SIZE,
        .processes = (u16)proc_count(),
        .loads = { loads[0], loads[1], loads[2] },
        .unit = 1,
    };
    return copy_to_user(SYS_ARG0(f), &s, sizeof s);
}

#define GRND_KNOWN 7u
#define RANDOM_MAX 0x1ffffffull

long
sys_getrandom(struct user_frame *f)
{
    uaddr at = SYS_ARG0(f);
    u64 left = MIN(SYS_ARG1(f), RANDOM_MAX), done = 0;
    if ((SYS_ARG2(f) & ~(u64)GRND_KNOWN) || (SYS_ARG2(f) & 6) == 6)
        return -E_INVAL;
    while (left > 0) {
        u8 block[256];
        u64 n = MIN(left, sizeof block);
        random_bytes(block, n);
        if (copy_to_user(at + done, block, n) != 0)
            return done != 0 ? (long)done : -E_FAULT;
        done += n;
        left -= n;
        if ((done & 0xffff) == 0) {
            if (signal_pending(thread_current()))
                return (long)done;
            thread_breathe();
        }
    }
    return (long)done;
}

#define REBOOT_MAGIC 0xfee1deadu
enum {
    REBOOT_RESTART = 0x01234567,
    REBOOT_HALT = (int)0xcdef0123,
    REBOOT_CAD_ON = (int)0x89abcdef,
    REBOOT_CAD_OFF = 0,
    REBOOT_POWER_OFF = 0x4321fedc,
    REBOOT_RESTART2 = (int)0xa1b2c3d4
};

/* Nothing is cached that a disk would lack: there are no disks yet. */
static NORETURN void
power(enum hw_power op, const char *what)
{
    log_info("reboot: %s", what);
    hw_power(op);
}

long
sys_reboot(struct user_frame *f)
{
    u32 magic2 = (u32)SYS_ARG1(f);
    if (!cred_is_root(proc_current()->cred))
        return -E_PERM;
    if ((u32)SYS_ARG0(f) != REBOOT_MAGIC || (magic2 != 672274793 && magic2 != 85072278 &&
                                             magic2 != 369367448 && magic2 != 537993216))
        return -E_INVAL;
    switch ((int)SYS_ARG2(f)) {
    case REBOOT_RESTART:
    case REBOOT_RESTART2:
        power(HW_POWER_RESET, "Restarting system");
    case REBOOT_HALT:
        power(HW_POWER_HALT, "System halted");
    case REBOOT_POWER_OFF:
        power(HW_POWER_OFF, "Power down");
    case REBOOT_CAD_ON:
    case REBOOT_CAD_OFF:
        return 0; /* no key combination reaches us either way */
    default:
        return -E_INVAL;
    }
}

/* SPDX-License-Identifier: MIT */
/* prctl and arch_prctl. An option that is not here answers EINVAL, as one does that
 * Linux was built without. */
#include "core/fpu.h"
#include "core/string.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/cred.h"
#include "proc/proc.h"
#include "signal/signal.h"

enum {
    PR_SET_PDEATHSIG = 1, PR_GET_PDEATHSIG = 2, PR_GET_DUMPABLE = 3, PR_SET_DUMPABLE = 4,
    PR_GET_KEEPCAPS = 7, PR_SET_KEEPCAPS = 8, PR_GET_TIMING = 13, PR_SET_TIMING = 14,
    PR_SET_NAME = 15, PR_GET_NAME = 16, PR_GET_SECCOMP = 21, PR_CAPBSET_READ = 23,
    PR_CAPBSET_DROP = 24, PR_GET_TSC = 25, PR_SET_TSC = 26, PR_GET_SECUREBITS = 27,
    PR_SET_SECUREBITS = 28, PR_SET_TIMERSLACK = 29, PR_GET_TIMERSLACK = 30,
    PR_MCE_KILL = 33, PR_MCE_KILL_GET = 34,
    PR_SET_CHILD_SUBREAPER = 36, PR_GET_CHILD_SUBREAPER = 37,
    PR_SET_NO_NEW_PRIVS = 38, PR_GET_NO_NEW_PRIVS = 39, PR_GET_TID_ADDRESS = 40,
    PR_CAP_AMBIENT = 47, PR_SET_IO_FLUSHER = 57, PR_GET_IO_FLUSHER = 58
};
#define TSC_ENABLE 1
enum { MCE_KILL_LATE, MCE_KILL_EARLY, MCE_KILL_DEFAULT };

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

enum { AMBIENT_IS_SET = 1, AMBIENT_RAISE, AMBIENT_LOWER, AMBIENT_CLEAR_ALL };

static long
ambient(u64 what, u64 cap, u64 rest)
{
    if (what == AMBIENT_CLEAR_ALL)
        return cap != 0 || rest != 0 ? -E_INVAL : cred_lower_ambient(~0ull);
    if (cap >= CAPABILITIES || rest != 0)
        return -E_INVAL;
    switch (what) {
    case AMBIENT_IS_SET:
        return (cred_own()->ambient & CAP_BIT(cap)) != 0;
    case AMBIENT_RAISE:
        return cred_raise_ambient((enum capability)cap);
    case AMBIENT_LOWER:
        return cred_lower_ambient(CAP_BIT(cap));
    default:
        return -E_INVAL;
    }
}

/* Options of ids and capabilities; false: it is none of them. */
static bool
option_of_rights(struct thread *t, struct user_frame *f, long *result)
{
    u64 arg = SYS_ARG1(f), rest = SYS_ARG2(f) | SYS_ARG3(f) | SYS_ARG4(f);
    switch (SYS_ARG0(f)) {
    case PR_GET_KEEPCAPS:
        *result = (cred_own()->securebits & SECURE_KEEP_CAPS) != 0;
        return true;
    case PR_SET_KEEPCAPS:
        *result = arg > 1 ? -E_INVAL : cred_keep_caps(arg != 0);
        return true;
    case PR_CAPBSET_READ:
        *result = arg < CAPABILITIES ? (cred_own()->bounding >> arg & 1) != 0 : -E_INVAL;
        return true;
    case PR_CAPBSET_DROP:
        *result = !cred_can(cred_own(), CAP_SETPCAP) ? -E_PERM
                  : arg >= CAPABILITIES
                      ? -E_INVAL
                      : cred_drop_bounding((enum capability)arg);
        return true;
    case PR_GET_SECUREBITS:
        *result = cred_own()->securebits;
        return true;
    case PR_SET_SECUREBITS:
        *result = arg > UINT32_MAX ? -E_PERM : cred_set_securebits((u32)arg);
        return true;
    case PR_CAP_AMBIENT:
        *result = ambient(arg, SYS_ARG2(f), SYS_ARG3(f) | SYS_ARG4(f));
        return true;
    case PR_SET_NO_NEW_PRIVS:
        *result = arg != 1 || rest != 0 ? -E_INVAL : 0;
        t->no_new_privs |= *result == 0;
        return true;
    case PR_GET_NO_NEW_PRIVS:
        *result = arg != 0 || rest != 0 ? -E_INVAL : t->no_new_privs;
        return true;
    default:
        return false;
    }
}

/* What to do about memory errors, of which none are reported here: kept and shown. The
 * policy is kept as one more than it is, so that 0 is the default one. */
static long
mce_kill(struct thread *t, u64 what, u64 policy, u64 rest)
{
    if (rest != 0 || what > 1 || (what == 0 && policy != 0) || policy > MCE_KILL_DEFAULT)
        return -E_INVAL;
    t->mce_policy = what == 0 || policy == MCE_KILL_DEFAULT ? 0 : (u8)(policy + 1);
    return 0;
}

static long
mce_kill_shown(const struct thread *t, u64 rest)
{
    if (rest != 0)
        return -E_INVAL;
    return t->mce_policy != 0 ? t->mce_policy - 1 : MCE_KILL_DEFAULT;
}

/* Who writes pages back may use memory that others must leave; nobody does here. */
static long
io_flusher(struct thread *t, bool set, u64 arg, u64 rest)
{
    if (!cred_can(cred_own(), CAP_SYS_RESOURCE))
        return -E_PERM;
    if (rest != 0 || arg > set)
        return -E_INVAL;
    if (!set)
        return t->io_flusher;
    t->io_flusher = arg != 0;
    return 0;
}

/* Options of what this machine has only one way of. */
static long
fixed_option(struct user_frame *f)
{
    u64 arg = SYS_ARG1(f);
    switch (SYS_ARG0(f)) {
    case PR_GET_TIMING:
    case PR_GET_SECCOMP:
        return 0;
    case PR_SET_TIMING:
        return arg == 0 ? 0 : -E_INVAL;
    case PR_GET_TSC:
        return put_u32(arg, TSC_ENABLE);
    case PR_SET_TSC:
        return arg == TSC_ENABLE ? 0 : -E_INVAL;
    default:
        return -E_INVAL;
    }
}

long
sys_prctl(struct user_frame *f)
{
    struct thread *t = thread_current();
    struct process *p = t->process;
    u64 arg = SYS_ARG1(f);
    long result;
    if (option_of_rights(t, f, &result) || memory_option(f, &result))
        return result;
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
    case PR_SET_NAME:
        return set_name(t, arg);
    case PR_GET_NAME:
        return copy_to_user(arg, t->name, sizeof t->name);
    case PR_GET_TIMERSLACK:
        return (long)t->timer_slack_ns;
    case PR_SET_TIMERSLACK:
        t->timer_slack_ns = arg == 0 ? t->default_slack_ns : arg;
        return 0;
    case PR_SET_CHILD_SUBREAPER:
        proc_set_subreaper(p, arg != 0);
        return 0;
    case PR_GET_CHILD_SUBREAPER:
        return put_u32(arg, p->subreaper);
    case PR_MCE_KILL:
        return mce_kill(t, arg, SYS_ARG2(f), SYS_ARG3(f) | SYS_ARG4(f));
    case PR_MCE_KILL_GET:
        return mce_kill_shown(t, arg | SYS_ARG2(f) | SYS_ARG3(f) | SYS_ARG4(f));
    case PR_SET_IO_FLUSHER:
    case PR_GET_IO_FLUSHER:
        return io_flusher(t, SYS_ARG0(f) == PR_SET_IO_FLUSHER, arg,
                          SYS_ARG2(f) | SYS_ARG3(f) | SYS_ARG4(f));
    case PR_GET_TID_ADDRESS:
        return copy_to_user(arg, &t->clear_child_tid, sizeof t->clear_child_tid);
    default:
        return fixed_option(f);
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

/* SPDX-License-Identifier: MIT */
/* System calls of signals, and exceptions of user programs as signals. The frame is
 * sigframe.c's. */
#include "core/clock.h"
#include "core/log.h"
#include "core/string.h"
#include "posix/posix.h"
#include "posix/private.h"
#include "proc/cred.h"
#include "proc/pid.h"
#include "proc/proc.h"
#include "signal/signal.h"

#define SIGSET_BYTES 8u

/* struct sigaction of the kernel's ABI. */
/* The kernel's struct sigaction of x86-64 (sigaction(2)) is struct signal_action, word for word. */
_Static_assert(offsetof(struct signal_action, handler) == 0 &&
                   offsetof(struct signal_action, flags) == 8 &&
                   offsetof(struct signal_action, restorer) == 16 &&
                   offsetof(struct signal_action, mask) == 24 &&
                   sizeof(struct signal_action) == 32,
               "struct sigaction");

/* ---- siginfo ---- */
#define SI_TIMER SIGNAL_CODE_TIMER
#define SI_TKILL (-6)

static bool
is_fault(int number)
{
    return number == SIG_SEGV || number == SIG_BUS || number == SIG_ILL ||
           number == SIG_FPE || number == SIG_TRAP;
}

/* Codes above 0 are the signal's own; SI_* are for all. */
enum siginfo_layout
siginfo_layout(const struct signal_info *info)
{
    if (info->code == SI_TIMER)
        return SIGINFO_TIMER;
    if (info->code <= 0 || info->code >= SIGNAL_CODE_KERNEL)
        return is_fault(info->number) && info->code > 0 ? SIGINFO_FAULT : SIGINFO_SENT;
    if (info->number == SIG_CHLD && info->code <= SIGNAL_CLD_CONTINUED)
        return SIGINFO_CHILD;
    if (is_fault(info->number))
        return SIGINFO_FAULT;
    return info->code <= SIGNAL_POLL_HUP ? SIGINFO_IO : SIGINFO_SENT;
}

/* siginfo_t without its end, which is zero. */
union siginfo_head {
    struct {
        i32 signo, error, code, pad;
        union {
            struct linux_siginfo_sent sent;
            struct linux_siginfo_child child;
            struct linux_siginfo_io io;
            u64 addr;
        } u;
    } info;
    u64 word[6];
};
_Static_assert(sizeof(union siginfo_head) == 48, "siginfo_head");

static inline union siginfo_head
head_of(const struct signal_info *from)
{
    union siginfo_head h = { .word = { 0 } };
    h.info.signo = from->number;
    h.info.error = from->error;
    h.info.code = from->code;
    switch (siginfo_layout(from)) {
    case SIGINFO_CHILD:
        h.info.u.child.pid = from->pid;
        h.info.u.child.uid = from->uid;
        h.info.u.child.status = from->status;
        h.info.u.child.utime = (i64)(clock_ticks_to_ns((u64)from->utime) / 10000000);
        h.info.u.child.stime = (i64)(clock_ticks_to_ns((u64)from->stime) / 10000000);
        break;
    case SIGINFO_FAULT:
        h.info.u.addr = from->addr;
        break;
    case SIGINFO_IO:
        h.info.u.io.band = (i64)from->value;
        h.info.u.io.fd = from->status;
        break;
    case SIGINFO_TIMER: /* pid and uid are the timer's number and its overrun */
    case SIGINFO_SENT:
        h.info.u.sent.pid = from->pid;
        h.info.u.sent.uid = from->uid;
        h.info.u.sent.value = from->value;
        break;
    }
    return h;
}

void
siginfo_to_linux(struct linux_siginfo *to, const struct signal_info *from)
{
    union siginfo_head h = head_of(from);
    memset(to, 0, sizeof *to);
    memcpy(to, &h, sizeof h);
}

bool
siginfo_put(uaddr to, const struct signal_info *from)
{
    union siginfo_head h = head_of(from);
    bool there = true;
#pragma GCC unroll 16
    for (u32 i = 0; i < sizeof(struct linux_siginfo) / 8; i++)
        there = there && user_put64(to + i * 8, i < ARRAY_SIZE(h.word) ? h.word[i] : 0);
    return there;
}

void
siginfo_from_linux(struct signal_info *to, const struct linux_siginfo *from)
{
    memset(to, 0, sizeof *to);
    to->number = from->signo;
    to->error = from->error;
    to->code = from->code;
    to->pid = from->u.sent.pid;
    to->uid = from->u.sent.uid;
    to->value = from->u.sent.value;
}

/* ---- actions and masks ---- */

long
sys_rt_sigaction(struct user_frame *f)
{
    struct signal_action set, old;
    if (SYS_ARG3(f) != SIGSET_BYTES)
        return -E_INVAL;
    if (SYS_ARG1(f) != 0 && copy_from_user(&set, SYS_ARG1(f), sizeof set) != 0)
        return -E_FAULT;
    int error = signal_action_set(proc_current(), (int)SYS_ARG0(f), SYS_ARG1(f) != 0 ? &set : NULL,
                                  SYS_ARG2(f) != 0 ? &old : NULL);
    if (error != 0 || SYS_ARG2(f) == 0)
        return error;
    return copy_to_user(SYS_ARG2(f), &old, sizeof old);
}

#define SIG_BLOCK 0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2

long
sys_rt_sigprocmask(struct user_frame *f)
{
    struct thread *t = thread_current();
    u64 old = t->signal_mask, set;
    if (SYS_ARG3(f) != SIGSET_BYTES)
        return -E_INVAL;
    if (SYS_ARG1(f) != 0) {
        if (copy_from_user(&set, SYS_ARG1(f), sizeof set) != 0)
            return -E_FAULT;
        switch ((int)SYS_ARG0(f)) {
        case SIG_BLOCK:
            signal_mask_set(old | set);
            break;
        case SIG_UNBLOCK:
            signal_mask_set(old & ~set);
            break;
        case SIG_SETMASK:
            signal_mask_set(set);
            break;
        default:
            return -E_INVAL;
        }
    }
    return SYS_ARG2(f) != 0 ? copy_to_user(SYS_ARG2(f), &old, sizeof old) : 0;
}

long
sys_rt_sigpending(struct user_frame *f)
{
    struct thread *t = thread_current();
    u64 set = signal_pending_set(t) & t->signal_mask;
    if (SYS_ARG1(f) > SIGSET_BYTES)
        return -E_INVAL;
    return copy_to_user(SYS_ARG0(f), &set, SYS_ARG1(f));
}

/* Sleep until a signal: only ever ends by one. */
static void
sleep_for_signal(void)
{
    for (;;) {
        thread_prepare(true);
        if (thread_block(~0ull) == -E_INTR)
            return;
    }
}

long
sys_rt_sigsuspend(struct user_frame *f)
{
    struct thread *t = thread_current();
    u64 mask;
    if (SYS_ARG1(f) != SIGSET_BYTES)
        return -E_INVAL;
    if (copy_from_user(&mask, SYS_ARG0(f), sizeof mask) != 0)
        return -E_FAULT;
    t->saved_mask = t->signal_mask;
    t->restore_mask = true;
    signal_mask_set(mask);
    sleep_for_signal();
    return -E_RESTART_NOHAND;
}

long
sys_pause(struct user_frame *f)
{
    (void)f;
    sleep_for_signal();
    return -E_RESTART_NOHAND;
}

/*
 * While it waits the signals of the set are not blocked, so that they wake it;
 * restore_mask makes that senders keep them even if they are ignored, and it is undone
 * before the thread could act on them.
 */
long
sys_rt_sigtimedwait(struct user_frame *f)
{
    struct thread *t = thread_current();
    struct signal_info info;
    u64 set, wait_ns = ~0ull;
    if (SYS_ARG3(f) != SIGSET_BYTES)
        return -E_INVAL;
    if (copy_from_user(&set, SYS_ARG0(f), sizeof set) != 0)
        return -E_FAULT;
    if (SYS_ARG2(f) != 0) {
        int error = timespec_from_user(SYS_ARG2(f), &wait_ns);
        if (error != 0)
            return error;
    }
    set &= ~(SIG_BIT(SIG_KILL) | SIG_BIT(SIG_STOP));
    int number = signal_take(t, set, &info);
    if (number == 0 && wait_ns == 0)
        return -E_AGAIN;
    if (number == 0) {
        u64 mask = t->signal_mask;
        u64 deadline = SYS_ARG2(f) != 0 ? deadline_after(wait_ns) : ~0ull;
        int woken = 0;
        t->saved_mask = mask;
        t->restore_mask = true;
        signal_mask_set(mask & ~set);
        while (woken == 0 && (number = signal_take(t, set, &info)) == 0) {
            thread_prepare(true);
            woken = thread_block(deadline);
        }
        if (number == 0)
            number = signal_take(t, set, &info);
        t->restore_mask = false;
        signal_mask_set(mask);
        if (number == 0)
            return woken == -E_TIMEDOUT ? -E_AGAIN : -E_INTR;
    }
    if (SYS_ARG1(f) != 0) {
        struct linux_siginfo out;
        siginfo_to_linux(&out, &info);
        if (copy_to_user(SYS_ARG1(f), &out, sizeof out) != 0)
            return -E_FAULT;
    }
    return number;
}

/* ---- sending ---- */

static struct signal_info
info_of_sender(int number, int code)
{
    struct process *self = proc_current();
    return (struct signal_info){ .number = number, .code = code, .pid = self->pid,
                                 .uid = cred_own()->uid };
}

void
posix_raise(int number)
{
    struct signal_info info = info_of_sender(number, SIGNAL_CODE_USER);
    signal_send_thread(thread_current(), number, &info);
}

/* The process of this number, or of the thread that has it: a reference, or NULL. */
static struct process *
find_any(i32 pid)
{
    struct process *p = proc_find(pid);
    if (p != NULL)
        return p;
    spin_lock(&pid_lock);
    struct pid_slot *slot = pid_slot_locked(pid);
    if (slot != NULL && slot->thread != NULL) {
        p = slot->thread->process;
        proc_hold(p);
    }
    spin_unlock(&pid_lock);
    return p;
}

struct kill_group {
    int number;
    const struct signal_info *info;
    u32 sent, seen;
};

static bool
kill_one(struct process *p, void *arg)
{
    struct kill_group *k = arg;
    k->seen++;
    if (cred_may_signal(p, k->number) != 0)
        return true;
    k->sent++;
    if (k->number != 0)
        signal_send_process(p, k->number, k->info);
    return true;
}

/* kill(-1): every process but the first and the caller. */
static void
kill_all(struct kill_group *k)
{
    struct process *self = proc_current();
    i32 at = 1;
    for (struct process *p = proc_next(at); p != NULL; p = proc_next(at)) {
        at = p->pid;
        if (p != self)
            kill_one(p, k);
        proc_release(p);
    }
}

long
sys_kill(struct user_frame *f)
{
    i32 pid = (i32)SYS_ARG0(f);
    int number = (int)SYS_ARG1(f);
    if (number < 0 || number > SIG_MAX)
        return -E_INVAL;
    struct signal_info info = info_of_sender(number, SIGNAL_CODE_USER);
    if (pid == proc_current()->pid) { /* it may, and it stays */
        if (number != 0)
            signal_send_process(proc_current(), number, &info);
        return 0;
    }
    if (pid > 0) {
        struct process *p = find_any(pid);
        if (p == NULL)
            return -E_SRCH;
        int error = cred_may_signal(p, number);
        if (error == 0 && number != 0)
            signal_send_process(p, number, &info);
        proc_release(p);
        return error;
    }
    struct kill_group k = { .number = number, .info = &info };
    if (pid == INT32_MIN)
        return -E_SRCH;
    if (pid == -1)
        kill_all(&k);
    else
        proc_each_in_group(-pid, kill_one, &k);
    if (k.seen == 0)
        return -E_SRCH;
    /* To all that one may is not an error when that is nobody. */
    return k.sent == 0 && pid != -1 ? -E_PERM : 0;
}

static long
thread_kill(i32 tgid, i32 tid, int number)
{
    if (tid <= 0 || number < 0 || number > SIG_MAX)
        return -E_INVAL;
    struct signal_info info = info_of_sender(number, SI_TKILL);
    return signal_send_tid(tgid, tid, number, &info,
                           cred_may_signal_locked);
}

long
sys_tkill(struct user_frame *f)
{
    return thread_kill(0, (i32)SYS_ARG0(f), (int)SYS_ARG1(f));
}

long
sys_tgkill(struct user_frame *f)
{
    if ((i32)SYS_ARG0(f) <= 0)
        return -E_INVAL;
    return thread_kill((i32)SYS_ARG0(f), (i32)SYS_ARG1(f), (int)SYS_ARG2(f));
}

/* The sender's siginfo; only to oneself may it look like the system's. */
static int
queue_info(struct signal_info *info, i32 pid, int number, uaddr at)
{
    struct linux_siginfo in;
    if (copy_from_user(&in, at, sizeof in) != 0)
        return -E_FAULT;
    if ((in.code >= 0 || in.code == SI_TKILL) && pid != proc_current()->pid)
        return -E_PERM;
    if (number < 0 || number > SIG_MAX)
        return -E_INVAL;
    siginfo_from_linux(info, &in);
    info->number = number;
    return 0;
}

long
sys_rt_sigqueueinfo(struct user_frame *f)
{
    i32 pid = (i32)SYS_ARG0(f);
    int number = (int)SYS_ARG1(f);
    struct signal_info info;
    int error = queue_info(&info, pid, number, SYS_ARG2(f));
    if (error != 0)
        return error;
    struct process *p = find_any(pid);
    if (p == NULL)
        return -E_SRCH;
    error = cred_may_signal(p, number);
    if (error == 0 && number != 0)
        error = signal_queue_process(p, number, &info);
    proc_release(p);
    return error;
}

long
sys_rt_tgsigqueueinfo(struct user_frame *f)
{
    i32 tgid = (i32)SYS_ARG0(f), tid = (i32)SYS_ARG1(f);
    int number = (int)SYS_ARG2(f);
    struct signal_info info;
    if (tgid <= 0 || tid <= 0)
        return -E_INVAL;
    int error = queue_info(&info, tgid, number, SYS_ARG3(f));
    return error != 0 ? error
                      : signal_send_tid(tgid, tid, number, &info,
                           cred_may_signal_locked);
}

/* ---- exceptions (SDM vol. 3, 6.15) ---- */
#define ILL_ILLOPN 2
#define FPE_INTDIV 1
#define FPE_FLTUNK 14
#define TRAP_BRKPT 1
#define TRAP_TRACE 2
#define BUS_ADRALN 1

static const struct {
    u8 number, code;
    bool at_rip;
} exceptions[32] = {
    [0] = { SIG_FPE, FPE_INTDIV, true },
    [1] = { SIG_TRAP, TRAP_TRACE, true },
    [3] = { SIG_TRAP, SIGNAL_CODE_KERNEL, false },
    [4] = { SIG_SEGV, SIGNAL_CODE_KERNEL, false },
    [5] = { SIG_SEGV, SIGNAL_CODE_KERNEL, false },
    [6] = { SIG_ILL, ILL_ILLOPN, true },
    [11] = { SIG_BUS, SIGNAL_CODE_KERNEL, false },
    [12] = { SIG_BUS, SIGNAL_CODE_KERNEL, false },
    [13] = { SIG_SEGV, SIGNAL_CODE_KERNEL, false },
    [16] = { SIG_FPE, FPE_FLTUNK, true },
    [17] = { SIG_BUS, BUS_ADRALN, false },
    [19] = { SIG_FPE, FPE_FLTUNK, true },
};

void
posix_exception(struct thread *t, struct user_frame *f, unsigned vector, u64 error,
                uaddr address)
{
    (void)address;
    int number = vector < ARRAY_SIZE(exceptions) ? exceptions[vector].number : 0;
    struct signal_info info = { .code = SIGNAL_CODE_KERNEL, .trap = vector,
                                .error_code = (u32)error };
    if (number == 0)
        number = SIG_SEGV;
    else
        info.code = exceptions[vector].code;
    if (vector < ARRAY_SIZE(exceptions) && exceptions[vector].at_rip)
        info.addr = f->rip;
    if (number == SIG_FPE && vector != 0) {
        int code = sigframe_float_code(t, vector);
        info.code = code != 0 ? code : FPE_FLTUNK;
    }
    info.number = number;
    signal_fault_at(t, f, number, &info);
}

/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a handler's result. The way from the gate to the handler and back is
 * core/arch's entry.S, which knows the table of handlers.
 *
 * D1. A handler's result that is not one of -1 .. -(E_MAX - 1) goes to the user as it is.
 * D2. An E_RESTART* makes the thread look at its signals; they decide (posix_restart)
 *     whether the call is made again: then rip goes back over the two bytes of `syscall`
 *     and rax is the number again.
 */
#include "core/hooks.h"
#include "core/log.h"
#include "core/machine.h"
#include "posix/posix.h"
#include "posix/files.h"
#include "posix/private.h"
#include "posix/table.h"
#include "proc/proc.h"
#include "proc/trace.h"
#include "signal/signal.h"

long
posix_call_error(long result)
{
    int error = (int)-result;
    if (error >= E_RESTART) {
        struct thread *t = thread_current();
        t->restart_kind = (u64)error;
        thread_set_work(t, WORK_SIGNAL);
    }
    return -(long)posix_errnos[error];
}

void
posix_restart(struct thread *t, struct user_frame *f, const struct signal_action *action)
{
    u64 kind = t->restart_kind;
    t->restart_kind = 0;
    if (f->orig_rax == ~0ull)
        return; /* not in a call */
    bool again = action == NULL || kind == E_RESTART_ALWAYS ||
                 (kind == E_RESTART && (action->flags & SA_F_RESTART));
    if (!again) {
        f->rax = (u64)-(i64)LINUX_EINTR;
    } else {
        f->rip -= 2;
        f->rax = kind == E_RESTART_BLOCK ? SYS_RESTART_SYSCALL : f->orig_rax;
        machine_user_moved(t, f);
    }
}

/* The call that goes on where another was interrupted: restart[0] is a syscall_fn, the
 * rest are its own. */
long
sys_restart_syscall(struct user_frame *f)
{
    syscall_fn go_on = (syscall_fn)(uintptr_t)thread_current()->restart[0];
    return go_on != NULL ? go_on(f) : -E_INTR;
}

/* family_lock is held.  A call that has looked into the other table already goes on; the
 * table of traced calls leads to call_whole, which is stored first for it. */
static void
trace_calls(bool any)
{
    __atomic_store_n(&libos_hooks.call_whole, any ? posix_call_traced : posix_call_whole,
                     __ATOMIC_RELAXED);
    __atomic_store_n(&libos_hooks.calls, any ? posix_traced_calls : posix_calls,
                     __ATOMIC_RELEASE);
}

void
posix_init(void)
{
    trace_calls_hook = trace_calls;
    libos_hooks.calls = posix_calls;
    libos_hooks.call_count = POSIX_CALLS;
    libos_hooks.call_error = posix_call_error;
    libos_hooks.call_whole = posix_call_whole;
    libos_hooks.exception = posix_exception;
    sigframe_init();
    signal_abi.push = sigframe_push;
    signal_abi.restart = posix_restart;
    futex_init();
    schedule_init();
    sysv_init();
    posix_mq_init();
    rseq_init();
    aio_poll_init();
    posix_files_init();
}

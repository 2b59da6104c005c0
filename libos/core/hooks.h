/* SPDX-License-Identifier: MIT */
/*
 * Hooks: what core calls in the rooms above it. Each room fills in its own at start (from
 * its init function, before
 * the first process exists), so that core includes no upper room. All are called on the
 * current thread's stack.
 */
#ifndef LIBOS_CORE_HOOKS_H
#define LIBOS_CORE_HOOKS_H

#include "core/thread.h"
#include "core/types.h"

struct mmu_space;

struct libos_hooks {
    /* posix: the system calls' handlers by number, and how many. The number (orig_rax) and
     * the arguments are in the frame, the rest of which is not (machine_call_whole); the
     * result goes to the user's rax. A handler that makes the whole frame (exec, sigreturn)
     * sets orig_rax to ~0 and WORK_FULL; then frame->rax is what counts. */
    long (*const *calls)(struct user_frame *f);
    u64 call_count;
    /* A handler's result -1 .. -(E_MAX - 1), or -E_NOSYS: what the user gets. */
    long (*call_error)(long result);
    /* Handlers that need the whole frame: `calls` has machine_call_whole for them, which
     * comes out here. */
    long (*call_whole)(struct user_frame *f);
    /* vm (page faults, vector 14) and signal (others): an exception in the user program.
     * `address` is cr2. May sleep. */
    void (*page_fault)(struct thread *t, struct user_frame *f, u64 error, uaddr address);
    void (*exception)(struct thread *t, struct user_frame *f, unsigned vector, u64 error,
                      uaddr address);
    /* signal: WORK_SIGNAL was set (it is cleared before the call). The frame is
     * whole; frame->rax holds the call's result and orig_rax its number (~0: not in a
     * call). If it changes the frame it sets WORK_FULL, or, in a call, says so with
     * machine_user_moved. */
    void (*signal_work)(struct thread *t, struct user_frame *f);
    /* posix: WORK_RSEQ was set (it is cleared before the call); the frame as in
     * signal_work. */
    void (*rseq_work)(struct thread *t, struct user_frame *f);
    /* proc: WORK_EXIT was set: end this thread; does not return (it ends in
     * thread_exit). */
    void (*exit_work)(struct thread *t);
    /* proc: a sample met thread t, which ran `ticks` (TSC) since the last, in the user's
     * code or not; t is current, no lock is held, must not sleep. */
    void (*tick)(struct thread *t, u64 ticks, bool user);
    /* posix: t ran for longer than was reserved for it, and wants to know; must not
     * sleep. */
    void (*overrun)(struct thread *t);
    /* proc: the thread is off its CPU for good and about to be freed; called on another
     * thread's stack, must not sleep. */
    void (*thread_freed)(struct thread *t);
    /* vm or proc: the space of a process, for thread_create_user. */
    struct mmu_space *(*process_space)(struct process *p);
    /* tty: where log lines go once it is there; NULL: the kernel's console. Must not
     * sleep. */
    void (*console_write)(const char *text, size_t bytes);
    /* vm: the steward asks for something back, or its lists have changed (core/chunk.h);
     * must not sleep. */
    void (*reclaim)(void);
    /* boot: the first process has ended (wait status). Does not return. */
    void (*init_ended)(int status);
};
extern struct libos_hooks libos_hooks;

#endif

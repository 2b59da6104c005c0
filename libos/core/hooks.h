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
    /* posix: a system call; orig_rax and the arguments are in the frame; the result goes
     * to the user's rax.
     * Who changes anything else in the frame (exec, sigreturn) sets WORK_FULL; then
     * frame->rax is what counts and the
     * result is ignored. */
    long (*syscall)(struct thread *t, struct user_frame *f);
    /* vm (page faults, vector 14) and signal (others): an exception in the user program.
     * `address` is cr2. May sleep. */
    void (*page_fault)(struct thread *t, struct user_frame *f, u64 error, uaddr address);
    void (*exception)(struct thread *t, struct user_frame *f, unsigned vector, u64 error,
                      uaddr address);
    /* signal: WORK_SIGNAL was set (it is cleared before the call). frame->rax holds the
     * call's result and orig_rax the call's
     * number (~0: not in a call).  If it changes the frame it sets WORK_FULL. */
    void (*signal_work)(struct thread *t, struct user_frame *f);
    /* proc: WORK_EXIT was set: end this thread; does not return (it ends in
     * thread_exit). */
    void (*exit_work)(struct thread *t);
    /* proc: a sample met thread t, which ran `ticks` (TSC) since the last, in the user's
     * code or not; t is current, no lock is held, must not sleep. */
    void (*tick)(struct thread *t, u64 ticks, bool user);
    /* proc: the thread is off its CPU for good and about to be freed; called on another
     * thread's stack, must not sleep. */
    void (*thread_freed)(struct thread *t);
    /* vm or proc: the space of a process, for thread_create_user. */
    struct mmu_space *(*process_space)(struct process *p);
    /* tty: where log lines go once it is there; NULL: the kernel's console. Must not
     * sleep. */
    void (*console_write)(const char *text, size_t bytes);
    /* boot: the first process has ended (wait status). Does not return. */
    void (*init_ended)(int status);
};
extern struct libos_hooks libos_hooks;

#endif

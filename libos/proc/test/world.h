/* SPDX-License-Identifier: MIT */
/*
 * A small world for host tests of processes: the rooms started, a root file system, and a
 * first process whose "program" is a C function. A program is what thread_frame()->rip
 * names; user_return() is its way through "return to the user".
 */
#ifndef LIBOS_PROC_TEST_WORLD_H
#define LIBOS_PROC_TEST_WORLD_H

#include "core/heap.h"
#include "core/hooks.h"
#include "core/host/host.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/test/check.h"
#include "fs/tmpfs/tmpfs.h"
#include "posix/posix.h"
#include "proc/internal.h"
#include "proc/proc.h"
#include "proc/session.h"
#include "signal/signal.h"
#include "time/vdso.h"
#include "vfs/mount.h"
#include "vfs/vfs.h"
#include "vm/mm.h"

typedef void (*program_fn)(struct thread *t, struct user_frame *f);
static int world_init_status = -1;

static void
world_enter(struct thread *t, struct user_frame *f)
{
    ((program_fn)(uintptr_t)f->rip)(t, f);
    proc_exit_group(0);
}

/* pid 1 ended: in a test that is the end of its thread. */
static void
world_init_ended(int status)
{
    world_init_status = status;
    libos_panic("the first process ended with 0x%x", (unsigned)status);
}

static void
world_start(void)
{
    struct filesystem *fs;
    setvbuf(stdout, NULL, _IONBF, 0);
    host_init(64);
    vdso_init();
    vm_init();
    vfs_init();
    proc_init();
    signal_init();
    posix_init();
    libos_hooks.init_ended = world_init_ended;
    CHECK(tmpfs_create(&fs) == 0);
    CHECK(vfs_mount_root(fs) == 0);
    host_user_entry = world_enter;
}

/* Where the leak checker sees them: it does not look into the stacks of threads. */
static struct fdtable *volatile world_files;

/* The first process; it runs `program` when the caller lets it. */
static struct process *
world_first(program_fn program)
{
    int error = 0;
    struct process *p = process_new(0, &error);
    if (p != NULL)
        process_limits_default(p);
    CHECK(p != NULL && p->pid == 1);
    p->exit_signal = SIG_CHLD;
    p->cred = cred_new();
    p->actions = signal_actions_new();
    CHECK(p->cred != NULL && p->actions != NULL);
    CHECK(mm_create(&p->mm) == 0);
    struct pgroup *g = pgroup_new(p->pid, NULL);
    struct thread *t = thread_create_user(p, NULL);
    CHECK(g != NULL && t != NULL);
    t->tid = p->pid;
    t->fs = fs_context_new();
    CHECK(t->fs != NULL && fdtable_new(&t->files) == 0);
    world_files = t->files;
    thread_frame(t)->rip = (u64)(uintptr_t)program;
    proc_init_process = p;
    proc_hold(p);
    spin_lock(&family_lock);
    process_publish_locked(p, NULL, g);
    g->session->leader = p;
    spin_unlock(&family_lock);
    CHECK(process_add_thread(p, t) == 0);
    thread_start(t);
    return p;
}

/* main sleeps while the tests run in the first process; world_done ends them. */
static struct waitq world_wait = WAITQ_INIT(world_wait);
static bool world_finished;
static inline void
world_run(program_fn program)
{
    world_first(program);
    CHECK(wait_until(&world_wait, world_finished, false, ~0ull) == 0);
}
static inline void
world_done(void)
{
    world_finished = true;
    wait_wake(&world_wait, ~0u);
    for (;;) {
        thread_prepare(false);
        (void)thread_block(~0ull);
    }
}

/* What a thread does on its way to the user. */
static inline void
user_return(void)
{
    struct thread *t = thread_current();
    thread_do_work(t, thread_frame(t));
}

static inline i32
spawn_with(program_fn program, u32 flags, i32 exit_signal)
{
    struct user_frame f = *thread_frame(thread_current());
    struct fork_args args = { .flags = flags, .exit_signal = exit_signal };
    f.rip = (u64)(uintptr_t)program;
    return (i32)proc_fork(&f, &args);
}

static inline i32
spawn(program_fn program)
{
    return spawn_with(program, 0, SIG_CHLD);
}

/* Wait for one child to end; its status. */
static inline i32
reap(i32 pid)
{
    struct wait_report r;
    int got = proc_wait(pid, WAIT_EXITED, &r);
    CHECK(got == 1 && r.pid == pid);
    return r.status;
}

#endif

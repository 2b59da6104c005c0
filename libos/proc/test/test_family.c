/* SPDX-License-Identifier: MIT */
/* Unit tests of fork, exit, wait, groups and sessions, over the host's one vCPU. */
#include "proc/test/world.h"
#include "vm/mm_private.h"

static int ran;

static void
exits_7(struct thread *t, struct user_frame *f)
{
    (void)t;
    CHECK(f->rax == 0);
    ran++;
    proc_exit_group(7 << 8);
}

static void
sleeps(struct thread *t, struct user_frame *f)
{
    (void)t;
    (void)f;
    for (;;) {
        thread_prepare(true);
        (void)thread_block(~0ull);
        user_return();
    }
}

/* Verify that a child runs, that its status comes to its parent once, and that nothing is
 * left of it. */
static void
test_fork_exit_wait_leaves_nothing(void)
{
    struct wait_report r;
    i32 warm = spawn(exits_7);
    CHECK(reap(warm) == 7 << 8);
    host_settle();
    struct host_counts before = host_count();
    u64 pids = pid_in_use();
    i32 pid = spawn(exits_7);
    CHECK(pid > 1 && proc_count() == 2);
    CHECK(proc_wait(-1, WAIT_EXITED | WAIT_NOHANG, &r) == 0);
    CHECK(reap(pid) == 7 << 8);
    CHECK(proc_wait(-1, WAIT_EXITED, &r) == -E_CHILD);
    host_settle();
    CHECK(ran == 2 && proc_count() == 1 && pid_in_use() == pids);
    CHECK(host_count().objects == before.objects && host_count().frames == before.frames);
    atomic_fetch_and(&thread_current()->work, ~WORK_SIGNAL);
}

/* Verify that a wait chooses by pid and by group, and that NOREAP leaves the child to be
 * waited for. */
static void
test_wait_chooses(void)
{
    struct wait_report r;
    i32 a = spawn(exits_7), b = spawn(exits_7), c = spawn(sleeps);
    CHECK(proc_set_pgid(b, b) == 0);
    host_settle();
    CHECK(proc_wait(c, WAIT_EXITED | WAIT_NOHANG, &r) == 0);
    CHECK(proc_wait(-b, WAIT_EXITED | WAIT_NOREAP, &r) == 1 && r.pid == b);
    CHECK(proc_wait(-b, WAIT_EXITED, &r) == 1 && r.pid == b);
    CHECK(proc_wait(-b, WAIT_EXITED, &r) == -E_CHILD);
    CHECK(proc_wait(0, WAIT_EXITED, &r) == 1 && r.pid == a);
    CHECK(proc_wait(a, WAIT_EXITED, &r) == -E_CHILD);
    struct process *p = proc_find(c);
    signal_send_process(p, SIG_KILL, NULL);
    proc_release(p);
    CHECK(reap(c) == SIG_KILL);
    CHECK(proc_find(c) == NULL);
    user_return();
}

/* Verify that a stop and a continue are reported to the parent that asks for them, once
 * each. */
static void
test_stop_and_continue_are_reported(void)
{
    struct wait_report r;
    i32 pid = spawn(sleeps);
    host_settle();
    struct process *p = proc_find(pid);
    signal_send_process(p, SIG_STOP, NULL);
    host_settle();
    CHECK(p->state == PROC_STOPPED);
    CHECK(proc_wait(pid, WAIT_EXITED | WAIT_NOHANG, &r) == 0);
    CHECK(proc_wait(pid, WAIT_EXITED | WAIT_STOPPED, &r) == 1 &&
          r.status == (SIG_STOP << 8 | 0x7f));
    CHECK(proc_wait(pid, WAIT_EXITED | WAIT_STOPPED | WAIT_NOHANG, &r) == 0);
    signal_send_process(p, SIG_CONT, NULL);
    host_settle();
    CHECK(p->state == PROC_ALIVE);
    CHECK(proc_wait(pid, WAIT_CONTINUED, &r) == 1 && r.status == 0xffff);
    signal_send_process(p, SIG_STOP, NULL);
    host_settle();
    signal_send_process(p, SIG_KILL, NULL);
    CHECK(reap(pid) == SIG_KILL);
    proc_release(p);
    user_return();
}

static i32 grandchild;

static void
makes_orphan(struct thread *t, struct user_frame *f)
{
    (void)t;
    (void)f;
    grandchild = spawn(sleeps);
}

/* Verify that an orphan becomes the first process's child, or a subreaper's. */
static void
test_orphans_get_a_parent(void)
{
    i32 pid = spawn(makes_orphan);
    CHECK(reap(pid) == 0);
    struct process *p = proc_find(grandchild);
    CHECK(p != NULL && p->parent == proc_current() && p->ppid == 1);
    signal_send_process(p, SIG_TERM, NULL);
    CHECK(reap(grandchild) == SIG_TERM);
    proc_release(p);
    user_return();
}

/* Verify that children of a process that ignores SIG_CHLD, or says NOCLDWAIT, vanish by
 * themselves. */
static void
test_ignored_children_vanish(void)
{
    struct wait_report r;
    struct signal_action ignore = { .handler = SIG_HANDLER_IGNORE }, old;
    CHECK(signal_action_set(proc_current(), SIG_CHLD, &ignore, &old) == 0);
    i32 pid = spawn(exits_7);
    CHECK(proc_wait(-1, WAIT_EXITED, &r) == -E_CHILD);
    CHECK(proc_find(pid) == NULL);
    CHECK(signal_action_set(proc_current(), SIG_CHLD, &old, NULL) == 0);
}

/* Verify setpgid's and setsid's rules. */
static void
test_groups_follow_posix(void)
{
    i32 a = spawn(sleeps), b = spawn(sleeps);
    CHECK(proc_set_pgid(a, b) == -E_PERM);   /* no such group */
    CHECK(proc_set_pgid(a, a) == 0);
    CHECK(proc_set_pgid(b, a) == 0);
    CHECK(proc_set_pgid(0, 0) == -E_PERM);   /* a session leader */
    CHECK(proc_set_pgid(9999, 0) == -E_SRCH);
    CHECK(proc_set_pgid(-1, 0) == -E_INVAL && proc_set_pgid(0, -1) == -E_INVAL);
    CHECK(proc_set_sid() == -E_PERM);
    CHECK(session_of_group(a) == 1 && session_of_group(b) == -E_SRCH);
    CHECK(!session_group_orphaned(a) == false); /* its parent is the first process */
    CHECK(signal_send_group(a, SIG_KILL, NULL) == 2);
    CHECK(reap(a) == SIG_KILL);
    CHECK(session_of_group(a) == 1); /* b, a zombie, is in it */
    CHECK(reap(b) == SIG_KILL);
    CHECK(session_of_group(a) == -E_SRCH);
    user_return();
}

static int order;

static void
vfork_child(struct thread *t, struct user_frame *f)
{
    (void)t;
    (void)f;
    CHECK(order == 0);
    thread_yield();
    order = 1;
    proc_exit_group(0);
}

/* Verify that vfork's parent goes on only when the child has ended, and that a signal
 * does not disturb it. */
static void
test_vfork_parent_waits(void)
{
    order = 0;
    i32 pid = spawn_with(vfork_child, FORK_VFORK | FORK_SHARE_MM, SIG_CHLD);
    CHECK(order == 1);
    CHECK(reap(pid) == 0);
    user_return();
}

static int threads_ended;

static void
thread_sleeps(struct thread *t, struct user_frame *f)
{
    threads_ended++;
    sleeps(t, f);
}

static void
many_threads(struct thread *t, struct user_frame *f)
{
    (void)t;
    (void)f;
    const u32 flags = FORK_THREAD | FORK_SHARE_MM | FORK_SHARE_FILES | FORK_SHARE_FS |
                      FORK_SHARE_SIGNALS;
    for (int i = 0; i < 5; i++)
        CHECK(spawn_with(thread_sleeps, flags, 0) > 0);
    thread_yield();
    proc_exit_group(3 << 8);
}

/* Verify that the end of a process ends all its threads, and that the parent hears of it
 * once they have gone. */
static void
test_exit_group_ends_threads(void)
{
    struct host_counts before = host_count();
    u64 pids = pid_in_use();
    i32 pid = spawn(many_threads);
    CHECK(reap(pid) == 3 << 8);
    host_settle();
    CHECK(threads_ended == 5);
    CHECK(pid_in_use() == pids);
    user_return();
    CHECK(host_count().objects == before.objects && host_count().frames == before.frames);
}

static void
stopped_job(struct thread *t, struct user_frame *f)
{
    sleeps(t, f);
}

static void
leader_of_jobs(struct thread *t, struct user_frame *f)
{
    (void)t;
    (void)f;
    CHECK(proc_set_sid() > 0);
    grandchild = spawn(stopped_job);
    CHECK(proc_set_pgid(grandchild, grandchild) == 0);
    thread_yield();
    struct process *p = proc_find(grandchild);
    signal_send_process(p, SIG_STOP, NULL);
    while (p->state != PROC_STOPPED)
        thread_yield();
    proc_release(p);
}

/* Verify that a stopped group that becomes orphaned gets SIG_HUP and SIG_CONT. */
static void
test_orphaned_group_is_hung_up(void)
{
    i32 pid = spawn(leader_of_jobs);
    CHECK(reap(pid) == 0);
    CHECK(reap(grandchild) == SIG_HUP);
    user_return();
}

/* Verify that a fork without memory fails at every allocation without a trace. */
static void
test_fork_without_memory_leaves_nothing(void)
{
    u64 pids = pid_in_use();
    mm_spares_drop(); /* who finds no memory lets go of them */
    struct host_counts before = host_count();
    for (u64 n = 0; n < 40; n++) {
        host_fail_heap_after(n);
        i32 pid = spawn(exits_7);
        host_fail_heap_after(~0ull);
        if (pid > 0) {
            CHECK(n > 3 && reap(pid) == 7 << 8);
            break;
        }
        CHECK(pid == -E_NOMEM);
        host_settle();
        mm_spares_drop();
        CHECK(pid_in_use() == pids && host_count().objects == before.objects);
    }
    user_return();
}

/* Verify the rules of setuid and its relatives for root and for others. */
static void
test_ids_follow_posix(void)
{
    struct process *p = proc_current();
    CHECK(cred_set_resuid(1000, 1000, 0) == 0);
    CHECK(cred_set_uid(5) == -E_PERM);
    CHECK(cred_set_groups(NULL) == -E_PERM);
    CHECK(cred_set_uid(0) == 0 && p->cred->uid == 1000 && p->cred->euid == 0);
    CHECK(cred_set_resgid(5, 6, 7) == 0);
    CHECK(cred_set_reuid(1000, 1000) == 0 && p->cred->suid == 1000);
    CHECK(cred_set_reuid(CRED_KEEP, 0) == -E_PERM);
    CHECK(cred_set_regid(6, 5) == 0 && p->cred->sgid == 5);
    CHECK(cred_set_fsuid(0) == 1000 && p->cred->fsuid == 1000);
}

static void
all_tests(struct thread *t, struct user_frame *f)
{
    (void)t;
    (void)f;
    RUN(test_fork_exit_wait_leaves_nothing);
    RUN(test_wait_chooses);
    RUN(test_stop_and_continue_are_reported);
    RUN(test_orphans_get_a_parent);
    RUN(test_ignored_children_vanish);
    RUN(test_groups_follow_posix);
    RUN(test_vfork_parent_waits);
    RUN(test_exit_group_ends_threads);
    RUN(test_orphaned_group_is_hung_up);
    RUN(test_fork_without_memory_leaves_nothing);
    RUN(test_ids_follow_posix);
    world_done();
}

int
main(void)
{
    world_start();
    world_run(all_tests);
    DONE();
}

/* SPDX-License-Identifier: MIT */
/* Unit tests of sending and delivery: masks, ignoring, handlers, restarts, threads. */
#include "proc/test/world.h"

static int pushed[16];
static int npushed;
static u64 mask_pushed;
static int refuse;

static int
fake_push(struct thread *t, struct user_frame *f, int number,
          const struct signal_action *action, const struct signal_info *info, u64 mask)
{
    (void)t;
    (void)f;
    (void)action;
    CHECK(info->number == number);
    if (refuse)
        return -E_FAULT;
    pushed[npushed++ % 16] = number;
    mask_pushed = mask;
    return 0;
}

static void
handle(int number, u64 mask, u64 flags)
{
    struct signal_action a = { .handler = 0x1000, .mask = mask, .flags = flags };
    CHECK(signal_action_set(proc_current(), number, &a, NULL) == 0);
}

static void
kill_self(int number)
{
    signal_send_process(proc_current(), number, NULL);
}

static void
reset(void)
{
    npushed = 0;
    signal_mask_set(0);
    user_return();
    npushed = 0;
}

/* Verify that a handler is entered once, with the mask of before, and blocks its signal
 * and its mask. */
static void
test_handler_blocks_its_mask(void)
{
    handle(SIG_USR1, SIG_BIT(SIG_USR2), 0);
    kill_self(SIG_USR1);
    user_return();
    CHECK(npushed == 1 && pushed[0] == SIG_USR1 && mask_pushed == 0);
    CHECK(thread_current()->signal_mask == (SIG_BIT(SIG_USR1) | SIG_BIT(SIG_USR2)));
    kill_self(SIG_USR1);
    user_return();
    CHECK(npushed == 1);
    signal_mask_set(0);
    user_return();
    CHECK(npushed == 2);
    reset();
}

/* Verify SA_NODEFER and SA_RESETHAND. */
static void
test_handler_flags(void)
{
    struct signal_action a;
    handle(SIG_USR1, 0, SA_F_NODEFER | SA_F_RESETHAND);
    kill_self(SIG_USR1);
    user_return();
    CHECK(npushed == 1 && thread_current()->signal_mask == 0);
    signal_action_get(proc_current(), SIG_USR1, &a);
    CHECK(a.handler == SIG_HANDLER_DEFAULT);
    reset();
}

/* Verify that SIG_KILL and SIG_STOP have no action and no mask. */
static void
test_kill_cannot_be_caught(void)
{
    struct signal_action a = { .handler = 0x1000 };
    CHECK(signal_action_set(proc_current(), SIG_KILL, &a, NULL) == -E_INVAL);
    CHECK(signal_action_set(proc_current(), SIG_STOP, &a, NULL) == -E_INVAL);
    CHECK(signal_action_set(proc_current(), 0, &a, NULL) == -E_INVAL);
    CHECK(signal_action_set(proc_current(), 65, &a, NULL) == -E_INVAL);
    signal_mask_set(~0ull);
    CHECK((thread_current()->signal_mask & (SIG_BIT(SIG_KILL) | SIG_BIT(SIG_STOP))) == 0);
    reset();
}

/* Verify that an ignored signal is dropped, and that one that becomes ignored while it is
 * pending goes. */
static void
test_ignored_signal_is_dropped(void)
{
    struct signal_action ignore = { .handler = SIG_HANDLER_IGNORE };
    CHECK(signal_action_set(proc_current(), SIG_HUP, &ignore, NULL) == 0);
    kill_self(SIG_HUP);
    CHECK(signal_pending_set(thread_current()) == 0);
    handle(SIG_HUP, 0, 0);
    signal_mask_set(SIG_BIT(SIG_HUP));
    kill_self(SIG_HUP);
    CHECK(signal_pending_set(thread_current()) == SIG_BIT(SIG_HUP));
    CHECK(signal_action_set(proc_current(), SIG_HUP, &ignore, NULL) == 0);
    CHECK(signal_pending_set(thread_current()) == 0);
    reset();
}

/* Verify that the first process is not ended by a signal that it does not handle. */
static void
test_first_process_survives(void)
{
    kill_self(SIG_TERM);
    kill_self(SIG_KILL);
    user_return();
    CHECK(signal_pending_set(thread_current()) == 0);
}

/* Verify that stop signals and SIG_CONT take each other out of the queues. */
static void
test_stop_and_continue_cancel(void)
{
    handle(SIG_TSTP, 0, 0);
    handle(SIG_CONT, 0, 0);
    signal_mask_set(SIG_BIT(SIG_TSTP) | SIG_BIT(SIG_CONT));
    kill_self(SIG_TSTP);
    kill_self(SIG_CONT);
    CHECK(signal_pending_set(thread_current()) == SIG_BIT(SIG_CONT));
    kill_self(SIG_TSTP);
    CHECK(signal_pending_set(thread_current()) == SIG_BIT(SIG_TSTP));
    reset();
}

/* Verify what an interrupted call gives: each kind with and without a handler that says
 * SA_RESTART. */
static void
test_restart_follows_signal7(void)
{
    static const struct {
        u64 kind;
        bool none, plain, restart; /* is it made again? */
    } cases[] = {
        { E_RESTART, true, false, true },
        { E_RESTART_NOHAND, true, false, false },
        { E_RESTART_ALWAYS, true, true, true },
        { E_RESTART_BLOCK, true, false, false },
    };
    struct thread *t = thread_current();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (int with = 0; with < 3; with++) {
            struct user_frame f = { .orig_rax = 35, .rip = 0x1002, .rax = (u64)-4 };
            struct signal_action a = { .handler = 1,
                                       .flags = with == 2 ? SA_F_RESTART : 0 };
            t->restart_kind = cases[i].kind;
            signal_abi.restart(t, &f, with == 0 ? NULL : &a);
            bool again = with == 0   ? cases[i].none
                         : with == 1 ? cases[i].plain
                                     : cases[i].restart;
            CHECK(f.rip == (again ? 0x1000u : 0x1002u));
            u64 number = cases[i].kind == E_RESTART_BLOCK ? 219 : 35;
            CHECK(f.rax == (again ? number : (u64)-4));
            CHECK(t->restart_kind == 0);
        }
    }
    reset();
}

/* Verify that sigsuspend's mask is put back: into the handler's frame, or at once when no
 * handler ran. */
static void
test_saved_mask_comes_back(void)
{
    struct thread *t = thread_current();
    handle(SIG_USR1, 0, 0);
    signal_mask_set(SIG_BIT(SIG_USR2));
    t->saved_mask = t->signal_mask;
    t->restore_mask = true;
    signal_mask_set(0);
    kill_self(SIG_USR1);
    user_return();
    CHECK(npushed == 1 && mask_pushed == SIG_BIT(SIG_USR2) && !t->restore_mask);
    signal_mask_set(0);
    t->saved_mask = SIG_BIT(SIG_USR2);
    t->restore_mask = true;
    thread_set_work(t, WORK_SIGNAL);
    user_return();
    CHECK(t->signal_mask == SIG_BIT(SIG_USR2));
    reset();
}

static void
has_bad_stack(struct thread *t, struct user_frame *f)
{
    (void)t;
    (void)f;
    refuse = 1;
    handle(SIG_USR1, 0, 0);
    kill_self(SIG_USR1);
    user_return();
    CHECK(false);
}

static void
faults_blocked(struct thread *t, struct user_frame *f)
{
    (void)t;
    (void)f;
    handle(SIG_SEGV, 0, 0);
    signal_mask_set(SIG_BIT(SIG_SEGV));
    signal_fault(SIG_SEGV, NULL);
    user_return();
    CHECK(false);
}

/* Verify that a frame that cannot be written, and a fault while it is blocked, end the
 * process by SIG_SEGV. */
static void
test_fault_that_cannot_be_handled_ends(void)
{
    i32 pid = spawn(has_bad_stack);
    CHECK(reap(pid) == SIG_SEGV);
    refuse = 0;
    pid = spawn(faults_blocked);
    CHECK(reap(pid) == SIG_SEGV);
    reset();
}

/* Verify that a signal to a thread is that thread's, and that a dead thread's number
 * finds nobody. */
static void
test_send_tid_finds_threads(void)
{
    struct thread *t = thread_current();
    handle(SIG_USR2, 0, 0);
    CHECK(signal_send_tid(1, t->tid, SIG_USR2, NULL, NULL) == 0);
    CHECK(t->signal_pending == SIG_BIT(SIG_USR2));
    CHECK(signal_send_tid(2, t->tid, SIG_USR2, NULL, NULL) == -E_SRCH);
    CHECK(signal_send_tid(0, 31000, SIG_USR2, NULL, NULL) == -E_SRCH);
    user_return();
    CHECK(npushed == 1);
    reset();
}

/* Verify that a limit on queued signals refuses sigqueue's real-time ones only. */
static void
test_queue_limit(void)
{
    struct process *p = proc_current();
    struct signal_info info = { .code = -1 };
    handle(40, 0, 0);
    signal_mask_set(SIG_BIT(40) | SIG_BIT(SIG_USR1));
    u64 soft = p->limits[11].soft;
    p->limits[11].soft = 2;
    CHECK(signal_queue_process(p, 40, &info) == 0 &&
          signal_queue_process(p, 40, &info) == 0);
    CHECK(signal_queue_process(p, 40, &info) == -E_AGAIN);
    CHECK(signal_queue_process(p, SIG_USR1, &info) == 0);
    CHECK(p->signals_queued == 2);
    p->limits[11].soft = soft;
    signal_mask_set(0);
    user_return();
    signal_mask_set(0);
    user_return();
    CHECK(p->signals_queued == 0);
    reset();
}

static void
all_tests(struct thread *t, struct user_frame *f)
{
    (void)t;
    (void)f;
    RUN(test_handler_blocks_its_mask);
    RUN(test_handler_flags);
    RUN(test_kill_cannot_be_caught);
    RUN(test_ignored_signal_is_dropped);
    RUN(test_first_process_survives);
    RUN(test_stop_and_continue_cancel);
    RUN(test_restart_follows_signal7);
    RUN(test_saved_mask_comes_back);
    RUN(test_fault_that_cannot_be_handled_ends);
    RUN(test_send_tid_finds_threads);
    RUN(test_queue_limit);
    world_done();
}

int
main(void)
{
    world_start();
    signal_abi.push = fake_push;
    world_run(all_tests);
    DONE();
}

/* SPDX-License-Identifier: MIT */
/*
 * ptrace and stops of whole processes: tracees that were stopped before, several threads,
 * what the tracer and the parent are told of it.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include "tracee.h"

static volatile int *shared; /* 0: go on; 1, 2: counted by threads; 3, 4: their numbers */

static void *
count(void *arg)
{
    int which = (int)(intptr_t)arg;
    shared[which + 2] = (int)syscall(SYS_gettid);
    while (!shared[0])
        shared[which]++;
    return NULL;
}

static int
count_alone(void)
{
    count((void *)1);
    return 6;
}

static int
count_together(void)
{
    pthread_t t;
    CHECK(pthread_create(&t, NULL, count, (void *)2) == 0);
    count((void *)1);
    CHECK(pthread_join(t, NULL) == 0);
    return 6;
}

static pid_t
counting_child(int (*act)(void), int threads)
{
    for (int i = 0; i < 5; i++)
        shared[i] = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(act());
    while (shared[1] == 0 || (threads == 2 && shared[2] == 0))
        sched_yield();
    return child;
}

static void
check_counts(int which)
{
    int before = shared[which];
    while (shared[which] == before)
        sched_yield();
}

static void
check_stands(int which)
{
    int before = shared[which];
    usleep(20000);
    CHECK(shared[which] == before);
}

static void
stop_it(pid_t child)
{
    int status;
    CHECK(kill(child, SIGSTOP) == 0);
    CHECK(waitpid(child, &status, WUNTRACED) == child);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
}

static void
end_it(pid_t child)
{
    shared[0] = 1;
    CHECK_EXIT(child, 6);
}

/* What wait has to say of it at once: from bit 8 on; 0: nothing. */
static int
told_now(pid_t pid)
{
    int status = 0;
    pid_t r = waitpid(pid, &status, __WALL | WNOHANG);
    CHECK(r == 0 || (r == pid && WIFSTOPPED(status)));
    return status >> 8;
}

/* Verify that who attaches to a stopped process holds it at once, sees the stop, and then
 * the SIGSTOP that attaching sends; the process is stopped again when that was delivered. */
static void
test_attach_when_stopped_then_held_at_once(void)
{
    for (int detaches = 0; detaches < 2; detaches++) {
        pid_t child = counting_child(count_alone, 1);
        stop_it(child);
        CHECK(state_of(child) == 'T');
        CHECK(ptrace(PTRACE_ATTACH, child, 0, 0) == 0);
        CHECK(told_now(child) == SIGSTOP);
        CHECK(state_of(child) == 't');
        CHECK(registers_of(child).rip != 0);
        check_stands(1);
        if (!detaches) {
            go_on(PTRACE_CONT, child, 0);
            CHECK_STOP(child, SIGSTOP); /* that of attaching */
            go_on(PTRACE_CONT, child, 0);
            check_counts(1); /* a tracer's will is stronger than the stop */
            CHECK(kill(child, SIGCONT) == 0);
            CHECK_STOP(child, SIGCONT);
        }
        go_on(PTRACE_DETACH, child, 0);
        if (detaches) {
            until_state(child, 'T');
            check_stands(1);
            CHECK(kill(child, SIGCONT) == 0);
        }
        check_counts(1);
        end_it(child);
    }
}

/* Verify that SEIZE of a stopped process tells its stop, and that it stays stopped when the
 * tracer leaves, or goes on when SIGCONT comes. */
static void
test_seize_when_stopped_then_stop_is_told_and_stays(void)
{
    for (int listens = 0; listens < 2; listens++) {
        pid_t child = counting_child(count_alone, 1);
        stop_it(child);
        seize(child, 0);
        CHECK(told_now(child) == GROUP_STOP(SIGSTOP));
        if (listens) {
            go_on(PTRACE_LISTEN, child, 0);
            check_stands(1);
            CHECK(told_now(child) == 0);
            CHECK(ptrace(PTRACE_INTERRUPT, child, 0, 0) == 0);
            CHECK_STOP(child, GROUP_STOP(SIGSTOP));
            go_on(PTRACE_LISTEN, child, 0);
            CHECK(kill(child, SIGCONT) == 0);
            CHECK_STOP(child, EVENT(PTRACE_EVENT_STOP));
            go_on(PTRACE_CONT, child, 0);
            CHECK_STOP(child, SIGCONT);
        }
        go_on(PTRACE_DETACH, child, 0);
        if (!listens) {
            until_state(child, 'T');
            check_stands(1);
            CHECK(kill(child, SIGCONT) == 0);
        }
        check_counts(1);
        end_it(child);
    }
}

/* Verify that a tracer may leave a process that runs stopped. */
static void
test_detach_when_given_sigstop_then_stopped_for_parent(void)
{
    pid_t child = counting_child(count_alone, 1);
    CHECK(ptrace(PTRACE_ATTACH, child, 0, 0) == 0);
    CHECK_STOP(child, SIGSTOP);
    go_on(PTRACE_DETACH, child, SIGSTOP);
    int status;
    CHECK(waitpid(child, &status, WUNTRACED) == child);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    check_stands(1);
    CHECK(state_of(child) == 'T' && kill(child, SIGCONT) == 0);
    check_counts(1);
    end_it(child);
}

/* ---- several threads ---- */

/* Both threads tell this, in any order; before that, one of them may tell `first` (0: none),
 * and is given `gives` for that. */
static void
check_both(pid_t child, int what, int first, int gives)
{
    int seen[2] = { 0, 0 };
    while (!seen[0] || !seen[1]) {
        int status;
        pid_t pid = waitpid(-1, &status, __WALL);
        CHECK(pid == child || pid == shared[4]);
        int which = pid != child;
        if (first != 0 && WIFSTOPPED(status) && status >> 8 == first) {
            go_on(PTRACE_CONT, pid, gives);
            first = 0;
            continue;
        }
        if (status >> 8 != what)
            dprintf(2, "# status 0x%x, not 0x%x\n", status, what << 8 | 0x7f);
        CHECK(WIFSTOPPED(status) && status >> 8 == what && !seen[which]);
        seen[which] = 1;
    }
}

/* Verify that each thread of a tracee tells of a stop and of its end, and that none runs
 * between. */
static void
test_group_stop_when_several_threads_then_each_is_told(void)
{
    pid_t child = counting_child(count_together, 2);
    siginfo_t info;
    CHECK(setpgid(child, child) == 0); /* no orphan: SIGTSTP stops it */
    seize(child, 0);
    seize(shared[4], 0);
    CHECK(kill(child, SIGTSTP) == 0);
    check_both(child, GROUP_STOP(SIGTSTP), SIGTSTP, SIGTSTP);
    for (int i = 0; i < 2; i++) {
        pid_t pid = i ? shared[4] : child;
        CHECK(ptrace(PTRACE_GETSIGINFO, pid, 0, &info) == 0);
        CHECK(info.si_code == GROUP_STOP(SIGTSTP) && info.si_signo == SIGTSTP);
        go_on(PTRACE_LISTEN, pid, 0);
        check_stands(1);
        check_stands(2);
    }
    CHECK(told_now(child) == 0 && told_now(shared[4]) == 0);
    CHECK(kill(child, SIGCONT) == 0);
    check_both(child, EVENT(PTRACE_EVENT_STOP), 0, 0);
    go_on(PTRACE_CONT, child, 0);
    go_on(PTRACE_CONT, shared[4], 0);
    int status;
    pid_t pid = waitpid(-1, &status, __WALL);
    CHECK((pid == child || pid == shared[4]) && status >> 8 == SIGCONT);
    go_on(PTRACE_DETACH, pid, 0);
    check_counts(1);
    check_counts(2);
    pid = pid == child ? shared[4] : child;
    CHECK(ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0);
    CHECK_STOP(pid, EVENT(PTRACE_EVENT_STOP));
    go_on(PTRACE_DETACH, pid, 0);
    end_it(child);
}

/* Verify that the parent hears of the stop of a process when its tracers have seen it, and
 * of a thread that is traced among others that are not. */
static void
test_group_stop_when_one_of_two_is_traced_then_parent_hears_once(void)
{
    pid_t child = counting_child(count_together, 2);
    int go[2], status;
    CHECK(pipe(go) == 0);
    pid_t tracer = fork();
    if (tracer == 0) {
        pid_t tid = shared[4];
        char c;
        seize(tid, 0);
        CHECK(write(go[1], "s", 1) == 1);
        CHECK_STOP(tid, SIGSTOP);
        usleep(20000);
        go_on(PTRACE_CONT, tid, SIGSTOP);
        CHECK_STOP(tid, GROUP_STOP(SIGSTOP));
        go_on(PTRACE_LISTEN, tid, 0);
        CHECK_STOP(tid, EVENT(PTRACE_EVENT_STOP));
        go_on(PTRACE_DETACH, tid, 0);
        CHECK(read(go[0], &c, 1) == 1);
        _exit(c == 'e' ? 0 : 1);
    }
    char c;
    CHECK(read(go[0], &c, 1) == 1 && c == 's');
    CHECK(syscall(SYS_tgkill, child, shared[4], SIGSTOP) == 0);
    CHECK(waitpid(child, &status, WUNTRACED) == child);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    check_stands(1);
    check_stands(2);
    CHECK(waitpid(child, &status, WUNTRACED | WNOHANG) == 0);
    CHECK(kill(child, SIGCONT) == 0);
    CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
    check_counts(1);
    check_counts(2);
    CHECK(write(go[1], "e", 1) == 1);
    CHECK_EXIT(tracer, 0);
    end_it(child);
}

int
main(void)
{
    shared = shared_words();
    RUN(test_attach_when_stopped_then_held_at_once, ptrace, wait4);
    RUN(test_seize_when_stopped_then_stop_is_told_and_stays, ptrace);
    RUN(test_detach_when_given_sigstop_then_stopped_for_parent, ptrace, wait4);
    RUN(test_group_stop_when_several_threads_then_each_is_told, ptrace);
    RUN(test_group_stop_when_one_of_two_is_traced_then_parent_hears_once, ptrace, wait4);
    return check_failures != 0;
}

/* SPDX-License-Identifier: MIT */
/* ptrace and execve by a thread that is not its process's first. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tracee.h"

static volatile int *shared; /* 0: go on; 2, 3: the second and third thread's numbers */

static int stays; /* which of the first and third thread are there: bits */

static void *
stay(void *arg)
{
    shared[3] = (int)syscall(SYS_gettid);
    for (;;)
        pause();
    return arg;
}

static void *
exec_self(void *arg)
{
    shared[2] = (int)syscall(SYS_gettid);
    while (!shared[0])
        sched_yield();
    CHECK(prctl(PR_SET_NAME, "second") == 0);
    execl("/proc/thread-self/exe", "test", "pid", NULL); /* the first may have ended */
    _exit(100);
    return arg;
}

static int
exec_by_thread(void)
{
    pthread_t second, third;
    CHECK(pthread_create(&second, NULL, exec_self, NULL) == 0);
    CHECK((stays & 2) == 0 || pthread_create(&third, NULL, stay, NULL) == 0);
    if ((stays & 1) == 0)
        pthread_exit(NULL);
    for (;;)
        pause();
}

static pid_t
child_with_threads(int which)
{
    for (int i = 0; i < 4; i++)
        shared[i] = 0;
    stays = which;
    pid_t child = fork();
    if (child == 0)
        _exit(exec_by_thread());
    while (shared[2] == 0 || ((which & 2) != 0 && shared[3] == 0))
        sched_yield();
    return child;
}

/* Verify that exec by another thread is told of the process's number, with the thread's old
 * number; the first thread's end is not told, those of others are. */
static void
test_exec_when_by_other_thread_then_old_number_is_told(void)
{
    for (int which = 0; which < 4; which++) {
        pid_t child = child_with_threads(which), tid = shared[2], third = shared[3];
        bool third_ended = (which & 2) == 0, executed = false;
        int status;
        seize(tid, PTRACE_O_TRACEEXEC);
        if ((which & 1) != 0)
            seize(child, PTRACE_O_TRACEEXEC);
        if (third != 0)
            seize(third, 0);
        shared[0] = 1;
        while (!executed || !third_ended) {
            pid_t pid = waitpid(-1, &status, __WALL);
            if (pid == third && third != 0) {
                CHECK(!WIFSTOPPED(status) && !third_ended);
                third_ended = true;
                continue;
            }
            CHECK(pid == child && !executed);
            CHECK(WIFSTOPPED(status) && status >> 8 == EVENT(PTRACE_EVENT_EXEC));
            CHECK(message_of(child) == (unsigned long)tid);
            executed = true;
        }
        CHECK_ERROR(ptrace(PTRACE_CONT, tid, 0, 0), ESRCH);
        CHECK_ERROR(waitpid(tid, &status, __WALL | WNOHANG), ECHILD);
        go_on(PTRACE_CONT, child, 0);
        status = wait_for(child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 8);
    }
}

/* Verify that the first thread's end is told where it was asked for, even if it is held. */
static void
test_exec_when_first_thread_tells_its_exit_then_waits_for_it(void)
{
    for (int held = 0; held < 2; held++) {
        pid_t child = child_with_threads(1), tid = shared[2];
        int status;
        seize(tid, PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT);
        seize(child, PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT);
        if (held) {
            CHECK(ptrace(PTRACE_INTERRUPT, child, 0, 0) == 0);
            CHECK_STOP(child, EVENT(PTRACE_EVENT_STOP));
        }
        shared[0] = 1;
        CHECK_STOP(child, EVENT(PTRACE_EVENT_EXIT));
        usleep(10000);
        CHECK(waitpid(-1, &status, __WALL | WNOHANG) == 0);
        go_on(PTRACE_CONT, child, 0);
        CHECK_STOP(child, EVENT(PTRACE_EVENT_EXEC));
        CHECK(message_of(child) == (unsigned long)tid);
        go_on(PTRACE_CONT, child, 0);
        CHECK_STOP(child, EVENT(PTRACE_EVENT_EXIT));
        CHECK(message_of(child) == 8 << 8);
        go_on(PTRACE_CONT, child, 0);
        status = wait_for(child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 8);
    }
}

int
main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) /* what is executed */
        return syscall(SYS_gettid) == getpid() ? 8 : 9;
    shared = shared_words();
    RUN(test_exec_when_by_other_thread_then_old_number_is_told, ptrace, execve);
    RUN(test_exec_when_first_thread_tells_its_exit_then_waits_for_it, ptrace, execve);
    return check_failures != 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * ptrace and ends: a tracee's end by SIGKILL is told before it happens, and a tracer's end
 * lets all go that it holds, or ends them if it was asked for that.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdbool.h>
#include <sys/syscall.h>

#include "tracee.h"

static volatile int *shared; /* 0: go on; 1, 2: counted; 3: the second thread's number */

static void *
count(void *arg)
{
    int which = (int)(intptr_t)arg;
    if (which == 2)
        shared[3] = (int)syscall(SYS_gettid);
    for (;;)
        shared[which]++;
    return NULL;
}

static void
count_together(void)
{
    pthread_t t;
    CHECK(pthread_create(&t, NULL, count, (void *)2) == 0);
    count((void *)1);
}

static void
sleep_long(void)
{
    shared[1] = shared[2] = 1;
    for (;;)
        pause();
}

static pid_t
started_child(void (*act)(void))
{
    for (int i = 0; i < 4; i++)
        shared[i] = 0;
    pid_t child = fork();
    if (child == 0) {
        act();
        _exit(1);
    }
    while (shared[1] == 0 || shared[2] == 0)
        sched_yield();
    return child;
}

static void
check_end_is_told(pid_t pid)
{
    siginfo_t info;
    CHECK_STOP(pid, EVENT(PTRACE_EVENT_EXIT));
    CHECK(message_of(pid) == SIGKILL);
    CHECK(ptrace(PTRACE_GETSIGINFO, pid, 0, &info) == 0);
    CHECK(info.si_code == EVENT(PTRACE_EVENT_EXIT));
    CHECK(registers_of(pid).rsp != 0); /* it is still all there */
    errno = 0;
    CHECK(ptrace(PTRACE_PEEKDATA, pid, &check_failures, 0) != -1 || errno == 0);
}

static void
check_killed(pid_t pid)
{
    int status = wait_for(pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

enum { RUNS, SLEEPS, IS_HELD, WAYS };

/* Verify that who is killed tells of its end, and is there until the tracer lets it go. */
static void
test_exit_event_when_killed_then_told_before_the_end(void)
{
    for (int how = 0; how < WAYS; how++) {
        pid_t child = started_child(how == RUNS ? count_together : sleep_long);
        int status;
        seize(child, PTRACE_O_TRACEEXIT);
        if (how == IS_HELD) {
            CHECK(ptrace(PTRACE_INTERRUPT, child, 0, 0) == 0);
            CHECK_STOP(child, EVENT(PTRACE_EVENT_STOP));
        }
        CHECK(kill(child, SIGKILL) == 0);
        check_end_is_told(child);
        usleep(10000);
        CHECK(waitpid(child, &status, WNOHANG) == 0);
        go_on(PTRACE_CONT, child, 0);
        check_killed(child);
    }
}

/* Verify that all threads of a killed process tell of their ends. */
static void
test_exit_event_when_threads_are_killed_then_each_tells(void)
{
    pid_t child = started_child(count_together), tid = shared[3];
    int status;
    seize(child, PTRACE_O_TRACEEXIT);
    seize(tid, PTRACE_O_TRACEEXIT);
    CHECK(kill(child, SIGKILL) == 0);
    check_end_is_told(tid);
    check_end_is_told(child);
    go_on(PTRACE_CONT, child, 0);
    usleep(10000);
    CHECK(waitpid(child, &status, WNOHANG) == 0); /* not before the last thread */
    go_on(PTRACE_CONT, tid, 0);
    check_killed(tid);
    check_killed(child);
}

/* ---- ends of tracers ---- */

static volatile int handled;
static void
on_signal(int number)
{
    handled = number;
}

static int
after_signal(void)
{
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    return handled == SIGUSR1 ? 5 : 1;
}

static int
status_of(pid_t child)
{
    int status;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int
fork_one(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(5);
    return status_of(child);
}

static int
vfork_one(void)
{
    pid_t child = vfork();
    if (child == 0)
        _exit(5);
    return status_of(child);
}

static void *
end_at_once(void *arg)
{
    return arg;
}

static int
clone_one(void)
{
    pthread_t t;
    void *r = NULL;
    return pthread_create(&t, NULL, end_at_once, (void *)5) == 0 &&
                   pthread_join(t, &r) == 0 ? (int)(intptr_t)r : 1;
}

static int
exec_one(void)
{
    execl("/proc/self/exe", "test", "5", NULL);
    return 1;
}

static int
ask(void)
{
    return syscall(SYS_getppid) == getppid() ? 5 : 1;
}

static int
quit(void)
{
    return 5;
}

static const struct {
    int (*act)(void);
    long options;
    int what; /* where the tracer leaves it */
} places[] = {
    { fork_one, PTRACE_O_TRACEFORK, EVENT(PTRACE_EVENT_FORK) },
    { vfork_one, PTRACE_O_TRACEVFORK, EVENT(PTRACE_EVENT_VFORK) },
    { vfork_one, PTRACE_O_TRACEVFORKDONE, EVENT(PTRACE_EVENT_VFORK_DONE) },
    { clone_one, PTRACE_O_TRACECLONE, EVENT(PTRACE_EVENT_CLONE) },
    { exec_one, PTRACE_O_TRACEEXEC, EVENT(PTRACE_EVENT_EXEC) },
    { quit, PTRACE_O_TRACEEXIT, EVENT(PTRACE_EVENT_EXIT) },
    { ask, PTRACE_O_TRACESYSGOOD, MARKED_CALL },
    /* The last is for who is killed alone: ptrace(2) says that the signal is delivered when the
     * tracer has gone, and Linux 6.1 drops what the tracer had waited for. */
    { after_signal, 0, SIGUSR1 },
};
#define PLACES (sizeof places / sizeof places[0])
enum { EXITS, IS_KILLED, THREAD_ENDS, ENDS };

/* Seizes the child and lets it go on to its place, which it says. */
static void
hold_at(pid_t child, size_t place, bool kills)
{
    int request = places[place].what == MARKED_CALL ? PTRACE_SYSCALL : PTRACE_CONT;
    seize(child, places[place].options | (kills ? PTRACE_O_EXITKILL : 0));
    CHECK(ptrace(PTRACE_INTERRUPT, child, 0, 0) == 0);
    CHECK_STOP(child, EVENT(PTRACE_EVENT_STOP));
    shared[0] = 1;
    go_on(request, child, 0);
    CHECK_STOP(child, places[place].what);
    shared[1] = 1;
}

struct held {
    pid_t child;
    size_t place;
    bool kills;
};

static void *
hold_by_thread(void *arg)
{
    struct held *h = arg;
    hold_at(h->child, h->place, h->kills);
    return NULL;
}

static _Noreturn void
be_tracer(struct held h, int end)
{
    pthread_t t;
    if (end == THREAD_ENDS) {
        CHECK(pthread_create(&t, NULL, hold_by_thread, &h) == 0);
        CHECK(pthread_join(t, NULL) == 0);
        for (;;)
            pause(); /* the process lives on */
    }
    hold_at(h.child, h.place, h.kills);
    while (end == IS_KILLED)
        pause();
    _exit(0);
}

static void
check_tracer_ends(size_t place, bool kills, int end)
{
    shared[0] = shared[1] = 0;
    pid_t child = fork();
    if (child == 0) {
        while (!shared[0])
            sched_yield();
        _exit(places[place].act());
    }
    pid_t tracer = fork();
    if (tracer == 0)
        be_tracer((struct held){ child, place, kills }, end);
    while (!shared[1])
        sched_yield();
    if (end == IS_KILLED)
        CHECK(kill(tracer, SIGKILL) == 0);
    int status = check_wait(child);
    /* Who was about to end with 5 is not killed any more. */
    bool ended = WIFEXITED(status) && WEXITSTATUS(status) == 5;
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    bool right = kills && places[place].act != quit ? killed : ended;
    if (!right)
        dprintf(2, "# place %zu, kills %d, end %d: status 0x%x\n", place, kills, end, status);
    CHECK(right);
    if (end == THREAD_ENDS)
        CHECK(kill(tracer, SIGKILL) == 0);
    status = check_wait(tracer);
    CHECK(end == EXITS ? WIFEXITED(status) && WEXITSTATUS(status) == 0 : WIFSIGNALED(status));
}

/* Verify that a tracee goes on from wherever its tracer left it, with what it has made. */
static void
test_tracer_when_it_ends_then_held_one_goes_on(void)
{
    for (size_t place = 0; place < PLACES - 1; place++)
        for (int end = 0; end < ENDS; end++)
            check_tracer_ends(place, false, end);
}

static void
test_tracer_when_it_ends_then_held_one_is_killed_if_asked(void)
{
    for (size_t place = 0; place < PLACES; place++)
        for (int end = 0; end < ENDS; end++)
            check_tracer_ends(place, true, end);
}

int
main(int argc, char **argv)
{
    if (argc > 1)
        return atoi(argv[1]);
    shared = shared_words();
    RUN(test_exit_event_when_killed_then_told_before_the_end, ptrace, kill);
    RUN(test_exit_event_when_threads_are_killed_then_each_tells, ptrace, kill);
    RUN(test_tracer_when_it_ends_then_held_one_goes_on, ptrace);
    RUN(test_tracer_when_it_ends_then_held_one_is_killed_if_asked, ptrace);
    return check_failures != 0;
}

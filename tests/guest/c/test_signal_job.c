/* SPDX-License-Identifier: MIT */
/* Stopping and going on, groups, sessions, and who may signal whom. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

static volatile sig_atomic_t count;

static void
note(int number)
{
    (void)number;
    count++;
}

static pid_t
sleeper(void)
{
    pid_t child = fork();

    if (child == 0)
        for (;;)
            pause();
    CHECK(child > 0);
    return child;
}

static int
change(pid_t child, int options)
{
    int status = -1;
    pid_t got = waitpid(child, &status, options | WNOHANG);

    for (int i = 0; i < 300 && got == 0; i++) {
        usleep(1000);
        got = waitpid(child, &status, options | WNOHANG);
    }
    return got == child ? status : -1;
}

static void
test_stop_signals_when_default_then_stop_and_continue(void)
{
    static const int stops[] = { SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU };

    for (int i = 0; i < 4; i++) {
        pid_t child = sleeper();
        /* Its parent is of the same session, but of another group: not orphaned. */
        CHECK(setpgid(child, child) == 0);
        CHECK(kill(child, stops[i]) == 0);
        int status = change(child, WUNTRACED);
        CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == stops[i]);
        CHECK(kill(child, SIGTERM) == 0); /* waits for the end of the stop */
        CHECK(change(child, WUNTRACED) == -1);
        CHECK(kill(child, SIGCONT) == 0);
        CHECK_SIGNAL(child, SIGTERM);
        child = sleeper();
        CHECK(kill(child, SIGSTOP) == 0 && change(child, WUNTRACED) != -1);
        CHECK(kill(child, SIGKILL) == 0); /* does not wait */
        CHECK_SIGNAL(child, SIGKILL);
    }
}

static void
test_stop_when_group_is_orphaned_then_only_sigstop(void)
{
    pid_t child = fork();

    if (child == 0) {
        CHECK(setsid() > 0); /* its only member, and its parent is elsewhere */
        CHECK(raise(SIGTSTP) == 0 && raise(SIGTTIN) == 0 && raise(SIGTTOU) == 0);
        _exit(7);
    }
    CHECK_EXIT(child, 7);
    child = fork();
    if (child == 0) {
        CHECK(setsid() > 0);
        raise(SIGSTOP);
        _exit(8);
    }
    CHECK(WIFSTOPPED(change(child, WUNTRACED)));
    CHECK(kill(child, SIGCONT) == 0);
    CHECK_EXIT(child, 8);
}

static void
test_orphaned_group_when_stopped_then_hup_and_cont(void)
{
    int ends[2];
    char answer[2];

    CHECK(pipe(ends) == 0);
    if (fork() == 0) {
        pid_t child = fork();
        if (child == 0) {
            CHECK(setpgid(0, 0) == 0);
            sigset_t set;
            int number;
            sigemptyset(&set);
            sigaddset(&set, SIGHUP);
            sigprocmask(SIG_BLOCK, &set, NULL);
            raise(SIGSTOP);
            CHECK(sigwait(&set, &number) == 0 && number == SIGHUP);
            CHECK(write(ends[1], "h", 1) == 1);
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
        _exit(0); /* the group is orphaned now */
    }
    CHECK(wait(NULL) > 0);
    struct pollfd p = { .fd = ends[0], .events = POLLIN };
    CHECK(poll(&p, 1, 10000) == 1 && read(ends[0], answer, 1) == 1 && answer[0] == 'h');
}

static void
test_cont_and_stop_when_pending_then_cancel_each_other(void)
{
    sigset_t set, pending;

    sigemptyset(&set);
    sigaddset(&set, SIGTSTP);
    sigaddset(&set, SIGCONT);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    signal(SIGCONT, note);
    CHECK(raise(SIGTSTP) == 0 && sigpending(&pending) == 0);
    CHECK(sigismember(&pending, SIGTSTP));
    CHECK(raise(SIGCONT) == 0 && sigpending(&pending) == 0);
    CHECK(sigismember(&pending, SIGCONT) && !sigismember(&pending, SIGTSTP));
    CHECK(raise(SIGTSTP) == 0 && sigpending(&pending) == 0);
    CHECK(!sigismember(&pending, SIGCONT) && sigismember(&pending, SIGTSTP));
}

static void
test_stop_when_threads_or_handler_then_cont_runs_handler(void)
{
    pid_t child = fork();

    if (child == 0) {
        signal(SIGCONT, note);
        raise(SIGSTOP);
        _exit(count == 1 ? 0 : 1);
    }
    CHECK(WIFSTOPPED(change(child, WUNTRACED)));
    CHECK(kill(child, SIGCONT) == 0);
    CHECK_EXIT(child, 0);
}

static void
test_kill_when_to_a_group_then_all_of_it(void)
{
    pid_t child[3];

    for (int i = 0; i < 3; i++) {
        child[i] = sleeper();
        CHECK(setpgid(child[i], child[0]) == 0);
    }
    CHECK(kill(-child[0], 0) == 0);
    CHECK(kill(-child[0], SIGTERM) == 0);
    for (int i = 0; i < 3; i++)
        CHECK_SIGNAL(child[i], SIGTERM);
    CHECK_ERROR(kill(-child[0], 0), ESRCH);
    child[0] = fork();
    if (child[0] == 0) {
        CHECK(setpgid(0, 0) == 0);
        if (fork() == 0)
            for (;;)
                pause();
        kill(0, SIGTERM); /* the own group */
        pause();
    }
    CHECK_SIGNAL(child[0], SIGTERM);
}

static void
test_kill_when_arguments_are_wrong_then_errors(void)
{
    CHECK_ERROR(kill(getpid(), 65), EINVAL);
    CHECK_ERROR(kill(getpid(), -1), EINVAL);
    CHECK_ERROR(kill(0x3fffffff, 0), ESRCH);
    CHECK_ERROR(kill(-0x3fffffff, SIGTERM), ESRCH);
    CHECK_ERROR(kill((pid_t)0x80000000, SIGTERM), ESRCH);
    CHECK(kill(getpid(), 0) == 0);
}

static void
become(uid_t uid)
{
    CHECK(syscall(SYS_setresuid, uid, uid, uid) == 0);
}

static void
test_kill_when_of_another_user_then_eperm_but_cont_in_the_session(void)
{
    pid_t target = fork(), child;

    if (target == 0) {
        become(1001);
        for (;;)
            pause();
    }
    usleep(30000);
    child = fork();
    if (child == 0) {
        become(1002);
        CHECK_ERROR(kill(target, SIGTERM), EPERM);
        CHECK_ERROR(kill(target, 0), EPERM);
        CHECK_ERROR(kill(1, SIGTERM), EPERM);
        CHECK_ERROR(syscall(SYS_tgkill, target, target, SIGTERM), EPERM);
        CHECK(kill(target, SIGCONT) == 0);
        CHECK(kill(getpid(), 0) == 0);
        CHECK(setsid() > 0);
        CHECK_ERROR(kill(target, SIGCONT), EPERM);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    child = fork();
    if (child == 0) {
        CHECK(syscall(SYS_setresuid, 1001, 1003, 1003) == 0); /* real user fits */
        CHECK(kill(target, SIGTERM) == 0);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK_SIGNAL(target, SIGTERM);
}

static void
test_kill_when_to_all_then_not_to_oneself(void)
{
    pid_t child = fork();

    if (child == 0) {
        become(4242);
        pid_t own = fork();
        if (own == 0)
            for (;;)
                pause();
        usleep(20000);
        CHECK(kill(-1, SIGTERM) == 0);
        CHECK_SIGNAL(own, SIGTERM);
        CHECK(kill(-1, SIGTERM) == 0); /* there are others, though none that it may */
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

static void
test_init_when_signalled_then_protected(void)
{
    CHECK(kill(1, SIGKILL) == 0);
    CHECK(kill(1, SIGSTOP) == 0);
    usleep(20000);
    CHECK(kill(1, 0) == 0);
    pid_t child = fork(); /* orphans still find a parent */
    if (child == 0) {
        if (fork() == 0) {
            for (int i = 0; i < 1000 && getppid() != 1; i++)
                usleep(1000);
            _exit(0);
        }
        _exit(0);
    }
    CHECK_EXIT(child, 0);
}

static void
test_pipe_and_file_size_when_exceeded_then_their_signals(void)
{
    struct rlimit limit = { 10, 10 };
    int ends[2], file;

    CHECK(pipe(ends) == 0 && close(ends[0]) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(write(ends[1], "x", 1) == 1);
    CHECK_SIGNAL(child, SIGPIPE);
    signal(SIGPIPE, note);
    CHECK_ERROR(write(ends[1], "x", 1), EPIPE);
    CHECK(count == 1);
    sigset_t set;
    siginfo_t got;
    struct timespec none = { 0, 0 };
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK_ERROR(write(ends[1], "x", 1), EPIPE);
    CHECK(sigtimedwait(&set, &got, &none) == SIGPIPE);
    CHECK(got.si_code == SI_USER && got.si_pid == getpid());
    mkdir("/tmp", 01777);
    char name[] = "/tmp/sizeXXXXXX";
    file = mkstemp(name);
    CHECK(file >= 0 && unlink(name) == 0 && setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHECK(write(file, "0123456789abc", 13) == 10);
    signal(SIGXFSZ, note);
    CHECK_ERROR(write(file, "x", 1), EFBIG);
    CHECK(count == 2);
}

static void
test_vfork_when_child_is_signalled_then_parent_goes_on(void)
{
    static volatile pid_t child;

    child = vfork();
    if (child == 0) {
        kill(getpid(), SIGKILL);
        _exit(0);
    }
    CHECK_SIGNAL(child, SIGKILL);
}

/* Waits for any child: of five children the first, third and last are told of. */
static void
each_once(const pid_t *children, int options, int (*is)(int status))
{
    int seen[5] = { 0 }, status;

    for (int i = 0; i < 3; i++) {
        pid_t got = waitpid(-1, &status, options);

        for (int j = 0; j < 5; j++)
            seen[j] += got == children[j];
        CHECK(is(status));
    }
    CHECK(seen[0] == 1 && seen[2] == 1 && seen[4] == 1);
    CHECK(waitpid(-1, &status, options | WNOHANG) == 0);
}

static int
was_stopped(int status)
{
    return WIFSTOPPED(status);
}

static int
went_on(int status)
{
    return WIFCONTINUED(status);
}

static int
was_killed(int status)
{
    return WIFSIGNALED(status);
}

static void
test_wait_any_when_some_change_then_each_of_them_is_told_once(void)
{
    static const struct {
        int signal, options, (*is)(int);
    } steps[] = { { SIGSTOP, WUNTRACED, was_stopped },
                  { SIGCONT, WCONTINUED, went_on },
                  { SIGSTOP, WUNTRACED | WCONTINUED, was_stopped },
                  { SIGKILL, WUNTRACED | WCONTINUED, was_killed } };
    pid_t children[5];

    for (int i = 0; i < 5; i++)
        children[i] = sleeper();
    for (int step = 0; step < 4; step++) {
        for (int i = 0; i < 5; i += 2)
            CHECK(kill(children[i], steps[step].signal) == 0);
        each_once(children, steps[step].options, steps[step].is);
    }
    /* A stop that nobody asks for does not hide an end. */
    CHECK(kill(children[1], SIGSTOP) == 0 && kill(children[3], SIGKILL) == 0);
    CHECK(waitpid(-1, NULL, 0) == children[3]);
    CHECK(kill(children[1], SIGKILL) == 0 && waitpid(-1, NULL, 0) == children[1]);
    CHECK(waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
}

int
main(void)
{
    RUN(test_stop_signals_when_default_then_stop_and_continue, kill, wait4);
    RUN(test_stop_when_group_is_orphaned_then_only_sigstop, kill, setsid);
    RUN(test_orphaned_group_when_stopped_then_hup_and_cont, setpgid);
    RUN(test_cont_and_stop_when_pending_then_cancel_each_other, rt_sigpending);
    RUN(test_stop_when_threads_or_handler_then_cont_runs_handler, kill);
    RUN(test_kill_when_to_a_group_then_all_of_it, kill, setpgid);
    RUN(test_kill_when_arguments_are_wrong_then_errors, kill);
    RUN(test_kill_when_of_another_user_then_eperm_but_cont_in_the_session, kill, tgkill);
    RUN(test_kill_when_to_all_then_not_to_oneself, kill);
    RUN(test_init_when_signalled_then_protected, kill);
    RUN(test_pipe_and_file_size_when_exceeded_then_their_signals, write, setrlimit);
    RUN(test_vfork_when_child_is_signalled_then_parent_goes_on, vfork);
    RUN(test_wait_any_when_some_change_then_each_of_them_is_told_once, wait4);
    return check_failures != 0;
}

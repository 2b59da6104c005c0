/* SPDX-License-Identifier: MIT */
/* clone's and clone3's flags, unshare, waitid, reapers, ioprio. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "check.h"

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ull
#endif

struct args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

static long
clone3(uint64_t flags, uint64_t exit_signal)
{
    struct args a = { .flags = flags, .exit_signal = exit_signal };
    return syscall(SYS_clone3, &a, sizeof a);
}

static long
clone_flags(unsigned long flags)
{
    return syscall(SYS_clone, flags, 0, 0, 0, 0);
}

/* Verify that impossible combinations are refused. */
static void
test_impossible_flags_are_refused(void)
{
    CHECK_ERROR(clone_flags(CLONE_SIGHAND | SIGCHLD), EINVAL);
    CHECK_ERROR(clone_flags(CLONE_THREAD | SIGCHLD), EINVAL);
    CHECK_ERROR(clone_flags(CLONE_THREAD | CLONE_VM | SIGCHLD), EINVAL);
    CHECK_ERROR(clone_flags(CLONE_NEWNS | CLONE_FS | SIGCHLD), EINVAL);
    CHECK_ERROR(clone3(CLONE_CLEAR_SIGHAND | CLONE_SIGHAND | CLONE_VM, SIGCHLD), EINVAL);
    CHECK_ERROR(clone3(0, 65), EINVAL);
    CHECK_ERROR(clone3(17, 0), EINVAL);
    CHECK_ERROR(clone3(CLONE_PARENT, SIGCHLD), EINVAL);
    struct args a = { .exit_signal = SIGCHLD, .stack = 4096 };
    CHECK_ERROR(syscall(SYS_clone3, &a, sizeof a), EINVAL);
    CHECK_ERROR(syscall(SYS_clone3, &a, 63), EINVAL);
    CHECK_ERROR(syscall(SYS_clone3, &a, 5000), E2BIG);
    CHECK_ERROR(syscall(SYS_clone3, (void *)8, sizeof a), EFAULT);
}

struct full_args {
    struct args first;
    uint64_t set_tid, set_tid_size, cgroup, unknown;
};

static long
clone_numbered(pid_t *number, uint64_t levels, uint64_t flags)
{
    struct full_args a = { .first = { .flags = flags, .exit_signal = SIGCHLD } };
    a.set_tid = (uintptr_t)number;
    a.set_tid_size = levels;
    return syscall(SYS_clone3, &a, sizeof a);
}

/* Verify that a child gets the number that was chosen for it, and that impossible and taken
 * ones are refused. */
static void
test_chosen_number(void)
{
    pid_t numbers[2] = { 29999, 29998 }, wrong = 0, all = 1 << 30, first = 1;
    struct full_args unknown = { .first.exit_signal = SIGCHLD, .unknown = 1 };
    for (int i = 0; i < 2; i++) {
        long child = clone_numbered(&numbers[0], 1, 0);
        if (child == 0)
            _exit(getpid() == 29999 ? 3 : 4);
        CHECK(child == 29999);
        CHECK_ERROR(clone_numbered(&numbers[0], 1, 0), EEXIST); /* a zombie, at least */
        CHECK_EXIT((pid_t)child, 3);
    }
    pid_t next = fork();
    if (next == 0)
        _exit(0);
    CHECK(next != 29999 && next != 30000);
    CHECK_EXIT(next, 0);
    CHECK_ERROR(clone_numbered(&first, 1, 0), EEXIST);
    CHECK_ERROR(clone_numbered(&wrong, 1, 0), EINVAL);
    CHECK_ERROR(clone_numbered(&all, 1, 0), EINVAL);
    CHECK_ERROR(clone_numbered(numbers, 2, 0), EINVAL); /* there is one level */
    CHECK_ERROR(clone_numbered(NULL, 1, 0), EINVAL);
    CHECK_ERROR(clone_numbered(numbers, 0, 0), EINVAL);
    CHECK_ERROR(clone_numbered(numbers, 1ull << 40, 0), EINVAL);
    CHECK_ERROR(clone_numbered((pid_t *)8, 1, 0), EFAULT);
    CHECK_ERROR(syscall(SYS_clone3, &unknown, sizeof unknown), E2BIG);
    next = fork();
    if (next == 0) {
        CHECK(setresuid(1000, 1000, 1000) == 0);
        CHECK_ERROR(clone_numbered(&numbers[0], 1, 0), EPERM);
        CHECK_ERROR(clone_numbered(&wrong, 1, 0), EINVAL);
        _exit(0);
    }
    CHECK_EXIT(next, 0);
}

/* Verify that a stack must be whole and lie in the program's half, and that clone takes
 * any signal for the child's end, of which no other than the known ones is sent. */
static void
test_stack_and_end(void)
{
    struct args a = { .exit_signal = SIGCHLD, .stack = -4096ull, .stack_size = 8192 };
    CHECK_ERROR(syscall(SYS_clone3, &a, sizeof a), EINVAL);
    a.stack = 4096;
    a.stack_size = -4096ull;
    CHECK_ERROR(syscall(SYS_clone3, &a, sizeof a), EINVAL);
    long child = clone_flags(100);
    if (child == 0)
        _exit(6);
    CHECK(child > 0);
    CHECK_ERROR(waitpid((pid_t)child, NULL, 0), ECHILD); /* it is a clone */
    int status;
    CHECK(waitpid((pid_t)child, &status, __WCLONE) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 6);
}

/* Verify that with CLONE_PARENT the child is the caller's sibling. */
static void
test_clone_parent_makes_a_sibling(void)
{
    int to_parent[2];
    pid_t sibling, middle;
    CHECK(pipe(to_parent) == 0);
    middle = fork();
    if (middle == 0) {
        pid_t parent = getppid();
        long child = clone_flags(CLONE_PARENT | SIGCHLD);
        if (child == 0) {
            CHECK(getppid() == parent);
            _exit(9);
        }
        CHECK(write(to_parent[1], &child, sizeof sibling) == sizeof sibling);
        CHECK_ERROR(waitpid((pid_t)child, NULL, 0), ECHILD);
        _exit(0);
    }
    CHECK(read(to_parent[0], &sibling, sizeof sibling) == sizeof sibling);
    CHECK_EXIT(middle, 0);
    CHECK_EXIT(sibling, 9);
}

static void
nothing(int number)
{
    (void)number;
}

/* Verify that handlers go and ignored signals stay. */
static void
test_clear_sighand_resets_handlers(void)
{
    signal(SIGUSR1, nothing);
    signal(SIGUSR2, SIG_IGN);
    long child = clone3(CLONE_CLEAR_SIGHAND, SIGCHLD);
    if (child == 0) {
        struct sigaction a;
        CHECK(sigaction(SIGUSR1, NULL, &a) == 0 && a.sa_handler == SIG_DFL);
        CHECK(sigaction(SIGUSR2, NULL, &a) == 0 && a.sa_handler == SIG_IGN);
        _exit(0);
    }
    CHECK_EXIT((pid_t)child, 0);
    struct sigaction a;
    CHECK(sigaction(SIGUSR1, NULL, &a) == 0 && a.sa_handler == nothing);
}

/* Verify what CLONE_FS and CLONE_FILES share, and that unshare ends it. */
static void
test_shared_things_can_be_unshared(void)
{
    CHECK(chdir("/") == 0);
    long child = clone_flags(CLONE_FS | CLONE_FILES | SIGCHLD);
    if (child == 0) {
        CHECK(chdir("/dev") == 0 && dup2(1, 77) == 77);
        CHECK(syscall(SYS_unshare, CLONE_FS | CLONE_FILES) == 0);
        CHECK(chdir("/") == 0 && close(77) == 0);
        umask(0123);
        _exit(0);
    }
    CHECK_EXIT((pid_t)child, 0);
    char where[64];
    CHECK(getcwd(where, sizeof where) != NULL && strcmp(where, "/dev") == 0);
    CHECK(fcntl(77, F_GETFD) == 0);
    CHECK(umask(022) != 0123);
    CHECK(syscall(SYS_unshare, 0) == 0);
    CHECK_ERROR(syscall(SYS_unshare, 1), EINVAL);
}

/* Verify who may make namespaces, and that the class of ioprio_set has three bits. */
static void
test_rights_are_asked_before_what_is_there(void)
{
    static const int kinds[] = { CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID,
                                 CLONE_NEWNET, CLONE_NEWCGROUP };
    CHECK(syscall(SYS_ioprio_set, 1, 0, 8 << 13) == 0);
    CHECK(syscall(SYS_ioprio_set, 1, 0, (2 << 13) | 4) == 0);
    CHECK_ERROR(syscall(SYS_ioprio_set, 1, 0, 4 << 13), EINVAL);
    CHECK(setresuid(1000, 1000, 1000) == 0);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        CHECK_ERROR(syscall(SYS_unshare, kinds[i]), EPERM);
    CHECK_ERROR(syscall(SYS_unshare, CLONE_NEWNS | 1), EINVAL);
}

/* Verify the errors of swapon and swapoff: rights first, then the path, then the file. */
static void
test_swap_when_nothing_is_fit_then_error(void)
{
    int file = open("/tmp/swap", O_CREAT | O_RDWR | O_TRUNC, 0600);
    CHECK(file >= 0 && ftruncate(file, 1 << 16) == 0 && close(file) == 0);
    CHECK_ERROR(syscall(SYS_swapoff, "/nosuch"), ENOENT);
    CHECK_ERROR(syscall(SYS_swapoff, "/tmp/swap"), EINVAL);
    CHECK_ERROR(syscall(SYS_swapoff, "/tmp/swap/x"), ENOTDIR);
    CHECK_ERROR(syscall(SYS_swapoff, (char *)1), EFAULT);
    CHECK_ERROR(syscall(SYS_swapon, "/nosuch", 0), ENOENT);
    CHECK_ERROR(syscall(SYS_swapon, "/tmp/swap", 0), EINVAL);
    CHECK_ERROR(syscall(SYS_swapon, "/dev/null", 0), EINVAL);
    CHECK_ERROR(syscall(SYS_swapon, "/tmp/swap", 0x80000), EINVAL);
    CHECK(unlink("/tmp/swap") == 0 && setresuid(1000, 1000, 1000) == 0);
    CHECK_ERROR(syscall(SYS_swapoff, "/nosuch"), EPERM);
    CHECK_ERROR(syscall(SYS_swapon, "/nosuch", 0), EPERM);
}

/* Verify that descendants which were there before become the reaper's as well. */
static void
test_reaper_gets_old_descendants(void)
{
    int ready[2];
    pid_t grandchild, reaper = getpid();
    CHECK(pipe(ready) == 0);
    pid_t child = fork();
    if (child == 0) {
        grandchild = fork();
        if (grandchild == 0) {
            while (getppid() != reaper)
                usleep(1000);
            _exit(7);
        }
        CHECK(write(ready[1], &grandchild, sizeof grandchild) == sizeof grandchild);
        for (;;)
            pause();
    }
    CHECK(read(ready[0], &grandchild, sizeof grandchild) == sizeof grandchild);
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
    kill(child, SIGKILL);
    CHECK_SIGNAL(child, SIGKILL);
    CHECK_EXIT(grandchild, 7);
}

/* Verify waitid's report, that it can be had twice, and its errors. */
static void
test_waitid_reports(void)
{
    siginfo_t i;
    pid_t child = fork();
    if (child == 0)
        _exit(42);
    CHECK(waitid(P_PID, (id_t)child, &i, WEXITED | WNOWAIT) == 0);
    CHECK(i.si_pid == child && i.si_status == 42 && i.si_code == CLD_EXITED &&
          i.si_signo == SIGCHLD);
    memset(&i, 0xff, sizeof i);
    CHECK(waitid(P_PGID, 0, &i, WEXITED) == 0 && i.si_pid == child);
    CHECK_ERROR(waitid(P_ALL, 0, &i, WEXITED), ECHILD);
    CHECK_ERROR(waitid(P_ALL, 0, &i, 0), EINVAL);
    CHECK_ERROR(waitid(P_ALL, 0, &i, WEXITED | 0x100), EINVAL);
    CHECK_ERROR(waitid(17, 0, &i, WEXITED), EINVAL);
    CHECK_ERROR(waitid(P_PID, 0, &i, WEXITED), EINVAL);
    CHECK_ERROR(waitid(3, 1000, &i, WEXITED), EBADF);
    child = fork();
    if (child == 0)
        for (;;)
            pause();
    memset(&i, 0xff, sizeof i);
    CHECK(waitid(P_ALL, 0, &i, WEXITED | WNOHANG) == 0 && i.si_pid == 0 && i.si_signo == 0);
    kill(child, SIGSTOP);
    CHECK(waitid(P_ALL, 0, &i, WSTOPPED) == 0 && i.si_code == CLD_STOPPED &&
          i.si_status == SIGSTOP);
    kill(child, SIGCONT);
    CHECK(waitid(P_ALL, 0, &i, WCONTINUED) == 0 && i.si_code == CLD_CONTINUED);
    kill(child, SIGTERM);
    CHECK(waitid(P_ALL, 0, &i, WEXITED) == 0 && i.si_code == CLD_KILLED &&
          i.si_status == SIGTERM);
}

/* Verify that only who asks for it waits for a child that sends no SIGCHLD. */
static void
test_wait_chooses_clones(void)
{
    signal(SIGUSR2, SIG_IGN); /* before the child can end */
    long child = clone_flags(SIGUSR2);
    if (child == 0)
        _exit(3);
    CHECK_ERROR(waitpid((pid_t)child, NULL, 0), ECHILD);
    int status;
    CHECK(waitpid((pid_t)child, &status, __WCLONE) == child && WEXITSTATUS(status) == 3);
    child = clone_flags(0);
    if (child == 0)
        _exit(4);
    CHECK(waitpid((pid_t)child, &status, __WALL) == child && WEXITSTATUS(status) == 4);
}

/* Verify that the priority of input and output is kept and inherited. */
static void
test_ioprio_is_kept(void)
{
    CHECK(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(syscall(SYS_ioprio_get, 1, 0) != (2 << 13 | 6));
    CHECK_EXIT(child, 0);
    CHECK(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 8) == 0);
    CHECK_ERROR(syscall(SYS_ioprio_set, 1, 0, 1), EINVAL);
    CHECK_ERROR(syscall(SYS_ioprio_set, 1, 0, 5 << 13), EINVAL);
    CHECK_ERROR(syscall(SYS_ioprio_set, 9, 0, 2 << 13), EINVAL);
    CHECK_ERROR(syscall(SYS_ioprio_get, 1, 99999999), ESRCH);
    CHECK(syscall(SYS_setresuid, 55, 55, 55) == 0);
    CHECK_ERROR(syscall(SYS_ioprio_set, 1, 0, 1 << 13), EPERM);
}

int
main(void)
{
    RUN(test_impossible_flags_are_refused, clone, clone3);
    RUN(test_chosen_number, clone3);
    RUN(test_stack_and_end, clone, clone3);
    RUN(test_clone_parent_makes_a_sibling, clone);
    RUN(test_clear_sighand_resets_handlers, clone3);
    RUN(test_shared_things_can_be_unshared, clone, unshare);
    RUN(test_rights_are_asked_before_what_is_there, unshare, ioprio_set);
    RUN(test_swap_when_nothing_is_fit_then_error, swapon, swapoff);
    RUN(test_reaper_gets_old_descendants, prctl);
    RUN(test_waitid_reports, waitid);
    RUN(test_wait_chooses_clones, clone, wait4);
    RUN(test_ioprio_is_kept, ioprio_get, ioprio_set);
    return check_failures != 0;
}

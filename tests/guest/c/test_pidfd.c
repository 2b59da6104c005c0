/* SPDX-License-Identifier: MIT */
/* Descriptors of processes: pidfd_open, CLONE_PIDFD, waiting, polling, signals, getfd. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "check.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#define PIDFD 0x1000ull

struct args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

static int
pidfd_open(pid_t pid, unsigned flags)
{
    return (int)syscall(SYS_pidfd_open, pid, flags);
}

static int
pidfd_signal(int fd, int number, siginfo_t *info, unsigned flags)
{
    return (int)syscall(SYS_pidfd_send_signal, fd, number, info, flags);
}

static int
pidfd_getfd(int pidfd, int fd, unsigned flags)
{
    return (int)syscall(SYS_pidfd_getfd, pidfd, fd, flags);
}

/* A child that waits for a signal. */
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

static void
end(pid_t child)
{
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitpid(child, NULL, 0) == child);
}

static short
look(int fd, int wait_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
    CHECK(poll(&p, 1, wait_ms) >= 0);
    return p.revents;
}

/* Verify that a directory /proc/PID is as good a name for a signal as a pidfd. */
static void
test_send_by_directory(void)
{
    char name[64];
    int status;
    pid_t child = sleeper();
    snprintf(name, sizeof name, "/proc/%d", child);
    int dir = open(name, O_RDONLY | O_DIRECTORY), path = open(name, O_PATH);
    CHECK(dir >= 0 && path >= 0);
    strcat(name, "/task");
    int task = open(name, O_RDONLY | O_DIRECTORY);
    snprintf(name, sizeof name, "/proc/%d/task/%d", child, child);
    int thread = open(name, O_RDONLY | O_DIRECTORY);
    CHECK(pidfd_signal(dir, 0, NULL, 0) == 0);
    CHECK_ERROR(pidfd_signal(path, 0, NULL, 0), EBADF);
    CHECK_ERROR(pidfd_signal(task, 0, NULL, 0), EBADF);
    CHECK_ERROR(pidfd_signal(thread, 0, NULL, 0), EBADF);
    CHECK_ERROR(pidfd_getfd(dir, 0, 0), EBADF);
    CHECK(pidfd_signal(dir, SIGTERM, NULL, 0) == 0);
    CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGTERM);
    CHECK_ERROR(pidfd_signal(dir, 0, NULL, 0), ESRCH);
    CHECK(close(dir) == 0 && close(path) == 0 && close(task) == 0 && close(thread) == 0);
}

static pid_t other_tid;
static volatile int go;

static void *
tell_tid(void *arg)
{
    other_tid = (pid_t)syscall(SYS_gettid);
    go = 1;
    while (go != 2)
        sched_yield();
    return arg;
}

/* Verify pidfd_open's result and its errors. */
static void
test_open(void)
{
    pthread_t t;
    int fd = pidfd_open(getpid(), 0);
    CHECK(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
    CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
    char c;
    CHECK_ERROR(read(fd, &c, 1), EINVAL);
    CHECK_ERROR(write(fd, &c, 1), EINVAL);
    CHECK_ERROR(lseek(fd, 0, SEEK_SET), ESPIPE);
    int other = pidfd_open(getpid(), O_NONBLOCK);
    CHECK(other >= 0 && (fcntl(other, F_GETFL) & O_NONBLOCK));
    CHECK_ERROR(pidfd_open(getpid(), 1), EINVAL);
    CHECK_ERROR(pidfd_open(0, 0), EINVAL);
    CHECK_ERROR(pidfd_open(-1, 0), EINVAL);
    CHECK_ERROR(pidfd_open(4000000, 0), ESRCH);
    CHECK(pthread_create(&t, NULL, tell_tid, NULL) == 0);
    while (go != 1)
        sched_yield();
    CHECK_ERROR(pidfd_open(other_tid, 0), EINVAL);
    go = 2;
    pthread_join(t, NULL);
}

/* Verify that a descriptor can be read once its process has ended, and ever after. */
static void
test_poll(void)
{
    pid_t child = sleeper();
    int fd = pidfd_open(child, 0), set = epoll_create1(0);
    struct epoll_event e = { .events = EPOLLIN, .data.u64 = 7 };
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &e) == 0);
    CHECK(look(fd, 0) == 0);
    CHECK(epoll_wait(set, &e, 1, 0) == 0);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(look(fd, -1) == POLLIN);
    CHECK(epoll_wait(set, &e, 1, -1) == 1 && e.data.u64 == 7 && e.events == EPOLLIN);
    CHECK(look(fd, 0) == POLLIN); /* a zombie */
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK(look(fd, 0) == POLLIN); /* and after it */
    CHECK_ERROR(pidfd_signal(fd, 0, NULL, 0), ESRCH);
    CHECK_ERROR(pidfd_getfd(fd, 0, 0), ESRCH);
    siginfo_t info;
    CHECK_ERROR(waitid(P_PIDFD, (id_t)fd, &info, WEXITED), ECHILD);
    signal(SIGCHLD, SIG_IGN); /* nobody waits for this one */
    child = sleeper();
    int second = pidfd_open(child, 0);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(look(second, -1) == POLLIN);
}

/* Verify that threads who sleep on a descriptor are all woken. */
static int shared_fd;

static void *
poll_it(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)look(shared_fd, -1);
}

static void
test_many_pollers(void)
{
    pthread_t t[8];
    pid_t child = sleeper();
    shared_fd = pidfd_open(child, 0);
    for (int i = 0; i < 8; i++)
        CHECK(pthread_create(&t[i], NULL, poll_it, NULL) == 0);
    usleep(20000);
    CHECK(kill(child, SIGKILL) == 0);
    for (int i = 0; i < 8; i++) {
        void *got;
        CHECK(pthread_join(t[i], &got) == 0 && (intptr_t)got == POLLIN);
    }
    CHECK(waitpid(child, NULL, 0) == child);
}

/* Verify waitid by descriptor, blocking and not. */
static void
test_waitid(void)
{
    siginfo_t info;
    pid_t child = sleeper();
    int fd = pidfd_open(child, O_NONBLOCK);
    memset(&info, 0, sizeof info);
    CHECK_ERROR(waitid(P_PIDFD, (id_t)fd, &info, WEXITED), EAGAIN);
    CHECK(waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0);
    CHECK(kill(child, SIGTERM) == 0);
    CHECK(look(fd, -1) == POLLIN);
    CHECK(waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOWAIT) == 0);
    CHECK(info.si_pid == child && info.si_code == CLD_KILLED);
    CHECK(fcntl(fd, F_SETFL, 0) == 0);
    memset(&info, 0, sizeof info);
    CHECK(waitid(P_PIDFD, (id_t)fd, &info, WEXITED) == 0 && info.si_status == SIGTERM);
    CHECK_ERROR(waitid(P_PIDFD, (id_t)fd, &info, WEXITED), ECHILD);
    CHECK_ERROR(waitid(P_PIDFD, 0, &info, WEXITED), EBADF);
    CHECK_ERROR(waitid(P_PIDFD, 1000, &info, WEXITED), EBADF);
    CHECK_ERROR(waitid(P_PIDFD, (id_t)-1, &info, WEXITED), EINVAL);
    fd = pidfd_open(getppid(), 0);
    CHECK_ERROR(waitid(P_PIDFD, (id_t)fd, &info, WEXITED), ECHILD);
}

static volatile siginfo_t got;
static volatile int hits;

static void
note(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    memcpy((void *)&got, info, sizeof *info);
    hits++;
}

/* Verify what a signal by descriptor carries, and who may send which. */
static void
test_send_signal(void)
{
    struct sigaction a = { .sa_sigaction = note, .sa_flags = SA_SIGINFO };
    siginfo_t info = { 0 };
    sigaction(SIGUSR1, &a, NULL);
    int self = pidfd_open(getpid(), 0);
    CHECK(pidfd_signal(self, SIGUSR1, NULL, 0) == 0);
    CHECK(hits == 1 && got.si_code == SI_USER && got.si_pid == getpid());
    CHECK(pidfd_signal(self, 0, NULL, 0) == 0);
    info.si_signo = SIGUSR1;
    info.si_code = SI_QUEUE;
    info.si_value.sival_int = 77;
    CHECK(pidfd_signal(self, SIGUSR1, &info, 0) == 0);
    CHECK(hits == 2 && got.si_code == SI_QUEUE && got.si_value.sival_int == 77);
    CHECK_ERROR(pidfd_signal(self, SIGUSR2, &info, 0), EINVAL);
    CHECK_ERROR(pidfd_signal(self, SIGUSR1, NULL, 8), EINVAL);
    CHECK_ERROR(pidfd_signal(self, 65, NULL, 0), EINVAL);
    CHECK_ERROR(pidfd_signal(self, SIGUSR1, (siginfo_t *)8, 0), EFAULT);
    CHECK_ERROR(pidfd_signal(0, SIGUSR1, NULL, 0), EBADF);
    CHECK_ERROR(pidfd_signal(-1, SIGUSR1, NULL, 0), EBADF);
    pid_t child = sleeper();
    int fd = pidfd_open(child, 0);
    info.si_code = SI_USER;
    CHECK_ERROR(pidfd_signal(fd, SIGUSR1, &info, 0), EPERM);
    CHECK(pidfd_signal(fd, SIGKILL, NULL, 0) == 0);
    CHECK(look(fd, -1) == POLLIN);
    CHECK(pidfd_signal(fd, SIGKILL, NULL, 0) == 0); /* a zombie takes it */
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK_ERROR(pidfd_signal(fd, SIGKILL, NULL, 0), ESRCH);
    child = sleeper();
    fd = pidfd_open(child, 0);
    CHECK(syscall(SYS_setresuid, 55, 55, 55) == 0);
    CHECK_ERROR(pidfd_signal(fd, SIGUSR1, NULL, 0), EPERM);
}

/* Verify that a descriptor of another process is had, by who may look into it. */
static void
test_getfd(void)
{
    int link[2];
    char c = 0;
    CHECK(pipe(link) == 0);
    pid_t child = sleeper();
    close(link[1]);
    int fd = pidfd_open(child, 0);
    int end_there = pidfd_getfd(fd, link[1], 0);
    CHECK(end_there >= 0 && (fcntl(end_there, F_GETFD) & FD_CLOEXEC));
    CHECK(write(end_there, "x", 1) == 1 && read(link[0], &c, 1) == 1 && c == 'x');
    CHECK_ERROR(pidfd_getfd(fd, link[1], 1), EINVAL);
    CHECK_ERROR(pidfd_getfd(fd, 999, 0), EBADF);
    CHECK_ERROR(pidfd_getfd(link[0], 0, 0), EBADF);
    CHECK_ERROR(pidfd_getfd(-1, 0, 0), EBADF);
    CHECK(kill(child, SIGKILL) == 0 && look(fd, -1) == POLLIN);
    int r = pidfd_getfd(fd, link[1], 0); /* a zombie has none */
    CHECK(r == -1 && (errno == EBADF || errno == ESRCH));
    CHECK(waitpid(child, NULL, 0) == child);
    child = sleeper();
    fd = pidfd_open(child, 0);
    CHECK(syscall(SYS_setresuid, 55, 55, 55) == 0);
    CHECK_ERROR(pidfd_getfd(fd, 0, 0), EPERM);
}

/* Verify that clone and clone3 give a descriptor that the child has not. */
static void
test_clone_pidfd(void)
{
    int fd = -1;
    siginfo_t info;
    long child = syscall(SYS_clone, PIDFD | SIGCHLD, 0, &fd, 0, 0);
    if (child == 0) {
        if (fcntl(3, F_GETFD) != -1 || errno != EBADF)
            _exit(1);
        _exit(5);
    }
    CHECK(child > 0 && fd == 3 && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
    CHECK(waitid(P_PIDFD, (id_t)fd, &info, WEXITED) == 0 && info.si_pid == child);
    CHECK(info.si_status == 5);
    struct args a = { .flags = PIDFD, .pidfd = (uintptr_t)&fd, .exit_signal = SIGCHLD };
    child = syscall(SYS_clone3, &a, sizeof a);
    if (child == 0)
        _exit(6);
    CHECK(child > 0 && fd == 4);
    CHECK(waitid(P_PIDFD, (id_t)fd, &info, WEXITED) == 0 && info.si_status == 6);
    CHECK_ERROR(syscall(SYS_clone, PIDFD | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_FS |
                        CLONE_FILES, 0, &fd, 0, 0), EINVAL);
    CHECK_ERROR(syscall(SYS_clone, PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &fd, 0, 0),
                EINVAL);
    a.pidfd = 8;
    CHECK_ERROR(syscall(SYS_clone3, &a, sizeof a), EFAULT);
    CHECK_ERROR(waitpid(-1, NULL, 0), ECHILD);
    CHECK_ERROR(fcntl(5, F_GETFD), EBADF); /* what failed left nothing */
}

static void
read_file(const char *name, char *to, size_t size)
{
    int fd = open(name, O_RDONLY);
    CHECK(fd >= 0);
    ssize_t n = read(fd, to, size - 1);
    CHECK(n >= 0);
    to[n] = '\0';
    close(fd);
}

/* Verify what /proc says of a descriptor. */
static void
test_fdinfo(void)
{
    char text[512], name[64], want[64];
    pid_t child = sleeper();
    int fd = pidfd_open(child, 0);
    snprintf(name, sizeof name, "/proc/self/fdinfo/%d", fd);
    read_file(name, text, sizeof text);
    snprintf(want, sizeof want, "\nPid:\t%d\nNSpid:\t%d\n", child, child);
    CHECK(strstr(text, want) != NULL);
    end(child);
    read_file(name, text, sizeof text);
    CHECK(strstr(text, "\nPid:\t-1\nNSpid:\t-1\n") != NULL);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(name, text, sizeof text);
    CHECK(n == 18 && memcmp(text, "anon_inode:[pidfd]", 18) == 0);
}

/* Verify that a descriptor does not keep its process's number in use. */
static void
test_numbers_are_not_kept(void)
{
    int kept[64];
    for (int i = 0; i < 64; i++) {
        pid_t child = fork();
        if (child == 0)
            for (;;)
                pause();
        kept[i] = pidfd_open(child, 0);
        CHECK(kept[i] >= 0);
        end(child);
    }
    for (int i = 0; i < 64; i++)
        CHECK_ERROR(pidfd_signal(kept[i], 0, NULL, 0), ESRCH);
}

int
main(void)
{
    RUN(test_open, pidfd_open);
    RUN(test_poll, pidfd_open, poll, epoll_wait);
    RUN(test_many_pollers, pidfd_open, poll);
    RUN(test_waitid, waitid);
    RUN(test_send_signal, pidfd_send_signal);
    RUN(test_send_by_directory, pidfd_send_signal);
    RUN(test_getfd, pidfd_getfd);
    RUN(test_clone_pidfd, clone, clone3);
    RUN(test_fdinfo, pidfd_open);
    RUN(test_numbers_are_not_kept, pidfd_open, pidfd_send_signal);
    return check_failures != 0;
}
